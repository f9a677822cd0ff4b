"""Extended iterated games, stochastic games, signals and controllers: what is refused and how, what
prints, equality, symbols, files."""

import pickle
import subprocess
import sys
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent import games
from resolvent.games import (
    Controller,
    IteratedGame,
    NormalForm,
    Signals,
    StochasticGame,
    check_policies,
    from_text,
    own_view,
    prisoners_dilemma,
    to_text,
    with_controllers,
)

PD = prisoners_dilemma()
e, g, p = sympy.symbols("e g p")
ONE_STATE = ([[[1, 2]]], [[[1], [1]]])
EVAL = {
    name: getattr(games, name)
    for name in ("NormalForm", "IteratedGame", "StochasticGame", "Signals", "Controller")
} | {"e": e, "g": g, "p": p}


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"discount": [0.5, 1]}, r"discount\[1\] must be in \[0, 1\); got 1"),
        ({"discount": [0.5]}, r"discount must be one number or one per player \(2\); got 1"),
        ({"memory": [1, -1]}, r"memory\[1\] must not be negative"),
        ({"memory": [1, 1, 1]}, r"memory must be one integer or one per player \(2\); got 3"),
        ({"memory": "1"}, "memory must be an integer; got '1'"),
        ({"observe": "reactiv"}, r"observe\[0\] must be None, .*; got 'reactiv'"),
        ({"observe": 3}, "observe must be None, .*; got 3"),
        ({"observe": [None]}, r"observe must hold one entry per player \(2\); got 1"),
        ({"observe": [None, 3]}, r"observe\[1\] must be None, .*; got 3"),
        ({"observe": [None, ["x"] * 4]}, r"observe\[1\] must hold one label per state \(5\); got 4"),
        ({"observe": [None, ["x"] * 4 + [1]]}, r"observe\[1\]\[4\] must be a string; got 1"),
        ({"observe": [None, ["x"] * 4 + [" "]]}, r"observe\[1\]\[4\] must not be empty"),
        ({"observe": [None, ["x"] * 4 + ["\n"]]}, r"observe\[1\]\[4\] must not be empty"),
        ({"observe": lambda history: len(history)}, r"observe\[0\]\[0\] must be a string; got 0"),
        ({"observe": {"CC": "x", "EE": "x"}}, r"observe\[0\] must have names of states as keys; got 'EE'"),
        ({"observe": {"CC": "x"}}, r"observe\[0\] must have a label for every state; start has none"),
        (
            {"memory": [1, 2], "observe": [[str(k) for k in range(21)], None]},
            r"observe\[0\] must give one label to states that the player, with its memory of 1, cannot tell apart; "
            r"got '1' and '5'",
        ),
        ({"initial": "start"}, r"initial must be \"uniform\", a mapping or one probability per state"),
        ({"initial": {"start": 1}}, "initial may have CC, CD, DC, DD; got 'start'"),
        ({"initial": {"CC": 2, "CD": -1}}, r"initial\['CC'\] must be a probability in \[0, 1\]; got 2"),
        ({"initial": {"CC": "1/2"}}, "initial must sum to exactly 1; got the sum 1/2"),
        ({"initial": [1]}, "initial must hold 4 probabilities; got 1"),
        ({"initial": [1, 0, 0, float("nan")]}, r"initial\[3\] must be finite; got nan"),
        ({"initial": 3}, "initial must hold 4 probabilities; got 3"),
        ({"initial": "uniform", "memory": 0}, "initial needs a memory of at least one round; got 0"),
        ({"implementation_noise": 2}, r"implementation_noise must be a probability in \[0, 1\]; got 2"),
        ({"implementation_noise": [0, float("inf")]}, r"implementation_noise\[1\] must be finite; got inf"),
        ({"implementation_noise": [0]}, r"implementation_noise must be a number, or hold one .* \(2\); got 1"),
        (
            {"implementation_noise": [0, [[1, 0]]]},
            r"implementation_noise\[1\] must be a matrix of 2 x 2 probabilities; got 1 rows",
        ),
        (
            {"implementation_noise": [0, [[1, 0], [0.5, 0.4]]]},
            r"implementation_noise\[1\]\[1\] must sum to exactly 1; got the sum 9/10",
        ),
        (
            {"implementation_noise": [0, [[1, 0], [p, p]]]},
            r"implementation_noise\[1\]\[1\] must sum to exactly 1; got the sum 2\*p",
        ),
        ({"observation_noise": [0, "x"]}, r"observation_noise\[1\] must be a number"),
        (
            {"observation_noise": [0, [0, 0.5]]},
            r"observation_noise\[1\]\[1\] must be 0: players know their own actions",
        ),
        ({"observation_noise": [0, [0.5]]}, r"observation_noise\[1\] must be a number, or hold one .*; got 1"),
        (
            {"observation_noise": [0, 0.5], "memory": [1, 2]},
            r"observation_noise\[1\] needs a memory of at most one round; got 2. A misperception that is remembered "
            "persists: state the signals, and use NormalForm.monitored",
        ),
    ],
)  # fmt: skip
def test_iterated_refuses(arguments, message):
    settled: dict[str, Any] = {"discount": 0, **arguments}
    with pytest.raises((ValueError, TypeError), match=message):
        PD.iterated(**settled)


