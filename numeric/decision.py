r"""The decision problem of one player where all others keep to their policies, and all of its solutions.

With $r(s, b)$ and $p(s' \mid s, b)$ what is expected over the others' actions,

$$ Q(s, b) = r(s, b) + g \sum_{s'} p(s' \mid s, b) \, V(s'), \qquad V(s) = \max_b Q(s, b). $$

A deterministic policy is optimal in every state if and only if it plays maximisers only; at a tie there are
several. Which of them is best or worst for somebody else is a decision problem again: of the same player, with the
other's payoffs, and only the maximisers allowed. So no list of policies is ever needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, nn
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies, chain, expected
from resolvent.numeric.play import check_play, play_of

Tree = Any

TIE = 1e-10
"""Actions whose values differ by less than this share of the player's range of values are equally good."""

# A policy is changed only for a gain above this share of the range: below, there is rounding.
_GAIN = 1e-12


def solve_chain(
    matrix: Float[Array, "states states"], right: Float[Array, " states"], pivoting: bool = False
) -> Float[Array, " states"]:
    """x with (I - gP) x = b, differentiable; with `pivoting`, of any matrix.

    By elimination, of which diagonal dominance makes the plain one stable: in batches of thousands of small systems
    it is one loop over whole arrays, where LAPACK would be called for each by itself (and, from two threads, has
    been seen not to come back).
    """

    def eliminate(transposed: bool) -> Any:
        constant = lax.stop_gradient(matrix.T if transposed else matrix)

        def clear(k: Array, rows: Array) -> Array:
            if pivoting:
                below = jnp.arange(len(rows)) >= k
                largest = jnp.where(below, jnp.abs(rows[:, k]), -1).argmax()
                rows = rows.at[k].set(rows[largest]).at[largest].set(rows[k])
            pivot = rows[k] / rows[k, k]
            return (rows - jnp.outer(rows[:, k], pivot)).at[k].set(pivot)

        def solve(_: Any, b: Array) -> Array:
            return lax.fori_loop(0, len(b), clear, jnp.column_stack([constant, b]))[:, -1]

        return solve

    return lax.custom_linear_solve(
        lambda x: matrix @ x, right, eliminate(False), transpose_solve=eliminate(True)
    )


def worths(arrays: GameArrays, policies: Policies) -> Float[Array, "players states"]:
    """What each player gets from each state on, `(n, S)`, when all play `policies`."""
    moves = chain(arrays, policies)

    def one(payoffs: Array, discount: Array) -> Array:
        now = (1 - discount) * expected(payoffs, policies, None)
        return solve_chain(jnp.eye(arrays.num_states) - discount * moves, now)

    return jax.vmap(one)(arrays.payoffs, arrays.discounts)


class Decision(eqx.Module):
    """A Markov decision problem, in the units of the values that it came from.

    **Attributes:** `payoffs`: r, `(S, B)`, the factor 1 - g included; `transitions`: p, `(S, B, S)`; `discount`: g.
    """

    payoffs: Float[Array, "states actions"]
    transitions: Float[Array, "states actions states"]
    discount: Float[Array, ""]

    def action_values(self, worth: Float[Array, " states"]) -> Float[Array, "states actions"]:
        """Q, `(S, B)`, where `worth` follows from the next round on."""
        return self.payoffs + self.discount * self.transitions @ worth

    def worth(
        self, policy: Float[Array, "states actions"], bonus: Array | float = 0.0
    ) -> Float[Array, " states"]:
        """What a policy is worth in each state, `(S,)`, with a `bonus` for each round spent there."""
        moves = jnp.einsum("sb,sbt->st", policy, self.transitions)
        now = (policy * self.payoffs).sum(axis=1) + bonus
        return solve_chain(jnp.eye(len(moves)) - self.discount * moves, now)

    @property
    def range(self) -> Float[Array, ""]:
        """The most by which two values can differ, `max - min` of payoffs over `1 - g`; 1 where all are equal."""
        spread = (self.payoffs.max() - self.payoffs.min()) / (1 - self.discount)
        return jnp.where(spread > 0, spread, 1)


def decision_of(
    arrays: GameArrays, policies: Policies, player: int, payoffs_of: int | None = None
) -> Decision:
    """The problem that `player` faces, with the payoffs and the discount of `payoffs_of` (default: its own)."""
    whose = player if payoffs_of is None else payoffs_of
    discount = arrays.discounts[whose]
    payoffs = (1 - discount) * expected(arrays.payoffs[whose], policies, player)
    return Decision(payoffs, moves_of(arrays, policies, player), discount)


