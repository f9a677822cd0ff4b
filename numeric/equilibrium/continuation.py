r"""Following the curve of zeros of a smooth map, by pseudo-arclength.

With $n$ equations $H(y) = 0$ in $n + 1$ unknowns $y = (x, t)$, zeros form curves wherever the Jacobian
$J = H'(y)$ has full rank. From a point of the curve with unit tangent $\tau$, $J \tau = 0$, a step of
length $h$ is predicted along the curve's parabola and corrected by Newton on the bordered system

$$ \begin{pmatrix} J \\ \tau^\top \end{pmatrix} \Delta = - \begin{pmatrix} H \\ 0 \end{pmatrix},
   \qquad
   \begin{pmatrix} J \\ \tau^\top \end{pmatrix} v = \begin{pmatrix} 0 \\ 1 \end{pmatrix}, $$

where $v$ is along the tangent at the next point. Along one smooth curve $\det (J; \tau^\top)$ keeps its sign,
turning points in $t$ included, so the sign says in which direction to go on (Allgower and Georg,
*Introduction to numerical continuation methods*, SIAM 2003, chapters 2 and 6). A reversal, where the tangent
of this sign points back, is another piece of the curve or a bifurcation: such steps are shortened, and a
reversal that remains at a short step is passed and counted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import require_x64

Tree = Any


class PATHS(eqx.Enumeration):
    """How following a path ended; each member is its message, `PATHS[status]`."""

    successful = "the path reached its end"
    following = "the path is not at its end yet"
    no_start = "Newton's method did not converge at the start of the path"
    stalled = "the path stalled: no step was short enough, as on a degenerate path"
    exhausted = "the path was not at its end after the largest number of steps"
    returned = "the path turned back through the parameter that it began at"


class Linearisation(NamedTuple):
    """Newton's step at a point y, with a row to border the Jacobian J.

    **Attributes:**

    - `correction`: what solves `[J; row] d = -[H; 0]`, `(n + 1,)`.
    - `direction`: what solves `[J; row] v = [0; 1]`, `(n + 1,)`.
    - `sign`, `logarithm`: of the determinant of `[J; row]`.
    - `condition`: an estimate of its condition: the ratio of the largest to the smallest pivot.
    """

    correction: Float[Array, " n+1"]
    direction: Float[Array, " n+1"]
    sign: Float[Array, ""]
    logarithm: Float[Array, ""]
    condition: Float[Array, ""]


Newton = Callable[[Float[Array, " n+1"], Any, Float[Array, " n+1"]], Linearisation]
"""`(y, args, row)` to a `Linearisation`; hashable, since it is part of the compiled program."""


@dataclasses.dataclass(frozen=True)
class DenseNewton:
    """Newton's step of any residual, by automatic differentiation and one LU decomposition.

    **Arguments:** `residual`: `(y, args)` to the `(n,)` equations; a function of a module, or hashable, as
    programs are compiled once for each.
    """

    residual: Callable[[Array, Any], Array]

    def __call__(self, y: Array, args: Any, row: Array) -> Linearisation:
        off = self.residual(y, args)
        jacobian = jax.jacfwd(self.residual)(y, args)
        return solve_bordered(jacobian, row, off)


def solve_bordered(
    jacobian: Float[Array, "n n+1"], row: Float[Array, " n+1"], off: Float[Array, " n"]
) -> Linearisation:
    """Newton's step from a Jacobian, its border and the residual."""
    size = row.shape[0]
    right = jnp.zeros((size, 2)).at[:-1, 0].set(-off).at[-1, 1].set(1.0)
    solutions, sign, logarithm, condition = eliminate(jnp.concatenate([jacobian, row[None]]), right)
    return Linearisation(solutions[:, 0], solutions[:, 1], sign, logarithm, condition)


def eliminate(
    matrix: Float[Array, "n n"], right: Float[Array, "n k"]
) -> tuple[Float[Array, "n k"], Array, Array, Array]:
    """Solutions, sign and logarithm of the determinant, and the ratio of pivots.

    The right-hand sides are columns of what is eliminated, so that no permutation need be applied.
    """
    size = matrix.shape[0]
    lower_upper, pivots, _ = lax.linalg.lu(jnp.concatenate([matrix, right], axis=1))
    upper = lower_upper[:, :size]
    solutions = lax.linalg.triangular_solve(
        upper, lower_upper[:, size:], left_side=True, lower=False
    )
    diagonal = jnp.diagonal(upper)
    swaps = (pivots != jnp.arange(size)).sum() + (diagonal < 0).sum()
    sizes = jnp.abs(diagonal)
    sign = jnp.where(swaps % 2 == 0, 1.0, -1.0)
    return solutions, sign, jnp.log(sizes).sum(), sizes.max() / sizes.min()


