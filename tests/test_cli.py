"""The command line, in process: what it prints, what it refuses, and how it ends.

The numbers are judged by what is written here: linear solves in fractions, and finite differences in 60 digits.
"""

import json
import subprocess
import sys
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from itertools import product

import flint
import mpmath
import numpy as np
import pytest
import sympy

from resolvent import __main__ as entry
from resolvent.analytic import ClosedForm, closed_form
from resolvent.cli import environment, inputs
from resolvent.cli.app import run
from resolvent.games import CATALOGUE, DIFFERENTIABLE_CATALOGUE, prisoners_dilemma, write
from resolvent.numeric.equilibrium import Equilibrium
from resolvent.numeric.learners import LEARNERS
from resolvent.numeric.run import Run
from resolvent.numeric.tournament import Tournament
from resolvent.reproductions import REPRODUCTIONS

PAYOFFS = {"C": {"C": (-1, -1), "D": (-3, 0)}, "D": {"C": (0, -3), "D": (-2, -2)}}
JOINT = tuple(product("CD", repeat=2))
GRAZING = """
name = "grazing"
actions = ["spare", "graze"]
payoffs = [[[[1, 1], [3, 2]], [[0, 0], [1, 0]]], [[[1, 3], [1, 2]], [[0, 1], [0, 0]]]]

[stochastic]
discount = "9/10"
states = ["green", "bare"]
transitions = [
  [["green", { green = "1/2", bare = "1/2" }], [{ green = "1/2", bare = "1/2" }, "bare"]],
  [[{ green = "1/2", bare = "1/2" }, "bare"], ["bare", "bare"]],
]
"""


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Tests leave nothing in the user's cache folder."""
    monkeypatch.setenv(environment.CACHE_VARIABLE, "off")


@pytest.fixture
def call(capsys):
    """Run a command that must succeed; return what it printed."""

    def succeed(*arguments):
        status = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    return succeed


def discounted_values(first, second, number=Fraction, discount=(24, 25)):
    """Discounted sums of both players, from their five probabilities of C, by solving the linear
    system of the value of each state."""
    g = number(discount[0]) / number(discount[1])

    def chances(p, q):
        return [p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)]

    rows = [chances(p, q) for p, q in zip(first, second, strict=True)]
    # Gauss-Jordan on (I - gP | P r): the value from each state on.
    rewards = [[number(PAYOFFS[a][b][i]) for a, b in JOINT] for i in (0, 1)]
    system = [
        [number(s == t) - g * rows[s + 1][t] for t in range(4)]
        + [sum(rows[s + 1][t] * rewards[i][t] for t in range(4)) for i in (0, 1)]
        for s in range(4)
    ]
    for k in range(4):
        system[k] = [entry / system[k][k] for entry in system[k]]
        for s in range(4):
            if s != k:
                factor = system[s][k]
                system[s] = [a - factor * b for a, b in zip(system[s], system[k], strict=True)]
    return [
        sum(rows[0][t] * (rewards[i][t] + g * system[t][4 + i]) for t in range(4)) for i in (0, 1)
    ]


class Pair:
    """Two players of the prisoner's dilemma with noise, in fractions, by what is played round by round.

    `chances[i][label]` is player i's probability of meaning C; `see(i, a, b)` what it sees after a and b;
    `slips`, `misreads`: the noise; `before`: what seemed to have been played before, "start" or "CD".
    """

    def __init__(self, chances, see, discounts=(Fraction(24, 25),) * 2, slips="0", misreads="0"):
        self.chances, self.see, self.discounts = chances, see, discounts
        self.slips, self.misreads = Fraction(slips), Fraction(misreads)

    def cooperating(self, i, before):
        if before == "start":
            meant = self.chances[i]["start"]
        else:
            own, other = before[i], before[1 - i]
            wrong = "D" if other == "C" else "C"

            def seen(action):
                return self.see(i, *((own, action) if i == 0 else (action, own)))

            own_chances = self.chances[i]
            meant = (1 - self.misreads) * own_chances[seen(other)]
            meant += self.misreads * own_chances[seen(wrong)]
        return (1 - self.slips) * meant + self.slips * (1 - meant)

    def row(self, before):
        p, q = (self.cooperating(i, before) for i in (0, 1))
        chances = (p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q))
        return [sympy.Rational(str(chance)) for chance in chances]

    def values(self, begins=None):
        """Per round, from `start` or from a distribution over what seemed to have been played."""
        moves = sympy.Matrix([self.row("".join(joint)) for joint in JOINT])
        first = sympy.Matrix([self.row("start") if begins is None else begins])
        first = first if begins is None else first * moves
        values = []
        for i, discount in enumerate(self.discounts):
            g = sympy.Rational(str(discount))
            pay = sympy.Matrix([PAYOFFS[a][b][i] for a, b in JOINT])
            values.append((1 - g) * (first * (sympy.eye(4) - g * moves).LUsolve(pay))[0])
        return [Fraction(str(value)) for value in values]

    def averages(self):
        """By the stationary distribution, where there is one."""
        moves = sympy.Matrix([self.row("".join(joint)) for joint in JOINT])
        (shares,) = (moves.T - sympy.eye(4)).nullspace()
        return [
            Fraction(
                str(
                    sum(w * PAYOFFS[a][b][i] for w, (a, b) in zip(shares, JOINT, strict=True))
                    / sum(shares)
                )
            )
            for i in (0, 1)
        ]


def everything(i, a, b):
    return a + b


def the_other(i, a, b):
    return b if i == 0 else a


def numbers_for(record, chances):
    """Numbers for the symbols of a record, by player and observation."""
    return {
        sympy.Symbol(row[0]): sympy.Rational(str(chances[i][label]))
        for i, own in enumerate(record["policy_symbols"])
        for label, row in zip(record["game"]["observations"][i], own, strict=True)
    }


def at(expression, numbers):
    value = sympy.sympify(expression).subs(numbers)
    return Fraction(str(value))


def shown_values(record, numbers):
    """Values per round of the chain as it is shown: start, transitions and rewards."""
    states = list(record["transitions"])

    def vector(row):
        return [sympy.Rational(str(at(row.get(state, 0), numbers))) for state in states]

    moves = sympy.Matrix([vector(row) for row in record["transitions"].values()])
    first = sympy.Matrix([vector(record["start"])])
    discounts = record["game"]["discount"]
    discounts = discounts if isinstance(discounts, list) else [discounts] * 2
    values = []
    for discount, rewards in zip(discounts, record["rewards"], strict=True):
        g = sympy.Rational(discount)
        resolved = (sympy.eye(len(states)) - g * moves).LUsolve(sympy.Matrix(vector(rewards)))
        values.append(Fraction(str((1 - g) * (first * resolved)[0])))
    return values


def quotients(record, numbers):
    below = record["denominator"]
    below = below if isinstance(below, list) else [below] * len(record["numerators"])
    return [
        at(top, numbers) / at(bottom, numbers)
        for top, bottom in zip(record["numerators"], below, strict=True)
    ]


# What is printed -----------------------------------------------------------------------------


def test_games_lists_the_catalogue(call):
    listed = call("games")
    assert all(name in listed for name in CATALOGUE)
    records = json.loads(call("games", "--json"))["games"]
    assert [record["name"] for record in records] == list(CATALOGUE)
    assert records[0]["payoffs"] == [[["-1", "-3"], ["0", "-2"]], [["-1", "0"], ["-3", "-2"]]]


