"""The value program of a structure with one game's numbers in the place of inputs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from resolvent.analytic.elimination import value_inputs
from resolvent.analytic.graph import Graph, Node, Program
from resolvent.analytic.rational_function import carry_out
from resolvent.analytic.structure import complements, convert, figures_of
from resolvent.analytic.symmetry import payoff_relations
from resolvent.games import DynamicGame, Exact


def own_program(game: DynamicGame, normalise: str, general: Program) -> Program:
    """From policies (player, observation, action; row-major), then the symbols of `game`, to its values.

    **Arguments:**

    - `game`: what is played.
    - `normalise`: `"average"` or `"sum"`.
    - `general`: the [`resolvent.analytic.elimination.value_program`][] of its structure.

    Numbers are exact constants, folded where operations on them alone are left.
    """
    graph = Graph()
    policies = [
        [graph.inputs(actions) for _ in range(rows)] for rows, actions in game.policy_shapes
    ]
    known: dict[Any, Node] = {symbol: graph.input() for symbol in game.symbols}
    figures = figures_of(game)

    def number(value: Exact) -> Node:
        if isinstance(value, Fraction):
            return graph.constant(value)
        return carry_out(value, known.get, graph.constant)

    deltas = [number(own) for own in complements(figures)]
    inputs = value_inputs(policies, convert(figures, number), deltas)
    values = general.run(inputs, constant=graph.constant)
    relations = payoff_relations(
        figures.payoffs, [figures.discounts.index(g) for g in game.discounts]
    )
    for player, (like, sign) in enumerate(relations):
        if sign < 0:  # what one player wins another loses: computed once
            values[player] = graph.constant(0) - values[like]
    if normalise == "sum":
        groups = [figures.discounts.index(own) for own in game.discounts]
        values = [value / deltas[group] for value, group in zip(values, groups, strict=True)]
    return graph.program(values)
