r"""The program kernel: values and their derivatives on separate scalars.

The value $v$ of a payoff vector $r$ and the relative value $x$ of each state solve the *bordered*
system

$$ \begin{pmatrix} M & 1 \\ p_0' & 0 \end{pmatrix} \begin{pmatrix} x \\ v \end{pmatrix}
 = \begin{pmatrix} r \\ 0 \end{pmatrix}, \qquad M = I - gP, $$

whose solution is $v = d \cdot r$ with the occupancy $d' = \delta p_0' M^{-1}$, and
$x = M^{-1}(r - v 1)$: the value baseline. It stays well conditioned as $\delta = 1 - g \to 0$. The transposed
system with right-hand side (0, 1) has the solution (d, -delta).

Both are solved by the *same* subtraction-free factorisation of M (`elimination`). JAX is told so by
`lax.custom_linear_solve`: a derivative of any order, forward or reverse, is one more right or left
solve with the factorisation in hand, and the elimination itself is never differentiated. Tangents
are deflated like values, since they solve the same bordered system.

With them the gradient is the policy gradient theorem,

$$ \frac{\partial V}{\partial \pi(s, a)} = D(s) \; \mathbb{E}\, x(\text{next state} \mid s, a),
   \qquad D(\text{start}) = \delta, \; D(s) = g\, d(s). $$

Everything is a tuple of scalars and not an array: XLA's CPU code for slices and stacks of one array
is several times slower, and the functions are jitted one by one so that each is traced once however
often a learner needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from operator import mul
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from resolvent.analytic.elimination import programs, total
from resolvent.analytic.kernel import Kernel, Payments, solve_exactly
from resolvent.analytic.parameters import Row, policy_row, row_gradient
from resolvent.analytic.structure import Structure

Vector = tuple[Array, ...]
Rows = tuple[Row, ...]


class Chain(NamedTuple):
    """The Markov chain of a joint policy: `start[s - 1]` is p0, `moves` are the probabilities of
    the structure's edges between later states, in order."""

    start: Vector
    moves: Vector
    g: Array
    delta: Array


class Factor(NamedTuple):
    """The elimination of a chain, and its occupancy `d`; constants to differentiation."""

    start: Vector
    entries: Vector
    occupancy: Vector
    delta: Array


def _dot(a: Sequence[Array], b: Sequence[Array]) -> Array:
    return total([x * y for x, y in zip(a, b, strict=True)])


def _inner_edges(structure: Structure) -> list[tuple[int, int]]:
    """Edges between later states, numbered from 0."""
    return [(s - 1, t - 1) for s, t in structure.edges if s != 0]


@partial(jax.jit, static_argnums=0)
def chain_of(structure: Structure, policies: tuple[Rows, ...], g: Array, delta: Array) -> Chain:
    """Transition probabilities of a joint policy `policies[player][state][action]`."""
    entries = [entry for rows in policies for row in rows for entry in row]
    probabilities = programs(structure).transitions.run(entries)
    leaving = dict(zip(structure.edges, probabilities, strict=True))
    zero = jnp.zeros_like(probabilities[0])
    start = tuple(leaving.get((0, s), zero) for s in range(1, structure.num_states))
    return Chain(start, tuple(p for (s, _), p in leaving.items() if s != 0), g, delta)


@partial(jax.jit, static_argnums=0)
def factor_of(structure: Structure, chain: Chain) -> Factor:
    """Eliminate the states of a chain, once for all solves."""
    fixed = lax.stop_gradient(chain)
    entries = programs(structure).factor.run([*fixed.moves, fixed.g, fixed.delta])
    source = [fixed.delta * p for p in fixed.start]
    occupancy = programs(structure).left.run([*entries, *source])
    return Factor(fixed.start, tuple(entries), tuple(occupancy), fixed.delta)


def _bordered(structure: Structure, chain: Chain, x: Vector, v: Array) -> tuple[Vector, Array]:
    """(M x + v, p0 . x); the diagonal of M comes from its row sums."""
    rows = [chain.delta * own + v for own in x]
    for (i, j), p in zip(_inner_edges(structure), chain.moves, strict=True):
        if i != j:
            rows[i] = rows[i] + chain.g * p * (x[i] - x[j])
    return tuple(rows), _dot(chain.start, x)


