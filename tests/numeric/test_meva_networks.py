"""Meta-values by networks: targets and losses against loops, small trainings, files, interrupts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.numeric import (
    RESULTS,
    AbstractMeter,
    MetaValueSettings,
    MeVa,
    Naive,
    NetworkMetaValue,
    ValueFunction,
    bellman_residual,
    learn,
    meta_value_collocation,
    meta_value_networks,
)
from resolvent.numeric.meta_value.network import meta_network
from resolvent.numeric.meta_value.temporal_difference import lambda_returns, quantile_loss


def pennies(params):
    one, other = (2 * jax.nn.sigmoid(own) - 1 for own in params)
    return jnp.stack([-one * other, one * other])


PENNIES = ValueFunction.wrap(pennies, [(), ()], "pennies")
TINY = MetaValueSettings(
    width=16,
    quantiles=None,
    batch=16,
    inner_steps=10,
    stride=5,
    learning_rate=3e-3,
    target_decay=0.9,
)
TRAINED = dataclasses.replace(TINY, fixed_discount=True)


@pytest.fixture(scope="module")
def trained():
    return meta_value_networks(PENNIES, 1.0, jax.random.key(0), 120, 0.9, settings=TRAINED)


def test_lambda_returns_are_mixtures_of_all_returns():
    """Y_t = (1 - l) sum_k l^(k-1) R_k + l^(T-t-1) R_(T-t), R_k the return bootstrapped after k steps."""
    rng = np.random.default_rng(0)
    steps, trace = 4, 0.7
    payoffs, expected = rng.normal(size=(steps, 2)), rng.normal(size=(steps + 1, 2, 3))
    g = np.array([0.9, 0.3])
    found = lambda_returns(jnp.asarray(payoffs), jnp.asarray(expected), jnp.asarray(g), trace)
    for t in range(steps):
        for i in range(2):

            def bootstrapped(k, t=t, i=i):
                total = sum((1 - g[i]) * g[i] ** m * payoffs[t + m, i] for m in range(k))
                return total + g[i] ** k * expected[t + k, i]

            last = steps - t
            target = trace ** (last - 1) * bootstrapped(last)
            for k in range(1, last):
                target = target + (1 - trace) * trace ** (k - 1) * bootstrapped(k)
            np.testing.assert_allclose(found[t, i], target, atol=1e-14)


def test_quantile_loss():
    rng = np.random.default_rng(0)
    predicted, target = 2 * rng.normal(size=5), 2 * rng.normal(size=3)
    total = 0.0
    for q, u in enumerate(predicted):
        for y in target:
            gap = y - u
            huber = gap**2 / 2 if abs(gap) <= 1 else abs(gap) - 0.5
            total += abs((q + 0.5) / 5 - (1.0 if gap < 0 else 0.0)) * huber / 3
    assert abs(quantile_loss(jnp.asarray(predicted), jnp.asarray(target)) - total) < 1e-14


def test_training_approaches_the_meta_value(trained):
    exact = meta_value_collocation(PENNIES, 1.0, 0.9, (-4, 4), 14, tolerance=1e-4)
    points = tuple(jax.random.normal(key, (40,)) for key in jax.random.split(jax.random.key(1)))

    def many(values):
        return jax.vmap(lambda one, other: values((one, other)))(*points)

    def root(gap):
        return np.sqrt((np.asarray(gap) ** 2).mean())

    assert trained.status == RESULTS.successful
    assert root(many(trained) - many(exact)) < 0.75 * root(many(PENNIES) - many(exact))
    residuals = [
        root(bellman_residual(PENNIES, own, 1.0, 0.9, points)) for own in (trained, PENNIES)
    ]
    assert residuals[0] < 0.5 * residuals[1]
    assert trained.losses[-10:].mean() < 0.2 * trained.losses[:10].mean()


def test_meva_follows_networks(trained):
    run = learn(PENNIES, MeVa(1.0, trained), (0.5, -0.5), 3)
    assert run.status == RESULTS.successful
    none = trained.at(0.0)
    meva, naive = (learn(PENNIES, rule, (0.5, -0.5), 3) for rule in (MeVa(1.0, none), Naive(1.0)))
    np.testing.assert_allclose(meva.params, naive.params, atol=1e-13)


def test_record_and_file(trained, tmp_path):
    assert "120 of 120 outer steps" in str(trained)
    path = tmp_path / "meta.npz"
    trained.save(path)
    again = NetworkMetaValue.load(path, PENNIES)
    assert str(again) == str(trained)
    x = (jnp.array(0.3), jnp.array(-1.0))
    np.testing.assert_array_equal(again(x), trained(x))
    with pytest.raises(ValueError, match="shapes: expected"):
        NetworkMetaValue.load(path, ValueFunction.wrap(lambda p: jnp.zeros(2), [(1,), (1,)]))
    with pytest.raises(ValueError, match="the name must end in .npz"):
        trained.save(tmp_path / "meta.txt")


@pytest.mark.slow
def test_quantiles_against_a_naive_learner():
    settings = dataclasses.replace(TINY, width=8, quantiles=4, batch=4, inner_steps=2, stride=2)
    opponents = [None, Naive(1.0)]
    key = jax.random.key(0)
    one, other = (
        meta_value_networks(PENNIES, 1.0, key, 2, [0.5, 0.9], opponents, settings=settings)
        for _ in range(2)
    )
    assert one.steps_done == 2
    assert np.isfinite(one.losses).all()
    x = (jnp.array(0.3), jnp.array(-1.0))
    np.testing.assert_array_equal(one(x), other(x))


@pytest.mark.slow
def test_three_unequal_players_who_believe_differently():
    def sums(params):
        total = jax.nn.sigmoid(jnp.concatenate(params)).sum() - 2
        return jnp.stack([total * (i - 1 - total) for i in range(3)])

    values = ValueFunction.wrap(sums, [(1,), (2,), (1,)], "sums")
    key, g = jax.random.key(0), [0.5, 0.9, 0.2]
    meta = meta_value_networks(values, 0.5, key, 800, g, Naive(0.5), settings=TRAINED)
    points = tuple(
        jax.random.normal(own, (20, *shape))
        for own, shape in zip(jax.random.split(key, 3), values.shapes, strict=True)
    )
    after, before = (
        np.square(bellman_residual(values, own, 0.5, g, points, Naive(0.5))).mean()
        for own in (meta, values)
    )
    assert after < 0.1 * before


def test_symmetric_networks_do_not_tell_players_apart():
    network = meta_network(jax.random.key(0), (2, 2), 8, 1, 3, symmetric=True)
    a, b = jnp.array([0.1, 0.7]), jnp.array([-1.0, 0.4])
    g = jnp.array([0.3, 0.8])
    np.testing.assert_allclose(network((a, b), g), network((b, a), g[::-1])[::-1], atol=1e-14)
    marked = meta_network(jax.random.key(0), (2, 2), 8, 1, 3, symmetric=False)
    assert marked.marks is not None
    np.testing.assert_allclose(marked((a, b), g), network((a, b), g), atol=1e-14)
    signs = -jnp.ones((2, 8))
    gap = network((a, b), g) - network.output.bias[None]
    np.testing.assert_allclose(
        network((a, b), g, signs) - network.output.bias[None], -gap, atol=1e-14
    )


class Impatient(AbstractMeter):
    """As if Ctrl-C were pressed after two steps."""

    def open(self, total, label):
        assert (total, label) == (50, "meta-value of pennies")

    def show(self, done):
        if done == 2:
            raise KeyboardInterrupt

    def close(self):
        self.closed = True


def test_interrupts_keep_what_is_done():
    meter = Impatient()
    meta = meta_value_networks(
        PENNIES, 1.0, jax.random.key(0), 50, 0.9, settings=TRAINED, progress=meter
    )
    assert meter.closed
    assert meta.status == RESULTS.interrupted
    assert (meta.steps_done, meta.steps) == (2, 50)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_ends_training():
    steep = ValueFunction.wrap(lambda p: -1e200 * jnp.stack([p[0] ** 2, p[1] ** 2]), [(), ()])
    meta = meta_value_networks(steep, 1.0, jax.random.key(0), 3, settings=TINY)
    assert meta.status == RESULTS.nonfinite
    assert meta.steps_done == 0
    assert np.isfinite(meta.network.output.weight).all()


def test_refuses():
    with pytest.raises(ValueError, match="stride: expected a divisor of inner_steps"):
        MetaValueSettings(inner_steps=10, stride=3)
    with pytest.raises(ValueError, match="trace: expected a number in"):
        MetaValueSettings(trace=1.5)
    with pytest.raises(ValueError, match="views: expected for each player an order"):
        meta_value_networks(PENNIES, 1.0, jax.random.key(0), 1, views=[[0], [1]])
    with pytest.raises(ValueError, match="steps: expected a whole number"):
        meta_value_networks(PENNIES, 1.0, jax.random.key(0), -1)
