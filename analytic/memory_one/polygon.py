"""Convex polygons in the plane of two players' payoffs, in rationals; a segment, a point and nothing are
polygons too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

Point = tuple[Fraction, Fraction]
"""What the two players get."""

Face = tuple[Fraction, Fraction, Fraction]
"""(a, b, c): the half-plane a x + b y <= c."""


@dataclass(frozen=True)
class Polygon:
    """A convex polygon.

    **Attributes:**

    - `vertices`: counter-clockwise, no three of them on a line, from the least (first by x, then by y).
    """

    vertices: tuple[Point, ...]

    @property
    def dimension(self) -> int:
        """2, 1 for a segment, 0 for a point, and -1 where it is empty."""
        return min(len(self.vertices) - 1, 2)

    @property
    def edges(self) -> tuple[tuple[Point, Point], ...]:
        """From each vertex to the next one; of a segment only one."""
        turned = (*self.vertices[1:], *self.vertices[:1])
        edges = tuple(zip(self.vertices, turned, strict=True))
        return edges if self.dimension == 2 else edges[: max(self.dimension, 0)]

    @property
    def faces(self) -> tuple[Face, ...]:
        """Half-planes whose intersection it is, scaled so that the larger of |a| and |b| is 1."""
        if self.dimension < 0:
            return ((Fraction(0), Fraction(0), Fraction(-1)),)
        if self.dimension == 0:
            (point,) = self.vertices
            return tuple(_face(point, normal) for normal in AXES)
        sides = [_face(first, outward(first, second)) for first, second in self.edges]
        if self.dimension == 1:
            first, second = self.vertices
            along = second[0] - first[0], second[1] - first[1]
            back = -along[0], -along[1]
            sides += [
                _face(first, outward(second, first)),
                _face(first, back),
                _face(second, along),
            ]
        return tuple(sides)

    @property
    def area(self) -> Fraction:
        """In squared units of payoff."""
        twice = (a[0] * b[1] - b[0] * a[1] for a, b in self.edges)
        return sum(twice, Fraction(0)) / 2 if self.dimension == 2 else Fraction(0)

    def contains(self, point: Point) -> bool:
        """Whether a point lies in it, its boundary included."""
        return all(a * point[0] + b * point[1] <= c for a, b, c in self.faces)

    def clipped(self, face: Face) -> Polygon:
        """What of it lies in a half-plane (Sutherland and Hodgman, 1974)."""
        a, b, c = face
        excess = [a * x + b * y - c for x, y in self.vertices]
        kept: list[Point] = []
        for k, (point, over) in enumerate(zip(self.vertices, excess, strict=True)):
            before, over_before = self.vertices[k - 1], excess[k - 1]
            if over * over_before < 0:
                share = over_before / (over_before - over)
                kept.append(
                    (
                        before[0] + share * (point[0] - before[0]),
                        before[1] + share * (point[1] - before[1]),
                    )
                )
            if over <= 0:
                kept.append(point)
        return hull(kept)


AXES: tuple[Point, ...] = tuple(
    (Fraction(a), Fraction(b)) for a, b in ((1, 0), (0, 1), (-1, 0), (0, -1))
)
"""The directions of the axes."""


def hull(points: Iterable[Point]) -> Polygon:
    """The convex hull of points (Andrew's monotone chain, 1979)."""
    ordered = sorted(set(points))
    if len(ordered) <= 2:
        return Polygon(tuple(ordered))

    def chain(along: list[Point]) -> list[Point]:
        kept: list[Point] = []
        for point in along:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    return Polygon((*chain(ordered), *chain(ordered[::-1])))


def outward(first: Point, second: Point) -> Point:
    """The normal of an edge of a polygon that runs counter-clockwise, pointing out of it."""
    return second[1] - first[1], first[0] - second[0]


def _turn(first: Point, second: Point, third: Point) -> Fraction:
    """Positive for a turn to the left."""
    a, b = outward(first, second)
    return -(a * (third[0] - first[0]) + b * (third[1] - first[1]))


def _face(point: Point, normal: Point) -> Face:
    scale = max(abs(normal[0]), abs(normal[1]))
    a, b = normal[0] / scale, normal[1] / scale
    return a, b, a * point[0] + b * point[1]
