"""Best responses to thousands of leaders, and soft ones, against the plain values of the same joint policies.

Divide by the first row of the group: all rows are calls on 4,096 leaders, in one process.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.peers import as_params
from resolvent.numeric import optimal_replies, soft_best_response

LEADERS = 4096


def value(values, params):
    return values(params).sum()


def hard(values, params):
    found = optimal_replies(values, params, 1)
    return found.best, found.optimal


def soft(values, params):
    return soft_best_response(values, params, 1, 1.0).values[0]


def soft_gradient(values, params):
    return jax.grad(lambda own: soft(values, (own, params[1])))(params[0])


@pytest.mark.parametrize("what", [value, hard, soft, soft_gradient], ids=lambda own: own.__name__)
def test_many_leaders(timed, benchmark, ipd, starts, what):
    benchmark.group = f"{LEADERS} leaders"
    params = tuple(map(jnp.asarray, as_params(starts[:LEADERS])))
    compiled = jax.jit(jax.vmap(lambda own: what(ipd, own)))
    found = timed(lambda: compiled(params))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
