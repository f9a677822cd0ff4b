r"""Evolution strategies: derivatives of a value that is smoothed by noise, from returns alone.

With $\epsilon$ standard normal and $V_\sigma(\theta) = \mathbb{E} \, V(\theta + \sigma \epsilon)$,

$$ \nabla V_\sigma = \mathbb{E} \Big[ \frac{\epsilon}{\sigma} \, R(\theta + \sigma \epsilon) \Big], \qquad
   \nabla^2 V_\sigma = \mathbb{E} \Big[
   \frac{\epsilon \epsilon^\top - I}{\sigma^2} \, R(\theta + \sigma \epsilon) \Big], $$

with R the return of one trajectory: each has a noise of its own. *Antithetic* trajectories come in pairs, at
$\pm \epsilon$ and with the same random numbers: what is even in $\epsilon$ falls out of the gradient, what is odd out
of the Hessian. The bias, that of smoothing, is of order $\sigma^2$.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_player
from resolvent.numeric.estimators.estimator import (
    AbstractEstimator,
    Params,
    replaced,
)
from resolvent.numeric.estimators.finite_differences import as_positive
from resolvent.numeric.estimators.rollouts import rollout


class EvolutionStrategies(AbstractEstimator):
    """Salimans et al. (2017), *Evolution strategies as a scalable alternative to reinforcement learning*,
    arXiv:1703.03864; with the Hessian of Stein's second identity.

    **Arguments:**

    - `scale`: sigma.
    - `antithetic`: whether there are two trajectories for every noise, at both its signs: `batch` is the number of
      noises, and twice as many rounds are played.
    """

    scale: Array = eqx.field(converter=as_positive, default=0.1)
    antithetic: bool = eqx.field(static=True, default=True)

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
        noise, play = jax.random.split(key)
        epsilon = {wrt: jax.random.normal(noise, (batch, params[wrt].size))}
        gains = self._returns(values, params, play, player, epsilon, horizon)
        weights = jnp.array([0.5, -0.5]) if self.antithetic else jnp.ones(1)
        return (weights @ gains @ epsilon[wrt]).reshape(params[wrt].shape) / (batch * self.scale)

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
        noise, play, centre = jax.random.split(key, 3)
        epsilon = {
            own: jax.random.normal(jax.random.fold_in(noise, own), (batch, params[own].size))
            for own in sorted(set(wrt))
        }
        gains = self._returns(values, params, play, player, epsilon, horizon).mean(axis=0)
        products = epsilon[j][:, :, None] * epsilon[k][:, None, :]
        if j == k:
            products -= jnp.eye(params[j].size)[None]
        # The products have mean zero, so that a baseline from play of its own biases nothing.
        baseline = rollout(values, params, centre, batch, horizon).returns[:, player].mean()
        return jnp.tensordot(gains - baseline, products, axes=1) / (batch * self.scale**2)

    def rounds(self, size: int, batch: int, horizon: int) -> int:
        return batch * horizon * (2 if self.antithetic else 1)

    def _returns(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        epsilon: dict[int, Array],
        horizon: int,
    ) -> Float[Array, "signs batch"]:
        """Of one trajectory each at the players' perturbed parameters."""
        batch = len(next(iter(epsilon.values())))

        def one(noises: dict[int, Array], key: Array, sign: Array) -> Array:
            moved = {
                own: params[own] + sign * self.scale * noise.reshape(params[own].shape)
                for own, noise in noises.items()
            }
            return rollout(values, replaced(params, moved), key, 1, horizon).returns[0, player]

        signs = jnp.array([1.0, -1.0]) if self.antithetic else jnp.ones(1)
        each = jax.vmap(one, in_axes=(0, 0, None))
        return jax.vmap(each, in_axes=(None, None, 0))(epsilon, jax.random.split(key, batch), signs)
