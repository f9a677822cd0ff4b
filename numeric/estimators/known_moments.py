"""Bias and variance of an estimator's gradient in closed form, where there is one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.actor_critic import ActorCritic
from resolvent.numeric.estimators.critics import AbstractCritic, ExactCritic, GivenCritic
from resolvent.numeric.estimators.dice import DiCE
from resolvent.numeric.estimators.estimator import AbstractEstimator, Params
from resolvent.numeric.estimators.loaded_dice import LoadedDiCE
from resolvent.numeric.estimators.moments import gradient_moments
from resolvent.numeric.estimators.reinforce import Reinforce


def known_moments(
    estimator: AbstractEstimator,
    values: CompiledValue,
    params: Params,
    player: int,
    horizon: int,
) -> tuple[float, float] | None:
    """The length of the bias of the gradient of V_i by all parameters, against play that does not end, and the trace
    of the covariance of one trajectory's estimate; `None` where no closed form is known."""
    asked = _asked(estimator, values, player)
    if asked is None:
        return None

    @jax.jit
    def moments(own: Params) -> tuple[Any, Any]:
        found = [
            gradient_moments(values, own, player=player, wrt=j, horizon=horizon, **asked)
            for j in range(len(own))
        ]
        bias = jnp.sqrt(sum(jnp.sum(each.bias**2) for each in found))
        return bias, sum(each.variance for each in found)

    bias, variance = moments(params)
    return float(bias), float(variance)


def _asked(
    estimator: AbstractEstimator, values: CompiledValue, player: int
) -> dict[str, Any] | None:
    """The estimator as `gradient_moments` knows it."""
    if isinstance(estimator, ActorCritic):
        tau = estimator.gae if estimator.discounted_weights else None
    elif isinstance(estimator, LoadedDiCE):
        tau = estimator.tau
    elif isinstance(estimator, (Reinforce, DiCE)):
        # Trajectories that are centred are not independent.
        tau = None if estimator.centred else 1.0
    else:
        return None
    if tau is None:
        return None
    critic = _critic(estimator.critic, player)
    close = "critic" if estimator.closed else "zero"
    if isinstance(estimator, (ActorCritic, LoadedDiCE)):
        return {"estimator": "gae", "tau": float(tau), "critic": critic, "close": close}
    to_go = isinstance(estimator, DiCE) or estimator.reward_to_go
    name = "reward_to_go" if to_go else "reinforce"
    return {"estimator": name, "critic": critic, "baseline": critic, "close": close}


def _critic(critic: AbstractCritic, player: int) -> Any:
    if isinstance(critic, ExactCritic):
        return "endless"
    return critic.table[player] if isinstance(critic, GivenCritic) else 0.0
