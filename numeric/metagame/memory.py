r"""What a shaper remembers from one episode of a trial to the next, as exact objects.

- nodes of a stochastic controller: the node marginal $\mu_m$ is carried over, $\mu_{m+1} = (\mu_m \otimes p)' P_K^T$;
- transition counts of the last episode, $\theta_{m+1} = \theta + W n(N_m)$, with n the shares of rounds;
- a belief over the types that the co-players may be of, $\theta_{m+1} = \sum_k b_{m+1}(k) \, \theta^k$, with
  $\log b_{m+1}(k) = \log b_m(k) + B \langle N_m, \log \pi_m^k \rangle + \text{const}$.

The recurrent network of Khan et al. (2023), *Scaling opponent shaping to high dimensional games*, arXiv:2312.12568
(Shaper), has no exact value. These have, and stand for its context; so this is Shaper-style memory, not Shaper.
"""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric import tree
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner, as_nonnegative
from resolvent.numeric.metagame.context import counts_of, log_likelihood
from resolvent.numeric.metagame.controller_game import (
    ControllerGame,
    controller_shape,
    others_policies,
    split_controller,
)
from resolvent.numeric.play import Play, arrays_of

Tree = Any
Rules = tuple[AbstractLearner | None, ...]


class Setting(eqx.Module):
    """What a trial is about, for memories.

    **Attributes:** `values`, by tensors; `player`, who remembers; `rules`: the co-players', `None` for the player;
    `horizon`, `discounted`: of episodes; `starts`: the parameters that co-players may start from, one entry per
    player with a leading axis (the player's own is empty).
    """

    values: CompiledValue
    rules: Rules
    starts: tuple[Array, ...]
    player: int = eqx.field(static=True)
    horizon: int | None = eqx.field(static=True)
    discounted: bool = eqx.field(static=True)

    def game(self, nodes: Array, history: bool) -> ControllerGame:
        """An episode from a node marginal."""
        return ControllerGame(
            self.values, nodes, self.player, self.horizon, self.discounted, history
        )

    def joint(self, own: Array, others: tuple[Array, ...]) -> tuple[Array, ...]:
        """Everybody's parameters."""
        return (*others[: self.player], own, *others[self.player + 1 :])

    def counts(self, joint: tuple[Array, ...]) -> Array:
        """Counts of an episode of a memory-one player, whose logits are `(1, S, A - 1)`."""
        act, _ = split_controller(joint[self.player], self.values, self.player)
        policies = others_policies(self.values, joint, self.player)
        full = (*policies[: self.player], act[0], *policies[self.player + 1 :])
        return counts_of(Play(arrays_of(self.values), full), self.horizon, self.player)

    @property
    def co_players(self) -> tuple[int, ...]:
        """All others."""
        return tuple(j for j in range(self.values.num_players) if j != self.player)


class AbstractMemory(eqx.Module):
    """What is remembered between episodes, and how it is acted upon."""

    @abc.abstractmethod
    def policy(self, values: CompiledValue, player: int) -> Tree:
        """A policy of zeros: the parameters that a shaper with this memory has."""

    @abc.abstractmethod
    def begin(self, setting: Setting) -> Tree:
        """What is remembered before the first episode."""

    @abc.abstractmethod
    def play(self, setting: Setting, policy: Tree, memory: Tree) -> tuple[ControllerGame, Array]:
        """The episode to come, and the player's own parameters in it."""

    @abc.abstractmethod
    def after(
        self, setting: Setting, memory: Tree, game: ControllerGame, joint: tuple[Array, ...]
    ) -> Tree:
        """What is remembered after an episode that was played by `joint`."""


class ControllerMemory(AbstractMemory):
    """A stochastic controller of K nodes.

    Its state before an episode is the node marginal: exactly what is known of the node when the co-players learn from
    infinitely many parallel episodes, over which nodes are averaged at the boundary.

    **Arguments:**

    - `nodes`: K. With one node there is no context: the policy is stationary.
    - `context`: whether nodes are carried over; if not, every episode begins in the first node.
    - `history`: whether play within an episode depends on what happens there; if not, the player acts throughout as
        in the node in which it began, whatever the state.

    A policy is an array of logits `(K, S, A - 1 + K - 1)`, see [`resolvent.numeric.ControllerGame`][].
    """

    nodes: int = eqx.field(static=True, default=2)
    context: bool = eqx.field(static=True, default=True)
    history: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        check_count(self.nodes, "nodes", least=1)

    def policy(self, values: CompiledValue, player: int) -> Float[Array, "nodes states choices"]:
        return jnp.zeros(controller_shape(values, player, self.nodes))

    def begin(self, setting: Setting) -> Float[Array, " nodes"]:
        return jnp.zeros(self.nodes).at[0].set(1.0)

    def play(self, setting: Setting, policy: Array, memory: Array) -> tuple[ControllerGame, Array]:
        return setting.game(memory, self.history), policy

    def after(
        self, setting: Setting, memory: Array, game: ControllerGame, joint: tuple[Array, ...]
    ) -> Array:
        return game.episode(joint).nodes if self.context else self.begin(setting)


class CountsPolicy(NamedTuple):
    """A policy for the next episode from the counts of the last.

    **Fields:** `base`: logits `(S, A - 1)`, those of the first episode; `weights`: `(S, A - 1, S, A_1, ..., A_n)`, how
    they move with the share of rounds in which each joint action was played in each state.
    """

    base: Float[Array, "states choices"]
    weights: Float[Array, "states choices ..."]

    def __call__(self, shares: Float[Array, "states ..."]) -> Float[Array, "states choices"]:
        """The logits of the next episode."""
        return self.base + jnp.tensordot(self.weights, shares, axes=shares.ndim)


