"""Exact evaluation: the straight-line programs run on FLINT's rationals and power series."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import flint

from resolvent.analytic.elimination import programs
from resolvent.analytic.structure import Structure, structure_of
from resolvent.games import IteratedGame


def rational(value: Fraction) -> Any:
    return flint.fmpq(value.numerator, value.denominator)


def fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def payoff_rows(game: IteratedGame) -> tuple[tuple[Fraction, ...], ...]:
    """Payoffs of each player over the joint actions, row-major."""
    columns = [game.stage.payoff(joint) for joint in game.stage.joint_actions]
    return tuple(zip(*columns, strict=True))


def discount_pair(game: IteratedGame) -> tuple[Fraction, Fraction]:
    """(g, 1 - g)."""
    g = game.discount
    if not isinstance(g, Fraction):
        raise ValueError(f"discount: expected a number, got {g}; substitute its symbols first")
    return g, 1 - g


def _flat(policies: Sequence[Sequence[Sequence[Fraction]]]) -> list[Any]:
    return [rational(entry) for policy in policies for row in policy for entry in row]


def values(game: IteratedGame, policies: Sequence[Any]) -> tuple[Fraction, ...]:
    """Per-round value of each player, exactly."""
    program = programs(structure_of(game)).values
    payoffs = [rational(entry) for row in payoff_rows(game) for entry in row]
    pair = [rational(number) for number in discount_pair(game)]
    results = program.run([*_flat(policies), *pair, *payoffs], constant=rational)
    return tuple(map(fraction, results))


def taylor(
    game: IteratedGame, policies: Sequence[Any], direction: Sequence[Any], order: int
) -> tuple[tuple[Fraction, ...], ...]:
    """Coefficients of t^0 ... t^order of each player's per-round value at policies + t direction."""
    program = programs(structure_of(game)).values
    with _series_precision(order + 1):

        def series(*coefficients: Any) -> Any:
            return flint.fmpq_series(list(coefficients), prec=order + 1)

        moving = [series(p, u) for p, u in zip(_flat(policies), _flat(direction), strict=True)]
        fixed = [*discount_pair(game), *(entry for row in payoff_rows(game) for entry in row)]
        inputs = [*moving, *(series(rational(number)) for number in fixed)]
        results = program.run(inputs, constant=lambda c: series(rational(c)))
        return tuple(tuple(fraction(own[k]) for k in range(order + 1)) for own in results)


@contextmanager
def _series_precision(terms: int) -> Iterator[None]:
    """FLINT cuts power series at a precision of its global context."""
    before = flint.ctx.cap
    flint.ctx.cap = terms
    try:
        yield
    finally:
        flint.ctx.cap = before


def _chain(structure: Structure, policies: Sequence[Any]) -> dict[tuple[int, int], Any]:
    entries = programs(structure).transitions.run(_flat(policies), constant=rational)
    return dict(zip(structure.edges, entries, strict=True))


def _factor(game: IteratedGame, chain: dict[tuple[int, int], Any]) -> list[Any]:
    inner = [p for (s, _), p in chain.items() if s != 0]
    pair = [rational(number) for number in discount_pair(game)]
    return programs(structure_of(game)).factor.run([*inner, *pair], constant=rational)


def _entered(game: IteratedGame, chain: dict[tuple[int, int], Any], factor: list[Any]) -> list[Any]:
    """Discounted share of rounds after which each later state is entered."""
    structure = structure_of(game)
    delta = rational(discount_pair(game)[1])
    source = [delta * p for p in _start(structure, chain)]
    return programs(structure).left.run([*factor, *source], constant=rational)


def _start(structure: Structure, chain: dict[tuple[int, int], Any]) -> list[Any]:
    return [chain.get((0, s), flint.fmpq(0)) for s in range(1, structure.num_states)]


def occupancy(game: IteratedGame, policies: Sequence[Any]) -> tuple[Fraction, ...]:
    """Discounted share of rounds played from each state, the start included."""
    g, delta = (rational(number) for number in discount_pair(game))
    chain = _chain(structure_of(game), policies)
    entered = _entered(game, chain, _factor(game, chain))
    return tuple(map(fraction, [delta, *(g * d for d in entered)]))


def q_values(
    game: IteratedGame, policies: Sequence[Any], player: int
) -> tuple[tuple[Fraction, ...], ...]:
    """Per-round value of each own action in each state, all playing `policies` afterwards: the value
    of all plus 1 - g times the relative value of the next state (see `program_kernel`)."""
    structure = structure_of(game)
    delta = rational(discount_pair(game)[1])
    chain = _chain(structure, policies)
    factor = _factor(game, chain)
    payoffs = [rational(entry) for entry in payoff_rows(game)[player]]
    reward = [payoffs[outcome] for outcome in structure.outcomes]
    value = sum(map(operator.mul, _entered(game, chain, factor), reward), flint.fmpq(0))
    gaps = programs(structure).right.run([*factor, *(r - value for r in reward)], constant=rational)
    mean = sum(map(operator.mul, _start(structure, chain), gaps), flint.fmpq(0))
    table = []
    for state, targets in enumerate(structure.successors):
        row = [value] * structure.num_actions[player]
        for joint, target in zip(structure.joint_actions, targets, strict=True):
            weight = delta
            for other, action in enumerate(joint):
                if other != player:
                    weight *= rational(policies[other][state][action])
            row[joint[player]] += weight * (gaps[target - 1] - mean)
        table.append(tuple(map(fraction, row)))
    return tuple(table)
