r"""The tensor kernel: the same bordered system as `program_kernel`, on arrays.

For games whose straight-line program would be too long to compile. The elimination is the same
subtraction-free state reduction (see `elimination`) in blocks: within a panel of states a row and a
column of the reduced chain are formed as they are needed (Crout's order), and the states after the
panel are updated by one product of matrices, of positive numbers like everything else. Derivatives of any
order are right and left solves with its factors, through `lax.custom_linear_solve`.

Shapes: S states in which somebody acts, n states of the chain (without the start where payoffs are
received on entering), J joint actions, O_i rows of player i's policy. `parameters[i]` is `(O_i, A_i - 1)`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.linalg import solve_triangular

from resolvent.analytic.kernel import Kernel, Numbers, solve_exactly
from resolvent.analytic.parameters import complement
from resolvent.analytic.structure import Indices, Structure

PANEL = 64
"""States per block of the elimination."""


class Factor(NamedTuple):
    """M = I - gP = lower @ upper, `(n, n)` each, the probability of dying in each state when it is
    eliminated, and the occupancy, `(n,)` each; constants to AD. Rows and columns of `lower` and `upper`
    and the entries of `dying` are in the order of elimination, everything else in that of the states."""

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
    return tuple(_completed(own) for own in parameters)


def _completed(free: Array) -> Array:
    """The last action's probability after the others'."""
    if free.shape[-1] == 0:
        return jnp.ones((*free.shape[:-1], 1), free.dtype)
    last = complement(tuple(jnp.moveaxis(free, -1, 0)))
    return jnp.concatenate([free, last[..., None]], axis=-1)


def _probabilities(chances: Indices, numbers: Array) -> Array:
    """The probabilities that a structure numbers; CERTAIN is the last entry, NEVER the one before."""
    return jnp.append(numbers, jnp.array([0.0, 1.0], numbers.dtype))[chances]


def behaviours_of(
    structure: Structure, policies: tuple[Array, ...], numbers: Numbers
) -> tuple[Array, ...]:
    """What each player does in each state, `(S, A_i)`, from the rows of its policy that it reads
    there and the trembling of its hand."""
    return tuple(
        own if structure.plainly_read[player] else _behaviour(structure, own, numbers, player)
        for player, own in enumerate(policies)
    )


def _behaviour(structure: Structure, policy: Array, numbers: Numbers, player: int) -> Array:
    read = meant(structure, policy, numbers, player)
    return read @ _hand(structure, numbers, player) if structure.trembling[player] else read


def meant(structure: Structure, policy: Array, numbers: Numbers, player: int) -> Array:
    """What the player means to do in each state, `(S, A_i)`."""
    if structure.seen[player]:
        return policy
    chances = _probabilities(structure.readings[player], numbers.readings[player])
    return (chances[:, :, None] * policy[structure.rows[player]]).sum(axis=1)


def _hand(structure: Structure, numbers: Numbers, player: int) -> Array:
    """Intended action -> realised action."""
    return numbers.trembles[player].reshape((structure.num_actions[player],) * 2)


def joint_policy(behaviours: tuple[Array, ...]) -> Array:
    """Probability of each joint action in each state, `(S, J)`."""
    joint = behaviours[0]
    for own in behaviours[1:]:
        joint = (joint[:, :, None] * own[:, None, :]).reshape(len(joint), -1)
    return joint


class Chain(NamedTuple):
    """The Markov chain of a joint policy, at one discount: `joint` `(S, J)`, the `branches` of a joint
    action `(S, J, B)` where there are several, p0 `(n,)`."""

    joint: Array
    branches: Array
    start: Array
    g: Array
    delta: Array


def chain_of(structure: Structure, joint: Array, numbers: Numbers, group: int) -> Chain:
    branches = _probabilities(structure.chances, numbers.transitions)
    start = numbers.initial
    if structure.outcomes is not None:
        start = (
            jnp.zeros(structure.size, joint.dtype).at[_targets(structure)[0, :, 0]].add(joint[0])
        )
    return Chain(joint, branches, start, numbers.g[group], numbers.delta[group])


def _targets(structure: Structure) -> Indices:
    """Next states of the chain, `(S, J, B)`."""
    return structure.targets - structure.first


def _flows(structure: Structure, chain: Chain, y: Array) -> Array:
    """What moves along each branch if y is in each state of the chain, `(n, J, B)`."""
    joint = chain.joint[structure.first :, :, None]
    moved = y[:, None, None] * joint
    return moved if structure.certain else moved * chain.branches[structure.first :]


def ahead(structure: Structure, chain: Chain, x: Array) -> Array:
    """E[x(next state) | state, joint action], `(S, J)`."""
    following = x[_targets(structure)]
    return following[:, :, 0] if structure.certain else (chain.branches * following).sum(axis=2)


def _fall(structure: Structure, chain: Chain, x: Array) -> Array:
    """(I - P) x, from differences, `(n,)`."""
    gaps = x[:, None, None] - x[_targets(structure)[structure.first :]]
    return (_flows(structure, chain, jnp.ones_like(x)) * gaps).sum(axis=(1, 2))


def _eliminate(moves: Array, g: Array, delta: Array, patient: bool) -> tuple[Array, Array, Array]:
    """The factors of I - g moves, by state reduction in the order of the states, and what dies."""
    n = len(moves)
    panel = min(PANEL, n)
    padding = -n % panel
    size = n + padding
    index = jnp.arange(size)
    # Padding comes first and leads nowhere, so that the last state is one of the chain's.
    q = jnp.pad(g * moves, (padding, 0))
    dying = jnp.pad(jnp.full(n, delta), (padding, 0), constant_values=1)

    def reduce_panel(block: Array, state: tuple[Array, Array, Array, Array]) -> tuple[Array, ...]:
        q, dying, lower, upper = state
        first = block * panel

        def reduce_state(step: Array, part: tuple[Array, Array, Array]) -> tuple[Array, ...]:
            shares, rows, dying = part
            k = first + step
            later = index > k
            row = jnp.where(later, q[k] + shares[k] @ rows, 0)
            pivot = dying[k] + row.sum()
            if patient:  # of the last state zero, and never used: see `elimination.factorise`
                pivot = jnp.where(k == size - 1, 1, pivot)
            share = jnp.where(later, q[:, k] + shares @ rows[:, k], 0) / pivot
            rows = rows.at[step].set(row)
            return shares.at[:, step].set(share), rows, dying + share * dying[k]

        empty = jnp.zeros((size, panel), q.dtype)
        shares, rows, dying = lax.fori_loop(0, panel, reduce_state, (empty, empty.T, dying))
        lower = lax.dynamic_update_slice(lower, shares, (0, first))
        upper = lax.dynamic_update_slice(upper, rows, (first, 0))
        return q + shares @ rows if size > panel else q, dying, lower, upper

    empty = jnp.zeros_like(q)
    _, dying, lower, upper = lax.fori_loop(0, size // panel, reduce_panel, (q, dying, empty, empty))
    pivots = dying + upper.sum(axis=1)
    if patient:
        pivots = pivots.at[-1].set(1)
    lower = jnp.eye(size, dtype=q.dtype) - lower
    upper = jnp.diag(pivots) - upper
    return lower[padding:, padding:], upper[padding:, padding:], dying[padding:]


def _order(structure: Structure) -> Indices | None:
    """The states of the chain in the order of elimination, None where it is the natural one: component
    by component, so that the last state is one that play returns to."""
    order = np.concatenate(structure.components) - structure.first
    return None if (order == np.arange(len(order))).all() else order


def factor_of(kernel: Kernel, chain: Chain) -> Factor:
    """Eliminate the states of a chain, once for all solves."""
    structure, patient = kernel.structure, kernel.patient
    chain = lax.stop_gradient(chain)
    n = structure.size
    flows = _flows(structure, chain, jnp.ones(n, chain.joint.dtype))
    rows = np.arange(n)[:, None, None]
    moves = (
        jnp.zeros((n, n), flows.dtype).at[rows, _targets(structure)[structure.first :]].add(flows)
    )
    order = _order(structure)
    if order is not None:
        moves = moves[order][:, order]
    lower, upper, dying = _eliminate(moves, chain.g, chain.delta, patient)
    if patient:
        entered = jnp.zeros(n, flows.dtype).at[-1].set(1)
        entered = _through_lower(lower, entered)
        occupancy = entered / entered.sum()
    else:
        source = _arranged(order, chain.delta * chain.start)
        occupancy = _through_lower(lower, solve_triangular(upper, source, trans=1))
    return Factor(chain.start, lower, upper, dying, _restored(order, occupancy), chain.delta)


def _arranged(order: Indices | None, y: Array) -> Array:
    return y if order is None else y[order]


def _restored(order: Indices | None, y: Array) -> Array:
    return y if order is None else jnp.zeros_like(y).at[order].set(y)


def _through_lower(lower: Array, y: Array) -> Array:
    return solve_triangular(lower, y, trans=1, lower=True, unit_diagonal=True)


def _solve_right(order: Indices | None, factor: Factor, b: Array, c: Array) -> tuple[Array, Array]:
    """The bordered system: v = d.b - delta c, x = M^-1 (b - d.b) shifted so that p0 . x = c.

    x is computed relative to the last state's; see `elimination.solve_right`.
    """
    mean = factor.occupancy @ b
    source = _arranged(order, b - mean)
    z = solve_triangular(factor.lower, source, lower=True, unit_diagonal=True)
    level = z[-1] / factor.upper[-1, -1]
    gaps = solve_triangular(factor.upper[:-1, :-1], z[:-1] - factor.dying[:-1] * level)
    x = _restored(order, jnp.append(gaps, jnp.zeros_like(level)))
    return x - (factor.start @ x - c), mean - factor.delta * c


def _solve_left(order: Indices | None, factor: Factor, c: Array, e: Array) -> tuple[Array, Array]:
    """Its transpose: y' = (c - p0 sum c)' M^-1 moved along d so that sum y = e.

    The last entry comes from what dies; see `elimination.solve_left_balanced`.
    """
    mass = c.sum()
    y = solve_triangular(factor.upper, _arranged(order, c - mass * factor.start), trans=1)
    last = -(factor.dying[:-1] @ y[:-1]) / factor.upper[-1, -1]
    y = _restored(order, _through_lower(factor.lower, y.at[-1].set(last)))
    return y - (y.sum() - e) * factor.occupancy, mass - factor.delta * e


def relative_values(
    structure: Structure, chain: Chain, factor: Factor, r: Array
) -> tuple[Array, Array]:
    """Relative value of each state of the chain `(n,)` and per-round value of expected payoffs `r`."""
    order = _order(structure)

    def bordered(xv: tuple[Array, Array]) -> tuple[Array, Array]:
        x, v = xv
        return chain.delta * x + chain.g * _fall(structure, chain, x) + v, chain.start @ x

    return solve_exactly(
        bordered,
        (r, jnp.zeros_like(chain.delta)),
        lambda bc: _solve_right(order, factor, *bc),
        lambda ce: _solve_left(order, factor, *ce),
    )


def weights(structure: Structure, chain: Chain, factor: Factor) -> Array:
    """Discounted share of rounds played from each state, `(S,)`; sums to one."""
    order = _order(structure)
    targets = _targets(structure)[structure.first :]

    def bordered_transpose(yw: tuple[Array, Array]) -> tuple[Array, Array]:
        y, w = yw
        flows = chain.g * _flows(structure, chain, y)
        left = chain.delta * y + flows.sum(axis=(1, 2)) + w * chain.start
        return left.at[targets].add(-flows), y.sum()

    occupied, _ = solve_exactly(
        bordered_transpose,
        (jnp.zeros_like(chain.start), jnp.ones_like(chain.delta)),
        lambda ce: _solve_left(order, factor, *ce),
        lambda bc: _solve_right(order, factor, *bc),
    )
    if structure.outcomes is None:
        return occupied
    return jnp.concatenate([chain.delta[None], chain.g * occupied])


def rewards_of(structure: Structure, joint: Array, payoffs: Array) -> Array:
    """Expected payoff of each state of the chain, for one player."""
    if structure.outcomes is not None:
        return payoffs[np.array(structure.outcomes)]
    return (joint * payoffs.reshape(joint.shape)).sum(axis=1)


def action_values(
    structure: Structure,
    acting: tuple[Array, ...],
    chain: Chain,
    payoffs: Array,
    x: Array,
    player: int,
) -> Array:
    """E[what follows | state, realised action of `player`], `(S, A_i)`: the relative value of the next
    state, with payoffs for acting the payoff and g times it."""
    worth = ahead(structure, chain, x)
    if structure.outcomes is None:
        worth = payoffs.reshape(worth.shape) + chain.g * worth
    values = worth.reshape(-1, *structure.num_actions)
    for k in reversed(range(structure.num_players)):
        if k != player:
            others = (1,) * (values.ndim - k - 2)
            weight = acting[k].reshape(structure.num_states, *(1,) * k, -1, *others)
            values = (values * weight).sum(axis=k + 1)
    return values.reshape(structure.num_states, -1)


def intended(structure: Structure, numbers: Numbers, values: Array, player: int) -> Array:
    """The same for the action that `player` means to take."""
    if not structure.trembling[player]:
        return values
    return values @ _hand(structure, numbers, player).T


def _collected(structure: Structure, numbers: Numbers, per_state: Array, player: int) -> Array:
    """Sums over the states in which each row of a policy is read, `(O_i, ...)`."""
    if structure.plainly_read[player]:
        return per_state
    chances = _probabilities(structure.readings[player], numbers.readings[player])
    rows = jnp.zeros((structure.num_rows[player], per_state.shape[1]), per_state.dtype)
    return rows.at[structure.rows[player]].add(chances[:, :, None] * per_state[:, None, :])


class Solved(NamedTuple):
    """A joint policy's behaviours, joint behaviour, and per group of players its chain."""

    policies: tuple[Array, ...]
    acting: tuple[Array, ...]
    joint: Array
    chains: tuple[Chain, ...]


