r"""Consensus optimisation: the joint gradient, and the way to where it is zero.

With $\xi = (\nabla_j V_j)_j$ and its Jacobian $K_{ij} = \nabla^2_{ij} V_i$,

$$ \Delta\theta_i = \alpha_i \, (\xi - \gamma K^\top \xi)_i
   = \alpha_i \Big( \nabla_i V_i - \gamma \sum_j \nabla_i \big\langle \nabla_j V_j, \bot \nabla_j V_j \big\rangle \Big)
   = \alpha_i \, \nabla_i \Big( V_i - \frac{\gamma}{2} \|\xi\|^2 \Big). $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.joint import joint_gradient, transposed
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any


class ConsensusOptimization(AbstractLearner):
    """Consensus optimisation: ascend one's value less a multiple of the joint gradient's square.

    Mescheder, Nowozin and Geiger (2017), *The numerics of GANs*, arXiv:1705.10461. It is drawn to any
    zero of the joint gradient, minima of values among them, if the weight is large.

    **Arguments:**

    - `rate`: the step size.
    - `weight`: gamma, of half the squared norm. 1 in the code to *Stable opponent shaping*,
        arXiv:1811.08469, and 0.01 in that to *On the impossibility of global convergence in
        multi-loss optimization*, arXiv:2005.12649.

    Information: `gradient` and `consensus`, the norms of the two terms, weight left out.
    """

    rate: Array = eqx.field(converter=as_number)
    weight: Array = eqx.field(converter=as_number, default=1.0)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = joint_gradient(values, params)
        own = gradient[player]
        consensus = transposed(values, params, player, gradient)
        info = {"gradient": tree.norm(own), "consensus": tree.norm(consensus)}
        return tree.scale(self.rate, tree.axpy(-self.weight, consensus, own)), None, info
