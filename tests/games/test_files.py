"""Games in files: round trips, files written by others, and errors that say where."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.games import CATALOGUE, IteratedGame, NormalForm, prisoners_dilemma, read, write
from resolvent.games.expressions import format_expression, parse_expression

x, y = sympy.symbols("x y")


def save(tmp_path, text, name="game.toml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".toml", ".nfg"])
@pytest.mark.parametrize("factory", CATALOGUE.values(), ids=list(CATALOGUE))
def test_the_catalogue_survives(tmp_path, factory, suffix):
    path = tmp_path / f"game{suffix}"
    write(factory(), path)
    assert read(path) == factory()


@pytest.mark.parametrize("memory", [0, 1, 2])
def test_iterated_and_symbolic_games_survive(tmp_path, memory):
    game = prisoners_dilemma(symbolic=True).iterated(1 / (1 + x), memory)
    write(game, tmp_path / "game.toml")
    assert read(tmp_path / "game.toml") == game


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)
    .filter(str.isprintable)
    .filter(str.strip),
    min_size=2, max_size=2, unique=True,
)  # fmt: skip


@given(names, names, st.lists(st.fractions(), min_size=4, max_size=4), st.booleans())
@settings(max_examples=50)
def test_any_names_and_numbers_survive_toml(tmp_path_factory, players, actions, numbers, losses):
    build = NormalForm.from_losses if losses else NormalForm
    game = build([[numbers[:2]], [numbers[2:]]], [["-"], actions], players, name=players[0])
    path = tmp_path_factory.mktemp("games") / "game.toml"
    write(game, path)
    assert read(path) == game


def test_toml_by_hand(tmp_path):
    path = save(
        tmp_path,
        """
        name = "a small game"
        actions = ["left", "right"]
        symbols = ["b", "c"]
        payoffs = [
          [[0.1, "2/3"], ["-b**2/2 + 1.25", "(b - c)/(b + c)"]],
          [[1_000, "0.96"], [100000000000000000000000000000000001e-36, -2]],
        ]
        [iterated]
        discount = 0.96
        """,
    )
    b, c = sympy.symbols("b c")
    game = read(path)
    assert isinstance(game, IteratedGame)
    assert game.discount == Fraction(24, 25)
    assert game.memory == 1
    assert game.stage.actions == (("left", "right"),) * 2
    assert game.stage.players == ("1", "2")
    assert game.stage.payoff((0, 0)) == (Fraction(1, 10), 1000)
    assert game.stage.payoff((0, 1)) == (Fraction(2, 3), Fraction(24, 25))
    # Every digit of a decimal counts: 36 of them here, more than a float has.
    exactly = Fraction(100000000000000000000000000000000001, 10**36)
    assert game.stage.payoff((1, 0)) == (sympy.Rational(5, 4) - b**2 / 2, exactly)
    assert game.stage.payoff((1, 1)) == ((b - c) / (b + c), -2)


GOOD = 'symbols = ["a"]\npayoffs = [[[1, "a"]], [[2, 3]]]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("payoffs = [", "Invalid value"),
        ('name = "none"', 'must have either "payoffs" or "losses"'),
        (GOOD + "losses = [[[1, 2]], [[2, 3]]]", 'must have either "payoffs" or "losses"'),
        ("payoffs = 3", "payoffs must have shape"),
        ("payoffs = [[[1, 2]], [[2]]]", r"payoffs must not be ragged; payoffs\[1\]\[0\]"),
        ("losses = [[[1, 2]], [[2]]]", r"losses must not be ragged; losses\[1\]\[0\]"),
        ("payoffs = [[[1, nan]], [[2, 3]]]", r"payoffs\[0\]\[0\]\[1\] must be finite; got NaN"),
        ("payoffs = [[[1, inf]], [[2, 3]]]", r"payoffs\[0\]\[0\]\[1\] must be finite"),
        ("payoffs = [[[1, true]], [[2, 3]]]", r"payoffs\[0\]\[0\]\[1\] must be a number"),
        (
            'payoffs = [[[1, "a"]], [[2, 3]]]',
            r"payoffs\[0\]\[0\]\[1\] uses the undeclared symbol a",
        ),
        (GOOD + 'actions = ["C", "D"]', r"actions\[0\] must hold one name per action"),
        (GOOD + "actions = 3", "actions must be a list or tuple"),
        (GOOD + "players = [1, 2]", r"players\[0\] must be a string; got 1"),
        (GOOD + "name = 3", "name must be a string"),
        (GOOD + 'title = "x"', "the file may have the keys name, .*; got 'title'"),
        (GOOD + "iterated = 3", "iterated must be a table; got 3"),
        (GOOD + "[iterated]", "iterated must have a discount"),
        (GOOD + "[iterated]\ndiscount = 1", r"discount must be in \[0, 1\); got 1"),
        (GOOD + '[iterated]\ndiscount = "b"', "iterated.discount uses the undeclared symbol b"),
        (GOOD + "[iterated]\ndiscount = 0\nmemory = 0.5", "memory must be an integer"),
        (
            GOOD + "[iterated]\ndiscount = 0\nrounds = 5",
            "iterated may have the keys .*; got 'rounds'",
        ),
        ('symbols = "a"\npayoffs = [[1]]', "symbols must be a list of names"),
        (
            'symbols = ["lambda"]\npayoffs = [[1]]',
            r"symbols\[0\] must be a name .* no Python keyword",
        ),
        ('symbols = ["a b"]\npayoffs = [[1]]', r"symbols\[0\] must be a name"),
        ('symbols = ["a", "a"]\npayoffs = [[1]]', "symbols must not repeat a name"),
    ],
)
def test_toml_errors_name_the_file_and_the_field(tmp_path, text, message):
    path = save(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")


def test_suffixes(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .toml or .nfg; got '.json'"):
        read(tmp_path / "game.json")
    with pytest.raises(ValueError, match=r"must end in .toml or .nfg; got ''"):
        write(prisoners_dilemma(), tmp_path / "game")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.toml")
    with pytest.raises(TypeError, match="game must be a NormalForm"):
        write([[1]], tmp_path / "game.toml")  # pyright: ignore[reportArgumentType]


def test_what_a_format_cannot_hold_is_not_written(tmp_path):
    odd = NormalForm([[sympy.Symbol("p_{CC}")]])
    with pytest.raises(ValueError, match="game.toml: symbols must be named by letters"):
        write(odd, tmp_path / "game.toml")
    with pytest.raises(
        ValueError, match=r"game.nfg: a .nfg file cannot hold the symbols P, R, S, T"
    ):
        write(prisoners_dilemma(symbolic=True), tmp_path / "game.nfg")
    with pytest.raises(ValueError, match=r"a .nfg file cannot hold a discount"):
        write(prisoners_dilemma().iterated(0), tmp_path / "game.nfg")
    with pytest.raises(ValueError, match="cannot hold a backslash"):
        write(NormalForm([[1]], name="a\\"), tmp_path / "game.nfg")
    assert list(tmp_path.iterdir()) == []


@st.composite
def expressions(draw: Any, depth: int = 3) -> Any:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([x, y]) | st.fractions(max_denominator=9).map(sympy.Rational))
    left = draw(expressions(depth=depth - 1))
    right = draw(expressions(depth=depth - 1))
    kind = draw(st.sampled_from("+-*/^"))
    if kind == "/":
        return left / right if right != 0 else left
    if kind == "^":
        return left ** draw(st.integers(0 if left == 0 else -2, 3))
    return {"+": left + right, "-": left - right, "*": left * right}[kind]


@given(expressions())
def test_expressions_survive(expression):
    value = NormalForm([[expression]]).payoff((0,))[0]
    text = str(value) if isinstance(value, Fraction) else format_expression(value)
    again: Any = parse_expression(text, {"x": x, "y": y}, "payoffs")
    assert sympy.cancel(again - value) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').getcwd()", r"may use numbers, symbols, \+ - \* / \*\* \( \); got"),
        ("(lambda: 1)()", "may use numbers, symbols"),
        ("x.real", "may use numbers, symbols"),
        ("[x]", "may use numbers, symbols"),
        ("x if x else x", "may use numbers, symbols"),
        ("x // 2", "may use numbers, symbols"),
        ("x < 2", "may use numbers, symbols"),
        ("True", "may use numbers, symbols"),
        ("2j", "may use numbers, symbols"),
        ("'x'", "may use numbers, symbols"),
        ("z", r"uses the undeclared symbol z \(declared: x, y\)"),
        ("x**y", "may use integer powers only; got the exponent y"),
        ("x**(1/2)", "may use integer powers only; got the exponent 1/2"),
        ("x**1000", "may use powers up to 100; got 1000"),
        ("((9**99)**99)**99", "power that is too large"),
        ("1/0", "divides by zero"),
        ("1/(x - x)", "divides by zero"),
        ("0**-1", "divides by zero"),
        ("1e999 + nan", "undeclared symbol nan"),
        ("", "must be a number or an expression"),
        ("x +", "must be a number or an expression"),
        ("1\n2", "must be a number or an expression"),
        ("(" * 5000 + "x" + ")" * 5000, "must be a number or an expression"),
        ("-" * 100_000 + "x", "must be a number or an expression"),
    ],
)
def test_expressions_refuse(text, message):
    with pytest.raises(ValueError, match=message):
        parse_expression(text, {"x": x, "y": y}, "payoffs[0]")


NFG_COUNTS = """NFG 1 D "Two by three" { "Row" "Column" }
{ 2 3 }
1 -1  .5 1/2   2 2
3e1 0  4 4  5 -5"""


def test_gambit_payoff_format(tmp_path):
    game = read(save(tmp_path, NFG_COUNTS, "game.nfg"))
    assert isinstance(game, NormalForm)
    assert game.name == "Two by three"
    assert game.players == ("Row", "Column")
    assert game.actions == (("1", "2"), ("1", "2", "3"))
    # Player 1's strategy varies fastest.
    assert game.payoff((0, 0)) == (1, -1)
    assert game.payoff((1, 0)) == (Fraction(1, 2), Fraction(1, 2))
    assert game.payoff((0, 1)) == (2, 2)
    assert game.payoff((1, 1)) == (30, 0)
    assert game.payoff((1, 2)) == (5, -5)


NFG_OUTCOMES = r"""NFG 1 R "with \"outcomes\"" { "A" "B" "C" }

