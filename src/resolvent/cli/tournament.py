"""`resolvent tournament`: every learner against every other."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import inputs, output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError
from resolvent.cli.learn import plural, require_matplotlib, written

if TYPE_CHECKING:
    from resolvent.games import DynamicGame
    from resolvent.numeric.tournament import Tournament

_MOST_ROWS = 64


def tournament(
    asked: inputs.Asked,
    learners: str,
    steps: int,
    runs: int,
    seed: int,
    rate: str,
    lookahead: str | None,
    scale: str,
    limit: str | None,
    normalise: Literal["average", "sum"],
    save: Path | None,
    plot: Path | None,
    as_json: bool,
) -> bool:
    """Play, print the cross table, and save it. Returns False after Ctrl-C."""
    played = inputs.dynamic_game(asked)
    inputs.require_numbers(played, "learning")
    spread = inputs.number(scale, "--scale")
    bound = None if limit is None else float(inputs.number(limit, "--limit", positive=True))
    inputs.check_file(save, "--save", (".npz", ".csv"))
    inputs.check_file(plot, "--plot", (".png", ".pdf", ".svg"))
    if plot is not None:
        require_matplotlib()
        if played.num_players != 2:
            raise BadInputError("--plot: a cross table is of two players; use --save")
    prepare()

    import jax

    from resolvent.analytic import closed_form
    from resolvent.numeric import tournament as play

    values = closed_form(played, normalise).compile()
    field = inputs.field_of_learners(learners, rate, lookahead, "--learners", values)
    began = time.perf_counter()
    try:
        with inputs.refused("--learners"):
            cross = play(
                values,
                field,
                jax.random.key(seed),
                steps,
                batch=runs,
                scale=float(spread),
                limit=bound,
                progress=sys.stderr.isatty(),
            )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        message = str(error).partition("\n")[0] or "out of memory"
        raise FailedError(f"--runs {runs}: {message}") from None
    seconds = time.perf_counter() - began
    if save is not None:
        written(cross.to_csv if save.suffix == ".csv" else cross.save, save, "--save")
    if plot is not None:
        written(lambda path: _draw(cross, path), plot, "--plot")
    if as_json:
        output.print_json(_record(cross, played, seed, float(spread), bound, seconds))
    else:
        _print(cross, played, seconds, [path for path in (save, plot) if path is not None])
    failed = int((cross.counts["nonfinite"] + cross.counts["diverged"]).sum())
    if failed:
        total = cross.num_runs * len(cross.names) ** cross.num_players
        raise FailedError(f"{failed} of {total} runs diverged; they are part of no mean")
    return not cross.counts["interrupted"].any()


def _draw(cross: Tournament, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = 3 + 0.9 * len(cross.names)
    figure, axes = pyplot.subplots(1, 2, figsize=(2 * size, size), layout="constrained")
    for player, ax in enumerate(axes):
        cross.plot(ax, player)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _print(cross: Tournament, game: DynamicGame, seconds: float, files: Sequence[Path]) -> None:
    out = output.console()
    each = f"{plural(cross.num_runs, 'run')} of {cross.steps:,} steps"
    output.heading(out, f"{show.title(game)}: {plural(len(cross.names), 'learner')}, {each} each")
    special = show.rules(game)
    if special is not None:
        out.print(f"  {special}\n", soft_wrap=True)
    descriptions = cross.provenance["learners"]
    output.table(
        out,
        ["name", "learner"],
        [[name, show.rule_name(own)] for name, own in zip(cross.names, descriptions, strict=True)],
    )
    out.print("\n  Payoffs per round, mean and standard error over the runs that ended well.")
    if cross.num_players == 2:
        for player in (0, 1):
            _print_table(out, cross, game, player)
    else:
        _print_seatings(out, cross, game)
    _print_failures(out, cross)
    scale = show.scale_name(cross.provenance["normalise"])
    out.print()
    out.print(
        output.dim(f"  Rates are for the {scale}. {seconds:.1f} s, compiling included."),
        soft_wrap=True,
    )
    for path in files:
        out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)


def _print_table(out: Any, cross: Tournament, game: DynamicGame, player: int) -> None:
    mean, error = cross.table(player)
    own, other = game.players[player], game.players[1 - player]
    out.print()
    output.table(
        out,
        [f"player {own} against {other}", *cross.names],
        [[name, *map(_cell, mean[row], error[row])] for row, name in enumerate(cross.names)],
        align="l" + "r" * len(cross.names),
    )


def _print_seatings(out: Any, cross: Tournament, game: DynamicGame) -> None:
    mean, error = cross.per_round * cross.mean, cross.per_round * cross.error
    seatings = list(itertools.product(range(len(cross.names)), repeat=cross.num_players))
    out.print()
    output.table(
        out,
        [*(f"player {own}" for own in game.players), *(f"payoff {own}" for own in game.players)],
        [
            [*(cross.names[k] for k in seats), *map(_cell, mean[seats], error[seats])]
            for seats in seatings[:_MOST_ROWS]
        ],
        align="l" * cross.num_players + "r" * cross.num_players,
    )
    if len(seatings) > _MOST_ROWS:
        out.print(f"  and {len(seatings) - _MOST_ROWS:,} more: see --save FILE.csv")


def _print_failures(out: Any, cross: Tournament) -> None:
    lost = [(name, own) for name, own in cross.counts.items() if name != "successful" and own.any()]
    if not lost:
        return
    out.print()
    for name, own in lost:
        for seats in zip(*own.nonzero(), strict=True):
            where = ", ".join(cross.names[k] for k in seats)
            message = f"  {where}: {own[seats]:,} of {plural(cross.num_runs, 'run')} {name}"
            ended = (cross.failed_player[seats] >= 0).nonzero()[0]
            if name != "interrupted" and len(ended):
                first = (*seats, ended[0])
                message += (
                    f" (run {ended[0]} at step {cross.failed_step[first]}, player "
                    f"{cross.failed_player[first] + 1}, norm {cross.failed_norm[first]:.3g})"
                )
            out.print(message, soft_wrap=True)


def _cell(mean: float, error: float) -> output.Cell:
    if not math.isfinite(mean):
        return "-"
    return output.signed(mean) + (f" ± {error:.4f}" if math.isfinite(error) else "")


def _record(
    cross: Tournament,
    game: DynamicGame,
    seed: int,
    scale: float,
    limit: float | None,
    seconds: float,
) -> dict[str, Any]:
    mean, error, counts = cross.mean, cross.error, cross.counts
    seatings = itertools.product(range(len(cross.names)), repeat=cross.num_players)
    return {
        "game": show.game_record(game),
        "normalise": cross.provenance["normalise"],
        "names": list(cross.names),
        "learners": cross.provenance["learners"],
        "runs": cross.num_runs,
        "steps": cross.steps,
        "seed": seed,
        "scale": scale,
        "limit": limit,
        "seatings": [
            {
                "learners": [cross.names[k] for k in seats],
                "payoff_per_round": cross.per_round * mean[seats],
                "standard_error": cross.per_round * error[seats],
                "status": {name: int(own[seats]) for name, own in counts.items()},
            }
            for seats in seatings
        ],
        "seconds": seconds,
        "versions": cross.provenance["versions"],
    }
