"""One door to all methods: an equilibrium, or all that can be found, of any game."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from resolvent.games import IteratedGame, NormalForm
from resolvent.games.rational import shorten
from resolvent.numeric.equilibrium.arrays import Game, game_arrays, require_stationary
from resolvent.numeric.equilibrium.bimatrix import (
    extreme_equilibria,
    lemke_howson,
    lemke_howson_all,
    support_enumeration,
)
from resolvent.numeric.equilibrium.equilibria import Equilibria
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM, Equilibrium, verify
from resolvent.numeric.equilibrium.linear import linear_trace
from resolvent.numeric.equilibrium.logarithmic import trace as logarithmic_trace
from resolvent.numeric.equilibrium.logarithmic_batch import trace_batch
from resolvent.numeric.equilibrium.logarithmic_plan import COARSER, ETA, LONG, SETTINGS
from resolvent.numeric.equilibrium.logit import logit_trace
from resolvent.numeric.equilibrium.priors import PRIORS, random_priors, read_prior
from resolvent.numeric.equilibrium.pure import pure_equilibria

# As farthest probabilities go, equilibria of floats that are closer are the same.
_SAME = 1e-6
_MOST_PURE_STARTS = 64
# How many paths are followed side by side.
_TOGETHER = 16


@overload
def nash(
    game: Game, method: str = "auto", all: Literal[False] = False, **options: Any
) -> Equilibrium: ...


@overload
def nash(game: Game, method: str = "auto", *, all: Literal[True], **options: Any) -> Equilibria: ...


def nash(
    game: Game, method: str = "auto", all: bool = False, **options: Any
) -> Equilibrium | Equilibria:
    """A Nash equilibrium, or all that the method can find.

    | method | one | `all=True` |
    | --- | --- | --- |
    | `"linear"` | [`resolvent.numeric.linear_trace`][]: what Harsanyi and Selten select | traced from many priors, [`resolvent.numeric.traced_equilibria`][] |
    | `"logarithmic"` | [`resolvent.numeric.trace`][] | traced from many priors |
    | `"logit"` | [`resolvent.numeric.logit_trace`][]: the principal branch | |
    | `"vertices"` | | all extreme equilibria of two players, [`resolvent.numeric.extreme_equilibria`][] |
    | `"lemke_howson"` | [`resolvent.numeric.lemke_howson`][] | those that its paths reach |
    | `"supports"` | | [`resolvent.numeric.support_enumeration`][] |
    | `"pure"` | the first of | all pure stationary ones, [`resolvent.numeric.pure_equilibria`][] |

    `"auto"` is, for one, `"linear"` of matrix games and iterated ones without noise (from the uniform prior,
    which leads to an equilibrium of the stage game, repeated), and `"logarithmic"` of others. For all it is
    `"vertices"` for two players, `"linear"` for more, and `"logarithmic"` where there are several states; all
    *pure* ones of these are found by `"pure"`.

    **Arguments:**

    - `game`: a matrix game, or an iterated or stochastic one in which the players see the state.
    - `method`: see above.
    - `all`: whether to look for all.
    - `options`: of the function that the table names: `prior`, `label`, `limit`, `subgame_perfect`, ...

    **Returns:** one record, verified, or a sequence of them that says whether it is complete.

    **Raises:** `ValueError` for methods there are not, and for games that a method does not apply to.
    """  # noqa: E501
    require_stationary(game)
    if method == "auto":
        method = _default(game, all)
    table = _ALL if all else _ONE
    if method not in table:
        names = ", ".join(f'"{name}"' for name in ("auto", *table))
        how = "all=True" if all else "all=False"
        raise ValueError(f"method: expected one of {names} with {how}, got {shorten(method)}")
    return table[method](game, **options)


def traced_equilibria(
    game: Game,
    priors: Iterable[Any] | None = None,
    key: Array | None = None,
    starts: int = 32,
    trace: Callable[[Any, Any], Equilibrium] | None = None,
) -> Equilibria:
    """The distinct equilibria that paths from many priors lead to. There may be others.

    **Arguments:**

    - `game`: what is played.
    - `priors`: the priors to start from. By default of a matrix game the uniform one and every pure
        joint action, as long as there are no more than 64; of other games the named priors that can be
        played in it.
    - `key`: draws `starts` priors more, uniformly from the simplex, for each state.
    - `trace`: from a game and a prior to an equilibrium; by default [`resolvent.numeric.linear_trace`][] of
        matrix games, and [`resolvent.numeric.trace_batch`][] of all priors together of others, which keeps no
        paths.
    """
    beliefs = list(_default_priors(game) if priors is None else priors)
    if key is not None:
        beliefs += [_drawn(game, each) for each in jax.random.split(key, starts)]
    if not beliefs:
        raise ValueError("priors: expected at least one, or a key to draw some")
    if trace is None and isinstance(game, NormalForm):
        trace = linear_trace
    distinct: list[Equilibrium] = []
    lost = 0
    ends = _traced_together(game, beliefs) if trace is None else (trace(game, b) for b in beliefs)
    for found in ends:
        if not found.found:
            lost += 1
        elif not any(_same(found, own) for own in distinct):
            distinct.append(found)
    return Equilibria(
        game,
        tuple(distinct),
        f"tracing from {len(beliefs)} priors",
        complete=False,
        note="those that were reached; there may be others",
        lost=lost,
    )


def _traced_together(game: Game, beliefs: Sequence[Any]) -> Iterator[Equilibrium]:
    """Where logarithmic tracing leads from each prior, each end verified once.

    Paths that are too long, or lost, at the smallest weight of the barrier are followed at larger ones.
    """
    arrays = game_arrays(game)
    each = [read_prior(game, own, arrays) for own in beliefs]
    priors = tuple(jnp.stack(own) for own in zip(*each, strict=True))
    ends = [np.array(own) for own in priors]
    eta = np.zeros(len(beliefs))
    for weight in (ETA, *COARSER):
        left = np.flatnonzero(eta == 0)
        if not left.size:
            break
        traced = trace_batch(
            game,
            tuple(own[left] for own in priors),
            eta=weight,
            settings=replace(SETTINGS, steps=LONG),
            width=_TOGETHER,
        )
        good = left[traced.accepted]
        eta[good] = weight
        for end, own in zip(ends, traced.policies, strict=True):
            end[good] = own[traced.accepted]
    verified: list[Equilibrium] = []
    for k, weight in enumerate(eta):
        policies = [own[k] for own in ends]
        known = [own for own in verified if _distance(own.policies, policies) < _SAME]
        if weight and known:
            yield known[0]
            continue
        status = None if weight else EQUILIBRIUM.stalled
        method = f"logarithmic tracing (eta={weight:g})"
        verified.append(verify(game, policies, method, status=status))
        yield verified[-1]


def _default(game: Game, all: bool) -> str:
    if not isinstance(game, NormalForm):
        trembles = any(own is not None for own in game.trembles)
        staged = isinstance(game, IteratedGame) and not trembles
        return "linear" if staged and not all else "logarithmic"
    return "vertices" if all and game.num_players == 2 else "linear"


def _default_priors(game: Game) -> Iterable[Any]:
    yield "uniform"
    if not isinstance(game, NormalForm):
        for name in PRIORS:
            if name != "uniform" and _applies(game, name):
                yield name
    elif prod(game.num_actions) <= _MOST_PURE_STARTS:
        for joint in product(*map(range, game.num_actions)):
            yield tuple(
                tuple(Fraction(a == own) for a in range(count))
                for own, count in zip(joint, game.num_actions, strict=True)
            )


def _applies(game: Game, name: str) -> bool:
    try:
        read_prior(game, name)
    except ValueError:
        return False
    return True


def _drawn(game: Game, key: Array) -> list[Any]:
    rows = [np.asarray(own) for own in random_priors(game, key)]
    return [own[0] for own in rows] if isinstance(game, NormalForm) else rows


def _traced_logarithmic(game: Game, **options: Any) -> Equilibria:
    if isinstance(game, NormalForm):
        options = {"trace": logarithmic_trace, **options}
    return traced_equilibria(game, **options)


def _same(one: Equilibrium, other: Equilibrium) -> bool:
    return _distance(one.policies, other.policies) < _SAME


def _distance(one: Sequence[Any], other: Sequence[Any]) -> float:
    """How far apart the farthest probabilities are."""
    return max(
        float(np.abs(np.array(a, dtype=float) - np.array(b, dtype=float)).max())
        for a, b in zip(one, other, strict=True)
    )


def _one_pure(game: Game, **options: Any) -> Equilibrium:
    found = pure_equilibria(game, **options)
    if not len(found):
        raise ValueError(
            f"game: {game.name or 'it'} has no pure stationary equilibrium; trace one from a prior"
        )
    return found[0]


def _all_pure(game: Game, **options: Any) -> Equilibria:
    found = pure_equilibria(game, **options)
    return Equilibria(
        game,
        tuple(found),
        "enumeration of pure policies, exact",
        complete=False,
        note="all pure stationary ones; there may be mixed ones",
    )


_ONE: dict[str, Callable[..., Equilibrium]] = {
    "linear": linear_trace,
    "logarithmic": logarithmic_trace,
    "logit": logit_trace,
    "lemke_howson": lemke_howson,
    "pure": _one_pure,
}

_ALL: dict[str, Callable[..., Equilibria]] = {
    "vertices": extreme_equilibria,
    "supports": support_enumeration,
    "lemke_howson": lemke_howson_all,
    "linear": traced_equilibria,
    "logarithmic": _traced_logarithmic,
    "pure": _all_pure,
}
