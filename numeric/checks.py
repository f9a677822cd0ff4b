"""What arguments of many functions must be: one error that names the argument, what was expected and what came."""

from __future__ import annotations

from typing import Any

import numpy as np

from resolvent.analytic.value_function import ValueFunction


def check_count(count: Any, name: str, least: int = 1) -> int:
    """A whole number of at least `least`.

    **Raises:** `TypeError` for what is no whole number, `ValueError` for one that is too small.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
        raise TypeError(f"{name}: expected a whole number, got {count!r}")
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, got {count}")
    return int(count)


def check_player(player: Any, values: ValueFunction, name: str = "player") -> int:
    """The index of a player of `values`.

    **Raises:** `ValueError` for a player that is not there.
    """
    whole = isinstance(player, (int, np.integer)) and not isinstance(player, bool)
    if not whole or not 0 <= player < values.num_players:
        raise ValueError(
            f"{name}: expected an index from 0 to {values.num_players - 1}, got {player!r}"
        )
    return int(player)
