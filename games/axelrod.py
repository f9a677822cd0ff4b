"""Strategies of the Axelrod library: by name, from its live objects, and back to them.

The library (Knight et al. 2016, Journal of Open Research Software 4, e35) plays matches of the prisoner's dilemma
between Python objects. Those of them that remember one round are policies here, exactly; no object of the library is
needed for the named ones, and it is imported only to make one. Probabilities there are after CC, CD, DC and DD with
the player's own action first; here they are in the absolute view, as everywhere, and the start action is kept.
"""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from importlib import import_module
from typing import Any

from resolvent.games.axelrod_catalogue import (
    ALIASES,
    AXELROD_STRATEGIES,
    OUTCOMES,
    AxelrodStrategy,
    plain,
)
from resolvent.games.iterated import IteratedGame
from resolvent.games.policies import ExactPolicy, check_policies
from resolvent.games.rational import shorten
from resolvent.games.strategies import memory_one, require_two_by_two, uniform

# Floats of the library are read as fractions with denominators up to this, if they are that close.
_DENOMINATOR = 1000
_ROUNDING = Fraction(1, 2**50)


def axelrod_strategy(game: IteratedGame, player: int, name: str) -> ExactPolicy:
    """A memory-one strategy of the Axelrod library (4.14.0), exactly.

    **Arguments:**

    - `game`, `player`: as in [`resolvent.games.memory_one`][]. What the class takes from the payoffs of the match
        (generous tit for tat, the zero-determinant strategies) is taken from those of the game, which must then be
        the same for both players.
    - `name`: of the class (`"ZDExtort2"`), as the library writes it (`"ZD-Extort-2"`), or as Stewart and Plotkin do
        (`"EXTORT-2"`); capitals, spaces and signs are not looked at. `AXELROD_STRATEGIES` has them all.

    **Returns:** the policy. The first action of a player is its cooperation.

    **Raises:** `ValueError` for an unknown name, with the nearest known ones; for payoffs for which the strategy is
    none (a probability outside [0, 1]); and for the two classes that remember more than the last round, where that
    shows: `Grudger` and `CyclerDC` in games with noise, or that begin with something remembered.
    """
    require_two_by_two(game, player)
    entry = axelrod_entry(name)
    if entry.only_without_noise:
        _require_no_noise(game, entry.name)
    vector = entry.vector(*_payoffs(game, entry.name)) if entry.needs_payoffs else entry.vector()
    for outcome, chance in zip(OUTCOMES, vector, strict=True):
        if not 0 <= chance <= 1:
            raise ValueError(
                f"game must have payoffs for which {entry.name} is a strategy; it would cooperate after {outcome} "
                f"with probability {chance}"
            )
    return memory_one(game, player, entry.start, *vector)


def axelrod_entry(name: str) -> AxelrodStrategy:
    """The entry of a strategy in the catalogue, by any of its names, as in
    [`resolvent.games.axelrod_strategy`][]."""
    if not isinstance(name, str):
        raise TypeError(f"name must be the name of a strategy; got {shorten(name)}")
    found = ALIASES.get(plain(name))
    if found is None:
        near = [ALIASES[key] for key in get_close_matches(plain(name), ALIASES, n=3)]
        hint = f"the nearest are {', '.join(dict.fromkeys(near))}" if near else "none is near"
        raise ValueError(
            f"name must be of a memory-one strategy of the Axelrod library; got {name!r} ({hint})"
        )
    return AXELROD_STRATEGIES[found]


