r"""The value as an expanded rational function: polynomials in the policies, by FLINT.

With $M = I - gP$ over the states of the chain, the bordered determinant

$$ B(f) = \det \begin{pmatrix} M & f \\ -p_0' & 0 \end{pmatrix} = \sum_s f_s C_s $$

is linear in $f$, and $V_i = B(r_i) / B(1)$: the factor 1 - g that both det M and the numerator of
$(1-g) p_0' M^{-1} r_i$ contain is never formed. $C_s / B(1)$ is the occupancy of state $s$. As g -> 1 this
is Press and Dyson's formula (PNAS 2012, eq. 6) with the start kept.

The cofactors $C_s$ come from Laplace's expansion column by column, over all sets of rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, product
from math import gcd, lcm, prod
from typing import Any, cast

import flint
import sympy

from resolvent.analytic.elimination import behaviours, joint_row, transition_row
from resolvent.analytic.structure import NEVER, Figures, Structure, convert
from resolvent.games import Exact

MAX_TERMS = 1_000_000
"""Largest number of terms that is expanded without being asked twice."""


class TooLargeToExpandError(ValueError):
    """The expanded rational function would be too large to be of use."""


@dataclass(frozen=True)
class Cofactors:
    """The polynomials C_s of a structure at one discount.

    **Attributes:**

    - `context`: FLINT's polynomial ring over the integers; its generators are the free policy
      entries (player, row, action; row-major), then `atoms`.
    - `atoms`: what is symbolic in the discount and the probabilities of the game.
    - `columns`: for each payoff of a player (see `Figures.payoffs`), the numerator of its frequency.
    """

    context: Any
    atoms: tuple[sympy.Expr, ...]
    columns: tuple[Any, ...]


def term_bound(structure: Structure, atoms: int = 0) -> int:
    """An upper bound on the terms of one cofactor, without expanding anything.

    A row of P is multilinear in the behaviours in that state, so it contributes at most prod(A_i)
    monomials, and a cofactor leaves one row out (p0 comes in). Where states share a row of a policy,
    a probability occurs at most as often as the row is read. A symbolic number of the game occurs
    with at most one power per state.
    """
    plain = prod(structure.num_actions) ** structure.size
    shared = 1
    for rows, chances, count in zip(
        structure.rows, structure.readings, structure.num_actions, strict=True
    ):
        reads = Counter(int(row) for row in rows[chances != NEVER])
        shared *= prod((times + 1) ** (count - 1) for times in reads.values())
    return min(plain, shared) * (structure.size + 1) ** atoms


def check_expandable(structure: Structure, atoms: int, max_terms: int) -> None:
    """Raise `TooLargeToExpandError` where the bound exceeds `max_terms`."""
    # Laplace's expansion goes through all sets of states, however few the terms are.
    bound = max(term_bound(structure, atoms), 2**structure.size)
    if bound > max_terms:
        shown = f"{bound:.3g}" if bound < 1e300 else f"1e{len(str(bound)) - 1}"
        raise TooLargeToExpandError(
            f"the expanded rational function of {structure.num_states} states may have up to "
            f"{shown} terms per joint action (limit {max_terms}). Use .evaluate(policies) for "
            "exact values, .taylor(...) for exact derivatives, .compile() for numbers, or "
            ".unexpanded for the straight-line program in symbols; .expand(max_terms=...) lifts the limit"
        )


def atoms_of(numbers: Iterable[Exact]) -> tuple[sympy.Expr, ...]:
    """The generators that symbolic numbers need: their symbols, or where one is not a polynomial in
    its symbols, the number itself."""
    found: dict[sympy.Expr, None] = {}
    for number in numbers:
        if isinstance(number, Fraction):
            continue
        symbols: list[Any] = sorted(number.free_symbols, key=str)
        found.update(dict.fromkeys(symbols if number.is_polynomial(*symbols) else [number]))
    return tuple(found)


def settings(figures: Figures, group: int) -> Figures:
    """The figures without the payoffs, with the discount of one group: what cofactors depend on."""
    return Figures(
        (),
        (figures.discounts[group],),
        figures.transitions,
        figures.initial,
        figures.readings,
        figures.trembles,
    )


def symbolic_numbers(figures: Figures) -> list[Exact]:
    """All numbers of `settings`."""
    nested = (*figures.readings, *figures.trembles)
    return [*figures.discounts, *figures.transitions, *figures.initial, *chain(*nested)]


@lru_cache(maxsize=64)
def cofactors(structure: Structure, given: Figures) -> Cofactors:
    """Expand the bordered determinant; `given` are the `settings` of one group."""
    numbers = symbolic_numbers(given)
    atoms = atoms_of(numbers)
    names = [
        f"x_{player}_{row}_{action}"
        for player, (rows, columns) in enumerate(structure.parameter_shapes)
        for row, action in product(range(rows), range(columns))
    ]
    generators = [*names, *(f"y_{k}" for k in range(len(atoms)))]
    # Integers where that is enough: rational coefficients take FLINT twice as long.
    discount, *probabilities = numbers
    whole = all(isinstance(own, Fraction) and own.denominator == 1 for own in probabilities)
    whole = whole and (isinstance(discount, Fraction) or discount.is_Symbol)
    field: Any = flint.fmpz_mpoly_ctx if whole else flint.fmpq_mpoly_ctx
    context = field.get(generators, flint.Ordering.lex)
    gens = context.gens()
    one, zero = context.constant(1), context.constant(0)
    place = {atom: gens[len(names) + k] for k, atom in enumerate(atoms)}

    def number(value: Exact) -> Any:
        if isinstance(value, Fraction):
            whole_number = value.denominator == 1
            exact = (
                value.numerator if whole_number else flint.fmpq(value.numerator, value.denominator)
            )
            return context.constant(exact)
        if value in place:
            return place[value]
        return _polynomial(value, place, context)

    free = iter(gens)
    policies = []
    for rows, columns in structure.parameter_shapes:
        own = []
        for _ in range(rows):
            row = [next(free) for _ in range(columns)]
            own.append([*row, one - sum(row, zero)])
        policies.append(own)

    # Rows of M are scaled by the discount's denominator: integers throughout, the ratio unchanged.
    rational = isinstance(discount, Fraction)
    scale = context.constant(discount.denominator) if rational else one
    g = context.constant(discount.numerator) if rational else number(discount)
    figures = convert(Figures((), (), *_probabilities(given)), number)
    acting = behaviours(structure, policies, figures)
    rows = [
        transition_row(structure, acting, s, figures.transitions)
        for s in range(structure.num_states)
    ]
    states = range(structure.first, structure.num_states)
    matrix = [
        [(scale if t == s else zero) - g * rows[s].get(t, zero) for t in states] for s in states
    ]
    start = [rows[0].get(t, zero) for t in states] if structure.first else figures.initial
    matrix.append([zero - p for p in start])

    minors = _minors(matrix, one, zero)
    full = (1 << len(matrix)) - 1
    size = structure.size
    # f stands in the last column: its cofactor has the sign (-1)^(row + size).
    of_state = [(-1) ** (s + size) * minors[full & ~(1 << s)] for s in range(size)]
    columns = _columns(structure, acting, of_state, zero)
    integers = flint.fmpz_mpoly_ctx.get(generators, flint.Ordering.lex)
    if not whole:
        columns = _cleared(columns, integers)
    return Cofactors(integers, atoms, _primitive(columns))


def _probabilities(given: Figures) -> tuple[Any, ...]:
    return given.transitions, given.initial, given.readings, given.trembles


def _columns(
    structure: Structure, acting: Sequence[Any], of_state: Sequence[Any], zero: Any
) -> list[Any]:
    """The numerator of each payoff's frequency."""
    if structure.outcomes is None:
        return [
            probability * cofactor
            for state, cofactor in enumerate(of_state)
            for probability in joint_row(structure, acting, state)
        ]
    columns = [zero] * len(structure.joint_actions)
    for outcome, cofactor in zip(structure.outcomes, of_state, strict=True):
        columns[outcome] = columns[outcome] + cofactor
    return columns


