"""Calculus on quotients of polynomials, against SymPy's own and against Fractions at random points."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement, permutations
from math import prod
from typing import Any

import flint
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resolvent.analytic.polynomial import TooLargeToExpandError
from resolvent.analytic.rational_function import PoleError, RationalFunction

F = Fraction
SYMBOLS = x, y, z = sympy.symbols("x y z")
read = RationalFunction.from_expression


def value(expression, point):
    """A SymPy expression at a rational point, by SymPy; None where a denominator vanishes."""
    numbers = {k: sympy.Rational(v.numerator, v.denominator) for k, v in point.items()}
    # Apart, since SymPy replaces one symbol after the other, and y/z at (0, 0) would be 0.
    parts = sympy.fraction(sympy.together(expression))
    top, bottom = (F(str(sympy.sympify(part).subs(numbers))) for part in parts)
    number: Any = top / bottom if bottom else None
    return number


def same(function, expression):
    """Equality as functions, decided by SymPy."""
    return sympy.cancel(sympy.together(function.expr - expression)) == 0


def polynomials(max_terms=4, max_degree=2):
    powers = st.tuples(*[st.integers(0, max_degree)] * 3)
    terms = st.dictionaries(powers, st.integers(-4, 4), max_size=max_terms)
    return terms.map(
        lambda table: sum(
            (c * x**a * y**b * z**d for (a, b, d), c in table.items()), sympy.Integer(0)
        )
    )


def quotients():
    """Quotients with a denominator in two factors, one of them to a power."""
    parts = st.tuples(polynomials(), polynomials(3, 1), polynomials(2, 1), st.integers(1, 2))
    parts = parts.filter(lambda p: p[1] != 0 and p[2] != 0)
    return parts.map(lambda p: p[0] / (p[1] * p[2] ** p[3]))


rationals = st.builds(F, st.integers(-7, 7), st.integers(1, 7))
points = st.fixed_dictionaries(dict.fromkeys(SYMBOLS, rationals))


def memory_one_value():
    """The first player's value of the prisoner's dilemma at discount g, memory one, by Press and
    Dyson's determinants, worked out by SymPy."""
    p, q = sympy.symbols("p_0 p_1 p_2 p_3 p_4"), sympy.symbols("q_0 q_1 q_2 q_3 q_4")
    g = sympy.Symbol("g")
    seen = (0, 1, 3, 2, 4)  # what the second player calls the states start, CC, CD, DC, DD

    def row(s):
        a, b = p[s], q[seen.index(s)]
        return [a * b, a * (1 - b), (1 - a) * b, (1 - a) * (1 - b)]

    def bordered(payoffs):
        rows = [
            [(1 if s == t else 0) - g * entry for t, entry in enumerate(row(s + 1))]
            for s in range(4)
        ]
        matrix = [[*own, r] for own, r in zip(rows, payoffs, strict=True)]
        matrix.append([*(-entry for entry in row(0)), 0])
        return sympy.Poly(sympy.Matrix(matrix).det(method="berkowitz"), *p, *q, g)

    top, bottom = bordered([-1, -3, 0, -2]), bordered([1, 1, 1, 1])
    context = flint.fmpz_mpoly_ctx.get([f"v{k}" for k in range(11)], flint.Ordering.lex)
    above, below = (
        context.from_dict({powers: int(c) for powers, c in part.as_dict().items()})
        for part in (top, bottom)
    )
    return RationalFunction.of(above, below, (*p, *q, g)), p, q, g


@pytest.fixture(scope="module")
def dilemma():
    return memory_one_value()


# Reading and showing.


@given(quotients())
def test_what_is_read_is_what_is_shown(expression):
    function = read(expression, SYMBOLS)
    assert same(function, expression)
    assert function.expr == function.numerator / function.denominator


def test_numbers_and_integer_powers_are_read():
    assert read("24/25").evaluate({}) == F(24, 25)
    assert read(3 / x**2 - 1).evaluate({x: F(1, 2)}) == 11
    with pytest.raises(ValueError, match="expression must be a rational function"):
        read(sympy.sqrt(x))
    with pytest.raises(ValueError, match="known symbols, got y"):
        read(x + y, [x])


