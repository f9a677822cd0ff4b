"""Iterated games: states, their order and names, and where each joint action leads."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from resolvent.games import IteratedGame, NormalForm, prisoners_dilemma

g = sympy.Symbol("g")


def zeros(*num_actions):
    nest = 0
    for number in reversed(num_actions):
        nest = [nest] * number
    return NormalForm([nest] * len(num_actions))


def test_memory_one():
    game = prisoners_dilemma().iterated("24/25")
    assert game == IteratedGame(prisoners_dilemma(), 0.96, 1)
    assert hash(game) == hash(IteratedGame(prisoners_dilemma(), 0.96, 1))
    assert game != prisoners_dilemma().iterated("24/25", memory=2)
    assert game.discount == Fraction(24, 25)
    assert game.name == "prisoner's dilemma"
    assert game.num_players == 2
    assert game.num_actions == (2, 2)
    assert game.num_states == 5
    assert game.states == ("start", "CC", "CD", "DC", "DD")
    assert game.histories == ((), ((0, 0),), ((0, 1),), ((1, 0),), ((1, 1),))
    assert game.successors == ((1, 2, 3, 4),) * 5


def test_memory_two():
    game = prisoners_dilemma().iterated(0, memory=2)
    assert game.num_states == 1 + 4 + 16
    assert game.states[:7] == ("start", "CC", "CD", "DC", "DD", "CC.CC", "CC.CD")
    # After CD, playing DC leads to the history CD.DC; after CD.DC, playing CC leads to DC.CC.
    index = {name: state for state, name in enumerate(game.states)}
    assert game.successors[index["CD"]][2] == index["CD.DC"]
    assert game.successors[index["CD.DC"]][0] == index["DC.CC"]


def test_memory_zero_is_the_one_shot_game():
    game = prisoners_dilemma().iterated(0, memory=0)
    assert game.states == ("start",)
    assert game.successors == ((0, 0, 0, 0),)


def test_longer_names_are_joined_with_commas():
    game = NormalForm([[[0, 0]], [[0, 0]]], [["stay"], ["L", "R"]]).iterated(0, memory=2)
    assert game.states == (
        "start", "stay,L", "stay,R",
        "stay,L.stay,L", "stay,L.stay,R", "stay,R.stay,L", "stay,R.stay,R",
    )  # fmt: skip


def test_names_that_make_states_look_alike_are_refused():
    game = NormalForm([[[0, 0]] * 2] * 2, [["a", "a,b"], ["b,c", "c"]])  # a with b,c and a,b with c
    with pytest.raises(ValueError, match="names that tell the states apart"):
        _ = game.iterated(0).states
    assert NormalForm([[0, 0]], [["1.5", "2.5"]]).iterated(0).states == ("start", "1.5", "2.5")


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 3))
def test_successors_remember_the_last_rounds(num_actions, memory):
    game = zeros(*num_actions).iterated(0, memory)
    histories = game.histories
    assert len(set(histories)) == len(histories) == game.num_states == len(game.successors)
    assert list(histories) == sorted(histories, key=lambda history: (len(history), history))
    for history, following in zip(histories, game.successors, strict=True):
        for joint, state in zip(game.stage.joint_actions, following, strict=True):
            played = [*history, joint]
            while len(played) > memory:
                played.pop(0)
            assert histories[state] == tuple(played)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"discount": 1}, ValueError, r"discount must be in \[0, 1\); got 1"),
        ({"discount": "-1/2"}, ValueError, r"discount must be in \[0, 1\); got -1/2"),
        ({"discount": float("nan")}, ValueError, "discount must be finite"),
        ({"discount": "high"}, ValueError, "discount must be a number"),
        ({"discount": None}, TypeError, "discount must be"),
        ({"discount": 0, "memory": -1}, ValueError, "memory must not be negative; got -1"),
        ({"discount": 0, "memory": 1.0}, TypeError, "memory must be an integer; got 1.0"),
        ({"discount": 0, "memory": True}, TypeError, "memory must be an integer; got True"),
    ],
)
def test_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        prisoners_dilemma().iterated(**arguments)


def test_needs_a_normal_form():
    with pytest.raises(TypeError, match="stage must be a NormalForm"):
        IteratedGame([[1]], 0)  # pyright: ignore[reportArgumentType]


def test_symbols_and_substitution():
    game = prisoners_dilemma(symbolic=True).iterated(g)
    assert [symbol.name for symbol in game.symbols] == ["P", "R", "S", "T", "g"]
    numbers = game.substitute({"g": 0.96, "T": 0, "R": -1, "P": -2, "S": -3})
    assert numbers == prisoners_dilemma().iterated("24/25")
    with pytest.raises(ValueError, match=r"discount must be in \[0, 1\)"):
        game.substitute({g: 1})
    with pytest.raises(ValueError, match="two different symbols of one name; got T"):
        prisoners_dilemma(symbolic=True).iterated(sympy.Symbol("T", positive=True))


def test_prints():
    game = prisoners_dilemma().iterated("24/25")
    assert str(game).splitlines()[0].startswith("iterated prisoner's dilemma")
    assert str(game).splitlines()[-1] == "discount 24/25, memory of one round, 5 states"
    assert eval(repr(game), {"NormalForm": NormalForm, "IteratedGame": IteratedGame}) == game


def test_a_memory_beyond_what_a_machine_holds():
    with pytest.raises(ValueError, match=r"memory must leave at most .* histories; got 71"):
        prisoners_dilemma().iterated("1/2", memory=71)
    assert prisoners_dilemma().iterated("1/2", memory=(0, 6)).num_states == 5461
