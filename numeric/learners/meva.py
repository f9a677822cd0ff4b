r"""MeVa: ascend one's meta-value, the discounted average of one's values along the way that learning takes.

$$ \Delta\theta_i = \alpha_i \, \nabla_i V_i(\theta), \qquad
   V_i(\theta) = (1 - \gamma_i) f_i(\theta) + \gamma_i V_i(\theta'). $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any


class MeVa(AbstractLearner):
    """MeVa: follow the gradient of one's meta-value in place of one's value.

    Cooijmans et al. (2023), *Meta-value learning: a general framework for learning with learning awareness*,
    arXiv:2307.08863. What is followed was worked out before: by `unrolled_meta_value` for given learners, or
    for learners who follow meta-values themselves by `quadratic_meta_value`, `meta_value_collocation`, or
    `meta_value_networks` as in the paper. At discount 0 it is naive learning.

    **Arguments:**

    - `rate`: the step size. A self-consistent meta-value was made for one, `meta.rate`; only with that does the
        player learn as it believes itself to learn.
    - `meta`: the meta-value, made for the game that is played: a [`resolvent.numeric.MetaValue`][], or any
        value function of the same parameters.

    Information: the norm of the `gradient` of the meta-value.
    """

    rate: Array = eqx.field(converter=as_number)
    meta: ValueFunction

    def __check_init__(self) -> None:
        if not isinstance(self.meta, ValueFunction):
            raise TypeError(
                "meta: expected a value function, such as unrolled_meta_value(values, Naive(1.0), 0.9, "
                f"horizon=10), got {self.meta!r}"
            )

    def _fields(self) -> list[tuple[str, Any]]:
        return [("rate", self.rate), ("meta", repr(self.meta))]

    def check(self, values: ValueFunction, player: int) -> None:
        _check_shapes(self.meta, values)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        _check_shapes(self.meta, values)
        arrays = values.stack(params)
        gradient = self.meta.jacobian(self.meta.unstack(arrays))[player][player]
        own = self.meta.stack((*params[:player], gradient, *params[player + 1 :]))[player]
        block = values.unstack(
            (*arrays[:player], jnp.asarray(own, arrays[player].dtype), *arrays[player + 1 :])
        )[player]
        return tree.scale(self.rate, block), None, {"gradient": tree.norm(block)}


def _check_shapes(meta: ValueFunction, values: ValueFunction) -> None:
    if meta.shapes != values.shapes:
        raise ValueError(
            f"meta: made for parameters of shapes {meta.shapes}, but those of {values.name} have "
            f"shapes {values.shapes}; make it for this game"
        )
