r"""Zeros of a smooth function by Newton's method from many starts at once.

$$ z \leftarrow z - J(z)^{+} f(z), $$

no component longer than `reach` at a time. The pseudo-inverse takes the shortest step where J is singular, so that on
a continuum of zeros the method comes to rest at the one nearby, as fast as at an isolated zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

System = Callable[[Array], tuple[Array, Array]]
"""z -> (f, J), an equinox module so that equal ones share what is compiled."""

_CUT = 1e-13
_STEP = 1e-9
_ENOUGH = 1e-13
_RESIDUAL = 1e-10
# Zeros closer than this share of the region are one; singular values below it, of the typical size of J, are 0.
CLOSE = 1e-6
SINGULAR = 1e-7
_MOST_SINGULAR = 24


class Found(NamedTuple):
    """Where Newton's method ended, for every start: points `(m, d)`, residuals `(m,)`, singular values of J
    `(m, d)`, and whether it converged."""

    points: NDArray[np.floating]
    residuals: NDArray[np.floating]
    singular: NDArray[np.floating]
    converged: NDArray[np.bool_]


class Zero(NamedTuple):
    """A zero, or one of a continuum of them: its dimension, and how many starts led there."""

    point: NDArray[np.floating]
    residual: float
    dimension: int
    starts: int


class _Way(NamedTuple):
    """The next point; the last one and what the system is there; its step; f and J's sizes at the start."""

    ahead: Array
    z: Array
    f: Array
    J: Array
    step: Array
    sizes: Array
    done: Array


@eqx.filter_jit
def _newton(system: System, starts: Array, reach: Array, iterations: int) -> _Way:
    def one(z0: Array) -> _Way:
        def body(now: _Way) -> _Way:
            # The only place where the system is written, so that it is compiled once.
            z = now.ahead
            f, J = system(z)
            u, s, vt = jnp.linalg.svd(J)
            inverse = jnp.where(s > _CUT * s[0], 1 / jnp.where(s > 0, s, 1), 0)
            step = -vt.T @ (inverse * (u.T @ f))
            length = jnp.abs(step).max()
            ahead = z + step * jnp.minimum(1, reach / jnp.where(length > 0, length, 1))
            sizes = jnp.stack([jnp.abs(f).max(), jnp.abs(J).max()])
            sizes = jnp.where(now.done == 0, sizes, now.sizes)
            return _Way(ahead, z, f, J, length / (1 + jnp.abs(z).max()), sizes, now.done + 1)

        def going(now: _Way) -> Array:
            fine = jnp.isfinite(now.ahead).all()
            return fine & ~(now.step <= _ENOUGH) & (now.done < iterations)

        none = jnp.zeros((z0.size, z0.size))
        start = _Way(z0, z0, z0, none, jnp.asarray(jnp.inf), jnp.zeros(2), jnp.asarray(0))
        return lax.while_loop(going, body, start)

    return jax.vmap(one)(starts)


def newton(
    system: System, starts: NDArray[np.floating], reach: float, iterations: int
) -> tuple[Found, float, float]:
    """Newton's method from every start, in one compiled call.

    **Returns:** where it ended, and the typical sizes of f and J at the starts, by which zeros are judged.
    """
    count, d = starts.shape
    if d == 0:
        return Found(starts, np.zeros(count), np.zeros((count, 0)), np.ones(count, bool)), 1.0, 1.0
    end = jax.device_get(_newton(system, jnp.asarray(starts), jnp.asarray(reach), iterations))
    size, slope = typical(end.sizes[:, 0]), typical(end.sizes[:, 1])
    residuals = np.abs(end.f).max(axis=1)
    fine = (
        np.isfinite(end.z).all(axis=1)
        & np.isfinite(residuals)
        & np.isfinite(end.J).all(axis=(1, 2))
    )
    converged = fine & (residuals <= _RESIDUAL * size) & (end.step <= _STEP)
    singular = np.linalg.svd(np.where(fine[:, None, None], end.J, 0), compute_uv=False)
    return Found(end.z, residuals, singular, converged), size, slope


def typical(sizes: NDArray[np.floating]) -> float:
    """The median of finite positive numbers, 1 where there is none."""
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else 1.0


def spread(
    low: NDArray[np.floating], high: NDArray[np.floating], count: int
) -> NDArray[np.floating]:
    """The middle of a box and points spread evenly over it, always the same ones: an additive recurrence by
    powers of the root of $x^{d+1} = x + 1$ (Roberts 2018)."""
    d = len(low)
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (d + 1))
    steps = root ** -np.arange(1, d + 1)
    share = (0.5 + np.arange(count)[:, None] * steps[None, :]) % 1
    return low + share * (high - low)


