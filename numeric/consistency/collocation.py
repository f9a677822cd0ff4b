r"""The consistent update as a polynomial that solves the equations at collocation points, in low dimension.

$$ u_j(\theta) \approx \sum_m c_{jm} \, T_{m_1}(\hat\theta_1) \cdots T_{m_d}(\hat\theta_d), \qquad
   \min_c \sum_{\text{points } \theta} \| r(\theta) \|^2, $$

Chebyshev polynomials in the parameters scaled to [-1, 1]. The equations are of first order in the derivatives of u,
and take u at the point itself only, so that their Jacobian is known exactly from that of the residual in $(u, Du)$ at
each point. Levenberg-Marquardt from naive learning, with the look-ahead raised step by step.
"""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric import chebyshev
from resolvent.numeric.consistency.consistent_update import (
    ConsistentUpdate,
    check_lookahead,
    owners,
    parts,
    ravel,
    split,
)
from resolvent.numeric.consistency.region import Box, check_region

Tree = Any

_MOST_UNKNOWNS = 4000
_ITERATIONS = 60


class COLLOCATION(eqx.Enumeration):
    """How a collocation ended; each member is its message, `COLLOCATION[status]`."""

    solved = "the equations hold, to the tolerance, at and between the collocation points"
    coarse = (
        "the equations hold at the collocation points but not between them: raise the degree, or make "
        "the region smaller"
    )
    unsolved = (
        "no polynomial of this degree was found that solves the equations at this look-ahead: raise the "
        "degree, make the region smaller, or lower the look-ahead"
    )


