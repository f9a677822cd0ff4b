"""Named strategies, as exact policies for one player of an iterated game.

Each returns nested tuples of `Fraction`s, one row per observation of the player (per state, in the
absolute view, if it observes the states) and one column per action. The first action of a player is
its cooperation. What was played before the last round plays no part, whatever the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from resolvent.games.iterated import IteratedGame
from resolvent.games.policies import DynamicGame, ExactPolicy, require_player
from resolvent.games.rational import exact, shorten


def memory_one(
    game: IteratedGame,
    player: int,
    start: object,
    cc: object,
    cd: object,
    dc: object,
    dd: object,
) -> ExactPolicy:
    """The strategy that cooperates with given probabilities, by what both did in the last round.

    **Arguments:**

    - `game`: a game of two players with two actions each, of memory at least one, in which the
        player observes what the strategy depends on.
    - `player`: whose policy it is, 0 or 1.
    - `start`: the probability of cooperating in the first round.
    - `cc`, `cd`, `dc`, `dd`: the probability of cooperating after each outcome, **the player's own
        action first**: `cd` is after it cooperated and the other defected. This is the order of
        Press and Dyson, PNAS 2012, for either player.

    **Returns:**

    A tuple of rows (probability of the first action, of the second), one per observation in the
    order of `game.observations[player]`: for a player who sees the states, the absolute view.

    Raises `ValueError` if the player cannot see what the strategy depends on: with reactive
    observation `tit_for_tat` can be played and `grim` cannot.
    """
    require_two_by_two(game, player)
    given = {"start": start, "cc": cc, "cd": cd, "dc": dc, "dd": dd}
    numbers = {name: _probability(value, name) for name, value in given.items()}
    after = {(0, 0): "cc", (0, 1): "cd", (1, 0): "dc", (1, 1): "dd"}
    outcomes: dict[str, str] = {}
    for history, label in zip(game.histories, game.seen_as[player], strict=True):
        outcome = "start"
        if history:
            own, other = history[-1][player], history[-1][1 - player]
            outcome = after[own, other]
        first = outcomes.setdefault(label, outcome)
        if numbers[first] != numbers[outcome]:
            raise ValueError(
                f"player {player} must tell {first} from {outcome} to play so, its own action first; it observes "
                f"{label} in both"
            )
    chances = (numbers[outcomes[label]] for label in game.observations[player])
    return tuple((chance, 1 - chance) for chance in chances)


def tit_for_tat(game: IteratedGame, player: int) -> ExactPolicy:
    """Cooperate first, then do what the other did. Rapoport's entry in Axelrod's tournaments
    (Axelrod, 1984).

    **Arguments:** `game` and `player` as in [`resolvent.games.memory_one`][].
    """
    return memory_one(game, player, start=1, cc=1, cd=0, dc=1, dd=0)


def win_stay_lose_shift(game: IteratedGame, player: int) -> ExactPolicy:
    """Cooperate first and after CC and DD, when both did the same. Also called Pavlov (Nowak and
    Sigmund, 1993).

    **Arguments:** `game` and `player` as in [`resolvent.games.memory_one`][].
    """
    return memory_one(game, player, start=1, cc=1, cd=0, dc=0, dd=1)


def grim(game: IteratedGame, player: int) -> ExactPolicy:
    """Cooperate until anyone defects, then defect for ever. Also called grim trigger (Friedman,
    1971).

    **Arguments:** `game` and `player` as in [`resolvent.games.memory_one`][].
    """
    return memory_one(game, player, start=1, cc=1, cd=0, dc=0, dd=0)


def always(game: DynamicGame, player: int, action: int | str) -> ExactPolicy:
    """Play one action for ever.

    **Arguments:**

    - `game`: any iterated or stochastic game.
    - `player`: whose policy it is, from 0.
    - `action`: the action, by index or by name.
    """
    names = game.actions[require_player(game, player)]
    if isinstance(action, str):
        if action not in names:
            raise ValueError(f"action must be one of {', '.join(names)}; got {action!r}")
        action = names.index(action)
    if not 0 <= action < len(names):
        raise ValueError(f"action must be an index from 0 to {len(names) - 1}; got {action}")
    return _every_row(game, player, lambda k: Fraction(k == action))


def uniform(game: DynamicGame, player: int) -> ExactPolicy:
    """Play every action with the same probability.

    **Arguments:**

    - `game`: any iterated or stochastic game.
    - `player`: whose policy it is, from 0.
    """
    number = game.num_actions[require_player(game, player)]
    return _every_row(game, player, lambda _: Fraction(1, number))


def _every_row(
    game: DynamicGame, player: int, probability: Callable[[int], Fraction]
) -> ExactPolicy:
    row = tuple(probability(action) for action in range(game.num_actions[player]))
    return (row,) * game.policy_shapes[player][0]


def require_two_by_two(game: IteratedGame, player: int) -> None:
    """Check that a game has two players with two actions each who remember something, and the index of one."""
    if not isinstance(game, IteratedGame):
        raise TypeError(f"game must be an IteratedGame; got {shorten(game)}")
    if game.num_actions != (2, 2):
        raise ValueError(
            "game must have two players with two actions each; "
            f"got {game.num_players} players with {', '.join(map(str, game.num_actions))}"
        )
    if game.memory < 1:
        raise ValueError("game must have a memory of at least one round; got 0")
    require_player(game, player)


def _probability(value: object, name: str) -> Fraction:
    number = exact(value, name)
    if not isinstance(number, Fraction) or not 0 <= number <= 1:
        raise ValueError(f"{name} must be a probability in [0, 1]; got {number}")
    return number
