"""M-FOS against naive learners and in self-play, by exact gradients: Lu et al. (2022), arXiv:2205.01447.

The published numbers beside which ours stand are those that the notebook of Cooijmans et al. (2023), arXiv:2307.08863,
holds for M-FOS, typed in by hand. They come from noisy meta-policies improved by PPO; ours are deterministic and
improved along exact gradients, so that ours should exploit more. No row is judged: the objective is the same, the
optimiser is not.

- Iterated prisoner's dilemma (-1, -3, 0, -2), discount 24/25, gradients of discounted sums, naive step 1; chicken
  (0, -1, 1, -100) played once.
- 100 steps, payoffs after each; meta-policies trained on fixed starts in batches, measured on 1,024 others.
"""

from __future__ import annotations

from typing import Any

import jax

from resolvent.numeric import (
    AbstractMeter,
    MetaGame,
    Naive,
    ValueFunction,
    affine_policy,
    meta_game,
    meta_self_play,
    network_policy,
    train,
)
from resolvent.numeric.metagame.self_play import Schedule
from resolvent.reproductions import measure
from resolvent.reproductions.lola_ipd import dilemma
from resolvent.reproductions.record import Reproduction, Row
from resolvent.reproductions.toys import one_shot_chicken

SOURCE = "MeVa's notebook, typed in by hand"
REMARK = "theirs by PPO with a noisy meta-policy; ours by exact gradients"


def _row(what: str, published: float, ours: float, error: float = 0.0, remark: str = "") -> Row:
    return Row(
        what, published, ours, published_error=error, rounding=5e-4, source=SOURCE,
        remark=remark or REMARK, judged=False,
    )  # fmt: skip


def _games(values: ValueFunction, key: Any, steps: int, starts: int) -> tuple[MetaGame, MetaGame]:
    """To train, and to measure."""
    first, second = jax.random.split(key)
    game = meta_game(values, Naive(1.0), first, steps, batch=starts, memory="all")
    return game, game.with_starts(second, batch=8 if steps < 100 else 1024)


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: a few steps of an affine meta-policy in chicken."""
    keys = jax.random.split(jax.random.key(seed), 5)
    rows: list[Row] = []
    chicken = one_shot_chicken()
    game, others = _games(chicken, keys[0], 5 if quick else 100, 8 if quick else 512)
    trained = train(
        game,
        affine_policy(chicken, sees="parameters", start=-1.0),
        3 if quick else 400,
        rate=1e-2,
        batch=8 if quick else 64,
        check_every=3 if quick else 100,
        progress=progress,
    )
    payoffs = others.payoffs(trained.policy)
    for player, published in enumerate((0.970, -1.027)):
        rows.append(
            _row(
                f"one-shot chicken, M-FOS-naive, player {player + 1}",
                published,
                float(payoffs[player]),
            )
        )
    if not quick:
        values = dilemma()
        game, others = _games(values, keys[1], 100, 512)
        trained = train(
            game,
            network_policy(values, key=keys[2]),
            600,
            batch=64,
            check_every=300,
            progress=progress,
        )
        payoffs = others.payoffs(trained.policy) / 25
        for player, (published, error) in enumerate(((-0.560, 0.031), (-2.023, 0.056))):
            rows.append(
                _row(
                    f"prisoner's dilemma, M-FOS-naive, player {player + 1}",
                    published,
                    float(payoffs[player]),
                    error,
                )  # fmt: skip
            )
        game = game.with_starts(keys[1], batch=2048)
        pair = [network_policy(values, i, key=own) for i, own in enumerate(keys[3:])]
        schedules: dict[Schedule, str] = {
            "anneal": "lambda from 1 to 0",
            "none": "lambda 0 throughout",
        }
        for schedule, what in schedules.items():
            played = meta_self_play(
                game,
                pair,
                1000 if schedule == "anneal" else 300,
                schedule=schedule,
                batch=32,
                check_every=500,
                progress=progress,
            )
            ours = float(others.payoffs(played.policies).mean() / 25)
            if schedule == "anneal":
                rows.append(_row(f"prisoner's dilemma, M-FOS-M-FOS, {what}", -1.006, ours))
            else:
                rows.append(
                    Row(f"prisoner's dilemma, M-FOS-M-FOS, {what}", None, ours, rounding=5e-4)
                )
    return Reproduction(
        name="mfos_meta",
        title="M-FOS by exact gradients",
        paper="Lu et al. 2022, arXiv:2205.01447",
        protocol=(
            "iterated prisoner's dilemma (-1, -3, 0, -2), discount 24/25, naive step 1 on discounted sums (25 on "
            "averages); chicken (0, -1, 1, -100) played once",
            "mean payoff per round after each of 100 steps, from standard normal logits; trained on 512 fixed starts "
            "in batches of 64 (2,048 in batches of 32 in self-play), measured on 1,024 others",
            "meta-policies: 256 tanh units that see policies, Adam 2e-3 for 600 steps (in self-play 1e-3, 1,000 steps "
            "with lambda at 0 from the 650th on, or 300 without the schedule); in chicken an affine one that sees "
            "logits, Adam 1e-2 for 400 steps",
        ),
        rows=tuple(rows),
        remarks=(
            "Numbers of the paper's own tables were not opened for this page; what is set beside ours is second hand.",
            "With the schedule self-play ends in mutual cooperation, without it in mutual defection, as the paper says;"
            " rows of self-play are means over both players.",
            "Against a naive learner the exact optimum exploits: the learner is left with less than mutual defection.",
            "Against LOLA exact gradients are refused, since the dynamics are chaotic: there only evolution is left.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )
