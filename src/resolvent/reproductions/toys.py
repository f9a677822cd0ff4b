"""Values of the toy games whose players have one parameter each, as JAX functions: V = -L."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from resolvent.numeric import ValueFunction

Tree = Any


def tandem() -> ValueFunction:
    """Losses (x + y)^2 - 2x and (x + y)^2 - 2y: Letcher et al. (2019), SOS, arXiv:1811.08469."""
    return ValueFunction.wrap(_tandem, [(), ()], "tandem")


def _tandem(params: Tree) -> Array:
    x, y = params
    square = (x + y) ** 2
    return -jnp.stack([square - 2 * x, square - 2 * y])


def no_convergence() -> ValueFunction:
    """The zero-sum loss xy - x^2/2 + y^2/2 + x^4/4 - y^4/4 of Letcher (2020), arXiv:2005.12649."""
    return ValueFunction.wrap(_no_convergence, [(), ()], "Letcher's zero-sum game")


def _no_convergence(params: Tree) -> Array:
    x, y = params
    loss = x * y - x**2 / 2 + y**2 / 2 + x**4 / 4 - y**4 / 4
    return jnp.stack([-loss, loss])


def one_shot_chicken() -> ValueFunction:
    """Chicken (0, -1, 1, -100) played once, in logits of swerving: M-FOS, arXiv:2205.01447."""
    return ValueFunction.wrap(_one_shot_chicken, [(), ()], "one-shot chicken")


def _one_shot_chicken(params: Tree) -> Array:
    p, q = (1 / (1 + jnp.exp(-own)) for own in params)

    def paid(own: Array, other: Array) -> Array:
        return -own * (1 - other) + (1 - own) * other - 100 * (1 - own) * (1 - other)

    return jnp.stack([paid(p, q), paid(q, p)])
