"""Best Response Shaping on the iterated prisoner's dilemma, exactly: Aghajohari et al. (2024), arXiv:2404.06519.

- Game: payoffs -1, -3, 0, -2, discount 24/25, memory one; gradients of discounted sums, payoffs per round.
- The leader ascends its exact value against the exact soft best response (entropies, temperature on discounted sums),
  with and without its value against itself. Adam, rate 0.05, 1,500 steps, standard normal logits.
- Its league tables are of the Coin Game, whose states are too many for exact values: they cannot be compared. Of the
  prisoner's dilemma no table of the paper is known to us, but two claims, second hand: with self-play the trained agent
  is met with full cooperation and cooperates with itself; without, it is not like tit for tat and extorts.
- Beside them, an earlier measurement of our own by other code, on 16 starts: a check of this code, not a publication.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from resolvent.numeric import BRS, AbstractMeter, Adam, CompiledValue, Naive, optimal_replies
from resolvent.numeric.learners.best_response_shaping import mirror_of
from resolvent.reproductions import measure
from resolvent.reproductions.lola_ipd import dilemma
from resolvent.reproductions.record import Reproduction, Row

STEPS = 1500
RUNS = 64
# Cooperate in start, CC, CD, DC, DD.
TIT_FOR_TAT = (20.0, 20.0, -20.0, 20.0, -20.0)
RATE = 0.05
CLAIM = "claim, quoted by others"
EARLIER = "an earlier run of our own, not published"

# (temperature, weight of self-play) -> payoffs per round: the leader's and the follower's against its hard best
# response, and the leader's against itself.
EARLIER_RUNS: dict[tuple[float, float], tuple[float, float, float]] = {
    (1.0, 0.0): (-0.825, -1.350, -1.96),
    (1.0, 1.0): (-1.0, -1.0, -1.0),
    (0.3, 0.0): (-0.604, -1.793, -2.0),
    (0.3, 1.0): (-1.0, -1.0, -1.0),
}
MEASURED = ("leader", "best response", "against itself")


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: tit for tat, which is not trained."""
    values, key = dilemma(), jax.random.key(seed)
    fixed = _payoffs(values, *(jnp.array(TIT_FOR_TAT).reshape(1, 5, 1) for _ in range(2)))
    rows = [
        Row(f"tit for tat: {what}", -1.0, float(own[0]), 0.0, 0.0, 1e-6, "closed form")
        for what, own in zip(MEASURED, fixed, strict=True)
    ]
    for (temperature, weight), earlier in EARLIER_RUNS.items():
        if quick:
            break
        leader = Adam(RATE, BRS(1.0, temperature, weight))
        # The other does not matter: the leader meets what it would reply.
        played = measure.play(values, (leader, Naive(0.0)), key, STEPS, RUNS, progress)
        found = _payoffs(values, jnp.asarray(played.params[0]), jnp.asarray(played.params[1]))
        kind = "with self-play" if weight else "without self-play"
        for what, sample, number in zip(MEASURED, found, earlier, strict=True):
            ours, error = measure.mean(sample)
            label = f"temperature {temperature:g}, {kind}: {what}"
            before = f"{EARLIER}: {number:.3f}"
            rows.append(Row(label, None, ours, error, remark=before))
            if weight and what != "leader":
                source, remark = CLAIM, "full cooperation; a claim without digits"
                rows.append(
                    Row(f"{label}, as claimed", -1.0, ours, error, 0.0, 5e-3, source, remark)
                )
    return Reproduction(
        name="brs",
        title="Best Response Shaping on the prisoner's dilemma",
        paper="Aghajohari et al. 2024, arXiv:2404.06519",
        protocol=(
            "iterated prisoner's dilemma (-1, -3, 0, -2), memory one, discount 24/25; gradients of discounted sums, "
            "payoffs per round",
            f"leader: BRS against exact soft best responses, Adam at rate {RATE}, {STEPS:,} steps from standard normal "
            f"logits, {RUNS} starts; weight of self-play 0 or 1",
            "measured: payoffs against the exact hard best response to the trained leader, and of the leader "
            "against itself",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper's claims hold without any sampling: what decides between extortion and cooperation is the term "
            "of self-play, not the detective.",
            "Without it the leader extorts, the more the colder the follower: at temperature 0 the most that any "
            "commitment can get is 1/2 less than mutual cooperation's loss (-0.5 per round, and -2 to the follower; "
            "`stackelberg`), which is a limit that no commitment attains.",
            "The league tables of the paper are of the Coin Game, which has too many states for exact values: not "
            "computed here.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )


def _payoffs(values: CompiledValue, own: jax.Array, other: jax.Array) -> tuple[np.ndarray, ...]:
    """Payoffs per round of trained leaders, and of hard best responses to them."""
    scale = float(1 - values.game.discounts[0])
    hard = jax.vmap(lambda one, off: optimal_replies(values, (one, off), 1))(own, other)
    order = mirror_of(values.structure)  # CD is DC from the other seat
    itself = jax.vmap(values)((own, own[:, order]))[:, 0]
    return tuple(scale * np.asarray(found) for found in (hard.best, hard.value, itself))
