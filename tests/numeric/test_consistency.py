"""Consistent updates against closed forms of the literature, in losses and steps h where those are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import consistent_series
from resolvent.games import DifferentiableGame
from resolvent.numeric import (
    COLA,
    CompetitiveGradient,
    InfiniteOrderLOLA,
    Naive,
    ValueFunction,
    consistency_loss,
    consistency_residual,
    consistent_collocation,
    consistent_networks,
    consistent_quadratic,
    joint_update,
    learn,
)


def of_losses(*losses, sizes=None, name="game"):
    def function(params):
        return -jnp.stack([own(*params) for own in losses])

    return ValueFunction.wrap(function, [()] * len(losses) if sizes is None else sizes, name)


TANDEM = of_losses(
    lambda x, y: (x + y) ** 2 - 2 * x, lambda x, y: (x + y) ** 2 - 2 * y, name="tandem"
)
HAMILTONIAN = of_losses(lambda x, y: x * y, lambda x, y: -x * y, name="hamiltonian")
BALDUZZI = of_losses(
    lambda x, y: x**2 / 2 + 10 * x * y, lambda x, y: y**2 / 2 - 10 * x * y, name="balduzzi"
)
TANDEM_GAME = DifferentiableGame(losses=["(x+y)**2-2*x", "(x+y)**2-2*y"], name="tandem")


def pennies(x, y):
    return (2 * jax.nn.sigmoid(x) - 1) * (2 * jax.nn.sigmoid(y) - 1)


PENNIES = of_losses(pennies, lambda x, y: -pennies(x, y), name="matching pennies")


def quadratic(sizes, seed=0):
    """A random quadratic game, with its coefficients."""
    rng = np.random.default_rng(seed)
    n, d = len(sizes), sum(sizes)
    Q = rng.normal(size=(n, d, d))
    Q, b = Q + Q.transpose(0, 2, 1), rng.normal(size=(n, d))

    def function(params):
        z = jnp.concatenate(params)
        return jnp.asarray(b) @ z + jnp.einsum("iab,a,b->i", Q, z, z) / 2

    return ValueFunction.wrap(function, [(size,) for size in sizes]), Q, b


# Affine solutions -------------------------------------------------------------------------------


def tandem_line(a, sign):
    """h = b(x + y) + c, spec 2.1."""
    b = (-(4 * a + 1) + sign * np.sqrt(8 * a + 1)) / (4 * a)
    return b, 2 * a / (1 + 2 * a * (1 + b))


@pytest.mark.parametrize("a", [0.1, 0.7])
def test_tandem_has_the_known_branches(a):
    found = consistent_quadratic(TANDEM, a)
    assert found.complete
    assert found.continuum is None
    assert len(found.branches) == 5

    def nearest(matrix):
        return min(found.branches, key=lambda own: np.abs(a * own.matrix - matrix).max())

    for sign in (1, -1):
        b, c = tandem_line(a, sign)
        own = nearest(np.full((2, 2), b))
        np.testing.assert_allclose(a * own.matrix, np.full((2, 2), b), rtol=0, atol=1e-12)
        np.testing.assert_allclose(a * own.offset, [c, c], rtol=0, atol=1e-12)
        assert own.analytic == (sign == 1)
    s, t = -1 / (2 * a), 1 / (2 * a) - 1
    family = nearest(np.array([[s, t], [t, s]]))
    np.testing.assert_allclose(a * family.matrix, [[s, t], [t, s]], rtol=0, atol=1e-12)
    assert family.offsets.shape == (2, 1)
    np.testing.assert_allclose(a * family.offset.sum(), 2 * a, rtol=0, atol=1e-12)
    np.testing.assert_allclose(family.offsets.sum(), 0, atol=1e-12)
    # Two more are not symmetric in the players; they are complex for small steps.
    pair = [own for own in found.branches if abs(own.matrix[0, 0] - own.matrix[1, 1]) > 1e-6]
    assert len(pair) == 2
    assert all(own.is_real == (a > 0.5) for own in pair)


def test_at_step_size_one_branches_of_tandem_meet():
    found = consistent_quadratic(TANDEM, 1.0)
    assert found.complete
    assert not found.analytic.isolated
    np.testing.assert_allclose(found.analytic.matrix, -0.5, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        consistent_quadratic(TANDEM, 5.0).analytic.matrix * 5, tandem_line(5.0, 1)[0], atol=1e-12
    )


def test_the_other_closed_forms():
    a = 0.3
    (own,) = consistent_quadratic(HAMILTONIAN, a).branches
    want = np.array([[-2 * a**2, -a], [a, -2 * a**2]]) / (1 + 2 * a**2)
    np.testing.assert_allclose(a * own.matrix, want, rtol=0, atol=1e-14)
    m = abs((1 + 1j * a) / (1 + 2 * a**2))
    np.testing.assert_allclose(np.abs(own.multipliers), m, rtol=0, atol=1e-14)
    np.testing.assert_allclose(m**2, (1 + a**2) / (1 + 2 * a**2) ** 2, rtol=1e-14)
    own = consistent_quadratic(BALDUZZI, a).analytic
    d = 1 + 200 * a**2
    p, q = -a * (1 + 200 * a) / d, 10 * a * (1 - a) / d
    np.testing.assert_allclose(a * own.matrix, [[p, -q], [q, p]], rtol=0, atol=1e-13)


def test_competitive_gradient_is_not_consistent():
    a = 0.4
    own = consistent_quadratic(HAMILTONIAN, a).analytic
    at = (jnp.array(0.7), jnp.array(-0.3))
    z = 0.7 - 0.3j

    def after(learners):
        moves, _, _ = joint_update(HAMILTONIAN, learners, at, (None, None))
        return z + float(moves[0]) + 1j * float(moves[1])

    ours, theirs = after([COLA(a, own)] * 2), after([CompetitiveGradient(a)] * 2)
    assert abs(ours - z * (1 + 1j * a) / (1 + 2 * a**2)) < 1e-14
    assert abs(theirs - z / (1 - 1j * a)) < 1e-14


def test_partial_gradients_iterated_are_competitive_gradient():
    """Spec 2.1: without the derivative of the others' step, the recursion is not higher-order LOLA."""
    values, Q, b = quadratic((2, 1), 3)
    eta = 0.02
    parts = [slice(0, 2), slice(2, 3)]
    z = np.array([0.3, -0.2, 0.5])
    u = np.zeros(3)
    for _ in range(60):
        u = np.concatenate(
            [
                (Q[i] @ (z + eta * np.where(np.isin(range(3), range(3)[p]), 0, u)) + b[i])[p]
                for i, p in enumerate(parts)
            ]
        )
    params = (jnp.array(z[:2]), jnp.array(z[2:]))
    learners = [CompetitiveGradient(eta)] * 2
    moves = jax.jit(lambda at: joint_update(values, learners, at, (None, None))[0])(params)
    np.testing.assert_allclose(np.concatenate(moves), eta * u, rtol=1e-12)
    limit = consistent_quadratic(values, eta, starts=4).analytic(params)
    assert np.abs(np.concatenate(limit) - u).max() > 1e-3