def test_generators_may_stand_for_expressions():
    """Such as a discount 1/(1 + r): calculus is in r, also where r is a generator itself."""
    r = sympy.Symbol("r")
    context = flint.fmpz_mpoly_ctx.get(["a", "b", "c"], flint.Ordering.lex)
    a, b, c = context.gens()
    function = RationalFunction.of(a + b**2 * c, 1 - b, (x, 1 / (1 + r), r))
    expected = (x + r / (1 + r) ** 2) / (1 - 1 / (1 + r))
    assert set(function.symbols) == {x, r}
    assert function == expected
    assert same(function.diff(r, x), sympy.diff(expected, r, x))
    assert function.limit(r, sympy.oo) == x
    assert RationalFunction.of(a, b, (x, 1 - r, y)).expr == x / (1 - r)


def test_generators_that_do_not_fit_are_refused():
    context = flint.fmpz_mpoly_ctx.get(["a", "b"], flint.Ordering.lex)
    a, b = context.gens()
    with pytest.raises(ValueError, match="expected different symbols"):
        RationalFunction.of(a, b, (x, x))
    with pytest.raises(ValueError, match="one for each of the 2 generators, got 1"):
        RationalFunction.of(a, b, (x,))
    with pytest.raises(ZeroDivisionError, match="bottom"):
        RationalFunction.of(a, a - a, (x, y))


def test_latex_and_text():
    function = read((x + 1) / (y - 2) ** 2)
    assert function.latex() == r"\frac{x + 1}{\left(y - 2\right)^{2}}"
    assert function._repr_latex_() == "$$\n" + function.latex() + "\n$$"
    assert read(x + 1).latex() == "x + 1"
    assert str(function) == "(x + 1)/(y - 2)**2"


def test_the_text_of_a_long_one_is_short(dilemma):
    assert len(str(dilemma[0])) < 100
    assert "166 terms" in str(dilemma[0])


# Algebra.


@given(quotients(), quotients(), points)
@settings(max_examples=50)
def test_arithmetic(first, second, point):
    a, b = read(first, SYMBOLS), read(second, SYMBOLS)
    left, right = value(first, point), value(second, point)
    assume(left is not None)
    assume(right is not None)
    assert (a + b).evaluate(point) == left + right
    assert (a - b).evaluate(point) == left - right
    assert (a * b).evaluate(point) == left * right
    assert (-a).evaluate(point) == -left
    assert (a**2).evaluate(point) == left**2
    assert (1 - a).evaluate(point) == 1 - left
    assert (a * F(2, 3) + x).evaluate(point) == left * F(2, 3) + point[x]
    if right:
        assert (a / b).evaluate(point) == left / right
        assert (2 / b).evaluate(point) == 2 / right
        assert (b**-3).evaluate(point) == right**-3


@given(quotients(), quotients())
@settings(max_examples=50)
def test_equality_is_that_of_functions(first, second):
    a, b = read(first, SYMBOLS), read(second, SYMBOLS)
    assert (a == b) == (sympy.cancel(sympy.together(first - second)) == 0)
    assert a == read(sympy.expand(first), SYMBOLS)
    assert a == first
    assert a != a + 1


def test_rings_are_joined():
    a, b = read(x / (x + y)), read(z / (y + x))
    assert (a + b).expr == (x + z) / (x + y)
    assert read(2 * x, [x, y]) == read(2 * x, [z, x])
    assert read(x) != read(y)
    assert (x + a) == (a + x)
    with pytest.raises(TypeError):
        a + "x"  # type: ignore[operator]


def test_division_by_zero():
    for refused in (lambda: read(x) / 0, lambda: 1 / (read(x) - x), lambda: (read(x) - x) ** -1):
        with pytest.raises(ZeroDivisionError, match="rational function 0"):
            refused()


