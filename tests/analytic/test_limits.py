"""Vanishing noise: the worked cases, symbolic limits, and exact values at tiny numbers far apart."""

from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from resolvent.analytic.chain import fraction
from resolvent.analytic.limits import Germ, average, stochastically_stable
from resolvent.analytic.long_run import long_run
from resolvent.games import NormalForm, StochasticGame, grim, tit_for_tat, win_stay_lose_shift

F = Fraction
STAGE = NormalForm.symmetric([[3, 0], [5, 1]], ["C", "D"])
STATES = ("CC", "CD", "DC", "DD")


def uniform(game):
    return [[[F(1, count)] * count] * rows for rows, count in game.policy_shapes]


# The worked cases of the specification (equilibrium, a.9).

CASES = {
    "TFT, TFT": ((tit_for_tat, tit_for_tat), (3, F(5, 2), F(5, 2), 1), F(9, 4)),
    "GRIM, GRIM": ((grim, grim), (3, 1, 1, 1), 1),
    "WSLS, WSLS": ((win_stay_lose_shift, win_stay_lose_shift), (3, 3, 3, 3), 3),
    "TFT, WSLS": ((tit_for_tat, win_stay_lose_shift), (3, 2, 2, 2), F(9, 4)),
}


@pytest.mark.parametrize("case", CASES)
def test_limits_that_do_not_commute(case):
    strategies, without, with_noise = CASES[case]
    for state, expected in zip(STATES, without, strict=True):
        game = STAGE.iterated("1/2", initial={state: 1})
        policies = tuple(own(game, i) for i, own in enumerate(strategies))
        assert average(game, policies) == (expected,) * 2
        assert average(game, policies, trembling="uniform", order="noise_first") == (expected,) * 2
        assert average(game, policies, trembling="uniform") == (with_noise,) * 2
        first = average(game, policies, trembling="uniform", order="discount_first")
        assert first == (with_noise,) * 2


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("memory", [1, 2])
def test_the_same_from_the_start_and_with_a_longer_memory(case, memory):
    strategies, without, with_noise = CASES[case]
    game = STAGE.iterated("1/2", memory)
    policies = tuple(own(game, i) for i, own in enumerate(strategies))
    assert average(game, policies) == (without[0],) * 2
    assert average(game, policies, trembling="uniform") == (with_noise,) * 2


def test_noise_that_stays():
    """TFT against TFT with noise forgets how it began: each state has 1/4, whatever the noise."""
    game = STAGE.iterated("1/2", initial={"DD": 1})
    policies = (tit_for_tat(game, 0), tit_for_tat(game, 1))
    for noise in ("1/10", F(1, 10**20), 0.5):
        assert average(game, policies, trembling=noise) == (F(9, 4),) * 2
    # GRIM: cooperation ends with probability 1 - (1 - e/2)^2, and begins with (e/2)^2.
    policies = (grim(game, 0), grim(game, 1))
    e = F(1, 10) / 2
    end, begin = 1 - (1 - e) ** 2, e**2
    # In one of the states CC, DD and two of CD; D once, and C by a slip, in the others.
    transition = {
        "C": [(1 - e) ** 2, e * (1 - e), e * (1 - e), e**2],
        "D": [e**2, e * (1 - e), e * (1 - e), (1 - e) ** 2],
    }
    cooperate = begin / (begin + end)
    shares = [
        cooperate * c + (1 - cooperate) * d
        for c, d in zip(transition["C"], transition["D"], strict=True)
    ]
    assert shares[0] == cooperate
    assert average(game, policies, trembling="1/10")[0] == 3 * shares[0] + 5 * shares[2] + shares[3]


def test_a_noise_of_the_users_own_decides_between_classes():
    """Two states that are never left but by the second action of player 2, who slips to it with e/4 in
    the first and e/2 in the second: the first has 2/3 of the rounds, whatever player 1 does."""
    transitions = [[[[1, 0], [0, 1]]] * 2, [[[0, 1], [1, 0]]] * 2]
    pays = [[[[1] * 2] * 2, [[4] * 2] * 2]] * 2
    game = StochasticGame(pays, transitions, "1/2", ["1/2", "1/2"])
    policies = (((F(1), F(0)),) * 2,) * 2
    tau = (policies[0], ((F(3, 4), F(1, 4)), (F(1, 2), F(1, 2))))
    assert average(game, policies, trembling=tau) == (2, 2)
    assert average(game, policies, trembling="uniform") == (F(5, 2),) * 2
    assert average(game, policies) == (F(5, 2),) * 2


