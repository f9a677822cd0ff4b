"""Differentiable games: what is accepted, what comes back from files, and facts of the catalogue's games."""

# Payoffs are None where a game is given by a function, SymPy's annotations are narrower than what it
# takes, and wrong arguments are wrong on purpose.
# pyright: reportOptionalSubscript=false, reportOptionalIterable=false, reportOptionalCall=false
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false

import pickle
from fractions import Fraction
from itertools import product

import pytest
import sympy

from resolvent.games import (
    DIFFERENTIABLE_CATALOGUE,
    DifferentiableGame,
    NormalForm,
    balduzzi,
    bilinear,
    consensus_trap,
    four_player,
    from_text,
    hamiltonian,
    hamiltonian_not_zero_sum,
    impossibility,
    lola_trap,
    lookahead_not_definite,
    market,
    matching_pennies,
    nash_not_stable,
    one_shot,
    one_shot_matching_pennies,
    prisoners_dilemma,
    public_goods,
    quadratic,
    read,
    rock_paper_scissors,
    sga_trap,
    stable_not_nash,
    tandem,
    to_text,
    ultimatum,
    write,
    zero_sum_not_hamiltonian,
)
from resolvent.games._functions import sigmoid, softmax

x, y = sympy.symbols("x y")


def twice(params):
    return params


def gradient_and_jacobian(game):
    """The simultaneous gradient of the losses and its Jacobian, from the losses."""
    losses = [-own for own in game.payoffs]
    z = [sympy.Symbol(name) for own in game.parameters for name in own]
    owners = [player for player, own in enumerate(game.parameters) for _ in own]
    xi = sympy.Matrix([sympy.diff(losses[i], own) for i, own in zip(owners, z, strict=True)])
    return xi, xi.jacobian(z)


# Construction --------------------------------------------------------------------------------


def test_losses_are_negated_and_printed_back():
    game = DifferentiableGame(losses=["(x + y)**2 - 2*x", "(x + y)**2 - 2*y"], name="tandem")
    assert game == tandem()
    assert game.payoffs == (2 * x - (x + y) ** 2, 2 * y - (x + y) ** 2)
    assert game.stated_as == "losses"
    assert "-2*x + (x + y)**2" in str(game)
    assert "2*x - (x + y)**2" not in str(game)


def test_expressions_numbers_and_text_are_one_game():
    by_text = DifferentiableGame(["0.5*x + 1/3", "exp(-y)*sigmoid(x)"])
    real = sympy.Symbol("x", real=True)
    by_sympy = DifferentiableGame([real / 2 + sympy.Rational(1, 3), sympy.exp(-y) * sigmoid(real)])
    assert by_text == by_sympy
    assert hash(by_text) == hash(by_sympy)
    assert by_text != DifferentiableGame(["0.5*x + 1/3", "exp(-y)*sigmoid(y)"])
    assert DifferentiableGame([1, Fraction(1, 2)]).payoffs == (1, sympy.Rational(1, 2))
    assert DifferentiableGame([2 * (x + 1), 0]) == DifferentiableGame([2 * x + 2, 0])


def test_parameters_shapes_and_names():
    game = DifferentiableGame(["a*u + b", "v*w"], ("a", ("u", "v", "w")), players=("ann", "bob"))
    assert game.parameters == (("a",), ("u", "v", "w"))
    assert game.shapes == ((1,), (3,))
    assert game.num_players == 2
    assert game.players == ("ann", "bob")
    assert [str(own) for own in game.symbols] == ["b"]


def test_substitution_of_constants():
    b = sympy.Symbol("b", positive=True)
    game = DifferentiableGame(losses=[b * x * y, "c*y"], name="scaled")
    assert [own.name for own in game.symbols] == ["b", "c"]
    half = game.substitute({b: "1/2"})
    assert half.stated == (x * y / 2, sympy.Symbol("c") * y)
    assert half.stated_as == "losses"
    assert half.name == "scaled"
    assert game.substitute({"b": 1, "c": "b**2"}).stated == (x * y, sympy.Symbol("b") ** 2 * y)
    with pytest.raises(ValueError, match="symbols b, c; got x"):
        game.substitute({"x": 1})
    with pytest.raises(ValueError, match="the value of c must be"):
        game.substitute({"c": "1 +"})


