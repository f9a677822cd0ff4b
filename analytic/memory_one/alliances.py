r"""Alliances: several players who enforce a line between their own mean value and the outsiders'.

$$ s\,(V_A - l) = V_O - l $$

in a symmetric game of $n$ players with two actions, where a cooperator among $j$ other cooperators gets $a_j$
and a defector $b_j$. Two ways to enforce it are covered exactly:

- **apart**: each member plays a zero-determinant policy of its own, with weights for itself, its allies and
  the outsiders. What all of them enforce is the sum of what each does. The relations that a member can
  enforce with cooperation at the same end are a convex cone, and the game is symmetric, so that members
  may as well all play the mean of their relations: one linear program over its weights decides.
- **together**: the members follow a common coin, one player with $2^m$ actions, and switch between two
  numbers of cooperators among them.

Source: Hilbe, Wu, Traulsen and Nowak (2014), PNAS 111, 16425, whose alliances are of the first kind, in the
limit of a discount of 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import permutations, product
from typing import Any

from resolvent.analytic.chain import require_numbers
from resolvent.analytic.memory_one.enforceable import (
    Interval,
    Piece,
    merge,
    piece_of,
    plot_slopes,
    solve_interval,
)
from resolvent.analytic.memory_one.enforcing import enforce
from resolvent.analytic.memory_one.linear_relation import LinearRelation, number
from resolvent.analytic.memory_one.relations import AVERAGE, enforced_together, read_discount
from resolvent.analytic.memory_one.two_point import ONE, ZERO
from resolvent.analytic.memory_one.zero_determinant import ZeroDeterminant
from resolvent.games import IteratedGame
from resolvent.games.policies import ExactPolicy
from resolvent.games.rational import shorten

Row = tuple[Fraction, Fraction, Fraction]
"""W as (factor of s, factor of alpha, the rest): what a member's relation pays in a round."""


@dataclass(frozen=True)
class Dilemma:
    """A symmetric game of two actions.

    **Attributes:**

    - `cooperating`: $a_j$, what a cooperator gets among j other cooperators, j = 0, ..., n - 1.
    - `defecting`: $b_j$, the same of a defector.
    """

    cooperating: tuple[Fraction, ...]
    defecting: tuple[Fraction, ...]

    def payoff(self, action: int, count: int) -> Fraction:
        """What a player gets for an action where `count` players cooperate, itself included."""
        return self.defecting[count] if action else self.cooperating[count - 1]

    def mean(self, count: int, cooperators: int, size: int) -> Fraction:
        """The mean payoff of `size` players of whom some cooperate, where `count` of all do."""
        total = ZERO
        if cooperators:
            total += cooperators * self.payoff(0, count)
        if cooperators < size:
            total += (size - cooperators) * self.payoff(1, count)
        return total / size