# A path also ends after this many corrections for each step that it may take: close to where it touches its target
# without crossing, shortened steps could go on for ever.
_CORRECTIONS = 20


class Settings(eqx.Module):
    """When a step is accepted, and how long the next one is. All are numbers that programs take as input.

    **Arguments:**

    - `first_step`, `smallest_step`, `largest_step`: lengths of steps in y.
    - `tolerance`: the length of the last Newton correction that is accepted along the path; the correction is
        still made, so that what is left is of the order of its square.
    - `end_tolerance`: the same at the start and at the end.
    - `angle`, `largest_angle`: between successive tangents, in radians: what the step length aims for, and
        what is rejected.
    - `corner`: a larger angle is a corner, behind which a step is predicted along the tangent, and not the parabola.
    - `distance`, `largest_distance`: the same for the first correction, in units of the step.
    - `contraction`: the largest ratio of successive corrections.
    - `reversal_step`: a step at which a reversal of the tangent is accepted as a bifurcation.
    - `jump`: the largest change of the logarithm of the determinant in one step (Choi, Harney and Book, 1996:
        log 2 excludes jumps between segments); infinity does without.
    - `corrections`: the most corrections of one step.
    - `steps`: the most accepted steps.
    """

    first_step: float = 0.05
    smallest_step: float = 1e-10
    largest_step: float = 1e3
    tolerance: float = 1e-4
    end_tolerance: float = 1e-9
    angle: float = 0.25
    largest_angle: float = 0.8
    corner: float = float("inf")
    distance: float = 0.1
    largest_distance: float = 0.5
    contraction: float = 0.5
    reversal_step: float = 1e-3
    jump: float = float("inf")
    corrections: int = 8
    steps: int = 10_000


class Records(NamedTuple):
    """Accepted points of a path: y `(k, n + 1)`, arclength, condition and log-determinant `(k,)`."""

    points: Any
    arclength: Any
    condition: Any
    logarithm: Any


class Carry(NamedTuple):
    """Where a path is. `point`, `tangent`, `bend` are those of the last accepted point, `iterate` and what
    follows it of the step in progress; `orientation` is the sign to keep, 0 before the start is found."""

    point: Array
    tangent: Array
    bend: Array
    orientation: Array
    logarithm: Array
    arclength: Array
    step: Array
    iterate: Array
    landing: Array
    correction: Array
    first: Array
    last: Array
    status: Array
    steps: Array
    rejected: Array
    iterations: Array
    turns: Array
    reversals: Array
    recorded: Array
    records: Records | None


_SUCCESSFUL, _FOLLOWING, _NO_START, _STALLED, _EXHAUSTED, _RETURNED = (
    int(jax.tree.leaves(own)[0])
    for own in (
        PATHS.successful,
        PATHS.following,
        PATHS.no_start,
        PATHS.stalled,
        PATHS.exhausted,
        PATHS.returned,
    )
)


@partial(jax.jit, static_argnums=2)
def _begin(start: Array, settings: Settings, capacity: int) -> Carry:
    zero, none = jnp.zeros(()), jnp.zeros((), int)
    still = jnp.zeros_like(start)
    records = None
    if capacity:
        column = jnp.zeros(capacity)
        records = Records(jnp.zeros((capacity, start.size)), column, column, column)
    return Carry(
        point=start,
        tangent=still,
        bend=still,
        orientation=zero,
        logarithm=zero,
        arclength=zero,
        step=jnp.asarray(settings.first_step, float),
        iterate=start,
        landing=jnp.asarray(False),
        correction=none,
        first=zero,
        last=zero,
        status=jnp.asarray(_FOLLOWING),
        steps=none,
        rejected=none,
        iterations=none,
        turns=none,
        reversals=none,
        recorded=none,
        records=records,
    )


