r"""The Markov chain of a joint policy, in numbers.

In state $s$ player $i$ reads an observation, intends an action by its policy, and trembles; the
joint action that is realised pays and leads to the next state:

$$ P_{st} = \sum_k \Pr(k \mid s)\, \mathrm{branch}(s, k, t), \qquad
   r_i(s) = \sum_k \Pr(k \mid s)\, u_i(s, k). $$

This is the *acting* form: a state pays when it is left, and the start is a state like any other. The
straight-line programs (`elimination`) pay on entering where they can, and share no code with this
module; the tests compare the two.

The arithmetic is the caller's: rationals, balls, polynomials, leading terms, floats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import flint

from resolvent.games import DynamicGame, Exact

Row: TypeAlias = dict[int, Any]
"""Next state -> probability, without the zeros."""


def rational(value: Fraction) -> Any:
    """A `Fraction` as FLINT's `fmpq`."""
    return flint.fmpq(value.numerator, value.denominator)


def fraction(value: Any) -> Fraction:
    """FLINT's `fmpq` as a `Fraction`."""
    return Fraction(int(value.p), int(value.q))


@dataclass(frozen=True)
class Chain:
    """A Markov chain with a reward per player and state, in numbers of one kind.

    **Attributes:**

    - `states`: the names of the states, S of them, start included.
    - `initial`: the distribution of the first state, `(S,)`.
    - `moves`: per state a mapping next state -> probability, zeros dropped.
    - `rewards`: `rewards[i][s]` is player i's expected payoff on leaving state s, `(n, S)`.
    - `discounts`: one per player.
    """

    states: tuple[str, ...]
    initial: tuple[Any, ...]
    moves: tuple[Row, ...]
    rewards: tuple[tuple[Any, ...], ...]
    discounts: tuple[Any, ...]

    @property
    def num_states(self) -> int:
        return len(self.states)

    @property
    def num_players(self) -> int:
        return len(self.rewards)

    def reachable(self) -> tuple[int, ...]:
        """The states that the chain can be in, sorted."""
        found = {s for s, mass in enumerate(self.initial) if not is_zero(mass)}
        waiting = list(found)
        while waiting:
            new = self.moves[waiting.pop()].keys() - found
            found |= new
            waiting.extend(new)
        return tuple(sorted(found))

    def restricted(self, states: Sequence[int]) -> Chain:
        """The same chain on some of its states, which it must not leave; numbered in their order."""
        position = {s: k for k, s in enumerate(states)}
        return Chain(
            tuple(self.states[s] for s in states),
            tuple(self.initial[s] for s in states),
            tuple({position[t]: p for t, p in self.moves[s].items()} for s in states),
            tuple(tuple(own[s] for s in states) for own in self.rewards),
            self.discounts,
        )


def chain_of(
    game: DynamicGame, policies: Sequence[Any], number: Callable[[Fraction], Any] = rational
) -> Chain:
    """The chain of a joint policy, over all states of the game.

    **Arguments:**

    - `game`: without symbols left.
    - `policies`: one `(O_i, A_i)` policy per player, a row per observation, already checked. Entries
        are `Fraction`s, or numbers of the arithmetic asked for (balls, polynomials in t).
    - `number`: turns a `Fraction` into a number of that arithmetic, which has `+`, `*` and `== 0`.

    **Raises:** `ValueError` where symbols are left.
    """
    require_numbers(game)
    convert = Converter(number)
    moves: list[Row] = []
    rewards: list[list[Any]] = [[] for _ in game.players]
    for state, joint in enumerate(joint_rows(game, policies, convert)):
        moves.append(successors(game.branches[state], joint, convert))
        for own, pays in zip(rewards, game.rewards, strict=True):
            row = convert.row(pays[state])
            own.append(sum((p * row[k] for k, p in joint if not is_zero(row[k])), convert.zero))
    return Chain(
        tuple(game.states),
        tuple(convert.row(game.initial_distribution)),
        tuple(moves),
        tuple(map(tuple, rewards)),
        tuple(convert.row(game.discounts)),
    )


def transitions(
    game: DynamicGame, policies: Sequence[Any], number: Callable[[Fraction], Any] = rational
) -> tuple[Row, ...]:
    """The `moves` of [`resolvent.analytic.chain.chain_of`][] alone, for numbers that payoffs are not
    among; same arguments."""
    require_numbers(game)
    convert = Converter(number)
    rows = joint_rows(game, policies, convert)
    return tuple(successors(game.branches[s], joint, convert) for s, joint in enumerate(rows))


