"""The hash-consed expression graph: one form from which every other is printed.

A `Graph` grows nodes for `+ - * /`; equal nodes are shared, so common subexpressions exist once.
`Graph.program` freezes the nodes that some outputs need into a `Program`, a straight-line list of
instructions. `Program.run` carries the instructions out on *any* numbers with those four
operations: FLINT rationals (exact evaluation), power series (exact derivatives), SymPy symbols
(display), JAX arrays (compilation). They cannot disagree, since they are the same instructions.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

_APPLY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Program:
    """A straight-line program over `+ - * /`.

    **Attributes:**

    - `inputs`: how many numbers it reads.
    - `constants`: the exact constants it uses; they are numbered after the inputs.
    - `instructions`: triples `(operation, left, right)`; each defines the next number.
    - `outputs`: the numbers that are the result.
    """

    inputs: int
    constants: tuple[Fraction, ...]
    instructions: tuple[tuple[str, int, int], ...]
    outputs: tuple[int, ...]

    def run(self, inputs: Sequence[Any], constant: Callable[[Fraction], Any] = float) -> list[Any]:
        """Carry the instructions out on `inputs`.

        **Arguments:**

        - `inputs`: numbers of any one kind with `+ - * /`.
        - `constant`: makes a number of that kind from an exact `Fraction`.
        """
        if len(inputs) != self.inputs:
            raise ValueError(f"inputs: expected {self.inputs} numbers, got {len(inputs)}")
        numbers = [*inputs, *map(constant, self.constants)]
        for operation, left, right in self.instructions:
            numbers.append(_APPLY[operation](numbers[left], numbers[right]))
        return [numbers[k] for k in self.outputs]

    @property
    def counts(self) -> dict[str, int]:
        """How often each operation occurs."""
        counted = Counter(operation for operation, _, _ in self.instructions)
        return {operation: counted[operation] for operation in _APPLY}

    def __len__(self) -> int:
        return len(self.instructions)


class Graph:
    """Grows a program; see the module's docstring."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, Any, Any]] = []
        self._index: dict[tuple[str, Any, Any], int] = {}
        self._inputs = 0

    def input(self) -> Node:
        """A new input; inputs are read in the order in which they were made."""
        self._inputs += 1
        return self._node("input", self._inputs - 1, None)

    def inputs(self, count: int) -> list[Node]:
        return [self.input() for _ in range(count)]

    def constant(self, value: Fraction | int) -> Node:
        return self._node("constant", Fraction(value), None)

    def _node(self, operation: str, left: Any, right: Any) -> Node:
        key = (operation, left, right)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self._nodes)
            self._nodes.append(key)
        return Node(self, found)

    def value(self, node: Node) -> Fraction | None:
        """The constant behind `node`, or None where it is not one."""
        operation, value, _ = self._nodes[node.index]
        return value if operation == "constant" else None

    def combine(self, operation: str, left: Node, right: Node) -> Node:
        """The node `left operation right`, simplified where a constant decides it."""
        a, b = self.value(left), self.value(right)
        if a is not None and b is not None:
            return self.constant(_APPLY[operation](a, b))
        if operation in "+*" and left.index > right.index:  # both commute: one spelling
            left, right, a, b = right, left, b, a
        if operation == "+" and a == _ZERO:
            return right
        if operation in "+-" and b == _ZERO:
            return left
        if operation == "*" and _ZERO in (a, b):
            return self.constant(0)
        if operation == "*" and a == _ONE:
            return right
        if operation in "*/" and b == _ONE:
            return left
        return self._node(operation, left.index, right.index)

    def program(self, outputs: Iterable[Node]) -> Program:
        """Freeze what `outputs` need; nodes that nothing needs are dropped."""
        wanted = [node.index for node in outputs]
        live = set(wanted)
        for index in range(max(live, default=-1), -1, -1):  # arguments precede their users
            operation, left, right = self._nodes[index]
            if index in live and operation in _APPLY:
                live.update((left, right))
        number: dict[int, int] = {}
        constants: list[Fraction] = []
        for index in sorted(live):
            operation, left, _ = self._nodes[index]
            if operation == "input":
                number[index] = left
            elif operation == "constant":
                number[index] = self._inputs + len(constants)
                constants.append(left)
        instructions: list[tuple[str, int, int]] = []
        for index in sorted(live):
            operation, left, right = self._nodes[index]
            if operation in _APPLY:
                number[index] = self._inputs + len(constants) + len(instructions)
                instructions.append((operation, number[left], number[right]))
        return Program(
            self._inputs,
            tuple(constants),
            tuple(instructions),
            tuple(number[index] for index in wanted),
        )


class Node:
    """A number in the making: supports `+ - * /` with other nodes of its graph."""

    __slots__ = ("graph", "index")

    graph: Graph
    index: int

    def __init__(self, graph: Graph, index: int) -> None:
        self.graph = graph
        self.index = index

    def __add__(self, other: Node) -> Node:
        return self.graph.combine("+", self, other)

    def __sub__(self, other: Node) -> Node:
        return self.graph.combine("-", self, other)

    def __mul__(self, other: Node) -> Node:
        return self.graph.combine("*", self, other)

    def __truediv__(self, other: Node) -> Node:
        return self.graph.combine("/", self, other)

    def __pow__(self, power: int) -> Node:
        result = self.graph.constant(1)
        for _ in range(power):
            result = result * self
        return result
