r"""The equations of logarithmic tracing, their start, and Newton's step by blocks of states.

In units of one round and of each player's payoff range, with $\rho$ the prior, $\beta = \log \sigma$, and
$c_i = t \, Q_i(\sigma_{-i}, V_i) + (1-t) \, Q_i(\rho_{-i}, V_i)$ what actions are worth where the others play
as one expects with weight $t$ and as the prior says otherwise,

$$ c_i(s, a) - V_i(s) + w \Big[ \nu_i(s,a) \, e^{-\beta_i(s,a)} + \sum_b \nu_i(s,b) (\beta_i(s,b) - 1) \Big] = 0,
   \qquad \sum_a e^{\beta_i(s,a)} = 1, $$

are the first-order conditions of players who maximise $V_i$, with a logarithmic barrier of weight
$w = (1-g_i) \, ((1-t) \, \eta + t \, \eta_1)$ on every probability (Eibelshäuser, Klockmann, Poensgen and von
Schenk, *The logarithmic stochastic tracing procedure*, INFORMS Journal on Computing 2023; there $\eta_1 = 0$,
where $\beta$ has no limit as $t \to 1$).

The bracket's first term is the slack of an action, $l = w \nu / \sigma$: on a support $\sigma$ is positive and $l$
next to nothing, off it the other way round. The unknowns are neither, but their difference in units of payoffs,

$$ \alpha = \sigma - \frac{l}{1-g}, \qquad
   \sigma = \tfrac12 \Big( \alpha + \sqrt{\alpha^2 + 4 \hat w} \Big), \quad \hat w = \frac{w \nu}{1-g}, $$

in which the path of a small weight is the piecewise linear one of weight 0 with its corners rounded (the smoothing
of complementarity of Chen, Harker, Kanzow and Smale), while in $\beta$ every action that comes or goes is a long
excursion. It has a limit as $t \to 1$ also for $\eta_1 = 0$.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import (
    GameArrays,
    Policies,
    expected,
    expected_pair,
    payoff_ranges,
)
from resolvent.numeric.equilibrium.blocks import Blocks, dense, solve_by_states, solve_densely
from resolvent.numeric.equilibrium.continuation import Linearisation, solve_bordered


class Problem(eqx.Module):
    """What a path depends on.

    **Attributes:**

    - `payoffs`: `(n, S, A_1, ..., A_n)`, of range 1, times one minus the discount.
    - `transitions`: `(S, A_1, ..., A_n, S)`. `discounts`: `(n,)`.
    - `prior_payoffs`, `prior_moves`: per player `(S, A_i)` and `(S, A_i, S)`, what is expected of them where
        the others play the prior; moves are discounted.
    - `weights`: per player `(S, A_i)`, nu times one minus the discount.
    - `eta`: the weight of the barrier at t = 0 and at t = 1, `(2,)`.
    - `hold`: 0; or 1, where players face each other all along and t moves the weight alone.
    - `support`: per player `(S, A_i)`: actions off it are not played, and have no equation.
    """

    payoffs: Float[Array, "players states ..."]
    transitions: Float[Array, "states ... states"]
    discounts: Float[Array, " players"]
    prior_payoffs: tuple[Float[Array, "states actions"], ...]
    prior_moves: tuple[Float[Array, "states actions states"], ...]
    weights: tuple[Float[Array, "states actions"], ...]
    eta: Float[Array, " two"]
    hold: Float[Array, ""]
    support: tuple[Bool[Array, "states actions"], ...]


def problem_of(
    arrays: GameArrays, prior: Policies, eta: Float[Array, " two"], weights: Policies
) -> Problem:
    """The path of a game from a prior."""
    rounds = 1 - arrays.discounts
    ones = (1,) * (arrays.payoffs.ndim - 1)
    # Less the smallest, which no equilibrium depends on: values are then between 0 and 1.
    flat = arrays.payoffs.reshape(arrays.num_players, -1)
    least = flat.min(axis=1).reshape(-1, *ones)
    scale = (rounds / payoff_ranges(arrays)).reshape(-1, *ones)
    payoffs = (arrays.payoffs - least) * scale
    transitions = arrays.transitions
    if transitions is None:
        transitions = jax.nn.one_hot(arrays.successors, arrays.num_states)
    players = range(arrays.num_players)
    return Problem(
        payoffs,
        transitions,
        arrays.discounts,
        tuple(expected(payoffs[i], prior, i) for i in players),
        tuple(arrays.discounts[i] * expected(transitions, prior, i) for i in players),
        tuple(rounds[i] * weights[i] for i in players),
        eta,
        jnp.zeros(()),
        tuple(jnp.ones(own.shape, bool) for own in prior),
    )


def start_of(problem: Problem) -> Float[Array, " unknowns+1"]:
    """The one point of the path at t = 0, where players face the prior and not each other.

    Each solves a decision problem with a barrier, by policy iteration: it takes few sweeps, as it is Newton's
    method, and converges from anywhere (Puterman and Brumelle 1979).
    """
    unknowns, values = [], []
    for i, (payoffs, moves, weights) in enumerate(
        zip(problem.prior_payoffs, problem.prior_moves, problem.weights, strict=True)
    ):
        own, worth = _decide(payoffs, moves, problem.eta[0] * weights)
        slack = problem.eta[0] * weights * jnp.exp(-own) / (1 - problem.discounts[i])
        unknowns.append(jnp.exp(own) - slack)
        values.append(worth[:, None])
    return jnp.append(jnp.concatenate([*unknowns, *values], axis=1).ravel(), 0.0)


def _decide(payoffs: Array, moves: Array, weights: Array) -> tuple[Array, Array]:
    """Log-policy and values of one player: of sum sigma c + weights log sigma, the largest."""
    size = payoffs.shape[0]

    def improve(values: Array) -> Array:
        worth = payoffs + moves @ values
        gaps = worth.max(axis=1, keepdims=True) - worth

        # The multiplier less the largest worth solves sum weights / (x + gaps) = 1. From the left of the root
        # of a convex decreasing function, Newton's method climbs to it.
        def climb(_: int, x: Array) -> Array:
            terms = weights / (x + gaps)
            slope = (terms / (x + gaps)).sum(axis=1, keepdims=True)
            return x + (terms.sum(axis=1, keepdims=True) - 1) / slope

        first = jnp.where(gaps == 0, weights, 0).max(axis=1, keepdims=True)
        root = lax.fori_loop(0, 40, climb, first)
        return jnp.log(weights) - jnp.log(root + gaps)

    def evaluate(policy: Array) -> Array:
        sigma = jnp.exp(policy)
        now = (sigma * payoffs + weights * policy).sum(axis=1)
        after = jnp.einsum("sa,sat->st", sigma, moves)
        return jnp.linalg.solve(jnp.eye(size) - after, now)

    def sweep(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        values, _, count = state
        better = evaluate(improve(values))
        return better, jnp.abs(better - values).max(), count + 1

    def going(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > 1e-14) & (state[2] < 100)

    values, _, _ = lax.while_loop(going, sweep, (jnp.zeros(size), jnp.ones(()), jnp.zeros((), int)))
    return improve(values), values


def policies_on_path(points: Any, problem: Problem) -> tuple[NDArray[np.floating], ...]:
    """The policies `(k, S, A_i)` at points `(k, unknowns + 1)` of a path, or each of a path of its own; in NumPy,
    which compiles nothing for their number.

    **Arguments:** `problem`: of one path; or of as many as there are points, with a leading axis.
    """
    points, eta = np.asarray(points), np.asarray(problem.eta)
    discounts = np.asarray(problem.discounts)
    weights = [np.asarray(own) for own in problem.weights]
    states, t = weights[0].shape[-2], points[:, -1]
    weight = ((1 - t) * eta[..., 0] + t * eta[..., 1])[:, None, None]
    table = points[:, :-1].reshape(len(points), states, -1)
    found, first = [], 0
    for i, nu in enumerate(weights):
        last = first + nu.shape[-1]
        product = weight * nu / (1 - discounts[..., i])[..., None, None]
        alpha = table[:, :, first:last]
        larger = (np.abs(alpha) + np.sqrt(alpha**2 + 4 * product)) / 2
        shares = np.where(alpha > 0, larger, product / np.where(larger > 0, larger, 1))
        found.append(shares / shares.sum(axis=2, keepdims=True))
        first = last
    return tuple(found)


def restricted(y: Array, problem: Problem) -> Policies:
    """The policies of a point of a path without a barrier, played on its support alone."""
    num_actions = problem.payoffs.shape[2:]
    unknowns = _split(y, num_actions)[0]
    sigma = [
        jnp.where(on, jnp.clip(own, 0), 0)
        for on, own in zip(problem.support, unknowns, strict=True)
    ]
    return tuple(own / own.sum(axis=1, keepdims=True) for own in sigma)


def _split(y: Array, num_actions: tuple[int, ...]) -> tuple[tuple[Array, ...], Array]:
    """The unknowns `(S, A_i)` of policies and the values `(S, n)` of a point."""
    width = sum(num_actions) + len(num_actions)
    table = y[:-1].reshape(-1, width)
    columns = [table[:, at] for at in _columns(num_actions)]
    return tuple(columns), table[:, sum(num_actions) :]


def _columns(num_actions: tuple[int, ...]) -> list[slice]:
    ends = [sum(num_actions[:i]) for i in range(len(num_actions) + 1)]
    return [slice(first, last) for first, last in zip(ends[:-1], ends[1:], strict=True)]


class _Play(NamedTuple):
    """Policies `(S, A_i)` from the unknowns: themselves, their logarithms, and the derivatives of these by the
    unknown and by the weight of the barrier; 0 off the support."""

    sigma: Array
    logs: Array
    by_unknown: Array
    by_weight: Array


def _play(alpha: Array, support: Array, weight: Array, nu: Array) -> _Play:
    """**Arguments:** `nu`: of the player, as in the module's `w nu / (1 - g)`."""
    root = jnp.sqrt(alpha**2 + 4 * weight * nu)
    larger = (jnp.abs(alpha) + root) / 2
    sigma = jnp.where(alpha > 0, larger, weight * nu / larger)
    parts = (sigma, jnp.log(sigma), 1 / root, nu / (sigma * root))
    return _Play(*(jnp.where(support, own, 0) for own in parts))


