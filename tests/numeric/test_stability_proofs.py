"""Proofs in balls: against derivatives and learners written independently, and against iteration in many digits.

The games of the soundness tests are polynomials kept as dictionaries here, with updates written out for two players of
one parameter each: nothing of the library is used but what is judged."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import DifferentiableGame, prisoners_dilemma, stag_hunt
from resolvent.games.differentiable_catalogue import hamiltonian, tandem
from resolvent.numeric.learners import (
    LOLA,
    SGA,
    SOS,
    CompetitiveGradient,
    ConsensusOptimization,
    ExtraGradient,
    LookAhead,
    Naive,
    OptimisticGradient,
)
from resolvent.numeric.learners.adam import Adam
from resolvent.numeric.loop import joint_update
from resolvent.numeric.stability.basin import norm_bound, verified_basin
from resolvent.numeric.stability.boxes import prove_all_fixed_points
from resolvent.numeric.stability.krawczyk import PROOF, newton, prove_exists
from resolvent.numeric.stability.proofs import prove_stable
from resolvent.numeric.stability.systems import gradient_system, update_system
from resolvent.numeric.stability.tape import BALLS, FLOATS, Tape

flint = pytest.importorskip("flint")

SMOOTH = DifferentiableGame(
    payoffs=[
        "-x**2/2 + x*y*z + sin(x + y) - tanh(u)*y",
        "-y**2 + x*u*exp(-x) + sigmoid(x - y) + y/(2 + x**2)",
        "-u**2 + softmax(u, x, y, z) - z**2 + log(2 + sin(z))*x + sqrt(2 + cos(u*pi))*y",
    ],
    parameters=[["x"], ["y"], ["u", "z"]],
)
DOUBLE = DifferentiableGame(losses=["x**4/4 - x**2/2 + x*y/5", "y**4/4 - y**2/2 - x*y/7"])
IMPOSSIBLE = DifferentiableGame(
    losses=["x*y - x**2/2 + y**2/2 + x**4/4 - y**4/4", "-x*y + x**2/2 - y**2/2 - x**4/4 + y**4/4"]
)

RULES = [
    Naive(0.1),
    LookAhead(0.1, lookahead=[0.2, 0.3]),
    LOLA(0.1),
    LOLA(0.1, variant="exact"),
    SGA(0.1, weight=0.3),
    ConsensusOptimization(0.1, weight=0.2),
    ExtraGradient(0.1),
    CompetitiveGradient(0.1, lookahead=[0.2, 0.3]),
]


CUBIC = DifferentiableGame(
    payoffs=["-x**2/2 + x*y*z - y*x**2/4 + x*z", "-y**2 + x*z*y - 2*x*y + y*z**2 - z**2"],
    parameters=[["x"], ["y", "z"]],
)
"""All mixed third derivatives matter; no symmetry."""


def joint_step(values, rules, point):
    """What the library's learners add to the parameters."""
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    parts = jnp.split(jnp.asarray(point), np.cumsum(sizes)[:-1])
    params = tuple(own.reshape(s) for own, s in zip(parts, values.shapes, strict=True))
    states = [own.init(values, params, i) for i, own in enumerate(rules)]
    updates = joint_update(values, rules, params, states)[0]
    return jnp.concatenate([jnp.ravel(own) for own in updates])


def test_updates_in_balls_are_the_learners():
    values = closed_form(CUBIC).compile()
    point = np.array([0.1, 0.2, -0.15])
    expected = jax.jit(lambda z: [joint_step(values, [rule] * 2, z) for rule in RULES])(point)
    balls = [flint.arb(x) for x in point.tolist()]
    step = 1e-6 * np.eye(3)
    for rule, own in zip(RULES, expected, strict=True):
        system = update_system(values, rule)
        assert system.guarded(balls)
        found = np.array([float(entry.mid()) for entry in system(balls)])
        np.testing.assert_allclose(found, own, rtol=0, atol=1e-14, err_msg=str(rule))
        slopes = (system.floats(point + step) - system.floats(point - step)).T / 2e-6
        np.testing.assert_allclose(system.float_jacobian(point), slopes, rtol=0, atol=1e-8)


