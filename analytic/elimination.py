r"""State reduction: solving with I - gP without a subtraction.

Write $M = I - gP$ for a stochastic matrix $P$ and $\delta = 1 - g$, given as a number of its own. Read
$gP$ as the moves of a walk that dies with probability $\delta$ in each state. Eliminating a state $k$
reroutes the walk around it,

$$ q_{ij} \leftarrow q_{ij} + q_{ik} q_{kj} / s_k, \qquad
   \kappa_i \leftarrow \kappa_i + q_{ik} \kappa_k / s_k, \qquad
   s_k = \kappa_k + \sum_{j \text{ left}} q_{kj}, $$

where $\kappa_i$ is the probability of dying ($\delta$ at first). The pivot $s_k$ is a sum of positive
numbers, never 1 - q_kk, so all of it keeps full relative accuracy however close the policies are to
deterministic ones and the discount to one.

The result is a factorisation $M = LU$ (L unit lower, U upper in the order of elimination). As the
discount approaches one, $M^{-1}$ grows like $1 / \delta$ in one direction only: a solution $x$ of
$Mx = b$ by a constant, a solution $y$ of $y'M = c'$ by a multiple of the occupancy. So $x$ is computed
relative to the last state's, and the last entry of $y$ from what dies on the way, which keeps the digits
that the large common part would cost.

Source: Grassmann, Taksar and Heyman (1985), Operations Research 33, 1107; O'Cinneide (1993),
Numerische Mathematik 65, 109 (relative accuracy).

The functions work on any numbers with `+ - * /`: graph nodes here, which makes them programs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import add
from typing import Any

import networkx as nx

from resolvent.analytic.graph import Graph, Program
from resolvent.analytic.structure import Structure

Edge = tuple[int, int]


def total(terms: Sequence[Any]) -> Any:
    """The sum of a non-empty sequence, from left to right."""
    return reduce(add, terms)


def elimination_order(edges: Sequence[Edge], states: Sequence[int]) -> tuple[int, ...]:
    """States in the order of least fill: next the one whose removal adds the fewest new moves."""
    graph = nx.DiGraph()
    graph.add_nodes_from(states)
    graph.add_edges_from((i, j) for i, j in edges if i != j)

    def fill(k: int) -> list[Edge]:
        after = graph.succ[k]
        return [(i, j) for i in graph.pred[k] for j in after if i != j and j not in graph.succ[i]]

    order = []
    while graph:
        state, new = min(((k, fill(k)) for k in graph), key=lambda pair: (len(pair[1]), pair[0]))
        graph.remove_node(state)
        graph.add_edges_from(new)
        order.append(state)
    return tuple(order)


@dataclass(frozen=True)
class Factor:
    """M = LU in the order of elimination. `lower[i, k]` and `upper[k, j]` are the (positive)
    negatives of the entries of L and U off the diagonal, `inverse[k]` is 1 / u_kk, and `dying[k]` is
    kappa_k when k is eliminated."""

    order: tuple[int, ...]
    lower: Mapping[Edge, Any]
    upper: Mapping[Edge, Any]
    inverse: Mapping[int, Any]
    dying: Mapping[int, Any]

    @property
    def last(self) -> int:
        """The state that is eliminated last."""
        return self.order[-1]

    @property
    def parts(self) -> tuple[Mapping[Any, Any], ...]:
        """All numbers of the factorisation, in the order in which programs pass them on."""
        return self.lower, self.upper, self.inverse, self.dying


def factorise(
    moves: Mapping[Edge, Any], order: Sequence[int], g: Any, delta: Any, one: Any
) -> Factor:
    """Eliminate the states in `order`; `moves[i, j]` are the transition probabilities."""
    q = {edge: g * p for edge, p in moves.items()}
    dying = dict.fromkeys(order, delta)
    lower, upper, inverse = {}, {}, {}
    for position, k in enumerate(order):
        left = order[position + 1 :]
        after = [j for j in left if (k, j) in q]
        inverse[k] = one / total([dying[k], *(q[k, j] for j in after)])
        for j in after:
            upper[k, j] = q[k, j]
        for i in left:
            if (i, k) not in q:
                continue
            share = lower[i, k] = q[i, k] * inverse[k]
            dying[i] = dying[i] + share * dying[k]
            for j in after:
                if i != j:  # the diagonal is never needed: that is the point
                    rerouted = share * q[k, j]
                    q[i, j] = q[i, j] + rerouted if (i, j) in q else rerouted
    return Factor(tuple(order), lower, upper, inverse, dying)


def solve_right(factor: Factor, b: Mapping[int, Any], zero: Any) -> dict[int, Any]:
    """x with M x = b, up to a constant: less the entry of the last state.

    Subtracting x_last from s_k x_k = b_k + sum_j u_kj x_j leaves the part of it that dies,
    s_k (x_k - x_last) = b_k - kappa_k x_last + sum_j u_kj (x_j - x_last).
    """
    x = dict(b)
    for k in factor.order:
        for i in factor.order:
            if (i, k) in factor.lower:
                x[i] = x[i] + factor.lower[i, k] * x[k]
    level = x[factor.last] * factor.inverse[factor.last]
    x[factor.last] = zero
    for k in reversed(factor.order[:-1]):
        terms = [factor.upper[k, j] * x[j] for j in factor.order if (k, j) in factor.upper]
        x[k] = total([x[k] - factor.dying[k] * level, *terms]) * factor.inverse[k]
    return x


def solve_left(factor: Factor, c: Mapping[int, Any]) -> dict[int, Any]:
    """y with y' M = c'."""
    return _through_lower(factor, _through_upper(factor, c))


def solve_left_balanced(factor: Factor, c: Mapping[int, Any], zero: Any) -> dict[int, Any]:
    """y with y' M = c' for c that sums to zero, up to a multiple of the occupancy's rounding.

    What has entered and not died has reached the last state: sum_k kappa_k y_k = 0 before the last
    substitution.
    """
    y = _through_upper(factor, c)
    died = [factor.dying[k] * y[k] for k in factor.order[:-1]]
    y[factor.last] = (zero - total([zero, *died])) * factor.inverse[factor.last]
    return _through_lower(factor, y)


def _through_upper(factor: Factor, c: Mapping[int, Any]) -> dict[int, Any]:
    y = dict(c)
    for k in factor.order:
        y[k] = y[k] * factor.inverse[k]
        for j in factor.order:
            if (k, j) in factor.upper:
                y[j] = y[j] + y[k] * factor.upper[k, j]
    return y


def _through_lower(factor: Factor, y: dict[int, Any]) -> dict[int, Any]:
    for k in reversed(factor.order):
        terms = [y[i] * factor.lower[i, k] for i in factor.order if (i, k) in factor.lower]
        y[k] = total([y[k], *terms])
    return y


def transition_row(structure: Structure, policies: Sequence[Any], state: int) -> dict[int, Any]:
    """Where `state` leads: next state -> probability, a polynomial in `policies[i][s][a]`."""
    row: dict[int, Any] = {}
    for joint, target in zip(structure.joint_actions, structure.successors[state], strict=True):
        probability = policies[0][state][joint[0]]
        for player in range(1, structure.num_players):
            probability = probability * policies[player][state][joint[player]]
        row[target] = row[target] + probability if target in row else probability
    return row


@dataclass(frozen=True)
class Programs:
    """The straight-line programs of one structure. States are numbered as in the game; the start
    is entered once and never again, so it is not eliminated but gives p0.

    **Attributes:**

    - `transitions`: policy entries (player, state, action; row-major) -> a probability per edge.
    - `factor`: probabilities of the edges not from the start, g, delta -> `lower, upper, inverse,
        dying`.
    - `right`, `left`, `left_balanced`: factor and right-hand side -> solution.
    - `values`: policy entries, g, delta, payoffs (player, joint action) -> per-round values.
    """

    structure: Structure
    transitions: Program
    factor: Program
    right: Program
    left: Program
    left_balanced: Program
    values: Program


def _policy_inputs(graph: Graph, structure: Structure) -> list[list[list[Any]]]:
    return [
        [graph.inputs(count) for _ in range(structure.num_states)]
        for count in structure.num_actions
    ]


@lru_cache
def programs(structure: Structure) -> Programs:
    """Derive the programs of a structure (once per structure and process)."""
    states = range(1, structure.num_states)
    inner = [edge for edge in structure.edges if edge[0] != 0]
    order = elimination_order(inner, states)

    graph = Graph()
    policies = _policy_inputs(graph, structure)
    rows = [transition_row(structure, policies, s) for s in range(structure.num_states)]
    transitions = graph.program(rows[s][t] for s, t in structure.edges)

    # The value, from the policies in one go: what is displayed, counted and evaluated exactly.
    g, delta = graph.inputs(2)
    payoffs = [graph.inputs(len(structure.joint_actions)) for _ in structure.num_actions]
    moves = {(s, t): rows[s][t] for s, t in inner}
    factor = factorise(moves, order, g, delta, graph.constant(1))
    zero = graph.constant(0)
    occupancy = solve_left(factor, {s: delta * rows[0].get(s, zero) for s in states})
    values = graph.program(
        total(
            [
                occupancy[s] * own[outcome]
                for s, outcome in zip(states, structure.outcomes, strict=True)
            ]
        )
        for own in payoffs
    )

    # The same elimination in pieces, for the numeric kernel.
    graph = Graph()
    moves = dict(zip(inner, graph.inputs(len(inner)), strict=True))
    g, delta = graph.inputs(2)
    pieces = factorise(moves, order, g, delta, graph.constant(1))
    factor_program = graph.program(entry for part in pieces.parts for entry in part.values())

    def solver(solve: Callable[[Factor, dict[int, Any], Any], Mapping[int, Any]]) -> Program:
        graph = Graph()
        given = [dict(zip(part, graph.inputs(len(part)), strict=True)) for part in pieces.parts]
        right_hand_side = dict(zip(states, graph.inputs(len(states)), strict=True))
        solution = solve(Factor(order, *given), right_hand_side, graph.constant(0))
        return graph.program(solution[s] for s in states)

    return Programs(
        structure,
        transitions,
        factor_program,
        solver(solve_right),
        solver(lambda factor, c, _: solve_left(factor, c)),
        solver(solve_left_balanced),
        values,
    )
