"""`resolvent learn`: many runs of learners against each other."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import differentiable, inputs, output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError
from resolvent.games import DifferentiableGame

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from resolvent.analytic.differentiable_value import DifferentiableValue
    from resolvent.games import DynamicGame
    from resolvent.numeric import CompiledValue
    from resolvent.numeric.run import Run

# A figure shows about this many points of a curve.
_POINTS = 200
_MOST_ROWS = 9


@dataclass(frozen=True)
class Outcome:
    """What came of a run, per player and per joint action.

    **Attributes:**

    - `per_round`: final payoffs per round, `(runs, n)`.
    - `shares`: share of rounds in which each joint action is played, discounted as by player 1, mean
        over runs.
    - `policies`: mean final policy of each player, `(O_i, A_i)`.
    - `status`: how many runs ended in each way.
    """

    per_round: NDArray[np.floating]
    shares: NDArray[np.floating]
    policies: tuple[NDArray[np.floating], ...]
    status: dict[str, int]


def learn(
    asked: inputs.Asked,
    learners: str,
    steps: int,
    runs: int,
    seed: int,
    rate: str,
    lookahead: str | None,
    scale: str,
    normalise: Literal["average", "sum"],
    save: Path | None,
    plot: Path | None,
    as_json: bool,
) -> bool:
    """Learn, print what came of it, and save it. Returns False after Ctrl-C."""
    played = inputs.playable(asked)
    inputs.require_numbers(played, "learning")
    players = played.num_players
    rates = inputs.numbers(rate, players, "--rate", positive=True)
    ahead: list[Fraction | None] = [None] * players
    if lookahead is not None:
        ahead = [*inputs.numbers(lookahead, players, "--lookahead")]
    spread = inputs.number(scale, "--scale")
    inputs.check_file(save, "--save", (".npz",))
    inputs.check_file(plot, "--plot", (".png", ".pdf", ".svg"))
    if plot is not None:
        require_matplotlib()
    prepare()

    import jax

    from resolvent.analytic import closed_form
    from resolvent.numeric.learning import learn as run_learners

    out_of_memory = (MemoryError, jax.errors.JaxRuntimeError)

    if isinstance(played, DifferentiableGame):
        values = closed_form(played).compile()
    else:
        values = closed_form(played, normalise).compile()
    rules = inputs.learners(learners, rates, ahead, "--learners", values)
    began = time.perf_counter()
    try:
        run = run_learners(
            values,
            rules,
            jax.random.key(seed),
            steps,
            batch=runs,
            scale=float(spread),
            record=None if plot is None else "values",
            every=max(1, steps // _POINTS),
            progress=sys.stderr.isatty(),
        )
    except out_of_memory as error:
        message = str(error).partition("\n")[0] or "out of memory"
        raise FailedError(f"--runs {runs}: {message}") from None
    seconds = time.perf_counter() - began
    if save is not None:
        written(run.save, save, "--save")
    if plot is not None:
        written(lambda path: _draw(run, path), plot, "--plot")
    files = [path for path in (save, plot) if path is not None]
    if as_json:
        output.print_json(_record(run, played, values, seed, float(spread), seconds))
    else:
        _print(run, played, values, seconds, files)
    failed = int((run.failed_player >= 0).sum())
    if failed:
        raise FailedError(f"{failed} of {runs} runs stopped at a step that was not finite")
    return run.steps_done == run.steps


def outcome_of(run: Run, values: CompiledValue) -> Outcome:
    """What came of a batch of runs."""
    import jax
    import numpy as np

    from resolvent.numeric import outcomes

    assert run.policies is not None
    shares = jax.vmap(lambda params: outcomes(values, params))(run.params)
    return Outcome(
        per_round=per_round(run, values),
        shares=np.asarray(shares).mean(0),
        policies=tuple(own.mean(0) for own in run.policies),
        status=status_of(run),
    )


def status_of(run: Run) -> dict[str, int]:
    """How many runs ended in each way."""
    stopped = int((run.failed_player >= 0).sum())
    others = "interrupted" if run.steps_done < run.steps else "successful"
    return {others: len(run.values) - stopped, "nonfinite": stopped}


def per_round(run: Run, values: CompiledValue) -> NDArray[np.floating]:
    """Final payoffs per round, `(runs, n)`."""
    return run.values * scale_of(values)


def scale_of(values: CompiledValue) -> NDArray[np.floating]:
    """What each player's value is multiplied by to give its payoff per round."""
    import numpy as np

    if values.normalise == "average":
        return np.ones(values.num_players)
    return np.array([float(delta) for delta in show.remainders(values.game)])


