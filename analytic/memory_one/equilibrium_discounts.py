r"""At which discounts a joint policy is an equilibrium: exact sets, of any finite iterated game.

- **Nash**, from where play begins: no player has a strategy, of any memory, with a larger value. Against
  stationary policies a deterministic reply on the states of the game is the best of all (Blackwell 1962).
- **Subgame-perfect**: no action gains in any state, on the path of play or off it; one-shot deviations
  decide (Blackwell 1965).
- **Nash of the averages**: the same of the limits of values as g goes to 1. Replies that are best for
  all g close to 1 have the largest limit, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from resolvent.analytic.memory_one.discount_problem import (
    DiscountProblem,
    Values,
    played,
    problem,
)
from resolvent.analytic.memory_one.discount_set import (
    DiscountSet,
    Sign,
    discounts_where,
    limit_sign,
    sign_near_one,
)
from resolvent.games import ExactPolicy, IteratedGame, check_policies
from resolvent.games.rational import shorten


def nash_discounts(game: IteratedGame, policies: Sequence[Any]) -> DiscountSet:
    """The discounts, shared by all players, at which no player gains by any other strategy.

    **Arguments:**

    - `game`: an iterated game whose players see the states. Its own discount plays no part, and may be
        a symbol; payoffs are numbers. Hands may tremble.
    - `policies`: exact, one per player, `(S, A_i)`.

    **Returns:** a [`resolvent.analytic.DiscountSet`][] of discounts in [0, 1).
    """
    joint = read_joint(game, policies)
    problems = [problem(game, joint, (j,)) for j in range(game.num_players)]
    own = played(game, joint)

    def decide(sign: Sign) -> bool:
        return all(not _gains(one, j, own[j], sign) for j, one in enumerate(problems))

    return discounts_where(decide)


def subgame_perfect_discounts(game: IteratedGame, policies: Sequence[Any]) -> DiscountSet:
    """The discounts at which no player gains by any other strategy, from any state, reached or not.

    **Arguments:** those of [`resolvent.analytic.nash_discounts`][].
    """
    joint = read_joint(game, policies)
    gains = []
    own = played(game, joint)
    for j in range(game.num_players):
        one = problem(game, joint, (j,))
        gains += [
            one.gain(own[j], one.payoffs[j], s, a)
            for s in range(one.num_states)
            for a in range(one.num_actions)
        ]
    return discounts_where(lambda sign: all(sign(gain) <= 0 for gain in gains))


def nash_of_averages(game: IteratedGame, policies: Sequence[Any]) -> bool:
    """Whether no player gains by any other strategy where payoffs are averages over infinitely many
    rounds, the limits of discount 1.

    **Arguments:** those of [`resolvent.analytic.nash_discounts`][].
    """
    joint = read_joint(game, policies)
    own = played(game, joint)
    for j in range(game.num_players):
        one = problem(game, joint, (j,))
        _, best = one.best(one.payoffs[j], sign_near_one)
        if limit_sign(*_difference(one, best, own[j])) > 0:
            return False
    return True


def _gains(one: DiscountProblem, player: int, own: Values, sign: Sign) -> bool:
    _, best = one.best(one.payoffs[player], sign)
    return sign(_difference(one, best, own)[0]) > 0


def _difference(one: DiscountProblem, best: Values, own: Values) -> tuple[Any, Any]:
    """What the best reply gains, as a quotient."""
    best_value, own_value = best.start(one.initial), own.start(one.initial)
    return (
        best_value * own.denominator - own_value * best.denominator,
        best.denominator * own.denominator,
    )


def read_joint(game: IteratedGame, policies: Sequence[Any]) -> tuple[ExactPolicy, ...]:
    """A checked joint policy of a game that this module can decide about."""
    check_game(game)
    return check_policies(game, policies, exact=True)


def check_game(game: IteratedGame) -> None:
    """Raise unless players see the states of an iterated game whose payoffs are numbers."""
    if not isinstance(game, IteratedGame):
        raise TypeError(f"game: expected an IteratedGame; got {shorten(game)}")
    discounts = [own for own in game.discounts if isinstance(own, sympy.Expr)]
    own = set().union(*(each.free_symbols for each in discounts))
    inner = game.stage.symbols
    if inner or set(game.symbols) - own:
        left = ", ".join(map(str, inner or sorted(set(game.symbols) - own, key=str)))
        raise ValueError(
            f"game: expected numbers for all but the discount, got the symbols {left}; "
            "replace them first with game.substitute({...})"
        )
    misread = any(matrix is not None for matrix in game.misreadings)
    if misread or any(own != game.states for own in game.observations):
        raise ValueError(
            "game: expected players who see the states, all alike and without misreading; "
            f"got {'misread actions' if misread else 'observations'}"
        )
