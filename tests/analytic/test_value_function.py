"""The compiled function as an object: leaves, recompilation, shapes, precision, errors."""

import subprocess
import sys
from fractions import Fraction
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import NormalForm, prisoners_dilemma

F = Fraction
BACKENDS = ("program", "tensor")


def random_params(values, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


@pytest.fixture(scope="module", params=BACKENDS)
def values(request):
    return closed_form(prisoners_dilemma().iterated("24/25")).compile(backend=request.param)


# Payoffs and discount are leaves.


def test_gradient_by_payoffs_is_the_frequency_of_outcomes(values, brute_force):
    params = random_params(values)
    gradient = jax.grad(lambda v: v(params)[0])(values).numbers.payoffs
    gradient = np.asarray(jax.tree.leaves(gradient)).reshape(2, 4)
    reference = brute_force.Reference.balls(
        values.game.stage.payoffs, (2, 2), 1, F(24, 25), [np.asarray(p) for p in params], "logits"
    )
    frequencies = [0.0] * 4
    for s, share in enumerate(reference.occupancy()):
        for k, p in enumerate(reference._joint(s, ()).values()):
            frequencies[k] += float((share * p).mid())
    np.testing.assert_allclose(gradient[0], frequencies, rtol=1e-13)
    np.testing.assert_array_equal(gradient[1], 0)


def test_gradient_by_the_discount(values, brute_force):
    """g and 1 - g are leaves of their own: the derivative by g is that along (1, -1). By hand,
    dV/dg = -W0 + (1 - g) [(I - gP)^-1 P W]_0."""
    params = random_params(values)

    def along(t):
        moved = eqx.tree_at(
            lambda v: (v.numbers.g, v.numbers.delta),
            values,
            (values.numbers.g + t, values.numbers.delta - t),
        )
        return moved(params)

    got = jax.jacfwd(along)(0.0)
    reference = brute_force.Reference.balls(
        values.game.stage.payoffs, (2, 2), 1, F(24, 25), [np.asarray(p) for p in params], "logits"
    )
    for i in range(2):
        worth = reference._worth(())[i]
        later = [
            sum(p * w for p, w in zip(row, worth, strict=True)) for row in reference.transitions
        ]
        first = reference.resolvent[0]
        true = reference.delta * sum(n * x for n, x in zip(first, later, strict=True)) - worth[0]
        assert abs(float(got[i]) - float(true.mid())) <= 1e-12 * abs(float(true.mid()))


def test_vmap_over_games(values):
    """A batch of games is a batch of payments."""
    games = [
        NormalForm(np.random.default_rng(k).integers(-5, 5, size=(2, 2, 2))).iterated(F(k, 7))
        for k in range(4)
    ]
    functions = [closed_form(game).compile(backend=values.backend) for game in games]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *functions)
    params = random_params(values)
    together = jax.vmap(lambda v: v(params))(stacked)
    one_by_one = jnp.stack([function(params) for function in functions])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-14, atol=1e-15)


def test_games_of_one_shape_share_one_compilation(values):
    traced = 0

    def count(v, params):
        nonlocal traced
        traced += 1
        return v(params)

    function = jax.jit(count)
    params = random_params(values)
    answers = []
    for payoffs, discount in (
        ([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], "9/10"),
        ([[[1, 2], [3, 4]], [[4, 3], [2, 1]]], 0),
    ):
        game = NormalForm(payoffs, name=f"g{discount}").iterated(discount)
        answers.append(function(closed_form(game).compile(backend=values.backend), params))
    assert traced == 1
    assert not np.allclose(*answers)


# Shapes and forms of the parameters.


def test_sums_are_averages_over_one_minus_the_discount(values):
    game = prisoners_dilemma().iterated("24/25")
    total = closed_form(game, "sum").compile(backend=values.backend)
    params = random_params(values)
    np.testing.assert_allclose(total(params), 25 * values(params), rtol=1e-15)
    for i, j in product(range(2), repeat=2):
        np.testing.assert_allclose(
            total.jacobian(params)[i][j], 25 * values.jacobian(params)[i][j], rtol=1e-12
        )
    u = random_params(values, 1)[1]
    np.testing.assert_allclose(
        total.cross(params, 0, 0, 1, u),
        25 * values.cross(params, 0, 0, 1, u),
        rtol=1e-13,
        atol=1e-14,
    )


def test_unstacked_parameters_give_the_same(values):
    params = random_params(values)
    rows = values.unstack(params)
    for own, back in zip(params, values.stack(rows), strict=True):
        np.testing.assert_array_equal(own, back)
    np.testing.assert_array_equal(values(rows), values(params))
    blocks, plain = values.jacobian(rows), values.jacobian(params)
    u = random_params(values, 1)
    for i, j in product(range(2), repeat=2):
        np.testing.assert_array_equal(values._stack_one(blocks[i][j]), plain[i][j])
    crossed = values.cross(rows, 0, 1, 0, values.unstack(u)[0])
    np.testing.assert_array_equal(values._stack_one(crossed), values.cross(params, 0, 1, 0, u[0]))


