r"""Signs decided over whole boxes of policies: of a value difference, of a gradient, of any rational function.

A value is $N / D$ with $D = B(1) = \det(I - gP) / (1 - g)$ up to a positive factor (see `polynomial`). For g < 1 the
matrix is strictly diagonally dominant with a positive diagonal, so that D > 0 for all policies; as a polynomial of
degree 1 in each probability (where each row of a policy is read in one state only) its Bernstein coefficients
are its values at pure policies, all of them positive, and one look at them proves it. Nothing here
relies on that: denominators are decided like numerators.

The numerator is taken apart into irreducible factors over the rationals. Even powers have no sign to lose, and
factors that keep one are proven one by one; what is left is multiplied out and decided together. A product of
coprime factors keeps its sign on a box only if each factor of odd power does, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import prod
from operator import mul
from typing import Any

import sympy

from resolvent.analytic.bernstein import Box, BoxProof, Place, Sign, decide
from resolvent.analytic.rational_function import RationalFunction
from resolvent.analytic.terms import degree, merged
from resolvent.games import exact
from resolvent.games.rational import resolve_mapping, shorten

MAX_COEFFICIENTS = 200_000
"""The most Bernstein coefficients that a box is given (a second or so for each box)."""

_FACTORED = 5_000  # polynomials of more terms are not taken apart

_OPPOSITE: dict[Sign, Sign] = {
    "positive": "negative",
    "nonnegative": "nonpositive",
    "nonpositive": "nonnegative",
    "negative": "positive",
}


@dataclass(frozen=True)
class Part:
    """A factor of a rational function, and the proof of its sign.

    **Attributes:** `polynomial`: of the function's ring; `power`: negative in the denominator.
    """

    polynomial: Any
    power: int
    proof: BoxProof


@dataclass(frozen=True)
class BoxSign:
    """The sign of a rational function on a closed box; see [`resolvent.analytic.sign_on_box`][].

    **Attributes:**

    - `function`: what is decided, in lowest terms.
    - `symbols`: the variables that it depends on.
    - `box`: the interval of each.
    - `sign`: `"positive"`, `"negative"`, `"zero"`: everywhere. `"nonnegative"`, `"nonpositive"`: everywhere that the
        function is defined, and it is or may be 0 somewhere (`zero_at` tells, if it is known).
        `"mixed"`: it takes both signs. `"undecided"`: not within the number of boxes allowed.
    - `constant`: the rational number in front of the parts.
    - `parts`: the factors, each with its proof.
    - `poles`: whether the denominator is, or may be, 0 somewhere on the box.
    """

    function: RationalFunction
    symbols: tuple[sympy.Expr, ...]
    box: Box
    sign: Sign
    constant: Fraction
    parts: tuple[Part, ...]
    poles: bool

    @property
    def nonnegative(self) -> bool | None:
        """Whether the function is at least 0 wherever it is defined; None where that is not decided."""
        return self._says(("positive", "nonnegative", "zero"))

    @property
    def positive(self) -> bool | None:
        """Whether the function is above 0 everywhere; None where that is not decided."""
        if self.sign == "nonnegative" and self.zero_at is None:
            return None
        return self._says(("positive",))

    @property
    def positive_at(self) -> dict[sympy.Expr, Fraction] | None:
        """A place where the function is positive, if one is known."""
        return self._place(lambda value: value > 0)

    @property
    def negative_at(self) -> dict[sympy.Expr, Fraction] | None:
        """A place where the function is negative, if one is known."""
        return self._place(lambda value: value < 0)

    @property
    def zero_at(self) -> dict[sympy.Expr, Fraction] | None:
        """A place where the function is 0, if one is known."""
        return self._place(lambda value: value == 0)

    @property
    def undecided(self) -> tuple[Box, ...]:
        """The parts of the box in which the sign of a factor that matters is not known."""
        if self.sign != "undecided":
            return ()
        loose = (part.proof for part in self.parts if part.power % 2)
        return tuple(box for proof in loose for box in proof.undecided)

    def check(self) -> bool:
        """Whether the decision holds, found again: the parts multiply to the function, the proof of each
        is checked (see `BoxProof.check`), and the signs multiply to the sign."""
        if self.symbols != _read_box(self.function, None)[0]:
            return False
        top = bottom = self.function.top.context().constant(1)
        for part in self.parts:
            if part.power > 0:
                top = top * part.polynomial**part.power
            else:
                bottom = bottom * part.polynomial**-part.power
        left = self.function.top * self.constant.denominator * bottom
        if left != self.function.bottom * self.constant.numerator * top:
            return False
        if not all(_proves(part, self.function, self.symbols, self.box) for part in self.parts):
            return False
        return _product(self.constant, self.parts) == self.sign

    def _says(self, signs: tuple[Sign, ...]) -> bool | None:
        return None if self.sign == "undecided" else self.sign in signs

    def _place(self, holds: Callable[[Fraction], bool]) -> dict[sympy.Expr, Fraction] | None:
        for place in self._candidates():
            values = [(part.proof.at(place), part.power) for part in self.parts]
            if any(value == 0 and power < 0 for value, power in values):
                continue
            if holds(self.constant * prod(value**power for value, power in values)):
                return dict(zip(self.symbols, place, strict=False))
        return None

    def _candidates(self) -> Iterator[Place]:
        """Places where a factor has a known sign; and, as others may vanish there, a little inside."""
        for part in self.parts:
            proof = part.proof
            for place in (proof.zero_at, proof.positive_at, proof.negative_at):
                if place is None:
                    continue
                for share in (Fraction(0), Fraction(1, 64), Fraction(1, 1024)):
                    yield tuple(
                        x + share * ((low + high) / 2 - x)
                        for x, (low, high) in zip(place, proof.box, strict=True)
                    )

    def __str__(self) -> str:
        where = ", ".join(
            f"{x} in [{low}, {high}]" for x, (low, high) in zip(self.symbols, self.box, strict=True)
        )
        lines = [f"{self.sign} for all {where}" if where else self.sign]
        if self.poles:
            lines.append("  wherever it is defined: the denominator may be 0 on the box")
        if self.sign == "mixed":
            for name, place in (("positive", self.positive_at), ("negative", self.negative_at)):
                if place is not None:
                    lines.append(f"  {name} at {_shown(place)}")
        elif self.sign in ("nonnegative", "nonpositive") and (zero := self.zero_at) is not None:
            lines.append(f"  0 at {_shown(zero)}")
        for part in self.parts:
            place = "denominator" if part.power < 0 else "numerator"
            lines.append(f"  factor of the {place}, power {abs(part.power)}: {part.proof}")
        if self.undecided:
            lines.append(f"  {len(self.undecided)} boxes are open; max_boxes=... allows for more")
        return "\n".join(lines)


def sign_on_box(
    expression: object,
    box: Mapping[Any, Sequence[object]] | None = None,
    *,
    max_boxes: int = 1000,
) -> BoxSign:
    """The sign of a rational function on a closed box, with a proof that can be checked again.

    **Arguments:**

    - `expression`: a [`resolvent.analytic.RationalFunction`][], as `form.rational(i)` and its derivatives
        are, or a SymPy expression such as an entry of `form.gradient(i, wrt=j)`, with rational numbers.
    - `box`: symbols, or their names, to pairs (least, greatest) of exact numbers. Symbols that are not
        named go from 0 to 1, as probabilities do. Of a player with more than two actions the
        probabilities of a row sum to at most 1, which no box says: see `dominates` for whole simplices.
    - `max_boxes`: into how many parts the box may be cut for each factor.

    **Returns:** a [`resolvent.analytic.BoxSign`][].

    **Raises:** `TypeError` for text; `ValueError` for a box that does not fit, a function whose denominator changes
    sign in the box, and one with more than `MAX_COEFFICIENTS` coefficients.
    """
    if isinstance(max_boxes, bool) or not isinstance(max_boxes, int) or max_boxes < 1:
        raise ValueError(f"max_boxes: expected an integer from 1 up, got {max_boxes!r}")
    if isinstance(expression, str):  # text is never evaluated
        raise TypeError(
            f"expression: expected a SymPy expression or a RationalFunction, got the text {shorten(expression)}"
        )
    function = (
        expression
        if isinstance(expression, RationalFunction)
        else RationalFunction.from_expression(expression)
    ).cancel()
    symbols, intervals = _read_box(function, box)
    constant, factors = _factors(function)

    def decided(polynomial: Any, power: int) -> Part:
        return Part(polynomial, power, _decide(polynomial, function, symbols, intervals, max_boxes))

    parts = [decided(base, power) for base, power in factors]
    for part in parts:
        if part.power < 0 and part.power % 2 and part.proof.sign in ("mixed", "undecided"):
            raise ValueError(
                "expression: expected a denominator that keeps its sign on the box, got one that "
                f"{'takes both signs' if part.proof.sign == 'mixed' else 'is not decided'}; take a smaller box"
            )
    loose = [part for part in parts if part.power % 2 and part.proof.sign in ("mixed", "undecided")]
    if len(loose) > 1:
        parts = [part for part in parts if part not in loose]
        parts.append(decided(reduce(mul, (own.polynomial**own.power for own in loose)), 1))
    poles = any(part.power < 0 and not _strict(part.proof.sign) for part in parts)
    sign = _product(constant, parts)
    return BoxSign(function, symbols, intervals, sign, constant, tuple(parts), poles)


def _read_box(
    function: RationalFunction, box: Mapping[Any, Sequence[object]] | None
) -> tuple[tuple[sympy.Expr, ...], Box]:
    """The symbols that occur, and their intervals."""
    known: Any = function.symbols
    given: dict[Any, tuple[Fraction, Fraction]] = {}
    for key, pair in (box or {}).items():
        (symbol,) = resolve_mapping({key: 0}, known, "expression")
        name = f"box[{key}]"
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise ValueError(f"{name}: expected a pair (least, greatest), got {shorten(pair)}")
        low, high = (exact(x, name) for x in pair)
        if not (isinstance(low, Fraction) and isinstance(high, Fraction) and low <= high):
            raise ValueError(
                f"{name}: expected two numbers, the first not larger, got {shorten(pair)}"
            )
        given[symbol] = low, high
    everything = Fraction(0), Fraction(1)
    polynomials = [function.top, *(base for base, _ in function.factors)]
    occurring = [
        (x, given.get(x, everything))
        for k, x in enumerate(function.symbols)
        if any(degree(own, k) for own in polynomials)
    ]
    return tuple(x for x, _ in occurring), tuple(interval for _, interval in occurring)


def _factors(function: RationalFunction) -> tuple[Fraction, list[tuple[Any, int]]]:
    """A constant, and coprime factors with their powers."""
    constant = Fraction(1)
    factors: list[tuple[Any, int]] = []
    for base, power in ((function.top, 1), *((base, -e) for base, e in function.factors)):
        content, own = (1, [(base, 1)]) if len(base) > _FACTORED or base == 0 else base.factor()
        constant *= Fraction(int(content)) ** power
        factors += [(irreducible, int(e) * power) for irreducible, e in own]
    # Numerator and denominator have none in common, but those of the denominator may.
    return constant, list(merged(factors))


def _decide(
    polynomial: Any,
    function: RationalFunction,
    symbols: tuple[sympy.Expr, ...],
    box: Box,
    max_boxes: int,
) -> BoxProof:
    count = prod(degree(polynomial, function.symbols.index(x)) + 1 for x in symbols)
    if count > MAX_COEFFICIENTS:
        raise ValueError(
            f"expression: expected at most {MAX_COEFFICIENTS:,} Bernstein coefficients, got {count:,}; "
            "replace some of the symbols by numbers first"
        )
    terms, padded = _terms(polynomial, function, symbols, box)
    return decide(terms, padded, max_boxes)


def _terms(
    polynomial: Any, function: RationalFunction, symbols: tuple[sympy.Expr, ...], box: Box
) -> tuple[dict[tuple[int, ...], int], Box]:
    """The powers of the symbols that occur, to coefficients."""
    places = [function.symbols.index(x) for x in symbols]
    terms = {
        tuple(int(powers[k]) for k in places): int(c) for powers, c in polynomial.to_dict().items()
    }
    if not symbols:  # a number is a polynomial in something that does not matter
        return {(0,): sum(terms.values())}, ((Fraction(0), Fraction(1)),)
    return terms, box


def _proves(
    part: Part, function: RationalFunction, symbols: tuple[sympy.Expr, ...], box: Box
) -> bool:
    """Whether a proof is one of this part on this box, and holds."""
    terms, padded = _terms(part.polynomial, function, symbols, box)
    return part.proof.terms == terms and part.proof.box == padded and part.proof.check()


def _product(constant: Fraction, parts: Sequence[Part]) -> Sign:
    """The sign of a product of coprime factors."""
    signs: list[Sign] = [_power(part.proof.sign, part.power) for part in parts]
    if constant == 0 or "zero" in signs:
        return "zero"
    if "undecided" in signs:
        return "undecided"
    if "mixed" in signs:
        return "mixed"
    flips = (constant < 0) + sum(sign in ("negative", "nonpositive") for sign in signs)
    whole: Sign = "positive" if all(map(_strict, signs)) else "nonnegative"
    return _OPPOSITE[whole] if flips % 2 else whole


def _power(sign: Sign, power: int) -> Sign:
    if power % 2 or sign == "zero":
        return sign
    return "positive" if _strict(sign) else "nonnegative"


def _strict(sign: Sign) -> bool:
    return sign in ("positive", "negative")


def _shown(place: Mapping[sympy.Expr, Fraction]) -> str:
    return ", ".join(f"{x} = {value}" for x, value in place.items())
