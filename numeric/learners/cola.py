r"""COLA: consistent learning with opponent-learning awareness.

$$ \Delta\theta_i = \alpha_i \, u_i(\theta), \qquad u_j(\theta) = \frac{\mathrm{d}}{\mathrm{d}\theta_j}
   V_j\big(\theta_j, (\theta_k + \eta_k \, u_k(\theta))_{k \ne j}\big) \text{ for all } j \text{ and } \theta . $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.consistency.affine import AffineUpdate
from resolvent.numeric.consistency.consistent_update import ConsistentUpdate, check_shapes
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any


class COLA(AbstractLearner):
    """COLA: follow one's part of an update that is right if everybody uses it.

    Willi et al. (2022), *COLA: consistent learning with opponent-learning awareness*, arXiv:2203.04098. What
    update that is was worked out before, by `consistent_quadratic(...).analytic` or another of its branches, a
    truncated series, collocation, or networks as in the paper: consistent updates are not unique.

    **Arguments:**

    - `rate`: the step size; the steps that the players expect of each other are `updates.lookahead`, and may be others.
    - `updates`: a [`resolvent.numeric.ConsistentUpdate`][], made for the game that is played.

    Information: the norm of the player's `direction`.
    """

    rate: Array = eqx.field(converter=as_number)
    updates: ConsistentUpdate

    def __check_init__(self) -> None:
        if not isinstance(self.updates, ConsistentUpdate):
            raise TypeError(
                "updates: expected a ConsistentUpdate, such as consistent_quadratic(values, lookahead)"
                f".analytic, got {self.updates!r}"
            )
        if isinstance(self.updates, AffineUpdate) and not self.updates.is_real:
            raise ValueError(
                f"updates: expected a real solution, got {self.updates}; see ConsistentBranches.real"
            )

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        check_shapes(self.updates, values)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        check_shapes(self.updates, values)
        arrays = values.stack(params)
        directions = tuple(
            jnp.asarray(u, own.dtype) for u, own in zip(self.updates(arrays), arrays, strict=True)
        )
        own = values.unstack(directions)[player]
        return tree.scale(self.rate, own), None, {"direction": tree.norm(own)}
