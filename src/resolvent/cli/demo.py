"""`resolvent demo`: the library's main job on the iterated prisoner's dilemma."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from resolvent.analytic.shaping_terms import Terms, exact_terms
from resolvent.cli import output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import FailedError
from resolvent.games import (
    ExactPolicy,
    IteratedGame,
    always,
    own_view,
    prisoners_dilemma,
    tit_for_tat,
    uniform,
    win_stay_lose_shift,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from resolvent.analytic import ClosedForm
    from resolvent.numeric.run import Run

# Mutual cooperation pays -1 a round and mutual defection -2: this is the line between the camps that
# the published comparison uses (losses below 1.2).
_COOPERATING = -1.2
_MARKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def demo(runs: int, steps: int, seed: int) -> None:
    """Derive, differentiate, learn."""
    out = output.console()
    game = prisoners_dilemma().iterated("24/25")
    began = time.perf_counter()

    from resolvent.analytic import closed_form

    form = closed_form(game, "sum")
    _state(out, game)
    _derive(out, form, game)
    _differentiate(out, form, game)
    _learn(out, form, game, runs, steps, seed)
    out.print()
    out.print(output.dim(f"  {time.perf_counter() - began:.1f} s in all"))
    output.prose(
        out,
        "Next: `resolvent --help`, `resolvent gradient prisoners_dilemma`, "
        "`resolvent learn stag_hunt --learners lola,naive`.",
        indent=2,
    )


def _state(out: Console, game: IteratedGame) -> None:
    output.heading(out, "1. A game")
    show.payoff_table(out, game.stage)
    out.print()
    output.prose(
        out,
        "The prisoner's dilemma, played again and again: each round counts 24/25 as much as the one before. "
        "A player remembers the last round, so a policy is five probabilities of cooperating (C).",
        indent=2,
    )


def _derive(out: Console, form: ClosedForm, game: IteratedGame) -> None:
    output.heading(out, "2. Its value, derived")
    show.derivation(out, form)
    out.print()
    show.size_lines(out, form)
    out.print()
    players = [
        ("tit for tat", tit_for_tat(game, 0), "always defect", always(game, 1, "D")),
        ("tit for tat", tit_for_tat(game, 0), "tit for tat", tit_for_tat(game, 1)),
        (
            "win-stay lose-shift",
            win_stay_lose_shift(game, 0),
            "always defect",
            always(game, 1, "D"),
        ),
        ("tit for tat", tit_for_tat(game, 0), "a coin", uniform(game, 1)),
    ]
    rows: list[list[output.Cell]] = []
    for first, policy, second, other in players:
        sums = form.evaluate((policy, other))
        means = show.per_round(form, sums)
        rows.append(
            [f"{first} against {second}", *(output.strong(str(value)) for value in sums)]
            + [str(mean) for mean in means]
        )
    output.table(
        out,
        ["values, exactly", "V_1", "V_2", "per round", "per round"],
        rows,
        align="lrrrr",
    )


def _differentiate(out: Console, form: ClosedForm, game: IteratedGame) -> None:
    output.heading(out, "3. The exact LOLA gradient")
    coin: tuple[ExactPolicy, ...] = (uniform(game, 0), uniform(game, 1))
    terms = exact_terms(form, coin, (Fraction(1), Fraction(1)))[0]
    output.prose(
        out,
        "Two players who toss a coin in every state. The naive gradient is how player 1 gains if player 2 stands "
        "still. Player 2 will not: it takes a naive step too. The look-ahead term is what that step is worth to "
        "player 1, the shaping term what bending it is worth.",
        indent=2,
    )
    out.print()
    output.table(
        out,
        ["after", "naive gradient", "look-ahead", "shaping", "LOLA step", ""],
        _step_rows(game, terms),
        align="lrrrrl",
    )
    out.print()
    output.prose(
        out,
        "The naive gradient says: defect, whatever happened. The LOLA step says: cooperate after the other "
        "cooperated, defect after it defected. That is tit for tat, after one step.",
        indent=2,
    )


def _step_rows(game: IteratedGame, terms: Terms) -> list[list[output.Cell]]:
    rows: list[list[output.Cell]] = []
    for state, naive, ahead, shaping in zip(
        game.states, terms.naive, terms.look_ahead, terms.shaping, strict=True
    ):
        step = naive[0] + ahead[0] + shaping[0]
        advice = "cooperate more" if step > 0 else "defect more"
        rows.append(
            [
                state,
                *(str(term[0]) for term in (naive, ahead, shaping)),
                output.strong(str(step)),
                output.dim(advice),
            ]
        )
    return rows


def _learn(
    out: Console, form: ClosedForm, game: IteratedGame, runs: int, steps: int, seed: int
) -> None:
    output.heading(out, "4. Learning")
    output.prose(
        out,
        f"{runs:,} pairs of players from random policies (standard-normal logits), {steps:,} steps of rate 1 on "
        "the discounted sum: the setting of the LOLA and SOS papers. No play is sampled; every step is the exact "
        "gradient.",
        indent=2,
    )
    out.print()
    prepare()

    import jax
    import jax.numpy as jnp

    from resolvent.numeric.learners import LOLA, Naive
    from resolvent.numeric.learning import learn

    values = form.compile()
    shape = (game.num_players, runs, *values.shapes[0])
    start = tuple(jax.random.normal(jax.random.key(seed), shape, dtype=jnp.float64))
    finished: dict[str, Run] = {}
    seconds: dict[str, float] = {}
    for name, rule in (("naive", Naive(1.0)), ("LOLA", LOLA(1.0))):
        began = time.perf_counter()
        finished[name] = _with_status(
            f"{name}: compiling and running",
            lambda rule=rule: learn(values, rule, start, steps, record=("values",)),
        )
        seconds[name] = time.perf_counter() - began
        if (finished[name].failed_player >= 0).any():
            raise FailedError(f"{name}: a run stopped at a step that was not finite")
        if finished[name].steps_done < steps:
            raise KeyboardInterrupt
    _print_runs(out, finished, seconds)
    _print_course(out, finished)
    _print_policies(out, game, finished["LOLA"])


def _with_status(label: str, work: Callable[[], Any]) -> Any:
    """Do some work; say so on standard error if someone watches."""
    if not sys.stderr.isatty():
        return work()
    with output.status_console().status(label):
        return work()


def _print_runs(out: Console, finished: dict[str, Run], seconds: dict[str, float]) -> None:
    rows: list[list[output.Cell]] = []
    for name, run in finished.items():
        final = _per_round(run.values)
        both = final.min(axis=-1)
        cooperating = output.percent(float((both > _COOPERATING).mean()))
        rows.append(
            [
                name,
                *(output.signed(float(mean), 3) for mean in final.mean(0)),
                output.strong(cooperating) if name == "LOLA" else cooperating,
                f"{seconds[name]:.1f} s",
            ]
        )
    output.table(
        out,
        ["learner", "player 1", "player 2", "pairs cooperating", "with compiling"],
        rows,
        align="lrrrr",
    )
    out.print()
    output.prose(
        out,
        "Payoffs per round, means over the pairs: -1 is mutual cooperation, -2 mutual defection. A pair cooperates "
        f"if both get more than {_COOPERATING:g}. The LOLA paper (Foerster et al. 2018, Table 3) reports -1.98 for "
        "naive learning and -1.06 for LOLA, by a variant of the rule without the look-ahead term.",
        indent=2,
    )


def _print_course(out: Console, finished: dict[str, Run]) -> None:
    """The mean payoff along the way."""
    out.print()
    recorded = next(iter(finished.values())).history["step"]
    marks = [mark for mark in _MARKS if mark in recorded]
    columns: list[list[output.Cell]] = []
    for name, run in finished.items():
        course = _per_round(run.history["values"]).mean(axis=(1, 2))
        at = dict(zip(recorded.tolist(), course.tolist(), strict=True))
        columns.append([name, *(output.signed(at[mark], 2) for mark in marks)])
    headers = ["mean payoff at step", *(str(mark) for mark in marks)]
    output.table(out, headers, columns, align="l" + "r" * len(marks))


def _print_policies(out: Console, game: IteratedGame, run: Run) -> None:
    """What the cooperating pairs have learned, own action first."""
    assert run.policies is not None
    cooperating = _per_round(run.values).min(axis=-1) > _COOPERATING
    if not cooperating.any():
        return
    means: Sequence[NDArray[np.floating]] = [own[cooperating].mean(0)[:, 0] for own in run.policies]
    views = [own_view(game, own, player) for player, own in enumerate(means)]
    learned = (views[0] + views[1]) / 2
    out.print()
    output.table(
        out,
        ["P(C), own action first", *game.states],
        [
            ["LOLA, cooperating pairs", *(output.strong(f"{p:.2f}") for p in learned)],
            ["tit for tat", *(str(row[0]) for row in tit_for_tat(game, 0))],
        ],
        align="l" + "r" * game.num_states,
    )


def _per_round(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return values / 25
