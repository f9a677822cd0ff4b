r"""Calculus on exact quotients of polynomials, by FLINT: quick where SymPy's own is slow.

A `RationalFunction` is $T / \prod_i B_i^{e_i}$ with integer polynomials. The denominator stays in
factors: a derivative of order k of T / B is over B^(k+1), which is never multiplied out, and every
operation below works on the B_i one by one.

Two of them are equal when they are the same function, however they are written. All methods treat
a function as such: what is 0/0 only because numerator and denominator share a factor is reduced first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import gcd, prod
from operator import add, mul
from typing import Any

import sympy

from resolvent.analytic import terms
from resolvent.analytic.polynomial import to_sympy
from resolvent.analytic.symbols import as_sympy
from resolvent.analytic.terms import Factors
from resolvent.games import exact

MAX_TERMS = 10_000_000
"""Largest predicted number of terms that a product is carried out for (seconds and about 1 GB)."""


class PoleError(ValueError):
    """The function has no value there: its denominator vanishes and nothing cancels that."""


def carry_out(
    expression: sympy.Expr,
    known: Callable[[sympy.Expr], Any | None],
    number: Callable[[Fraction], Any],
) -> Any:
    """Carry a rational expression's operations out on any numbers with `+ * / **`.

    **Arguments:**

    - `expression`: built from symbols and rationals by sums, products and integer powers.
    - `known`: the number that a subexpression (a symbol, usually) stands for, or None.
    - `number`: makes a number of that kind from a `Fraction`.

    **Raises:** `ValueError` for a symbol that is not known and for anything else in the expression.
    """

    def visit(node: Any) -> Any:
        found = known(node)
        if found is not None:
            return found
        if node.is_Rational:
            return number(Fraction(int(node.p), int(node.q)))
        if node.is_Add:
            return reduce(add, map(visit, node.args))
        if node.is_Mul:
            return reduce(mul, map(visit, node.args))
        if node.is_Pow and node.exp.is_Integer:
            base = visit(node.base)
            return (base if node.exp > 0 else number(Fraction(1)) / base) ** abs(int(node.exp))
        raise ValueError(f"expression: expected a rational function of known symbols, got {node}")

    return visit(expression)


@dataclass(frozen=True, eq=False, repr=False)
class RationalFunction:
    """An exact rational function; see the module's docstring. Made by `of` or `from_expression`.

    **Attributes:**

    - `top`: the numerator, a `flint.fmpz_mpoly`.
    - `factors`: pairs (polynomial of the same ring, exponent from 1 up) whose product is the
        denominator.
    - `symbols`: the SymPy symbols that the ring's generators stand for. Wherever a method takes a
        symbol, its name will do.
    - `max_terms`: products that may have more terms than this raise `TooLargeToExpandError`.
    """

    top: Any
    factors: Factors
    symbols: tuple[sympy.Expr, ...]
    max_terms: int = MAX_TERMS

    def __post_init__(self) -> None:
        context = self.top.context()
        if any(base.context() != context for base, _ in self.factors):
            raise ValueError("factors: expected polynomials of the ring of top")
        if any(base == 0 or power < 1 for base, power in self.factors):
            raise ValueError("factors: expected polynomials other than 0, with exponents from 1 up")
        if len(self.symbols) != context.nvars():
            raise ValueError(
                f"symbols: expected one for each of the {context.nvars()} generators, got {len(self.symbols)}"
            )
        if len({*self.symbols}) < len(self.symbols) or not all(s.is_Symbol for s in self.symbols):
            raise ValueError(f"symbols: expected different symbols, got {self.symbols}")

    @classmethod
    def of(
        cls, top: Any, bottom: Any, symbols: Sequence[sympy.Expr], max_terms: int = MAX_TERMS
    ) -> RationalFunction:
        """The quotient of two FLINT polynomials of one ring.

        **Arguments:**

        - `symbols`: what each generator stands for: a SymPy symbol or a rational expression of symbols,
            which is put in its place (the generators are symbols afterwards).
        """
        if bottom == 0:
            raise ZeroDivisionError("bottom: expected a polynomial other than 0")
        own: list[Any] = [s if s.is_Symbol else sympy.Dummy(f"x{k}") for k, s in enumerate(symbols)]
        stored = cls(top, terms.merged([(bottom, 1)]), tuple(own), max_terms)
        meant = {x: s for x, s in zip(own, symbols, strict=True) if x is not s}
        if not meant:
            return stored
        result = stored.substitute(meant)
        return _in_ring(result, tuple(s for s in result.symbols if s not in meant))

    @classmethod
    def from_expression(
        cls,
        expression: object,
        symbols: Sequence[sympy.Expr] | None = None,
        max_terms: int = MAX_TERMS,
        name: str = "expression",
    ) -> RationalFunction:
        """Read a number or a rational SymPy expression.

        **Arguments:**

        - `expression`: what [`resolvent.games.exact`][] reads.
        - `symbols`: the generators; by default the symbols of `expression`, sorted by name.
        - `name`: what the expression is called in an error message.
        """
        value: Any = as_sympy(exact(expression, name))
        own = tuple(sorted(value.free_symbols, key=str) if symbols is None else symbols)
        context = terms.ring(len(own))
        gens = dict(zip(own, context.gens(), strict=True))

        def known(node: sympy.Expr) -> RationalFunction | None:
            return cls(gens[node], (), own, max_terms) if node in gens else None

        def number(n: Fraction) -> RationalFunction:
            top, bottom = context.constant(n.numerator), context.constant(n.denominator)
            return cls(top, terms.merged([(bottom, 1)]), own, max_terms)

        return carry_out(value, known, number)

    # What is shown.

    @property
    def numerator(self) -> sympy.Expr:
        """The numerator as stored, in SymPy."""
        return to_sympy(self.top, self.symbols)

    @property
    def denominator(self) -> sympy.Expr:
        """The denominator as stored, in SymPy: a product of powers."""
        powers = [to_sympy(base, self.symbols) ** power for base, power in self.factors]
        return sympy.Mul(*powers)

    @property
    def expr(self) -> sympy.Expr:
        """The quotient as stored, in SymPy."""
        return self.numerator / self.denominator

    @property
    def bottom(self) -> Any:
        """The denominator multiplied out, a `flint.fmpz_mpoly`."""
        powers = (self._power(base, power) for base, power in self.factors)
        return reduce(self._times, powers, self._constant(1))

    def latex(self) -> str:
        """One LaTeX fraction of the numerator and the denominator as stored."""
        if not self.factors:
            return sympy.latex(self.numerator)
        return rf"\frac{{{sympy.latex(self.numerator)}}}{{{sympy.latex(self.denominator)}}}"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def __str__(self) -> str:
        size = len(self.top) + sum(len(base) for base, _ in self.factors)
        if size <= 24:
            return str(self.expr)
        below = " * ".join(f"({len(base)} terms)^{power}" for base, power in self.factors)
        return f"rational function of {len(self.symbols)} symbols: {len(self.top)} terms / {below or 1}"

    def __repr__(self) -> str:
        return f"RationalFunction({self})"

    def factor(self) -> sympy.Expr:
        """The product of its irreducible factors over the integers, in lowest terms, in SymPy."""
        if self.top == 0:
            return sympy.Integer(0)
        scale, powers = Fraction(1), []
        for polynomial, power in ((self.top, 1), *((base, -e) for base, e in self.factors)):
            content, parts = polynomial.factor()
            scale *= Fraction(int(content)) ** power
            powers += [(part, int(e) * power) for part, e in parts]
        shown = [to_sympy(base, self.symbols) ** power for base, power in terms.merged(powers)]
        product = sympy.Mul(*shown)
        # SymPy would multiply a number into a lone sum, which undoes the factoring.
        return sympy.Mul(as_sympy(scale), product, evaluate=not product.is_Add or scale == 1)

    # Algebra.

    def cancel(self) -> RationalFunction:
        """The same function in lowest terms: no common polynomial or integer factor, the denominator
        a positive integer times polynomials with positive leading coefficients and no content."""
        top, constant = self.top, 1
        pending, kept = list(reversed(self.factors)), []
        while pending:
            base, power = pending.pop()
            content = terms.signed_content(base)
            base, constant = base / content, constant * content**power
            common = top.gcd(base)
            if terms.is_number(base):
                continue
            if terms.is_number(common):
                kept.append((base, power))
                continue
            top = top / common
            pending.append((base / common, power))
            if power > 1:
                pending.append((common, power - 1))
        shared = gcd(terms.signed_content(top), constant) * (-1 if constant < 0 else 1)
        return self._with(top / shared, [(self._constant(constant // shared), 1), *kept])

    def __eq__(self, other: object) -> bool:
        value = self._operand(other)
        if value is None:
            return NotImplemented
        return (self - value).top == 0

    def __neg__(self) -> RationalFunction:
        return self._with(-self.top, self.factors)

    def __add__(self, other: object) -> RationalFunction:
        value = self._operand(other)
        if value is None:
            return NotImplemented
        left, right = _together(self, value)
        common = terms.merged([*left.factors, *right.factors], max)
        return left._with(left._over(common) + right._over(common), common)

    def __sub__(self, other: object) -> RationalFunction:
        value = self._operand(other)
        return NotImplemented if value is None else self + -value

    def __mul__(self, other: object) -> RationalFunction:
        value = self._operand(other)
        if value is None:
            return NotImplemented
        left, right = _together(self, value)
        return left._with(left._times(left.top, right.top), [*left.factors, *right.factors])

    def __truediv__(self, other: object) -> RationalFunction:
        value = self._operand(other)
        return NotImplemented if value is None else self * value._inverse()

    def __radd__(self, other: object) -> RationalFunction:
        return self + other

    def __rsub__(self, other: object) -> RationalFunction:
        return -self + other

    def __rmul__(self, other: object) -> RationalFunction:
        return self * other

    def __rtruediv__(self, other: object) -> RationalFunction:
        return self._inverse() * other

    def __pow__(self, power: int) -> RationalFunction:
        if power == 0:
            return self._with(self._constant(1), ())
        base = self if power > 0 else self._inverse()
        factors = [(bottom, e * abs(power)) for bottom, e in base.factors]
        return base._with(base._power(base.top, abs(power)), factors)

    def _inverse(self) -> RationalFunction:
        if self.top == 0:
            raise ZeroDivisionError("division by the rational function 0")
        return self._with(self.bottom, [(self.top, 1)])

    def _over(self, common: Factors) -> Any:
        """The numerator over the denominator `common`, which has all factors of this one."""
        top = self.top
        for base, power in common:
            own = next((e for factor, e in self.factors if factor == base), 0)
            top = self._times(top, self._power(base, power - own))
        return top

    def _operand(self, other: object) -> RationalFunction | None:
        if isinstance(other, (RationalFunction, int, Fraction, sympy.Expr)):
            return self._lift(other, "operand")
        return None

    def _lift(self, value: object, name: str) -> RationalFunction:
        if isinstance(value, RationalFunction):
            return value
        expression: Any = as_sympy(exact(value, name))
        new = expression.free_symbols - set(self.symbols)
        symbols = (*self.symbols, *sorted(new, key=str))
        return RationalFunction.from_expression(expression, symbols, self.max_terms, name)

    def _with(self, top: Any, factors: Iterable[tuple[Any, int]]) -> RationalFunction:
        return replace(self, top=top, factors=() if top == 0 else terms.merged(factors))

    def _constant(self, value: int) -> Any:
        return self.top.context().constant(value)

    def _index(self, symbol: object, argument: str) -> int:
        for k, own in enumerate(self.symbols):
            if str(own) == symbol if isinstance(symbol, str) else own == symbol:
                return k
        known = _shortened(", ".join(map(str, self.symbols)))
        raise ValueError(f"{argument}: expected one of the symbols {known}, got {symbol!r}")

    # Calculus.

    def diff(self, *symbols: sympy.Expr | str) -> RationalFunction:
        """The derivative in each of `symbols` in turn: `f.diff(x, x, y)` is of third order.

        **Raises:** `ValueError` for what is not a generator, `TooLargeToExpandError`.
        """
        places = [self._index(symbol, "symbols") for symbol in symbols]
        return reduce(RationalFunction._derivative, places, self)

    def _derivative(self, k: int) -> RationalFunction:
        moving = [(base, e) for base, e in self.factors if terms.degree(base, k)]
        still = [(base, e) for base, e in self.factors if not terms.degree(base, k)]
        product = reduce(self._times, (base for base, _ in moving), self._constant(1))
        # (T / prod B^e)' = (T' prod B - T sum_i e_i B_i' prod_{j != i} B_j) / prod B^(e + 1)
        drift = self._constant(0)
        for at, (base, power) in enumerate(moving):
            others = (other for j, (other, _) in enumerate(moving) if j != at)
            drift += power * reduce(self._times, others, base.derivative(k))
        top = self._times(self.top.derivative(k), product) - self._times(self.top, drift)
        return self._with(top, [*((base, e + 1) for base, e in moving), *still])

    def substitute(self, mapping: Mapping[Any, object]) -> RationalFunction:
        """Replace symbols, all at once and exactly.

        **Arguments:**

        - `mapping`: from symbols (or their names) to rationals, symbols or rational functions of
            symbols, which may be new. `{q: p, ...}` gives the value of symmetric policies.

        **Raises:** `PoleError` where the denominator vanishes, `TooLargeToExpandError`.
        """
        given: dict[int, RationalFunction] = {}
        for key, value in mapping.items():
            k = self._index(key, "mapping")
            if k in given:
                raise ValueError(f"mapping: expected {self.symbols[k]} once, got it twice")
            given[k] = self._lift(value, f"the value of {key}").cancel()
        home, *moved = _together(self, *given.values())
        new = dict(zip(given, moved, strict=True))
        gens, one = home.top.context().gens(), home._constant(1)
        tops = [new[k].top if k in new else gen for k, gen in enumerate(gens)]
        bottoms = [new[k].bottom if k in new else one for k in range(len(gens))]
        result = home._replaced(tops, bottoms) or home.cancel()._replaced(tops, bottoms)
        if result is None:
            where = _shortened(", ".join(f"{key} = {value}" for key, value in mapping.items()))
            raise PoleError(
                f"mapping: the denominator vanishes at {where}; .limit(symbol, to) takes one symbol at a time"
            )
        return result

    def _replaced(self, tops: Sequence[Any], bottoms: Sequence[Any]) -> RationalFunction | None:
        """The function at generators tops / bottoms; None where the denominator vanishes."""
        top = self._composed(self.top, tops, bottoms)
        factors = [(self._composed(base, tops, bottoms), e) for base, e in self.factors]
        if any(base == 0 for base, _ in factors):
            return None
        # Each polynomial was multiplied by bottom_k to its own degree in x_k: balance them.
        for k, bottom in enumerate(bottoms):
            surplus = sum(e * terms.degree(base, k) for base, e in self.factors) - terms.degree(
                self.top, k
            )
            if surplus > 0:
                top = self._times(top, self._power(bottom, surplus))
            elif surplus < 0:
                factors.append((bottom, -surplus))
        return self._with(top, factors)

    def evaluate(self, mapping: Mapping[Any, object]) -> Fraction:
        """The exact value at a rational point: a number for every symbol that occurs.

        **Raises:** `PoleError` where the denominator vanishes.
        """
        numbers = {key: exact(value, f"the value of {key}") for key, value in mapping.items()}
        symbolic = [str(key) for key, value in numbers.items() if not isinstance(value, Fraction)]
        if symbolic:
            raise ValueError(f"mapping: expected a rational for {symbolic[0]}; use .substitute")
        value = self.substitute(numbers)
        parts = [value.top, *(base for base, _ in value.factors)]
        left = [
            s for k, s in enumerate(value.symbols) if any(terms.degree(part, k) for part in parts)
        ]
        if left:
            raise ValueError(
                f"mapping: expected a number for every symbol, none came for {left[0]}"
            )
        return Fraction(
            terms.number(value.top), prod(terms.number(b) ** e for b, e in value.factors)
        )

    def limit(self, symbol: sympy.Expr | str, to: object) -> RationalFunction:
        """The limit in one symbol, the others held where they are (generic).

        Factors (symbol - to)^k that numerator and denominator share are removed. Limits in several
        symbols are taken one after the other, and may depend on the order.

        **Arguments:**

        - `to`: a rational, an expression in other symbols, or `sympy.oo` or `-sympy.oo`.

        **Raises:** `PoleError` with its order where the function grows without bound; which sign it
        then has is a matter of the side and of the other symbols.
        """
        k = self._index(symbol, "symbol")
        if isinstance(to, sympy.Expr) and to in (sympy.oo, -sympy.oo):
            return self._limit_at_infinity(k, to)
        home, point = self._at(k, to, "to")
        stripped, order = home._stripped(k, point)
        if order > 0:
            raise PoleError(f"to: pole of order {order} at {symbol} = {to}, no finite limit")
        if order < 0:
            return home._with(home._constant(0), ())
        return stripped.substitute({self.symbols[k]: point})

    def _limit_at_infinity(self, k: int, to: object) -> RationalFunction:
        order = terms.degree(self.top, k) - sum(
            e * terms.degree(base, k) for base, e in self.factors
        )
        if order < 0:
            return self._with(self._constant(0), ())
        if order > 0:
            raise PoleError(
                f"to: grows like {self.symbols[k]}^{order} towards {to}, no finite limit"
            )
        leading = [(terms.coefficients(base, k)[-1], e) for base, e in self.factors]
        return self._with(terms.coefficients(self.top, k)[-1], leading)

    def series(
        self, symbol: sympy.Expr | str, at: object, order: int
    ) -> tuple[RationalFunction, ...]:
        """Taylor coefficients in one symbol: of (symbol - at)^0, ..., (symbol - at)^order.

        **Arguments:**

        - `at`: a rational or an expression in other symbols.

        **Returns:** order + 1 functions of the other symbols, each in lowest terms. Where
        numerator and denominator both vanish at `at`, what they share is removed first.

        **Raises:** `PoleError` at a pole: multiply by (symbol - at)^k first.
        """
        if isinstance(order, bool) or not isinstance(order, int) or order < 0:
            raise ValueError(f"order: expected an integer from 0 up, got {order!r}")
        k = self._index(symbol, "symbol")
        home, point = self._at(k, at, "at")
        home, vanishing = home._stripped(k, point)
        if vanishing > 0:
            raise PoleError(f"at: pole of order {vanishing} at {symbol} = {at}, no Taylor series")
        # With x = n/d + t, every polynomial B becomes d^deg(B) B(n/d + t), and t takes x's place.
        gens, one, zero = home.top.context().gens(), home._constant(1), home._constant(0)
        tops, bottoms = list(gens), [one] * len(gens)
        tops[k], bottoms[k] = home._times(point.bottom, gens[k]) + point.top, point.bottom

        def expanded(polynomial: Any) -> list[Any]:
            return terms.coefficients(home._composed(polynomial, tops, bottoms), k)

        above = [zero] * -vanishing + expanded(home.top) + [zero] * order
        below, leading, surplus = [one], [], -terms.degree(home.top, k)
        for base, power in home.factors:
            coefficients = expanded(base)
            leading.append((coefficients[0], power))
            surplus += power * terms.degree(base, k)
            for _ in range(power):
                below = home._convolved(below, coefficients, order)

        # c_m = C_m / d_0^(m+1) with C_m = n_m d_0^m - sum_j d_j C_(m-j) d_0^(j-1), free of fractions.
        powers = [one]
        for _ in range(order):
            powers.append(home._times(powers[-1], below[0]))
        tops = []
        for m in range(order + 1):
            entry = home._times(above[m], powers[m])
            for j in range(1, min(m, len(below) - 1) + 1):
                entry -= home._times(below[j], home._times(tops[m - j], powers[j - 1]))
            tops.append(entry)
        scale = home._with(point.bottom, ()) ** surplus
        return tuple(
            (home._with(entry, [(d, e * (m + 1)) for d, e in leading]) * scale).cancel()
            for m, entry in enumerate(tops)
        )

    def _convolved(self, left: list[Any], right: list[Any], order: int) -> list[Any]:
        """The product of two polynomials in t, given by their coefficients, up to t^order."""
        product = [self._constant(0)] * min(order + 1, len(left) + len(right) - 1)
        for i, a in enumerate(left):
            for j, b in enumerate(right[: max(len(product) - i, 0)]):
                product[i + j] += self._times(a, b)
        return product

    def _at(
        self, k: int, value: object, argument: str
    ) -> tuple[RationalFunction, RationalFunction]:
        """This function and a place on the axis of generator k, in lowest terms, in one ring."""
        home, point = _together(self, self._lift(value, argument).cancel())
        if any(terms.degree(part, k) for part in (point.top, *(base for base, _ in point.factors))):
            raise ValueError(f"{argument}: expected no {self.symbols[k]} in it, got {value}")
        return home, point

    def _stripped(self, k: int, point: RationalFunction) -> tuple[RationalFunction, int]:
        """The function divided by (x_k - point)^-order, and that order: positive at a pole, negative
        at a zero, 0 where both cancelled."""
        if self.top == 0:
            return self, 0
        gens, one = self.top.context().gens(), self._constant(1)
        tops, bottoms = list(gens), [one] * len(gens)
        tops[k], bottoms[k] = point.top, point.bottom
        linear = self._times(bottoms[k], gens[k]) - tops[k]

        def divided(polynomial: Any) -> tuple[Any, int]:
            count = 0
            # Where it vanishes identically, the linear factor, which has no content, divides it.
            while self._composed(polynomial, tops, bottoms) == 0:
                polynomial, count = polynomial / linear, count + 1
            return polynomial, count

        top, zeros = divided(self.top)
        factors, order = [], -zeros
        for base, power in self.factors:
            base, count = divided(base)
            factors.append((base, power))
            order += power * count
        # linear = d (x - n/d): the powers of d stay.
        return self._with(top, factors) * self._with(bottoms[k], ()) ** -order, order

    # Polynomials of a limited size.

    def _times(self, left: Any, right: Any) -> Any:
        bound = len(left) * len(right)
        if bound > self.max_terms:
            degrees = (
                a + b for a, b in zip(terms.degrees(left), terms.degrees(right), strict=True)
            )
            terms.check_size(min(bound, terms.box(degrees)), self.max_terms)
        return left * right

    def _power(self, base: Any, power: int) -> Any:
        bound = terms.terms_of_power(len(base), power)
        if bound > self.max_terms:
            terms.check_size(
                min(bound, terms.box(power * d for d in terms.degrees(base))), self.max_terms
            )
        return base**power

    def _composed(self, polynomial: Any, tops: Sequence[Any], bottoms: Sequence[Any]) -> Any:
        """polynomial(tops / bottoms), times each bottom to the degree in its generator."""
        bound = terms.terms_composed(polynomial, tops, bottoms)
        if bound > self.max_terms:
            terms.check_size(bound, self.max_terms)
        degrees, context = terms.degrees(polynomial), self.top.context()
        over = [k for k, bottom in enumerate(bottoms) if bottom != 1 and degrees[k]]
        if not over:
            return polynomial.compose(*tops, ctx=context)
        # Made homogeneous in x_k and a further generator, which then becomes bottom_k.
        wider = terms.ring(len(degrees) + len(over))
        homogeneous = wider.from_dict(
            {
                (*powers, *(degrees[k] - int(powers[k]) for k in over)): coefficient
                for powers, coefficient in polynomial.to_dict().items()
            }
        )
        return homogeneous.compose(*tops, *(bottoms[k] for k in over), ctx=context)


def _together(*functions: RationalFunction) -> list[RationalFunction]:
    """The same functions in one ring, whose generators begin with those of the first."""
    symbols = tuple(dict.fromkeys(symbol for f in functions for symbol in f.symbols))
    first = functions[0]
    context = first.top.context() if symbols == first.symbols else None
    return [_in_ring(function, symbols, context) for function in functions]


def _in_ring(
    function: RationalFunction, symbols: tuple[sympy.Expr, ...], context: Any = None
) -> RationalFunction:
    """The same function in the ring of `symbols`, among which are all that occur in it."""
    context = terms.ring(len(symbols)) if context is None else context
    if function.symbols == symbols and function.top.context() == context:
        return function
    gens = dict(zip(symbols, context.gens(), strict=True))
    places = [gens.get(symbol, context.constant(0)) for symbol in function.symbols]
    top = function.top.compose(*places, ctx=context)
    factors = tuple((base.compose(*places, ctx=context), e) for base, e in function.factors)
    return replace(function, top=top, factors=factors, symbols=symbols)


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."
