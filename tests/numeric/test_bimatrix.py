"""All equilibria of two-player games: against known answers, brute force over supports, indices and nashpy."""

import json
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import pytest
import sympy

from resolvent.games import NormalForm, matching_pennies, public_goods
from resolvent.numeric.equilibrium.bimatrix import (
    extreme_equilibria,
    lemke_howson,
    lemke_howson_all,
    support_enumeration,
)

REFERENCES = Path(__file__).parents[1] / "references" / "equilibrium_cases.json"
CASES = [
    case
    for case in json.loads(REFERENCES.read_text())["cases"]
    if "extreme_equilibria" in case["expected"]
]


def bimatrix(case):
    return NormalForm((case["data"]["A"], case["data"]["B"]), name=case["id"])


def random_game(rng, m, n, high=1000):
    return NormalForm([[[rng.randrange(high) for _ in range(n)] for _ in range(m)] for _ in "12"])


def profiles(found):
    return [tuple(own[0] for own in each.policies) for each in found]


def gains(game, profile):
    """What each player could gain, by the definition of an equilibrium."""
    result = []
    for i, payoffs in enumerate(game.payoffs):
        table = np.array(payoffs, dtype=object)
        x, y = (np.array(own, dtype=object) for own in profile)
        worth = table @ y if i == 0 else x @ table
        result.append(worth.max() - (x @ table @ y))
    return result


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_known_games(case):
    game = bimatrix(case)
    want = {
        tuple(tuple(map(Fraction, own)) for own in one)
        for one in case["expected"]["extreme_equilibria"]
    }
    found = extreme_equilibria(game)
    assert found.complete
    assert len(found) == len(want)
    assert set(profiles(found)) == want
    assert all(each.found and each.exact and each.regret.nash == 0 for each in found)
    for some in (support_enumeration(game), lemke_howson_all(game)):
        assert len(some) >= 1
        assert set(profiles(some)) <= want


def test_coordination_has_an_equilibrium_on_every_common_support():
    # One uniform equilibrium on each non-empty set of actions; with k of them the index is (-1)^(k + 1).
    size = 6
    identity = [[int(i == j) for j in range(size)] for i in range(size)]
    found = extreme_equilibria(NormalForm((identity, identity)))
    assert found.indices is not None
    assert len(found) == 2**size - 1
    for (x, y), index in zip(profiles(found), found.indices, strict=True):
        used = sum(p > 0 for p in x)
        assert x == y
        assert set(x) <= {0, Fraction(1, used)}
        assert index == (-1) ** (used + 1)


def test_components_of_degenerate_games():
    by_id = {case["id"]: bimatrix(case) for case in CASES}
    game = by_id["qe_degenerate_component"]
    components = extreme_equilibria(game).components
    assert components is not None
    assert [len(own) for own in components] == [1, 2]
    # Player 2's mixture of both columns down to one half on the second, against the second row; and the third
    # row, or any mixture with it, against one half each.
    joined = {(len(own.first), len(own.second)) for own in components[1]}
    assert joined == {(1, 2), (2, 1)}
    rng = Random(1)
    for component in components:
        for subset in component:
            x, y = (
                mixture(side, [rng.randrange(1, 10) for _ in side])
                for side in (subset.first, subset.second)
            )
            assert gains(game, (x, y)) == [0, 0]
    # Constant payoffs: everything is one component of all pairs.
    constant = extreme_equilibria(NormalForm(([[3, 3, 3]] * 2, [[0, 0, 0]] * 2)))
    assert len(constant) == 6
    assert constant.components is not None
    assert [[(len(own.first), len(own.second)) for own in c] for c in constant.components] == [
        [(2, 3)]
    ]


def mixture(strategies, weights):
    total = sum(weights)
    return tuple(
        sum(Fraction(w, total) * own[k] for w, own in zip(weights, strategies, strict=True))
        for k in range(len(strategies[0]))
    )


def test_small_degenerate_games_against_brute_force():
    # With payoffs 0 and 1 almost all games are degenerate. A pair of vertices of the best-reply regions is
    # found by hand: every strategy that is the only one to satisfy some set of tight constraints.
    rng = Random(2)
    for _ in range(25):
        m, n = rng.choice([(2, 2), (2, 3), (3, 2)])
        game = random_game(rng, m, n, high=2)
        first, second = (np.array(own, dtype=object) for own in game.payoffs)
        xs, ys = vertices(second.T), vertices(first)
        want = {(x, y) for x, y in product(xs, ys) if gains(game, (x, y)) == [0, 0]}
        assert set(profiles(extreme_equilibria(game))) == want


def vertices(table):
    """Vertices of {(z, v): table z <= v, z >= 0, sum z = 1}, by all sets of tight constraints, in SymPy."""
    count = table.shape[1]
    found = set()
    constraints = [[*(-entry for entry in row), 1] for row in table.tolist()]
    constraints += [[int(j == k) for j in range(count)] + [0] for k in range(count)]
    for tight in product((0, 1), repeat=len(constraints)):
        if sum(tight) < count:
            continue
        chosen = [row for row, on in zip(constraints, tight, strict=True) if on]
        system = sympy.Matrix([*chosen, [1] * count + [0]])
        right = sympy.Matrix([0] * len(chosen) + [1])
        if system.rank() < count + 1 or system.row_join(right).rank() > count + 1:
            continue
        solution = list((system.T * system).LUsolve(system.T * right))
        z, v = solution[:count], solution[count]
        if min(z) >= 0 and all(
            sum(a * b for a, b in zip(row, z, strict=True)) <= v for row in table.tolist()
        ):
            found.add(tuple(Fraction(int(p.p), int(p.q)) for p in z))
    return found


