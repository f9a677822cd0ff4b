"""LOLA steps: this library against explicit blocks in numpy and against automatic differentiation.

A row of a group does the same work as its neighbours, and the results are compared.
"""

import jax
import numpy as np
import pytest

from benchmarks.peers import as_params, autodiff_lola, numpy_lola
from resolvent.numeric import LOLA, learn


def last(run):
    return np.stack(run.params, axis=-3)[..., 0]


def ours(values, theta, steps):
    return lambda: last(learn(values, LOLA(rate=1.0), as_params(theta), steps))


@jax.jit
def _autodiff(theta, steps):
    return jax.lax.fori_loop(0, steps, lambda _, own: jax.vmap(autodiff_lola)(own), theta)


def _numpy(theta, steps):
    for _ in range(steps):
        theta = numpy_lola(theta)
    return theta


CASES = [
    (method, pairs)
    for pairs in (1, 128, 8192)
    for method in ("resolvent", "numpy", "autodiff")
    # Automatic differentiation of a large batch takes minutes.
    if (method, pairs) != ("autodiff", 8192)
]


# Enough steps for the cost of a call (3 ms) not to matter.
STEPS = {1: 1000, 128: 500, 8192: 50}


@pytest.mark.parametrize(("method", "pairs"), CASES)
def test_lola_steps(timed, benchmark, ipd, starts, method, pairs):
    """The same steps of every pair by each method."""
    steps = STEPS[pairs]
    benchmark.group = f"{steps} LOLA steps, {pairs} pairs"
    theta = starts[:pairs]

    def run(count):
        methods = {
            "resolvent": ours(ipd, theta, count),
            "numpy": lambda: _numpy(theta, count),
            "autodiff": lambda: _autodiff(theta, count),
        }
        return methods[method]()

    timed(lambda: run(steps), rounds=3)
    # After ten steps chaotic growth has not set in for all but a few pairs.
    error = np.abs(run(10) - _numpy(theta, 10)).max(axis=(1, 2))
    assert np.median(error) < 1e-9


def test_one_pair_long_run(timed, benchmark, ipd, starts):
    """100,000 steps of one pair: divide by 1e5 for a step inside the compiled loop."""
    benchmark.group = "one pair, 100,000 steps"
    theta = starts[0]
    timed(ours(ipd, theta, 100_000), rounds=3)


def test_full_experiment(timed, benchmark, ipd, starts):
    """8,192 pairs x 1,000 steps."""
    benchmark.group = "8,192 pairs x 1,000 steps"
    timed(ours(ipd, starts, 1000), rounds=1)
