"""What kind of policy a policy is, as a record: its traits with their definitions, and the lines it enforces."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import permutations
from typing import Any

from resolvent.analytic.memory_one.discount_set import DiscountSet
from resolvent.analytic.memory_one.linear_relation import LinearRelation
from resolvent.analytic.memory_one.relations import Enforced
from resolvent.games import ExactPolicy, IteratedGame

_AXELROD = "Axelrod (1984), The Evolution of Cooperation"
_STEWART = "Stewart and Plotkin (2014), PNAS 111, 17558"
_HILBE = "Hilbe, Traulsen and Sigmund (2015), Games Econ. Behav. 92, 41"

DEFINITIONS: dict[str, tuple[str, str]] = {
    "nice": ("never the first to defect", _AXELROD),
    "retaliating": ("p_CD < p_CC: cooperates less after being exploited", _AXELROD),
    "forgiving": ("may cooperate again after a defection", _AXELROD),
    "self_cooperator": ("p_CC = 1: two copies go on cooperating", _STEWART),
    "self_defector": ("p_DD = 0: two copies go on defecting", _STEWART),
    "self_alternator": ("p_CD = 0, p_DC = 1: two copies go on taking turns", _STEWART),
    "nash": ("no strategy does better against copies of it", "Nash (1951), Ann. Math. 54, 286"),
    "subgame_perfect": (
        "nor from any state, reached or not",
        "Selten (1965), Z. ges. Staatswiss. 121, 301",
    ),
    "partner": (
        "nice, and nobody gets more than R against it",
        "Hilbe, Chatterjee and Nowak (2018), Nat. Hum. Behav. 2, 469; Nash type of Akin (2012), arXiv:1211.0969",
    ),
    "good": (
        "nice, and who gets R leaves it R",
        f"Akin (2012), arXiv:1211.0969; partners of {_HILBE}",
    ),
    "rival": ("nobody gets more than it does", f"competitive of {_HILBE}"),
    "equalizer": (
        "fixes what the others get in the mean",
        "Boerlijst, Nowak and Sigmund (1997); Press and Dyson (2012)",
    ),
    "zero_determinant": (
        "fixes a line by Press and Dyson's equation",
        "Press and Dyson (2012), PNAS 109, 10409",
    ),
    "linear": (
        "fixes a line, by that equation or otherwise",
        "Ichinose and Masuda (2018), J. Theor. Biol. 438, 61",
    ),
}
"""What traits mean. The first action of a player is its cooperation; R is what all get if all cooperate."""

_ABOUT_POLICIES = frozenset(list(DEFINITIONS)[:6])
_TITLES = {
    "nash": "Nash",
    "zero_determinant": "zero-determinant",
    "subgame_perfect": "subgame-perfect",
} | {f"self_{own}": f"self-{own}" for own in ("cooperator", "defector", "alternator")}


@dataclass(frozen=True)
class Trait:
    """One property of a policy.

    **Attributes:**

    - `name`, `definition`, `source`.
    - `discounts`: where in [0, 1) it holds, exactly; None where it is not defined.
    - `average`: whether it holds where payoffs are averages, the limit of discount 1; None where that is not
        defined.
    - `at`: the discount that `holds` is about, if one is known.
    - `undefined`: why it is not defined in this game; None where it is.
    """

    name: str
    definition: str
    source: str
    discounts: DiscountSet | None
    average: bool | None
    at: Fraction | None
    undefined: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it holds at the discount of the classification; None where that is not known or the
        property is not defined."""
        if self.discounts is None:
            return None
        if self.at is not None:
            return self.at in self.discounts
        if self.discounts.everywhere or self.discounts.empty:
            return self.discounts.everywhere
        return None

    @property
    def discounted(self) -> bool:
        """Whether it can hold at one discount and not at another: not if it is about the policy alone."""
        return self.name not in _ABOUT_POLICIES

    @property
    def title(self) -> str:
        """Its name in words."""
        return _TITLES.get(self.name, self.name.replace("_", " "))

    @property
    def where(self) -> str:
        """At which discounts it holds, in words."""
        if self.discounts is None:
            return f"not defined: {self.undefined}"
        average = ""
        if self.average is not None and self.average != self.discounts.near_one:
            average = f"; {'but' if self.average else 'not'} in the average, g -> 1"
        return f"{self.discounts}{average}"

    @property
    def word(self) -> str:
        """`yes`, `no`, or `-` where there is no answer."""
        return {True: "yes", False: "no", None: "-"}[self.holds]

    def __bool__(self) -> bool:
        return self.holds is True

    def __str__(self) -> str:
        return f"{self.title}: {self.word}; {self.where}"


