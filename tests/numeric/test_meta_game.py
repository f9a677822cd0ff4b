"""Meta-games against plain loops, dense Jacobians and finite differences."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    LOLA,
    META_GRADIENT,
    META_TRAINING,
    AffinePolicy,
    Naive,
    OptimisticGradient,
    ValueFunction,
    affine_policy,
    conditioning,
    constant_policy,
    meta_game,
    meta_gradient,
    meta_self_play,
    meta_trace,
    network_policy,
    train,
)
from resolvent.numeric.metagame.meta_game import worth
from resolvent.numeric.metagame.slopes import slopes


def smooth(params):
    x, y = params
    first = jnp.sin(x[0] * y[0]) + x[1] * y[2] - x[0] ** 2 / 2
    second = jnp.cos(x[1] * y[1]) - x[0] * y[2] - y[0] ** 2 * x[1] / 4
    return jnp.stack([first, second])


SMOOTH = ValueFunction.wrap(smooth, [(2,), (3,)], "smooth")
STARTS = tuple(np.random.default_rng(0).normal(size=(4, size)) / 2 for size in (2, 3))
STEPS, RATE, DISCOUNT = 5, 0.3, 0.9


def constants(policy):
    return policy.parameters


def game_of(learners=None, **options):
    given: dict[str, Any] = {"discount": DISCOUNT, **options}
    return meta_game(SMOOTH, Naive(RATE) if learners is None else learners, STARTS, STEPS, **given)


def affine():
    rng = np.random.default_rng(3)
    return AffinePolicy(
        weight=jnp.asarray(rng.normal(size=(2, 5)) / 3), bias=jnp.asarray([0.2, -0.4]),
        sees="parameters",
    )  # fmt: skip


def by_hand(policy, start, opening="given", steps=STEPS):
    """A plain loop: payoffs counted, and all points."""
    x, y = map(jnp.asarray, start)
    if opening == "policy":
        x = policy((x, y))
    points, counted = [(x, y)], []
    for _ in range(steps):
        step = jax.grad(lambda own, x=x: smooth((x, own))[1])(y)
        after = (policy((x, y)), y + RATE * step)
        counted.append(after if opening == "given" else (x, y))
        x, y = after
        points.append(after)
    weights = DISCOUNT ** np.arange(steps)
    payoffs = jnp.stack([smooth(point) for point in counted])
    return weights @ payoffs / weights.sum(), points


@pytest.mark.parametrize("opening", ["given", pytest.param("policy", marks=pytest.mark.slow)])
def test_payoffs_are_those_of_a_plain_loop(opening):
    found = game_of(opening=opening).payoffs(affine())
    plain = jax.jit(jax.vmap(lambda *start: by_hand(affine(), start, opening)[0]))
    np.testing.assert_allclose(found, plain(*STARTS).mean(0), rtol=1e-12)


def test_the_gradient_is_that_of_finite_differences_and_has_two_parts():
    """The shaping part by dense derivatives of points: sum of w dV_1/dy dy/dpolicy."""
    policy = affine()
    found = meta_gradient(game_of(), policy)
    assert found.status == META_GRADIENT.reliable
    flat, back = ravel_pytree(policy)

    def total(z):
        return jax.vmap(lambda *start: by_hand(back(z), start)[0][0])(*STARTS).mean()

    total = jax.jit(total)
    np.testing.assert_allclose(found.value, total(flat), rtol=1e-12)
    units = 1e-5 * np.eye(flat.size)
    numeric = [(total(flat + unit) - total(flat - unit)) / 2e-5 for unit in units]
    ours = ravel_pytree(found.total)[0]
    np.testing.assert_allclose(ours, numeric, atol=1e-8)

    def shaping(z):
        def one(*start):
            points = by_hand(back(z), start)[1][1:]
            paid = [smooth((jax.lax.stop_gradient(x), y))[0] for x, y in points]
            weights = DISCOUNT ** np.arange(STEPS)
            return weights @ jnp.stack(paid) / weights.sum()

        return jax.vmap(one)(*STARTS).mean()

    want = jax.jit(jax.grad(shaping))(flat)
    np.testing.assert_allclose(ravel_pytree(found.shaping)[0], want, atol=1e-12)
    assert np.abs(want).max() > 1e-3


@pytest.mark.parametrize("truncate", [None, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("opening", ["policy", pytest.param("given", marks=pytest.mark.slow)])
def test_gradients_by_what_policies_say_are_those_by_their_arrays(opening, truncate):
    """Of both players in self-play; training goes along them."""
    game = game_of(opening=opening, truncate=truncate)
    other = AffinePolicy(
        weight=jnp.asarray(np.random.default_rng(4).normal(size=(3, 5)) / 3),
        bias=jnp.asarray([0.1, 0.3, -0.2]),
        sees="parameters",
    )
    pair = (affine(), other)

    def direct(pair, player):
        return jax.vmap(lambda *start: worth(game, pair, start)[player])(*game.starts).mean()

    payoffs, found = eqx.filter_jit(slopes)(game, pair, game.starts)
    both = jax.jit(lambda pair: jnp.stack([direct(pair, player) for player in range(2)]))
    wants = jax.jit(jax.jacrev(both))(pair)
    np.testing.assert_allclose(payoffs, both(pair), rtol=1e-12)
    for player in range(2):
        for leaf in ("weight", "bias"):
            want = getattr(wants[player], leaf)[player]
            np.testing.assert_allclose(getattr(found[player], leaf), want, atol=1e-13)


@pytest.mark.slow
def test_memory_and_wide_windows_make_no_difference():
    one = meta_gradient(game_of(memory="all"), affine()).total
    for options in ({"memory": "steps"}, {"memory": "blocks"}, {"truncate": STEPS}):
        other = meta_gradient(game_of(**options), affine()).total
        np.testing.assert_allclose(one.weight, other.weight, rtol=1e-12)


@pytest.mark.slow
def test_windows_cut_derivatives_only():
    policy = affine()
    found = meta_gradient(game_of(truncate=1), policy)
    paid = [by_hand(policy, start)[0][0] for start in zip(*STARTS, strict=True)]
    np.testing.assert_allclose(found.value, np.mean(paid), rtol=1e-12)
    # Through one step the others never feel the policy: what remains is its own part.
    np.testing.assert_allclose(found.shaping.weight, 0, atol=1e-15)
    assert np.abs(found.own.weight).max() > 1e-3
    assert "through windows of 1 steps" in str(found)


def test_growth_is_the_largest_product_of_jacobians():
    """Of a constant policy in a bilinear game, where y' = y + c: products are known; and dense ones elsewhere."""
    policy = affine()
    found = conditioning(game_of(), policy).growth

    def joint(z):
        return jnp.concatenate(by_hand(policy, (z[:2], z[2:]), steps=1)[1][1])

    step = jax.jit(jax.jacfwd(joint))
    plain = jax.jit(lambda *start: by_hand(policy, start)[1])
    for start, growth in zip(zip(*STARTS, strict=True), found, strict=True):
        points = plain(*start)[:-1]
        jacobians = [np.asarray(step(jnp.concatenate(point))) for point in points]
        largest, product = 1.0, np.eye(5)
        for matrix in jacobians:
            product = matrix @ (product if np.linalg.norm(product) >= 5**0.5 else np.eye(5))
            largest = max(largest, np.linalg.norm(product) / 5**0.5)
        np.testing.assert_allclose(growth, largest, rtol=1e-10)


