r"""Straight-line programs with smooth functions, their derivatives, and what they are carried out on.

A `Tape` grows nodes for `+ - * /`, integer powers and smooth functions; equal nodes are shared.
`Tape.gradient` (reverse mode) and `Tape.tangent` (forward mode) grow the nodes of exact derivatives,
so that derivatives of any order are programs as well. `Tape.program` freezes what some nodes need; a
`Steps` runs on any numbers for which there is an `Arithmetic`: balls of Arb (`BALLS`), arrays of
floats (`FLOATS`), numbers of mpmath, or the nodes of a tape again.

Source: Griewank and Walther, *Evaluating derivatives* (SIAM 2008), chapters 3 and 5; of balls Johansson 2017,
IEEE Trans. Computers 66, 1281.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias

import flint
import numpy as np
from scipy.special import expit

from resolvent.analytic.chain import rational

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
UNARY = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid")
_ZERO, _ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Arithmetic:
    """A kind of number: how to make one of a `Fraction`, integer powers, pi, and the smooth functions by name."""

    constant: Callable[[Fraction], Any]
    power: Callable[[Any, int], Any]
    pi: Callable[[], Any]
    functions: Mapping[str, Callable[[Any], Any]]


def _ball_power(base: Any, exponent: int) -> Any:
    """By the powers of its ends, which is tight: products do not know that their factors are equal."""
    size = abs(exponent)
    if base.is_exact():
        power = base**size
    elif size % 2:
        power = (base.lower() ** size).union(base.upper() ** size)
    else:
        power = (base.abs_lower() ** size).union(base.abs_upper() ** size)
    return power if exponent > 0 else 1 / power


BALLS = Arithmetic(
    constant=lambda value: flint.arb(rational(value)),
    power=_ball_power,
    pi=flint.arb.pi,
    functions={
        "exp": flint.arb.exp,
        "log": flint.arb.log,
        "sqrt": flint.arb.sqrt,
        "sin": flint.arb.sin,
        "cos": flint.arb.cos,
        "tanh": flint.arb.tanh,
        "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    },
)
"""Balls at the precision of FLINT's context; what is not defined on all of a ball is not finite."""

FLOATS = Arithmetic(
    constant=float,
    power=lambda base, exponent: base ** float(exponent),
    pi=lambda: np.pi,
    functions={
        "exp": np.exp,
        "log": np.log,
        "sqrt": np.sqrt,
        "sin": np.sin,
        "cos": np.cos,
        "tanh": np.tanh,
        "sigmoid": expit,
    },
)
"""Floats, or arrays of them, one entry per point."""

Instruction: TypeAlias = "tuple[str, int, int]"


