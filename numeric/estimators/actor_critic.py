r"""Actor and critic: actions are judged by generalised advantages.

$$ \sum_t \ell_t \, \bot \, g_i^t \hat A_t^i $$

The first derivatives are unbiased for $\lambda = 1$ with any critic, and for every $\lambda$ with an exact one and a
closed horizon, up to truncation.

Differentiated *twice*, as the first MAML codes did, it is no estimator of the Hessian: what is left is
$\sum \hat A_t \nabla^2 \log \pi$, without the products of scores. For a softmax of logits $\nabla^2 \log \pi$ is the
same for all actions, so that its mean is exactly zero where advantages have mean zero in each state.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.estimators.advantages import generalised_advantages
from resolvent.numeric.estimators.critics import AbstractCritic, ExactCritic, as_critic
from resolvent.numeric.estimators.estimator import Experience, SurrogateEstimator
from resolvent.numeric.learners.best_response_dynamics import as_share


class ActorCritic(SurrogateEstimator):
    r"""The policy gradient with generalised advantage estimation, arXiv:1506.02438.

    **Arguments:**

    - `gae`: $\lambda$, from 0 to 1.
    - `critic`: `"exact"`, a table `(n, S)`, or `None`.
    - `discounted_weights`: whether round t counts $g^t$, as in the theorem. Most code leaves it out, and
        follows a direction that is no gradient of anything: Nota and Thomas (2020), *Is the policy gradient a
        gradient?*, arXiv:1906.07073.
    - `closed`: whether the critic's worth of the last state is received at the end, as is usual; otherwise nothing
        follows.
    """

    gae: Array = eqx.field(converter=as_share, default=0.95)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=ExactCritic(), kw_only=True)
    discounted_weights: bool = eqx.field(static=True, default=True)
    closed: bool = eqx.field(static=True, default=True)

    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        gains = generalised_advantages(
            experience.rewards[..., player],
            experience.critic[..., player],
            experience.discounts[player],
            self.gae,
            self.closed,
        )
        weights = experience.weights(player)
        if not self.discounted_weights:
            weights = jnp.ones_like(weights)
        return (experience.joint * gains) @ weights
