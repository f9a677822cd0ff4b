"""Stewart and Plotkin's tournament (2012), PNAS 109, 10134: the part of it that remembers one round, or up to three.

Of its nineteen strategies ten are memory-one and three more remember two or three rounds, by the implementations of the
Axelrod library 4.14.0, whose documentation says which class stands for which of their names. Each pair's expected
score over 200 rounds is computed here; the library simulates it. The paper's scores are in a figure that could not be
read, and of the whole field; the places that the library's documentation quotes from it are set beside ours, among
the thirteen, and not judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from resolvent.analytic import MatchTable, match_moments, match_table
from resolvent.games import (
    STEWART_PLOTKIN,
    ExactPolicy,
    IteratedGame,
    axelrod_strategy,
    prisoners_dilemma,
)
from resolvent.numeric import AbstractMeter
from resolvent.reproductions import measure
from resolvent.reproductions.record import Reproduction, Row

TURNS = 200
LIBRARY = "axelrod 4.14.0, simulated"
PAPER = "quoted by the library"
# Mean scores over the nine (eight) others, 1000 (400) matches a pair: tests/references/axelrod_tournament.json.
SIMULATED = {
    "ALLC": 2.38519,
    "ALLD": 2.15004,
    "EXTORT-2": 1.96127,
    "HARD_JOSS": 1.97226,
    "TFT": 2.28613,
    "GRIM": 2.35467,
    "GTFT": 2.45356,
    "WSLS": 2.37428,
    "RANDOM": 2.08832,
    "ZDGTFT-2": 2.44134,
}
MATCHES = 1000
NOISE = "1/20"
SIMULATED_NOISE = {
    "ALLC": 2.06251,
    "ALLD": 2.40093,
    "EXTORT-2": 2.22478,
    "HARD_JOSS": 2.23193,
    "TFT": 2.21577,
    "GTFT": 2.24343,
    "WSLS": 2.29294,
    "RANDOM": 2.28479,
    "ZDGTFT-2": 2.25034,
}
MATCHES_NOISE = 400
VECTORS = {"EXTORT-2": (8 / 9, 1 / 2, 1 / 3, 0.0), "ZDGTFT-2": (1.0, 1 / 8, 1.0, 1 / 4)}
# Places in the paper's whole field of nineteen: by score, and by wins.
PLACES = {
    "ZDGTFT-2": (1, 16),
    "GTFT": (2, 18),
    "TF2T": (3, 19),
    "HARD_TF2T": (6, 17),
    "WSLS": (7, 13),
    "RANDOM": (8, 8),
    "GRIM": (10, 11),
    "HARD_TFT": (12, 10),
    "HARD_JOSS": (16, 4),
    "EXTORT-2": (18, 2),
}


def reacting(
    defects: Callable[[tuple[int, ...]], bool],
) -> Callable[[IteratedGame, int], ExactPolicy]:
    """The strategy that defects where this is so of the other's last actions, 1 for each defection, oldest first."""

    def policy(game: IteratedGame, player: int) -> ExactPolicy:
        seen = (tuple(joint[1 - player] for joint in history) for history in game.histories)
        chances = (Fraction(not defects(others)) for others in seen)
        return tuple((chance, 1 - chance) for chance in chances)

    return policy


