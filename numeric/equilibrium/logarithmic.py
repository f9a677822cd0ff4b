r"""The logarithmic tracing procedure, from any prior, for one game or for many at once.

The path of `resolvent.numeric.equilibrium.logarithmic_system` is followed from t = 0, where players face the
prior, to t = 1, where they face each other, exactly; there the barrier is taken away on the support, and what
is left is verified. The weight of the barrier decides which equilibrium is selected: the logarithmic procedure of
Harsanyi and Selten (*A general theory of equilibrium selection in games*, 1988) is the limit of weight 0, which
in 2x2 games with two strict equilibria selects the risk-dominant one from the uniform prior. A weight of 1, as
other software has by default, need not. Here the weight is a share of each player's payoff range, so that the
units of payoffs change nothing, and 1e-6 by default; it is reported with the result.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import require_x64
from resolvent.games import IteratedGame, NormalForm
from resolvent.numeric.equilibrium import continuation
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    check_profile,
    game_arrays,
    payoff_ranges,
)
from resolvent.numeric.equilibrium.continuation import (
    PATHS,
    Ends,
    Newton,
    Path,
    Settings,
    follow,
    follow_many,
)
from resolvent.numeric.equilibrium.equilibrium import (
    EQUILIBRIUM,
    POLISHED,
    Equilibrium,
    polish,
    verify,
)
from resolvent.numeric.equilibrium.linear import linear_trace
from resolvent.numeric.equilibrium.logarithmic_system import (
    BlockTracing,
    DenseTracing,
    Problem,
    TwinTracing,
    problem_of,
    split,
    start_of,
)
from resolvent.numeric.equilibrium.priors import Prior, read_prior
from resolvent.numeric.equilibrium.verification import normalised, one_shot_regret, state_names

Method = Literal["logarithmic", "linear"]

ETA = 1e-6
"""The weight of the barrier, as a share of the payoff range, that stands for the limit of 0."""

_LAST = 1e-6  # the weight at t = 1, where it is taken away on the support
_COARSE = 1.0  # the weight for games whose path at the small one is too long
_LONG = 4_000  # steps
_BLOCKS = 60  # beyond this many unknowns, states are eliminated one by one
_POLISHED_DENSELY = (
    300  # unknowns, up to which the dense polishing of all supports is tried as well
)
_SUPPORTS = (1.0, 1e-2, 1e2, 1e1)  # thresholds, in units of the square root of the weight

SETTINGS = Settings(tolerance=1e-2, end_tolerance=1e-7, angle=0.3, distance=0.15, steps=50_000)
_ENDING = dataclasses.replace(SETTINGS, end_tolerance=1e-6)
_FINER = 6  # how often the weight is divided by 10, at most
# Where the weight falls, it does so from 2e-6 to 1e-6 in the last 1e-6 of t: t must be that much more precise.
_FALLING = dataclasses.replace(SETTINGS, tolerance=1e-8)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LogarithmicPath:
    """The path of a logarithmic tracing procedure.

    **Fields:**

    - `path`: what was followed, see [`resolvent.numeric.Path`][]; the unknowns are log-policies and values.
    - `policies`: per player `(k, S, A_i)`, at each record.
    - `eta`: the weight of the barrier at t = 0, as a share of the payoff range.
    - `symmetric`: whether it was followed among symmetric profiles.
    - `game`, `arrays`: what is played; the game is `None` where there are only arrays.
    """

    path: Path
    policies: tuple[NDArray[np.floating], ...]
    eta: float
    symmetric: bool
    arrays: GameArrays
    game: Game | None = None

    @property
    def t(self) -> NDArray[np.floating]:
        """The weight of what players expect of each other, against the prior, `(k,)`."""
        return self.path.t

    @property
    def arclength(self) -> NDArray[np.floating]:
        """How far along the path, in log-policies, `(k,)`."""
        return self.path.arclength

    @property
    def condition(self) -> NDArray[np.floating]:
        """An estimate of the condition of the linear systems, `(k,)`."""
        return self.path.condition

    @property
    def turning_points(self) -> NDArray[np.integer]:
        """The records at which t turns back or forth."""
        return self.path.turning_points

    @property
    def reversals(self) -> int:
        """How often the determinant changed its sign: bifurcations that were passed."""
        return self.path.reversals

    @cached_property
    def regret(self) -> NDArray[np.floating]:
        """The largest one-shot regret in any state, as a share of the payoff range, `(k,)`."""
        number = len(self.t)
        size = -(-number // 256) * 256  # one program for all paths
        padded = tuple(jnp.asarray(np.resize(own, (size, *own.shape[1:]))) for own in self.policies)
        return np.asarray(_regrets(self.arrays, padded))[:number]

    def summary(self) -> str:
        """What came of it, to read."""
        lines = [f"logarithmic tracing, barrier weight {self.eta:g} of the payoff range"]
        if self.symmetric:
            lines[0] += ", among symmetric profiles"
        if self.reversals:
            lines.append(
                f"  {self.reversals} bifurcations were passed: the branch taken is one of several"
            )
        return "\n".join([*lines, f"  {self.path}"])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"LogarithmicPath(eta={self.eta:g}, {self.path!r})"

    def plot(self, ax: Any = None, along: Literal["t", "arclength"] = "t") -> Any:
        """Draw the probability of each action in each state along the path; those that never change by more
        than 1e-3 are left out where there are many.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `along`: what to draw over.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = _axes(ax)
        over = {"t": self.t, "arclength": self.arclength}[along]
        lines: list[tuple[NDArray[Any], str, str]] = []
        styles = ("-", "--", ":", "-.")
        for player, own in enumerate(self.policies):
            # With two actions the second says nothing new.
            shown = own.shape[2] if own.shape[2] > 2 else 1
            for state in range(own.shape[1]):
                for action in range(shown):
                    label = self._label(player, state, action)
                    lines.append((own[:, state, action], label, styles[player % len(styles)]))
        many = len(lines) > 16
        for values, label, style in lines:
            if many and np.ptp(values) < 1e-3:
                continue
            ax.plot(over, values, style, label=label)
        ax.set(xlabel=along, ylabel="probability", ylim=(-0.02, 1.02))
        ax.set_title(f"logarithmic tracing, weight {self.eta:g}")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="small")
        return ax

    def _label(self, player: int, state: int, action: int) -> str:
        if self.game is None:
            return f"player {player + 1}, state {state}, action {action}"
        label = f"{self.game.players[player]}: {self.game.actions[player][action]}"
        names = state_names(self.game)
        return label if len(names) == 1 else f"{label} after {names[state]}"