def require_numbers(game: DynamicGame) -> None:
    """Raise unless all symbols of a game have been replaced by numbers."""
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise ValueError(
            f"game: expected numbers only, got the symbols {names}; "
            "replace them first with game.substitute({...})"
        )


class Converter:
    """Turns `Fraction`s into numbers of one arithmetic, each row of a game only once."""

    number: Callable[[Fraction], Any]
    zero: Any

    def __init__(self, number: Callable[[Fraction], Any]) -> None:
        self.number = number
        self.zero = number(Fraction(0))
        self._rows: dict[int, tuple[Any, list[Any]]] = {}
        self._numbers: dict[Fraction, Any] = {}

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, Fraction):
            return value
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = self.number(value)
        return found

    def row(self, values: Sequence[Any]) -> list[Any]:
        """All of a row. Games share the rows that are equal, so that they are told by identity (and
        kept, lest another row be made at the same place)."""
        found = self._rows.get(id(values))
        if found is None:
            found = self._rows[id(values)] = (values, [self(value) for value in values])
        return found[1]


def joint_rows(
    game: DynamicGame, policies: Sequence[Any], convert: Converter, apart: int | None = None
) -> Iterator[list[tuple[int, Any]]]:
    """Per state the joint actions that can be realised: pairs of number and probability.

    With `apart` a player, whatever it does is given weight one: the others' probabilities alone.
    """
    counts = tuple(game.num_actions)
    acting = [
        None if player == apart else behaviours(game, own, player, convert)
        for player, own in enumerate(policies)
    ]
    for state in range(game.num_states):
        joint: list[tuple[int, Any]] = [(0, None)]
        for own, count in zip(acting, counts, strict=True):
            if own is None:
                joint = [(k * count + a, p) for k, p in joint for a in range(count)]
            else:
                row = [(a, q) for a, q in enumerate(own[state]) if not is_zero(q)]
                joint = [
                    (k * count + a, q if p is None else p * q) for k, p in joint for a, q in row
                ]
        yield [(k, convert(Fraction(1)) if p is None else p) for k, p in joint]


def behaviours(game: DynamicGame, policy: Any, player: int, convert: Converter) -> list[list[Any]]:
    """What a player does in each state, `(S, A_i)`: its policy as it reads the state, trembled."""
    rows = [[convert(entry) for entry in row] for row in policy]
    tremble = game.trembles[player]
    if tremble is not None:
        hand = [convert.row(own) for own in tremble]
        rows = [_mix(list(zip(row, hand, strict=True)), convert.zero) for row in rows]
    acting = []
    for reading in game.readings[player]:
        if len(reading) == 1:
            acting.append(rows[reading[0][0]])
        else:
            acting.append(_mix([(convert(chance), rows[o]) for o, chance in reading], convert.zero))
    return acting


def _mix(weighted: Sequence[tuple[Any, Sequence[Any]]], zero: Any) -> list[Any]:
    """The weighted sum of rows."""
    present = [(weight, row) for weight, row in weighted if not is_zero(weight)]
    columns = zip(*(row for _, row in present), strict=True)
    weights = [weight for weight, _ in present]
    return [
        sum((w * p for w, p in zip(weights, column, strict=True) if not is_zero(p)), zero)
        for column in columns
    ]


def successors(
    branches: Sequence[Sequence[tuple[int, Exact]]],
    joint: Sequence[tuple[int, Any]],
    convert: Converter,
) -> Row:
    """Where a state leads, given the joint actions realised there."""
    row: Row = {}
    for k, probability in joint:
        branch = branches[k]
        if len(branch) == 1:
            target = branch[0][0]
            row[target] = row[target] + probability if target in row else probability
        else:
            for target, chance in branch:
                share = probability * convert(chance)
                row[target] = row[target] + share if target in row else share
    return {target: p for target, p in row.items() if not is_zero(p)}


def is_zero(value: Any) -> bool:
    """Whether a number is certainly zero: of balls that contain it only the exact one is. (Of such a
    ball `!= 0` is false too: it asks whether the ball is certainly something else.)"""
    return bool(value == 0)


def support(moves: Sequence[Mapping[int, Any]]) -> list[tuple[int, int]]:
    """The edges of the digraph: pairs (state, next state) of positive probability."""
    return [(s, t) for s, row in enumerate(moves) for t in row]
