"""Strategies of the Axelrod library: its own answers are the reference, kept in a file and, where the library is
installed, asked again."""

import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from resolvent.games import (
    AXELROD_STRATEGIES,
    STEWART_PLOTKIN,
    NormalForm,
    axelrod_strategy,
    from_axelrod,
    grim,
    memory_one,
    own_view,
    prisoners_dilemma,
    rock_paper_scissors,
    tit_for_tat,
    to_axelrod,
    win_stay_lose_shift,
)

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "references" / "axelrod_strategies.json").read_text()
)["strategies"]
OUTCOMES = ("start", "CC", "CD", "DC", "DD")


@pytest.fixture(scope="module")
def game():
    return NormalForm.symmetric([[3, 0], [5, 1]], actions=("C", "D")).iterated("9/10")


def cooperation(game, policy, player):
    """Probabilities of cooperating in the start and after CC, CD, DC and DD, own action first."""
    return [row[0] for row in own_view(game, policy, player)]


# The catalogue against what the library does --------------------------------------------------


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("name", AXELROD_STRATEGIES)
def test_it_is_what_the_class_does(game, name, player):
    """After all histories that its own choices allow; after all others too, unless the entry says so."""
    own = cooperation(game, axelrod_strategy(game, player, name), player)
    asked = REFERENCE[name]["own"]
    for outcome, chance in zip(OUTCOMES, own, strict=True):
        assert [pytest.approx(float(chance), abs=1e-15)] == asked.get(outcome, [float(chance)])
    always = all(len(found) == 1 for found in REFERENCE[name]["any"].values())
    assert always != AXELROD_STRATEGIES[name].only_without_noise
    assert REFERENCE[name]["name"] == AXELROD_STRATEGIES[name].title


def test_nothing_of_the_library_is_missing():
    """All that say that they remember one round at most, and do."""
    left_out = set(REFERENCE) - set(AXELROD_STRATEGIES)
    assert left_out == {"RandomTitForTat"}
    counts = REFERENCE["RandomTitForTat"]
    assert counts["memory_depth"] == 1
    assert counts["own"]["CC"] == [0.5, 1.0]


def test_the_numbers_of_the_papers(game):
    """Press and Dyson (2012) print the extortioner with factor 3 as (11/13, 1/2, 7/26, 0); Stewart and Plotkin (2012)
    EXTORT-2 as (8/9, 1/2, 1/3, 0) and ZDGTFT-2 as (1, 1/8, 1, 1/4)."""
    for name, vector in (
        ("ZDExtort3", "11/13 1/2 7/26 0"),
        ("EXTORT-2", "8/9 1/2 1/3 0"),
        ("ZDGTFT-2", "1 1/8 1 1/4"),
    ):
        found = cooperation(game, axelrod_strategy(game, 0, name), 0)
        assert found == [1, *map(Fraction, vector.split())]


@pytest.mark.parametrize("player", [0, 1])
def test_it_agrees_with_our_own_names(game, player):
    for name, own in (
        ("TitForTat", tit_for_tat),
        ("Win-Stay Lose-Shift", win_stay_lose_shift),
        ("Grudger", grim),
    ):
        assert axelrod_strategy(game, player, name) == own(game, player)


def test_what_a_class_takes_from_the_payoffs_is_taken_from_the_game():
    """R, P, S, T = 4, 2, 1, 5: generous tit for tat forgives with min(1 - 1/3, 2/3)."""
    other = NormalForm.symmetric([[4, 1], [5, 2]], actions=("C", "D")).iterated("9/10")
    assert cooperation(other, axelrod_strategy(other, 1, "GTFT"), 1)[2] == Fraction(2, 3)
    found = cooperation(other, axelrod_strategy(other, 1, "ZDSet2"), 1)
    assert found == [1, Fraction(1, 2), Fraction(1, 4), Fraction(1, 4), 0]
    large = NormalForm.symmetric([[30, 0], [50, 10]], actions=("C", "D")).iterated("1/2")
    with pytest.raises(ValueError, match="payoffs for which ZDExtort4"):
        axelrod_strategy(large, 0, "ZDExtort4")