def test_games_shows_one_with_its_source(call, tmp_path):
    shown = call("games", "chicken")
    assert "-100, -100" in shown
    assert "Aumann" in shown
    assert "-3, -3" in call("games", "chicken:payoffs=mild")
    write(prisoners_dilemma().iterated("9/10", memory=2), tmp_path / "game.toml")
    record = json.loads(call("games", tmp_path / "game.toml", "--json"))
    assert (record["discount"], record["memory"]) == ("9/10", 2)


def test_derive_prints_the_chain_and_its_size(call):
    shown = call("derive", "prisoners_dilemma", "--policies", "tit_for_tat,always:D")
    assert "V_i = (1 - 24/25) p0' (I - 24/25 P)^-1 r_i" in shown
    assert "p_CD (1 - q_CD)" in shown
    # Three, then two in every later round; zero, then two.
    per_player = [line.split() for line in shown.splitlines() if line.startswith("  player")][-2:]
    assert [words[-1] for words in per_player] == [str(-3 - 2 * 24), str(0 - 2 * 24)]


@pytest.mark.parametrize("normalise", ["average", "sum"])
def test_derive_json_holds_the_value_as_formulas(call, normalise):
    record = json.loads(
        call("derive", "prisoners-dilemma", "--expanded", "--json", "--normalise", normalise)
    )
    first = [Fraction(k, 11) for k in (1, 3, 5, 7, 9)]
    second = [Fraction(k, 13) for k in (12, 2, 11, 4, 6)]
    symbols = [row[0] for own in record["policy_symbols"] for row in own]
    assert symbols[:3] == ["p_0", "p_CC", "p_CD"]
    numbers = {
        sympy.Symbol(name): sympy.Rational(str(p))
        for name, p in zip(symbols, first + second, strict=True)
    }
    at = [sympy.sympify(text).subs(numbers) for text in record["numerators"]]
    below = sympy.sympify(record["denominator"]).subs(numbers)
    factor = Fraction(1, 25) if normalise == "average" else 1
    expected = [factor * value for value in discounted_values(first, second)]
    assert [Fraction(str(top / below)) for top in at] == expected
    assert record["program"]["operations"] == sum(record["program"]["counts"].values())
    assert record["transitions"]["CD"]["DC"] == "q_CD*(1 - p_CD)"


def test_derive_keeps_symbols_or_takes_numbers_for_them(call):
    record = json.loads(call("derive", "prisoners_dilemma:symbolic", "--discount", "g", "--json"))
    assert record["game"]["symbols"] == ["P", "R", "S", "T", "g"]
    settings = [f"--set={setting}" for setting in ("T=0", "R=-1", "P=-2", "S=-3", "g=24/25")]
    record = json.loads(
        call(
            *("derive", "prisoners_dilemma:symbolic", "--discount", "g", "--json"),
            *("--policies", "tit_for_tat,always:D", *settings),
        )
    )
    assert record["values"]["discounted_sum"] == ["-51", "-48"]


def test_derive_says_when_a_quotient_is_too_large(call):
    assert "too large to expand" in call("derive", "public_goods:n=3,factor=2")
    assert call("derive", "prisoners_dilemma", "--latex").startswith("\\begin{aligned}")


CHANCES = (
    {
        "start": "1/11",
        "CC": "3/11",
        "CD": "5/11",
        "DC": "7/11",
        "DD": "9/11",
        "C": "2/7",
        "D": "6/7",
    },
    {
        "start": "12/13",
        "CC": "2/13",
        "CD": "11/13",
        "DC": "4/13",
        "DD": "6/13",
        "C": "4/9",
        "D": "1/9",
    },
)
CHANCES = tuple({label: Fraction(p) for label, p in own.items()} for own in CHANCES)


@pytest.mark.parametrize(
    ("options", "pair", "begins"),
    [
        ("--observe reactive", Pair(CHANCES, the_other), None),
        (
            "--discount 1/2,9/10",
            Pair(CHANCES, everything, (Fraction(1, 2), Fraction(9, 10))),
            None,
        ),
        ("--implementation-noise 1/20", Pair(CHANCES, everything, slips="1/20"), None),
        (
            "--observe reactive --observation-noise 1/10 --implementation-noise 1/20",
            Pair(CHANCES, the_other, slips="1/20", misreads="1/10"),
            None,
        ),
        ("--initial CD", Pair(CHANCES, everything), [0, 1, 0, 0]),
        (
            "--initial uniform --observe reactive --discount 1/2,0",
            Pair(CHANCES, the_other, (Fraction(1, 2), Fraction(0))),
            [sympy.Rational(1, 4)] * 4,
        ),
    ],
)
def test_derive_with_other_rules(call, options, pair, begins):
    """The chain that is shown, and the quotients, against play round by round."""
    arguments = ("derive", "prisoners_dilemma", *options.split())
    record = json.loads(call(*arguments, "--expanded", "--json"))
    numbers = numbers_for(record, CHANCES)
    expected = pair.values(begins)
    assert shown_values(record, numbers) == expected
    assert quotients(record, numbers) == expected
    entering = begins is None
    assert record["rewards_for"] == ("entering" if entering else "acting")
    shown = call(*arguments)
    assert ("received for acting" in shown) is not entering
    assert "rules" in shown or options.startswith("--discount")


def test_derive_with_memories_of_different_length(call):
    """Who remembers nothing always does the same; who remembers all may do so too."""
    arguments = ("derive", "prisoners_dilemma", "--memory", "1,0", "--json")
    record = json.loads(call(*arguments, "--policies", "tit_for_tat,always:D"))
    assert record["game"]["memory"] == [1, 0]
    assert record["game"]["observations"] == [["start", "CC", "CD", "DC", "DD"], ["always"]]
    assert record["policy_symbols"][1] == [["q_always", "1 - q_always"]]
    assert record["values"]["discounted_sum"] == ["-51", "-48"]
    assert "q_always always" in call("derive", "prisoners_dilemma", "--memory", "1,0")


def test_derive_without_memory(call):
    """One policy for every round: the value per round is the stage payoff."""
    record = json.loads(call("derive", "prisoners_dilemma", "--memory", 0, "--expanded", "--json"))
    assert [sympy.expand(top) for top in record["numerators"]] == [
        sympy.sympify("2*q_0 - p_0 - 2"),
        sympy.sympify("2*p_0 - q_0 - 2"),
    ]
    assert record["denominator"] == "1"
    assert record["transitions"] == {"start": {"start": "1"}}
    assert "1 - p_0" not in call("derive", "prisoners_dilemma", "--memory", 0)


def test_derive_with_symbols_for_noise_and_discounts(call):
    arguments = ("derive", "prisoners_dilemma", "--observe", "reactive", "--discount", "g,h")
    arguments += ("--implementation-noise", "e")
    record = json.loads(call(*arguments, "--expanded", "--json"))
    assert record["game"]["symbols"] == ["e", "g", "h"]
    settings = {"e": "1/20", "g": "1/2", "h": "9/10"}
    pair = Pair(CHANCES, the_other, (Fraction(1, 2), Fraction(9, 10)), slips="1/20")
    numbers = numbers_for(record, CHANCES)
    numbers |= {sympy.Symbol(name): sympy.Rational(value) for name, value in settings.items()}
    assert quotients(record, numbers) == pair.values()
    formulas = record["formula"].splitlines()
    assert formulas[1] == "V_2 = (1 - h) p0' (I - h P)^-1 r_2"


