"""What a learner is: one player's update rule."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import ValueFunction, require_x64

Tree = Any
"""A pytree of arrays."""

Info = dict[str, Array]
"""Named numbers about one update, for a person or a diagnostic."""


class AbstractLearner(eqx.Module):
    """One player's update rule, for any number of players and any parameters.

    `update` is pure, is compiled, and sees parameters as opaque pytrees: combine them by
    `resolvent.numeric.tree`, and take derivatives by the value function's `jacobian` and `cross`.
    Numbers such as the rate are leaves, so one may `jax.vmap` over them; what changes the compiled
    code, such as a variant, is a static field.
    """

    def check(self, values: ValueFunction, player: int) -> None:
        """Raise, before any computation, where this rule cannot play these `values` as `player`, and say
        what to use in place. Here hyper-parameters are numbers; in `init` and `update` they may be traced.
        """

    @abc.abstractmethod
    def init(self, values: ValueFunction, params: Tree, player: int) -> Tree:
        """The state before the first step; `None` where there is nothing to remember.

        **Arguments:** as for `update`.
        """

    @abc.abstractmethod
    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Tree
    ) -> tuple[Tree, Tree, Info]:
        """One step of `player`, all of whose co-players move at the same time.

        **Arguments:**

        - `values`: what the players maximise.
        - `params`: the parameters of all players, one entry each.
        - `player`: whose step this is, from 0.
        - `state`: what the previous call, or `init`, returned; of unchanging structure.

        **Returns:** `(update, state, info)`: what is *added* to `params[player]` (learners
        ascend), like it; what the next step needs; and what only a person needs.
        """

    def __repr__(self) -> str:
        fields = (f"{name}={_plain(own)!r}" for name, own in self._fields())
        return f"{type(self).__name__}({', '.join(fields)})"

    def _fields(self) -> list[tuple[str, Any]]:
        return [(own.name, getattr(self, own.name)) for own in dataclasses.fields(self)]

    def describe(self) -> dict[str, Any]:
        """The rule's name and hyper-parameters, as plain data."""
        return {
            "learner": type(self).__name__,
            **{name: _plain(own) for name, own in self._fields()},
        }


def _plain(value: Any) -> Any:
    """Arrays as numbers or lists of numbers; anything else, traced arrays included, as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, Array)) and not isinstance(value, Tracer):
        return np.asarray(value).tolist()
    return str(value)


def as_number(value: Any) -> Array:
    """A hyper-parameter as a float64 array, traced ones as they are.

    **Raises:** `ValueError` unless it holds finite real numbers.
    """
    require_x64()
    if isinstance(value, Tracer):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"a learner's hyper-parameter: expected finite numbers, got {value!r}")
    return jnp.asarray(array, float)


def as_optional_number(value: Any) -> Array | None:
    """`as_number`, or `None`."""
    return None if value is None else as_number(value)


def as_nonnegative(value: Any) -> Array:
    """`as_number`, of at least 0 unless traced.

    **Raises:** `ValueError` for numbers below 0, and as `as_number`.
    """
    number = as_number(value)
    if not isinstance(number, Tracer) and (np.asarray(number) < 0).any():
        raise ValueError(f"a learner's hyper-parameter: expected no number below 0, got {value!r}")
    return number


def lookahead_rates(rate: Array, lookahead: Array | None, num_players: int) -> list[Array]:
    """The step that a learner believes each player takes.

    **Arguments:** `lookahead`: `None` for the learner's own `rate`, a scalar for all, or one number
    per player, of which the learner's own is not used.

    **Raises:** `ValueError` for another shape.
    """
    steps = rate if lookahead is None else lookahead
    if jnp.ndim(steps) == 0:
        return [steps] * num_players
    if jnp.shape(steps) != (num_players,):
        raise ValueError(
            f"lookahead: expected a scalar or one number for each of {num_players} players, "
            f"got shape {jnp.shape(steps)}"
        )
    return [steps[j] for j in range(num_players)]
