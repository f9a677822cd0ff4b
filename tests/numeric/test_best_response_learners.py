"""Best-response dynamics and fictitious play, against the classical processes in NumPy and nashpy, and brute force."""

# NumPy arrays, wrong arguments on purpose, and what a test knows not to be None.
# pyright: reportOptionalSubscript=false

import itertools

import jax
import jax.numpy as jnp
import nashpy
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import (
    NormalForm,
    matching_pennies,
    prisoners_dilemma,
    rock_paper_scissors,
)
from resolvent.numeric import RESULTS, ValueFunction, best_response, learn, occupancy
from resolvent.numeric.learners import BestResponseDynamics, FictitiousPlay

SHAPLEY = NormalForm(
    [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]], name="Shapley"
)
ONE_SHOT = {
    "pennies": matching_pennies(),
    "scissors": rock_paper_scissors(),
    "shapley": SHAPLEY,
}
# Irrational, so that no two actions are ever equally good.
STARTS = {
    2: ([0.3 + np.sqrt(2) / 100, 0.7 - np.sqrt(2) / 100], [0.6 + np.pi / 100, 0.4 - np.pi / 100]),
    3: (
        [0.2 + np.sqrt(2) / 100, 0.3, 0.5 - np.sqrt(2) / 100],
        [0.4 + np.pi / 100, 0.35, 0.25 - np.pi / 100],
    ),
}


def one_shot(name, parameters):
    game = ONE_SHOT[name]
    values = closed_form(game.iterated(0, memory=0)).compile(parameters, backend="tensor")
    first, second = (np.array(own, float) for own in game.payoffs)
    return values, first, second, STARTS[len(first)]


def classical(first, second, start, steps, share):
    """`share(t)` of the way to the best replies to each other's mixed actions, t from 1."""
    x, y = (np.array(own) for own in start)
    path = [(x, y)]
    for t in range(1, steps + 1):
        best_x = np.eye(len(x))[np.argmax(first @ y)]
        best_y = np.eye(len(y))[np.argmax(x @ second)]
        x, y = x + share(t) * (best_x - x), y + share(t) * (best_y - y)
        path.append((x, y))
    return path


@pytest.mark.parametrize("parameters", ["logits", "policies"])
@pytest.mark.parametrize("name", ONE_SHOT)
def test_one_shot_games(name, parameters):
    values, first, second, start = one_shot(name, parameters)
    params = values.parameters([[own] for own in start])
    rules = [
        (FictitiousPlay(), lambda t: 1 / (t + 1)),
        (FictitiousPlay(2.0, 3.0), lambda t: 2 / (t + 3)),
    ]
    for rule, share in rules:
        run = learn(values, rule, params, 40, record="policies")
        path = classical(first, second, start, 40, share)
        for player in range(2):
            got = run.history["policies"][player][:, 0]
            np.testing.assert_allclose(got, [own[player] for own in path], rtol=0, atol=1e-12)


def test_fictitious_play_is_that_of_nashpy():
    """With the start as the first counts, one round of them."""
    values, first, second, start = one_shot("shapley", "policies")
    run = learn(values, FictitiousPlay(), values.parameters([[s] for s in start]), 60)
    game = nashpy.Game(first, second)
    *_, counts = game.fictitious_play(60, play_counts=[np.array(own) for own in start])
    for player in range(2):
        want = counts[player] / counts[player].sum()
        np.testing.assert_allclose(run.policies[player][0], want, rtol=1e-10)


def test_fictitious_play_of_pennies_comes_to_its_equilibrium():
    """Robinson (1951): in zero-sum games the averages approach an equilibrium. In Shapley's they do not."""
    values, _, _, start = one_shot("pennies", "logits")
    run = learn(values, FictitiousPlay(), values.parameters([[s] for s in start]), 4000)
    np.testing.assert_allclose(run.policies[0], 0.5, atol=0.03)
    values, _, _, start = one_shot("shapley", "logits")
    rule = FictitiousPlay()
    run = learn(
        values, rule, values.parameters([[s] for s in start]), 4000, record="policies", every=10
    )
    assert np.abs(run.history["policies"][0][100:] - 1 / 3).max() > 0.1


# Games with states -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dilemma():
    game = prisoners_dilemma().iterated("9/10")
    return {
        parameters: closed_form(game, "sum").compile(parameters, backend="tensor")
        for parameters in ("logits", "policies")
    }


def deterministic(values):
    """Every deterministic policy of two actions."""
    for choice in itertools.product([0.0, 1.0], repeat=values.shapes[0][0]):
        yield np.stack([choice, 1 - np.array(choice)], axis=1)


def policies_at(values, key):
    return values.policies(tuple(jax.random.normal(key, (2, 5, 1))))


