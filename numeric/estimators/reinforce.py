r"""REINFORCE: what followed an action tells how good it was.

$$ \sum_t \ell_t \, \bot \, g_i^t \Big( \sum_{k \ge t} g_i^{k-t} r_k^i - b_i(s_t) \Big), \qquad\text{or}\qquad
   \sum_t \ell_t \, \bot \Big( \sum_k g_i^k r_k^i - b_i(s_0) \Big) $$

with *reward to go*, and without it. Its first derivatives are unbiased. Its second derivatives are not those
of the value: see `ActorCritic`.
"""

from __future__ import annotations

import equinox as eqx
from jax import Array
from jaxtyping import Float

from resolvent.numeric.estimators.advantages import centred, generalised_advantages
from resolvent.numeric.estimators.critics import AbstractCritic, NoCritic, as_critic
from resolvent.numeric.estimators.estimator import Experience, SurrogateEstimator


class Reinforce(SurrogateEstimator):
    """Williams (1992), *Simple statistical gradient-following algorithms for connectionist reinforcement learning*.

    **Arguments:**

    - `reward_to_go`: whether rewards before an action are left out of what it is judged by.
    - `critic`: the baseline, `None`, `"exact"`, or a table `(n, S)`.
    - `centred`: whether the mean of the batch is taken from the rewards of each round, as published LOLA-DiCE code
        does. Trajectories of a batch are then not independent, and derivatives are 1 - 1 / N of what they were.
    - `closed`: whether the critic's worth of the last state is received at the end; otherwise nothing follows.
    """

    reward_to_go: bool = eqx.field(static=True, default=True)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=NoCritic(), kw_only=True)
    centred: bool = eqx.field(static=True, default=False)
    closed: bool = eqx.field(static=True, default=False)

    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        rewards, discount = experience.rewards[..., player], experience.discounts[player]
        gains = generalised_advantages(
            centred(rewards) if self.centred else rewards,
            experience.critic[..., player],
            discount,
            1.0,
            self.closed,
        )
        if not self.reward_to_go:
            return experience.joint.sum(axis=1) * gains[:, 0]
        return (experience.joint * gains) @ experience.weights(player)
