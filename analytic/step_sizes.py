r"""The exact set of step sizes for which a fixed point is stable.

An update map F with a fixed point is stable there if the spectral radius of its Jacobian dF is below 1. With dF
rational in one step size, the set of stable ones is a union of open intervals, whose end points are algebraic numbers:
zeros of the Jury conditions of the characteristic polynomial (see `resolvent.analytic.schur_cohn`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import inf
from typing import Any

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix

from resolvent.analytic.number_field import (
    RealRoot,
    algebraic,
    as_fraction,
    between,
    compare,
    rational_root,
    roots_of,
    vanishes,
)
from resolvent.analytic.schur_cohn import (
    LAMBDA,
    Characteristic,
    by_unknown,
    characteristic,
    norm_factors,
)
from resolvent.games.expressions import smooth

Bound = RealRoot | None
"""An end point; None where there is none."""
Entries = Callable[..., Sequence[Any]]


@dataclass(frozen=True)
class StepSizes:
    """The exact set of one step size for which a fixed point is stable.

    **Attributes:**

    - `symbol`: the step size.
    - `matrix`: the Jacobian of the update map, `(d, d)`.
    - `intervals`: the set, as open intervals, ascending: pairs of exact SymPy numbers (rational, in
        radicals where quadratic, `CRootOf` elsewhere, or `oo`). `()` where no step size is stable.
    - `over`: the pair of bounds within which step sizes were looked for.
    - `removed`: how many eigenvalues that are 1 at every step size were left out (see `transverse` of
        [`resolvent.analytic.step_sizes`][]).
    - `unit`: how many there are that were not left out; with one, no step size is stable.
    """

    symbol: sympy.Symbol
    matrix: sympy.ImmutableMatrix
    over: tuple[sympy.Expr, sympy.Expr]
    removed: int
    unit: int
    _ends: tuple[tuple[Bound, Bound], ...] = field(repr=False)
    _characteristic: Characteristic = field(repr=False, compare=False)

    @cached_property
    def intervals(self) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
        return tuple(
            (-sympy.oo if low is None else low.expr, sympy.oo if high is None else high.expr)
            for low, high in self._ends
        )

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """The intervals in floating point: quick, where exact end points of high degree are not."""
        return tuple(
            (-inf if low is None else float(low), inf if high is None else float(high))
            for low, high in self._ends
        )

    @property
    def set(self) -> sympy.Set:
        """The set as a SymPy set of reals."""
        return sympy.Union(*(sympy.Interval.open(*own) for own in self.intervals))

    @property
    def characteristic(self) -> sympy.Expr:
        """The characteristic polynomial in `lambda`, up to a factor without it, in factors; without the
        eigenvalues that were left out."""
        return self._characteristic.expr

    @property
    def conditions(self) -> tuple[sympy.Expr, ...]:
        """The Jury conditions: the set is where all of these are positive."""
        return conditions_of(self._characteristic)

    def contains(self, x: Any) -> bool:
        """Whether a step size is stable, exactly: an end point is not.

        **Arguments:** `x`: an exact real algebraic number, read as in [`resolvent.games.exact`][]
            (floats at their shortest decimal form), or a SymPy number.
        """
        known = isinstance(x, sympy.CRootOf) or (isinstance(x, sympy.Expr) and x.has(sympy.CRootOf))
        number = x if known else smooth(x, "x")
        if not number.is_number or number.is_finite is False:
            raise ValueError(f"x: expected a number, got {x!r}")
        root = algebraic(number)
        return any(
            (low is None or compare(low, root) < 0) and (high is None or compare(root, high) < 0)
            for low, high in self._ends
        )

    def radius(self, x: float) -> float:
        """The spectral radius at a step size, in floating point, without the eigenvalues left out."""
        return float(self._radii(np.array([float(x)]))[0])

    def _radii(self, x: np.ndarray) -> np.ndarray:
        return radii(self._entries, self.matrix.rows, self.removed, (x,))

    @cached_property
    def _entries(self) -> Entries:
        return compiled(self.matrix, (self.symbol,))

    def plot(self, ax: Any = None, points: int = 400) -> Any:
        """The spectral radius over the step size, with the stable intervals shaded.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `points`: of the curve.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        low, high = self._window()
        x = np.linspace(low, high, points + 2)[1:-1]
        ax.plot(x, self._radii(x), color="C0")
        for left, right in self.bounds:
            ax.axvspan(max(left, low), min(right, high), alpha=0.2, color="C2")
        ax.axhline(1, color="0.5", linewidth=0.8)
        ax.set(xlim=(low, high), xlabel=f"${sympy.latex(self.symbol)}$", ylabel="spectral radius")
        return ax

    def _window(self) -> tuple[float, float]:
        """What is drawn: all end points, and half as much again."""
        ends = [own for pair in self.bounds for own in pair if abs(own) < inf]
        low = float(self.over[0]) if self.over[0].is_finite else min([*ends, 0.0]) - 1
        reach = max((abs(own - low) for own in ends), default=0.0) or 1.0
        return low, float(self.over[1]) if self.over[1].is_finite else low + 1.5 * reach

    def __str__(self) -> str:
        whole = f"{self.symbol} in ({self.over[0]}, {self.over[1]})"
        left_out = f", {self.removed} eigenvalue(s) 1 left out" if self.removed else ""
        if not self._ends:
            why = (
                f": {self.unit} eigenvalue(s) are 1 at every step size (a continuum of fixed points? "
                "transverse=True leaves them out)"
                if self.unit
                else ""
            )
            return f"stable for no {whole}{left_out}{why}"
        parts = [
            f"{'-oo' if low is None else low} < {self.symbol} < {'oo' if high is None else high}"
            for low, high in self._ends
        ]
        return f"stable for {' or '.join(parts)}, of {whole}{left_out}"


