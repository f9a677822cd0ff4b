"""Meta-values against sums along the way, closed forms in 30 digits, value iteration, and dense autodiff."""

# NumPy arrays, wrong arguments on purpose, and what a test knows not to be None.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    LOLA,
    META_VALUE,
    SOS,
    LookAhead,
    MeVa,
    Naive,
    OptimisticGradient,
    ValueFunction,
    bellman_residual,
    horizon_for,
    joint_update,
    learn,
    meta_value_collocation,
    quadratic_meta_value,
    unrolled_meta_value,
)


def wrapped(function, players=2, name="test"):
    return ValueFunction.wrap(function, [()] * players, name)


HAMILTONIAN = wrapped(lambda p: jnp.stack([-p[0] * p[1], p[0] * p[1]]), name="hamiltonian")
TANDEM = wrapped(
    lambda p: -jnp.stack([(p[0] + p[1]) ** 2 - 2 * p[0], (p[0] + p[1]) ** 2 - 2 * p[1]]),
    name="tandem",
)


def pennies(params):
    one, other = (2 * jax.nn.sigmoid(own) - 1 for own in params)
    return jnp.stack([-one * other, one * other])


def random_quadratic(sizes, seed=0):
    """Coefficients of random quadratic values, and the value function."""
    rng = np.random.default_rng(seed)
    n, dim = len(sizes), sum(sizes)
    matrices = rng.normal(size=(n, dim, dim))
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2 - 1.5 * np.eye(dim)
    vectors, constants = rng.normal(size=(n, dim)), rng.normal(size=n)

    def function(params):
        z = jnp.concatenate(params)
        return constants + vectors @ z + 0.5 * jnp.einsum("iab,a,b->i", matrices, z, z)

    values = ValueFunction.wrap(function, [(size,) for size in sizes], "random quadratic")
    return matrices, vectors, constants, values


