r"""The rationality that explains data best, along the principal branch of logit quantal responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import Game, game_arrays
from resolvent.numeric.equilibrium.continuation import Settings
from resolvent.numeric.equilibrium.likelihood import (
    curvature_of_likelihood,
    flat_counts,
    read_counts,
)
from resolvent.numeric.equilibrium.logit import LogitBranch, logit_branch
from resolvent.numeric.equilibrium.logit_system import policies_on_branch


class RATIONALITY(eqx.Enumeration):
    """What the largest likelihood is; each member is its message."""

    interior = "a maximum inside the branch: its derivative is zero there"
    none = "at lambda = 0: the data agree with the prior better than with any rationality"
    full = "at the end of the branch: the likelihood still grows towards the equilibrium"
    failed = "the branch stopped early: what is best of the part that was followed"


@dataclass(frozen=True, eq=False, repr=False)
class RationalityEstimate:
    """The rationality under which data are most likely, along the principal branch.

    **Fields:**

    - `game`, `counts`: the data.
    - `rationality`: lambda; at the end of the branch, where `status` says so.
    - `log_likelihood`: there, without the multinomial coefficient.
    - `derivative`: of the log-likelihood by lambda there; by implicit differentiation of the branch.
    - `standard_error`: from the observed information, one over the root of minus the second derivative;
        `None` where the maximum is not inside.
    - `policies`: what is played there.
    - `maxima`: all local maxima along the branch as `(lambda, log_likelihood)`, best first.
    - `branch`: the branch.
    - `status`: see [`resolvent.numeric.RATIONALITY`][].
    """

    game: Game
    counts: tuple[NDArray[np.floating], ...]
    rationality: float
    log_likelihood: float
    derivative: float
    standard_error: float | None
    policies: tuple[NDArray[np.floating], ...]
    maxima: tuple[tuple[float, float], ...]
    branch: LogitBranch
    status: RATIONALITY

    def summary(self) -> str:
        """The estimate, to read."""
        error = (
            "" if self.standard_error is None else f" (standard error {self.standard_error:.3g})"
        )
        text = (
            f"{self.game.name or 'a game'}: lambda = {self.rationality:.6g}{error}, "
            f"log-likelihood {self.log_likelihood:.6g}\n  {RATIONALITY[self.status]}"
        )
        if len(self.maxima) > 1:
            text += f"\n  {len(self.maxima)} local maxima along the branch"
        return text

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"RationalityEstimate({self.game.name}, lambda={self.rationality:g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the log-likelihood over lambda along the branch.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        likely, _ = self.branch.log_likelihood(self.counts)
        ax.plot(self.branch.rationality, likely)
        ax.plot([self.rationality], [self.log_likelihood], "o")
        ax.set_xscale("symlog", linthresh=1 / self.branch.unit)
        ax.set(xlabel="lambda", ylabel="log-likelihood", title=self.game.name or "")
        return ax


def estimate_rationality(
    game: Game,
    counts: Sequence[Any],
    *,
    prior: Sequence[Any] | None = None,
    tolerance: float = 1e-6,
    settings: Settings | None = None,
) -> RationalityEstimate:
    r"""Maximum likelihood of lambda along the principal branch, the same for all players.

    With $N$ the counts, $\ell = \sum N \log \sigma$ has along the branch, $F(z, \lambda) = 0$, the derivative
    $\ell' = -\nabla_z \ell \, F_z^{-1} F_\lambda$; maxima are zeros of it, also behind folds.

    **Arguments:**

    - `counts`: how often each action was taken, per player `(S, A_i)`, or `(A_i,)` in a matrix game; any
        numbers from 0 up.
    - `game`, `prior`, `tolerance`, `settings`: those of [`resolvent.numeric.logit_branch`][].
    """
    data = read_counts(game_arrays(game), counts)
    branch = logit_branch(game, prior=prior, tolerance=tolerance, settings=settings)
    weights = flat_counts(data)

    seen = np.asarray(weights)

    def rises(y: Array, along: Array) -> float:
        return float(seen @ (np.cosh(np.asarray(y)[:-1]) * np.asarray(along)[:-1]))

    def entry(y: Any) -> tuple[float, Any]:
        return float(seen @ np.sinh(np.asarray(y)[:-1])), y

    inside = [entry(y) for y in branch.roots(rises, falling=True)]
    ends = [entry(branch.path.points[0]), entry(branch.path.end)]
    likely, best = max(inside + ends, key=lambda own: own[0])
    if any(best is y for _, y in inside):
        status = RATIONALITY.interior
    elif best is ends[0][1]:
        status = RATIONALITY.none
    else:
        status = RATIONALITY.full if branch.successful else RATIONALITY.failed
    maxima = sorted(((own, branch.rationality_at(y)) for own, y in inside), reverse=True)
    point = jnp.asarray(best)
    slope, curvature = curvature_of_likelihood(point, branch.problem, weights)
    error = None
    if status == RATIONALITY.interior and float(curvature) < 0:
        error = float(1 / np.sqrt(-float(curvature))) / branch.unit
    return RationalityEstimate(
        game,
        tuple(np.asarray(own) for own in data),
        branch.rationality_at(best),
        likely,
        float(slope) * branch.unit,
        error,
        policies_on_branch(np.asarray(best), branch.problem.shapes),
        tuple((rationality, own) for own, rationality in maxima),
        branch,
        status,
    )
