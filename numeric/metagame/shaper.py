r"""Trials: what a player with memory gains over episodes against co-players who learn from each.

With the memory $h_m$ and the co-players' parameters $\theta_m$ before episode m,

$$ J(\phi) = \frac{\sum_{m < E} \Gamma^m \, V_i(\phi, h_m, \theta_m)}{\sum_{m < E} \Gamma^m}, \qquad
   \theta_{m+1} = U(\phi, h_m, \theta_m), \qquad h_{m+1} = H(\phi, h_m, \theta_m), $$

averaged over a fixed list of starts $\theta_0$. Everything is exact: values, the co-players' gradients, the memory, and
the derivative of J through all of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.decision import index_of
from resolvent.numeric.learners.learner import AbstractLearner, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.context import check_horizon
from resolvent.numeric.metagame.memory import (
    AbstractMemory,
    BeliefMemory,
    ControllerMemory,
    Rules,
    Setting,
    advance,
)
from resolvent.numeric.metagame.trial_records import CHAOTIC, TRIAL, TrialGradient, TrialRun
from resolvent.numeric.play import check_play
from resolvent.numeric.scan import Memory, check_memory, scan

Tree = Any


class _Followed(NamedTuple):
    payoffs: Array
    memories: Tree
    params: tuple[Array, ...]
    end: tuple[Array, ...]


class ShaperTrial(eqx.Module):
    """A trial as an object; see [`resolvent.numeric.shaper_trial`][]. Call it with a policy for the payoff.

    **Attributes:** `setting`: game, player, the co-players' rules and starts; `memory`: what is remembered; `discount`:
    $\\Gamma$; `episodes`; `learning`: after how many episodes the co-players stop learning; `keep`, `truncate`: of
    backward passes.
    """

    setting: Setting
    memory: AbstractMemory
    discount: Array
    episodes: int = eqx.field(static=True)
    learning: int = eqx.field(static=True)
    keep: Memory = eqx.field(static=True)
    truncate: int | None = eqx.field(static=True)

    @property
    def zeros(self) -> Tree:
        """A policy of zeros, of the structure that a policy of this trial has."""
        return self.memory.policy(self.setting.values, self.setting.player)

    def random(self, key: Array, scale: float = 1.0) -> Tree:
        """A policy of independent normal numbers: nodes that are all alike would stay so."""
        leaves, structure = jax.tree.flatten(self.zeros)
        keys = jax.random.split(key, len(leaves))
        drawn = [
            scale * jax.random.normal(own, leaf.shape, leaf.dtype)
            for own, leaf in zip(keys, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, drawn)

    def __call__(self, policy: Tree) -> Float[Array, ""]:
        """J: the player's payoff per episode, mean over starts, in the units of the values."""
        return self._mean(self._played(policy).payoffs)

    def _mean(self, payoffs: Array) -> Array:
        weights = self.discount ** jnp.arange(self.episodes)
        return payoffs[:, :, self.setting.player].mean(axis=0) @ weights / weights.sum()

    def play(self, policy: Tree) -> TrialRun:
        """What happens in every episode."""
        policy = self.check(policy)
        found = self._played(policy)
        player = self.setting.player
        params = tuple(
            np.asarray(own) if j == player else np.concatenate([own, found.end[j][:, None]], axis=1)
            for j, own in enumerate(found.params)
        )
        return TrialRun(
            np.asarray(found.payoffs),
            jax.tree.map(np.asarray, found.memories),
            params,
            player,
            float(self._mean(found.payoffs)),
            self.setting.values.name,
        )

    def gradient(self, policy: Tree) -> TrialGradient:
        """The derivative of J through the co-players' learning, refused where that is chaotic."""
        policy = self.check(policy)
        payoff, total, own = self._slopes(policy)
        sensitivity = float(self.sensitivity(policy))
        finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((payoff, total)))
        if not finite or not np.isfinite(sensitivity) or sensitivity > CHAOTIC:
            status = TRIAL.chaotic if finite or sensitivity > CHAOTIC else TRIAL.nonfinite
            return TrialGradient(float(payoff), None, None, None, sensitivity, status)
        shaping = jax.tree.map(jnp.subtract, total, own)
        return TrialGradient(float(payoff), total, own, shaping, sensitivity, TRIAL.successful)

    @eqx.filter_jit
    def _played(self, policy: Tree) -> _Followed:
        return jax.vmap(lambda start: self._follow(policy, start))(self.setting.starts)

    @eqx.filter_jit
    def _slopes(self, policy: Tree) -> tuple[Array, Tree, Tree]:
        """J, its derivative, and the same with the co-players held where they are."""

        def payoff(policy: Tree, share: Array) -> Array:
            follow = jax.vmap(lambda start: self._follow(policy, start, share))
            return self._mean(follow(self.setting.starts).payoffs)

        # One program for both: of how much of the co-players' learning the derivative is taken.
        both = jax.vmap(jax.value_and_grad(payoff), in_axes=(None, 0))
        worth, slopes = both(policy, jnp.array([1.0, 0.0]))
        total, own = (jax.tree.map(lambda leaf, k=k: leaf[k], slopes) for k in (0, 1))
        return worth[0], total, own

    @eqx.filter_jit
    def sensitivity(self, policy: Tree) -> Float[Array, ""]:
        """How much the co-players' end moves with their start, at most over starts: a spectral norm."""
        player = self.setting.player

        def one(start: tuple[Array, ...]) -> Array:
            flat, back = jax.flatten_util.ravel_pytree(start)

            def end(z: Array) -> Array:
                found = self._follow(policy, back(z)).end
                others = [own for j, own in enumerate(found) if j != player]
                return jax.flatten_util.ravel_pytree(others)[0]

            return jnp.linalg.norm(jax.jacfwd(end)(flat), 2)

        return jax.vmap(one)(self.setting.starts).max()

    def check(self, policy: Tree) -> Tree:
        """`policy` as arrays. **Raises:** `ValueError` where it is none of this trial."""
        expected = self.zeros
        if jax.tree.structure(policy) != jax.tree.structure(expected):
            raise ValueError(
                f"policy: expected {type(expected).__name__} as trial.zeros, got {type(policy).__name__}"
            )
        arrays = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), policy)
        for own, like in zip(jax.tree.leaves(arrays), jax.tree.leaves(expected), strict=True):
            if own.shape != like.shape:
                raise ValueError(f"policy: expected shape {like.shape}, got {own.shape}")
            if not bool(jnp.isfinite(own).all()):
                raise ValueError("policy: expected finite numbers")
        return arrays

    def _follow(
        self, policy: Tree, start: tuple[Array, ...], share: Array | None = None
    ) -> _Followed:
        """One start, all episodes; a `share` of the derivative through the co-players' learning, by default all."""
        setting, memory = self.setting, self.memory
        begun = memory.begin(setting)
        game, own = memory.play(setting, policy, begun)
        joint = setting.joint(own, start)
        states = tuple(
            None if rule is None else rule.init(game, joint, j)
            for j, rule in enumerate(setting.rules)
        )

        def step(carry: Tree, index: Array) -> tuple[Tree, Tree]:
            remembered, others, states = carry
            game, own = memory.play(setting, policy, remembered)
            joint = setting.joint(own, others)
            moved, after = advance(setting.rules, game, joint, states)
            if share is not None:
                rest = 1 - share
                moved = jax.tree.map(
                    lambda leaf: share * leaf + rest * lax.stop_gradient(leaf), moved
                )
            moved = setting.joint(others[setting.player], moved)
            if self.learning < self.episodes:
                going = index < self.learning
                moved, after = jax.tree.map(
                    lambda new, old: jnp.where(going, new, old), (moved, after), (others, states)
                )
            known = memory.after(setting, remembered, game, joint)
            return (known, moved, after), (game(joint), remembered, joint)

        carry = (begun, start, states)
        last, outputs = scan(step, carry, self.episodes, self.keep, self.truncate)
        payoffs, memories, params = outputs
        return _Followed(payoffs, memories, params, last[1])

    def __repr__(self) -> str:
        count = self.setting.starts[self.setting.co_players[0]].shape[0]
        rules = ", ".join(dict.fromkeys(repr(r) for r in self.setting.rules if r is not None))
        return (
            f"ShaperTrial({self.setting.values.name}, player {self.setting.player + 1} with {self.memory!r}, "
            f"{self.episodes} episodes against {rules}, {count} starts)"
        )