def test_a_step_is_towards_the_best_of_all_policies(dilemma):
    """By brute force over the 32 deterministic ones; the same step in logits and in probabilities."""
    values = dilemma["policies"]
    policies = policies_at(dilemma["logits"], jax.random.key(1))
    worth = jax.jit(lambda own: values((own, policies[1][:, :-1]))[0])
    best = max(deterministic(values), key=lambda own: float(worth(jnp.asarray(own[:, :-1]))))
    value = float(worth(jnp.asarray(best[:, :-1])))
    for parameters, own in dilemma.items():
        start = own.parameters(policies)
        run = learn(own, BestResponseDynamics(0.3), start, 1, record="info")
        moved = 0.7 * policies[0] + 0.3 * best
        np.testing.assert_allclose(run.policies[0], moved, rtol=1e-12, err_msg=parameters)
        info = run.history["info"][0]
        now = float(values((policies[0][:, :-1], policies[1][:, :-1]))[0])
        np.testing.assert_allclose(info["regret"][0], value - now, rtol=1e-10)
        assert info["gap"].max() < 1e-10
        np.testing.assert_allclose(info["distance"][0], np.abs(best - policies[0]).max())


def test_whole_steps_are_best_replies_in_turn(dilemma):
    """Against anybody who defects in every state, the best response is to defect in every state."""
    values = dilemma["policies"]
    start = (np.zeros((5, 1)), np.full((5, 1), 0.4))
    run = learn(values, BestResponseDynamics(1.0), start, 2)
    np.testing.assert_array_equal(run.params[1], 0)
    assert run.status == RESULTS.successful


def test_probabilities_that_underflow_keep_their_logits(dilemma):
    values = dilemma["logits"]
    run = learn(values, BestResponseDynamics(0.9), jax.random.key(0), 500)
    assert run.status == RESULTS.successful
    assert min(own.min() for own in run.params) < -1000


def test_averages_by_occupancy_are_worth_the_average(dilemma):
    """Against the present others, shares of time and values are linear in the share of the way."""
    values, probabilities = dilemma["logits"], dilemma["policies"]
    policies = policies_at(values, jax.random.key(3))
    start, others = values.parameters(policies), probabilities.parameters(policies)
    run = learn(values, FictitiousPlay(0.5, 1.0, "occupancy"), start, 1, record="info")
    info = run.history["info"][0]
    assert float(info["step"][0]) == 0.25
    moved = (run.params[0], start[1])
    gain = float(values(moved)[0] - values(start)[0])
    np.testing.assert_allclose(gain, 0.25 * info["regret"][0], rtol=1e-9)
    best = best_response(probabilities, others, 0).policy[:, :-1]
    shares = [occupancy(probabilities, (own, others[1])) for own in (others[0], best)]
    np.testing.assert_allclose(
        occupancy(values, moved), 0.75 * shares[0] + 0.25 * shares[1], rtol=1e-9
    )
    by_states = 0.75 * policies[0][:, :-1] + 0.25 * best
    assert np.abs(by_states - run.policies[0][:, :-1]).max() > 1e-3


def test_batches_and_other_seats(dilemma):
    """Each run is by itself, by the one kernel as by the other; the rules meet each other."""
    values = closed_form(prisoners_dilemma().iterated("9/10"), "sum").compile(backend="program")
    rules = [FictitiousPlay(weights="occupancy"), BestResponseDynamics(0.2)]
    starts = tuple(jax.random.normal(jax.random.key(5), (2, 3, 5, 1)))
    run = learn(values, rules, starts, 6)
    for k in range(3):
        alone = learn(dilemma["logits"], rules, tuple(own[k] for own in starts), 6)
        for player in range(2):
            np.testing.assert_allclose(run.params[player][k], alone.params[player], rtol=1e-10)


# What is refused ---------------------------------------------------------------------------------

LOSSY = ValueFunction.wrap(lambda p: -jnp.stack([p[0] ** 2, p[1] ** 2]), [(), ()])


@pytest.mark.parametrize("rule", [BestResponseDynamics(0.5), FictitiousPlay()], ids=["br", "fp"])
def test_games_that_have_no_best_responses(rule):
    with pytest.raises(ValueError, match="a user's own function has neither; use a rule of grad"):
        learn(LOSSY, rule, (1.0, 1.0), 1)
    blind = closed_form(prisoners_dilemma().iterated("1/2", observe="reactive")).compile()
    with pytest.raises(ValueError, match="expects that player 0 sees the state.*such as Naive"):
        learn(blind, rule, jax.random.key(0), 1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (BestResponseDynamics(1.0), "rate: expected a number below 1 where policies are given by"),
        (FictitiousPlay(1.0, 0.0), r"prior: expected that rate / \(1 \+ prior\) is below 1 where"),
    ],
    ids=["best_response", "fictitious_play"],
)
def test_whole_steps_have_no_logits(rule, message, dilemma):
    with pytest.raises(ValueError, match=message):
        learn(dilemma["logits"], rule, jax.random.key(0), 1)
    start = (np.full((5, 1), 0.5), np.full((5, 1), 0.4))
    assert learn(dilemma["policies"], rule, start, 1).status == RESULTS.successful


def test_hyper_parameters():
    with pytest.raises(ValueError, match="no number above 1, got 1.5"):
        BestResponseDynamics(1.5)
    with pytest.raises(ValueError, match="no number below 0"):
        BestResponseDynamics(-0.5)
    with pytest.raises(ValueError, match="rate: expected at most 1 [+] prior = 2.0, got 3.0"):
        FictitiousPlay(3.0)
    with pytest.raises(ValueError, match="weights: expected one of"):
        FictitiousPlay(weights="time")  # pyright: ignore[reportArgumentType]
    assert repr(FictitiousPlay()) == "FictitiousPlay(rate=1.0, prior=1.0, weights='states')"
