r"""Linear programs over the rationals, with a proof where there is no solution.

Farkas: $\{x \ge 0 : Mx \le b\}$ is empty if and only if some $y \ge 0$ has $y'M \ge 0$ and $y'b < 0$, since then
$0 \le y'Mx \le y'b < 0$. The simplex method is SymPy's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Vector = tuple[Fraction, ...]


@dataclass(frozen=True)
class Farkas:
    """A proof that no x >= 0 has M x <= b; `check` goes through it again.

    **Attributes:**

    - `unknowns`: what the entries of x stand for.
    - `matrix`: M, by rows.
    - `right`: b.
    - `multipliers`: y.
    """

    unknowns: tuple[str, ...]
    matrix: tuple[Vector, ...]
    right: Vector
    multipliers: Vector

    def check(self) -> bool:
        """Whether y >= 0, y'M >= 0 and y'b < 0."""
        y = self.multipliers
        columns = zip(*self.matrix, strict=True)
        return (
            all(own >= 0 for own in y)
            and all(dot(y, column) >= 0 for column in columns)
            and dot(y, self.right) < 0
        )


def feasible(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> Vector | None:
    """Some x >= 0 with M x <= b; None where there is none."""
    # Of M x <= t b with 0 <= t <= 1 the largest t, which is 1 or 0; x = 0, t = 0 is where to begin.
    rows = [[*row, -b] for row, b in zip(matrix, right, strict=True)]
    width = len(rows[0])
    last = [Fraction(int(k == width - 1)) for k in range(width)]
    found = maximise(last, [*rows, last], [*(Fraction(0) for _ in rows), Fraction(1)])
    if found is None:
        raise ArithmeticError("expected a program with a bound")
    return None if found[-1] == 0 else tuple(x / found[-1] for x in found[:-1])


def refute(
    unknowns: Sequence[str], matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]
) -> Farkas:
    """The proof that no x >= 0 has M x <= b; to be called where there is none."""
    flipped = [[-m for m in column] for column in zip(*matrix, strict=True)]
    least = [-b for b in right]
    y = maximise(least, [*flipped, least], [*(Fraction(0) for _ in flipped), Fraction(1)])
    proof = Farkas(tuple(unknowns), tuple(map(tuple, matrix)), tuple(right), y or ())
    if not y or not proof.check():
        raise ValueError("expected a system without solution, got one that has some")
    return proof


def least_cost(
    cost: Sequence[Fraction], matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]
) -> Fraction | None:
    """The least cost, at least 0 for each unknown, of x >= 0 with M x <= b; None where there is no such x.

    It is the largest -b'y of y >= 0 with -M'y <= cost, and is had: both sides of the duality are checked.
    """
    flipped = [[-m for m in column] for column in zip(*matrix, strict=True)]
    y = maximise([-b for b in right], flipped, cost)
    if y is None:
        return None
    value = -dot(y, right)
    if feasible([*matrix, cost], [*right, value]) is None:
        raise ArithmeticError("expected the values of a program and of its dual to agree")
    return value


def maximise(
    gain: Sequence[Fraction], matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]
) -> Vector | None:
    """The x >= 0 of largest gain with M x <= b, for b >= 0; None where the gain has no bound.

    x = 0 is where to begin: the first phase of SymPy's simplex method (1.14), which looks for such an x,
    has returned x that do not satisfy the constraints.
    """
    from sympy.solvers.simplex import UnboundedLPError, linprog

    try:
        _, found = linprog(
            [_sympy(-c) for c in gain],
            A=[[_sympy(m) for m in row] for row in matrix],
            b=[_sympy(b) for b in right],
        )
    except UnboundedLPError:
        return None
    x = tuple(Fraction(str(own)) for own in found)  # SymPy mixes int and Rational
    if any(own < 0 for own in x) or any(
        dot(row, x) > b for row, b in zip(matrix, right, strict=True)
    ):
        raise ArithmeticError("expected the simplex method to keep to its constraints")
    return x


def dot(left: Sequence[Fraction], right: Sequence[Fraction]) -> Fraction:
    """The inner product."""
    return sum((a * b for a, b in zip(left, right, strict=True)), Fraction(0))


def _sympy(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)