@pytest.fixture
def grazing(tmp_path):
    path = tmp_path / "grazing.toml"
    path.write_text(GRAZING)
    return path


def test_derive_a_stochastic_game(call, grazing):
    """Both spare: one each round, for ever. Both graze: two each, once."""
    for policies, expected in (("always:spare", "1"), ("always:graze", "1/5")):
        record = json.loads(call("derive", grazing, "--policies", policies, "--json"))
        assert record["values"]["per_round"] == [expected] * 2
    assert record["start"] == {"green": "1"}
    assert record["game"]["memory"] is None
    assert record["game"]["transitions"][0][0] == ["green", {"green": "1/2", "bare": "1/2"}]
    numbers = {sympy.Symbol(name): 1 for name in ("p_green", "p_bare", "q_green", "q_bare")}
    assert shown_values(record, numbers) == [1, 1]
    shown = call("derive", grazing)
    assert "grazing, with discount 9/10" in shown
    assert "green  spare, graze  1, 3     green 1/2, bare 1/2" in shown
    assert "-p_bare q_bare + q_bare" in shown


def test_games_shows_a_stochastic_game(call, grazing):
    assert "green 1/2, bare 1/2" in call("games", grazing)
    record = json.loads(call("games", grazing, "--json"))
    assert (record["kind"], record["states"]) == ("stochastic", ["green", "bare"])
    assert record["payoffs"][0] == [[["1", "1"], ["3", "2"]], [["0", "0"], ["1", "0"]]]


def test_large_games_are_shown_in_part(call, tmp_path):
    shown = call("derive", "prisoners_dilemma", "--memory", 3)
    assert "82 more rows alike" in shown
    assert "(85 in all)" in shown
    write(prisoners_dilemma().iterated("1/2", memory=3).as_stochastic(), tmp_path / "game.toml")
    assert "85 states with 4 joint actions each" in call("derive", tmp_path / "game.toml")


def test_observations_whose_names_differ_in_signs_only_stay_apart(call, tmp_path):
    labels = {"start": "start", "CC": "a b", "CD": "a-b", "DC": "a_b", "DD": "a+b"}
    write(prisoners_dilemma().iterated("1/2", observe=labels), tmp_path / "game.toml")
    record = json.loads(call("derive", tmp_path / "game.toml", "--json"))
    symbols = [row[0] for own in record["policy_symbols"] for row in own]
    assert len(set(symbols)) == 10
    assert all(symbol.isidentifier() for symbol in symbols)


def test_options_override_what_a_file_says(call, tmp_path, capsys):
    path = tmp_path / "game.toml"
    write(
        prisoners_dilemma().iterated("1/2", observe="reactive", implementation_noise="1/20"), path
    )

    def rules(*options):
        game = json.loads(call("derive", path, *options, "--json"))["game"]
        return game["discount"], game["observations"][0], game["implementation_noise"]

    noise = [[["19/20", "1/20"], ["1/20", "19/20"]]] * 2
    assert rules() == ("1/2", ["start", "C", "D"], noise)
    assert rules("--discount", "9/10") == ("9/10", ["start", "C", "D"], noise)
    assert rules("--initial", "CC") == ("1/2", ["C", "D"], noise)
    assert rules("--initial", "start") == ("1/2", ["start", "C", "D"], noise)
    assert rules("--implementation-noise", "0")[2] == [None, None]
    assert rules("--observe", "own,all", "--memory", "1")[1] == ["start", "C", "D"]
    assert len(rules("--observe", "reactive", "--memory", "2")[1]) == 7
    assert run(["derive", str(path), "--memory", "2"]) == 2
    assert "with other states, add --observe" in capsys.readouterr().err

    write(prisoners_dilemma().iterated("1/2", initial="uniform"), path)
    assert len(rules("--initial", "start")[1]) == 5
    assert run(["derive", str(path), "--memory", "2"]) == 2
    assert "add --initial" in capsys.readouterr().err


# Average payoffs, enclosures, symmetric play and exports -------------------------------------


def test_average_where_play_may_end_up_in_two_places(call):
    """Two grim players cooperate for ever. The slightest noise ends it: whoever slips is never
    forgiven, so that with the noise gone last they defect."""
    arguments = ("derive", "prisoners_dilemma", "--average", "--policies", "grim")
    record = json.loads(call(*arguments, "--json"))["average"]
    assert (record["payoffs"], record["trembling"]) == (["-1", "-1"], None)
    first, second = record["without_noise"]["classes"]
    assert (first["states"], first["probability"], first["shares"]) == (["CC"], "1", {"CC": "1"})
    assert (second["states"], second["probability"], second["payoffs"]) == (["DD"], "0", ["-2"] * 2)
    assert record["without_noise"]["transient"] == ["start", "CD", "DC"]
    noisy = (*arguments, "--trembling", "uniform")
    assert json.loads(call(*noisy, "--json"))["average"]["payoffs"] == ["-2", "-2"]
    ordered = json.loads(call(*noisy, "--order", "noise_first", "--json"))["average"]
    assert (ordered["payoffs"], ordered["order"]) == (["-1", "-1"], "noise_first")
    shown = call(*noisy)
    assert "{CC}: period 1, reached with probability 1" in shown
    assert "(discount_first)" in shown


def test_average_with_a_noise_that_stays(call):
    """A tenth of the rounds at random: a twentieth of C where grim means D."""
    low = Fraction(1, 20)
    chances = {"start": 1 - low, "CC": 1 - low, "CD": low, "DC": low, "DD": low}
    arguments = ("derive", "prisoners_dilemma", "--average", "--policies", "grim")
    record = json.loads(call(*arguments, "--trembling", "1/10", "--json"))["average"]
    expected = Pair((chances, chances), everything).averages()
    assert record["payoffs"] == [str(payoff) for payoff in expected]
    assert "at random with probability 1/10" in " ".join(
        call(*arguments, "--trembling", "1/10").split()
    )


def test_average_as_formulas(call):
    arguments = ("derive", "prisoners_dilemma", "--average", "--expanded")
    record = json.loads(call(*arguments, "--implementation-noise", "1/20", "--json"))
    pair = Pair(CHANCES, everything, slips="1/20")
    numbers = numbers_for(record, CHANCES)
    assert quotients(record["average"], numbers) == pair.averages()
    assert "numerators" not in record
    assert "Numerator of V_1, discount 1" in call(*arguments)
    assert r"\lim_{g \to 1} V_{2} &= \frac{" in call(*arguments, "--latex")
    assert "--policies" in call("derive", "prisoners_dilemma", "--average")


