r"""Real algebraic numbers: the field that exact points live in, and the end points of exact intervals.

A field $\mathbb{Q}(\theta)$ is given by the minimal polynomial m of a real number $\theta$, its numbers by polynomials
in $\theta$ of lower degree; the rationals are the field of $\theta = 0$, m = x. A root of a polynomial over the
integers is given by an irreducible factor and by which of its real roots it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, total_ordering
from typing import Any

import flint
import sympy

Coefficients = tuple[int, ...]
"""Of a polynomial over the integers, from the constant up."""

FIRST_BITS = 64


@lru_cache(maxsize=256)
def real_roots(polynomial: Coefficients, bits: int) -> tuple[Any, ...]:
    """Rigorous enclosures of the distinct real roots of a square-free polynomial, ascending."""
    with flint.ctx.workprec(bits):
        found: Any = flint.fmpz_poly(list(polynomial)).complex_roots()
        roots = [root for root, _ in found]
        real = [root.real for root in roots if root.imag.is_zero()]
        return tuple(sorted(real, key=lambda ball: Fraction(*_ratio(ball.mid()))))


def factors(polynomial: Any) -> tuple[Coefficients, ...]:
    """The irreducible factors of degree 1 and up of a `flint.fmpq_poly` other than 0."""
    _, found = polynomial.numer().factor()
    return tuple(tuple(map(int, factor.coeffs())) for factor, _ in found if factor.degree() > 0)


@total_ordering
@dataclass(frozen=True)
class RealRoot:
    """The `index`-th real root, from the least, of an irreducible polynomial over the integers.

    Prints as a number where it is rational, by radicals where it is quadratic, and by its polynomial
    elsewhere.
    """

    polynomial: Coefficients
    index: int

    def ball(self, bits: int) -> Any:
        """A `flint.arb` that contains the number, and no other root of its polynomial."""
        return real_roots(self.polynomial, bits)[self.index]

    @cached_property
    def expr(self) -> sympy.Expr:
        """The number in SymPy: a rational, radicals, or a `CRootOf`."""
        if len(self.polynomial) == 2:
            constant, leading = self.polynomial
            return sympy.Rational(-constant, leading)
        x = sympy.Symbol("x")
        polynomial = sympy.Poly(self.polynomial[::-1], x)
        if len(self.polynomial) == 3:
            c, b, a = self.polynomial
            root = sympy.sqrt(b * b - 4 * a * c)
            sign = (1 if self.index else -1) * (1 if a > 0 else -1)
            return sympy.radsimp((-b + sign * root) / (2 * a))
        return sympy.CRootOf(polynomial, self.index)

    @property
    def rational(self) -> Fraction | None:
        """The number, where it is rational."""
        if len(self.polynomial) != 2:
            return None
        return Fraction(-self.polynomial[0], self.polynomial[1])

    def __float__(self) -> float:
        return float(self.ball(FIRST_BITS).mid())

    def __lt__(self, other: RealRoot) -> bool:
        return compare(self, other) < 0

    def __str__(self) -> str:
        if len(self.polynomial) <= 3:
            return str(self.expr)
        x = sympy.Symbol("x")
        shown = sympy.Poly(self.polynomial[::-1], x).as_expr()
        return f"{float(self):.12g} (real root {self.index + 1} of {shown})"


def rational_root(number: Fraction) -> RealRoot:
    """A rational number as the root of its polynomial."""
    return RealRoot((-number.numerator, number.denominator), 0)


def compare(left: RealRoot, right: RealRoot) -> int:
    """-1, 0 or 1 as `left` is less than, the same as or greater than `right`; exact."""
    if left == right:
        return 0
    bits = FIRST_BITS
    while True:  # roots of different irreducible polynomials are different, and so separate
        with flint.ctx.workprec(bits):
            a, b = left.ball(bits), right.ball(bits)
            if a < b or a > b:
                return -1 if a < b else 1
        bits *= 2


def algebraic(number: sympy.Expr) -> RealRoot:
    """An exact real algebraic number as a root.

    **Raises:** `ValueError` where it is not one.
    """
    if number.is_Rational:
        return rational_root(as_fraction(number))
    x = sympy.Symbol("x")
    minimal = sympy.Poly(sympy.minimal_polynomial(number, x), x)
    polynomial = flint.fmpq_poly([_rational(c) for c in minimal.all_coeffs()[::-1]])
    (only,) = factors(polynomial)
    bits = FIRST_BITS
    while True:
        with flint.ctx.workprec(bits):
            value = sympy.N(number, bits // 3)
            if not value.is_real:
                raise ValueError(f"expected a real number, got {number}")
            near = flint.arb(str(value), f"1e-{bits // 4}")
            meets = [k for k, ball in enumerate(real_roots(only, bits)) if ball.overlaps(near)]
        if len(meets) == 1:
            return RealRoot(only, meets[0])
        bits *= 2


def between(low: RealRoot | None, high: RealRoot | None) -> Fraction:
    """A simple rational number strictly between two; None is without bound."""
    if low is None and high is None:
        return Fraction(0)
    if low is None or high is None:
        bounded: Any = high if low is None else low
        ball = bounded.ball(FIRST_BITS)
        if low is None:
            return Fraction(math.floor(float(ball.lower())) - 1)
        return Fraction(math.ceil(float(ball.upper())) + 1)
    bits = FIRST_BITS
    while True:
        a, b = low.ball(bits), high.ball(bits)
        left, right = Fraction(*_ratio(a.upper())), Fraction(*_ratio(b.lower()))
        if left < right:
            return _simplest(left + (right - left) / 16, right - (right - left) / 16)
        bits *= 2


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The number of least denominator in [low, high]."""
    whole = math.floor(low)
    if whole == low:
        return low
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))