def test_smooth_functions_in_balls():
    values = closed_form(SMOOTH).compile()
    point = np.array([0.1, 0.2, -0.1, 0.15])
    params = (jnp.array(point[:1]), jnp.array(point[1:2]), jnp.array(point[2:]))
    blocks = jax.jit(lambda own, values=values: values.jacobian(own))(params)
    expected = np.concatenate([np.ravel(blocks[i][i]) for i in range(3)])
    system = gradient_system(SMOOTH)
    found = [float(own.mid()) for own in system([flint.arb(x) for x in point.tolist()])]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    step = 1e-6 * np.eye(4)
    slopes = (system.floats(point + step) - system.floats(point - step)).T / 2e-6
    np.testing.assert_allclose(system.float_jacobian(point), slopes, rtol=0, atol=1e-8)


def test_iterated_games_in_balls():
    form = closed_form(prisoners_dilemma().iterated("24/25"), normalise="sum")
    point = np.random.default_rng(0).uniform(-1, 1, 10)
    values = form.compile()
    params = tuple(own.reshape(5, 1) for own in np.split(point, 2))
    blocks = jax.jit(lambda own: values.jacobian(own))(params)
    expected = np.concatenate([np.ravel(blocks[i][i]) for i in range(2)])

    def gradient(values, at):
        balls = gradient_system(values)([flint.arb(x) for x in at.tolist()])
        return np.array([float(own.mid()) for own in balls])

    np.testing.assert_allclose(gradient(values, point), expected, rtol=1e-10)
    np.testing.assert_allclose(gradient(form, point), expected, rtol=1e-10)
    # The chain rule: dp / dlogit = p (1 - p).
    p = 1 / (1 + np.exp(-point))
    policies = gradient(form.compile(parameters="policies"), p)
    np.testing.assert_allclose(p * (1 - p) * policies, expected, rtol=1e-10)


def test_sos_and_optimistic_and_mixed():
    values = closed_form(DOUBLE).compile()
    point = np.array([0.01, -0.02])
    mixed = [LOLA(0.1), Naive(0.2)]
    expected = jax.jit(
        lambda z: (joint_step(values, [SOS(0.1)] * 2, z), joint_step(values, mixed, z))
    )(point)
    sos = update_system(values, SOS(0.1))
    assert sos.guarded([flint.arb(x) for x in point.tolist()])
    assert not sos.guarded([flint.arb(2), flint.arb(2)])
    np.testing.assert_allclose(sos.floats(point), expected[0], atol=1e-15)
    both = update_system(values, mixed)
    np.testing.assert_allclose(both.floats(point), expected[1], atol=1e-15)
    memory = update_system(values, OptimisticGradient(0.1))
    w, last = gradient_system(values).floats(point), np.array([0.3, 0.4])
    expected = np.concatenate([0.1 * (2 * w - last), w - last])
    np.testing.assert_allclose(memory.floats(np.append(point, last)), expected, atol=1e-15)


def test_balls_hold_the_values_in_them():
    """Every point of a random box is mapped into the ball of the box, by programs and by powers."""
    rng = np.random.default_rng(1)
    system = gradient_system(SMOOTH)
    for _ in range(50):
        low = rng.uniform(-1, 1, 4)
        high = low + rng.uniform(0, 0.5, 4)
        box = [flint.arb(a).union(flint.arb(b)) for a, b in zip(low, high, strict=True)]
        inside = system.floats(rng.uniform(low, high, (20, 4)))
        for k, ball in enumerate(system(box)):
            assert float(ball.lower()) - 1e-12 <= inside[:, k].min()
            assert float(ball.upper()) + 1e-12 >= inside[:, k].max()
    for exponent in (2, 3, 4, -1, -2):
        for low, high in ((-1.0, 1.0), (0.5, 2.0), (-2.0, -0.5)):
            power = BALLS.power(flint.arb(low).union(flint.arb(high)), exponent)
            if exponent < 0 and low < 0 < high:
                assert not power.is_finite()
                continue
            numbers = np.linspace(low, high, 101) ** float(exponent)
            assert float(power.lower()) == pytest.approx(numbers.min(), abs=1e-6)
            assert float(power.upper()) == pytest.approx(numbers.max(), abs=1e-6)


