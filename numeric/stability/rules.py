r"""Learning rules as maps: the Jacobian of a joint update, its spectral radius, and where the rule can rest.

$$ F(z, m) = \big( z + \Delta(z, m), \; M(z, m) \big), \qquad \rho = \max_k |\mu_k|, \quad
   \mu = \mathrm{eig} \, \frac{\partial F}{\partial (z, m)}, $$

with z the parameters of all players, m what their learners remember and $\Delta$ what is added. Where $\rho < 1$ at a
fixed point of F, the iteration converges to it from nearby and loses a factor $\rho$ per step (Ostrowski 1966); where
$\rho > 1$ it leaves, from almost everywhere nearby if F is a local diffeomorphism. Learners ascend: for losses
$F = z - \alpha G$, and $\partial \Delta / \partial z = -\alpha \nabla G$.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.loop import joint_update
from resolvent.numeric.stability.classification import number
from resolvent.numeric.stability.fixed_points import axes, within
from resolvent.numeric.stability.jacobian import point_of, ravel, split
from resolvent.numeric.stability.spectrum import Spectrum, spectrum
from resolvent.numeric.stability.zeros import SINGULAR, Zero, box, newton, sort_out, spread

Tree = Any
Learners = AbstractLearner | Sequence[AbstractLearner]
Method = Literal["automatic", "differences"]

# A rule that moves a parameter by no more than this at a fixed point of the game keeps it.
_MOVE = 1e-9
# Where one-sided differences depart from the Jacobian by more than this share, the map has a kink.
_KINK = 1e-3
_NEAR = 1e-6
_DIRECTIONS = 2


class RULE(eqx.Enumeration):
    """What a rule does near a point; each member is its message, `RULE[status]`."""

    stable = "stable: the spectral radius is below 1, and the rule converges to it from nearby"
    stable_across = (
        "stable across a continuum: all multipliers but those along it are below 1, and the rule converges to "
        "the continuum from nearby"
    )
    unstable = (
        "unstable: a multiplier is above 1, and the rule leaves from almost everywhere nearby"
    )
    undecided = "undecided, see `reason`"
    not_fixed = "lost: the rule moves away from here even if it starts here"


@dataclass(frozen=True, eq=False, repr=False)
class UpdateJacobian:
    """The Jacobian of a joint update at a point, and what it says.

    **Fields:**

    - `learners`: one per player; `name`: of what is played.
    - `params`: the point, one array per player.
    - `memory`: the memories there, `(m,)`, raveled: those that the rule itself keeps up if it stays there.
    - `matrix`: dF, `(d + m, d + m)`: parameters first, in order, then memories.
    - `displacement`: the largest entry of what the rule adds there (and by which memories change).
    - `spectrum`: the multipliers and their rounding errors.
    - `kink`: how far differences of the map depart from `matrix`, as a share of its size: 0 up to rounding
        where the map is differentiable.
    - `status`: a [`resolvent.numeric.RULE`][]; `reason`: the numbers that decide it.
    """

    learners: tuple[AbstractLearner, ...]
    name: str
    params: tuple[Array, ...]
    memory: NDArray[np.floating]
    matrix: NDArray[np.floating]
    displacement: float
    spectrum: Spectrum
    kink: float
    status: RULE
    reason: str

    @property
    def multipliers(self) -> NDArray[np.complexfloating]:
        """The eigenvalues of dF, by falling modulus."""
        found = self.spectrum.eigenvalues
        return found[np.argsort(-np.abs(found), kind="stable")]

    @property
    def spectral_radius(self) -> float:
        return float(np.abs(self.spectrum.eigenvalues).max(initial=0.0))

    @property
    def across(self) -> float:
        """The largest modulus among multipliers other than 1: where the rule rests on a continuum of fixed points,
        the factor by which it nears it."""
        moduli = np.abs(self.spectrum.eigenvalues)
        return float(moduli[~_neutral(self.spectrum)].max(initial=0.0))

    @property
    def steps_per_digit(self) -> float:
        """Steps in which the distance falls to a tenth; infinite where it does not fall."""
        factor = self.across if self.status == RULE.stable_across else self.spectral_radius
        if factor >= 1:
            return math.inf
        return 0.0 if factor == 0 else -1 / math.log10(factor)

    @property
    def rotation(self) -> float:
        """By how many turns per step the slowest mode turns, from 0 to 1/2."""
        found = self.spectrum.eigenvalues
        moving = found[~_neutral(self.spectrum)]
        if not len(moving) or not np.isfinite(moving).all():
            return 0.0
        return float(abs(np.angle(moving[np.abs(moving).argmax()])) / (2 * math.pi))

    @property
    def fixed(self) -> bool:
        """Whether the point is a fixed point of the rule."""
        return not bool(self.status == RULE.not_fixed)

    @property
    def stable(self) -> bool:
        """Whether the rule converges to the point, or to a continuum that it is part of."""
        return bool(self.status == RULE.stable) or bool(self.status == RULE.stable_across)

    @property
    def unstable(self) -> bool:
        return bool(self.status == RULE.unstable)

    def __repr__(self) -> str:
        return f"UpdateJacobian({self.learners[0]!r}, ..., {self.reason})"

    def __str__(self) -> str:
        shown = ", ".join(map(number, self.multipliers[:8]))
        more = ", ..." if len(self.spectrum) > 8 else ""
        lines = [f"{', '.join(map(repr, self.learners))} on {self.name}: {RULE[self.status]}"]
        lines += [f"  {self.reason}", f"  multipliers {shown}{more}"]
        if self.stable:
            lines.append(
                f"  a digit in {self.steps_per_digit:.4g} steps, {self.rotation:.4g} turns per step"
            )
        return "\n".join(lines)

    def plot(self, ax: Any = None) -> Any:
        """Draw the multipliers and the unit circle.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        angles = np.linspace(0, 2 * math.pi, 200)
        ax.plot(np.cos(angles), np.sin(angles), color="grey", linewidth=0.8)
        found = self.spectrum.eigenvalues
        ax.scatter(found.real, found.imag, label=type(self.learners[0]).__name__)
        ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal", title=self.name)
        ax.legend(fontsize="small")
        return ax