@dataclass(frozen=True)
class Steps:
    """A straight-line program.

    **Attributes:**

    - `inputs`: how many numbers it reads.
    - `constants`: its exact constants, numbered after the inputs; None is pi.
    - `instructions`: `(operation, left, right)`; each defines the next number. `right` is the exponent of `"^"`
        and unused by functions.
    - `outputs`: the numbers that are the result.
    """

    inputs: int
    constants: tuple[Fraction | None, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    def run(self, inputs: Sequence[Any], arithmetic: Arithmetic) -> list[Any]:
        """Carry the instructions out on `inputs`."""
        if len(inputs) != self.inputs:
            raise ValueError(f"inputs: expected {self.inputs} numbers, got {len(inputs)}")
        numbers = [*inputs]
        numbers += [
            arithmetic.pi() if own is None else arithmetic.constant(own) for own in self.constants
        ]
        functions, power = arithmetic.functions, arithmetic.power
        for operation, left, right in self.instructions:
            if operation in _BINARY:
                numbers.append(_BINARY[operation](numbers[left], numbers[right]))
            elif operation == "^":
                numbers.append(power(numbers[left], right))
            else:
                numbers.append(functions[operation](numbers[left]))
        return [numbers[k] for k in self.outputs]

    def __len__(self) -> int:
        return len(self.instructions)


class Tape:
    """Grows programs; see the module's docstring."""

    def __init__(self) -> None:
        self._nodes: list[tuple[str, Any, Any]] = []
        self._index: dict[tuple[str, Any, Any], int] = {}
        self._inputs = 0

    def inputs(self, count: int) -> list[Node]:
        """New inputs, read in the order in which they were made."""
        made = [self._node("input", self._inputs + k, None) for k in range(count)]
        self._inputs += count
        return made

    def constant(self, value: Fraction | int) -> Node:
        return self._node("constant", Fraction(value), None)

    def pi(self) -> Node:
        return self._node("constant", None, None)

    def value(self, node: Node) -> Fraction | None:
        """The rational constant behind a node, or None where it is not one."""
        operation, value, _ = self._nodes[node.index]
        return value if operation == "constant" else None

    def function(self, name: str, node: Node) -> Node:
        """A smooth function by name."""
        if name not in UNARY:
            raise ValueError(f"name: expected one of {UNARY}, got {name!r}")
        return self._node(name, node.index, 0)

    def power(self, base: Node, exponent: int) -> Node:
        """An integer power."""
        known = self.value(base)
        if exponent == 0:
            return self.constant(1)
        if known is not None and (known or exponent > 0):
            return self.constant(known**exponent)
        return base if exponent == 1 else self._node("^", base.index, exponent)

    def combine(self, operation: str, left: Node, right: Node) -> Node:
        """`left operation right`, simplified where a constant decides it."""
        a, b = self.value(left), self.value(right)
        if a is not None and b is not None and not (operation == "/" and b == 0):
            return self.constant(_BINARY[operation](a, b))
        if operation in "+*" and left.index > right.index:
            left, right, a, b = right, left, b, a
        if operation == "+" and _ZERO in (a, b):
            return right if a == _ZERO else left
        if operation == "-" and b == _ZERO:
            return left
        if (operation == "*" and _ZERO in (a, b)) or (operation == "/" and a == _ZERO):
            return self.constant(0)
        if operation == "*" and _ONE in (a, b):
            return right if a == _ONE else left
        if operation == "/" and b == _ONE:
            return left
        if operation == "*" and left.index == right.index:
            return self.power(left, 2)
        return self._node(operation, left.index, right.index)

    def total(self, terms: Sequence[Node]) -> Node:
        """The sum; 0 where there are no terms."""
        return reduce(operator.add, terms) if terms else self.constant(0)

    def inner(self, left: Sequence[Node], right: Sequence[Node]) -> Node:
        """The inner product."""
        return self.total([x * y for x, y in zip(left, right, strict=True)])

    # Derivatives.

    def gradient(self, output: Node, wrt: Sequence[Node]) -> list[Node]:
        """The derivatives of one node in inputs, by reverse mode."""
        live = self._needed([output.index])
        adjoint: dict[int, Node] = {output.index: self.constant(1)}
        for index in sorted(live, reverse=True):
            own = adjoint.get(index)
            if own is None:
                continue
            for argument, slope in self._slopes(index):
                term = own * slope
                adjoint[argument] = adjoint[argument] + term if argument in adjoint else term
        zero = self.constant(0)
        return [adjoint.get(node.index, zero) for node in wrt]

    def tangent(
        self, outputs: Sequence[Node], wrt: Sequence[Node], direction: Sequence[Node]
    ) -> list[Node]:
        """The derivatives of nodes along a direction, which is held constant, by forward mode."""
        zero = self.constant(0)
        tangents = dict(zip((node.index for node in wrt), direction, strict=True))
        for index in sorted(self._needed([node.index for node in outputs])):
            if index in tangents:
                continue
            terms = [
                slope * tangents[argument]
                for argument, slope in self._slopes(index)
                if argument in tangents and self.value(tangents[argument]) != 0
            ]
            if terms:
                tangents[index] = self.total(terms)
        return [tangents.get(node.index, zero) for node in outputs]

    def _slopes(self, index: int) -> list[tuple[int, Node]]:
        """The arguments of a node, and its partial derivatives in them."""
        operation, left, right = self._nodes[index]
        if operation in ("input", "constant"):
            return []
        x, own, one = Node(self, left), Node(self, index), self.constant(1)
        match operation:
            case "+":
                return [(left, one), (right, one)]
            case "-":
                return [(left, one), (right, self.constant(-1))]
            case "*":
                return [(left, Node(self, right)), (right, x)]
            case "/":
                y = Node(self, right)
                return [(left, one / y), (right, self.constant(0) - own / y)]
            case "^":
                return [(left, self.constant(right) * self.power(x, right - 1))]
            case "exp":
                slope = own
            case "log":
                slope = one / x
            case "sqrt":
                slope = self.constant(Fraction(1, 2)) / own
            case "sin":
                slope = self.function("cos", x)
            case "cos":
                slope = self.constant(0) - self.function("sin", x)
            case "tanh":
                slope = one - self.power(own, 2)
            case _:  # sigmoid: s(x) s(-x), without a difference
                slope = own * self.function("sigmoid", self.constant(0) - x)
        return [(left, slope)]

    # Programs.

    def program(self, outputs: Sequence[Node]) -> Steps:
        """Freeze what `outputs` need."""
        live = sorted(self._needed([node.index for node in outputs]))
        number: dict[int, int] = {}
        constants: list[Fraction | None] = []
        for index in live:
            operation, left, _ = self._nodes[index]
            if operation == "input":
                number[index] = left
            elif operation == "constant":
                number[index] = self._inputs + len(constants)
                constants.append(left)
        instructions: list[Instruction] = []
        for index in live:
            operation, left, right = self._nodes[index]
            if operation in ("input", "constant"):
                continue
            other = number[right] if operation in _BINARY else right
            number[index] = self._inputs + len(constants) + len(instructions)
            instructions.append((operation, number[left], other))
        outs = tuple(number[node.index] for node in outputs)
        return Steps(self._inputs, tuple(constants), tuple(instructions), outs)

    def substitute(self, nodes: Sequence[Node], inputs: Sequence[Node]) -> list[Node]:
        """The same nodes with others in the place of all inputs."""
        return self.program(nodes).run(inputs, self.arithmetic)

    @property
    def arithmetic(self) -> Arithmetic:
        """Nodes of this tape as numbers."""
        return Arithmetic(
            self.constant,
            self.power,
            self.pi,
            {name: _Named(self, name) for name in UNARY},
        )

    def _node(self, operation: str, left: Any, right: Any) -> Node:
        key = (operation, left, right)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self._nodes)
            self._nodes.append(key)
        return Node(self, found)

    def _needed(self, outputs: Sequence[int]) -> set[int]:
        live: set[int] = set()
        waiting = [*outputs]
        while waiting:
            index = waiting.pop()
            if index in live:
                continue
            live.add(index)
            operation, left, right = self._nodes[index]
            if operation in _BINARY:
                waiting += (left, right)
            elif operation not in ("input", "constant"):
                waiting.append(left)
        return live


@dataclass(frozen=True)
class _Named:
    """One function of a tape's arithmetic."""

    tape: Tape
    name: str

    def __call__(self, node: Node) -> Node:
        return self.tape.function(self.name, node)


class Node:
    """A number in the making: supports `+ - * /` with other nodes of its tape."""

    __slots__ = ("index", "tape")

    tape: Tape
    index: int

    def __init__(self, tape: Tape, index: int) -> None:
        self.tape = tape
        self.index = index

    def __add__(self, other: Node) -> Node:
        return self.tape.combine("+", self, other)

    def __sub__(self, other: Node) -> Node:
        return self.tape.combine("-", self, other)

    def __mul__(self, other: Node) -> Node:
        return self.tape.combine("*", self, other)

    def __truediv__(self, other: Node) -> Node:
        return self.tape.combine("/", self, other)
