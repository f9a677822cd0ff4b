"""How results look on a terminal: prose, headings and tables; plain text where nobody watches."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_WIDEST = 100
_LONGEST_FRACTION = 13

Cell = str | Text


def console() -> Console:
    """Standard output. Colours and the width of the window only where there is a window."""
    # An old code page must not end a command with a traceback because of a Greek letter.
    if hasattr(sys.stdout, "reconfigure") and (sys.stdout.encoding or "").lower() != "utf-8":
        sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    screen = Console(highlight=False, markup=False, emoji=False)
    screen.width = min(screen.width, _WIDEST)
    return screen


def status_console() -> Console:
    """Standard error, for progress."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def heading(out: Console, text: str) -> None:
    """A heading with air around it."""
    out.print(Text(f"\n{text}\n", style="bold cyan"), soft_wrap=True)


def prose(out: Console, *parts: Cell, indent: int = 0) -> None:
    """A paragraph, wrapped to the window."""
    for part in Text.assemble(*parts).split():
        # An item of a list hangs from its bullet; a formula may begin with a minus.
        plain = part.plain
        bullet = len(plain) - len(plain.lstrip().removeprefix("- "))
        for number, line in enumerate(part[bullet:].wrap(out, out.width - indent - bullet)):
            line.rstrip()
            lead = part[:bullet] if number == 0 else Text(" " * bullet)
            out.print(Text(" " * indent) + lead + line, soft_wrap=True)


def dim(text: str) -> Text:
    """What a reader may skip."""
    return Text(text, style="dim")


def strong(text: str) -> Text:
    """What a reader should not miss."""
    return Text(text, style="bold green")


def table(
    out: Console,
    headers: Sequence[Cell],
    rows: Sequence[Sequence[Cell]],
    *,
    align: str = "",
    indent: int = 2,
    wrap_last: bool = False,
) -> None:
    """Aligned columns under a rule. Never wrapped or cut, unless it is the last one and asked for.

    **Arguments:**

    - `align`: a letter per column, `l`, `r` or `c`; `l` where there is none.
    """
    cells = [[Text.assemble(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(cell_len(row[k].plain) for row in cells) for k in range(len(headers))]
    room = out.width - indent - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if wrap_last and room >= 20:
        widths[-1] = min(widths[-1], room)
    for number, row in enumerate(cells):
        last = row[-1].wrap(out, widths[-1]) if wrap_last else [row[-1]]
        for part, tail in enumerate(last):
            line = Text(" " * indent)
            for k, cell in enumerate(
                [*(row[:-1] if part == 0 else [Text()] * (len(row) - 1)), tail]
            ):
                line += Text("  " if k else "") + _placed(cell, widths[k], align[k : k + 1])
            line.rstrip()
            if number == 0:
                line.stylize("bold")
            out.print(line, soft_wrap=True)
        if number == 0:
            rule = "  ".join("─" * width for width in widths)
            out.print(Text(" " * indent) + dim(rule), soft_wrap=True)


def _placed(cell: Text, width: int, align: str) -> Text:
    gap = width - cell_len(cell.plain)
    left = {"r": gap, "c": gap // 2}.get(align, 0)
    return Text(" " * left) + cell + Text(" " * (gap - left))


def short(values: Iterable[Fraction]) -> bool:
    """Whether these fractions are short enough to read."""
    return all(len(str(value)) <= _LONGEST_FRACTION for value in values)


def decimal(value: float | Fraction, digits: int = 6) -> str:
    """A number by its significant digits."""
    if isinstance(value, Fraction):
        try:
            value = float(value)
        except OverflowError:
            return f"{Decimal(value.numerator) / Decimal(value.denominator):.{digits}g}"
    return f"{value:.{digits}g}" if math.isfinite(value) else str(value)


def signed(value: float, digits: int = 4) -> str:
    """A float with a fixed number of decimals; never -0.0000."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "", 1) if not text.strip("-0.") else text


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f} %"


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on standard output. Exact numbers are strings, numbers that are not finite null."""
    print(json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, Fraction):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy and JAX
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(value)
