"""COALA against estimators summed over ordered batches in NumPy, moments by recursion, finite differences and LOLA."""

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, prisoners_dilemma, public_goods
from resolvent.numeric import (
    COALA,
    LOLA,
    RESULTS,
    Naive,
    OptimisticGradient,
    ValueFunction,
    coala_gradient,
    enumerate_batches,
    joint_update,
    learn,
    score_covariance,
)
from resolvent.numeric.play import play_of

# The game of the paper, its episodes in NumPy -------------------------------------------------------

G = 0.95
PAYOFFS = np.array([[1.0, -1.0, 2.0, 0.0], [1.0, 2.0, -1.0, 0.0]])
PATHS = np.array(list(itertools.product(range(4), repeat=2)))  # two rounds: u_0, u_1
SEEN = np.stack([np.zeros(16, int), PATHS[:, 0] + 1], axis=1)
TIMES = G ** np.arange(2)


@pytest.fixture(scope="module")
def values():
    game = prisoners_dilemma(T=2, R=1, P=0, S=-1).iterated("19/20")
    return closed_form(game, "sum").compile(backend="tensor")


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(2, 5, 1)))


def chances(logits):
    """Of the 16 ways in which an episode of two rounds may go."""
    p, q = (1 / (1 + np.exp(-own[:, 0])) for own in logits)
    joint = np.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
    return joint[SEEN[:, 0], PATHS[:, 0]] * joint[SEEN[:, 1], PATHS[:, 1]]


