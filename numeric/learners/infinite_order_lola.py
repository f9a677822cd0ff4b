r"""Infinite-order LOLA: the limit of higher-order LOLA, where there is one.

$$ u^0_j(\theta) = \nabla_j V_j(\theta), \qquad
   u^{m+1}_j(\theta) = \frac{\mathrm{d}}{\mathrm{d}\theta_j}
   V_j\big(\theta_j, (\theta_k + \eta_{ik} \, u^m_k(\theta))_{k \ne j}\big), \qquad
   \Delta\theta_i = \alpha_i \lim_{m \to \infty} u^m_i(\theta) . $$

For quadratic values each $u^m$ is affine, and the limit is that of its coefficients.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import Tracer

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.consistency.affine import respond
from resolvent.numeric.consistency.consistent_update import ravel, split
from resolvent.numeric.learners.higher_order_lola import HigherOrderLOLA
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_nonnegative,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.quadratic import QuadraticForm, quadratic_form

Tree = Any

# Orders after which coefficients that have not settled are taken to diverge.
_MOST_ORDERS = 20_000


class Limit(NamedTuple):
    """The limit u(z) = F z + f; `gap` is how much the last order changed it, `order` which that was. All
    of F and f is NaN where there is none."""

    matrix: Array
    offset: Array
    gap: Array
    order: Array


class InfiniteOrderLOLA(AbstractLearner):
    """Infinite-order LOLA, iLOLA: higher-order LOLA in the limit of high order.

    Willi et al. (2022), *COLA: consistent learning with opponent-learning awareness*, arXiv:2203.04098, who show
    that the limit, if there is one, is consistent. There is one for small `lookahead` only.

    Where the values are quadratic, the coefficients of the update are iterated to the limit when a run begins. If they
    diverge, the update is NaN, and `learn` reports the run: `COLA(rate, consistent_quadratic(...).analytic)` continues
    the limit beyond. Where the values are not quadratic, the update is that of order `order`, and the gap to one order
    less tells how far it may be from a limit.

    **Arguments:**

    - `rate`: the step size.
    - `lookahead`: the step size that the players are believed to use; a scalar, or one number per
        player. Default: `rate`.
    - `order`: the last order, where the values are not quadratic; each costs several times the one before.
    - `tolerance`: the change, relative, at which the coefficients of quadratic values have settled.

    Information: `order`, the last; `gap`, by how much it changed the coefficients (quadratic values, relative), or the
    player's direction (others).
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)
    order: int = eqx.field(static=True, default=3)
    tolerance: Array = eqx.field(converter=as_nonnegative, default=1e-14)

    def __check_init__(self) -> None:
        if isinstance(self.order, bool) or not isinstance(self.order, int) or self.order < 1:
            raise ValueError(f"order: expected a whole number from 1, got {self.order!r}")

    def init(self, values: ValueFunction, params: Tree, player: int) -> Limit | None:
        """The limit for quadratic values, `None` for others (or those that are being traced)."""
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values)):
            return None
        # A learner begins within compiled code, and whether values are quadratic decides what is compiled.
        with jax.ensure_compile_time_eval():
            try:
                form = quadratic_form(values)
            except ValueError:
                return None
        steps = lookahead_rates(self.rate, self.lookahead, values.num_players)
        return limit_of_orders(form, jnp.stack(steps), self.tolerance)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Limit | None
    ) -> tuple[Tree, Limit | None, Info]:
        if state is not None:
            z = ravel(values.stack(params))
            matrix, offset = state.matrix.astype(z.dtype), state.offset.astype(z.dtype)
            own = values.unstack(split(matrix @ z + offset, values.shapes))[player]
            info = {"gap": state.gap.astype(z.dtype), "order": state.order.astype(z.dtype)}
            return tree.scale(self.rate, own), state, info
        steps = jnp.stack(lookahead_rates(self.rate, self.lookahead, values.num_players))
        last, before = (
            HigherOrderLOLA(1.0, order, steps).update(values, params, player, None)[0]
            for order in (self.order, self.order - 1)
        )
        gap = tree.norm(tree.axpy(-1.0, before, last))
        info = {"gap": gap, "order": jnp.asarray(self.order, gap.dtype)}
        return tree.scale(self.rate, last), None, info


def limit_of_orders(form: QuadraticForm, lookahead: Array, tolerance: Array) -> Limit:
    """Iterate the coefficients of higher-order LOLA until they change by less than `tolerance`."""
    matrix, offset = form.joint_gradient()

    def size(now: Limit) -> Array:
        return 1 + jnp.maximum(jnp.abs(now.matrix).max(), jnp.abs(now.offset).max())

    def going(now: Limit) -> Array:
        alive = jnp.isfinite(now.gap) & (size(now) < 1e100)
        return (now.gap > tolerance) & alive & (now.order < _MOST_ORDERS)

    def go(now: Limit) -> Limit:
        matrix, offset = respond(form, lookahead, now.matrix, now.offset)
        change = jnp.maximum(jnp.abs(matrix - now.matrix).max(), jnp.abs(offset - now.offset).max())
        return Limit(matrix, offset, change / size(now), now.order + 1)

    begin = Limit(matrix, offset, jnp.ones(()), jnp.zeros((), int))
    # Order 0 may be the limit already, and a tolerance above 1 is no reason not to look.
    end = lax.while_loop(going, go, go(begin))
    settled = end.gap <= tolerance
    return end._replace(
        matrix=jnp.where(settled, end.matrix, jnp.nan),
        offset=jnp.where(settled, end.offset, jnp.nan),
    )