@pytest.mark.parametrize("parameters", ["logits", "policies"])
def test_policies_and_parameters_are_inverse(parameters, brute_force):
    game = NormalForm(np.zeros((2, 2, 3), int)).iterated("1/2")
    values = closed_form(game).compile(parameters)
    assert values.shapes == ((7, 1), (7, 2))
    rng = np.random.default_rng(0)
    policies = tuple(rng.dirichlet(np.ones(count), size=7) for count in (2, 3))
    params = values.parameters(policies)
    for own, back in zip(policies, values.policies(params), strict=True):
        np.testing.assert_allclose(back, own, rtol=1e-14)
    if parameters == "logits":
        np.testing.assert_allclose(
            params[1][:, 0], np.log(policies[1][:, 0] / policies[1][:, 2]), rtol=1e-13
        )


def test_the_precision_of_the_input_is_kept(values):
    params = tuple(own.astype(jnp.float32) for own in random_params(values))
    assert values(params).dtype == jnp.float32
    np.testing.assert_allclose(values(params), values(random_params(values)), rtol=1e-5)
    assert values(tuple(map(np.asarray, random_params(values)))).dtype == jnp.float64
    assert values(tuple(jnp.zeros(shape, int) for shape in values.shapes)).dtype == jnp.float64


def test_without_64_bits_there_is_one_error_with_the_line_to_add():
    code = (
        "from resolvent.analytic import closed_form\n"
        "from resolvent.games import prisoners_dilemma\n"
        "closed_form(prisoners_dilemma().iterated('1/2')).compile()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "RuntimeError" in ran.stderr
    assert 'jax.config.update("jax_enable_x64", True)' in ran.stderr


def test_64_bits_switched_off_later(values):
    params = random_params(values)
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(RuntimeError, match="jax_enable_x64"):
            values(params)
    finally:
        jax.config.update("jax_enable_x64", True)


# A user's own function.


def test_wrapped_function_gives_the_same_derivatives(values):
    wrapped = ValueFunction.wrap(lambda params: values(params), values.shapes, name="mine")
    params, u = random_params(values), random_params(values, 1)
    np.testing.assert_array_equal(wrapped(params), values(params))
    assert wrapped.name == "mine"
    assert wrapped.num_players == 2
    for i, j in product(range(2), repeat=2):
        np.testing.assert_allclose(
            wrapped.jacobian(params)[i][j], values.jacobian(params)[i][j], rtol=1e-12, atol=1e-15
        )
    for i, j, k in [(0, 0, 1), (1, 0, 0)]:
        np.testing.assert_allclose(
            wrapped.cross(params, i, j, k, u[k]),
            values.cross(params, i, j, k, u[k]),
            rtol=1e-11,
            atol=1e-15,
        )


def test_cross_of_a_wrapped_bilinear_function_by_hand():
    """V_0 = x' A y, V_1 = sum(x) y_0: d/dx <dV_0/dy, u> = A u; d/dy <dV_1/dx, w> = (sum(w), 0)."""
    a = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    wrapped = ValueFunction.wrap(
        lambda p: jnp.stack([p[0] @ a @ p[1], p[0].sum() * p[1][0]]), [(3,), (2,)]
    )
    params = (jnp.array([0.5, -1.0, 2.0]), jnp.array([1.0, -3.0]))
    u, w = jnp.array([7.0, -2.0]), jnp.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(wrapped.cross(params, 0, 0, 1, u), [3.0, 13.0, 23.0])
    np.testing.assert_allclose(wrapped.cross(params, 1, 1, 0, w), [111.0, 0.0])
    np.testing.assert_allclose(wrapped.cross(params, 0, 1, 1, u), [0.0, 0.0])


def test_wrap_refuses_a_function_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"expected values of shape \(2,\)"):
        ValueFunction.wrap(lambda p: p[0].sum(), [(3,), (2,)])


# Wrong inputs: one clear error that names the argument.


def test_wrong_parameters(values):
    good = random_params(values)
    with pytest.raises(ValueError, match="tuple of 2 arrays, one per player, got 1 entries"):
        values((good[0],))
    with pytest.raises(ValueError, match=r"params\[1\]: expected shape \(5, 1\), got \(5, 2\)"):
        values((good[0], jnp.zeros((5, 2))))
    with pytest.raises(ValueError, match="vmap"):
        values(tuple(own[None] for own in good))


def form():
    return closed_form(prisoners_dilemma().iterated("24/25"))


def uniform():
    return [[[F(1, 2), F(1, 2)]] * 5] * 2