class PolynomialUpdate(ConsistentUpdate):
    """An update by tensor Chebyshev polynomials; see [`resolvent.numeric.consistent_collocation`][].

    **Attributes:**

    - `coefficients`: $c$, `(d, degree + 1, ..., degree + 1)` for d parameters in all.
    - `low`, `high`: the region, `(d,)` each; outside of it the polynomials are good for nothing.
    - `lookahead`, `shapes`: as of every [`resolvent.numeric.ConsistentUpdate`][].
    - `residual`: the largest $\\|r\\|$ at the collocation points.
    - `off_grid`: the largest $\\|r\\|$ at other points of the region.
    - `scale`: the largest $\\|u\\|$ at the collocation points, to compare them with.
    - `reached`: the share of the look-ahead up to which the branch was followed, step by step.
    - `status`: how it ended, see [`resolvent.numeric.COLLOCATION`][].
    """

    coefficients: Array
    low: Float[Array, " all"]
    high: Float[Array, " all"]
    lookahead: Float[Array, " players"]
    residual: Float[Array, ""]
    off_grid: Float[Array, ""]
    scale: Float[Array, ""]
    reached: Float[Array, ""]
    status: COLLOCATION
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def __call__(self, params: Tree) -> tuple[Array, ...]:
        z = (2 * ravel(params) - self.low - self.high) / (self.high - self.low)
        return split(chebyshev.evaluate(self.coefficients, z), self.shapes)

    def summary(self) -> str:
        """To read."""
        degree = self.coefficients.shape[-1] - 1
        return (
            f"consistent update by collocation, degree {degree} in {len(self.low)} parameters, lookahead "
            f"{np.asarray(self.lookahead).tolist()}\n  residual at the points {float(self.residual):.3g}, "
            f"between them {float(self.off_grid):.3g}, of directions up to {float(self.scale):.3g}\n"
            f"  {COLLOCATION[self.status]}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        degree = self.coefficients.shape[-1] - 1
        return f"PolynomialUpdate(degree={degree}, off_grid={float(self.off_grid):.1e})"


def consistent_collocation(
    values: ValueFunction,
    lookahead: Any,
    region: Any,
    degree: int = 16,
    *,
    tolerance: float = 1e-8,
    stages: int = 4,
) -> PolynomialUpdate:
    """A consistent update of a game with few parameters, by collocation.

    **Arguments:**

    - `values`: what the players maximise; up to about three parameters in all.
    - `lookahead`: the steps eta that the players expect of each other, a number or one per player.
    - `region`: `(low, high)`, numbers for all parameters or one for each, where the equations are to hold.
        The others' expected steps may lead out of it.
    - `degree`: of the polynomials in each parameter.
    - `tolerance`: the largest residual, over the size of the directions, that counts as solved.
    - `stages`: in how many equal steps the look-ahead is raised from 0; a stage that fails is halved.

    **Returns:** a [`resolvent.numeric.PolynomialUpdate`][], with the residual at the collocation points, and at other
    points: only the latter tells how good it is.

    **Raises:** `ValueError` for more unknowns than a dense solve is good for.
    """
    require_x64()
    eta = check_lookahead(lookahead, values.num_players)
    box = check_region(region, sum(int(np.prod(shape)) for shape in values.shapes))
    for name, count, least in (("degree", degree, 1), ("stages", stages, 1)):
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ValueError(f"{name}: expected a whole number from {least}, got {count!r}")
    unknowns = box.size * (degree + 1) ** box.size
    if unknowns > _MOST_UNKNOWNS:
        raise ValueError(
            f"degree: {degree} in {box.size} parameters makes {unknowns:,} unknowns, more than "
            f"{_MOST_UNKNOWNS:,}; lower it, or use consistent_networks"
        )
    # Half as many points again as unknowns in each direction: least squares does not hide between points.
    grid = _Grid(values, box, degree, degree + 2 + degree // 2)
    other = _Grid(values, box, degree, degree + 5 + degree // 2)
    flat, reached = _follow(grid, eta, stages, tolerance)
    residual, size = grid.largest(eta, flat)
    off_grid, _ = other.largest(eta, flat)
    enough = tolerance * (1 + size)
    member = COLLOCATION.solved
    if not off_grid <= enough:
        member = COLLOCATION.coarse if residual <= enough else COLLOCATION.unsolved
    return PolynomialUpdate(
        coefficients=jnp.asarray(flat.reshape(grid.form)),
        low=jnp.asarray(box.low),
        high=jnp.asarray(box.high),
        lookahead=eta,
        residual=jnp.asarray(residual),
        off_grid=jnp.asarray(off_grid),
        scale=jnp.asarray(size),
        reached=jnp.asarray(reached),
        status=member,
        shapes=values.shapes,
    )


def _local_residual(values: ValueFunction, eta: Array, z: Array, u: Array, slopes: Array) -> Array:
    """r at one point, from the directions there, `(d,)`, and their derivatives, `(d, d)`."""
    shapes = values.shapes
    owner = owners(shapes)
    found = []
    for i, part in enumerate(parts(shapes)):
        steps = jnp.where(owner == i, 0.0, eta[owner])
        gradient = ravel(values.jacobian(split(z + steps * u, shapes))[i])
        found.append(u[part] - gradient[part] - slopes[:, part].T @ (steps * gradient))
    return jnp.concatenate(found)


class _Grid:
    """Points of a region, with all that is known of polynomials there."""

    def __init__(self, values: ValueFunction, box: Box, degree: int, points: int) -> None:
        self.players = values.num_players
        self.form = (box.size, *[degree + 1] * box.size)
        # Chebyshev's extrema: the corners are among them.
        x = -np.cos(np.pi * np.arange(points) / (points - 1))
        basis = np.polynomial.chebyshev.chebvander(x, degree)
        slope = np.stack(
            [
                np.polynomial.chebyshev.chebval(x, np.polynomial.chebyshev.chebder(unit))
                for unit in np.eye(degree + 1)
            ],
            axis=1,
        )
        self.z = jnp.asarray(box.scale(np.array(list(itertools.product(x, repeat=box.size)))))
        self.basis = _kronecker([basis] * box.size)
        self.slopes = [
            _kronecker([slope if k == place else basis for k in range(box.size)])
            * (2 / (box.high[place] - box.low[place]))
            for place in range(box.size)
        ]

        def local(eta: Array, z: Array, u: Array, slopes: Array) -> Array:
            return _local_residual(values, eta, z, u, slopes)

        along = (None, 0, 0, 0)
        self._residual = jax.jit(jax.vmap(local, along))
        self._jacobian = jax.jit(jax.vmap(jax.jacfwd(local, argnums=(2, 3)), along))

    def _at(self, flat: NDArray[Any]) -> tuple[Array, Array]:
        """u, `(points, d)`, and its derivatives, `(points, d, d)`."""
        c = flat.reshape(self.form[0], -1)
        u = self.basis @ c.T
        return jnp.asarray(u), jnp.asarray(np.stack([own @ c.T for own in self.slopes], -1))

    def naive(self) -> NDArray[Any]:
        """Naive learning: what the equations say at look-ahead 0, fitted."""
        zero = jnp.zeros((len(self.z), self.form[0]))
        none = jnp.zeros((*zero.shape, self.form[0]))
        directions = -np.asarray(self._residual(jnp.zeros(self.players), self.z, zero, none))
        return np.linalg.lstsq(self.basis, directions, rcond=None)[0].T.ravel()

    def residual(self, eta: Array, flat: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._residual(eta, self.z, *self._at(flat)))

    def jacobian(self, eta: Array, flat: NDArray[Any]) -> NDArray[Any]:
        """Of all residuals in all coefficients, `(points * d, d * (degree + 1)^d)`."""
        by_u, by_slope = map(np.asarray, self._jacobian(eta, self.z, *self._at(flat)))
        total = np.einsum("prj,pm->prjm", by_u, self.basis)
        for place, slope in enumerate(self.slopes):
            total += np.einsum("prj,pm->prjm", by_slope[..., place], slope)
        return total.reshape(by_u.shape[0] * by_u.shape[1], -1)

    def largest(self, eta: Array, flat: NDArray[Any]) -> tuple[float, float]:
        """The largest residual, and the largest direction."""
        norms = [
            np.linalg.norm(own, axis=1) for own in (self.residual(eta, flat), self._at(flat)[0])
        ]
        return float(norms[0].max()), float(norms[1].max())


def _kronecker(factors: list[NDArray[Any]]) -> NDArray[Any]:
    total = np.ones((1, 1))
    for own in factors:
        total = np.kron(total, own)
    return total


def _follow(grid: _Grid, eta: Array, stages: int, tolerance: float) -> tuple[NDArray[Any], float]:
    """Raise the look-ahead step by step, solving at each; the end, or the last try of it, and how far
    the branch was followed."""
    flat, share, stride = grid.naive(), 0.0, 1 / stages
    shortest = stride / 16
    while share < 1:
        here = min(1.0, share + stride)
        better = _least_squares(grid, here * eta, flat)
        residual, size = grid.largest(here * eta, better)
        # On the way a rough solution will do: what it is judged by is the end.
        if residual <= max(1e-2, tolerance) * (1 + size):
            flat, share, stride = better, here, 2 * stride
        elif stride > shortest:
            stride /= 2
        else:
            return _least_squares(grid, eta, flat), share
    return flat, share


def _least_squares(grid: _Grid, eta: Array, flat: NDArray[Any]) -> NDArray[Any]:
    """Levenberg-Marquardt."""
    gap = grid.residual(eta, flat).ravel()
    damping, cost = 0.0, float(gap @ gap)
    for _ in range(_ITERATIONS):
        slope = grid.jacobian(eta, flat)
        normal, pull = slope.T @ slope, slope.T @ gap
        scale = np.trace(normal) / len(normal)
        while True:
            try:
                move = np.linalg.solve(
                    normal + (damping + 1e-15) * scale * np.eye(len(normal)), -pull
                )
            except np.linalg.LinAlgError:
                move = np.full_like(flat, np.nan)
            there = grid.residual(eta, flat + move).ravel()
            after = float(there @ there)
            if after < cost:
                break
            damping = max(1e-8, damping * 10)
            if damping > 1e4:
                return flat
        gained = cost - after
        flat, gap, cost, damping = flat + move, there, after, damping / 10
        damping = damping if damping > 1e-10 else 0.0
        if gained <= 1e-6 * cost or cost <= 1e-26 * gap.size:
            return flat
    return flat
