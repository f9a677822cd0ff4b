r"""Is it an equilibrium? What each player could gain by another policy, exactly where the policies are exact.

Against stationary policies of the others a player faces a Markov decision problem, in which some pure
stationary policy is best among *all* strategies (Blackwell 1965, Ann. Math. Statist. 36, 226). With
$V_i$ what the policies are worth from a state on and $V_i^*$ what the best reply is,

$$ \text{one-shot regret}\; \max_a Q_i(s, a) - V_i(s), \qquad \text{gain}\; V_i^*(s) - V_i(s), $$

both per round and at least 0. The policies are a Nash equilibrium if no player has a gain where play begins,
and subgame perfect if none has one in any state, which is so if and only if no one-shot regret is positive
(the one-shot deviation principle). The two differ off the path of play: one-shot regrets there say nothing
about Nash equilibrium. A one-shot regret of at most e everywhere bounds the gains by e / (1 - g).

Rational policies are judged in rationals, by FLINT; there is no tolerance in any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import flint
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic import exact
from resolvent.analytic.chain import Converter, fraction, joint_rows, rational, successors
from resolvent.games import DynamicGame, ExactPolicy, NormalForm, check_policies
from resolvent.games.rational import entries
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    action_values,
    chain,
    check_profile,
    expected,
    follows,
    game_arrays,
    payoff_ranges,
    require_stationary,
    values_of,
)

FLOAT_TOLERANCE = 1e-9
"""Of the payoff range: up to this, policies in floats pass for an equilibrium unless told otherwise."""

# A gain below this share of the payoff range is rounding to policy iteration in floats.
_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class Regret:
    """What players could gain by deviating; per round, in units of their payoffs.

    **Fields:**

    - `game`: what is played.
    - `exact`: whether all numbers are `Fraction`s (in arrays of objects), or floats.
    - `values`: `(n, S)`, what the policies are worth from each state on.
    - `one_shot`: `(n, S)`, the gain of one deviating action there, after which all play on.
    - `gains`: `(n, S)`, the gain of a best reply to the others, from each state on.
    - `from_start`: `(n,)`, the gain of a best reply from where play begins.
    - `ranges`: `(n,)`, the largest less the smallest payoff, by which to judge the others; 1 if it is 0.
    - `best_replies`: per player the actions, by number, of a pure best reply, `(S,)`.
    """

    game: Game
    exact: bool
    values: NDArray[Any]
    one_shot: NDArray[Any]
    gains: NDArray[Any]
    from_start: NDArray[Any]
    ranges: NDArray[Any]
    best_replies: NDArray[np.integer]

    @property
    def nash(self) -> Any:
        """The largest gain from where play begins, as a share of that player's payoff range. The
        policies are an e-equilibrium for this e."""
        return max(self.from_start / self.ranges)

    @property
    def subgame_perfect(self) -> Any:
        """The same from the worst state: an e for which the policies are e-subgame perfect."""
        return (self.gains / self.ranges[:, None]).max()

    @property
    def largest_one_shot(self) -> Any:
        """The largest one-shot regret in any state, as a share of that player's payoff range."""
        return (self.one_shot / self.ranges[:, None]).max()

    def __str__(self) -> str:
        kind = "exact" if self.exact else "floats"
        lines = [f"regret per round ({kind}), as a share of the payoff range"]
        states = state_names(self.game)
        for player, name in enumerate(self.game.players):
            scale = self.ranges[player]
            line = f"  player {name}: from the start {_number(self.from_start[player] / scale)}"
            if len(states) > 1:
                worst = int(np.argmax(self.gains[player]))
                line += f", from any state {_number(self.gains[player][worst] / scale)}"
                if self.gains[player][worst] > 0:
                    line += f" (in {states[worst]})"
                line += f", one-shot {_number(max(self.one_shot[player]) / scale)}"
            lines.append(line)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Regret(nash={_number(self.nash)}, subgame_perfect={_number(self.subgame_perfect)}, "
            f"exact={self.exact})"
        )


