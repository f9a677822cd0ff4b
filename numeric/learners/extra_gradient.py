r"""Extragradient: the gradient where everybody's naive step would lead.

$$ \Delta\theta_i = \alpha_i \, \nabla_i V_i(\theta'), \qquad
   \theta'_j = \theta_j + \eta_{ij} \nabla_j V_j(\theta) \;\text{for all } j, \; i \text{ itself included.} $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.joint import joint_gradient
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_number,
    as_optional_number,
    lookahead_rates,
)

Tree = Any


class ExtraGradient(AbstractLearner):
    """Extragradient: one's own gradient after a naive step of all players, itself included.

    Korpelevich (1976), *The extragradient method for finding saddle points and other problems*; in
    this form in the code to Letcher et al. (2019), *Stable opponent shaping in differentiable games*,
    arXiv:1811.08469. No second derivatives.

    **Arguments:**

    - `rate`: the step size.
    - `lookahead`: the step size by which all players go ahead; a scalar, or one number per player,
        itself included. Default: `rate`.

    Information: `gradient` and `gradient_ahead`, the norms of the gradient here and there.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = joint_gradient(values, params)
        steps = lookahead_rates(self.rate, self.lookahead, len(gradient))
        moved = tuple(map(tree.axpy, steps, gradient, params))
        there = values.jacobian(moved)[player][player]
        info = {"gradient": tree.norm(gradient[player]), "gradient_ahead": tree.norm(there)}
        return tree.scale(self.rate, there), None, info