def _iterate(
    newton: Newton,
    stop: Callable[[Array, Any], Array] | None,
    now: Carry,
    args: Any,
    settings: Settings,
    ends: tuple[Array, Array],
) -> Carry:
    """One Newton correction, and what follows from it: another one, the next step, or a shorter one.

    All branches are selections, so that the paths of a batch need not agree on what they do.
    """
    begins, target = ends
    forwards = jnp.where(target >= begins, 1.0, -1.0)
    opening = now.orientation == 0
    fixed = opening | now.landing
    row = jnp.where(fixed, jnp.zeros_like(now.tangent).at[-1].set(1.0), now.tangent)
    at = newton(now.iterate, args, row)

    length = jnp.linalg.norm(at.correction)
    slope = jnp.linalg.norm(at.direction)
    finite = jnp.isfinite(length) & jnp.isfinite(slope)
    found = now.iterate + jnp.where(finite, at.correction, 0)
    # det(J; row) is the row's component along the unit tangent times det(J; tangent).
    sense = jnp.where(opening, forwards, at.sign * now.orientation)
    tangent = jnp.where(finite, sense * at.direction / slope, now.tangent)
    logarithm = at.logarithm + jnp.log(slope)
    cosine = jnp.clip(tangent @ now.tangent, -1, 1)
    angle = jnp.arccos(jnp.abs(cosine))
    reversal = ~opening & (cosine < 0)

    # Judge the correction.
    first = jnp.where(now.correction == 0, length, now.first)
    close = finite & (length <= jnp.where(fixed, settings.end_tolerance, settings.tolerance))
    slow = (now.correction > 0) & (length > settings.contraction * now.last)
    # The last point was itself found to the tolerance only: no step can be judged by less.
    least = jnp.maximum(settings.largest_distance * now.step, settings.tolerance)
    far = (now.correction == 0) & (length > least)
    endless = now.correction + 1 >= jnp.where(opening, 50, settings.corrections)
    hopeless = ~finite | (length > 1e6) | (~close & (endless | (~opening & (slow | far))))
    bent = ~opening & (angle > settings.largest_angle)
    jumped = ~opening & (jnp.abs(logarithm - now.logarithm) > settings.jump)
    jumped |= reversal & (now.step > settings.reversal_step)
    beyond = ~fixed & (forwards * (found[-1] - target) > 0)
    accepted = close & ~bent & ~jumped & ~beyond
    overshot = close & ~bent & ~jumped & beyond
    rejected = hopeless | (close & (bent | jumped))

    # After an accepted step.
    tangent = jnp.where(reversal, -tangent, tangent)
    orientation = jnp.where(opening, at.sign * forwards, now.orientation)
    orientation = jnp.where(reversal, -orientation, orientation)
    taken = jnp.linalg.norm(found - now.point)
    straight = opening | reversal | (taken == 0) | (angle > settings.corner)
    bend = jnp.where(straight, 0, (tangent - now.tangent) / jnp.where(straight, 1, taken))
    strain = jnp.maximum(
        angle / settings.angle,
        jnp.sqrt(first / jnp.maximum(settings.distance * now.step, settings.tolerance)),
    )
    longer = now.step / jnp.clip(strain, 0.5, 2.0)
    longer = jnp.where(opening, now.step, jnp.minimum(longer, settings.largest_step))
    turned = ~opening & (jnp.sign(tangent[-1]) != jnp.sign(now.tangent[-1]))

    point = jnp.where(accepted, found, now.point)
    tangent = jnp.where(accepted, tangent, now.tangent)
    bend = jnp.where(accepted, bend, now.bend)
    step = jnp.where(accepted, longer, jnp.where(rejected, now.step / 2, now.step))

    # The next prediction: along the parabola, ending at the target where it would pass it.
    def predict(by: Array) -> Array:
        return point + by * tangent + 0.5 * by**2 * bend

    ahead = predict(step)
    reach = forwards * (ahead[-1] - point[-1])
    room = forwards * (target - point[-1])
    lands = reach >= room
    step = jnp.where(lands & (accepted | rejected), step * room / jnp.where(lands, reach, 1), step)
    ahead = jnp.where(lands, predict(step).at[-1].set(jnp.where(lands, target, 0)), ahead)
    # A corrected point beyond the target: go to where its chord meets it.
    share = (target - point[-1]) / jnp.where(overshot, found[-1] - point[-1], 1)
    chord = jnp.where(overshot, point + share * (found - point), point)
    chord = chord.at[-1].set(jnp.where(overshot, target, 0))
    step = jnp.where(overshot, step * share, step)

    predicted = accepted | rejected
    iterate = jnp.where(predicted, ahead, jnp.where(overshot, chord, found))
    landing = jnp.where(predicted, lands, overshot | now.landing)
    anew = predicted | overshot

    # Whether this was the end.
    back = forwards * (point[-1] - begins) < -1e-9
    # Where the path begins at its target there is nothing to follow.
    ended = now.landing | (begins == target)
    if stop is not None:
        ended |= stop(point, args)
    steps = now.steps + accepted
    tired = now.iterations >= _CORRECTIONS * settings.steps
    status = jnp.where((steps > settings.steps) | tired, _EXHAUSTED, _FOLLOWING)
    status = jnp.where(back, _RETURNED, status)
    status = jnp.where(accepted & ended, _SUCCESSFUL, status)
    status = jnp.where((rejected | overshot) & (step < settings.smallest_step), _STALLED, status)
    status = jnp.where(rejected & opening, _NO_START, status)

    arclength = now.arclength + jnp.where(accepted, taken, 0)
    records, recorded = now.records, now.recorded
    if records is not None:
        place = jnp.where(accepted, recorded, records.arclength.size)
        entry = Records(found, arclength, at.condition, logarithm)
        records = jax.tree.map(
            lambda kept, own: kept.at[place].set(own, mode="drop"), records, entry
        )
        recorded = recorded + accepted
    return Carry(
        point=point,
        tangent=tangent,
        bend=bend,
        orientation=jnp.where(accepted, orientation, now.orientation),
        logarithm=jnp.where(accepted, logarithm, now.logarithm),
        arclength=arclength,
        step=step,
        iterate=iterate,
        landing=landing,
        correction=jnp.where(anew, 0, now.correction + 1),
        first=first,
        last=length,
        status=status,
        steps=steps,
        rejected=now.rejected + (rejected | overshot),
        iterations=now.iterations + 1,
        turns=now.turns + (accepted & turned),
        reversals=now.reversals + (accepted & reversal),
        recorded=recorded,
        records=records,
    )


