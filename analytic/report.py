"""What a game's straight-line program costs, and which backend it is compiled to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, get_args

from resolvent.analytic.elimination import multiplications, order_of, programs, value_program
from resolvent.analytic.graph import Program
from resolvent.analytic.structure import Structure

Backend = Literal["program", "tensor"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

OPERATION_LIMIT = 2_000
"""Above this many predicted operations the scalar program takes too long to compile without being
asked: for a batch of LOLA runs XLA needs 2 to 4 milliseconds of CPU time for each."""

SHOWN_LIMIT = 100_000
"""Products of an elimination up to which the value program is derived only to be counted."""

DERIVED_LIMIT = 2_000_000
"""Products of an elimination above which the value program is not derived at all."""

SECONDS_PER_OPERATION = 3e-3
TENSOR_SECONDS = 3.0
"""What XLA takes to compile one learning step: of the program, for each operation; on tensors."""


class TooLargeToDeriveError(ValueError):
    """The straight-line program would be too large to be of use."""


@dataclass(frozen=True)
class ProgramReport:
    """The straight-line program of a structure.

    **Attributes:**

    - `structure`: what it is the program of.
    - `step_operations`: predicted operations of one LOLA step of all players; where that is beyond
        `OPERATION_LIMIT` by far, a lower bound.
    - `backend`: what `compile` chooses: the program up to `OPERATION_LIMIT` such operations.
    """

    structure: Structure
    step_operations: int
    backend: Backend

    @cached_property
    def products(self) -> int:
        """Products that eliminate the states of the chain once: the program's size is about twice as
        many operations, and those of its transitions."""
        return multiplications(self.structure.inner_edges, order_of(self.structure))

    @cached_property
    def values(self) -> Program:
        """The program from policies, probabilities, discounts and payoffs to per-round values, derived
        when it is first asked for.

        **Raises:** `TooLargeToDeriveError` beyond two million products.
        """
        if self.products > DERIVED_LIMIT:
            raise TooLargeToDeriveError(
                f"the straight-line program of {self.structure.num_states} states would have about "
                f"{2 * self.products:.2g} operations (limit {2 * DERIVED_LIMIT:.2g}). Use "
                ".evaluate(policies) for exact values, .compile() for numbers (a structured solve)"
            )
        return value_program(self.structure)

    @property
    def counts(self) -> Mapping[str, int]:
        """Operations of the value program, by kind."""
        return self.values.counts

    @property
    def compile_seconds(self) -> float:
        """What compiling a learning step takes, roughly, on the backend chosen."""
        if self.backend == "tensor":
            return TENSOR_SECONDS
        return max(1.0, SECONDS_PER_OPERATION * self.step_operations)

    def __len__(self) -> int:
        return len(self.values)

    def __str__(self) -> str:
        if self.products <= SHOWN_LIMIT:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.counts.items() if count)
            values = f"values in {len(self)} operations ({kinds})"
        else:
            values = f"values in about {2 * self.products:.2g} operations as a program"
        relation = "<=" if self.step_operations <= OPERATION_LIMIT else ">"
        how = "program" if self.backend == "program" else "tensor"
        return (
            f"{values}; a shaping step in about {self.step_operations} {relation} {OPERATION_LIMIT}: "
            f"{how} backend, compiled in about {self.compile_seconds:.0f} s"
        )


@lru_cache
def report(structure: Structure) -> ProgramReport:
    """Count operations and choose a backend.

    A LOLA step has, besides transitions and one elimination (per discount): a left solve, a right solve
    per player, and for each ordered pair of players two second-order products, with a left and a right
    solve each; and the contractions that turn solutions into blocks of derivatives.
    """
    players, states = structure.num_players, structure.num_states
    products = 2 * players * (players - 1)
    solves = 1 + players + 2 * products
    # Each solve passes through each edge at least once, so large games need not be derived to be judged.
    least = 2 * solves * len(structure.inner_edges)
    if least > OPERATION_LIMIT:
        return ProgramReport(structure, least, "tensor")
    derived = programs(structure)
    deflation = 6 * structure.size
    joint = len(structure.joint_actions)
    contraction = 3 * states * max((own - 1) * joint // own for own in structure.num_actions)
    step = (
        len(derived.transitions)
        + len(derived.rewards) * players
        + len(derived.factor) * (1 + max(structure.groups))
        + solves * (len(derived.right) + deflation)
        + (players**2 + 5 * products) * contraction
    )
    return ProgramReport(structure, step, "program" if step <= OPERATION_LIMIT else "tensor")
