r"""The memory-one strategies of the Axelrod library, as data.

Version 4.14.0. Each is its probabilities of cooperating in the first round and after CC, CD, DC and DD, its own action
first. Three of the classes' kinds take them from the payoffs (R, P, S, T) of the match that is played: the linear
relations s (V_x - l) = V_y - l of Hilbe, Nowak and Sigmund (2013), PNAS 110, 6913, Equation 14,

$$ p = (1 - \phi (1 - s)(R - l),\; 1 - \phi (s (l - S) + T - l),\; \phi (l - S + s (T - l)),\; \phi (1 - s)(l - P)), $$

and generous tit for tat, q = min(1 - (T - R)/(R - S), (R - P)/(T - P)) after a defection. (So the library documents it;
its objects compute q once, when they are made, from the default payoffs, and keep that 1/3 in any other game.)

Numbers are those of the classes' source code, where the library's own vectors have rounded floats: 1/9 and 1/2 give
it 0.8888888888888888 after CC and here 8/9, 1 - 0.9 gives it 0.09999999999999998 and here 1/10.
`tests/references/axelrod_strategies.json` holds what the library itself does, asked after every history of four rounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

VERSION = "4.14.0"

OUTCOMES = ("CC", "CD", "DC", "DD")
"""What happened last, a player's own action first."""

