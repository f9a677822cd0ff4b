r"""Global pictures: vector fields and phase portraits of two parameters, and basins of attraction over grids of starts.

Arrows are the simultaneous gradient w(z) of values (maximised; the papers' $\xi$ of losses is -w), or the joint update
$\Delta(z)$ of learners that have just begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learning import learn
from resolvent.numeric.results import RESULTS
from resolvent.numeric.run import Run
from resolvent.numeric.stability.drawing import axes
from resolvent.numeric.stability.maps import (
    Learners,
    coordinate_names,
    dimension,
    gradient,
    joint_map,
    rules_of,
    split,
)


@dataclass(frozen=True, repr=False)
class VectorField:
    """A vector field on a grid of two parameters.

    **Fields:**

    - `x`, `y`: the grid, `(m,)` each; `points`: all z of it, `(m, m, d)`, rows for y.
    - `arrows`: the field there, `(m, m, d)`.
    - `pair`: which two coordinates of z vary; `names`: of all.
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    points: NDArray[np.floating]
    arrows: NDArray[np.floating]
    pair: tuple[int, int]
    names: tuple[str, ...]
    name: str

    def __str__(self) -> str:
        size = np.linalg.norm(self.arrows, axis=-1)
        return (
            f"vector field of {self.name} on {len(self.x)} x {len(self.y)} points of {self.names[self.pair[0]]} "
            f"and {self.names[self.pair[1]]}; lengths from {np.nanmin(size):.3g} to {np.nanmax(size):.3g}"
        )

    def __repr__(self) -> str:
        return f"VectorField({self.name}, {len(self.x)} x {len(self.y)})"

    def plot(self, ax: Any = None, nullclines: bool = True) -> Any:
        """Draw arrows of one length, coloured by how long they are, and where each component is 0.

        **Arguments:** `ax`: matplotlib axes to draw on, default: new ones; `nullclines`: whether to draw them.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        u, v = (self.arrows[..., k] for k in self.pair)
        size = np.hypot(u, v)
        safe = np.where(size > 0, size, 1)
        shades = np.log10(np.maximum(size, np.finfo(float).tiny ** 0.25))
        ax.quiver(self.x, self.y, u / safe, v / safe, shades, pivot="mid", cmap="viridis")
        for own, colour in ((u, "tab:red"), (v, "tab:blue")):
            # Contours need a change of sign.
            if nullclines and np.nanmin(own) < 0 < np.nanmax(own):
                ax.contour(self.x, self.y, own, levels=[0.0], colors=[colour], linewidths=0.8)
        ax.set(xlabel=self.names[self.pair[0]], ylabel=self.names[self.pair[1]])
        return ax


def vector_field(
    values: ValueFunction,
    region: Sequence[tuple[float, float]],
    learners: Learners | None = None,
    *,
    resolution: int = 21,
    at: Any = None,
    pair: tuple[int, int] = (0, 1),
) -> VectorField:
    """The simultaneous gradient, or the joint update of learners, on a grid.

    **Arguments:**

    - `values`: any value function.
    - `region`: the least and the greatest value of each of the two parameters that vary.
    - `learners`: whose update, as they begin; default: the simultaneous gradient.
    - `resolution`: points along each side.
    - `at`: z, for the parameters that do not vary; needed if there are more than two.
    - `pair`: which two coordinates of z vary.

    **Returns:** a [`resolvent.numeric.VectorField`][].
    """
    require_x64()
    resolution = check_count(resolution, "resolution", least=2)
    x, y, points = _grid(values, region, resolution, at, pair)
    flat = jnp.asarray(points.reshape(-1, points.shape[-1]))
    if learners is None:
        arrows, name = _gradients(values, flat), values.name
    else:
        rules = rules_of(values, learners)
        arrows = _updates(values, rules, flat)
        name = f"{', '.join(dict.fromkeys(type(own).__name__ for own in rules))} on {values.name}"
    shaped = np.asarray(arrows).reshape(points.shape)
    return VectorField(x, y, points, shaped, pair, coordinate_names(values), name)


@eqx.filter_jit
def _gradients(values: ValueFunction, points: Array) -> Array:
    return jax.vmap(lambda z: gradient(values, z))(points)


@eqx.filter_jit
def _updates(values: ValueFunction, rules: tuple[AbstractLearner, ...], points: Array) -> Array:
    def one(z: Array) -> Array:
        begin, step = joint_map(values, rules, split(values, z))
        return (step(begin) - begin)[: z.size]

    return jax.vmap(one)(points)


def _grid(
    values: ValueFunction,
    region: Sequence[tuple[float, float]],
    resolution: int,
    at: Any,
    pair: tuple[int, int],
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    size = dimension(values)
    bounds = np.asarray(region, float)
    if (
        bounds.shape != (2, 2)
        or not np.isfinite(bounds).all()
        or (bounds[:, 0] >= bounds[:, 1]).any()
    ):
        raise ValueError(f"region: expected two pairs, the least value first, got {region!r}")
    if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= k < size for k in pair):
        raise ValueError(
            f"pair: expected two different coordinates from 0 to {size - 1}, got {pair!r}"
        )
    if at is None and size > 2:
        raise ValueError(f"at: expected the {size} parameters, of which two vary, got None")
    base = np.zeros(size) if at is None else np.asarray(at, float).ravel()
    if base.shape != (size,) or not np.isfinite(base).all():
        raise ValueError(f"at: expected {size} finite numbers, got {at!r}")
    x, y = (np.linspace(low, high, resolution) for low, high in bounds.tolist())
    points = np.broadcast_to(base, (resolution, resolution, size)).copy()
    points[..., pair[0]] = x[None, :]
    points[..., pair[1]] = y[:, None]
    return x, y, points


@dataclass(frozen=True, repr=False)
class PhasePortrait:
    """A vector field with runs of learning on it.

    **Fields:** `field`, a [`resolvent.numeric.VectorField`][]; `run`, the [`resolvent.numeric.Run`][] with parameters
    recorded; `trajectories`: z along the runs, `(records, runs, d)`.
    """

    field: VectorField
    run: Run
    trajectories: NDArray[np.floating]

    def __str__(self) -> str:
        return f"{self.field}\n{self.run}"

    def __repr__(self) -> str:
        return f"PhasePortrait({self.field!r}, {self.trajectories.shape[1]} runs)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the field, the trajectories and their ends.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = self.field.plot(ax)
        first, second = (self.trajectories[..., k] for k in self.field.pair)
        ax.plot(first, second, color="black", linewidth=0.7, alpha=0.7)
        ax.plot(first[-1], second[-1], "k.", markersize=5)
        ends = ((self.field.x[0], self.field.x[-1]), (self.field.y[0], self.field.y[-1]))
        ax.set(xlim=ends[0], ylim=ends[1])
        return ax


def phase_portrait(
    values: ValueFunction,
    learners: Learners,
    region: Sequence[tuple[float, float]],
    *,
    starts: int = 5,
    steps: int = 200,
    resolution: int = 21,
    at: Any = None,
    pair: tuple[int, int] = (0, 1),
) -> PhasePortrait:
    """Learning from a grid of starts, on the field of updates.

    **Arguments:** as of [`resolvent.numeric.vector_field`][], and `starts`: along each side of the region; `steps`: of
    learning.

    **Returns:** a [`resolvent.numeric.PhasePortrait`][].
    """
    field = vector_field(values, region, learners, resolution=resolution, at=at, pair=pair)
    starts = check_count(starts, "starts", least=2)
    points = _grid(values, region, starts, at, pair)[2].reshape(-1, dimension(values))
    run = learn(
        values, learners, _batch(values, points), steps, record="params", every=max(1, steps // 200)
    )
    return PhasePortrait(field, run, _joined(run.history["params"]))


def _batch(values: ValueFunction, points: NDArray[np.floating]) -> tuple[NDArray[Any], ...]:
    sizes = np.cumsum([int(np.prod(shape)) for shape in values.shapes])[:-1]
    parts = np.split(points, sizes, axis=1)
    return tuple(own.reshape(-1, *s) for own, s in zip(parts, values.shapes, strict=True))


def _joined(history: Any) -> NDArray[np.floating]:
    return np.concatenate([np.asarray(own).reshape(*own.shape[:2], -1) for own in history], axis=-1)


@dataclass(frozen=True, repr=False)
class AttractionMap:
    """Where learning ends, for a grid of starts.

    **Fields:**

    - `x`, `y`: the grid; `labels`: which of `ends`, `(m, m)`, rows for y; -1 where learning had not come to rest,
        -2 where it diverged.
    - `ends`: where runs came to rest, `(n, d)`, the most frequent first.
    - `run`: all runs.
    """

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    labels: NDArray[np.integer]
    ends: NDArray[np.floating]
    run: Run
    pair: tuple[int, int]
    names: tuple[str, ...]

    @property
    def shares(self) -> NDArray[np.floating]:
        """The share of starts that end at each of `ends`, `(n,)`."""
        return np.array([(self.labels == k).mean() for k in range(len(self.ends))])

    def __str__(self) -> str:
        lines = [f"basins of attraction over {len(self.x)} x {len(self.y)} starts"]
        for own, share in zip(self.ends[:10], self.shares, strict=False):
            lines.append(f"  {share:6.1%} end at ({', '.join(f'{x:.6g}' for x in own)})")
        if len(self.ends) > 10:
            lines.append(f"  and {len(self.ends) - 10} ends more")
        lines.append(f"  {(self.labels == -1).mean():6.1%} not at rest")
        lines.append(f"  {(self.labels == -2).mean():6.1%} diverged")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"AttractionMap({len(self.x)} x {len(self.y)}, {len(self.ends)} ends)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the basins, one colour for each end; white: not at rest, grey: diverged.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        from matplotlib import colormaps

        colours = colormaps["tab10" if len(self.ends) <= 10 else "tab20"]
        image = np.ones((*self.labels.shape, 3))
        image[self.labels == -2] = 0.6
        for k in range(len(self.ends)):
            image[self.labels == k] = colours(k % colours.N)[:3]
        sides = (self.x[0], self.x[-1], self.y[0], self.y[-1])
        ax.imshow(image, origin="lower", extent=sides, aspect="auto", interpolation="nearest")
        if len(self.ends):
            ax.plot(self.ends[:, self.pair[0]], self.ends[:, self.pair[1]], "k.")
        ax.set(xlim=sides[:2], ylim=sides[2:])
        ax.set(xlabel=self.names[self.pair[0]], ylabel=self.names[self.pair[1]])
        return ax


def basins_of_attraction(
    values: ValueFunction,
    learners: Learners,
    region: Sequence[tuple[float, float]],
    steps: int,
    *,
    resolution: int = 64,
    at: Any = None,
    pair: tuple[int, int] = (0, 1),
    tolerance: float = 1e-3,
    limit: float | None = 1e6,
) -> AttractionMap:
    """Where learning ends from each start of a grid, all runs at once.

    **Arguments:** as of [`resolvent.numeric.vector_field`][], and

    - `steps`: of learning, at least 10.
    - `tolerance`: ends within this of each other are one; a run is at rest that moved less than a hundredth of this
        over its last tenth.
    - `limit`: norms of parameters beyond which a run has diverged.

    **Returns:** an [`resolvent.numeric.AttractionMap`][]. A run at rest is not proved to converge: `verified_basin`
    proves.
    """
    require_x64()
    steps = check_count(steps, "steps", least=10)
    resolution = check_count(resolution, "resolution", least=2)
    x, y, points = _grid(values, region, resolution, at, pair)
    starts = _batch(values, points.reshape(-1, points.shape[-1]))
    # Recorded at the start, when nine tenths are done, and at the end.
    run = learn(
        values, learners, starts, steps, record="params", every=steps - steps // 10, limit=limit
    )
    along = _joined(run.history["params"])
    ends = along[-1]
    moved = np.linalg.norm(ends - along[-2], axis=1)
    fine = np.asarray(run.status == RESULTS.successful)
    rest = fine & (moved <= tolerance / 100)
    labels, found = _clusters(ends, rest, tolerance)
    labels = np.where(fine, labels, -2)
    return AttractionMap(
        x, y, labels.reshape(resolution, resolution), found, run, pair, coordinate_names(values)
    )


def _clusters(
    ends: NDArray[np.floating], rest: NDArray[np.bool_], tolerance: float
) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    """Label ends that are within the tolerance of the first of their kind; the most frequent comes first."""
    labels = np.full(len(ends), -1)
    found: list[NDArray[np.floating]] = []
    left = rest.copy()
    while left.any():
        own = ends[int(left.argmax())]
        near = left & (np.linalg.norm(ends - own, axis=1) <= tolerance)
        labels[near] = len(found)
        found.append(own)
        left &= ~near
    counts = np.bincount(labels[labels >= 0], minlength=len(found))
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(found), int)
    rank[order] = np.arange(len(found))
    labels[labels >= 0] = rank[labels[labels >= 0]]
    kept = [found[k] for k in order]
    return labels, np.stack(kept) if kept else np.zeros((0, ends.shape[1]))
