r"""The self-consistent meta-value as a polynomial on a box, in low dimension.

$$ V_i(x) \approx \sum_m c_{im} \, T_{m_1}(\hat x_1) \cdots T_{m_d}(\hat x_d), \qquad
   V_i(x) = (1 - \gamma_i) f_i(x) + \gamma_i V_i(x') \text{ at the nodes } x, $$

Chebyshev polynomials in the parameters scaled to [-1, 1], and as many nodes, Chebyshev's extrema. With B the
polynomials at the nodes, B' those at $x'$ and $D_l$, $D'_l$ their derivatives, the Jacobian of the equations in
$c_j$ is $\delta_{ij} (B - \gamma_i B') - \gamma_i \sum_{l \in j} \alpha_j \, \partial_l V_i(x') D_l$. Newton's method,
from the game itself at rate 0, with the rates raised step by step.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, check_parameters
from resolvent.numeric import chebyshev
from resolvent.numeric.consistency.consistent_update import owners, ravel, split
from resolvent.numeric.consistency.region import Box, check_region
from resolvent.numeric.meta_value.meta_value import (
    Belief,
    MetaValue,
    Opponents,
    beliefs_of,
    check_discount,
    check_rate,
    check_values,
    learner_step,
)

Tree = Any
Outside = Literal["clamp", "extrapolate"]

_MOST_UNKNOWNS = 4000
_ITERATIONS = 40


class META_VALUE(eqx.Enumeration):
    """How the search for a meta-value on a box ended; each member is its message, `META_VALUE[status]`."""

    solved = "the equation holds, to the tolerance, at and between the nodes"
    coarse = (
        "the equation holds at the nodes but not between them: raise the degree, or make the region smaller; "
        "a meta-value need not be smooth"
    )
    unsolved = (
        "no polynomial of this degree was found that solves the equation at this rate and discount: change "
        "the degree or the region, or lower the rate or the discount"
    )


class CollocationMetaValue(MetaValue):
    """A meta-value by tensor Chebyshev polynomials on a box; see
    [`resolvent.numeric.meta_value_collocation`][].

    **Attributes:**

    - `values`, `discount`: of every [`resolvent.numeric.MetaValue`][].
    - `coefficients`: $c$, `(n, degree + 1, ..., degree + 1)`.
    - `low`, `high`: the box, `(d,)` each, for the d parameters of all players in a row.
    - `rate`: with which players are believed to follow it, `(n,)`.
    - `residual`, `off_grid`: the largest $|V_i - (1 - \\gamma_i) f_i - \\gamma_i V_i(x')|$ at the nodes, and at other
        points of the box. Only the latter tells how good the polynomial is.
    - `escapes`: the share of the latter points from which the step leaves the box.
    - `farthest`: how far it leaves it, at most, over the width of the box.
    - `reached`: the share of the rates up to which the solution was followed.
    - `status`: how it ended, see [`resolvent.numeric.META_VALUE`][].
    - `outside`: what takes the place of V outside of the box: `"clamp"`, V at the nearest point of the box, or
        `"extrapolate"`, the polynomial. Neither is known to be right there.
    """

    coefficients: Array
    low: Float[Array, " all"]
    high: Float[Array, " all"]
    rate: Float[Array, " players"]
    residual: Float[Array, ""]
    off_grid: Float[Array, ""]
    escapes: Float[Array, ""]
    farthest: Float[Array, ""]
    reached: Float[Array, ""]
    status: META_VALUE
    outside: Outside = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        z = ravel(check_parameters(params, self.shapes))
        if self.outside == "clamp":
            z = jnp.clip(z, self.low, self.high)
        unit = (2 * z - self.low - self.high) / (self.high - self.low)
        return chebyshev.evaluate(self.coefficients, unit)

    def inside(self, params: Tree) -> Array:
        """Whether parameters are in the box, where the meta-value is what it says."""
        z = ravel(check_parameters(params, self.shapes))
        return ((self.low <= z) & (z <= self.high)).all()

    def summary(self) -> str:
        """To read."""
        degree = self.coefficients.shape[-1] - 1
        beyond = {"clamp": "the nearest point of the box", "extrapolate": "the polynomial"}
        return (
            f"meta-value of {self.values.name} by collocation, degree {degree} in {len(self.low)} parameters\n"
            f"  rate {np.asarray(self.rate).tolist()}, discount {np.asarray(self.discount).tolist()}, box "
            f"{np.asarray(self.low).tolist()} to {np.asarray(self.high).tolist()}\n"
            f"  residual at the nodes {float(self.residual):.3g}, between them {float(self.off_grid):.3g}\n"
            f"  {float(self.escapes):.1%} of the steps leave the box, by up to {float(self.farthest):.3g} of its "
            f"width; outside counts {beyond[self.outside]}\n"
            f"  {META_VALUE[self.status]}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        degree = self.coefficients.shape[-1] - 1
        return (
            f"CollocationMetaValue({self.values.name}, degree={degree}, "
            f"off_grid={float(self.off_grid):.1e})"
        )

    def plot(self, player: int = 0, ax: Any = None) -> Any:
        """Draw a player's meta-value over a box of two parameters.

        **Arguments:** `player`: whose, from 0; `ax`: matplotlib axes to draw on, default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.

        **Raises:** `ValueError` where there are not two parameters.
        """
        if len(self.low) != 2:
            raise ValueError(f"plot: expected two parameters in all, got {len(self.low)}")
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        axes = [np.linspace(*own, 81) for own in zip(self.low, self.high, strict=True)]
        grid = jnp.asarray(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2))
        found = jax.vmap(lambda z: self(split(z, self.shapes))[player])(grid)
        drawn = ax.contourf(axes[0], axes[1], np.asarray(found).reshape(81, 81).T, levels=24)
        ax.figure.colorbar(drawn, ax=ax)
        ax.set(xlabel="first parameter", ylabel="second parameter")
        ax.set_title(f"{self.name}, player {player + 1}")
        return ax


def meta_value_collocation(
    values: ValueFunction,
    rate: Any,
    discount: Any,
    region: Any,
    degree: int = 16,
    opponents: Opponents = None,
    *,
    outside: Outside = "clamp",
    tolerance: float = 1e-6,
) -> CollocationMetaValue:
    """The self-consistent meta-value of a game with few parameters, by collocation.

    **Arguments:**

    - `values`: what the players maximise; up to about three parameters in all.
    - `rate`: with which players follow their meta-value, a number or one per player.
    - `discount`: gamma, in [0, 1), a number or one per player.
    - `region`: `(low, high)`, numbers for all parameters or one for each: the box.
    - `degree`: of the polynomials in each parameter.
    - `opponents`: who does not follow its meta-value, see [`resolvent.numeric.bellman_residual`][].
    - `outside`: what counts where a step leaves the box: `"clamp"`, the value at the nearest point of the box, or
        `"extrapolate"`, the polynomial, which is right if the meta-value is one, and wild if it is not.
    - `tolerance`: the largest residual, over the range of the values, that counts as solved.

    **Returns:** a [`resolvent.numeric.CollocationMetaValue`][]; look at its `status` and `off_grid`, and at how
    many steps leave the box.

    **Raises:** `ValueError` for more unknowns than a dense solve is good for, and for bad arguments.
    """
    check_values(values)
    players = values.num_players
    alpha, gamma = check_rate(rate, players), check_discount(discount, players)
    beliefs = beliefs_of(opponents, values)
    size = sum(int(np.prod(shape)) for shape in values.shapes)
    box = check_region(region, size)
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 1:
        raise ValueError(f"degree: expected a whole number from 1, got {degree!r}")
    if outside not in get_args(Outside):
        raise ValueError(f"outside: expected one of {get_args(Outside)}, got {outside!r}")
    unknowns = players * (degree + 1) ** size
    if unknowns > _MOST_UNKNOWNS:
        raise ValueError(
            f"degree: {degree} in {size} parameters makes {unknowns:,} unknowns, more than "
            f"{_MOST_UNKNOWNS:,}; lower it, or use meta_value_networks"
        )
    game = _Game(values, np.asarray(alpha), np.asarray(gamma), beliefs, box, degree, outside)
    nodes, others = game.grid(degree + 1), game.grid(2 * degree + 4)
    flat, reached = _follow(game, nodes, tolerance)
    residual = float(np.abs(game.gap(nodes, flat, 1.0)[0]).max())
    gap, there = game.gap(others, flat, 1.0)
    off_grid = float(np.abs(gap).max())
    beyond = np.maximum(there - box.high, box.low - there).max(axis=(0, 2))
    enough = tolerance * game.spread(nodes)
    member = META_VALUE.solved
    if not off_grid <= enough:
        member = META_VALUE.coarse if residual <= enough else META_VALUE.unsolved
    width = (np.maximum(there - box.high, box.low - there) / (box.high - box.low)).max()
    return CollocationMetaValue(
        values=values,
        discount=gamma,
        coefficients=jnp.asarray(flat.reshape(players, *[degree + 1] * size)),
        low=jnp.asarray(box.low),
        high=jnp.asarray(box.high),
        rate=alpha,
        residual=jnp.asarray(residual),
        off_grid=jnp.asarray(off_grid),
        escapes=jnp.asarray(float((beyond > 1e-12).mean())),
        farthest=jnp.asarray(max(0.0, float(width))),
        reached=jnp.asarray(reached),
        status=member,
        outside=outside,
    )


class _Grid(NamedTuple):
    """Points x, `(N, d)`, the game there, and where learners' updates lead from there."""

    points: NDArray[Any]
    payoffs: NDArray[Any]
    given: NDArray[Any]
    basis: NDArray[Any]
    slopes: NDArray[Any]


class _Game:
    """The equations, as functions of the coefficients `(n, K)`."""

    def __init__(
        self,
        values: ValueFunction,
        rate: NDArray[Any],
        discount: NDArray[Any],
        beliefs: tuple[Belief, ...],
        box: Box,
        degree: int,
        outside: Outside,
    ) -> None:
        self.values, self.discount, self.box, self.degree = values, discount, box, degree
        self.beliefs, self.outside = beliefs, outside
        self.players = values.num_players
        self.owner = owners(values.shapes)
        # The rate at which each parameter follows a meta-value, as each player believes.
        follows = np.array([[rule is None for rule in belief] for belief in beliefs])
        self.rates = (follows * rate[None])[:, self.owner]

        def look(z: Array) -> tuple[Array, Array]:
            params = split(z, values.shapes)
            moves = [
                ravel(
                    tuple(
                        jnp.zeros_like(own)
                        if rule is None
                        else learner_step(values, rule, params, j)
                        for j, (rule, own) in enumerate(zip(belief, params, strict=True))
                    )
                )
                for belief in beliefs
            ]
            return values(params), jnp.stack(moves)

        self._look = jax.jit(jax.vmap(look))

    def grid(self, count: int) -> _Grid:
        """Chebyshev's extrema, `count` in each direction; the corners are among them."""
        unit = -np.cos(np.pi * np.arange(count) / (count - 1))
        points = self.box.scale(np.array(list(itertools.product(unit, repeat=self.box.size))))
        payoffs, given = map(np.asarray, self._look(jnp.asarray(points)))
        return _Grid(points, payoffs, np.moveaxis(given, 1, 0), *self._polynomials(points))

    def spread(self, grid: _Grid) -> float:
        """The range of the values on the box."""
        return max(float((grid.payoffs.max(0) - grid.payoffs.min(0)).max()), 1e-300)

    def start(self, grid: _Grid) -> NDArray[Any]:
        """The game itself."""
        return np.linalg.solve(grid.basis, grid.payoffs).T

    def gap(self, grid: _Grid, c: NDArray[Any], share: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """V - (1 - gamma) f - gamma V(x'), `(n, N)`, and x', `(n, N, d)`, at `share` of the rates."""
        there = self._there(grid, c, share)
        gap = np.empty((self.players, len(grid.points)))
        for i, g in enumerate(self.discount):
            ahead = self._polynomials(self._seen(there[i]), slopes=False)[0] @ c[i]
            gap[i] = grid.basis @ c[i] - (1 - g) * grid.payoffs[:, i] - g * ahead
        return gap, there

    def slope(self, grid: _Grid, c: NDArray[Any], share: float) -> NDArray[Any]:
        """Its Jacobian in c, `(n N, n K)`."""
        there = self._there(grid, c, share)
        count = grid.basis.shape[1]
        total = np.zeros((self.players, len(grid.points), self.players, count))
        for i, g in enumerate(self.discount):
            basis, slopes = self._polynomials(self._seen(there[i]))
            total[i, :, i] = grid.basis - g * basis
            free = self._seen(there[i]) == there[i]
            for place, player in enumerate(self.owner):
                pull = share * self.rates[i, place] * (slopes[place] @ c[i]) * free[:, place]
                total[i, :, player] -= g * pull[:, None] * grid.slopes[place]
        return total.reshape(self.players * len(grid.points), -1)

    def _there(self, grid: _Grid, c: NDArray[Any], share: float) -> NDArray[Any]:
        """x', as each player believes."""
        gradient = np.stack(
            [grid.slopes[place] @ c[player] for place, player in enumerate(self.owner)], axis=1
        )
        return grid.points[None] + share * (self.rates[:, None] * gradient[None] + grid.given)

    def _seen(self, points: NDArray[Any]) -> NDArray[Any]:
        return np.clip(points, self.box.low, self.box.high) if self.outside == "clamp" else points

    def _polynomials(
        self, points: NDArray[Any], slopes: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """All products of polynomials at points, `(N, K)`, and their derivatives, `(d, N, K)`."""
        low, high = self.box
        unit = (2 * points - low - high) / (high - low)
        basis = np.polynomial.chebyshev.chebvander(unit.T, self.degree)
        if not slopes:
            return _products(list(basis)), np.empty(0)
        derivative = np.polynomial.chebyshev.chebder(np.eye(self.degree + 1))
        each = np.polynomial.chebyshev.chebvander(unit.T, self.degree - 1) @ derivative
        each = each * (2 / (high - low))[:, None, None]
        size = len(basis)
        return _products(list(basis)), np.stack(
            [
                _products([each[k] if k == place else basis[k] for k in range(size)])
                for place in range(size)
            ]
        )


def _products(factors: list[NDArray[Any]]) -> NDArray[Any]:
    """`(N, k)` each -> `(N, k^d)`, the last factor fastest."""
    total = factors[0]
    for own in factors[1:]:
        total = (total[:, :, None] * own[:, None, :]).reshape(len(total), -1)
    return total


def _follow(game: _Game, nodes: _Grid, tolerance: float) -> tuple[NDArray[Any], float]:
    """Raise the rates step by step; the coefficients at the end, or the best try at it, and how far the
    solution was followed."""
    flat, share, stride = game.start(nodes), 0.0, 0.5
    enough = min(tolerance, 1e-8) * game.spread(nodes)
    while share < 1:
        there = min(1.0, share + stride)
        better, gap = _newton(game, nodes, flat, there, enough)
        if gap <= enough:
            flat, share, stride = better, there, 2 * stride
        elif stride > 1 / 64:
            stride /= 2
        else:
            return _newton(game, nodes, flat, 1.0, enough)[0], share
    return flat, share


def _newton(
    game: _Game, nodes: _Grid, flat: NDArray[Any], share: float, enough: float
) -> tuple[NDArray[Any], float]:
    """Newton's method with halved steps where a full one does not help; the largest gap at its end."""
    gap = game.gap(nodes, flat, share)[0]
    for _ in range(_ITERATIONS):
        before = float(np.abs(gap).max())
        try:
            move = np.linalg.solve(game.slope(nodes, flat, share), -gap.ravel())
        except np.linalg.LinAlgError:
            return flat, before
        length = 1.0
        while True:
            moved = flat + length * move.reshape(flat.shape)
            there = game.gap(nodes, moved, share)[0]
            after = float(np.abs(there).max())
            if after < before:
                break
            length /= 2
            if length < 1e-3:
                return flat, before
        flat, gap = moved, there
        # Below the tolerance go on to the floor of rounding, while that still helps.
        if after <= enough and after > 0.1 * before:
            return flat, after
    return flat, float(np.abs(gap).max())
