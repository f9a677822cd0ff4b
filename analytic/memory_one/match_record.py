"""The record of a table of matches: scores, means, ranking, printing, drawing, saving."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from resolvent.analytic.step_sizes import axes
from resolvent.games import IteratedGame


@dataclass(frozen=True)
class MatchTable:
    """Expected scores per round of K strategies against each other, exactly; made by
    [`resolvent.analytic.match_table`][].

    **Attributes:**

    - `game`: what was played, with the noise and the discount of the matches.
    - `names`: of the strategies.
    - `scores`: `scores[a][b]` are the scores of `a` as player 0 and of `b` as player 1, `(K, K, 2)`.
    - `turns`: the rounds of a match; None where it ends at random, by the discount of `game`, or never.
    - `average`: whether matches do not end.
    """

    game: IteratedGame
    names: tuple[str, ...]
    scores: tuple[tuple[tuple[Fraction, Fraction], ...], ...]
    turns: int | None
    average: bool

    def score(self, first: str, second: str) -> Fraction:
        """What the strategy `first` scores against `second`, per round: the mean over both orders of the players,
        which are the same where the game is.

        **Raises:** `ValueError` for an unknown name.
        """
        a, b = self._index(first), self._index(second)
        return (self.scores[a][b][0] + self.scores[b][a][1]) / 2

    def mean_scores(self, self_play: bool = False) -> dict[str, Fraction]:
        """What each strategy scores on average over its opponents, per round.

        **Arguments:** `self_play`: whether a strategy is one of its own opponents. It is not in the results of the
        Axelrod library.
        """
        means = {}
        for name in self.names:
            others = [other for other in self.names if self_play or other != name]
            total = sum((self.score(name, other) for other in others), Fraction(0))
            means[name] = total / len(others) if others else total
        return means

    def ranking(self, self_play: bool = False) -> tuple[str, ...]:
        """The names by mean score, the best first; equal ones in the order given."""
        means = self.mean_scores(self_play)
        return tuple(sorted(self.names, key=lambda name: -means[name]))

    def wins(self) -> dict[str, int]:
        """How many opponents each strategy outscores, in expectation."""
        return {
            name: sum(self.score(name, other) > self.score(other, name) for other in self.names)
            for name in self.names
        }

    @property
    def length(self) -> str:
        """How long a match is, in words."""
        if self.average:
            return "matches without end"
        if self.turns is not None:
            return f"{self.turns} rounds"
        return f"another round with probability {self.game.discount}"

    def __str__(self) -> str:
        order, means, wins = self.ranking(), self.mean_scores(), self.wins()
        width = max(map(len, self.names))
        lines = [
            f"{len(self.names)} strategies, {self.length}, exact; scores per round",
            f"{'':{width}}    mean  wins  against "
            + " ".join(f"{b + 1:>6}" for b in range(len(order))),
        ]
        for rank, name in enumerate(order, start=1):
            row = " ".join(f"{float(self.score(name, other)):6.3f}" for other in order)
            lines.append(
                f"{name:{width}}  {float(means[name]):6.4f}  {wins[name]:4}  {rank:7} {row}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"MatchTable({', '.join(self.names)}; {self.length})"

    def plot(self, ax: Any = None) -> Any:
        """The scores of rows against columns as colours, in the order of the ranking.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        order = self.ranking()
        image = ax.imshow([[float(self.score(a, b)) for b in order] for a in order])
        ax.figure.colorbar(image, ax=ax, label="score of the row per round")
        places = range(len(order))
        ax.set_xticks(places, order, rotation=90)
        ax.set_yticks(places, order)
        ax.set_title(self.length)
        return ax

    def save(self, path: str | PathLike[str]) -> None:
        """Write the scores of rows against columns.

        **Arguments:** `path`: ending in `.csv` for decimals, names in the first row and column, the mean in the last
        column; or in `.json` for exact fractions as strings.

        **Raises:** `ValueError` for another ending.
        """
        path = Path(path)
        if path.suffix == ".csv":
            means = self.mean_scores()
            with path.open("w", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["", *self.names, "mean"])
                for name in self.names:
                    scores = [float(self.score(name, other)) for other in self.names]
                    rows.writerow([name, *scores, float(means[name])])
        elif path.suffix == ".json":
            content = {
                "names": self.names,
                "length": self.length,
                "scores": [[str(self.score(a, b)) for b in self.names] for a in self.names],
                "means": {name: str(mean) for name, mean in self.mean_scores().items()},
                "ranking": self.ranking(),
            }
            path.write_text(json.dumps(content, indent=1) + "\n")
        else:
            raise ValueError(f"path must end in .csv or .json; got {str(path)!r}")

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"the table has {', '.join(self.names)}; got {name!r}")
        return self.names.index(name)
