"""Basins of attraction of equilibria over priors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import Game
from resolvent.numeric.equilibrium.logarithmic_batch import TracedBatch, short, trace_batch
from resolvent.numeric.equilibrium.logarithmic_path import axes
from resolvent.numeric.equilibrium.logarithmic_plan import ETA
from resolvent.numeric.equilibrium.priors import Prior, read_prior


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Basins:
    """Which equilibrium each prior of a square of priors traces to.

    **Fields:** `traced`: all of them, row by row; `shape`: of the grid, rows are the second coordinate; `corners`:
    the names of the priors at (0, 0), (1, 0), (0, 1) and (1, 1).
    """

    traced: TracedBatch
    shape: tuple[int, int]
    corners: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.integer]:
        """Which of `traced.equilibria`, -1 where none was reached; the grid."""
        return self.traced.labels.reshape(self.shape)

    def __str__(self) -> str:
        return self.traced.summary()

    def plot(self, ax: Any = None) -> Any:
        """Draw the basins of attraction, one colour for each equilibrium.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        from matplotlib import colormaps
        from matplotlib.patches import Patch

        number = len(self.traced.equilibria)
        colours = colormaps["tab10" if number <= 10 else "tab20"]
        image = np.ones((*self.shape, 3))
        handles = []
        for k, own in enumerate(self.traced.equilibria):
            colour = colours(k % colours.N)[:3]
            image[self.labels == k] = colour
            if k < 8:
                label = " | ".join(short(policy) for policy in own)
                handles.append(Patch(color=colour, label=label))
        if (self.labels < 0).any():
            handles.append(Patch(facecolor="white", edgecolor="grey", label="not reached"))
        ax.imshow(image, origin="lower", extent=(0, 1, 0, 1), aspect="auto")
        ax.set(xlabel=f"{self.corners[0]} to {self.corners[1]}")
        ax.set(
            ylabel=f"{self.corners[0]} to {self.corners[2]}",
            title="equilibria that priors trace to",
        )
        ax.legend(handles=handles, fontsize="small")
        return ax


def basins(
    game: Game,
    corners: Sequence[Prior],
    resolution: int = 32,
    *,
    eta: float = ETA,
    width: int = 128,
) -> Basins:
    """The basins of attraction of equilibria in a square of priors.

    **Arguments:**

    - `corners`: the priors at (0, 0), (1, 0), (0, 1) and, optionally, (1, 1), as of `trace`; between them priors
        are interpolated. Without the fourth, it is the mean of the second and the third.
    - `resolution`: the number of priors along each side.
    - `eta`, `width`: as of `trace_batch`.
    """
    if isinstance(corners, str) or len(corners) not in (3, 4):
        raise ValueError(f"corners: expected three or four priors, got {corners!r}")
    if resolution < 2:
        raise ValueError(f"resolution: expected at least 2, got {resolution}")
    given = [read_prior(game, own) for own in corners]
    if len(given) == 3:
        given.append(tuple((x + y) / 2 for x, y in zip(given[1], given[2], strict=True)))
    side = np.linspace(0, 1, resolution)
    x, y = (own.ravel() for own in np.meshgrid(side, side))
    shares = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], axis=1)
    priors = tuple(
        jnp.einsum("mk,ksa->msa", shares, jnp.stack(own)) for own in zip(*given, strict=True)
    )
    traced = trace_batch(game, priors, eta=eta, width=width)
    names = tuple(own if isinstance(own, str) else f"corner {k}" for k, own in enumerate(corners))
    return Basins(traced, (resolution, resolution), names)