@given(quotients(), polynomials(3, 1))
def test_cancel_reaches_lowest_terms(expression, shared):
    assume(shared != 0)
    function = read(expression, SYMBOLS)
    blown_up = function * read(shared, SYMBOLS)
    blown_up = blown_up / read(shared, SYMBOLS)
    reduced = blown_up.cancel()
    assert reduced == function
    # SymPy's lowest terms, up to the sign of both and where the content is put.
    top, bottom = sympy.fraction(sympy.cancel(sympy.together(expression)))
    ours = sympy.Poly(sympy.expand(reduced.denominator), *SYMBOLS)
    theirs = sympy.Poly(bottom, *SYMBOLS)
    if top != 0:
        assert ours.monoms() == theirs.monoms()
        assert ours.LC() > 0
        above = sympy.Poly(reduced.numerator, *SYMBOLS)
        assert sympy.gcd(above.content(), ours.content()) == 1
    else:
        assert reduced.expr == 0


@given(quotients())
def test_factor_is_sympys(expression):
    ours = read(expression, SYMBOLS).factor()
    assert sympy.cancel(sympy.together(ours - expression)) == 0
    theirs = sympy.factor(sympy.together(expression))

    def parts(product):
        """Irreducible factors up to sign, with exponents."""
        found = {}
        for factor in sympy.Mul.make_args(product):
            base, power = factor.as_base_exp()
            if base.free_symbols:
                monic = sympy.Poly(base, *SYMBOLS).monic().as_expr()
                found[monic] = found.get(monic, 0) + power
        return found

    assert parts(ours) == parts(theirs)


def test_factors_stay_factors():
    assert str(read(2 * x**2 - 2 * y**2).factor()) == "2*(x - y)*(x + y)"
    assert str(read(2 * x + 2).factor()) == "2*(x + 1)"
    assert str(read((2 * x + 2) / (3 * x + 3)).factor()) == "2/3"


# Derivatives.


@given(quotients(), st.lists(st.sampled_from(SYMBOLS), max_size=3))
@settings(max_examples=60)
def test_derivatives_of_any_order_are_sympys(expression, symbols):
    derivative = read(expression, SYMBOLS).diff(*symbols)
    expected = sympy.diff(expression, *symbols) if symbols else expression
    assert same(derivative, expected)


def test_denominators_of_derivatives_stay_small():
    function = read((x + z) / ((x * y + 1) * (z + 2)), SYMBOLS)
    third = function.diff(x, x, y)
    assert sorted(power for _, power in third.factors) == [1, 4]
    assert function.diff(z).denominator == (x * y + 1) * (z + 2) ** 2


def test_third_derivatives_of_a_memory_one_value(dilemma):
    """All third derivatives along a line, contracted, are the cubic term of the value's power series
    along that line (another algorithm: FLINT's division of power series)."""
    function, p, q, g = dilemma
    function = function.substitute({g: F(9, 10)})
    point = {s: F(k + 2, 15) for k, s in enumerate((*p, *q))}
    line = {p[1]: 1, q[2]: 2, p[3]: -1}

    def along_the_line():
        """The value at point + t line as a power series in t."""
        moved = {
            s: flint.fmpq_series([flint.fmpq(v.numerator, v.denominator), line.get(s, 0)], prec=4)
            for s, v in (point | {g: F(9, 10)}).items()
        }
        parts = []
        for polynomial in (function.top, function.bottom):
            total = flint.fmpq_series([0], prec=4)
            for powers, c in polynomial.to_dict().items():
                term = flint.fmpq_series([flint.fmpq(int(c))], prec=4)
                for s, power in zip(function.symbols, powers, strict=True):
                    for _ in range(int(power)):
                        term *= moved[s]
                total += term
            parts.append(total)
        return parts[0] / parts[1]

    before, flint.ctx.cap = flint.ctx.cap, 4
    try:
        third = along_the_line()[3]
    finally:
        flint.ctx.cap = before
    total = F(0)
    for chosen in combinations_with_replacement(line, 3):
        arrangements = len(set(permutations(chosen)))
        weight = prod(line[s] for s in chosen) * arrangements
        total += weight * function.diff(*chosen).evaluate(point)
    assert total / 6 == F(int(third.p), int(third.q))


def test_symbols_are_known_by_name_and_others_refused():
    function = read(x * y)
    assert function.diff("x") == function.diff(x)
    with pytest.raises(ValueError, match="symbols: expected one of the symbols x, y, got z"):
        function.diff(z)
    with pytest.raises(ValueError, match="mapping: expected one of the symbols x, y, got 'w'"):
        function.substitute({"w": 1})


