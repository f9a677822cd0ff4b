"""What a closed form offers on top of its forms: calculus, symmetric play, limits, shared work."""

import ctypes
import json
import runpy
import shutil
import subprocess
from fractions import Fraction
from itertools import product
from math import factorial
from random import Random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from resolvent.analytic import (
    ClosedForm,
    RationalFunction,
    TooLargeToDeriveError,
    TooLargeToExpandError,
    closed_form,
)
from resolvent.games import (
    NormalForm,
    StochasticGame,
    absolute_view,
    grim,
    matching_pennies,
    prisoners_dilemma,
    tit_for_tat,
    uniform,
)

F = Fraction
DILEMMA = prisoners_dilemma(T=5, R=3, P=1, S=0)


def policies(seed=0, states=5):
    rng = Random(seed)

    def row():
        p = F(rng.randint(1, 16), 17)
        return (p, 1 - p)

    return tuple(tuple(row() for _ in range(states)) for _ in range(2))


def point(form, joint):
    return {
        symbol: sympy.Rational(p.numerator, p.denominator)
        for own, rows in zip(form.policy_symbols, joint, strict=True)
        for symbols, row in zip(own, rows, strict=True)
        for symbol, p in zip(symbols[:-1], row[:-1], strict=True)
    }


def at(expression, form, joint):
    number = sympy.sympify(expression).subs(point(form, joint))
    return F(int(number.p), int(number.q))


def same(one, other):
    """Whether two expressions are the same rational function."""
    return RationalFunction.from_expression(one) == RationalFunction.from_expression(other)


def line(form, player, row):
    """The direction in which one probability grows and its complement shrinks."""
    direction = [[[F(0), F(0)] for _ in own] for own in form.policy_symbols]
    direction[player][row] = [F(1), F(-1)]
    return direction


def combination(*directions):
    return [
        [
            [sum(entries, F(0)) for entries in zip(*rows, strict=True)]
            for rows in zip(*own, strict=True)
        ]
        for own in zip(*directions, strict=True)
    ]


def mixed_derivative(form, joint, directions, i):
    """By polarisation of exact Taylor coefficients along sums of directions."""
    order = len(directions)
    total = F(0)
    for chosen in product((0, 1), repeat=order):
        if any(chosen):
            some = [d for d, c in zip(directions, chosen, strict=True) if c]
            coefficient = form.taylor(joint, combination(*some), order)[i][order]
            total += (-1) ** (order - sum(chosen)) * coefficient * factorial(order)
    return total / factorial(order)


def test_derivatives_of_every_order_are_the_exact_ones():
    form = closed_form(DILEMMA.iterated("9/10"))
    joint = policies(1)
    gradient, hessian, third = (
        form.gradient(0, 1),
        form.hessian(1, (0, 1)),
        form.third(0, (0, 1, 1)),
    )
    assert gradient.shape == (5, 1)
    assert hessian.shape == (5, 5)
    assert third.shape == (5, 5, 5)
    for row in (0, 2, 4):
        assert at(gradient[row, 0], form, joint) == form.taylor(joint, line(form, 1, row), 1)[0][1]
    for a, b in ((0, 0), (3, 1), (4, 2)):
        expected = mixed_derivative(form, joint, [line(form, 0, a), line(form, 1, b)], 1)
        assert at(hessian[a, b], form, joint) == expected
    for a, b, c in ((0, 1, 2), (3, 3, 4)):
        lines = [line(form, 0, a), line(form, 1, b), line(form, 1, c)]
        assert at(third[a, b, c], form, joint) == mixed_derivative(form, joint, lines, 0)


def test_series_in_a_policy_parameter():
    """Against Taylor coefficients along that parameter."""
    form = closed_form(DILEMMA.iterated("9/10"))
    joint = policies(2)
    symbol = form.policy_symbols[1][2][0]
    series = form.series(0, symbol, str(joint[1][2][0]), 2)
    expected = form.taylor(joint, line(form, 1, 2), 2)[0]
    assert [at(c, form, joint) for c in series] == list(expected)
    assert form.series(0, str(symbol), str(joint[1][2][0]), 1) == series[:2]