@dataclass(frozen=True)
class AllianceSet:
    """The lines that an alliance can enforce; made by [`resolvent.analytic.alliance`][].

    **Attributes:**

    - `game`: the game.
    - `members`: who is in it, from 0.
    - `discount`: a `Fraction`, or `"average"` for the limit of 1.
    - `pieces`: of those with a common coin, the lines $V_O = s V_A + m$ by the numbers of cooperators that
        the members switch between.
    """

    game: IteratedGame = field(repr=False)
    members: tuple[int, ...]
    discount: Fraction | str
    pieces: tuple[Piece, ...] = field(repr=False)
    _stage: Dilemma = field(repr=False)

    def slopes(self, baseline: object) -> tuple[Interval, ...]:
        """The slopes at a baseline that members can enforce who each play their own zero-determinant
        policy: disjoint closed intervals."""
        low = number(baseline, "baseline")
        found = (self._apart(low, end) for end in (0, 1))
        return merge(own for own in found if own is not None)

    def slopes_together(self, baseline: object) -> tuple[Interval, ...]:
        """The slopes at a baseline that members can enforce who follow a common coin."""
        low = number(baseline, "baseline")
        found = (piece.slopes(low) for piece in self.pieces)
        return merge(own for own in found if own is not None)

    def relation(self, slope: object, baseline: object) -> LinearRelation:
        """The line as a relation between all players' values."""
        s, low = number(slope, "slope"), number(baseline, "baseline")
        size = len(self.members)
        outside = self.game.num_players - size
        inside = range(self.game.num_players)
        weights = [s / size if j in self.members else Fraction(-1, outside) for j in inside]
        return LinearRelation(weights, (1 - s) * low)

    def enforce(self, slope: object, baseline: object) -> Alliance:
        """Policies of the members, apart, that enforce a line.

        **Raises:** `ValueError` for a slope that is not in `slopes(baseline)`.
        """
        s, low = number(slope, "slope"), number(baseline, "baseline")
        for end in (0, 1):
            rows = self._rows(low, end)
            alphas = solve_interval((y, -(x * s + z)) for x, y, z in rows)
            if alphas is not None:
                ends = [alpha for alpha in alphas if alpha is not None]
                return self._members_play(s, low, sum(ends, ZERO) / max(len(ends), 1))
        raise ValueError(
            f"slope: expected one of {_spans(self.slopes(low))} at the baseline {low}; got {s}"
        )

    def plot(self, ax: Any = None, points: int = 60) -> Any:
        """The slopes over the baseline, apart and together.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `points`: how many baselines.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        corners = self._stage.defecting[0], self._stage.cooperating[-1]
        parts = [piece.slopes for piece in self.pieces]
        parts += [partial(self._apart, low=end) for end in (0, 1)]
        return plot_slopes(parts, (min(corners), max(corners)), ax, points)

    def _apart(self, baseline: Fraction, low: int) -> Interval | None:
        """The slopes where members play the action `low` at the end where W is low: alpha is eliminated
        from the inequalities (Fourier and Motzkin)."""
        rows = self._rows(baseline, low)
        kept = [(x, -z) for x, y, z in rows if y == 0]
        above = [(x / y, z / y) for x, y, z in rows if y > 0]  # alpha <= -z - x s
        below = [(x / y, z / y) for x, y, z in rows if y < 0]  # alpha >= -z - x s
        kept += [(x - u, w - z) for (x, z), (u, w) in product(set(above), set(below))]
        return solve_interval(kept)

    def _rows(self, baseline: Fraction, low: int) -> list[Row]:
        """What must be at most 0 for a member's relation to be enforceable."""
        g = ONE if self.discount == AVERAGE else Fraction(self.discount)
        bottom, top = (list(dict.fromkeys(self._pays(baseline, own))) for own in (low, 1 - low))
        raised = [(-x, -y, -z) for x, y, z in top]
        rows = [*bottom, *raised]
        if g < 1:
            lowered = [(-x, -y, -z) for x, y, z in bottom]
            for first, second in ((bottom, top), (raised, lowered)):
                for terms in product(first, second, first):
                    x, y, z = (p - g * q - (1 - g) * r for p, q, r in zip(*terms, strict=True))
                    rows.append((x, y, z))
        return list(dict.fromkeys(rows))

    def _pays(self, baseline: Fraction, action: int) -> Iterator[Row]:
        """W of a member's relation: alpha for itself, beta for each ally with alpha + (m - 1) beta = s, the
        outsiders' mean with -1, and (1 - s) l; at each number of cooperating allies and outsiders."""
        size, outside = len(self.members), self.game.num_players - len(self.members)
        for allies, others in product(range(size), range(outside + 1)):
            count = allies + others + (action == 0)
            own = self._stage.payoff(action, count)
            share = self._stage.mean(count, allies, size - 1) if size > 1 else own
            yield (
                share - baseline,
                own - share,
                baseline - self._stage.mean(count, others, outside),
            )

    def _members_play(self, s: Fraction, low: Fraction, alpha: Fraction) -> Alliance:
        size, total = len(self.members), self.game.num_players
        beta = (s - alpha) / (size - 1) if size > 1 else ZERO
        own = s if size == 1 else alpha
        found = []
        for player in self.members:
            weights = [
                own if j == player else beta if j in self.members else Fraction(-1, total - size)
                for j in range(total)
            ]
            relation = LinearRelation(weights, (1 - s) * low)
            found.append(enforce(self.game, player, relation, discount=self.discount))
        return Alliance(self.relation(s, low), tuple(found))

    def __str__(self) -> str:
        at = "as the discount goes to 1" if self.discount == AVERAGE else f"at {self.discount}"
        who = " and ".join(str(j + 1) for j in self.members)
        pieces = ", ".join(f"{own.low} or {own.high}" for own in self.pieces) or "nothing"
        return (
            f"alliance of players {who} of {self.game.num_players} {at}: with a common coin by {pieces} "
            "cooperating; apart see slopes(baseline)"
        )


