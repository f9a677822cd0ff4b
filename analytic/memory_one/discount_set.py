r"""Sets of discounts, exactly: where in $[0, 1)$ something holds that is decided by signs of polynomials.

An exact algorithm that asks about the discount g only by the signs of polynomials in g (policy iteration,
elimination, a comparison of values) gives one and the same answer on every interval on which none of the
polynomials that it asked about changes its sign. So its answer at one point of a gap settles the cell
between the nearest zeros of these polynomials, and so on until no gap is left; each zero is asked about
itself, in its number field. Nothing is sampled and nothing is rounded: the ends are algebraic numbers, and
whether they belong to the set is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import flint
import sympy

from resolvent.analytic.chain import rational
from resolvent.analytic.number_field import (
    Field,
    RealRoot,
    algebraic,
    between,
    compare,
    factors,
    rational_root,
    roots_of,
)
from resolvent.games import exact
from resolvent.games.rational import shorten

Sign: TypeAlias = Callable[[Any], int]
"""The sign, -1, 0 or 1, of a polynomial in the discount (a `flint.fmpq_poly`), at some discount."""

Decide: TypeAlias = Callable[[Sign], bool]

G: Any = flint.fmpq_poly([0, 1])
"""The discount, as a polynomial."""

_ZERO = rational_root(Fraction(0))
_ONE = rational_root(Fraction(1))


@dataclass(frozen=True)
class DiscountInterval:
    """An interval of discounts between two algebraic numbers; a point where they are the same.

    **Attributes:** `low`, `high`: the ends; `low_closed`, `high_closed`: whether they belong to it.
    """

    low: RealRoot
    low_closed: bool
    high: RealRoot
    high_closed: bool

    def contains(self, root: RealRoot) -> bool:
        """Whether a number lies in it, exactly."""
        left, right = compare(self.low, root), compare(root, self.high)
        return (left < 0 or (left == 0 and self.low_closed)) and (
            right < 0 or (right == 0 and self.high_closed)
        )

    def __str__(self) -> str:
        if self.low == self.high:
            return f"g = {self.low}"
        if (self.low, self.high) == (_ZERO, _ONE) and self.low_closed:
            return "every g in [0, 1)"
        return f"{self.low} {_less(self.low_closed)} g {_less(self.high_closed)} {self.high}"


@dataclass(frozen=True)
class DiscountSet:
    """A set of discounts in [0, 1): a finite union of intervals with algebraic ends.

    **Attributes:** `intervals`: disjoint, not touching, ascending; `()` for the empty set.
    """

    intervals: tuple[DiscountInterval, ...]

    def __contains__(self, discount: object) -> bool:
        """Whether a discount is in it, exactly. **Raises:** `ValueError` for what is not a number."""
        known = isinstance(discount, sympy.Expr) and discount.is_number
        number: Any = discount if known else exact(discount, "discount")
        if isinstance(number, Fraction):
            root = rational_root(number)
        elif number.is_number:
            root = algebraic(number)
        else:
            raise ValueError(f"discount: expected a number; got {shorten(discount)}")
        return any(own.contains(root) for own in self.intervals)

    @property
    def empty(self) -> bool:
        """Whether there is no such discount."""
        return not self.intervals

    @property
    def everywhere(self) -> bool:
        """Whether it is all of [0, 1)."""
        return len(self.intervals) == 1 and self.near_one and 0 in self

    @property
    def near_one(self) -> bool:
        """Whether all discounts close enough to 1 are in it."""
        return bool(self.intervals) and self.intervals[-1].high == _ONE

    @property
    def ends(self) -> tuple[sympy.Expr, ...]:
        """The thresholds inside (0, 1), ascending, as exact numbers."""
        found = {own for part in self.intervals for own in (part.low, part.high)} - {_ZERO, _ONE}
        return tuple(root.expr for root in sorted(found))

    @property
    def set(self) -> sympy.Set:
        """The set as a SymPy set of reals."""
        return sympy.Union(
            *(
                sympy.Interval(p.low.expr, p.high.expr, not p.low_closed, not p.high_closed)
                for p in self.intervals
            )
        )

    def __str__(self) -> str:
        return " or ".join(map(str, self.intervals)) if self.intervals else "no g in [0, 1)"


def everywhere(holds: bool) -> DiscountSet:
    """All discounts, or none of them."""
    return DiscountSet((DiscountInterval(_ZERO, True, _ONE, False),) if holds else ())


def discounts_where(decide: Decide) -> DiscountSet:
    """The discounts at which `decide` is true.

    **Arguments:** `decide`: gets a function from polynomials in g (`flint.fmpq_poly`) to their signs at a
        discount, and must learn about the discount from nothing else.
    """
    cells: list[tuple[RealRoot, RealRoot, bool]] = []  # a point where both are the same

    def point(root: RealRoot) -> None:
        cells.append((root, root, decide(sign_at(root))))

    point(_ZERO)
    gaps = [(_ZERO, _ONE)]
    while gaps:
        low, high = gaps.pop()
        sample = rational_root(between(low, high))
        sign, asked = sign_at(sample), set[Any]()

        def noted(polynomial: Any, sign: Sign = sign, asked: set[Any] = asked) -> int:
            asked.add(tuple(map(int, polynomial.numer().coeffs())))
            return sign(polynomial)

        holds = decide(noted)
        zeros = _zeros(asked, low, high)
        if sample in zeros:
            cells.append((sample, sample, holds))
            gaps += [(low, sample), (sample, high)]
            continue
        left = max((own for own in zeros if own < sample), default=low)
        right = min((own for own in zeros if sample < own), default=high)
        cells.append((left, right, holds))
        if left != low:
            point(left)
            gaps.append((low, left))
        if right != high:
            point(right)
            gaps.append((right, high))
    return _union(cells)


def sign_at(root: RealRoot) -> Sign:
    """The signs of polynomials at a real algebraic number, exactly."""
    number = root.rational
    if number is not None:
        at = rational(number)

        def at_rational(polynomial: Any) -> int:
            value = polynomial(at)
            return (value > 0) - (value < 0)

        return at_rational
    theta = sympy.Dummy("theta")
    return Field(root, theta, theta, {}).sign


def sign_near_one(polynomial: Any) -> int:
    """The sign of a polynomial at all g < 1 that are close enough to 1."""
    for coefficient in polynomial(1 - G).coeffs():
        if coefficient != 0:
            return 1 if coefficient > 0 else -1
    return 0


def limit_sign(numerator: Any, denominator: Any) -> int:
    """The sign of the limit, as g goes to 1, of a quotient that stays bounded."""
    order = sum(1 for _ in _leading_zeros(numerator))
    if numerator == 0 or order > sum(1 for _ in _leading_zeros(denominator)):
        return 0
    return sign_near_one(numerator) * sign_near_one(denominator)


def _leading_zeros(polynomial: Any) -> Iterable[Any]:
    for coefficient in polynomial(1 - G).coeffs():
        if coefficient != 0:
            return
        yield coefficient


def _zeros(asked: Iterable[tuple[int, ...]], low: RealRoot, high: RealRoot) -> set[RealRoot]:
    """The zeros of polynomials strictly between two numbers."""
    found = {own for row in asked if len(row) > 1 for own in factors(flint.fmpq_poly(list(row)))}
    return {root for root in roots_of(found) if low < root and root < high}


def _union(cells: list[tuple[RealRoot, RealRoot, bool]]) -> DiscountSet:
    """Cells, which cover [0, 1), merged where they touch."""
    found: list[DiscountInterval] = []
    joins = False
    for low, high, holds in sorted(cells, key=lambda own: own[:2]):
        closed = low == high
        if holds and joins:
            found[-1] = DiscountInterval(found[-1].low, found[-1].low_closed, high, closed)
        elif holds:
            found.append(DiscountInterval(low, closed, high, closed))
        joins = holds
    return DiscountSet(tuple(found))


def _less(closed: bool) -> str:
    return "<=" if closed else "<"
