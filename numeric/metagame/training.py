"""Improve a meta-policy: along its exact gradient, or by evolution where that means nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.numeric import tree
from resolvent.numeric.checks import check_count
from resolvent.numeric.metagame.conditioning import Slope, growths
from resolvent.numeric.metagame.evolution import evolve
from resolvent.numeric.metagame.meta_game import MetaGame
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.run import scale_name

Tree = Any
Method = Literal["adam", "evolution"]


class META_TRAINING(eqx.Enumeration):
    """How training ended; each member is its message, `META_TRAINING[status]`."""

    successful = "all steps were done"
    chaotic = (
        "stopped: small changes grow beyond the limit of the game along the way, so that the next gradient would say "
        'nothing about where the objective increases; train with method="evolution", or make the game with '
        "meta_game(..., truncate=10)"
    )
    nonfinite = "stopped at the last meta-policy whose objective and gradient were finite"
    interrupted = "interrupted before all steps were done"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MetaTraining:
    """What came of improving a meta-policy.

    **Fields:**

    - `policy`: the last one; of evolution the best that was found.
    - `values`: J of the player at each step, on the starts of that step, before it is made, `(steps done,)`; of
        evolution the best of each generation.
    - `growth`: the largest growth of small changes where it was measured, and `measured`, before which steps. Empty for
        evolution, which needs no derivatives.
    - `status`, `steps`, `method`.
    - `game`: what was played.
    """

    policy: AbstractMetaPolicy
    values: NDArray[np.floating]
    growth: NDArray[np.floating]
    measured: NDArray[np.integer]
    status: META_TRAINING
    steps: int
    method: Method
    game: MetaGame

    @property
    def successful(self) -> bool:
        return bool(self.status == META_TRAINING.successful)

    @property
    def steps_done(self) -> int:
        return len(self.values)

    def summary(self) -> str:
        """To read."""
        scale = scale_name(getattr(self.game.values, "normalise", None))
        text = f"{self.steps_done:,} of {self.steps:,} steps of {self.method}: {self.game!r}"
        if self.steps_done:
            text += (
                f"\n  value ({scale}): {self.values[0]:.6g} at first, {self.values[-1]:.6g} at last"
            )
        if self.growth.size:
            text += f"\n  largest growth of small changes where measured: {self.growth.max():.3g}"
        return f"{text}\n  {META_TRAINING[self.status]}"

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"MetaTraining({self.steps_done} of {self.steps} steps of {self.method}, {META_TRAINING[self.status]!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw J over the steps.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        ax.plot(self.values)
        scale = scale_name(getattr(self.game.values, "normalise", None))
        ax.set(xlabel=f"step of {self.method}", ylabel=f"value ({scale})")
        ax.set_title(self.game.values.name)
        return ax


def train(
    game: MetaGame,
    policy: AbstractMetaPolicy,
    steps: int,
    *,
    method: Method = "adam",
    rate: float = 2e-3,
    batch: int | None = None,
    check_every: int = 25,
    key: Array | None = None,
    population: int | None = None,
    deviation: float = 0.5,
    progress: bool | AbstractMeter = False,
) -> MetaTraining:
    """Improve a meta-policy against the learners of a meta-game.

    **Arguments:**

    - `game`: made by [`resolvent.numeric.meta_game`][].
    - `policy`: the meta-policy to begin with.
    - `steps`: of Adam, or generations of evolution.
    - `method`: `"adam"` ascends the exact gradient through all steps (or the windows of `truncate`), and needs optax,
        `pip install 'resolvent[networks]'`. `"evolution"` is CMA-ES on the exact objective, and needs no
        derivative: for chaotic learners such as LOLA. It needs cma, `pip install 'resolvent[evolution]'`.
    - `rate`: Adam's step, in units of the meta-policy's arrays: it does not depend on the scale of the values.
    - `batch`: how many of the game's starts each step is computed on, in turn; it must divide their number. Default:
        all.
    - `check_every`: the growth of small changes is measured before every so many steps of Adam, on the starts of the
        next one; it costs about as many forward runs as there are parameters.
    - `key`: of evolution: all that is random.
    - `population`: of evolution: candidates per generation, all evaluated in one compiled call. Default: CMA-ES's.
    - `deviation`: of evolution: of the first candidates, in units of the meta-policy's arrays.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.MetaTraining`][]. It stops, and its status says so, before a gradient through
    chaotic dynamics would be followed, and where something is not finite. Ctrl-C ends it early and returns what is
    done.

    **Raises:** `ValueError` or `TypeError`, naming the argument; `ImportError` where a package is missing.
    """
    if not isinstance(game, MetaGame):
        raise TypeError(f"game: expected a MetaGame, made by meta_game, got {game!r}")
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {get_args(Method)}, got {method!r}")
    if not isinstance(policy, AbstractMetaPolicy):
        raise TypeError(
            f"policy: expected a meta-policy, such as constant_policy(values), got {policy!r}"
        )
    game.seats(policy)
    steps = check_count(steps, "steps", least=1)
    size = game.num_starts if batch is None else check_count(batch, "batch", least=1)
    if game.num_starts % size:
        raise ValueError(f"batch: expected a divisor of the {game.num_starts} starts, got {size}")
    meter = meter_of(progress)
    if method == "evolution":
        if key is None:
            raise ValueError(
                "key: evolution is random; give a JAX key, such as key=jax.random.key(0)"
            )
        found, best, state = evolve(
            game,
            policy,
            steps,
            size,
            key,
            population,
            check_positive(deviation, "deviation"),
            meter,
        )
        none = np.zeros(0)
        return MetaTraining(
            found, best, none, none.astype(int), getattr(META_TRAINING, state), steps, method, game
        )  # fmt: skip
    return _adam(
        game,
        policy,
        steps,
        check_positive(rate, "rate"),
        size,
        check_count(check_every, "check_every", least=1),
        meter,
    )


def check_positive(number: Any, name: str) -> float:
    """**Raises:** `ValueError` for anything but a finite number above 0."""
    good = isinstance(number, (int, float, np.number)) and not isinstance(number, bool)
    if not good or not 0 < float(number) < np.inf:
        raise ValueError(f"{name}: expected a number above 0, got {number!r}")
    return float(number)


def _adam(
    game: MetaGame,
    policy: AbstractMetaPolicy,
    steps: int,
    rate: float,
    size: int,
    check_every: int,
    meter: AbstractMeter,
) -> MetaTraining:
    slope = GameSlope(Slope(game), size)
    trained, rest = eqx.partition(policy, eqx.is_inexact_array)

    def measure(own: Tree, step: int) -> float:
        seats = game.seats(eqx.combine(own, rest))
        growth, finite = growths(game, seats, slope.starts_of(step))
        return float(growth.max()) if finite.all() else np.nan

    ascent = ascend(
        slope, trained, rest, steps, rate, check_every, measure, float(game.limit), meter, game.values.name
    )  # fmt: skip
    return MetaTraining(
        policy=eqx.combine(ascent.trained, rest),
        values=ascent.values[:, 0],
        growth=ascent.growth,
        measured=ascent.measured,
        status=ascent.status,
        steps=steps,
        method="adam",
        game=game,
    )


class GameSlope(eqx.Module):
    """J and its gradient on the starts of a step, which are taken in turn."""

    slope: Slope
    size: int = eqx.field(static=True)

    def starts_of(self, step: Any) -> tuple[Array, ...]:
        game = self.slope.game
        first = (step % (game.num_starts // self.size)) * self.size
        return tuple(lax.dynamic_slice_in_dim(own, first, self.size) for own in game.starts)

    def __call__(self, trained: Tree, rest: Tree, step: Array, total: Array) -> tuple[Array, Tree]:
        value, gradient = self.slope(trained, rest, self.starts_of(step))
        return value[None], gradient


# Ascent by Adam ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class Ascent:
    """What came of ascending: the last finite point; values at each step, `(steps done, k)`; and as `MetaTraining`."""

    trained: Tree
    values: NDArray[np.floating]
    growth: NDArray[np.floating]
    measured: NDArray[np.integer]
    status: META_TRAINING


class Climb(eqx.Module):
    """Where an ascent is: `failed` once a value or a gradient was not finite."""

    trained: Tree
    adam: Tree
    failed: Array


@lru_cache(maxsize=1)
def _rule() -> Any:
    try:
        import optax
    except ImportError as error:
        raise ImportError(
            "method=\"adam\" needs optax: pip install 'resolvent[networks]'"
        ) from error
    return optax.scale_by_adam()


def ascend(
    slope: Any,
    trained: Tree,
    rest: Tree,
    steps: int,
    rate: float,
    every: int,
    measure: Callable[[Tree, int], float],
    limit: float,
    meter: AbstractMeter,
    label: str,
) -> Ascent:
    """Follow gradients by Adam, in compiled calls of `every` steps.

    **Arguments:** `slope`: `(trained, rest, step, steps)` to `(k,)` values and what is ascended, like `trained`;
    `measure`: the growth before a step, NaN where payoffs are not finite; beyond the `limit` the ascent stops.
    """
    now = Climb(trained, _rule().init(trained), jnp.asarray(False))
    values: list[NDArray[np.floating]] = []
    growth: list[float] = []
    measured: list[int] = []
    done, status = 0, META_TRAINING.successful
    meter.open(steps, label)
    try:
        while done < steps:
            size = measure(now.trained, done)
            growth.append(size)
            measured.append(done)
            if not size <= limit:
                status = META_TRAINING.nonfinite if np.isnan(size) else META_TRAINING.chaotic
                break
            count = min(every, steps - done)
            after, record, whole = _climb(slope, now, rest, done, count, steps, rate, every)
            record = np.asarray(record)[: int(whole)]
            # Replaced together, so that an interrupt finds them of the same step.
            now, done = after, done + len(record)
            values.append(record)
            meter.show(done)
            if now.failed:
                status = META_TRAINING.nonfinite
                break
    except KeyboardInterrupt:
        status = META_TRAINING.interrupted
    finally:
        meter.close()
    table = np.concatenate(values) if values else np.zeros((0, 1))
    return Ascent(now.trained, table, np.array(growth), np.array(measured, int), status)


@eqx.filter_jit
def _climb(
    slope: Any,
    now: Climb,
    rest: Tree,
    first: Any,
    count: Any,
    steps: Any,
    rate: Any,
    capacity: int,
) -> tuple[Climb, Array, Array]:
    """`count` steps of Adam from step `first` on; values are kept of those whose values and gradients are finite."""
    first, count, steps = (jnp.asarray(own) for own in (first, count, steps))
    width = eqx.filter_eval_shape(slope, now.trained, rest, first, steps)[0].shape[0]

    def step(k: Array, carry: tuple[Climb, Array, Array]) -> tuple[Climb, Array, Array]:
        now, record, whole = carry
        value, gradient = slope(now.trained, rest, first + k, steps)
        good = ~now.failed & jnp.isfinite(value).all() & tree.all_finite(gradient)
        moves, state = _rule().update(gradient, now.adam)
        moved = tree.axpy(rate, moves, now.trained)
        after = Climb(
            tree.where(good, moved, now.trained), tree.where(good, state, now.adam), ~good
        )
        return after, record.at[k].set(value), whole + good

    empty = jnp.zeros((capacity, width))
    return lax.fori_loop(0, count, step, (now, empty, jnp.zeros((), int)))
