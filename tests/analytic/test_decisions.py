"""Decisions by algebra: against exact roots, exact values at random policies, and forged proofs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest
import sympy

from resolvent import games
from resolvent.analytic import (
    RationalFunction,
    closed_form,
    dominates,
    sign_on_box,
    value_difference,
)
from resolvent.analytic.bernstein import Halved, Leaf, decide
from resolvent.analytic.exact import values

F = Fraction
X, Y = sympy.symbols("x y")


def dilemma(discount, payoffs=(5, 3, 1, 0), **options):
    return games.prisoners_dilemma(*payoffs).iterated(discount, **options)


def policy(rng, game, player, parts=8):
    rows = (rng.randint(0, parts) for _ in range(game.policy_shapes[player][0]))
    return tuple((F(n, parts), 1 - F(n, parts)) for n in rows)


def polynomial(rng, variables, degree, size=6):
    return {
        powers: rng.randint(-size, size) for powers in product(range(degree + 1), repeat=variables)
    }


def box_of(rng, variables):
    pairs = (sorted((F(rng.randint(-4, 4), 3), F(rng.randint(-4, 4), 3))) for _ in range(variables))
    return tuple((low, high) if low < high else (low, low + 1) for low, high in pairs)


# Polynomials ----------------------------------------------------------------------------------


def test_signs_of_polynomials_in_one_variable_agree_with_their_roots():
    rng = Random(1)
    seen = set()
    for k in range(25):
        low, high = F(rng.randint(-3, 1), 2), F(rng.randint(2, 5), 2)
        roots = [F(rng.randint(-6, 9), rng.choice((2, 3))) for _ in range(rng.randint(1, 3))]
        own = sympy.Poly(X**2 + 1, X) if k % 3 else sympy.Poly(rng.choice((-2, 1)), X)
        for root in roots:
            own *= sympy.Poly(root.denominator * X - root.numerator, X)
        found = sign_on_box(own.as_expr(), {X: (low, high)})
        assert found.check()
        # By counting: a root inside of odd multiplicity changes the sign.
        inside = [root for root in set(roots) if low < root < high]
        changes = [root for root in inside if roots.count(root) % 2]
        touches = [root for root in set(roots) if low <= root <= high]
        sign: Any = own.eval(sympy.Rational(str(low + F(1, 997))))
        if changes:
            expected = "mixed"
        elif touches:
            expected = "nonnegative" if sign > 0 else "nonpositive"
        else:
            expected = "positive" if sign > 0 else "negative"
        assert found.sign == expected
        seen.add(found.sign)
    assert seen == {"mixed", "nonnegative", "nonpositive", "positive", "negative"}


def test_bernstein_coefficients_bound_the_polynomial():
    rng = Random(2)
    for variables, degree in ((1, 4), (2, 3), (3, 2), (5, 1)):
        for _ in range(8):
            terms, box = polynomial(rng, variables, degree), box_of(rng, variables)
            proof = decide(terms, box, 30)
            assert proof.check()
            for part, leaf in proof.leaves:
                for _ in range(5):
                    place = tuple(
                        low + F(rng.randint(0, 7), 7) * (high - low) for low, high in part
                    )
                    assert leaf.least <= proof.at(place) <= leaf.greatest
            if degree == 1:  # and then they are the values at the corners
                corners = [proof.at(place) for place in product(*box)]
                assert proof.leaves[0][1].least <= min(corners)
                assert proof.sign == "mixed" or min(leaf.least for _, leaf in proof.leaves) == min(
                    corners
                )


def test_a_gap_above_zero_is_found_by_cutting():
    gap = sign_on_box((X - Y) ** 2 + sympy.Rational(1, 400))
    assert gap.sign == "positive"
    assert len(gap.parts[0].proof.leaves) > 10
    assert gap.check()
    low = sign_on_box((3 * X - 1) ** 2 + (3 * Y - 1) ** 2 - sympy.Rational(1, 10**6))
    assert low.sign in ("mixed", "undecided")


def test_zeros_are_told_from_none():
    assert sign_on_box(X * Y).sign == "nonnegative"
    assert sign_on_box(X * Y).positive is False
    assert sign_on_box(X * Y + 1).positive is True
    assert sign_on_box((X - Y) ** 2).sign == "nonnegative"  # by its power
    touching = sign_on_box(X**2 - X * Y + Y**2, {X: (-1, 1), Y: (-1, 1)}, max_boxes=40)
    assert touching.sign in ("undecided", "nonnegative")  # 0 in the middle, positive elsewhere
    # A zero inside of a factor that cannot be taken apart: cut as often as you like.
    stuck = sign_on_box((3 * X - 1) ** 2 + (3 * Y - 1) ** 2, max_boxes=50)
    assert stuck.sign == "undecided"
    assert stuck.nonnegative is None
    assert stuck.positive is None
    assert stuck.check()
    third = F(1, 3)
    assert any(
        all(low <= third <= high for low, high in box) for box in stuck.undecided
    )  # what is open is around the zero
    assert "open" in str(stuck)
    assert sign_on_box(X - X).sign == "zero"
    assert sign_on_box(-3).sign == "negative"
    assert sign_on_box(-3).check()


def test_denominators():
    assert sign_on_box(-1 / (1 + X)).sign == "negative"
    pole = sign_on_box((1 + X) / X)
    assert pole.poles
    assert pole.sign == "nonnegative"  # where it is defined
    assert "wherever it is defined" in str(pole)
    assert sign_on_box((X**2 - Y**2) / (X - Y)).sign == "nonnegative"  # it is x + y
    assert sign_on_box(1 / (X - Y) ** 2).sign == "nonnegative"
    with pytest.raises(ValueError, match="a denominator that keeps its sign"):
        sign_on_box(1 / (2 * X - 1))
    assert sign_on_box(1 / (2 * X - 1), {"x": ("3/4", 1)}).sign == "positive"


def test_witnesses_are_places_of_that_sign():
    rng = Random(3)
    count = 0
    for _ in range(15):
        terms = polynomial(rng, 2, 2)
        own = sum(c * X**a * Y**b for (a, b), c in terms.items()) * (X + 1) * Y
        found = sign_on_box(own)
        for place, positive in ((found.positive_at, True), (found.negative_at, False)):
            if place is not None:
                value = own.subs({x: sympy.Rational(str(v)) for x, v in place.items()})
                assert (value > 0) == positive
                count += 1
        if found.sign == "mixed":
            assert found.positive_at is not None
            assert found.negative_at is not None
    assert count > 10


def test_forged_proofs_are_found_out():
    found = sign_on_box((X - Y) ** 2 + sympy.Rational(1, 100))
    (part,) = found.parts
    proof = part.proof
    assert found.check()
    assert isinstance(proof.tree, Halved)

    def forged(**changes):
        return replace(found, parts=(replace(part, proof=replace(proof, **changes)),)).check()

    assert not forged(terms={**proof.terms, (0, 0): -1})  # another polynomial
    assert not forged(box=((F(0), F(1, 2)), (F(0), F(1))))  # another box
    assert not forged(tree=proof.tree.low)  # a part of the box left out
    assert not forged(tree=Leaf("positive", F(1), F(2)))  # bounds out of the air
    assert not forged(sign="negative")
    assert not forged(zero_at=(F(0), F(0)))  # it is 1/100 there
    assert not replace(found, sign="negative").check()
    assert not replace(found, constant=F(2)).check()
    assert not replace(found, parts=()).check()
    mixed = sign_on_box(X - Y).parts[0].proof
    assert not replace(mixed, positive_at=(F(0), F(1))).check()
    assert not replace(mixed, negative_at=None).check()


def test_bad_boxes():
    cases: Any = (
        ({"z": (0, 1)}, "has the symbols x"),
        ({X: (1, 0)}, "the first not larger"),
        ({X: 1}, r"expected a pair \(least, greatest\)"),
        ({X: (0, Y)}, "expected two numbers"),
    )
    for box, message in cases:
        with pytest.raises(ValueError, match=message):
            sign_on_box(X + 1, box)
    with pytest.raises(TypeError, match="expression: expected a SymPy expression"):
        sign_on_box("x - y", {})
    with pytest.raises(ValueError, match="max_boxes: expected an integer from 1 up"):
        sign_on_box(X, max_boxes=0)
    many = sympy.symbols("y_0:12")
    with pytest.raises(ValueError, match="Bernstein coefficients"):
        sign_on_box(sum(y**2 for y in many) + 1)


# Values of games ------------------------------------------------------------------------------


def test_a_difference_is_the_difference_of_exact_values():
    rng = Random(4)
    for player in (0, 1):
        game = dilemma("7/10")
        first, second = policy(rng, game, player), policy(rng, game, player)
        difference = value_difference(game, first, second, player)
        symbols = closed_form(game).policy_symbols[1 - player]
        for _ in range(5):
            other = policy(rng, game, 1 - player)
            place = {s[0]: p[0] for s, p in zip(symbols, other, strict=True)}

            def value(own, other=other, player=player, game=game):
                return values(game, [own, other] if player == 0 else [other, own])[player]

            assert difference.evaluate(place) == value(first) - value(second)


def study_dominance(seed, count):
    """Random pairs of policies: what is decided, against exact values at pure and mixed opponents."""
    rng = Random(seed)
    verdicts = []
    for _ in range(count):
        game = dilemma(F(rng.randint(0, 10), 20), rng.choice([(5, 3, 1, 0), (5, 4, 1, -3)]))
        first, second = policy(rng, game, 0, 4), policy(rng, game, 0, 4)
        if rng.random() < 0.5:  # more defection everywhere
            first = tuple((p * F(1, 2), 1 - p * F(1, 2)) for p, _ in second)
        found = dominates(game, first, second)
        assert found.check()
        differences = []
        pure = ([(F(a), F(1 - a)) for a in own] for own in product((0, 1), repeat=5))
        for other in (*pure, *(policy(rng, game, 1) for _ in range(10))):
            gain = values(game, [first, other])[0] - values(game, [second, other])[0]
            differences.append(gain)
        if found.nonnegative:
            assert min(differences) >= 0
            assert not found.positive or min(differences) > 0
        elif found.sign == "mixed":
            for place, positive in ((found.positive_at, True), (found.negative_at, False)):
                assert place is not None
                assert (found.function.evaluate(place) > 0) == positive
        elif found.sign == "undecided":
            assert found.undecided
        else:
            assert max(differences) <= 0
        verdicts.append(found.sign)
    return verdicts


def test_dominance_agrees_with_exact_values():
    assert len(set(study_dominance(5, 6))) > 1


@pytest.mark.slow
def test_dominance_agrees_with_exact_values_in_a_thousand_pairs():
    verdicts = study_dominance(6, 1000)
    assert verdicts.count("undecided") < 50


def test_defection_dominates_while_the_future_counts_for_little():
    # Against tit for tat, which punishes most, always defecting wins for g < (T-R)/(T-P) and more.
    low = dilemma("1/10")
    always = games.always(low, 0, "D")
    for other in (games.tit_for_tat(low, 0), games.grim(low, 0), games.always(low, 0, "C")):
        assert dominates(low, always, other).positive
    high = dilemma("9/10")
    against = dominates(high, games.always(high, 0, "D"), games.grim(high, 0))
    assert against.sign == "mixed"
    # Restricted to those who defect mostly whatever happens, it is decided again.
    slack = {f"q_{{{s}}}": (0, "1/50") for s in ("CC", "CD", "DC", "DD")} | {"q_0": (0, "1/50")}
    assert dominates(high, games.always(high, 0, "D"), games.grim(high, 0), over=slack).positive


def test_the_same_policy_dominates_itself_weakly():
    game = dilemma("1/2")
    same = dominates(game, games.grim(game, 0), games.grim(game, 0))
    assert same.sign == "zero"
    assert same.nonnegative
    assert not same.positive


def test_gradients_over_all_joint_policies():
    # At g = 1/10 every component has one sign over all ten probabilities: against cooperation.
    form = closed_form(dilemma("1/10"))
    (p_start, *_), *_ = form.policy_symbols[0]
    steep = sign_on_box(form.rational(0).diff(p_start))
    assert steep.sign == "negative"
    weak = form.policy_symbols[0][1][0]
    found = sign_on_box(form.rational(0).diff(weak))
    assert found.sign == "nonpositive"  # 0 where mutual cooperation is never reached
    assert found.zero_at is not None
    assert found.check()


@pytest.mark.parametrize("payoffs", [(5, 3, 1, 0), (10, 9, 4, 0)], ids=str)
def test_up_to_some_discount_every_gradient_points_to_defection(payoffs):
    t, r, p, s = payoffs
    threshold = F(min(t - r, p - s), t - s)

    def signs(discount):
        form = closed_form(dilemma(discount, payoffs))
        value, (own, _) = form.rational(0), form.policy_symbols
        return {sign_on_box(value.diff(row[0])).sign for row in own}

    assert signs(threshold) <= {"nonpositive", "negative"}
    assert "mixed" in signs(threshold + F(1, 100))


def test_denominators_of_values_are_positive_at_every_policy():
    rng = Random(8)
    for _ in range(4):
        game = dilemma(F(rng.randint(0, 99), 100))
        bottom = closed_form(game).rational(0).bottom
        one = bottom.context().constant(1)
        own = RationalFunction.of(bottom, one, closed_form(game).rational(0).symbols)
        found = sign_on_box(own)
        assert found.sign == "positive"
        assert len(found.parts[0].proof.leaves) == 1  # at one look, being of degree 1 in each


def test_the_discount_may_be_a_variable():
    g = sympy.Symbol("g")
    game = dilemma(g)
    always, trust = games.always(game, 0, "D"), games.always(game, 0, "C")
    difference = value_difference(game, always, trust)
    assert sign_on_box(difference, {g: (0, "1/10")}).positive
    assert sign_on_box(difference, {g: (0, "99/100")}).sign == "mixed"


def test_opponents_with_three_actions_play_all_of_a_simplex():
    # One-shot: R weakly dominates nothing in rock paper scissors, but a bonus makes it do so.
    stage = games.NormalForm(
        [[[2, 1, 3], [1, 1, 0]], [[0, 0, 0], [0, 0, 0]]], actions=[["u", "d"], ["l", "m", "r"]]
    )
    game = stage.iterated("1/2", memory=0)
    up, down = games.always(game, 0, "u"), games.always(game, 0, "d")
    found = dominates(game, up, down)
    assert found.sign == "nonnegative"  # equal against m
    assert found.zero_at is not None
    assert dominates(game, down, up).nonnegative is False
    with pytest.raises(ValueError, match="two actions only"):
        dominates(game, up, down, over={str(found.symbols[0]): (0, "1/2")})