def doubling():
    """The other's naive step multiplies y by 1 + 2 rate: growth 3^m at rate 1."""
    return ValueFunction.wrap(
        lambda params: jnp.stack([-(params[0] ** 2), params[1] ** 2]), [(), ()], "doubling"
    )


def test_chaotic_gradients_are_refused():
    start = (np.zeros(1), np.full(1, 1e-12))
    wild = meta_game(doubling(), Naive(1.0), start, 20)
    policy = constant_policy(doubling(), start=1.0)
    found = meta_gradient(wild, policy)
    np.testing.assert_allclose(found.conditioning.growth, 3.0**20 / 2**0.5, rtol=1e-10)
    assert found.status == META_GRADIENT.chaotic
    assert found.own is None
    assert found.shaping is None
    assert found.total is None
    assert "evolution" in str(found)
    assert "truncate" in str(found)
    short = meta_game(doubling(), Naive(1.0), start, 20, truncate=10)
    assert meta_gradient(short, policy).reliable
    pytest.importorskip("optax")
    stopped = train(wild, policy, 3)
    assert stopped.status == META_TRAINING.chaotic
    assert stopped.steps_done == 0
    assert constants(stopped.policy) == 1.0


def test_ways_that_leave_the_numbers_are_refused():
    game = meta_game(doubling(), Naive(1e30), (np.zeros(1), np.ones(1)), 20)
    assert meta_gradient(game, constant_policy(doubling())).status == META_GRADIENT.nonfinite


def test_three_players_and_memories():
    """A constant policy among an optimistic and a naive learner, by a plain loop."""

    def three(params):
        x, y, z = params
        return jnp.stack([x * y * z + x**2, y * x - z * y**2, z * x - z**3 + y])

    values = ValueFunction.wrap(three, [(), (), ()])
    game = meta_game(
        values, [None, OptimisticGradient(0.1), Naive(0.2)], (0.3, -0.4, 0.7), 4, opening="policy"
    )
    found = game.payoffs(constant_policy(values, start=0.5))
    x, y, z, before, paid = 0.5, -0.4, 0.7, None, []
    for _ in range(4):
        paid.append(three((x, y, z)))
        slope = x - 2 * z * y
        before = slope if before is None else before
        y, z, before = y + 0.1 * (2 * slope - before), z + 0.2 * (x - 3 * z**2), slope
    np.testing.assert_allclose(found, np.mean(paid, axis=0), rtol=1e-12)
    assert conditioning(game, constant_policy(values, start=0.5)).reliable


def test_training_ascends_and_evolution_agrees():
    """A shepherd of a quadratic game: V_2 = -(y - x)^2 / 2, V_1 = -(y - 1)^2 - x^2 / 10, both in closed form."""
    values = ValueFunction.wrap(
        lambda params: jnp.stack([
            -((params[1][0] - 1) ** 2) - jnp.sum(params[0] ** 2) / 10,
            -((params[1][0] - params[0][0]) ** 2) / 2,
        ]),
        [(2,), (1,)],
    )  # fmt: skip
    game = meta_game(values, Naive(1.0), (np.zeros((2, 2)), np.zeros((2, 1))), 6, opening="policy")
    # y is 0 at first, then x: 5 of 6 payoffs are -(x - 1)^2.
    best = (5 / 6) / (5 / 6 + 1 / 10)
    start = constant_policy(values)
    pytest.importorskip("cma")
    evolved = train(game, start, 40, method="evolution", key=jax.random.key(0))
    np.testing.assert_allclose(constants(evolved.policy), [best, 0], atol=1e-3)
    again = train(game, start, 3, method="evolution", key=jax.random.key(0))
    np.testing.assert_array_equal(evolved.values[:3], again.values)
    pytest.importorskip("optax")
    trained = train(game, start, 300, rate=0.03, batch=1, check_every=100)
    assert trained.successful
    assert trained.steps_done == 300
    np.testing.assert_allclose(constants(trained.policy), [best, 0], atol=1e-3)
    assert "300 of 300" in str(trained)


def two_shepherds():
    values = ValueFunction.wrap(
        lambda params: jnp.stack([
            -(params[0] ** 2) + params[0] * params[1] - params[1] ** 2 / 8 + params[0] * 0.5,
            -(params[1] ** 2) + params[0] * params[1] - params[0] ** 2 / 8 + params[1] * 0.5,
        ]),
        [(), ()],
    )  # fmt: skip
    return meta_game(values, Naive(0.5), (np.zeros(1), np.zeros(1)), 5, opening="policy")


def test_self_play_without_a_schedule_and_with_it():
    """Two shepherds who only meet each other maximise V_i; naive others at lambda 1 make another optimum."""
    pytest.importorskip("optax")
    game = two_shepherds()
    pair = [constant_policy(game.values), constant_policy(game.values, 1)]
    alone = meta_self_play(game, pair, 300, schedule="none", rate=0.02, check_every=300)
    # 2x = y + 1/2 and the same for y
    np.testing.assert_allclose([*map(constants, alone.policies)], 0.5, atol=1e-3)
    fallen = meta_self_play(game, pair, 300, rate=0.02, check_every=300)
    assert fallen.weight[0] == 1
    assert fallen.weight[-1] == 0
    np.testing.assert_allclose([*map(constants, fallen.policies)], 0.5, atol=1e-3)
    shepherd = meta_self_play(game, pair, 300, fall=1e6, rate=0.02, check_every=300).policies[0]
    np.testing.assert_allclose(constants(shepherd), 0.54, atol=1e-3)  # see the next test


