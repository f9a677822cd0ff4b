"""Games in files: TOML, which holds everything a game can be, and Gambit's .nfg, which others read.

`docs/games.md` documents the TOML format in full.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from resolvent.games import gambit
from resolvent.games.differentiable import DifferentiableGame
from resolvent.games.expressions import (
    format_expression,
    format_smooth,
    is_symbol_name,
    parse_expression,
    parse_symbols,
    smooth,
)
from resolvent.games.iterated import IteratedGame
from resolvent.games.normal_form import NormalForm
from resolvent.games.policies import DynamicGame
from resolvent.games.rational import Exact, ExactNest, entries, shorten
from resolvent.games.stochastic import (
    StochasticGame,
    described_observations,
    nested_branches,
    nested_rewards,
)

Game: TypeAlias = NormalForm | DynamicGame | DifferentiableGame

_KEYS = (
    "name",
    "players",
    "actions",
    "parameters",
    "symbols",
    "payoffs",
    "losses",
    "iterated",
    "stochastic",
)
_DIFFERENTIABLE_KEYS = ("name", "players", "parameters", "symbols", "payoffs", "losses")
_ITERATED_KEYS = (
    "discount",
    "memory",
    "observe",
    "initial",
    "implementation_noise",
    "observation_noise",
)
_STOCHASTIC_KEYS = ("discount", "states", "initial", "transitions", "observe")

# TOML readers need not keep integers beyond 64 bits; larger ones are written as text.
_LARGEST_INTEGER = 2**63 - 1


def read(path: str | Path) -> Game:
    """Read a game from a file.

    **Arguments:**

    - `path`: a file whose name ends in `.toml` (the format of the games guide) or `.nfg` (Gambit's
        strategic form, in the payoff or the outcome format).

    **Returns:**

    An [`resolvent.games.IteratedGame`][] or a [`resolvent.games.StochasticGame`][] if the file says
    how the game goes on, a [`resolvent.games.DifferentiableGame`][] if it has parameters, otherwise a
    [`resolvent.games.NormalForm`][].

    Raises `ValueError`, naming the file and the field, for anything that is not such a game.
    """
    path = Path(path)
    parse: Callable[[str], Game] | None = {".toml": _from_toml, ".nfg": gambit.parse}.get(
        path.suffix
    )
    if parse is None:
        raise ValueError(f"{path}: the name must end in .toml or .nfg; got {path.suffix!r}")
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def write(game: Game, path: str | Path) -> None:
    """Write a game to a file, exactly: reading it gives an equal game, up to how symbols are arranged.

    **Arguments:**

    - `game`: what to write.
    - `path`: a file whose name ends in `.toml` or `.nfg`; an existing file is replaced. A `.nfg`
        file holds matrix games of numbers only, no discount, no states and no parameters.

    SymPy's assumptions about symbols are not kept: a symbol is read back as `sympy.Symbol(name)`.
    Raises `ValueError` if the format cannot hold the game.
    """
    path = Path(path)
    _require_game(game)
    unparse: Callable[[Any], str] | None = {".toml": _to_toml, ".nfg": _to_nfg}.get(path.suffix)
    if unparse is None:
        raise ValueError(f"{path}: the name must end in .toml or .nfg; got {path.suffix!r}")
    try:
        text = unparse(game)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    path.write_text(text, encoding="utf-8")


def to_text(game: Game) -> str:
    """A game as text: what [`resolvent.games.write`][] puts into a `.toml` file.

    **Arguments:**

    - `game`: what to write. Raises `ValueError` for symbols whose names the format cannot hold.
    """
    _require_game(game)
    return _to_toml(game)


def from_text(text: str) -> Game:
    """The game that [`resolvent.games.to_text`][] wrote. Nothing in the text is run as code.

    **Arguments:**

    - `text`: a game in the TOML format of the games guide.

    Raises `ValueError`, naming the field, for anything that is not such a game.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string; got {shorten(text)}")
    try:
        return _from_toml(text)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _require_game(game: object) -> None:
    if not isinstance(game, (NormalForm, IteratedGame, StochasticGame, DifferentiableGame)):
        raise TypeError(
            "game must be a NormalForm, an IteratedGame, a StochasticGame or a DifferentiableGame; "
            f"got {shorten(game)}"
        )


def _from_toml(text: str) -> Game:
    # Decimals, not floats, so that every digit in the file counts.
    table = tomllib.loads(text, parse_float=Decimal)
    _require_keys(table, _KEYS, "the file")
    symbols = parse_symbols(table.get("symbols", []))
    if ("payoffs" in table) == ("losses" in table):
        raise ValueError('the file must have either "payoffs" or "losses"')
    stated_as = "losses" if "losses" in table else "payoffs"
    if "parameters" in table:
        return _read_differentiable(table, stated_as, symbols)
    numbers = _expressions(table[stated_as], symbols, stated_as)
    if "stochastic" in table:
        return _read_stochastic(table, numbers, symbols)
    build = NormalForm.from_losses if stated_as == "losses" else NormalForm
    stage = build(numbers, table.get("actions"), table.get("players"), table.get("name"))
    return _read_iterated(table["iterated"], stage, symbols) if "iterated" in table else stage


