"""Compiled values and derivatives against the exact numbers at the exact values of the float inputs.

What double precision can and cannot give. Write w_s for the discounted share of time in state s, x_s for
the value of going on from s (the whole future, not per round), and

    A = max_s w_s (max x - min x + max |r|),   in logits with a factor max_a p_a (1 - p_a) for each state.

A gradient entry is w_s times a difference of x, and x is computed to about eps (max x - min x). So the
error of a gradient is a small multiple of eps A; *relative to the gradient* that is 1e-14 as long as A is
of the gradient's order. It is for interior policies at any discount, and for any policies at g <= 24/25.
It is not where the chain nearly splits into classes that the players leave less often than the game ends:
then x differs by (r - r') / (1 - g) between the classes while the gradient may see one class only. There
the relative error reaches A / |gradient| * eps (1e-8 and more), whatever the order of the computation:
the bound in A is what is asserted there, and nothing is claimed entry by entry.
"""

from itertools import product
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma

EPS = 2.0**-52
TIGHT = 1e-12
"""Agreement asked for, relative to the largest entry of a block (normwise)."""
SLACK = 100.0
"""Multiples of eps A that a gradient may be wrong by; the worst seen is below 20."""

SHAPES = ("2x2", "2x3", "3 players", "2x4", "2x2 memory 2")
KINDS = {
    "policies": ("interior", "interior", "near", "near", "mixed", "mixed", "deterministic"),
    "logits": ("interior", "interior", "near", "near", "mixed", "mixed"),
}
BACKENDS = ("program", "tensor")
# JAX compiles for seconds each; what is left out here runs with `-m slow`.
QUICK = {
    *(("2x2", backend, p) for backend in BACKENDS for p in KINDS),
    *((shape, "tensor", "logits") for shape in SHAPES),
    ("2x3", "tensor", "policies"),
}
TARGETS = [
    pytest.param(*target, id=" ".join(target), marks=[] if target in QUICK else [pytest.mark.slow])
    for target in product(SHAPES, BACKENDS, KINDS)
]


