r"""Higher-order LOLA: learning aware of learning aware of ... naive learning.

$$ u^0_j(\theta) = \nabla_j V_j(\theta), \qquad
   u^{m+1}_j(\theta) = \frac{\mathrm{d}}{\mathrm{d}\theta_j}
   V_j\big(\theta_j, (\theta_k + \eta_{ik} \, u^m_k(\theta))_{k \ne j}\big), \qquad
   \Delta\theta_i = \alpha_i \, u^n_i(\theta) \text{ at order } n. $$

The derivative is total: with $\theta'$ the point at which $V_j$ is taken,

$$ u^{m+1}_j = \nabla_j V_j(\theta') + \sum_{k \ne j} \eta_{ik} \,
   \nabla_j \big\langle u^m_k(\theta), \bot \nabla_k V_j(\theta') \big\rangle. $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.learners.lola import shaping_term

Tree = Any


class HigherOrderLOLA(AbstractLearner):
    """Higher-order LOLA, HOLA: LOLA, exactly, against learners of one order less.

    Foerster et al. (2018), *Learning with opponent-learning awareness*, arXiv:1709.04326, propose it;
    in this form Willi et al. (2022), *COLA: consistent learning with opponent-learning awareness*,
    arXiv:2203.04098. Order 0 is naive learning, order 1 is `LOLA(variant="exact")`. Where it converges
    for growing order, the limit is consistent: COLA's update.

    The cost grows several times with each order, since the derivative of an order is taken through
    all the lower ones.

    **Arguments:**

    - `rate`: the step size.
    - `order`: how many times learners are aware of learners.
    - `lookahead`: the step size that the players are believed to use, at all orders; a scalar, or
        one number per player (its own is what the others are believed to expect of it: it enters
        from order 2). Default: `rate`.

    Information: the norms of the terms, `gradient`, at the point looked ahead to, and `shaping`.
    """

    rate: Array = eqx.field(converter=as_number)
    order: int = eqx.field(static=True, default=2)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)

    def __check_init__(self) -> None:
        if isinstance(self.order, bool) or not isinstance(self.order, int) or self.order < 0:
            raise ValueError(f"order: expected a whole number from 0, got {self.order!r}")

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        steps = lookahead_rates(self.rate, self.lookahead, len(params))
        gradient, shaping = _direction(values, params, player, self.order, steps)
        info = {"gradient": tree.norm(gradient), "shaping": tree.norm(shaping)}
        return tree.scale(self.rate, tree.add(gradient, shaping)), None, info


def _direction(
    values: ValueFunction, params: Tree, player: int, order: int, steps: list[Array]
) -> tuple[Tree, Tree]:
    """The two terms of the player's direction at this order."""
    if order == 0:
        own = values.jacobian(params)[player][player]
        return own, tree.scale(0.0, own)
    others = [j for j in range(len(params)) if j != player]

    def expected(own: Tree) -> dict[int, Tree]:
        """The others' directions, of one order less, if the player is at `own`."""
        joint = (*params[:player], own, *params[player + 1 :])
        if order == 1:
            blocks = values.jacobian(joint)
            return {j: blocks[j][j] for j in others}
        return {j: tree.add(*_direction(values, joint, j, order - 1, steps)) for j in others}

    pull = None
    if order == 1:
        directions = expected(params[player])
    else:
        directions, pull = jax.vjp(expected, params[player])
    moved = tuple(
        own if j == player else tree.axpy(steps[j], directions[j], own)
        for j, own in enumerate(params)
    )
    there = values.jacobian(moved)[player]
    if pull is None:
        # The derivative of a gradient is a second-order product, cheaper than what vjp finds.
        return there[player], shaping_term(values, params, player, there, steps)
    (shaping,) = pull({j: tree.scale(steps[j], there[j]) for j in others})
    return there[player], shaping
