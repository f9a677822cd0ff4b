"""The linear tracing procedure: known paths, the theorem on 2x2 games, and exact verification of every path."""

import json
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
import pytest

from resolvent.games import (
    NormalForm,
    grim,
    matching_pennies,
    prisoners_dilemma,
    rock_paper_scissors,
    stag_hunt,
)
from resolvent.numeric.equilibrium.continuation import PATHS
from resolvent.numeric.equilibrium.linear import linear_trace

CASES = json.loads(
    (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
)["cases"]
PATHS_KNOWN = [
    (
        case["id"],
        case["data"],
        case["expected"].get("linear_tracing_uniform_prior") or case["expected"]["path"],
    )
    for case in CASES
    if "linear_tracing_uniform_prior" in case["expected"] or "path" in case["expected"]
]
BIMATRIX = [case for case in CASES if case["kind"] == "bimatrix"]


def random_game(rng, *shape, high=1000):
    def nest(sizes):
        return [nest(sizes[1:]) for _ in range(sizes[0])] if sizes else rng.randrange(high)

    return NormalForm(nest((len(shape), *shape)))


def random_prior(rng, counts):
    weights = [[rng.randrange(100) for _ in range(count)] for count in counts]
    return [[Fraction(w, sum(own)) for w in own] for own in weights]


def profile(found):
    return tuple(own[0] for own in found.policies)


@pytest.mark.parametrize(
    ("data", "expected"), [own[1:] for own in PATHS_KNOWN], ids=[own[0] for own in PATHS_KNOWN]
)
def test_known_paths(data, expected):
    found = linear_trace(NormalForm((data["A"], data["B"])))
    want = [
        (Fraction(point["t"]), tuple(map(Fraction, point["x"])), tuple(map(Fraction, point["y"])))
        for point in expected
    ]
    assert [(point.t, *point.profile) for point in found.path.points] == want
    rows, columns = np.array(data["A"], int).sum(axis=1), np.array(data["B"], int).sum(axis=0)
    tied = any((own == own.max()).sum() > 1 for own in (rows, columns))
    assert found.path.resolved == tied
    assert found.regret.nash == 0


@pytest.mark.parametrize("case", BIMATRIX, ids=[case["id"] for case in BIMATRIX])
def test_every_bimatrix_case(case):
    found = linear_trace(NormalForm((case["data"]["A"], case["data"]["B"])))
    known = {
        tuple(tuple(map(Fraction, own)) for own in one)
        for one in case["expected"]["extreme_equilibria"]
    }
    assert profile(found) in known
    assert set(found.path.regrets()) == {0}


def test_conflicting_best_replies_switch_in_turn():
    # Deviation losses 6, 1 at U and 3, 5 at V: player i is indifferent at |u_i - v_i| / (u_i + v_i).
    found = linear_trace(NormalForm(([[6, 0], [0, 3]], [[1, 0], [0, 5]])))
    assert found.path.points[0].t == Fraction(1, 3) == Fraction(6 - 3, 6 + 3)
    assert Fraction(5 - 1, 5 + 1) == Fraction(2, 3)  # player 2's, which the path never needs
    assert profile(found) == ((0, 1), (0, 1))


def test_uniform_prior_selects_the_risk_dominant_equilibrium():
    rng = Random(1)
    tested = 0
    while tested < 500:
        u, v = ([rng.randrange(1, 100) for _ in "12"] for _ in "uv")
        if u[0] * u[1] == v[0] * v[1] or u[0] == v[0] or u[1] == v[1]:
            continue
        # Losses at both equilibria, on top of anything that depends on the other's action only.
        base, other = ([rng.randrange(100) for _ in "12"] for _ in "AB")
        A = [[base[0] + u[0], base[1]], [base[0], base[1] + v[0]]]
        B = [[other[0] + u[1], other[0]], [other[1], other[1] + v[1]]]
        found = linear_trace(NormalForm((A, B)))
        best = int(u[0] * u[1] < v[0] * v[1])
        assert profile(found) == ((1 - best, best), (1 - best, best))
        assert not found.path.resolved
        tested += 1


def test_tied_best_replies_are_resolved():
    half, third = Fraction(1, 2), Fraction(1, 3)
    for game, mix in ((matching_pennies(), (half,) * 2), (rock_paper_scissors(), (third,) * 3)):
        found = linear_trace(game)
        assert profile(found) == (mix, mix)
        assert found.path.resolved
        assert "ties were resolved" in str(found.path)
    # Both players switch at once: not generic either.
    tie = linear_trace(NormalForm(([[3, 0], [0, 2]], [[2, 0], [0, 3]])))
    assert tie.path.resolved
    assert profile(tie) == ((0, 1), (0, 1))


@pytest.mark.parametrize(("size", "games"), [(3, 200), (5, 200), (8, 60)])
def test_random_games(size, games):
    check_random_games(size, games)


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 15, 20])
def test_more_random_games(size):
    check_random_games(size, 200)


