"""The compiled loop behind `learn`: many steps of many runs in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner, Info

Tree = Any
Record = Callable[[ValueFunction, tuple[Array, ...]], Mapping[str, Any]]


def joint_update(
    values: ValueFunction,
    learners: Sequence[AbstractLearner],
    params: Tree,
    states: Sequence[Tree],
) -> tuple[tuple[Tree, ...], tuple[Tree, ...], tuple[Info, ...]]:
    """One simultaneous step of all players, for loops of your own.

    **Arguments:** `learners`, `params` and `states`: one entry per player; the first states are
    `learner.init(values, params, player)`.

    **Returns:** `(updates, states, infos)`, one entry per player; nothing is added yet.
    """
    steps = [
        learner.update(values, params, player, state)
        for player, (learner, state) in enumerate(zip(learners, states, strict=True))
    ]
    updates, after, infos = zip(*steps, strict=True)
    return updates, after, infos


class Job(NamedTuple):
    """What the compiled loop depends on besides the types of its arguments.

    `careful`: whether to look at each step if it is finite, or only at the end.
    """

    record: tuple[str, ...] | Record | None
    capacity: int
    vectorised: bool
    careful: bool


class Carry(NamedTuple):
    """Where runs are: what goes into a compiled call and comes out of it.

    `failed_step` and `failed_player` are -1 as long as all is well; `beyond`: whether what failed was
    finite, and beyond the limit.
    """

    params: Tree
    states: Tree
    failed_step: Any
    failed_player: Any
    beyond: Any


def _advance_one(
    values: ValueFunction,
    learners: tuple[AbstractLearner, ...],
    carry: Carry,
    job: Job,
    done: ArrayLike,
    lengths: Array,
    segments: ArrayLike,
    limit: Array | None,
) -> tuple[Carry, dict[str, Any], Tree]:
    """Advance one run by the first `segments` of `lengths` steps, recording after each."""

    in_loop = values.for_loops(many=job.vectorised)

    def step(_: Array, now: Inner) -> Inner:
        now = look(now, limit) if job.careful else now
        updates, states, _infos = joint_update(in_loop, learners, now.params, now.states)
        moved = tuple(map(tree.add, now.params, updates))
        return now._replace(done=now.done + 1, params=moved, states=states)

    def segment(index: Array, now: tuple[Inner, Tree]) -> tuple[Inner, Tree]:
        inner = look(lax.fori_loop(0, lengths[index], step, now[0]), limit)
        taken = _take(values, learners, values.stack(inner.last), inner.last_states, job.record)
        return inner, jax.tree.map(lambda old, new: old.at[index].set(new), now[1], taken)

    rows = values.unstack(carry.params)
    inner = Inner(
        done,
        rows,
        carry.states,
        rows,
        carry.states,
        carry.failed_step,
        carry.failed_player,
        carry.beyond,
    )
    buffers = None
    if job.record is None:
        inner = look(lax.fori_loop(0, lengths[0], step, inner), limit)
    else:
        example = jax.eval_shape(
            lambda own: _take(values, learners, own.params, own.states, job.record), carry
        )
        buffers = jax.tree.map(
            lambda leaf: jnp.zeros((job.capacity, *leaf.shape), leaf.dtype), example
        )
        inner, buffers = lax.fori_loop(0, segments, segment, (inner, buffers))
    carry = Carry(
        values.stack(inner.last),
        inner.last_states,
        inner.failed_step,
        inner.failed_player,
        inner.beyond,
    )
    # The values at the end are part of this call, since compiling another would take longer.
    summary = _take(values, learners, carry.params, carry.states, _summary(values))
    return carry, summary, buffers


class Inner(NamedTuple):
    """The loop's own carry: parameters in the form `unstack` gives them, and the last finite ones."""

    done: ArrayLike
    params: Tree
    states: Tree
    last: Tree
    last_states: Tree
    failed_step: Array
    failed_player: Array
    beyond: Array


