r"""Two-point play: the conditions under which switching between two actions enforces a relation.

Let $W(a, k) = \sum_j w_j u_j(a, k) + c$ for the own action $a$ and the others' joint action $k$. A relation is
enforced by keeping a *target*, the value that $(1-g) \sum_t g^t W$ is to have from here on whatever the
others do: after $k$ the target $x$ becomes $(x - (1-g) W(a, k)) / g$. The targets that can be kept are an
interval $[L, H]$ around 0, each a chance of its ends. At L play `low`, at H play `high`, each an action or a
mixture $b$ with $W(b, k) = \sum_a b_a W(a, k)$; the new target is again between L and H if and only if

$$ (L - gH) \le (1-g) W(low, k), \quad W(low, k) \le L \le 0 \le H \le W(high, k), \quad
   (1-g) W(high, k) \le H - gL. $$

L = max W(low, .) and H = min W(high, .) are the best choice, so that two actions enforce it at the discounts

$$ g \ge \max\Big\{ \frac{\max W(low) - \min W(low)}{\min W(high) - \min W(low)},\;
   \frac{\max W(high) - \min W(high)}{\max W(high) - \max W(low)} \Big\}, \qquad
   \max W(low) \le 0 \le \min W(high). $$

An own action played at one of the ends only shows which end it was, and then memory one is enough: with
$\phi = (1-g)/(H-L)$ and $\pi$ the chance to begin at H, the chance to go on at H is

$$ p_H(a, k) = \big([a \in high] - (1-g)\pi - \phi\, W(\cdot, k)\big) / g. $$

Source: the two actions: McAvoy and Hauert (2016), PNAS 113, 3573 (autocratic strategies); discounted
thresholds: Ichinose and Masuda (2018), J. Theor. Biol. 438, 61, and Govaert and Cao (2021). That the
condition, over mixtures, is necessary for strategies of any memory is shown in the docs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import permutations, product

from resolvent.analytic.memory_one.exact_lp import Vector, feasible, least_cost

ZERO, ONE = Fraction(0), Fraction(1)

Table = tuple[Vector, ...]
"""`W[a][k]`."""

Freedom = tuple[tuple[Fraction, Fraction], ...]
"""The vertices of a polygon of pairs (phi, chance to begin at high)."""


@dataclass(frozen=True)
class TwoPoint:
    """Two actions or mixtures to switch between, and what they pay in the relation.

    **Attributes:**

    - `low`, `high`: distributions over the own actions.
    - `pays_low`, `pays_high`: W of each at each joint action of the others.
    """

    low: Vector
    high: Vector
    pays_low: Vector
    pays_high: Vector

    @property
    def signed(self) -> bool:
        """Whether W(low, .) <= 0 <= W(high, .): the condition of the limit g -> 1."""
        return max(self.pays_low) <= 0 <= min(self.pays_high)

    @cached_property
    def threshold(self) -> Fraction | None:
        """The least discount, attained where it is below 1; 1 where only the limit is left; None where
        no discount is enough."""
        if not self.signed:
            return None
        bottom, low = min(self.pays_low), max(self.pays_low)
        high, top = min(self.pays_high), max(self.pays_high)
        first = (low - bottom) / (high - bottom) if low > bottom else ZERO
        second = (top - high) / (top - low) if top > high else ZERO
        return max(first, second)

    def works(self, discount: Fraction) -> bool:
        """Whether switching between them enforces the relation at a discount; at 1, in the limit."""
        if discount == 1:
            return self.signed
        return self.threshold is not None and self.threshold <= discount

    def freedom(self, g: Fraction) -> Freedom:
        """All pairs (phi, chance to begin at `high`) with which it does: a convex polygon. For W that is
        not 0 throughout; g = 1 for the limit, where phi = 0 is a side that does not belong to it."""
        bounds = [-1 / w for w in self.pays_low if w < 0] + [1 / w for w in self.pays_high if w > 0]
        cap = min(bounds)
        area = [(ZERO, ZERO), (cap, ZERO), (cap, ONE), (ZERO, ONE)]
        for own, pays in ((ZERO, self.pays_low), (ONE, self.pays_high)):
            for w in pays:
                area = _clip(area, (w, 1 - g, own))  # p_H >= 0
                area = _clip(area, (-w, g - 1, g - own))  # p_H <= 1
        return tuple(dict.fromkeys(area))


def pure_pairs(table: Table) -> list[TwoPoint]:
    """All pairs of different actions, both ways round."""
    units = [_unit(a, len(table)) for a in range(len(table))]
    return [
        TwoPoint(units[a], units[b], table[a], table[b])
        for a, b in permutations(range(len(table)), 2)
    ]


def mixed_pairs(table: Table, discount: Fraction) -> list[TwoPoint]:
    """For each way to divide the actions into some for `low` and the rest for `high`, mixtures that work
    at the discount, where there are any."""
    found = []
    for sides in product((False, True), repeat=len(table)):
        low = [a for a, side in enumerate(sides) if not side]
        high = [a for a, side in enumerate(sides) if side]
        if not low or not high:
            continue
        ends = _mixtures(table, low, high, discount)
        if ends is not None:
            found.append(two_point(table, *ends))
    return found


def least_discount(table: Table, low: Sequence[int], high: Sequence[int]) -> Fraction | None:
    """The least discount at which mixtures of the actions `low` and of the actions `high` enforce the
    relation; 1 where only the limit is left, None where nothing is.

    With $d = g (H - L) / (1 - g)$ the conditions are linear, and so is the ratio $d / (H - L) = g / (1-g)$ to be
    minimised once everything is divided by $H - L$ (Charnes and Cooper 1962).
    """
    matrix, right = _conditions(table, low, high, None)
    width = len(low) + len(high) + 3
    ratio = least_cost(_unit(width - 1, width), matrix, right)
    if ratio is not None:
        return ratio / (1 + ratio)
    limit = _mixtures(table, low, high, ONE)
    return None if limit is None else ONE


def constant_mixture(table: Table) -> Vector | None:
    """A mixture b with W(b, .) = 0, to be played for ever: it enforces the relation at every discount."""
    rows = [list(column) for column in zip(*table, strict=True)]
    rows += [[-w for w in row] for row in rows]
    total = [ONE] * len(table)
    right = [ZERO] * len(rows)
    return feasible([*rows, total, [-ONE for _ in total]], [*right, ONE, -ONE])


def two_point(table: Table, low: Vector, high: Vector) -> TwoPoint:
    """Two mixtures with what they pay."""
    return TwoPoint(low, high, _pays(table, low), _pays(table, high))


def any_memory(table: Table, discount: Fraction) -> tuple[list[Vector], Vector]:
    """The conditions M x <= b on (mixture at L, mixture at H, -L, H), all of them >= 0, for a strategy of
    any memory to enforce the relation at a discount below 1."""
    everything = range(len(table))
    matrix, right = _conditions(table, everything, everything, discount)
    return matrix, right


def _mixtures(
    table: Table, low: Sequence[int], high: Sequence[int], discount: Fraction
) -> tuple[Vector, Vector] | None:
    """Mixtures of some actions and of others that work at a discount (at 1: in the limit)."""
    matrix, right = _conditions(table, low, high, discount)
    x = feasible(matrix, right)
    if x is None:
        return None
    bottom, top = [ZERO] * len(table), [ZERO] * len(table)
    for a, p in zip((*low,), x[: len(low)], strict=True):
        bottom[a] = p
    for a, p in zip((*high,), x[len(low) : len(low) + len(high)], strict=True):
        top[a] = p
    return tuple(bottom), tuple(top)


def _conditions(
    table: Table, low: Sequence[int], high: Sequence[int], discount: Fraction | None
) -> tuple[list[Vector], Vector]:
    """M x <= b for x = (mixture of low, of high, -L, H), or, without a discount, those over H - L and
    d over H - L as one more unknown."""
    scaled = discount is None
    count = len(low) + len(high)
    rows: list[Vector] = []
    right: list[Fraction] = []

    def require(first: Sequence[Fraction], second: Sequence[Fraction], ends: Vector) -> None:
        rows.append((*first, *second, *ends[: 3 if scaled else 2]))
        right.append(ZERO)

    none_low, none_high = [ZERO] * len(low), [ZERO] * len(high)
    for k in range(len(table[0])):
        at_low = [table[a][k] for a in low]
        at_high = [table[a][k] for a in high]
        require(at_low, none_high, (ONE, ZERO, ZERO))
        require(none_low, [-w for w in at_high], (ZERO, ONE, ZERO))
        if discount is None:
            require([-w for w in at_low], none_high, (-ONE, ZERO, -ONE))
            require(none_low, at_high, (ZERO, -ONE, -ONE))
        elif discount < 1:
            rest = 1 - discount
            require([-rest * w for w in at_low], none_high, (-ONE, -discount, ZERO))
            require(none_low, [rest * w for w in at_high], (-discount, -ONE, ZERO))
    sums = [([ONE] * len(low), none_high), (none_low, [ONE] * len(high))]
    if discount is None:
        # Both mixtures have the same sum, and H - L = 1.
        even = (*sums[0][0], *(-own for own in sums[1][1]), ZERO, ZERO, ZERO)
        width = (*(ZERO for _ in range(count)), ONE, ONE, ZERO)
        equations = [(even, ZERO), (width, ONE)]
    else:
        equations = [((*a, *b, ZERO, ZERO), ONE) for a, b in sums]
    for row, value in equations:
        rows += [row, tuple(-x for x in row)]
        right += [value, -value]
    return rows, tuple(right)


def _pays(table: Table, mixture: Vector) -> Vector:
    return tuple(
        sum((p * w for p, w in zip(mixture, column, strict=True)), ZERO)
        for column in zip(*table, strict=True)
    )


def _unit(index: int, size: int) -> Vector:
    return tuple(Fraction(int(k == index)) for k in range(size))


def _clip(
    area: list[tuple[Fraction, Fraction]], face: tuple[Fraction, Fraction, Fraction]
) -> list[tuple[Fraction, Fraction]]:
    """The part of a convex polygon with a x + b y <= c (Sutherland and Hodgman 1974)."""
    a, b, c = face
    kept: list[tuple[Fraction, Fraction]] = []
    for (x, y), (u, v) in zip(area, [*area[1:], *area[:1]], strict=True):
        here, there = a * x + b * y - c, a * u + b * v - c
        if here <= 0:
            kept.append((x, y))
        if here * there < 0:
            share = here / (here - there)
            kept.append((x + share * (u - x), y + share * (v - y)))
    return kept
