"""Learning from estimates: another rule, with a new sample for every step."""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
from jax import Array

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.estimators.estimator import AbstractEstimator
from resolvent.numeric.estimators.intended import check_sampled
from resolvent.numeric.estimators.sampled_values import SampledValues, folded
from resolvent.numeric.learners.learner import AbstractLearner, Info

Tree = Any


class Remembered(NamedTuple):
    """The data of the next key, and what the rule itself remembers."""

    key: Array
    rule: Tree


class Estimated(AbstractLearner):
    """A rule that sees estimates in place of exact derivatives, from a new batch in every step.

    **Arguments:**

    - `rule`: any learner that sees nothing but values and their derivatives, such as `Naive` or `LOLA`.
    - `estimator`: what it estimates by.
    - `batch`, `horizon`: how many trajectories of how many rounds each sample has.
    - `seed`: of all randomness. Players, and runs that begin at different points, draw differently.

    Information: that of the rule, of its estimates.

    **Raises:** by `check`, what the rule raises for values that are not those of a compiled game, and `ValueError` for
    values of which no trajectories can be sampled.
    """

    rule: AbstractLearner
    estimator: AbstractEstimator
    batch: int = eqx.field(static=True)
    horizon: int = eqx.field(static=True)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self) -> None:
        if not isinstance(self.rule, AbstractLearner):
            raise TypeError(f"rule: expected a learner, such as LOLA(1.0), got {self.rule!r}")
        if not isinstance(self.estimator, AbstractEstimator):
            raise TypeError(f"estimator: expected one, such as DiCE(), got {self.estimator!r}")
        for name, least in (("batch", 1), ("horizon", 1), ("seed", 0)):
            check_count(getattr(self, name), name, least)

    def check(self, values: ValueFunction, player: int) -> None:
        self.rule.check(self._sampled(values, jax.random.key(self.seed)), player)

    def init(self, values: ValueFunction, params: Tree, player: int) -> Remembered:
        joint = values.stack(params)
        key = folded(jax.random.fold_in(jax.random.key(self.seed), player), joint)
        first, later = jax.random.split(key)
        rule = self.rule.init(self._sampled(values, first), joint, player)
        return Remembered(jax.random.key_data(later), rule)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Remembered
    ) -> tuple[Tree, Remembered, Info]:
        now, later = jax.random.split(jax.random.wrap_key_data(state.key))
        joint = values.stack(params)
        step, rule, info = self.rule.update(self._sampled(values, now), joint, player, state.rule)
        # In the form in which the loop carries parameters.
        carried = values.unstack((*joint[:player], step, *joint[player + 1 :]))[player]
        return carried, Remembered(jax.random.key_data(later), rule), info

    def _sampled(self, values: ValueFunction, key: Array) -> SampledValues:
        checked: CompiledValue = check_sampled(values)
        return SampledValues(checked, self.estimator, key, self.batch, self.horizon)
