"""Logarithmic tracing: one path after compilation, a batch of priors, and large games.

The stochastic-game peer (sgamesolver 1.0.2, logarithmic tracing) takes .31 CPU seconds for a path of 4 states with
2 actions each, 1.0 for 16 states with 4 actions, and 298 for 64 states with 8 actions (the last at weight 1).
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from resolvent.games import NormalForm
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.equilibrium.logarithmic import trace_arrays
from resolvent.numeric.equilibrium.logarithmic_batch import trace_batch
from resolvent.numeric.equilibrium.priors import random_priors

jax.config.update("jax_enable_x64", True)


def random_arrays(key: int, states: int, actions: int) -> GameArrays:
    first, second = jax.random.split(jax.random.key(key))
    moves = jax.random.exponential(second, (states, actions, actions, states))
    return GameArrays(
        jax.random.uniform(first, (2, states, actions, actions)),
        moves / moves.sum(axis=-1, keepdims=True),
        None,
        jnp.full(2, 0.95),
        jnp.full(states, 1 / states),
    )


def cpu(call: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return call(), time.process_time() - began


@pytest.mark.parametrize(
    ("states", "actions", "limit"),
    [(4, 2, 0.031), (16, 4, 0.33), (64, 8, 30.0)],
    ids=["4-states", "16-states", "64-states"],
)
def test_one_path(states: int, actions: int, limit: float) -> None:
    prior = tuple(jnp.full((states, actions), 1 / actions) for _ in range(2))
    whole = cpu(lambda: trace_arrays(random_arrays(0, states, actions), prior))[1]
    seconds = []
    for key in range(1, 6 if states < 64 else 2):
        arrays = random_arrays(key, states, actions)
        traced, spent = cpu(lambda own=arrays: trace_arrays(own, prior))
        assert traced.accepted
        assert traced.regret <= 1e-12
        seconds.append(spent)
    seconds.sort()
    median = seconds[len(seconds) // 2]
    print(f"\n{states} states, {actions} actions: {median:.4f} s, first call {whole:.1f} s")
    assert median < limit


def test_a_thousand_priors() -> None:
    game = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).iterated("9/10", initial="uniform")
    priors = random_priors(game, jax.random.key(0), 1000)
    whole = cpu(lambda: trace_batch(game, priors))[1]
    traced, spent = cpu(lambda: trace_batch(game, priors))
    assert traced.accepted.all()
    print(f"\n1,000 priors: {spent:.2f} s, first call {whole:.1f} s")
    assert spent / 1000 < 0.01
