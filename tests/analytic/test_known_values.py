"""Values worked out by hand: the prisoner's dilemma of the LOLA paper at g = 24/25.

Payoffs per round (Foerster et al. 2018, table 1): CC -1, -1; CD -3, 0; DC 0, -3; DD -2, -2. Values are
per round, (1 - g) times the discounted sum; 1 - g = 1/25, and the sum is 25 times as large.
"""

from fractions import Fraction
from typing import Any

import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, absolute_view

F = Fraction
HALF = F(1, 2)
PAYOFFS = [[[-1, -3], [0, -2]], [[-1, 0], [-3, -2]]]

# Probabilities of C at the start and after CC, CD, DC, DD, own action first.
TFT = (1, 1, 0, 1, 0)
SUSPICIOUS = (0, 1, 0, 1, 0)  # tit-for-tat that defects first
ALLC = (1, 1, 1, 1, 1)
ALLD = (0, 0, 0, 0, 0)
GRIM = (1, 1, 0, 0, 0)
WSLS = (1, 1, 0, 0, 1)
RANDOM = (HALF,) * 5

HANDWORK = {
    # CC for ever.
    "tit-for-tat, itself": (TFT, TFT, F(-1), F(-1)),
    "win-stay lose-shift, itself": (WSLS, WSLS, F(-1), F(-1)),
    "grim, tit-for-tat": (GRIM, TFT, F(-1), F(-1)),
    # DD for ever; CD for ever.
    "always defect, itself": (ALLD, ALLD, F(-2), F(-2)),
    "always cooperate, always defect": (ALLC, ALLD, F(-3), F(0)),
    # CD once, then DD: 1/25 (-3) + 24/25 (-2) = -51/25 and 1/25 0 + 24/25 (-2) = -48/25.
    "tit-for-tat, always defect": (TFT, ALLD, F(-51, 25), F(-48, 25)),
    "grim, always defect": (GRIM, ALLD, F(-51, 25), F(-48, 25)),
    # The random player makes every later round uniform over CC, CD, DC, DD: -3/2 for both. In the
    # first, tit-for-tat plays C: (-1 - 3)/2 = -2 and (-1 + 0)/2 = -1/2.
    # 1/25 (-2) + 24/25 (-3/2) = -38/25; 1/25 (-1/2) + 24/25 (-3/2) = -73/50.
    "tit-for-tat, random": (TFT, RANDOM, F(-38, 25), F(-73, 50)),
    # Win-stay lose-shift cooperates after CC and DD, that is with probability 1/2 whatever it did.
    "win-stay lose-shift, random": (WSLS, RANDOM, F(-38, 25), F(-73, 50)),
    # Grim still cooperates in round t with probability 2^-t: a discounted share of
    # (1/25) / (1 - 12/25) = 1/13 of the rounds. Then it gets -2 and the other -1/2; in the other
    # 12/13 it defects, gets (0 - 2)/2 = -1 and the other (-3 - 2)/2 = -5/2.
    # -2/13 - 12/13 = -14/13; -1/26 - 60/26 = -61/26.
    "grim, random": (GRIM, RANDOM, F(-14, 13), F(-61, 26)),
    "random, itself": (RANDOM, RANDOM, F(-3, 2), F(-3, 2)),
    # CD, DD, CD, DD, ...: (-3 - 2g) / (1 + g) = (-123/25) / (49/25) and -2g / (1 + g).
    "win-stay lose-shift, always defect": (WSLS, ALLD, F(-123, 49), F(-48, 49)),
    # CD, DC, CD, DC, ...: -3 / (1 + g) = -75/49 and -3g / (1 + g) = -72/49.
    "tit-for-tat, suspicious": (TFT, SUSPICIOUS, F(-75, 49), F(-72, 49)),
    # CD, DC, DD and again: (-3 - 2g^2) / (1 + g + g^2) with 625 (1 + g + g^2) = 625 + 600 + 576 =
    # 1801 and 625 (3 + 2g^2) = 1875 + 1152 = 3027; the other (-3g - 2g^2): 1800 + 1152 = 2952.
    "win-stay lose-shift, suspicious": (WSLS, SUSPICIOUS, F(-3027, 1801), F(-2952, 1801)),
}


