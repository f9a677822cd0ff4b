"""Occupancies, Q-values, advantages and best responses against exact rationals and enumeration."""

from fractions import Fraction
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import (
    NormalForm,
    always,
    grim,
    prisoners_dilemma,
    rock_paper_scissors,
    tit_for_tat,
)
from resolvent.numeric import (
    ValueFunction,
    advantages,
    best_response,
    occupancy,
    outcomes,
    q_values,
)

SHAPES = [(2, 2), (2, 3), (2, 2, 2)]


def random_game(actions, seed, discount="24/25"):
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-5, 6, size=(len(actions), *actions))
    return NormalForm(payoffs.tolist()).iterated(discount)


def random_policies(game, seed):
    """Exact policies of small denominators."""
    rng = np.random.default_rng(seed)
    joint = []
    for count in game.num_actions:
        weights = rng.integers(1, 9, size=(game.num_states, count)).tolist()
        joint.append([[Fraction(w, sum(row)) for w in row] for row in weights])
    return joint


def floats(policies):
    return [np.array(own, dtype=float) for own in policies]


def brute_occupancy(game, policies, rounds=3000):
    """Sum over rounds of the distribution of states; the tail is below 1e-50."""
    g = float(game.discount)
    now = np.eye(game.num_states)[0]
    total = np.zeros(game.num_states)
    joint = policies[0]
    for own in policies[1:]:
        joint = np.einsum("sa,sb->sab", joint, own).reshape(game.num_states, -1)
    for t in range(rounds):
        total += (1 - g) * g**t * now
        after = np.zeros(game.num_states)
        np.add.at(after, np.array(game.successors), joint * now[:, None])
        now = after
    return total, total @ joint


@pytest.mark.parametrize("normalise", ["average", "sum"])
@pytest.mark.parametrize("actions", SHAPES, ids=str)
def test_against_enumeration_and_rationals(actions, normalise):
    game = random_game(actions, 1)
    policies = random_policies(game, 2)
    form = closed_form(game, normalise)
    values = form.compile()
    params = values.parameters(floats(policies))

    states, joint = brute_occupancy(game, floats(policies))
    np.testing.assert_allclose(occupancy(values, params), states, rtol=1e-11)
    np.testing.assert_allclose(outcomes(values, params), joint, rtol=1e-11)

    # What joint actions pay, weighted by how often they are played, is the value.
    payoffs = np.array([game.stage.payoff(a) for a in game.stage.joint_actions], dtype=float)
    unit = 1 if normalise == "average" else 25
    np.testing.assert_allclose(joint @ payoffs * unit, values(params), rtol=1e-11)

    for player in range(game.num_players):
        exact = np.array(form.q_values(policies, player), dtype=float)
        np.testing.assert_allclose(q_values(values, params, player), exact, rtol=1e-12)
        own = floats(policies)[player]
        gaps = exact - (own * exact).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(advantages(values, params, player), gaps, rtol=1e-9, atol=1e-12)


def test_advantages_keep_their_digits_near_one():
    """Q-values of 1 - g = 1e-9 agree in nine digits; advantages do not come from their difference."""
    game = prisoners_dilemma().iterated(1 - Fraction(1, 10**9))
    policies = random_policies(game, 3)
    form = closed_form(game, "sum")
    values = form.compile()
    exact = form.q_values(policies, 0)
    gaps = [
        [float(q - sum(p * other for p, other in zip(row, line, strict=True))) for q in line]
        for row, line in zip(policies[0], exact, strict=True)
    ]
    params = values.parameters(floats(policies))
    np.testing.assert_allclose(advantages(values, params, 0), gaps, rtol=1e-12)


