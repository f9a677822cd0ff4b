"""Consistent updates by series, collocation and networks, against exact ones."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from resolvent.analytic import consistent_series, higher_order_lola
from resolvent.games import DifferentiableGame
from resolvent.numeric import (
    COLA,
    COLLOCATION,
    RESULTS,
    HigherOrderLOLA,
    ValueFunction,
    consistency_loss,
    consistency_residual,
    consistent_collocation,
    consistent_networks,
    consistent_quadratic,
    learn,
    series_update,
    update_similarity,
)


def of_losses(*losses, sizes=None, name="game"):
    def function(params):
        return -jnp.stack([own(*params) for own in losses])

    return ValueFunction.wrap(function, [()] * len(losses) if sizes is None else sizes, name)


HAMILTONIAN = of_losses(lambda x, y: x * y, lambda x, y: -x * y, name="hamiltonian")
BALDUZZI = of_losses(
    lambda x, y: x**2 / 2 + 10 * x * y, lambda x, y: y**2 / 2 - 10 * x * y, name="balduzzi"
)
TANDEM_GAME = DifferentiableGame(losses=["(x+y)**2-2*x", "(x+y)**2-2*y"], name="tandem")


def pennies(x, y):
    return (2 * jax.nn.sigmoid(x) - 1) * (2 * jax.nn.sigmoid(y) - 1)


PENNIES = of_losses(pennies, lambda x, y: -pennies(x, y), name="matching pennies")


# Series -----------------------------------------------------------------------------------------


def test_series_of_tandem():
    series = consistent_series(TANDEM_GAME, 4)
    a, x, y = series.symbol, sp.Symbol("x"), sp.Symbol("y")
    b = (-(4 * a + 1) + sp.sqrt(8 * a + 1)) / (4 * a)
    c = 2 * a / (1 + 2 * a * (1 + b))
    want = sp.series((b * (x + y) + c) / a, a, 0, 5).removeO()
    for own in series.directions():
        assert sp.expand(own[0] - want) == 0
    for n in range(4):
        agreement = series.agreement(n)
        assert agreement.through == n
        # b_n - b = (-1)^(n+1) 8 4^n a^(n+2) in steps of losses, which are a times directions.
        assert sp.diff(agreement.difference[0][0], x) == (-1) ** (n + 1) * 8 * 4**n


def test_symbolic_higher_order_lola_and_series_of_a_game_that_is_not_polynomial():
    game = DifferentiableGame(
        ["sin(x1)*y + x2*y - x1**2", "x1*x2*y - y**2*exp(x2)/2"],
        parameters=[("x1", "x2"), "y"],
    )
    values = ValueFunction.wrap(
        lambda p: jnp.stack(
            [
                jnp.sin(p[0][0]) * p[1][0] + p[0][1] * p[1][0] - p[0][0] ** 2,
                p[0][0] * p[0][1] * p[1][0] - p[1][0] ** 2 * jnp.exp(p[0][1]) / 2,
            ]
        ),
        [(2,), (1,)],
    )
    eta, exact = higher_order_lola(game, 2, shares=(1, 2))
    at = (jnp.array([0.3, -0.4]), jnp.array([0.7]))
    number: Any = {eta: 0.05, "x1": 0.3, "x2": -0.4, "y": 0.7}
    learner = HigherOrderLOLA(1.0, 2, [0.05, 0.1])
    moves = jax.jit(lambda at: [learner.update(values, at, i, None)[0] for i in (0, 1)])(at)
    for own, formulas in zip(moves, exact, strict=True):
        np.testing.assert_allclose(own, [float(u.subs(number)) for u in formulas], atol=1e-13)
    series = consistent_series(game, 2, shares=(1, 2))
    for own, formulas in zip(series.coefficients, exact, strict=True):
        for row, u in zip(own, formulas, strict=True):
            for m in range(3):
                want = sp.diff(u, eta, m).subs(number | {eta: 0}) / sp.factorial(m)
                assert float(row[m].subs(number)) == pytest.approx(float(want), abs=1e-12)
    update = series_update(series, 0.01)
    np.testing.assert_allclose(update.lookahead, [0.01, 0.02])
    half = series_update(series, 0.005)

    @jax.jit
    def sizes(at):
        each = [consistency_residual(values, own, at) for own in (update, half)]
        return [jnp.abs(jnp.concatenate(own)).max() for own in each]

    size, smaller = sizes(at)
    assert size / smaller == pytest.approx(8, rel=0.1)


# Collocation and networks -----------------------------------------------------------------------


def test_collocation_finds_the_affine_solution():
    own = consistent_collocation(BALDUZZI, 0.05, (-1, 1), 3)
    exact = consistent_quadratic(BALDUZZI, 0.05).analytic
    assert own.status == COLLOCATION.solved
    at = (jnp.array(0.3), jnp.array(-0.9))
    np.testing.assert_allclose(own(at), exact(at), rtol=0, atol=1e-10)


def test_collocation_of_matching_pennies():
    own = consistent_collocation(PENNIES, 0.5, (-2, 2), 12, tolerance=1e-6)
    assert own.status == COLLOCATION.solved
    assert float(own.off_grid) < 2e-6
    # A judge that knows nothing of the grid, and LOLA of order 2 is farther off.
    ours = consistency_loss(PENNIES, own, (-2, 2), tolerance=1e-3).mean
    assert ours < 1e-12
    assert ours < consistency_loss(PENNIES, HigherOrderLOLA(0.5, 2), (-2, 2)).mean / 100


def test_networks_learn_what_is_consistent():
    own = consistent_networks(
        HAMILTONIAN, 0.3, (-1, 1), key=jax.random.key(0), preset="polynomial", steps=1500
    )
    assert own.succeeded
    assert own.losses.shape == (1500,)
    points = tuple(jax.random.uniform(jax.random.key(1), (2, 200), minval=-1.0))
    assert consistency_loss(HAMILTONIAN, own, points=points).mean < 1e-2
    exact = consistent_quadratic(HAMILTONIAN, 0.3).analytic
    assert update_similarity(HAMILTONIAN, own, exact, points=points) > 0.99
    run = learn(HAMILTONIAN, COLA(0.3, own), (0.5, 0.5), 20)
    assert run.status == RESULTS.successful