class _Plan:
    """How paths of one shape are followed."""

    def __init__(self, arrays: GameArrays, mirror: tuple[int, ...] | None) -> None:
        self.num_actions = arrays.payoffs.shape[-(arrays.discounts.shape[-1]) :]
        states = arrays.initial.shape[-1]
        self.unknowns = states * (sum(self.num_actions) + len(self.num_actions))
        self.newton: Newton = DenseTracing()
        if mirror is not None:
            self.newton = TwinTracing(mirror)
        elif states > 1 and self.unknowns > _BLOCKS:
            self.newton = BlockTracing()

    @property
    def polishing(self) -> tuple[Newton, ...]:
        """Newton's steps to polish with, in the order in which they are tried."""
        return (
            (self.newton, DenseTracing())
            if isinstance(self.newton, BlockTracing)
            else (self.newton,)
        )

    def shrink(self, y: Array) -> Array:
        return self.newton.reduce(y) if isinstance(self.newton, TwinTracing) else y

    def all(self, y: Array) -> Array:
        """The points `(1, ...)` of all players."""
        return self.grow(y)[None]

    def grow(self, y: Array) -> Array:
        return self.newton.expand(y) if isinstance(self.newton, TwinTracing) else y


def trace(
    game: Game,
    prior: Prior = "uniform",
    method: Method = "logarithmic",
    *,
    eta: float | None = None,
    weights: Sequence[Any] | None = None,
    symmetric: bool | None = None,
    settings: Settings | None = None,
) -> Equilibrium:
    """Trace a prior to the equilibrium that players come to expect.

    **Arguments:**

    - `game`: a [`resolvent.games.NormalForm`][], an iterated or a stochastic game.
    - `prior`: what players expect of each other at first: a name of `PRIORS`, probabilities, or policies that
        were learned (a [`resolvent.numeric.Run`][]): to which equilibrium do these trace?
    - `method`: `"logarithmic"`; or `"linear"`, the piecewise linear path, exact for two players, see
        [`resolvent.numeric.linear_trace`][], for which the options that follow have no meaning.
    - `eta`: the weight of the barrier at t = 0, as a share of the payoff range of a round; it falls linearly to
        1e-6 at t = 1. By default 1e-6, for the limit of 0 that Harsanyi and Selten define; should that path take
        more than 4,000 steps, as in large games, it is 1, and the result says so.
    - `weights`: of the actions in the barrier, nu, per player `(S, A_i)`; by default all are 1.
    - `symmetric`: whether to stay among symmetric profiles of a symmetric game of two players; by default where
        game, prior and weights are symmetric. There the path itself is symmetric, but at bifurcations, which
        are those of the larger space, other branches leave.
    - `settings`: of steps along the path.

    **Returns:** an [`resolvent.numeric.Equilibrium`][] with its path, a `LogarithmicPath`; its status says if the
    path stalled.
    """
    require_x64()
    if method not in get_args(Method):
        raise ValueError(f"method: expected one of {', '.join(get_args(Method))}; got {method!r}")
    if method == "linear":
        if eta is not None or weights is not None or symmetric is not None:
            raise ValueError("eta, weights and symmetric are options of the logarithmic method")
        return linear_trace(game, prior)
    _check_eta(eta)
    arrays = game_arrays(game)
    profile = read_prior(game, prior, arrays)
    nu = _check_weights(arrays, weights)
    mirror = _mirror(game, arrays, profile, nu)
    if symmetric and mirror is None:
        raise ValueError(
            "symmetric: expected a game of two players, a prior and weights that are the same with the players "
            "exchanged"
        )
    mirror = None if symmetric is False else mirror
    traced = trace_arrays(arrays, profile, eta=eta, weights=nu, mirror=mirror, settings=settings)
    path = dataclasses.replace(traced.path, game=game)
    method_name = f"logarithmic tracing (eta={path.eta:g})"
    status = None if traced.accepted else EQUILIBRIUM.stalled
    return verify(game, traced.policies, method_name, path=path, status=status)


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """The end of a traced path: policies `(S, A_i)`, the largest one-shot regret as a share of the payoff range,
    whether it is at most 1e-12, and the path."""

    policies: tuple[NDArray[np.floating], ...]
    regret: float
    accepted: bool
    path: LogarithmicPath


