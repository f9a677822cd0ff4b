r"""Meta self-play, and the schedule that leads to it from naive opponents, in two forms.

$$ H_i^\lambda(\vartheta) = \lambda \, J_i(\vartheta_i; \text{naive others}) +
   (1 - \lambda) \, J_i(\vartheta_1, \dots, \vartheta_n) $$

`anneal`: all ascend the gradients of their $H_i^\lambda$ at the same time while $\lambda$ falls from 1 to 0, the scheme
of Lu et al. (2022), arXiv:2205.01447, in expectation: there a coin of probability $\lambda$ decides, for each episode,
whether the others are naive. It drifts, and passes bifurcations without a word: it is no tracing procedure.

`trace`: for constant meta-policies, the solutions of $\nabla_i H_i^\lambda + \rho \nabla_i B_i = 0$ for all i are
followed as a curve in $\lambda$, turning points included. $B_i$, the mean over actions of log-probabilities, summed
over states, keeps policies inside: without it optima are pure, at infinite logits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.numeric.checks import check_count
from resolvent.numeric.metagame.conditioning import conditioning
from resolvent.numeric.metagame.meta_game import MetaGame, Seat, worth
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy
from resolvent.numeric.metagame.slopes import slopes
from resolvent.numeric.metagame.training import META_TRAINING, ascend, check_positive
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.run import scale_name

Tree = Any
Schedule = Literal["anneal", "none"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MetaSelfPlay:
    """What came of meta-policies that learn against each other.

    **Fields:**

    - `policies`: the last ones, one per player.
    - `objectives`: $H_i^\\lambda$ at each step, before it is made, `(steps done, n)`.
    - `weight`: $\\lambda$ at each step.
    - `payoffs`: of all players in self-play at the end, J, `(n,)`, in units of the values.
    - `growth`, `measured`: the largest growth of small changes in self-play where it was measured, and before which
        steps.
    - `status`, `steps`, `game`.
    """

    policies: tuple[AbstractMetaPolicy, ...]
    objectives: NDArray[np.floating]
    weight: NDArray[np.floating]
    payoffs: NDArray[np.floating]
    growth: NDArray[np.floating]
    measured: NDArray[np.integer]
    status: META_TRAINING
    steps: int
    game: MetaGame

    @property
    def successful(self) -> bool:
        return bool(self.status == META_TRAINING.successful)

    @property
    def steps_done(self) -> int:
        return len(self.objectives)

    def summary(self) -> str:
        """To read."""
        scale = scale_name(getattr(self.game.values, "normalise", None))
        text = (
            f"meta self-play, {self.steps_done:,} of {self.steps:,} steps: {self.game.values.name}"
        )
        if len(self.weight):
            text += f", lambda from {self.weight[0]:.3g} to {self.weight[-1]:.3g}"
        payoffs = ", ".join(f"{own:.6g}" for own in self.payoffs)
        return f"{text}\n  payoffs at the end ({scale}): {payoffs}\n  {META_TRAINING[self.status]}"

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"MetaSelfPlay({self.steps_done} of {self.steps} steps, {META_TRAINING[self.status]!r})"
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the objectives over the steps, and lambda.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        for player, own in enumerate(self.objectives.T, 1):
            ax.plot(own, label=f"player {player}")
        ax.plot(self.weight, "k:", label="share of naive opponents")
        ax.set(xlabel="step", ylabel="objective")
        ax.set_title(self.game.values.name)
        ax.legend()
        return ax


def meta_self_play(
    game: MetaGame,
    policies: Sequence[AbstractMetaPolicy],
    steps: int,
    *,
    schedule: Schedule = "anneal",
    fall: float = 0.65,
    rate: float = 1e-3,
    batch: int | None = None,
    check_every: int = 25,
    progress: bool | AbstractMeter = False,
) -> MetaSelfPlay:
    """Let all players improve their meta-policies against each other, by simultaneous ascent of exact gradients.

    **Arguments:**

    - `game`: its learners, one for every player, are the opponents at $\\lambda = 1$; naive ones in the paper.
    - `policies`: the meta-policies to begin with, one per player.
    - `steps`: of Adam; needs optax, `pip install 'resolvent[networks]'`.
    - `schedule`: `"anneal"`: $\\lambda$ falls linearly from 1 to 0; `"none"`: it is 0 throughout.
    - `fall`: the share of the steps at which $\\lambda$ arrives at 0. About 0.65 in the paper: 667 of 1024.
    - `rate`, `batch`, `check_every`, `progress`: as of [`resolvent.numeric.train`][].

    What is reached depends on the speed. In the iterated prisoner's dilemma networks of 256 units, 2,048 starts of
    which 32 are taken in turn and 1,000 steps arrive at cooperation; after 600, with $\\lambda$ falling faster, some
    are still moving. `meta_game(..., memory="all")` is fastest.

    **Returns:** a [`resolvent.numeric.MetaSelfPlay`][]. The gradient of a player goes through the reactions of the
    others' meta-policies. It is stopped, by its status, where small changes grow beyond the limit of the game.
    """
    if schedule not in get_args(Schedule):
        raise ValueError(
            f"schedule: expected one of {get_args(Schedule)}, got {schedule!r} "
            "(for a path of solutions of constant meta-policies use meta_trace)"
        )
    seats = game.seats(policies)
    for player, own in enumerate(policies):
        if not isinstance(own, AbstractMetaPolicy):
            raise TypeError(f"policies[{player}]: expected a meta-policy, got {own!r}")
    check_learners(game)
    steps = check_count(steps, "steps", least=1)
    size = game.num_starts if batch is None else check_count(batch, "batch", least=1)
    if game.num_starts % size:
        raise ValueError(f"batch: expected a divisor of the {game.num_starts} starts, got {size}")
    share = 0.0 if schedule == "none" else check_positive(fall, "fall")
    slope = _SelfPlaySlope(game, jnp.asarray(share), size)
    trained, rest = eqx.partition(tuple(policies), eqx.is_inexact_array)

    def measure(own: Tree, step: int) -> float:
        at = eqx.tree_at(lambda g: g.starts, game, slope.starts_of(step))
        found = conditioning(at, eqx.combine(own, rest))
        return float(found.growth.max()) if found.finite.all() else np.nan

    ascent = ascend(
        slope,
        trained,
        rest,
        steps,
        check_positive(rate, "rate"),
        check_count(check_every, "check_every", least=1),
        measure,
        float(game.limit),
        meter_of(progress),
        game.values.name,
    )
    ended = eqx.combine(ascent.trained, rest)
    done = len(ascent.values)
    return MetaSelfPlay(
        policies=ended,
        objectives=ascent.values[:, : len(seats)],
        weight=np.asarray(slope.weight(np.arange(done), steps)),
        payoffs=np.asarray(game.payoffs(ended)),
        growth=ascent.growth,
        measured=ascent.measured,
        status=ascent.status,
        steps=steps,
        game=game,
    )


def check_learners(game: MetaGame) -> None:
    """**Raises:** `ValueError` unless every player has a learner to take its seat."""
    for player, rule in enumerate(game.learners):
        if rule is None:
            raise ValueError(
                f"game: meta self-play needs a learner for every player, and player {player} has none"
            )


def naive_worth(
    game: MetaGame, policy: AbstractMetaPolicy, player: int, start: tuple[Array, ...]
) -> Float[Array, ""]:
    """J of a player's meta-policy among the game's learners, from one start."""
    return worth(game, among_learners(game, policy, player), start)[player]


def among_learners(game: MetaGame, policy: AbstractMetaPolicy, player: int) -> tuple[Seat, ...]:
    """A meta-policy of one player, and the game's learners in all other seats."""
    seats: Any = tuple(policy if j == player else own for j, own in enumerate(game.learners))
    return seats


