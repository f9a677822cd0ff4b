"""An estimator of one's own, as a function."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.estimator import AbstractEstimator, Params


class CustomEstimator(AbstractEstimator):
    """An estimator of one's own: a function for gradients, and another for second derivatives if there is one.

    **Arguments:**

    - `function`: `(values, params, key, player, wrt, batch, horizon) ->` an estimate of dV_i / dtheta_j, shaped like
        `params[wrt]`. It is compiled, with `batch` and `horizon` as plain integers.
    - `second`: the same with `wrt` a pair (j, k), returning `(size_j, size_k)`; `None` where there is none.
    - `cost`: `(size, batch, horizon) ->` the number of rounds that one gradient by `size` parameters takes.
        Default: `batch * horizon`.
    """

    function: Callable[..., Array] = eqx.field(static=True)
    second: Callable[..., Array] | None = eqx.field(static=True, default=None)
    cost: Callable[[int, int, int], int] | None = eqx.field(static=True, default=None)

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
        return self.function(values, params, key, player, wrt, batch, horizon)

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
        if self.second is None:
            raise NotImplementedError("this estimator has no second derivatives")
        return self.second(values, params, key, player, wrt, batch, horizon)

    def rounds(self, size: int, batch: int, horizon: int) -> int:
        return batch * horizon if self.cost is None else self.cost(size, batch, horizon)
