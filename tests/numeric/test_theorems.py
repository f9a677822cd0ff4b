"""The theorems of the literature, by eigenvalues of the learners' own update maps (shaping.md, section 3).

A game is given by H, the Jacobian of the joint gradient of its *losses*: player i's loss is
x_i' H_ii x_i / 2 + x_i' H_i,-i x_-i, so that the joint gradient is H x and 0 is a fixed point. What is
differentiated is one step of the library's learner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.numeric import ValueFunction
from resolvent.numeric.learners import (
    LOLA,
    SGA,
    SOS,
    ConsensusOptimization,
    LookAhead,
    Naive,
)
from resolvent.numeric.learning import learn
from resolvent.numeric.loop import joint_update


def game_of(H, sizes):
    """The quadratic game whose losses have the Jacobian H; its diagonal blocks are symmetric."""
    ends = np.cumsum(sizes)[:-1]

    def function(params):
        x = jnp.concatenate(params)
        rows = jnp.split(H @ x, ends)
        own = [
            H[start : start + size, start : start + size]
            for start, size in zip([0, *ends], sizes, strict=True)
        ]
        losses = [
            one @ row - one @ block @ one / 2
            for one, row, block in zip(params, rows, own, strict=True)
        ]
        return -jnp.stack(losses)

    return ValueFunction.wrap(function, [(size,) for size in sizes])


def step_of(learner, values):
    """The map from joint parameters to the joint update, on flat vectors."""
    sizes = [shape[0] for shape in values.shapes]

    def step(x):
        params = tuple(jnp.split(x, np.cumsum(sizes)[:-1]))
        learners = [learner] * len(sizes)
        states = [own.init(values, params, i) for i, own in enumerate(learners)]
        return jnp.concatenate(joint_update(values, learners, params, states)[0])

    return step


def slope_of(learner, values, at=None):
    """The Jacobian of the joint update at a point, by default at 0."""
    dim = sum(shape[0] for shape in values.shapes)
    slope = jax.jit(jax.jacfwd(step_of(learner, values)))
    return np.asarray(slope(jnp.zeros(dim) if at is None else at))


def radius(slope):
    """The spectral radius of x -> x + slope x."""
    return np.abs(1 + np.linalg.eigvals(slope)).max()


def symmetric_diagonal_blocks(H, sizes):
    ends = np.cumsum([0, *sizes])
    for low, high in zip(ends[:-1], ends[1:], strict=True):
        H[low:high, low:high] = (H[low:high, low:high] + H[low:high, low:high].T) / 2
    return H


def stable(seed, sizes, floor=0.05):
    """A random H with S >= 0, invertible, symmetric diagonal blocks: a stable fixed point at 0."""
    rng = np.random.default_rng(seed)
    dim = sum(sizes)
    root = rng.normal(size=(dim, dim - 1))  # S of low rank: positive semidefinite only
    rotation = rng.normal(size=(dim, dim))
    rotation = symmetric_diagonal_blocks(3 * (rotation - rotation.T), sizes)
    H = root @ root.T + rotation
    # The theorem wants an invertible H; nearly singular ones converge, but too slowly to tell.
    return H if np.abs(np.linalg.eigvals(H)).min() > floor else stable(seed + 1000, sizes)


def saddle(seed, sizes):
    """A random H with an eigenvalue of negative real part: a strict saddle at 0."""
    rng = np.random.default_rng(seed)
    H = symmetric_diagonal_blocks(rng.normal(size=(sum(sizes),) * 2), sizes)
    return H if np.linalg.eigvals(H).real.min() < -0.1 else saddle(seed + 1000, sizes)


SIZES = [(1, 1), (2, 3), (1, 2, 1)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_look_ahead_and_sos_converge_to_stable_fixed_points(sizes, seed):
    """Letcher et al. (2019), theorems 2 and 4: for small rates, whatever the rotation."""
    H = stable(seed, sizes)
    values = game_of(H, sizes)
    off = H.copy()
    for low, high in zip(np.cumsum([0, *sizes])[:-1], np.cumsum(sizes), strict=True):
        off[low:high, low:high] = 0
    # The rate that the theorem's proof allows: all eigenvalues of (I - a H_o) H to the right of 0.
    for rate in 1e-2, 1e-3, 1e-4:
        slope = slope_of(LookAhead(rate), values)
        np.testing.assert_allclose(slope, -rate * (H - rate * off @ H), atol=1e-13)
        if radius(slope) < 1:
            break
    assert radius(slope) < 1
    # There p = |xi|^2 vanishes to second order.
    np.testing.assert_allclose(slope_of(SOS(rate), values), slope, atol=1e-14)


def test_naive_learning_leaves_stable_fixed_points():
    """The theorem is not empty: losses (xy, -xy) for every rate."""
    values = game_of(np.array([[0.0, 1.0], [-1.0, 0.0]]), (1, 1))
    for rate in 1.0, 1e-1, 1e-3:
        assert radius(slope_of(Naive(rate), values)) > 1
        assert radius(slope_of(LookAhead(rate / 2), values)) < 1


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_strict_saddles_repel(sizes, seed):
    """Letcher et al. (2019), theorem 6 for SOS; SGA by theorem 17 of Letcher et al. (2019, JMLR)."""
    values = game_of(saddle(seed, sizes), sizes)
    for learner in LookAhead(1e-3), SOS(1e-3):
        assert radius(slope_of(learner, values)) > 1
    # Between two-sided signs SGA's map is not smooth at a fixed point: epsilon alone decides there.
    assert radius(slope_of(SGA(1e-3, 1e-3), values)) > 1


def test_sos_leaves_a_strict_saddle_from_noise():
    H = np.array([[1.0, 3.0], [-3.0, -2.0]])
    run = learn(
        game_of(H, (1, 1)),
        SOS(0.01),
        tuple(1e-6 * np.random.default_rng(0).normal(size=(2, 64, 1))),
        4000,
    )
    assert np.linalg.eigvals(H).real.min() < 0
    assert (np.hypot(*run.params) > 1e-3).all()


def test_look_ahead_need_not_be_definite_even_for_two_parameters():
    """Remark D.5 of Letcher et al. (2019) has (I - a H_o) H positive definite for 2 x 2. It is not: with
    H = [[4, 3], [1, 1]] the symmetric part has determinant -a - 13 a^2 / 4, though its eigenvalues are
    to the right of 0 for small a, which is what convergence needs."""
    H = np.array([[4.0, 3.0], [1.0, 1.0]])
    assert np.linalg.eigvalsh(H + H.T).min() >= -1e-15
    for a in 0.2, 0.1, 0.01:
        slope = -slope_of(LookAhead(a), game_of(H, (1, 1))) / a
        definite = np.linalg.det((slope + slope.T) / 2)
        np.testing.assert_allclose(definite, -a - 13 / 4 * a**2, rtol=1e-11)
        assert definite < 0
        assert np.linalg.eigvals(slope).real.min() > 0


def test_look_ahead_adds_fixed_points_only_at_its_eigenvalues():
    """G = (I - a H_o) H x: a step of zero means a fixed point unless 1/a is an eigenvalue of H_o."""
    H = np.array([[1.0, 2.0], [2.0, 1.0]])  # H_o has the eigenvalues 2 and -2
    values = game_of(H, (1, 1))
    assert np.linalg.matrix_rank(slope_of(LookAhead(0.5), values), tol=1e-12) == 1
    for rate in 0.1, 0.4, 0.6, 1.0:
        assert np.linalg.matrix_rank(slope_of(LookAhead(rate), values), tol=1e-12) == 2
    spurious = jnp.array([1.0, 1.0])  # not a fixed point of the game: H x = (3, 3)
    np.testing.assert_allclose(step_of(LookAhead(0.5), values)(spurious), 0, atol=1e-15)
    assert np.abs(step_of(Naive(0.5), values)(spurious)).min() > 1


def tandem():
    return ValueFunction.wrap(
        lambda p: -jnp.concatenate([(p[0] + p[1]) ** 2 - 2 * p[0], (p[0] + p[1]) ** 2 - 2 * p[1]]),
        [(1,), (1,)],
    )


def test_lola_leaves_the_fixed_points_of_the_tandem_game():
    """The shaping term is (4, 4) in losses at every fixed point (x, 1 - x)."""
    for x in -1.0, 0.0, 0.3, 2.0:
        at = jnp.array([x, 1 - x])
        np.testing.assert_allclose(step_of(Naive(1.0), tandem())(at), 0, atol=1e-14)
        step = step_of(LOLA(0.1, 0.1, "original"), tandem())(at)
        np.testing.assert_allclose(step, 0.1 * 0.1 * 4, rtol=1e-13)
        np.testing.assert_allclose(step_of(SOS(0.1), tandem())(at), 0, atol=1e-14)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.24, 0.26, 0.4])
def test_lola_on_the_tandem_game_converges_below_a_quarter(rate):
    """Along (1, 1) the multiplier is 1 - 4a (1 - 4a): "for any a" of the literature means below 1/4."""
    slope = slope_of(LOLA(rate), tandem())
    multiplier = 1 + slope[0].sum()
    np.testing.assert_allclose(multiplier, 1 - 4 * rate * (1 - 4 * rate), rtol=1e-12)
    assert (abs(multiplier) < 1) == (rate < 0.25)


@pytest.mark.parametrize("seed", range(2))
def test_sga_adjusts_at_a_right_angle(seed):
    """Balduzzi et al. (2018), proposition 5: the adjustment does not change the component along the
    gradient; and in a Hamiltonian game <xi_lambda, grad |xi|^2 / 2> = lambda |grad|^2."""
    rng = np.random.default_rng(seed)
    sizes = (2, 1, 2)
    H = symmetric_diagonal_blocks(rng.normal(size=(5, 5)), sizes)
    x = rng.normal(size=5)
    values = game_of(H, sizes)
    weight = 0.7
    xi = H @ x
    direction = -step_of(SGA(1.0, weight, align=False), values)(x)
    np.testing.assert_allclose(direction @ xi, xi @ xi, rtol=1e-12)

    A = symmetric_diagonal_blocks(H - H.T, sizes)
    hamiltonian = -step_of(SGA(1.0, weight, align=False), game_of(A, sizes))(x)
    gradient = A.T @ A @ x
    np.testing.assert_allclose(hamiltonian @ gradient, weight * gradient @ gradient, rtol=1e-12)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", range(2))
def test_sga_is_positive_stable_below_four_over_the_spread(sizes, seed):
    """Balduzzi et al. (2018), theorem 10: for S >= 0, lambda in (0, 4 / kappa), kappa the spread of the
    spectrum of S, the adjusted Jacobian has its eigenvalues to the right of 0."""
    H = stable(seed, sizes)
    spectrum = np.linalg.eigvalsh((H + H.T) / 2)
    kappa = spectrum.max() - spectrum.min()
    for share in 0.05, 0.5, 0.99:
        slope = -slope_of(SGA(1.0, share * 4 / kappa, align=False), game_of(H, sizes))
        assert np.linalg.eigvals(slope).real.min() > 0


@pytest.mark.parametrize("kappa", [0.5, 2.0])
def test_consensus_optimisation_is_drawn_to_a_maximum_of_losses(kappa):
    """Losses -kappa/2 |x|^2 for both: the direction is kappa (lambda kappa - 1) x, drawn for lambda
    above 1 / kappa to the worst point there is."""
    H = -kappa * np.eye(2)
    values = ValueFunction.wrap(
        lambda p: kappa / 2 * jnp.stack([p[0][0] ** 2 + p[1][0] ** 2] * 2), [(1,), (1,)]
    )
    for weight in 0.9 / kappa, 1.1 / kappa:
        slope = slope_of(ConsensusOptimization(0.1, weight), values)
        np.testing.assert_allclose(slope, 0.1 * (H @ np.eye(2)) * (weight * kappa - 1), atol=1e-14)
        assert (radius(slope) < 1) == (weight > 1 / kappa)


def test_a_stable_fixed_point_need_not_be_a_nash_equilibrium_nor_the_reverse():
    """(x^3 + xy, -xy): 0 is stable, and player 1 gains by leaving it. (xy, xy): 0 is a Nash equilibrium
    and not stable."""
    cubic = ValueFunction.wrap(
        lambda p: -jnp.concatenate([p[0] ** 3 + p[0] * p[1], -p[0] * p[1]]), [(1,), (1,)]
    )
    H = -slope_of(Naive(1.0), cubic)
    assert np.linalg.eigvalsh(H + H.T).min() >= 0
    assert np.linalg.det(H) != 0
    there = (jnp.array([-0.1]), jnp.array([0.0]))
    assert cubic(there)[0] > 0

    product = ValueFunction.wrap(lambda p: -jnp.concatenate([p[0] * p[1]] * 2), [(1,), (1,)])
    H = -slope_of(Naive(1.0), product)
    assert np.linalg.eigvals(H).real.min() < 0
