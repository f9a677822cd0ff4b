"""Random exact games of every kind, and what they are worth by dense elimination in Fractions.

Nothing of `resolvent.analytic` is used here. `Table` is a game given by nothing but the attributes
that all games have: stochastic branches, mixed readings, trembles and a discount per player at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from random import Random
from typing import Any

F = Fraction


@dataclass(frozen=True)
class Table:
    """The common attributes of games, filled in by hand."""

    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    states: tuple[str, ...]
    discounts: tuple[Fraction, ...]
    observations: tuple[tuple[str, ...], ...]
    readings: tuple[Any, ...]
    trembles: tuple[Any, ...]
    branches: tuple[Any, ...]
    rewards: tuple[Any, ...]
    initial: tuple[Fraction, ...]
    name: str | None = None
    symbols: tuple = ()

    @property
    def num_players(self):
        return len(self.players)

    @property
    def num_actions(self):
        return tuple(map(len, self.actions))

    @property
    def joint_actions(self):
        return tuple(product(*map(range, self.num_actions)))

    @property
    def num_states(self):
        return len(self.states)

    @property
    def discount(self):
        return self.discounts[0] if len(set(self.discounts)) == 1 else self.discounts

    @property
    def policy_shapes(self):
        return tuple(
            (len(own), count)
            for own, count in zip(self.observations, self.num_actions, strict=True)
        )

    @property
    def initial_distribution(self):
        return self.initial


def distribution(rng: Random, size: int, zeros: float = 0.0, den: int = 9) -> tuple:
    """Random weights; each is 0 with probability `zeros` (but not all)."""
    weights = [0 if rng.random() < zeros else rng.randint(1, den) for _ in range(size)]
    if not any(weights):
        weights[rng.randrange(size)] = 1
    return tuple(F(w, sum(weights)) for w in weights)


def sparse(row) -> tuple:
    return tuple((k, p) for k, p in enumerate(row) if p != 0)


def random_game(
    seed: int,
    max_players: int = 3,
    max_states: int = 5,
    zeros: float | None = None,
    clean: bool = False,
    common: bool = False,
) -> Table:
    """A game of any kind; `clean`: full observation, no trembles; `common`: one discount for all.

    With many zeros transitions are nearly deterministic: several recurrent classes, periods.
    """
    rng = Random(seed)
    players = rng.randint(1, max_players)
    counts = [rng.randint(1, 3) for _ in range(players)]
    size = rng.randint(1, max_states)
    joint = prod(counts)
    zeros = rng.choice([0.0, 0.5, 0.9, 1.0]) if zeros is None else zeros
    mixed = rng.random() < 0.5
    observations, readings, trembles = [], [], []
    for count in counts:
        seen = size if clean else rng.randint(1, size)
        observations.append(tuple(f"o{k}" for k in range(seen)))
        if clean:
            readings.append(tuple(((s, F(1)),) for s in range(size)))
        elif mixed:
            readings.append(tuple(sparse(distribution(rng, seen, 0.4)) for _ in range(size)))
        else:
            readings.append(tuple(((rng.randrange(seen), F(1)),) for _ in range(size)))
        shaky = not clean and rng.random() < 0.4
        trembles.append(
            tuple(distribution(rng, count, 0.3) for _ in range(count)) if shaky else None
        )
    chosen = rng.choice([F(0), F(1, 2), F(24, 25), 1 - F(1, 10**6)])
    discounts = [chosen] * players
    if not common and rng.random() < 0.5:
        discounts = [F(rng.randint(0, 8), 9) for _ in range(players)]
    return Table(
        players=tuple(f"p{i}" for i in range(players)),
        actions=tuple(tuple(f"a{a}" for a in range(count)) for count in counts),
        states=tuple(f"s{s}" for s in range(size)),
        discounts=tuple(discounts),
        observations=tuple(observations),
        readings=tuple(readings),
        trembles=tuple(trembles),
        branches=tuple(
            tuple(sparse(distribution(rng, size, zeros)) for _ in range(joint)) for _ in range(size)
        ),
        rewards=tuple(
            tuple(tuple(F(rng.randint(-9, 9), 4) for _ in range(joint)) for _ in range(size))
            for _ in range(players)
        ),
        initial=distribution(rng, size, 0.5),
    )


def random_policies(game: Any, seed: int, zeros: float | None = None) -> tuple:
    """Exact policies, some with zeros or deterministic."""
    rng = Random(seed)
    zeros = rng.choice([0.0, 0.5, 1.0]) if zeros is None else zeros
    return tuple(
        tuple(distribution(rng, count, zeros) for _ in range(rows))
        for rows, count in game.policy_shapes
    )


def random_direction(game: Any, seed: int) -> tuple:
    rng = Random(seed)

    def row(count):
        free = [F(rng.randint(-5, 5), 3) for _ in range(count - 1)]
        return (*free, -sum(free, F(0)))

    return tuple(tuple(row(count) for _ in range(rows)) for rows, count in game.policy_shapes)


# The same by the definitions, in Fractions.


def row_in(game: Any, policy: Any, player: int, state: int, add: Any = 0) -> list:
    """What the player does in the state: a distribution over realised actions."""
    count = game.num_actions[player]
    acting = [add * 0 + F(0)] * count
    for o, chance in game.readings[player][state]:
        for intended, p in enumerate(policy[o]):
            for realised in range(count):
                tremble = game.trembles[player]
                hand = (
                    F(int(intended == realised)) if tremble is None else tremble[intended][realised]
                )
                acting[realised] = acting[realised] + p * (chance * hand)
    return acting


def dense_chain(game: Any, policies: Any) -> tuple[list, list]:
    """(P, r) as nested lists."""
    size = game.num_states
    transition = [[F(0)] * size for _ in range(size)]
    rewards = [[F(0)] * size for _ in range(game.num_players)]
    for s in range(size):
        acting = [row_in(game, own, i, s) for i, own in enumerate(policies)]
        for k, joint in enumerate(game.joint_actions):
            p = prod((acting[i][a] for i, a in enumerate(joint)), start=F(1))
            for t, chance in game.branches[s][k]:
                transition[s][t] += p * chance
            for i in range(game.num_players):
                rewards[i][s] += p * game.rewards[i][s][k]
    return transition, rewards


def solve(matrix: list, right: list) -> list:
    """x with M x = b by Gauss-Jordan elimination in any field."""
    size = len(matrix)
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next(i for i in range(k, size) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(size):
            if i != k:
                factor = rows[i][k]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def dying(transition: list, g: Any) -> list:
    """I - g P."""
    return [[int(s == t) - g * p for t, p in enumerate(row)] for s, row in enumerate(transition)]


def transpose(matrix: list) -> list:
    return [list(column) for column in zip(*matrix, strict=True)]


def dot(left: Any, right: Any) -> Any:
    return sum((x * y for x, y in zip(left, right, strict=True)), F(0))


def worth(game: Any, policies: Any, player: int) -> list[Fraction]:
    """The discounted sum from each state."""
    transition, rewards = dense_chain(game, policies)
    return solve(dying(transition, game.discounts[player]), rewards[player])


def values(game: Any, policies: Any, discounts: Any = None) -> tuple[Fraction, ...]:
    """Per-round values, at other discounts if given."""
    transition, rewards = dense_chain(game, policies)
    return tuple(
        (1 - g) * dot(game.initial_distribution, solve(dying(transition, g), own))
        for g, own in zip(discounts or game.discounts, rewards, strict=True)
    )


def play(game: Any, policies: Any, rounds: int, g: Fraction) -> list[Fraction]:
    """(1 - g) times the discounted payoffs of the first rounds, along every path one by one: a
    state, what each player sees of it, intends and does, and what follows."""
    totals = [F(0)] * game.num_players

    def acts(player: int, state: int):
        for o, chance in game.readings[player][state]:
            for intended, p in enumerate(policies[player][o]):
                tremble = game.trembles[player]
                hand = {intended: F(1)} if tremble is None else dict(enumerate(tremble[intended]))
                for realised, q in hand.items():
                    if chance * p * q:
                        yield realised, chance * p * q

    def walk(state: int, mass: Fraction, round_: int) -> None:
        if round_ == rounds:
            return
        for choices in product(*(acts(i, state) for i in range(game.num_players))):
            probability = mass * prod((p for _, p in choices), start=F(1))
            joint = game.joint_actions.index(tuple(a for a, _ in choices))
            for i in range(game.num_players):
                totals[i] += (1 - g) * g**round_ * probability * game.rewards[i][state][joint]
            for following, chance in game.branches[state][joint]:
                walk(following, probability * chance, round_ + 1)

    for state, mass in enumerate(game.initial_distribution):
        if mass:
            walk(state, mass, 0)
    return totals


# Truncated power series, so that `solve` gives derivatives.


class Jet:
    """c_0 + c_1 t + ... up to a fixed order; it is 0 where its constant term is (a pivot must not
    be)."""

    def __init__(self, coefficients) -> None:
        self.c = tuple(coefficients)

    def _other(self, other) -> tuple:
        return other.c if isinstance(other, Jet) else (F(other), *[F(0)] * (len(self.c) - 1))

    def __add__(self, other):
        return Jet(x + y for x, y in zip(self.c, self._other(other), strict=True))

    def __sub__(self, other):
        return Jet(x - y for x, y in zip(self.c, self._other(other), strict=True))

    def __rsub__(self, other):
        return Jet(self._other(other)) - self

    def __mul__(self, other):
        d = self._other(other)
        return Jet(
            sum((self.c[j] * d[k - j] for j in range(k + 1)), F(0)) for k in range(len(self.c))
        )

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        d, quotient = self._other(other), []
        for k, own in enumerate(self.c):
            rest = sum((quotient[j] * d[k - j] for j in range(k)), F(0))
            quotient.append((own - rest) / d[0])
        return Jet(quotient)

    def __eq__(self, other) -> bool:
        return isinstance(other, int) and self.c[0] == other

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def jets(policies: Any, direction: Any, order: int) -> list:
    return [
        [
            [Jet([p, u, *[F(0)] * order][: order + 1]) for p, u in zip(*rows, strict=True)]
            for rows in zip(*own, strict=True)
        ]
        for own in zip(policies, direction, strict=True)
    ]


# Balls.


def dyadic(number: Any) -> Fraction:
    """An `arb` without a radius, exactly."""
    mantissa, exponent = number.man_exp()
    return F(int(mantissa)) * F(2) ** int(exponent)


def holds(ball: Any, value: Fraction) -> bool:
    """Whether a ball contains a number. (`ball.contains` rounds the number to a ball first.)"""
    return abs(dyadic(ball.mid()) - value) <= dyadic(ball.rad())


# Games that the library makes.


def library_games() -> dict[str, Any]:
    """One game of each kind that the constructors make, all different payoffs."""
    from resolvent.games import NormalForm, Signals, StochasticGame, with_controllers

    rng = Random(7)

    def stage(*counts: int) -> NormalForm:
        numbers = iter(rng.sample(range(-40, 40), len(counts) * prod(counts)))

        def nest(left):
            return [nest(left[1:]) for _ in range(left[0])] if left else F(next(numbers), 3)

        return NormalForm([nest(counts) for _ in counts])

    two, three = stage(2, 2), stage(2, 2, 2)
    public = Signals.public(
        ("good", "bad"), [["9/10", "1/10"], ["1/2", "1/2"], ["1/3", "2/3"], [0, 1]]
    )
    cells = [[[distribution(rng, 3, 0.4) for _ in range(2)] for _ in range(3)] for _ in range(3)]
    pays = [[[[F(rng.randint(-9, 9)) for _ in range(2)] for _ in range(3)] for _ in range(3)]] * 2
    return {
        "memory 1": two.iterated("24/25"),
        "memory 2": two.iterated("9/10", 2),
        "memory 0": two.iterated("1/2", 0),
        "2 x 3": stage(2, 3).iterated("1/3"),
        "three players": three.iterated(["1/2", "2/3", 0]),
        "one-sided memory": two.iterated("1/2", [2, 0]),
        "reactive": two.iterated("1/2", observe="reactive"),
        "own and labels": two.iterated("1/2", observe=["own", ["a", "b", "b", "a", "c"]]),
        "no start": two.iterated("1/2", initial={"a,b": "1/3", "b,a": "2/3"})
        if "a,b" in two.iterated(0).states
        else two.iterated("1/2", initial={"ab": "1/3", "ba": "2/3"}),
        "noise": two.iterated(
            ["1/2", "3/4"], implementation_noise=["1/10", 0], observation_noise=["1/7", "1/5"]
        ),
        "public signals": two.monitored("4/5", public),
        "controllers": with_controllers(two.iterated("4/5", observe="reactive"), [2, 1]),
        "stochastic": StochasticGame(
            pays, cells, ["1/2", "7/8"], ["1/2", 0, "1/2"], observe=[None, ["x", "y", "x"]]
        ),
    }