def trace_arrays(
    arrays: GameArrays,
    prior: Policies,
    *,
    eta: float | None = None,
    weights: Policies | None = None,
    mirror: tuple[int, ...] | None = None,
    settings: Settings | None = None,
) -> Traced:
    """`trace` of a game that is given by arrays.

    **Arguments:** `prior` and `weights`: `(S, A_i)` per player; `mirror`: of each state the one with the two
    players exchanged, to stay among symmetric profiles.
    """
    plan = _Plan(arrays, mirror)
    nu = tuple(jnp.ones_like(own) for own in prior) if weights is None else weights
    weight = ETA if eta is None else eta
    given = _settings(weight) if settings is None else settings
    first = dataclasses.replace(given, steps=min(given.steps, _LONG)) if eta is None else given
    path, problem = _follow_one(plan, arrays, prior, weight, nu, first)
    if eta is None and not path.successful:
        weight = _COARSE
        given = _settings(weight) if settings is None else settings
        path, problem = _follow_one(plan, arrays, prior, weight, nu, given)
    points = _grow_all(plan.newton, jnp.asarray(path.points))
    along = tuple(np.asarray(own) for own in _policies_of(points, plan.num_actions))
    record = LogarithmicPath(path, along, weight, mirror is not None, arrays)
    last = tuple(jnp.asarray(own[-1]) for own in along)
    policies, regret = last, float(_regrets_one(arrays, last))
    accepted = False
    if path.successful:
        policies, regret, accepted = _polish_one(plan, arrays, problem, path.end, last)
    final = tuple(np.asarray(own) for own in policies)
    return Traced(final, regret, accepted, record)


