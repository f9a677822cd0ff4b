r"""What a stage game allows at all: feasible payoffs, what each player can secure, and what is left.

Feasible is the convex hull of the stage payoffs: what play with a common coin, or in turns as g -> 1, can
bring about. A player's **minmax** is the least that the others can hold it to,

$$ \min_y \max_a \sum_k y_k\, u_i(a, k), $$

over their pure or mixed play. The mixed one is a linear programme over the rationals. It comes with its
proof: the others' mixture y, against which no action gets more, and the player's own x, which secures as
much against anything; both are read off without solving anything.

With several others y is one over their joint actions, as if they had a common coin; without one they can do
no better at holding the player down, and may do worse. By the folk theorem (Fudenberg and Maskin 1986,
Econometrica 54, 533) every feasible payoff of two players that gives each more than its mixed minmax is one of
a subgame-perfect equilibrium once g is near enough to one; in pure stationary strategies of memory one far fewer
are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from resolvent.analytic.memory_one.drawing import fill
from resolvent.analytic.memory_one.exact_lp import Vector, dot, maximise
from resolvent.analytic.memory_one.polygon import Point, Polygon, hull
from resolvent.games import NormalForm, exact
from resolvent.games.rational import leaves, shorten


@dataclass(frozen=True)
class Minmax:
    """What the others can hold one player to.

    **Attributes:**

    - `player`: from 0.
    - `pure`: the least where the others play pure actions, and the player answers.
    - `mixed`: the least where they mix.
    - `punishment`: the mixture of the others' joint actions (row-major, without the player) that holds
        the player to `mixed`.
    - `security`: the player's mixture that gets `mixed` at least, whatever the others do.
    - `table`: the player's payoffs, own actions by the others' joint actions.
    """

    player: int
    pure: Fraction
    mixed: Fraction
    punishment: tuple[Fraction, ...]
    security: tuple[Fraction, ...]
    table: tuple[tuple[Fraction, ...], ...]

    def check(self) -> bool:
        """Whether both mixtures prove `mixed`, by sums alone, and `pure` is what it should be."""
        columns = list(zip(*self.table, strict=True))
        mixtures = (self.punishment, self.security)
        return (
            all(min(own) >= 0 and sum(own) == 1 for own in mixtures)
            and max(dot(row, self.punishment) for row in self.table) == self.mixed
            and min(dot(column, self.security) for column in columns) == self.mixed
            and min(map(max, columns)) == self.pure
        )

    def __str__(self) -> str:
        return (
            f"player {self.player + 1} is held to {self.mixed} by {_listed(self.punishment)}, and secures it "
            f"by {_listed(self.security)}; to {self.pure} by pure actions"
        )


@dataclass(frozen=True)
class FeasiblePayoffs:
    """What a stage game allows; see [`resolvent.analytic.feasible_payoffs`][].

    **Attributes:**

    - `stage`: the game of each round.
    - `vertices`: the extreme points of the feasible payoffs, one payoff per player each: of two players
        counter-clockwise, of more in the order of the joint actions.
    - `actions`: for each vertex the joint actions, by name, that pay it.
    - `minmax`: one [`resolvent.analytic.Minmax`][] per player.
    """

    stage: NormalForm
    vertices: tuple[tuple[Fraction, ...], ...]
    actions: tuple[tuple[str, ...], ...]
    minmax: tuple[Minmax, ...]

    @property
    def levels(self) -> tuple[Fraction, ...]:
        """What each player can be held to, by mixed actions."""
        return tuple(own.mixed for own in self.minmax)

    @property
    def polygon(self) -> Polygon:
        """The feasible payoffs of two players.

        **Raises:** `ValueError` for more players.
        """
        return Polygon(self._pairs())

    @property
    def individually_rational(self) -> Polygon:
        """The feasible payoffs of two players that give each at least its mixed minmax.

        **Raises:** `ValueError` for more players.
        """
        return self.above(self.levels)

    def above(self, levels: Sequence[object]) -> Polygon:
        """The feasible payoffs of two players that give each at least a level: `minmax[i].pure`, say.

        **Raises:** `ValueError` for more players.
        """
        polygon = self.polygon
        if len(levels) != 2:
            raise ValueError(f"levels: expected one for each of 2 players, got {shorten(levels)}")
        x, y = (_number(own, f"levels[{k}]") for k, own in enumerate(levels))
        zero, one = Fraction(0), Fraction(1)
        return polygon.clipped((-one, zero, -x)).clipped((zero, -one, -y))

    def contains(self, point: Sequence[object]) -> bool:
        """Whether payoffs, one per player, are feasible; exact, for any number of players."""
        if len(point) != self.stage.num_players:
            raise ValueError(
                f"point: expected a payoff for each of {self.stage.num_players} players, got {shorten(point)}"
            )
        return _in_hull([_number(own, f"point[{k}]") for k, own in enumerate(point)], self.vertices)

    def plot(self, ax: Any = None) -> Any:
        """The feasible payoffs of two players, and those of them that are individually rational.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        from resolvent.analytic.step_sizes import axes

        polygon, rational = self.polygon, self.individually_rational
        ax = axes(ax)
        fill(ax, polygon, color="0.6", label="feasible")
        fill(ax, rational, color="C2", label="individually rational")
        first, second = self.stage.players
        ax.set(xlabel=f"payoff of {first}", ylabel=f"payoff of {second}")
        ax.legend(loc="best", fontsize="small")
        return ax

    def _pairs(self) -> tuple[Point, ...]:
        if self.stage.num_players != 2:
            raise ValueError(
                f"stage: expected two players for a polygon, got {self.stage.num_players}; vertices, "
                "minmax and contains are for any number"
            )
        return tuple((x, y) for x, y in self.vertices)

    def __str__(self) -> str:
        pays = [
            f"({', '.join(map(str, vertex))}) by {' or '.join(names)}"
            for vertex, names in zip(self.vertices, self.actions, strict=True)
        ]
        lines = [f"feasible payoffs of {self.stage.name or 'a game'}: hull of {'; '.join(pays)}"]
        lines += [f"  {own}" for own in self.minmax]
        if self.stage.num_players == 2:
            left = self.individually_rational.vertices
            shown = ", ".join(f"({x}, {y})" for x, y in left)
            lines.append(f"  individually rational: {f'hull of {shown}' if left else 'nothing'}")
        return "\n".join(lines)


