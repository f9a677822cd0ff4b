"""The experiments by name. Nothing is imported that computes before one of them runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from resolvent.reproductions.record import Reproduction

if TYPE_CHECKING:
    from resolvent.numeric import AbstractMeter


@dataclass(frozen=True)
class Experiment:
    """A published experiment that can be run again.

    **Fields:** `name`, which is its module's too; `paper`; `summary`, what it is about, in a line.
    """

    name: str
    paper: str
    summary: str

    def __call__(
        self, quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False
    ) -> Reproduction:
        """Run it.

        **Arguments:**

        - `quick`: fewer runs or steps of the same code, for a first look and for tests.
        - `seed`: of the random starts; experiments without any ignore it.
        - `progress`: whether to show bars on standard error, or a meter.
        """
        module = import_module(f"resolvent.reproductions.{self.name}")
        return module.run(quick=quick, seed=seed, progress=progress)


_ALL = (
    Experiment(
        "lola_ipd",
        "LOLA, arXiv:1709.04326",
        "Tables 3 and 4: exact LOLA and naive learners on the iterated prisoner's dilemma",
    ),
    Experiment(
        "lola_imp",
        "LOLA, arXiv:1709.04326",
        "Table 3: exact LOLA and naive learners on iterated matching pennies",
    ),
    Experiment(
        "lola_dice",
        "DiCE, arXiv:1802.05098, and LOLA_DiCE",
        "the exact iterated prisoner's dilemma from zero, with 0 to 3 look-aheads",
    ),
    Experiment(
        "dice",
        "DiCE, arXiv:1802.05098, and Loaded DiCE, arXiv:1909.10549",
        "sampled gradients and Hessians of the iterated prisoner's dilemma against the exact ones",
    ),
    Experiment(
        "sos_tandem",
        "SOS, arXiv:1811.08469",
        "the tandem game: where every learner ends, beside closed forms",
    ),
    Experiment(
        "sos_ipd",
        "SOS, arXiv:1811.08469",
        "nine learners on the iterated prisoner's dilemma",
    ),
    Experiment(
        "sos_random",
        "SOS, arXiv:1811.08469",
        "random quadratic games with a stable fixed point: who converges to it",
    ),
    Experiment(
        "mfos_baselines",
        "M-FOS, arXiv:2205.01447",
        "naive learners and LOLA, averaged over 100 steps, on three games",
    ),
    Experiment(
        "mfos_meta",
        "M-FOS, arXiv:2205.01447",
        "meta-policies by exact gradients, against naive learners and in self-play",
    ),
    Experiment(
        "meva_tournament",
        "MeVa, arXiv:2307.08863",
        "head to head on three iterated games: the rows of naive learners and LOLA",
    ),
    Experiment(
        "cola_tables",
        "COLA, arXiv:2203.04098",
        "consistency losses of higher-order LOLA, exactly",
    ),
    Experiment(
        "pola_ipd",
        "POLA, arXiv:2210.10125",
        "who finds tit for tat in a contribution game, from exact gradients",
    ),
    Experiment(
        "loqa",
        "LOQA, arXiv:2405.01035",
        "who learns to reciprocate in the prisoner's dilemma, by the expectation of the published code's step",
    ),
    Experiment(
        "advantage_alignment",
        "Advantage alignment, arXiv:2406.14662",
        "who learns to reciprocate in the prisoner's dilemma, from exact double sums",
    ),
    Experiment(
        "brs",
        "Best Response Shaping, arXiv:2404.06519",
        "leaders trained against exact best responses on the iterated prisoner's dilemma",
    ),
    Experiment(
        "shaper",
        "Shaper, arXiv:2312.12568",
        "memory over episodes against a naive learner, with and without context and history",
    ),
    Experiment(
        "lili",
        "LILI, arXiv:2011.06619",
        "influence through the known rule of a learner, and through fitted models of it",
    ),
    Experiment(
        "coala",
        "COALA-PG, arXiv:2410.18636",
        "extortion of naive learners, cooperation of mixed populations, look-aheads",
    ),
    Experiment(
        "impossibility",
        "Letcher, arXiv:2005.12649",
        "a zero-sum game in which no learner converges and none diverges",
    ),
    Experiment(
        "stewart_plotkin",
        "Stewart and Plotkin, PNAS 109, 10134",
        "the memory-one part of their tournament, exactly, beside the Axelrod library's simulation",
    ),
)

REPRODUCTIONS: Mapping[str, Experiment] = MappingProxyType({own.name: own for own in _ALL})
"""The experiments by name."""