@pytest.mark.parametrize(("size", "games"), [(3, 200), (5, 60), (8, 8)])
def test_random_games(size, games):
    check_random_games(size, games)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "games"), [(5, 200), (8, 200), (10, 20)])
def test_more_random_games(size, games):
    check_random_games(size, games)


def check_random_games(size, games):
    rng = Random(size)
    for _ in range(games):
        game = random_game(rng, size, size, high=10**6)  # so many that ties do not happen
        found = extreme_equilibria(game)
        own = set(profiles(found))
        assert found.indices is not None
        assert None not in found.indices
        assert len(own) == len(found) >= 1
        assert len(found) % 2 == 1  # Wilson 1971, of games that are not degenerate
        assert sum(filter(None, found.indices)) == 1  # Shapley 1974
        assert all(gains(game, each) == [0, 0] for each in own)
        assert set(profiles(lemke_howson_all(game))) <= own
        if size <= 5:
            assert set(profiles(support_enumeration(game))) == own


@pytest.mark.parametrize(("size", "games"), [(15, 20), (20, 10)])
def test_lemke_howson_on_large_games(size, games):
    rng = Random(size)
    for _ in range(games):
        game = random_game(rng, size, size)
        found = lemke_howson(game, rng.randrange(2 * size))
        assert found.regret.nash == 0
        assert gains(game, tuple(own[0] for own in found.policies)) == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 5, 8, 15, 20])
def test_lemke_howson_finds_an_equilibrium_of_every_game(size):
    rng = Random(100 + size)
    for _ in range(200):
        game = random_game(rng, size, size)
        for label in (0, size, 2 * size - 1):
            assert lemke_howson(game, label).regret.nash == 0


def test_lemke_howson_on_degenerate_games():
    rng = Random(5)
    for _ in range(100):
        m, n = rng.randrange(1, 6), rng.randrange(1, 6)
        game = random_game(rng, m, n, high=2)
        for label in range(m + n):
            assert lemke_howson(game, label).regret.nash == 0


@pytest.mark.parametrize(
    ("size", "number"),
    [
        pytest.param(3, 60, id="60-of-3x3"),
        pytest.param(3, 200, id="200-of-3x3", marks=pytest.mark.slow),
        pytest.param(4, 200, id="200-of-4x4", marks=pytest.mark.slow),
        pytest.param(5, 200, id="200-of-5x5", marks=pytest.mark.slow),
    ],
)
def test_all_equilibria_are_those_of_nashpy(size, number):
    nashpy = pytest.importorskip(
        "nashpy", reason="nashpy is not installed: pip install 'resolvent[interop]'"
    )
    rng = Random(7)
    agreed = 0
    for _ in range(number):
        game = random_game(rng, size, size)
        first, second = (np.array(own, dtype=float) for own in game.payoffs)
        theirs = [np.concatenate(own) for own in nashpy.Game(first, second).vertex_enumeration()]
        ours = [np.concatenate(own) for own in profiles(extreme_equilibria(game))]
        far = abs(np.array(ours, dtype=float)[:, None] - np.array(theirs)[None]).max(axis=2)
        agreed += len(ours) == len(theirs) and far.min(axis=1).max() < 1e-9
    assert agreed == number


def test_scale_and_shift_change_nothing():
    game = random_game(Random(3), 4, 5)
    first, second = game.payoffs
    changed = NormalForm(
        (
            [[entry / 10**9 - 5 for entry in row] for row in first],
            [[entry * 10**9 + 7 for entry in row] for row in second],
        )
    )
    assert profiles(extreme_equilibria(changed)) == profiles(extreme_equilibria(game))


def test_one_action_and_dominated_actions():
    single = extreme_equilibria(NormalForm(([[1, 5, 2]], [[3, 4, 4]])))
    assert set(profiles(single)) == {((1,), (0, 1, 0)), ((1,), (0, 0, 1))}
    assert profiles(lemke_howson_all(NormalForm(([[1]], [[2]])))) == [((1,), (1,))]
    dominated = extreme_equilibria(NormalForm(([[2, 0, 9], [3, 1, 9]], [[2, 3, 0], [0, 1, 0]])))
    assert profiles(dominated) == [((0, 1), (0, 1, 0))]
    twins = extreme_equilibria(
        NormalForm(([[1, -1], [-1, 1], [-1, 1]], [[-1, 1], [1, -1], [1, -1]]))
    )
    half = Fraction(1, 2)
    assert set(profiles(twins)) == {
        ((half, half, 0), (half, half)),
        ((half, 0, half), (half, half)),
    }
    assert twins.components is not None
    assert [len(own) for own in twins.components] == [1]


def test_printing():
    text = str(extreme_equilibria(matching_pennies()))
    assert "matching pennies: 1 equilibrium" in text
    assert "(1/2, 1/2)   (1/2, 1/2)   index +1   regret 0" in text


def test_what_is_refused():
    with pytest.raises(ValueError, match="expected two players, got 3"):
        extreme_equilibria(public_goods(3))
    with pytest.raises(TypeError, match="expected a NormalForm"):
        lemke_howson(matching_pennies().iterated("1/2"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="label: expected an integer from 0 to 3, got 4"):
        lemke_howson(matching_pennies(), 4)
    symbolic = NormalForm(([[sympy.Symbol("T"), 0]], [[0, 0]]))
    with pytest.raises(ValueError, match="T are symbols; use game.substitute"):
        extreme_equilibria(symbolic)
    with pytest.raises(
        ValueError, match="limit: the best-reply polytopes have more than 10 vertices"
    ):
        extreme_equilibria(random_game(Random(0), 5, 5), limit=10)