def feasible_payoffs(stage: NormalForm) -> FeasiblePayoffs:
    """The feasible payoffs of a stage game, what each player can be held to, and what is left.

    **Arguments:** `stage`: a matrix game of any number of players, without symbols.

    **Returns:** a [`resolvent.analytic.FeasiblePayoffs`][]; everything in it is exact.

    **Raises:** `TypeError` for anything but a matrix game, `ValueError` where symbols are left.
    """
    if not isinstance(stage, NormalForm):
        raise TypeError(f"stage: expected a NormalForm, got {type(stage).__name__}; try game.stage")
    if stage.symbols:
        names = ", ".join(map(str, stage.symbols))
        raise ValueError(f"stage: expected numbers only, got the symbols {names}")
    pays = list(zip(*(leaves(own) for own in stage.payoffs), strict=True))
    by_payoff: dict[Any, list[str]] = {}
    for joint, pay in zip(stage.joint_actions, pays, strict=True):
        names = [own[a] for own, a in zip(stage.actions, joint, strict=True)]
        joined = ("" if all(len(name) == 1 for name in names) else ",").join(names)
        by_payoff.setdefault(pay, []).append(joined)
    vertices = hull(by_payoff).vertices if stage.num_players == 2 else _extreme(list(by_payoff))
    return FeasiblePayoffs(
        stage,
        tuple(vertices),
        tuple(tuple(by_payoff[vertex]) for vertex in vertices),
        tuple(minmax(stage, player) for player in range(stage.num_players)),
    )


def minmax(stage: NormalForm, player: int) -> Minmax:
    """What the others can hold a player to, by two linear programmes over the rationals.

    **Arguments:** `stage`: a matrix game without symbols; `player`: from 0.

    **Returns:** a [`resolvent.analytic.Minmax`][], with its proof.
    """
    counts = stage.num_actions
    pays: dict[Any, Any] = dict(
        zip(stage.joint_actions, leaves(stage.payoffs[player]), strict=True)
    )
    others = list(product(*(range(c) for i, c in enumerate(counts) if i != player)))
    table = tuple(
        tuple(pays[*rest[:player], own, *rest[player:]] for rest in others)
        for own in range(counts[player])
    )
    columns = list(zip(*table, strict=True))
    mixed, punishment = _held_to(table)
    _, security = _held_to([[-pay for pay in column] for column in columns])
    return Minmax(player, min(map(max, columns)), mixed, punishment, security, table)


def _held_to(table: Sequence[Sequence[Fraction]]) -> tuple[Fraction, tuple[Fraction, ...]]:
    """The least v, and a mixture y of columns, with no row paying more than v against y.

    With all entries positive, z = y / v has the largest sum for which no row pays more than 1 (Dantzig
    1951).
    """
    shift = 1 - min(min(row) for row in table)
    total, weights = _most(
        [Fraction(1)] * len(table[0]),
        [[pay + shift for pay in row] for row in table],
        [Fraction(1)] * len(table),
    )
    return 1 / total - shift, tuple(weight / total for weight in weights)


def _in_hull(point: Sequence[Fraction], corners: Sequence[Sequence[Fraction]]) -> bool:
    """Whether there are weights, from 0 up, that sum to 1 and average the corners to the point."""
    signs = [-1 if x < 0 else 1 for x in point]
    rows = [[sign * corner[k] for corner in corners] for k, sign in enumerate(signs)]
    rows.append([Fraction(1)] * len(corners))
    bounds = [*map(abs, point), Fraction(1)]
    costs = [sum(column, Fraction(0)) for column in zip(*rows, strict=True)]
    return _most(costs, rows, bounds)[0] == sum(bounds)


def _extreme(points: list[tuple[Fraction, ...]]) -> tuple[tuple[Fraction, ...], ...]:
    """The points that are not in the hull of the others."""
    kept = list(points)
    for point in points:
        others = [own for own in kept if own != point]
        if others and _in_hull(point, others):
            kept = others
    return tuple(kept)


def _most(
    costs: Sequence[Fraction], rows: Sequence[Sequence[Fraction]], bounds: Sequence[Fraction]
) -> tuple[Fraction, Vector]:
    """The largest c x with A x <= b and x >= 0, for b >= 0 and a c x that has a bound, and an x that has it."""
    found = maximise(costs, rows, bounds)
    assert found is not None  # rows bound what both callers maximise
    return dot(costs, found), found


def _number(value: object, name: str) -> Fraction:
    number = exact(value, name)
    if not isinstance(number, Fraction):
        raise ValueError(f"{name}: expected a number, got {number}")
    return number


def _listed(mixture: Sequence[Fraction]) -> str:
    return f"({', '.join(map(str, mixture))})"