def check_random_games(size, games):
    rng = Random(size)
    turned = 0
    for k in range(games):
        game = random_game(rng, size, size)
        prior = "uniform" if k % 2 else random_prior(rng, game.num_actions)
        found = linear_trace(game, prior)
        path = found.path
        assert found.regret.nash == 0
        assert path.end.t == 1
        assert all(0 < point.t <= 1 for point in path.points)
        assert set(path.regrets()) == {0}  # an equilibrium at every break point, in rationals
        turned += bool(path.turning_points)
    assert turned > 0 or games < 50


def test_between_break_points_the_path_is_in_equilibrium_too():
    rng = Random(4)
    for _ in range(40):
        game = random_game(rng, 4, 4)
        prior = random_prior(rng, game.num_actions)
        path = linear_trace(game, prior).path
        tables = [np.array(own, dtype=float) for own in game.payoffs]
        times, (xs, ys) = path.sampled(7)
        p, q = (np.array([float(s) for s in own]) for own in path.prior)
        for t, x, y in zip(times, xs, ys, strict=True):
            first = tables[0] @ (t * y + (1 - t) * q)
            second = (t * x + (1 - t) * p) @ tables[1]
            assert first.max() - x @ first < 1e-9
            assert second.max() - second @ y < 1e-9
            assert abs(x.sum() - 1) < 1e-12


def test_degenerate_games():
    rng = Random(6)
    for _ in range(200):
        m, n = rng.randrange(1, 6), rng.randrange(1, 6)
        found = linear_trace(random_game(rng, m, n, high=2))
        assert found.regret.nash == 0
        assert set(found.path.regrets()) == {0}
    constant = linear_trace(NormalForm(([[1, 1], [1, 1]], [[0, 0], [0, 0]])))
    assert constant.regret.nash == 0
    dominated = linear_trace(NormalForm(([[2, 0], [3, 1], [3, 1]], [[2, 3], [0, 1], [0, 1]])))
    assert dominated.regret.nash == 0
    assert profile(dominated)[1] == (0, 1)


def test_a_prior_that_is_an_equilibrium_stays():
    rng = Random(8)
    for _ in range(20):
        game = random_game(rng, 4, 4)
        end = profile(linear_trace(game))
        again = linear_trace(game, end)
        # At a mixed one best replies are tied, and the path may leave it; a strict one holds from t = 0.
        assert again.regret.nash == 0
        if all(max(own) == 1 for own in end):
            assert profile(again) == end
            assert len(again.path.points) == 1


def test_scale_changes_nothing():
    rng = Random(9)
    game = random_game(rng, 4, 5)
    first, second = game.payoffs
    changed = NormalForm(
        (
            [[e / 10**6 - 3 for e in row] for row in first],
            [[e * 10**8 + 1 for e in row] for row in second],
        )
    )
    assert linear_trace(changed).path.points == linear_trace(game).path.points


def test_iterated_games_trace_their_stage_game():
    hunt = stag_hunt()
    stage = linear_trace(hunt)
    repeated = linear_trace(hunt.iterated("9/10"))
    assert repeated.found
    assert repeated.exact
    for own, one in zip(repeated.policies, stage.policies, strict=True):
        assert set(own) == set(one)
    assert repeated.path.points == stage.path.points
    game = prisoners_dilemma().iterated("9/10")
    assert linear_trace(game).policies == tuple(((0, 1),) * 5 for _ in "12")
    with pytest.raises(ValueError, match="use the logarithmic one"):
        linear_trace(game, [grim(game, player) for player in (0, 1)])
    with pytest.raises(ValueError, match="hands tremble"):
        linear_trace(prisoners_dilemma().iterated("9/10", implementation_noise="1/100"))


