r"""The play that estimators sample: what players mean to do in each state, and the gradients of its logarithms.

$$ \pi_i(a \mid s) = \sum_o \Pr(o \mid s) \, \pi_i(a \mid o), \qquad
   \ell_i(s, a) = \nabla_i \log \pi_i(a \mid s). $$

What a player observes and the trembling of its hand are integrated out: payoffs and transitions are those expected of
intended actions. A sampled trajectory is of states and intended actions.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.play import Play, arrays_of


def intended_play(values: CompiledValue, params: tuple[Array, ...]) -> Play:
    """The game of compiled values in arrays, and what each player means to do in each state; may be traced and
    differentiated in both.

    Players need not see the state: `Play.policies` are `intended_policies`, `(S, A_i)` in the order of `game.states`.

    **Arguments:** `values`: compiled, of any backend; `params`: as `values` takes them, in arrays or as a loop
    carries them.

    **Raises:** `ValueError` for a user's own function and in the limit of discount 1.
    """
    checked = check_sampled(values)
    return Play(arrays_of(checked), intended_policies(checked, params))


def intended_policies(values: CompiledValue, params: tuple[Array, ...]) -> tuple[Array, ...]:
    """The probability of each intended action in each state, `(S, A_i)` per player; differentiable."""
    return tuple(_intended(values, values.stack(params), i) for i in range(values.num_players))


def scores(
    values: CompiledValue, params: tuple[Array, ...], player: int
) -> Float[Array, "states actions size"]:
    """The gradients of log probabilities of intended actions by the player's raveled parameters, `(S, A_i, size)`.

    0 where an action is never played, where it has no weight. Of a player who does not see the state these are the
    gradients of the mean over its observations: an estimator that knows the observation has scores of these means.
    """
    joint = values.stack(params)
    chances = _intended(values, joint, player)
    played = chances[..., None] > 0
    slopes = _derivative(values, joint, player, order=1)
    return jnp.where(played, slopes / jnp.where(played, chances[..., None], 1), 0)


def curvatures(
    values: CompiledValue, params: tuple[Array, ...], player: int
) -> Float[Array, "states actions size size"]:
    """The second derivatives of the probabilities of intended actions, not of their logarithms,
    `(S, A_i, size, size)`."""
    return _derivative(values, values.stack(params), player, order=2)


def check_sampled(values: ValueFunction) -> CompiledValue:
    """`values`, if trajectories of them can be sampled.

    **Raises:** `ValueError` for a user's own function and in the limit of discount 1.
    """
    if not isinstance(values, CompiledValue):
        raise ValueError(
            "values: expected the compiled values of a game, since a user's own function has no states and no "
            f"trajectories to sample, got {type(values).__name__}"
        )
    if values.patient:
        raise ValueError(
            "values: expected a discount below 1, got the limit of discount 1, where the sum over a trajectory has "
            "no limit; use a discount close to 1"
        )
    return values


def _intended(values: CompiledValue, joint: tuple[Array, ...], player: int) -> Array:
    dense = by_tensors(values)
    policy = tensor_kernel.policies_of(dense.kernel, joint)[player]
    return tensor_kernel.meant(dense.structure, policy, dense.numbers, player)


def _derivative(values: CompiledValue, joint: tuple[Array, ...], player: int, order: int) -> Array:
    """By the raveled parameters of one player, which come last."""
    own = joint[player]

    def policy(flat: Array) -> Any:
        moved = flat.reshape(own.shape)
        return _intended(values, (*joint[:player], moved, *joint[player + 1 :]), player)

    differentiate = jax.jacfwd if order == 1 else jax.hessian
    return differentiate(policy)(own.ravel())
