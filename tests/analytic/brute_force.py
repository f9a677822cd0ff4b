"""Independent references: iterated games by dense linear algebra over all states, nothing shared with
the library.

`Reference` treats `start` as a state like any other and pays on *leaving* a state,

    W = (I - g P)^-1 R,   V = (1 - g) W[start],   R[s] = sum_a Pr(a | s) r(a),

where the library pays on entering a later state and keeps the start apart. Derivatives come from
differentiating the equation W = R + g P W as often as needed (Leibniz's rule), with a dense inverse.

The arithmetic is FLINT's: `fmpq` for equality in rationals, `arb` (balls with a proven radius, 600
bits) as the truth about floating point. `Reference.exact` and `Reference.balls` choose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import Any

import flint

BITS = 600


def rational(value):
    """Fraction, int or float (its exact value) as an `fmpq`."""
    value = Fraction(value)
    return flint.fmpq(value.numerator, value.denominator)


def fraction(value) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def ball(value):
    """Fraction, int or float (its exact value; infinities too) as an `arb`."""
    if isinstance(value, flint.arb):
        return value
    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    return flint.arb(float(value))


def histories(num_actions: Sequence[int], memory: int) -> list[tuple]:
    """All that can be remembered: shorter histories first, row-major among those of a length."""
    joint = list(product(*map(range, num_actions)))
    return [h for length in range(memory + 1) for h in product(joint, repeat=length)]


def flat_payoffs(payoffs, num_actions: Sequence[int]) -> list[dict]:
    """One mapping joint action -> payoff per player, from arrays nested by player and actions."""

    def look_up(table, joint):
        for action in joint:
            table = table[action]
        return table

    joint = list(product(*map(range, num_actions)))
    return [{a: look_up(own, a) for a in joint} for own in payoffs]


def softmax(logits: Sequence) -> list:
    """Probabilities of all actions; the last action's logit is 0. Infinite logits are limits."""
    if any(not x.is_finite() for x in logits):
        if len(logits) > 1:
            raise ValueError("infinite logits only with two actions")
        return [ball(int(logits[0] > 0)), ball(int(logits[0] < 0))]
    weights = [*(x.exp() for x in logits), ball(1)]
    total = sum(weights, ball(0))
    return [w / total for w in weights]


