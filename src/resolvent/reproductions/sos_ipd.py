"""Nine learners on the iterated prisoner's dilemma: Letcher et al. (2019), SOS, arXiv:1811.08469.

- Game: payoffs -1, -3, 0, -2, discount 24/25, memory one. The notebook (`aletcher/stable-opponent-shaping`) has the
  states start, CC, CD, DC, DD in player 1's view for both players, as here.
- Scale: gradients of discounted sums, rate and look-ahead 1; losses are reported per round, times 1 - g. The scale
  enters SOS's b = 0.1 and consensus optimisation's weight 1, which are of gradients of sums.
- 200 updates from standard normal logits. The paper's figure has 300 runs and the notebook 50; the numbers here are
  means over 20 runs of the notebook's code, in single and in double precision from the same starts, after the last
  update (the notebook records before it).
- Runs of LOLA, SOS, SGA and consensus optimisation are sensitive to rounding after some tens of steps, so that single
  runs cannot be compared across precisions: distributions are.
"""

from __future__ import annotations

import jax
import numpy as np

from resolvent.numeric import (
    LOLA,
    SGA,
    SOS,
    AbstractLearner,
    AbstractMeter,
    CompetitiveGradient,
    ConsensusOptimization,
    ExtraGradient,
    LocalSymplecticSurgery,
    LookAhead,
    Naive,
)
from resolvent.reproductions import measure
from resolvent.reproductions.lola_ipd import dilemma
from resolvent.reproductions.record import Curve, Reproduction, Row

STEPS = 200
CODE_RUNS = 20
SINGLE = "notebook, float32"
DOUBLE = "notebook, float64"
QUICK = ("LOLA", "SOS")

# Mean loss per round: of player 1 and player 2 in float32, of player 1 in float64; % of runs below 1.2 and above 1.8.
NOTEBOOK: dict[str, tuple[float, float, float | None, float, float]] = {
    "Naive": (1.9995, 1.9995, 1.9995, 0, 100),
    "LookAhead": (1.9994, 1.9994, 1.9994, 0, 100),
    "LOLA": (1.0569, 1.1306, 1.0125, 80, 0),
    "SOS": (1.0482, 1.1365, 1.1236, 80, 0),
    "SGA": (1.9283, 1.9205, 1.9547, 5, 90),
    "ConsensusOptimization": (1.7489, 1.7123, 1.7338, 5, 25),
    "ExtraGradient": (1.9495, 1.9495, 1.9495, 5, 95),
    "CompetitiveGradient": (1.9495, 1.9495, 1.9495, 5, 95),
    "LocalSymplecticSurgery": (1.6387, 1.7873, None, 10, 45),
}


def rules() -> dict[str, AbstractLearner]:
    """The notebook's learners, with its hyper-parameters."""
    return {
        "Naive": Naive(1.0),
        "LookAhead": LookAhead(1.0),
        "LOLA": LOLA(1.0, variant="taylor"),
        "SOS": SOS(1.0, 0.5, 0.1),
        "SGA": SGA(1.0),
        "ConsensusOptimization": ConsensusOptimization(1.0, 1.0),
        "ExtraGradient": ExtraGradient(1.0),
        "CompetitiveGradient": CompetitiveGradient(1.0),
        "LocalSymplecticSurgery": LocalSymplecticSurgery(1.0),
    }


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: two of the rules."""
    runs = 256 if quick else 4096
    values, key = dilemma(), jax.random.key(seed)
    rows: list[Row] = []
    curves: list[Curve] = []
    for name, rule in rules().items():
        if quick and name not in QUICK:
            continue
        played = measure.play(values, rule, key, STEPS, runs, progress, record="values", every=10)
        done = measure.finished(played)
        losses = -measure.per_round(played)
        stopped = f"{int((~done).sum())} of {runs:,} runs not finite" if not done.all() else ""
        first, second, double, low, high = NOTEBOOK[name]
        numbers = [(0, first, "player 1", SINGLE), (1, second, "player 2", SINGLE)]
        if double is not None:
            numbers.append((0, double, "player 1, double", DOUBLE))
        for player, published, label, source in numbers:
            sample = losses[:, player]
            rows.append(
                Row(
                    f"{name}, {label}",
                    published,
                    *measure.mean(sample),
                    published_error=float(sample.std(ddof=1) / np.sqrt(CODE_RUNS)),
                    rounding=5e-5,
                    source=source,
                    remark=stopped,
                )
            )
        for label, published, hits in (
            ("% below 1.2", low, losses[:, 0] < 1.2),
            ("% above 1.8", high, losses[:, 0] > 1.8),
        ):
            hit = measure.share(hits)
            scaled = hit.error * np.sqrt((len(hits) + 4) / (CODE_RUNS + 4))
            rows.append(
                Row(
                    f"{name}, {label}",
                    published,
                    *hit,
                    published_error=max(float(scaled), _rare(hit.number)),
                    rounding=0.5,
                    source=SINGLE,
                )
            )
        history = -played.history["values"][:, done] * measure.scale_of(played)
        curves.append(Curve(name, played.history["step"].astype(float), history.mean((1, 2))))
    return Reproduction(
        name="sos_ipd",
        title="Nine learners on the iterated prisoner's dilemma",
        paper="Letcher et al. 2019 (SOS), arXiv:1811.08469; numbers of the authors' notebook, run",
        protocol=(
            "prisoner's dilemma (-1, -3, 0, -2), memory one, discount 24/25; gradients of discounted sums",
            "rate and look-ahead 1; SOS with a = 0.5, b = 0.1; consensus and SGA with weight 1, SGA aligned",
            f"{STEPS} updates from standard normal logits; {runs:,} runs here, {CODE_RUNS} of the notebook",
            "measured: final loss per round; the error of a published mean is the standard deviation of our runs over "
            f"the root of {CODE_RUNS}",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper says: SOS and LOLA come near 1 (tit for tat), LookAhead, consensus optimisation, SGA and naive "
            "learners near 2. Means over 20 runs move by 0.1 and more from precision to precision.",
            "Local symplectic surgery is sensitive to the last digit where a player's choice does not matter; its "
            "notebook falls back to a damped solve only where the determinant is 0 to the last bit.",
        ),
        quick=quick,
        seed=seed,
        curves=tuple(curves),
        axes=("step", "loss per round"),
        versions=measure.versions(),
    )


def _rare(percentage: float) -> float:
    """Standard error of a percentage of the notebook's 20 runs, of which one is as few as there are."""
    p = (CODE_RUNS * percentage / 100 + 1) / (CODE_RUNS + 2)
    return float(100 * np.sqrt(p * (1 - p) / CODE_RUNS))
