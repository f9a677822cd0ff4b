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

Policies of a state meet in that state alone, and states are coupled by values alone. With $x_s$ the unknowns of
state s, $D_s$ their own block, $C_s$ the derivatives by the values that follow and $V_s = E x_s$, Newton's step is
one small solve per state and one system in the values.
"""

from __future__ import annotations

import dataclasses
import string

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Bool, Float

from resolvent.numeric.equilibrium.arrays import GameArrays, Policies, expected, payoff_ranges
from resolvent.numeric.equilibrium.continuation import Linearisation, eliminate, solve_bordered


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
    policies, values = [], []
    for payoffs, moves, weights in zip(
        problem.prior_payoffs, problem.prior_moves, problem.weights, strict=True
    ):
        own, worth = _decide(payoffs, moves, problem.eta[0] * weights)
        policies.append(own)
        values.append(worth[:, None])
    return jnp.append(jnp.concatenate([*policies, *values], axis=1).ravel(), 0.0)


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


def split(y: Array, num_actions: tuple[int, ...]) -> tuple[tuple[Array, ...], Array]:
    """Log-policies `(S, A_i)` and values `(S, n)` of a point."""
    width = sum(num_actions) + len(num_actions)
    table = y[:-1].reshape(-1, width)
    columns = [table[:, at] for at in _columns(num_actions)]
    return tuple(columns), table[:, sum(num_actions) :]


def policies_at(y: Array, num_actions: tuple[int, ...]) -> Policies:
    """The policies of a point, `(S, A_i)`, rows of which sum to one."""
    return tuple(jax.nn.softmax(own, axis=1) for own in split(y, num_actions)[0])


def _columns(num_actions: tuple[int, ...]) -> list[slice]:
    ends = [sum(num_actions[:i]) for i in range(len(num_actions) + 1)]
    return [slice(first, last) for first, last in zip(ends[:-1], ends[1:], strict=True)]


class _Parts(eqx.Module):
    """The equations `(S, m)`, their derivatives by t, `(S, m)`, by unknowns of the same state, `(S, m, m)`, and
    of each player's by its values that follow, `(S, A_i, S)`."""

    off: Array
    by_t: Array
    local: Array
    moves: tuple[Array, ...]


def _parts(y: Array, problem: Problem) -> _Parts:
    num_actions = problem.payoffs.shape[2:]
    players = range(len(num_actions))
    logs, values = split(y, num_actions)
    t, (eta, last) = y[-1], problem.eta
    weight, change = (1 - t) * eta + t * last, last - eta
    pace = 1 - problem.hold
    t = problem.hold + pace * t
    states = values.shape[0]
    support = problem.support
    sigma = tuple(jnp.where(on, jnp.exp(own), 0) for on, own in zip(support, logs, strict=True))
    actions = sum(num_actions)
    columns = _columns(num_actions)
    off, by_t, local, moves = [], [], [], []
    for i in players:
        nu, on = problem.weights[i], support[i]
        worth = problem.payoffs[i] + problem.discounts[i] * (problem.transitions @ values[:, i])
        now = expected(worth, sigma, i)
        before = problem.prior_payoffs[i] + problem.prior_moves[i] @ values[:, i]
        bare = jnp.exp(-logs[i])
        barrier = nu * bare + (nu * (logs[i] - 1)).sum(axis=1, keepdims=True)
        gap = t * now + (1 - t) * before - values[:, i : i + 1] + weight * barrier
        off.append(jnp.where(on, gap, 0))
        by_t.append(jnp.where(on, pace * (now - before) + change * barrier, 0))
        blocks = []
        for j in players:
            if i == j:
                diagonal = jnp.eye(num_actions[i])[None] * (weight * nu * bare)[:, :, None]
                blocks.append(weight * nu[:, None, :] - diagonal)
            else:
                blocks.append(t * _pair(worth, sigma, i, j) * sigma[j][:, None, :])
        own_value = jnp.zeros((states, num_actions[i], len(num_actions))).at[:, :, i].set(-1.0)
        rows = jnp.concatenate([*blocks, own_value], axis=2)
        unit = jnp.eye(actions + len(num_actions))[None, columns[i]]
        local.append(jnp.where(on[:, :, None], rows, unit))
        after = problem.discounts[i] * expected(problem.transitions, sigma, i)
        mixed = t * after + (1 - t) * problem.prior_moves[i]
        moves.append(jnp.where(on[:, :, None], mixed, 0))
    sums = jnp.zeros((states, len(num_actions), actions + len(num_actions)))
    for i in players:
        off.append(sigma[i].sum(axis=1, keepdims=True) - 1)
        sums = sums.at[:, i, columns[i]].set(sigma[i])
    by_t.append(jnp.zeros((states, len(num_actions))))
    return _Parts(
        jnp.concatenate(off, axis=1),
        jnp.concatenate(by_t, axis=1),
        jnp.concatenate([*local, sums], axis=1),
        tuple(moves),
    )


