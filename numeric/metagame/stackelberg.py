r"""A leader against hard best responses: ascent over pieces, their borders, and the supremum at them.

$$ \sup_{\theta_1} V_1(\theta_1, b(\theta_1)), \qquad b(\theta_1) \in \arg\max V_2(\theta_1, \cdot). $$

The best place is as a rule the border of a piece: the leader gives the follower as little as keeps it
replying as the leader wants. There the follower is indifferent, and nothing makes it choose the leader's favourite: the
supremum is a limit from the open side of a jump, and not attained. For one reply b it is

$$ \max_{\pi_1} V_1(\pi_1, b) \quad \text{where} \quad V_2^b(s) - Q_2^b(s, a) \ge m
   \quad \text{for all } s, a \ne b(s), $$

with margin m = 0. With m > 0 it is a maximum, and the reply is the only best one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, nn
from numpy.typing import NDArray

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.decision import decision_of, leader_of, replaced, replies_to, worths
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies
from resolvent.numeric.learners.adam import Adam
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.learning import check_start
from resolvent.numeric.metagame.reply_pieces import Switch, reply_pieces
from resolvent.numeric.play import arrays_of, check_play

Tree = Any
Floats = NDArray[np.floating]

# Borders are looked at from so many of the best replies of a run that ascent has met.
_CANDIDATES = 4


@dataclass(frozen=True, eq=False, repr=False)
class Stackelberg:
    """What a leader can get against hard best responses, as far as ascent from given starts has found.

    Arrays have a leading axis of runs where the starts had one; values are in the units of `normalise`.

    **Fields:**

    - `supremum`: the leader's, and `follower_value`, the follower's, at the border of the best piece found.
    - `policy`: the leader's policy there, `(S, A)`; `reply`: the reply that it hopes for, `(S,)` actions.
    - `worst`: the leader's value there if the follower breaks ties against it; `attained`: whether that is
        the supremum.
    - `slack`: the least that the follower loses by another action (of those with which `margin` is kept): below
        0 only by rounding, the certificate that the reply is optimal.
    - `converged`: whether the last maximisation, of one reply, says that it has ended well.
    - `values`: the leader's along the ascent, `(steps + 1, ...)`.
    - `changes`: how often the best response changed from one step to the next; `switches`: the jumps behind those
        changes with the highest values next to them, per run, `at` in shares of their step, with the step's number.
    - `params`: where ascent ended, the leader's parameters.
    """

    supremum: Floats
    follower_value: Floats
    policy: Floats
    reply: NDArray[np.integer]
    worst: Floats
    attained: NDArray[np.bool_]
    slack: Floats
    converged: NDArray[np.bool_]
    values: Floats
    changes: NDArray[np.integer]
    switches: tuple[tuple[tuple[int, Switch], ...], ...]
    params: Floats
    margin: float
    leader: int
    follower: int
    normalise: str

    def summary(self) -> str:
        """What was found, to read."""
        flat = np.ravel(self.supremum)
        best = int(np.argmax(flat))
        lines = [
            f"player {self.leader + 1} leads, player {self.follower + 1} responds ({self.normalise}): {flat.size} "
            f"{'run' if flat.size == 1 else 'runs'} of {len(self.values) - 1} steps",
            f"  best: {flat[best]:.6g} to the leader, {np.ravel(self.follower_value)[best]:.6g} to the follower, "
            + (
                "attained"
                if np.ravel(self.attained)[best]
                else f"not attained: {np.ravel(self.worst)[best]:.6g} if ties are broken against the leader"
            ),
            f"  least loss of the follower by another action {np.ravel(self.slack)[best]:.1e}, "
            f"{int(np.sum(self.converged))} of {flat.size} converged",
            f"  best responses changed {int(np.sum(self.changes))} times, at "
            f"{sum(map(len, self.switches))} jumps located",
        ]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Stackelberg(supremum {float(np.max(self.supremum)):.6g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the leader's value along the ascent, and the best supremum.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots(layout="constrained")[1] if ax is None else ax
        ax.plot(self.values.reshape(len(self.values), -1))
        ax.axhline(float(np.max(self.supremum)), color="black", linestyle="--", label="supremum")
        ax.set(xlabel="step", ylabel=f"value of player {self.leader + 1}")
        ax.legend()
        return ax


def stackelberg(
    values: CompiledValue,
    start: Any,
    leader: int = 0,
    follower: int | None = None,
    *,
    rate: float = 0.05,
    steps: int = 300,
    batch: int | None = None,
    scale: float = 1.0,
    margin: float = 0.0,
    locate: int = 3,
) -> Stackelberg:
    """What a leader can get from a follower who plays hard best responses.

    First Adam, by the gradient inside the piece where it is (which is no gradient at a border, and knows nothing of the
    jumps); where the best response changes on the way, the jump is located on the segment of that step. Then,
    for the best replies that were met, the exact maximum of the piece, with its borders, by sequential quadratic
    programming in policies. Nothing says that the best reply of all has been met: use many starts.

    Two players; or more, of whom all but these two keep to the policies of `start`.

    **Arguments:**

    - `values`: a compiled closed form with a discount below 1, in which all players see the state.
    - `start`: of all players, with `batch` and `scale`, as for `learn`.
    - `leader`, `follower`: indices; of two players, the follower is the other one.
    - `rate`, `steps`: of Adam, in the parameters of `values`, which must be logits.
    - `margin`: the least that another action shall cost the follower, in the units of the values. 0 for the supremum;
        above 0 the result is attained.
    - `locate`: at most so many jumps are located per run.

    **Returns:** a `Stackelberg`.

    **Raises:** `ValueError`, naming the argument.
    """
    game = by_tensors(check_play(values, "stackelberg", "learners of gradients, such as LOLA"))
    leader_first = 1 - leader if follower is None and values.num_players == 2 else follower
    if leader_first is None:
        raise ValueError(f"follower: expected one of {values.num_players} players, got None")
    leader_of(game, leader_first, leader)
    if game.kernel.parameterisation != "logits":
        raise ValueError("values: stackelberg ascends in logits; use compile(parameters='logits')")
    if not margin >= 0:
        raise ValueError(f"margin: expected a number from 0, got {margin!r}")
    params, batched = check_start(start, game, batch, scale)
    rows = params if batched else jax.tree.map(lambda own: own[None], params)
    count, most = check_count(steps, "steps", 0), check_count(locate, "locate", 0)
    path, heights, replies = _ascend(game, rows, as_nonnegative(rate), count, leader, leader_first)

    found = []
    for run in range(len(rows[0])):
        one = tuple(own[run] for own in rows)
        walk = (path[:, run], heights[:, run], replies[:, run])
        climbed = _refined(game, one, walk, leader, leader_first, margin)
        jumps = _located(game, one, walk, leader, leader_first, most)
        found.append((*climbed, jumps))
    columns = [np.stack(own) if batched else own[0] for own in list(zip(*found, strict=True))[:-1]]
    changed = (replies[1:] != replies[:-1]).any(axis=-1).sum(axis=0)
    return Stackelberg(
        *columns,
        values=heights if batched else heights[:, 0],
        changes=changed if batched else changed[0],
        switches=tuple(own[-1] for own in found),
        params=path[-1] if batched else path[-1, 0],
        margin=float(margin),
        leader=leader,
        follower=leader_first,
        normalise=values.normalise,
    )


@eqx.filter_jit
def _walk(
    values: CompiledValue, params: Tree, rate: Array, leader: int, follower: int, steps: int
) -> Any:
    """Parameters, values and replies of all steps, the start included."""
    rule = Adam(rate, _Climb(follower))

    def one(start: Tree) -> Any:
        def step(carry: Any, _: None) -> Any:
            now, state = carry
            move, state, info = rule.update(values, now, leader, state)
            after = (*now[:leader], now[leader] + move, *now[leader + 1 :])
            return (after, state), (now[leader], info["value"], info["reply"])

        first = (start, rule.init(values, start, leader))
        return lax.scan(step, first, None, steps + 1)[1]

    return jax.vmap(one, out_axes=1)(params)


class _Climb(AbstractLearner):
    """The gradient inside a piece, which says what the reply is."""

    follower: int = eqx.field(static=True)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Array, None, Info]:
        assert isinstance(values, CompiledValue)
        kernel, normalise = values.kernel, values.normalise
        game = arrays_of(values)

        def value(own: Array) -> tuple[Array, Array]:
            moved = (*params[:player], own, *params[player + 1 :])
            policies = tensor_kernel.policies_of(kernel, moved)
            found = replies_to(game, policies, self.follower, player, normalise)
            return found.best, found.favourable.argmax(axis=-1)

        (height, reply), gradient = jax.value_and_grad(value, has_aux=True)(params[player])
        return gradient, None, {"value": height, "reply": reply}


def _ascend(
    values: CompiledValue, params: Tree, rate: Array, steps: int, leader: int, follower: int
) -> tuple[Floats, Floats, NDArray[np.integer]]:
    path, heights, replies = _walk(values, params, rate, leader, follower, steps)
    return np.asarray(path), np.asarray(heights), np.asarray(replies)


def _located(
    values: CompiledValue, params: Tree, walk: Any, leader: int, follower: int, most: int
) -> tuple[tuple[int, Switch], ...]:
    """The jumps of the steps at which the reply changed, the highest first to be looked at."""
    path, heights, replies = walk
    changed = np.flatnonzero((replies[1:] != replies[:-1]).any(axis=-1))
    order = np.argsort(-np.maximum(heights[changed], heights[changed + 1]), kind="stable")
    found = []
    for step in sorted(changed[order[:most]].tolist()):
        ends = [
            (*params[:leader], jnp.asarray(path[k]), *params[leader + 1 :])
            for k in (step, step + 1)
        ]
        pieces = reply_pieces(values, ends[0], ends[1], follower, leader, space="logits")
        found += [(step, own) for own in pieces.switches]
    return tuple(found)


# The border of a piece -------------------------------------------------------------------------------


@eqx.filter_jit
def _on_piece(
    arrays: GameArrays, policies: Policies, own: Array, reply: Array, leader: int, follower: int
) -> tuple[Array, Array]:
    """The leader's value of a policy, free probabilities `(S, A - 1)`, and the follower's losses, `(S, B)`."""
    policy = jnp.concatenate([own, 1 - own.sum(axis=1, keepdims=True)], axis=1)
    joint = replaced(policies, leader, policy)
    decision = decision_of(arrays, joint, follower)
    chosen = nn.one_hot(reply, decision.payoffs.shape[1], dtype=own.dtype)
    worth = decision.worth(chosen)
    value = worths(arrays, replaced(joint, follower, chosen))[leader] @ arrays.initial
    return value, worth[:, None] - decision.action_values(worth)


@eqx.filter_jit
def _slopes(
    arrays: GameArrays, policies: Policies, own: Array, reply: Array, leader: int, follower: int
) -> tuple[Array, Array]:
    return jax.jacrev(lambda x: _on_piece(arrays, policies, x, reply, leader, follower))(own)


@eqx.filter_jit
def _judged(
    arrays: GameArrays, policies: Policies, own: Array, leader: int, follower: int
) -> tuple[Array, Array]:
    policy = jnp.concatenate([own, 1 - own.sum(axis=1, keepdims=True)], axis=1)
    found = replies_to(
        arrays, replaced(policies, leader, policy), follower, leader, "average", 1e-8
    )
    return found.worst, found.value


def _refined(
    values: CompiledValue, params: Tree, walk: Any, leader: int, follower: int, margin: float
) -> tuple[Any, ...]:
    """The best border among those of the best replies on the way."""
    path, heights, replies = walk
    arrays = arrays_of(values)
    policies = tensor_kernel.policies_of(values.kernel, params)
    seen: dict[tuple[int, ...], int] = {}
    for step in np.argsort(-heights, kind="stable"):
        seen.setdefault(tuple(replies[step].tolist()), int(step))
        if len(seen) == _CANDIDATES:
            break
    best: tuple[Any, ...] | None = None
    for reply, step in seen.items():
        own = np.asarray(tensor_kernel.softmax_rows(jnp.asarray(path[step])))[:, :-1]
        found = _maximum(arrays, policies, own, np.array(reply), leader, follower, margin)
        if best is None or (found[-2] >= -1e-7 * _size(found), found[0]) > (
            best[-2] >= -1e-7 * _size(best),
            best[0],
        ):
            best = found
    assert best is not None  # there is a first step
    height, free, reply, slack, converged = best
    worst, follower_value = _judged(arrays, policies, jnp.asarray(free), leader, follower)
    policy = np.concatenate([free, 1 - free.sum(axis=1, keepdims=True)], axis=1)
    attained = abs(float(worst) - height) <= 1e-6 * max(abs(height), 1.0)
    return height, float(follower_value), policy, reply, float(worst), attained, slack, converged


def _size(found: tuple[Any, ...]) -> float:
    return max(abs(found[0]), 1.0)


def _maximum(
    arrays: GameArrays,
    policies: Policies,
    own: Floats,
    reply: NDArray[np.integer],
    leader: int,
    follower: int,
    margin: float,
) -> tuple[float, Floats, NDArray[np.integer], float, bool]:
    """The maximum of one piece, from a point in it."""
    from scipy.optimize import minimize  # a third of a second to import

    shape, others = own.shape, np.ones((len(reply), arrays.num_actions[follower]), bool)
    others[np.arange(len(reply)), reply] = False
    scale = float(jnp.ptp(arrays.payoffs[leader])) or 1.0
    wanted = jnp.asarray(reply)

    def at(x: Floats) -> tuple[Any, Any]:
        return _on_piece(arrays, policies, jnp.asarray(x.reshape(shape)), wanted, leader, follower)

    def slopes(x: Floats) -> tuple[Any, Any]:
        return _slopes(arrays, policies, jnp.asarray(x.reshape(shape)), wanted, leader, follower)

    def losses(x: Floats) -> Floats:
        return (np.asarray(at(x)[1])[others] - margin) / scale

    def loss_slopes(x: Floats) -> Floats:
        return np.asarray(slopes(x)[1])[others].reshape(-1, x.size) / scale

    constraints: list[Any] = [{"type": "ineq", "fun": losses, "jac": loss_slopes}]
    if shape[1] > 1:
        sums = np.kron(np.eye(shape[0]), np.ones(shape[1]))
        constraints.append({"type": "ineq", "fun": lambda x: 1 - sums @ x, "jac": lambda _: -sums})
    ended = minimize(
        lambda x: -float(at(x)[0]) / scale,
        own.ravel(),
        jac=lambda x: -np.asarray(slopes(x)[0]).ravel() / scale,
        bounds=[(0.0, 1.0)] * own.size,
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 300, "ftol": 1e-13},
    )
    free = np.clip(ended.x, 0, 1).reshape(shape)
    height, loss = at(free.ravel())
    slack = float(np.asarray(loss)[others].min()) - margin
    fine = bool(ended.success and np.isfinite(height) and slack >= -1e-7 * scale)
    return float(height), free, reply, slack, fine
