"""Exact values, gradients and learning dynamics of iterated games.

The sub-packages are `resolvent.games` (what is played), `resolvent.analytic` (formulas) and `resolvent.numeric`
(compiled runs). Importing `resolvent` itself is cheap: SymPy and JAX are imported when the sub-package that needs
them is first used.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resolvent import analytic as analytic
    from resolvent import games as games
    from resolvent import numeric as numeric
    from resolvent.numeric import tune as tune

__version__: str = version("resolvent")
__all__ = ["__version__", "analytic", "games", "numeric", "tune"]

_ROOMS = ("games", "analytic", "numeric")


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return import_module(f"resolvent.{name}")
    if name == "tune":
        return import_module("resolvent.numeric").tune
    raise AttributeError(f"module 'resolvent' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
