"""POLA against maximisations by SciPy on dense values, finite differences, and what theory fixes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma, public_goods
from resolvent.numeric import LOLA, POLA, RESULTS, ValueFunction, learn
from resolvent.numeric.loop import joint_update

# Values of memory-one players by a dense solve, in NumPy -------------------------------------------

PAYOFFS = np.array([[-1.0, -3.0, 0.0, -2.0], [-1.0, 0.0, -3.0, -2.0]])
G = 0.5


def dense(logits):
    """Discounted sums of both players, from their five logits of C each."""
    p, q = (1 / (1 + np.exp(-np.asarray(own))) for own in logits)
    joint = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
    return PAYOFFS @ np.linalg.solve((np.eye(4) - G * joint[1:]).T, joint[0])


def divergence(old, new):
    """The sum over rows of KL(old || new), two actions."""
    p, q = (1 / (1 + np.exp(-np.asarray(own))) for own in (old, new))
    return np.sum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))


def numerical_gradient(function, x, h=1e-3):
    """Central differences of fourth order."""
    gradient = np.zeros_like(x)
    for k in range(x.size):
        unit = np.zeros_like(x)
        unit[k] = h
        gradient[k] = (
            8 * (function(x + unit) - function(x - unit))
            - (function(x + 2 * unit) - function(x - 2 * unit))
        ) / (12 * h)
    return gradient


def climb(objective, start):
    """A local maximum, by SciPy."""
    found = minimize(
        lambda x: -objective(x),
        start,
        jac=lambda x: -numerical_gradient(objective, x),
        method="BFGS",
        options={"gtol": 1e-8},
    )
    return found.x


def naive_response(theta, player, own, eta):
    """Where one gradient step leads the other, if the player is at `own`."""
    other = 1 - player

    def value(x):
        return dense((own, x) if player == 0 else (x, own))[other]

    return theta[other] + eta * numerical_gradient(value, theta[other])


@pytest.fixture(scope="module")
def values():
    return closed_form(prisoners_dilemma().iterated("1/2"), "sum").compile(backend="tensor")


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(2)
    return tuple(rng.normal(size=(2, 5, 1)) / 2)


def test_the_dense_values_are_those_of_the_library(values, start):
    np.testing.assert_allclose(values(start), dense([own[:, 0] for own in start]), rtol=1e-13)


@functools.cache
def nested():
    """Player 1's new logits, by SciPy on dense values of both players."""
    theta = (np.random.default_rng(2).normal(size=(2, 5, 1)) / 2)[..., 0]

    def objective(own):
        other = naive_response(theta, 0, own, 2.0)
        return dense((own, other))[0] - 0.5 * divergence(theta[0], own)

    return climb(objective, theta[0])


@pytest.mark.parametrize("solver", ["ascent", pytest.param("newton", marks=pytest.mark.slow)])
def test_outer_pola_is_the_nested_problem(values, start, solver):
    rule = POLA(0.3, 2.0, beta_out=0.5, solver=solver, tolerance=1e-15)
    run = learn(values, rule, start, 1, record="info")
    info = run.history["info"][0]
    assert info["converged"].all()
    assert info["residual"][0] < 1e-6
    got, want = (1 / (1 + np.exp(-own)) for own in (run.params[0][:, 0], nested()))
    np.testing.assert_allclose(got, want, atol=2e-6)
    theta = [own[:, 0] for own in start]
    np.testing.assert_allclose(
        info["divergence"][0], divergence(theta[0], run.params[0][:, 0]), rtol=1e-9
    )


# Cheap to compile: a smooth game of two and of three players -------------------------------------


def smooth(params):
    x, y = params
    first = jnp.sin(x[0] * y[0]) + x[1] * y[2] - x[0] ** 2 / 2
    second = jnp.cos(x[1] * y[1]) - x[0] * y[2] - y[0] ** 2 * x[1] / 4
    return jnp.stack([first, second])


SMOOTH = ValueFunction.wrap(smooth, [(2,), (3,)], "smooth")
POINT = (np.array([0.4, -0.3]), np.array([0.2, 0.5, -0.6]))


def smooth_proximal(own, beta):
    def objective(y):
        return float(smooth((jnp.asarray(own), jnp.asarray(y)))[1]) - beta / 2 * np.sum(
            (y - POINT[1]) ** 2
        )

    gradient = jax.jit(jax.grad(lambda y: smooth((own, y))[1]))
    found = minimize(
        lambda y: -objective(y),
        POINT[1],
        jac=lambda y: -np.asarray(gradient(y)) + beta * (y - POINT[1]),
        method="BFGS",
        options={"gtol": 1e-11},
    )
    return found.x


