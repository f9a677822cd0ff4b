r"""The pieces of a leader's objective along a segment: where the follower's best response changes.

Along $\theta(\alpha) = (1 - \alpha) \theta^0 + \alpha \theta^1$ a deterministic reply b is a best response wherever

$$ f_{s,a}(\alpha) = \det(I - g P_b) \, \big( V_b(s) - Q_b(s, a) \big) \ge 0 \quad \text{for all } s, a. $$

The determinant is positive, and clears the fractions: where one player's *policies* are on a segment, each f is a
polynomial of degree at most S + 1, so that all of its zeros are eigenvalues of a small matrix. Where *logits* are, it
is analytic, and is interpolated by polynomials on as many parts of the segment as it takes. In between, the
leader's value $V_1(\theta(\alpha), b)$ is smooth; where the reply changes, it jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, nn
from numpy.typing import NDArray

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, check_parameters
from resolvent.numeric.decision import (
    OptimalReplies,
    decision_of,
    leader_of,
    replaced,
    replies_to,
    worths,
)
from resolvent.numeric.equilibrium.arrays import GameArrays, Policies
from resolvent.numeric.learners.stacked import by_tensors
from resolvent.numeric.metagame.interpolants import POINTS, resolved, top, zeros
from resolvent.numeric.play import arrays_of, check_play

Tree = Any
Space = Literal["policies", "logits"]
Floats = NDArray[np.floating]

# What is always this small, in ranges of the follower's values, is zero.
_ZERO = 1e-12
# Zeros closer than this are one; no piece is shorter.
_SLIVER = 1e-12
# Where in a part to look for its reply: nowhere that a symmetric game would have a tie.
_INSIDE = (0.5437, 0.3819, 0.7231, 0.1732, 0.8817)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a segment on which a reply stays optimal.

    **Fields:** `start`, `end`: its ends in alpha. `optimal`: which actions are optimal all over it, `(S, B)`: more than
    one in a state where the follower is indifferent throughout. `reply`: the action in each state, `(S,)`; of
    several, the best ones for the leader. `values`: the leader's at the ends, as limits from inside. `top`: where
    on it the leader's value is highest, and how high.
    """

    start: float
    end: float
    optimal: NDArray[np.bool_]
    reply: NDArray[np.integer]
    values: tuple[float, float]
    top: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Switch:
    """A point where the best response changes.

    **Fields:** `at`: in alpha. `before`, `after`: limits of the leader's value from the left and from the right.
    `worst`, `best`: its values at the point itself, over all replies that are optimal there, as many as `count`.
    """

    at: float
    before: float
    after: float
    worst: float
    best: float
    count: int

    @property
    def jump(self) -> float:
        """The limit from the right less that from the left."""
        return self.after - self.before


