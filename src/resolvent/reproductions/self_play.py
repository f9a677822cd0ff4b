"""One policy for both seats, as sampled methods are trained."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from resolvent.numeric import AbstractLearner, ValueFunction
from resolvent.numeric.learners.learner import Info

Tree = Any

# The joint actions start, CC, CD, DC, DD in the other player's view.
_OTHER_VIEW = (0, 1, 3, 2, 4)


class SelfPlay(AbstractLearner):
    """One policy in both seats of a symmetric two-by-two game: player 2 does what player 1 does, in its own view.

    From symmetric starts two learners who move alike do the same, but for rounding, which grows where they would rather
    differ.

    **Arguments:** `rule`: what player 1 does. Parameters must be arrays.
    """

    rule: AbstractLearner

    def check(self, values: ValueFunction, player: int) -> None:
        self.rule.check(values, player)

    def init(self, values: ValueFunction, params: Tree, player: int) -> Tree:
        return self.rule.init(values, params, 0)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Tree
    ) -> tuple[Tree, Tree, Info]:
        step, state, info = self.rule.update(values, params, 0, state)
        return (step if player == 0 else step[jnp.array(_OTHER_VIEW)]), state, info
