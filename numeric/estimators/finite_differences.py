r"""Finite differences of sampled values: two samples for every parameter, and nothing known of policies.

$$ \partial_k V_i \approx \frac{\hat V_i(\theta + h e_k) - \hat V_i(\theta - h e_k)}{2 h}, \qquad
   \partial_k \partial_l V_i \approx \frac{\hat V_i^{++} - \hat V_i^{+-} - \hat V_i^{-+} + \hat V_i^{--}}{4 h^2} $$

with $\hat V_i$ the mean return of a batch. The bias is of order $h^2$. With *common random numbers* the same chances
are dealt to all points: of two close policies most trajectories are the same, and the variance grows as $1 / h$ and not
as $1 / h^2$; of second derivatives as $1 / h^3$ and $1 / h^4$.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_player
from resolvent.numeric.estimators.estimator import (
    AbstractEstimator,
    Params,
    replaced,
)
from resolvent.numeric.estimators.rollouts import rollout
from resolvent.numeric.learners.learner import as_number


def as_positive(value: Any) -> Array:
    """A finite number above 0, traced ones as they are.

    **Raises:** `ValueError` otherwise.
    """
    number = as_number(value)
    if not isinstance(number, Tracer) and not (number > 0).all():
        raise ValueError(f"an estimator's step: expected a number above 0, got {value!r}")
    return number


class FiniteDifferences(AbstractEstimator):
    """Central differences of mean returns.

    **Arguments:**

    - `step`: h.
    - `common`: whether all points are dealt the same random numbers.
    """

    step: Array = eqx.field(converter=as_positive, default=0.1)
    common: bool = eqx.field(static=True, default=True)

    def gradient(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        wrt: int,
        batch: int,
        horizon: int,
    ) -> Array:
        check_player(player, values)
        check_player(wrt, values, "wrt")
        own = params[wrt]
        units = jnp.eye(own.size).reshape(-1, *own.shape)
        signs = jnp.array([1.0, -1.0])

        def slope(unit: Array, key: Array) -> Array:
            def at(sign: Array, key: Array) -> Array:
                moved = replaced(params, {wrt: own + sign * self.step * unit})
                return rollout(values, moved, key, batch, horizon).returns[:, player].mean()

            ends = jax.vmap(at)(signs, self._keys(key, 2))
            return signs @ ends / (2 * self.step)

        # One point after the other: each has the whole batch.
        slopes = jax.lax.map(lambda each: slope(*each), (units, self._keys(key, len(units))))
        return slopes.reshape(own.shape)

    def hessian(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        wrt: tuple[int, int],
        batch: int,
        horizon: int,
    ) -> Float[Array, "rows columns"]:
        check_player(player, values)
        check_player(wrt[0], values, "wrt")
        check_player(wrt[1], values, "wrt")
        j, k = wrt
        rows, columns = jnp.eye(params[j].size), jnp.eye(params[k].size)
        signs = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])

        def entry(row: Array, column: Array, key: Array) -> Array:
            def at(sign: Array, key: Array) -> Array:
                moved = replaced(params, {j: _shifted(params[j], sign[0] * self.step * row)})
                moved = replaced(moved, {k: _shifted(moved[k], sign[1] * self.step * column)})
                return rollout(values, moved, key, batch, horizon).returns[:, player].mean()

            corners = jax.vmap(at)(signs, self._keys(key, 4))
            return signs.prod(axis=1) @ corners / (4 * self.step**2)

        first = jnp.repeat(rows, len(columns), axis=0)
        second = jnp.tile(columns, (len(rows), 1))
        entries = jax.lax.map(
            lambda each: entry(*each), (first, second, self._keys(key, len(first)))
        )
        return entries.reshape(len(rows), len(columns))

    def rounds(self, size: int, batch: int, horizon: int) -> int:
        return 2 * size * batch * horizon

    def _keys(self, key: Array, number: int) -> Array:
        if self.common:
            return jnp.broadcast_to(key, (number, *key.shape))
        return jax.random.split(key, number)


def _shifted(own: Array, flat: Array) -> Array:
    return own + flat.reshape(own.shape)
