r"""The tandem game of SOS: Letcher et al. (2019), arXiv:1811.08469, beside the limits in closed form.

Losses $(x + y)^2 - 2x$, $(x + y)^2 - 2y$. Only $s = x + y$ is drawn anywhere ($x - y$ is kept by every rule here), and
the mean loss is $s^2 - s$: 0 on the line $s = 1$ of stable fixed points. In losses, with step and look-ahead alpha,

- Naive, LookAhead, SOS, CGD, SGA, EG, optimistic gradient: $s = 1$;
- LOLA in Taylor's form $s = (1 - 2\alpha) / (1 - 4\alpha)$, converging only for $\alpha < 1/4$;
- LOLA as original $s = 1 / (1 - 2\alpha)$; exact $s = (1 - 2\alpha + 4\alpha^2) / (1 - 2\alpha)^2$;
- higher-order LOLA of order n: $s = -c_n / b_n$ of $b_{n+1} = -2\alpha (1 + b_n)^2$,
  $c_{n+1} = 2\alpha - 2\alpha (1 + b_n) c_n$ from $b_0 = -2\alpha$, $c_0 = 2\alpha$; its limit is COLA's,
  $s = (1 + \sqrt{1 + 8\alpha}) / 2$, whose mean loss is $2\alpha$.

The paper: alpha = 0.1, a = b = 0.5, 300 runs from normal starts of standard deviation 0.1: mean loss 0 for SOS, 4/9 for
LOLA. The notebook has b = 0.1 and 100 runs. Mean losses are compared in the worst of all runs, since all end alike.
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
    HigherOrderLOLA,
    LookAhead,
    Naive,
    OptimisticGradient,
)
from resolvent.reproductions import measure
from resolvent.reproductions.record import Curve, Reproduction, Row
from resolvent.reproductions.toys import tandem

SCALE = 0.1
PAPER = "paper"
CLOSED = "closed form"
# Where the closed form is compared: the runs have converged to rounding.
CONVERGED = 1e-9


def coefficients(order: int, alpha: float) -> tuple[float, float]:
    """(b, c) of higher-order LOLA's step b (x + y) + c."""
    b, c = -2 * alpha, 2 * alpha
    for _ in range(order):
        b, c = -2 * alpha * (1 + b) ** 2, 2 * alpha - 2 * alpha * (1 + b) * c
    return b, c


def limit(order: int, alpha: float) -> float:
    """Where higher-order LOLA ends, s = x + y."""
    b, c = coefficients(order, alpha)
    return -c / b


def totals(alpha: float, quick: bool) -> list[tuple[str, AbstractLearner, float]]:
    """Learners, and where they should end: s = x + y."""
    found: list[tuple[str, AbstractLearner, float]] = [
        ("Naive", Naive(alpha), 1.0),
        ("LookAhead", LookAhead(alpha), 1.0),
        ("SOS", SOS(alpha, 0.5, 0.5), 1.0),
        ("LOLA, Taylor", LOLA(alpha, variant="taylor"), (1 - 2 * alpha) / (1 - 4 * alpha)),
        ("LOLA, original", LOLA(alpha, variant="original"), 1 / (1 - 2 * alpha)),
        (
            "LOLA, exact",
            LOLA(alpha, variant="exact"),
            (1 - 2 * alpha + 4 * alpha**2) / (1 - 2 * alpha) ** 2,
        ),
    ]
    if quick:
        return found
    return [
        *found,
        ("SGA", SGA(alpha), 1.0),
        ("ConsensusOptimization, weight 0.5", ConsensusOptimization(alpha, 0.5), 1.0),
        ("ExtraGradient", ExtraGradient(alpha), 1.0),
        ("OptimisticGradient", OptimisticGradient(alpha), 1.0),
        ("CompetitiveGradient", CompetitiveGradient(alpha), 1.0),
        ("HigherOrderLOLA, order 2", HigherOrderLOLA(alpha, 2), limit(2, alpha)),
        ("HigherOrderLOLA, order 3", HigherOrderLOLA(alpha, 3), limit(3, alpha)),
    ]


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: six of the rules, one alpha."""
    runs, steps = (30, 1000) if quick else (300, 2000)
    values, key = tandem(), jax.random.key(seed)
    rows: list[Row] = []
    curves: list[Curve] = []
    for alpha in (0.1,) if quick else (0.1, 0.05, 0.15):
        for name, rule, total in totals(alpha, quick):
            played = measure.play(
                values, rule, key, steps, runs, progress, scale=SCALE, record="values", every=10
            )
            losses = -played.values.mean(1)
            expected = total**2 - total
            worst = float(losses[np.argmax(np.abs(losses - expected))])
            label = f"{name}, alpha {alpha:g}"
            if alpha == 0.1 and name in PUBLISHED:
                rows.append(
                    Row(label + ", paper", PUBLISHED[name], worst, rounding=5e-4, source=PAPER)
                )
            rows.append(Row(label, expected, worst, rounding=CONVERGED, source=CLOSED))
            if alpha == 0.1:
                steps_shown = played.history["step"].astype(float)
                curves.append(
                    Curve(name, steps_shown[:11], -played.history["values"].mean((1, 2))[:11])
                )
        rows += _toward_consistency(alpha)
    return Reproduction(
        name="sos_tandem",
        title="The tandem game: where learners end",
        paper="Letcher et al. 2019 (SOS), arXiv:1811.08469",
        protocol=(
            "losses (x + y)^2 - 2x and (x + y)^2 - 2y; step and look-ahead alpha; SOS with a = b = 0.5",
            f"{runs} runs of {steps:,} simultaneous updates from normal starts of standard deviation {SCALE}",
            "measured: the mean of both losses after the last update, in the run where it is farthest from the "
            f"closed form, to {CONVERGED:g}",
        ),
        rows=tuple(rows),
        remarks=(
            "SOS keeps the stable fixed points, where the mean loss is 0; no form of LOLA does, nor do higher orders: "
            "the consistent update ends at mean loss 2 alpha.",
            "Only x + y converges to one number: x - y stays as it is under all of these rules.",
            "Consensus optimisation is run with weight 0.5: at alpha = 0.1 and the notebook's weight 1 it oscillates "
            "for ever, with multiplier 1 - 4 alpha - 16 alpha = -1.",
        ),
        quick=quick,
        seed=seed,
        curves=tuple(curves),
        axes=("step", "mean loss"),
        versions=measure.versions(),
    )


PUBLISHED = {"SOS": 0.0, "LOLA, Taylor": 4 / 9}


def _toward_consistency(alpha: float) -> list[Row]:
    """The mean loss of ever higher orders goes to 2 alpha."""
    total = limit(400, alpha)
    return [
        Row(
            f"LOLA of order 400 by its coefficients, alpha {alpha:g}",
            2 * alpha,
            total**2 - total,
            rounding=1e-9,
            source="closed form of COLA",
        )
    ]
