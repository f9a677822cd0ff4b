r"""What estimators of second derivatives tend to as trajectories become many.

Estimators of the family of DiCE differentiate
$\sum_t g^t \big[\square(w_t) - \square(w_t - l_t)\big] \hat A_t$ twice, where $l_t$ is the sum of all players' log
probabilities, $w_t = c \, w_{t-1} + l_t$ and $\square(x) = \exp(x - \bot x)$. With
$\bar A = \mathbb{E}[\hat A \mid s, u]$, $\ell_j$ the score of player j and $e_t = \sum_{k < t} c^{t-k} \ell_k$,

$$ \mathbb{E} \sum_t g^t \hat A_t \big( \ell_j \ell_k^\top + \nabla_j \nabla_k l + e_j \ell_k^\top
   + \ell_j e_k^\top \big) = D_{jk} + C_{jk} + C_{kj}^\top, $$
$$ D_{jk} = \sum_{s, u} \tilde d \, \bar A \, \nabla_j \nabla_k \pi(u \mid s), \qquad
   C_{jk} = g c \sum_{s, u} \tilde d \, \pi \, \ell_j \, \mathbb{E}\big[(R_{gc} h_k)(s') \mid s, u\big]^\top, \qquad
   h_k = \sum_u \pi \bar A \ell_k, $$

since $\pi (\ell_j \ell_k^\top + \nabla_j \nabla_k l) = \nabla_j \nabla_k \pi$. At $c = 1$ with exact critics, or with
any at $\tau = 1$, this is the Hessian of $V_i$ itself; with $c < 1$, Loaded DiCE, and at $c = 0$, low-variance
curvature, the cross-time terms fade or are missing. Differentiating $\sum_t g^t \hat A_t l_t$ twice leaves
$\sum \tilde d \, \pi \bar A \, \nabla_j \nabla_k l$ only.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.games.rational import shorten
from resolvent.numeric.equilibrium.arrays import expected
from resolvent.numeric.estimators.course import Course
from resolvent.numeric.estimators.intended import curvatures, scores
from resolvent.numeric.estimators.named import (
    Closing,
    Ingredients,
    check_estimate,
    ingredients,
    score_sum,
    spread,
)
from resolvent.numeric.estimators.score_sums import ScoreSum, mean_advantages

HessianEstimator = Literal["dice", "loaded_dice", "lvc", "surrogate"]


class HessianLimit(eqx.Module):
    """What an estimate of second derivatives tends to, and what it should.

    **Attributes:**

    - `limit`: its mean, `(d_j, d_k)`; or `(d, d)` for all players.
    - `exact`: the second derivatives of V of play that does not end.
    - `estimator`: which.
    """

    limit: Float[Array, "rows columns"]
    exact: Float[Array, "rows columns"]
    estimator: str = eqx.field(static=True)

    @property
    def bias(self) -> Float[Array, "rows columns"]:
        """What no number of trajectories removes."""
        return self.limit - self.exact

    @property
    def relative_bias(self) -> Float[Array, ""]:
        """Of Frobenius norms."""
        return jnp.linalg.norm(self.bias) / jnp.linalg.norm(self.exact)

    @property
    def correlation(self) -> Float[Array, ""]:
        """Pearson's, of all entries, as papers report it: it hides scale. NaN for a limit that is zero to rounding."""
        a, b = (block.ravel() - block.mean() for block in (self.limit, self.exact))
        lengths = jnp.linalg.norm(a), jnp.linalg.norm(b)
        nothing = lengths[0] < 1e-12 * lengths[1]
        return jnp.where(nothing, jnp.nan, a @ b / (lengths[0] * lengths[1]))

    def __str__(self) -> str:
        return (
            f"{self.estimator}: tends to second derivatives with relative bias {float(self.relative_bias):.3g} and "
            f"correlation {float(self.correlation):.3f}"
        )


