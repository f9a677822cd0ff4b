r"""What noise does to learning: the same rule from the same starts, with estimates and with the truth.

Of a run with policies $\pi^k$ and its exact twin $\hat\pi^k$ after k steps, the distance is

$$ d_k = \max_{i, s, a} \lvert \pi_i^k(a \mid s) - \hat\pi_i^k(a \mid s) \rvert, $$

between 0 and 1. Distances of policies, and not of logits, which grow without bound where policies hardly change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.estimators.benchmark import signature
from resolvent.numeric.estimators.estimated import Estimated
from resolvent.numeric.estimators.estimator import AbstractEstimator
from resolvent.numeric.estimators.intended import check_sampled
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learning import learn
from resolvent.numeric.meter import AbstractMeter
from resolvent.numeric.run import Run

_REASON = "plotting needs matplotlib: pip install 'resolvent[plot]'"


@dataclass(frozen=True, eq=False, repr=False)
class Downstream:
    """Learning with estimates beside learning with the truth.

    **Fields:**

    - `batches`: numbers of trajectories per estimate; `horizon`: rounds of each; `estimator`: which, to read.
    - `truth`: the run with exact derivatives; `sampled`: those with estimates, one per batch.
    - `steps`: after which distances and values were recorded, `(k,)`.
    - `distances`: of policies from those of the exact run from the same start, `(batches, k, runs)`.
    - `threshold`: the mean over players of their values that counts as cooperation, in the units of the values;
        `None` where nothing was asked for.
    """

    batches: tuple[int, ...]
    horizon: int
    estimator: str
    truth: Run
    sampled: tuple[Run, ...]
    steps: NDArray[np.integer]
    distances: NDArray[np.floating]
    threshold: float | None

    def quantiles(self, *levels: float) -> NDArray[np.floating]:
        """Quantiles of distances over runs, `(levels, batches, k)`."""
        return np.quantile(self.distances, levels, axis=-1)

    @property
    def shares(self) -> tuple[float, ...] | None:
        """The share of runs whose final values, by mean over players, are at or above the threshold: with the truth
        first, then by batch."""
        if self.threshold is None:
            return None
        finals = (np.atleast_2d(own.values).mean(axis=-1) for own in (self.truth, *self.sampled))
        return tuple(float(np.mean(own >= self.threshold)) for own in finals)

    @property
    def complete(self) -> bool:
        """Whether no run was cut short by an interrupt."""
        return all(own.steps_done == own.steps for own in (self.truth, *self.sampled))

    def summary(self) -> str:
        """Distances at the end, and shares that cooperate, to read."""
        about = self.truth.provenance
        lines = [
            f"{self.truth.num_runs:,} runs of {self.truth.steps:,} steps by {self.estimator}, "
            f"{self.horizon} rounds: {about['name']}"
        ]
        middle, low, high = self.quantiles(0.5, 0.1, 0.9)[..., -1]
        shares = self.shares
        if shares is not None:
            lines.append(
                f"  share with values of at least {self.threshold:g}: {shares[0]:.3f} by the truth"
            )
        for k, batch in enumerate(self.batches):
            line = (
                f"  batch {batch:,}: policies are {middle[k]:.3f} from the exact ones at the end "
                f"(middle 80 %: {low[k]:.3f} to {high[k]:.3f})"
            )
            lines.append(line if shares is None else f"{line}; share {shares[k + 1]:.3f}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Downstream({self.estimator}, batches {self.batches}, {self.truth!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the median distance over the steps, and the middle 80 %, for each batch.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError(_REASON) from error
        ax = pyplot.subplots(layout="constrained")[1] if ax is None else ax
        middle, low, high = self.quantiles(0.5, 0.1, 0.9)
        for k, batch in enumerate(self.batches):
            (line,) = ax.plot(self.steps, middle[k], label=f"{batch:,} trajectories")
            ax.fill_between(
                self.steps, low[k], high[k], color=line.get_color(), alpha=0.2, linewidth=0
            )
        ax.set(xlabel="step", ylabel="distance from the exact run", title=self.estimator)
        ax.legend()
        return ax


def downstream(
    values: CompiledValue,
    learners: AbstractLearner | Sequence[AbstractLearner],
    estimator: AbstractEstimator,
    start: Sequence[Any] | Array,
    steps: int,
    batches: Sequence[int] = (64, 512),
    *,
    horizon: int = 150,
    runs: int | None = None,
    scale: float = 1.0,
    every: int = 1,
    threshold: float | None = None,
    seed: int = 0,
    progress: bool | AbstractMeter = False,
) -> Downstream:
    """Let a rule learn from estimates, from batches of several sizes, and from exact derivatives, all from the same
    starts.

    **Arguments:**

    - `values`: compiled, of a game with a discount below 1.
    - `learners`: one for all players, or one each; they see nothing but values and their derivatives.
    - `estimator`: by which derivatives are estimated.
    - `start`, `runs`, `scale`: as `start`, `batch` and `scale` of [`resolvent.numeric.learn`][].
    - `steps`, `every`: how many steps, and after how many of them to record.
    - `batches`, `horizon`: trajectories per estimate, and rounds of each.
    - `threshold`: the mean value over players that counts as cooperation.
    - `seed`: of the samples.
    - `progress`: whether to show bars on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.Downstream`][]. After Ctrl-C, of the steps that all runs have made.

    Raises `ValueError` or `TypeError`, naming the argument, for anything that is wrong before the first step.
    """
    values = check_sampled(values)
    if isinstance(batches, (str, int)) or not len(batches):
        raise ValueError(f"batches: expected a sequence of at least one, got {batches!r}")
    sizes = tuple(check_count(own, "batches") for own in batches)
    horizon = check_count(horizon, "horizon")
    rules = [learners] * values.num_players if isinstance(learners, AbstractLearner) else learners

    def run(playing: Sequence[AbstractLearner]) -> Run:
        return learn(
            values,
            playing,
            start,
            steps,
            batch=runs,
            scale=scale,
            record=_policies,
            every=every,
            progress=progress,
        )

    def estimated(batch: int) -> list[AbstractLearner]:
        return [Estimated(own, estimator, batch, horizon, seed) for own in rules]

    truth = run(rules)
    found = [run(estimated(batch)) for batch in sizes]
    marks = min((own.history["step"] for own in (truth, *found)), key=len)

    def policies(own: Run) -> NDArray[np.floating]:
        """`(k, runs, entries)`."""
        history = own.history["joint"][: len(marks)]
        return history.reshape(len(marks), own.num_runs, -1)

    exact = policies(truth)
    distances = np.stack([np.abs(policies(own) - exact).max(axis=-1) for own in found])
    return Downstream(
        batches=sizes,
        horizon=horizon,
        estimator=signature(estimator),
        truth=truth,
        sampled=tuple(found),
        steps=marks,
        distances=distances,
        threshold=threshold,
    )


def _policies(values: ValueFunction, params: tuple[Array, ...]) -> dict[str, Array]:
    """All players' policies, one after the other."""
    own = check_sampled(values).policies(params)
    return {"joint": jnp.concatenate([each.ravel() for each in own])}
