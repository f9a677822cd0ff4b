"""Every form of the value agrees with every other, on random exact games of every kind."""

from fractions import Fraction
from itertools import product
from random import Random

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.analytic import closed_form
from resolvent.analytic.elimination import value_inputs, value_program
from resolvent.analytic.polynomial import term_bound
from resolvent.analytic.structure import anatomy, complements, convert

F = Fraction
KINDS = (
    "plain",
    "memory 2",
    "one-sided memory",
    "one shot",
    "reactive",
    "labels",
    "no start",
    "implementation noise",
    "observation noise",
    "everything at once",
    "monitored",
    "controllers",
    "stochastic",
    "as stochastic",
    "partly observed",
)


def fmpq(x):
    return flint.fmpq(x.numerator, x.denominator)


def fractions(numbers):
    return [F(int(x.p), int(x.q)) for x in numbers]


def check_all_forms(every_game, kind, seed, largest):
    rng = Random(f"{kind} {seed}")
    game = every_game.game(kind, rng)
    policies = every_game.policies(game, rng, sparse=rng.random() < 0.3)
    expected = every_game.values(game, policies)
    form = closed_form(game)

    assert list(form.evaluate(policies)) == expected

    flat = [fmpq(x) for own in policies for row in own for x in row]
    assert fractions(form.value_program.run(flat, constant=fmpq)) == expected

    structure, figures = anatomy(game)
    nested = [[list(map(fmpq, row)) for row in own] for own in policies]
    deltas = [fmpq(x) for x in complements(figures)]
    inputs = value_inputs(nested, convert(figures, fmpq), deltas)
    assert fractions(value_program(structure).run(inputs, constant=fmpq)) == expected

    if structure.size <= 8 and term_bound(structure) <= largest:
        given = {
            symbol: p
            for own, rows in zip(form.policy_symbols, policies, strict=True)
            for symbols, row in zip(own, rows, strict=True)
            for symbol, p in zip(symbols[:-1], row[:-1], strict=True)
        }
        got = [form.rational(i).evaluate(given) for i in range(game.num_players)]
        assert got == expected

    with flint.ctx.workprec(2000):  # a fraction becomes a ball itself before it is compared
        for ball, value in zip(form.enclose(policies), expected, strict=True):
            assert ball.contains(fmpq(value))
            assert float(ball.rad()) <= 2.0**-50 * max(1.0, abs(float(value)))


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_all_exact_forms_agree(every_game, kind, seed):
    """The definition by Gaussian elimination; `.evaluate`; the straight-line program, general and with
    the game's numbers in it; the expanded quotient; the enclosing balls."""
    check_all_forms(every_game, kind, seed, largest=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_exact_forms_agree_on_thousands_of_games(every_game, kind):
    for seed in range(300):
        check_all_forms(every_game, kind, seed, largest=20_000)


def as_floats(policies):
    return tuple(np.array([[float(x) for x in row] for row in own]) for own in policies)


def moves_of(game, rng):
    """For each player a direction in which it alone moves."""
    directions = []
    for mover in range(game.num_players):
        direction = []
        for player, (rows, actions) in enumerate(game.policy_shapes):
            own = []
            for _ in range(rows):
                free = [F(rng.randint(-5, 5)) * (player == mover) for _ in range(actions - 1)]
                own.append([*free, -sum(free)])
            direction.append(own)
        directions.append(direction)
    return directions


QUICK = {
    ("one-sided memory", "program"),
    ("everything at once", "tensor"),
    ("stochastic", "program"),
    ("partly observed", "program"),
    ("partly observed", "tensor"),
    ("monitored", "tensor"),
}


@pytest.mark.parametrize(
    ("kind", "backend"),
    [
        pytest.param(*own, marks=[] if own in QUICK else [pytest.mark.slow])
        for own in product(KINDS, ("program", "tensor"))
    ],
)
def test_compiled_values_and_derivatives_are_the_exact_ones(every_game, kind, backend):
    """Values, gradients and second-order products against exact Taylor coefficients along lines."""
    checked = 0
    for seed in range(40):
        rng = Random(f"compiled {kind} {seed}")
        game = every_game.game(kind, rng)
        form = closed_form(game)
        if game.num_players == 1 or (backend == "program" and form.program.products > 150):
            continue
        policies = every_game.policies(game, rng)
        compare_with_taylor(form, policies, moves_of(game, rng), backend)
        checked += 1
        if checked == 1 + (kind in ("partly observed", "everything at once")):
            return
    assert checked or backend == "program", "no game was small enough"


def compare_with_taylor(form, policies, moves, backend):
    values = form.compile("policies", backend)
    params = values.parameters(as_floats(policies))
    exact = [float(v) for v in form.evaluate(policies)]
    scale = max(1.0, *map(abs, exact))
    np.testing.assert_allclose(values(params), exact, rtol=0, atol=1e-14 * scale)
    n = form.game.num_players
    lines = [form.taylor(policies, move, 2) for move in moves]
    steps = [
        np.array([[float(x) for x in row[:-1]] for row in move[player]])
        for player, move in enumerate(moves)
    ]
    blocks = values.jacobian(params)
    for i, j in product(range(n), repeat=2):
        terms = np.asarray(blocks[i][j]) * steps[j]
        slope = float(lines[j][i][1])
        assert abs(terms.sum() - slope) <= 1e-13 * max(scale, np.abs(terms).sum())
    first, last = 0, n - 1
    both = [
        [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(*own, strict=True)]
        for own in zip(moves[first], moves[last], strict=True)
    ]
    mixed = form.taylor(policies, both, 2)
    for i in range(n):
        terms = np.asarray(values.cross(params, i, first, last, steps[last])) * steps[first]
        curvature = float(mixed[i][2] - lines[first][i][2] - lines[last][i][2])
        assert abs(terms.sum() - curvature) <= 1e-12 * max(scale, np.abs(terms).sum())
