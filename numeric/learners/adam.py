r"""Adam: another rule's direction, in steps of one length.

$$ m \leftarrow b_1 m + (1 - b_1) \, u, \qquad v \leftarrow b_2 v + (1 - b_2) \, u^2, \qquad
   \Delta\theta_i = \alpha_i \, \frac{m / (1 - b_1^k)}{\sqrt{v / (1 - b_2^k)} + \epsilon} $$

with $u$ the update of the other rule and k the number of steps so far.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.best_response_dynamics import as_share
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative, as_number

Tree = Any


class Moments(NamedTuple):
    """What Adam remembers: running means of updates and of their squares, how many there were, and what the
    rule itself remembers."""

    mean: Tree
    square: Tree
    steps: Array
    rule: Tree


class Adam(AbstractLearner):
    """Another learner's direction, in Adam's steps: Kingma and Ba (2015), arXiv:1412.6980.

    For comparison with papers that train by it: each parameter moves by about `rate` in every step, however
    flat or steep the values are, so that the rule's own rate and the units of the values hardly matter
    (as far as `epsilon` allows). What is known of a rule, its fixed points' stability above all, does not carry
    over: there is no rate at which Adam comes to rest.

    **Arguments:**

    - `rate`: how far a parameter moves per step.
    - `rule`: the learner whose updates these are.
    - `mean_decay`, `square_decay`: $b_1$ and $b_2$, in [0, 1).
    - `epsilon`: below which updates count as small, in units of the rule's updates.

    Information: that of the rule.
    """

    rate: Array = eqx.field(converter=as_number)
    rule: AbstractLearner
    mean_decay: Array = eqx.field(converter=as_share, default=0.9)
    square_decay: Array = eqx.field(converter=as_share, default=0.999)
    epsilon: Array = eqx.field(converter=as_nonnegative, default=1e-8)

    def __check_init__(self) -> None:
        if not isinstance(self.rule, AbstractLearner):
            raise TypeError(f"rule: expected a learner, such as LOLA(1.0), got {self.rule!r}")
        for name in ("mean_decay", "square_decay"):
            decay = getattr(self, name)
            if not isinstance(decay, Tracer) and (np.asarray(decay) >= 1).any():
                raise ValueError(f"{name}: expected a number below 1, got {decay}")

    def check(self, values: ValueFunction, player: int) -> None:
        self.rule.check(values, player)

    def init(self, values: ValueFunction, params: Tree, player: int) -> Moments:
        zero = tree.scale(0.0, params[player])
        return Moments(zero, zero, jnp.zeros(()), self.rule.init(values, params, player))

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Moments
    ) -> tuple[Tree, Moments, Info]:
        direction, rule, info = self.rule.update(values, params, player, state.rule)
        count = state.steps + 1
        b1, b2 = self.mean_decay, self.square_decay

        def mix(share: Array, old: Array, new: Array) -> Array:
            return (share * old + (1 - share) * new).astype(old.dtype)

        mean = jax.tree.map(lambda m, u: mix(b1, m, u), state.mean, direction)
        square = jax.tree.map(lambda v, u: mix(b2, v, u * u), state.square, direction)

        def step(m: Array, v: Array) -> Array:
            root = jnp.sqrt(v / (1 - b2**count))
            return (self.rate * (m / (1 - b1**count)) / (root + self.epsilon)).astype(m.dtype)

        return jax.tree.map(step, mean, square), Moments(mean, square, count, rule), info