def absorbing_pair():
    """State 0 goes to 1 by action b, to 2 by action c, and stays by a; 1 and 2 are never left, but
    that 2 goes to 1 by c."""
    rows = {
        0: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        1: [[0, 1, 0]] * 3,
        2: [[0, 0, 1], [0, 0, 1], [0, 1, 0]],
    }
    return [rows[s] for s in range(3)]


def test_noise_without_full_support_keeps_several_classes():
    transitions = absorbing_pair()
    pays = [[[1] * 3, [10] * 3, [100] * 3]]
    stay = (((F(1), F(0), F(0)),) * 3,)
    slips = F(1, 2), F(1, 3), F(1, 6)
    half = (((F(1, 2), F(1, 2), F(0)),),)

    def game(state):
        initial = [int(s == state) for s in range(3)]
        return StochasticGame(pays, transitions, "1/2", initial)

    # Full support: 2 is left for 1, which is never left.
    assert average(game(2), stay, trembling="uniform") == (10,)
    # No slip c: 2 is never left, and 0 only for 1.
    no_c = (half[0] * 3,)
    assert average(game(0), stay, trembling=no_c) == (10,)
    assert average(game(2), stay, trembling=no_c) == (100,)
    # c slips in state 0 only: from there 1 is reached with 2/3, 2 with 1/3.
    tau = ((slips, *half[0] * 2),)
    assert average(game(0), stay, trembling=tau) == (F(2, 3) * 10 + F(1, 3) * 100,)
    assert average(game(2), stay, trembling=tau) == (100,)
    # No slip in 0: it is never left.
    tau = ((stay[0][0], *half[0] * 2),)
    assert average(game(0), stay, trembling=tau) == (1,)
    # The other order: no noise.
    for state, pay in enumerate((1, 10, 100)):
        assert average(game(state), stay, trembling="uniform", order="noise_first") == (pay,)


def test_slips_of_different_orders():
    """Three states on a line, left by one slip upwards, and by two slips at once downwards: in the
    limit all the time is spent at the top."""
    one, two, stay = 1, 2, 0

    def following(s, slips):
        if s < 2 and slips >= one:
            return s + 1
        return s - 1 if s == 2 and slips == two else s

    transitions = [
        [[[int(t == following(s, a + b)) for t in range(3)] for b in range(2)] for a in range(2)]
        for s in range(3)
    ]
    pays = [[[[s] * 2] * 2 for s in (5, 6, 7)]] * 2
    game = StochasticGame(pays, transitions, "1/2", ["1/3", "1/3", "1/3"])
    policies = (((F(1), F(stay)),) * 3,) * 2
    assert average(game, policies, trembling="uniform") == (7, 7)
    assert average(game, policies) == (6, 6)


# Symbolic limits.


def symbolic(R, game, policies, tau):
    """V in QQ(d, e) for each player, by dense elimination over that field."""
    field = QQ.frac_field(*sympy.symbols("d e"))
    d, e = field.gens

    def number(x):
        return field(QQ(x.numerator, x.denominator))

    noisy = [
        [
            [(1 - e) * number(p) + e * number(q) for p, q in zip(*rows, strict=True)]
            for rows in zip(*pair, strict=True)
        ]
        for pair in zip(policies, tau, strict=True)
    ]
    size, zero = game.num_states, field(0)
    transition = [[zero] * size for _ in range(size)]
    rewards = [[zero] * size for _ in range(game.num_players)]
    for s in range(size):
        acting = []
        for i, own in enumerate(noisy):
            row = [zero] * game.num_actions[i]
            for o, chance in game.readings[i][s]:
                for intended, p in enumerate(own[o]):
                    for a in range(len(row)):
                        tremble = game.trembles[i]
                        hand = F(int(intended == a)) if tremble is None else tremble[intended][a]
                        row[a] += p * number(chance * hand)
            acting.append(row)
        for k, joint in enumerate(game.joint_actions):
            p = prod((acting[i][a] for i, a in enumerate(joint)), start=field(1))
            for t, chance in game.branches[s][k]:
                transition[s][t] += p * number(chance)
            for i in range(game.num_players):
                rewards[i][s] += p * number(game.rewards[i][s][k])
    matrix = DomainMatrix(
        [
            [int(s == t) - (1 - d) * p for t, p in enumerate(row)]
            for s, row in enumerate(transition)
        ],
        (size, size),
        field,
    )
    right = DomainMatrix(R.transpose(rewards), (size, game.num_players), field)
    worth = matrix.lu_solve(right).to_list()
    return [
        d * sum((number(p) * row[i] for p, row in zip(game.initial, worth, strict=True)), zero)
        for i in range(game.num_players)
    ]


