"""All seatings of a field of learners, step by step.

With k learners and n players there are k^n seatings, but only n k different updates: what a learner does
in a seat. So each is compiled once, for all seatings in which it sits there, and the cost of compiling grows
with the number of learners rather than with that of their pairs.

Arrays of parameters have n leading axes of length k, an axis of runs, and the player's shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.loop import Inner, look

Tree = Any

# Updates of about this many runs are computed at a time, so that what is in between stays in the cache.
_GROUP = 64


class Seatings(NamedTuple):
    """Where all runs of all seatings are.

    **Attributes:**

    - `runs`: parameters, the last good ones, and what failed, of all seatings and runs on one flat axis.
    - `states`: per player and learner, what the learner remembers of the runs in which it sits there.
    """

    runs: Inner
    states: tuple[tuple[Tree, ...], ...]


def seat(
    values: ValueFunction, field: Sequence[AbstractLearner], start: tuple[Array, ...]
) -> Seatings:
    """All seatings at their start.

    **Arguments:** `start`: one `(runs, ...)` array per player.
    """
    players, size, runs = values.num_players, len(field), len(start[0])
    flat = tuple(
        jnp.broadcast_to(own, (size**players, *own.shape)).reshape(-1, *own.shape[1:])
        for own in start
    )
    some = tuple(own[: size ** (players - 1) * runs] for own in flat)
    states = tuple(
        tuple(_first_states(values, rule, some, player) for rule in field)
        for player in range(players)
    )
    none = jnp.full(len(flat[0]), -1)
    return Seatings(Inner(0 * none, flat, (), flat, (), none, none, none > 0), states)


def advance_all(
    values: ValueFunction,
    field: Sequence[AbstractLearner],
    now: Seatings,
    num_runs: int,
    limit: Array | None,
) -> Seatings:
    """One simultaneous step of all players in all seatings."""
    players, size = values.num_players, len(field)
    leading = (*(size,) * players, num_runs)
    params = now.runs.params
    updates, states = [], []
    for player in range(players):
        moved = [
            _updates(values, rule, params, state, jnp.asarray(k), player, leading)
            for k, (rule, state) in enumerate(zip(field, now.states[player], strict=True))
        ]
        updates.append(tuple(update for update, _ in moved))
        states.append(tuple(state for _, state in moved))
    return Seatings(_move(now.runs, tuple(updates), leading, limit), tuple(states))


@eqx.filter_jit
def settle(runs: Inner, limit: Array | None) -> Inner:
    """Take note of where runs are after the last step."""
    return jax.vmap(look, in_axes=(0, None))(runs, limit)


@eqx.filter_jit
def values_at(values: ValueFunction, params: tuple[Array, ...]) -> Array:
    """Values of all runs, `(all, n)`."""
    in_loop = values.for_loops(many=True)
    return _in_groups(lambda own: in_loop(in_loop.unstack(own)), params)


@eqx.filter_jit
def _first_states(
    values: ValueFunction, rule: AbstractLearner, params: tuple[Array, ...], player: int
) -> Tree:
    return jax.vmap(lambda own: rule.init(values, values.unstack(own), player))(params)


@eqx.filter_jit
def _updates(
    values: ValueFunction,
    rule: AbstractLearner,
    params: tuple[Array, ...],
    states: Tree,
    index: Array,
    player: int,
    leading: tuple[int, ...],
) -> tuple[Array, Tree]:
    """The updates of the learner number `index` where it is `player`, and its states afterwards."""
    in_loop = values.for_loops(many=True)
    ours = tuple(
        jnp.take(own.reshape(*leading, *own.shape[1:]), index, axis=player) for own in params
    )
    rows = tuple(own.reshape(-1, *all_.shape[1:]) for own, all_ in zip(ours, params, strict=True))

    def one(at: tuple[tuple[Array, ...], Tree]) -> tuple[Array, Tree]:
        own, state = at
        update, after, _info = rule.update(in_loop, in_loop.unstack(own), player, state)
        return in_loop.stack((update,))[0], after

    return _in_groups(one, (rows, states))


@eqx.filter_jit
def _move(
    runs: Inner,
    updates: tuple[tuple[Array, ...], ...],
    leading: tuple[int, ...],
    limit: Array | None,
) -> Inner:
    runs = jax.vmap(look, in_axes=(0, None))(runs, limit)
    moved = []
    for player, (own, parts) in enumerate(zip(runs.params, updates, strict=True)):
        shape = own.shape[1:]
        rest = tuple(itertools.compress(leading, (axis != player for axis in range(len(leading)))))
        joined = jnp.stack([part.reshape(*rest, *shape) for part in parts], axis=player)
        moved.append(own + joined.reshape(own.shape))
    return runs._replace(done=runs.done + 1, params=tuple(moved))


def _in_groups(function: Any, rows: Tree) -> Tree:
    """`function` of each row, a group of rows at a time."""
    count = len(jax.tree.leaves(rows)[0])
    if jax.default_backend() != "cpu" or count <= _GROUP:
        return jax.vmap(function)(rows)
    return lax.map(function, rows, batch_size=_GROUP)