def test_average_of_a_game_that_splits_needs_policies(call, tmp_path, capsys):
    """Heads leads to one place for ever, tails to another."""
    path = tmp_path / "game.toml"
    path.write_text(
        'payoffs = [[[0, 0], [1, 1], [5, 5]]]\nactions = ["h", "t"]\n[stochastic]\ndiscount = "1/2"\n'
        'states = ["toss", "one", "five"]\ntransitions = [["one", "five"], ["one", "one"], ["five", "five"]]'
    )
    assert run(["derive", str(path), "--average", "--expanded"]) == 2
    assert "2 separate sets of states" in capsys.readouterr().err
    record = json.loads(call("derive", path, "--average", "--policies", "uniform", "--json"))
    assert record["average"]["payoffs"] == ["3"]
    assert "2 separate sets of states" in call("derive", path, "--average")
    # The default learner has nobody to look ahead at.
    assert run(["learn", str(path)]) == 2
    assert "there are none; use naive" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("normalise", "unit"), [("average", "per_round"), ("sum", "discounted_sum")]
)
def test_enclosures_contain_the_value_and_are_small(call, normalise, unit):
    chances = "1/2:9/10:1/3:2/3:1/7"
    arguments = ("derive", "prisoners_dilemma", "--normalise", normalise)
    arguments += ("--policies", f"memory_one:{chances},uniform")
    exact = json.loads(call(*arguments, "--json"))["values"][unit]
    record = json.loads(call(*arguments, "--enclose", 200, "--json"))
    assert "values" not in record
    assert record["enclosures"]["bits"] == 200
    with flint.ctx.workprec(400):
        for ball, value in zip(record["enclosures"][unit], map(Fraction, exact), strict=True):
            enclosure = flint.arb(ball)
            assert enclosure.contains(flint.arb(flint.fmpq(value.numerator, value.denominator)))
            assert enclosure.rel_accuracy_bits() >= 195
    assert "enclosed to 200 bits" in call(*arguments, "--enclose", 200)


def test_symmetric_play(call):
    arguments = ("derive", "prisoners_dilemma", "--symmetric")
    record = json.loads(call(*arguments, "--json"))
    own = CHANCES[0]
    swapped = {**own, "CD": own["DC"], "DC": own["CD"]}
    expected = Pair((own, swapped), everything).values()
    numbers = numbers_for(record, CHANCES)
    assert [at(value, numbers) for value in record["symmetric"]] == expected
    assert len(set(expected)) == 1
    assert "every V_i, where all play player 1's policy" in call(*arguments)


