r"""COALA's estimators and their objective by enumeration: every batch of trajectories, in small games.

An episode is T rounds; its N trajectories $\tau$ have probabilities $p(\tau; \theta)$. Naive co-players estimate their
gradients by REINFORCE with rewards to go,
$\hat g_j(\tau) = \sum_t \nabla_j \log \pi_j(a_t | s_t) \sum_{k \ge t} g_j^k r_{j,k}$, and take the mean over a
batch $b$ of B trajectories. What matters of a batch is how often each trajectory is in it, so there are
$\binom{N + B - 1}{B}$ of them:

$$ \bar J_m(\theta_{-i}) = V_i(\theta_i, \theta_{-i}) + \sum_b p(b; \theta_i, \theta_{-i}) \,
   \bar J_{m+1}\big(\theta_{-i} + \alpha \hat g(b)\big). $$

With $\ell$ the score of a trajectory, $R$ its rewards to go and $F = \bar J_{m+1}$, the expectations of the estimators
are sums over episodes of

$$ w_{\text{cur}} \, \mathbb{E} \sum_l \nabla_i \log \pi(a_l | s_l) \, R_l
   + w_{\text{shape}} \, \mathbb{E} \Big[ \sum_{\tau \in b} \ell(\tau) \, F(b) \Big], $$

with weights (1, 1) for COALA, (B, 1) for M-FOS and (1, 1/B) for an estimator that does not know of the batch.
Meulemans et al. (2024), arXiv:2410.18636, Theorem 3.1 and its Section 3.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from resolvent.analytic.value_function import (
    CompiledValue,
    ValueFunction,
    check_parameters,
    require_x64,
)
from resolvent.numeric.checks import check_count, check_player
from resolvent.numeric.learners.learner import as_nonnegative, lookahead_rates
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.coala_noise import Noisy, first_order
from resolvent.numeric.play import GameArrays, arrays_of, check_play, play_of

Tree = Any

# More terms than this take minutes, and more memory than a small machine has.
_LARGEST = 1_000_000


class EnumeratedBatches(eqx.Module):
    """Expectations over all batches of trajectories; see [`resolvent.numeric.enumerate_batches`][].

    **Attributes:**

    - `value`: the expected sum over episodes of what the player earns in each.
    - `current`, `shaping`: the parts of its gradient, by automatic differentiation of the enumerated sum.
    - `coala`, `mfos`, `batch_unaware`: what the three estimators are on average, from scores and rewards.
    - `limit`: the value for infinitely large batches; `corrected`: with the correction of first order in 1/B.
    - `batches`: how many different batches an episode may have.
    - `batch`: B.
    """

    value: Float[Array, ""]
    current: Float[Array, ...]
    shaping: Float[Array, ...]
    coala: Float[Array, ...]
    mfos: Float[Array, ...]
    batch_unaware: Float[Array, ...]
    limit: Float[Array, ""]
    corrected: Float[Array, ""]
    batches: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)

    @property
    def error(self) -> Float[Array, ""]:
        """The largest difference of COALA's expectation from the gradient, relative to the gradient's largest entry."""
        gradient = self.current + self.shaping
        return jnp.abs(self.coala - gradient).max() / jnp.abs(gradient).max()

    def __str__(self) -> str:
        return (
            f"{self.batches:,} batches of {self.batch}: value {float(self.value):.9g} (limit {float(self.limit):.9g}, "
            f"with the first order in 1/B {float(self.corrected):.9g}); COALA's estimator is the gradient up to "
            f"{float(self.error):.1e}"
        )


class Trajectories(NamedTuple):
    """All ways in which an episode may go, `(N, T)` each.

    **Fields:** `states`, `actions`: one column of `actions` per player, `(N, T, n)`; `chance`: the probability of the
    moves of nature, `(N,)`.
    """

    states: Int[np.ndarray[Any, Any], "paths rounds"]
    actions: Int[np.ndarray[Any, Any], "paths rounds players"]
    chance: Float[np.ndarray[Any, Any], " paths"]


def trajectories(arrays: GameArrays, rounds: int) -> Trajectories:
    """Those that nature allows, of so many rounds."""
    shape = arrays.num_actions
    joint = np.stack([own.ravel() for own in np.indices(shape)], axis=1)
    if arrays.successors is not None:
        moves = np.eye(arrays.num_states)[np.asarray(arrays.successors)]
    else:
        moves = np.asarray(arrays.transitions)
    moves = moves.reshape(arrays.num_states, len(joint), arrays.num_states)
    initial = np.asarray(arrays.initial)
    paths = [([int(s)], [], float(initial[s])) for s in np.flatnonzero(initial)]
    for t in range(rounds):
        longer = []
        for states, acts, chance in paths:
            for u in range(len(joint)):
                if t == rounds - 1:
                    longer.append((states, [*acts, u], chance))
                    continue
                row = moves[states[-1], u]
                longer += [
                    ([*states, int(s)], [*acts, u], chance * float(row[s]))
                    for s in np.flatnonzero(row)
                ]
        paths = longer
        if len(paths) > _LARGEST:
            raise ValueError(
                f"rounds: {rounds} have more than {_LARGEST:,} trajectories; use fewer, or "
                "coala_gradient(batch=...)"
            )
    states, acts, chance = zip(*paths, strict=True)
    return Trajectories(np.array(states), joint[np.array(acts)], np.array(chance))


def enumerate_batches(
    values: ValueFunction,
    params: Tree,
    player: int = 0,
    *,
    batch: int,
    rounds: int = 2,
    episodes: int = 2,
    inner_rate: Any,
) -> EnumeratedBatches:
    """What COALA's objective and the expectations of three estimators are, by enumeration of all batches.

    Any number of players and actions, as far as the number of batches allows: with 16 trajectories, 3,876 batches of 4.
    With more than two episodes the number is raised to the power of `episodes - 1`.

    **Arguments:**

    - `values`: of a compiled game; they say the payoffs, the discount and the units. An episode is the first `rounds`
        of it: nothing is earned after.
    - `params`: one array per player.
    - `player`: the shaper; all others are naive learners, who learn from the same batch.
    - `batch`: B, trajectories per step. `rounds`: T. `episodes`: M.
    - `inner_rate`: the step of the naive learners, a number or one per player.

    **Returns:** an [`resolvent.numeric.EnumeratedBatches`][].

    **Raises:** `ValueError`, naming the argument; in particular where there are more than a million batches.
    """
    require_x64()
    compiled = check_play(
        values, "enumeration of batches", "coala_gradient, the limit of large batches"
    )
    for name, number in (("batch", batch), ("rounds", rounds), ("episodes", episodes)):
        check_count(number, name)
    check_player(player, values)
    rates = lookahead_rates(as_nonnegative(inner_rate), None, values.num_players)
    arrays = check_parameters(params, values.shapes)
    dense = by_tensors(compiled)
    known = trajectories(arrays_of(dense), rounds)
    count = math.comb(len(known.chance) + batch - 1, batch)
    if count ** (episodes - 1) > _LARGEST:
        raise ValueError(
            f"batch: there are {count:,} batches of {batch} of {len(known.chance):,} trajectories, too many for "
            f"{episodes} episodes; use smaller ones, or coala_gradient(batch={batch})"
        )
    members = np.array(list(combinations_with_replacement(range(len(known.chance)), batch)))
    found = _expectations(dense, arrays, player, rates, known, members, _orders(members), episodes)
    return EnumeratedBatches(*found, batches=count, batch=batch)


@eqx.filter_jit
def _expectations(
    values: CompiledValue,
    params: tuple[Array, ...],
    player: int,
    rates: list[Array],
    known: Trajectories,
    members: Int[np.ndarray[Any, Any], "batches size"],
    orders: Float[np.ndarray[Any, Any], " batches"],
    episodes: int,
) -> tuple[Array, ...]:
    size = members.shape[1]
    others = [j for j in range(len(params)) if j != player]
    z, back = ravel_pytree([params[j] for j in others])
    steps = jnp.concatenate([jnp.full(params[j].size, rates[j]) for j in others])
    arrays = arrays_of(values)
    paid = _rewards(arrays, known)
    ahead = jnp.cumsum(paid[:, ::-1], axis=1)[:, ::-1]

    def joint(own: Array, z: Array) -> tuple[Array, ...]:
        rest = back(z)
        return (*rest[:player], own, *rest[player:])

    def logs(own: tuple[Array, ...], j: int) -> Array:
        """Log probabilities of the actions of j, `(N, T)`."""
        policy = play_of(values, own).policies[j]
        return jnp.log(policy)[known.states, known.actions[..., j]]

    def chances(own: tuple[Array, ...]) -> Array:
        each = sum(logs(own, j).sum(axis=1) for j in range(len(own)))
        return jnp.asarray(known.chance) * jnp.exp(each)

    def weighted_scores(own: tuple[Array, ...], j: int, weight: Array) -> Array:
        """Gradients of log probabilities by the parameters of j, each times its weight, `(N, d_j)`."""

        def total(theirs: Array) -> Array:
            return (logs((*own[:j], theirs, *own[j + 1 :]), j) * weight).sum(axis=1)

        return jax.jacobian(total)(own[j]).reshape(len(known.chance), -1)

    def estimates(z: Array) -> Array:
        """The co-players' steps by one trajectory, `(N, d)`."""
        own = joint(params[player], z)
        each = [weighted_scores(own, j, ahead[:, :, j]) for j in others]
        return steps[None] * jnp.concatenate(each, axis=1)

    def worth(now: Array, z: Array) -> Array:
        return chances(joint(now, z)) @ paid[:, :, player].sum(axis=1)

    def batches(earlier: Array, z: Array) -> tuple[Array, Array]:
        """The probability of each batch, and where it leads."""
        likely = jnp.asarray(orders) * chances(joint(earlier, z))[members].prod(axis=1)
        return likely, z[None] + estimates(z)[members].mean(axis=1)

    def value(now: Array, earlier: Array, z: Array, left: int) -> Array:
        if left == 1:
            return worth(now, z)
        likely, after = batches(earlier, z)
        later = jax.vmap(lambda there: value(now, earlier, there, left - 1))(after)
        return worth(now, z) + likely @ later

    def estimated(z: Array, left: int) -> tuple[Array, Array, Array]:
        """The value from here on, and the two sums of the module without weights, from scores and rewards."""
        own = joint(params[player], z)
        probability = chances(own)
        here = probability @ weighted_scores(own, player, ahead[:, :, player])
        if left == 1:
            return worth(params[player], z), here, jnp.zeros_like(here)
        likely, after = batches(params[player], z)
        later, current, shaping = jax.vmap(lambda there: estimated(there, left - 1))(after)
        score = weighted_scores(own, player, jnp.ones_like(ahead[:, :, player]))
        summed = score[members].sum(axis=1)
        shaped = (likely * later) @ summed + likely @ shaping
        return worth(params[player], z) + likely @ later, here + likely @ current, shaped

    own = params[player]
    total, (current, shaping) = jax.value_and_grad(value, argnums=(0, 1))(own, own, z, episodes)
    _, g_current, g_shaping = estimated(z, episodes)
    g_current, g_shaping = g_current.reshape(own.shape), g_shaping.reshape(own.shape)

    def mean_step(z: Array) -> Array:
        return z + chances(joint(own, z)) @ estimates(z)

    def covariance(z: Array) -> Array:
        probability, draws = chances(joint(own, z)), estimates(z)
        mean = probability @ draws
        return (draws * probability[:, None]).T @ draws - jnp.outer(mean, mean)

    limit, there = jnp.zeros(()), z
    for _ in range(episodes):
        limit, there = limit + worth(own, there), mean_step(there)
    noisy = Noisy(lambda z: worth(own, z), mean_step, covariance)
    corrected = limit + first_order(noisy, z, episodes) / size
    return (
        total,
        current,
        shaping,
        g_current + g_shaping,
        size * g_current + g_shaping,
        g_current + g_shaping / size,
        limit,
        corrected,
    )