def sort_out(
    system: System,
    found: Found,
    inside: NDArray[np.bool_],
    slope: float,
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    iterations: int,
) -> list[Zero]:
    """Different zeros among those that were found; of a continuum the one closest to the middle of the region.

    Two singular zeros belong to one continuum where Newton's method from half-way between them leads to a
    singular zero nearby, directly or by way of others.
    """
    width = float((high - low).max(initial=0.0)) or 1.0
    points, residuals = found.points[inside], found.residuals[inside]
    owner = _merge(points, CLOSE * width)
    firsts = [int(np.flatnonzero(owner == k)[0]) for k in range(owner.max(initial=-1) + 1)]
    counts = [int((owner == k).sum()) for k in range(len(firsts))]
    if not firsts:
        return []
    distinct, sizes = points[firsts], residuals[firsts]
    nullity = (found.singular[inside][firsts] <= SINGULAR * slope).sum(axis=1)
    regular = [k for k in range(len(firsts)) if nullity[k] == 0]
    zeros = [Zero(distinct[k], float(sizes[k]), 0, counts[k]) for k in regular]
    singular = [k for k in range(len(firsts)) if nullity[k] > 0]
    middle = (low + high) / 2
    batch = len(found.points)
    for group in _continua(system, distinct[singular], slope, width, iterations, batch):
        members = [singular[k] for k in group]
        best = min(members, key=lambda k: float(np.linalg.norm(distinct[k] - middle)))
        extent = float(np.ptp(distinct[members], axis=0).max())
        dimension = int(nullity[members].min()) if extent > math.sqrt(CLOSE) * width else 0
        starts = sum(counts[k] for k in members)
        zeros.append(Zero(distinct[best], float(sizes[best]), dimension, starts))
    return sorted(zeros, key=lambda own: tuple(np.round(own.point / width, 6) + 0.0))


def _merge(points: NDArray[np.floating], distance: float) -> NDArray[np.integer]:
    """Which group each point belongs to: that of the first point close to it."""
    owner = np.full(len(points), -1)
    groups = 0
    for k in range(len(points)):
        if owner[k] < 0:
            near = np.abs(points - points[k]).max(axis=1) <= distance
            owner[near & (owner < 0)] = groups
            groups += 1
    return owner


def _continua(
    system: System,
    points: NDArray[np.floating],
    slope: float,
    width: float,
    iterations: int,
    batch: int,
) -> list[list[int]]:
    """Connected groups of singular zeros."""
    if len(points) > _MOST_SINGULAR:  # those beyond join the group of the nearest
        few = points[:_MOST_SINGULAR]
        groups = _continua(system, few, slope, width, iterations, batch)
        home = {k: number for number, group in enumerate(groups) for k in group}
        for k in range(_MOST_SINGULAR, len(points)):
            away = np.linalg.norm(points[:_MOST_SINGULAR] - points[k], axis=1)
            groups[home[int(away.argmin())]].append(k)
        return groups
    pairs = [(a, b) for a in range(len(points)) for b in range(a)]
    linked = np.eye(len(points), dtype=bool)
    if pairs:
        first, second = (points[list(own)] for own in zip(*pairs, strict=True))
        half = (first + second) / 2
        ends = _newton_by(batch, system, half, width, iterations)
        apart = np.linalg.norm(first - second, axis=1)
        close = np.linalg.norm(ends.points - half, axis=1) <= apart / 4
        singular = (ends.singular <= SINGULAR * slope).any(axis=1)
        # Where a zero is degenerate, starts stop some way from it, each on its own.
        same = apart <= math.sqrt(CLOSE) * width / 4
        for (a, b), joined in zip(pairs, same | (ends.converged & close & singular), strict=True):
            linked[a, b] = linked[b, a] = joined
    groups: list[list[int]] = []
    left = set(range(len(points)))
    while left:
        group, edge = [], [left.pop()]
        while edge:
            k = edge.pop()
            group.append(k)
            new = [m for m in left if linked[k, m]]
            left.difference_update(new)
            edge += new
        groups.append(sorted(group))
    return groups


def _newton_by(
    batch: int, system: System, starts: NDArray[np.floating], reach: float, iterations: int
) -> Found:
    """`newton` in batches of one size, for which it has been compiled already."""
    parts: list[Found] = []
    for first in range(0, len(starts), batch):
        own = starts[first : first + batch]
        padded = np.concatenate([own, np.repeat(own[:1], batch - len(own), axis=0)])
        parts.append(newton(system, padded, reach, iterations)[0])

    def joined(each: list[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate(each)[: len(starts)]

    return Found(
        joined([own.points for own in parts]),
        joined([own.residuals for own in parts]),
        joined([own.singular for own in parts]),
        joined([own.converged for own in parts]),
    )


def box(region: Any, shapes: tuple[tuple[int, ...], ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """`region` as two vectors of bounds, `(d,)` each.

    **Raises:** `ValueError` unless it is a pair of numbers, or of parameters (one array per player), low below high.
    """
    expected = "region: expected (low, high), two numbers or two tuples of one array per player"
    if not isinstance(region, (tuple, list)) or len(region) != 2:
        raise ValueError(f"{expected}; got {region!r}")
    d = sum(math.prod(shape) for shape in shapes)
    sides = []
    for side in region:
        try:
            if np.ndim(side) == 0 and not isinstance(side, (tuple, list)):
                flat = np.full(d, float(side))
            else:
                if len(side) != len(shapes):
                    raise ValueError(f"{len(side)} entries for {len(shapes)} players")
                parts = [
                    np.broadcast_to(np.asarray(own, float), shape).ravel()
                    for own, shape in zip(side, shapes, strict=True)
                ]
                flat = np.concatenate([np.zeros(0), *parts])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{expected}; got {region!r} ({error})") from None
        sides.append(flat)
    low, high = sides
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(f"{expected}, finite and low below high; got {region!r}")
    return low, high