def test_three_players():
    cases = {case["id"]: case for case in CASES}
    rng = Random(10)
    games = [random_game(rng, 2, 2, 2) for _ in range(40)]
    for key in ("mckelvey_mclennan_2x2x2", "nau2004_sec4_irrational", "maxcut_2x2x2"):
        flat = np.array(
            cases[key]["data"]["payoffs_nfg_order"]
        )  # the first player's action varies fastest
        games.append(NormalForm([flat[:, i].reshape(2, 2, 2).transpose(2, 1, 0) for i in range(3)]))
    games.append(NormalForm(np.zeros((3, 2, 2, 2), int)))
    for game in games:
        found = linear_trace(game)
        path = found.path
        assert found.found, str(path)
        assert found.regret.subgame_perfect <= 1e-12
        assert path.successful
        assert path.end.t == 1
        if path.perturbation == 0:
            assert max(path.regrets()) < 1e-6
        else:
            assert path.resolved


def test_degenerate_games_of_three_players():
    rng = Random(11)
    games = [random_game(rng, 2, 2, 2, high=3) for _ in range(8)]
    pays = np.array(random_game(rng, 2, 2, 2, high=9).payoffs, dtype=object)
    games.append(NormalForm(np.concatenate([pays, pays[:, :, :, :1]], axis=3)))  # identical actions
    games.append(NormalForm(pays[:, :, :1]))  # one action
    for game in games:
        found = linear_trace(game)
        assert found.found, str(found.path)
        assert found.regret.subgame_perfect <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 4, 5])
def test_random_games_of_three_players(size):
    rng = Random(size)
    for _ in range(200):
        found = linear_trace(random_game(rng, size, size, size))
        assert found.found, str(found.path)
        assert found.path.successful
        assert found.regret.subgame_perfect <= 1e-12


def test_homotopy_and_pivots_agree():
    # A third player without influence: the same game of the other two, by the other method.
    rng = Random(12)
    for _ in range(10):
        game = random_game(rng, 2, 2)
        prior = random_prior(rng, game.num_actions)
        exact = linear_trace(game, prior)
        padded = [[[[e, e] for e in row] for row in own] for own in game.payoffs]
        three = NormalForm([*padded, [[[1, 0], [1, 0]]] * 2])
        smooth = linear_trace(three, [*prior, [Fraction(1, 2)] * 2])
        assert smooth.path.perturbation == 0
        for own, want in zip(smooth.policies, exact.policies, strict=False):
            assert np.allclose(own, np.array(want, dtype=float), atol=1e-10)


def test_statuses_and_plots():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = linear_trace(stag_hunt())
    assert PATHS[found.path.status] == "the path reached its end"
    ax = found.path.plot()
    assert len(ax.lines) >= 4
    assert "exact" in ax.get_title()
    pyplot.close("all")
    assert "linear (Harsanyi-Selten), exact" in str(found)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ([[1, 1], [1, 0]], r"prior\[0\]: expected probabilities that sum to one"),
        ([[2, -1], [1, 0]], r"prior\[0\]: expected probabilities that sum to one"),
        ([[1, 0], [1, 0, 0]], r"prior\[1\]: expected 2 probabilities"),
        ([[1, 0]], r"prior: expected \"uniform\" or one vector for each of 2 players"),
        ("centroid", r"prior: expected \"uniform\""),
        ([[1, 0], [[1, 0], [0, 1]]], r"prior\[1\]: expected one row, or equal rows"),
    ],
    ids=["sum", "negative", "length", "players", "name", "states"],
)
def test_priors_that_are_refused(prior, message):
    with pytest.raises(ValueError, match=message):
        linear_trace(stag_hunt(), prior)


def test_float_priors_are_read_exactly():
    found = linear_trace(stag_hunt(), [[0.1, 0.9], [1 / 3, 2 / 3]])
    assert found.path.prior[0] == (Fraction(1, 10), Fraction(9, 10))
    assert sum(found.path.prior[1]) == 1