def step_sizes(
    matrix: sympy.MatrixBase,
    symbol: sympy.Symbol | None = None,
    *,
    over: tuple[Any, Any] = (0, sympy.oo),
    transverse: bool = False,
) -> StepSizes:
    """The exact set of a step size for which a matrix has all eigenvalues inside the unit circle.

    **Arguments:**

    - `matrix`: the Jacobian of an update map at a fixed point (`UpdateMap.jacobian`), square, of
        rational functions of the step size whose numbers are algebraic.
    - `symbol`: the step size; by default the only symbol in it.
    - `over`: the open interval that is looked at, of rational bounds or infinities.
    - `transverse`: leave out eigenvalues that are 1 at every step size. Where fixed points form a
        line or surface (tandem), these belong to moves along it, and the others decide whether the
        iteration comes to rest on it.

    **Returns:** a [`resolvent.analytic.StepSizes`][]. It is exact: nothing is computed in floating point.

    **Raises:** `ValueError` where the matrix is not square, has several symbols, or numbers that are
        not algebraic.
    """
    checked = square(matrix)
    known: list[Any] = sorted(checked.free_symbols, key=str)
    if symbol is None:
        if len(known) != 1:
            names = ", ".join(map(str, known)) or "none"
            raise ValueError(
                f"symbol: expected a matrix with one symbol, or to be told which, got {names}; "
                "for two step sizes use step_region"
            )
        (symbol,) = known
    assert symbol is not None
    low, high = (_bound(own, k) for k, own in enumerate(over))
    whole = characteristic(checked, [symbol])
    rest, count = whole.without_one()
    bounds = _read_bound(over[0], 0), _read_bound(over[1], 1)
    if transverse:
        check_semisimple(checked, count)
    used = rest if transverse else whole
    ends = () if used.never else _stable_cells(used, low, high)
    removed, unit = (count, 0) if transverse else (0, count)
    return StepSizes(symbol, checked, bounds, removed, unit, ends, used)


def _stable_cells(own: Characteristic, low: Bound, high: Bound) -> tuple[tuple[Bound, Bound], ...]:
    """The stable ones of the open intervals between all points where stability could change."""
    inner = [
        root
        for root in _critical_points(own)
        if (low is None or compare(low, root) < 0) and (high is None or compare(root, high) < 0)
    ]
    ends = [low, *inner, high]
    return tuple(
        (left, right)
        for left, right in zip(ends, ends[1:], strict=False)
        if own.stable([between(left, right)])
    )