def test_a_function_is_kept_and_not_called():
    game = DifferentiableGame(twice, (("x",), ("u", "v")))
    assert game.payoffs is None
    assert game.function is twice
    assert game.symbols == ()
    assert game == DifferentiableGame(twice, (("x",), ("u", "v")))
    assert "twice" in str(game)
    assert "twice" in repr(game)
    negated = DifferentiableGame(losses=twice)
    assert negated.function(-3) == 3
    assert negated == DifferentiableGame(losses=twice)
    assert negated != DifferentiableGame(twice)
    with pytest.raises(ValueError, match="no formula"):
        game.latex()


def test_copies_are_equal():
    game = one_shot(rock_paper_scissors())
    assert pickle.loads(pickle.dumps(game)) == game
    with pytest.raises(AttributeError):
        game.name = "other"


@pytest.mark.parametrize("name", DIFFERENTIABLE_CATALOGUE)
def test_the_catalogue_reads_back(name):
    game = DIFFERENTIABLE_CATALOGUE[name]()
    namespace = {"DifferentiableGame": DifferentiableGame}
    assert eval(repr(game), namespace) == game
    assert from_text(to_text(game)) == game
    assert "\\begin{aligned}" in game.latex()
    assert game.symbols == ()


# Bad input -----------------------------------------------------------------------------------

WRONG_PARAMETERS = {
    "none": ((), "at least one|one sequence of names"),
    "no names": (((), ()), "at least one parameter"),
    "text": ("xy", "must be a list or tuple"),
    "keyword": (("lambda", "y"), r"parameters\[0\]\[0\]"),
    "no identifier": (("x", ("y", "2z")), r"parameters\[1\]\[1\]"),
    "twice": (("x", "x"), "'x' twice"),
    "function": (("x", "exp"), "'exp'"),
}


@pytest.mark.parametrize("case", WRONG_PARAMETERS)
def test_wrong_parameters_are_named(case):
    parameters, message = WRONG_PARAMETERS[case]
    with pytest.raises((TypeError, ValueError), match=message):
        DifferentiableGame([0, 0], parameters)


WRONG_PAYOFFS = {
    "one too few": (["x"], "one expression per player"),
    "text": ("x", "one expression per player, or a JAX function"),
    "infinite": (["x", "1/0"], r"payoffs\[1\] divides by zero"),
    "infinite float": ([float("inf"), "x"], "finite"),
    "infinite symbol": ([sympy.oo, "x"], "finite"),
    "imaginary": (["x", "sqrt(-1)"], "real"),
    "imaginary power": (["x", "(-2)**(1/3)"], "real"),
    "logarithm of a negative number": (["log(-2)", "x"], "real"),
    "gamma function": ([sympy.gamma(x), "x"], "JAX function"),
    "two symbols of a name": (
        [sympy.Symbol("a", real=True), sympy.Symbol("a")],
        "different assumptions",
    ),
    "named as a function": ([sympy.Symbol("exp"), 0], "name of the language"),
    "attribute": (["x.y", "x"], "may use numbers"),
    "call": (["__import__('os')", "x"], "may use numbers"),
    "unknown function": (["gamma(x)", "x"], "may use numbers"),
    "comparison": (["x < y", "x"], "may use numbers"),
    "two arguments": (["exp(x, y)", "x"], "one argument"),
    "syntax": (["x +", "x"], "number or an expression"),
    "huge": (["9**9**9**9", "x"], "powers up to|too large"),
    "huge exponent": (["x**1000", "x"], "powers up to"),
    "bool": ([True, "x"], "bool"),
    "nested": ([["x"], "y"], "payoffs"),
}


