r"""What shaping learners is worth, and its gradient in two parts: COALA-PG without sampling.

The player keeps its policy $\theta_i$ for M episodes. After each, its co-players learn from what they saw,

$$ \bar J(\theta_i) = \sum_{m=0}^{M-1} V_i(\theta_i, \theta_{-i}^m), \qquad
   \theta_j^{m+1} = \theta_j^m + \Delta_j(\theta_i, \theta_{-i}^m), $$

so that $\theta_i$ matters twice: as what is played *now*, and as what was played *earlier*. With
$\bar J(\text{now}, \text{earlier})$,

$$ G_{\text{cur}} = \partial_{\text{now}} \bar J = \sum_m \partial_i V_i(\theta_i, \theta_{-i}^m), \qquad
   G_{\text{shape}} = \partial_{\text{earlier}} \bar J
   = \sum_m \Big(\frac{\mathrm{d} \theta_{-i}^m}{\mathrm{d} \theta_i}\Big)^{\!\top} \partial_{-i} V_i, \qquad
   \nabla \bar J = G_{\text{cur}} + G_{\text{shape}}. $$

This is the limit of co-players who learn from infinitely many trajectories. From B of them, a naive learner's step has
noise $\xi_m$ of covariance $\alpha^2 \Sigma(\theta^m) / B$. To first order in 1/B the mean $\mu$ and the covariance
$C$ of the deviation from the limit follow

$$ \mu_{m+1} = F' \mu_m + \tfrac12 F''[C_m], \quad C_{m+1} = F' C_m F'^{\top} + \tfrac{\alpha^2}{B} \Sigma, \quad
   \mathbb{E} V_i \approx V_i + \langle \nabla V_i, \mu_m \rangle + \tfrac12 \operatorname{tr}(C_m \nabla^2 V_i), $$

with F the noiseless step, from $\mu_0 = 0$, $C_0 = 0$. After one step this is
$\frac{\alpha^2}{2B} \operatorname{tr}(\Sigma \nabla^2_{-i} V_i)$.

Meulemans et al. (2024), *Multi-agent cooperation through learning-aware policy gradients*, arXiv:2410.18636,
Theorem 3.1 and Eq. 17.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from resolvent.analytic.value_function import (
    CompiledValue,
    ValueFunction,
    check_parameters,
    require_x64,
)
from resolvent.numeric import tree
from resolvent.numeric.checks import check_player
from resolvent.numeric.learners.learner import AbstractLearner, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.coala_coplayers import (
    Coplayers,
    Objective,
    check_batch,
    coplayers_of,
)
from resolvent.numeric.metagame.coala_noise import Noisy, first_order, score_covariance
from resolvent.numeric.play import play_of
from resolvent.numeric.scan import Memory, scan

Tree = Any


class CoalaGradient(eqx.Module):
    """What a player earns over the episodes in which its co-players learn, and how that changes with its policy.

    **Attributes:**

    - `value`: the sum over the episodes that count, each in units of the values; with a batch, corrected.
    - `current`: the derivative by what is played now, like the player's parameters.
    - `shaping`: the derivative by what the co-players learn from.
    - `correction`: what of `value` is due to finite batches, to first order in 1/B; 0 in the limit.
    - `sensitivity`: the spectral norm of the derivative of the co-players' last parameters by their first. From
        about 1e8 on the digits of `shaping` mean nothing.
    - `batch`: B, or `None` for the limit.
    """

    value: Float[Array, ""]
    current: Float[Array, ...]
    shaping: Float[Array, ...]
    correction: Float[Array, ""]
    sensitivity: Float[Array, ""]
    batch: Float[Array, ""] | None

    @property
    def total(self) -> Float[Array, ...]:
        """COALA's: the gradient of `value`."""
        return self.direction(1.0)

    def direction(self, weight: Any) -> Float[Array, ...]:
        """The current part plus `weight` times the shaping part: 1 for COALA, 1/B for estimators that do not know of
        the batch, M-FOS's among them (whose expectation is B times as long)."""
        return self.current + weight * self.shaping

    def __str__(self) -> str:
        parts = [
            f"value {float(self.value):.6g}, norms of the gradient's parts: "
            f"current {float(jnp.linalg.norm(self.current)):.3g}, shaping {float(jnp.linalg.norm(self.shaping)):.3g}"
        ]
        if self.batch is None:
            parts.append("limit of large batches")
        else:
            parts.append(
                f"batches of {float(self.batch):.6g}, first order in 1/B: correction {float(self.correction):+.3g}"
            )
        parts.append(f"sensitivity of the co-players' end {float(self.sensitivity):.3g}")
        return "; ".join(parts)


