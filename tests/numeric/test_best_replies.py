"""Best-reply graphs: sink sizes of the data file, hand-made graphs, and pure equilibria by other code."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from resolvent import games
from resolvent.numeric import best_reply_graph, pure_equilibria

SIZES = next(
    case
    for case in json.loads(
        (Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text()
    )["cases"]
    if case["id"] == "sink_components"
)["expected"]["sizes_of_sink_SCCs"]


def dilemma(t, r, p, s, discount):
    stage = games.NormalForm([[[r, s], [t, p]], [[r, t], [s, p]]], actions=["C", "D"])
    return stage.iterated(discount, initial=[1, 0, 0, 0])


GAMES: dict[str, Any] = {
    "matching_pennies": games.matching_pennies(),
    "rps": games.rock_paper_scissors(),
    "stag_hunt": games.stag_hunt(),
    "pd": games.prisoners_dilemma(),
    "shapley_1964": games.NormalForm(
        [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]]
    ),
    "memory_one_PD_5_3_1_0_delta_1/4_start_CC": dilemma(5, 3, 1, 0, "1/4"),
    "memory_one_PD_5_3_1_0_delta_9/10_start_CC": dilemma(5, 3, 1, 0, "9/10"),
    "memory_one_donation_b3_c1_delta_1/4_start_CC": dilemma(3, 2, 0, -1, "1/4"),
    "memory_one_donation_b3_c1_delta_9/10_start_CC": dilemma(3, 2, 0, -1, "9/10"),
}


def test_every_listed_game_is_here():
    assert set(SIZES) == set(GAMES)


@pytest.mark.parametrize("kind", ["best", "better"])
@pytest.mark.parametrize("name", GAMES)
def test_sink_sizes(name, kind):
    found = best_reply_graph(GAMES[name], kind)
    assert [len(own) for own in found.sinks] == SIZES[name][kind]
    if "pure_nash_profiles" in SIZES[name]:
        assert len(found.equilibria) == SIZES[name]["pure_nash_profiles"]
        assert found.over == "policies"


def test_arrows_by_hand():
    """Matching pennies goes round, one way; the mismatching player moves."""
    found = best_reply_graph(games.matching_pennies())
    edges = {(a, b): (d["player"], d["gain"]) for a, b, d in found.graph.edges(data=True)}
    assert edges == {
        ((0, 0), (0, 1)): (1, 2),
        ((0, 1), (1, 1)): (0, 2),
        ((1, 1), (1, 0)): (1, 2),
        ((1, 0), (0, 0)): (0, 2),
    }
    (cycle,) = found.cycles()
    assert len(cycle) == 4
    assert found.cyclic_components == (frozenset(found.graph),)
    assert found.equilibria == ()


def test_best_replies_are_fewer_than_better_ones():
    game = games.NormalForm([[[0], [1], [2], [2]], [[0], [0], [0], [0]]])
    better = best_reply_graph(game, "better").graph.edges
    best = best_reply_graph(game, "best").graph.edges
    replies = {((a, 0), (b, 0)) for a in range(4) for b in (2, 3) if a < 2}
    assert set(best) == replies
    assert set(better) == replies | {((0, 0), (1, 0))}


@pytest.mark.parametrize("discount", ["1/4", "2/3"])
def test_equilibria_are_those_of_the_enumeration(discount):
    game = dilemma(5, 3, 1, 0, discount)
    found = best_reply_graph(game)
    listed = pure_equilibria(game, subgame_perfect=False)
    assert {found.name(node) for node in found.equilibria} == {
        "|".join(listed.names(k)) for k in range(len(listed))
    }


def test_actions_of_the_stage_game_and_three_players():
    game = games.n_player_prisoners_dilemma(3).iterated("1/2")
    found = best_reply_graph(game, over="actions")
    assert len(found.graph) == 8
    assert found.equilibria == ((1, 1, 1),)
    values = found.graph.nodes[0, 0, 0]["values"]
    assert all(isinstance(value, Fraction) for value in values)


def test_prints_and_plots():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")
    for name in ("rps", "memory_one_PD_5_3_1_0_delta_9/10_start_CC"):
        found = best_reply_graph(GAMES[name])
        assert found.plot().get_title().startswith("best replies")
        pyplot.close("all")
    assert "8 of size 1" in str(found)
    found = best_reply_graph(games.n_player_prisoners_dilemma(3))
    found.plot()
    pyplot.close("all")
    assert "sinks: 1 of size 1" in str(found)


def test_refusals():
    with pytest.raises(ValueError, match='kind: expected "best" or "better"'):
        best_reply_graph(games.stag_hunt(), "worse")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="over: expected"):
        best_reply_graph(games.stag_hunt(), over="plans")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match='expected "policies" for a stochastic game'):
        best_reply_graph(
            GAMES["memory_one_PD_5_3_1_0_delta_1/4_start_CC"].as_stochastic(), over="actions"
        )
    with pytest.raises(ValueError, match="at most 300,000 profiles"):
        best_reply_graph(games.rock_paper_scissors().iterated("1/2", initial="uniform"))