def scores(own, player):
    """Of each trajectory and round, by the five logits of C, `(16, 2, 5)`."""
    p = 1 / (1 + np.exp(-own[:, 0]))
    cooperates = (PATHS // 2 == 0) if player == 0 else (PATHS % 2 == 0)
    return (cooperates - p[SEEN])[..., None] * np.eye(5)[SEEN]


def rewards(player):
    return PAYOFFS[player][PATHS] * TIMES


def estimate(own):
    """Player 2's REINFORCE, with rewards to go, `(16, 5)`."""
    paid = rewards(1)
    ahead = np.stack([paid.sum(axis=1), paid[:, 1]], axis=1)
    return (scores(own, 1) * ahead[..., None]).sum(axis=1)


def estimators(logits, size, rate):
    """Means over all pairs of *ordered* batches of what the paper's estimators and objective are, word by word."""
    first, second = logits
    ell, paid = scores(first, 0), rewards(0)
    total = {"coala": 0.0, "mfos": 0.0, "batch_unaware": 0.0, "value": 0.0}
    for batch in itertools.product(range(16), repeat=size):
        before = np.prod(chances(logits)[list(batch)])
        moved = second + rate * estimate(second)[list(batch)].mean(axis=0)[:, None]
        later = chances((first, moved))
        for after in itertools.product(range(16), repeat=size):
            chance = before * np.prod(later[list(after)])
            earned = paid[list(after)].sum(axis=1)
            total["value"] += chance * (paid[list(batch)].sum(axis=1).mean() + earned.mean())
            for b in range(size):
                for t, m in itertools.product(range(2), range(2)):
                    path = (batch, after)[m][b]
                    inside = paid[path, t:].sum()
                    everybody = earned.mean() if m == 0 else 0.0
                    same = earned[b] if m == 0 else 0.0
                    move = chance * ell[path, t]
                    total["coala"] += move * (inside / size + everybody)
                    total["mfos"] += move * (inside + everybody)
                    total["batch_unaware"] += move * (inside + same) / size
    return total


@pytest.mark.parametrize("size", [1, pytest.param(2, marks=pytest.mark.slow)], ids=["one", "two"])
def test_estimators_word_by_word_over_ordered_batches(values, start, size):
    found = enumerate_batches(values, start, batch=size, inner_rate=0.5)
    expected = estimators(start, size, 0.5)
    for name, own in expected.items():
        np.testing.assert_allclose(np.ravel(getattr(found, name)), np.ravel(own), atol=2e-14)


@pytest.mark.parametrize(
    "size", [1, 2, *(pytest.param(k, marks=pytest.mark.slow) for k in (3, 4, 5))], ids=str
)
def test_estimators_against_the_gradient_of_the_enumerated_objective(values, start, size):
    for rate in (0.5, 5.0):
        found = enumerate_batches(values, start, batch=size, inner_rate=rate)
        gradient = found.current + found.shaping
        np.testing.assert_allclose(found.coala, gradient, atol=2e-14)
        np.testing.assert_allclose(found.mfos, size * found.batch_unaware, atol=2e-14)
        unaware = found.current + found.shaping / size
        np.testing.assert_allclose(found.batch_unaware, unaware, atol=2e-14)
        assert found.error < 3e-14
        assert np.linalg.norm(found.shaping) > 0.01 * rate * np.linalg.norm(found.current)


@pytest.mark.slow
def test_gradient_of_the_enumerated_objective_by_differences(values, start):
    found = enumerate_batches(values, start, batch=2, inner_rate=2.0, episodes=2)
    h = 1e-3
    for row in range(5):
        ends = []
        for k in (-2, -1, 1, 2):
            own = start[0].copy()
            own[row] += k * h
            ends.append(enumerate_batches(values, (own, start[1]), batch=2, inner_rate=2.0).value)
        slope = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
        np.testing.assert_allclose((found.current + found.shaping)[row, 0], slope, atol=1e-10)


@pytest.mark.parametrize(
    ("episodes", "rate"),
    [(2, 0.5), pytest.param(3, 0.2, marks=pytest.mark.slow)],
    ids=["step", "steps"],
)
def test_first_order_leaves_an_error_of_second(values, start, episodes, rate):
    """At a small step; of three episodes only if the noise of the first step is followed through the second."""
    sizes = (1, 2)
    found = [
        enumerate_batches(values, start, batch=k, inner_rate=rate, episodes=episodes) for k in sizes
    ]
    before = [abs(float(own.value - own.limit)) for own in found]
    after = [abs(float(own.value - own.corrected)) for own in found]
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 4
    # The rest falls with the square of B, what is corrected with B.
    np.testing.assert_allclose(after[0] / after[1], 4, rtol=0.1)
    assert before[0] / before[1] < 2.2


# Noise -----------------------------------------------------------------------------------------


def moments(play, shapes, players, rounds):
    """Mean and covariance of the estimates by recursion over rounds to go; logits, everything dense in NumPy."""
    arrays = play.arrays
    policies = [np.asarray(own) for own in play.policies]
    states, actions = arrays.num_states, arrays.num_actions
    joint = list(itertools.product(*map(range, actions)))
    weights = np.array(
        [
            [np.prod([own[s, a] for own, a in zip(policies, u, strict=True)]) for u in joint]
            for s in range(states)
        ]
    )
    after = np.asarray(arrays.successors).reshape(states, -1)
    moves = np.zeros((states, states))
    for s, k in itertools.product(range(states), range(len(joint))):
        moves[s, after[s, k]] += weights[s, k]
    drawn, discounts = [], []
    for j in players:
        g = float(arrays.discounts[j])
        paid = (1 - g) * np.asarray(arrays.payoffs[j]).reshape(states, -1)
        worth = np.linalg.solve(np.eye(states) - g * moves, (weights * paid).sum(axis=1))
        advantage = paid + g * worth[after] - worth[:, None]
        x = np.zeros((states, len(joint), *shapes[j]))
        for s, (k, u) in itertools.product(range(states), enumerate(joint)):
            unit = np.eye(actions[j])[u[j]] - policies[j][s]
            x[s, k, s] = advantage[s, k] * unit[:-1]
        drawn.append(x.reshape(states, len(joint), -1))
        discounts += [g] * drawn[-1].shape[-1]
    x, g = np.concatenate(drawn, axis=-1), np.array(discounts)
    first, second = np.zeros((states, len(g))), np.zeros((states, len(g), len(g)))
    for _ in range(rounds):
        ahead, more = g * first[after], g[:, None] * second[after] * g
        each = (
            x[..., None] * x[..., None, :]
            + x[..., None] * ahead[..., None, :]
            + ahead[..., None] * x[..., None, :]
            + more
        )
        first = np.einsum("su,sua->sa", weights, x + ahead)
        second = np.einsum("su,suab->sab", weights, each)
    initial = np.asarray(arrays.initial)
    mean = initial @ first
    return mean, np.einsum("s,sab->ab", initial, second) - np.outer(mean, mean)


UNEVEN = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])
NOISY = {
    "dilemma": (prisoners_dilemma(T=2, R=1, P=0, S=-1).iterated("4/5"), [1]),
    "two players of three": (public_goods(3).iterated(("1/2", "2/3", "4/5")), [0, 2]),
    "uneven": (UNEVEN.iterated(("1/2", "3/4")), [0, 1]),
}