def test_a_traced_path_solves_its_system():
    """A naive other moves to x / 2 + 1/4 at once, whence dJ/dx = 0.675 - 1.25 x among naive ones; in self-play
    dV/dx = 1/2 - x where both play x."""
    found = meta_trace(two_shepherds(), barrier=0)
    assert found.successful
    assert found.weight[0] == 1
    assert found.weight[-1] == 0
    assert len(found.weight) > 3
    share = found.weight
    want = (0.675 * share + 0.5 * (1 - share)) / (1.25 * share + 1 - share)
    for own in found.params:
        np.testing.assert_allclose(own, want, atol=1e-5)
        np.testing.assert_allclose(own[[0, -1]], [0.54, 0.5], atol=1e-9)
    np.testing.assert_allclose(found.payoffs[-1], 0.21875, rtol=1e-9)
    assert "0 turning points" in str(found)
    with pytest.raises(ValueError, match="use barrier=0"):
        meta_trace(two_shepherds())
    with pytest.raises(ValueError, match=r"start\[1\]: expected finite numbers of shape \(\)"):
        meta_trace(two_shepherds(), (0.0, np.zeros(2)), barrier=0)


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"learners\[1\]: expected a learner"):
        meta_game(SMOOTH, [Naive(1.0), None], STARTS, 3)
    with pytest.raises(ValueError, match="opening: expected one of"):
        game_of(opening="first")
    with pytest.raises(ValueError, match=r"discount: expected a number in \(0, 1\]"):
        game_of(discount=1.5)
    with pytest.raises(ValueError, match="steps: expected at least 1"):
        meta_game(SMOOTH, Naive(1.0), STARTS, 0)
    with pytest.raises(ValueError, match="next parameters of player 0"):
        game_of().payoffs(constant_policy(SMOOTH, 1))
    with pytest.raises(ValueError, match="sees='parameters'"):
        network_policy(SMOOTH, key=jax.random.key(0))
    with pytest.raises(ValueError, match="sees='parameters'"):
        affine_policy(SMOOTH)
    with pytest.raises(ValueError, match="batch: expected a divisor of the 4 starts"):
        train(game_of(), affine(), 1, batch=3)
    with pytest.raises(ValueError, match="key: evolution is random"):
        train(game_of(), affine(), 1, method="evolution")
    with pytest.raises(ValueError, match="use meta_trace"):
        meta_self_play(game_of(), [affine(), affine()], 1, schedule="trace")  # pyright: ignore[reportArgumentType]


# The iterated prisoner's dilemma ------------------------------------------------------------------


@pytest.mark.slow
def test_naive_and_lola_opponents_of_the_dilemma():
    """100 steps: forward differences agree with the gradient among naive learners; LOLA is refused."""
    values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile(backend="tensor")
    key, policy = jax.random.key(0), constant_policy(values, start=0.3)
    game = meta_game(values, Naive(1.0), key, 100, batch=20)
    found = meta_gradient(game, policy)
    assert found.reliable
    for k in (0, 2, 4):
        unit = np.zeros((5, 1))
        unit[k] = 1e-4
        up, down = (game.value(constant_policy(values, start=0.3 + s * unit)) for s in (1, -1))
        np.testing.assert_allclose(found.total.parameters[k], (up - down) / 2e-4, rtol=1e-5)
    wild = meta_game(values, LOLA(1.0), key, 100, batch=20)
    judged = conditioning(wild, policy)
    assert judged.status == META_GRADIENT.chaotic
    assert judged.growth.max() > 1e12


@pytest.mark.slow
def test_a_traced_path_of_the_dilemma_solves_its_system():
    """By central differences of what is earned, and of log-probabilities."""
    values = closed_form(prisoners_dilemma().iterated("9/10")).compile(backend="tensor")
    game = meta_game(values, Naive(1.0), jax.random.key(0), 5, batch=4)
    rho = 0.05
    found = meta_trace(game, barrier=rho)
    assert found.successful, str(found)

    def inside(logits):
        return np.sum(-np.log1p(np.exp(-logits)) - np.log1p(np.exp(logits))) / 2

    def slope(function, at):
        units = 1e-5 * np.eye(at.size).reshape(-1, *at.shape)
        return np.array([(function(at + unit) - function(at - unit)) / 2e-5 for unit in units])

    for k in (0, len(found.weight) // 2, -1):
        share, point = found.weight[k], [own[k] for own in found.params]
        for i in range(2):

            def naive(own, i=i):
                seats: list[Any] = [Naive(1.0), Naive(1.0)]
                seats[i] = constant_policy(values, i, start=own)
                return game.payoffs(seats)[i]

            def together(own, i=i, point=point):
                return values(tuple(own if j == i else point[j] for j in range(2)))[i]

            parts = [slope(function, point[i]) for function in (naive, together, inside)]
            off = share * parts[0] + (1 - share) * parts[1] + rho * parts[2]
            # Between its ends the path is followed less closely, see `Settings`.
            np.testing.assert_allclose(off, 0, atol=1e-6)
            assert np.abs(share * parts[0] + (1 - share) * parts[1]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "steps", "end", "error"), [("anneal", 1000, -1.0, 0.02), ("none", 300, -2.0, 0.02)]
)
def test_self_play_cooperates_by_the_schedule_and_defects_without(schedule, steps, end, error):
    """Lu et al. (2022): meta-policies of 256 units, 32 other starts at each step."""
    pytest.importorskip("optax")
    values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    game = meta_game(values, Naive(1.0), jax.random.key(0), 100, batch=2048, memory="all")
    keys = jax.random.split(jax.random.key(1))
    pair = [network_policy(values, i, key=own, width=256) for i, own in enumerate(keys)]
    found = meta_self_play(
        game, pair, steps, schedule=schedule, rate=1e-3, batch=32, check_every=steps
    )
    np.testing.assert_allclose(found.payoffs / 25, end, atol=error)