def test_derivatives_of_tapes():
    tape = Tape()
    x, y = tape.inputs(2)
    f = tape.function("sigmoid", x * y) / (tape.function("exp", x) + tape.power(y, 2))
    gradient = tape.gradient(f, [x, y])
    second = [tape.gradient(own, [x, y]) for own in gradient]
    along = tape.tangent(gradient, [x, y], tape.inputs(2))
    found = tape.program([*gradient, *second[0], *second[1], *along]).run([0.3, 0.7, 2, -1], FLOATS)

    def value(p):
        return jax.nn.sigmoid(p[0] * p[1]) / (jnp.exp(p[0]) + p[1] ** 2)

    slopes, hessian = jax.jit(lambda p: (jax.grad(value)(p), jax.hessian(value)(p)))(
        jnp.array([0.3, 0.7])
    )
    expected = np.concatenate([slopes, np.ravel(hessian), hessian @ np.array([2.0, -1.0])])
    np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-12)


# All fixed points. ----------------------------------------------------------------------------


def test_all_nine_fixed_points():
    """Far from each other the wells do not change the number of critical points."""
    found = prove_all_fixed_points(gradient_system(DOUBLE), [(-2, 2)] * 2)
    assert found.proved
    assert len(found) == 9
    assert "exactly 9" in str(found)
    for own in found.points:
        x, y = own.point
        assert abs(x**3 - x + y / 5) < 1e-14
        assert abs(y**3 - y - x / 7) < 1e-14


def test_products_of_known_roots():
    game = DifferentiableGame(
        payoffs=["x**4/4 - x**3/3 - x**2/2 + x", "sin(3*y)/3 - y/3 + z*0", "-z**2*(1 + exp(z))"],
        parameters=["x", "y", "z"],
    )
    # w = ((x - 1)^2 (x + 1), cos 3y - 1/3, -2z - (2z + z^2) e^z): a double root at x = 1.
    found = prove_all_fixed_points(gradient_system(game), [(-2, 0.5), (-1, 1), (-1, 1)])
    assert found.proved
    ends = np.arccos(1 / 3) / 3
    expected = [[-1, -ends, 0], [-1, ends, 0]]
    np.testing.assert_allclose([own.point for own in found.points], expected, atol=1e-14)
    degenerate = prove_all_fixed_points(
        gradient_system(game), [(-2, 2), (0, 1), (-1, 1)], budget=3000, resolution=1e-3
    )
    assert degenerate.status == PROOF.undecided
    assert len(degenerate) == 1
    assert degenerate.undecided[:, 0, 0].min() > 0.9
    assert degenerate.undecided[:, 0, 1].max() < 1.1


def test_lines_of_fixed_points_stay_undecided():
    found = prove_all_fixed_points(gradient_system(tandem()), [(-2, 2)] * 2, resolution=0.05)
    assert found.status == PROOF.undecided
    assert len(found) == 0
    assert "singular" in found.reason
    assert "undecided: x in" in str(found)
    # Away from the line there is none, which is proved.
    assert prove_all_fixed_points(gradient_system(tandem()), [(1, 2)] * 2).proved


def test_mixed_equilibrium_in_logits_and_empty_regions():
    game = stag_hunt().iterated(0.5, memory=0)
    values = closed_form(game).compile()
    found = prove_all_fixed_points(gradient_system(values), [(-4, 4)] * 2)
    assert found.proved
    assert len(found) == 1
    np.testing.assert_allclose(found.points[0].point, np.log([2, 2]), atol=1e-14)
    assert len(prove_all_fixed_points(gradient_system(values), [(1, 4)] * 2)) == 0
    # Naive learning rests where the game does; LOLA here does too, near by.
    assert prove_exists(update_system(values, Naive(0.1)), np.log([2, 2]))


# Single points. -------------------------------------------------------------------------------


def test_existence():
    system = gradient_system(DOUBLE)
    made = prove_exists(system, [1.08, -0.91], 0.1)
    assert made.proved
    assert made.unique_radius is not None
    assert made.unique_radius > 0.02
    assert made.radius is not None
    assert made.radius < 1e-14
    np.testing.assert_allclose(made.point, newton(system, made.point), atol=1e-15)
    assert prove_exists(system, [0.5, 0.5], 0.05).status == PROOF.refuted
    assert prove_exists(gradient_system(tandem()), [0.5, 0.5]).status == PROOF.undecided
    assert "singular" in str(prove_exists(gradient_system(tandem()), [0.5, 0.5]))


