r"""LookAhead: ascend one's value after the others' naive step, which is held constant.

$$ \Delta\theta_i = \alpha_i \Big( \nabla_i V_i
   + \sum_{j \ne i} \eta_{ij} \, \nabla_i \big\langle \nabla_j V_i, \bot \nabla_j V_j \big\rangle \Big) $$

This is the gradient in $\theta_i$ of $V_i(\theta_i, \theta_j + \eta_{ij} \bot \nabla_j V_j)$ to first order in $\eta$.
$\bot$ marks what is not differentiated.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
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

Tree = Any


class LookAhead(AbstractLearner):
    """LookAhead: ascend one's value where the others' naive step would lead.

    Zhang and Lesser (2010), *Multi-agent learning with policy prediction*; in this form Letcher et
    al. (2019), *Stable opponent shaping in differentiable games*, arXiv:1811.08469, section 2.

    **Arguments:**

    - `rate`: the step size.
    - `lookahead`: the step size that the others are believed to use; a scalar, or one number per
        player (its own is not used). Default: `rate`.

    Information: `gradient` and `lookahead`, the norms of the two terms, rates left out of the first
    and look-ahead rates included in the second.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        blocks = values.jacobian(params)
        own = blocks[player][player]
        anticipated = lookahead_term(
            values, params, player, blocks, lookahead_rates(self.rate, self.lookahead, len(blocks))
        )
        info = {"gradient": tree.norm(own), "lookahead": tree.norm(anticipated)}
        return tree.scale(self.rate, tree.add(own, anticipated)), None, info


def lookahead_term(
    values: ValueFunction, params: Tree, player: int, blocks: Tree, steps: list[Array]
) -> Tree:
    r"""$\sum_{j \ne i} \eta_{ij} \nabla_i \langle \nabla_j V_i, \bot \nabla_j V_j \rangle$.

    **Arguments:** `blocks`: the Jacobian at `params`; `steps`: $\eta_{ij}$ for each j.
    """
    others = [j for j in range(len(blocks)) if j != player]
    terms = [
        tree.scale(steps[j], values.cross(params, player, player, j, blocks[j][j])) for j in others
    ]
    return tree.total(terms, like=params[player])
