"""Random rational instances of conditions, on their boundaries too, where `<` and `<=` differ."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import Any

from resolvent.analytic.memory_one.condition_record import (
    OTHER,
    PAYOFFS,
    POLICY,
    Conditions,
    P,
    R,
    S,
    T,
    g,
    separation,
)

Instance = dict[Any, Fraction]


def probability(rng: Random) -> Fraction:
    """0 or 1 in one case out of four, else of a small denominator: so that ties are met with."""
    if rng.random() < 0.25:
        return Fraction(rng.randrange(2))
    whole = rng.randint(1, 12)
    return Fraction(rng.randint(0, whole), whole)


def discount(rng: Random) -> Fraction:
    """In [0, 1), 0 included."""
    whole = rng.randint(1, 20)
    return Fraction(rng.randrange(whole), whole)


def payoffs(rng: Random, dilemma: bool) -> Instance:
    """T, R, P, S: a dilemma's, or any four numbers, some of them the same."""
    found = [Fraction(rng.randint(-12, 12), rng.choice((1, 1, 2, 3))) for _ in PAYOFFS]
    if dilemma:
        while len(set(found)) < 4:
            found = [Fraction(rng.randint(-12, 12), rng.choice((1, 1, 2, 3))) for _ in PAYOFFS]
        found.sort(reverse=True)
    return dict(zip((T, R, P, S), found, strict=True))


def draw(
    rng: Random, conditions: Conditions, fixed: Instance, dilemma: float, boundary: float = 0.5
) -> Instance:
    """An instance that satisfies the assumptions; with chance `boundary` some relation is tight, if it can be.

    **Arguments:** `fixed`: what all instances have in common; `dilemma`: the share of those that have T > R
        > P > S.
    """
    while True:
        found = payoffs(rng, rng.random() < dilemma)
        found |= {own: probability(rng) for own in (*POLICY, *OTHER)} | {g: discount(rng)} | fixed
        if not conditions.applies(found):
            continue
        return tightened(rng, conditions, found, fixed) if rng.random() < boundary else found


def tightened(rng: Random, conditions: Conditions, found: Instance, fixed: Instance) -> Instance:
    """The instance with one number changed so that a relation is an equality; as it was if there is none."""
    pairs = [
        (relation, symbol)
        for relation in conditions.relations
        for symbol in sorted(relation.free_symbols - fixed.keys(), key=str)
    ]
    rng.shuffle(pairs)
    for relation, symbol in pairs:
        low, high = (separation(relation, {**found, symbol: Fraction(k)}) for k in (0, 1))
        if low == high:
            continue
        moved = {**found, symbol: low / (low - high)}  # where an affine function is 0
        if separation(relation, moved) == 0 and _inside(moved) and conditions.applies(moved):
            # Where two can be tight at once, sometimes both: by a number that the first does without.
            done = relation.free_symbols
            others = [own for own in conditions.relations if own is not relation]
            rest = Conditions(conditions.name, conditions.assumptions, tuple(others))
            if others and rng.random() < 0.5:
                return tightened(rng, rest, moved, fixed | {own: moved[own] for own in done})
            return moved
    return found


def tight(conditions: Conditions, found: Instance) -> bool:
    """Whether some relation is an equality."""
    return any(separation(own, found) == 0 for own in conditions.relations)


def _inside(found: Instance) -> bool:
    chances: Sequence[Any] = (*POLICY, *OTHER)
    return 0 <= found[g] < 1 and all(0 <= found[own] <= 1 for own in chances)


def equalizers(rng: Random, count: int) -> tuple[Instance, list[list[Fraction]]]:
    """A dilemma with a discount, and policies of it that fix the other's payoff: found by solving for p_CD and
    p_DC until both are chances."""
    while True:
        found = payoffs(rng, dilemma=True) | {g: 1 - Fraction(1, rng.randint(3, 30))}
        policies = []
        for _ in range(40):
            policy = _equalizer(rng, found)
            if policy is not None:
                policies.append(policy)
            if len(policies) == count:
                return found, policies


def _equalizer(rng: Random, found: Instance) -> list[Fraction] | None:
    top, low = 1 - Fraction(rng.randint(0, 8), 24), Fraction(rng.randint(0, 8), 24)
    rise = found[g] * (top - low) - 1
    step = found[R] - found[P]
    cd = low + (1 + rise * (found[T] - found[P]) / step) / found[g]
    dc = low + rise * (found[S] - found[P]) / step / found[g]
    if not (0 <= cd <= 1 and 0 <= dc <= 1):
        return None
    return [probability(rng), top, cd, dc, low]