def _polynomial(value: sympy.Expr, place: dict[sympy.Expr, Any], context: Any) -> Any:
    """A polynomial in the symbols of a game, in FLINT's ring (atoms are there by `atoms_of`)."""
    symbols: list[Any] = sorted(value.free_symbols, key=str)
    result = context.constant(0)
    for powers, coefficient in sympy.Poly(value, *symbols, domain="QQ").terms():
        term = context.constant(flint.fmpq(int(coefficient.p), int(coefficient.q)))
        for symbol, power in zip(symbols, powers, strict=True):
            term = term * place[symbol] ** power
        result = result + term
    return result


def _cleared(polynomials: Sequence[Any], integers: Any) -> list[Any]:
    """Rational polynomials times their common denominator, in the ring over the integers."""
    terms = [polynomial.to_dict() for polynomial in polynomials]
    common = lcm(*(int(c.q) for own in terms for c in own.values()))
    return [
        integers.from_dict({powers: int(c.p) * (common // int(c.q)) for powers, c in own.items()})
        for own in terms
    ]


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
    full = (1 << rows) - 1
    return [full & ~(1 << row) for row in range(rows)] if size == rows - 1 else [full]


def _primitive(polynomials: Sequence[Any]) -> tuple[Any, ...]:
    """Divide by the common integer content."""
    content = gcd(*(int(c) for p in polynomials for c in p.coeffs()))
    return tuple(p / content for p in polynomials) if content > 1 else tuple(polynomials)


def combine(expanded: Cofactors, weights: Sequence[Sequence[Fraction]]) -> tuple[list[Any], Any]:
    """Numerators (one per row of `weights`, one weight per column) and their common denominator, with
    integer coefficients and without a common content."""
    denominators = lcm(*(weight.denominator for row in weights for weight in row))
    zero = expanded.context.constant(0)
    numerators = [
        sum((int(w * denominators) * c for w, c in zip(row, expanded.columns, strict=True)), zero)
        for row in weights
    ]
    denominator = denominators * sum(expanded.columns, zero)
    *tops, bottom = _primitive([*numerators, denominator])
    return list(tops), bottom


def to_sympy(polynomial: Any, symbols: tuple[sympy.Expr, ...]) -> sympy.Expr:
    """A FLINT polynomial in SymPy's symbols, one per generator."""
    terms = {powers: sympy.Integer(int(c)) for powers, c in polynomial.to_dict().items()}
    if not terms:
        return sympy.Integer(0)
    if not symbols:
        return terms[()]
    placeholders = symbols if all(s.is_Symbol for s in symbols) else _dummies(len(symbols))
    expression = sympy.Poly.from_dict(terms, *placeholders).as_expr()
    if placeholders is symbols:
        return expression
    return cast(sympy.Expr, expression.xreplace(dict(zip(placeholders, symbols, strict=True))))


def _dummies(count: int) -> tuple[sympy.Dummy, ...]:
    return tuple(sympy.Dummy(f"x{k}") for k in range(count))
