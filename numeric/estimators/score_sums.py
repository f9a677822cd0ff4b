r"""First and second moments of gradient estimates that add up scores times estimates of advantages.

With scores $\ell$, increments $\delta_t = p_t(s_t, u_t) + q_t(s_{t+1})$ and a baseline $b_t$,

$$ A_t = \delta_t + z A_{t+1}, \qquad G_t = \ell_t (A_t - b_t(s_t)) + g G_{t+1}, \qquad \hat g = G_0. $$

Rewards to go are $p = r$, $q = 0$, $z = g$; generalised advantage estimation with a critic C is $p = r - C(s_t)$,
$q = g C(s_{t+1})$, $z = g \tau$; exact advantages are $p = A(s, u)$, $q = 0$, $z = 0$. Of two such estimates from
one trajectory, with $A_k = p_k + Y_k$ where $Y_k = q_k + z_k A_k'$ and $A_k'$, $G_k'$ belong to the next round,

$$ \mathbb{E}[A_1 A_2 \mid s, u] = p_1 p_2 + \mathbb{E}[p_1 Y_2 + p_2 Y_1 + Y_1 Y_2 \mid s, u], $$
$$ \mathbb{E}[A_1 G_2' \mid s, u] = p_1 \mathbb{E}[G_2' \mid s, u] + \mathbb{E}[q_1 G_2' + z_1 A_1' G_2' \mid s, u], $$
$$ \mathbb{E}[A_1 G_2 \mid s] = \sum_u \pi \big( \ell_2 \mathbb{E}[A_1 (A_2 - b_2) \mid s, u]
   + g_2 \mathbb{E}[A_1 G_2' \mid s, u] \big), $$
$$ \mathbb{E}[\hat g_1 \hat g_2^\top] = \sum_t (g_1 g_2)^t \sum_{s, u} \Pr(s_t = s) \, \pi \,
   \mathbb{E}\big[ \ell_1 \ell_2^\top (A_1 - b_1) (A_2 - b_2)
   + g_2 \ell_1 (A_1 - b_1) G_2'^\top + g_1 (A_2 - b_2) G_1' \ell_2^\top \mid s, u\big]. $$

Each is a recursion of `course`: of $A_1 A_2$ at the rate $z_1 z_2$, of $A_1 G_2$ at $z_1 g_2$, of $G_1 G_2^\top$ at
$g_1 g_2$.
"""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.estimators.course import Course


class ScoreSum(eqx.Module):
    """An estimate of the module. The first axis of arrays is the round, see `course`.

    **Attributes:**

    - `discount`, `trace`: g and z.
    - `ell`: scores, `(1, S, J, d)`.
    - `paid`, `awaited`: p, `(T, S, J)`, and q, `(T, S)`, of the next state.
    - `baseline`: b, `(T, S)`.
    """

    discount: Float[Array, ""]
    trace: Float[Array, ""]
    ell: Float[Array, "one states joint size"]
    paid: Float[Array, "rounds states joint"]
    awaited: Float[Array, "rounds states"]
    baseline: Float[Array, "rounds states"]


class Advantages(NamedTuple):
    """What is expected of two estimates of advantages, `(T, S, J)` each, given state and joint action.

    **Fields:** `one`, `other`: of each; `both`: of their product.
    """

    one: Array
    other: Array
    both: Array


class Moments(NamedTuple):
    """Of two estimates from the same trajectory.

    **Fields:** `one`, `other`: their means, `(d_1,)` and `(d_2,)`; `both`: what is expected of the outer product,
    `(d_1, d_2)`.
    """

    one: Array
    other: Array
    both: Array

    @property
    def covariance(self) -> Array:
        """`(d_1, d_2)`."""
        return self.both - jnp.outer(self.one, self.other)


def mean_advantages(course: Course, own: ScoreSum) -> Float[Array, "rounds states joint"]:
    """What the estimate of an advantage is on average, `(T, S, J)`, given state and joint action."""
    from_here = course.adding_up(own.trace, course.mean(own.paid + course.ahead(own.awaited)))
    return own.paid + course.ahead(own.awaited + own.trace * course.after(from_here))


def mean_gradient(course: Course, own: ScoreSum) -> Float[Array, " size"]:
    """What the estimate is on average, `(d,)`."""
    gains = mean_advantages(course, own) - own.baseline[:, :, None]
    now = course.mean(own.ell * gains[..., None])
    return jnp.einsum("ts,tsi->i", course.visits(own.discount), now)


def advantages(course: Course, one: ScoreSum, other: ScoreSum) -> Advantages:
    """The first of the equations of the module."""

    def next_mean(own: ScoreSum) -> Array:
        at_once = own.paid + course.ahead(own.awaited)
        return own.trace * course.after(course.adding_up(own.trace, course.mean(at_once)))

    a = next_mean(one)
    b = a if one is other else next_mean(other)
    first, second = course.ahead(one.awaited + a), course.ahead(other.awaited + b)
    aside = one.paid * other.paid + one.paid * second + other.paid * first
    known = one.awaited * other.awaited + a * other.awaited + one.awaited * b
    rate = one.trace * other.trace
    product = course.adding_up(rate, course.mean(aside + course.ahead(known)))
    both = aside + course.ahead(known + rate * course.after(product))
    return Advantages(one.paid + first, other.paid + second, both)


def moments(course: Course, one: ScoreSum, other: ScoreSum) -> Moments:
    """Means and second moments of two estimates from the same trajectory."""
    found = advantages(course, one, other)
    first, second = one.baseline[:, :, None], other.baseline[:, :, None]
    gains = (found.one - first)[..., None], (found.other - second)[..., None]
    both = (found.both - first * found.other - second * found.one + first * second)[..., None]

    def gradients(own: ScoreSum, gain: Array) -> Array:
        return course.adding_up(own.discount, course.mean(own.ell * gain))

    mean_one = gradients(one, gains[0])
    mean_other = mean_one if one is other else gradients(other, gains[1])

    def with_later(own: ScoreSum, whose: ScoreSum, crossed: Array, sums: Array) -> Array:
        """E[(A_1 - b_1) G_2' | s, u]: `crossed` is E[A_1 (A_2 - b_2) | s, u], `sums` are E[G_2 | s]."""
        later = course.after(sums)
        known = own.awaited[..., None] * later
        aside = own.paid[..., None] * course.ahead(later)
        source = whose.ell * crossed + whose.discount * (aside + course.ahead(known))
        rate = own.trace * whose.discount
        product = course.after(course.adding_up(rate, course.mean(source)))
        unadjusted = aside + course.ahead(known + own.trace * product)
        return unadjusted - own.baseline[:, :, None, None] * course.ahead(later)

    forth = with_later(one, other, (found.both - second * found.one)[..., None], mean_other)
    back = forth
    if one is not other:
        back = with_later(other, one, (found.both - first * found.other)[..., None], mean_one)
    often = course.visits(one.discount * other.discount)[:, :, None] * course.weights[None]
    ells = one.ell[0], other.ell[0]
    product = jnp.einsum(
        "tsu,sui,tsuj->ij", often, ells[0], other.ell * both + other.discount * forth
    ) + one.discount * jnp.einsum("tsu,tsui,suj->ij", often, back, ells[1])
    initial = course.play.arrays.initial
    return Moments(initial @ mean_one[0], initial @ mean_other[0], product)
