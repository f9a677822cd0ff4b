"""Rigorous balls: they contain the exact values, they are small, and wide policies are covered."""

from fractions import Fraction
from random import Random

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.analytic.enclosure import LARGEST_REDUCED, enclose
from resolvent.games import NormalForm, matching_pennies, tit_for_tat

F = Fraction
PD = NormalForm.symmetric([[3, 0], [5, 1]], ["C", "D"])


def radius(ball):
    return float(ball.rad())


@settings(max_examples=150)
@given(seed=st.integers(0, 10**9), bits=st.sampled_from([2, 30, 53, 300]))
def test_balls_contain_the_value_and_are_as_small_as_asked(random_games, seed, bits):
    game = random_games.random_game(seed)
    policies = random_games.random_policies(game, seed)
    for ball, value in zip(
        enclose(game, policies, bits), random_games.values(game, policies), strict=True
    ):
        assert random_games.holds(ball, value)
        assert random_games.dyadic(ball.rad()) <= abs(value) * F(1, 2**bits) * 2


@pytest.mark.parametrize(
    "kind", ["noise", "public signals", "controllers", "memory 2", "memory 0", "no start"]
)
def test_games_of_the_library(random_games, kind):
    game = random_games.library_games()[kind]
    policies = random_games.random_policies(game, 9, 0.3)
    expected = random_games.values(game, policies)
    for ball, value in zip(enclose(game, policies, 200), expected, strict=True):
        assert random_games.holds(ball, value)
        assert ball.rel_accuracy_bits() >= 200


def test_near_a_discount_of_one(random_games):
    """Nearly deterministic policies and g = 1 - 1e-30: the linear system loses a hundred bits."""
    tiny = F(1, 10**20)
    game = PD.iterated(1 - F(1, 10**30))
    rows = tuple((1 - tiny, tiny) if p == 1 else (tiny, 1 - tiny) for p, _ in tit_for_tat(game, 0))
    policies = (
        rows,
        tuple((1 - 3 * q, 3 * q) if q < F(1, 2) else (p, q) for p, q in tit_for_tat(game, 1)),
    )
    for ball, value in zip(
        enclose(game, policies), random_games.values(game, policies), strict=True
    ):
        assert random_games.holds(ball, value)
        assert ball.rel_accuracy_bits() >= 53


def test_a_value_of_zero_is_exactly_zero():
    game = matching_pennies().iterated("24/25")
    half = ((F(1, 2), F(1, 2)),) * 5
    assert all(ball == 0 and ball.is_exact() for ball in enclose(game, (half, half)))


# Floats.


@settings(max_examples=60)
@given(seed=st.integers(0, 10**9))
def test_floats_are_the_binary_numbers_they_are_and_the_last_is_the_rest(random_games, seed):
    game = random_games.random_game(seed)
    rng = np.random.default_rng(seed)
    policies = [rng.dirichlet([0.5] * count, size=rows) for rows, count in game.policy_shapes]
    exact = []
    for own in policies:
        rows = []
        for row in own.tolist():
            others = [F(p) for p in row[:-1]]
            over = max(sum(others, F(0)), F(1))
            rows.append([*(p / over for p in others), 1 - sum(others, F(0)) / over])
        exact.append(rows)
    for ball, value in zip(enclose(game, policies), random_games.values(game, exact), strict=True):
        assert random_games.holds(ball, value)
        assert ball == 0 or ball.rel_accuracy_bits() >= 53


def test_floats_that_exceed_one_by_rounding(random_games):
    game = NormalForm([[[3, 1, 2]], [[1, 5, 7]]]).iterated("1/2")
    row = [0.1, 0.9, 0.0]
    assert F(row[0]) + F(row[1]) > 1
    total = F(row[0]) + F(row[1])
    exact = [[[F(1)]] * 4, [[F(row[0]) / total, F(row[1]) / total, F(0)]] * 4]
    balls = enclose(game, [np.ones((4, 1)), np.array([row] * 4)])
    for ball, value in zip(balls, random_games.values(game, exact), strict=True):
        assert random_games.holds(ball, value)


# Policies that are balls.


def inside(rng, policies, width):
    """Another joint policy with entries within `width`, as far from the first as that goes or less."""
    moved = []
    for own in policies:
        rows = []
        for row in own:
            new = list(row)
            if len(row) > 1:
                a, b = rng.sample(range(len(row)), 2)
                most = min(width, new[a], 1 - new[b])
                step = most * F(rng.choice([1, 5, 9, 9]), 9)
                new[a], new[b] = new[a] - step, new[b] + step
            rows.append(new)
        moved.append(rows)
    return moved


def ball(value, width):
    with flint.ctx.workprec(200):
        return flint.arb(
            flint.fmpq(value.numerator, value.denominator),
            flint.fmpq(width.numerator, width.denominator) if width else 0,
        )


