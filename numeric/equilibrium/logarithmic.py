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
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.value_function import require_x64
from resolvent.games import IteratedGame, NormalForm
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    game_arrays,
    payoff_ranges,
)
from resolvent.numeric.equilibrium.continuation import Path, Settings, follow
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM, Equilibrium, verify
from resolvent.numeric.equilibrium.linear import linear_trace
from resolvent.numeric.equilibrium.logarithmic_path import LogarithmicPath
from resolvent.numeric.equilibrium.logarithmic_plan import (
    COARSER,
    ETA,
    LONG,
    SETTINGS,
    Plan,
    check_eta,
    check_weights,
    largest_regret,
    last_weight,
    polish_one,
    prepare,
)
from resolvent.numeric.equilibrium.logarithmic_system import Problem, policies_on_path
from resolvent.numeric.equilibrium.priors import Prior, read_prior

Method = Literal["logarithmic", "linear"]


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
        more than 4,000 steps, as in large games it may, it is 0.1, or else 1, and `method` says so.
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
    check_eta(eta)
    arrays = game_arrays(game)
    profile = read_prior(game, prior, arrays)
    nu = check_weights(arrays, weights)
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
    if eta is None and path.eta > ETA:
        method_name += f", not the limit of 0: the path at {ETA:g} did not end in {LONG:,} steps"
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
    plan = Plan(arrays, mirror)
    nu = tuple(jnp.ones_like(own) for own in prior) if weights is None else weights
    given = SETTINGS if settings is None else settings
    if eta is not None:
        weight = eta
        path, problem = _follow_one(plan, arrays, prior, weight, nu, given)
    else:
        short = dataclasses.replace(given, steps=min(given.steps, LONG))
        weight = ETA
        path, problem = _follow_one(plan, arrays, prior, weight, nu, short)
        for coarser, own in zip(COARSER, (short, given), strict=True):
            if path.successful:
                break
            weight = coarser
            path, problem = _follow_one(plan, arrays, prior, weight, nu, own)
    points = plan.grow_all(jnp.asarray(path.points))
    along = policies_on_path(points, problem)
    record = LogarithmicPath(path, along, weight, mirror is not None, arrays)
    last = tuple(jnp.asarray(own[-1]) for own in along)
    policies, regret = last, float(largest_regret(arrays, last))
    accepted = False
    if path.successful:
        policies, regret, accepted = polish_one(plan, arrays, problem, path.end, last)
    final = tuple(np.asarray(own) for own in policies)
    return Traced(final, regret, accepted, record)


def _follow_one(
    plan: Plan,
    arrays: GameArrays,
    prior: Policies,
    eta: float,
    weights: Policies,
    settings: Settings,
) -> tuple[Path, Problem]:
    problem, start = prepare(arrays, prior, jnp.array([eta, last_weight(eta)]), weights)
    return follow(
        None, plan.shrink(start), problem, target=1.0, newton=plan.newton, settings=settings
    ), problem


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