# Substitution and values.


@given(quotients(), quotients(), points)
@settings(max_examples=40)
def test_substitution_is_simultaneous_and_exact(expression, other, point):
    """x -> other, y -> x z, compared with values at rational points."""
    inner = value(other, point)
    assume(inner is not None)
    moved = {x: inner, y: point[x] * point[z], z: point[z]}
    expected = value(expression, moved)
    assume(expected is not None)
    try:
        result = read(expression, SYMBOLS).substitute({x: read(other, SYMBOLS), y: x * z})
    except PoleError:
        # A denominator that vanishes identically would have no value at the point either.
        raise AssertionError from None
    assume(value(result.denominator, point) != 0)
    assert result.evaluate(point) == expected


@given(quotients(), points)
def test_evaluation_at_rationals(expression, point):
    expected = value(expression, point)
    function = read(expression, SYMBOLS)
    if expected is None or value(function.denominator, point) == 0:
        return
    assert function.evaluate(point) == expected
    assert function.evaluate({str(k): str(v) for k, v in point.items()}) == expected


def test_symmetric_policies(dilemma):
    """q = p, which is one policy for both as each sees the game from its own side."""
    function, p, q, g = dilemma
    symmetric = function.substitute(dict(zip(q, p, strict=True)))
    assert not set(q) & symmetric.cancel().expr.free_symbols
    point = {s: F(k + 3, 11) for k, s in enumerate(p)} | {g: F(2, 3)}
    full = point | {b: point[a] for a, b in zip(p, q, strict=True)}
    assert symmetric.evaluate(point) == function.evaluate(full)
    cooperative = {p[1]: 1, p[0]: 1}
    assert symmetric.substitute(cooperative) == -1  # mutual cooperation for ever


def test_substitution_may_bring_in_new_symbols():
    e = sympy.Symbol("e")
    assert read(x / (1 - y)).substitute({x: 1 - e, y: e / 2}) == (1 - e) / (1 - e / 2)


def test_a_common_factor_is_no_pole():
    function = read((x**2 - y**2) / (x - y))
    assert function.substitute({x: y}) == 2 * y
    assert function.evaluate({x: 3, y: 3}) == 6


def test_a_pole_says_what_to_call():
    function = read(x / (x - y))
    with pytest.raises(PoleError, match=r"denominator vanishes at x = y.*\.limit\(symbol, to\)"):
        function.substitute({x: y})
    with pytest.raises(PoleError, match="denominator vanishes at x = 2, y = 2"):
        function.evaluate({x: 2, y: 2})
    with pytest.raises(ValueError, match="a number for every symbol, none came for y"):
        function.evaluate({x: 2})
    with pytest.raises(ValueError, match="expected a rational for x"):
        function.evaluate({x: y, y: 2})
    with pytest.raises(ValueError, match="expected x once"):
        function.substitute({x: 1, "x": 2})


# Limits and series.


@given(quotients(), rationals, st.integers(0, 2), st.sampled_from(SYMBOLS))
@settings(max_examples=60)
def test_limits_are_sympys(expression, to, power, symbol):
    """A factor (symbol - to)^power above and below, which the function as stored keeps."""
    at = sympy.Rational(to.numerator, to.denominator)
    shared = read(symbol - at, SYMBOLS) ** power
    function = read(expression, SYMBOLS) * shared / shared
    reduced = sympy.cancel(sympy.together(expression))
    below = sympy.fraction(reduced)[1].subs(symbol, at)
    if sympy.expand(below) == 0:
        with pytest.raises(PoleError, match="pole of order"):
            function.limit(symbol, to)
    else:
        assert same(function.limit(symbol, to), sympy.limit(reduced, symbol, at))