def test_series_in_the_discount():
    g = sympy.Symbol("gamma")
    form = closed_form(DILEMMA.iterated(g))
    joint = policies(3)
    series = form.series(0, g, 0, 2)
    # Round by round: the values of the first three rounds, by repeated substitution of the chain.
    (p0, *p), (q0, *q) = ([row[0] for row in own] for own in joint)
    now = [p0 * q0, p0 * (1 - q0), (1 - p0) * q0, (1 - p0) * (1 - q0)]
    pay, rounds = [3, 0, 5, 1], []
    for _ in range(3):
        rounds.append(sum(w * r for w, r in zip(now, pay, strict=True)))
        after = [F(0)] * 4
        for w, a, b in zip(now, p, q, strict=True):
            for k, chance in enumerate((a * b, a * (1 - b), (1 - a) * b, (1 - a) * (1 - b))):
                after[k] += w * chance
        now = after
    # (1 - g) sum g^t r_t
    expected = [rounds[0], rounds[1] - rounds[0], rounds[2] - rounds[1]]
    assert [at(c, form, joint) for c in series] == expected


@pytest.mark.parametrize(
    "game",
    [
        DILEMMA.iterated("9/10"),
        DILEMMA.iterated("9/10", observe="reactive"),
        DILEMMA.iterated("1/2", initial="uniform"),
        DILEMMA.iterated("1/2", implementation_noise="1/20"),
    ],
    ids=["memory one", "reactive", "no start", "noise"],
)
def test_symmetric_play(game):
    """Everybody plays player 1's policy from its own view: then both get the same."""
    form = closed_form(game)
    own = policies(4, len(game.observations[0]))[0]
    full = game.observations[0] == game.states
    joint = (own, absolute_view(game, own, 1) if full else own)
    value = form.symmetric()
    assert not {str(s)[0] for s in value.free_symbols} - {"p"}
    assert at(value, form, joint) == form.evaluate(joint)[0] == form.evaluate(joint)[1]
    assert same(value, form.symmetric(1))


def test_symmetric_play_where_it_means_nothing():
    with pytest.raises(ValueError, match=r"symmetric: .*same actions"):
        closed_form(NormalForm([[[1, 2]], [[3, 4]]]).iterated("1/2")).symmetric()
    with pytest.raises(ValueError, match=r"symmetric: .*substitute"):
        closed_form(DILEMMA.iterated("1/2").as_stochastic()).symmetric()


def test_limit_in_a_parameter_and_factors():
    g = sympy.Symbol("gamma")
    form = closed_form(DILEMMA.iterated(g))
    assert same(form.limit(0, g, 1), form.average()[0])
    assert same(form.factor(0), form.values[0])
    # Unconditional players: the value is the stage game's, and all that depends on g cancels.
    p, q = sympy.symbols("p q")
    alike = {row[0]: p for row in form.policy_symbols[0]} | {
        row[0]: q for row in form.policy_symbols[1]
    }
    assert same(form.substitute(0, alike), 3 * p * q + 5 * (1 - p) * q + (1 - p) * (1 - q))


def test_substitute_is_simultaneous():
    form = closed_form(DILEMMA.iterated("1/2"))
    p, q = form.policy_symbols[0][1][0], form.policy_symbols[1][1][0]
    swapped = form.substitute(0, {p: q, q: p})
    joint = policies(5)
    turned = [list(own) for own in joint]
    turned[0][1], turned[1][1] = joint[1][1], joint[0][1]
    assert at(swapped, form, joint) == form.evaluate(turned)[0]


# The limit of patience.


