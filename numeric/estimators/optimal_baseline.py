r"""The baseline of least variance, in closed form.

Subtracting $b_t(s)$ leaves the mean of $\hat g = \sum_t g^t \ell_t (A_t - b_t(s_t))$ as it is, and its mean square is a
quadratic of b without mixed terms, since of two scores the later one is zero on average:

$$ \mathbb{E} \lVert \hat g \rVert^2 = \mathbb{E} \lVert \hat g \rVert^2_{b = 0} - 2 \sum_{t, s} c_{ts} b_t(s)
   + \sum_{t, s} h_{ts} b_t(s)^2, \qquad
   h_{ts} = g^{2t} \Pr(s_t = s) \, \mathbb{E}\big[\lVert \ell \rVert^2 \mid s\big]. $$

So $b_t^*(s) = c_{ts} / h_{ts}$, and sums of c and h over rounds, and states, give the best that depends on the state
only, and the best constant. Here $c$ is a derivative of `score_sums`,

$$ c_{ts} = g^{2t} \Pr(s_t = s) \, \mathbb{E}\big[\lVert \ell \rVert^2 A_t + g \, \ell^\top G_{t+1} \mid s_t = s\big]
   + \sum_{k < t} g^{k+t} (g \tau)^{t-k} \, \mathbb{E}\big[\ell_k^\top \ell_t A_t; s_t = s\big]. $$

The first of its three parts alone is the baseline of textbooks,
$\mathbb{E}[\lVert \ell \rVert^2 A] / \mathbb{E} \lVert \ell \rVert^2$, best where scores of different rounds are
orthogonal, as of tabular policies where no state is seen twice.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.course import Course
from resolvent.numeric.estimators.named import (
    Closing,
    Ingredients,
    check_estimate,
    critic_rows,
    ingredients,
    score_sum,
)
from resolvent.numeric.estimators.score_sums import ScoreSum, moments

Adjusted = Literal["reward_to_go", "dice", "gae", "loaded_dice", "lvc", "exact_advantage"]


class OptimalBaseline(eqx.Module):
    """The baselines of least variance, and what they save.

    Variances are traces of the covariance of the estimate from one trajectory.

    **Attributes:**

    - `baseline`: the best that depends on the state, `(S,)`; 0 where it does not matter, in states that are
      not reached or in which no score is.
    - `by_round`: the best that depends on round and state, `(T, S)`; where play does not end the same as
      `baseline`, `(1, S)`.
    - `constant`: the best number.
    - `variance`: with `baseline`.
    - `variance_by_round`: with `by_round`.
    - `variance_constant`: with `constant`.
    - `variance_without`: without a baseline.
    - `variance_exact`: with the exact value of what remains.
    """

    baseline: Float[Array, " states"]
    by_round: Float[Array, "rounds states"]
    constant: Float[Array, ""]
    variance: Float[Array, ""]
    variance_by_round: Float[Array, ""]
    variance_constant: Float[Array, ""]
    variance_without: Float[Array, ""]
    variance_exact: Float[Array, ""]

    @property
    def saving(self) -> Float[Array, ""]:
        """The share of the variance without a baseline that `baseline` removes."""
        return 1 - self.variance / self.variance_without

    @property
    def saving_over_exact(self) -> Float[Array, ""]:
        """The share of the variance with exact values as the baseline that `baseline` removes; negative where those
        of finite horizons, which depend on the round, do better."""
        return 1 - self.variance / self.variance_exact

    def __str__(self) -> str:
        of = float(self.variance_without)
        return (
            f"variance {of:.4g} without a baseline; of that {float(self.variance_constant) / of:.2%} with the best "
            f"constant, {float(self.variance_exact) / of:.2%} with exact values, {float(self.variance) / of:.2%} with "
            "the best of the state"
        )


def optimal_baseline(
    values: CompiledValue,
    params: tuple[Array, ...],
    player: int = 0,
    wrt: int | None = None,
    horizon: int | None = None,
    *,
    estimator: Adjusted = "reward_to_go",
    tau: Any = 1.0,
    critic: Any = "exact",
    close: Closing = "zero",
) -> OptimalBaseline:
    """The baselines of least variance of an estimate of dV_player / dtheta_wrt.

    Least in the trace of the covariance, which depends on the parameterisation; the bias is that without a
    baseline. For estimates with a critic this is what is best to subtract besides.

    **Arguments:** as [`resolvent.numeric.gradient_moments`][].

    **Raises:** as `gradient_moments`; and for `"reinforce"`, of which only the value of the start could be subtracted.
    """
    wrt = player if wrt is None else wrt
    options: dict[str, Any] = {"tau": tau, "critic": critic, "close": close}
    check_estimate(
        values,
        players=(player, wrt),
        estimator=estimator,
        known=get_args(Adjusted),
        horizon=horizon,
        **options,
    )
    of = ingredients(values, params, player, wrt, horizon)
    exact = critic_rows(of, "exact", close)[: of.rounds]
    return _best(of, score_sum(of, estimator, **options), exact)


@eqx.filter_jit
def _best(of: Ingredients, own: ScoreSum, exact: Array) -> OptimalBaseline:
    course = of.course

    def mean_square(baseline: Array) -> tuple[Array, Array]:
        adjusted = ScoreSum(own.discount, own.trace, own.ell, own.paid, own.awaited, baseline)
        found = moments(course, adjusted, adjusted)
        return jnp.trace(found.both), jnp.sum(found.one**2)

    zero = jnp.zeros_like(exact)
    (square, squared_mean), slope = jax.value_and_grad(mean_square, has_aux=True)(zero)
    c, h = -slope / 2, _steepness(course, own)
    without = square - squared_mean

    def variance(baseline: Array) -> Array:
        return without - 2 * jnp.sum(c * baseline) + jnp.sum(h * baseline**2)

    by_round = _share(c, h)
    by_state = _share(c.sum(axis=0), h.sum(axis=0))
    constant = _share(c.sum(), h.sum())
    return OptimalBaseline(
        by_state,
        by_round,
        constant,
        variance(jnp.broadcast_to(by_state, h.shape)),
        variance(by_round),
        variance(jnp.broadcast_to(constant, h.shape)),
        without,
        variance(exact),
    )


def _steepness(course: Course, own: ScoreSum) -> Float[Array, "rounds states"]:
    """h of the module, `(T, S)`."""
    squares = course.mean(jnp.sum(own.ell**2, axis=-1))
    return course.visits(own.discount**2) * squares


def _share(c: Array, h: Array) -> Array:
    return jnp.where(h > 0, c / jnp.where(h > 0, h, 1), 0)
