r"""The tensor kernel: the same bordered system as `program_kernel`, on arrays.

For games whose straight-line program would be too long to compile. The elimination is the same
subtraction-free state reduction (see `elimination`), carried out by a loop of rank-one updates on an
array; the derivatives of any order are right and left solves with its factors, through
`lax.custom_linear_solve`.

Shapes: S states (the start included), n = S - 1 later states, J joint actions. `parameters[i]` is
`(S, A_i - 1)`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.linalg import solve_triangular

from resolvent.analytic.kernel import Kernel, Payments, solve_exactly
from resolvent.analytic.parameters import complement
from resolvent.analytic.structure import Structure


class Factor(NamedTuple):
    """M = I - gP = lower @ upper, `(n, n)` each, the probability of dying in each state when it is
    eliminated, and the occupancy, `(n,)` each; constants to AD."""

    start: Array
    lower: Array
    upper: Array
    dying: Array
    occupancy: Array
    delta: Array


@jax.custom_jvp
def softmax_rows(logits: Array) -> Array:
    """`(S, A - 1)` logits, the last action's fixed at 0 -> `(S, A)` probabilities."""
    padded = jnp.pad(logits, ((0, 0), (0, 1)))
    largest = padded.max(axis=-1, keepdims=True)
    # An infinite logit, of a deterministic row, is its own distance 0 from the largest.
    weights = jnp.exp(jnp.where(padded == largest, 0, padded - largest))
    return weights / weights.sum(axis=-1, keepdims=True)


@softmax_rows.defjvp
def _softmax_rows_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    policy = softmax_rows(*primals)
    return policy, _spread(policy, jnp.pad(tangents[0], ((0, 0), (0, 1))))


def _spread(policy: Array, moves: Array) -> Array:
    """pi_a sum_b pi_b (m_a - m_b), row by row: exact also for nearly deterministic rows."""
    gaps = moves[..., :, None] - moves[..., None, :]
    # The term b = a is zero forwards; a transposition would make it a difference of large numbers.
    others = jnp.broadcast_to(1 - np.eye(policy.shape[-1]), gaps.shape).astype(policy.dtype)
    return policy * jnp.sum(others * policy[..., None, :] * gaps, axis=-1)


def policies_of(kernel: Kernel, parameters: tuple[Array, ...]) -> tuple[Array, ...]:
    """Action probabilities, `(S, A_i)` per player."""
    if kernel.parameterisation == "logits":
        return tuple(softmax_rows(own) for own in parameters)
    return tuple(
        jnp.concatenate([own, complement(tuple(jnp.moveaxis(own, -1, 0)))[..., None]], axis=-1)
        for own in parameters
    )


def joint_policy(policies: tuple[Array, ...]) -> Array:
    """Probability of each joint action in each state, `(S, J)`."""
    joint = policies[0]
    for own in policies[1:]:
        joint = (joint[:, :, None] * own[:, None, :]).reshape(len(joint), -1)
    return joint


def _successors(structure: Structure) -> np.ndarray:
    """Next later state, numbered from 0, `(S, J)`."""
    return np.array(structure.successors) - 1


def _start(structure: Structure, joint: Array) -> Array:
    """p0, the distribution of the first later state."""
    empty = jnp.zeros(structure.num_states - 1, joint.dtype)
    return empty.at[_successors(structure)[0]].add(joint[0])