@pytest.mark.parametrize(
    ("rule", "squared"),
    [
        (Naive(0.5), 1.25),  # |1 + i a|^2
        (LookAhead(0.5), 1 - 0.25 + 0.0625),
        (LOLA(0.5, variant="original"), 1 - 0.25 + 0.0625),
        (ExtraGradient(0.5), 1 - 0.25 + 0.0625),
        (CompetitiveGradient(0.5), 1 / 1.25),
    ],
    ids=["naive", "lookahead", "lola", "extra", "competitive"],
)
def test_bilinear_spectral_radii(rule, squared):
    found = prove_stable(update_system(hamiltonian(), rule), [0, 0])
    assert found.proved == (squared < 1)
    assert found.refuted == (squared > 1)
    assert found.measure is not None
    low, high = found.measure
    assert low <= np.sqrt(squared) <= high
    assert high - low < 1e-14
    flow = prove_stable(gradient_system(hamiltonian()), [0, 0])
    assert flow.status == PROOF.undecided
    assert "marginal" in flow.reason


def test_optimistic_gradient_at_its_limit():
    """Stable below 1 / sqrt 3, and not above."""
    limit = 1 / np.sqrt(3)
    assert prove_stable(update_system(hamiltonian(), OptimisticGradient(limit - 1e-9)), [0, 0])
    above = update_system(hamiltonian(), OptimisticGradient(limit + 1e-9))
    assert prove_stable(above, [0, 0]).refuted


def test_multiple_eigenvalues():
    game = DifferentiableGame(payoffs=["-x**2 - x*y", "-y**2"])
    found = prove_stable(update_system(game, Naive(0.25)), [0, 0])
    assert found.proved, found.reason
    game = DifferentiableGame(payoffs=["x**2 + x*y", "y**2"])
    assert prove_stable(update_system(game, Naive(0.25)), [0, 0]).refuted


def test_rules_and_the_unstable_point():
    """At the only fixed point of Letcher's game, unstable, most rules leave; consensus optimisation stays."""
    for rule in (Naive(0.1), LookAhead(0.1), SOS(0.1), CompetitiveGradient(0.1), SGA(0.1)):
        assert prove_stable(update_system(IMPOSSIBLE, rule), [0, 0]).refuted
    assert prove_stable(update_system(IMPOSSIBLE, ConsensusOptimization(0.1)), [0, 0]).proved


def test_basins():
    system = update_system(hamiltonian(), LookAhead(0.1))
    linear = verified_basin(system, [0, 0])
    assert linear.proved
    assert linear.radius == 1e6
    assert linear.rate == pytest.approx(np.sqrt(1 - 0.01 + 0.0001), rel=1e-9)
    wells = update_system(DOUBLE, Naive(0.1))
    own = verified_basin(wells, [1.081021561, -0.9113423344])
    assert own.proved
    assert 0.2 < own.radius < 0.9
    assert own.contains(own.fixed_point.point)
    # There is a border of this basin at the saddles: the ball cannot hold them.
    saddles = prove_all_fixed_points(gradient_system(DOUBLE), [(-2, 2)] * 2).points
    assert not any(
        own.contains(s.point) for s in saddles if np.abs(s.point - own.centre).max() > 1e-3
    )
    far = verified_basin(wells, [1.081021561, -0.9113423344], radius=3.0)
    assert far.status == PROOF.refuted
    assert "another fixed point" in far.reason
    some = verified_basin(wells, [1.081021561, -0.9113423344], radius=0.1)
    assert some.proved
    assert some.radius == 0.1
    assert own.volume > some.volume > 0
    unstable = verified_basin(update_system(IMPOSSIBLE, Naive(0.1)), [0, 0])
    assert unstable.status == PROOF.refuted
    assert "unstable" in unstable.reason
    wide = verified_basin(wells, [1.081021561, -0.9113423344], radius=0.6, budget=4)
    assert wide.status == PROOF.undecided
    assert not wide


def test_norm_bound():
    rng = np.random.default_rng(2)
    for size in (1, 2, 4):
        matrix = rng.normal(size=(size, size))
        exact = np.linalg.norm(matrix, 2)
        bound = norm_bound(flint.arb_mat(matrix.tolist()))
        assert bound is not None
        assert exact * (1 - 1e-14) <= bound <= exact * (1 + 1e-9)


