"""Exact sets of discounts: where one value is at least another, and what such sets have in common."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

import flint

from resolvent.analytic.number_field import RealRoot, between, factors, rational_root, roots_of

Interval: TypeAlias = tuple[RealRoot, RealRoot]
"""From the first to the second, both included; but 1 never belongs to it."""

Quotient: TypeAlias = tuple[Any, Any]
"""Numerator and denominator in g, `flint.fmpq_poly`; the denominator is positive on [0, 1)."""

ZERO, ONE = rational_root(Fraction(0)), rational_root(Fraction(1))
EVERYWHERE: tuple[Interval, ...] = ((ZERO, ONE),)


class Signs:
    """Where polynomials are at least 0 on [0, 1), each found once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[Interval, ...]] = {}

    def at_least(self, left: Quotient, right: Quotient) -> tuple[Interval, ...]:
        """The discounts at which one value is at least another."""
        difference = left[0] * right[1] - right[0] * left[1]
        if difference == 0:
            return EVERYWHERE
        numerator = difference.numer()
        key = tuple(int(c) for c in (numerator / abs(numerator.content())).coeffs())
        if key not in self._known:
            self._known[key] = nonnegative(difference)
        return self._known[key]


def nonnegative(polynomial: Any) -> tuple[Interval, ...]:
    """The part of [0, 1) on which a polynomial other than 0 is at least 0."""
    zeros = [root for root in roots_of(factors(polynomial)) if ZERO <= root < ONE]
    ends = [*([] if ZERO in zeros else [ZERO]), *zeros]
    found: list[Interval] = []
    for low, high in zip(ends, [*ends[1:], ONE], strict=True):
        inside = between(low, high)
        if polynomial(flint.fmpq(inside.numerator, inside.denominator)) > 0:
            if found and found[-1][1] == low:
                found[-1] = found[-1][0], high
            else:
                found.append((low, high))
        elif low in zeros and not (found and found[-1][1] == low):
            found.append((low, low))
    return tuple(found)


def common(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """What two sets of discounts have in common."""
    if left == EVERYWHERE or right == EVERYWHERE:
        return left if right == EVERYWHERE else right
    pairs = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return tuple((low, high) for low, high in pairs if low <= high)
