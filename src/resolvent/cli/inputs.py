"""From what is typed to games, policies and learners. Everything wrong is a `BadInputError` of one line."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli.errors import BadInputError
from resolvent.games import (
    CATALOGUE,
    DIFFERENTIABLE_CATALOGUE,
    DifferentiableGame,
    DynamicGame,
    ExactPolicy,
    IteratedGame,
    NormalForm,
    StochasticGame,
    always,
    exact,
    grim,
    memory_one,
    one_shot,
    read,
    tit_for_tat,
    uniform,
    win_stay_lose_shift,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resolvent.numeric import AbstractLearner, ValueFunction

DEFAULT_DISCOUNT = "24/25"

FACTORIES: Mapping[str, Callable[..., NormalForm | DifferentiableGame]] = {
    **CATALOGUE,
    **DIFFERENTIABLE_CATALOGUE,
}
"""All games that have a name."""


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Let the library check `what`; its errors are about the user's input."""
    try:
        yield
    except (TypeError, ValueError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        raise BadInputError(f"{what}: {message}") from None


# Games ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The game that was asked for, as typed.

    **Attributes:**

    - `game`: a name of the catalogue with options, or a file.
    - `discount`, `memory`, `observe`, `initial`, `implementation_noise`, `observation_noise`: how it is
        iterated, one for all players or one each; None for what the file says, or the default.
    - `settings`: `NAME=VALUE`, numbers for the symbols of the game.
    """

    game: str
    discount: str | None = None
    memory: str | None = None
    observe: str | None = None
    initial: str | None = None
    implementation_noise: str | None = None
    observation_noise: str | None = None
    settings: Sequence[str] = ()

    @property
    def rules(self) -> dict[str, str]:
        """What was said of how it is iterated, by the library's names."""
        names = ("discount", "memory", "observe", "initial", *_NOISE)
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}


_NOISE = ("implementation_noise", "observation_noise")
_PRESETS = ("all", "reactive", "own")
_START = "start"


def any_game(text: str) -> NormalForm | DynamicGame | DifferentiableGame:
    """A game of the catalogue, `name` or `name:option=value,option=value`, or a file; or `one_shot:`
    and a matrix game."""
    name, _, options = text.partition(":")
    key = name.strip().lower().replace("-", "_")
    if key in FACTORIES:
        return _from_catalogue(key, options)
    if key == "one_shot":
        return _one_shot(options)
    path = Path(text)
    if path.suffix in (".toml", ".nfg"):
        try:
            with refused("GAME"):
                return read(path)
        except OSError as error:
            raise BadInputError(f"GAME: {text}: {error.strerror or error}") from None
    hint = _suggestion(key, FACTORIES, "`resolvent games` lists them; a file ends in .toml or .nfg")
    raise BadInputError(f"GAME: no game is called {name!r}; {hint}")


def catalogue_options(name: str) -> dict[str, inspect.Parameter]:
    """The options of a game of the catalogue that can be typed."""
    parameters = inspect.signature(FACTORIES[name], eval_str=True).parameters
    return {
        key: own
        for key, own in parameters.items()
        if own.default is not None and not isinstance(own.default, tuple)
    }


def _one_shot(text: str) -> DifferentiableGame:
    game = any_game(text)
    stage = game.stage if isinstance(game, IteratedGame) else game
    if not isinstance(stage, NormalForm):
        raise BadInputError(
            f"GAME: one_shot needs a matrix game, such as one_shot:chicken; got {text!r}"
        )
    with refused("GAME: one_shot"):
        return one_shot(stage)


def _from_catalogue(name: str, options: str) -> NormalForm | DifferentiableGame:
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
    with refused(f"GAME: {name}"):
        return FACTORIES[name](**given)


def playable(asked: Asked) -> DynamicGame | DifferentiableGame:
    """The game to play: a differentiable one as it is, others as `dynamic_game` has them."""
    game = any_game(asked.game)
    if not isinstance(game, DifferentiableGame):
        return dynamic_game(asked)
    if asked.rules:
        raise BadInputError(
            f"{_option(next(iter(asked.rules)))}: {asked.game} is a differentiable game: it is played "
            "once, and has neither discount nor states"
        )
    if not asked.settings:
        return game
    with refused("--set"):
        return game.substitute(settings(asked))


