"""Figures of runs. Every function takes matplotlib axes, or makes them, and returns them.

`Run.plot` draws the values of a run; here is what needs the game that was played. Needs matplotlib,
`pip install 'resolvent[plot]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from resolvent.games import DifferentiableGame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from resolvent.games import DynamicGame
    from resolvent.numeric.run import Run


def payoffs(run: Run, ax: Axes | None = None, players: tuple[int, int] = (0, 1)) -> Axes:
    """Final payoffs per round of two players, one point per run, in what the game can pay.

    **Arguments:**

    - `run`: a run of an iterated game whose payoffs are numbers.
    - `ax`: where to draw; new axes by default.
    - `players`: whose payoffs are on the two axes.

    **Returns:** the axes. The shaded polygon is the convex hull of the stage payoffs: every pair of
    payoffs per round lies in it, whatever the policies.

    **Raises:** `ValueError` for a run of a user's own function, which has no game, and for players it
    does not have.
    """
    game = run.game
    if game is None or isinstance(game, DifferentiableGame):
        kind = "wrapped function" if game is None else "differentiable game"
        raise ValueError(f"run: expected a run of an iterated game; a {kind} has no stage payoffs")
    if len(set(players)) != 2 or not all(0 <= player < run.num_players for player in players):
        raise ValueError(
            f"players: expected two different players from 0 to {run.num_players - 1}; got {players}"
        )
    ax = _axes(ax)
    feasible = _hull(_payoffs(game)[:, players])
    ax.fill(*feasible.T, facecolor="0.92", edgecolor="0.6", linewidth=1, zorder=0)
    scale = np.ones(run.num_players)
    if run.normalise == "sum" and run.discounts is not None:
        scale = np.array([float(1 - g) for g in run.discounts])
    points = (scale * run.values.reshape(-1, run.num_players))[:, players]
    ax.scatter(*points.T, s=14, color="C0", alpha=0.5, linewidths=0, label=f"{len(points):,} runs")
    ax.scatter(*points.mean(0), marker="x", s=60, color="black", label="mean")
    names = [game.players[player] for player in players]
    ax.set(
        xlabel=f"player {names[0]}, payoff per round",
        ylabel=f"player {names[1]}, payoff per round",
        title=f"{game.name or 'game'}: final payoffs",
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.legend()
    return ax


def overview(run: Run) -> Figure:
    """`Run.plot` beside `payoffs`, where there are stage payoffs of at least two players."""
    from matplotlib import pyplot

    staged = run.game is not None and not isinstance(run.game, DifferentiableGame)
    paired = staged and run.num_players >= 2
    figure, axes = pyplot.subplots(
        1,
        2 if paired else 1,
        figsize=(10 if paired else 5, 4.2),
        layout="constrained",
        squeeze=False,
    )
    run.plot(axes[0, 0])
    if paired:
        payoffs(run, axes[0, 1])
    return figure


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1]


def _payoffs(game: DynamicGame) -> NDArray[np.float64]:
    """All payoffs of a round, `(outcomes, n)`."""
    table = np.array([[list(map(float, row)) for row in own] for own in game.rewards])
    return np.unique(table.reshape(game.num_players, -1).T, axis=0)


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of the convex hull in the plane, in order; of points on a line its two ends."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        order = np.lexsort(points.T)
        return points[order[[0, -1]]]
