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

$$ \frac{\partial V}{\partial \pi(s, a)} = D(s) \; \mathbb{E}\,[\,w \mid s, a\,], $$

where the worth $w$ of what follows is, with payoffs on entering a state, the relative value
$x(\text{next state})$, and $D(\text{start}) = \delta$, $D(s) = g\, d(s)$; with payoffs for acting it is
$r(s, a) + g\, x(\text{next state})$, and $D = d$.

Everything is a tuple of scalars and not an array: XLA's CPU code for slices and stacks of one array
is several times slower, and the functions are jitted one by one so that each is traced once however
often a learner needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial, reduce
from operator import mul
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from resolvent.analytic.elimination import behaviours, programs, total
from resolvent.analytic.kernel import Kernel, Numbers, solve_exactly
from resolvent.analytic.parameters import Row, policy_row, row_gradient
from resolvent.analytic.structure import CERTAIN, NEVER, Structure

Vector = tuple[Array, ...]
Rows = tuple[Row, ...]


class Chain(NamedTuple):
    """The Markov chain of a joint policy, at one discount: `start` is p0, `moves` are the
    probabilities of the inner edges, in order."""

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
    """Inner edges, between states of the chain numbered from 0."""
    return [(s - structure.first, t - structure.first) for s, t in structure.inner_edges]


@partial(jax.jit, static_argnums=0)
def behaviours_of(
    structure: Structure, policies: tuple[Rows, ...], numbers: Numbers
) -> tuple[Rows, ...]:
    """`[player][state][action]`, from the rows of the policies that are read there."""
    return tuple(
        tuple(tuple(row) for row in own) for own in behaviours(structure, policies, numbers)
    )


@partial(jax.jit, static_argnums=(0, 3))
def chain_of(structure: Structure, acting: tuple[Rows, ...], numbers: Numbers, group: int) -> Chain:
    """Transition probabilities of joint behaviours, with the discount of a group of players."""
    entries = [entry for rows in acting for row in rows for entry in row]
    probabilities = programs(structure).transitions.run([*entries, *numbers.transitions])
    leaving = dict(zip(structure.edges, probabilities, strict=True))
    if structure.outcomes is None:
        start = tuple(numbers.initial)
    else:
        zero = jnp.zeros_like(probabilities[0])
        start = tuple(leaving.get((0, s), zero) for s in range(1, structure.num_states))
    moves = tuple(leaving[edge] for edge in structure.inner_edges)
    return Chain(start, moves, numbers.g[group], numbers.delta[group])


@partial(jax.jit, static_argnums=0)
def factor_of(kernel: Kernel, chain: Chain) -> Factor:
    """Eliminate the states of a chain, once for all solves."""
    fixed = lax.stop_gradient(chain)
    derived = programs(kernel.structure, kernel.patient, kernel.quotients)
    entries = derived.factor.run([*fixed.moves, fixed.g, fixed.delta], _like(fixed.g))
    source = [fixed.delta * p for p in fixed.start]
    occupancy = derived.occupancy.run([*entries, *source], _like(fixed.g))
    return Factor(fixed.start, tuple(entries), tuple(occupancy), fixed.delta)


def _like(number: Array) -> Callable[[Fraction], Array]:
    """Constants of a program in the precision of its inputs."""
    return lambda constant: jnp.asarray(float(constant), number.dtype)


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


def _solve_right(kernel: Kernel, factor: Factor, b: Vector, c: Array) -> tuple[Vector, Array]:
    """The bordered system: v = d.b - delta c, x = M^-1 (b - d.b) shifted so that p0 . x = c."""
    mean = _dot(factor.occupancy, b)
    derived = programs(kernel.structure, kernel.patient, kernel.quotients)
    x = derived.right.run([*factor.entries, *(own - mean for own in b)], _like(mean))
    shift = _dot(factor.start, x) - c
    return tuple(own - shift for own in x), mean - factor.delta * c


def _solve_left(kernel: Kernel, factor: Factor, c: Vector, e: Array) -> tuple[Vector, Array]:
    """Its transpose: y' = (c - p0 sum c)' M^-1 moved along d so that sum y = e."""
    mass = total(c)
    source = [own - mass * p for own, p in zip(c, factor.start, strict=True)]
    derived = programs(kernel.structure, kernel.patient, kernel.quotients)
    y = derived.left_balanced.run([*factor.entries, *source], _like(mass))
    surplus = total(y) - e
    shifted = (own - surplus * d for own, d in zip(y, factor.occupancy, strict=True))
    return tuple(shifted), mass - factor.delta * e


