r"""Complementary and neighbouring bases of a linear system, exactly: integer pivoting.

A tableau is a system $B^{-1}[q \mid N]$ over one common denominator,

$$ \text{scale} \cdot z_{\text{basic}(i)} + \sum_j T_{ij} \, z_{\text{free}(j)} = T_{i0} , $$

all entries integers. After a pivot on $(r, c)$ they are minors of the system that it began with, so that
dividing by the last pivot leaves no remainder (Bareiss 1968; Edmonds 1967) and numbers stay as short as
determinants are. Ties of the ratio test are broken as if the right-hand sides of the first basis were
larger by $\epsilon, \epsilon^2, \ldots$ for an infinitesimal $\epsilon$ (the lexicographic rule of Charnes
1952 and Dantzig, Orden and Wolfe 1955): no path of pivots can cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Tableau(NamedTuple):
    """A basis of a linear system.

    **Attributes:**

    - `rows`: one per basic variable: its right-hand side, then the coefficients of the free ones.
    - `scale`: the positive common denominator.
    - `basic`: the variable of each row.
    - `free`: the variable of each column.
    """

    rows: list[list[int]]
    scale: int
    basic: tuple[int, ...]
    free: tuple[int, ...]

    def value(self, row: int) -> Fraction:
        """What the basic variable of a row is worth."""
        return Fraction(self.rows[row][0], self.scale)


def pivot(tableau: Tableau, row: int, column: int) -> Tableau:
    """The tableau in which the free variable of `column` is basic and that of `row` is free."""
    scale, pivot_row = tableau.scale, tableau.rows[row]
    place = column + 1
    pivot_element = pivot_row[place]
    rows = []
    for index, old in enumerate(tableau.rows):
        if index == row:
            new = pivot_row.copy()
            new[place] = scale
        else:
            factor = old[place]
            if factor:
                new = [
                    (one * pivot_element - factor * other) // scale
                    for one, other in zip(old, pivot_row, strict=True)
                ]
            else:
                new = [one * pivot_element // scale for one in old]
            new[place] = -factor
        rows.append(new if pivot_element > 0 else [-one for one in new])
    basic, free = list(tableau.basic), list(tableau.free)
    basic[row], free[column] = free[column], basic[row]
    return Tableau(rows, abs(pivot_element), tuple(basic), tuple(free))


def leaving_row(tableau: Tableau, column: int, first_basis: Sequence[int]) -> int | None:
    """The row whose variable reaches zero first as the free variable of `column` grows, ties broken
    lexicographically; `None` where none ever does.

    **Arguments:** `first_basis`: the variables whose right-hand sides are perturbed, the most first.
    """
    place = column + 1
    candidates = [i for i, row in enumerate(tableau.rows) if row[place] > 0]
    if not candidates:
        return None
    candidates = _smallest(tableau, place, candidates, [row[0] for row in tableau.rows])
    if len(candidates) == 1:
        return candidates[0]
    columns = {variable: k + 1 for k, variable in enumerate(tableau.free)}
    for variable in first_basis:
        position = columns.get(variable)
        entries = [
            row[position] if position else tableau.scale * (tableau.basic[i] == variable)
            for i, row in enumerate(tableau.rows)
        ]
        candidates = _smallest(tableau, place, candidates, entries)
        if len(candidates) == 1:
            return candidates[0]
    raise AssertionError("the rows of the inverse of a basis differ")


def first_ties(tableau: Tableau, column: int) -> list[int]:
    """All rows whose variables reach zero first as the free variable of `column` grows."""
    place = column + 1
    candidates = [i for i, row in enumerate(tableau.rows) if row[place] > 0]
    return _smallest(tableau, place, candidates, [row[0] for row in tableau.rows])


def _smallest(
    tableau: Tableau, place: int, candidates: list[int], entries: Sequence[int]
) -> list[int]:
    """Those candidates i with the smallest entries[i] / T[i][place]; the latter are positive."""
    kept: list[int] = []
    numerator, denominator = 0, 1
    for i in candidates:
        below = tableau.rows[i][place]
        difference = entries[i] * denominator - numerator * below
        if not kept or difference < 0:
            kept, numerator, denominator = [i], entries[i], below
        elif difference == 0:
            kept.append(i)
    return kept
