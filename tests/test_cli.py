"""The command line, in process: what it prints, what it refuses, and how it ends.

The numbers are judged by what is written here: linear solves in fractions, and finite differences in 60 digits.
"""

import json
import subprocess
import sys
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
import sympy

from resolvent import __main__ as entry
from resolvent.cli import environment
from resolvent.cli.app import run
from resolvent.games import CATALOGUE, prisoners_dilemma, write
from resolvent.numeric.run import Run

PAYOFFS = {"C": {"C": (-1, -1), "D": (-3, 0)}, "D": {"C": (0, -3), "D": (-2, -2)}}
JOINT = tuple(product("CD", repeat=2))


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
        ("derive prisoners_dilemma --memory 0", "--memory"),
        ("derive prisoners_dilemma:symbolic --policies uniform", "P, R, S, T"),
        ("derive public_goods --expanded", "--expanded"),
        ("derive prisoners_dilemma --latex --json", "--latex"),
        ("gradient prisoners_dilemma --learner loal", "did you mean 'lola'?"),
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
    for command in ("demo", "games", "derive", "gradient", "learn"):
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
