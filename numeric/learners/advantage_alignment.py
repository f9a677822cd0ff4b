r"""Advantage alignment: be kind where the others have been kind, by products of advantages.

With $A_i$ the advantage of joint actions for player i, $\ell_i = \nabla_i \log \pi_i$ and $g_i$ its discount, in its
three forms,

$$ \Delta\theta_i = \alpha_i \Big( \nabla_i V_i + \sum_{j \ne i} \beta_j S_{ij} \Big), \qquad
   S_{ij} = \mathbb{E} \sum_k \Big( \sum_{t} \omega_{tk} \, w_t \Big) A_j(s_k, u_k) \, \ell_i(s_k, u_k), $$

- `exact`: $t \le k$, $w_t = \bar A_i(s_t, b_t)$, the mean of $A_i$ over all actions but the other's, and
  $\omega_{tk} = g_i^t g_j^{k-t}$. This is the gradient by $\theta_i$ of $V_i$ where each of the others plays
  $\pi_j' \propto \pi_j \exp(\beta_j Q_j)$, at $\beta_j Q_j$ less its present value;
- `original`: $t < k$ and $w_t = A_i(s_t, u_t)$, of the actions that were played;
- `readme`: as the original, times $g_i^{k-t+1}$: the past is discounted once more.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.double_sums import (
    Rounds,
    TimeWeight,
    carried,
    visited,
    with_policy,
)
from resolvent.numeric.equilibrium.arrays import expected
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative, as_number
from resolvent.numeric.learners.stacked import like_entry
from resolvent.numeric.play import Play, check_play, play_of

Tree = Any
Form = Literal["exact", "original", "readme"]


class AdvantageAlignment(AbstractLearner):
    r"""Advantage alignment: what the others gain from an action counts as much as they deserve.

    Duque et al. (2025), *Advantage alignment algorithms*, arXiv:2406.14662. The others are taken to be of
    softmax policies in their action values, $\pi_j \propto \exp(\beta_j Q_j)$, whatever they are; the player
    ascends its own value and moves theirs. Nothing is estimated: advantages, and the sums over pairs of rounds, are
    those of the game. (Sampled with generalised advantage estimation in place of exact advantages, the double sum is
    biased even with exact critics, since the noise of an earlier estimate contains the later one.)

    Any number of players and actions, and discounts of each player, which must see the state. With several others
    each is averaged over all the rest, and the terms add up.

    **Arguments:**

    - `rate`: the step size.
    - `beta`: how much the others care for their action values, in 1 / (units of the values): a scalar, or one number
        per player (its own is not used). The papers' unit is discounted *sums*; on averages per round the same is
        `beta / (1 - g)` for the discount g of the *other*, and `rate / (1 - g)` for one's own.
    - `form`: which of the three.
        `"exact"`, with the average over one's own actions, as the authors' later code has it, is a gradient:
        that of one's value against softmax policies, partition functions included; and LOLA's shaping term against a
        natural gradient of step `beta`.
        `"original"`, of the actions that were played, and `"readme"`, with a discounted past, are what
        was published. They are gradients of nothing.
    - `time_weight`: what the terms of round k are multiplied by, `None`, `"1/k"` or `"1/(1+k)"`: with the mean of
        past advantages in place of their sum. `"1/k"` only without the present round, that is not with `"exact"`.
    - `horizon`: the number of rounds that count, or `None` for all. Advantages remain those of the endless game.
    - `discounted`: False drops $g^t$ from all sums, as PPO does, one's own included: then round t
        counts as much as round 0, and a horizon is needed. `"readme"` still discounts its past.

    Information: norms of `gradient`, one's own, and `shaping`, beta included.
    """

    rate: Array = eqx.field(converter=as_number)
    beta: Array = eqx.field(converter=as_nonnegative, default=1.0)
    form: Form = eqx.field(static=True, default="exact")
    time_weight: TimeWeight | None = eqx.field(static=True, default=None)
    horizon: int | None = eqx.field(static=True, default=None)
    discounted: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form: expected one of {get_args(Form)}, got {self.form!r}")
        if self.time_weight not in (None, *get_args(TimeWeight)):
            raise ValueError(
                f"time_weight: expected None or one of {get_args(TimeWeight)}, got {self.time_weight!r}"
            )
        if self.form == "exact" and self.time_weight == "1/k":
            raise ValueError(
                "time_weight: '1/k' divides by the number of earlier rounds, and form='exact' counts the present one "
                "too; use '1/(1+k)'"
            )
        check_rounds(self.horizon, self.discounted)

    @classmethod
    def published(cls, rate: Any, horizon: int) -> AdvantageAlignment:
        """The published code's weights, with `aa_weight` 1: arXiv:2406.14662, `jduquevan/advantage-alignment`,
        `integrated_aa`: the mean of past advantages of the actions that were played, nothing discounted from
        the start.

        The code normalises advantages, so that its 1 has no unit. Here it is beta 1 on discounted sums; on
        averages that is 1 / (1 - g), 25 at discount 24/25. It has Adam and PPO's clipped steps too, where `rate` is of
        plain ascent on sums over the `horizon` rounds of an episode.
        """
        return cls(rate, 1.0, "original", "1/k", horizon, discounted=False)

    def check(self, values: ValueFunction, player: int) -> None:
        check_play(values, type(self).__name__, "LOLA(rate, lookahead)")
        betas_of(self.beta, values.num_players)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        game = check_play(values, type(self).__name__, "LOLA(rate, lookahead)")
        play = play_of(game, params)
        betas = betas_of(self.beta, game.num_players)
        others = [j for j in range(game.num_players) if j != player]
        kept = play.arrays.discounts[player] if self.discounted else 1.0
        visits = visited(play, kept, Rounds(None, self.horizon))
        terms = [betas[j] * self.alignment(play, player, j) for j in others]
        return step_of(
            game, params, player, self.rate, ascent(play, player, visits), sum(terms, start=0.0)
        )

    def alignment(self, play: Play, player: int, other: int) -> Array:
        """S of the module as a gradient by the player's policy, `(S, A_i)`, up to a number per state."""
        own = play.arrays.discounts[player]
        theirs = play.arrays.discounts[other]
        earlier, between = (own, theirs) if self.discounted else (1.0, 1.0)
        rounds = Rounds(self.time_weight, self.horizon)
        gains = play.joint_advantages(player)
        deserts = play.joint_advantages(other)
        later = expected(deserts, play.policies, player)
        if self.form == "exact":
            mean = expected(gains, play.policies, other)
            steered = with_policy(play, other, play.policies[other] * mean)
            at_once = expected(deserts, steered.policies, player)
            here = visited(play, earlier, rounds)[:, None] * at_once
            before = between * carried(play, steered.joint, earlier, between, rounds)
            return here + before[:, None] * later
        weighted = play.joint * gains
        if self.form == "original":
            return (between * carried(play, weighted, earlier, between, rounds))[:, None] * later
        faded = own * between
        return (own * faded * carried(play, weighted, earlier, faded, rounds))[:, None] * later


