r"""Logit quantal response: the principal branch, and the equilibrium to which it leads.

Players who err choose each action with odds that grow with its advantage. In units of one round, with
$\lambda \ge 0$ in units of one over payoff and $\rho$ the prior (uniform, unless another one is given),

$$ \log \frac{\sigma_i(s,a)}{\rho_i(s,a)} - \log \frac{\sigma_i(s,b)}{\rho_i(s,b)}
   = \lambda \, \big( Q_i(s, a) - Q_i(s, b) \big) $$

(McKelvey and Palfrey 1995, Games Econ. Behav. 10, 6; of stochastic games: Eibelshäuser and Poensgen 2019,
*Markov quantal response equilibrium*). From $\lambda = 0$, where play is the prior, one branch leads on; it may turn
back in $\lambda$, and where $\lambda \to \infty$ its limit is an equilibrium (Turocy 2005, Games Econ. Behav. 51, 243).
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
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import Game, check_profile, game_arrays
from resolvent.numeric.equilibrium.continuation import PATHS, Path, Settings, follow
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM, Equilibrium, polished
from resolvent.numeric.equilibrium.likelihood import (
    flat_counts,
    read_counts,
    slopes_of_likelihood,
)
from resolvent.numeric.equilibrium.logit_system import (
    LogitProblem,
    logit_start,
    policies_on_branch,
    rational_enough,
    regret_on_branch,
)
from resolvent.numeric.equilibrium.verification import state_names

METHOD = "the logit quantal response branch"

LOGIT_SETTINGS = Settings(largest_step=1.0, steps=20_000)
# Where polishing does not find the equilibrium that a branch goes to, it is followed further.
_FURTHER = (1.0, 1e-2, 1e-4)
_MOST_CORRECTIONS = 12

_regrets = jax.jit(jax.vmap(regret_on_branch, in_axes=(0, None)))


def _padded(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Points, some of them again: one program for branches of most lengths."""
    return np.resize(points, (-(-len(points) // 256) * 256, points.shape[1]))


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
        found = self.roots(lambda y, along: float(along[-1]))
        return tuple(self.rationality_at(y) for y in found)

    def log_likelihood(
        self, counts: Sequence[Any]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """How likely data are at each point, and the exact derivative of that by lambda; `(k,)` each.

        **Arguments:** `counts`: how often each action was taken, per player `(S, A_i)`, or `(A_i,)` in a matrix
        game.
        """
        weights = flat_counts(read_counts(self.problem.arrays, counts))
        points = self.path.points
        slopes = np.asarray(slopes_of_likelihood(_padded(points), self.problem, weights))[
            : len(points)
        ]
        return np.sinh(points[:, :-1]) @ np.asarray(weights), slopes * self.unit

    def rationality_at(self, y: Any) -> float:
        return float(np.sinh(np.asarray(y)[-1])) / self.unit

    def roots(self, slope: Any, falling: bool = False) -> list[NDArray[np.floating]]:
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
    problem, unit = logit_problem(game, prior, tolerance)
    path = follow(
        None,
        logit_start(problem),
        problem,
        stop=rational_enough,
        newton=problem.newton,
        settings=LOGIT_SETTINGS if settings is None else settings,
    )
    return branch_of(game, problem, unit, path)


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
            stop=rational_enough,
            newton=problem.newton,
            settings=LOGIT_SETTINGS if settings is None else settings,
        )
        branch = branch_of(game, problem, branch.unit, _joined(branch.path, more))
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


def branch_of(game: Game, problem: LogitProblem, unit: float, path: Path) -> LogitBranch:
    return LogitBranch(
        game,
        np.sinh(path.t) / unit,
        policies_on_branch(path.points, problem.shapes),
        path,
        tuple(np.exp(np.asarray(own)) for own in problem.prior),
        problem,
        unit,
    )


def logit_problem(
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


@jax.jit
def _on_branch(guess: Array, row: Array, problem: LogitProblem) -> tuple[Array, Array]:
    """The point of the branch on the hyperplane through `guess` normal to `row`, and the direction there, of
    length 1 along `row`."""

    def correct(_: int, now: tuple[Array, Array]) -> tuple[Array, Array]:
        at = problem.newton(now[0], problem, row)
        y = jnp.where(jnp.isfinite(at.correction).all(), now[0] + at.correction, now[0])
        return y, at.direction  # before the last correction, which is nothing

    return lax.fori_loop(0, _MOST_CORRECTIONS, correct, (guess, jnp.zeros_like(guess)))
