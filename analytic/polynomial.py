r"""The value as an expanded rational function: polynomials in the policies, by FLINT.

With $M = I - gP$ over the later states, the bordered determinant

$$ B(f) = \det \begin{pmatrix} M & f \\ -p_0' & 0 \end{pmatrix} = \sum_s f_s C_s $$

is linear in $f$, and $V_i = B(r_i) / B(1)$: the factor 1 - g that both det M and the numerator of
$(1-g) p_0' M^{-1} r_i$ contain is never formed. $C_s / B(1)$ is the occupancy of state $s$. As g -> 1 this
is Press and Dyson's formula (PNAS 2012, eq. 6) with the start kept.

The cofactors $C_s$ come from Laplace's expansion column by column, over all sets of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import gcd, lcm, prod
from typing import Any

import flint
import sympy

from resolvent.analytic.elimination import transition_row
from resolvent.analytic.structure import Structure

MAX_TERMS = 1_000_000
"""Largest number of terms that is expanded without being asked twice."""


class TooLargeToExpandError(ValueError):
    """The expanded rational function would be too large to be of use."""


@dataclass(frozen=True)
class Cofactors:
    """The polynomials C_s of a structure at one discount.

    **Attributes:**

    - `context`: FLINT's polynomial ring over the integers; its generators are the free policy
      entries (player, state, action; row-major) and, where the discount is a symbol, `g` last.
    - `of_outcome`: for each joint action, the sum of C_s over the states it leads to: the numerator of
      its frequency.
    """

    context: Any
    of_outcome: tuple[Any, ...]


def term_bound(structure: Structure, symbolic_discount: bool = False) -> int:
    """An upper bound on the terms of one cofactor, without expanding anything.

    A row of P is multilinear in the players' action probabilities in that state, so it contributes
    at most prod(A_i) monomials of its own variables, and a cofactor leaves one row out (p0 comes in);
    the powers of g come on top.
    """
    later = structure.num_states - 1
    return prod(structure.num_actions) ** later * (later if symbolic_discount else 1)


def check_expandable(structure: Structure, symbolic_discount: bool, max_terms: int) -> None:
    """Raise `TooLargeToExpandError` where the bound exceeds `max_terms`."""
    bound = term_bound(structure, symbolic_discount)
    if bound > max_terms:
        raise TooLargeToExpandError(
            f"the expanded rational function of {structure.num_states} states may have up to "
            f"{bound:.3g} terms per joint action (limit {max_terms}). Use .evaluate(policies) for "
            "exact values, .taylor(...) for exact derivatives, .compile() for numbers, or "
            ".unexpanded for the straight-line program in symbols; .expand(max_terms=...) lifts the limit"
        )


@lru_cache
def cofactors(structure: Structure, discount: Fraction | None) -> Cofactors:
    """Expand the bordered determinant; `discount` None makes g a generator."""
    names = [
        f"x_{player}_{state}_{action}"
        for player, (states, columns) in enumerate(structure.parameter_shapes)
        for state, action in product(range(states), range(columns))
    ]
    generators = names if discount is not None else [*names, "g"]
    context = flint.fmpz_mpoly_ctx.get(generators, flint.Ordering.lex)
    gens = context.gens()
    one, zero = context.constant(1), context.constant(0)

    free = iter(gens)
    policies = []
    for states, columns in structure.parameter_shapes:
        rows = []
        for _ in range(states):
            row = [next(free) for _ in range(columns)]
            rows.append([*row, one - sum(row, zero)])
        policies.append(rows)

    # Rows of M are scaled by the discount's denominator: integers throughout, the ratio unchanged.
    scale = one if discount is None else context.constant(discount.denominator)
    g = gens[-1] if discount is None else context.constant(discount.numerator)
    later = range(1, structure.num_states)
    matrix = []
    for state in later:
        row = transition_row(structure, policies, state)
        matrix.append([(scale if t == state else zero) - g * row.get(t, zero) for t in later])
    start = transition_row(structure, policies, 0)
    matrix.append([-start.get(t, zero) for t in later])

    minors = _minors(matrix, one, zero)
    full = (1 << len(matrix)) - 1
    size = len(later)
    # f stands in the last column: its cofactor has the sign (-1)^(row + size).
    of_state = [(-1) ** (s + size) * minors[full & ~(1 << s)] for s in range(size)]
    of_outcome = []
    for outcome in range(len(structure.joint_actions)):
        entered = [c for c, o in zip(of_state, structure.outcomes, strict=True) if o == outcome]
        of_outcome.append(sum(entered, zero))
    return Cofactors(context, _primitive(of_outcome))


def _minors(matrix: list[list[Any]], one: Any, zero: Any) -> dict[int, Any]:
    """Determinants of the first k columns on every set of k rows (a bit mask), for the largest k."""
    minors = {0: one}
    for column in range(len(matrix[0])):
        larger: dict[int, Any] = {}
        for rows, minor in minors.items():
            for row, entries in enumerate(matrix):
                if rows >> row & 1 or entries[column] == 0:
                    continue
                # Expanding along the last column: the sign counts the rows below this one.
                below = (rows >> (row + 1)).bit_count()
                term = entries[column] * minor
                mask = rows | 1 << row
                larger[mask] = larger.get(mask, zero) + (-term if below % 2 else term)
        minors = larger
    return {**dict.fromkeys(_masks(len(matrix), len(matrix[0])), zero), **minors}


def _masks(rows: int, size: int) -> list[int]:
    return [mask for mask in range(1 << rows) if mask.bit_count() == size]


def _primitive(polynomials: list[Any]) -> tuple[Any, ...]:
    """Divide by the common integer content."""
    content = gcd(*(int(c) for p in polynomials for c in p.coeffs()))
    return tuple(p / content for p in polynomials) if content > 1 else tuple(polynomials)


def combine(
    expanded: Cofactors, weights: tuple[tuple[Fraction, ...], ...]
) -> tuple[list[Any], Any]:
    """Numerators (one per row of `weights`, one weight per joint action) and their common
    denominator, with integer coefficients and without a common content."""
    denominators = lcm(*(weight.denominator for row in weights for weight in row))
    zero = expanded.context.constant(0)
    numerators = [
        sum(
            (int(w * denominators) * c for w, c in zip(row, expanded.of_outcome, strict=True)), zero
        )
        for row in weights
    ]
    denominator = denominators * sum(expanded.of_outcome, zero)
    *tops, bottom = _primitive([*numerators, denominator])
    return list(tops), bottom


def to_sympy(polynomial: Any, symbols: tuple[sympy.Expr, ...]) -> sympy.Expr:
    """A FLINT polynomial in SymPy's symbols, one per generator."""
    terms = {powers: sympy.Integer(int(c)) for powers, c in polynomial.to_dict().items()}
    if not terms:
        return sympy.Integer(0)
    placeholders = symbols if all(s.is_Symbol for s in symbols) else _dummies(len(symbols))
    expression = sympy.Poly.from_dict(terms, *placeholders).as_expr()
    if placeholders is symbols:
        return expression
    return expression.xreplace(dict(zip(placeholders, symbols, strict=True)))


def _dummies(count: int) -> tuple[sympy.Dummy, ...]:
    return tuple(sympy.Dummy(f"x{k}") for k in range(count))