def test_wrong_arguments_of_closed_form_and_compile():
    with pytest.raises(TypeError, match=r"game: .*NormalForm.*\.iterated"):
        closed_form(prisoners_dilemma())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="normalise"):
        closed_form(prisoners_dilemma().iterated("1/2"), "mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="parameters"):
        form().compile("probabilities")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend"):
        form().compile(backend="gpu")  # type: ignore[arg-type]


def test_symbols_without_numbers_are_named():
    gamma, T = sympy.symbols("gamma T")
    symbolic = closed_form(NormalForm([[[1, 0], [T, 0]], [[1, T], [0, 0]]]).iterated(gamma))
    for call in (
        symbolic.compile,
        lambda: symbolic.evaluate(uniform()),
        lambda: symbolic.evaluate(uniform(), {T: 3}),
        lambda: symbolic.occupancy(uniform()),
        lambda: symbolic.q_values(uniform(), 0),
        lambda: symbolic.taylor(uniform(), uniform(), 1),
    ):
        with pytest.raises(ValueError, match="gamma"):
            call()
    assert symbolic.evaluate(uniform(), {"T": 3, "gamma": "1/2"}) == (1, 1)


def test_wrong_policies_and_directions():
    still = [[[0, 0]] * 5] * 2
    with pytest.raises(ValueError, match="policies"):
        form().evaluate(uniform()[:1])
    bad = [[[F(1, 2), F(1, 3)]] + [[F(1, 2), F(1, 2)]] * 4, uniform()[1]]
    with pytest.raises(ValueError, match="start"):
        form().evaluate(bad)
    with pytest.raises(ValueError, match="direction: expected one array per player"):
        form().taylor(uniform(), still[:1], 1)
    with pytest.raises(ValueError, match=r"direction\[1\]: expected shape"):
        form().taylor(uniform(), [still[0], still[1][:4]], 1)
    with pytest.raises(ValueError, match=r"direction\[0\], state CC: .*sums to zero"):
        form().taylor(uniform(), [[[0, 0], [1, 0], *still[0][2:]], still[1]], 1)
    for order in (-1, 1.5):
        with pytest.raises(ValueError, match="order"):
            form().taylor(uniform(), still, order)  # type: ignore[arg-type]


def test_players_out_of_range():
    calls = [
        lambda: form().numerator(2),
        lambda: form().gradient(0, -1),
        lambda: form().hessian(0, (0, 2)),
        lambda: form().q_values(uniform(), 2),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="expected a player from 0 to 1"):
            call()


# What is printed.


def test_automatic_backend_and_report():
    assert form().compile().backend == form().program.backend == "program"
    large = closed_form(NormalForm(np.zeros((2, 4, 4), int)).iterated("1/2"))
    assert large.program.backend == "tensor"
    assert "tensor backend" in str(large.program)
    assert sum(form().program.counts.values()) == len(form().program)
    assert "program backend" in str(form())


def test_latex_shows_the_derivation():
    text = form().latex()
    for part in ("24 / 25", "p_{CC}", "q_{DC}", "r_{1}", "r_{2}", "p_{0}"):
        assert part in text
    assert r"V_{1} &= \frac{" in form().latex(expanded=True)
    assert form()._repr_latex_().startswith("$$")


def test_parameters_of_exact_policies():
    values = form().compile("policies")
    exact = [[["1/3", "2/3"]] * 5, [[F(1, 4), F(3, 4)]] * 5]
    params = values.parameters(exact)
    assert all(float(x) == 1 / 3 for x in params[0].ravel())
    assert all(float(x) == 0.25 for x in params[1].ravel())
    with pytest.raises((TypeError, ValueError)):
        values.parameters([[["one", "2/3"]] * 5] * 2)


@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_a_gradient_of_a_batch_is_the_batch_of_gradients(backend):
    """Also where a part of the linear system, here that of the start, does not depend on what is batched."""
    values = closed_form(prisoners_dilemma().iterated("3/4", initial="uniform")).compile(
        backend=backend
    )
    first, second = jax.random.normal(jax.random.key(0), (2, 3, 4, 1))

    def one(own):
        return values((own, second[0]))[0]

    whole = jax.jit(jax.grad(lambda own: jax.vmap(one)(own).sum()))(first)
    each = jnp.stack([values.jacobian((own, second[0]))[0][0] for own in first])
    np.testing.assert_allclose(whole, each, rtol=1e-12, atol=1e-14)


def test_a_gradient_of_a_batch_of_second_order_products():
    values = closed_form(prisoners_dilemma().iterated("3/4", initial="uniform")).compile()
    first, second = jax.random.normal(jax.random.key(0), (2, 3, 4, 1))

    def product(own):
        return jnp.sum(values.cross((own, second[0]), 1, 0, 1, second[1]))

    whole = jax.jit(jax.grad(lambda own: jax.vmap(product)(own).sum()))(first)
    step = 1e-5
    for run, row in ((0, 1), (2, 3)):
        moved = [product(first[run].at[row, 0].add(way * step)) for way in (1, -1)]
        np.testing.assert_allclose(
            whole[run, row, 0], (moved[0] - moved[1]) / (2 * step), rtol=1e-7
        )