def _follow_one(
    plan: _Plan,
    arrays: GameArrays,
    prior: Policies,
    eta: float,
    weights: Policies,
    settings: Settings,
) -> tuple[Path, Problem]:
    problem, start = _prepare(arrays, prior, jnp.array([eta, _last(eta)]), weights)
    return follow(
        None, plan.shrink(start), problem, target=1.0, newton=plan.newton, settings=settings
    ), problem


def _settings(eta: float) -> Settings:
    return SETTINGS if eta <= _LAST else _FALLING


def _last(eta: float) -> float:
    return min(eta, _LAST)


def _polish_one(
    plan: _Plan, arrays: GameArrays, problem: Problem, end: Any, last: Policies
) -> tuple[Policies, float, bool]:
    """Take the barrier away on the support, as several thresholds guess it.

    Rare actions that are played, and actions that are hardly worse than those, look the same to a barrier of some
    weight, but not to one of a smaller weight: as long as no guess is right, it is divided by 10.

    Without a barrier the block of a state is singular where the players' supports there differ in size, which
    they may as long as they do not in all states together: then all states are solved at once.
    """
    y = jnp.asarray(end)
    for _ in range(_FINER):
        policies = tuple(
            own[0] for own in map(jnp.asarray, _policies_of(plan.all(y), plan.num_actions))
        )
        for factor in _SUPPORTS:
            support = _support(problem, policies, factor)
            bare = _without_barrier(problem, support)
            for newton in plan.polishing[: 2 if factor == 1 else 1]:
                found = follow(None, y, bare, target=1.0, newton=newton, settings=_ENDING)
                if not found.successful:
                    continue
                pure = _restricted(plan.grow(jnp.asarray(found.end)), support, plan.num_actions)
                regret = float(_regrets_one(arrays, pure))
                if regret <= POLISHED:
                    return pure, regret, True
        weight = problem.eta[1]
        problem = dataclasses.replace(
            problem, hold=jnp.ones(()), eta=jnp.stack([weight, weight / 10])
        )
        for newton in plan.polishing:
            finer = follow(
                None, y.at[-1].set(0.0), problem, target=1.0, newton=newton, settings=_FALLING
            )
            if finer.successful:
                y = jnp.asarray(finer.end)
                break
        else:
            break
    if plan.unknowns <= _POLISHED_DENSELY:
        dense = polish(arrays, last)
        return dense.policies, float(dense.regret), bool(dense.accepted)
    return last, float(_regrets_one(arrays, last)), False


@jax.jit
def _support(problem: Problem, policies: Policies, factor: float) -> Policies:
    """Which actions have more probability than their slack, the weight of the barrier over it."""
    return tuple(
        (own >= factor * jnp.sqrt(problem.eta[1] * nu)) | (own == own.max(axis=1, keepdims=True))
        for own, nu in zip(policies, problem.weights, strict=True)
    )


def _without_barrier(problem: Problem, support: Policies) -> Problem:
    return dataclasses.replace(problem, support=support, eta=jnp.zeros_like(problem.eta))


@partial(jax.jit, static_argnums=2)
def _restricted(y: Array, support: Policies, num_actions: tuple[int, ...]) -> Policies:
    sigma = [
        jnp.where(on, jnp.exp(own), 0)
        for on, own in zip(support, split(y, num_actions)[0], strict=True)
    ]
    return tuple(own / own.sum(axis=1, keepdims=True) for own in sigma)


@jax.jit
def _prepare(
    arrays: GameArrays, prior: Policies, eta: Array, weights: Policies
) -> tuple[Problem, Array]:
    problem = problem_of(arrays, prior, eta, weights)
    return problem, start_of(problem)


@jax.jit
def _regrets_one(arrays: GameArrays, policies: Policies) -> Array:
    return one_shot_regret(normalised(arrays), policies).max()


@jax.jit
def _regrets(arrays: GameArrays, policies: Policies) -> Array:
    return jax.lax.map(lambda own: _regrets_one(arrays, own), policies)


