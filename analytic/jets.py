r"""Derivatives of payoffs, in symbols or at an exact point, for rules that are written once.

A rule of learning is a formula in gradients $\partial V_i / \partial \theta_j$ and mixed second derivatives. Over
`SymbolicPayoffs` it gives its update in symbols; over `PayoffsAt` it works on dual numbers
$a + b \cdot \mathrm{d}z$, which carry the derivatives by all parameters along, and gives the Jacobian of the update at
a point: exactly, also where the formulas in symbols would be far too large to write down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any, Protocol

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix
from sympy.polys.matrices.exceptions import DMNonInvertibleMatrixError

from resolvent.analytic.differentiable import DifferentiableForm

Vector = np.ndarray
"""Of objects: SymPy expressions or dual numbers."""
ZERO = sympy.Integer(0)


class Payoffs(Protocol):
    """What a rule sees. Indices are 0-based players; payoffs are maximised."""

    @property
    def form(self) -> DifferentiableForm: ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of parameters of each player."""
        ...

    def gradient(self, i: int, j: int) -> Vector:
        """The derivative of V_i in the parameters of j, `(d_j,)`."""
        ...

    def second(self, i: int, j: int, k: int) -> Vector:
        """The mixed second derivatives of V_i in the parameters of j and k, `(d_j, d_k)`."""
        ...

    def moved(self, shifts: Sequence[Vector | None]) -> Payoffs:
        """The same where each player's parameters are further by a shift; None is no shift."""
        ...


@dataclass(frozen=True)
class SymbolicPayoffs:
    """Derivatives as formulas in the parameters."""

    form: DifferentiableForm
    replaced: Mapping[Any, Any]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(own) for own in self.form.parameter_symbols)

    def gradient(self, i: int, j: int) -> Vector:
        return self._at(self.form.gradient(i, j))[:, 0]

    def second(self, i: int, j: int, k: int) -> Vector:
        return self._at(self.form.hessian(i, (j, k)))

    def moved(self, shifts: Sequence[Vector | None]) -> SymbolicPayoffs:
        replaced = {
            x: self.replaced.get(x, x) + step
            for own, shift in zip(self.form.parameter_symbols, shifts, strict=True)
            if shift is not None
            for x, step in zip(own, shift, strict=True)
        }
        return SymbolicPayoffs(self.form, {**self.replaced, **replaced})

    def _at(self, matrix: sympy.Matrix) -> Vector:
        found = np.empty(matrix.shape, dtype=object)
        entries: Any = matrix.xreplace(dict(self.replaced)).tolist()
        for r, c in np.ndindex(*matrix.shape):
            found[r, c] = entries[r][c]
        return found


class Dual:
    """A number with its derivatives by all d parameters."""

    __slots__ = ("slope", "value")

    def __init__(self, value: Any, slope: Vector) -> None:
        self.value: Any = value
        self.slope: Vector = slope

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.slope + other.slope)
        return Dual(self.value + other, self.slope)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + -other

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            slope = self.slope * other.value + other.slope * self.value
            return Dual(self.value * other.value, slope)
        return Dual(self.value * other, self.slope * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        return self * (sympy.Integer(1) / other)


class Derivatives:
    """Derivatives of the payoffs of a form at exact points, each worked out once."""

    def __init__(self, form: DifferentiableForm) -> None:
        self.form = form
        self.symbols: list[sympy.Symbol] = [x for own in form.parameter_symbols for x in own]
        self._formulas: dict[tuple[int, tuple[int, ...]], sympy.Expr] = {}

    def __call__(self, i: int, by: Sequence[int], point: tuple[sympy.Expr, ...]) -> sympy.Expr:
        """The derivative of V_i by parameters number `by`, at a point."""
        key = tuple(sorted(by))
        if self._coefficients is not None and not any(point):
            powers = [key.count(k) for k in range(len(point))]
            scale = sympy.Integer(np.prod([factorial(n) for n in powers], dtype=object))
            return scale * self._coefficients[i].get(tuple(powers), ZERO)
        formula = self._formula(i, key)
        return settled(formula.xreplace(dict(zip(self.symbols, point, strict=True))))

    def _formula(self, i: int, by: tuple[int, ...]) -> sympy.Expr:
        if (i, by) not in self._formulas:
            lower = self._formula(i, by[:-1]) if by else None
            own = self.form.values[i] if lower is None else lower.diff(self.symbols[by[-1]])
            self._formulas[i, by] = own
        return self._formulas[i, by]

    @cached_property
    def _coefficients(self) -> list[dict[tuple[int, ...], sympy.Expr]] | None:
        """Of polynomial payoffs: at 0, they are the derivatives."""
        if not all(own.is_polynomial(*self.symbols) for own in self.form.values):
            return None
        return [sympy.Poly(own, *self.symbols).as_dict() for own in self.form.values]


@dataclass(frozen=True)
class PayoffsAt:
    """Derivatives at a point, as dual numbers.

    **Attributes:**

    - `point`: where the payoffs are taken, one number or expression per parameter.
    - `motion`: the derivative of that place by the parameters, `(d, d)`.
    """

    derivatives: Derivatives
    point: tuple[sympy.Expr, ...]
    motion: Vector

    @property
    def form(self) -> DifferentiableForm:
        return self.derivatives.form

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(own) for own in self.derivatives.form.parameter_symbols)

    def gradient(self, i: int, j: int) -> Vector:
        return self._array(i, [self._range(j)])

    def second(self, i: int, j: int, k: int) -> Vector:
        return self._array(i, [self._range(j), self._range(k)])

    def moved(self, shifts: Sequence[Vector | None]) -> PayoffsAt:
        point, motion = list(self.point), self.motion.copy()
        for j, shift in enumerate(shifts):
            if shift is not None:
                for row, step in zip(self._range(j), shift, strict=True):
                    point[row] = settled(point[row] + step.value)
                    motion[row] = motion[row] + step.slope
        return PayoffsAt(self.derivatives, tuple(point), motion)

    def _range(self, j: int) -> range:
        first = sum(self.sizes[:j])
        return range(first, first + self.sizes[j])

    def _array(self, i: int, axes: list[range]) -> Vector:
        found = np.empty([len(own) for own in axes], dtype=object)
        for index in np.ndindex(*found.shape):
            by = [own[k] for own, k in zip(axes, index, strict=True)]
            slope = np.array(
                [self.derivatives(i, [*by, m], self.point) for m in range(len(self.point))],
                dtype=object,
            )
            value = self.derivatives(i, by, self.point)
            found[index] = Dual(value, product(self.motion.T, slope))
        return found


