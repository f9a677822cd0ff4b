"""Policies: what they must satisfy, and how to turn a player's own view of them into the absolute
one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from resolvent.games.chances import some_of
from resolvent.games.iterated import IteratedGame
from resolvent.games.rational import entries, exact_array, shorten
from resolvent.games.stochastic import StochasticGame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ExactPolicy: TypeAlias = tuple[tuple[Fraction, ...], ...]
"""A row of exact probabilities, one per action, for each observation of the player."""

DynamicGame: TypeAlias = IteratedGame | StochasticGame
"""A game that is played in rounds: what policies are for."""

_Policy = TypeVar("_Policy")

# Float rows may be off by rounding; more than this is a mistake.
_TOLERANCE = 1e-9


@overload
def check_policies(
    game: DynamicGame, policies: Sequence[Any], exact: Literal[True]
) -> tuple[ExactPolicy, ...]: ...


@overload
def check_policies(
    game: DynamicGame, policies: Sequence[Any], exact: Literal[False]
) -> tuple[NDArray[np.float64], ...]: ...


@overload
def check_policies(
    game: DynamicGame, policies: Sequence[Any], exact: bool | None = None
) -> tuple[ExactPolicy, ...] | tuple[NDArray[np.float64], ...]: ...


def check_policies(
    game: DynamicGame, policies: Sequence[Any], exact: bool | None = None
) -> tuple[ExactPolicy, ...] | tuple[NDArray[np.float64], ...]:
    """Check a joint policy of a game.

    **Arguments:**

    - `game`: the game that is played.
    - `policies`: one policy per player, each of shape `game.policy_shapes[i]`: one row for each
        observation of the player, in the order of `game.observations[i]` (a player who sees the
        state observes `game.states`), of probabilities of the player's actions. Nested sequences or
        arrays.
    - `exact`: whether the probabilities are exact. True reads each of them as
        [`resolvent.games.exact`][] does, False converts them to float64. By default they are exact
        unless there is a `float`, or an array of floats, among them.

    **Returns:**

    If exact, one nested tuple of `Fraction`s per player; otherwise one float64 NumPy array per
    player.

    Raises `ValueError` (or `TypeError` for what is not a number), naming the player, the observation
    and the row, for shapes that do not fit, probabilities outside [0, 1] or NaN, and rows that do not
    sum to one: exactly if they are exact, within 1e-9 if they are floats.
    """
    players = entries(policies)
    if players is None or len(players) != game.num_players:
        got = shorten(policies) if players is None else str(len(players))
        raise ValueError(
            f"policies must hold one policy per player ({game.num_players}); got {got}"
        )
    if exact is None:
        exact = not any(_has_floats(policy) for policy in players)
    if exact:
        return tuple(_check_exact(game, i, policy) for i, policy in enumerate(players))
    return tuple(_check_float(game, i, policy) for i, policy in enumerate(players))


def own_view(game: IteratedGame, policy: _Policy, player: int) -> _Policy:
    """Rewrite a player's policy from the absolute view to the player's own.

    In the absolute view, the library's, a state lists everyone's actions in the order of the
    players. In a player's own view its own action comes first and the others' follow in their
    order, as in Press and Dyson, PNAS 2012, and in the code of M-FOS, MeVa and LOLA_DiCE. For
    player 0 the two are one; for player 1 of two the rows of CD and DC change places.

    **Arguments:**

    - `game`: the iterated game, of any memory and number of players, in which the player observes
        the states.
    - `policy`: anything with one row (or one number) per state along its first axis: nested
        sequences or an array, NumPy or JAX.
    - `player`: whose policy it is, from 0.

    **Returns:**

    The same rows in the order of the own view: an array if `policy` is one, otherwise a tuple.
    """
    return _reorder(game, policy, _own_order(game, player))


def absolute_view(game: IteratedGame, policy: _Policy, player: int) -> _Policy:
    """Rewrite a player's policy from its own view to the absolute one: the inverse of
    [`resolvent.games.own_view`][], with the same arguments."""
    order = _own_order(game, player)
    inverse = sorted(range(len(order)), key=order.__getitem__)
    return _reorder(game, policy, inverse)


def require_player(game: DynamicGame, player: int) -> int:
    """Check the index of a player."""
    if isinstance(player, bool) or not isinstance(player, int):
        raise TypeError(f"player must be an integer; got {shorten(player)}")
    if not 0 <= player < game.num_players:
        raise ValueError(f"player must be from 0 to {game.num_players - 1}; got {player}")
    return player


def _own_order(game: IteratedGame, player: int) -> list[int]:
    """`order[k]` is the absolute state that is the `k`-th of the player's own view."""
    if not isinstance(game, IteratedGame):
        raise TypeError(
            f"game must be an IteratedGame, whose states are histories; got {shorten(game)}"
        )
    require_player(game, player)
    if not _sees_states(game, player):
        raise ValueError(
            f"player {player} must observe the states to have an own view of them; it observes "
            f"{some_of(game.observations[player])}"
        )

    def key(state: int) -> tuple[int, list[tuple[int, ...]]]:
        history = game.histories[state]
        own_first = [(a[player], *a[:player], *a[player + 1 :]) for a in history]
        return len(history), own_first

    return sorted(range(game.num_states), key=key)


