"""Games as arrays, the record of an equilibrium, and polishing."""

from __future__ import annotations

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent import games
from resolvent.analytic import exact
from resolvent.numeric import EQUILIBRIUM, polished, verify
from resolvent.numeric.equilibrium.arrays import (
    action_values,
    chain,
    check_profile,
    game_arrays,
    payoff_ranges,
    values_of,
)
from resolvent.numeric.equilibrium.polishing import polish

F = Fraction


def dilemma(discount="9/10", initial=(1, 0, 0, 0), **options):
    stage = games.NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], actions=["C", "D"])
    return stage.iterated(discount, initial=initial, **options)


def chances():
    """Two states, three and two actions, chance moves, two discounts."""
    rng = np.random.default_rng(8)
    weights = rng.integers(1, 6, (2, 3, 2, 2))
    moves = [
        [[[F(int(w), int(cell.sum())) for w in cell] for cell in b] for b in a] for a in weights
    ]
    payoffs = rng.integers(-9, 10, (2, 2, 3, 2)).tolist()
    return games.StochasticGame(payoffs, moves, ["1/2", "9/10"], ["1/3", "2/3"])


GAMES = {
    "with a start": lambda: dilemma(initial=None),
    "trembling": lambda: dilemma(implementation_noise=["1/10", "1/7"]),
    "chance": chances,
    "three players": lambda: games.n_player_prisoners_dilemma(3).iterated("2/3"),
    "different actions": lambda: games.NormalForm(
        [[[1, 2, 0], [3, 0, 1]], [[0, 1, 2], [2, 2, 0]]]
    ).iterated("4/5"),
}


def fractions(game, seed=0):
    rng = np.random.default_rng(seed)
    policies = []
    for rows, actions in game.policy_shapes:
        weights = rng.integers(1, 7, (rows, actions))
        policies.append([[F(int(w), int(row.sum())) for w in row] for row in weights])
    return policies


@pytest.mark.parametrize("name", GAMES)
def test_values_and_action_values_are_the_exact_ones(name):
    game = GAMES[name]()
    policies = fractions(game)
    arrays = game_arrays(game)
    profile = check_profile(game, policies)
    values = values_of(arrays, profile)
    np.testing.assert_allclose(
        values @ arrays.initial, [float(v) for v in exact.values(game, policies)], rtol=1e-13
    )
    tables = action_values(arrays, profile, values)
    for player, table in enumerate(tables):
        expected = np.array(exact.q_values(game, policies, player), dtype=float)
        np.testing.assert_allclose(table, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(chain(arrays, profile).sum(axis=1), 1, rtol=1e-14)


def test_a_matrix_game_has_one_state():
    game = games.NormalForm([[[1, 5], [0, 2]], [[7, 7], [7, 7]]])
    arrays = game_arrays(game)
    assert arrays.num_states == 1
    assert arrays.num_actions == (2, 2)
    assert payoff_ranges(arrays).tolist() == [5, 1]
    profile = check_profile(game, [[0.5, 0.5], [1.0, 0.0]])
    assert values_of(arrays, profile).tolist() == [[0.5], [7.0]]
    table = action_values(arrays, profile, jnp.zeros((2, 1)))
    assert table[0].tolist() == [[1.0, 0.0]]


def test_programs_map_over_policies_and_payoffs():
    game = dilemma()
    arrays = game_arrays(game)
    profiles = [check_profile(game, fractions(game, seed)) for seed in range(3)]
    stacked = tuple(jnp.stack(own) for own in zip(*profiles, strict=True))
    batch = jax.vmap(values_of, (None, 0))(arrays, stacked)
    for own, profile in zip(batch, profiles, strict=True):
        np.testing.assert_allclose(own, values_of(arrays, profile), rtol=1e-14)


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([[[0.5, 0.5]] * 4], "one array for each of 2 players"),
        ([[[0.5, 0.5]] * 4, [[0.5, 0.5]] * 3], r"policies\[1\]: expected shape \(4, 2\)"),
        ([[[0.5, 0.5]] * 4, [[0.5, 0.6]] * 4], r"policies\[1\]: expected rows that sum to one"),
        ([[[1.5, -0.5]] * 4, [[0.5, 0.5]] * 4], r"policies\[0\]: expected probabilities"),
        ([[["x", 0.5]] * 4, [[0.5, 0.5]] * 4], r"policies\[0\]: expected numbers"),
    ],
    ids=["players", "shape", "sum", "negative", "text"],
)
def test_bad_profiles(policies, message):
    with pytest.raises(ValueError, match=message):
        check_profile(dilemma(), policies)


# Polishing -----------------------------------------------------------------------------------


def nearby(policies, size, seed=0):
    """Every probability moved, also those that are 0."""
    rng = np.random.default_rng(seed)
    moved = []
    for own in policies:
        new = np.array(own, float) + size * rng.random(np.shape(own))
        moved.append(jnp.asarray(new / new.sum(axis=-1, keepdims=True)))
    return tuple(moved)


MIXED = {
    "grim": (dilemma(), [[[1, 0], [0, 1], [0, 1], [0, 1]]] * 2),
    "always defect": (dilemma("1/5"), [[[0, 1]] * 4] * 2),
    "rps": (games.rock_paper_scissors(), [[[F(1, 3)] * 3]] * 2),
    "stag hunt": (
        games.NormalForm([[[10, 1], [8, 5]], [[10, 8], [1, 5]]]),
        [[[F(2, 3), F(1, 3)]]] * 2,
    ),
    "von Stengel": (
        games.NormalForm([[[3, 3], [2, 5], [0, 6]], [[3, 2], [2, 6], [3, 1]]]),
        [[[0, F(1, 3), F(2, 3)]], [[F(1, 3), F(2, 3)]]],
    ),
}