@pytest.mark.parametrize("case", WRONG_PAYOFFS)
def test_wrong_payoffs_are_named(case):
    payoffs, message = WRONG_PAYOFFS[case]
    with pytest.raises((TypeError, ValueError), match=message):
        DifferentiableGame(payoffs)


def test_either_payoffs_or_losses():
    with pytest.raises(ValueError, match="exactly one"):
        DifferentiableGame()
    with pytest.raises(ValueError, match="exactly one"):
        DifferentiableGame([0, 0], losses=[0, 0])


# Files ---------------------------------------------------------------------------------------

EXPRESSIONS = (
    "-(4*sigmoid(x)*(1 - 2*sigmoid(y)) + x**2*y/10**4)",
    "x**4/(4*(y**2 + 1)) - 3*(x + 1)*y/2",
    "sqrt(x**2 + 1)/3 + x**(2/3) - 1/sqrt(y**2 + 2)",
    "exp(1)*x + pi*y + exp(x*y - 1) + 2**x",
    "softmax(x, y, 0) - log(sigmoid(-x)) + tanh(y) + sin(x)*cos(y)",
    "-2*(x - b)*(y + 1/3)*(x + y)",
    "(2*x + 2)**3*(4*y - 4)/5",
    "1.25e-3*x - 7",
    "c*x*y/(x**2 + c**2)",
)


@pytest.mark.parametrize("k", range(len(EXPRESSIONS)))
@pytest.mark.parametrize("stated_as", ["payoffs", "losses"])
def test_files_keep_expressions(k, stated_as, tmp_path):
    game = DifferentiableGame(**{stated_as: [EXPRESSIONS[k], EXPRESSIONS[k - 1]]}, name="file")
    path = tmp_path / "game.toml"
    write(game, path)
    assert read(path) == game
    # And the meaning is that of SymPy, read independently.
    names = {"sigmoid": lambda v: 1 / (1 + sympy.exp(-v)), "b": sympy.Symbol("b")}
    names["softmax"] = lambda a, *rest: sympy.exp(a) / sum(sympy.exp(v) for v in (a, *rest))
    expected = sympy.sympify(EXPRESSIONS[k], locals=names, rational=True)
    at = {"x": sympy.Rational(3, 7), "y": sympy.Rational(5, 4), "b": 2, "c": 3}
    got = read(path).stated[0].rewrite(sympy.exp).subs(at)
    assert abs(sympy.N(got - expected.subs(at), 30)) < 1e-25


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "duopoly.toml"
    path.write_text(
        'name = "duopoly"\nparameters = ["p", ["q", "s"]]\nsymbols = ["c"]\n'
        'payoffs = ["p*(1 - p - q) - c*p", "q*(1 - p - q) + log(s)"]\n',
        encoding="utf-8",
    )
    game = read(path)
    assert game.parameters == (("p",), ("q", "s"))
    assert [own.name for own in game.symbols] == ["c"]
    p, q, c = sympy.symbols("p q c")
    assert sympy.expand(game.payoffs[0] - (p - p**2 - p * q - c * p)) == 0
    numbers = 'parameters = ["x", "y"]\nlosses = [1, "x*y"]\n'
    assert from_text(numbers) == DifferentiableGame(losses=[1, "x*y"])


WRONG_FILES = {
    "undeclared": ('parameters = ["x", "y"]\npayoffs = ["x*z", "y"]', "undeclared symbol z"),
    "actions": (
        'parameters = ["x", "y"]\nactions = ["C", "D"]\npayoffs = ["x", "y"]',
        "got 'actions'",
    ),
    "both": ('parameters = ["x", "y"]\npayoffs = ["x", "y"]\nlosses = ["x", "y"]', "either"),
    "number": ('parameters = ["x", "y"]\npayoffs = ["x", "y", "x"]', "one expression per player|3"),
    "scalar": ('parameters = ["x", "y"]\npayoffs = "x"', "array"),
    "code": ('parameters = ["x", "y"]\npayoffs = ["open(1)", "y"]', "may use numbers"),
    "parameter as symbol": (
        'parameters = ["x", "y"]\nsymbols = ["x"]\npayoffs = ["x", "y"]',
        "parameters too",
    ),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_wrong_files_are_refused(case):
    text, message = WRONG_FILES[case]
    with pytest.raises(ValueError, match=message):
        from_text(text)


def test_what_files_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="JAX function cannot be written"):
        to_text(DifferentiableGame(twice))
    with pytest.raises(ValueError, match="nfg file cannot hold"):
        write(tandem(), tmp_path / "game.nfg")
    awkward = DifferentiableGame([sympy.Symbol("p_{CC}") * x, y])
    with pytest.raises(ValueError, match="p_{CC}"):
        to_text(awkward)


