r"""The logit quantal response at a given rationality, on the principal branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import Game, game_arrays
from resolvent.numeric.equilibrium.continuation import PATHS, Settings, follow
from resolvent.numeric.equilibrium.logit import (
    LOGIT_SETTINGS,
    LogitBranch,
    branch_of,
    logit_problem,
)
from resolvent.numeric.equilibrium.logit_system import logit_start, rational_enough, worth_of
from resolvent.numeric.equilibrium.verification import state_names

_judged = jax.jit(worth_of)


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
    problem, unit = logit_problem(game, prior, -1.0)
    target = float(np.arcsinh(rationality * unit))
    path = follow(
        None,
        logit_start(problem),
        problem,
        target=target,
        stop=rational_enough,  # never, with this tolerance: one program for all branches
        newton=problem.newton,
        settings=LOGIT_SETTINGS if settings is None else settings,
    )
    branch = branch_of(game, problem, unit, path)
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
