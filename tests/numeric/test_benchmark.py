"""The benchmark of estimators: its numbers by plain NumPy, its exact sides by automatic differentiation, its files,
values that are estimates, and learning from them."""

# A record holds None where there is nothing; and what is refused is of wrong types.
# pyright: reportOptionalSubscript=false, reportArgumentType=false

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    BRS,
    LOLA,
    AbstractEstimator,
    ActorCritic,
    Benchmark,
    BenchmarkCell,
    CustomEstimator,
    DiCE,
    Estimated,
    ExactCost,
    LoadedDiCE,
    Naive,
    Reinforce,
    SampledValues,
    ValueFunction,
    benchmark,
    downstream,
    joint_update,
    learn,
    sample,
)
from resolvent.numeric.estimators.benchmark import compared, signature
from resolvent.numeric.estimators.estimates import exactly, in_parts
from resolvent.numeric.meter import NoMeter

HORIZON = 40
# All statistical tests together raise a false alarm less often than once in 10^5 seeds, and seeds are fixed:
# each looks at fewer than 100 z-scores, of means of so many that they are normal.
FAR = 6.0


@pytest.fixture(scope="module")
def values():
    return closed_form(prisoners_dilemma().iterated("4/5"), normalise="sum").compile(
        backend="tensor"
    )


@pytest.fixture(scope="module")
def params(values):
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


class Noisy(AbstractEstimator):
    """The truth, some bias, and normal noise whose variance falls as 1 / batch: everything about it is known."""

    truth: tuple
    bias: float = 0.0
    noise: float = 1.0

    def gradient(self, values, params, key, player, wrt, batch, horizon):
        exact = self.truth[wrt]
        draws = jax.random.normal(jax.random.fold_in(key, wrt), exact.shape)
        return exact + self.bias + self.noise * draws / math.sqrt(batch)

    def hessian(self, values, params, key, player, wrt, batch, horizon):
        raise NotImplementedError("it has none")

    def rounds(self, size, batch, horizon):
        return batch * horizon * size


def always_ones(values, params, key, player, wrt, batch, horizon):
    """An estimator of one's own: a function."""
    return jnp.ones(params[wrt].shape)


class Stopping(NoMeter):
    """Ctrl-C in the second cell."""

    def show(self, done):
        if done > 400:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def noisy(values, params):
    truth = jax.jit(lambda own: exactly("gradient", values, own, 0))(params)
    return Noisy((truth[:5].reshape(5, 1), truth[5:].reshape(5, 1)), 0.5, 2.0)


@pytest.fixture(scope="module")
def measured(values, params, noisy):
    field = [always_ones, noisy]
    return benchmark(
        values, params, field, ["gradient", "hessian"], (4, 64), horizon=7, repeats=400
    )


# What is compared with what ------------------------------------------------------------------


def test_exact_quantities_by_central_differences(values, params):
    kinds = ("gradient", "hessian", "lola")
    found = jax.jit(lambda own: [exactly(kind, values, own, 1) for kind in kinds])(params)
    value = jax.jit(lambda x: values((x[:5].reshape(5, 1), x[5:].reshape(5, 1))))
    flat, h = np.concatenate([np.ravel(own) for own in params]), 1e-3

    def at(*moves):
        moved = flat.copy()
        for index, step in moves:
            moved[index] += step
        return np.asarray(value(moved))

    signs = (1, -1)
    first = np.array([(at((k, h)) - at((k, -h))) / (2 * h) for k in range(10)]).T
    second = np.array(
        [
            [
                sum(p * q * at((j, p * h), (k, q * h)) for p in signs for q in signs)
                for k in range(10)
            ]
            for j in range(10)
        ]
    ) / (4 * h * h)
    assert np.allclose(found[0], first[1], atol=1e-5)
    assert np.allclose(found[1], second[..., 1], atol=1e-5)
    # Player 2 shapes player 1: d/dtheta_2 < dV_1/dtheta_1 , dV_2/dtheta_1 >.
    shaping = second[5:, :5, 0] @ first[1][:5]
    assert np.allclose(found[2], shaping, atol=1e-4)


def test_samples_are_compared_as_numpy_would():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(2, 7))
    samples = truth[:, None] + 0.3 + rng.normal(size=(2, 5, 7))
    found = compared(samples, truth)
    errors = samples.mean(axis=1) - truth
    assert found["bias"] == pytest.approx(np.sqrt(np.mean([e @ e for e in errors])))
    traces = [np.trace(np.cov(own.T)) for own in samples]
    assert found["variance"] == pytest.approx(np.mean(traces))
    assert found["noise"] == pytest.approx(np.sqrt(np.mean(traces) / 5))
    pairs = [(e, t) for own, t in zip(samples, truth, strict=True) for e in own]
    assert found["correlation"] == pytest.approx(np.mean([np.corrcoef(*p)[0, 1] for p in pairs]))
    cosines = [e @ t / np.linalg.norm(e) / np.linalg.norm(t) for e, t in pairs]
    assert found["cosine"] == pytest.approx(np.mean(cosines))
    off = [np.linalg.norm(e - t) / np.linalg.norm(t) for e, t in pairs]
    assert found["relative_error"] == pytest.approx(np.mean(off))
    within = np.reshape(off, (2, 5)).var(axis=1, ddof=1)
    assert found["relative_error_error"] == pytest.approx(np.sqrt(within.mean() / 10))


