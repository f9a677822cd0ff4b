r"""How good a sampled gradient is, without sampling: mean, bias and covariance in closed form.

An estimate from N independent trajectories, the mean of theirs, has the mean $m$ and covariance $\Sigma / N$ of
one trajectory's. Against the exact gradient $G$, with the bias $\beta = m - G$, it is off by

$$ \mathbb{E} \lVert \hat g_N - G \rVert^2 = \lVert \beta \rVert^2 + \tfrac{1}{N} \operatorname{tr} \Sigma, \qquad
   N \ge \frac{\operatorname{tr} \Sigma}{\varepsilon^2 \lVert G \rVert^2 - \lVert \beta \rVert^2} $$

for a relative error of $\varepsilon$. The moments are those of `score_sums` and `whole_return`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.games.rational import shorten
from resolvent.numeric.estimators.course import Course
from resolvent.numeric.estimators.named import (
    Closing,
    Estimator,
    Ingredients,
    check_estimate,
    ingredients,
    score_sum,
)
from resolvent.numeric.estimators.score_sums import Moments, ScoreSum, mean_gradient, moments
from resolvent.numeric.estimators.whole_return import whole_return_moments

Target = Literal["endless", "horizon"]


class GradientMoments(eqx.Module):
    """Mean and covariance of an estimate of a gradient from one trajectory, and what follows for N of them.

    All by the raveled parameters of one player, d of them, in the units of the values per parameter.

    **Attributes:**

    - `mean`: of the estimate, `(d,)`.
    - `covariance`: of the estimate from one trajectory, `(d, d)`; of the mean of N, an N-th of it.
    - `exact`: the gradient that is estimated, `(d,)`.
    - `truncation`: the gradient of the payoffs of the first T rounds less that of all, `(d,)`; 0 where play
      does not end.
    - `estimator`, `player`, `wrt`, `horizon`: what was asked for.
    """

    mean: Float[Array, " size"]
    covariance: Float[Array, "size size"]
    exact: Float[Array, " size"]
    truncation: Float[Array, " size"]
    estimator: str = eqx.field(static=True)
    player: int = eqx.field(static=True)
    wrt: int = eqx.field(static=True)
    horizon: int | None = eqx.field(static=True)

    @property
    def bias(self) -> Float[Array, " size"]:
        """The mean less the exact gradient, `(d,)`: what no number of trajectories removes."""
        return self.mean - self.exact

    @property
    def variance(self) -> Float[Array, ""]:
        """The trace of the covariance: the mean square distance from the mean, of one trajectory."""
        return jnp.trace(self.covariance)

    @property
    def relative_bias(self) -> Float[Array, ""]:
        """The length of the bias in that of the exact gradient."""
        return jnp.linalg.norm(self.bias) / jnp.linalg.norm(self.exact)

    def rmse(self, batch: Any = 1) -> Float[Array, ""]:
        """The root mean square distance from the exact gradient of the mean of `batch` trajectories."""
        return jnp.sqrt(jnp.sum(self.bias**2) + self.variance / batch)

    def relative_error(self, batch: Any = 1) -> Float[Array, ""]:
        """`rmse` in lengths of the exact gradient."""
        return self.rmse(batch) / jnp.linalg.norm(self.exact)

    def signal_to_noise(self, batch: Any = 1) -> Float[Array, ""]:
        """The length of the mean in root mean square distances from it, of the mean of `batch` trajectories."""
        return jnp.linalg.norm(self.mean) / jnp.sqrt(self.variance / batch)

    def cosine(self, batch: Any = 1) -> Float[Array, ""]:
        """The mean component along the exact gradient in root mean square lengths: what the cosine of the
        angle between the two is about, and what its mean tends to for large batches."""
        length = jnp.sqrt(jnp.sum(self.mean**2) + self.variance / batch)
        return self.mean @ self.exact / (length * jnp.linalg.norm(self.exact))

    def samples_for(self, relative_error: float) -> float:
        """How many trajectories bring `relative_error` to what is wanted: a whole number, or infinity where the bias
        alone is that large or larger.

        **Raises:** `ValueError` for a number that is not positive.
        """
        if not relative_error > 0:
            raise ValueError(f"relative_error: expected a positive number, got {relative_error}")
        room = relative_error**2 * float(jnp.sum(self.exact**2)) - float(jnp.sum(self.bias**2))
        noise = float(self.variance)
        if room <= 0:
            return math.inf
        return max(1, math.ceil(noise / room * (1 - 1e-12)))

    def __str__(self) -> str:
        rounds = "endless trajectories" if self.horizon is None else f"{self.horizon} rounds"
        needed = [(level, self.samples_for(level)) for level in (1.0, 0.1, 0.01)]
        counts = ", ".join(
            f"{level:.0%} never" if math.isinf(count) else f"{level:.0%} with {count:,.0f}"
            for level, count in needed
        )
        return (
            f"{self.estimator}, dV_{self.player + 1}/dtheta_{self.wrt + 1}, {rounds}: relative bias "
            f"{float(self.relative_bias):.3g}, relative error of one trajectory "
            f"{float(self.relative_error()):.3g}; trajectories needed: {counts}"
        )

    def __repr__(self) -> str:
        if isinstance(self.mean, Array) and not isinstance(self.mean, Tracer):
            return f"GradientMoments({self})"
        return f"GradientMoments({self.estimator!r}, player={self.player}, wrt={self.wrt})"


def gradient_moments(
    values: CompiledValue,
    params: tuple[Array, ...],
    estimator: Estimator = "reward_to_go",
    *,
    player: int = 0,
    wrt: int | None = None,
    horizon: int | None = None,
    tau: Any = 1.0,
    critic: Any = "exact",
    baseline: Any = None,
    close: Closing = "zero",
    target: Target = "endless",
) -> GradientMoments:
    """Mean, bias and covariance of the estimate of a gradient from one trajectory, in closed form.

    May be traced and differentiated by `params`, by the numbers of `values`, and by `tau`, `critic` and `baseline`.

    **Arguments:**

    - `values`: compiled, of a game with a discount below 1; any number of players, who need not see the state.
    - `params`: arrays as `values` takes them.
    - `estimator`: which, see `Estimator`:
        `"reinforce"`, all scores times the whole return; `"reward_to_go"`; `"dice"`, the same;
        `"gae"`, generalised advantage estimation, which is actor-critic at `tau=0`; `"loaded_dice"` and `"lvc"`, the
        same; `"exact_advantage"`, of the states and actions that are played.
    - `player`, `wrt`: of dV_player / dtheta_wrt; `wrt` is `player` if it is not given.
    - `horizon`: rounds of a trajectory, or `None` where it does not end.
    - `tau`: the decay of generalised advantage estimation, in [0, 1].
    - `critic`: `"exact"`, or numbers, `()` or `(S,)`, or `(horizon + 1, S)` with what closes the last
        round in its last row. The exact critic of a finite horizon is that of the rounds that remain, or with
        `close="critic"` that of play that goes on; `"endless"` is the latter in either case.
    - `baseline`: `None`, `"exact"`, `"endless"` or numbers, `()`, `(S,)` or `(horizon, S)`: what is
        subtracted, besides.
        `"reinforce"` reads it at the first state only.
    - `close`: what follows the last round of a finite horizon: `"zero"`, or what the `"critic"` says.
    - `target`: whether the exact gradient is that of play that does not end, `"endless"`, or of the
        payoffs of the first rounds, `"horizon"`.

    **Returns:** the moments, in the units of the values per parameter.

    **Raises:** `ValueError` for what cannot be sampled, `"reinforce"` without a horizon (its sum of scores over
    an endless trajectory is not discounted and has no limit), and arguments out of range.
    """
    wrt = player if wrt is None else wrt
    options: dict[str, Any] = {
        "tau": tau,
        "critic": critic,
        "baseline": baseline,
        "close": close,
    }
    check_estimate(values, players=(player, wrt), estimator=estimator, horizon=horizon, **options)
    _check_ends(estimator, horizon)
    if target not in ("endless", "horizon"):
        raise ValueError(f"target: expected 'endless' or 'horizon', got {shorten(target)}")
    of = ingredients(values, params, player, wrt, horizon)
    endless, within = _exact(of)
    estimate = score_sum(of, estimator, **options)
    own = _between(of.course, estimate, None, estimator == "reinforce")
    exact = endless if target == "endless" else within
    return GradientMoments(
        own.one, own.covariance, exact, within - endless, estimator, player, wrt, horizon
    )


def gradient_covariance(
    values: CompiledValue,
    params: tuple[Array, ...],
    estimator: Estimator,
    pairs: Sequence[tuple[int, int]],
    *,
    horizon: int | None = None,
    tau: Any = 1.0,
    critic: Any = "exact",
    baseline: Any = None,
    close: Closing = "zero",
) -> Float[Array, "size size"]:
    """The covariance of estimates of several gradients from the same trajectory.

    Players who learn from the same trajectories have correlated noise: the blocks off the diagonal.

    **Arguments:** `pairs`: (player, wrt) of each gradient; all else as `gradient_moments`.

    **Returns:** `(d, d)`, for the parameters of all `pairs` one after the other.

    **Raises:** as `gradient_moments`.
    """
    named = tuple((int(i), int(j)) for i, j in pairs)
    options: dict[str, Any] = {
        "tau": tau,
        "critic": critic,
        "baseline": baseline,
        "close": close,
    }
    players = tuple(own for pair in named for own in pair)
    check_estimate(values, players=players, estimator=estimator, horizon=horizon, **options)
    _check_ends(estimator, horizon)
    made = [ingredients(values, params, i, j, horizon) for i, j in named]
    sums = [score_sum(of, estimator, **options) for of in made]
    whole, course = estimator == "reinforce", made[0].course
    each = range(len(named))
    upper = {
        (a, b): _between(course, sums[a], None if a == b else sums[b], whole).covariance
        for a in each
        for b in each
        if a <= b
    }
    return jnp.block([[upper[a, b] if a <= b else upper[b, a].T for b in each] for a in each])


def _check_ends(estimator: str, horizon: int | None) -> None:
    if estimator == "reinforce" and horizon is None:
        raise ValueError(
            "horizon: expected a number of rounds with estimator='reinforce', since the sum of all scores of an "
            "endless trajectory is not discounted and has no limit (its variance grows in proportion to the rounds); "
            "use 'reward_to_go'"
        )


@eqx.filter_jit
def _exact(of: Ingredients) -> tuple[Array, Array]:
    """The gradients of endless play and of its first rounds."""

    def gradient(course: Course, rows: Array) -> Array:
        own = Ingredients(course, of.discount, of.ell, of.reward, of.endless, rows)
        return mean_gradient(course, score_sum(own, "exact_advantage"))

    endless = gradient(Course(of.course.play, None), of.endless)
    return endless, endless if of.course.horizon is None else gradient(of.course, of.remaining)


@eqx.filter_jit
def _between(course: Course, one: ScoreSum, other: ScoreSum | None, whole: bool) -> Moments:
    """Of two estimates, or of one with itself."""
    found = whole_return_moments if whole else moments
    return found(course, one, one if other is None else other)
