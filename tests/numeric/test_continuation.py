"""Path following on curves that are known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from resolvent.numeric.equilibrium.continuation import (
    PATHS,
    Path,
    Settings,
    eliminate,
    follow,
    follow_many,
)

jax.config.update("jax_enable_x64", True)


FOLD, CIRCLE, PITCHFORK, WALL, HOPELESS = range(5)


def curve(y: Array, args: tuple[Array, Array]) -> Array:
    """One of several curves, so that one program serves all tests.

    The fold t = x^3 - slope x has two turning points where slope > 0; the wall's square root is not a number
    beyond t = 1/2.
    """
    x, t = y
    which, slope = args
    several = jnp.stack(
        [
            x**3 - slope * x - t,
            x**2 + t**2 - 1,
            x * (t - x**2),
            x - jnp.sqrt(0.5 - t),
            1 + x**2 + 0 * t,
        ]
    )
    return several[which][None]


def along(
    which: int,
    start: list[float],
    target: float,
    settings: Settings | None = None,
    slope: float = 1.0,
) -> Path:
    return follow(
        curve,
        jnp.array(start),
        (jnp.array(which), jnp.array(slope)),
        target=target,
        settings=settings,
    )


def halfway(y: Array, _: tuple[Array, Array]) -> Array:
    return y[0] > 0


def test_turning_points_are_passed_and_recorded() -> None:
    path = along(FOLD, [-1.3, -1.0], 1.0)
    assert path.successful
    assert path.t[-1] == 1.0
    np.testing.assert_allclose(path.end[0], 1.324717957244746, atol=1e-12)  # the plastic number
    assert len(path.turning_points) == 2
    # d(x^3 - x)/dx = 0 at x = -1/sqrt 3 and 1/sqrt 3, t = 2/(3 sqrt 3) and minus that.
    np.testing.assert_allclose(path.t[path.turning_points], [0.3849, -0.3849], atol=0.02)
    assert path.reversals == 0
    x = path.points[:, 0]
    assert np.abs(x**3 - x - path.t).max() < 1e-3
    assert "turning points: 2" in str(path)


def test_arclength_of_a_circle() -> None:
    path = along(CIRCLE, [1.0, 0.0], 2.0, Settings(angle=0.05))
    assert path.status == PATHS.returned
    past = np.interp(0.0, path.points[:6, 1], path.arclength[:6])
    quarter = np.interp(0.0, -path.points[:, 0], path.arclength)  # at (0, 1)
    np.testing.assert_allclose(quarter - past, np.pi / 2, rtol=2e-3)


def test_a_bifurcation_is_counted() -> None:
    path = along(PITCHFORK, [0.0, -1.0], 1.0)
    assert path.successful
    assert path.reversals == 1
    np.testing.assert_allclose(path.end, [0, 1], atol=1e-12)


def test_what_fails_says_so() -> None:
    assert along(WALL, [1.0, -0.5], 1.0).status == PATHS.stalled
    lost = along(HOPELESS, [1.0, 0.0], 1.0)
    assert lost.status == PATHS.no_start
    assert "did not converge" in str(lost)
    short = along(FOLD, [-1.3, -1.0], 1.0, Settings(steps=5))
    assert short.status == PATHS.exhausted


def test_the_end_may_be_a_condition() -> None:
    path = follow(curve, jnp.array([-1.3, -1.0]), (jnp.array(FOLD), jnp.array(1.0)), stop=halfway)
    assert path.successful
    assert path.end[0] > 0 >= path.points[-2, 0]


def test_down_as_well_as_up() -> None:
    path = along(FOLD, [1.3, 1.0], -1.0)
    np.testing.assert_allclose(path.end, [-1.324717957244746, -1], atol=1e-12)


def test_many_paths_are_as_one_by_one() -> None:
    slopes = np.linspace(-1, 2, 23)
    # Roots of x^3 - slope x = -3 and 3 at the far ends.
    roots = [np.roots([1, 0, -s, 3]) for s in slopes]
    starts = np.array([[r[np.abs(r.imag) < 1e-9].real.min(), -3] for r in roots])
    ends = follow_many(
        curve, jnp.asarray(starts), (np.zeros(23, int), slopes), target=3.0, width=8, budget=7
    )
    assert ends.successful.all()
    np.testing.assert_allclose(ends.points[:, 0], -starts[:, 0], atol=1e-10)
    # dt/dx changes its sign on the path where slope > 0.
    assert ((ends.turns == 2) == (slopes > 1e-9)).all()
    alone = along(FOLD, starts[20].tolist(), 3.0, slope=slopes[20])
    assert alone.steps == ends.steps[20]
    assert alone.rejected == ends.rejected[20]


def test_elimination_agrees_with_numpy() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 5):
        matrix, right = rng.normal(size=(size, size)), rng.normal(size=(size, 2))
        found, sign, logarithm, condition = jax.jit(eliminate)(matrix, right)
        np.testing.assert_allclose(found, np.linalg.solve(matrix, right), atol=1e-10)
        expected = np.linalg.slogdet(matrix)
        assert sign == expected[0]
        np.testing.assert_allclose(logarithm, expected[1], atol=1e-10)
        assert condition >= 1


def test_one_of_residual_and_newton() -> None:
    with pytest.raises(ValueError, match="either a residual or a Newton step"):
        follow(None, jnp.zeros(2))
