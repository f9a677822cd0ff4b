"""Properties that hold whatever the game: relabelling, affine payoffs, g = 0, the limit g -> 1."""

from fractions import Fraction
from itertools import permutations, product
from math import prod
from typing import Any

import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from resolvent.analytic import closed_form
from resolvent.games import NormalForm

F = Fraction
NUMBERS = st.fractions(min_value=-20, max_value=20, max_denominator=12)
DISCOUNTS = st.one_of(
    st.just(F(0)),
    st.fractions(min_value=0, max_value=F(99, 100), max_denominator=100),
    st.sampled_from([F(24, 25), 1 - F(1, 10**6), 1 - F(1, 10**9)]),
)
WEIGHTS = st.one_of(st.integers(0, 9), st.sampled_from([0, 10**12]))
SHAPES = st.sampled_from(
    [((2, 2), 1), ((2, 3), 1), ((3, 2), 1), ((2, 2, 2), 1), ((1, 2), 1), ((2, 2), 2)]
)


class Setting:
    """Payoffs by joint action and policies by history: nothing is an index, so relabelling is plain."""

    def __init__(self, num_actions, memory, discount, payoffs, policies):
        self.num_actions, self.memory, self.discount = num_actions, memory, discount
        self.payoffs, self.policies = payoffs, policies

    @property
    def joint(self):
        return list(product(*map(range, self.num_actions)))

    @property
    def histories(self):
        return [h for k in range(self.memory + 1) for h in product(self.joint, repeat=k)]

    def table(self, player, prefix=()):
        if len(prefix) == len(self.num_actions):
            return self.payoffs[prefix][player]
        return [self.table(player, (*prefix, a)) for a in range(self.num_actions[len(prefix)])]

    def game(self):
        players = range(len(self.num_actions))
        return NormalForm([self.table(i) for i in players]).iterated(self.discount, self.memory)

    def joint_policy(self):
        return [[own[h] for h in self.histories] for own in self.policies]

    def values(self):
        return closed_form(self.game()).evaluate(self.joint_policy())


@st.composite
def rows(draw, count):
    weights = draw(st.lists(WEIGHTS, min_size=count, max_size=count).filter(any))
    return tuple(F(w, sum(weights)) for w in weights)


@st.composite
def settings_of_play(draw, shapes=SHAPES, discounts=DISCOUNTS):
    num_actions, memory = draw(shapes)
    plain = Setting(num_actions, memory, draw(discounts), {}, [])
    plain.payoffs = {a: tuple(draw(NUMBERS) for _ in num_actions) for a in plain.joint}
    plain.policies = [{h: draw(rows(count)) for h in plain.histories} for count in num_actions]
    return plain


@given(settings_of_play(), st.data())
@settings(max_examples=30)
def test_relabelling_actions_changes_nothing(s, data):
    orders = [data.draw(st.permutations(range(count))) for count in s.num_actions]

    def action(a):
        return tuple(order[k] for order, k in zip(orders, a, strict=True))

    def history(h):
        return tuple(map(action, h))

    def row(order, old):
        new = [F(0)] * len(old)
        for k, p in enumerate(old):
            new[order[k]] = p
        return tuple(new)

    renamed = Setting(
        s.num_actions,
        s.memory,
        s.discount,
        {action(a): r for a, r in s.payoffs.items()},
        [
            {history(h): row(order, p) for h, p in own.items()}
            for order, own in zip(orders, s.policies, strict=True)
        ],
    )
    assert renamed.values() == s.values()


@given(settings_of_play(), st.data())
@settings(max_examples=30)
def test_relabelling_players_permutes_values(s, data):
    order = data.draw(st.sampled_from(list(permutations(range(len(s.num_actions))))))

    def seats(entries):
        return tuple(entries[k] for k in order)

    moved = Setting(
        seats(s.num_actions),
        s.memory,
        s.discount,
        {seats(a): seats(r) for a, r in s.payoffs.items()},
        [{tuple(map(seats, h)): p for h, p in s.policies[k].items()} for k in order],
    )
    assert moved.values() == seats(s.values())


@given(settings_of_play(), st.data())
@settings(max_examples=30)
def test_affine_changes_of_payoffs(s, data):
    scales = [data.draw(NUMBERS) for _ in s.num_actions]
    shifts = [data.draw(NUMBERS) for _ in s.num_actions]
    changed = {
        a: tuple(m * x + b for m, x, b in zip(scales, r, shifts, strict=True))
        for a, r in s.payoffs.items()
    }
    other = Setting(s.num_actions, s.memory, s.discount, changed, s.policies)
    expected = tuple(m * v + b for m, v, b in zip(scales, s.values(), shifts, strict=True))
    assert other.values() == expected


@given(settings_of_play(discounts=st.just(F(0))))
@settings(max_examples=30)
def test_without_a_future_the_value_is_the_payoff_of_the_start_policy(s):
    expected = [F(0)] * len(s.num_actions)
    for a in s.joint:
        probability = prod(own[()][k] for own, k in zip(s.policies, a, strict=True))
        expected = [v + probability * r for v, r in zip(expected, s.payoffs[a], strict=True)]
    assert s.values() == tuple(expected)


