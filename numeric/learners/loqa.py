r"""LOQA: learning with Q-learning awareness, against others whose policies follow their action values.

With $\hat\pi_j(b \mid s) \propto \exp\big(\beta_j Q_j(s, b; \theta)\big)$ and a hat on all that is computed under
$(\pi_i, \hat\pi_{-i})$,

$$ \Delta\theta_i = \alpha_i \Big( \nabla_i V_i + \sum_{j \ne i} \beta_j S_{ij} \Big), \qquad
   S_{ij} = \sum_{s, b} \bot c_j(s, b) \, \nabla_i Q_j(s, b), $$

- `model`: the gradient of $V_i(\pi_i, \hat\pi_{-i}(\theta))$: $\hat V_i$ in place of $V_i$, and
  $c_j = \hat d_i(s) \, \hat\pi_j(b \mid s) \, \hat{\bar A}_i(s, b)$;
- `on_policy`: the same at the policies that are played, $c_j = \tilde d_i(s) \, \pi_j(b \mid s) \, \bar A_i(s, b) =
  \partial V_i / \partial \operatorname{logit} \pi_j(b \mid s)$;
- `as_coded`: $S_{ij} = \mathbb{E} \sum_t g_i^t A_i(s_t, u_t) \big(1 - \hat\pi_j(b_t \mid s_t)\big) \sum_{k > t}
  g_j^{k-t} \lambda^{k-t-1} A_j(s_k, u_k) \, \ell_i(s_k, u_k)$.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.double_sums import Rounds, carried, influence, visited
from resolvent.numeric.equilibrium.arrays import expected
from resolvent.numeric.learners.advantage_alignment import (
    ascent,
    betas_of,
    check_rounds,
    step_of,
)
from resolvent.numeric.learners.best_response_dynamics import as_share
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative, as_number
from resolvent.numeric.play import Play, check_play, play_of

Tree = Any
Form = Literal["model", "on_policy", "as_coded"]


class LOQA(AbstractLearner):
    r"""LOQA: ascend one's value, and move the action values that the others follow.

    Aghajohari et al. (2024), *LOQA: learning with opponent Q-learning awareness*, arXiv:2405.01035. Nothing is
    estimated: action values and the sums over rounds are those of the game. What exists for sampling only, replay
    buffers, targets and sampled returns inside the softmax, is not here.

    Any number of players and actions, and discounts of each player, which must see the state. With several others
    each is averaged over all the rest, and the terms add up.

    **Arguments:**

    - `rate`: the step size.
    - `beta`: the inverse temperature of the others' softmax, in 1 / (units of the values): a scalar, or one number per
        player (its own is not used). The paper's unit is discounted *sums*; on averages per round the same is
        `beta / (1 - g)` for the discount g of the *other*, and `rate / (1 - g)` for one's own.
    - `form`: which of the three.
        `"model"` is the gradient of the stated objective: one's value where the others really play the softmax.
        `"on_policy"` takes the others' policies as they are, and only their *change* from the softmax; it is advantage
        alignment's `"exact"`.
        `"as_coded"` is the expectation of the published code's step, and no gradient: only the action
        that was taken has a value that can be moved, hence the $1 - \hat\pi$, and the same $a_t$ enters the weight
        and the continuation.
    - `dependency`: the $\lambda$ of `"as_coded"`, from 0 to 1: how far the others' returns depend on one's later
        actions, 0.9 in the code. Not used otherwise.
    - `horizon`, `discounted`: of `"as_coded"`: the number of rounds that count, or `None` for all; False
        drops $g_i^t$ from all sums, one's own included, and needs a horizon. Advantages remain those of the
        endless game.

    Information: norms of `gradient`, one's own, and `shaping`, beta included.
    """

    rate: Array = eqx.field(converter=as_number)
    beta: Array = eqx.field(converter=as_nonnegative, default=1.0)
    form: Form = eqx.field(static=True, default="model")
    dependency: Array = eqx.field(converter=as_share, default=0.9)
    horizon: int | None = eqx.field(static=True, default=None)
    discounted: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form: expected one of {get_args(Form)}, got {self.form!r}")
        check_rounds(self.horizon, self.discounted)
        if self.form != "as_coded" and self.horizon is not None:
            raise ValueError(
                f"horizon: expected None with form={self.form!r}, which is a derivative in the endless game; "
                "use form='as_coded', or AdvantageAlignment(rate, beta, horizon=...)"
            )

    @classmethod
    def published(cls, rate: Any) -> LOQA:
        """The published code's iterated prisoner's dilemma: arXiv:2405.01035, `MiladInk/loqa`, sweep v4.

        Temperature 1, dependency 0.9, episodes of 50 rounds without $g^t$, at discount 24/25. Beta is 1 on discounted
        sums; on averages it is 25. The code takes means over rounds where this takes sums, a factor of 50, and
        Adam with step 1e-3, to which neither matters; `rate` is of plain ascent on the sums. In the code a fifth of the
        actions are random, so that its expectation is that of other play.
        """
        return cls(rate, 1.0, "as_coded", 0.9, horizon=50, discounted=False)

    def check(self, values: ValueFunction, player: int) -> None:
        check_play(values, "LOQA", "LOLA(rate, lookahead)")
        betas_of(self.beta, values.num_players)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        game = check_play(values, "LOQA", "LOLA(rate, lookahead)")
        play = play_of(game, params)
        betas = betas_of(self.beta, game.num_players)
        followed = _followed(play, player, betas) if self.form != "on_policy" else play
        seen = followed if self.form == "model" else play
        kept = play.arrays.discounts[player] if self.discounted else 1.0
        visits = visited(seen, kept, Rounds(None, self.horizon))
        shaping = 0.0
        for j in range(game.num_players):
            if j == player:
                continue
            if self.form == "as_coded":
                term = self.coded(play, followed, player, j)
            else:
                mean = expected(seen.joint_advantages(player), seen.policies, j)
                term = influence(play, player, j, visits[:, None] * seen.policies[j] * mean)
            shaping += betas[j] * term
        return step_of(game, params, player, self.rate, ascent(seen, player, visits), shaping)

    def coded(self, play: Play, followed: Play, player: int, other: int) -> Array:
        """S of `as_coded` as a gradient by the player's policy, `(S, A_i)`, up to a number per state."""
        own = play.arrays.discounts[player] if self.discounted else 1.0
        theirs = play.arrays.discounts[other]
        gains = play.joint_advantages(player)
        shape = [len(gains), *(1,) * len(play.policies)]
        shape[other + 1] = -1
        weighted = play.joint * gains * (1 - followed.policies[other]).reshape(shape)
        rounds = Rounds(None, self.horizon)
        later = theirs * carried(play, weighted, own, theirs * self.dependency, rounds)
        return later[:, None] * expected(play.joint_advantages(other), play.policies, player)


def _followed(play: Play, player: int, betas: list[Array]) -> Play:
    """The same player against the softmax of the others' action values."""
    policies = list(play.policies)
    for j in range(len(policies)):
        if j != player:
            worth = expected(play.joint_values(j), play.policies, j)
            policies[j] = jax.nn.softmax(betas[j] * worth, axis=-1)
    return Play(play.arrays, tuple(policies))