def hessian_limit(
    values: CompiledValue,
    params: tuple[Array, ...],
    estimator: HessianEstimator = "loaded_dice",
    *,
    player: int = 0,
    wrt: tuple[int, int] | None = None,
    lam: Any = 1.0,
    tau: Any = 1.0,
    critic: Any = "exact",
    baseline: Any = None,
    horizon: int | None = None,
    close: Closing = "zero",
) -> HessianLimit:
    """The mean of an estimate of d2V_player / dtheta_j dtheta_k, in closed form.

    **Arguments:**

    - `estimator`: `"dice"`, whose baseline of first order does not matter here; `"loaded_dice"`, of any `lam` and
        `tau`; `"lvc"`, which is `lam=0`; or `"surrogate"`, a sum of log probabilities times estimated advantages,
        differentiated twice.
    - `wrt`: j and k, or `None` for the whole matrix, the parameters of all players one after the other.
    - `lam`: how much of earlier scores is kept from round to round, c of the module, in [0, 1].
    - `tau`, `critic`, `baseline`, `horizon`, `close`: of the advantages, as
        [`resolvent.numeric.gradient_moments`][]; DiCE has none. For rewards to go use `tau=1, critic=0.0`.

    **Returns:** the limit, and the exact second derivatives of V of play that does not end.

    **Raises:** `ValueError`, as `gradient_moments`.
    """
    check_estimate(
        values,
        players=(player, *(wrt or ())),
        estimator=estimator,
        known=get_args(HessianEstimator),
        horizon=horizon,
        tau=tau,
        critic=critic,
        baseline=baseline,
        close=close,
    )
    if wrt is not None and len(wrt) != 2:
        raise ValueError(f"wrt: expected two players or None, got {shorten(wrt)}")
    if isinstance(lam, (int, float)) and not 0 <= lam <= 1:
        raise ValueError(f"lam: expected a number in [0, 1], got {lam}")
    rows, columns = (tuple(range(values.num_players)),) * 2 if wrt is None else ((j,) for j in wrt)
    sides = {j: _side(values, params, j) for j in {*rows, *columns}}
    of = ingredients(values, params, player, rows[0], horizon)
    advantage = "reward_to_go" if estimator == "dice" else "gae"
    own = score_sum(of, advantage, tau, critic, baseline, close)
    kept = jnp.asarray({"dice": 1.0, "lvc": 0.0}.get(estimator, lam), float)
    share = jnp.asarray(0.0 if estimator == "surrogate" else 1.0)
    limit = _limit(of.course, own, sides, rows, columns, kept, share)
    endless = Ingredients(
        Course(of.course.play, None), of.discount, of.ell, of.reward, of.endless, of.endless
    )
    truth = score_sum(endless, "exact_advantage")
    exact = _limit(endless.course, truth, sides, rows, columns, jnp.ones(()), jnp.ones(()))
    return HessianLimit(limit, exact, estimator)


class Side(eqx.Module):
    """Scores of a player, `(S, A, d)`, and second derivatives of its probabilities, `(S, A, d, d)`."""

    ell: Float[Array, "states actions size"]
    bend: Float[Array, "states actions size size"]


@eqx.filter_jit
def _side(values: CompiledValue, params: Any, player: int) -> Side:
    return Side(scores(values, params, player), curvatures(values, params, player))


@eqx.filter_jit
def _limit(
    course: Course,
    own: ScoreSum,
    sides: dict[int, Side],
    rows: tuple[int, ...],
    columns: tuple[int, ...],
    kept: Any,
    products_share: Any,
) -> Float[Array, "rows columns"]:
    """The blocks of the module, one below and beside the other; `products_share`: 1, or 0 for what is left of
    them without products of scores."""
    play = course.play
    gains = mean_advantages(course, own) - own.baseline[:, :, None]
    visits = course.visits(own.discount)
    often = visits[:, :, None] * course.weights[None]
    total = jnp.einsum("ts,tsu->su", visits, gains)
    ells = {j: spread(play, side.ell, j) for j, side in sides.items()}
    faded = own.discount * kept

    def onwards(k: int) -> Array:
        """g c E[(R h_k)(s') | s, u], `(T, S, J, d_k)`."""
        sums = course.adding_up(faded, course.mean(ells[k][None] * gains[..., None]))
        return faded * course.ahead(course.after(sums))

    later = {k: onwards(k) for k in sides}

    def products(j: int, k: int) -> Array:
        return jnp.einsum("su,sui,suj->ij", total * course.weights, ells[j], ells[k])

    def at_once(j: int, k: int) -> Array:
        """D."""
        if j != k:
            return products(j, k)
        own_gains = expected(total.reshape(play.joint.shape), play.policies, j)
        return jnp.einsum("sa,saij->ij", own_gains, sides[j].bend)

    def cross(j: int, k: int) -> Array:
        """C."""
        return jnp.einsum("tsu,sui,tsuj->ij", often, ells[j], later[k])

    def block(j: int, k: int) -> Array:
        across = cross(j, k) + cross(k, j).T
        return at_once(j, k) + products_share * across - (1 - products_share) * products(j, k)

    return jnp.block([[block(j, k) for k in columns] for j in rows])
