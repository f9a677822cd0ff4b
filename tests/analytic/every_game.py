"""Random exact games of every kind, random policies for them, and a reference that solves for their
values by Gaussian elimination on Fractions, straight from the definition."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod
from random import Random

from resolvent.games import IteratedGame, NormalForm, Signals, StochasticGame, with_controllers

F = Fraction


def distribution(rng: Random, size: int, sparse: bool = False) -> tuple[Fraction, ...]:
    weights = [rng.randint(0 if sparse else 1, 9) for _ in range(size)]
    if not any(weights):
        weights[rng.randrange(size)] = 1
    return tuple(F(w, sum(weights)) for w in weights)


def discount(rng: Random) -> Fraction:
    return rng.choice([F(0), F(1, 2), F(24, 25), F(rng.randint(1, 98), 99)])


def stage(rng: Random, actions: tuple[int, ...]) -> NormalForm:
    def nest(shape):
        if not shape:
            return F(rng.randint(-9, 9), rng.randint(1, 4))
        return [nest(shape[1:]) for _ in range(shape[0])]

    return NormalForm(nest((len(actions), *actions)))


def small(rng: Random) -> NormalForm:
    return stage(rng, rng.choice([(2, 2), (2, 2), (2, 3), (3, 2), (2, 2, 2)]))


def two_by_two(rng: Random) -> NormalForm:
    return stage(rng, (2, 2))


def stochastic(rng: Random, observed: bool = True) -> StochasticGame:
    actions = rng.choice([(2, 2), (2, 3), (2, 2, 2), (3,)])
    size, players = rng.randint(1, 4), len(actions)

    def nest(shape, leaf):
        return [nest(shape[1:], leaf) for _ in range(shape[0])] if shape else leaf()

    payoffs = nest((players, size, *actions), lambda: F(rng.randint(-9, 9), 2))
    transitions = nest((size, *actions), lambda: distribution(rng, size, sparse=True))
    discounts = [discount(rng) for _ in actions] if rng.random() < 0.5 else discount(rng)
    observe = None
    if not observed:
        labels = [f"l{k}" for k in range(rng.randint(1, 3))]
        rows = [distribution(rng, len(labels)) for _ in range(size)]
        observe = [None, (labels, rows), *[None] * players][:players]
    start = distribution(rng, size, sparse=True)
    return StochasticGame(payoffs, transitions, discounts, start, observe=observe)


def monitored(rng: Random) -> StochasticGame:
    """Public or private signals about joint actions."""
    own = two_by_two(rng)
    if rng.random() < 0.5:
        names = ("good", "bad")
        signals = Signals.public(names, [distribution(rng, 2, sparse=True) for _ in range(4)])
        return own.monitored(discount(rng), signals, memory=rng.choice([1, 2]))
    names = (("x", "y"), ("u", "v", "w"))
    rows = [distribution(rng, 6, sparse=True) for _ in range(4)]
    return own.monitored(discount(rng), Signals(names, rows))


def game(kind: str, rng: Random) -> IteratedGame | StochasticGame:
    g = discount(rng)
    match kind:
        case "plain":
            return small(rng).iterated(g)
        case "memory 2":
            return two_by_two(rng).iterated(g, memory=2)
        case "one-sided memory":
            return two_by_two(rng).iterated(g, memory=rng.choice([(1, 0), (0, 1), (2, 1), (0, 2)]))
        case "one shot":
            return small(rng).iterated(g, memory=0)
        case "reactive":
            return small(rng).iterated(g, observe="reactive")
        case "labels":

            def label(history):
                return "none" if not history else str(sum(a == "a" for a in history[-1]))

            return small(rng).iterated(g, observe=label)
        case "no start":
            return small(rng).iterated(g, initial="uniform")
        case "implementation noise":
            return small(rng).iterated(g, implementation_noise=F(rng.randint(1, 20), 100))
        case "observation noise":
            return small(rng).iterated(g, observation_noise=F(rng.randint(1, 20), 100))
        case "everything at once":
            own = small(rng)
            n = own.num_players
            return own.iterated(
                [discount(rng) for _ in range(n)],
                observe=["reactive", *[None] * (n - 1)],
                implementation_noise=[F(1, 50), *[F(1, 7)] * (n - 1)],
                observation_noise=[F(1, 9), *[F(0)] * (n - 1)],
                initial="uniform" if rng.random() < 0.5 else None,
            )
        case "monitored":
            return monitored(rng)
        case "controllers":
            base = two_by_two(rng).iterated(g, observe=rng.choice([None, "reactive"]))
            return with_controllers(base, rng.choice([1, 2, (2, 1)]))
        case "stochastic":
            return stochastic(rng)
        case "as stochastic":
            return small(rng).iterated(g, implementation_noise=F(1, 10)).as_stochastic()
        case "partly observed":
            return stochastic(rng, observed=False)
    raise ValueError(kind)


def policies(played, rng: Random, sparse: bool = False):
    return tuple(
        tuple(distribution(rng, actions, sparse) for _ in range(rows))
        for rows, actions in played.policy_shapes
    )


def behaviour(played, policy, player: int, state: int) -> list[Fraction]:
    """What a player does in a state."""
    count = played.num_actions[player]
    read = [
        sum((chance * policy[row][a] for row, chance in played.readings[player][state]), F(0))
        for a in range(count)
    ]
    hand = played.trembles[player]
    if hand is None:
        return read
    return [sum((read[a] * hand[a][b] for a in range(count)), F(0)) for b in range(count)]


def values(played, joint) -> list[Fraction]:
    """(1 - g) p0' (I - gP)^-1 r by Gaussian elimination."""
    size = played.num_states
    actions = list(product(*map(range, played.num_actions)))
    moves = [[F(0)] * size for _ in range(size)]
    rewards = [[F(0)] * size for _ in range(played.num_players)]
    for s in range(size):
        acting = [behaviour(played, own, i, s) for i, own in enumerate(joint)]
        for k, chosen in enumerate(actions):
            chance = prod(own[a] for own, a in zip(acting, chosen, strict=True))
            for i in range(played.num_players):
                rewards[i][s] += chance * played.rewards[i][s][k]
            for t, branch in played.branches[s][k]:
                moves[s][t] += chance * branch
    found = []
    for i, g in enumerate(played.discounts):
        rows = [
            [F(s == t) - g * moves[s][t] for t in range(size)] + [rewards[i][s]]
            for s in range(size)
        ]
        solution = eliminate(rows)
        start = played.initial_distribution
        found.append((1 - g) * sum((p * x for p, x in zip(start, solution, strict=True)), F(0)))
    return found


def eliminate(rows: list[list[Fraction]]) -> list[Fraction]:
    size = len(rows)
    for k in range(size):
        pivot = next(s for s in range(k, size) if rows[s][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for s in range(size):
            if s != k and rows[s][k] != 0:
                rows[s] = [x - rows[s][k] * y for x, y in zip(rows[s], rows[k], strict=True)]
    return [row[-1] for row in rows]
