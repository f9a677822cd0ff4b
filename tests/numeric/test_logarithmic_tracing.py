"""Logarithmic tracing against closed forms, theorems and independent recomputation."""

import dataclasses
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from resolvent.games import NormalForm, StochasticGame, matching_pennies
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.equilibrium.basins import basins
from resolvent.numeric.equilibrium.continuation import PATHS, Settings
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM, Equilibrium, verify
from resolvent.numeric.equilibrium.logarithmic import trace, trace_arrays
from resolvent.numeric.equilibrium.logarithmic_batch import trace_batch
from resolvent.numeric.equilibrium.logarithmic_path import LogarithmicPath
from resolvent.numeric.equilibrium.logarithmic_system import (
    BlockTracing,
    DenseTracing,
    problem_of,
    start_of,
)
from resolvent.numeric.equilibrium.priors import mixed_with_uniform, random_priors

jax.config.update("jax_enable_x64", True)

PD = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
GAME = PD.iterated("9/10", initial="uniform")
DONATION = NormalForm([[[2, -1], [3, 0]], [[2, 3], [-1, 0]]])
GRIM = [1, 0, 0, 0]
WSLS = [1, 0, 0, 1]
ALLD = [0, 0, 0, 0]


def random_arrays(key: Array, states: int, players: int, actions: int) -> GameArrays:
    first, second = jax.random.split(key)
    joint = (actions,) * players
    moves = jax.random.exponential(second, (states, *joint, states))
    return GameArrays(
        jax.random.uniform(first, (players, states, *joint)),
        moves / moves.sum(axis=-1, keepdims=True),
        None,
        jnp.full(players, 0.95),
        jnp.full(states, 1 / states),
    )


def stacked(number: int, states: int, players: int, actions: int) -> GameArrays:
    keys = jax.random.split(jax.random.key(states), number)
    games = [random_arrays(key, states, players, actions) for key in keys]
    return jax.tree.map(lambda *own: jnp.stack(own), *games)


def brute_regret(arrays: GameArrays, policies: tuple[np.ndarray, ...]) -> float:
    """The largest one-shot gain as a share of the payoff range, by sums over joint actions."""
    payoffs, transitions = np.asarray(arrays.payoffs), np.asarray(arrays.transitions)
    worst = 0.0
    states, joints = payoffs.shape[1], list(np.ndindex(*payoffs.shape[2:]))
    for i, discount in enumerate(np.asarray(arrays.discounts)):
        moves, now = np.zeros((states, states)), np.zeros(states)
        for s in range(states):
            for a in joints:
                chance = np.prod([own[s, k] for own, k in zip(policies, a, strict=True)])
                moves[s] += chance * transitions[(s, *a)]
                now[s] += chance * payoffs[(i, s, *a)]
        values = np.linalg.solve(np.eye(states) - discount * moves, (1 - discount) * now)
        for s in range(states):
            worth = np.zeros(payoffs.shape[2 + i])
            for a in joints:
                others = [own[s, a[j]] for j, own in enumerate(policies) if j != i]
                after = (1 - discount) * payoffs[(i, s, *a)]
                after += discount * transitions[(s, *a)] @ values
                worth[a[i]] += np.prod(others) * after
            worst = max(worst, (worth.max() - values[s]) / np.ptp(payoffs[i]))
    return worst


