"""Estimators against the truth: error, cost, and the batch at which they cost as much as the exact path.

For each estimator, quantity and batch: `repeats` independent estimates at each of some points, compared with the exact
quantity of play that does not end. Times are of compiled calls, one after the other.
"""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue, require_x64
from resolvent.numeric.checks import check_count, check_player
from resolvent.numeric.estimators.benchmark_cells import BenchmarkCell, ExactCost
from resolvent.numeric.estimators.benchmark_record import Benchmark
from resolvent.numeric.estimators.critics import (
    AbstractCritic,
    ExactCritic,
    GivenCritic,
    NoCritic,
)
from resolvent.numeric.estimators.custom import CustomEstimator
from resolvent.numeric.estimators.estimates import Quantity, exactly, rounds_played, sampled
from resolvent.numeric.estimators.estimator import AbstractEstimator, Params
from resolvent.numeric.estimators.intended import check_sampled
from resolvent.numeric.estimators.known_moments import known_moments
from resolvent.numeric.learning import check_start
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.run import provenance_of

_EXACT_CALLS = 50


def benchmark(
    values: CompiledValue,
    params: Sequence[Any] | Array,
    estimators: Mapping[str, Any] | Sequence[Any],
    quantities: Sequence[str] = ("gradient", "hessian", "lola"),
    batches: Sequence[int] = (64, 256, 1024),
    *,
    horizon: int = 150,
    repeats: int = 10,
    key: Array | int = 0,
    profiles: int | None = None,
    scale: float = 1.0,
    player: int = 0,
    chunk: int = 1024,
    progress: bool | AbstractMeter = False,
) -> Benchmark:
    """Measure how far estimators are from the exact derivatives of a value, and what they cost.

    **Arguments:**

    - `values`: compiled, of a game with a discount below 1.
    - `params`: where: one array per player, or with a leading axis of points; or a JAX key for random ones, of which
        there are `profiles` (default: 1), normal with standard deviation `scale`.
    - `estimators`: by name, or a sequence: [`resolvent.numeric.AbstractEstimator`][]s, or functions
        `(values, params, key, player, wrt, batch, horizon) -> gradient`.
    - `quantities`: `"gradient"` and `"hessian"` of the player's value by all parameters, and `"lola"`, the shaping term
        of [`resolvent.numeric.LOLA`][] for a look-ahead of 1. An estimate of `"lola"` takes two batches, one for each
        of its two factors. What an estimator does not offer is left out.
    - `batches`: numbers of trajectories of an estimate, each of `horizon` rounds.
    - `repeats`: independent estimates of each, at least 2.
    - `key`: a JAX key or a seed. Everything but times is determined by it, whatever else is measured beside.
    - `player`: whose value.
    - `chunk`: trajectories that are in memory at once; an estimate of more is the mean of several. Of estimators whose
        trajectories depend on the batch that they are in, such as centred ones, the batch is then the chunk.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.Benchmark`][]. Ctrl-C returns the cells that are done, as not `complete`.

    Raises `ValueError` or `TypeError`, naming the argument, for anything that is wrong before the first estimate.
    """
    require_x64()
    values = check_sampled(values)
    field = _named(estimators)
    wanted = _check_quantities(quantities)
    sizes = tuple(sorted({check_count(own, "batches") for own in _sequence(batches, "batches")}))
    horizon, chunk = check_count(horizon, "horizon"), check_count(chunk, "chunk")
    repeats, player = check_count(repeats, "repeats", least=2), check_player(player, values)
    randomness = key if isinstance(key, Array) else jax.random.key(check_count(key, "key", least=0))
    arrays, batched = check_start(params, values, profiles, scale)
    points = [
        tuple(own[p] if batched else own for own in arrays)
        for p in range(len(arrays[0]) if batched else 1)
    ]
    missing = _check_offers(field, values, points[0], wanted, player, horizon)
    left_out = {(name, q) for name, q, _ in missing}
    todo: list[tuple[str, Quantity]] = [
        (name, q) for name in field for q in wanted if (name, q) not in left_out
    ]

    meter = meter_of(progress)
    meter.open(len(todo) * len(sizes) * repeats * len(points), f"benchmark, {values.name}")
    setting = _Setting(values, points, player, horizon, repeats, chunk)
    cells: list[BenchmarkCell] = []
    costs: dict[str, ExactCost] = {}
    done = 0
    try:
        truths: dict[str, NDArray[np.floating]] = {}
        for quantity in wanted:
            costs[quantity], truths[quantity] = _truth(setting, quantity)
        for name, quantity in todo:
            known = _known(setting, field[name]) if quantity == "gradient" else (np.nan, np.nan)
            for batch in sizes:
                job = _Job(name, field[name], quantity, batch)
                cell = _measured(setting, job, truths[quantity], known, randomness, meter, done)
                cells.append(cell)
                done += repeats * len(points)
    except KeyboardInterrupt:
        pass
    finally:
        meter.close()
    about = provenance_of(values, ())
    del about["learners"]
    return Benchmark(
        cells=tuple(cells),
        exact=costs,
        player=player,
        horizon=horizon,
        repeats=repeats,
        profiles=len(points),
        missing=tuple(missing),
        complete=len(cells) == len(todo) * len(sizes),
        provenance={
            **about,
            "estimators": {name: signature(own) for name, own in field.items()},
            "device": jax.devices()[0].device_kind,
        },
    )