def _read_differentiable(
    table: Mapping[str, Any], stated_as: str, symbols: Mapping[str, Any]
) -> DifferentiableGame:
    _require_keys(table, _DIFFERENTIABLE_KEYS, "a file with parameters")
    names = table["parameters"]
    stated = {stated_as: table[stated_as]}
    if not isinstance(stated[stated_as], list):
        raise ValueError(f"{stated_as} must be an array with one expression per player")
    # Without expressions first: the names are in order, and known when the expressions are read.
    blank = DifferentiableGame([0] * len(stated[stated_as]), names)
    known = {name: name for own in blank.parameters for name in own}
    for name in symbols:
        if name in known:
            raise ValueError(f"symbols must not be parameters too; got {name!r}")
    known |= {name: name for name in symbols}
    stated[stated_as] = [
        smooth(own, f"{stated_as}[{k}]", known) for k, own in enumerate(stated[stated_as])
    ]
    return DifferentiableGame(
        **stated, parameters=names, players=table.get("players"), name=table.get("name")
    )


def _read_iterated(settings: object, stage: NormalForm, symbols: Mapping[str, Any]) -> IteratedGame:
    table = _section(settings, "iterated", _ITERATED_KEYS)

    def number(key: str) -> Any:
        return _expressions(table.get(key), symbols, f"iterated.{key}")

    return stage.iterated(
        number("discount"),
        table.get("memory", 1),
        table.get("observe"),
        initial=_initial(table, symbols, "iterated"),
        implementation_noise=number("implementation_noise"),
        observation_noise=number("observation_noise"),
    )


def _read_stochastic(
    file: Mapping[str, Any], payoffs: Any, symbols: Mapping[str, Any]
) -> StochasticGame:
    if "iterated" in file or "losses" in file:
        raise ValueError('a stochastic game has "payoffs", and neither "losses" nor "iterated"')
    table = _section(file["stochastic"], "stochastic", _STOCHASTIC_KEYS)
    if "transitions" not in table:
        raise ValueError("stochastic must have transitions")
    transitions = table["transitions"]
    cell = transitions
    for _ in range(1 + len(entries(payoffs) or ())):
        cell = cell[0] if isinstance(cell, list) and cell else None
    observe = table.get("observe")
    if isinstance(observe, list):
        observe = [
            _read_readings(own, symbols, f"stochastic.observe[{i}]")
            for i, own in enumerate(observe)
        ]
    named: dict[str, Any] = {
        "states": table.get("states"),
        "actions": file.get("actions"),
        "players": file.get("players"),
        "observe": observe,
        "name": file.get("name"),
    }
    discount = _expressions(table["discount"], symbols, "stochastic.discount")
    initial = _initial(table, symbols, "stochastic")
    if isinstance(cell, list):  # probabilities of all states, not only of those that can follow
        full = _expressions(transitions, symbols, "stochastic.transitions")
        return StochasticGame(payoffs, full, discount, initial, **named)
    branches = _chances(transitions, symbols, "stochastic.transitions")
    return StochasticGame.from_branches(payoffs, branches, discount, initial, **named)


def _read_readings(value: Any, symbols: Mapping[str, Any], field: str) -> Any:
    """What one player observes: a table of labels and rows becomes a pair."""
    if not isinstance(value, Mapping):
        return value
    _require_keys(value, ("labels", "rows"), field)
    if "labels" not in value or "rows" not in value:
        raise ValueError(f"{field} must have labels and rows")
    rows = value["rows"]
    if not isinstance(rows, list) or not isinstance(value["labels"], list):
        raise ValueError(f"{field} must have arrays of labels and rows")
    return value["labels"], [
        _expressions(row, symbols, f"{field}.rows[{k}]")
        if isinstance(row, list)
        else _chances(row, symbols, f"{field}.rows[{k}]")
        for k, row in enumerate(rows)
    ]


