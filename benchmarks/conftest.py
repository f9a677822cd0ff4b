"""Benchmarks run by themselves (`python -m pytest benchmarks`), on process CPU time.

Compare the rows of a group; single numbers depend on the machine. XLA's small-loop switch is set, as the
command line sets it, unless RESOLVENT_UNTUNED is in the environment.
"""

import os
import time

import jax
import numpy as np
import pytest

if "RESOLVENT_UNTUNED" not in os.environ:
    from resolvent.numeric import tune

    tune()

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma


@pytest.fixture(scope="session")
def ipd():
    """The compiled prisoner's dilemma in the setting of the LOLA and SOS papers."""
    return closed_form(prisoners_dilemma().iterated("24/25"), normalise="sum").compile()


@pytest.fixture(scope="session")
def starts():
    """Standard-normal logits of 8,192 pairs, `(pairs, 2, 5)`."""
    return np.random.default_rng(0).normal(size=(8192, 2, 5))


@pytest.fixture
def timed(benchmark):
    """`timed(function, rounds)`: run once to compile, then measure process CPU time."""

    def run(function, rounds=5):
        benchmark._timer = time.process_time
        return benchmark.pedantic(
            lambda: jax.block_until_ready(function()), rounds=rounds, warmup_rounds=1
        )

    return run
