"""Exact evaluation: rational linear systems on the chain of a joint policy, by FLINT.

FLINT solves them by lifting p-adically (Dixon 1982, Numerische Mathematik 40, 137), for which rows
are scaled to integers first; 256 states and more take fractions of a second to seconds. All of it is
independent of the straight-line programs.

Values are per round, each player's in its own discount.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm, prod
from typing import Any

import flint

from resolvent.analytic.chain import (
    Converter,
    Row,
    chain_of,
    fraction,
    joint_rows,
    rational,
    successors,
)
from resolvent.games import DynamicGame

_ZERO = flint.fmpq(0)


def values(game: DynamicGame, policies: Sequence[Any]) -> tuple[Fraction, ...]:
    """The per-round value of each player.

    **Arguments:**

    - `game`: any game, without symbols.
    - `policies`: exact policies, checked: `(O_i, A_i)` `Fraction`s per player.

    **Returns:** one `Fraction` per player, (1 - g_i) times its discounted sum.
    """
    chain = chain_of(game, policies)
    chain = chain.restricted(chain.reachable())
    results: list[Fraction] = [Fraction(0)] * chain.num_players
    for discount, players in by_discount(chain.discounts):
        right = _columns([chain.rewards[i] for i in players])
        totals = _row(chain.initial) * solve(_dying(chain.moves, discount), right)
        for column, player in enumerate(players):
            results[player] = fraction((1 - discount) * totals[0, column])
    return tuple(results)


def occupancy(game: DynamicGame, policies: Sequence[Any], player: int = 0) -> tuple[Fraction, ...]:
    """The discounted share of rounds that are played from each state, `(S,)`; sums to one.

    **Arguments:** those of [`resolvent.analytic.exact.values`][], and the `player` whose discount it
    is.
    """
    chain = chain_of(game, policies)
    states = chain.reachable()
    inner = chain.restricted(states)
    discount = inner.discounts[player]
    source = [(1 - discount) * p for p in inner.initial]
    shares = [Fraction(0)] * chain.num_states
    for state, share in zip(states, solve_left(_dying(inner.moves, discount), source), strict=True):
        shares[state] = fraction(share)
    return tuple(shares)


def q_values(
    game: DynamicGame, policies: Sequence[Any], player: int
) -> tuple[tuple[Fraction, ...], ...]:
    """What each own action is worth to a player in each state when all play `policies` afterwards.

    **Arguments:** those of [`resolvent.analytic.exact.values`][], and the `player`.

    **Returns:** `(S, A_player)`, per round. The row is of the state, not of what the player sees of
    it: it says what the action would be worth if the player were there, which is what a test of
    subgame perfection asks. The action is the intended one; the player's hand may tremble too.
    """
    chain = chain_of(game, policies)
    size, count = chain.num_states, game.num_actions[player]
    discount = chain.discounts[player]
    dying = _dying(chain.moves, discount)
    worth = solve(dying, flint.fmpq_mat(size, 1, list(chain.rewards[player])))
    # The chain and the payoffs after each realised own action; row s count + a.
    convert, tremble = Converter(rational), game.trembles[player]
    stride = prod(game.num_actions[player + 1 :])
    moves: list[Row] = []
    rewards = [_ZERO] * (size * count)
    for state, joint in enumerate(joint_rows(game, policies, convert, apart=player)):
        pays = convert.row(game.rewards[player][state])
        for action in range(count):
            own = [(k, p) for k, p in joint if k // stride % count == action]
            moves.append(successors(game.branches[state], own, convert))
            rewards[state * count + action] = sum((p * pays[k] for k, p in own), _ZERO)
    ahead = _matrix(moves, size) * worth
    table = []
    for state in range(size):
        cells = range(state * count, (state + 1) * count)
        row = [rewards[cell] + discount * ahead[cell, 0] for cell in cells]
        if tremble is not None:
            row = [
                sum((convert(p) * q for p, q in zip(hand, row, strict=True)), _ZERO)
                for hand in tremble
            ]
        table.append(tuple(fraction((1 - discount) * q) for q in row))
    return tuple(table)


def taylor(
    game: DynamicGame, policies: Sequence[Any], direction: Sequence[Any], order: int
) -> tuple[tuple[Fraction, ...], ...]:
    """Taylor coefficients of the per-round values along `policies + t direction`.

    **Arguments:** those of [`resolvent.analytic.exact.values`][]; a `direction` of the same shape whose
    rows sum to zero; the highest `order`.

    **Returns:** per player the coefficients of t^0, ..., t^order.

    P(t) and r(t) are polynomials, so that W(t) = r(t) + g P(t) W(t) gives the coefficients of W one
    after the other, each by a system with the one matrix I - g P(0).
    """
    lines = [
        [
            [flint.fmpq_poly([rational(p), rational(u)]) for p, u in zip(row, move, strict=True)]
            for row, move in zip(own, moves, strict=True)
        ]
        for own, moves in zip(policies, direction, strict=True)
    ]
    chain = chain_of(game, lines, lambda value: flint.fmpq_poly([rational(value)]))
    chain = chain.restricted(chain.reachable())
    moves = [_coefficient(chain.moves, m) for m in range(game.num_players + 1)]
    steps = [_matrix(own, chain.num_states) for own in moves]
    initial = _row([p[0] for p in chain.initial])
    results: list[tuple[Fraction, ...]] = [()] * chain.num_players
    for discount, players in by_discount([g[0] for g in chain.discounts]):
        dying = _dying(moves[0], discount)
        worth: list[Any] = []
        for m in range(order + 1):
            right = _columns([[p[m] for p in chain.rewards[i]] for i in players])
            for k in range(1, min(m, game.num_players) + 1):
                right += discount * (steps[k] * worth[m - k])
            worth.append(solve(dying, right))
        totals = [initial * own for own in worth]
        for column, player in enumerate(players):
            results[player] = tuple(fraction((1 - discount) * total[0, column]) for total in totals)
    return tuple(results)


def _coefficient(moves: Sequence[Row], power: int) -> list[Row]:
    """The coefficient of t^power in rows of polynomials."""
    rows = [{t: p[power] for t, p in row.items()} for row in moves]
    return [{t: p for t, p in row.items() if p != 0} for row in rows]


def by_discount(discounts: Sequence[Any]) -> list[tuple[Any, list[int]]]:
    """The players in groups of one discount each."""
    groups: list[tuple[Any, list[int]]] = []
    for player, discount in enumerate(discounts):
        for known, players in groups:
            if known == discount:
                players.append(player)
                break
        else:
            groups.append((discount, [player]))
    return groups


def _dying(moves: Sequence[Row], discount: Any) -> list[Row]:
    """I - g P, by rows."""
    return difference([{t: discount * p for t, p in row.items()} for row in moves])


def difference(moves: Sequence[Row]) -> list[Row]:
    """I - P, by rows."""
    rows = []
    for state, row in enumerate(moves):
        negated = {t: -p for t, p in row.items()}
        negated[state] = 1 + negated.get(state, _ZERO)
        rows.append(negated)
    return rows


def solve(matrix: Sequence[Row], right: Any) -> Any:
    """X with M X = B, for rational M by rows and an `fmpq_mat` B.

    FLINT clears the denominators of a row of M and B together: those of B, which may be huge, are
    taken out first.
    """
    numerators, denominator = right.numer_denom()
    dense = _matrix(matrix, len(matrix))
    return dense.solve(flint.fmpq_mat(numerators), algorithm="dixon") / denominator


def solve_right(matrix: Sequence[Row], right: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The same with B as a list of rows, none of them or more."""
    if not right or not right[0]:
        return [[] for _ in right]
    return solve(matrix, flint.fmpq_mat([list(row) for row in right])).tolist()


