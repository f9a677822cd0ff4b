"""Pure equilibria at every discount: against the lists of the data file and enumeration at one discount."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
import sympy

from resolvent import games
from resolvent.analytic.number_field import between
from resolvent.numeric import pure_equilibria, pure_equilibrium_payoffs, regret
from resolvent.numeric.equilibrium.pure import evaluate, pure_policies

F = Fraction
CASES = [
    pytest.param(case, id=case["id"][20:])
    for case in json.loads(
        (Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text()
    )["cases"]
    if case["id"].startswith("memory_one_pure_SPE")
]


def dilemma(t, r, p, s, initial=(1, 0, 0, 0)):
    return games.prisoners_dilemma(t, r, p, s).iterated("1/2", initial=initial)


def own_view(names):
    first, second = names
    return f"{first}|{second[0]}{second[2]}{second[1]}{second[3]}"


@pytest.mark.parametrize("case", CASES)
def test_known_lists_at_all_their_discounts(case):
    found = pure_equilibrium_payoffs(dilemma(*case["data"]["T,R,P,S"]))
    for discount, listed in case["expected"]["by_delta"].items():
        at = found.at(discount)
        assert sorted(own_view(own.names) for own in at) == sorted(listed["profiles"])
        for own in at:
            game = games.prisoners_dilemma(*case["data"]["T,R,P,S"]).iterated(
                discount, initial=(1, 0, 0, 0)
            )
            worth = evaluate(game, own.profile)
            assert own.payoffs(discount) == (worth[0][0], worth[1][0])


def test_thresholds_of_the_dilemma():
    # GRIM from (T-R)/(T-P) on; knife edges where (P-S)/(T-P) or (T-R)/(R-S) meet.
    found = pure_equilibrium_payoffs(games.prisoners_dilemma(5, 3, 1, 0).iterated("9/10"))
    assert [root.rational for root in found.thresholds] == [F(1, 4), F(1, 2)]
    assert found.payoffs("1/10") == ((1, 1),)
    assert found.payoffs("1/2") == ((1, 1), (3, 3))
    assert found.payoffs("2/5") == ((1, 1),)
    donation = pure_equilibrium_payoffs(games.prisoners_dilemma(3, 2, 0, -1).iterated("9/10"))
    pavlov = [own for own in donation.families if own.names == ("CCDDC", "CCDDC")]
    ((low, high),) = pavlov[0].discounts  # (T-R)/(R-P) = 1/2
    assert low.rational == F(1, 2)
    assert float(high) == 1


def study_random(seed, count, subgame_perfect):
    """Random games, at every threshold and between them, against enumeration in rationals."""
    rng = Random(seed)
    compared = 0
    for k in range(count):
        tables = [[[rng.randint(-3, 3) for _ in range(2)] for _ in range(2)] for _ in range(2)]
        stage = games.NormalForm(tables)
        initial = None if k % 5 == 4 else (F(1, 2), F(1, 4), F(1, 4), 0)
        found = pure_equilibrium_payoffs(stage.iterated(0, initial=initial), subgame_perfect)
        for piece in found.pieces:
            g = piece.low.rational if piece.low == piece.high else between(piece.low, piece.high)
            if g is None:
                continue
            game = stage.iterated(g, initial=initial)
            there = pure_equilibria(game, subgame_perfect, limit=2_000)
            assert sorted(own.profile for own in piece.families) == sorted(there.profiles)
            assert piece.families == found.at(g)
            for own in piece.families[:3]:
                values = regret(game, pure_policies(game, own.profile)).values
                start = game.initial_distribution
                for i, paid in enumerate(own.payoffs(g)):
                    assert paid == sum(p * v for p, v in zip(start, values[i], strict=True))
            compared += 1
    return compared


def test_random_games_at_and_between_all_thresholds():
    assert study_random(1, 2, subgame_perfect=True) > 4
    assert study_random(2, 1, subgame_perfect=False) > 1


@pytest.mark.slow
def test_two_hundred_random_games():
    assert study_random(3, 200, subgame_perfect=True) > 400
    assert study_random(4, 25, subgame_perfect=False) > 50


def test_an_irrational_threshold_is_algebraic():
    # Stay for 3 a round, or leave for 5, 1, and then 0 for ever: staying is right where
    # 3 >= (1 - g) (5 + g), that is from g = sqrt(6) - 2 on.
    game = games.StochasticGame(
        [[[[3], [5]], [[1], [1]], [[0], [0]]], [[[0], [0]]] * 3],
        [[[[1, 0, 0]], [[0, 1, 0]]], [[[0, 0, 1]]] * 2, [[[0, 0, 1]]] * 2],
        "1/2",
    )
    for subgame_perfect in (True, False):
        found = pure_equilibrium_payoffs(game, subgame_perfect)
        (root,) = found.thresholds
        assert root.expr == sympy.sqrt(6) - 2
        assert found.payoffs("1/2") == ((3, 0),)
        assert found.payoffs("2/5") == ((F(3, 5) * (5 + F(2, 5)), 0),)
        assert len(found.pieces) == 4  # 0, up to it, itself, and above
        assert len(found.pieces[2].families) == len(
            found.pieces[1].families + found.pieces[3].families
        )
        assert str(root) in str(found)


def test_three_players_and_a_matrix_game():
    one_shot = pure_equilibrium_payoffs(games.stag_hunt())
    assert len(one_shot.families) == len(pure_equilibria(games.stag_hunt()))
    assert not one_shot.thresholds
    three = games.public_goods(3).iterated("1/2", memory=0)
    assert [own.names for own in pure_equilibrium_payoffs(three).families] == [("D", "D", "D")]


def test_it_prints_and_draws():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = pure_equilibrium_payoffs(dilemma(5, 3, 1, 0))
    assert "thresholds: 1/4, 1/2" in str(found)
    assert "CDDD | CDDD: g in [1/2, 1)" in str(found)
    assert "g = 1/4" in str(found)
    assert repr(found) == "PureEquilibriumPayoffs(prisoner's dilemma, 5 of 256 profiles)"
    assert found.plot(1).get_xlabel() == "discount"
    pyplot.close("all")


def test_bad_games():
    noisy = games.prisoners_dilemma().iterated("1/2", implementation_noise="1/10")
    with pytest.raises(ValueError, match="chance moves or trembling hands"):
        pure_equilibrium_payoffs(noisy)
    with pytest.raises(ValueError, match="at most 100,000 profiles"):
        pure_equilibrium_payoffs(games.rock_paper_scissors().iterated("1/2"))
    found = pure_equilibrium_payoffs(dilemma(5, 3, 1, 0))
    with pytest.raises(ValueError, match=r"a number in \[0, 1\)"):
        found.at(1)