@pytest.mark.slow
def test_ideal_pola_is_the_nested_problem():
    """Both maxima exact, and the implicit derivative: a wrong one would end elsewhere."""
    rule = POLA(
        0.1, beta_out=1.0, beta_in=1.5, inner="proximal", solver="newton", divergence="parameters"
    )
    run = learn(SMOOTH, rule, POINT, 1, record="info")
    info = run.history["info"][0]
    assert info["converged"][0]
    assert info["inner_residual"][0] < 1e-10

    def objective(own):
        value = float(smooth((jnp.asarray(own), jnp.asarray(smooth_proximal(own, 1.5))))[0])
        return value - np.sum((own - POINT[0]) ** 2) / 2

    found = minimize(lambda own: -objective(own), POINT[0], method="Nelder-Mead",
                     options={"xatol": 1e-9, "fatol": 1e-15})  # fmt: skip
    np.testing.assert_allclose(run.params[0], found.x, atol=1e-6)


def test_the_implicit_gradient_is_that_of_finite_differences():
    """The first step of ascent is the gradient of the outer objective."""
    rule = POLA(1.0, beta_out=0.0, beta_in=1.5, inner="proximal", max_steps=1,
                divergence="parameters")  # fmt: skip
    (update, _), _, _ = joint_update(
        SMOOTH, [rule, rule], tuple(map(jnp.asarray, POINT)), [None] * 2
    )

    def objective(own):
        return float(smooth((jnp.asarray(own), jnp.asarray(smooth_proximal(own, 1.5))))[0])

    np.testing.assert_allclose(update, numerical_gradient(objective, POINT[0]), atol=1e-7)
    rough = approx_fprime(POINT[0], lambda own: float(smooth((own, POINT[1]))[0]))
    assert np.abs(rough - update).max() > 1e-2  # the naive gradient is another


def test_first_steps_are_exact_lola():
    """At the start D has no gradient: one ascent step of outer POLA is LOLA's, of any number of players."""

    def three(params):
        x, y, z = params
        return jnp.stack([x * y * z + x**2, y * x - z * y**2, z * x - z**3 + y])

    games = [
        (SMOOTH, tuple(map(jnp.asarray, POINT))),
        (ValueFunction.wrap(three, [(), (), ()]), tuple(map(jnp.asarray, (0.3, -0.4, 0.7)))),
    ]
    for values, point in games:
        n = len(point)
        for divergence in ("parameters", lambda old, new: jnp.sum((new - old) ** 4)):
            one = POLA(0.2, 0.7, beta_out=3.0, divergence=divergence, max_steps=1)
            got = joint_update(values, [one] * n, point, [None] * n)[0]
            lola = LOLA(0.2, 0.7, variant="exact")
            want = joint_update(values, [lola] * n, point, [None] * n)[0]
            for own, other in zip(got, want, strict=True):
                np.testing.assert_allclose(own, other, rtol=1e-12)


# Invariance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "options"),
    [
        pytest.param("step", {"lookahead": 0.0, "beta_out": 1.0}, marks=pytest.mark.slow),
        pytest.param(
            "proximal",
            {"beta_out": 2.0, "beta_in": 2.0},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["outer", "ideal"],
)
def test_policies_do_not_depend_on_their_parameters(inner, options):
    """Logits as they are, and through Q, the identity with -2 in the column of DD. With an inner
    *step* of parameters the response depends on them: only the outer maximum does not."""
    matrix = np.eye(3)
    matrix[:, 2] = -2
    payoffs = jnp.asarray(PAYOFFS)

    def short(logits):
        """Reactive play, discounted, without a dense solve: a start and two observations."""
        p, q = (jax.nn.sigmoid(own) for own in logits)
        first = jnp.stack([p[0] * q[0], p[0] * (1 - q[0]), (1 - p[0]) * q[0],
                           (1 - p[0]) * (1 - q[0])])  # fmt: skip
        after_c, after_d = p[1], p[2]
        p_next = jnp.stack([after_c, after_d, after_c, after_d])
        q_next = jnp.stack([q[1], q[1], q[2], q[2]])
        rows = jnp.stack([p_next * q_next, p_next * (1 - q_next), (1 - p_next) * q_next,
                          (1 - p_next) * (1 - q_next)], axis=1)  # fmt: skip
        return payoffs @ (first + 0.5 * first @ rows)

    def through(transform):
        def kl(old, new):
            before, after = transform @ old, transform @ new
            p = jax.nn.sigmoid(before)
            gain = jax.nn.log_sigmoid(before) - jax.nn.log_sigmoid(after)
            loss = jax.nn.log_sigmoid(-before) - jax.nn.log_sigmoid(-after)
            return jnp.sum(p * gain + (1 - p) * loss)

        own = ValueFunction.wrap(
            lambda params: short([transform @ theta for theta in params]), [(3,), (3,)]
        )
        return own, kl

    policies = np.random.default_rng(1).normal(size=(2, 3)) / 3
    ends, steps = [], []
    for transform in (np.eye(3), matrix):
        own, kl = through(jnp.asarray(transform))
        start = tuple(np.linalg.solve(transform, logits) for logits in policies)
        rule = POLA(0.2, inner=inner, solver="newton", divergence=kl, **options)
        run = learn(own, rule, start, 1, record="info")
        assert run.history["info"][0]["converged"][0]
        ends.append([transform @ theta for theta in run.params])
        lola = learn(own, LOLA(1.0), start, 1)
        steps.append([transform @ theta for theta in lola.params])
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-8)
    assert np.abs(np.array(ends[0]) - policies).max() > 0.05
    assert np.abs(np.array(steps[0]) - steps[1]).max() > 0.05