def test_average_in_symbols_is_press_and_dyson():
    """Press and Dyson, PNAS 2012, eq. 6: a quotient of two determinants (written out here)."""
    form = closed_form(DILEMMA.iterated("1/3"))
    (_, *p), (_, *q) = ([row[0] for row in own] for own in form.policy_symbols)
    one, two, three, four = zip(p, q, strict=True)

    def det(f):
        return sympy.Matrix(
            [
                [one[0] * one[1] - 1, one[0] - 1, one[1] - 1, f[0]],
                [two[0] * two[1], two[0] - 1, two[1], f[1]],
                [three[0] * three[1], three[0], three[1] - 1, f[2]],
                [four[0] * four[1], four[0], four[1], f[3]],
            ]
        ).det()

    bottom = det([1, 1, 1, 1])
    for value, pay in zip(form.average(), ([3, 0, 5, 1], [3, 5, 0, 1]), strict=True):
        quotient: Any = det(pay)
        assert same(value, quotient / bottom)


def test_average_is_the_limit_of_values():
    """Interior policies: the exact value at a discount of 1 - 10^-k approaches with that error."""
    joint = policies(6)
    for normalise in ("average", "sum"):
        form = closed_form(DILEMMA.iterated("24/25"), normalise)
        limit = form.average(joint)
        for k in (6, 12):
            near = closed_form(DILEMMA.iterated(1 - F(1, 10**k))).evaluate(joint)
            assert all(abs(a - b) < F(20, 10**k) for a, b in zip(limit, near, strict=True))
        assert [at(value, form, joint) for value in form.average()] == list(limit)


def test_average_of_floats_agrees_with_exact():
    form = closed_form(DILEMMA.iterated("24/25"))
    joint = policies(7)
    floats = tuple(np.array(own, dtype=float) for own in joint)
    np.testing.assert_allclose(
        form.average(floats), [float(x) for x in form.average(joint)], rtol=1e-14
    )


def test_average_refusals():
    form = closed_form(DILEMMA.iterated("24/25"))
    with pytest.raises(ValueError, match="policies"):
        form.average(trembling="uniform")
    floats = tuple(np.full((5, 2), 0.5) for _ in range(2))
    with pytest.raises(ValueError, match="exact"):
        form.average(floats, trembling="uniform")
    with pytest.raises(ValueError, match=r"order"):
        form.average(policies(), order="noise_first")


