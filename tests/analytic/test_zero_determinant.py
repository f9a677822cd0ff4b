"""What a policy enforces, whatever the others do: against enumeration of replies, published strategies and
formulas, the closed form with the opponent's policy left symbolic, and proofs that are checked."""

# A record holds None where there is nothing; the tests know where there is something.
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false

import json
import random
from fractions import Fraction
from itertools import product
from pathlib import Path

import flint
import pytest

from resolvent.analytic import (
    LinearRelation,
    alliance,
    closed_form,
    enforce,
    enforceable,
    enforced,
    enforced_together,
    exact,
    smallest_discount,
)
from resolvent.analytic.memory_one.exact_lp import feasible, refute
from resolvent.analytic.memory_one.identity import relation_numerator
from resolvent.analytic.memory_one.zero_determinant import payoff_table
from resolvent.games import (
    IteratedGame,
    NormalForm,
    always,
    grim,
    memory_one,
    prisoners_dilemma,
    public_goods,
    rock_paper_scissors,
    tit_for_tat,
    uniform,
    win_stay_lose_shift,
)

CASES = json.loads((Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text())[
    "cases"
]
ENFORCERS = {
    case["id"]: case
    for case in CASES
    if case["kind"] == "zero_determinant" and case["id"] != "zd_extortion_family"
}
RELATIONS = {
    "s_X - 1 = 3 (s_Y - 1)": LinearRelation([1, -3], 2),
    "s_X - 1 = 2 (s_Y - 1)": LinearRelation([1, -2], 1),
    "s_X - 3 = 2 (s_Y - 3)": LinearRelation([1, -2], 3),
    "s_Y = 2": LinearRelation([0, 1], -2),
    "s_X = s_Y": LinearRelation([1, -1]),
}
DILEMMA = prisoners_dilemma(5, 3, 1, 0).iterated("9/10")


def mirrored(relation):
    return LinearRelation(relation.weights[::-1], relation.constant)


def null_space_dimension(points):
    """How many independent (w, c) have w'V + c = 0 at all points."""
    rows = [[*point, Fraction(1)] for point in points]
    matrix = flint.fmpq_mat([[flint.fmpq(x.numerator, x.denominator) for x in row] for row in rows])
    return len(rows[0]) - matrix.rank()


def deterministic(game, player):
    """All deterministic policies of one player."""
    rows, count = game.policy_shapes[player]
    for choice in product(range(count), repeat=rows):
        yield [[Fraction(int(a == own)) for a in range(count)] for own in choice]


def random_policy(game, player, draw, whole=6):
    rows, count = game.policy_shapes[player]
    result = []
    for _ in range(rows):
        cuts = sorted(draw.randrange(whole + 1) for _ in range(count - 1))
        result.append(
            [Fraction(b - a, whole) for a, b in zip([0, *cuts], [*cuts, whole], strict=True)]
        )
    return result


def random_game(draw, actions, discount, top=4):
    def payoffs(shape):
        if not shape:
            return draw.randint(-top, top)
        return [payoffs(shape[1:]) for _ in range(shape[0])]

    return NormalForm([payoffs(actions) for _ in actions]).iterated(discount)


# What a policy enforces.


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("name", ENFORCERS)
def test_published_strategies_enforce_their_relation_and_no_other(name, player):
    case = ENFORCERS[name]
    wanted = RELATIONS[case["expected"]["relation"]]
    policy = memory_one(DILEMMA, player, "1/3", *case["data"]["p"])
    held = enforced(DILEMMA, player, policy, discount="average")
    (found,) = held.relations
    assert found.equivalent(wanted if player == 0 else mirrored(wanted))
    assert held.in_every_class
    assert wanted.canonical.weights[::-1] != wanted.canonical.weights
    for scores in case["expected"]["sX_sY_vs"].values():
        if scores is not None:
            assert wanted.holds([Fraction(x) for x in scores])
    assert not enforced(
        DILEMMA, player, policy
    )  # at 9/10 the correction for the discount is missing


POLICIES = {
    "ALLD": always(DILEMMA, 0, 1),
    "mixed": uniform(DILEMMA, 0),
    "GRIM": grim(DILEMMA, 0),
    "TFT": tit_for_tat(DILEMMA, 0),
    "WSLS": win_stay_lose_shift(DILEMMA, 0),
    "repeat": memory_one(DILEMMA, 0, 1, 1, 1, 0, 0),
    "repeat, either": memory_one(DILEMMA, 0, "1/2", 1, 1, 0, 0),
    "constant but at the start": memory_one(DILEMMA, 0, "1/2", "1/3", "1/3", "1/3", "1/3"),
    "equalizer": enforce(DILEMMA, 0, LinearRelation.equalizer(2)).policy,
    "extortioner": enforce(DILEMMA, 0, LinearRelation.extortion(DILEMMA, 3)).policy,
    "leaves for good": memory_one(DILEMMA, 0, "1/2", 1, 1, 0, "1/3"),
}


@pytest.mark.parametrize("discount", ["9/10", "1/3", "average"])
@pytest.mark.parametrize("name", POLICIES)
def test_the_space_of_relations_is_that_of_all_deterministic_replies(name, discount):
    """The values of all 32 replies span the affine space of everything the opponent can do."""
    policy = POLICIES[name]
    game = prisoners_dilemma(5, 3, 1, 0).iterated("1/2" if discount == "average" else discount)
    replies = [[policy, reply] for reply in deterministic(game, 1)]
    if discount == "average":
        form = closed_form(game)
        points = [form.average(pair) for pair in replies]
    else:
        points = [exact.values(game, pair) for pair in replies]
    held = enforced(game, 0, policy, discount=discount)
    assert held.dimension == null_space_dimension(points)
    assert all(own.holds(point) for own in held.relations for point in points)


def test_random_policies_enforce_what_enumeration_finds():
    draw = random.Random(1)
    seen = set()
    for _ in range(25):
        game = random_game(
            draw, draw.choice([(2, 2), (3, 2)]), Fraction(draw.randrange(1, 9), 9), 1
        )
        policy = random_policy(game, 0, draw, 1)
        held = enforced(game, 0, policy)
        rows = game.policy_shapes[1][0]
        replies = (
            deterministic(game, 1)
            if rows <= 5
            else [random_policy(game, 1, draw, 1) for _ in range(40)]
        )
        points = [exact.values(game, [policy, reply]) for reply in replies]
        assert held.dimension == null_space_dimension(points)
        assert all(own.holds(p) for own in (*held.relations, *held.trivial) for p in points)
        seen.add(held.dimension)
    assert len(seen) >= 3


def test_with_noise_short_sight_and_more_memory():
    """The theorem knows only the process of the others, so that all of these are covered."""
    draw = random.Random(2)
    stage = prisoners_dilemma(5, 3, 1, 0)
    games = [
        stage.iterated("2/3", implementation_noise="1/5", observation_noise="1/7"),
        IteratedGame(stage, "2/3", observe=["own", None]),
        IteratedGame(stage, "1/2", memory=[2, 1]),
        IteratedGame(stage, "1/2", initial="uniform"),
        stage.iterated("2/3").as_stochastic(),
    ]
    for game in games:
        for policy in (uniform(game, 0), random_policy(game, 0, draw)):
            held = enforced(game, 0, policy)
            replies = [random_policy(game, 1, draw) for _ in range(12)]
            points = [exact.values(game, [policy, reply]) for reply in replies]
            assert held.dimension == null_space_dimension(points)
            assert all(own.holds(point) for own in held.relations for point in points)


def test_three_players_together_and_alone():
    draw = random.Random(3)
    game = public_goods(3, 2).iterated("4/5")
    policies = {0: random_policy(game, 0, draw), 2: random_policy(game, 2, draw)}
    for fixed in ({1: tit_like(game)}, policies):
        held = enforced_together(game, fixed)
        points = []
        for _ in range(12):
            joint = [fixed.get(j) or random_policy(game, j, draw) for j in range(3)]
            points.append(exact.values(game, joint))
        assert held.dimension == null_space_dimension(points)
    everybody = enforced_together(game, {**policies, 1: tit_like(game)})
    assert len(everybody.relations) == 3


def tit_like(game):
    """A policy of player 1 of three with a relation: the fair one, with the mean of the others."""
    relation = LinearRelation.line("1/2", "1/2", 1, num_players=3)
    return enforce(game, 1, relation).policy


def test_several_and_trivial_relations():
    game = rock_paper_scissors().iterated("1/2")
    held = enforced(game, 0, uniform(game, 0))
    assert [str(own) for own in held.relations] == ["V_1 = 0"]
    assert [str(own) for own in held.trivial] == ["V_1 = -V_2"]
    assert LinearRelation([0, 1]) in held
    assert LinearRelation([1, 0], 1) not in held
    both = enforced_together(DILEMMA, {0: grim(DILEMMA, 0), 1: grim(DILEMMA, 1)})
    assert [str(own) for own in both.relations] == ["V_1 = 3", "V_2 = 3"]


def test_in_the_limit_some_relations_hold_from_the_start_only():
    """Who begins with either action and repeats it for ever reaches two classes, with half the chance each
    whatever the other does. In a game where it alone decides, both values are fixed in the mean."""
    stage = NormalForm([[[4, 4], [0, 0]], [[1, 1], [3, 3]]])
    game = stage.iterated("1/2")
    policy = memory_one(game, 0, "1/2", 1, 1, 0, 0)
    held = enforced(game, 0, policy, discount="average")
    assert [str(own) for own in held.relations] == ["V_1 = 2"]
    assert held.dimension == 2
    assert not held.in_every_class
    line = LinearRelation([1, 2], -6)  # through (4, 1) and (0, 3)
    assert line in held
    sure = enforced(game, 0, memory_one(game, 0, 1, 1, 1, 0, 0), discount="average")
    assert sure.in_every_class
    assert LinearRelation([1, 0], -4) in sure


# Policies that enforce a relation.


@pytest.mark.parametrize("chi", [Fraction(1), Fraction(3, 2), Fraction(3), Fraction(10)])
def test_the_extortioners_of_press_and_dyson(chi):
    largest = 1 / (1 + 4 * chi)
    relation = LinearRelation([1, -chi], chi - 1)
    assert relation.equivalent(LinearRelation.extortion(DILEMMA, chi))
    for phi in (largest, largest / 3):
        found = enforce(DILEMMA, 0, relation, discount="average", phi=phi, start="1/2")
        own = (1 - 2 * phi * (chi - 1), 1 - phi * (4 * chi + 1), phi * (chi + 4), 0)
        assert found.policy == memory_one(DILEMMA, 0, "1/2", *own)
        assert found.phi_range == (0, largest)
        assert found.start_range == (0, 1)
    with pytest.raises(ValueError, match="phi, start: expected a pair from"):
        enforce(DILEMMA, 0, relation, discount="average", phi=2 * largest)


def test_generous_tit_for_tat_2_of_stewart_and_plotkin():
    found = enforce(DILEMMA, 1, LinearRelation([-2, 1], 3), discount="average")
    assert found.policy == memory_one(DILEMMA, 1, 1, 1, "1/8", 1, "1/4")
    assert found.phi == Fraction(1, 8)


def test_the_discounted_formula():
    """g p = p_rep - (1 - g) p_0 + phi (s S_X - S_Y + (1 - s) l), at all corners of what is free."""
    s, low, g = Fraction(1, 3), Fraction(5, 2), Fraction(9, 10)
    relation = LinearRelation.line(s, low)
    corners = enforce(DILEMMA, 0, relation).freedom
    assert len(corners) >= 3
    for phi, start in corners:
        found = enforce(DILEMMA, 0, relation, phi=phi, start=start)
        outcomes = zip((3, 0, 5, 1), (3, 5, 0, 1), (1, 1, 0, 0), strict=True)
        own = [
            (repeat - (1 - g) * start + phi * (s * x - y + (1 - s) * low)) / g
            for x, y, repeat in outcomes
        ]
        assert found.policy == memory_one(DILEMMA, 0, start, *own)
        assert found.verify()


@pytest.mark.parametrize("discount", [None, "4/5", "average"])
@pytest.mark.parametrize("player", [0, 1])
def test_the_closed_form_vanishes_identically(discount, player):
    """A polynomial in the opponent's five probabilities; of another relation it does not vanish."""
    relation = LinearRelation.extortion(DILEMMA, 3, player)
    found = enforce(DILEMMA, player, relation, discount=discount)
    assert found.identity() == 0
    other = LinearRelation(relation.weights, relation.constant + 1)
    shown = DILEMMA, player, found.policy, other, found.discount
    assert relation_numerator(*shown) != 0


@pytest.mark.slow
def test_the_closed_form_of_two_by_three_vanishes_identically():
    game = NormalForm([[[3, 0, 2], [5, 1, 4]], [[3, 5, 4], [0, 1, 1]]]).iterated("9/10")
    found = enforce(game, 0, LinearRelation.line("1/4", 2))
    assert found.found
    assert found.identity() == 0


def held_against_random_replies(found, draw, count=4):
    game = found.game
    for _ in range(count):
        joint = [
            found.policy if j == found.player else random_policy(game, j, draw)
            for j in range(game.num_players)
        ]
        if found.discount == "average":
            values = closed_form(game).average(joint)
        else:
            values = exact.values(game, joint)
        assert found.relation.holds(values)


def check_instances(seed, count):
    """Random games, relations and discounts: what is found holds against random replies, what is not is
    proved, and the least discount divides the two."""
    draw = random.Random(seed)
    outcomes = {"found": 0, "impossible": 0, "open": 0}
    for _ in range(count):
        actions = draw.choice([(2, 2), (2, 3), (3, 2), (2, 2, 2)])
        g = Fraction(draw.randrange(1, 12), 12)
        game = random_game(draw, actions, g)
        player = draw.randrange(len(actions))
        weights = [draw.randint(-2, 2) for _ in actions]
        if not any(weights):
            continue
        table = payoff_table(game, player, LinearRelation(weights))
        pays = sorted(w for row in table for w in row)
        relation = LinearRelation(weights, -draw.choice(pays))
        least = smallest_discount(game, player, relation)
        found = enforce(game, player, relation)
        assert found.found == (least.memory_one is not None and least.memory_one <= g)
        assert found.impossible == (least.any_memory is None or least.any_memory > g)
        if found.found:
            outcomes["found"] += 1
            held_against_random_replies(found, draw)
            assert found.verify()
        else:
            outcomes["impossible" if found.impossible else "open"] += 1
            assert found.verify()
        if least.attained and least.memory_one > 0:
            assert enforce(game, player, relation, discount=least.memory_one).verify()
            below = least.memory_one * Fraction(99, 100)
            assert not enforce(game, player, relation, discount=below).found
    return outcomes


def test_random_relations_are_enforced_or_proved_impossible():
    outcomes = check_instances(4, 50)
    assert outcomes["found"] >= 5
    assert outcomes["impossible"] >= 5


@pytest.mark.slow
def test_thousands_of_random_relations():
    outcomes = check_instances(5, 5000)
    assert outcomes["found"] >= 500, outcomes
    assert outcomes["impossible"] >= 500, outcomes
    assert outcomes["open"] >= 1, outcomes


def test_the_limit_needs_no_patience():
    """At g -> 1 the rule is W(low) <= 0 <= W(high); fairness is enforced there and at no discount."""
    fair = LinearRelation.fair()
    found = enforce(DILEMMA, 0, fair, discount="average")
    assert found.verify()
    assert found.policy == tit_for_tat(DILEMMA, 0)
    least = smallest_discount(DILEMMA, 0, fair)
    assert least.memory_one == 1
    assert not least.attained
    assert enforce(DILEMMA, 0, fair, discount="999/1000").impossible


def test_nobody_fixes_its_own_score_in_the_dilemma():
    for value in range(7):
        relation = LinearRelation([1, 0], -value)
        assert smallest_discount(DILEMMA, 0, relation).any_memory is None
        assert enforce(DILEMMA, 0, relation, discount="average").impossible


def test_more_memory_enforces_more():
    """W(C) = (-1, -10) and W(D) = (1, 11): mixtures that share actions vary less than either action, but
    then the action does not tell which of the two was meant; a private memory of it is needed."""
    game = NormalForm([[[-1, -10], [1, 11]], [[0, 1], [2, 0]]]).iterated("1/2")
    relation = LinearRelation([1, 0])
    least = smallest_discount(game, 0, relation)
    assert least.memory_one == Fraction(5, 6)  # (11 - 1) / (11 + 1)
    assert least.any_memory < least.memory_one
    between = enforce(game, 0, relation, discount=(least.any_memory + least.memory_one) / 2)
    assert not between.found
    assert not between.impossible
    assert between.verify()
    draw = random.Random(10)
    for _ in range(5):
        assert value_with_private_memory(between, random_policy(game, 1, draw)) == 0
    assert enforce(game, 0, relation, discount=least.any_memory * Fraction(99, 100)).impossible


def value_with_private_memory(found, reply):
    """The relation's left hand side where player 1 keeps a target and player 2 is of memory one: on the
    chain of (which end, state), solved in rationals."""
    game, g, (bottom, top) = found.game, found.discount, found.targets
    table = payoff_table(game, 0, found.relation)
    states = list(product((0, 1), range(game.num_states)))
    rows, right = [], []
    for end, s in states:
        row = [Fraction(int(own == (end, s))) for own in states]
        paid = Fraction(0)
        mixture, target = (found.high, top) if end else (found.low, bottom)
        for k, chance in enumerate(reply[s]):
            mean = sum(p * table[a][k] for a, p in enumerate(mixture))
            paid += chance * (1 - g) * mean
            rise = ((target - (1 - g) * mean) / g - bottom) / (top - bottom)
            assert 0 <= rise <= 1
            for a, p in enumerate(mixture):
                after = game.successors[s][a * len(reply[s]) + k]
                for there, share in ((1, rise), (0, 1 - rise)):
                    row[states.index((there, after))] -= g * chance * p * share
        rows.append([flint.fmpq(x.numerator, x.denominator) for x in row])
        right.append([flint.fmpq(paid.numerator, paid.denominator)])
    values = flint.fmpq_mat(rows).solve(flint.fmpq_mat(right))
    begin = -bottom / (top - bottom)
    low, high = (Fraction(str(values[states.index((end, 0)), 0])) for end in (0, 1))
    return (1 - begin) * low + begin * high


def test_a_mixture_that_looks_at_nothing():
    """Matching pennies: half and half fixes both values at every discount, 0 included."""
    game = NormalForm([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]).iterated(0)
    found = enforce(game, 0, LinearRelation([1, 0]))
    assert found.policy == uniform(game, 0)
    assert found.phi is None
    assert found.verify()


def test_mixtures_of_three_actions():
    """No two of the actions do, but the first against a mixture of the others does."""
    rows = [[-1, -2, -3], [6, -1, 4], [-1, 6, 4]]
    game = NormalForm([rows, [[0, 1, 2], [2, 0, 1], [1, 1, 0]]]).iterated("9/10")
    relation = LinearRelation([1, 0])
    found = enforce(game, 0, relation)
    assert found.found
    assert found.verify()
    assert found.low == (1, 0, 0)
    assert sum(p > 0 for p in found.high) == 2
    held_against_random_replies(found, random.Random(6))


# The set of all lines.


@pytest.mark.parametrize("payoffs", [(5, 3, 1, 0), (4, 3, 1, -2), (10, 6, 5, 0)], ids=str)
def test_the_limit_of_hilbe_nowak_and_traulsen(payoffs):
    """At a baseline P <= l <= R the slopes are those from -min{(T-l)/(l-S), (l-S)/(T-l)} to 1."""
    t, r, p, s = payoffs
    found = enforceable(prisoners_dilemma(*payoffs).iterated("1/2"), 1, discount="average")
    for k in range(5):
        low = p + Fraction(k, 4) * (r - p)
        ratio = (t - low) / (low - s)
        assert found.slopes(low) == ((-min(ratio, 1 / ratio), 1),)
    assert found.slopes(r + Fraction(1, 2)) == ((1, 1),)


def test_what_is_inside_is_enforced_and_what_is_outside_is_not():
    draw = random.Random(7)
    for _ in range(6):
        game = random_game(
            draw, draw.choice([(2, 2), (2, 3), (2, 2, 2)]), Fraction(draw.randrange(5, 10), 10)
        )
        found = enforceable(game)
        for piece in found.pieces:
            corners = piece.vertices
            middle = [sum(own) / len(corners) for own in zip(*corners, strict=True)]
            for s, m in corners:
                inside = line_of(game, s, m)
                assert enforce(game, 0, inside).verify()
                beyond = [x + (x - c) / 10 for x, c in zip((s, m), middle, strict=True)]
                held = any(own.contains(*beyond) for own in found.pieces)
                outside = enforce(game, 0, line_of(game, *beyond))
                assert outside.found == (held or outside.phi is None and outside.found)


def line_of(game, slope, intercept):
    """mean of the others = slope V_1 + intercept."""
    n = game.num_players
    return LinearRelation([slope, *[Fraction(-1, n - 1)] * (n - 1)], intercept)


def test_the_discount_bounds_the_slope_alone():
    """The least discount of a line is the same at all baselines at which it can be enforced at all."""
    for slope in ("0", "1/3", "2/3"):
        least = {
            smallest_discount(DILEMMA, 0, LinearRelation.line(slope, low)).memory_one
            for low in ("1", "3/2", "2", "11/4", "3")
        }
        assert len(least) == 1
    assert smallest_discount(DILEMMA, 0, LinearRelation.equalizer(2)).memory_one == Fraction(1, 2)


# Alliances.


@pytest.mark.parametrize("discount", ["9/10", "average"])
@pytest.mark.parametrize("members", [(0,), (0, 2)], ids=["one", "two"])
def test_alliances_in_the_public_goods_game(members, discount):
    game = public_goods(3, 2).iterated("9/10")
    found = alliance(game, members, discount=discount)
    draw = random.Random(8)
    for low in (Fraction(0), Fraction(1, 2), Fraction(1)):
        ((least, most),) = found.slopes(low)
        # Payoffs are linear in the number of cooperators: a common coin is of no use.
        assert found.slopes_together(low) == ((least, most),)
        if len(members) == 1:
            assert enforceable(game, 0, discount=discount).slopes(low) == ((least, most),)
        for slope in (least, most, (least + most) / 2):
            play = found.enforce(slope, low)
            assert play.verify()
            joint = [play.policies.get(j) or random_policy(game, j, draw) for j in range(3)]
            form = closed_form(game)
            values = form.average(joint) if discount == "average" else form.evaluate(joint)
            assert found.relation(slope, low).holds(values)
        with pytest.raises(ValueError, match="slope: expected one of"):
            found.enforce(most + Fraction(1, 100), low)


def test_alliances_reach_what_one_player_cannot():
    """Slopes over 1 member against 2 of 3: more members can harm themselves less against outsiders."""
    game = public_goods(3, 2).iterated("9/10")
    one, two = (alliance(game, members, discount="average") for members in ((0,), (0, 1)))
    assert two.slopes(0)[0][0] < one.slopes(0)[0][0]


def by_cooperators(cooperating, defecting):
    """A symmetric game of three players."""

    def pay(player, joint):
        count = joint.count(0)
        return defecting[count] if joint[player] else cooperating[count - 1]

    return [
        [[[pay(i, (x, y, z)) for z in (0, 1)] for y in (0, 1)] for x in (0, 1)] for i in range(3)
    ]


@pytest.mark.parametrize("discount", ["9/10", "average"])
def test_a_common_coin_enforces_more_where_payoffs_are_not_linear(discount):
    """With the coin the members are one player of four actions, in a game of two: solved as such."""
    payoffs = by_cooperators((-1, 5, 4), (-2, 1, 5))
    found = alliance(NormalForm(payoffs).iterated("9/10"), (0, 1), discount=discount)
    ((least, most),) = found.slopes_together(0)
    assert found.slopes(0) != ((least, most),)
    pairs = list(product((0, 1), repeat=2))
    ours = [
        [Fraction(sum(payoffs[i][x][y][z] for i in (0, 1)), 2) for z in (0, 1)] for x, y in pairs
    ]
    theirs = [[payoffs[2][x][y][z] for z in (0, 1)] for x, y in pairs]
    merged = NormalForm([ours, theirs]).iterated("9/10")
    for slope in (least, most, (least + most) / 2):
        assert enforce(merged, 0, LinearRelation.line(slope, 0), discount=discount).verify()
    beyond = LinearRelation.line(most + Fraction(1, 100), 0)
    assert enforce(merged, 0, beyond, discount=discount).impossible


# Bad input, prints, linear programs.


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="weights: expected one that is not 0"):
        LinearRelation([0, 0], 1)
    with pytest.raises(ValueError, match="relation: expected one weight per player"):
        enforce(DILEMMA, 0, LinearRelation([1, 1, 1]))
    with pytest.raises(ValueError, match="discount: expected a number in"):
        enforced(DILEMMA, 0, grim(DILEMMA, 0), discount=1)
    with pytest.raises(ValueError, match="game: expected one discount for all players"):
        enforced(prisoners_dilemma().iterated(["1/2", "1/3"]), 0, uniform(DILEMMA, 0))
    with pytest.raises(ValueError, match="without noise"):
        enforce(
            prisoners_dilemma().iterated("1/2", implementation_noise="1/9"),
            0,
            LinearRelation.fair(),
        )
    with pytest.raises(ValueError, match="tell all outcomes"):
        enforce(prisoners_dilemma().iterated("1/2", observe="own"), 0, LinearRelation.fair())
    with pytest.raises(ValueError, match="members: expected at least one"):
        alliance(DILEMMA, (0, 1))
    with pytest.raises(ValueError, match="others: expected weights of sum 1"):
        LinearRelation.line(1, 0, 0, [0, "1/2"])


