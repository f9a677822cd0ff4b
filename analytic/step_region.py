r"""The exact set of several step sizes, one per player say, for which a fixed point is stable.

The Jury conditions of the Jacobian's characteristic polynomial (see `resolvent.analytic.schur_cohn`) are polynomials in
the step sizes: the set is a region between algebraic curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy

from resolvent.analytic.schur_cohn import Characteristic, as_expression, characteristic
from resolvent.analytic.step_sizes import (
    StepSizes,
    axes,
    check_semisimple,
    compiled,
    conditions_of,
    radii,
    rational,
    square,
    step_sizes,
)
from resolvent.games.expressions import smooth


@dataclass(frozen=True)
class StepRegion:
    """The exact set of two step sizes (or more) for which a fixed point is stable.

    **Attributes:**

    - `symbols`: the step sizes.
    - `matrix`: the Jacobian of the update map, `(d, d)`.
    - `removed`: how many eigenvalues that are 1 at all step sizes were left out.
    """

    symbols: tuple[sympy.Symbol, ...]
    matrix: sympy.ImmutableMatrix
    removed: int
    _characteristic: Characteristic = field(repr=False, compare=False)

    @property
    def characteristic(self) -> sympy.Expr:
        """The characteristic polynomial in `lambda`, up to a factor without it, in factors."""
        return self._characteristic.expr

    @property
    def conditions(self) -> tuple[sympy.Expr, ...]:
        """The Jury conditions: the set is where all of these are positive (and the matrix is
        defined)."""
        return conditions_of(self._characteristic)

    @property
    def boundary(self) -> tuple[sympy.Expr, ...]:
        """Polynomials, in factors, among whose zeros the boundary lies; none of them is stable."""
        own = self._characteristic
        found = [own.denominator, *(each for factor in own.factors for each in factor.critical)]
        shown = [sympy.factor(as_expression(each, self.symbols, own.field)) for each in found]
        return tuple(dict.fromkeys(each for each in shown if each.free_symbols))

    def contains(self, *x: Any) -> bool:
        """Whether step sizes are stable, exactly.

        **Arguments:** `x`: one rational number per symbol, read as in [`resolvent.games.exact`][].
        """
        if len(x) != len(self.symbols):
            raise ValueError(f"x: expected one number for each of {self.symbols}, got {len(x)}")
        at = [rational(own, f"x[{k}]") for k, own in enumerate(x)]
        own = self._characteristic
        return own.defined(at) and own.stable(at)

    def slice(
        self, mapping: Mapping[Any, object], over: tuple[Any, Any] = (0, sympy.oo)
    ) -> StepSizes:
        """The stable values of one step size where the others are given.

        **Arguments:**

        - `mapping`: symbols, or their names, of all step sizes but one to numbers, or to multiples of
            the one that is left.
        - `over`: bounds for it.
        """
        by_name = {own.name: own for own in self.symbols}
        replaced = {}
        for key, value in mapping.items():
            name = getattr(key, "name", key)
            if name not in by_name:
                raise ValueError(f"mapping: expected some of {', '.join(by_name)}, got {key}")
            replaced[by_name[name]] = smooth(value, f"the value of {name}")
        left = [own for own in self.symbols if own not in replaced]
        if len(left) != 1:
            raise ValueError(f"mapping: expected all step sizes but one, got {len(replaced)}")
        matrix = self.matrix.xreplace(replaced)
        return step_sizes(matrix, left[0], over=over, transverse=self.removed > 0)

    def plot(self, ax: Any = None, over: Sequence[tuple[float, float]] | None = None) -> Any:
        """The region, shaded, with the spectral radius as contours, over two step sizes.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `over`: a pair of bounds per
            step size; default: (0, 1) each.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        if len(self.symbols) != 2:
            raise ValueError(f"expected two step sizes to plot, got {len(self.symbols)}; use slice")
        ax = axes(ax)
        bounds = [(0.0, 1.0)] * 2 if over is None else over
        x, y = (np.linspace(low, high, 122)[1:-1] for low, high in bounds)
        grid = np.meshgrid(x, y)
        sizes = radii(compiled(self.matrix, self.symbols), self.matrix.rows, self.removed, grid)
        ax.contourf(*grid, sizes, levels=[0, 1], colors=["C2"], alpha=0.3)
        ax.contour(*grid, sizes, levels=[0.25, 0.5, 0.75, 1, 1.5, 2], colors="0.4", linewidths=0.6)
        labels = [f"${sympy.latex(own)}$" for own in self.symbols]
        ax.set(xlim=bounds[0], ylim=bounds[1], xlabel=labels[0], ylabel=labels[1])
        return ax

    def __str__(self) -> str:
        lines = [f"stable for {', '.join(map(str, self.symbols))} where all of these are positive:"]
        lines += [f"  {own}" for own in self.conditions]
        if self.removed:
            lines.append(f"{self.removed} eigenvalue(s) 1 left out")
        return "\n".join(lines)


def step_region(
    matrix: sympy.MatrixBase,
    symbols: Sequence[sympy.Symbol] | None = None,
    *,
    transverse: bool = False,
) -> StepRegion:
    """The exact set of several step sizes for which a matrix has all eigenvalues inside the unit circle,
    as polynomial inequalities.

    **Arguments:** as for [`resolvent.analytic.step_sizes`][]; `symbols`: the step sizes, by default all symbols
        of the matrix, by name.

    **Returns:** a [`resolvent.analytic.StepRegion`][]; its `slice` solves for one step size.
    """
    checked = square(matrix)
    known: Any = sorted(checked.free_symbols, key=str) if symbols is None else symbols
    whole = characteristic(checked, tuple(known))
    rest, count = whole.without_one()
    if transverse:
        check_semisimple(checked, count)
    used, removed = (rest, count) if transverse else (whole, 0)
    return StepRegion(tuple(known), checked, removed, used)