def moves_of(
    arrays: GameArrays, policies: Policies, player: int
) -> Float[Array, "states actions states"]:
    """The probability of each next state after each action of `player`, `(S, B, S)`."""
    if arrays.successors is None:
        assert arrays.transitions is not None  # one of the two is given
        return expected(arrays.transitions, policies, player)
    states, actions = arrays.num_states, arrays.num_actions[player]
    weights = jnp.ones((states, 1))
    for other, policy in enumerate(policies):
        if other != player:
            weights = (weights[:, :, None] * policy[:, None, :]).reshape(states, -1)
    targets = jnp.moveaxis(arrays.successors, player + 1, 1).reshape(states, actions, -1)
    rows = jnp.arange(states)[:, None, None]
    columns = jnp.arange(actions)[None, :, None]
    empty = jnp.zeros((states, actions, states))
    return empty.at[rows, columns, targets].add(jnp.broadcast_to(weights[:, None], targets.shape))


class Optimum(eqx.Module):
    """What policy iteration ends with.

    **Attributes:** `choice`: the action in each state, `(S,)`; `worth`: V, `(S,)`; `table`: Q, `(S, B)`;
    `iterations`: rounds, the first evaluation not counted.
    """

    choice: Int[Array, " states"]
    worth: Float[Array, " states"]
    table: Float[Array, "states actions"]
    iterations: Int[Array, ""]

    @property
    def loss(self) -> Float[Array, "states actions"]:
        """What each action loses against the chosen one, `(S, B)`; negative beyond rounding only where policy
        iteration has not ended, or for what was not allowed."""
        return jnp.take_along_axis(self.table, self.choice[:, None], axis=1) - self.table


def optimum(decision: Decision, allowed: Bool[Array, "states actions"] | None = None) -> Optimum:
    """Howard's policy iteration, of constants; an action is changed only for a gain above rounding.

    **Arguments:** `allowed`: the actions to choose from, one at least in each state. Default: all.
    """
    decision = lax.stop_gradient(decision)
    states, actions = decision.payoffs.shape
    open_to = jnp.ones((states, actions), bool) if allowed is None else allowed
    tolerance = _GAIN * decision.range

    def evaluate(choice: Array, count: Array) -> Optimum:
        worth = decision.worth(nn.one_hot(choice, actions, dtype=decision.payoffs.dtype))
        return Optimum(choice, worth, decision.action_values(worth), count)

    def better(now: Optimum) -> tuple[Array, Array]:
        table = jnp.where(open_to, now.table, -jnp.inf)
        chosen = jnp.take_along_axis(table, now.choice[:, None], axis=1)[:, 0]
        return table.max(axis=1) - chosen > tolerance, table.argmax(axis=1)

    def step(now: Optimum) -> Optimum:
        gains, best = better(now)
        return evaluate(jnp.where(gains, best, now.choice), now.iterations + 1)

    def goes_on(now: Optimum) -> Array:
        return better(now)[0].any() & (now.iterations < 100 + states * actions)

    first = jnp.where(open_to, decision.payoffs, -jnp.inf).argmax(axis=1)
    return lax.while_loop(goes_on, step, evaluate(first, jnp.asarray(0)))


class OptimalReplies(eqx.Module):
    """All best responses of one player, and what they mean to another.

    The policies are constants: where there is no tie, derivatives of the values are those of the leader's
    objective; at a tie they are those of one side of a jump.

    **Attributes:**

    - `optimal`: whether an action is optimal in a state, `(S, B)`, with ties of less than the tolerance.
    - `favourable`, `adverse`: among the optimal deterministic policies, one that is best and one that is worst for
        the leader, `(S, B)`. In games of more than two players they are replies to all others.
    - `value`: the follower's value, the same for all of them.
    - `best`, `worst`: the leader's values with these two. All values are from the start, in the units of
        `normalise`.
    - `margin`: the least that an action that is not optimal loses, in these units: how far the nearest further tie
        is. Infinite where all actions are optimal.
    - `gap`: the largest remaining gain of any action, in ranges of the follower's values: the certificate.
    - `iterations`: rounds of policy iteration.
    """

    optimal: Bool[Array, "states actions"]
    favourable: Float[Array, "states actions"]
    adverse: Float[Array, "states actions"]
    value: Float[Array, ""]
    best: Float[Array, ""]
    worst: Float[Array, ""]
    margin: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]
    follower: int = eqx.field(static=True)
    leader: int = eqx.field(static=True)
    normalise: str = eqx.field(static=True)

    @property
    def count(self) -> int:
        """How many deterministic policies are optimal in every state."""
        return int(np.prod(np.asarray(self.optimal).sum(axis=-1), dtype=object))

    def policies(self) -> Iterator[NDArray[np.floating]]:
        """Each of them, `(S, B)`, one after the other: there may be very many."""
        mask = np.asarray(self.optimal)
        identity = np.eye(mask.shape[1])
        for choice in itertools.product(*(np.flatnonzero(row) for row in mask)):
            yield identity[list(choice)]

    def __str__(self) -> str:
        if np.ndim(self.value):
            return f"optimal replies of player {self.follower + 1} to {np.size(self.value)} joint policies"
        text = (
            f"{self.count} optimal {'reply' if self.count == 1 else 'replies'} of player {self.follower + 1}, worth "
            f"{float(self.value):.6g} ({self.normalise}) to it; "
        )
        low, high = float(self.worst), float(self.best)
        worth = f"{high:.6g}" if self.count == 1 else f"from {low:.6g} to {high:.6g}"
        return (
            text
            + f"player {self.leader + 1} gets {worth}; nearest further tie {float(self.margin):.3g} away, "
            f"remaining gap {float(self.gap):.1e}"
        )


