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
from resolvent.analytic.parameters import Parameterisation, Row, policy_row, row_gradient
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
    y = programs(structure).left.run([*factor.entries, *source])
    surplus = total(y) - e
    shifted = (own - surplus * d for own, d in zip(y, factor.occupancy, strict=True))
    return tuple(shifted), mass - factor.delta * e


@partial(jax.jit, static_argnums=0)
def relative_values(
    structure: Structure, chain: Chain, factor: Factor, r: Vector
) -> tuple[Vector, Array]:
    """Relative value of each later state, and the per-round value, of payoffs `r` on entering."""
    return solve_exactly(
        lambda xv: _bordered(structure, chain, *xv),
        (r, jnp.zeros_like(r[0])),
        lambda bc: _solve_right(structure, factor, *bc),
        lambda ce: _solve_left(structure, factor, *ce),
    )


@partial(jax.jit, static_argnums=0)
def occupancy(structure: Structure, chain: Chain, factor: Factor) -> Vector:
    """Discounted share of rounds played from each state, the start included; sums to one."""
    zero = jnp.zeros_like(chain.delta)
    entered, _ = solve_exactly(
        lambda yw: _bordered_transpose(structure, chain, *yw),
        ((zero,) * len(chain.start), zero + 1),
        lambda ce: _solve_left(structure, factor, *ce),
        lambda bc: _solve_right(structure, factor, *bc),
    )
    return chain.delta, *(chain.g * d for d in entered)


def gradient_block(
    structure: Structure,
    parameterisation: Parameterisation,
    policies: tuple[Rows, ...],
    weight: Vector,
    x: Vector,
    player: int,
) -> Rows:
    """dV/dtheta of one player's parameters: occupancy x E[relative value of the next state].

    **Arguments:** `policies[player][state][action]`; `weight`, the occupancy of all states; `x`, the
    relative values of the later states.
    """
    last = structure.num_actions[player] - 1
    others = [k for k in range(structure.num_players) if k != player]
    gradient = []
    for state, row in enumerate(policies[player]):
        follows = dict(zip(structure.joint_actions, structure.successors[state], strict=True))
        gains = []
        for action in range(last):
            terms = []
            for joint, stay in follows.items():
                move = follows[(*joint[:player], action, *joint[player + 1 :])]
                if joint[player] == last:
                    gap = x[move - 1] - x[stay - 1]
                    terms.append(reduce(mul, (policies[k][state][joint[k]] for k in others), gap))
            gains.append(weight[state] * total(terms))
        gradient.append(row_gradient(row, gains, parameterisation))
    return tuple(gradient)


def policies_of(kernel: Kernel, parameters: tuple[Rows, ...]) -> tuple[Rows, ...]:
    """`parameters[player][state]`, a scalar per action but the last -> action probabilities."""
    return tuple(
        tuple(policy_row(row, kernel.parameterisation) for row in rows) for rows in parameters
    )


def _entering(structure: Structure, payoffs: Array) -> Vector:
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
    """Per-round value of each player."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    chain = chain_of(structure, policies, payments.g, payments.delta)
    return tuple(
        relative_values(structure, chain, factor, _entering(structure, own))[1]
        for own in payments.payoffs
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
    """Gradient of player `of`'s per-round value in player `wrt`'s parameters."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    chain = chain_of(structure, policies, payments.g, payments.delta)
    weight = occupancy(structure, chain, factor)
    reward = _entering(structure, payments.payoffs[of])
    x, _ = relative_values(structure, chain, factor, reward)
    return gradient_block(structure, kernel.parameterisation, policies, weight, x, wrt)