def test_iterated_refuses_what_cannot_be_told_apart():
    one = NormalForm([[1, 2]])
    with pytest.raises(ValueError, match='must not be "reactive" in a game of one player'):
        one.iterated(0, observe="reactive")
    odd = NormalForm(np.zeros((2, 1, 2), int), [["a"], ["start", "b"]])
    with pytest.raises(ValueError, match="names that tell the states apart"):
        odd.iterated(0, observe="reactive")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"payoffs": 3}, r"payoffs must have shape \(n, S, A_1, ..., A_n\)"),
        ({"payoffs": [[1, 2]]}, "payoffs must have 3 axes"),
        ({"payoffs": [[[1, 2], [3]]]}, "payoffs must not be ragged"),
        ({"payoffs": [[[1, float("nan")]]]}, r"payoffs\[0\]\[0\]\[1\] must be finite"),
        ({"transitions": [[[1]]]}, r"transitions must have shape .* = \(1, 2, 1\); got \(1, 1, 1\)"),
        ({"transitions": [[[1], [0.5]]]}, r"transitions\[0\]\[1\] must sum to exactly 1; got the sum 1/2"),
        ({"transitions": [[[1], [2]]]}, r"transitions\[0\]\[1\]\[0\] must be a probability"),
        ({"transitions": [[1, 1]]}, "transitions must have 3 axes"),
        ({"discount": 1}, r"discount must be in \[0, 1\)"),
        ({"discount": [0, 0]}, r"discount must be one number or one per player \(1\); got 2"),
        ({"initial": [0]}, "initial must sum to exactly 1"),
        ({"initial": {"s2": 1}}, "initial may have s1; got 's2'"),
        ({"states": ["x", "y"]}, r"states must hold one name per state \(1\); got 2"),
        ({"states": "x"}, "states must be a list or tuple of names"),
        ({"actions": ["x"]}, r"actions\[0\] must hold one name per action \(2\); got 1"),
        ({"players": ["x", "x"]}, r"players must hold one name per player \(1\); got 2"),
        ({"name": 3}, "name must be a string or None; got 3"),
        ({"observe": "all"}, r"observe must be None or hold one entry per player \(1\); got 'all'"),
        ({"observe": [3]}, r"observe\[0\] must be None, .*; got 3"),
        ({"observe": [["x", "y", "z"]]}, r"observe\[0\] must hold one label per state \(1\); got 3"),
        ({"observe": [[1]]}, r"observe\[0\]\[0\] must be a string"),
        ({"observe": [{"x": "y"}]}, r"observe\[0\] must have names of states as keys; got 'x'"),
        ({"observe": [{}]}, r"observe\[0\] must have a label for every state; s1 has none"),
        ({"observe": [(["x", "x"], ["x"])]}, r"observe\[0\]\[0\] must not repeat a name; got 'x' twice"),
        ({"observe": [(["x"], ["x", "x"])]}, r"observe\[0\]\[1\] must hold one row per state \(1\); got 2"),
        ({"observe": [(["x"], ["y"])]}, r"observe\[0\]\[1\]\[0\] must be one of x; got 'y'"),
        ({"observe": [(["x"], [{"y": 1}])]}, r"observe\[0\]\[1\]\[0\] may have x; got 'y'"),
        ({"observe": [(["x"], [[0.5]])]}, r"observe\[0\]\[1\]\[0\] must sum to exactly 1"),
        (
            {"discount": sympy.Symbol("p"), "payoffs": [[[sympy.Symbol("p", positive=True), 0]]]},
            "must not use two different symbols of one name; got p",
        ),
    ],
)  # fmt: skip
def test_stochastic_refuses(arguments, message):
    good: dict[str, Any] = {"payoffs": ONE_STATE[0], "transitions": ONE_STATE[1], "discount": 0}
    StochasticGame(**good)
    with pytest.raises((ValueError, TypeError), match=message):
        StochasticGame(**{**good, **arguments})


