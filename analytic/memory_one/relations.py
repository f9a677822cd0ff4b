r"""Every linear relation between the values that one policy enforces, whatever all the others do.

With the player's policy fixed, the relation $\sum_j w_j V_j + c = 0$ holds for everything that the others
can do if and only if its payoff is the decrease of a **potential** $h$ of the state,

$$ \sum_j w_j\, \bar u_j(s, k) + c = h(s) - g \sum_t P(t \mid s, k)\, h(t), \qquad p_0' h = 0, $$

in every state $s$ that can be reached and at every joint action $k$ of the others ($\bar u$ and P average
over the player's own action). *If*: sum along the play, it telescopes to $p_0' h = 0$. *Only if*: against
others who play everything everywhere all pairs $(s, k)$ are visited, so the occupancies span the whole
affine space of solutions of the flow equations, and a function constant on an affine space combines its
equations; the h are the multipliers. Occupancies are mixtures of those of deterministic replies, so that
it makes no difference whether the others coordinate, mix or remember more.

Of memory one, with $h(s) = -\mathbb{E}_{p(\cdot \mid s)}[\phi] + const$, this is Akin's identity

$$ v' \big(g\, p(a \mid \cdot) - [\text{own last action} = a]\big) = -(1-g)\, p_0(a), $$

and the zero-determinant condition $\sum_j w_j u_j + c = g\,\mathbb{E}_p[\phi] + (1-g)\,\mathbb{E}_{p_0}[\phi] - \phi$.
Not every enforced relation is of that form: a player who ignores what happened enforces others.

As $g \to 1$ play may end up in one of several classes. With the limiting occupancies in the place of the
discounted ones, the condition becomes

$$ \sum_j w_j\, \bar u_j(s, k) + c = h(s) - \sum_t P(t \mid s, k)\, h(t) + b(s) $$

for the pairs that can recur, where $b(s) = \sum_t P(t \mid s, k)\, b(t)$ for all pairs and $p_0' b = 0$: in
class after class the relation may be off by a $b$ that averages out, where nothing that the others do
changes the chance of each class. With $b = 0$ it holds in every limiting occupancy, wherever play begins.

Source: Akin (2012), arXiv:1211.0969; Press and Dyson (2012), PNAS 109, 10409; McAvoy and Hauert (2016),
PNAS 113, 3573; the occupancies of the limit: Hordijk and Kallenberg (1984), Math. Oper. Res. 9, 276.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from resolvent.analytic.chain import fraction, rational
from resolvent.analytic.memory_one.linear_relation import (
    LinearRelation as LinearRelation,
)
from resolvent.analytic.memory_one.linear_relation import number, outcome_payoffs
from resolvent.analytic.memory_one.others_process import OthersProcess, others_process, solutions
from resolvent.games import DynamicGame

AVERAGE = "average"


@dataclass(frozen=True)
class Enforced:
    """The linear relations that a policy enforces; made by [`resolvent.analytic.enforced`][].

    **Attributes:**

    - `players`: whose policy it is, from 0; of an alliance, all of its members.
    - `discount`: a `Fraction`, or `"average"` for the limit of 1.
    - `relations`: a basis of the space of relations that are enforced and that the payoffs do not
        satisfy by themselves; empty if there is none. Two for two players: they fix both values.
    - `trivial`: a basis of the relations that hold outcome by outcome, whatever anybody does, such as
        the sum of the payoffs of a zero-sum game.
    - `in_every_class`: of the limit of 1, whether all of them hold in every limiting occupancy, from
        wherever play begins; else some hold only from the game's own start, in the mean over the
        classes of states in which play can end up. True at a discount below 1.
    """

    players: tuple[int, ...]
    discount: Fraction | str
    relations: tuple[LinearRelation, ...]
    trivial: tuple[LinearRelation, ...]
    in_every_class: bool

    @property
    def dimension(self) -> int:
        """How many independent relations are enforced, trivial ones included."""
        return len(self.relations) + len(self.trivial)

    def __bool__(self) -> bool:
        """Whether the policy enforces anything that is not trivial."""
        return bool(self.relations)

    def __contains__(self, relation: LinearRelation) -> bool:
        """Whether a relation is among those enforced."""
        known = [own.coefficients for own in (*self.relations, *self.trivial)]
        return _rank([*known, relation.coefficients]) == len(known)

    def __str__(self) -> str:
        at = "as the discount goes to 1" if self.discount == AVERAGE else f"at {self.discount}"
        who = " and ".join(str(player + 1) for player in self.players)
        who = f"player {who} enforces" if len(self.players) == 1 else f"players {who} enforce"
        listed = " and ".join(map(str, self.relations)) or "no linear relation"
        text = f"{who} {listed} {at}"
        if not self.in_every_class:
            text += " (from this start only: play may end up in several classes of states)"
        if self.trivial:
            text += f"; trivial: {', '.join(map(str, self.trivial))}"
        return text


def enforced(game: DynamicGame, player: int, policy: Any, *, discount: object = None) -> Enforced:
    """All linear relations between the values that a policy enforces against everything that the
    others can do: coordinated or not, with any memory.

    **Arguments:**

    - `game`: an iterated or stochastic game of any number of players, actions and memory, without
        symbols. Its noise counts.
    - `player`: whose policy it is, from 0.
    - `policy`: exact, `(O, A)`, a row per observation of the player; see [`resolvent.games.memory_one`][]
        for vectors of the literature.
    - `discount`: in [0, 1), in the place of the game's; or `"average"` for the limit of 1, of the values
        from the game's own start. Default: the game's, which all players must share.

    **Returns:** an [`resolvent.analytic.Enforced`][]: exact and complete.

    **Raises:** `ValueError` where players differ in their discounts (their values are then sums over
    different weights, and no one occupancy tells them all), or for a policy that does not fit.
    """
    return enforced_together(game, {player: policy}, discount=discount)


def enforced_together(
    game: DynamicGame, policies: Mapping[int, Any], *, discount: object = None
) -> Enforced:
    """All linear relations that several players' policies enforce together, against everything that the
    rest can do: of one player, those of [`resolvent.analytic.enforced`][]; of all, what their values are.

    **Arguments:**

    - `policies`: exact ones, `(O, A)`, by player: `{0: first, 2: second}`.
    - `game`, `discount`: as of [`resolvent.analytic.enforced`][].
    """
    if not policies:
        raise ValueError("policies: expected the policy of one player or more; got none")
    process = others_process(game, policies)
    g = read_discount(game, discount)
    unit = None if g == AVERAGE else rational(Fraction(g))
    trivial = _space([(*map(rational, own), flint.fmpq(1)) for own in outcome_payoffs(game)])
    found = relation_space(process, unit, game.num_players)
    whole = True
    if unit is None:
        whole = len(relation_space(process, unit, game.num_players, False)) == len(found)
    return Enforced(
        tuple(sorted(policies)),
        g,
        tuple(map(_relation, _beyond(found, trivial))),
        tuple(map(_relation, trivial)),
        whole,
    )


def read_discount(game: DynamicGame, discount: object = None) -> Fraction | str:
    """The discount asked for: the game's, a number in [0, 1), or `"average"`."""
    if isinstance(discount, str) and discount == AVERAGE:
        return AVERAGE
    if discount is None:
        if len(set(game.discounts)) > 1:
            listed = ", ".join(map(str, game.discounts))
            raise ValueError(f"game: expected one discount for all players; got {listed}")
        discount = game.discounts[0]
    g = number(discount, "discount")
    if not 0 <= g < 1:
        raise ValueError(f'discount: expected a number in [0, 1), or "average"; got {g}')
    return g


