"""LILI against plain autodiff, its limits that are other rules, and models judged by the true rule."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma, public_goods
from resolvent.numeric import (
    LILI,
    LOLA,
    Naive,
    ValueFunction,
    fit_latent,
    influence,
    joint_update,
    known_rule,
    transition_counts,
)
from resolvent.numeric.metagame.latent import flatten, unflatten


def smooth(params):
    x, y = params[0], params[1]
    first = jnp.sin(x[0] * y[0]) + x[1] ** 2 * y[2] - x[0] ** 2
    second = jnp.cos(x[1] * y[1]) - x[0] * y[2] - y[0] ** 2 * y[1]
    return jnp.stack([first, second])


SMOOTH = ValueFunction.wrap(smooth, [(2,), (3,)])
POINT = (jnp.array([0.3, -0.7]), jnp.array([0.5, 0.2, -0.4]))


@eqx.filter_jit
def update_of(rule, values, params, player=0):
    """Compiled, and the state is none."""
    update, state, info = rule.update(values, params, player, None)
    assert state is None
    return update, info


def naive_step(x, y, eta):
    return y + eta * jax.grad(lambda own: smooth((x, own))[1])(y)


@partial(jax.jit, static_argnums=3)
@jax.value_and_grad
def by_hand(x, eta, discount, count, start):
    """The payoff from the next interaction on, by autodiff through an unrolled loop."""
    y, weights, total = start, 0.0, 0.0
    for m in range(count):
        total = total + discount**m * smooth((x, y))[0]
        weights += discount**m
        y = naive_step(x, y, eta)
    return total / weights


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_the_update_is_the_derivative_of_what_comes(count):
    rule = LILI(0.5, 0.2, discount=0.8, interactions=count)
    update, info = update_of(rule, SMOOTH, POINT)
    start = naive_step(*POINT, 0.2)
    worth, slope = by_hand(POINT[0], 0.2, 0.8, count, start)
    np.testing.assert_allclose(update, 0.5 * slope, rtol=1e-12)
    np.testing.assert_allclose(info["payoff"], worth, rtol=1e-12)
    assert (float(info["influence"]) > 1e-3) == (count > 1)


def test_two_interactions_from_where_nothing_moves_are_exact_lola():
    """Where the other stands still now, half of the derivative is naive and half is LOLA's."""

    def still(params):
        x, y = params
        return jnp.stack([x[0] * y[0] + y[0] ** 2 - x[0] ** 2, (x[0] - 1) * y[0]])

    values, params = ValueFunction.wrap(still, [(1,), (1,)]), (jnp.ones(1), jnp.full(1, 0.4))
    rules = (
        LILI(1.0, 0.3, discount=1.0, interactions=2),
        LOLA(1.0, 0.3, "exact"),
        Naive(1.0),
    )
    mine, lola, plain = jax.jit(lambda p: [rule.update(values, p, 0, None)[0] for rule in rules])(
        params
    )
    np.testing.assert_allclose(mine, (lola + plain) / 2, rtol=1e-12)
    assert abs(float((lola - plain)[0])) > 0.1


def test_a_given_rule_takes_the_place_of_naive_learning():
    plain = update_of(LILI(0.5, 0.2, interactions=4), SMOOTH, POINT)[0]
    given = update_of(LILI(0.5, interactions=4, rule=Naive(0.2)), SMOOTH, POINT)[0]
    np.testing.assert_allclose(plain, given, rtol=1e-13)


def test_what_is_refused():
    with pytest.raises(ValueError, match="interactions"):
        LILI(1.0, interactions=0)
    with pytest.raises(TypeError, match="rule"):
        LILI(1.0, rule="naive")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="discount"):
        LILI(1.0, discount=1.5).check(SMOOTH, 0)
    with pytest.raises(ValueError, match="use LILI"):
        known_rule(SMOOTH, Naive(1.0), (None, jnp.zeros((1, 3))))


# The known rule ----------------------------------------------------------------------------------

ETA = 0.8


@pytest.fixture(scope="module")
def truth():
    values = closed_form(prisoners_dilemma().iterated("9/10"), "sum").compile(backend="tensor")
    starts = np.random.default_rng(0).normal(size=(4, 5, 1))
    return known_rule(values, Naive(ETA), (None, starts), 6, discount=0.9)


@pytest.fixture(scope="module")
def interaction(truth):
    """The player's payoff, and what the co-player plays next."""

    @jax.jit
    def one(params):
        update = joint_update(truth.values, [Naive(ETA)] * 2, params, [None] * 2)[0][1]
        return truth.values(params)[0], params[1] + update

    return one


