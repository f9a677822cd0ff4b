"""Two independent accounts of one game, in Fractions.

`played_out` enumerates everything that can happen in the first rounds, from the rules as told in a
test: no states, no matrices. `round_payoffs` and `values` use what the library makes of the rules:
the states, branches, readings, trembles and rewards of a game.
"""

from fractions import Fraction
from itertools import product
from math import prod

ZERO = Fraction(0)


def played_out(num_players, first, behave, follow, payoffs, rounds):
    """The expected payoffs of every player in each of the first rounds.

    `first` maps what happened before play to probabilities; `behave(i, past)` is the row of
    probabilities with which player `i` takes its actions; `follow(past, joint)` maps what has
    happened then to probabilities; `payoffs(past, joint)` is what everyone gets.
    """
    result = []
    now = dict(first)
    for _ in range(rounds):
        totals, later = [ZERO] * num_players, {}
        for past, chance in now.items():
            rows = [behave(i, past) for i in range(num_players)]
            for joint, p in joint_actions(rows):
                paid = payoffs(past, joint)
                totals = [t + chance * p * u for t, u in zip(totals, paid, strict=True)]
                for new, q in follow(past, joint).items():
                    later[new] = later.get(new, ZERO) + chance * p * q
        result.append(tuple(totals))
        now = later
    return result


def joint_actions(rows):
    """Joint actions and their probabilities; players act independently."""
    for joint in product(*(range(len(row)) for row in rows)):
        p = prod(row[a] for row, a in zip(rows, joint, strict=True))
        if p:
            yield joint, p


def behaviour(game, policies, player, state):
    """The distribution of a player's realised action in a state."""
    row = [ZERO] * game.num_actions[player]
    for observation, chance in game.readings[player][state]:
        for action, p in enumerate(policies[player][observation]):
            tremble = game.trembles[player]
            if tremble is None:
                row[action] += chance * p
            else:
                for other, q in enumerate(tremble[action]):
                    row[other] += chance * p * q
    return row


def chain(game, policies):
    """The transition matrix, and the expected payoffs by player and state."""
    size = game.num_states
    moves = [[ZERO] * size for _ in range(size)]
    rewards = [[ZERO] * size for _ in range(game.num_players)]
    for s in range(size):
        rows = [behaviour(game, policies, i, s) for i in range(game.num_players)]
        for k, joint in enumerate(game.joint_actions):
            p = prod(row[a] for row, a in zip(rows, joint, strict=True))
            for i in range(game.num_players):
                rewards[i][s] += p * game.rewards[i][s][k]
            for t, q in game.branches[s][k]:
                moves[s][t] += p * q
    return moves, rewards


def round_payoffs(game, policies, rounds):
    """The expected payoffs of every player in each of the first rounds, by the chain."""
    moves, rewards = chain(game, policies)
    now, result = list(game.initial_distribution), []
    for _ in range(rounds):
        result.append(tuple(sum(map(Fraction.__mul__, now, row), ZERO) for row in rewards))
        now = [
            sum((p * row[t] for p, row in zip(now, moves, strict=True)), ZERO)
            for t in range(len(now))
        ]
    return result


def values(game, policies):
    """(1 - g) p0' (I - g P)^-1 r for every player."""
    moves, rewards = chain(game, policies)
    result = []
    for discount, row in zip(game.discounts, rewards, strict=True):
        system = [
            [Fraction(s == t) - discount * p for t, p in enumerate(own)]
            for s, own in enumerate(moves)
        ]
        v = solve(system, row)
        start = sum((p * x for p, x in zip(game.initial_distribution, v, strict=True)), ZERO)
        result.append((1 - discount) * start)
    return tuple(result)


def solve(matrix, right):
    """Gaussian elimination in Fractions."""
    size = len(matrix)
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for k in range(size):
        pivot = next(r for r in range(k, size) if rows[r][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for r in range(size):
            if r != k and rows[r][k]:
                rows[r] = [x - rows[r][k] * y for x, y in zip(rows[r], rows[k], strict=True)]
    return [row[-1] for row in rows]


def random_policies(rng, game):
    """A mapping from label to row of probabilities for each player, and the same as arrays."""
    by_label = [
        {label: random_row(rng, number) for label in labels}
        for labels, number in zip(game.observations, game.num_actions, strict=True)
    ]
    arrays = [
        tuple(own[label] for label in labels)
        for own, labels in zip(by_label, game.observations, strict=True)
    ]
    return by_label, arrays


def random_row(rng, number):
    parts = [rng.randint(0, 4) for _ in range(number - 1)] + [rng.randint(1, 4)]
    return tuple(Fraction(part, sum(parts)) for part in parts)
