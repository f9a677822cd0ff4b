"""Conditions as exact relations in the payoffs, the discount and the policy; see `conditions`, which states them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from operator import eq, ge, gt, le, lt
from typing import Any

import flint
import sympy

from resolvent.analytic.memory_one.discount_set import DiscountSet, discounts_where
from resolvent.games import exact
from resolvent.games.rational import shorten


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


T: sympy.Symbol = _symbol("T")
R: sympy.Symbol = _symbol("R")
P: sympy.Symbol = _symbol("P")
S: sympy.Symbol = _symbol("S")
g: sympy.Symbol = _symbol("g")
p_0: sympy.Symbol = _symbol("p_0")
p_CC: sympy.Symbol = _symbol("p_CC")
p_CD: sympy.Symbol = _symbol("p_CD")
p_DC: sympy.Symbol = _symbol("p_DC")
p_DD: sympy.Symbol = _symbol("p_DD")
PAYOFFS: tuple[sympy.Symbol, ...] = (T, R, P, S)
POLICY: tuple[sympy.Symbol, ...] = (p_0, p_CC, p_CD, p_DC, p_DD)
OTHER: tuple[sympy.Symbol, ...] = tuple(map(_symbol, ("q_0", "q_CC", "q_CD", "q_DC", "q_DD")))
"""A second policy, of the other player, in its own view."""

_COMPARE: Mapping[type, Callable[[Any, Any], bool]] = {
    sympy.Eq: eq,
    sympy.Ge: ge,
    sympy.Gt: gt,
    sympy.Le: le,
    sympy.Lt: lt,
}
_SIGNS: Mapping[type, tuple[int, ...]] = {
    sympy.Eq: (0,),
    sympy.Ge: (0, 1),
    sympy.Gt: (1,),
    sympy.Le: (-1, 0),
    sympy.Lt: (-1,),
}


@dataclass(frozen=True)
class Conditions:
    """What is necessary and sufficient for a property, given assumptions.

    **Attributes:**

    - `name`: of the property.
    - `assumptions`: SymPy relations that are taken for granted; outside of them nothing is said.
    - `relations`: SymPy relations; the property holds if and only if all of them do.
    - `average`: whether they are for the limit of discount 1, not for a discount in [0, 1).
    """

    name: str
    assumptions: tuple[Any, ...]
    relations: tuple[Any, ...]
    average: bool = False

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """What has to be given, in a fixed order: payoffs, discount, policies."""
        used = set().union(*(own.free_symbols for own in (*self.assumptions, *self.relations)))
        return tuple(own for own in (*PAYOFFS, g, *POLICY, *OTHER) if own in used)

    def holds(self, values: Mapping[Any, object]) -> bool:
        """Whether the property holds, exactly.

        **Arguments:** `values`: numbers by symbol, or by its name; a discount in [0, 1).

        **Raises:** `ValueError` where a number is missing, where the discount is not in [0, 1), or where
            an assumption is not satisfied: then the conditions say nothing.
        """
        read = self.read(values)
        self._assume(read)
        return all(self._true(own, read) for own in self.relations)

    def applies(self, values: Mapping[Any, object]) -> bool:
        """Whether the assumptions are satisfied."""
        read = self.read(values)
        return all(self._true(own, read) for own in self.assumptions)

    def discounts(self, values: Mapping[Any, object]) -> DiscountSet:
        """The exact set of discounts at which the property holds, of given payoffs and policy.

        **Arguments:** as of `holds`, without the discount.
        """
        if self.average:
            raise ValueError(
                f"{self.name}: a property of the limit of discount 1 has no set of discounts"
            )
        read = {**self.read({**values, g: 0}), g: g}
        self._assume(read)
        asked = []
        for own in self.relations:
            row = sympy.Poly(_number(own.lhs - own.rhs, read), g).all_coeffs()[::-1]
            asked.append(
                (flint.fmpq_poly([flint.fmpq(int(c.p), int(c.q)) for c in row]), _SIGNS[type(own)])
            )
        return discounts_where(lambda sign: all(sign(own) in signs for own, signs in asked))

    def read(self, values: Mapping[Any, object]) -> dict[sympy.Symbol, Any]:
        """The numbers of `values` by symbol, exact and complete."""
        by_name = {own.name: own for own in (*PAYOFFS, g, *POLICY, *OTHER)}
        found: dict[sympy.Symbol, Any] = {}
        for key, value in values.items():
            symbol = by_name.get(str(key))
            if symbol is None:
                raise ValueError(f"values: expected {', '.join(by_name)}; got {shorten(key)}")
            number = exact(value, symbol.name)
            if not isinstance(number, Fraction):
                raise ValueError(f"{symbol}: expected a number; got {number}")
            found[symbol] = number
        missing = [own.name for own in self.symbols if own not in found]
        if missing:
            raise ValueError(
                f"values: expected {', '.join(map(str, self.symbols))}; {missing[0]} is missing"
            )
        if g in found and not 0 <= found[g] < 1:
            raise ValueError(f"g: expected a discount in [0, 1); got {found[g]}")
        for own in found.keys() - {*PAYOFFS, g}:
            if not 0 <= found[own] <= 1:
                raise ValueError(f"{own}: expected a probability in [0, 1]; got {found[own]}")
        return found

    def _assume(self, read: Mapping[sympy.Symbol, Any]) -> None:
        for own in self.assumptions:
            if not self._true(own, read):
                raise ValueError(
                    f"{self.name}: the conditions assume {own}, which does not hold here"
                )

    def _true(self, relation: Any, read: Mapping[sympy.Symbol, Any]) -> bool:
        if relation in (sympy.true, sympy.false):
            return bool(relation)
        return _COMPARE[type(relation)](separation(relation, read), 0)

    def __str__(self) -> str:
        given = f" (given {', '.join(map(_shown, self.assumptions))})" if self.assumptions else ""
        limit = ", in the limit of discount 1" if self.average else ""
        return f"{self.name}{limit}: {' and '.join(map(_shown, self.relations))}{given}"


def separation(relation: Any, values: Mapping[sympy.Symbol, Fraction]) -> Fraction:
    """The left side minus the right one, at numbers."""
    names, function = _compiled(relation)
    return function(*(values[own] for own in names))


@cache
def _compiled(relation: Any) -> tuple[tuple[sympy.Symbol, ...], Callable[..., Fraction]]:
    """It as a function of `Fraction`s."""
    names = tuple(sorted(relation.free_symbols, key=str))
    return names, sympy.lambdify(names, relation.lhs - relation.rhs, modules=[])


def _number(expression: sympy.Expr, read: Mapping[sympy.Symbol, Any]) -> sympy.Expr:
    given: Any = {
        symbol: sympy.Rational(value.numerator, value.denominator)
        for symbol, value in read.items()
        if isinstance(value, Fraction)
    }
    return expression.subs(given)


def _shown(relation: Any) -> str:
    if isinstance(relation, sympy.Eq):
        return f"{relation.lhs} = {relation.rhs}"
    return str(relation)
