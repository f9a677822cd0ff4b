r"""Products with the Jacobian of the joint gradient, which rules for all players at once are made of.

$\xi = (\nabla_j V_j)_j$ is the joint gradient; $K_{ij} = \nabla^2_{ij} V_i$ its Jacobian, whose block row i belongs
to the value of player i. Directions are tuples with one entry per player.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree

Tree = Any


def joint_gradient(values: ValueFunction, params: Tree) -> tuple[Tree, ...]:
    r"""$\xi = (\nabla_j V_j)_j$."""
    return tuple(blocks[j] for j, blocks in enumerate(values.jacobian(params)))


def product(
    values: ValueFunction, params: Tree, player: int, u: Sequence[Tree], own: bool = True
) -> Tree:
    r"""$(K u)_i = \sum_j \nabla_i \langle \nabla_j V_i, \bot u_j \rangle$: how the player's gradient
    changes as everybody moves along u.

    **Arguments:** `own`: whether the sum includes the player itself.
    """
    terms = [
        values.cross(params, player, player, j, u[j]) for j in range(len(u)) if own or j != player
    ]
    return tree.total(terms, like=params[player])


def transposed(
    values: ValueFunction, params: Tree, player: int, u: Sequence[Tree], own: bool = True
) -> Tree:
    r"""$(K^\top u)_i = \sum_j \nabla_i \langle \nabla_j V_j, \bot u_j \rangle$: how the player's move
    changes everybody's gradients, weighted by u.

    **Arguments:** `own`: whether the sum includes the player itself.
    """
    terms = [values.cross(params, j, player, j, u[j]) for j in range(len(u)) if own or j != player]
    return tree.total(terms, like=params[player])


def size(x: Tree) -> int:
    """The number of entries of x."""
    return sum(leaf.size for leaf in jax.tree.leaves(x))


def matrix(values: ValueFunction, params: Tree, diagonal: bool) -> Array:
    r"""K in full, `(d, d)` for d parameters in all, in the order of `ravel_pytree`: one product for
    each parameter that a block depends on, those of a block at once.

    **Arguments:** `diagonal`: whether with the blocks $K_{ii}$, otherwise zero.
    """

    def block(i: int, j: int) -> Array:
        flat, back = ravel_pytree(params[j])
        if i == j and not diagonal:
            return jnp.zeros((flat.size, flat.size), flat.dtype)

        def column(unit: Array) -> Array:
            return ravel_pytree(values.cross(params, i, i, j, back(unit)))[0]

        return jax.vmap(column, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype))

    players = range(len(params))
    return jnp.concatenate(
        [jnp.concatenate([block(i, j) for j in players], axis=1) for i in players]
    )