def stacked(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def middle(ball):
    return float(ball.mid())


@pytest.fixture(scope="module")
def truth(brute_force, sampling):
    """All cases of a shape and parameterisation, and their references (shared by the backends)."""
    made = {}

    def make(shape, parameterisation):
        key = shape, parameterisation
        if key not in made:
            rng = np.random.default_rng(sum(map(ord, shape + parameterisation)))
            games = [sampling.game(shape, discount) for discount in sampling.DISCOUNTS]
            largest = SHAPES.index(shape) > 1
            kinds = KINDS[parameterisation][1::2] if largest else KINDS[parameterisation]
            cases = []
            moves = [sampling.direction(games[0], rng) for _ in range(3)]
            for kind in kinds:
                params = sampling.parameters(games[0], kind, parameterisation, rng)
                for game in games:
                    reference = brute_force.Reference.balls(
                        game.stage.payoffs,
                        game.num_actions,
                        game.memory,
                        game.discount,
                        params,
                        parameterisation,
                    )
                    for name, move in zip("uvw", moves, strict=True):
                        reference.move(name, move)
                        for k in range(game.num_players):
                            part = [own if j == k else 0 * own for j, own in enumerate(move)]
                            reference.move(f"{name}{k}", part)
                    cases.append(
                        SimpleNamespace(kind=kind, game=game, params=params, reference=reference)
                    )
            made[key] = SimpleNamespace(cases=cases, moves=moves, games=games)
        return made[key]

    return make


@pytest.fixture(scope="module")
def compiled(truth):
    """What JAX says: one compilation for all cases, by vmap over policies and discounts."""
    made = {}

    def make(shape, backend, parameterisation):
        key = shape, backend, parameterisation
        if key not in made:
            known = truth(shape, parameterisation)
            functions = {g: closed_form(g).compile(parameterisation, backend) for g in known.games}
            values = stacked([functions[case.game] for case in known.cases])
            params = stacked([case.params for case in known.cases])
            u = tuple(map(jnp.asarray, known.moves[0]))
            crosses = CROSSES[2] if shape == "2x2" else CROSSES[len(u)][:3]

            @jax.jit
            @jax.vmap
            def everything(value, p):
                return {
                    "values": value(p),
                    "jacobian": value.jacobian(p),
                    "slope": jax.jvp(value, (p,), (u,))[1],
                    "cross": {ijk: value.cross(p, *ijk, u[ijk[2]]) for ijk in crosses},
                }

            made[key] = jax.tree.map(np.asarray, everything(values, params))
        return made[key]

    return make


CROSSES = {
    2: [(0, 1, 0), (1, 0, 1), (0, 1, 1), *((i, j, k) for i, j, k in product(range(2), repeat=3))],
    3: [(0, 1, 2), (2, 2, 0), (1, 1, 1)],
}


def error(got, expected):
    """Largest absolute error, and largest true entry."""
    got = np.asarray(got).ravel()
    assert len(got) == len(expected)
    assert np.isfinite(got).all()
    wrong = [abs(middle(type(t)(float(x)) - t)) for x, t in zip(got, expected, strict=True)]
    return max(wrong), max(abs(middle(t)) for t in expected)


def spread(case, i, j):
    """A of the module's docstring, for dV_i / dtheta_j."""
    reference = case.reference
    worth = [middle(x) for x in reference._worth(())[i]]
    largest = max(abs(middle(r)) for r in reference.pays[i].values())
    future = middle(reference.g) * (max(worth) - min(worth)) + largest

    def freedom(s):
        if reference.parameters == "policies":
            return 1.0
        return max(middle(p * (1 - p)) for p in reference.policies[j][s])

    return max(middle(w) * freedom(s) for s, w in enumerate(reference.occupancy())) * future


def nearly_splits(case):
    """Where only the bound in A is promised."""
    return case.kind != "interior" and case.game.discount > 0.99


@pytest.mark.parametrize(("shape", "backend", "parameterisation"), TARGETS)
class TestAgainstTheTruth:
    def test_values(self, shape, backend, parameterisation, truth, compiled):
        """1e-15 of the largest payoff, in every regime."""
        values = compiled(shape, backend, parameterisation)["values"]
        for case, got in zip(truth(shape, parameterisation).cases, values, strict=True):
            wrong, _ = error(got, case.reference.values())
            largest = max(abs(middle(r)) for own in case.reference.pays for r in own.values())
            assert wrong <= 1e-15 * largest, (case.kind, case.game.discount)

    def test_gradients(self, shape, backend, parameterisation, truth, compiled):
        blocks = compiled(shape, backend, parameterisation)["jacobian"]
        for n, case in enumerate(truth(shape, parameterisation).cases):
            for i, j in product(range(case.game.num_players), repeat=2):
                wrong, size = error(blocks[i][j][n], case.reference.gradient(i, j))
                assert wrong <= SLACK * EPS * spread(case, i, j), (
                    case.kind,
                    case.game.discount,
                    i,
                    j,
                )
                if not nearly_splits(case):
                    assert wrong <= TIGHT * size, (case.kind, case.game.discount, i, j)

    def test_slopes(self, shape, backend, parameterisation, truth, compiled):
        """Forward-mode derivatives along a dense direction."""
        slopes = compiled(shape, backend, parameterisation)["slope"]
        for case, got in zip(truth(shape, parameterisation).cases, slopes, strict=True):
            if not nearly_splits(case):
                wrong, size = error(got, case.reference.derivative("u"))
                assert wrong <= TIGHT * size, (case.kind, case.game.discount)

    def test_cross(self, shape, backend, parameterisation, truth, compiled):
        """d/dtheta_j < dV_i/dtheta_k, u >, normwise."""
        blocks = compiled(shape, backend, parameterisation)["cross"]
        for n, case in enumerate(truth(shape, parameterisation).cases):
            if nearly_splits(case):
                continue
            for (i, j, k), block in blocks.items():
                units = case.reference.units(j)
                expected = [case.reference.derivative(x, f"u{k}")[i] for x in units]
                wrong, size = error(block[n], expected)
                assert wrong <= TIGHT * size, (case.kind, case.game.discount, i, j, k)


# The user's own automatic differentiation, on the smallest game (the rules are the same for all).


def forward(function, direction):
    return lambda p: jax.jvp(function, (p,), (direction,))[1]


def reverse(function, direction):
    def slope(p):
        gradient = jax.grad(function)(p)
        return sum(jnp.sum(g * d) for g, d in zip(gradient, direction, strict=True))

    return slope


MODES: dict[str, Any] = {"f": forward, "r": reverse}


SECOND = tuple("".join(m) for m in product("fr", repeat=2))
THIRD = tuple("".join(m) for m in product("fr", repeat=3))
DRIVERS = {
    "jacrev": jax.jacrev,
    "jacfwd": jax.jacfwd,
    "hessian": jax.hessian,
    "reverse hessian": lambda f: jax.jacrev(jax.jacrev(f)),
}
slow = pytest.mark.slow
# Each mode of the third order takes the program kernel ten seconds to compile.
QUICK_MIXES = {
    *(("tensor", "logits", m) for m in (*SECOND, "fff", "frr", "rfr", "rrr")),
    *(("program", "logits", m) for m in ("fr", "rr", "rrf")),
}
MIXES = [
    pytest.param(*mix, id=" ".join(mix), marks=[] if mix in QUICK_MIXES else [slow])
    for mix in product(BACKENDS, KINDS, (*SECOND, *THIRD))
]


def selected(known, backend, parameterisation):
    """Functions and parameters of every other case for which TIGHT is promised."""
    chosen = [case for case in known.cases if not nearly_splits(case)][::2]
    functions = {g: closed_form(g).compile(parameterisation, backend) for g in known.games}
    values = stacked([functions[case.game] for case in chosen])
    return chosen, values, stacked([case.params for case in chosen])


@pytest.mark.parametrize(("backend", "parameterisation", "modes"), MIXES)
def test_higher_derivatives_in_every_mix_of_modes(backend, parameterisation, modes, truth):
    """Second and third derivatives of V_1 - 2 V_2 along u, v, w."""
    known = truth("2x2", parameterisation)
    chosen, values, params = selected(known, backend, parameterisation)
    directions = [tuple(map(jnp.asarray, move)) for move in known.moves]

    @jax.jit
    @jax.vmap
    def derivative(value, p):
        def result(q):
            both = value(q)
            return both[0] - 2.0 * both[1]

        for mode, move in zip(modes, directions, strict=False):
            result = MODES[mode](result, move)
        return result(p)

    for case, got in zip(chosen, derivative(values, params), strict=True):
        first, second = case.reference.derivative(*"uvw"[: len(modes)])
        scale = abs(middle(first)) + 2 * abs(middle(second))
        if scale < 1e-100:
            # Zero: a third derivative of one round (g = 0), multilinear in two probabilities.
            assert abs(got) <= 1e-13
        else:
            wrong = abs(float(got) - middle(first - 2 * second))
            assert wrong <= TIGHT * scale, (case.kind, case.game.discount)


@pytest.mark.parametrize(
    ("backend", "parameterisation"),
    [
        ("tensor", "logits"),
        pytest.param("tensor", "policies", marks=slow),
        pytest.param("program", "logits", marks=slow),
        pytest.param("program", "policies", marks=slow),
    ],
)
def test_jacobians_and_hessians_by_jax(backend, parameterisation, truth):
    chosen, values, params = selected(truth("2x2", parameterisation), backend, parameterisation)

    @jax.jit
    @jax.vmap
    def everything(value, p):
        return {name: driver(value)(p) for name, driver in DRIVERS.items()}

    results = jax.tree.map(np.asarray, everything(values, params))
    for n, case in enumerate(chosen):
        for i, j in product(range(2), repeat=2):
            expected = case.reference.gradient(i, j)
            for driver in ("jacrev", "jacfwd"):
                wrong, size = error(results[driver][j][n, i], expected)
                assert wrong <= TIGHT * size, (driver, case.kind, case.game.discount, i, j)
            for k in range(2):
                expected_rows = [x for row in case.reference.hessian(i, j, k) for x in row]
                for driver in ("hessian", "reverse hessian"):
                    wrong, size = error(results[driver][j][k][n, i], expected_rows)
                    assert wrong <= TIGHT * size, (driver, case.kind, case.game.discount, i, j, k)


def test_whole_third_derivative(brute_force, sampling):
    """All 1000 entries for one player, by jacfwd of hessian, at an interior point of the prisoner's
    dilemma."""
    game = prisoners_dilemma().iterated("24/25")
    params = sampling.parameters(game, "interior", "logits", np.random.default_rng(8))
    value = closed_form(game).compile(backend="tensor")
    reference = brute_force.Reference.balls(
        game.stage.payoffs, (2, 2), 1, game.discount, params, "logits"
    )

    def flat(x):
        return value((x[:5, None], x[5:, None]))[0]

    got = jax.jit(jax.jacfwd(jax.hessian(flat)))(jnp.concatenate([p[:, 0] for p in params]))
    units = [*reference.units(0), *reference.units(1)]
    expected = [reference.derivative(x, y, z)[0] for x, y, z in product(units, repeat=3)]
    wrong, size = error(got, expected)
    assert wrong <= TIGHT * size
