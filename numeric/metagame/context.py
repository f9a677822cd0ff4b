r"""What an episode tells about who played it: transition counts, policies read off them, and beliefs.

With $p_t$ the distribution of states in round t and $\pi(u \mid s)$ the joint policy, the expected count of joint
action u in state s is

$$ N(s, u) = \sum_{t < T} p_t(s) \, \pi(u \mid s), \qquad
   \pi_i(a_i \mid s) = \frac{\sum_{u: u_i = a_i} N(s, u)}{\sum_u N(s, u)}, $$

and the log-odds of two types k and l, given the counts of an episode, change by

$$ \big\langle N, \log \pi^k - \log \pi^l \big\rangle . $$

An episode has T rounds; or it ends after each round with probability 1 - g, and then $\sum_t p_t$ is $\tilde d$, the
visits discounted by g. Counts are expectations: those of infinitely many parallel episodes, per episode. From B
episodes they would be off by $O(B^{-1/2})$, which is not modelled here.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.play import Play, check_play, play_of

Tree = Any


def transition_counts(
    values: CompiledValue, params: Tree, *, horizon: int | None = None, player: int = 0
) -> Float[Array, "states ..."]:
    """How often each joint action is played in each state in an episode, expected.

    **Arguments:**

    - `values`: a compiled game in which all players see the state, with a discount below 1.
    - `params`: one entry per player, as `values` takes them.
    - `horizon`: rounds of an episode. `None`: it goes on after each round with probability g.
    - `player`: whose discount g is, where they differ.

    **Returns:** `(S, A_1, ..., A_n)`, rounds; sums to `horizon`, or to 1 / (1 - g).

    **Raises:** `ValueError` for other values, and a horizon that is no number of rounds.
    """
    game = check_play(values, "transition_counts", "values of a compiled, discounted game")
    check_horizon(horizon)
    return counts_of(play_of(game, params), horizon, player)


def counts_of(play: Play, horizon: int | None, player: int) -> Float[Array, "states ..."]:
    """`transition_counts` of a joint policy in arrays."""
    if horizon is None:
        visits = play.visits(player)
    else:
        moves = play.transitions

        def step(at: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            here, total = at
            return (here @ moves, total + here), None

        first = play.arrays.initial
        visits = lax.scan(step, (first, jnp.zeros_like(first)), None, length=horizon)[0][1]
    return visits.reshape(-1, *(1,) * len(play.policies)) * play.joint


def policies_from_counts(
    counts: ArrayLike,
) -> tuple[Float[Array, "states actions"], ...]:
    """What everybody plays, read off counts: exact in every state that is ever reached.

    Of a state that is not, counts say nothing: its rows are uniform. So unlike parameters, counts hide what somebody
    would do off the path of play.

    **Arguments:** `counts`: `(S, A_1, ..., A_n)`.

    **Returns:** `(S, A_i)` per player.
    """
    table = jnp.asarray(counts)
    actions = range(1, table.ndim)
    visits = table.sum(axis=tuple(actions))[:, None]
    reached = visits > 0
    found = []
    for own in actions:
        times = table.sum(axis=tuple(other for other in actions if other != own))
        share = times / jnp.where(reached, visits, 1)
        found.append(jnp.where(reached, share, 1 / times.shape[1]))
    return tuple(found)


def expected_log_odds(
    counts: ArrayLike,
    types: Sequence[ArrayLike],
    others: Sequence[ArrayLike],
    players: Sequence[int],
) -> Float[Array, ""]:
    """How much an episode speaks for some policies against others, expected: the change of the log-odds.

    Of an episode that was played by `types` it is at least 0: the divergence between the two distributions of
    trajectories.

    **Arguments:**

    - `counts`: of the episode, `(S, A_1, ..., A_n)`.
    - `types`, `others`: the two hypotheses, `(S, A_j)` for each of `players`.
    - `players`: who they are about; what all others play says nothing.

    **Returns:** in nats; infinite where one of them rules out what was played.
    """
    return log_likelihood(counts, types, players) - log_likelihood(counts, others, players)


def log_likelihood(
    counts: ArrayLike,
    policies: Sequence[ArrayLike],
    players: Sequence[int],
) -> Float[Array, ""]:
    r"""$\langle N, \log \pi \rangle$ for the policies of some players; actions that were not played do not count."""
    letters = string.ascii_letters[: jnp.ndim(counts)]
    total = jnp.zeros(())
    for own, policy in zip(players, policies, strict=True):
        times = jnp.einsum(f"{letters}->{letters[0]}{letters[own + 1]}", counts)
        played = times > 0
        total += jnp.sum(
            jnp.where(played, times * jnp.log(jnp.where(played, jnp.asarray(policy), 1)), 0)
        )
    return total


def check_horizon(horizon: Any) -> int | None:
    """`horizon`, if it is a number of rounds from 1, or `None`."""
    if horizon is None:
        return None
    whole = isinstance(horizon, (int, np.integer)) and not isinstance(horizon, bool)
    if not whole or horizon < 1:
        raise ValueError(
            f"horizon: expected a whole number of rounds from 1, or None for episodes that end at "
            f"random by the discount, got {horizon!r}"
        )
    return int(horizon)