def _blocks(y: Array, problem: Problem) -> Blocks:
    num_actions = problem.payoffs.shape[2:]
    players = range(len(num_actions))
    unknowns, values = _split(y, num_actions)
    t, (eta, last) = y[-1], problem.eta
    weight, change = (1 - t) * eta + t * last, last - eta
    pace = 1 - problem.hold
    t = problem.hold + pace * t
    states = values.shape[0]
    support = problem.support
    play = [
        _play(unknowns[i], support[i], weight, problem.weights[i] / (1 - problem.discounts[i]))
        for i in players
    ]
    sigma = tuple(own.sigma for own in play)
    actions = sum(num_actions)
    columns = _columns(num_actions)
    off, by_t, local, moves = [], [], [], []
    # Derivatives are first by log-policies.
    for i in players:
        nu, on, logs = problem.weights[i], support[i], play[i].logs
        worth = problem.payoffs[i] + problem.discounts[i] * (problem.transitions @ values[:, i])
        now = expected(worth, sigma, i)
        before = problem.prior_payoffs[i] + problem.prior_moves[i] @ values[:, i]
        bare = jnp.where(on, nu / jnp.where(on, sigma[i], 1), 0)
        barrier = bare + (nu * (logs - 1)).sum(axis=1, keepdims=True)
        gap = t * now + (1 - t) * before - values[:, i : i + 1] + weight * barrier
        off.append(jnp.where(on, gap, 0))
        by_t.append(jnp.where(on, pace * (now - before) + change * barrier, 0))
        blocks = []
        for j in players:
            if i == j:
                diagonal = jnp.eye(num_actions[i])[None] * (weight * bare)[:, :, None]
                blocks.append(weight * nu[:, None, :] - diagonal)
            else:
                blocks.append(t * expected_pair(worth, sigma, i, j) * sigma[j][:, None, :])
        own_value = jnp.zeros((states, num_actions[i], len(num_actions))).at[:, :, i].set(-1.0)
        local.append(jnp.where(on[:, :, None], jnp.concatenate([*blocks, own_value], axis=2), 0))
        after = problem.discounts[i] * expected(problem.transitions, sigma, i)
        mixed = t * after + (1 - t) * problem.prior_moves[i]
        moves.append(jnp.where(on[:, :, None], mixed, 0))
    sums = jnp.zeros((states, len(num_actions), actions + len(num_actions)))
    for i in players:
        off.append(sigma[i].sum(axis=1, keepdims=True) - 1)
        sums = sums.at[:, i, columns[i]].set(sigma[i])
    by_t.append(jnp.zeros((states, len(num_actions))))
    matrix = jnp.concatenate([*local, sums], axis=1)
    # And then by the unknowns, of which those off the support stay where they are.
    drift = change * jnp.concatenate([own.by_weight for own in play], axis=1)
    scales = jnp.concatenate([own.by_unknown for own in play], axis=1)
    idle = 1.0 - jnp.concatenate(support, axis=1)
    along = jnp.concatenate(by_t, axis=1) + jnp.einsum("smk,sk->sm", matrix[:, :, :actions], drift)
    matrix = matrix.at[:, :, :actions].multiply(scales[:, None, :])
    diagonal = jnp.arange(actions)
    matrix = matrix.at[:, diagonal, diagonal].add(idle)
    return Blocks(jnp.concatenate(off, axis=1), along, matrix, tuple(moves))