@pytest.mark.parametrize(
    "name",
    [
        "two players of three",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("dilemma", "uneven")),
    ],
    ids=str,
)
def test_covariance_of_an_estimate_by_recursion(name):
    game, players = NOISY[name]
    compiled = closed_form(game, "sum").compile(backend="tensor")
    rng = np.random.default_rng(1)
    params = tuple(jnp.asarray(rng.normal(size=shape)) for shape in compiled.shapes)
    play = play_of(compiled, params)
    mean, covariance = moments(play, compiled.shapes, players, 150)
    found = jax.jit(lambda own: score_covariance(compiled, own, players))(params)
    scale = np.abs(covariance).max()
    np.testing.assert_allclose(found, covariance, atol=1e-12 * scale)
    assert np.linalg.eigvalsh(found).min() > -1e-12 * scale
    blocks = compiled.jacobian(params)
    np.testing.assert_allclose(
        mean, np.concatenate([blocks[j][j].ravel() for j in players]), atol=1e-11
    )


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["all", "final"])
def test_correction_of_one_step_is_half_a_trace_and_its_gradient_a_difference(
    values, start, objective
):
    start = tuple(map(jnp.asarray, start))
    rate, size = 0.1, 4

    def corrected(params, episodes=2):
        return coala_gradient(
            values, params, episodes=episodes, inner_rate=rate, batch=size, objective=objective
        )

    found = corrected(start)
    second = start[1] + rate * values.jacobian(start)[1][1]
    bends = jax.hessian(lambda z: values((start[0], z.reshape(5, 1)))[0])(second.ravel())
    noise = score_covariance(values, start, [1])
    np.testing.assert_allclose(
        found.correction, rate**2 / (2 * size) * jnp.sum(noise * bends), rtol=1e-10
    )
    three = corrected(start, 3)
    h = 1e-3
    for row in (1, 4):
        ends = [corrected((start[0].at[row, 0].add(k * h), start[1]), 3) for k in (-2, -1, 1, 2)]
        for name, slope in (("value", three.total), ("correction", None)):
            at = [float(getattr(own, name)) for own in ends]
            slope_by_differences = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
            if slope is not None:
                np.testing.assert_allclose(slope[row, 0], slope_by_differences, rtol=1e-7)
            else:
                assert abs(slope_by_differences) > 1e-4  # the correction's own slope is part of it


# The limit of large batches --------------------------------------------------------------------------


def smooth(players=2):
    """Values of two parameters each, quick to compile."""

    def function(params):
        total = sum(jnp.sum(own) for own in params)
        return jnp.stack(
            [
                jnp.sin(total * own[0]) + own[1] * params[k - 1][0] ** 2 - own[1] ** 2 / 2
                for k, own in enumerate(params)
            ]
        )

    return ValueFunction.wrap(function, [(2,)] * players)


def points(shapes, seed=3):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape) / 2) for shape in shapes)


@partial(jax.jit, static_argnames=("learner", "player", "episodes"))
def follow(learner, params, player, now, episodes):
    """What the player earns in each episode, step by step; `params` are what the others learn from."""
    values = smooth(3)
    learners = (OPPONENTS[learner],) * 3
    states = [rule.init(values, params, k) for k, rule in enumerate(learners)]
    earned = []
    for _ in range(episodes):
        earned.append(values((*params[:player], now, *params[player + 1 :]))[player])
        updates, states, _ = joint_update(values, learners, params, states)
        params = tuple(
            own if k == player else own + change
            for k, (own, change) in enumerate(zip(params, updates, strict=True))
        )
    return jnp.stack(earned)


OPPONENTS = {
    "naive": Naive(0.3),
    "with memory": OptimisticGradient(0.2),
    "shapers": LOLA(0.2, 0.1),
}


