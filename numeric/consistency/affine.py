r"""Affine updates of linear-quadratic games, and what the consistency equations are for them.

With $V_i(z) = c_i + b_i^\top z + z^\top Q_i z / 2$ and $u(z) = F z + f$, player j takes its value at
$z' = A_j z + E_j f$, where $E_j$ holds the steps $\eta_k$ of all players but j on its diagonal and
$A_j = I + E_j F$. With $a_j$ those columns of $A_j$ that belong to j, the total derivative is
$a_j^\top (Q_j z' + b_j)$:

$$ F_j = a_j^\top Q_j A_j, \qquad f_j = a_j^\top (Q_j E_j f + b_j). $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Inexact

from resolvent.numeric.consistency.consistent_update import (
    ConsistentUpdate,
    owners,
    ravel,
    split,
)
from resolvent.numeric.quadratic import QuadraticForm

Tree = Any


def respond(
    form: QuadraticForm,
    lookahead: Float[Array, " players"],
    matrix: Inexact[Array, "all all"],
    offset: Inexact[Array, " all"],
) -> tuple[Inexact[Array, "all all"], Inexact[Array, " all"]]:
    """The right-hand sides of the equations: what is best if the others use `matrix` and `offset`."""
    owner = owners(form.shapes)
    each = lookahead[owner]
    rows, rest = [], []
    for j, part in enumerate(form.parts):
        steps = jnp.where(owner == j, 0.0, each)
        moved = jnp.eye(len(owner)) + steps[:, None] * matrix
        own = moved[:, part].T
        rows.append(own @ form.matrices[j] @ moved)
        rest.append(own @ (form.matrices[j] @ (steps * offset) + form.vectors[j]))
    return jnp.concatenate(rows), jnp.concatenate(rest)


class AffineUpdate(ConsistentUpdate):
    """u(z) = F z + f: an affine solution of the consistency equations of a linear-quadratic game.

    **Attributes:**

    - `matrix`, `offset`: F, `(d, d)`, and f, `(d,)`, for all d parameters in one row; complex for a
        complex solution, which no learner can follow.
    - `lookahead`, `shapes`: as of every [`resolvent.numeric.ConsistentUpdate`][].
    - `residual`: the largest entry of what is left of the equations for F and f, over the size of the
        largest of their coefficients and terms.
    - `offsets`: `(d, m)`: f may be moved along any of these m columns, and the equations still hold: m
        above 0 means a family of solutions, of which this is the one with the shortest f.
    - `isolated`: whether the Jacobian of the equations for F is invertible here; where it is not, F
        may belong to a family, or be a multiple root.
    - `analytic`: whether this is the branch that starts at naive learning at step size 0 and is
        continued from there: the limit of higher-order LOLA where that converges.
    """

    matrix: Inexact[Array, "all all"]
    offset: Inexact[Array, " all"]
    lookahead: Float[Array, " players"]
    residual: Float[Array, ""]
    offsets: Inexact[Array, "all family"]
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    isolated: bool = eqx.field(static=True, default=True)
    analytic: bool = eqx.field(static=True, default=False)

    @property
    def is_real(self) -> bool:
        return not jnp.iscomplexobj(self.matrix)

    @property
    def multipliers(self) -> np.ndarray[Any, np.dtype[np.complex128]]:
        """Eigenvalues of I + diag(eta) F: by what a joint step at rates eta multiplies distances;
        learning converges where all are within the unit circle."""
        each = np.asarray(self.lookahead)[owners(self.shapes)]
        matrix = np.asarray(self.matrix)
        return np.linalg.eigvals(np.eye(len(each)) + each[:, None] * matrix).astype(complex)

    def __call__(self, params: Tree) -> tuple[Array, ...]:
        return split(self.matrix @ ravel(params) + self.offset, self.shapes)

    def __repr__(self) -> str:
        marks = ["real" if self.is_real else "complex"]
        marks += ["analytic at step size 0"] * self.analytic
        marks += ["not isolated"] * (not self.isolated)
        family = self.offsets.shape[-1]
        marks += [f"{family}-parameter family of offsets"] * (family > 0)
        return f"AffineUpdate({', '.join(marks)}, residual={float(self.residual):.1e})"
