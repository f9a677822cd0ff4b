r"""Eigenvalues with a bound on their rounding error, and verdicts that keep to it.

A simple eigenvalue of M with left and right eigenvectors y, x of norm 1 moves by at most
$\kappa \, \|E\|$ to first order under a perturbation E, $\kappa = 1 / |y^* x|$; any eigenvalue by about
$\|E\|^{1/d} \, \|M\|^{1 - 1/d}$ (Elsner 1985, Linear Algebra Appl. 71, 77).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eig

# Of derivatives by long programs, and of the eigenvalue algorithm.
ROUNDING = 256 * np.finfo(float).eps


class VERDICT(eqx.Enumeration):
    """What floating point says of a statement; each member is its message, `VERDICT[verdict]`.

    These are not proofs: intervals prove."""

    holds = "it holds, by more than rounding could account for"
    fails = "it fails, by more than rounding could account for"
    undecided = "undecided: within rounding of the boundary between the two"


@dataclass(frozen=True)
class Verdict:
    """A statement about a point, whether it holds there, and why.

    **Fields:** `status`, a [`resolvent.numeric.VERDICT`][]; `reason`, the numbers that decide.

    `bool(verdict)` is whether the statement holds; `undecided` is neither.
    """

    status: VERDICT
    reason: str

    @property
    def holds(self) -> bool:
        return bool(self.status == VERDICT.holds)

    @property
    def fails(self) -> bool:
        return bool(self.status == VERDICT.fails)

    @property
    def undecided(self) -> bool:
        return bool(self.status == VERDICT.undecided)

    @property
    def word(self) -> str:
        """`yes`, `no` or `?`."""
        return "yes" if self.holds else "no" if self.fails else "?"

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a real matrix.

    **Fields:**

    - `eigenvalues`: `(d,)`, complex.
    - `errors`: `(d,)`, how far rounding can have moved each, to first order.
    """

    eigenvalues: NDArray[np.complexfloating]
    errors: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.eigenvalues)


def spectrum(matrix: NDArray[np.floating], floor: float = 0.0) -> Spectrum:
    """The eigenvalues of a square matrix and their errors, sorted by falling real part.

    **Arguments:** `floor`: errors are at least this, where the matrix itself is known no better.
    """
    M = np.asarray(matrix, float)
    d = len(M)
    if d == 0:
        return Spectrum(np.zeros(0, complex), np.zeros(0))
    if not np.isfinite(M).all():
        return Spectrum(np.full(d, np.nan, complex), np.full(d, np.inf))
    size = float(np.linalg.norm(M, 2))
    values: Any
    if (M == M.T).all():
        values, errors = np.linalg.eigvalsh(M).astype(complex), np.full(d, ROUNDING * size)
    else:
        factors: Any = eig(M, left=True, right=True)
        values, left, right = factors
        overlap = np.abs(np.einsum("ij,ij->j", np.conj(left), right))
        with np.errstate(divide="ignore"):
            simple = ROUNDING * size / overlap
        # A multiple eigenvalue with enough eigenvectors moves little, whatever the overlap of those that
        # were returned; one with too few by a root.
        errors = np.minimum(simple, ROUNDING ** (1 / d) * size)
    order = np.lexsort((values.imag, -values.real))
    return Spectrum(values[order], np.maximum(errors[order], floor))


def positive(
    matrix: NDArray[np.floating], floor: float = 0.0
) -> tuple[VERDICT, VERDICT, float, float]:
    """Of a symmetric matrix: whether it is positive definite, whether it has a positive eigenvalue, and its smallest
    and largest eigenvalue. What is 0 within rounding counts as 0."""
    found = spectrum((matrix + matrix.T) / 2, floor)
    real = found.eigenvalues.real
    least, largest = float(real.min(initial=np.inf)), float(real.max(initial=-np.inf))
    if not np.isfinite(real).all():
        return VERDICT.undecided, VERDICT.undecided, least, largest
    above = real - found.errors > 0
    definite = VERDICT.holds if above.all() else VERDICT.fails
    return definite, VERDICT.holds if above.any() else VERDICT.fails, least, largest