@pytest.mark.parametrize(
    ("rule", "objective"),
    [
        ("naive", "all"),
        pytest.param("with memory", "all", marks=pytest.mark.slow),
        pytest.param("shapers", "final", marks=pytest.mark.slow),
    ],
)
def test_two_parts_by_differences(rule, objective):
    """Three players, of whom the second shapes."""
    game, player, episodes, h = smooth(3), 1, 3, 1e-4
    params = points(game.shapes)
    inner: Any = {"inner_rate": 0.3} if rule == "naive" else {"opponents": OPPONENTS[rule]}
    found = coala_gradient(game, params, player, episodes=episodes, objective=objective, **inner)

    def total(now, earlier):
        joint = (params[0], earlier, params[2])
        earned = follow(rule, joint, player, now, episodes)
        return earned[-1] if objective == "final" else earned.sum()

    own = params[player]
    np.testing.assert_allclose(found.value, total(own, own), rtol=1e-12)
    for k in range(2):
        unit = h * jnp.eye(2)[k]
        current = (total(own + unit, own) - total(own - unit, own)) / (2 * h)
        shaping = (total(own, own + unit) - total(own, own - unit)) / (2 * h)
        np.testing.assert_allclose(found.current[k], current, atol=1e-6)
        np.testing.assert_allclose(found.shaping[k], shaping, atol=1e-6)
    assert np.abs(found.shaping).max() > 0.05
    np.testing.assert_allclose(found.total, found.current + found.shaping)
    np.testing.assert_allclose(found.direction(0.25), found.current + found.shaping / 4)


