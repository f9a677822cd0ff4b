"""Schedules of opponents against linear algebra by hand, and learners' own updates along the path."""

# NumPy arrays, wrong arguments on purpose, and what a test knows not to be None.
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.numeric import (
    LOLA,
    Naive,
    OptimisticGradient,
    ValueFunction,
    learn,
    opponent_schedule,
)
from resolvent.numeric.equilibrium.continuation import PATHS

MATRICES = np.array([[[-2.0, 0.7], [0.7, 0.3]], [[0.2, -0.5], [-0.5, -1.5]]])
VECTORS = np.array([[1.0, 0.3], [-0.4, 0.8]])


def quadratic(params):
    z = jnp.stack(params)
    return VECTORS @ z + 0.5 * jnp.einsum("iab,a,b->i", MATRICES, z, z)


def pennies(params):
    """Matching pennies with unequal stakes, in logits."""
    p, q = (jax.nn.sigmoid(own) for own in params)
    stakes = jnp.array([[[1.0, -1.0], [-2.0, 2.0]], [[-1.0, 2.0], [1.0, -1.0]]])
    return jnp.einsum("iab,a,b->i", stakes, jnp.stack([p, 1 - p]), jnp.stack([q, 1 - q]))


QUADRATIC = ValueFunction.wrap(quadratic, [(), ()], "quadratic")
PENNIES = ValueFunction.wrap(pennies, [(), ()], "pennies")


def lola_by_hand(z, player, rate, ahead):
    """The gradient, the look-ahead and the shaping term of two players with one parameter each."""
    other = 1 - player
    gradients = [VECTORS[i] + MATRICES[i] @ z for i in range(2)]  # of V_i by both
    own = gradients[player][player]
    look = MATRICES[player][0, 1] * gradients[other][other]
    shape = MATRICES[other][0, 1] * gradients[player][other]
    return rate * (own + ahead * (look + shape))


def fixed_point(weight):
    """Where player 1, LOLA, and player 2, a blend of LOLA and naive learning, stand still: updates are affine."""

    def field(z):
        naive = 0.2 * (VECTORS[1] + MATRICES[1] @ z)[1]
        return np.array(
            [
                lola_by_hand(z, 0, 0.3, 0.3),
                (1 - weight) * lola_by_hand(z, 1, 0.2, 0.5) + weight * naive,
            ]
        )

    constant = field(np.zeros(2))
    matrix = np.stack([field(unit) - constant for unit in np.eye(2)], axis=1)
    return np.linalg.solve(matrix, -constant)


def test_a_quadratic_game_in_closed_form():
    learners = [LOLA(0.3), LOLA(0.2, lookahead=0.5)]
    found = opponent_schedule(QUADRATIC, learners, (0.0, 0.0))
    assert found.successful
    assert (found.weight[0], found.weight[-1]) == (1, 0)
    points = np.stack(found.params, axis=1)
    expected = [fixed_point(own) for own in found.weight]
    # Along the path to the tolerance of a step, at both ends to rounding.
    np.testing.assert_allclose(points, expected, atol=1e-7)
    np.testing.assert_allclose(points[[0, -1]], [expected[0], expected[-1]], atol=1e-13)
    np.testing.assert_allclose(found.payoffs[-1], quadratic(tuple(points[-1])), atol=1e-13)

    step = np.stack(
        [
            np.array([lola_by_hand(u, 0, 0.3, 0.3), lola_by_hand(u, 1, 0.2, 0.5)])
            - np.array([lola_by_hand(0 * u, 0, 0.3, 0.3), lola_by_hand(0 * u, 1, 0.2, 0.5)])
            for u in np.eye(2)
        ],
        axis=1,
    )
    moduli = np.sort(np.abs(np.linalg.eigvals(np.eye(2) + step)))[::-1]
    np.testing.assert_allclose(found.moduli, moduli, atol=1e-12)
    assert "lambda from 1 to 0" in str(found)
    assert found.plot().get_xlim() == (1, 0)


def test_it_begins_where_learning_among_naive_learners_ends_and_self_play_stays_at_its_end():
    rule = LOLA(0.5)
    among_naive = learn(PENNIES, [rule, Naive(0.5)], (0.3, -0.2), 3000)
    found = opponent_schedule(PENNIES, rule, among_naive.params)
    assert found.successful
    start = [own[0] for own in found.params]
    np.testing.assert_allclose(start, among_naive.params, atol=1e-5)
    end = tuple(own[-1] for own in found.params)
    after = learn(PENNIES, rule, end, 1)
    np.testing.assert_allclose(after.params, end, atol=1e-9)
    with pytest.raises(ValueError, match="not of policies"):
        _ = found.policies


def test_the_other_player_and_other_rules():
    found = opponent_schedule(QUADRATIC, LOLA(0.3), (0.0, 0.0), player=1, others=LOLA(0.1))
    assert found.successful
    assert [own.rate for own in found.others] == [0.1, 0.3]


def test_where_fixed_points_are_a_line_nothing_is_claimed():
    # Both gradients of tandem are 2 - 2 (x + y): a line of fixed points, and a singular Jacobian.
    tandem = ValueFunction.wrap(
        lambda p: -jnp.stack([(p[0] + p[1]) ** 2 - 2 * p[0], (p[0] + p[1]) ** 2 - 2 * p[1]]),
        [(), ()],
        "tandem",
    )
    found = opponent_schedule(tandem, LOLA(0.1), (0.1, 0.2))
    assert not found.successful
    assert found.status != PATHS.successful
    assert PATHS[found.status] in str(found)


def test_fixed_points_that_go_to_infinity_are_left():
    # x of player 1 rests at 0. The naive y goes to 1; y of "away" to 1 / (lambda - 1/2), without bound.
    flat = ValueFunction.wrap(
        lambda p: jnp.stack([-(p[0] ** 2), -((p[1] - 1.0) ** 2) / 2]), [(), ()], "apart"
    )

    class Away(Naive):
        def update(self, values, params, player, state):
            return params[player] + 1.0, None, {}

    found = opponent_schedule(flat, [Naive(1.0), Away(1.0)], (0.0, 1.0), limit=50.0)
    assert found.escaped
    assert not found.successful
    assert 0.5 < found.weight[-1] < 0.6
    np.testing.assert_allclose(found.params[1], 1 / (2 * found.weight - 1), rtol=1e-5)
    assert "infinity" in str(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learners": [LOLA(0.3)]}, "learners: expected one for all"),
        ({"learners": OptimisticGradient(0.3)}, "remembers past steps"),
        ({"learners": ["lola", "lola"]}, "has no rate"),
        ({"player": 2}, "player: expected a number from 0 to 1"),
        ({"limit": 0.0}, "limit"),
        ({"start": (0.0,)}, "params: expected a tuple of 2"),
    ],
    ids=range(6),
)
def test_bad_input(options, message):
    given = {"learners": LOLA(0.3), "start": (0.0, 0.0)} | options
    with pytest.raises(ValueError, match=message):
        opponent_schedule(QUADRATIC, **given)