def coala_gradient(
    values: ValueFunction,
    params: Tree,
    player: int = 0,
    *,
    episodes: int,
    inner_rate: Any = None,
    opponents: AbstractLearner | tuple[AbstractLearner, ...] | None = None,
    batch: Any = None,
    objective: Objective = "all",
    memory: Memory = "steps",
    truncate: int | None = None,
) -> CoalaGradient:
    """What a player earns while its co-players learn, and the two parts of its gradient.

    Any number of players: all co-players learn at the same time, each while the others do.

    **Arguments:**

    - `values`: of the game, per episode.
    - `params`: one array per player; those of the co-players are where they start.
    - `player`: the shaper.
    - `episodes`: M, how many are counted; the co-players make M - 1 steps. Eq. 17 of the paper, whose sum begins at
        0, has one more than its M. With one episode there is nothing to shape.
    - `inner_rate`: the step of naive co-players: a number, or one per player (its own is not used). On per-round
        averages it is the *effective* step; on discounted sums the effective step is `inner_rate / (1 - g)`.
    - `opponents`: in place of naive learners: one learner for all, or one per player.
    - `batch`: B, from how many trajectories naive co-players estimate each step, with exact advantages; the correction
        is of first order in 1/B and says nothing at large steps. `None` for the limit.
    - `objective`: `"all"` episodes, or the `"final"` one only: M - 1 look-aheads.
    - `memory`: what the backward pass keeps, as of `unrolled_meta_value`.
    - `truncate`: derivatives go through windows of this many episodes; `None` for all.

    **Returns:** a [`resolvent.numeric.CoalaGradient`][].

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(f"values: expected a ValueFunction, got {type(values).__name__}")
    check_player(player, values)
    number = None if batch is None else check_batch(batch)
    coplayers = coplayers_of(
        values,
        player,
        episodes,
        None if inner_rate is None else as_nonnegative(inner_rate),
        opponents,
        number,
        objective,
        memory,
        truncate,
    )
    arrays = check_parameters(params, values.shapes)
    return _gradient(values, arrays, player, coplayers)


@eqx.filter_jit
def _gradient(
    values: ValueFunction, params: tuple[Array, ...], player: int, coplayers: Coplayers
) -> CoalaGradient:
    # Called once: compiling is what takes the time.
    total, correction, (current, shaping) = parts(values, params, player, coplayers, quick=True)
    steepness = sensitivity(values, params, player, coplayers)
    return CoalaGradient(total, current, shaping, correction, steepness, coplayers.batch)


def parts(
    values: ValueFunction,
    params: tuple[Array, ...],
    player: int,
    coplayers: Coplayers,
    quick: bool = False,
) -> tuple[Array, Array, tuple[Array, Array]]:
    """The value, what of it is the correction, and its derivatives by what is played now and by what was
    played earlier.

    **Arguments:** `params`: arrays; `quick`: to compile, where little is to be run.
    """
    own = params[player]
    kind = solved(values) if quick else values

    def limit(now: Array, earlier: Array) -> Array:
        rows = kind.unstack(_with(params, player, earlier))
        played = kind.unstack(_with(params, player, now))[player]
        return along(kind, rows, player, played, coplayers)

    total, both = jax.value_and_grad(limit, argnums=(0, 1))(own, own)
    if coplayers.batch is None or own.size == 0:
        return total, jnp.zeros(()), both

    def noise(moves: Array) -> tuple[Array, Array]:
        now, earlier = own + moves[0], own + moves[1]
        added = _noise(values, _with(params, player, earlier), player, now, coplayers)
        return added, added

    # Forwards, as many directions as the player has parameters, twice: what it takes to compile a backward pass through
    # derivatives of third order is several times as much.
    still = jnp.zeros((2, *own.shape), own.dtype)
    slopes, correction = jax.jacfwd(noise, has_aux=True)(still)
    current, shaping = (first + more for first, more in zip(both, slopes, strict=True))
    return total + correction, correction, (current, shaping)


def solved(values: ValueFunction) -> ValueFunction:
    """The same function on arrays, whose derivatives of high order are quickest to compile: by one linear solve where
    the players see the state."""
    if not isinstance(values, CompiledValue):
        return values
    if values.patient or not all(values.structure.seen):
        return by_tensors(values)

    def worth(params: tuple[Array, ...]) -> Array:
        play = play_of(values, params)
        return play.values @ play.arrays.initial

    return ValueFunction.wrap(worth, values.shapes, "by a solve")


def along(
    values: ValueFunction, params: Tree, player: int, now: Tree, coplayers: Coplayers
) -> Array:
    """What the player earns with `now` in the episodes that count, while the others learn from `params`; in the form
    that `values.unstack` gives."""

    def earned(learning: _Learning) -> Array:
        return values(_with(learning[0], player, now))[player]

    def step(carry: _Learning, _: Array) -> tuple[_Learning, Array]:
        # What is learned from is no part of the carry: truncation is of the co-players' way only.
        seen = _with(carry[0], player, params[player]), carry[1]
        after = learn_once(values, player, coplayers.rules, seen)
        return after, earned(after)

    start = begin(values, params, player, coplayers.rules)
    steps = coplayers.episodes - 1
    _, path = scan(step, start, steps, coplayers.memory, coplayers.truncate)
    if coplayers.objective == "final" and steps:
        return path[-1]
    return earned(start) + jnp.sum(path)


_Learning = tuple[tuple[Tree, ...], tuple[Tree, ...]]
"""All parameters, of which the player's stay, and the states of the rules."""


