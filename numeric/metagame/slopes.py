r"""Gradients of what players earn, by their meta-policies.

With $p_m$ added to what the meta-policy says at step m, and $x_m$ what it sees there,

$$ \frac{\mathrm{d} J_i}{\mathrm{d} \vartheta_i} =
   \sum_m \Big( \frac{\partial \mu_\vartheta(x_m)}{\partial \vartheta} \Big)^\top
   \frac{\partial J_i}{\partial p_m}\Big|_{p = 0}. $$

So a backward pass along a way carries nothing of the size of $\vartheta$, and the sum is one product of matrices over
all steps and starts.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.metagame.meta_game import (
    MetaGame,
    Pushes,
    Seat,
    follow_way,
    sum_over_groups,
)
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy

Tree = Any


def slopes(
    game: MetaGame, seats: tuple[Seat, ...], starts: tuple[Array, ...]
) -> tuple[Float[Array, " players"], tuple[Tree, ...]]:
    """J of all players, the mean over starts; and of each player with a meta-policy the gradient of its own J by the
    arrays of that, `None` for others."""
    shaping = [i for i, seat in enumerate(seats) if isinstance(seat, AbstractMetaPolicy)]
    none = tuple(
        jnp.zeros((1 + game.steps, *own.shape[1:])) if i in shaping else None
        for i, own in enumerate(starts)
    )

    def one(start: tuple[Array, ...]) -> tuple[Array, Tree, list[Array]]:
        """Payoffs; what each meta-policy saw, first of all the start; derivatives by pushes."""

        def along(pushes: Pushes) -> tuple[Array, Tree]:
            def count(values: ValueFunction, params: Tree) -> tuple[Array, Tree]:
                return values(params), values.stack(params)

            (paid, counted), _ = follow_way(game, seats, start, count, pushes)
            return game.weights @ paid, counted

        payoffs, pull, counted = jax.vjp(along, none, has_aux=True)
        # Seen are the start, by who opens, and the point before each step; counted are those, or those after it.
        before = [start] if game.opening == "policy" else [start, start]
        points = tuple(
            jnp.concatenate([*(first[i][None] for first in before), own])[: 1 + game.steps]
            for i, own in enumerate(counted)
        )
        blocks = jax.vmap(lambda unit: pull(unit)[0])(jnp.eye(len(seats))[jnp.array(shaping)])
        return payoffs, points, [blocks[i][k] for k, i in enumerate(shaping)]

    def group(own: tuple[Array, ...], shares: Array) -> tuple[Array, tuple[Tree, ...]]:
        payoffs, points, pulls = jax.vmap(one)(own)
        found: list[Tree] = [None] * len(seats)
        for i, pull in zip(shaping, pulls, strict=True):
            trained, rest = eqx.partition(seats[i], eqx.is_inexact_array)

            def told(trained: Tree, rest: Any = rest, pull: Array = pull) -> Array:
                policy = eqx.combine(trained, rest)
                said = jax.vmap(jax.vmap(policy))(points)
                return jnp.einsum("s,sm...,sm...->", shares, pull, said)

            found[i] = jax.grad(told)(trained)
        return shares @ payoffs, tuple(found)

    return sum_over_groups(group, starts)