def _pair(worth: Array, sigma: Policies, i: int, j: int) -> Array:
    """What is expected of `worth` per action of two players, `(S, A_i, A_j)`."""
    letters = string.ascii_letters[: len(sigma) + 1]
    others = [k for k in range(len(sigma)) if k not in (i, j)]
    terms = [letters, *(letters[0] + letters[k + 1] for k in others)]
    result = letters[0] + letters[i + 1] + letters[j + 1]
    return jnp.einsum(f"{','.join(terms)}->{result}", worth, *(sigma[k] for k in others))


def _dense(parts: _Parts) -> tuple[Array, Array]:
    """The equations and their Jacobian, `(N,)` and `(N, N + 1)`."""
    states, width = parts.off.shape
    matrix = jnp.eye(states)[:, None, :, None] * parts.local[:, :, None, :]
    first = 0
    base = width - len(parts.moves)
    for i, moves in enumerate(parts.moves):
        last = first + moves.shape[1]
        matrix = matrix.at[:, first:last, :, base + i].add(moves)
        first = last
    size = states * width
    matrix = matrix.reshape(size, size)
    return parts.off.ravel(), jnp.concatenate([matrix, parts.by_t.reshape(-1, 1)], axis=1)


@dataclasses.dataclass(frozen=True)
class DenseTracing:
    """Newton's step by one dense decomposition: for few unknowns."""

    def __call__(self, y: Array, problem: Problem, row: Array) -> Linearisation:
        off, jacobian = _dense(_parts(y, problem))
        return solve_bordered(jacobian, row, off)


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
        logs, value = table[:, :-1], table[:, -1:]
        swap = jnp.array(self.mirror)
        both = jnp.concatenate([logs, logs[swap], value, value[swap]], axis=1)
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
        off, jacobian = _dense(_parts(self.expand(y), problem))
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
        parts = _parts(y, problem)
        states, width = parts.off.shape
        number = len(parts.moves)
        base = width - number
        identity = jnp.broadcast_to(jnp.eye(width), (states, width, width))
        inverse, signs, logarithms, conditions = jax.vmap(eliminate)(parts.local, identity)
        border = row[:-1].reshape(states, width)

        ends = [0]
        for moves in parts.moves:
            ends.append(ends[-1] + moves.shape[1])
        spans = [slice(first, last) for first, last in zip(ends[:-1], ends[1:], strict=True)]

        def coupled(left: Array) -> Array:
            """Of rows (S, k, m) times C: (S, k, S, n)."""
            terms = [
                jnp.einsum("ska,sat->skt", left[:, :, at], moves)
                for at, moves in zip(spans, parts.moves, strict=True)
            ]
            return jnp.stack(terms, axis=3)

        size = states * number
        reading = inverse[:, base:]
        schur = jnp.eye(size) + coupled(reading).reshape(size, size)
        across = jnp.einsum("sm,smk->sk", border, inverse)
        along = coupled(across[:, None])[:, 0].sum(axis=0).ravel()
        column = jnp.einsum("skm,sm->sk", reading, parts.by_t).ravel()
        corner = row[-1] - (across * parts.by_t).sum()
        matrix = jnp.block([[schur, column[:, None]], [-along[None], corner[None, None]]])

        def right(off: Array, bordered: Array) -> Array:
            """Right-hand sides of the system in the values, from those of all equations."""
            top = jnp.einsum("skm,sm->sk", reading, off).ravel()
            return jnp.append(top, bordered - (across * off).sum())

        none = jnp.zeros_like(parts.off)
        columns = jnp.stack([right(-parts.off, jnp.zeros(())), right(none, jnp.ones(()))], axis=1)
        found, sign, logarithm, condition = eliminate(matrix, columns)

        def back(off: Array, solution: Array) -> Array:
            follow, dt = solution[:-1].reshape(states, number), solution[-1]
            terms = [moves @ follow[:, i] for i, moves in enumerate(parts.moves)]
            coupling = jnp.concatenate([*terms, none[:, base:]], axis=1)
            local = jnp.einsum("smk,sk->sm", inverse, off - coupling - parts.by_t * dt)
            return jnp.append(local.ravel(), dt)

        return Linearisation(
            back(-parts.off, found[:, 0]),
            back(none, found[:, 1]),
            sign * signs.prod(),
            logarithm + logarithms.sum(),
            jnp.maximum(condition, conditions.max()),
        )
