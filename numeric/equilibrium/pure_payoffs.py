r"""The payoffs of all pure stationary equilibria against the discount, exactly and for every discount.

Under a pure profile play runs into a cycle, and with $D = 1 + g + \dots + g^{L-1}$ for its length L

$$ V(s) = N_s(g) / D(g), \qquad N(c_0) = \sum_{k<L} g^k u(c_k), \qquad N(s) = (1 - g)\, u(s)\, D + g N(s') $$

are quotients of polynomials over the rationals with D > 0. So "nobody gains by deviating" is a list of
polynomial inequalities in g: a closed set, whose ends are algebraic numbers. Between two thresholds next to each
other the equilibria are the same, and at a threshold there may be more: the knife edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any, TypeAlias

import flint

from resolvent.analytic.number_field import RealRoot, rational_root, separated
from resolvent.games import DynamicGame, exact
from resolvent.numeric.equilibrium.arrays import Game, require_stationary
from resolvent.numeric.equilibrium.discount_sets import (
    EVERYWHERE,
    ONE,
    ZERO,
    Interval,
    Quotient,
    Signs,
    common,
)
from resolvent.numeric.equilibrium.pure import Choice, choices, joined, policy_counts
from resolvent.numeric.equilibrium.verification import as_dynamic

LIMIT = 100_000
"""The most profiles that are run through unless told otherwise."""

_G = flint.fmpq_poly([0, 1])
_LESS = flint.fmpq_poly([1, -1])


@dataclass(frozen=True)
class PureFamily:
    """A pure profile, the discounts at which it is an equilibrium, and what it pays there.

    **Attributes:**

    - `profile`: per player the action, by number, in each state.
    - `names`: the same by name.
    - `discounts`: disjoint intervals, ascending, ends included (1 never is): exact algebraic numbers.
    - `values`: per player numerator and denominator of its value from where play begins, per round, as
        coefficients of powers of g from the constant up.
    """

    profile: tuple[Choice, ...]
    names: tuple[str, ...]
    discounts: tuple[Interval, ...]
    values: tuple[tuple[tuple[Fraction, ...], tuple[Fraction, ...]], ...]

    def holds_at(self, discount: object) -> bool:
        """Whether it is an equilibrium at an exact discount."""
        root = rational_root(_discount(discount))
        return any(low <= root <= high for low, high in self.discounts)

    def payoffs(self, discount: object) -> tuple[Fraction, ...]:
        """What it pays each player per round, at an exact discount."""
        g = _discount(discount)
        return tuple(_horner(top, g) / _horner(bottom, g) for top, bottom in self.values)

    def __str__(self) -> str:
        parts = (
            f"g = {low}" if low == high else f"g in [{low}, {high}{')' if high == ONE else ']'}"
            for low, high in self.discounts
        )
        return f"{' | '.join(self.names)}: {' or '.join(parts)}"


@dataclass(frozen=True)
class Piece:
    """Discounts with the same equilibria: a threshold (`low` is `high`), or what is between two.

    **Attributes:** `low`, `high`: the open interval's ends; `families`: the equilibria.
    """

    low: RealRoot
    high: RealRoot
    families: tuple[PureFamily, ...]


@dataclass(frozen=True, repr=False)
class PureEquilibriumPayoffs:
    """See [`resolvent.numeric.pure_equilibrium_payoffs`][].

    **Attributes:**

    - `game`: what is played; its own discount plays no part.
    - `subgame_perfect`: whether in every state, or only from where play begins.
    - `families`: the profiles that are an equilibrium at some discount.
    - `searched`: of how many profiles these are all.
    """

    game: Game
    subgame_perfect: bool
    families: tuple[PureFamily, ...]
    searched: int

    @cached_property
    def thresholds(self) -> tuple[RealRoot, ...]:
        """The discounts in (0, 1) at which some profile begins or ceases to be an equilibrium."""
        ends = {end for own in self.families for pair in own.discounts for end in pair}
        return tuple(separated(ends - {ZERO, ONE}))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """All discounts, ascending: 0, what is between, the first threshold, and so on."""
        points = [ZERO, *self.thresholds]
        found = []
        for low, high in zip(points, [*points[1:], ONE], strict=True):
            at = tuple(own for own in self.families if _holds(own, low, low))
            found.append(Piece(low, low, at))
            inside = tuple(own for own in self.families if _holds(own, low, high))
            found.append(Piece(low, high, inside))
        return tuple(found)

    def at(self, discount: object) -> tuple[PureFamily, ...]:
        """The equilibria at an exact discount."""
        return tuple(own for own in self.families if own.holds_at(discount))

    def payoffs(self, discount: object) -> tuple[tuple[Fraction, ...], ...]:
        """The different payoffs of equilibria at an exact discount, ascending."""
        return tuple(sorted({own.payoffs(discount) for own in self.at(discount)}))

    def plot(self, player: int = 0, ax: Any = None) -> Any:
        """A player's payoff in each equilibrium, over the discount; knife edges as dots.

        **Arguments:** `player`: whose, from 0; `ax`: matplotlib axes to draw on, default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        import numpy as np

        from resolvent.analytic.step_sizes import axes

        ax = axes(ax)
        for own in self.families:
            top, bottom = (np.array([float(c) for c in part]) for part in own.values[player])
            for low, high in own.discounts:
                x = np.linspace(float(low), float(high), 1 if low == high else 100)
                y = np.polynomial.polynomial.polyval(x, top)
                y = y / np.polynomial.polynomial.polyval(x, bottom)
                ax.plot(x, y, "o" if low == high else "-", color="C0", markersize=4)
        ax.set(xlabel="discount", ylabel=f"payoff of {self.game.players[player]}", xlim=(0, 1))
        return ax

    def __str__(self) -> str:
        kind = "subgame-perfect equilibria" if self.subgame_perfect else "Nash equilibria"
        lines = [
            f"pure stationary {kind} of {self.game.name or 'a game'} at every discount: "
            f"{len(self.families)} of {self.searched:,} profiles, exact",
            f"  thresholds: {', '.join(map(str, self.thresholds)) or 'none'}",
        ]
        lines += [f"  {own}" for own in self.families[:50]]
        if len(self.families) > 50:
            lines.append(f"  ... and {len(self.families) - 50:,} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"PureEquilibriumPayoffs({self.game.name}, {len(self.families)} of {self.searched:,} profiles)"


def pure_equilibrium_payoffs(
    game: Game, subgame_perfect: bool = True, limit: int = LIMIT
) -> PureEquilibriumPayoffs:
    """All pure stationary equilibria of a game at every discount in [0, 1), and what they pay.

    Exact: the thresholds are algebraic numbers, and nothing is searched over a grid.

    **Arguments:**

    - `game`: an iterated game, or a stochastic one in which every joint action leads to one state; all
        players see the state, and all discount alike. Its own discount plays no part.
    - `subgame_perfect`: whether to ask for an equilibrium in every state, or only from where play begins.
    - `limit`: how many profiles to run through at most; with memory one, a game of 2x2 actions has 1,024.

    **Returns:** a `PureEquilibriumPayoffs`.

    **Raises:** `ValueError` for other games, and where there are more profiles.
    """
    require_stationary(game)
    played = as_dynamic(game)
    if any(hand is not None for hand in played.trembles) or any(
        len(branch) > 1 for row in played.branches for branch in row
    ):
        raise ValueError(
            "game: expected one next state after each joint action; got chance moves or trembling hands"
        )
    counts = policy_counts(played)
    if prod(counts) > limit:
        raise ValueError(
            f"game: expected at most {limit:,} profiles (see `limit`), got {prod(counts):,}; "
            "pure_equilibria finds the subgame-perfect ones of larger games at one discount"
        )
    search = _subgame_perfect if subgame_perfect else _nash
    found = tuple(
        _family(played, profile, where, values) for profile, where, values in search(played)
    )
    return PureEquilibriumPayoffs(game, subgame_perfect, found, prod(counts))


_Found: TypeAlias = "tuple[tuple[Choice, ...], tuple[Interval, ...], list[Quotient]]"


def _subgame_perfect(game: DynamicGame) -> Iterator[_Found]:
    """The profiles in which one action of one player in one state never gains."""
    signs = Signs()
    for profile in product(*(choices(game, i) for i in range(game.num_players))):
        joint, values = _values(game, profile)
        where = EVERYWHERE
        stride = 1
        for player in reversed(range(game.num_players)):
            own = values[player]
            for state, k in enumerate(joint):
                for action in range(game.num_actions[player]):
                    other = k + (action - profile[player][state]) * stride
                    if other == k or not where:
                        continue
                    top, bottom = own[game.branches[state][other][0][0]]
                    pay = _rational(game.rewards[player][state][other])
                    deviating = _LESS * pay * bottom + _G * top, bottom
                    where = common(where, signs.at_least(own[state], deviating))
            stride *= game.num_actions[player]
        if where:
            yield profile, where, [_from_start(game, own) for own in values]


def _nash(game: DynamicGame) -> Iterator[_Found]:
    """The profiles from which no player gains by another pure policy, from where play begins."""
    signs = Signs()
    profiles = product(*(choices(game, i) for i in range(game.num_players)))
    table = {
        profile: [_from_start(game, own) for own in _values(game, profile)[1]]
        for profile in profiles
    }
    # What a player can get against given others: few different values, however many policies.
    options: dict[Any, dict[Any, Quotient]] = {}
    for profile, values in table.items():
        for i, value in enumerate(values):
            others = (i, profile[:i], profile[i + 1 :])
            options.setdefault(others, {})[_key(value)] = value
    known: dict[Any, tuple[Interval, ...]] = {}
    for profile, values in table.items():
        where = EVERYWHERE
        for i, value in enumerate(values):
            others = (i, profile[:i], profile[i + 1 :])
            key = others, _key(value)
            if key not in known:
                best = EVERYWHERE
                for option in options[others].values():
                    best = common(best, signs.at_least(value, option))
                known[key] = best
            where = common(where, known[key])
        if where:
            yield profile, where, values


def _values(game: DynamicGame, profile: Sequence[Choice]) -> tuple[list[int], list[list[Quotient]]]:
    """The joint action in each state, and values per player and state."""
    joint = [0] * game.num_states
    for own, count in zip(profile, game.num_actions, strict=True):
        joint = [k * count + action for k, action in zip(joint, own, strict=True)]
    after = [game.branches[s][k][0][0] for s, k in enumerate(joint)]
    values = []
    for rewards in game.rewards:
        pays = [_rational(rewards[s][k]) for s, k in enumerate(joint)]
        worth: list[Quotient | None] = [None] * len(after)
        for first in range(len(after)):
            path: list[int] = []
            state = first
            while worth[state] is None and state not in path:
                path.append(state)
                state = after[state]
            if worth[state] is None:  # a cycle that is new
                cycle = path[path.index(state) :]
                bottom = flint.fmpq_poly([1] * len(cycle))
                for start in range(len(cycle)):
                    turned = cycle[start:] + cycle[:start]
                    worth[cycle[start]] = flint.fmpq_poly([pays[s] for s in turned]), bottom
            for inner in reversed(path):
                ahead = worth[after[inner]]
                if worth[inner] is None and ahead is not None:
                    top, bottom = ahead
                    worth[inner] = _LESS * pays[inner] * bottom + _G * top, bottom
        values.append([value for value in worth if value is not None])
    return joint, values


def _from_start(game: DynamicGame, values: Sequence[Quotient]) -> Quotient:
    """The value from where play begins."""
    top, bottom = flint.fmpq_poly([0]), flint.fmpq_poly([1])
    for state, chance in enumerate(game.initial_distribution):
        if chance != 0:
            above, below = values[state]
            top = top * below + _rational(chance) * above * bottom
            bottom = bottom * below
    return top, bottom


def _family(
    game: DynamicGame,
    profile: tuple[Choice, ...],
    where: tuple[Interval, ...],
    values: list[Quotient],
) -> PureFamily:
    names = tuple(
        joined([actions[a] for a in own])
        for actions, own in zip(game.actions, profile, strict=True)
    )
    shown = tuple((_coefficients(top), _coefficients(bottom)) for top, bottom in values)
    return PureFamily(profile, names, where, shown)


def _holds(family: PureFamily, low: RealRoot, high: RealRoot) -> bool:
    return any(a <= low and high <= b for a, b in family.discounts)


def _discount(value: object) -> Fraction:
    number = exact(value, "discount")
    if not isinstance(number, Fraction) or not 0 <= number < 1:
        raise ValueError(f"discount: expected a number in [0, 1), got {number}")
    return number


def _key(value: Quotient) -> tuple[str, str]:
    return str(value[0]), str(value[1])


def _rational(value: Any) -> Any:
    return flint.fmpq(value.numerator, value.denominator)


def _coefficients(polynomial: Any) -> tuple[Fraction, ...]:
    return tuple(Fraction(int(c.p), int(c.q)) for c in polynomial.coeffs())


def _horner(coefficients: Sequence[Fraction], g: Fraction) -> Fraction:
    total = Fraction(0)
    for c in reversed(coefficients):
        total = total * g + c
    return total
