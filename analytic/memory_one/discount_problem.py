r"""What the others face when one player keeps to its policy, as polynomials in the discount.

With everybody else's policies fixed, whoever is free faces a finite decision problem on the states of the
game: moves $m(t \mid s, a)$ and payoffs $r(s, a)$. A stationary reply has the chain P and the values

$$ V = (1 - g) (I - g P)^{-1} r = N(g) / D(g), \qquad (1 - g)\, D(g) = \det(I - g P),
   \qquad N(g) = \sum_k g^k \sum_{j \le k} c_{k-j} P^j r $$

with $\det(I - gP) = \sum_k c_k g^k$ (Faddeev and LeVerrier), and $D > 0$ on $[0, 1)$. So what an action gains,
$(1-g)\, r(s, a) D + g \sum_t m(t \mid s, a) N_t - N_s$ over D, has the sign of a polynomial, and Howard's policy
iteration needs nothing but such signs: it runs at a rational discount, at an algebraic one, and next to 1,
where a reply that is optimal for all g close to 1 is optimal in the average too (Blackwell 1962).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import flint

from resolvent.analytic.chain import Converter, behaviours, rational, successors
from resolvent.analytic.memory_one.discount_set import G, Sign
from resolvent.games import IteratedGame

_ZERO = flint.fmpq(0)


@dataclass(frozen=True)
class Values:
    """The values of a stationary reply, per round.

    **Attributes:** `numerators`: one polynomial in g per state; `denominator`: positive on [0, 1).
    """

    numerators: tuple[Any, ...]
    denominator: Any

    def start(self, initial: Sequence[Any]) -> Any:
        """The numerator of the value where play begins."""
        return sum(
            (p * n for p, n in zip(initial, self.numerators, strict=True)), flint.fmpq_poly([0])
        )


@dataclass(frozen=True)
class DiscountProblem:
    """The decision problem of the players who are free; actions are their joint actions.

    **Attributes:**

    - `initial`: of the states, `(S,)`.
    - `moves`: `moves[s][a]`, the distribution of the next state, dense, `(S,)`.
    - `payoffs`: `payoffs[i][s][a]` of every player i, free or not.
    """

    initial: tuple[Any, ...]
    moves: tuple[tuple[tuple[Any, ...], ...], ...]
    payoffs: tuple[tuple[tuple[Any, ...], ...], ...]

    @property
    def num_states(self) -> int:
        return len(self.moves)

    @property
    def num_actions(self) -> int:
        return len(self.moves[0])

    def mixed_payoffs(self, weights: Sequence[Any]) -> list[list[Any]]:
        """The weighted sum of the players' payoffs, `[s][a]`."""
        return [
            [
                sum((w * own[s][a] for w, own in zip(weights, self.payoffs, strict=True)), _ZERO)
                for a in range(self.num_actions)
            ]
            for s in range(self.num_states)
        ]

    def values(self, choice: Sequence[int], payoffs: Sequence[Sequence[Any]]) -> Values:
        """Of a deterministic reply."""
        return values_of(
            [self.moves[s][a] for s, a in enumerate(choice)],
            [payoffs[s][a] for s, a in enumerate(choice)],
        )

    def gain(self, found: Values, payoffs: Sequence[Sequence[Any]], s: int, a: int) -> Any:
        """What an action in a state, once, adds to values: its sign."""
        ahead = sum(
            (p * n for p, n in zip(self.moves[s][a], found.numerators, strict=True) if p != 0),
            flint.fmpq_poly([0]),
        )
        return (1 - G) * payoffs[s][a] * found.denominator + G * ahead - found.numerators[s]

    def best(
        self,
        payoffs: Sequence[Sequence[Any]],
        sign: Sign,
        allowed: Sequence[Sequence[int]] | None = None,
    ) -> tuple[tuple[int, ...], Values]:
        """A reply that is the best of all strategies, from every state, and its values.

        **Arguments:** `payoffs`: `[s][a]`; `sign`: of polynomials at the discount; `allowed`: the actions
            in each state, all of them by default.
        """
        open_to = [range(self.num_actions)] * self.num_states if allowed is None else allowed
        choice = [own[0] for own in open_to]
        while True:
            found = self.values(choice, payoffs)
            better = {
                s: a
                for s, own in enumerate(open_to)
                for a in reversed(own)
                if a != choice[s] and sign(self.gain(found, payoffs, s, a)) > 0
            }
            if not better:
                return tuple(choice), found
            for s, a in better.items():
                choice[s] = a

    def ties(self, found: Values, payoffs: Sequence[Sequence[Any]], sign: Sign) -> list[list[int]]:
        """The actions that are as good as the best, in each state, given the best values."""
        return [
            [a for a in range(self.num_actions) if sign(self.gain(found, payoffs, s, a)) == 0]
            for s in range(self.num_states)
        ]

    @cached_property
    def reachable(self) -> tuple[int, ...]:
        """The states that play can come to, if the discount is not 0."""
        found = {s for s, p in enumerate(self.initial) if p != 0}
        waiting = list(found)
        while waiting:
            ahead = {t for row in self.moves[waiting.pop()] for t, p in enumerate(row) if p != 0}
            waiting.extend(ahead - found)
            found |= ahead
        return tuple(sorted(found))