def shaper_trial(
    values: ValueFunction,
    learners: AbstractLearner | Sequence[AbstractLearner | None],
    starts: Sequence[Any],
    episodes: int,
    *,
    player: int = 0,
    memory: AbstractMemory | None = None,
    horizon: int | None = None,
    discounted: bool = True,
    discount: float = 1.0,
    learning: int | None = None,
    keep: Memory = "steps",
    truncate: int | None = None,
) -> ShaperTrial:
    """A trial of several episodes, in which one player remembers and the others learn.

    What Shaper is trained on: Khan et al. (2023), *Scaling opponent shaping to high dimensional games*,
    arXiv:2312.12568. There play, episodes and evolution are sampled; here nothing is.

    **Arguments:**

    - `values`: a compiled game in which all players see the state, with a discount below 1. Rates of learners are on
        its scale.
    - `learners`: the co-players' rule, one for all or one entry per player (`None`, or anything, for the player).
        Rules that need no more than derivatives can learn against a controller.
    - `starts`: the co-players' parameters before the first episode: one entry per player (the player's own is ignored
        and may be `None`), each with a leading axis: a fixed list of starts. They are part of the problem.
    - `episodes`: E.
    - `player`: who remembers.
    - `memory`: a [`resolvent.numeric.ControllerMemory`][] (default, 2 nodes), [`resolvent.numeric.CountsMemory`][]
        or [`resolvent.numeric.BeliefMemory`][].
    - `horizon`: rounds of an episode; `None`: it goes on after each round with probability g, the player's discount.
    - `discounted`: whether later rounds of a finite episode count less, for all.
    - `discount`: $\\Gamma$, between episodes, in [0, 1]; 1 for the plain mean.
    - `learning`: after how many episodes the co-players stop learning (hard stop); `None`: never.
    - `keep`: what a backward pass keeps, `"all"`, `"steps"` or `"blocks"`.
    - `truncate`: derivatives go through windows of so many episodes only.

    **Returns:** a [`resolvent.numeric.ShaperTrial`][], a differentiable function of the player's policy.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    game = check_play(values, "shaper_trial", "a meta-game of parameters")
    count = game.num_players
    player = index_of(player, "player", count)
    if count < 2:
        raise ValueError("values: a trial needs co-players, and there are none")
    if horizon is None and not discounted:
        raise ValueError("discounted: episodes without a horizon end by the discount; give one")
    gamma = as_nonnegative(discount)
    if gamma.shape != () or float(gamma) > 1:
        raise ValueError(f"discount: expected a number from 0 to 1, got {discount!r}")
    memory = ControllerMemory() if memory is None else memory
    if not isinstance(memory, AbstractMemory):
        raise TypeError(f"memory: expected a memory such as ControllerMemory(2), got {memory!r}")
    given = check_starts(starts, game.shapes, player)
    size = given[player - 1].shape[0]
    if isinstance(memory, BeliefMemory):
        memory = dataclasses.replace(memory, types=size)
    dense = by_tensors(game)
    rules = _check_rules(learners, count, player)
    setting = Setting(dense, rules, given, player, check_horizon(horizon), discounted)
    trial = ShaperTrial(
        setting,
        memory,
        gamma,
        check_count(episodes, "episodes", least=1),
        check_count(episodes if learning is None else learning, "learning", least=0),
        check_memory(keep),
        None if truncate is None else check_count(truncate, "truncate", least=1),
    )
    played, _ = trial.memory.play(setting, trial.zeros, trial.memory.begin(setting))
    for j, rule in enumerate(rules):
        if rule is not None:
            rule.check(played, j)
    return trial


def _check_rules(learners: Any, count: int, player: int) -> Rules:
    if isinstance(learners, AbstractLearner):
        learners = (learners,) * count
    if not isinstance(learners, Sequence) or len(learners) != count:
        raise ValueError(
            f"learners: expected one for all co-players or one entry for each of {count} players, got {learners!r}"
        )
    for j, rule in enumerate(learners):
        if j != player and not isinstance(rule, AbstractLearner):
            raise TypeError(f"learners[{j}]: expected a learner, got {rule!r}")
    return tuple(None if j == player else rule for j, rule in enumerate(learners))


def check_starts(
    starts: Any, shapes: tuple[tuple[int, ...], ...], player: int
) -> tuple[Array, ...]:
    if not isinstance(starts, (tuple, list)) or len(starts) != len(shapes):
        raise ValueError(
            f"starts: expected one entry for each of {len(shapes)} players, got {type(starts).__name__}"
        )
    arrays: list[Array] = []
    for j, (own, shape) in enumerate(zip(starts, shapes, strict=True)):
        if j == player:
            arrays.append(jnp.zeros(0))
            continue
        array = jnp.asarray(own, float)
        if array.shape[1:] != shape or array.ndim != len(shape) + 1 or not array.shape[0]:
            raise ValueError(f"starts[{j}]: expected shape (starts, *{shape}), got {array.shape}")
        if not bool(jnp.isfinite(array).all()):
            raise ValueError(f"starts[{j}]: expected finite numbers")
        arrays.append(array)
    sizes = {own.shape[0] for j, own in enumerate(arrays) if j != player}
    if len(sizes) > 1:
        raise ValueError(f"starts: expected the same number for all co-players, got {sizes}")
    # The player's own place is taken by an empty array for each start.
    arrays[player] = jnp.zeros((*sizes, 0))
    return tuple(arrays)
