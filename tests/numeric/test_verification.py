"""Regret and equilibrium tests: against brute force, closed-form thresholds, and floats against rationals."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import sympy

from resolvent import analytic, games
from resolvent.analytic import exact
from resolvent.numeric import is_nash, regret
from resolvent.numeric.equilibrium.arrays import check_profile, game_arrays
from resolvent.numeric.equilibrium.verification import deviations, one_shot_regret

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text()
    )["cases"]
}
BIMATRIX = [name for name, case in CASES.items() if case["kind"] == "bimatrix"]
THREE = [name for name, case in CASES.items() if case["kind"] == "three_player_2x2x2"]
F = Fraction


def dilemma(t, r, p, s, discount, initial=(1, 0, 0, 0), **options):
    """The iterated dilemma; without a start unless told otherwise."""
    stage = games.NormalForm([[[r, s], [t, p]], [[r, t], [s, p]]], actions=["C", "D"])
    return stage.iterated(discount, initial=initial, **options)


def mirrored(game, *after):
    """The same memory-one strategy for both players, own view; all actions from the start are as
    after CC."""
    return [games.memory_one(game, player, after[0], *after) for player in range(2)]


def floats(policies):
    return [np.array(own, dtype=float) for own in policies]


def random_policies(game, rng, denominator=7):
    """Random fractions with some zeros."""
    policies = []
    for rows, actions in game.policy_shapes:
        weights = rng.integers(0, denominator, (rows, actions))
        weights[:, 0] += weights.sum(axis=1) == 0
        policies.append([[F(int(w), int(row.sum())) for w in row] for row in weights])
    return policies


@pytest.mark.parametrize("name", BIMATRIX)
def test_known_bimatrix_equilibria_have_no_regret(name):
    case = CASES[name]
    game = games.NormalForm([case["data"]["A"], case["data"]["B"]])
    for profile in case["expected"]["extreme_equilibria"]:
        assert regret(game, profile).nash == 0
        assert is_nash(game, profile)
        assert is_nash(game, [[float(F(p)) for p in own] for own in profile])


@pytest.mark.parametrize("name", THREE)
def test_known_three_player_equilibria(name):
    case = CASES[name]
    payoffs = np.array(case["data"]["payoffs_nfg_order"]).reshape(2, 2, 2, 3).transpose(3, 2, 1, 0)
    game = games.NormalForm(payoffs.tolist())
    for chances in case["expected"]["decimal"]:
        profile = [[float(p), 1 - float(p)] for p in chances]
        found = regret(game, profile)
        assert not found.exact
        assert found.nash < 1e-14
    assert not is_nash(game, [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])


@pytest.mark.parametrize("seed", range(4))
def test_gains_are_those_over_all_pure_policies(seed):
    """Brute force over the 16 pure replies, each valued by the exact closed-form evaluation."""
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-5, 6, (2, 2, 2)).tolist()
    stage = games.NormalForm(payoffs)
    game = stage.iterated(["2/3", "4/5"][seed % 2], initial="uniform")
    policies = random_policies(game, rng)
    found = regret(game, policies)
    assert found.exact
    for player in range(2):
        best = max(
            exact.values(
                game,
                [
                    [[F(a == 0), F(a == 1)] for a in reply] if k == player else own
                    for k, own in enumerate(policies)
                ],
            )[player]
            for reply in product(range(2), repeat=4)
        )
        value = exact.values(game, policies)[player]
        assert found.values[player].sum() / 4 == value
        # Uniform starts: some reply is best in all states at once, and so for the average.
        assert found.from_start[player] == best - value
        assert sum(found.gains[player]) / 4 == best - value


@pytest.mark.parametrize("seed", range(3))
def test_one_shot_regret_is_that_of_q_values(seed):
    rng = np.random.default_rng(seed)
    game = dilemma(5, 3, 1, 0, "9/10", initial="uniform")
    policies = random_policies(game, rng)
    found = regret(game, policies)
    for player in range(2):
        table = exact.q_values(game, games.check_policies(game, policies, exact=True), player)
        for state, row in enumerate(table):
            assert found.one_shot[player][state] == max(row) - found.values[player][state]
    # A gain for good is at least the one in one action, and at most that over 1 - g.
    assert (found.gains >= found.one_shot).all()
    assert (found.gains <= found.one_shot.max(axis=1, keepdims=True) * 10).all()


def hand_made():
    """Three states, chance moves, three and two actions, different discounts."""
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 6, (3, 3, 2, 3))
    moves = [
        [[[F(int(w), int(cell.sum())) for w in cell] for cell in b] for b in a] for a in weights
    ]
    payoffs = rng.integers(-9, 10, (2, 3, 3, 2)).tolist()
    return games.StochasticGame(payoffs, moves, ["1/2", "9/10"], ["1/2", "1/2", 0])


GAMES = {
    "dilemma": lambda: dilemma(5, 3, 1, 0, "24/25", None),
    "trembling": lambda: dilemma(5, 3, 1, 0, "9/10", None, implementation_noise="1/20"),
    "stochastic": hand_made,
    "three players": lambda: games.n_player_prisoners_dilemma(3).iterated("3/4"),
    "rock paper scissors": lambda: games.rock_paper_scissors().iterated("1/3"),
}


@pytest.mark.parametrize("name", GAMES)
def test_floats_agree_with_rationals(name):
    game = GAMES[name]()
    policies = random_policies(game, np.random.default_rng(1))
    exactly, roughly = regret(game, policies), regret(game, floats(policies))
    assert exactly.exact
    assert not roughly.exact
    for field in ("values", "one_shot", "gains", "from_start", "ranges"):
        np.testing.assert_allclose(
            getattr(roughly, field), getattr(exactly, field).astype(float), atol=1e-12
        )
    assert exactly.gains.max() > 0


def test_deviations_map_over_policies_and_agree_with_the_other_best_response():
    """`numeric.best_response` works on compiled closed forms, by other code."""
    from resolvent.numeric import best_response

    game = dilemma(5, 3, 1, 0, "9/10", None)
    rng = np.random.default_rng(2)
    batch = [floats(random_policies(game, rng)) for _ in range(5)]
    stacked = tuple(np.stack(own) for own in zip(*batch, strict=True))
    arrays = game_arrays(game)
    found = jax.vmap(deviations, (None, 0))(arrays, stacked)
    one_shot = jax.vmap(one_shot_regret, (None, 0))(arrays, stacked)
    np.testing.assert_allclose(one_shot, found.one_shot, atol=1e-15)
    values = analytic.closed_form(game).compile("policies")
    for k, policies in enumerate(batch):
        for player in range(2):
            # Parameters of two actions are the probabilities of the first.
            params = tuple(own[:, :1] for own in policies)
            reply = best_response(values, params, player)
            assert abs(float(reply.regret) / 5 - float(found.from_start[k, player])) < 1e-12


# Theorems of memory-one strategies ------------------------------------------------------------

PAYOFFS = [(5, 3, 1, 0), (4, 3, 1, 0), (3, 2, 0, -1), (0, -1, -2, -3), (10, 6, 2, 1)]


@pytest.mark.parametrize("payoffs", PAYOFFS, ids=str)
def test_thresholds_of_pure_strategies(payoffs):
    """ALLD always; GRIM from (T-R)/(T-P), WSLS from (T-R)/(R-P), TFT at one discount only."""
    t, r, p, s = map(F, payoffs)
    thresholds = [(t - r) / (t - p), (t - r) / (r - p), (t - r) / (r - s), (p - s) / (t - p)]
    near = [x + step for x in thresholds for step in (F(-1, 1000), F(0), F(1, 1000))]
    for g in sorted({F(1, 20), F(1, 3), F(9, 10), *(x for x in near if 0 < x < 1)}):
        game = dilemma(t, r, p, s, g)

        def perfect(*after, game=game):
            return is_nash(game, mirrored(game, *after), subgame_perfect=True)

        assert perfect(0, 0, 0, 0)
        assert perfect(1, 0, 0, 0) == (g >= (t - r) / (t - p))
        assert perfect(1, 0, 0, 1) == (g >= (t - r) / (r - p))
        assert perfect(1, 0, 1, 0) == (g == (t - r) / (r - s) == (p - s) / (t - p))
        nash = is_nash(game, mirrored(game, 1, 0, 1, 0))
        assert nash == (g >= max((t - r) / (r - s), (t - r) / (t - p)))


def test_tit_for_tat_is_perfect_at_its_knife_edge():
    """T-R = P-S: the donation game, where both thresholds are c/b."""
    game = dilemma(3, 2, 0, -1, F(1, 3))
    assert is_nash(game, mirrored(game, 1, 0, 1, 0), subgame_perfect=True)


@pytest.mark.parametrize("seed", range(3))
def test_partner_and_defector_conditions(seed):
    """The discounted conditions of Akin's partners and of defectors, each exactly (see the data file)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(30):
        t, r, p, s = sorted(map(int, rng.choice(np.arange(-3, 12), 4, replace=False)), reverse=True)
        g = F(int(rng.integers(1, 20)), 20)
        cc, cd, dc, dd = (F(int(k), 6) for k in rng.integers(0, 7, 4))
        game = dilemma(t, r, p, s, g)
        partner = (t - r) * (1 - g * (1 - dc)) <= g * (1 - cd) * (r - s) and (t - r) * (
            1 - g * (1 - dd)
        ) <= g * (1 - cd) * (r - p)
        assert is_nash(game, mirrored(game, 1, cd, dc, dd)) == partner
        game = dilemma(t, r, p, s, g, (0, 0, 0, 1))
        defector = g * dc * (t - p) <= (p - s) * (1 - g * cd) and g * dc * (r - p) <= (p - s) * (
            1 - g * cc
        )
        assert is_nash(game, mirrored(game, cc, cd, dc, 0)) == defector
        found += [partner, defector]
    assert 5 < sum(found) < 55  # both answers occur


