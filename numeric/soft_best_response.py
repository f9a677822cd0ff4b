r"""Soft best responses: a player who prefers better actions, more so the lower its temperature $\tau$.

In the decision problem that the others' policies leave to a player (`resolvent.numeric.decision`), three policies go
by the name of a softmax reply:

- `"entropy"`: the best policy where each round pays $\tau$ times the entropy of the action,
  $$ V(s) = \tau \log \sum_b e^{Q(s, b) / \tau}, \quad Q = r + g \, p V, \qquad
     \pi(b \mid s) = e^{(Q(s, b) - V(s)) / \tau}, $$
  a contraction by g, so that there is one and only one;
- `"logit"`: the policy that is a softmax of its *own* action values, $\pi = \mathrm{softmax}(Q^\pi / \tau)$ without a
  bonus; not a contraction, and there may be several: found is the one at the end of the branch that begins with
  uniform play at infinite $\tau$;
- `"one_shot"`: the softmax of the action values of the policy that the player has,
  $\pi = \mathrm{softmax}(Q^{\pi_j} / \tau)$.

The first two are zeros of $F(V, \theta) = V - T(V, \theta)$, with T the right side above, or
$T(V)(s) = \sum_b \pi(b \mid s) Q(s, b)$ with $\pi = \mathrm{softmax}(Q / \tau)$. For the first, soft policy
iteration is Newton's method: $V \leftarrow (I - g P_\pi)^{-1} (r_\pi + \tau H(\pi))$, at $\pi$ of the V before.

Derivatives: a Newton step from a point that is off by $\varepsilon$ is off by $O(\varepsilon^2)$. So one step from the
solution, held constant, has the solution's first derivatives; and k steps have all derivatives up to order $2^k - 1$.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, nn
from jax.core import Tracer
from jax.scipy.special import xlogy
from jaxtyping import Bool, Float, Int

from resolvent.analytic.value_function import CompiledValue, require_x64
from resolvent.numeric.checks import check_count
from resolvent.numeric.decision import (
    Decision,
    decision_of,
    index_of,
    replaced,
    solve_chain,
    worths,
)
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies
from resolvent.numeric.play import check_play, play_of

Tree = Any
Reply = Literal["entropy", "logit", "one_shot"]

# When Newton's method is this close, in temperatures, one more step is at the end of what numbers can tell.
_CLOSE = 1e-6
# Or when it moves by this share of the range of values.
_ROUNDING = 1e-13
_MOST = 100
# Stages of the branch of logit replies, evenly in 1 / temperature, and Newton steps at each.
_STAGES = 24
_STEPS_PER_STAGE = 3


class SoftBestResponse(eqx.Module):
    """A soft best response; see `soft_best_response`. Differentiable, but for `residual` and what follows it.

    **Attributes:**

    - `policy`: `(S, B)`.
    - `worth`: V above, the value of each state to the player, `(S,)`, entropies included if `"entropy"`.
    - `values`: every player's value from the start when this policy is played, `(n,)`, without entropies.
    - `residual`: the largest violation of the equation that the reply is defined by, in ranges of the player's
        values; 0 of `"one_shot"`, which is defined by no equation.
    - `converged`: whether it is below 1e-9.
    - `iterations`: of Newton's method, the differentiable ones not counted.

    All values are in the units of `normalise`.
    """

    policy: Float[Array, "states actions"]
    worth: Float[Array, " states"]
    values: Float[Array, " players"]
    residual: Float[Array, ""]
    converged: Bool[Array, ""]
    iterations: Int[Array, ""]
    player: int = eqx.field(static=True)
    reply: Reply = eqx.field(static=True)
    normalise: str = eqx.field(static=True)

    def __str__(self) -> str:
        if np.ndim(self.residual):
            done = int(np.sum(np.asarray(self.converged)))
            return (
                f"soft best responses ({self.reply}) of player {self.player + 1} to {np.size(self.residual)} joint "
                f"policies: {done} converged, largest residual {float(np.max(self.residual)):.1e}"
            )
        shown = ", ".join(f"{float(own):.6g}" for own in self.values)
        return (
            f"soft best response ({self.reply}) of player {self.player + 1}: values {shown} ({self.normalise}), "
            f"residual {float(self.residual):.1e}, {int(self.iterations)} iterations, "
            f"{'converged' if bool(self.converged) else 'NOT converged'}"
        )


def soft_best_response(
    values: CompiledValue,
    params: Tree,
    player: int,
    temperature: Any,
    reply: Reply = "entropy",
    order: int = 1,
) -> SoftBestResponse:
    """A soft best response to the policies of all others, exact and differentiable in them.

    The batch version is `jax.vmap` of this.

    **Arguments:**

    - `values`: a compiled closed form with a discount below 1, in which all players see the state.
    - `params`: as `values` takes them; the player's own matter to `"one_shot"` only.
    - `temperature`: in the units of `values`. On per-round averages the same number is 1 / (1 - g) times as hot as
        on discounted sums, the scale of the papers. 1 / temperature is LOQA's beta.
    - `reply`: which of the three softmax replies.
    - `order`: up to which order derivatives shall be exact; each doubling costs one more linear solve.

    **Returns:** a `SoftBestResponse`. Against the hard best response its player loses at most
    temperature * log(B) per round if `"entropy"` (over 1 - g on sums).

    **Raises:** `ValueError` for other values, and for a temperature that is not above 0: the limit 0 is
    `optimal_replies`.
    """
    game = check_play(values, "soft_best_response", "learners of gradients, such as Naive")
    index_of(player, "player", game.num_players)
    check_reply(reply)
    check_count(order, "order", least=1)
    return _solved(game, params, player, as_temperature(temperature), reply, order)


@eqx.filter_jit
def _solved(
    values: CompiledValue, params: Tree, player: int, temperature: Array, reply: Reply, order: int
) -> SoftBestResponse:
    play = play_of(values, params)
    return soft_reply(
        play.arrays, play.policies, player, temperature, reply, order, values.normalise
    )


def soft_reply(
    arrays: GameArrays,
    policies: Policies,
    player: int,
    temperature: Array,
    reply: Reply,
    order: int,
    normalise: str,
) -> SoftBestResponse:
    """`soft_best_response` of a game in arrays."""
    decision = decision_of(arrays, policies, player)
    zero, count = jnp.zeros(()), jnp.asarray(0)
    if reply == "one_shot":
        worth = decision.worth(policies[player])
    else:
        constant, fixed = lax.stop_gradient((decision, temperature))
        solve = _entropic if reply == "entropy" else _logit
        worth, count = solve(constant, fixed)
        worth = lax.stop_gradient(worth)
        for _ in range(order.bit_length()):  # k steps: order 2^k - 1
            worth = _newton(decision, temperature, worth, reply)
        off = worth - _operator(decision, temperature, worth, reply)
        zero = lax.stop_gradient(jnp.abs(off).max() / decision.range)
    policy = nn.softmax(decision.action_values(worth) / temperature, axis=-1)
    joint = replaced(policies, player, policy)
    return SoftBestResponse(
        policy,
        worth,
        worths(arrays, joint) @ arrays.initial,
        zero,
        zero < 1e-9,
        count,
        player,
        reply,
        normalise,
    )


def _operator(decision: Decision, temperature: Array, worth: Array, reply: Reply) -> Array:
    """T(V)."""
    table = decision.action_values(worth)
    if reply == "entropy":
        return temperature * nn.logsumexp(table / temperature, axis=-1)
    return (nn.softmax(table / temperature, axis=-1) * table).sum(axis=-1)


def _newton(decision: Decision, temperature: Array, worth: Array, reply: Reply) -> Array:
    """The next V."""
    if reply == "entropy":
        policy = nn.softmax(decision.action_values(worth) / temperature, axis=-1)
        entropy = -xlogy(policy, policy).sum(axis=-1)
        return decision.worth(policy, temperature * entropy)

    def off(own: Array) -> Array:
        return own - _operator(decision, temperature, own, reply)

    # Not the matrix of a chain: elimination needs pivots.
    return worth - solve_chain(jax.jacfwd(off)(worth), off(worth), pivoting=True)


def _entropic(decision: Decision, temperature: Array) -> tuple[Array, Array]:
    """Soft policy iteration: from below, each V at least the one before, in the end quadratically."""
    scale = decision.range
    enough = jnp.maximum(_CLOSE * jnp.minimum(temperature, scale), _ROUNDING * scale)
    start = jnp.full(len(decision.payoffs), decision.payoffs.min() / (1 - decision.discount))

    def goes_on(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > enough) & (state[2] < _MOST)

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        worth = _newton(decision, temperature, state[0], "entropy")
        return worth, jnp.abs(worth - state[0]).max(), state[2] + 1

    worth, _, count = lax.while_loop(goes_on, step, (start, scale, jnp.asarray(0)))
    return worth, count


def _logit(decision: Decision, temperature: Array) -> tuple[Array, Array]:
    """Along the branch from infinite temperature; the best of four step lengths at each step."""
    lengths = jnp.array([1.0, 0.5, 0.25, 0.0])

    def step(worth: Array, heat: Array) -> tuple[Array, None]:
        change = _newton(decision, heat, worth, "logit") - worth
        tried = worth[None] + jnp.outer(lengths, jnp.where(jnp.isfinite(change), change, 0))
        off = jax.vmap(lambda own: jnp.abs(own - _operator(decision, heat, own, "logit")).max())
        return tried[off(tried).argmin()], None

    uniform = jnp.full_like(decision.payoffs, 1 / decision.payoffs.shape[1])
    stages = jnp.repeat(jnp.arange(1, _STAGES + 1) / _STAGES, _STEPS_PER_STAGE)
    worth, _ = lax.scan(step, decision.worth(uniform), temperature / stages)
    return worth, jnp.asarray(_STAGES * _STEPS_PER_STAGE)


def as_temperature(value: Any) -> Array:
    """A temperature as an array.

    **Raises:** `ValueError` unless all numbers are finite and above 0, or traced.
    """
    require_x64()
    if isinstance(value, Tracer):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"temperature: expected a finite number above 0 (the limit 0 is a hard best response, "
            f"`optimal_replies`), got {value!r}"
        )
    return jnp.asarray(array, float)


def check_reply(reply: Any) -> None:
    """**Raises:** `ValueError` for what is no softmax reply."""
    if reply not in get_args(Reply):
        raise ValueError(f"reply: expected one of {get_args(Reply)}, got {reply!r}")