@given(settings_of_play())
@settings(max_examples=20)
def test_players_without_memory_get_the_payoff_of_one_round(s):
    policies = [dict.fromkeys(own, own[()]) for own in s.policies]
    repeated = Setting(s.num_actions, s.memory, s.discount, s.payoffs, policies)
    once = Setting(s.num_actions, s.memory, F(0), s.payoffs, policies)
    assert repeated.values() == once.values()


@given(settings_of_play(), st.data())
@settings(max_examples=20)
def test_values_lie_between_the_payoffs_and_are_affine_in_a_start_policy(s, data):
    values = s.values()
    for i, value in enumerate(values):
        own = [r[i] for r in s.payoffs.values()]
        assert min(own) <= value <= max(own)
    player = data.draw(st.integers(0, len(s.num_actions) - 1))
    pure = []
    for action in range(s.num_actions[player]):
        policies = [dict(own) for own in s.policies]
        policies[player][()] = tuple(F(k == action) for k in range(s.num_actions[player]))
        pure.append(Setting(s.num_actions, s.memory, s.discount, s.payoffs, policies).values())
    start = s.policies[player][()]
    mixed = tuple(
        sum(p * v[i] for p, v in zip(start, pure, strict=True)) for i in range(len(values))
    )
    assert values == mixed


# The limit g -> 1: Press and Dyson, PNAS 2012, equations (5) to (7). D(p, q, f) is the determinant of a
# 4x4 matrix whose last column is f; the payoff in the long run is D(p, q, r) / D(p, q, 1).

TWO_BY_TWO = st.just(((2, 2), 1))
STATES = [(0, 0), (0, 1), (1, 0), (1, 1)]


def determinant(m):
    """By hand: along the first row, and 3x3 by the rule of Sarrus."""

    def three(r):
        (a, b, c), (d, e, f), (g, h, i) = r
        return a * e * i + b * f * g + c * d * h - c * e * g - b * d * i - a * f * h

    total = 0
    for column in range(4):
        minor = [[row[k] for k in range(4) if k != column] for row in m[1:]]
        total += (-1) ** column * m[0][column] * three(minor)
    return total


def press_dyson(p, q, f):
    """`p[s]`, `q[s]`: probabilities of C after CC, CD, DC, DD in the absolute order (Press and Dyson
    number the second player's from its own view, so their q_2 and q_3 change places here)."""
    return determinant(
        [
            [-1 + p[0] * q[0], -1 + p[0], -1 + q[0], f[0]],
            [p[1] * q[1], -1 + p[1], q[1], f[1]],
            [p[2] * q[2], p[2], -1 + q[2], f[2]],
            [p[3] * q[3], p[3], q[3], f[3]],
        ]
    )


def long_run(s):
    p, q = ([own[(a,)][0] for a in STATES] for own in s.policies)
    whole = press_dyson(p, q, [F(1)] * 4)
    assume(whole != 0)
    return [press_dyson(p, q, [s.payoffs[a][i] for a in STATES]) / whole for i in range(2)]


@given(settings_of_play(TWO_BY_TWO, st.just(F(0))))
@settings(max_examples=40)
def test_patient_values_approach_press_and_dysons_determinants(s):
    """V(g) is rational in 1 - g =: d without a pole at 0, so V(d) - V(0) = d (c + O(d)): a million
    times closer for d a million times smaller."""
    limit = long_run(s)
    gaps = []
    for d in (F(1, 10**40), F(1, 10**46)):
        s.discount = 1 - d
        gaps.append([v - w for v, w in zip(s.values(), limit, strict=True)])
    for wide, narrow in zip(*gaps, strict=True):
        assert abs(wide) < F(1, 10**10)
        if wide == 0:
            assert narrow == 0
        else:
            assert abs(wide / narrow - 10**6) < 1


@given(settings_of_play(TWO_BY_TWO, st.just(F(0))))
@settings(max_examples=15)
def test_the_expanded_form_at_discount_one_is_press_and_dysons(s):
    """The factor 1 - g is cancelled in the expanded quotient, so g = 1 may be put in."""
    limit = long_run(s)
    top, bottom, symbols, gamma = SYMBOLIC
    given: dict[Any, Any] = {gamma: 1}
    for own, policy in zip(symbols, s.policies, strict=True):
        histories = [(), *((a,) for a in STATES)]
        given |= {row[0]: rational(policy[h][0]) for row, h in zip(own, histories, strict=True)}
    given |= {
        name: rational(s.payoffs[a][0])
        for name, a in zip(sympy.symbols("R S T P"), STATES, strict=True)
    }
    assert fraction(top.subs(given)) / fraction(bottom.subs(given)) == limit[0]


def rational(value):
    return sympy.Rational(value.numerator, value.denominator)


def fraction(value):
    return F(int(value.p), int(value.q))


def _symbolic():
    R, S, T, P, gamma = sympy.symbols("R S T P gamma")
    form = closed_form(NormalForm([[[R, S], [T, P]], [[R, T], [S, P]]]).iterated(gamma))
    return form.numerator(0), form.denominator, form.policy_symbols, gamma


SYMBOLIC = _symbolic()
