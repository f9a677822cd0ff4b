r"""Logit quantal response: the principal branch, and the rationality that explains data best.

Players who err choose each action with odds that grow with its advantage. In units of one round, with
$\lambda \ge 0$ in units of one over payoff and $\rho$ the prior (uniform, unless another one is given),

$$ \log \frac{\sigma_i(s,a)}{\rho_i(s,a)} - \log \frac{\sigma_i(s,b)}{\rho_i(s,b)}
   = \lambda \, \big( Q_i(s, a) - Q_i(s, b) \big) $$

(McKelvey and Palfrey 1995, Games Econ. Behav. 10, 6; of stochastic games: Eibelshäuser and Poensgen 2019,
*Markov quantal response equilibrium*). From $\lambda = 0$, where play is the prior, one branch leads on; it may turn
back in $\lambda$, and where $\lambda \to \infty$ its limit is an equilibrium (Turocy 2005, Games Econ. Behav. 51, 243).

Policies are followed as $z = \operatorname{arsinh} \log \sigma$ over $\operatorname{arsinh} \lambda$: what goes to
infinity, $\log \sigma$ of actions that are given up, and $\lambda$, then goes there on straight lines of slope 1,
and what stays, stays. Values are those of the policies, one linear solve; derivatives go through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.games.rational import entries, shorten
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    action_values,
    check_profile,
    expected,
    game_arrays,
    values_of,
)
from resolvent.numeric.equilibrium.continuation import (
    PATHS,
    DenseNewton,
    Path,
    Settings,
    follow,
)
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM, Equilibrium, polished
from resolvent.numeric.equilibrium.verification import state_names

METHOD = "the logit quantal response branch"

_SETTINGS = Settings(largest_step=1.0, steps=20_000)
# Where polishing does not find the equilibrium that a branch goes to, it is followed further.
_FURTHER = (1.0, 1e-2, 1e-4)
_MOST_CORRECTIONS = 12


class LogitProblem(eqx.Module):
    """What a branch depends on.

    **Attributes:**

    - `arrays`: the game, payoffs in the unit of the branch and from 0 up.
    - `prior`: log-probabilities per player, `(S, A_i)`.
    - `ranges`: the payoff range of each player in that unit, `(n,)`.
    - `tolerance`: of the one-shot regret, as a share of the payoff range, at which the branch ends.
    """

    arrays: GameArrays
    prior: Policies
    ranges: Float[Array, " players"]
    tolerance: Float[Array, ""]


def _split(y: Array, shapes: tuple[tuple[int, int], ...]) -> tuple[Array, ...]:
    ends = np.cumsum([states * actions for states, actions in shapes])
    parts = jnp.split(y[:-1], ends[:-1])
    return tuple(own.reshape(shape) for own, shape in zip(parts, shapes, strict=True))


def _shapes(problem: LogitProblem) -> tuple[tuple[int, int], ...]:
    return tuple((own.shape[0], own.shape[1]) for own in problem.prior)


def _worth(arrays: GameArrays, policies: Policies) -> tuple[Array, tuple[Array, ...]]:
    """Values `(n, S)` and action values of a profile."""
    if arrays.num_states > 1:
        values = values_of(arrays, policies)
    else:  # what follows is what is
        values = jnp.stack([expected(own, policies, None) for own in arrays.payoffs])
    return values, action_values(arrays, policies, values)


_judged = jax.jit(_worth)


def logit_residual(y: Float[Array, " unknowns+1"], problem: LogitProblem) -> Array:
    """The equations of a branch, one per state, player and action.

    Of each A equations, weighted by the policy, advantages cancel and the sum of probabilities is left.
    """
    free = _split(y, _shapes(problem))
    logs = [jax.nn.log_softmax(jnp.sinh(own), axis=1) for own in free]
    values, worth = _worth(problem.arrays, tuple(jnp.exp(own) for own in logs))
    rows = []
    for z, log, prior, value, q in zip(free, logs, problem.prior, values, worth, strict=True):
        odds = log - prior
        mean = (jnp.exp(log) * odds).sum(axis=1, keepdims=True)
        excess = jax.nn.logsumexp(jnp.sinh(z), axis=1, keepdims=True)
        row = odds - mean - jnp.sinh(y[-1]) * (q - value[:, None]) + excess
        # In units of z: a scale of rows, that Newton's method is not to differentiate.
        rows.append((row / lax.stop_gradient(jnp.cosh(z))).ravel())
    return jnp.concatenate(rows)


def _regret(y: Array, problem: LogitProblem) -> Array:
    """The largest gain of one deviation, as a share of the payoff range."""
    free = _split(y, _shapes(problem))
    values, worth = _worth(
        problem.arrays, tuple(jax.nn.softmax(jnp.sinh(own), axis=1) for own in free)
    )
    best = jnp.stack([own.max(axis=1) for own in worth])
    return ((best - values) / problem.ranges[:, None]).max()


_regrets = jax.jit(jax.vmap(_regret, in_axes=(0, None)))


def _rational_enough(y: Array, problem: LogitProblem) -> Array:
    return _regret(y, problem) <= problem.tolerance


def _policies_at(
    points: NDArray[np.floating], shapes: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.floating], ...]:
    """The policies at one or several points, in NumPy, which compiles nothing for their number."""
    ends = np.cumsum([states * actions for states, actions in shapes])
    parts = np.split(points[..., :-1], ends[:-1], axis=-1)
    policies = []
    for own, shape in zip(parts, shapes, strict=True):
        logs = np.sinh(own.reshape(*own.shape[:-1], *shape))
        chances = np.exp(logs - logs.max(axis=-1, keepdims=True))
        policies.append(chances / chances.sum(axis=-1, keepdims=True))
    return tuple(policies)


def _padded(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Points, some of them again: one program for branches of most lengths."""
    return np.resize(points, (-(-len(points) // 256) * 256, points.shape[1]))


_NEWTON = DenseNewton(logit_residual)


# The branch ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class LogitBranch:
    """The principal branch of logit quantal responses.

    **Fields:**

    - `game`: what is played.
    - `rationality`: lambda at each computed point, `(k,)`, in units of one over payoff per round.
    - `policies`: one `(k, S, A_i)` array per player.
    - `path`: how it was followed, in its own coordinates; see [`resolvent.numeric.Path`][].
    - `prior`: what is played at lambda = 0, `(S, A_i)` per player.
    - `problem`, `unit`: what was solved, and the payoff that is 1 in it.
    """

    game: Game
    rationality: NDArray[np.floating]
    policies: tuple[NDArray[np.floating], ...]
    path: Path
    prior: tuple[NDArray[np.floating], ...]
    problem: LogitProblem
    unit: float

    @property
    def status(self) -> PATHS:
        """How the branch ended."""
        return self.path.status

    @property
    def successful(self) -> bool:
        """Whether the branch was followed to its end."""
        return bool(self.path.successful)

    @cached_property
    def regrets(self) -> NDArray[np.floating]:
        """The one-shot regret at each point, the largest over states and players, as a share of the payoff
        range, `(k,)`."""
        return np.asarray(_regrets(_padded(self.path.points), self.problem))[
            : len(self.path.points)
        ]

    @cached_property
    def turning_points(self) -> tuple[float, ...]:
        """Where lambda turns back, or forward again: its values at the folds of the branch."""
        found = self._roots(lambda y, along: float(along[-1]))
        return tuple(self._lambda(y) for y in found)

    def log_likelihood(
        self, counts: Sequence[Any]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """How likely data are at each point, and the exact derivative of that by lambda; `(k,)` each.

        **Arguments:** `counts`: how often each action was taken, per player `(S, A_i)`, or `(A_i,)` in a matrix
        game.
        """
        weights = _flat(_counts(self.problem.arrays, counts))
        points = self.path.points
        slopes = np.asarray(_scores(_padded(points), self.problem, weights))[: len(points)]
        return np.sinh(points[:, :-1]) @ np.asarray(weights), slopes * self.unit

    def _lambda(self, y: Any) -> float:
        return float(np.sinh(np.asarray(y)[-1])) / self.unit

    def _roots(self, slope: Any, falling: bool = False) -> list[NDArray[np.floating]]:
        """Where a function of a point and the direction of the branch there is zero.

        **Arguments:** `falling`: only where it goes from above to below zero along the branch.
        """
        from scipy.optimize import brentq  # a third of a second to import

        points = self.path.points
        chords = np.diff(points, axis=0)
        found = []
        for point, chord in zip(points, chords, strict=False):

            def at(share: float, point: Any = point, chord: Any = chord) -> Any:
                return _on_branch(point + share * chord, chord, self.problem)

            def value(share: float, at: Any = at) -> float:
                return slope(*at(share))

            first, last = value(0.0), value(1.0)
            if (first > 0 >= last) or (not falling and first < 0 <= last):
                share: Any = 1.0 if last == 0 else brentq(value, 0.0, 1.0, xtol=1e-14)
                found.append(np.asarray(at(share)[0]))
        return found

    def summary(self) -> str:
        """Where the branch leads, to read."""
        name = self.game.name or "a game"
        turns = len(self.path.turning_points)
        text = (
            f"{name}, {METHOD}: {self.path.steps:,} steps to lambda = {self.rationality[-1]:.4g}, "
            f"{turns} {'fold' if turns == 1 else 'folds'}"
        )
        if self.path.reversals:
            text += f", {self.path.reversals} sign reversals (other branches cross)"
        return f"{text}\n  {PATHS[self.status]}"

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"LogitBranch({self.game.name}, {self.path.steps} steps, {PATHS[self.status]!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the probability of each action over lambda, on a scale that is linear below one over the
        payoff range and logarithmic above.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        states = state_names(self.game)
        styles = ("-", "--", ":", "-.")
        for player, own in enumerate(self.policies):
            # Of two actions one curve says all.
            shown = 1 if own.shape[2] == 2 else own.shape[2]
            for state, name in enumerate(states):
                for action in range(shown):
                    label = f"{self.game.players[player]}: {self.game.actions[player][action]}"
                    ax.plot(
                        self.rationality,
                        own[:, state, action],
                        color=f"C{(state * shown + action) % 10}",
                        linestyle=styles[player % len(styles)],
                        label=label if len(states) == 1 else f"{label} | {name}",
                    )
        ax.set_xscale("symlog", linthresh=1 / self.unit)
        ax.set(xlabel="lambda", ylabel="probability", ylim=(0, 1), title=self.game.name or "")
        ax.legend(fontsize="small")
        return ax


def logit_branch(
    game: Game,
    *,
    prior: Sequence[Any] | None = None,
    tolerance: float = 1e-6,
    settings: Settings | None = None,
) -> LogitBranch:
    """Follow the principal branch of logit quantal responses from lambda = 0 to near rationality.

    **Arguments:**

    - `game`: a matrix game of any number of players, an iterated or a stochastic game.
    - `prior`: what is played at lambda = 0, positive everywhere: one `(S, A_i)` per player, or `(A_i,)` in a
        matrix game. Default: uniform, which makes responses those of McKelvey and Palfrey; others are
        responses of players whom it costs the relative entropy to depart from the prior.
    - `tolerance`: the branch ends where no player gains more by one deviation, as a share of the payoff range.
        Not lambda, which is of the scale of payoffs.
    - `settings`: of steps.

    **Returns:** a `LogitBranch`; [`resolvent.numeric.logit_trace`][] also takes it to the equilibrium.

    **Raises:** `ValueError` for a prior that is none, or not positive, and for games it cannot play.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance: expected a share of the payoff range, got {tolerance}")
    problem, unit = _problem(game, prior, tolerance)
    path = follow(
        None,
        _start(problem),
        problem,
        stop=_rational_enough,
        newton=_NEWTON,
        settings=_SETTINGS if settings is None else settings,
    )
    return _branch(game, problem, unit, path)


def logit_trace(
    game: Game,
    *,
    prior: Sequence[Any] | None = None,
    tolerance: float = 1e-6,
    settings: Settings | None = None,
) -> Equilibrium:
    """The equilibrium to which the principal branch of logit quantal responses leads, polished.

    **Arguments:** those of [`resolvent.numeric.logit_branch`][].

    **Returns:** an equilibrium, whose `path` is the `LogitBranch`.
    """
    branch = logit_branch(game, prior=prior, tolerance=tolerance, settings=settings)
    found = _at_end(branch)
    for share in _FURTHER[1:]:
        rising = branch.path.steps > 0 and branch.path.t[-1] > branch.path.t[-2]
        if found.found or not branch.successful or not rising:
            break
        problem = _with_tolerance(branch.problem, tolerance * share)
        more = follow(
            None,
            jnp.asarray(branch.path.end),
            problem,
            stop=_rational_enough,
            newton=_NEWTON,
            settings=_SETTINGS if settings is None else settings,
        )
        branch = _branch(game, problem, branch.unit, _joined(branch.path, more))
        found = _at_end(branch)
    return found


def _at_end(branch: LogitBranch) -> Equilibrium:
    last = tuple(own[-1] for own in branch.policies)
    status = None if branch.successful else EQUILIBRIUM.stalled
    return polished(branch.game, last, METHOD, path=branch, status=status)


def _with_tolerance(problem: LogitProblem, tolerance: float) -> LogitProblem:
    """The same problem to another tolerance."""
    return eqx.tree_at(lambda own: own.tolerance, problem, jnp.asarray(tolerance, float))


def _joined(path: Path, more: Path) -> Path:
    """A path and what follows it."""
    if not len(more.points):
        return replace(path, status=more.status)
    return Path(
        points=np.concatenate([path.points, more.points[1:]]),
        arclength=np.concatenate([path.arclength, path.arclength[-1] + more.arclength[1:]]),
        condition=np.concatenate([path.condition, more.condition[1:]]),
        logarithm=np.concatenate([path.logarithm, more.logarithm[1:]]),
        status=more.status,
        rejected=path.rejected + more.rejected,
        iterations=path.iterations + more.iterations,
        reversals=path.reversals + more.reversals,
    )


def _branch(game: Game, problem: LogitProblem, unit: float, path: Path) -> LogitBranch:
    return LogitBranch(
        game,
        np.sinh(path.t) / unit,
        _policies_at(path.points, _shapes(problem)),
        path,
        tuple(np.exp(np.asarray(own)) for own in problem.prior),
        problem,
        unit,
    )


def _problem(
    game: Game, prior: Sequence[Any] | None, tolerance: float
) -> tuple[LogitProblem, float]:
    """The branch in a unit of payoff in which advantages are of order 1, and that unit."""
    arrays = game_arrays(game)
    payoffs = np.asarray(arrays.payoffs)
    axes = tuple(range(1, payoffs.ndim))
    low = payoffs.min(axis=axes, keepdims=True)
    spread = payoffs.max(axis=axes) - low.ravel()
    unit = float(((1 - np.asarray(arrays.discounts)) * spread).max())
    unit = unit if unit > 0 else 1.0
    ranges = np.where(spread > 0, spread / unit, 1.0)
    scaled = eqx.tree_at(lambda own: own.payoffs, arrays, jnp.asarray((payoffs - low) / unit))
    shapes = [(arrays.num_states, count) for count in arrays.num_actions]
    if prior is None:
        policies = [np.full(shape, 1 / shape[1]) for shape in shapes]
    else:
        policies = [np.asarray(own) for own in check_profile(arrays, prior, "prior")]
        for player, own in enumerate(policies):
            if bool((own == 0).any()):
                raise ValueError(
                    f"prior[{player}]: expected positive probabilities, as quantal responses never give an action "
                    "up; mix it with the uniform policy"
                )
    logs = tuple(jnp.asarray(np.log(own)) for own in policies)
    return LogitProblem(scaled, logs, jnp.asarray(ranges), jnp.asarray(tolerance, float)), unit


def _start(problem: LogitProblem) -> Array:
    free = [np.arcsinh(np.asarray(own)).ravel() for own in problem.prior]
    return jnp.asarray(np.concatenate([*free, np.zeros(1)]))


@jax.jit
def _on_branch(guess: Array, row: Array, problem: LogitProblem) -> tuple[Array, Array]:
    """The point of the branch on the hyperplane through `guess` normal to `row`, and the direction there, of
    length 1 along `row`."""

    def correct(_: int, now: tuple[Array, Array]) -> tuple[Array, Array]:
        at = _NEWTON(now[0], problem, row)
        y = jnp.where(jnp.isfinite(at.correction).all(), now[0] + at.correction, now[0])
        return y, at.direction  # before the last correction, which is nothing

    return lax.fori_loop(0, _MOST_CORRECTIONS, correct, (guess, jnp.zeros_like(guess)))


# A given rationality -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class QuantalResponse:
    """A logit quantal response equilibrium.

    **Fields:**

    - `game`: what is played.
    - `rationality`: lambda, in units of one over payoff per round.
    - `policies`: one per player, `(S, A_i)`.
    - `values`: per round, `(n, S)`.
    - `residual`: by how much log-odds differ from lambda times the advantage, at most.
    - `branch`: the part of the principal branch that led there.
    """

    game: Game
    rationality: float
    policies: tuple[NDArray[np.floating], ...]
    values: NDArray[np.floating]
    residual: float
    branch: LogitBranch

    @property
    def successful(self) -> bool:
        """Whether the branch reached lambda."""
        return self.branch.successful

    def summary(self) -> str:
        """What is played, to read."""
        name = self.game.name or "a game"
        lines = [f"{name}, logit quantal response at lambda = {self.rationality:.6g}"]
        states = state_names(self.game)
        for player, own in enumerate(self.policies):
            lines.append(f"  player {self.game.players[player]}")
            for state, row in zip(states, own, strict=True):
                shares = ", ".join(
                    f"{action} {p:.6g}"
                    for action, p in zip(self.game.actions[player], row, strict=True)
                )
                lines.append(f"    {'' if len(states) == 1 else state + ': '}{shares}")
        lines.append(f"  {PATHS[self.branch.status]}; residual {self.residual:.1e}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"QuantalResponse({self.game.name}, lambda={self.rationality:g})"


def logit_equilibrium(
    game: Game,
    rationality: float,
    *,
    prior: Sequence[Any] | None = None,
    settings: Settings | None = None,
) -> QuantalResponse:
    """The logit quantal response at a given lambda: where the principal branch first gets there.

    Where the branch turns back there are several responses at one lambda; `logit_branch` has them all.

    **Arguments:**

    - `rationality`: lambda from 0 up, in units of one over payoff per round. Where values are discounted
        sums, as in much of the literature on stochastic games, theirs is 1 - g times this one.
    - `game`, `prior`, `settings`: those of [`resolvent.numeric.logit_branch`][].
    """
    if not (np.isfinite(rationality) and rationality >= 0):
        raise ValueError(f"rationality: expected a number from 0 up, got {rationality}")
    problem, unit = _problem(game, prior, -1.0)
    target = float(np.arcsinh(rationality * unit))
    path = follow(
        None,
        _start(problem),
        problem,
        target=target,
        stop=_rational_enough,  # never, with this tolerance: one program for all branches
        newton=_NEWTON,
        settings=_SETTINGS if settings is None else settings,
    )
    branch = _branch(game, problem, unit, path)
    policies = tuple(own[-1] for own in branch.policies)
    arrays = game_arrays(game)
    values, worth = jax.device_get(_judged(arrays, tuple(map(jnp.asarray, policies))))
    off = 0.0
    for own, start, value, q in zip(policies, branch.prior, values, worth, strict=True):
        odds = np.log(own / start)
        mean = (own * odds).sum(axis=1, keepdims=True)
        off = max(off, abs(odds - mean - branch.rationality[-1] * (q - value[:, None])).max())
    return QuantalResponse(
        game, float(branch.rationality[-1]), policies, np.asarray(values), float(off), branch
    )


# Data ----------------------------------------------------------------------------------------


class RATIONALITY(eqx.Enumeration):
    """What the largest likelihood is; each member is its message."""

    interior = "a maximum inside the branch: its derivative is zero there"
    none = "at lambda = 0: the data agree with the prior better than with any rationality"
    full = "at the end of the branch: the likelihood still grows towards the equilibrium"
    failed = "the branch stopped early: what is best of the part that was followed"


@dataclass(frozen=True, eq=False, repr=False)
class RationalityEstimate:
    """The rationality under which data are most likely, along the principal branch.

    **Fields:**

    - `game`, `counts`: the data.
    - `rationality`: lambda; at the end of the branch, where `status` says so.
    - `log_likelihood`: there, without the multinomial coefficient.
    - `derivative`: of the log-likelihood by lambda there; by implicit differentiation of the branch.
    - `standard_error`: from the observed information, one over the root of minus the second derivative;
        `None` where the maximum is not inside.
    - `policies`: what is played there.
    - `maxima`: all local maxima along the branch as `(lambda, log_likelihood)`, best first.
    - `branch`: the branch.
    - `status`: see [`resolvent.numeric.RATIONALITY`][].
    """

    game: Game
    counts: tuple[NDArray[np.floating], ...]
    rationality: float
    log_likelihood: float
    derivative: float
    standard_error: float | None
    policies: tuple[NDArray[np.floating], ...]
    maxima: tuple[tuple[float, float], ...]
    branch: LogitBranch
    status: RATIONALITY

    def summary(self) -> str:
        """The estimate, to read."""
        error = (
            "" if self.standard_error is None else f" (standard error {self.standard_error:.3g})"
        )
        text = (
            f"{self.game.name or 'a game'}: lambda = {self.rationality:.6g}{error}, "
            f"log-likelihood {self.log_likelihood:.6g}\n  {RATIONALITY[self.status]}"
        )
        if len(self.maxima) > 1:
            text += f"\n  {len(self.maxima)} local maxima along the branch"
        return text

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"RationalityEstimate({self.game.name}, lambda={self.rationality:g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the log-likelihood over lambda along the branch.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        likely, _ = self.branch.log_likelihood(self.counts)
        ax.plot(self.branch.rationality, likely)
        ax.plot([self.rationality], [self.log_likelihood], "o")
        ax.set_xscale("symlog", linthresh=1 / self.branch.unit)
        ax.set(xlabel="lambda", ylabel="log-likelihood", title=self.game.name or "")
        return ax


def estimate_rationality(
    game: Game,
    counts: Sequence[Any],
    *,
    prior: Sequence[Any] | None = None,
    tolerance: float = 1e-6,
    settings: Settings | None = None,
) -> RationalityEstimate:
    r"""Maximum likelihood of lambda along the principal branch, the same for all players.

    With $N$ the counts, $\ell = \sum N \log \sigma$ has along the branch, $F(z, \lambda) = 0$, the derivative
    $\ell' = -\nabla_z \ell \, F_z^{-1} F_\lambda$; maxima are zeros of it, also behind folds.

    **Arguments:**

    - `counts`: how often each action was taken, per player `(S, A_i)`, or `(A_i,)` in a matrix game; any
        numbers from 0 up.
    - `game`, `prior`, `tolerance`, `settings`: those of [`resolvent.numeric.logit_branch`][].
    """
    data = _counts(game_arrays(game), counts)
    branch = logit_branch(game, prior=prior, tolerance=tolerance, settings=settings)
    weights = _flat(data)

    seen = np.asarray(weights)

    def rises(y: Array, along: Array) -> float:
        return float(seen @ (np.cosh(np.asarray(y)[:-1]) * np.asarray(along)[:-1]))

    def entry(y: Any) -> tuple[float, Any]:
        return float(seen @ np.sinh(np.asarray(y)[:-1])), y

    inside = [entry(y) for y in branch._roots(rises, falling=True)]
    ends = [entry(branch.path.points[0]), entry(branch.path.end)]
    likely, best = max(inside + ends, key=lambda own: own[0])
    if any(best is y for _, y in inside):
        status = RATIONALITY.interior
    elif best is ends[0][1]:
        status = RATIONALITY.none
    else:
        status = RATIONALITY.full if branch.successful else RATIONALITY.failed
    maxima = sorted(((own, branch._lambda(y)) for own, y in inside), reverse=True)
    point = jnp.asarray(best)
    slope, curvature = _curvature(point, branch.problem, weights)
    error = None
    if status == RATIONALITY.interior and float(curvature) < 0:
        error = float(1 / np.sqrt(-float(curvature))) / branch.unit
    return RationalityEstimate(
        game,
        tuple(np.asarray(own) for own in data),
        branch._lambda(best),
        likely,
        float(slope) * branch.unit,
        error,
        _policies_at(np.asarray(best), _shapes(branch.problem)),
        tuple((rationality, own) for own, rationality in maxima),
        branch,
        status,
    )


@jax.jit
def _score(y: Array, problem: LogitProblem, weights: Array) -> Array:
    """The derivative of the log-likelihood by lambda (in the unit of the branch), implicitly."""
    upwards = jnp.zeros_like(y).at[-1].set(1.0)
    along = _NEWTON(y, problem, upwards).direction
    return weights @ (jnp.cosh(y[:-1]) * along[:-1]) / jnp.cosh(y[-1])


_scores = jax.jit(jax.vmap(_score, in_axes=(0, None, None)))


@jax.jit
def _curvature(y: Array, problem: LogitProblem, weights: Array) -> tuple[Array, Array]:
    """The first and the second derivative of the log-likelihood by lambda."""
    upwards = jnp.zeros_like(y).at[-1].set(1.0)
    along = _NEWTON(y, problem, upwards).direction / jnp.cosh(y[-1])
    return jax.jvp(lambda own: _score(own, problem, weights), (y,), (along,))


def _counts(arrays: GameArrays, counts: Sequence[Any]) -> tuple[Array, ...]:
    """Counts as `(S, A_i)` arrays."""
    given = entries(counts)
    if given is None or len(given) != arrays.num_players:
        raise ValueError(
            f"counts: expected one array for each of {arrays.num_players} players, got {shorten(counts)}"
        )
    checked = []
    for player, own in enumerate(given):
        shape = (arrays.num_states, arrays.num_actions[player])
        try:
            array = np.asarray(own, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"counts[{player}]: expected numbers, got {shorten(own)}") from None
        if arrays.num_states == 1 and array.shape == shape[1:]:
            array = array[None]
        if array.shape != shape:
            raise ValueError(
                f"counts[{player}]: expected shape {shape} (states, actions), got {array.shape}"
            )
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(f"counts[{player}]: expected numbers from 0 up, got {shorten(own)}")
        checked.append(jnp.asarray(array))
    if not any(bool(own.sum() > 0) for own in checked):
        raise ValueError("counts: expected at least one observation, got none")
    return tuple(checked)


def _flat(arrays: Sequence[Array]) -> Array:
    return jnp.concatenate([own.ravel() for own in arrays])
