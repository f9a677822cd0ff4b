r"""How noisy a policy gradient estimated from one trajectory is, in closed form.

With exact advantages the estimate of player j and its mean are

$$ \hat g_j = \sum_t g_j^t \, x_j(s_t, u_t), \qquad x_j = A_j(s, u) \, \ell_j(s, u), \qquad
   \mathbb{E} \hat g_j = \nabla_j V_j. $$

From every state on, the mean is $G_j = \nabla_j V_j(\cdot) = R_{g_j} \sum_u \pi x_j$. Two estimates from the same
trajectory have, time by time and earlier by later,

$$ \mathbb{E} \, \hat g_j \hat g_k^\top = p_0^\top R_{g_j g_k} \sum_u \pi(u \mid s) \, \Big( x_j x_k^\top
   + g_k \, x_j \, \mathbb{E}[G_k(s') \mid s, u]^\top + g_j \, \mathbb{E}[G_j(s') \mid s, u] \, x_k^\top \Big). $$

The covariance is less the product of the means; of the mean of B trajectories it is a B-th of that. What such noise
adds to the values along the way of learners, to first order in 1/B, is the recursion of
`resolvent.numeric.metagame.coala`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.moments import gradient_covariance
from resolvent.numeric.metagame.coala_coplayers import Objective


def score_covariance(
    values: CompiledValue, params: tuple[Array, ...], players: Sequence[int]
) -> Float[Array, "size size"]:
    """The covariance of the gradient estimates of `players` from one trajectory, with exact advantages.

    Trajectories do not end. Players who learn from one trajectory have correlated noise: the blocks off the
    diagonal are part of it.

    **Arguments:** `values`: checked by `check_play`; `params`: arrays; `players`: whose estimates.

    **Returns:** `(d, d)`, for all parameters of `players` one after the other, in the squared units of the values
    per parameter.
    """
    pairs = [(player, player) for player in players]
    return gradient_covariance(values, params, "exact_advantage", pairs)


# What noise adds ---------------------------------------------------------------------------


class Noisy(NamedTuple):
    """Learning as a random map of the co-players' flat parameters z.

    **Fields:** `earned`: what an episode is worth at z; `step`: where z goes on average; `covariance`: of a step,
    times B.
    """

    earned: Callable[[Array], Array]
    step: Callable[[Array], Array]
    covariance: Callable[[Array], Array]


def first_order(noisy: Noisy, z: Array, episodes: int, objective: Objective = "all") -> Array:
    """B times what noise adds to the expected sum over the episodes, to first order in 1/B: the recursion of the
    module."""

    def added(z: Array, mean: Array, spread: Array) -> Array:
        return jax.jvp(noisy.earned, (z,), (mean,))[1] + curved(noisy.earned, z, spread) / 2

    def step(
        carry: tuple[Array, Array, Array], _: Array
    ) -> tuple[tuple[Array, Array, Array], Array]:
        z, mean, spread = carry
        slope, after = jax.jacfwd(lambda own: (noisy.step(own),) * 2, has_aux=True)(z)
        drift = slope @ mean + curved(noisy.step, z, spread) / 2
        grown = slope @ spread @ slope.T + noisy.covariance(z).astype(z.dtype)
        return (after, drift, grown), added(z, mean, spread)

    start = (z, jnp.zeros_like(z), jnp.zeros((z.size, z.size), z.dtype))
    end, before = lax.scan(step, start, jnp.arange(episodes - 1))
    return added(*end) if objective == "final" else jnp.sum(before) + added(*end)


def curved(function: Callable[[Array], Array], z: Array, spread: Array) -> Array:
    r"""$\sum_{ab} C_{ab} \, \partial_a \partial_b f(z)$, by one second directional derivative per column of C."""

    def along_column(unit: Array, column: Array) -> Array:
        def slope(at: Array) -> Array:
            return jax.jvp(function, (at,), (column,))[1]

        return jax.jvp(slope, (z,), (unit,))[1]

    return jax.vmap(along_column)(jnp.eye(z.size, dtype=z.dtype), spread).sum(axis=0)
