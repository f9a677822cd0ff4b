r"""The conditions of memory-one theory, exactly, in the payoffs, the discount and the policy.

A policy cooperates with probability $p_0$ first, and then with $p_{CC}, p_{CD}, p_{DC}, p_{DD}$, its own last
action first. Payoffs of one player: R for mutual cooperation, S for cooperating alone, T for defecting alone,
P for mutual defection. With $v_{CC}, v_{CD}, v_{DC}, v_{DD}$ the discounted shares of the outcomes,
$v_s = (1 - g) \sum_t g^t \Pr(s_t = s)$, everything here follows from one identity (Akin 2012, arXiv:1211.0969;
with discount Hilbe, Traulsen and Sigmund 2015, Games Econ. Behav. 92, 41):

$$ \sum_s v_s \big( g\, p_s - [s \in \{CC, CD\}] \big) = -(1 - g)\, p_0. $$

For $p_0 = p_{CC} = 1$, for example, it says $g (1 - p_{CD}) v_{CD} = (1 - g (1 - p_{DC})) v_{DC} +
(1 - g (1 - p_{DD})) v_{DD}$, and the co-player's payoff exceeds R by $(T - R) v_{CD} - (R - S) v_{DC} - (R - P)
v_{DD}$: eliminate $v_{CD}$, and both coefficients must be at most 0, since a co-player can bring about
either of the two other outcomes without the other. No order of the payoffs is needed for that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy

from resolvent.analytic.memory_one.condition_record import (
    OTHER,
    POLICY,
    Conditions,
    P,
    R,
    S,
    T,
    g,
    p_0,
    p_CC,
    p_CD,
    p_DC,
    p_DD,
)

NICE: tuple[Any, ...] = (sympy.Eq(p_0, 1), sympy.Eq(p_CC, 1))
DILEMMA: tuple[Any, ...] = (sympy.Gt(T, R), sympy.Gt(R, P), sympy.Gt(P, S))


@cache
def akin_lemma() -> Conditions:
    """The identity itself, with the shares of the outcomes as the symbols v_CC, v_CD, v_DC, v_DD."""
    v = sympy.symbols("v_CC v_CD v_DC v_DD", real=True)
    own = (g * p_CC - 1, g * p_CD - 1, g * p_DC, g * p_DD)
    total = sum(a * b for a, b in zip(v, own, strict=True))
    return Conditions("akin_lemma", (), (sympy.Eq(total, -(1 - g) * p_0),))


@cache
def partner() -> Conditions:
    """When no strategy earns more than R against a nice policy, so that it is a Nash equilibrium with itself.

    Partners in the sense of Hilbe, Chatterjee and Nowak (2018, Nat. Hum. Behav. 2, 469), Akin's *Nash
    type* with discount. Any payoffs: no order of T, R, P, S is assumed.
    """
    return Conditions(
        "partner",
        NICE,
        (
            sympy.Le((T - R) * (1 - g * (1 - p_DC)), g * (1 - p_CD) * (R - S)),
            sympy.Le((T - R) * (1 - g * (1 - p_DD)), g * (1 - p_CD) * (R - P)),
        ),
    )


@cache
def good() -> Conditions:
    """When a co-player of a nice policy who gets R or more leaves R to it, too.

    Akin's *good* strategies with discount, the partners of Hilbe, Traulsen and Sigmund (2015): both
    inequalities of [`resolvent.analytic.memory_one.conditions.partner`][] are strict. Of a dilemma with
    2R > T + S; where 2R = T + S, taking turns gives R to both, and the first may be an equality.
    """
    weak = partner().relations
    strict = tuple(sympy.Lt(own.lhs, own.rhs) for own in weak)
    return Conditions("good", (*NICE, *DILEMMA, sympy.Gt(2 * R, T + S)), strict)


@cache
def defector_nash() -> Conditions:
    """When no strategy earns more than P against a policy that neither begins to cooperate nor returns to it
    after mutual defection, so that it is a Nash equilibrium with itself. Any payoffs."""
    return Conditions(
        "defector_nash",
        (sympy.Eq(p_0, 0), sympy.Eq(p_DD, 0)),
        (
            sympy.Le(g * p_DC * (T - P), (P - S) * (1 - g * p_CD)),
            sympy.Le(g * p_DC * (R - P), (P - S) * (1 - g * p_CC)),
        ),
    )


@cache
def rival() -> Conditions:
    """When a policy is never outscored: whatever the other does, it gets at least as much, at this discount.

    The competitive strategies of Hilbe, Traulsen and Sigmund (2015) with discount. It must begin with
    defection: whoever may cooperate first loses to ALLD by the first round's share. T > S is all that is
    assumed.
    """
    return Conditions(
        "rival",
        (sympy.Gt(T, S),),
        (sympy.Eq(p_0, 0), sympy.Eq(g * p_DD, 0), sympy.Le(g * (p_CD + p_DC), 1)),
    )


@cache
def partner_average() -> Conditions:
    """Akin's *Nash type*: [`resolvent.analytic.memory_one.conditions.partner`][] in the limit of discount 1.

    (T - R) p_DC <= (R - S) (1 - p_CD) and (T - R) p_DD <= (R - P) (1 - p_CD), of any payoffs. Not of the
    policy (1, 1, 0, 0), which repeats its own first action for ever: both sides of both are 0 there, while
    ALLD gets T.
    """
    return Conditions(
        "partner_average",
        (*NICE, sympy.Gt(1 - p_CD + p_DC + p_DD, 0)),
        (
            sympy.Le((T - R) * p_DC, (R - S) * (1 - p_CD)),
            sympy.Le((T - R) * p_DD, (R - P) * (1 - p_CD)),
        ),
        average=True,
    )


@cache
def good_average() -> Conditions:
    """Akin's *good* strategies (2012, theorem 1.5), [`resolvent.analytic.memory_one.conditions.good`][]
    in the limit of discount 1."""
    weak = partner_average().relations
    strict = tuple(sympy.Lt(own.lhs, own.rhs) for own in weak)
    return Conditions(
        "good_average", (*NICE, *DILEMMA, sympy.Gt(2 * R, T + S)), strict, average=True
    )


@cache
def rival_average() -> Conditions:
    """When nobody gets more than the policy in the average: in the limit of discount 1.

    p_DD = 0 and p_CD + p_DC <= 1 (Hilbe, Traulsen and Sigmund 2015), whatever the first action, unless
    p_CD = 1: then it is exploited for ever if it ever cooperates.
    """
    return Conditions(
        "rival_average",
        (sympy.Gt(T, S), sympy.Lt(p_CD, 1)),
        (sympy.Eq(p_DD, 0), sympy.Le(p_CD + p_DC, 1)),
        average=True,
    )


@cache
def always_defect() -> Conditions:
    """ALLD with itself is subgame-perfect, and Nash, if and only if P >= S: at every discount or at none."""
    return Conditions("always_defect", (), (sympy.Ge(P, S),))


@cache
def grim_perfect() -> Conditions:
    """When GRIM (1, 0, 0, 0) with itself is subgame-perfect: in a dilemma for g >= (T - R) / (T - P)."""
    return Conditions("grim_perfect", (), (sympy.Ge(R, (1 - g) * T + g * P), sympy.Ge(P, S)))


@cache
def grim_nash() -> Conditions:
    """When GRIM with itself is a Nash equilibrium: (T - R) (1 - g) is at most g (R - S) and g (R - P)."""
    return Conditions(
        "grim_nash",
        (),
        (sympy.Le((T - R) * (1 - g), g * (R - S)), sympy.Le((T - R) * (1 - g), g * (R - P))),
    )


@cache
def win_stay_perfect() -> Conditions:
    """When win-stay lose-shift (1, 0, 0, 1) with itself is subgame-perfect: in a dilemma for g >= (T - R) /
    (R - P), so at no discount if 2R <= T + P."""
    return Conditions(
        "win_stay_perfect",
        (),
        (sympy.Ge(g * (R - P), T - R), sympy.Ge((1 - g) * P + g * R, S)),
    )


@cache
def win_stay_nash() -> Conditions:
    """When win-stay lose-shift with itself is a Nash equilibrium; in a dilemma the first relation is the one
    that counts."""
    return Conditions(
        "win_stay_nash",
        (),
        (sympy.Le(T - R, g * (R - P)), sympy.Le((T - R) * (1 - g), g * (R - S))),
    )


@cache
def tit_for_tat_perfect() -> Conditions:
    """When tit-for-tat with itself is subgame-perfect: at the single discount (T - R) / (R - S) = (P - S) /
    (T - P) of a dilemma, if these are the same."""
    return Conditions(
        "tit_for_tat_perfect",
        (),
        (sympy.Eq(T + g * S, (1 + g) * R), sympy.Eq(S + g * T, (1 + g) * P)),
    )


@cache
def tit_for_tat_nash() -> Conditions:
    """When tit-for-tat with itself is a Nash equilibrium (Axelrod 1981): in a dilemma for g >= (T - R) /
    (R - S) and g >= (T - R) / (T - P)."""
    return Conditions(
        "tit_for_tat_nash", (), (sympy.Le(T - R, g * (R - S)), sympy.Le(T - R, g * (T - P)))
    )


@cache
def equalizer() -> Conditions:
    r"""When the other's payoff does not depend on what it does, from any state on.

    $g p = [s \in \{CC, CD\}] + \beta\, (R, T, S, P) + \gamma$ for some $\beta$, $\gamma$ (Press and Dyson 2012, with
    discount; the first action only moves the level), without them: the entries of $g p - [s \in \{CC, CD\}]$
    are an affine function of the other's payoff. Of a dilemma; in general a mixed equilibrium of the stage game played
    whatever happened is another such policy.
    """
    return Conditions("equalizer", DILEMMA, _equalizer(*POLICY[1:]))


@cache
def equalizer_pair() -> Conditions:
    """When each of two policies makes the other's payoff independent of what it does: any such pair is a
    subgame-perfect equilibrium, at every first action: a continuum of dimension 4, or 6 with them."""
    relations = (*_equalizer(*POLICY[1:]), *_equalizer(*OTHER[1:]))
    return Conditions("equalizer_pair", DILEMMA, relations)


def _equalizer(
    cc: sympy.Symbol, cd: sympy.Symbol, dc: sympy.Symbol, dd: sympy.Symbol
) -> tuple[Any, ...]:
    rise = g * (cc - dd) - 1
    return (
        sympy.Eq((g * (cd - dd) - 1) * (R - P), rise * (T - P)),
        sympy.Eq(g * (dc - dd) * (R - P), rise * (S - P)),
    )