def _reorder(game: IteratedGame, policy: Any, order: list[int]) -> Any:
    rows = entries(policy)
    if rows is None or len(rows) != game.num_states:
        got = shorten(policy) if rows is None else str(len(rows))
        raise ValueError(f"policy must have one row per state ({game.num_states}); got {got}")
    if isinstance(policy, (list, tuple)):
        return tuple(rows[state] for state in order)
    import numpy as np

    return policy[np.array(order)]


def _has_floats(node: object) -> bool:
    kind = getattr(getattr(node, "dtype", None), "kind", "O")
    if kind != "O":
        return kind not in "biu"  # NumPy's codes for bool, integer and unsigned integer
    children = entries(node)
    if children is not None:
        return any(_has_floats(child) for child in children)
    return isinstance(node, float)


def _check_exact(game: DynamicGame, player: int, policy: object) -> ExactPolicy:
    name = f"policies[{player}]"
    rows: Any = exact_array(policy, name, depth=2)
    _check_shape(game, player, (len(rows), len(rows[0])))
    for state, row in enumerate(rows):
        if not all(isinstance(entry, Fraction) for entry in row):
            raise ValueError(f"{_where(game, player, state)} must be numbers; got {_row(row)}")
        if not all(0 <= entry <= 1 for entry in row):
            raise ValueError(f"{_where(game, player, state)} must lie in [0, 1]; got {_row(row)}")
        if sum(row) != 1:
            raise ValueError(
                f"{_where(game, player, state)} must sum to exactly 1; got {_row(row)}, sum {sum(row)}"
            )
    return rows


def _check_float(game: DynamicGame, player: int, policy: object) -> NDArray[np.float64]:
    import numpy as np

    try:
        array = np.array(policy, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"policies[{player}] must be an array of numbers of shape {game.policy_shapes[player]}; "
            f"got {shorten(policy)}"
        ) from None
    _check_shape(game, player, array.shape)
    for state, row in enumerate(array):
        if not np.all((row >= 0) & (row <= 1)):  # also false for NaN
            raise ValueError(f"{_where(game, player, state)} must lie in [0, 1]; got {_row(row)}")
        if abs(row.sum() - 1) > _TOLERANCE:
            raise ValueError(
                f"{_where(game, player, state)} must sum to 1 within {_TOLERANCE}; "
                f"got {_row(row)}, sum {float(row.sum())!r}"
            )
    return array


def _check_shape(game: DynamicGame, player: int, shape: tuple[int, ...]) -> None:
    expected = game.policy_shapes[player]
    if shape != expected:
        rows = "states" if _sees_states(game, player) else "observations"
        raise ValueError(
            f"policies[{player}] must have shape ({rows}, actions) = {expected}; got {shape}"
        )


def _where(game: DynamicGame, player: int, row: int) -> str:
    where = "in state" if _sees_states(game, player) else "on observing"
    label = game.observations[player][row]
    return f"probabilities of policies[{player}] (player {game.players[player]}) {where} {label}"


def _sees_states(game: DynamicGame, player: int) -> bool:
    return game.observations[player] == game.states


def _row(row: Any) -> str:
    return "(" + ", ".join(str(entry) for entry in row) + ")"
