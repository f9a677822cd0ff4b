"""Evolution of meta-policies: CMA-ES on the exact objective, one compiled call per generation."""

from __future__ import annotations

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from resolvent.numeric.metagame.meta_game import MetaGame, mean_over_starts, worth
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy
from resolvent.numeric.meter import AbstractMeter

# From this many parameters on, only a diagonal covariance is learned: a full one takes the square of that.
_DIAGONAL = 200

Ending = Literal["successful", "nonfinite", "interrupted"]


def evolve(
    game: MetaGame,
    policy: AbstractMetaPolicy,
    generations: int,
    size: int,
    key: Array,
    population: int | None,
    deviation: float,
    meter: AbstractMeter,
) -> tuple[AbstractMetaPolicy, NDArray[np.floating], Ending]:
    """The best meta-policy found, the best value of each generation, and how it ended.

    **Arguments:** as of `train`; `size`: starts per generation.
    """
    try:
        import cma
    except ImportError as error:
        raise ImportError(
            "method=\"evolution\" needs cma: pip install 'resolvent[evolution]'"
        ) from error
    if population is not None and (isinstance(population, bool) or not population >= 4):
        raise ValueError(f"population: expected a whole number from 4, got {population!r}")
    trained, rest = eqx.partition(policy, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(trained)
    if flat.size < 2:
        raise ValueError(
            f'policy: evolution expects at least two numbers to improve, got {flat.size}; use method="adam"'
        )
    draws = np.random.default_rng(np.asarray(jax.random.bits(key, (4,))))
    options: dict[str, Any] = {
        "verbose": -9,
        "seed": np.nan,  # leaves NumPy's global generator alone
        "randn": lambda *shape: draws.standard_normal(shape),
        "CMA_diagonal": flat.size >= _DIAGONAL,
        "maxiter": generations + 1,
        **({} if population is None else {"popsize": int(population)}),
    }
    strategy = cma.CMAEvolutionStrategy(np.asarray(flat), deviation, options)
    parts = game.num_starts // size

    def worth_of(candidates: NDArray[np.floating], generation: int) -> NDArray[np.floating]:
        part = slice(generation % parts * size, (generation % parts + 1) * size)
        starts = tuple(own[part] for own in game.starts)
        found = np.asarray(_worths(game, rest, unravel, jnp.asarray(candidates), starts))
        return np.where(np.isfinite(found), found, -np.inf)

    best: list[float] = []
    ending: Ending = "successful"
    meter.open(generations, game.values.name)
    try:
        while len(best) < generations:
            candidates = np.stack(strategy.ask())
            found = worth_of(candidates, len(best))
            if np.isinf(found).all():
                ending = "nonfinite"
                break
            # Those that lead out of the finite numbers rank last.
            finite = found[np.isfinite(found)]
            ranked = np.where(np.isfinite(found), found, finite.min() - 1 - np.ptp(finite))
            strategy.tell(list(candidates), list(-ranked))
            best.append(float(found.max()))
            meter.show(len(best))
    except KeyboardInterrupt:
        ending = "interrupted"
    finally:
        meter.close()
    last = np.asarray(flat)
    if best:
        # On all starts: the best candidate of some may owe that to them.
        found = strategy.result
        ends = np.stack([np.asarray(own, float) for own in (found.xbest, found.xfavorite, last)])
        everywhere = np.asarray(_worths(game, rest, unravel, jnp.asarray(ends), game.starts))
        last = ends[np.argmax(np.where(np.isfinite(everywhere), everywhere, -np.inf))]
    return eqx.combine(unravel(jnp.asarray(last)), rest), np.array(best), ending


@eqx.filter_jit
def _worths(
    game: MetaGame, rest: Any, unravel: Any, candidates: Array, starts: tuple[Array, ...]
) -> Array:
    """J of the player, per candidate."""

    def one(flat: Array) -> Array:
        policy = eqx.combine(unravel(flat), rest)
        seats: Any = tuple(
            policy if j == game.player else own for j, own in enumerate(game.learners)
        )
        return mean_over_starts(lambda start: worth(game, seats, start)[game.player], starts)

    return jax.vmap(one)(candidates)