def solve_left(matrix: Sequence[Row], left: Sequence[Any]) -> list[Any]:
    """y with y' M = c'. With rows of M scaled to integers the transpose has small ones too."""
    if not matrix:
        return []
    scales = [flint.fmpq(lcm(*(int(p.q) for p in row.values()))) for row in matrix]
    scaled = [
        {t: scale * p for t, p in row.items()} for scale, row in zip(scales, matrix, strict=True)
    ]
    numerators, denominator = _row(left).transpose().numer_denom()
    transposed = _matrix(scaled, len(matrix)).transpose()
    solution = transposed.solve(flint.fmpq_mat(numerators), algorithm="dixon") / denominator
    return [scale * row[0] for scale, row in zip(scales, solution.tolist(), strict=True)]


def _matrix(rows: Sequence[Row], columns: int) -> Any:
    """Sparse rows as an `fmpq_mat`."""
    entries = [_ZERO] * (len(rows) * columns)
    for s, row in enumerate(rows):
        for t, p in row.items():
            entries[s * columns + t] = p
    return flint.fmpq_mat(len(rows), columns, entries)


def _row(entries: Sequence[Any]) -> Any:
    return flint.fmpq_mat(1, len(entries), list(entries))


def _columns(columns: Sequence[Sequence[Any]]) -> Any:
    return flint.fmpq_mat([list(column) for column in columns]).transpose()
