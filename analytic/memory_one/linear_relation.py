r"""Linear relations between values, $\sum_j w_j V_j + c = 0$ per round, and how they are named.

$s\,(V_x - l) = V_y - l$ is the relation of slope $s$ and baseline $l$. Source: Press and Dyson (2012), PNAS
109, 10409; the form with slope and baseline, and its names, of Hilbe, Nowak and Traulsen (2013), PLoS
ONE 8, e77886, and Hilbe, Traulsen and Sigmund (2015), Games Econ. Behav. 92, 41.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from resolvent.games import DynamicGame, IteratedGame, NormalForm, exact
from resolvent.games.rational import exact_array, shorten


@dataclass(frozen=True)
class LinearRelation:
    r"""$\sum_j w_j V_j + c = 0$ between the per-round values of the players. A multiple is the same
    relation; it prints as a line where it is one, `V_1 - 1 = 3 (V_2 - 1)`.

    **Attributes:**

    - `weights`: $w_j$, one `Fraction` per player.
    - `constant`: $c$, a payoff times a weight.

    Numbers are read as [`resolvent.games.exact`][] reads them. **Raises:** `ValueError` where all weights
    are 0: that relates nothing.
    """

    weights: tuple[Fraction, ...]
    constant: Fraction

    def __init__(self, weights: Sequence[Any], constant: object = 0) -> None:
        read: Any = exact_array(weights, "weights", depth=1)
        numbers = [number(own, f"weights[{j}]") for j, own in enumerate(read)]
        if not any(numbers):
            raise ValueError("weights: expected one that is not 0; got only zeros")
        object.__setattr__(self, "weights", tuple(numbers))
        object.__setattr__(self, "constant", number(constant, "constant"))

    @classmethod
    def line(
        cls,
        slope: object,
        baseline: object,
        player: int = 0,
        others: Sequence[Any] | None = None,
        *,
        num_players: int = 2,
    ) -> LinearRelation:
        r"""$s\,(V_x - l) = V_y - l$.

        **Arguments:**

        - `slope`: $s$. 1 is fair, 0 fixes $V_y = l$, in between the player $x$ gets a fixed multiple of
            the other's surplus over the baseline, or of its loss.
        - `baseline`: $l$, a payoff per round.
        - `player`: $x$, from 0.
        - `others`: how $V_y$ is made up: one weight per player, 0 for $x$, of sum 1. Default: the mean of
            all the others.
        - `num_players`: where `others` does not say.
        """
        s, low = number(slope, "slope"), number(baseline, "baseline")
        mean = mean_of_others(player, others, num_players)
        return cls([s * (j == player) - w for j, w in enumerate(mean)], (1 - s) * low)

    @classmethod
    def equalizer(
        cls,
        value: object,
        player: int = 0,
        others: Sequence[Any] | None = None,
        *,
        num_players: int = 2,
    ) -> LinearRelation:
        """The other's value (the others' mean) is `value`, whatever it does; arguments as of `line`."""
        return cls.line(0, value, player, others, num_players=num_players)

    @classmethod
    def extortion(
        cls,
        game: NormalForm | IteratedGame,
        factor: object,
        player: int = 0,
        others: Sequence[Any] | None = None,
    ) -> LinearRelation:
        r"""$V_x - P_x = \chi\,(V_y - P_y)$: a surplus over mutual defection `factor` $\chi$ times the
        other's (or the others' mean). The **last** action of each player is its defection.

        **Arguments:** the `game`, for P; the `factor`, other than 0; the rest as of `line`.
        """
        return cls._through(game, -1, factor, player, others)

    @classmethod
    def generous(
        cls,
        game: NormalForm | IteratedGame,
        factor: object,
        player: int = 0,
        others: Sequence[Any] | None = None,
    ) -> LinearRelation:
        r"""$V_x - R_x = \chi\,(V_y - R_y)$: a loss below mutual cooperation `factor` $\chi$ times the other's
        (or the others' mean). The **first** action of each player is its cooperation.

        **Arguments:** as of `extortion`.
        """
        return cls._through(game, 0, factor, player, others)

    @classmethod
    def fair(
        cls, player: int = 0, others: Sequence[Any] | None = None, *, num_players: int = 2
    ) -> LinearRelation:
        """$V_x = V_y$; arguments as of `line`."""
        return cls.line(1, 0, player, others, num_players=num_players)

    @classmethod
    def _through(
        cls,
        game: NormalForm | IteratedGame,
        action: int,
        factor: object,
        player: int,
        others: Sequence[Any] | None,
    ) -> LinearRelation:
        chi = number(factor, "factor")
        if chi == 0:
            raise ValueError("factor: expected a number other than 0; got 0")
        stage = game.stage if isinstance(game, IteratedGame) else game
        if not isinstance(stage, NormalForm):
            raise TypeError(f"game: expected an IteratedGame or a NormalForm; got {shorten(game)}")
        mean = mean_of_others(player, others, stage.num_players)
        weights = [(j == player) - chi * w for j, w in enumerate(mean)]
        point = [_corner(own, action) for own in stage.payoffs]
        return cls(weights, -sum((w * u for w, u in zip(weights, point, strict=True)), Fraction(0)))

    @property
    def coefficients(self) -> tuple[Fraction, ...]:
        """The weights and the constant, in one tuple."""
        return (*self.weights, self.constant)

    @property
    def canonical(self) -> LinearRelation:
        """The multiple of coprime integers whose first weight other than 0 is positive."""
        common = lcm(*(c.denominator for c in self.coefficients))
        integers = [int(c * common) for c in self.coefficients]
        scale = gcd(*integers) * (1 if next(filter(None, integers)) > 0 else -1)
        *weights, constant = (Fraction(c, scale) for c in integers)
        return LinearRelation(weights, constant)

    @property
    def baseline(self) -> Fraction | None:
        """The payoff that all would get if all got the same; None where the weights sum to 0."""
        total = sum(self.weights)
        return -self.constant / total if total else None

    def slope(self, player: int = 0) -> Fraction | None:
        r"""$s$ of $s\,V_x + c = V_y$ with $V_y$ the others' weighted mean: the weight of `player` over
        minus that of all others together; None where those sum to 0."""
        rest = sum(self.weights) - self.weights[player]
        return -self.weights[player] / rest if rest else None

    def residual(self, values: Sequence[Any]) -> Any:
        """The left hand side at given values, one number or expression per player: 0 where the
        relation holds."""
        return sum((w * v for w, v in zip(self.weights, values, strict=True)), 0) + self.constant

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Whether exact values satisfy it."""
        return self.residual(values) == 0

    def equivalent(self, other: LinearRelation) -> bool:
        """Whether the other is a multiple of this one, and so says the same."""
        return self.canonical == other.canonical

    def __str__(self) -> str:
        own = self.canonical
        present = [j for j, w in enumerate(own.weights) if w]
        if len(present) == 1:
            (j,) = present
            return f"V_{j + 1} = {-own.constant / own.weights[j]}"
        if len(present) > 2:
            terms = [(w, f"V_{j + 1}") for j, w in enumerate(own.weights)]
            return f"{_sum(terms)} = {-own.constant}"
        first, second = sorted(present, key=lambda j: abs(own.weights[j]))
        ratio = -own.weights[second] / own.weights[first]
        if self.baseline is None:
            shift = -own.constant / own.weights[first]
            return f"V_{first + 1} = {_sum([(ratio, f'V_{second + 1}'), (shift, '')])}"
        left, right = (_less(f"V_{j + 1}", self.baseline) for j in (first, second))
        if ratio == 1:
            return f"{left} = {right}"
        right = right if self.baseline == 0 else f"({right})"
        if ratio == -1:
            return f"{left} = -{right}"
        return f"{left} = {ratio if ratio.denominator == 1 else f'({ratio})'} {right}"


def number(value: object, name: str) -> Fraction:
    """Read a number that is not a symbol."""
    result = exact(value, name)
    if not isinstance(result, Fraction):
        raise ValueError(f"{name}: expected a number; got {result}")
    return result


def outcome_payoffs(game: DynamicGame) -> list[tuple[Fraction, ...]]:
    """The payoffs of everybody at each thing that can happen: per state and joint action that differ."""
    found: dict[tuple[Any, ...], None] = {}
    for rows in zip(*game.rewards, strict=True):
        found.update(dict.fromkeys(zip(*rows, strict=True)))
    return list(found)


def mean_of_others(player: int, others: Sequence[Any] | None, num_players: int) -> list[Fraction]:
    """The weights of V_y."""
    if others is None:
        if not 0 <= player < num_players:
            raise ValueError(f"player: expected one from 0 to {num_players - 1}; got {player}")
        return [Fraction(int(j != player), num_players - 1) for j in range(num_players)]
    read: Any = exact_array(others, "others", depth=1)
    weights = [number(own, f"others[{j}]") for j, own in enumerate(read)]
    if not 0 <= player < len(weights):
        raise ValueError(f"player: expected one from 0 to {len(weights) - 1}; got {player}")
    if weights[player] != 0 or sum(weights) != 1:
        raise ValueError(
            f"others: expected weights of sum 1 with 0 for player {player}; got {shorten(others)}"
        )
    return weights


def _corner(payoffs: Any, action: int) -> Fraction:
    """The payoff where everybody plays its first (0) or last (-1) action."""
    while isinstance(payoffs, tuple):
        payoffs = payoffs[action]
    return number(payoffs, "payoffs")


def _less(name: str, low: Fraction) -> str:
    return name if low == 0 else f"{name} - {low}" if low > 0 else f"{name} + {-low}"


def _sum(terms: Sequence[tuple[Fraction, str]]) -> str:
    """The sum of numbers times names, as one writes it."""
    text = ""
    for factor, name in terms:
        if factor == 0:
            continue
        size = f"{abs(factor)} {name}".strip() if abs(factor) != 1 or not name else name
        sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
        text += sign + size
    return text or "0"
