r"""A game on a tape: its values, their gradients, and the products with second derivatives that rules are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from resolvent.analytic.derivation import ClosedForm, closed_form
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.differentiable_value import DifferentiableValue
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.games import DifferentiableGame
from resolvent.numeric.learners.learner import lookahead_rates
from resolvent.numeric.stability.lowering import of_sympy
from resolvent.numeric.stability.tape import Node, Tape

Game = ValueFunction | DifferentiableGame | DifferentiableForm | ClosedForm


@dataclass
class Stage:
    """A game on a tape, to which updates are added. `memory` are inputs for what is remembered, `remembered` how
    much they change, `positive` what must be positive."""

    tape: Tape
    name: str
    inputs: list[Node]
    parts: list[slice]
    names: list[str]
    values: list[Node]

    def __post_init__(self) -> None:
        self.memory: list[Node] = []
        self.remembered: list[Node] = []
        self.positive: list[Node] = []
        self.start: int = len(self.inputs)

    @classmethod
    def of(cls, values: Any) -> Stage:
        logits = True
        if isinstance(values, DifferentiableValue):
            values = values.game
        elif isinstance(values, CompiledValue):
            if values.patient:
                raise ValueError("values: expected discounted values, got the limit of discount 1")
            logits = values.kernel.parameterisation == "logits"
            values = closed_form(values.game, values.normalise)
        values = values.game if isinstance(values, DifferentiableForm) else values
        if isinstance(values, DifferentiableGame):
            return cls._of_formulas(values)
        if isinstance(values, ClosedForm):
            return cls._of_program(values, logits)
        raise ValueError(
            "values: expected a game with formulas (compiled closed form, differentiable game), of which balls can "
            f"be computed, got {type(values).__name__}"
        )

    @classmethod
    def _of_formulas(cls, game: DifferentiableGame) -> Stage:
        if game.payoffs is None or game.symbols:
            what = "is given by a JAX function" if game.payoffs is None else "has symbols left"
            raise ValueError(f"values: expected a game with formulas in numbers; this one {what}")
        tape = Tape()
        names = [name for own in game.parameters for name in own]
        inputs = tape.inputs(len(names))
        known: dict[Any, Node] = {
            sympy.Symbol(name): own for name, own in zip(names, inputs, strict=True)
        }
        payoffs = [of_sympy(tape, own, known) for own in game.payoffs]
        parts = _parts([len(own) for own in game.parameters])
        return cls(tape, game.name or "a differentiable game", inputs, parts, names, payoffs)

    @classmethod
    def _of_program(cls, form: ClosedForm, logits: bool) -> Stage:
        game = form.game
        program = form.value_program
        if game.symbols:
            raise ValueError("values: expected a game without symbols")
        tape = Tape()
        shapes = [(rows, actions - 1) for rows, actions in game.policy_shapes]
        inputs = tape.inputs(sum(rows * columns for rows, columns in shapes))
        names = [
            f"player {i + 1} at {label}" + (f" ({action})" if columns > 1 else "")
            for i, (_, columns) in enumerate(shapes)
            for label in game.observations[i]
            for action in list(game.actions[i])[:columns]
        ]
        policies: list[Node] = []
        at = 0
        one, zero = tape.constant(1), tape.constant(0)
        for rows, columns in shapes:
            for _ in range(rows):
                own = inputs[at : at + columns]
                at += columns
                if not logits:
                    policies += [*own, one - tape.total(own)]
                elif columns == 1:
                    policies += [tape.function("sigmoid", x) for x in (own[0], zero - own[0])]
                else:
                    full = [*own, zero]
                    policies += [_chance(tape, full, a) for a in range(columns + 1)]
        values = program.run(policies, constant=tape.constant)
        parts = _parts([rows * columns for rows, columns in shapes])
        return cls(tape, game.name or "a game", inputs, parts, names, values)

    def number(self, value: float) -> Node:
        return self.tape.constant(Fraction(value))

    def slopes(self, i: int) -> list[list[Node]]:
        """g_ij for all j."""
        flat = self.tape.gradient(self.values[i], self.inputs)
        return [flat[part] for part in self.parts]

    @cached_property
    def blocks(self) -> list[list[list[Node]]]:
        return [self.slopes(i) for i in range(len(self.parts))]

    @cached_property
    def own(self) -> list[Node]:
        """w."""
        return [x for i, row in enumerate(self.blocks) for x in row[i]]

    def along(self, outputs: Sequence[Node], direction: Sequence[Node]) -> list[Node]:
        """Derivatives along a direction of all parameters."""
        return self.tape.tangent(outputs, self.inputs, direction)

    def back(self) -> list[Node]:
        """J'w, the gradient of half the square of w."""
        half = self.tape.constant(Fraction(1, 2))
        return self.tape.gradient(half * self.tape.inner(self.own, self.own), self.inputs)

    def lookahead(self, i: int, steps: Sequence[Node]) -> list[Node]:
        """L_i."""
        others = [
            self.tape.constant(0) if j == i else steps[j] * x
            for j, row in enumerate(self.blocks)
            for x in row[j]
        ]
        return self.along(self.blocks[i][i], others)

    def shaping(
        self, i: int, steps: Sequence[Node], interest: Sequence[Sequence[Node]]
    ) -> list[Node]:
        """S_i, with the interest u_j in player j's parameters for g_ij."""
        zero = self.tape.constant(0)
        result = [zero] * len(self.inputs[self.parts[i]])
        for j, part in enumerate(self.parts):
            if j == i:
                continue
            direction = [zero] * len(self.inputs)
            direction[part] = [steps[j] * u for u in interest[j]]
            moved = self.along(self.blocks[j][i], direction)
            result = [x + y for x, y in zip(result, moved, strict=True)]
        return result

    def steps(self, rule: Any) -> list[Node]:
        """eta."""
        rates = lookahead_rates(rule.rate, rule.lookahead, len(self.parts))
        return [self.number(float(own)) for own in rates]

    def per_parameter(self, steps: Sequence[Node]) -> list[Node]:
        return [
            step for step, part in zip(steps, self.parts, strict=True) for _ in self.inputs[part]
        ]

    def at(self, nodes: Sequence[Node], moved: Sequence[Node]) -> list[Node]:
        """The same nodes at other parameters."""
        return self.tape.substitute(nodes, [*moved, *self.memory])


def single(rule: Any, name: str) -> float:
    number = np.asarray(getattr(rule, name))
    if number.shape != ():
        raise ValueError(
            f"learners: expected one {name} for each learner, got shape {number.shape}"
        )
    return float(number)


def _parts(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def _chance(tape: Tape, logits: list[Node], action: int) -> Node:
    """A softmax probability, without a difference of probabilities."""
    others = [x for k, x in enumerate(logits) if k != action]
    odds = [tape.function("exp", x - logits[action]) for x in others]
    return tape.constant(1) / tape.total([tape.constant(1), *odds])
