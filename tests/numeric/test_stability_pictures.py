"""Global pictures against direct iteration, closed forms, and what is proved."""

import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import DifferentiableGame
from resolvent.games.differentiable_catalogue import hamiltonian
from resolvent.numeric.equilibrium.continuation import PATHS
from resolvent.numeric.learners import Naive, OptimisticGradient
from resolvent.numeric.stability.basin import verified_basin
from resolvent.numeric.stability.bifurcation import CROSSINGS, bifurcation
from resolvent.numeric.stability.flow import FLOWS, gradient_flow
from resolvent.numeric.stability.lyapunov import EXPONENTS, lyapunov_exponents
from resolvent.numeric.stability.pictures import (
    basins_of_attraction,
    phase_portrait,
    vector_field,
)
from resolvent.numeric.stability.systems import gradient_system, update_system

WELLS = DifferentiableGame(losses=["x**4/4 - x**2/2 + x*y/5", "y**4/4 - y**2/2 - x*y/7"])
REGION = [(-2.0, 2.0), (-1.5, 2.0)]


@pytest.fixture(scope="module")
def wells():
    return closed_form(WELLS).compile()


@pytest.fixture(scope="module")
def bilinear():
    return closed_form(hamiltonian()).compile()


def test_vector_field(wells):
    field = vector_field(wells, REGION, resolution=7)
    x, y = np.meshgrid(field.x, field.y)
    expected = np.stack([x - x**3 - y / 5, y - y**3 + x / 7], axis=-1)
    np.testing.assert_allclose(field.arrows, expected, atol=1e-14)
    step = vector_field(wells, REGION, Naive(0.1), resolution=7)
    np.testing.assert_allclose(step.arrows, 0.1 * expected, atol=1e-14)
    assert "vector field" in str(field)


def test_basins_agree_with_iteration_and_proof(wells):
    found = basins_of_attraction(wells, Naive(0.1), REGION, 400, resolution=24)
    assert len(found.ends) == 4
    assert found.shares.sum() == pytest.approx(1)
    assert (np.diff(found.shares) <= 0).all()
    x, y = np.meshgrid(found.x, found.y)
    for _ in range(400):
        x, y = x + 0.1 * (x - x**3 - y / 5), y + 0.1 * (y - y**3 + x / 7)
    ends = found.ends[found.labels]
    np.testing.assert_allclose(ends, np.stack([x, y], axis=-1), atol=1e-3)
    # Every start that is proved to converge does, to the right end.
    start = np.stack(np.meshgrid(found.x, found.y), axis=-1)
    for label, end in enumerate(found.ends):
        proof = verified_basin(update_system(WELLS, Naive(0.1)), end)
        own = proof.contains(start)
        assert own.sum() > 3
        assert (found.labels[own] == label).all()
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    assert found.plot().get_ylabel() == "y"
    pyplot.close("all")


def test_divergence_and_unrest(bilinear):
    found = basins_of_attraction(
        bilinear, Naive(0.5), [(0.1, 1.0), (0.1, 1.0)], 100, resolution=4, limit=10.0
    )
    assert (found.labels == -2).all()
    found = basins_of_attraction(bilinear, Naive(0.01), [(0.1, 1.0), (0.1, 1.0)], 100, resolution=4)
    assert (found.labels == -1).all()
    assert "100.0% not at rest" in str(found)
    assert found.ends.shape == (0, 2)


def test_phase_portrait_and_plots(wells):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    portrait = phase_portrait(wells, Naive(0.1), REGION, starts=3, steps=50, resolution=7)
    assert portrait.trajectories.shape == (51, 9, 2)
    first = portrait.trajectories[0]
    np.testing.assert_allclose(first[0], [-2.0, -1.5])
    assert portrait.plot().get_xlabel() == "x"
    proof = verified_basin(update_system(WELLS, Naive(0.1)), portrait.trajectories[-1, 0])
    assert proof.plot().patches
    pyplot.close("all")


def test_exponents_at_a_fixed_point_are_those_of_eigenvalues(wells):
    found = lyapunov_exponents(wells, Naive(0.1), [[0.3], [0.2]], 400)
    at = found.end
    slope = np.eye(2) + 0.1 * gradient_system(WELLS).float_jacobian(at)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(slope))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-2)
    assert found.successful
    assert not found.chaotic
    assert found.dimension == 0


