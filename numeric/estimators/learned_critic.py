r"""A critic that is learned from sampled play: the values of the chain and the rewards that were seen.

$$ \hat P_{ss'} = \frac{N(s, s')}{N(s)}, \qquad \hat r_i(s) = \text{the mean reward in } s, \qquad
   \hat b_i = (I - g_i \hat P)^{-1} \hat r_i $$
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.critics import GivenCritic
from resolvent.numeric.estimators.intended import intended_play
from resolvent.numeric.estimators.rollouts import Trajectories, rollout


def learned_critic(
    values: CompiledValue, params: tuple[Array, ...], key: Array, batch: int, horizon: int
) -> GivenCritic:
    """Least-squares temporal differences of weight 0 for a table: Bradtke and Barto (1996).

    Values are of play that does not end, whatever the horizon of the sample. A state that was never seen is worth 0.

    **Arguments:** as of [`resolvent.numeric.sample`][].
    """
    states = intended_play(values, params).arrays.num_states
    return GivenCritic(fitted(rollout(values, params, key, batch, horizon), states))


def fitted(trajectories: Trajectories, num_states: int) -> Array:
    """The table of the module, `(n, S)`, of given trajectories."""
    now, after = trajectories.states[:, :-1].ravel(), trajectories.states[:, 1:].ravel()
    counts = jnp.zeros((num_states, num_states)).at[now, after].add(1.0)
    visits = jnp.maximum(counts.sum(axis=1), 1.0)
    rewards = trajectories.rewards.reshape(-1, len(trajectories.discounts))
    means = jnp.zeros((num_states, rewards.shape[1])).at[now].add(rewards) / visits[:, None]
    moves = counts / visits[:, None]

    def worth(discount: Array, mean: Array) -> Array:
        return jnp.linalg.solve(jnp.eye(num_states) - discount * moves, mean)

    return jax.vmap(worth)(trajectories.discounts, means.T)
