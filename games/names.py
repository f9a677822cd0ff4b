"""Names of players, actions, states and observations: what is accepted, and the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

from resolvent.games.rational import shorten


def action_names(
    actions: Sequence[str] | Sequence[Sequence[str]] | None, shape: tuple[int, ...]
) -> tuple[tuple[str, ...], ...]:
    """Names of the actions of every player, of which there are `shape`; `actions` may be shared by
    all players, or None for a, b, c, ..."""
    if actions is None:
        return tuple(_default_names(number) for number in shape)
    require_list(actions, "actions")
    per_player: list[Sequence[str]] = list(actions)
    if all(isinstance(entry, str) for entry in actions):
        per_player = [[str(name) for name in actions]] * len(shape)
    if len(per_player) != len(shape):
        raise ValueError(
            f"actions must have one sequence of names per player ({len(shape)}); got {len(per_player)}"
        )
    for player, (names, number) in enumerate(zip(per_player, shape, strict=True)):
        check_names(names, f"actions[{player}]", number, "one name per action")
    return tuple(tuple(names) for names in per_player)


def player_names(players: Sequence[str] | None, number: int) -> tuple[str, ...]:
    """Names of the players; by default 1, 2, ..."""
    if players is None:
        return tuple(str(player + 1) for player in range(number))
    check_names(players, "players", number, "one name per player")
    return tuple(players)


def state_names(states: Sequence[str] | None, number: int) -> tuple[str, ...]:
    """Names of the states of a stochastic game; by default s1, s2, ..."""
    if states is None:
        return tuple(f"s{state + 1}" for state in range(number))
    check_names(states, "states", number, "one name per state")
    return tuple(states)


def check_names(names: Sequence[str], argument: str, number: int, wanted: str) -> None:
    """Check a list of `number` names, none of them twice."""
    require_list(names, argument)
    if len(names) != number:
        raise ValueError(f"{argument} must hold {wanted} ({number}); got {len(names)}")
    check_labels(names, argument)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{argument} must not repeat a name; got {name!r} twice")
        seen.add(name)


def check_labels(labels: Iterable[object], argument: str) -> None:
    """Check that labels are printable text; they may repeat."""
    for k, label in enumerate(labels):
        if not isinstance(label, str):
            raise TypeError(f"{argument}[{k}] must be a string; got {shorten(label)}")
        if not label.strip():
            raise ValueError(f"{argument}[{k}] must not be empty; got {label!r}")
        if not label.isprintable():
            raise ValueError(f"{argument}[{k}] must be printable, on one line; got {label!r}")


def require_list(names: object, argument: str) -> None:
    """Check for a sequence other than a string."""
    # A bare string is a sequence of strings too, but never what is meant here.
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise TypeError(f"{argument} must be a list or tuple of names; got {shorten(names)}")


def _default_names(number: int) -> tuple[str, ...]:
    if number <= len(ascii_lowercase):
        return tuple(ascii_lowercase[:number])
    return tuple(f"a{action + 1}" for action in range(number))
