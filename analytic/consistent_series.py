r"""The consistent update as a formal power series in the step size, and higher-order LOLA in formulas.

With steps $\eta_k = \eta \, s_k$ the consistency equations

$$ u_i(\theta) = \frac{\mathrm{d}}{\mathrm{d}\theta_i}
   V_i\big(\theta_i, (\theta_k + \eta s_k u_k(\theta))_{k \ne i}\big),
   \qquad u_i = \sum_m \eta^m u_i^{(m)}, $$

give $u_i^{(m)}$ as the derivative of a coefficient of the right-hand side that holds none but $u^{(0)}, \dots,
u^{(m-1)}$: there is exactly one formal solution. Each order of higher-order LOLA, $u^{n+1} = $ the right-hand side of
$u^n$, gains one coefficient: order n agrees through $\eta^n$ (in steps $\eta u$, through $\eta^{n+1}$).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.games import DifferentiableGame
from resolvent.games.expressions import smooth

Formulas = DifferentiableForm | DifferentiableGame
Row = list[sympy.Expr]
"""Coefficients of a series, from order 0."""
Directions = tuple[tuple[sympy.Expr, ...], ...]
"""Per player, per parameter."""


@dataclass(frozen=True)
class Agreement:
    """How far higher-order LOLA agrees with the consistent update.

    **Fields:**

    - `order`: of higher-order LOLA.
    - `through`: the last power of the step size through which the directions agree; the order of the
        comparison, where no difference was found.
    - `difference`: the first coefficient that differs, LOLA's minus the consistent one, per player and parameter; 0
        where none was found.
    """

    order: int
    through: int
    difference: Directions


@dataclass(frozen=True)
class ConsistentSeries:
    """The power series of the consistent update of a game, truncated.

    **Fields:**

    - `game`: what is played.
    - `symbol`: the step size eta.
    - `shares`: the steps of the players over eta, $s_k$.
    - `coefficients`: `coefficients[i][k][m]`: of eta^m in the direction of player i's k-th parameter.
    """

    game: DifferentiableGame
    symbol: sympy.Symbol
    shares: tuple[sympy.Expr, ...]
    coefficients: tuple[tuple[tuple[sympy.Expr, ...], ...], ...]

    @property
    def order(self) -> int:
        """The last power of the step size that is known."""
        return len(self.coefficients[0][0]) - 1

    def directions(self, order: int | None = None) -> Directions:
        """The truncated series of each player's directions of ascent, up to the power `order`."""
        last = self.order if order is None else order
        if not 0 <= last <= self.order:
            raise ValueError(f"order: expected a number from 0 to {self.order}, got {order!r}")
        return tuple(
            tuple(
                sympy.Add(*(c * self.symbol**m for m, c in enumerate(row[: last + 1])))
                for row in own
            )
            for own in self.coefficients
        )

    def agreement(self, order: int) -> Agreement:
        """How far higher-order LOLA of this order agrees, compared up to one power more."""
        _check_order(order, "order")
        if self.order <= order:
            raise ValueError(
                f"order: a series of order {self.order} can judge higher-order LOLA below that order, "
                f"got {order}"
            )
        form = DifferentiableForm(self.game)
        rows = _naive(form)
        difference: Directions = ()
        for _ in range(order):
            rows = _respond(form, self.shares, rows, order + 1)
        for m in range(order + 2):
            difference = tuple(
                tuple(
                    sympy.simplify((row[m] if m < len(row) else 0) - known[m])
                    for row, known in zip(own, theirs, strict=True)
                )
                for own, theirs in zip(rows, self.coefficients, strict=True)
            )
            if any(entry != 0 for own in difference for entry in own):
                return Agreement(order, m - 1, difference)
        return Agreement(order, order + 1, difference)

    def __str__(self) -> str:
        lines = [
            f"consistent update of {self.game.name or 'a game'} to {self.symbol}^{self.order}:"
        ]
        for names, own in zip(self.game.parameters, self.directions(), strict=True):
            lines += [f"  {name}: {own[k]}" for k, name in enumerate(names)]
        return "\n".join(lines)


def consistent_series(
    game: Formulas, order: int, shares: Sequence[Any] | None = None
) -> ConsistentSeries:
    """The power series in the step size of the consistent update, exact, to any order.

    **Arguments:**

    - `game`: a `DifferentiableGame` with formulas, or its closed form.
    - `order`: the last power of the step size.
    - `shares`: where players take steps of different sizes, those over the common factor eta: one number, text or SymPy
        expression per player. Default: 1 each.

    **Returns:** a [`resolvent.analytic.ConsistentSeries`][]; `resolvent.numeric.series_update` makes an update of
    it that learners can follow.

    **Raises:** `ValueError` for a game without formulas.
    """
    form = _form(game)
    _check_order(order, "order")
    steps = _shares(form, shares)
    rows = _naive(form)
    for m in range(1, order + 1):
        rows = _respond(form, steps, rows, m)
    coefficients = tuple(tuple(map(tuple, own)) for own in rows)
    return ConsistentSeries(form.game, _step_symbol(form, steps), steps, coefficients)


