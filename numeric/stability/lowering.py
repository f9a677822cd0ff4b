"""Payoffs of differentiable games as nodes of a tape."""

from __future__ import annotations

import operator
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy

from resolvent.games._functions import sigmoid, softmax
from resolvent.numeric.stability.tape import UNARY, Node, Tape


def of_sympy(tape: Tape, expression: sympy.Expr, known: dict[Any, Node]) -> Node:
    """A payoff of a differentiable game as a node.

    **Arguments:** `known`: the nodes of symbols; what is met is added to it.

    **Raises:** `ValueError` for a symbol that is not known, and for a function that payoffs may not call.
    """
    if expression not in known:
        known[expression] = _lower(tape, expression, known)
    return known[expression]


def _lower(tape: Tape, node: Any, known: dict[Any, Node]) -> Node:
    def lower(own: Any) -> Node:
        return of_sympy(tape, own, known)

    if node.is_Rational:
        return tape.constant(Fraction(int(node.p), int(node.q)))
    if node == sympy.pi:
        return tape.pi()
    if node == sympy.E:
        return tape.function("exp", tape.constant(1))
    if node.is_Add:
        return reduce(operator.add, map(lower, node.args))
    if node.is_Mul:
        return reduce(operator.mul, map(lower, node.args))
    if node.is_Pow:
        if node.exp.is_Integer:
            return tape.power(lower(node.base), int(node.exp))
        if node.exp.is_Rational and node.exp.q == 2:
            return tape.power(tape.function("sqrt", lower(node.base)), int(node.exp.p))
        return tape.function("exp", tape.function("log", lower(node.base)) * lower(node.exp))
    if isinstance(node, softmax):
        first, *others = map(lower, node.args)
        one = tape.constant(1)
        return one / tape.total([one, *(tape.function("exp", own - first) for own in others)])
    name = "sigmoid" if isinstance(node, sigmoid) else type(node).__name__
    if name in UNARY and len(node.args) == 1:
        return tape.function(name, lower(node.args[0]))
    raise ValueError(f"expression: expected known symbols and smooth functions, got {node}")
