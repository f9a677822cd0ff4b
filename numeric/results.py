"""How a run ended."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
from numpy.typing import NDArray


class RESULTS(eqx.Enumeration):
    """The status of a run; each member is its message, `RESULTS[status]`."""

    successful = "all steps were done"
    nonfinite = (
        "an update was not finite: the run stopped where it last was finite, see `failed_step`, "
        "`failed_player` and `failed_norm`"
    )
    interrupted = "interrupted before all steps were done"
    diverged = (
        "the parameters left the `limit`: the run stopped where they last were within it, see "
        "`failed_step`, `failed_player` and `failed_norm`"
    )


def code(status: RESULTS) -> int:
    """The number that stands for a single status."""
    return int(jax.tree.leaves(status)[0])


def from_codes(codes: NDArray[np.integer]) -> RESULTS:
    """One status per entry of `codes`; compare it like a single one."""
    return jax.tree.unflatten(jax.tree.structure(RESULTS.successful), [codes])