class RuleMap(eqx.Module):
    """(z, m) -> F(z, m) of a joint update, on flat vectors; memories may be any pytree of floats."""

    values: ValueFunction
    learners: tuple[AbstractLearner, ...]

    @property
    def num_parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.values.shapes)

    def params(self, z: Array) -> Tree:
        return self.values.unstack(split(self.values.shapes, z[: self.num_parameters]))

    def first_memories(self, z: Array) -> tuple[Tree, ...]:
        params = self.params(z)
        return tuple(own.init(self.values, params, i) for i, own in enumerate(self.learners))

    def begin(self, z: Array) -> Array:
        """Parameters -> parameters and the learners' first memories."""
        return jnp.concatenate([z, ravel(self.first_memories(z))])

    def __call__(self, point: Array) -> Array:
        example = jax.eval_shape(self.first_memories, point)
        leaves, structure = jax.tree.flatten(example)
        shapes = tuple(leaf.shape for leaf in leaves)
        states = jax.tree.unflatten(structure, split(shapes, point[self.num_parameters :]))
        params = self.params(point)
        updates, after, _ = joint_update(self.values, self.learners, params, states)
        moved = point[: self.num_parameters] + ravel(updates)
        return jnp.concatenate([moved, ravel(after)])


class RuleSystem(eqx.Module):
    """(z, m) -> (F(z, m) - (z, m), its Jacobian), whose zeros are where the rule rests."""

    map: RuleMap

    def __call__(self, point: Array) -> tuple[Array, Array]:
        slope, image = jax.jacfwd(_twice(self.map), has_aux=True)(point)
        return image - point, slope - jnp.eye(point.size)


class _MemorySystem(eqx.Module):
    """m -> (M(z, m) - m, its Jacobian) at given parameters."""

    map: RuleMap
    z: Array

    def __call__(self, memory: Array) -> tuple[Array, Array]:
        def change(own: Array) -> Array:
            return self.map(jnp.concatenate([self.z, own]))[self.z.size :] - own

        slope, value = jax.jacfwd(_twice(change), has_aux=True)(memory)
        return value, slope


