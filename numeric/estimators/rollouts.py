r"""Batches of sampled play.

$$ s_0 \sim p_0, \qquad u_t \sim \pi(\cdot \mid s_t), \qquad
   r_t^i = (1 - g_i) \, r_i(s_t, u_t), \qquad s_{t+1} \sim P(\cdot \mid s_t, u_t) $$

for T rounds. Rewards are in the units of the value function: $\sum_t g_i^t r_t^i$ has mean $V_i$, but for what
comes after T. Actions are those that players intend; what trembling hands and observations do is averaged over,
so that rewards are expected ones, and a little less noisy than what players would be paid.
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_count
from resolvent.numeric.estimators.intended import intended_play, intended_policies


class Trajectories(eqx.Module):
    """N trajectories of T rounds.

    **Attributes:**

    - `states`: `(N, T + 1)`, the last one included, in which nothing was done yet.
    - `actions`: `(N, T, n)`, intended.
    - `rewards`: `(N, T, n)`, in the units of the values, not discounted.
    - `discounts`: `(n,)`.
    """

    states: Int[Array, "batch rounds_and_one"]
    actions: Int[Array, "batch rounds players"]
    rewards: Float[Array, "batch rounds players"]
    discounts: Float[Array, " players"]

    @property
    def horizon(self) -> int:
        """The number of rounds."""
        return self.actions.shape[1]

    @property
    def weights(self) -> Float[Array, "rounds players"]:
        """$g_i^t$, `(T, n)`."""
        return self.discounts[None, :] ** jnp.arange(self.horizon)[:, None]

    @property
    def returns(self) -> Float[Array, "batch players"]:
        """The discounted sum of each player's rewards, `(N, n)`; its mean is the value, up to truncation."""
        return jnp.einsum("btn,tn->bn", self.rewards, self.weights)


def rollout(
    values: CompiledValue, params: tuple[Array, ...], key: Array, batch: int, horizon: int
) -> Trajectories:
    """`sample`, for code that is compiled as a whole."""
    check_count(batch, "batch")
    check_count(horizon, "horizon")
    play = intended_play(values, lax.stop_gradient(params))
    arrays = play.arrays
    flat = (1 - arrays.discounts)[:, None, None] * arrays.payoffs.reshape(
        arrays.num_players, arrays.num_states, -1
    )
    tables = [jnp.cumsum(own, axis=1)[:, :-1] for own in play.policies]
    sizes = arrays.num_actions

    def after(states: Array, joint: Array, chance: Array) -> Array:
        if arrays.successors is not None:
            onwards = arrays.successors.reshape(arrays.num_states, -1)[states, joint]
            return onwards.astype(states.dtype)
        assert arrays.transitions is not None  # one of the two is given
        rows = arrays.transitions.reshape(arrays.num_states, -1, arrays.num_states)
        return drawn(jnp.cumsum(rows, axis=2)[states, joint, :-1], chance)

    def step(states: Array, key: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        chances = jax.random.uniform(key, (len(sizes) + 1, batch))
        own = [drawn(table[states], u) for table, u in zip(tables, chances, strict=False)]
        joint = jnp.ravel_multi_index(tuple(own), sizes, mode="clip")
        return after(states, joint, chances[-1]), (
            states,
            jnp.stack(own, 1),
            flat[:, states, joint],
        )

    first, later = jax.random.split(key)
    begin = drawn(
        jnp.broadcast_to(jnp.cumsum(arrays.initial)[:-1], (batch, arrays.num_states - 1)),
        jax.random.uniform(first, (batch,)),
    )
    end, (states, actions, rewards) = lax.scan(step, begin, jax.random.split(later, horizon))
    states = jnp.concatenate([states, end[None]])
    return Trajectories(
        states.T, jnp.moveaxis(actions, 0, 1), jnp.transpose(rewards, (2, 0, 1)), arrays.discounts
    )


def drawn(cumulative: Float[Array, "batch choices"], chance: Float[Array, " batch"]) -> Array:
    """The choice whose share of [0, 1) a uniform number falls into; one of probability 0 has none.

    **Arguments:** `cumulative`: the sums of probabilities up to each choice but the last.
    """
    return jnp.sum(chance[:, None] >= cumulative, axis=1)


def log_probabilities(
    values: CompiledValue, params: tuple[Array, ...], trajectories: Trajectories
) -> Float[Array, "batch rounds players"]:
    r"""$\log \pi_i(a_t^i \mid s_t)$ of what was done, `(N, T, n)`; differentiable in `params`."""
    states = trajectories.states[:, :-1]

    def chosen(policy: Array, actions: Array) -> Array:
        # Where nothing of the kind was played the logarithm is not looked at, nor its derivative.
        safe = jnp.where(policy > 0, policy, 1)
        return jnp.log(safe)[states, actions]

    policies = intended_policies(values, params)
    return jnp.stack(
        [chosen(own, trajectories.actions[..., i]) for i, own in enumerate(policies)], axis=-1
    )


@eqx.filter_jit
def sample(
    values: CompiledValue, params: tuple[Array, ...], key: Array, batch: int, horizon: int
) -> Trajectories:
    """Sample play of `params`.

    **Arguments:** `values`: compiled; `params`: arrays; `key`: a JAX random key; `batch`: how many
    trajectories; `horizon`: of how many rounds.

    **Returns:** [`resolvent.numeric.Trajectories`][]; constant in `params`.

    **Raises:** `ValueError` for a user's own function, in the limit of discount 1, and for a `batch` or `horizon` below
    1; `TypeError` for one that is no whole number.
    """
    return rollout(values, params, key, batch, horizon)
