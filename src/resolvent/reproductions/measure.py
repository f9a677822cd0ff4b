"""What the experiments share: final payoffs of a batch, and their means with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from resolvent import __version__
from resolvent.numeric import AbstractLearner, AbstractMeter, Run, ValueFunction, learn

Rules = AbstractLearner | Sequence[AbstractLearner]


class Estimate(NamedTuple):
    """A number and its standard error."""

    number: float
    error: float


def mean(sample: NDArray[np.floating]) -> Estimate:
    """The mean of independent numbers."""
    return Estimate(float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(sample.size)))


def spread(sample: NDArray[np.floating]) -> Estimate:
    """The standard deviation of independent numbers; its error by the fourth moment (delta method)."""
    centred = sample - sample.mean()
    variance, fourth = np.mean(centred**2), np.mean(centred**4)
    error = np.sqrt(max(fourth - variance**2, 0) / (4 * max(variance, 1e-300) * sample.size))
    return Estimate(float(sample.std(ddof=1)), float(error))


def share(hits: NDArray[np.bool_]) -> Estimate:
    """Percentage of runs; the error never 0, by Agresti and Coull's two added successes and failures."""
    p = (hits.sum() + 2) / (hits.size + 4)
    return Estimate(100 * float(hits.mean()), 100 * float(np.sqrt(p * (1 - p) / (hits.size + 4))))


def play(
    values: ValueFunction,
    rules: Rules,
    key: Any,
    steps: int,
    runs: int,
    progress: bool | AbstractMeter,
    **options: Any,
) -> Run:
    """`learn` from random starts; raises `KeyboardInterrupt` where Ctrl-C has ended it early."""
    run = learn(values, rules, key, steps, batch=runs, progress=progress, **options)
    if run.steps_done < run.steps:
        raise KeyboardInterrupt
    return run


def finished(run: Run) -> NDArray[np.bool_]:
    """Which runs were finite to the end, `(runs,)`."""
    return np.ravel(run.failed_player) < 0


def per_round(run: Run) -> NDArray[np.floating]:
    """Final payoffs per round of the runs that were finite to the end, `(finished, n)`."""
    return run.values[finished(run)] * scale_of(run)


def scale_of(run: Run) -> NDArray[np.floating] | float:
    """What values are multiplied by to give payoffs per round."""
    if run.normalise != "sum" or run.discounts is None:
        return 1.0
    return np.array([float(1 - g) for g in run.discounts])


def versions() -> dict[str, str]:
    """Of the software that computes."""
    return {"resolvent": __version__, "jax": jax.__version__}
