"""Update maps in symbols, at points, and of the numeric learners, which share no code; the closed forms of
the literature (section 3 of the specification)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from sympy import Rational, Symbol, sqrt

from resolvent.analytic import Rule, closed_form, step_region, step_sizes, update_map
from resolvent.analytic.update_rules import RULES
from resolvent.games import (
    DifferentiableGame,
    balduzzi,
    consensus_trap,
    hamiltonian,
    lola_trap,
    matching_pennies,
    prisoners_dilemma,
    quadratic,
    sga_trap,
    tandem,
    uniform,
)
from resolvent.numeric import learners
from resolvent.numeric.loop import joint_update

ALPHA = Symbol("alpha")
ORIGIN = [[0], [0]]
# Three players, of 1, 2 and 1 parameters; payoffs of degree 4; 0 is a fixed point.
THREE = DifferentiableGame(
    [
        "-2*a**2 + a*b*3 - a*c + a**2*d/3 + a*b**2*d - a**3*c + b - 2*d + b*c",
        "-b**2 - c**2 + b*c/2 + 2*b*a - c*a + c*d**2 + b**2*a - d*b/3 + a/2 + 3*d + a*d*c",
        "-d**2/2 - d*a + d*b*2 + c*d + a*b*d - d**3 + 2*a - c + b**2",
    ],
    parameters=(("a",), ("b", "c"), ("d",)),
)
# Two players, of 1 and 2 parameters, for rules that take long to compile for three.
TWO = DifferentiableGame(
    ["-x**2 + 2*x*u - x*v + x**2*v/3 + u - x*u**2", "-u**2 - v**2 + u*v - 3*x*u + x*v**2 - x/2"],
    parameters=(("x",), ("u", "v")),
)
WITH_THREE = ("naive", "lola")
TAKES_LONG = ("higher_order_lola", "lola exact")  # to compile; the symbols check them too
NUMERIC = {
    "naive": lambda a, e: learners.Naive(a),
    "look_ahead": lambda a, e: learners.LookAhead(a, e),
    "lola": lambda a, e: learners.LOLA(a, e),
    "lola original": lambda a, e: learners.LOLA(a, e, variant="original"),
    "lola exact": lambda a, e: learners.LOLA(a, e, variant="exact"),
    "higher_order_lola": lambda a, e: learners.HigherOrderLOLA(a, 2, e),
    "sos": lambda a, e: learners.SOS(a, lookahead=e),
    "sga": lambda a, e: learners.SGA(a, 0.3, align=False),
    "consensus_optimization": lambda a, e: learners.ConsensusOptimization(a, 0.3),
    "extra_gradient": lambda a, e: learners.ExtraGradient(a, e),
    "optimistic_gradient": lambda a, e: learners.OptimisticGradient(a),
    "competitive_gradient": lambda a, e: learners.CompetitiveGradient(a, e),
    "local_symplectic_surgery": lambda a, e: learners.LocalSymplecticSurgery(a),
}


def rule(title, rate, lookahead=None):
    """The same rule in symbols."""
    name, _, variant = title.partition(" ")
    options = {"variant": variant or None}
    if name in ("sga", "consensus_optimization"):
        options["weight"] = "0.3"
    elif name not in ("naive", "optimistic_gradient", "local_symplectic_surgery"):
        options["lookahead"] = lookahead
    return Rule(name, rate, **options)


def numeric_jacobian(values, players, point):
    """Of one joint step of numeric learners, with memory, by automatic differentiation."""
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    ends = np.cumsum(sizes)[:-1]

    def shaped(flat):
        parts = jnp.split(flat, ends)
        return tuple(own.reshape(shape) for own, shape in zip(parts, values.shapes, strict=True))

    total = sum(sizes)
    start = shaped(jnp.asarray(point))
    states = [own.init(values, start, i) for i, own in enumerate(players)]
    remembers = [i for i, state in enumerate(states) if state is not None]

    def step(joint):
        params = shaped(joint[:total])
        memory = dict(zip(remembers, shaped_some(joint[total:], remembers, values), strict=True))
        known = [memory.get(i) for i in range(len(players))]
        updates, after, *_ = joint_update(values, players, params, known)
        moved = jnp.concatenate([(p + u).ravel() for p, u in zip(params, updates, strict=True)])
        return jnp.concatenate([moved, *(after[i].ravel() for i in remembers)])

    joint = jnp.concatenate(
        [jnp.asarray(point), *(jnp.asarray(states[i]).ravel() for i in remembers)]
    )
    return np.asarray(jax.jit(jax.jacfwd(step))(joint))


def shaped_some(flat, players, values):
    found, first = [], 0
    for i in players:
        size = int(np.prod(values.shapes[i]))
        found.append(flat[first : first + size].reshape(values.shapes[i]))
        first += size
    return found


def as_floats(matrix):
    return np.array(matrix.tolist(), dtype=float)


@pytest.mark.parametrize(
    "title",
    [pytest.param(own, marks=pytest.mark.slow) if own in TAKES_LONG else own for own in NUMERIC],
)
def test_jacobians_of_numeric_learners(title):
    """At the fixed point 0 of a nonlinear game, with rates and look-aheads for each player. (LOLA and higher
    orders do not keep it; their Jacobian is compared there all the same.)"""
    form = closed_form(THREE if title in WITH_THREE else TWO)
    players = len(form.game.players)
    rates, ahead = ["0.1", "0.07", "0.2"][:players], ["0.05", "0.3", "0.15"][:players]
    rules = [rule(title, rate, ahead) for rate in rates]
    at = [[0] * len(own) for own in form.parameter_symbols]
    exact = update_map(form, rules).jacobian(at, check="lola" not in title)
    known = [NUMERIC[title](float(rate), [float(x) for x in ahead]) for rate in rates]
    theirs = numeric_jacobian(form.compile(), known, np.zeros(players + 1))
    np.testing.assert_allclose(as_floats(exact), theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [*RULES])
def test_symbols_and_points_agree(name):
    """The map written out and differentiated, and the dual numbers, at a point that nothing keeps."""
    game = DifferentiableGame(
        ["-x**2 + 3*x*y + x*y**2/2 + y", "-y**2 - x*y + x**2*y/3 - 2*x"], name="quartic"
    )
    at = [[0], [0]] if name == "sos" else [["1/3"], ["-1/2"]]
    own = update_map(game, name)
    dual = own.jacobian(at, check=False)
    point = {Symbol("x"): Rational(at[0][0]), Symbol("y"): Rational(at[1][0])}
    written = own.expressions.jacobian(own.symbols).xreplace(point)
    difference = (written - dual).applyfunc(lambda e: sympy.cancel(sympy.together(e)))
    assert difference.is_zero_matrix


def test_different_rules_and_memories():
    """A LookAhead player with an optimistic one."""
    form = closed_form(TWO)
    rules = [Rule("look_ahead", "0.1"), Rule("optimistic_gradient", "0.2")]
    own = update_map(form, rules)
    assert [x.name for x in own.symbols] == ["x", "u", "v", "previous_u", "previous_v"]
    players = [learners.LookAhead(0.1), learners.OptimisticGradient(0.2)]
    theirs = numeric_jacobian(form.compile(), players, np.zeros(3))
    exact = own.jacobian([[0], [0, 0]])
    np.testing.assert_allclose(as_floats(exact), theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("title", ["lola", "look_ahead"])
def test_iterated_games_in_logits(title):
    """Ten parameters, from Taylor polynomials of exact values, against automatic differentiation."""
    game = prisoners_dilemma().iterated("9/10")
    policies = [
        [[Rational(k + 2, 10 - i), 1 - Rational(k + 2, 10 - i)] for k in range(5)] for i in range(2)
    ]
    form = closed_form(game, normalise="sum")
    exact = update_map(form, title, policies=policies, rate="0.05").jacobian(check=False)
    values = form.compile()
    floats = tuple(np.array(own, dtype=float) for own in policies)
    point = np.concatenate([np.asarray(own).ravel() for own in values.parameters(floats)])
    theirs = numeric_jacobian(values, [NUMERIC[title](0.05, None)] * 2, point)
    np.testing.assert_allclose(as_floats(exact), theirs, rtol=1e-9, atol=1e-11)


# The literature's step sizes -----------------------------------------------------------------


def high(name, game=None, at=ORIGIN, **options):
    """The end of the only interval, which begins at 0."""
    own = update_map(hamiltonian() if game is None else game, name, **options)
    ((low, end),) = step_sizes(own.jacobian(at)).intervals
    assert low == 0
    return end


def test_the_bilinear_table():
    """On losses xy, -xy: squared multipliers of section 3, and where they are below 1."""
    assert step_sizes(update_map(hamiltonian(), "naive").jacobian(ORIGIN)).intervals == ()
    for name in "look_ahead", "sos", "extra_gradient", "sga", "consensus_optimization":
        assert high(name) == 1
    assert high("lola", variant="original") == 1
    assert high("lola") == high("lola", variant="exact") == sqrt(3) / 2
    assert high("competitive_gradient") == sympy.oo
    assert high("optimistic_gradient") == 1 / sqrt(3)
    squares = {
        "naive": 1 + ALPHA**2,
        "look_ahead": 1 - ALPHA**2 + ALPHA**4,
        "lola": 1 - 3 * ALPHA**2 + 4 * ALPHA**4,
        "competitive_gradient": 1 / (1 + ALPHA**2),
        "sga": 1 - 2 * ALPHA + 2 * ALPHA**2,
    }
    for name, square in squares.items():  # conjugate eigenvalues: their product is the determinant
        jacobian = update_map(hamiltonian(), name).jacobian(ORIGIN)
        assert sympy.cancel(jacobian.det() - square) == 0


def test_balduzzi():
    assert high("naive", balduzzi()) == Rational(2, 101)


def test_tandem():
    """LOLA's own fixed points x + y = s move with alpha; taylor's are stable for alpha < 1/4 only."""
    s = {
        "taylor": (1 - 2 * ALPHA) / (1 - 4 * ALPHA),
        "original": 1 / (1 - 2 * ALPHA),
        "exact": (1 - 2 * ALPHA + 4 * ALPHA**2) / (1 - 2 * ALPHA) ** 2,
    }
    for variant, total in s.items():
        own = update_map(tandem(), "lola", variant=variant)
        jacobian = own.jacobian([[total / 3], [2 * total / 3]])
        assert step_sizes(jacobian).intervals == ()
        steps = step_sizes(jacobian, transverse=True)
        if variant == "taylor":
            assert steps.intervals == ((0, Rational(1, 4)),)
            multiplier = 1 - 4 * ALPHA * (1 - 4 * ALPHA)
            assert sympy.expand(jacobian.trace() - 1 - multiplier) == 0
        with pytest.raises(ValueError, match="fixed point"):
            own.jacobian([["1/3"], ["2/3"]])
    game = update_map(tandem(), "sos").jacobian([["1/3"], ["2/3"]])
    assert step_sizes(game, transverse=True).contains("0.1")
    with pytest.raises(ValueError, match="fixed points of the game"):
        update_map(tandem(), "sos").jacobian(ORIGIN)


def test_lola_leaves_an_isolated_stable_fixed_point():
    own = update_map(lola_trap(), "lola")
    with pytest.raises(ValueError, match="fixed point of the map"):
        own.jacobian(ORIGIN)
    assert step_sizes(update_map(lola_trap(), "look_ahead").jacobian(ORIGIN)).contains("0.1")


def test_traps():
    """Consensus optimisation and SGA are drawn to bad points for large weights: examples 8 and 9 of
    Letcher et al. (2019)."""
    for kappa in 1, 2:
        own = update_map(consensus_trap(kappa), "consensus_optimization", rate="1/100", weight="l")
        drawn = step_sizes(own.jacobian(ORIGIN))
        assert drawn.intervals[0][0] == Rational(1, kappa)
    own = update_map(sga_trap("1/10"), "sga", weight="l")
    region = step_region(own.jacobian(ORIGIN))
    assert region.contains("1/1000", "11/100")
    assert not region.contains("1/1000", "9/100")


def test_look_ahead_may_have_rates_of_its_own():
    rules = [Rule("look_ahead", "a1", lookahead="e"), Rule("look_ahead", "a2", lookahead="e")]
    jacobian = update_map(hamiltonian(), rules).jacobian(ORIGIN)
    region = step_region(jacobian)
    assert [x.name for x in region.symbols] == ["a1", "a2", "e"]
    for a1, a2, e in (0.1, 0.2, 0.5), (0.5, 0.5, 0.1), (0.9, 1.2, 0.9), (0.3, 0.1, 2.0):
        own = np.array([[1 - a1 * e, -a1], [a2, 1 - a2 * e]])
        assert region.contains(a1, a2, e) == (np.abs(np.linalg.eigvals(own)).max() < 1)


def test_algebraic_and_transcendental_fixed_points():
    """Payoffs with fixed points at sqrt(2), and at log(3) in logits."""
    game = DifferentiableGame(["-(x**2 - 2)**2 + x*y - sqrt(2)*y", "-y**2"], name="roots")
    jacobian = update_map(game, "naive").jacobian([[sqrt(2)], [0]])
    assert step_sizes(jacobian).intervals == ((0, Rational(1, 8)),)
    logits = DifferentiableGame(["-(sigmoid(x) - 3/4)**2 - y**2", "-y**2"], name="logit")
    jacobian = update_map(logits, "naive").jacobian([["log(3)"], [0]])
    assert step_sizes(jacobian).intervals == ((0, 1),)  # -9/128 and -2


def test_iterated_matching_pennies():
    """At the equilibrium each pair of logits of one state rotates, with frequency the state's discounted
    visits over 4: 1/4 at the start and (9/10)/(1/10)/4/4 = 9/16 elsewhere."""
    game = matching_pennies().iterated("9/10")
    form = closed_form(game, normalise="sum")
    policies = [uniform(game, 0), uniform(game, 1)]
    own = update_map(form, "lola", policies=policies).jacobian()
    assert step_sizes(own).intervals == ((0, sqrt(3) / 2 * Rational(16, 9)),)
    average = update_map(closed_form(game), "lola", policies=policies).jacobian()
    assert step_sizes(average).intervals == ((0, sqrt(3) / 2 * Rational(160, 9)),)


def test_bad_input():
    with pytest.raises(ValueError, match="expected one of naive"):
        Rule("lolla")
    with pytest.raises(ValueError, match="naive has none"):
        Rule("naive", lookahead="e")
    with pytest.raises(ValueError, match="variant"):
        Rule("lola", variant="full")
    with pytest.raises(ValueError, match="no parameters"):
        update_map(hamiltonian(), "naive", rate="x")
    with pytest.raises(ValueError, match="one Rule, or one for each"):
        update_map(hamiltonian(), [Rule("naive")])
    with pytest.raises(ValueError, match="one number for each of 2 players"):
        update_map(hamiltonian(), "look_ahead", lookahead=["1", "2", "3"])
    with pytest.raises(ValueError, match="at: expected one sequence"):
        update_map(hamiltonian(), "naive").jacobian()
    with pytest.raises(ValueError, match=r"at\[1\]"):
        update_map(hamiltonian(), "naive").jacobian([[0], [0, 0]])
    game = matching_pennies().iterated("9/10")
    policies = [uniform(game, 0), uniform(game, 1)]
    with pytest.raises(ValueError, match="policies"):
        update_map(closed_form(game), "naive")
    own = update_map(closed_form(game), "higher_order_lola", policies=policies)
    with pytest.raises(ValueError, match="order 2"):
        own.jacobian()
    tilted = [[["1/3", "2/3"]] * 5, uniform(game, 1)]
    with pytest.raises(ValueError, match="another point"):
        update_map(closed_form(game), "extra_gradient", policies=tilted).jacobian(check=False)
    singular = update_map(quadratic([[0, 1], [1, 0]]), "competitive_gradient", rate=1)
    with pytest.raises(ValueError, match="singular"):
        singular.jacobian(ORIGIN)
