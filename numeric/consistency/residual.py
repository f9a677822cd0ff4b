r"""How far updates are from consistent, at a point and on average over a region.

$$ r_i(\theta) = u_i(\theta) - \frac{\mathrm{d}}{\mathrm{d}\theta_i}
   V_i\big(\theta_i, (\theta_k + \eta_k \, u_k(\theta))_{k \ne i}\big), \qquad
   C = \mathbb{E}_\theta \sum_i \| r_i(\theta) \|^2 . $$

The others' directions are differentiated too: with $\theta'$ the point at which $V_i$ is taken, the derivative is
$\nabla_i V_i(\theta') + \sum_{k \ne i} \eta_k \nabla_i \langle u_k(\theta), \bot \nabla_k V_i(\theta') \rangle$. These
are the units of the published consistency losses (arXiv:2203.04098): of directions, not of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, check_parameters, require_x64
from resolvent.numeric import tree
from resolvent.numeric.consistency.consistent_update import (
    ConsistentUpdate,
    check_lookahead,
    check_shapes,
    ravel,
    split,
)
from resolvent.numeric.consistency.region import check_region, quadrature
from resolvent.numeric.learners.learner import AbstractLearner

Tree = Any
Directions = Callable[[Tree], tuple[Tree, ...]]
Updates = ConsistentUpdate | AbstractLearner | Sequence[AbstractLearner] | Directions
"""What may be asked about: a consistent update, a learner for all players or one for each, or a
function from parameters to directions."""

# Points in one compiled call, and at most in all.
_CHUNK = 1024
_MOST_POINTS = 2**18


def consistency_residual(
    values: ValueFunction, updates: Updates, params: Sequence[Any], lookahead: Any = None
) -> tuple[Array, ...]:
    """By how much directions differ from what they should be if everybody uses them.

    **Arguments:**

    - `values`: what the players maximise.
    - `updates`: a [`resolvent.numeric.ConsistentUpdate`][]; a learner for all players, or one for each, whose
        direction is its update over its `rate` (of its first step, where it has a memory); or a function
        from parameters to a tuple of directions.
    - `params`: one array per player.
    - `lookahead`: the steps eta that the players expect of each other, a number or one per player.
        Default: those that the update was made for; of learners, their `rate`.

    **Returns:** $r_i$ for each player, like `params`; zero where the update is consistent. One may
    `jax.vmap` and differentiate it.
    """
    directions, steps = _directions(values, updates, lookahead)
    return residual_at(values, directions, check_parameters(params, values.shapes), steps)


def residual_at(
    values: ValueFunction, directions: Directions, params: tuple[Array, ...], steps: Array
) -> tuple[Array, ...]:
    """The equation above."""
    u = tuple(directions(params))

    def one(player: int) -> Array:
        others = [j for j in range(len(params)) if j != player]

        def expected(own: Array) -> dict[int, Array]:
            there = directions((*params[:player], own, *params[player + 1 :]))
            return {j: there[j] for j in others}

        now, pull = jax.vjp(expected, params[player])
        moved = tuple(
            own if j == player else tree.axpy(steps[j], now[j], own) for j, own in enumerate(params)
        )
        blocks = values.jacobian(moved)[player]
        (shaping,) = pull({j: tree.scale(steps[j], blocks[j]) for j in others})
        return u[player] - blocks[player] - shaping

    return tuple(map(one, range(len(params))))


def _directions(
    values: ValueFunction, updates: Updates, lookahead: Any
) -> tuple[Directions, Array]:
    """`updates` as a function of arrays, and eta."""
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(f"values: expected a ValueFunction, got {type(values).__name__}")
    players = values.num_players
    if isinstance(updates, ConsistentUpdate):
        check_shapes(updates, values)
        steps = updates.lookahead if lookahead is None else check_lookahead(lookahead, players)
        return updates, steps
    rules = (updates,) * players if isinstance(updates, AbstractLearner) else updates
    if isinstance(rules, Sequence):
        return _of_learners(values, rules, lookahead)
    if not callable(updates):
        raise TypeError(
            "updates: expected a ConsistentUpdate, learners, or a function of the parameters, "
            f"got {updates!r}"
        )
    if lookahead is None:
        raise ValueError("lookahead: expected the players' steps, which a function does not say")
    return updates, check_lookahead(lookahead, players)


def _of_learners(
    values: ValueFunction, rules: Sequence[AbstractLearner], lookahead: Any
) -> tuple[Directions, Array]:
    players = values.num_players
    if len(rules) != players:
        raise ValueError(
            f"updates: expected one learner for each of {players} players, got {len(rules)}"
        )
    for player, rule in enumerate(rules):
        if not isinstance(rule, AbstractLearner):
            raise TypeError(f"updates[{player}]: expected a learner, got {rule!r}")
        rate = getattr(rule, "rate", None)
        if rate is None or jnp.ndim(rate) != 0:
            raise ValueError(
                f"updates[{player}]: expected a learner with one `rate`, got {rule!r}; give a function "
                "from parameters to directions, and `lookahead`"
            )
        if not isinstance(rate, Tracer) and not float(rate) > 0:
            raise ValueError(f"updates[{player}]: expected a rate above 0, got {rule!r}")
    rates = [getattr(rule, "rate") for rule in rules]  # noqa: B009 -- learners need not have one

    def directions(params: Tree) -> tuple[Array, ...]:
        rows = values.unstack(params)
        moves = [
            rule.update(values, rows, player, rule.init(values, rows, player))[0]
            for player, rule in enumerate(rules)
        ]
        return tuple(
            tree.scale(1 / rate, own)
            for rate, own in zip(rates, values.stack(tuple(moves)), strict=True)
        )

    steps = jnp.stack(rates) if lookahead is None else check_lookahead(lookahead, players)
    return directions, steps


# Averages ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConsistencyLoss:
    """The mean of the squared consistency residual.

    **Fields:**

    - `mean`: the mean of $\\sum_i \\|r_i\\|^2$ over the region or the points.
    - `per_player`: its parts, `(n,)`.
    - `largest`: the largest $\\|r\\|$ at any of the points, over all players.
    - `error`: how much `mean` changed with the last refinement of the quadrature; 0 for given points.
    - `converged`: whether that is below the tolerance.
    - `nodes`: quadrature nodes in each direction; `None` for given points.
    - `points`: how many points the residual was taken at.
    - `lookahead`: the steps that the players expect of each other, `(n,)`.
    """

    mean: float
    per_player: NDArray[np.floating]
    largest: float
    error: float
    converged: bool
    nodes: int | None
    points: int
    lookahead: NDArray[np.floating]

    def summary(self) -> str:
        """To read."""
        where = f"{self.points:,} given points"
        if self.nodes is not None:
            where = (
                f"{self.nodes} Gauss-Legendre nodes in each direction, changed by {self.error:.2g}"
            )
        verdict = "" if self.converged else " (NOT CONVERGED: more nodes, or a smaller region)"
        each = ", ".join(f"{own:.6g}" for own in self.per_player)
        return (
            f"consistency loss {self.mean:.8g}{verdict}\n  by player: {each}; largest residual "
            f"{self.largest:.3g}\n  {where}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"ConsistencyLoss({self.mean:.8g}, error={self.error:.2g})"


def consistency_loss(
    values: ValueFunction,
    updates: Updates,
    region: Any = None,
    *,
    points: Sequence[Any] | None = None,
    lookahead: Any = None,
    tolerance: float = 1e-9,
) -> ConsistencyLoss:
    """The mean of the squared consistency residual, over a box or over given points.

    Over a box nothing is sampled: the mean is an integral by the tensor Gauss-Legendre rule, refined
    until it changes by less than `tolerance`, relative (or of the size of rounding). For polynomial
    games and updates it is exact.

    **Arguments:** `values`, `updates`, `lookahead`: as for [`resolvent.numeric.consistency_residual`][];
    `region`: `(low, high)`, numbers for all parameters or one for each; or `points`: one array per player with a
    leading axis of points.

    **Raises:** `ValueError` where a box has too many dimensions for the rule: give points there.
    """
    directions, steps = _directions(values, updates, lookahead)

    def squares(z: Array) -> Array:
        parts = residual_at(values, directions, split(z, values.shapes), steps)
        return jnp.stack([jnp.sum(own**2) for own in parts])

    sweep = _Sweep(squares)
    given = _given(values, region, points)
    if given is not None:
        found = sweep(given)
        return _loss(found.mean(0), found, 0.0, True, None, steps)
    box = check_region(region, sum(int(np.prod(shape)) for shape in values.shapes))
    total: NDArray[np.floating] | None = None
    nodes, error, converged = 8, np.inf, False
    _check_affordable(box.size, nodes)
    while True:
        places, weights = quadrature(box, nodes)
        found = sweep(places)
        refined = np.asarray(weights) @ found
        if total is not None:
            error = abs(float(refined.sum() - total.sum()))
            converged = error <= tolerance * abs(float(refined.sum())) + 1e-26
        total = refined
        if converged or (2 * nodes) ** box.size > _MOST_POINTS or not np.isfinite(refined).all():
            return _loss(total, found, error, converged, nodes, steps)
        nodes *= 2


def _loss(
    each: NDArray[np.floating],
    found: NDArray[np.floating],
    error: float,
    converged: bool,
    nodes: int | None,
    steps: Array,
) -> ConsistencyLoss:
    largest = float(np.sqrt(found.sum(1).max()))
    return ConsistencyLoss(
        float(each.sum()), each, largest, error, converged, nodes, len(found), np.asarray(steps)
    )


def _given(values: ValueFunction, region: Any, points: Any) -> Array | None:
    """Given points, one vector each; `None` for a region."""
    if (region is None) == (points is None):
        raise ValueError("expected either `region` or `points`")
    if points is None:
        return None
    shapes = values.shapes
    arrays = [jnp.asarray(own, float) for own in points]
    many = {own.shape[:1] for own in arrays}
    if len(arrays) != len(shapes) or len(many) != 1 or many == {()} or many == {(0,)}:
        raise ValueError(
            f"points: expected one array for each of {len(shapes)} players, all with one leading axis"
        )
    for player, (own, shape) in enumerate(zip(arrays, shapes, strict=True)):
        if own.shape[1:] != shape:
            raise ValueError(
                f"points[{player}]: expected shape (points, *{shape}), got {own.shape}"
            )
    return jax.vmap(ravel)(tuple(arrays))


def _check_affordable(dimension: int, nodes: int) -> None:
    if nodes**dimension > _MOST_POINTS:
        raise ValueError(
            f"region: {dimension} parameters are too many for a quadrature over all of them (at most "
            f"{int(np.log(_MOST_POINTS) / np.log(nodes))}); give `points`"
        )


class _Sweep:
    """A function at many points, compiled once, however many there are."""

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self._chunk = eqx.filter_jit(jax.vmap(function))

    def __call__(self, points: Array) -> NDArray[np.floating]:
        padding = jnp.repeat(points[-1:], -len(points) % _CHUNK, axis=0)
        chunks = jnp.concatenate([points, padding]).reshape(-1, _CHUNK, points.shape[1])
        return np.concatenate([np.asarray(self._chunk(own)) for own in chunks])[: len(points)]


# Likeness ------------------------------------------------------------------------------------


def update_similarity(
    values: ValueFunction,
    first: Updates,
    second: Updates,
    region: Any = None,
    *,
    points: Sequence[Any] | None = None,
    nodes: int = 32,
) -> float:
    r"""The mean cosine of the angle between two joint updates, over a box or over given points.

    $\mathbb{E}_\theta \langle u, v \rangle / (\|u\| \|v\|)$, norms over the parameters of all players.

    **Arguments:** as for [`resolvent.numeric.consistency_loss`][]; `nodes`: of the tensor Gauss-Legendre rule, in
    each direction (the cosine is not smooth where an update vanishes: more nodes, more digits).

    **Returns:** a number from -1 to 1.
    """
    ours, _ = _directions(values, first, _any_lookahead(first))
    theirs, _ = _directions(values, second, _any_lookahead(second))

    def cosine(z: Array) -> Array:
        params = split(z, values.shapes)
        u, v = ravel(ours(params)), ravel(theirs(params))
        size = jnp.sqrt(jnp.sum(u**2) * jnp.sum(v**2))
        return (u @ v / jnp.where(size > 0, size, 1.0))[None]

    given = _given(values, region, points)
    if given is not None:
        return float(_Sweep(cosine)(given).mean())
    box = check_region(region, sum(int(np.prod(shape)) for shape in values.shapes))
    _check_affordable(box.size, nodes)
    places, weights = quadrature(box, nodes)
    return float(np.asarray(weights) @ _Sweep(cosine)(places)[:, 0])


def _any_lookahead(updates: Updates) -> float | None:
    """A direction is what it is, whatever the others are expected to do."""
    known = isinstance(updates, (ConsistentUpdate, AbstractLearner, Sequence))
    return None if known else 0.0
