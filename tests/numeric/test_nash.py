"""The front door: what each method answers, and what is refused."""

import json
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from resolvent.games import NormalForm, prisoners_dilemma, public_goods, stag_hunt
from resolvent.numeric.equilibrium.linear import linear_trace
from resolvent.numeric.equilibrium.solve import nash, traced_equilibria

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
    )["cases"]
}


def three_players(key):
    flat = np.array(
        CASES[key]["data"]["payoffs_nfg_order"]
    )  # the first player's action varies fastest
    return NormalForm([flat[:, i].reshape(2, 2, 2).transpose(2, 1, 0) for i in range(3)])


def test_matrix_games_of_two_players():
    game = stag_hunt()
    one = nash(game)
    assert one.exact
    assert one.regret.nash == 0
    assert one.policies == linear_trace(game).policies
    everything = nash(game, all=True)
    assert everything.complete
    assert len(everything) == 3
    for method in ("vertices", "supports", "lemke_howson", "linear"):
        found = nash(game, method, all=True)
        assert {own.policies for own in found} <= {own.policies for own in everything}
        assert all(own.found for own in found)
    assert nash(game, "lemke_howson", label=1).found
    assert len(nash(game, "pure", all=True)) == 2


def test_three_players_by_many_priors():
    game = three_players("mckelvey_mclennan_2x2x2")
    found = nash(game, all=True)
    known = np.array(CASES["mckelvey_mclennan_2x2x2"]["expected"]["decimal"], dtype=float)
    assert not found.complete
    assert found.lost == 0
    firsts = [np.array([float(own[0][0]) for own in each.policies]) for each in found]
    assert len(firsts) >= 4  # the pure ones hold from priors on them
    assert all(abs(known - own).max(axis=1).min() < 1e-9 for own in firsts)
    assert all(each.regret.nash <= 1e-12 for each in found)


def test_the_game_with_an_irrational_equilibrium():
    found = nash(three_players("nau2004_sec4_irrational"), "linear")
    assert found.found
    assert found.regret.nash <= 1e-12


def test_iterated_games():
    game = prisoners_dilemma().iterated("9/10")
    one = nash(game)
    assert all(row == (0, 1) for own in one.policies for row in own)
    pure = nash(game, "pure", all=True)
    assert not pure.complete
    assert one.policies in [own.policies for own in pure]
    assert all(own.regret.subgame_perfect == 0 for own in pure)


def test_iterated_games_by_many_priors():
    game = prisoners_dilemma().iterated("9/10")
    found = nash(game, all=True, priors=["uniform", "grim", "win_stay_lose_shift"])
    policies = [np.array(own.policies[0])[:, 0] for own in found]
    assert found.lost == 0
    assert len(found) == 2  # always defect, from the first and last prior, and grim
    for want in ([0, 0, 0, 0, 0], [1, 1, 0, 0, 0]):
        assert min(abs(own - want).max() for own in policies) < 1e-9


def test_random_priors_are_drawn_by_a_key():
    game = stag_hunt()
    found = traced_equilibria(game, priors=[], key=jax.random.key(0), starts=8)
    again = traced_equilibria(game, priors=[], key=jax.random.key(0), starts=8)
    assert found.method == "tracing from 8 priors"
    assert [own.policies for own in found] == [own.policies for own in again]
    fixed = traced_equilibria(game, priors=["uniform"], trace=partial(linear_trace))
    assert len(fixed) == 1
    assert "there may be others" in str(fixed)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r'method: expected one of "auto", "linear"'):
        nash(stag_hunt(), "guess")
    with pytest.raises(ValueError, match='"vertices".*with all=True'):
        nash(stag_hunt(), "guess", all=True)
    with pytest.raises(ValueError, match="expected two players, got 3"):
        nash(public_goods(3), "vertices", all=True)
    with pytest.raises(TypeError, match="expected a NormalForm"):
        nash([[1]])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no pure stationary equilibrium"):
        nash(NormalForm(([[1, -1], [-1, 1]], [[-1, 1], [1, -1]])), "pure")
    with pytest.raises(ValueError, match="priors: expected at least one"):
        traced_equilibria(prisoners_dilemma().iterated("1/2"), priors=[])
