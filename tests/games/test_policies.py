"""Policies: what is accepted, what is refused and how, views, and the named strategies."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from resolvent import games
from resolvent.games import (
    NormalForm,
    absolute_view,
    check_policies,
    own_view,
    prisoners_dilemma,
    rock_paper_scissors,
)

IPD = prisoners_dilemma().iterated("24/25")
TWO_BY_THREE = NormalForm(np.zeros((2, 2, 3))).iterated("1/2")


def coins(game, kind: Any = Fraction) -> Any:
    """Everyone plays every action with the same probability."""
    return [
        [[kind(1) / number] * number for _ in range(game.num_states)] for number in game.num_actions
    ]


def test_exact_policies_come_back_as_fractions():
    policies = [[["1/3", "2/3"]] * 5, [[1, 0]] * 5]
    checked = check_policies(IPD, policies)
    assert checked == (((Fraction(1, 3), Fraction(2, 3)),) * 5, ((Fraction(1), Fraction(0)),) * 5)
    assert hash(checked) == hash(check_policies(IPD, policies, exact=True))


def test_one_float_makes_all_of_them_floats():
    policies = coins(IPD)
    policies[1][4] = [0.25, 0.75]
    first, second = check_policies(IPD, policies)
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert first.dtype == second.dtype == np.float64
    np.testing.assert_array_equal(second[4], [0.25, 0.75])
    np.testing.assert_array_equal(first, np.full((5, 2), 0.5))


def test_what_counts_as_exact_can_be_said():
    floats = coins(IPD, float)
    assert check_policies(IPD, floats, exact=True)[0][0] == (Fraction(1, 2), Fraction(1, 2))
    assert check_policies(IPD, coins(IPD), exact=False)[0].dtype == np.float64


def test_arrays_of_integers_and_fractions_are_exact():
    pure = np.array([[1, 0]] * 5)
    mixed = np.full((5, 2), Fraction(1, 2), dtype=object)
    checked = check_policies(IPD, (pure, mixed))
    assert checked[1][0] == (Fraction(1, 2), Fraction(1, 2))
    assert isinstance(checked[0][0][0], Fraction)


def test_the_result_is_a_copy():
    given_array = np.full((5, 2), 0.5)
    check_policies(IPD, (given_array, given_array), exact=False)[0][0, 0] = 9
    assert given_array[0, 0] == 0.5


def test_float_rows_may_be_off_by_rounding_only():
    policies = coins(IPD, float)
    policies[0][1] = [0.5, 0.5 + 9e-10]
    check_policies(IPD, policies)
    policies[0][1] = [0.5, 0.5 + 2e-9]
    with pytest.raises(ValueError, match="must sum to 1 within 1e-09"):
        check_policies(IPD, policies)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            [1, 1],
            r"policies\[1\] \(player 2\) in state DC must sum to .*got \(1(.0)?, 1(.0)?\), sum 2",
        ),
        (["1/4", "1/2"], "must sum to"),
        (["3/2", "-1/2"], r"in state DC must lie in \[0, 1\]; got \((3/2|1.5), (-1/2|-0.5)\)"),
    ],
)
def test_refuses_rows(row, message, exact):
    policies = coins(IPD)
    policies[1][3] = [Fraction(entry) for entry in row]
    with pytest.raises(ValueError, match=message):
        check_policies(IPD, policies, exact=exact)


def test_refuses_nan():
    policies = coins(IPD, float)
    policies[0][0] = [float("nan"), 1.0]
    with pytest.raises(ValueError, match=r"in state start must lie in \[0, 1\]; got \(nan, 1.0\)"):
        check_policies(IPD, policies)
    with pytest.raises(ValueError, match=r"policies\[0\]\[0\]\[0\] must be finite; got nan"):
        check_policies(IPD, policies, exact=True)


@pytest.mark.parametrize("kind", [Fraction, float])
def test_refuses_shapes(kind):
    good = coins(TWO_BY_THREE, kind)
    check_policies(TWO_BY_THREE, good)
    with pytest.raises(ValueError, match=r"one policy per player \(2\); got 1"):
        check_policies(TWO_BY_THREE, good[:1])
    with pytest.raises(
        ValueError, match=r"policies\[0\] must have shape .* = \(7, 2\); got \(7, 3\)"
    ):
        check_policies(TWO_BY_THREE, good[::-1])
    with pytest.raises(
        ValueError, match=r"policies\[1\] must have shape .* = \(7, 3\); got \(6, 3\)"
    ):
        check_policies(TWO_BY_THREE, [good[0], good[1][1:]])
    ragged = [good[0], [[kind(1)], *good[1][1:]]]
    with pytest.raises(ValueError, match=r"policies\[1\]"):
        check_policies(TWO_BY_THREE, ragged)


def test_refuses_symbols_and_words():
    policies = coins(IPD)
    policies[0][2] = [sympy.Symbol("p"), 1 - sympy.Symbol("p")]
    with pytest.raises(ValueError, match=r"in state CD must be numbers; got \(p, 1 - p\)"):
        check_policies(IPD, policies)
    with pytest.raises(ValueError, match=r"policies\[0\] must be an array of numbers"):
        check_policies(IPD, policies, exact=False)


def test_own_view_swaps_the_middle_states_of_player_two():
    absolute = ("start", "CC", "CD", "DC", "DD")
    assert own_view(IPD, absolute, 0) == absolute
    assert own_view(IPD, absolute, 1) == ("start", "CC", "DC", "CD", "DD")
    np.testing.assert_array_equal(own_view(IPD, np.arange(5), 1), [0, 1, 3, 2, 4])


def test_own_view_of_unequal_actions():
    # Player 2 has three actions; in its own view they come first: aa, ba, ab, bb, ac, bc.
    assert own_view(TWO_BY_THREE, TWO_BY_THREE.states, 1) == (
        "start",
        "aa",
        "ba",
        "ab",
        "bb",
        "ac",
        "bc",
    )


def test_own_view_of_three_players():
    game = games.public_goods(3).iterated(0)
    # Player 2 (index 1) lists itself, then players 1 and 3.
    assert own_view(game, game.states, 1) == (
        "start", "CCC", "CCD", "DCC", "DCD", "CDC", "CDD", "DDC", "DDD",
    )  # fmt: skip


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda shape: np.prod(shape) <= 12),
    st.integers(0, 2),
    st.data(),
)
def test_views_are_inverse(num_actions, memory, data):
    game = NormalForm(np.zeros((len(num_actions), *num_actions))).iterated(0, memory)
    player = data.draw(st.integers(0, len(num_actions) - 1))
    policy = tuple(range(game.num_states))
    assert absolute_view(game, own_view(game, policy, player), player) == policy
    assert own_view(game, absolute_view(game, policy, player), player) == policy
    assert sorted(own_view(game, policy, player)) == list(policy)


def test_views_refuse():
    with pytest.raises(ValueError, match="policy must have one row per state .5.; got 4"):
        own_view(IPD, (1, 2, 3, 4), 0)
    with pytest.raises(ValueError, match="player must be from 0 to 1; got 2"):
        own_view(IPD, (1, 2, 3, 4, 5), 2)
    with pytest.raises(TypeError, match="player must be an integer"):
        absolute_view(IPD, (1, 2, 3, 4, 5), "1")  # pyright: ignore[reportArgumentType]


def cooperation(policy):
    """The probabilities of the first action, having checked that the second has the rest."""
    assert all(sum(row) == 1 for row in policy)
    return tuple(row[0] for row in policy)


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [  # by state start, CC, CD, DC, DD of the absolute view, for either player
        (games.tit_for_tat, (1, 1, 0, 1, 0), (1, 1, 1, 0, 0)),
        (games.win_stay_lose_shift, (1, 1, 0, 0, 1), (1, 1, 0, 0, 1)),
        (games.grim, (1, 1, 0, 0, 0), (1, 1, 0, 0, 0)),
    ],
)
def test_strategies(strategy, first, second):
    assert cooperation(strategy(IPD, 0)) == first
    assert cooperation(strategy(IPD, 1)) == second
    check_policies(IPD, (strategy(IPD, 0), strategy(IPD, 1)))


def test_memory_one_takes_the_players_own_view():
    numbers = ("1/2", "1/3", "1/4", "1/5", "1/6")
    policy = games.memory_one(IPD, 1, *numbers)
    assert cooperation(own_view(IPD, policy, 1)) == tuple(Fraction(number) for number in numbers)
    assert cooperation(policy)[2] == Fraction(1, 5)  # after CD player 2 defected, player 1 did not


def test_longer_memories_look_at_the_last_round():
    game = prisoners_dilemma().iterated(0, memory=2)
    policy = cooperation(games.tit_for_tat(game, 0))
    index = {name: state for state, name in enumerate(game.states)}
    assert policy[index["DD.CC"]] == 1
    assert policy[index["CC.CD"]] == 0
    assert policy[index["CD"]] == 0


def test_always_and_uniform():
    game = rock_paper_scissors().iterated(0)
    assert games.always(game, 1, "P") == games.always(game, 1, 1) == ((0, 1, 0),) * 10
    assert games.uniform(game, 0) == ((Fraction(1, 3),) * 3,) * 10


def test_strategies_refuse():
    with pytest.raises(
        ValueError, match="game must have two players with two actions each; got 2 play"
    ):
        games.tit_for_tat(rock_paper_scissors().iterated(0), 0)
    with pytest.raises(ValueError, match="memory of at least one round"):
        games.grim(prisoners_dilemma().iterated(0, memory=0), 0)
    with pytest.raises(ValueError, match=r"cd must be a probability in \[0, 1\]; got 3/2"):
        games.memory_one(IPD, 0, 1, 1, "3/2", 0, 0)
    with pytest.raises(ValueError, match="action must be one of C, D; got 'E'"):
        games.always(IPD, 0, "E")
    with pytest.raises(ValueError, match="action must be an index from 0 to 1; got 2"):
        games.always(IPD, 0, 2)
    with pytest.raises(ValueError, match="player must be from 0 to 1; got 2"):
        games.uniform(IPD, 2)
