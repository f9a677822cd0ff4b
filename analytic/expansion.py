r"""An iterated game near a point: the Taylor polynomial of every value, exact.

$$ V_i(x_0 + x) = \sum_{|m| \le k} \frac{\partial^m V_i(x_0)}{m!} \, x^m + O(|x|^{k+1}) $$

The elimination that gives the values runs on truncated power series in place of numbers, so that no derivative is
formed of the (large) closed form. With logits as parameters, $\sigma(x_0 + x) = p_0 e^x / \sum_a p_a e^{x_a}$ has
rational coefficients at rational policies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import factorial
from typing import Any, Literal

import flint
import sympy

from resolvent.analytic.derivation import ClosedForm
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.elimination import symbolic_values
from resolvent.analytic.structure import convert, figures_of
from resolvent.analytic.symbols import free_symbols, policy_symbols
from resolvent.games import DifferentiableGame, check_policies

Parameters = Literal["logits", "policies"]


class Series:
    """A power series in several variables, truncated after terms of total degree `order`."""

    __slots__ = ("order", "terms")

    def __init__(self, terms: Any, order: int) -> None:
        self.terms: Any = terms
        self.order: int = order

    def __add__(self, other: Series) -> Series:
        return Series(self.terms + other.terms, self.order)

    def __sub__(self, other: Series) -> Series:
        return Series(self.terms - other.terms, self.order)

    def __mul__(self, other: Series) -> Series:
        return Series(self._cut(self.terms * other.terms), self.order)

    def __truediv__(self, other: Series) -> Series:
        r"""By $1 / (c + x) = \sum_k (-x / c)^k / c$."""
        context = other.terms.context()
        constant = other.terms.to_dict().get((0,) * context.nvars(), flint.fmpq(0))
        if constant == 0:
            raise ZeroDivisionError("a series without constant term")
        rest = Series(1 - other.terms / constant, self.order)
        inverse = power = Series(context.from_dict({(0,) * context.nvars(): 1}), self.order)
        for _ in range(self.order):
            power = power * rest
            inverse = inverse + power
        return self * Series(inverse.terms / constant, self.order)

    def _cut(self, terms: Any) -> Any:
        if terms == 0 or terms.total_degree() <= self.order:
            return terms
        kept = {own: c for own, c in terms.to_dict().items() if sum(own) <= self.order}
        return terms.context().from_dict(kept)


def expansion(
    form: ClosedForm,
    policies: Sequence[Any],
    order: int = 3,
    parameters: Parameters = "logits",
    symbols: Mapping[Any, object] | None = None,
) -> DifferentiableForm:
    """The Taylor polynomials of an iterated game's values at a joint policy.

    **Arguments:**

    - `form`: the closed form of an iterated or stochastic game; `normalise` says whether values are per
        round or discounted sums.
    - `policies`: exact policies, one `(O_i, A_i)` array per player; inside the simplex where parameters
        are logits.
    - `order`: the degree, at least 1.
    - `parameters`: `"logits"`, softmax with the last action's at 0, or `"policies"`, the probabilities of
        all actions but the last.
    - `symbols`: numbers for the symbols of the game, where it has any.

    **Returns:** the closed form of a differentiable game of polynomials. Its parameters are the
    *displacements* from the point, named as the policy symbols (`p_CC`), O_i (A_i - 1) per player; 0 is
    the point itself. Derivatives up to `order` at 0 are the iterated game's, exactly; anywhere else it
    is another game.
    """
    if parameters not in ("logits", "policies"):
        raise ValueError(f'parameters: expected "logits" or "policies", got {parameters!r}')
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ValueError(f"order: expected a whole number from 1, got {order!r}")
    game = form.game.substitute(symbols) if symbols else form.game
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise ValueError(f"symbols: expected a number for each of {names}")
    checked = check_policies(game, policies, exact=True)
    names = _names(game)
    flat = [name for own in names for name in own]
    context = flint.fmpq_mpoly_ctx.get(tuple(flat), flint.Ordering.lex)

    def constant(number: Any) -> Series:
        own = Fraction(number)
        entry = flint.fmpq(own.numerator, own.denominator)
        return Series(context.from_dict({(0,) * len(flat): entry}), order)

    moves = iter(context.gens())
    series = []
    for player, own in enumerate(checked):
        rows = []
        for label, row in zip(game.observations[player], own, strict=True):
            if parameters == "logits" and min(row) <= 0:
                raise ValueError(
                    f"policies[{player}], {label}: expected positive probabilities, which have "
                    f'logits, got {list(map(str, row))}; or take parameters="policies"'
                )
            steps = [Series(next(moves), order) for _ in row[:-1]]
            start = [constant(entry) for entry in row]
            rows.append(_row(start, steps, parameters, constant))
        series.append(tuple(rows))
    figures = convert(figures_of(game), constant)
    deltas = [constant(1) - g for g in figures.discounts]
    values = symbolic_values(form.structure, tuple(series), figures, deltas, constant)
    if form.normalise == "sum":
        groups = form.structure.groups
        values = [v / deltas[group] for v, group in zip(values, groups, strict=True)]
    variables = list(map(sympy.Symbol, flat))
    payoffs = [_polynomial(own.terms, variables) for own in values]
    title = f"{game.name or 'a game'}, near a point"
    return DifferentiableForm(DifferentiableGame(payoffs, names, players=game.players, name=title))


def _row(
    start: list[Series], steps: list[Series], parameters: Parameters, constant: Any
) -> tuple[Series, ...]:
    """The probabilities of one row as series."""
    if parameters == "policies":
        moved = [p + x for p, x in zip(start[:-1], steps, strict=True)]
        last = start[-1]
        for x in steps:
            last = last - x
        return (*moved, last)
    odds = [p * _exp(x, constant) for p, x in zip(start[:-1], steps, strict=True)]
    odds.append(start[-1])
    whole = odds[0]
    for own in odds[1:]:
        whole = whole + own
    return tuple(own / whole for own in odds)


def _exp(x: Series, constant: Any) -> Series:
    total = power = constant(1)
    for k in range(1, x.order + 1):
        power = power * x
        total = total + power * constant(Fraction(1, factorial(k)))
    return total


def _names(game: Any) -> tuple[tuple[str, ...], ...]:
    """Names of parameters from the policy symbols: p_{CC} becomes p_CC."""
    return tuple(
        tuple(re.sub(r"[\W_]+", "_", str(x)).strip("_") for x in free_symbols(own))
        for own in policy_symbols(game)
    )


def _polynomial(terms: Any, variables: Sequence[sympy.Symbol]) -> sympy.Expr:
    return sympy.Add(
        *(
            sympy.Rational(int(c.p), int(c.q))
            * sympy.Mul(*(x ** int(k) for x, k in zip(variables, powers, strict=True)))
            for powers, c in terms.to_dict().items()
        )
    )
