r"""Episodes of a player with inner memory: the chain of (node, state).

A controller with K nodes plays $x(a \mid k, s)$ in node k and state s, and having arrived in state s' goes on to node l
with probability $y(l \mid k, s')$. With the others' policies of the state, the pair (k, s) is a Markov chain,

$$ P_K\big((k, s), (l, s')\big) = P_k(s, s') \, y(l \mid k, s'), $$

where $P_k$ is the chain under the policy $x(\cdot \mid k, \cdot)$. From node marginal $\mu$ and first state p,

$$ V_i = (1 - g_i) \, (\mu \otimes p)' (I - g_i P_K)^{-1} r_i, $$

rational in x and y. An episode of T rounds has $\sum_{t < T} g_i^t P_K^t$ in place of the resolvent, and leaves the
node marginal of $(\mu \otimes p)' P_K^T$; one that ends after each round with probability 1 - g that of
$(1 - g)(\mu \otimes p)' (I - g P_K)^{-1} P_K$.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, ValueFunction, check_parameters
from resolvent.numeric.decision import index_of
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies, chain, expected
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.context import check_horizon
from resolvent.numeric.play import Play, arrays_of, check_play

Tree = Any


class Episode(NamedTuple):
    """What an episode comes to.

    **Fields:** `values`: of all players, `(n,)`; `nodes`: the node marginal at its end, `(K,)`.
    """

    values: Float[Array, " players"]
    nodes: Float[Array, " nodes"]


class ControllerGame(ValueFunction):
    """An episode as a function of one player's controller and the other players' parameters: a value function, so
    that any learner that needs nothing but derivatives can play it.

    Parameters are those of the game, but for `player`, who has logits `(K, S, A - 1 + K - 1)`: for each node and state
    those of its action, then those of the node that it goes to when it *arrives* in that state. Last logits are 0.

    **Attributes:**

    - `values`: the game, by tensors.
    - `nodes`: the node marginal in the beginning, `(K,)`.
    - `player`: whose controller it is, one player only.
    - `horizon`: rounds; `None` where episodes end at random, by the discount.
    - `discounted`: whether later rounds of a finite episode count less.
    - `history`: whether play depends on what happens within the episode. If not, the player acts throughout as in the
        node in which it began, whatever the state (the rows of the first state are used); only the node moves.
    """

    values: CompiledValue
    nodes: Float[Array, " nodes"]
    player: int = eqx.field(static=True)
    horizon: int | None = eqx.field(static=True, default=None)
    discounted: bool = eqx.field(static=True, default=True)
    history: bool = eqx.field(static=True, default=True)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        own = controller_shape(self.values, self.player, self.nodes.shape[0])
        before, after = self.values.shapes[: self.player], self.values.shapes[self.player + 1 :]
        return (*before, own, *after)

    @property
    def name(self) -> str:
        return f"{self.values.name} with a controller of {self.nodes.shape[0]} nodes"

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        return self.episode(params).values

    @eqx.filter_jit
    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        params = check_parameters(params, self.shapes)
        values, pull = jax.vjp(self.__call__, params)
        # One by one, so that what a learner does not ask for is dead code.
        return tuple(pull(unit)[0] for unit in jnp.eye(self.num_players, dtype=values.dtype))

    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        params = check_parameters(params, self.shapes)

        def gradient(moved: Array) -> Array:
            joint = (*params[:k], moved, *params[k + 1 :])
            return jax.grad(lambda own: self((*joint[:j], own, *joint[j + 1 :]))[i])(joint[j])

        return jax.jvp(gradient, (params[k],), (jnp.asarray(u, params[k].dtype),))[1]

    def episode(self, params: Tree) -> Episode:
        """Values, and where the nodes end."""
        params = check_parameters(params, self.shapes)
        act, move = split_controller(params[self.player], self.values, self.player)
        arrays = arrays_of(self.values)
        policies = others_policies(self.values, params, self.player)
        if self.history:
            return self._play(arrays, policies, act, move, self.nodes)
        size = self.nodes.shape[0]

        def begun(first: Array) -> Episode:
            """The episode of one who began in a node, and acts as there."""
            same = jnp.broadcast_to(act[first, 0], act.shape)
            return self._play(arrays, policies, same, move, jnp.zeros(size).at[first].set(1.0))

        each = jax.vmap(begun)(jnp.arange(size))
        return Episode(self.nodes @ each.values, self.nodes @ each.nodes)

    def _play(
        self, arrays: GameArrays, policies: Policies, act: Array, move: Array, nodes: Array
    ) -> Episode:
        moves, payoffs = _pairs(arrays, policies, self.player, act, move)
        size = nodes.shape[0] * arrays.num_states
        moves = moves.reshape(size, size)
        payoffs = payoffs.reshape(-1, size)
        first = jnp.outer(nodes, arrays.initial).ravel()
        discounts = arrays.discounts
        summed = self.values.normalise == "sum"
        if self.horizon is None:
            visits = visits_of(self.values, arrays, moves, first)
            share = (1 - discounts)[:, None] * visits
            worth = jnp.sum(share * payoffs, axis=1)
            end = share[self.player] @ moves
        else:
            weights = discounts if self.discounted else jnp.ones_like(discounts)

            def step(
                at: tuple[Array, Array, Array, Array], _: None
            ) -> tuple[tuple[Array, Array, Array, Array], None]:
                here, power, gained, total = at
                gained = gained + power * (payoffs @ here)
                return (here @ moves, power * weights, gained, total + power), None

            none = jnp.zeros_like(discounts)
            begin = (first, jnp.ones_like(discounts), none, none)
            end, _, gained, total = lax.scan(step, begin, None, length=self.horizon)[0]
            # Payoffs of discounted sums carry the factor 1 / (1 - g).
            worth = gained * (1 - discounts) if summed else gained / total
        return Episode(worth, end.reshape(-1, arrays.num_states).sum(axis=1))


@jax.custom_jvp
def inverse(matrix: Float[Array, "m m"]) -> Float[Array, "m m"]:
    """The inverse, whose derivatives of every order are products: $-A^{-1} \\dot A A^{-1}$."""
    return jnp.linalg.inv(matrix)


@inverse.defjvp
def _inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = inverse(primals[0])
    return found, -found @ tangents[0] @ found


def visits_of(
    values: CompiledValue, arrays: GameArrays, moves: Array, first: Array
) -> Float[Array, "players m"]:
    """Visits of a chain's states from a first distribution, by each player's discount: one inverse for each that
    differs."""
    groups = np.array(values.structure.groups)
    size = moves.shape[0]
    found = []
    for group in range(groups.max() + 1):
        discount = arrays.discounts[int(np.flatnonzero(groups == group)[0])]
        found.append(first @ inverse(jnp.eye(size) - discount * moves))
    return jnp.stack(found)[groups]


class Stationary(NamedTuple):
    """Memory-one play without end.

    **Fields:** `values`: of all players, `(n,)`; `shares`: of rounds, `(S, A_1, ..., A_n)`, by a player's discount.
    """

    values: Float[Array, " players"]
    shares: Float[Array, "states ..."]


def stationary(
    values: CompiledValue, arrays: GameArrays, params: tuple[Array, ...], player: int
) -> Stationary:
    """Values and shares of rounds of memory-one play, with derivatives that are quick to compile."""
    play = Play(arrays, tensor_kernel.policies_of(values.kernel, params))
    visits = visits_of(values, arrays, play.transitions, arrays.initial)
    share = (1 - arrays.discounts)[:, None] * visits
    payoffs = jnp.stack([expected(own, play.policies, None) for own in arrays.payoffs])
    own = share[player].reshape(-1, *(1,) * len(params))
    return Stationary(jnp.sum(share * payoffs, axis=1), own * play.joint)


def controller_shape(values: CompiledValue, player: int, nodes: int) -> tuple[int, int, int]:
    """The shape of a controller's logits, `(K, S, A - 1 + K - 1)`."""
    rows, columns = values.shapes[player]
    return nodes, rows, columns + nodes - 1


