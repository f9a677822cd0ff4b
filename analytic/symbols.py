"""The symbols in which closed forms print: p_{CC}, q_{DC}, p_0, as a paper would write them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import sympy

from resolvent.games import DynamicGame, Exact

PolicySymbols = tuple[tuple[tuple[sympy.Expr, ...], ...], ...]

_LETTERS = "pquvwxyz"


def _letter(player: int) -> str:
    return _LETTERS[player] if player < len(_LETTERS) else f"p^{{({player + 1})}}"


@lru_cache(maxsize=64)
def policy_symbols(game: DynamicGame) -> PolicySymbols:
    """`policy_symbols(game)[i][o][a]`: the probability of action `a` when player i observes `o`.

    A symbol for every action but the last, whose probability is one minus the others. With two
    actions the symbol of observation CD is p_{CD}, of the start p_0; with more, the action is written on
    top: p_{RP}^{S}.
    """

    def symbol(player: int, label: str, action: str) -> sympy.Symbol:
        index = "0" if label == "start" else f"{{{label}}}"
        power = f"^{{{action}}}" if game.num_actions[player] > 2 else ""
        return sympy.Symbol(f"{_letter(player)}_{index}{power}")

    def row(player: int, label: str) -> tuple[sympy.Expr, ...]:
        free = [symbol(player, label, action) for action in game.actions[player][:-1]]
        return *free, 1 - sum(free, sympy.Integer(0))

    return tuple(
        tuple(row(player, label) for label in labels)
        for player, labels in enumerate(game.observations)
    )


def as_sympy(number: Exact) -> sympy.Expr:
    """An exact number of a game as SymPy's; what is symbolic is SymPy's already."""
    if isinstance(number, Fraction):
        return sympy.Rational(number.numerator, number.denominator)
    return number


def free_symbols(symbols: Iterable[Iterable[sympy.Expr]]) -> tuple[sympy.Expr, ...]:
    """One player's independent symbols, in the order of its parameters."""
    return tuple(entry for row in symbols for entry in tuple(row)[:-1])
