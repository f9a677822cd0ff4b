"""Numbers come in exactly, and everything else is refused by name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from resolvent.games import exact

x, y = sympy.symbols("x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, Fraction(3)),
        ("24/25", Fraction(24, 25)),
        (" -0.96 ", Fraction(-24, 25)),
        ("1e-3", Fraction(1, 1000)),
        (0.1, Fraction(1, 10)),
        (Fraction(2, 6), Fraction(1, 3)),
        (Decimal("0.30"), Fraction(3, 10)),
        (np.int64(7), Fraction(7)),
        (np.uint8(7), Fraction(7)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.float32(0.1), Fraction(1, 10)),
        (sympy.Integer(-2), Fraction(-2)),
        (sympy.Rational(2, 3), Fraction(2, 3)),
        (sympy.Float("0.1"), Fraction(1, 10)),
        (x - x + 1, Fraction(1)),
    ],
)
def test_reads_numbers_exactly(value, expected):
    result = exact(value)
    assert result == expected
    assert type(result) is Fraction


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_its_shortest_decimal(value):
    result = exact(value)
    assert isinstance(result, Fraction)
    assert float(result) == value
    assert result == Fraction(Decimal(repr(value)))


def test_keeps_symbolic_expressions():
    assert exact(x * y / 2 + x**-2) == x * y / 2 + x**-2


def test_floats_inside_expressions_become_rational():
    assert exact(0.1 * x) == x / 10


def test_equal_constructions_are_equal():
    assert exact(sympy.factor(2 * x + 2)) == exact(2 * (x + 1)) == 2 * x + 2


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "discount must be a number; got the bool True"),
        (1 + 2j, TypeError, "discount must be an int, .* got complex"),
        (None, TypeError, "discount must be an int, .* got NoneType None"),
        (np.bool_(True), TypeError, "discount must be an int"),
        (float("nan"), ValueError, "discount must be finite; got nan"),
        (float("-inf"), ValueError, "discount must be finite; got -inf"),
        (np.float32("inf"), ValueError, "discount must be finite; got inf"),
        (Decimal("NaN"), ValueError, "discount must be finite; got NaN"),
        ("a lot", ValueError, "discount must be a number such as .*; got 'a lot'"),
        ("1/0", ValueError, "discount must be a number such as"),
        ("nan", ValueError, "discount must be a number such as"),
        (sympy.oo, ValueError, "discount must be finite and rational; got oo"),
        (sympy.nan, ValueError, "discount must be finite and rational; got nan"),
        (sympy.Float("inf"), ValueError, "discount must be finite"),
        (sympy.I, ValueError, "discount must be finite and rational; got I"),
        (sympy.sqrt(2), ValueError, "discount must be finite and rational"),
        (sympy.pi * x, ValueError, "discount must be finite and rational; got pi"),
        (sympy.sin(x), ValueError, "discount must be a rational function of its symbols; got sin"),
        (sympy.sqrt(x), ValueError, "discount must be a rational function"),
        (x > 0, ValueError, "discount must be a rational function"),
        (sympy.Symbol("A", commutative=False), ValueError, "must be a rational function"),
    ],
)
def test_refuses_what_is_not_an_exact_number(value, error, message):
    with pytest.raises(error, match=message):
        exact(value, "discount")


@pytest.mark.parametrize("text", ["1e99999999", "1.5e-99999999", "1E+12345", "2e1_2_3_4_5"])
def test_an_exponent_cannot_fill_the_memory(text):
    for value in (text, Decimal(text)):
        with pytest.raises(ValueError, match=r"x must have an exponent of at most 4 digits"):
            exact(value, "x")
    assert exact("1e-12", "x") == Fraction(1, 10**12)
