"""What came of a tournament: the cross table of exact runs."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction
from resolvent.games import DifferentiableGame, DynamicGame
from resolvent.numeric import archive, results
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.results import RESULTS
from resolvent.numeric.run import game_of, scale_name, signature

_FORMAT, _FIRST_FORMAT = "resolvent.tournament/2", "resolvent.tournament/1"
_MOST_ROWS = 64


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tournament:
    """What came of learners in all seatings, from the same starts.

    With k learners and n players, arrays have n leading axes of length k: entry `[a, b]` is about learner
    a as player 1 and learner b as player 2. Learners are in the order of `names`.

    **Fields:**

    - `names`: one per learner.
    - `values`: final values, `(k, ..., k, runs, n)`, on the scale of the value function. Runs that did not
        end well hold the value of their last finite parameters.
    - `status`: how each run ended, `(k, ..., k, runs)`, see [`resolvent.numeric.RESULTS`][]. A run whose
        final value is not finite counts as `nonfinite` (with a `failed_step` of -1).
    - `failed_step`, `failed_player`, `failed_norm`: as of [`resolvent.numeric.Run`][], per run.
    - `start`: the parameters that all seatings began from, one `(runs, ...)` array per player.
    - `steps`, `steps_done`: how many were asked for, and how many have been made.
    - `values_function`, `learners`: what was played; `None` for a tournament loaded from a file.
    - `provenance`: the same as plain data, with the versions of the software.
    """

    names: tuple[str, ...]
    values: NDArray[Any]
    status: RESULTS
    failed_step: NDArray[np.integer]
    failed_player: NDArray[np.integer]
    failed_norm: NDArray[np.floating]
    start: tuple[NDArray[Any], ...]
    steps: int
    steps_done: int
    values_function: ValueFunction | None
    learners: tuple[AbstractLearner, ...] | None
    provenance: Mapping[str, Any]

    # What was found ------------------------------------------------------------------------------

    @property
    def num_players(self) -> int:
        return self.values.shape[-1]

    @property
    def num_runs(self) -> int:
        """Runs of each seating."""
        return self.values.shape[-2]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which runs ended well, `(k, ..., k, runs)`; the others are not part of any mean."""
        return self._codes == results.code(RESULTS.successful)

    @property
    def mean(self) -> NDArray[np.floating]:
        """Mean final values over the runs that ended well, `(k, ..., k, n)`; NaN where there are none."""
        return self._moments[0]

    @property
    def error(self) -> NDArray[np.floating]:
        """Standard errors of the means, `(k, ..., k, n)`: the standard deviation over the random starts,
        with one degree of freedom less than runs, over the root of their number; NaN for less than two
        runs. Each run is exact; what varies is where it started."""
        return self._moments[1]

    @property
    def counts(self) -> dict[str, NDArray[np.integer]]:
        """How many runs ended in each way, by the names of the statuses, `(k, ..., k)` each."""
        return {
            name: (self._codes == results.code(getattr(RESULTS, name))).sum(axis=-1)
            for name in ("successful", "nonfinite", "diverged", "interrupted")
        }

    @property
    def per_round(self) -> NDArray[np.floating]:
        """What turns each player's value into its payoff per round, `(n,)`: 1 - g for discounted sums,
        1 for averages and for functions that are not known to be either."""
        game = self.game
        if game is None or isinstance(game, DifferentiableGame):
            return np.ones(self.num_players)
        if self.provenance["normalise"] != "sum" or self.provenance["patient"]:
            return np.ones(self.num_players)
        return np.array([float(1 - Fraction(str(g))) for g in game.discounts])

    @property
    def game(self) -> DynamicGame | DifferentiableGame | None:
        """What was played; `None` where the value function is a wrapped one."""
        own = self.provenance["game"]
        return None if own is None else game_of(own)

    def table(self, player: int = 0) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """The cross table of two players: means and standard errors of `player`, `(k, k)` each, per
        round; rows are the player's own learners and columns the other's.

        **Raises:** `ValueError` for a tournament of more players, or a player it does not have.
        """
        if self.num_players != 2:
            raise ValueError(
                f"table: a cross table is of two players, not {self.num_players}; use `mean` and `error`"
            )
        if isinstance(player, bool) or player not in (0, 1):
            raise ValueError(f"player: expected 0 or 1, got {player!r}")
        unit = self.per_round[player]
        mean, error = unit * self.mean[..., player], unit * self.error[..., player]
        return (mean, error) if player == 0 else (mean.T, error.T)

    @property
    def _codes(self) -> NDArray[np.integer]:
        return np.asarray(jax.tree.leaves(self.status)[0])

    @property
    def _moments(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        good = self.counted[..., None]
        number = good.sum(axis=-2).astype(float)
        kept = np.where(good, self.values, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(number > 0, kept.sum(axis=-2) / number, np.nan)
            gaps = np.where(good, kept - np.where(number > 0, mean, 0)[..., None, :], 0)
            variance = (gaps**2).sum(axis=-2) / (number - 1)
            error = np.where(number > 1, np.sqrt(variance / number), np.nan)
        return mean, error

    # How it is shown -----------------------------------------------------------------------------

    def summary(self) -> str:
        """What was played and what came of it, to read: for two players a cross table each."""
        about = self.provenance
        size = len(self.names)
        lines = [
            f"{size} learners in {size**self.num_players:,} seatings, {self.num_runs:,} "
            f"{'run' if self.num_runs == 1 else 'runs'} of {self.steps_done:,} steps each: {about['name']}"
        ]
        lines += [
            f"  {name}: {signature(own)}"
            for name, own in zip(self.names, about["learners"], strict=True)
        ]
        lines.append(f"  mean final values ({self._unit()}) and their standard errors")
        if self.num_players == 2:
            for player in (0, 1):
                lines += ["", f"  player {player + 1} (rows) against player {2 - player} (columns)"]
                lines += [f"    {line}" for line in _cross_table(self.names, *self.table(player))]
        else:
            lines += ["", *self._seating_lines()]
        ended = self._ending_lines()
        return "\n".join([*lines, "", *ended] if ended else lines)

    def _unit(self) -> str:
        if (self.per_round != 1).any():
            return "per round"
        return scale_name(self.provenance["normalise"])

    def _seatings(self) -> list[tuple[int, ...]]:
        return list(itertools.product(range(len(self.names)), repeat=self.num_players))

    def _seating_lines(self) -> list[str]:
        mean, error = self.per_round * self.mean, self.per_round * self.error
        seatings = self._seatings()
        lines = [
            f"  {', '.join(self.names[k] for k in seats)}: "
            + ", ".join(map(_cell, mean[seats], error[seats]))
            for seats in seatings[:_MOST_ROWS]
        ]
        rest = len(seatings) - len(lines)
        return [*lines, f"  and {rest:,} more: see `to_csv`"] if rest else lines

    def _ending_lines(self) -> list[str]:
        """What did not end well, seating by seating."""
        lines: list[str] = []
        bad = ~self.counted
        for seats in self._seatings():
            if not bad[seats].any():
                continue
            where = ", ".join(self.names[k] for k in seats)
            for code, count in sorted(Counter(self._codes[seats][bad[seats]].tolist()).items()):
                message = RESULTS[results.from_codes(np.asarray(code))].partition(":")[0]
                lines.append(
                    f"  {where}: {count:,} of {self.num_runs:,} runs not counted, {message}"
                )
            failed = np.flatnonzero(self.failed_player[seats] >= 0)
            if failed.size:
                first = (*seats, failed[0])
                lines.append(
                    f"    first: run {failed[0]}, step {self.failed_step[first]}, player "
                    f"{self.failed_player[first] + 1}, whose parameters had norm "
                    f"{self.failed_norm[first]:.3g}"
                )
        return [*lines[:_MOST_ROWS], "  ..."] if len(lines) > _MOST_ROWS else lines

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"Tournament({', '.join(self.names)}; {self.num_runs} runs, {self.provenance['name']})"
        )

    def plot(self, ax: Any = None, player: int = 0) -> Any:
        """Draw the cross table of a player as a heat map: its own learners in rows.

        **Arguments:** `ax`: matplotlib axes to draw on, default: new ones; `player`: from 0.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.

        **Raises:** `ValueError` where there are not two players.
        """
        mean, error = self.table(player)
        try:
            from matplotlib import pyplot
        except ImportError as error_:
            raise ImportError(
                "plotting needs matplotlib: pip install 'resolvent[plot]'"
            ) from error_
        # One scale for both players, so that their maps compare.
        known = (self.per_round * self.mean)[np.isfinite(self.mean)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
        if ax is None:
            size = 2.5 + 0.9 * len(self.names)
            ax = pyplot.subplots(figsize=(size + 1, size), layout="constrained")[1]
        image = ax.imshow(np.ma.masked_invalid(mean), cmap="viridis", vmin=low, vmax=high)
        ax.figure.colorbar(image, ax=ax, label=f"value ({self._unit()})", shrink=0.8)
        ticks = range(len(self.names))
        ax.set_xticks(ticks, self.names, rotation=30, ha="right")
        ax.set_yticks(ticks, self.names)
        for row, column in itertools.product(ticks, ticks):
            ax.text(
                column, row, _cell(mean[row, column], error[row, column], "\n"),
                ha="center", va="center", color="white", fontsize=8,
                bbox={"facecolor": "black", "alpha": 0.35, "linewidth": 0, "pad": 1.5},
            )  # fmt: skip
        ax.set(
            xlabel=f"player {2 - player}", ylabel=f"player {player + 1}",
            title=f"{self.provenance['name']}: player {player + 1}",
        )  # fmt: skip
        return ax

    # Files ---------------------------------------------------------------------------------------

    def to_csv(self, path: str | Path | None = None) -> str:
        """The means as text that any program reads: a row for each player of each seating, with the
        learner of every player, whose value it is, its mean and standard error on the scale of the value
        function and per round, and how many runs ended in each way.

        **Arguments:** `path`: also write it there.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        seats = [f"player_{player + 1}" for player in range(self.num_players)]
        counts = self.counts
        writer.writerow(
            [*seats, "of_player", "mean", "error", "mean_per_round", "error_per_round", *counts]
        )
        mean, error, unit = self.mean, self.error, self.per_round
        for seating in self._seatings():
            for player in range(self.num_players):
                numbers = [mean[seating][player], error[seating][player]]
                numbers += [unit[player] * own for own in numbers]
                writer.writerow(
                    [
                        *(self.names[k] for k in seating),
                        player + 1,
                        *(repr(float(own)) for own in numbers),
                        *(int(own[seating]) for own in counts.values()),
                    ]
                )
        if path is not None:
            Path(path).write_text(text.getvalue(), encoding="utf-8")
        return text.getvalue()

    def save(self, path: str | Path) -> None:
        """Write everything but the code to a file: NumPy's `.npz`, with a JSON text `metadata` in it.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        metadata = {
            "format": _FORMAT,
            "names": list(self.names),
            "steps": self.steps,
            "steps_done": self.steps_done,
            "provenance": dict(self.provenance),
        }
        arrays = {
            "values": self.values,
            "status": self._codes,
            "failed_step": self.failed_step,
            "failed_player": self.failed_player,
            "failed_norm": self.failed_norm,
            "start": self.start,
        }
        archive.write_archive(path, metadata, arrays)

    @staticmethod
    def load(path: str | Path) -> Tournament:
        """Read what `save` has written.

        **Raises:** `ValueError`, naming the file and the field, for anything else.
        """
        fields = archive.read_archive(path)
        try:
            return _parse(fields)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _cell(mean: float, error: float, between: str = " ") -> str:
    if not np.isfinite(mean):
        return "-"
    return f"{mean:.4g}" + (f"{between}± {error:.2g}" if np.isfinite(error) else "")


def _cross_table(
    names: Sequence[str], mean: NDArray[np.floating], error: NDArray[np.floating]
) -> list[str]:
    rows = [["", *names]]
    for name, means, errors in zip(names, mean, error, strict=True):
        rows.append([name, *map(_cell, means, errors)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(names) + 1)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(row[k].rjust(widths[k]) for k in range(1, len(row)))]
        ).rstrip()
        for row in rows
    ]