def test_names_in_any_spelling(game):
    for alias, name in STEWART_PLOTKIN.items():
        assert axelrod_strategy(game, 0, alias) == axelrod_strategy(game, 0, name)
    assert axelrod_strategy(game, 0, "zd extort 2") == axelrod_strategy(game, 0, "ZDExtort2")


@pytest.mark.parametrize(
    ("name", "message"),
    [("TitForTats", "nearest are TitForTat"), ("xyz", "none is near"), ("RandomTitForTat", "near")],
)
def test_unknown_names_are_told_the_nearest(game, name, message):
    with pytest.raises(ValueError, match=message):
        axelrod_strategy(game, 0, name)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="two actions each"):
        axelrod_strategy(rock_paper_scissors().iterated("1/2"), 0, "TitForTat")
    lopsided = NormalForm([[[3, 0], [5, 1]], [[3, 4], [0, 1]]]).iterated("1/2")
    with pytest.raises(ValueError, match="same payoffs for both players for GTFT"):
        axelrod_strategy(lopsided, 0, "GTFT")
    assert axelrod_strategy(lopsided, 0, "Bully") == memory_one(lopsided, 0, 0, 0, 1, 0, 1)
    noisy = prisoners_dilemma(5, 3, 1, 0).iterated("1/2", implementation_noise="1/10")
    for name in ("Grudger", "CyclerDC"):
        with pytest.raises(ValueError, match="no noise"):
            axelrod_strategy(noisy, 0, name)
    with pytest.raises(TypeError, match="name of a strategy"):
        axelrod_strategy(noisy, 0, 3)  # pyright: ignore[reportArgumentType]


# Objects with the library's shape, without the library ---------------------------------------------


class TitForTat:
    __module__ = "axelrod.strategies.titfortat"
    history = ()
    classifier = {"memory_depth": 1}

    def strategy(self, opponent):
        raise AssertionError("nothing is played")


class Backstabber(TitForTat):
    def strategy(self, opponent):
        raise AssertionError("nothing is played")


def test_who_wrote_the_moves_decides(game):
    assert from_axelrod(TitForTat(), game, 1) == tit_for_tat(game, 1)
    with pytest.raises(ValueError, match=r"got Backstabber.*memory_depth 1 by its own account"):
        from_axelrod(Backstabber(), game, 1)
    wrapped = type("TitForTat", (TitForTat,), {"strategy": lambda self, opponent: None})
    with pytest.raises(ValueError, match="known to remember one round"):
        from_axelrod(wrapped(), game, 1)
    with pytest.raises(TypeError, match="player of the Axelrod library"):
        from_axelrod(SimpleNamespace(), game, 0)


# The library itself, where it is installed ------------------------------------------------------------


@pytest.fixture(scope="module")
def axl():
    return pytest.importorskip("axelrod")


@pytest.mark.filterwarnings("ignore")
def test_live_players_are_read(axl, game):
    players = {name: getattr(axl, name)() for name in AXELROD_STRATEGIES}
    for name, live in players.items():
        for player in (0, 1):
            assert from_axelrod(live, game, player) == axelrod_strategy(game, player, name), name


@pytest.mark.filterwarnings("ignore")
def test_parameters_of_live_players(axl, game):
    for live, vector in (
        (axl.Random(0.3), ["3/10"] * 5),
        (axl.Random(0), [0] * 5),
        (axl.Random(1), [1] * 5),
        (axl.NaiveProber(0.2), [1, "4/5", 0, "4/5", 0]),
        (axl.Cycler("CD"), [1, 0, 0, 1, 1]),
        (axl.ReactivePlayer((0.25, 1 / 7)), [1, "1/4", "1/7", "1/4", "1/7"]),
        (
            axl.MemoryOnePlayer((0.123456789, 0, 1, 0.5), axl.Action.D),
            [0, "0.123456789", 0, 1, "1/2"],
        ),
        (axl.LookerUp(), [1, 1, 0, 1, 0]),
        (axl.WinShiftLoseStay(axl.Action.C), [1, 0, 1, 1, 0]),
    ):
        assert from_axelrod(live, game, 1) == memory_one(game, 1, *vector), live