def test_limits_by_hand():
    assert read((x**2 - y**2) / (x - y)).limit(x, y) == 2 * y
    assert read((1 - x**3) / (1 - x)).limit(x, 1) == 3
    assert read((1 - x) ** 3 / (1 - x)).limit(x, 1) == 0
    assert read((2 * x - 1) ** 2 * y / (4 * x**2 - 1)).limit("x", "1/2") == 0
    assert read((3 * x - 2) * y / (9 * x**2 - 4)).limit(x, F(2, 3)) == y / 4
    with pytest.raises(PoleError, match="pole of order 2 at x = 1"):
        read((1 - x) / (1 - x) ** 3).limit(x, 1)
    with pytest.raises(ValueError, match="to: expected no x in it, got x"):
        read(x).limit(x, x + y)


@pytest.mark.parametrize("to", [sympy.oo, -sympy.oo])
def test_limits_at_infinity(to):
    function = read((3 * x**2 * y + x) / ((x + y) * (2 * x - 1)))
    assert function.limit(x, to) == sympy.limit(3 * y / 2, x, to)
    assert read(x / (x**2 + y)).limit(x, to) == 0
    with pytest.raises(PoleError, match=r"grows like x\^2"):
        read(x**3 / (x + y)).limit(x, to)


def test_limits_one_after_the_other_depend_on_the_order():
    function = read(x / (x + y))
    assert function.limit(x, 0).limit(y, 0) == 0
    assert function.limit(y, 0).limit(x, 0) == 1


@given(quotients(), rationals, st.sampled_from(SYMBOLS))
@settings(max_examples=12)
def test_series_coefficients_are_derivatives(expression, at, symbol):
    reduced = sympy.cancel(sympy.together(expression))
    exact = sympy.Rational(at.numerator, at.denominator)
    assume(sympy.expand(sympy.fraction(reduced)[1].subs(symbol, exact)) != 0)
    coefficients = read(expression, SYMBOLS).series(symbol, at, 3)
    assert len(coefficients) == 4
    for k, coefficient in enumerate(coefficients):
        derivative = sympy.diff(reduced, symbol, k) if k else reduced
        assert same(coefficient, derivative.subs(symbol, exact) / sympy.factorial(k))


def test_series_by_hand():
    geometric = read(1 / (1 - x * y)).series(x, 0, 4)
    assert list(geometric) == [1, y, y**2, y**3, y**4]
    assert list(read((x - 1) ** 2 * y / (x**2 - 1)).series(x, 1, 2)) == [0, y / 2, -y / 4]
    around = read(x**2).series(x, y / 2, 3)
    assert list(around) == [y**2 / 4, y, 1, 0]
    with pytest.raises(PoleError, match="at: pole of order 1 at x = 0"):
        read(y / x).series(x, 0, 2)
    orders: tuple[Any, ...] = (-1, True, 1.0)
    for order in orders:
        with pytest.raises(ValueError, match="order: expected an integer from 0 up"):
            read(x).series(x, 0, order)


def test_series_of_a_memory_one_value(dilemma):
    """The series in one probability, at a rational point of the others, sums to the value."""
    function, p, q, g = dilemma
    others = {s: F(k + 2, 15) for k, s in enumerate((*p, *q)) if s != p[1]} | {g: F(1, 2)}
    along = function.substitute(others).cancel()
    # The value is a Moebius function of one row's probability: geometric from the first order on.
    c = [entry.evaluate(others) for entry in function.series(p[1], F(1, 3), 3)]
    assert c[2] * c[2] == c[1] * c[3]
    t = F(1, 5)
    assert c[0] + c[1] * t / (1 - t * c[2] / c[1]) == along.evaluate({p[1]: F(1, 3) + t})


# Sizes.


def test_what_would_explode_says_how_large_it_would_be():
    symbols = sympy.symbols("a:12")
    dense = read(sum(symbols) / (1 + sum(k * s for k, s in enumerate(symbols))), symbols)
    tight = replace(dense, max_terms=1000)
    for refused in (
        lambda: tight**9,
        lambda: tight**3 * tight**3,
        lambda: read(x**40, max_terms=1000).substitute({x: sum(symbols)}),
    ):
        with pytest.raises(TooLargeToExpandError, match=r"up to .* terms \(limit 1000\).*\.taylor"):
            refused()
    assert len((dense**3).top) == 364  # monomials of degree 3 in 12 symbols
