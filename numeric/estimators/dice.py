r"""DiCE: a surrogate whose derivatives of every order are unbiased.

$$ \sum_t g_i^t \, \operatorname{MagicBox}\Big(\sum_{k \le t} \ell_k\Big) \, r_t^i
   + \sum_t \big(1 - \operatorname{MagicBox}(\ell_t)\big) \, g_i^t \, b_i(s_t) $$

with $b$ the critic, if there is one: a baseline that lowers the variance of the gradient, and not of the second
derivatives. Without a critic it is step-wise importance sampling, differentiated.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.estimators.advantages import centred
from resolvent.numeric.estimators.critics import AbstractCritic, NoCritic, as_critic
from resolvent.numeric.estimators.estimator import Experience, SurrogateEstimator, magic_box


class DiCE(SurrogateEstimator):
    """Foerster et al. (2018), *DiCE: the infinitely differentiable Monte Carlo estimator*, arXiv:1802.05098.

    **Arguments:**

    - `critic`: the baseline; `None` for none, `"exact"`, or a table `(n, S)`.
    - `centred`: whether the mean of the batch is taken from the rewards of each round, as the published code does
        without a baseline. Trajectories of a batch are then not independent, and derivatives are 1 - 1 / N of
        what they were.
    - `closed`: whether the critic's worth of the last state is received at the end; otherwise nothing follows.
    """

    critic: AbstractCritic = eqx.field(converter=as_critic, default=NoCritic(), kw_only=True)
    centred: bool = eqx.field(static=True, default=False)
    closed: bool = eqx.field(static=True, default=False)

    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        ell, weights = experience.joint, experience.weights(player)
        rewards, worth = experience.rewards[..., player], experience.critic[..., player]
        received = centred(rewards) if self.centred else rewards
        if self.closed:
            received = received.at[:, -1].add(experience.discounts[player] * worth[:, -1])
        paid = magic_box(jnp.cumsum(ell, axis=1)) * received
        baseline = (1 - magic_box(ell)) * worth[:, :-1]
        return (paid + baseline) @ weights
