"""The long run: hand-worked chains, the equations that define its matrices, and symbolic algebra."""

from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from resolvent.analytic.long_run import laurent, long_run
from resolvent.games import NormalForm, StochasticGame, grim, tit_for_tat, win_stay_lose_shift

F = Fraction
PAYOFFS = [[3, 0], [5, 1]]


def markov_chain(transition, rewards, initial=None):
    """A chain as a game of one player without a choice, and its only policy."""
    size = len(transition)
    game = StochasticGame(
        [[[r] for r in rewards]], [[row] for row in transition], "1/2", initial=initial
    )
    return game, (((F(1),),) * size,)


# By hand.


def test_gamblers_ruin():
    """A fair walk on 0..3 that stays at the ends: from k the right end is reached with k/3."""
    half = F(1, 2)
    game, only = markov_chain(
        [[1, 0, 0, 0], [half, 0, half, 0], [0, half, 0, half], [0, 0, 0, 1]],
        [0, 5, 7, 3],
        [0, F(1, 4), F(3, 4), 0],
    )
    result = long_run(game, only)
    assert result.classes == ((0,), (3,))
    assert result.transient == (1, 2)
    assert result.absorption == ((1, 0), (F(2, 3), F(1, 3)), (F(1, 3), F(2, 3)), (0, 1))
    assert result.reached == (F(5, 12), F(7, 12))
    assert result.averages == (F(7, 4),)
    assert result.state_averages == ((0, 1, 2, 3),)
    assert result.stationary == ((1, 0, 0, 0), (0, 0, 0, 1))
    # Expected visits from 1: 4/3 to 1 and 2/3 to 2. The bias: 4/3 (5 - 1) + 2/3 (7 - 2), and alike.
    assert result.bias == ((0, F(4, 3) * 4 + F(2, 3) * 5, F(2, 3) * 4 + F(4, 3) * 5, 0),)