@pytest.mark.parametrize(
    ("branches", "message"),
    [
        ("s1", r"branches must hold one entry per state \(1\); got 's1'"),
        ([], r"branches must hold one entry per state \(1\); got 0"),
        ([["s1"]], r"branches\[0\] must hold one entry per action of player 1 \(2\); got 1"),
        (
            [["s1", "s2"]],
            r"branches\[0\]\[1\] must be one of the states s1, or a mapping .*; got 's2'",
        ),
        ([["s1", 0]], r"branches\[0\]\[1\] must be one of the states s1, or a mapping .*; got 0"),
        ([["s1", {"s2": 1}]], r"branches\[0\]\[1\] may have s1; got 's2'"),
        ([["s1", {"s1": 0.5}]], r"branches\[0\]\[1\] must sum to exactly 1; got the sum 1/2"),
        ([["s1", {}]], r"branches\[0\]\[1\] must sum to exactly 1; got the sum 0"),
    ],
)
def test_branches_refuse(branches, message):
    with pytest.raises(ValueError, match=message):
        StochasticGame.from_branches(ONE_STATE[0], branches, 0)


def test_signals_refuse():
    rows = [["1/2", "1/2"]] * 4
    with pytest.raises(TypeError, match="names must be a list or tuple of names; got 'xy'"):
        Signals("xy", rows)
    with pytest.raises(TypeError, match=r"names\[0\] must be a list or tuple"):
        Signals(["x", "y"], rows)
    with pytest.raises(ValueError, match=r"names\[0\] must hold at least one name"):
        Signals([[], ["y"]], rows)
    with pytest.raises(ValueError, match="names must hold one sequence of names per player"):
        Signals([], rows)
    with pytest.raises(ValueError, match="probabilities must hold one row per joint action; got 3"):
        Signals([["x"], ["y"]], 3)
    with pytest.raises(ValueError, match=r"probabilities\[0\] must hold 4 probabilities; got 2"):
        Signals([["x", "y"], ["z", "w"]], rows)
    with pytest.raises(ValueError, match=r"probabilities\[0\] must sum to exactly 1"):
        Signals.public(["x", "y"], [[1, 1]])
    with pytest.raises(ValueError, match="num_players must be a positive integer; got 0"):
        Signals.public(["x", "y"], rows, 0)
    public = Signals.public(["x", "y"], rows)
    with pytest.raises(TypeError, match="signals must be Signals"):
        PD.monitored(0, rows)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="signals must be for 2 players; got 3"):
        PD.monitored(0, Signals.public(["x", "y"], rows, 3))
    with pytest.raises(ValueError, match=r"signals must have one row .* \(4\); got 2"):
        PD.monitored(0, Signals.public(["x", "y"], rows[:2]))
    with pytest.raises(ValueError, match=r"discount must be in \[0, 1\)"):
        PD.monitored(1, public)
    with pytest.raises(TypeError, match="memory must be an integer"):
        PD.monitored(0, public, 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="initial may have x, y; got 'CC'"):
        PD.monitored(0, public, initial={"CC": 1})
    with pytest.raises(ValueError, match="initial needs a memory"):
        PD.monitored(0, public, 0, initial="uniform")
    with pytest.raises(ValueError, match="signals must have names that tell the states apart"):
        PD.monitored(0, Signals.public(["x", "x.x"], rows), 2)
    with pytest.raises(TypeError, match="stage must be a NormalForm"):
        Signals.misread([[1]], 0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ValueError, match="stage must have at most 100000 profiles .*; got 32 to the power 5"
    ):
        Signals.misread(games.public_goods(5), 0)