def limit(value, variables):
    """Set one variable of a quotient in lowest terms to zero after the other."""
    d, e = sympy.symbols("d e")
    expression: Any = value.as_expr()
    for variable in variables:
        parts: Any = sympy.fraction(sympy.cancel(expression))
        top, bottom = parts
        expression = top.subs(variable, 0) / bottom.subs(variable, 0)
    number: Any = sympy.Rational(expression)
    assert {d, e} == set(variables)
    return F(int(number.p), int(number.q))


def random_noise(R, game, seed):
    return R.random_policies(game, seed + 1, [0.0, 0.4][seed % 2])


@settings(max_examples=30)
@given(seed=st.integers(0, 10**9))
def test_symbolic_limits(random_games, seed):
    R = random_games
    game = R.random_game(seed, max_players=2, max_states=3, zeros=1.0 if seed % 3 else None)
    policies, tau = R.random_policies(game, seed, 1.0), random_noise(R, game, seed)
    d, e = sympy.symbols("d e")
    values = symbolic(R, game, policies, tau)
    first = average(game, policies, trembling=tau, order="discount_first")
    last = average(game, policies, trembling=tau, order="noise_first")
    assert list(first) == [limit(value, (d, e)) for value in values]
    assert list(last) == [limit(value, (e, d)) for value in values]


# Exact values at tiny numbers.


def check_at_tiny_numbers(R, seed):
    """Both limits are approached with errors of the order of the larger of the two numbers; the
    smaller one is smaller than any power of it that occurs (as many slips as states and players)."""
    game = R.random_game(seed, zeros=[1.0, 1.0, 0.9, 0.5][seed % 4])
    policies, tau = R.random_policies(game, seed, [1.0, 0.5][seed % 2]), random_noise(R, game, seed)
    small, smaller = F(1, 10**9), F(1, 10**180)
    for order, d, e in (("discount_first", smaller, small), ("noise_first", small, smaller)):
        noisy = [
            [
                [(1 - e) * p + e * q for p, q in zip(*rows, strict=True)]
                for rows in zip(*pair, strict=True)
            ]
            for pair in zip(policies, tau, strict=True)
        ]
        near = R.values(game, noisy, [1 - d] * game.num_players)
        exactly = average(game, policies, trembling=tau, order=order)
        assert all(abs(x - y) < F(1, 10**4) for x, y in zip(near, exactly, strict=True)), order
    shares = stochastically_stable(game, policies, tau)
    assert sum(shares) == 1
    assert all(share >= 0 for share in shares)
    # The other order by the same elimination, against the long run without noise.
    still = [fraction(p) for p in stochastically_stable(game, policies, tau, noise_first=True)]
    _, rewards = R.dense_chain(game, policies)
    assert tuple(R.dot(still, own) for own in rewards) == long_run(game, policies).averages


@settings(max_examples=100)
@given(seed=st.integers(0, 10**9))
def test_values_at_tiny_numbers(random_games, seed):
    check_at_tiny_numbers(random_games, seed)


@pytest.mark.slow
@settings(max_examples=3000)
@given(seed=st.integers(0, 10**9))
def test_thousands_of_values_at_tiny_numbers(random_games, seed):
    check_at_tiny_numbers(random_games, seed)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**9))
