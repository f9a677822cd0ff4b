"""Extortion, cooperation and look-aheads of COALA, exactly: Meulemans et al. (2024), arXiv:2410.18636.

- Game: prisoner's dilemma with payoffs 1, -1, 2, 0 (mutual cooperation, exploited, exploiting, mutual defection),
  memory one, discount 19/20, values per round: the naive step 5 of the paper is then the effective one. On discounted
  sums it would be 100, and the first finding does not hold.
- 20 episodes; Eq. 17, in which the co-players learn naively from the shaper's policy. Naive co-players start from
  standard normal logits: a fixed list of them, drawn once (the paper and its analysis draw new ones at each step).
- Adam (0.9, 0.999, 1e-8) with step 0.02, ascending (the paper: AdamW with 0.005, for longer).
- The paper shows these results as figures; what it says of them is judged, as 1 for true and 0 for false. Bounds:
  extortion, the shaper above 0.8 per round and its co-player below 0.5; cooperation, both above 0.9; defection, both
  below 0.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    COALA,
    AbstractLearner,
    AbstractMeter,
    CompiledValue,
    Naive,
    Run,
    coala_gradient,
    learn,
)
from resolvent.numeric.learners.adam import Adam
from resolvent.reproductions import measure
from resolvent.reproductions.record import Curve, Reproduction, Row
from resolvent.reproductions.self_play import SelfPlay

EPISODES = 20
STARTS = 16
STEPS = 2000
RATE = 0.02
# Look-aheads and the share of naive co-players that the paper trains with.
LOOKAHEADS = {1: 1.0, 2: 1.0, 3: 0.75, 10: 0.6, 20: 0.4}
TEXT = "text, Figures 2 to 4"


def game() -> CompiledValue:
    """The paper's dilemma, per round."""
    return closed_form(prisoners_dilemma(T=2, R=1, P=0, S=-1).iterated("19/20")).compile(
        backend="tensor"
    )


def naive_starts(values: CompiledValue, seed: int) -> tuple[Array, ...]:
    """Logits of naive co-players, `(STARTS, 5, 1)` per player."""
    keys = jax.random.split(jax.random.key(seed), values.num_players)
    return tuple(
        jax.random.normal(k, (STARTS, *s)) for k, s in zip(keys, values.shapes, strict=True)
    )


class Outcome(NamedTuple):
    """What a policy of player 1 comes to, payoffs per round."""

    policy: NDArray[np.floating]
    shaper: float
    naive: float

    @property
    def extorts(self) -> bool:
        """Whether it has much the larger part of what naive co-players learn to leave it."""
        return self.shaper > 0.8 and self.naive < 0.5


@eqx.filter_jit
def _ends(values: CompiledValue, own: Array, theirs: Array, step: float, steps: int) -> Array:
    def end(start: Array) -> Array:
        def once(_: int, other: Array) -> Array:
            return other + Naive(step).update(values, (own, other), 1, None)[0]

        return values((own, jax.lax.fori_loop(0, steps, once, start)))

    return jax.vmap(end)(theirs).mean(axis=0)


def outcome(
    values: CompiledValue, own: Any, starts: tuple[Array, ...], step: float, steps: int
) -> Outcome:
    """After so many naive steps of co-players from `starts`."""
    shaper, naive = np.asarray(_ends(values, jnp.asarray(own), starts[1], step, steps))
    policy = np.asarray(jax.nn.sigmoid(jnp.asarray(own)))[:, 0]
    return Outcome(policy, float(shaper), float(naive))


def slopes_at_defection(
    values: CompiledValue, starts: tuple[Array, ...], step: float
) -> NDArray[np.floating]:
    """The derivatives of the mean over episodes by the probabilities of cooperation in start, CC, CD, DC, DD, where
    the shaper always defects (up to e^-12)."""
    own = jnp.full(values.shapes[0], -12.0)

    def total(theirs: Array) -> Array:
        return coala_gradient(values, (own, theirs), episodes=EPISODES, inner_rate=step).total

    chance = jax.nn.sigmoid(own)
    slope = jax.vmap(total)(starts[1]).mean(axis=0) / (chance * (1 - chance))
    return np.asarray(slope / EPISODES)[:, 0]


