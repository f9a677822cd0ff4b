r"""Functions on a box as tensor Chebyshev polynomials: what collocation solves in.

$$ f(z) = \sum_k c_k \prod_a T_{k_a}(z_a), \qquad T_0 = 1, \quad T_1 = z, \quad T_{m+1} = 2 z \, T_m - T_{m-1}. $$
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def evaluate(coefficients: Array, z: Array) -> Array:
    """f(z), of the shape of the first axes of `coefficients`.

    **Arguments:** `coefficients`: `(..., degree + 1, ..., degree + 1)`, one of the last axes for each entry
    of `z`; `z`: `(d,)`, in [-1, 1].
    """
    total = coefficients
    for place in reversed(range(z.size)):
        total = total @ _polynomials(z[place], total.shape[-1])
    return total


def _polynomials(x: Array, count: int) -> Array:
    """T_0(x), ..., T_{count - 1}(x)."""
    rows = [jnp.ones_like(x), x]
    while len(rows) < count:
        rows.append(2 * x * rows[-1] - rows[-2])
    return jnp.stack(rows[:count])
