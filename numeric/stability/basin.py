r"""A verified basin: a ball from which learning provably converges to a fixed point.

With T a matrix for which $\lVert T F'(z^*) T^{-1} \rVert_2 < 1$ (Cholesky's factor of the solution P of the discrete
Lyapunov equation, $\lVert T x \rVert^2 = x^\top P x$, up to scale), let q be the largest
$\lVert T F'(z) T^{-1} \rVert_2$ in the ellipsoid $B(r) = \{z : \lVert T (z - c) \rVert_2 \le r\}$. If q < 1 then by the
mean value theorem, B being convex, F brings every point of the ellipsoid of the same shape around the fixed point
closer to it by the factor q, in this norm, at every step: from all of it learning converges.

T is scaled to norm 1, so that all starts within the Euclidean distance r of the centre are in B(r). The bound q is
of balls that cover B(r), halved where they are too coarse. This is sufficient: a basin of attraction may be larger,
and need not be convex.

Source: Banach 1922; on the Lyapunov equation Stein 1952, J. Res. Natl. Bur. Stand. 48, 82; on bounds by balls Neumaier,
*Interval methods for systems of equations* (Cambridge 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.stability.krawczyk import (
    BITS,
    PROOF,
    Existence,
    float_matrix,
    newton,
    prove_exists,
)
from resolvent.numeric.stability.proofs import (
    StabilityProof,
    plus_unit,
    positive_definite,
    prove_stable,
    quadratic_form,
)
from resolvent.numeric.stability.systems import System

LARGEST = 1e6
"""The largest radius that is tried where none is given: of globally contracting updates."""

_WORKING_BITS = 64


@dataclass(frozen=True, repr=False)
class VerifiedBasin:
    """Starts from which learning is proved to converge to a fixed point.

    **Fields:**

    - `status`: one of [`resolvent.numeric.PROOF`][]: proved; refuted (the fixed point is unstable, or another one is
        within the radius that was asked for); undecided.
    - `reason`: why.
    - `stability`: that the fixed point exists and is stable, a [`resolvent.numeric.StabilityProof`][].
    - `centre`: c, `(k,)`; next to the fixed point, and not it where that is no float.
    - `transform`: T, `(k, k)`.
    - `radius`: r: every start y with |T (y - c)| <= r converges; at the least those within the Euclidean
        distance r. 0 where nothing was proved.
    - `rate`: q: |T (y - fixed point)| shrinks at least by this factor in every step; None where nothing was
        proved.
    - `boxes`: how many boxes cover the ellipsoid.
    """

    status: PROOF
    reason: str
    stability: StabilityProof
    centre: NDArray[np.floating]
    transform: NDArray[np.floating]
    radius: float
    rate: float | None
    boxes: int
    names: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether a basin is proved."""
        return bool(self.status == PROOF.proved)

    def __bool__(self) -> bool:
        return self.proved

    @property
    def fixed_point(self) -> Existence:
        """That the fixed point exists."""
        return self.stability.fixed_point

    def contains(self, points: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which of the points, `(..., k)`, are in the proved basin for certain."""
        away = (np.asarray(points, float) - self.centre) @ self.transform.T
        # Less than rounding can add.
        return np.linalg.norm(away, axis=-1) <= self.radius * (1 - 1e-9) - 1e-300

    @property
    def half_widths(self) -> NDArray[np.floating]:
        """How far the basin extends along each coordinate, `(k,)`."""
        return self.radius * np.linalg.norm(np.linalg.inv(self.transform), axis=1)

    @property
    def volume(self) -> float:
        """Of the ellipsoid, in k dimensions."""
        from math import gamma, pi

        k = len(self.centre)
        unit = pi ** (k / 2) / gamma(k / 2 + 1)
        return unit * self.radius**k / abs(float(np.linalg.det(self.transform)))

    def __str__(self) -> str:
        return f"verified basin: {PROOF[self.status]}: {self.reason}"

    def __repr__(self) -> str:
        return f"VerifiedBasin({PROOF[self.status]}, radius={self.radius:.6g}, rate={self.rate})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the ellipse, for two coordinates.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        from resolvent.numeric.stability.drawing import axes

        if len(self.centre) != 2:
            raise ValueError(f"plot: expected two coordinates, got {len(self.centre)}")
        ax = axes(ax)
        angle = np.linspace(0, 2 * np.pi, 256)
        circle = self.radius * np.stack([np.cos(angle), np.sin(angle)])
        edge = self.centre[:, None] + np.linalg.solve(self.transform, circle)
        ax.fill(*edge, alpha=0.25, label="verified basin")
        ax.plot(*self.centre, "k.")
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        return ax


def verified_basin(
    system: System,
    point: Sequence[float] | NDArray[np.floating],
    radius: float | None = None,
    *,
    budget: int = 128,
    bits: int = BITS,
) -> VerifiedBasin:
    """Prove that learning converges to a fixed point from all starts in a ball around it.

    **Arguments:**

    - `system`: of learners, by [`resolvent.numeric.update_system`][].
    - `point`: next to the fixed point, `(d,)`.
    - `radius`: r of the ball to prove; default: the largest for which it is found to succeed, by halving.
    - `budget`: the most boxes that cover the ball at each radius tried. More of them make larger basins in more
        time.
    - `bits`: the precision of the fixed point.

    **Returns:** a [`resolvent.numeric.VerifiedBasin`][].

    **Raises:** `ValueError` for a flow.
    """
    if not system.discrete:
        raise ValueError("system: expected learners (update_system), got the gradient of a game")
    if radius is not None and not 0 < radius < np.inf:
        raise ValueError(f"radius: expected a positive number, or None, got {radius}")
    stability = prove_stable(system, point, bits=bits)
    existence = stability.fixed_point
    centre = existence.point
    blank = np.eye(system.size)

    def ended(status: PROOF, reason: str, transform: NDArray[np.floating] = blank) -> VerifiedBasin:
        return VerifiedBasin(
            status, reason, stability, centre, transform, 0.0, None, 0, system.names
        )

    if stability.refuted:
        return ended(PROOF.refuted, f"the fixed point has no basin: {stability.reason}")
    if not stability.proved or existence.enclosure is None:
        return ended(PROOF.undecided, stability.reason)
    with flint.ctx.workprec(_WORKING_BITS):
        transform = _norm(float_matrix(plus_unit(system.jacobian(existence.enclosure))))
        if transform is None:
            return ended(PROOF.undecided, "no norm was found in which the fixed point contracts")
        cover = _Cover(system, centre, transform, budget)
        slack = cover.distance(existence.enclosure)
        largest = cover.largest(slack) if radius is None else radius
        tried = cover.rate(largest + 2 * slack) if largest > 0 else None
    if tried is None:
        if radius is None:
            return ended(PROOF.undecided, "no ball was found on which it contracts", transform)
        other = _other(system, existence, transform, radius)
        if other is not None:
            at = ", ".join(f"{x:.6g}" for x in other)
            return ended(
                PROOF.refuted, f"another fixed point, ({at}), is within the radius", transform
            )
        return ended(
            PROOF.undecided,
            f"it could not be shown to contract everywhere within {radius:.3g}, which learning may do "
            "without; a smaller radius or a larger budget may succeed",
            transform,
        )
    rate, boxes = tried
    reason = (
        f"every start within {largest:.6g} of the fixed point converges; the distance shrinks by "
        f"{rate:.6g} or better in every step, in the norm of `transform`"
    )
    if radius is None and largest >= LARGEST:
        reason += " (the largest radius that was tried)"
    return VerifiedBasin(
        PROOF.proved, reason, stability, centre, transform, largest, rate, boxes, system.names
    )


def _norm(matrix: NDArray[np.floating]) -> NDArray[np.floating] | None:
    """T, scaled to norm 1."""
    spread = float(np.abs(np.linalg.eigvals(matrix)).max())
    form = quadratic_form(matrix, True, max((1 + spread) / 2, 1e-3))
    if form is None:
        return None
    transform = np.linalg.cholesky(form).T
    return transform / (np.linalg.norm(transform, 2) * (1 + 1e-12))


class _Cover:
    """Bounds of the contraction on ellipsoids around one centre, in the coordinates x = T (y - c)."""

    def __init__(
        self,
        system: System,
        centre: NDArray[np.floating],
        transform: NDArray[np.floating],
        budget: int,
    ) -> None:
        self.system, self.budget = system, budget
        self.centre = [flint.arb(x) for x in centre.tolist()]
        self.transform = flint.arb_mat(transform.tolist())
        self.back = self.transform.inv()

    def distance(self, enclosure: Sequence[Any]) -> float:
        """At most how far the fixed point is from the centre, in the norm of T."""
        away = [x - c for x, c in zip(enclosure, self.centre, strict=True)]
        column = (self.transform * flint.arb_mat([[x] for x in away])).tolist()
        squared = sum((row[0] * row[0] for row in column), flint.arb(0))
        return float(np.nextafter(float(squared.abs_upper()) ** 0.5 * (1 + 1e-12), np.inf))

    def largest(self, slack: float) -> float:
        """The largest radius that is found to succeed; 0 for none."""
        good = 0.0
        radius = 1.0
        while good < LARGEST:
            if self.rate(radius + 2 * slack) is None:
                break
            good, radius = radius, min(4 * radius, LARGEST)
        if good == LARGEST:
            return good
        bad = radius
        while good == 0:
            radius = bad / 4
            if radius < max(1e-12, 4 * slack):
                return 0.0
            if self.rate(radius + 2 * slack) is None:
                bad = radius
            else:
                good = radius
        for _ in range(4):
            radius = float(np.sqrt(good * bad))
            if self.rate(radius + 2 * slack) is None:
                bad = radius
            else:
                good = radius
        return good

    def rate(self, radius: float) -> tuple[float, int] | None:
        """An upper bound of q on B(radius), if it is below 1, and how many boxes it took."""
        size = len(self.centre)
        todo = [np.array([[-radius, radius]] * size)]
        worst, boxes = 0.0, 0
        while todo:
            if boxes + len(todo) > self.budget:
                return None
            sides = todo.pop()
            box = [flint.arb(low).union(flint.arb(high)) for low, high in sides.tolist()]
            if size > 1 and self._outside(box, radius):
                continue
            boxes += 1
            found = self._contraction(box)
            if found is not None and found < 1:
                worst = max(worst, found)
                continue
            middle = sides.mean(axis=1)
            at = self._contraction([flint.arb(x) for x in middle.tolist()])
            # Where the middle itself does not contract nothing will help.
            if at is None or (at >= 1 and float(np.linalg.norm(middle)) <= radius):
                return None
            side = int((sides[:, 1] - sides[:, 0]).argmax())
            for k in (0, 1):
                half = sides.copy()
                half[side, k] = middle[side]
                todo.append(half)
        return worst, boxes

    def _outside(self, box: Sequence[Any], radius: float) -> bool:
        squared = sum((own.abs_lower() * own.abs_lower() for own in box), flint.arb(0))
        return bool(squared > flint.arb(radius) * flint.arb(radius))

    def _contraction(self, box: Sequence[Any]) -> float | None:
        """A bound of |T F' T^-1| on a box of x."""
        moved = (self.back * flint.arb_mat([[own] for own in box])).tolist()
        where = [c + row[0] for c, row in zip(self.centre, moved, strict=True)]
        if not self.system.guarded(where):
            return None
        slope = self.transform * plus_unit(self.system.jacobian(where)) * self.back
        return norm_bound(slope)


def norm_bound(matrix: Any) -> float | None:
    """An upper bound of the spectral norm of every matrix in a matrix of balls; None where it is not finite.

    The square of the norm is the largest eigenvalue of A'A, which is below b where b - A'A is positive definite;
    b is the largest of the middle's, in floats, and some more.
    """
    rows = matrix.tolist()
    if not all(own.is_finite() for row in rows for own in row):
        return None
    squares = matrix.transpose() * matrix
    size = matrix.nrows()
    sure = sum((own.abs_upper() * own.abs_upper() for row in rows for own in row), flint.arb(0))
    least = float(np.nextafter(float(sure.abs_upper()) ** 0.5 * (1 + 1e-12), np.inf))
    if size == 1:
        return least
    middle = float(np.linalg.norm(float_matrix(matrix), 2))
    wide = float(np.linalg.norm([[float(own.rad()) for own in row] for row in rows]))
    for guess in (middle + wide / 2, middle + wide, 1 - 1e-12):
        guess = max(guess * (1 + 1e-12), 1e-150)
        if guess >= least:
            continue
        bound = flint.arb(guess) * flint.arb(guess)
        rest = flint.arb_mat(
            size, size, [bound if r == c else 0 for r in range(size) for c in range(size)]
        )
        if positive_definite(rest - squares):
            return guess
    return least


def _other(
    system: System, existence: Existence, transform: NDArray[np.floating], radius: float
) -> NDArray[np.floating] | None:
    """Another fixed point, proved to be in the ball: then it is no basin."""
    generator = np.random.default_rng(0)
    size = len(existence.point)
    for _ in range(32):
        direction = generator.normal(size=size)
        direction *= radius * generator.uniform() ** (1 / size) / np.linalg.norm(direction)
        start = existence.point + np.linalg.solve(transform, direction)
        at = newton(system, start, 30)
        if not np.isfinite(at).all():
            continue
        if np.linalg.norm(transform @ (at - existence.point)) > radius * (1 - 1e-6):
            continue
        made = prove_exists(system, at, max(1e-6 * radius, 1e-9))
        if made.enclosure is None or existence.enclosure is None:
            continue
        pairs = zip(made.enclosure, existence.enclosure, strict=True)
        if any(not x.overlaps(y) for x, y in pairs):
            return made.point
    return None
