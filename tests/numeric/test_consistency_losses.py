"""Consistency residuals and losses against closed forms of the literature, in losses where those are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.numeric import (
    LOLA,
    HigherOrderLOLA,
    Naive,
    ValueFunction,
    consistency_loss,
    consistency_residual,
    consistent_quadratic,
    update_similarity,
)


def of_losses(*losses, sizes=None, name="game"):
    def function(params):
        return -jnp.stack([own(*params) for own in losses])

    return ValueFunction.wrap(function, [()] * len(losses) if sizes is None else sizes, name)


TANDEM = of_losses(
    lambda x, y: (x + y) ** 2 - 2 * x, lambda x, y: (x + y) ** 2 - 2 * y, name="tandem"
)
HAMILTONIAN = of_losses(lambda x, y: x * y, lambda x, y: -x * y, name="hamiltonian")


def pennies(x, y):
    return (2 * jax.nn.sigmoid(x) - 1) * (2 * jax.nn.sigmoid(y) - 1)


PENNIES = of_losses(pennies, lambda x, y: -pennies(x, y), name="matching pennies")


# Residuals and losses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "a", "order", "loss"),
    [
        (TANDEM, 1.0, 1, 128),
        (TANDEM, 0.5, 1, 40 / 3),
        (TANDEM, 0.5, 2, 40 / 3),
        (TANDEM, 0.1, 2, 9.1702811e-3),
        (HAMILTONIAN, 0.5, 1, 1 / 6),
        (HAMILTONIAN, 0.5, 2, 1 / 6),
        (HAMILTONIAN, 0.5, 3, 1 / 24),
    ],
    ids=str,
)
def test_exact_consistency_losses(values, a, order, loss):
    found = consistency_loss(values, HigherOrderLOLA(a, order), (-1, 1))
    assert found.converged
    assert found.mean == pytest.approx(loss, rel=1e-7)
    assert found.per_player.sum() == pytest.approx(loss, rel=1e-7)


@pytest.mark.parametrize(
    ("a", "order", "loss"),
    [
        (1.0, 1, 9.70e-6),
        (5.0, 1, 6.84e-3),
        (10.0, 1, 0.0758),
        (0.5, 2, 8.89e-9),
        (1.0, 2, 5.74e-7),
        pytest.param(10.0, 2, 0.189, marks=pytest.mark.slow),
        pytest.param(5.0, 3, 3.86e-2, marks=pytest.mark.slow),
    ],
)
def test_matching_pennies_losses(a, order, loss):
    """Spec 5.2, by a grid and finite differences, to the digits given."""
    found = consistency_loss(PENNIES, HigherOrderLOLA(a, order), (-7, 7), tolerance=1e-5)
    assert found.converged
    assert found.mean == pytest.approx(loss, rel=6e-3)


def test_residual_of_any_players():
    """LOLA against naive learning, by hand: h_1 from Taylor-exact LOLA, h_2 from the gradient."""
    a = 0.1
    at = (jnp.array(0.3), jnp.array(-0.2))
    players = [LOLA(a, variant="exact"), Naive(a)]
    mixed = jax.jit(lambda at: consistency_residual(TANDEM, players, at))(at)
    # LOLA is exactly right about a naive player; the naive player is not about LOLA.
    assert abs(mixed[0]) < 1e-14
    assert abs(mixed[1]) > 0.1

    def directions(params):
        return tuple(0.0 * own for own in params)

    still = consistency_residual(TANDEM, directions, at, lookahead=a)
    s = 0.3 - 0.2
    np.testing.assert_allclose(still, [2 * s - 2, 2 * s - 2], rtol=0, atol=1e-14)
    points = (jnp.array([0.3, 0.3]), jnp.array([-0.2, -0.2]))
    given = consistency_loss(TANDEM, directions, points=points, lookahead=a)
    assert given.mean == pytest.approx(2 * (2 * s - 2) ** 2, rel=1e-13)


def test_similarity_of_updates():
    a = 0.2
    own = consistent_quadratic(HAMILTONIAN, a).analytic
    # Rotations of the plane by constant angles: naive by 90 degrees, COLA's h by arg(-2a + i).
    found = update_similarity(HAMILTONIAN, own, Naive(a), (-1, 1), nodes=4)
    assert found == pytest.approx(1 / np.sqrt(1 + 4 * a**2), abs=1e-13)
    assert update_similarity(HAMILTONIAN, own, own, (-1, 1), nodes=4) == pytest.approx(1)