def higher_order_lola(
    game: Formulas, order: int, shares: Sequence[Any] | None = None
) -> tuple[sympy.Symbol, Directions]:
    """The direction of higher-order LOLA, exact, as formulas.

    **Arguments:** as for [`resolvent.analytic.consistent_series`][]; order 0 is naive learning, 1 exact LOLA.

    **Returns:** the symbol of the step size, and one direction of ascent per player and parameter.
    """
    form = _form(game)
    _check_order(order, "order")
    steps = _shares(form, shares)
    eta = _step_symbol(form, steps)
    directions = tuple(tuple(row[0] for row in own) for own in _naive(form))
    for _ in range(order):
        directions = tuple(
            _ascent(form, i, steps, eta, directions) for i in range(len(form.values))
        )
    return eta, directions


def _ascent(
    form: DifferentiableForm,
    player: int,
    shares: tuple[sympy.Expr, ...],
    eta: sympy.Symbol,
    directions: Directions,
) -> tuple[sympy.Expr, ...]:
    """The right-hand side of the consistency equation, for all parameters of a player."""
    symbols = form.parameter_symbols
    moved = {
        x: x + eta * shares[k] * u
        for k, (own, theirs) in enumerate(zip(symbols, directions, strict=True))
        for x, u in zip(own, theirs, strict=True)
        if k != player
    }
    value = _tidy(form, form.values[player].xreplace(moved))
    return tuple(_tidy(form, value.diff(x)) for x in symbols[player])


# Truncated series ----------------------------------------------------------------------------


def _naive(form: DifferentiableForm) -> list[list[Row]]:
    """Naive learning: series of order 0, per player and parameter."""
    return [
        [[_tidy(form, value.diff(x))] for x in own]
        for value, own in zip(form.values, form.parameter_symbols, strict=True)
    ]


def _respond(
    form: DifferentiableForm, shares: tuple[sympy.Expr, ...], rows: list[list[Row]], order: int
) -> list[list[Row]]:
    """The right-hand sides for directions `rows`, up to eta^order."""
    symbols = form.parameter_symbols
    found = []
    for i, value in enumerate(form.values):
        others: list[tuple[Any, Row]] = [
            (x, [sympy.Integer(0), *(shares[k] * c for c in row[:order])])
            for k, own in enumerate(symbols)
            if k != i
            for x, row in zip(own, rows[k], strict=True)
        ]
        series = [_tidy(form, own) for own in _shifted(value, others, order)]
        found.append([[_tidy(form, own.diff(x)) for own in series] for x in symbols[i]])
    return found


def _shifted(value: sympy.Expr, moves: list[tuple[sympy.Symbol, Row]], order: int) -> Row:
    """Taylor coefficients in eta of `value` at x + move for each (x, move); moves begin at eta^1."""
    if not moves:
        return [value, *[sympy.Integer(0)] * order]
    (x, move), rest = moves[0], moves[1:]
    total: Row = [sympy.Integer(0)] * (order + 1)
    power: Row = [sympy.Integer(1)]
    for times in range(order + 1):
        inner = _shifted(value, rest, order - times)
        total = [a + b for a, b in zip(total, _product(power, inner, order), strict=True)]
        value = value.diff(x) / (times + 1)
        if value == 0:
            break
        power = _product(power, move, order)
    return total


def _product(left: Row, right: Row, order: int) -> Row:
    product: Row = [sympy.Integer(0)] * (order + 1)
    for j, a in enumerate(left):
        for k, b in enumerate(right[: order + 1 - j]):
            product[j + k] += a * b
    return product


def _tidy(form: DifferentiableForm, formula: Any) -> sympy.Expr:
    """Polynomials expanded; anything else as it is, since to simplify it may take for ever."""
    symbols = [x for own in form.parameter_symbols for x in own]
    return sympy.expand(formula) if formula.is_polynomial(*symbols) else formula


# What is checked -----------------------------------------------------------------------------


def _form(game: Formulas) -> DifferentiableForm:
    form = DifferentiableForm(game) if isinstance(game, DifferentiableGame) else game
    if not isinstance(form, DifferentiableForm):
        raise TypeError(
            f"game: expected a DifferentiableGame or its closed form, got {type(game).__name__} "
            "(for iterated games use HigherOrderLOLA or consistent_networks)"
        )
    assert form.values  # raises for a game without formulas
    return form


def _check_order(order: int, name: str) -> None:
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise ValueError(f"{name}: expected a whole number from 0, got {order!r}")


def _shares(form: DifferentiableForm, shares: Sequence[Any] | None) -> tuple[sympy.Expr, ...]:
    players = len(form.values)
    if shares is None:
        return (sympy.Integer(1),) * players
    if isinstance(shares, str) or len(shares) != players:
        raise ValueError(f"shares: expected one for each of {players} players, got {shares!r}")
    found = tuple(smooth(own, f"shares[{k}]") for k, own in enumerate(shares))
    own = {x for each in form.parameter_symbols for x in each}
    for k, share in enumerate(found):
        if share.free_symbols & own:
            raise ValueError(f"shares[{k}]: expected no parameter of the game in it, got {share}")
    return found


def _step_symbol(form: DifferentiableForm, shares: tuple[sympy.Expr, ...]) -> sympy.Symbol:
    taken = {str(x) for own in (*form.values, *shares) for x in own.free_symbols}
    taken |= {str(x) for own in form.parameter_symbols for x in own}
    name = "eta"
    while name in taken:
        name += "_"
    return sympy.Symbol(name)