def _grow_all(newton: Newton, points: Array) -> Array:
    return jax.vmap(newton.expand)(points) if isinstance(newton, TwinTracing) else points


def _policies_of(
    points: Array | NDArray[Any], num_actions: tuple[int, ...]
) -> tuple[NDArray[Any], ...]:
    """Policies at many points; NumPy, as the number of points differs from path to path."""
    width = sum(num_actions) + len(num_actions)
    table = np.asarray(points)[:, :-1].reshape(len(points), -1, width)
    found, first = [], 0
    for number in num_actions:
        own = table[:, :, first : first + number]
        shares = np.exp(own - own.max(axis=2, keepdims=True))
        found.append(shares / shares.sum(axis=2, keepdims=True))
        first += number
    return tuple(found)


# Many at once --------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TracedBatch:
    """Where many priors, or many games, were traced to.

    **Fields:**

    - `policies`: per player `(m, S, A_i)`.
    - `regret`: the largest one-shot regret in any state, as a share of the payoff range, `(m,)`.
    - `accepted`: whether the path ended and the regret is at most 1e-12, `(m,)`.
    - `ends`: how each path ended: statuses, steps, turning points, reversals.
    - `eta`: the weight of the barrier at t = 0.
    - `game`: what is played, if it is one game.
    """

    policies: tuple[NDArray[np.floating], ...]
    regret: NDArray[np.floating]
    accepted: NDArray[np.bool_]
    ends: Ends
    eta: float
    game: Game | None = None

    def __len__(self) -> int:
        return len(self.regret)

    @cached_property
    def labels(self) -> NDArray[np.integer]:
        """Which of the distinct `equilibria` each lane came to, -1 where it was not accepted, `(m,)`."""
        return self._grouped[0]

    @cached_property
    def equilibria(self) -> list[tuple[NDArray[np.floating], ...]]:
        """The distinct policies, most frequent first; probabilities within 1e-6 are the same."""
        return [tuple(own[k] for own in self.policies) for k in self._grouped[1]]

    @cached_property
    def _grouped(self) -> tuple[NDArray[np.integer], list[int]]:
        flat = np.concatenate([own.reshape(len(own), -1) for own in self.policies], axis=1)
        labels = np.full(len(flat), -1)
        found: list[int] = []
        for k in np.flatnonzero(self.accepted):
            if labels[k] >= 0:
                continue
            same = self.accepted & (labels < 0) & (np.abs(flat - flat[k]).max(axis=1) < 1e-6)
            labels[same] = len(found)
            found.append(int(k))
        sizes = np.array([(labels == k).sum() for k in range(len(found))], int)
        order = np.argsort(-sizes, kind="stable")
        ranks = np.empty(len(found), int)
        ranks[order] = np.arange(len(found))
        labels = np.where(labels >= 0, ranks[labels] if len(found) else labels, -1)
        return labels, [found[k] for k in order]

    def summary(self) -> str:
        """What came of it, to read."""
        lines = [f"{len(self):,} traced, barrier weight {self.eta:g} of the payoff range"]
        lines.append(f"  {int(self.accepted.sum()):,} equilibria with regret at most 1e-12")
        if not self.accepted.all():
            codes = np.ravel(jax.tree.leaves(self.ends.status)[0])[~self.accepted]
            for one, count in zip(*np.unique(codes, return_counts=True), strict=True):
                status = continuation.status_of(int(one))
                lines.append(f"  {count:,} not: {PATHS[status]}")
        if self.game is not None:
            for k, own in enumerate(self.equilibria[:8]):
                count = int((self.labels == k).sum())
                lines.append(f"  {count:,} to " + " | ".join(_short(policy) for policy in own))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"TracedBatch({len(self)}, {int(self.accepted.sum())} accepted, eta={self.eta:g})"