def test_a_cycle_has_a_period_and_an_average():
    game, only = markov_chain([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [3, 0, 6])
    result = long_run(game, only)
    third = F(1, 3)
    assert result.periods == (3,)
    assert result.stationary == ((third, third, third),)
    assert result.averages == (3,)
    assert result.limiting == ((third,) * 3,) * 3
    # V = (1-g)(3 + 6 g^2)/(1 - g^3) = (3 + 6 g^2)/(1 + g + g^2); with g = 1 - d:
    # (9 - 12 d + 6 d^2)/(3 - 3 d + d^2) = 3 - d + 0 d^2 + ...
    assert laurent(game, only, 2) == ((3, -1, 0),)
    assert result.bias[0][0] == -1


def test_identity_never_moves():
    game, only = markov_chain([[1, 0], [0, 1]], [2, 5], [F(1, 4), F(3, 4)])
    result = long_run(game, only)
    assert result.classes == ((0,), (1,))
    assert result.averages == (F(17, 4),)
    assert result.deviation == ((0, 0), (0, 0))
    assert laurent(game, only, 3) == ((F(17, 4), 0, 0, 0),)


def test_two_states():
    """Leave 0 with a = 1/3 and 1 with b = 1/4: D = (I - P) / (a + b)^2."""
    a, b = F(1, 3), F(1, 4)
    game, only = markov_chain([[1 - a, a], [b, 1 - b]], [1, 0])
    result = long_run(game, only)
    assert result.stationary == ((b / (a + b), a / (a + b)),)
    assert result.deviation == (
        (a / (a + b) ** 2, -a / (a + b) ** 2),
        (-b / (a + b) ** 2, b / (a + b) ** 2),
    )


@pytest.mark.parametrize(
    ("strategies", "expected"),
    [
        ((tit_for_tat, tit_for_tat), (3, F(5, 2), F(5, 2), 1)),
        ((grim, grim), (3, 1, 1, 1)),
        ((win_stay_lose_shift, win_stay_lose_shift), (3, 3, 3, 3)),
        ((tit_for_tat, win_stay_lose_shift), (3, 2, 2, 2)),
    ],
)
def test_deterministic_strategies_from_each_state(strategies, expected):
    """Spec equilibrium a.9, for both players; from the start all of them cooperate."""
    stage = NormalForm.symmetric(PAYOFFS, ["C", "D"])
    game = stage.iterated("1/2")
    policies = tuple(own(game, i) for i, own in enumerate(strategies))
    result = long_run(game, policies)
    assert result.averages == (3, 3)
    assert result.state_averages[0][1:] == expected
    assert result.transient[0] == 0
    for state, average in zip(("CC", "CD", "DC", "DD"), expected, strict=True):
        begun = stage.iterated("1/2", initial={state: 1})
        policies = tuple(own(begun, i) for i, own in enumerate(strategies))
        assert long_run(begun, policies).averages == (average, average)


def test_names_and_print():
    game = NormalForm.symmetric(PAYOFFS, ["C", "D"], name="PD").iterated("1/2")
    result = long_run(game, (tit_for_tat(game, 0), tit_for_tat(game, 1)))
    assert result.class_names == (("CC",), ("CD", "DC"), ("DD",))
    assert result.periods == (1, 2, 1)
    assert str(result) == (
        "long run of PD: 3 recurrent classes, 1 transient state of 5\n"
        "  {CC}: period 1, reached with probability 1, averages 3, 3\n"
        "  {CD, DC}: period 2, reached with probability 0, averages 5/2, 5/2\n"
        "  {DD}: period 1, reached with probability 0, averages 1, 1\n"
        "averages 3, 3"
    )


# Random games: the equations that define what is computed.


def multiply(a, b):
    return [
        [sum((x * y for x, y in zip(row, col, strict=True)), F(0)) for col in zip(*b, strict=True)]
        for row in a
    ]


def subtract(a, b):
    return [[x - y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def check_long_run(R, game, policies):
    result = long_run(game, policies)
    transition, rewards = R.dense_chain(game, policies)
    size = game.num_states
    unit = [[F(int(s == t)) for t in range(size)] for s in range(size)]
    limiting = [list(row) for row in result.limiting]
    # These four determine P*: it projects on what P keeps, along what I - P reaches.
    assert multiply(transition, limiting) == limiting
    assert multiply(limiting, transition) == limiting
    assert multiply(limiting, limiting) == limiting
    fundamental = [
        [x + y for x, y in zip(p, q, strict=True)]
        for p, q in zip(subtract(unit, transition), limiting, strict=True)
    ]
    right = R.transpose(subtract(unit, limiting))
    deviation = R.transpose([R.solve(fundamental, column) for column in right])
    assert [list(row) for row in result.deviation] == deviation
    for i in range(game.num_players):
        averages = [R.dot(row, rewards[i]) for row in limiting]
        assert list(result.state_averages[i]) == averages
        assert result.averages[i] == R.dot(game.initial_distribution, averages)
        assert list(result.bias[i]) == [R.dot(row, rewards[i]) for row in deviation]
        mixed = sum(
            (p * own[i] for p, own in zip(result.reached, result.class_averages, strict=True)), F(0)
        )
        assert result.averages[i] == mixed
    check_classes(R, game, result, transition)
    return result, transition, rewards, deviation


def check_classes(R, game, result, transition):
    """By what can be reached from where, from the powers of the support."""
    size = game.num_states
    reach = [{s} for s in range(size)]
    for _ in range(size):
        reach = [own | {t for s in own for t in range(size) if transition[s][t]} for own in reach]
    recurrent = [s for s in range(size) if all(s in reach[t] for t in reach[s])]
    assert result.classes == tuple(sorted({tuple(sorted(reach[s])) for s in recurrent}))
    assert result.transient == tuple(s for s in range(size) if s not in recurrent)
    for members, period in zip(result.classes, result.periods, strict=True):
        # The powers after which the first state may be seen again.
        here, returns = {members[0]}, 0
        for step in range(1, 2 * size**2 + 2):
            here = {t for s in here for t in range(size) if transition[s][t]}
            if members[0] in here:
                returns = np.gcd(returns, step)
        assert period == returns


def check_laurent(R, game, policies, transition, rewards, deviation):
    """Against the formula in powers of D, and against the exact value close to one."""
    order = 3
    coefficients = laurent(game, policies, order)
    result = long_run(game, policies)
    size = game.num_states
    powers = [[[F(int(s == t)) for t in range(size)] for s in range(size)]]
    for _ in range(order):
        powers.append(multiply(powers[-1], deviation))
    for i in range(game.num_players):
        worth = [
            R.dot(game.initial_distribution, [R.dot(row, rewards[i]) for row in p]) for p in powers
        ]
        expected = [result.averages[i]]
        for m in range(order):
            expected.append(
                sum(((-1) ** k * comb(m, k) * worth[k + 1] for k in range(m + 1)), F(0))
            )
        assert list(coefficients[i]) == expected
        d = F(1, 10**12)
        value = R.values(game, policies, [1 - d] * game.num_players)[i]
        for own in coefficients[i]:
            value = (value - own) / d
        # What is left is the next coefficient, nearly: it does not grow as d falls.
        assert abs(value) < 10**9


@settings(max_examples=120)
@given(seed=st.integers(0, 10**9))
def test_matrices_of_random_games(random_games, seed):
    game = random_games.random_game(seed)
    policies = random_games.random_policies(game, seed)
    _, *parts = check_long_run(random_games, game, policies)
    check_laurent(random_games, game, policies, *parts)


@pytest.mark.slow
@settings(max_examples=3000)
@given(seed=st.integers(0, 10**9))
def test_matrices_of_thousands_of_random_games(random_games, seed):
    game = random_games.random_game(seed, max_states=7)
    policies = random_games.random_policies(game, seed)
    _, *parts = check_long_run(random_games, game, policies)
    check_laurent(random_games, game, policies, *parts)


@pytest.mark.parametrize("kind", ["memory 1", "memory 0", "noise", "no start", "stochastic"])
@pytest.mark.parametrize("zeros", [0.5, 1.0])
def test_matrices_of_library_games(random_games, kind, zeros):
    game = random_games.library_games()[kind]
    policies = random_games.random_policies(game, 4, zeros)
    _, *parts = check_long_run(random_games, game, policies)
    check_laurent(random_games, game, policies, *parts)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**9))
def test_laurent_is_the_series_of_the_rational_function(random_games, seed):
    """V as a quotient of polynomials in d = 1 - g by SymPy, expanded by long division."""
    R, order = random_games, 5
    game = R.random_game(seed, max_states=4)
    policies = R.random_policies(game, seed)
    transition, rewards = R.dense_chain(game, policies)
    field = QQ.frac_field(sympy.Symbol("d"))
    d, size = field.gens[0], game.num_states
    matrix = DomainMatrix(
        [
            [
                field(int(s == t)) - (1 - d) * QQ(p.numerator, p.denominator)
                for t, p in enumerate(row)
            ]
            for s, row in enumerate(transition)
        ],
        (size, size),
        field,
    )
    for i, coefficients in enumerate(laurent(game, policies, order)):
        right = DomainMatrix(
            [[field(QQ(r.numerator, r.denominator))] for r in rewards[i]], (size, 1), field
        )
        worth = matrix.lu_solve(right).to_list()
        value = d * sum(
            (
                field(QQ(p.numerator, p.denominator)) * row[0]
                for p, row in zip(game.initial, worth, strict=True)
            ),
            field(0),
        )
        top, bottom = (
            [poly.get((k,), 0) for k in range(order + 1)] for poly in (value.numer, value.denom)
        )
        series = []
        for k in range(order + 1):
            rest = sum((series[j] * bottom[k - j] for j in range(k)), QQ(0))
            series.append((top[k] - rest) / bottom[0])
        assert list(coefficients) == [F(int(c.numerator), int(c.denominator)) for c in series]


# Floats.


@settings(max_examples=80)
@given(seed=st.integers(0, 10**9))
def test_floats_give_what_fractions_give(random_games, seed):
    game = random_games.random_game(seed)
    policies = random_games.random_policies(game, seed)
    result = long_run(game, policies)
    floats = long_run(
        game, [np.array([[float(p) for p in row] for row in own]) for own in policies]
    )
    for name in ("classes", "periods", "transient", "states"):
        assert getattr(floats, name) == getattr(result, name)
    for name in (
        "stationary",
        "absorption",
        "reached",
        "averages",
        "state_averages",
        "limiting",
        "deviation",
        "bias",
    ):
        own = np.array(getattr(floats, name), dtype=float)
        assert own.tolist() == pytest.approx(
            np.array(getattr(result, name), dtype=float), rel=1e-11, abs=1e-12
        )
    assert all(isinstance(x, float) for x in floats.averages)


def test_floats_keep_their_digits_in_a_nearly_reducible_chain():
    """Every move but staying has a probability of some 1e-200."""
    tiny = 1e-200
    transitions = [[[0, 1, 0], [1, 0, 0]], [[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 1]]]
    game = StochasticGame([[[1, 1], [2, 2], [4, 4]]], transitions, "1/2", ["0", "0", "1"])
    policy = np.array([[3 * tiny, 1.0], [tiny, 1.0], [2 * tiny, 1.0]])
    result = long_run(game, [policy])
    assert result.classes == ((0, 1),)
    assert result.transient == (2,)
    assert result.averages == pytest.approx((F(1, 4) * 1 + F(3, 4) * 2,), rel=1e-15)
    assert result.absorption == ((1.0,),) * 3
    # Half a move per 1e-200 from state 2 to 0; there -3/16 per 1e-200, as `test_two_states` has it.
    assert result.bias[0][0] == pytest.approx(-3 / 16 / tiny, rel=1e-14)
    assert result.bias[0][2] == pytest.approx(((4 - 1.75) / 2 - 3 / 16) / tiny, rel=1e-14)


def test_the_smallest_float_is_a_move_and_what_vanishes_is_refused():
    stage = NormalForm.symmetric(PAYOFFS, ["C", "D"])
    game = stage.iterated("1/2", initial={"DD": 1})

    def rows(p):
        return np.array([[p, 1.0]] * 4)

    result = long_run(game, [rows(5e-324), rows(0.0)])
    assert result.classes == ((1, 3),)
    with pytest.raises(ValueError, match="products floats can hold; pass exact ones"):
        long_run(game, [rows(1e-200), rows(1e-200)])


def test_large_chains():
    """341 states: deterministic, mixed and in floats agree with the chain's own equation."""
    game = NormalForm.symmetric(PAYOFFS, ["C", "D"]).iterated("1/2", 4)
    rng = np.random.default_rng(0)
    rows = [
        [(F(int(k), 20), 1 - F(int(k), 20)) for k in rng.integers(0, 21, game.num_states)]
        for _ in range(2)
    ]
    result = long_run(game, rows)
    floats = long_run(game, [np.array(own, dtype=float) for own in rows])
    assert floats.averages == pytest.approx([float(v) for v in result.averages], rel=1e-12)
    assert sum(result.stationary[0]) == 1


# Bad input.


def test_errors():
    game = NormalForm.symmetric(PAYOFFS, ["C", "D"]).iterated("1/2")
    policies = (tit_for_tat(game, 0), tit_for_tat(game, 1))
    with pytest.raises(ValueError, match="policies must hold one policy per player"):
        long_run(game, policies[:1])
    wrong: list[Any] = [-1, 1.5, True]
    for order in wrong:
        with pytest.raises(ValueError, match="order: expected an integer from 0 up"):
            laurent(game, policies, order)
    g = sympy.Symbol("g")
    symbolic = NormalForm.symmetric(PAYOFFS, ["C", "D"]).iterated(g)
    for call in (lambda: long_run(symbolic, policies), lambda: laurent(symbolic, policies, 1)):
        with pytest.raises(ValueError, match="expected numbers only, got the symbols g"):
            call()