def test_pairs_of_equalizers_are_equilibria_in_every_state():
    case = CASES["discounted_equalizer_pairs"]["data"]
    t, r, p, s = case["T,R,P,S"]
    game = dilemma(t, r, p, s, case["delta"])
    policies = [
        games.memory_one(game, player, own[0], *own)
        for player, own in enumerate((case["p"], case["q"]))
    ]
    found = regret(game, policies)
    assert found.subgame_perfect == 0
    assert found.largest_one_shot == 0
    off = [games.memory_one(game, 0, 1, "8/9", "4/9", "4/9", "3/9"), policies[1]]
    assert regret(game, off).subgame_perfect > 0


def test_big_match():
    """Blackwell and Ferguson 1968: both absorbing on the first row; value 1/2 at every discount."""
    for patience in (F(1, 10), F(1, 2), F(9, 10)):
        absorbed = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        stay = absorbed[0]
        game = games.StochasticGame(
            [
                [[[1, 0], [0, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]],
                [[[-1, 0], [0, -1]], [[-1, -1], [-1, -1]], [[0, 0], [0, 0]]],
            ],
            [
                [[absorbed[1], absorbed[2]], [stay, stay]],
                [[absorbed[1]] * 2] * 2,
                [[absorbed[2]] * 2] * 2,
            ],
            patience,
            [1, 0, 0],
        )
        rest = 1 - patience
        top = rest / (1 + rest)
        any_row = [[F(1, 2)] * 2] * 2
        policies = [[[top, 1 - top], *any_row], [[F(1, 2)] * 2, *any_row]]
        found = regret(game, policies)
        assert found.subgame_perfect == 0
        assert found.values[0][0] == F(1, 2)
        worse = [[[top + F(1, 100), 1 - top - F(1, 100)], *any_row], policies[1]]
        assert regret(game, worse).nash > 0


# Nash from the start and in every state, tolerances, and refusals ------------------------------


def test_what_happens_off_the_path_matters_only_for_perfection():
    game = dilemma(5, 3, 1, 0, "9/10")
    policies = mirrored(game, 1, 0, 1, 0)  # tit for tat
    assert is_nash(game, policies)
    assert not is_nash(game, policies, subgame_perfect=True)
    found = regret(game, policies)
    assert found.nash == 0
    assert found.one_shot.max() > 0


def test_tolerance_is_a_share_of_the_payoff_range():
    for scale in (F(1, 10**6), 1, 10**6):
        stage = games.NormalForm([[[2 * scale], [3 * scale]], [[0], [0]]])
        policies = [[F(1, 2)] * 2, [1]]
        assert regret(stage, policies).nash == F(1, 2)
        assert is_nash(stage, policies, F(1, 2))
        assert not is_nash(stage, policies, F(49, 100))
    almost = [[1e-11, 1 - 1e-11], [1.0]]
    assert is_nash(stage, almost)
    assert not is_nash(stage, almost, 0)
    assert not is_nash(stage, [[F(1, 10**11), 1 - F(1, 10**11)], [1]])
    with pytest.raises(ValueError, match="tolerance: expected a share"):
        is_nash(stage, almost, -1)


def test_constant_payoffs_and_one_action():
    game = games.NormalForm([[[4, 4]], [[4, 4]]]).iterated("1/2")
    found = regret(game, games_uniform := [games.uniform(game, player) for player in range(2)])
    assert found.subgame_perfect == 0
    assert list(found.ranges) == [1, 1]
    assert regret(game, floats(games_uniform)).subgame_perfect == 0


def test_prints():
    game = dilemma(5, 3, 1, 0, "9/10")
    text = str(regret(game, mirrored(game, 1, 0, 1, 0)))
    # By hand: in DD it pays to cooperate for good, 9/10 of 3 instead of 1, of a range of 5.
    assert "player 1: from the start 0, from any state 17/50 (in DD)" in text
    assert "exact" in text


REFUSED: dict[str, Any] = {
    "symbols": (
        lambda: games.prisoners_dilemma().iterated(sympy.Symbol("delta")),
        ValueError,
        "symbols; use game.substitute",
    ),
    "blind": (
        lambda: games.prisoners_dilemma().iterated("1/2", observe="reactive"),
        ValueError,
        "player 1 does not see the state",
    ),
    "misread": (
        lambda: games.prisoners_dilemma().iterated("1/2", observation_noise="1/10"),
        ValueError,
        "player 1 does not see the state",
    ),
    "no game": (lambda: "chicken", TypeError, "expected a NormalForm"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("number", [F(1, 2), 0.5], ids=["exact", "floats"])
def test_games_that_cannot_be_verified(name, number):
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        regret(make(), [[[number] * 2] * 5] * 2)


def test_bad_policies():
    game = dilemma(5, 3, 1, 0, "1/2")
    with pytest.raises(ValueError, match="sum to exactly 1"):
        regret(game, [[[F(1, 2), F(1, 3)]] * 4] * 2)
    with pytest.raises(ValueError, match="rows that sum to one"):
        regret(game, [[[0.5, 0.4]] * 4] * 2)
    with pytest.raises(ValueError, match="shape"):
        regret(game, [[[0.5, 0.5]] * 5] * 2)
    with pytest.raises(ValueError, match="players"):
        regret(game, [[[0.5, 0.5]] * 4])
    with pytest.raises(ValueError, match="expected probabilities"):
        check_profile(game, [[[float("nan"), 1.0]] * 4] * 2)