def regret(game: Game, policies: Sequence[Any]) -> Regret:
    """What each player could gain by deviating from stationary policies, in one action or for good.

    **Arguments:**

    - `game`: a matrix game, an iterated or a stochastic game without symbols, in which the players see
        the state.
    - `policies`: one per player, `(S, A_i)`; of a matrix game also `(A_i,)`. Of intended actions, where
        hands tremble. Without floats among them they are judged in rationals.

    **Returns:** a `Regret`.

    **Raises:** `ValueError`, naming the argument, for games and policies that are not of this kind.
    """
    policies = as_rows(game, policies)
    if is_exact(policies):
        return _exact_regret(game, check_exact(game, policies))
    arrays, lows, ranges = scaled_arrays(game)
    checked = check_profile(arrays, policies)
    found = jax.device_get(deviations(arrays, checked))
    scales = np.array(ranges, dtype=float)
    values = np.asarray(values_of(arrays, checked)) * scales[:, None]
    return Regret(
        game,
        False,
        values + np.array(lows, dtype=float)[:, None],
        found.one_shot * scales[:, None],
        found.gains * scales[:, None],
        found.from_start * scales,
        scales,
        found.best_replies,
    )


def is_nash(
    game: Game,
    policies: Sequence[Any],
    tolerance: float | Fraction | None = None,
    subgame_perfect: bool = False,
) -> bool:
    """Whether stationary policies are an equilibrium: whether no player could gain by any other strategy.

    **Arguments:**

    - `game`, `policies`: those of [`resolvent.numeric.regret`][].
    - `tolerance`: the gain per round to be overlooked, as a share of the player's payoff range. By
        default 0 for exact policies and 1e-9 for floats.
    - `subgame_perfect`: whether to ask it of every state, and not only of where play begins.
    """
    found = regret(game, policies)
    if tolerance is None:
        tolerance = 0 if found.exact else FLOAT_TOLERANCE
    if not tolerance >= 0:
        raise ValueError(
            f"tolerance: expected a share of the payoff range from 0 up, got {tolerance}"
        )
    return bool((found.subgame_perfect if subgame_perfect else found.nash) <= tolerance)


def state_names(game: Game) -> tuple[str, ...]:
    """The states; a matrix game has one, `start`."""
    return ("start",) if isinstance(game, NormalForm) else game.states


def as_rows(game: Game, policies: Sequence[Any]) -> Sequence[Any]:
    """Vectors of probabilities in a matrix game as policies of one row."""
    if not isinstance(game, NormalForm):
        return policies
    players = entries(policies)
    if players is None:
        return policies

    def rows(own: Any) -> Any:
        inner = entries(own)
        flat = bool(inner) and all(entries(entry) is None for entry in inner or ())
        return [own] if flat else own

    return [rows(own) for own in players]


def is_exact(node: Any) -> bool:
    """Whether there is no float among numbers, as `check_policies` has it."""
    kind = getattr(getattr(node, "dtype", None), "kind", "O")
    if kind != "O":
        return kind in "biu"  # NumPy's codes for bool, integer and unsigned integer
    children = entries(node)
    if children is not None:
        return all(map(is_exact, children))
    return not isinstance(node, float)


def check_exact(game: Game, policies: Sequence[Any]) -> tuple[ExactPolicy, ...]:
    """Exact policies of a game that can be verified, as `Fraction`s."""
    require_stationary(game)
    return check_policies(as_dynamic(game), as_rows(game, policies), exact=True)


def as_dynamic(game: Game) -> DynamicGame:
    """The game with the hands' trembling made part of it; a matrix game as the one-shot game."""
    if isinstance(game, NormalForm):
        return game.iterated(0, memory=0)
    if any(tremble is not None for tremble in game.trembles):
        return game.as_stochastic()  # pyright: ignore[reportAttributeAccessIssue]
    return game


def exact_range(game: Game) -> tuple[list[Fraction], list[Fraction]]:
    """The smallest payoff of each player, and the largest less that one; 1 where all are equal. A
    trembling hand is part of the payoffs."""
    lows, ranges = [], []
    for own in as_dynamic(game).rewards:
        flat = [_number_of(pay) for row in own for pay in row]
        lows.append(min(flat))
        ranges.append(max(flat) - min(flat) or Fraction(1))
    return lows, ranges


def scaled_arrays(game: Game) -> tuple[GameArrays, list[Fraction], list[Fraction]]:
    """A game with payoffs from 0 to 1, rounded after they were scaled, so that a large number added to all
    payoffs costs no digits; and the smallest payoffs and the ranges."""
    arrays = game_arrays(game)
    lows, ranges = exact_range(game)
    rows = [
        [[float((_number_of(pay) - low) / scale) for pay in row] for row in own]
        for own, low, scale in zip(as_dynamic(game).rewards, lows, ranges, strict=True)
    ]
    payoffs = jnp.asarray(np.array(rows).reshape(arrays.payoffs.shape))
    return eqx.tree_at(lambda own: own.payoffs, arrays, payoffs), lows, ranges


