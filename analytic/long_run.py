r"""What a joint policy comes to in the long run: the discount goes to one, the policies stay fixed.

A finite chain splits into transient states and recurrent classes. It is absorbed in one of the
classes, and spends its time there by the class's stationary distribution, whatever the period. With
$P^*$ the limiting matrix (the mean of the powers of $P$) and the deviation matrix
$D = (I - P + P^*)^{-1} (I - P^*)$,

$$ (I - (1-d) P)^{-1} = \frac{1}{d} P^* + \sum_{m \ge 0} d^m (-1)^m (D - I)^m D, \qquad d = 1 - g. $$

Source: Puterman (1994), Markov Decision Processes, chapter 8 (in the other
parameter (1-g)/g); Kemeny and Snell (1960), Finite Markov Chains, chapters 2 and 5.

Each system that is solved is the one of a chain that dies: a class with one state taken out, or the
transient states. In floats it is reduced without subtractions (Grassmann, Taksar and Heyman 1985), so
that stationary distributions and absorption probabilities are accurate to the last few digits, be the
chain nearly reducible or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import gcd
from typing import Any, TypeAlias

import networkx as nx
import numpy as np

from resolvent.analytic.chain import Chain, Row, chain_of, fraction, rational, support
from resolvent.analytic.exact import difference, solve_left, solve_right
from resolvent.games import DynamicGame, check_policies

Number: TypeAlias = "Fraction | float"

Columns: TypeAlias = "list[list[Any]]"
"""A matrix by rows, one per state."""


@dataclass(frozen=True)
class LongRun:
    """The long run of a game at a joint policy; made by [`resolvent.analytic.ClosedForm.long_run`][].

    Numbers are `Fraction`s if the policies were exact, floats otherwise. S is the number of states, n
    that of players; a class is a recurrent one: entered once, never left.

    **Attributes:**

    - `name`: of the game.
    - `states`: the names of the states.
    - `classes`: the states of each class, by index, sorted; classes by their first state.
    - `periods`: one per class: the greatest common divisor of the lengths of its cycles.
    - `transient`: the states in no class.
    - `stationary`: a distribution over all S states per class.
    - `absorption`: `absorption[s][c]`, the probability of ending in class c from state s.
    - `reached`: the same from the game's initial distribution, one per class.
    - `class_averages`: `class_averages[c][i]`, player i's payoff per round in class c.
    - `averages`: payoff per round of each player from the initial distribution: the limit of the
        per-round values as the discount goes to one.
    - `state_averages`: the same from each state, `(n, S)`.
    """

    name: str | None
    states: tuple[str, ...]
    classes: tuple[tuple[int, ...], ...]
    periods: tuple[int, ...]
    transient: tuple[int, ...]
    stationary: tuple[tuple[Number, ...], ...]
    absorption: tuple[tuple[Number, ...], ...]
    reached: tuple[Number, ...]
    class_averages: tuple[tuple[Number, ...], ...]
    averages: tuple[Number, ...]
    state_averages: tuple[tuple[Number, ...], ...]
    _split: _Split = field(repr=False, compare=False)

    @property
    def class_names(self) -> tuple[tuple[str, ...], ...]:
        """The names of the states of each class."""
        return tuple(tuple(self.states[s] for s in own) for own in self.classes)

    @cached_property
    def limiting(self) -> tuple[tuple[Number, ...], ...]:
        """The limiting matrix P*, `(S, S)`: the share of rounds in each state (column) from each
        (row)."""
        return tuple(
            tuple(
                sum(
                    (p * own[t] for p, own in zip(row, self.stationary, strict=True)),
                    type(row[0])(0),
                )
                for t in range(len(self.states))
            )
            for row in self.absorption
        )

    @cached_property
    def deviation(self) -> tuple[tuple[Number, ...], ...]:
        """The deviation matrix D, `(S, S)`: the rounds in each state, from each, beyond the share of
        the long run (in the mean over time where classes are periodic)."""
        number = self._split.arithmetic.number
        size = range(len(self.states))
        unit = [[number(Fraction(int(s == t))) for t in size] for s in size]
        return self._shown(self._split.deviate(unit))

    @cached_property
    def bias(self) -> tuple[tuple[Number, ...], ...]:
        """What beginning in a state is worth beyond the long-run average: D r, `(n, S)`, in payoff
        and not per round. The discounted sum from s is average / (1 - g) + bias + o(1)."""
        rewards = _columns(self._split.chain)
        return tuple(zip(*self._shown(self._split.deviate(rewards)), strict=True))

    def _shown(self, rows: Columns) -> tuple[tuple[Number, ...], ...]:
        return tuple(tuple(map(self._split.arithmetic.show, row)) for row in rows)

    def __str__(self) -> str:
        lines = [
            f"long run of {self.name or 'a game'}: {_count(len(self.classes), 'recurrent class', 'es')}, "
            f"{_count(len(self.transient), 'transient state')} of {len(self.states)}"
        ]
        described = zip(
            self.class_names, self.periods, self.reached, self.class_averages, strict=True
        )
        for names, period, reached, averages in described:
            listed = ", ".join(names if len(names) <= 8 else (*names[:7], f"... ({len(names)})"))
            lines.append(
                f"  {{{listed}}}: period {period}, reached with probability {_text(reached)}, "
                f"averages {_texts(averages)}"
            )
        lines.append(f"averages {_texts(self.averages)}")
        return "\n".join(lines)


def long_run(game: DynamicGame, policies: Sequence[Any]) -> LongRun:
    """Recurrent classes, stationary distributions and long-run averages of a joint policy.

    **Arguments:**

    - `game`: any game without symbols. Its discounts play no part.
    - `policies`: one `(O_i, A_i)` policy per player. Exact rows give exact results. Of floats each row
        is divided by its sum; a probability is possible unless it is exactly zero, however small.

    **Raises:** `ValueError` for policies that do not fit, symbols left in the game, and probabilities
    in floats so small that their products vanish.
    """
    checked: tuple[Any, ...] = check_policies(game, policies)
    floats = isinstance(checked[0], np.ndarray)
    chain = chain_of(game, normalised(checked) if floats else checked)
    arithmetic = _FLOATS if floats else _EXACT
    split = _split_of(_in_floats(chain) if floats else chain, arithmetic)
    rewards = _columns(split.chain)
    zero, show = arithmetic.number(Fraction(0)), arithmetic.show
    by_class = [_average(own, rewards, zero) for own in split.stationary]
    by_state = split.project(rewards)
    reached = [
        sum(
            (p * row[c] for p, row in zip(split.chain.initial, split.absorption, strict=True)), zero
        )
        for c in range(len(split.classes))
    ]
    averages = [
        sum((p * own[i] for p, own in zip(reached, by_class, strict=True)), zero)
        for i in range(chain.num_players)
    ]
    return LongRun(
        game.name,
        chain.states,
        split.classes,
        tuple(_period(split.chain.moves, own) for own in split.classes),
        split.transient,
        tuple(
            tuple(show(own.get(s, zero)) for s in range(chain.num_states))
            for own in split.stationary
        ),
        tuple(tuple(map(show, row)) for row in split.absorption),
        tuple(map(show, reached)),
        tuple(tuple(map(show, own)) for own in by_class),
        tuple(map(show, averages)),
        tuple(zip(*(map(show, row) for row in by_state), strict=True)),
        split,
    )


def laurent(
    game: DynamicGame, policies: Sequence[Any], order: int
) -> tuple[tuple[Fraction, ...], ...]:
    """Per-round values near a discount of one: coefficients of powers of 1 - g, exactly.

    **Arguments:**

    - `game`: any game without symbols; one discount for all players is what moves, those of the game
        play no part.
    - `policies`: exact ones.
    - `order`: the highest power of 1 - g.

    **Returns:** per player a_0, ..., a_order of V = a_0 + a_1 (1-g) + a_2 (1-g)^2 + ...: a_0 is the
    long-run average, a_1 the bias of where play begins. The series converges for g near enough to one.

    **Raises:** `ValueError` for policies that do not fit, an order that is not an integer from 0 up, or
    symbols left in the game.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"order: expected an integer from 0 up, got {order!r}")
    chain = chain_of(game, check_policies(game, policies, exact=True))
    split = _split_of(chain.restricted(chain.reachable()), _EXACT)
    rewards = _columns(split.chain)
    coefficients = [_average(dict(enumerate(split.chain.initial)), split.project(rewards))]
    term = rewards
    for power in range(1, order + 1):
        deviated = split.deviate(term)
        # (-1)^m (D - I)^m D r: the first is D r, each next one the last less D times it.
        term = (
            deviated
            if power == 1
            else [
                [x - y for x, y in zip(own, other, strict=True)]
                for own, other in zip(term, deviated, strict=True)
            ]
        )
        coefficients.append(_average(dict(enumerate(split.chain.initial)), term))
    return tuple(tuple(map(fraction, own)) for own in zip(*coefficients, strict=True))


