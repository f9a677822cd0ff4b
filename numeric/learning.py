"""Let players learn: many runs at once, in one compiled loop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue, ValueFunction, require_x64
from resolvent.numeric import results
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner, as_number
from resolvent.numeric.loop import Carry, Job, Record, advance, begin
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.results import RESULTS
from resolvent.numeric.run import Run, norms_of_failed, provenance_of

Tree = Any

RECORDABLE = ("params", "policies", "values", "info")

# On the CPU a batch is learned in groups of about this many runs, one group after the other: the
# state of a group stays in the cache, and XLA fuses a step of a group into few loops.
_GROUP = 64
# How many records a compiled call holds at most, over all runs, before they are fetched.
_RECORDS = 2**19
# Compiled calls take about this long, so that Ctrl-C and the meter are served in between.
_SECONDS_PER_CALL = 0.2


def learn(
    values: ValueFunction,
    learners: AbstractLearner | Sequence[AbstractLearner],
    start: Sequence[Any] | Array,
    steps: int,
    *,
    batch: int | None = None,
    scale: float = 1.0,
    record: str | Sequence[str] | Record | None = None,
    every: int = 1,
    limit: float | None = None,
    progress: bool | AbstractMeter = False,
) -> Run:
    """Let all players learn at the same time.

    **Arguments:**

    - `values`: what the players maximise. The scale matters: rates for discounted sums are smaller
        by the factor 1 - g than rates for per-round averages.
    - `learners`: one for all players, or one per player.
    - `start`: the parameters to start from, one array per player of the shapes in `values.shapes`,
        all without or all with one leading axis of runs. Or a JAX key: `batch` runs start from
        independent normal numbers of standard deviation `scale`.
    - `steps`: how many steps to make.
    - `batch`: the number of runs, with a key; without it, a single run without a leading axis.
    - `scale`: standard deviation of random starts.
    - `record`: what to keep along the way: names among "params", "policies", "values" and "info"
        (what the learners say about the update at the recorded parameters), or a function
        `(values, params) -> {name: array}` of one run.
    - `every`: steps between records. The start and the end are always recorded.
    - `limit`: the largest norm of a player's parameters; a run that leaves it counts as diverged. Default:
        none, any finite number will do.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.Run`][]. A run whose update is not finite, or leads beyond the
    `limit`, stops where it was; its status says so, `failed_step`, `failed_player` and `failed_norm` say
    where, and no other run is affected. Ctrl-C ends all runs early and returns what is
    done.

    Raises `ValueError` or `TypeError`, naming the argument, for anything else that is wrong before
    the first step; `RuntimeError` where JAX's 64-bit mode is off.
    """
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(
            f"values: expected a ValueFunction, got {type(values).__name__} "
            "(ValueFunction.wrap makes one of a function)"
        )
    rules = _check_learners(learners, values)
    steps = check_count(steps, "steps", least=0)
    every = check_count(every, "every", least=1)
    record = _check_record(record, values)
    for player, rule in enumerate(rules):
        rule.check(values, player)
    params, batched = check_start(start, values, batch, scale)
    bound = check_limit(limit, params, batched)
    meter = meter_of(progress)

    runs = params[0].shape[0] if batched else 1
    job = Job(
        record=record,
        capacity=1 if record is None else int(np.clip(_RECORDS // runs, 1, 1024)),
        vectorised=runs > 1,
        careful=runs > 1 or bound is not None,
    )
    layout = _Layout(batched, runs, *_grouping(runs, params[0]))
    carry = begin(values, rules, jax.tree.map(layout.split, params), job)

    every = every if record else max(steps, 1)
    end = _drive(values, rules, carry, job, steps, every, bound, meter)
    if not job.careful and end.failed:
        # To look at each step costs a single run a third of its time, and a batch nothing: so a
        # single run looks at the end, and starts again in the rare case.
        again = job._replace(careful=True)
        end = _drive(values, rules, carry, again, steps, every, bound, meter)
    final = jax.tree.map(layout.join, end.carry)
    ending = jax.tree.map(layout.join, end.summary)
    codes = np.where(
        final.failed_player >= 0,
        np.where(final.beyond, results.code(RESULTS.diverged), results.code(RESULTS.nonfinite)),
        results.code(RESULTS.successful if end.done == steps else RESULTS.interrupted),
    )
    return Run(
        params=final.params,
        policies=ending.get("policies"),
        values=ending["values"],
        history=_history(end, layout) if record else {},
        status=results.from_codes(codes),
        failed_step=final.failed_step,
        failed_player=final.failed_player,
        failed_norm=norms_of_failed(final.params, final.failed_player),
        steps=steps,
        steps_done=end.done,
        values_function=values,
        learners=rules,
        provenance=provenance_of(values, rules),
    )


# What drives it ------------------------------------------------------------------------------


class _End(NamedTuple):
    """How far the runs have come. Replaced as a whole, so that an interrupt finds it consistent."""

    carry: Carry
    summary: dict[str, Any]
    done: int
    marks: NDArray[np.integer]
    records: tuple[Tree, ...]

    @property
    def failed(self) -> bool:
        """Whether any run has come to something that is not finite."""
        return bool((np.asarray(self.carry.failed_player) >= 0).any())


def _drive(
    values: ValueFunction,
    learners: tuple[AbstractLearner, ...],
    carry: Carry,
    job: Job,
    steps: int,
    every: int,
    limit: Array | None,
    meter: AbstractMeter,
) -> _End:
    """Call the compiled loop until `steps` are done, or Ctrl-C."""

    def call(end: _End, lengths: list[int]) -> _End:
        padded = jnp.asarray(lengths + [0] * (job.capacity - len(lengths)))
        done, count = np.asarray(end.done), np.asarray(len(lengths))
        carry, summary, records = advance(
            values, learners, end.carry, job, done, padded, count, limit
        )
        reached = end.done + np.cumsum(lengths)
        kept = np.flatnonzero((reached % every == 0) | (reached == steps))
        axis = 2 if job.vectorised else 0
        records = jax.tree.map(lambda own: np.take(np.asarray(own), kept, axis), records)
        jax.block_until_ready(carry)
        marks = np.concatenate([end.marks, reached[kept]])
        return _End(carry, summary, int(reached[-1]), marks, (*end.records, records))

    meter.open(steps, values.name)
    try:
        # No step yet: this compiles, and records the start.
        end = call(_End(carry, {}, 0, np.zeros(0, int), ()), [0])
        budget = 1
        try:
            while end.done < steps:
                began = time.perf_counter()
                end = call(end, _segments(end.done, steps, every, budget, job.capacity))
                meter.show(end.done)
                if not job.careful and end.failed:
                    break
                taken = time.perf_counter() - began
                if taken < _SECONDS_PER_CALL / 2:
                    budget *= 4
                elif taken > 2 * _SECONDS_PER_CALL:
                    budget = max(1, budget // 2)
        except KeyboardInterrupt:
            pass
        return end
    finally:
        meter.close()


def _segments(done: int, steps: int, every: int, budget: int, capacity: int) -> list[int]:
    """Numbers of steps to the next records, about `budget` steps in all."""
    lengths: list[int] = []
    while len(lengths) < capacity and budget > 0 and done < steps:
        length = min(every - done % every, steps - done, budget)
        lengths.append(length)
        done += length
        budget -= length
    return lengths


class _Layout(NamedTuple):
    """How runs are laid out in memory: in `groups` of `size`, the last one padded; or, for a single
    run, without an axis."""

    batched: bool
    runs: int
    groups: int
    size: int

    def split(self, leaf: Array) -> Array:
        """`(runs, ...)` or `(...)` -> as it is laid out."""
        if self.runs == 1:
            return leaf[0] if self.batched else leaf
        padding = jnp.repeat(leaf[-1:], self.groups * self.size - self.runs, axis=0)
        return jnp.concatenate([leaf, padding]).reshape(self.groups, self.size, *leaf.shape[1:])

    def join(self, leaf: Array | NDArray[Any]) -> NDArray[Any]:
        """The inverse of `split`."""
        array = np.asarray(leaf)
        if self.runs == 1:
            return array[None] if self.batched else array
        return array.reshape(self.groups * self.size, *array.shape[2:])[: self.runs]

    def join_records(self, leaf: NDArray[Any]) -> NDArray[Any]:
        """Records of all runs -> `(records, runs, ...)`, or `(records, ...)`."""
        if self.runs == 1:
            return leaf[:, None] if self.batched else leaf
        return np.moveaxis(self.join(leaf), 1, 0)


def _grouping(runs: int, example: Array) -> tuple[int, int]:
    """The number of groups of runs that are learned one after the other, and their size."""
    (device,) = example.devices()
    groups = -(-runs // _GROUP) if device.platform == "cpu" else 1
    size = -(-runs // groups)
    # Whole vectors: a rest would be computed number by number.
    return groups, size if groups == 1 else -(-size // 8) * 8


def _history(end: _End, layout: _Layout) -> dict[str, Any]:
    def joined(*parts: Any) -> NDArray[Any]:
        return np.concatenate([layout.join_records(part) for part in parts])

    return {"step": end.marks, **jax.tree.map(joined, *end.records)}


# What is checked -----------------------------------------------------------------------------


def _check_learners(
    learners: AbstractLearner | Sequence[AbstractLearner], values: ValueFunction
) -> tuple[AbstractLearner, ...]:
    players = values.num_players
    if isinstance(learners, AbstractLearner):
        return (learners,) * players
    rules = tuple(learners) if isinstance(learners, Sequence) else (learners,)
    for player, rule in enumerate(rules):
        if not isinstance(rule, AbstractLearner):
            raise TypeError(
                f"learners[{player}]: expected a learner, such as LOLA(rate=1.0), got {rule!r}"
            )
    if len(rules) != players:
        raise ValueError(
            f"learners: expected one for all or one for each of {players} players, got {len(rules)}"
        )
    return rules


def check_limit(limit: float | None, params: tuple[Array, ...], batched: bool) -> Array | None:
    """The limit as an array; all starts must be within it."""
    if limit is None:
        return None
    bound = np.asarray(limit)
    if bound.shape != () or bound.dtype.kind not in "iuf" or not bound > 0:
        raise ValueError(f"limit: expected a number above 0, or None, got {limit!r}")
    for player, own in enumerate(params):
        flat = np.asarray(own).reshape(len(own) if batched else 1, -1)
        if (np.linalg.norm(flat, axis=1) > bound).any():
            raise ValueError(f"start[{player}]: expected norms within the limit {limit!r}")
    return jnp.asarray(bound, params[0].dtype)


def _check_record(
    record: str | Sequence[str] | Record | None, values: ValueFunction
) -> tuple[str, ...] | Record | None:
    if record is None or callable(record):
        return record
    names = (record,) if isinstance(record, str) else tuple(record)
    for name in names:
        if name not in RECORDABLE:
            raise ValueError(f"record: expected names among {RECORDABLE}, got {name!r}")
    if "policies" in names and not isinstance(values, CompiledValue):
        raise ValueError(
            "record: 'policies' are known for closed forms only, not for a wrapped function"
        )
    return names or None


def _is_key(start: Any) -> bool:
    if not isinstance(start, Array):
        return False
    return jnp.issubdtype(start.dtype, jax.dtypes.prng_key) or (
        start.dtype == jnp.uint32 and start.shape == (2,)
    )


def check_start(
    start: Any, values: ValueFunction, batch: int | None, scale: float
) -> tuple[tuple[Array, ...], bool]:
    """The arrays to start from, and whether they have an axis of runs."""
    shapes = values.shapes
    if _is_key(start):
        axis = () if batch is None else (check_count(batch, "batch", least=1),)
        width = as_number(scale)
        keys = jax.random.split(start, len(shapes))
        arrays = [
            width * jax.random.normal(key, (*axis, *shape), float)
            for key, shape in zip(keys, shapes, strict=True)
        ]
        return tuple(arrays), batch is not None
    if batch is not None:
        raise ValueError("batch: goes with a key; the number of given starts is their leading axis")
    if not isinstance(start, (tuple, list)) or len(start) != len(shapes):
        got = f"{len(start)} entries" if isinstance(start, (tuple, list)) else repr(start)
        raise ValueError(
            f"start: expected a JAX key or one array for each of {len(shapes)} players, got {got}"
        )
    arrays = [jnp.asarray(own) for own in start]
    for player, (own, shape) in enumerate(zip(arrays, shapes, strict=True)):
        leading = own.shape[: own.ndim - len(shape)]
        if own.shape[len(leading) :] != shape or len(leading) > 1 or leading == (0,):
            raise ValueError(
                f"start[{player}]: expected shape {shape}, or (runs, *{shape}), got {own.shape}"
            )
        if leading != arrays[0].shape[: arrays[0].ndim - len(shapes[0])]:
            raise ValueError(
                f"start[{player}]: expected the same leading axis as start[0] "
                f"({arrays[0].shape}), got {own.shape}"
            )
        bad = np.argwhere(~np.isfinite(np.asarray(own)))
        if len(bad):
            entry = tuple(int(k) for k in bad[0])
            raise ValueError(
                f"start[{player}]: expected finite numbers, got {own[entry]} at {entry}"
            )
    dtype = jnp.result_type(*arrays)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.dtype(float)
    return tuple(own.astype(dtype) for own in arrays), arrays[0].ndim > len(shapes[0])