# The functions -------------------------------------------------------------------------------


def test_sigmoid_and_softmax_are_what_they_say():
    a, b, c = sympy.symbols("a b c")
    at = {a: sympy.Rational(1, 3), b: -2, c: sympy.Rational(7, 5)}
    soft = softmax(a, b, c)
    direct = sympy.exp(a) / (sympy.exp(a) + sympy.exp(b) + sympy.exp(c))
    for own, formula in ((sigmoid(a), 1 / (1 + sympy.exp(-a))), (soft, direct)):
        assert abs(sympy.N((own - formula).subs(at), 40)) < 1e-35
        for symbol in (a, b, c):
            for second in (a, b, c):
                difference = own.diff(symbol, second) - formula.diff(symbol, second)
                assert abs(sympy.N(difference.subs(at), 40)) < 1e-35
    assert soft == softmax(a, c, b)
    assert softmax(a, 0) == sigmoid(a)
    assert sigmoid(0) == sympy.Rational(1, 2)
    assert sigmoid(sympy.log(3)) == sympy.Rational(3, 4)
    assert softmax(0, 0, sympy.log(2)) == sympy.Rational(1, 4)
    assert sympy.latex(sigmoid(a) ** 2) == r"\sigma^{2}\left(a\right)"


# Facts of the games --------------------------------------------------------------------------


def test_tandem_has_a_line_of_stable_fixed_points():
    xi, H = gradient_and_jacobian(tandem())
    assert sympy.expand(xi.subs(y, 1 - x)) == sympy.zeros(2, 1)
    assert H.eigenvals() == {4: 1, 0: 1}
    # chi_1 = d^2 L_2/dx dy dL_1/dy is 4 on the line: LOLA does not rest there.
    losses = tandem().stated
    chi = losses[1].diff(x, y) * losses[0].diff(y)
    assert chi.subs(y, 1 - x).expand() == 4


def test_jacobians_of_the_literature():
    cases = (
        (hamiltonian(), [[0, 1], [-1, 0]]),
        (bilinear(3), [[0, 3], [-3, 0]]),
        (balduzzi(), [[1, 10], [-10, 1]]),
        (hamiltonian_not_zero_sum(2, 3), [[0, 1], [-1, 0]]),
        (zero_sum_not_hamiltonian(), [[2, 0], [0, -2]]),
        (nash_not_stable(), [[0, 1], [1, 0]]),
        (consensus_trap("1/2"), [["-1/2", 0], [0, "-1/2"]]),
        (sga_trap("1/10"), [["-1/10", -1], [1, "-1/10"]]),
        (lookahead_not_definite(), [[4, 3], [1, 1]]),
        (lola_trap(), [[1, 0], [1, 1]]),
    )
    for game, expected in cases:
        assert gradient_and_jacobian(game)[1] == sympy.Matrix(expected), game.name
    at_zero = {x: 0, y: 0}
    H = gradient_and_jacobian(impossibility())[1].subs(at_zero)
    assert H == sympy.Matrix([[-1, 1], [-1, -1]])
    H = gradient_and_jacobian(market())[1].subs(at_zero)
    assert H == sympy.Matrix([[-1, 1], [-1, -1]])
    A = [
        [sympy.Rational(1, 100) if i == j else 1 if i < j else -1 for j in range(4)]
        for i in range(4)
    ]
    assert gradient_and_jacobian(four_player())[1] == sympy.Matrix(A)
    assert gradient_and_jacobian(four_player(0))[1] == -gradient_and_jacobian(four_player(0))[1].T