def normalised(policies: Sequence[Any]) -> list[list[list[Fraction]]]:
    """Float policies as the binary numbers they are, each row divided by its sum."""
    exact_rows = [[[Fraction(p) for p in row] for row in own.tolist()] for own in policies]
    return [[[p / sum(row) for p in row] for row in own] for own in exact_rows]


# How a chain splits.


@dataclass(frozen=True)
class _Arithmetic:
    """Numbers and systems: `right(Q, exits, B)` is X with (I - Q) X = B, `left(Q, exits, c)` is y with
    y' (I - Q) = c', where the chain Q is left for good with probability `exits` from each state."""

    number: Callable[[Fraction], Any]
    show: Callable[[Any], Number]
    right: Callable[[Sequence[Row], Sequence[Any], Columns], Columns]
    left: Callable[[Sequence[Row], Sequence[Any], Sequence[Any]], list[Any]]


@dataclass(frozen=True)
class _Split:
    chain: Chain
    arithmetic: _Arithmetic
    classes: tuple[tuple[int, ...], ...]
    transient: tuple[int, ...]
    stationary: tuple[Row, ...]
    absorption: tuple[tuple[Any, ...], ...]

    def project(self, columns: Columns) -> Columns:
        """P* times a matrix."""
        by_class = [_average(own, columns) for own in self.stationary]
        zero = self.arithmetic.number(Fraction(0))
        members = {s: c for c, own in enumerate(self.classes) for s in own}
        rows = []
        for s, row in enumerate(self.absorption):
            if s in members:
                rows.append(by_class[members[s]])
            else:
                terms = [(p, own) for p, own in zip(row, by_class, strict=True) if p != 0]
                rows.append(
                    [sum((p * own[j] for p, own in terms), zero) for j in range(len(columns[0]))]
                )
        return rows

    def deviate(self, columns: Columns) -> Columns:
        """D times a matrix B: the X with (I - P) X = B - P* B and P* X = 0."""
        moves, arithmetic = self.chain.moves, self.arithmetic
        zero = arithmetic.number(Fraction(0))
        gaps = [
            [x - y for x, y in zip(own, mean, strict=True)]
            for own, mean in zip(columns, self.project(columns), strict=True)
        ]
        solution: Columns = [[zero] * len(columns[0]) for _ in columns]
        for members, stationary in zip(self.classes, self.stationary, strict=True):
            # Determined up to a constant: zero in the last state, then less the mean.
            others = members[:-1]
            inner, exits = _inside(moves, others, zero)
            for s, row in zip(
                others, arithmetic.right(inner, exits, [gaps[s] for s in others]), strict=True
            ):
                solution[s] = row
            means = _average(stationary, solution)
            for s in members:
                solution[s] = [x - mean for x, mean in zip(solution[s], means, strict=True)]
        inner, exits = _inside(moves, self.transient, zero)
        outside = set(self.transient)
        right = []
        for s in self.transient:
            row = list(gaps[s])
            for t, p in moves[s].items():
                if t not in outside:
                    row = [x + p * y for x, y in zip(row, solution[t], strict=True)]
            right.append(row)
        for s, row in zip(self.transient, arithmetic.right(inner, exits, right), strict=True):
            solution[s] = row
        return solution


