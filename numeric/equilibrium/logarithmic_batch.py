"""Many logarithmic tracing procedures at once, on one compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import require_x64
from resolvent.numeric.equilibrium import continuation
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    check_profile,
    game_arrays,
)
from resolvent.numeric.equilibrium.continuation import PATHS, Ends, Settings, follow_many
from resolvent.numeric.equilibrium.logarithmic_plan import (
    CAREFUL,
    ETA,
    SETTINGS,
    SUPPORTS,
    Plan,
    check_eta,
    check_weights,
    largest_regret,
    last_weight,
    polish_one,
    prepare,
    support_of,
    without_barrier,
)
from resolvent.numeric.equilibrium.logarithmic_system import Problem, policies_on_path, restricted
from resolvent.numeric.equilibrium.polishing import POLISHED
from resolvent.numeric.equilibrium.priors import read_prior


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
                lines.append(f"  {count:,} to " + " | ".join(short(policy) for policy in own))
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
    check_eta(eta)
    chosen = SETTINGS if settings is None else settings
    arrays, profiles, shared, one = _read_batch(game, priors)
    number = profiles[0].shape[0]
    example = arrays if shared else jax.tree.map(lambda own: own[0], arrays)
    nu = check_weights(example, weights)
    plan = Plan(example, None)
    etas = jnp.array([eta, last_weight(eta)])
    problems, starts = _prepare_many(arrays, profiles, etas, nu, shared)

    def follow_some(lanes: NDArray[np.integer], settings: Settings) -> Ends:
        own = jax.tree.map(lambda leaf: leaf[lanes], problems)
        return follow_many(
            None,
            starts[lanes],
            own,
            target=1.0,
            newton=plan.newton,
            settings=settings,
            width=width,
        )

    ends = follow_some(np.arange(number), chosen)
    lost = np.flatnonzero(~ends.successful)
    if lost.size and settings is None:
        # Long steps may miss a corner that short ones see.
        ends = ends.replaced(lost, follow_some(lost, CAREFUL))
    policies = policies_on_path(ends.points, problems)
    regret = np.array(_regret_many(arrays, policies, shared))
    accepted = np.zeros(number, bool)
    reached = ends.successful
    for factor in SUPPORTS:
        # The same number of lanes again, so that there is nothing to compile; those that are done already end
        # at once.
        if accepted[reached].all():
            break
        last = tuple(map(jnp.asarray, policies_on_path(ends.points, problems)))
        support = _support_many(problems, last, factor)
        bare = without_barrier(problems, support)
        found = follow_many(
            None,
            jnp.asarray(ends.points),
            bare,
            target=1.0,
            newton=plan.newton,
            settings=SETTINGS,
            width=width,
        )
        new = _restricted_many(jnp.asarray(found.points), bare)
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
        final, left, accepted[k] = polish_one(plan, lane, problem, ends.points[k], last)
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
    return jax.vmap(prepare, in_axes=(axis, 0, None, None))(arrays, priors, eta, weights)


@partial(jax.jit, static_argnums=2)
def _regret_many(arrays: GameArrays, policies: Policies, shared: bool) -> Array:
    return jax.vmap(largest_regret, in_axes=(None if shared else 0, 0))(arrays, policies)


@jax.jit
def _support_many(problems: Problem, policies: Policies, factor: float) -> Policies:
    return jax.vmap(support_of, in_axes=(0, 0, None))(problems, policies, factor)


_restricted_many = jax.jit(jax.vmap(restricted))


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


def short(policy: NDArray[np.floating]) -> str:
    """A policy in few characters: probabilities of the first action where there are two."""
    rows = policy[:, :1] if policy.shape[1] == 2 else policy
    return "(" + ", ".join(f"{own:.3g}" for row in rows for own in row) + ")"
