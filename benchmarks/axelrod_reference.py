"""What the Axelrod library does, measured on the library itself: the reference files of its interoperation.

    python benchmarks/axelrod_reference.py strategies     writes tests/references/axelrod_strategies.json  (seconds)
    python benchmarks/axelrod_reference.py tournament     writes tests/references/axelrod_tournament.json  (minutes)

Needs `pip install axelrod==4.14.0` and nothing of this package: it is run where the library is, and the files are
kept. Strategies are read by asking them, not by reading their attributes: a recorder stands in for their random
generator and notes with which probability they would cooperate, after every history of four rounds.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from itertools import product
from pathlib import Path

import axelrod as axl  # pyright: ignore[reportMissingImports]

REFERENCES = Path(__file__).parents[1] / "tests" / "references"
C, D = axl.Action.C, axl.Action.D
ROUNDS = 4
# Stewart and Plotkin (2012), PNAS 109, 10134, by the names of the library: those of its 19 strategies that remember
# one round. The library's documentation says which class stands for which of their names.
STEWART_PLOTKIN = {
    "ALLC": axl.Cooperator,
    "ALLD": axl.Defector,
    "EXTORT-2": axl.ZDExtort2,
    "HARD_JOSS": axl.FirstByJoss,
    "TFT": axl.TitForTat,
    "GRIM": axl.Grudger,
    "GTFT": axl.GTFT,
    "WSLS": axl.WinStayLoseShift,
    "RANDOM": axl.Random,
    "ZDGTFT-2": axl.ZDGTFT2,
}
# Those that remember two and three rounds of the other's actions.
LONGER = {
    "TF2T": axl.TitFor2Tats,
    "HARD_TFT": axl.HardTitForTat,
    "HARD_TF2T": axl.HardTitFor2Tats,
}
TURNS, SEED = 200, 20260


class Recorder:
    """Stands in for a player's random generator and keeps the probability that it was asked for."""

    asked: float | None = None

    def random_choice(self, p: float = 0.5) -> axl.Action:
        self.asked = float(p)
        return C

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2  # what follows is linear in it


def probability(player: axl.Player, opponent: axl.Player) -> float:
    """With which probability the player cooperates now."""
    player._random.asked = None
    action = player.strategy(opponent)
    asked = player._random.asked
    return float(action == C) if asked is None else asked


def ask(kind: type[axl.Player]) -> dict[str, dict[str, list[float]]]:
    """Probabilities of cooperating, by what happened last (own action first, "start"), as sets: over all histories, and
    over those that the player's own choices allow."""
    found: dict[str, dict[str, set[float]]] = {"any": {}, "own": {}}
    for history in product(product((C, D), repeat=2), repeat=ROUNDS):
        player, opponent = kind(), axl.MockPlayer()
        player._random = Recorder()
        last, possible = "start", True
        for own, other in (*history, (None, None)):
            p = probability(player, opponent)
            found["any"].setdefault(last, set()).add(p)
            if possible:
                found["own"].setdefault(last, set()).add(p)
            if own is None:
                break
            possible = possible and (p if own == C else 1 - p) > 0
            player.update_history(own, other)
            opponent.update_history(other, own)
            last = f"{own}{other}"
    return {how: {last: sorted(ps) for last, ps in own.items()} for how, own in found.items()}


def strategies() -> None:
    """All classes that the library says remember at most one round, and Grudger."""
    entries = {}
    for kind in axl.all_strategies:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            player = kind()
        depth = axl.Classifiers["memory_depth"](player)
        if depth > 1 and kind is not axl.Grudger:
            continue
        entries[kind.__name__] = {
            "name": kind.name,
            "module": kind.__module__,
            "memory_depth": depth if math.isfinite(depth) else "inf",
            **ask(kind),
        }
    _write("axelrod_strategies.json", "strategies", {"strategies": entries})


def tournament() -> None:
    """Means and standard errors of scores per round, from matches of the library."""
    kinds = STEWART_PLOTKIN | LONGER
    noisy = [name for name in STEWART_PLOTKIN if name != "GRIM"]  # not memory-one with noise
    settings = (
        ("200 turns", {"turns": TURNS}, 1000, list(STEWART_PLOTKIN)),
        ("200 turns, noise 1/20", {"turns": TURNS, "noise": 0.05}, 400, noisy),
        ("ends with probability 1/50", {"prob_end": 0.02}, 1000, list(STEWART_PLOTKIN)),
        ("200 turns, longer memories", {"turns": TURNS}, 1000, list(kinds)),
    )
    runs = []
    for number, (what, match, repetitions, names) in enumerate(settings):
        pairs = []
        for a, first in enumerate(names):
            for b in range(a, len(names)):
                if number == 3 and names[b] not in LONGER:
                    continue  # in the first run
                players = (kinds[first](), kinds[names[b]]())
                played = axl.Match(players, **match, seed=SEED + 10000 * number + 100 * a + b)
                # Totals: with a random number of rounds their mean, over the mean number, is the score per round.
                totals = [_totals(played) for _ in range(repetitions)]
                length = match.get("turns", 1 / match.get("prob_end", 1))
                found = [_estimate(own, length) for own in zip(*totals, strict=True)]
                pairs.append([first, names[b], *found])
        runs.append(
            {"what": what, **match, "repetitions": repetitions, "names": names, "pairs": pairs}
        )
    _write("axelrod_tournament.json", "tournament", {"seed": SEED, "runs": runs})


def _totals(match: axl.Match) -> tuple[float, float]:
    match.play()
    return match.final_score()


def _estimate(totals: tuple[float, ...], length: float) -> list[float]:
    """Mean and standard error per round."""
    number = len(totals)
    mean = sum(totals) / number
    variance = sum((x - mean) ** 2 for x in totals) / (number - 1)
    return [mean / length, math.sqrt(variance / number) / length]


def _write(file: str, command: str, content: dict[str, object]) -> None:
    head = {
        "source": f"axelrod {axl.__version__}, payoffs (R, P, S, T) = {tuple(map(int, axl.Game().RPST()))}",
        "made_by": f"python benchmarks/axelrod_reference.py {command}",
    }
    text = json.dumps({**head, **content}, indent=1)
    (REFERENCES / file).write_text(text + "\n")


if __name__ == "__main__":
    {"strategies": strategies, "tournament": tournament}[sys.argv[1]]()