def _split_of(chain: Chain, arithmetic: _Arithmetic) -> _Split:
    moves, zero, one = (
        chain.moves,
        arithmetic.number(Fraction(0)),
        arithmetic.number(Fraction(1)),
    )
    graph = nx.DiGraph()
    graph.add_nodes_from(range(chain.num_states))
    graph.add_edges_from(support(moves))
    condensed = nx.condensation(graph)
    groups = [sorted(condensed.nodes[c]["members"]) for c in condensed if not condensed.succ[c]]
    classes = tuple(sorted(map(tuple, groups)))
    recurrent = {s: c for c, own in enumerate(classes) for s in own}
    transient = tuple(s for s in range(chain.num_states) if s not in recurrent)

    stationary = []
    for members in classes:
        # Visits between two visits to the last state, one of them to itself.
        *others, last = members
        inner, exits = _inside(moves, others, zero)
        visits = arithmetic.left(inner, exits, [moves[last].get(s, zero) for s in others])
        mass = sum(visits, one)
        stationary.append({s: v / mass for s, v in zip(members, [*visits, one], strict=True)})

    inner, exits = _inside(moves, transient, zero)
    right = []
    for s in transient:
        row = [zero] * len(classes)
        for t, p in moves[s].items():
            if t in recurrent:
                row[recurrent[t]] = row[recurrent[t]] + p
        right.append(row)
    absorbed = dict(zip(transient, arithmetic.right(inner, exits, right), strict=True))
    units = [
        tuple(one if c == d else zero for d in range(len(classes))) for c in range(len(classes))
    ]
    absorption = tuple(
        units[recurrent[s]] if s in recurrent else tuple(absorbed[s])
        for s in range(chain.num_states)
    )
    return _Split(chain, arithmetic, classes, transient, tuple(stationary), absorption)


