r"""LOQA from sampled play, as published.

On one batch, with $\hat A$ the sampled advantages and $\lambda_d$ the dependency,

$$ \Delta\theta_i = \frac{1}{N} \sum_n \Big[ \sum_t g_i^t \hat A_i \, \ell_i + \sum_{j \ne i} \beta_j \sum_t g_i^t
   \hat A_i \big(1 - \hat\pi_j(b_t \mid s_t)\big) \sum_{k > t} g_j^{k-t} \lambda_d^{k-t-1} \hat A_j
   \, \ell_i \Big]. $$

The inner sum is the derivative of a Loaded DiCE return. With exact advantages, or an exact critic and
$\lambda = 0$ for one's own, the mean is the step of `LOQA(form="as_coded")` over the same horizon, for any
$\lambda$ of theirs; not so with sampled returns *inside* the softmax.
"""

from __future__ import annotations

from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.equilibrium.arrays import expected
from resolvent.numeric.estimators.critics import AbstractCritic, ExactCritic, as_critic
from resolvent.numeric.estimators.loaded_dice import fading_sums
from resolvent.numeric.estimators.rollouts import Trajectories
from resolvent.numeric.estimators.score_weighted import (
    ScoreWeightedUpdate,
    earlier_rounds,
    optional_share,
    powers,
    sampled_advantages,
)
from resolvent.numeric.learners.advantage_alignment import betas_of
from resolvent.numeric.learners.best_response_dynamics import as_share
from resolvent.numeric.learners.learner import as_nonnegative
from resolvent.numeric.play import Play

Inside = Literal["exact", "return"]


class SampledLOQA(ScoreWeightedUpdate):
    r"""Aghajohari et al. (2024), *LOQA: learning with opponent Q-learning awareness*, arXiv:2405.01035,
    as it is run: from one batch of play.

    Its `"on_policy"` form is `SampledAlignment(beta, "exact", gae=None)`; its `"model"`, where the others play
    the softmax and their action values are of other play, is not sampled here.

    **Arguments:**

    - `beta`, `dependency`, `discounted`: as of [`resolvent.numeric.LOQA`][], form `"as_coded"`.
    - `inside`: what the softmax of the others is of: `"exact"` action values, or those with the `"return"` that was
        sampled in the place of the action that was taken, as published.
    - `gae`, `own_gae`: $\lambda$ of their advantages and of one's own; `None` for exact ones. Published: 1 and 0.
    - `critic`: of generalised advantages, which close the horizon: `"exact"`, a table `(n, S)`, or `None`.
    """

    beta: Array = eqx.field(converter=as_nonnegative, default=1.0)
    dependency: Array = eqx.field(converter=as_share, default=0.9)
    inside: Inside = eqx.field(static=True, default="exact")
    discounted: bool = eqx.field(static=True, default=True)
    gae: Array | None = eqx.field(converter=optional_share, default=1.0, kw_only=True)
    own_gae: Array | None = eqx.field(converter=optional_share, default=0.0, kw_only=True)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=ExactCritic(), kw_only=True)

    def __check_init__(self) -> None:
        if self.inside not in get_args(Inside):
            raise ValueError(f"inside: expected one of {get_args(Inside)}, got {self.inside!r}")

    def score_weights(
        self, play: Play, trajectories: Trajectories, player: int
    ) -> Float[Array, "batch rounds"]:
        gains = sampled_advantages(play, trajectories, player, self.own_gae, self.critic)
        own = trajectories.discounts[player] if self.discounted else 1.0
        betas = betas_of(self.beta, play.arrays.num_players)
        now = powers(own, trajectories) * gains
        total = now
        for j in range(play.arrays.num_players):
            if j != player:
                theirs = trajectories.discounts[j]
                moved = now * (1 - self._followed(play, trajectories, j, betas[j]))
                past = theirs * earlier_rounds(fading_sums(moved, theirs * self.dependency))
                deserts = sampled_advantages(play, trajectories, j, self.gae, self.critic)
                total += betas[j] * past * deserts
        return total

    def _followed(
        self, play: Play, trajectories: Trajectories, other: int, beta: Array
    ) -> Float[Array, "batch rounds"]:
        """The softmax's probability of what the other did."""
        states, actions = trajectories.states[:, :-1], trajectories.actions[..., other]
        worth = expected(play.joint_values(other), play.policies, other)[states]
        if self.inside == "return":
            one = jnp.ones(())
            later = sampled_advantages(play, trajectories, other, one, self.critic)
            later += self.critic.worth(play)[other][states]
            taken = jax.nn.one_hot(actions, worth.shape[-1], dtype=bool)
            worth = jnp.where(taken, later[..., None], worth)
        chances = jax.nn.softmax(beta * worth, axis=-1)
        return jnp.take_along_axis(chances, actions[..., None], axis=-1)[..., 0]
