r"""The exact set of lines $V_y = s\,V_x + m$ that a player can enforce.

With $W = s\,u_x - u_y + m$ the conditions of `two_point` for switching between two actions are linear in the
slope $s$ and the intercept $m$: the set is a union of convex polygons, one per ordered pair of actions,

$$ W(low, k) \le 0 \le W(high, k), \quad W(low, k) - g\,W(high, k') \le (1-g)\,W(low, k''), \quad
   W(high, k) - g\,W(low, k') \ge (1-g)\,W(high, k''). $$

In the last two $m$ cancels: **the discount bounds the slope only**. The baseline $l$, where the line meets
$V_x = V_y$, is $m / (1-s)$; at each baseline the slopes are intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, permutations, product
from typing import Any

from resolvent.analytic.memory_one.linear_relation import LinearRelation, mean_of_others, number
from resolvent.analytic.memory_one.relations import AVERAGE, read_discount
from resolvent.analytic.memory_one.two_point import ONE
from resolvent.analytic.memory_one.zero_determinant import payoff_table
from resolvent.games import IteratedGame

Pays = frozenset[tuple[Fraction, Fraction]]
"""What an action can lead to: pairs of V_x's and V_y's payoff in a round."""

Face = tuple[Fraction, Fraction, Fraction]
"""(a, b, c): a s + b m <= c."""

Interval = tuple[Fraction | None, Fraction | None]
"""Closed; None where there is no end."""


@dataclass(frozen=True)
class Piece:
    """The lines that switching between two actions enforces.

    **Attributes:**

    - `low`, `high`: the names of the two: at `low` the others get at least what the line gives them for
        the player's payoff, at `high` at most that.
    - `faces`: half-planes (a, b, c), a s + b m <= c, whose intersection is the set.
    """

    low: str
    high: str
    faces: tuple[Face, ...]

    @cached_property
    def vertices(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """The corners (s, m), sorted; of a set without bound there may be fewer than it has sides."""
        found: set[tuple[Fraction, Fraction]] = set()
        for (a, b, c), (d, e, f) in combinations(self.faces, 2):
            determinant = a * e - b * d
            if determinant:
                s, m = (c * e - b * f) / determinant, (a * f - c * d) / determinant
                if self.contains(s, m):
                    found.add((s, m))
        return tuple(sorted(found))

    @property
    def is_empty(self) -> bool:
        """Whether it holds no line."""
        (a, b, _), *rest = self.faces
        if all(a * e == b * d for d, e, _ in rest):  # a strip, along the sides
            return solve_interval((e, c) for _, e, c in self.faces) is None
        return not self.vertices

    def contains(self, slope: Fraction, intercept: Fraction) -> bool:
        """Whether a line is in the set."""
        return all(a * slope + b * intercept <= c for a, b, c in self.faces)

    def slopes(self, baseline: Fraction) -> Interval | None:
        """The slopes of the lines through (l, l); None where there are none."""
        return solve_interval((a - b * baseline, c - b * baseline) for a, b, c in self.faces)


@dataclass(frozen=True)
class EnforceableSet:
    """The lines $s (V_x - l) = V_y - l$ that a player can enforce; made by
    [`resolvent.analytic.enforceable`][].

    **Attributes:**

    - `player`: x, from 0.
    - `others`: the weights of V_y, one per player.
    - `discount`: a `Fraction`, or `"average"` for the limit of 1.
    - `pieces`: the convex sets whose union it is, in the plane of slopes and intercepts.
    """

    player: int
    others: tuple[Fraction, ...]
    discount: Fraction | str
    pieces: tuple[Piece, ...]

    def slopes(self, baseline: object) -> tuple[Interval, ...]:
        """The slopes that can be enforced at a baseline: disjoint closed intervals, ascending."""
        low = number(baseline, "baseline")
        found = (piece.slopes(low) for piece in self.pieces)
        return merge(own for own in found if own is not None)

    def contains(self, slope: object, baseline: object) -> bool:
        """Whether the line of a slope and a baseline is in the set."""
        s, low = number(slope, "slope"), number(baseline, "baseline")
        return any(piece.contains(s, (1 - s) * low) for piece in self.pieces)

    def relation(self, slope: object, baseline: object) -> LinearRelation:
        """The line as a relation, for [`resolvent.analytic.enforce`][]."""
        return LinearRelation.line(slope, baseline, self.player, self.others)

    def plot(self, ax: Any = None, points: int = 300) -> Any:
        """The slopes over the baseline.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `points`: how many baselines.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        return plot_slopes([piece.slopes for piece in self.pieces], self._window(), ax, points)

    def _window(self) -> tuple[Fraction, Fraction]:
        corners = [own for piece in self.pieces for own in piece.vertices]
        ends = [m / (1 - s) for s, m in corners if s != 1]
        return (min(ends), max(ends)) if ends else (Fraction(0), ONE)

    def __str__(self) -> str:
        at = "as the discount goes to 1" if self.discount == AVERAGE else f"at {self.discount}"
        if not self.pieces:
            return (
                f"player {self.player + 1} enforces no line by switching between two actions {at}"
            )
        lines = [f"player {self.player + 1} enforces lines V_y = s V_x + m {at}:"]
        for own in self.pieces:
            corners = ", ".join(f"({s}, {m})" for s, m in own.vertices)
            lines.append(f"  {own.low} or {own.high}: corners (s, m) {corners}")
        return "\n".join(lines)