def trace_batch(
    game: Game | Sequence[Game] | GameArrays,
    priors: Any = "uniform",
    *,
    eta: float = ETA,
    weights: Sequence[Any] | None = None,
    settings: Settings | None = None,
    width: int = 128,
) -> TracedBatch:
    """Trace many priors of one game, or many games of one shape, in one compiled program.

    **Arguments:**

    - `game`: a game; or a sequence of games with the same numbers of states and actions; or their arrays, each
        with a leading axis.
    - `priors`: of one game, per player `(m, S, A_i)`, as `random_priors` and batches of `learn` have them; of
        many games, the same with one per game, or one prior for all.
    - `eta`, `weights`, `settings`: as of `trace`; weights are the same for all.
    - `width`: how many paths are followed side by side.
    """
    require_x64()
    _check_eta(eta)
    settings = _settings(eta) if settings is None else settings
    arrays, profiles, shared, one = _read_batch(game, priors)
    number = profiles[0].shape[0]
    example = arrays if shared else jax.tree.map(lambda own: own[0], arrays)
    nu = _check_weights(example, weights)
    plan = _Plan(example, None)
    etas = jnp.array([eta, _last(eta)])
    problems, starts = _prepare_many(arrays, profiles, etas, nu, shared)
    mapped, common = (problems, None)
    ends = follow_many(
        None, starts, mapped, common, target=1.0, newton=plan.newton, settings=settings, width=width
    )
    policies = tuple(np.array(own) for own in _policies_of(ends.points, plan.num_actions))
    regret = np.array(_regret_many(arrays, policies, shared))
    accepted = np.zeros(number, bool)
    reached = ends.successful
    for factor in _SUPPORTS:
        # The same number of lanes again, so that there is nothing to compile; those that are done already end
        # at once.
        if accepted[reached].all():
            break
        last = tuple(jnp.asarray(own) for own in _policies_of(ends.points, plan.num_actions))
        support = _support_many(problems, last, factor)
        bare = _without_barrier(problems, support)
        found = follow_many(
            None,
            jnp.asarray(ends.points),
            bare,
            target=1.0,
            newton=plan.newton,
            settings=SETTINGS,
            width=width,
        )
        new = _restricted_many(jnp.asarray(found.points), support, plan.num_actions)
        left = np.asarray(_regret_many(arrays, new, shared))
        good = reached & found.successful & (left <= POLISHED) & ~accepted
        for own, other in zip(policies, new, strict=True):
            own[good] = np.asarray(other)[good]
        regret[good] = left[good]
        accepted |= good
    for k in np.flatnonzero(reached & ~accepted):
        lane = arrays if shared else jax.tree.map(lambda own, at=k: own[at], arrays)
        problem: Problem = jax.tree.map(lambda own, at=k: own[at], problems)
        last = tuple(jnp.asarray(own[k]) for own in policies)
        final, left, accepted[k] = _polish_one(plan, lane, problem, ends.points[k], last)
        if accepted[k]:
            regret[k] = left
            for own, other in zip(policies, final, strict=True):
                own[k] = np.asarray(other)
    return TracedBatch(policies, regret, accepted, ends, eta, one)


@partial(jax.jit, static_argnums=4)
def _prepare_many(
    arrays: GameArrays, priors: Policies, eta: Array, weights: Policies, shared: bool
) -> tuple[Problem, Array]:
    axis = None if shared else 0
    return jax.vmap(_prepare, in_axes=(axis, 0, None, None))(arrays, priors, eta, weights)


@partial(jax.jit, static_argnums=2)
def _regret_many(arrays: GameArrays, policies: Policies, shared: bool) -> Array:
    return jax.vmap(_regrets_one, in_axes=(None if shared else 0, 0))(arrays, policies)


@jax.jit
def _support_many(problems: Problem, policies: Policies, factor: float) -> Policies:
    return jax.vmap(_support, in_axes=(0, 0, None))(problems, policies, factor)


@partial(jax.jit, static_argnums=2)
def _restricted_many(points: Array, support: Policies, num_actions: tuple[int, ...]) -> Policies:
    return jax.vmap(lambda y, on: _restricted(y, on, num_actions))(points, support)


