"""The game Jacobian, fixed points and their classification, against SymPy, differences in rationals, and roots known in
closed form."""

from fractions import Fraction

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import (
    DIFFERENTIABLE_CATALOGUE,
    DifferentiableGame,
    NormalForm,
    prisoners_dilemma,
)
from resolvent.numeric import (
    ValueFunction,
    classify,
    fixed_points,
    game_jacobian,
)
from resolvent.numeric.stability.spectrum import spectrum
from resolvent.numeric.stability.theorems import quadratic_values


def compiled(name):
    return closed_form(DIFFERENTIABLE_CATALOGUE[name]()).compile()


def of(*payoffs, **options):
    return closed_form(DifferentiableGame(list(payoffs), **options)).compile()


# The Jacobian ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["market", "ultimatum"])
def test_the_jacobian_is_that_of_the_formulas(name):
    form = closed_form(DIFFERENTIABLE_CATALOGUE[name]())
    symbols = [x for own in form.parameter_symbols for x in own]
    point = [Fraction(2 * k + 1, 3 * k + 7) for k in range(len(symbols))]
    values = form.compile()
    params, first = [], 0
    for shape in values.shapes:
        params.append(np.array(point[first : first + shape[0]], float))
        first += shape[0]
    found = game_jacobian(values, tuple(params))
    at = dict(zip(symbols, point, strict=True))
    np.testing.assert_allclose(
        found.matrix, np.array(form.jacobian().subs(at).evalf(20).tolist(), float), atol=1e-14
    )
    np.testing.assert_allclose(
        found.gradient,
        np.array(form.joint_gradient().subs(at).evalf(20).tolist(), float)[:, 0],
        atol=1e-14,
    )


def test_the_jacobian_of_an_iterated_game_by_differences_in_rationals():
    """Policies as parameters, second differences of exact values: no rounding, so that steps may be tiny."""
    game = prisoners_dilemma().iterated("9/10", observe="reactive")
    form = closed_form(game)
    values = form.compile(parameters="policies")
    sizes = [shape[0] for shape in values.shapes]
    assert all(shape[1] == 1 for shape in values.shapes)
    d = sum(sizes)
    point = [Fraction(k + 2, k + 9) for k in range(d)]
    h = Fraction(1, 10**8)

    def value(player, z):
        policies, first = [], 0
        for size in sizes:
            policies.append([[p, 1 - p] for p in z[first : first + size]])
            first += size
        return form.evaluate(policies)[player]

    def moved(*steps):
        return [x + h * sum(sign for k, sign in steps if k == m) for m, x in enumerate(point)]

    params, first = [], 0
    for size in sizes:
        params.append(np.array(point[first : first + size], float)[:, None])
        first += size
    found = game_jacobian(values, tuple(params))
    owner = np.repeat(np.arange(len(sizes)), sizes)
    for r in range(d):
        i = int(owner[r])
        slope = (value(i, moved((r, 1))) - value(i, moved((r, -1)))) / (2 * h)
        np.testing.assert_allclose(found.gradient[r], float(slope), rtol=1e-10)
        for c in (0, d - 1):
            bend = (
                value(i, moved((r, 1), (c, 1)))
                - value(i, moved((r, 1), (c, -1)))
                - value(i, moved((r, -1), (c, 1)))
                + value(i, moved((r, -1), (c, -1)))
            ) / (4 * h * h)
            np.testing.assert_allclose(found.matrix[r, c], float(bend), rtol=1e-9, atol=1e-12)


def test_the_parts_of_the_jacobian():
    rng = np.random.default_rng(0)
    sizes = (2, 1, 3)
    H = rng.normal(size=(6, 6))
    for low, high in ((0, 2), (2, 3), (3, 6)):
        H[low:high, low:high] += H[low:high, low:high].T.copy()
    z = rng.normal(size=6)
    found = game_jacobian(quadratic_values(H, sizes), (z[:2], z[2:3], z[3:]))
    np.testing.assert_allclose(found.matrix, -H, atol=1e-14)
    np.testing.assert_allclose(found.gradient, -H @ z, atol=1e-13)
    np.testing.assert_allclose(found.symmetric + found.antisymmetric, -H, atol=1e-14)
    np.testing.assert_allclose(found.antisymmetric, -found.antisymmetric.T)
    np.testing.assert_allclose(found.own + found.cross, found.matrix)
    np.testing.assert_allclose(found.own[3:, 3:], -H[3:, 3:], atol=1e-14)
    assert not np.asarray(found.own)[:2, 2:].any()
    assert not np.asarray(found.cross)[:2, :2].any()
    np.testing.assert_allclose(found.block(2, 0), -H[3:, :2], atol=1e-14)


