"""Exact evaluation equals brute force: in rationals, with no tolerance."""

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.analytic import closed_form, exact
from resolvent.games import NormalForm

KINDS = ("interior", "near", "deterministic", "mixed")
SHAPES = ("2x2", "2x3", "3 players", "2x4", "2x2 memory 2")
F = Fraction


@pytest.fixture(params=SHAPES)
def shape(request):
    return request.param


@pytest.fixture
def setting(brute_force, sampling):
    """(game, policies, reference) of a shape, kind of policy and discount."""

    def make(shape, kind, discount, seed=0):
        game = sampling.game(shape, discount, seed)
        policies = sampling.exact_policies(game, kind, np.random.default_rng(seed + 17))
        reference = brute_force.Reference.exact(
            game.stage.payoffs, game.num_actions, game.memory, discount, policies
        )
        return game, policies, reference

    return make


def rows(brute_force, table):
    return tuple(tuple(map(brute_force.fraction, row)) for row in table)


def test_states_and_joint_actions_are_in_the_order_of_the_reference(shape, setting):
    game, _, reference = setting(shape, "interior", F(1, 2))
    assert game.histories == tuple(reference.histories)
    assert game.stage.joint_actions == tuple(reference.joint)


@pytest.mark.parametrize("kind", KINDS)
def test_values_occupancy_and_q_equal_dense_linear_algebra(
    shape, kind, setting, brute_force, sampling
):
    for discount in sampling.DISCOUNTS:
        game, policies, reference = setting(shape, kind, discount)
        form = closed_form(game)
        assert form.evaluate(policies) == tuple(map(brute_force.fraction, reference.values()))
        occupancy = form.occupancy(policies)
        assert occupancy == tuple(map(brute_force.fraction, reference.occupancy()))
        assert sum(occupancy) == 1
        for player in range(game.num_players):
            expected = rows(brute_force, reference.q_values(player))
            assert form.q_values(policies, player) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_q_values_average_to_the_value(kind, setting):
    game, policies, _ = setting("2x3", kind, F(24, 25))
    form = closed_form(game)
    values = form.evaluate(policies)
    for player in range(2):
        start = form.q_values(policies, player)[0]
        assert sum(p * q for p, q in zip(policies[player][0], start, strict=True)) == values[player]


@pytest.mark.parametrize(
    "shape_and_rounds", [("2x2", 5), ("2x3", 4), ("3 players", 3), ("2x2 memory 2", 5)]
)
@pytest.mark.parametrize("kind", ["interior", "mixed"])
def test_value_is_the_sum_over_histories(shape_and_rounds, kind, setting, brute_force):
    """Every history enumerated; what is cut off is at most g^rounds max|r|."""
    shape, rounds = shape_and_rounds
    g = F(1, 20)
    game, policies, _ = setting(shape, kind, g)
    payoffs = game.stage.payoffs
    truncated = brute_force.enumerate_histories(
        payoffs, game.num_actions, game.memory, g, policies, rounds
    )
    largest = max(
        abs(r) for own in brute_force.flat_payoffs(payoffs, game.num_actions) for r in own.values()
    )
    for value, partial in zip(closed_form(game).evaluate(policies), truncated, strict=True):
        assert abs(value - partial) <= g**rounds * largest


@pytest.mark.parametrize("kind", ["interior", "near"])
def test_value_is_the_limit_of_forward_sums(kind, setting, brute_force):
    """1300 rounds at g = 24/25 leave a tail below 1e-21; no linear system is solved."""
    g, number_of_rounds = F(24, 25), 1300
    game, policies, _ = setting("2x2", kind, g)
    arb = brute_force.ball
    brute_force.flint.ctx.prec = 300
    payoffs = np.vectorize(arb, otypes=[object])(np.array(game.stage.payoffs, dtype=object))
    in_balls = [[[arb(p) for p in row] for row in own] for own in policies]
    partial = brute_force.forward_sum(payoffs, (2, 2), 1, arb(g), in_balls, number_of_rounds, arb)
    tail = float(g) ** number_of_rounds * 10
    assert tail < 1e-21
    for value, sum_ in zip(closed_form(game).evaluate(policies), partial, strict=True):
        assert abs(float((arb(value) - sum_).mid())) <= tail


# Derivatives.


def direction_in_reference(reference, name, direction):
    reference.move(name, [[row[:-1] for row in own] for own in direction])


@pytest.mark.parametrize("kind", KINDS)
def test_taylor_coefficients_equal_derivatives(shape, kind, setting, brute_force, sampling):
    for discount in sampling.DISCOUNTS:
        game, policies, reference = setting(shape, kind, discount)
        move = sampling.exact_direction(game, np.random.default_rng(5))
        direction_in_reference(reference, "u", move)
        series = closed_form(game).taylor(policies, move, 3)
        factorial = 1
        for order in range(4):
            factorial *= max(order, 1)
            expected = map(brute_force.fraction, reference.derivative(*["u"] * order))
            assert tuple(own[order] * factorial for own in series) == tuple(expected)


