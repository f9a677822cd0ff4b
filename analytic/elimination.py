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

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import add
from typing import Any, Protocol

from resolvent.analytic.graph import Graph, Program
from resolvent.analytic.structure import CERTAIN, NEVER, Figures, Structure

Edge = tuple[int, int]


def total(terms: Sequence[Any]) -> Any:
    """The sum of a non-empty sequence, from left to right."""
    return reduce(add, terms)


LARGEST_ORDERED = 200
"""Components of more states are eliminated in their natural order: looking for a better one would take
longer than it saves."""


def elimination_order(
    edges: Sequence[Edge], components: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """States in the order of elimination: component by component, so that what was eliminated is
    never led back to; within one by least fill, next the state whose removal adds the fewest moves.

    **Arguments:**

    - `edges`: pairs (state, next state).
    - `components`: the states in groups, each after all that lead to it (one group is always right).
    """
    after = _masks(edges)
    before = _masks([(j, i) for i, j in edges])

    def fill(k: int) -> int:
        rest = after[k]
        return sum((rest & ~after[i] & ~(1 << i)).bit_count() for i in _bits(before[k]))

    order: list[int] = []
    for states in components:
        left = list(states)
        while left:
            k = min(left, key=lambda s: (fill(s), s)) if len(states) <= LARGEST_ORDERED else left[0]
            left.remove(k)
            order.append(k)
            _remove(k, after, before)
    return tuple(order)


def multiplications(edges: Sequence[Edge], order: Sequence[int]) -> int:
    """How many products the elimination in this order takes, without carrying it out."""
    after = _masks(edges)
    before = _masks([(j, i) for i, j in edges])
    count = 0
    for k in order:
        count += (before[k].bit_count() + 1) * (after[k].bit_count() + 1)
        _remove(k, after, before)
    return count


def _masks(edges: Sequence[Edge]) -> defaultdict[int, int]:
    """For each state the set of those it leads to but itself, as the bits of an integer."""
    masks: defaultdict[int, int] = defaultdict(int)
    for i, j in edges:
        if i != j:
            masks[i] |= 1 << j
    return masks


def _remove(k: int, after: defaultdict[int, int], before: defaultdict[int, int]) -> None:
    """Take `k` out of the graph, and lead each state before it to each state after it."""
    bit, sources, targets = 1 << k, before.pop(k, 0), after.pop(k, 0)
    for i in _bits(sources):
        after[i] = (after[i] | targets & ~(1 << i)) & ~bit
    for j in _bits(targets):
        before[j] = (before[j] | sources & ~(1 << j)) & ~bit


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(frozen=True)
class Factor:
    """M = LU in the order of elimination. `lower[i, k]` and `upper[k, j]` are the (positive)
    negatives of the entries of L and U off the diagonal, `pivot[k]` is u_kk and `inverse[k]` one over
    it, and `dying[k]` is kappa_k when k is eliminated.

    `quotients`: whether solves divide by pivots, where they may as well multiply by inverses.
    """

    order: tuple[int, ...]
    lower: Mapping[Edge, Any]
    upper: Mapping[Edge, Any]
    pivot: Mapping[int, Any]
    inverse: Mapping[int, Any]
    dying: Mapping[int, Any]
    quotients: bool = False

    def over_pivot(self, numerator: Any, k: int) -> Any:
        """numerator / u_kk."""
        return numerator / self.pivot[k] if self.quotients else numerator * self.inverse[k]

    @property
    def last(self) -> int:
        """The state that is eliminated last."""
        return self.order[-1]

    @property
    def parts(self) -> tuple[Mapping[Any, Any], ...]:
        """All numbers of the factorisation, in the order in which programs pass them on."""
        return self.lower, self.upper, self.pivot, self.inverse, self.dying


def factorise(
    moves: Mapping[Edge, Any],
    order: Sequence[int],
    g: Any,
    delta: Any,
    one: Any,
    patient: bool = False,
) -> Factor:
    """Eliminate the states in `order`; `moves[i, j]` are the transition probabilities.

    With `patient`, for g = 1 and delta = 0, the last state keeps the pivot one in the place of zero:
    whatever is divided by it, the solves below multiply by zero.
    """
    q = {edge: g * p for edge, p in moves.items()}
    dying = dict.fromkeys(order, delta)
    lower, upper, pivot, inverse = {}, {}, {}, {}
    for position, k in enumerate(order):
        left = order[position + 1 :]
        after = [j for j in left if (k, j) in q]
        closed = patient and not left
        pivot[k] = one if closed else total([dying[k], *(q[k, j] for j in after)])
        inverse[k] = one if closed else one / pivot[k]
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
    return Factor(tuple(order), lower, upper, pivot, inverse, dying)


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
        x[k] = factor.over_pivot(total([x[k] - factor.dying[k] * level, *terms]), k)
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
    y[factor.last] = factor.over_pivot(zero - total([zero, *died]), factor.last)
    return _through_lower(factor, y)


def stationary(factor: Factor, zero: Any, one: Any) -> dict[int, Any]:
    """The distribution d with d' M = 0, of a patient factorisation: sums to one."""
    y = dict.fromkeys(factor.order, zero)
    y[factor.last] = one
    y = _through_lower(factor, y)
    mass = total([y[k] for k in factor.order])
    return {k: own / mass for k, own in y.items()}


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


class Perception(Protocol):
    """The numbers of a game that lie between a policy and what is done."""

    @property
    def readings(self) -> Sequence[Any]: ...

    @property
    def trembles(self) -> Sequence[Any]: ...


def behaviours(structure: Structure, policies: Sequence[Any], figures: Perception) -> list[Any]:
    """What each player does in each state, `[i][s][a]`, from the rows of its policy that it reads
    there and the trembling of its hand; polynomials in `policies[i][o][a]`."""
    acting = []
    for player, own in enumerate(policies):
        read = _read(structure, own, player, figures.readings[player])
        if structure.trembling[player]:
            count = structure.num_actions[player]
            hand = [figures.trembles[player][a * count : (a + 1) * count] for a in range(count)]
            read = [
                [total([p * hand[a][b] for a, p in enumerate(row)]) for b in range(count)]
                for row in read
            ]
        acting.append(read)
    return acting


def _read(structure: Structure, policy: Any, player: int, readings: Sequence[Any]) -> list[Any]:
    """The mix of rows of a policy that the player follows in each state."""
    mixed = []
    for rows, chances in zip(structure.rows[player], structure.readings[player], strict=True):
        parts = [
            policy[row] if chance == CERTAIN else [readings[chance] * p for p in policy[row]]
            for row, chance in zip(rows, chances, strict=True)
            if chance != NEVER
        ]
        mixed.append(parts[0] if len(parts) == 1 else [total(p) for p in zip(*parts, strict=True)])
    return mixed


def joint_row(structure: Structure, acting: Sequence[Any], state: int) -> list[Any]:
    """The probability of each joint action in a state."""
    row = list(acting[0][state])
    for own in acting[1:]:
        row = [p * q for p in row for q in own[state]]
    return row


def transition_row(
    structure: Structure, acting: Sequence[Any], state: int, transitions: Sequence[Any] = ()
) -> dict[int, Any]:
    """Where `state` leads: next state -> probability, a polynomial in the behaviours."""
    row: dict[int, Any] = {}
    for joint, probability in enumerate(joint_row(structure, acting, state)):
        branches = zip(
            structure.targets[state, joint], structure.chances[state, joint], strict=True
        )
        for target, chance in branches:
            if chance != NEVER:
                share = probability if chance == CERTAIN else probability * transitions[chance]
                row[int(target)] = row[int(target)] + share if target in row else share
    return row


def reward_vector(structure: Structure, acting: Sequence[Any], payoffs: Sequence[Any]) -> list[Any]:
    """Expected payoff of each state of the chain, for one player."""
    if structure.outcomes is not None:
        return [payoffs[outcome] for outcome in structure.outcomes]
    joint = len(structure.joint_actions)
    return [
        total(
            [
                p * pay
                for p, pay in zip(
                    joint_row(structure, acting, state),
                    payoffs[state * joint : (state + 1) * joint],
                    strict=True,
                )
            ]
        )
        for state in range(structure.num_states)
    ]


@dataclass(frozen=True)
class Programs:
    """The straight-line programs of one structure, for one player's discount (`values`: everyone's).

    **Attributes:**

    - `order`: the states of the chain in the order of elimination.
    - `transitions`: behaviours (player, state, action; row-major), transition probabilities -> the
        probability of each edge.
    - `rewards`: behaviours, one player's payoffs -> expected payoff of each state of the chain.
    - `factor`: probabilities of the inner edges, g, delta -> `Factor.parts`.
    - `occupancy`: factor, delta p0 -> discounted share of time of each state (of the chain's stationary
        distribution where `patient`).
    - `right`, `left_balanced`: factor and right-hand side -> solution.
    """

    structure: Structure
    order: tuple[int, ...]
    transitions: Program
    rewards: Program
    factor: Program
    occupancy: Program
    right: Program
    left_balanced: Program


def _nested_inputs(graph: Graph, rows: Sequence[int], actions: Sequence[int]) -> list[Any]:
    return [
        [graph.inputs(count) for _ in range(number)]
        for number, count in zip(rows, actions, strict=True)
    ]


@lru_cache
def order_of(structure: Structure) -> tuple[int, ...]:
    """The states of a structure's chain in the order of elimination."""
    return elimination_order(structure.inner_edges, structure.components)


@lru_cache
def programs(structure: Structure, patient: bool = False, quotients: bool = False) -> Programs:
    """Derive the programs of a structure (once per structure and process); with `patient` those of
    the limit g -> 1, for a chain with one closed component; with `quotients`, solves that divide."""
    states = range(structure.first, structure.num_states)
    order = order_of(structure)

    graph = Graph()
    everywhere = [structure.num_states] * structure.num_players
    acting = _nested_inputs(graph, everywhere, structure.num_actions)
    chances = graph.inputs(1 + int(structure.chances.max()))
    rows = [transition_row(structure, acting, s, chances) for s in range(structure.num_states)]
    transitions = graph.program(rows[s][t] for s, t in structure.edges)

    graph = Graph()
    acting = _nested_inputs(graph, everywhere, structure.num_actions)
    payoffs = graph.inputs(num_payoffs(structure))
    rewards = graph.program(reward_vector(structure, acting, payoffs))

    graph = Graph()
    inner = structure.inner_edges
    moves = dict(zip(inner, graph.inputs(len(inner)), strict=True))
    g, delta = graph.inputs(2)
    if patient:
        g, delta = graph.constant(1), graph.constant(0)
    pieces = factorise(moves, order, g, delta, graph.constant(1), patient)
    factor_program = graph.program(entry for part in pieces.parts for entry in part.values())

    def solver(solve: Callable[[Factor, dict[int, Any], Graph], Mapping[int, Any]]) -> Program:
        graph = Graph()
        given = [dict(zip(part, graph.inputs(len(part)), strict=True)) for part in pieces.parts]
        if patient:
            given[-1] = dict.fromkeys(pieces.dying, graph.constant(0))
        right_hand_side = dict(zip(states, graph.inputs(len(states)), strict=True))
        factor = Factor(order, *given, quotients=quotients)
        solution = solve(factor, right_hand_side, graph)
        return graph.program(solution[s] for s in states)

    return Programs(
        structure,
        order,
        transitions,
        rewards,
        factor_program,
        solver(
            (lambda factor, c, graph: stationary(factor, graph.constant(0), graph.constant(1)))
            if patient
            else (lambda factor, c, graph: solve_left(factor, c))
        ),
        solver(lambda factor, b, graph: solve_right(factor, b, graph.constant(0))),
        solver(lambda factor, c, graph: solve_left_balanced(factor, c, graph.constant(0))),
    )


def num_payoffs(structure: Structure) -> int:
    """Payoffs of one player: per joint action on entering, per state and joint action for acting."""
    joint = len(structure.joint_actions)
    return joint if structure.outcomes is not None else structure.num_states * joint


@lru_cache
def value_program(structure: Structure) -> Program:
    """Per-round values from the policies in one go: what is displayed, counted and evaluated exactly.

    Its inputs are those of `value_inputs`.
    """
    graph = Graph()
    policies = _nested_inputs(graph, structure.num_rows, structure.num_actions)
    players, groups = range(structure.num_players), range(1 + max(structure.groups))
    readings = [graph.inputs(1 + int(own.max())) for own in structure.readings]
    trembles = [
        graph.inputs(count**2 if trembles else 0)
        for count, trembles in zip(structure.num_actions, structure.trembling, strict=True)
    ]
    transitions = graph.inputs(1 + int(structure.chances.max()))
    initial = graph.inputs(structure.num_states if structure.outcomes is None else 0)
    discounts = graph.inputs(len(groups))
    patience = graph.inputs(len(groups))
    payoffs = [graph.inputs(num_payoffs(structure)) for _ in players]
    figures = Figures(
        tuple(map(tuple, payoffs)),
        tuple(discounts),
        tuple(transitions),
        tuple(initial),
        tuple(map(tuple, readings)),
        tuple(map(tuple, trembles)),
    )
    return graph.program(symbolic_values(structure, policies, figures, patience, graph.constant))


def symbolic_values(
    structure: Structure,
    policies: Sequence[Any],
    figures: Figures,
    deltas: Sequence[Any],
    constant: Callable[[int], Any],
) -> list[Any]:
    """Per-round values on any numbers with `+ * /`; `deltas` are 1 - g, one per group."""
    zero, one = constant(0), constant(1)
    acting = behaviours(structure, policies, figures)
    rows = [
        transition_row(structure, acting, s, figures.transitions)
        for s in range(structure.num_states)
    ]
    states = range(structure.first, structure.num_states)
    start = (
        figures.initial if structure.outcomes is None else [rows[0].get(s, zero) for s in states]
    )
    moves = {(s, t): rows[s][t] for s, t in structure.inner_edges}
    occupancies = []
    for g, delta in zip(figures.discounts, deltas, strict=True):
        factor = factorise(moves, order_of(structure), g, delta, one)
        source = {s: delta * p for s, p in zip(states, start, strict=True)}
        occupancies.append(solve_left(factor, source))
    values = []
    for player, group in enumerate(structure.groups):
        reward = reward_vector(structure, acting, figures.payoffs[player])
        occupied = occupancies[group]
        values.append(total([occupied[s] * pay for s, pay in zip(states, reward, strict=True)]))
    return values


def value_inputs(policies: Sequence[Any], figures: Figures, deltas: Sequence[Any]) -> list[Any]:
    """The inputs of `value_program`, of any one kind of numbers: policies (player, row, action), then
    readings and trembles per player, transitions, p0, discounts g, 1 - g, payoffs per player."""
    return [
        *(entry for own in policies for row in own for entry in row),
        *(entry for own in figures.readings for entry in own),
        *(entry for own in figures.trembles for entry in own),
        *figures.transitions,
        *figures.initial,
        *figures.discounts,
        *deltas,
        *(entry for own in figures.payoffs for entry in own),
    ]