def test_errors_of_eigenvalues_cover_what_rounding_did():
    """A Jordan block moves by the root of rounding; a rotation by rounding."""
    jordan = np.array([[1.0, 1.0, 0], [0, 1, 1], [0, 0, 1]])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    found = spectrum(turn @ jordan @ turn.T)
    assert (np.abs(found.eigenvalues - 1) <= found.errors).all()
    assert (found.errors > 1e-7).all()
    assert spectrum(np.array([[0.0, 1], [-1, 0]])).errors.max() < 1e-12
    assert np.isnan(spectrum(np.array([[np.nan]])).eigenvalues).all()


# Search ---------------------------------------------------------------------------------------


def test_all_fixed_points_of_a_polynomial_game():
    """w = (x - x^3, x - y): fixed points at x = y in -1, 0, 1, a saddle in the middle."""
    values = of("x**2/2 - x**4/4", "x*y - y**2/2")
    found = fixed_points(values, (-2, 2), starts=64)
    np.testing.assert_allclose([own.z for own in found], [[-1, -1], [0, 0], [1, 1]], atol=1e-12)
    assert [own["attracting"].word for own in found] == ["yes", "no", "yes"]
    # J = [[1 - 3 x^2, 0], [1, -1]].
    np.testing.assert_allclose(found[0].eigenvalues, [-1, -2], atol=1e-12)
    np.testing.assert_allclose(found[1].eigenvalues, [1, -1], atol=1e-12)
    assert found[1]["strict_saddle"]
    assert sum(own.starts for own in found) == found.counts["inside"]
    assert sum(found.counts.values()) == 64
    assert "3 fixed points" in str(found)

    half = fixed_points(values, ((0.5, -2), (2, 2)), starts=64)
    np.testing.assert_allclose([own.z for own in half], [[1, 1]], atol=1e-12)
    assert half.counts["outside"] > 0


def test_a_continuum_is_one_entry():
    """Both maximise -(x^2 + y^2 - 1)^2 / 4: the unit circle, and a minimum of values at 0."""
    values = of(*["-(x**2 + y**2 - 1)**2/4"] * 2)
    found = fixed_points(values, (-2, 2), starts=64)
    assert [own.dimension for own in sorted(found, key=lambda own: own.dimension)] == [0, 1]
    (middle,) = [own for own in found if own.dimension == 0]
    (circle,) = [own for own in found if own.dimension == 1]
    np.testing.assert_allclose(middle.z, 0, atol=1e-10)
    assert middle["unstable"]
    assert middle["strict_saddle"]
    assert middle["local_nash"].fails
    np.testing.assert_allclose(np.hypot(*circle.z), 1, atol=1e-8)
    assert circle["nonsingular"].fails
    assert circle["stable"].fails
    assert circle.kind == "attracting, on a curve"


@pytest.mark.slow
def test_points_apart_are_no_continuum():
    """w = (-(x^2 - 1)^3, -y): both fixed points have a singular Jacobian."""
    values = of("-x**7/7 + 3*x**5/5 - x**3 + x", "-y**2/2")
    found = fixed_points(values, (-2, 2), starts=64)
    np.testing.assert_allclose([own.z for own in found], [[-1, 0], [1, 0]], atol=1e-3)
    assert [own.dimension for own in found] == [0, 0]
    assert not any(own["nonsingular"] for own in found)


@pytest.mark.slow
def test_mixed_equilibrium_of_a_matrix_game_in_logits():
    """Stag hunt: the mixed equilibrium makes the other indifferent; pure ones are at infinity."""
    stage = NormalForm([[[4, 0], [3, 3]], [[4, 3], [0, 3]]])
    values = closed_form(stage.iterated(0, memory=0)).compile()
    (own,) = fixed_points(values, (-4, 4), starts=32)
    np.testing.assert_allclose(own.z, np.log(3), atol=1e-10)  # 4 p = 3
    assert own["strict_saddle"]
    assert own["local_nash"]  # indifferent, whatever one's own policy
    assert own["strict_local_nash"].fails