# Numbers at the edge, and what is refused --------------------------------------------------------------


def test_saturated_policies_make_no_nan(values):
    """Logits of 800, where probabilities are 0 and 1 in floating point; with and without a price."""
    start = (np.full((5, 1), 800.0), np.full((5, 1), -800.0))
    for beta in (0.0, 0.1):
        rule = POLA(0.3, 2.0, beta_out=beta, max_steps=3)
        run = learn(values, rule, start, 2, record="info")
        assert run.status == RESULTS.successful
        assert np.isfinite(run.history["info"][0]["divergence"]).all()


def test_what_did_not_converge_says_so(values, start):
    run = learn(values, POLA(1e-3, 2.0, max_steps=2, tolerance=0.0), start, 0, record="info")
    info = run.history["info"][0]
    assert not info["converged"][0]
    assert info["iterations"][0] == 2
    assert info["residual"][0] > 1e-3


def test_refusals():
    with pytest.raises(ValueError, match="a user's own function has none; use.*LOLA"):
        learn(SMOOTH, POLA(0.1), POINT, 1)
    with pytest.raises(ValueError, match="inner: expected one of"):
        POLA(0.1, inner="exact")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="divergence: expected 'policies'"):
        POLA(0.1, divergence="kl")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="weights: 'occupancy' goes with"):
        POLA(0.1, weights="occupancy", divergence="parameters")
    with pytest.raises(ValueError, match="max_steps: expected a whole number from 1, got 0"):
        POLA(0.1, max_steps=0)
    with pytest.raises(ValueError, match="no number below 0"):
        POLA(0.1, beta_out=-1.0)


# The published experiment -------------------------------------------------------------------------------


def tit_for_tat_found(run, factor):
    """The criterion of the published code, per run, at the end: the mean score exceeds 0.8 of cooperation's,
    and both cooperate with probability below 0.65 in DD and after being defected on."""
    score = run.values.mean(axis=1) > 0.8 * (factor - 1) / 0.04
    # start, CC, CD, DC, DD; player 1 is defected on in CD, player 2 in DC
    first, second = (own[..., 0] for own in run.policies)
    low = [first[:, 2], first[:, 4], second[:, 3], second[:, 4]]
    return score & (np.max(low, axis=0) < 0.65)


@pytest.mark.slow
def test_outer_pola_finds_tit_for_tat():
    """10 of 10 runs of the published code, mean policy (DD, DC, CD, CC, start) .12 .96 .11 1.00 .95."""
    values = closed_form(public_goods(2, "1.33").iterated("24/25"), "sum").compile()
    rule = POLA(0.3, 5.0, beta_out=0.1)
    run = learn(values, rule, jax.random.key(0), 2, batch=20, scale=0.1, record="info")
    assert run.policies is not None
    assert tit_for_tat_found(run, 1.33).all()
    mean = run.policies[0][..., 0].mean(axis=0)
    np.testing.assert_allclose(mean, [0.95, 1.00, 0.11, 0.96, 0.12], atol=0.03)
    iterations = run.history["info"][0]["iterations"][:2]
    assert 250 < iterations.mean() < 400  # published code: 290 to 360 per player and epoch