def relation_space(
    process: OthersProcess, discount: Any | None, players: int, split: bool = True
) -> list[list[Any]]:
    """A basis of the (w, c) that a potential proves, `(n + 1,)` each, in `fmpq`.

    **Arguments:** the `process`; the `discount`, an `fmpq`, or None for the limit of 1; the number of
    `players`; whether in the limit an offset between classes is allowed (`split`).
    """
    size = len(process.states)
    position = {s: k for k, s in enumerate(process.states)}
    offsets = size if discount is None and split else 0
    width = size + offsets + players + 1
    g = flint.fmpq(1) if discount is None else discount
    pairs = process.recurrent_pairs() if discount is None else sorted(process.payoffs)
    if g == 0:  # nothing but the first round counts
        pairs = [(s, k) for s, k in pairs if process.initial[s] != 0]
    rows = []
    for s, k in pairs:
        row = [flint.fmpq(0)] * width
        for t, p in process.moves[s, k].items():
            row[position[t]] += g * p
        row[position[s]] -= 1
        if offsets:
            row[size + position[s]] -= 1
        row[size + offsets : -1] = process.payoffs[s, k]
        row[-1] = flint.fmpq(1)
        rows.append(row)
    if discount is not None:
        rows.append(_start(process, position, 0, width))
    if offsets:
        rows.append(_start(process, position, size, width))
        for (s, _), move in process.moves.items():
            row = [flint.fmpq(0)] * width
            for t, p in move.items():
                row[size + position[t]] -= p
            row[size + position[s]] += 1
            rows.append(row)
    reduced, rank = flint.fmpq_mat(rows).rref()
    inner = size + offsets
    left = [
        [reduced[r, c] for c in range(inner, width)]
        for r in range(rank)
        if all(reduced[r, c] == 0 for c in range(inner))
    ]
    return solutions(left, players + 1)


def _start(process: OthersProcess, position: dict[int, int], shift: int, width: int) -> list[Any]:
    """The row of p_0' h = 0."""
    row = [flint.fmpq(0)] * width
    for s, k in position.items():
        row[shift + k] = process.initial[s]
    return row


def _space(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return solutions(rows, len(rows[0]))


def _beyond(found: list[list[Any]], known: list[list[Any]]) -> list[list[Any]]:
    """Vectors that complete `known` to a basis of the span of `found`, which contains it, with as many
    zeros as elimination gives."""
    if not found:
        return []
    reduced, rank = flint.fmpq_mat(found).rref()
    chosen: list[list[Any]] = []
    for own in reduced.tolist()[:rank]:
        if _rank([*known, *chosen, own]) > len(known) + len(chosen):
            chosen.append(own)
    return chosen


def _rank(rows: list[Any]) -> int:
    numbers = [[rational(x) if isinstance(x, Fraction) else x for x in row] for row in rows]
    return flint.fmpq_mat(numbers).rank()


def _relation(vector: list[Any]) -> LinearRelation:
    *weights, constant = map(fraction, vector)
    return LinearRelation(weights, constant).canonical
