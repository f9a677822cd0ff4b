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
from typing import Any

from resolvent.games import gambit
from resolvent.games.expressions import format_expression, parse_expression, parse_symbols
from resolvent.games.iterated import IteratedGame
from resolvent.games.normal_form import NormalForm
from resolvent.games.rational import Exact, ExactNest, shorten

_KEYS = ("name", "players", "actions", "symbols", "payoffs", "losses", "iterated")

# TOML readers need not keep integers beyond 64 bits; larger ones are written as text.
_LARGEST_INTEGER = 2**63 - 1


def read(path: str | Path) -> NormalForm | IteratedGame:
    """Read a game from a file.

    **Arguments:**

    - `path`: a file whose name ends in `.toml` (the format of the games guide) or `.nfg` (Gambit's
        strategic form, in the payoff or the outcome format).

    **Returns:**

    An [`resolvent.games.IteratedGame`][] if the file gives a discount, otherwise a
    [`resolvent.games.NormalForm`][].

    Raises `ValueError`, naming the file and the field, for anything that is not such a game.
    """
    path = Path(path)
    parse = {".toml": _from_toml, ".nfg": gambit.parse}.get(path.suffix)
    if parse is None:
        raise ValueError(f"{path}: the name must end in .toml or .nfg; got {path.suffix!r}")
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def write(game: NormalForm | IteratedGame, path: str | Path) -> None:
    """Write a game to a file, exactly: reading it gives an equal game, up to how symbols are arranged.

    **Arguments:**

    - `game`: what to write.
    - `path`: a file whose name ends in `.toml` or `.nfg`; an existing file is replaced. A `.nfg`
        file holds numbers only, and no discount.

    SymPy's assumptions about symbols are not kept: a symbol is read back as `sympy.Symbol(name)`.
    Raises `ValueError` if the format cannot hold the game.
    """
    path = Path(path)
    if not isinstance(game, (NormalForm, IteratedGame)):
        raise TypeError(f"game must be a NormalForm or an IteratedGame; got {shorten(game)}")
    unparse: Callable[[Any], str] | None = {".toml": _to_toml, ".nfg": gambit.unparse}.get(
        path.suffix
    )
    if unparse is None:
        raise ValueError(f"{path}: the name must end in .toml or .nfg; got {path.suffix!r}")
    try:
        text = unparse(game)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    path.write_text(text, encoding="utf-8")


def _from_toml(text: str) -> NormalForm | IteratedGame:
    # Decimals, not floats, so that every digit in the file counts.
    table = tomllib.loads(text, parse_float=Decimal)
    _require_keys(table, _KEYS, "the file")
    symbols = parse_symbols(table.get("symbols", []))
    if ("payoffs" in table) == ("losses" in table):
        raise ValueError('the file must have either "payoffs" or "losses"')
    stated_as = "losses" if "losses" in table else "payoffs"
    numbers = _expressions(table[stated_as], symbols, stated_as)
    build = NormalForm.from_losses if stated_as == "losses" else NormalForm
    stage = build(numbers, table.get("actions"), table.get("players"), table.get("name"))
    if "iterated" not in table:
        return stage
    settings = table["iterated"]
    if not isinstance(settings, Mapping):
        raise ValueError(f"iterated must be a table; got {shorten(settings)}")
    _require_keys(settings, ("discount", "memory"), "iterated")
    if "discount" not in settings:
        raise ValueError("iterated must have a discount")
    discount = _expressions(settings["discount"], symbols, "iterated.discount")
    return stage.iterated(discount, settings.get("memory", 1))


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


def _to_toml(game: NormalForm | IteratedGame) -> str:
    stage = game.stage if isinstance(game, IteratedGame) else game
    lines: list[str] = []
    if stage.name is not None:
        lines.append(f"name = {_text(stage.name)}")
    lines.append(f"players = {_names(stage.players)}")
    lines.append(f"actions = [{', '.join(_names(names) for names in stage.actions)}]")
    if game.symbols:
        lines.append(f"symbols = {_names([symbol.name for symbol in game.symbols])}")
    sign = -1 if stage.stated_as == "losses" else 1
    lines.append(f"{stage.stated_as} = [")
    lines.extend(f"  {_numbers(matrix, sign)}," for matrix in stage.payoffs)
    lines.append("]")
    if isinstance(game, IteratedGame):
        lines += [
            "",
            "[iterated]",
            f"discount = {_number(game.discount)}",
            f"memory = {game.memory}",
        ]
    return "\n".join(lines) + "\n"


def _numbers(nest: ExactNest, sign: int) -> str:
    if isinstance(nest, tuple):
        return "[" + ", ".join(_numbers(child, sign) for child in nest) + "]"
    return _number(sign * nest)


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
