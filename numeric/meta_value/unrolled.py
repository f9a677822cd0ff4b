r"""The meta-value of given learners, by following them.

$$ V_i(x) = (1 - \gamma_i) \sum_{t < T} \gamma_i^t f_i(x_t) + \gamma_i^T f_i(x_T), \qquad
   x_0 = x, \quad x_{t+1} = x_t + \Delta(x_t). $$

What comes after the horizon T has weight $\gamma_i^T$ and is taken to be like $f_i(x_T)$. The infinite sum therefore
differs by at most $\gamma_i^T (\max f_i - \min f_i)$. Derivatives go through all steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue, ValueFunction, check_parameters
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.loop import joint_update
from resolvent.numeric.meta_value.meta_value import MetaValue, check_discount, check_values
from resolvent.numeric.scan import Memory, check_memory, scan

Tree = Any

# Beyond, no horizon is a horizon to unroll.
_LONGEST = 10**7


class Tail(eqx.Module):
    """What an unrolled meta-value leaves out.

    **Attributes:**

    - `weight`: the share of the infinite sum that comes after the horizon, `(n,)`.
    - `bound`: the most by which values may be off for that, `(n,)`; `None` where it is not known how large and
        how small the game's values can be.
    """

    weight: Float[Array, " players"]
    bound: Float[Array, " players"] | None

    def __repr__(self) -> str:
        def plain(numbers: Array) -> str:
            return ", ".join(f"{float(own):.3g}" for own in numbers)

        if self.bound is None:
            return f"Tail(weight {plain(self.weight)}; range of the values unknown, give `bounds`)"
        return f"Tail(values off by at most {plain(self.bound)}; weight {plain(self.weight)})"


class UnrolledMetaValue(MetaValue):
    """Values along the way of given learners; see [`resolvent.numeric.unrolled_meta_value`][].

    **Attributes:**

    - `values`, `discount`: of every [`resolvent.numeric.MetaValue`][].
    - `learners`: who learns how, one per player.
    - `bounds`: the smallest and the largest value of each player, `(n, 2)`, or `None`.
    - `horizon`: the number of steps.
    - `memory`: what backward passes keep.
    """

    learners: tuple[AbstractLearner, ...]
    bounds: Float[Array, "players 2"] | None
    horizon: int = eqx.field(static=True)
    memory: Memory = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        return self._follow(params)[0]

    @property
    def tail(self) -> Tail:
        """What the horizon cuts off."""
        weight = self.discount**self.horizon
        if self.bounds is None:
            return Tail(weight, None)
        return Tail(weight, weight * (self.bounds[:, 1] - self.bounds[:, 0]))

    @eqx.filter_jit
    def end(self, params: Tree) -> tuple[Array, ...]:
        """Where the learners are after the horizon."""
        return self._follow(params)[1]

    @eqx.filter_jit
    def sensitivity(self, params: Tree) -> Float[Array, ""]:
        """How much the end moves with the start, at most: the spectral norm of its Jacobian.

        Where this is large, derivatives of the meta-value are dominated by rounding: from about 1e8 on
        their digits mean nothing. Through a hundred steps of LOLA on the iterated prisoner's dilemma it
        may be 1e34, through as many naive ones about 1.
        """
        params = check_parameters(params, self.shapes)
        flat = jnp.concatenate([jnp.ravel(own) for own in params])
        cuts = np.cumsum([own.size for own in params])[:-1].tolist()

        def end(z: Array) -> Array:
            start = tuple(
                part.reshape(shape)
                for part, shape in zip(jnp.split(z, cuts), self.shapes, strict=True)
            )
            return jnp.concatenate([jnp.ravel(own) for own in self._follow(start)[1]])

        return jnp.linalg.norm(jax.jacfwd(end)(flat), 2)

    def _follow(self, params: Tree) -> tuple[Array, tuple[Array, ...]]:
        """The meta-values of all players, and where they end."""
        params = check_parameters(params, self.shapes)
        in_loop = self.values.for_loops()
        rows = self.values.unstack(params)
        states = tuple(
            learner.init(in_loop, rows, player) for player, learner in enumerate(self.learners)
        )

        def step(carry: _Carry, _: Array) -> tuple[_Carry, None]:
            rows, states, weight, total = carry
            total = total + (1 - self.discount) * weight * in_loop(rows)
            updates, states, _infos = joint_update(in_loop, self.learners, rows, states)
            return (
                tuple(map(tree.add, rows, updates)),
                states,
                self.discount * weight,
                total,
            ), None

        carry = (rows, states, jnp.ones(self.num_players), jnp.zeros(self.num_players))
        rows, _, weight, total = scan(step, carry, self.horizon, self.memory)[0]
        end = self.values.stack(rows)
        return total + weight * self.values(end), end

    def __repr__(self) -> str:
        discounts = ", ".join(f"{own:.6g}" for own in np.unique(np.asarray(self.discount)))
        rules = ", ".join(dict.fromkeys(map(repr, self.learners)))
        return f"UnrolledMetaValue({self.values.name}, discount {discounts}, {self.horizon} steps of {rules})"


_Carry = tuple[Tree, tuple[Tree, ...], Array, Array]


def unrolled_meta_value(
    values: ValueFunction,
    learners: AbstractLearner | Sequence[AbstractLearner],
    discount: Any,
    horizon: int,
    *,
    bounds: Any = None,
    memory: Memory = "steps",
) -> UnrolledMetaValue:
    """The meta-value of given learners: the discounted average of the values along their way.

    With naive learners this is what Meta-MAPG and M-MAML maximise, as Cooijmans et al. (2023),
    arXiv:2307.08863, use them for comparison. With `discount` 0 it is the game itself.

    **Arguments:**

    - `values`: what the learners maximise.
    - `learners`: one for all players, or one per player; with or without memory.
    - `discount`: gamma, in [0, 1), a number or one per player. Not the discount of the game.
    - `horizon`: how many steps to follow; [`resolvent.numeric.horizon_for`][] says how many are needed.
    - `bounds`: `(low, high)`, each a number or one per player, between which all values are. Known of compiled
        iterated and stochastic games; of others needed only for `.tail` to be a bound.
    - `memory`: what a backward pass keeps. `"all"`: everything, fastest. `"steps"`: the parameters after each
        step. `"blocks"`: about the square root of that, for one more forward pass.

    **Returns:** an [`resolvent.numeric.UnrolledMetaValue`][], a value function; `.tail` bounds what the horizon
    cuts off, and `.sensitivity(params)` says whether derivatives through so many steps mean anything.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    check_values(values)
    players = values.num_players
    rules = (learners,) * players if isinstance(learners, AbstractLearner) else tuple(learners)
    for player, rule in enumerate(rules):
        if not isinstance(rule, AbstractLearner):
            raise TypeError(f"learners[{player}]: expected a learner, got {rule!r}")
    if len(rules) != players:
        raise ValueError(
            f"learners: expected one for all or one for each of {players} players, got {len(rules)}"
        )
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 0:
        raise ValueError(f"horizon: expected a whole number from 0, got {horizon!r}")
    return UnrolledMetaValue(
        values=values,
        discount=check_discount(discount, players),
        learners=rules,
        bounds=_check_bounds(bounds, values),
        horizon=int(horizon),
        memory=check_memory(memory),
    )


