"""What a benchmark of estimators measures: cells, the cost of the exact path, and where the two break even."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

HEADERS = (
    "estimator",
    "quantity",
    "batch",
    "bias / exact",
    "deviation / exact",
    "cosine",
    "correlation",
    "relative error",
    "seconds",
    "x exact",
)
"""What `row` says."""


@dataclass(frozen=True)
class BenchmarkCell:
    """One estimator, quantity and batch. Lengths are Euclidean, of all entries of the quantity, in the units of the
    values; averages are over the profiles, of squares for `bias`, `noise` and `exact_norm`.

    **Fields:**

    - `estimator`, `quantity`, `batch`: which.
    - `rounds`: played for one estimate.
    - `exact_norm`: the length of the exact quantity.
    - `bias`: the length of the mean error over repeats, and `noise`, how long it is expected to be where there is no
        bias: only a bias of several times the noise is one.
    - `variance`: the trace of the covariance of one estimate, with one degree of freedom less than repeats.
    - `cosine`, `correlation`, `relative_error`: of single estimates with the exact quantity, on average; Pearson's
        correlation of the entries, and the length of the error over that of the exact quantity. Each with its
        standard error over repeats.
    - `known_bias`, `known_variance`: of the gradient in closed form, NaN where there is none.
    - `seconds`: for one estimate, the median over repeats; `compile_seconds`: the first call, less that.
    """

    estimator: str
    quantity: str
    batch: int
    rounds: int
    exact_norm: float
    bias: float
    noise: float
    variance: float
    cosine: float
    cosine_error: float
    correlation: float
    correlation_error: float
    relative_error: float
    relative_error_error: float
    known_bias: float
    known_variance: float
    seconds: float
    compile_seconds: float


@dataclass(frozen=True)
class ExactCost:
    """What the exact path costs: `seconds` a call, and `compile_seconds` once."""

    quantity: str
    seconds: float
    compile_seconds: float


@dataclass(frozen=True)
class BreakEven:
    """The batch at which an estimate takes as long as the exact quantity.

    **Fields:** `batch`: NaN where it is outside of what was measured; `side`: `""`, `"below"` the smallest batch
    or `"above"` the largest one, `bound`.
    """

    batch: float
    side: Literal["", "below", "above"]
    bound: int

    def __str__(self) -> str:
        return f"{self.side} {self.bound:,}" if self.side else f"{self.batch:,.0f}"


def duration(seconds: float) -> str:
    """A time in the unit in which it can be read."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def row(own: BenchmarkCell, exact: float) -> list[str]:
    """A cell as text, in the columns of `HEADERS`; `exact`: the seconds of the exact path."""
    size = own.exact_norm or math.nan
    bias = f"{own.bias / size:.3f} ({own.noise / size:.3f})"
    return [
        own.estimator,
        own.quantity,
        f"{own.batch:,}",
        bias,
        f"{math.sqrt(own.variance) / size:.3f}",
        _share(own.cosine),
        _share(own.correlation),
        f"{own.relative_error:.3f} ± {own.relative_error_error:.3f}",
        duration(own.seconds),
        f"{own.seconds / exact:,.0f}"
        if own.seconds >= 10 * exact
        else f"{own.seconds / exact:.2g}",
    ]


def _share(own: float) -> str:
    """A cosine or a correlation; none is known of what does not vary."""
    return f"{own:.4f}" if math.isfinite(own) else "–"
