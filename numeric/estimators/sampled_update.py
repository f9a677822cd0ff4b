"""What a sampled update is: a learner's step, from sampled play."""

from __future__ import annotations

import abc

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.estimators.estimator import Params


class AbstractSampledUpdate(eqx.Module):
    """A player's step at rate 1, from sampled play: pure, deterministic in its `key`, may be compiled."""

    @abc.abstractmethod
    def update(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        batch: int,
        horizon: int,
    ) -> Array:
        """What is added to the player's parameters at rate 1, shaped like them.

        **Arguments:** as of [`resolvent.numeric.AbstractEstimator`][].
        """

    @abc.abstractmethod
    def rounds(self, num_players: int, batch: int, horizon: int) -> int:
        """How many rounds are played for one step."""