@settings(max_examples=60)
@given(seed=st.integers(0, 10**9), digits=st.sampled_from([1, 2, 4, 12, 25]))
def test_balls_cover_every_policy_in_them(random_games, seed, digits):
    R, rng, width = random_games, Random(seed), F(1, 10**digits)
    game = R.random_game(seed)
    policies = R.random_policies(game, seed)
    wide = [[[ball(p, width) for p in row] for row in own] for own in policies]
    results = enclose(game, wide)
    for _ in range(8):
        values = R.values(game, inside(rng, policies, width))
        assert all(R.holds(own, value) for own, value in zip(results, values, strict=True))
    # Of first order in the width: no more than the range of payoffs times what can be misplaced in a
    # round, over one minus the discount.
    spread = max(max(map(max, own)) - min(map(min, own)) for own in game.rewards)
    for own, g in zip(results, game.discounts, strict=True):
        misplaced = 4 * sum(game.num_actions) ** 2 * float(width)
        assert radius(own) <= 1e-14 + float(spread) * misplaced * 4 / float(1 - g)


def test_two_actions_are_covered_tightly(random_games):
    """One state, one probability p within 1e-3: the value is linear in it, and the ball the range."""
    game = NormalForm([[2, 12]]).iterated("1/2", 0)
    width = F(1, 1000)
    (result,) = enclose(game, [[[ball(F(1, 2), width), ball(F(1, 2), width)]]])
    assert random_games.holds(result, F(7) + 10 * width * F(999, 1000))
    assert radius(result) <= 10 * 1.01e-3


def test_the_shares_of_states_make_balls_smaller():
    """A single uncertain row that is seldom used counts with the share of its state."""
    game = PD.iterated("24/25")
    exact: list[list[list]] = [[[F(1), F(0)] for _ in range(5)] for _ in range(2)]
    for own in exact:
        own[4] = [ball(F(1, 2), F(1, 10)), ball(F(1, 2), F(1, 10))]
    results = enclose(game, exact)  # DD is never reached
    assert all(radius(own) < 1e-15 for own in results)
    exact[0][0] = exact[1][0] = [F(99, 100), F(1, 100)]
    assert all(radius(own) < 0.01 for own in enclose(game, exact))
    assert game.num_states <= LARGEST_REDUCED


def test_useless_balls_still_give_a_bound(random_games):
    game = PD.iterated("24/25")
    anything = [[[flint.arb(0.5, 0.5)] * 2] * 5] * 2
    for own in enclose(game, anything):
        assert own.is_finite()
        assert random_games.holds(own, F(0))
        assert random_games.holds(own, F(5))


# The caller.


def test_precision_of_the_caller_is_left_alone():
    game = PD.iterated("24/25")
    policies = (tit_for_tat(game, 0), tit_for_tat(game, 1))
    for precision in (53, 20, 777):
        with flint.ctx.workprec(precision):
            values = enclose(game, policies, 100)
            assert flint.ctx.prec == precision
        with flint.ctx.workprec(200):
            assert all(value.contains(3) for value in values)


def test_large_games():
    game = PD.iterated("24/25", 4)
    rng = np.random.default_rng(3)
    rows = [rng.dirichlet([1, 1], size=game.num_states) for _ in range(2)]
    assert all(own.rel_accuracy_bits() >= 53 for own in enclose(game, rows))


@pytest.mark.parametrize("bits", [0, 1, -5, 5.0, True, "53"])
def test_bits_must_be_an_integer(bits):
    game = PD.iterated("1/2")
    with pytest.raises(ValueError, match="bits: expected an integer from 2 up"):
        enclose(game, (tit_for_tat(game, 0), tit_for_tat(game, 1)), bits)


def test_errors():
    game = PD.iterated("1/2")
    good = [[F(1), F(0)]] * 5
    with pytest.raises(ValueError, match="policies must hold one policy per player"):
        enclose(game, [good])
    half = flint.arb(0.5)
    with pytest.raises(ValueError, match="policies must hold one policy per player"):
        enclose(game, [[[half, half]] * 5])
    with pytest.raises(
        ValueError, match=r"policies\[0\] must have shape \(observations, actions\) = \(5, 2\)"
    ):
        enclose(game, [[[half, half]] * 4, good])
    with pytest.raises(
        ValueError, match=r"policies\[1\] at start must be balls whose sum contains 1"
    ):
        enclose(game, [good, [[half, flint.arb(0.25, 0.1)]] * 5])
    for wrong in (flint.arb(2, 0.5), flint.arb("nan")):
        with pytest.raises(
            ValueError, match=r"policies\[0\] at start must be balls that meet \[0, 1\]"
        ):
            enclose(game, [[[wrong, half]] * 5, good])
    symbolic = PD.iterated(sympy.Symbol("g"))
    with pytest.raises(ValueError, match="expected numbers only, got the symbols g"):
        enclose(symbolic, [good, good])
