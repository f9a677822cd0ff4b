"""Vector algebra on pytrees of arrays: what learners are written in.

A player's parameters may be an array, or the tuples of scalars in which a compiled loop carries
them; these functions do not care. Factors are scalars and take the dtype of what they multiply.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Tree = Any
"""A pytree of arrays."""


def add(*trees: Tree) -> Tree:
    """x + y + ..., of one structure."""
    return jax.tree.map(lambda *leaves: reduce(operator.add, leaves), *trees)


def scale(factor: ArrayLike, x: Tree) -> Tree:
    """factor * x."""
    return jax.tree.map(lambda leaf: jnp.asarray(factor, leaf.dtype) * leaf, x)


def axpy(factor: ArrayLike, x: Tree, y: Tree) -> Tree:
    """factor * x + y."""
    return add(scale(factor, x), y)


def total(terms: Sequence[Tree], like: Tree) -> Tree:
    """The sum of `terms`; zero, of the structure of `like`, if there are none."""
    return add(*terms) if terms else jax.tree.map(jnp.zeros_like, like)


def inner(x: Tree, y: Tree) -> Array:
    """The inner product of x and y, over all their entries."""
    products = jax.tree.map(lambda a, b: jnp.sum(a * b), x, y)
    return reduce(operator.add, jax.tree.leaves(products) or [jnp.zeros(())])


def norm(x: Tree) -> Array:
    """The Euclidean norm of x."""
    return jnp.sqrt(inner(x, x))


def where(condition: ArrayLike, x: Tree, y: Tree) -> Tree:
    """x if the scalar `condition` holds, otherwise y."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), x, y)


def all_finite(x: Tree) -> Array:
    """Whether no entry of x is infinite or NaN.

    Tests one number instead of all: 0 * entry is 0 if the entry is finite and NaN otherwise.
    """
    tests = [jnp.sum(0 * leaf) for leaf in jax.tree.leaves(x)] or [jnp.zeros(())]
    return reduce(operator.add, tests) == 0
