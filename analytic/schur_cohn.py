r"""When all eigenvalues of a matrix of rational functions lie inside the unit circle, exactly.

For $f(\lambda) = a_n \lambda^n + \dots + a_0$ with coefficients that depend on step sizes,

- all roots have $|\lambda| < 1$ if and only if (Jury 1971, *Inners and stability of dynamic systems*; Schur 1917, Cohn
  1922)

$$ a_n f(1) > 0, \qquad (-1)^n a_n f(-1) > 0, \qquad
   a_n^k \det (X_k \pm Y_k) > 0 \text{ for } k = n - 1, n - 3, \dots, \ge 1, $$

  with $X_k$, $Y_k$ the central blocks of the triangular matrices of $(a_n, \dots, a_2)$ and $(a_{n-2}, \dots, a_0)$;
- roots cross the circle at 1, at -1, or as a pair with product 1, so only where $f(1)$, $f(-1)$ or the last

$$ \det (X_{n-1} - Y_{n-1}) = a_n^{n-1} \prod_{i < j} (1 - \lambda_i \lambda_j) $$

  is 0, or where $a_n$ is; and *at* these there is a root with $|\lambda| \ge 1$.

So the boundary of the set of stable step sizes is among the zeros of four polynomials, none of which belong to it, and
between two of them one number decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm
from typing import Any

import flint
import sympy

from resolvent.analytic.number_field import Coefficients, Field, factors, field_of

LAMBDA = sympy.Symbol("lambda")
"""The variable of characteristic polynomials."""


@dataclass(frozen=True)
class Factor:
    """A factor of the characteristic polynomial.

    **Attributes:**

    - `field`: the algebraic numbers in its coefficients.
    - `unknowns`: the step sizes.
    - `coefficients`: $a_0, \\dots, a_n$, polynomials (`flint.fmpq_mpoly`) in the eigenvalue, the
        unknowns and theta.
    - `multiplicity`: how often it divides.
    """

    field: Field
    unknowns: tuple[sympy.Symbol, ...]
    coefficients: tuple[Any, ...]
    multiplicity: int

    @property
    def degree(self) -> int:
        return len(self.coefficients) - 1

    @cached_property
    def at_one(self) -> Any:
        """f(1)."""
        return self._reduced(sum(self.coefficients[1:], self.coefficients[0]))

    @cached_property
    def at_minus_one(self) -> Any:
        """f(-1)."""
        signed = [a if k % 2 == 0 else -a for k, a in enumerate(self.coefficients)]
        return self._reduced(sum(signed[1:], signed[0]))

    @cached_property
    def pairs(self) -> Any | None:
        """det(X - Y), zero where the product of two roots is 1; None for fewer than two roots."""
        return self.inner(self.degree - 1, -1) if self.degree > 1 else None

    @property
    def critical(self) -> Iterator[Any]:
        """The polynomials among whose zeros all changes are."""
        yield self._reduced(self.coefficients[-1])
        yield self.at_one
        yield self.at_minus_one
        if self.pairs is not None:
            yield self.pairs

    def inner(self, k: int, sign: int) -> Any:
        """det(X_k + sign Y_k)."""
        a, n = self.coefficients, self.degree
        zero = a[0] - a[0]
        first = (n - 1 - k) // 2  # the central block of the whole matrices, of size n - 1
        block = range(first, first + k)
        rows = [
            [
                (a[n - (c - r)] if c >= r else zero)
                + sign * (a[n - 2 - r - c] if r + c <= n - 2 else zero)
                for c in block
            ]
            for r in block
        ]
        return self._reduced(determinant(rows))

    @cached_property
    def conditions(self) -> tuple[Any, ...]:
        """What must be positive, as polynomials."""
        n, last = self.degree, self.coefficients[-1]
        found = [last * self.at_one, (-last if n % 2 else last) * self.at_minus_one]
        for k in range(n - 1, 0, -2):
            for sign in (1, -1):
                own = self.inner(k, sign)
                found.append(own * last if k % 2 else own)
        return tuple(map(self._reduced, found))

    @property
    def never(self) -> bool:
        """Whether a root is on the circle or outside for all step sizes."""
        return any(own == 0 for own in self.critical)

    def expression(self, polynomial: Any) -> sympy.Expr:
        """A polynomial of this factor in SymPy."""
        return as_expression(polynomial, self.unknowns, self.field)

    def numbers(self, at: Sequence[Fraction]) -> list[Any]:
        """The coefficients at step sizes, as polynomials in theta (`flint.fmpq_poly`)."""
        return [evaluated(own, at) % self.field.modulus for own in self.coefficients]

    def stable(self, at: Sequence[Fraction]) -> bool:
        """Whether all roots are inside the circle at these step sizes, exactly."""
        return inside(self.numbers(at), self.field)

    def _reduced(self, polynomial: Any) -> Any:
        return reduced(polynomial, self.field)


@dataclass(frozen=True)
class Characteristic:
    """The characteristic polynomial of a matrix, factored.

    **Attributes:**

    - `factors`: all but those that are free of the eigenvalue.
    - `denominator`: where it is 0, the matrix is not defined.
    """

    field: Field
    unknowns: tuple[sympy.Symbol, ...]
    factors: tuple[Factor, ...]
    denominator: Any

    @property
    def expr(self) -> sympy.Expr:
        """It in SymPy, up to a factor without `lambda`."""
        return sympy.Mul(
            *(own.expression(_joined(own)) ** own.multiplicity for own in self.factors)
        )

    def without_one(self) -> tuple[Characteristic, int]:
        """The same without the eigenvalues that are 1 at all step sizes, and how many these are."""
        rest = tuple(own for own in self.factors if not (own.degree == 1 and own.at_one == 0))
        removed = sum(own.multiplicity for own in self.factors if own not in rest)
        return Characteristic(self.field, self.unknowns, rest, self.denominator), removed

    @property
    def never(self) -> bool:
        return any(own.never for own in self.factors)

    def defined(self, at: Sequence[Fraction]) -> bool:
        """Whether the matrix is defined at these step sizes."""
        return self.field.sign(evaluated(self.denominator, at)) != 0

    def stable(self, at: Sequence[Fraction]) -> bool:
        """Whether all eigenvalues are inside the circle, exactly; where it is defined."""
        return all(own.stable(at) for own in self.factors)


def characteristic(matrix: sympy.MatrixBase, unknowns: Sequence[sympy.Symbol]) -> Characteristic:
    """The characteristic polynomial of a matrix of rational functions with algebraic numbers.

    **Raises:** `ValueError` for other entries.
    """
    names = tuple(unknowns)
    entries: list[Any] = [sympy.sympify(own) for row in matrix.tolist() for own in row]
    field = field_of(entries)
    context = flint.fmpq_mpoly_ctx.get(
        (str(LAMBDA), *(f"t{k}" for k in range(len(names))), "theta"), flint.Ordering.lex
    )
    quotients = [_quotient(own, names, field, context) for own in entries]
    denominator = context.from_dict({(0,) * (len(names) + 2): 1})
    for _, own in quotients:
        denominator = denominator * own / denominator.gcd(own)
    size, eigenvalue = matrix.rows, context.gens()[0]
    rows = [
        [
            (eigenvalue * denominator if r == c else 0 * denominator)
            - quotients[r * size + c][0] * (denominator / quotients[r * size + c][1])
            for c in range(size)
        ]
        for r in range(size)
    ]
    whole = reduced(determinant(rows), field)
    _, found = whole.factor()
    split = tuple(
        Factor(field, names, _by_eigenvalue(own, context), int(times))
        for own, times in found
        if own.degrees()[0] > 0
    )
    return Characteristic(field, names, split, reduced(denominator, field))


def determinant(rows: Sequence[Sequence[Any]]) -> Any:
    """Of a matrix of polynomials, by elimination without fractions (Bareiss 1968)."""
    left = [list(row) for row in rows]
    size, sign, previous = len(left), 1, None
    for k in range(size - 1):
        pivot = next((r for r in range(k, size) if left[r][k] != 0), None)
        if pivot is None:
            return left[0][0] - left[0][0]
        if pivot != k:
            left[k], left[pivot], sign = left[pivot], left[k], -sign
        for r in range(k + 1, size):
            for c in range(k + 1, size):
                entry = left[r][c] * left[k][k] - left[r][k] * left[k][c]
                left[r][c] = entry if previous is None else entry / previous
        previous = left[k][k]
    return sign * left[-1][-1]


def inside(coefficients: Sequence[Any], field: Field) -> bool:
    r"""Whether all roots of a polynomial are inside the unit circle, by the recursion of Schur and Cohn:
    $|a_0| < |a_n|$, and the same of $(a_n f - a_0 f^*) / \lambda$, where f* has the coefficients reversed.

    **Arguments:** `coefficients`: from the constant up, as polynomials in theta.
    """
    a = list(coefficients)
    while a and a[-1] == 0:
        a.pop()
    if len(a) != len(coefficients):  # a root at infinity
        return False
    while len(a) > 1:
        if field.sign(a[-1] * a[-1] - a[0] * a[0]) <= 0:
            return False
        n = len(a) - 1
        a = _primitive([(a[n] * a[k + 1] - a[0] * a[n - 1 - k]) % field.modulus for k in range(n)])
    return True


def _primitive(row: list[Any]) -> list[Any]:
    """The same row over its rational content, which would double its digits at each step."""
    numbers = [c for own in row for c in own.coeffs() if c != 0]
    if not numbers:
        return row
    over = lcm(*(int(c.q) for c in numbers))
    content = gcd(*(int(c.p) * (over // int(c.q)) for c in numbers))
    return [own * flint.fmpq(over, content) for own in row]


def norm_factors(polynomial: Any, field: Field) -> tuple[Coefficients, ...]:
    """The irreducible factors, over the rationals, of the norm of a polynomial in one unknown."""
    variable = 1
    context = polynomial.context()
    if field.degree > 1 and polynomial.degrees()[-1] > 0:
        modulus = context.from_dict(
            {
                (0,) * (polynomial.context().nvars() - 1) + (k,): c
                for k, c in enumerate(field.root.polynomial)
            }
        )
        polynomial = polynomial.resultant(modulus, "theta")
    degree = polynomial.degrees()[variable]
    row = [flint.fmpq(0)] * (degree + 1)
    for powers, c in polynomial.to_dict().items():
        row[powers[variable]] += c
    return factors(flint.fmpq_poly(row))


def by_unknown(polynomial: Any) -> list[Any]:
    """A polynomial in one unknown as its coefficients, polynomials in theta over the integers."""
    rows: dict[int, dict[int, Any]] = {}
    for powers, c in polynomial.to_dict().items():
        rows.setdefault(powers[1], {})[powers[2]] = c
    over = lcm(1, *(int(c.q) for own in rows.values() for c in own.values()))
    return [
        flint.fmpz_poly(
            [
                int((rows[k].get(m, flint.fmpq(0)) * over).p)
                for m in range(max(rows.get(k, {0: 0})) + 1)
            ]
            if k in rows
            else []
        )
        for k in range(max(rows) + 1)
    ]


def reduced(polynomial: Any, field: Field) -> Any:
    """The same with powers of theta below the degree of the field."""
    if polynomial == 0 or polynomial.degrees()[-1] < field.degree:
        return polynomial
    parts: dict[tuple[int, ...], dict[int, Any]] = {}
    for powers, c in polynomial.to_dict().items():
        parts.setdefault(tuple(powers[:-1]), {})[powers[-1]] = c
    found = {}
    for powers, own in parts.items():
        row = flint.fmpq_poly([own.get(k, 0) for k in range(max(own) + 1)]) % field.modulus
        found |= {(*powers, k): c for k, c in enumerate(row.coeffs()) if c != 0}
    return polynomial.context().from_dict(found)


def evaluated(polynomial: Any, at: Sequence[Fraction]) -> Any:
    """A polynomial without eigenvalue at step sizes: what is left is one in theta."""
    row: dict[int, Any] = {}
    numbers = [flint.fmpq(own.numerator, own.denominator) for own in at]
    for powers, c in polynomial.to_dict().items():
        for own, power in zip(numbers, powers[1:-1], strict=True):
            c = c * own ** int(power)
        row[powers[-1]] = row.get(powers[-1], flint.fmpq(0)) + c
    return flint.fmpq_poly([row.get(k, 0) for k in range(max(row, default=0) + 1)])


def as_expression(polynomial: Any, unknowns: Sequence[sympy.Symbol], field: Field) -> sympy.Expr:
    """A polynomial in SymPy."""
    symbols = (LAMBDA, *unknowns, field.generator)
    return sympy.Add(
        *(
            sympy.Rational(int(c.p), int(c.q))
            * sympy.Mul(*(x ** int(k) for x, k in zip(symbols, powers, strict=True)))
            for powers, c in polynomial.to_dict().items()
        )
    )


def _quotient(
    entry: sympy.Expr, unknowns: Sequence[sympy.Symbol], field: Field, context: Any
) -> tuple[Any, Any]:
    """Numerator and denominator of an entry as polynomials."""
    if unknown := entry.free_symbols - set(unknowns):
        names = ", ".join(sorted(map(str, unknown)))
        raise ValueError(f"matrix: expected no symbols but the unknowns, got {names}")
    parts = sympy.fraction(sympy.together(entry.xreplace(field.replacements)))
    numerator, denominator = (_polynomial(own, unknowns, field, context) for own in parts)
    if denominator == 0:
        raise ValueError(f"matrix: expected finite entries, got {entry}")
    common = numerator.gcd(denominator)
    return numerator / common, denominator / common


def _polynomial(
    expression: sympy.Expr, unknowns: Sequence[sympy.Symbol], field: Field, context: Any
) -> Any:
    terms = sympy.Poly(expression, *unknowns, field.symbol).as_dict()
    return reduced(
        context.from_dict(
            {(0, *powers): flint.fmpq(int(c.p), int(c.q)) for powers, c in terms.items()}
        ),
        field,
    )


def _by_eigenvalue(polynomial: Any, context: Any) -> tuple[Any, ...]:
    """The coefficients of the powers of the eigenvalue."""
    parts: list[dict[tuple[int, ...], Any]] = [{} for _ in range(polynomial.degrees()[0] + 1)]
    for powers, c in polynomial.to_dict().items():
        parts[powers[0]][(0, *powers[1:])] = c
    return tuple(map(context.from_dict, parts))


def _joined(factor: Factor) -> Any:
    eigenvalue = factor.coefficients[0].context().gens()[0]
    parts = [a * eigenvalue**k for k, a in enumerate(factor.coefficients)]
    return sum(parts[1:], parts[0])