@dataclass(frozen=True, eq=False, repr=False)
class ReplyPieces:
    """A leader's objective against hard best responses, along a segment.

    **Fields:**

    - `pieces`, `switches`: from left to right, one switch between any two pieces.
    - `supremum`: of the leader's value, and `at` which alpha.
    - `attained`: whether it is the value there however the follower breaks ties; otherwise it is the limit from the
        `side` named, "before" or "after".
    - `complete`: whether every part of the segment was accounted for.
    - `space`, `leader`, `follower`, `normalise`: what was asked for.
    """

    pieces: tuple[Piece, ...]
    switches: tuple[Switch, ...]
    supremum: float
    at: float
    attained: bool
    side: Literal["before", "after", "inside"]
    complete: bool
    space: Space
    leader: int
    follower: int
    normalise: str
    _line: _Line

    def value(self, alphas: Any) -> Floats:
        """The leader's value at points of the segment, of the piece that each is in (at a switch, the left one)."""
        points = np.atleast_1d(np.asarray(alphas, float))
        ends = np.array([piece.end for piece in self.pieces])
        found = np.empty(len(points))
        places = np.minimum(np.searchsorted(ends, points), len(ends) - 1)
        for place in np.unique(places):
            chosen = places == place
            found[chosen] = self._line.leader(points[chosen], self.pieces[place].reply)
        return found

    def summary(self) -> str:
        """What was found, to read."""
        lines = [
            f"player {self.leader + 1} against best responses of player {self.follower + 1}, along a segment of "
            f"{self.space}: {len(self.pieces)} pieces ({self.normalise})"
        ]
        lines += [
            f"  at {own.at:.15g}: {own.before:.6g} -> {own.after:.6g}, {own.count} optimal replies"
            for own in self.switches
        ]
        how = "attained" if self.attained else f"not attained: the limit from {self.side}"
        lines.append(f"  supremum {self.supremum:.6g} at {self.at:.6g}, {how}")
        if not self.complete:
            lines.append("  NOT complete: some part of the segment could not be resolved")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"ReplyPieces({len(self.pieces)} pieces, supremum {self.supremum:.6g})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the leader's value along the segment, with open ends at its jumps.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots(layout="constrained")[1] if ax is None else ax
        for piece in self.pieces:
            points = np.linspace(piece.start, piece.end, 100)
            (line,) = ax.plot(points, self._line.leader(points, piece.reply))
            ax.plot(
                (piece.start, piece.end), piece.values, "o", mfc="white", color=line.get_color()
            )
        ax.set(xlabel="share of the way", ylabel=f"value of player {self.leader + 1}")
        return ax


def reply_pieces(
    values: CompiledValue,
    start: Tree,
    end: Tree,
    follower: int,
    leader: int | None = None,
    space: Space = "policies",
) -> ReplyPieces:
    """Where, between two joint policies, the best response of `follower` changes, to machine precision.

    Between policies of one player every switch is found; where logits move, or several players do, every one that
    interpolation to 12 digits can tell. Points where a further reply is optimal without becoming *the* best response
    are no switches.

    **Arguments:**

    - `values`: a compiled closed form with a discount below 1, in which all players see the state.
    - `start`, `end`: the parameters of all players, as `values` takes them; the follower's do not matter.
    - `leader`: whose value it is; of two players, the other one.
    - `space`: what lies on a segment, `"policies"` or `"logits"`.

    **Returns:** a `ReplyPieces`.

    **Raises:** `ValueError` for other values, players, shapes, and logits that are not finite.
    """
    game = by_tensors(check_play(values, "reply_pieces", "learners of gradients, such as Naive"))
    first = leader_of(game, follower, leader)
    if space not in get_args(Space):
        raise ValueError(f"space: expected one of {get_args(Space)}, got {space!r}")
    ends = tuple(check_parameters(game.stack(own), game.shapes) for own in (start, end))
    if space == "logits":
        if game.kernel.parameterisation != "logits":
            raise ValueError(
                "space: expected 'policies' for values of policies; compile(parameters='logits') has logits"
            )
        for name, own in zip(("start", "end"), ends, strict=True):
            if not all(np.isfinite(np.asarray(leaf)).all() for leaf in own):
                raise ValueError(
                    f"{name}: expected finite logits, got those of a deterministic policy; use space='policies'"
                )
    else:
        ends = tuple(tensor_kernel.policies_of(game.kernel, own) for own in ends)
    line = _Line(arrays_of(game), ends, follower, first, space, game.normalise)
    return _explore(line)