Four = tuple[Fraction, Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class Line:
    """The parameters of a strategy that enforces slope (V_x - baseline) = V_y - baseline.

    **Attributes:** `phi`, `slope`, and `baseline`: a number, or the payoff `"R"` or `"P"` of the match.
    """

    phi: Fraction
    slope: Fraction
    baseline: Fraction | Literal["R", "P"]

    def vector(self, r: Fraction, p: Fraction, s: Fraction, t: Fraction) -> Four:
        """The probabilities after CC, CD, DC and DD for the payoffs R, P, S and T."""
        payoffs = {"R": r, "P": p}
        base = payoffs[self.baseline] if isinstance(self.baseline, str) else self.baseline
        return (
            1 - self.phi * (1 - self.slope) * (r - base),
            1 - self.phi * (self.slope * (base - s) + t - base),
            self.phi * (base - s + self.slope * (t - base)),
            self.phi * (1 - self.slope) * (base - p),
        )


@dataclass(frozen=True)
class AxelrodStrategy:
    """A strategy of the library.

    **Attributes:**

    - `name`: of the class, such as `"ZDExtort2"`.
    - `title`: the library's name for it, such as `"ZD-Extort-2"`.
    - `start`: the probability of cooperating in the first round.
    - `after`: the probabilities after CC, CD, DC and DD, own action first; a `Line` that gives them for a
        match's payoffs; or `"generous"`.
    - `only_without_noise`: whether the class remembers something else, which comes to the same as these numbers as
        long as nobody's hand trembles.
    """

    name: str
    title: str
    start: Fraction
    after: Four | Line | Literal["generous"]
    only_without_noise: bool = False

    @property
    def needs_payoffs(self) -> bool:
        """Whether the probabilities depend on the payoffs of the match."""
        return not isinstance(self.after, tuple)

    def vector(
        self,
        r: Fraction = Fraction(3),
        p: Fraction = Fraction(1),
        s: Fraction = Fraction(0),
        t: Fraction = Fraction(5),
    ) -> Four:
        """The probabilities of cooperating after CC, CD, DC and DD.

        **Arguments:** the payoffs R, P, S and T of the match; default: those of the library.
        """
        if isinstance(self.after, tuple):
            return self.after
        if isinstance(self.after, Line):
            return self.after.vector(r, p, s, t)
        forgiving = min(1 - (t - r) / (r - s), (r - p) / (t - p))
        return (Fraction(1), forgiving, Fraction(1), forgiving)


def _fixed(name: str, title: str, start: str, after: str, noisy: bool = True) -> AxelrodStrategy:
    cc, cd, dc, dd = map(Fraction, after.split())
    return AxelrodStrategy(name, title, Fraction(start), (cc, cd, dc, dd), not noisy)


def _line(
    name: str, title: str, phi: str, slope: str, baseline: int | Literal["R", "P"]
) -> AxelrodStrategy:
    base = Fraction(baseline) if isinstance(baseline, int) else baseline
    return AxelrodStrategy(name, title, Fraction(1), Line(Fraction(phi), Fraction(slope), base))


_ALL = (
    _fixed("ALLCorALLD", "ALLCorALLD", "3/5", "1 1 0 0"),
    _fixed("Alternator", "Alternator", "1", "0 0 1 1"),
    _fixed("AntiTitForTat", "Anti Tit For Tat", "1", "0 1 0 1"),
    _fixed("Bully", "Bully", "0", "0 1 0 1"),
    _fixed("BurnBothEnds", "Burn Both Ends", "1", "9/10 0 9/10 0"),
    _fixed("Cooperator", "Cooperator", "1", "1 1 1 1"),
    # Counts rounds: what its hand does instead is not seen.
    _fixed("CyclerDC", "Cycler DC", "0", "0 0 1 1", noisy=False),
    _fixed("Defector", "Defector", "0", "0 0 0 0"),
    _fixed("Desperate", "Desperate", "1/2", "0 0 0 1"),
    _fixed("FirmButFair", "Firm But Fair", "1", "1 0 1 2/3"),
    # Cooperates with a probability that it draws anew in each round, uniformly from 3/10 to 7/10.
    _fixed("FirstByAnonymous", "First by Anonymous", "1/2", "1/2 1/2 1/2 1/2"),
    _fixed("FirstByGrofman", "First by Grofman", "1", "1 2/7 2/7 1"),
    _fixed("FirstByJoss", "First by Joss", "1", "9/10 0 9/10 0"),
    AxelrodStrategy("GTFT", "GTFT", Fraction(1), "generous"),
    # Remembers whether the other ever defected: without noise it has itself defected only if so.
    _fixed("Grudger", "Grudger", "1", "1 0 0 0", noisy=False),
    _fixed("Hopeless", "Hopeless", "1/2", "0 1 1 1"),
    _fixed("NaiveProber", "Naive Prober", "1", "9/10 0 9/10 0"),
    _fixed("Negation", "Negation", "1/2", "0 1 0 1"),
    _fixed("PSOGamblerMem1", "PSO Gambler Mem1", "1", "1 0.52173487 0 0.12050939"),
    _fixed("Random", "Random", "1/2", "1/2 1/2 1/2 1/2"),
    _fixed("SoftJoss", "Soft Joss", "1", "1 1/10 1 1/10"),
    _fixed("StochasticCooperator", "Stochastic Cooperator", "1", "0.935 0.229 0.266 0.42"),
    _fixed("StochasticWSLS", "Stochastic WSLS", "1", "0.95 0.05 0.05 0.95"),
    _fixed("SuspiciousTitForTat", "Suspicious Tit For Tat", "0", "1 0 1 0"),
    _fixed("TitForTat", "Tit For Tat", "1", "1 0 1 0"),
    _fixed("Willing", "Willing", "1/2", "1 1 1 0"),
    _fixed("WinShiftLoseStay", "Win-Shift Lose-Stay", "0", "0 1 1 0"),
    _fixed("WinStayLoseShift", "Win-Stay Lose-Shift", "1", "1 0 0 1"),
    _line("ZDExtort2", "ZD-Extort-2", "1/9", "1/2", "P"),
    _line("ZDExtort2v2", "ZD-Extort-2 v2", "1/8", "1/2", 1),
    _line("ZDExtort3", "ZD-Extort3", "3/26", "1/3", 1),
    _line("ZDExtort4", "ZD-Extort-4", "4/17", "1/4", 1),
    _line("ZDExtortion", "ZD-Extortion", "1/5", "1/10", 1),
    _line("ZDGTFT2", "ZD-GTFT-2", "1/4", "1/2", "R"),
    _line("ZDGen2", "ZD-GEN-2", "1/8", "1/2", 3),
    _line("ZDMischief", "ZD-Mischief", "1/10", "0", 1),
    _line("ZDSet2", "ZD-SET-2", "1/4", "0", 2),
)

AXELROD_STRATEGIES: MappingProxyType[str, AxelrodStrategy] = MappingProxyType(
    {own.name: own for own in _ALL}
)
"""The memory-one strategies of the Axelrod library, by the names of their classes."""

STEWART_PLOTKIN: MappingProxyType[str, str] = MappingProxyType(
    {
        "ALLC": "Cooperator",
        "ALLD": "Defector",
        "EXTORT-2": "ZDExtort2",
        "HARD_JOSS": "FirstByJoss",
        "TFT": "TitForTat",
        "GRIM": "Grudger",
        "GTFT": "GTFT",
        "WSLS": "WinStayLoseShift",
        "RANDOM": "Random",
        "ZDGTFT-2": "ZDGTFT2",
    }
)
"""The ten of the nineteen strategies of Stewart and Plotkin's tournament (2012, PNAS 109, 10134) that remember one
round, by their names there, and the classes that the library's documentation gives for them."""


def plain(name: str) -> str:
    """A name without what is written in more than one way: `"ZD-Extort-2"` is `"zdextort2"`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


ALIASES: MappingProxyType[str, str] = MappingProxyType(
    {
        **{plain(own.title): own.name for own in _ALL},
        **{plain(alias): name for alias, name in STEWART_PLOTKIN.items()},
        **{plain(own.name): own.name for own in _ALL},
    }
)
"""Names of classes, the library's names and those of Stewart and Plotkin, plain, to names of classes."""
