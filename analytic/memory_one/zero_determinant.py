r"""Policies that enforce a linear relation, or why there is none: what `enforcing` finds.

$$ \sum_j w_j u_j(u) + c = g\,\mathbb{E}_{p(\cdot \mid u)}[\phi] + (1-g)\,\mathbb{E}_{p_0}[\phi] - \phi(\text{own}(u))
   \quad\Longrightarrow\quad \sum_j w_j V_j + c = 0 $$

whatever the others do (see `relations`); `two_point` says when such p and $\phi$ exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from resolvent.analytic.chain import require_numbers
from resolvent.analytic.memory_one.exact_lp import Farkas, Vector
from resolvent.analytic.memory_one.linear_relation import LinearRelation
from resolvent.analytic.memory_one.relations import AVERAGE, enforced
from resolvent.analytic.memory_one.two_point import Freedom, Table, two_point
from resolvent.games import IteratedGame
from resolvent.games.policies import ExactPolicy, require_player
from resolvent.games.rational import shorten

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class ZeroDeterminant:
    """A policy that enforces a relation, or why there is none; made by [`resolvent.analytic.enforce`][].

    **Attributes:**

    - `game`, `player`, `relation`: what was asked for.
    - `discount`: a `Fraction`, or `"average"` for the limit of 1.
    - `policy`: exact, `(O, A)`; None where none was found.
    - `low`, `high`: the actions between which it switches, as distributions over the own actions: the
        relation's left hand side is at most 0 at `low` and at least 0 at `high`. Both the same where the
        player need not look at what happened.
    - `phi`: how strongly the policy reacts, for the relation scaled as it was given; $\\phi$ of the papers.
        None where the player does not react.
    - `start`: the chance to begin with the first (by index) of the two.
    - `freedom`: the vertices of the polygon of all pairs (phi, start) with these two actions. In the limit
        of 1, phi must be positive, and `start` is free.
    - `targets`: (L, H) where memory one is not known to be enough but a strategy does that remembers which
        of `low` and `high` it meant: it begins at `high` with chance -L / (H - L), and after the others' k
        changes the target x (L at `low`, H at `high`) to (x - (1-g) W(., k)) / g, a chance of H again.
    - `proof`: where no strategy of any memory enforces the relation, the multipliers that show it.
    """

    game: IteratedGame = field(repr=False)
    player: int
    relation: LinearRelation
    discount: Fraction | str
    policy: ExactPolicy | None
    low: Vector = ()
    high: Vector = ()
    phi: Fraction | None = None
    start: Fraction | None = None
    freedom: Freedom = ()
    targets: tuple[Fraction, Fraction] | None = None
    proof: Farkas | None = field(default=None, repr=False)

    @property
    def found(self) -> bool:
        """Whether there is a policy."""
        return self.policy is not None

    @property
    def impossible(self) -> bool:
        """Whether it is proved that no strategy, of any memory, enforces the relation. With two own
        actions and neither a policy nor this, no policy of memory one does; with more, no policy that
        tells by the own last action which of two mixtures was meant."""
        return self.proof is not None

    @property
    def phi_range(self) -> tuple[Fraction, Fraction] | None:
        """The least and the largest phi, over all `start`; None where there is none to choose."""
        return span_of([phi for phi, _ in self.freedom])

    @property
    def start_range(self) -> tuple[Fraction, Fraction] | None:
        """The least and the largest chance to begin with the first of the two actions."""
        return span_of([start for _, start in self.freedom])

    def verify(self) -> bool:
        """Check again: that the relation is in the space of those that the policy enforces, by linear
        algebra of its own on the decision process of the others; or the multipliers of the proof, or the
        inequalities of a strategy of more memory."""
        if self.proof is not None:
            return self.proof.check()
        if self.policy is None:
            return self.targets is not None and self._keeps(*self.targets)
        held = enforced(self.game, self.player, self.policy, discount=self.discount)
        return self.relation in held

    def _keeps(self, bottom: Fraction, top: Fraction) -> bool:
        """Whether all targets stay between the two ends, around 0."""
        g = Fraction(self.discount)
        table = payoff_table(self.game, self.player, self.relation)
        pair = two_point(table, self.low, self.high)
        ends = [(bottom, w) for w in pair.pays_low] + [(top, w) for w in pair.pays_high]
        return bottom <= 0 <= top and all(g * bottom <= x - (1 - g) * w <= g * top for x, w in ends)

    def identity(self) -> sympy.Expr:
        """What the relation comes to in the closed form, with this policy put in and the policies of all
        others left as symbols: the numerator of $\\sum_j w_j V_j + c$, a polynomial. It is 0, identically.

        In the limit of 1 the closed form is that of policies under which play ends up in one set of
        states; `verify` covers the others too.

        **Raises:** `ValueError` without a policy, `TooLargeToExpandError` where the closed form is too
        large to be expanded.
        """
        from resolvent.analytic.memory_one.identity import relation_numerator

        if self.policy is None:
            raise ValueError("expected a policy; none was found for this relation")
        return relation_numerator(self.game, self.player, self.policy, self.relation, self.discount)

    def __str__(self) -> str:
        at = "as the discount goes to 1" if self.discount == AVERAGE else f"at {self.discount}"
        who = f"player {self.player + 1}"
        if self.policy is None:
            if self.proof is not None:
                return f"{who} cannot enforce {self.relation} {at}: no strategy of any memory does"
            none = "no policy of memory one"
            none += "" if len(self.game.actions[self.player]) == 2 else " found"
            more = "more memory might" if self.targets is None else "more memory does, see targets"
            return f"{who}: {none} that enforces {self.relation} {at}; {more}"
        if self.phi is None:
            return f"{who} enforces {self.relation} {at} by playing {_texts(self.low)} throughout"
        names = self.game.actions[self.player]
        rows = zip(self.game.observations[self.player], self.policy, strict=True)
        listed = ", ".join(
            f"{label}: {row[0] if len(names) == 2 else _texts(row)}" for label, row in rows
        )
        what = f"chance of {names[0]}" if len(names) == 2 else "policy"
        return f"{who} enforces {self.relation} {at}, phi = {self.phi}; {what}: {listed}"


@dataclass(frozen=True)
class SmallestDiscount:
    """From which discount on a relation can be enforced; made by
    [`resolvent.analytic.smallest_discount`][].

    **Attributes:**

    - `player`, `relation`: what was asked for.
    - `memory_one`: the least discount for policies of memory one that switch between two actions or
        mixtures of different actions, or play one mixture throughout; of two own actions, for all
        policies of memory one. 1 where only the limit is left, None where nothing is.
    - `any_memory`: the same for strategies of any memory: a lower bound that can be below.
    """

    player: int
    relation: LinearRelation
    memory_one: Fraction | None
    any_memory: Fraction | None

    @property
    def attained(self) -> bool:
        """Whether there is a policy of memory one at the least discount itself."""
        return self.memory_one is not None and self.memory_one < 1

    def __str__(self) -> str:
        who = f"player {self.player + 1} enforces {self.relation}"
        if self.memory_one is None:
            return f"{who} at no discount"
        if not self.attained:
            return f"{who} in the limit of a discount of 1 only"
        return f"{who} at discounts from {self.memory_one}"


def payoff_table(game: IteratedGame, player: int, relation: LinearRelation) -> Table:
    """`W[a][k]`, the relation's left hand side at the own action a and the joint action k of the others
    (row-major); after a check that the game is one that `enforce` covers."""
    _check(game, player, relation)
    rows: list[list[Fraction]] = [[] for _ in game.actions[player]]
    flat = [own[0] for own in game.rewards]
    for joint, pays in zip(game.joint_actions, zip(*flat, strict=True), strict=True):
        rows[joint[player]].append(Fraction(relation.residual(pays)))
    return tuple(map(tuple, rows))


def _check(game: IteratedGame, player: int, relation: LinearRelation) -> None:
    if not isinstance(game, IteratedGame):
        raise TypeError(f"game: expected an IteratedGame; got {shorten(game)}")
    require_player(game, player)
    require_numbers(game)
    if not isinstance(relation, LinearRelation):
        raise TypeError(f"relation: expected a LinearRelation; got {shorten(relation)}")
    if len(relation.weights) != game.num_players:
        raise ValueError(
            f"relation: expected one weight per player ({game.num_players}); got {len(relation.weights)}"
        )
    if game.initial is not None or any(game.trembles) or any(game.misreadings):
        raise ValueError(
            "game: expected play from a start, without noise; got other initial states or noise"
        )
    last: dict[str, Any] = {}
    for history, label in zip(game.histories, game.seen_as[player], strict=True):
        outcome = history[-1] if history else None
        if last.setdefault(label, outcome) != outcome:
            raise ValueError(
                f"game: expected player {player} to tell all outcomes of the last round apart; "
                f"it observes {label} after several"
            )


def span_of(values: list[Fraction]) -> tuple[Fraction, Fraction] | None:
    return (min(values), max(values)) if values else None


def _texts(numbers: Vector) -> str:
    return f"({', '.join(map(str, numbers))})"
