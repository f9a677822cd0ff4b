"""Published tables, run again: quick versions by default, all of them with `-m slow`.

The references are the published numbers, and closed forms or plain NumPy here; the frame is judged by rows made by
hand.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.games import own_view, prisoners_dilemma, tit_for_tat
from resolvent.numeric import Naive, joint_update, tree
from resolvent.reproductions import REPRODUCTIONS, Curve, Reproduction, Row, stewart_plotkin
from resolvent.reproductions.lola_dice import LookAheads
from resolvent.reproductions.lola_ipd import dilemma, reciprocal
from resolvent.reproductions.measure import mean, share, spread
from resolvent.reproductions.sos_random import SIZE, draw, hessian_of
from resolvent.reproductions.sos_tandem import limit
from resolvent.reproductions.toys import no_convergence, one_shot_chicken, tandem

# The frame -----------------------------------------------------------------------------------


def test_a_row_says_by_how_many_standard_errors_it_differs():
    row = Row("x", published=1.0, ours=1.5, error=0.3, published_error=0.4, rounding=0.25)
    assert row.difference == pytest.approx(0.5)
    assert row.deviation == pytest.approx(0.25 / 0.5)
    assert row.verdict == "agrees"
    assert Row("x", 1.0, 2.9, error=0.5).verdict == "differs"
    assert Row("x", 1.0, 1.001).verdict == "differs"  # nothing random, nothing rounded
    assert Row("x", 1.0, 1.001, rounding=0.01).verdict == "agrees"
    assert Row("x", 1.0, math.nan, error=9.0).verdict == "differs"
    assert Row("x", 1.0, math.inf, error=9.0).verdict == "differs"
    assert Row("x", None, 1.0).verdict == "ours only"
    assert Row("x", 1.0, 5.0, judged=False).verdict == "not judged"


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (
            Row("x", -1.06, -1.0431, 0.0015, 0.019, 0.005),
            ("x", "-1.0600 ± 0.0190", "-1.0431 ± 0.0015", "+0.0169", "0.6", "agrees"),
        ),
        (Row("x", 0.2, 0.2, rounding=1e-9), None),
        (
            Row("x", 6.55e-14, 1.7e-31, judged=False),
            ("x", "6.55e-14", "1.7e-31", "-6.5e-14", "–", "not judged"),
        ),
        (Row("x", None, 131072.0), ("x", "–", "131072", "–", "–", "ours only")),
    ],
    ids=["random", "exact", "tiny", "alone"],
)
def test_a_row_is_printed_to_the_digits_that_count(row, cells):
    if cells is None:
        cells = ("x", "0.200000000", "0.200000000", "+0.000000000", "–", "agrees")
    assert row.cells() == cells


def made_up(**fields):
    rows = (
        Row("a | b", 1.0, 1.1, 0.1, source="Table 1", remark="careful"),
        Row("b", 1.0, 2.0, 0.1, source="Table 1"),
        Row("c", None, 2.0),
    )
    return Reproduction("made_up", "Title", "Paper", ("done so",), rows, ("so it is",), **fields)


def test_a_reproduction_prints_and_is_written():
    found = made_up(seed=3)
    assert found.verdicts == {"agrees": 1, "differs": 1, "ours only": 1}
    assert not found.agrees
    assert found.row("b").ours == 2.0
    with pytest.raises(KeyError, match="no row 'd'"):
        found.row("d")
    assert str(found).splitlines()[0] == "Title (Paper), seed 3"
    assert "1 agrees, 1 differs, 1 ours only" in str(found)
    lines = found.markdown().splitlines()
    assert lines[0] == "## Title"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 3
    assert table[2].startswith(r"| a \| b | 1.00 | Table 1 | 1.10 ± 0.10 | +0.10 | 1.0 | agrees |")
    record = json.loads(json.dumps(found.as_dict()))
    assert record["rows"][1]["verdict"] == "differs"
    assert record["rows"][2]["published"] is None


def test_a_reproduction_is_drawn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    curves = (Curve("c", np.arange(3.0), np.arange(3.0) ** 2),)
    (line,) = made_up(curves=curves, axes=("t", "v")).plot().lines
    assert line.get_ydata().tolist() == [0, 1, 4]
    axes = made_up().plot()
    assert [own.get_text() for own in axes.get_yticklabels()] == ["a | b", "b"]
    pyplot.close("all")


def test_estimates():
    """Of samples whose moments are known: standard errors by many repetitions."""
    draws = np.random.default_rng(0).normal(2.0, 3.0, (4000, 200))
    means, spreads = ([kind(sample) for sample in draws] for kind in (mean, spread))
    for estimates, truth in ((means, 2.0), (spreads, 3.0)):
        numbers, errors = np.array(estimates).T
        assert abs(numbers.mean() - truth) < 0.02
        assert abs(errors.mean() / numbers.std() - 1) < 0.05
    assert share(np.arange(10) < 3).number == pytest.approx(30)
    assert share(np.ones(10, bool)).error > 0


# Games and views -----------------------------------------------------------------------------


def test_toy_values_are_the_published_losses():
    x, y = 0.7, -0.3
    params = (jnp.asarray(x), jnp.asarray(y))
    assert tandem()(params) == pytest.approx([-((x + y) ** 2) + 2 * x, -((x + y) ** 2) + 2 * y])
    loss = x * y - x**2 / 2 + y**2 / 2 + x**4 / 4 - y**4 / 4
    assert no_convergence()(params) == pytest.approx([-loss, loss])
    # Chicken with certain actions: both swerve, one does, both crash.
    sure = 40.0
    for a, b, paid in ((1, 1, (0, 0)), (1, -1, (-1, 1)), (-1, 1, (1, -1)), (-1, -1, (-100, -100))):
        chances = (jnp.asarray(a * sure), jnp.asarray(b * sure))
        assert one_shot_chicken()(chances) == pytest.approx(paid, abs=1e-12)


def test_published_views_and_orders_give_the_same_learning():
    """LOLA_DiCE's parameters: start, DD, DC, CD, CC in each player's own view, logits of D. The values of that
    parameterisation, written out, and updates of it, equal ours after permuting and changing signs."""
    values = dilemma()
    game = prisoners_dilemma().iterated("24/25")

    def theirs(ours):
        """Ours -> theirs, for both players."""
        own = [np.asarray(own_view(game, np.asarray(row), k)) for k, row in enumerate(ours)]
        return [-row[[0, 4, 3, 2, 1], 0] for row in own]

    def their_value(own, other):
        """Player 1's discounted sum, by a linear solve; states of play DD, DC, CD, CC, player 1 first."""
        defect = [1 / (1 + jnp.exp(-z)) for z in (own, other[jnp.array([0, 1, 3, 2, 4])])]
        p, q = defect
        rows = jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
        paid = jnp.array([-2.0, 0.0, -3.0, -1.0])
        return rows[0] @ jnp.linalg.solve(jnp.eye(4) - 0.96 * rows[1:], paid)

    rng = np.random.default_rng(1)
    params = tuple(jnp.asarray(rng.normal(size=(5, 1))) for _ in range(2))
    other = theirs(params)
    # A value of player 2 is player 1's with the roles exchanged: the game is symmetric in own views.
    direct = [float(their_value(*map(jnp.asarray, pair))) for pair in (other, other[::-1])]
    assert np.asarray(values(params)) == pytest.approx(direct, rel=1e-12)

    inner = 0.3

    def anticipated(own, opponent):
        """One imagined step of the opponent, in their parameters."""
        step = jax.grad(lambda z: their_value(z, own))(opponent)
        return their_value(own, opponent + inner * step)

    rule = LookAheads(0.2, inner, depth=1)
    for player in (0, 1):
        gradient = jax.grad(lambda own, i=player: rule.anticipated(values, params, i, own))(
            params[player]
        )
        as_theirs = theirs([gradient, gradient])[player]
        direct = jax.grad(anticipated)(jnp.asarray(other[player]), jnp.asarray(other[1 - player]))
        assert as_theirs == pytest.approx(np.asarray(direct), rel=1e-9, abs=1e-12)
    # Adam's first step is its rate in each entry, in the direction of the gradient.
    states = [rule.init(values, params, k) for k in (0, 1)]
    updates = joint_update(values, (rule, rule), params, states)[0]
    gradient = jax.grad(lambda own: rule.anticipated(values, params, 0, own))(params[0])
    assert np.asarray(updates[0]) == pytest.approx(0.2 * np.sign(np.asarray(gradient)), rel=1e-4)