def horizon_for(
    discount: Any, error: float, values: ValueFunction | None = None, *, bounds: Any = None
) -> int:
    """How many steps to unroll for the tail to be at most `error`.

    **Arguments:**

    - `discount`: gamma, in [0, 1), a number or one per player.
    - `error`: the tail that is small enough: in units of the values if `values` are given, otherwise the weight.
    - `values`: what will be unrolled.
    - `bounds`: as of [`resolvent.numeric.unrolled_meta_value`][], where the range of `values` is not known.

    **Returns:** the least horizon that does.

    **Raises:** `ValueError` where the range of the values is not known, or no horizon is long enough.
    """
    players = np.size(discount) if values is None else check_values(values).num_players
    gamma = np.asarray(check_discount(discount, players))
    if isinstance(error, bool) or not isinstance(error, (int, float)) or not error > 0:
        raise ValueError(f"error: expected a number above 0, got {error!r}")
    spread = np.ones(players)
    if values is not None:
        known = _check_bounds(bounds, values)
        if known is None:
            raise ValueError(
                f"bounds: the range of {values.name} is not known; give (low, high), or leave out "
                "`values` to have `error` mean the weight of the tail"
            )
        spread = np.asarray(known[:, 1] - known[:, 0])
    needed = 0
    for g, width in zip(gamma.tolist(), spread.tolist(), strict=True):
        if width > error:
            steps = math.ceil(math.log(error / width) / math.log(g)) if g > 0 else 1
            # Logarithms are rounded; powers decide.
            while g**steps * width > error:
                steps += 1
            while g ** (steps - 1) * width <= error:
                steps -= 1
            needed = max(needed, steps)
    if needed > _LONGEST:
        raise ValueError(f"error: {error} would take {needed:,} steps to reach")
    return needed


def value_bounds(values: ValueFunction) -> Float[Array, "players 2"] | None:
    """The smallest and the largest value that each player may have, `(n, 2)`; `None` where that is not
    known.

    Per-round averages are means of payoffs, discounted sums means of payoffs over 1 - g.
    """
    if not isinstance(values, CompiledValue):
        return None
    rows = [jnp.asarray(own) for own in values.for_loops().numbers.payoffs]
    return jnp.stack([jnp.stack([own.min(), own.max()]) for own in rows])


def _check_bounds(bounds: Any, values: ValueFunction) -> Float[Array, "players 2"] | None:
    if bounds is None:
        return value_bounds(values)
    players = values.num_players
    if isinstance(bounds, Tracer):
        return bounds
    try:
        low, high = (np.broadcast_to(np.asarray(own, float), (players,)) for own in bounds)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds: expected (low, high), numbers or one for each of {players} players, "
            f"got {bounds!r}"
        ) from None
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(f"bounds: expected finite low <= high, got {bounds!r}")
    return jnp.asarray(np.stack([low, high], axis=1))
