r"""The game about learning: one player's policy is a map, the others are learners, and what counts is all that is
earned on the way.

From a start $\theta^0$ the player moves to what its meta-policy says, each other player j by its own rule,

$$ \theta_i^{m+1} = \mu_\vartheta(\theta^m), \qquad \theta_j^{m+1} = \theta_j^m + \Delta_j(\theta^m), \qquad
   J_i(\vartheta) = \sum_{m=1}^M w_m \, V_i(\theta^m), \qquad w_m \propto \Gamma^m, \ \sum_m w_m = 1, $$

averaged over a fixed list of starts. Its derivative goes through all steps and has two parts, what the player does for
its own payoff and what it does by moving the others,

$$ \frac{\mathrm{d} J_i}{\mathrm{d} \vartheta} = \sum_m w_m \Big[
   \nabla_i V_i \frac{\mathrm{d} \theta_i^m}{\mathrm{d} \vartheta} +
   \sum_{j \ne i} \nabla_j V_i \frac{\mathrm{d} \theta_j^m}{\mathrm{d} \vartheta} \Big]. $$

Lu et al. (2022), *Model-free opponent shaping*, arXiv:2205.01447, whose inner payoffs are exact too; there the
meta-policy is noisy and improved by reinforcement learning or a genetic algorithm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric import tree
from resolvent.numeric.checks import check_count, check_player
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learners.stacked import like_entry
from resolvent.numeric.learning import check_start
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy
from resolvent.numeric.scan import Memory, check_memory, scan

Tree = Any
Result = TypeVar("Result")
Opening = Literal["given", "policy"]
Seat = AbstractMetaPolicy | AbstractLearner
"""Who sits there: a player with a meta-policy, or one that learns by a rule."""

# Starts are followed in groups of this many on the CPU, see `learn`.
_GROUP = 64


class MetaGame(eqx.Module):
    """A player who chooses a meta-policy, among learners; made by [`resolvent.numeric.meta_game`][].

    **Attributes:**

    - `values`: of the game that is played at each step, exact.
    - `learners`: how each player learns; `None` for one who is never asked.
    - `starts`: the joint parameters to start from, `(starts, *shape)` per player: part of the problem.
    - `discount`: $\\Gamma$, of payoffs of later steps; 1 for their mean.
    - `limit`: the growth of small changes beyond which gradients are refused, see
        [`resolvent.numeric.Conditioning`][].
    - `player`: who chooses a meta-policy.
    - `steps`: M.
    - `opening`, `memory`, `truncate`: as of [`resolvent.numeric.meta_game`][].
    """

    values: ValueFunction
    learners: tuple[AbstractLearner | None, ...]
    starts: tuple[Array, ...]
    discount: Float[Array, ""]
    limit: Float[Array, ""]
    player: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    opening: Opening = eqx.field(static=True)
    memory: Memory = eqx.field(static=True)
    truncate: int | None = eqx.field(static=True)

    @property
    def num_starts(self) -> int:
        return self.starts[0].shape[0]

    @property
    def weights(self) -> Float[Array, " steps"]:
        """$w_m$, which sum to 1."""
        powers = self.discount ** jnp.arange(self.steps)
        return powers / powers.sum()

    def seats(self, policy: AbstractMetaPolicy | Sequence[Seat]) -> tuple[Seat, ...]:
        """Who sits where: a learner for everybody but the player, or what is given, one entry per player.

        **Raises:** `ValueError` or `TypeError`, where an entry cannot sit there.
        """
        if isinstance(policy, AbstractMetaPolicy):
            found = [policy if j == self.player else own for j, own in enumerate(self.learners)]
        else:
            found = list(policy)
            if len(found) != len(self.learners):
                raise ValueError(
                    f"policy: expected one entry for each of {len(self.learners)} players, got {len(found)}"
                )
        for player, seat in enumerate(found):
            if not isinstance(seat, AbstractMetaPolicy | AbstractLearner):
                raise TypeError(
                    f"policy: expected a meta-policy or a learner for player {player}, got {seat!r}"
                )
            seat.check(self.values, player)
        return tuple(s for s in found if s is not None)

    def value(self, policy: AbstractMetaPolicy) -> Float[Array, ""]:
        """J of the player, the mean over the starts, in units of `values`."""
        return self.payoffs(policy)[self.player]

    def payoffs(self, policy: AbstractMetaPolicy | Sequence[Seat]) -> Float[Array, " players"]:
        """J of all players, `(n,)`.

        **Arguments:** `policy`: of the player; or who sits where, one meta-policy or learner per player.
        """
        return _payoffs(self, self.seats(policy))

    def with_starts(self, start: Any, batch: int | None = None, scale: float = 1.0) -> MetaGame:
        """The same game from other starts, given as to [`resolvent.numeric.meta_game`][]."""
        return eqx.tree_at(
            lambda game: game.starts, self, _starts_of(start, self.values, batch, scale)
        )

    def __repr__(self) -> str:
        rules = ", ".join(
            dict.fromkeys(repr(own) for j, own in enumerate(self.learners) if j != self.player)
        )
        return (
            f"MetaGame({self.values.name}, player {self.player + 1} among {rules}, {self.steps} steps from "
            f"{self.num_starts} starts)"
        )


def meta_game(
    values: ValueFunction,
    learners: AbstractLearner | Sequence[AbstractLearner | None],
    start: Sequence[Any] | Array,
    steps: int,
    *,
    batch: int | None = None,
    scale: float = 1.0,
    player: int = 0,
    discount: Any = 1.0,
    opening: Opening = "given",
    memory: Memory = "steps",
    truncate: int | None = None,
    limit: float = 1e8,
) -> MetaGame:
    """The game of choosing how to move among learners.

    **Arguments:**

    - `values`: what all players maximise. Rates of learners belong to a scale: on per-round averages a step of 1 is
        1 - g times one on discounted sums.
    - `learners`: how the others learn: one for all, or one per player, with or without memory; the player's own entry
        is used in meta self-play only, and may be `None`.
    - `start`: where all begin: one array per player, with or without one leading axis; or a JAX key, for `batch` starts
        of independent normal numbers of standard deviation `scale`. They are part of the problem, and stay the same.
    - `steps`: how many payoffs are counted, M.
    - `player`: who chooses a meta-policy, from 0.
    - `discount`: of payoffs of later steps, in (0, 1]. Not that of the iterated game.
    - `opening`: `"given"`: all start as `start` says, and what is counted are the payoffs after each of M steps, as in
        M-FOS. `"policy"`: the meta-policy also chooses the player's first parameters, from those of `start`, and the
        payoffs before each step are counted; of a constant one this is the objective of good shepherds and of COALA.
    - `memory`: what a backward pass keeps: `"all"`, fastest; `"steps"`, the parameters after each step; `"blocks"`,
        about the square root of that.
    - `truncate`: derivatives go through windows of this many steps only; a gradient is then no longer that of J.
    - `limit`: the growth of small changes along the way beyond which a gradient is refused: at 1e8 half of its digits
        are gone.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(
            f"values: expected a ValueFunction, got {type(values).__name__} "
            "(ValueFunction.wrap makes one of a function)"
        )
    player = check_player(player, values)
    if opening not in get_args(Opening):
        raise ValueError(f"opening: expected one of {get_args(Opening)}, got {opening!r}")
    if truncate is not None:
        truncate = check_count(truncate, "truncate", least=1)
    return MetaGame(
        values=values,
        learners=_check_rules(learners, values, player),
        starts=_starts_of(start, values, batch, scale),
        discount=_positive(discount, "discount", 1.0),
        limit=_positive(limit, "limit", np.inf),
        player=player,
        steps=check_count(steps, "steps", least=1),
        opening=opening,
        memory=check_memory(memory),
        truncate=truncate,
    )