def test_logistic_map_is_chaotic():
    """x + w = 4 x (1 - x) has the exponent log 2."""
    values = ValueFunction.wrap(
        lambda params: jnp.stack([1.5 * params[0][0] ** 2 - 4 * params[0][0] ** 3 / 3]), [(1,)]
    )
    found = lyapunov_exponents(values, Naive(1.0), [[0.3141]], 20_000, tolerance=0.05)
    assert found.exponents[0] == pytest.approx(np.log(2), abs=0.02)
    assert found.chaotic
    assert found.dimension == 1
    gone = lyapunov_exponents(values, Naive(1.0), [[1.5]], 100)
    assert gone.status == EXPONENTS.nonfinite
    assert not gone.successful


def test_bifurcations_of_bilinear_games(bilinear):
    found = bifurcation(
        lambda t: (bilinear, OptimisticGradient(t)), [0.0, 0.0], (0.3, 0.9), parameter="rate"
    )
    (own,) = found.crossings
    assert own.t == pytest.approx(1 / np.sqrt(3), abs=1e-10)
    assert own.kind == CROSSINGS.rotation
    assert found.stable[0]
    assert not found.stable[-1]
    np.testing.assert_allclose(found.points, 0, atol=1e-12)
    assert "rate = 0.57735" in str(found)


def test_fold_and_flip():
    """x + (t - x^2) / 2: fixed points +-sqrt t, which meet at t = 0; the upper one flips where 1 - x = -1."""

    def family(t):
        values = ValueFunction.wrap(
            lambda params: jnp.stack([t * params[0][0] - params[0][0] ** 3 / 3]), [(1,)]
        )
        return values, Naive(0.5)

    found = bifurcation(family, [[3.0]], (9.0, -1.0))
    flip, fold = found.crossings
    assert flip.t == pytest.approx(4, abs=1e-9)
    assert flip.kind == CROSSINGS.flip
    np.testing.assert_allclose(flip.point, [2.0], atol=1e-9)
    assert fold.t == pytest.approx(0, abs=1e-6)
    assert fold.kind == CROSSINGS.fold
    # It goes round the fold, and back along the other branch.
    assert found.path.status == PATHS.returned
    assert len(found.path.turning_points) == 1
    np.testing.assert_allclose(found.points[:, 0] ** 2, found.t, atol=1e-6)
    assert found.points[-1, 0] < 0


def test_flow():
    """dx/dt = x^3 - x: from inside of the unit interval to 0, from outside to infinity, in finite time."""
    pytest.importorskip("diffrax")
    values = ValueFunction.wrap(
        lambda params: jnp.stack([params[0][0] ** 4 / 4 - params[0][0] ** 2 / 2]), [(1,)]
    )
    starts = np.array([[0.5], [-0.8], [2.0], [1.0]])
    found = gradient_flow(values, [starts], 20.0, saves=11, max_steps=2000)
    assert found.codes.tolist() == [0, 0, 2, 0]
    assert (found.status == FLOWS.settled).tolist() == [True, True, False, True]
    assert found.successful.tolist() == [True, True, False, True]
    inverse = 1 + (1 / starts[:2, 0] ** 2 - 1) * np.exp(2 * found.times)[:, None]
    expected = np.sign(starts[:2, 0]) / np.sqrt(inverse)
    np.testing.assert_allclose(found.points[:, :2, 0], expected, atol=1e-6)
    assert np.isnan(found.end[2]).all()
    assert "3 settled, 0 moving, 1 failed" in str(found)


def test_bad_input(bilinear):
    with pytest.raises(ValueError, match="region"):
        vector_field(bilinear, [(1, 0), (0, 1)])
    with pytest.raises(ValueError, match="pair"):
        vector_field(bilinear, REGION, pair=(0, 0))
    with pytest.raises(ValueError, match="learners"):
        vector_field(bilinear, REGION, [Naive(0.1)])
    with pytest.raises(ValueError, match="start"):
        bifurcation(lambda t: (bilinear, Naive(t)), [0.0], (0.1, 1.0))
    with pytest.raises(ValueError, match="span"):
        bifurcation(lambda t: (bilinear, Naive(t)), [0.0, 0.0], (1.0, 1.0))
    with pytest.raises(ValueError, match="single start"):
        lyapunov_exponents(bilinear, Naive(0.1), [np.zeros((2, 1)), np.zeros((2, 1))], 10)
    with pytest.raises(ValueError, match="time"):
        gradient_flow(bilinear, [[1.0], [0.0]], -1.0)