class _Line(NamedTuple):
    """A segment, and what is computed on it."""

    arrays: GameArrays
    ends: tuple[Any, ...]
    follower: int
    leader_index: int
    space: Space
    normalise: str

    @property
    def unit(self) -> float:
        """The range of the leader's payoffs; 1 where all are equal."""
        return float(np.ptp(np.asarray(self.arrays.payoffs[self.leader_index]))) or 1.0

    def _call(self, function: Callable[..., Any], alphas: Any, *rest: Any) -> Any:
        """`function` at many points, a fixed number at a time: one compiled program."""
        points = np.atleast_1d(np.asarray(alphas, float))
        found = []
        for chunk in range(0, len(points), POINTS):
            some = points[chunk : chunk + POINTS]
            padded = np.concatenate([some, np.full(POINTS - len(some), some[-1])])
            fixed = (self.follower, self.leader_index, self.space, self.normalise)
            result = function(self.arrays, self.ends, padded, *rest, *fixed)
            found.append(jax.tree.map(lambda own, some=some: np.asarray(own)[: len(some)], result))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *found)

    def cleared(self, alphas: Any, reply: NDArray[np.integer]) -> Floats:
        """f, `(points, S, B)`, in ranges of the follower's values."""
        return self._call(_cleared, alphas, reply)

    def leader(self, alphas: Any, reply: NDArray[np.integer]) -> Floats:
        """The leader's value against a fixed reply, `(points,)`."""
        return self._call(_leader, alphas, reply)

    def replies(self, alpha: float) -> OptimalReplies:
        """All optimal replies at a point."""
        found = self._call(_replies, alpha)
        return jax.tree.map(lambda own: own[0], found)


def _policies(ends: tuple[Any, ...], alpha: Array, space: Space) -> Policies:
    mixed = tuple((1 - alpha) * a + alpha * b for a, b in zip(*ends, strict=True))
    return tuple(tensor_kernel.softmax_rows(own) for own in mixed) if space == "logits" else mixed


@eqx.filter_jit
def _cleared(
    arrays: GameArrays,
    ends: tuple[Any, ...],
    alphas: Array,
    reply: Array,
    follower: int,
    leader: int,
    space: Space,
    normalise: str,
) -> Array:
    def one(alpha: Array) -> Array:
        decision = decision_of(arrays, _policies(ends, alpha, space), follower)
        policy = nn.one_hot(reply, decision.payoffs.shape[1], dtype=decision.payoffs.dtype)
        moves = jnp.einsum("sb,sbt->st", policy, decision.transitions)
        determinant = jnp.linalg.det(jnp.eye(len(moves)) - decision.discount * moves)
        worth = decision.worth(policy)
        loss = worth[:, None] - decision.action_values(worth)
        return determinant * loss

    payoffs = arrays.payoffs[follower]
    spread = payoffs.max() - payoffs.min()
    return jax.vmap(one)(alphas) / jnp.where(spread > 0, spread, 1)


@eqx.filter_jit
def _leader(
    arrays: GameArrays,
    ends: tuple[Any, ...],
    alphas: Array,
    reply: Array,
    follower: int,
    leader: int,
    space: Space,
    normalise: str,
) -> Array:
    policy = nn.one_hot(reply, arrays.num_actions[follower], dtype=arrays.payoffs.dtype)

    def one(alpha: Array) -> Array:
        joint = replaced(_policies(ends, alpha, space), follower, policy)
        return worths(arrays, joint)[leader] @ arrays.initial

    return jax.vmap(one)(alphas)


@eqx.filter_jit
def _replies(
    arrays: GameArrays,
    ends: tuple[Any, ...],
    alphas: Array,
    follower: int,
    leader: int,
    space: Space,
    normalise: str,
) -> OptimalReplies:
    def one(alpha: Array) -> OptimalReplies:
        return replies_to(arrays, _policies(ends, alpha, space), follower, leader, normalise)

    return jax.vmap(one)(alphas)


# Pieces ------------------------------------------------------------------------------------------