def enforceable(
    game: IteratedGame,
    player: int = 0,
    *,
    others: Sequence[Any] | None = None,
    discount: object = None,
) -> EnforceableSet:
    """All lines between a player's value and the others' (weighted mean) that it can enforce by switching
    between two actions.

    **Arguments:**

    - `game`: as of [`resolvent.analytic.enforce`][].
    - `player`: x, from 0.
    - `others`: the weights of V_y, of sum 1; default: the mean of all others.
    - `discount`: in [0, 1), in the place of the game's; or `"average"` for the limit of 1.

    **Returns:** an [`resolvent.analytic.EnforceableSet`][]. With two own actions it holds all that policies
    of memory one enforce, but for what a mixture enforces that is played whatever happened (and no line
    where V_y does not count, $V_x$ alone being fixed). With more actions, mixtures can do more: ask
    [`resolvent.analytic.enforce`][] for one line.
    """
    weights = mean_of_others(player, others, game.num_players)
    asked = read_discount(game, discount)
    g = ONE if asked == AVERAGE else Fraction(asked)
    own = [Fraction(int(j == player)) for j in range(game.num_players)]
    first, second = (payoff_table(game, player, LinearRelation(w)) for w in (own, weights))
    pays = [frozenset(zip(*rows, strict=True)) for rows in zip(first, second, strict=True)]
    names = game.actions[player]
    found = [
        piece_of(names[a], names[b], pays[a], pays[b], g)
        for a, b in permutations(range(len(names)), 2)
    ]
    return EnforceableSet(
        player, tuple(weights), asked, tuple(own for own in found if own is not None)
    )


def piece_of(low_name: str, high_name: str, low: Pays, high: Pays, g: Fraction) -> Piece | None:
    """The lines that switching between two actions with given payoffs enforces; None where there are
    none. At g = 1: in the limit."""
    faces: list[Face] = [(x, ONE, y) for x, y in low]
    faces += [(-x, -ONE, -y) for x, y in high]
    if g < 1:
        # m cancels from the rest: they bound the slope.
        sides = [
            (x - g * u - (1 - g) * p, y - g * v - (1 - g) * q)
            for first, second, sign in ((low, high, 1), (high, low, -1))
            for (x, y), (u, v), (p, q) in product(
                _signed(first, sign), _signed(second, sign), _signed(first, sign)
            )
        ]
        bounds = solve_interval(sides)
        if bounds is None:
            return None
        faces += [(-ONE, Fraction(0), -bounds[0])] if bounds[0] is not None else []
        faces += [(ONE, Fraction(0), bounds[1])] if bounds[1] is not None else []
    piece = Piece(low_name, high_name, tuple(dict.fromkeys(faces)))
    return None if piece.is_empty else piece


def solve_interval(rows: Iterable[tuple[Fraction, Fraction]]) -> Interval | None:
    """{s : a s <= c for all (a, c)}; None where it is empty."""
    low: Fraction | None = None
    high: Fraction | None = None
    for a, c in rows:
        if a == 0:
            if c < 0:
                return None
        elif a > 0:
            high = c / a if high is None else min(high, c / a)
        else:
            low = c / a if low is None else max(low, c / a)
    return None if low is not None and high is not None and low > high else (low, high)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The union of closed intervals as disjoint ones, ascending."""
    ordered = sorted(intervals, key=lambda own: (own[0] is not None, own[0] or 0))
    result: list[Interval] = []
    for low, high in ordered:
        if result and (result[-1][1] is None or low is None or low <= result[-1][1]):
            last = result[-1]
            ends = None if last[1] is None or high is None else max(last[1], high)
            result[-1] = (last[0], ends)
        else:
            result.append((low, high))
    return tuple(result)


def plot_slopes(
    parts: Sequence[Any], window: tuple[Fraction, Fraction], ax: Any, points: int
) -> Any:
    """Draw sets of slopes over the baseline, each given by a function from baseline to interval."""
    from resolvent.analytic.step_sizes import axes

    ax = axes(ax)
    low, high = window
    at = [low + (high - low) * Fraction(k, points) for k in range(points + 1)]
    for k, slopes in enumerate(parts):
        found = [(x, slopes(x)) for x in at]
        drawn = [(float(x), *map(float, own)) for x, own in found if own and None not in own]
        if drawn:
            ax.fill_between(*zip(*drawn, strict=True), alpha=0.4, color=f"C{k}")
    ax.set(xlabel="baseline $l$", ylabel="slope $s$")
    return ax


def _signed(pays: Pays, sign: int) -> list[tuple[Fraction, Fraction]]:
    return [(sign * x, sign * y) for x, y in pays]
