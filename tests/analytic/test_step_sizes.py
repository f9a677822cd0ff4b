"""Exact sets of step sizes against spectral radii that are worked out without them."""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Matrix, Rational, Symbol, eye, sqrt

from resolvent.analytic import StepSizes, step_region, step_sizes

ALPHA, BETA = Symbol("alpha"), Symbol("beta")
SIZES = [(1, 1), (1, 2), (2, 1, 1), (2, 2), (1, 1, 1, 2)]


def random_game(seed, sizes):
    """A random J with small rational entries and symmetric blocks, and its cross blocks; often stable."""
    rng = np.random.default_rng(seed)
    total = sum(sizes)
    whole = Matrix(total, total, lambda r, c: Rational(int(rng.integers(-6, 7)), 3))
    symmetric = (whole + whole.T) * Rational(1, 2)
    owner = [i for i, size in enumerate(sizes) for _ in range(size)]
    J = Matrix(
        total,
        total,
        lambda r, c: symmetric[r, c] if owner[r] == owner[c] else whole[r, c],
    )
    J -= 3 * eye(total)
    return J, Matrix(total, total, lambda r, c: 0 if owner[r] == owner[c] else J[r, c])


def maps(J, cross, step):
    """The Jacobians of rules at 0 of a quadratic game, from their equations, in any arithmetic."""
    one = eye(J.rows)
    yield "naive", one + step * J
    yield "look ahead", one + step * (one + step * cross) * J
    yield "extragradient", one + step * J * (one + step * J)
    yield "competitive", one + step * (one - step * cross).inv() * J
    yield (
        "optimistic",
        Matrix([[one + 2 * step * J, -step * one], [J, 0 * one]]),
    )


def radius(matrix):
    return np.abs(np.linalg.eigvals(np.array(matrix.tolist(), dtype=float))).max()


def precise_radius(matrix):
    with mpmath.workdps(60):
        found = mpmath.eig(
            mpmath.matrix([[mpmath.mpf(str(x.evalf(60))) for x in row] for row in matrix.tolist()]),
            left=False,
            right=False,
        )
        return max(map(abs, found))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_both_sides_of_every_end_point(seed, sizes):
    J, cross = random_game(seed, sizes)
    for name, matrix in maps(J, cross, ALPHA):
        steps = step_sizes(matrix)
        at = sympy.lambdify(ALPHA, matrix, "numpy")
        ends = sorted({x for own in steps.bounds for x in own if x < np.inf} | {0.0})
        near = [x + side * 1e-5 * max(x, 1e-3) for x in ends for side in (-1, 1)]
        for x in [*near, *np.geomspace(1e-3, 10, 40)]:
            size = np.abs(np.linalg.eigvals(np.asarray(at(x), dtype=float))).max()
            if x > 0 and abs(size - 1) > 1e-9:
                assert steps.contains(float(f"{x:.12g}")) == (size < 1), (name, x, size)
                assert steps.radius(x) == pytest.approx(size, rel=1e-6, abs=1e-6)
        for x in ends[1:]:  # these end points are simple crossings
            assert (steps.radius(0.999 * x) < 1) != (steps.radius(1.001 * x) < 1), (name, x)


def test_end_points_are_exact():
    """At an end point of degree 12 the spectral radius is 1 to 40 digits, and it is not stable."""
    M = Matrix([[-1 - sqrt(2), 3, 1], [sqrt(3), -1, 2], [0, -1, -2]])
    steps = step_sizes(eye(3) + ALPHA * M)
    ((low, high),) = steps.intervals
    assert low == 0
    assert high.has(sympy.CRootOf)
    assert abs(precise_radius((eye(3) + ALPHA * M).subs(ALPHA, high)) - 1) < 1e-40
    assert not steps.contains(high)
    near = Rational(str(high.evalf(30)))
    assert steps.contains(near - Rational(1, 10**20))
    assert not steps.contains(near + Rational(1, 10**20))


def test_conjugate_points_have_sets_of_their_own():
    """sqrt(2) and -sqrt(2) have the same minimal polynomial; only what is asked about counts."""
    for root in sqrt(2), -sqrt(2):
        steps = step_sizes(Matrix([[1 - ALPHA * (root + 2)]]))
        assert steps.intervals == ((0, sympy.radsimp(2 / (root + 2))),)
    golden = (1 + sqrt(5)) / 2
    assert step_sizes(Matrix([[1 - ALPHA * golden]])).intervals == ((0, sqrt(5) - 1),)
    nested = sqrt(1 + sqrt(2))
    ((_, high),) = step_sizes(Matrix([[1 - ALPHA * nested]])).intervals
    assert abs((high - 2 / nested).evalf(40)) < 1e-38


def test_several_intervals():
    cubic = 4 * (ALPHA - 1) * (ALPHA - 2) * (ALPHA - 3)
    steps = step_sizes(Matrix([[cubic]]))
    assert len(steps.intervals) == 3
    for low, high in steps.intervals:
        for end in low, high:
            assert abs(abs(cubic.subs(ALPHA, end).evalf(40)) - 1) < 1e-35
    assert steps.contains(2)
    assert not steps.contains(1.5)
    assert not steps.contains(0.5)
    assert "or" in str(steps)


def test_a_radius_that_touches_one_is_left_out():
    steps = step_sizes(Matrix([[1 - (ALPHA - 1) ** 2]]))
    assert steps.intervals == ((0, 1), (1, 1 + sqrt(2)))
    assert not steps.contains(1)
    assert steps.contains("0.999")
    rotation = Matrix([[0, -1], [1, 0]]) * (1 - (ALPHA - 2) ** 2 / 5)
    assert 2 in [x for own in step_sizes(rotation).intervals for x in own]
    assert not step_sizes(rotation).contains(2)