def _bordered_transpose(
    structure: Structure, chain: Chain, y: Vector, w: Array
) -> tuple[Vector, Array]:
    """(M' y + w p0, sum y)."""
    columns = [chain.delta * own + w * p for own, p in zip(y, chain.start, strict=True)]
    for (i, j), p in zip(_inner_edges(structure), chain.moves, strict=True):
        if i != j:
            flow = chain.g * p * y[i]
            columns[i], columns[j] = columns[i] + flow, columns[j] - flow
    return tuple(columns), total(y)


def _solve_right(structure: Structure, factor: Factor, b: Vector, c: Array) -> tuple[Vector, Array]:
    """The bordered system: v = d.b - delta c, x = M^-1 (b - d.b) shifted so that p0 . x = c."""
    mean = _dot(factor.occupancy, b)
    x = programs(structure).right.run([*factor.entries, *(own - mean for own in b)])
    shift = _dot(factor.start, x) - c
    return tuple(own - shift for own in x), mean - factor.delta * c


def _solve_left(structure: Structure, factor: Factor, c: Vector, e: Array) -> tuple[Vector, Array]:
    """Its transpose: y' = (c - p0 sum c)' M^-1 moved along d so that sum y = e."""
    mass = total(c)
    source = [own - mass * p for own, p in zip(c, factor.start, strict=True)]
    y = programs(structure).left_balanced.run([*factor.entries, *source])
    surplus = total(y) - e
    shifted = (own - surplus * d for own, d in zip(y, factor.occupancy, strict=True))
    return tuple(shifted), mass - factor.delta * e


@partial(jax.jit, static_argnums=0)
def solve_right(
    structure: Structure, chain: Chain, factor: Factor, b: Vector, c: Array
) -> tuple[Vector, Array]:
    """(x, v) with M x + v = b and p0 . x = c, differentiable to any order."""
    return solve_exactly(
        lambda xv: _bordered(structure, chain, *xv),
        (b, c),
        lambda bc: _solve_right(structure, factor, *bc),
        lambda ce: _solve_left(structure, factor, *ce),
    )


@partial(jax.jit, static_argnums=0)
def solve_left(
    structure: Structure, chain: Chain, factor: Factor, c: Vector, e: Array
) -> tuple[Vector, Array]:
    """(y, w) with M' y + w p0 = c and sum y = e, differentiable to any order."""
    return solve_exactly(
        lambda yw: _bordered_transpose(structure, chain, *yw),
        (c, e),
        lambda ce: _solve_left(structure, factor, *ce),
        lambda bc: _solve_right(structure, factor, *bc),
    )


class Turn(NamedTuple):
    """How one action's probability moves the next state: from where the player's last action leads
    to where this one does, with the probability of the others' actions."""

    chance: Array
    to: int
    away: int


def turns(
    structure: Structure, policies: tuple[Rows, ...], player: int, state: int
) -> list[list[Turn]]:
    """For each action of `player` but the last, one `Turn` per joint action of the others."""
    last = structure.num_actions[player] - 1
    others = [k for k in range(structure.num_players) if k != player]
    follows = dict(zip(structure.joint_actions, structure.successors[state], strict=True))
    found: list[list[Turn]] = [[] for _ in range(last)]
    for joint, away in follows.items():
        if joint[player] == last:
            chance = reduce(mul, (policies[k][state][joint[k]] for k in others))
            for action in range(last):
                to = follows[(*joint[:player], action, *joint[player + 1 :])]
                found[action].append(Turn(chance, to - 1, away - 1))
    return found


def gains(
    structure: Structure, policies: tuple[Rows, ...], x: Vector, player: int
) -> tuple[Row, ...]:
    """Per state, for each action of `player` but the last: by how much it leads to states of more
    value than the last action does. (States are numbered from 0 after the start.)"""
    return tuple(
        tuple(
            total([turn.chance * (x[turn.to] - x[turn.away]) for turn in action])
            for action in turns(structure, policies, player, state)
        )
        for state in range(structure.num_states)
    )


class Solution(NamedTuple):
    """What derivatives are made of: the chain, the occupancy of all states, and one player's
    relative values of the later ones."""

    policies: tuple[Rows, ...]
    chain: Chain
    weight: Vector
    x: Vector


