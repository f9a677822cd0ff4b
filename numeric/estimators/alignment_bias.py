r"""What sampled advantage alignment tends to when it estimates advantages by GAE.

The estimator of arXiv:2406.14662 multiplies past estimates of one's own advantages with the other's present one,

$$ \hat S_{ij} = \sum_k \sum_{t < k} \omega_{tk} \, \hat A^i_t \, \hat A^j_k \, \ell^i_k, \qquad
   \hat A_t = \sum_{m \ge 0} (g \tau)^m \delta_{t+m}, \qquad \omega_{tk} = a^t b^{k-t}. $$

An estimate of the past holds all that came after it, up to now and beyond: with $z = g_i \tau$,

$$ \sum_{t < k} \omega_{tk} \hat A^i_t = X_k + Y_k \hat A^i_k, \qquad
   X_{k+1} = b \, X_k + b \, (a^k + Y_k) \, \delta^i_k, \qquad Y_{k+1} = b z \, (a^k + Y_k), $$

from $X_0 = Y_0 = 0$, so that, summed over k,

$$ \mathbb{E} \hat S = \sum_k \mathbb{E}\big[X_k \, \mathbb{E}[\hat A^j_k \ell^i_k \mid s_k]\big]
   + Y_k \, \mathbb{E}[\hat A^i_k \hat A^j_k \ell^i_k]. $$

With exact critics and $\tau = 0$ that is the sum over exact advantages where a joint action leads to one state for
certain. Otherwise it is something else: for $\tau > 0$ the noise of $\hat A^i_k$ is that of $\hat A^j_k$, and where
chance decides what follows, $\delta^i_t$ is correlated with all that comes after it.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.games.rational import shorten
from resolvent.numeric.estimators.named import (
    Closing,
    Ingredients,
    check_estimate,
    ingredients,
    score_sum,
    spread,
)
from resolvent.numeric.estimators.score_sums import ScoreSum, advantages
from resolvent.numeric.learners.advantage_alignment import AdvantageAlignment, check_rounds

SampledForm = Literal["original", "readme"]


class AlignmentLimit(eqx.Module):
    """What sampled advantage alignment tends to as trajectories become many.

    By the raveled parameters of the player, `(d,)` each.

    **Attributes:**

    - `limit`: the mean of the sampled term.
    - `intended`: the same sum over exact advantages, of the `form` that was asked for.
    - `exact`: the gradient that alignment is after, form `"exact"` of
        [`resolvent.numeric.AdvantageAlignment`][].
    """

    limit: Float[Array, " size"]
    intended: Float[Array, " size"]
    exact: Float[Array, " size"]

    @property
    def bias(self) -> Float[Array, " size"]:
        """What estimating advantages adds to the mean."""
        return self.limit - self.intended

    @property
    def relative_bias(self) -> Float[Array, ""]:
        """The length of the bias in that of `intended`."""
        return jnp.linalg.norm(self.bias) / jnp.linalg.norm(self.intended)

    @property
    def cosine(self) -> Float[Array, ""]:
        """Between the limit and `intended`."""
        return _cosine(self.limit, self.intended)

    @property
    def cosine_to_exact(self) -> Float[Array, ""]:
        """Between the limit and `exact`."""
        return _cosine(self.limit, self.exact)

    def __str__(self) -> str:
        return (
            f"sampled advantage alignment: relative bias {float(self.relative_bias):.3g} from estimated advantages, "
            f"cosine {float(self.cosine):.3f} to the sum over exact ones and {float(self.cosine_to_exact):.3f} to the "
            "exact form"
        )


def alignment_limit(
    values: CompiledValue,
    params: tuple[Array, ...],
    player: int = 0,
    other: int = 1,
    *,
    form: SampledForm = "original",
    tau: Any = 0.95,
    critic: Any = "exact",
    other_critic: Any = "exact",
    horizon: int | None = None,
    discounted: bool = True,
    close: Closing = "critic",
) -> AlignmentLimit:
    """The mean of the alignment term of `player` with `other`, for beta 1, in closed form.

    **Arguments:**

    - `form`: `"original"` or `"readme"`, of the actions that were played, as
        [`resolvent.numeric.AdvantageAlignment`][].
    - `tau`: of generalised advantage estimation, the same for both.
    - `critic`, `other_critic`: of each player, as [`resolvent.numeric.gradient_moments`][].
    - `horizon`, `discounted`: as `AdvantageAlignment`.
    - `close`: what follows the last round of a finite horizon; `intended` and `exact` are of advantages of
        play that goes on.

    **Raises:** `ValueError`, as `gradient_moments`, and unless there are two different players.
    """
    common: dict[str, Any] = {"horizon": horizon, "tau": tau, "close": close}
    check_estimate(values, players=(player, other), critic=critic, **common)
    check_estimate(values, players=(), critic=other_critic, **common)
    check_rounds(horizon, discounted)
    if player == other:
        raise ValueError(f"other: expected another player than {player}, got {other}")
    if form not in get_args(SampledForm):
        raise ValueError(f"form: expected one of {get_args(SampledForm)}, got {shorten(form)}")
    mine, theirs = (ingredients(values, params, i, player, horizon) for i in (player, other))
    sums = (
        score_sum(mine, "gae", tau, critic, None, close),
        score_sum(theirs, "gae", tau, other_critic, None, close),
    )
    limit = _limit(mine, *sums, form, discounted)

    def term(which: Literal["exact", "original", "readme"]) -> Array:
        rule = AdvantageAlignment(1.0, 1.0, which, None, horizon, discounted)
        return _pulled(rule, mine, player, other)

    return AlignmentLimit(limit, term(form), term("exact"))


def _cosine(a: Array, b: Array) -> Array:
    return a @ b / (jnp.linalg.norm(a) * jnp.linalg.norm(b))


@eqx.filter_jit
def _pulled(rule: AdvantageAlignment, mine: Ingredients, player: int, other: int) -> Array:
    """An alignment term by the player's parameters, `(d,)`, from one by its policy."""
    play = mine.course.play
    table = spread(play, play.policies[player] * rule.alignment(play, player, other), player)
    # Every own action is met once with each joint action of the others, which have probabilities of their own.
    others = spread(play, play.policies[player], player)
    shares = jnp.where(others > 0, mine.course.weights / jnp.where(others > 0, others, 1), 0)
    return jnp.einsum("su,suk->k", table * shares, mine.ell[0])