def unit_direction(game, player, state, action):
    """Move probability from the last action to `action`, as a nested list."""
    move = [[[F(0)] * count for _ in range(game.num_states)] for count in game.num_actions]
    move[player][state][action], move[player][state][-1] = F(1), F(-1)
    return move


def combine(*weighted):
    """Sum of weight * direction."""
    return [
        [
            [
                sum(w * x for w, x in zip([w for w, _ in weighted], entries, strict=True))
                for entries in zip(*rows_, strict=True)
            ]
            for rows_ in zip(*own, strict=True)
        ]
        for own in zip(*[d for _, d in weighted], strict=True)
    ]


@pytest.mark.parametrize("kind", ["interior", "near", "deterministic"])
def test_full_gradient_and_polarised_hessian_and_third_derivative(kind, setting, brute_force):
    """Mixed derivatives from Taylor coefficients by polarisation: with c_k the k-th coefficient,
    D2(u, v) = c2(u+v) - c2(u) - c2(v) and
    D3(u, v, w) = c3(u+v+w) - c3(u+v) - c3(u+w) - c3(v+w) + c3(u) + c3(v) + c3(w)."""
    game, policies, reference = setting("2x2", kind, F(24, 25))
    form = closed_form(game)
    units = [*reference.units(0), *reference.units(1)]

    def coefficients(*chosen):
        total = combine(*((1, unit_direction(game, *x)) for x in chosen))
        return form.taylor(policies, total, len(chosen) if len(chosen) > 1 else 3)

    single = {x: coefficients(x) for x in units}
    pairs = {
        (x, y): form.taylor(
            policies, combine((1, unit_direction(game, *x)), (1, unit_direction(game, *y))), 3
        )
        for x, y in product(units, units)
        if x <= y
    }

    def expected(*names):
        return tuple(map(brute_force.fraction, reference.derivative(*names)))

    for x in units:
        assert tuple(c[1] for c in single[x]) == expected(x)
    for x, y in pairs:
        mixed = tuple(pairs[x, y][i][2] - single[x][i][2] - single[y][i][2] for i in range(2))
        assert mixed == expected(x, y)
    rng = np.random.default_rng(0)
    for _ in range(25):
        x, y, z = sorted(units[k] for k in rng.integers(len(units), size=3))
        triple = coefficients(x, y, z)
        third = tuple(
            triple[i][3]
            - pairs[x, y][i][3]
            - pairs[x, z][i][3]
            - pairs[y, z][i][3]
            + single[x][i][3]
            + single[y][i][3]
            + single[z][i][3]
            for i in range(2)
        )
        assert third == expected(x, y, z)


def on_rationals(form, expressions, policies):
    """SymPy expressions in the policy symbols at rationals, without SymPy's slow substitution: their
    coefficients are integers, so Python carries them out on `Fraction`s exactly."""
    given = {
        symbol: policies[i][s][a]
        for i, own in enumerate(form.policy_symbols)
        for s, row in enumerate(own)
        for a, symbol in enumerate(row[:-1])
    }
    run = sympy.lambdify([list(given)], expressions, modules=[], cse=True)
    return [Fraction(x) for x in run(list(given.values()))]


def random_policies(game, seed=3):
    rng = np.random.default_rng(seed)

    def row(count):
        cuts = np.sort(rng.choice(np.arange(1, 40), count - 1, replace=False))
        return tuple(F(int(w), 40) for w in np.diff([0, *cuts, 40]))

    return tuple(tuple(row(c) for _ in range(game.num_states)) for c in game.num_actions)


def test_symbolic_gradient_and_hessian_equal_brute_force(brute_force):
    """Every entry of every block, on rationals put in for the symbols."""
    payoffs = [[[-1, -3], [0, -2]], [[-1, 5], [-3, F(1, 2)]]]
    game = NormalForm(payoffs).iterated("24/25")
    form, policies = closed_form(game), random_policies(game)
    reference = brute_force.Reference.exact(payoffs, (2, 2), 1, F(24, 25), policies)
    for i, j in product(range(2), repeat=2):
        gradient = form.gradient(i, j)
        assert gradient.shape == (5, 1)
        expected = list(map(brute_force.fraction, reference.gradient(i, j)))
        assert on_rationals(form, gradient.flat(), policies) == expected
    for i, j, k in [(0, 0, 1), (1, 1, 1), (1, 1, 0)]:
        expected = [brute_force.fraction(x) for row in reference.hessian(i, j, k) for x in row]
        assert on_rationals(form, form.hessian(i, (j, k)).flat(), policies) == expected


