r"""What a consistent update is: directions that are right if everybody else uses them too.

$$ u_j(\theta) = \frac{\mathrm{d}}{\mathrm{d}\theta_j}
   V_j\big(\theta_j, (\theta_k + \eta_k \, u_k(\theta))_{k \ne j}\big) \quad \text{for all } j \text{ and } \theta. $$

The derivative is total: it goes through the others' directions. Willi et al. (2022), *COLA: consistent learning with
opponent-learning awareness*, arXiv:2203.04098, state it for losses $L = -V$ and steps $h_j = \eta_j u_j$; one of their
published directions is $u_j$.
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction, require_x64

Tree = Any


class ConsistentUpdate(eqx.Module):
    """Parameters of all players -> directions of all players, meant to solve the consistency equations.

    Whether and how well it solves them is for [`resolvent.numeric.consistency_loss`][] to say. The
    learner [`resolvent.numeric.COLA`][] follows it.

    **Attributes:**

    - `lookahead`: the step that each player expects of each, eta, `(n,)`.
    - `shapes`: the shape of each player's parameters.
    """

    lookahead: eqx.AbstractVar[Float[Array, " players"]]
    shapes: eqx.AbstractVar[tuple[tuple[int, ...], ...]]

    @abc.abstractmethod
    def __call__(self, params: Tree) -> tuple[Array, ...]:
        """Directions of ascent, one array per player, like `params`."""


def check_lookahead(lookahead: Any, num_players: int) -> Float[Array, " players"]:
    """One step per player.

    **Arguments:** `lookahead`: a number for all players, or one for each; finite, at least 0.

    **Raises:** `ValueError` for anything else.
    """
    require_x64()
    if isinstance(lookahead, Tracer):
        return jnp.broadcast_to(lookahead, (num_players,))
    array = np.asarray(lookahead)
    good = array.dtype.kind in "iuf" and array.shape in ((), (num_players,))
    if not good or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"lookahead: expected a number from 0, or one for each of {num_players} players, "
            f"got {lookahead!r}"
        )
    return jnp.broadcast_to(jnp.asarray(array, float), (num_players,))


def check_shapes(updates: ConsistentUpdate, values: ValueFunction) -> None:
    """**Raises:** `ValueError` where an update was made for parameters of other shapes."""
    if updates.shapes != values.shapes:
        raise ValueError(
            f"updates: made for parameters of shapes {updates.shapes}, but those of {values.name} "
            f"have shapes {values.shapes}; make them for this game"
        )


def ravel(params: Tree) -> Float[Array, " all"]:
    """Parameters of all players -> one vector, in the order of players."""
    return jnp.concatenate([jnp.ravel(own) for own in params])


def split(z: Float[Array, " all"], shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, ...]:
    """The inverse of `ravel`."""
    return tuple(z[part].reshape(shape) for part, shape in zip(parts(shapes), shapes, strict=True))


def parts(shapes: tuple[tuple[int, ...], ...]) -> tuple[slice, ...]:
    """Where each player's parameters are in what `ravel` makes of them."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
    return tuple(map(slice, [0, *ends[:-1]], ends))


def owners(shapes: tuple[tuple[int, ...], ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whose each entry is of what `ravel` makes of parameters."""
    return np.repeat(np.arange(len(shapes)), [int(np.prod(shape)) for shape in shapes])
