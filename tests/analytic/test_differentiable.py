"""Formulas and compiled payoffs of differentiable games, against JAX functions written by hand, central
differences in 60 digits, and closed forms of where learners end."""

from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy

from resolvent.analytic import DifferentiableForm, closed_form
from resolvent.games import (
    DIFFERENTIABLE_CATALOGUE,
    DifferentiableGame,
    balduzzi,
    chicken,
    lola_trap,
    market,
    one_shot,
    quadratic,
    rock_paper_scissors,
    tandem,
    ultimatum,
)
from resolvent.numeric import learn
from resolvent.numeric.learners import LOLA, SOS, LookAhead
from resolvent.numeric.quadratic import quadratic_form
from resolvent.numeric.run import Run


def logistic(x):
    return 1 / (1 + jnp.exp(-x))


def by_hand_market(params):
    (x,), (y,) = params
    g = y**4 / (1 + x**2) - x**4 / (1 + y**2)
    return -jnp.array([x * y - x**2 / 2 + x**6 / 6 + g / 4, -x * y - y**2 / 2 + y**6 / 6 - g / 4])


def by_hand_ultimatum(params):
    (x,), (y,) = params
    f, a = logistic(x), logistic(y)
    return jnp.array([5 * f + 8 * (1 - f) * a, 5 * f + 2 * (1 - f) * a])


def by_hand_logistic(params):
    (x,), (y,) = params
    s, t = logistic(x), logistic(y)
    keep = ((x * y) ** 2 + (x**2 - y**2) ** 2) / 1e4
    return -jnp.array([4 * s * (1 - 2 * t) + keep, 4 * t * (1 - 2 * s) + keep])


def by_hand_scissors(params):
    p, q = (jnp.exp(jnp.append(own, 0.0)) for own in params)
    win = jnp.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    first = (p / p.sum()) @ win @ (q / q.sum())
    return jnp.array([first, -first])


