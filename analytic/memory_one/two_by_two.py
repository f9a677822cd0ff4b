r"""The exact best response to a memory-one policy of a 2x2 game, by policy iteration in rationals.

What the theorems are checked against; it knows nothing of them. States are the last outcomes CC, CD, DC, DD in
the view of the policy, whose owner comes first. A reply chooses the second action in each; from state s the
outcome $(C, b)$ follows with probability $x_s$ and $(D, b)$ with $1 - x_s$:

$$ W_s = \sum_o \Pr(o \mid s, b_s)\, \big( (1 - g) f_o + g W_o \big). $$
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import flint

from resolvent.analytic.chain import fraction, rational
from resolvent.analytic.memory_one.discount_problem import values_of
from resolvent.analytic.memory_one.discount_set import G

_MIRROR = (0, 2, 1, 3)
_BOTH = ((0, 1),) * 5


@dataclass(frozen=True)
class BestReply:
    """The largest value from the start, the values after each outcome, and the actions that tie for it (the
    last entry: at the start)."""

    start: Any
    after: tuple[Any, ...]
    ties: tuple[tuple[int, ...], ...]


def best_reply(
    policy: Sequence[Any],
    payoffs: Sequence[Any],
    g: Any,
    allowed: Sequence[Sequence[int]] = _BOTH,
) -> BestReply:
    """The best reply to (p_0, p_CC, p_CD, p_DC, p_DD), of all strategies.

    **Arguments:** `payoffs`: of the four outcomes, in the policy's view; `g`: in [0, 1); `allowed`: the actions
        open to the reply after each outcome and, last, at the start. All numbers are `flint.fmpq`.
    """
    first, after = policy[0], policy[1:]
    pays = [(1 - g) * own for own in payoffs]
    choice = [own[0] for own in allowed[:4]]
    while True:
        matrix, right = [], []
        for s, b in enumerate(choice):
            row = [flint.fmpq(0)] * 4
            row[b], row[2 + b] = -g * after[s], -g * (1 - after[s])
            row[s] += 1
            matrix.append(row)
            right.append([after[s] * pays[b] + (1 - after[s]) * pays[2 + b]])
        W = [row[0] for row in flint.fmpq_mat(matrix).solve(flint.fmpq_mat(right)).tolist()]
        worth = [own + g * w for own, w in zip(pays, W, strict=True)]
        table = [[x * worth[b] + (1 - x) * worth[2 + b] for b in (0, 1)] for x in (*after, first)]
        better = False
        for s, own in enumerate(allowed[:4]):
            other = max(own, key=table[s].__getitem__)
            if table[s][other] > W[s]:
                choice[s], better = other, True
        if not better:
            start = max(table[4][b] for b in allowed[4])
            ties = tuple(
                tuple(b for b in own if row[b] == top)
                for own, row, top in zip(allowed, table, (*W, start), strict=True)
            )
            return BestReply(start, tuple(W), ties)


def one_shot_gains(
    first: Sequence[Any], second: Sequence[Any], payoffs: Sequence[Any], g: Any
) -> list[Any]:
    """What the second player of two memory-one policies gains by each action, once, after each outcome and at
    the start, `[5][2]`; policies in own view, `payoffs` the second's in the first's view."""
    mine = [second[0], *(second[1 + k] for k in _MIRROR)]
    matrix, right = [], []
    for s in range(4):
        x, y = first[1 + s], mine[1 + s]
        joint = [x * y, x * (1 - y), (1 - x) * y, (1 - x) * (1 - y)]
        row = [-g * p for p in joint]
        row[s] += 1
        matrix.append(row)
        right.append(
            [sum((p * (1 - g) * f for p, f in zip(joint, payoffs, strict=True)), flint.fmpq(0))]
        )
    W = [row[0] for row in flint.fmpq_mat(matrix).solve(flint.fmpq_mat(right)).tolist()]
    worth = [(1 - g) * f + g * w for f, w in zip(payoffs, W, strict=True)]
    gains = []
    for x, y in zip((*first[1:], first[0]), (*mine[1:], mine[0]), strict=True):
        row = [x * worth[b] + (1 - x) * worth[2 + b] for b in (0, 1)]
        value = y * row[0] + (1 - y) * row[1]
        gains.append([own - value for own in row])
    return gains


def average_pairs(
    policy: Sequence[Any], own: Sequence[Any], others: Sequence[Any]
) -> Iterator[tuple[Fraction, Fraction]]:
    """The limits of both values as g goes to 1, of all 32 deterministic replies: the owner's, the other's.

    What any strategy can reach in the average is in their convex hull.
    """
    first, after = policy[0], policy[1:]
    for choice in product((0, 1), repeat=4):
        moves = []
        for s, b in enumerate(choice):
            row = [flint.fmpq(0)] * 4
            row[b], row[2 + b] = after[s], 1 - after[s]
            moves.append(row)
        # The outcome pays one round before it is the state: in the limit that makes no difference.
        limits = [
            [_limit(n, found.denominator) for n in found.numerators]
            for found in (values_of(moves, own), values_of(moves, others))
        ]
        for b in (0, 1):
            yield tuple(fraction(first * row[b] + (1 - first) * row[2 + b]) for row in limits)  # pyright: ignore[reportReturnType]


def _limit(numerator: Any, denominator: Any) -> Any:
    """The limit at 1 of a quotient that stays bounded."""
    above, below = numerator(1 - G).coeffs(), denominator(1 - G).coeffs()
    order = next(k for k, own in enumerate(below) if own != 0)
    return above[order] / below[order] if order < len(above) else flint.fmpq(0)


def numbers(values: Sequence[Fraction]) -> list[Any]:
    """`Fraction`s as `flint.fmpq`."""
    return [rational(own) for own in values]
