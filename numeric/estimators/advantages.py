r"""Generalised advantages: sampled rewards, judged by a critic.

$$ \delta_t = r_t + g \, b(s_{t+1}) - b(s_t), \qquad
   \hat A_t = \sum_{k \ge 0} (g \lambda)^k \, \delta_{t+k} $$

with $b$ the critic and $\lambda$ from 0, where all that comes later is what the critic says, to 1, where it is what was
sampled, less $b(s_t)$. After the last round nothing follows; or, if the horizon is *closed*, the worth of the
last state.

Schulman et al. (2016), *High-dimensional continuous control using generalized advantage estimation*,
arXiv:1506.02438, equation 16.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float


def generalised_advantages(
    rewards: Float[Array, "batch rounds"],
    worth: Float[Array, "batch rounds_and_one"],
    discount: Any,
    gae: Any,
    closed: bool,
) -> Float[Array, "batch rounds"]:
    r"""$\hat A_t$ of one player, `(N, T)`.

    **Arguments:** `worth`: what the critic says of all states, the last one included; `gae`: $\lambda$; `closed`:
    whether the worth of the last state is received at the end.
    """
    after = worth[:, 1:] if closed else worth[:, 1:].at[:, -1].set(0.0)
    return discounted_sums(rewards + discount * after - worth[:, :-1], discount * gae)


def discounted_sums(terms: Float[Array, "batch rounds"], rate: Any) -> Float[Array, "batch rounds"]:
    r"""$y_t = x_t + c \, y_{t+1}$: what comes later, discounted, from each round on."""

    def step(later: Array, now: Array) -> tuple[Array, Array]:
        total = now + rate * later
        return total, total

    _, sums = lax.scan(step, jnp.zeros(terms.shape[0], terms.dtype), terms.T, reverse=True)
    return sums.T


def centred(rewards: Float[Array, "batch rounds"]) -> Float[Array, "batch rounds"]:
    """Rewards less their mean over the batch, round by round: of all derivatives 1 / N is lost."""
    return rewards - rewards.mean(axis=0, keepdims=True)