@eqx.filter_jit
def optimal_replies(
    values: CompiledValue,
    params: Tree,
    follower: int,
    leader: int | None = None,
    tolerance: float = TIE,
) -> OptimalReplies:
    """The best responses of `follower` to the policies of all others, every one of them at ties.

    Exact, by policy iteration; deterministic policies of the state are optimal among *all* strategies. The batch
    version is `jax.vmap` of this.

    **Arguments:**

    - `values`: a compiled closed form with a discount below 1, in which all players see the state.
    - `params`: as `values` takes them; those of the follower do not matter.
    - `leader`: whose values tell the replies apart; of two players, the other one.
    - `tolerance`: which differences of action values are ties, in ranges of the follower's values.

    **Returns:** an `OptimalReplies`.

    **Raises:** `ValueError` for other values and other players.
    """
    game = check_play(values, "optimal_replies", "learners of gradients, such as Naive")
    first = leader_of(game, follower, leader)
    play = play_of(game, params)
    return replies_to(play.arrays, play.policies, follower, first, game.normalise, tolerance)


def replies_to(
    arrays: GameArrays,
    policies: Policies,
    follower: int,
    leader: int,
    normalise: str,
    tolerance: float | Array = TIE,
) -> OptimalReplies:
    """`optimal_replies` of a game in arrays."""
    decision = decision_of(arrays, policies, follower)
    found = optimum(decision)
    loss, scale = found.table.max(axis=1, keepdims=True) - found.table, decision.range
    optimal = loss <= tolerance * scale
    interest = decision_of(arrays, policies, follower, leader)

    def choice(sign: Array) -> Array:
        """The best of the optimal replies for the leader, or for one with the opposite interest."""
        return optimum(
            Decision(sign * interest.payoffs, interest.transitions, interest.discount), optimal
        ).choice

    both = nn.one_hot(
        jax.vmap(choice)(jnp.array([1.0, -1.0])), arrays.num_actions[follower], dtype=loss.dtype
    )
    best, worst = jax.vmap(interest.worth)(both) @ arrays.initial
    value = decision.worth(both[0]) @ arrays.initial
    return OptimalReplies(
        optimal,
        both[0],
        both[1],
        value,
        best,
        worst,
        jnp.where(optimal, jnp.inf, loss).min(),
        -found.loss.min() / scale,
        found.iterations,
        follower,
        leader,
        normalise,
    )


def replaced(policies: Policies, player: int, policy: Array) -> Policies:
    """The joint policy with another policy of `player`."""
    return (*policies[:player], policy, *policies[player + 1 :])


def leader_of(values: ValueFunction, follower: int, leader: int | None) -> int:
    """The leader, by default the other one of two players.

    **Raises:** `ValueError` for what is no pair of different players.
    """
    players = values.num_players
    index_of(follower, "follower", players)
    if leader is None:
        if players != 2:
            raise ValueError(f"leader: expected one of {players} players, got None")
        return 1 - follower
    if index_of(leader, "leader", players) == follower:
        raise ValueError(
            f"leader: expected another player than the follower, got {leader} for both"
        )
    return leader


def index_of(player: Any, name: str, players: int) -> int:
    """The index of a player, checked."""
    if isinstance(player, bool) or not isinstance(player, int) or not 0 <= player < players:
        raise ValueError(f"{name}: expected an index from 0 to {players - 1}, got {player!r}")
    return player