{ { "u" "d" }
{ "l" "r" }
{ "" "z" }
}
"a comment"

{
{ "one" 1, 2, 3 }
{ "" 1/2, -4, 0.25 }
}
1 2 0 0
2 1 0 0
"""


def test_gambit_outcome_format(tmp_path):
    game = read(save(tmp_path, NFG_OUTCOMES, "game.nfg"))
    assert isinstance(game, NormalForm)
    assert game.name == 'with "outcomes"'
    assert game.actions == (("u", "d"), ("l", "r"), ("1", "z"))
    one, two, none = (1, 2, 3), (Fraction(1, 2), -4, Fraction(1, 4)), (0, 0, 0)
    outcomes = {joint: game.payoff(joint) for joint in game.joint_actions}
    assert outcomes == {
        (0, 0, 0): one, (1, 0, 0): two, (0, 1, 0): none, (1, 1, 0): none,
        (0, 0, 1): two, (1, 0, 1): one, (0, 1, 1): none, (1, 1, 1): none,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the header NFG 1 R .*; the file ends"),
        ('EFG 2 R "x"', "the header NFG 1 R .*; got 'EFG'"),
        (NFG_COUNTS.replace("NFG 1 D", "NFG 2 D"), "expected 1"),
        (NFG_COUNTS + " 6", "more than expected after the payoffs: '6'"),
        (NFG_COUNTS.replace("-5", ""), "payoff of player 2 in combination 6: .*; the file ends"),
        (NFG_COUNTS.replace("3e1", "x"), "payoff of player 1 in combination 4 must be a number"),
        (NFG_COUNTS.replace("{ 2 3 }", "{ 2 }"), "strategies were expected for 2 players; got 1"),
        (NFG_COUNTS.replace("{ 2 3 }", "{ 2 x }"), "a number of strategies was expected; got 'x'"),
        (NFG_COUNTS.replace('"Column"', "Column"), "the players: text in quotes was expected"),
        (NFG_COUNTS.replace('"Column"', '"Row"'), "players must not repeat a name"),
        (NFG_COUNTS.replace('"Column"', '"Column'), "unfinished text in quotes|the players"),
        (
            NFG_OUTCOMES.replace("1 2 0 0\n", "1 3 0 0\n"),
            "combination 2 must be a number from 0 to 2",
        ),
        (NFG_OUTCOMES.replace("1, 2, 3", "1, 2"), "payoff of outcome 1 for player 3"),
        (NFG_OUTCOMES.replace("1, 2, 3", "1, 2, 3, 4"), "the end of outcome 1"),
    ],
)
def test_gambit_errors_name_the_file(tmp_path, text, message):
    path = save(tmp_path, text, "game.nfg")
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