def test_bad_input():
    with pytest.raises(ValueError, match=r"learners\[0\]: proofs know"):
        update_system(tandem(), Adam(0.1, Naive(0.1)))
    function = DifferentiableGame(payoffs=lambda params: jnp.zeros(2))
    with pytest.raises(ValueError, match="JAX function"):
        gradient_system(function)
    with pytest.raises(ValueError, match="formulas"):
        gradient_system(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="region"):
        prove_all_fixed_points(gradient_system(tandem()), [(1, 0), (0, 1)])
    with pytest.raises(ValueError, match="without cases"):
        prove_all_fixed_points(update_system(tandem(), SOS(0.1)), [(0, 1)] * 2)
    with pytest.raises(ValueError, match="memory"):
        prove_all_fixed_points(update_system(tandem(), OptimisticGradient(0.1)), [(0, 1)] * 2)
    with pytest.raises(ValueError, match="point"):
        prove_exists(gradient_system(tandem()), [0, 0, 0])
    with pytest.raises(ValueError, match="learners"):
        verified_basin(gradient_system(tandem()), [0, 0])


# Soundness against iteration in many digits. --------------------------------------------------


def derivative(poly, k):
    """Of {(a, b): coefficient of x^a y^b}."""
    result = {}
    for powers, c in poly.items():
        if powers[k]:
            lower = (powers[0] - (k == 0), powers[1] - (k == 1))
            result[lower] = result.get(lower, 0) + c * powers[k]
    return result


def evaluate(poly, x, y):
    return sum((c * x**a * y**b for (a, b), c in poly.items()), 0)


def random_game(rng):
    """Two polynomials of degree 3 or 4 in rationals, the simultaneous gradient of which is 0 at 0."""
    polys = []
    for player in range(2):
        poly = {}
        for a in range(5):
            for b in range(5 - a):
                if 2 <= a + b <= 3 + (rng.uniform() < 0.3) and rng.uniform() < 0.8:
                    poly[a, b] = int(rng.integers(-8, 9)) / 8
        own = (2, 0) if player == 0 else (0, 2)
        poly[own] = -int(rng.integers(-2, 13)) / 8
        polys.append(poly)
    return polys


def text(poly):
    return " + ".join(f"({c})*x**{a}*y**{b}" for (a, b), c in poly.items()) or "0"


def step_maker(polys, kind, rate):
    """The update of two players written out, in any numbers."""
    V1, V2 = polys
    V1x, V1y, V2x, V2y = (
        derivative(V1, 0),
        derivative(V1, 1),
        derivative(V2, 0),
        derivative(V2, 1),
    )
    V1xx, V1xy, V2xy, V2yy = (
        derivative(V1x, 0),
        derivative(V1x, 1),
        derivative(V2y, 0),
        derivative(V2y, 1),
    )

    def step(x, y, a):
        p, q = evaluate(V1x, x, y), evaluate(V2y, x, y)
        u, v = p, q
        if kind in ("lookahead", "lola"):
            u, v = u + a * evaluate(V1xy, x, y) * q, v + a * evaluate(V2xy, x, y) * p
        if kind == "lola":
            u += a * evaluate(V2xy, x, y) * evaluate(V1y, x, y)
            v += a * evaluate(V1xy, x, y) * evaluate(V2x, x, y)
        if kind == "extra":
            u, v = evaluate(V1x, x + a * p, y + a * q), evaluate(V2y, x + a * p, y + a * q)
        if kind == "consensus":
            u -= evaluate(V1xx, x, y) * p + evaluate(V2xy, x, y) * q
            v -= evaluate(V1xy, x, y) * p + evaluate(V2yy, x, y) * q
        return x + a * u, y + a * v

    return lambda x, y: step(x, y, mpmath.mpf(rate))


KINDS = {
    "naive": Naive,
    "lookahead": LookAhead,
    "lola": LOLA,
    "extra": ExtraGradient,
    "consensus": ConsensusOptimization,
}