def from_axelrod(strategy: Any, game: IteratedGame, player: int) -> ExactPolicy:
    """The policy of a live player of the Axelrod library.

    What a player does is what the class says in which its `strategy` is written: all that inherit it from
    `MemoryOnePlayer` are read by their vectors, `Random`, `NaiveProber`, `Cycler`, `LookerUp` and `Gambler` by their
    parameters, the others of the catalogue by their classes. Whatever else is refused, as nothing says that it
    remembers one round: a class's own claim does not (`RandomTitForTat` says 1 and counts rounds).

    **Arguments:**

    - `strategy`: the object. The library is not imported, and the object not changed.
    - `game`, `player`: as in [`resolvent.games.memory_one`][]. The game's payoffs play no part: a zero-determinant
        player has its probabilities from the match that it was last in, or from the library's payoffs.

    **Returns:** the policy. Floats are read as the fraction with a denominator of at most 1000 that is within 2^-50
    (the library's 0.8888888888888888 is 8/9), otherwise at their shortest decimal form.

    **Raises:** `ValueError` for a player that is not known to be memory-one; `TypeError` for what is no player.
    """
    require_two_by_two(game, player)
    writer = _writer(strategy)
    parameters = _parameters(strategy, writer)
    if parameters is None:
        depth = getattr(strategy, "classifier", {}).get("memory_depth")
        raise ValueError(
            "strategy must be a player of the Axelrod library that is known to remember one round; got "
            f"{type(strategy).__name__}, whose moves are written in {writer or 'a transformer'} "
            f"(memory_depth {depth} by its own account)"
        )
    if writer in ("Grudger", "Cycler"):
        _require_no_noise(game, type(strategy).__name__)
    start, *vector = (_read(number) for number in parameters)
    return memory_one(game, player, start, *vector)


def to_axelrod(game: IteratedGame, policy: Any, player: int) -> Any:
    """A player of the Axelrod library that plays a policy.

    **Arguments:**

    - `game`: of two players with two actions each and a memory of one round, that begins in `start`.
    - `policy`: of `player`, as [`resolvent.games.check_policies`][] reads it; its numbers become floats.
    - `player`: whose policy it is, 0 or 1.

    **Returns:** a `MemoryOnePlayer`. Where the policy begins at random it is of a subclass that does, which can be
    cloned but not sent to other processes.

    **Raises:** `ImportError` without the library; `ValueError` for a policy that is not memory-one.
    """
    require_two_by_two(game, player)
    if game.memory != 1 or game.initial is not None:
        raise ValueError("game must have a memory of one round and begin in start")
    policies = [uniform(game, seat) for seat in range(2)]
    policies[player] = policy
    rows = dict(zip(game.observations[player], check_policies(game, policies)[player], strict=True))
    chance = {}
    for history, label in zip(game.histories, game.seen_as[player], strict=True):
        seen = "".join("CD"[history[-1][k]] for k in (player, 1 - player)) if history else "start"
        chance[seen] = float(rows[label][0])
    vector = tuple(chance[outcome] for outcome in OUTCOMES)
    try:
        library = import_module("axelrod")
    except ImportError as error:
        raise ImportError("to_axelrod needs the Axelrod library: pip install axelrod") from error
    start = chance["start"]
    if start in (0, 1):
        return library.MemoryOnePlayer(vector, library.Action.C if start else library.Action.D)
    return _random_start(library)(vector, start)


def _random_start(library: Any) -> Any:
    """The class of memory-one players that draw their first action."""

    class MemoryOneFromStart(library.MemoryOnePlayer):
        name = "Memory One from a random start"

        def __init__(self, four_vector: tuple[float, ...], start: float) -> None:
            super().__init__(four_vector)
            self.start = start

        def _post_init(self) -> None:
            super()._post_init()
            self.classifier["stochastic"] = True  # the library seeds only who says so

        def strategy(self, opponent: Any) -> Any:
            if not self.history:
                return self._random.random_choice(self.start)
            return super().strategy(opponent)

    return MemoryOneFromStart