def _loop(
    newton: Newton,
    stop: Callable[[Array, Any], Array] | None,
    carry: Carry,
    args: Any,
    settings: Settings,
    ends: tuple[Array, Array],
    budget: Array,
) -> Carry:
    """Go on until the path ends, its records are full, or after `budget` corrections."""
    limit = carry.iterations + budget

    def going(now: Carry) -> Array:
        free = True if now.records is None else now.recorded < now.records.arclength.size
        return (now.status == _FOLLOWING) & (now.iterations < limit) & free

    return lax.while_loop(
        going, lambda now: _iterate(newton, stop, now, args, settings, ends), carry
    )


_advance = partial(jax.jit, static_argnums=(0, 1))(_loop)


@partial(jax.jit, static_argnums=(0, 1))
def _advance_many(
    newton: Newton,
    stop: Callable[[Array, Any], Array] | None,
    carry: Carry,
    args: Any,
    shared: Any,
    settings: Settings,
    ends: tuple[Array, Array],
    budget: Array,
) -> Carry:
    def one(own: Carry, mapped: Any, begins: Array) -> Carry:
        given = mapped if shared is None else (mapped, shared)
        return _loop(newton, stop, own, given, settings, (begins, ends[1]), budget)

    return jax.vmap(one)(carry, args, ends[0])


