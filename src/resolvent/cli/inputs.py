"""From what is typed to games, policies and learners. Everything wrong is a `BadInputError` of one line."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli.errors import BadInputError
from resolvent.games import (
    CATALOGUE,
    ExactPolicy,
    IteratedGame,
    NormalForm,
    always,
    exact,
    grim,
    memory_one,
    read,
    tit_for_tat,
    uniform,
    win_stay_lose_shift,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resolvent.numeric.learners import AbstractLearner

DEFAULT_DISCOUNT = "24/25"


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Let the library check `what`; its errors are about the user's input."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        raise BadInputError(f"{what}: {message}") from None


# Games ---------------------------------------------------------------------------------------


def stage_or_iterated(text: str) -> NormalForm | IteratedGame:
    """A game of the catalogue, `name` or `name:option=value,option=value`, or a file."""
    name, _, options = text.partition(":")
    key = name.strip().lower().replace("-", "_")
    if key in CATALOGUE:
        return _from_catalogue(key, options)
    path = Path(text)
    if path.suffix in (".toml", ".nfg"):
        try:
            with refused("GAME"):
                return read(path)
        except OSError as error:
            raise BadInputError(f"GAME: {text}: {error.strerror or error}") from None
    hint = _suggestion(key, CATALOGUE, "`resolvent games` lists them; a file ends in .toml or .nfg")
    raise BadInputError(f"GAME: no game is called {name!r}; {hint}")


def catalogue_options(name: str) -> dict[str, inspect.Parameter]:
    """The options of a game of the catalogue that can be typed."""
    parameters = inspect.signature(CATALOGUE[name], eval_str=True).parameters
    return {key: own for key, own in parameters.items() if not isinstance(own.default, tuple)}


def _from_catalogue(name: str, options: str) -> NormalForm:
    known = catalogue_options(name)
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in options.split(","))):
        key, separator, value = (piece.strip() for piece in part.partition("="))
        if key not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no options"
            raise BadInputError(f"GAME: {name} {takes}; got {key!r}")
        default = known[key].default
        if isinstance(default, bool):
            if value.lower() not in ("", "true", "false"):
                raise BadInputError(f"GAME: option {key} is true or false; got {value!r}")
            given[key] = value.lower() != "false"
        elif not separator or not value:
            raise BadInputError(f"GAME: option {key} needs a value, as in {name}:{key}={default}")
        elif known[key].annotation is int:
            given[key] = integer(value, f"GAME: option {key}")
        elif known[key].annotation is object:
            given[key] = _number_or_symbol(value)
        else:
            given[key] = value
    factory: Callable[..., NormalForm] = CATALOGUE[name]
    with refused(f"GAME: {name}"):
        return factory(**given)


def iterated_game(
    text: str, discount: str | None, memory: int | None, settings: Sequence[str] = ()
) -> IteratedGame:
    """The game to play round after round.

    **Arguments:**

    - `text`: as for `stage_or_iterated`.
    - `discount`: a number, or a name to keep it a symbol; by default what the file says, or 24/25 for
        a game of the catalogue.
    - `memory`: rounds remembered; by default what the file says, or 1.
    - `settings`: `NAME=VALUE`, numbers for the symbols of the game.
    """
    game = stage_or_iterated(text)
    if isinstance(game, IteratedGame):
        stage, factor, rounds = game.stage, game.discount, game.memory
    else:
        stage, factor, rounds = game, DEFAULT_DISCOUNT, 1
        if discount is None and Path(text).suffix in (".toml", ".nfg"):
            raise BadInputError(
                f"--discount: {text} is a one-shot game; say how it is iterated, such as --discount 24/25"
            )
    if discount is not None:
        factor = _number_or_symbol(discount)
    with refused("--discount" if discount is not None else "GAME"):
        result = stage.iterated(factor, rounds if memory is None else memory)
    if not settings:
        return result
    with refused("--set"):
        return result.substitute(dict(_setting(entry) for entry in settings))


def _number_or_symbol(text: str) -> object:
    if text.isidentifier() and text.lower() not in ("nan", "inf", "infinity"):
        import sympy

        return sympy.Symbol(text)
    return text


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = (piece.strip() for piece in text.partition("="))
    if not separator or not name or not value:
        raise BadInputError(f"--set: expected NAME=VALUE, such as --set b=3; got {text!r}")
    return name, value


def require_numbers(game: IteratedGame, what: str) -> None:
    """Refuse a game with symbols left."""
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise BadInputError(
            f"GAME: {what} needs numbers in place of {names}; give them by --set NAME=VALUE"
        )


# Policies ------------------------------------------------------------------------------------

_POLICIES: Mapping[str, Callable[..., ExactPolicy]] = {
    "uniform": uniform,
    "coin": uniform,
    "always": always,
    "tit_for_tat": tit_for_tat,
    "win_stay_lose_shift": win_stay_lose_shift,
    "grim": grim,
    "memory_one": memory_one,
}
_FIELDS = {"always": ("ACTION",), "memory_one": ("START", "CC", "CD", "DC", "DD")}


def joint_policy(text: str, game: IteratedGame) -> tuple[ExactPolicy, ...]:
    """`name` for all players or `name,name` for each: `tit_for_tat,always:D`."""
    specs = _per_player(text, game.num_players, "--policies")
    return tuple(_policy(spec, game, player) for player, spec in enumerate(specs))


def _policy(spec: str, game: IteratedGame, player: int) -> ExactPolicy:
    name, *fields = (piece.strip() for piece in spec.split(":"))
    key = name.lower().replace("-", "_")
    if key not in _POLICIES:
        hint = _suggestion(key, _POLICIES, f"known are {', '.join(_POLICIES)}")
        raise BadInputError(f"--policies: no policy is called {name!r}; {hint}")
    wanted = _FIELDS.get(key, ())
    if len(fields) != len(wanted):
        form = ":".join((key, *wanted))
        raise BadInputError(f"--policies: expected {form}; got {spec!r}")
    with refused(f"--policies: {spec}"):
        return _POLICIES[key](game, player, *fields)


def logits(text: str, shapes: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.float64], ...]:
    """`0,0,1,0,0;1,0,0,0,0`: the numbers of each player, players apart by a semicolon."""
    import numpy as np

    players = text.split(";")
    if len(players) == 1:
        players *= len(shapes)
    if len(players) != len(shapes):
        raise BadInputError(
            f"--logits: expected numbers for {len(shapes)} players, apart by semicolons; got {len(players)}"
        )
    arrays: list[NDArray[np.float64]] = []
    for player, (own, shape) in enumerate(zip(players, shapes, strict=True), start=1):
        entries = [float(number(entry, f"--logits: player {player}")) for entry in own.split(",")]
        if len(entries) != math.prod(shape):
            raise BadInputError(
                f"--logits: player {player} needs {math.prod(shape)} numbers "
                f"({shape[0]} states x {shape[1]}); got {len(entries)}"
            )
        arrays.append(np.array(entries).reshape(shape))
    return tuple(arrays)


# Learners ------------------------------------------------------------------------------------


def learners(
    text: str,
    rates: Sequence[Fraction],
    lookaheads: Sequence[Fraction | None],
    option: str,
) -> tuple[AbstractLearner, ...]:
    """One learner per player from `name` or `name,name`, with `lola:exact` for a variant.

    **Arguments:** `rates` and `lookaheads`: one per player; `option`: where the text was typed. Needs
    JAX to be set up.
    """
    specs = _per_player(text, len(rates), option)
    return tuple(
        _learner(spec, rate, lookahead, option)
        for spec, rate, lookahead in zip(specs, rates, lookaheads, strict=True)
    )


def _learner(spec: str, rate: Fraction, lookahead: Fraction | None, option: str) -> AbstractLearner:
    from resolvent.numeric.learners import LEARNERS

    name, separator, variant = (piece.strip() for piece in spec.partition(":"))
    # Underscores and dashes are a matter of taste: look_ahead, look-ahead, lookahead.
    by_letters = {key.replace("_", ""): build for key, build in LEARNERS.items()}
    build = by_letters.get(name.lower().replace("-", "").replace("_", ""))
    if build is None:
        hint = _suggestion(name.lower(), LEARNERS, f"known are {', '.join(LEARNERS)}")
        raise BadInputError(f"{option}: no learner is called {name!r}; {hint}")
    accepted = inspect.signature(build).parameters
    settings: dict[str, Any] = {"rate": float(rate)}
    if lookahead is not None and "lookahead" in accepted:
        settings["lookahead"] = float(lookahead)
    if separator:
        if "variant" not in accepted:
            raise BadInputError(f"{option}: {name} has no variants; got {spec!r}")
        settings["variant"] = variant
    with refused(f"{option}: {spec}"):
        return build(**settings)


# Numbers -------------------------------------------------------------------------------------


def numbers(text: str, num_players: int, option: str, positive: bool = False) -> list[Fraction]:
    """Numbers such as 0.04 or 1/25: one for all players, or one for each."""
    return [number(one, option, positive) for one in _per_player(text, num_players, option)]


def number(text: str, what: str, positive: bool = False) -> Fraction:
    """A finite number, exactly."""
    with refused(what):
        value = exact(text.strip(), "the number")
    if not isinstance(value, Fraction):
        raise BadInputError(f"{what}: expected a number; got {text!r}")
    if abs(value) > sys.float_info.max:
        raise BadInputError(f"{what}: the number is too large for a float; got {text}")
    if positive and value <= 0:
        raise BadInputError(f"{what}: expected a number above 0; got {text}")
    return value


def integer(text: str, what: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise BadInputError(f"{what}: expected a whole number; got {text!r}") from None


def _per_player(text: str, num_players: int, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        parts *= num_players
    if len(parts) != num_players:
        raise BadInputError(
            f"{option}: expected one for all or one for each of {num_players} players; got {len(parts)}"
        )
    if not all(parts):
        raise BadInputError(f"{option}: an entry is empty; got {text!r}")
    return parts


def _suggestion(name: str, known: Mapping[str, object], otherwise: str) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