def chains_of(structure: Structure, policies: tuple[Array, ...], numbers: Numbers) -> Solved:
    acting = behaviours_of(structure, policies, numbers)
    joint = joint_policy(acting)
    groups = range(1 + max(structure.groups))
    chains = tuple(chain_of(structure, joint, numbers, group) for group in groups)
    return Solved(policies, acting, joint, chains)


@partial(jax.jit, static_argnums=0)
def prepare(kernel: Kernel, parameters: tuple[Array, ...], numbers: Numbers) -> tuple[Factor, ...]:
    """The elimination at `parameters`, one per discount: what all values and derivatives share."""
    solved = chains_of(kernel.structure, policies_of(kernel, parameters), numbers)
    return tuple(factor_of(kernel, chain) for chain in solved.chains)


def worth_of(
    structure: Structure, solved: Solved, factors: tuple[Factor, ...], numbers: Numbers, of: int
) -> tuple[Array, Array]:
    """Relative values `(n,)` and the per-round value of player `of`."""
    group = structure.groups[of]
    reward = rewards_of(structure, solved.joint, numbers.payoffs[of])
    return relative_values(structure, solved.chains[group], factors[group], reward)


@partial(jax.jit, static_argnums=0)
def values(
    kernel: Kernel, parameters: tuple[Array, ...], factors: tuple[Factor, ...], numbers: Numbers
) -> tuple[Array, ...]:
    """Per-round value of each player."""
    solved = chains_of(kernel.structure, policies_of(kernel, parameters), numbers)
    return tuple(
        worth_of(kernel.structure, solved, factors, numbers, player)[1]
        for player in range(kernel.structure.num_players)
    )


