"""Advantage alignment on the iterated prisoner's dilemma, exactly: Duque et al. (2025), arXiv:2406.14662.

- The papers' numbers are of CoinGame, of a negotiation game and of Melting Pot, with networks and sampling; none can be
  computed here. On the iterated prisoner's dilemma there is no table. The numbers below are our own: of a study by
  other code, apart from this library, in preparing it.
- Game: payoffs -1, -3, 0, -2, discount 24/25, memory one; beta is on discounted sums.
- Adam with step 2e-3 on the exact direction, 6000 steps: from zero logits with one policy for both, and 24 pairs from
  standard normal logits.
- A pair cooperates if both earn more than -1.1 per round at the end; what the study counted as cooperation, it does not
  say.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    AbstractLearner,
    AbstractMeter,
    Adam,
    AdvantageAlignment,
    CompiledValue,
    Naive,
    learn,
)
from resolvent.reproductions import measure
from resolvent.reproductions.record import Reproduction, Row
from resolvent.reproductions.self_play import SelfPlay

RATE = 2e-3
STEPS = 6000
PAIRS = 24
COOPERATION = -1.1
STUDY = "our study, other code"
STATES = ("the start", "CC", "CD", "DC", "DD")

# (rule, beta): payoff from zeros, policy there, mean payoff and share of cooperating pairs from normal starts.
Numbers = tuple[float, tuple[float, ...] | None, float | None, float | None]
NUMBERS: dict[tuple[str, float], Numbers] = {
    ("naive", 0.0): (-1.997, None, -1.997, 0.0),
    ("exact", 1.0): (-1.018, (1.0, 1.0, 0.01, 0.16, 0.0), -1.020, 100.0),
    ("original", 1.0): (-1.021, (1.0, 1.0, 0.02, 0.05, 0.0), -1.022, 100.0),
    ("exact", 0.1): (-1.997, None, None, None),
}


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: the exact form from zeros."""
    rows: list[Row] = []
    for (form, beta), numbers in NUMBERS.items():
        if quick and (form, beta) != ("exact", 1.0):
            continue
        rule: AbstractLearner = Naive(1.0)
        if form != "naive":
            rule = AdvantageAlignment(1.0, beta, form=form)  # pyright: ignore[reportArgumentType]
        label = form if form == "naive" else f"{form}, beta {beta:g}"
        rows += trained(label, rule, numbers, seed, progress, only_zeros=quick)
    return Reproduction(
        name="advantage_alignment",
        title="Advantage alignment on the iterated prisoner's dilemma, exactly",
        paper="Duque et al. 2025, arXiv:2406.14662; numbers of a study of our own",
        protocol=PROTOCOL,
        rows=tuple(rows),
        remarks=(
            "The paper's own claim here is qualitative: beta 1 learns to reciprocate. It does, from zeros and from "
            "random starts; at beta 0.1 nobody leaves defection.",
            "Leagues in CoinGame and scores in Melting Pot are of networks that sample, and cannot be computed here.",
            "From zeros without sharing the policy, plain ascent on the exact form ends where one of the two opens "
            "with D: symmetric play is unstable on the way, and rounding decides who.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


PROTOCOL = (
    "prisoner's dilemma (-1, -3, 0, -2), memory one, discount 24/25; beta on discounted sums (on averages it would be "
    "25 times as much)",
    f"Adam with step {RATE:g} on the exact direction, {STEPS:,} steps: from zero logits with one policy for both "
    f"seats, and {PAIRS} pairs of learners from standard normal logits",
    f"measured: final payoff per round; a pair cooperates if both earn more than {COOPERATION} per round",
)


def dilemma() -> CompiledValue:
    """The game in discounted sums, on arrays: quicker to compile for rules of policies."""
    return closed_form(prisoners_dilemma().iterated("24/25"), normalise="sum").compile(
        backend="tensor"
    )


def trained(
    label: str,
    rule: AbstractLearner,
    numbers: Numbers,
    seed: int,
    progress: bool | AbstractMeter,
    only_zeros: bool,
    unsure: str = "",
) -> list[Row]:
    """The rows of one rule beside the study's numbers; `unsure`: why those from random starts are not judged, if they
    are not."""
    values = dilemma()
    zero, policy, mean, share = numbers
    payoff, ours = from_zeros(values, rule, RATE, STEPS, progress)
    rows = [Row(f"{label}, from zeros: payoff", zero, payoff, rounding=5e-4, source=STUDY)]
    for state, published, own in zip(STATES, policy or (), ours, strict=False):
        what = f"{label}, from zeros: cooperation after {state}"
        rows.append(Row(what, published, float(own), rounding=5e-3, source=STUDY))
    if only_zeros or mean is None or share is None:
        return rows
    played = measure.play(values, Adam(RATE, rule), jax.random.key(seed), STEPS, PAIRS, progress)
    payoffs = measure.per_round(played)
    found = measure.mean(payoffs.mean(1))
    common: dict[str, Any] = {"source": STUDY, "remark": unsure, "judged": not unsure}
    rows.append(
        Row(f"{label}, {PAIRS} pairs: payoff", mean, *found, published_error=found.error,
            rounding=5e-4, **common)
    )  # fmt: skip
    cooperating = measure.share(np.all(payoffs > COOPERATION, axis=1))
    rows.append(
        Row(f"{label}, {PAIRS} pairs: % cooperating", share, *cooperating,
            published_error=cooperating.error, rounding=0.5, **common)
    )  # fmt: skip
    return rows


def from_zeros(
    values: CompiledValue,
    rule: AbstractLearner,
    rate: float,
    steps: int,
    progress: bool | AbstractMeter,
) -> tuple[float, NDArray[np.floating]]:
    """Payoff per round and chances of cooperating, `(5,)`, of one policy that plays itself."""
    start = tuple(jnp.zeros(shape) for shape in values.shapes)
    played = learn(values, SelfPlay(Adam(rate, rule)), start, steps, progress=progress)
    if played.steps_done < steps:
        raise KeyboardInterrupt
    assert played.policies is not None
    return float((played.values * measure.scale_of(played))[0]), played.policies[0][:, 0]