@pytest.mark.filterwarnings("ignore")
def test_special_cases_that_its_docstrings_claim(axl, game):
    tft, wsls = axelrod_strategy(game, 0, "TFT"), axelrod_strategy(game, 0, "WSLS")
    for live, policy in (
        (axl.GTFT(0), tft),
        (axl.SoftJoss(1), tft),
        (axl.SoftJoss(0), axelrod_strategy(game, 0, "ALLC")),
        (axl.StochasticWSLS(0), wsls),
        (axl.MemoryOnePlayer(), wsls),
        (axl.MemoryOnePlayer((0, 0, 1, 1)), axelrod_strategy(game, 0, "Alternator")),
    ):
        assert from_axelrod(live, game, 0) == policy, live


@pytest.mark.filterwarnings("ignore")
def test_other_payoffs_are_taken_as_in_its_matches(axl):
    match = {"turns": 1, "game": axl.Game(r=4, s=1, t=5, p=2)}
    other = NormalForm.symmetric([[4, 1], [5, 2]], actions=("C", "D")).iterated("9/10")
    played = {}
    for name in ("GTFT", "ZDExtort2", "ZDGTFT2", "ZDSet2"):
        live = getattr(axl, name)()
        axl.Match((live, axl.Cooperator()), **match).play()
        played[name] = from_axelrod(live, other, 1)
    # Its GTFT keeps what it computed when it was made, from the library's own payoffs: not what it says it does.
    assert played.pop("GTFT") == memory_one(other, 1, 1, 1, "1/3", 1, "1/3")
    assert cooperation(other, axelrod_strategy(other, 1, "GTFT"), 1)[2] == Fraction(2, 3)
    for name, policy in played.items():
        assert policy == axelrod_strategy(other, 1, name), name


@pytest.mark.filterwarnings("ignore")
def test_players_that_remember_more_are_refused(axl, game):
    noisy = axl.strategy_transformers.NoisyTransformer(0.1, name_prefix=None)(axl.TitForTat)
    assert noisy.__name__ == "TitForTat"
    for live in (
        axl.TitFor2Tats(),
        axl.RandomTitForTat(),
        axl.Cycler("CCD"),
        noisy(),
        axl.EvolvedLookerUp2_2_2(),
    ):
        with pytest.raises(ValueError, match="known to remember one round"):
            from_axelrod(live, game, 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("player", [0, 1])
def test_there_and_back(axl, game, player):
    for start, vector in product((0, 1, "3/7"), (("1/3", "1/7", 0, 1), (1, 0, 1, 0))):
        policy = memory_one(game, player, start, *vector)
        live = to_axelrod(game, policy, player)
        assert from_axelrod(live, game, player) == policy
        assert from_axelrod(live.clone(), game, player) == policy


@pytest.mark.filterwarnings("ignore")
def test_a_random_start_is_played(axl, game):
    live = to_axelrod(game, memory_one(game, 0, "1/4", 1, 1, 0, 0), 0)
    played = axl.Match((live, axl.Cooperator()), turns=3, seed=1)
    found = [played.play() for _ in range(400)]
    assert all(len({own for own, _ in rounds}) == 1 for rounds in found)
    share = sum(rounds[0][0] == axl.Action.C for rounds in found) / 400
    assert abs(share - 0.25) < 5 * (0.25 * 0.75 / 400) ** 0.5  # false alarms: 6e-7


def test_to_axelrod_says_what_it_needs(game):
    longer = NormalForm.symmetric([[3, 0], [5, 1]]).iterated("1/2", memory=2)
    with pytest.raises(ValueError, match="memory of one round"):
        to_axelrod(longer, tit_for_tat(longer, 0), 0)
    with pytest.raises(ValueError, match=r"policies\[0\]"):
        to_axelrod(game, [[1, 0]], 0)


def test_to_axelrod_without_the_library(game, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "axelrod", None)
    with pytest.raises(ImportError, match="pip install axelrod"):
        to_axelrod(game, tit_for_tat(game, 0), 0)