def _inside(moves: Sequence[Row], states: Sequence[int], zero: Any) -> tuple[list[Row], list[Any]]:
    """The moves among some states, renumbered, and the probability of leaving them from each."""
    position = {s: k for k, s in enumerate(states)}
    inner, exits = [], []
    for s in states:
        inner.append({position[t]: p for t, p in moves[s].items() if t in position})
        exits.append(sum((p for t, p in moves[s].items() if t not in position), zero))
    return inner, exits


def _columns(chain: Chain) -> Columns:
    """The rewards, a row per state and a column per player."""
    return [list(row) for row in zip(*chain.rewards, strict=True)]


def _average(weights: Row, columns: Columns, zero: Any = 0) -> list[Any]:
    return [
        sum((p * columns[s][j] for s, p in weights.items()), zero) for j in range(len(columns[0]))
    ]


def _period(moves: Sequence[Row], members: Sequence[int]) -> int:
    """The common divisor of the lengths of all cycles: of the excess of each edge over the levels of
    a breadth-first search."""
    levels, waiting, period = {members[0]: 0}, [members[0]], 0
    for s in waiting:
        for t in moves[s]:
            if t not in levels:
                levels[t] = levels[s] + 1
                waiting.append(t)
            period = gcd(period, levels[s] + 1 - levels[t])
    return period


# The two arithmetics.


def _exact_right(inner: Sequence[Row], exits: Sequence[Any], right: Columns) -> Columns:
    return solve_right(difference(inner), right)


def _exact_left(inner: Sequence[Row], exits: Sequence[Any], left: Sequence[Any]) -> list[Any]:
    return solve_left(difference(inner), left)


_EXACT = _Arithmetic(rational, fraction, _exact_right, _exact_left)


def _in_floats(chain: Chain) -> Chain:
    def near(value: Any) -> float:
        return int(value.p) / int(value.q)

    moves = tuple({t: near(p) for t, p in row.items()} for row in chain.moves)
    if any(p == 0 for row in moves for p in row.values()):
        raise ValueError(
            "policies: expected probabilities whose products floats can hold; "
            "pass exact ones (Fraction) for smaller ones"
        )
    return Chain(
        chain.states,
        tuple(map(near, chain.initial)),
        moves,
        tuple(tuple(map(near, own)) for own in chain.rewards),
        tuple(map(near, chain.discounts)),
    )


class _Reduced:
    """I - Q in floats, reduced without subtractions: each pivot is the sum of what leaves."""

    def __init__(self, inner: Sequence[Row], exits: Sequence[float]) -> None:
        size = len(inner)
        q = np.zeros((size, size))
        for s, row in enumerate(inner):
            q[s, list(row)] = list(row.values())
        dying = np.array(exits, dtype=float)
        pivots = np.empty(size)
        for k in range(size):
            pivots[k] = dying[k] + q[k, k + 1 :].sum()
            if not pivots[k] > 0:
                raise ValueError(
                    "policies: expected probabilities whose products floats can hold; "
                    "pass exact ones (Fraction) for smaller ones"
                )
            q[k + 1 :, k] /= pivots[k]
            dying[k + 1 :] += q[k + 1 :, k] * dying[k]
            q[k + 1 :, k + 1 :] += np.outer(q[k + 1 :, k], q[k, k + 1 :])
        self.q, self.pivots = q, pivots  # below the diagonal shares, above it moves

    def right(self, right: Columns) -> Columns:
        x = np.array(right, dtype=float)
        for k in range(len(x)):
            x[k + 1 :] += np.outer(self.q[k + 1 :, k], x[k])
        for k in reversed(range(len(x))):
            x[k] = (x[k] + self.q[k, k + 1 :] @ x[k + 1 :]) / self.pivots[k]
        return x.tolist()

    def left(self, left: Sequence[float]) -> list[float]:
        y = np.array(left, dtype=float)
        for k in range(len(y)):
            y[k] /= self.pivots[k]
            y[k + 1 :] += y[k] * self.q[k, k + 1 :]
        for k in reversed(range(len(y))):
            y[k] += y[k + 1 :] @ self.q[k + 1 :, k]
        return y.tolist()


def _float_right(inner: Sequence[Row], exits: Sequence[Any], right: Columns) -> Columns:
    return _Reduced(inner, exits).right(right) if inner else []


def _float_left(inner: Sequence[Row], exits: Sequence[Any], left: Sequence[Any]) -> list[Any]:
    return _Reduced(inner, exits).left(left)


_FLOATS = _Arithmetic(float, float, _float_right, _float_left)


# Print.


def _text(number: Number) -> str:
    text = str(number)
    return text if len(text) <= 24 else f"about {float(number):.12g}"


def _texts(numbers: Sequence[Number]) -> str:
    return ", ".join(map(_text, numbers))


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"
