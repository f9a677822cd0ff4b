r"""The quantities that estimators are judged by, from samples and exactly.

With x all players' parameters, player i and $u_j = \nabla_j V_i$,

$$ \nabla_x V_i, \qquad \nabla_x^2 V_i, \qquad
   S_i = \sum_{j \ne i} \nabla_i \big\langle \nabla_j V_j, \bot u_j \big\rangle, $$

the gradient, the Hessian, and LOLA's shaping term at a look-ahead of 1. Of a surrogate, each is taken from as few
batches as will do: one for all of a gradient or a Hessian, and two for the shaping term, since the product of two
estimates from one batch is biased, however good either is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.estimator import (
    AbstractEstimator,
    Params,
    SurrogateEstimator,
)
from resolvent.numeric.estimators.rollouts import rollout
from resolvent.numeric.learners.lola import shaping_term

Quantity = Literal["gradient", "hessian", "lola"]


# Sampled -------------------------------------------------------------------------------------


def jacobian(
    estimator: AbstractEstimator,
    values: CompiledValue,
    params: Params,
    key: Array,
    players: Sequence[int],
    batch: int,
    horizon: int,
) -> tuple[Params, ...]:
    """Estimates of dV_i / dtheta_j for i in `players` and all j, from the same trajectories; `[i][j]` is shaped like
    `params[j]`."""
    if isinstance(estimator, SurrogateEstimator):
        trajectories = rollout(values, params, key, batch, horizon)

        def slope(i: int) -> Params:
            return jax.grad(lambda own: estimator.objective(values, own, trajectories, i))(params)

        return tuple(map(slope, players))
    return tuple(
        tuple(
            estimator.gradient(values, params, key, i, j, batch, horizon)
            for j in range(len(params))
        )
        for i in players
    )


def hessian(
    estimator: AbstractEstimator,
    values: CompiledValue,
    params: Params,
    key: Array,
    player: int,
    batch: int,
    horizon: int,
) -> Float[Array, "size size"]:
    """An estimate of the Hessian of V_i by all parameters, raveled and one player after the other, from the same
    trajectories."""
    if isinstance(estimator, SurrogateEstimator):
        trajectories = rollout(values, params, key, batch, horizon)

        def height(flat: Array) -> Array:
            return estimator.objective(values, _split(flat, params), trajectories, player)

        return jax.hessian(height)(_flat(params))
    players = range(len(params))
    return jnp.block(
        [
            [
                estimator.hessian(values, params, key, player, (j, k), batch, horizon)
                for k in players
            ]
            for j in players
        ]
    )


def in_parts(estimate: Callable[[Array, int], Array], key: Array, batch: int, chunk: int) -> Array:
    """The mean over `batch` trajectories, at most `chunk` of them at a time: memory stays bounded.

    **Arguments:** `estimate`: of a key and a batch; a mean over independent trajectories.
    """
    if batch <= chunk:
        return estimate(key, batch)
    full, rest = divmod(batch, chunk)
    keys = jax.random.split(key, full + 1)
    total = chunk * lax.map(lambda own: estimate(own, chunk), keys[:-1]).sum(axis=0)
    if rest:
        total = total + rest * estimate(keys[-1], rest)
    return total / batch


def sampled(
    quantity: Quantity,
    estimator: AbstractEstimator,
    values: CompiledValue,
    params: Params,
    key: Array,
    player: int,
    batch: int,
    horizon: int,
    chunk: int,
) -> Array:
    """One estimate of a quantity, raveled to one axis (the Hessian to two)."""
    if quantity == "gradient":
        return in_parts(
            lambda own, size: _flat(
                jacobian(estimator, values, params, own, (player,), size, horizon)[0]
            ),
            key,
            batch,
            chunk,
        )
    if quantity == "hessian":
        return in_parts(
            lambda own, size: hessian(estimator, values, params, own, player, size, horizon),
            key,
            batch,
            chunk,
        )
    first, second = jax.random.split(key)
    interest = _split(
        sampled("gradient", estimator, values, params, first, player, batch, horizon, chunk),
        params,
    )

    def term(own: Array, size: int) -> Array:
        return sum(
            (
                estimator.cross(
                    values, params, own, j, (player, j), interest[j], size, horizon
                ).ravel()
                for j in range(len(params))
                if j != player
            ),
            start=jnp.zeros(params[player].size),
        )

    return in_parts(term, second, batch, chunk)


def rounds_played(
    quantity: Quantity, estimator: AbstractEstimator, params: Params, batch: int, horizon: int
) -> int:
    """How many rounds are sampled for one estimate."""
    size = sum(own.size for own in params)
    once = estimator.rounds(size, batch, horizon)
    return 2 * once if quantity == "lola" else once


# Exactly -------------------------------------------------------------------------------------


def exactly(quantity: Quantity, values: CompiledValue, params: Params, player: int) -> Array:
    """The same, of play that does not end."""
    players = range(len(params))
    if quantity == "gradient":
        return _flat(values.jacobian(params)[player])
    if quantity == "hessian":

        def block(j: int, k: int) -> Array:
            """`(size_j, size_k)`."""
            size = params[k].size
            units = jnp.eye(size).reshape(size, *params[k].shape)
            columns = jax.vmap(lambda u: values.cross(params, player, j, k, u))(units)
            return columns.reshape(size, params[j].size).T

        return jnp.block([[block(j, k) for k in players] for j in players])
    interest = values.jacobian(params)[player]
    steps = [jnp.ones(())] * len(params)
    return shaping_term(values, params, player, interest, steps).ravel()


def _flat(params: Params) -> Array:
    return jnp.concatenate([own.ravel() for own in params])


def _split(flat: Array, params: Params) -> Params:
    ends = [sum(own.size for own in params[: k + 1]) for k in range(len(params))]
    return tuple(
        flat[end - own.size : end].reshape(own.shape) for end, own in zip(ends, params, strict=True)
    )