@pytest.mark.parametrize(("num_actions", "discount"), [((1, 3), F(24, 25)), ((2, 3), F(0))])
def test_symbolic_derivatives_of_unequal_numbers_of_actions(num_actions, discount, brute_force):
    """Few terms, and three actions: the order of states and actions within a block."""
    payoffs = [
        [[3, -1, 4], [1, -5, 9]][: num_actions[0]],
        [[2, -6, 5], [-3, 5, -8]][: num_actions[0]],
    ]
    game = NormalForm(payoffs).iterated(discount)
    form, policies = closed_form(game), random_policies(game)
    reference = brute_force.Reference.exact(payoffs, num_actions, 1, discount, policies)
    for i, j in product(range(2), repeat=2):
        expected = list(map(brute_force.fraction, reference.gradient(i, j)))
        assert on_rationals(form, form.gradient(i, j).flat(), policies) == expected
    expected = [brute_force.fraction(x) for row in reference.hessian(0, 1, 1) for x in row]
    assert on_rationals(form, form.hessian(0, (1, 1)).flat(), policies) == expected


def test_sums_are_averages_over_one_minus_the_discount(setting):
    game, policies, _ = setting("2x3", "mixed", F(24, 25))
    average, total = closed_form(game), closed_form(game, "sum")
    move = [[[F(0)] * c for _ in range(game.num_states)] for c in game.num_actions]
    move[1][2] = [F(1), F(-3), F(2)]
    assert total.evaluate(policies) == tuple(25 * v for v in average.evaluate(policies))
    assert total.occupancy(policies) == average.occupancy(policies)
    for a, b in zip(average.q_values(policies, 1), total.q_values(policies, 1), strict=True):
        assert b == tuple(25 * q for q in a)
    for a, b in zip(
        average.taylor(policies, move, 2), total.taylor(policies, move, 2), strict=True
    ):
        assert b == tuple(25 * c for c in a)


def test_flint_precision_of_the_caller_is_left_alone(setting, brute_force):
    game, policies, _ = setting("2x2", "interior", F(1, 2))
    before = brute_force.flint.ctx.cap
    closed_form(game).taylor(policies, [[[0, 0]] * 5] * 2, 7)
    assert brute_force.flint.ctx.cap == before


# The chain of any game.


@pytest.fixture(scope="module")
def games(random_games):
    return random_games.library_games()


def check_game(random_games, game, policies, seed):
    """All that `exact` offers, against dense elimination in Fractions."""
    R, n = random_games, game.num_players
    expected = R.values(game, policies)
    assert exact.values(game, policies) == expected
    transition, rewards = R.dense_chain(game, policies)
    for i, g in enumerate(game.discounts):
        visits = R.solve(R.transpose(R.dying(transition, g)), list(game.initial_distribution))
        occupancy = exact.occupancy(game, policies, i)
        assert occupancy == tuple((1 - g) * v for v in visits)
        assert sum(occupancy) == 1
        assert R.dot(occupancy, rewards[i]) == expected[i]
        check_q_values(R, game, policies, i)
    order = seed % 3 + 1
    direction = R.random_direction(game, seed)
    moving = R.jets(policies, direction, order)
    results = exact.taylor(game, policies, direction, order)
    transition, rewards = dense_in_jets(R, game, moving, order)
    for i in range(n):
        worth = R.solve(R.dying(transition, game.discounts[i]), rewards[i])
        value = R.dot(game.initial_distribution, worth)
        assert results[i] == tuple((1 - game.discounts[i]) * c for c in value.c)


def check_q_values(R, game, policies, player):
    """One round of the intended action by enumeration, and the value of the next state."""
    g, worth = game.discounts[player], R.worth(game, policies, player)
    table = exact.q_values(game, policies, player)
    for s in range(game.num_states):
        acting = [R.row_in(game, own, i, s) for i, own in enumerate(policies)]
        for intended in range(game.num_actions[player]):
            unit = [F(int(a == intended)) for a in range(game.num_actions[player])]
            tremble = game.trembles[player]
            acting[player] = unit if tremble is None else tremble[intended]
            expected = F(0)
            for k, joint in enumerate(game.joint_actions):
                p = prod((acting[i][a] for i, a in enumerate(joint)), start=F(1))
                later = sum((c * worth[t] for t, c in game.branches[s][k]), F(0))
                expected += p * (game.rewards[player][s][k] + g * later)
            assert table[s][intended] == (1 - g) * expected


