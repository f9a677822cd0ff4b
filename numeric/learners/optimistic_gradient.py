r"""Optimistic gradient: expects the gradient to change as it last did.

$$ \Delta\theta_i^t = \alpha_i \big( 2 \nabla_i V_i(\theta^t) - \nabla_i V_i(\theta^{t-1}) \big) $$
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any
Variant = Literal["single", "double"]


class OptimisticGradient(AbstractLearner):
    """Optimistic gradient: twice one's gradient less the previous one, which is its state.

    Popov (1980), *A modification of the Arrow-Hurwicz method for search of saddle points*;
    Daskalakis et al. (2018), *Training GANs with optimism*, arXiv:1711.00141. Also called optimistic
    mirror descent, or OGDA. No second derivatives.

    **Arguments:**

    - `rate`: the step size.
    - `variant`: how it starts, where there is no previous gradient.
        `"single"` takes the first for it, so that the first step is that of naive learning (code to
        *On the impossibility of global convergence in multi-loss optimization*, arXiv:2005.12649).
        `"double"` takes zero, so that the first step is twice that (code to *Competitive gradient
        descent*, arXiv:1905.12103).

    Information: `gradient` and `change`, the norms of the gradient and of its change.
    """

    rate: Array = eqx.field(converter=as_number)
    variant: Variant = eqx.field(static=True, default="single")

    def __check_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise ValueError(f"variant: expected one of {get_args(Variant)}, got {self.variant!r}")

    def init(self, values: ValueFunction, params: Tree, player: int) -> Tree:
        """The previous gradient, shaped like `params[player]`."""
        if self.variant == "double":
            return tree.scale(0.0, params[player])
        return values.jacobian(params)[player][player]

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Tree
    ) -> tuple[Tree, Tree, Info]:
        gradient = values.jacobian(params)[player][player]
        change = tree.axpy(-1.0, state, gradient)
        info = {"gradient": tree.norm(gradient), "change": tree.norm(change)}
        return tree.scale(self.rate, tree.add(gradient, change)), gradient, info
