r"""The payoffs that a policy allows: the exact region over everything that the others can do.

A strategy of the others, of any memory and with chance, has an occupancy $x(s, b)$, the discounted share
of rounds in which they play b in state s. Occupancies are exactly the solutions of

$$ \sum_b x(t, b) = (1-g)\, p_0(t) + g \sum_{s, b} x(s, b)\, p(t \mid s, b), \qquad x \ge 0, $$

each one that of the stationary policy $x(s, b) / \sum_b x(s, b)$, and payoffs are linear in them. So the
region is a convex polygon, all of it is reached by memory-one replies, and its vertices by deterministic
ones (Puterman 1994, section 6.9; for the prisoner's dilemma the picture is that of Press
and Dyson, PNAS 2012, and Hilbe, Nowak and Sigmund, PNAS 2013).

**Several others** are taken to act together, with a common coin. Without one they reach a subset of the
region, not convex in general, that has all of its vertices: deterministic replies need no coin.

**The limit g -> 1.** The vertices are the payoffs of finitely many deterministic replies, continuous in g, so
the regions go to the convex hull of the replies' average payoffs. It is also the region of all limits of
average payoffs over all strategies (Hordijk and Kallenberg 1984, Mathematics of Operations Research 9, 276):
a coin that is thrown once, before play, reaches every point. But a memory-one reply reaches every
vertex and perhaps nothing between them: where a reply can leave a set of states or stay in it, any chance
of leaving is certain to be taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from resolvent.analytic import exact as exact_values
from resolvent.analytic.long_run import long_run
from resolvent.analytic.memory_one.drawing import fill
from resolvent.analytic.memory_one.polygon import AXES, Face, Point, Polygon, hull, outward
from resolvent.analytic.memory_one.replies import Choice, Replies, Reply
from resolvent.games import DynamicGame, ExactPolicy, exact
from resolvent.games.rational import shorten


@dataclass(frozen=True)
class PayoffRegion:
    """All payoffs of two players against fixed policies; see [`resolvent.analytic.payoff_region`][].

    **Attributes:**

    - `game`: what is played.
    - `fixed`: the policies that are kept, by player.
    - `players`: whose payoffs the two axes are.
    - `average`: whether it is the limit g -> 1 or at the game's discount.
    - `polygon`: the region, in payoff per round.
    - `replies`: for each vertex of the polygon a deterministic reply of the other players that reaches it
        (there may be others).
    - `directions`: in how many directions the decision problem was solved.
    """

    game: DynamicGame
    fixed: Mapping[int, ExactPolicy]
    players: tuple[int, int]
    average: bool
    polygon: Polygon
    replies: tuple[Reply, ...]
    directions: int
    _problem: Replies = field(repr=False, compare=False)

    @property
    def vertices(self) -> tuple[Point, ...]:
        """Counter-clockwise, from the least first coordinate."""
        return self.polygon.vertices

    @property
    def edges(self) -> tuple[tuple[Point, Point], ...]:
        """From each vertex to the next; one for a segment, none for a point."""
        return self.polygon.edges

    @property
    def faces(self) -> tuple[Face, ...]:
        """(a, b, c) with a x + b y <= c everywhere in the region: what the fixed policy enforces. Of a
        region that is a segment, as a zero-determinant policy's is, two of them are one line."""
        return self.polygon.faces

    @property
    def dimension(self) -> int:
        """2; 1 where the policy enforces a line; 0 where the others cannot change anything."""
        return self.polygon.dimension

    def contains(self, point: Sequence[object]) -> bool:
        """Whether the others can bring about a pair of payoffs, exactly; the boundary belongs to it."""
        if len(point) != 2:
            raise ValueError(
                f"point: expected a payoff for each of 2 players, got {shorten(point)}"
            )
        x, y = (_number(own, f"point[{k}]") for k, own in enumerate(point))
        return self.polygon.contains((x, y))

    def least(self, player: int) -> Reply:
        """A reply that is worst for a player."""
        return self._extreme(player, Fraction(-1))

    def largest(self, player: int) -> Reply:
        """A reply that is best for a player: of the only free player, a best response."""
        return self._extreme(player, Fraction(1))

    def support(self, weights: Sequence[object]) -> tuple[Fraction, Reply]:
        """The most that a weighted sum of all players' values can come to, and a reply that reaches it:
        the support function of the region in all n dimensions.

        **Arguments:** `weights`: one exact number per player of the game.

        **Raises:** `ValueError` for another number of them, or where players whose weights are not 0
        discount differently.
        """
        if len(weights) != self.game.num_players:
            raise ValueError(
                f"weights: expected one for each of {self.game.num_players} players, got {len(weights)}"
            )
        numbers = [_number(own, f"weights[{k}]") for k, own in enumerate(weights)]
        _require_shared(self.game, [i for i, w in enumerate(numbers) if w], self.average)
        reply = self._problem.reply(self._problem.best(numbers))
        return sum((w * v for w, v in zip(numbers, reply.values, strict=True)), Fraction(0)), reply

    def check(self) -> bool:
        """Whether every vertex is what its reply gives by the exact values of the game, and no reply is
        beyond any face, for which the decision problem is solved again."""
        reached = all(
            self._played(reply) == vertex
            for reply, vertex in zip(self.replies, self.vertices, strict=True)
        )
        return reached and all(self._reach(face) <= face[2] for face in self.faces)

    def _played(self, reply: Reply) -> Point:
        joint = {**self.fixed, **dict(zip(self._problem.free, reply.policies, strict=True))}
        policies = [joint[i] for i in range(self.game.num_players)]
        if self.average:
            values = [Fraction(v) for v in long_run(self.game, policies).averages]
        else:
            values = list(exact_values.values(self.game, policies))
        return values[self.players[0]], values[self.players[1]]

    def _reach(self, face: Face) -> Fraction:
        return self.support(_weights(self.game.num_players, self.players, face[:2]))[0]

    def plot(self, ax: Any = None) -> Any:
        """The region inside the payoffs of the stage game, where it is an iterated one.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        from resolvent.analytic.step_sizes import axes

        ax = axes(ax)
        i, j = self.players
        stage = zip(
            (pay for row in self.game.rewards[i] for pay in row),
            (pay for row in self.game.rewards[j] for pay in row),
            strict=True,
        )
        points = [(Fraction(str(x)), Fraction(str(y))) for x, y in stage]
        fill(ax, hull(points), color="0.6", label="all payoffs")
        fill(ax, self.polygon, color="C0", label=self._title)
        names = self.game.players
        ax.set(xlabel=f"payoff of {names[i]}", ylabel=f"payoff of {names[j]}")
        ax.legend(loc="best", fontsize="small")
        return ax

    def _extreme(self, player: int, sign: Fraction) -> Reply:
        if isinstance(player, bool) or player not in range(self.game.num_players):
            raise ValueError(
                f"player: expected an index from 0 to {self.game.num_players - 1}, got {player!r}"
            )
        return self.support([sign if i == player else 0 for i in range(self.game.num_players)])[1]

    @property
    def _title(self) -> str:
        kept = " and ".join(self.game.players[i] for i in self.fixed)
        return f"against {kept}, {'g -> 1' if self.average else f'g = {self.game.discount}'}"

    def __str__(self) -> str:
        kind = {2: f"polygon of {len(self.vertices)} vertices", 1: "segment", 0: "point"}
        names = " and ".join(self.game.players[i] for i in self.players)
        lines = [
            f"payoffs of {names} {self._title}, per round: a {kind[self.dimension]}, exact "
            f"({self.directions} directions solved)"
        ]
        for vertex, reply in zip(self.vertices, self.replies, strict=True):
            lines.append(f"  ({vertex[0]}, {vertex[1]}) by {', '.join(reply.actions)}")
        return "\n".join(lines)


def payoff_region(
    game: DynamicGame,
    policy: Any,
    player: int | None = None,
    *,
    players: tuple[int, int] | None = None,
    average: bool = False,
) -> PayoffRegion:
    """All pairs of payoffs that are possible against a policy, whatever the others do.

    Exact, and over all strategies of the others that see what is played, not only those of memory one:
    see the module's docstring for the argument, for several others, and for the limit g -> 1.

    **Arguments:**

    - `game`: an iterated or stochastic game without symbols, in which the others see the state. Hands
        may tremble; the player whose policy it is may observe less, or misread.
    - `policy`: an exact policy, `(O, A)`; or several, as a mapping from players to policies.
    - `player`: whose policy it is, from 0 (the default for a single policy).
    - `players`: whose payoffs are looked at; of two players, both. They share one discount, unless
        `average`.
    - `average`: whether to take the limit g -> 1.

    **Returns:** a [`resolvent.analytic.PayoffRegion`][], in payoff per round.

    **Raises:** `ValueError` for policies that do not fit, players who discount differently, symbols left
    in the game, and others who do not see the state.
    """
    if isinstance(policy, Mapping):
        if player is not None:
            raise ValueError("player: leave it out with a mapping from players to policies")
        fixed = dict(policy)
    else:
        fixed = {0 if player is None else player: policy}
    problem = Replies(game, fixed, average)
    axes = _axes(game, players)
    _require_shared(game, axes, average)
    found: dict[Point, Choice] = {}
    solved: set[Point] = set()

    def solve(normal: Point) -> None:
        choice = problem.best(_weights(game.num_players, axes, normal))
        values = problem.values(choice)
        found.setdefault((values[axes[0]], values[axes[1]]), choice)
        solved.add(normal)

    for normal in AXES:
        solve(normal)
    # Every edge of the hull of what is found either bounds the region, or something is beyond it.
    while waiting := _normals(hull(found)) - solved:
        for normal in waiting:
            solve(normal)
    polygon = hull(found)
    return PayoffRegion(
        game,
        problem.fixed,
        axes,
        average,
        polygon,
        tuple(problem.reply(found[vertex]) for vertex in polygon.vertices),
        len(solved),
        problem,
    )


def _normals(polygon: Polygon) -> set[Point]:
    """The outward normals of the edges, scaled as faces are."""
    edges = list(polygon.edges)
    if polygon.dimension == 1:
        edges.append((edges[0][1], edges[0][0]))
    normals = set()
    for first, second in edges:
        a, b = outward(first, second)
        scale = max(abs(a), abs(b))
        normals.add((a / scale, b / scale))
    return normals


def _weights(count: int, players: tuple[int, int], normal: Sequence[Fraction]) -> list[Fraction]:
    weights = [Fraction(0)] * count
    for i, w in zip(players, normal, strict=True):
        weights[i] = w
    return weights


def _axes(game: DynamicGame, players: tuple[int, int] | None) -> tuple[int, int]:
    if players is None:
        if game.num_players != 2:
            raise ValueError(
                f"players: expected the two whose payoffs to look at, of {game.num_players}; got None"
            )
        return 0, 1
    pair = tuple(players)
    valid = all(not isinstance(i, bool) and i in range(game.num_players) for i in pair)
    if len(pair) != 2 or not valid or pair[0] == pair[1]:
        raise ValueError(
            f"players: expected two different ones from 0 to {game.num_players - 1}, got {players!r}"
        )
    return pair[0], pair[1]


def _require_shared(game: DynamicGame, players: Sequence[int], average: bool) -> None:
    discounts = {game.discounts[i] for i in players}
    if not average and len(discounts) > 1:
        raise ValueError(
            "game: expected one discount for all players whose payoffs are weighed against each other "
            f"(with several, memory-one replies do not reach everything); got {sorted(map(str, discounts))}"
        )


def _number(value: object, name: str) -> Fraction:
    number = exact(value, name)
    if not isinstance(number, Fraction):
        raise ValueError(f"{name}: expected a number, got {number}")
    return number