BY_HAND = {
    "market": (market(), by_hand_market),
    "ultimatum": (ultimatum(), by_hand_ultimatum),
    "logistic": (DIFFERENTIABLE_CATALOGUE["logistic"](), by_hand_logistic),
    "rock paper scissors": (one_shot(rock_paper_scissors()), by_hand_scissors),
    "functions": (
        DifferentiableGame(["sqrt(x**2 + 1)*sin(y) + x**(2/3)", "tanh(x*y) - log(y + 3)*exp(-x)"]),
        lambda params: jnp.array(
            [
                jnp.sqrt(params[0][0] ** 2 + 1) * jnp.sin(params[1][0]) + params[0][0] ** (2 / 3),
                jnp.tanh(params[0][0] * params[1][0])
                - jnp.log(params[1][0] + 3) * jnp.exp(-params[0][0]),
            ]
        ),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_gradients_and_products_are_those_of_a_function_by_hand(name):
    game, function = BY_HAND[name]
    values = closed_form(game).compile()
    rng = np.random.default_rng(0)
    for _ in range(2):
        params = tuple(jnp.asarray(rng.uniform(0.2, 1.5, shape)) for shape in values.shapes)
        expected = function(params)
        assert expected.shape == values(params).shape == (2,)
        np.testing.assert_allclose(values(params), expected, rtol=1e-13, atol=1e-14)
        jacobian, hessian = jax.jacfwd(function)(params), jax.hessian(function)(params)
        blocks = values.jacobian(params)
        for i in (0, 1):
            for j in (0, 1):
                np.testing.assert_allclose(blocks[i][j], jacobian[j][i], rtol=1e-12, atol=1e-14)
                u = jnp.asarray(rng.normal(size=values.shapes[1 - j]))
                np.testing.assert_allclose(
                    values.cross(params, i, j, 1 - j, u),
                    hessian[j][1 - j][i] @ u,
                    rtol=1e-11,
                    atol=1e-13,
                )


def high_precision(game, i):
    """Player i's payoff as a function of mpmath numbers, by SymPy's own lowering."""
    z = [sympy.Symbol(name) for own in game.parameters for name in own]
    return sympy.lambdify(z, game.payoffs[i].rewrite(sympy.exp), "mpmath")


@pytest.mark.parametrize("name", ["logistic", "market", "one_shot_chicken"])
def test_symbolic_derivatives_are_central_differences(name):
    game = DIFFERENTIABLE_CATALOGUE[name]()
    form: Any = closed_form(game)
    (x,), (y,) = form.parameter_symbols
    point = {x: sympy.Rational(7, 10), y: sympy.Rational(-13, 10)}
    with mpmath.workdps(60):
        at = (mpmath.mpf(7) / 10, -mpmath.mpf(13) / 10)
        for i in (0, 1):
            f = high_precision(game, i)
            for j in (0, 1):
                first = mpmath.diff(f, at, (int(j == 0), int(j == 1)))
                got = sympy.N(form.gradient(i, j)[0].subs(point), 40)
                assert abs(mpmath.mpf(str(got)) - first) < mpmath.mpf(10) ** -25
                for k in (0, 1):
                    orders = (int(j == 0) + int(k == 0), int(j == 1) + int(k == 1))
                    second = mpmath.diff(f, at, orders)
                    got = sympy.N(form.hessian(i, (j, k))[0].subs(point), 40)
                    assert abs(mpmath.mpf(str(got)) - second) < mpmath.mpf(10) ** -20


def test_joint_gradient_and_jacobian_have_the_players_own_rows():
    game = quadratic([[1, 2, 3], [2, 4, 5], [6, 7, 8]], sizes=(2, 1), linear=[1, 2, 3])
    form = closed_form(game)
    assert isinstance(form, DifferentiableForm)
    # Losses: minus the given ones.
    assert form.jacobian() == -sympy.Matrix([[1, 2, 3], [2, 4, 5], [6, 7, 8]])
    zero = {x: 0 for own in form.parameter_symbols for x in own}
    assert list(form.joint_gradient().subs(zero)) == [-1, -2, -3]
    assert form.gradient(1, 0).shape == (2, 1)
    assert form.hessian(0, (1, 0)).shape == (1, 2)


def test_quadratic_coefficients_are_exact():
    a = sympy.Symbol("a")
    game = DifferentiableGame(["x**2/3 + x*y - 2*y + 1/7", "(x + a*y)**2"], (("x",), ("y",)))
    found = closed_form(game).quadratic()
    assert found.matrices[0] == sympy.Matrix([["2/3", 1], [1, 0]])
    assert found.vectors[0] == sympy.Matrix([0, -2])
    assert found.constants[0] == sympy.Rational(1, 7)
    assert found.matrices[1] == sympy.Matrix([[2, 2 * a], [2 * a, 2 * a**2]])
    numbers = game.substitute({"a": "1/2"})
    numeric = quadratic_form(closed_form(numbers).compile())
    exact = closed_form(numbers).quadratic()
    np.testing.assert_allclose(
        numeric.matrices, [np.array(own, dtype=float) for own in exact.matrices], atol=1e-15
    )
    with pytest.raises(ValueError, match="player 1's depend on x, y"):
        closed_form(market()).quadratic()


def test_exact_evaluation():
    form = closed_form(tandem())
    # V_1 = 2x - (x + y)^2 at x = 1/2, y = 1/3.
    assert form.evaluate([["1/2"], [Fraction(1, 3)]]) == (Fraction(11, 36), Fraction(-1, 36))
    values = closed_form(one_shot(chicken())).evaluate([[sympy.log(3)], [0]])
    # Swerving with 3/4 and 1/2: -1 and 1 with 3/8 and 1/8, -100 with 1/8.
    assert values == (Fraction(-102, 8), Fraction(-98, 8))
    (one, _) = closed_form(DifferentiableGame(["exp(x)*y", "y"])).evaluate([[1], [2]])
    assert one == 2 * sympy.E
    b = sympy.Symbol("b")
    scaled = closed_form(DifferentiableGame([b * sympy.Symbol("x"), 0]))
    assert scaled.evaluate([[2], [0]], {"b": 3})[0] == 6


def test_far_out_nothing_overflows_or_loses_its_digits():
    values = closed_form(DifferentiableGame(["sigmoid(x)*y", "log(sigmoid(x))*y"])).compile()
    hessian = jax.jit(jax.hessian(values))
    for x in (-800.0, -40.0, 40.0, 800.0):
        params = (jnp.array([x]), jnp.array([1.0]))
        for leaf in jax.tree.leaves((values(params), values.jacobian(params), hessian(params))):
            assert np.isfinite(leaf).all()
        # s'(x) = 1/(2 + 2 cosh x), log s(x) = -log(1 + exp(-x)).
        with mpmath.workdps(60):
            slope = float(1 / (2 + 2 * mpmath.cosh(x)))
            log = float(-mpmath.log(1 + mpmath.exp(-x)))
        np.testing.assert_allclose(values.jacobian(params)[0][0], [slope], rtol=1e-14)
        np.testing.assert_allclose(values(params)[1], log, rtol=1e-14)
    soft = closed_form(one_shot(rock_paper_scissors())).compile()
    for p, q in (([800, -800], [0, 800]), ([-800, -800], [800, 800]), ([40, 0], [0, -40])):
        params = (jnp.array(p, dtype=float), jnp.array(q, dtype=float))
        for leaf in jax.tree.leaves((soft(params), soft.jacobian(params))):
            assert np.isfinite(leaf).all()
    assert soft((jnp.array([800.0, -800.0]), jnp.array([0.0, 800.0])))[0] == -1.0


def test_constants_are_rounded_once():
    third = closed_form(DifferentiableGame(["x/3", "1/3 + 0*x"])).compile()
    params = (jnp.array([5.0]), jnp.array([0.0]))
    assert third(params)[0] == 5 / 3
    assert third(params)[1] == float(Fraction(1, 3))
    constant = closed_form(DifferentiableGame(["7", "pi"])).compile()
    assert constant(params).tolist() == [7.0, np.pi]
    assert all((own == 0).all() for row in constant.jacobian(params) for own in row)
    powers = closed_form(DifferentiableGame(["x**100", "x**(-7)"])).compile()
    np.testing.assert_allclose(
        powers((jnp.array([1.1]), params[1])), [1.1**100, 1.1**-7], rtol=1e-13
    )
    single = tuple(own.astype(jnp.float32) for own in params)
    assert third(single).dtype == jnp.float32
    with pytest.raises(ValueError, match="within float64"):
        closed_form(DifferentiableGame([f"{'9' * 400}*x", "y"])).compile()


def test_equal_games_share_what_is_compiled():
    traced = []

    @eqx.filter_jit
    def double(values, params):
        traced.append(values.name)
        return 2 * values(params)

    params = (jnp.array([1.0]), jnp.array([2.0]))
    for _ in range(2):
        # By hand: losses 1/2 + 20 and 2 - 20.
        result = double(closed_form(balduzzi()).compile(), params)
        np.testing.assert_allclose(result, [-41.0, 36.0])
    assert traced == ["balduzzi"]


def test_a_game_given_by_a_function():
    game = DifferentiableGame(losses=by_hand_market, name="by hand")
    form = closed_form(game)
    values = form.compile()
    params = (jnp.array([0.3]), jnp.array([-0.4]))
    assert values.game is game
    np.testing.assert_allclose(values(params), -by_hand_market(params))
    for call in (
        lambda: form.values,
        form.jacobian,
        form.quadratic,
        form.latex,
        lambda: form.evaluate([[1], [1]]),
    ):
        with pytest.raises(ValueError, match="given by a JAX function; use compile"):
            call()
    with pytest.raises(ValueError, match="expected values of shape"):
        closed_form(DifferentiableGame(lambda params: params[0])).compile()


def test_wrong_calls_are_named():
    form = closed_form(tandem())
    with pytest.raises(ValueError, match="i: expected a player from 0 to 1, got 2"):
        form.gradient(2, 0)
    with pytest.raises(ValueError, match="wrt: expected"):
        form.hessian(0, (0, 5))
    with pytest.raises(ValueError, match="one sequence per player"):
        form.evaluate([[1]])
    with pytest.raises(ValueError, match=r"params\[1\]: expected 1 numbers \(y\)"):
        form.evaluate([[1], [1, 2]])
    with pytest.raises(ValueError, match="expected a number, got b"):
        form.evaluate([[1], ["b"]])
    with pytest.raises(ValueError, match="not a finite number"):
        closed_form(DifferentiableGame(["1/x", 0])).evaluate([[0], [0]])
    with pytest.raises(ValueError, match="played once"):
        closed_form(tandem(), "sum")  # pyright: ignore[reportArgumentType, reportCallIssue]
    open_game = DifferentiableGame(["b*x", "c*y"])
    with pytest.raises(ValueError, match=r"symbols b, c; .*game.substitute"):
        closed_form(open_game).compile()


def test_learners_end_where_the_closed_forms_say(tmp_path):
    start = (np.array([[0.3], [-0.1]]), np.array([[0.1], [0.6]]))
    values = closed_form(tandem()).compile()
    a = 0.1
    # Where s = x + y comes to rest: see the spec of the tandem game.
    rests: dict[Any, float] = {
        "taylor": (1 - 2 * a) / (1 - 4 * a),
        "original": 1 / (1 - 2 * a),
        "exact": (1 - 2 * a + 4 * a**2) / (1 - 2 * a) ** 2,
    }
    for variant, s in rests.items():
        run = learn(values, LOLA(a, variant=variant), start, 300)
        np.testing.assert_allclose(run.params[0] + run.params[1], s, rtol=1e-12)
        np.testing.assert_allclose(-run.values.mean(1), s**2 - s, rtol=1e-11)
    run = learn(values, SOS(a), start, 1000)
    np.testing.assert_allclose(run.params[0] + run.params[1], 1.0, atol=1e-6)
    trap = closed_form(lola_trap()).compile()
    ends: dict[Any, float] = {"taylor": a**2 - a, "original": -a, "exact": a**2 - a}
    for variant, end in ends.items():
        moved = learn(trap, LOLA(a, variant=variant), start, 400).params
        np.testing.assert_allclose(moved[0], a, rtol=1e-12)
        np.testing.assert_allclose(moved[1], end, rtol=1e-12)
    stays = learn(trap, LookAhead(a), start, 500).params
    np.testing.assert_allclose(stays, 0, atol=1e-10)
    run.save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    assert loaded.game == run.game == tandem()
    assert loaded.discounts is None
    by_function = closed_form(DifferentiableGame(by_hand_market)).compile()
    assert learn(by_function, LookAhead(a), start, 1).game is None