def require_matplotlib() -> None:
    """Refuse to draw before the computation rather than after it."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise BadInputError(
            "--plot: matplotlib is not installed; run: pip install 'resolvent[plot]'"
        )


def written(write: Any, path: Path, option: str) -> None:
    """`write(path)`; what the system refuses is a failure of the command."""
    try:
        write(path)
    except OSError as error:
        raise FailedError(f"{option}: {path}: {error.strerror or error}") from None


def _draw(run: Run, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from resolvent.plotting import overview

    overview(run).savefig(path, dpi=150)


def _print(
    run: Run,
    game: DynamicGame | DifferentiableGame,
    values: CompiledValue | DifferentiableValue,
    seconds: float,
    files: Sequence[Path],
) -> None:
    from resolvent.numeric import CompiledValue

    out = output.console()
    done = (
        f"{run.steps_done:,} of {run.steps:,}" if run.steps_done < run.steps else f"{run.steps:,}"
    )
    if isinstance(game, DifferentiableGame):
        title, scale = game.name or "game", "payoffs as they are stated"
    else:
        title, scale = show.title(game), show.scale_name(run.normalise or "")
    output.heading(out, f"{title}: {plural(run.num_runs, 'run')} of {done} steps")
    if isinstance(game, DifferentiableGame):
        differentiable.print_run(out, run, game)
    else:
        assert isinstance(values, CompiledValue)
        _print_outcome(out, run, game, outcome_of(run, values))
    out.print(
        output.dim(f"  Rates are for the {scale}. {seconds:.1f} s, compiling included."),
        soft_wrap=True,
    )
    for path in files:
        out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)


def _print_outcome(out: Console, run: Run, game: DynamicGame, outcome: Outcome) -> None:
    special = show.rules(game)
    if special is not None:
        out.print(f"  {special}\n", soft_wrap=True)
    assert run.learners is not None
    rows: list[list[output.Cell]] = []
    for player, rule in enumerate(run.learners):
        own = outcome.per_round[:, player]
        rows.append(
            [
                game.players[player],
                show.rule_name(rule.describe()),
                output.strong(output.signed(float(own.mean()))),
                output.signed(float(own.std())),
                output.signed(float(own.min())),
                output.signed(float(own.max())),
            ]
        )
    headers = ["player", "learner", "payoff per round", "std", "lowest", "highest"]
    output.table(out, headers, rows, align="llrrrr")
    out.print()
    names = show.joint_names(game)
    order = sorted(range(len(names)), key=lambda k: -outcome.shares[k])
    played = ", ".join(
        f"{names[k]} {output.percent(float(outcome.shares[k]))}" for k in order[:_MOST_ROWS]
    )
    by = " (discounted as by player 1)" if isinstance(game.discount, tuple) else ""
    out.print(f"  Rounds played{by}: {played}", soft_wrap=True)
    _print_policies(out, game, outcome)
    out.print()


def _print_policies(out: Any, game: DynamicGame, outcome: Outcome) -> None:
    """The mean policies of two actions and few observations: a table for all players who observe the
    same, one each otherwise."""
    if max(game.num_actions) != 2:
        return
    for observations in dict.fromkeys(game.observations):
        if len(observations) > _MOST_ROWS:
            continue
        out.print()
        output.table(
            out,
            ["mean policy", *observations],
            [
                [
                    f"player {game.players[player]} plays {game.actions[player][0]}",
                    *(f"{row[0]:.2f}" for row in own),
                ]
                for player, own in enumerate(outcome.policies)
                if game.observations[player] == observations
            ],
            align="l" + "r" * len(observations),
        )


def plural(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _record(
    run: Run,
    game: DynamicGame | DifferentiableGame,
    values: CompiledValue | DifferentiableValue,
    seed: int,
    scale: float,
    seconds: float,
) -> dict[str, Any]:
    from resolvent.numeric import CompiledValue

    if isinstance(game, DifferentiableGame):
        finals = differentiable.run_record(run, game)
    else:
        assert isinstance(values, CompiledValue)
        finals = _final_record(run, game, outcome_of(run, values))
    return {
        "game": finals.pop("game"),
        "normalise": run.normalise,
        "learners": run.provenance["learners"],
        "runs": run.num_runs,
        "steps": run.steps,
        "steps_done": run.steps_done,
        "seed": seed,
        "scale": scale,
        "status": status_of(run),
        **finals,
        "seconds": seconds,
        "versions": run.provenance["versions"],
    }


def _final_record(run: Run, game: DynamicGame, outcome: Outcome) -> dict[str, Any]:
    return {
        "game": show.game_record(game),
        "payoff_per_round": [
            {
                "mean": own.mean(),
                "std": own.std(),
                "min": own.min(),
                "max": own.max(),
            }
            for own in outcome.per_round.T
        ],
        "outcomes": dict(zip(show.joint_names(game), outcome.shares.tolist(), strict=True)),
        "mean_policies": list(outcome.policies),
    }
