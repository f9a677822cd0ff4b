r"""Advantage alignment from sampled play.

On one batch, with $\hat A$ the sampled advantages and the weights $\omega$ and $w$ of
[`resolvent.numeric.AdvantageAlignment`][],

$$ \Delta\theta_i = \frac{1}{N} \sum_{n} \Big[ \sum_k g_i^k \hat A_i \, \ell_i
   + \sum_{j \ne i} \beta_j \sum_k \Big( \sum_t \omega_{tk} \, w_t \Big) \hat A_j \, \ell_i \Big]. $$

With exact advantages, and with those of $\lambda = 0$ and an exact critic, the mean is the learner's step over the same
horizon. At $\lambda > 0$ it is another one, however large the batch and however good the critic: $\hat A_i$ of
round t contains what happened in round k.
"""

from __future__ import annotations

from typing import get_args

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.double_sums import TimeWeight
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
from resolvent.numeric.learners.advantage_alignment import Form, betas_of
from resolvent.numeric.learners.learner import as_nonnegative
from resolvent.numeric.play import Play


class SampledAlignment(ScoreWeightedUpdate):
    r"""Duque et al. (2025), *Advantage alignment algorithms*, arXiv:2406.14662, as it is run: from one batch of play.

    **Arguments:**

    - `beta`, `form`, `time_weight`, `discounted`: as of [`resolvent.numeric.AdvantageAlignment`][].
    - `gae`: $\lambda$ of generalised advantages, or `None` for exact ones. `"exact"`, the form, asks what would have
        happened after other actions of one's own, which no trajectory tells: it needs `None`.
    - `critic`: of generalised advantages, which close the horizon: `"exact"`, a table `(n, S)`, or `None`.
    """

    beta: Array = eqx.field(converter=as_nonnegative, default=1.0)
    form: Form = eqx.field(static=True, default="original")
    time_weight: TimeWeight | None = eqx.field(static=True, default=None)
    discounted: bool = eqx.field(static=True, default=True)
    gae: Array | None = eqx.field(converter=optional_share, default=0.95, kw_only=True)
    critic: AbstractCritic = eqx.field(converter=as_critic, default=ExactCritic(), kw_only=True)

    def __check_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form: expected one of {get_args(Form)}, got {self.form!r}")
        if self.time_weight not in (None, *get_args(TimeWeight)):
            raise ValueError(
                f"time_weight: expected None or one of {get_args(TimeWeight)}, got {self.time_weight!r}"
            )
        if self.form == "exact" and (self.gae is not None or self.time_weight == "1/k"):
            raise ValueError(
                "form: 'exact' averages over actions that were not played, and expects gae=None, exact "
                "advantages, and no time_weight '1/k'; use 'original'"
            )

    def score_weights(
        self, play: Play, trajectories: Trajectories, player: int
    ) -> Float[Array, "batch rounds"]:
        gains = sampled_advantages(play, trajectories, player, self.gae, self.critic)
        own = trajectories.discounts[player] if self.discounted else 1.0
        betas = betas_of(self.beta, play.arrays.num_players)
        total = powers(own, trajectories) * gains
        for j in range(play.arrays.num_players):
            if j != player:
                deserts = sampled_advantages(play, trajectories, j, self.gae, self.critic)
                past = self._past(play, trajectories, gains, player, j)
                total += betas[j] * self._shares(trajectories) * past * deserts
        return total

    def _past(
        self, play: Play, trajectories: Trajectories, gains: Array, player: int, other: int
    ) -> Float[Array, "batch rounds"]:
        """The sum over t of omega w, for each k."""
        discounts = trajectories.discounts
        own, theirs = (discounts[player], discounts[other]) if self.discounted else (1.0, 1.0)
        start = powers(own, trajectories)
        if self.form == "exact":
            mean = expected(play.joint_advantages(player), play.policies, other)
            given = mean[trajectories.states[:, :-1], trajectories.actions[..., other]]
            return fading_sums(start * given, theirs)
        if self.form == "original":
            return theirs * earlier_rounds(fading_sums(start * gains, theirs))
        faded = discounts[player] * theirs
        return discounts[player] * faded * earlier_rounds(fading_sums(start * gains, faded))

    def _shares(self, trajectories: Trajectories) -> Float[Array, "1 rounds"]:
        """What the terms of each round are multiplied by."""
        k = jnp.arange(trajectories.horizon)[None, :]
        if self.time_weight is None:
            return jnp.ones((1, trajectories.horizon))
        return 1 / jnp.maximum(k, 1) if self.time_weight == "1/k" else 1 / (1 + k)
