"""Head to head on iterated games: naive learners, LOLA and MeVa.

Cooijmans et al. (2023), arXiv:2307.08863. The published notebooks
(`MetaValueLearning/MetaValueLearning`) store the tournament's output.

- Games: prisoner's dilemma (-1, -3, 0, -2), matching pennies (player 1 wins on a match), iterated chicken
  (0, -1, 1, -100), all at discount 0.96. States DD, DC, CD, CC in each player's own view, logits of the second action;
  from independent identical starts the order has no effect.
- Scale: per round, in the gradient too. alpha = 25 on the first two (that is 1 on discounted sums) and 1 on chicken,
  for step and look-ahead.
- LOLA is the original form, without the look-ahead term. Another form is another opponent: in chicken's self-play
  Taylor's form earns -8.4 and the exact one -7.2, where the original earns -1.6. The toy logistic game of the same
  paper uses the exact form.
- 300 updates from standard normal logits, 1024 runs; final payoffs per round. Cells are the row player's own payoff
  against the column; on the diagonal the stored table holds player 2's.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from numpy.typing import NDArray

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, chicken, matching_pennies, prisoners_dilemma
from resolvent.numeric import (
    LOLA,
    AbstractMeter,
    CompiledValue,
    MeVa,
    Naive,
    unrolled_meta_value,
)
from resolvent.numeric.learners.lola import Variant
from resolvent.reproductions import measure
from resolvent.reproductions.record import Reproduction, Row

STEPS = 300
TABLE_RUNS = 1024
TABLE = "stored table"
RERUN = "protocol re-run, 1024 runs"

# (row, column) -> the row player's payoff per round, by game.
TABLES: dict[str, dict[tuple[str, str], float]] = {
    "prisoner's dilemma": {
        ("naive", "naive"): -1.988,
        ("naive", "LOLA"): -1.377,
        ("LOLA", "naive"): -1.357,
        ("LOLA", "LOLA"): -1.041,
    },
    "matching pennies": {
        ("naive", "naive"): 0.009,
        ("naive", "LOLA"): 0.028,
        ("LOLA", "naive"): -0.028,
        ("LOLA", "LOLA"): 0.027,
    },
    "chicken": {
        ("naive", "naive"): -0.049,
        ("naive", "LOLA"): -0.402,
        ("LOLA", "naive"): 0.377,
        ("LOLA", "LOLA"): -1.641,
    },
}
# MeVa against naive learners: its payoff, theirs, by game. Of trained networks at meta-discount 0.95.
TRAINED: dict[str, tuple[float, float]] = {
    "prisoner's dilemma": (-0.551, -1.999),
    "matching pennies": (0.243, -0.243),
    "chicken": (0.964, -0.985),
}
META_DISCOUNT = 0.95
HORIZON = 60
UNROLLED_RUNS = 256
ALPHA = {"prisoner's dilemma": 25.0, "matching pennies": 25.0, "chicken": 1.0}
# The same protocol with the other forms of LOLA: (game, variant) -> naive against it, it against naive, itself.
OTHER_FORMS: dict[tuple[str, Variant], tuple[float | None, float | None, float]] = {
    ("prisoner's dilemma", "taylor"): (-1.406, -1.341, -1.057),
    ("prisoner's dilemma", "exact"): (-1.560, -1.493, -1.095),
    ("chicken", "taylor"): (None, None, -8.39),
    ("chicken", "exact"): (None, None, -7.24),
}


def stages() -> dict[str, NormalForm]:
    """The three games of one round."""
    return {
        "prisoner's dilemma": prisoners_dilemma(),
        "matching pennies": matching_pennies(matcher=0),
        "chicken": chicken("steep"),
    }


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: naive learners against LOLA, on two games."""
    runs = 256 if quick else 8192
    key = jax.random.key(seed)
    rows: list[Row] = []
    for game, stage in stages().items():
        if quick and game == "matching pennies":
            continue
        values = closed_form(stage.iterated("24/25")).compile()
        alpha = ALPHA[game]
        table = TABLES[game]

        for pair in (("naive", "naive"), ("naive", "LOLA"), ("LOLA", "LOLA")):
            if quick and pair != ("naive", "LOLA"):
                continue
            earned = _final(values, alpha, pair, "original", key, runs, progress)
            if pair[0] == pair[1]:
                rows.append(
                    _row(f"{game}, {pair[0]} against itself", table[pair], earned[:, 1], TABLE)
                )
            else:
                rows += [
                    _row(
                        f"{game}, {own} against {other}", table[own, other], earned[:, seat], TABLE
                    )
                    for seat, (own, other) in enumerate((pair, pair[::-1]))
                ]
        if not quick:
            rows += _unrolled(game, values, alpha, key, progress)
        for (of, variant), numbers in OTHER_FORMS.items():
            if quick or of != game:
                continue
            if numbers[0] is not None and numbers[1] is not None:
                earned = _final(values, alpha, ("naive", "LOLA"), variant, key, runs, progress)
                rows += [
                    _row(f"{game}, naive against LOLA, {variant}", numbers[0], earned[:, 0], RERUN),
                    _row(
                        f"{game}, LOLA, {variant}, against naive", numbers[1], earned[:, 1], RERUN
                    ),
                ]
            earned = _final(values, alpha, ("LOLA", "LOLA"), variant, key, runs, progress)
            rows.append(
                _row(f"{game}, LOLA, {variant}, against itself", numbers[2], earned[:, 1], RERUN)
            )
    return Reproduction(
        name="meva_tournament",
        title="Head to head: naive learners, LOLA and MeVa",
        paper="Cooijmans et al. 2023 (MeVa), arXiv:2307.08863",
        protocol=(
            "prisoner's dilemma (-1, -3, 0, -2), matching pennies (player 1 wins on a match), iterated chicken "
            "(0, -1, 1, -100); memory one, discount 24/25",
            "gradients per round; step and look-ahead 25, in chicken 1; LOLA without the look-ahead term",
            f"{STEPS} updates from standard normal logits; {runs:,} runs here, {TABLE_RUNS} in the table",
            "measured: the row player's final payoff per round; in self-play player 2's, as in "
            "the table",
        ),
        rows=tuple(rows),
        remarks=(
            "Which LOLA it is matters: with Taylor's form or the exact one, LOLA loses far more against itself in "
            "chicken.",
            "MeVa's own rows are those of ten trained networks. Set beside them is an exact relative, which foresees "
            "naive learning only; M-MAML's rows are not reproduced. M-FOS's were typed in by hand "
            "from another paper, which reports averages over 100 steps of chicken played once, and cannot be compared.",
            "Rare crashes carry the mean of chicken: its standard error with 1024 runs is 0.37 for LOLA in self-play.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def _final(
    values: CompiledValue,
    alpha: float,
    pair: tuple[str, str],
    variant: Variant,
    key: jax.Array,
    runs: int,
    progress: bool | AbstractMeter,
) -> NDArray[np.floating]:
    """Final payoffs per round, `(runs, 2)`."""
    rules = {"naive": Naive(alpha), "LOLA": LOLA(alpha, variant=variant)}
    played = measure.play(values, [rules[own] for own in pair], key, STEPS, runs, progress)
    return measure.per_round(played)


def _unrolled(
    game: str,
    values: CompiledValue,
    alpha: float,
    key: jax.Array,
    progress: bool | AbstractMeter,
) -> list[Row]:
    """Against a naive learner, who ascends the value of both learning naively from where they are."""
    meta = unrolled_meta_value(values, Naive(alpha), META_DISCOUNT, HORIZON, memory="all")
    pair = [MeVa(alpha, meta), Naive(alpha)]
    run = measure.play(values, pair, key, STEPS, UNROLLED_RUNS, progress)
    earned = measure.per_round(run)
    remark = (
        f"MeVa unrolls {HORIZON} steps of naive learning by both, without networks and without foreseeing its own "
        "steps; the table's is a trained network that does"
    )
    return [
        dataclasses.replace(
            _row(f"{game}, {what}", published, earned[:, seat], TABLE), judged=False, remark=remark
        )
        for seat, (what, published) in enumerate(
            zip(("MeVa, unrolled, against naive", "naive against it"), TRAINED[game], strict=True)
        )
    ]


def _row(
    what: str,
    published: float,
    sample: NDArray[np.floating],
    source: str,
) -> Row:
    number, error = measure.mean(sample)
    return Row(
        what,
        published,
        number,
        error,
        published_error=float(sample.std(ddof=1) / np.sqrt(TABLE_RUNS)),
        rounding=0.5 * 10.0 ** -_decimals(published),
        source=source,
    )


def _decimals(number: float) -> int:
    """How many decimals a published number has."""
    return len(f"{number}".partition(".")[2])