def test_a_batch_in_parts_is_the_mean_of_its_parts():
    def estimate(key, batch):
        return jnp.stack([jax.random.normal(key, (batch,)).mean(), jnp.asarray(1.0 * batch)])

    key = jax.random.key(3)
    keys = jax.random.split(key, 4)
    parts = [np.asarray(estimate(own, size)) for own, size in zip(keys, (4, 4, 4, 2), strict=True)]
    direct = np.average(parts, axis=0, weights=(4, 4, 4, 2))
    assert np.allclose(in_parts(estimate, key, 14, 4), direct, atol=1e-15)
    assert np.allclose(in_parts(estimate, key, 14, 14), estimate(key, 14))


def test_a_biased_noisy_truth_is_found_out(measured):
    """Bias 1/2 in each of ten entries, variance 10 * 4 / batch."""
    for batch in (4, 64):
        cell = measured.cell(measured.estimators[1], "gradient", batch)
        assert cell.rounds == batch * 7 * 10
        variance = 40 / batch
        # The sum of 10 * 399 squares has a relative standard deviation of sqrt(2 / 3990).
        assert abs(cell.variance / variance - 1) < FAR * math.sqrt(2 / 3990)
        expected = math.sqrt(10 * 0.25 + variance / 400)
        assert cell.bias == pytest.approx(expected, abs=FAR * math.sqrt(variance / 4000))
        assert cell.noise == pytest.approx(math.sqrt(cell.variance / 400))
        assert math.isnan(cell.known_variance)


def test_a_function_is_an_estimator(measured, values, params):
    truth = np.asarray(jax.jit(lambda own: exactly("gradient", values, own, 0))(params))
    cell = measured.cell("always_ones", "gradient", 4)
    assert cell.bias == pytest.approx(np.linalg.norm(truth - 1))
    assert (cell.variance, cell.rounds) == (0, 4 * 7)
    assert [own[:2] for own in measured.missing] == [
        (name, "hessian") for name in measured.estimators
    ]
    assert "always_ones: no estimate of the hessian" in str(measured)


def test_an_interrupt_loses_nothing_and_changes_no_number(values, params, noisy, measured):
    """The cell that is done is the one that was measured beside others."""
    name = measured.estimators[1]
    field = {name: noisy, "another": noisy}
    found = benchmark(
        values, params, field, ["gradient"], (64,), horizon=7, repeats=400, progress=Stopping()
    )
    assert [own.estimator for own in found.cells] == [name]
    assert not found.complete
    assert "(interrupted)" in str(found)
    again = measured.cell(name, "gradient", 64)
    assert (found.cells[0].bias, found.cells[0].variance) == (again.bias, again.variance)


@pytest.mark.slow
def test_estimators_are_as_good_as_closed_forms_say(values, params):
    """Sampled variance of the gradient beside the exact one; the mean within its noise of the exact mean."""
    field = {"dice": DiCE(), "critic": ActorCritic(0.5)}
    found = benchmark(
        values, params, field, ["gradient"], (32,), horizon=HORIZON, repeats=300, key=5
    )
    for name in field:
        cell = found.cell(name, "gradient", 32)
        # Of squared lengths of 300 nearly normal vectors: relative deviation at most sqrt(2 / 299) each.
        assert abs(cell.variance / cell.known_variance - 1) < FAR * math.sqrt(2 / 299)
        assert abs(cell.bias) < cell.known_bias + FAR * cell.noise
        assert cell.compile_seconds > cell.seconds > 0


# One's own estimators, and what is refused ---------------------------------------------------


def wrong_shape(values, params, key, player, wrt, batch, horizon):
    return jnp.zeros(3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"estimators": {}}, "at least one"),
        ({"estimators": [3]}, "expected estimators such as"),
        ({"estimators": [wrong_shape]}, "of shape \\(10,\\), got \\(6,\\)"),
        ({"quantities": ["curl"]}, "quantities"),
        ({"quantities": ["hessian"]}, "it has none"),
        ({"batches": (0,)}, "batches"),
        ({"repeats": 1}, "repeats"),
        ({"player": 2}, "player"),
        ({"params": (np.zeros((4, 1)),) * 2}, "expected shape"),
    ],
    ids=[
        "none",
        "number",
        "shape",
        "quantity",
        "nothing offered",
        "batch",
        "repeats",
        "player",
        "params",
    ],
)
def test_wrong_input_is_refused(values, params, noisy, change, complaint):
    asked = {
        "params": params,
        "estimators": {"noisy": noisy},
        "quantities": ["gradient"],
        "batches": (4,),
        **change,
    }
    with pytest.raises((TypeError, ValueError), match=complaint):
        benchmark(values, horizon=5, **asked)