# What is measured ----------------------------------------------------------------------------


class _Setting(NamedTuple):
    """What is the same for all cells."""

    values: CompiledValue
    points: Sequence[Params]
    player: int
    horizon: int
    repeats: int
    chunk: int


class _Job(NamedTuple):
    """One cell, to be measured."""

    name: str
    estimator: AbstractEstimator
    quantity: Quantity
    batch: int


def _truth(setting: _Setting, quantity: Quantity) -> tuple[ExactCost, NDArray[np.floating]]:
    """The cost of a call, and the exact quantity at each point, `(profiles, ...)`."""
    exact = jax.jit(lambda own: exactly(quantity, setting.values, own, setting.player))
    began = time.perf_counter()
    found = [np.asarray(exact(own)) for own in setting.points]
    first = time.perf_counter() - began
    # A call takes so little that only many in a row can be timed.
    times = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(_EXACT_CALLS):
            exact(setting.points[0]).block_until_ready()
        times.append((time.perf_counter() - began) / _EXACT_CALLS)
    seconds = float(np.median(times))
    return ExactCost(quantity, seconds, max(first - len(found) * seconds, 0.0)), np.stack(found)


def _measured(
    setting: _Setting,
    job: _Job,
    truth: NDArray[np.floating],
    known: tuple[float, float],
    key: Array,
    meter: AbstractMeter,
    done: int,
) -> BenchmarkCell:
    values, points, player, horizon, repeats, chunk = setting
    estimate = jax.jit(
        lambda own, key: sampled(
            job.quantity, job.estimator, values, own, key, player, job.batch, horizon, chunk
        )
    )
    # Keys do not depend on what else is measured.
    label = zlib.crc32(f"{job.name}/{job.quantity}/{job.batch}".encode())
    own_key = jax.random.fold_in(key, label)
    began = time.perf_counter()
    estimate(points[0], own_key).block_until_ready()
    first = time.perf_counter() - began
    found, times = [], []
    for p, point in enumerate(points):
        for each in jax.random.split(jax.random.fold_in(own_key, p), repeats):
            began = time.perf_counter()
            found.append(np.asarray(estimate(point, each)))
            times.append(time.perf_counter() - began)
            meter.show(done + len(found))
    seconds = float(np.median(times))
    samples = np.stack(found).reshape(len(points), repeats, -1)
    bias, variance = known
    return BenchmarkCell(
        estimator=job.name,
        quantity=job.quantity,
        batch=job.batch,
        rounds=rounds_played(job.quantity, job.estimator, points[0], job.batch, horizon),
        known_bias=bias,
        known_variance=variance / job.batch,
        seconds=seconds,
        compile_seconds=max(first - seconds, 0.0),
        **compared(samples, truth.reshape(len(points), -1)),
    )