@partial(jax.jit, static_argnums=2)
def _begin_many(starts: Array, settings: Settings, capacity: int) -> Carry:
    return jax.vmap(lambda start: _begin(start, settings, capacity))(starts)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Path:
    """A path that was followed.

    **Fields:**

    - `points`: y at every accepted step, `(k, n + 1)`; the last entry of y is the parameter t.
    - `arclength`: how far along the path, `(k,)`.
    - `condition`: of the bordered Jacobian, estimated from its pivots, `(k,)`.
    - `logarithm`: of the absolute determinant of the Jacobian, bordered by the unit tangent, `(k,)`.
    - `status`: how it ended, one of [`resolvent.numeric.PATHS`][].
    - `rejected`: how many steps were tried in vain; `iterations`: how many linear systems were solved.
    - `reversals`: how often the determinant changed its sign, as it does at a bifurcation: beyond one, the
        branch that was taken is one of several.
    """

    points: NDArray[np.floating]
    arclength: NDArray[np.floating]
    condition: NDArray[np.floating]
    logarithm: NDArray[np.floating]
    status: PATHS
    rejected: int
    iterations: int
    reversals: int

    @property
    def successful(self) -> bool:
        return bool(self.status == PATHS.successful)

    @property
    def t(self) -> NDArray[np.floating]:
        """The parameter at every accepted step, `(k,)`."""
        return self.points[:, -1]

    @property
    def end(self) -> NDArray[np.floating]:
        """The last point, `(n + 1,)`."""
        if not len(self.points):
            raise ValueError(f"this path has no points: {PATHS[self.status]}")
        return self.points[-1]

    @property
    def steps(self) -> int:
        return len(self.points) - 1

    @property
    def turning_points(self) -> NDArray[np.integer]:
        """The records at which t is largest or smallest before it turns, as indices."""
        moves = np.sign(np.diff(self.t))
        return np.flatnonzero(moves[1:] * moves[:-1] < 0) + 1

    def summary(self) -> str:
        """What came of it, to read."""
        if not len(self.points):
            return f"path: {PATHS[self.status]}"
        text = (
            f"path of {self.steps:,} steps ({self.rejected:,} rejected, {self.iterations:,} Newton corrections), "
            f"t from {self.t[0]:.6g} to {self.t[-1]:.6g}, length {self.arclength[-1]:.4g}"
        )
        text += f"\n  turning points: {len(self.turning_points)}; sign reversals: {self.reversals}"
        return (
            text
            + f"\n  largest condition estimate: {self.condition.max():.1e}\n  {PATHS[self.status]}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Path({max(self.steps, 0)} steps, {PATHS[self.status]!r})"


def follow(
    residual: Callable[[Array, Any], Array] | None,
    start: Float[Array | NDArray[np.floating], " n+1"],
    args: Any = None,
    *,
    target: float = float("inf"),
    stop: Callable[[Array, Any], Array] | None = None,
    newton: Newton | None = None,
    settings: Settings | None = None,
) -> Path:
    """Follow the zeros of a map from `start` until the last unknown, t, is `target`.

    The program is compiled once per `residual` (or `newton`), `stop` and shapes.

    **Arguments:**

    - `residual`: `(y, args)` to `(n,)`, smooth; `None` if `newton` is given.
    - `start`: a point near the curve, `(n + 1,)`; Newton's method at its t leads onto the curve.
    - `args`: a pytree of arrays that the map depends on.
    - `target`: where the path ends, exactly; it sets out towards it. Infinity: up, until `stop`.
    - `stop`: `(y, args)` to whether the path ends at an accepted point.
    - `newton`: in the place of `residual`, where the Jacobian has structure: see `Linearisation`.
    - `settings`: of steps.
    """
    require_x64()
    newton = _newton(residual, newton)
    settings = Settings() if settings is None else settings
    start = jnp.asarray(start, float)
    capacity = 256
    ends = (start[-1], jnp.asarray(target, float))
    carry = _begin(start, settings, capacity)
    kept: list[Records] = []
    while True:
        carry = _advance(newton, stop, carry, args, settings, ends, np.iinfo(np.int64).max // 2)
        assert carry.records is not None  # there is capacity
        number = int(carry.recorded)
        kept.append(Records(*(np.array(own)[:number] for own in carry.records)))
        if int(carry.status) != _FOLLOWING:
            break
        carry = carry._replace(recorded=jnp.zeros((), int))
    points, arclength, condition, logarithm = (
        np.concatenate(own) for own in zip(*kept, strict=True)
    )
    return Path(
        points=points,
        arclength=arclength,
        condition=condition,
        logarithm=logarithm,
        status=status_of(int(carry.status)),
        rejected=int(carry.rejected),
        iterations=int(carry.iterations),
        reversals=int(carry.reversals),
    )


_LANES, _SMALL = 16, 64


@dataclasses.dataclass(frozen=True, eq=False)
class Ends:
    """Where many paths ended: arrays with one entry per path, as in `Path`; `turns` counts turning points."""

    points: NDArray[np.floating]
    status: PATHS
    arclength: NDArray[np.floating]
    steps: NDArray[np.integer]
    rejected: NDArray[np.integer]
    iterations: NDArray[np.integer]
    turns: NDArray[np.integer]
    reversals: NDArray[np.integer]

    @property
    def successful(self) -> NDArray[np.bool_]:
        return np.asarray(self.status == PATHS.successful)

    def replaced(self, lanes: NDArray[np.integer], others: Ends) -> Ends:
        """The same with `others` in the place of some paths."""

        def put(own: Any, other: Any) -> Any:
            own = np.array(own)
            own[lanes] = other
            return own

        fields = [field.name for field in dataclasses.fields(self)]
        return Ends(**{k: jax.tree.map(put, getattr(self, k), getattr(others, k)) for k in fields})


def follow_many(
    residual: Callable[[Array, Any], Array] | None,
    starts: Float[Array, "paths n+1"],
    args: Any = None,
    shared: Any = None,
    *,
    target: float = float("inf"),
    stop: Callable[[Array, Any], Array] | None = None,
    newton: Newton | None = None,
    settings: Settings | None = None,
    width: int = 128,
    budget: int = 32,
) -> Ends:
    """Follow many paths of one map at once, in one compiled program; only their ends are kept.

    `width` paths are followed side by side, and after every `budget` Newton corrections those that ended make
    room for others, so that long paths keep nobody waiting.

    **Arguments:** as of [`resolvent.numeric.follow`][], and

    - `args`: every leaf has a leading axis of paths.
    - `shared`: what all paths depend on; the map is then called with `(args of one path, shared)`.
    """
    require_x64()
    newton = _newton(residual, newton)
    settings = Settings() if settings is None else settings
    starts = jnp.asarray(starts, float)
    number = len(starts)
    if not number:
        raise ValueError("starts: expected at least one path")
    # Small batches of small systems share a program: a few idle lanes cost less than another compilation.
    width = min(width, max(number, _LANES if starts.shape[1] <= _SMALL else 1))
    # Which path is in each lane; `number` where there is none.
    job = np.minimum(np.arange(width), number)
    waiting = width
    carry = _begin_many(starts[np.minimum(job, number - 1)], settings, 0)
    carry = carry._replace(status=jnp.where(job < number, carry.status, _SUCCESSFUL))
    final: Carry | None = None
    while (job < number).any():
        lanes = np.minimum(job, number - 1)
        ends = (starts[lanes, -1], jnp.asarray(target, float))
        given = jax.tree.map(lambda own, at=lanes: jnp.asarray(own)[at], args)
        carry = _advance_many(newton, stop, carry, given, shared, settings, ends, budget)
        done = np.flatnonzero((np.asarray(carry.status) != _FOLLOWING) & (job < number))
        if not done.size:
            continue
        now: Carry = jax.tree.map(np.array, carry)
        if final is None:
            final = jax.tree.map(lambda own: np.zeros((number, *own.shape[1:]), own.dtype), now)
        for kept, own in zip(jax.tree.leaves(final), jax.tree.leaves(now), strict=True):
            kept[job[done]] = own[done]
        more = np.minimum(np.arange(waiting, waiting + done.size), number)
        waiting += done.size
        job[done] = more
        some = done[more < number]
        fresh = _begin_many(starts[np.minimum(job, number - 1)], settings, 0)
        for own, new in zip(jax.tree.leaves(now), jax.tree.leaves(fresh), strict=True):
            own[some] = np.asarray(new)[some]
        carry = jax.tree.map(jnp.asarray, now)
    assert final is not None  # every path ended
    return Ends(
        points=np.asarray(final.point),
        status=from_codes_of_paths(np.asarray(final.status)),
        arclength=np.asarray(final.arclength),
        steps=np.asarray(final.steps) - 1,
        rejected=np.asarray(final.rejected),
        iterations=np.asarray(final.iterations),
        turns=np.asarray(final.turns),
        reversals=np.asarray(final.reversals),
    )


def status_of(number: int) -> PATHS:
    """The status with a code."""
    return from_codes_of_paths(np.asarray(number))


def from_codes_of_paths(codes: NDArray[np.integer]) -> PATHS:
    """One status per entry of `codes`."""
    return jax.tree.unflatten(jax.tree.structure(PATHS.successful), [codes])


def _newton(residual: Callable[[Array, Any], Array] | None, newton: Newton | None) -> Newton:
    if (residual is None) == (newton is None):
        raise ValueError("expected either a residual or a Newton step")
    if newton is not None:
        return newton
    assert residual is not None  # one of the two is given
    return DenseNewton(residual)
