"""Agreement with two C and Cython peers, counted over random games: pygambit and sgamesolver.

Neither is an extra of this project: pygambit has no wheel and takes six minutes of a C++ compiler; sgamesolver has
none either, must be built with `--no-build-isolation`, and needs a name that NumPy 2 dropped. Where they are
installed, these tests run.
"""

import warnings
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.games import NormalForm
from resolvent.numeric import logit_equilibrium
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.equilibrium.bimatrix import extreme_equilibria
from resolvent.numeric.equilibrium.logarithmic import trace_arrays

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def gambit():
    return pytest.importorskip(
        "pygambit",
        reason="pygambit is not installed: pip install pygambit (builds C++ for minutes)",
    )


@pytest.fixture
def sgamesolver(monkeypatch):
    monkeypatch.setattr(np, "NaN", np.nan, raising=False)  # dropped by NumPy 2, used by sgamesolver
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "sgamesolver",
            reason="sgamesolver is not installed: pip install wheel cython; pip install --no-build-isolation "
            "sgamesolver",
        )


def random_game(rng, *counts):
    def table(left):
        return [table(left[1:]) for _ in range(left[0])] if left else rng.randrange(1000)

    return NormalForm([table(counts) for _ in counts])


def theirs(gambit, game):
    return gambit.Game.from_arrays(*(np.array(own, dtype=int) for own in game.payoffs))


@pytest.mark.parametrize(
    ("size", "number"),
    [
        pytest.param(3, 30, id="30-of-3x3"),
        pytest.param(3, 200, id="200-of-3x3", marks=pytest.mark.slow),
        pytest.param(5, 200, id="200-of-5x5", marks=pytest.mark.slow),
    ],
)
def test_extreme_equilibria_are_those_of_gambit(gambit, size, number):
    rng = Random(size)
    agreed = 0
    for _ in range(number):
        game = random_game(rng, size, size)
        found = gambit.nash.enummixed_solve(theirs(gambit, game), rational=True).equilibria
        wanted = {
            tuple(tuple(float(p) for _, p in own) for _, own in each.mixed_strategies())
            for each in found
        }
        ours = {
            tuple(tuple(float(p) for p in own[0]) for own in each.policies)
            for each in extreme_equilibria(game)
        }
        agreed += ours == wanted
    assert agreed == number


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        pytest.param((3, 3), 10, id="10-of-3x3"),
        pytest.param((5, 5), 200, id="200-of-5x5", marks=pytest.mark.slow),
        pytest.param((3, 3, 3), 200, id="200-of-3x3x3", marks=pytest.mark.slow),
    ],
)
def test_quantal_responses_are_those_of_gambit(gambit, counts, number):
    rng = Random(sum(counts))
    agreed = 0
    for _ in range(number):
        game = random_game(rng, *counts)
        (found,) = gambit.qre.logit_solve_lambda(theirs(gambit, game), lam=0.005)
        wanted = [[p for _, p in own] for _, own in found.profile.mixed_strategies()]
        ours = logit_equilibrium(game, 0.005)
        agreed += ours.successful and all(
            np.abs(own[0] - other).max() < 1e-6
            for own, other in zip(ours.policies, wanted, strict=True)
        )
    assert agreed == number


@pytest.mark.parametrize(
    ("number", "states", "players", "actions"),
    [
        pytest.param(5, 4, 2, 2, id="5-of-4-2-2"),
        pytest.param(200, 4, 2, 2, id="200-of-4-2-2", marks=pytest.mark.slow),
        pytest.param(200, 8, 3, 2, id="200-of-8-3-2", marks=pytest.mark.slow),
        pytest.param(200, 16, 2, 4, id="200-of-16-2-4", marks=pytest.mark.slow),
    ],
)
def test_logarithmic_tracing_ends_where_sgamesolver_does(
    sgamesolver, number, states, players, actions
):
    rng = np.random.default_rng(states)
    prior = tuple(jnp.full((states, actions), 1 / actions) for _ in range(players))
    agreed, arrived = 0, 0
    for _ in range(number):
        joint = (actions,) * players
        payoffs = rng.uniform(size=(states, players, *joint))
        axes = (0, *range(2, players + 2))
        # Of range 1, so that the barrier has the same weight in both.
        payoffs -= payoffs.min(axis=axes, keepdims=True)
        payoffs /= payoffs.max(axis=axes, keepdims=True)
        moves = rng.exponential(size=(states, *joint, states))
        moves /= moves.sum(axis=-1, keepdims=True)
        game = sgamesolver.SGame(list(payoffs), list(moves), 0.95)
        tracing = sgamesolver.homotopy.LogTracing(game)  # its default weight, 1
        tracing.solver_setup()
        tracing.solver.verbose = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tracing.solve()
        if tracing.equilibrium is None:
            continue
        arrived += 1
        arrays = GameArrays(
            jnp.asarray(payoffs.swapaxes(0, 1)),
            jnp.asarray(moves),
            None,
            jnp.full(players, 0.95),
            jnp.full(states, 1 / states),
        )
        ours = trace_arrays(arrays, prior, eta=1.0)
        assert ours.accepted
        wanted = np.asarray(tracing.equilibrium.strategies)  # (states, players, actions)
        agreed += all(
            np.abs(own - wanted[:, i]).max() < 1e-4 for i, own in enumerate(ours.policies)
        )
    assert arrived >= 0.95 * number  # sgamesolver may fail
    assert agreed == arrived
