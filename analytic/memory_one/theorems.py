"""Theorems of memory-one play as objects: what they say, where from, and a check that runs.

Each check draws random rational instances, half of them on a boundary of the conditions, decides each by the
conditions and by the exact best response (`two_by_two`, which knows no theorem), and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from types import MappingProxyType
from typing import Any

from resolvent.analytic.memory_one import conditions as known
from resolvent.analytic.memory_one import decided_twice as twice
from resolvent.analytic.memory_one.condition_record import Conditions, P, R, p_0, p_CC, p_DD
from resolvent.analytic.memory_one.decided_twice import Decide


@dataclass(frozen=True)
class TheoremCheck:
    """What came of checking a theorem.

    **Attributes:**

    - `name`: the theorem's.
    - `instances`: how many were drawn; `held`: of how many of them the property was found to hold;
        `boundary`: on how many some condition was an equality.
    - `mismatches`: the instances, numbers by name, on which theorem and best response differ.
    """

    name: str
    instances: int
    held: int
    boundary: int
    mismatches: tuple[Mapping[str, Any], ...]

    def __bool__(self) -> bool:
        """Whether there was no mismatch."""
        return not self.mismatches

    def __str__(self) -> str:
        text = (
            f"{self.name}: {len(self.mismatches)} mismatches in {self.instances} instances, of which it held in "
            f"{self.held}; {self.boundary} on a boundary"
        )
        if self.mismatches:
            first = ", ".join(f"{name} = {own}" for name, own in self.mismatches[0].items())
            text += f"; the first: {first}"
        return text


@dataclass(frozen=True)
class MemoryOneTheorem:
    """A theorem of memory-one play.

    **Attributes:**

    - `name`, `statement` (plain, with LaTeX), `source`.
    - `stated`: makes the conditions, a function of `resolvent.analytic.memory_one.conditions`.
    - `decide`: draws an instance and decides it by the conditions and by the best response.
    """

    name: str
    statement: str
    source: str
    stated: Callable[[], Conditions] = field(repr=False)
    decide: Decide = field(repr=False, compare=False)

    @property
    def conditions(self) -> Conditions:
        """Necessary and sufficient conditions as SymPy relations, with assumptions; of an identity, it."""
        return self.stated()

    def check(self, instances: int = 200, seed: int = 0) -> TheoremCheck:
        """Decide random instances by the theorem and by the exact best response, and compare.

        **Arguments:** `instances`: how many; `seed`: of the draws, the same for the same ones.

        **Returns:** a [`resolvent.analytic.TheoremCheck`][], true if there was no mismatch.
        """
        rng = Random(f"{self.name} {seed}")
        decided = [self.decide(rng, self.conditions) for _ in range(instances)]
        return TheoremCheck(
            self.name,
            instances,
            sum(own.found for own in decided),
            sum(own.boundary for own in decided),
            tuple(own.instance for own in decided if own.predicted != own.found),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.statement} ({self.source})"


# The theorems -------------------------------------------------------------------------------

_AKIN = "Akin (2012), arXiv:1211.0969"
_HTS = "Hilbe, Traulsen and Sigmund (2015), Games Econ. Behav. 92, 41"
_HERE = "derived here"


_NICE = {p_0: Fraction(1), p_CC: Fraction(1)}


def _theorems() -> tuple[MemoryOneTheorem, ...]:
    return (
        MemoryOneTheorem(
            "akin_lemma",
            "Whatever the others do, the shares v of the outcomes satisfy, for each action a of a player of "
            r"memory one, $\sum_k v_k (g\, p(a|k) - [k_i = a]) = -(1-g)\, p_0(a)$; any number of players and actions.",
            f"{_AKIN}; with discount {_HTS}",
            known.akin_lemma,
            twice.akin,
        ),
        MemoryOneTheorem(
            "partner",
            "A nice policy concedes at most R to every strategy, and is so a Nash equilibrium with itself, if and only "
            "if (T - R)(1 - g(1 - p_DC)) <= g(1 - p_CD)(R - S) and (T - R)(1 - g(1 - p_DD)) <= g(1 - p_CD)(R - P).",
            f"{_AKIN}, for g -> 1; {_HERE} with discount",
            known.partner,
            twice.compared(
                twice.other_at_most(R),
                _NICE,
            ),
        ),
        MemoryOneTheorem(
            "good",
            "In a dilemma with 2R > T + S a nice policy leaves no way to get R but by giving R, if and only if both "
            "inequalities of partner are strict.",
            f"{_AKIN}, theorem 1.5, for g -> 1; {_HERE} with discount",
            known.good,
            twice.compared(
                twice.good,
                _NICE,
                dilemma=1,
            ),
        ),
        MemoryOneTheorem(
            "defector_nash",
            "A policy with p_0 = p_DD = 0 concedes at most P, and is so a Nash equilibrium with itself, if and only if "
            "g p_DC (T - P) <= (P - S)(1 - g p_CD) and g p_DC (R - P) <= (P - S)(1 - g p_CC).",
            _HERE,
            known.defector_nash,
            twice.compared(
                twice.other_at_most(P),
                {p_0: Fraction(0), p_DD: Fraction(0)},
            ),
        ),
        MemoryOneTheorem(
            "rival",
            "A policy is never outscored at a discount g < 1 if and only if p_0 = 0, g p_DD = 0 and "
            "g (p_CD + p_DC) <= 1.",
            f"{_HTS}, for g -> 1; {_HERE} with discount",
            known.rival,
            twice.compared(
                twice.never_outscored,
            ),
        ),
        MemoryOneTheorem(
            "partner_average",
            "In the average, a nice policy other than (1, 1, 0, 0) concedes at most R (is of Nash type) if and only "
            "if (T - R) p_DC <= (R - S)(1 - p_CD) and (T - R) p_DD <= (R - P)(1 - p_CD).",
            f"{_AKIN}, theorem 1.5",
            known.partner_average,
            twice.compared(
                twice.average(lambda pairs, reward: max(other for _, other in pairs) <= reward),
                _NICE,
            ),
        ),
        MemoryOneTheorem(
            "good_average",
            "In the average, a nice policy is good if and only if both inequalities are strict.",
            f"{_AKIN}, theorem 1.5",
            known.good_average,
            twice.compared(
                twice.average(
                    lambda pairs, reward: all(
                        other < reward or own == other == reward for own, other in pairs
                    )
                ),
                _NICE,
                dilemma=1,
            ),
        ),
        MemoryOneTheorem(
            "rival_average",
            "In the average, a policy with p_CD < 1 is never outscored if and only if p_DD = 0 and p_CD + p_DC <= 1.",
            _HTS,
            known.rival_average,
            twice.compared(
                twice.average(lambda pairs, reward: all(other <= own for own, other in pairs)),
            ),
        ),
        MemoryOneTheorem(
            "always_defect",
            "ALLD with itself is subgame-perfect if and only if P >= S.",
            "standard",
            known.always_defect,
            twice.compared(
                twice.subgame_perfect,
                twice.strategy(0, 0, 0, 0, 0),
            ),
        ),
        MemoryOneTheorem(
            "grim_perfect",
            "GRIM with itself is subgame-perfect if and only if R >= (1 - g) T + g P and P >= S: in a dilemma for "
            "g >= (T - R) / (T - P).",
            "Friedman (1971), Rev. Econ. Stud. 38, 1",
            known.grim_perfect,
            twice.compared(
                twice.subgame_perfect,
                twice.strategy(1, 1, 0, 0, 0),
            ),
        ),
        MemoryOneTheorem(
            "grim_nash",
            "GRIM with itself is a Nash equilibrium if and only if (T - R)(1 - g) <= g (R - S) and (T - R)(1 - g) <= "
            "g (R - P).",
            _HERE,
            known.grim_nash,
            twice.compared(
                twice.other_at_most(R),
                twice.strategy(1, 1, 0, 0, 0),
            ),
        ),
        MemoryOneTheorem(
            "win_stay_perfect",
            "Win-stay lose-shift with itself is subgame-perfect if and only if g (R - P) >= T - R and (1 - g) P + "
            "g R >= S: in a dilemma for g >= (T - R) / (R - P).",
            _HERE,
            known.win_stay_perfect,
            twice.compared(
                twice.subgame_perfect,
                twice.strategy(1, 1, 0, 0, 1),
            ),
        ),
        MemoryOneTheorem(
            "win_stay_nash",
            "Win-stay lose-shift with itself is a Nash equilibrium if and only if T - R <= g (R - P) and (T - R)"
            "(1 - g) <= g (R - S).",
            _HERE,
            known.win_stay_nash,
            twice.compared(
                twice.other_at_most(R),
                twice.strategy(1, 1, 0, 0, 1),
            ),
        ),
        MemoryOneTheorem(
            "tit_for_tat_perfect",
            "Tit-for-tat with itself is subgame-perfect if and only if T + g S = (1 + g) R and S + g T = (1 + g) P: at "
            "one discount of few dilemmas.",
            _HERE,
            known.tit_for_tat_perfect,
            twice.compared(
                twice.subgame_perfect,
                twice.strategy(1, 1, 0, 1, 0),
            ),
        ),
        MemoryOneTheorem(
            "tit_for_tat_nash",
            "Tit-for-tat with itself is a Nash equilibrium if and only if T - R <= g (R - S) and T - R <= g (T - P).",
            "Axelrod (1981), Am. Polit. Sci. Rev. 75, 306",
            known.tit_for_tat_nash,
            twice.compared(
                twice.other_at_most(R),
                twice.strategy(1, 1, 0, 1, 0),
            ),
        ),
        MemoryOneTheorem(
            "equalizer",
            "In a dilemma the other's payoff does not depend on what it does, after any outcome, if and only if "
            r"$g p - (1, 1, 0, 0)$ is an affine function of the other's payoff (R, T, S, P).",
            "Press and Dyson (2012), PNAS 109, 10409, for g -> 1; that there are no others: derived here",
            known.equalizer,
            twice.equalizer,
        ),
        MemoryOneTheorem(
            "equalizer_pair",
            "Any two equalizers, with any first actions, are a subgame-perfect equilibrium: a continuum "
            "of dimension 4.",
            _HERE,
            known.equalizer_pair,
            twice.equalizer_pair,
        ),
    )


MEMORY_ONE_THEOREMS: Mapping[str, MemoryOneTheorem] = MappingProxyType(
    {own.name: own for own in _theorems()}
)
"""Theorems by name; `MEMORY_ONE_THEOREMS[name].check()` runs one."""