class Reference:
    """One game at one joint policy.

    Directions of differentiation are named: `(player, state, action)` is one parameter, and `move`
    names a dense one. Derivatives are with respect to the parameters of the library: a number per
    action but the last, either the probabilities ("policies") or the logits.
    """

    def __init__(
        self, payoffs, num_actions, memory, discount, policies, parameters, number, matrix
    ):
        self.num_actions = tuple(num_actions)
        self.number, self.matrix, self.parameters = number, matrix, parameters
        self.g = number(discount)
        self.delta = number(1 - Fraction(discount))
        self.policies = policies
        self.pays = [
            {a: number(r) for a, r in own.items()} for own in flat_payoffs(payoffs, num_actions)
        ]
        self.histories = histories(num_actions, memory)
        self.memory = memory
        self.joint = list(product(*map(range, num_actions)))
        index = {h: s for s, h in enumerate(self.histories)}
        self.next = [{a: index[((*h, a))[-memory:]] for a in self.joint} for h in self.histories]
        self.directions: dict = {}
        self._solutions: dict = {}

    @classmethod
    def exact(cls, payoffs, num_actions, memory, discount, policies) -> Reference:
        """In rationals; `policies[i][s][a]` are full rows."""
        rows = [[[rational(x) for x in row] for row in own] for own in policies]
        return cls(
            payoffs, num_actions, memory, discount, rows, "policies", rational, flint.fmpq_mat
        )

    @classmethod
    def balls(cls, payoffs, num_actions, memory, discount, params, parameters) -> Reference:
        """In balls; `params[i][s]` are the library's parameters (all actions but the last), floats
        taken at their exact values."""
        flint.ctx.prec = BITS

        def row(entries):
            free = [ball(x) for x in entries]
            return softmax(free) if parameters == "logits" else [*free, 1 - sum(free, ball(0))]

        rows = [[row(entries) for entries in own] for own in params]
        return cls(payoffs, num_actions, memory, discount, rows, parameters, ball, flint.arb_mat)

    @property
    def num_players(self) -> int:
        return len(self.num_actions)

    @property
    def num_states(self) -> int:
        return len(self.histories)

    # The joint policy and its derivatives.

    def move(self, name, arrays) -> None:
        """Name the direction `arrays[i][s][a]` (all actions but the last)."""
        number = self.number
        self.directions[name] = {
            (i, s): [number(x) for x in row]
            for i, own in enumerate(arrays)
            for s, row in enumerate(own)
            if any(float(x) != 0 for x in row)
        }

    def _direction(self, name) -> dict:
        if name not in self.directions:
            i, s, a = name
            unit = [self.number(int(b == a)) for b in range(self.num_actions[i] - 1)]
            self.directions[name] = {(i, s): unit}
        return self.directions[name]

    def _row(self, i: int, s: int, names: tuple) -> list | None:
        """The derivative of one row of a policy; None for zero."""
        policy = self.policies[i][s]
        if not names:
            return policy
        moves: list[Any] = [self._direction(name).get((i, s)) for name in names]
        if any(move is None for move in moves):
            return None
        zero = self.number(0)
        if self.parameters == "policies":
            return [*moves[0], -sum(moves[0], zero)] if len(moves) == 1 else None
        # Derivatives of exp(theta_a - log sum exp theta): centred moments.
        actions = range(len(policy))
        centred = []
        for move in moves:
            full = [*move, zero]
            mean = sum((policy[a] * full[a] for a in actions), zero)
            centred.append([full[a] - mean for a in actions])

        def moment(which) -> object:
            return sum((policy[a] * prod_of([c[a] for c in which]) for a in actions), zero)

        if len(moves) == 1:
            factor = centred[0]
        elif len(moves) == 2:
            covariance = moment(centred)
            factor = [centred[0][a] * centred[1][a] - covariance for a in actions]
        elif len(moves) == 3:
            third = moment(centred)
            factor = []
            for a in actions:
                value = prod_of([c[a] for c in centred]) - third
                for k in range(3):
                    others = [c for j, c in enumerate(centred) if j != k]
                    value -= centred[k][a] * moment(others)
                factor.append(value)
        else:
            raise NotImplementedError
        return [policy[a] * factor[a] for a in actions]

    def _joint(self, s: int, names: tuple) -> dict:
        """The derivative of Pr(joint action | s), over the joint actions where it may differ from 0."""
        result: dict = {}
        for owners in product(range(self.num_players), repeat=len(names)):
            rows: list[Any] = [
                self._row(i, s, tuple(n for n, o in zip(names, owners, strict=True) if o == i))
                for i in range(self.num_players)
            ]
            if any(row is None for row in rows):
                continue
            for a in self.joint:
                term = prod_of([rows[i][a[i]] for i in range(self.num_players)])
                result[a] = result[a] + term if a in result else term
        return result

    # The chain.

    @cached_property
    def transitions(self) -> list[list]:
        rows = []
        for s in range(self.num_states):
            row = [self.number(0)] * self.num_states
            for a, p in self._joint(s, ()).items():
                row[self.next[s][a]] += p
            rows.append(row)
        return rows

    @cached_property
    def resolvent(self) -> list[list]:
        """(I - g P)^-1."""
        n = self.num_states
        entries = [
            self.number(int(s == t)) - self.g * self.transitions[s][t]
            for s in range(n)
            for t in range(n)
        ]
        return self.matrix(n, n, entries).inv().tolist()

    def _worth(self, names: tuple) -> list[list]:
        """The derivative of W along `names`: `[player][state]`, from W = R + g P W."""
        names = tuple(sorted(names, key=str))
        if names in self._solutions:
            return self._solutions[names]
        zero = self.number(0)
        right = [{} for _ in range(self.num_players)]
        positions = range(len(names))
        for size in range(len(names) + 1):
            for chosen in combinations(positions, size):
                if size == 0 and names:
                    continue
                moved = tuple(names[k] for k in chosen)
                rest = tuple(names[k] for k in positions if k not in chosen)
                later = self._worth(rest) if moved else None
                for s in range(self.num_states):
                    changes = self._joint(s, moved)
                    for i in range(self.num_players):
                        for a, p in changes.items():
                            term = zero
                            if not rest:
                                term += p * self.pays[i][a]
                            if later is not None:
                                term += self.g * p * later[i][self.next[s][a]]
                            right[i][s] = right[i].get(s, zero) + term
        solution = [
            [sum((row[s] * b for s, b in own.items()), zero) for row in self.resolvent]
            for own in right
        ]
        self._solutions[names] = solution
        return solution

    # What is compared.

    def derivative(self, *names) -> list:
        """The derivative of each player's per-round value along the named directions."""
        return [self.delta * own[0] for own in self._worth(names)]

    def values(self) -> list:
        return self.derivative()

    def units(self, j: int) -> list[tuple[int, int, int]]:
        """The parameters of player j, in their order."""
        return list(product([j], range(self.num_states), range(self.num_actions[j] - 1)))

    def gradient(self, i: int, j: int) -> list:
        return [self.derivative(x)[i] for x in self.units(j)]

    def hessian(self, i: int, j: int, k: int) -> list[list]:
        return [[self.derivative(x, y)[i] for y in self.units(k)] for x in self.units(j)]

    def occupancy(self) -> list:
        return [self.delta * x for x in self.resolvent[0]]

    def q_values(self, i: int) -> list[list]:
        """Per-round value of each own action in each state, all playing their policies afterwards."""
        worth = self._worth(())[i]
        table = []
        for s in range(self.num_states):
            row = [self.number(0)] * self.num_actions[i]
            for a in self.joint:
                others = [self.policies[k][s][a[k]] for k in range(self.num_players) if k != i]
                weight = prod_of(others) if others else self.number(1)
                gain = self.pays[i][a] + self.g * worth[self.next[s][a]]
                row[a[i]] += self.delta * weight * gain
            table.append(row)
        return table


