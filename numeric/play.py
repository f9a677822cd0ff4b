r"""Play as arrays: values of joint actions, visits, and the resolvent at any discount.

With P the transitions under the joint policy and $g_i$ the discount of player i,

$$ Q_i(s, u) = (1 - g_i) \, r_i(s, u) + g_i \, \mathbb{E}[V_i(s') \mid s, u], \qquad
   \tilde d_i(s) = \sum_t g_i^t \Pr(s_t = s), \qquad R_z = (I - z P)^{-1}. $$

Everything is in the units of the value function that it came from: payoffs of discounted sums carry the
factor $1 / (1 - g_i)$, so that the same formulas hold for sums and for averages. With $\ell_k$ the gradient of
$\log \pi_k$, the policy gradient theorem is then, in either unit,

$$ \nabla_k V_i = \sum_{s, u} \tilde d_i(s) \, \pi(u \mid s) \, \big(Q_i(s, u) - V_i(s)\big) \, \ell_k(s, u). $$
"""

from __future__ import annotations

import string
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from resolvent.analytic import tensor_kernel
from resolvent.analytic.structure import CERTAIN, NEVER
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies, chain, follows, values_of
from resolvent.numeric.learners.stacked import by_tensors

Tree = Any


class Play(eqx.Module):
    """A game in arrays and a joint policy of it.

    **Attributes:**

    - `arrays`: the game, its payoffs in the units of the values that it came from.
    - `policies`: probabilities of intended actions, `(S, A_i)` per player.
    """

    arrays: GameArrays
    policies: Policies

    @property
    def joint(self) -> Float[Array, "states ..."]:
        """The probability of each joint action in each state, `(S, A_1, ..., A_n)`."""
        letters = string.ascii_letters[: len(self.policies) + 1]
        subscripts = ",".join(letters[0] + own for own in letters[1:])
        return jnp.einsum(f"{subscripts}->{letters}", *self.policies)

    @property
    def transitions(self) -> Float[Array, "states states"]:
        """P under the joint policy, `(S, S)`."""
        return chain(self.arrays, self.policies)

    @property
    def values(self) -> Float[Array, "players states"]:
        """What each player gets from each state on, `(n, S)`."""
        return values_of(self.arrays, self.policies)

    def joint_values(self, player: int) -> Float[Array, "states ..."]:
        """Q of a player for joint actions, `(S, A_1, ..., A_n)`: then all go on as before."""
        discount = self.arrays.discounts[player]
        now = (1 - discount) * self.arrays.payoffs[player]
        return now + discount * follows(self.arrays, self.values[player])

    def joint_advantages(self, player: int) -> Float[Array, "states ..."]:
        """Q less V, `(S, A_1, ..., A_n)`."""
        worth = self.values[player]
        return self.joint_values(player) - worth.reshape(-1, *(1,) * len(self.policies))

    def visits(self, player: int) -> Float[Array, " states"]:
        """How often each state is visited, discounted as by a player, `(S,)`; sums to 1 / (1 - g)."""
        return self.resolvent_left(self.arrays.discounts[player], self.arrays.initial)

    def resolvent(self, z: Any, right: Float[Array, "states ..."]) -> Float[Array, "states ..."]:
        """(I - zP)^-1 b, of one or several columns."""
        return jnp.linalg.solve(self._matrix(z), right)

    def resolvent_left(
        self, z: Any, left: Float[Array, "states ..."]
    ) -> Float[Array, "states ..."]:
        """The transpose: b' (I - zP)^-1."""
        return jnp.linalg.solve(self._matrix(z).T, left)

    def _matrix(self, z: Any) -> Array:
        return jnp.eye(self.arrays.num_states) - z * self.transitions


def play_of(values: CompiledValue, params: Tree) -> Play:
    """The game of compiled values and the joint policy of `params`, in arrays; may be traced and
    differentiated in both.

    **Arguments:** `values`: checked by `check_play`; `params`: as
    `values` takes them, in arrays or as a loop carries them.
    """
    dense = by_tensors(values)
    return Play(arrays_of(dense), tensor_kernel.policies_of(dense.kernel, values.stack(params)))


def arrays_of(values: CompiledValue) -> GameArrays:
    """The arrays of the game of compiled values, in the units of the values; trembling hands are part of the
    payoffs and transitions. Unlike `game_arrays` this may be traced: its numbers are those of `values`."""
    values = by_tensors(values)
    structure, numbers = values.structure, values.numbers
    states, actions = structure.num_states, structure.num_actions
    groups = np.array(structure.groups)
    payoffs = jnp.asarray(numbers.payoffs)
    if structure.outcomes is not None:  # received on entering: the same in every state
        payoffs = jnp.broadcast_to(payoffs[:, None], (len(actions), states, payoffs.shape[1]))
    payoffs = payoffs.reshape(len(actions), states, *actions)
    if values.normalise == "sum":
        payoffs = payoffs / numbers.delta[groups].reshape(-1, *(1,) * (payoffs.ndim - 1))

    transitions, successors = None, None
    if structure.certain and not any(structure.trembling):
        successors = jnp.asarray(structure.targets[:, :, 0].reshape(states, *actions))
    else:
        transitions = _transitions(values).reshape(states, *actions, states)
    for player, trembles in enumerate(structure.trembling):
        if trembles:
            hand = numbers.trembles[player].reshape((actions[player],) * 2)
            payoffs = _intended(hand, payoffs, player + 2)
            transitions = _intended(hand, transitions, player + 1)
    initial = jnp.zeros(states).at[0].set(1.0) if structure.first else numbers.initial
    return GameArrays(payoffs, transitions, successors, numbers.g[groups], initial)


def _transitions(values: CompiledValue) -> Array:
    """The probability of each next state after each state and joint action, `(S, J, S)`."""
    structure = values.structure
    padded = jnp.append(values.numbers.transitions, jnp.array([0.0, 1.0]))
    # NEVER is the last but one entry, CERTAIN the last: indices from the end.
    assert (NEVER, CERTAIN) == (-2, -1)
    chances = padded[structure.chances]
    states, joint = structure.targets.shape[:2]
    rows, columns = np.arange(states)[:, None, None], np.arange(joint)[None, :, None]
    return jnp.zeros((states, joint, states)).at[rows, columns, structure.targets].add(chances)


def _intended(hand: Array, tensor: Any, axis: int) -> Array:
    """What is expected of `tensor` over realised actions on `axis`, per intended action."""
    return jnp.moveaxis(jnp.tensordot(hand, tensor, axes=(1, axis)), 0, axis)


def check_play(values: ValueFunction, name: str, instead: str) -> CompiledValue:
    """`values`, if they are of a discounted game in which all players see the state.

    **Arguments:** `name`: of the method; `instead`: what to use in place.

    **Raises:** `ValueError` otherwise, saying so.
    """
    if not isinstance(values, CompiledValue):
        raise ValueError(
            f"values: {name} needs the states and policies of a compiled game, and a user's own function "
            f"has neither; use {instead}"
        )
    if values.patient:
        raise ValueError(
            f"values: {name} expects a discount below 1: in the limit no single action changes an "
            f"average; use {instead}, or a discount close to 1"
        )
    for player, sees in enumerate(values.structure.seen):
        if not sees:
            raise ValueError(
                f"values: {name} expects that every player sees the state, and player {player} does not: "
                f"its action values would not be those of what it observes; use {instead}"
            )
    return values
