"""Drawing polygons of payoffs."""

from __future__ import annotations

from typing import Any

from resolvent.analytic.memory_one.polygon import Polygon


def fill(ax: Any, polygon: Polygon, color: str, label: str) -> None:
    """A polygon with its vertices; nothing of an empty one."""
    if polygon.dimension < 0:
        return
    x, y = zip(*((float(a), float(b)) for a, b in polygon.vertices), strict=True)
    ax.fill(x, y, color=color, alpha=0.3, linewidth=0)
    ax.plot((*x, x[0]), (*y, y[0]), color=color, marker="o", markersize=3, label=label)
