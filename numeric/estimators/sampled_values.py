r"""Values whose derivatives are estimates: what learners see who do not know the truth.

Every point has a sample of its own: the key is folded with the bits of the parameters, so that the same point gives
the same estimate, and another point another one. First derivatives come from one batch, second ones from another:
rules multiply them, and products of estimates from one batch would be biased.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.estimators.estimates import jacobian
from resolvent.numeric.estimators.estimator import (
    AbstractEstimator,
    Params,
    SurrogateEstimator,
)
from resolvent.numeric.estimators.intended import check_sampled
from resolvent.numeric.estimators.rollouts import rollout

Tree = Any
_FIRST, _SECOND = 0, 1


class SampledValues(ValueFunction):
    """A value function that any learner can use which sees nothing but values, `jacobian` and `cross`.

    **Arguments:**

    - `truth`: the compiled values of a game.
    - `estimator`: how derivatives are estimated.
    - `key`: a JAX random key. Estimates are deterministic in it and in the parameters.
    - `batch`, `horizon`: how many trajectories of how many rounds each estimate is made of.

    A call returns mean returns, up to the horizon; its automatic derivatives are those of the surrogate where the
    estimator is one, of every order, and otherwise its gradient, of first order only.

    **Raises:** `ValueError` for values of which no trajectories can be sampled.
    """

    truth: CompiledValue
    estimator: AbstractEstimator
    key: Array
    batch: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_sampled(self.truth)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.truth.shapes

    @property
    def name(self) -> str:
        return f"{self.truth.name}, sampled"

    def __call__(self, params: Tree) -> Float[Array, " players"]:
        key = self._key(params, _FIRST)
        trajectories = rollout(self.truth, params, key, self.batch, self.horizon)
        mean = trajectories.returns.mean(axis=0)
        estimator, players = self.estimator, range(self.num_players)
        if isinstance(estimator, SurrogateEstimator):
            shadow = jnp.stack(
                [estimator.objective(self.truth, params, trajectories, i) for i in players]
            )
        else:
            slopes = lax.stop_gradient(self.jacobian(params))
            shadow = jnp.stack(
                [
                    sum(jnp.vdot(own, x) for own, x in zip(slopes[i], params, strict=True))
                    for i in players
                ]
            )
        return lax.stop_gradient(mean) + shadow - lax.stop_gradient(shadow)

    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        key = self._key(params, _FIRST)
        players = range(self.num_players)
        return jacobian(self.estimator, self.truth, params, key, players, self.batch, self.horizon)

    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        key = self._key(params, _SECOND)
        return self.estimator.cross(
            self.truth, params, key, i, (j, k), jnp.asarray(u), self.batch, self.horizon
        )

    def _key(self, params: Params, purpose: int) -> Array:
        return jax.random.fold_in(folded(self.key, params), purpose)


def folded(key: Array, params: Params) -> Array:
    """A key of its own for every point: folded with the bits of the parameters, all of them."""
    flat = jnp.concatenate([lax.stop_gradient(own).astype(float).ravel() for own in params])
    # Adding 0 turns -0 into 0, which is the same point.
    words = lax.bitcast_convert_type(flat + 0.0, jnp.uint32).ravel()
    return lax.fori_loop(0, words.size, lambda k, own: jax.random.fold_in(own, words[k]), key)
