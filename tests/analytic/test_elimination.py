"""State reduction against FLINT's dense rational solver, and what it promises: no subtraction, few
operations."""

from fractions import Fraction
from itertools import permutations

import flint
import numpy as np
import pytest

from resolvent.analytic.elimination import (
    elimination_order,
    factorise,
    programs,
    solve_left,
    solve_left_balanced,
    solve_right,
    value_program,
)
from resolvent.analytic.structure import structure_of
from resolvent.games import NormalForm

F = Fraction


def chain(n, rng, share):
    """A random sparse stochastic matrix; every state keeps at least one move."""
    moves = {}
    for i in range(n):
        targets = [j for j in range(n) if rng.random() < share] or [int(rng.integers(n))]
        weights = [int(w) for w in rng.integers(1, 9, size=len(targets))]
        moves |= {(i, j): F(w, sum(weights)) for j, w in zip(targets, weights, strict=True)}
    return moves


@pytest.mark.parametrize("share", [0.25, 0.6, 1.0])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_left_and_right_solves_equal_dense_ones(n, share):
    rng = np.random.default_rng(n)
    moves = chain(n, rng, share)
    g = F(24, 25)
    order = elimination_order(list(moves), [range(n)])
    assert sorted(order) == list(range(n))
    factor = factorise(moves, order, g, 1 - g, F(1))
    dense = flint.fmpq_mat(
        n,
        n,
        [
            flint.fmpq(int(i == j)) - flint.fmpq(24, 25) * flint.fmpq(p.numerator, p.denominator)
            for i in range(n)
            for j in range(n)
            for p in [moves.get((i, j), F(0))]
        ],
    )
    b = [F(int(x), 3) for x in rng.integers(-9, 9, size=n)]
    column = flint.fmpq_mat(n, 1, [flint.fmpq(x.numerator, x.denominator) for x in b])

    def solved(matrix):
        return {k: F(int(x.p), int(x.q)) for k, (x,) in enumerate(matrix.solve(column).tolist())}

    full = solved(dense)
    relative = {k: x - full[factor.last] for k, x in full.items()}
    assert solve_right(factor, dict(enumerate(b)), F(0)) == relative
    assert solve_left(factor, dict(enumerate(b))) == solved(dense.transpose())


@pytest.mark.parametrize("n", [1, 2, 5])
def test_balanced_left_solve(n):
    """Right-hand sides that sum to zero: y' M = c' by plugging y in."""
    rng = np.random.default_rng(n)
    moves, g = chain(n, rng, 1.0), F(24, 25)
    factor = factorise(moves, tuple(range(n)), g, 1 - g, F(1))
    c = [F(int(x)) for x in rng.integers(-9, 9, size=n)]
    c[-1] -= sum(c)
    y = solve_left_balanced(factor, dict(enumerate(c)), F(0))
    for t in range(n):
        assert y[t] - g * sum(y[s] * moves.get((s, t), F(0)) for s in range(n)) == c[t]


def test_the_order_does_not_change_the_solution():
    moves = chain(4, np.random.default_rng(0), 0.7)
    b = {k: F(k * k - 3) for k in range(4)}
    solutions = [
        solve_right(factorise(moves, order, F(1, 2), F(1, 2), F(1)), b, F(0))
        for order in permutations(range(4))
    ]
    gaps = [{k: x - solution[0] for k, x in solution.items()} for solution in solutions]
    assert all(own == gaps[0] for own in gaps)


def game(shape, memory=1):
    return NormalForm(np.zeros((len(shape), *shape), int)).iterated("1/2", memory)


@pytest.mark.parametrize(
    ("shape", "memory"), [((2, 2), 1), ((2, 3), 1), ((2, 2, 2), 1), ((2, 2), 2)]
)
def test_nothing_is_subtracted(shape, memory):
    derived = programs(structure_of(game(shape, memory)))
    values = value_program(structure_of(game(shape, memory)))
    for program in (derived.transitions, values, derived.factor, derived.occupancy):
        assert program.counts["-"] == 0


def test_size_of_the_program_for_four_states():
    """118 operations with GTH in the prototype (spec, section 1)."""
    assert len(value_program(structure_of(game((2, 2))))) <= 118


def test_least_fill_is_shorter_than_the_natural_order_for_memory_two():
    structure = structure_of(game((2, 2), 2))
    inner = [edge for edge in structure.edges if edge[0] != 0]
    states = range(1, structure.num_states)

    def fill(order):
        factor = factorise(dict.fromkeys(inner, F(1, 4)), order, F(1, 2), F(1, 2), F(1))
        return len(factor.lower) + len(factor.upper)

    assert fill(elimination_order(inner, [states])) < fill(tuple(states))
