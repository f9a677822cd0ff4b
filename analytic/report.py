"""What a game's straight-line program costs, and which backend it is compiled to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from resolvent.analytic.elimination import programs
from resolvent.analytic.graph import Program
from resolvent.analytic.structure import Structure

Backend = Literal["program", "tensor"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

OPERATION_LIMIT = 2_000
"""Above this many predicted operations the scalar program takes too long to compile."""


@dataclass(frozen=True)
class ProgramReport:
    """The straight-line program of a structure.

    **Attributes:**

    - `values`: the program from policies, discount and payoffs to per-round values.
    - `step_operations`: predicted operations of one shaping step of all players: transitions, one
        elimination, and two left and two right solves for each pair of players and each term.
    - `backend`: what `compile` chooses: the program up to `OPERATION_LIMIT` such operations.
    """

    values: Program
    step_operations: int
    backend: Backend

    @property
    def counts(self) -> Mapping[str, int]:
        """Operations of the value program, by kind."""
        return self.values.counts

    def __len__(self) -> int:
        return len(self.values)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.items() if count)
        relation = "<=" if self.step_operations <= OPERATION_LIMIT else ">"
        return (
            f"values in {len(self)} operations ({kinds}); a shaping step in about "
            f"{self.step_operations} {relation} {OPERATION_LIMIT}: {self.backend} backend"
        )


@lru_cache
def report(structure: Structure) -> ProgramReport:
    """Count operations and choose a backend."""
    derived = programs(structure)
    players = structure.num_players
    solves = 1 + players + 4 * players * (players - 1)
    once = len(derived.transitions) + len(derived.factor)
    step = once + solves * len(derived.right)
    return ProgramReport(derived.values, step, "program" if step <= OPERATION_LIMIT else "tensor")