@dataclass(frozen=True)
class PolicyClass:
    """What kind of policy a policy is; made by [`resolvent.analytic.classify_policy`][].

    **Attributes:**

    - `game`, `policy`, `player`: what was classified.
    - `discount`: what the answers without a set are about; None if the game's is a symbol.
    - `chances`: $(p_0, p_{CC}, p_{CD}, p_{DC}, p_{DD})$ in own view, of a 2x2 game of memory one; else None.
    - `nice` to `linear`: a [`resolvent.analytic.Trait`][] each, with its definition.
    - `relations`: the lines that it enforces at `discount`; `average_relations`: in the limit of 1.
    - `self_play`: the value of each of its copies at `discount`, per round; None where it has none.
    """

    game: IteratedGame
    policy: ExactPolicy
    player: int
    discount: Fraction | None
    chances: tuple[Fraction, ...] | None
    nice: Trait
    retaliating: Trait
    forgiving: Trait
    self_cooperator: Trait
    self_defector: Trait
    self_alternator: Trait
    nash: Trait
    subgame_perfect: Trait
    partner: Trait
    good: Trait
    rival: Trait
    equalizer: Trait
    zero_determinant: Trait
    linear: Trait
    relations: Enforced | None
    average_relations: Enforced
    self_play: tuple[Fraction, ...] | None

    def __getitem__(self, name: str) -> Trait:
        """The trait of a name."""
        if name not in DEFINITIONS:
            raise KeyError(f"no trait is called {name!r}; known are {', '.join(DEFINITIONS)}")
        return getattr(self, name)

    @property
    def traits(self) -> tuple[Trait, ...]:
        """All properties, in order."""
        found = (getattr(self, own.name) for own in fields(self))
        return tuple(own for own in found if isinstance(own, Trait))

    @property
    def lines(self) -> tuple[tuple[LinearRelation, str], ...]:
        """The relations enforced at `discount`, each with what it is called: equalizer, extortionate, generous,
        fair, or `linear`."""
        if self.relations is None:
            return ()
        return tuple(
            (own, line_kind(self.game, own, self.player)) for own in self.relations.relations
        )

    def __str__(self) -> str:
        who = f"player {self.player + 1} of {self.game.name or 'a game'}"
        if self.chances is not None:
            names = ("p_0", "p_CC", "p_CD", "p_DC", "p_DD")
            who += ": " + ", ".join(f"{n} = {p}" for n, p in zip(names, self.chances, strict=True))
        at = "" if self.discount is None else f"; at discount {self.discount}"
        defined = [own for own in self.traits if own.undefined is None]
        rows = [f"{who}{at}"]
        for word, whether in (("is", True), ("is not", False)):
            named = [own.title for own in defined if not own.discounted and bool(own) is whether]
            if named:
                rows.append(f"  {word} {', '.join(named)}")
        for own in defined:
            if own.discounted:
                rows.append(f"  {own.title:17} {own.word:4} {own.where}")
        left_out = [own.title for own in self.traits if own.undefined is not None]
        if left_out:
            rows.append(f"  not defined here: {', '.join(left_out)}")
        rows += [f"  enforces {line} ({kind})" for line, kind in self.lines]
        if self.self_play is not None:
            rows.append(f"  with copies: {', '.join(map(str, self.self_play))}")
        return "\n".join(rows)


def line_kind(game: IteratedGame, line: LinearRelation, player: int) -> str:
    """What an enforced line is called in the literature (Hilbe, Nowak and Traulsen 2013): `equalizer` (slope 0),
    `fair` (slope 1, the same values), `extortionate` (slope in (0, 1) through mutual defection), `generous`
    (through mutual cooperation), or else `linear`."""
    slope = line.slope(player)
    if line.weights[player] == 0:
        return "equalizer"
    if slope is None or not symmetric(game):
        return "linear"
    corners = [tuple(corner(own, a) for own in game.stage.payoffs) for a in (0, -1)]
    if slope == 1 and line.constant == 0:
        return "fair"
    if 0 < slope < 1 and line.holds(corners[1]):
        return "extortionate"
    if 0 < slope < 1 and line.holds(corners[0]):
        return "generous"
    return "linear"


def symmetric(game: IteratedGame) -> bool:
    """Whether payoffs are the same when players change places."""
    if len(set(game.num_actions)) > 1:
        return False
    payoffs, count = game.stage.payoffs, game.num_players
    for order in permutations(range(count)):
        for joint in game.joint_actions:
            moved = tuple(joint[j] for j in order)
            if any(
                _entry(payoffs[i], moved) != _entry(payoffs[j], joint) for i, j in enumerate(order)
            ):
                return False
    return True


def _entry(payoffs: Any, joint: tuple[int, ...]) -> Any:
    for action in joint:
        payoffs = payoffs[action]
    return payoffs


def corner(payoffs: Any, action: int) -> Any:
    """What is paid if all play their first action, or their last."""
    while isinstance(payoffs, tuple):
        payoffs = payoffs[action]
    return payoffs
