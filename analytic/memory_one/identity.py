"""A linear relation put into the closed form: an identity of polynomials in the others' policies."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from resolvent.analytic.derivation import closed_form
from resolvent.analytic.memory_one.linear_relation import LinearRelation
from resolvent.games import DynamicGame, IteratedGame
from resolvent.games.policies import ExactPolicy


def relation_numerator(
    game: IteratedGame,
    player: int,
    policy: ExactPolicy,
    relation: LinearRelation,
    discount: Fraction | str,
) -> sympy.Expr:
    """The numerator of the relation's left hand side as a polynomial in all policies but one's.

    **Arguments:** the `game`; the `player` with its exact `policy`; the `relation`; the `discount`, a number
    or `"average"`.

    **Returns:** an expanded polynomial over the rationals, 0 if the relation holds identically.

    **Raises:** `TooLargeToExpandError` where the closed form is too large.
    """
    form = closed_form(_patient(game, discount))
    symbols = form.policy_symbols[player]
    values: dict[sympy.Expr, Any] = {
        symbol: _rational(p)
        for own, row in zip(symbols, policy, strict=True)
        for symbol, p in zip(own[:-1], row, strict=False)
    }
    if discount == "average":
        parts = [sympy.fraction(own) for own in form.average()]
    else:
        parts = [(form.numerator(i), form.denominator) for i in range(game.num_players)]
    placed = [[_polynomial(part, values) for part in own] for own in parts]
    common = placed[0][1]
    total = _rational(relation.constant) * common
    for weight, (numerator, denominator) in zip(relation.weights, placed, strict=True):
        if denominator != common:
            raise ArithmeticError("expected values over one denominator")
        total += _rational(weight) * numerator
    return sympy.expand(total)


def _patient(game: IteratedGame, discount: Fraction | str) -> DynamicGame:
    """The game at another discount; the limit needs none."""
    if discount == "average" or discount == game.discounts[0]:
        return game
    return IteratedGame(game.stage, discount, game.memories, list(game.labels))


def _polynomial(part: sympy.Expr, values: dict[sympy.Expr, Any]) -> sympy.Expr:
    return sympy.expand(part.xreplace(values))


def _rational(value: Fraction) -> Any:
    return sympy.Rational(value.numerator, value.denominator)
