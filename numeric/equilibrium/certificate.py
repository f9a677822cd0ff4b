r"""Proof that there is an exact equilibrium at, or next to, given policies.

Policies in rationals, and pure ones, are decided by their regret in rationals. Others are the numbers
$\tilde x = (\tilde\sigma, \tilde V)$ of a computer, and what is proven is that the square system $f(x) = 0$ of
an equilibrium on a support (see `equilibrium`) has a solution in the box $X$ of radius $r$ around them, by
Krawczyk's operator

$$ K(X) = \tilde x - Y f(\tilde x) + (I - Y f'(X)) (X - \tilde x) $$

with Y an approximate inverse of the Jacobian: where K(X) lies inside X there is one solution in X, and no
other. It is an equilibrium, in every state, if also on all of X probabilities are positive on the support
and every action off it is worse than the value; and then no other stationary equilibrium is within r: the
box of the values is chosen so wide that it holds those of all policies within r, and actions off the support
are allowed probabilities as well when they are shown to be worse.

All numbers are balls of Arb (Johansson 2017, IEEE Trans. Computers 66, 1281), rounded outwards. Source of
the test: Krawczyk 1969, Computing 4, 187; Moore 1977, SIAM J. Numer. Anal. 14, 611.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import equinox as eqx
import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.chain import rational
from resolvent.games import DynamicGame
from resolvent.numeric.equilibrium.arrays import check_profile, values_of
from resolvent.numeric.equilibrium.verification import (
    Regret,
    as_dynamic,
    regret,
    scaled_arrays,
    state_names,
)

if TYPE_CHECKING:
    from resolvent.numeric.equilibrium.equilibrium import Equilibrium

_BITS = 128
_DROPPED = (0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4)
_DENOMINATORS = (12, 100, 1_000, 10_000, 1_000_000)
# Beyond this many states and actions the rationals next to floats are not tried.
_LARGEST_RATIONAL = 512


class CERTIFICATE(eqx.Enumeration):
    """Whether there is a proof; each member is its message."""

    proved = "proved"
    not_proved = "not proved"


@dataclass(frozen=True, repr=False)
class Certificate:
    """A proof of an equilibrium, or the reason why there is none.

    **Fields:**

    - `status`: [`resolvent.numeric.CERTIFICATE`][], proved or not proved.
    - `reason`: what was proved, or why not.
    - `radius`: there is an exact equilibrium whose probabilities all differ from the given ones by at
        most this; 0 where the policies themselves are one, `None` where nothing was proved.
    - `unique`: whether it was proved to be the only stationary equilibrium (in every state) within the
        radius.
    - `subgame_perfect`: whether it was proved to be one in every state, and not only from where play
        begins.
    """

    status: CERTIFICATE
    reason: str
    radius: float | None
    unique: bool
    subgame_perfect: bool

    @property
    def proved(self) -> bool:
        """Whether the equilibrium is proved."""
        return bool(self.status == CERTIFICATE.proved)

    def __bool__(self) -> bool:
        return self.proved

    def __str__(self) -> str:
        return f"{CERTIFICATE[self.status]}: {self.reason}"

    def __repr__(self) -> str:
        return (
            f"Certificate({CERTIFICATE[self.status]}, radius={self.radius}, unique={self.unique})"
        )


def certify(equilibrium: Equilibrium, radius: float = 1e-6) -> Certificate:
    """Prove that there is an exact equilibrium at, or close to, the policies of a record.

    **Arguments:**

    - `equilibrium`: any record of policies, such as [`resolvent.numeric.verify`][] makes.
    - `radius`: how far from the given ones the probabilities of the exact equilibrium may be.

    **Returns:** a `Certificate`; `proved`, or not proved and why. It is never proved of policies without
    an equilibrium within the radius. It may fail to be proved where there is one: on a continuum of
    equilibria, whose Jacobian is singular; where an unused action is exactly as good as those that are
    used; and where floats are an equilibrium from where play begins but not in every state. Rational
    policies are always decided.
    """
    if not 0 < radius < 0.5:
        raise ValueError(f"radius: expected a number between 0 and 1/2, got {radius}")
    game, policies = equilibrium.game, equilibrium.policies
    if equilibrium.exact:
        return _by_regret(equilibrium.regret)
    if all(bool(np.isin(own, (0.0, 1.0)).all()) for own in policies):
        pure = [[[Fraction(int(p)) for p in row] for row in own] for own in policies]
        return _by_regret(regret(game, pure))
    with flint.ctx.workprec(_BITS):
        found = _krawczyk(equilibrium, radius)
    if found.proved:
        return found
    return _rational_nearby(equilibrium, radius) or found


def _by_regret(found: Regret) -> Certificate:
    """Policies in rationals: there is nothing to doubt."""
    if found.subgame_perfect == 0:
        reason = "the policies are an equilibrium in every state; their regret is 0 in rationals"
        return Certificate(CERTIFICATE.proved, reason, 0.0, False, True)
    if found.nash == 0:
        reason = (
            "the policies are a Nash equilibrium from where play begins; the gain there is 0 in "
            "rationals (but not in every state)"
        )
        return Certificate(CERTIFICATE.proved, reason, 0.0, False, False)
    player = int(np.argmax(found.from_start / found.ranges))
    return _refused(
        f"in rationals, player {player + 1} gains {found.from_start[player]} per round by another policy"
    )


def _refused(reason: str) -> Certificate:
    return Certificate(CERTIFICATE.not_proved, reason, None, False, False)


def _rational_nearby(equilibrium: Equilibrium, radius: float) -> Certificate | None:
    """Rationals of small denominators next to the floats, if they are an equilibrium in every state."""
    if sum(own.size for own in equilibrium.policies) > _LARGEST_RATIONAL:
        return None
    for largest in _DENOMINATORS:
        rounded = [
            [_rounded(row, largest) for row in np.asarray(own)] for own in equilibrium.policies
        ]
        far = max(
            abs(float(p) - q)
            for own, old in zip(rounded, equilibrium.policies, strict=True)
            for row, before in zip(own, old, strict=True)
            for p, q in zip(row, before.tolist(), strict=True)
        )
        if far > radius or min(p for own in rounded for row in own for p in row) < 0:
            continue
        if regret(equilibrium.game, rounded).subgame_perfect == 0:
            reason = (
                f"policies in fractions with denominators up to {largest:,}, at most {far:.1e} from the "
                "given ones, are an equilibrium in every state; their regret is 0 in rationals"
            )
            return Certificate(CERTIFICATE.proved, reason, far, False, True)
    return None


def _rounded(row: NDArray[np.floating], largest: int) -> list[Fraction]:
    """The closest fractions, the largest of a row being what the others leave."""
    fractions = [Fraction(p).limit_denominator(largest) for p in row.tolist()]
    most = int(row.argmax())
    fractions[most] += 1 - sum(fractions)
    return fractions


# Krawczyk ------------------------------------------------------------------------------------


def _krawczyk(equilibrium: Equilibrium, radius: float) -> Certificate:
    policies = [np.asarray(own, dtype=float) for own in equilibrium.policies]
    system = _System(equilibrium)
    failed = None
    tried: list[list[NDArray[np.bool_]]] = []
    for least in _DROPPED:
        if least > radius:
            break
        support = [own > least for own in policies]
        if not all(bool(own.any(axis=1).all()) for own in support):
            break
        if any(all(map(np.array_equal, support, other)) for other in tried):
            continue
        tried.append(support)
        found = system.prove(support, radius)
        if found.proved:
            return found
        # The first guess has the policies' own support; a smaller one speaks of others.
        failed = failed or found
    assert failed is not None  # rows sum to one, so that the first guess is tried
    return failed


class _System:
    """The equations of an equilibrium of one game, in balls, with payoffs from 0 to 1."""

    game: DynamicGame
    states: tuple[str, ...]
    policies: list[NDArray[np.floating]]
    values: NDArray[np.floating]
    discounts: list[Any]
    pays: list[list[list[Any]]]
    moves: list[list[list[tuple[int, Any]]]]

    def __init__(self, equilibrium: Equilibrium) -> None:
        game = as_dynamic(equilibrium.game)
        self.game, self.states = game, state_names(equilibrium.game)
        self.policies = [np.asarray(own, dtype=float) for own in equilibrium.policies]
        discounts: Any = game.discounts  # numbers, as all of the game: symbols have been refused
        self.discounts = [flint.arb(rational(g)) for g in discounts]
        arrays, lows, ranges = scaled_arrays(equilibrium.game)
        profile = check_profile(arrays, self.policies)
        self.values = np.asarray(values_of(arrays, profile))
        self.pays = []
        for own, low, scale, g in zip(game.rewards, lows, ranges, discounts, strict=True):
            rows: Any = own
            self.pays.append(
                [
                    [flint.arb(rational((1 - g) * (pay - low) / scale)) for pay in row]
                    for row in rows
                ]
            )
        branches: Any = game.branches
        self.moves = [
            [[(after, flint.arb(rational(p))) for after, p in row] for row in rows]
            for rows in branches
        ]

    def prove(self, support: list[NDArray[np.bool_]], radius: float) -> Certificate:
        """The test on one support."""
        dropped = max(
            float(np.where(on, 0, own).max())
            for own, on in zip(self.policies, support, strict=True)
        )
        unknowns = [
            (i, s, a)
            for i, on in enumerate(support)
            for s, a in zip(*(axis.tolist() for axis in np.nonzero(on)), strict=True)
        ]
        centre = [
            [
                [flint.arb(p) if used else flint.arb(0) for p, used in zip(row, uses, strict=True)]
                for row, uses in zip(own.tolist(), on.tolist(), strict=True)
            ]
            for own, on in zip(self.policies, support, strict=True)
        ]
        values = [[flint.arb(v) for v in own] for own in self.values.tolist()]
        errors, jacobian = self._equations(unknowns, centre, values)
        approximate = np.array([[float(entry.mid()) for entry in row] for row in jacobian])
        try:
            inverse = np.linalg.inv(approximate)
        except np.linalg.LinAlgError:
            inverse = np.full_like(approximate, np.inf)
        size = float(np.linalg.norm(inverse, np.inf)) * float(np.linalg.norm(approximate, np.inf))
        if not size < 1e12:
            return _refused(
                "the equations on the support are singular (the equilibrium, if it is one, is not "
                "isolated on its support, or is degenerate)"
            )
        exact_inverse = flint.arb_mat(inverse.tolist())
        steps = [row[0] for row in (exact_inverse * _column(errors)).tolist()]
        own_steps = [abs(float(step.abs_upper())) for step in steps[: len(unknowns)]]
        all_steps = max(float(step.abs_upper()) for step in steps)
        found = _refused(
            "the test did not contract: the policies are not close enough to a solution"
        )
        for factor in (2.0, 16.0, 256.0):
            reach = max(factor * max(*own_steps, all_steps * 1e-3), 2 * dropped, 1e-15)
            if reach > radius:
                far = max(own_steps, default=0.0) + dropped
                return (
                    found
                    if far <= radius / 2
                    else _refused(
                        f"the closest solution on the support is about {far:.1e} away, and `radius` allows "
                        f"{radius:.1e}"
                    )
                )
            found = self._contracts(support, unknowns, centre, values, exact_inverse, steps, reach)
            if found.proved:
                return found
        return found

    def _contracts(
        self,
        support: list[NDArray[np.bool_]],
        unknowns: list[tuple[int, int, int]],
        centre: list[list[list[Any]]],
        values: list[list[Any]],
        inverse: Any,
        steps: list[Any],
        reach: float,
    ) -> Certificate:
        """Krawczyk's test on the box of radius `reach`."""
        ball = flint.arb(0, reach)
        # Two profiles within 2 r have values within sum_j A_j r / (1 - g): half the l1 distance of
        # their joint actions, times the span of payoffs and of what follows, over 1 - g.
        spread = [sum(self.game.num_actions) * flint.arb(reach) / (1 - g) for g in self.discounts]
        wide = [flint.arb(0, float((2 * own).abs_upper()) * (1 + 1e-9)) for own in spread]
        box = [
            [
                [p + ball if used else p for p, used in zip(row, uses, strict=True)]
                for row, uses in zip(own, on.tolist(), strict=True)
            ]
            for own, on in zip(centre, support, strict=True)
        ]
        values_box = [[v + own for v in row] for row, own in zip(values, wide, strict=True)]
        _, jacobian = self._equations(unknowns, box, values_box)
        count = len(steps)
        left = (inverse * flint.arb_mat(jacobian)).tolist()
        num_states = self.game.num_states
        # The radius of a ball is rounded up to few bits: the box is a little wider than asked for.
        radii = [ball.rad()] * len(unknowns)
        radii += [wide[i].rad() for i in range(self.game.num_players) for _ in range(num_states)]
        for k in range(count):
            image = steps[k].abs_upper()
            for m in range(count):
                entry = (1 - left[k][m]) if k == m else left[k][m]
                image += entry.abs_upper() * radii[m]
            limit = flint.arb(reach)
            if k >= len(unknowns):
                limit = radii[k] - spread[(k - len(unknowns)) // num_states]
            if not image < limit:
                return _refused(
                    "the test did not contract: the equations on the support are close to singular, or "
                    "the policies are not close enough to a solution"
                )
        for i, s, a in unknowns:
            if not box[i][s][a] > 0:
                return _refused(
                    f"the probability of {self._action(i, s, a)} may be 0 or less within {reach:.1e}"
                )
        aside = flint.arb(reach, reach)  # from 0 to 2 r, for actions off the support
        around = [
            [
                [p if used else aside for p, used in zip(row, uses, strict=True)]
                for row, uses in zip(own, on.tolist(), strict=True)
            ]
            for own, on in zip(box, support, strict=True)
        ]
        for i, on in enumerate(support):
            for s, uses in enumerate(on.tolist()):
                if all(uses):
                    continue
                worth = self._worth(i, s, around, values_box)
                for a, used in enumerate(uses):
                    if not used and not worth[a] < values_box[i][s]:
                        return _refused(
                            f"{self._action(i, s, a)} is not used, and could not be shown to be worse "
                            "than what is"
                        )
        reason = (
            f"there is an equilibrium, in every state, whose probabilities are within {reach:.1e} of the "
            "given ones, and no other stationary one is as close"
        )
        return Certificate(CERTIFICATE.proved, reason, reach, True, True)

    def _action(self, player: int, state: int, action: int) -> str:
        name = self.game.actions[player][action]
        return f"action {name} of player {player + 1} in state {self.states[state]}"

    def _others(
        self, player: int, state: int, policies: list[list[list[Any]]]
    ) -> Iterator[tuple[tuple[int, ...], list[Any]]]:
        """What the others may play together, `player` playing action 0, and their probabilities (one of
        1 in the place of `player`)."""
        rows = [
            [(0, flint.arb(1))]
            if other == player
            else [(a, p) for a, p in enumerate(own[state]) if not bool(p == 0)]
            for other, own in enumerate(policies)
        ]
        for joint in product(*rows):
            yield tuple(a for a, _ in joint), [p for _, p in joint]

    def _number(self, joint: Sequence[int]) -> int:
        number = 0
        for action, count in zip(joint, self.game.num_actions, strict=True):
            number = number * count + action
        return number

    def _pay_and_follow(self, player: int, state: int, k: int, values: list[list[Any]]) -> Any:
        ahead = sum((p * values[player][t] for t, p in self.moves[state][k]), flint.arb(0))
        return self.pays[player][state][k] + self.discounts[player] * ahead

    def _worth(
        self, player: int, state: int, policies: list[list[list[Any]]], values: list[list[Any]]
    ) -> list[Any]:
        """Q of each action in a state."""
        worth = [flint.arb(0)] * self.game.num_actions[player]
        stride = self._stride(player)
        for joint, chances in self._others(player, state, policies):
            chance = _product(chances)
            first = self._number(joint)
            for a in range(len(worth)):
                k = first + a * stride
                worth[a] += chance * self._pay_and_follow(player, state, k, values)
        return worth

    def _stride(self, player: int) -> int:
        return int(np.prod(self.game.num_actions[player + 1 :], dtype=int))

    def _equations(
        self,
        unknowns: list[tuple[int, int, int]],
        policies: list[list[list[Any]]],
        values: list[list[Any]],
    ) -> tuple[list[Any], list[list[Any]]]:
        """The errors of the equations, and their Jacobian. Equations: Q = V for each unknown
        probability, then a sum for each player and state; unknowns: the probabilities, then V."""
        num_states = self.game.num_states
        place = {unknown: k for k, unknown in enumerate(unknowns)}
        size = len(unknowns) + self.game.num_players * num_states
        zero, one = flint.arb(0), flint.arb(1)
        errors = [zero] * size
        jacobian = [[zero] * size for _ in range(size)]
        used: dict[tuple[int, int], list[int]] = {}
        for i, s, a in unknowns:
            used.setdefault((i, s), []).append(a)
        for (i, s), actions in used.items():
            total = len(unknowns) + i * num_states + s
            errors[total] = sum((policies[i][s][a] for a in actions), zero) - 1
            for a in actions:
                k = place[i, s, a]
                errors[k] = -values[i][s]
                jacobian[k][total] = -one
                jacobian[total][k] = one
            self._add_worth(i, s, actions, policies, values, place, errors, jacobian)
        return errors, jacobian

    def _add_worth(
        self,
        i: int,
        s: int,
        actions: list[int],
        policies: list[list[list[Any]]],
        values: list[list[Any]],
        place: dict[tuple[int, int, int], int],
        errors: list[Any],
        jacobian: list[list[Any]],
    ) -> None:
        """Q of player `i` in state `s`, into the rows of its actions."""
        start = len(place) + i * self.game.num_states
        stride = self._stride(i)
        others = [j for j in range(self.game.num_players) if j != i]
        for joint, chances in self._others(i, s, policies):
            chance = _product(chances)
            without = [
                (place[j, s, joint[j]], _product(chances[:j] + chances[j + 1 :])) for j in others
            ]
            first = self._number(joint)
            for a in actions:
                k = first + a * stride
                row = place[i, s, a]
                worth = self._pay_and_follow(i, s, k, values)
                errors[row] += chance * worth
                for column, factor in without:
                    jacobian[row][column] += factor * worth
                for after, p in self.moves[s][k]:
                    jacobian[row][start + after] += self.discounts[i] * chance * p


def _product(factors: Sequence[Any]) -> Any:
    result = flint.arb(1)
    for factor in factors:
        result *= factor
    return result


def _column(entries: Sequence[Any]) -> Any:
    return flint.arb_mat([[entry] for entry in entries])