def _critical_points(own: Characteristic) -> list[RealRoot]:
    """Real zeros of the critical polynomials and of the denominator.

    Over an algebraic field the zeros are among those of the norm, where conjugate points have theirs
    too; those that are not zeros here are dropped.
    """
    found: dict[RealRoot, None] = {}
    for polynomial in [own.denominator, *(g for f in own.factors for g in f.critical)]:
        candidates = roots_of(norm_factors(polynomial, own.field))
        if own.field.degree > 1 and candidates:
            row = by_unknown(polynomial)
            candidates = [root for root in candidates if vanishes(row, own.field, root)]
        found |= dict.fromkeys(candidates)
    return sorted(found)


def conditions_of(own: Characteristic) -> tuple[sympy.Expr, ...]:
    shown: list[Any] = [sympy.factor(f.expression(g)) for f in own.factors for g in f.conditions]
    return tuple(dict.fromkeys(g for g in shown if not g.is_positive))


def compiled(matrix: sympy.ImmutableMatrix, symbols: Sequence[sympy.Symbol]) -> Entries:
    """The entries of a matrix, row by row, as a NumPy function of the step sizes."""
    return sympy.lambdify(symbols, [entry for row in matrix.tolist() for entry in row], "numpy")


def radii(entries: Entries, size: int, removed: int, at: Sequence[np.ndarray]) -> np.ndarray:
    """Spectral radii at many step sizes, in floating point, without the `removed` eigenvalues nearest to
    1; infinite at poles."""
    with np.errstate(all="ignore"):
        values = entries(*at)
    table = np.stack([np.broadcast_to(v, at[0].shape).astype(float) for v in values], axis=-1)
    table = table.reshape(*at[0].shape, size, size)
    finite = np.isfinite(table).all(axis=(-2, -1))
    eigenvalues = np.linalg.eigvals(table[finite])
    order = np.argsort(np.abs(eigenvalues - 1), axis=-1)[..., removed:]
    left = np.abs(np.take_along_axis(eigenvalues, order, axis=-1))
    found = np.full(at[0].shape, np.inf)
    found[finite] = left.max(axis=-1, initial=0.0)
    return found


def square(matrix: sympy.MatrixBase) -> sympy.ImmutableMatrix:
    if not isinstance(matrix, sympy.MatrixBase) or matrix.rows != matrix.cols or not matrix.rows:
        shape = getattr(matrix, "shape", type(matrix).__name__)
        raise ValueError(f"matrix: expected a square SymPy matrix, got {shape}")
    if LAMBDA in matrix.free_symbols:
        raise ValueError("matrix: expected no symbol named lambda, which is the eigenvalue's")
    return sympy.ImmutableMatrix(matrix)


def check_semisimple(matrix: sympy.ImmutableMatrix, count: int) -> None:
    """Eigenvalues 1 without eigenvectors of their own are a drift, not a line of fixed points."""
    rest = DomainMatrix.from_Matrix(matrix - sympy.eye(matrix.rows)).to_field()
    vectors = matrix.rows - rest.rank()
    if vectors != count:
        raise ValueError(
            f"transverse: expected as many eigenvectors as eigenvalues 1, got {vectors} of {count}: "
            "along these the iteration drifts"
        )


def _bound(value: Any, k: int) -> Bound:
    number = _read_bound(value, k)
    return None if number.is_infinite else rational_root(rational(number, f"over[{k}]"))


def _read_bound(value: Any, k: int) -> sympy.Expr:
    """A bound, of which text is read by the language of games and never evaluated."""
    infinities: tuple[sympy.Expr, ...] = (sympy.S.Infinity, sympy.S.NegativeInfinity)
    for infinity in infinities:
        if not isinstance(value, str) and value == infinity:
            return infinity
    return smooth(value, f"over[{k}]")


def rational(value: Any, name: str) -> Fraction:
    number = smooth(value, name)
    if not number.is_Rational:
        raise ValueError(f"{name}: expected a rational number, got {value!r}")
    return as_fraction(number)


def axes(ax: Any) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax
