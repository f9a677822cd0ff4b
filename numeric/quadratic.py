r"""Values that are quadratic in all parameters, as matrices: where consistent updates and meta-values are exact.

$$ V_i(z) = c_i + b_i^\top z + \tfrac12 \, z^\top Q_i \, z, \qquad z = (\theta_1, \dots, \theta_n). $$
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction

Tree = Any

# A function that is not quadratic shows it at these distances from the origin.
_RADII = (0.1, 1.0, 7.0)


class QuadraticForm(eqx.Module):
    r"""Coefficients of $V_i(z) = c_i + b_i^\top z + z^\top Q_i z / 2$ for all players.

    **Attributes:**

    - `matrices`: $Q_i$, `(n, d, d)`, symmetric, for d parameters in all.
    - `vectors`: $b_i$, `(n, d)`.
    - `constants`: $c_i$, `(n,)`.
    - `shapes`: the shape of each player's parameters, in the order of which they make up z.
    """

    matrices: Float[Array, "players all all"]
    vectors: Float[Array, "players all"]
    constants: Float[Array, " players"]
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    @property
    def num_players(self) -> int:
        return len(self.shapes)

    @property
    def parts(self) -> tuple[slice, ...]:
        """Where each player's parameters are in z."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes]).tolist()
        return tuple(map(slice, [0, *ends[:-1]], ends))

    def ravel(self, params: Tree) -> Float[Array, " all"]:
        """Parameters of all players -> z."""
        return jnp.concatenate([jnp.ravel(own) for own in params])

    def split(self, z: Float[Array, " all"]) -> tuple[Array, ...]:
        """z -> parameters of all players."""
        return tuple(
            z[part].reshape(shape) for part, shape in zip(self.parts, self.shapes, strict=True)
        )

    def __call__(self, z: Float[Array, " all"]) -> Float[Array, " players"]:
        """Values, `(n,)`."""
        return self.constants + self.vectors @ z + 0.5 * jnp.einsum("iab,a,b", self.matrices, z, z)

    def joint_gradient(self) -> tuple[Float[Array, "all all"], Float[Array, " all"]]:
        r"""$(K, k)$ of the joint gradient $\xi(z) = K z + k$: row block i is of player i's value."""
        rows = [self.matrices[i, part] for i, part in enumerate(self.parts)]
        constants = [self.vectors[i, part] for i, part in enumerate(self.parts)]
        return jnp.concatenate(rows), jnp.concatenate(constants)


def quadratic_form(values: ValueFunction) -> QuadraticForm:
    """The coefficients of values that are quadratic in the parameters of all players.

    **Raises:** `ValueError` where they are not: the expansion about 0 is compared with the values at
    fixed points near and far.
    """
    zero = tuple(jnp.zeros(shape) for shape in values.shapes)
    flat, back = ravel_pytree(zero)

    @jax.jit
    def expand(z: Array) -> tuple[Array, Array, Array]:
        def function(own: Array) -> Array:
            return values(back(own))

        return function(z), jax.jacfwd(function)(z), jax.hessian(function)(z)

    constants, vectors, matrices = expand(flat)
    form = QuadraticForm(matrices, vectors, constants, values.shapes)
    _check(values.name, form, [expand(z) for z in _points(flat.size)])
    return form


def _points(size: int) -> list[Array]:
    """Directions in which all products of powers show, at several distances."""
    direction = np.cos(np.arange(1, size + 1) ** 2) + 0.1
    return [jnp.asarray(radius * direction) for radius in _RADII]


def _check(name: str, form: QuadraticForm, there: Sequence[tuple[Array, Array, Array]]) -> None:
    for z, (values, _, matrices) in zip(_points(len(form.vectors[0])), there, strict=True):
        size = 1 + float(jnp.abs(z).max())
        scale = float(
            jnp.abs(form.constants).max()
            + size * jnp.abs(form.vectors).max()
            + size**2 * jnp.abs(form.matrices).max()
        )
        gap = float(jnp.abs(values - form(z)).max())
        bend = float(jnp.abs(matrices - form.matrices).max())
        if not max(gap, bend) <= 1e-9 * scale:
            raise ValueError(
                f"values: expected quadratic values, but those of {name} depart from their expansion "
                f"about 0 by {max(gap, bend):.3g}; where they are not quadratic, use a series, "
                "collocation or networks in place of the matrix form"
            )
