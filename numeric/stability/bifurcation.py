r"""How the fixed points of learning, and their stability, change with a hyper-parameter.

Zeros of $\Delta(z; t)$, the joint update of learners that depend on t (as may the game), are followed by
pseudo-arclength through turning points. Where an eigenvalue of $F'$ crosses the unit circle the fixed point gains or
loses stability: at 1 (a fold, or a branching), at -1 (a flip: a cycle of length two is born or dies) or as a
complex pair (Neimark and Sacker: learning begins to rotate).

Source: Allgower and Georg, *Introduction to numerical continuation methods* (SIAM 2003); Kuznetsov, *Elements of
applied bifurcation theory* (4th ed., 2023), chapter 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.equilibrium.continuation import PATHS, Path, Settings, follow
from resolvent.numeric.stability.drawing import axes
from resolvent.numeric.stability.maps import (
    Learners,
    coordinate_names,
    dimension,
    joint_map,
    rules_of,
    split,
)

Family = Callable[[Array], tuple[ValueFunction, Learners]]
"""A hyper-parameter t (traced) to what is played, and who learns: `lambda t: (values, LOLA(rate=t))`."""


class CROSSINGS(eqx.Enumeration):
    """How stability changes; each member is its message, `CROSSINGS[kind]`."""

    fold = "an eigenvalue crosses 1: a fold or a branching"
    flip = "an eigenvalue crosses -1: a flip, with a cycle of length two"
    rotation = "a complex pair crosses the unit circle: a Neimark-Sacker bifurcation"


@dataclass(frozen=True)
class Crossing:
    """Where stability changes along a branch.

    **Fields:** `t`, the hyper-parameter; `point`, the fixed point z, `(d,)`; `kind`, one of
    [`resolvent.numeric.CROSSINGS`][]; `eigenvalue`, the one that crosses.
    """

    t: float
    point: NDArray[np.floating]
    kind: CROSSINGS
    eigenvalue: complex

    def __str__(self) -> str:
        return f"t = {self.t:.10g}: {CROSSINGS[self.kind]}"


@dataclass(frozen=True, repr=False)
class Bifurcation:
    """A branch of fixed points over a hyper-parameter.

    **Fields:**

    - `path`: how it was followed, a [`resolvent.numeric.Path`][].
    - `eigenvalues`: of F' at every point of it, `(m, k)`, memory included.
    - `crossings`: where stability changes, in the order of the path.
    - `names`: of the parameters z; `parameter`: the name of t.
    """

    path: Path
    eigenvalues: NDArray[np.complexfloating]
    crossings: tuple[Crossing, ...]
    names: tuple[str, ...]
    parameter: str

    @property
    def successful(self) -> bool:
        """Whether the branch was followed to the end."""
        return self.path.successful

    @property
    def t(self) -> NDArray[np.floating]:
        """The hyper-parameter along the branch, `(m,)`."""
        return self.path.t

    @property
    def points(self) -> NDArray[np.floating]:
        """z along the branch, `(m, d)`."""
        return self.path.points[:, :-1]

    @property
    def radius(self) -> NDArray[np.floating]:
        """The spectral radius along the branch, `(m,)`."""
        return np.abs(self.eigenvalues).max(axis=1)

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Where the branch is stable, `(m,)`."""
        return self.radius < 1

    def __str__(self) -> str:
        lines = [
            f"branch of fixed points, {self.parameter} from {self.t[0]:.6g} to {self.t[-1]:.6g} in "
            f"{self.path.steps} steps, {len(self.path.turning_points)} turning points; {PATHS[self.path.status]}"
        ]
        lines += [
            f"  {str(own).replace('t =', f'{self.parameter} =', 1)}" for own in self.crossings
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Bifurcation({self.parameter}, {len(self.crossings)} crossings)"

    def plot(self, ax: Any = None, coordinate: int = 0) -> Any:
        """Draw one coordinate of the branch: solid where it is stable, dashed where not.

        **Arguments:** `ax`: matplotlib axes to draw on, default: new ones; `coordinate`: of z.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        height = self.points[:, coordinate]
        for stable, style in ((True, "-"), (False, "--")):
            # Pieces of a line keep the point after them, so that no gap is left.
            on = self.stable == stable
            near = on | np.concatenate([[False], on[:-1]])
            label = "stable" if stable else "unstable"
            ax.plot(
                np.where(near, self.t, np.nan), np.where(near, height, np.nan), style, label=label
            )
        for own in self.crossings:
            ax.plot(own.t, own.point[coordinate], "ko", markersize=4)
        ax.set(xlabel=self.parameter, ylabel=self.names[coordinate])
        ax.legend()
        return ax


def bifurcation(
    family: Family,
    start: Any,
    span: tuple[float, float],
    *,
    parameter: str = "t",
    settings: Settings | None = None,
) -> Bifurcation:
    """Follow a fixed point of learning over a hyper-parameter.

    **Arguments:**

    - `family`: from t to `(values, learners)`; t may enter rates, look-aheads, weights, or payoffs (by
        `ValueFunction.wrap`, in a function that uses t).
    - `start`: parameters next to a fixed point at the first t, one array per player or all in one vector.
    - `span`: the first and the last t.
    - `parameter`: its name, to print.
    - `settings`: of the steps, `continuation.Settings`.

    **Returns:** a [`resolvent.numeric.Bifurcation`][]. Its branch ends early where the path says so: other branches
    that meet it are not followed, but counted in `path.reversals`.

    **Raises:** `ValueError` for a span without length or a start of another size.
    """
    require_x64()
    begins, ends = map(float, span)
    if not (np.isfinite([begins, ends]).all() and begins != ends):
        raise ValueError(f"span: expected two different finite numbers, got {span!r}")
    values, learners = family(jnp.asarray(begins))
    rules_of(values, learners)
    size = dimension(values)
    parts = start if isinstance(start, (tuple, list)) else [start]
    flat = np.concatenate([np.ravel(np.asarray(own, float)) for own in parts])
    if flat.shape != (size,) or not np.isfinite(flat).all():
        raise ValueError(f"start: expected {size} finite numbers, got {start!r}")

    def residual(y: Array, args: Any) -> Array:
        found, step, z = _opened(family, y)
        return (step(found) - found)[:size] if z.size else z

    def slope(y: Array) -> Array:
        found, step, _ = _opened(family, y)
        return jax.jacfwd(step)(found)

    if settings is None:
        length = abs(ends - begins)
        settings = Settings(first_step=0.01 * length, largest_step=0.05 * max(length, 1e-3))
    path = follow(residual, np.append(flat, begins), target=ends, settings=settings)
    if not len(path.points):
        raise ValueError(f"start: {PATHS[path.status]}; got {start!r}")

    @jax.jit
    def look(y: Array) -> tuple[Array, Array, Array]:
        return residual(y, None), jax.jacfwd(residual)(y, None), slope(y)

    slopes = np.stack([np.asarray(look(jnp.asarray(y))[2]) for y in path.points])
    eigenvalues = _eigenvalues(slopes)
    crossings = _crossings(path.points, eigenvalues, look)
    return Bifurcation(path, eigenvalues, crossings, coordinate_names(values), parameter)


def _eigenvalues(matrices: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    return np.asarray(np.linalg.eigvals(matrices), complex)


def _opened(family: Family, y: Array) -> tuple[Array, Callable[[Array], Array], Array]:
    """The joint map at t, and where it begins: with the memory that learners have at rest."""
    z, t = y[:-1], y[-1]
    values, learners = family(t)
    found, step = joint_map(values, rules_of(values, learners), split(values, z))
    return found, step, z


Look = Callable[[Array], tuple[Array, Array, Array]]
"""(z, t) to the joint update, its Jacobian in (z, t), and F'."""


def _crossings(
    points: NDArray[np.floating], eigenvalues: NDArray[np.complexfloating], look: Look
) -> tuple[Crossing, ...]:
    excess = np.abs(eigenvalues).max(axis=1) - 1
    steps = np.flatnonzero(np.sign(excess[1:]) * np.sign(excess[:-1]) < 0)
    return tuple(_crossing(points[k], points[k + 1], look) for k in steps)


def _crossing(left: NDArray[np.floating], right: NDArray[np.floating], look: Look) -> Crossing:
    """Halve the chord until the spectral radius is 1; points are brought onto the branch across the chord."""

    def at(share: float) -> tuple[NDArray[np.floating], NDArray[np.complexfloating]]:
        y = left + share * (right - left)
        for _ in range(8):
            field, derivative, _ = map(np.asarray, look(jnp.asarray(y)))
            matrix = np.vstack([derivative, right - left])
            step = np.linalg.lstsq(matrix, np.append(field, 0.0), rcond=None)[0]
            y = y - step
            if np.abs(step).max() < 1e-14:
                break
        return y, _eigenvalues(np.asarray(look(jnp.asarray(y))[2]))

    low, high = 0.0, 1.0
    unstable = np.abs(at(low)[1]).max() > 1
    for _ in range(48):
        share = (low + high) / 2
        if (np.abs(at(share)[1]).max() > 1) == unstable:
            low = share
        else:
            high = share
    y, own = at((low + high) / 2)
    eigenvalue = complex(own[np.abs(own).argmax()])
    kind = CROSSINGS.rotation
    if abs(eigenvalue.imag) < 1e-6:
        kind = CROSSINGS.fold if eigenvalue.real > 0 else CROSSINGS.flip
    return Crossing(float(y[-1]), y[:-1], kind, eigenvalue)