@partial(jax.jit, static_argnums=0)
def solve_right(
    kernel: Kernel, chain: Chain, factor: Factor, b: Vector, c: Array
) -> tuple[Vector, Array]:
    """(x, v) with M x + v = b and p0 . x = c, differentiable to any order."""
    return solve_exactly(
        lambda xv: _bordered(kernel.structure, chain, *xv),
        (b, c),
        lambda bc: _solve_right(kernel, factor, *bc),
        lambda ce: _solve_left(kernel, factor, *ce),
    )


@partial(jax.jit, static_argnums=0)
def solve_left(
    kernel: Kernel, chain: Chain, factor: Factor, c: Vector, e: Array
) -> tuple[Vector, Array]:
    """(y, w) with M' y + w p0 = c and sum y = e, differentiable to any order."""
    return solve_exactly(
        lambda yw: _bordered_transpose(kernel.structure, chain, *yw),
        (c, e),
        lambda ce: _solve_left(kernel, factor, *ce),
        lambda bc: _solve_right(kernel, factor, *bc),
    )


class Turn(NamedTuple):
    """How one action's probability changes the joint action: from the one with the player's last
    action to the one with this action, with the probability of the others' actions."""

    chance: Array
    to: int
    away: int


def turns(
    structure: Structure, acting: tuple[Rows, ...], player: int, state: int
) -> list[list[Turn]]:
    """For each action of `player` but the last, one `Turn` per joint action of the others."""
    last = structure.num_actions[player] - 1
    others = [k for k in range(structure.num_players) if k != player]
    number = {joint: k for k, joint in enumerate(structure.joint_actions)}
    found: list[list[Turn]] = [[] for _ in range(last)]
    for joint, away in number.items():
        if joint[player] == last:
            one = jnp.ones_like(acting[player][state][0])
            chance = reduce(mul, [acting[k][state][joint[k]] for k in others] or [one])
            for action in range(last):
                to = number[(*joint[:player], action, *joint[player + 1 :])]
                found[action].append(Turn(chance, to, away))
    return found


def _led_to(structure: Structure, state: int, joint: int) -> list[tuple[int, int]]:
    """Pairs (state of the chain, number of the branch's probability)."""
    branches = zip(structure.targets[state, joint], structure.chances[state, joint], strict=True)
    return [(int(t) - structure.first, int(p)) for t, p in branches if p != NEVER]


def _worth(
    structure: Structure, numbers: Numbers, g: Array, x: Vector, of: int, state: int
) -> list[Array]:
    """What follows each joint action in a state: see the module's docstring."""
    ahead = [
        total([x[t] if p == CERTAIN else numbers.transitions[p] * x[t] for t, p in branches])
        for branches in (
            _led_to(structure, state, joint) for joint in range(len(structure.joint_actions))
        )
    ]
    if structure.outcomes is not None:
        return ahead
    first = state * len(ahead)
    return [numbers.payoffs[of][first + k] + g * later for k, later in enumerate(ahead)]


def gains(
    kernel: Kernel, acting: tuple[Rows, ...], numbers: Numbers, x: Vector, of: int, player: int
) -> tuple[Row, ...]:
    """Per state, for each action of `player` but the last: by how much more what follows is worth to
    player `of` than what follows the last action."""
    structure = kernel.structure
    g = numbers.g[structure.groups[of]]
    table = []
    for state in range(structure.num_states):
        worth = _worth(structure, numbers, g, x, of, state)
        table.append(
            tuple(
                total([turn.chance * (worth[turn.to] - worth[turn.away]) for turn in action])
                for action in turns(structure, acting, player, state)
            )
        )
    return tuple(table)


class Solution(NamedTuple):
    """What derivatives are made of: policies, behaviours, the chain, the weight D of all states, and
    one player's relative values."""

    policies: tuple[Rows, ...]
    acting: tuple[Rows, ...]
    chain: Chain
    weight: Vector
    x: Vector


