"""COLA and infinite-order LOLA against closed forms of the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.numeric import (
    COLA,
    RESULTS,
    HigherOrderLOLA,
    InfiniteOrderLOLA,
    Naive,
    ValueFunction,
    consistent_quadratic,
    learn,
)


def of_losses(*losses, sizes=None, name="game"):
    def function(params):
        return -jnp.stack([own(*params) for own in losses])

    return ValueFunction.wrap(function, [()] * len(losses) if sizes is None else sizes, name)


TANDEM = of_losses(
    lambda x, y: (x + y) ** 2 - 2 * x, lambda x, y: (x + y) ** 2 - 2 * y, name="tandem"
)
HAMILTONIAN = of_losses(lambda x, y: x * y, lambda x, y: -x * y, name="hamiltonian")
BALDUZZI = of_losses(
    lambda x, y: x**2 / 2 + 10 * x * y, lambda x, y: y**2 / 2 - 10 * x * y, name="balduzzi"
)


def pennies(x, y):
    return (2 * jax.nn.sigmoid(x) - 1) * (2 * jax.nn.sigmoid(y) - 1)


PENNIES = of_losses(pennies, lambda x, y: -pennies(x, y), name="matching pennies")


# Learners ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.1, 0.3, 2.0])
def test_cola_on_tandem_loses_twice_the_step_size(a):
    own = consistent_quadratic(TANDEM, a).analytic
    run = learn(TANDEM, COLA(a, own), jax.random.key(0), 400, batch=3)
    s = (1 + np.sqrt(1 + 8 * a)) / 2
    np.testing.assert_allclose(run.params[0] + run.params[1], s, rtol=0, atol=1e-9)
    np.testing.assert_allclose(-run.values.mean(1), 2 * a, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("values", "threshold"),
    [(TANDEM, 3 / 8), (HAMILTONIAN, np.sqrt(0.5)), (BALDUZZI, np.sqrt(1 / 200))],
    ids=["tandem", "hamiltonian", "balduzzi"],
)
def test_where_orders_of_lola_converge(values, threshold):
    below, above = learn_limit(values, 0.98 * threshold), learn_limit(values, 1.02 * threshold)
    assert np.isfinite(below.offset).all()
    assert np.isnan(above.offset).all()
    exact = consistent_quadratic(values, 0.98 * threshold).analytic
    np.testing.assert_allclose(below.matrix, exact.matrix, rtol=1e-10, atol=1e-10)


def learn_limit(values, a):
    found = InfiniteOrderLOLA(a).init(values, (jnp.zeros(()), jnp.zeros(())), 0)
    assert found is not None
    return found


def test_infinite_order_reports_divergence():
    run = learn(TANDEM, InfiniteOrderLOLA(0.4), (0.3, -0.2), 10)
    assert run.status == RESULTS.nonfinite
    assert run.failed_step == 1
    run = learn(TANDEM, [InfiniteOrderLOLA(0.3), Naive(0.1)], (0.3, -0.2), 10, record="info")
    assert run.status == RESULTS.successful
    assert run.history["info"][0]["gap"][-1] < 1e-13


def test_infinite_order_where_values_are_not_quadratic():
    run = learn(PENNIES, InfiniteOrderLOLA(0.5, order=2), (0.3, -0.2), 1, record="info")
    wanted = learn(PENNIES, HigherOrderLOLA(0.5, 2), (0.3, -0.2), 1)
    np.testing.assert_allclose(run.params, wanted.params, rtol=0, atol=1e-14)
    orders = HigherOrderLOLA(1.0, 2, 0.5), HigherOrderLOLA(1.0, 1, 0.5)
    at = (jnp.array(0.3), jnp.array(-0.2))
    two, one = jax.jit(lambda at: [own.update(PENNIES, at, 0, None)[0] for own in orders])(at)
    assert run.history["info"][0]["gap"][0] == pytest.approx(abs(float(two - one)), rel=1e-9)
