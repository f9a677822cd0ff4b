"""Games in normal form: what they hold, what they refuse, how they print."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from resolvent.games import NormalForm

x, y = sympy.symbols("x y")

DILEMMA = [[[-1, -3], [0, -2]], [[-1, 0], [-3, -2]]]


def test_defaults():
    game = NormalForm(DILEMMA)
    assert game.num_players == 2
    assert game.num_actions == (2, 2)
    assert game.actions == (("a", "b"), ("a", "b"))
    assert game.players == ("1", "2")
    assert game.name is None
    assert game.symbols == ()
    assert game.stated_as == "payoffs"
    assert game.joint_actions == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert game.payoff((0, 1)) == (Fraction(-3), Fraction(0))
    assert all(type(payoff) is Fraction for payoff in game.payoff((1, 0)))


@given(
    npst.arrays(
        np.int64,
        st.lists(st.integers(1, 3), min_size=1, max_size=4).map(lambda shape: (len(shape), *shape)),
        elements=st.integers(-9, 9),
    )
)
def test_agrees_with_the_array_it_was_made_of(array):
    game = NormalForm(array)
    assert game.num_actions == array.shape[1:]
    joints = list(np.ndindex(*array.shape[1:]))
    assert list(game.joint_actions) == joints
    for joint in joints:
        assert game.payoff(joint) == tuple(array[(slice(None), *joint)])
    assert game == NormalForm(array.tolist())
    assert game == NormalForm(array.astype(float))
    assert hash(game) == hash(NormalForm(array.tolist()))
    assert pickle.loads(pickle.dumps(game)) == game


def test_many_actions_get_distinct_names():
    names = NormalForm([list(range(30))]).actions[0]
    assert len(set(names)) == 30


def test_equality_is_by_content():
    game = NormalForm(DILEMMA, ("C", "D"), name="pd")
    assert game == NormalForm(np.array(DILEMMA), [["C", "D"], ["C", "D"]], ["1", "2"], "pd")
    assert game != NormalForm(DILEMMA, ("C", "D"))
    assert game != NormalForm(DILEMMA, ("c", "d"), name="pd")
    assert len({game, NormalForm(DILEMMA, ("C", "D"), name="pd")}) == 1


def test_is_frozen():
    with pytest.raises(AttributeError):
        NormalForm(DILEMMA).name = "pd"  # pyright: ignore[reportAttributeAccessIssue]


def test_constructors():
    assert NormalForm.symmetric([[-1, -3], [0, -2]]).payoffs == NormalForm(DILEMMA).payoffs
    assert (
        NormalForm.zero_sum([[1, 2, 3]]).payoffs
        == NormalForm([[[1, 2, 3]], [[-1, -2, -3]]]).payoffs
    )
    matrix = sympy.Matrix([[x, 1], [2, 3]])
    assert NormalForm((matrix, matrix)).payoff((0, 0)) == (x, x)


def test_losses_are_negated_and_printed_as_losses():
    game = NormalForm.from_losses([[[1, 3]], [["1/2", x]]])
    assert game.payoff((0, 1)) == (-3, -x)
    assert game.stated_as == "losses"
    assert "losses" in str(game)
    assert "3, x" in game.table()
    assert game != NormalForm([[[-1, -3]], [["-1/2", -x]]])


def test_symbols_and_substitution():
    game = NormalForm.from_losses([[[x, 1]], [[y / x, 2]]])
    assert game.symbols == (x, y)
    half = game.substitute({"x": "1/2"})
    assert half.symbols == (y,)
    assert half.payoff((0, 0)) == (Fraction(-1, 2), -2 * y)
    assert half.stated_as == "losses"
    swapped = game.substitute({x: y, y: x})  # all at once, not one after the other
    assert swapped.payoff((0, 0)) == (-y, -x / y)
    with pytest.raises(ValueError, match="the game has the symbols x, y; got z"):
        game.substitute({"z": 1})
    with pytest.raises(ValueError, match=r"payoffs\[1\]\[0\]\[0\] must be finite"):
        game.substitute({"x": 0})


def test_payoff_refuses_what_is_no_joint_action():
    game = NormalForm(DILEMMA)
    with pytest.raises(ValueError, match="joint must hold one action index per player"):
        game.payoff((0,))
    with pytest.raises(ValueError, match=r"joint\[1\] must be an action index from 0 to 1; got -1"):
        game.payoff((0, -1))


@pytest.mark.parametrize(
    ("payoffs", "message"),
    [
        (3, r"payoffs must have shape \(n, A_1, ..., A_n\)"),
        ([], "payoffs must have shape"),
        ("ab", "payoffs must have shape"),
        ([[1, 2], [3, 4]], r"payoffs must have 3 axes; payoffs\[0\]\[0\] is 1"),
        ([[[[1]]], [[[1]]]], r"payoffs must have 3 axes; payoffs\[0\]\[0\]\[0\] is a sequence"),
        ([[], []], r"payoffs\[0\] must not be empty"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], r"must not be ragged; payoffs\[0\]\[1\] has length 1"),
        ([[[1, 2]], [[1, 2, 3]]], r"must not be ragged; payoffs\[1\]\[0\] has length 3"),
        ([[[1, float("nan")]], [[1, 2]]], r"payoffs\[0\]\[0\]\[1\] must be finite; got nan"),
        ([[[1, 2]], [[1, float("inf")]]], r"payoffs\[1\]\[0\]\[1\] must be finite; got inf"),
        ([[[1, 2]], [[1, "x"]]], r"payoffs\[1\]\[0\]\[1\] must be a number"),
        ([[x, sympy.Symbol("x", real=True)]], "two different symbols of one name; got x"),
    ],
)
def test_refuses_bad_payoffs(payoffs, message):
    with pytest.raises(ValueError, match=message):
        NormalForm(payoffs)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ({"actions": ("C", "C")}, ValueError, r"actions\[0\] must not repeat a name; got 'C'"),
        ({"actions": ("C", "")}, ValueError, r"actions\[0\]\[1\] must not be empty"),
        ({"actions": ("C", " ")}, ValueError, r"actions\[0\]\[1\] must not be empty"),
        ({"actions": ("C", "D\n")}, ValueError, r"actions\[0\]\[1\] must be printable"),
        (
            {"actions": ("C",)},
            ValueError,
            r"actions\[0\] must hold one name per action \(2\); got 1",
        ),
        ({"actions": [("C", "D")]}, ValueError, r"one sequence of names per player \(2\); got 1"),
        ({"actions": [("C", "D"), "CD"]}, TypeError, r"actions\[1\] must be a list or tuple"),
        ({"actions": [("C", "D"), ("C", 1)]}, TypeError, r"actions\[1\]\[1\] must be a string"),
        ({"actions": "CD"}, TypeError, "actions must be a list or tuple"),
        ({"players": ("me",)}, ValueError, r"players must hold one name per player \(2\); got 1"),
        ({"players": ("me", "me")}, ValueError, "players must not repeat a name"),
        ({"name": 3}, TypeError, "name must be a string or None; got 3"),
        ({"stated_as": "costs"}, ValueError, 'stated_as must be "payoffs" or "losses"'),
    ],
)
def test_refuses_bad_names(names, error, message):
    with pytest.raises(error, match=message):
        NormalForm(DILEMMA, **names)


def test_symmetric_needs_a_square():
    with pytest.raises(ValueError, match="must be square; got 1 x 2"):
        NormalForm.symmetric([[1, 2]])


def test_text():
    game = NormalForm(DILEMMA, ("C", "D"), name="prisoner's dilemma")
    assert str(game) == (
        "prisoner's dilemma (2 players, 2 x 2 actions; payoffs)\n"
        "   C       D\n"
        "C  -1, -1  -3, 0\n"
        "D  0, -3   -2, -2"
    )
    three = NormalForm([[[[1, 2]]], [[[3, 4]]], [[[5, "1/2"]]]])
    assert three.table() == "1, 2, 3  payoffs\na, a, a  1, 3, 5\na, a, b  2, 4, 1/2"


def test_repr_can_be_evaluated():
    game = NormalForm([[["1/3", 2]], [[3, x]]], [["one"], ["a", "b"]], name="it's")
    assert eval(repr(game), {"NormalForm": NormalForm, "x": x}) == game
    losses = NormalForm.from_losses([[1, 2]])
    assert eval(repr(losses), {"NormalForm": NormalForm}) == losses


def test_a_large_repr_is_short():
    assert len(repr(NormalForm(np.zeros((2, 30, 30)), name="big"))) < 800


def test_latex():
    game = NormalForm([[[1, "-1/2"]], [[x / 2, 3]]], [["50%"], ["a_b", "c"]])
    assert game.latex() == (
        r"\begin{array}{c|cc}"
        "\n"
        r" & \text{a\_b} & \text{c} \\ \hline"
        "\n"
        r"\text{50\%} & 1, \frac{x}{2} & -\frac{1}{2}, 3"
        "\n"
        r"\end{array}"
    )
    assert game._repr_latex_() == f"$\\displaystyle {game.latex()}$"
    assert (
        r"\text{a}, \text{a}, \text{b} & 2, 4, 6"
        in NormalForm([[[[1, 2]]], [[[3, 4]]], [[[5, 6]]]]).latex()
    )