def values_of(moves: Sequence[Sequence[Any]], payoffs: Sequence[Any]) -> Values:
    """The values of a chain with payoffs, as quotients of polynomials in g."""
    size = len(moves)
    P = flint.fmpq_mat(size, size, [p for row in moves for p in row])
    determinant = P.charpoly().coeffs()[::-1]
    powers = [flint.fmpq_mat(size, 1, list(payoffs))]
    for _ in range(size - 1):
        powers.append(P * powers[-1])
    numerators = tuple(
        flint.fmpq_poly(
            [
                sum((determinant[k - j] * powers[j][s, 0] for j in range(k + 1)), _ZERO)
                for k in range(size)
            ]
        )
        for s in range(size)
    )
    denominator, rest = divmod(flint.fmpq_poly(determinant), 1 - G)
    assert rest == 0
    return Values(numerators, denominator)


def problem(game: IteratedGame, policies: Sequence[Any], free: Sequence[int]) -> DiscountProblem:
    """The problem of some players, who act together, against all others.

    **Arguments:** `game`: without symbols, but for the discount; `policies`: one per player, checked, of
        which those of `free` players are not looked at.
    """
    convert = Converter(rational)
    counts = game.num_actions
    acting = [
        [[convert(p) for p in row] for row in _realised(game, player)]
        if player in free
        else behaviours(game, policies[player], player, convert)
        for player in range(game.num_players)
    ]
    moves, payoffs = [], [[] for _ in range(game.num_players)]
    for s in range(game.num_states):
        rows: list[Any] = []
        pays: list[list[Any]] = [[] for _ in range(game.num_players)]
        rewards = [convert.row(own[s]) for own in game.rewards]
        for intended in product(*(range(counts[j]) for j in free)):
            meant = dict(zip(free, intended, strict=True))
            own = [acting[j][meant[j] if j in meant else s] for j in range(game.num_players)]
            joint = [
                (k, p)
                for k, chances in enumerate(product(*own))
                if (p := prod(chances, start=flint.fmpq(1))) != 0
            ]
            row = successors(game.branches[s], joint, convert)
            rows.append(tuple(row.get(t, _ZERO) for t in range(game.num_states)))
            for j, known in enumerate(rewards):
                pays[j].append(sum((p * known[k] for k, p in joint), _ZERO))
        moves.append(tuple(rows))
        for j, own in enumerate(pays):
            payoffs[j].append(tuple(own))
    initial = tuple(convert.row(game.initial_distribution))
    return DiscountProblem(initial, tuple(moves), tuple(map(tuple, payoffs)))


def _realised(game: IteratedGame, player: int) -> Any:
    """From the intended action of a free player (row) to the realised one."""
    tremble = game.trembles[player]
    count = game.num_actions[player]
    return tremble or [[Fraction(a == b) for b in range(count)] for a in range(count)]


def played(game: IteratedGame, policies: Sequence[Any]) -> tuple[Values, ...]:
    """The values of a joint policy, per player."""
    everyone = problem(game, policies, ())
    return tuple(everyone.values([0] * everyone.num_states, own) for own in everyone.payoffs)
