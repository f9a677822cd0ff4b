"""The record of a run: text, picture, file."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import ValueFunction
from resolvent.numeric.learners import LOLA, Naive
from resolvent.numeric.learning import learn
from resolvent.numeric.results import RESULTS
from resolvent.numeric.run import Run


@pytest.fixture(scope="module")
def game():
    return prisoners_dilemma().iterated("24/25")


@pytest.fixture(scope="module")
def run(game):
    return learn(
        closed_form(game, "sum").compile(backend="tensor"),
        [LOLA(1.0, [0.0, 0.5]), Naive(0.5)],
        jax.random.key(0),
        6,
        batch=3,
        record=("params", "policies", "values", "info"),
        every=4,
    )


@pytest.fixture(scope="module")
def wrapped():
    values = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 4, -(p[1] ** 2)]), [(), ()], "steep")
    return learn(values, Naive(0.1), (3.0, 1.0), 20)


def test_summary(run):
    text = run.summary()
    assert str(run) == text
    assert "3 runs of 6 steps" in text
    assert "discount 24/25" in text
    assert "player 1: LOLA(rate=1.0, lookahead=[0.0, 0.5], variant='taylor')" in text
    assert "player 2: Naive(rate=0.5)" in text
    assert "discounted sum" in text
    mean = run.values[:, 1].mean()
    assert f"player 2: mean {mean:.6g}" in text
    assert f"per round {mean * 0.04:.6g}" in text
    assert "3 of 3: all steps were done" in text
    assert repr(run).startswith("Run(3 x 6 steps")


def test_summary_of_averages(game):
    values = closed_form(game).compile(backend="tensor")
    text = learn(values, Naive(1.0), jax.random.key(0), 1).summary()
    assert "1 run of 1 steps" in text
    assert "average per round" in text
    assert "deviation" not in text


def test_summary_of_a_wrapped_function(wrapped):
    text = wrapped.summary()
    assert "steep" in text
    assert "final values" not in text  # there are none of a run that failed
    assert text.splitlines()[-1].endswith("step 7, player 1, whose parameters had norm 1.99e+229")
    assert wrapped.game is None
    assert wrapped.normalise is None
    assert wrapped.policies is None


def test_summary_of_a_batch_in_which_some_failed():
    values = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 4, -(p[1] ** 2)]), [(), ()], "steep")
    run = learn(values, Naive(0.1), ([3.0, 0.0, 0.0], [1.0, 1.0, 2.0]), 20)
    text = run.summary()
    assert "of the runs that did not fail (as the function returns them)" in text
    mean = -(1 + 4) / 2 * 0.8**40
    assert f"player 2: mean {mean:.6g}, standard deviation {-0.6 * mean:.3g}" in text
    assert "1 of 3: an update was not finite" in text


def test_it_carries_what_was_run(run, game):
    assert run.game == game
    assert run.values_function.game == game
    assert run.learners[1].rate == 0.5
    assert run.normalise == "sum"


def assert_same(a, b):
    flat, structure = jax.tree.flatten(a)
    other, other_structure = jax.tree.flatten(b)
    assert structure == other_structure
    for x, y in zip(flat, other, strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        assert np.array_equal(x, y)


@pytest.mark.parametrize("which", ["run", "wrapped"])
def test_files(which, tmp_path, request):
    run = request.getfixturevalue(which)
    path = tmp_path / "run.npz"
    run.save(path)
    again = Run.load(path)
    for name in ("params", "policies", "values", "history", "failed_step", "failed_player"):
        assert_same(getattr(run, name), getattr(again, name))
    assert np.array_equal(run.status == RESULTS.successful, again.status == RESULTS.successful)
    assert (again.steps, again.steps_done) == (run.steps, run.steps_done)
    assert again.provenance == run.provenance
    assert again.game == run.game
    assert again.summary() == run.summary()
    again.save(path)
    assert Run.load(path).summary() == run.summary()


def change(path, edit):
    with np.load(path) as file:
        fields = dict(file)
    edit(fields)
    np.savez(path, **fields)


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
        (drop("values"), "values: missing"),
        (drop("params/0"), "without gaps"),
        (drop("history/step"), "history/step: missing"),
        (put("metadata", "{"), "metadata: not JSON"),
        (put("metadata", "[]"), "metadata: expected format"),
        (remember(format="other/1"), "metadata: expected format"),
        (remember(steps="6"), "metadata.steps: expected int"),
        (remember(provenance={}), "metadata.provenance.name: missing"),
        (put("values", np.zeros((3, 4))), "values: expected 2 players"),
        (put("values", np.zeros((2, 3, 2))), "values: expected an array of shape"),
        (put("params/1", np.zeros((4, 5, 1))), "params/1: expected floats with leading axis"),
        (put("params/1", np.array(["a"] * 3)), "params/1: expected floats"),
        (put("status", np.zeros(3)), "status: expected integers"),
        (put("status", [0, 1, 7]), "status: expected codes below 4"),
        (put("failed_step", [1]), "failed_step: expected integers of shape"),
        (put("history/values", np.zeros((9, 3, 2))), "history/values: expected as many records"),
        (put("values/0", 1.0), "values/0: values is an array already"),
    ],
)
def test_malformed_files_are_refused(run, tmp_path, edit, message):
    path = tmp_path / "run.npz"
    run.save(path)
    change(path, edit)
    with pytest.raises(ValueError, match=message) as caught:
        Run.load(path)
    assert "run.npz" in str(caught.value)


def test_other_files_are_refused(run, tmp_path):
    path = tmp_path / "run.npz"
    path.write_text("not a zip file")
    with pytest.raises(ValueError, match="not a readable .npz file"):
        Run.load(path)
    np.savez(path, metadata=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="not a readable .npz file"):
        Run.load(path)
    with pytest.raises(FileNotFoundError):
        Run.load(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="must end in .npz"):
        run.save(tmp_path / "run.pkl")


def test_plot(run, wrapped):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    ax = run.plot()
    assert len(ax.lines) == 2
    np.testing.assert_allclose(ax.lines[1].get_ydata(), run.history["values"][..., 1].mean(1))
    assert list(ax.lines[0].get_xdata()) == [0, 4, 6]
    assert "discounted sum" in ax.get_ylabel()
    assert wrapped.plot().get_xlabel().startswith("value")
    assert run.plot(ax) is ax
    pyplot.close("all")