@pytest.mark.parametrize("size", [1e-2, 1e-5])
@pytest.mark.parametrize("name", MIXED)
def test_polishing_finds_the_equilibrium_nearby(name, size):
    game, truth = MIXED[name]
    start = nearby(truth, size)
    found = polish(game_arrays(game), start)
    assert bool(found.accepted)
    assert float(found.regret) <= 1e-14
    for own, exactly in zip(found.policies, truth, strict=True):
        np.testing.assert_allclose(own, np.array(exactly, float), atol=1e-14)
        assert ((np.array(own) > 0) == (np.array(exactly, float) > 0)).all()
    far = max(float(abs(a - b).max()) for a, b in zip(start, found.policies, strict=True))
    assert float(found.moved) == pytest.approx(far)


@pytest.mark.parametrize("size", [1e-3, 1e-6])
def test_polishing_stays_on_a_continuum(size):
    """Pairs of equalizers: a 4-parameter family, whose Jacobian is singular."""
    game = dilemma()
    pair = [
        games.memory_one(game, 0, 1, "8/9", "4/9", "4/9", "2/9"),
        games.memory_one(game, 1, 1, 1, "7/9", "2/9", "1/9"),
    ]
    found = polish(game_arrays(game), nearby(pair, size))
    assert bool(found.accepted)
    assert float(found.regret) <= 1e-13
    assert float(found.moved) < 10 * size


def test_polishing_does_not_invent_equilibria():
    """Far from any, what is given comes back, with its regret."""
    game = games.prisoners_dilemma()
    start = nearby([[[1, 0]]] * 2, 1e-3)
    found = polish(game_arrays(game), start)
    assert not bool(found.accepted)
    assert float(found.regret) > 0.3
    for own, given in zip(found.policies, start, strict=True):
        np.testing.assert_allclose(own, given, rtol=1e-15)
    record = polished(game, start)
    assert not record.found
    assert record.status == EQUILIBRIUM.refused
    assert polished(game, start, status=EQUILIBRIUM.stalled).status == EQUILIBRIUM.stalled


def test_polishing_a_batch_keeps_bad_starts_apart():
    game, truth = MIXED["stag hunt"]
    arrays = game_arrays(game)
    starts = [nearby(truth, 1e-4), nearby([[[1, 0]], [[0, 1]]], 1e-4), nearby([[[0, 1]]] * 2, 1e-3)]
    stacked = tuple(jnp.stack(own) for own in zip(*starts, strict=True))
    found = jax.vmap(polish, (None, 0))(arrays, stacked)
    assert found.accepted.tolist() == [True, False, True]
    np.testing.assert_allclose(found.policies[0][2], [[0, 1]], atol=0)


@pytest.mark.parametrize("scale", [F(1, 10**6), F(10**6)], ids=["small", "large"])
def test_units_of_payoffs_do_not_matter(scale):
    game, truth = MIXED["stag hunt"]
    payoffs = (np.array([[[10, 1], [8, 5]], [[10, 8], [1, 5]]], dtype=object) * scale).tolist()
    plain = polish(game_arrays(game), nearby(truth, 1e-3))
    scaled = polish(game_arrays(games.NormalForm(payoffs)), nearby(truth, 1e-3))
    assert bool(scaled.accepted)
    for own, other in zip(plain.policies, scaled.policies, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-14)
    np.testing.assert_allclose(scaled.values, plain.values * float(scale), rtol=1e-13)


# Records -------------------------------------------------------------------------------------


def test_statuses_and_prints():
    game = dilemma()

    def both(*after):
        return [games.memory_one(game, player, after[0], *after) for player in range(2)]

    perfect, nash, neither = (
        verify(game, both(*p)) for p in ((1, 0, 0, 0), (1, 0, 1, 0), (1, 1, 1, 1))
    )
    assert perfect.status == EQUILIBRIUM.subgame_perfect
    assert nash.status == EQUILIBRIUM.nash
    assert neither.status == EQUILIBRIUM.refused
    assert [own.found for own in (perfect, nash, neither)] == [True, True, False]
    assert perfect.exact
    assert perfect.pure
    assert perfect.values[0].tolist() == [3, 1, 1, 1]
    text = str(perfect)
    assert "an equilibrium in every state (subgame perfect)" in text
    assert "CD: D (value 1)" in text
    assert not verify(game, [[[0.5, 0.5]] * 4] * 2).pure


def test_plots():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="needs matplotlib")
    game = dilemma()
    axes = verify(game, fractions(game)).plot()
    assert len(axes.get_xticklabels()) == 4
    pyplot.close("all")


@pytest.mark.parametrize("exactly", [True, False], ids=["rationals", "floats"])
def test_saved_and_loaded(tmp_path, exactly):
    from resolvent.numeric import Equilibrium

    game = dilemma()
    policies = fractions(game)
    if not exactly:
        policies = [np.array(own, float) for own in policies]
    record = verify(game, policies, "by hand", tolerance=0.25)
    record.save(tmp_path / "record.npz")
    again = Equilibrium.load(tmp_path / "record.npz")
    assert again.game == game
    assert again.method == "by hand"
    assert again.tolerance == 0.25
    assert again.status == record.status
    assert again.exact == exactly
    for own, other in zip(again.policies, record.policies, strict=True):
        assert np.array_equal(np.array(own), np.array(other))
    assert (again.values == record.values).all()
    (tmp_path / "other.npz").write_text("nothing")
    with pytest.raises(ValueError, match=r"other.npz: not a readable"):
        Equilibrium.load(tmp_path / "other.npz")
