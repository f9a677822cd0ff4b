r"""At which discounts a policy enforces a linear relation between the values: ranks of matrices of polynomials.

- *Enforced* (see `relations`): $\sum_j w_j \bar u_j(s, k) + c = h(s) - g \sum_t P(t \mid s, k) h(t)$ in every
  state that can be reached, $p_0' h = 0$. For $g < 1$ the potential h belongs to one relation, so
  that relations are as many as the matrix has dimensions in its kernel.
- *Zero-determinant* (Press and Dyson 2012; McAvoy and Hauert 2016): $\sum_j w_j u_j(k) + c =
  \sum_a \phi_a (g\, p(a \mid k) - [k_i = a])$ for each joint action k. Each such relation is enforced; of enforced ones
  that are not, those of policies that ignore what happened are best known (Ichinose and Masuda 2018).

How far a rank falls depends on g by which polynomials are 0, and elimination asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flint

from resolvent.analytic.chain import rational
from resolvent.analytic.memory_one.discount_problem import DiscountProblem
from resolvent.analytic.memory_one.discount_set import DiscountSet, G, Sign, discounts_where
from resolvent.games import ExactPolicy, IteratedGame
from resolvent.games.rational import leaves

Polynomials = list[list[Any]]


def relation_discounts(
    one: DiscountProblem, columns: Sequence[Sequence[Any]], trivial: int
) -> DiscountSet:
    """The discounts at which more relations than the trivial ones are enforced.

    **Arguments:** `one`: what the others face; `columns`: weights of the players, one row per combination of
        payoffs that a relation may use; `trivial`: how many relations hold whatever anybody does.
    """
    combined = [one.mixed_payoffs(weights) for weights in columns]

    def decide(sign: Sign) -> bool:
        start = [s for s, p in enumerate(one.initial) if p != 0]
        states = one.reachable if sign(G) else start
        place = {s: k for k, s in enumerate(states)}
        lead = [_constant(one.initial[s]) for s in states]
        rows = [[*(flint.fmpq_poly([0]) for _ in (*columns, 0)), *lead]]
        for s in states:
            for a in range(one.num_actions):
                potential = [flint.fmpq_poly([0]) for _ in states]
                potential[place[s]] -= 1
                if sign(G):
                    for t, p in enumerate(one.moves[s][a]):
                        if p != 0:
                            potential[place[t]] += G * p
                pays = [_constant(own[s][a]) for own in combined]
                rows.append([*pays, flint.fmpq_poly([1]), *potential])
        return len(rows[0]) - rank(rows, sign) > trivial

    return discounts_where(decide)


def zero_determinant(
    game: IteratedGame, policy: ExactPolicy, player: int, trivial: int, sign: Sign
) -> bool:
    """Whether the policy enforces a relation of zero-determinant form that is not trivial."""
    payoffs = [[rational(own) for own in leaves(table)] for table in game.stage.payoffs]  # pyright: ignore[reportArgumentType]
    after = {
        history[-1]: row for history, row in zip(game.histories, policy, strict=True) if history
    }
    rows, tail = [], []
    for k, joint in enumerate(game.joint_actions):
        chances = after[joint]
        last = [
            flint.fmpq_poly([-1 if joint[player] == a else 0, rational(chances[a])])
            for a in range(len(chances) - 1)
        ]
        rows.append([*(_constant(own[k]) for own in payoffs), flint.fmpq_poly([1]), *last])
        tail.append([flint.fmpq_poly([1]), *last])
    kernel = len(rows[0]) - rank(rows, sign)
    without = len(tail[0]) - rank(tail, sign)
    return kernel - without > trivial


def trivial_relations(game: IteratedGame) -> int:
    """How many independent relations hold of the payoffs of every outcome."""
    payoffs = [[rational(own) for own in leaves(table)] for table in game.stage.payoffs]  # pyright: ignore[reportArgumentType]
    matrix = flint.fmpq_mat([*payoffs, [1] * len(payoffs[0])])
    return matrix.nrows() - matrix.rank()


def rank(rows: Polynomials, sign: Sign) -> int:
    """The rank at a discount of a matrix of polynomials, by elimination without fractions (Bareiss 1968)."""
    left, found = [list(row) for row in rows], 0
    previous: Any = flint.fmpq_poly([1])
    for column in range(len(rows[0])):
        candidates = [r for r in range(found, len(left)) if left[r][column] != 0]
        # The polynomial of least degree: constants need no question.
        candidates.sort(key=lambda r, column=column: left[r][column].degree())
        pivot = next((r for r in candidates if sign(left[r][column]) != 0), None)
        if pivot is None:
            continue  # what is left of the column is 0 at this discount, and is not looked at again
        left[found], left[pivot] = left[pivot], left[found]
        head = left[found]
        for r in range(found + 1, len(left)):
            own = left[r]
            for c in range(column + 1, len(own)):
                # A minor of the matrix: the division leaves no rest.
                own[c] = (own[c] * head[column] - own[column] * head[c]) // previous
        previous = head[column]
        found += 1
    return found


def _constant(value: Any) -> Any:
    return flint.fmpq_poly([value])
