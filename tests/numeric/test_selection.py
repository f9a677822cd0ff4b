"""Risk dominance, payoff dominance and p-dominance: closed forms, and the theorem that joins them to tracing."""

from fractions import Fraction
from itertools import product
from random import Random

import pytest

from resolvent.games import NormalForm, matching_pennies, stag_hunt
from resolvent.numeric.equilibrium.bimatrix import extreme_equilibria
from resolvent.numeric.equilibrium.linear import linear_trace
from resolvent.numeric.equilibrium.selection import (
    bicentric_prior,
    is_p_dominant,
    payoff_dominance,
    risk_dominance,
)


def coordination(u, v):
    """Losses u of deviating from (0, 0) and v from (1, 1)."""
    return NormalForm(([[u[0], 0], [0, v[0]]], [[u[1], 0], [0, v[1]]]))


def test_the_rules_agree_in_generic_games_of_two_actions():
    rng = Random(1)
    tested = 0
    while tested < 300:
        u, v = ([rng.randrange(1, 200) for _ in "12"] for _ in "uv")
        if u[0] * u[1] == v[0] * v[1] or u[0] == v[0] or u[1] == v[1]:
            continue
        game = coordination(u, v)
        winner = "first" if u[0] * u[1] > v[0] * v[1] else "second"
        assert bicentric_prior(game, (0, 0), (1, 1)) == tuple(
            (Fraction(a, a + b), Fraction(b, a + b)) for a, b in zip(u, v, strict=True)
        )
        traced = risk_dominance(game, (0, 0), (1, 1))
        assert traced.winner == winner
        assert risk_dominance(game, (0, 0), (1, 1), method="product").winner == winner
        swapped = risk_dominance(game, (1, 1), (0, 0), method="product")
        assert {swapped.winner, winner} == {"first", "second"}
        uniform = linear_trace(game)
        assert traced.outcome is not None
        assert uniform.policies == traced.outcome.policies
        tested += 1


def test_stag_hunt():
    game = stag_hunt()
    stag, hare = (0, 0), (1, 1)
    assert payoff_dominance(game, stag, hare).winner == "first"
    hunt = NormalForm(([[10, 1], [8, 5]], [[10, 8], [1, 5]]))
    risk = risk_dominance(hunt, stag, hare, method="product")
    assert risk.winner == "second"
    assert risk.measures == (4, 16)
    assert is_p_dominant(hunt, hare)
    assert not is_p_dominant(hunt, stag)
    # Stag is best as long as the other plays it with probability 2/3 or more; at 2/3 there is a tie.
    assert not is_p_dominant(hunt, stag, "2/3")
    assert is_p_dominant(hunt, stag, "67/100")
    mixed = extreme_equilibria(hunt)[1]
    assert payoff_dominance(hunt, stag, mixed).winner == "first"
    assert risk_dominance(hunt, hare, mixed).winner == "first"
    assert "(0, 1) (0, 1) dominates (4 against 16)" in str(risk)


def test_bicentric_prior_is_the_measure_of_best_replies():
    rng = Random(3)
    for _ in range(30):
        pays = [[[rng.randrange(50) for _ in range(3)] for _ in range(4)] for _ in "12"]
        game = NormalForm(pays)
        found = extreme_equilibria(game)
        if len(found) < 2:
            continue
        prior = bicentric_prior(game, found[0], found[1])
        steps = 2000
        for player in (0, 1):
            counts = [Fraction(0)] * len(prior[player])
            ends = [own.policies[1 - player][0] for own in (found[0], found[1])]
            for k in range(steps):
                z = Fraction(2 * k + 1, 2 * steps)
                belief = [z * a + (1 - z) * b for a, b in zip(*ends, strict=True)]
                table = pays[player] if player == 0 else list(zip(*pays[1], strict=True))
                worth = [sum(p * w for p, w in zip(belief, row, strict=True)) for row in table]
                best = [a for a, w in enumerate(worth) if w == max(worth)]
                for a in best:
                    counts[a] += Fraction(1, len(best) * steps)
            assert sum(prior[player]) == 1
            assert all(
                abs(a - b) < Fraction(3, steps) for a, b in zip(counts, prior[player], strict=True)
            )


def test_p_dominance_by_its_definition():
    rng = Random(4)
    for _ in range(40):
        game = NormalForm([[[rng.randrange(6) for _ in range(3)] for _ in range(3)] for _ in "12"])
        for joint in product(range(3), repeat=2):
            for p in (Fraction(1, 2), Fraction(4, 5)):
                want = True
                for player in (0, 1):
                    own, other = joint[player], joint[1 - player]

                    table = game.payoffs[player]
                    table = table if player == 0 else list(zip(*table, strict=True))
                    # Beliefs with p or more on the other's action: mixtures of these and of `other` alone.
                    beliefs = [{b: 1 - p} for b in range(3)]
                    for belief in beliefs:
                        belief[other] = belief.get(other, 0) + p
                    beliefs.append({other: Fraction(1)})
                    for belief in beliefs:
                        worth = [sum(w * table[a][b] for b, w in belief.items()) for a in range(3)]
                        want &= all(worth[own] > worth[a] for a in range(3) if a != own)
                assert is_p_dominant(game, joint, p) == want


def test_half_dominant_equilibria_are_where_symmetric_games_trace():
    rng = Random(5)
    for _ in range(60):
        u, v = rng.randrange(1, 100), rng.randrange(1, 100)
        if u == v:
            continue
        game = coordination((u, u), (v, v))
        joint = (0, 0) if u > v else (1, 1)
        assert is_p_dominant(game, joint)
        assert all(own[0][joint[0]] == 1 for own in linear_trace(game).policies)


def test_neither_dominates():
    tie = coordination((3, 2), (2, 3))
    assert risk_dominance(tie, (0, 0), (1, 1), method="product").winner is None
    assert payoff_dominance(tie, (0, 0), (1, 1)).winner is None
    assert "neither dominates (6 against 6)" in str(
        risk_dominance(tie, (0, 0), (1, 1), method="product")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 0), (0, 0)), "second: expected another equilibrium"),
        (((0, 1), (0, 0)), "first: expected an equilibrium, but a player gains"),
        (((0, 0), ((1, 0), (1, 1))), r"second\[1\]: expected probabilities that sum to one"),
        (((0, 0), (1, 1), "guess"), 'method: expected "tracing" or "product"'),
    ],
    ids=["same", "none", "sum", "method"],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        risk_dominance(stag_hunt(), *arguments)


def test_the_product_rule_needs_pure_equilibria():
    game = NormalForm(([[10, 1], [8, 5]], [[10, 8], [1, 5]]))
    mixed = extreme_equilibria(game)[1]
    with pytest.raises(ValueError, match='use method="tracing"'):
        risk_dominance(game, (0, 0), mixed, method="product")
    with pytest.raises(ValueError, match="p: expected a probability"):
        is_p_dominant(matching_pennies(), (0, 0), 2)
