"""What came of a reproduction: rows of published number, ours and difference, to print, save and draw."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 3.0
"""A difference of more than this many standard errors is a difference."""


@dataclass(frozen=True)
class Row:
    """One published number beside ours.

    **Fields:**

    - `what`: what is measured.
    - `published`: the number as printed; `None` where there is only ours.
    - `ours`: our number.
    - `error`: standard error of ours; 0 where nothing is random.
    - `published_error`: standard error of the published number, as far as it can be known.
    - `rounding`: half a unit of the last digit that was printed: a difference up to it is none.
    - `source`: where the published number was read.
    - `remark`: what a reader should know before comparing.
    - `judged`: False where the two numbers do not measure the same thing, which the remark explains.
    """

    what: str
    published: float | None
    ours: float
    error: float = 0.0
    published_error: float = 0.0
    rounding: float = 0.0
    source: str = ""
    remark: str = ""
    judged: bool = True

    @property
    def difference(self) -> float | None:
        """Ours less the published number."""
        return None if self.published is None else self.ours - self.published

    @property
    def deviation(self) -> float | None:
        """The difference beyond rounding in standard errors of the difference; `inf` where there are none."""
        if self.difference is None:
            return None
        if not math.isfinite(self.difference):
            return math.inf
        beyond = max(abs(self.difference) - self.rounding, 0.0)
        error = math.hypot(self.error, self.published_error)
        if beyond == 0 or error == 0:
            return math.inf if beyond else 0.0
        return beyond / error

    @property
    def verdict(self) -> str:
        """`agrees`, `differs`, `not judged`, or `ours only`."""
        if self.deviation is None:
            return "ours only"
        if not self.judged:
            return "not judged"
        return "agrees" if self.deviation <= LIMIT else "differs"

    def cells(self) -> tuple[str, ...]:
        """The row as text: what, published, ours, difference, in standard errors, verdict."""
        published, difference, deviation = "–", "–", "–"
        digits = _digits(self)
        if self.published is not None:
            published = _with_error(self.published, self.published_error, digits)
        if self.difference is not None and self.deviation is not None:
            style = "+.2g" if digits is None else f"+.{digits}f"
            # Adding 0 to what is rounded turns -0 into 0.
            rounded = self.difference if digits is None else round(self.difference, digits) + 0.0
            difference = f"{rounded:{style}}"
            random = math.hypot(self.error, self.published_error) > 0
            deviation = f"{self.deviation:.1f}" if random and self.judged else "–"
        return (
            self.what,
            published,
            _with_error(self.ours, self.error, digits),
            difference,
            deviation,
            self.verdict,
        )


HEADERS: tuple[str, ...] = ("what", "published", "ours", "difference", "in s.e.", "verdict")
"""What `Row.cells` are."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A line to draw: `y` over `x`, both `(points,)`."""

    label: str
    x: NDArray[np.floating]
    y: NDArray[np.floating]


