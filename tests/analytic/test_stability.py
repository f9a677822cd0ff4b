"""The game Jacobian in symbols and its parts, against automatic differentiation and definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from sympy import Matrix, Rational, Symbol, eye

from resolvent.analytic import closed_form, expansion, game_jacobian
from resolvent.games import (
    DifferentiableGame,
    awkward,
    impossibility,
    matching_pennies,
    nash_not_stable,
    one_shot,
    prisoners_dilemma,
    public_goods,
    quadratic,
    stable_not_nash,
    uniform,
)


def automatic(values, point):
    """w and J of compiled values at flat parameters."""
    ends = np.cumsum([int(np.prod(shape)) for shape in values.shapes])[:-1]

    def shaped(flat):
        parts = jnp.split(flat, ends)
        return tuple(own.reshape(shape) for own, shape in zip(parts, values.shapes, strict=True))

    def gradient(flat):
        params = shaped(flat)
        rows = [
            jax.grad(lambda own, i=i: values((*params[:i], own, *params[i + 1 :]))[i])(params[i])
            for i in range(len(params))
        ]
        return jnp.concatenate([own.ravel() for own in rows])

    at = jnp.asarray(point)
    return np.asarray(gradient(at)), np.asarray(jax.jit(jax.jacfwd(gradient))(at))


def floats(matrix):
    return np.array(matrix.tolist(), dtype=float)


def test_parts():
    x, a, b = sympy.symbols("x a b")
    game = DifferentiableGame(
        [-(x**2) + 3 * x * a - x * b**2, a * b - 2 * b**2 - x * a**2 + x * b],
        parameters=(("x",), ("a", "b")),
    )
    own = game_jacobian(game)
    assert own.gradient.T.tolist() == [[-2 * x + 3 * a - b**2, b - 2 * x * a, a - 4 * b + x]]
    assert own.matrix == Matrix([[-2, 3, -2 * b], [-2 * a, -2 * x, 1], [1, 1, -4]])
    assert own.symmetric + own.antisymmetric == own.matrix
    assert own.symmetric == own.symmetric.T
    assert own.antisymmetric == -own.antisymmetric.T
    assert own.own + own.cross == own.matrix
    assert own.own == Matrix([[-2, 0, 0], [0, -2 * x, 1], [0, 1, -4]])
    assert own.block(1, 0) == Matrix([-2 * a, 1])
    assert own.block(0, 1) == Matrix([[3, -2 * b]])
    there = own.at([["1/2"], [1, "2/3"]])
    assert there.matrix[1, 1] == -1
    assert there.gradient[0] == 2 - Rational(4, 9)
    assert "J = " in str(own)
    with pytest.raises(ValueError, match=r"at\[1\]"):
        own.at([[1], [1]])
    assert own.cross.free_symbols == {a, b}


def test_classification():
    """The examples of the vocabulary, signs turned: stable is not Nash, Nash is not stable."""
    at = [[0], [0]]
    stable = game_jacobian(quadratic([[1, 3], [-3, 1]])).at(at)
    assert stable.stable
    assert not stable.unstable
    assert stable.differential_nash
    assert stable.eigenvalues() == {-1 + 3 * sympy.I: 1, -1 - 3 * sympy.I: 1}
    unstable = game_jacobian(impossibility()).at(at)
    assert unstable.is_fixed_point
    assert unstable.unstable
    assert not unstable.stable
    for game in stable_not_nash(), nash_not_stable():
        own = game_jacobian(game).at(at)
        assert own.is_fixed_point
        assert not own.stable
        assert not own.unstable
        assert not own.differential_nash
    # Own blocks decide Nash, the whole spectrum stability.
    saddle = game_jacobian(quadratic([[1, 3], [3, 1]])).at(at)
    assert saddle.differential_nash
    assert not saddle.stable
    lifted = game_jacobian(quadratic([[-1, 5], [-5, 2]])).at(at)
    assert lifted.stable
    assert not lifted.differential_nash
    away = game_jacobian(quadratic([[1, 3], [-3, 1]])).at([[1], [0]])
    assert not away.is_fixed_point
    with pytest.raises(ValueError, match="symbols"):
        assert game_jacobian(quadratic([[Symbol("k"), 0], [0, 1]])).stable


def test_stability_is_decided_exactly():
    """Against numerical spectra, and where rounding could not tell."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        size = int(rng.integers(1, 5))
        entries = rng.integers(-3, 4, (size, size)).tolist()
        M = Matrix(entries) - 2 * eye(size)
        shape = [[f"x{k}"] for k in range(size)]
        game = DifferentiableGame(
            [
                sympy.Symbol(f"x{i}")
                * sum(M[i, j] * sympy.Symbol(f"x{j}") / (2 if i == j else 1) for j in range(size))
                for i in range(size)
            ],
            shape,
        )
        own = game_jacobian(game).at([[0]] * size)
        assert own.matrix == M
        real = np.linalg.eigvals(floats(M)).real
        if np.abs(real).min() > 1e-6:
            assert own.stable == (real.max() < 0)
            assert own.unstable == (real.min() > 0)
    tiny = Rational(1, 10**30)
    for shift in tiny, -tiny:
        own = game_jacobian(quadratic([[shift, 1], [-1, shift]])).at([[0], [0]])
        assert own.stable == (shift > 0)
    assert not game_jacobian(quadratic([[0, 1], [-1, 0]])).at([[0], [0]]).stable