def train(
    values: CompiledValue,
    start: Array,
    rule: AbstractLearner,
    steps: int,
    progress: bool | AbstractMeter,
) -> Run:
    """One policy in both seats, from `start`."""
    joint = (start, start[jnp.array([0, 1, 3, 2, 4])])
    played = learn(
        values,
        SelfPlay(Adam(RATE, rule)),
        joint,
        steps,
        record="values",
        every=25,
        progress=progress,
    )
    if played.steps_done < steps:
        raise KeyboardInterrupt
    return played


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: the slopes at defection only."""
    values = game()
    starts = naive_starts(values, seed)
    rows: list[Row] = []
    for step in (5.0, 20.0, 100.0):
        slope = slopes_at_defection(values, starts, step)
        rest = np.delete(slope, 3)
        claimed = step != 100.0
        rows.append(
            Row(
                f"at all-defect, naive step {step:.0f}: only cooperating after DC gains",
                1.0,
                float(slope[3] > 0 >= rest.max() - 0.02 * slope[3]),
                source=TEXT,
                rounding=0.005,
                remark=f"slope {slope[3]:+.3f} after DC, at most {rest.max():+.3f} elsewhere"
                + ("" if claimed else "; the step 5 if it were on discounted sums"),
                judged=claimed,
            )
        )
    curves: list[Curve] = []
    if not quick:
        rows += _findings(values, starts, progress, curves)
        rows += _lookaheads(values, starts, progress)
    return Reproduction(
        name="coala",
        title="COALA: extortion, cooperation, look-aheads",
        paper="Meulemans et al. 2024, arXiv:2410.18636, analytic experiments",
        protocol=(
            "prisoner's dilemma (1, -1, 2, 0), memory one, discount 19/20, values per round, so that the naive step 5 "
            f"is the effective one; {EPISODES} episodes",
            f"naive co-players from {STARTS} normal starts that stay the same; shapers in self-play, one policy in "
            f"both seats, by Adam with step {RATE} (the paper: AdamW 0.005 and new starts at each step)",
            "1 is true and 0 false. Extortion: the shaper above 0.8 per round in the last episode, its naive co-player "
            "below 0.5. Cooperation: above 0.9 in self-play; defection: below 0.1",
        ),
        rows=tuple(rows),
        remarks=(
            "Finding 1 needs the naive step 5 to be on values per round. On discounted sums it would be 100 per round, "
            "and cooperating after DC would lose at all-defect.",
            "Finding 2 is not judged: what Figure 3 was trained with is not all printed. Here it holds from one of two "
            "extortioners and not from the other; a study apart from this library, by AdamW with 0.005 and new starts "
            "at each step, found defection.",
            "Look-aheads are not judged in self-play: the paper does not print the unit of its step, and with the "
            "effective step 5 all of them come to defect against each other, so that its order cannot be seen.",
            "What the paper says of variance and of its sequence models is about sampling and is not asked here.",
        ),
        quick=quick,
        seed=seed,
        curves=tuple(curves),
        axes=("step", "payoff per round in self-play"),
        versions=measure.versions(),
    )


def _findings(
    values: CompiledValue,
    starts: tuple[Array, ...],
    progress: bool | AbstractMeter,
    curves: list[Curve],
) -> list[Row]:
    def shaping(share: float) -> COALA:
        return COALA.preset(
            values, episodes=EPISODES, naive_share=share, naive_starts=starts, rate=1.0
        )

    normal = jax.random.normal(jax.random.key(1), values.shapes[0])
    rows: list[Row] = []
    ends: dict[str, Run] = {}
    for name, start in (("always defect", jnp.full_like(normal, -4.0)), ("normal", normal)):
        ends[name] = train(values, start, shaping(1.0), STEPS, progress)
        found = outcome(values, ends[name].params[0], starts, 5.0, EPISODES - 1)
        rows.append(
            Row(
                f"finding 1, from {name}: extorts naive learners",
                1.0,
                float(found.extorts),
                source=TEXT,
                rounding=0.005,
                remark=_text(found),
            )
        )
    cases = (
        *(
            (f"finding 2, naive dropped after extortion from {own}", end.params[0], 0.0, False)
            for own, end in ends.items()
        ),
        ("finding 3, a quarter naive, from normal", normal, 0.25, True),
        ("finding 3, none naive, from normal", normal, 0.0, True),
    )
    for name, start, share, judged in cases:
        played = train(values, jnp.asarray(start), shaping(share), STEPS, progress)
        both = float(played.values.mean())
        cooperation = "none" not in name
        wanted = both > 0.9 if cooperation else both < 0.1
        found = outcome(values, played.params[0], starts, 5.0, EPISODES - 1)
        rows.append(
            Row(
                f"{name}: " + ("cooperation" if cooperation else "defection"),
                1.0,
                float(wanted),
                source=TEXT,
                rounding=0.005,
                remark=f"self-play {both:.3f}; {_text(found)}",
                judged=judged,
            )
        )
        steps, paid = played.history["step"], played.history["values"]
        curves.append(Curve(name, steps.astype(float), paid.mean(axis=1)))
    return rows


def _lookaheads(
    values: CompiledValue, starts: tuple[Array, ...], progress: bool | AbstractMeter
) -> list[Row]:
    rows: list[Row] = []
    worth: list[float] = []
    taken: list[float] = []
    for ahead, share in LOOKAHEADS.items():
        step = 10.0 if ahead == 1 else 5.0
        rule = COALA.preset(
            values,
            step,
            1.0,
            episodes=ahead + 1,
            objective="final",
            naive_share=share,
            naive_starts=starts,
        )
        normal = jax.random.normal(jax.random.key(1), values.shapes[0])
        played = train(values, normal, rule, STEPS, progress)
        found = outcome(values, played.params[0], starts, 5.0, 2 * EPISODES)
        worth.append(float(played.values.mean()))
        taken.append(found.shaper - found.naive)
        rows.append(
            Row(
                f"{ahead} look-ahead{'s' * (ahead > 1)}: payoff in self-play",
                None,
                worth[-1],
                rounding=0.0005,
                remark=_text(found),
            )
        )
    rows.append(
        Row(
            "20 look-aheads cooperate less than 1",
            1.0,
            float(worth[-1] < worth[0]),
            source=TEXT,
            rounding=0.005,
            remark="the paper's trend, by its ends",
            judged=False,
        )
    )
    rows.append(
        Row(
            "20 look-aheads take more from naive learners than 1",
            1.0,
            float(taken[-1] > taken[0]),
            source=TEXT,
            rounding=0.005,
            remark=f"payoffs apart by {taken[-1]:.2f} and {taken[0]:.2f}",
        )
    )
    return rows


def _text(found: Outcome) -> str:
    chances = ", ".join(f"{own:.2f}" for own in found.policy)
    return f"policy ({chances}); {found.shaper:.2f} against naive {found.naive:.2f}"