def test_swapped_seats_earn_swapped_values():
    """The joint view of player 2 and its own view differ by CD and DC: exchanging the players is that and no more."""
    values = dilemma()
    game = prisoners_dilemma().iterated("24/25")
    rng = np.random.default_rng(2)
    first, second = (rng.normal(size=(5, 1)) for _ in range(2))
    there = tuple(jnp.asarray(own_view(game, own, 1)) for own in (second, first))
    earned = np.asarray(values((jnp.asarray(first), jnp.asarray(second))))
    assert earned[::-1] == pytest.approx(np.asarray(values(there)), rel=1e-12)
    updates = joint_update(values, (Naive(1.0),) * 2, there, (None, None))[0]
    ours = joint_update(
        values, (Naive(1.0),) * 2, (jnp.asarray(first), jnp.asarray(second)), (None, None)
    )[0]
    assert np.asarray(updates[0]) == pytest.approx(
        np.asarray(own_view(game, np.asarray(ours[1]), 1)), rel=1e-10
    )
    assert tree.norm(updates) == pytest.approx(float(tree.norm(ours)))


def test_tit_for_tat_is_found_where_it_is():
    from resolvent.numeric import learn

    values = dilemma()
    game = prisoners_dilemma().iterated("24/25")
    soft = [[[0.9 * float(p) + 0.05 for p in row] for row in tit_for_tat(game, k)] for k in (0, 1)]
    always = [[0.9, 0.1]] * 5
    starts = [values.parameters(pair) for pair in (soft, (soft[0], always), (soft[1], soft[1]))]
    batch = tuple(jnp.stack(own) for own in zip(*starts, strict=True))
    found = reciprocal(learn(values, Naive(1.0), batch, steps=0)).reshape(2, 3)
    # In the third pair, player 1 plays what would be tit for tat for player 2: in DC it cooperates.
    assert found.tolist() == [[True, True, False], [True, False, True]]


# Protocols -----------------------------------------------------------------------------------


def test_higher_orders_on_tandem_by_their_own_equation():
    """The limit of order 1 is exact LOLA's, and high orders go to the consistent one, in closed form."""
    for alpha in (0.02, 0.1, 0.2):
        total = (1 - 2 * alpha + 4 * alpha**2) / (1 - 2 * alpha) ** 2
        assert limit(1, alpha) == pytest.approx(total, rel=1e-13)
        assert limit(500, alpha) == pytest.approx((1 + math.sqrt(1 + 8 * alpha)) / 2, rel=1e-12)
    # Beyond 3/8 orders do not converge.
    assert abs(limit(500, 0.5) - (1 + math.sqrt(5)) / 2) > 0.1


def test_random_games_have_one_stable_fixed_point():
    matrices, vectors = draw(jax.random.key(3), 20)
    hessian = hessian_of(matrices)
    lowest = np.linalg.eigvalsh((hessian + np.swapaxes(hessian, -1, -2)) / 2)[:, 0]
    assert (lowest > 0.5 - 1e-12).all()
    assert lowest.min() < 0.5 + 1e-9
    # At 0 the gradient of a player's loss in its own parameters is its own part of b.
    assert (vectors[:, 0, :SIZE] == 0).all()
    assert (vectors[:, 1, SIZE:] == 0).all()
    assert (np.abs(vectors[:, 0, SIZE:]) > 0).all()


# Rows in all, and how many of them have nothing to be compared with or are not judged.
QUICK = {
    "lola_ipd": (7, 1),
    "lola_imp": (2, 0),
    "lola_dice": (4, 0),
    "dice": (7, 0),
    "sos_tandem": (9, 0),
    "sos_ipd": (10, 0),
    "sos_random": (6, 1),
    "mfos_baselines": (6, 0),
    "mfos_meta": (2, 2),
    "meva_tournament": (4, 0),
    "cola_tables": (6, 3),
    "pola_ipd": (1, 0),
    "loqa": (1, 0),
    "advantage_alignment": (6, 0),
    "brs": (3, 0),
    "shaper": (2, 2),
    "lili": (1, 1),
    "coala": (3, 1),
    "impossibility": (8, 4),
    "stewart_plotkin": (18, 0),
}
CLOSE = {
    # Where nothing is random, or theory says where runs end: rows, and to how many decimals.
    "lola_dice": ("look-ahead", 1e-9),
    "sos_tandem": ("alpha 0.1", 5e-4),
    "sos_random": ("largest distance", 1e-9),
}


# Of each kind of experiment one is run by default.
LONG = ("sos_ipd", "cola_tables", "mfos_baselines", "lola_imp", "coala", "lola_dice", "dice")


@pytest.mark.parametrize(
    "name", [pytest.param(k, marks=pytest.mark.slow) if k in LONG else k for k in QUICK]
)
def test_quick_versions_agree(name):
    """Within three standard errors beyond rounding; what is deterministic to its last digit."""
    found = REPRODUCTIONS[name](quick=True)
    assert found.quick
    assert found.name == name
    rows, alone = QUICK[name]
    assert len(found.rows) == rows, str(found)
    assert found.verdicts.get("agrees", 0) == rows - alone, str(found)
    if name in CLOSE:
        label, tolerance = CLOSE[name]
        shown = [row for row in found.rows if label in row.what]
        assert shown
        assert all(abs(row.ours - (row.published or 0.0)) < tolerance for row in shown)


def test_every_experiment_has_a_quick_version_here():
    assert list(QUICK) == list(REPRODUCTIONS)


def test_same_seed_same_numbers():
    once, again, other = (REPRODUCTIONS["sos_random"](quick=True, seed=k) for k in (4, 4, 5))
    numbers = [[row.ours for row in found.rows] for found in (once, again, other)]
    assert numbers[0] == numbers[1] != numbers[2]


def test_simulated_tournaments_are_those_of_the_file():
    """What the library simulated, averaged over the others, is what the reproduction compares with."""
    file = Path(__file__).parent / "references" / "axelrod_tournament.json"
    runs = {run["what"]: run for run in json.loads(file.read_text())["runs"]}
    for what, kept, matches in (
        ("200 turns", stewart_plotkin.SIMULATED, stewart_plotkin.MATCHES),
        ("200 turns, noise 1/20", stewart_plotkin.SIMULATED_NOISE, stewart_plotkin.MATCHES_NOISE),
    ):
        totals = dict.fromkeys(kept, 0.0)
        for first, second, (own, _), (other, _) in runs[what]["pairs"]:
            if first != second:
                totals[first] += own
                totals[second] += other
        assert runs[what]["repetitions"] == matches
        assert {k: round(total / (len(kept) - 1), 5) for k, total in totals.items()} == kept


# Rows that differ, as the pages say and explain.
DIFFERENT = {"dice": ["Mao, 128: gradient"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_full_versions_agree(name):
    found = REPRODUCTIONS[name]()
    assert not found.quick
    different = [row.what for row in found.rows if row.verdict == "differs"]
    assert different == DIFFERENT.get(name, []), str(found)
