r"""Loaded DiCE: DiCE with advantages in the place of rewards, and with a memory that may fade.

$$ \sum_t g_i^t \big[ \operatorname{MagicBox}(w_t) - \operatorname{MagicBox}(w_t - \ell_t) \big] \hat A_t^i, \qquad
   w_t = \lambda w_{t-1} + \ell_t $$

with $\hat A_t$ the generalised advantage of weight $\tau$. First derivatives are those of the actor and critic,
whatever $\lambda$. At $\lambda = 1$, those of all orders are unbiased: for $\tau = 1$ with any critic, and for every
$\tau$ with an exact critic and a closed horizon, up to truncation. At $\lambda < 1$ second derivatives are biased, and
less noisy.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.numeric.estimators.advantages import generalised_advantages
from resolvent.numeric.estimators.critics import AbstractCritic, ExactCritic, as_critic
from resolvent.numeric.estimators.estimator import Experience, SurrogateEstimator, magic_box
from resolvent.numeric.learners.best_response_dynamics import as_share


class LoadedDiCE(SurrogateEstimator):
    r"""Farquhar, Whiteson and Foerster (2019), *Loaded DiCE: trading off bias and variance in any-order score
    function estimators for reinforcement learning*, arXiv:1909.10549.

    **Arguments:**

    - `lam`: $\lambda$, from 0 to 1: how much of what was done earlier is remembered.
    - `tau`: $\tau$, from 0 to 1: how much of the advantages is sampled, and not the critic's.
    - `critic`: `"exact"`, a table `(n, S)`, or `None`.
    - `closed`: whether the critic's worth of the last state is received at the end; otherwise nothing follows.
    """

    lam: Array = eqx.field(converter=as_share, default=1.0)
    tau: Array = eqx.field(converter=as_share, default=1.0)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=ExactCritic(), kw_only=True)
    closed: bool = eqx.field(static=True, default=True)

    @classmethod
    def mao(cls, critic: Any = "exact", closed: bool = True) -> LoadedDiCE:
        r"""The baseline for derivatives of every order of Mao et al. (2019), *A baseline for any order gradient
        estimation in stochastic computation graphs*: $\lambda = \tau = 1$."""
        return cls(1.0, 1.0, closed, critic=critic)

    @classmethod
    def low_variance_curvature(
        cls, tau: Any = 1.0, critic: Any = "exact", closed: bool = True
    ) -> LoadedDiCE:
        r"""Low variance curvature (LVC) of Rothfuss et al. (2019), *ProMP*, arXiv:1810.06784: $\lambda = 0$. All
        terms of the Hessian in which two different rounds meet are missing."""
        return cls(0.0, tau, closed, critic=critic)

    def surrogate(self, experience: Experience, player: int) -> Float[Array, " batch"]:
        ell = experience.joint
        gains = generalised_advantages(
            experience.rewards[..., player],
            experience.critic[..., player],
            experience.discounts[player],
            self.tau,
            self.closed,
        )
        remembered = fading_sums(ell, self.lam)
        change = magic_box(remembered) - magic_box(remembered - ell)
        return (change * gains) @ experience.weights(player)


def fading_sums(terms: Float[Array, "batch rounds"], rate: Any) -> Float[Array, "batch rounds"]:
    r"""$w_t = c \, w_{t-1} + x_t$: what came before, fading, up to each round."""

    def step(before: Array, now: Array) -> tuple[Array, Array]:
        total = rate * before + now
        return total, total

    _, sums = lax.scan(step, jnp.zeros(terms.shape[0], terms.dtype), terms.T)
    return sums.T