def random_point(values, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


# The exact solution ------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "discount"), [(0.1, 0.5), (0.1, 0.9), (0.3, 0.7), (0.05, 0.15)])
def test_hamiltonian_closed_form(rate, discount):
    """V_1 = Re(c z^2) with z = x + iy and c (1 - g (1 + 2 a c)^2) = i (1 - g) / 2."""
    with mpmath.workdps(30):
        c = mpmath.mpc(0, 0.5)
        for share in mpmath.linspace(0, 1, 21)[1:]:
            a, g = rate * share, mpmath.mpf(discount)
            c = mpmath.findroot(
                lambda c, a=a, g=g: c * (1 - g * (1 + 2 * a * c) ** 2) - 1j * (1 - g) / 2, c
            )
        m = 1 + 2 * mpmath.mpf(rate) * c
        first = np.array(
            [[2 * c.real, -2 * c.imag], [-2 * c.imag, -2 * c.real]], dtype=object
        ).astype(float)
        m = complex(m)
    meta = quadratic_meta_value(HAMILTONIAN, rate, discount)
    np.testing.assert_allclose(meta.form.matrices, [first, -first], atol=1e-13)
    np.testing.assert_allclose(
        np.sort_complex(meta.multipliers[0]), np.sort_complex([m, m.conjugate()]), atol=1e-13
    )
    np.testing.assert_allclose(meta.contraction, np.sqrt(discount) * abs(m), atol=1e-13)
    assert meta.residual < 1e-14
    assert meta.is_sum


def test_published_digits():
    """The numbers of shaping.md, section 2.2."""
    half, most = (quadratic_meta_value(HAMILTONIAN, 0.1, g) for g in (0.5, 0.9))
    m = max(half.multipliers[0], key=lambda own: own.imag)
    assert abs(m - (0.983603697480 + 0.093156975848j)) < 1e-11
    assert abs(abs(m) - 0.988005291406) < 1e-11
    assert abs(abs(most.multipliers[0][0]) - 0.973032988848) < 1e-11
    for discount, total, loss in (
        (0.5, 1.136041703044, 0.154549048),
        (0.9, 1.572474869666, 0.900202),
    ):
        rest = quadratic_meta_value(TANDEM, 0.1, discount).rest()
        assert abs(sum(rest) - total) < 1e-11
        assert abs(-TANDEM(rest).mean() - loss) < 1e-6


def test_small_steps_contract_from_discount_one_fifth():
    moduli = {
        discount: abs(quadratic_meta_value(HAMILTONIAN, 1e-3, discount).multipliers[0][0])
        for discount in (0.0, 0.19, 0.21, 0.5)
    }
    assert abs(moduli[0.0] - np.sqrt(1 + 1e-6)) < 1e-14
    assert moduli[0.19] > 1 > moduli[0.21] > moduli[0.5]


@pytest.mark.parametrize("discount", [0.5, 0.9])
def test_tandem_closed_form(discount):
    """V_1 = -a s^2 + b s + (x - y) + const with s = x + y; the stable fixed point s = 1 is not kept."""
    rate = 0.1
    with mpmath.workdps(30):
        g = mpmath.mpf(discount)
        al = mpmath.mpf("0.1")
        a = mpmath.findroot(lambda a: a - (1 - g) - g * a * (1 - 4 * al * a) ** 2, 0.7)
        mu = 1 - 4 * al * a
        b = (1 - g - 4 * g * mu * al * a) / (1 - g * mu + 4 * g * mu * al * a)
        a, b, rest = float(a), float(b), float((b + 1) / (2 * a))
    meta = quadratic_meta_value(TANDEM, rate, discount)
    np.testing.assert_allclose(meta.form.matrices, np.full((2, 2, 2), -2 * a), atol=1e-13)
    np.testing.assert_allclose(meta.form.vectors, [[b + 1, b - 1], [b - 1, b + 1]], atol=1e-13)
    run = learn(TANDEM, MeVa(rate, meta), (0.3, -0.2), 1500)
    assert abs(sum(run.params) - rest) < 1e-12
    assert rest > 1.1


SIZES = [(1, 2), (2, 1, 3)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["all", "one believes", "some"])
def test_quadratic_is_value_iteration_and_the_sum_along_the_way(sizes, kind):
    matrices, vectors, constants, values = random_quadratic(sizes)
    n, dim = len(sizes), sum(sizes)
    rate, discount = np.linspace(0.02, 0.05, n), np.linspace(0.5, 0.85, n)
    owner = np.repeat(np.arange(n), sizes)
    given = {"all": None, "one believes": Naive(0.04), "some": [None, *[Naive(0.04)] * (n - 1)]}[
        kind
    ]
    follows = {
        "all": np.ones((n, n), bool),
        "one believes": np.eye(n, dtype=bool),
        "some": np.tile(np.arange(n) == 0, (n, 1)),
    }[kind]
    meta = quadratic_meta_value(values, rate, discount, given)

    # Value iteration, from the game itself, on homogeneous coordinates (z, 1).
    def homogeneous(matrix, vector, constant):
        full = np.zeros((dim + 1, dim + 1))
        full[:dim, :dim], full[:dim, dim], full[dim, :dim] = matrix, vector, vector
        full[dim, dim] = 2 * constant
        return full

    game = np.stack([homogeneous(*own) for own in zip(matrices, vectors, constants, strict=True)])
    found = game
    for _ in range(600):
        after = []
        for i in range(n):
            step = np.eye(dim + 1)
            for k, j in enumerate(owner):
                step[k] += rate[j] * found[j, k] if follows[i, j] else 0.04 * game[j, k]
            g = discount[i]
            after.append((1 - g) * game[i] + g * step.T @ found[i] @ step)
        found = np.stack(after)
    np.testing.assert_allclose(meta.form.matrices, found[:, :dim, :dim], atol=1e-12)
    np.testing.assert_allclose(meta.form.vectors, found[:, :dim, dim], atol=1e-12)
    np.testing.assert_allclose(meta.form.constants, found[:, dim, dim] / 2, atol=1e-11)

    assert meta.residual < 1e-13
    assert meta.is_sum
    x = random_point(values)
    # And it is what it stands for: the discounted values along the way, as the first player believes it to be.
    z = here = np.append(np.concatenate(x), 1.0)
    total = 0.0
    for t in range(200):
        total += (1 - discount[0]) * discount[0] ** t * z @ game[0] @ z / 2
        moves = [
            rate[j] * found[j, k] if follows[0, j] else 0.04 * game[j, k]
            for k, j in enumerate(owner)
        ]
        z = z + np.append(np.array(moves) @ z, 0.0)
    assert abs(total - meta(x)[0]) < 1e-11
    assert abs(total - here @ game[0] @ here / 2) > 1e-3


def test_opponents_that_look_ahead():
    opponents = [None, LOLA(0.1, variant="original")]
    meta = quadratic_meta_value(TANDEM, 0.1, 0.8, opponents)
    x = (jnp.array(0.4), jnp.array(-1.2))
    assert np.abs(bellman_residual(TANDEM, meta, 0.1, 0.8, x, opponents)).max() < 1e-13
    assert np.abs(bellman_residual(TANDEM, meta, 0.1, 0.8, x)).max() > 1e-3


def test_other_solutions_are_solutions_and_not_sums():
    meta = quadratic_meta_value(TANDEM, 0.1, 0.9, starts=40)
    assert meta.analytic
    assert len(meta.others) >= 1
    x = (jnp.array(0.4), jnp.array(-1.2))
    for other in meta.others:
        assert not other.analytic
        size = np.abs(other.form.constants).max() + np.abs(other.form.matrices).max()
        assert np.abs(bellman_residual(TANDEM, other, 0.1, 0.9, x)).max() < 1e-12 * size
        assert np.abs(other.form.matrices - meta.form.matrices).max() > 0.1
        assert not other.is_sum
        assert "NOT the discounted sum" in str(other)


def test_lost_solution_is_an_error():
    with pytest.raises(ValueError, match="was lost at 0.* times the given rates"):
        quadratic_meta_value(TANDEM, -1.0, 0.9)


def test_quadratic_refuses():
    with pytest.raises(ValueError, match="expected quadratic values"):
        quadratic_meta_value(wrapped(pennies), 1.0, 0.5)
    with pytest.raises(ValueError, match="SOS for player 1 is not affine"):
        quadratic_meta_value(TANDEM, 0.1, 0.5, [None, SOS(0.1)])
    with pytest.raises(ValueError, match="OptimisticGradient remembers"):
        quadratic_meta_value(TANDEM, 0.1, 0.5, OptimisticGradient(0.1))
    with pytest.raises(ValueError, match=r"discount: expected a number in \[0, 1\)"):
        quadratic_meta_value(TANDEM, 0.1, 1.0)
    with pytest.raises(ValueError, match="rate: expected a finite number"):
        quadratic_meta_value(TANDEM, [0.1, np.nan], 0.5)
    with pytest.raises(TypeError, match=r"opponents\[1\]: expected a learner"):
        quadratic_meta_value(TANDEM, 0.1, 0.5, [None, "naive"])


# Unrolling -----------------------------------------------------------------------------------------


def polynomial(sizes, seed=0):
    rng = np.random.default_rng(seed)
    n, dim = len(sizes), sum(sizes)
    forms = rng.normal(size=(2 * dim, dim)) / dim
    mix = rng.normal(size=(n, 3, 2 * dim)) / dim

    def function(params):
        y = forms @ jnp.concatenate(params)
        return mix[:, 0] @ y + mix[:, 1] @ y**2 + mix[:, 2] @ y**3

    return ValueFunction.wrap(function, [(size,) for size in sizes])


def dense_prisoners_dilemma(params):
    """Per-round values of the iterated game at discount 24/25, by a linear solve."""
    p, q = (jax.nn.sigmoid(jnp.ravel(own)) for own in params)
    joint = jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
    payoffs = jnp.array([[-1.0, -3.0, 0.0, -2.0], [-1.0, 0.0, -3.0, -2.0]])
    return 0.04 * payoffs @ jnp.linalg.solve((jnp.eye(4) - 0.96 * joint[1:]).T, joint[0])


def own_gradients(function, params):
    blocks = jax.jacrev(function)(params)
    return [own[j] for j, own in enumerate(blocks)]


@pytest.mark.parametrize("sizes", [(1, 2, 2)], ids=str)
def test_one_step_of_others_is_naive_and_exact_lola(sizes):
    """With the player itself at rest, V_i = (1 - g) f_i(x) + g f_i(x_i, x_j + eta grad_j f_j(x)): the gradient is
    (1 - g) times naive learning's and g times that of exact LOLA."""
    values = polynomial(sizes)
    x = random_point(values)
    eta, alpha, g = 0.3, 0.7, 0.6
    for player in range(len(sizes)):
        rules = [Naive(0.0 if j == player else eta) for j in range(len(sizes))]
        meva = MeVa(alpha, unrolled_meta_value(values, rules, g, 1))
        parts = [Naive(alpha), LOLA(alpha, eta, variant="exact"), meva]
        naive, lola, own = (rule.update(values, x, player, None)[0] for rule in parts)
        np.testing.assert_allclose(own, (1 - g) * naive + g * lola, atol=1e-13)


def test_unrolled_on_a_compiled_game_is_dense_autodiff():
    values = closed_form(prisoners_dilemma().iterated("24/25")).compile()
    assert values.backend == "program"
    x = random_point(values)
    rate, g, horizon = 25.0, np.array([0.9, 0.4]), 2

    def dense(params):
        total, weight = jnp.zeros(2), jnp.ones(2)
        for _ in range(horizon):
            total = total + (1 - g) * weight * dense_prisoners_dilemma(params)
            moves = own_gradients(dense_prisoners_dilemma, params)
            params = tuple(own + rate * move for own, move in zip(params, moves, strict=True))
            weight = weight * g
        return total + weight * dense_prisoners_dilemma(params)

    meta = unrolled_meta_value(values, Naive(rate), g, horizon)
    expected, blocks = jax.jit(lambda own: (dense(own), jax.jacrev(dense)(own)))(x)
    np.testing.assert_allclose(meta(x), expected, atol=1e-12)
    # Inside the compiled loop of `learn`, on the program's scalars.
    run = learn(values, MeVa(25.0, meta), x, 1)
    for j in range(2):
        np.testing.assert_allclose(run.params[j], x[j] + 25 * blocks[j][j], atol=1e-10)
    np.testing.assert_allclose(meta.tail.bound, 3 * g**2, atol=1e-14)


def test_undiscounted_is_naive():
    values = polynomial((2, 2))
    x = random_point(values)
    (naive, _), _, _ = joint_update(values, [Naive(0.1)] * 2, x, (None, None))
    for meta in (
        unrolled_meta_value(values, LookAhead(0.1), 0.0, 2),
        unrolled_meta_value(values, Naive(0.1), 0.7, 0),
    ):
        meva, _, _ = MeVa(0.1, meta).update(values, x, 0, None)
        np.testing.assert_allclose(meva, naive, atol=1e-15)
    own, _, _ = MeVa(0.1, quadratic_meta_value(TANDEM, 0.3, 0.0)).update(
        TANDEM, (jnp.array(0.3), jnp.array(0.1)), 0, None
    )
    np.testing.assert_allclose(own, 0.1 * (2 - 2 * 0.4), atol=1e-15)


def test_naive_on_the_meta_value_is_meva_on_the_game():
    values = random_quadratic((2, 1))[-1]
    start = random_point(values)
    meta = quadratic_meta_value(values, 0.05, [0.5, 0.8])
    one, other = learn(values, MeVa(0.1, meta), start, 10), learn(meta, Naive(0.1), start, 10)
    np.testing.assert_allclose(one.params[0], other.params[0], atol=1e-13)
    # The second-order products of a meta-value, which e.g. LOLA on meta-values needs.
    u = jnp.array([0.3])
    block = meta.form.matrices[0, :2, 2:]
    np.testing.assert_allclose(meta.cross(start, 0, 0, 1, u), block @ u, atol=1e-13)


def test_horizon_and_tail():
    values = wrapped(pennies, name="pennies")
    x = (jnp.array(0.8), jnp.array(-0.5))
    for g, error in ((0.9, 0.5), ([0.0, 0.5], 1e-3)):
        horizon = horizon_for(g, error, values, bounds=(-1, 1))
        meta, shorter, longer = (
            unrolled_meta_value(values, Naive(0.5), g, own, bounds=(-1, 1))
            for own in (horizon, horizon - 1, 3 * horizon)
        )
        assert meta.tail.bound.max() <= error < shorter.tail.bound.max()
        assert (np.abs(meta(x) - longer(x)) <= meta.tail.bound).all()
    assert horizon_for(0.5, 0.25) == 2
    with pytest.raises(ValueError, match="the range of pennies is not known"):
        horizon_for(0.5, 0.1, values)
    toy = unrolled_meta_value(TANDEM, Naive(0.1), 0.5, 4)
    assert toy.tail.bound is None
    assert "give `bounds`" in repr(toy.tail)


def test_bounds_of_compiled_games_are_their_payoffs():
    game = prisoners_dilemma().iterated("3/4")
    for normalise, least in (("average", -3), ("sum", -12)):
        values = closed_form(game, normalise=normalise).compile()
        meta = unrolled_meta_value(values, Naive(0.5), 0.5, 2)
        np.testing.assert_allclose(meta.bounds, [[least, 0]] * 2, rtol=1e-14)
        np.testing.assert_allclose(meta.tail.bound, [-least / 4] * 2, rtol=1e-14)
        assert horizon_for(0.5, -least / 4, values) == 2


@pytest.mark.parametrize("memory", ["steps", "blocks"])
def test_memory_does_not_change_derivatives(memory):
    values = polynomial((2, 2))
    x = random_point(values)
    most, less = (
        unrolled_meta_value(values, Naive(0.1), 0.9, 7, memory=own).jacobian(x)
        for own in ("all", memory)
    )
    np.testing.assert_allclose(jnp.stack(most[0]), jnp.stack(less[0]), rtol=1e-12)


def test_learners_keep_their_memory():
    values = polynomial((2, 2))
    x = random_point(values)
    meta = unrolled_meta_value(values, OptimisticGradient(0.1), 0.9, 6)
    run = learn(values, OptimisticGradient(0.1), x, 6, record="values")
    np.testing.assert_allclose(jnp.stack(meta.end(x)), np.stack(run.params), atol=1e-13)
    weights = np.append(0.1 * 0.9 ** np.arange(6), 0.9**6)
    np.testing.assert_allclose(meta(x), weights @ run.history["values"], atol=1e-13)


def test_sensitivity_is_the_norm_of_the_derivative_of_the_end():
    values = HAMILTONIAN
    x = (jnp.array(0.3), jnp.array(0.4))
    meta = unrolled_meta_value(values, Naive(0.5), 0.9, 8)
    assert abs(meta.sensitivity(x) - (1 + 0.25) ** 4) < 1e-12


# The equation ----------------------------------------------------------------------------------------


def test_residual_of_an_unrolled_meta_value():
    """It fails the equation by g^(T + 1) (f(x_T) - f(x_{T+1}))."""
    values = polynomial((2, 2))
    x = random_point(values)
    rules = [Naive(0.2), LookAhead(0.1)]
    g, horizon = np.array([0.5, 0.9]), 3
    meta = unrolled_meta_value(values, rules, g, horizon)
    end = meta.end(x)
    updates, _, _ = joint_update(values, rules, end, (None, None))
    beyond = tuple(own + move for own, move in zip(end, updates, strict=True))
    expected = g ** (horizon + 1) * (values(end) - values(beyond))
    found = bellman_residual(values, meta, 0.0, g, x, rules)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    many = tuple(jnp.stack([own, 2 * own]) for own in x)
    batch = bellman_residual(values, meta, 0.0, g, many, rules)
    assert batch.shape == (2, 2)
    np.testing.assert_allclose(batch[0], expected, atol=1e-13)


def test_residual_refuses():
    with pytest.raises(ValueError, match="meta: made for parameters of shapes"):
        bellman_residual(TANDEM, polynomial((1, 1)), 0.1, 0.5, (0.0, 0.0))
    with pytest.raises(ValueError, match=r"params\[1\]: expected shape \(\)"):
        bellman_residual(TANDEM, TANDEM, 0.1, 0.5, (jnp.zeros(3), jnp.zeros(2)))
    with pytest.raises(ValueError, match="one entry for each of 2 players, got 1"):
        bellman_residual(TANDEM, TANDEM, 0.1, 0.5, (0.0, 0.0), [Naive(0.1)])


# Collocation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [HAMILTONIAN, TANDEM], ids=["hamiltonian", "tandem"])
@pytest.mark.parametrize("opponents", [None, Naive(0.1)], ids=["all", "naive"])
def test_collocation_finds_the_quadratic_solution(values, opponents):
    exact = quadratic_meta_value(values, 0.1, [0.5, 0.8], opponents)
    meta = meta_value_collocation(
        values, 0.1, [0.5, 0.8], ([-1, -2], [1, 1.5]), 3, opponents, outside="extrapolate"
    )
    assert meta.status == META_VALUE.solved
    x = (jnp.array(0.3), jnp.array(-1.7))
    np.testing.assert_allclose(meta(x), exact(x), atol=1e-11)
    assert meta.escapes > 0
    assert meta.farthest > 0
    assert "leave the box" in str(meta)


def test_collocation_on_matching_pennies_is_the_sum_along_the_way():
    values = wrapped(pennies, name="pennies")
    meta = meta_value_collocation(values, 1.0, 0.8, (-3.5, 3.5), 14, tolerance=1e-4)
    assert meta.status == META_VALUE.solved
    assert meta.residual < 1e-12
    assert meta.off_grid < 1e-4
    x = (jnp.array(0.8), jnp.array(-0.5))
    sums = unrolled_meta_value(values, MeVa(1.0, meta), 0.8, 80)
    np.testing.assert_allclose(sums(x), meta(x), atol=5e-5)
    assert abs(sums(x)[0] - values(x)[0]) > 0.03
    assert np.abs(bellman_residual(values, meta, 1.0, 0.8, x)).max() <= meta.off_grid
    assert meta.inside(x)
    assert not meta.inside((4.0, 0.0))
    outside, edge = meta((jnp.array(9.0), 0.1)), meta((jnp.array(3.5), 0.1))
    np.testing.assert_allclose(outside, edge, rtol=1e-13)


def test_collocation_says_when_it_is_coarse():
    def cliffs(params):
        x, y = params
        s, t = jax.nn.sigmoid(x), jax.nn.sigmoid(y)
        keep = ((x * y) ** 2 + (x**2 - y**2) ** 2) / 1e4
        return -jnp.stack([4 * s * (1 - 2 * t) + keep, 4 * t * (1 - 2 * s) + keep])

    meta = meta_value_collocation(wrapped(cliffs, name="logistic"), 1.0, 0.3, (-8, 8), 12)
    assert meta.status != META_VALUE.solved
    assert meta.off_grid > 1e-3
    assert META_VALUE[meta.status] in str(meta)


def test_collocation_refuses():
    with pytest.raises(ValueError, match="use meta_value_networks"):
        meta_value_collocation(TANDEM, 0.1, 0.5, (-1, 1), 60)
    with pytest.raises(ValueError, match="outside: expected one of"):
        meta_value_collocation(TANDEM, 0.1, 0.5, (-1, 1), 4, outside="wrap")
    with pytest.raises(ValueError, match="region: expected finite low < high"):
        meta_value_collocation(TANDEM, 0.1, 0.5, (1, -1), 4)


# The learner -----------------------------------------------------------------------------------------


def test_meva_wants_a_meta_value_of_the_game():
    meta = quadratic_meta_value(TANDEM, 0.1, 0.5)
    with pytest.raises(ValueError, match="meta: made for parameters of shapes"):
        learn(polynomial((1, 2)), MeVa(0.1, meta), (jnp.zeros(1), jnp.zeros(2)), 1)
    with pytest.raises(TypeError, match="meta: expected a value function"):
        MeVa(0.1, None)
    described = MeVa(0.1, meta).describe()
    assert described["learner"] == "MeVa"
    assert described["meta"] == repr(meta)


def test_one_player_alone_follows_its_meta_value():
    meta = quadratic_meta_value(HAMILTONIAN, 0.1, 0.9, [None, Naive(0.1)])
    run = learn(HAMILTONIAN, [MeVa(0.1, meta), Naive(0.1)], (1.0, 0.5), 2000)
    assert np.abs(run.params).max() < 1e-6
    naive = learn(HAMILTONIAN, Naive(0.1), (1.0, 0.5), 2000)
    assert np.abs(naive.params).max() > 1e3
