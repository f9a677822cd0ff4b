r"""Derivatives of a quotient of expressions, written with the derivatives of its two parts.

From $T = V B$ and Leibniz' rule, for a list of variables $\alpha$,

$$ V_\alpha = \Bigl( T_\alpha - \sum_{\beta \subsetneq \alpha} V_\beta B_{\alpha \setminus \beta} \Bigr) / B . $$

Nothing is multiplied out, so that entries of third order stay as large as a handful of values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations

import sympy


def quotient_derivatives(top: sympy.Expr, bottom: sympy.Expr) -> Callable[..., sympy.Expr]:
    """A function of any number of symbols: the derivative of top / bottom by all of them."""

    @cache
    def part(of: sympy.Expr, by: tuple[sympy.Expr, ...]) -> sympy.Expr:
        return part(of, by[:-1]).diff(by[-1]) if by else of

    @cache
    def derivative(by: tuple[sympy.Expr, ...]) -> sympy.Expr:
        positions = range(len(by))
        rest = part(top, by)
        for size in positions:
            for kept in combinations(positions, size):
                left = tuple(by[k] for k in positions if k not in kept)
                rest -= derivative(tuple(by[k] for k in kept)) * part(bottom, left)
        return rest / bottom

    def derive(*by: sympy.Expr) -> sympy.Expr:
        return derivative(tuple(sorted(by, key=str)))

    return derive