# In floats -----------------------------------------------------------------------------------


class Deviations(NamedTuple):
    """Gains as shares of the payoff ranges, in arrays; see `Regret`."""

    one_shot: Float[Array, "players states"]
    gains: Float[Array, "players states"]
    from_start: Float[Array, " players"]
    best_replies: Array


def normalised(arrays: GameArrays) -> GameArrays:
    """The same game with each player's payoffs from 0 to 1 (all 0 if they are equal): the same
    equilibria, and regrets as shares of the payoff range."""
    axes = tuple(range(1, arrays.payoffs.ndim))
    low = arrays.payoffs.min(axis=axes, keepdims=True)
    ranges = payoff_ranges(arrays).reshape(low.shape)
    return eqx.tree_at(lambda own: own.payoffs, arrays, (arrays.payoffs - low) / ranges)


@jax.jit
def one_shot_regret(arrays: GameArrays, policies: Policies) -> Float[Array, "players states"]:
    """The gain of one deviating action in each state, per round, as a share of the payoff range."""
    arrays = normalised(arrays)
    values = values_of(arrays, policies)
    worth = action_values(arrays, policies, values)
    best = jnp.stack([own.max(axis=1) for own in worth])
    return jnp.maximum(best - values, 0)


@jax.jit
def deviations(arrays: GameArrays, policies: Policies) -> Deviations:
    """One-shot and full gains of all players; may be mapped over games and policies."""
    arrays = normalised(arrays)
    values = values_of(arrays, policies)
    worth = action_values(arrays, policies, values)
    one_shot = jnp.stack([own.max(axis=1) for own in worth]) - values
    best, replies = [], []
    for player in range(arrays.num_players):
        found, reply = _best_reply(arrays, policies, player)
        best.append(found)
        replies.append(reply)
    # A best reply is never worse than the policy itself: less than nothing is rounding.
    gains = jnp.maximum(jnp.stack(best) - values, 0)
    return Deviations(jnp.maximum(one_shot, 0), gains, gains @ arrays.initial, jnp.stack(replies))