def _writer(strategy: Any) -> str | None:
    """The class in which the moves of a player are written; None if no class of the library has written them."""
    kind = type(strategy)
    if not hasattr(kind, "strategy") or not hasattr(strategy, "history"):
        raise TypeError(
            f"strategy must be a player of the Axelrod library; got {shorten(strategy)}"
        )
    owner = next(each for each in kind.__mro__ if "strategy" in vars(each))
    moves = getattr(vars(owner)["strategy"], "__func__", vars(owner)["strategy"])
    if owner.__name__ == "MemoryOneFromStart" and owner.__module__ == __name__:
        return owner.__name__
    # A transformer's class may have the name of the class that it transforms; its function does not.
    original = moves.__qualname__ == f"{owner.__name__}.strategy"
    # Random replaces its own where it plays one action only.
    replaced = "strategy" in vars(strategy) and owner.__name__ != "Random"
    if not original or replaced or owner.__module__.partition(".")[0] != "axelrod":
        return None
    return owner.__name__


def _parameters(strategy: Any, writer: str | None) -> list[Any] | None:
    """Start, then after CC, CD, DC and DD; None if this is not known."""
    match writer:
        case None:
            return None
        case "MemoryOnePlayer" | "MemoryOneFromStart":
            vector = {own.name + other.name: p for (own, other), p in strategy._four_vector.items()}
            drawn = writer == "MemoryOneFromStart"
            start = strategy.start if drawn else strategy._initial.name == "C"
            return [start, *(vector[outcome] for outcome in OUTCOMES)]
        case "Random":
            return [strategy.p] * 5
        case "NaiveProber":
            return [1, 1 - strategy.p, 0, 1 - strategy.p, 0]
        case "Cycler":
            known = {
                "C": (1, 1, 1, 1, 1),
                "D": (0,) * 5,
                "CD": (1, 0, 0, 1, 1),
                "DC": (0, 0, 0, 1, 1),
            }
            return list(known[strategy.cycle]) if strategy.cycle in known else None
        case "LookerUp" | "Gambler":
            return _looked_up(strategy)
    entry = AXELROD_STRATEGIES.get(writer)
    if entry is None or entry.needs_payoffs:
        return None
    return [entry.start, *entry.vector()]


def _looked_up(strategy: Any) -> list[Any] | None:
    """From a table of probabilities (or actions) by the last actions, if it asks for no earlier ones."""
    table = {
        tuple("".join(action.name for action in each) for each in key): value
        for key, value in strategy.lookup_dict.items()
    }
    depths = {tuple(map(len, key)) for key in table}
    own, other, openings = depths.pop()
    if depths or max(own, other) != 1 or openings:
        return None
    found = [table[outcome[:own], outcome[1 : 1 + other], ""] for outcome in OUTCOMES]
    return [getattr(value, "name", value) for value in (*strategy.initial_actions, *found)]


def _read(number: Any) -> Fraction:
    if number in ("C", "D"):
        return Fraction(number == "C")
    if isinstance(number, (bool, int, Fraction)):
        return Fraction(number)
    value = Fraction(float(number))
    near = value.limit_denominator(_DENOMINATOR)
    if abs(near - value) <= _ROUNDING:
        return near
    return Fraction(repr(float(number)))


def _require_no_noise(game: IteratedGame, name: str) -> None:
    noise = [*game.trembles, *game.misreadings]
    if game.initial is not None or any(each is not None for each in noise):
        raise ValueError(
            f"game must begin in start and have no noise for {name}: it remembers more than the last round, and only "
            "then comes to a memory-one strategy"
        )


def _payoffs(game: IteratedGame, name: str) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """R, P, S and T of a game that is the same for both players."""
    first, second = game.stage.payoffs
    if any(first[a][b] != second[b][a] for a in range(2) for b in range(2)):
        raise ValueError(f"game must have the same payoffs for both players for {name}")
    given = (first[0][0], first[1][1], first[0][1], first[1][0])
    numbers = [value for value in given if isinstance(value, Fraction)]
    if len(numbers) < len(given):
        raise ValueError(f"game must have numbers as payoffs for {name}; substitute its symbols")
    r, p, s, t = numbers
    if r == s or t == p:
        raise ValueError(
            f"game must have R different from S and T from P for {name}; got {r, p, s, t}"
        )
    return r, p, s, t
