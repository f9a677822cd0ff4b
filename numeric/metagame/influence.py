r"""What a fixed policy brings over interactions that move the others' strategies: LILI's objective, exactly.

$$ J(\theta_i) = \frac{\sum_{m < M} \Gamma^m \, V_i(\theta_i, z^m)}{\sum_{m < M} \Gamma^m}, \qquad
   z^{m+1} = E(N^m) = U\big(\theta_i(N^m), \theta_{-i}(N^m)\big). $$

The strategy z is the co-players' parameters. The transition counts N of an interaction determine both sides' policies
wherever play has been, so that the next strategy is a known function of them. J is the objective of a stateless M-FOS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.decision import index_of
from resolvent.numeric.learners.learner import AbstractLearner, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.context import policies_from_counts
from resolvent.numeric.metagame.memory import Rules
from resolvent.numeric.metagame.shaper import check_starts
from resolvent.numeric.play import check_play
from resolvent.numeric.scan import scan

Tree = Any


class Influence(eqx.Module):
    """The payoff of a fixed policy over interactions, through the true rule; see
    [`resolvent.numeric.known_rule`][]. Call it with the player's parameters.

    **Attributes:** `values`; `rules`: of the co-players, `None` for the player; `starts`: one entry per player with a
    leading axis; `discount`: $\\Gamma$; `player`; `interactions`: M.
    """

    values: CompiledValue
    rules: Rules
    starts: tuple[Array, ...]
    discount: Array
    player: int = eqx.field(static=True)
    interactions: int = eqx.field(static=True)

    def __call__(self, own: Float[Array, "states choices"]) -> Float[Array, ""]:
        """J, mean over starts, in the units of the values."""
        return self.weighed(self.payoffs(own))

    def weighed(self, payoffs: Float[Array, "starts interactions"]) -> Float[Array, ""]:
        """The mean over starts and interactions that J is."""
        weights = self.discount ** jnp.arange(self.interactions)
        return payoffs.mean(axis=0) @ weights / weights.sum()

    @eqx.filter_jit
    def payoffs(self, own: Float[Array, "states choices"]) -> Float[Array, "starts interactions"]:
        """What the player gets in each interaction."""

        def one(start: tuple[Array, ...]) -> Array:
            def step(carry: Tree, _: Array) -> tuple[Tree, Array]:
                joint, states = carry
                worth = self.values(joint)[self.player]
                return self.step(joint, states), worth

            joint = self.joint(own, start)
            return scan(step, (joint, self.init(joint)), self.interactions)[1]

        return jax.vmap(one)(self.starts)

    def joint(self, own: Array, others: tuple[Array, ...]) -> tuple[Array, ...]:
        """Everybody's parameters."""
        return (*others[: self.player], own, *others[self.player + 1 :])

    def init(self, joint: tuple[Array, ...]) -> tuple[Tree, ...]:
        """What the co-players' rules remember in the beginning."""
        return tuple(
            None if rule is None else rule.init(self.values, joint, j)
            for j, rule in enumerate(self.rules)
        )

    def step(
        self, joint: tuple[Array, ...], states: tuple[Tree, ...]
    ) -> tuple[tuple[Array, ...], tuple[Tree, ...]]:
        """U: where an interaction leads the co-players."""
        moved, after = list(joint), list(states)
        for j, rule in enumerate(self.rules):
            if rule is not None:
                update, after[j], _ = rule.update(self.values, joint, j, states[j])
                moved[j] = joint[j] + update
        return tuple(moved), tuple(after)

    def encode(self, counts: Float[Array, "states ..."]) -> tuple[Array, ...]:
        """E(N): the co-players' next parameters from the counts of an interaction (rules without memory).

        States that were not reached count as if everybody mixed evenly there. The player's own entry is its parameters,
        read off the counts.
        """
        joint = self.values.parameters(policies_from_counts(counts))
        return self.step(joint, self.init(joint))[0]

    def __repr__(self) -> str:
        rules = ", ".join(dict.fromkeys(repr(rule) for rule in self.rules if rule is not None))
        return f"Influence({self.values.name}, player {self.player + 1}, {self.interactions} interactions with {rules})"


