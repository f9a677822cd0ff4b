"""Adam against optax's, alone and around a rule with a memory of its own."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import learn
from resolvent.numeric.learners import Adam, Naive, OptimisticGradient

optax: Any = pytest.importorskip("optax")


def _payoffs(params):
    x, y = params
    return jnp.stack([-((x - y) ** 2).sum() + x[0], -((y + x - 1) ** 2).sum() / 3])


VALUES = ValueFunction.wrap(_payoffs, [(2,), (2,)], "skewed")
START = (np.array([0.3, -0.2]), np.array([1.0, 0.5]))


def _gradient(x, y, player):
    if player == 0:
        return -2 * (x - y) + np.array([1.0, 0.0])
    return -2 * (y + x - 1) / 3


@pytest.mark.parametrize("settings", [{}, {"mean_decay": 0.5, "square_decay": 0.9, "epsilon": 0.1}])
def test_steps_are_those_of_optax(settings):
    own: Any = dict(zip(("b1", "b2", "eps"), settings.values(), strict=False))
    optimisers: list[Any] = [optax.adam(0.05, **own) for _ in range(2)]
    params = list(START)
    states = [opt.init(p) for opt, p in zip(optimisers, params, strict=True)]
    for _ in range(20):
        # optax descends.
        x, y = params
        directions = [-0.7 * _gradient(x, y, player) for player in range(2)]
        for player in range(2):
            step, states[player] = optimisers[player].update(
                directions[player], states[player], params[player]
            )
            params[player] = params[player] + np.asarray(step)
    run = learn(VALUES, Adam(0.05, Naive(0.7), **settings), START, 20)
    for ours, expected in zip(run.params, params, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_a_rule_keeps_its_memory():
    """The optimistic gradient's second update is 2 g' - g, seen here through a nearly linear Adam."""
    linear = Adam(1.0, OptimisticGradient(1.0), mean_decay=0, square_decay=0, epsilon=1e9)
    run = learn(VALUES, linear, START, 2, record="params")
    scaled = learn(VALUES, OptimisticGradient(1e-9), START, 2, record="params")
    for player in range(2):
        ours, expected = run.history["params"][player], scaled.history["params"][player]
        np.testing.assert_allclose(ours[2] - ours[1], expected[2] - expected[1], rtol=1e-5)


def test_what_is_no_rule_is_refused():
    with pytest.raises(TypeError, match="rule: expected a learner"):
        Adam(0.1, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="no number above 1"):
        Adam(0.1, Naive(1.0), mean_decay=1.5)
    with pytest.raises(ValueError, match="square_decay: expected a number below 1"):
        Adam(0.1, Naive(1.0), square_decay=1.0)