def _eliminate(moves: Array, g: Array, delta: Array) -> tuple[Array, Array, Array]:
    """The factors of I - g moves, by state reduction in the natural order, and what dies."""
    n = len(moves)
    index = jnp.arange(n)

    def reduce_state(k: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        q, dying, pivots = state
        later = index > k
        row = jnp.where(later, q[k], 0)
        pivot = dying[k] + row.sum()
        share = jnp.where(later, q[:, k], 0) / pivot
        q = (q + jnp.outer(share, row)).at[:, k].set(jnp.where(later, share, q[:, k]))
        return q, dying + share * dying[k], pivots.at[k].set(pivot)

    given = (g * moves, jnp.full(n, delta), jnp.ones(n, moves.dtype))
    q, dying, pivots = lax.fori_loop(0, n, reduce_state, given)
    lower = jnp.eye(n, dtype=q.dtype) - jnp.tril(q, -1)
    return lower, jnp.diag(pivots) - jnp.triu(q, 1), dying


def factor_of(structure: Structure, joint: Array, g: Array, delta: Array) -> Factor:
    """Eliminate the states of a chain, once for all solves."""
    joint, g, delta = lax.stop_gradient((joint, g, delta))
    n = structure.num_states - 1
    rows = np.arange(n)[:, None]
    moves = jnp.zeros((n, n), joint.dtype).at[rows, _successors(structure)[1:]].add(joint[1:])
    lower, upper, dying = _eliminate(moves, g, delta)
    start = _start(structure, joint)
    entered = solve_triangular(upper, delta * start, trans=1)
    return Factor(start, lower, upper, dying, _through_lower(lower, entered), delta)


def _through_lower(lower: Array, y: Array) -> Array:
    return solve_triangular(lower, y, trans=1, lower=True, unit_diagonal=True)


def _solve_right(factor: Factor, b: Array, c: Array) -> tuple[Array, Array]:
    """The bordered system: v = d.b - delta c, x = M^-1 (b - d.b) shifted so that p0 . x = c.

    x is computed relative to the last state's; see `elimination.solve_right`.
    """
    mean = factor.occupancy @ b
    z = solve_triangular(factor.lower, b - mean, lower=True, unit_diagonal=True)
    level = z[-1] / factor.upper[-1, -1]
    gaps = solve_triangular(factor.upper[:-1, :-1], z[:-1] - factor.dying[:-1] * level)
    x = jnp.append(gaps, jnp.zeros_like(level))
    return x - (factor.start @ x - c), mean - factor.delta * c


def _solve_left(factor: Factor, c: Array, e: Array) -> tuple[Array, Array]:
    """Its transpose: y' = (c - p0 sum c)' M^-1 moved along d so that sum y = e.

    The last entry comes from what dies; see `elimination.solve_left_balanced`.
    """
    mass = c.sum()
    y = solve_triangular(factor.upper, c - mass * factor.start, trans=1)
    last = -(factor.dying[:-1] @ y[:-1]) / factor.upper[-1, -1]
    y = _through_lower(factor.lower, y.at[-1].set(last))
    return y - (y.sum() - e) * factor.occupancy, mass - factor.delta * e


def relative_values(
    structure: Structure, joint: Array, g: Array, delta: Array, factor: Factor, r: Array
) -> tuple[Array, Array]:
    """Relative value of each later state `(n,)` and per-round value of payoffs `r` on entering."""
    successors = _successors(structure)

    def bordered(xv: tuple[Array, Array]) -> tuple[Array, Array]:
        x, v = xv
        gaps = x[:, None] - x[successors[1:]]
        return delta * x + g * (joint[1:] * gaps).sum(axis=1) + v, joint[0] @ x[successors[0]]

    return solve_exactly(
        bordered,
        (r, jnp.zeros_like(delta)),
        lambda bc: _solve_right(factor, *bc),
        lambda ce: _solve_left(factor, *ce),
    )


def occupancy(structure: Structure, joint: Array, g: Array, delta: Array, factor: Factor) -> Array:
    """Discounted share of rounds played from each state, `(S,)`; sums to one."""
    successors = _successors(structure)

    def bordered_transpose(yw: tuple[Array, Array]) -> tuple[Array, Array]:
        y, w = yw
        flows = g * joint[1:] * y[:, None]
        left = delta * y + flows.sum(axis=1) + w * _start(structure, joint)
        return left.at[successors[1:]].add(-flows), y.sum()

    entered, _ = solve_exactly(
        bordered_transpose,
        (jnp.zeros(structure.num_states - 1, joint.dtype), jnp.ones_like(delta)),
        lambda ce: _solve_left(factor, *ce),
        lambda bc: _solve_right(factor, *bc),
    )
    return jnp.concatenate([delta[None], g * entered])


def next_values(structure: Structure, policies: tuple[Array, ...], x: Array, player: int) -> Array:
    """E[relative value of the next state | state, own action], `(S, A_i)`."""
    values = x[_successors(structure)].reshape(-1, *structure.num_actions)
    for k in reversed(range(structure.num_players)):
        if k != player:
            others = (1,) * (values.ndim - k - 2)
            weight = policies[k].reshape(structure.num_states, *(1,) * k, -1, *others)
            values = (values * weight).sum(axis=k + 1)
    return values.reshape(structure.num_states, -1)


@partial(jax.jit, static_argnums=0)
def prepare(kernel: Kernel, parameters: tuple[Array, ...], payments: Payments) -> Factor:
    """The elimination at `parameters`: what all values and derivatives there share."""
    joint = joint_policy(policies_of(kernel, parameters))
    return factor_of(kernel.structure, joint, payments.g, payments.delta)


@partial(jax.jit, static_argnums=0)
def values(
    kernel: Kernel, parameters: tuple[Array, ...], factor: Factor, payments: Payments
) -> tuple[Array, ...]:
    """Per-round value of each player."""
    joint = joint_policy(policies_of(kernel, parameters))
    outcomes = np.array(kernel.structure.outcomes)
    return tuple(
        relative_values(kernel.structure, joint, payments.g, payments.delta, factor, own[outcomes])[
            1
        ]
        for own in payments.payoffs
    )


@partial(jax.jit, static_argnums=(0, 4, 5))
def gradient(
    kernel: Kernel,
    parameters: tuple[Array, ...],
    factor: Factor,
    payments: Payments,
    of: int,
    wrt: int,
) -> Array:
    """Gradient of player `of`'s per-round value in player `wrt`'s parameters."""
    structure = kernel.structure
    policies = policies_of(kernel, parameters)
    chain = (structure, joint_policy(policies), payments.g, payments.delta, factor)
    x, _ = relative_values(*chain, payments.payoffs[of][np.array(structure.outcomes)])
    gains = next_values(structure, policies, x, wrt)
    weight = occupancy(*chain)[:, None]
    if kernel.parameterisation == "logits":
        return weight * _spread(policies[wrt], gains)[:, :-1]
    return weight * (gains[:, :-1] - gains[:, -1:])


def cross(
    kernel: Kernel,
    parameters: tuple[Array, ...],
    factor: Factor,
    payments: Payments,
    of: int,
    wrt: int,
    along: int,
    direction: Array,
) -> Array:
    """The derivative of `gradient(of, wrt)` as player `along` moves in `direction`: by the rule of
    `solve_exactly`, one more left and one more right solve."""

    def moved(own: Array) -> Array:
        joint = (*parameters[:along], own, *parameters[along + 1 :])
        return gradient(kernel, joint, factor, payments, of, wrt)

    return jax.jvp(moved, (parameters[along],), (direction,))[1]
