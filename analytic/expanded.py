"""The values of a game as expanded quotients: FLINT's polynomials with the symbols that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import sympy

from resolvent.analytic import polynomial
from resolvent.analytic.rational_function import RationalFunction
from resolvent.analytic.structure import Figures, Structure, anatomy
from resolvent.analytic.symbols import as_sympy, free_symbols, policy_symbols
from resolvent.analytic.symmetry import payoff_relations
from resolvent.games import DynamicGame

Polynomials = tuple[tuple[tuple[Any, ...], Any], ...]
"""For each discount that occurs: numerators and denominator, as `flint.fmpz_mpoly`. The numerators are of
the values of the players of that discount or, where payoffs are symbols, of each payoff's frequency."""


@dataclass(frozen=True)
class Expanded:
    """The expanded values of a game, each part made when it is first asked for.

    **Attributes:**

    - `game`, `normalise`: as of the closed form.
    - `max_terms`: expansions that may have more terms raise `TooLargeToExpandError`.
    - `known`: the polynomials, where they have been expanded before (read from a file).
    """

    game: DynamicGame
    normalise: Literal["average", "sum"]
    max_terms: int
    known: Polynomials | None = None

    @cached_property
    def polynomials(self) -> Polynomials:
        """See `Polynomials`."""
        if self.known is not None:
            return self.known
        payoffs = self._figures.payoffs
        expanded = []
        for group in range(len(self._figures.discounts)):
            weights: Sequence[Sequence[Fraction]] = [payoffs[i] for i in self._members(group)]
            if self._symbolic_payoffs:
                columns = range(len(payoffs[0]))
                weights = [[Fraction(a == b) for b in columns] for a in columns]
            given = polynomial.settings(self._figures, group)
            tops, bottom = polynomial.combine(self._cofactors(given), weights)
            expanded.append((tuple(tops), bottom))
        return tuple(expanded)

    def numerator(self, i: int) -> sympy.Expr:
        """Numerator of player `i`'s value, over the common `denominator`."""
        group = self._structure.groups[i]
        others = [g for g in range(len(self._figures.discounts)) if g != group]
        return sympy.Mul(self._numerators[i], *map(self._bottom, others))

    @cached_property
    def denominator(self) -> sympy.Expr:
        """The denominator of every player's value."""
        return sympy.Mul(*map(self._bottom, range(len(self._figures.discounts))))

    def rational(self, i: int) -> RationalFunction:
        """Player `i`'s value, for calculus."""
        group = self._structure.groups[i]
        generators = self._generators(polynomial.settings(self._figures, group))
        tops, bottom = self.polynomials[group]
        one = bottom.context().constant(1)

        def whole(top: Any) -> RationalFunction:
            return RationalFunction.of(top, one, generators, self.max_terms)

        if self._symbolic_payoffs:
            pairs = zip(tops, self._figures.payoffs[i], strict=True)
            terms = [whole(top) * as_sympy(pay) for top, pay in pairs if pay != 0]
            top = sum(terms[1:], terms[0]) if terms else whole(one) * 0
        else:
            top = whole(tops[self._members(group).index(i)])
        value = top * RationalFunction.of(one, bottom, generators, self.max_terms)
        if self.normalise == "average":
            return value
        return value / (1 - as_sympy(self._figures.discounts[group]))

    @cached_property
    def averages(self) -> tuple[sympy.Expr, ...]:
        """The limits of the per-round values as the discount goes to one."""
        if self._structure.closed_components > 1:
            raise ValueError(
                f"policies: expected, since play may end up in {self._structure.closed_components} "
                "separate sets of states, and the limit depends on which; got none"
            )
        given = polynomial.settings(replace(self._figures, discounts=(Fraction(1),)), 0)
        expanded = self._cofactors(given)
        generators = self._generators(given)
        columns = [polynomial.to_sympy(own, generators) for own in expanded.columns]
        whole = sum(expanded.columns, expanded.context.constant(0))
        bottom = polynomial.to_sympy(whole, generators)
        return tuple(_weighted(own, columns) / bottom for own in self._figures.payoffs)

    @property
    def _structure(self) -> Structure:
        return anatomy(self.game)[0]

    @property
    def _figures(self) -> Figures:
        return anatomy(self.game)[1]

    @cached_property
    def _symbolic_payoffs(self) -> bool:
        return not all(isinstance(pay, Fraction) for own in self._figures.payoffs for pay in own)

    def _members(self, group: int) -> list[int]:
        """The players of one discount."""
        return [i for i, own in enumerate(self._structure.groups) if own == group]

    def _cofactors(self, given: Figures) -> polynomial.Cofactors:
        atoms = polynomial.atoms_of(polynomial.symbolic_numbers(given))
        polynomial.check_expandable(self._structure, len(atoms), self.max_terms)
        return polynomial.cofactors(self._structure, given)

    def _generators(self, given: Figures) -> tuple[sympy.Expr, ...]:
        """What the generators of the polynomials stand for."""
        free = (x for own in policy_symbols(self.game) for x in free_symbols(own))
        return *free, *polynomial.atoms_of(polynomial.symbolic_numbers(given))

    def _bottom(self, group: int) -> sympy.Expr:
        generators = self._generators(polynomial.settings(self._figures, group))
        bottom = polynomial.to_sympy(self.polynomials[group][1], generators)
        if self.normalise == "average":
            return bottom
        return bottom * (1 - as_sympy(self._figures.discounts[group]))

    @cached_property
    def _numerators(self) -> tuple[sympy.Expr, ...]:
        """Each over the denominator of its discount, and made once: of players whose payoffs are
        another's, or its negative, they are the other's."""
        groups = self._structure.groups
        made: list[sympy.Expr] = []
        relations = payoff_relations(self._figures.payoffs, groups)
        for i, (group, (like, sign)) in enumerate(zip(groups, relations, strict=True)):
            if like != i:
                made.append(sign * made[like])
                continue
            tops, _ = self.polynomials[group]
            generators = self._generators(polynomial.settings(self._figures, group))
            if self._symbolic_payoffs:
                columns = [polynomial.to_sympy(top, generators) for top in tops]
                made.append(_weighted(self._figures.payoffs[i], columns))
            else:
                own = tops[self._members(group).index(i)]
                made.append(polynomial.to_sympy(own, generators))
        return tuple(made)


def _weighted(payoffs: Sequence[Any], columns: Sequence[sympy.Expr]) -> sympy.Expr:
    terms = (as_sympy(pay) * own for pay, own in zip(payoffs, columns, strict=True))
    return sum(terms, sympy.Integer(0))
