r"""The fixed points of a game in a region: where the simultaneous gradient is zero, found and classified."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.checks import check_count
from resolvent.numeric.stability.classification import FixedPoint, classify, number
from resolvent.numeric.stability.jacobian import GameSystem, split
from resolvent.numeric.stability.zeros import Found, box, newton, sort_out, spread

Tree = Any


class SEARCH(eqx.Enumeration):
    """How the search from a start ended; each member is its message, `SEARCH[status]`."""

    inside = "it led to a fixed point in the region"
    outside = "it led to a fixed point outside the region"
    lost = "it led to none"


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoints:
    """The fixed points that were found, as a sequence.

    **Fields:**

    - `points`: [`resolvent.numeric.FixedPoint`][]s, different ones; of a continuum the one closest to the
        middle of the region, whose `dimension` says so.
    - `low`, `high`: the region, `(d,)` each.
    - `status`: a [`resolvent.numeric.SEARCH`][] per start.
    - `name`: what is played.

    That no other was found does not prove that there is none.
    """

    points: tuple[FixedPoint, ...]
    low: NDArray[np.floating]
    high: NDArray[np.floating]
    status: SEARCH
    name: str

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[FixedPoint]:
        return iter(self.points)

    def __getitem__(self, index: int) -> FixedPoint:
        return self.points[index]

    @property
    def counts(self) -> dict[str, int]:
        """How many starts ended in each way."""
        return {
            name: int(np.sum(np.asarray(self.status == getattr(SEARCH, name))))
            for name in ("inside", "outside", "lost")
        }

    def __repr__(self) -> str:
        return f"FixedPoints({len(self)} of {self.name})"

    def __str__(self) -> str:
        found = "fixed point" if len(self) == 1 else "fixed points"
        counts = self.counts
        lines = [
            f"{self.name}: {len(self)} {found} in the region "
            f"(of {sum(counts.values())} starts {counts['inside']} led there, {counts['outside']} out of the "
            f"region, {counts['lost']} nowhere)"
        ]
        for own in self.points:
            eigenvalues = ", ".join(map(number, own.eigenvalues[:6]))
            more = ", ..." if len(own.eigenvalues) > 6 else ""
            lines.append(f"  {own!r}; eigenvalues {eigenvalues}{more}")
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """Draw the eigenvalues of the game Jacobian at each point in the complex plane.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        ax.axvline(0, color="grey", linewidth=0.8)
        for own in self.points:
            label = f"{own!r}".removeprefix("FixedPoint")
            ax.scatter(own.eigenvalues.real, own.eigenvalues.imag, label=label)
        ax.set(xlabel="real part", ylabel="imaginary part", title=f"{self.name}: eigenvalues of J")
        if self.points:
            ax.legend(fontsize="small")
        return ax


def axes(ax: Any) -> Any:
    """`ax`, or new axes.

    **Raises:** `ImportError` without matplotlib.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax


def fixed_points(
    values: ValueFunction, region: Any, *, starts: int = 256, iterations: int = 80
) -> FixedPoints:
    """The points of a region where no player's value has a gradient in its own parameters, each classified.

    Newton's method with the exact Jacobian from many starts, spread evenly over the region, in one
    compiled call; the same starts every time. Any number of players and parameters: but the number of
    starts that a region needs grows with its dimension.

    **Arguments:**

    - `values`: any [`resolvent.numeric.ValueFunction`][]. Parameters are unconstrained here: with logits,
        points at infinity (deterministic policies) are not found; with policies as parameters, nor are those
        on the boundary where the gradient is not zero. Of iterated games look among the equilibria too,
        [`resolvent.numeric.nash`][].
    - `region`: `(low, high)`: two numbers, for all parameters, or two tuples of one array per player.
    - `starts`: how many.
    - `iterations`: at most so many steps of Newton's method.

    **Returns:** [`resolvent.numeric.FixedPoints`][].

    **Raises:** `ValueError` for a region that is none.
    """
    require_x64()
    low, high = box(region, values.shapes)
    check_count(starts, "starts")
    check_count(iterations, "iterations")
    system = GameSystem(values.for_loops(many=True))
    reach = float((high - low).max(initial=0.0)) / 16
    found, _, slope = newton(system, spread(low, high, starts), reach, iterations)
    inside = within(found, low, high)
    zeros = sort_out(system, found, inside, slope, low, high, iterations)
    points = []
    for own in zeros:
        params = split(values.shapes, jnp.asarray(own.point))
        # The search judged the residual by the size of gradients in the region.
        point = classify(values, params, max(1e-8, 2 * own.residual), slope)
        points.append(dataclasses.replace(point, dimension=own.dimension, starts=own.starts))
    return FixedPoints(tuple(points), low, high, statuses(found, inside), values.name)


def within(
    found: Found, low: NDArray[np.floating], high: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which starts converged to a point in the region (rounding included)."""
    slack = 1e-9 * (1 + np.maximum(np.abs(low), np.abs(high)))
    own = found.points[:, : len(low)]
    return found.converged & ((own >= low - slack) & (own <= high + slack)).all(axis=1)


def statuses(found: Found, inside: NDArray[np.bool_]) -> SEARCH:
    """One status per start."""
    inner, outer, lost = (
        int(jax.tree.leaves(own)[0]) for own in (SEARCH.inside, SEARCH.outside, SEARCH.lost)
    )
    codes = np.where(inside, inner, np.where(found.converged, outer, lost))
    return jax.tree.unflatten(jax.tree.structure(SEARCH.inside), [codes])
