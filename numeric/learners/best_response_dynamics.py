r"""Best-response dynamics: the policy moves towards a best response to the others' policies.

$$ \Delta\pi_i(\cdot \mid s) = \alpha_i \, \big( \mathrm{BR}_i(\pi_{-i})(\cdot \mid s) - \pi_i(\cdot \mid s) \big) $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors, like_entry
from resolvent.numeric.markov import BestResponse, best_response

Tree = Any


def as_share(value: Any) -> Array:
    """A number from 0 to 1.

    **Raises:** `ValueError` for others, unless traced.
    """
    number = as_nonnegative(value)
    if not isinstance(number, Tracer) and (np.asarray(number) > 1).any():
        raise ValueError(f"a learner's hyper-parameter: expected no number above 1, got {value!r}")
    return number


class BestResponseDynamics(AbstractLearner):
    """Best-response dynamics in discrete time: a step of the policy towards an exact best response.

    Gilboa and Matsui (1991), *Social stability and equilibrium*, Econometrica 59 (3), in continuous
    time. The best response is to the others' policies as they are, is deterministic, and is optimal
    among all strategies; where several actions are equally good, it is the one that is most probable
    already. Unlike a step along a gradient, this moves the *probabilities*, also those of actions that
    are hardly ever played, and is the same however policies are parameterised.

    For compiled games in which the player sees the state, with a discount below 1.

    **Arguments:**

    - `rate`: the share of the way to go, from 0 to 1. A whole step, 1, makes the policy
        deterministic, which has no finite logits: it needs values of probabilities,
        `compile(parameters="policies")`.

    Information: `regret`, what the player's policy loses against the best response, in the units of the
    values; `gap`, the certificate that it is one, see [`resolvent.numeric.BestResponse`][]; and
    `distance`, the largest change of a probability that would reach it.
    """

    rate: Array = eqx.field(converter=as_share)

    def check(self, values: ValueFunction, player: int) -> None:
        check_responding(values, player, type(self).__name__)
        if not isinstance(self.rate, Tracer) and (np.asarray(self.rate) >= 1).any():
            check_whole_steps(values, "rate: expected a number below 1")

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        game = check_responding(values, player, type(self).__name__)
        arrays = game.stack(params)
        best = best_response(by_tensors(game), arrays, player)
        steps = jnp.broadcast_to(self.rate, best.policy.shape[:1])
        return towards(game, params, player, best.policy, steps), None, report(game, arrays, best)


def check_responding(values: ValueFunction, player: int, name: str) -> CompiledValue:
    """`values`, if there are best responses in policies.

    **Raises:** `ValueError` otherwise, saying what to use in place.
    """
    if not isinstance(values, CompiledValue):
        raise ValueError(
            f"values: {name} moves policies towards best responses, and a user's own function has neither; "
            "use a rule of gradients, such as Naive or LookAhead"
        )
    if values.patient:
        raise ValueError(
            f"values: {name} expects a discount below 1: in the limit no single action changes an "
            "average; use a rule of gradients, such as Naive, or a discount close to 1"
        )
    if not values.structure.seen[player]:
        raise ValueError(
            f"values: {name} expects that player {player} sees the state, since otherwise its best "
            "response need not be a policy of what it observes; use a rule of gradients, such as Naive"
        )
    return values


def check_whole_steps(values: ValueFunction, expected: str) -> None:
    """Refuse steps that make a policy deterministic where it is given by logits."""
    if isinstance(values, CompiledValue) and values.kernel.parameterisation == "logits":
        raise ValueError(
            f"{expected} where policies are given by logits, since those of a deterministic policy are "
            'infinite; compile(parameters="policies") allows it'
        )


def report(values: CompiledValue, arrays: tuple[Array, ...], best: BestResponse) -> Info:
    """What a person wants to know about a best response."""
    own = values.policies(arrays)[best.player]
    return {
        "regret": best.regret,
        "gap": best.gap,
        "distance": jnp.abs(best.policy - own).max(),
    }


def towards(values: CompiledValue, params: Tree, player: int, target: Array, steps: Array) -> Tree:
    """The update of the player's parameters that moves its policy towards `target`.

    **Arguments:** `target`: a deterministic policy, `(S, A)`; `steps`: the share of the way in each state,
    `(S,)`.
    """
    own = values.stack(params)[player]
    steps = steps.astype(own.dtype)[:, None]
    if values.kernel.parameterisation == "policies":
        change = steps * (target[:, :-1] - own)
    else:
        # Logarithms of mixtures of logarithms: probabilities that round to 0 still have logits.
        before = jax.nn.log_softmax(jnp.pad(own, ((0, 0), (0, 1))), axis=-1)
        kept = jnp.log1p(-steps) + before
        mixed = jnp.where(target > 0, jnp.logaddexp(kept, jnp.log(steps)), kept)
        change = (mixed[:, :-1] - mixed[:, -1:]) - own
    return like_entry(values, params, player, change)
