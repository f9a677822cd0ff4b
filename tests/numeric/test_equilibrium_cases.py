"""Known answers of the literature that no other test file covers: every case of references/equilibrium_cases.json
but one is compared somewhere. The one is the payoff set of a repeated game with correlated play (Abreu and
Sannikov), which this library does not compute."""

import json
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
import sympy

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, memory_one
from resolvent.numeric import is_nash, nash, regret

CASES = {
    case["id"]: case
    for case in json.loads(
        (Path(__file__).parents[1] / "references" / "equilibrium_cases.json").read_text()
    )["cases"]
}
STAGE = NormalForm.symmetric([[3, 0], [5, 1]], ("C", "D"))  # R, S, T, P = 3, 0, 5, 1
OTHERS = {
    "ALLC": (1, 1, 1, 1),
    "ALLD": (0, 0, 0, 0),
    "random": (Fraction(1, 2),) * 4,
    "WSLS": (1, 0, 0, 1),
}
PLAYERS = {**OTHERS, "TFT": (1, 0, 1, 0), "GRIM": (1, 0, 0, 0)}


def averages(first, second, begin: object = "uniform", **options):
    """Average payoffs of two memory-one strategies in their own views."""
    game = STAGE.iterated("1/2", initial=begin)
    policies = []
    for player, own in enumerate((first, second)):
        rows = memory_one(STAGE.iterated("1/2"), player, 0, *own)[1:]  # without the start
        policies.append(rows)
    return closed_form(game).average(tuple(policies), **options)


FAMILY = "zd_extortion_family"
ENFORCERS = [name for name, case in CASES.items() if case["kind"] == "zero_determinant"]


@pytest.mark.parametrize("name", [name for name in ENFORCERS if name != FAMILY])
def test_zero_determinant_strategies(name):
    """Scores in the limit of no discounting, and the linear relation that the strategy enforces."""
    case = CASES[name]
    own = [Fraction(str(p)) for p in case["data"]["p"]]
    found = {other: averages(own, OTHERS[other]) for other in case["expected"]["sX_sY_vs"]}
    for other, scores in case["expected"]["sX_sY_vs"].items():
        if scores is not None:  # where the limit depends on where play begins there is no number
            assert found[other] == tuple(map(Fraction, scores))
    relations = {
        "s_X - 1 = 3 (s_Y - 1)": lambda x, y: x - 1 - 3 * (y - 1),
        "s_X - 1 = 2 (s_Y - 1)": lambda x, y: x - 1 - 2 * (y - 1),
        "s_X - 3 = 2 (s_Y - 3)": lambda x, y: x - 3 - 2 * (y - 3),
        "s_Y = 2": lambda x, y: y - 2,
        "s_X = s_Y": lambda x, y: x - y,
    }
    off = relations[case["expected"]["relation"]]
    for other in ("ALLC", "ALLD", "random"):
        assert off(*found[other]) == 0


@pytest.mark.parametrize("chi", [Fraction(1), Fraction(3, 2), Fraction(3), Fraction(10)])
@pytest.mark.parametrize("share", [Fraction(1), Fraction(1, 3)])
def test_the_family_of_extortioners(chi, share):
    """Against always-cooperate, for phi up to its bound: (2 + 13 chi, 12 + 3 chi) / (2 + 3 chi)."""
    phi = share / (1 + 4 * chi)
    own = (1 - 2 * phi * (chi - 1), 1 - phi * (4 * chi + 1), phi * (chi + 4), 0)
    wanted = tuple(member_of_family(text, chi) for text in CASES[FAMILY]["expected"]["vs_ALLC"])
    assert averages(own, OTHERS["ALLC"]) == wanted


def member_of_family(text, chi):
    """A rational function of chi, read by SymPy from this repository's own file."""
    value = sympy.sympify(text).subs("chi", sympy.Rational(chi.numerator, chi.denominator))
    return Fraction(int(value.p), int(value.q))


@pytest.mark.parametrize("pair", list(CASES["recurrent_classes_5310"]["expected"]))
def test_recurrent_classes_and_both_limits(pair):
    """Where play may end in several classes the limit depends on the start; with noise it does not."""
    expected = CASES["recurrent_classes_5310"]["expected"][pair]
    first, second = (PLAYERS[name] for name in pair.split("/"))
    for begin, wanted in zip(
        product("CD", repeat=2), expected["mean_payoff_X_from_CC_CD_DC_DD"], strict=True
    ):
        initial = {"".join(begin): 1}
        assert averages(first, second, initial)[0] == Fraction(wanted)
    noisy = averages(first, second, trembling="uniform", order="discount_first")
    assert noisy[0] == Fraction(expected["limit_of_noise_to_0_after_gamma_to_1"])


@pytest.mark.parametrize("num_players", [2, 3])
def test_anticoordination(num_players):
    """All play the safe action with probability v^(-1 / (N - 1))."""
    case = CASES[f"anticoordination_N{num_players}_v2"]
    v = case["data"]["v"]

    def pay(actions, player):
        if actions[player] == 0:
            return 1
        return v if all(a == 0 for j, a in enumerate(actions) if j != player) else 0

    shape = (2,) * num_players

    def table(player, prefix=()):
        if len(prefix) == num_players:
            return pay(prefix, player)
        return [table(player, (*prefix, a)) for a in range(shape[len(prefix)])]

    game = NormalForm([table(player) for player in range(num_players)])
    safe = v ** (-1 / (num_players - 1))
    policies = tuple([safe, 1 - safe] for _ in range(num_players))
    assert is_nash(game, policies)
    assert not is_nash(game, tuple([safe + 1e-6, 1 - safe - 1e-6] for _ in range(num_players)))
    assert regret(game, nash(game).policies).nash <= 1e-12
