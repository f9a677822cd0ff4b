"""Runs: batches, records, starts, failures, interrupts, compilation; and what is published."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, chicken, prisoners_dilemma
from resolvent.numeric import ValueFunction
from resolvent.numeric.learners import LOLA, AbstractLearner, Naive
from resolvent.numeric.learning import learn
from resolvent.numeric.meter import AbstractMeter, BarMeter
from resolvent.numeric.results import RESULTS

PULL = ValueFunction.wrap(
    lambda p: -jnp.stack([(p[0] - p[1]) ** 2, (p[1] - 1) ** 2]), [(), ()], "pull"
)


def pulled(x, y, rate, steps):
    """What naive players of `PULL` do, by hand."""
    for _ in range(steps):
        x, y = x - 2 * rate * (x - y), y - 2 * rate * (y - 1)
    return x, y


@pytest.fixture(scope="module")
def dilemma():
    return closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()


# Batches and starts ---------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [None, 1, 2, 7, 64, 65, 130])
def test_every_run_of_a_batch_is_learned(runs):
    axis = () if runs is None else (runs,)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=axis), rng.normal(size=axis)
    run = learn(PULL, Naive(0.1), (x, y), 9, record=("params", "values"), every=4)
    for got, want in zip(run.params, pulled(x, y, 0.1, 9), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert run.num_runs == (runs or 1)
    assert run.values.shape == (*axis, 2)
    assert run.failed_step.shape == axis
    assert list(run.history["step"]) == [0, 4, 8, 9]
    assert run.history["values"].shape == (4, *axis, 2)
    for record, step in enumerate([0, 4, 8, 9]):
        for got, want in zip(run.history["params"], pulled(x, y, 0.1, step), strict=True):
            np.testing.assert_allclose(got[record], want, rtol=1e-13, atol=1e-15)


def test_each_player_its_own_learner():
    run = learn(PULL, [Naive(0.1), Naive(0.0)], (2.0, 3.0), 1)
    assert run.params[0] == pytest.approx(2.2)
    assert run.params[1] == 3.0


def test_random_starts():
    run = learn(PULL, Naive(0.1), jax.random.key(3), 0, batch=4000, scale=2.0)
    x, y = run.params
    assert x.shape == y.shape == (4000,)
    assert abs(x.mean()) < 0.15
    assert x.std() == pytest.approx(2.0, rel=0.05)
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.06
    again = learn(PULL, Naive(0.1), jax.random.key(3), 0, batch=4000, scale=2.0)
    assert np.array_equal(x, again.params[0])
    legacy = learn(PULL, Naive(0.1), jax.random.PRNGKey(3), 0, batch=5)
    assert legacy.params[0].shape == (5,)
    single = learn(PULL, Naive(0.1), jax.random.key(3), 0)
    assert single.params[0].shape == ()


def test_same_inputs_same_result(dilemma):
    runs = [learn(dilemma, LOLA(1.0), jax.random.key(0), 300) for _ in range(2)]
    assert np.array_equal(runs[0].params[0], runs[1].params[0])


def test_the_start_and_integers():
    run = learn(PULL, Naive(0.1), (2, 3), 0)
    assert run.params[0].dtype == np.float64
    np.testing.assert_allclose(run.values, [-1, -4])
    assert run.steps_done == 0
    assert run.status == RESULTS.successful


# Records ---------------------------------------------------------------------------------------


def test_long_histories_are_fetched_in_parts():
    """More records than one compiled call holds."""
    run = learn(PULL, Naive(0.01), (0.0, 0.0), 2500, record="params")
    assert list(run.history["step"]) == list(range(2501))
    np.testing.assert_allclose(run.history["params"][1], 1 - 0.98 ** np.arange(2501), rtol=1e-10)


def test_information_is_about_the_update_at_the_record():
    run = learn(PULL, Naive(0.1), ([0.0] * 3, [2.0] * 3), 2, record=("info",))
    gradients = [
        [2 * (y - x), 2 * (1 - y)] for x, y in (pulled(0.0, 2.0, 0.1, k) for k in range(3))
    ]
    for player in range(2):
        got = run.history["info"][player]["gradient"]
        np.testing.assert_allclose(got, np.abs([[g[player]] * 3 for g in gradients]), rtol=1e-13)


def test_a_function_of_ones_own():
    run = learn(
        PULL, Naive(0.1), ([0.0, 1.0], [2.0, 2.0]), 4, every=2,
        record=lambda values, params: {"gap": params[1] - params[0], "best": values(params).max()},
    )  # fmt: skip
    assert run.history["gap"].shape == run.history["best"].shape == (3, 2)
    np.testing.assert_allclose(run.history["gap"][0], [2, 1])


def test_policies_are_recorded(dilemma):
    run = learn(dilemma, Naive(1.0), jax.random.key(0), 3, batch=2, record=("policies", "values"))
    assert [own.shape for own in run.history["policies"]] == [(4, 2, 5, 2)] * 2
    np.testing.assert_allclose(run.history["policies"][0].sum(-1), 1)
    assert run.policies is not None
    for player in range(2):
        assert np.array_equal(run.history["policies"][player][-1], run.policies[player])
    np.testing.assert_allclose(run.history["values"][-1], run.values, rtol=1e-14)
    cooperate = 1 / (1 + np.exp(-run.params[1][..., 0]))
    np.testing.assert_allclose(run.policies[1][..., 0], cooperate, rtol=1e-14)


# A learner with a state ------------------------------------------------------------------------


class Momentum(AbstractLearner):
    rate: jax.Array = eqx.field(converter=jnp.asarray)

    def init(self, values, params, player):
        return jax.tree.map(jnp.ones_like, params[player])

    def update(self, values, params, player, state):
        gradient = values.jacobian(params)[player][player]
        speed = jax.tree.map(lambda v, g: 0.5 * v + self.rate * g, state, gradient)
        return speed, speed, {}


@pytest.mark.parametrize("runs", [None, 3])
def test_states_are_carried(runs):
    axis = () if runs is None else (runs,)
    run = learn(PULL, Momentum(0.1), (np.zeros(axis), np.full(axis, 2.0)), 20)
    x, y, vx, vy = 0.0, 2.0, 1.0, 1.0
    for _ in range(20):
        vx, vy = 0.5 * vx - 0.2 * (x - y), 0.5 * vy - 0.2 * (y - 1)
        x, y = x + vx, y + vy
    np.testing.assert_allclose(run.params[0], np.full(axis, x), rtol=1e-13)
    np.testing.assert_allclose(run.params[1], np.full(axis, y), rtol=1e-13)


# Failures --------------------------------------------------------------------------------------

STEEP = ValueFunction.wrap(lambda p: jnp.stack([-(p[0] ** 2), p[1] ** 4]), [(), ()], "steep")


def overflow(y, rate):
    """The last finite y and the step that leaves the finite numbers, by hand."""
    with np.errstate(over="ignore"):
        for step in range(1, 10_000):
            after = y + rate * 4 * np.float64(y) ** 3
            if not np.isfinite(after):
                return y, step
            y = after
    raise AssertionError


@pytest.mark.parametrize("runs", [None, 1, 5, 100])
def test_a_diverging_run_stops_where_it_last_was_finite(runs):
    axis = () if runs is None else (runs,)
    y = np.zeros(axis)
    y[(0,) * len(axis)] = 3.0
    x = np.ones(axis)
    run = learn(STEEP, Naive(0.1), (x, y), 50, record=("params",))
    first = (0,) * len(axis)
    last, step = overflow(3.0, 0.1)
    assert 3 < step < 15
    assert run.failed_step[first] == step
    assert run.failed_player[first] == 1
    np.testing.assert_allclose(run.params[1][first], last, rtol=1e-12)
    np.testing.assert_allclose(run.params[0][first], 0.8 ** (step - 1), rtol=1e-13)
    assert np.isfinite(run.history["params"][1]).all()
    np.testing.assert_allclose(run.history["params"][1][(step, *first)], last, rtol=1e-12)
    failed = np.asarray(run.status == RESULTS.nonfinite)
    assert failed[first]
    assert failed.sum() == 1
    # the others are not touched
    others = np.flatnonzero(~failed.ravel())
    np.testing.assert_allclose(np.ravel(run.params[0])[others], 0.8**50, rtol=1e-13)
    assert (np.ravel(run.failed_step)[others] == -1).all()
    assert "not finite" in run.summary()
    assert f"step {step}, player 2" in run.summary()


def test_steps_differ_between_runs():
    starts = np.array([3.0, 1.0, 0.5, 2.0])
    run = learn(STEEP, Naive(0.1), (np.ones(4), starts), 1000)
    assert list(run.failed_step) == [overflow(y, 0.1)[1] for y in starts]


def test_the_first_player_to_fail_is_named():
    both = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 4, p[1] ** 4]), [(), ()])
    run = learn(both, Naive(0.1), ([3.0, 3.0], [3.0, 0.0]), 50)
    assert list(run.failed_player) == [0, 0]


# Interrupts and meters -------------------------------------------------------------------------


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


def test_a_meter_sees_all_of_it():
    meter = Recorder()
    learn(PULL, Naive(0.1), (0.0, 0.0), 1000, progress=meter)
    shown = [done for _, done in meter.events[1:-1]]
    assert meter.events[0] == ("open", 1000, "pull")
    assert meter.events[-1] == ("close",)
    assert shown == sorted(set(shown))
    assert shown[-1] == 1000


@pytest.mark.parametrize("axis", [(), (3,)])
def test_an_interrupt_returns_what_is_done(axis):
    meter = Recorder(stop_at=20)
    run = learn(
        PULL, Naive(0.1), (np.zeros(axis), np.zeros(axis)), 10**9, record="params", progress=meter
    )
    assert 20 <= run.steps_done < 10**9
    assert run.steps == 10**9
    assert np.asarray(run.status == RESULTS.interrupted).all()
    assert list(run.history["step"]) == list(range(run.steps_done + 1))
    want = pulled(np.zeros(axis), np.zeros(axis), 0.1, run.steps_done)
    np.testing.assert_allclose(run.params[0], want[0], rtol=1e-12)
    assert meter.events[-1] == ("close",)
    assert "interrupted" in str(run)


def test_an_interrupt_does_not_hide_a_failure():
    meter = Recorder(stop_at=100)
    run = learn(STEEP, Naive(0.1), (np.ones(2), np.array([3.0, 0.0])), 10**9, progress=meter)
    assert list(np.asarray(run.status == RESULTS.nonfinite)) == [True, False]
    assert list(np.asarray(run.status == RESULTS.interrupted)) == [False, True]


def test_a_bar_is_drawn_on_standard_error(capsys):
    learn(PULL, Naive(0.1), (0.0, 0.0), 10, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "pull" in err
    assert "10.0/10.0" in err


def test_no_bar_by_default(capsys):
    learn(PULL, Naive(0.1), (0.0, 0.0), 10)
    assert capsys.readouterr() == ("", "")
    BarMeter().open  # noqa: B018 -- constructing one draws nothing
    assert capsys.readouterr() == ("", "")


# Compilation -----------------------------------------------------------------------------------


class Traced(AbstractLearner):
    """Naive; counts how often it is traced."""

    rate: jax.Array = eqx.field(converter=jnp.asarray)
    count: list = eqx.field(static=True)

    def init(self, values, params, player):
        return None

    def update(self, values, params, player, state):
        self.count.append(player)
        return (
            jax.tree.map(lambda g: self.rate * g, values.jacobian(params)[player][player]),
            None,
            {},
        )


class Count(list):
    """A list that equals itself only, so that learners of one count are one to the compiler."""

    def __eq__(self, other):
        return self is other

    def __hash__(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return id(self)


@pytest.mark.parametrize("record", [None, ("values",)])
def test_nothing_is_compiled_again_for_other_numbers(record):
    count = Count()

    def go(game, rate, steps, every):
        values = closed_form(game.iterated("1/2")).compile(backend="tensor")
        return learn(
            values, Traced(rate, count), jax.random.key(0), steps, record=record, every=every
        )

    go(prisoners_dilemma(), 0.1, 3, 1)
    traced = len(count)
    assert traced > 0
    one = go(prisoners_dilemma(), 0.1, 2000, 7)
    two = go(chicken(), 0.2, 41, 2)
    assert len(count) == traced
    assert not np.allclose(one.values, two.values)


# The published experiment ----------------------------------------------------------------------


def per_round(dilemma, learners, runs, steps):
    run = learn(dilemma, learners, jax.random.key(7), steps, batch=runs)
    assert np.asarray(run.status == RESULTS.successful).all()
    return run.values / 25


def test_lola_cooperates_where_naive_learners_defect(dilemma):
    """The setting of the LOLA and SOS papers: discounted sums, rate 1, standard normal starts.

    Published for 200 steps: naive -1.99, LOLA about -1.04 per round (shaping.md, section 5).
    """
    lola = per_round(dilemma, LOLA(1.0), 256, 200)
    naive = per_round(dilemma, Naive(1.0), 256, 200)
    assert -1.15 < lola.mean() < -1.0
    assert (lola.mean(1) > -1.2).mean() > 0.75
    assert naive.mean() < -1.97


ORIGINAL = LOLA(1.0, variant="original")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learners", "steps", "published", "source"),
    [
        (Naive(1.0), 200, (-1.9935, -1.9935), "code of LOLA run again, 1000 runs"),
        (ORIGINAL, 200, (-1.044, -1.044), "code of LOLA run again, 1000 runs"),
        ((Naive(1.0), ORIGINAL), 200, (-1.414, -1.392), "code of LOLA run again, 1000 runs"),
        (Naive(1.0), 300, (-1.9880, -1.9880), "MeVa's tournament, 1024 runs"),
        ((Naive(1.0), ORIGINAL), 300, (-1.377, -1.357), "MeVa's tournament, 1024 runs"),
        (ORIGINAL, 300, (-1.041, -1.041), "MeVa's tournament, 1024 runs"),
        ((Naive(1.0), LOLA(1.0)), 300, (-1.406, -1.341), "MeVa's protocol, Taylor, 1024 runs"),
        (LOLA(1.0), 300, (-1.057, -1.057), "MeVa's protocol, Taylor, 1024 runs"),
        (
            LOLA(1.0, variant="exact"),
            300,
            (-1.095, -1.095),
            "MeVa's protocol, exact, 1024 runs",
        ),
    ],
)
def test_published_means(dilemma, learners, steps, published, source):
    """Means over 4096 runs, within three standard errors of the difference to about 1000 runs.

    Published numbers from shaping.md, section 5: the tables and the code of Foerster et al. (2018),
    LOLA, arXiv:1709.04326, and Cooijmans et al. (2023), MeVa, arXiv:2307.08863.
    """
    values = per_round(dilemma, learners, 4096, steps)
    means, deviation = values.mean(0), values.std(0)
    print(  # noqa: T201 -- shown by `pytest -m slow -rP`
        f"{source}: published {published}, here {means.round(4)}, deviation {deviation.round(3)}"
    )
    error = deviation * np.sqrt(1 / 1000 + 1 / 4096)
    assert (np.abs(means - published) < 3 * error + 5e-4).all()


# Bad input -------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": (0.0,)}, r"start: expected a JAX key or one array for each of 2 players, got 1"),
        ({"start": 3}, r"start: expected a JAX key"),
        (
            {"start": ([[0.0]], 0.0)},
            r"start\[0\]: expected shape \(\), or \(runs, \*\(\)\), got \(1, 1\)",
        ),
        ({"start": ([0.0, 1.0], 0.0)}, r"start\[1\]: expected the same leading axis as start\[0\]"),
        (
            {"start": ([0.0, 1.0], [1.0])},
            r"start\[1\]: expected the same leading axis as start\[0\]",
        ),
        ({"start": ([], [])}, r"start\[0\]: expected shape"),
        (
            {"start": ([0.0, NAN], [0.0, 0.0])},
            r"start\[0\]: expected finite numbers, got nan at \(1,\)",
        ),
        ({"start": (0.0, np.inf)}, r"start\[1\]: expected finite numbers, got inf at \(\)"),
        ({"learners": []}, r"learners: expected one for all or one for each of 2 players, got 0"),
        ({"learners": [Naive(1.0)] * 3}, r"each of 2 players, got 3"),
        ({"learners": [Naive(1.0), "lola"]}, r"learners\[1\]: expected a learner"),
        ({"learners": LOLA}, r"learners\[0\]: expected a learner"),
        ({"steps": -1}, r"steps: expected at least 0, got -1"),
        ({"steps": 1.5}, r"steps: expected a whole number, got 1.5"),
        ({"steps": True}, r"steps: expected a whole number"),
        ({"every": 0}, r"every: expected at least 1, got 0"),
        ({"batch": 3}, r"batch: goes with a key"),
        ({"start": jax.random.key(0), "batch": 0}, r"batch: expected at least 1, got 0"),
        ({"record": ("value",)}, r"record: expected names among .*, got 'value'"),
        ({"record": ("policies",)}, r"record: 'policies' are known for closed forms only"),
        ({"record": lambda values, params: params}, r"record: expected the function to return"),
        ({"record": lambda values, params: {"step": 1}}, r"record: 'step' cannot be the name"),
        ({"progress": 3}, r"progress: expected a bool or an AbstractMeter, got 3"),
        ({"values": lambda p: p}, r"values: expected a ValueFunction, got function"),
    ],
)
def test_bad_input(change, message):
    arguments = {"values": PULL, "learners": Naive(0.1), "start": (0.0, 0.0), "steps": 1} | change
    with pytest.raises((ValueError, TypeError), match=message):
        learn(**arguments)


def test_single_precision_mode_is_refused():
    learner = Naive(0.1)
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(RuntimeError, match=r'jax.config.update\("jax_enable_x64", True\)'):
            learn(PULL, learner, (0.0, 0.0), 1)
        with pytest.raises(RuntimeError, match="jax_enable_x64"):
            Naive(0.1)
    finally:
        jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize("backend", ["program", "tensor"])
@pytest.mark.parametrize(
    ("payoffs", "best"), [([[1, 3]], [3.0]), ([[[1], [2]], [[0], [3]]], [2.0, 3.0])]
)
def test_players_with_nobody_to_shape_and_with_nothing_to_choose(payoffs, best, backend):
    """One player alone, and one whose partner has a single action: both learn what pays most."""
    values = closed_form(NormalForm(payoffs).iterated("1/2")).compile(backend=backend)
    start = tuple(jnp.zeros(shape) for shape in values.shapes)
    learners = LOLA(rate=5.0) if len(best) > 1 else Naive(rate=5.0)
    run = learn(values, learners, start, steps=300)
    assert run.values == pytest.approx(best, abs=0.02)
    assert [own.shape for own in run.params] == list(values.shapes)