@pytest.mark.parametrize("players", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_one_look_ahead_is_exact_lola(players):
    ours, theirs = COALA(0.7, 2, 0.3, objective="final"), LOLA(0.7, 0.3, "exact")
    game = smooth(players)

    @jax.jit
    def both(params):
        return [rule.update(game, params, 1, None)[0] for rule in (ours, theirs)]

    np.testing.assert_allclose(*both(points(game.shapes)), rtol=1e-11)


def test_a_single_episode_is_naive():
    game = smooth()
    params = points(game.shapes)
    own = jax.jit(lambda at: COALA(0.5, 1).update(game, at, 0, None)[0])(params)
    np.testing.assert_allclose(own, 0.5 * game.jacobian(params)[0][0], rtol=1e-13)


@pytest.mark.slow
def test_learn_takes_the_same_steps_on_the_program_of_scalars(start):
    """Batched, in the program's own form, against the dense solve."""
    game = prisoners_dilemma(T=2, R=1, P=0, S=-1).iterated("19/20")
    compiled = closed_form(game, "sum").compile()
    assert compiled.backend == "program"
    params = tuple(map(jnp.asarray, start))
    batch = tuple(jnp.stack([own, own / 2]) for own in params)
    rule = COALA(0.1, 3, 0.25, shaping_weight=0.5, naive_share=0.75)
    run = learn(compiled, [rule, Naive(0.25)], batch, 1)
    assert (run.status == RESULTS.successful).all()

    @jax.jit
    def steps(*at):
        found = coala_gradient(compiled, at, episodes=3, inner_rate=0.25)
        blocks = play_gradients(compiled, at)
        change = 0.1 * (0.75 * found.direction(0.5) + 0.25 * 3 * blocks[0])
        return at[0] + change, at[1] + 0.25 * blocks[1]

    expected = jax.vmap(steps)(*batch)
    for own, other in zip(run.params, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-10)


def play_gradients(values, params):
    """Of each player's own value by its own parameters, through a dense solve."""

    def worth(params, k):
        play = play_of(values, params)
        return play.arrays.initial @ play.values[k]

    return [jax.grad(worth)(params, k)[k] for k in range(2)]


def test_mixtures_of_naive_starts():
    game = smooth()
    params = points(game.shapes)
    starts = tuple(jnp.stack([own, 2 * own, own - 1]) for own in points(game.shapes, 4))
    rule = COALA(1.0, 3, 0.2, naive_share=0.25, naive_starts=starts)
    own = jax.jit(lambda at: rule.update(game, at, 0, None)[0])(params)
    each = [
        coala_gradient(game, (params[0], other), episodes=3, inner_rate=0.2).total
        for other in starts[1]
    ]
    alone = 3 * game.jacobian(params)[0][0]
    np.testing.assert_allclose(own, 0.25 * np.mean(each, axis=0) + 0.75 * alone, rtol=1e-12)


def test_derivatives_end_where_they_are_truncated():
    """Of -(x - y)^2 / 2 for the learner: x_{m+1} = x_m + a (y - x_m)."""
    a = 0.25

    def function(params):
        y, x = params
        return jnp.stack([x[0] * 3 + 0 * y[0], -((x[0] - y[0]) ** 2) / 2])

    game = ValueFunction.wrap(function, [(1,), (1,)])
    params = (jnp.array([1.0]), jnp.array([0.0]))
    full = coala_gradient(game, params, episodes=4, inner_rate=a)
    steps = [1 - (1 - a) ** m for m in range(4)]
    np.testing.assert_allclose(full.shaping[0], 3 * sum(steps), rtol=1e-13)
    np.testing.assert_allclose(full.value, 3 * sum(steps), rtol=1e-13)
    np.testing.assert_allclose(full.sensitivity, (1 - a) ** 3, rtol=1e-13)
    cut = coala_gradient(game, params, episodes=4, inner_rate=a, truncate=1)
    # One step for each of the three episodes after the first.
    np.testing.assert_allclose(cut.shaping[0], 3 * 3 * a, rtol=1e-13)


# How it is stated ---------------------------------------------------------------------------------


def test_preset_is_the_same_step_in_either_unit(values):
    average = closed_form(values.game).compile(backend="tensor")
    for own, inner, compiled in (
        (COALA.preset(average), 5.0, average),
        (COALA.preset(values, 10.0, episodes=2, objective="final"), 0.5, values),
    ):
        np.testing.assert_allclose(np.asarray(own.inner_rate), [inner, inner], rtol=1e-14)
        assert own.episodes == (20 if compiled is average else 2)
    with pytest.raises(TypeError, match="values: expected those of a compiled game"):
        COALA.preset(smooth())  # pyright: ignore[reportArgumentType]


def test_what_is_wrong_is_said(values):
    game, params = smooth(), points([(2,)] * 2)

    def ask(**changed):
        settings: Any = {"episodes": 3, "inner_rate": 0.1, **changed}
        return coala_gradient(game, params, **settings)

    for changed, message in (
        ({"episodes": 0}, "episodes: expected at least 1"),
        ({"inner_rate": None}, "inner_rate: expected the step"),
        ({"inner_rate": [0.1] * 3}, "inner_rate: expected a number, or one for each of 2"),
        ({"objective": "last"}, "objective: expected 'all' or 'final'"),
        ({"opponents": (Naive(1.0),)}, "one for each of 2 players, got 1"),
        ({"batch": 4}, "use batch=None"),
        ({"batch": 0}, "batch: expected at least 1"),
        ({"batch": 4, "opponents": LOLA(1.0)}, "batch: the correction is that of naive"),
        ({"truncate": 0}, "truncate: expected at least 1"),
        ({"player": 2}, "player: expected an index from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(**changed)
    with pytest.raises(TypeError, match="opponents: expected a learner"):
        COALA(1.0, opponents="naive")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="naive_share: expected a number from 0 to 1"):
        COALA(1.0, naive_share=2)
    with pytest.raises(ValueError, match="naive_starts: expected one array per player"):
        COALA(1.0, naive_starts=(np.zeros((4, 3)), np.zeros((4, 2)))).check(game, 0)
    with pytest.raises(ValueError, match="too many for 2 episodes"):
        enumerate_batches(values, points(values.shapes), batch=20, inner_rate=1.0)
    with pytest.raises(ValueError, match="enumeration of batches needs the states"):
        enumerate_batches(game, params, batch=2, inner_rate=1.0)


def test_what_it_prints():
    found = coala_gradient(smooth(), points([(2,)] * 2), episodes=3, inner_rate=0.1)
    assert "limit of large batches" in str(found)
    rule = COALA(1.0, opponents=Naive(2.0), naive_starts=(np.zeros((4, 2)), np.zeros((4, 2))))
    assert "opponents='Naive(rate=2.0)'" in repr(rule)
    assert "naive_starts='[(4, 2), (4, 2)]'" in repr(rule)
