r"""Proof that there is one fixed point in a box, or none.

$$ K(X) = m - Y \Delta(m) + (I - Y J(X)) (X - m) $$

with m the middle of the box X and Y an approximate inverse of the Jacobian there. Every zero of $\Delta$ in X is
in K(X). Where K(X) and X have nothing in common there is none; where K(X) lies in the interior of X there is exactly
one. All numbers are balls, rounded outwards.

Source: Krawczyk 1969, Computing 4, 187; Moore 1977, SIAM J. Numer. Anal. 14, 611; Neumaier, *Interval methods for
systems of equations* (Cambridge 1990), chapter 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.stability.systems import System

BITS = 128
"""The precision of certificates."""

Box = tuple[Any, ...]
"""One `flint.arb` per coordinate."""


class PROOF(eqx.Enumeration):
    """What is known about a claim; each member is its message, `PROOF[status]`."""

    proved = "proved"
    refuted = "refuted"
    undecided = "undecided"


def middle(box: Sequence[Any]) -> NDArray[np.floating]:
    """The middle of a box, rounded to floats."""
    return np.array([float(own.mid()) for own in box])


def radii(box: Sequence[Any]) -> NDArray[np.floating]:
    """The radii of a box, rounded up to floats."""
    return np.array([np.nextafter(float(own.rad()), np.inf) for own in box])


def around(point: Sequence[float] | NDArray[np.floating], radius: Any) -> Box:
    """The box of a radius, or of one per coordinate, around a point."""
    wide = np.broadcast_to(np.asarray(radius, float), np.shape(point)).tolist()
    return tuple(
        flint.arb(x, r) for x, r in zip(np.asarray(point, float).tolist(), wide, strict=True)
    )


def inside(inner: Sequence[Any], outer: Sequence[Any]) -> bool:
    """Whether a box is in the interior of another for certain."""
    return all(bool(big.contains_interior(small)) for small, big in zip(inner, outer, strict=True))


def contained(inner: Sequence[Any], outer: Sequence[Any]) -> bool:
    """Whether a box is in another for certain."""
    return all(bool(big.contains(small)) for small, big in zip(inner, outer, strict=True))


def common(left: Sequence[Any], right: Sequence[Any]) -> Box | None:
    """A box around what two boxes share; None where they share nothing for certain."""
    shared: list[Any] = []
    for x, y in zip(left, right, strict=True):
        if not y.is_finite():
            shared.append(x)
        elif not x.overlaps(y):
            return None
        else:
            shared.append(x if y.contains(x) else y if x.contains(y) else x.intersection(y))
    return tuple(shared)


def product(matrix: Any, vector: Sequence[Any]) -> list[Any]:
    """A matrix times a vector, in balls."""
    return [row[0] for row in (matrix * flint.arb_mat([[own] for own in vector])).tolist()]


def inverse(matrix: NDArray[np.floating]) -> NDArray[np.floating] | None:
    """An approximate inverse, or None where there is none to speak of."""
    if not np.isfinite(matrix).all():
        return None
    try:
        found = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return None
    size = np.linalg.norm(found, np.inf) * np.linalg.norm(matrix, np.inf)
    return found if size < 1e13 else None


def float_matrix(matrix: Any) -> NDArray[np.floating]:
    """The middle of a matrix of balls."""
    return np.array([[float(own.mid()) for own in row] for row in matrix.tolist()])


def image(system: System, box: Sequence[Any], jacobian: Any | None = None) -> list[Any] | None:
    """K(X), or None where there is no inverse to build it with.

    **Arguments:** `jacobian`: of the field on the box, where it is known already.
    """
    slope = system.jacobian(box) if jacobian is None else jacobian
    centre = middle(box)
    approximate = inverse(float_matrix(slope))
    if approximate is None:
        return None
    points = [flint.arb(x) for x in centre.tolist()]
    weights = flint.arb_mat(approximate.tolist())
    size = len(points)
    rest = flint.arb_mat(size, size, [float(r == c) for r in range(size) for c in range(size)])
    rest = rest - weights * slope
    steps = product(weights, system(points))
    away = product(rest, [x - m for x, m in zip(box, points, strict=True)])
    return [m - step + own for m, step, own in zip(points, steps, away, strict=True)]


@dataclass(frozen=True, repr=False)
class Existence:
    """Whether there is a fixed point, and only one, next to a point.

    **Fields:**

    - `status`: one of [`resolvent.numeric.PROOF`][]. Proved: exactly one zero of the system in the box around
        `point` of radius `unique_radius`; refuted: none.
    - `reason`: why.
    - `point`: the middle of what encloses it (where nothing was proved, the point that was given), `(k,)`.
    - `enclosure`: where proved, a box that contains it: one `flint.arb` per coordinate.
    - `radius`: it differs from `point` by at most this in every coordinate.
    - `unique_radius`: it is the only one that differs from `point` by at most this in every coordinate.
    """

    status: PROOF
    reason: str
    point: NDArray[np.floating]
    enclosure: Box | None
    radius: float | None
    unique_radius: float | None

    @property
    def proved(self) -> bool:
        """Whether the fixed point is proved to exist."""
        return bool(self.status == PROOF.proved)

    def __bool__(self) -> bool:
        return self.proved

    def __str__(self) -> str:
        return f"{PROOF[self.status]}: {self.reason}"

    def __repr__(self) -> str:
        return f"Existence({PROOF[self.status]}, point={self.point.tolist()}, radius={self.radius})"


def newton(system: System, point: NDArray[np.floating], steps: int = 50) -> NDArray[np.floating]:
    """Newton's method in floats; where it fails, as far as it came."""
    for _ in range(steps):
        field, slope = system.floats(point), system.float_jacobian(point)
        if not (np.isfinite(field).all() and np.isfinite(slope).all()):
            return point
        step = np.linalg.lstsq(slope, field, rcond=1e-12)[0]
        point = point - step
        if np.abs(step).max() <= 1e-15 * (1 + np.abs(point).max()):
            return point
    return point


