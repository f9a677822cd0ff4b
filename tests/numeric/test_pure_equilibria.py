"""Pure equilibria: against the lists of the data file, brute force over all profiles, and closed forms."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from resolvent import games
from resolvent.analytic import exact
from resolvent.numeric import pure_equilibria, regret
from resolvent.numeric.equilibrium.pure import evaluate, policy_table, pure_policies

F = Fraction
CASES = [
    case
    for case in json.loads(
        (Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text()
    )["cases"]
    if case["id"].startswith("memory_one_pure_SPE")
]
LISTS = [
    pytest.param(case["data"]["T,R,P,S"], discount, listed, id=f"{case['id'][20:]}-{discount}")
    for case in CASES
    for discount, listed in case["expected"]["by_delta"].items()
]


def dilemma(t, r, p, s, discount, initial=(1, 0, 0, 0)):
    stage = games.NormalForm([[[r, s], [t, p]], [[r, t], [s, p]]], actions=["C", "D"])
    return stage.iterated(discount, initial=initial)


def own_views(found):
    """`CDDD|CDDD`, each player's own actions first: of player 2, CD and DC change places."""
    names = (found.names(k) for k in range(len(found)))
    return sorted(f"{one}|{two[0]}{two[2]}{two[1]}{two[3]}" for one, two in names)


def test_the_data_file_has_its_lists():
    assert len(LISTS) == 24


@pytest.mark.parametrize(("payoffs", "discount", "listed"), LISTS)
def test_all_pure_memory_one_subgame_perfect_equilibria(payoffs, discount, listed):
    t, r, p, s = payoffs
    found = pure_equilibria(dilemma(t, r, p, s, discount))
    assert own_views(found) == sorted(listed["profiles"])
    assert len(found) == listed["count"]
    assert found.searched == 256


@pytest.mark.parametrize("discount", ["1/5", "1/2", "24/25"])
def test_a_start_adds_its_own_choice(discount):
    """With a start, what is done after each outcome is as without; at the start itself play is an
    equilibrium of what follows from there."""
    without = pure_equilibria(dilemma(5, 3, 1, 0, discount))
    found = pure_equilibria(dilemma(5, 3, 1, 0, discount, None))
    after = {tuple(own[1:] for own in profile) for profile in found.profiles}
    assert after == set(without.profiles)
    game = dilemma(5, 3, 1, 0, discount, None)
    for profile in product(without.profiles, product(range(2), repeat=2)):
        policies = [(first, *own) for own, first in zip(*profile, strict=True)]
        is_one = regret(game, pure_policies(game, policies)).subgame_perfect == 0
        assert is_one == (tuple(policies) in found.profiles)


def every_profile(game):
    policies = [list(product(range(count), repeat=game.num_states)) for count in game.num_actions]
    return product(*policies)


def chances():
    """Two states, chance moves, and ties."""
    return games.StochasticGame(
        [
            [[[1, 2, 0], [0, 2, 3]], [[4, 0, 1], [1, 1, 1]]],
            [[[2, 1, 1], [1, 0, 3]], [[0, 2, 2], [5, 1, 0]]],
        ],
        [
            [[["1/2", "1/2"], [1, 0], [0, 1]], [[1, 0], ["1/3", "2/3"], [0, 1]]],
            [[[0, 1], ["1/4", "3/4"], [1, 0]], [[1, 0], [1, 0], [0, 1]]],
        ],
        ["2/3", "1/2"],
        ["1/2", "1/2"],
    )