def split_controller(
    logits: Float[Array, "nodes states choices"], values: CompiledValue, player: int
) -> tuple[Float[Array, "nodes states actions"], Float[Array, "nodes states nodes"]]:
    """Probabilities of actions `(K, S, A)` and of nodes `(K, S, K)`, from a controller's logits."""
    columns = values.shapes[player][1]
    act, move = logits[..., :columns], logits[..., columns:]
    return _softmax(act), _softmax(move)


def _softmax(free: Array) -> Array:
    return jax.nn.softmax(jnp.pad(free, ((0, 0), (0, 0), (0, 1))), axis=-1)


def others_policies(values: CompiledValue, params: Tree, player: int) -> tuple[Array, ...]:
    """The policies of all but `player`, in whose place stand zeros."""
    rows, columns = values.shapes[player]
    nothing = jnp.zeros((rows, columns))
    full = (*params[:player], nothing, *params[player + 1 :])
    return tensor_kernel.policies_of(values.kernel, full)


def _pairs(
    arrays: GameArrays, policies: Policies, player: int, act: Array, move: Array
) -> tuple[Array, Array]:
    """Transitions between pairs, `(K, S, K, S)`, and expected payoffs in them, `(n, K, S)`."""

    def one(own: Array) -> tuple[Array, Array]:
        joint = (*policies[:player], own, *policies[player + 1 :])
        payoffs = jax.vmap(lambda each: expected(each, joint, None))(arrays.payoffs)
        return chain(arrays, joint), payoffs

    moves, payoffs = jax.vmap(one)(act)
    return jnp.einsum("kst,ktl->kslt", moves, move), jnp.moveaxis(payoffs, 0, 1)


def controller_game(
    values: CompiledValue,
    nodes: Any,
    player: int = 0,
    *,
    horizon: int | None = None,
    discounted: bool = True,
    history: bool = True,
) -> ControllerGame:
    """An episode in which one player has a controller; see [`resolvent.numeric.ControllerGame`][].

    It is the game of [`resolvent.games.with_controllers`][] with controllers of Moore's form that also see the state,
    from any node marginal and for any number of rounds.

    **Arguments:** `nodes`: the node marginal in the beginning, `(K,)`; the rest are the attributes there.

    **Raises:** `ValueError` for values without states, and numbers that are no distribution.
    """
    game = check_play(values, "controller_game", "values of a compiled, discounted game")
    player = index_of(player, "player", game.num_players)
    marginal = jnp.asarray(nodes, float)
    if marginal.ndim != 1 or bool((marginal < 0).any()) or abs(float(marginal.sum()) - 1) > 1e-9:
        raise ValueError(
            f"nodes: expected the probability of each node in the beginning, got {nodes!r}"
        )
    if horizon is None and not discounted:
        raise ValueError("discounted: an episode without a horizon ends by the discount; give one")
    return ControllerGame(
        by_tensors(game), marginal, player, check_horizon(horizon), discounted, history
    )
