r"""Signs of polynomials over boxes, by Bernstein coefficients in rationals.

On a box a polynomial of degrees d is $\sum_j b_j \prod_k B_{j_k}^{d_k}(t_k)$, where the Bernstein polynomials
$B_j^d(t) = \binom{d}{j} t^j (1-t)^{d-j}$ are nonnegative and sum to one. So

- it lies between its least and its greatest coefficient, and at the corners it *is* a coefficient;
- where all $b_j \ge 0$ it vanishes at a point only if all coefficients of the face that the point is inside of
    are 0, those at its corners too: it is positive everywhere exactly if it is so at every corner;
- of a polynomial of degree 1 in each variable the coefficients are its values at the corners.

Where the signs differ the box is halved, by de Casteljau's algorithm, until they do not: the coefficients go to
the values, so that a polynomial without zeros in the box is decided in the end. One with zeros inside, where it
touches 0 without changing sign, may never be.

Sources: Bernstein (1912); Cargo and Shisha (1966), Journal of Research NBS 70B, 79; Garloff (1985), Interval
Mathematics, LNCS 212, 37; Farouki (2012), Computer Aided Geometric Design 29, 379.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb, lcm, prod
from typing import Any, Literal, TypeAlias

import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.chain import fraction, rational

Box: TypeAlias = tuple[tuple[Fraction, Fraction], ...]
"""An interval per variable."""

Place: TypeAlias = tuple[Fraction, ...]
"""A value per variable."""

Sign = Literal["positive", "nonnegative", "zero", "nonpositive", "negative", "mixed", "undecided"]
"""Of a function on a box: `nonnegative` has a zero, or may have one; `mixed` takes both signs."""


@dataclass(frozen=True)
class Leaf:
    """A part of the box in which all coefficients have one sign, or are not decided.

    **Attributes:** `least`, `greatest`: of the Bernstein coefficients.
    """

    sign: Sign
    least: Fraction
    greatest: Fraction


@dataclass(frozen=True)
class Halved:
    """A part of the box that is cut in two, in the middle of a variable's interval."""

    variable: int
    low: Leaf | Halved
    high: Leaf | Halved


@dataclass(frozen=True)
class BoxProof:
    """What is known of the sign of a polynomial on a box, and why.

    **Attributes:**

    - `terms`: the polynomial: powers to integer coefficients.
    - `box`: an interval per variable.
    - `sign`: of the polynomial on the closed box.
    - `tree`: how the box was cut, with bounds on the coefficients of each part.
    - `positive_at`, `negative_at`, `zero_at`: places in the box where it is so, if some were met.
    """

    terms: Mapping[tuple[int, ...], int]
    box: Box
    sign: Sign
    tree: Leaf | Halved
    positive_at: Place | None
    negative_at: Place | None
    zero_at: Place | None

    @property
    def leaves(self) -> tuple[tuple[Box, Leaf], ...]:
        """The parts that the box was cut into."""
        return tuple(_leaves(self.tree, self.box))

    @property
    def undecided(self) -> tuple[Box, ...]:
        """The parts in which the sign is not known."""
        return tuple(box for box, leaf in self.leaves if leaf.sign == "undecided")

    def at(self, place: Place) -> Fraction:
        """The value of the polynomial, term by term."""
        return sum(
            (c * prod((x**e for x, e in zip(place, powers, strict=True)), start=Fraction(1)))
            for powers, c in self.terms.items()
        ) + Fraction(0)

    def check(self) -> bool:
        """Whether the proof holds, found without what made it.

        The coefficients of each part are computed again, from the polynomial itself and not from those
        of a larger part, as values of the polar form: $b_j = \\sum_i c_i \\prod_k e_{i_k}(u_k) /
        \\binom{d_k}{i_k}$ with $e_i$ the elementary symmetric functions of $d_k - j_k$ lower ends and $j_k$
        upper ends (Ramshaw 1989). Witnesses are put into the polynomial.
        """
        witnesses = (
            (self.positive_at, lambda x: x > 0),
            (self.negative_at, lambda x: x < 0),
            (self.zero_at, lambda x: x == 0),
        )
        for place, holds in witnesses:
            if place is not None and not (_inside(place, self.box) and holds(self.at(place))):
                return False
        if self.sign == "mixed":
            return self.positive_at is not None and self.negative_at is not None
        table = _power_table(self.terms, len(self.box), rational)
        signs: set[Sign] = set()
        for box, leaf in self.leaves:
            values = polar_coefficients(table, box)
            least, greatest = fraction(values.min()), fraction(values.max())
            if (least, greatest) != (leaf.least, leaf.greatest):
                return False
            if _sign_of(values) != leaf.sign:
                return False
            signs.add(leaf.sign)
        return _together(signs) == self.sign

    def __str__(self) -> str:
        count = len(self.leaves)
        least = min(leaf.least for _, leaf in self.leaves)
        greatest = max(leaf.greatest for _, leaf in self.leaves)
        return (
            f"{self.sign} on {count} box{'' if count == 1 else 'es'}, "
            f"Bernstein coefficients from {_short(least)} to {_short(greatest)}"
        )