def known_rule(
    values: ValueFunction,
    rule: AbstractLearner,
    starts: Any,
    interactions: int = 20,
    *,
    player: int = 0,
    discount: float = 1.0,
) -> Influence:
    """LILI's objective with the co-players' rule known: exact, and differentiable through their learning.

    Xie et al. (2020), *Learning latent representations to influence multi-agent interaction*, arXiv:2011.06619. With
    rule and counts known there is nothing for an encoder and a decoder to learn; what they would get wrong is the
    subject of [`resolvent.numeric.fit_latent`][].

    **Arguments:**

    - `values`: a compiled game in which all players see the state, with a discount below 1.
    - `rule`: the co-players', on the scale of the values.
    - `starts`: their strategies before the first interaction: one entry per player (the player's own is ignored), each
        with a leading axis.
    - `interactions`: M.
    - `discount`: $\\Gamma$, between interactions, in [0, 1]; 1 for the plain mean.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    game = check_play(values, "known_rule", "LILI as a learner")
    if not isinstance(rule, AbstractLearner):
        raise TypeError(f"rule: expected a learner, got {rule!r}")
    player = index_of(player, "player", game.num_players)
    gamma = as_nonnegative(discount)
    if gamma.shape != () or float(gamma) > 1:
        raise ValueError(f"discount: expected a number from 0 to 1, got {discount!r}")
    rules = tuple(None if j == player else rule for j in range(game.num_players))
    dense = by_tensors(game)
    for j in range(game.num_players):
        if j != player:
            rule.check(dense, j)
    given = check_starts(starts, game.shapes, player)
    return Influence(
        dense, rules, given, gamma, player, check_count(interactions, "interactions", least=1)
    )


@dataclasses.dataclass(frozen=True, repr=False)
class Influenced:
    """A policy that was optimised for its influence, judged by the true rule.

    **Fields:** `params`: the player's; `claimed`: what the objective says that it brings; `true`: what it brings by the
    true rule; `error`: `claimed` less `true`, the modelling error at the optimum (0 where the objective is the true
    one); `payoffs`: the objective before each step; `gradient`: the norm of its derivative at the end; `policy`: the
    player's probabilities, `(S, A)`.
    """

    params: NDArray[np.floating]
    policy: NDArray[np.floating]
    claimed: float
    true: float
    payoffs: NDArray[np.floating]
    gradient: float

    @property
    def error(self) -> float:
        """What was claimed less what is true."""
        return self.claimed - self.true

    def __repr__(self) -> str:
        return (
            f"Influenced: claimed {self.claimed:.6g}, true {self.true:.6g} (modelling error {self.error:.3g}), "
            f"{len(self.payoffs)} steps, norm of the derivative {self.gradient:.3g}"
        )


def influence(
    truth: Influence,
    start: Any,
    steps: int,
    *,
    rate: float = 0.05,
    through: Callable[[Array], Array] | None = None,
) -> Influenced:
    """Maximise a policy's influence by Adam, and judge it by the true rule.

    **Arguments:**

    - `truth`: the exact objective.
    - `start`: the player's parameters to start from, `(S, A - 1)`.
    - `steps`, `rate`: of Adam.
    - `through`: what to maximise in place of `truth`: a [`resolvent.numeric.LatentDynamics`][].

    **Raises:** `ValueError`, naming the argument. Needs optax, `pip install 'resolvent[networks]'`.
    """
    try:
        import optax
    except ImportError as error:
        raise ImportError("influence needs optax: pip install 'resolvent[networks]'") from error
    shape = truth.values.shapes[truth.player]
    own = jnp.asarray(start, float)
    if own.shape != shape or not bool(jnp.isfinite(own).all()):
        raise ValueError(f"start: expected finite numbers of shape {shape}, got {own.shape}")
    count = check_count(steps, "steps", least=1)
    objective = truth if through is None else through
    adam = optax.adam(float(as_nonnegative(rate)))

    def step(carry: Tree, _: None) -> tuple[Tree, Array]:
        own, state = carry
        worth, slope = jax.value_and_grad(objective)(own)
        move, state = adam.update(-slope, state, own)
        return (own + move, state), worth

    @eqx.filter_jit
    def climb(own: Array) -> tuple[Array, Array, Array, Array]:
        (end, _), worths = lax.scan(step, (own, adam.init(own)), None, length=count)
        worth, slope = jax.value_and_grad(objective)(end)
        return end, worths, worth, jnp.linalg.norm(slope)

    end, worths, claimed, slope = climb(own)
    true = float(truth(end))
    full = truth.joint(end, tuple(jnp.zeros(each) for each in truth.values.shapes))
    return Influenced(
        np.asarray(end),
        np.asarray(truth.values.policies(full)[truth.player]),
        float(claimed),
        true,
        np.asarray(worths),
        float(slope),
    )