def _explore(line: _Line) -> ReplyPieces:
    pieces, complete = [], True
    todo = [(0.0, 1.0)]
    while todo:
        low, high = todo.pop()
        if high - low <= _SLIVER:
            continue
        piece = _piece_in(line, low, high)
        if piece is None:
            complete = False
            continue
        pieces.append(piece)
        todo += [(low, piece.start), (piece.end, high)]
    pieces.sort(key=lambda own: own.start)
    switches = tuple(
        _switch(line, left, right) for left, right in zip(pieces[:-1], pieces[1:], strict=True)
    )
    best = max(pieces, key=lambda own: own.top[1])
    at, supremum = best.top
    side: Literal["before", "after", "inside"] = "inside"
    for own in switches:
        if abs(own.at - at) <= _SLIVER:
            side = "before" if best.end <= at + _SLIVER else "after"
            scale = max(abs(supremum), 1.0)
            if abs(own.worst - supremum) <= 1e-9 * scale:
                side = "inside"
    return ReplyPieces(
        tuple(pieces),
        switches,
        supremum,
        at,
        side == "inside",
        side,
        complete,
        line.space,
        line.leader_index,
        line.follower,
        line.normalise,
        line,
    )


def _switch(line: _Line, left: Piece, right: Piece) -> Switch:
    there = line.replies(right.start)
    return Switch(
        right.start,
        left.values[1],
        right.values[0],
        min(float(there.worst), left.values[1], right.values[0]),
        max(float(there.best), left.values[1], right.values[0]),
        there.count,
    )


def _piece_in(line: _Line, low: float, high: float) -> Piece | None:
    """The piece around some point between `low` and `high`, within them."""
    for share in _INSIDE:
        middle = low + share * (high - low)
        reply = np.argmax(np.asarray(line.replies(middle).favourable), axis=-1)
        parts = list(resolved(lambda x, own=reply: line.cleared(x, own), low, high, 1.0))
        largest = np.max([np.abs(part.samples).max(axis=0) for part in parts], axis=0)
        live = largest > _ZERO
        lowest = _lowest(line, reply, live)
        marks = _merged([low, high, *(x for part in parts for x in zeros(part, live))])
        gaps = (marks[:-1] + marks[1:]) / 2
        fails = lowest(gaps) < -_ZERO * 1e-2
        home = int(np.clip(np.searchsorted(marks, middle) - 1, 0, len(gaps) - 1))
        if fails[home]:
            continue
        left, right = home, home
        while left > 0 and not fails[left - 1]:
            left -= 1
        while right < len(gaps) - 1 and not fails[right + 1]:
            right += 1
        start = low if left == 0 else _sharpened(lowest, marks[left], gaps[left - 1], gaps[left])
        end = (
            high
            if right == len(gaps) - 1
            else _sharpened(lowest, marks[right + 1], gaps[right + 1], gaps[right])
        )
        ends = line.leader([start, end], reply)
        return Piece(
            start,
            end,
            ~live,
            reply,
            (float(ends[0]), float(ends[1])),
            top(lambda x, own=reply: line.leader(x, own), start, end, line.unit),
        )
    return None


def _lowest(line: _Line, reply: NDArray[np.integer], live: NDArray[np.bool_]) -> Any:
    """By how much the best other action is worse: the least of all f that are not zero throughout."""

    def lowest(alphas: Any) -> Floats:
        found = line.cleared(alphas, reply)[:, live]
        return found.min(axis=1) if found.shape[1] else np.full(len(found), np.inf)

    return lowest


def _sharpened(lowest: Any, mark: float, bad: float, good: float) -> float:
    """The zero near `mark` between a point where the reply fails and one where it is optimal."""
    reach = min(1e-6, abs(mark - bad), abs(mark - good))
    towards = 1.0 if good > mark else -1.0
    bad, good = mark - towards * reach, mark + towards * reach
    while abs(good - bad) > 2 * np.spacing(max(abs(good), abs(bad))):
        points = np.linspace(bad, good, POINTS)
        optimal = lowest(points) >= 0
        first = int(np.argmax(optimal)) if optimal.any() else POINTS - 1
        if first == 0:
            return mark
        narrower = points[first - 1], points[first]
        if narrower == (bad, good):
            break
        bad, good = narrower
    return float(good)


def _merged(marks: list[float]) -> Floats:
    kept = [min(marks)]
    for own in sorted(marks)[1:]:
        if own - kept[-1] > _SLIVER:
            kept.append(own)
    kept[-1] = max(marks)
    return np.array(kept)