def test_impossibility_is_zero_sum_with_one_critical_point():
    game = impossibility()
    assert sum(game.payoffs) == 0
    xi, _ = gradient_and_jacobian(game)
    # The first gives y, and then the second a polynomial in x.
    assert sympy.expand(xi[0] - (y - (x - x**3))) == 0
    assert sympy.Poly(xi[1].subs(y, x - x**3), x).count_roots() == 1
    assert xi.subs({x: 0, y: 0}) == sympy.zeros(2, 1)


def test_stable_and_nash_do_not_imply_each_other():
    first = stable_not_nash().stated
    H = gradient_and_jacobian(stable_not_nash())[1].subs({x: 0, y: 0})
    assert H + H.T == sympy.zeros(2)
    assert H.det() == 1
    assert first[0].subs({x: -1, y: 0}) < first[0].subs({x: 0, y: 0})
    both = nash_not_stable().stated
    assert both[0].subs(y, 0) == 0
    assert both[1].subs(x, 0) == 0
    assert min(gradient_and_jacobian(nash_not_stable())[1].eigenvals()) == -1


def test_ultimatum_at_its_corners():
    fair, accept = sympy.symbols("f a")
    one, two = (
        own.subs({sigmoid(-x): 1 - fair, sigmoid(x): fair, sigmoid(y): accept})
        for own in ultimatum().payoffs
    )
    pays = {
        (f, a): (one.subs({fair: f, accept: a}), two.subs({fair: f, accept: a}))
        for f, a in product((0, 1), repeat=2)
    }
    assert pays == {(1, 0): (5, 5), (1, 1): (5, 5), (0, 1): (8, 2), (0, 0): (0, 0)}


def test_lola_trap_by_hand():
    """LOLA's field (I - a H_o) xi - a chi for losses, from the spec's definition, rests at (a, a^2 - a)."""
    a = sympy.Symbol("a")
    losses = lola_trap().stated
    xi, H = gradient_and_jacobian(lola_trap())
    off = H - sympy.diag(H[0, 0], H[1, 1])
    chi = sympy.Matrix(
        [
            losses[1].diff(x, y) * losses[0].diff(y),
            losses[0].diff(x, y) * losses[1].diff(x),
        ]
    )
    field = xi - a * off * xi - a * chi
    assert sympy.solve(list(field), (x, y)) == {x: a, y: a**2 - a}
    assert sympy.solve(list(xi - a * off * xi), (x, y)) == {x: 0, y: 0}


def test_lookahead_is_not_definite_there_and_yet_positive_stable():
    a = sympy.Symbol("a", positive=True)
    _, H = gradient_and_jacobian(lookahead_not_definite())
    off = H - sympy.diag(4, 1)
    moved = (sympy.eye(2) - a * off) * H
    symmetric = (moved + moved.T) / 2
    assert sympy.expand(symmetric.det() + a + sympy.Rational(13, 4) * a**2) == 0
    assert sympy.expand(moved.trace() - (5 - 6 * a)) == 0
    assert sympy.expand(moved.det() - (1 - 3 * a**2)) == 0


def test_one_shot_matching_pennies_is_lost_on_a_match():
    p, q = sympy.symbols("p q")
    chances = {sigmoid(x): p, sigmoid(-x): 1 - p, sigmoid(y): q, sigmoid(-y): 1 - q}
    losses = [sympy.expand(-own.subs(chances)) for own in one_shot_matching_pennies().payoffs]
    assert losses[0] == sympy.expand((2 * p - 1) * (2 * q - 1))
    assert losses[1] == -losses[0]
    assert (
        one_shot(matching_pennies(matcher=0)).payoffs[0] == one_shot_matching_pennies().payoffs[1]
    )


