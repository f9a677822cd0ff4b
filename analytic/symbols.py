"""The symbols in which closed forms print: p_{CC}, q_{DC}, p_0, as a paper would write them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import sympy

from resolvent.games import Exact, IteratedGame

PolicySymbols = tuple[tuple[tuple[sympy.Expr, ...], ...], ...]

_LETTERS = "pquvwxyz"


def _letter(player: int) -> str:
    return _LETTERS[player] if player < len(_LETTERS) else f"p^{{({player + 1})}}"


@lru_cache
def policy_symbols(game: IteratedGame) -> PolicySymbols:
    """`policy_symbols(game)[i][s][a]`: the probability of action `a` in state `s`.

    A symbol for every action but the last, whose probability is one minus the others. With two
    actions the symbol of state CD is p_{CD}, of the start p_0; with more, the action is written on
    top: p_{RP}^{S}.
    """
    names = [state if state != "start" else "0" for state in game.states]

    def symbol(player: int, state: str, action: str) -> sympy.Symbol:
        index = state if state == "0" else f"{{{state}}}"
        power = f"^{{{action}}}" if game.num_actions[player] > 2 else ""
        return sympy.Symbol(f"{_letter(player)}_{index}{power}")

    def row(player: int, state: str) -> tuple[sympy.Expr, ...]:
        free = [symbol(player, state, action) for action in game.stage.actions[player][:-1]]
        return *free, 1 - sum(free, sympy.Integer(0))

    return tuple(tuple(row(player, state) for state in names) for player in range(game.num_players))


def as_sympy(number: Exact) -> sympy.Expr:
    """An exact number of a game as SymPy's; what is symbolic is SymPy's already."""
    if isinstance(number, Fraction):
        return sympy.Rational(number.numerator, number.denominator)
    return number


def free_symbols(symbols: Iterable[Iterable[sympy.Expr]]) -> tuple[sympy.Expr, ...]:
    """One player's independent symbols, in the order of its parameters."""
    return tuple(entry for row in symbols for entry in tuple(row)[:-1])