def _best_reply(arrays: GameArrays, policies: Policies, player: int) -> tuple[Array, Array]:
    """What a best reply is worth in each state, and its actions: policy iteration (Howard 1960)."""
    count = arrays.num_actions[player]
    discount = arrays.discounts[player]
    pays = (1 - discount) * expected(arrays.payoffs[player], policies, player)

    def evaluate(choice: Array) -> tuple[Array, Array]:
        reply = jax.nn.one_hot(choice, count, dtype=pays.dtype)
        moves = chain(arrays, (*policies[:player], reply, *policies[player + 1 :]))
        now = jnp.take_along_axis(pays, choice[:, None], axis=1)[:, 0]
        worth = jnp.linalg.solve(jnp.eye(arrays.num_states) - discount * moves, now)
        return worth, pays + discount * expected(follows(arrays, worth), policies, player)

    def better(table: Array, choice: Array) -> Array:
        chosen = jnp.take_along_axis(table, choice[:, None], axis=1)[:, 0]
        return table.max(axis=1) - chosen > _ROUNDING

    def improve(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        choice, _, table, rounds = state
        choice = jnp.where(better(table, choice), table.argmax(axis=1), choice)
        return choice, *evaluate(choice), rounds + 1

    first = policies[player].argmax(axis=1)
    limit = 100 + arrays.num_states * count
    choice, worth, _, _ = lax.while_loop(
        lambda state: better(state[2], state[0]).any() & (state[3] < limit),
        improve,
        (first, *evaluate(first), jnp.asarray(0)),
    )
    return worth, choice


# In rationals --------------------------------------------------------------------------------


class _Decisions(NamedTuple):
    """The decision problem that a player faces: payoffs and next states by state and action."""

    discount: Any
    pays: list[list[Any]]
    moves: list[list[dict[int, Any]]]

    def policy(self, mixes: Sequence[Sequence[Any]]) -> tuple[list[Any], list[dict[int, Any]]]:
        """Payoffs and chain under a policy."""
        now, chain = [], []
        for mix, pays, moves in zip(mixes, self.pays, self.moves, strict=True):
            row: dict[int, Any] = {}
            for share, move in zip(mix, moves, strict=True):
                if share != 0:
                    for after, chance in move.items():
                        row[after] = row.get(after, _ZERO) + share * chance
            now.append(sum((p * r for p, r in zip(mix, pays, strict=True) if p != 0), _ZERO))
            chain.append(row)
        return now, chain

    def worth(self, mixes: Sequence[Sequence[Any]]) -> list[Any]:
        """What a policy is worth in each state, per round."""
        now, chain = self.policy(mixes)
        dying = exact.difference([{t: self.discount * p for t, p in row.items()} for row in chain])
        right = flint.fmpq_mat(len(now), 1, [(1 - self.discount) * pay for pay in now])
        return [row[0] for row in exact.solve(dying, right).tolist()]

    def table(self, values: Sequence[Any]) -> list[list[Any]]:
        """Q: what each action is worth if `values` follow."""
        g = self.discount
        return [
            [
                (1 - g) * pay + g * sum((p * values[t] for t, p in move.items()), _ZERO)
                for pay, move in zip(pays, moves, strict=True)
            ]
            for pays, moves in zip(self.pays, self.moves, strict=True)
        ]

    def best(self, choice: list[int]) -> tuple[list[int], list[Any]]:
        """A best pure policy and its worth, by policy iteration from `choice`; ends, since there are
        finitely many and each is better than the last."""
        while True:
            values = self.worth(self.pure(choice))
            table = self.table(values)
            gains = [
                max(range(len(row)), key=row.__getitem__) if max(row) > row[own] else own
                for row, own in zip(table, choice, strict=True)
            ]
            if gains == choice:
                return choice, values
            choice = gains

    def pure(self, choice: Sequence[int]) -> list[list[Any]]:
        return [
            [_ONE if action == own else _ZERO for action in range(len(pays))]
            for own, pays in zip(choice, self.pays, strict=True)
        ]


_ZERO, _ONE = flint.fmpq(0), flint.fmpq(1)


def _decisions(game: DynamicGame, policies: Sequence[Any], player: int) -> _Decisions:
    """The problem of one player against exact policies, in a game without trembles."""
    convert = Converter(rational)
    count = game.num_actions[player]
    stride = int(np.prod(game.num_actions[player + 1 :], dtype=int))
    pays, moves = [], []
    for state, joint in enumerate(joint_rows(game, policies, convert, apart=player)):
        own = convert.row(game.rewards[player][state])
        by_action: list[list[tuple[int, Any]]] = [[] for _ in range(count)]
        for k, chance in joint:
            by_action[k // stride % count].append((k, chance))
        pays.append([sum((p * own[k] for k, p in row), _ZERO) for row in by_action])
        moves.append([successors(game.branches[state], row, convert) for row in by_action])
    return _Decisions(rational(_number_of(game.discounts[player])), pays, moves)


def _number_of(value: Any) -> Fraction:
    assert isinstance(value, Fraction)  # games with symbols have been refused
    return value


def _exact_regret(game: Game, policies: tuple[ExactPolicy, ...]) -> Regret:
    played = as_dynamic(game)
    values, one_shot, gains, replies = [], [], [], []
    for player, own in enumerate(policies):
        problem = _decisions(played, policies, player)
        mixes = [[rational(p) for p in row] for row in own]
        worth = problem.worth(mixes)
        table = problem.table(worth)
        first = [max(range(len(row)), key=row.__getitem__) for row in own]
        reply, best = problem.best(first)
        values.append([fraction(v) for v in worth])
        one_shot.append([fraction(max(row) - v) for row, v in zip(table, worth, strict=True)])
        gains.append([fraction(b - v) for b, v in zip(best, worth, strict=True)])
        replies.append(reply)
    start = [_number_of(p) for p in played.initial_distribution]
    from_start = [
        sum((p * gain for p, gain in zip(start, own, strict=True)), Fraction(0)) for own in gains
    ]
    return Regret(
        game,
        True,
        _objects(values),
        _objects(one_shot),
        _objects(gains),
        _objects(from_start),
        _objects(exact_range(game)[1]),
        np.array(replies),
    )


def _objects(nested: Any) -> NDArray[Any]:
    return np.array(nested, dtype=object)


def _number(value: Any) -> str:
    if isinstance(value, Fraction):
        text = str(value)
        return text if len(text) <= 24 else f"{float(value):.6g}"
    return f"{float(value):.3g}"
