"""Long loops that are differentiated backwards: what a backward pass keeps, and how far it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import jax
import jax.numpy as jnp
from jax import Array, lax

Carry = TypeVar("Carry")
Step = Callable[[Carry, Array], tuple[Carry, Any]]
Memory = Literal["all", "steps", "blocks"]
"""What a backward pass keeps: everything, fastest; the carry after each step; or about the square root of
that, for one more forward pass."""


def check_memory(memory: Any) -> Memory:
    """`memory`, if it is one of the three."""
    if memory not in get_args(Memory):
        raise ValueError(f"memory: expected one of {get_args(Memory)}, got {memory!r}")
    return memory


def scan(
    step: Step[Carry],
    carry: Carry,
    length: int,
    memory: Memory = "steps",
    truncate: int | None = None,
) -> tuple[Carry, Any]:
    """`length` steps `(carry, index) -> (carry, output)`, as `jax.lax.scan` makes them.

    **Arguments:**

    - `memory`: what a backward pass finds.
    - `truncate`: derivatives go through windows of this many steps only: the carry is held constant at
        the beginning of each. `None` for all steps.

    **Returns:** the last carry, and the outputs of all steps along a new leading axis.
    """
    taken = step if truncate is None else _windowed(step, truncate)
    steps = jnp.arange(length)
    if memory == "all":
        return lax.scan(taken, carry, steps)
    kept = jax.checkpoint(taken, prevent_cse=False)
    if memory == "steps":
        return lax.scan(kept, carry, steps)
    size = max(1, math.isqrt(length))
    blocks = length // size

    @jax.checkpoint
    def block(carry: Carry, indices: Array) -> tuple[Carry, Any]:
        return lax.scan(kept, carry, indices)

    carry, outputs = lax.scan(block, carry, steps[: blocks * size].reshape(blocks, size))
    carry, rest = lax.scan(kept, carry, steps[blocks * size :])
    joined = jax.tree.map(
        lambda head, tail: jnp.concatenate([head.reshape(-1, *head.shape[2:]), tail]), outputs, rest
    )
    return carry, joined


def _windowed(step: Step[Carry], truncate: int) -> Step[Carry]:
    """The same step, from a carry that is constant at the beginning of each window."""

    def windowed(carry: Carry, index: Array) -> tuple[Carry, Any]:
        first = index % truncate == 0
        held = jax.tree.map(lambda x: jnp.where(first, lax.stop_gradient(x), x), carry)
        return step(held, index)

    return windowed
