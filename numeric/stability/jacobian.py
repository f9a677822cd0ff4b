r"""The game Jacobian: how the simultaneous gradient changes as players move, and the parts of it.

$$ w(z) = (\nabla_{\theta_i} V_i)_i, \qquad J(z) = \frac{\partial w}{\partial z}, \qquad
   S = \tfrac12 (J + J^\top), \quad A = \tfrac12 (J - J^\top), \qquad J = J_d + J_o, $$

where z is the parameters of all players in order, $J_d$ has the players' own blocks $\nabla^2_{ii} V_i$ and $J_o$ the
cross blocks $\nabla^2_{ij} V_i$. Values are **maximised**: of a game stated by losses, the literature's
simultaneous gradient is $\xi = -w$, and its Jacobian $H = -J$.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction, check_parameters
from resolvent.numeric.learners.joint import joint_gradient, matrix

Tree = Any


class GameJacobian(eqx.Module):
    """The simultaneous gradient and its Jacobian at a point.

    **Attributes:**

    - `gradient`: w, `(d,)`, for d parameters in all, in units of values per parameter; of values, which
        are maximised: minus the literature's gradient of losses.
    - `matrix`: J, `(d, d)`; block row i belongs to player i's own value. The literature's H is `-matrix`.
    - `sizes`: the number of parameters of each player.
    """

    gradient: Float[Array, " all"]
    matrix: Float[Array, "all all"]
    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def num_players(self) -> int:
        return len(self.sizes)

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each player's parameters are in z."""
        ends = np.cumsum(self.sizes).tolist()
        return tuple(map(slice, [0, *ends[:-1]], ends))

    def block(self, i: int, j: int) -> Float[Array, "own other"]:
        r"""$\nabla^2_{ij} V_i$: rows for the parameters of player i, columns for those of player j."""
        return self.matrix[self.parts[i], self.parts[j]]

    @property
    def symmetric(self) -> Float[Array, "all all"]:
        """S, which says whether moving along w is, on the whole, drawn back."""
        return (self.matrix + self.matrix.T) / 2

    @property
    def antisymmetric(self) -> Float[Array, "all all"]:
        """A, the rotation of the game."""
        return (self.matrix - self.matrix.T) / 2

    @property
    def own(self) -> Float[Array, "all all"]:
        """J_d: the players' own blocks, zero elsewhere."""
        return jnp.where(self._own_entries(), self.matrix, 0)

    @property
    def cross(self) -> Float[Array, "all all"]:
        """J_o: what is not in the players' own blocks, zero there."""
        return jnp.where(self._own_entries(), 0, self.matrix)

    def _own_entries(self) -> np.ndarray:
        owner = np.repeat(np.arange(self.num_players), self.sizes)
        return owner[:, None] == owner[None, :]


def game_jacobian(values: ValueFunction, params: Tree) -> GameJacobian:
    """The simultaneous gradient of a game and its Jacobian at a point, exactly (up to rounding).

    **Arguments:**

    - `values`: any [`resolvent.numeric.ValueFunction`][]; second derivatives are its `cross`, from
        resolvent identities where the game has a closed form, by automatic differentiation otherwise.
    - `params`: one array per player.

    **Returns:** a [`resolvent.numeric.GameJacobian`][]: gradient, matrix, and its parts.

    **Raises:** `ValueError` for parameters of other shapes.
    """
    arrays = check_parameters(params, values.shapes)
    gradient, J = _system(values, ravel(arrays))
    return GameJacobian(gradient, J, sizes_of(values))


def sizes_of(values: ValueFunction) -> tuple[int, ...]:
    """The number of parameters of each player."""
    return tuple(math.prod(shape) for shape in values.shapes)


def ravel(params: Tree) -> Float[Array, " all"]:
    """Parameters of all players, arrays or as a loop carries them -> z."""
    return ravel_pytree(params)[0]


def split(shapes: tuple[tuple[int, ...], ...], z: Array) -> tuple[Array, ...]:
    """z -> arrays of the given shapes; the inverse of `ravel`."""
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    starts = [0, *ends][: len(ends)]
    return tuple(
        z[low:high].reshape(shape) for low, high, shape in zip(starts, ends, shapes, strict=True)
    )


class GameSystem(eqx.Module):
    """z -> (w, J) as one function, for loops over z."""

    values: ValueFunction

    def __call__(self, z: Array) -> tuple[Array, Array]:
        params = self.values.unstack(split(self.values.shapes, z))
        return ravel(joint_gradient(self.values, params)), matrix(self.values, params, True)


@eqx.filter_jit
def _system(values: ValueFunction, z: Array) -> tuple[Array, Array]:
    return GameSystem(values.for_loops())(z)


def point_of(values: ValueFunction, params: Tree) -> np.ndarray:
    """Checked parameters as one NumPy vector."""
    return np.asarray(jax.device_get(ravel(check_parameters(params, values.shapes))))
