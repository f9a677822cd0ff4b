"""Who finds tit for tat in a contribution game, from exact gradients: Zhao et al. (2022), POLA, arXiv:2210.10125.

- Game of `Silent-Zebra/POLA`, `LOLA_exact.py`: with k contributors everybody gets factor k / 2, and a contributor pays
  1; discount 0.96; discounted sums. Logits of contributing in the states DD, DC, CD, CC, start in player 1's view; from
  independent identical starts (standard deviation 0.1) the order has no effect.
- LOLA tabular: the exact form, look-ahead 3, rate 25, 30 epochs.
- Outer POLA: look-ahead 5 at factors up to 1.33, 2.5 at 1.6; the outer problem by gradient ascent with rate 0.3 and
  beta 0.1 until the divergence of successive iterates is below 1e-8 or 5000 iterations; 2 epochs. The divergence is the
  sum over the five states.
- Tit for tat, as the code has it: at any epoch, the mean of both scores is above 0.8 of mutual contribution, and both
  contribute with probability below 0.65 in DD and after having been defected on.
- The published code's penalty is NaN at saturated policies under recent versions of PyTorch, and 0 times it too: its
  LOLA then finds nothing at factors from 1.33. The numbers below are of the code with that term left out.
"""

from __future__ import annotations

import jax
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic import closed_form
from resolvent.games import IteratedGame, own_view, public_goods
from resolvent.numeric import LOLA, POLA, AbstractLearner, AbstractMeter, Run
from resolvent.reproductions import measure
from resolvent.reproductions.record import Reproduction, Row

EPOCHS = {"LOLA": 30, "POLA": 2}
SCALE = 0.1
RERUN = "published code, run"
# (rule, factor) -> runs that found tit for tat, of how many. LOLA without the term that is NaN.
FOUND: dict[tuple[str, str], tuple[int, int]] = {
    ("LOLA", "1.1"): (20, 20),
    ("LOLA", "1.25"): (20, 20),
    ("LOLA", "1.33"): (20, 20),
    ("LOLA", "1.4"): (20, 20),
    ("LOLA", "1.6"): (20, 20),
    ("POLA", "1.33"): (10, 10),
    ("POLA", "1.6"): (7, 7),
}
POLA_LOOKAHEAD = {"1.33": 5.0, "1.6": 2.5}
# Mean probabilities of contributing in DD, DC, CD, CC, start after outer POLA at factor 1.33, player 1's view.
POLA_POLICY = (0.12, 0.96, 0.11, 1.00, 0.95)
STATES = ("DD", "DC", "CD", "CC", "start")


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: LOLA at one factor."""
    key = jax.random.key(seed)
    rows: list[Row] = []
    for (name, factor), (hits, of) in FOUND.items():
        if quick and (name, factor) != ("LOLA", "1.33"):
            continue
        values = closed_form(public_goods(2, factor).iterated("24/25"), normalise="sum").compile()
        rule: AbstractLearner = LOLA(25.0, 3.0, "exact")
        runs = 64 if quick else 512
        if name == "POLA":
            rule = POLA(0.3, POLA_LOOKAHEAD[factor], beta_out=0.1, inner="step")
            runs = 32
        played = measure.play(
            values,
            rule,
            key,
            EPOCHS[name],
            runs,
            progress,
            scale=SCALE,
            record=("values", "policies"),
        )
        found = tit_for_tat(played, float(factor))
        share = measure.share(found)
        # An all or nothing count of a few runs: as if half a run had been missed.
        p = (hits - 0.5) / of
        rows.append(
            Row(
                f"{name}, factor {factor}: % that find tit for tat",
                100 * hits / of,
                *share,
                published_error=float(100 * np.sqrt(p * (1 - p) / of)),
                source=f"{RERUN}, {hits} of {of} runs",
                remark=_stopped(played),
            )
        )
        if (name, factor) == ("POLA", "1.33"):
            rows += _policy(played)
    return Reproduction(
        name="pola_ipd",
        title="Tit for tat in a contribution game, exact gradients",
        paper="Zhao et al. 2022 (POLA), arXiv:2210.10125; numbers of the published code, run",
        protocol=(
            "contribution game of two players (factor k / 2, a contributor pays 1), memory one, discount 24/25; "
            "discounted sums; normal starts of standard deviation 0.1",
            "LOLA, exact form: look-ahead 3, rate 25, 30 epochs; outer POLA: rate 0.3, beta 0.1, look-ahead 5 (2.5 at "
            "factor 1.6), 2 epochs",
            "tit for tat, as in the published code: at any epoch, mean score above 0.8 of mutual contribution, and "
            "both contribute with probability below 0.65 in DD and after being defected on",
        ),
        rows=tuple(rows),
        remarks=(
            "The README says that LOLA finds tit for tat at factors from 1.1 to 1.6 with these rates; as published, "
            "with recent versions of PyTorch, it did in 4, 0 and 0 of 20 runs at 1.33, 1.4 and 1.6, because of NaN in "
            "a penalty that is multiplied by 0.",
            "The paper's Figures 3 to 5 are plots only.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def tit_for_tat(played: Run, factor: float) -> NDArray[np.bool_]:
    """Which runs met the published code's criterion after any epoch, `(runs,)`."""
    game = played.game
    assert isinstance(game, IteratedGame)
    scores = played.history["values"][1:].mean(-1)
    good = scores > 0.8 * (factor - 1) / (1 - 0.96)
    for player, policies in enumerate(played.history["policies"]):
        contribute = np.moveaxis(policies[1:, ..., 0], -1, 0)
        # start, CC, CD, DC, DD with one's own action first: CD is after having been defected on.
        own = np.asarray(own_view(game, contribute, player))
        good &= (own[4] < 0.65) & (own[2] < 0.65)
    return good.any(0)


def _policy(played: Run) -> list[Row]:
    """Player 1's mean final policy."""
    assert played.policies is not None
    policies = played.policies[0][measure.finished(played)][:, [4, 3, 2, 1, 0], 0]
    rows = []
    for k, state in enumerate(STATES):
        number, error = measure.mean(policies[:, k])
        rows.append(
            Row(
                f"POLA, factor 1.33: chance of contributing in {state}",
                POLA_POLICY[k],
                number,
                error,
                published_error=error * float(np.sqrt(len(policies) / FOUND["POLA", "1.33"][1])),
                rounding=0.005,
                source=RERUN,
            )
        )
    return rows


def _stopped(played: Run) -> str:
    failed = int((~measure.finished(played)).sum())
    return f"{failed} of {played.num_runs} runs not finite" if failed else ""