@pytest.mark.parametrize(
    ("relation", "text"),
    [
        (LinearRelation([1, -3], 2), "V_1 - 1 = 3 (V_2 - 1)"),
        (LinearRelation([3, -1], 2), "V_2 + 1 = 3 (V_1 + 1)"),
        (LinearRelation([0, 2], -3), "V_2 = 3/2"),
        (LinearRelation([2, -2]), "V_1 = V_2"),
        (LinearRelation([1, -1], 4), "V_1 = V_2 - 4"),
        (LinearRelation([1, 1], -2), "V_1 - 1 = -(V_2 - 1)"),
        (LinearRelation([2, "-3/2", 1], "1/2"), "4 V_1 - 3 V_2 + 2 V_3 = -1"),
    ],
    ids=["extortion", "other way", "equalizer", "fair", "apart", "sum", "three"],
)
def test_relations_print_as_lines(relation, text):
    assert str(relation) == text


def test_linear_programs_are_solved_or_refuted():
    """On random systems exactly one of a solution and Farkas' multipliers, each checked."""
    draw = random.Random(9)
    solved = 0
    for _ in range(40):
        width, height = draw.randint(1, 4), draw.randint(1, 6)
        matrix = [[Fraction(draw.randint(-3, 3)) for _ in range(width)] for _ in range(height)]
        right = [Fraction(draw.randint(-3, 3)) for _ in range(height)]
        x = feasible(matrix, right)
        if x is None:
            assert refute([f"x{k}" for k in range(width)], matrix, right).check()
        else:
            solved += 1
            assert min(x) >= 0
            for row, b in zip(matrix, right, strict=True):
                assert sum(m * own for m, own in zip(row, x, strict=True)) <= b
    assert 5 <= solved <= 35


def test_plots():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = enforceable(DILEMMA).plot(points=8)
    assert ax.get_xlabel()
    assert ax.collections
    ax = alliance(public_goods(3, 2).iterated("9/10"), (0, 1), discount="average").plot(points=3)
    assert ax.collections
    pyplot.close("all")


def test_one_round_only():
    """Without a future the outcomes of the first round are all there is: two of them lie on a line."""
    game = prisoners_dilemma(5, 3, 1, 0).iterated("9/10")
    held = enforced(game, 0, grim(game, 0), discount=0)
    assert len(held.relations) == 1
    assert held.relations[0].holds((Fraction(3), Fraction(3)))
    assert held.relations[0].holds((Fraction(0), Fraction(5)))
    tossed = memory_one(game, 0, "1/2", 1, 0, 0, 0)
    (line,) = enforced(game, 0, tossed, discount=0).relations
    assert line.holds((Fraction(4), Fraction(3, 2)))
    assert line.holds((Fraction(1, 2), Fraction(3)))
