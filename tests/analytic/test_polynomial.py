"""The two exact forms, the expanded quotient and the straight-line program, are one function."""

from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import flint
import numpy as np
import pytest
import sympy

from resolvent.analytic import TooLargeToExpandError, closed_form
from resolvent.analytic.elimination import value_program
from resolvent.analytic.polynomial import cofactors, combine, settings, term_bound
from resolvent.analytic.structure import anatomy
from resolvent.games import NormalForm, prisoners_dilemma

F = Fraction
PRIME = 2**61 - 1


def cofactors_of(game):
    structure, figures = anatomy(game)
    return cofactors(structure, settings(figures, 0))


class Quotient:
    """A quotient of integer polynomials in lowest terms: proves equality of rational functions."""

    def __init__(self, top, bottom):
        common = top.gcd(bottom)
        self.top, self.bottom = top / common, bottom / common

    def __add__(self, other):
        return Quotient(
            self.top * other.bottom + other.top * self.bottom, self.bottom * other.bottom
        )

    def __sub__(self, other):
        return Quotient(
            self.top * other.bottom - other.top * self.bottom, self.bottom * other.bottom
        )

    def __mul__(self, other):
        return Quotient(self.top * other.top, self.bottom * other.bottom)

    def __truediv__(self, other):
        return Quotient(self.top * other.bottom, self.bottom * other.top)


def test_both_forms_are_the_same_rational_function():
    """2x2 with symbolic discount, payoff by payoff (hence for symbolic payoffs, by linearity): the
    program is carried out on quotients of polynomials and compared with the expansion."""
    game = prisoners_dilemma().iterated(sympy.Symbol("gamma"))
    structure = closed_form(game).structure
    expanded = cofactors_of(game)
    gens = expanded.context.gens()
    one, zero = expanded.context.constant(1), expanded.context.constant(0)

    def whole(polynomial):
        return Quotient(polynomial, one)

    def number(value):
        assert value.denominator == 1
        return whole(expanded.context.constant(value.numerator))

    *free, g = gens
    inputs = [whole(x) for p in free for x in (p, one - p)] + [whole(g), whole(one - g)]
    denominator = sum(expanded.columns, zero)
    for outcome in range(4):
        payoffs = [whole(one if k == outcome else zero) for k in range(4)] * 2
        value, _ = value_program(structure).run([*inputs, *payoffs], constant=number)
        assert value.top * denominator == expanded.columns[outcome] * value.bottom


@pytest.mark.parametrize(("shape", "memory"), [((2, 3), 1), ((3, 2), 1), ((1, 3), 2)])
def test_both_forms_agree_modulo_a_prime(shape, memory):
    """Two different rational functions of degree below 100 agree at a random point modulo 2^61 - 1
    with probability below 1e-16 (Schwartz and Zippel)."""
    rng = np.random.default_rng(1)
    game = NormalForm(rng.integers(-9, 9, size=(2, *shape))).iterated("24/25", memory)
    structure = closed_form(game).structure
    joint = game.stage.joint_actions
    rows = [[F(str(game.stage.payoff(a)[i])) for a in joint] for i in range(2)]
    tops, bottom = combine(cofactors_of(game), tuple(map(tuple, rows)))

    def number(x):
        x = F(x)
        return flint.nmod(x.numerator % PRIME, PRIME) / flint.nmod(x.denominator % PRIME, PRIME)

    for _ in range(3):
        free, full = [], []
        for count in shape:
            for _ in range(structure.num_states):
                row = [number(int(x)) for x in rng.integers(1, 2**60, size=count - 1)]
                free += row
                full += [*row, number(1) - sum(row, number(0))]

        def evaluate(polynomial, free=free):
            total = number(0)
            for powers, coefficient in polynomial.to_dict().items():
                term = number(int(coefficient))
                for x, power in zip(free, powers, strict=True):
                    if power:
                        term *= x ** int(power)
                total += term
            return total

        inputs = [
            *full,
            number(F(24, 25)),
            number(F(1, 25)),
            *(number(r) for own in rows for r in own),
        ]
        values = value_program(structure).run(inputs, constant=number)
        assert values == [evaluate(top) / evaluate(bottom) for top in tops]


