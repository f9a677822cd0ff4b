"""The power series of the consistent update, truncated, as an update that learners can follow."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import sympy
from jax import Array
from jaxtyping import Float

from resolvent.analytic.consistent_series import ConsistentSeries
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import DifferentiableGame
from resolvent.numeric.consistency.consistent_update import (
    ConsistentUpdate,
    check_lookahead,
    ravel,
    split,
)

Tree = Any


class SeriesUpdate(ConsistentUpdate):
    """A truncated series; see [`resolvent.numeric.series_update`][].

    **Attributes:** `lookahead`, `shapes`, as of every [`resolvent.numeric.ConsistentUpdate`][]; `order`, the last
    power; `directions`, one entry per parameter, as a compiled function.
    """

    directions: ValueFunction
    lookahead: Float[Array, " players"]
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    order: int = eqx.field(static=True)

    def __call__(self, params: Tree) -> tuple[Array, ...]:
        z = ravel(params)
        return split(self.directions(tuple(z[:, None])), self.shapes)

    def __repr__(self) -> str:
        return f"SeriesUpdate(order={self.order}, {self.directions.name})"


def series_update(series: ConsistentSeries, step: Any, order: int | None = None) -> SeriesUpdate:
    """A truncated series as an update.

    **Arguments:** `series`: whose numbers are all known; `step`: the number eta, at least 0 (players' steps are this
    times their `shares`); `order`: the last power. Default: all that are known.

    **Raises:** `ValueError` for symbols left.
    """
    game = series.game
    eta = float(check_lookahead(step, 1)[0])
    rows = series.directions(order)
    number = {series.symbol: sympy.Float(eta, 17)}
    # The same formulas are the payoffs of a game with a player for each parameter: its compiled
    # values are what is wanted.
    names = tuple(name for own in game.parameters for name in own)
    flat = DifferentiableGame(
        [u.xreplace(number) for own in rows for u in own],
        parameters=tuple((name,) for name in names),
        name=game.name,
    )
    if flat.symbols or any(share.free_symbols for share in series.shares):
        raise ValueError(
            f"series: expected numbers only, but symbols are left in the game or the shares: "
            f"{', '.join(map(str, flat.symbols)) or series.shares}"
        )
    return SeriesUpdate(
        directions=DifferentiableForm(flat).compile(),
        lookahead=eta * jnp.asarray([float(share) for share in series.shares]),
        shapes=game.shapes,
        order=series.order if order is None else order,
    )
