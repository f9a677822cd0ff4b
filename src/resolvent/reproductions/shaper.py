"""Memory over episodes against a naive learner, and what is lost without it: Khan et al. (2023), arXiv:2312.12568.

- Game of `ucl-dark/pax`: the iterated prisoner's dilemma (-1, -3, 0, -2), discount 0.96; a naive learner with step 1 on
  discounted sums, from a fixed list of standard normal logits.
- A trial has 20 episodes without end but the discount's; the payoff is the mean over its episodes, per round.
- In place of the recurrent network: a stochastic controller of two nodes, whose node marginal is carried over
  (context), and whose chain runs within the episode (history). In place of evolution on sampled trials: Adam on exact
  derivatives, from 4 random starts each.
"""

from __future__ import annotations

import jax
import numpy as np

from resolvent.numeric import (
    AbstractMeter,
    ControllerMemory,
    CountsMemory,
    Naive,
    ShaperTrial,
    shaper_trial,
    train_shaper,
)
from resolvent.reproductions import measure
from resolvent.reproductions.lola_ipd import dilemma
from resolvent.reproductions.record import Reproduction, Row

EPISODES = 20
STARTS = 4
STEPS = 100
RESTARTS = 4

MEMORIES: dict[str, ControllerMemory | CountsMemory] = {
    "context and history: two nodes": ControllerMemory(2),
    "context and history: counts of the last episode": CountsMemory(),
    "no context: two nodes, begun anew": ControllerMemory(2, context=False),
    "no context: memory-one play": CountsMemory(context=False),
    "no history: two nodes, the state unseen": ControllerMemory(2, history=False),
    "no context and no history: one mixed action": ControllerMemory(1, history=False),
}
# Logits of fixed policies, to compare with: cooperate in start, CC, CD, DC, DD.
FIXED: dict[str, tuple[float, ...]] = {
    "always defect": (-20.0,) * 5,
    "tit for tat": (20.0, 20.0, -20.0, 20.0, -20.0),
}


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: fixed policies only."""
    starts, train = jax.random.split(jax.random.key(seed))
    values = dilemma()
    theta = jax.random.normal(starts, (STARTS, 5, 1))

    def trial(memory: ControllerMemory | CountsMemory) -> ShaperTrial:
        return shaper_trial(values, Naive(1.0), (None, theta), EPISODES, memory=memory)

    rows = []
    plain = trial(ControllerMemory(1))
    for name, logits in FIXED.items():
        found = plain.play(np.array(logits).reshape(1, 5, 1))
        rows.append(_row(name, found.payoff, found.payoffs))
    for name, memory in MEMORIES.items():
        if quick:
            break
        own = trial(memory)
        best = train_shaper(own, train, STEPS, rate=0.1, restarts=RESTARTS, progress=progress)
        least = float(best.payoffs[-1].min()) / 25
        spread = f"; restarts from {least:.3f}"
        rows.append(_row(name, best.payoff, own.play(best.policy).payoffs, spread))
    return Reproduction(
        name="shaper",
        title="Shaper: context and history, exactly",
        paper="Khan et al. 2023 (Shaper), arXiv:2312.12568",
        protocol=(
            f"iterated prisoner's dilemma, discount 24/25, a naive learner with step 1 on discounted sums, {STARTS} "
            "standard normal starts that are part of the problem",
            f"trials of {EPISODES} episodes; payoff: mean over episodes and starts, per round",
            f"controllers and policies on counts, {STEPS} steps of Adam (rate 0.1) on exact derivatives, best of "
            f"{RESTARTS}",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper's tables were not opened; its recurrent network, evolution and learners by PPO have no exact "
            "counterpart. There is nothing to judge, and these numbers answer its question in this library's terms.",
            "A memory-one policy already has history: its state is the last joint action.",
            "Context pays where it tells enough: the worst restart of those who remember the counts of the last "
            "episode gains more than the best of any without context. Whether it does in two nodes is not shown: "
            "carried over they bring no more than two that begin anew, within what restarts differ by.",
            "That history pays is: who acts without the state gives a learner nothing to gain by cooperating, whose "
            "chances then fall in every episode.",
            "Training was stopped after a fixed number of steps, short of the maxima, of which there are many: a "
            "difference of a few hundredths means nothing.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def _row(name: str, payoff: float, payoffs: np.ndarray, spread: str = "") -> Row:
    """A mean per round, and the co-player's."""
    other = payoffs[:, :, 1].mean() / 25
    return Row(name, None, payoff / 25, remark=f"the naive learner gets {other:.3f}{spread}")