def _positive(number: Any, name: str, most: float) -> Array:
    if isinstance(number, Tracer):
        return number
    array = np.asarray(number)
    if array.shape != () or array.dtype.kind not in "iuf" or not 0 < array <= most:
        upper = "above 0" if np.isinf(most) else f"in (0, {most:g}]"
        raise ValueError(f"{name}: expected a number {upper}, got {number!r}")
    return jnp.asarray(array, float)


def _check_rules(
    learners: Any, values: ValueFunction, player: int
) -> tuple[AbstractLearner | None, ...]:
    players = values.num_players
    if isinstance(learners, AbstractLearner):
        rules: tuple[Any, ...] = (learners,) * players
    else:
        rules = tuple(learners) if isinstance(learners, Sequence) else (learners,)
    for j, rule in enumerate(rules):
        if isinstance(rule, AbstractLearner):
            rule.check(values, j)
        elif rule is not None or j != player:
            raise TypeError(
                f"learners[{j}]: expected a learner, such as Naive(rate=1.0), got {rule!r}"
            )
    if len(rules) != players:
        raise ValueError(
            f"learners: expected one for all or one for each of {players} players, got {len(rules)}"
        )
    return rules


def _starts_of(
    start: Any, values: ValueFunction, batch: int | None, scale: float
) -> tuple[Array, ...]:
    params, batched = check_start(start, values, batch, scale)
    return params if batched else tuple(own[None] for own in params)


# The way of learning ---------------------------------------------------------------------------