def test_controllers_refuse():
    game = PD.iterated(0)
    with pytest.raises(TypeError, match="game must be an IteratedGame"):
        with_controllers(PD, 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="game must have a memory of one round; got 2"):
        with_controllers(PD.iterated(0, 2), 2)
    with pytest.raises(ValueError, match="game must begin in start"):
        with_controllers(PD.iterated(0, initial="uniform"), 2)
    for nodes, message in [
        (0, "nodes must be at least 1; got 0"),
        ([1], r"nodes must be one integer or one per player \(2\); got 1"),
        (1.5, "nodes must be an integer, or one per player; got 1.5"),
        (True, "nodes must be an integer, or one per player; got True"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            with_controllers(game, nodes)  # pyright: ignore[reportArgumentType]
    row = ["1/2", "1/2"]
    good = Controller(row, [row] * 2, [[row] * 4] * 2)
    for arguments, message in [
        ((3, [row], [[row]]), "start must hold one probability per node; got 3"),
        ((row, row, [[row]] * 2), r"act must have shape \(nodes, actions\)"),
        ((row, [row], [[row]] * 2), "act must be a matrix of 2 x 2 probabilities; got 1 rows"),
        ((row, [row] * 2, [[row]]), r"move must have shape .* with 2 nodes; got"),
        ((row, [row] * 2, [[row], [[1]]]), r"move\[1\]\[0\] must hold 2 probabilities; got 1"),
        ((row, [row, [1, 1]], [[row]] * 2), r"act\[1\] must sum to exactly 1; got the sum 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            Controller(*arguments)
    for other in [
        game,
        with_controllers(game, 3),
        with_controllers(PD.iterated(0, observe="own"), 2),
        with_controllers(games.rock_paper_scissors().iterated(0), 2),
    ]:
        with pytest.raises(
            ValueError, match="game must be made by with_controllers, with 2 nodes, 2 act"
        ):
            good.policy(other, 0)
    with pytest.raises(ValueError, match="player must be from 0 to 1; got 2"):
        good.policy(with_controllers(game, 2), 2)


# Policies and strategies of players who do not see the state


def test_policies_follow_the_observations():
    game = PD.iterated(0, 1, ["reactive", None])
    assert game.policy_shapes == ((3, 2), (5, 2))
    half = Fraction(1, 2)
    good = [[[half, half]] * 3, [[half, half]] * 5]
    check_policies(game, good)
    with pytest.raises(
        ValueError,
        match=r"policies\[0\] must have shape \(observations, actions\) = \(3, 2\); got \(5, 2\)",
    ):
        check_policies(game, [good[1], good[1]])
    with pytest.raises(ValueError, match=r"policies\[0\] \(player 1\) on observing C must sum to"):
        check_policies(game, [[[1, 0], [1, 1], [1, 0]], good[1]])
    with pytest.raises(ValueError, match=r"policies\[1\] \(player 2\) in state CC must lie in"):
        check_policies(game, [good[0], [[1, 0], [2, -1], [1, 0], [1, 0], [1, 0]]])
    with pytest.raises(
        ValueError, match="player 0 must observe the states .*; it observes start, C, D"
    ):
        own_view(game, ("x", "y", "z"), 0)
    assert own_view(game, game.states, 1) == ("start", "CC", "DC", "CD", "DD")
    stochastic = game.as_stochastic()
    assert check_policies(stochastic, good) == check_policies(game, good)
    with pytest.raises(TypeError, match="game must be an IteratedGame"):
        own_view(stochastic, game.states, 1)  # pyright: ignore[reportArgumentType]


def first_actions(policy):
    assert all(sum(row) == 1 for row in policy)
    return tuple(row[0] for row in policy)


def test_strategies_need_to_see_what_they_depend_on():
    reactive = PD.iterated(0, 1, "reactive")
    assert first_actions(games.tit_for_tat(reactive, 1)) == (1, 1, 0)
    assert games.always(reactive, 0, "D") == ((0, 1),) * 3
    with pytest.raises(
        ValueError, match="player 0 must tell cc from dc to play so, .*; it observes C in both"
    ):
        games.grim(reactive, 0)
    unfriendly = PD.iterated(
        0, 1, lambda history: "all well" if history in ((), (("C", "C"),)) else "trouble"
    )
    assert first_actions(games.grim(unfriendly, 0)) == (1, 0)
    with pytest.raises(
        ValueError, match="player 1 must tell dc from cd .*; it observes trouble in both"
    ):
        games.tit_for_tat(unfriendly, 1)
    short = PD.iterated(0, [2, 1])
    assert first_actions(games.win_stay_lose_shift(short, 1)) == (1, 1, 0, 0, 1)
    assert len(games.win_stay_lose_shift(short, 0)) == 21
    no_start = PD.iterated(0, initial="uniform")
    assert first_actions(games.tit_for_tat(no_start, 0)) == (1, 0, 1, 0)
    stochastic = reactive.as_stochastic()
    assert games.uniform(stochastic, 0) == games.uniform(reactive, 0)
    with pytest.raises(TypeError, match="game must be an IteratedGame"):
        games.grim(stochastic, 0)  # pyright: ignore[reportArgumentType]


# Symbols


def test_symbols_everywhere():
    game = PD.iterated(
        [g, "1/2"], 1, "reactive",
        initial=[p, 1 - p, 0, 0], implementation_noise=[e, 0], observation_noise=[0, e],
    )  # fmt: skip
    assert game.symbols == (e, g, p)
    numbers = {"e": "1/10", "g": "1/3", "p": "1/4"}
    assert game.substitute(numbers) == PD.iterated(
        ["1/3", "1/2"], 1, "reactive",
        initial=["1/4", "3/4", 0, 0], implementation_noise=["1/10", 0], observation_noise=[0, "1/10"],
    )  # fmt: skip
    assert game.as_stochastic().substitute(numbers) == game.substitute(numbers).as_stochastic()
    assert game.as_stochastic().symbols == game.symbols
    with pytest.raises(ValueError, match=r"initial\[0\] must be a probability"):
        game.substitute({p: 2})
    with pytest.raises(ValueError, match=r"transitions\[0\]\[0\] must be a probability"):
        game.as_stochastic().substitute({e: 2})
    with pytest.raises(ValueError, match="the game has the symbols e, g, p; got x"):
        game.as_stochastic().substitute({"x": 2})
    signals = Signals.misread(PD, e)
    assert signals.symbols == (e,)
    monitored = PD.monitored(g, signals)
    assert monitored.symbols == (e, g)
    exact_one = monitored.substitute({e: 0})
    assert all(chance == 1 for row in exact_one.branches for cell in row for _, chance in cell)


def test_noise_that_vanishes_on_substitution():
    noisy = PD.iterated(0, implementation_noise=e, observation_noise=e)
    assert noisy.substitute({e: 0}) == PD.iterated(0)
    assert noisy != PD.iterated(0)


# Records


def examples():
    signals = Signals.public(["good", "bad"], [[1, 0], ["1/2", "1/2"], ["1/2", "1/2"], [0, 1]])
    noisy = (["hot", "cold"], [["1/3", "2/3"], "cold"])
    return {
        "memories": PD.iterated(["1/2", g], [2, 0]),
        "reactive": PD.iterated(g, 1, ["reactive", "own"]),
        "no start": PD.iterated("1/2", initial={"CD": "1/3", "DD": "2/3"}),
        "noise": PD.iterated("1/2", implementation_noise=["1/10", e], observation_noise=[e, 0]),
        "losses": NormalForm.from_losses(np.ones((2, 2, 2), int)).iterated(0, 2, "own"),
        "controllers": with_controllers(PD.iterated("1/2", observation_noise="1/5"), (2, 1)),
        "stochastic": PD.iterated(g, implementation_noise=e, observation_noise="1/5").as_stochastic(),
        "monitored": PD.monitored(["1/2", "1/3"], signals, 2),
        "by hand": StochasticGame(
            [[[1, p], [0, 0]]], [[[1, 0], [e, 1 - e]], [[0, 1], [0, 1]]], "1/2", "uniform",
            states=["a b", 'c"d'], actions=["x", "y = 1"], players=["Ann"], observe=[noisy], name="small",
        ),
    }  # fmt: skip


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_records(name):
    game = EXAMPLES[name]
    again = examples()[name]
    assert game == again
    assert hash(game) == hash(again)
    assert len({*EXAMPLES.values(), game, PD, PD.iterated(g)}) == len(EXAMPLES) + 2
    assert game != 3
    with pytest.raises(AttributeError):
        setattr(game, "discounts", ())  # noqa: B010 -- what a type checker would not allow
    unpickled = pickle.loads(pickle.dumps(game))
    assert unpickled == game
    assert hash(unpickled) == hash(game)


def test_a_hash_is_not_carried_to_another_process():
    game = PD.iterated("1/2", 1, "reactive")
    hash(game)
    code = """
import pickle, sys
from resolvent.games import prisoners_dilemma
game = pickle.load(sys.stdin.buffer)
assert hash(game) == hash(prisoners_dilemma().iterated("1/2", 1, "reactive"))
"""
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(game), check=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_repr_reads_back(name):
    game = EXAMPLES[name]
    text = repr(game)
    if "<" in text:  # large ones are summarised
        assert len(text) < 1500
    else:
        assert eval(text, EVAL) == game
    assert str(game)


def test_prints():
    lines = str(
        PD.iterated("1/2", [1, 2], ["own", None], implementation_noise=[0, "1/9"])
    ).splitlines()
    assert lines[-1] == (
        "discount 1/2, memory of one round and 2 rounds, 21 states, 3 and 21 observations, "
        "implementation noise"
    )
    assert str(PD.iterated([0, "1/2"], initial="uniform", observation_noise=1)).splitlines()[
        -1
    ] == ("discount 0 and 1/2, memory of one round, 4 states, no start state, observation noise")
    assert str(EXAMPLES["by hand"]).splitlines() == [
        "small (1 players, 2 actions; payoffs)",
        "state  Ann    payoffs  next",
        "a b    x      1        a b",
        'a b    y = 1  p        a b e, c"d 1 - e',
        'c"d    x      0        c"d',
        'c"d    y = 1  0        c"d',
        "discount 1/2, 2 states, 2 observations",
    ]
    large = PD.iterated(0, 3).as_stochastic()
    assert repr(large).startswith('<StochasticGame "prisoner\'s dilemma": 2 players, 85 states')
    assert len(str(large)) < 200
    signals = Signals.misread(games.rock_paper_scissors(), "1/5")
    assert eval(repr(Signals.public(["x", "y"], [[1, 0]])), EVAL) == Signals.public(
        ["x", "y"], [[1, 0]]
    )
    assert len(repr(signals)) < 300
    controller = Controller([1], [["1/2", "1/2"]], [[[1]]])
    assert eval(repr(controller), EVAL) == controller


# Files


@pytest.mark.parametrize("name", EXAMPLES)
def test_text_round_trip(name, tmp_path):
    game = EXAMPLES[name]
    assert from_text(to_text(game)) == game
    games.write(game, tmp_path / "game.toml")
    assert games.read(tmp_path / "game.toml") == game
    with pytest.raises(ValueError, match="a .nfg file cannot hold"):
        games.write(game, tmp_path / "game.nfg")


probabilities = st.fractions(0, 1, max_denominator=20)


@st.composite
def distributions(draw: Any, size: int) -> list[Fraction]:
    parts = [draw(st.integers(0, 3)) for _ in range(size - 1)] + [draw(st.integers(1, 3))]
    return [Fraction(part, sum(parts)) for part in draw(st.permutations(parts))]


@st.composite
def any_games(draw: Any) -> Any:
    shape = draw(
        st.lists(st.integers(1, 3), min_size=1, max_size=3).filter(lambda s: np.prod(s) <= 8)
    )
    number = len(shape)
    size = int(np.prod(shape))
    numbers = st.fractions(-9, 9, max_denominator=9)
    discounts = draw(st.lists(st.fractions(0, "9/10"), min_size=number, max_size=number))
    if draw(st.booleans()):
        cells = st.lists(numbers, min_size=number * size, max_size=number * size)
        stage = NormalForm(np.array(draw(cells), object).reshape(number, *shape))
        memories = draw(
            st.lists(st.integers(0, 2 if size <= 4 else 1), min_size=number, max_size=number)
        )
        noise = [draw(probabilities) if memory <= 1 else 0 for memory in memories]
        presets = st.sampled_from(["all", "own"] + ["reactive"] * (number > 1))
        observe = [draw(presets) for _ in shape]
        longest = max(memories)
        initial = draw(distributions(size**longest)) if longest and draw(st.booleans()) else None
        trembles = [
            [draw(distributions(own)) for _ in range(own)]
            if draw(st.booleans())
            else draw(probabilities)
            for own in shape
        ]
        return IteratedGame(
            stage, discounts, memories, observe,
            initial=initial, implementation_noise=trembles, observation_noise=noise,
        )  # fmt: skip
    states = draw(st.integers(1, 3))
    cells = st.lists(numbers, min_size=number * states * size, max_size=number * states * size)
    payoffs = np.array(draw(cells), object).reshape(number, states, *shape)
    chances = [draw(distributions(states)) for _ in range(states * size)]
    transitions = np.array(chances, object).reshape(states, *shape, states)
    observe = [
        draw(
            st.none()
            | st.lists(st.sampled_from(["x", "y"]), min_size=states, max_size=states)
            | st.tuples(
                st.just(["u", "v"]), st.lists(distributions(2), min_size=states, max_size=states)
            )
        )
        for _ in shape
    ]
    return StochasticGame(
        payoffs, transitions, discounts, draw(distributions(states)), observe=observe
    )


def survives(game):
    again = from_text(to_text(game))
    assert again == game
    assert hash(again) == hash(game)
    if isinstance(game, IteratedGame):
        assert from_text(to_text(game.as_stochastic())) == game.as_stochastic()


test_any_game_survives = settings(max_examples=150)(given(any_games())(survives))
test_thousands_of_games_survive = pytest.mark.slow(
    settings(max_examples=3000)(given(any_games())(survives))
)


def check_distribution(cell, size):
    assert sum(chance for _, chance in cell) == 1
    assert all(chance > 0 for _, chance in cell)
    assert [k for k, _ in cell] == sorted({k for k, _ in cell})
    assert all(0 <= k < size for k, _ in cell)


@given(any_games(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_any_game_is_well_formed_and_stochastic(reference, game, rng):
    assert len(game.rewards) == len(game.readings) == len(game.observations) == game.num_players
    assert len(game.branches) == len(game.states) == game.num_states == len(set(game.states))
    for state in range(game.num_states):
        assert len(game.branches[state]) == len(game.joint_actions)
        for cell in game.branches[state]:
            check_distribution(cell, game.num_states)
        for i, labels in enumerate(game.observations):
            check_distribution(game.readings[i][state], len(labels))
            assert len(game.rewards[i][state]) == len(game.joint_actions)
    assert sum(game.initial_distribution) == 1
    assert game.policy_shapes == tuple(
        (len(labels), number)
        for labels, number in zip(game.observations, game.num_actions, strict=True)
    )
    if isinstance(game, IteratedGame):
        _, policies = reference.random_policies(rng, game)
        stochastic = game.as_stochastic()
        assert stochastic.observations == game.observations
        assert reference.round_payoffs(game, policies, 3) == reference.round_payoffs(
            stochastic, policies, 3
        )


HEAD = 'symbols = ["e"]\npayoffs = [[[1, 2], [3, 4]], [[1, 2], [3, 4]]]\n[iterated]\ndiscount = 0\n'
ONE = "payoffs = [[[1, 2]]]\n[stochastic]\n"


def test_text_by_hand():
    game = from_text(
        HEAD + 'observe = ["reactive", { start = "x", aa = "x", ab = "y", ba = "y", bb = "y" }]\n'
        'implementation_noise = "e"\nobservation_noise = [0, 0.2]\n'
    )
    stage = NormalForm([[[1, 2], [3, 4]]] * 2)
    assert game == stage.iterated(
        0,
        1,
        ["reactive", ["x", "x", "y", "y", "y"]],
        implementation_noise=e,
        observation_noise=[0, "1/5"],
    )
    assert from_text(HEAD + 'initial = "uniform"') == stage.iterated(0, initial="uniform")
    assert from_text(HEAD + 'initial = { ab = "e", bb = "1 - e" }') == stage.iterated(
        0, initial=[0, e, 0, 1 - e]
    )
    assert from_text(HEAD.replace("0\n", '[0, "e"]\n') + "memory = [0, 1]") == stage.iterated(
        [0, e], [0, 1]
    )
    dense = from_text(ONE + 'discount = 0\nstates = ["x"]\ntransitions = [[[1], ["2/2"]]]')
    sparse = from_text(ONE + 'discount = 0\nstates = ["x"]\ntransitions = [["x", { x = 1 }]]')
    assert dense == sparse == StochasticGame(*ONE_STATE, 0, states=["x"])
    observed = from_text(
        ONE + 'discount = 0\ntransitions = [["s1", "s1"]]\n'
        'observe = [{ labels = ["u", "v"], rows = [["1/3", "2/3"]] }]'
    )
    assert observed.observations == (("u", "v"),)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "observe = 3", "observe must be None, .*; got 3"),
        (HEAD + 'observe = ["mine", "all"]', r"observe\[0\] must be None, .*; got 'mine'"),
        (HEAD + 'initial = "1/2"', 'initial must be "uniform"'),
        (HEAD + 'initial = { aa = "q" }', r"iterated.initial\['aa'\] uses the undeclared symbol q"),
        (HEAD + 'implementation_noise = "q"', "iterated.implementation_noise uses the undeclared symbol q"),
        (HEAD + 'observation_noise = [0, "q"]', r"iterated.observation_noise\[1\] uses the undeclared symbol q"),
        (HEAD + "noise = 1", "iterated may have the keys .*; got 'noise'"),
        (HEAD + "[stochastic]", 'neither "losses" nor "iterated"'),
        (ONE, "stochastic must have a discount"),
        (ONE + "discount = 0", "stochastic must have transitions"),
        (ONE + "discount = 0\ntransitions = 3", r"branches must hold one entry per state \(1\); got 3"),
        (ONE + 'discount = 0\ntransitions = [["s1", { s1 = "q" }]]', r"stochastic.transitions\[0\]\[1\]\['s1'\] uses"),
        (ONE + 'discount = 0\ntransitions = [[["q"], [1]]]', r"stochastic.transitions\[0\]\[0\]\[0\] uses"),
        (ONE + 'discount = 0\ntransitions = [["s1", "s1"]]\nobserve = [{ labels = ["x"] }]', "labels and rows"),
        (
            ONE + 'discount = 0\ntransitions = [["s1", "s1"]]\nobserve = [{ labels = "x", rows = 1 }]',
            r"stochastic.observe\[0\] must have arrays of labels and rows",
        ),
        (
            ONE + 'discount = 0\ntransitions = [["s1", "s1"]]\nobserve = [{ label = "x", rows = 1 }]',
            r"stochastic.observe\[0\] may have the keys labels, rows; got 'label'",
        ),
        (ONE + "discount = 0\nstart = 1", "stochastic may have the keys .*; got 'start'"),
        ("stochastic = 3\npayoffs = [[[1]]]", "stochastic must be a table; got 3"),
        ("payoffs = [", "Invalid value"),
        ("actions = 3\npayoffs = [[1]]", "actions must be a list or tuple"),
    ],
)  # fmt: skip
def test_text_errors_name_the_field(text, message):
    with pytest.raises(ValueError, match=message):
        from_text(text)


def test_text_needs_text_and_games():
    with pytest.raises(TypeError, match="text must be a string; got 3"):
        from_text(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(
        TypeError, match="game must be a NormalForm, an IteratedGame, a StochasticGame or a Diff"
    ):
        to_text(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="symbols must be named by letters"):
        to_text(PD.iterated(sympy.Symbol("p_{CC}")))


# Size


@pytest.mark.parametrize(
    ("shape", "memory"), [((2, 2), 5), ((4, 4, 4, 4), 1), ((32, 32), 1)], ids=str
)
def test_large_games_are_cheap(shape, memory):
    payoffs = np.random.default_rng(0).integers(-9, 9, (len(shape), *shape))
    begin = time.process_time()
    game = NormalForm(payoffs).iterated("24/25", memory)
    for each in (game, game.as_stochastic()):
        _ = (
            each.branches,
            each.rewards,
            each.readings,
            each.observations,
            each.symbols,
            hash(each),
        )
    assert time.process_time() - begin < 1  # measured: 0.1 s
    # Rows that say the same are the same object.
    assert len({id(row) for row in game.rewards[0]}) == 1
    assert (
        len({id(row) for row in game.branches}) == game.num_states // len(game.joint_actions)
        or memory == 1
    )
