"""Polynomials of FLINT, from the outside: degrees, coefficients, and bounds on how large results get."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import comb, gcd, prod
from operator import add, mul
from typing import Any

import flint

from resolvent.analytic.polynomial import TooLargeToExpandError

Factors = tuple[tuple[Any, int], ...]
"""Pairs (polynomial, exponent from 1 up), of which no polynomial occurs twice."""


def ring(count: int) -> Any:
    """The integer polynomials in `count` generators."""
    return flint.fmpz_mpoly_ctx.get([f"x{k}" for k in range(count)], flint.Ordering.lex)


def merged(pairs: Iterable[tuple[Any, int]], combine: Callable[[int, int], int] = add) -> Factors:
    """Each base once, its exponents combined; what is 1 is dropped."""
    merged: list[tuple[Any, int]] = []
    for base, power in pairs:
        at = next((k for k, (known, _) in enumerate(merged) if known == base), None)
        if at is None:
            merged.append((base, power))
        else:
            merged[at] = (base, combine(merged[at][1], power))
    return tuple((base, power) for base, power in merged if power and base != 1)


def degrees(polynomial: Any) -> list[int]:
    """The degree in each generator."""
    return [max(int(d), 0) for d in polynomial.degrees()]  # FLINT's degree of 0 is -1


def degree(polynomial: Any, k: int) -> int:
    """The degree in generator k."""
    return degrees(polynomial)[k]


def is_number(polynomial: Any) -> bool:
    """Whether no generator occurs."""
    return not any(degrees(polynomial))


def number(polynomial: Any) -> int:
    """The number that a polynomial without generators is."""
    return int(polynomial.coeffs()[0]) if polynomial != 0 else 0


def signed_content(polynomial: Any) -> int:
    """The gcd of the coefficients, with the sign of the leading one."""
    coefficients = [int(c) for c in polynomial.coeffs()]
    return gcd(*coefficients) * (-1 if coefficients and coefficients[0] < 0 else 1)


def coefficients(polynomial: Any, k: int) -> list[Any]:
    """The coefficients in powers of generator k, from the 0th to the highest."""
    parts: list[dict[Any, Any]] = [{} for _ in range(degree(polynomial, k) + 1)]
    for powers, coefficient in polynomial.to_dict().items():
        parts[int(powers[k])][*powers[:k], 0, *powers[k + 1 :]] = coefficient
    return [polynomial.context().from_dict(part) for part in parts]


def box(degrees: Iterable[int]) -> int:
    """How many monomials have no degree above these."""
    return prod(degree + 1 for degree in degrees)


def terms_of_power(terms: int, power: int) -> int:
    """An upper bound on the terms of a power of a polynomial of so many terms."""
    return comb(terms + power - 1, power) if terms or power else 1


def terms_composed(polynomial: Any, tops: Sequence[Any], bottoms: Sequence[Any]) -> int:
    """An upper bound on the terms after generator k has become tops[k] / bottoms[k]."""
    if all(len(part) <= 1 for part in (*tops, *bottoms)):
        return len(polynomial)
    own = degrees(polynomial)
    sizes = [(d, len(t), len(b)) for d, t, b in zip(own, tops, bottoms, strict=True)]
    one_by_one = sum(
        prod(
            terms_of_power(top, int(a)) * terms_of_power(bottom, d - int(a))
            for a, (d, top, bottom) in zip(powers, sizes, strict=True)
        )
        for powers in polynomial.monoms()
    )
    reach = [
        [max(pair) for pair in zip(degrees(top), degrees(bottom), strict=True)]
        for top, bottom in zip(tops, bottoms, strict=True)
    ]
    return min(one_by_one, box(sum(map(mul, own, column)) for column in zip(*reach, strict=True)))


def check_size(terms: int, limit: int) -> None:
    """Raise `TooLargeToExpandError` for more terms than the limit."""
    if terms > limit:
        raise TooLargeToExpandError(
            f"the result may have up to {terms:.3g} terms (limit {limit}). Substitute numbers or "
            "symmetric policies first, or use the closed form's .evaluate(policies), .taylor(...) or "
            ".compile(), which expand nothing; dataclasses.replace(f, max_terms=...) lifts the limit"
        )
