r"""Shaper-style learning: ascend the payoff of a trial that begins now, and react to what the last episode told.

With $N_m$ the transition counts of episode m, as shares of rounds, and U the co-players' naive step,

$$ J(\theta_i, W) = \frac{1}{E} \sum_{m < E} V_i\big(\theta_i^m, \theta_{-i}^m\big), \qquad
   \theta_i^m = \theta_i + W \, (N_{m-1} - N_{\mathrm{last}}), \qquad
   \theta_{-i}^{m+1} = U(\theta_i^m, \theta_{-i}^m), $$

$$ \Delta\theta_i = \alpha \, \nabla_{\theta_i} J + W (N_{\mathrm{now}} - N_{\mathrm{last}}), \qquad
   \Delta W = \alpha_W \nabla_W J, $$

where $N_{\mathrm{last}}$ are the counts of the last episode and $N_{\mathrm{now}}$ those of the one played now.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.learners.stacked import by_tensors, like_entry
from resolvent.numeric.metagame.controller_game import stationary
from resolvent.numeric.metagame.memory import CountsPolicy
from resolvent.numeric.play import arrays_of, check_play
from resolvent.numeric.scan import scan

Tree = Any


class Shaper(AbstractLearner):
    """A shaper with memory over episodes, trained while it plays.

    Each step of learning is an episode. What the player knows of its co-players is what the counts of the episode say:
    with finite logits play has been everywhere, and that is their parameters. From there it imagines a trial of
    `episodes` episodes in which they learn naively, as a shaper's co-players do, and ascends its payoff in two things:
    its policy, and W, how its next policy depends on the counts of the last episode. Then it reacts to the counts of
    the real one. W starts at 0; it is the player's memory.

    This is the exact and memory-one counterpart of Shaper, Khan et al. (2023), *Scaling opponent shaping to high
    dimensional games*, arXiv:2312.12568, in which a recurrent network is trained by evolution on sampled trials before
    it plays. For that separation see [`resolvent.numeric.shaper_trial`][] and
    [`resolvent.numeric.PlayShaper`][]; for inner memory within an episode, play a game
    [`resolvent.games.with_controllers`][].

    For compiled games in which all players see the state, with a discount below 1; any number of players and actions.

    **Arguments:**

    - `rate`: the step size of the policy. J is a mean over episodes, in the units of the values.
    - `lookahead`: the step that co-players are believed to take, a scalar or one number per player (its own is not
        used). Default: `rate`.
    - `context_rate`: the step size of W, default 0.1 times `rate`: counts differ by little. At 0 W stays 0.
    - `episodes`: E. One is naive learning.
    - `context`: whether it remembers anything. If not, W = 0: the plain look-ahead over a trial by a stationary policy.

    Information: `payoff`, J; `gradient`, the norm of its derivative in the policy; `reaction`, the norm of
    W (N_now - N_last).
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)
    context_rate: Array | None = eqx.field(converter=as_optional_number, default=None)
    episodes: int = eqx.field(static=True, default=10)
    context: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        check_count(self.episodes, "episodes", least=1)

    def check(self, values: ValueFunction, player: int) -> None:
        _check(values)
        lookahead_rates(self.rate, self.lookahead, values.num_players)

    def init(self, values: ValueFunction, params: Tree, player: int) -> _Remembered | None:
        game = _check(values)
        if not self.context:
            return None
        counts = _shares(game, params, player)
        own = game.stack(params)[player]
        return _Remembered(jnp.zeros((*own.shape, *counts.shape), own.dtype), counts)

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: _Remembered | None
    ) -> tuple[Tree, _Remembered | None, Info]:
        game = _check(values)
        steps = lookahead_rates(self.rate, self.lookahead, len(params))
        arrays = game.stack(params)
        # What counts say of the others where play has been: with finite logits, their parameters.
        others, own = arrays, arrays[player]
        if state is None:
            payoff, slope = jax.value_and_grad(
                lambda x: self._trial(game, x, None, others, player, steps)
            )(own)
            change, after, reaction = self.rate.astype(own.dtype) * slope, None, jnp.zeros_like(own)
        else:
            now = _shares(game, params, player)
            payoff, (slope, bend) = jax.value_and_grad(
                lambda both: self._trial(game, both[0], both[1], others, player, steps)
            )((own, state.weights))
            pace = 0.1 * self.rate if self.context_rate is None else self.context_rate
            weights = state.weights + pace.astype(own.dtype) * bend
            reaction = jnp.tensordot(weights, now - state.counts, axes=now.ndim)
            change = self.rate.astype(own.dtype) * slope + reaction
            after = _Remembered(weights, now)
        info = {"payoff": payoff, "gradient": tree.norm(slope), "reaction": tree.norm(reaction)}
        return like_entry(values, params, player, change), after, info

    def _trial(
        self,
        game: CompiledValue,
        own: Array,
        weights: Array | None,
        others: tuple[Array, ...],
        player: int,
        steps: list[Array],
    ) -> Array:
        """J from here."""

        dense = by_tensors(game)
        arrays = arrays_of(dense)

        def joint_of(base: Array, others: tuple[Array, ...]) -> tuple[Array, ...]:
            return (*others[:player], base, *others[player + 1 :])

        def worth(moved: Array, joint: tuple[Array, ...], j: int) -> Array:
            full = (*joint[:j], moved, *joint[j + 1 :])
            return stationary(dense, arrays, full, player).values[j]

        first = stationary(dense, arrays, joint_of(own, others), player).shares

        def step(carry: tuple[Tree, Array], _: Array) -> tuple[tuple[Tree, Array], Array]:
            others, base = carry
            joint = joint_of(base, others)
            here = stationary(dense, arrays, joint, player)
            moved = tuple(
                each if j == player else tree.axpy(steps[j], jax.grad(worth)(each, joint, j), each)
                for j, each in enumerate(joint)
            )
            later = own
            if weights is not None:
                later = own + jnp.tensordot(weights, here.shares - first, axes=first.ndim)
            return (joint_of(others[player], moved), later), here.values[player]

        return jnp.mean(scan(step, (others, own), self.episodes)[1])