@partial(jax.jit, static_argnums=(0, 4, 5))
def gradient(
    kernel: Kernel,
    parameters: tuple[Array, ...],
    factors: tuple[Factor, ...],
    numbers: Numbers,
    of: int,
    wrt: int,
) -> Array:
    """Gradient of player `of`'s per-round value in player `wrt`'s parameters."""
    structure = kernel.structure
    solved = chains_of(structure, policies_of(kernel, parameters), numbers)
    chain, factor = solved.chains[structure.groups[of]], factors[structure.groups[of]]
    x, _ = worth_of(structure, solved, factors, numbers, of)
    gains = action_values(structure, solved.acting, chain, numbers.payoffs[of], x, wrt)
    gains = intended(structure, numbers, gains, wrt)
    weight = weights(structure, chain, factor)[:, None]
    if structure.plainly_read[wrt]:
        if kernel.parameterisation == "logits":
            return weight * _spread(solved.policies[wrt], gains)[:, :-1]
        return weight * (gains[:, :-1] - gains[:, -1:])
    # Differences before sums over states: the level that all actions share would cost digits.
    gaps = _collected(structure, numbers, weight * (gains - gains[:, -1:]), wrt)
    if kernel.parameterisation == "logits":
        return _spread(solved.policies[wrt], gaps)[:, :-1]
    return gaps[:, :-1]


def cross(
    kernel: Kernel,
    parameters: tuple[Array, ...],
    factors: tuple[Factor, ...],
    numbers: Numbers,
    of: int,
    wrt: int,
    along: int,
    direction: Array,
) -> Array:
    """The derivative of `gradient(of, wrt)` as player `along` moves in `direction`: by the rule of
    `solve_exactly`, one more left and one more right solve."""

    def moved(own: Array) -> Array:
        joint = (*parameters[:along], own, *parameters[along + 1 :])
        return gradient(kernel, joint, factors, numbers, of, wrt)

    return jax.jvp(moved, (parameters[along],), (direction,))[1]