def prove_exists(
    system: System,
    point: Sequence[float] | NDArray[np.floating],
    radius: float = 1e-2,
    bits: int = BITS,
) -> Existence:
    """Prove that there is one fixed point, and no other, close to a point.

    **Arguments:**

    - `system`: of a game (its zeros are the game's fixed points) or of learners (where learning rests).
    - `point`: the parameters z, `(d,)`; Newton's method goes on from there.
    - `radius`: how far from `point` the fixed point may be, in every coordinate.
    - `bits`: the precision of the balls.

    **Returns:** an [`resolvent.numeric.Existence`][]: *refuted* is that there is none within the radius.
    """
    if not 0 < radius < np.inf:
        raise ValueError(f"radius: expected a positive number, got {radius}")
    given = system.extend(point)
    with flint.ctx.workprec(bits):
        whole = around(given, radius)
        field = system(whole)
        off = next(
            (k for k, own in enumerate(field) if own.is_finite() and not own.contains(0)), -1
        )
        if off >= 0 and system.guarded(whole):
            reason = f"the field's entry for {system.names[off]} is not 0 anywhere within {radius:.1e} of the point"
            return Existence(PROOF.refuted, reason, given, None, None, None)
        found = newton(system, given)
        if not np.abs(found - given).max() <= radius:
            return _undecided(
                given, f"Newton's method finds no zero within {radius:.1e} of the point"
            )
        return _certified(system, given, found, radius)


def _undecided(point: NDArray[np.floating], reason: str) -> Existence:
    return Existence(PROOF.undecided, reason, point, None, None, None)


def _certified(
    system: System, given: NDArray[np.floating], found: NDArray[np.floating], radius: float
) -> Existence:
    """The test around an approximate zero, and the largest box in which it is the only one."""
    scale = 1e-14 * (1 + float(np.abs(found).max()))
    for start in (scale, 1e3 * scale, 1e6 * scale, 1e9 * scale):
        box = around(found, start)
        if not system.guarded(box):
            return _undecided(
                given, "the rule's cases change at the point, where its update has no one formula"
            )
        mapped = image(system, box)
        if mapped is None:
            return _undecided(
                given,
                "the Jacobian is singular, or nearly so: the fixed point, if it is one, is not isolated or is "
                "degenerate",
            )
        if inside(mapped, box):
            break
    else:
        return _undecided(given, "Krawczyk's test did not contract around the zero found in floats")
    unique = start
    while unique < radius:
        wider = around(found, min(4 * unique, radius))
        mapped_wide = image(system, wider)
        if not (system.guarded(wider) and mapped_wide and inside(mapped_wide, wider)):
            break
        unique = min(4 * unique, radius)
    box = tuple(mapped)
    for _ in range(4):
        again = image(system, box)
        sharper = None if again is None else common(box, again)
        if sharper is None:
            break
        box = sharper
    centre = middle(box)
    away = float(radii(box).max() + np.abs(centre - found).max()) * (1 + 1e-9)
    reason = (
        f"exactly one fixed point within {unique:.1e} of the point found, in every coordinate; it is enclosed to "
        f"{radii(box).max():.1e}"
    )
    close = float((radii(box) + np.spacing(np.abs(centre))).max())
    return Existence(PROOF.proved, reason, centre, box, close, max(unique - away, close))