def refuse_for_parameters(asked: Asked, options: Mapping[str, object]) -> None:
    """Refuse options (by name, those given) that a differentiable game has no use for."""
    for option, given in options.items():
        if given is not None and given is not False:
            raise BadInputError(
                f"{option}: {asked.game} is a differentiable game: it has parameters, and no policies "
                "or states"
            )


def dynamic_game(asked: Asked) -> DynamicGame:
    """The game to play round after round.

    A game of the catalogue is iterated with discount 24/25 and a memory of one round unless it is said
    otherwise; of a file, what is typed overrides what it says. A stochastic game is taken as it is.
    """
    game, rules = any_game(asked.game), asked.rules
    if isinstance(game, DifferentiableGame):
        raise BadInputError(
            f"GAME: {asked.game} is a differentiable game, which is played once; expected a matrix game, "
            "an iterated or a stochastic one"
        )
    if isinstance(game, StochasticGame):
        if rules:
            raise BadInputError(
                f"{_option(next(iter(rules)))}: {asked.game} is a stochastic game: discount, states, "
                "observations and noise are what the file says"
            )
        result: DynamicGame = game
    else:
        if isinstance(game, NormalForm) and "discount" not in rules:
            if Path(asked.game).suffix in (".toml", ".nfg"):
                raise BadInputError(
                    f"--discount: {asked.game} is a one-shot game; say how it is iterated, such as "
                    "--discount 24/25"
                )
            rules["discount"] = DEFAULT_DISCOUNT
        result = _iterated(game, rules)
    if not asked.settings:
        return result
    with refused("--set"):
        return result.substitute(settings(asked))


