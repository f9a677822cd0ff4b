"""Influencing, predicting, and models of learning that are wrong: Xie et al. (2020), LILI, arXiv:2011.06619.

- The iterated prisoner's dilemma (-1, -3, 0, -2), discount 0.96, a naive learner with step 1 on discounted sums; 20
  interactions, from 8 standard normal starts; payoff: mean over interactions, per round.
- A fixed policy is optimised from even mixing by 300 steps of Adam (rate 0.05): through the true rule, and through
  models fitted to 256 exact trajectories. All are judged by the true rule.
- The numbers to compare with were measured in preparing this library, apart from it, with other starts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from resolvent.numeric import LILI, AbstractMeter, Naive, fit_latent, influence, known_rule
from resolvent.reproductions import measure
from resolvent.reproductions.lola_ipd import dilemma
from resolvent.reproductions.record import Reproduction, Row

STEPS = 300
STUDY = "a study apart from this library, other starts"
OTHER_STARTS = "starts differ"


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: always defecting."""
    begin, fit = jax.random.split(jax.random.key(seed))
    theta = jax.random.normal(begin, (8, 5, 1))
    truth = known_rule(dilemma(), Naive(1.0), (None, theta), 20)

    def row(what: str, study: float | None, ours: float, remark: str = OTHER_STARTS) -> Row:
        source = STUDY if study is not None else ""
        return Row(what, study, ours, rounding=5e-4, source=source, remark=remark, judged=False)

    rows = [row("always defect", -1.910, float(truth(jnp.full((5, 1), -20.0))) / 25)]
    if not quick:
        zero = jnp.zeros((5, 1))
        best = influence(truth, zero, STEPS)
        rows.append(row("influence, through the true rule", -0.809, best.true / 25))
        network = fit_latent(truth, 5, fit, model="network", steps=1000)
        found = influence(truth, zero, STEPS, through=network)
        rows += [
            row("influence, through a network: claimed", -1.069, found.claimed / 25),
            row("influence, through a network: true", -0.963, found.true / 25),
            row("the network: held-out R^2 of a step", 0.989, network.held_out),
        ]
        for k, study in zip((1, 3, 5), (0.427, 0.808, 0.944), strict=True):
            model = fit_latent(truth, k, fit)
            found = influence(truth, zero, STEPS, through=model)
            rows += [
                row(f"quadratic, k = {k}: held-out R^2 of a step", study, model.held_out),
                row(f"quadratic, k = {k}: claimed", None, found.claimed / 25, ""),
                row(f"quadratic, k = {k}: true", None, found.true / 25, ""),
            ]
        learners = {
            "influencing": LILI(1.0),
            "predicting only": LILI(1.0, interactions=1),
            "neither (naive)": Naive(1.0),
        }
        for name, rule in learners.items():
            played = measure.play(
                dilemma(), [rule, Naive(1.0)], begin, 100, 256, progress, record="values"
            )
            rewards = played.history["values"][1:, :, 0].mean(0) * (1 - 24 / 25)
            rows.append(Row(f"learner, {name}: mean of 100 steps", None, *measure.mean(rewards)))
    return Reproduction(
        name="lili",
        title="LILI: influence by a known rule and by fitted ones",
        paper="Xie et al. 2020 (LILI), arXiv:2011.06619",
        protocol=(
            "iterated prisoner's dilemma, discount 24/25, a naive learner with step 1 on discounted sums, 20 "
            "interactions, 8 standard normal starts",
            f"a fixed policy from even mixing by {STEPS} steps of Adam (rate 0.05); payoffs: means per round",
            "models: 256 exact trajectories with normal policies, as many held out",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper's domains are continuous and its numbers were not opened: none of this is judged.",
            "With the rule known, influencing loses less than half of what always defecting does.",
            "That a model predicts a step well does not make it one to optimise through: the network has a higher R^2 "
            "than any quadratic model, and its optimum claims what it does not bring.",
            "As learners, influencing brings more than predicting only, and that no less than neither: what the paper "
            "claims of its own domains.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )
