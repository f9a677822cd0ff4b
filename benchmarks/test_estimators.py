"""What a sampled estimate costs beside the exact quantity: one batch of 128 and of 4,096 trajectories of 150 rounds.

Divide by the first row of a group, the exact path. All are compiled; single numbers depend on the machine.
"""

import jax
import numpy as np
import pytest

from resolvent.numeric import DiCE, LoadedDiCE
from resolvent.numeric.estimators.estimates import exactly, sampled

HORIZON, CHUNK = 150, 1024
ESTIMATORS = {"dice": DiCE(), "loaded_dice": LoadedDiCE(1.0, 0.0)}
CASES = [("exact", 0), *((name, batch) for name in ESTIMATORS for batch in (128, 4096))]
# An exact call takes microseconds: many are timed as one.
CALLS = 100


@pytest.mark.parametrize("quantity", ["gradient", "hessian", "lola"])
@pytest.mark.parametrize(("name", "batch"), CASES)
def test_estimate(timed, benchmark, ipd, starts, quantity, name, batch):
    """One estimate; the exact quantity 100 times, as its name says."""
    benchmark.group = f"{quantity}: 100 exact calls against one estimate"
    params = tuple(jax.numpy.asarray(own[:, None]) for own in starts[0])
    exact = jax.jit(lambda own: exactly(quantity, ipd, own, 0))
    if name == "exact":
        timed(lambda: [exact(params) for _ in range(CALLS)][-1])
        return
    estimate = jax.jit(
        lambda own, key: sampled(
            quantity, ESTIMATORS[name], ipd, own, key, 0, batch, HORIZON, CHUNK
        )
    )
    found = timed(lambda: estimate(params, jax.random.key(0)), rounds=3)
    truth = exact(params)
    benchmark.extra_info["relative error"] = float(
        np.linalg.norm(found - truth) / np.linalg.norm(truth)
    )
    # Both are on the same scale: no estimate of 4,096 is off by ten times the truth.
    assert batch < 4096 or benchmark.extra_info["relative error"] < 10