@pytest.mark.slow
def test_three_players_of_unequal_sizes_and_steps():
    values, Q, b = quadratic((1, 2, 1))
    eta = np.array([0.03, 0.05, 0.02])
    found = consistent_quadratic(values, eta, starts=40)
    assert not found.complete
    own = found.analytic
    z = np.random.default_rng(1).normal(size=4)
    params = (jnp.array(z[:1]), jnp.array(z[1:3]), jnp.array(z[3:]))
    for r in jax.jit(lambda at: consistency_residual(values, own, at))(params):
        np.testing.assert_allclose(r, 0, atol=1e-11)
    # By hand, with dense matrices: d/dtheta_i of V_i at the moved point.
    F, f = np.asarray(own.matrix), np.asarray(own.offset)
    owner = np.repeat([0, 1, 2], [1, 2, 1])
    for i in range(3):
        E = np.diag(np.where(owner == i, 0, eta[owner]))
        A = np.eye(4) + E @ F
        total = A.T @ (Q[i] @ (A @ z + E @ f) + b[i])
        np.testing.assert_allclose((F @ z + f)[owner == i], total[owner == i], atol=1e-11)
    assert all(float(each.residual) < 1e-11 for each in found.branches)
    # The limit of higher-order LOLA is this branch.
    moves, _, _ = joint_update(
        values,
        [InfiniteOrderLOLA(rate, eta) for rate in eta],
        params,
        tuple(InfiniteOrderLOLA(rate, eta).init(values, params, 0) for rate in eta),
    )
    np.testing.assert_allclose(np.concatenate(moves), eta[owner] * (F @ z + f), atol=1e-11)


def test_a_branch_may_end():
    """Losses -xy for both: p = eta (1 + 2 eta p), and r the same, are infinite at eta = 1 / sqrt(2)."""
    common = of_losses(lambda x, y: -x * y, lambda x, y: -x * y)
    found = consistent_quadratic(common, 0.8)
    assert found.complete
    assert found.fold == pytest.approx(np.sqrt(0.5) / 0.8, abs=1e-5)
    with pytest.raises(ValueError, match="could not be continued"):
        _ = found.analytic
    assert "ends at" in found.summary()


# What is refused --------------------------------------------------------------------------------


def test_bad_input():
    with pytest.raises(ValueError, match=r"(?s)expected quadratic.*networks"):
        consistent_quadratic(PENNIES, 0.1)
    with pytest.raises(ValueError, match="lookahead"):
        consistent_quadratic(TANDEM, [0.1, 0.1, 0.1])
    own = consistent_quadratic(TANDEM, 0.1)
    values, _, _ = quadratic((1, 2))
    with pytest.raises(ValueError, match="made for parameters of shapes"):
        learn(values, COLA(0.1, own.analytic), jax.random.key(0), 1)
    crooked = next(each for each in own.branches if not each.is_real)
    with pytest.raises(ValueError, match="expected a real solution"):
        COLA(0.1, crooked)
    with pytest.raises(TypeError, match="ConsistentUpdate"):
        COLA(0.1, Naive(0.1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="region"):
        consistency_loss(TANDEM, Naive(0.1), (1, -1))
    with pytest.raises(ValueError, match="give `points`"):
        consistency_loss(quadratic((5, 5))[0], Naive(0.1), (-1, 1))
    with pytest.raises(ValueError, match="unknowns"):
        consistent_collocation(quadratic((2, 2))[0], 0.1, (-1, 1), 12)
    large: Any = "large"
    with pytest.raises(ValueError, match="preset"):
        consistent_networks(TANDEM, 0.1, (-1, 1), key=jax.random.key(0), preset=large)
    with pytest.raises(ValueError, match="order"):
        consistent_series(TANDEM_GAME, -1)
    with pytest.raises(ValueError, match="lookahead"):
        consistency_residual(TANDEM, abs, (0.1, 0.1))
