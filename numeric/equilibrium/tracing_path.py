r"""The path of a tracing procedure of a matrix game: what it goes through, drawn and verified.

In $\Gamma^t$ each player believes that with probability $t$ the others play $q_{-i}$, all of them, and with
$1 - t$ the prior $p_{-i}$, all of them,

$$ H_i^t(q) = t \, H_i(q_i, q_{-i}) + (1 - t) \, H_i(q_i, p_{-i}) , $$

and the path leads through equilibria of $\Gamma^t$ from a best reply to the prior at $t = 0$ to an equilibrium
of the game at $t = 1$ (Harsanyi 1975, Int. J. Game Theory 4, 61; Harsanyi and Selten 1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resolvent.games import NormalForm
from resolvent.numeric.equilibrium.continuation import PATHS


class TracingPoint(NamedTuple):
    """A point of a path.

    **Attributes:** `t`: the weight of actual play against the prior. `profile`: one vector of probabilities
    per player. Both are rational if the path is exact.
    """

    t: Any
    profile: tuple[Any, ...]


@dataclass(frozen=True, eq=False, repr=False)
class TracingPath:
    """A path of the linear tracing procedure.

    **Fields:**

    - `game`: the matrix game.
    - `prior`: what players begin by believing of each other, one vector of probabilities per player.
    - `points`: of an exact path the break points, the first of which holds from t = 0 on: between two of
        them t and t times the probabilities move on straight lines. Otherwise the points that were computed.
    - `exact`: whether all numbers are rational.
    - `steps`: pivots, or steps of the predictor and corrector.
    - `resolved`: whether the path was not unique, so that a tie had to be resolved: best replies to the
        prior that are tied, or, on an exact path, a point where it branches.
    - `perturbation`: by how much, as a share of the payoff range, payoffs against the prior were changed,
        times (1 - t)^2; 0 on an exact path.
    - `status`: how it ended, one of [`resolvent.numeric.PATHS`][]; an exact path always reaches its end.
    - `method`: how it was followed.
    """

    game: NormalForm
    prior: tuple[Any, ...]
    points: tuple[TracingPoint, ...]
    exact: bool
    steps: int
    resolved: bool
    perturbation: float
    status: PATHS
    method: str

    @property
    def successful(self) -> bool:
        """Whether the path reached t = 1."""
        return bool(self.status == PATHS.successful)

    @property
    def end(self) -> TracingPoint:
        """The last point; at t = 1 unless the path stalled."""
        return self.points[-1]

    @cached_property
    def turning_points(self) -> tuple[int, ...]:
        """Which points t turns at, from growing to falling or back."""
        turns, rising, since = [], True, 0
        for k in range(1, len(self.points)):
            step = self.points[k].t - self.points[k - 1].t
            if step != 0:
                if (step > 0) != rising:
                    turns.append(since)
                    rising = not rising
                since = k
        return tuple(turns)

    def regrets(self) -> tuple[Any, ...]:
        """What players could gain in $\\Gamma^t$ at each point, at most, as a share of their payoff range:
        `Fraction`s, all of them 0, on an exact path."""
        return tuple(self._regret(point) for point in self.points)

    def _regret(self, point: TracingPoint) -> Any:
        zero: Any = Fraction(0) if self.exact else 0.0
        worst = zero
        for player, payoffs in enumerate(self.game.payoffs):
            table = np.array(payoffs, dtype=object if self.exact else float)
            spread = table.max() - table.min() or 1
            worth = point.t * against(table, point.profile, player) + (1 - point.t) * against(
                table, self.prior, player
            )
            own = np.asarray(point.profile[player])
            worst = max(worst, (worth.max() - (own * worth).sum()) / spread)
        return worst

    def sampled(self, per_segment: int = 32) -> tuple[NDArray[Any], tuple[NDArray[Any], ...]]:
        """Points along the path in floats, to draw: t, `(K,)`, and for each player `(K, A_i)`."""
        t = np.array([float(point.t) for point in self.points])
        shares = [
            np.array([[float(p) for p in point.profile[i]] for point in self.points])
            for i in range(self.game.num_players)
        ]
        t = np.concatenate([[0.0], t])
        shares = [np.concatenate([own[:1], own]) for own in shares]
        if not self.exact:
            return t, tuple(shares)
        weights = np.linspace(0, 1, per_segment + 1)
        fine = np.concatenate(
            [(1 - weights) * a + weights * b for a, b in zip(t, t[1:], strict=False)]
        )
        drawn = []
        for own in shares:
            pieces = []
            for k in range(len(t) - 1):
                # t times a probability moves on a line; where t is 0 at both ends nothing moves.
                scaled = np.outer(1 - weights, t[k] * own[k]) + np.outer(
                    weights, t[k + 1] * own[k + 1]
                )
                total = scaled.sum(axis=1, keepdims=True)
                still = np.where(weights[:, None] < 1, own[k], own[k + 1])
                pieces.append(np.divide(scaled, total, out=still, where=total > 0))
            drawn.append(np.concatenate(pieces))
        return fine, tuple(drawn)

    def summary(self) -> str:
        """The path, to read."""
        title = f"{self.game.name or 'a game'}, {self.method}: "
        count = len(self.points)
        title += (
            f"{count} break {'point' if count == 1 else 'points'}"
            if self.exact
            else f"{count} points"
        )
        turns = len(self.turning_points)
        title += f", {turns} turning {'point' if turns == 1 else 'points'}"
        if self.resolved:
            title += "; ties were resolved, the path is not unique"
        if not self.successful:
            title += f"; {PATHS[self.status]}"
        if self.perturbation:
            title += f"; payoffs perturbed by {self.perturbation:.1g} (1 - t)^2"
        shown = self.points if self.exact else (self.points[0], self.points[-1])
        width = max(len(_number(point.t)) for point in shown)
        lines = [
            f"  t = {_number(point.t):<{width}}  "
            + "   ".join("(" + ", ".join(map(_number, own)) + ")" for own in point.profile)
            for point in shown
        ]
        return "\n".join([title, *lines])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"TracingPath({self.game.name}, {len(self.points)} points, t={float(self.end.t):g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the probability of each action along the path, over t.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        t, shares = self.sampled()
        styles = ("-", "--", ":", "-.")
        for player, own in enumerate(shares):
            for action, name in enumerate(self.game.actions[player]):
                ax.plot(
                    t,
                    own[:, action],
                    color=f"C{action % 10}",
                    linestyle=styles[player % len(styles)],
                    label=f"{self.game.players[player]}: {name}",
                )
        for k in self.turning_points:
            ax.axvline(float(self.points[k].t), color="0.7", linewidth=1, zorder=0)
        ax.set(
            xlabel="t",
            ylabel="probability",
            xlim=(0, 1),
            title=f"{self.game.name or 'path'}, {self.method}",
        )
        ax.legend(fontsize="small")
        return ax


def against(table: NDArray[Any], profile: Sequence[Any], player: int) -> NDArray[Any]:
    """What each action of a player pays where the others play `profile`, `(A_i,)`."""
    for axis in reversed(range(table.ndim)):
        if axis != player:
            table = (np.moveaxis(table, axis, -1) * np.asarray(profile[axis])).sum(axis=-1)
    return table


def _number(value: Any) -> str:
    return str(value) if isinstance(value, (Fraction, int)) else f"{float(value):.6g}"
