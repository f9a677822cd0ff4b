"""Classification by definitions: known strategies, and sets of discounts against enumeration at single ones."""

# A record holds None where there is nothing; the tests know where there is something.
# pyright: reportOptionalOperand=false, reportOperatorIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import flint
import pytest
import sympy

from resolvent.analytic import (
    classify_policy,
    enforced,
    nash_discounts,
    nash_of_averages,
    subgame_perfect_discounts,
)
from resolvent.analytic.exact import q_values, values
from resolvent.analytic.memory_one.discount_set import G, discounts_where, everywhere
from resolvent.games import (
    NormalForm,
    always,
    grim,
    matching_pennies,
    memory_one,
    prisoners_dilemma,
    public_goods,
    rock_paper_scissors,
    tit_for_tat,
    uniform,
    win_stay_lose_shift,
)

F = Fraction
CASES = {
    own["id"]: own
    for own in json.loads(
        (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
    )["cases"]
}
PURE = [name for name in CASES if name.startswith("memory_one_pure_SPE")]
SAMPLES = [F(0), F(1, 7), F(1, 2), F(4, 5), F(19, 20)]


def dilemma(discount="9/10"):
    return prisoners_dilemma(5, 3, 1, 0).iterated(discount)


def shown(found):
    return {own.name: str(own.discounts) for own in found.traits}


NONE, ALL = "no g in [0, 1)", "every g in [0, 1)"


@pytest.mark.parametrize(
    ("strategy", "yes", "where", "average"),
    [
        (
            tit_for_tat,
            {
                "nice",
                "retaliating",
                "forgiving",
                "self_cooperator",
                "self_defector",
                "self_alternator",
            },
            {
                "partner": "2/3 <= g < 1",
                "good": "2/3 < g < 1",
                "subgame_perfect": NONE,
                "rival": NONE,
            },
            {"rival", "zero_determinant", "linear", "partner", "good", "nash"},
        ),
        (
            grim,
            {"nice", "retaliating", "self_cooperator", "self_defector"},
            {"partner": "1/2 <= g < 1", "subgame_perfect": "1/2 <= g < 1", "rival": NONE},
            {"rival", "partner", "good", "nash"},
        ),
        (
            win_stay_lose_shift,
            {"nice", "retaliating", "forgiving", "self_cooperator"},
            {"partner": NONE, "subgame_perfect": NONE, "nash": NONE},
            {"partner", "nash"},
        ),
        (
            lambda game, i: always(game, i, "D"),
            {"self_defector"},
            {
                "nash": ALL,
                "subgame_perfect": ALL,
                "rival": ALL,
                "linear": ALL,
                "zero_determinant": NONE,
            },
            {"rival", "nash", "linear"},
        ),
        (
            lambda game, i: memory_one(game, i, 1, 1, "1/3", 1, "1/3"),
            {"nice", "retaliating", "forgiving", "self_cooperator"},
            {"partner": NONE, "nash": NONE},
            {"partner", "nash"},
        ),
    ],
    ids=["tit_for_tat", "grim", "win_stay", "always_defect", "most_generous"],
)
@pytest.mark.parametrize("player", [0, 1])
def test_known_strategies(strategy, yes, where, average, player):
    game = dilemma()
    found = classify_policy(game, strategy(game, player), player)
    assert {own.name for own in found.traits if own and not own.discounted} == yes
    assert {name: str(found[name].discounts) for name in where} == where
    assert {own.name for own in found.traits if own.average and own.discounted} == average


def test_the_lines_have_names():
    game = dilemma()
    # Extortion by 3 in (5, 3, 1, 0): 9/10 p = (1, 1, 0, 0) - 1/10 p_0 + S_X/10 ... as `enforced` finds it.
    average = classify_policy(game, memory_one(game, 0, 0, "11/13", "1/2", "7/26", 0))
    assert average.average_relations.relations
    line = average.average_relations.relations[0]
    assert line.slope(0) == F(1, 3)
    assert line.baseline == 1
    fixed = classify_policy(game, memory_one(game, 0, 1, "8/9", "4/9", "4/9", "2/9"))
    ((line, kind),) = fixed.lines
    assert (str(line), kind) == ("V_2 = 5/2", "equalizer")
    assert str(fixed.equalizer.discounts) == str(fixed.zero_determinant.discounts) == "g = 9/10"
    additive = prisoners_dilemma().iterated("24/25")
    ((line, kind),) = classify_policy(additive, tit_for_tat(additive, 1), 1).lines
    assert kind == "generous"
    assert line.holds((F(-1), F(-1)))
    assert line.slope(1) == F(23, 26)


def test_the_word_extortionate():
    """A policy of zero-determinant form by hand: g p = (1,1,0,0) - (1-g) p_0 + phi (s (S_X - P) - (S_Y - P))."""
    g, phi, s = F(9, 10), F(1, 6), F(1, 2)
    mine, others = (3, 0, 5, 1), (3, 5, 0, 1)
    rows = [
        (own + phi * (s * (x - 1) - (y - 1))) / g
        for own, x, y in zip((1, 1, 0, 0), mine, others, strict=True)
    ]
    game = dilemma()
    found = classify_policy(game, memory_one(game, 0, 0, *rows))
    assert [kind for _, kind in found.lines] == ["extortionate"]
    assert str(found.lines[0][0]) == "V_1 - 1 = 2 (V_2 - 1)"
    assert found.zero_determinant
    assert "enforces V_1 - 1 = 2 (V_2 - 1) (extortionate)" in str(found)


# The pure equilibria of the known answers ---------------------------------------------------


@pytest.mark.parametrize(
    "name", [PURE[0], pytest.param(PURE[1], marks=pytest.mark.slow), *PURE[2:]]
)
def test_pure_subgame_perfect_equilibria(name):
    """All 256 profiles of a stage game, at all discounts at once."""
    case = CASES[name]
    t, r, p, s = case["data"]["T,R,P,S"]
    game = NormalForm.symmetric([[r, s], [t, p]], ("C", "D")).iterated("1/2")
    strings = ["".join(own) for own in product("CD", repeat=4)]
    policies = [
        {own: memory_one(game, i, 1, *(int(a == "C") for a in own)) for own in strings}
        for i in (0, 1)
    ]
    # The start is a state like those after outcomes: by its action the same as after some outcome, or not.
    wanted = case["expected"]["by_delta"]
    found = {delta: [] for delta in wanted}
    for first, second in product(strings, repeat=2):
        joint = (policies[0][first], policies[1][second])
        held = subgame_perfect_without_start(game, joint)
        for delta in wanted:
            if delta in held:
                found[delta].append(f"{first}|{second}")
    assert {delta: sorted(own) for delta, own in found.items()} == {
        delta: sorted(own["profiles"]) for delta, own in wanted.items()
    }


def subgame_perfect_without_start(game, joint):
    """The file's states are the four outcomes: play begins after one of them."""
    after = game.stage.iterated("1/2", initial="uniform")
    return subgame_perfect_discounts(after, [own[1:] for own in joint])


@pytest.mark.parametrize("name", PURE[:1])
def test_symmetric_ones_by_classification(name):
    case = CASES[name]
    t, r, p, s = case["data"]["T,R,P,S"]
    after = NormalForm.symmetric([[r, s], [t, p]], ("C", "D")).iterated("1/2", initial="uniform")
    for bits in product((1, 0), repeat=4):
        policy = memory_one(after, 0, bits[0], *bits)
        held = classify_policy(after, policy).subgame_perfect.discounts
        string = "".join("C" if bit else "D" for bit in bits)
        for delta, own in case["expected"]["by_delta"].items():
            assert (delta in held) == (string in own["symmetric"])


# Sets against single discounts --------------------------------------------------------------


def random_stage(rng, symmetric=True):
    if symmetric:
        r, s, t, p = (rng.randint(-3, 4) for _ in range(4))
        return NormalForm.symmetric([[r, s], [t, p]], ("C", "D"))
    return NormalForm(
        [[[rng.randint(-3, 4) for _ in "CD"] for _ in "CD"] for _ in "CD"], (("C", "D"),) * 2
    )


def random_policy(rng, game, player):
    chances = [
        F(rng.choice((0, 1))) if rng.random() < 0.4 else F(rng.randint(0, 5), 5) for _ in range(5)
    ]
    return memory_one(game, player, *chances)


def best_by_enumeration(game, policies, player):
    best = None
    for bits in product((0, 1), repeat=5):
        joint = list(policies)
        joint[player] = memory_one(game, player, *bits)
        value = values(game, joint)[player]
        best = value if best is None else max(best, value)
    return best


def at_ends(found):
    """Discounts to look at: some, the rational ends, and right beside them."""
    ends = [F(int(own.p), int(own.q)) for own in found.ends if own.is_Rational]
    near = [end + step for end in ends for step in (-F(1, 10**9), F(0), F(1, 10**9))]
    return [own for own in (*SAMPLES[::2], *near) if 0 <= own < 1]


def test_nash_sets_are_those_of_enumeration():
    rng = Random(5)
    thresholds = 0
    for _ in range(7):
        stage = random_stage(rng, symmetric=rng.random() < 0.5)
        game = stage.iterated("1/2")
        joint = [random_policy(rng, game, i) for i in (0, 1)]
        found = nash_discounts(game, joint)
        thresholds += len(found.ends)
        for g in at_ends(found)[:6]:
            at = stage.iterated(g)
            own = values(at, joint)
            best = [best_by_enumeration(at, joint, i) for i in (0, 1)]
            assert (g in found) == (tuple(best) == own), g
    game = dilemma()
    held = nash_discounts(game, [grim(game, 0), tit_for_tat(game, 1)])
    assert held.ends == (sympy.Rational(2, 3),)
    assert "2/3" in held
    assert F(2, 3) - F(1, 10**12) not in held


def test_subgame_perfect_sets_are_those_of_q_values():
    rng = Random(6)
    for _ in range(12):
        stage = random_stage(rng)
        game = stage.iterated("1/2")
        policy = [F(rng.choice((0, 1))) for _ in range(5)]
        joint = [memory_one(game, i, *policy) for i in (0, 1)]
        found = subgame_perfect_discounts(game, joint)
        for g in at_ends(found):
            at = stage.iterated(g)
            tables = [q_values(at, joint, i) for i in (0, 1)]
            gains = [
                max(row) - sum(p * q for p, q in zip(own, row, strict=True))
                for table, rows in zip(tables, joint, strict=True)
                for own, row in zip(rows, table, strict=True)
            ]
            assert (g in found) == (max(gains) == 0)


def linear_candidates(rng):
    """Strategies that enforce a line at some discount, at all or at none, and others."""
    game = dilemma()
    for own in (grim, win_stay_lose_shift, tit_for_tat, uniform):
        yield game, own(game, 0)
    yield game, memory_one(game, 0, "1/3", "8/9", "4/9", "4/9", "2/9")
    yield game, memory_one(game, 0, 1, 1, 1, "1/2", 0)  # plays as ALLC
    additive = prisoners_dilemma().iterated("1/2")
    yield additive, tit_for_tat(additive, 0)
    for _ in range(6):
        other = random_stage(rng, symmetric=rng.random() < 0.7).iterated("1/2")
        yield other, random_policy(rng, other, 0)


def test_linear_sets_are_those_of_enforced():
    rng = Random(7)
    special = 0
    for game, policy in linear_candidates(rng):
        found = classify_policy(game, policy)
        assert found.linear.average == bool(enforced(game, 0, policy, discount="average"))
        if found.relations is not None and not found.relations.trivial:
            # One round, two replies: there is a line through two points.
            assert 0 in found.linear.discounts
        for g in at_ends(found.linear.discounts):
            if g == 0:
                continue
            own = enforced(game, 0, policy, discount=g)
            assert (g in found.linear.discounts) == bool(own)
            lines = [*own.relations, *own.trivial]
            fixes = len(lines) > 1 or any(line.weights[0] == 0 for line in lines)
            assert (g in found.equalizer.discounts) == fixes
            special += bool(own)
            if g in found.zero_determinant.discounts:
                assert g in found.linear.discounts
    assert special > 5


def test_rivals_and_partners_by_enumeration():
    rng = Random(8)
    for _ in range(8):
        stage = random_stage(rng)
        game = stage.iterated("1/2")
        policy = memory_one(
            game, 0, *(F(rng.choice((0, 1, 1)), rng.choice((1, 2))) for _ in range(5))
        )
        found = classify_policy(game, policy)
        reward = stage.payoffs[0][0][0]
        for g in SAMPLES[:4]:
            at = stage.iterated(g)
            pairs = [
                values(at, [policy, memory_one(at, 1, *bits)]) for bits in product((0, 1), repeat=5)
            ]
            assert (g in found.rival.discounts) == all(a >= b for a, b in pairs)
            nice = bool(found.nice)
            assert (g in found.partner.discounts) == (nice and all(b <= reward for _, b in pairs))
            good = nice and all(b < reward or a == b == reward for a, b in pairs)
            assert (g in found.good.discounts) == good


def test_an_equilibrium_at_one_irrational_discount_only():
    """T, R, P, S = 5, 4, -1, -3 and (1/2; 1, 0, 0, 1/2): Nash at the positive root of 8 g^2 + 7 g - 6 alone."""
    stage = NormalForm.symmetric([[4, -3], [5, -1]], ("C", "D"))
    game = stage.iterated("1/2")
    own = ["1/2", 1, 0, 0, "1/2"]
    joint = [memory_one(game, i, *own) for i in (0, 1)]
    found = nash_discounts(game, joint)
    (end,) = found.ends
    root = (sympy.sqrt(241) - 7) / 16
    assert sympy.simplify(end - root) == 0
    assert root in found
    assert not found.near_one
    # Next to it, on either side, another reply is better, and the nearer the less so.
    gains = []
    for step in (F(1, 10**3), F(1, 10**6)):
        for side in (-step, step):
            at = stage.iterated(F(str(sympy.N(root, 40))) + side)
            gains.append(best_by_enumeration(at, joint, 1) - values(at, joint)[1])
    assert all(gain > 0 for gain in gains)
    assert max(gains[2:]) < min(gains[:2]) / 100


def test_sets_by_hand():
    x = flint.fmpq_poly([-1, 0, 2])  # 2 g^2 - 1
    found = discounts_where(lambda sign: sign(x) <= 0)
    assert str(found) == "0 <= g <= sqrt(2)/2"
    assert sympy.sqrt(2) / 2 in found
    assert not found.near_one
    found = discounts_where(lambda sign: sign(x) == 0 or sign(4 * G - 3) >= 0 or sign(G) == 0)
    assert str(found) == "g = 0 or g = sqrt(2)/2 or 3/4 <= g < 1"
    assert discounts_where(lambda sign: sign(2 * G - 1) != 0).set == sympy.Union(
        sympy.Interval.Ropen(0, sympy.Rational(1, 2)), sympy.Interval.open(sympy.Rational(1, 2), 1)
    )
    assert discounts_where(lambda sign: True) == everywhere(True)
    assert everywhere(True).everywhere
    assert everywhere(False).empty
    assert 1 not in everywhere(True)
    with pytest.raises(ValueError, match="discount: expected a number; got g"):
        _ = sympy.Symbol("g") in found


# Other games --------------------------------------------------------------------------------


def test_more_players_and_actions():
    game = public_goods(3).iterated("9/10")
    found = classify_policy(game, always(game, 1, 1), 1)
    assert found.nash
    assert found.subgame_perfect
    assert found.rival
    assert not found.nice
    assert found.partner.holds is None
    assert "partner, good" in str(found)
    game = rock_paper_scissors().iterated("1/2")
    found = classify_policy(game, uniform(game, 0))
    assert found.nash.discounts.everywhere
    assert found.equalizer
    assert found.linear
    assert [str(line) for line, _ in found.lines] in (["V_1 = 0"], ["V_2 = 0"])
    assert found.rival


def test_asymmetric_games_have_no_partners():
    game = matching_pennies().iterated("1/2")
    found = classify_policy(game, uniform(game, 0))
    assert found.partner.undefined == "the game is not symmetric"
    assert found.rival.word == "-"
    assert found.nash.average


def test_trembling_hands():
    """Nobody is sure to cooperate; win-stay lose-shift is an equilibrium of the donation game all the same."""
    stage = prisoners_dilemma(3, 2, 0, -1)
    game = stage.iterated("9/10", implementation_noise="1/100")
    found = classify_policy(game, win_stay_lose_shift(game, 0))
    assert found.nice.holds is None
    assert found.retaliating
    # Defecting once pays c (1 - 2e) and makes the next round (b - c) (1 - 2e)^3 worse: b = 3, c = 1.
    assert str(found.subgame_perfect.discounts) == f"{F(1, 2) / F(49, 50) ** 2} <= g < 1"
    # Of tit-for-tat, c (1 - 2e) against b (1 - 2e)^2, which must be the same.
    held = subgame_perfect_discounts(game, [tit_for_tat(game, i) for i in (0, 1)])
    assert str(held) == f"g = {F(1, 3) / F(49, 50)}"


def test_symbolic_discount():
    game = prisoners_dilemma(5, 3, 1, 0).iterated(sympy.Symbol("g"))
    found = classify_policy(game, grim(game, 0))
    assert found.discount is None
    assert found.nash.holds is None
    assert found.nice.holds
    assert str(found.nash.discounts) == "1/2 <= g < 1"
    assert classify_policy(game, grim(game, 0), discount="1/4").nash.holds is False


def test_averages_of_profiles():
    game = dilemma()
    assert nash_of_averages(game, [win_stay_lose_shift(game, 0), win_stay_lose_shift(game, 1)])
    assert not nash_of_averages(game, [always(game, 0, "C"), tit_for_tat(game, 1)])


def test_what_is_refused():
    game = dilemma()
    own = grim(game, 0)
    with pytest.raises(TypeError, match="expected an IteratedGame"):
        classify_policy(game.stage, own)
    with pytest.raises(ValueError, match="player must be from 0 to 1"):
        classify_policy(game, own, 2)
    with pytest.raises(ValueError, match=r"discount: expected a number in \[0, 1\)"):
        classify_policy(game, own, discount=1)
    with pytest.raises(ValueError, match="players of one discount"):
        classify_policy(game.stage.iterated(["1/2", "1/3"]), own)
    with pytest.raises(ValueError, match="got the symbols T"):
        classify_policy(prisoners_dilemma(T=sympy.Symbol("T")).iterated("1/2"), own)
    with pytest.raises(ValueError, match="players who see the states"):
        classify_policy(game.stage.iterated("1/2", observe="reactive"), own)
    with pytest.raises(ValueError, match="must have shape"):
        classify_policy(game, own[1:])
    with pytest.raises(KeyError, match="no trait is called 'nasty'"):
        classify_policy(game, own)["nasty"]