def _read_batch(game: Any, priors: Any) -> tuple[GameArrays, Policies, bool, Game | None]:
    """Arrays, priors with a leading axis, whether all are of one game, and that game."""
    if isinstance(game, GameArrays):
        batched = game
        example = jax.tree.map(lambda own: own[0], game)
        games: Sequence[Any] | None = None
    elif isinstance(game, Sequence):
        several = [game_arrays(own) for own in game]
        if not several:
            raise ValueError("game: expected at least one game")
        shapes = {own.payoffs.shape for own in several}
        if len(shapes) > 1:
            raise ValueError(
                f"game: expected games of one shape, got payoffs of shapes {sorted(shapes)}"
            )
        if len({own.successors is None for own in several}) > 1:
            raise ValueError("game: expected games that are all deterministic, or all random")
        batched = jax.tree.map(lambda *own: jnp.stack(own), *several)
        example, games = several[0], game
    else:
        arrays = game_arrays(game)
        try:
            profiles = tuple(jnp.asarray(own, float) for own in priors)
            three = all(own.ndim == 3 for own in profiles)
        except (TypeError, ValueError):
            profiles, three = (), False
        if not profiles or not three:
            raise ValueError(
                "priors: expected one array (priors, states, actions) for each player; see random_priors, or trace "
                "for a single prior"
            )
        for k in range(len(profiles[0])):
            check_profile(arrays, [np.asarray(own[k]) for own in profiles], f"priors[{k}]")
        return arrays, profiles, True, game
    number = batched.discounts.shape[0]
    if isinstance(priors, str) and games is None:
        if priors != "uniform":
            raise ValueError(
                f"priors: expected 'uniform' or arrays for a game of arrays, got {priors!r}"
            )
        one = tuple(jnp.full((example.num_states, a), 1 / a) for a in example.num_actions)
        profiles = tuple(jnp.broadcast_to(own, (number, *own.shape)) for own in one)
    elif isinstance(priors, str):
        assert games is not None  # as above
        each = [read_prior(own, priors) for own in games]
        profiles = tuple(jnp.stack(own) for own in zip(*each, strict=True))
    else:
        profiles = tuple(jnp.asarray(own, float) for own in priors)
        if all(own.ndim == 2 for own in profiles):
            profiles = tuple(jnp.broadcast_to(own, (number, *own.shape)) for own in profiles)
        check_profile(example, [np.asarray(own[0]) for own in profiles], "priors")
    return batched, profiles, False, None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Basins:
    """Which equilibrium each prior of a square of priors traces to.

    **Fields:** `traced`: all of them, row by row; `shape`: of the grid, rows are the second coordinate; `corners`:
    the names of the priors at (0, 0), (1, 0), (0, 1) and (1, 1).
    """

    traced: TracedBatch
    shape: tuple[int, int]
    corners: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.integer]:
        """Which of `traced.equilibria`, -1 where none was reached; the grid."""
        return self.traced.labels.reshape(self.shape)

    def __str__(self) -> str:
        return self.traced.summary()

    def plot(self, ax: Any = None) -> Any:
        """Draw the basins of attraction, one colour for each equilibrium.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = _axes(ax)
        from matplotlib import colormaps
        from matplotlib.patches import Patch

        number = len(self.traced.equilibria)
        colours = colormaps["tab10" if number <= 10 else "tab20"]
        image = np.ones((*self.shape, 3))
        handles = []
        for k, own in enumerate(self.traced.equilibria):
            colour = colours(k % colours.N)[:3]
            image[self.labels == k] = colour
            if k < 8:
                label = " | ".join(_short(policy) for policy in own)
                handles.append(Patch(color=colour, label=label))
        if (self.labels < 0).any():
            handles.append(Patch(facecolor="white", edgecolor="grey", label="not reached"))
        ax.imshow(image, origin="lower", extent=(0, 1, 0, 1), aspect="auto")
        ax.set(xlabel=f"{self.corners[0]} to {self.corners[1]}")
        ax.set(
            ylabel=f"{self.corners[0]} to {self.corners[2]}",
            title="equilibria that priors trace to",
        )
        ax.legend(handles=handles, fontsize="small")
        return ax


def basins(
    game: Game,
    corners: Sequence[Prior],
    resolution: int = 32,
    *,
    eta: float = ETA,
    width: int = 128,
) -> Basins:
    """The basins of attraction of equilibria in a square of priors.

    **Arguments:**

    - `corners`: the priors at (0, 0), (1, 0), (0, 1) and, optionally, (1, 1), as of `trace`; between them priors
        are interpolated. Without the fourth, it is the mean of the second and the third.
    - `resolution`: the number of priors along each side.
    - `eta`, `width`: as of `trace_batch`.
    """
    if isinstance(corners, str) or len(corners) not in (3, 4):
        raise ValueError(f"corners: expected three or four priors, got {corners!r}")
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2, got {resolution}")
    given = [read_prior(game, own) for own in corners]
    if len(given) == 3:
        given.append(tuple((x + y) / 2 for x, y in zip(given[1], given[2], strict=True)))
    side = np.linspace(0, 1, resolution)
    x, y = (own.ravel() for own in np.meshgrid(side, side))
    shares = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
    priors = tuple(
        jnp.einsum("mk,ksa->msa", shares, jnp.stack(own)) for own in zip(*given, strict=True)
    )
    traced = trace_batch(game, priors, eta=eta, width=width)
    names = tuple(own if isinstance(own, str) else f"corner {k}" for k, own in enumerate(corners))
    return Basins(traced, (resolution, resolution), names)


# Input ---------------------------------------------------------------------------------------


def _check_eta(eta: float | None) -> None:
    if eta is None:
        return
    if isinstance(eta, bool) or not isinstance(eta, (int, float)) or not 1e-10 <= eta <= 1e6:
        raise ValueError(f"eta: expected a number from 1e-10 to 1e6, got {eta!r}")


def _check_weights(arrays: GameArrays, weights: Sequence[Any] | None) -> Policies:
    shapes = [(arrays.num_states, number) for number in arrays.num_actions]
    if weights is None:
        return tuple(jnp.ones(shape) for shape in shapes)
    checked = tuple(jnp.asarray(own, float) for own in weights)
    if [own.shape for own in checked] != shapes:
        raise ValueError(
            f"weights: expected arrays of shapes {shapes}, got {[own.shape for own in checked]}"
        )
    if not all(bool((own > 0).all()) and bool(jnp.isfinite(own).all()) for own in checked):
        raise ValueError("weights: expected finite positive numbers")
    return checked


def _mirror(
    game: Game, arrays: GameArrays, prior: Policies, weights: Policies
) -> tuple[int, ...] | None:
    """Of each state the one with the players exchanged, where exchanging them changes nothing."""
    if arrays.num_players != 2 or len(set(arrays.num_actions)) > 1:
        return None
    states = np.arange(arrays.num_states)
    if isinstance(game, IteratedGame):
        index = {history: k for k, history in enumerate(game.histories)}
        states = np.array(
            [index[tuple(round[::-1] for round in history)] for history in game.histories]
        )
    elif not isinstance(game, NormalForm) and arrays.num_states > 1:
        return None
    payoffs = np.asarray(arrays.payoffs)
    ranges = np.asarray(payoff_ranges(arrays))
    same = [
        np.allclose(
            payoffs[1] / ranges[1], (payoffs[0] / ranges[0])[states].swapaxes(1, 2), atol=1e-14
        ),
        arrays.discounts[0] == arrays.discounts[1],
        *(
            np.array_equal(np.asarray(own[1]), np.asarray(own[0])[states])
            for own in (prior, weights)
        ),
    ]
    if arrays.successors is not None:
        after = np.asarray(arrays.successors)
        same.append(np.array_equal(states[after][states].swapaxes(1, 2), after))
    else:
        moves = np.asarray(arrays.transitions)
        same.append(np.allclose(moves[states].swapaxes(1, 2)[..., states], moves, atol=1e-15))
    return tuple(states.tolist()) if all(same) else None


def _axes(ax: Any) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax


def _short(policy: NDArray[np.floating]) -> str:
    """A policy in few characters: probabilities of the first action where there are two."""
    rows = policy[:, :1] if policy.shape[1] == 2 else policy
    return "(" + ", ".join(f"{own:.3g}" for row in rows for own in row) + ")"