def _rewards(arrays: GameArrays, known: Trajectories) -> Array:
    """Discounted payoffs, `(N, T, n)`."""
    players = range(arrays.num_players)
    each = tuple(known.actions[..., j] for j in players)
    times = jnp.arange(known.states.shape[1])
    rows = [
        (1 - arrays.discounts[i])
        * arrays.discounts[i] ** times[None]
        * arrays.payoffs[i][(known.states, *each)]
        for i in players
    ]
    return jnp.stack(rows, axis=-1)


def _orders(
    members: Int[np.ndarray[Any, Any], "batches size"],
) -> Float[np.ndarray[Any, Any], " batches"]:
    """In how many orders each batch may be drawn."""
    size = members.shape[1]
    counts = np.apply_along_axis(lambda row: np.bincount(row, minlength=size), 1, _ranks(members))
    factorials = np.array([math.factorial(k) for k in range(size + 1)], float)
    return math.factorial(size) / factorials[counts].prod(axis=1)


def _ranks(
    members: Int[np.ndarray[Any, Any], "batches size"],
) -> Int[np.ndarray[Any, Any], "batches size"]:
    """Which of its different trajectories each entry of a (sorted) batch is, from 0."""
    new = np.diff(members, axis=1) != 0
    return np.concatenate([np.zeros((len(members), 1), int), new.cumsum(axis=1)], axis=1)
