r"""What an estimator is: sampled play in, derivatives of values out.

A *surrogate* is a function of the parameters, made of a batch of trajectories, whose derivatives estimate those of
$V_i$: with $\ell_t = \sum_j \log \pi_j(a_t^j \mid s_t)$ and $\bot$ marking what is not differentiated,
$\operatorname{MagicBox}(x) = \exp(x - \bot x)$.
"""

from __future__ import annotations

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_player
from resolvent.numeric.estimators.critics import AbstractCritic
from resolvent.numeric.estimators.intended import intended_play
from resolvent.numeric.estimators.rollouts import Trajectories, log_probabilities, rollout

Params = tuple[Array, ...]


class AbstractEstimator(eqx.Module):
    """An estimator of first and second derivatives of values from sampled play.

    All methods are pure, deterministic in their `key`, and may be compiled. Common arguments:

    - `values`: of a discounted game; `params`: arrays, one per player.
    - `key`: a JAX random key.
    - `player`: whose value, i; `wrt`: by whose parameters.
    - `batch`, `horizon`: how many trajectories of how many rounds each sample has.
    """

    @abc.abstractmethod
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
        """An estimate of dV_i / dtheta_j, shaped like `params[wrt]`."""

    @abc.abstractmethod
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
        """An estimate of d2V_i / dtheta_j dtheta_k, `(size_j, size_k)` of raveled parameters.

        **Raises:** `NotImplementedError` where an estimator has none: a benchmark then leaves it out and says why.
        """

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
        """An estimate of d/dtheta_j < dV_i/dtheta_k , u > for `wrt` = (j, k), shaped like `params[j]`: the product of
        the Hessian's estimate with `u`, which is shaped like `params[k]` and held constant."""
        block = self.hessian(values, params, key, player, wrt, batch, horizon)
        return (block @ jnp.ravel(u)).reshape(params[wrt[0]].shape)

    @abc.abstractmethod
    def rounds(self, size: int, batch: int, horizon: int) -> int:
        """How many rounds are played for one estimate of a gradient by `size` parameters: what it costs in
        experience."""


class Experience(eqx.Module):
    """What surrogates are made of.

    **Attributes:**

    - `log_probabilities`: of what was done, `(N, T, n)`; the only part that depends on the parameters.
    - `rewards`: `(N, T, n)`, in the units of the values.
    - `critic`: what states are believed to be worth, `(N, T + 1, n)`, the last state included.
    - `discounts`: `(n,)`.
    """

    log_probabilities: Float[Array, "batch rounds players"]
    rewards: Float[Array, "batch rounds players"]
    critic: Float[Array, "batch rounds_and_one players"]
    discounts: Float[Array, " players"]

    @property
    def joint(self) -> Float[Array, "batch rounds"]:
        """$\\ell_t$, all players' log probabilities together, `(N, T)`."""
        return self.log_probabilities.sum(axis=-1)

    def weights(self, player: int) -> Float[Array, " rounds"]:
        """$g_i^t$, `(T,)`."""
        return self.discounts[player] ** jnp.arange(self.rewards.shape[1])


class SurrogateEstimator(AbstractEstimator):
    """An estimator that is the derivative of a surrogate: of any order, by automatic differentiation.

    **Attributes:** `critic`: `None`, `"exact"` (the values of play that does not end), or a table `(n, S)`.
    """

    critic: eqx.AbstractVar[AbstractCritic]

    @abc.abstractmethod
    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        """One number per trajectory; derivatives of their mean by the parameters estimate those of V_i."""

    def objective(
        self, values: CompiledValue, params: Params, trajectories: Trajectories, player: int
    ) -> Array:
        """The mean surrogate, a function of `params` at fixed `trajectories`."""
        return self.surrogate(
            experience_of(values, params, trajectories, self.critic), player
        ).mean()

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
        trajectories = rollout(values, params, key, batch, horizon)
        return jax.grad(
            lambda own: self.objective(values, replaced(params, {wrt: own}), trajectories, player)
        )(params[wrt])

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
        slope = self._slope(values, params, key, player, (j, k), batch, horizon)
        block = jax.jacfwd(slope)(params[j])
        return block.reshape(params[k].size, params[j].size).T

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
        check_player(player, values)
        check_player(wrt[0], values, "wrt")
        check_player(wrt[1], values, "wrt")
        j, k = wrt
        slope = self._slope(values, params, key, player, (k, j), batch, horizon)
        # Mixed derivatives of a surrogate commute: along u comes last, and no Hessian is formed.
        return jax.jvp(slope, (params[k],), (jnp.asarray(u, params[k].dtype),))[1]

    def _slope(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        wrt: tuple[int, int],
        batch: int,
        horizon: int,
    ) -> Callable[[Array], Array]:
        """The surrogate's gradient by the parameters of k, as a function of those of j; `wrt` is (j, k)."""
        trajectories = rollout(values, params, key, batch, horizon)
        j, k = wrt

        def slope(of_j: Array) -> Array:
            moved = replaced(params, {j: of_j})

            def height(of_k: Array) -> Array:
                return self.objective(values, replaced(moved, {k: of_k}), trajectories, player)

            return jax.grad(height)(moved[k])

        return slope

    def rounds(self, size: int, batch: int, horizon: int) -> int:
        return batch * horizon


def replaced(params: Params, entries: dict[int, Array]) -> Params:
    """`params` with some players' entries changed."""
    return tuple(entries.get(j, own) for j, own in enumerate(params))


def experience_of(
    values: CompiledValue, params: Params, trajectories: Trajectories, critic: AbstractCritic
) -> Experience:
    """What surrogates are made of: trajectories, as a function of `params`, judged by a critic."""
    worth = critic.worth(intended_play(values, lax.stop_gradient(params)))
    return Experience(
        log_probabilities(values, params, trajectories),
        trajectories.rewards,
        jnp.moveaxis(worth[:, trajectories.states], 0, -1),
        trajectories.discounts,
    )


def magic_box(x: Array) -> Array:
    """1, with the derivatives of exp(x): Foerster et al. (2018), arXiv:1802.05098, Section 3."""
    return jnp.exp(x - lax.stop_gradient(x))