class _SelfPlaySlope(eqx.Module):
    """The objectives of all players, and of each the gradient by its own meta-policy."""

    game: MetaGame
    fall: Array
    size: int = eqx.field(static=True)

    def weight(self, step: Any, steps: Any) -> Array:
        """$\\lambda$ at a step."""
        falling = 1 - jnp.asarray(step) / jnp.maximum(self.fall * steps, 1e-300)
        return jnp.where(self.fall > 0, jnp.clip(falling, 0, 1), 0.0)

    def starts_of(self, step: Any) -> tuple[Array, ...]:
        first = (step % (self.game.num_starts // self.size)) * self.size
        return tuple(lax.dynamic_slice_in_dim(own, first, self.size) for own in self.game.starts)

    def __call__(self, trained: Tree, rest: Tree, step: Array, total: Array) -> tuple[Array, Tree]:
        share, starts = self.weight(step, total), self.starts_of(step)
        players = range(len(trained))

        policies = eqx.combine(trained, rest)

        def naive() -> tuple[Array, Tree]:
            found = [
                slopes(self.game, among_learners(self.game, policies[i], i), starts)
                for i in players
            ]
            return (
                jnp.stack([payoffs[i] for i, (payoffs, _) in enumerate(found)]),
                tuple(gradients[i] for i, (_, gradients) in enumerate(found)),
            )

        def part(found: Any, weight: Array) -> tuple[Array, Tree]:
            """Not computed where its weight is 0."""
            none = jnp.zeros(len(trained)), jax.tree.map(jnp.zeros_like, trained)
            return jax.tree.map(
                lambda leaf: weight * leaf, lax.cond(weight > 0, found, lambda: none)
            )

        first = part(naive, share)
        second = part(lambda: slopes(self.game, policies, starts), 1 - share)
        return jax.tree.map(jnp.add, first, second)