def compared(samples: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """Estimates against the truth, as `BenchmarkCell` has them.

    **Arguments:** `samples`: `(profiles, repeats, entries)`; `truth`: `(profiles, entries)`.
    """
    profiles, repeats, _ = samples.shape
    errors = samples - truth[:, None]
    variance = samples.var(axis=1, ddof=1).sum(axis=-1)
    norms = np.linalg.norm(truth, axis=-1)

    def centred(own: NDArray[np.floating]) -> NDArray[np.floating]:
        return own - own.mean(axis=-1, keepdims=True)

    with np.errstate(invalid="ignore", divide="ignore"):
        single = {
            "cosine": _cosines(samples, truth),
            "correlation": _cosines(centred(samples), centred(truth)),
            "relative_error": np.linalg.norm(errors, axis=-1) / norms[:, None],
        }
    result = {
        "exact_norm": float(np.sqrt(np.mean(norms**2))),
        "bias": float(np.sqrt(np.mean(np.sum(errors.mean(axis=1) ** 2, axis=-1)))),
        "noise": float(np.sqrt(np.mean(variance) / repeats)),
        "variance": float(np.mean(variance)),
    }
    for name, own in single.items():
        result[name] = float(own.mean())
        spread = own.var(axis=1, ddof=1).mean() / (repeats * profiles)
        result[f"{name}_error"] = float(np.sqrt(spread))
    return result


def _cosines(samples: NDArray[np.floating], truth: NDArray[np.floating]) -> NDArray[np.floating]:
    sizes = np.linalg.norm(samples, axis=-1) * np.linalg.norm(truth, axis=-1)[:, None]
    return np.einsum("prk,pk->pr", samples, truth) / sizes


def _known(setting: _Setting, estimator: AbstractEstimator) -> tuple[float, float]:
    """Bias and variance in closed form, averaged over the points; NaN where there is none."""
    found = [
        known_moments(estimator, setting.values, own, setting.player, setting.horizon)
        for own in setting.points
    ]
    known = [own for own in found if own is not None]
    if len(known) < len(found):
        return np.nan, np.nan
    bias, variance = np.array(known).T
    return float(np.sqrt(np.mean(bias**2))), float(np.mean(variance))


# What is asked for ---------------------------------------------------------------------------


def _sequence(own: Any, name: str) -> Sequence[Any]:
    if isinstance(own, str) or not isinstance(own, Sequence) or not own:
        raise ValueError(f"{name}: expected a sequence of at least one, got {own!r}")
    return own


def _check_quantities(quantities: Any) -> tuple[Quantity, ...]:
    known: tuple[Quantity, ...] = get_args(Quantity)
    for own in _sequence(quantities, "quantities"):
        if own not in known:
            raise ValueError(f"quantities: expected some of {known}, got {own!r}")
    return tuple(dict.fromkeys(quantities))


def _named(estimators: Any) -> dict[str, AbstractEstimator]:
    if isinstance(estimators, Mapping):
        pairs = list(estimators.items())
    else:
        pairs = [(None, own) for own in _sequence(estimators, "estimators")]
    field: dict[str, AbstractEstimator] = {}
    for name, given in pairs:
        own = given
        if not isinstance(own, AbstractEstimator):
            if not callable(own) or isinstance(own, type):
                raise TypeError(
                    f"estimators: expected estimators such as DiCE(), or functions; got {given!r}"
                )
            function: Any = own
            own = CustomEstimator(function)
        title = signature(own) if name is None else name
        if not isinstance(title, str) or not title or title in field:
            raise ValueError(f"estimators: expected different names, got {title!r}")
        field[title] = own
    if not field:
        raise ValueError("estimators: expected at least one, got none")
    return field


def _check_offers(
    field: Mapping[str, AbstractEstimator],
    values: CompiledValue,
    params: Params,
    wanted: Sequence[Quantity],
    player: int,
    horizon: int,
) -> list[tuple[str, str, str]]:
    """Trace every estimator once, before any is run: which of them do not offer which quantity, and why.

    **Raises:** `ValueError` for one that offers none, and for estimates of another shape than the truth.
    """
    missing = []
    for name, estimator in field.items():
        refusals = []
        for quantity in wanted:

            def one(own: Params, key: Array, q: Quantity = quantity, e: Any = estimator) -> Array:
                return sampled(q, e, values, own, key, player, 2, horizon, 2)

            def truth(own: Params, q: Quantity = quantity) -> Array:
                return exactly(q, values, own, player)

            try:
                found = jax.eval_shape(one, params, jax.random.key(0))
            except NotImplementedError as error:
                refusals.append((name, quantity, " ".join(str(error).split())))
                continue
            goal = jax.eval_shape(truth, params)
            if found.shape != goal.shape:
                raise ValueError(
                    f"estimators[{name!r}]: expected a {quantity} of shape {goal.shape}, got {found.shape}"
                )
        if len(refusals) == len(wanted):
            raise ValueError(f"estimators[{name!r}]: {refusals[0][2]}")
        missing += refusals
    return missing


def signature(estimator: AbstractEstimator) -> str:
    """An estimator as Python has it, fields of their default values left out."""
    if isinstance(estimator, CustomEstimator):
        return getattr(estimator.function, "__name__", "a function")
    parts = []
    for field in dataclasses.fields(estimator):
        own, default = _plain(getattr(estimator, field.name)), field.default
        if default is dataclasses.MISSING or own != _plain(default):
            parts.append(f"{field.name}={own!r}")
    return f"{type(estimator).__name__}({', '.join(parts)})"


def _plain(own: Any) -> Any:
    if isinstance(own, AbstractCritic):
        if isinstance(own, GivenCritic):
            return np.asarray(own.table).tolist()
        names: dict[type, str | None] = {NoCritic: None, ExactCritic: "exact"}
        return names.get(type(own), type(own).__name__)
    if isinstance(own, (Array, np.ndarray)):
        return np.asarray(own).tolist()
    return own
