r"""What a meta-value is, and the equation that it satisfies.

$$ V_i(x) = (1 - \gamma_i) f_i(x) + \gamma_i V_i(x'), \qquad
   x'_j = x_j + \alpha_j \nabla_j V_j(x) \text{ or } x_j + \Delta_j(x), $$

the discounted average of a player's values f along the way that learning takes from x. Players follow
their own meta-value, with step $\alpha_j$, or the update $\Delta_j$ of a given learner. Cooijmans et al.
(2023), *Meta-value learning: a general framework for learning with learning awareness*, arXiv:2307.08863.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction, check_parameters, require_x64
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner

Tree = Any
Opponents = AbstractLearner | Sequence[AbstractLearner | None] | None
"""Who does not follow a meta-value; see [`resolvent.numeric.bellman_residual`][]."""

Belief = tuple[AbstractLearner | None, ...]
"""One entry per player: its learner, or `None` where it follows its meta-value."""


class MetaValue(ValueFunction):
    """Meta-values of all players as a value function: what one would maximise who looks beyond the next
    step of learning.

    A meta-value takes parameters as arrays, of the shapes of the game's. It may be followed by
    [`resolvent.numeric.MeVa`][], or by any learner in place of the game's values.

    **Attributes:**

    - `values`: of the game.
    - `discount`: $\\gamma$, `(n,)`: how far each player looks ahead; 0 is the game itself.
    """

    values: ValueFunction
    discount: Float[Array, " players"]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.values.shapes

    @property
    def name(self) -> str:
        return f"meta-value of {self.values.name}"

    @eqx.filter_jit
    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        params = check_parameters(params, self.shapes)
        values, pull = jax.vjp(self.__call__, params)
        # One by one, so that what a learner does not ask for is dead code.
        return tuple(pull(unit)[0] for unit in jnp.eye(self.num_players, dtype=values.dtype))

    @eqx.filter_jit
    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        params = check_parameters(params, self.shapes)

        def gradient(moved: Array) -> Array:
            joint = (*params[:k], moved, *params[k + 1 :])
            return jax.grad(lambda own: self((*joint[:j], own, *joint[j + 1 :]))[i])(joint[j])

        return jax.jvp(gradient, (params[k],), (jnp.asarray(u, params[k].dtype),))[1]

    def __str__(self) -> str:
        return repr(self)


def check_values(values: Any) -> ValueFunction:
    """**Raises:** `TypeError` for anything but a value function, `RuntimeError` without 64-bit mode."""
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(
            f"values: expected a ValueFunction, got {type(values).__name__} "
            "(ValueFunction.wrap makes one of a function)"
        )
    return values


def check_discount(discount: Any, num_players: int) -> Float[Array, " players"]:
    """One number in [0, 1) per player, from one for all or one for each.

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(discount, Tracer):
        return jnp.broadcast_to(discount, (num_players,))
    array = np.asarray(discount)
    good = array.dtype.kind in "iuf" and array.shape in ((), (num_players,))
    if not good or not ((array >= 0) & (array < 1)).all():
        raise ValueError(
            f"discount: expected a number in [0, 1), or one for each of {num_players} players, "
            f"got {discount!r}"
        )
    return jnp.broadcast_to(jnp.asarray(array, float), (num_players,))


