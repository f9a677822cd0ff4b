"""The expression graph and its programs: one list of instructions, the same result on every kind of
number."""

import operator
from fractions import Fraction

import flint
import jax.numpy as jnp
import pytest
import sympy

from resolvent.analytic import Graph
from resolvent.analytic.elimination import programs, value_program
from resolvent.analytic.structure import structure_of
from resolvent.games import NormalForm, prisoners_dilemma

F = Fraction


def small_program():
    graph = Graph()
    a, b, c = graph.inputs(3)
    third = graph.constant(F(1, 3))
    return graph.program([(a + b) * third / (c - a), a * b, third])


def test_a_program_is_what_it_says():
    a, b, c = F(2, 5), F(-7, 3), F(9)
    expected = [(a + b) * F(1, 3) / (c - a), a * b, F(1, 3)]
    assert small_program().run([a, b, c], constant=F) == expected


def test_the_value_program_agrees_on_all_kinds_of_numbers():
    """The same instructions on Fractions, FLINT rationals, SymPy, floats and JAX."""
    game = prisoners_dilemma().iterated("24/25")
    program = value_program(structure_of(game))
    rows = [F(k, 23) for k in (1, 4, 7, 11, 15, 20, 22, 3, 5, 13)]
    inputs = [x for p in rows for x in (p, 1 - p)] + [F(24, 25), F(1, 25)]
    inputs += [F(x) for x in (-1, -3, 0, -2, -1, 0, -3, -2)]
    exact = program.run(inputs, constant=F)

    def fmpq(x):
        return flint.fmpq(x.numerator, x.denominator)

    def symbolic(x):
        return sympy.Rational(x.numerator, x.denominator)

    by_flint = program.run(list(map(fmpq, inputs)), constant=fmpq)
    assert [F(int(x.p), int(x.q)) for x in by_flint] == exact
    rational = list(map(symbolic, inputs))
    assert [F(int(x.p), int(x.q)) for x in program.run(rational, constant=symbolic)] == exact
    floats = program.run([float(x) for x in inputs])
    assert floats == pytest.approx([float(x) for x in exact], rel=2e-16 * 4, abs=0)
    traced = program.run([jnp.asarray(float(x)) for x in inputs])
    assert [float(x) for x in traced] == pytest.approx(floats, rel=1e-15, abs=0)
    # As an expression in symbols it is the same function.
    names = sympy.symbols(f"x:{len(inputs)}")
    expressions = program.run(names, constant=symbolic)
    given = dict(zip(names, rational, strict=True))
    assert [F(str(e.subs(given))) for e in expressions] == exact


def test_equal_expressions_are_one_node():
    graph = Graph()
    a, b = graph.inputs(2)
    assert (a + b).index == (b + a).index
    assert (a * b).index == (b * a).index
    assert (a - b).index != (b - a).index
    assert (a / b).index != (b / a).index
    assert len(graph.program([(a + b) * (b + a)])) == 2


@pytest.mark.parametrize(
    ("operation", "constant", "on_the_left", "remains"),
    [
        ("+", 0, True, True),
        ("+", 0, False, True),
        ("-", 0, False, True),
        ("-", 0, True, False),
        ("*", 1, True, True),
        ("*", 1, False, True),
        ("/", 1, False, True),
        ("/", 1, True, False),
        ("-", 1, False, False),
        ("+", 1, False, False),
        ("*", 2, False, False),
        ("/", 2, False, False),
    ],
)
def test_neutral_constants_cost_nothing(operation, constant, on_the_left, remains):
    graph = Graph()
    a = graph.input()
    number = graph.constant(constant)
    apply = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}[
        operation
    ]
    left, right = (number, a) if on_the_left else (a, number)
    program = graph.program([apply(left, right)])
    assert len(program) == (0 if remains else 1)
    value = F(3, 7)
    expected = apply(F(constant), value) if on_the_left else apply(value, F(constant))
    assert program.run([value], constant=F) == [expected]


def test_constants_are_folded_and_zero_annihilates():
    graph = Graph()
    a = graph.input()
    program = graph.program(
        [graph.constant(2) / graph.constant(6), a * graph.constant(0), graph.constant(0) * a]
    )
    assert len(program) == 0
    assert program.run([5], constant=F) == [F(1, 3), 0, 0]


def test_what_nothing_needs_is_dropped_and_inputs_keep_their_places():
    graph = Graph()
    a, b = graph.inputs(2)
    _ = a * b + a
    program = graph.program([b + b])
    assert program.counts == {"+": 1, "-": 0, "*": 0, "/": 0}
    assert program.inputs == 2
    assert program.run([100, 4]) == [8]


def test_wrong_number_of_inputs():
    with pytest.raises(ValueError, match="expected 3 numbers, got 2"):
        small_program().run([1, 2])


def test_games_of_one_shape_share_one_derivation():
    first = structure_of(NormalForm([[[1, 2], [3, 4]], [[4, 3], [2, 1]]]).iterated("1/2"))
    second = structure_of(prisoners_dilemma().iterated("24/25"))
    assert programs(first) is programs(second)
