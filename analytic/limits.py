r"""Noise that vanishes, together with a discount that goes to one.

At a fixed discount the value is continuous in the policies, so there noise may simply be left out. Where
the discount goes to one first, at a fixed noise, and the noise vanishes afterwards, it decides which
of the recurrent classes of the chain without noise is visited how often, and the limit is another one
in general.

Both are computed exactly from leading terms. With $\delta = 1 - g$ and the noise $\varepsilon$, every number of the
subtraction-free elimination is positive, and of positive numbers the leading term (the coefficient,
and the powers of $\delta$ and $\varepsilon$, the one infinitely smaller than every power of the other) of a sum,
product or quotient depends on their leading terms alone.

Source: Young (1993), Econometrica 61, 57 (stochastic stability); Wicks and Greenwald (2005), UAI (by
algebra on orders and coefficients); the elimination is that of `elimination`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import flint

from resolvent.analytic.chain import chain_of, fraction, support, transitions
from resolvent.analytic.elimination import elimination_order, factorise, solve_left
from resolvent.analytic.long_run import long_run
from resolvent.games import DynamicGame, check_policies, exact
from resolvent.games.rational import entries, shorten

_ORDERS = ("discount_first", "noise_first")


class Germ:
    """The leading term c x^a y^b of a positive number, or zero; x is infinitely smaller than every power
    of y, and y is infinitely small.

    **Attributes:**

    - `coefficient`: c, a positive `fmpq`, or 0.
    - `order`: (a, b); of two numbers the one with the smaller order (in the order of words) is
        infinitely larger.
    """

    __slots__ = ("coefficient", "order")

    coefficient: Any
    order: tuple[int, int]

    def __init__(self, coefficient: Any, order: tuple[int, int] = (0, 0)) -> None:
        self.coefficient = coefficient
        self.order = order

    def __add__(self, other: Germ) -> Germ:
        if self.coefficient == 0:
            return other
        if other.coefficient == 0 or self.order < other.order:
            return self
        if other.order < self.order:
            return other
        return Germ(self.coefficient + other.coefficient, self.order)

    def __mul__(self, other: Germ) -> Germ:
        (a, b), (c, d) = self.order, other.order
        return Germ(self.coefficient * other.coefficient, (a + c, b + d))

    def __truediv__(self, other: Germ) -> Germ:
        (a, b), (c, d) = self.order, other.order
        return Germ(self.coefficient / other.coefficient, (a - c, b - d))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Germ):
            same = self.coefficient == other.coefficient
            return same and (self.order == other.order or self.coefficient == 0)
        return self.coefficient == other and (self.coefficient == 0 or self.order == (0, 0))

    def __repr__(self) -> str:
        return f"Germ({self.coefficient}, {self.order})"

    @property
    def limit(self) -> Any:
        """What the number goes to."""
        if self.coefficient == 0 or self.order > (0, 0):
            return flint.fmpq(0)
        if self.order < (0, 0):
            raise ArithmeticError(f"{self} goes to infinity")
        return self.coefficient


def average(
    game: DynamicGame,
    policies: Sequence[Any],
    trembling: object = None,
    order: str | None = None,
) -> tuple[Fraction, ...]:
    """The limit of the per-round values as the discount goes to one, with or without noise.

    **Arguments:**

    - `game`: any game without symbols. Its discounts play no part.
    - `policies`: exact ones, `(O_i, A_i)` per player.
    - `trembling`: the noise.
        - `None`: there is none.
        - A number e in (0, 1), as [`resolvent.games.exact`][] reads it: each row of each policy becomes
            (1 - e) times itself plus e times the uniform distribution, and e stays.
        - `"uniform"`, or a joint policy tau: the same with tau in the place of the uniform distribution,
            and e goes to 0.
    - `order`: which limit is taken first where the noise vanishes. `"discount_first"` (the default):
        the discount goes to one at a fixed noise, then the noise vanishes. `"noise_first"`: the other
        way round, which is the limit without noise.

    **Returns:** one `Fraction` per player.

    **Raises:** `ValueError` for policies or a tau that do not fit, a number outside (0, 1), an unknown
    order, an order without a noise that vanishes, or symbols left in the game; `TypeError` for what is
    none of these kinds of noise.
    """
    checked = check_policies(game, policies, exact=True)
    tau = _vanishing(game, trembling)
    if tau is None:
        if order is not None:
            raise ValueError(
                f'order: only for noise that vanishes (trembling="uniform" or a joint policy); got {shorten(order)}'
            )
        fixed = checked if trembling is None else _mixed(game, checked, _noise(trembling))
        return tuple(Fraction(own) for own in long_run(game, fixed).averages)
    if order is not None and order not in _ORDERS:
        raise ValueError(f"order: expected one of {_ORDERS}, got {shorten(order)}")
    without_noise = long_run(game, checked)
    if order == "noise_first" or len(without_noise.classes) == 1:
        # At a fixed discount the values are continuous in the policies. And so is the distribution of
        # the long run where it is the only one that the chain keeps.
        return tuple(Fraction(own) for own in without_noise.averages)
    shares = stochastically_stable(game, checked, tau)
    rewards = chain_of(game, checked).rewards
    return tuple(
        fraction(sum((p * r for p, r in zip(shares, own, strict=True)), flint.fmpq(0)))
        for own in rewards
    )


def stochastically_stable(
    game: DynamicGame, policies: Sequence[Any], tau: Sequence[Any], noise_first: bool = False
) -> tuple[Any, ...]:
    """The share of rounds in each state as the discount goes to one and (1 - e) `policies` + e `tau`
    loses its noise, `(S,)` in `fmpq`: sums to one.

    It depends on where play begins only where `tau` does not lead from each class to the others.
    """
    dying, slip = ((0, 1), (1, 0)) if noise_first else ((1, 0), (0, 1))

    def constant(value: Any) -> Germ:
        return Germ(flint.fmpq(value.numerator, value.denominator))

    def leading(p: Fraction, q: Fraction) -> Germ:
        return constant(p) if p else Germ(constant(q).coefficient, slip)

    noisy = [
        [[leading(p, q) for p, q in zip(*rows, strict=True)] for rows in zip(*pair, strict=True)]
        for pair in zip(policies, tau, strict=True)
    ]
    moves = transitions(game, noisy, constant)
    one, delta = constant(Fraction(1)), Germ(flint.fmpq(1), dying)
    edges = support(moves)
    sequence = elimination_order(edges, [range(game.num_states)])
    # The leading term of g = 1 - delta is 1.
    factor = factorise({(s, t): moves[s][t] for s, t in edges}, sequence, one, delta, one)
    source = {s: delta * constant(p) for s, p in enumerate(game.initial_distribution)}
    visits = solve_left(factor, source)
    return tuple(visits[s].limit for s in range(game.num_states))


def _vanishing(game: DynamicGame, trembling: object) -> Sequence[Any] | None:
    """The joint policy of a noise that vanishes; None for no noise and for one that stays."""
    if isinstance(trembling, str) and trembling == "uniform":
        return _uniform(game)
    tau = entries(trembling)
    if tau is not None:
        try:
            return check_policies(game, tau, exact=True)
        except ValueError as error:
            raise ValueError(f"trembling, as a joint policy: {error}") from None
    return None


def _noise(trembling: object) -> Fraction:
    number = exact(trembling, 'trembling (a number in (0, 1), "uniform" or a joint policy)')
    if not isinstance(number, Fraction) or not 0 < number < 1:
        raise ValueError(
            f'trembling: expected a number in (0, 1), "uniform" or a joint policy; got {number}'
        )
    return number


def _uniform(game: DynamicGame) -> list[list[list[Fraction]]]:
    return [[[Fraction(1, count)] * count] * rows for rows, count in game.policy_shapes]


def _mixed(
    game: DynamicGame, policies: Sequence[Any], noise: Fraction
) -> list[list[list[Fraction]]]:
    return [
        [[(1 - noise) * p + noise / count for p in row] for row in own]
        for own, (_, count) in zip(policies, game.policy_shapes, strict=True)
    ]