def test_export_writes_what_can_be_read_back(call, tmp_path):
    policies = "memory_one:1/2:9/10:1/3:2/3:1/7,uniform"
    arguments = ("derive", "prisoners_dilemma", "--discount", "1/2,9/10", "--policies", policies)
    record = json.loads(call(*arguments, "--json", "--export", tmp_path / "form.json"))
    joint = [[list(map(Fraction, row)) for row in own] for own in record["policies"]]
    exact = tuple(map(Fraction, record["values"]["per_round"]))
    assert ClosedForm.load(tmp_path / "form.json").evaluate(joint) == exact

    assert "Wrote" in call(*arguments, "--export", tmp_path / "form.py")
    spec = spec_from_file_location("form", tmp_path / "form.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert tuple(module.values(joint, Fraction)) == exact

    call(*arguments, "--export", tmp_path / "my form.c")
    assert "void my_form_values(" in (tmp_path / "my form.c").read_text()

    # Symbols are kept in what is loaded again.
    symbolic = ("derive", "prisoners_dilemma:T=b", "--discount", "1/2", "--export")
    call(*symbolic, tmp_path / "form.json")
    loaded = ClosedForm.load(tmp_path / "form.json")
    assert loaded.evaluate(joint, {"b": "0"})[0] == exact[0]


def test_export_of_latex_is_expanded_where_it_can_be(call, tmp_path):
    path = tmp_path / "form.tex"
    call("derive", "prisoners_dilemma:symbolic", "--observe", "reactive", "--export", path)
    assert path.read_text().count(r"\frac{") >= 2
    call("derive", "public_goods:n=3,factor=2", "--export", path)
    assert r"V_i &= " in path.read_text()
    assert r"V_{1} &= " not in path.read_text()


def test_gradient_with_discounts_of_their_own_who_see_the_other_only(call):
    """Both toss a coin: a C costs one, as often as it is seen: the start once, C and D in half of the
    later rounds, which count 1 together for player 1 and 9 for player 2. Times p (1 - p)."""
    arguments = ("--learner", "naive", "--observe", "reactive", "--discount", "1/2,9/10")
    record = json.loads(call("gradient", "prisoners_dilemma", *arguments, "--json"))
    first, second = record["players"]
    assert first["exact_update"] == [["-1/4"], ["-1/8"], ["-1/8"]]
    assert second["exact_update"] == [["-1/4"], ["-9/8"], ["-9/8"]]
    assert np.ravel(second["update"]) == pytest.approx([-0.25, -1.125, -1.125], rel=1e-14)


def test_gradient_agrees_with_finite_differences(call):
    """The taylor rule, by central differences in 60 digits, at two different policies."""
    specs = ("1/2:3/4:1/4:2/3:1/5", "2/5:4/5:1/3:1/2:1/4")
    policies = ",".join(f"memory_one:{spec}" for spec in specs)
    record = json.loads(
        call(
            "gradient", "prisoners_dilemma", "--policies", policies, "--lookahead", "1/2", "--json"
        )
    )
    with mpmath.workdps(60):
        step = mpmath.mpf(10) ** -15
        own = [
            [mpmath.mpf(Fraction(p).numerator) / Fraction(p).denominator for p in spec.split(":")]
            for spec in specs
        ]
        own[1] = [
            own[1][k] for k in (0, 1, 3, 2, 4)
        ]  # from player 2's own view to the absolute one
        theta = [mpmath.log(p / (1 - p)) for policy in own for p in policy]

        def values(moves):
            moved = list(theta)
            for k, by in moves:
                moved[k] += by
            chances = [1 / (1 + mpmath.exp(-x)) for x in moved]
            return discounted_values(chances[:5], chances[5:], mpmath.mpf)

        def slope(i, k):
            return (values([(k, step)])[i] - values([(k, -step)])[i]) / (2 * step)

        def mixed(i, k, m):
            corners = [
                (a, b, values([(k, a * step), (m, b * step)])[i]) for a in (1, -1) for b in (1, -1)
            ]
            return sum(a * b * value for a, b, value in corners) / (4 * step**2)

        for i, player in enumerate(record["players"]):
            mine, theirs = (range(5), range(5, 10))[:: 1 if i == 0 else -1]
            for k in mine:
                expected = {
                    "naive": slope(i, k),
                    "look_ahead": sum(mixed(i, k, m) * slope(1 - i, m) for m in theirs) / 2,
                    "shaping": sum(mixed(1 - i, k, m) * slope(i, m) for m in theirs) / 2,
                }
                for term, number in expected.items():
                    exact = Fraction(player["exact_terms"][term][k % 5][0])
                    close = mpmath.mpf(exact.numerator) / exact.denominator
                    assert mpmath.almosteq(close, number, rel_eps=1e-20, abs_eps=1e-20), (
                        i,
                        k,
                        term,
                    )
                total = float(sum(expected.values()))
                assert player["update"][k % 5][0] == pytest.approx(total, rel=1e-12, abs=1e-12)


def test_gradient_by_hand_where_both_toss_a_coin(call):
    """All states are equally likely. One's own C costs one now and changes nothing later: the naive
    gradient is minus a quarter of the visits of the state, 1 for the start and 24/4 for the others."""
    record = json.loads(call("gradient", "prisoners_dilemma", "--learner", "naive", "--json"))
    for player in record["players"]:
        assert player["exact_update"] == [["-1/4"], *[["-3/2"]] * 4]
        assert np.ravel(player["update"]) == pytest.approx([-0.25, *[-1.5] * 4], rel=1e-14)
    shown = call("gradient", "prisoners_dilemma", "--learner", "naive")
    assert "-3/2" in shown


def test_gradient_at_logits_and_by_probabilities(call):
    record = json.loads(
        call(
            "gradient", "prisoners_dilemma", "--learner", "naive", "--logits", "0,0,0,0,0", "--json"
        )
    )
    assert record["players"][0]["exact_update"] is None
    assert np.ravel(record["players"][0]["update"]) == pytest.approx([-0.25, *[-1.5] * 4])
    record = json.loads(
        call(
            *("gradient", "prisoners_dilemma", "--learner", "naive", "--parameters", "policies"),
            *("--policies", "always:D", "--json"),
        )
    )
    # Against a defector a C costs one: at the start once, in DD 24 times, elsewhere never.
    assert record["players"][0]["exact_update"] == [["-1"], ["0"], ["0"], ["0"], ["-24"]]


def test_learn_prints_saves_and_draws(call, tmp_path):
    files = tmp_path / "run.npz", tmp_path / "run.png"
    arguments = ("learn", "prisoners_dilemma", "--runs", 8, "--steps", 3, "--seed", 5)
    record = json.loads(call(*arguments, "--save", files[0], "--plot", files[1], "--json"))
    assert files[1].stat().st_size > 1000
    saved = Run.load(files[0])
    assert saved.values.shape == (8, 2)
    for player, own in enumerate(record["payoff_per_round"]):
        assert own["mean"] == pytest.approx(saved.values[:, player].mean() / 25, rel=1e-12)
    # What is played explains what is earned.
    shares = record["outcomes"]
    earned = [
        sum(share * PAYOFFS[a][b][i] for (a, b), share in zip(JOINT, shares.values(), strict=True))
        for i in (0, 1)
    ]
    assert list(shares) == ["CC", "CD", "DC", "DD"]
    assert earned == pytest.approx([own["mean"] for own in record["payoff_per_round"]], rel=1e-9)
    assert record["status"] == {"successful": 8, "nonfinite": 0}
    shown = call(*arguments, "--plot", files[1])
    assert "LOLA (taylor), rate 1" in shown
    assert f"{record['payoff_per_round'][0]['mean']:.4f}" in shown


def test_learn_by_other_rules(call):
    """Discounts, observations and noise of each player's own; what is played explains what player 1
    earns."""
    arguments = ("learn", "prisoners_dilemma", "--runs", 4, "--steps", 2, "--learners", "naive")
    options = ("--observe", "reactive,all", "--discount", "1/2,9/10", "--initial", "uniform")
    noise = ("--implementation-noise", "0,1/20")
    record = json.loads(call(*arguments, *options, *noise, "--json"))
    assert [len(own) for own in record["mean_policies"]] == [2, 4]
    shares = zip(JOINT, record["outcomes"].values(), strict=True)
    earned = sum(share * PAYOFFS[a][b][0] for (a, b), share in shares)
    assert earned == pytest.approx(record["payoff_per_round"][0]["mean"], rel=1e-9)
    shown = call(*arguments, *options, *noise)
    assert "with discounts 1/2 and 9/10" in shown
    assert "discounted as by player 1" in shown
    assert shown.count("mean policy") == 2


def test_tournament_prints_saves_and_draws(call, tmp_path):
    files = tmp_path / "cross.npz", tmp_path / "cross.png", tmp_path / "cross.csv"
    arguments = ("tournament", "prisoners_dilemma", "--learners", "naive,naive", "--rate", "1,1/2")
    arguments += ("--runs", 4, "--steps", 3)
    record = json.loads(call(*arguments, "--save", files[0], "--plot", files[1], "--json"))
    assert files[1].stat().st_size > 1000
    saved = Tournament.load(files[0])
    assert record["names"] == list(saved.names) == ["naive, rate 1", "naive, rate 1/2"]
    assert [own["learners"] for own in record["seatings"]] == [
        [a, b] for a in saved.names for b in saved.names
    ]
    for own, seats in zip(record["seatings"], product(range(2), repeat=2), strict=True):
        values = saved.values[seats] / 25
        assert own["payoff_per_round"] == pytest.approx(values.mean(0).tolist(), rel=1e-12)
        errors = values.std(0, ddof=1) / 2
        assert own["standard_error"] == pytest.approx(errors.tolist(), rel=1e-10)
        assert own["status"]["successful"] == 4
    shown = call(*arguments, "--save", files[2])
    assert f"{record['seatings'][1]['payoff_per_round'][0]:.4f} ± " in shown
    assert "player 2 against 1" in shown
    assert len(files[2].read_text().splitlines()) == 9


def test_a_tournament_of_three_with_a_run_that_fails(capsys):
    arguments = "tournament public_goods -l naive --runs 2 --steps 2 --rate 1e3 --limit 5 --json"
    assert run(arguments.split()) == 1
    printed = capsys.readouterr()
    (seating,) = json.loads(printed.out)["seatings"]
    assert seating["status"]["diverged"] == 2
    assert seating["payoff_per_round"] == [None] * 3
    assert printed.err == "resolvent: 2 of 2 runs diverged; they are part of no mean\n"


def test_all_learners_that_can_play_are_asked():
    stage = prisoners_dilemma()
    seeing = closed_form(stage.iterated("1/2"), "sum").compile()
    field = inputs.field_of_learners("all", "1/2", "1/4", "--learners", seeing)
    assert list(field) == list(LEARNERS)
    assert float(field["coala"].describe()["inner_rate"]) == 0.25
    assert field["fictitious_play"].describe()["learner"] == "FictitiousPlay"
    blind = closed_form(stage.iterated("1/2", memory=(0, 1)), "sum").compile()
    assert "brs" not in inputs.field_of_learners("all", "1/2", None, "--learners", blind)


def test_a_form_of_a_learner(call):
    """LOQA's form `on_policy` is exact advantage alignment."""

    def means(name):
        arguments = ("--runs", 2, "--steps", 1, "--json", "--learners", name)
        found = json.loads(call("learn", "prisoners_dilemma", *arguments))["payoff_per_round"]
        return [own["mean"] for own in found]

    shaped = means("loqa:on_policy")
    assert shaped == pytest.approx(means("advantage_alignment"), rel=1e-12)
    assert shaped != pytest.approx(means("naive"), rel=1e-6)


@pytest.mark.slow
def test_mfos_is_trained_first(call):
    """Against naive learners a constant meta-policy gets more than mutual defection, -2."""
    arguments = ("--runs", 16, "--steps", 100, "--json", "-l", "mfos:constant,naive")
    found = json.loads(call("learn", "prisoners_dilemma", *arguments))
    assert found["payoff_per_round"][0]["mean"] > -1.2


def test_demo_tells_the_story(call):
    told = call("demo", "--runs", 8, "--steps", 3)
    for landmark in (
        "numerators of 106 terms",
        "-51",
        "-123/49",
        "87/80",
        "63/16",
        "-111/16",
        "tit for tat",
    ):
        assert landmark in told
    naive, lola = (line.split() for line in told.splitlines() if "%" in line)
    assert (naive[0], lola[0]) == ("naive", "LOLA")
    assert float(naive[1]) < float(lola[1])


# How it ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "No such command"),
        ("--frobnicate", "No such option"),
        ("games prisoners_dilema", "did you mean 'prisoners_dilemma'?"),
        ("games missing.toml", "missing.toml: No such file"),
        ("games public_goods:n=one", "expected a whole number; got 'one'"),
        ("games chicken:payoff=mild", "chicken takes payoffs; got 'payoff'"),
        ("derive nothing_of_the_kind", "no game is called"),
        ("derive prisoners_dilemma --discount 1", "must be in [0, 1); got 1"),
        ("derive prisoners_dilemma --discount nan", "--discount"),
        ("derive prisoners_dilemma --policies always:X", "action must be one of C, D"),
        ("derive prisoners_dilemma --policies tit_for_that", "did you mean 'tit_for_tat'?"),
        ("derive prisoners_dilemma --set b=3", "got b to substitute"),
        ("derive prisoners_dilemma --memory -1", "--memory: memory must not be negative"),
        ("derive prisoners_dilemma --memory one", "--memory: expected a whole number; got 'one'"),
        (
            "derive prisoners_dilemma --memory 1,1,1",
            "--memory: memory must be one integer or one per",
        ),
        ("derive prisoners_dilemma --discount 1/2,1/3,1/4", "--discount: discount must"),
        ("derive prisoners_dilemma --observe sideways", "expected all, reactive, own"),
        ("derive prisoners_dilemma --observe own,own,own", "--observe: observe must hold"),
        ("derive prisoners_dilemma --observe reactive --policies grim", "grim: player 0 must tell"),
        ("derive prisoners_dilemma --initial XX", "--initial: initial may have CC, CD, DC, DD"),
        ("derive prisoners_dilemma --implementation-noise 2", "--implementation-noise: "),
        ("derive prisoners_dilemma --memory 2 --observation-noise 0.1", "--observation-noise: "),
        ("derive prisoners_dilemma --trembling uniform", "--trembling: only with --average"),
        ("derive prisoners_dilemma --average --trembling uniform", "needs --policies"),
        ("derive prisoners_dilemma --average --policies grim --order noise_first", "--trembling"),
        ("derive prisoners_dilemma --average --policies grim --trembling 2", "(0, 1)"),
        (
            "derive chicken --average --policies grim --trembling 0.1 --order noise_first",
            "--order: only for noise that vanishes",
        ),
        ("derive prisoners_dilemma --average --order first", "--order"),
        ("derive prisoners_dilemma --average --normalise sum", "leave out --normalise sum"),
        ("derive public_goods --average --expanded", "--expanded: the expanded rational function"),
        ("derive prisoners_dilemma --enclose 64", "--enclose: needs --policies"),
        ("derive prisoners_dilemma --enclose 1 --policies grim", "--enclose: bits"),
        ("derive prisoners_dilemma --symmetric --average", "--symmetric: not with --average"),
        ("derive prisoners_dilemma --symmetric --observe all,own", "--symmetric: expected"),
        ("derive public_goods --symmetric", "--symmetric: the expanded rational function"),
        ("derive prisoners_dilemma --export form.txt", "must end in .tex or .py or .c or .json"),
        ("derive prisoners_dilemma --export no/such/form.c", "--export: there is no folder"),
        ("derive prisoners_dilemma:symbolic --export form.c", "needs numbers in place of P, R"),
        ("derive prisoners_dilemma:symbolic --policies uniform", "P, R, S, T"),
        ("derive public_goods --expanded", "--expanded"),
        ("derive prisoners_dilemma --latex --json", "--latex"),
        ("derive prisoners_dilemma --latex --policies grim", "leave out --policies"),
        ("derive prisoners_dilemma --latex --average", "add --expanded"),
        ("derive prisoners_dilemma --latex --symmetric", "not with --symmetric"),
        ("derive prisoners_dilemma --average --policies grim --enclose 9", "not with --average"),
        ("gradient prisoners_dilemma --learner lolla", "did you mean 'lola'?"),
        ("gradient prisoners_dilemma --learner lola:wrong", "taylor"),
        ("gradient prisoners_dilemma --learner naive:exact", "naive has no variants"),
        ("gradient prisoners_dilemma --policies tit_for_tat", "--parameters policies"),
        ("gradient prisoners_dilemma --logits 1,2", "player 1 needs 5 numbers"),
        ("gradient prisoners_dilemma --rate 0", "expected a number above 0; got 0"),
        ("learn prisoners_dilemma --learners lola,naive,lola", "each of 2 players; got 3"),
        ("learn prisoners_dilemma --rate fast", "got 'fast'"),
        ("learn prisoners_dilemma --rate 1e400", "too large for a float"),
        ("learn prisoners_dilemma --runs 0", "--runs"),
        ("learn prisoners_dilemma --save run.txt", "must end in .npz"),
        ("learn prisoners_dilemma --plot no/such/folder/run.png", "no folder"),
        ("tournament prisoners_dilemma -l naive,", "an entry is empty"),
        ("tournament prisoners_dilemma -l naive,naive", "expected different learners"),
        ("tournament prisoners_dilemma -l naive,lola --rate 1,2,3", "each of 2 learners; got 3"),
        ("tournament prisoners_dilemma -l lolla", "did you mean 'lola'?"),
        ("tournament prisoners_dilemma --limit 0", "--limit: expected a number above 0"),
        ("tournament prisoners_dilemma --save run.txt", "must end in .npz or .csv"),
        ("tournament public_goods --plot cross.png", "a cross table is of two players"),
        ("demo --runs 0", "--runs"),
        ("demo --steps many", "--steps"),
        ("demo extra", "extra"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, message, capsys):
    assert run(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("resolvent: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_a_one_shot_file_needs_a_discount(tmp_path, capsys, call):
    path = tmp_path / "game.nfg"
    write(prisoners_dilemma(), path)
    assert run(["derive", str(path)]) == 2
    assert "--discount 24/25" in capsys.readouterr().err
    record = json.loads(
        call("derive", path, "--discount", "1/2", "--policies", "always:D", "--json")
    )
    assert record["values"]["per_round"] == ["-2", "-2"]
    path.write_text("NFG 1 R rubbish")
    assert run(["derive", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("derive FILE --discount 1/2", "--discount: FILE is a stochastic game"),
        (
            "gradient FILE --implementation-noise 1/2",
            "--implementation-noise: FILE is a stochastic",
        ),
        ("learn FILE --memory 2", "what the file says"),
        ("derive FILE --policies tit_for_tat", "tit_for_tat: game must be an IteratedGame"),
        ("derive FILE --symmetric", "--symmetric: expected an iterated game"),
    ],
)
def test_a_stochastic_game_is_what_its_file_says(arguments, message, grazing, capsys):
    assert run([str(grazing) if word == "FILE" else word for word in arguments.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message.replace("FILE", str(grazing)) in printed.err
    assert printed.err.count("\n") == 1


def test_a_failed_computation_is_status_1(capsys):
    status = run("learn prisoners_dilemma --runs 8 --steps 3 --rate 1e300 --json".split())
    printed = capsys.readouterr()
    assert status == 1
    assert json.loads(printed.out)["status"]["nonfinite"] == 8
    assert printed.err == "resolvent: 8 of 8 runs stopped at a step that was not finite\n"
    # Beyond floating point the exact update is still there.
    assert run("gradient prisoners_dilemma --rate 1e200".split()) == 1
    printed = capsys.readouterr()
    assert "5.43750e+400" in printed.out
    assert printed.err == "resolvent: an update is not finite\n"


def test_ctrl_c_is_status_130(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("resolvent.cli.games.games", interrupted)
    assert run(["games"]) == 130
    assert capsys.readouterr().err.strip() == "resolvent: interrupted"


def test_help_and_version(call):
    assert "Exit status" in call()
    assert call("--help") == call("-h")
    assert call("--version").startswith("resolvent ")
    for command in ("demo", "games", "derive", "gradient", "learn", "tournament"):
        assert command in call("--help")
        assert f"resolvent {command}" in call(command, "--help")


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "resolvent.cli.app")
    assert entry.main() == 1
    assert "pip install 'resolvent[cli]'" in capsys.readouterr().err


def test_quick_commands_import_neither_jax_nor_sympy():
    code = (
        "import sys; from resolvent.cli.app import run\n"
        "assert run(['--help']) == run(['games']) == run(['games', 'chicken']) == 0\n"
        "sys.exit(','.join({'jax', 'sympy', 'numpy', 'scipy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Reproductions -------------------------------------------------------------------------------


def test_reproduce_lists_what_there_is(call):
    listed = json.loads(call("reproduce", "--json"))["experiments"]
    assert [own["name"] for own in listed] == list(REPRODUCTIONS)
    shown = call("reproduce")
    assert all(own["name"] in shown and own["paper"] in shown for own in listed)


def test_reproduce_prints_writes_and_draws(call, tmp_path):
    files = tmp_path / "table.md", tmp_path / "figure.png"
    arguments = ("reproduce", "impossibility", "--quick")
    record = json.loads(call(*arguments, "--json", "--markdown", files[0], "--plot", files[1]))
    assert files[1].stat().st_size > 1000
    assert record["quick"] is True
    assert record["verdicts"] == {"agrees": 4, "ours only": 4}
    written = files[0].read_text(encoding="utf-8")
    shown = call(*arguments)
    for row in record["rows"]:
        assert row["what"] in written
        assert row["what"] in shown
        assert f"{row['ours']:.3f}" in shown
    assert "4 agrees, 4 ours only" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("reproduce lola_ipdd", "did you mean 'lola_ipd'?"),
        ("reproduce nothing", "`resolvent reproduce` lists them"),
        ("reproduce --quick", "say which experiment"),
        ("reproduce impossibility --markdown table.txt", "must end in .md"),
        ("reproduce impossibility --plot no/such/folder/f.png", "no folder"),
        ("reproduce impossibility --seed -1", "--seed"),
    ],
)
def test_bad_input_to_reproduce(arguments, message, capsys):
    assert run(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err


# Where compiled code is kept -----------------------------------------------------------------


def test_the_cache_folder_is_the_users_choice(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert environment.cache_folder() is None  # "off", by the fixture
    monkeypatch.setenv(environment.CACHE_VARIABLE, str(tmp_path / "a" / "b"))
    assert environment.cache_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert environment.cache_folder() is None  # JAX has its own already
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    (tmp_path / "file").touch()
    monkeypatch.setenv(environment.CACHE_VARIABLE, str(tmp_path / "file" / "inside"))
    assert environment.cache_folder() is None  # cannot be made


@pytest.mark.parametrize(
    ("platform", "variable", "inside"),
    [
        ("linux", "XDG_CACHE_HOME", "resolvent/compiled"),
        ("win32", "LOCALAPPDATA", "resolvent/compiled"),
        ("darwin", "HOME", "Library/Caches/resolvent/compiled"),
    ],
)
def test_the_cache_folder_is_where_the_platform_keeps_them(
    platform, variable, inside, monkeypatch, tmp_path
):
    monkeypatch.delenv(environment.CACHE_VARIABLE)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(environment.sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert environment.cache_folder() == tmp_path / inside


def test_the_value_solver_of_these_tests():
    """Mutual cooperation, and a coin: by hand."""
    assert discounted_values([Fraction(1)] * 5, [Fraction(1)] * 5) == [-25, -25]
    coin = [Fraction(1, 2)] * 5
    assert discounted_values(coin, coin) == [Fraction(-75, 2)] * 2


# Differentiable games ------------------------------------------------------------------------


def test_differentiable_games_are_listed_and_shown(call):
    printed = call("games")
    for name in DIFFERENTIABLE_CATALOGUE:
        assert f"\n{name} " in printed
    listed = json.loads(call("games", "--json"))
    assert [entry["name"] for entry in listed["games"]] == [*CATALOGUE]
    assert [entry["name"] for entry in listed["differentiable"]] == [*DIFFERENTIABLE_CATALOGUE]
    shown = call("games", "tandem")
    assert "-2*x + (x + y)**2" in shown
    assert "1811.08469" in shown
    assert "coupling=10" in call("games", "balduzzi")
    scaled = json.loads(call("games", "balduzzi:coupling=3", "--json"))
    assert scaled["losses"] == ["x**2/2 + 3*x*y", "-3*x*y + y**2/2"]
    assert scaled["options"] == {"coupling": "10"}
    assert "sigmoid(x)" in call("games", "one_shot:chicken:payoffs=mild")


def test_derive_a_differentiable_game(call, tmp_path):
    record = json.loads(call("derive", "tandem", "--json"))
    assert record["joint_gradient"] == ["-2*x - 2*y + 2", "-2*x - 2*y + 2"]
    assert record["jacobian"] == [["-2", "-2"], ["-2", "-2"]]
    assert "2*x + 2*y - 2" in call("derive", "tandem")
    assert "L_{1}(x, y)" in call("derive", "tandem", "--latex")
    path = tmp_path / "game.toml"
    path.write_text('parameters = ["x", "y"]\nsymbols = ["b"]\npayoffs = ["b*x*y", "-x*y"]\n')
    assert "b*y" in call("derive", path)
    assert json.loads(call("derive", path, "--set", "b=3", "--json"))["values"] == ["3*x*y", "-x*y"]


def test_learners_that_are_solved_beforehand(call):
    """The limits of x + y in closed form: shaping.md, COLA1 and section 2.2."""
    options = ("--rate", "0.1", "--runs", "3", "--steps", "300", "--json")
    limits = {"cola": (1 + 1.8**0.5) / 2, "meva:1/2": 1.136041703044}
    for rule, limit in limits.items():
        record = json.loads(call("learn", "tandem", "-l", rule, *options))
        means = [own["mean"] for own in record["parameters"].values()]
        assert sum(means) == pytest.approx(limit, rel=1e-10)


def test_gradient_of_tandem_by_hand(call):
    """At x = 1/2, y = 1/4 with losses: xi = -1/2, H_12 = 2, dL_i/dx_j = 2s = 3/2."""
    options = ("--rate", "1/10", "--learner")
    record = json.loads(call("gradient", "tandem", *options, "lola", "--at", "1/2;1/4", "--json"))
    for own in record["players"]:
        assert own["exact_terms"] == {
            "naive": ["1/2"],
            "look_ahead": ["-1/10"],  # -(1/10) 2 (1/2)
            "shaping": ["3/10"],  # (1/10) 2 (3/2)
        }
        assert own["exact_update"] == ["7/100"]
        assert own["update"] == pytest.approx([0.07], rel=1e-14)
    printed = call("gradient", "tandem", *options, "lola,sos")
    assert "naive gradient" in printed
    assert "Norms of the terms" in printed


def test_learn_a_differentiable_game(call, tmp_path):
    path = tmp_path / "run.npz"
    arguments = ("learn", "tandem", "-l", "lola", "--rate", "0.1", "--runs", "3", "--steps", "300")
    record = json.loads(call(*arguments, "--json", "--save", path))
    # The closed form of Taylor LOLA: s = (1 - 2a)/(1 - 4a).
    means = [record["parameters"][name]["mean"] for name in ("x", "y")]
    assert sum(means) == pytest.approx(4 / 3, rel=1e-9)
    assert sum(own["mean"] for own in record["payoff"]) / 2 == pytest.approx(-4 / 9, rel=1e-9)
    assert record["status"] == {"successful": 3, "nonfinite": 0}
    game = Run.load(path).game
    assert game is not None
    assert game.name == "tandem"
    printed = call(*arguments)
    assert "parameter" in printed
    assert "per round" not in printed


DIFFERENTIABLE_REFUSALS = {
    "discount": (("learn", "tandem", "--discount", "1/2"), "--discount: tandem"),
    "memory": (("derive", "tandem", "--memory", "2"), "--memory: tandem"),
    "policies": (("derive", "tandem", "--policies", "uniform"), "--policies: tandem"),
    "expanded": (("derive", "tandem", "--expanded"), "--expanded: tandem"),
    "parameters": (("gradient", "tandem", "--parameters", "policies"), "--parameters: tandem"),
    "point": (("gradient", "tandem", "--at", "1"), "--at: expected numbers for 2 players"),
    "numbers": (("gradient", "tandem", "--at", "1;2,3"), "--at: player 2 needs 1 numbers (y)"),
    "symbol": (("learn", "balduzzi:coupling=c"), "--set NAME=VALUE"),
    "one_shot": (("learn", "one_shot:tandem"), "one_shot needs a matrix game"),
    "typo": (("learn", "tandm"), "did you mean 'tandem'?"),
    "option": (("learn", "tandem:coupling=2"), "tandem takes no options"),
}


@pytest.mark.parametrize("case", DIFFERENTIABLE_REFUSALS)
def test_what_differentiable_games_have_no_use_for(case, capsys):
    arguments, message = DIFFERENTIABLE_REFUSALS[case]
    assert run(list(arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# Equilibria ----------------------------------------------------------------------------------


def test_trace_selects_the_risk_dominant_equilibrium_and_says_how(call, tmp_path):
    path, figure = tmp_path / "found.npz", tmp_path / "path.png"
    told = call(
        *"trace stag_hunt --once --method linear --certify --save".split(), path, "--plot", figure
    )
    for landmark in ("played once", "traced from uniform", "An equilibrium.", "(exact)", "proved"):
        assert landmark in told
    assert figure.stat().st_size > 1000
    assert Equilibrium.load(path).policies == (((0, 1),),) * 2
    # What was saved is policies again, and a prior.
    verified = json.loads(call("verify", "stag_hunt", path, "--once", "--json"))
    assert verified["equilibrium"]
    assert verified["values"] == [["5"], ["5"]]
    again = json.loads(call(*"trace stag_hunt --once --method linear --json --prior".split(), path))
    assert again["policies"] == [[["0", "1"]]] * 2


@pytest.mark.parametrize("method", ["logit", pytest.param("logarithmic", marks=pytest.mark.slow)])
def test_trace_by_other_procedures(call, method):
    found = json.loads(call(*f"trace stag_hunt --once --json --method {method}".split()))
    assert found["equilibrium"]
    assert found["policies"] == [[[0, 1]]] * 2
    assert found["game"]["kind"] == "matrix"


def test_trace_from_a_run_that_was_saved(call, capsys, tmp_path):
    path = tmp_path / "run.npz"
    game = "matching_pennies --memory 0 --discount 1/2".split()
    call("learn", *game, *"-l naive --runs 2 --steps 1 --save".split(), path)
    found = json.loads(call("trace", *game, "--json", "--method", "linear", "--prior", f"{path}:1"))
    # The zero-sum game has one equilibrium only, whatever was learned.
    assert found["policies"] == [[["1/2", "1/2"]]] * 2
    for wrong in (str(path), f"{path}:2"):
        assert run(["trace", *game, "--prior", wrong]) == 2
        assert "holds 2 runs" in capsys.readouterr().err


def test_nash_of_one_round_and_of_many(call):
    once = json.loads(call(*"nash stag_hunt --once --all --certify --json".split()))
    assert once["complete"]
    assert sorted(own["policies"][0][0][0] for own in once["equilibria"]) == ["0", "1", "2/3"]
    assert all(own["certificate"]["proved"] for own in once["equilibria"])
    many = call(*"nash prisoners_dilemma --discount 9/10 --all --method pure".split())
    assert "3 equilibria" in many
    assert "C C D D D" in many  # grim, after start CC CD DC DD
    assert "Actions after start CC CD DC DD" in many
    one = call(*"nash matching_pennies --once".split())
    assert "H 1/2, T 1/2" in one


def test_verify_tit_for_tat_at_its_threshold(call, capsys):
    # With payoffs -1, -3, 0, -2: Nash from discount (T - R) / (R - S) = 1/2 on, and nowhere subgame perfect but there.
    for discount, nash, perfect in (("2/5", 1, 1), ("1/2", 0, 0), ("3/5", 0, 1)):
        arguments = f"verify prisoners_dilemma tit_for_tat --discount {discount}".split()
        assert run(arguments) == nash
        assert run([*arguments, "--subgame-perfect"]) == perfect
        printed = capsys.readouterr()
        assert ("is not a subgame-perfect equilibrium" in printed.err) == bool(perfect)


def test_verify_says_what_would_be_better(capsys):
    assert run("verify stag_hunt mixed:1/3:2/3 --once --certify".split()) == 1
    printed = capsys.readouterr()
    # Against stag with 1/3, hare pays 6 and the mixture 16/3; payoffs are between 1 and 10.
    assert "Player 1 gains 2/3 per round, by playing H" in printed.out
    assert "not proved" in printed.out
    assert "a player gains 2/27 of its payoff range" in printed.err
    # A tolerance is a share of that range.
    assert run("verify stag_hunt mixed:1/3:2/3 --once --tolerance 0.08".split()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("trace stag_hunt --once --discount 1/2", "--discount: a game that is played --once"),
        ("trace stag_hunt --prior nobody", "--prior: no policy is called 'nobody'"),
        ("trace stag_hunt --once --prior grim", "prior: grim"),
        ("trace stag_hunt --once --prior missing.npz", "missing.npz: No such file"),
        ("trace stag_hunt --once --mixed 2", "share: expected a probability"),
        ("trace stag_hunt --prior grim --method linear", "the linear procedure takes one belief"),
        ("trace stag_hunt --once --method logit --prior always:S", "prior[0]: expected positive"),
        ("trace stag_hunt --save found.txt", "must end in .npz"),
        ("trace tandem", "tandem is a differentiable game"),
        ("nash stag_hunt --once --all --save found.npz", "--save: is for one equilibrium"),
        ("nash prisoners_dilemma:symbolic --once", "needs numbers in place of"),
        ("nash stag_hunt --once --method vertices", 'expected one of "auto"'),
        ("verify stag_hunt mixed:1/3:1/3 --once", "probabilities that sum to one"),
        ("verify stag_hunt mixed:1/3 --once", "expected mixed:S:H"),
        ("verify stag_hunt grim --tolerance -1", "--tolerance: expected a number above 0"),
    ],
)
def test_bad_input_to_the_commands_on_equilibria(arguments, message, capsys):
    assert run(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("resolvent: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
