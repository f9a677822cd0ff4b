"""Every update against explicit Hessian blocks, known limits, and a battery over all learners."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm
from resolvent.numeric import ValueFunction, tree
from resolvent.numeric.learners import LEARNERS, LOLA, AbstractLearner, LookAhead, Naive
from resolvent.numeric.learning import learn
from resolvent.numeric.loop import joint_update

RULES: dict[str, Callable[..., AbstractLearner]] = {
    "naive": Naive,
    "lookahead": LookAhead,
    "taylor": LOLA,
    "original": lambda *rates: LOLA(*rates, variant="original"),
    "exact": lambda *rates: LOLA(*rates, variant="exact"),
}


def iterated(num_actions, discount="9/10", seed=0):
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-4, 5, (len(num_actions), *num_actions)).tolist()
    return NormalForm(payoffs).iterated(discount)


def quadratic(sizes, seed=0):
    """V_i = x' B_i x / 2 + c_i' x with indefinite B_i, and its derivatives in NumPy."""
    rng = np.random.default_rng(seed)
    n, dim = len(sizes), sum(sizes)
    half = rng.normal(size=(n, dim, dim))
    B, c = half + half.transpose(0, 2, 1), rng.normal(size=(n, dim))

    def function(params):
        x = jnp.concatenate(params)
        return jnp.stack([x @ own @ x / 2 + b @ x for own, b in zip(B, c, strict=True)])

    values = ValueFunction.wrap(function, [(size,) for size in sizes])
    return values, lambda x: B @ x + c, lambda x: B


def dense(game, normalise):
    """Gradients and Hessians of all values in one flat vector of logits, by differentiating a
    dense linear solve twice: (n, D) and (n, D, D)."""
    payoffs = np.array(game.stage.payoffs, float)
    g = float(game.discount)
    sizes = [(game.num_states, actions - 1) for actions in game.num_actions]
    cuts = np.cumsum([np.prod(size) for size in sizes])[:-1]

    def value(x):
        joint = jnp.ones((game.num_states, 1))
        for own, size in zip(jnp.split(x, cuts), sizes, strict=True):
            logits = jnp.concatenate([own.reshape(size), jnp.zeros((size[0], 1))], axis=1)
            policy = jax.nn.softmax(logits, axis=1)
            joint = (joint[:, :, None] * policy[:, None, :]).reshape(game.num_states, -1)
        start, moves = joint[0], joint[1:]
        r = payoffs.reshape(len(payoffs), -1)
        total = r @ jnp.linalg.solve((jnp.eye(r.shape[1]) - g * moves).T, start)
        return total * (1 - g) if normalise == "average" else total

    return jax.jit(jax.jacfwd(value)), jax.jit(jax.hessian(value))


def expected_updates(rule, sizes, gradients, hessians, x, rates, etas):
    """All updates from explicit blocks: row i of `gradients(x)` is dV_i/dx, and so on."""
    cuts = np.cumsum([0, *sizes])
    part = [slice(cuts[i], cuts[i + 1]) for i in range(len(sizes))]
    G, H = np.asarray(gradients(x)), np.asarray(hessians(x))
    updates = []
    for i, own in enumerate(part):
        others = [j for j in range(len(sizes)) if j != i]
        moved = np.array(x)
        for j in others:
            moved[part[j]] += etas[i][j] * G[j, part[j]]
        anticipated = sum(etas[i][j] * H[i][own, part[j]] @ G[j, part[j]] for j in others)
        shaped = sum(etas[i][j] * H[j][own, part[j]] @ G[i, part[j]] for j in others)
        there = np.asarray(gradients(moved))
        through = sum(etas[i][j] * H[j][own, part[j]] @ there[i, part[j]] for j in others)
        direction = {
            "naive": G[i, own],
            "lookahead": G[i, own] + anticipated,
            "taylor": G[i, own] + anticipated + shaped,
            "original": G[i, own] + shaped,
            "exact": there[i, own] + through,
        }[rule]
        updates.append(rates[i] * direction)
    return updates


def check_updates(values, gradients, hessians, seed=1):
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    n = len(sizes)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=sum(sizes))
    rates, etas = rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, (n, n))
    params = tuple(
        own.reshape(shape)
        for own, shape in zip(np.split(x, np.cumsum(sizes)[:-1]), values.shapes, strict=True)
    )
    learners = {
        rule: [
            Naive(rate) if rule == "naive" else make(rate, eta)
            for rate, eta in zip(rates, etas, strict=True)
        ]
        for rule, make in RULES.items()
    }

    # All rules in one function: what they share is compiled once.
    @jax.jit
    def updates(params):
        return {
            rule: joint_update(values, own, params, (None,) * n)[0]
            for rule, own in learners.items()
        }

    for rule, ours in updates(params).items():
        theirs = expected_updates(rule, sizes, gradients, hessians, x, rates, etas)
        for got, want in zip(ours, theirs, strict=True):
            tolerance = 1e-12 * np.abs(want).max()
            np.testing.assert_allclose(np.ravel(got), want, rtol=0, atol=tolerance, err_msg=rule)


@pytest.mark.parametrize(
    ("num_actions", "normalise", "backend"),
    [
        ((2, 2), "sum", "program"),
        ((2, 2), "average", "tensor"),
        ((2, 3), "average", "tensor"),
        ((3, 2), "sum", "tensor"),
        ((2, 3, 2), "average", "tensor"),
    ],
    ids=str,
)
def test_updates_equal_explicit_hessian_blocks(num_actions, normalise, backend):
    game = iterated(num_actions)
    values = closed_form(game, normalise).compile(backend=backend)
    check_updates(values, *dense(game, normalise))


@pytest.mark.parametrize("sizes", [(1, 1), (2, 3), (1, 2, 3), (2, 1, 1, 2)], ids=str)
def test_updates_on_quadratic_games(sizes):
    check_updates(*quadratic(sizes))


def test_exact_lola_is_the_gradient_through_the_others_step():
    """By automatic differentiation of the definition, on a function that is not quadratic."""

    def function(params):
        x, y, z = params
        return jnp.stack(
            [jnp.sin(x @ y) * z[0], jnp.cos(x[0] * z[0]) + y @ y * x[1], x @ x * y[0] / z[0]]
        )

    values = ValueFunction.wrap(function, [(2,), (2,), (1,)])
    params = tuple(map(jnp.asarray, ([0.3, -0.7], [0.4, 1.1], [1.5])))

    def ahead(own, player):
        here = (*params[:player], own, *params[player + 1 :])
        moved = [
            here[j]
            + 0.3 * jax.grad(lambda p, j=j: function((*here[:j], p, *here[j + 1 :]))[j])(here[j])
            for j in range(3)
        ]
        moved[player] = own
        return function(tuple(moved))[player]

    for player, update in enumerate(updates_of(LOLA(0.5, 0.3, "exact"), values, params)):
        gradient = jax.jit(jax.grad(ahead), static_argnums=1)(params[player], player)
        np.testing.assert_allclose(update, 0.5 * gradient, rtol=1e-13)


# What theory says -----------------------------------------------------------------------------


@eqx.filter_jit
def updates_of(learner, values, params):
    return joint_update(values, [learner] * len(params), params, [None] * len(params))[0]


def close(a, b, rtol=1e-12):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14), a, b)


def zero_sum(params):
    x, y = params
    own = jnp.sin(x[0] * y[0]) + x[1] ** 2 * y[0] - x[0] * y[1] ** 3
    return jnp.stack([own, -own])


def bilinear(params):
    x, y = params
    A, B = jnp.array([[1.0, 2.0], [-3.0, 0.5]]), jnp.array([[0.3, -1.0], [2.0, 4.0]])
    return jnp.stack([x @ A @ y + x[0], x @ B @ y - y[1]])


START = (jnp.array([0.7, -0.4]), jnp.array([0.2, 1.3]))


def test_without_lookahead_all_are_naive():
    values = ValueFunction.wrap(zero_sum, [(2,), (2,)])
    for rule in ("lookahead", "taylor", "original", "exact"):
        close(
            updates_of(RULES[rule](0.3, 0.0), values, START), updates_of(Naive(0.3), values, START)
        )


def test_lookahead_defaults_to_the_rate():
    values = ValueFunction.wrap(zero_sum, [(2,), (2,)])
    for rule in ("lookahead", "taylor", "original", "exact"):
        close(
            updates_of(RULES[rule](0.3), values, START),
            updates_of(RULES[rule](0.3, 0.3), values, START),
        )


def test_taylor_is_lookahead_plus_the_shaping_term():
    values = ValueFunction.wrap(bilinear, [(2,), (2,)])
    naive, ahead, taylor, original = (
        updates_of(RULES[rule](0.3), values, START)
        for rule in ("naive", "lookahead", "taylor", "original")
    )
    close(
        jax.tree.map(jnp.subtract, taylor, ahead),
        jax.tree.map(jnp.subtract, original, naive),
        1e-11,
    )


def test_zero_sum_lookahead_is_original_lola():
    values = ValueFunction.wrap(zero_sum, [(2,), (2,)])
    close(
        updates_of(LookAhead(0.3), values, START),
        updates_of(LOLA(0.3, variant="original"), values, START),
    )


def test_bilinear_exact_lola_is_taylor():
    values = ValueFunction.wrap(bilinear, [(2,), (2,)])
    close(
        updates_of(LOLA(0.3, variant="exact"), values, START), updates_of(LOLA(0.3), values, START)
    )
    # and differs where losses are not bilinear
    curved = ValueFunction.wrap(zero_sum, [(2,), (2,)])
    gap = jax.tree.map(
        jnp.subtract,
        updates_of(LOLA(0.3, variant="exact"), curved, START),
        updates_of(LOLA(0.3), curved, START),
    )
    assert tree.norm(gap) > 1e-2


@pytest.mark.parametrize(
    ("variant", "limit"),
    [
        ("taylor", lambda a: (1 - 2 * a) / (1 - 4 * a)),
        ("original", lambda a: 1 / (1 - 2 * a)),
        ("exact", lambda a: (1 - 2 * a + 4 * a**2) / (1 - 2 * a) ** 2),
    ],
)
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_tandem_limits(variant, limit, rate):
    """LOLA does not keep the fixed points of the tandem game, x + y = 1; limits in closed form."""
    values = ValueFunction.wrap(
        lambda p: -jnp.stack([(p[0] + p[1]) ** 2 - 2 * p[0], (p[0] + p[1]) ** 2 - 2 * p[1]]),
        [(), ()],
    )
    run = learn(values, LOLA(rate, variant=variant), (0.3, -0.2), 2000)
    s = run.params[0] + run.params[1]
    np.testing.assert_allclose(s, limit(rate), rtol=1e-12)
    np.testing.assert_allclose(-run.values.mean(), s**2 - s, rtol=1e-11)
    # x - y is conserved
    np.testing.assert_allclose(run.params[0] - run.params[1], 0.5, rtol=1e-11)


@pytest.mark.parametrize(
    ("rule", "modulus"),
    [
        ("naive", lambda a: 1 + a**2),
        ("lookahead", lambda a: 1 - a**2 + a**4),
        ("original", lambda a: 1 - a**2 + a**4),
        ("taylor", lambda a: 1 - 3 * a**2 + 4 * a**4),
        ("exact", lambda a: 1 - 3 * a**2 + 4 * a**4),
    ],
)
def test_bilinear_multipliers(rule, modulus):
    """On (xy, -xy) one step turns and scales; by how much is known (shaping.md, section 3)."""
    values = ValueFunction.wrap(lambda p: jnp.stack([-p[0] * p[1], p[0] * p[1]]), [(), ()])
    run = learn(values, RULES[rule](0.4), (0.6, 0.8), 10)
    squared = run.params[0] ** 2 + run.params[1] ** 2
    np.testing.assert_allclose(squared, modulus(0.4) ** 10, rtol=1e-12)


# A battery over all learners ------------------------------------------------------------------

SIZES = {2: (2, 3), 3: (2, 1, 3)}


@pytest.fixture(params=RULES, scope="module")
def learner(request):
    return RULES[request.param](0.01)


@pytest.fixture(params=[2, 3], scope="module")
def game(request):
    values = quadratic(SIZES[request.param])[0]
    rng = np.random.default_rng(5)
    return values, tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


def test_learn_is_the_loop(learner, game):
    values, params = game
    run = learn(values, learner, params, 7)
    for _ in range(7):
        params = jax.tree.map(jnp.add, params, updates_of(learner, values, params))
    close(run.params, params)
    close(run.values, values(params))


def test_jit_and_vmap(learner, game):
    values, params = game
    plain = updates_of(learner, values, params)
    close(jax.jit(lambda p: updates_of(learner, values, p))(params), plain)
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    mapped = jax.vmap(lambda p: updates_of(learner, values, p))(batch)
    close(jax.tree.map(lambda leaf: leaf[0], mapped), plain)
    double = updates_of(learner, values, jax.tree.map(lambda leaf: 2 * leaf, params))
    close(jax.tree.map(lambda leaf: leaf[1], mapped), double)


def test_rates_can_be_mapped_over(learner, game):
    values, params = game
    rates = jnp.array([0.0, 0.1, 0.2])
    many = jax.tree.map(lambda leaf: jnp.stack([leaf * k for k in (0.0, 10.0, 20.0)]), learner)
    mapped = eqx.filter_vmap(lambda own: updates_of(own, values, params))(many)
    for k, rate in enumerate(rates):
        single = eqx.tree_at(lambda own: own.rate, learner, rate)
        close(jax.tree.map(lambda leaf, k=k: leaf[k], mapped), updates_of(single, values, params))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtype_and_structure_are_kept(learner, game, dtype):
    values, params = game
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    updates = updates_of(learner, values, params)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), updates) == shapes
    run = learn(values, learner, params, 2)
    assert [own.dtype for own in run.params] == [dtype] * len(params)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_unstacked_parameters_give_unstacked_updates(learner, backend, dtype):
    values = closed_form(iterated((2, 2))).compile(backend=backend)
    params = tuple(
        jnp.asarray(np.random.default_rng(k).normal(size=(5, 1)), dtype) for k in range(2)
    )
    rows = values.unstack(params)
    update, state, info = jax.jit(lambda p: learner.update(values, p, 1, None))(rows)
    assert jax.tree.structure(update) == jax.tree.structure(rows[1])
    assert {leaf.dtype for leaf in jax.tree.leaves((update, info))} == {jnp.dtype(dtype)}
    assert all(leaf.shape == () for leaf in jax.tree.leaves(info))
    assert state is None


def test_information_is_the_norm_of_the_terms():
    values, gradients, hessians = quadratic((2, 3))
    params = (jnp.array([0.3, -0.2]), jnp.array([0.1, 0.5, -0.7]))
    x = np.concatenate(params)
    _, _, info = LOLA(0.3, 0.2).update(values, params, 0, None)
    G, H = gradients(x), hessians(x)
    terms = {
        "gradient": G[0, :2],
        "lookahead": 0.2 * H[0][:2, 2:] @ G[1, 2:],
        "shaping": 0.2 * H[1][:2, 2:] @ G[0, 2:],
    }
    assert {name: float(own) for name, own in info.items()} == pytest.approx(
        {name: np.linalg.norm(own) for name, own in terms.items()}, rel=1e-12
    )


def test_a_single_player_has_nobody_to_look_at():
    values = ValueFunction.wrap(lambda p: -jnp.sum(p[0] ** 2, keepdims=True), [(3,)])
    params = (jnp.array([1.0, 2.0, 3.0]),)
    for rule in RULES.values():
        close(updates_of(rule(0.1), values, params), (-0.2 * params[0],))


# How they are stated --------------------------------------------------------------------------


def test_names():
    assert {"naive", "look_ahead", "lola"} <= set(LEARNERS)
    assert all(isinstance(own(0.1), AbstractLearner) for own in LEARNERS.values())


def test_repr_and_description():
    assert repr(LOLA(1, variant="exact")) == "LOLA(rate=1.0, lookahead=None, variant='exact')"
    assert LookAhead(0.5, [1, 2]).describe() == {
        "learner": "LookAhead",
        "rate": 0.5,
        "lookahead": [1.0, 2.0],
    }


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "fast", True, None, 1j])
def test_bad_rates(bad):
    with pytest.raises(ValueError, match="expected finite numbers"):
        Naive(bad)


def test_bad_variant():
    with pytest.raises(ValueError, match="variant: expected one of"):
        LOLA(1.0, variant="precise")  # pyright: ignore[reportArgumentType]


def test_bad_lookahead_shape():
    values, *_ = quadratic((1, 1))
    with pytest.raises(ValueError, match="one number for each of 2 players, got shape"):
        learn(values, LOLA(0.1, [0.1, 0.2, 0.3]), ([0.0], [0.0]), 1)
