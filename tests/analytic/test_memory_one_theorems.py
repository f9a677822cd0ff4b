"""Theorems of memory-one play against exact best replies, and these against plain enumeration."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import flint
import pytest
import sympy

from resolvent.analytic import MEMORY_ONE_THEOREMS, classify_policy, payoff_region
from resolvent.analytic.exact import values
from resolvent.analytic.memory_one import conditions as known
from resolvent.analytic.memory_one.condition_record import Conditions
from resolvent.analytic.memory_one.polygon import hull
from resolvent.analytic.memory_one.two_by_two import average_pairs, best_reply, one_shot_gains
from resolvent.games import NormalForm, grim, memory_one, prisoners_dilemma

F = Fraction
SIZES = {
    "akin_lemma": 15,
    "partner_average": 40,
    "good_average": 60,
    "rival_average": 40,
    "good": 300,
}
ALWAYS = {"akin_lemma", "equalizer_pair"}
CASES = {
    own["id"]: own
    for own in json.loads(
        (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
    )["cases"]
}


def fmpq(numbers):
    return [flint.fmpq(F(own).numerator, F(own).denominator) for own in numbers]


def plain(number):
    return F(int(number.p), int(number.q))


def random_policy(rng):
    corners = [F(0), F(1)]
    return [
        rng.choice(corners) if rng.random() < 0.3 else F(rng.randint(0, 6), 6) for _ in range(5)
    ]


def random_stage(rng):
    r, s, t, p = (rng.randint(-4, 5) for _ in range(4))
    return NormalForm.symmetric([[r, s], [t, p]], ("C", "D")), (r, s, t, p)


def replies(game):
    for bits in product((0, 1), repeat=5):
        yield memory_one(game, 1, *bits)


@pytest.mark.parametrize("name", MEMORY_ONE_THEOREMS)
def test_theorems_agree_with_the_best_response(name):
    found = MEMORY_ONE_THEOREMS[name].check(SIZES.get(name, 100), seed=1)
    assert found, str(found)
    assert found.held
    if name not in ALWAYS:
        assert found.held < found.instances
        assert found.boundary > found.instances / 8


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMORY_ONE_THEOREMS)
def test_theorems_agree_on_ten_thousand_instances(name):
    found = MEMORY_ONE_THEOREMS[name].check(10_000)
    assert found, str(found)


LOOSE = {sympy.Le: sympy.Lt, sympy.Ge: sympy.Gt, sympy.Lt: sympy.Le, sympy.Gt: sympy.Ge}


@pytest.mark.parametrize(
    ("name", "which"),
    [
        (own.name, k)
        for own in MEMORY_ONE_THEOREMS.values()
        if own.name in {"partner", "good", "defector_nash", "rival", "partner_average", "grim_nash"}
        for k, relation in enumerate(own.conditions.relations)
        if type(relation) in LOOSE
    ],
)
def test_a_wrong_inequality_is_found_out(name, which):
    """Strict where it is not, or the other way round: instances on the boundary tell."""
    theorem = MEMORY_ONE_THEOREMS[name]
    relations = list(theorem.conditions.relations)
    own = relations[which]
    relations[which] = LOOSE[type(own)](own.lhs, own.rhs)
    changed = replace(theorem.conditions, relations=tuple(relations))
    found = replace(theorem, stated=lambda: changed).check(SIZES.get(name, 100) * 2, seed=3)
    assert not found
    assert f"{len(found.mismatches)} mismatches" in str(found)


@pytest.mark.parametrize("name", ["partner", "defector_nash", "rival", "equalizer"])
def test_no_condition_is_idle(name):
    theorem = MEMORY_ONE_THEOREMS[name]
    for k in range(len(theorem.conditions.relations)):
        rest = tuple(r for j, r in enumerate(theorem.conditions.relations) if j != k)
        fewer = replace(theorem.conditions, relations=rest)
        assert not replace(theorem, stated=lambda fewer=fewer: fewer).check(200, seed=3)


def test_best_replies_are_those_of_enumeration():
    rng = Random(0)
    for _ in range(6):
        stage, (r, s, t, p) = random_stage(rng)
        policy, g = random_policy(rng), F(rng.randrange(8), 8)
        game = stage.iterated(g)
        own = memory_one(game, 0, *policy)
        pairs = [values(game, [own, reply]) for reply in replies(game)]
        mine, others = fmpq((r, s, t, p)), fmpq((r, t, s, p))
        (discount,) = fmpq([g])
        best = best_reply(fmpq(policy), others, discount)
        assert plain(best.start) == max(pair[1] for pair in pairs)
        # Of the best replies, the best and the worst for the owner.
        top = [pair[0] for pair in pairs if pair[1] == plain(best.start)]
        most = best_reply(fmpq(policy), mine, discount, best.ties)
        least = best_reply(fmpq(policy), [-own for own in mine], discount, best.ties)
        assert (plain(most.start), -plain(least.start)) == (max(top), min(top))


def test_averages_are_the_corners_of_the_region():
    rng = Random(1)
    for _ in range(4):
        stage, (r, s, t, p) = random_stage(rng)
        policy = random_policy(rng)
        game = stage.iterated("1/2")
        region = payoff_region(game, memory_one(game, 0, *policy), 0, average=True)
        pairs = set(average_pairs(fmpq(policy), fmpq((r, s, t, p)), fmpq((r, t, s, p))))
        assert hull(pairs).vertices == region.vertices


def test_gains_of_one_action_are_those_of_values():
    """Play the action first, and the policy after it: from the start."""
    rng = Random(2)
    for _ in range(5):
        stage, (r, s, t, p) = random_stage(rng)
        first, second, g = random_policy(rng), random_policy(rng), F(rng.randrange(8), 8)
        game = stage.iterated(g)
        gains = one_shot_gains(fmpq(first), fmpq(second), fmpq((r, t, s, p)), *fmpq([g]))
        mine, theirs = memory_one(game, 0, *first), memory_one(game, 1, *second)
        value = values(game, [mine, theirs])[1]
        for action, gain in enumerate(gains[4]):
            other = memory_one(game, 1, 1 - action, *second[1:])
            assert plain(gain) == values(game, [mine, other])[1] - value


def test_conditions_give_the_discounts_of_the_classification():
    """Two roads to one set: the roots of the conditions, and policy iteration by signs."""
    rng = Random(3)
    for _ in range(6):
        stage, (r, s, t, p) = random_stage(rng)
        game = stage.iterated("1/2")
        payoffs = {"T": t, "R": r, "P": p, "S": s}
        for name, fixed in (
            ("partner", {0: 1, 1: 1}),
            ("defector_nash", {0: 0, 4: 0}),
            ("rival", {}),
            ("good", {0: 1, 1: 1}),
        ):
            policy = random_policy(rng)
            for k, value in fixed.items():
                policy[k] = F(value)
            at = payoffs | {own.name: x for own, x in zip(known.POLICY, policy, strict=True)}
            conditions = getattr(known, name)()
            if not conditions.applies(at | {"g": 0}):
                continue
            found = classify_policy(game, memory_one(game, 0, *policy))
            trait = found["nash" if name == "defector_nash" else name]
            assert trait.discounts == conditions.discounts(at), (name, at)
            if name == "partner":
                assert found.nash.discounts == trait.discounts


# Known answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payoffs", "grim_from", "win_stay", "tit_for_tat"),
    [
        ((5, 3, 1, 0), "1/2", None, "2/3"),
        ((0, -1, -2, -3), "1/2", None, "1/2"),
        ((3, 2, 0, -1), "1/3", "1/2", "1/3"),
    ],
    ids=["5310", "LOLA", "donation"],
)
def test_thresholds(payoffs, grim_from, win_stay, tit_for_tat):
    """`memory_one_thresholds` of the known answers, by the conditions."""
    at = dict(zip("TRPS", payoffs, strict=True))

    def least(conditions):
        found = conditions.discounts(at)
        return None if found.empty else str(found)

    assert least(known.always_defect()) == "every g in [0, 1)"
    assert least(known.grim_perfect()) == f"{grim_from} <= g < 1"
    assert least(known.win_stay_perfect()) == (win_stay and f"{win_stay} <= g < 1")
    assert least(known.tit_for_tat_nash()) == f"{tit_for_tat} <= g < 1"
    t, r, p, s = map(F, payoffs)
    knife = (t - r) / (r - s)
    expected = f"g = {knife}" if knife == (p - s) / (t - p) else None
    assert least(known.tit_for_tat_perfect()) == expected


def test_the_known_conditions():
    """`partner_rival_defector_conditions`, as the file states them."""
    at = dict(zip("TRPS", (5, 3, 1, 0), strict=True))
    text = CASES["partner_rival_defector_conditions"]["expected"]
    names = {own: sympy.Symbol(own, real=True) for own in ("p_CC", "p_CD", "p_DC", "p_DD")}
    names |= {"delta": known.g, "T": known.T, "R": known.R, "P": known.P, "S": known.S}
    partner = known.partner().relations
    difference = (known.T - known.R) * (1 - known.g * (1 - known.p_DC)) - known.g * (
        1 - known.p_CD
    ) * (known.R - known.S)
    assert text["partner"].endswith("(T-R)(1-delta(1-p_DD)) <= delta(1-p_CD)(R-P)")
    assert sympy.expand(partner[0].lhs - partner[0].rhs - difference) == 0
    # Generous tit-for-tat is the special case p_DC = 1.
    policy = dict(
        zip(("p_0", "p_CC", "p_CD", "p_DC", "p_DD"), (1, 1, "1/4", 1, "1/4"), strict=True)
    )
    assert str(known.partner().discounts(at | policy)) == "8/9 <= g < 1"
    assert known.partner_average().holds(at | policy)


def test_the_equalizer_pair_of_the_file():
    case = CASES["discounted_equalizer_pairs"]["data"]
    t, r, p, s = case["T,R,P,S"]
    at = {"T": t, "R": r, "P": p, "S": s, "g": case["delta"]}
    first, second = (dict(zip(("CC", "CD", "DC", "DD"), case[k], strict=True)) for k in "pq")
    at |= {f"p_{k}": x for k, x in first.items()} | {f"q_{k}": x for k, x in second.items()}
    assert known.equalizer_pair().holds(at)
    assert not known.equalizer_pair().holds(at | {"q_DD": "1/8"})
    gains = one_shot_gains(
        fmpq([F(1, 3), *map(F, case["p"])]),
        fmpq([F(1, 5), *map(F, case["q"])]),
        fmpq((r, t, s, p)),
        *fmpq([F(case["delta"])]),
    )
    assert {plain(gain) for row in gains for gain in row} == {0}


def test_what_is_refused():
    at = dict(zip("TRPS", (5, 3, 1, 0), strict=True))
    policy = dict(zip(("p_0", "p_CC", "p_CD", "p_DC", "p_DD"), (1, 1, 0, 1, 0), strict=True))
    partner = known.partner()
    assert partner.holds(at | policy | {"g": "2/3"})
    assert not partner.holds(at | policy | {"g": F(2, 3) - F(1, 10**9)})
    with pytest.raises(ValueError, match=r"assume Eq\(p_0, 1\), which does not hold"):
        partner.holds(at | policy | {"g": 0, "p_0": 0})
    with pytest.raises(ValueError, match="p_CD is missing"):
        partner.holds(at | {"p_0": 1, "p_CC": 1, "p_DC": 1, "p_DD": 0, "g": 0})
    with pytest.raises(ValueError, match=r"g: expected a discount in \[0, 1\); got 1"):
        partner.holds(at | policy | {"g": 1})
    with pytest.raises(ValueError, match=r"p_DD: expected a probability in \[0, 1\]; got 2"):
        partner.holds(at | policy | {"g": 0, "p_DD": 2})
    with pytest.raises(ValueError, match="expected T, R, P, S, g"):
        partner.holds(at | policy | {"g": 0, "x": 2})
    with pytest.raises(ValueError, match="no set of discounts"):
        known.partner_average().discounts(at | policy)


def test_the_repeating_policy_is_why_it_is_left_out():
    """(1, 1, 0, 0) satisfies Akin's inequalities as 0 <= 0, and concedes T."""
    stage = prisoners_dilemma(5, 3, 1, 0)
    game = stage.iterated("1/2")
    found = classify_policy(game, memory_one(game, 0, 1, 1, 1, 0, 0))
    assert found.partner.average is False
    at = dict(zip("TRPS", (5, 3, 1, 0), strict=True))
    at |= dict(zip(("p_0", "p_CC", "p_CD", "p_DC", "p_DD"), (1, 1, 1, 0, 0), strict=True))
    conditions = known.partner_average()
    assert not conditions.applies(at)
    assert replace(conditions, assumptions=known.NICE).holds(at)


def test_conditions_print():
    text = str(known.rival())
    assert text.startswith("rival: p_0 = 0 and g*p_DD = 0 and")
    assert "given T > S" in text
    assert isinstance(MEMORY_ONE_THEOREMS["partner"].conditions, Conditions)
    assert "Akin (2012)" in str(MEMORY_ONE_THEOREMS["partner"])
    assert grim(prisoners_dilemma().iterated("1/2"), 0)