SMALL = {
    "dilemma at a knife edge": lambda: dilemma(5, 3, 1, 0, "1/4"),
    "two discounts": lambda: games.chicken().iterated(["1/2", "4/5"], initial="uniform"),
    "chance": chances,
    "three players": lambda: games.n_player_prisoners_dilemma(3),
    "trembling": lambda: games.stag_hunt().iterated(
        "4/5", initial="uniform", implementation_noise="1/10"
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_against_the_regret_of_every_profile(name):
    game = SMALL[name]()
    played = game.iterated(0, memory=0) if isinstance(game, games.NormalForm) else game
    perfect, nash = [], []
    for profile in every_profile(played):
        found = regret(played, pure_policies(played, profile))
        perfect += [profile] * (found.subgame_perfect == 0)
        nash += [profile] * (found.nash == 0)
    assert list(pure_equilibria(game).profiles) == perfect
    assert list(pure_equilibria(game, subgame_perfect=False).profiles) == nash
    assert nash


@pytest.mark.parametrize("seed", range(3))
def test_values_on_the_graph_are_those_of_the_linear_system(seed):
    rng = np.random.default_rng(seed)
    stage = games.NormalForm(rng.integers(-9, 10, (2, 3, 2)).tolist())
    game = stage.iterated(["2/7", "19/20"])
    for _ in range(20):
        profile = [tuple(map(int, rng.integers(0, k, game.num_states))) for k in (3, 2)]
        values = evaluate(game, profile)
        assert tuple(own[0] for own in values) == exact.values(game, pure_policies(game, profile))
        assert values == [list(own) for own in regret(game, pure_policies(game, profile)).values]


def test_a_cycle_by_hand():
    """TFT against its opposite goes round CC, CD, DD, DC: 3, 0, 1, 5 for player 1."""
    game = dilemma(5, 3, 1, 0, "1/2")
    # Player 1 repeats what player 2 did, player 2 does the opposite of what player 1 did.
    values = evaluate(game, [(0, 1, 0, 1), (1, 1, 0, 0)])
    cycle = [0, 1, 5, 3]  # from CC: CD, DD, DC, CC
    g = F(1, 2)
    total = sum(g**k * pay for k, pay in enumerate(cycle))
    assert values[0][0] == (1 - g) * total / (1 - g**4)


def test_table_of_policies():
    game = dilemma(5, 3, 1, 0, "1/2")
    table = policy_table(game)
    assert table.shape == (2, 16, 16)
    assert table[0, 0, 0] == 3  # always C
    assert table[0, 15, 15] == 1  # always D
    assert table[0, 15, 0] == 5
    assert table[1, 15, 0] == 0


def three_actions(discount):
    stage = games.NormalForm([[[3, 0, 0], [5, 1, 0], [0, 0, 2]], [[3, 5, 0], [0, 1, 0], [0, 0, 2]]])
    return stage.iterated(discount, initial="uniform")


@pytest.mark.slow
def test_three_actions_and_nine_states():
    """19,683 policies each, of which no table of pairs could be made."""
    game = three_actions("1/10")
    found = pure_equilibria(game)
    assert found.searched == 19683**2
    # So impatient, play in each state is one of the two strict equilibria of the stage game.
    assert all(
        set(map(tuple, np.array(own).T.tolist())) <= {(1, 1), (2, 2)} for own in found.profiles
    )
    assert len(found) == 2**9
    for record in (found[0], found[len(found) // 2], found[-1]):
        assert record.regret.subgame_perfect == 0


def test_too_much_is_refused_with_its_cost():
    with pytest.raises(ValueError, match=r"got 387,420,489, which would take about 38,742 s"):
        pure_equilibria(three_actions("1/2"), subgame_perfect=False)
    with pytest.raises(ValueError, match="at most 1,000 decision problems"):
        pure_equilibria(three_actions("1/2"), limit=1000)
    zero = games.NormalForm([[[0] * 2] * 2] * 2).iterated("1/2", initial="uniform")
    with pytest.raises(ValueError, match="large families"):
        pure_equilibria(zero, limit=255)
    assert len(pure_equilibria(zero)) == 256


def test_a_large_number_added_to_payoffs_changes_nothing():
    t, r, p, s = (10**15 + F(x, 10**6) for x in (5, 3, 1, 0))
    shifted = dilemma(t, r, p, s, "1/4")
    assert pure_equilibria(shifted).profiles == pure_equilibria(dilemma(5, 3, 1, 0, "1/4")).profiles


def test_records_and_prints():
    found = pure_equilibria(dilemma(5, 3, 1, 0, "9/10"))
    records = list(found)
    assert [own.found for own in records] == [True, True]
    assert all(own.pure and own.exact and own.certify().proved for own in records)
    assert records[0].values[0].tolist() == [3, 1, 1, 1]
    assert "CDDD | CDDD" in str(found)
    assert "2 pure stationary subgame-perfect equilibria" in str(found)
    empty = pure_equilibria(games.matching_pennies())
    assert len(empty) == 0
    assert "0 pure stationary" in str(empty)
