r"""Rigorous balls around the values, at any precision.

For any numbers $w$ whatever, and the discounted share of rounds $d_s$ of each state,

$$ V = (1-g)\, p_0' w + \sum_s d_s x_s, \qquad
   x_s = \sum_k \Pr(k \mid s) \bigl(u(s, k) + g\, \mathrm{E}[w \mid s, k] - w_s\bigr), $$

and $d$ is a distribution, so that the sum lies between the least and the greatest $x_s$. With $w$ an approximate
solution of the linear system the $x_s$ are small. That system is solved without any care for errors;
the ball is proven by the formula, which costs no more than a product, and it is of first order in the
width of the policies where these are balls themselves.

Source: the performance difference lemma (Kakade and Langford 2002, ICML) and the bounds of MacQueen
(1966), J. Math. Anal. Appl. 14, 38. The balls are those of Arb (Johansson 2017, IEEE Trans. Computers
66, 1281).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

import flint
import numpy as np

from resolvent.analytic import exact
from resolvent.analytic.chain import (
    Chain,
    Converter,
    Row,
    joint_rows,
    rational,
    require_numbers,
    successors,
    support,
)
from resolvent.analytic.elimination import elimination_order, factorise, solve_left
from resolvent.games import DynamicGame, check_policies
from resolvent.games import exact as read
from resolvent.games.rational import entries, shorten

LARGEST_REDUCED = 64
"""Up to so many states a ball for the share of each state is computed too, where policies are balls."""


def enclose(game: DynamicGame, policies: Sequence[Any], bits: int = 53) -> tuple[flint.arb, ...]:
    """A ball that contains the per-round value, for each player.

    **Arguments:**

    - `game`: any game without symbols.
    - `policies`: one `(O_i, A_i)` policy per player:
        - exact rows that sum to exactly one;
        - floats, taken as the binary numbers that they are but for the last of a row, which is one
            minus the others (where these exceed one by rounding it is 0, and they are divided by
            their sum);
        - rows with `flint.arb` balls among them: the result holds for every policy with entries in
            the balls and rows that sum to one.
    - `bits`: the relative accuracy asked for, in bits.

    **Returns:** one `flint.arb` per player. Exact and float policies get balls of the accuracy asked for
    (exactly 0 where a value is 0), at a working precision that doubles until they do. For policies
    that are balls it is reached only if their width allows; otherwise the ball is what the width
    gives. FLINT's own precision is left as it was.

    **Raises:** `ValueError` for policies that do not fit (of balls: none in [0, 1], rows that cannot
    sum to one), `bits` that is not an integer from 2 up, or symbols left in the game.
    """
    if isinstance(bits, bool) or not isinstance(bits, int) or bits < 2:
        raise ValueError(f"bits: expected an integer from 2 up, got {bits!r}")
    require_numbers(game)
    if _has_balls(policies):
        return _as_far_as_it_goes(game, _check_balls(game, policies), bits)
    checked: tuple[Any, ...] = check_policies(game, policies)
    if isinstance(checked[0], np.ndarray):
        checked = tuple([_completed(row) for row in own.tolist()] for own in checked)
    return _to_accuracy(game, checked, bits)


def _to_accuracy(game: DynamicGame, policies: Sequence[Any], bits: int) -> tuple[flint.arb, ...]:
    """Exact policies: raise the precision until it is enough."""
    precision = bits + 64
    while True:
        balls = _enclosed(game, policies, precision)
        if _accurate(balls, bits):
            return balls
        if precision > 4 * bits and any(ball.contains(0) for ball in balls):
            # A value that no precision tells from zero probably is.
            values = exact.values(game, policies)
            with flint.ctx.workprec(bits + 8):
                return tuple(flint.arb(rational(value)) for value in values)
        precision *= 2


def _as_far_as_it_goes(
    game: DynamicGame, policies: Sequence[Any], bits: int
) -> tuple[flint.arb, ...]:
    """Balls: raise the precision as long as that helps."""
    precision = bits + 64
    balls = _enclosed(game, policies, precision, wide=True)
    while not _accurate(balls, bits):
        precision *= 2
        finer = _enclosed(game, policies, precision, wide=True)
        pairs = zip(finer, balls, strict=True)
        if not any(float(new.rad()) < 0.9 * float(old.rad()) for new, old in pairs):
            return finer
        balls = finer
    return balls


def _accurate(balls: Sequence[flint.arb], bits: int) -> bool:
    return all(ball == 0 or ball.rel_accuracy_bits() >= bits for ball in balls)


def total(terms: Iterable[flint.arb], zero: flint.arb) -> flint.arb:
    """The sum, a ball also where there is nothing to sum."""
    return reduce(add, terms, zero)


# One enclosure.


@dataclass(frozen=True)
class _Setting:
    """A game at a joint policy in balls: what can be realised in each state that is reached."""

    game: DynamicGame
    convert: Converter
    states: tuple[int, ...]
    joint: list[list[tuple[int, flint.arb]]]
    chain: Chain

    def ahead(self, state: int, k: int, worth: dict[int, flint.arb]) -> flint.arb:
        """The expected `worth` of what follows a joint action."""
        branch = self.game.branches[state][k]
        if len(branch) == 1:
            return worth[branch[0][0]]
        return total((self.convert(chance) * worth[t] for t, chance in branch), self.convert.zero)


def _enclosed(
    game: DynamicGame, policies: Sequence[Any], precision: int, wide: bool = False
) -> tuple[flint.arb, ...]:
    with flint.ctx.workprec(precision):
        setting = _setting(game, policies)
        results: list[flint.arb] = [setting.convert.zero] * game.num_players
        shared = exact.by_discount(game.discounts)
        for discount, players in shared:
            g = setting.convert(discount)
            delta = setting.convert(1 - discount)
            worth = _approximate(setting, g, players)
            shares = _shares(setting, g, delta) if wide else None
            for player, own in zip(players, worth, strict=True):
                by_state = dict(zip(setting.states, own, strict=True))
                rest = _remainder(setting, player, g, by_state, shares)
                begun = zip(setting.chain.initial, own, strict=True)
                mean = total((p * w for p, w in begun), setting.convert.zero)
                results[player] = delta * mean + rest
        return tuple(results)


def _setting(game: DynamicGame, policies: Sequence[Any]) -> _Setting:
    convert = Converter(lambda value: flint.arb(rational(value)))
    joint = list(joint_rows(game, policies, convert))
    moves: list[Row] = [
        successors(branches, own, convert)
        for branches, own in zip(game.branches, joint, strict=True)
    ]
    everything = Chain(
        tuple(game.states), tuple(convert.row(game.initial_distribution)), tuple(moves), (), ()
    )
    states = everything.reachable()
    chain = everything.restricted(states)
    return _Setting(game, convert, states, [joint[s] for s in states], chain)


def _approximate(setting: _Setting, g: flint.arb, players: Sequence[int]) -> list[list[flint.arb]]:
    """The discounted sums from each state, per player, somehow: numbers without a radius.

    Midpoints of wide rows need not sum to one, and are made to.
    """
    size, zero = len(setting.states), setting.convert.zero
    matrix = flint.arb_mat(size, size)
    right = flint.arb_mat(size, len(players))
    described = zip(setting.states, setting.joint, setting.chain.moves, strict=True)
    for s, (state, joint, row) in enumerate(described):
        share = (1 / total((p.mid() for _, p in joint), zero)).mid()
        for t, p in row.items():
            matrix[s, t] = -(g * share * p).mid()
        matrix[s, s] = (matrix[s, s] + 1).mid()
        for column, player in enumerate(players):
            pays = setting.convert.row(setting.game.rewards[player][state])
            right[s, column] = (share * total((p * pays[k] for k, p in joint), zero)).mid()
    solution = matrix.solve(right, algorithm="approx")
    return [[solution[s, column].mid() for s in range(size)] for column in range(len(players))]


def _remainder(
    setting: _Setting,
    player: int,
    g: flint.arb,
    worth: dict[int, flint.arb],
    shares: Sequence[flint.arb] | None,
) -> flint.arb:
    """The sum of d_s x_s: between the least and the greatest x_s, and by balls for d_s if given."""
    gaps = []
    for state, joint in zip(setting.states, setting.joint, strict=True):
        pays = setting.convert.row(setting.game.rewards[player][state])
        gains = (
            p * (pays[k] + g * setting.ahead(state, k, worth) - worth[state]) for k, p in joint
        )
        gaps.append(total(gains, setting.convert.zero))
    between = reduce(lambda x, y: x.union(y), gaps)
    if shares is None:
        return between
    weighted = total((d * x for d, x in zip(shares, gaps, strict=True)), setting.convert.zero)
    return between.intersection(weighted) if weighted.is_finite() else between


def _shares(setting: _Setting, g: flint.arb, delta: flint.arb) -> list[flint.arb] | None:
    """Balls for the discounted share of rounds in each state, by the elimination without
    subtractions, which keeps them from growing."""
    size = len(setting.states)
    if size > LARGEST_REDUCED:
        return None
    moves = setting.chain.moves
    edges = support(moves)
    order = elimination_order(edges, [range(size)])
    one = setting.convert(Fraction(1))
    factor = factorise({(s, t): moves[s][t] for s, t in edges}, order, g, delta, one)
    visits = solve_left(factor, {s: delta * p for s, p in enumerate(setting.chain.initial)})
    unit = flint.arb(0.5, 0.5)
    return [visits[s].intersection(unit) if visits[s].is_finite() else unit for s in range(size)]


# Policies.


def _completed(row: Sequence[float]) -> list[Fraction]:
    """Binary numbers, with the last one minus the others."""
    others = [Fraction(p) for p in row[:-1]]
    mass = sum(others, Fraction(0))
    return [*(p / mass for p in others), Fraction(0)] if mass > 1 else [*others, 1 - mass]


def _has_balls(node: Any) -> bool:
    children = entries(node)
    if children is None:
        return isinstance(node, flint.arb)
    return any(_has_balls(child) for child in children)


def _check_balls(game: DynamicGame, policies: Sequence[Any]) -> list[list[list[Any]]]:
    players = entries(policies)
    if players is None or len(players) != game.num_players:
        got = shorten(policies) if players is None else str(len(players))
        raise ValueError(
            f"policies must hold one policy per player ({game.num_players}); got {got}"
        )
    checked = []
    for player, (own, shape) in enumerate(zip(players, game.policy_shapes, strict=True)):
        rows = [entries(row) for row in entries(own) or ()]
        if len(rows) != shape[0] or any(row is None or len(row) != shape[1] for row in rows):
            raise ValueError(
                f"policies[{player}] must have shape (observations, actions) = {tuple(shape)}"
            )
        checked.append(
            [
                _check_ball_row(row or (), f"policies[{player}] at {label}")
                for row, label in zip(rows, game.observations[player], strict=True)
            ]
        )
    return checked


def _check_ball_row(row: Sequence[Any], where: str) -> list[Any]:
    """Balls stay balls, cut to [0, 1], and numbers exact."""
    unit = flint.arb(0.5, 0.5)
    checked: list[Any] = []
    for entry in row:
        if not isinstance(entry, flint.arb):
            number = Fraction(entry) if isinstance(entry, float) else read(entry, where)
            if not isinstance(number, Fraction) or not 0 <= number <= 1:
                raise ValueError(f"{where} must be balls or numbers in [0, 1]; got {entry}")
            checked.append(number)
        elif not entry.is_finite() or not entry.overlaps(unit):
            raise ValueError(f"{where} must be balls that meet [0, 1]; got {entry}")
        else:
            checked.append(entry if unit.contains(entry) else entry.intersection(unit))
    numbers = sum((entry for entry in checked if isinstance(entry, Fraction)), Fraction(0))
    balls = [entry for entry in checked if not isinstance(entry, Fraction)]
    whole = total(balls, flint.arb(rational(numbers)))
    if not (whole.contains(1) if balls else numbers == 1):
        raise ValueError(
            f"{where} must be balls whose sum contains 1; got {', '.join(map(str, row))}"
        )
    return checked