@partial(jax.jit, static_argnums=(0, 4))
def solution(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factors: tuple[Factor, ...],
    numbers: Numbers,
    of: int,
) -> Solution:
    """Solve for the occupancy and for the relative values of player `of`."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    acting = behaviours_of(structure, policies, numbers)
    chain = chain_of(structure, acting, numbers, structure.groups[of])
    factor = factors[structure.groups[of]]
    zero = jnp.zeros_like(chain.delta)
    occupied, _ = solve_left(kernel, chain, factor, (zero,) * len(chain.start), zero + 1)
    rewards = _rewards(structure, acting, numbers.payoffs[of])
    x, _ = solve_right(kernel, chain, factor, rewards, zero)
    return Solution(policies, acting, chain, _weights(structure, chain, occupied), x)


def _weights(structure: Structure, chain: Chain, occupied: Vector) -> Vector:
    """D of all states in which somebody acts."""
    if structure.outcomes is None:
        return occupied
    return chain.delta, *(chain.g * d for d in occupied)


def policies_of(kernel: Kernel, parameters: tuple[Rows, ...]) -> tuple[Rows, ...]:
    """`parameters[player][row]`, a scalar per action but the last -> action probabilities."""
    return tuple(_policy_of(kernel, rows) for rows in parameters)


def _policy_of(kernel: Kernel, rows: Rows) -> Rows:
    return tuple(policy_row(row, kernel.parameterisation) for row in rows)


def _rewards(structure: Structure, acting: tuple[Rows, ...], payoffs: Array | Vector) -> Vector:
    """Expected payoff of each state of the chain, for one player."""
    if structure.outcomes is not None:
        return tuple(payoffs[outcome] for outcome in structure.outcomes)
    entries = [entry for rows in acting for row in rows for entry in row]
    return tuple(programs(structure).rewards.run([*entries, *payoffs]))


@partial(jax.jit, static_argnums=0)
def prepare(kernel: Kernel, parameters: tuple[Rows, ...], numbers: Numbers) -> tuple[Factor, ...]:
    """The elimination at `parameters`, one per discount: what all values and derivatives share."""
    structure = kernel.structure
    acting = behaviours_of(structure, policies_of(kernel, parameters), numbers)
    return tuple(
        factor_of(kernel, chain_of(structure, acting, numbers, group))
        for group in range(1 + max(structure.groups))
    )


@partial(jax.jit, static_argnums=0)
def values(
    kernel: Kernel, parameters: tuple[Rows, ...], factors: tuple[Factor, ...], numbers: Numbers
) -> tuple[Array, ...]:
    """Value of each player, in the units of the payoffs."""
    structure = kernel.structure
    acting = behaviours_of(structure, policies_of(kernel, parameters), numbers)
    found = []
    for player, group in enumerate(structure.groups):
        chain = chain_of(structure, acting, numbers, group)
        rewards = _rewards(structure, acting, numbers.payoffs[player])
        zero = jnp.zeros_like(chain.delta)
        found.append(solve_right(kernel, chain, factors[group], rewards, zero)[1])
    return tuple(found)


def _policy_gradient(
    kernel: Kernel,
    player: int,
    policy: Rows,
    weight: Vector,
    gained: tuple[Row, ...],
    numbers: Numbers,
) -> Rows:
    """D(s) pi(s, a) sum_b pi(s, b) (Q(s, a) - Q(s, b)), or D(s) (Q(s, a) - Q(s, last)); where states
    share a row of the policy, with the sum over them."""
    if kernel.structure.plainly_read[player]:
        collected = list(zip(weight, gained, strict=True))
    else:
        collected = _collect(kernel.structure, player, weight, gained, numbers)
    return tuple(
        row_gradient(row, share, gain, kernel.parameterisation)
        for row, (share, gain) in zip(policy, collected, strict=True)
    )


def _collect(
    structure: Structure,
    player: int,
    weight: Vector,
    gained: tuple[Row, ...],
    numbers: Numbers,
) -> list[tuple[Array, Row]]:
    """For each row of the policy, weight one and the weighted sum of the gains of intended actions in
    the states where it is read."""
    one, zero = jnp.ones_like(weight[0]), jnp.zeros_like(weight[0])
    last = structure.num_actions[player] - 1
    sums = [[zero] * last for _ in range(structure.num_rows[player])]
    readings = numbers.readings[player]
    for state, gain in enumerate(gained):
        intended = list(gain)
        if structure.trembling[player]:
            flat, count = numbers.trembles[player], last + 1
            hand = [flat[a * count : (a + 1) * count] for a in range(count)]
            # Rows of the hand sum to one, so the gains are differences to the last action throughout.
            intended = [
                total([(hand[a][b] - hand[last][b]) * own for b, own in enumerate(gain)])
                for a in range(last)
            ]
        rows, chances = structure.rows[player][state], structure.readings[player][state]
        for row, chance in zip(rows, chances, strict=True):
            if chance != NEVER:
                share = weight[state] if chance == CERTAIN else readings[chance] * weight[state]
                sums[row] = [s + share * own for s, own in zip(sums[row], intended, strict=True)]
    return [(one, tuple(row)) for row in sums]


@partial(jax.jit, static_argnums=(0, 4, 5))
def gradient(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factors: tuple[Factor, ...],
    numbers: Numbers,
    of: int,
    wrt: int,
) -> Rows:
    """Gradient of player `of`'s value in player `wrt`'s parameters."""
    policies, acting, _, weight, x = solution(kernel, parameters, factors, numbers, of)
    gained = gains(kernel, acting, numbers, x, of, wrt)
    return _policy_gradient(kernel, wrt, policies[wrt], weight, gained, numbers)


@partial(jax.jit, static_argnums=(0, 4, 5, 6))
def cross(
    kernel: Kernel,
    parameters: tuple[Rows, ...],
    factors: tuple[Factor, ...],
    numbers: Numbers,
    of: int,
    wrt: int,
    along: int,
    direction: Rows,
) -> Rows:
    """The derivative of `gradient(of, wrt)` as player `along` moves in `direction`.

    With the behaviour moving by a dot, p0 and P move by rank-one amounts per state, and the
    derivatives of the relative values and of the occupancy are one right and one left solve:

        M dx + dv = dr + g dP x,    p0 . dx = -dp0 . x;        M' dy + dw p0 = D dP,    sum dy = 0.
    """
    structure = kernel.structure
    policies, acting, chain, weight, x = solution(kernel, parameters, factors, numbers, of)
    factor = factors[structure.groups[of]]
    _, moved = jax.jvp(partial(_policy_of, kernel), (parameters[along],), (direction,))

    def behaviour(policy: Rows) -> Rows:
        joint = (*policies[:along], policy, *policies[along + 1 :])
        return behaviours_of(structure, joint, numbers)[along]

    _, shift = jax.jvp(behaviour, (policies[along],), (moved,))

    zero = jnp.zeros_like(chain.delta)
    pushed = [zero] * len(x)
    lifted = []
    gained = gains(kernel, acting, numbers, x, of, along)
    # With payoffs on entering, D has the factor g already.
    flow = weight if structure.outcomes is not None else [chain.g * d for d in weight]
    for state, (move, gain) in enumerate(zip(shift, gained, strict=True)):
        lifted.append(_dot(move[:-1], gain) if gain else zero)
        for amount, action in zip(move, turns(structure, acting, along, state), strict=False):
            stream = flow[state] * amount
            for turn in action:
                part = stream * turn.chance
                for t, p in _led_to(structure, state, turn.to):
                    share = part if p == CERTAIN else part * numbers.transitions[p]
                    pushed[t] = pushed[t] + share
                for t, p in _led_to(structure, state, turn.away):
                    share = part if p == CERTAIN else part * numbers.transitions[p]
                    pushed[t] = pushed[t] - share
    if structure.outcomes is None:
        start, later = zero, tuple(lifted)
    else:
        start, later = lifted[0], tuple(chain.g * b for b in lifted[1:])
    dx, _ = solve_right(kernel, chain, factor, later, -start)
    dy, _ = solve_left(kernel, chain, factor, tuple(pushed), zero)

    def block(policy: Rows, own: Rows, occupied: Vector, x: Vector) -> Rows:
        joint = (*acting[:along], own, *acting[along + 1 :])
        gained = gains(kernel, joint, numbers, x, of, wrt)
        mover = policy if wrt == along else policies[wrt]
        whole = (*weight[: structure.first], *occupied)
        return _policy_gradient(kernel, wrt, mover, whole, gained, numbers)

    at = (policies[along], acting[along], weight[structure.first :], x)
    change = dy if structure.outcomes is None else tuple(chain.g * d for d in dy)
    return jax.jvp(block, at, (moved, shift, change, dx))[1]