class Bowl(eqx.Module):
    """A user's own function, without any formula."""

    def __call__(self, params):
        x, y = params
        return -jnp.stack([jnp.sum((x - y[0]) ** 2), jnp.sum(jnp.cosh(y - 0.5))])


@pytest.mark.slow
def test_a_users_function_with_arrays():
    values = ValueFunction.wrap(Bowl(), [(2, 1), (1,)])
    (own,) = fixed_points(values, (-2, 2), starts=8)
    np.testing.assert_allclose(own.z, 0.5, atol=1e-12)
    assert own.params[0].shape == (2, 1)
    assert own.nash == "differential"


def test_what_cannot_be_a_region():
    values = quadratic_values(np.eye(2))
    for region in ((1, 1), (0, np.inf), 3, ((0.0,), (1.0,)), "ab"):
        with pytest.raises(ValueError, match="region: expected"):
            fixed_points(values, region)
    with pytest.raises(ValueError, match="starts: expected"):
        fixed_points(values, (-1, 1), starts=0)
    with pytest.raises(ValueError, match="params: expected finite"):
        classify(values, (np.array([np.nan]), np.zeros(1)))


# Classification -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "holds", "fails"),
    [
        ("hamiltonian", "stable local_nash", "strict_saddle strict_local_nash unstable"),
        ("balduzzi", "stable attracting differential_nash local_nash", "unstable strict_saddle"),
        ("stable_not_nash", "stable", "local_nash strict_saddle unstable"),
        ("nash_not_stable", "local_nash strict_saddle", "stable unstable strict_local_nash"),
        ("zero_sum_not_hamiltonian", "strict_saddle", "stable unstable local_nash"),
        ("impossibility", "unstable strict_saddle", "stable local_nash"),
        ("lola_trap", "stable attracting differential_nash", "strict_saddle unstable"),
    ],
)
def test_definitions_in_games_of_the_literature(name, holds, fails):
    values = compiled(name)
    found = classify(values, tuple(np.zeros(shape) for shape in values.shapes))
    assert found["fixed"]
    assert all(found[definition] for definition in holds.split())
    assert all(found[definition].fails for definition in fails.split())


def test_higher_orders_decide_local_nash():
    """Own curvature 0: -x^4 is a strict maximum, x^4 a minimum, and -x^3 neither."""
    for own, word in (("-x**4", "strict"), ("x**4", "no"), ("-x**3", "no"), ("x*y", "local")):
        found = classify(of(own, "-y**2"), ([0.0], [0.0]))
        assert found.nash == word
        assert found["differential_nash"].fails


def test_inclusions_on_random_games():
    """Unstable points are strict saddles, differential Nash implies the weaker notions, and eigenvalues of S bound
    the real parts of those of J."""
    rng = np.random.default_rng(3)
    kinds = set()
    for _ in range(40):
        H = rng.normal(size=(3, 3)) + rng.choice([-2, 0, 2]) * np.eye(3)
        H[:2, :2] = (H[:2, :2] + H[:2, :2].T) / 2
        own = classify(quadratic_values(H, (2, 1)), (np.zeros(2), np.zeros(1)))
        kinds.add(own.kind)
        real = np.linalg.eigvals(-H).real
        assert own["attracting"].holds == (real.max() < 0)
        assert own["strict_saddle"].holds == (real.max() > 0)
        assert own["stable"].holds == (np.linalg.eigvalsh(-H - H.T).max() <= 0)
        assert own["unstable"].holds == (np.linalg.eigvalsh(-H - H.T).min() > 0)
        wanted = np.linalg.eigvalsh(H[:2, :2]).min() > 0 and H[2, 2] > 0
        assert own["differential_nash"].holds == wanted == own["local_nash"].holds
        assert not own["unstable"] or own["strict_saddle"]
        assert not own["stable"] or own["attracting"]
    assert {"stable", "unstable", "strict saddle"} <= kinds


def test_elsewhere_is_no_fixed_point():
    found = classify(compiled("tandem"), ([0.0], [0.0]))
    assert found["fixed"].fails
    assert found.kind == "no fixed point"
    assert "no fixed point" in str(found)
    with pytest.raises(KeyError, match="expected one of"):
        found["nice"]