LONGER = {
    "TF2T": reacting(lambda others: others[-2:] == (1, 1)),
    "HARD_TFT": reacting(lambda others: 1 in others),
    "HARD_TF2T": reacting(lambda others: (1, 1) in (others[:2], others[-2:])),
}
"""For a memory of three rounds."""


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: memory one, without noise."""
    game = prisoners_dilemma(5, 3, 1, 0).iterated("9/10")  # the discount plays no part
    table = match_table(game, tuple(STEWART_PLOTKIN), turns=TURNS)
    rows = _vectors(game)
    rows += _scores(table, SIMULATED, MATCHES, "")
    if not quick:
        noisy = match_table(game, tuple(SIMULATED_NOISE), turns=TURNS, noise=NOISE)
        rows += _scores(noisy, SIMULATED_NOISE, MATCHES_NOISE, ", noise 1/20")
        rows += _places(longer_table())
    return Reproduction(
        name="stewart_plotkin",
        title="Stewart and Plotkin's tournament",
        paper="Stewart and Plotkin 2012, PNAS 109, 10134",
        protocol=(
            f"prisoner's dilemma (R, P, S, T) = (3, 1, 0, 5), matches of {TURNS} rounds, expected scores per round "
            "over all opponents but itself; nothing is random on our side",
            f"the Axelrod library: {MATCHES} matches a pair, with noise {MATCHES_NOISE}; standard errors from the "
            "exact variance of a score",
            "the strategies are those of the library by the names of the paper; GRIM is left out with noise, where "
            "the library's remembers more than one round",
            "places: with TF2T, HARD_TFT and HARD_TF2T, in the game with a memory of three rounds, exactly",
        ),
        rows=tuple(rows),
        remarks=(
            "Places are those among the ten of which the paper's is quoted (that of TF2T by wins with a question "
            "mark), in a field of thirteen; ours are shared by those who outscore equally many. By score the first "
            "three and the last two are the paper's, but GTFT is before ZDGTFT-2; by wins the first four are.",
            "The library's documentation gives HARD_JOSS as (0.9, 0, 1, 0); its class plays (0.9, 0, 0.9, 0), and so "
            "does this table.",
            "In 200 rounds an extortioner that begins with C misses its line: EXTORT-2 earns 0.990 from ALLD, and ALLD "
            "1.040 from it. The miss is at most 1 / (200 phi) = 0.045, which all but 2^-200 of it is there.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def longer_table() -> MatchTable:
    """All thirteen, in the game with a memory of three rounds."""
    game = prisoners_dilemma(5, 3, 1, 0).iterated("9/10", memory=3)
    return match_table(game, {**{name: name for name in STEWART_PLOTKIN}, **LONGER}, turns=TURNS)


def _vectors(game: Any) -> list[Row]:
    rows = []
    for name, published in VECTORS.items():
        vector = [row[0] for row in axelrod_strategy(game, 0, name)[1:]]
        for outcome, p, own in zip(("CC", "CD", "DC", "DD"), published, vector, strict=True):
            rows.append(
                Row(f"{name}, after {outcome}", p, float(own), rounding=1e-12, source=PAPER)
            )
    return rows


def _scores(
    table: MatchTable, simulated: dict[str, float], matches: int, setting: str
) -> list[Row]:
    """Mean scores over the others; their errors from the exact variances of the pairs."""
    means = table.mean_scores()
    rows = []
    for name in table.ranking():
        others = [other for other in table.names if other != name]
        variance = sum(_variance(table, name, other) for other in others) / matches
        rows.append(
            Row(
                f"{name}, score{setting}",
                simulated[name],
                float(means[name]),
                published_error=math.sqrt(variance) / len(others),
                rounding=5e-6,
                source=LIBRARY,
            )
        )
    return rows


def _variance(table: MatchTable, name: str, other: str) -> float:
    pair = [axelrod_strategy(table.game, k, own) for k, own in enumerate((name, other))]
    return float(match_moments(table.game, pair, TURNS)[1])


def _places(table: MatchTable) -> list[Row]:
    """Places among those of which the paper's is known."""
    score = [name for name in table.ranking() if name in PLACES]
    wins = sorted(PLACES, key=lambda name: -table.wins()[name])
    rows = []
    for number, (what, order) in enumerate((("score", score), ("wins", wins))):
        for place, name in enumerate(sorted(PLACES, key=lambda own: PLACES[own][number]), start=1):
            ours = 1 + sum(_better(table, what, other, name) for other in order)
            rows.append(
                Row(
                    f"{name}, place by {what}",
                    place,
                    ours,
                    rounding=0.5,
                    source=PAPER,
                    remark=f"of seven; {PLACES[name][number]} of 19 in the paper",
                    judged=False,
                )
            )
    return rows


def _better(table: MatchTable, what: str, other: str, name: str) -> bool:
    measured = table.mean_scores() if what == "score" else table.wins()
    return measured[other] > measured[name]
