"""For rules that treat a player's policy as an array: from arrays to the form that a loop carries."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import CompiledValue, ValueFunction

Tree = Any


def like_entry(values: ValueFunction, params: Tree, player: int, change: Array) -> Tree:
    """`change`, an array shaped like the player's parameters, in the form of `params[player]`."""
    if not isinstance(params[player], tuple):
        return change
    arrays = values.stack(params)
    return values.unstack((*arrays[:player], change, *arrays[player + 1 :]))[player]


def by_tensors(values: CompiledValue) -> CompiledValue:
    """The same function on arrays, by the tensor kernel; of one that a loop closes over as well."""
    payoffs = values.numbers.payoffs
    if isinstance(payoffs, tuple):  # of scalars, see `CompiledValue.for_loops`
        payoffs = jnp.stack([jnp.stack(own) for own in payoffs])
    numbers = values.numbers._replace(payoffs=payoffs)
    return dataclasses.replace(values, numbers=numbers, backend="tensor")
