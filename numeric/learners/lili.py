r"""LILI: ascend what one's policy will bring over the coming interactions, in which it moves the others' strategies.

With $z^0 = \theta_{-i}$ the co-players' strategies now, U the rule by which an interaction changes them, and
$\theta_i^{\mathrm{now}}$ the policy of the player in this interaction, held fixed,

$$ \Delta\theta_i = \alpha \, \nabla_i \, \frac{\sum_{m < M} \Gamma^m V_i(\theta_i, z^{m+1})}{\sum_{m < M} \Gamma^m},
   \qquad
   z^1 = U(\theta_i^{\mathrm{now}}, z^0), \quad z^{m+1} = U(\theta_i, z^m). $$
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_nonnegative,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.scan import scan

Tree = Any


class LILI(AbstractLearner):
    """LILI with a known rule: influence where the co-players' strategies go.

    Xie et al. (2020), *Learning latent representations to influence multi-agent interaction*, arXiv:2011.06619. There
    a co-player's latent strategy is fixed during an interaction and changes between interactions by a rule that is
    learned from trajectories by an encoder and a decoder, and a policy of the strategy is found by sampling. Here the
    strategy is the co-player's parameters, the rule is known, and nothing is sampled. Each step of learning is one
    interaction. What the player does next meets the strategies of the next interaction, which the present one has
    settled: it predicts these, and ascends what a policy from there on brings, also by where it moves them.

    - With `interactions=1` it predicts and does not influence: the exact form of looking ahead,
      $\\nabla_i V_i(\\theta_i, \\theta_j + \\eta \\nabla_j V_j)$.
    - [`resolvent.numeric.Naive`][] does not even predict.

    Any values, also a user's own function; any number of players, of whom each other one learns by the same rule, as
    if from its own gradient alone or as the `rule` says. For rules that are fitted to trajectories see
    [`resolvent.numeric.fit_latent`][].

    **Arguments:**

    - `rate`: the step size. The payoff is a weighted mean over interactions, in the units of the values.
    - `lookahead`: the step of the co-players' naive rule, a scalar or one number per player (its own is not used).
        Default: `rate`.
    - `discount`: $\\Gamma$, how much a later interaction counts, in [0, 1].
    - `interactions`: M, how far to look.
    - `rule`: the co-players' rule, in place of naive learning; `lookahead` is then not used. Its memory, if it has
        one, begins anew in every step.

    Information: `payoff`, what is maximised; `gradient`, the norm of its derivative; `influence`, the norm of the part
    of that that goes through the co-players' learning.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)
    discount: Array = eqx.field(converter=as_nonnegative, default=0.9)
    interactions: int = eqx.field(static=True, default=10)
    rule: AbstractLearner | None = None

    def __check_init__(self) -> None:
        check_count(self.interactions, "interactions", least=1)
        if self.rule is not None and not isinstance(self.rule, AbstractLearner):
            raise TypeError(f"rule: expected a learner, or None, got {self.rule!r}")

    def check(self, values: ValueFunction, player: int) -> None:
        traced = isinstance(self.discount, Tracer)
        if not traced and (np.asarray(self.discount) > 1).any():
            raise ValueError(f"discount: expected a number from 0 to 1, got {self.discount}")
        lookahead_rates(self.rate, self.lookahead, values.num_players)
        if self.rule is not None:
            for other in range(values.num_players):
                if other != player:
                    self.rule.check(values, other)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        steps = lookahead_rates(self.rate, self.lookahead, len(params))
        states = tuple(
            None if self.rule is None or j == player else self.rule.init(values, params, j)
            for j in range(len(params))
        )
        own = params[player]
        # Of this interaction: it is over, and does not depend on what is done next.
        begin = jax.lax.stop_gradient(self._moved(values, params, player, steps, states))

        def payoff(own: Tree, held: Tree) -> Array:
            """From the next interaction on; `held` moves the co-players, `own` is paid."""

            def step(carry: tuple[Any, ...], _: Array) -> tuple[tuple[Any, ...], None]:
                others, states, weight, total, gained = carry
                met = _insert(others, player, own)
                gained = gained + weight * values(met)[player]
                others, states = self._moved(
                    values, _insert(others, player, held), player, steps, states
                )
                weighed = weight * self.discount.astype(weight.dtype)
                return (others, states, weighed, total + weight, gained), None

            leaves = jax.tree.leaves(begin) or jax.tree.leaves(params)
            none = jnp.zeros((), leaves[0].dtype)
            carry = (*begin, none + 1, none, none)
            others, _, weight, total, gained = scan(step, carry, self.interactions - 1)[0]
            last = values(_insert(others, player, own))[player]
            return (gained + weight * last) / (total + weight)

        worth, (paid, moved) = jax.value_and_grad(payoff, argnums=(0, 1))(own, own)
        slope = tree.add(paid, moved)
        info = {
            "payoff": worth,
            "gradient": tree.norm(slope),
            "influence": tree.norm(moved),
        }
        return tree.scale(self.rate, slope), None, info

    def _moved(
        self,
        values: ValueFunction,
        params: Tree,
        player: int,
        steps: Sequence[Array],
        states: tuple[Tree, ...],
    ) -> tuple[Tree, tuple[Tree, ...]]:
        """Where an interaction leads the co-players, and what they remember; the player stays."""
        others = [j for j in range(len(params)) if j != player]
        moved, after = list(params), list(states)
        blocks = values.jacobian(params) if self.rule is None else None
        for j in others:
            if self.rule is None:
                assert blocks is not None
                moved[j] = tree.axpy(steps[j], blocks[j][j], params[j])
            else:
                update, after[j], _ = self.rule.update(values, params, j, states[j])
                moved[j] = tree.add(params[j], update)
        return tuple(moved), tuple(after)


def _insert(params: Tree, player: int, own: Tree) -> Tree:
    return (*params[:player], own, *params[player + 1 :])