@eqx.filter_jit
def _limit(
    mine: Ingredients, own: ScoreSum, theirs: ScoreSum, form: str, discounted: bool
) -> Float[Array, " size"]:
    course = mine.course
    found = advantages(course, own, theirs)
    alone, joint = (course.mean(mine.ell * gains[..., None]) for gains in (found.other, found.both))
    earlier, between = (own.discount, theirs.discount) if discounted else (1.0, 1.0)
    if form == "readme":  # the past is discounted once more
        between = own.discount * between
    scale = own.discount if form == "readme" else 1.0
    fading = between * own.trace

    def moved(here: Array) -> Array:
        return course.arriving(here[:, None] * course.weights)

    def received(here: Array, paid: Array, awaited: Array) -> Array:
        """Weights on states times the increment of the round, by the next state."""
        return course.arriving(here[:, None] * course.weights * paid) + awaited * moved(here)

    if course.horizon is None:
        begun = course.visits(earlier)[0]
        beyond = course.play.resolvent_left(fading, fading * moved(begun))
        source = between * received(begun + beyond, own.paid[0], own.awaited[0])
        past = course.play.resolvent_left(between, source)
        return scale * (past @ alone[0] + beyond @ joint[0])

    def step(now: tuple[Array, ...], drawn: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        here, past, begun, beyond = now
        paid, awaited, single, product = drawn
        counted = past @ single + beyond * (here @ product)
        summed = begun + beyond
        after = between * (moved(past) + summed * received(here, paid, awaited))
        return (moved(here), after, earlier * begun, fading * summed), counted

    initial = course.play.arrays.initial
    one, zero = jnp.ones_like(own.discount), jnp.zeros_like(own.discount)
    rounds = (own.paid, own.awaited, alone, joint)
    _, terms = lax.scan(step, (initial, jnp.zeros_like(initial), one, zero), rounds)
    return scale * terms.sum(axis=0)