@dataclasses.dataclass(frozen=True)
class DenseTracing:
    """Newton's step by one dense decomposition: for few unknowns."""

    def __call__(self, y: Array, problem: Problem, row: Array) -> Linearisation:
        return solve_densely(_blocks(y, problem), row)


@dataclasses.dataclass(frozen=True)
class TwinTracing:
    """Newton's step among the symmetric profiles of a symmetric game of two players: the unknowns are those of
    player 1, and player 2 does in each state what player 1 does in its mirror image.

    **Arguments:** `mirror`: of each state the one with the players exchanged.
    """

    mirror: tuple[int, ...]

    def expand(self, y: Array) -> Array:
        """The point of both players, from that of one."""
        size = len(self.mirror)
        table = y[:-1].reshape(size, -1)
        own, value = table[:, :-1], table[:, -1:]
        swap = jnp.array(self.mirror)
        both = jnp.concatenate([own, own[swap], value, value[swap]], axis=1)
        return jnp.append(both.ravel(), y[-1])

    def reduce(self, y: Array) -> Array:
        """The point of player 1, from that of both."""
        size = len(self.mirror)
        table = y[:-1].reshape(size, -1)
        number = table.shape[1] // 2 - 1
        own = jnp.concatenate([table[:, :number], table[:, -2:-1]], axis=1)
        return jnp.append(own.ravel(), y[-1])

    def __call__(self, y: Array, problem: Problem, row: Array) -> Linearisation:
        size = len(self.mirror)
        off, jacobian = dense(_blocks(self.expand(y), problem))
        width = off.size // size
        number = width // 2 - 1
        # Equations of player 1: its actions, and the sum of its probabilities.
        rows = jnp.array([*range(number), width - 2])
        kept = jacobian.reshape(size, width, -1)[:, rows].reshape(-1, jacobian.shape[1])
        spread = jax.jacfwd(self.expand)(y)
        return solve_bordered(kept @ spread, row, off.reshape(size, width)[:, rows].ravel())


@dataclasses.dataclass(frozen=True)
class BlockTracing:
    """Newton's step by states: one small inverse for each, and one system in the values of all."""

    def __call__(self, y: Array, problem: Problem, row: Array) -> Linearisation:
        return solve_by_states(_blocks(y, problem), row)
