r"""Backward recursions along a trajectory that ends after T rounds or never does.

What is expected of something that adds up from round t on obeys, for a rate z such as $g$, $g \lambda$ or $g^2$,

$$ x_t(s) = c_t(s) + z \, \mathbb{E}[x_{t+1}(s_{t+1}) \mid s_t = s], \qquad x_T = 0. $$

Where play does not end nothing depends on t, and $x = (I - zP)^{-1} c$. All arrays have the round as their first axis,
`(T, S, ...)`; of length 1 where they are the same in every round, and always so where play does not end.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from resolvent.numeric.double_sums import arrivals
from resolvent.numeric.equilibrium.arrays import follows
from resolvent.numeric.play import Play


class Course(eqx.Module):
    """Trajectories of a joint policy.

    **Attributes:** `play`: with J joint actions in each of S states; `horizon`: how many rounds they last, or `None`
    where they do not end.
    """

    play: Play
    horizon: int | None = eqx.field(static=True)

    @property
    def weights(self) -> Float[Array, "states joint"]:
        """The probability of each joint action, `(S, J)`."""
        return self.play.joint.reshape(self.play.arrays.num_states, -1)

    def mean(self, table: Float[Array, "rounds states joint ..."]) -> Array:
        """What is expected over the joint action, `(T, S, ...)`."""
        return jnp.einsum("su,tsu...->ts...", self.weights, table)

    def ahead(self, later: Float[Array, "rounds states ..."]) -> Array:
        """What is expected of the next state after each joint action, `(T, S, J, ...)`."""
        arrays = self.play.arrays

        def one(own: Array) -> Array:
            return follows(arrays, own).reshape(arrays.num_states, -1, *own.shape[1:])

        return jax.vmap(one)(later)

    def arriving(self, table: Float[Array, "states joint"]) -> Float[Array, " states"]:
        """Where weights on states and joint actions go, `(S,)`."""
        return arrivals(self.play.arrays, table.reshape(self.play.joint.shape))

    def adding_up(self, rate: Any, source: Float[Array, "rounds states ..."]) -> Array:
        """x of the module, `(T, S, ...)`, from its c."""
        if self.horizon is None:
            return self.play.resolvent(rate, source[0])[None]
        moves = self.play.transitions

        def step(later: Array, now: Array) -> tuple[Array, Array]:
            here = now + rate * jnp.tensordot(moves, later, axes=1)
            return here, here

        source = jnp.broadcast_to(source, (self.horizon, *source.shape[1:]))
        return lax.scan(step, jnp.zeros_like(source[0]), source, reverse=True)[1]

    def after(self, sums: Float[Array, "rounds states ..."]) -> Float[Array, "rounds states ..."]:
        """The same from the next round on: nothing after the last."""
        if self.horizon is None:
            return sums
        return jnp.concatenate([sums[1:], jnp.zeros_like(sums[:1])])

    def visits(self, rate: Any) -> Float[Array, "rounds states"]:
        """rate^t Pr(s_t = s), `(T, S)`; summed over all rounds, `(1, S)`, where play does not end."""
        initial = self.play.arrays.initial
        if self.horizon is None:
            return self.play.resolvent_left(rate, initial)[None]
        moves = self.play.transitions

        def step(here: Array, _: None) -> tuple[Array, Array]:
            return rate * (here @ moves), here

        return lax.scan(step, initial, None, length=self.horizon)[1]