@pytest.mark.slow
@pytest.mark.parametrize("parameters", ["logits", "policies"])
def test_iterated_games(parameters):
    game = prisoners_dilemma().iterated("24/25")
    form = closed_form(game)
    chances = [["1/3", "3/5", "1/4", "5/7", "1/9"], ["2/3", "1/5", "1/2", "1/6", "3/4"]]
    policies = [[[Rational(p), 1 - Rational(p)] for p in own] for own in chances]
    exact = game_jacobian(form, policies=policies, parameters=parameters)
    values = form.compile(parameters, backend="tensor")
    flat = np.array([[float(Rational(p)) for p in own] for own in chances]).ravel()
    point = np.log(flat / (1 - flat)) if parameters == "logits" else flat
    w, J = automatic(values, point)
    np.testing.assert_allclose(floats(exact.gradient)[:, 0], w, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(floats(exact.matrix), J, rtol=1e-9, atol=1e-12)
    assert [x.name for x in exact.parameters[0]] == ["p_0", "p_CC", "p_CD", "p_DC", "p_DD"]


def test_logits_by_the_chain_rule():
    """dp/dx = p (1 - p) and d2p/dx2 = p (1 - p)(1 - 2p) turn derivatives in probabilities into those in
    logits, exactly."""
    game = prisoners_dilemma().iterated("24/25")
    form = closed_form(game)
    chances = [["1/3", "3/5", "1/4", "5/7", "1/9"], ["2/3", "1/5", "1/2", "1/6", "3/4"]]
    policies = [[[Rational(p), 1 - Rational(p)] for p in own] for own in chances]
    inner = game_jacobian(form, policies=policies, parameters="policies")
    p = [Rational(p) for own in chances for p in own]
    first = sympy.diag(*(x * (1 - x) for x in p))
    bent = sympy.diag(
        *(x * (1 - x) * (1 - 2 * x) * w for x, w in zip(p, inner.gradient.flat(), strict=True))
    )
    outer = game_jacobian(form, policies=policies)
    assert outer.gradient == first * inner.gradient
    assert outer.matrix == first * inner.matrix * first + bent


def test_more_actions_players_and_sums():
    """Three players, three actions: without memory, a sum at 1/2 is twice the game played once."""
    for stage, row in (public_goods(3), ["1/3", "2/3"]), (awkward(), ["1/2", "1/3", "1/6"]):
        game = stage.iterated("1/2", memory=0)
        rows = [row[-n:] for n in game.num_actions]
        policies = [[[Rational(p) / sum(map(Rational, own)) for p in own]] for own in rows]
        exact = game_jacobian(closed_form(game, normalise="sum"), policies=policies)
        flat = [float(sympy.log(Rational(p) / Rational(own[-1]))) for own in rows for p in own[:-1]]
        w, J = automatic(closed_form(one_shot(stage)).compile(), flat)
        np.testing.assert_allclose(floats(exact.gradient)[:, 0], 2 * w, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(floats(exact.matrix), 2 * J, rtol=1e-9, atol=1e-12)


def test_symbols_of_policies():
    """The Jacobian in policy symbols, put at a point, is the one that is expanded there."""
    game = matching_pennies().iterated("1/2", memory=0)
    form = closed_form(game)
    own = game_jacobian(form, parameters="policies")
    at = [[["1/3", "2/3"]], [["1/4", "3/4"]]]
    there = game_jacobian(form, policies=at, parameters="policies")
    flat = [x for each in own.parameters for x in each]
    numbers = dict(zip(flat, [Rational(1, 3), Rational(1, 4)], strict=True))
    assert sympy.simplify(own.matrix.xreplace(numbers)) == there.matrix
    assert sympy.simplify(own.gradient.xreplace(numbers)) == there.gradient


def test_expansions_are_taylor_polynomials():
    """Along a line, the coefficients of the closed form's own exact series."""
    game = prisoners_dilemma().iterated("9/10")
    form = closed_form(game)
    start = uniform(game, 0)
    local = expansion(form, [start, start], order=3, parameters="policies")
    rng = np.random.default_rng(0)
    moves = rng.integers(-3, 4, (2, 5))
    direction = [[[int(m), -int(m)] for m in own] for own in moves]
    series = form.taylor([start, start], direction, 3)
    t = Symbol("t")
    along = {
        x: int(m) * t
        for own, row in zip(local.parameter_symbols, moves, strict=True)
        for x, m in zip(own, row, strict=True)
    }
    for value, known in zip(local.values, series, strict=True):
        found = sympy.Poly(value.xreplace(along), t).all_coeffs()[::-1]
        assert [Rational(c.numerator, c.denominator) for c in known] == found


def test_bad_input():
    game = matching_pennies().iterated("9/10")
    form = closed_form(game)
    certain = [[["1", "0"]] * 5, uniform(game, 1)]
    with pytest.raises(ValueError, match="positive probabilities"):
        game_jacobian(form, policies=certain)
    assert game_jacobian(form, policies=certain, parameters="policies").matrix.shape == (10, 10)
    with pytest.raises(ValueError, match="parameters"):
        game_jacobian(form)
    with pytest.raises(ValueError, match="order"):
        expansion(form, certain, order=0)
    with pytest.raises(ValueError, match="policies"):
        game_jacobian(quadratic(), policies=certain)
    symbolic = prisoners_dilemma().iterated(Symbol("g"))
    with pytest.raises(ValueError, match="symbols"):
        game_jacobian(closed_form(symbolic), policies=[uniform(game, 0), uniform(game, 1)])
