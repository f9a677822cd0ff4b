"""The search for policies that enforce a linear relation, and for the least discount at which they exist."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from resolvent.analytic.memory_one.exact_lp import Vector, feasible, refute
from resolvent.analytic.memory_one.linear_relation import LinearRelation, number
from resolvent.analytic.memory_one.relations import AVERAGE, read_discount
from resolvent.analytic.memory_one.two_point import (
    ONE,
    ZERO,
    Freedom,
    Table,
    TwoPoint,
    any_memory,
    constant_mixture,
    least_discount,
    mixed_pairs,
    pure_pairs,
    two_point,
)
from resolvent.analytic.memory_one.zero_determinant import (
    SmallestDiscount,
    ZeroDeterminant,
    payoff_table,
    span_of,
)
from resolvent.games import IteratedGame
from resolvent.games.policies import ExactPolicy


def enforce(
    game: IteratedGame,
    player: int,
    relation: LinearRelation,
    *,
    discount: object = None,
    phi: object = None,
    start: object = None,
) -> ZeroDeterminant:
    """A policy of memory one that enforces a relation, with all its freedom, or the proof that there is
    none.

    **Arguments:**

    - `game`: an iterated game of any number of players and actions, played from a start and without
        noise, in which the player can tell all outcomes of the last round apart.
    - `player`: who is to enforce it, from 0.
    - `relation`: what to enforce.
    - `discount`: in [0, 1), in the place of the game's; or `"average"` for the limit of 1.
    - `phi`: how strongly to react; default: as strongly as possible.
    - `start`: the chance to begin with the first of the two actions that the policy switches between;
        default: as large as possible with that `phi`. In the limit of 1 it makes no difference to the
        relation.

    **Returns:** a [`resolvent.analytic.ZeroDeterminant`][].

    **Raises:** `ValueError` for a `phi` or `start` with which it cannot be done, naming the range, and for
    games of another kind.
    """
    table = payoff_table(game, player, relation)
    asked = read_discount(game, discount)
    g = ONE if asked == AVERAGE else Fraction(asked)
    wish = tuple(
        None if value is None else number(value, name)
        for value, name in ((phi, "phi"), (start, "start"))
    )
    pairs = [own for own in pure_pairs(table) if own.works(g)] if g else []
    pairs = [own for own in pairs if any(own.pays_low) or any(own.pays_high)]
    if not pairs:
        constant = constant_mixture(table)
        if constant is not None:
            policy = _policy(game, player, two_point(table, constant, constant), g, ZERO, ZERO)
            return ZeroDeterminant(game, player, relation, asked, policy, constant, constant)
    if not pairs and g and len(table) > 2:
        pairs = mixed_pairs(table, g)
    if not pairs:
        return _without_policy(game, player, relation, asked, table)
    chosen = max(pairs, key=lambda own: (_chosen(own, g, wish) is not None, -(own.threshold or 0)))
    choice = _chosen(chosen, g, wish)
    area = _shown(chosen, chosen.freedom(g))
    if choice is None:
        ranges = [span_of([own[axis] for own in area]) for axis in (0, 1)]
        raise ValueError(
            f"phi, start: expected a pair from {_span(ranges[0])} and {_span(ranges[1])}, "
            f"in the polygon {', '.join(f'({a}, {b})' for a, b in area)}; got {phi}, {start}"
        )
    strength, high_first = choice
    return ZeroDeterminant(
        game,
        player,
        relation,
        asked,
        _policy(game, player, chosen, g, strength, high_first),
        chosen.low,
        chosen.high,
        strength,
        high_first if _high_is_first(chosen) else 1 - high_first,
        area,
    )


def smallest_discount(
    game: IteratedGame, player: int, relation: LinearRelation
) -> SmallestDiscount:
    """The least discount at which a player can enforce a relation, exactly.

    **Arguments:** as of [`resolvent.analytic.enforce`][]; the game's own discount plays no part.

    **Returns:** a [`resolvent.analytic.SmallestDiscount`][]. What can be enforced at a discount can be at
    every larger one.
    """
    table = payoff_table(game, player, relation)
    actions = range(len(table))
    found = [own.threshold for own in pure_pairs(table)]
    if len(table) > 2:
        for sides in product((False, True), repeat=len(table)):
            split = [[a for a in actions if sides[a] == side] for side in (False, True)]
            if all(split):
                found.append(least_discount(table, split[0], split[1]))
    found.append(ZERO if constant_mixture(table) is not None else None)
    least = min((own for own in found if own is not None), default=None)
    free = ZERO if least == 0 else least_discount(table, actions, actions)
    return SmallestDiscount(player, relation, least, free)


def _without_policy(
    game: IteratedGame, player: int, relation: LinearRelation, asked: Fraction | str, table: Table
) -> ZeroDeterminant:
    """A strategy of more memory, or the proof that there is none."""
    g, size = ONE if asked == AVERAGE else Fraction(asked), len(table)
    matrix, right = any_memory(table, g)
    x = feasible(matrix, right)
    if x is None:
        names = game.actions[player]
        unknowns = [f"{end} {a}" for end in ("low", "high") for a in names]
        proof = refute([*unknowns, "-L", "H"], matrix, right)
        return ZeroDeterminant(game, player, relation, asked, None, proof=proof)
    targets = (-x[-2], x[-1]) if g < 1 else None
    low, high = x[:size], x[size : 2 * size]
    return ZeroDeterminant(game, player, relation, asked, None, low, high, targets=targets)


def _policy(
    game: IteratedGame, player: int, pair: TwoPoint, g: Fraction, phi: Fraction, begin: Fraction
) -> ExactPolicy:
    """The rows of the policy; an own action that it never plays is followed by `low`."""
    others = [u[:player] + u[player + 1 :] for u in game.joint_actions if u[player] == 0]
    number_of = {k: index for index, k in enumerate(others)}
    after: dict[str, Vector] = {}
    for history, label in zip(game.histories, game.seen_as[player], strict=True):
        chance = begin
        if history and phi:
            own = history[-1][player]
            at_high = pair.high[own] > 0
            pays = pair.pays_high if at_high else pair.pays_low
            w = pays[number_of[history[-1][:player] + history[-1][player + 1 :]]]
            chance = (at_high - (1 - g) * begin - phi * w) / g
            chance = chance if at_high or pair.low[own] > 0 else ZERO
        after[label] = tuple(
            (1 - chance) * a + chance * b for a, b in zip(pair.low, pair.high, strict=True)
        )
    return tuple(after[label] for label in game.observations[player])


def _chosen(
    pair: TwoPoint, g: Fraction, wish: tuple[Fraction | None, ...]
) -> tuple[Fraction, Fraction] | None:
    """phi and the chance to begin at `high`: as wished, else the largest phi, then the most of the first
    action; None where the wish cannot be met."""
    area, (phi, start) = _shown(pair, pair.freedom(g)), wish
    if start is not None:
        area = _cut(area, 1, start)
    if phi is not None:
        area = _cut(area, 0, phi)
    area = tuple(own for own in area if own[0] > 0)
    if not area:
        return None
    strength, first = max(area)
    return strength, first if _high_is_first(pair) else 1 - first


def _cut(area: Freedom, axis: int, value: Fraction) -> Freedom:
    """The ends of what a polygon has on the line where a coordinate has a value."""
    found = [own for own in area if own[axis] == value]
    for here, there in zip(area, (*area[1:], *area[:1]), strict=True):
        if (here[axis] - value) * (there[axis] - value) < 0:
            share = (value - here[axis]) / (there[axis] - here[axis])
            a, b = (x + share * (y - x) for x, y in zip(here, there, strict=True))
            found.append((a, b))
    return tuple(found)


def _high_is_first(pair: TwoPoint) -> bool:
    first = [next(a for a, p in enumerate(own) if p) for own in (pair.low, pair.high)]
    return first[1] < first[0]


def _shown(pair: TwoPoint, area: Freedom) -> Freedom:
    """(phi, chance to begin with the first action) in the place of (phi, chance to begin at high)."""
    return area if _high_is_first(pair) else tuple((phi, 1 - chance) for phi, chance in area)


def _span(ends: tuple[Fraction, Fraction] | None) -> str:
    return "nothing" if ends is None else f"[{ends[0]}, {ends[1]}]"
