"""Critics: what an estimator believes that each state is worth."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic.value_function import require_x64
from resolvent.games.rational import shorten
from resolvent.numeric.play import Play


class AbstractCritic(eqx.Module):
    """What each player gets from each state on, true or believed; constant in all parameters."""

    @abc.abstractmethod
    def worth(self, play: Play) -> Float[Array, "players states"]:
        """`(n, S)`, in the units of the values."""


class NoCritic(AbstractCritic):
    """Nothing is believed: 0 everywhere."""

    def worth(self, play: Play) -> Float[Array, "players states"]:
        return jnp.zeros((play.arrays.num_players, play.arrays.num_states))


class ExactCritic(AbstractCritic):
    """The true values of play that does not end."""

    def worth(self, play: Play) -> Float[Array, "players states"]:
        return lax.stop_gradient(play.values)


class GivenCritic(AbstractCritic):
    """A table, such as one that was learned, `(n, S)`."""

    table: Float[Array, "players states"]

    def worth(self, play: Play) -> Float[Array, "players states"]:
        expected = (play.arrays.num_players, play.arrays.num_states)
        if self.table.shape != expected:
            raise ValueError(
                f"critic: expected one value per player and state, {expected}, got {self.table.shape}"
            )
        return lax.stop_gradient(self.table)


def as_critic(critic: Any) -> AbstractCritic:
    """`None`, `"exact"`, a table `(n, S)` or a critic, as a critic.

    **Raises:** `ValueError` for anything else, and for a table that is not finite.
    """
    if isinstance(critic, AbstractCritic):
        return critic
    if critic is None:
        return NoCritic()
    if isinstance(critic, str):
        if critic != "exact":
            raise ValueError(
                f'critic: expected None, "exact" or a table (players, states), got {critic!r}'
            )
        return ExactCritic()
    require_x64()
    if isinstance(critic, Array):
        return GivenCritic(critic)
    table = np.asarray(critic)
    if table.dtype.kind not in "iuf" or table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(
            f"critic: expected a table of finite numbers (players, states), got {shorten(critic)}"
        )
    return GivenCritic(jnp.asarray(table, float))