def test_expression_equals_program_at_rationals_with_symbolic_payoffs_and_discount():
    """What is shown (SymPy) and what is evaluated (the program) are the same numbers."""
    R, S, T, P, gamma = sympy.symbols("R S T P gamma")
    form = closed_form(NormalForm([[[R, S], [T, P]], [[R, T], [S, P]]]).iterated(gamma))
    numbers = {R: F(3), S: F(-1, 2), T: F(5), P: F(1, 3), gamma: F(9, 10)}
    policies = tuple(
        tuple((F(k, 17), 1 - F(k, 17)) for k in row)
        for row in ((3, 5, 16, 1, 9), (2, 4, 8, 13, 11))
    )
    given = {
        row[0]: policies[i][s][0]
        for i, own in enumerate(form.policy_symbols)
        for s, row in enumerate(own)
    } | numbers
    given: dict[Any, Any] = {
        k: sympy.Rational(v.numerator, v.denominator) for k, v in given.items()
    }
    shown = tuple(F(str(value.subs(given))) for value in form.values)
    assert shown == form.evaluate(policies, numbers)
    assert shown == form.evaluate(policies, {str(k): v for k, v in numbers.items()})
    total = closed_form(form.game, "sum")
    assert tuple(F(str(value.subs(given))) for value in total.values) == tuple(
        10 * v for v in shown
    )


def test_coefficients_have_no_common_factor():
    """An integer content, or the factor 1 - g, would show up in every printed formula."""
    form = closed_form(prisoners_dilemma().iterated("24/25"))
    symbols = [row[0] for own in form.policy_symbols for row in own]
    parts = [
        sympy.Poly(e, *symbols) for e in (form.numerator(0), form.numerator(1), form.denominator)
    ]
    coefficients = [int(c) for part in parts for c in part.coeffs()]
    assert np.gcd.reduce(np.array(coefficients, dtype=object)) == 1
    zeros: dict[Any, Any] = dict.fromkeys(symbols, 0)
    # At the policies that never cooperate the denominator is that of DD absorbing: not zero.
    assert form.denominator.subs(zeros) != 0


@pytest.mark.parametrize(("shape", "memory"), [((2, 2), 1), ((2, 3), 1), ((1, 2), 2)])
def test_the_bound_on_terms_is_a_bound(shape, memory):
    game = NormalForm(np.zeros((2, *shape), int)).iterated("1/2", memory)
    structure = closed_form(game).structure
    for part in cofactors_of(game).columns:
        assert 0 < len(part.to_dict()) <= term_bound(structure)


def test_too_large_to_expand_says_what_to_do_instead():
    form = closed_form(NormalForm(np.zeros((3, 2, 2, 2), int)).iterated("24/25"))
    for refused in (lambda: form.values, lambda: form.denominator, lambda: form.gradient(0, 0)):
        with pytest.raises(TooLargeToExpandError) as caught:
            refused()
        message = str(caught.value)
        for alternative in (
            ".evaluate(",
            ".taylor(",
            ".compile()",
            ".unexpanded",
            ".expand(max_terms=",
        ):
            assert alternative in message
    small = closed_form(prisoners_dilemma().iterated("24/25"))
    with pytest.raises(TooLargeToExpandError):
        small.expand(max_terms=3).values  # noqa: B018
    assert small.expand(max_terms=10**6).denominator == small.denominator


def test_every_frequency_is_a_probability():
    """The cofactors over their sum are the discounted frequencies of the joint actions."""
    form = closed_form(prisoners_dilemma().iterated("24/25"))
    parts = cofactors_of(form.game).columns
    policies = tuple(tuple((F(k, 9), 1 - F(k, 9)) for k in (1, 4, 7, 2, 8)) for _ in range(2))
    point = [row[0] for own in policies for row in own]
    numbers = [
        sum(
            F(int(c)) * prod([x ** int(e) for x, e in zip(point, powers, strict=True)])
            for powers, c in part.to_dict().items()
        )
        for part in parts
    ]
    unit = NormalForm([[[1, 0], [0, 0]], [[0, 1], [0, 0]]]).iterated("24/25")
    assert (numbers[0] / sum(numbers), numbers[1] / sum(numbers)) == closed_form(unit).evaluate(
        policies
    )
    assert list(product(range(2), repeat=2)) == list(unit.stage.joint_actions)
