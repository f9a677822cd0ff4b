"""The chain of a joint policy in every arithmetic, against sums over joint actions in Fractions."""

from fractions import Fraction
from time import perf_counter

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.analytic.chain import chain_of, fraction, is_zero, rational, transitions
from resolvent.games import NormalForm, tit_for_tat

F = Fraction


def dense(chain, number=fraction):
    rows = [[F(0)] * chain.num_states for _ in chain.moves]
    for s, row in enumerate(chain.moves):
        for t, p in row.items():
            rows[s][t] = number(p)
    return rows


@settings(max_examples=200)
@given(seed=st.integers(0, 10**9))
def test_chain_equals_sums_over_joint_actions(random_games, seed):
    game = random_games.random_game(seed)
    policies = random_games.random_policies(game, seed)
    transition, rewards = random_games.dense_chain(game, policies)
    chain = chain_of(game, policies)
    assert dense(chain) == transition
    assert [list(map(fraction, own)) for own in chain.rewards] == rewards
    assert tuple(map(fraction, chain.initial)) == game.initial
    assert tuple(map(fraction, chain.discounts)) == game.discounts
    assert all(p != 0 for row in chain.moves for p in row.values())
    assert chain.states == game.states
    assert chain.moves == transitions(game, policies)


@pytest.mark.parametrize(
    "kind", ["reactive", "noise", "public signals", "controllers", "stochastic", "one-sided memory"]
)
def test_chain_of_library_games(random_games, kind):
    game = random_games.library_games()[kind]
    policies = random_games.random_policies(game, 5, 0.3)
    transition, rewards = random_games.dense_chain(game, policies)
    chain = chain_of(game, policies)
    assert dense(chain) == transition
    assert [list(map(fraction, own)) for own in chain.rewards] == rewards


def test_a_chain_by_hand():
    """Tit for tat against one that defects with probability 1/3, whose hand trembles by 1/10."""
    stage = NormalForm.symmetric([[3, 0], [5, 1]], ["C", "D"])
    game = stage.iterated("1/2", implementation_noise=[0, "1/10"])
    other = tuple((F(2, 3), F(1, 3)) for _ in game.states)
    chain = chain_of(game, (tit_for_tat(game, 0), other))
    cooperates = F(2, 3) * F(9, 10) + F(1, 3) * F(1, 10)
    assert dense(chain)[game.states.index("CD")] == [0, 0, 0, cooperates, 1 - cooperates]
    assert fraction(chain.rewards[0][0]) == 3 * cooperates
    assert fraction(chain.rewards[1][0]) == 3 * cooperates + 5 * (1 - cooperates)


def test_other_arithmetics(random_games):
    """Floats, balls and polynomials are the same chain."""
    for seed in range(30):
        game = random_games.random_game(seed)
        policies = random_games.random_policies(game, seed)
        transition, rewards = random_games.dense_chain(game, policies)
        floats = chain_of(game, policies, float)
        for row, expected in zip(dense(floats, F), transition, strict=True):
            assert [float(p) for p in row] == pytest.approx([float(p) for p in expected], abs=1e-15)
        with flint.ctx.workprec(100):
            balls = chain_of(game, policies, lambda x: flint.arb(rational(x)))
            for own, expected in zip(balls.rewards, rewards, strict=True):
                assert all(random_games.holds(b, r) for b, r in zip(own, expected, strict=True))
        move = random_games.random_direction(game, seed)
        lines = [
            [
                [flint.fmpq_poly([rational(p), rational(u)]) for p, u in zip(*rows, strict=True)]
                for rows in zip(*own, strict=True)
            ]
            for own in zip(policies, move, strict=True)
        ]
        polynomials = chain_of(game, lines, lambda x: flint.fmpq_poly([rational(x)]))
        moved = [
            [
                [p + F(2, 7) * u for p, u in zip(*rows, strict=True)]
                for rows in zip(*own, strict=True)
            ]
            for own in zip(policies, move, strict=True)
        ]
        expected, _ = random_games.dense_chain(game, moved)
        assert dense(polynomials, lambda p: fraction(p(rational(F(2, 7))))) == expected


def test_a_ball_around_zero_is_a_move():
    game = NormalForm([[[1, 2]], [[3, 4]]]).iterated("1/2")
    zero = flint.arb(0, 1e-9)
    policies = [[[F(1)]] * 3, [[flint.arb(1, 1e-9), zero]] * 3]
    chain = chain_of(game, policies, lambda x: flint.arb(rational(x)))
    assert all(set(row) == {1, 2} for row in chain.moves)
    assert not is_zero(zero)
    assert is_zero(flint.arb(0))


def test_reachable_and_restricted():
    game = NormalForm([[[1, 2]], [[3, 4]]]).iterated("1/2")
    first = (((F(1),),) * 3, ((F(1), F(0)),) * 3)
    chain = chain_of(game, first)
    assert chain.reachable() == (0, 1)
    inner = chain.restricted((0, 1))
    assert inner.states == game.states[:2]
    assert inner.moves == ({1: 1}, {1: 1})
    assert inner.rewards == ((1, 1), (3, 3))


def test_symbols_are_refused():
    g = sympy.Symbol("g")
    game = NormalForm([[[1, 2]], [[3, 4]]]).iterated(g)
    first = (((F(1),),) * 3, ((F(1), F(0)),) * 3)
    for function in (chain_of, transitions):
        with pytest.raises(ValueError, match="expected numbers only, got the symbols g"):
            function(game, first)


def test_large_chains_are_quick(random_games):
    """257 states with 256 joint actions each, all possible; the limit leaves room for slow machines."""
    payoffs = [
        [
            [[[F(i + a - b * c + d) for d in range(4)] for c in range(4)] for b in range(4)]
            for a in range(4)
        ]
        for i in range(4)
    ]
    game = NormalForm(payoffs).iterated("24/25")
    policies = random_games.random_policies(game, 1, 0.0)
    assert game.branches  # made once, and not counted
    begun = perf_counter()
    chain = chain_of(game, policies)
    assert perf_counter() - begun < 5
    assert all(sum(row.values()) == 1 for row in chain.moves)
