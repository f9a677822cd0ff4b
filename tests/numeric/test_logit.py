"""Quantal responses against their defining equations in NumPy, closed forms and mpmath."""

# NumPy arrays, wrong arguments on purpose, and what a test knows not to be None.
# pyright: reportArgumentType=false

import json
from fractions import Fraction
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from resolvent.games import NormalForm, StochasticGame
from resolvent.numeric import (
    RATIONALITY,
    estimate_rationality,
    logit_branch,
    logit_equilibrium,
    logit_trace,
)
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.equilibrium.continuation import PATHS, DenseNewton
from resolvent.numeric.equilibrium.logit_system import BlockLogit, LogitProblem, logit_residual

CASES = {
    own["id"]: own
    for own in json.loads(
        (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
    )["cases"]
}


def bimatrix(case):
    return NormalForm([case["data"]["A"], case["data"]["B"]])


STAG_HUNT = bimatrix(CASES["stag_hunt_qre_principal_branch"])
CONST_SUM = bimatrix(CASES["gambit_const_sum_qre"])


def random_game(rng, *counts):
    return NormalForm(rng.integers(0, 1000, (len(counts), *counts)).tolist())


def advantages(game, policies):
    """What each action pays, per player, by sums over all joint actions."""
    found = []
    for player, payoffs in enumerate(game.payoffs):
        table = np.array(payoffs, dtype=float)
        worth = np.zeros(table.shape[player])
        for joint in np.ndindex(table.shape):
            chance = np.prod([policies[j][joint[j]] for j in range(len(policies)) if j != player])
            worth[joint[player]] += chance * table[joint]
        found.append(worth)
    return found


# At a given rationality ----------------------------------------------------------------------


def test_stag_hunt_branch_of_the_data_file():
    values = CASES["stag_hunt_qre_principal_branch"]["expected"]["p_stag_by_lambda"]
    for rationality in ("0.1", "0.5"):
        found = logit_equilibrium(STAG_HUNT, float(rationality))
        assert found.successful
        assert abs(found.policies[0][0, 0] - float(values[rationality])) < 1e-14


@pytest.mark.parametrize("rationality", [1, 2, 5])
def test_stag_hunt_branch_by_mpmath(rationality):
    with mpmath.workdps(30):
        # logit p = lambda (6 p - 4), the root that goes to hare
        p = mpmath.findroot(
            lambda x: x - rationality * (6 / (1 + mpmath.exp(-x)) - 4), -4 * rationality
        )
        p = 1 / (1 + mpmath.exp(-p))
    for own in logit_equilibrium(STAG_HUNT, rationality).policies:
        assert abs(own[0, 0] / float(p) - 1) < 1e-12


@pytest.mark.parametrize("rationality", ["1", "2", "3"])
def test_gambits_constant_sum_game(rationality):
    expected = CASES["gambit_const_sum_qre"]["expected"]["p_q_first_strategy_by_lambda"]
    found = logit_equilibrium(CONST_SUM, float(rationality))
    played = [own[0, 0] for own in found.policies]
    np.testing.assert_allclose(played, [float(p) for p in expected[rationality]], rtol=1e-12)
    assert found.residual < 1e-14
    assert "lambda = " in str(found)


def mckelvey_mclennan():
    table = np.zeros((3, 2, 2, 2))
    for k, payoffs in enumerate(CASES["mckelvey_mclennan_2x2x2"]["data"]["payoffs_nfg_order"]):
        table[:, k % 2, k // 2 % 2, k // 4] = payoffs
    return NormalForm(table.tolist())


def test_mckelvey_mclennan_branch_in_closed_form_past_its_bifurcation():
    game = mckelvey_mclennan()
    branch = logit_branch(game)
    first, second, third = (own[:, 0, 0] for own in branch.policies)
    np.testing.assert_allclose(first, 0.5, atol=1e-9)
    np.testing.assert_allclose(second, 0.5, atol=1e-9)
    np.testing.assert_allclose(third, 1 / (1 + np.exp(-branch.rationality / 2)), atol=1e-8)
    # Other branches leave from this one, and that is said.
    assert branch.path.reversals > 0
    assert "other branches cross" in str(branch)
    assert branch.successful
    late = logit_equilibrium(game, 5.0)
    assert abs(late.policies[2][0, 0] - 1 / (1 + np.exp(-2.5))) < 1e-12


@pytest.mark.parametrize("counts", [(2, 2), (2, 2, 2)], ids=str)
def test_random_games_satisfy_the_definition(counts):
    game = random_game(np.random.default_rng(5), *counts)
    found = logit_equilibrium(game, 0.01)
    policies = [own[0] for own in found.policies]
    for own, worth in zip(policies, advantages(game, policies), strict=True):
        np.testing.assert_allclose(
            np.log(own / own[0]), 0.01 * (worth - worth[0]), rtol=1e-9, atol=1e-10
        )


def test_a_prior_is_where_the_branch_begins_and_what_odds_are_relative_to():
    prior = [[0.2, 0.8], [0.7, 0.3]]
    branch = logit_branch(CONST_SUM, prior=prior)
    assert branch.rationality[0] == 0
    np.testing.assert_allclose([own[0, 0] for own in branch.policies], prior)
    found = logit_equilibrium(CONST_SUM, 2.0, prior=prior)
    policies = [own[0] for own in found.policies]
    for own, start, worth in zip(policies, prior, advantages(CONST_SUM, policies), strict=True):
        odds = np.log(own[1] / own[0]) - np.log(start[1] / start[0])
        assert abs(odds - 2 * (worth[1] - worth[0])) < 1e-13


def test_units_change_lambda_and_nothing_else():
    scaled = NormalForm((1e6 * np.array(CONST_SUM.payoffs, dtype=float) - 7).tolist())
    one, other = logit_branch(CONST_SUM), logit_branch(scaled)
    np.testing.assert_allclose(other.rationality * 1e6, one.rationality, rtol=1e-9)
    np.testing.assert_allclose(other.policies[0], one.policies[0], atol=1e-12)
    far = NormalForm([np.array(CONST_SUM.payoffs[0]) * 100, CONST_SUM.payoffs[1]])
    assert logit_trace(far).found


# Several states ------------------------------------------------------------------------------


def random_chances(rng, *shape):
    """Rows of fractions that sum to one."""
    weights = rng.integers(1, 5, shape)
    totals = weights.sum(axis=-1)
    chances = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        chances[index] = Fraction(int(weights[index]), int(totals[index[:-1]]))
    return chances


def test_where_nothing_depends_on_the_state_neither_does_the_response():
    # As in iterated games; a round is worth 1 - g of what is played for.
    rng = np.random.default_rng(7)
    payoffs = rng.integers(0, 10, (2, 2, 3))
    moves = random_chances(rng, 2, 3, 2)
    game = StochasticGame(
        np.stack([payoffs] * 2, axis=1).tolist(), np.stack([moves] * 2).tolist(), "4/5"
    )
    stage = NormalForm(payoffs.tolist())
    found = logit_equilibrium(game, 5.0)
    rows = [policy[0] for policy in found.policies]
    for policy, row, worth in zip(found.policies, rows, advantages(stage, rows), strict=True):
        np.testing.assert_allclose(policy, np.broadcast_to(row, policy.shape), atol=1e-13)
        np.testing.assert_allclose(np.log(row / row[0]), worth - worth[0], atol=1e-10)


def test_a_stochastic_game_satisfies_the_definition():
    rng = np.random.default_rng(3)
    payoffs = rng.integers(0, 10, (2, 2, 2, 3))
    chances = random_chances(rng, 2, 2, 3, 2)
    game = StochasticGame(payoffs.tolist(), chances.tolist(), "9/10")
    found = logit_equilibrium(game, 3.0)
    first, second = found.policies
    dense = chances.astype(float)
    chain = np.einsum("sa,sb,sabt->st", first, second, dense)
    for player, (own, others) in enumerate([(first, "sb,sab->sa"), (second, "sa,sab->sb")]):
        other = second if player == 0 else first
        now = np.einsum("sa,sb,sab->s", first, second, payoffs[player])
        values = np.linalg.solve(np.eye(2) - 0.9 * chain, now)
        worth = np.einsum(others, other, payoffs[player] + 0.9 * dense @ values)
        # Of discounted sums lambda is smaller by 1 - g.
        odds = np.log(own / own[:, :1])
        np.testing.assert_allclose(odds, 3.0 * 0.1 * (worth - worth[:, :1]), rtol=1e-9, atol=1e-11)


# The branch ----------------------------------------------------------------------------------


def random_arrays(states, players, actions):
    rng = np.random.default_rng(states)
    joint = (actions,) * players
    moves = rng.exponential(size=(states, *joint, states))
    return GameArrays(
        jnp.asarray(rng.uniform(size=(players, states, *joint))),
        jnp.asarray(moves / moves.sum(axis=-1, keepdims=True)),
        None,
        jnp.linspace(0.5, 0.95, players),
        jnp.full(states, 1 / states),
    )


def test_steps_by_states_agree_with_automatic_differentiation():
    arrays = random_arrays(3, 3, 2)
    prior = tuple(jnp.log(jnp.full((3, 2), 0.5)) for _ in range(3))
    problem = LogitProblem(arrays, prior, jnp.ones(3), jnp.asarray(0.0))
    y = jnp.asarray(np.append(-np.random.default_rng(0).uniform(0.2, 1.5, 18), 1.3))
    row = jnp.asarray(np.random.default_rng(1).normal(size=19))
    found = jax.jit(BlockLogit())(y, problem, row)
    # Derivatives of the residual times cosh(z), a scale of rows that has no derivative in it.
    wanted = jax.jit(DenseNewton(logit_residual))(y, problem, row)
    np.testing.assert_allclose(found.correction, wanted.correction, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found.direction, wanted.direction, rtol=1e-9, atol=1e-10)


def test_folds_in_closed_form():
    # Three players, two actions; with k others at the first, it is better by d_k: at p, by (p - 0.7)^2 + 0.002,
    # so that lambda(p) = logit(p) / ((p - 0.7)^2 + 0.002) rises, falls and rises again.
    gains = [0.492, -0.208, 0.092]
    table = np.zeros((3, 2, 2, 2))
    for joint in np.ndindex(2, 2, 2):
        for player in range(3):
            if joint[player] == 0:
                others = [own for j, own in enumerate(joint) if j != player]
                table[(player, *joint)] = gains[others.count(0)]
    game = NormalForm(table.tolist())

    def rationality(p):
        return mpmath.log(p / (1 - p)) / ((p - 0.7) ** 2 + 0.002)

    with mpmath.workdps(40):
        folds = [
            mpmath.findroot(lambda p: mpmath.diff(rationality, p), ends, solver="anderson")
            for ends in [(0.69, 0.72), (0.94, 0.97)]
        ]
    branch = logit_branch(game)
    assert branch.successful
    assert len(branch.path.turning_points) == 2
    np.testing.assert_allclose(
        branch.turning_points, [float(rationality(p)) for p in folds], rtol=1e-9
    )
    played = branch.policies[0][1:, 0, 0]
    np.testing.assert_allclose(
        branch.rationality[1:], [float(rationality(p)) for p in played], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("counts", "games"),
    [
        ((2, 2), 20),
        pytest.param((5, 5), 200, marks=pytest.mark.slow),
        pytest.param((3, 3, 3), 200, marks=pytest.mark.slow),
        pytest.param((20, 20), 20, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_random_game_is_followed_to_an_equilibrium(counts, games):
    rng = np.random.default_rng(11)
    for _ in range(games):
        game = random_game(rng, *counts)
        found = logit_trace(game)
        assert found.path.status == PATHS.successful
        assert found.found
        assert found.regret.nash <= 1e-10


def test_regrets_fall_below_the_tolerance_at_the_end():
    branch = logit_branch(STAG_HUNT, tolerance=1e-4)
    assert branch.regrets[-1] <= 1e-4 < branch.regrets[-2]


def test_plots():
    pytest.importorskip("matplotlib").use("Agg")
    branch = logit_branch(CONST_SUM)
    assert len(branch.plot().lines) == 2
    estimate = estimate_rationality(CONST_SUM, [[6, 4], [6, 4]])
    assert estimate.plot().get_ylabel() == "log-likelihood"


# Data ----------------------------------------------------------------------------------------

# What each player gets does not depend on the other: two logistic curves of slopes 2 and 1.
APART = NormalForm([[[2, 2], [0, 0]], [[1, 0], [1, 0]]])


def test_logistic_regression_in_closed_form():
    counts, slopes = np.array([[70, 30], [66, 34]]), np.array([2.0, 1.0])

    def score(rationality):
        return sum(
            d * (n[0] - n.sum() / (1 + mpmath.exp(-rationality * d)))
            for d, n in zip(slopes, counts, strict=True)
        )

    best = float(mpmath.findroot(score, 0.5))
    found = estimate_rationality(APART, counts)
    assert found.status == RATIONALITY.interior
    assert abs(found.rationality - best) < 1e-11
    assert abs(found.derivative) < 1e-9
    chance = 1 / (1 + np.exp(-best * slopes))
    information = (counts.sum(1) * slopes**2 * chance * (1 - chance)).sum()
    assert abs(found.standard_error * np.sqrt(information) - 1) < 1e-10
    likely = (counts * np.log(np.stack([chance, 1 - chance], axis=1))).sum()
    assert abs(found.log_likelihood - likely) < 1e-9
    likelihoods, slopes_found = found.branch.log_likelihood(counts)
    expected = [float(score(own)) for own in found.branch.rationality]
    np.testing.assert_allclose(slopes_found, expected, rtol=1e-9, atol=1e-9)
    assert likelihoods.max() <= found.log_likelihood


def test_derivatives_agree_with_differences_of_responses():
    counts = [[60, 40], [58, 42]]
    branch = logit_branch(CONST_SUM)
    _, slopes = branch.log_likelihood(counts)
    for k in (3, 6):
        ends = []
        for step in (-1e-4, 1e-4):
            at = logit_equilibrium(CONST_SUM, branch.rationality[k] + step)
            ends.append(
                sum(
                    (np.array(n) * np.log(own)).sum()
                    for n, own in zip(counts, at.policies, strict=True)
                )
            )
        assert abs(slopes[k] - (ends[1] - ends[0]) / 2e-4) < 1e-5


@pytest.mark.parametrize("rationality", [0.3, 2.5])
def test_frequencies_of_a_response_give_its_rationality(rationality):
    response = logit_equilibrium(CONST_SUM, rationality)
    found = estimate_rationality(CONST_SUM, response.policies)
    assert abs(found.rationality - rationality) < 1e-8
    assert "standard error" in str(found)


def test_the_ends_of_the_branch():
    none = estimate_rationality(APART, [[30, 70], [40, 60]])
    assert none.status == RATIONALITY.none
    assert none.rationality == 0
    assert none.derivative < 0
    assert abs(none.log_likelihood - 200 * np.log(0.5)) < 1e-12
    full = estimate_rationality(APART, [[9, 0], [9, 0]])
    assert full.status == RATIONALITY.full
    assert full.standard_error is None


# What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: logit_equilibrium(STAG_HUNT, -1), "rationality: expected a number from 0 up"),
        (lambda: logit_equilibrium(STAG_HUNT, float("inf")), "rationality"),
        (lambda: logit_branch(STAG_HUNT, tolerance=0), "tolerance"),
        (lambda: logit_branch(STAG_HUNT, prior=[[1, 0], [0.5, 0.5]]), r"prior\[0\]: expected pos"),
        (lambda: logit_branch(STAG_HUNT, prior=[[0.5, 0.6], [0.5, 0.5]]), r"prior\[0\]"),
        (lambda: estimate_rationality(STAG_HUNT, [[1, 2]]), "counts: expected one array"),
        (lambda: estimate_rationality(STAG_HUNT, [[1, 2, 3], [1, 2]]), r"counts\[0\]: expected sh"),
        (lambda: estimate_rationality(STAG_HUNT, [[1, -2], [1, 2]]), r"counts\[0\]: expected num"),
        (lambda: estimate_rationality(STAG_HUNT, [[0, 0], [0, 0]]), "at least one observation"),
    ],
    ids=range(9),
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_degenerate_games():
    nothing = NormalForm([[[3, 3], [3, 3]], [[1, 1], [1, 1]]])
    assert logit_trace(nothing).found
    alone = NormalForm([[[1], [2]], [[5], [5]]])
    found = logit_branch(alone)
    assert found.successful
    np.testing.assert_allclose(found.policies[0][-1], [[0, 1]], atol=1e-5)
