r"""What the resolvent says besides values: occupancy, Q-values, advantages, best responses.

With the bordered system of `resolvent.analytic.program_kernel`, the occupancy of a state $s$ and the
Q-value of an action $a$ there are

$$ D(s) = (1-g) \sum_t g^t \Pr(s_t = s), \qquad
   Q_i(s, a) = V_i + (1-g)\, \mathbb{E}[x_i(\text{next state}) \mid s, a], $$

per round, where $x_i$ are the relative values. All are exact and differentiable in the parameters, to
any order; nothing is sampled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from resolvent.analytic import tensor_kernel
from resolvent.analytic.kernel import Numbers
from resolvent.analytic.value_function import CompiledValue, check_parameters
from resolvent.numeric.checks import check_player

Tree = Any


class _Solved(NamedTuple):
    """The chain of a joint policy, eliminated for each discount."""

    solved: tensor_kernel.Solved
    factors: tuple[tensor_kernel.Factor, ...]
    numbers: Numbers


def _solve(values: CompiledValue, params: Tree) -> _Solved:
    if not isinstance(values, CompiledValue):
        raise TypeError(
            "values: expected the compiled closed form of a game, since a user's own function has no "
            f"states; got {type(values).__name__}"
        )
    arrays = check_parameters(values.stack(params), values.shapes)
    policies = tensor_kernel.policies_of(values.kernel, arrays)
    return _solve_policies(values, policies)


def _solve_policies(values: CompiledValue, policies: tuple[Array, ...]) -> _Solved:
    numbers = jax.tree.map(lambda leaf: leaf.astype(policies[0].dtype), values.numbers)
    solved = tensor_kernel.chains_of(values.structure, policies, numbers)
    factors = tuple(tensor_kernel.factor_of(values.kernel, chain) for chain in solved.chains)
    return _Solved(solved, factors, numbers)


def _relative(values: CompiledValue, at: _Solved, player: int) -> tuple[Array, Array]:
    """Relative values of the states of the chain, and the per-round value."""
    return tensor_kernel.worth_of(values.structure, at.solved, at.factors, at.numbers, player)


def _gains(values: CompiledValue, at: _Solved, player: int) -> tuple[Array, Array]:
    """What follows each action that `player` means to take, relative to the value, in the discounted
    sum `(S, A)`; and the per-round value."""
    structure = values.structure
    x, value = _relative(values, at, player)
    chain = at.solved.chains[structure.groups[player]]
    payoffs = at.numbers.payoffs[player]
    table = tensor_kernel.action_values(structure, at.solved.acting, chain, payoffs, x, player)
    table = tensor_kernel.intended(structure, at.numbers, table, player)
    # With payoffs for acting, the table holds the payoff itself, of which x has taken the value off.
    return (table - value if structure.outcomes is None else table), value


def _delta(values: CompiledValue, at: _Solved, player: int) -> Array:
    return at.numbers.delta[values.structure.groups[player]]


def _require_discount(values: CompiledValue, what: str) -> None:
    if values.patient:
        raise ValueError(
            f"values: expected a discounted game for {what}, got the limit of discount 1, in which no "
            "single action changes an average; advantages are there"
        )


@eqx.filter_jit
def occupancy(values: CompiledValue, params: Tree, player: int = 0) -> Float[Array, " states"]:
    """Discounted share of rounds played from each state.

    **Arguments:**

    - `values`: a compiled closed form.
    - `params`: one array per player, as `values` takes them.
    - `player`: whose discount it is, where they differ.

    **Returns:** `(S,)`, in the order of `game.states`, the start (whose share is 1 - g) included; sums
    to one. It does not depend on `values.normalise`.
    """
    at = _solve(values, params)
    check_player(player, values)
    group = values.structure.groups[player]
    return tensor_kernel.weights(values.structure, at.solved.chains[group], at.factors[group])


@eqx.filter_jit
def outcomes(
    values: CompiledValue, params: Tree, player: int = 0
) -> Float[Array, " joint_actions"]:
    """Discounted share of rounds in which each joint action is played (realised, where hands
    tremble), by the discount of `player`.

    **Returns:** `(J,)`, joint actions row-major (CC, CD, DC, DD); sums to one, and its product with
    the payoffs (where they do not depend on the state) is the per-round value.
    """
    joint = _solve(values, params).solved.joint
    return occupancy(values, params, player) @ joint


@eqx.filter_jit
def q_values(values: CompiledValue, params: Tree, player: int) -> Float[Array, "states actions"]:
    """Value, for `player`, of each own action in each state when all play `params` afterwards.

    **Returns:** `(S, A_player)`, per state (also where the player does not see it), for the action that
    it means to take; in the units of `values.normalise`.
    """
    check_player(player, values)
    at = _solve(values, params)
    _require_discount(values, "action values")
    gains, value = _gains(values, at, player)
    delta = _delta(values, at, player)
    return value + delta * gains if values.normalise == "average" else value / delta + gains


@eqx.filter_jit
def advantages(values: CompiledValue, params: Tree, player: int) -> Float[Array, "states actions"]:
    """How much better each own action is than the policy's own mix: Q(s, a) - sum_b pi(s, b) Q(s, b).

    Formed from differences of relative values, so that it keeps its digits as the discount
    approaches one.

    **Returns:** `(S, A_player)`, in the units of `values.normalise`; in the limit of discount 1, in
    units of the payoffs (gained once, not per round).
    """
    check_player(player, values)
    at = _solve(values, params)
    gains, _ = _gains(values, at, player)
    gaps = gains[:, :, None] - gains[:, None, :]
    # What the player means to do, before its hand trembles.
    mix = tensor_kernel.meant(values.structure, at.solved.policies[player], at.numbers, player)
    advantage = (mix[:, None, :] * gaps).sum(axis=-1)
    per_round = values.normalise == "average" and not values.patient
    return advantage * (_delta(values, at, player) if per_round else 1)


class BestResponse(eqx.Module):
    """A best response to the other players' policies; see `best_response`.

    **Attributes:**

    - `policy`: `(S, A)`, deterministic, optimal in every state (also those that play never reaches).
    - `value`: its value from the start, in the units of `normalise`; differentiable in the others'
        parameters.
    - `regret`: what the player's own policy loses against it, never negative beyond rounding.
    - `gap`: largest remaining advantage of any action over `policy`, in units of the payoff range:
        the certificate that it is a best response.
    - `iterations`: rounds of policy iteration.
    """

    policy: Float[Array, "states actions"]
    value: Float[Array, ""]
    regret: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]
    player: int = eqx.field(static=True)
    normalise: str = eqx.field(static=True)

    def __str__(self) -> str:
        return (
            f"best response of player {self.player + 1}: value {float(self.value):.6g} ({self.normalise}), "
            f"regret of the given policy {float(self.regret):.6g}, remaining gap {float(self.gap):.1e} "
            f"of the payoff range, {int(self.iterations)} iterations"
        )


@eqx.filter_jit
def best_response(values: CompiledValue, params: Tree, player: int) -> BestResponse:
    """An exact best response, by policy iteration on the decision problem the others induce.

    Against memory-one policies of the others some deterministic memory-one policy is optimal among
    *all* strategies, since the state is all that matters for the future. Policy iteration
    (Howard 1960) switches an action only for a gain above rounding, so that it ends: in at most as many
    rounds as there are deterministic policies, in practice a handful.

    **Arguments:** `values`, a compiled closed form; `params`, one array per player (the player's own
    policy only serves to measure its regret); `player`, who responds.

    **Returns:** a `BestResponse`. The batch version is `jax.vmap` of this.

    **Raises:** `ValueError` where the player does not see the state (its problem is then not one of a
    Markov chain), and in the limit of discount 1.
    """
    check_player(player, values)
    given = _solve(values, params)
    _require_discount(values, "best responses")
    if not values.structure.seen[player]:
        raise ValueError(
            f"player: expected one who sees the state, got {player}, who observes "
            f"{values.structure.num_rows[player]} things in {values.structure.num_states} states"
        )
    policies = given.solved.policies
    fixed = lax.stop_gradient(policies)
    # A gain below this many payoff ranges is rounding; the relative values carry about 1e-16 / gap.
    payoff = lax.stop_gradient(given.numbers.payoffs[player])
    scale = jnp.maximum(payoff.max() - payoff.min(), jnp.finfo(payoff.dtype).tiny)
    tolerance = 1e-12 * scale
    actions = values.structure.num_actions[player]

    def deterministic(choice: Array, dtype: Any) -> Array:
        return jax.nn.one_hot(choice, actions, dtype=dtype)

    def gains(choice: Array) -> Array:
        policy = deterministic(choice, fixed[player].dtype)
        at = _solve_policies(values, (*fixed[:player], policy, *fixed[player + 1 :]))
        return _gains(values, at, player)[0]

    def gap(table: Array, choice: Array) -> Array:
        chosen = jnp.take_along_axis(table, choice[:, None], axis=1)
        return table.max(axis=1) - chosen[:, 0]

    def improve(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        choice, table, count = state
        better = jnp.where(gap(table, choice) > tolerance, table.argmax(axis=1), choice)
        return better, gains(better), count + 1

    first = fixed[player].argmax(axis=1)
    limit = 100 + values.structure.num_states * actions
    choice, table, count = lax.while_loop(
        lambda state: (gap(state[1], state[0]) > tolerance).any() & (state[2] < limit),
        improve,
        (first, gains(first), jnp.asarray(0)),
    )

    policy = deterministic(choice, fixed[player].dtype)
    others = (*policies[:player], policy, *policies[player + 1 :])
    best = _relative(values, _solve_policies(values, others), player)[1]
    own = _relative(values, given, player)[1]
    unit = 1 if values.normalise == "average" else _delta(values, given, player)
    return BestResponse(
        policy,
        best / unit,
        (best - own) / unit,
        gap(table, choice).max() / scale,
        count,
        player,
        values.normalise,
    )