def _twice(function: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    """x -> (f, f), so that the Jacobian comes with the value from one program."""

    def both(x: Array) -> tuple[Array, Array]:
        value = function(x)
        return value, value

    return both


def rule_map(values: ValueFunction, learners: Learners) -> RuleMap:
    """The joint update as a function on flat vectors.

    **Arguments:** `learners`: one for all players, or a sequence of one each.

    **Raises:** `ValueError` where a learner cannot play these values, where their number is wrong, and for a memory
    that holds anything but floats; `TypeError` for what is no learner.
    """
    each = (
        (learners,) * values.num_players
        if isinstance(learners, AbstractLearner)
        else tuple(learners)
    )
    if len(each) != values.num_players:
        raise ValueError(
            f"learners: expected one, or one for each of {values.num_players} players, got {len(each)}"
        )
    for player, own in enumerate(each):
        if not isinstance(own, AbstractLearner):
            raise TypeError(f"learners: expected learners such as LOLA(1.0), got {own!r}")
        own.check(values, player)
    found = RuleMap(values.for_loops(many=True), each)
    start = jax.ShapeDtypeStruct((found.num_parameters,), float)
    for leaf in jax.tree.leaves(eqx.filter_eval_shape(found.first_memories, start)):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise ValueError(
                f"learners: expected memories of floats, which have a Jacobian; got one of {leaf.dtype}"
            )
    return found


def update_jacobian(
    values: ValueFunction,
    learners: Learners,
    params: Tree,
    memory: Any = None,
    *,
    continuum: int = 0,
    method: Method = "automatic",
) -> UpdateJacobian:
    """The Jacobian of one joint update of any learners, memories included, and what it says of stability.

    A learner's memory is taken where the rule itself keeps it if parameters stay: the optimistic gradient's
    is the gradient there, for instance. Where there is no such memory, as in a rule that counts steps, that
    is said, and nothing is decided.

    **Arguments:**

    - `values`: any [`resolvent.numeric.ValueFunction`][].
    - `learners`: one for all players, or a sequence of one each.
    - `params`: the point, one array per player; what is said of stability is about fixed points of the rule.
    - `memory`: the memories, raveled, `(m,)`; default: found as above.
    - `continuum`: of how many dimensions a continuum of fixed points through the point is; as many
        multipliers are then 1, and stability means that of the continuum.
    - `method`: `"automatic"` differentiation forward through the rule, or central `"differences"`, for rules
        that JAX cannot differentiate, or to check.

    **Returns:** [`resolvent.numeric.UpdateJacobian`][].

    **Raises:** `ValueError` for parameters of other shapes, and as `learners` are refused.
    """
    z = point_of(values, params)
    rule = rule_map(values, learners)
    if method not in ("automatic", "differences"):
        raise ValueError(f"method: expected 'automatic' or 'differences', got {method!r}")
    settled = True
    if memory is None:
        point, settled = _rest(rule, jnp.asarray(z))
    else:
        wanted = eqx.filter_eval_shape(rule.begin, jnp.asarray(z)).size - z.size
        own = np.ravel(np.asarray(memory, float))
        if own.size != wanted:
            raise ValueError(f"memory: expected {wanted} numbers, got {own.size}")
        point = np.concatenate([z, own])
    return _judged(values, rule, point, settled, continuum, method)


def _rest(rule: RuleMap, z: Array) -> tuple[NDArray[np.floating], bool]:
    """Parameters with the memories that stay as they are, and whether there are such."""
    if not jax.tree.leaves(eqx.filter_eval_shape(rule.first_memories, z)):
        return np.asarray(z), True
    first = np.asarray(_begin(rule, z))[z.size :]
    found, _, _ = newton(_MemorySystem(rule, z), first[None, :], math.inf, 60)
    # The residual is judged by its size at the start, which may be an exact zero.
    settled = bool(found.residuals[0] <= _MOVE * (1 + np.abs(first).max()))
    memory = found.points[0] if settled else first
    return np.concatenate([np.asarray(z), memory]), settled


@eqx.filter_jit
def _begin(rule: RuleMap, z: Array) -> Array:
    return rule.begin(z)


@eqx.filter_jit
def _expand(rule: RuleMap, point: Array, method: Method) -> tuple[Array, Array, Array]:
    """The image of a point, the Jacobian of the map, and how far it is from one-sided differences."""
    d = point.size
    size = _NEAR * (1 + jnp.abs(point).max(initial=0.0))
    # Directions in which no two coordinates are alike; one-sided, so that a kink shows.
    angles = jnp.arange(1, d + 1)[None, :] * jnp.array([1.0, math.sqrt(2)])[:_DIRECTIONS, None]
    directions = jnp.cos(angles) / math.sqrt(max(d, 1))
    steps = size * (jnp.eye(d) if method == "differences" else directions)
    if method == "differences":
        moves = jnp.concatenate([jnp.zeros((1, d)), steps, -steps])
        around = lax.map(rule, point[None, :] + moves)
        image, ahead, behind = around[0], around[1 : d + 1], around[d + 1 :]
        off = jnp.abs(ahead + behind - 2 * image[None, :]).max(initial=0.0) / size
        return image, ((ahead - behind) / (2 * size)).T, off
    slope, image = jax.jacfwd(_twice(rule), has_aux=True)(point)
    moves = jnp.concatenate([steps, -steps])
    off = lax.map(rule, point[None, :] + moves) - image[None, :] - moves @ slope.T
    return image, slope, jnp.abs(off).max(initial=0.0) / size


def _judged(
    values: ValueFunction,
    rule: RuleMap,
    point: NDArray[np.floating],
    settled: bool,
    continuum: int,
    method: Method = "automatic",
) -> UpdateJacobian:
    image, slope, off = (np.asarray(own) for own in _expand(rule, jnp.asarray(point), method))
    floor = 0.0 if method == "automatic" else 1e-7
    found = spectrum(slope, floor)
    scale = max(1.0, float(np.abs(slope).max(initial=0.0))) if np.isfinite(slope).all() else 1.0
    kink = float(off) / scale
    displacement = float(np.abs(image - point).max(initial=0.0))
    status, reason = _status(rule, point, image, slope, found, kink, settled, continuum)
    d = rule.num_parameters
    params = split(values.shapes, jnp.asarray(point[:d]))
    return UpdateJacobian(
        rule.learners,
        values.name,
        params,
        point[d:],
        slope,
        displacement,
        found,
        kink,
        status,
        reason,
    )


def _neutral(found: Spectrum) -> NDArray[np.bool_]:
    """Which multipliers are 1, within rounding."""
    return np.abs(found.eigenvalues - 1) <= np.maximum(found.errors, SINGULAR * 1e-3)


def _status(
    rule: RuleMap,
    point: NDArray[np.floating],
    image: NDArray[np.floating],
    slope: NDArray[np.floating],
    found: Spectrum,
    kink: float,
    settled: bool,
    continuum: int,
) -> tuple[RULE, str]:
    d = rule.num_parameters
    if not np.isfinite(image).all() or not np.isfinite(slope).all():
        return RULE.undecided, "the update or its Jacobian is not finite here"
    move = float(np.abs(image - point)[:d].max(initial=0.0))
    if not move <= _MOVE * (1 + np.abs(point[:d]).max(initial=0.0)):
        return RULE.not_fixed, f"the rule moves a parameter by {move:.3g}"
    if not settled:
        return (
            RULE.undecided,
            "the learners' memories have no fixed point here, as of one that counts steps",
        )
    moduli, errors = np.abs(found.eigenvalues), found.errors
    radius = float(moduli.max(initial=0.0))
    if kink > _KINK:
        return RULE.undecided, (
            f"the update has a kink here: differences depart from its Jacobian by {kink:.2g}"
        )
    if (moduli + errors < 1).all():
        return RULE.stable, f"spectral radius {radius:.6g}"
    neutral = _neutral(found)
    outside = (moduli - errors > 1) & ~neutral
    if outside.any():
        return RULE.unstable, f"spectral radius {radius:.6g}"
    along = int(neutral.sum())
    rest = (moduli + errors)[~neutral]
    if 0 < along <= continuum and (rest < 1).all():
        across = float(moduli[~neutral].max(initial=0.0))
        return RULE.stable_across, f"multiplier 1 along the continuum, at most {across:.6g} across"
    on = int((np.abs(moduli - 1) <= errors).sum() if not along else (moduli >= 1 - errors).sum())
    return RULE.undecided, f"{on} multipliers of modulus 1: what is beyond first order decides"


def rests(
    values: ValueFunction,
    learners: Learners,
    region: Any,
    *,
    starts: int = 256,
    iterations: int = 80,
) -> tuple[UpdateJacobian, ...]:
    """The points of a region where a rule can rest: the fixed points of its map, those that are none of the game
    among them.

    **Arguments:** as for [`resolvent.numeric.fixed_points`][], and `learners`: one for all players, or a
    sequence of one each. Newton's method starts from the learners' first memories.

    **Returns:** an [`resolvent.numeric.UpdateJacobian`][] for each; of a continuum, for the point closest to
    the middle of the region.

    **Raises:** `ValueError` for a region that is none, and as learners are refused.
    """
    low, high = box(region, values.shapes)
    check_count(starts, "starts")
    check_count(iterations, "iterations")
    rule = rule_map(values, learners)
    zeros = _zeros(rule, low, high, starts, iterations)
    return tuple(_judged(values, rule, own.point, True, own.dimension) for own in zeros)


@eqx.filter_jit
def _beginnings(rule: RuleMap, points: Array) -> Array:
    return lax.map(rule.begin, points)


def _zeros(
    rule: RuleMap,
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    starts: int,
    iterations: int,
) -> list[Zero]:
    begin = spread(low, high, starts)
    if jax.tree.leaves(eqx.filter_eval_shape(rule.first_memories, jnp.asarray(begin[0]))):
        begin = np.asarray(_beginnings(rule, jnp.asarray(begin)))
    reach = float((high - low).max(initial=0.0)) / 16
    system = RuleSystem(rule)
    found, _, slope = newton(system, begin, reach, iterations)
    inside = within(found, low, high)
    # Memories are sorted by as wide a range as parameters; they are functions of these at rest.
    spare = begin.shape[1] - len(low)
    wide_low = np.concatenate([low, np.full(spare, low.min(initial=0.0))])
    wide_high = np.concatenate([high, np.full(spare, high.max(initial=0.0))])
    return sort_out(system, found, inside, slope, wide_low, wide_high, iterations)