def decide(terms: Mapping[tuple[int, ...], int], box: Box, max_boxes: int = 1000) -> BoxProof:
    """The sign of a polynomial on a closed box.

    **Arguments:**

    - `terms`: the polynomial: powers, one per variable, to integer coefficients.
    - `box`: an interval per variable.
    - `max_boxes`: into how many parts the box may be cut.

    **Returns:** a `BoxProof`.
    """
    table, scale = _scaled_coefficients(terms, box)
    known: dict[tuple[int, ...], Any] = {}
    witness: dict[str, Place | None] = {"positive": None, "negative": None, "zero": None}
    waiting: deque[tuple[tuple[int, ...], Box, NDArray[Any], int]] = deque()
    waiting.append(((), box, table, scale))
    parts = 1
    while waiting:
        path, part, table, scale = waiting.popleft()
        sign = _sign_of(table)
        known[path] = Leaf(sign, Fraction(table.min(), scale), Fraction(table.max(), scale))
        _look(table, part, sign, witness)
        if witness["positive"] is not None and witness["negative"] is not None:
            break
        if sign != "undecided" or parts >= max_boxes:
            continue
        axis = max(range(table.ndim), key=lambda k: _variation(table, k))
        known[path] = axis
        parts += 1
        degree = table.shape[axis] - 1
        for side, (half, inner) in enumerate(zip(_halves(degree), _cut(part, axis), strict=True)):
            waiting.append(((*path, side), inner, _along(half, table, axis), scale << degree))
    # What was still waiting, if both signs were met, is not known.
    for path, _, table, scale in waiting:
        known[path] = Leaf(
            _sign_of(table), Fraction(table.min(), scale), Fraction(table.max(), scale)
        )
    tree = _tree(known, ())
    sign = _together({leaf.sign for _, leaf in _leaves(tree, box)})
    if witness["positive"] is not None and witness["negative"] is not None:
        sign = "mixed"
    at = witness["positive"], witness["negative"], witness["zero"]
    return BoxProof(dict(terms), box, sign, tree, *at)


def degrees_of(terms: Mapping[tuple[int, ...], int], variables: int) -> tuple[int, ...]:
    """The degree in each variable; 0 of the polynomial 0."""
    return tuple(max((powers[k] for powers in terms), default=0) for k in range(variables))


def polar_coefficients(table: NDArray[Any], box: Box) -> NDArray[Any]:
    """Bernstein coefficients on a box from the coefficients of powers, both in `fmpq`."""
    for axis, (low, high) in enumerate(box):
        degree = table.shape[axis] - 1
        ends = rational(low), rational(high)
        rows = []
        for j in range(degree + 1):
            symmetric = flint.fmpq_poly([1, ends[0]]) ** (degree - j) * (
                flint.fmpq_poly([1, ends[1]]) ** j
            )
            rows.append([symmetric[i] / comb(degree, i) for i in range(degree + 1)])
        table = _along(_matrix(rows), table, axis)
    return table


