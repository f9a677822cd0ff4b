r"""Naive learning: each player ascends its own value as if the others stood still.

$$ \Delta\theta_i = \alpha_i \, \nabla_i V_i(\theta) $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any


class Naive(AbstractLearner):
    """Naive learning: gradient ascent on one's own value.

    **Arguments:**

    - `rate`: the step size.

    Information: `gradient`, the norm of the gradient.
    """

    rate: Array = eqx.field(converter=as_number)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = values.jacobian(params)[player][player]
        return tree.scale(self.rate, gradient), None, {"gradient": tree.norm(gradient)}