class Way(eqx.Module):
    """Where players are: parameters in the form that loops carry, and the memories of learners."""

    params: Tree
    states: tuple[Tree, ...]


Pushes = tuple[Array | None, ...] | None
"""Added to what the meta-policies say, per player: to differentiate by that."""


def begin(
    game: MetaGame, seats: tuple[Seat, ...], start: tuple[Array, ...], pushes: Pushes = None
) -> tuple[ValueFunction, Way]:
    """The values in the form for a loop, and the first point of the way."""
    values = game.values.for_loops(many=True)
    if game.opening == "policy":
        start = tuple(
            _pushed(seat(start), player, pushes) if isinstance(seat, AbstractMetaPolicy) else own
            for player, (seat, own) in enumerate(zip(seats, start, strict=True))
        )
    params = game.values.unstack(start)
    states = tuple(
        seat.init(values, params, player) if isinstance(seat, AbstractLearner) else None
        for player, seat in enumerate(seats)
    )
    return values, Way(params, states)


def _pushed(array: Array, player: int, pushes: Pushes) -> Array:
    push = None if pushes is None else pushes[player]
    return array if push is None else array + push


def advance(values: ValueFunction, seats: tuple[Seat, ...], way: Way, pushes: Pushes = None) -> Way:
    """One step of everybody at the same time."""
    moved, states = [], []
    for player, (seat, state) in enumerate(zip(seats, way.states, strict=True)):
        if isinstance(seat, AbstractMetaPolicy):
            array = _pushed(seat(values.stack(way.params)), player, pushes)
            moved.append(like_entry(values, way.params, player, array))
            states.append(None)
        else:
            update, state, _ = seat.update(values, way.params, player, state)
            moved.append(tree.add(way.params[player], update))
            states.append(state)
    return Way(tuple(moved), tuple(states))


def follow_way(
    game: MetaGame,
    seats: tuple[Seat, ...],
    start: tuple[Array, ...],
    count: Callable[[ValueFunction, Tree], Tree],
    pushes: Pushes = None,
) -> tuple[Tree, Way]:
    """Go the whole way from one start.

    **Arguments:** `count`: `(values, params)` to what is counted there, of each step; `pushes`: with a leading axis of
    1 + steps, the first for the opening.

    **Returns:** what was counted, with a leading axis of steps, and the end.
    """
    values, way = begin(game, seats, start, jax.tree.map(lambda leaf: leaf[0], pushes))

    def step(way: Way, index: Array) -> tuple[Way, Tree]:
        now = jax.tree.map(lambda leaf: leaf[index + 1], pushes)
        after = advance(values, seats, way, now)
        return after, count(values, (after if game.opening == "given" else way).params)

    end, counted = scan(step, way, game.steps, game.memory, game.truncate)
    return counted, end


def worth(
    game: MetaGame, seats: tuple[Seat, ...], start: tuple[Array, ...]
) -> Float[Array, " players"]:
    """J of all players from one start."""
    return game.weights @ follow_way(game, seats, start, lambda values, params: values(params))[0]


def mean_over_starts(
    function: Callable[[tuple[Array, ...]], Result], starts: tuple[Array, ...]
) -> Result:
    """The mean over starts of what a function makes of one, a pytree of arrays.

    Differentiate within `function`: derivatives of single starts are what the compiled kernels can batch.
    """

    def group(own: tuple[Array, ...], shares: Array) -> Result:
        return jax.tree.map(
            lambda leaf: jnp.tensordot(shares, leaf, axes=1), jax.vmap(function)(own)
        )

    return sum_over_groups(group, starts)


def sum_over_groups(
    function: Callable[[tuple[Array, ...], Array], Result], starts: tuple[Array, ...]
) -> Result:
    """The sum over groups of starts of what a function makes of a group and its weights; those of all sum to 1."""
    number = starts[0].shape[0]
    groups = -(-number // _GROUP) if jax.default_backend() == "cpu" else 1
    size = -(-number // groups)
    padding = groups * size - number
    weights = jnp.concatenate([jnp.full(number, 1 / number), jnp.zeros(padding)])
    if groups == 1:
        return function(starts, weights)

    def split(leaf: Array) -> Array:
        filled = jnp.concatenate([leaf, jnp.repeat(leaf[-1:], padding, axis=0)])
        return filled.reshape(groups, size, *leaf.shape[1:])

    parts = jax.lax.map(lambda own: function(*own), (tuple(map(split, starts)), split(weights)))
    return jax.tree.map(lambda leaf: leaf.sum(0), parts)


@eqx.filter_jit
def _payoffs(game: MetaGame, seats: tuple[Seat, ...]) -> Float[Array, " players"]:
    return mean_over_starts(lambda start: worth(game, seats, start), game.starts)