@partial(jax.jit, static_argnums=(0, 4))
def solution(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factor: Factor,
    payments: Payments,
    of: int,
) -> Solution:
    """Solve for the occupancy and for the relative values of player `of`."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    chain = chain_of(structure, policies, payments.g, payments.delta)
    zero = jnp.zeros_like(chain.delta)
    entered, _ = solve_left(structure, chain, factor, (zero,) * len(chain.start), zero + 1)
    weight = (chain.delta, *(chain.g * d for d in entered))
    x, _ = solve_right(structure, chain, factor, _entering(structure, payments.payoffs[of]), zero)
    return Solution(policies, chain, weight, x)


def policies_of(kernel: Kernel, parameters: tuple[Rows, ...]) -> tuple[Rows, ...]:
    """`parameters[player][state]`, a scalar per action but the last -> action probabilities."""
    return tuple(_policy_of(kernel, rows) for rows in parameters)


def _policy_of(kernel: Kernel, rows: Rows) -> Rows:
    return tuple(policy_row(row, kernel.parameterisation) for row in rows)


def _entering(structure: Structure, payoffs: Array | Vector) -> Vector:
    """The payoff received on entering each later state."""
    return tuple(payoffs[outcome] for outcome in structure.outcomes)


@partial(jax.jit, static_argnums=0)
def prepare(kernel: Kernel, parameters: tuple[Rows, ...], payments: Payments) -> Factor:
    """The elimination at `parameters`: what all values and derivatives there share."""
    policies = policies_of(kernel, parameters)
    chain = chain_of(kernel.structure, policies, payments.g, payments.delta)
    return factor_of(kernel.structure, chain)


@partial(jax.jit, static_argnums=0)
def values(
    kernel: Kernel, parameters: tuple[Rows, ...], factor: Factor, payments: Payments
) -> tuple[Array, ...]:
    """Value of each player, in the units of the payoffs."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    chain = chain_of(structure, policies, payments.g, payments.delta)
    zero = jnp.zeros_like(chain.delta)
    return tuple(
        solve_right(structure, chain, factor, _entering(structure, own), zero)[1]
        for own in payments.payoffs
    )


def _policy_gradient(kernel: Kernel, rows: Rows, weight: Vector, gained: tuple[Row, ...]) -> Rows:
    """D(s) pi(s, a) sum_b pi(s, b) (Q(s, a) - Q(s, b)), or D(s) (Q(s, a) - Q(s, last))."""
    return tuple(
        row_gradient(row, share, gain, kernel.parameterisation)
        for row, share, gain in zip(rows, weight, gained, strict=True)
    )


@partial(jax.jit, static_argnums=(0, 4, 5))
def gradient(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factor: Factor,
    payments: Payments,
    of: int,
    wrt: int,
) -> Rows:
    """Gradient of player `of`'s value in player `wrt`'s parameters."""
    policies, _, weight, x = solution(kernel, parameters, factor, payments, of)
    gained = gains(kernel.structure, policies, x, wrt)
    return _policy_gradient(kernel, policies[wrt], weight, gained)


@partial(jax.jit, static_argnums=(0, 4, 5, 6))
def cross(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factor: Factor,
    payments: Payments,
    of: int,
    wrt: int,
    along: int,
    direction: Rows,
) -> Rows:
    """The derivative of `gradient(of, wrt)` as player `along` moves in `direction`.

    With the policy moving by a dot, p0 and P move by rank-one amounts per state, and the derivatives
    of the relative values and of the occupancy are one right and one left solve:

        M dx + dv = g dP x,    p0 . dx = -dp0 . x;        M' dy + dw p0 = D dP,    sum dy = 0.
    """
    structure = kernel.structure
    policies, chain, weight, x = solution(kernel, parameters, factor, payments, of)
    _, moved = jax.jvp(partial(_policy_of, kernel), (parameters[along],), (direction,))

    zero = jnp.zeros_like(chain.delta)
    pushed = [zero] * len(x)
    lifted = []
    for state, (move, gain) in enumerate(
        zip(moved, gains(structure, policies, x, along), strict=True)
    ):
        lifted.append(_dot(move[:-1], gain))
        for amount, action in zip(move, turns(structure, policies, along, state), strict=False):
            flow = weight[state] * amount
            for turn in action:
                pushed[turn.to] = pushed[turn.to] + flow * turn.chance
                pushed[turn.away] = pushed[turn.away] - flow * turn.chance
    start, *later = lifted
    dx, _ = solve_right(structure, chain, factor, tuple(chain.g * b for b in later), -start)
    dy, _ = solve_left(structure, chain, factor, tuple(pushed), zero)

    def block(own: Rows, occupied: Vector, worth: Vector) -> Rows:
        joint = (*policies[:along], own, *policies[along + 1 :])
        gained = gains(structure, joint, worth, wrt)
        return _policy_gradient(kernel, joint[wrt], (weight[0], *occupied), gained)

    at = (policies[along], weight[1:], x)
    return jax.jvp(block, at, (moved, tuple(chain.g * d for d in dy), dx))[1]
