"""What came of a benchmark of estimators: how far from the truth, at what cost."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from resolvent.numeric.estimators.benchmark_cells import (
    HEADERS,
    BenchmarkCell,
    BreakEven,
    ExactCost,
    duration,
    row,
)

FORMAT = "resolvent.benchmark/1"
_REASON = "plotting needs matplotlib: pip install 'resolvent[plot]'"


@dataclass(frozen=True, repr=False)
class Benchmark:
    """Estimators against the truth.

    **Fields:**

    - `cells`: what was measured, in the order of estimators, quantities and batches.
    - `exact`: the cost of the exact path, by quantity.
    - `player`: whose value; `horizon`: rounds of a trajectory; `repeats`, `profiles`: how many estimates at how many
        points each cell is about.
    - `missing`: estimators and quantities that there is no estimate of, and why.
    - `complete`: whether nothing was cut short by an interrupt.
    - `provenance`: the game, the estimators and the versions of the software, as plain data.
    """

    cells: tuple[BenchmarkCell, ...]
    exact: Mapping[str, ExactCost]
    player: int
    horizon: int
    repeats: int
    profiles: int
    missing: tuple[tuple[str, str, str], ...]
    complete: bool
    provenance: Mapping[str, Any]

    # What was found ------------------------------------------------------------------------------

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of those that were measured."""
        return tuple(dict.fromkeys(own.estimator for own in self.cells))

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those that were measured."""
        return tuple(dict.fromkeys(own.quantity for own in self.cells))

    def cell(self, estimator: str, quantity: str, batch: int) -> BenchmarkCell:
        """**Raises:** `KeyError` where it was not measured."""
        for own in self.row(estimator, quantity):
            if own.batch == batch:
                return own
        raise KeyError(f"no {quantity} of {estimator} at batch {batch}")

    def row(self, estimator: str, quantity: str) -> tuple[BenchmarkCell, ...]:
        """The cells of all batches, the smallest first."""
        own = [c for c in self.cells if (c.estimator, c.quantity) == (estimator, quantity)]
        return tuple(sorted(own, key=lambda cell: cell.batch))

    def break_even(self, estimator: str, quantity: str) -> BreakEven:
        """The batch at which one estimate costs as much time as the exact quantity, both compiled; between measured
        batches on a straight line of logarithms.

        **Raises:** `KeyError` where it was not measured.
        """
        row = self.row(estimator, quantity)
        if not row:
            raise KeyError(f"no {quantity} of {estimator}")
        goal = self.exact[quantity].seconds
        if row[0].seconds >= goal:
            return BreakEven(math.nan, "below", row[0].batch)
        for left, right in zip(row, row[1:], strict=False):
            if right.seconds >= goal:
                share = math.log(goal / left.seconds) / math.log(right.seconds / left.seconds)
                return BreakEven(left.batch * (right.batch / left.batch) ** share, "", right.batch)
        return BreakEven(math.nan, "above", row[-1].batch)

    # How it is shown -----------------------------------------------------------------------------

    def rows(self) -> list[list[str]]:
        """The table, a row of text per cell, in the columns of `headers`."""
        return [row(own, self.exact[own.quantity].seconds) for own in self.cells]

    @property
    def headers(self) -> tuple[str, ...]:
        """What the columns of `rows` are; `deviation` is the root of the variance."""
        return HEADERS

    def table(self) -> str:
        """The table, aligned, to read."""
        texts = [list(HEADERS), *self.rows()]
        widths = [max(len(row[k]) for row in texts) for k in range(len(HEADERS))]

        def line(row: Sequence[str]) -> str:
            placed = [
                text.ljust(width) if k < 2 else text.rjust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            return "  ".join(placed).rstrip()

        return "\n".join(map(line, texts))

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = ["| " + " | ".join(HEADERS) + " |", "| --- | --- |" + " ---: |" * 8]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows()]
        return "\n".join(lines)

    def summary(self) -> str:
        """What was measured, the table, and where estimates cost as much as the truth."""
        title = (
            f"{len(self.estimators)} estimators, player {self.player + 1} of {self.provenance['name']}, "
            f"{self.horizon} rounds, {self.repeats} repeats at {self.profiles} "
            f"{'point' if self.profiles == 1 else 'points'}"
        )
        title = title if self.complete else f"{title} (interrupted)"
        return "\n".join([title, "", self.table(), "", *self.costs()])

    def costs(self) -> list[str]:
        """What the exact path costs, at which batches estimates cost as much, and what was left out, in lines."""
        lines = []
        for quantity in self.quantities:
            even = [
                f"{name} {self.break_even(name, quantity)}"
                for name in self.estimators
                if self.row(name, quantity)
            ]
            lines.append(
                f"exact {quantity}: {duration(self.exact[quantity].seconds)}; an estimate costs as much at a "
                f"batch of: {', '.join(even)}"
            )
        return lines + [
            f"{name}: no estimate of the {what}: {why}" for name, what, why in self.missing
        ]

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Benchmark({', '.join(self.estimators)}; {self.provenance['name']})"

    def plot(self, quantity: str | None = None, axes: Any = None) -> Any:
        """Draw relative errors against the batch, and against the time of one estimate; the dashed line is the time
        of the exact quantity.

        **Arguments:** `quantity`: which, default: the first; `axes`: a pair of matplotlib axes, default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.

        **Raises:** `ValueError` for a quantity that was not measured.
        """
        chosen = self.quantities[0] if quantity is None and self.cells else quantity
        if chosen not in self.quantities:
            raise ValueError(f"quantity: expected one of {self.quantities}, got {chosen!r}")
        assert chosen is not None
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(_REASON) from error
        if axes is None:
            axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")[1]
        for name in self.estimators:
            row = self.row(name, chosen)
            for ax, x in zip(axes, ([c.batch for c in row], [c.seconds for c in row]), strict=True):
                error = [c.relative_error_error for c in row]
                ax.errorbar(x, [c.relative_error for c in row], error, marker="o", ms=3, label=name)
        axes[1].axvline(self.exact[chosen].seconds, color="black", linestyle="--", label="exact")
        axes[0].set(xlabel="trajectories", ylabel=f"relative error of the {chosen}")
        axes[1].set(xlabel="seconds")
        for ax in axes:
            ax.set(xscale="log", yscale="log")
        axes[1].legend()
        return axes

    # Files ---------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            **self._about(),
            "exact": [asdict(own) for own in self.exact.values()],
            "cells": [asdict(own) for own in self.cells],
            "break_even": [
                {
                    "estimator": name,
                    "quantity": quantity,
                    "batch": str(self.break_even(name, quantity)),
                }
                for quantity in self.quantities
                for name in self.estimators
                if self.row(name, quantity)
            ],
        }

    def to_csv(self) -> str:
        """One line per cell under a line of names; before them, in lines that begin with `#`, what was run and the
        cost of the exact path, in JSON."""
        text = io.StringIO()
        about = {**self._about(), "exact": [asdict(own) for own in self.exact.values()]}
        text.write(f"# {json.dumps(about)}\n")
        writer = csv.DictWriter(
            text, [own.name for own in fields(BenchmarkCell)], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(asdict(own) for own in self.cells)
        return text.getvalue()

    def save(self, path: str | Path) -> None:
        """Write everything to a file, `.json` or `.csv`; an existing file is replaced.

        **Raises:** `ValueError` for another name.
        """
        kind = _kind(path)
        text = self.to_csv() if kind == ".csv" else _dumps(self.as_dict())
        Path(path).write_text(text, encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> Benchmark:
        """Read what `save` has written.

        **Raises:** `ValueError`, naming the file, for anything else.
        """
        kind = _kind(path)
        text = Path(path).read_text(encoding="utf-8")
        try:
            return _parse(_from_csv(text) if kind == ".csv" else json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}: not a readable benchmark: {error!r}") from None

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "player": self.player,
            "horizon": self.horizon,
            "repeats": self.repeats,
            "profiles": self.profiles,
            "missing": [list(own) for own in self.missing],
            "complete": self.complete,
            "provenance": dict(self.provenance),
        }


def _kind(path: str | Path) -> str:
    kind = Path(path).suffix
    if kind not in (".json", ".csv"):
        raise ValueError(f"{path}: the name must end in .json or .csv; got {kind!r}")
    return kind


def _dumps(record: Mapping[str, Any]) -> str:
    """JSON proper: what is not finite is null."""

    def plain(own: Any) -> Any:
        if isinstance(own, Mapping):
            return {key: plain(entry) for key, entry in own.items()}
        if isinstance(own, (list, tuple)):
            return [plain(entry) for entry in own]
        return None if isinstance(own, float) and not math.isfinite(own) else own

    return json.dumps(plain(record), indent=2, allow_nan=False) + "\n"


def _from_csv(text: str) -> dict[str, Any]:
    first, _, rest = text.partition("\n")
    if not first.startswith("# "):
        raise ValueError("expected a first line of JSON after #")
    about = json.loads(first[2:])
    return {**about, "cells": list(csv.DictReader(io.StringIO(rest)))}


def _parse(record: Any) -> Benchmark:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"format: expected {FORMAT!r}")
    costs = [ExactCost(**own) for own in record["exact"]]
    return Benchmark(
        cells=tuple(_cell(own) for own in record["cells"]),
        exact={own.quantity: own for own in costs},
        player=int(record["player"]),
        horizon=int(record["horizon"]),
        repeats=int(record["repeats"]),
        profiles=int(record["profiles"]),
        missing=tuple((str(a), str(b), str(c)) for a, b, c in record["missing"]),
        complete=bool(record["complete"]),
        provenance=dict(record["provenance"]),
    )


def _cell(record: Mapping[str, Any]) -> BenchmarkCell:
    names = [own.name for own in fields(BenchmarkCell)]
    if set(record) != set(names):
        raise ValueError(f"cells: expected the fields {names}, got {sorted(map(str, record))}")
    kinds: dict[str, Any] = {"estimator": str, "quantity": str, "batch": int, "rounds": int}

    def read(name: str) -> Any:
        own = record[name]
        return np.nan if own is None else kinds.get(name, float)(own)

    return BenchmarkCell(**{name: read(name) for name in names})
