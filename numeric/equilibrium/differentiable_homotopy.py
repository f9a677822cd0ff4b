r"""The linear tracing procedure for any number of players, as a smooth path.

With $\sigma_{ia} = \max(0, \alpha_{ia})^2$ and slacks $\lambda_{ia} = \max(0, -\alpha_{ia})^2$, one number
$\alpha_{ia}$ per action says both how likely it is and how far from a best reply, and the equilibria of all
$\Gamma^t$ are the zeros of

$$ t \, u_{ia}(\sigma_{-i}) + (1 - t) \, u_{ia}(p_{-i}) + \lambda_{ia} - \mu_i = 0, \qquad \sum_a \sigma_{ia} = 1, $$

a continuously differentiable map (Herings and Peeters 2001, Economic Theory 18, 159). At t = 0 the best reply to
the prior has $\alpha = 1$ and every other action the root of its loss. Where best replies to the prior are tied,
or a path does not arrive, as in symmetric games, payoffs against the prior are perturbed: by
$(1 - t)^2 \epsilon \kappa_{ia}$ with fixed numbers $\kappa$, which leaves the game at t = 1 what it is.

At a degenerate equilibrium the smooth path only touches t = 1. So it is followed up to just before, and the
equilibrium at t = 1 is found by polishing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.games import NormalForm
from resolvent.numeric.equilibrium.arrays import expected, game_arrays
from resolvent.numeric.equilibrium.continuation import Path, Settings, follow
from resolvent.numeric.equilibrium.equilibrium import (
    EQUILIBRIUM,
    Equilibrium,
    polished,
    verify,
)
from resolvent.numeric.equilibrium.tracing_path import TracingPath, TracingPoint, against
from resolvent.numeric.equilibrium.verification import normalised

METHOD = "linear (Harsanyi-Selten), differentiable homotopy (Herings-Peeters)"

_SETTINGS = Settings(steps=1_000)
_TARGET = 1 - 1e-5

# Shares of the payoff range, tried in turn.
_PERTURBATIONS = (0.0, 1e-4, 1e-3, 1e-2)
_TIED = 1e-9
_GOLDEN = (5**0.5 - 1) / 2


def homotopy_trace(game: NormalForm, prior: Sequence[Any]) -> Equilibrium:
    """The equilibrium at the end of the path from a prior, polished; `stalled` where no path arrives.

    **Arguments:** `prior`: one vector of probabilities per player.
    """
    payoffs = normalised(game_arrays(game)).payoffs[:, 0]
    beliefs = tuple(np.array([float(p) for p in own]) for own in prior)
    worth = [against(np.asarray(own), beliefs, i) for i, own in enumerate(payoffs)]
    tied = any(len(own) > 1 and np.ptp(np.sort(own)[-2:]) < _TIED for own in worth)
    found: Equilibrium | None = None
    for size in _PERTURBATIONS[tied:]:
        path, points = _followed(payoffs, worth, size)
        record = TracingPath(
            game=game,
            prior=beliefs,
            points=points,
            exact=False,
            steps=path.steps,
            resolved=tied or bool(size) or path.reversals > 0,
            perturbation=size,
            status=path.status,
            method=METHOD,
        )
        if path.successful:
            found = polished(game, record.end.profile, METHOD, path=record)
            if found.found:
                end = TracingPoint(1.0, tuple(own[0] for own in found.policies))
                record = dataclasses.replace(record, points=(*points, end))
                return dataclasses.replace(found, path=record)
        else:
            stalled = EQUILIBRIUM.stalled
            found = verify(game, record.end.profile, METHOD, status=stalled, path=record)
    assert found is not None  # there are perturbations
    return found


def _followed(
    payoffs: Array, worth: Sequence[NDArray[Any]], size: float
) -> tuple[Path, tuple[TracingPoint, ...]]:
    count = sum(map(len, worth))
    spread = np.modf(_GOLDEN * np.arange(1, count + 1))[0]
    kappa = np.split(spread, np.cumsum([len(own) for own in worth])[:-1])
    extras = [size * own for own in kappa]
    perturbed = [own + extra for own, extra in zip(worth, extras, strict=True)]
    alphas = []
    for own in perturbed:
        best = own.argmax()
        alpha = -np.sqrt(own[best] - own)
        alpha[best] = 1.0
        alphas.append(alpha)
    values = [own.max() for own in perturbed]
    start = jnp.asarray(np.concatenate([*alphas, values, [0.0]]))
    args = (payoffs, *(tuple(map(jnp.asarray, own)) for own in (worth, extras)))
    path = follow(_residual, start, args, target=_TARGET, settings=_SETTINGS)
    ends = np.cumsum([len(own) for own in worth])
    points = []
    for y in path.points if len(path.points) else np.asarray(start)[None]:
        sigma = [np.maximum(own, 0) ** 2 for own in np.split(y[:count], ends[:-1])]
        points.append(TracingPoint(float(y[-1]), tuple(own / own.sum() for own in sigma)))
    return path, tuple(points)


def _residual(y: Array, args: tuple[Array, tuple[Array, ...], tuple[Array, ...]]) -> Array:
    payoffs, worth, extras = args
    ends = np.cumsum([own.size for own in worth])
    alphas = jnp.split(y[: ends[-1]], ends[:-1])
    values, t = y[ends[-1] : -1], y[-1]
    sigma = tuple(jnp.maximum(own, 0)[None] ** 2 for own in alphas)
    rows = []
    for player, (alpha, fixed, extra) in enumerate(zip(alphas, worth, extras, strict=True)):
        actual = expected(payoffs[player][None], sigma, player)[0]
        slack = jnp.maximum(-alpha, 0) ** 2
        believed = t * actual + (1 - t) * fixed + (1 - t) ** 2 * extra
        rows.append(believed + slack - values[player])
    sums = jnp.stack([own.sum() - 1 for own in sigma])
    return jnp.concatenate([*rows, sums])