def test_newton_steps_agree_with_automatic_differentiation() -> None:
    arrays = random_arrays(jax.random.key(1), 2, 3, 2)
    prior = tuple(jnp.full((2, 2), 0.5) for _ in range(3))
    problem = problem_of(arrays, prior, jnp.array([0.3, 0.1]), tuple(map(jnp.ones_like, prior)))
    size = 2 * (6 + 3)

    def residual(y: Array) -> Array:
        """The equations of the module, written out state by state and player by player."""
        table, t = y[:-1].reshape(2, 9), y[-1]
        weight = (1 - t) * 0.3 + t * 0.1
        alpha, values = table[:, :6].reshape(2, 3, 2), table[:, 6:]
        # sigma - weight/sigma = alpha, as the barrier has weight (1 - g) for payoffs of weight 1 - g
        beta = jnp.log((alpha + jnp.sqrt(alpha**2 + 4 * weight)) / 2)
        rows: list[Array] = []
        for s in range(2):
            own: list[Array] = []
            for i in range(3):
                j, k = (p for p in range(3) if p != i)
                worth = problem.payoffs[i][s] + 0.95 * problem.transitions[s] @ values[:, i]
                worth = jnp.moveaxis(worth, i, 0)
                now = jnp.einsum("abc,b,c->a", worth, jnp.exp(beta[s, j]), jnp.exp(beta[s, k]))
                before = jnp.einsum("abc,b,c->a", worth, prior[j][s], prior[k][s])
                barrier = jnp.exp(-beta[s, i]) + (beta[s, i] - 1).sum()
                off = t * now + (1 - t) * before - values[s, i]
                own.append(off + weight * 0.05 * barrier)
            rows += own + [jnp.exp(beta[s]).sum(axis=1) - 1]
        return jnp.concatenate(rows)

    y = jnp.append(jax.random.normal(jax.random.key(2), (size,)) - 1, 0.4)
    row = jax.random.normal(jax.random.key(3), (size + 1,))
    matrix = np.vstack([jax.jit(jax.jacfwd(residual))(y), row])
    right = np.zeros((size + 1, 2))
    right[:-1, 0], right[-1, 1] = -residual(y), 1
    expected = np.linalg.solve(matrix, right)
    sign, logarithm = np.linalg.slogdet(matrix)
    for newton in (DenseTracing(), BlockTracing()):
        at = jax.jit(newton)(y, problem, row)
        np.testing.assert_allclose(at.correction, expected[:, 0], rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(at.direction, expected[:, 1], rtol=1e-7, atol=1e-8)
        assert at.sign == sign
        np.testing.assert_allclose(at.logarithm, logarithm, rtol=1e-9)
    start = jax.jit(start_of)(problem)
    assert jnp.abs(residual(start)).max() < 1e-12


def two_by_two(number: int, symmetric: bool) -> tuple[GameArrays, np.ndarray]:
    """Games with two strict equilibria, disguised by payoffs that change no incentive, and how much more
    risk-dominant the first one is."""
    rng = np.random.default_rng(int(symmetric))
    losses = rng.uniform(0.05, 1, (number, 2, 2))  # player, equilibrium
    if symmetric:
        losses[:, 1] = losses[:, 0]
    payoffs = np.zeros((number, 2, 1, 2, 2))
    payoffs[:, :, 0, 0, 0] = losses[:, :, 0]
    payoffs[:, :, 0, 1, 1] = losses[:, :, 1]
    payoffs[:, 0, 0] += rng.normal(size=(number, 1, 2))
    payoffs[:, 1, 0] += rng.normal(size=(number, 2, 1))
    arrays = GameArrays(
        jnp.asarray(payoffs),
        None,
        jnp.zeros((number, 1, 2, 2), int),
        jnp.zeros((number, 2)),
        jnp.ones((number, 1)),
    )
    products = losses.prod(axis=1)
    return arrays, np.log(products[:, 0] / products[:, 1])


@pytest.mark.parametrize("symmetric", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_uniform_prior_selects_the_risk_dominant_equilibrium(symmetric: bool) -> None:
    arrays, dominance = two_by_two(400, symmetric)
    traced = trace_batch(arrays, width=16)
    assert traced.accepted.all()
    expected = (dominance > 0).astype(float)
    for own in traced.policies:
        np.testing.assert_array_equal(own[:, 0, 0], expected)
    # One player's unit is nobody's business.
    scaled = dataclasses.replace(arrays, payoffs=arrays.payoffs.at[:, 1].multiply(100))
    np.testing.assert_array_equal(trace_batch(scaled, width=16).policies[0][:, 0, 0], expected)


def test_a_large_weight_selects_otherwise() -> None:
    # The trap of a common default: some games where products are close go to the other equilibrium.
    arrays, dominance = two_by_two(400, False)
    traced = trace_batch(arrays, eta=1.0, width=16)
    assert traced.accepted.all()
    wrong = traced.policies[0][:, 0, 0] != (dominance > 0)
    assert 0 < wrong.sum() < 60


def test_grim_is_reached_from_grim_and_always_defect_from_uniform() -> None:
    batch = [mixed_with_uniform(GAME, "grim", share) for share in (0.0, 0.05, 0.3)] + [
        mixed_with_uniform(GAME, "uniform", 0)
    ]
    priors = tuple(jnp.stack(own) for own in zip(*batch, strict=True))
    traced = trace_batch(GAME, priors, width=16)
    assert traced.accepted.all()
    for own in traced.policies:
        np.testing.assert_array_equal(own[:, :, 0], [GRIM, GRIM, GRIM, ALLD])
    # With the weight that other software has by default, grim is lost.
    np.testing.assert_array_equal(
        trace_batch(GAME, priors, eta=1.0, width=16).policies[0][:, :, 0], 0
    )
    np.testing.assert_array_equal(traced.labels, [0, 0, 0, 1])
    assert "3 to (1, 0, 0, 0) | (1, 0, 0, 0)" in str(traced)


def test_state_independent_priors_stay_state_independent() -> None:
    # The theorem of section 0 of the notes: the path of the one-shot game solves the iterated one.
    prior = [np.tile(row, (4, 1)) for row in ([0.3, 0.7], [0.8, 0.2])]
    found = trace(GAME, prior)
    assert isinstance(found.path, LogarithmicPath)
    for along in found.path.policies:
        assert np.abs(along - along[:, :1]).max() < 1e-7
    assert found.status == EQUILIBRIUM.subgame_perfect
    np.testing.assert_array_equal(found.policies[0][:, 0], ALLD)


def test_tit_for_tat_traces_to_a_mixed_equilibrium_in_the_symmetric_subspace() -> None:
    found = trace(GAME, "tit_for_tat")
    assert found.path.symmetric
    assert found.status == EQUILIBRIUM.subgame_perfect
    assert found.regret.subgame_perfect <= 1e-12
    # The notes report (.383, 0, 1, .383), in the player's own view.
    np.testing.assert_allclose(found.policies[0][:, 0], [0.3832, 0, 1, 0.3832], atol=1e-4)
    np.testing.assert_allclose(found.policies[1][:, 0], [0.3832, 1, 0, 0.3832], atol=1e-4)
    # In the whole space the same path has bifurcations, and says so.
    whole = trace(GAME, "tit_for_tat", symmetric=False)
    assert whole.path.reversals > 0
    assert "bifurcations were passed" in str(whole.path)
    with pytest.raises(ValueError, match="symmetric: expected a game of two players"):
        trace(GAME, ["tit_for_tat", "grim"], symmetric=True)


def test_win_stay_lose_shift_on_both_sides_of_its_threshold() -> None:
    # An equilibrium iff discount >= (T - R)/(R - P) = 1/2 in this donation game.
    for discount, holds in (("9/20", False), ("11/20", True), ("9/10", True)):
        game = DONATION.iterated(discount, initial="uniform")
        wsls = [[[p, 1 - p] for p in WSLS]] * 2
        stands = verify(game, wsls).status == EQUILIBRIUM.subgame_perfect
        assert stands == holds
        found = trace(game, "win_stay_lose_shift")
        assert found.status == EQUILIBRIUM.subgame_perfect
        assert (found.policies[0][:, 0].tolist() == WSLS) == holds


def test_the_path_is_recorded_and_ends_at_one(tmp_path: Path) -> None:
    found = trace(GAME, "grim", symmetric=False)
    path = found.path
    assert path.t[0] == 0
    assert path.t[-1] == 1
    assert (np.diff(path.arclength) > 0).all()
    assert np.isfinite(path.condition).all()
    assert path.eta == 1e-6
    assert "eta=1e-06" in found.method
    # At t = 0 everyone plays a best reply to the prior, up to the barrier; at the end an equilibrium.
    assert path.regret.shape == path.t.shape
    assert path.regret[-1] < 1e-5
    assert found.regret.subgame_perfect <= 1e-12
    for own in path.policies:
        np.testing.assert_allclose(own.sum(axis=2), 1)
    found.save(tmp_path / "found.npz")
    again = Equilibrium.load(tmp_path / "found.npz")
    assert again.path.eta == 1e-6
    assert again.path.path.successful
    np.testing.assert_array_equal(again.path.path.points, path.path.points)
    np.testing.assert_array_equal(again.path.policies[1], path.policies[1])


@pytest.mark.slow
def test_plots() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = trace(GAME, "grim", symmetric=False)
    ax = found.path.plot()
    assert len(ax.lines) == 8
    assert found.path.plot(along="arclength").get_xlabel() == "arclength"
    square = basins(GAME, ["uniform", "grim", "win_stay_lose_shift"], resolution=6, width=16)
    assert square.labels.shape == (6, 6)
    assert square.traced.accepted.all()
    # The corners: always defect, grim, and always defect again, as win-stay lose-shift is no equilibrium here.
    corners = [square.labels[k] for k in ((0, 0), (0, -1), (-1, 0))]
    found_there = [square.traced.equilibria[k][0][:, 0].tolist() for k in corners]
    assert found_there == [ALLD, GRIM, ALLD]
    assert square.plot().get_xlabel() == "uniform to grim"
    pyplot.close("all")


@pytest.mark.parametrize(
    ("number", "states", "players", "actions"),
    [
        pytest.param(8, 2, 2, 2, id="2-2-2"),
        pytest.param(200, 4, 2, 2, id="200-of-4-2-2", marks=pytest.mark.slow),
        pytest.param(200, 8, 3, 2, id="200-of-8-3-2", marks=pytest.mark.slow),
        pytest.param(200, 16, 2, 4, id="200-of-16-2-4", marks=pytest.mark.slow),
    ],
)
def test_random_games_are_all_solved(number: int, states: int, players: int, actions: int) -> None:
    games = stacked(number, states, players, actions)
    traced = trace_batch(games, width=16 if number <= 20 else 128)
    assert int(traced.accepted.sum()) == number
    assert traced.regret.max() <= 1e-12
    for k in range(0, number, max(1, number // 5)):
        own = jax.tree.map(lambda leaf, at=k: leaf[at], games)
        assert brute_regret(own, tuple(policy[k] for policy in traced.policies)) <= 1e-12


@pytest.mark.slow  # the games of two actions above are scaled too
def test_units_of_payoffs_change_nothing() -> None:
    games = stacked(20, 4, 2, 2)
    base = trace_batch(games, width=16)
    each = jnp.array([1.0, 100.0])[None, :, None, None, None]
    for factor in (1e-6, 1e6, each):
        scaled = dataclasses.replace(games, payoffs=games.payoffs * factor)
        traced = trace_batch(scaled, width=16)
        assert traced.accepted.all()
        for own, other in zip(traced.policies, base.policies, strict=True):
            np.testing.assert_allclose(own, other, atol=1e-9)


def test_one_and_many_agree() -> None:
    priors = random_priors(GAME, jax.random.key(3), 4)
    traced = trace_batch(GAME, priors, width=16)
    for k in range(4):
        alone = trace(GAME, [np.asarray(own[k]) for own in priors])
        for own, other in zip(alone.policies, traced.policies, strict=True):
            np.testing.assert_allclose(own, other[k], atol=1e-10)


def test_a_stall_is_a_status_and_no_equilibrium() -> None:
    prior = [np.tile([0.5, 0.5], (4, 1))] * 2
    found = trace(GAME, prior, symmetric=False, eta=1.0, settings=Settings(steps=3))
    assert found.status == EQUILIBRIUM.stalled
    assert not found.found
    assert found.path.path.status == PATHS.exhausted
    priors = tuple(jnp.asarray(own)[None] for own in prior)
    batch = trace_batch(GAME, priors, settings=Settings(steps=3))
    assert not batch.accepted.any()
    assert batch.labels.tolist() == [-1]
    assert "1 not: the path was not at its end" in str(batch)


def test_tied_best_replies_and_identical_actions() -> None:
    pennies = NormalForm([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
    flat = NormalForm([[[1, 1], [1, 1]], [[1, 1], [1, 1]]])
    traced = trace_batch([pennies, flat])
    assert traced.accepted.all()
    np.testing.assert_allclose(traced.policies[0][0], [[0.5, 0.5]], atol=1e-12)


@pytest.mark.slow
def test_awkward_games() -> None:
    # A single action; discount 0; and the same with all options.
    np.testing.assert_allclose(trace(matching_pennies()).policies[0], [[0.5, 0.5]], atol=1e-12)
    flat = trace(NormalForm([[[1, 1], [1, 1]], [[1, 1], [1, 1]]]))
    assert flat.found
    lonely = trace(NormalForm([[[1, 2, 3]], [[3, 5, 4]]]))
    np.testing.assert_array_equal(lonely.policies[1], [[0, 1, 0]])
    once = trace(StochasticGame([[[[3, 0], [5, 1]]], [[[3, 5], [0, 1]]]], [[[[1], [1]]] * 2], 0))
    np.testing.assert_array_equal(once.policies[0], [[0, 1]])


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="method: expected one of logarithmic, linear"):
        trace(PD, method="quadratic")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="eta: expected a number from 1e-10"):
        trace(PD, eta=0.0)
    with pytest.raises(ValueError, match="weights: expected finite positive"):
        trace(PD, weights=[[[0, 1]], [[1, 1]]])
    with pytest.raises(ValueError, match="weights: expected arrays of shapes"):
        trace(PD, weights=[[1, 1], [1, 1]])
    with pytest.raises(ValueError, match="priors: expected one array"):
        trace_batch(GAME, "uniform")
    with pytest.raises(ValueError, match="games of one shape"):
        trace_batch([GAME, PD])
    with pytest.raises(ValueError, match="corners: expected three or four"):
        basins(GAME, ["uniform"])


@pytest.mark.slow
def test_blocks_and_dense_steps_follow_the_same_path() -> None:
    arrays = random_arrays(jax.random.key(5), 16, 2, 4)
    prior = tuple(jnp.full((16, 4), 0.25) for _ in range(2))
    blocks = trace_arrays(arrays, prior)
    assert blocks.accepted
    careful = trace_arrays(
        arrays, prior, settings=Settings(tolerance=1e-6, angle=0.1, steps=50_000)
    )
    for own, other in zip(blocks.policies, careful.policies, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-10)


@pytest.mark.slow
def test_a_large_game_in_seconds() -> None:
    arrays = random_arrays(jax.random.key(0), 64, 2, 8)
    prior = tuple(jnp.full((64, 8), 1 / 8) for _ in range(2))
    began = time.process_time()
    traced = trace_arrays(arrays, prior)
    assert traced.accepted
    assert traced.regret <= 1e-12
    assert time.process_time() - began < 60
