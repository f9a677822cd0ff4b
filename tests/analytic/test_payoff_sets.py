"""Payoff sets: against enumeration of replies, opponents who remember more, closed forms and proofs."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest

from resolvent import games
from resolvent.analytic import feasible_payoffs, payoff_region
from resolvent.analytic.exact import values
from resolvent.analytic.long_run import long_run
from resolvent.analytic.memory_one.polygon import Polygon, hull

F = Fraction


def dilemma(discount: Any = "9/10", payoffs=(5, 3, 1, 0), **options):
    return games.prisoners_dilemma(*payoffs).iterated(discount, **options)


def row(rng, count, pure=0.3):
    """A random distribution, now and then a pure one."""
    if rng.random() < pure:
        chosen = rng.randrange(count)
        return tuple(F(a == chosen) for a in range(count))
    weights = [rng.randint(1, 7) for _ in range(count)]
    return tuple(F(w, sum(weights)) for w in weights)


def policy(rng, game, player, pure=0.3):
    observations, count = game.policy_shapes[player]
    return tuple(row(rng, count, pure) for _ in range(observations))


def pure_replies(game, player):
    observations, count = game.policy_shapes[player]
    for actions in product(range(count), repeat=observations):
        yield tuple(tuple(F(a == chosen) for a in range(count)) for chosen in actions)


def joint(fixed, player, reply):
    return [fixed, reply] if player == 0 else [reply, fixed]


def random_stage(rng, shape=(2, 2)):
    def table():
        return [[rng.randint(-4, 4) for _ in range(shape[1])] for _ in range(shape[0])]

    return games.NormalForm([table(), table()])


def is_the_hull(region, points):
    """Whether a region is the convex hull of points, by what a hull is."""
    corners = set(region.vertices)
    assert corners <= points
    assert all(region.contains(point) for point in points)
    for left_out in corners:  # none of them is in the hull of the others
        assert not hull(corners - {left_out}).contains(left_out)


# The plane ------------------------------------------------------------------------------------


def test_polygons_of_every_dimension():
    assert hull([]).dimension == -1
    assert not hull([]).contains((F(0), F(0)))
    point = hull([(F(1), F(2))] * 3)
    assert point.dimension == 0
    assert point.contains((F(1), F(2)))
    assert not point.contains((F(1), F(3)))
    segment = hull([(F(0), F(0)), (F(1), F(2)), (F(2), F(4))])
    assert segment.vertices == ((0, 0), (2, 4))
    assert segment.contains((F(1, 3), F(2, 3)))
    assert not segment.contains((F(3), F(6)))
    assert not segment.contains((F(1), F(1)))
    square = hull((F(x), F(y)) for x, y in product(range(3), repeat=2))
    assert square.vertices == ((0, 0), (2, 0), (2, 2), (0, 2))
    assert square.area == 4
    assert len(square.faces) == 4


def test_clipping_is_cutting_by_a_half_plane():
    rng = Random(3)
    for _ in range(60):
        polygon = hull((F(rng.randint(0, 6)), F(rng.randint(0, 6))) for _ in range(5))
        face = F(rng.randint(-3, 3)), F(rng.randint(-3, 3)), F(rng.randint(-9, 9))
        if face[:2] == (0, 0):
            continue
        clipped = polygon.clipped(face)
        for _ in range(10):
            point = F(rng.randint(0, 12), 2), F(rng.randint(0, 12), 2)
            kept = polygon.contains(point) and face[0] * point[0] + face[1] * point[1] <= face[2]
            assert clipped.contains(point) == kept


# What a policy allows -------------------------------------------------------------------------


def study_regions(seed, count):
    """Random games and policies against all 32 pure replies; how many cases, and of which dimension."""
    rng = Random(seed)
    seen = []
    for k in range(count):
        options = {}
        if k % 4 == 1:
            options["implementation_noise"] = F(1, rng.randint(3, 20))
        if k % 4 == 2:
            options["observation_noise"] = [0, F(1, 9)] if k % 8 == 2 else [F(1, 9), 0]
        if k % 4 == 3:
            options["initial"] = row(rng, 4)
        stage = games.prisoners_dilemma(5, 3, 1, 0) if k % 3 else random_stage(rng)
        player = 0 if k % 4 == 2 and k % 8 != 2 else 1 if k % 4 == 2 else k % 2
        game = stage.iterated(F(rng.randint(0, 19), 20), **options)
        fixed = policy(rng, game, player, pure=0.4)
        replies = [joint(fixed, player, own) for own in pure_replies(game, 1 - player)]
        region = payoff_region(game, fixed, player)
        is_the_hull(region, {values(game, own) for own in replies})
        limit = payoff_region(game, fixed, player, average=True)
        is_the_hull(limit, {long_run(game, own).averages for own in replies})
        assert region.check()
        assert limit.check()
        seen += [region.dimension, limit.dimension]
    return seen


def test_regions_are_hulls_of_all_pure_replies():
    assert set(study_regions(1, 8)) >= {1, 2}


@pytest.mark.slow
def test_regions_are_hulls_of_all_pure_replies_in_a_thousand_games():
    assert set(study_regions(2, 1000)) == {1, 2}


@pytest.mark.parametrize("average", [False, True], ids=["discounted", "average"])
def test_an_opponent_who_remembers_more_stays_inside(average):
    rng = Random(5)
    game = dilemma("4/5")
    wider = games.prisoners_dilemma(5, 3, 1, 0).iterated("4/5", memory=(1, 2))
    for _ in range(4):
        fixed = policy(rng, game, 0)
        region = payoff_region(game, fixed, average=average)
        assert wider.observations[0] == game.states
        for _ in range(5):
            both = fixed, policy(rng, wider, 1, pure=0.6)
            played = long_run(wider, both).averages if average else values(wider, both)
            assert region.contains(played)


def test_extortion_leaves_a_segment_on_its_line():
    # Press and Dyson (2012): P1 - 1 = 3 (P2 - 1), whatever the other does, as g -> 1.
    game = dilemma()
    extortion = games.memory_one(game, 0, 0, "11/13", "1/2", "7/26", 0)
    region = payoff_region(game, extortion, average=True)
    assert region.dimension == 1
    assert region.vertices == ((1, 1), (F(41, 11), F(21, 11)))
    assert all(x - 1 == 3 * (y - 1) for x, y in region.vertices)
    assert payoff_region(game, extortion).dimension == 2  # not at a discount of 9/10
    # The same from the other chair.
    other = payoff_region(
        game, games.memory_one(game, 1, 0, "11/13", "1/2", "7/26", 0), 1, average=True
    )
    assert [(y, x) for x, y in other.vertices] == list(region.vertices)


def test_grim_in_closed_form():
    # Cooperate for ever; defect for ever; be the only cooperator from the second round on.
    g = F(9, 10)
    game = dilemma(g)
    region = payoff_region(game, games.grim(game, 0))
    assert set(region.vertices) == {
        (3, 3),
        (g * 1, (1 - g) * 5 + g),
        ((1 - g) * 0 + g * 5, (1 - g) * 5),
    }
    assert region.largest(1).values[1] == 3
    assert region.least(0).values == (g, 5 - 4 * g)


def test_in_the_limit_a_memory_one_reply_may_reach_the_ends_only():
    # Nobody starts: whoever leaves mutual cooperation with any chance leaves it for good.
    game = dilemma(initial=(1, 0, 0, 0))
    grim = games.grim(game, 0)
    region = payoff_region(game, grim, average=True)
    assert region.contains((2, 2))
    rng = Random(7)
    for _ in range(20):
        reply = policy(rng, game, 1)
        pays = long_run(game, [grim, reply]).averages
        assert region.contains(pays)
        assert pays == (3, 3) or (reply[0][1] > 0 and sum(pays) <= 5 and pays != (2, 2))
    # At any discount below 1 a chance of leaving does it, though.
    chance = F(1, 11)  # (1 - g) / (1 - g (1 - chance)) of the time is spent in mutual cooperation
    reply = ((1 - chance, chance), (0, 1), (0, 1), (0, 1))
    assert payoff_region(game, grim).contains(values(game, [grim, reply]))


def test_the_regions_go_to_the_limit():
    rng = Random(11)
    game, near = dilemma(), dilemma(1 - F(1, 10**9))
    for _ in range(6):
        fixed = policy(rng, game, 0, pure=0.5)
        limit = payoff_region(game, fixed, average=True)
        close = payoff_region(near, fixed)
        for normal in ((1, 0), (0, 1), (-1, 0), (0, -1), (2, 3), (-5, 1)):
            assert abs(limit.support(normal)[0] - close.support(normal)[0]) < F(1, 10**6)


def test_three_players():
    rng = Random(13)
    game = games.public_goods(3).iterated("3/4")
    fixed = policy(rng, game, 0)
    region = payoff_region(game, fixed, 0, players=(0, 2))
    assert region.check()
    for _ in range(10):  # others without a common coin stay inside
        played = values(game, [fixed, policy(rng, game, 1), policy(rng, game, 2)])
        assert region.contains((played[0], played[2]))
        for weights in ((1, 1, 1), (1, -2, 3)):
            most, reply = region.support(weights)
            assert sum(w * v for w, v in zip(weights, played, strict=True)) <= most
            assert sum(w * v for w, v in zip(weights, reply.values, strict=True)) == most
    # Several fixed: one decision maker is left, whose replies can be run through in part.
    second = policy(rng, game, 1)
    alone = payoff_region(game, {0: fixed, 1: second}, players=(0, 2))
    for _ in range(10):
        played = values(game, [fixed, second, policy(rng, game, 2, pure=1)])
        assert alone.contains((played[0], played[2]))


def test_a_stochastic_game():
    game = dilemma("7/8", implementation_noise="1/50")
    fixed = games.tit_for_tat(game, 0)
    region = payoff_region(game, fixed)
    assert payoff_region(game.as_stochastic(), fixed).vertices == region.vertices


def test_the_region_prints_and_draws():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    game = dilemma()
    region = payoff_region(game, games.tit_for_tat(game, 0))
    assert "(3, 3) by C CCCC" in str(region)
    assert "polygon of 3 vertices" in str(region)
    assert region.plot().get_xlabel() == "payoff of 1"
    feasible = feasible_payoffs(game.stage)
    assert "held to 1" in str(feasible)
    assert feasible.plot().get_ylabel() == "payoff of 2"
    pyplot.close("all")


def test_bad_regions():
    game = dilemma()
    fixed = games.tit_for_tat(game, 0)
    with pytest.raises(ValueError, match="player: expected an index from 0 to 1, got 2"):
        payoff_region(game, fixed, 2)
    with pytest.raises(ValueError, match="sum to exactly 1"):
        payoff_region(game, [(1, 1)] * 5)
    with pytest.raises(ValueError, match="not all, of 2 players"):
        payoff_region(game, {0: fixed, 1: fixed})
    with pytest.raises(ValueError, match="leave it out with a mapping"):
        payoff_region(game, {0: fixed}, 0)
    with pytest.raises(ValueError, match="players: expected two different ones"):
        payoff_region(game, fixed, players=(0, 0))
    with pytest.raises(ValueError, match="one discount"):
        payoff_region(dilemma(("1/2", "9/10")), fixed)
    assert payoff_region(dilemma(("1/2", "9/10")), fixed, average=True).check()
    blind = dilemma(observe=[None, "own"])
    with pytest.raises(ValueError, match="a player 1 who sees the state"):
        payoff_region(blind, fixed)
    with pytest.raises(ValueError, match="symbols"):
        payoff_region(games.prisoners_dilemma(symbolic=True).iterated("1/2"), fixed)
    three = games.public_goods(3).iterated("1/2")
    with pytest.raises(ValueError, match="players: expected the two"):
        payoff_region(three, games.uniform(three, 0))
    region = payoff_region(game, fixed)
    with pytest.raises(ValueError, match=r"point: expected a payoff for each of 2 players"):
        region.contains((1, 2, 3))
    with pytest.raises(ValueError, match="weights: expected one for each of 2"):
        region.support((1,))


# What the stage game allows -------------------------------------------------------------------


def value_of_two_by_two(table):
    """What the row player can secure: a saddle point, or (ad - bc) / (a + d - b - c)."""
    (a, b), (c, d) = table
    low = max(min(own) for own in table)
    high = min(max(a, c), max(b, d))
    return F(low) if low == high else F(a * d - b * c, a + d - b - c)


def test_minmax_of_two_by_two_games():
    rng = Random(17)
    for _ in range(60):
        stage = random_stage(rng)
        found = feasible_payoffs(stage)
        first = [[int(x) for x in own] for own in stage.payoffs[0]]
        second = [[int(x) for x in own] for own in zip(*stage.payoffs[1], strict=True)]
        assert found.levels == (value_of_two_by_two(first), value_of_two_by_two(second))


def test_minmax_proves_itself_in_larger_games():
    rng = Random(19)
    for _ in range(12):
        found = feasible_payoffs(random_stage(rng, (rng.randint(1, 5), rng.randint(1, 5))))
        assert all(own.check() for own in found.minmax)
        assert all(own.mixed <= own.pure for own in found.minmax)


def test_known_feasible_sets():
    found = feasible_payoffs(games.prisoners_dilemma(5, 3, 1, 0))
    assert found.vertices == ((0, 5), (1, 1), (5, 0), (3, 3))
    assert found.individually_rational.vertices == ((1, 1), (F(13, 3), 1), (3, 3), (1, F(13, 3)))
    pennies = feasible_payoffs(games.matching_pennies())
    assert pennies.levels == (0, 0)
    assert [own.pure for own in pennies.minmax] == [1, 1]
    assert pennies.individually_rational.vertices == ((0, 0),)
    assert pennies.above((1, 1)) == Polygon(())
    sexes = feasible_payoffs(games.battle_of_the_sexes())
    assert sexes.levels == (F(2, 3), F(2, 3))  # 2 x 1 / (2 + 1)


def test_feasible_payoffs_of_three_players():
    found = feasible_payoffs(games.public_goods(3))
    stage = found.stage
    pays = [tuple(own[a][b][c] for own in stage.payoffs) for a, b, c in product(range(2), repeat=3)]
    assert set(found.vertices) == set(pays)  # a box sheared: every outcome is extreme
    rng = Random(23)
    for _ in range(5):
        weights = row(rng, 8, pure=0)
        mean = [sum(w * own[i] for w, own in zip(weights, pays, strict=True)) for i in range(3)]
        assert found.contains(mean)
    assert not found.contains((F(3, 4), F(3, 4), F(3, 4)))
    assert all(own.check() for own in found.minmax)
    with pytest.raises(ValueError, match="expected two players for a polygon"):
        _ = found.polygon


def test_every_region_is_feasible():
    rng = Random(29)
    for _ in range(10):
        game = random_stage(rng).iterated("5/6")
        feasible = feasible_payoffs(game.stage)
        fixed = policy(rng, game, 0)
        region = payoff_region(game, fixed)
        assert all(feasible.polygon.contains(own) for own in region.vertices)
        # The other's best response gets its mixed minmax at least.
        assert region.largest(1).values[1] >= feasible.levels[1]
        assert all(first != second for first, second in pairwise(region.vertices))


def test_bad_feasible_sets():
    with pytest.raises(TypeError, match="expected a NormalForm"):
        feasible_payoffs(dilemma())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="symbols P, R, S, T"):
        feasible_payoffs(games.prisoners_dilemma(symbolic=True))
    found = feasible_payoffs(games.matching_pennies())
    with pytest.raises(ValueError, match="levels: expected one for each of 2"):
        found.above((1,))