def joint_policy(game, first, second):
    """From each player's own view to the absolute one, with the probability of D filled in."""
    mine = tuple((F(p), 1 - F(p)) for p in first)
    theirs = tuple((F(p), 1 - F(p)) for p in second)
    # Written out rather than trusted: player 2's own CD is the absolute DC.
    absolute = (theirs[0], theirs[1], theirs[3], theirs[2], theirs[4])
    assert absolute_view(game, theirs, 1) == absolute
    return mine, absolute


@pytest.fixture(scope="module")
def game():
    return NormalForm(PAYOFFS, actions=("C", "D")).iterated("24/25")


@pytest.mark.parametrize("pair", HANDWORK)
def test_value_by_hand(game, pair):
    first, second, mine, theirs = HANDWORK[pair]
    form, total = closed_form(game), closed_form(game, "sum")
    policies = joint_policy(game, first, second)
    assert form.evaluate(policies) == (mine, theirs)
    assert total.evaluate(policies) == (25 * mine, 25 * theirs)
    # The game is symmetric: seats exchanged, values exchanged.
    assert form.evaluate(joint_policy(game, second, first)) == (theirs, mine)


def test_occupancy_by_hand(game):
    """Tit-for-tat against always-defect: round 0 is played from the start, round 1 from CD, all
    others from DD: 1/25, 24/625, 576/625."""
    policies = joint_policy(game, TFT, ALLD)
    assert closed_form(game).occupancy(policies) == (F(1, 25), 0, F(24, 625), 0, F(576, 625))


def test_q_values_by_hand(game):
    """One deviation from mutual tit-for-tat: C, D by turns, (0, -3, 0, -3, ...) -> -3g / (1 + g) =
    -72/49 for the one who begins, against -1."""
    policies = joint_policy(game, TFT, TFT)
    q = closed_form(game).q_values(policies, 0)
    assert q[0] == (F(-1), F(-72, 49))
    # After CC the same; after DD (tit-for-tat answers D): C is answered by the other's C, while
    # the other plays D now: -3, 0, -3, ... = -3 / (1 + g) = -75/49; D: DD for ever, -2.
    assert q[1] == (F(-1), F(-72, 49))
    assert q[4] == (F(-75, 49), F(-2))


def test_gradient_by_hand():
    """At g = 0 player 1's value is the payoff of the first round, p q R + p (1-q) S + (1-p) q T +
    (1-p)(1-q) P: derivative q (R - T) + (1-q)(S - P) = -1 in p, p (R - S) + (1-p)(T - P) = 2 in q."""
    form = closed_form(NormalForm(PAYOFFS).iterated(0))
    policies = tuple(((F(1, 3), F(2, 3)),) * 5 for _ in range(2))
    still = [[0, 0]] * 4
    own = form.taylor(policies, [[[1, -1], *still], [[0, 0], *still]], 2)
    other = form.taylor(policies, [[[0, 0], *still], [[1, -1], *still]], 2)
    assert own[0][1:] == (-1, 0)
    assert other[0][1:] == (2, 0)


def test_closed_form_of_the_repeated_game_by_hand():
    """Players who ignore the past: the value is that of one round, for any discount symbol."""
    import sympy

    gamma = sympy.Symbol("gamma")
    form = closed_form(NormalForm(PAYOFFS).iterated(gamma))
    p, q = sympy.symbols("p q")
    given: dict[Any, Any] = {
        row[0]: number
        for own, number in zip(form.policy_symbols, (p, q), strict=True)
        for row in own
    }
    once = -p * q - 3 * p * (1 - q) - 2 * (1 - p) * (1 - q)
    assert sympy.simplify(form.values[0].subs(given) - once) == 0
