r"""LOLA from sampled play: products of scores for the mixed derivatives, and their product with a gradient.

For two *different* players j and k, with $\sigma_t^j = \sum_{m \le t} \ell_m^j$ the sum of scores so far,

$$ \nabla_j \nabla_k V_i = \mathbb{E} \sum_t g_i^t \, r_t^i \, \sigma_t^j \, \sigma_t^{k \top}, $$

and the update is

$$ \Delta\theta_i = \widehat{\nabla_i V_i} + \sum_{j \ne i} \eta_{ij} \,
   \widehat{\nabla_i \nabla_j V_j} \; \widehat{\nabla_j V_i}. $$

Of one batch for all factors, as published, the product is biased by their covariance, of order 1 / N; of one batch for
each it is unbiased where its factors are.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.critics import AbstractCritic, ExactCritic, NoCritic, as_critic
from resolvent.numeric.estimators.estimator import (
    AbstractEstimator,
    Experience,
    Params,
    SurrogateEstimator,
)
from resolvent.numeric.estimators.reinforce import Reinforce
from resolvent.numeric.estimators.sampled_update import AbstractSampledUpdate
from resolvent.numeric.learners.learner import as_number, lookahead_rates


class LOLAPolicyGradient(AbstractEstimator):
    """Foerster et al. (2018), *Learning with opponent-learning awareness*, arXiv:1709.04326: REINFORCE with reward to
    go, and products of scores for the mixed second derivatives.

    **Arguments:**

    - `critic`: the baseline of the gradient, as of `Reinforce`; second derivatives have none.
    - `centred`: whether the mean over all rounds of the batch is taken from the rewards of second derivatives, as the
        published code does; it biases them, by terms of order 1 / N.
    """

    centred: bool = eqx.field(static=True, default=False)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=ExactCritic(), kw_only=True)

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
        first = Reinforce(critic=self.critic)
        return first.gradient(values, params, key, player, wrt, batch, horizon)

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
        """Blocks of two different players only.

        **Raises:** `NotImplementedError` for those of one.
        """
        second = self._second(wrt)
        return second.hessian(values, params, key, player, wrt, batch, horizon)

    def cross(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        wrt: tuple[int, int],
        u: Array,
        batch: int,
        horizon: int,
    ) -> Array:
        second = self._second(wrt)
        return second.cross(values, params, key, player, wrt, u, batch, horizon)

    def rounds(self, size: int, batch: int, horizon: int) -> int:
        return batch * horizon

    def _second(self, wrt: tuple[int, int]) -> ScoreProducts:
        if wrt[0] == wrt[1]:
            raise NotImplementedError(
                f"wrt: LOLAPolicyGradient expects two different players, got {wrt}: products of a player's own scores "
                "are not its second derivatives; use DiCE or LoadedDiCE"
            )
        return ScoreProducts(self.centred)


class ScoreProducts(SurrogateEstimator):
    """The surrogate whose derivative by two different players is that of the module; other derivatives of it
    estimate nothing."""

    centred: bool = eqx.field(static=True)
    critic: AbstractCritic = eqx.field(default=NoCritic(), kw_only=True)

    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        rewards = experience.rewards[..., player]
        if self.centred:
            rewards -= rewards.mean()
        so_far = jnp.cumsum(experience.log_probabilities, axis=1)
        pairs = (so_far.sum(axis=-1) ** 2 - (so_far**2).sum(axis=-1)) / 2
        return (pairs * rewards) @ experience.weights(player)


class SampledLOLA(AbstractSampledUpdate):
    """One's gradient and LOLA's shaping term, each factor an estimate: `LOLA(variant="original")` in the limit
    of large batches, where the estimator has the right limits.

    **Arguments:**

    - `estimator`: of all derivatives.
    - `lookahead`: the step size that the others are believed to use; a scalar, or one number per player.
    - `independent`: whether each factor has a batch of its own.
    """

    estimator: AbstractEstimator = eqx.field(default=LOLAPolicyGradient())
    lookahead: Array = eqx.field(converter=as_number, default=1.0)
    independent: bool = eqx.field(static=True, default=True)

    @classmethod
    def published(cls) -> SampledLOLA:
        """The published code, `alshedivat/lola`, `corrections.py`: one batch for all; centred rewards.

        All three derivatives are twice what they are, so that shaping counts twice as much as the look-ahead of 1
        says, and the rate here is twice that of the code. The code's baseline is learned, and here exact.
        """
        return cls(LOLAPolicyGradient(centred=True), 2.0, independent=False)

    def update(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        batch: int,
        horizon: int,
    ) -> Array:
        keys = self._keys(key, 2 * len(params) - 1)
        total = self.estimator.gradient(values, params, keys[0], player, player, batch, horizon)
        return total + self.shaping(values, params, keys[1:], player, batch, horizon)

    def shaping(
        self,
        values: CompiledValue,
        params: Params,
        keys: Array,
        player: int,
        batch: int,
        horizon: int,
    ) -> Array:
        """The shaping term alone, from two keys for each other player."""
        steps = lookahead_rates(self.lookahead, None, len(params))
        total = jnp.zeros_like(params[player])
        others = [j for j in range(len(params)) if j != player]
        for place, j in enumerate(others):
            first, second = keys[2 * place], keys[2 * place + 1]
            interest = self.estimator.gradient(values, params, first, player, j, batch, horizon)
            total += steps[j] * self.estimator.cross(
                values, params, second, j, (player, j), interest, batch, horizon
            )
        return total

    def rounds(self, num_players: int, batch: int, horizon: int) -> int:
        samples = 2 * num_players - 1 if self.independent else 1
        return samples * batch * horizon

    def _keys(self, key: Array, number: int) -> Any:
        return jax.random.split(key, number) if self.independent else [key] * number