def check_rate(rate: Any, num_players: int) -> Float[Array, " players"]:
    """One finite number per player, from one for all or one for each.

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(rate, Tracer):
        return jnp.broadcast_to(rate, (num_players,))
    array = np.asarray(rate)
    good = array.dtype.kind in "iuf" and array.shape in ((), (num_players,))
    if not good or not np.isfinite(array).all():
        raise ValueError(
            f"rate: expected a finite number, or one for each of {num_players} players, got {rate!r}"
        )
    return jnp.broadcast_to(jnp.asarray(array, float), (num_players,))


def beliefs_of(opponents: Opponents, values: ValueFunction) -> tuple[Belief, ...]:
    """How each player believes everybody to learn, itself included.

    **Arguments:** `opponents`: as of [`resolvent.numeric.bellman_residual`][].

    **Raises:** `ValueError` for a wrong number, or a learner with a memory; `TypeError` for anything
    else that is not a learner.
    """
    players = values.num_players
    if opponents is None:
        return ((None,) * players,) * players
    if isinstance(opponents, AbstractLearner):
        _check_memoryless(opponents, values, "opponents")
        return tuple(
            tuple(None if j == i else opponents for j in range(players)) for i in range(players)
        )
    rules = tuple(opponents) if isinstance(opponents, Sequence) else (opponents,)
    for player, rule in enumerate(rules):
        if rule is not None and not isinstance(rule, AbstractLearner):
            raise TypeError(
                f"opponents[{player}]: expected a learner, or None for one who follows its "
                f"meta-value, got {rule!r}"
            )
    if len(rules) != players:
        raise ValueError(
            f"opponents: expected a learner for all others, or one entry for each of {players} "
            f"players, got {len(rules)}"
        )
    for player, rule in enumerate(rules):
        if rule is not None:
            _check_memoryless(rule, values, f"opponents[{player}]")
    return (rules,) * players


def _check_memoryless(rule: AbstractLearner, values: ValueFunction, name: str) -> None:
    example = tuple(jnp.zeros(shape) for shape in values.shapes)

    def memories(params: tuple[Array, ...]) -> tuple[Tree, ...]:
        rows = values.unstack(params)
        return tuple(rule.init(values, rows, player) for player in range(values.num_players))

    if jax.tree.leaves(eqx.filter_eval_shape(memories, example)):
        raise ValueError(
            f"{name}: {type(rule).__name__} remembers earlier steps, and where it leads is not a "
            "function of the parameters alone; use unrolled_meta_value, which carries its memory"
        )


def learner_step(
    values: ValueFunction, rule: AbstractLearner, params: tuple[Array, ...], player: int
) -> Array:
    """The update of a learner without memory, in arrays."""
    rows = values.unstack(params)
    update, _, _ = rule.update(values, rows, player, rule.init(values, rows, player))
    return values.stack((*rows[:player], update, *rows[player + 1 :]))[player]


def successors(
    values: ValueFunction,
    gradients: Sequence[Array],
    rate: Array,
    beliefs: tuple[Belief, ...],
    params: tuple[Array, ...],
) -> tuple[tuple[Array, ...], ...]:
    r"""Where the next step leads, as each player believes: $x'$ of the module's equation.

    **Arguments:** `gradients`: $\nabla_j V_j(x)$ for each j.
    """

    def moved(belief: Belief) -> tuple[Array, ...]:
        updates = [
            tree.scale(rate[j], gradients[j])
            if rule is None
            else learner_step(values, rule, params, j)
            for j, rule in enumerate(belief)
        ]
        return tuple(map(jnp.add, params, updates))

    if all(belief is beliefs[0] for belief in beliefs):
        return (moved(beliefs[0]),) * len(beliefs)
    return tuple(map(moved, beliefs))


def bellman_residual(
    values: ValueFunction,
    meta: ValueFunction,
    rate: Any,
    discount: Any,
    params: Sequence[Any],
    opponents: Opponents = None,
) -> Float[Array, "... players"]:
    r"""By how much meta-values fail the equation that defines them, $V_i(x) - (1 - \gamma_i) f_i(x) -
    \gamma_i V_i(x')$, in units of the values f.

    **Arguments:**

    - `values`: f, of the game.
    - `meta`: V, any value function: a meta-value of this library, or your own.
    - `rate`: $\alpha$, a number or one per player: the step with which players follow their meta-value.
    - `discount`: $\gamma$, a number in [0, 1) or one per player.
    - `params`: x, one array per player, all with or all without one leading axis of points.
    - `opponents`: `None`: all players follow their meta-value, each believes so, and the equations hang
        together. A learner: each player believes that all others use it, and follows its meta-value
        itself; then the equations of different players have nothing to do with each other. A sequence
        with one entry per player: who uses a learner, and, where `None`, who follows its meta-value. The
        last contains the meta-value of given learners.

    **Returns:** `(n,)`, or `(points, n)`.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    check_values(values)
    players = values.num_players
    if not isinstance(meta, ValueFunction):
        raise TypeError(f"meta: expected a ValueFunction, got {type(meta).__name__}")
    if meta.shapes != values.shapes:
        raise ValueError(
            f"meta: made for parameters of shapes {meta.shapes}, but those of {values.name} have "
            f"shapes {values.shapes}"
        )
    alpha, gamma = check_rate(rate, players), check_discount(discount, players)
    beliefs = beliefs_of(opponents, values)
    if not isinstance(params, (tuple, list)) or len(params) != players:
        raise ValueError(f"params: expected one array for each of {players} players")
    arrays = tuple(jnp.asarray(own, float) for own in params)
    batched = arrays[0].ndim > len(values.shapes[0])
    for player, (own, shape) in enumerate(zip(arrays, values.shapes, strict=True)):
        if own.shape[batched:] != shape or own.shape[:batched] != arrays[0].shape[:batched]:
            raise ValueError(
                f"params[{player}]: expected shape {shape}, or (points, *{shape}) as of all players, "
                f"got {own.shape}"
            )
    points = arrays if batched else tuple(own[None] for own in arrays)
    found = _residuals(values, meta, alpha, gamma, beliefs, points)
    return found if batched else found[0]


@eqx.filter_jit
def _residuals(
    values: ValueFunction,
    meta: ValueFunction,
    rate: Array,
    discount: Array,
    beliefs: tuple[Belief, ...],
    points: tuple[Array, ...],
) -> Array:
    def one(params: tuple[Array, ...]) -> Array:
        blocks = meta.jacobian(params)
        gradients = [own[j] for j, own in enumerate(blocks)]
        ahead = successors(values, gradients, rate, beliefs, params)
        after = jnp.stack([meta(there)[i] for i, there in enumerate(ahead)])
        return meta(params) - (1 - discount) * values(params) - discount * after

    return jax.vmap(one)(points)