def test_what_cannot_be_sampled_is_refused(values, params):
    mine = ValueFunction.wrap(lambda p: jnp.stack([p[0], p[1]]), [(), ()])
    with pytest.raises(ValueError, match="compiled values"):
        benchmark(mine, params, [DiCE()])
    with pytest.raises(ValueError, match="compiled values"):
        learn(mine, Estimated(Naive(1.0), DiCE(), 4, 5), jax.random.key(0), 1)
    with pytest.raises((TypeError, ValueError)):
        learn(values, Estimated(BRS(1.0), DiCE(), 4, 5), params, 1)
    with pytest.raises(ValueError, match="horizon"):
        Estimated(Naive(1.0), DiCE(), 4, 0)


# The record ----------------------------------------------------------------------------------


def cell(batch, seconds, **fields):
    numbers = dict.fromkeys(
        ("exact_norm", "bias", "noise", "variance", "cosine", "correlation", "relative_error"), 0.5
    )
    numbers |= {f"{name}_error": 0.1 for name in ("cosine", "correlation", "relative_error")}
    numbers |= {"known_bias": math.nan, "known_variance": 0.25, "compile_seconds": 1.0}
    return BenchmarkCell("e", "gradient", batch, 10 * batch, seconds=seconds, **numbers | fields)


def record(*cells, exact=1e-3):
    return Benchmark(
        cells=cells,
        exact={"gradient": ExactCost("gradient", exact, 0.1)},
        player=0,
        horizon=10,
        repeats=3,
        profiles=1,
        missing=(("e", "hessian", "none"),),
        complete=True,
        provenance={"name": "a game"},
    )


def test_break_even_is_on_a_line_of_logarithms():
    found = record(cell(16, 1e-4), cell(64, 1e-2)).break_even("e", "gradient")
    assert (found.batch, found.side) == (pytest.approx(32), "")
    assert str(record(cell(16, 1e-2)).break_even("e", "gradient")) == "below 16"
    assert str(record(cell(16, 1e-4)).break_even("e", "gradient")) == "above 16"
    with pytest.raises(KeyError):
        record(cell(16, 1e-4)).break_even("e", "hessian")


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_files_keep_everything(tmp_path, ending):
    made = record(cell(16, 1e-4), cell(64, 1e-2, cosine=math.nan))
    made.save(tmp_path / f"b.{ending}")
    read = Benchmark.load(tmp_path / f"b.{ending}")
    assert read.table() == made.table()
    assert read.as_dict().keys() == made.as_dict().keys()
    for own, other in zip(read.cells, made.cells, strict=True):
        for name, number in vars(own).items():
            assert number == getattr(other, name) or math.isnan(number)
    assert read.missing == made.missing
    if ending == "json":  # open to any reader: no NaN
        json.loads((tmp_path / "b.json").read_text(), parse_constant=pytest.fail)
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match="not a readable benchmark"):
        Benchmark.load(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="must end in"):
        made.save(tmp_path / "b.txt")


def test_a_record_is_printed_and_drawn():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    made = record(cell(16, 1e-4), cell(64, 1e-2))
    assert made.markdown().splitlines()[2].startswith("| e | gradient | 16 |")
    assert "at a batch of: e 32" in made.summary()
    errors, times = made.plot()
    assert errors.get_xlabel() == "trajectories"
    assert len(times.lines) >= 2
    with pytest.raises(ValueError, match="quantity"):
        made.plot("hessian")
    pyplot.close("all")


def test_signatures_leave_out_defaults():
    assert signature(DiCE()) == "DiCE()"
    assert signature(DiCE(critic="exact")) == "DiCE(critic='exact')"
    assert signature(LoadedDiCE(0.5, 0.0)) == "LoadedDiCE(lam=0.5, tau=0.0)"


# Values that are estimates -------------------------------------------------------------------


