"""What comes of a trial: what was played, and its derivative with a status."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import numpy as np
from numpy.typing import NDArray

Tree = Any

CHAOTIC = 1e8
"""From this sensitivity on the digits of a derivative mean nothing: rounding times it is of the size of 1e-8."""


class TRIAL(eqx.Enumeration):
    """Whether derivatives of a trial mean anything; each member is its message, `TRIAL[status]`."""

    successful = "finite, and well conditioned"
    chaotic = (
        "the co-players' learning is chaotic: where it ends moves by more than 1e8 times what its start moves, so that "
        "derivatives through it mean nothing; use a trial with truncate=1 or a few, fewer episodes, or evolution"
    )
    nonfinite = "a value or a derivative is not finite: a co-player's step is too large"


@dataclasses.dataclass(frozen=True, repr=False)
class TrialRun:
    """A trial that was played.

    **Fields:**

    - `payoffs`: `(starts, E, n)`, of each episode, in the units of the values.
    - `memories`: what was remembered *before* each episode, leading axes `(starts, E)`: node marginals, shares of
        counts, or (in `log`) log-probabilities of types.
    - `params`: the co-players' parameters before each episode and at the end, `(starts, E + 1, ...)` per player; the
        player's own entry is its parameters in each episode, `(starts, E, ...)`.
    - `player`: who remembers; `payoff`: the player's, $J$.
    """

    payoffs: NDArray[np.floating]
    memories: Tree
    params: tuple[NDArray[np.floating], ...]
    player: int
    payoff: float
    name: str

    def __repr__(self) -> str:
        starts, episodes, players = self.payoffs.shape
        lines = [
            f"Trial: {self.name}, {episodes} episodes, {starts} starts",
            f"  player {self.player + 1}, who remembers: {self.payoff:.6g}",
        ]
        for j in range(players):
            first, last = self.payoffs[:, 0, j].mean(), self.payoffs[:, -1, j].mean()
            mean = self.payoffs[:, :, j].mean()
            lines.append(
                f"  player {j + 1}: mean {mean:.6g}; first episode {first:.6g}, last {last:.6g}"
            )
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """Draw payoffs over episodes, means over starts. **Returns:** the axes.

        Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        for j in range(self.payoffs.shape[2]):
            role = ", who remembers" if j == self.player else ""
            ax.plot(self.payoffs[:, :, j].mean(0), label=f"player {j + 1}{role}")
        ax.set(xlabel="episode", ylabel="payoff", title=self.name)
        ax.legend()
        return ax


@dataclasses.dataclass(frozen=True, repr=False)
class TrialGradient:
    """The derivative of a trial's payoff.

    **Fields:**

    - `payoff`: J.
    - `gradient`: of J in the policy; `None` where the status says that it would mean nothing.
    - `own`: the part of it with the co-players' parameters held fixed; `shaping`: the rest, through their learning.
    - `sensitivity`: the largest norm, over starts, of the Jacobian of the co-players' parameters at the end by those in
        the beginning (within the last window, if truncated).
    - `status`: of [`resolvent.numeric.TRIAL`][].
    """

    payoff: float
    gradient: Tree
    own: Tree
    shaping: Tree
    sensitivity: float
    status: TRIAL

    def __repr__(self) -> str:
        lines = [f"Gradient of a trial with payoff {self.payoff:.6g}: {TRIAL[self.status]}"]
        if self.gradient is not None:
            own, shaping = (_norm(part) for part in (self.own, self.shaping))
            lines.append(f"  norms: own part {own:.3g}, shaping part {shaping:.3g}")
        lines.append(f"  sensitivity of the co-players' learning: {self.sensitivity:.3g}")
        return "\n".join(lines)


def _norm(tree: Tree) -> float:
    return float(np.sqrt(sum(np.sum(np.asarray(leaf) ** 2) for leaf in jax.tree.leaves(tree))))
