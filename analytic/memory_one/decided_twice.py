"""How theorems of memory-one play are decided, instance by instance: by their conditions, and by the best response.

`two_by_two` and `exact`, which find it, know no theorem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, TypeAlias

import sympy

from resolvent.analytic import exact
from resolvent.analytic.memory_one.condition_record import OTHER, POLICY, Conditions, P, R, S, T, g
from resolvent.analytic.memory_one.instances import (
    Instance,
    discount,
    draw,
    equalizers,
    probability,
    tight,
)
from resolvent.analytic.memory_one.two_by_two import (
    average_pairs,
    best_reply,
    numbers,
    one_shot_gains,
)
from resolvent.games import NormalForm

Pairs: TypeAlias = "list[tuple[Fraction, Fraction]]"
"""Values of the policy's owner and of the other, in the average."""


@dataclass(frozen=True)
class Decided:
    """One instance: what the theorem says of it, what is found, and whether it is on a boundary."""

    instance: Mapping[str, Any]
    predicted: bool
    found: bool
    boundary: bool


Decide: TypeAlias = Callable[[Random, Conditions], Decided]
"""Draws an instance of conditions, and decides it twice."""


# What the exact best response says ----------------------------------------------------------


def _policy(own: Instance) -> list[Any]:
    return numbers([own[symbol] for symbol in POLICY])


def _payoffs(own: Instance) -> tuple[list[Any], list[Any]]:
    """Of the outcomes CC, CD, DC, DD: the policy's owner's, and the other's."""
    return numbers([own[R], own[S], own[T], own[P]]), numbers([own[R], own[T], own[S], own[P]])


def other_at_most(level: sympy.Symbol) -> Callable[[Instance], bool]:
    """Whether no strategy gets more than one of the payoffs against the policy."""

    def found(own: Instance) -> bool:
        (discount,) = numbers([own[g]])
        best = best_reply(_policy(own), _payoffs(own)[1], discount)
        return best.start <= numbers([own[level]])[0]

    return found


def good(own: Instance) -> bool:
    """The best replies get R, and all of them leave R."""
    (discount,) = numbers([own[g]])
    (reward,) = numbers([own[R]])
    mine, others = _payoffs(own)
    policy = _policy(own)
    best = best_reply(policy, others, discount)
    if best.start != reward:
        return False
    most = best_reply(policy, mine, discount, best.ties)
    least = best_reply(policy, [-own for own in mine], discount, best.ties)
    return most.start == reward and -least.start == reward


def never_outscored(own: Instance) -> bool:
    """Whether no strategy gets more than the policy does against it."""
    (discount,) = numbers([own[g]])
    mine, others = _payoffs(own)
    lead = [b - a for a, b in zip(mine, others, strict=True)]
    return best_reply(_policy(own), lead, discount).start <= 0


def average(accept: Callable[[Pairs, Fraction], bool]) -> Callable[[Instance], bool]:
    """Whether all pairs of averages are acceptable, given R."""

    def found(own: Instance) -> bool:
        return accept(list(average_pairs(_policy(own), *_payoffs(own))), own[R])

    return found


def subgame_perfect(own: Instance) -> bool:
    """Whether no action gains, once, in any state, where both play the policy."""
    (discount,) = numbers([own[g]])
    policy = _policy(own)
    gains = one_shot_gains(policy, policy, _payoffs(own)[1], discount)
    return all(gain <= 0 for row in gains for gain in row)


def _indifferent(own: Instance) -> bool:
    """The best and the worst that the other can do are the same, after each outcome and from the start."""
    (discount,) = numbers([own[g]])
    others = _payoffs(own)[1]
    best = best_reply(_policy(own), others, discount)
    worst = best_reply(_policy(own), [-pay for pay in others], discount)
    return best.start == -worst.start and all(
        a == -b for a, b in zip(best.after, worst.after, strict=True)
    )


# How instances are drawn --------------------------------------------------------------------


def _named(own: Instance, conditions: Conditions) -> dict[str, Fraction]:
    return {symbol.name: own[symbol] for symbol in (*conditions.symbols,)}


def compared(
    truth: Callable[[Instance], bool], fixed: Instance | None = None, dilemma: float = 0.5
) -> Decide:
    """Draw an instance, and decide it twice."""

    def decide(rng: Random, conditions: Conditions) -> Decided:
        own = draw(rng, conditions, fixed or {}, dilemma)
        return Decided(
            _named(own, conditions) | {symbol.name: own[symbol] for symbol in POLICY},
            conditions.holds(own),
            truth(own),
            tight(conditions, own),
        )

    return decide


def strategy(*chances: int) -> Instance:
    """What all instances of a strategy have in common."""
    return dict(zip(POLICY, map(Fraction, chances), strict=True))


def equalizer(rng: Random, conditions: Conditions) -> Decided:
    """In the family, or next to it."""
    own, (policy,) = equalizers(rng, 1)
    own |= dict(zip(POLICY, policy, strict=True))
    if rng.random() < 0.5:
        own[rng.choice(POLICY[1:])] = probability(rng)
    holds = conditions.holds(own)
    return Decided(_named(own, conditions), holds, _indifferent(own), tight(conditions, own))


def equalizer_pair(rng: Random, conditions: Conditions) -> Decided:
    """Two of the family: what either gains by any action, once, is 0."""
    own, (policy, other) = equalizers(rng, 2)
    own |= dict(zip((*POLICY, *OTHER), (*policy, *other), strict=True))
    first, second = numbers(policy), numbers(other)
    pays, (discount,) = _payoffs(own)[1], numbers([own[g]])
    gains = [
        *one_shot_gains(first, second, pays, discount),
        *one_shot_gains(second, first, pays, discount),
    ]
    found = all(gain == 0 for row in gains for gain in row)
    return Decided(_named(own, conditions), conditions.holds(own), found, True)


def akin(rng: Random, conditions: Conditions) -> Decided:
    """Akin's lemma in a random game: any number of players and actions."""
    counts = [rng.randint(2, 3) for _ in range(rng.randint(2, 3))]
    shape: Any = Fraction(0)
    for count in reversed(counts):
        shape = (shape,) * count
    names = ["abc"[:count] for count in counts]
    unit = discount(rng)
    game = NormalForm((shape,) * len(counts), tuple(map(tuple, names))).iterated(unit)
    policies = [[_row(rng, count) for _ in game.states] for count in counts]
    player = rng.randrange(len(counts))
    shares = exact.occupancy(game, policies)
    found = True
    for action in range(counts[player]):
        # The shares of outcomes, each state's times what is played in it.
        after = [Fraction(0)] * len(game.joint_actions)
        for s, share in enumerate(shares):
            for k, joint in enumerate(game.joint_actions):
                chance = share
                for own, a in zip(policies, joint, strict=True):
                    chance *= own[s][a]
                after[k] += chance
        own = policies[player]
        total = sum(
            v * (unit * own[k + 1][action] - (joint[player] == action))
            for k, (v, joint) in enumerate(zip(after, game.joint_actions, strict=True))
        )
        found = found and total == -(1 - unit) * own[0][action]
    instance = {"actions": counts, "player": player, "g": unit, "policies": policies}
    return Decided(instance, True, found, False)


def _row(rng: Random, count: int) -> list[Fraction]:
    weights = [rng.randint(0, 5) for _ in range(count)]
    if not any(weights):
        weights[rng.randrange(count)] = 1
    return [Fraction(own, sum(weights)) for own in weights]
