r"""A finite game as arrays: what verification and every path-following method compute with.

With $\sigma$ a stationary profile, $P$ and $r_i$ the transitions and expected payoffs under it, in units of one round,

$$ V_i = (1 - g_i) \, r_i + g_i P V_i, \qquad
   Q_i(s, a_i) = \mathbb{E}_{\sigma_{-i}} \big[ (1 - g_i) \, u_i(s, a) + g_i V_i(s') \big]. $$

A stationary equilibrium has $V_i(s) = \max_a Q_i(s, a)$ in all states, and plays maximisers only.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from resolvent.analytic.value_function import require_x64
from resolvent.games import DynamicGame, IteratedGame, NormalForm, StochasticGame
from resolvent.games.rational import shorten

Game = NormalForm | DynamicGame
Policies = tuple[Float[Array, "states actions"], ...]


class GameArrays(eqx.Module):
    """A game with n players, S states and A_i actions of player i in every state.

    All numbers are leaves: one may `vmap` over them, and games of one shape share compiled programs.

    **Attributes:**

    - `payoffs`: `(n, S, A_1, ..., A_n)`, for acting in a state; a matrix game has one state.
    - `transitions`: `(S, A_1, ..., A_n, S)`, or `None` where every joint action leads to one state for
        certain.
    - `successors`: that state, `(S, A_1, ..., A_n)`; or `None`.
    - `discounts`: `(n,)`, in [0, 1); 0 for a matrix game.
    - `initial`: `(S,)`, where play begins.
    """

    payoffs: Float[Array, "players states ..."]
    transitions: Float[Array, "states ... states"] | None
    successors: Int[Array, "states ..."] | None
    discounts: Float[Array, " players"]
    initial: Float[Array, " states"]

    @property
    def num_players(self) -> int:
        """The number of players."""
        return self.payoffs.shape[0]

    @property
    def num_states(self) -> int:
        """The number of states."""
        return self.payoffs.shape[1]

    @property
    def num_actions(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return self.payoffs.shape[2:]


def game_arrays(game: Game) -> GameArrays:
    """The arrays of a matrix game, an iterated or a stochastic game, each number rounded once.

    A trembling hand is part of the payoffs and transitions: policies are of intended actions.

    **Raises:** `ValueError` for a game with symbols, and where a player does not see the state: its
    policy is then no stationary strategy of a stochastic game.
    """
    require_x64()
    require_stationary(game)
    if isinstance(game, NormalForm):
        payoffs = _floats(game.payoffs)[:, None]
        nowhere = np.zeros(payoffs.shape[1:], int)
        return GameArrays(
            jnp.asarray(payoffs),
            None,
            jnp.asarray(nowhere),
            jnp.zeros(game.num_players),
            jnp.ones(1),
        )
    shape = (game.num_states, *game.num_actions)
    payoffs = np.stack([_floats(own).reshape(shape) for own in game.rewards])
    transitions, successors = _moves(game, shape)
    for axis, tremble in enumerate(game.trembles):
        if tremble is None:
            continue
        matrix = _floats(tremble)
        payoffs = _along(matrix, payoffs, axis + 2)
        if transitions is None:
            transitions = np.eye(shape[0])[successors]
        transitions = _along(matrix, transitions, axis + 1)
    return GameArrays(
        jnp.asarray(payoffs),
        None if transitions is None else jnp.asarray(transitions),
        jnp.asarray(successors) if transitions is None else None,
        jnp.asarray(_floats(game.discounts)),
        jnp.asarray(_floats(game.initial_distribution)),
    )


def require_stationary(game: Game) -> None:
    """Check that a game has numbers only, and players who see the state and do not misread it.

    **Raises:** `ValueError` where not; `TypeError` for what is no such game.
    """
    if not isinstance(game, (NormalForm, IteratedGame, StochasticGame)):
        raise TypeError(
            f"game: expected a NormalForm, an IteratedGame or a StochasticGame, got {shorten(game)}"
        )
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise ValueError(f"game: expected numbers, but {names} are symbols; use game.substitute")
    if isinstance(game, NormalForm):
        return
    for player, readings in enumerate(game.readings):
        if any(len(row) != 1 or row[0][0] != state for state, row in enumerate(readings)):
            raise ValueError(
                f"game: player {player + 1} does not see the state, so that stationary equilibria and "
                "best replies of Markov decision problems are not its own; use a game with full "
                "observation, or learn in this one"
            )


def _floats(nested: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(nested, dtype=object).astype(float)


def _moves(game: DynamicGame, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """`(transitions, None)`, or `(None, successors)` where all is certain."""
    if all(len(row) == 1 for rows in game.branches for row in rows):
        successors = [[row[0][0] for row in rows] for rows in game.branches]
        return None, np.array(successors).reshape(shape)
    transitions = np.zeros((shape[0], len(game.joint_actions), shape[0]))
    for state, rows in enumerate(game.branches):
        for joint, row in enumerate(rows):
            for after, chance in row:
                transitions[state, joint, after] = float(chance)
    return transitions.reshape(*shape, shape[0]), None


def _along(matrix: Any, tensor: Any, axis: int) -> Any:
    """What is expected of `tensor` over the realised actions on `axis`, per intended action."""
    return np.moveaxis(np.tensordot(matrix, tensor, axes=(1, axis)), 0, axis)


def check_profile(game: Game | GameArrays, policies: Any, name: str = "policies") -> Policies:
    """A stationary profile as arrays `(S, A_i)`; of a matrix game, also vectors `(A_i,)`.

    **Raises:** `ValueError`, naming the entry, for another shape, numbers that are not finite, negative
    ones, and rows that do not sum to one.
    """
    arrays = game if isinstance(game, GameArrays) else game_arrays(game)
    if not isinstance(policies, Sequence) or len(policies) != arrays.num_players:
        got = len(policies) if isinstance(policies, Sequence) else type(policies).__name__
        raise ValueError(
            f"{name}: expected one array for each of {arrays.num_players} players, got {got}"
        )
    checked = []
    for player, own in enumerate(policies):
        field = f"{name}[{player}]"
        shape = (arrays.num_states, arrays.num_actions[player])
        try:
            array = _floats(own)
        except (TypeError, ValueError):
            raise ValueError(f"{field}: expected numbers, got {shorten(own)}") from None
        if arrays.num_states == 1 and array.shape == shape[1:]:
            array = array[None]
        if array.shape != shape:
            raise ValueError(
                f"{field}: expected shape {shape} (states, actions), got {array.shape}"
            )
        if not np.isfinite(array).all() or (array < 0).any():
            raise ValueError(f"{field}: expected probabilities, got {shorten(array.tolist())}")
        off = np.abs(array.sum(axis=1) - 1)
        if off.max() > 1e-9:
            raise ValueError(
                f"{field}: expected rows that sum to one, but row {off.argmax()} sums to "
                f"{array[off.argmax()].sum():.12g}"
            )
        checked.append(jnp.asarray(array))
    return tuple(checked)


def payoff_ranges(arrays: GameArrays) -> Float[Array, " players"]:
    """The largest less the smallest payoff of each player, `(n,)`; 1 where all are equal."""
    flat = arrays.payoffs.reshape(arrays.num_players, -1)
    spread = flat.max(axis=1) - flat.min(axis=1)
    return jnp.where(spread > 0, spread, 1)


def expected(tensor: Float[Array, "states ..."], policies: Policies, player: int | None) -> Array:
    """What is expected of `tensor` when the others play `policies`, `(S, A_i)`; `(S,)` for no player.

    **Arguments:** `tensor`: `(S, A_1, ..., A_n, ...)`; further axes stay.
    """
    letters = string.ascii_letters[: len(policies) + 1]
    state, actions = letters[0], letters[1:]
    kept = "" if player is None else actions[player]
    terms = [
        (state + actions[j], own) for j, own in enumerate(policies) if player is None or j != player
    ]
    subscripts = ",".join([f"{letters}...", *(name for name, _ in terms)])
    return jnp.einsum(f"{subscripts}->{state}{kept}...", tensor, *(own for _, own in terms))


def expected_pair(
    tensor: Float[Array, "states ..."], policies: Policies, player: int, other: int
) -> Float[Array, "states actions others"]:
    """What is expected of `tensor` per action of two players, `(S, A_i, A_j)`.

    **Arguments:** `tensor`: `(S, A_1, ..., A_n)`.
    """
    letters = string.ascii_letters[: len(policies) + 1]
    rest = [k for k in range(len(policies)) if k not in (player, other)]
    terms = [letters, *(letters[0] + letters[k + 1] for k in rest)]
    result = letters[0] + letters[player + 1] + letters[other + 1]
    return jnp.einsum(f"{','.join(terms)}->{result}", tensor, *(policies[k] for k in rest))


def follows(arrays: GameArrays, values: Float[Array, " states"]) -> Float[Array, "states ..."]:
    """What a value per state is worth after each joint action, `(S, A_1, ..., A_n)`."""
    if arrays.successors is not None:
        return values[arrays.successors]
    assert arrays.transitions is not None  # one of the two is given
    return jnp.tensordot(arrays.transitions, values, axes=1)


def chain(arrays: GameArrays, policies: Policies) -> Float[Array, "states states"]:
    """The transition matrix P under a profile."""
    if arrays.successors is None:
        assert arrays.transitions is not None  # one of the two is given
        return expected(arrays.transitions, policies, None)
    letters = string.ascii_letters[: len(policies) + 1]
    subscripts = ",".join(letters[0] + own for own in letters[1:])
    joint = jnp.einsum(f"{subscripts}->{letters}", *policies)
    size = arrays.num_states
    rows = jnp.arange(size)[:, None]
    flat = arrays.successors.reshape(size, -1)
    return jnp.zeros((size, size)).at[rows, flat].add(joint.reshape(size, -1))


def moves_of(
    arrays: GameArrays, policies: Policies, player: int
) -> Float[Array, "states actions after"]:
    """Where each action of a player leads when the others play `policies`, `(S, A_i, S)`."""
    transitions = arrays.transitions
    if transitions is None:
        transitions = jax.nn.one_hot(arrays.successors, arrays.num_states)
    return expected(transitions, policies, player)


@jax.jit
def values_of(arrays: GameArrays, policies: Policies) -> Float[Array, "players states"]:
    """What each player gets per round from each state on, `(n, S)`."""
    moves = chain(arrays, policies)

    def one(payoffs: Array, discount: Array) -> Array:
        now = (1 - discount) * expected(payoffs, policies, None)
        return jnp.linalg.solve(jnp.eye(arrays.num_states) - discount * moves, now)

    return jax.vmap(one)(arrays.payoffs, arrays.discounts)


@jax.jit
def action_values(
    arrays: GameArrays, policies: Policies, values: Float[Array, "players states"]
) -> tuple[Float[Array, "states actions"], ...]:
    """Q per player, `(S, A_i)`: what each action is worth where the others play `policies`, and
    `values` follow from the next round on."""
    found = []
    for player, discount in enumerate(arrays.discounts):
        worth = (1 - discount) * arrays.payoffs[player]
        worth += discount * follows(arrays, values[player])
        found.append(expected(worth, policies, player))
    return tuple(found)