@pytest.mark.slow
def test_sampled_values_are_those_of_their_sample(values, params):
    @jax.jit
    def jacobian(seed, point):
        return SampledValues(values, DiCE(), jax.random.key(seed), 16, 6).jacobian(point)

    blocks = jacobian(0, params)
    moved, other = jacobian(0, (params[0] + 1e-15, params[1])), jacobian(1, params)
    assert abs(blocks[0][1] - moved[0][1]).max() > 1e-3  # another point, another sample
    assert abs(blocks[0][1] - other[0][1]).max() > 1e-3
    assert np.array_equal(blocks[0][1], jacobian(0, params)[0][1])
    # Its automatic derivatives are the estimates of the same sample.
    seen = SampledValues(values, DiCE(), jax.random.key(0), 16, 6)
    slopes = jax.jit(jax.jacrev(seen))(params)
    for i in (0, 1):
        for j in (0, 1):
            assert np.allclose(slopes[j][i], blocks[i][j], atol=1e-12)


def test_a_truthful_estimate_teaches_what_the_truth_does(values, params):
    """Without noise, estimates are the truth: LOLA's sampled step is LOLA's."""

    def second(values, params, key, player, wrt, batch, horizon):
        def slope(own):
            joint = (*params[: wrt[1]], own, *params[wrt[1] + 1 :])
            return values.jacobian(joint)[player][wrt[0]]

        block = jax.jacfwd(slope)(params[wrt[1]])
        return block.reshape(params[wrt[0]].size, params[wrt[1]].size)

    exact = CustomEstimator(lambda v, p, key, i, j, batch, T: v.jacobian(p)[i][j], second)
    rule = LOLA(0.1)
    learner = Estimated(rule, exact, 1, 1)

    @jax.jit
    def both(params):
        states = [learner.init(values, params, k) for k in (0, 1)]
        return [
            joint_update(values, (own, own), params, before)[0]
            for own, before in ((rule, (None, None)), (learner, states))
        ]

    truth, found = both(params)
    for own, other in zip(found, truth, strict=True):
        assert np.allclose(own, other, atol=1e-12)


@pytest.mark.slow
def test_estimated_learning_has_fresh_samples(values):
    """Steps of naive learners from estimates: means over many runs from one start are those of the truth."""
    runs, rate = 512, 1e-6
    # Starts differ in the last bits, so that they have different keys.
    rng = np.random.default_rng(2)
    point = [rng.normal(size=shape) for shape in values.shapes]
    start = tuple(own + 1e-12 * rng.normal(size=(runs, *own.shape)) for own in point)
    rule = Estimated(Naive(rate), Reinforce(critic="exact"), 8, HORIZON)
    run = learn(values, rule, start, 2, record="params")
    steps = np.diff(run.history["params"][0], axis=0) / rate  # (2, runs, 5, 1)
    slope = np.asarray(
        jax.jit(lambda own: values.jacobian(own))(tuple(map(jnp.asarray, point)))[0][0]
    )
    mean, error = steps.mean(axis=1), steps.std(axis=1, ddof=1) / math.sqrt(runs)
    # g^40 = 1e-4 of a return is cut off; steps of 1e-6 are read from parameters of about 1, to 1e-16 / 1e-6.
    assert (abs(mean - slope) < FAR * error + 5e-3).all()
    first, second = steps[..., 0]
    correlation = (
        np.mean((first - first.mean(0)) * (second - second.mean(0)), axis=0)
        / first.std(0)
        / second.std(0)
    )
    assert (abs(correlation) < FAR / math.sqrt(runs)).all()
    again = learn(values, rule, start, 2, record="params")
    assert np.array_equal(again.params[0], run.params[0])


@pytest.mark.slow
def test_downstream_distances_fall_with_the_batch(values):
    found = downstream(
        values,
        Naive(1.0),
        ActorCritic(0.0),
        jax.random.key(0),
        5,
        (1, 64),
        horizon=10,
        runs=8,
        threshold=-6.0,
    )
    assert found.distances.shape == (2, 6, 8)
    assert (found.distances[:, 0] == 0).all()  # the same starts
    assert found.distances[0, -1].mean() > 2 * found.distances[1, -1].mean()
    truth = found.truth
    assert found.shares[0] == (truth.values.mean(axis=1) >= -6.0).mean()
    gap = max(
        abs(a - b)[3].max() for a, b in zip(found.sampled[0].policies, truth.policies, strict=True)
    )
    assert found.distances[0, -1, 3] == pytest.approx(gap)
    assert "batch 64" in str(found)
    assert found.complete


@pytest.mark.slow
def test_sampling_is_of_the_compiled_game(values, params):
    """The mean return of a sampled value is that of the trajectories."""
    seen = SampledValues(values, DiCE(), jax.random.key(0), 4096, HORIZON)
    returns = np.asarray(sample(values, params, jax.random.key(9), 4096, HORIZON).returns)
    error = returns.std(axis=0) / math.sqrt(4096)
    found, exact = jax.jit(lambda own: (seen(own), values(own)))(params)
    assert (abs(np.asarray(found) - np.asarray(exact)) < FAR * error + 1e-3).all()