def test_counts_determine_the_next_strategy(truth, interaction):
    """E(N) against the true update."""
    encode = jax.jit(lambda params: truth.encode(transition_counts(truth.values, params))[1])
    for params in np.random.default_rng(1).normal(size=(10, 2, 5, 1)):
        np.testing.assert_allclose(encode(tuple(params)), interaction(tuple(params))[1], atol=1e-10)


def test_the_objective_is_what_the_loop_says(truth, interaction):
    own = np.random.default_rng(3).normal(size=(5, 1))
    weights, expected = 0.9 ** np.arange(6), []
    for start in np.asarray(truth.starts[1]):
        other, gained = start, []
        for _ in range(6):
            worth, other = interaction((own, other))
            gained.append(float(worth))
        expected.append(gained)
    np.testing.assert_allclose(truth.payoffs(own), expected, rtol=1e-12)
    want = np.mean(expected, axis=0) @ weights / weights.sum()
    np.testing.assert_allclose(truth(own), want, rtol=1e-12)


def test_probabilities_in_a_vector_and_back():
    values = closed_form(public_goods(3).iterated("2/3")).compile()
    rng = np.random.default_rng(0)
    policies = tuple(rng.dirichlet([1, 1], size=9) for _ in range(3))
    back = jax.jit(lambda own: unflatten(flatten(own, 1), values, 1))(policies)
    for own, want in zip(back, (policies[0], policies[2]), strict=True):
        np.testing.assert_allclose(own, want, atol=1e-15)


# Models ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(truth):
    return fit_latent(truth, 2, jax.random.key(1), trajectories=64)


@pytest.fixture(scope="module")
def all_of_them(truth):
    return fit_latent(truth, 5, jax.random.key(1), trajectories=64)


@pytest.mark.slow
def test_more_dimensions_hold_and_predict_more(few, all_of_them):
    assert few.explained < 0.99
    np.testing.assert_allclose(all_of_them.explained, 1, atol=1e-12)
    assert few.held_out < all_of_them.held_out < 1
    assert all_of_them.fitted > all_of_them.persistence
    # Least squares beats no change, and k dimensions cannot explain more of a step than they hold, nearly.
    assert few.fitted < few.explained + 0.1


@pytest.mark.slow
def test_in_all_dimensions_the_first_interaction_is_exact(truth, all_of_them):
    own = jnp.asarray(np.random.default_rng(3).normal(size=(5, 1)))
    exact, claimed = truth.payoffs(own), all_of_them.payoffs(own)
    np.testing.assert_allclose(claimed[:, 0], exact[:, 0], rtol=1e-9)
    assert np.abs(claimed - exact)[:, 1].max() > 1e-3


def test_one_step_is_the_regression(few):
    """Against NumPy's least squares on trajectories made anew, in the space of probabilities."""
    rng = np.random.default_rng(5)
    z, policy = rng.normal(size=2) / 4, rng.uniform(0.2, 0.8, size=(5, 1))
    inputs = np.concatenate([z, policy[:, 0]])
    products = [inputs[i] * inputs[j] for i in range(7) for j in range(i, 7)]
    row = np.array([1.0, *inputs, *products])
    full = jnp.concatenate([policy, 1 - policy], axis=1)
    want = z + row @ np.asarray(few.model.coefficients)
    np.testing.assert_allclose(few.step(jnp.asarray(z), full), want, rtol=1e-9)


@pytest.mark.slow
def test_a_model_is_judged_by_the_true_rule(truth, few):
    start = jnp.zeros((5, 1))
    exact = influence(truth, start, 30, rate=0.1)
    np.testing.assert_allclose(exact.claimed, truth(exact.params), rtol=1e-12)
    assert exact.error == 0
    assert exact.claimed > truth(start)
    found = influence(truth, start, 30, rate=0.1, through=few)
    np.testing.assert_allclose(found.claimed, few(found.params), rtol=1e-10)
    np.testing.assert_allclose(found.true, truth(found.params), rtol=1e-12)
    assert abs(found.error) > 1e-3
    assert "modelling error" in str(found)


@pytest.mark.slow
def test_a_network_learns_the_step(truth):
    found = fit_latent(
        truth,
        5,
        jax.random.key(1),
        model="network",
        trajectories=64,
        width=16,
        depth=1,
        steps=300,
        rate=0.01,
    )
    assert found.fitted > found.persistence
    assert "network in 5 of 5" in str(found)


def test_what_cannot_be_fitted(truth):
    with pytest.raises(ValueError, match="k: expected at most 5"):
        fit_latent(truth, 6, jax.random.key(0))
    with pytest.raises(ValueError, match="model: expected one of"):
        fit_latent(truth, 2, jax.random.key(0), model="cubic")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="start: expected finite numbers"):
        influence(truth, jnp.zeros(5), 3)