def _ratio(number: Any) -> tuple[int, int]:
    """An exact ball as a fraction."""
    exact = number.fmpq()
    return int(exact.p), int(exact.q)


def as_fraction(number: Any) -> Fraction:
    """A rational SymPy number."""
    return Fraction(int(number.p), int(number.q))


def _rational(number: Any) -> Any:
    return flint.fmpq(int(number.p), int(number.q))


@dataclass(frozen=True)
class Field:
    r"""$\mathbb{Q}(\theta)$, with the numbers that generate it as polynomials in $\theta$.

    **Attributes:**

    - `root`: $\theta$.
    - `symbol`: what stands for it in formulas.
    - `generator`: it, in SymPy.
    - `replacements`: the generating numbers, as polynomials in `symbol`.
    """

    root: RealRoot
    symbol: sympy.Symbol
    generator: sympy.Expr
    replacements: dict[sympy.Expr, sympy.Expr]

    @cached_property
    def modulus(self) -> Any:
        """The minimal polynomial, a `flint.fmpq_poly`."""
        return flint.fmpq_poly(list(self.root.polynomial))

    @property
    def degree(self) -> int:
        return len(self.root.polynomial) - 1

    def sign(self, number: Any) -> int:
        """The sign of a number that is given by a polynomial in theta, exact."""
        rest = number % self.modulus
        if rest == 0:
            return 0
        if rest.degree() == 0:
            return 1 if rest[0] > 0 else -1
        bits = FIRST_BITS
        while True:  # rest is not 0 at theta, since the minimal polynomial does not divide it
            with flint.ctx.workprec(bits):
                value = flint.arb_poly(rest)(self.root.ball(bits))
                if value > 0 or value < 0:
                    return 1 if value > 0 else -1
            bits *= 2


def field_of(expressions: Iterable[Any]) -> Field:
    """The smallest field of which all the numbers in some formulas are.

    **Raises:** `ValueError` for numbers that are not algebraic.
    """
    generators: dict[sympy.Expr, None] = {}
    for expression in expressions:
        _collect(expression, generators)
    symbol = sympy.Dummy("theta")
    if not generators:
        return Field(rational_root(Fraction(0)), symbol, sympy.Integer(0), {})
    numbers = list(generators)
    if len(numbers) == 1:
        primitive, forms = numbers[0], [symbol]
    else:
        known: Any = sympy.primitive_element(numbers, symbol, ex=True)
        _, weights, rows = known
        primitive = sympy.Add(*(w * a for w, a in zip(weights, numbers, strict=True)))
        forms = [sympy.Poly(row, symbol).as_expr() for row in rows]
    replacements = dict(zip(numbers, forms, strict=True))
    return Field(algebraic(primitive), symbol, primitive, replacements)


def _collect(expression: Any, found: dict[sympy.Expr, None]) -> None:
    if expression.is_Rational or expression.is_Symbol:
        return
    if isinstance(expression, sympy.CRootOf):
        found[expression] = None
    elif expression.is_Pow and not expression.exp.is_Integer:
        if not (expression.is_number and expression.exp.is_Rational and expression.is_algebraic):
            raise ValueError(
                f"expected rational functions with algebraic numbers; got {expression}"
            )
        found[expression] = None
    elif expression.is_Add or expression.is_Mul or expression.is_Pow:
        for own in expression.args:
            _collect(own, found)
    else:
        raise ValueError(f"expected rational functions with algebraic numbers; got {expression}")


def separated(roots: Iterable[RealRoot]) -> list[RealRoot]:
    """Different roots in ascending order."""
    return sorted(set(roots))


def roots_of(polynomials: Iterable[Coefficients]) -> list[RealRoot]:
    """All real roots of irreducible polynomials, each once, ascending."""
    return separated(
        RealRoot(own, k)
        for own in set(polynomials)
        for k in range(len(real_roots(own, FIRST_BITS)))
    )


def vanishes(coefficients: Sequence[Any], field: Field, at: RealRoot) -> bool:
    r"""Whether $g(t, \theta) = 0$ at a root t, exactly.

    With t and theta of degrees a, b and leading coefficients u, v, the number $u^k v^m g$ is an
    algebraic integer for k, m the degrees of g, its norm an integer, and so it is 0 or at least
    $W^{1 - ab}$, where W bounds all its conjugates.

    **Arguments:** `coefficients`: of g in t, from the constant up, each a polynomial in theta over the
    integers (a `flint.fmpz_poly`).
    """
    t_bound, u = _bound(at.polynomial)
    theta_bound, v = _bound(field.root.polynomial)
    inner = max(own.degree() for own in coefficients)
    size = sum(
        abs(int(c)) * t_bound**k * theta_bound**m
        for k, own in enumerate(coefficients)
        for m, c in enumerate(own.coeffs())
    )
    scale = u ** (len(coefficients) - 1) * v**inner
    conjugates = (len(at.polynomial) - 1) * field.degree
    enough = (conjugates - 1) * (int(scale * size) + 1).bit_length() + scale.bit_length() + 1
    bits = FIRST_BITS
    while True:
        with flint.ctx.workprec(bits):
            theta, t = field.root.ball(bits), at.ball(bits)
            value = flint.arb(0)
            for own in reversed(coefficients):
                value = value * t + flint.arb_poly(own)(theta)
            if not value.contains(0):
                return False
            if abs(value).upper() < flint.arb(2) ** -enough:
                return True
        bits *= 2


def _bound(polynomial: Coefficients) -> tuple[int, int]:
    """Of all roots, by Cauchy's bound, and the leading coefficient's size."""
    leading = abs(polynomial[-1])
    return 1 + -(-max(map(abs, polynomial)) // leading), leading
