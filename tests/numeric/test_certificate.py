"""Certificates: proofs of known equilibria, and refusals of what is none, by many perturbations."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from resolvent import games
from resolvent.numeric import CERTIFICATE, certify, polished, verify

F = Fraction
CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "references/equilibrium_cases.json").read_text()
    )["cases"]
}
BIMATRIX = [name for name, case in CASES.items() if case["kind"] == "bimatrix"]


def bimatrix(name):
    return games.NormalForm([CASES[name]["data"]["A"], CASES[name]["data"]["B"]])


def three_players(name):
    payoffs = np.array(CASES[name]["data"]["payoffs_nfg_order"]).reshape(2, 2, 2, 3)
    return games.NormalForm(payoffs.transpose(3, 2, 1, 0).tolist())


def dilemma(t, r, p, s, discount):
    stage = games.NormalForm([[[r, s], [t, p]], [[r, t], [s, p]]], actions=["C", "D"])
    return stage.iterated(discount, initial=[1, 0, 0, 0])


def distance(policies, others):
    pairs = zip(policies, others, strict=True)
    return max(
        np.abs(np.array(a, float).ravel() - np.array(b, float).ravel()).max() for a, b in pairs
    )


def within(found):
    """The radius of a proof."""
    assert found.radius is not None
    return found.radius


def inspection():
    """Two states that are matching pennies of different stakes, moved by what is played: mixed in both,
    and in no closed form that the code could have."""
    stakes = [[[2, -1], [-1, 1]], [[1, -2], [-3, 1]]]
    moves = [[["3/4", "1/4"], ["1/2", "1/2"]], [["1/3", "2/3"], ["1/5", "4/5"]]]
    return games.StochasticGame(
        [stakes, [[[-x for x in row] for row in own] for own in stakes]],
        [moves, moves],
        "4/5",
        [1, 0],
    )


def zero_sum_by_shapley(game):
    """Value iteration on 2 x 2 games without saddle points, by their closed form."""
    pays = np.array([[float(x) for x in row] for row in game.rewards[0]]).reshape(2, 2, 2)
    moves = np.zeros((2, 4, 2))
    for s in range(2):
        for k in range(4):
            for t, p in game.branches[s][k]:
                moves[s, k, t] = float(p)
    moves, g = moves.reshape(2, 2, 2, 2), 0.8
    worth, solved = np.zeros(2), ()
    for _ in range(2000):
        table = (1 - g) * pays + g * moves @ worth
        a, b, c, d = (table[:, i, j] for i, j in np.ndindex(2, 2))
        gap = a - b - c + d
        worth = (a * d - b * c) / gap
        solved = ((d - c) / gap, (d - b) / gap)
    rows, columns = (np.stack([top, 1 - top], axis=1) for top in solved)
    return [rows, columns], worth


@pytest.mark.parametrize("name", BIMATRIX)
def test_exact_equilibria_are_proved_and_their_neighbours_refused(name):
    game = bimatrix(name)
    for profile in CASES[name]["expected"]["extreme_equilibria"]:
        found = certify(verify(game, profile))
        assert found.proved
        assert found.radius == 0
        assert found.subgame_perfect
    off = [[F(p) for p in own] for own in CASES[name]["expected"]["extreme_equilibria"][-1]]
    most = off[0].index(max(off[0]))
    other = (most + 1) % len(off[0])
    off[0][most] -= F(1, 10**9)
    off[0][other] += F(1, 10**9)
    record = verify(game, off)
    # On a continuum the neighbour may be an equilibrium as well; its regret, in rationals, knows.
    assert certify(record).proved == (record.regret.nash == 0)


@pytest.mark.parametrize("name", ["matching_pennies", "rps", "coordination_4x4", "vonstengel_3x2"])
def test_mixed_equilibria_in_floats_are_proved_within_the_distance(name):
    game = bimatrix(name)
    for profile in CASES[name]["expected"]["extreme_equilibria"]:
        rows = [[float(F(p)) for p in own] for own in profile]
        found = verify(game, rows).certify()
        assert found.proved
        assert within(found) <= 1e-14
    assert len(CASES[name]["expected"]["extreme_equilibria"]) > 0


@pytest.mark.parametrize("name", ["mckelvey_mclennan_2x2x2", "nau2004_sec4_irrational"])
def test_three_players_and_irrational_equilibria(name):
    game = three_players(name)
    for chances in CASES[name]["expected"]["decimal"]:
        profile = [[[float(p), 1 - float(p)]] for p in chances]
        found = verify(game, profile).certify()
        assert found.proved
        assert within(found) <= 1e-14
        mixed = any(0 < float(p) < 1 for p in chances)
        assert found.unique == mixed  # pure ones are decided in rationals


def test_a_mixed_stochastic_equilibrium():
    game = inspection()
    policies, worth = zero_sum_by_shapley(game)
    record = verify(game, policies)
    found = record.certify()
    assert found.proved
    assert found.unique
    assert found.subgame_perfect
    assert within(found) < 1e-12
    np.testing.assert_allclose(record.values[0], worth, atol=1e-12)


TARGETS = {
    "stag hunt, mixed": lambda: (
        games.NormalForm([[[10, 1], [8, 5]], [[10, 8], [1, 5]]]),
        [[[2 / 3, 1 / 3]], [[2 / 3, 1 / 3]]],
    ),
    "three players": lambda: (
        three_players("nau2004_sec4_irrational"),
        [[[x, 1 - x]] for x in ((53 - 601**0.5) / 46, (601**0.5 - 13) / 24, (601**0.5 - 23) / 4)],
    ),
    "stochastic": lambda: (inspection(), zero_sum_by_shapley(inspection())[0]),
    "grim": lambda: (
        dilemma(5, 3, 1, 0, "9/10"),
        [[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]] * 2,
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_perturbed_policies_are_never_proved_beyond_the_truth(name):
    """The equilibria of these games are isolated: whatever is proved has this one within its radius, and
    with the radius smaller than the perturbation nothing is."""
    game, policies = TARGETS[name]()
    truth = [np.array(own, float) for own in policies]
    assert verify(game, truth).certify().proved
    rng = np.random.default_rng(3)
    proofs = refusals = 0
    for trial in range(60):
        size = 10.0 ** rng.uniform(-13, -1)
        moved = []
        for own in truth:
            shift = rng.normal(size=own.shape) * size
            new = np.clip(own + shift - shift.mean(axis=1, keepdims=True), 0, None)
            moved.append(new / new.sum(axis=1, keepdims=True))
        far = distance(moved, truth)
        record = verify(game, moved)
        # A billionth of slack: the truth here is itself rounded.
        if far > 1e-15:
            assert not record.certify(radius=far * 0.9).proved, trial
        found = record.certify(radius=1e-6)
        if found.proved:
            assert far <= within(found) + 1e-15 <= 1e-6 + 1e-15
            proofs += 1
        else:
            assert far > 1e-8
            assert found.radius is None
            assert not found.unique
            refusals += 1
    assert proofs > 5
    assert refusals > 5


def test_every_pure_profile_is_decided():
    """Floats of zeros and ones are decided in rationals: the proofs are the equilibria, no others."""
    game = dilemma(5, 3, 1, 0, "1/4")
    eye = np.eye(2)
    rng = np.random.default_rng(0)
    proved = 0
    for _ in range(40):
        policies = [eye[rng.integers(0, 2, 4)] for _ in range(2)]
        record = verify(game, policies)
        exactly = verify(game, [own.astype(int) for own in policies])
        found = record.certify()
        assert found.proved == (exactly.regret.nash == 0)
        assert found.subgame_perfect == (exactly.regret.subgame_perfect == 0)
        proved += found.proved
    assert 0 < proved < 40


def test_nash_from_the_start_only():
    game = dilemma(5, 3, 1, 0, "9/10")
    policies = [games.memory_one(game, player, 1, 1, 0, 1, 0) for player in range(2)]
    found = certify(verify(game, policies))
    assert found.proved
    assert not found.subgame_perfect
    assert "not in every state" in str(found)


def test_a_continuum_is_proved_by_its_fractions_or_not_at_all():
    case = CASES["discounted_equalizer_pairs"]["data"]
    t, r, p, s = case["T,R,P,S"]
    game = dilemma(t, r, p, s, case["delta"])
    policies = [
        games.memory_one(game, player, own[0], *own)
        for player, own in enumerate((case["p"], case["q"]))
    ]
    floats = [np.array(own, float) for own in policies]
    assert certify(verify(game, policies)).proved
    found = verify(game, floats).certify()
    assert found.proved
    assert not found.unique
    assert "fractions with denominators up to 12" in found.reason
    # Another point of the continuum, close to those, with no short fractions.
    moved = [own + 1e-4 * np.random.default_rng(1).random((4, 1)) * [[-1, 1]] for own in floats]
    record = polished(game, moved)
    assert record.found
    refused = record.certify()
    assert not refused.proved
    assert "singular" in refused.reason


def test_an_unused_action_as_good_as_the_used_ones():
    """All mixtures are equilibria; only rationals can show it."""
    game = games.NormalForm([[[1, 1], [1, 1]], [[0, 0], [0, 0]]])
    assert verify(game, [[0.25, 0.75], [0.5, 0.5]]).certify().proved
    irrational = verify(game, [[0.5**0.5, 1 - 0.5**0.5], [0.5, 0.5]]).certify()
    assert irrational.status == CERTIFICATE.proved or "singular" in irrational.reason


def test_scaled_payoffs_change_nothing():
    name = "nau2004_sec4_irrational"
    profile = [[[float(p), 1 - float(p)]] for p in CASES[name]["expected"]["decimal"][0]]
    payoffs = np.array(three_players(name).payoffs, dtype=object)
    for scale, shift in ((F(1, 10**6), 0), (10**6, 0), (1, 10**9)):
        found = verify(games.NormalForm((payoffs * scale + shift).tolist()), profile).certify()
        assert found.proved
        assert within(found) <= 1e-10
    payoffs[0] *= 100
    assert verify(games.NormalForm(payoffs.tolist()), profile).certify().proved


def test_prints_and_refusals():
    game = bimatrix("rps")
    found = verify(game, [[1 / 3] * 3] * 2).certify()
    assert str(found).startswith("proved: there is an equilibrium, in every state")
    assert bool(found)
    assert "player 1 gains" in str(certify(verify(game, [[1, 0, 0], [1, 0, 0]])))
    with pytest.raises(ValueError, match="radius: expected"):
        certify(verify(game, [[1 / 3] * 3] * 2), radius=0)
