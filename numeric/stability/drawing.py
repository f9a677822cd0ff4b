"""Axes to draw on, where matplotlib is installed."""

from __future__ import annotations

from typing import Any


def axes(ax: Any) -> Any:
    """`ax`, or new axes.

    **Raises:** `ImportError` without matplotlib.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax
