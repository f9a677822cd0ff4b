"""Tournaments against separate runs, errors by hand, divergence, files."""

import itertools
import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, prisoners_dilemma
from resolvent.numeric import RESULTS, Run, Tournament, ValueFunction, learn, tournament
from resolvent.numeric.learners import (
    LOLA,
    BestResponseDynamics,
    Naive,
    OptimisticGradient,
)
from resolvent.numeric.meter import AbstractMeter

FIELD = {"slow": Naive(0.05), "fast": Naive(0.3), "aware": LOLA(0.1)}


def skewed(params):
    x, y = params
    return jnp.stack([-((x - y) ** 2) + x, -((y + x - 1) ** 2) - y**2 / 2])


SKEWED = ValueFunction.wrap(skewed, [(), ()], "skewed")
STEEP = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 4, -(p[1] ** 2)]), [(), ()], "steep")


@pytest.fixture(scope="module")
def cross():
    return tournament(SKEWED, FIELD, jax.random.key(4), 30, batch=5, scale=0.5)


def test_every_cell_is_a_run_of_its_own(cross):
    for (a, one), (b, two) in itertools.product(enumerate(FIELD.values()), repeat=2):
        run = learn(SKEWED, [one, two], jax.random.key(4), 30, batch=5, scale=0.5)
        np.testing.assert_allclose(cross.values[a, b], run.values, rtol=1e-13)
        again = learn(SKEWED, [one, two], cross.start, 30)
        assert np.array_equal(again.values, run.values)
    assert cross.names == ("slow", "fast", "aware")
    assert cross.values.shape == (3, 3, 5, 2)


def test_means_and_standard_errors_by_hand(cross):
    for a, b, player in itertools.product(range(3), range(3), range(2)):
        numbers = [float(cross.values[a, b, run, player]) for run in range(5)]
        mean = sum(numbers) / 5
        variance = sum((number - mean) ** 2 for number in numbers) / 4
        assert cross.mean[a, b, player] == pytest.approx(mean, rel=1e-13)
        assert cross.error[a, b, player] == pytest.approx((variance / 5) ** 0.5, rel=1e-10)
    assert (cross.error > 0).any()
    mean, error = cross.table(1)
    assert mean[2, 0] == cross.mean[0, 2, 1]  # rows are the player's own learners
    assert error[2, 0] == cross.error[0, 2, 1]
    assert cross.table()[0][2, 0] == cross.mean[2, 0, 0]
    assert (cross.counts["successful"] == 5).all()
    assert cross.counted.all()


def test_three_players():
    def ring(params):
        x, y, z = params
        return jnp.stack([-((x - y) ** 2), -((y - z - 1) ** 2), -((z + x) ** 2) + z])

    values = ValueFunction.wrap(ring, [(), (), ()], "ring")
    pair = {"slow": Naive(0.05), "fast": Naive(0.2)}
    start = (np.array([0.3, 1.0]), np.array([0.1, -1.0]), np.array([0.0, 0.5]))
    cross = tournament(values, pair, start, 7)
    assert cross.values.shape == (2, 2, 2, 2, 3)
    for seats in itertools.product(range(2), repeat=3):
        run = learn(values, [list(pair.values())[k] for k in seats], start, 7)
        np.testing.assert_allclose(cross.values[seats], run.values, rtol=1e-13)
        gap = np.diff(run.values, axis=0)[0]  # of two runs the error is half their distance
        np.testing.assert_allclose(cross.error[seats], np.abs(gap) / 2, rtol=1e-10)
    assert "slow, fast, slow: " in str(cross)
    with pytest.raises(ValueError, match="of two players, not 3"):
        cross.table()
    assert len(cross.to_csv().splitlines()) == 1 + 8 * 3


def test_one_run_has_no_standard_error():
    cross = tournament(SKEWED, [Naive(0.1)], (0.1, 0.2), 3)
    assert cross.values.shape == (1, 1, 1, 2)
    assert np.isnan(cross.error).all()
    assert np.isfinite(cross.mean).all()
    assert "±" not in str(cross)


def test_diverging_runs_are_counted_and_in_no_mean():
    """Player 1 of `STEEP` runs away where it starts at 3 with a rate of 0.1; from 0.1 it does not."""
    start = (np.array([0.1, 3.0, 0.1]), np.array([1.0, 1.0, 2.0]))
    cross = tournament(STEEP, {"calm": Naive(1e-3), "wild": Naive(0.1)}, start, 12)
    x, step = 3.0, 0
    with np.errstate(over="ignore"):
        while np.isfinite(x + 0.4 * np.float64(x) ** 3):
            x, step = x + 0.4 * np.float64(x) ** 3, step + 1
    assert cross.counts["nonfinite"].tolist() == [[0, 0], [1, 1]]
    assert cross.counts["successful"].tolist() == [[3, 3], [2, 2]]
    for b in range(2):
        good = cross.values[1, b, [0, 2]]
        np.testing.assert_allclose(cross.mean[1, b], good.mean(0), rtol=1e-13)
        np.testing.assert_allclose(cross.error[1, b], np.abs(good[0] - good[1]) / 2, rtol=1e-7)
        assert cross.failed_step[1, b].tolist() == [-1, step + 1, -1]
        assert cross.failed_player[1, b, 1] == 0
        assert cross.failed_norm[1, b, 1] == pytest.approx(x, rel=1e-10)
    text = str(cross)
    assert "wild, calm: 1 of 3 runs not counted, an update was not finite" in text
    assert f"first: run 1, step {step + 1}, player 1, whose parameters had norm {x:.3g}" in text


def test_values_that_overflow_are_not_counted():
    values = ValueFunction.wrap(lambda p: jnp.stack([-(p[0] ** 2), jnp.exp(p[1])]), [(), ()])
    cross = tournament(values, [Naive(0.0)], (np.zeros(2), np.array([1.0, 1e4])), 1)
    assert cross.counts["nonfinite"].tolist() == [[1]]
    np.testing.assert_allclose(cross.mean[0, 0], [0, np.e])


def test_a_seating_without_good_runs():
    cross = tournament(STEEP, [Naive(0.1)], (np.full(2, 3.0), np.ones(2)), 12)
    assert np.isnan(cross.mean).all()
    assert "-" in str(cross)


# The limit of `learn` ----------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [(), (2,)])
def test_a_limit_stops_a_run_within_it(axis):
    """Growth by 1.2 a step from 1: within 5 for 8 steps (1.2^8 = 4.2998), beyond at the ninth."""
    grow = ValueFunction.wrap(lambda p: jnp.stack([-(p[0] ** 2), p[1] ** 2 / 2]), [(), ()], "grow")
    start = (np.ones(2), np.array([1.0, 0.0])) if axis else (1.0, 1.0)
    run = learn(grow, Naive(0.2), start, 20, limit=5.0)
    first = (0,) * len(axis)
    assert run.failed_step[first] == 9
    assert run.failed_player[first] == 1
    assert run.failed_norm[first] == pytest.approx(1.2**8)
    assert run.params[1][first] == pytest.approx(1.2**8)
    assert np.asarray(run.status == RESULTS.diverged)[first]
    assert not np.asarray(run.status == RESULTS.nonfinite).any()
    assert "left the `limit`" in run.summary()
    if axis:
        assert np.asarray(run.status == RESULTS.successful)[1]
        assert np.isnan(run.failed_norm[1])
        assert run.params[0][1] == pytest.approx(0.6**20)


def test_what_is_not_finite_is_not_called_diverged():
    values = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 4, -(p[1] ** 2)]), [(), ()], "steep")
    run = learn(values, Naive(0.1), (np.array([1e150, 3.0]), np.ones(2)), 9, limit=1e200)
    assert np.asarray(run.status == RESULTS.nonfinite).tolist() == [True, False]
    assert np.asarray(run.status == RESULTS.diverged).tolist() == [False, True]


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "far", [1.0]])
def test_bad_limits(limit):
    with pytest.raises(ValueError, match="limit: expected a number above 0"):
        learn(SKEWED, Naive(0.1), (0.0, 0.0), 1, limit=limit)


def test_starts_beyond_the_limit():
    with pytest.raises(ValueError, match=r"start\[1\]: expected norms within"):
        learn(SKEWED, Naive(0.1), ([0.0, 0.0], [0.0, 3.0]), 1, limit=2.0)


def test_norms_near_the_largest_float():
    values = ValueFunction.wrap(lambda p: jnp.stack([-p[0][1], 0 * p[1]]), [(2,), ()], "far")
    run = learn(values, Naive(1e307), (np.array([[1e200, -1e308], [0, 0]]), np.ones(2)), 20)
    assert run.failed_norm[0] == pytest.approx(1.7e308, rel=0.02)


def test_older_runs_are_read(tmp_path):
    path = tmp_path / "run.npz"
    start = (np.array([3.0, 0.0]), np.ones(2))
    run = learn(STEEP, Naive(0.1), start, 12)
    run.save(path)
    with np.load(path) as file:
        fields = dict(file)
    del fields["failed_norm"]
    np.savez(path, **fields)
    with pytest.raises(ValueError, match="failed_norm: expected floats"):
        Run.load(path)
    metadata = json.loads(str(fields["metadata"])) | {"format": "resolvent.run/2"}
    older: dict[str, Any] = fields | {"metadata": np.asarray(json.dumps(metadata))}
    np.savez(path, **older)
    np.testing.assert_array_equal(Run.load(path).failed_norm, run.failed_norm)
    assert Run.load(path).summary() == run.summary()


# Names, sizes, interrupts ------------------------------------------------------------------------


def test_learners_without_names_are_named_by_what_they_differ_in():
    rules = [Naive(0.1), LOLA(0.1), LOLA(0.2), LOLA(0.1, variant="exact")]
    cross = tournament(SKEWED, rules, (0.1, 0.2), 0)
    assert cross.names == (
        "Naive",
        "LOLA(rate=0.1, variant='taylor')",
        "LOLA(rate=0.2, variant='taylor')",
        "LOLA(rate=0.1, variant='exact')",
    )


@pytest.mark.parametrize(
    ("learners", "error", "message"),
    [
        ([], ValueError, "at least one"),
        ({}, ValueError, "at least one"),
        (Naive(0.1), TypeError, "expected a mapping of names to learners or a sequence"),
        (["naive"], TypeError, "expected learners, such as LOLA"),
        ({1: Naive(0.1)}, ValueError, "expected names to be text"),
        ([Naive(0.1), Naive(0.1)], ValueError, "expected different ones"),
        ([Naive(k / 100) for k in range(65)], ValueError, "4,225 seatings"),
        ({"best": BestResponseDynamics(0.5)}, ValueError, r"learners\['best'\]: values: Best"),
    ],
    ids=["none", "empty", "single", "text", "number", "twice", "many", "unplayable"],
)
def test_bad_fields(learners, error, message):
    with pytest.raises(error, match=message):
        tournament(SKEWED, learners, (0.1, 0.2), 1)


def test_other_bad_input():
    with pytest.raises(TypeError, match="values: expected a ValueFunction"):
        tournament(skewed, [Naive(0.1)], (0.1, 0.2), 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="steps: expected at least 0"):
        tournament(SKEWED, [Naive(0.1)], (0.1, 0.2), -1)
    with pytest.raises(ValueError, match="start: expected"):
        tournament(SKEWED, [Naive(0.1)], (0.1,), 1)


class Recorder(AbstractMeter):
    def __init__(self, stop_at=None):
        self.events, self.stop_at = [], stop_at

    def open(self, total, label):
        self.events.append(("open", total, label))

    def show(self, done):
        self.events.append(("show", done))
        if self.stop_at is not None and done >= self.stop_at:
            raise KeyboardInterrupt

    def close(self):
        self.events.append(("close",))


def test_a_meter_sees_every_step():
    meter = Recorder()
    tournament(SKEWED, FIELD, (0.1, 0.2), 8, progress=meter)
    assert meter.events[0] == ("open", 8, "tournament, skewed")
    assert meter.events[-1] == ("close",)
    assert [event[1] for event in meter.events[1:-1]] == list(range(1, 9))


def test_an_interrupt_returns_what_is_done():
    cross = tournament(SKEWED, FIELD, (0.1, 0.2), 40, progress=Recorder(stop_at=6))
    shorter = tournament(SKEWED, FIELD, (0.1, 0.2), 6)
    assert (cross.steps, cross.steps_done) == (40, 6)
    assert (cross.counts["interrupted"] == 1).all()
    np.testing.assert_array_equal(cross.values, shorter.values)
    assert "interrupted before all steps were done" in str(cross)


def test_learners_that_remember_keep_their_own_memory_in_each_seating():
    """With different starts and partners, so that memories mixed up would show."""
    pair = {
        "optimistic": OptimisticGradient(0.1),
        "slow": OptimisticGradient(0.02),
        "naive": Naive(0.1),
    }
    cross = tournament(SKEWED, pair, jax.random.key(1), 9, batch=3)
    for (a, one), (b, two) in itertools.product(enumerate(pair.values()), repeat=2):
        run = learn(SKEWED, [one, two], jax.random.key(1), 9, batch=3)
        np.testing.assert_allclose(cross.values[a, b], run.values, rtol=1e-12)


@pytest.mark.parametrize("name", ["even", pytest.param("uneven", marks=pytest.mark.slow)])
def test_compiled_games(name):
    """On both backends; more runs than are computed at a time, and no multiple of them."""
    if name == "even":
        values = closed_form(prisoners_dilemma().iterated("3/4")).compile(backend="program")
    else:
        stage = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])
        values = closed_form(stage.iterated("3/4")).compile(backend="tensor")
    field = [Naive(0.5), Naive(0.1)]
    cross = tournament(values, field, jax.random.key(1), 3, batch=35)
    run = learn(values, field, jax.random.key(1), 3, batch=35)
    np.testing.assert_allclose(cross.values[0, 1], run.values, rtol=1e-11)


# Text, picture, files ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played():
    values = closed_form(prisoners_dilemma().iterated("3/4"), "sum").compile(backend="tensor")
    return tournament(values, {"naive": Naive(1.0)}, jax.random.key(0), 2, batch=3)


def test_sums_are_shown_per_round(played):
    assert played.per_round.tolist() == [0.25, 0.25]
    mean, error = played.table()
    assert mean[0, 0] == played.mean[0, 0, 0] / 4
    assert f"{mean[0, 0]:.4g} ± {error[0, 0]:.2g}" in str(played)
    assert "per round" in str(played)
    row = played.to_csv().splitlines()[1].split(",")
    assert row[:3] == ["naive", "naive", "1"]
    assert [float(own) for own in row[3:5]] == [played.mean[0, 0, 0], played.error[0, 0, 0]]
    assert [float(own) for own in row[5:7]] == [mean[0, 0], error[0, 0]]
    assert row[7:] == ["3", "0", "0", "0"]


def test_files(cross, played, tmp_path):
    for own in (cross, played):
        path = tmp_path / "cross.npz"
        own.save(path)
        again = Tournament.load(path)
        assert str(again) == str(own)
        assert again.to_csv(tmp_path / "cross.csv") == own.to_csv()
        assert (tmp_path / "cross.csv").read_text(encoding="utf-8") == own.to_csv()
        assert np.array_equal(again.values, own.values)
        assert all(map(np.array_equal, again.start, own.start))
        assert again.game == own.game
        assert again.provenance == own.provenance
    assert repr(played) == "Tournament(naive; 3 runs, prisoner's dilemma)"


def drop(name):
    return lambda fields: fields.pop(name)


def put(name, value):
    return lambda fields: fields.update({name: np.asarray(value)})


def remember(**changes):
    def edit(fields):
        metadata = json.loads(str(fields["metadata"])) | changes
        fields["metadata"] = np.asarray(json.dumps(metadata))

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("metadata"), "metadata: missing"),
        (remember(format="resolvent.run/3"), "expected format 'resolvent.tournament/2'"),
        (remember(names=[]), "metadata.names: expected texts"),
        (remember(names=["a"]), "expected one for each of metadata.names"),
        (remember(provenance={}), "metadata.provenance.name: missing"),
        (drop("values"), "values: missing"),
        (put("values", np.zeros((3, 3, 5, 3))), "values: expected shape"),
        (put("status", np.zeros((3, 3, 4), int)), "status: expected integers"),
        (put("status", np.full((3, 3, 5), 9)), "status: expected codes below"),
        (put("failed_norm", np.zeros((3, 3, 5), int)), "failed_norm: expected floats"),
        (drop("start/0"), "without gaps"),
    ],
    ids=range(11),
)
def test_malformed_files_are_refused(cross, tmp_path, edit, message):
    path = tmp_path / "cross.npz"
    cross.save(path)
    with np.load(path) as file:
        fields = dict(file)
    edit(fields)
    np.savez(path, **fields)
    with pytest.raises(ValueError, match=message) as caught:
        Tournament.load(path)
    assert "cross.npz" in str(caught.value)


def test_plot(cross):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ax = cross.plot(player=1)
    np.testing.assert_array_equal(ax.images[0].get_array(), cross.mean[..., 1].T)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["slow", "fast", "aware"]
    assert ax.get_ylabel() == "player 2"
    assert len(ax.texts) == 9
    assert cross.plot(ax) is ax
    with pytest.raises(ValueError, match="player: expected 0 or 1"):
        cross.plot(player=2)
    pyplot.close("all")
