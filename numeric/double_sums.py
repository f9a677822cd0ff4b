r"""Sums over pairs of rounds, as products of resolvents.

With $e$ where play begins, $P$ the transitions under the joint policy $\pi$, $R_z = (I - zP)^{-1}$ and
$W_{ss'} = \sum_u \pi(u \mid s) \, w(s, u) \Pr(s' \mid s, u)$, a weight $w$ received in one round and carried into all
later ones is, by state of the later round,

$$ m(s) = \sum_k \sum_{t < k} a^t b^{k-t-1} \, \mathbb{E}\big[w(s_t, u_t); s_k = s\big]
        = \big(e^\top R_a W R_b\big)(s). $$

With the terms $c_k$ of round k divided by k or by 1 + k, it is an integral of such products, since

$$ \sum_k \frac{c_k}{k} = \int_0^1 \sum_k y^{k-1} c_k \, \mathrm{d}y, \qquad
   \sum_k \frac{c_k}{1 + k} = \int_0^1 \sum_k y^k c_k \, \mathrm{d}y, $$

and over T rounds a recursion: $m = \sum_{k < T} c_k$ with $c_0 = 0$ and $c_{k+1} = b \, c_k P + a^k e^\top P^k W$.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from resolvent.numeric.equilibrium.arrays import GameArrays, expected
from resolvent.numeric.play import Play

TimeWeight = Literal["1/k", "1/(1+k)"]

# Of Gauss and Legendre: the integrals are then exact to rounding for discounts up to about 1 - 1e-6.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


class Rounds(NamedTuple):
    """Which rounds k = 0, 1, ... are counted, and for how much.

    **Fields:** `time_weight`: what the terms of round k are multiplied by, or `None`; `horizon`: the number of
    rounds, or `None` for all.
    """

    time_weight: TimeWeight | None = None
    horizon: int | None = None


ALL_ROUNDS = Rounds()


def visited(play: Play, discount: Any, rounds: Rounds = ALL_ROUNDS) -> Float[Array, " states"]:
    """How often each state is visited, `(S,)`: the sum over rounds of discount^k Pr(s_k = s).

    **Raises:** `ValueError` for the time weight 1/k, which has no meaning in round 0.
    """
    if rounds.time_weight == "1/k":
        raise ValueError("time_weight: expected None or '1/(1+k)' for visits, got '1/k'")
    if rounds.horizon is not None:
        return _recursion(play, jnp.zeros_like(play.joint), discount, 0.0, rounds)[0]
    if rounds.time_weight is None:
        return play.resolvent_left(discount, play.arrays.initial)
    return _integral(
        lambda y: play.resolvent_left(discount * y, play.arrays.initial), jnp.asarray(discount)
    )


def carried(
    play: Play, weighted: Float[Array, "states ..."], a: Any, b: Any, rounds: Rounds = ALL_ROUNDS
) -> Float[Array, " states"]:
    """The m of the module, `(S,)`.

    **Arguments:** `weighted`: the joint policy times the weight w, `(S, A_1, ..., A_n)`; `a` and `b`: what is
    discounted up to the earlier round, and between the two.
    """
    if rounds.horizon is not None:
        return _recursion(play, weighted, a, b, rounds)[1]

    def product(y: Any) -> Array:
        """The terms of round k, times y^(k - 1)."""
        earlier = play.resolvent_left(a * y, play.arrays.initial)
        return play.resolvent_left(b * y, arrivals(play.arrays, _per_state(earlier, weighted)))

    if rounds.time_weight is None:
        return product(1.0)
    power = 0 if rounds.time_weight == "1/k" else 1
    return _integral(lambda y: y**power * product(y), jnp.maximum(a, b))


def influence(
    play: Play, player: int, other: int, weights: Float[Array, "states actions"]
) -> Float[Array, "states actions"]:
    r"""How the player's policy moves another's action values: the gradient of $\sum_{s,b} c(s,b) Q_j(s,b)$ by
    $\pi_i$, with $c$ held constant, one more product of resolvents.

    **Arguments:** `player`, `other`: i and j; `weights`: c, `(S, A_j)`.

    **Returns:** `(S, A_i)`, up to a number per state, which no change of a policy sees.
    """
    steered = with_policy(play, other, weights)
    discount = play.arrays.discounts[other]
    later = discount * play.resolvent_left(discount, arrivals(play.arrays, steered.joint))
    gains = play.joint_advantages(other)
    at_once = expected(gains, steered.policies, player)
    return at_once + later[:, None] * expected(gains, play.policies, player)


def with_policy(play: Play, player: int, table: Float[Array, "states actions"]) -> Play:
    """The same play with another table in the place of one player's policy; it need not hold probabilities,
    since all that is computed from it is linear in it."""
    policies = (*play.policies[:player], table, *play.policies[player + 1 :])
    return Play(play.arrays, policies)


def arrivals(arrays: GameArrays, weighted: Float[Array, "states ..."]) -> Float[Array, " states"]:
    """Where weights on states and joint actions go, `(S,)`: the transpose of `follows`."""
    if arrays.successors is not None:
        return jnp.zeros(arrays.num_states, weighted.dtype).at[arrays.successors].add(weighted)
    assert arrays.transitions is not None  # one of the two is given
    return jnp.tensordot(weighted, arrays.transitions, axes=weighted.ndim)


def _per_state(numbers: Float[Array, " states"], table: Array) -> Array:
    return numbers.reshape(-1, *(1,) * (table.ndim - 1)) * table


def _recursion(play: Play, weighted: Array, a: Any, b: Any, rounds: Rounds) -> tuple[Array, Array]:
    """Visits and what is carried into them, over a finite number of rounds, `(S,)` each."""
    moves = play.transitions

    def step(now: tuple[Array, ...], k: Array) -> tuple[tuple[Array, ...], None]:
        here, held, visits, sums = now
        share = {None: 1.0, "1/k": 1 / jnp.maximum(k, 1), "1/(1+k)": 1 / (1 + k)}[
            rounds.time_weight
        ]
        received = arrivals(play.arrays, _per_state(here, weighted))
        after = (a * (here @ moves), b * (held @ moves) + received)
        return (*after, visits + share * here, sums + share * held), None

    initial = play.arrays.initial
    zero = jnp.zeros_like(initial)
    (_, _, visits, sums), _ = lax.scan(
        step, (initial, zero, zero, zero), jnp.arange(rounds.horizon)
    )
    return visits, sums


def _integral(integrand: Callable[[Array], Array], discount: Array) -> Array:
    """The integral over y from 0 to 1, where singularities are as close as 1 / discount.

    In $v = -\\log(1 - g y)$ they are no closer than about 1 to an interval of length $-\\log(1 - g)$.
    """
    least = jnp.finfo(jnp.result_type(discount, float)).tiny ** 0.5
    g = jnp.maximum(discount, least)  # at 0 this is y itself
    length = -jnp.log1p(-g)
    start = integrand(jnp.zeros_like(g))

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        place, weight = node
        v = length * place
        return total + weight * length * jnp.exp(-v) / g * integrand(-jnp.expm1(-v) / g), None

    nodes = (jnp.asarray((_NODES + 1) / 2), jnp.asarray(_WEIGHTS / 2))
    return lax.scan(add, jnp.zeros_like(start), nodes)[0]
