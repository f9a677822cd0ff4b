r"""From "the others are naive" to self-play: the schedule of opponents as a path of fixed points.

Let $u_j(\theta)$ be the update that learner j makes at the joint parameters $\theta$, and $n_j(\theta)$ that of a naive
learner in its place. Player i keeps its rule while the rules of the others are blended,

$$ u_i(\theta^*) = 0, \qquad
   (1 - \lambda) \, u_j(\theta^*) + \lambda \, n_j(\theta^*) = 0 \quad (j \ne i), $$

from $\lambda = 1$, a learner among naive ones, to $\lambda = 0$, where all play their own rules. Where this system
is regular its solutions lie on curves, and the one through a given start is followed. In training, M-FOS (Lu et al.
2022, arXiv:2205.01447) lets the share of naive opponents fall in the same way, an idea that it takes from the tracing
procedure.

Fixed points of learners are no equilibria as such: whether play there is one is for
[`resolvent.numeric.regret`][] to say. The same question from the other end, *to which equilibrium do these learned
policies trace?*, is `trace(game, prior=run.policies)`: the policies are then what players first expect of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import (
    CompiledValue,
    ValueFunction,
    check_parameters,
    require_x64,
)
from resolvent.numeric.equilibrium.continuation import (
    PATHS,
    Linearisation,
    Path,
    Settings,
    follow,
    solve_bordered,
)
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learners.naive import Naive

_SETTINGS = Settings(first_step=0.02, largest_step=1.0, steps=5_000)


class Blend(eqx.Module):
    """Two joint rules of the same players, and the values that they learn on.

    **Attributes:** `first`, `last`: one learner per player each, at the start and at the end of the path;
    `limit`: the norm of all parameters at which a path is given up; `player`: whose rule is in both.
    """

    values: ValueFunction
    first: tuple[AbstractLearner, ...]
    last: tuple[AbstractLearner, ...]
    limit: Array
    player: int = eqx.field(static=True)


def _split(flat: Array, values: ValueFunction) -> tuple[Array, ...]:
    sizes = [int(np.prod(shape, dtype=int)) for shape in values.shapes]
    parts = jnp.split(flat, np.cumsum(sizes)[:-1])
    return tuple(own.reshape(shape) for own, shape in zip(parts, values.shapes, strict=True))


def blended_field(y: Array, blend: Blend) -> Array:
    """The left-hand sides at y = (parameters, 1 - lambda)."""
    values, params, t = blend.values, _split(y[:-1], blend.values), y[-1]

    def update(rule: AbstractLearner, player: int) -> Array:
        return jnp.ravel(rule.update(values, params, player, rule.init(values, params, player))[0])

    blended = []
    for j, (before, after) in enumerate(zip(blend.first, blend.last, strict=True)):
        own = update(after, j)
        # Updates are most of what is compiled: the one that is not blended is needed once.
        blended.append(own if j == blend.player else (1 - t) * update(before, j) + t * own)
    return jnp.concatenate(blended)


@dataclass(frozen=True)
class BlendedNewton:
    """Newton's step for the blended field.

    **Arguments:** `rest`: what of a `Blend` is no array, and is part of the compiled program.
    """

    rest: Blend

    def __call__(self, y: Array, arrays: Blend, row: Array) -> Linearisation:
        blend = eqx.combine(arrays, self.rest)

        def twice(at: Array) -> tuple[Array, Array]:
            off = blended_field(at, blend)
            return off, off

        jacobian, off = jax.jacfwd(twice, has_aux=True)(y)
        return solve_bordered(jacobian, row, off)


def _gone(y: Array, blend: Blend) -> Array:
    return jnp.linalg.norm(y[:-1]) > blend.limit


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """A path of fixed points, from a learner among naive ones to self-play.

    **Fields:**

    - `values`, `learners`, `others`, `player`: what was asked: `learners` are those of self-play, `others` what the
        players but `player` are at lambda = 1.
    - `weight`: lambda, from 1 to 0, at each computed point, `(k,)`.
    - `params`: the fixed points, one `(k, *shape)` array per player.
    - `payoffs`: the values there, `(k, n)`.
    - `path`: how it was followed; its parameter is 1 - lambda.
    - `escaped`: whether it was given up as the parameters left the `limit`: fixed points at infinity, as logits of
        policies that become pure.
    - `blend`: the problem.
    """

    values: ValueFunction
    learners: tuple[AbstractLearner, ...]
    others: tuple[AbstractLearner, ...]
    player: int
    weight: NDArray[np.floating]
    params: tuple[NDArray[np.floating], ...]
    payoffs: NDArray[np.floating]
    path: Path
    escaped: bool
    blend: Blend

    @cached_property
    def moduli(self) -> NDArray[np.floating]:
        """Of the eigenvalues of the joint update map at the end, in falling order: the learners come back to the
        fixed point from nearby if all are below 1. Empty where there is no path."""
        if not len(self.path.points):
            return np.zeros(0)
        last = jnp.asarray(self.path.end)
        return np.sort(np.abs(np.linalg.eigvals(_update_map(last, self.blend))))[::-1]

    @property
    def status(self) -> PATHS:
        """How following ended."""
        return self.path.status

    @property
    def successful(self) -> bool:
        """Whether the path reached self-play."""
        return bool(self.path.successful) and not self.escaped

    @property
    def policies(self) -> tuple[NDArray[np.floating], ...]:
        """What is played at the end, `(O_i, A_i)` per player.

        **Raises:** `ValueError` where the parameters are not those of policies.
        """
        if not isinstance(self.values, CompiledValue):
            raise ValueError("policies: the value function is of parameters, not of policies")
        last = tuple(jnp.asarray(own[-1]) for own in self.params)
        return tuple(np.asarray(own) for own in self.values.policies(last))

    def summary(self) -> str:
        """Where the path leads, to read."""
        name = self.values.name
        rules = ", ".join(map(repr, self.learners))
        text = f"{name}, schedule of opponents for player {self.player + 1}: {rules}"
        if not len(self.weight):
            return f"{text}\n  {PATHS[self.status]}"
        text += (
            f"\n  lambda from {self.weight[0]:.6g} to {self.weight[-1]:.6g} in {self.path.steps} steps, "
            f"{len(self.path.turning_points)} turning points, values "
            + ", ".join(f"{own:.6g}" for own in self.payoffs[-1])
        )
        if self.escaped:
            return f"{text}\n  the parameters left the limit: the fixed points go to infinity"
        return f"{text}\n  {PATHS[self.status]}"

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Schedule({self.values.name}, {self.path.steps} steps, {PATHS[self.status]!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the values of the players over lambda, along the path.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        for player in range(self.values.num_players):
            ax.plot(self.weight, self.payoffs[:, player], label=f"player {player + 1}")
        ax.set(xlabel="share of naive opponents", ylabel="value", xlim=(1, 0))
        ax.set_title(self.values.name)
        ax.legend()
        return ax


def opponent_schedule(
    values: ValueFunction,
    learners: AbstractLearner | Sequence[AbstractLearner],
    start: Sequence[Any],
    *,
    player: int = 0,
    others: AbstractLearner | None = None,
    limit: float = 1e3,
    settings: Settings | None = None,
) -> Schedule:
    """Follow the fixed points of learners while the opponents of one of them turn from naive ones into themselves.

    **Arguments:**

    - `values`: what the players maximise.
    - `learners`: the rules of self-play: one for all players, or one per player. Without memory of their own.
    - `start`: parameters near a fixed point of `learners[player]` among naive others, one array per player; a run
        of `learn` among them ends at one (`run.params`). Newton's method leads onto the path.
    - `player`: whose opponents are blended, from 0.
    - `others`: what they are at first. Default: `Naive`, at the rate of the learner that takes its place.
    - `limit`: the norm of all parameters at which the path is given up.
    - `settings`: of steps.

    **Returns:** a `Schedule`, whose status says where the path ended. Where the system is singular, as on a line of
    fixed points, there is no path to follow: it has not found a start, or stalls, and says so.

    **Raises:** `ValueError` or `TypeError` for arguments that are wrong, and for learners with a memory.
    """
    require_x64()
    count = values.num_players
    rules = (learners,) * count if isinstance(learners, AbstractLearner) else tuple(learners)
    if len(rules) != count:
        raise ValueError(
            f"learners: expected one for all or one for each of {count} players, got {len(rules)}"
        )
    if not 0 <= player < count:
        raise ValueError(f"player: expected a number from 0 to {count - 1}, got {player}")
    if not limit > 0:
        raise ValueError(f"limit: expected a number above 0, got {limit}")
    params = check_parameters(start, values.shapes)
    first = tuple(
        rule if j == player else _naive(rule, j) if others is None else others
        for j, rule in enumerate(rules)
    )
    for name, field in (("learners", rules), ("others", first)):
        for j, rule in enumerate(field):
            _require_memoryless(rule, values, params, j, name)
    blend = Blend(values, first, rules, jnp.asarray(limit, float), player)
    arrays, rest = eqx.partition(blend, eqx.is_array)
    path = follow(
        None,
        jnp.append(jnp.concatenate([jnp.ravel(own) for own in params]), 0.0),
        arrays,
        target=1.0,
        stop=_gone,
        newton=BlendedNewton(rest),
        settings=_SETTINGS if settings is None else settings,
    )
    points = jnp.asarray(path.points)
    along, payoffs = _along(points, values)
    return Schedule(
        values,
        rules,
        first,
        player,
        1 - path.t,
        tuple(np.asarray(own) for own in along),
        np.asarray(payoffs),
        path,
        bool(len(points)) and bool(_gone(points[-1], blend)),
        blend,
    )


def _naive(rule: AbstractLearner, player: int) -> Naive:
    rate = getattr(rule, "rate", None)
    if rate is None:
        raise ValueError(
            f"others: learners[{player}], {rule!r}, has no rate that a naive learner could take over; give one, "
            "such as others=Naive(rate=1.0)"
        )
    return Naive(rate)


def _require_memoryless(
    rule: Any, values: ValueFunction, params: tuple[Array, ...], player: int, name: str
) -> None:
    if not isinstance(rule, AbstractLearner):
        raise TypeError(
            f"{name}[{player}]: expected a learner, such as LOLA(rate=1.0), got {rule!r}"
        )
    rule.check(values, player)
    if jax.tree.leaves(rule.init(values, params, player)):
        raise ValueError(
            f"{name}[{player}]: {rule!r} remembers past steps, so that its update is no function of the parameters; "
            "use a rule without memory, such as Naive, LookAhead, LOLA or SOS"
        )


@eqx.filter_jit
def _along(points: Array, values: ValueFunction) -> tuple[tuple[Array, ...], Array]:
    params = jax.vmap(lambda y: _split(y[:-1], values))(points)
    return params, jax.vmap(values)(params)


@eqx.filter_jit
def _update_map(y: Array, blend: Blend) -> Array:
    """The derivative of what the blended rules make of the parameters in one step."""
    return jnp.eye(y.size - 1) + jax.jacfwd(blended_field)(y, blend)[:, :-1]
