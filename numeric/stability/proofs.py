r"""Proof that a fixed point is stable, or that it is not.

For learners, $F(y) = y + \Delta(y)$, the fixed point is stable if all eigenvalues of $F' = I + J$ lie inside the unit
circle, and unstable if one lies outside; for the gradient flow $dz/dt = w(z)$, if all eigenvalues of J have negative
real parts, or one a positive part. Balls around all eigenvalues come from FLINT, for every matrix in the ball
around the Jacobian. Where they cannot be isolated two sufficient tests remain:

- stable, if $P - F'^\top P F'$ (of the flow: $-(J^\top P + P J)$) is positive definite for some P that is, which
  Cholesky's decomposition in balls shows (Lyapunov 1892; Stein 1952);
- unstable, if $|\det F'| > 1$ or $|\mathrm{tr}\, F'| > k$ (of the flow: $\mathrm{tr}\, J > 0$).

On the boundary itself nothing is decided, and there the Jacobian does not decide: SOS of the bilinear game is slower
than any rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, solve_continuous_lyapunov, solve_discrete_lyapunov

from resolvent.numeric.stability.krawczyk import (
    BITS,
    PROOF,
    Existence,
    float_matrix,
    prove_exists,
)
from resolvent.numeric.stability.systems import System


@dataclass(frozen=True, repr=False)
class StabilityProof:
    """Whether a fixed point is proved to be stable.

    **Fields:**

    - `status`: one of [`resolvent.numeric.PROOF`][]: stable, refuted (proved to be unstable: almost all starts next
        to it leave it), or undecided.
    - `reason`: why.
    - `fixed_point`: that it exists.
    - `eigenvalues`: balls, `flint.acb`, around all eigenvalues of F' (of the flow: of J); `()` where they could
        not be isolated.
    - `measure`: bounds, least and greatest, of the spectral radius of F' (of the flow: of the largest real part),
        rounded outwards; None where it is not known.
    """

    status: PROOF
    reason: str
    fixed_point: Existence
    eigenvalues: tuple[Any, ...]
    measure: tuple[float, float] | None

    @property
    def proved(self) -> bool:
        """Whether it is proved to be stable."""
        return bool(self.status == PROOF.proved)

    @property
    def refuted(self) -> bool:
        """Whether it is proved to be unstable."""
        return bool(self.status == PROOF.refuted)

    def __bool__(self) -> bool:
        return self.proved

    def __str__(self) -> str:
        return f"stable: {PROOF[self.status]}: {self.reason}"

    def __repr__(self) -> str:
        return f"StabilityProof({PROOF[self.status]}, measure={self.measure})"


def prove_stable(
    system: System,
    point: Sequence[float] | NDArray[np.floating],
    radius: float = 1e-2,
    bits: int = BITS,
) -> StabilityProof:
    """Prove that a fixed point exists, and that it is stable or unstable.

    **Arguments:**

    - `system`: of learners (`update_system`), or the gradient flow of a game (`gradient_system`).
    - `point`, `radius`, `bits`: as of [`resolvent.numeric.prove_exists`][].

    **Returns:** a [`resolvent.numeric.StabilityProof`][].
    """
    existence = prove_exists(system, point, radius, bits)
    if not existence.proved or existence.enclosure is None:
        reason = f"no fixed point is proved to exist: {existence.reason}"
        return StabilityProof(PROOF.undecided, reason, existence, (), None)
    with flint.ctx.workprec(bits):
        matrix = system.jacobian(existence.enclosure)
        matrix = plus_unit(matrix) if system.discrete else matrix
        found = _by_eigenvalues(system.discrete, existence, matrix)
        if found.status != PROOF.undecided:
            return found
        return _by_tests(system.discrete, existence, matrix) or found


def plus_unit(matrix: Any) -> Any:
    """I + J, in balls."""
    size = matrix.nrows()
    return matrix + flint.arb_mat(
        size, size, [int(r == c) for r in range(size) for c in range(size)]
    )


def _by_eigenvalues(discrete: bool, existence: Existence, matrix: Any) -> StabilityProof:
    try:
        balls = tuple(flint.acb_mat(matrix).eig(multiple=True))
    except ValueError:
        return StabilityProof(
            PROOF.undecided, "the eigenvalues cannot be isolated", existence, (), None
        )
    sizes = [abs(own) if discrete else own.real for own in balls]
    low = max(float(own.lower()) for own in sizes)
    high = max(float(own.upper()) for own in sizes)
    measure = (np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
    bound = 1 if discrete else 0
    what = "spectral radius" if discrete else "largest real part of an eigenvalue"
    shown = f"the {what} is in [{measure[0]:.12g}, {measure[1]:.12g}]"
    if all(bool(own < bound) for own in sizes):
        status, reason = PROOF.proved, f"{shown}, below {bound}"
    elif any(bool(own > bound) for own in sizes):
        status, reason = PROOF.refuted, f"{shown}, above {bound}: it is unstable"
    else:
        status = PROOF.undecided
        reason = f"{shown}, which {bound} is not told from: it may be marginal"
    return StabilityProof(status, reason, existence, balls, measure)


def _by_tests(discrete: bool, existence: Existence, matrix: Any) -> StabilityProof | None:
    """The sufficient tests, where eigenvalues were of no avail."""
    if lyapunov(matrix, discrete) is not None:
        reason = (
            "a Lyapunov function decreases: a quadratic form found in floats, verified in balls"
        )
        return StabilityProof(PROOF.proved, reason, existence, (), None)
    size = matrix.nrows()
    if discrete and bool(abs(matrix.det()) > 1):
        reason = "the determinant is larger than 1: an eigenvalue is outside the unit circle"
        return StabilityProof(PROOF.refuted, reason, existence, (), None)
    if bool(abs(matrix.trace()) > size) if discrete else bool(matrix.trace() > 0):
        reason = "the trace is too large for all eigenvalues to be stable"
        return StabilityProof(PROOF.refuted, reason, existence, (), None)
    return None


def lyapunov(matrix: Any, discrete: bool) -> NDArray[np.floating] | None:
    """A positive definite P that shows a matrix of balls to be stable, verified; None where there is none."""
    form = quadratic_form(float_matrix(matrix), discrete)
    if form is None:
        return None
    exact = flint.arb_mat(form.tolist())
    across = matrix.transpose() * exact
    falls = exact - across * matrix if discrete else -(across + across.transpose())
    return form if positive_definite(exact) and positive_definite(falls) else None


def quadratic_form(
    matrix: NDArray[np.floating], discrete: bool, rate: float = 1.0
) -> NDArray[np.floating] | None:
    """P of the Lyapunov equation $M^\\top P M - r^2 P = -r^2 I$ (of a flow: $M^\\top P + P M = -I$), in floats."""
    unit = np.eye(len(matrix))
    values = np.linalg.eigvals(matrix)
    excess = np.abs(values).max() - rate if discrete else values.real.max()
    # Closer to the boundary the equation is singular, to rounding.
    if not excess < -1e-12 * (1 + np.abs(values).max()):
        return None
    try:
        if discrete:
            form = solve_discrete_lyapunov((matrix / rate).T, unit)
        else:
            form = solve_continuous_lyapunov(matrix.T, -unit)
    except (LinAlgError, ValueError):
        return None
    form = np.real(form + form.T) / 2
    if not np.isfinite(form).all() or np.linalg.eigvalsh(form)[0] <= 0:
        return None
    return form


def positive_definite(matrix: Any) -> bool:
    """Whether every symmetric matrix in a matrix of balls is positive definite, by Cholesky."""
    size = matrix.nrows()
    factor: list[list[Any]] = [[flint.arb(0)] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            rest = matrix[row, column]
            for k in range(column):
                rest -= factor[row][k] * factor[column][k]
            if row != column:
                factor[row][column] = rest / factor[column][column]
            elif bool(rest > 0):
                factor[row][row] = rest.sqrt()
            else:
                return False
    return True
