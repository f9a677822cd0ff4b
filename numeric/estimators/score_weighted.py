r"""Updates that are means of one's own scores with weights, $\frac{1}{N} \sum_n \sum_k c_{nk} \, \ell_i$."""

from __future__ import annotations

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_player
from resolvent.numeric.estimators.advantages import generalised_advantages
from resolvent.numeric.estimators.critics import AbstractCritic
from resolvent.numeric.estimators.estimator import Params, replaced
from resolvent.numeric.estimators.intended import intended_play
from resolvent.numeric.estimators.rollouts import Trajectories, log_probabilities, rollout
from resolvent.numeric.estimators.sampled_update import AbstractSampledUpdate
from resolvent.numeric.learners.best_response_dynamics import as_share
from resolvent.numeric.play import Play


class ScoreWeightedUpdate(AbstractSampledUpdate):
    """An update of this kind: a subclass says what each score of its player counts."""

    @abc.abstractmethod
    def score_weights(
        self, play: Play, trajectories: Trajectories, player: int
    ) -> Float[Array, "batch rounds"]:
        """What the score of each round counts, `(N, T)`; not differentiated."""

    def update(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        batch: int,
        horizon: int,
    ) -> Array:
        trajectories = rollout(values, params, key, batch, horizon)
        return jax.grad(
            lambda own: self.objective(
                values, replaced(params, {player: own}), trajectories, player
            ).mean()
        )(params[player])

    def objective(
        self, values: CompiledValue, params: Params, trajectories: Trajectories, player: int
    ) -> Float[Array, " batch"]:
        """One number per trajectory, the gradient of whose mean by one's parameters is the update."""
        check_player(player, values)
        play = intended_play(values, lax.stop_gradient(params))
        counts = self.score_weights(play, trajectories, player)
        logs = log_probabilities(values, params, trajectories)[..., player]
        return jnp.sum(lax.stop_gradient(counts) * logs, axis=1)

    def rounds(self, num_players: int, batch: int, horizon: int) -> int:
        return batch * horizon


def optional_share(value: Any) -> Array | None:
    """A number from 0 to 1, or `None`."""
    return None if value is None else as_share(value)


def sampled_advantages(
    play: Play, trajectories: Trajectories, player: int, gae: Array | None, critic: AbstractCritic
) -> Float[Array, "batch rounds"]:
    """Advantages of what was done, `(N, T)`: exact ones where `gae` is `None`, otherwise generalised ones of a closed
    horizon."""
    if gae is None:
        return of_actions(play.joint_advantages(player), trajectories)
    worth = critic.worth(play)[player][trajectories.states]
    rewards = trajectories.rewards[..., player]
    return generalised_advantages(rewards, worth, trajectories.discounts[player], gae, closed=True)


def of_actions(
    table: Float[Array, "states ..."], trajectories: Trajectories
) -> Float[Array, "batch rounds"]:
    """The entries of a table `(S, A_1, ..., A_n)` for what was done."""
    return table[trajectories.states[:, :-1], *jnp.moveaxis(trajectories.actions, -1, 0)]


def powers(rate: Any, trajectories: Trajectories) -> Float[Array, "1 rounds"]:
    """rate^t, `(1, T)`."""
    return jnp.asarray(rate) ** jnp.arange(trajectories.horizon)[None, :]


def earlier_rounds(sums: Float[Array, "batch rounds"]) -> Float[Array, "batch rounds"]:
    """Running sums up to the round before; 0 in the first."""
    return jnp.pad(sums, ((0, 0), (1, 0)))[:, :-1]
