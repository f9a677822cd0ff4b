r"""Fictitious play: the policy is the average of the best responses so far.

$$ \Delta\pi_i^t(\cdot \mid s) =
   \alpha_i^t(s) \, \big( \mathrm{BR}_i(\pi_{-i}^t)(\cdot \mid s) - \pi_i^t(\cdot \mid s) \big), \qquad
   \alpha_i^t(s) = \frac{\alpha_i}{t + c}, \quad t = 1, 2, \dots $$

Weighted by occupancy, with $d$ the player's shares of time in s against the others' present policies,

$$ \alpha_i^t(s) = \frac{\alpha_i^t \, d^{\mathrm{BR}}(s)}
   {(1 - \alpha_i^t) \, d^{\pi_i}(s) + \alpha_i^t \, d^{\mathrm{BR}}(s)}. $$
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.parameters import logits_of
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.learners.best_response_dynamics import (
    check_responding,
    check_whole_steps,
    report,
    towards,
)
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.markov import best_response, occupancy

Tree = Any
Weights = Literal["states", "occupancy"]


class FictitiousPlay(AbstractLearner):
    """Fictitious play: each player's parameters hold the average of its best responses so far, and each
    responds to the averages of the others.

    Brown (1951), *Iterative solution of games by fictitious play*. All players respond at the same
    time. In a game that is played once it is the classical process: the parameters are the empirical
    frequencies of the actions. In a game with states it is fictitious play in *behavioural* policies:
    frequencies are averaged in each state by itself, as if the player had chosen once in every state
    in each round of the process. That is not the average of the strategies: a player who draws one
    of two policies at the beginning and keeps it plays differently from one who draws anew in
    each state, and no policy of what is observed need play like the former against all others.

    For compiled games in which the player sees the state, with a discount below 1.

    **Arguments:**

    - `rate`: 1 for the average of all best responses. Larger numbers give more weight to later ones, in
        proportion to $t^{\\mathrm{rate} - 1}$ (2: linear averaging); at most 1 + `prior`.
    - `prior`: how many rounds the start counts for, c above. With 0 (and rate 1) the first step is to
        a deterministic best response, which has no finite logits.
    - `weights`: how policies are averaged.
        `"states"`, each state by itself.
        `"occupancy"`, the policy and the best response by the shares of time that the player spends in
        the state by one and by the other, *against the others' present policies*: against these the
        result plays exactly like a draw between the two, and is worth the average of
        their values. (It need not be so against what the others play later, and so it is not an
        average over the whole past.)

    Its state is t. Information: `regret`, `gap` and `distance` as of
    [`resolvent.numeric.BestResponseDynamics`][], and `step`, the share $\\alpha_i^t$.
    """

    rate: Array = eqx.field(converter=as_nonnegative, default=1.0)
    prior: Array = eqx.field(converter=as_nonnegative, default=1.0)
    weights: Weights = eqx.field(static=True, default="states")

    def __check_init__(self) -> None:
        if self.weights not in get_args(Weights):
            raise ValueError(f"weights: expected one of {get_args(Weights)}, got {self.weights!r}")
        if (self._first_share() > 1).any():
            raise ValueError(
                f"rate: expected at most 1 + prior = {np.asarray(1 + self.prior)}, "
                f"got {np.asarray(self.rate)}"
            )

    def _first_share(self) -> np.ndarray[Any, Any]:
        """The share of the way that the first step goes; 0 where it is traced."""
        if isinstance(self.rate, Tracer) or isinstance(self.prior, Tracer):
            return np.zeros(())
        return np.asarray(self.rate) / (1 + np.asarray(self.prior))

    def check(self, values: ValueFunction, player: int) -> None:
        check_responding(values, player, type(self).__name__)
        if (self._first_share() >= 1).any():
            check_whole_steps(values, "prior: expected that rate / (1 + prior) is below 1")

    def init(self, values: ValueFunction, params: Tree, player: int) -> Array:
        """t, from 1."""
        return jnp.ones((), values.stack(params)[player].dtype)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Array
    ) -> tuple[Tree, Array, Info]:
        game = check_responding(values, player, type(self).__name__)
        arrays = game.stack(params)
        best = best_response(by_tensors(game), arrays, player)
        step = (self.rate / (state + self.prior)).astype(state.dtype)
        steps = jnp.broadcast_to(step, best.policy.shape[:1])
        if self.weights == "occupancy":
            steps = _by_occupancy(game, arrays, player, best.policy, step)
        info = {**report(game, arrays, best), "step": step}
        return towards(game, params, player, best.policy, steps), state + 1, info


def _by_occupancy(
    values: CompiledValue, arrays: tuple[Array, ...], player: int, target: Array, step: Array
) -> Array:
    """The share of the way in each state for which shares of time are averaged, `(S,)`."""
    logits = values.kernel.parameterisation == "logits"
    best = logits_of(target) if logits else target[:, :-1]
    responding = (*arrays[:player], best, *arrays[player + 1 :])
    new = step * occupancy(values, responding, player)
    old = (1 - step) * occupancy(values, arrays, player)
    reached = new + old > 0
    return jnp.where(reached, new / jnp.where(reached, new + old, 1), step)
