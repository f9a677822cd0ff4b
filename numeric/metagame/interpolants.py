"""Smooth functions on an interval, in parts on which interpolation tells them: their zeros, and where they are highest.

Each part is a Chebyshev interpolant, whose zeros are eigenvalues of its colleague matrix (Trefethen, *Approximation
theory and approximation practice*, SIAM 2013, chapters 3 and 18).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Floats = NDArray[np.floating]

POINTS = 33
"""Samples of a part; functions are called with this many points at a time, so that one program serves all."""

_NODES = np.cos(np.pi * (np.arange(POINTS) + 0.5) / POINTS)
_TO_COEFFICIENTS = (2 / POINTS) * chebyshev.chebvander(_NODES, POINTS - 1).T
_TO_COEFFICIENTS[0] /= 2
# Of a function resolved: the last coefficients, of its unit or its largest value.
_RESOLVED = 1e-12
_DEEPEST = 10


class Part(NamedTuple):
    """A function on an interval: its samples `(points, ...)` and Chebyshev coefficients."""

    low: float
    high: float
    samples: Floats
    coefficients: Floats


def resolved(function: Any, low: float, high: float, unit: float, depth: int = 0) -> Iterator[Part]:
    """Parts on each of which interpolation tells the function to about 12 digits of `unit`."""
    samples = function(low + (high - low) * (_NODES + 1) / 2)
    coefficients = np.tensordot(_TO_COEFFICIENTS, samples, axes=1)
    size = max(float(np.abs(samples).max()), unit)
    if np.abs(coefficients[-3:]).max() <= _RESOLVED * size or depth >= _DEEPEST:
        yield Part(low, high, samples, coefficients)
        return
    middle = (low + high) / 2
    yield from resolved(function, low, middle, unit, depth + 1)
    yield from resolved(function, middle, high, unit, depth + 1)


def zeros(part: Part, live: NDArray[np.bool_]) -> Iterator[float]:
    """All zeros of those entries of a function that are not zero throughout."""
    for entry in part.coefficients[:, live].T:
        yield from _roots(part, entry)


def _roots(part: Part, coefficients: Floats) -> Iterator[float]:
    size = np.abs(coefficients)
    if size.max() == 0:
        return
    degree = int(np.flatnonzero(size > 1e-15 * size.max())[-1])
    if degree == 0:
        return
    roots = chebyshev.chebroots(coefficients[: degree + 1])
    real = roots.real[(np.abs(roots.imag) < 1e-7) & (np.abs(roots.real) <= 1 + 1e-9)]
    yield from (part.low + (part.high - part.low) * (np.clip(real, -1, 1) + 1) / 2)


def top(function: Any, low: float, high: float, unit: float) -> tuple[float, float]:
    """Where a smooth function is highest, and how high."""
    points = [low, high]
    for part in resolved(function, low, high, unit):
        points += list(_roots(part, chebyshev.chebder(part.coefficients)))
    heights = function(points)
    best = int(np.argmax(heights))
    return float(points[best]), float(heights[best])