def begin(
    values: ValueFunction, params: Tree, player: int, rules: tuple[AbstractLearner, ...]
) -> _Learning:
    """Before the first episode."""
    states = tuple(
        None if j == player else rule.init(values, params, j) for j, rule in enumerate(rules)
    )
    return params, states


def learn_once(
    values: ValueFunction, player: int, rules: tuple[AbstractLearner, ...], now: _Learning
) -> _Learning:
    """One step of everybody but the player."""
    params, states = now
    moved, after = list(params), list(states)
    for j, rule in enumerate(rules):
        if j != player:
            change, after[j], _ = rule.update(values, params, j, states[j])
            moved[j] = tree.add(params[j], change)
    return tuple(moved), tuple(after)


def sensitivity(
    values: ValueFunction, params: tuple[Array, ...], player: int, coplayers: Coplayers
) -> Array:
    """The spectral norm of the derivative of the co-players' last parameters by their first; 1 where there is one
    episode."""
    values = solved(values)
    flat, back = ravel_pytree(_others(params, player))
    if flat.size == 0 or coplayers.episodes == 1:
        return jnp.ones(())

    def end(z: Array) -> Array:
        start = begin(values, _joint(back(z), player, params[player]), player, coplayers.rules)

        def step(carry: _Learning, _: Array) -> tuple[_Learning, None]:
            return learn_once(values, player, coplayers.rules, carry), None

        (last, _states), _ = lax.scan(step, start, jnp.arange(coplayers.episodes - 1))
        return ravel_pytree(_others(last, player))[0]

    return jnp.linalg.norm(jax.jacfwd(end)(flat), 2)


# Finite batches ------------------------------------------------------------------------------


def _noise(
    values: ValueFunction,
    params: tuple[Array, ...],
    player: int,
    now: Array,
    coplayers: Coplayers,
) -> Array:
    """The correction, with the noise of estimates by exact advantages."""
    assert isinstance(values, CompiledValue)  # coplayers_of
    assert coplayers.batch is not None
    dense = solved(values)
    others = [j for j in range(len(params)) if j != player]
    flat, back = ravel_pytree(_others(params, player))
    if flat.size == 0:
        return jnp.zeros(())
    sizes = [jnp.full(params[j].size, coplayers.rates[j]) for j in others]
    steps = jnp.concatenate(sizes)

    def joint(z: Array, own: Array) -> tuple[Array, ...]:
        return _joint(back(z), player, own)

    def step(z: Array) -> Array:
        moved = learn_once(
            dense, player, coplayers.rules, (joint(z, params[player]), (None,) * len(params))
        )[0]
        return ravel_pytree(_others(moved, player))[0]

    def covariance(z: Array) -> Array:
        at = joint(z, params[player])
        return jnp.outer(steps, steps) * score_covariance(values, at, others)

    noisy = Noisy(lambda z: dense(joint(z, now))[player], step, covariance)
    added = first_order(noisy, flat, coplayers.episodes, coplayers.objective)
    return added / coplayers.batch


# Slots ---------------------------------------------------------------------------------------


def _with(params: tuple[Tree, ...], player: int, own: Tree) -> tuple[Tree, ...]:
    return (*params[:player], own, *params[player + 1 :])


def _others(params: tuple[Tree, ...], player: int) -> tuple[Tree, ...]:
    return (*params[:player], *params[player + 1 :])


def _joint(others: tuple[Tree, ...], player: int, own: Tree) -> tuple[Tree, ...]:
    return (*others[:player], own, *others[player:])