def judge(rng, number):
    """One random game: what was proved, after all of it is compared with iteration."""
    polys = random_game(rng)
    kind = list(KINDS)[number % len(KINDS)]
    rate = float(rng.choice([0.05, 0.1, 0.3, 0.7]))
    game = DifferentiableGame(payoffs=[text(own) for own in polys])
    system = update_system(game, KINDS[kind](rate))
    begin = newton(system, np.zeros(2))
    if not np.abs(begin).max() < 2:
        return None
    basin = verified_basin(system, begin, budget=8)
    stability = basin.stability
    step = step_maker(polys, kind, rate)
    fixed: list[Any] = []
    if stability.fixed_point.proved:
        assert stability.fixed_point.enclosure is not None
        at = [own.mid() for own in stability.fixed_point.enclosure]
        fixed = [mpmath.mpf(str(own.str(40, radius=False))) for own in at]
        # Exactly at rest, to as many digits as were proved.
        again = step(*fixed)
        assert max(abs(x - y) for x, y in zip(again, fixed, strict=True)) < mpmath.mpf(10) ** -25
    if basin.proved:
        transform = mpmath.matrix(basin.transform.tolist())

        def distance(point):
            moved = transform * mpmath.matrix([x - y for x, y in zip(point, fixed, strict=True)])
            return mpmath.norm(moved, 2)

        direction = rng.normal(size=2)
        direction *= basin.radius * (1 - 1e-6) / np.linalg.norm(direction)
        start = basin.centre + np.linalg.solve(basin.transform, direction)
        assert basin.contains(start)
        now = tuple(map(mpmath.mpf, start.tolist()))
        before = distance(now)
        for _ in range(10):
            now = step(*now)
            after = distance(now)
            assert (
                after
                <= before * mpmath.mpf(basin.rate) * (1 + mpmath.mpf(10) ** -9)
                + mpmath.mpf(10) ** -24
            )
            before = after
    if stability.refuted and stability.measure is not None and stability.measure[0] > 1.03:
        small = mpmath.mpf(10) ** -15
        # No rational direction: it could be that of a stable eigenvector.
        direction = (mpmath.cos(1), mpmath.sin(1))
        now = tuple(x + small * d for x, d in zip(fixed, direction, strict=True))
        for _ in range(int(np.log(1e5) / np.log(stability.measure[0])) + 1):
            now = step(*now)
            if max(abs(x - y) for x, y in zip(now, fixed, strict=True)) > 10 * small:
                break
        else:
            raise AssertionError("a point proved to be unstable holds what starts next to it")
    return stability.status, basin.status


def study(games, seed):
    rng = np.random.default_rng(seed)
    with mpmath.workdps(40):
        found = [own for own in (judge(rng, k) for k in range(games)) if own is not None]
    decided = [stability != PROOF.undecided for stability, _ in found]
    basins = [basin != PROOF.undecided for _, basin in found]
    return len(found) / games, np.mean(decided), np.mean(basins)


def test_proofs_are_never_contradicted():
    met, decided, basins = study(200, 0)
    assert met > 0.8
    assert decided > 0.9
    assert basins > 0.9


@pytest.mark.slow
def test_proofs_are_never_contradicted_thousands():
    met, decided, basins = study(2000, 1)
    assert met > 0.8
    assert decided > 0.9
    assert basins > 0.9


def test_no_fixed_point_is_missed():
    rng = np.random.default_rng(3)
    proved = 0
    for _ in range(24):
        polys = random_game(rng)
        slopes = derivative(polys[0], 0), derivative(polys[1], 1)
        second = [[derivative(own, k) for k in range(2)] for own in slopes]
        game = DifferentiableGame(payoffs=[text(own) for own in polys])
        found = prove_all_fixed_points(
            gradient_system(game), [(-1.5, 1.7)] * 2, budget=600, starts=8
        )
        proved += found.proved
        points = rng.uniform(-1.5, 1.7, (2, 200))
        field, determinant = np.full((2, 200), np.nan), np.zeros(200)
        with np.errstate(all="ignore"):
            for _ in range(40):
                field = np.stack([evaluate(own, *points) + 0 * points[0] for own in slopes])
                matrix = np.stack(
                    [[evaluate(own, *points) + 0 * points[0] for own in row] for row in second]
                )
                determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
                points = points - np.stack(
                    [
                        (matrix[1, 1] * field[0] - matrix[0, 1] * field[1]) / determinant,
                        (matrix[0, 0] * field[1] - matrix[1, 0] * field[0]) / determinant,
                    ]
                )
            fine = (np.abs(field).max(0) < 1e-13) & (np.abs(determinant) > 1e-6)
        fine &= ((points > -1.5 + 1e-6) & (points < 1.7 - 1e-6)).all(axis=0)
        known = [own.point for own in found.points]
        for own in points[:, fine].T:
            listed = any(np.abs(own - other).max() < 1e-8 for other in known)
            open_ = any(
                ((own >= part[:, 0]) & (own <= part[:, 1])).all() for part in found.undecided
            )
            assert listed or open_
    assert proved >= 18