def _scaled_coefficients(
    terms: Mapping[tuple[int, ...], int], box: Box
) -> tuple[NDArray[Any], int]:
    """Bernstein coefficients as integers, and what they are multiplied by."""
    table, scale = _power_table(terms, len(box), int), 1
    for axis, (low, high) in enumerate(box):
        degree = table.shape[axis] - 1
        q = lcm(low.denominator, high.denominator)
        a, width = int(low * q), int((high - low) * q)
        # x = low + (high - low) t, times q^degree.
        shift = [
            [
                comb(i, k) * a ** (i - k) * width**k * q ** (degree - i) if i >= k else 0
                for i in range(degree + 1)
            ]
            for k in range(degree + 1)
        ]
        common = lcm(*(comb(degree, i) for i in range(degree + 1)))
        raise_ = [
            [comb(j, i) * common // comb(degree, i) if i <= j else 0 for i in range(degree + 1)]
            for j in range(degree + 1)
        ]
        table = _along(_matrix(raise_), _along(_matrix(shift), table, axis), axis)
        scale *= q**degree * common
    return table, scale


def _power_table(terms: Mapping[tuple[int, ...], int], variables: int, number: Any) -> NDArray[Any]:
    shape = [d + 1 for d in degrees_of(terms, variables)]
    table = np.empty(shape, dtype=object)
    table.fill(number(Fraction(0)))
    for powers, coefficient in terms.items():
        table[powers] = number(Fraction(coefficient))
    return table


def _halves(degree: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """From the coefficients on an interval to those on its halves, times 2^degree (de Casteljau)."""
    size = range(degree + 1)
    low = [[comb(j, i) << (degree - j) if i <= j else 0 for i in size] for j in size]
    high = [[comb(degree - j, i - j) << j if i >= j else 0 for i in size] for j in size]
    return _matrix(low), _matrix(high)


def _along(matrix: NDArray[Any], table: NDArray[Any], axis: int) -> NDArray[Any]:
    """A matrix applied along one axis."""
    return np.moveaxis(np.tensordot(matrix, table, axes=(1, axis)), 0, axis)


def _matrix(rows: list[list[Any]]) -> NDArray[Any]:
    return np.array(rows, dtype=object)


def _variation(table: NDArray[Any], axis: int) -> Any:
    return abs(np.diff(table, axis=axis)).max() if table.shape[axis] > 1 else -1


def _corners(table: NDArray[Any]) -> NDArray[Any]:
    return table[np.ix_(*([0, n - 1] if n > 1 else [0] for n in table.shape))]


def _sign_of(table: NDArray[Any]) -> Sign:
    least, greatest = table.min(), table.max()
    if least == 0 and greatest == 0:
        return "zero"
    if least >= 0:
        return "positive" if _corners(table).min() > 0 else "nonnegative"
    if greatest <= 0:
        return "negative" if _corners(table).max() < 0 else "nonpositive"
    return "undecided"


def _look(table: NDArray[Any], box: Box, sign: Sign, witness: dict[str, Place | None]) -> None:
    """Keep places where the polynomial is positive, negative and 0."""
    corners = _corners(table)
    for index in np.ndindex(corners.shape):
        value = corners[index]
        kind = "zero" if value == 0 else "positive" if value > 0 else "negative"
        if witness[kind] is None:
            witness[kind] = tuple(own[end] for own, end in zip(box, index, strict=True))
    middle = tuple((low + high) / 2 for low, high in box)
    for weak, kind in (("nonnegative", "positive"), ("nonpositive", "negative")):
        if sign == weak and witness[kind] is None:  # inside, where every term counts
            witness[kind] = middle


def _together(signs: set[Sign]) -> Sign:
    """The sign on a box from those on its parts."""
    if signs & {"undecided", "mixed"}:
        return "undecided"
    up, down = signs & {"positive", "nonnegative"}, signs & {"negative", "nonpositive"}
    if up and down:
        return "mixed"
    if not up and not down:
        return "zero"
    if up:
        return "positive" if signs == {"positive"} else "nonnegative"
    return "negative" if signs == {"negative"} else "nonpositive"


def _cut(box: Box, axis: int) -> tuple[Box, Box]:
    low, high = box[axis]
    middle = (low + high) / 2
    return (
        (*box[:axis], (low, middle), *box[axis + 1 :]),
        (*box[:axis], (middle, high), *box[axis + 1 :]),
    )


def _tree(known: Mapping[tuple[int, ...], Any], path: tuple[int, ...]) -> Leaf | Halved:
    own = known[path]
    if isinstance(own, Leaf):
        return own
    return Halved(own, _tree(known, (*path, 0)), _tree(known, (*path, 1)))


def _leaves(tree: Leaf | Halved, box: Box) -> Iterator[tuple[Box, Leaf]]:
    if isinstance(tree, Leaf):
        yield box, tree
        return
    low, high = _cut(box, tree.variable)
    yield from _leaves(tree.low, low)
    yield from _leaves(tree.high, high)


def _inside(place: Place, box: Box) -> bool:
    return all(low <= x <= high for x, (low, high) in zip(place, box, strict=True))


def _short(number: Fraction) -> str:
    text = str(number)
    return text if len(text) <= 24 else f"about {float(number):.6g}"