# Shared with LOQA ------------------------------------------------------------------------------


def check_rounds(horizon: int | None, discounted: bool) -> None:
    """Refuse a number of rounds that is none, and endless sums without a discount."""
    if horizon is not None and (
        isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1
    ):
        raise ValueError(f"horizon: expected None or a whole number from 1, got {horizon!r}")
    if not discounted and horizon is None:
        raise ValueError(
            "horizon: expected a number of rounds with discounted=False, since the endless sum has no limit"
        )


def betas_of(beta: Array, num_players: int) -> list[Array]:
    """One number for each player.

    **Raises:** `ValueError` unless `beta` is a scalar or has one entry per player.
    """
    if jnp.ndim(beta) == 0:
        return [beta] * num_players
    if jnp.shape(beta) != (num_players,):
        raise ValueError(
            f"beta: expected a scalar or one number for each of {num_players} players, got shape {jnp.shape(beta)}"
        )
    return [beta[j] for j in range(num_players)]


def ascent(play: Play, player: int, visits: Array) -> Array:
    """The policy gradient theorem: the gradient of one's value by one's policy, `(S, A_i)`, up to a number per
    state."""
    gains = play.joint_advantages(player)
    return visits[:, None] * expected(gains, play.policies, player)


def step_of(
    values: CompiledValue,
    params: Tree,
    player: int,
    rate: Array,
    own: Array,
    shaping: Array | float,
) -> tuple[Tree, None, Info]:
    """What a learner returns, of gradients by its policy."""
    parameters = values.stack(params)[player]
    _, pull = jax.vjp(
        lambda moved: tensor_kernel.policies_of(values.kernel, (moved,))[0], parameters
    )
    (gradient,), (shaped,) = pull(own), pull(jnp.broadcast_to(shaping, own.shape))
    info = {"gradient": tree.norm(gradient), "shaping": tree.norm(shaped)}
    update = rate.astype(parameters.dtype) * (gradient + shaped)
    return like_entry(values, params, player, update), None, info