class CountsMemory(AbstractMemory):
    """Memory-one play whose logits are an affine function of the transition counts of the last episode.

    Counts tell what everybody plays wherever play has been, and nothing elsewhere: this is M-FOS that sees counts in
    place of parameters. Before the first episode there are none (all are 0).

    **Arguments:** `context`: whether counts are remembered; if not, this is a stationary policy. `history`: whether the
    policy may depend on the state; if not, the row of the first state is used in all.

    A policy is a [`resolvent.numeric.CountsPolicy`][].
    """

    context: bool = eqx.field(static=True, default=True)
    history: bool = eqx.field(static=True, default=True)

    def policy(self, values: CompiledValue, player: int) -> CountsPolicy:
        structure = values.structure
        shape = values.shapes[player]
        counts = (structure.num_states, *structure.num_actions)
        return CountsPolicy(jnp.zeros(shape), jnp.zeros((*shape, *counts)))

    def begin(self, setting: Setting) -> Float[Array, "states ..."]:
        structure = setting.values.structure
        return jnp.zeros((structure.num_states, *structure.num_actions))

    def play(
        self, setting: Setting, policy: CountsPolicy, memory: Array
    ) -> tuple[ControllerGame, Array]:
        return setting.game(jnp.ones(1), self.history), policy(memory)[None]

    def after(
        self, setting: Setting, memory: Array, game: ControllerGame, joint: tuple[Array, ...]
    ) -> Array:
        if not self.context:
            return memory
        counts = setting.counts(_acted(game, joint))
        return counts / counts.sum()


class _Belief(NamedTuple):
    """Log-probabilities of types; what the co-players would have come to if they were of each type, and
    what they would remember."""

    log: Array
    types: tuple[Array, ...]
    states: tuple[Tree, ...]


class BeliefMemory(AbstractMemory):
    """Memory-one play whose logits are mixed by the belief about who the co-players are.

    The types are the starts of the trial, all equally likely. The player knows how each would learn, so it follows all
    of them along, and after each episode changes the log-odds of two types by what the counts say of them, in
    expectation over the episodes. (A posterior's expectation would need the distribution of counts; log-odds are
    linear in them.)

    **Arguments:**

    - `episodes`: how many parallel episodes are observed before the belief changes, B; may be a fraction.
    - `history`: as of [`resolvent.numeric.CountsMemory`][].

    A policy is an array `(types, S, A - 1)`: the logits of one who is sure of a type.
    """

    episodes: Array = eqx.field(converter=as_nonnegative, default=1.0)
    history: bool = eqx.field(static=True, default=True)
    types: int = eqx.field(static=True, default=0)

    def policy(self, values: CompiledValue, player: int) -> Float[Array, "types states choices"]:
        if self.types < 1:
            raise ValueError("types: unknown before a trial; use trial.zeros")
        return jnp.zeros((self.types, *values.shapes[player]))

    def begin(self, setting: Setting) -> _Belief:
        game = setting.game(jnp.ones(1), self.history)
        own = jnp.zeros(game.shapes[setting.player])
        count = setting.starts[setting.co_players[0]].shape[0]

        def states(others: tuple[Array, ...]) -> tuple[Tree, ...]:
            joint = setting.joint(own, others)
            return tuple(
                None if rule is None else rule.init(game, joint, j)
                for j, rule in enumerate(setting.rules)
            )

        even = jnp.full(count, -jnp.log(float(count)))
        return _Belief(even, setting.starts, jax.vmap(states)(setting.starts))

    def play(
        self, setting: Setting, policy: Array, memory: _Belief
    ) -> tuple[ControllerGame, Array]:
        own = jnp.tensordot(jnp.exp(memory.log), policy, axes=1)
        return setting.game(jnp.ones(1), self.history), own[None]

    def after(
        self, setting: Setting, memory: _Belief, game: ControllerGame, joint: tuple[Array, ...]
    ) -> _Belief:
        counts = setting.counts(_acted(game, joint))
        own = joint[setting.player]
        players = setting.co_players

        def one(others: tuple[Array, ...], states: tuple[Tree, ...]) -> tuple[Any, ...]:
            imagined = setting.joint(own, others)
            policies = others_policies(setting.values, imagined, setting.player)
            likely = log_likelihood(counts, [policies[j] for j in players], players)
            moved, after = advance(setting.rules, game, imagined, states)
            return likely, setting.joint(others[setting.player], moved), after

        likely, types, states = jax.vmap(one)(memory.types, memory.states)
        log = jax.nn.log_softmax(memory.log + self.episodes * likely)
        return _Belief(log, types, states)


def advance(
    rules: Rules, game: ControllerGame, joint: tuple[Array, ...], states: tuple[Tree, ...]
) -> tuple[tuple[Array, ...], tuple[Tree, ...]]:
    """All co-players learn from an episode; who has no rule stays."""
    moved, after = [], []
    for j, (rule, state) in enumerate(zip(rules, states, strict=True)):
        if rule is None:
            moved.append(joint[j])
            after.append(state)
            continue
        update, new, _ = rule.update(game, joint, j, state)
        moved.append(tree.add(joint[j], update))
        after.append(new)
    return tuple(moved), tuple(after)


def _acted(game: ControllerGame, joint: tuple[Array, ...]) -> tuple[Array, ...]:
    """`joint`, with what a player without history does in every state."""
    if game.history:
        return joint
    own = joint[game.player]
    return (
        *joint[: game.player],
        jnp.broadcast_to(own[:, :1], own.shape),
        *joint[game.player + 1 :],
    )
