r"""How likely observed play is along a branch of logit quantal responses.

With $N$ the counts, $\ell = \sum N \log \sigma$ has along the branch, $F(z, \lambda) = 0$, the derivative
$\ell' = -\nabla_z \ell \, F_z^{-1} F_\lambda$, in units of one over that of lambda.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from resolvent.games.rational import entries, shorten
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.equilibrium.logit_system import LogitProblem


@jax.jit
def slope_of_likelihood(y: Array, problem: LogitProblem, weights: Array) -> Array:
    """The derivative of the log-likelihood by lambda (in the unit of the branch), implicitly."""
    upwards = jnp.zeros_like(y).at[-1].set(1.0)
    along = problem.newton(y, problem, upwards).direction
    return weights @ (jnp.cosh(y[:-1]) * along[:-1]) / jnp.cosh(y[-1])


@jax.jit
def slopes_of_likelihood(points: Array, problem: LogitProblem, weights: Array) -> Array:
    """The same at many points."""
    return jax.vmap(slope_of_likelihood, in_axes=(0, None, None))(points, problem, weights)


@jax.jit
def curvature_of_likelihood(y: Array, problem: LogitProblem, weights: Array) -> tuple[Array, Array]:
    """The first and the second derivative of the log-likelihood by lambda."""
    upwards = jnp.zeros_like(y).at[-1].set(1.0)
    along = problem.newton(y, problem, upwards).direction / jnp.cosh(y[-1])
    return jax.jvp(lambda own: slope_of_likelihood(own, problem, weights), (y,), (along,))


def read_counts(arrays: GameArrays, counts: Sequence[Any]) -> tuple[Array, ...]:
    """Counts as `(S, A_i)` arrays."""
    given = entries(counts)
    if given is None or len(given) != arrays.num_players:
        raise ValueError(
            f"counts: expected one array for each of {arrays.num_players} players, got {shorten(counts)}"
        )
    checked = []
    for player, own in enumerate(given):
        shape = (arrays.num_states, arrays.num_actions[player])
        try:
            array = np.asarray(own, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"counts[{player}]: expected numbers, got {shorten(own)}") from None
        if arrays.num_states == 1 and array.shape == shape[1:]:
            array = array[None]
        if array.shape != shape:
            raise ValueError(
                f"counts[{player}]: expected shape {shape} (states, actions), got {array.shape}"
            )
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(f"counts[{player}]: expected numbers from 0 up, got {shorten(own)}")
        checked.append(jnp.asarray(array))
    if not any(bool(own.sum() > 0) for own in checked):
        raise ValueError("counts: expected at least one observation, got none")
    return tuple(checked)


def flat_counts(arrays: Sequence[Array]) -> Array:
    """All counts, in the order of the unknowns of a branch."""
    return jnp.concatenate([own.ravel() for own in arrays])