def _parse(fields: dict[str, NDArray[Any]]) -> Tournament:
    metadata = archive.parse_metadata(
        fields.pop("metadata", None),
        (_FORMAT, _FIRST_FORMAT),
        {"names": list, "steps": int, "provenance": dict},
    )
    archive.check_provenance(metadata["provenance"])
    names = tuple(metadata["names"])
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("metadata.names: expected texts")
    if len(metadata["provenance"]["learners"]) != len(names):
        raise ValueError("metadata.provenance.learners: expected one for each of metadata.names")
    nest = archive.unflatten(fields)
    integers, floats = ("status", "failed_step", "failed_player"), ("values", "failed_norm")
    for name in (*integers, *floats, "start"):
        if name not in nest:
            raise ValueError(f"{name}: missing")
    values = nest["values"]
    if not isinstance(values, np.ndarray) or values.ndim < 3:
        raise ValueError("values: expected an array of shape (learners, ..., runs, players)")
    shape = (*(len(names),) * values.shape[-1], values.shape[-2])
    if values.shape[:-1] != shape:
        raise ValueError(f"values: expected shape {(*shape, len(shape) - 1)}, got {values.shape}")
    for name in integers:
        if nest[name].shape != shape or nest[name].dtype.kind != "i":
            raise ValueError(f"{name}: expected integers of shape {shape}")
    for name in floats:
        if nest[name].dtype.kind != "f" or nest[name].shape[: len(shape)] != shape:
            raise ValueError(f"{name}: expected floats of shape {shape}")
    if not ((nest["status"] >= 0) & (nest["status"] < len(RESULTS))).all():
        raise ValueError(f"status: expected codes below {len(RESULTS)}")
    start = nest["start"]
    if not isinstance(start, tuple) or len(start) != values.shape[-1]:
        raise ValueError("start: expected one array per player")
    return Tournament(
        names=names,
        values=values,
        status=results.from_codes(nest["status"]),
        failed_step=nest["failed_step"],
        failed_player=nest["failed_player"],
        failed_norm=nest["failed_norm"],
        start=start,
        steps=metadata["steps"],
        # The first format was written by tournaments that stopped between seatings.
        steps_done=metadata.get("steps_done", metadata["steps"]),
        values_function=None,
        learners=None,
        provenance=metadata["provenance"],
    )