BIG_MATCH = StochasticGame(
    # Player 1 stays or stops; stopping ends play in a state that pays what was matched for ever.
    [
        [[[1, 0], [0, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]],
        [[[0, 1], [1, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]],
    ],
    [
        [[[1, 0, 0], [1, 0, 0]], [[0, 0, 1], [0, 1, 0]]],
        [[[0, 1, 0]] * 2] * 2,
        [[[0, 0, 1]] * 2] * 2,
    ],
    "1/2",
)


def test_several_closed_sets_of_states():
    """The big match (Gillette 1957): two absorbing states, so the limit needs the policies."""
    form = closed_form(BIG_MATCH)
    with pytest.raises(ValueError, match=r"2 separate sets"):
        form.average()
    with pytest.raises(ValueError, match=r"2 sets"):
        form.compile(average=True)
    third = ((F(2, 3), F(1, 3)), (F(1), F(0)), (F(1), F(0)))
    half = ((F(1, 4), F(3, 4)), (F(1), F(0)), (F(1), F(0)))
    # Player 1 stops at some time; then it is absorbed where it pays 1 with the chance that 2 plays b.
    assert form.average((third, half)) == (F(3, 4), F(1, 4))
    report = form.long_run((third, half))
    assert report.classes == ((1,), (2,))
    assert report.reached == (F(3, 4), F(1, 4))
    never = ((F(1), F(0)),) * 3
    assert form.average((never, half)) == (F(1, 4), F(3, 4))


@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_compiled_averages(backend):
    """Values, gradients and products of the limit, at interior policies, against the exact value at a
    discount so near to one that the difference is below rounding."""
    form = closed_form(DILEMMA.iterated("24/25"))
    joint = policies(8)
    values = form.compile("policies", backend, average=True)
    params = values.parameters(tuple(np.array(own, dtype=float) for own in joint))
    assert "limit of discount 1" in repr(values)
    np.testing.assert_allclose(values(params), [float(x) for x in form.average(joint)], rtol=1e-15)
    near = closed_form(DILEMMA.iterated(1 - F(1, 10**30)))
    gradients = values.jacobian(params)
    for i, j, row in ((0, 1, 2), (1, 1, 3), (0, 0, 0)):
        slope = near.taylor(joint, line(near, j, row), 1)[i][1]
        assert abs(float(gradients[i][j][row, 0]) - float(slope)) < 1e-14
    u = jnp.asarray([[0.0], [1.0], [0.0], [0.0], [0.0]])
    product_ = values.cross(params, 0, 0, 1, u)
    for row in (1, 4):
        exact = mixed_derivative(near, joint, [line(near, 0, row), line(near, 1, 1)], 0)
        assert abs(float(product_[row, 0]) - float(exact)) < 1e-13
    curved = jax.hessian(lambda own: values((own, params[1]))[0])(params[0])
    exact = mixed_derivative(near, joint, [line(near, 0, 2), line(near, 0, 3)], 0)
    assert abs(float(curved[2, 0, 3, 0]) - float(exact)) < 1e-13


@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_compiled_averages_where_there_is_no_limit(backend):
    """Two tit-for-tat players stay where they begin: three sets of states."""
    game = DILEMMA.iterated("24/25")
    form = closed_form(game)
    values = form.compile("policies", backend, average=True)
    params = values.parameters(tuple(np.array(tit_for_tat(game, i), float) for i in range(2)))
    for call in (values, values.jacobian):
        with pytest.raises(Exception, match="several separate sets of states"):
            call(params)
    # One player conditioning on nothing is enough for one set of states, also with certain moves.
    params = values.parameters((np.array(grim(game, 0), float), np.array(uniform(game, 1), float)))
    np.testing.assert_allclose(values(params), [3.0, 0.5], rtol=1e-15)


def test_average_needs_the_scale_of_averages():
    with pytest.raises(ValueError, match="average"):
        closed_form(DILEMMA.iterated("1/2"), "sum").compile(average=True)


# Sizes and shared work.


def test_what_one_wins_the_other_loses_is_computed_once():
    game = matching_pennies().iterated("9/10")
    one = closed_form(game)
    assert one.numerator(1) == -one.numerator(0)
    alone = closed_form(
        NormalForm([matching_pennies().payoffs[0], [[0, 0], [0, 0]]]).iterated("9/10")
    )
    assert len(one.value_program) <= len(alone.value_program) + 1
    joint = policies(9)
    assert one.evaluate(joint)[1] == -one.evaluate(joint)[0]


def test_different_discounts_have_one_printed_denominator():
    form = closed_form(DILEMMA.iterated(["1/2", "9/10"]))
    joint = policies(10)
    for i, g in enumerate(("1/2", "9/10")):
        value = form.evaluate(joint)[i]
        assert at(form.values[i], form, joint) == value
        assert closed_form(DILEMMA.iterated(g)).evaluate(joint)[i] == value
    total = closed_form(form.game, "sum")
    assert total.evaluate(joint) == tuple(
        v * scale for v, scale in zip(form.evaluate(joint), (2, 10), strict=True)
    )
    assert [at(value, total, joint) for value in total.values] == list(total.evaluate(joint))


def test_large_games_say_what_would_be_too_large():
    form = closed_form(NormalForm(np.zeros((4, 4, 4, 4, 4), int)).iterated("24/25"))
    assert form.program.backend == "tensor"
    assert "tensor backend" in str(form)
    with pytest.raises(TooLargeToExpandError, match=r"1e616 terms"):
        form.values  # noqa: B018
    with pytest.raises(TooLargeToDeriveError, match=r"operations .*\.evaluate"):
        form.value_program  # noqa: B018


def test_noise_as_a_symbol():
    e = sympy.Symbol("epsilon")
    form = closed_form(DILEMMA.iterated("1/2", implementation_noise=e))
    numeric = closed_form(DILEMMA.iterated("1/2", implementation_noise="1/7"))
    joint = policies(11)
    value = form.values[0].subs(e, sympy.Rational(1, 7))
    assert at(value, form, joint) == numeric.evaluate(joint)[0]
    assert form.evaluate(joint, {e: "1/7"}) == numeric.evaluate(joint)
    assert (
        at(form.unexpanded[1].subs(e, sympy.Rational(1, 7)), form, joint)
        == (numeric.evaluate(joint)[1])
    )


# In files and as source.


def joint_of(game, seed):
    rng = Random(seed)
    joint = []
    for rows, actions in game.policy_shapes:
        weights = [[rng.randint(1, 9) for _ in range(actions)] for _ in range(rows)]
        joint.append(tuple(tuple(F(w, sum(own)) for w in own) for own in weights))
    return tuple(joint)


EXPORTED = {
    "plain": DILEMMA.iterated("24/25"),
    "reactive, noisy, own discounts": DILEMMA.iterated(
        ["9/10", "1/2"], observe="reactive", implementation_noise="1/20"
    ),
    "stochastic": BIG_MATCH,
    "memory 2": DILEMMA.iterated("24/25", memory=2),
}


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) on this machine")
@pytest.mark.parametrize("kind", EXPORTED)
def test_source_computes_what_jax_does(tmp_path, kind):
    game = EXPORTED[kind]
    form = closed_form(game, "sum")
    (tmp_path / "values.c").write_text(form.c("exported"))
    library = tmp_path / "values.so"
    flags = [
        "-std=c99",
        "-O2",
        "-ffp-contract=off",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
    ]
    subprocess.run(["cc", *flags, "-o", library, tmp_path / "values.c"], check=True)
    function = ctypes.CDLL(str(library)).exported_values
    (tmp_path / "exported.py").write_text(form.python())
    module = runpy.run_path(str(tmp_path / "exported.py"))

    compiled = form.compile("policies")
    for seed in range(5):
        joint = joint_of(game, seed)
        floats = tuple(np.array(own, dtype=float) for own in joint)
        flat = np.concatenate([own.ravel() for own in floats])
        result = np.empty(2)
        pointers = [own.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for own in (flat, result)]
        function(*pointers)
        np.testing.assert_allclose(result, compiled(compiled.parameters(floats)), rtol=2e-15)
        assert module["values"](floats) == tuple(result)
        assert module["values"](joint, number=F) == form.evaluate(joint)


@pytest.mark.parametrize("normalise", ["average", "sum"])
@pytest.mark.parametrize("kind", EXPORTED)
def test_saved_forms_come_back(tmp_path, kind, normalise):
    game = EXPORTED[kind]
    form = closed_form(game, normalise)
    form.save(tmp_path / "form.json")
    again = ClosedForm.load(tmp_path / "form.json")
    assert again == form
    assert again.value_program == form.value_program
    joint = joint_of(game, 1)
    assert again.evaluate(joint) == form.evaluate(joint)
    if kind != "memory 2":
        assert again.values == form.values
        assert again.rational(1) == form.rational(1)


def test_saved_forms_with_symbols(tmp_path):
    g, T, e = sympy.symbols("gamma T epsilon")
    stage = NormalForm([[[3, 0], [T, 1]], [[3, T], [0, 1]]])
    form = closed_form(stage.iterated(g, observe="reactive", implementation_noise=e))
    form.save(tmp_path / "form.json")
    again = ClosedForm.load(tmp_path / "form.json")
    assert again.values == form.values
    assert again.value_program == form.value_program
    with pytest.raises(ValueError, match="symbols"):
        form.c()


def test_a_form_that_is_not_the_games_is_refused(tmp_path):
    path = tmp_path / "form.json"
    closed_form(DILEMMA.iterated("24/25")).save(path)
    other = tmp_path / "other.json"
    closed_form(prisoners_dilemma().iterated("24/25")).save(other)
    mine, theirs = json.loads(path.read_text()), json.loads(other.read_text())
    for field in ("program", "polynomials"):
        path.write_text(json.dumps({**mine, field: theirs[field]}))
        with pytest.raises(ValueError, match=field):
            ClosedForm.load(path)