def look(now: Inner, limit: Array | None) -> Inner:
    """Take note of where a run is, if it is somewhere finite (and within the limit, if there is one).

    A step is judged when the next one begins: to choose between the two ends of a step within that
    step would make XLA compute the step several times. What a failed run computes from there is not
    looked at.
    """
    running = now.failed_step < 0
    good, player, beyond = running, now.failed_player, now.beyond
    for index, own in reversed(list(enumerate(now.params))):
        finite = tree.all_finite(own)
        fine = finite if limit is None else finite & (tree.norm(own) <= limit)
        good = good & fine
        player = jnp.where(running & ~fine, index, player)
        if limit is not None:
            beyond = jnp.where(running & ~fine, finite, beyond)
    return now._replace(
        beyond=beyond,
        last=tree.where(good, now.params, now.last),
        last_states=tree.where(good, now.states, now.last_states),
        failed_step=jnp.where(running & ~good, now.done, now.failed_step),
        failed_player=player,
    )


def _summary(values: ValueFunction) -> tuple[str, ...]:
    return ("values", "policies") if isinstance(values, CompiledValue) else ("values",)


def _take(
    values: ValueFunction,
    learners: tuple[AbstractLearner, ...],
    params: tuple[Array, ...],
    states: Tree,
    record: tuple[str, ...] | Record | None,
) -> dict[str, Any]:
    """What is recorded of one run at `params`."""
    if callable(record):
        return _check_taken(record(values, params))
    readers: dict[str, Callable[[], Any]] = {
        "params": lambda: params,
        "policies": lambda: _closed(values).policies(params),
        "values": lambda: values(params),
        "info": lambda: joint_update(values, learners, values.unstack(params), states)[2],
    }
    return {name: readers[name]() for name in record or ()}


def _closed(values: ValueFunction) -> CompiledValue:
    """`values`, of which `_check_record` has made sure that it has policies."""
    assert isinstance(values, CompiledValue)
    return values


@eqx.filter_jit
def advance(
    values: ValueFunction,
    learners: tuple[AbstractLearner, ...],
    carry: Carry,
    job: Job,
    done: ArrayLike,
    lengths: Array,
    segments: ArrayLike,
    limit: Array | None = None,
) -> tuple[Carry, dict[str, Any], Tree]:
    """`_advance_one`, for groups of runs one after the other where there are several runs."""

    def one(own: Carry) -> tuple[Carry, dict[str, Any], Tree]:
        return _advance_one(values, learners, own, job, done, lengths, segments, limit)

    return lax.map(jax.vmap(one), carry) if job.vectorised else one(carry)


def begin(
    values: ValueFunction, learners: tuple[AbstractLearner, ...], params: Tree, job: Job
) -> Carry:
    states = eqx.filter_eval_shape(_first_states, values, learners, params, job.vectorised)
    # Most learners have no state, and nothing need be compiled to find none.
    if jax.tree.leaves(states):
        states = eqx.filter_jit(_first_states)(values, learners, params, job.vectorised)
    none = np.full(params[0].shape[:2] if job.vectorised else (), -1)
    return Carry(params, states, jnp.asarray(none), jnp.asarray(none), jnp.asarray(none > 0))


def _first_states(
    values: ValueFunction, learners: tuple[AbstractLearner, ...], params: Tree, vectorised: bool
) -> tuple[Tree, ...]:
    """The learners' states before the first step, for every run of every group."""

    def one(own: tuple[Array, ...]) -> tuple[Tree, ...]:
        rows = values.unstack(own)
        return tuple(learner.init(values, rows, player) for player, learner in enumerate(learners))

    return jax.vmap(jax.vmap(one))(params) if vectorised else one(params)


def _check_taken(taken: Any) -> dict[str, Array]:
    """What a user's function recorded, as arrays by name."""
    if not isinstance(taken, Mapping):
        raise TypeError(f"record: expected the function to return {{name: array}}, got {taken!r}")
    for name in taken:
        if not isinstance(name, str) or name == "step" or "/" in name or name.isdecimal():
            raise ValueError(f"record: {name!r} cannot be the name of a record")
    return {name: jnp.asarray(own) for name, own in taken.items()}
