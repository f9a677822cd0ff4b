r"""All fixed points in a box, and proof that none was missed: branch and prune.

The box is halved again and again. A part is done with where some entry of the field cannot be 0 on it, by the
program in balls or by the mean value form $\Delta(m) + J(X)(X - m)$; where Krawczyk's K(X) does not meet it; or where
it lies in a box known to hold exactly one fixed point. What is still there when it has become small, or when the
budget is spent, is reported as undecided: around fixed points that are not isolated (Tandem has a line of them) this
must be so.

Source: Neumaier, *Interval methods for systems of equations* (Cambridge 1990), chapter 5; Hansen and Walster, *Global
optimization using interval analysis* (2nd ed., 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.stability.krawczyk import (
    BITS,
    PROOF,
    Box,
    Existence,
    common,
    contained,
    image,
    inside,
    middle,
    newton,
    product,
    prove_exists,
)
from resolvent.numeric.stability.systems import System

Interval = tuple[float, float]


@dataclass(frozen=True, repr=False)
class FixedPointProof:
    """The fixed points in a region, and whether these are proved to be all.

    **Fields:**

    - `status`: one of [`resolvent.numeric.PROOF`][], of the claim that `points` are all fixed points in the
        region, and no others are there.
    - `reason`: why.
    - `region`: the region, `(k, 2)`.
    - `points`: one [`resolvent.numeric.Existence`][] for each, proved to exist and enclosed. All are in the region,
        those of `border` aside.
    - `border`: which of `points` may be just outside: their enclosures meet the border of the region.
    - `undecided`: parts of the region, `(m, k, 2)`, in which there may be more; touching ones are joined to their
        common hull.
    - `boxes`: how many boxes were looked at.
    """

    status: PROOF
    reason: str
    region: NDArray[np.floating]
    points: tuple[Existence, ...]
    border: tuple[int, ...]
    undecided: NDArray[np.floating]
    boxes: int
    name: str
    names: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether no fixed point was missed."""
        return bool(self.status == PROOF.proved)

    def __bool__(self) -> bool:
        return self.proved

    def __len__(self) -> int:
        return len(self.points)

    def summary(self) -> str:
        """What was found, to read."""
        lines = [f"fixed points of {self.name}: {PROOF[self.status]}: {self.reason}"]
        for own in self.points:
            # Zero, as far as can be told.
            shown = np.where(np.abs(own.point) <= (own.radius or 0), 0.0, own.point)
            at = ", ".join(f"{name} = {x:.10g}" for name, x in zip(self.names, shown, strict=True))
            lines.append(f"  {at}  (within {own.radius:.1e})")
        for part in self.undecided[:8]:
            sides = ", ".join(
                f"{name} in [{low:.6g}, {high:.6g}]"
                for name, (low, high) in zip(self.names, part, strict=True)
            )
            lines.append(f"  undecided: {sides}")
        if len(self.undecided) > 8:
            lines.append(f"  and {len(self.undecided) - 8} undecided parts more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"FixedPointProof({PROOF[self.status]}, {len(self.points)} points, {len(self.undecided)} undecided)"


def prove_all_fixed_points(
    system: System,
    region: Sequence[Interval] | NDArray[np.floating],
    *,
    resolution: float = 1e-6,
    budget: int = 20_000,
    starts: int = 64,
) -> FixedPointProof:
    """Find all fixed points in a region, and prove that none was missed.

    **Arguments:**

    - `system`: of a game, by `gradient_system`, or of learners, by `update_system` (without memory).
    - `region`: the least and the greatest value of each parameter, `(d, 2)`.
    - `resolution`: parts that are no wider than this, relative to the region, are not halved again.
    - `budget`: the most boxes to look at. The number grows exponentially with the number of parameters: this is
        for a few.
    - `starts`: how many points Newton's method begins from beforehand; this only saves work.

    **Returns:** a [`resolvent.numeric.FixedPointProof`][]. *Refuted* cannot occur: points that cannot be told from
    fixed points make it undecided.

    **Raises:** `ValueError` for a region that is none, and for a system with memory or cases (SOS, aligned SGA).
    """
    if system.size != system.parameters:
        raise ValueError(
            "system: expected one without memory; learners rest where the others of their kind do, so that "
            "gradient_system finds the fixed points of OptimisticGradient"
        )
    if system.guards is not None:
        raise ValueError(
            "system: expected a rule without cases; SGA rests where the game does (gradient_system), and SOS "
            "where LookAhead does"
        )
    bounds = np.asarray(region, float)
    if bounds.shape != (system.size, 2) or not np.isfinite(bounds).all():
        raise ValueError(
            f"region: expected a least and a greatest value for each of {', '.join(system.names)}, got {region!r}"
        )
    if not (bounds[:, 0] < bounds[:, 1]).all():
        raise ValueError(f"region: expected least values below the greatest, got {region!r}")
    search = _Search(system, bounds, resolution)
    with flint.ctx.workprec(64):
        search.begin(starts)
        search.run(budget)
    return search.result()


def hull(bounds: NDArray[np.floating]) -> Box:
    """The box of given ends, `(k, 2)`; rounded outwards."""
    return tuple(flint.arb(low).union(flint.arb(high)) for low, high in bounds.tolist())


class _Search:
    """The parts that are left, and what was found."""

    system: System
    bounds: NDArray[np.floating]
    least: NDArray[np.floating]
    found: list[Existence]
    unique: list[Box]
    left: list[NDArray[np.floating]]
    undecided: list[NDArray[np.floating]]
    boxes: int
    singular: bool

    def __init__(self, system: System, bounds: NDArray[np.floating], resolution: float) -> None:
        self.system, self.bounds = system, bounds
        self.least = resolution * (bounds[:, 1] - bounds[:, 0])
        self.found, self.unique = [], []
        self.left, self.undecided = [bounds], []
        self.boxes = 0
        self.singular = self.spent = False

    def begin(self, starts: int) -> None:
        """Newton's method from points spread over the region."""
        generator = np.random.default_rng(0)
        low, high = self.bounds.T
        for _ in range(starts):
            self._try(generator.uniform(low, high))

    def _try(self, point: NDArray[np.floating]) -> None:
        """Add the fixed point that Newton's method leads to, if it is new, proved, and not outside."""
        at = newton(self.system, point, 30)
        width = self.bounds[:, 1] - self.bounds[:, 0]
        low, high = self.bounds.T
        if not ((at >= low - 1e-9 * width) & (at <= high + 1e-9 * width)).all():
            return
        here = tuple(map(flint.arb, at.tolist()))
        if any(contained(here, own) for own in self.unique):
            return
        made = prove_exists(self.system, at, float(width.max()), BITS)
        if made.proved and made.enclosure and made.unique_radius:
            # A shade narrower than the radius of uniqueness, which the rounding of balls must not exceed.
            self.unique.append(
                tuple(flint.arb(x, made.unique_radius * (1 - 1e-8)) for x in made.point.tolist())
            )
            if not any(_same(made, own) for own in self.found):
                self.found.append(made)

    def run(self, budget: int) -> None:
        while self.left:
            if self.boxes >= budget:
                self.spent = True
                self.undecided += self.left
                return
            bounds = self.left.pop()
            self.boxes += 1
            rest = self._prune(bounds)
            if rest is None:
                continue
            width = rest[:, 1] - rest[:, 0]
            if (width <= self.least).all():
                self._try(rest.mean(axis=1))
                if not any(contained(hull(rest), own) for own in self.unique):
                    self.undecided.append(rest)
                continue
            if (width <= 0.5 * (bounds[:, 1] - bounds[:, 0])).all():
                self.left.append(rest)
                continue
            side = int((width / self.least).argmax())
            # Off the middle: fixed points like to be at round numbers, where halves would meet.
            cut = float(rest[side, 0] + 0.4871 * width[side])
            for k, end in ((1, cut), (0, cut)):
                half = rest.copy()
                half[side, k] = end
                self.left.append(half)

    def _prune(self, bounds: NDArray[np.floating]) -> NDArray[np.floating] | None:
        """What of a part may still hold an unknown fixed point."""
        box = hull(bounds)
        if any(contained(box, own) for own in self.unique):
            return None
        field = self.system(box)
        if any(own.is_finite() and not own.contains(0) for own in field):
            return None
        slope = self.system.jacobian(box)
        centre = [flint.arb(x) for x in middle(box).tolist()]
        away = product(slope, [x - m for x, m in zip(box, centre, strict=True)])
        mean = [x + y for x, y in zip(self.system(centre), away, strict=True)]
        if any(own.is_finite() and not own.contains(0) for own in mean):
            return None
        mapped = image(self.system, box, slope)
        if mapped is None:
            self.singular = True
            return bounds
        rest = common(box, mapped)
        if rest is None:
            return None
        if inside(mapped, box):
            # Exactly one in the box: it is known, or found by going on from here.
            before = len(self.unique)
            self._try(middle(mapped))
            known = any(contained(tuple(mapped), own) for own in self.unique)
            if known or len(self.unique) > before:
                return None if known else self._ends(rest, bounds)
        return self._ends(rest, bounds)

    def _ends(self, box: Box, bounds: NDArray[np.floating]) -> NDArray[np.floating]:
        """The ends of a box in floats, rounded outwards, within the part that it came from."""
        low = np.array([np.nextafter(float(own.lower()), -np.inf) for own in box])
        high = np.array([np.nextafter(float(own.upper()), np.inf) for own in box])
        return np.stack([np.maximum(low, bounds[:, 0]), np.minimum(high, bounds[:, 1])], axis=1)

    def result(self) -> FixedPointProof:
        low, high = ([flint.arb(x) for x in own] for own in self.bounds.T.tolist())
        points: list[Existence] = []
        border: list[int] = []
        for own in sorted(self.found, key=lambda own: own.point.tolist()):
            assert own.enclosure is not None  # it is proved
            if any(
                bool(x < a) or bool(x > b) for x, a, b in zip(own.enclosure, low, high, strict=True)
            ):
                continue
            if not all(
                bool(x >= a) and bool(x <= b)
                for x, a, b in zip(own.enclosure, low, high, strict=True)
            ):
                border.append(len(points))
            points.append(own)
        parts = _joined(self.undecided)
        if not self.undecided and not border:
            number = f"{len(points)} fixed point{'s' if len(points) != 1 else ''}"
            status, reason = PROOF.proved, f"there are exactly {number} in the region"
        else:
            status = PROOF.undecided
            reason = self._why(len(points), len(parts), bool(border))
        return FixedPointProof(
            status,
            f"{reason} ({self.boxes:,} boxes)",
            self.bounds,
            tuple(points),
            tuple(border),
            parts,
            self.boxes,
            self.system.name,
            self.system.names,
        )

    def _why(self, points: int, parts: int, border: bool) -> str:
        if not parts:
            return (
                "a fixed point cannot be told to be inside or outside of the region, at its border"
            )
        reason = (
            f"{points} proved, and {parts} part{'s' if parts > 1 else ''} of the region undecided"
        )
        if self.spent:
            return reason + "; the budget of boxes is spent"
        if self.singular or border:
            reason += "; the Jacobian may be singular there: fixed points that are not isolated, or degenerate ones"
        return reason


def _same(left: Existence, right: Existence) -> bool:
    """Whether two enclosures are of one fixed point: they meet, and are small where each is unique."""
    assert left.enclosure is not None
    assert right.enclosure is not None
    return all(bool(x.overlaps(y)) for x, y in zip(left.enclosure, right.enclosure, strict=True))


def _joined(parts: list[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Parts that touch as their hull, so that a point left over is one part and not many."""
    if not parts:
        return np.zeros((0, 0, 2))
    if len(parts) > 500:
        return np.stack(parts)
    hulls = [own.copy() for own in parts]
    k = 0
    while k < len(hulls):
        own = hulls[k]
        slack = 0.5 * (own[:, 1] - own[:, 0])
        meets = [
            m
            for m in range(k + 1, len(hulls))
            if ((hulls[m][:, 0] <= own[:, 1] + slack) & (hulls[m][:, 1] >= own[:, 0] - slack)).all()
        ]
        if not meets:
            k += 1
            continue
        for m in meets:
            own[:, 0] = np.minimum(own[:, 0], hulls[m][:, 0])
            own[:, 1] = np.maximum(own[:, 1], hulls[m][:, 1])
        hulls = [other for m, other in enumerate(hulls) if m not in meets]
    return np.stack(hulls)
