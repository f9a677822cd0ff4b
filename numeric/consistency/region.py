"""Boxes of parameters, and exact means over them."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import NDArray


class Box(NamedTuple):
    """low <= z <= high, for all parameters in one vector."""

    low: NDArray[np.floating]
    high: NDArray[np.floating]

    @property
    def size(self) -> int:
        return len(self.low)

    def scale(self, unit: NDArray[np.floating]) -> NDArray[np.floating]:
        """[-1, 1]^d -> the box."""
        return self.low + (unit + 1) / 2 * (self.high - self.low)


def check_region(region: Any, size: int) -> Box:
    """A box of `size` parameters.

    **Arguments:** `region`: `(low, high)`, each a number for all parameters, or one for each of them
    (all players' in one row).

    **Raises:** `ValueError` for anything else, or an empty box.
    """
    try:
        low, high = (np.broadcast_to(np.asarray(own, float), (size,)) for own in region)
    except (TypeError, ValueError):
        raise ValueError(
            f"region: expected (low, high), numbers or one for each of {size} parameters, "
            f"got {region!r}"
        ) from None
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(f"region: expected finite low < high, got {region!r}")
    return Box(low, high)


def quadrature(box: Box, nodes: int) -> tuple[Float[Array, "points all"], Float[Array, " points"]]:
    """Points and weights, of sum 1, of the tensor Gauss-Legendre rule with `nodes` in each direction:
    exact for polynomials of degree 2 `nodes` - 1 in each parameter."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    unit = np.array(list(itertools.product(places, repeat=box.size)))
    share = np.array(list(itertools.product(weights / 2, repeat=box.size))).prod(1)
    return jnp.asarray(box.scale(unit)), jnp.asarray(share)