def payoffs_at(form: DifferentiableForm, point: Sequence[sympy.Expr]) -> PayoffsAt:
    """The derivatives of a form's payoffs at a point, one number per parameter."""
    motion = np.full((len(point), len(point)), ZERO, dtype=object)
    np.fill_diagonal(motion, sympy.Integer(1))
    return PayoffsAt(Derivatives(form), tuple(point), motion)


def product(matrix: Vector, vector: Vector) -> Vector:
    """Matrix times vector, of objects; also where there is nothing to add up."""
    found = np.empty(len(matrix), dtype=object)
    for r, row in enumerate(matrix):
        terms = [a * b for a, b in zip(row, vector, strict=True) if not (a is ZERO or b is ZERO)]
        found[r] = sum(terms[1:], terms[0]) if terms else ZERO
    return found


def solve(matrix: Vector, vector: Vector) -> Vector:
    """x of matrix x = vector; for dual numbers with $M_0 x' = b' - M' x_0$."""
    found = np.empty(len(vector), dtype=object)
    if not isinstance(vector[0], Dual):
        found[:] = list(sympy.Matrix(matrix).LUsolve(sympy.Matrix(vector)))
        return found
    value = _each(matrix, _value)
    try:
        inverse = DomainMatrix.from_Matrix(sympy.Matrix(value)).to_field().inv().to_Matrix()
    except DMNonInvertibleMatrixError:
        raise ValueError("at: the rule solves equations that are singular there") from None
    weights = np.array(inverse.tolist(), dtype=object)
    solution = _each(product(weights, _each(vector, _value)), settled)
    rest = vector - product(matrix, solution)
    slopes = product_rows(weights, np.array([own.slope for own in rest], dtype=object))
    for k in range(len(vector)):
        found[k] = Dual(solution[k], slopes[k])
    return found


def product_rows(left: Vector, right: Vector) -> Vector:
    """Matrix times matrix, of objects."""
    return np.stack([product(left, column) for column in right.T], axis=1)


def settled(number: Any) -> sympy.Expr:
    """An exact number, or a rational function of step sizes, in a simple form."""
    expression = sympy.sympify(number)
    if expression.is_Rational or expression.is_Symbol:
        return expression
    if expression.free_symbols:
        return sympy.cancel(sympy.together(expression))
    expanded = sympy.expand(expression)
    return expanded if expanded.is_Rational else sympy.simplify(expanded)


def _value(number: Any) -> Any:
    return number.value if isinstance(number, Dual) else number


def _each(array: Vector, function: Callable[[Any], Any]) -> Vector:
    found = np.empty(array.shape, dtype=object)
    for index in np.ndindex(*array.shape):
        found[index] = function(array[index])
    return found