class _Remembered(NamedTuple):
    """W, and the shares of rounds of the last episode."""

    weights: Array
    counts: Array


class PlayShaper(AbstractLearner):
    """A trained policy on counts, at play: in every step it plays what it makes of the last episode.

    The policy comes from [`resolvent.numeric.train_shaper`][] with a [`resolvent.numeric.CountsMemory`][]; it does not
    learn any more. Its first episode is played by the parameters that it is given to start from: a trial's first is
    `policy.base`.

    **Arguments:**

    - `policy`: a [`resolvent.numeric.CountsPolicy`][] made for this game.

    Information: `change`, the norm of what it changes in its policy's logits.
    """

    policy: CountsPolicy

    def __check_init__(self) -> None:
        if not isinstance(self.policy, CountsPolicy):
            raise TypeError(
                f"policy: expected a CountsPolicy, as trained with CountsMemory(), got {type(self.policy).__name__}"
            )

    def _fields(self) -> list[tuple[str, Any]]:
        return [("policy", f"CountsPolicy of {self.policy.weights.size} weights")]

    def check(self, values: ValueFunction, player: int) -> None:
        game = _check(values)
        structure = game.structure
        counts = (structure.num_states, *structure.num_actions)
        if self.policy.weights.shape != (*values.shapes[player], *counts):
            raise ValueError(
                f"policy: made for another game, whose weights have shape {self.policy.weights.shape}; expected "
                f"{(*values.shapes[player], *counts)}"
            )

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        game = _check(values)
        own = game.stack(params)[player]
        change = self.policy(_shares(game, params, player)).astype(own.dtype) - own
        return like_entry(values, params, player, change), None, {"change": tree.norm(change)}


def _check(values: ValueFunction) -> CompiledValue:
    return check_play(
        values, "Shaper", "LILI, which needs nothing but values, or LOLA(variant='exact')"
    )


def _shares(game: CompiledValue, params: Tree, player: int) -> Array:
    """Shares of rounds, `(S, A_1, ..., A_n)`."""
    dense = by_tensors(game)
    return stationary(dense, arrays_of(dense), game.stack(params), player).shares
