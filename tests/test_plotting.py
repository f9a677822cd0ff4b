"""Figures: what is on the axes."""

import jax
import numpy as np
import pytest

from resolvent import plotting
from resolvent.analytic import closed_form
from resolvent.games import StochasticGame, coordination, prisoners_dilemma
from resolvent.numeric import ValueFunction
from resolvent.numeric.learners import Naive
from resolvent.numeric.learning import learn

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def no_windows():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def run_of(game, normalise):
    values = closed_form(game.iterated("9/10"), normalise).compile()
    return learn(values, Naive(0.1), jax.random.key(0), 2, batch=3, record="values")


def corners_of(ax):
    return {(round(x, 9), round(y, 9)) for x, y in ax.patches[0].get_path().vertices.tolist()}


@pytest.mark.parametrize("normalise", ["average", "sum"])
def test_payoffs_are_per_round_and_in_the_feasible_polygon(normalise):
    run = run_of(prisoners_dilemma(), normalise)
    ax = pyplot.subplots()[1]
    assert plotting.payoffs(run, ax) is ax
    assert corners_of(ax) == {(-1, -1), (-3, 0), (0, -3), (-2, -2)}
    drawn = np.asarray(ax.collections[0].get_offsets())
    per_round = run.values * (0.1 if normalise == "sum" else 1)
    assert drawn == pytest.approx(per_round)
    assert ax.patches[0].get_path().contains_points(drawn).all()
    assert np.asarray(ax.collections[1].get_offsets())[0] == pytest.approx(per_round.mean(0))


def test_payoffs_on_a_line_have_a_segment():
    ax = plotting.payoffs(run_of(coordination(), "average"))
    assert corners_of(ax) == {(0, 0), (2, 2)}


def test_payoffs_by_state_and_discounts_of_their_own():
    """The polygon is of all payoffs in all states; sums are scaled by each player's own discount."""
    game = StochasticGame(
        payoffs=[[[[1, 3], [1, 1]], [[0, 0], [0, 0]]], [[[1, 2], [1, 1]], [[0, 5], [0, 0]]]],
        transitions=[[[[0, 1], [1, 0]], [[0, 1], [0, 1]]], [[[1, 0], [0, 1]], [[1, 0], [1, 0]]]],
        discount=["1/2", "9/10"],
    )
    values = closed_form(game, "sum").compile()
    run = learn(values, Naive(0.1), jax.random.key(0), 2, batch=3)
    ax = plotting.payoffs(run)
    assert corners_of(ax) == {(0, 0), (0, 5), (3, 2)}
    drawn = np.asarray(ax.collections[0].get_offsets())
    assert drawn == pytest.approx(run.values * [0.5, 0.1])
    assert ax.patches[0].get_path().contains_points(drawn).all()


def test_overview_draws_the_values_and_the_payoffs():
    figure = plotting.overview(run_of(prisoners_dilemma(), "average"))
    assert len(figure.axes) == 2


def test_what_has_no_stage_payoffs_is_refused():
    wrapped = ValueFunction.wrap(lambda params: -(params[0] ** 2).sum(keepdims=True), [(2,)])
    run = learn(wrapped, Naive(0.1), (np.ones(2),), 2)
    with pytest.raises(ValueError, match="wrapped function has no stage payoffs"):
        plotting.payoffs(run)
    assert len(plotting.overview(run).axes) == 1
    with pytest.raises(ValueError, match="two different players"):
        plotting.payoffs(run_of(prisoners_dilemma(), "average"), players=(0, 0))