@dataclass(frozen=True)
class Alliance:
    """Policies of members that enforce a line between their mean value and the outsiders'.

    **Attributes:**

    - `relation`: between all players' values.
    - `members`: what each member enforces, and how.
    """

    relation: LinearRelation
    members: tuple[ZeroDeterminant, ...]

    @property
    def policies(self) -> dict[int, ExactPolicy]:
        """The members' policies, by player."""
        return {own.player: own.policy for own in self.members if own.policy is not None}

    def verify(self) -> bool:
        """Whether the policies together enforce the relation whatever the outsiders do, and each member's
        policy its own against everybody: by linear algebra on the process of the others."""
        if len(self.policies) < len(self.members):
            return False
        first = self.members[0]
        together = enforced_together(first.game, self.policies, discount=first.discount)
        return self.relation in together and all(own.verify() for own in self.members)

    def __str__(self) -> str:
        lines = [f"{self.relation}, enforced together by"]
        return "\n".join([*lines, *(f"  {own}" for own in self.members)])


def alliance(game: IteratedGame, members: Sequence[int], *, discount: object = None) -> AllianceSet:
    """The lines between the members' mean value and the outsiders' that an alliance can enforce.

    **Arguments:**

    - `game`: an iterated game as of [`resolvent.analytic.enforce`][], symmetric, of two actions; the
        first is cooperation.
    - `members`: who is in it, from 0: at least one player, and not all.
    - `discount`: in [0, 1), in the place of the game's; or `"average"` for the limit of 1.

    **Returns:** an [`resolvent.analytic.AllianceSet`][].

    **Raises:** `ValueError` for other games and members.
    """
    require_numbers(game)
    chosen = tuple(sorted(set(members)))
    if (
        not chosen
        or len(chosen) >= game.num_players
        or not set(chosen) <= set(range(game.num_players))
    ):
        raise ValueError(
            f"members: expected at least one of the players 0 to {game.num_players - 1}, and not all; "
            f"got {shorten(members)}"
        )
    stage = _dilemma(game)
    asked = read_discount(game, discount)
    g = ONE if asked == AVERAGE else Fraction(asked)
    size = len(chosen)
    outside = game.num_players - size
    pays = [
        frozenset(
            (stage.mean(k + o, k, size), stage.mean(k + o, o, outside)) for o in range(outside + 1)
        )
        for k in range(size + 1)
    ]
    found = [
        piece_of(f"{low} of {size}", f"{high} of {size}", pays[low], pays[high], g)
        for low, high in permutations(range(size + 1), 2)
    ]
    return AllianceSet(game, chosen, asked, tuple(own for own in found if own is not None), stage)


def _dilemma(game: IteratedGame) -> Dilemma:
    """The payoffs by number of cooperators."""
    if any(count != 2 for count in game.num_actions):
        raise ValueError(f"game: expected two actions each; got {game.num_actions}")
    found: dict[tuple[int, int], Fraction] = {}
    for joint, pays in zip(
        game.joint_actions, zip(*(own[0] for own in game.rewards), strict=True), strict=True
    ):
        for action, pay in zip(joint, pays, strict=True):
            if found.setdefault((action, joint.count(0)), pay) != pay:
                raise ValueError(
                    "game: expected a symmetric one, whose payoffs depend on the own action and on how "
                    f"many play the first; got different ones where {joint.count(0)} do"
                )
    players = range(game.num_players)
    return Dilemma(
        tuple(found[0, count + 1] for count in players), tuple(found[1, count] for count in players)
    )


def _spans(intervals: Sequence[Interval]) -> str:
    return " or ".join(f"[{low}, {high}]" for low, high in intervals) or "none"