ONE_SHOT = {
    "pd": prisoners_dilemma(),
    "rps": rock_paper_scissors(),
    "public goods": public_goods(3),
    "uneven": NormalForm(
        [[[[1, 2], [3, 4], [5, -6]]], [[[1, "1/2"], [0, 4], [2, 6]]], [[[0, 1], [1, 0], [2, 2]]]]
    ),
}


@pytest.mark.parametrize("name", ONE_SHOT)
def test_one_shot_pays_the_expected_payoff(name):
    stage = ONE_SHOT[name]
    game = one_shot(stage)
    assert game.shapes == tuple((n - 1,) for n in stage.num_actions)
    # Logits whose probabilities are rational: the logarithms of 2, 3, ...
    odds = [
        [Fraction(2 + k + 3 * i) for k in range(n - 1)] for i, n in enumerate(stage.num_actions)
    ]
    point = {
        sympy.Symbol(symbol): sympy.log(sympy.Rational(own.numerator, own.denominator))
        for names, row in zip(game.parameters, odds, strict=True)
        for symbol, own in zip(names, row, strict=True)
    }
    policies = [[own / (1 + sum(row)) for own in (*row, Fraction(1))] for row in odds]
    for player in range(stage.num_players):
        expected = Fraction(0)
        for joint in stage.joint_actions:
            chance = Fraction(1)
            for own, action in zip(policies, joint, strict=True):
                chance *= own[action]
            expected += chance * stage.payoff(joint)[player]
        assert sympy.simplify(game.payoffs[player].xreplace(point)) == sympy.Rational(
            expected.numerator, expected.denominator
        )


def test_one_shot_keeps_symbols_apart():
    T, x_symbol = sympy.symbols("T x")
    assert one_shot(prisoners_dilemma(T=T)).symbols == (T,)
    clash = prisoners_dilemma(T=x_symbol)
    with pytest.raises(ValueError, match="named as symbols in the payoffs; got x"):
        one_shot(clash)
    assert one_shot(clash, ("u", "v")).symbols == (x_symbol,)
    with pytest.raises(ValueError, match="a logit per action but the last"):
        one_shot(rock_paper_scissors(), ("u", "v"))
    with pytest.raises(TypeError, match="NormalForm"):
        one_shot(tandem())


@pytest.mark.parametrize("stated_as", ["losses", "payoffs"])
def test_quadratic_has_the_given_jacobian(stated_as):
    J = [[1, 2, "1/3"], [2, -1, 5], [7, 0, 4]]
    game = quadratic(J, sizes=(2, 1), linear=[1, -2, 3], stated_as=stated_as)
    sign = -1 if stated_as == "losses" else 1
    names = [sympy.Symbol(own) for group in game.parameters for own in group]
    owners = (0, 0, 1)
    xi = sympy.Matrix([sign * game.payoffs[i].diff(z) for i, z in zip(owners, names, strict=True)])
    assert xi.jacobian(names) == sympy.Matrix(J)
    assert list(xi.subs(dict.fromkeys(names, 0))) == [1, -2, 3]
    full = quadratic(J, sizes=(2, 1), linear=[[1, 2, 3], [4, 5, 6]])
    gradients = [[own.diff(z).subs(dict.fromkeys(names, 0)) for z in names] for own in full.stated]
    assert gradients == [[1, 2, 3], [4, 5, 6]]


WRONG_QUADRATIC = {
    "not square": ({"jacobian": [[1, 2]]}, "square"),
    "sizes": ({"jacobian": [[1, 2], [3, 4]], "sizes": (3,)}, "add up"),
    "not symmetric": ({"jacobian": [[1, 2], [3, 4]], "sizes": (2,)}, "symmetric blocks"),
    "linear": ({"linear": [1, 2, 3]}, "linear must have shape"),
    "stated_as": ({"stated_as": "costs"}, "stated_as"),
    "no size": ({"sizes": (0, 2)}, r"sizes\[0\]"),
}


@pytest.mark.parametrize("case", WRONG_QUADRATIC)
def test_wrong_quadratic_games_are_named(case):
    arguments, message = WRONG_QUADRATIC[case]
    with pytest.raises(ValueError, match=message):
        quadratic(**arguments)