def dense_in_jets(R, game, moving, order):
    zero = R.Jet([F(0)] * (order + 1))
    size = game.num_states
    transition = [[zero] * size for _ in range(size)]
    rewards = [[zero] * size for _ in range(game.num_players)]
    for s in range(size):
        acting = [R.row_in(game, own, i, s, add=zero) for i, own in enumerate(moving)]
        for k, joint in enumerate(game.joint_actions):
            p = prod((acting[i][a] for i, a in enumerate(joint)), start=zero + 1)
            for t, chance in game.branches[s][k]:
                transition[s][t] = transition[s][t] + p * chance
            for i in range(game.num_players):
                rewards[i][s] = rewards[i][s] + p * game.rewards[i][s][k]
    return transition, rewards


@settings(max_examples=150)
@given(seed=st.integers(0, 10**9))
def test_random_games_of_every_kind_equal_dense_elimination(random_games, seed):
    game = random_games.random_game(seed)
    check_game(random_games, game, random_games.random_policies(game, seed), seed)


@pytest.mark.slow
@settings(max_examples=4000)
@given(seed=st.integers(0, 10**9))
def test_thousands_of_random_games_equal_dense_elimination(random_games, seed):
    game = random_games.random_game(seed)
    check_game(random_games, game, random_games.random_policies(game, seed), seed)


KINDS_OF_GAMES = (
    "memory 1",
    "memory 0",
    "2 x 3",
    "three players",
    "one-sided memory",
    "reactive",
    "own and labels",
    "no start",
    "noise",
    "public signals",
    "controllers",
    "stochastic",
)


@pytest.mark.parametrize("kind_of_game", KINDS_OF_GAMES)
@pytest.mark.parametrize("zeros", [0.0, 0.5, 1.0])
def test_games_of_the_library_equal_dense_elimination(random_games, games, kind_of_game, zeros):
    game = games[kind_of_game]
    check_game(random_games, game, random_games.random_policies(game, 3, zeros), 2)


@pytest.mark.parametrize("kind_of_game", [*KINDS_OF_GAMES, "memory 2"])
def test_values_are_the_sum_over_every_path_of_play(random_games, games, kind_of_game):
    """Observations, intentions and trembles one by one; what is cut off is g^rounds max|r| at most."""
    game, g, rounds = games[kind_of_game], F(1, 50), 2
    game = with_discount(random_games, game, g)
    policies = random_games.random_policies(game, 11, 0.3)
    partial = random_games.play(game, policies, rounds, g)
    largest = max(abs(r) for own in game.rewards for row in own for r in row)
    for value, known in zip(exact.values(game, policies), partial, strict=True):
        assert abs(value - known) <= g**rounds * largest


def with_discount(R, game, g):
    """The same game at another discount, as a bare table."""
    names = [field for field in R.Table.__dataclass_fields__ if field != "discounts"]
    content = {name: getattr(game, name) for name in names}
    content["initial"] = game.initial_distribution
    return R.Table(**content, discounts=(g,) * game.num_players)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**9))
def test_paths_of_random_games(random_games, seed):
    R = random_games
    game = with_discount(R, R.random_game(seed, max_players=2, max_states=3), F(1, 100))
    policies = R.random_policies(game, seed)
    partial = R.play(game, policies, 2, F(1, 100))
    largest = max(abs(r) for own in game.rewards for row in own for r in row)
    for value, known in zip(exact.values(game, policies), partial, strict=True):
        assert abs(value - known) <= largest / 10**4


def test_large_games_take_seconds():
    """Sizes that expansion and dense Fractions could not touch; checked by the value equation."""
    game = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).iterated("24/25", 4)
    assert game.num_states == 341
    policies = random_policies(game)
    values = exact.values(game, policies)
    for i in range(2):
        q = exact.q_values(game, policies, i)
        assert sum(p * x for p, x in zip(policies[i][0], q[0], strict=True)) == values[i]
    occupancy = exact.occupancy(game, policies)
    assert sum(occupancy) == 1
    assert occupancy[0] == F(1, 25)


def test_symbols_must_be_replaced_first():
    x = sympy.Symbol("x")
    game = NormalForm([[[x, 0], [5, 1]], [[3, 5], [0, 1]]]).iterated("1/2")
    with pytest.raises(ValueError, match=r"game: expected numbers only, got the symbols x"):
        exact.values(game, random_policies(game))


def test_states_that_are_not_reached_play_no_part(random_games):
    """An absorbing start: whatever the policies elsewhere, only one state is solved for."""
    game = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).iterated("1/2", initial=[1, 0, 0, 0])
    always = tuple(((F(1), F(0)),) + ((F(1, 3), F(2, 3)),) * 3 for _ in range(2))
    assert exact.values(game, always) == (3, 3)
    assert exact.occupancy(game, always) == (1, 0, 0, 0)