def _section(settings: object, name: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(settings, Mapping):
        raise ValueError(f"{name} must be a table; got {shorten(settings)}")
    _require_keys(settings, keys, name)
    if "discount" not in settings:
        raise ValueError(f"{name} must have a discount")
    return settings


def _initial(table: Mapping[str, Any], symbols: Mapping[str, Any], section: str) -> Any:
    initial = table.get("initial")
    if isinstance(initial, str):  # "uniform": a word, not an expression
        return initial
    if isinstance(initial, Mapping):
        return _chances(initial, symbols, f"{section}.initial")
    return _expressions(initial, symbols, f"{section}.initial")


def _chances(value: Any, symbols: Mapping[str, Any], field: str) -> Any:
    """Probabilities in tables become exact, at any depth; names stay text."""
    if isinstance(value, list):
        return [_chances(entry, symbols, f"{field}[{k}]") for k, entry in enumerate(value)]
    if isinstance(value, Mapping):
        return {key: _expressions(p, symbols, f"{field}[{key!r}]") for key, p in value.items()}
    return value


def _require_keys(table: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where} may have the keys {', '.join(known)}; got {key!r}")


def _expressions(value: Any, symbols: Mapping[str, Any], field: str) -> Any:
    """Text becomes exact numbers or expressions, at any depth; numbers are left for the game to
    check."""
    if isinstance(value, list):
        return [_expressions(entry, symbols, f"{field}[{k}]") for k, entry in enumerate(value)]
    if isinstance(value, str):
        return parse_expression(value, symbols, field)
    return value


def _to_toml(game: Game) -> str:
    lines: list[str] = []
    if game.name is not None:
        lines.append(f"name = {_text(game.name)}")
    lines.append(f"players = {_names(game.players)}")
    if isinstance(game, DifferentiableGame):
        return "\n".join(lines + _differentiable_lines(game)) + "\n"
    lines.append(f"actions = {_value(game.actions)}")
    if game.symbols:
        lines.append(f"symbols = {_names([symbol.name for symbol in game.symbols])}")
    stated_as = "payoffs"
    if isinstance(game, StochasticGame):
        payoffs: Any = nested_rewards(game)
    else:
        stage = game.stage if isinstance(game, IteratedGame) else game
        stated_as = stage.stated_as
        payoffs = _negated(stage.payoffs) if stated_as == "losses" else stage.payoffs
    lines += _block(stated_as, payoffs)
    if isinstance(game, IteratedGame):
        lines += ["", "[iterated]", *_iterated_lines(game)]
    if isinstance(game, StochasticGame):
        lines += ["", "[stochastic]", *_stochastic_lines(game)]
    return "\n".join(lines) + "\n"


def _differentiable_lines(game: DifferentiableGame) -> list[str]:
    if game.stated is None:
        raise ValueError(
            "a game given by a JAX function cannot be written to a file; state it by expressions"
        )
    lines = [f"parameters = {_value(game.parameters)}"]
    for symbol in game.symbols:
        if not is_symbol_name(symbol.name):
            raise ValueError(
                "symbols must be named by letters, digits and underscores to be written to a file; "
                f"got {symbol.name!r}"
            )
    if game.symbols:
        lines.append(f"symbols = {_names([symbol.name for symbol in game.symbols])}")
    return lines + _block(game.stated_as, [format_smooth(own) for own in game.stated])


def _to_nfg(game: Game) -> str:
    if isinstance(game, DifferentiableGame):
        raise ValueError("a .nfg file cannot hold a differentiable game; use .toml")
    return gambit.unparse(game)


def _iterated_lines(game: IteratedGame) -> list[str]:
    memory = game.memory if len(set(game.memories)) == 1 else game.memories
    lines = [f"discount = {_value(game.discount)}", f"memory = {_value(memory)}"]
    if any(own is not None for own in game.labels):
        lines += _block("observe", ["all" if own is None else own for own in game.labels])
    if game.initial is not None:
        lines.append(f"initial = {_value(game.initial)}")
    if any(own is not None for own in game.trembles):
        lines += _block("implementation_noise", [own or 0 for own in game.trembles])
    if any(own is not None for own in game.misreadings):
        lines += _block(
            "observation_noise",
            [0 if own is None else [each or 0 for each in own] for own in game.misreadings],
        )
    return lines


def _stochastic_lines(game: StochasticGame) -> list[str]:
    observe = [
        "all" if own is None else {"labels": own[0], "rows": own[1]}
        for own in described_observations(game, lambda number: number)
    ]
    lines = [
        f"discount = {_value(game.discount)}",
        f"states = {_value(game.states)}",
        f"initial = {_value(game.initial)}",
        *_block("transitions", nested_branches(game, lambda number: number)),
    ]
    return lines if all(own == "all" for own in observe) else [*lines, *_block("observe", observe)]


def _block(key: str, values: Sequence[Any]) -> list[str]:
    """An array with one line per entry."""
    return [f"{key} = [", *(f"  {_value(value)}," for value in values), "]"]


def _value(value: Any) -> str:
    """Text, exact numbers, and arrays and tables of them."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(child) for child in value) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{_text(key)} = {_value(own)}" for key, own in value.items())
        return "{ " + ", ".join(pairs) + " }"
    return str(value) if isinstance(value, int) else _number(value)


def _negated(nest: ExactNest) -> ExactNest:
    return tuple(_negated(child) for child in nest) if isinstance(nest, tuple) else -nest


def _number(value: Exact) -> str:
    if not isinstance(value, Fraction):
        return _text(format_expression(value))
    if value.denominator == 1 and abs(value) <= _LARGEST_INTEGER:
        return str(value)
    return _text(str(value))


def _names(names: Sequence[str]) -> str:
    return "[" + ", ".join(_text(name) for name in names) + "]"


def _text(text: str) -> str:
    # JSON's escapes are TOML's, except that TOML does not allow a bare DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