@dataclass(frozen=True, eq=False, repr=False)
class Reproduction:
    """A finished reproduction.

    **Fields:**

    - `name`, `title`, `paper`: which experiment of which paper.
    - `protocol`: what was done, one line each: game, scale, rates, steps, runs, views.
    - `rows`: published number, ours and difference.
    - `remarks`: what to make of it.
    - `quick`: whether this was the short version; `seed`: of the random starts.
    - `curves`: lines to draw, with `axes`, the names of x and y.
    """

    name: str
    title: str
    paper: str
    protocol: tuple[str, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()
    quick: bool = False
    seed: int = 0
    curves: tuple[Curve, ...] = ()
    axes: tuple[str, str] = ("step", "payoff per round")
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many rows came to each verdict."""
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def agrees(self) -> bool:
        """Whether no row that is judged differs."""
        return not any(row.verdict == "differs" for row in self.rows)

    def row(self, what: str) -> Row:
        """The row of this name.

        **Raises:** `KeyError` where there is none.
        """
        for own in self.rows:
            if own.what == what:
                return own
        raise KeyError(f"no row {what!r} in {self.name}")

    def summary(self) -> str:
        """Title, verdicts and table, to read."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.verdicts.items())
        kind = ", quick version" if self.quick else ""
        lines = [f"{self.title} ({self.paper}){kind}, seed {self.seed}", f"  {counts}", ""]
        cells = [HEADERS, *(own.cells() for own in self.rows)]
        widths = [max(len(row[k]) for row in cells) for k in range(len(HEADERS))]
        for row in cells:
            aligned = [
                text.ljust(width) if k in (0, 5) else text.rjust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  " + "  ".join(aligned).rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Reproduction({self.name}, {self.verdicts})"

    def markdown(self) -> str:
        """Protocol, table and remarks as a section in Markdown."""
        kind = " (quick version)" if self.quick else ""
        lines = [f"## {self.title}{kind}", "", f"{self.paper}. Seed {self.seed}.", ""]
        lines += [f"- {line}" for line in self.protocol]
        lines += ["", *_markdown_table(self.rows)]
        if self.remarks:
            lines += ["", *(f"- {line}" for line in self.remarks)]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Everything but the curves as plain data, for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "paper": self.paper,
            "quick": self.quick,
            "seed": self.seed,
            "protocol": list(self.protocol),
            "verdicts": self.verdicts,
            "rows": [
                {
                    "what": own.what,
                    "published": own.published,
                    "published_error": own.published_error,
                    "rounding": own.rounding,
                    "source": own.source,
                    "ours": own.ours,
                    "error": own.error,
                    "difference": own.difference,
                    "deviation": own.deviation,
                    "verdict": own.verdict,
                    "remark": own.remark,
                }
                for own in self.rows
            ],
            "remarks": list(self.remarks),
            "versions": dict(self.versions),
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw the curves where there are any, otherwise published numbers and ours side by side.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots(layout="constrained")[1] if ax is None else ax
        if self.curves:
            for own in self.curves:
                ax.plot(own.x, own.y, label=own.label)
            ax.set(xlabel=self.axes[0], ylabel=self.axes[1])
        else:
            shown = [own for own in self.rows if own.published is not None]
            heights = np.arange(len(shown))[::-1]
            for label, shift, numbers, errors in (
                (
                    "published",
                    0.12,
                    [r.published for r in shown],
                    [r.published_error for r in shown],
                ),
                ("ours", -0.12, [r.ours for r in shown], [r.error for r in shown]),
            ):
                ax.errorbar(
                    numbers, heights + shift, xerr=errors, fmt="o", markersize=4, label=label
                )
            ax.set_yticks(heights, [own.what for own in shown])
        ax.set_title(self.title)
        ax.legend()
        return ax


def _markdown_table(rows: Sequence[Row]) -> Iterator[str]:
    headers = (*HEADERS[:2], "source", *HEADERS[2:], "remark")
    yield "| " + " | ".join(headers) + " |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | --- | --- |"
    for own in rows:
        what, published, *rest = own.cells()
        cells = [what, published, own.source, *rest, own.remark]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _digits(row: Row) -> int | None:
    """Decimals at which every number of a row can be read; `None` for significant digits instead."""
    numbers = [abs(x) for x in (row.ours, row.published) if x is not None and math.isfinite(x)]
    largest = max(numbers, default=0.0)
    errors = [e for e in (row.error, row.published_error, 2 * row.rounding) if e > 0]
    if largest >= 1e4 or (0 < largest < 1e-2 and max(errors, default=0.0) < 1e-5):
        return None
    if not errors:
        return 9
    return min(max(1 - math.floor(math.log10(min(errors))), 2), 9)


def _with_error(number: float, error: float, digits: int | None) -> str:
    style = ".7g" if digits is None else f".{digits}f"
    text = f"{number:{style}}"
    if error == 0:
        return text
    return f"{text} ± {error:.2g}" if digits is None else f"{text} ± {error:{style}}"