def test_one_class_is_continuous(random_games, seed):
    """Where the chain keeps one distribution only, leading terms find it: the shortcut is right."""
    R = random_games
    game = R.random_game(seed, zeros=0.0)
    policies = R.random_policies(game, seed)
    shares = [fraction(p) for p in stochastically_stable(game, policies, uniform(game))]
    result = long_run(game, policies)
    assert len(result.classes) == 1
    assert tuple(shares) == result.stationary[0]
    assert average(game, policies, trembling="uniform") == result.averages


@pytest.mark.parametrize(
    "kind", ["controllers", "reactive", "noise", "one-sided memory", "memory 2"]
)
def test_games_of_the_library(random_games, kind):
    R = random_games
    game = R.library_games()[kind]
    policies = R.random_policies(game, 2, 1.0)
    e = F(1, 10**9)
    noisy = [[[(1 - e) * p + e / len(row) for p in row] for row in own] for own in policies]
    near = long_run(game, noisy).averages
    exactly = average(game, policies, trembling="uniform")
    assert all(abs(x - y) < F(1, 10**4) for x, y in zip(near, exactly, strict=True))


# Leading terms.


def test_leading_terms_of_sums_products_and_quotients():
    """Against numbers: c x^a y^b at y = 1e-12 and x = y^40."""
    y = F(1, 10**12)
    x = y**40
    germs = [
        Germ(flint.fmpq(*c), order)
        for c, order in product([(1, 2), (7, 3)], product(range(3), range(-2, 3)))
    ]

    def number(germ):
        return fraction(germ.coefficient) * x ** germ.order[0] * y ** germ.order[1]

    for p, q in product(germs, germs):
        for got, exactly in (
            (p + q, number(p) + number(q)),
            (p * q, number(p) * number(q)),
            (p / q, number(p) / number(q)),
        ):
            assert abs(number(got) / exactly - 1) < F(1, 10**9)


def test_zero_and_limits_of_leading_terms():
    zero, one, small = Germ(flint.fmpq(0)), Germ(flint.fmpq(1)), Germ(flint.fmpq(1), (0, 1))
    assert zero == 0
    assert zero * small == 0
    assert zero + small == small
    assert small + zero == small
    assert small != one
    assert (one.limit, small.limit, zero.limit) == (1, 0, 0)
    with pytest.raises(ArithmeticError, match="goes to infinity"):
        _ = (one / small).limit
    assert repr(small) == "Germ(1, (0, 1))"


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"trembling": 0}, ValueError, r"trembling: expected a number in \(0, 1\)"),
        ({"trembling": 1}, ValueError, r"trembling: expected a number in \(0, 1\)"),
        ({"trembling": "unifrom"}, ValueError, r"trembling .* must be a number"),
        ({"trembling": True}, TypeError, r"trembling .* must be a number"),
        ({"trembling": "1/10", "order": "noise_first"}, ValueError, "order: only for noise that"),
        ({"order": "discount_first"}, ValueError, "order: only for noise that vanishes"),
        ({"trembling": "uniform", "order": "gamma"}, ValueError, "order: expected one of"),
        (
            {"trembling": [[[1, 0]] * 4]},
            ValueError,
            "trembling, as a joint policy: policies must hold",
        ),
        (
            {"trembling": [[["1/2", "1/4"]] * 4] * 2},
            ValueError,
            r"trembling, as a joint policy: .* must sum to exactly 1",
        ),
    ],
)
def test_errors(arguments, error, message):
    game = STAGE.iterated("1/2", initial={"CC": 1})
    policies = (tit_for_tat(game, 0), tit_for_tat(game, 1))
    with pytest.raises(error, match=message):
        average(game, policies, **arguments)


def test_symbols_and_shapes_are_refused():
    game = STAGE.iterated("1/2")
    policies = (tit_for_tat(game, 0), tit_for_tat(game, 1))
    with pytest.raises(ValueError, match="policies must hold one policy per player"):
        average(game, policies[:1], trembling="uniform")
    symbolic_game = STAGE.iterated(sympy.Symbol("g"))
    with pytest.raises(ValueError, match="expected numbers only, got the symbols g"):
        average(symbolic_game, policies, trembling="uniform")