@pytest.mark.parametrize("actions", [(2, 2), (2, 3)], ids=str)
@pytest.mark.parametrize("player", [0, 1])
def test_best_response_is_the_best_of_all(actions, player):
    """Against every deterministic policy, evaluated exactly."""
    game = random_game(actions, 4)
    policies = random_policies(game, 5)
    form = closed_form(game)
    count = actions[player]
    pure = [tuple(Fraction(a == k) for a in range(count)) for k in range(count)]
    best = max(
        form.evaluate([rows if k == player else own for k, own in enumerate(policies)])[player]
        for rows in product(pure, repeat=game.num_states)
    )
    values = form.compile()
    found = best_response(values, values.parameters(floats(policies)), player)
    np.testing.assert_allclose(found.value, float(best), rtol=1e-12)
    own = float(form.evaluate(policies)[player])
    np.testing.assert_allclose(found.regret, float(best) - own, rtol=1e-9)
    assert found.gap <= 1e-12
    assert "best response of player" in str(found)


def test_known_best_responses():
    """Against grim at g = 24/25 cooperate for ever; against always-defect defect: worked by hand."""
    game = prisoners_dilemma().iterated("24/25")
    values = closed_form(game, "sum").compile()
    params = values.parameters(floats([tit_for_tat(game, 0), grim(game, 1)]))
    found = best_response(values, params, 0)
    assert found.value == pytest.approx(-25, rel=1e-12)  # -1 in each round
    assert found.policy[0, 0] == found.policy[1, 0] == 1  # C at the start and after CC
    params = values.parameters(floats([tit_for_tat(game, 0), always(game, 1, "D")]))
    found = best_response(values, params, 0)
    assert found.value == pytest.approx(-50, rel=1e-12)  # -2 in each round
    assert found.regret == pytest.approx(1, rel=1e-12)  # tit for tat pays 3 once instead of 2


def test_value_of_a_best_response_is_differentiable():
    """Envelope theorem: its gradient in the other's parameters is that of the value at the response."""
    game = random_game((2, 2), 6)
    values = closed_form(game).compile("policies")
    params = values.parameters(floats(random_policies(game, 7)))
    gradient = jax.grad(lambda own: best_response(values, (params[0], own), 0).value)(params[1])
    step = 1e-6
    for state in range(game.num_states):
        bump = np.zeros((game.num_states, 1))
        bump[state] = step
        up, down = (
            best_response(values, (params[0], params[1] + sign * bump), 0).value for sign in (1, -1)
        )
        assert gradient[state, 0] == pytest.approx(
            float(up - down) / (2 * step), rel=1e-6, abs=1e-9
        )


def test_batches():
    game = random_game((2, 2), 8)
    values = closed_form(game).compile()
    joint = [values.parameters(floats(random_policies(game, seed))) for seed in range(3)]
    stacked = jax.tree.map(lambda *own: jnp.stack(own), *joint)
    together = jax.vmap(lambda own: best_response(values, own, 1).value)(stacked)
    alone = [best_response(values, own, 1).value for own in joint]
    np.testing.assert_allclose(together, alone, rtol=1e-13)


def test_deterministic_rows_of_three_actions():
    """Their logits are infinite, and lose nothing."""
    game = rock_paper_scissors().iterated("1/2")
    rock = [[1.0, 0.0, 0.0]] * game.num_states
    paper = [[0.0, 1.0, 0.0]] * game.num_states
    for backend in ("program", "tensor"):
        values = closed_form(game).compile(backend=backend)
        params = values.parameters([rock, paper])
        np.testing.assert_array_equal(values.policies(params)[0], rock)
        np.testing.assert_allclose(values(params), [-1, 1], rtol=1e-15)


def test_bad_input():
    game = prisoners_dilemma().iterated("1/2")
    values = closed_form(game).compile()
    params = [np.zeros((5, 1))] * 2
    with pytest.raises(ValueError, match="player: expected an index from 0 to 1, got 2"):
        q_values(values, params, 2)
    with pytest.raises(ValueError, match=r"params\[1\]: expected shape \(5, 1\)"):
        occupancy(values, [np.zeros((5, 1)), np.zeros((4, 1))])
    wrapped: Any = ValueFunction.wrap(lambda own: jnp.stack([own[0][0], own[1][0]]), [(1,), (1,)])
    with pytest.raises(TypeError, match="user's own function has no states"):
        best_response(wrapped, [jnp.zeros(1)] * 2, 0)