def prod_of(factors: list):
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def enumerate_histories(
    payoffs, num_actions, memory, g: Fraction, policies, rounds: int
) -> list[Fraction]:
    """(1 - g) sum over *every* history of `rounds` rounds of its probability times its discounted
    payoffs: the definition. What is left out is at most g^rounds max|payoff|."""
    pays = flat_payoffs(payoffs, num_actions)
    index = {h: s for s, h in enumerate(histories(num_actions, memory))}
    joint = list(product(*map(range, num_actions)))
    totals = [Fraction(0)] * len(num_actions)
    for history in product(joint, repeat=rounds):
        probability = Fraction(1)
        for t, a in enumerate(history):
            state = index[history[max(0, t - memory) : t]]
            probability *= prod(policies[i][state][a[i]] for i in range(len(num_actions)))
        if probability:
            for i, own in enumerate(pays):
                totals[i] += probability * sum(g**t * own[a] for t, a in enumerate(history))
    return [(1 - g) * total for total in totals]


def forward_sum(
    payoffs, num_actions, memory, g, policies, rounds: int, number: Callable = Fraction
) -> list:
    """The same truncated sum, by carrying the distribution over histories along: no linear system,
    any number of rounds."""
    pays = flat_payoffs(payoffs, num_actions)
    states = histories(num_actions, memory)
    index = {h: s for s, h in enumerate(states)}
    joint = list(product(*map(range, num_actions)))
    here = {0: number(1)}
    totals = [number(0)] * len(num_actions)
    weight = number(1)
    for _ in range(rounds):
        there: dict = {}
        for s, mass in here.items():
            for a in joint:
                p = mass
                for i in range(len(num_actions)):
                    p = p * policies[i][s][a[i]]
                for i, own in enumerate(pays):
                    totals[i] = totals[i] + weight * p * own[a]
                t = index[(*states[s], a)[-memory:]]
                there[t] = there[t] + p if t in there else p
        here, weight = there, weight * g
    return [(1 - g) * total for total in totals]
