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
"""Above this many predicted operations the scalar program takes too long to compile without being
asked: for a batch of LOLA runs XLA needs 2 to 4 milliseconds of CPU time for each."""


@dataclass(frozen=True)
class ProgramReport:
    """The straight-line program of a structure.

    **Attributes:**

    - `values`: the program from policies, discount and payoffs to per-round values.
    - `step_operations`: predicted operations of one LOLA step of all players.
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
    """Count operations and choose a backend.

    A LOLA step has, besides transitions and one elimination: a left solve, a right solve per player,
    and for each ordered pair of players two second-order products, with a left and a right solve
    each; and the contractions that turn solutions into blocks of derivatives.
    """
    derived = programs(structure)
    players, states = structure.num_players, structure.num_states
    products = 2 * players * (players - 1)
    solves = 1 + players + 2 * products
    deflation = 6 * (states - 1)
    joint = len(structure.joint_actions)
    contraction = 3 * states * max((own - 1) * joint // own for own in structure.num_actions)
    step = (
        len(derived.transitions)
        + len(derived.factor)
        + solves * (len(derived.right) + deflation)
        + (players**2 + 5 * products) * contraction
    )
    return ProgramReport(derived.values, step, "program" if step <= OPERATION_LIMIT else "tensor")