def _iterated(game: NormalForm | IteratedGame, rules: Mapping[str, str]) -> IteratedGame:
    typed: dict[str, Any] = {}
    if "discount" in rules:
        typed["discount"] = _each(rules["discount"], _number_or_symbol)
    if "memory" in rules:
        typed["memory"] = _each(rules["memory"], lambda text: integer(text, "--memory"))
    if "observe" in rules:
        typed["observe"] = _each(rules["observe"], _preset)
    if "initial" in rules:
        typed["initial"] = _beginning(rules["initial"])
    for name in _NOISE:
        if name in rules:
            typed[name] = _each(rules[name], _number_or_symbol)
    kept: dict[str, Any] = {}
    stage = game
    if isinstance(game, IteratedGame):
        stage, kept = game.stage, _kept(game, typed)
    assert isinstance(stage, NormalForm)
    try:
        return stage.iterated(**(kept | typed))
    except (TypeError, ValueError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        # The library's messages begin with the name of the argument that is wrong.
        argument = re.split(r"\W", message, maxsplit=1)[0]
        where = _option(argument) if argument in rules else "GAME"
        raise BadInputError(f"{where}: {message}") from None


def _kept(game: IteratedGame, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says and nothing that was typed overrides. What it says of states, only where there
    are the same states still (or all but the start and other beginnings)."""
    kept: dict[str, Any] = {
        "discount": game.discounts,
        "memory": game.memories,
        "initial": game.initial,
        "implementation_noise": game.trembles,
        "observation_noise": game.misreadings,
    }
    memory = typed.get("memory", game.memories)
    longest = max(memory) if isinstance(memory, list) else memory
    moved = "memory" in typed and longest != game.memory
    if moved and game.initial is not None and "initial" not in typed:
        raise BadInputError(
            "--memory: the file says in which of its states play begins; with another memory, add --initial"
        )
    if "observe" in typed or all(own is None for own in game.labels):
        return kept
    begins = game.initial is not None and typed.get("initial", game.initial) is None
    if moved or begins:
        raise BadInputError(
            f"{'--memory' if moved else '--initial'}: the file says what players observe in its states; "
            "with other states, add --observe"
        )
    # Without a start there are fewer states, of the same names.
    dropped = game.initial is None and typed.get("initial") is not None
    first = sum(len(history) < game.memory for history in game.histories) if dropped else 0
    kept["observe"] = ["all" if own is None else own[first:] for own in game.labels]
    return kept


def _each(text: str, read: Callable[[str], Any]) -> Any:
    """One value, or a list of those that commas separate."""
    values = [read(part.strip()) for part in text.split(",")]
    return values[0] if len(values) == 1 else values


def _preset(text: str) -> str:
    if text not in _PRESETS:
        raise BadInputError(
            f"--observe: expected {', '.join(_PRESETS)}, for all players or one each; got {text!r}"
        )
    return text


def _beginning(text: str) -> object:
    if text == _START:
        return None
    return text if text == "uniform" else {text: 1}


def _option(argument: str) -> str:
    """What an argument of the library is called on the command line."""
    return "--" + argument.replace("_", "-")


def _number_or_symbol(text: str) -> object:
    if text.isidentifier() and text.lower() not in ("nan", "inf", "infinity"):
        import sympy

        return sympy.Symbol(text)
    return text


def settings(asked: Asked) -> dict[str, str]:
    """Numbers for the symbols of the game, by name."""
    return dict(_setting(entry) for entry in asked.settings)


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = (piece.strip() for piece in text.partition("="))
    if not separator or not name or not value:
        raise BadInputError(f"--set: expected NAME=VALUE, such as --set b=3; got {text!r}")
    return name, value


def require_numbers(game: NormalForm | DynamicGame | DifferentiableGame, what: str) -> None:
    """Refuse a game with symbols left."""
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise BadInputError(
            f"GAME: {what} needs numbers in place of {names}; give them by --set NAME=VALUE"
        )


# Policies ------------------------------------------------------------------------------------


def _mixed(game: DynamicGame, player: int, *chances: str) -> ExactPolicy:
    """The same chances of the actions whatever is observed."""
    row = tuple(number(chance, "mixed") for chance in chances)
    if min(row) < 0 or sum(row) != 1:
        raise ValueError(f"expected probabilities that sum to one, got {', '.join(map(str, row))}")
    return (row,) * len(game.observations[player])


_POLICIES: Mapping[str, Callable[..., ExactPolicy]] = {
    "uniform": uniform,
    "coin": uniform,
    "always": always,
    "tit_for_tat": tit_for_tat,
    "win_stay_lose_shift": win_stay_lose_shift,
    "grim": grim,
    "memory_one": memory_one,
    "mixed": _mixed,
}
_FIELDS = {"always": ("ACTION",), "memory_one": ("START", "CC", "CD", "DC", "DD")}


def joint_policy(
    text: str, game: DynamicGame, option: str = "--policies"
) -> tuple[ExactPolicy, ...]:
    """`name` for all players or `name,name` for each: `tit_for_tat,always:D`."""
    specs = _per_player(text, game.num_players, option)
    return tuple(policy(spec, game, player, option) for player, spec in enumerate(specs))


def policy(spec: str, game: DynamicGame, player: int, option: str) -> ExactPolicy:
    """One player's policy by name: `tit_for_tat`, `always:D`, `memory_one:1:1:0:1:0`."""
    name, *fields = (piece.strip() for piece in spec.split(":"))
    key = name.lower().replace("-", "_")
    if key not in _POLICIES:
        hint = _suggestion(key, _POLICIES, f"known are {', '.join(_POLICIES)}")
        raise BadInputError(f"{option}: no policy is called {name!r}; {hint}")
    wanted = _FIELDS.get(key, ())
    if key == "mixed":
        wanted = game.actions[player]
    if len(fields) != len(wanted):
        form = ":".join((key, *wanted))
        raise BadInputError(f"{option}: expected {form}; got {spec!r}")
    with refused(f"{option}: {spec}"):
        return _POLICIES[key](game, player, *fields)


def parameters(text: str | None, names: Sequence[Sequence[str]]) -> list[list[Fraction]]:
    """`1/2;1/2,3`: the parameters of a differentiable game, exactly, players apart by a semicolon; zeros
    where nothing was typed."""
    if text is None:
        return [[Fraction(0)] * len(own) for own in names]
    players = text.split(";")
    if len(players) != len(names):
        raise BadInputError(
            f"--at: expected numbers for {len(names)} players, apart by semicolons; got {len(players)}"
        )
    point: list[list[Fraction]] = []
    for player, (own, wanted) in enumerate(zip(players, names, strict=True), start=1):
        entries = [
            number(entry, f"--at: player {player}") for entry in own.split(",") if own.strip()
        ]
        if len(entries) != len(wanted):
            raise BadInputError(
                f"--at: player {player} needs {len(wanted)} numbers ({', '.join(wanted)}); "
                f"got {len(entries)}"
            )
        point.append(entries)
    return point


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
                f"({shape[0]} observations x {shape[1]}); got {len(entries)}"
            )
        arrays.append(np.array(entries).reshape(shape))
    return tuple(arrays)


# Learners ------------------------------------------------------------------------------------


def learners(
    text: str,
    rates: Sequence[Fraction],
    lookaheads: Sequence[Fraction | None],
    option: str,
    values: ValueFunction,
) -> tuple[AbstractLearner, ...]:
    """One learner per player from `name` or `name,name`, with `lola:exact` or `loqa:model` for a variant or
    form, and `meva:9/10` for its discount.

    **Arguments:** `rates` and `lookaheads`: one per player; `option`: where the text was typed;
    `values`: what is played, for learners that solve it beforehand. Needs JAX to be set up.
    """
    specs = _per_player(text, len(rates), option)
    return tuple(
        _rule(spec, rate, lookahead, option, values)
        for spec, rate, lookahead in zip(specs, rates, lookaheads, strict=True)
    )


def _rule(
    spec: str, rate: Fraction, lookahead: Fraction | None, option: str, values: ValueFunction
) -> AbstractLearner:
    build = _SOLVED.get(spec.partition(":")[0].strip().lower())
    if build is None:
        return _learner(spec, rate, lookahead, option, alone=values.num_players == 1)
    with refused(f"{option}: {spec}"):
        return build(values, spec, rate, rate if lookahead is None else lookahead)


def _cola(values: ValueFunction, spec: str, rate: Fraction, lookahead: Fraction) -> AbstractLearner:
    from resolvent.numeric import COLA, consistent_quadratic

    if ":" in spec:
        raise ValueError("it has no variants")
    return COLA(float(rate), consistent_quadratic(values, float(lookahead)).analytic)


def _meva(values: ValueFunction, spec: str, rate: Fraction, lookahead: Fraction) -> AbstractLearner:
    from resolvent.numeric import MeVa, quadratic_meta_value

    discount = number(spec.partition(":")[2] or "9/10", "its discount")
    return MeVa(float(rate), quadratic_meta_value(values, float(lookahead), float(discount)))


def _mfos(values: ValueFunction, spec: str, rate: Fraction, lookahead: Fraction) -> AbstractLearner:
    """A meta-policy for each seat, trained in the game that is played."""
    import jax

    from resolvent.numeric import MFOS, Naive, meta_game, train
    from resolvent.numeric.metagame import affine_policy, constant_policy, network_policy

    kind = spec.partition(":")[2].strip() or "affine"
    if kind not in ("constant", "affine", "network"):
        raise ValueError(f"expected mfos:constant, mfos:affine or mfos:network; got {spec!r}")
    policies = []
    for player in range(values.num_players):
        game = meta_game(
            values,
            Naive(float(lookahead)),
            jax.random.key(0),
            100,
            batch=64,
            player=player,
            truncate=10,
        )
        if kind == "network":
            policy = network_policy(values, player, key=jax.random.key(1), width=16)
        else:
            policy = (constant_policy if kind == "constant" else affine_policy)(values, player)
        policies.append(train(game, policy, 300, rate=0.02).policy)
    return MFOS(tuple(policies))


# The first two are exact in quadratic games, and need something solved or trained in others; M-FOS is trained.
_SOLVED: dict[str, Callable[..., AbstractLearner]] = {"cola": _cola, "meva": _meva, "mfos": _mfos}


def _learner(
    spec: str, rate: Fraction, lookahead: Fraction | None, option: str, alone: bool
) -> AbstractLearner:
    from resolvent.numeric.learners import LEARNERS

    name, separator, variant = (piece.strip() for piece in spec.partition(":"))
    # Underscores and dashes are a matter of taste: look_ahead, look-ahead, lookahead.
    by_letters = {key.replace("_", ""): build for key, build in LEARNERS.items()}
    build = by_letters.get(name.lower().replace("-", "").replace("_", ""))
    if build is None:
        known = (*LEARNERS, *_SOLVED)
        hint = _suggestion(name.lower(), known, f"known are {', '.join(known)}")
        raise BadInputError(f"{option}: no learner is called {name!r}; {hint}")
    accepted = inspect.signature(build).parameters
    if alone and "lookahead" in accepted:
        raise BadInputError(
            f"{option}: {name} looks ahead at other players, and there are none; use naive"
        )
    settings: dict[str, Any] = {"rate": float(rate)} if "rate" in accepted else {}
    for name_of_step in ("lookahead", "inner_rate"):
        if lookahead is not None and name_of_step in accepted:
            settings[name_of_step] = float(lookahead)
    if separator:
        kind = next((own for own in ("variant", "form", "reply") if own in accepted), None)
        if kind is None:
            raise BadInputError(f"{option}: {name} has no variants; got {spec!r}")
        settings[kind] = variant
    with refused(f"{option}: {spec}"):
        return build(**settings)


def field_of_learners(
    text: str, rate: str, lookahead: str | None, option: str, values: ValueFunction
) -> dict[str, AbstractLearner]:
    """The learners of a tournament by name, from `name,name` or `all` that can play the game; rates and
    look-aheads are for all of them or one for each. Those typed alike are told apart by their rates."""
    everybody = text.strip().lower() == "all"
    specs = _able(values) if everybody else [part.strip() for part in text.split(",")]
    if not all(specs):
        raise BadInputError(f"{option}: an entry is empty; got {text!r}")
    rates = numbers(rate, len(specs), "--rate", positive=True, of="learners")
    ahead: list[Fraction | None] = [None] * len(specs)
    if lookahead is not None:
        ahead = [*numbers(lookahead, len(specs), "--lookahead", of="learners")]
    field: dict[str, AbstractLearner] = {}
    for spec, own, step in zip(specs, rates, ahead, strict=True):
        name = spec if specs.count(spec) == 1 else f"{spec}, rate {own}"
        if name in field:
            raise BadInputError(f"{option}: expected different learners; got {name} twice")
        field[name] = _rule(spec, own, step, option, values)
    return field


def _able(values: ValueFunction) -> list[str]:
    """The names of all learners that need no training and can play in every seat."""
    from resolvent.numeric.learners import LEARNERS

    able = []
    for name, build in LEARNERS.items():
        needs_rate = "rate" in inspect.signature(build).parameters
        # Any rate will do: it is the game that a rule may refuse.
        rule = build(0.5) if needs_rate else build()
        try:
            for player in range(values.num_players):
                rule.check(values, player)
        except ValueError:
            continue
        able.append(name)
    return able


# Files ---------------------------------------------------------------------------------------


def check_file(path: Path | None, option: str, endings: Sequence[str]) -> None:
    """Refuse a file that cannot be written, before the computation rather than after it."""
    if path is None:
        return
    if path.suffix not in endings:
        raise BadInputError(f"{option}: the name must end in {' or '.join(endings)}; got {path}")
    if not path.absolute().parent.is_dir():
        raise BadInputError(f"{option}: there is no folder {path.parent}")


# Numbers -------------------------------------------------------------------------------------


def numbers(
    text: str, count: int, option: str, positive: bool = False, of: str = "players"
) -> list[Fraction]:
    """Numbers such as 0.04 or 1/25: one for all players (or what `of` names), or one for each."""
    return [number(one, option, positive) for one in _per_player(text, count, option, of)]


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


def _per_player(text: str, count: int, option: str, of: str = "players") -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1:
        parts *= count
    if len(parts) != count:
        raise BadInputError(
            f"{option}: expected one for all or one for each of {count} {of}; got {len(parts)}"
        )
    if not all(parts):
        raise BadInputError(f"{option}: an entry is empty; got {text!r}")
    return parts


def _suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
