r"""By how much small changes grow along the way of learning, and gradients that are refused where it is too much.

With $A_m = \partial \theta^{m+1} / \partial \theta^m$, of all parameters and memories, the meta-gradient is a sum over
products of these,

$$ \frac{\mathrm{d} \theta^{k}}{\mathrm{d} \vartheta} = \sum_{m < k} A_{k-1} \cdots A_{m+1} \,
   \frac{\partial \theta^{m+1}}{\partial \vartheta}, $$

and what rounding does at step m is multiplied by the same products. A growth of $10^k$ costs k of 16 digits; in
chaotic dynamics, as among LOLA learners, it can be $10^{34}$ in 100 steps, and the "gradient" then is no direction in
which J increases, though forward and reverse mode agree on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.meta_game import (
    MetaGame,
    Seat,
    Way,
    advance,
    begin,
    follow_way,
    mean_over_starts,
)
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy
from resolvent.numeric.metagame.slopes import slopes

Tree = Any


class META_GRADIENT(eqx.Enumeration):
    """Whether a meta-gradient means anything; each member is its message, `META_GRADIENT[status]`."""

    reliable = "the gradient is reliable: small changes grow little along the way"
    chaotic = (
        "refused: small changes grow beyond the limit along the way, so that the gradient says nothing about where "
        'the objective increases; train with method="evolution", or shorten it by meta_game(..., truncate=10)'
    )
    nonfinite = "refused: the learners leave the finite numbers along the way; take smaller rates or fewer steps"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Conditioning:
    """How much small changes grow along the way.

    **Fields:**

    - `growth`: per start, the largest factor by which a small random change of all parameters (and memories) grows, in
        root mean square, between any two steps of one window: the Frobenius norm of the product of Jacobians, over that
        of the identity. Windows are those of `truncate`. At least 1; infinite where it is beyond all numbers.
    - `finite`: per start, whether all payoffs are.
    - `limit`: of the game.
    """

    growth: NDArray[np.floating]
    finite: NDArray[np.bool_]
    limit: float

    @property
    def status(self) -> META_GRADIENT:
        if not self.finite.all():
            return META_GRADIENT.nonfinite
        if self.growth.max() > self.limit:
            return META_GRADIENT.chaotic
        return META_GRADIENT.reliable

    @property
    def reliable(self) -> bool:
        return bool(self.status == META_GRADIENT.reliable)

    @property
    def digits(self) -> float:
        """How many decimal digits of a gradient are left, about."""
        return float(np.clip(15.95 - np.log10(self.growth.max()), 0, None))

    def summary(self) -> str:
        """To read."""
        beyond = int((self.growth > self.limit).sum())
        return (
            f"growth of small changes along the way: median {np.median(self.growth):.3g}, "
            f"largest {self.growth.max():.3g}, "
            f"beyond {self.limit:.0e} from {beyond} of {self.growth.size} starts; about {self.digits:.0f} digits left\n"
            f"  {META_GRADIENT[self.status]}"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return (
            f"Conditioning(largest growth {self.growth.max():.3g}, {META_GRADIENT[self.status]!r})"
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MetaGradient:
    """The derivative of J by a meta-policy, through all steps.

    **Fields:**

    - `value`: J of the player.
    - `own`: the part of its own parameters, the sum over m of $w_m \\nabla_i V_i$ times the derivative of
        $\\theta_i^m$, a pytree like the meta-policy; `None` where the gradient is refused.
    - `shaping`: the part of the others' parameters; likewise.
    - `conditioning`: on which it is judged.
    - `truncate`: the window of the game; with one, these are not the derivatives of J.
    """

    value: float
    own: Any
    shaping: Any
    conditioning: Conditioning
    truncate: int | None

    @property
    def status(self) -> META_GRADIENT:
        return self.conditioning.status

    @property
    def reliable(self) -> bool:
        return self.conditioning.reliable

    @property
    def total(self) -> Any:
        """Both parts; `None` where the gradient is refused."""
        return None if self.own is None else jax.tree.map(jnp.add, self.own, self.shaping)

    def summary(self) -> str:
        """To read."""
        lines = [f"meta-gradient at value {self.value:.6g}"]
        if self.truncate is not None:
            lines[0] += f", through windows of {self.truncate} steps"
        if self.own is not None:
            own, shaping, total = (
                float(jnp.linalg.norm(ravel_pytree(part)[0]))
                for part in (self.own, self.shaping, self.total)
            )
            lines.append(f"  norm {total:.4g}: own part {own:.4g}, shaping part {shaping:.4g}")
        lines += [f"  {line}" for line in self.conditioning.summary().splitlines()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"MetaGradient(value {self.value:.6g}, {META_GRADIENT[self.status]!r})"


def conditioning(game: MetaGame, policy: AbstractMetaPolicy | Sequence[Seat]) -> Conditioning:
    """Measure how much small changes grow along the way: by forward mode, about as many forward runs as there are
    parameters.

    **Arguments:** `policy`: of the player; or who sits where, one meta-policy or learner per player.
    """
    growth, finite = growths(game, game.seats(policy), game.starts)
    return Conditioning(np.asarray(growth), np.asarray(finite), float(game.limit))


def meta_gradient(game: MetaGame, policy: AbstractMetaPolicy) -> MetaGradient:
    """The exact derivative of J through all steps, in its two parts; refused where it would mean nothing.

    **Arguments:** `policy`: a meta-policy of the player.

    **Returns:** a [`resolvent.numeric.MetaGradient`][]; of a refused one `status` says why and the parts are `None`.
    """
    seats = game.seats(policy)
    found = conditioning(game, policy)
    if not found.reliable:
        return MetaGradient(float(game.value(policy)), None, None, found, game.truncate)
    value, (own, shaping) = _parts(game, policy, seats)
    return MetaGradient(float(value), own, shaping, found, game.truncate)


@eqx.filter_jit
def _parts(
    game: MetaGame, policy: AbstractMetaPolicy, seats: tuple[Seat, ...]
) -> tuple[Array, tuple[Tree, Tree]]:
    trained, rest = eqx.partition(policy, eqx.is_inexact_array)
    i = game.player

    def twice(own: Tree, start: tuple[Array, ...]) -> Array:
        """J with the others' parameters constant in the payoffs, and with the player's own."""
        players = tuple(eqx.combine(own, rest) if j == i else seat for j, seat in enumerate(seats))

        def count(values: Any, params: Tree) -> Array:
            fixed = lax.stop_gradient(params)
            first = tuple(params[j] if j == i else fixed[j] for j in range(len(params)))
            second = tuple(fixed[j] if j == i else params[j] for j in range(len(params)))
            return jnp.stack([values(first)[i], values(second)[i]])

        return game.weights @ follow_way(game, players, start, count)[0]

    def one(start: tuple[Array, ...]) -> tuple[Array, Tree]:
        both, pull = jax.vjp(lambda own: twice(own, start), trained)
        return both[0], jax.vmap(pull)(jnp.eye(2))[0]

    value, parts = mean_over_starts(one, game.starts)
    own, shaping = (jax.tree.map(lambda leaf, k=k: leaf[k], parts) for k in range(2))
    return value, (own, shaping)


class Slope(eqx.Module):
    """J of the player and its whole gradient, for optimisers: not judged."""

    game: MetaGame

    def __call__(self, trained: Tree, rest: Tree, starts: tuple[Array, ...]) -> tuple[Array, Tree]:
        """**Arguments:** the two parts of a meta-policy, see `equinox.partition`; and starts."""
        game = self.game
        policy = eqx.combine(trained, rest)
        seats: Any = tuple(
            policy if j == game.player else seat for j, seat in enumerate(game.learners)
        )
        payoffs, gradients = slopes(game, seats, starts)
        return payoffs[game.player], gradients[game.player]


@eqx.filter_jit
def growths(
    game: MetaGame, seats: tuple[Seat, ...], starts: tuple[Array, ...]
) -> tuple[Float[Array, " starts"], Array]:
    """Of each start, the largest growth along the way, and whether all payoffs are finite."""
    if isinstance(game.values, CompiledValue):
        # Jacobians of scalar programs take XLA minutes to compile.
        game = eqx.tree_at(lambda own: own.values, game, by_tensors(game.values))
    return jax.vmap(lambda start: _growth(game, seats, start))(starts)


def _growth(
    game: MetaGame, seats: tuple[Seat, ...], start: tuple[Array, ...]
) -> tuple[Array, Array]:
    values, way = begin(game, seats, start)
    moving, fixed = eqx.partition(way, eqx.is_inexact_array)
    first, unravel = ravel_pytree(moving)
    identity = jnp.eye(first.size)
    whole = jnp.linalg.norm(identity)

    def step(carry: tuple[Array, Way, Array, Array], index: Array) -> tuple[Any, Array]:
        at, still, product, largest = carry
        # The largest product that ends here goes on from the last one, or begins here, whichever is larger.
        fresh = jnp.linalg.norm(product) < whole
        if game.truncate is not None:
            fresh |= index % game.truncate == 0
        product = jnp.where(fresh, identity, product)

        def move(z: Array) -> tuple[Array, tuple[Way, Array]]:
            after = advance(values, seats, eqx.combine(unravel(z), still))
            moved, kept = eqx.partition(after, eqx.is_inexact_array)
            return ravel_pytree(moved)[0], (kept, values(after.params))

        at, linear, (still, payoffs) = jax.linearize(move, at, has_aux=True)
        product = jax.vmap(linear, in_axes=1, out_axes=1)(product)
        size = jnp.linalg.norm(product) / whole
        size = jnp.where(jnp.isfinite(size), size, jnp.inf)
        return (at, still, product, jnp.maximum(largest, size)), jnp.isfinite(payoffs).all()

    carry = (first, fixed, identity, jnp.ones(()))
    (_, _, _, largest), finite = lax.scan(step, carry, jnp.arange(game.steps))
    return largest, finite.all()
