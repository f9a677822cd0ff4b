"""LOQA on the iterated prisoner's dilemma, exactly: Aghajohari et al. (2024), arXiv:2405.01035.

- The paper shows bars without numbers of what 10 seeds learn: reciprocity. Its leagues are of CoinGame, with networks
  and sampling, and cannot be computed here. Numbers under *published* are of a study of our own, by other code, apart
  from this library, in preparing it.
- The study: infinite games, beta 1 on discounted sums, Adam 2e-3, 6000 steps.
- The code (`MiladInk/loqa`, sweep v4): zero logits, one policy for both seats, episodes of 50 rounds without g^t,
  temperature 1, dependency 0.9, Adam 1e-3, read at step 7000; batches of 2048 episodes, estimated action values. A
  fifth of all actions there is random (`epsilon_greedy` 0.2), which is not modelled here.
- The code's returns depend on later actions by 0.9^(k - t - 1), since the first of them is not discounted; the study
  has 0.9^(k - t), and so has the learner that is set beside it here.
"""

from __future__ import annotations

import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.numeric import LOQA, AbstractMeter
from resolvent.numeric.play import Play
from resolvent.reproductions import measure
from resolvent.reproductions.advantage_alignment import (
    PROTOCOL,
    RATE,
    STEPS,
    Numbers,
    dilemma,
    from_zeros,
    trained,
)
from resolvent.reproductions.record import Reproduction, Row

CODE_RATE = 1e-3
CODE_STEPS = 7000

NUMBERS: dict[float, Numbers] = {
    1.0: (-1.027, (1.0, 1.0, 0.01, 0.19, 0.01), -1.549, 21.0),
    0.1: (-1.997, None, None, None),
}
UNKNOWN = "why the two differ from random starts, and only here, is not known"


class Study(LOQA):
    """The code's step with returns that depend on later actions by 0.9^(k - t)."""

    def coded(self, play: Play, followed: Play, player: int, other: int) -> Array:
        return self.dependency * super().coded(play, followed, player, other)


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: with a small beta, which does not leave defection."""
    rows: list[Row] = []
    for beta, numbers in NUMBERS.items():
        if quick and beta == 1.0:
            continue
        rule = Study(1.0, beta, form="as_coded")
        label = f"the study's step, beta {beta:g}"
        rows += trained(label, rule, numbers, seed, progress, only_zeros=quick, unsure=UNKNOWN)
    if not quick:
        payoff, policy = from_zeros(dilemma(), LOQA.published(1.0), CODE_RATE, CODE_STEPS, progress)
        rows.append(_alone("the code's settings", payoff, policy))
        for rule in (
            LOQA(1.0, form="as_coded"),
            LOQA(1.0, form="on_policy"),
            LOQA(1.0, form="model"),
        ):
            payoff, policy = from_zeros(dilemma(), rule, RATE, STEPS, progress)
            rows.append(_alone(f"{rule.form}, beta 1", payoff, policy))
    return Reproduction(
        name="loqa",
        title="LOQA on the iterated prisoner's dilemma, exactly",
        paper="Aghajohari et al. 2024, arXiv:2405.01035; numbers of a study of our own",
        protocol=(
            *PROTOCOL,
            f"the code's settings: rounds 0 to 49 without g^t, Adam with step {CODE_RATE:g}, {CODE_STEPS:,} steps from "
            "zero logits with one policy for both seats",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper's figure has bars without numbers. Their shape, reciprocity, is what comes out at beta 1 from "
            "zeros.",
            "Leagues in CoinGame are of networks that sample, and cannot be computed here.",
            "The objective as stated (form model) is another matter than the code: the softmax is a player of its own, "
            "and to move it is not to move the other learner.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def _alone(label: str, payoff: float, policy: NDArray[np.floating]) -> Row:
    chances = ", ".join(f"{own:.2f}" for own in policy)
    remark = f"cooperates after the start, CC, CD, DC, DD: {chances}"
    return Row(f"{label}, from zeros: payoff", None, payoff, rounding=5e-4, remark=remark)