def test_poles_are_left_out():
    """1 / (1 - a) shrinks on the far side of its pole too."""
    steps = step_sizes(Matrix([[1 / (1 - ALPHA)]]))
    assert steps.intervals == ((2, sympy.oo),)
    vanishing = step_sizes(Matrix([[Rational(1, 2), 1 / (ALPHA - 1)], [0, 0]]))
    assert vanishing.intervals == ((0, 1), (1, sympy.oo))
    region = step_region(Matrix([[Rational(1, 2), BETA / (ALPHA - 1)], [0, 0]]))
    assert not region.contains(1, 1)
    assert region.contains(2, 1)


def test_bounds_and_negative_steps():
    matrix = Matrix([[1 + ALPHA]])
    assert step_sizes(matrix).intervals == ()
    assert step_sizes(matrix, over=(-sympy.oo, sympy.oo)).intervals == ((-2, 0),)
    assert step_sizes(matrix, over=(-1, 1)).intervals == ((-1, 0),)
    assert step_sizes(Matrix([[Rational(1, 2)]]), ALPHA).intervals == ((0, sympy.oo),)
    assert step_sizes(Matrix([[2]]), ALPHA).intervals == ()


def test_eigenvalues_one_along_a_line_of_fixed_points():
    J = Matrix([[-2, -2], [-2, -2]])
    whole = step_sizes(eye(2) + ALPHA * J)
    assert whole.intervals == ()
    assert whole.unit == 1
    assert "transverse" in str(whole)
    across = step_sizes(eye(2) + ALPHA * J, transverse=True)
    assert across.removed == 1
    assert across.intervals == ((0, Rational(1, 2)),)
    with pytest.raises(ValueError, match="drift"):
        step_sizes(Matrix([[1, 1, 0], [0, 1, 0], [0, 0, ALPHA]]), transverse=True)


def test_jury_conditions_hold_exactly_in_the_set():
    """All of them positive if and only if stable, at random points, for degrees 1 to 5."""
    rng = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for size in range(1, 6):
        for _ in range(8):
            scale = Rational(int(rng.integers(40, 160)), 100)
            matrix = Matrix(size, size, lambda r, c: Rational(int(rng.integers(-9, 10)), 9)) * scale
            region = step_region(matrix * ALPHA, [ALPHA])
            stable = region.contains(1)
            assert stable == (radius(matrix) < 1)
            assert all(own.subs(ALPHA, 1) > 0 for own in region.conditions) == stable
            seen[stable] += 1
    assert min(seen.values()) >= 10


def test_regions_of_two_step_sizes():
    rng = np.random.default_rng(5)
    J, cross = random_game(1, (1, 2, 1))
    steps = sympy.diag(ALPHA, BETA, BETA, ALPHA)
    matrix = eye(4) + steps * (eye(4) + cross * steps) * J
    region = step_region(matrix)
    at = sympy.lambdify((ALPHA, BETA), matrix, "numpy")
    inside = 0
    for x, y in rng.integers(1, 80, (60, 2)):
        x, y = Rational(int(x), 100), Rational(int(y), 100)
        size = np.abs(np.linalg.eigvals(np.asarray(at(float(x), float(y)), dtype=float))).max()
        assert region.contains(x, y) == (size < 1)
        inside += size < 1
    assert 5 < inside < 55
    cut = region.slice({"beta": "1/10"})
    assert isinstance(cut, StepSizes)
    assert cut.symbol == ALPHA
    ((_, high),) = cut.intervals
    assert region.contains(Rational(str(high.evalf(20))) - Rational(1, 10**9), "1/10")
    assert not region.contains(Rational(str(high.evalf(20))) + Rational(1, 10**9), "1/10")
    same = region.slice({"beta": ALPHA})
    assert same.contains("0.1") == region.contains("0.1", "0.1")
    assert any(
        abs(g.subs({ALPHA: high, BETA: Rational(1, 10)}).evalf(30)) < 1e-20 for g in region.boundary
    )


def test_plots():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    J = Matrix([[-1, 3], [-3, -1]])
    axes = step_sizes(eye(2) + ALPHA * J).plot()
    assert axes.get_ylabel() == "spectral radius"
    region = step_region(eye(2) + sympy.diag(ALPHA, BETA) * J)
    assert region.plot(over=[(0, 0.5), (0, 0.5)]).get_xlim() == (0, 0.5)
    pyplot.close("all")


def test_bad_input():
    with pytest.raises(ValueError, match="square"):
        step_sizes(Matrix([[ALPHA, 1]]))
    with pytest.raises(ValueError, match="step_region"):
        step_sizes(Matrix([[ALPHA * BETA]]))
    with pytest.raises(ValueError, match="algebraic"):
        step_sizes(Matrix([[ALPHA * sympy.log(3)]]))
    with pytest.raises(ValueError, match="no symbols but the unknowns"):
        step_sizes(Matrix([[ALPHA * BETA]]), ALPHA)
    with pytest.raises(ValueError, match="rational"):
        step_sizes(Matrix([[ALPHA]]), over=(0, sqrt(2)))
    with pytest.raises(ValueError, match=r"over\[1\]"):
        step_sizes(Matrix([[ALPHA]]), over=(0, "__import__('os').getpid()"))
    with pytest.raises(ValueError, match="expected a number"):
        step_sizes(Matrix([[ALPHA]])).contains(BETA)
    with pytest.raises(ValueError, match="all step sizes but one"):
        step_region(Matrix([[ALPHA * BETA]])).slice({})
    with pytest.raises(ValueError, match="expected one number for each"):
        step_region(Matrix([[ALPHA * BETA]])).contains(1)
