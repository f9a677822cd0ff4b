"""`resolvent benchmark`: how far sampled estimators are from the truth, at what cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import inputs, output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError

if TYPE_CHECKING:
    from resolvent.games import DynamicGame
    from resolvent.numeric import Benchmark


@dataclass(frozen=True)
class Wanted:
    """What is to be measured, as typed.

    **Attributes:** `estimators`, `quantities`, `batches`: by commas; `horizon`, `repeats`, `profiles`, `seed`,
    `scale`: as of `resolvent.numeric.benchmark`; `player`: from 1; `normalise`: the units of values.
    """

    estimators: str
    quantities: str
    batches: str
    horizon: int
    repeats: int
    profiles: int
    scale: str
    player: int
    seed: int
    normalise: Literal["average", "sum"]


def benchmark(
    asked: inputs.Asked,
    wanted: Wanted,
    save: Path | None,
    markdown: Path | None,
    plot: Path | None,
    as_json: bool,
) -> bool:
    """Measure, print the table, and write files. Returns False after Ctrl-C."""
    played = inputs.dynamic_game(asked)
    inputs.require_numbers(played, "a benchmark")
    scale = float(inputs.number(wanted.scale, "--scale"))
    batches = [inputs.integer(own.strip(), "--batches") for own in wanted.batches.split(",")]
    if min(batches) < 1:
        raise BadInputError(f"--batches: expected numbers of at least 1; got {wanted.batches!r}")
    if not 1 <= wanted.player <= played.num_players:
        raise BadInputError(
            f"--player: expected a number from 1 to {played.num_players}; got {wanted.player}"
        )
    inputs.check_file(save, "--output", (".json", ".csv"))
    inputs.check_file(markdown, "--markdown", (".md",))
    inputs.check_file(plot, "--plot", (".png", ".pdf", ".svg"))
    if plot is not None:
        from resolvent.cli.learn import require_matplotlib

        require_matplotlib()
    prepare()

    import jax

    from resolvent.analytic import closed_form
    from resolvent.numeric import ESTIMATORS
    from resolvent.numeric import benchmark as measure

    field = {
        name: ESTIMATORS[name]()
        for name in _chosen(wanted.estimators, "--estimators", list(ESTIMATORS))
    }
    quantities: Any = _chosen(wanted.quantities, "--quantities", ["gradient", "hessian", "lola"])
    values = closed_form(played, wanted.normalise).compile()
    began = time.perf_counter()
    try:
        with inputs.refused("--estimators"):
            found = measure(
                values,
                jax.random.key(wanted.seed),
                field,
                quantities,
                batches,
                horizon=wanted.horizon,
                repeats=wanted.repeats,
                profiles=wanted.profiles,
                scale=scale,
                player=wanted.player - 1,
                key=wanted.seed,
                progress=sys.stderr.isatty(),
            )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        message = str(error).partition("\n")[0] or "out of memory"
        raise FailedError(f"--batches {wanted.batches}: {message}") from None
    seconds = time.perf_counter() - began
    files = [path for path in (save, markdown, plot) if path is not None]
    _write(found, save, markdown, plot)
    if as_json:
        record = {"game": show.game_record(played), "seed": wanted.seed, **found.as_dict()}
        output.print_json(record)
    else:
        _print(found, played, seconds, files)
    return found.complete


def _chosen(text: str, option: str, known: Sequence[str]) -> list[str]:
    """Names by commas, or all."""
    if text.strip() == "all":
        return list(known)
    names = [own.strip().lower().replace("-", "_") for own in text.split(",")]
    for name in names:
        if name not in known:
            raise BadInputError(
                f"{option}: expected some of {', '.join(known)}, or all; got {name!r}"
            )
    return list(dict.fromkeys(names))


def _write(found: Benchmark, save: Path | None, markdown: Path | None, plot: Path | None) -> None:
    from resolvent.cli.learn import written

    if save is not None:
        written(found.save, save, "--output")
    if markdown is not None:
        text = found.markdown() + "\n"
        written(lambda path: path.write_text(text, encoding="utf-8"), markdown, "--markdown")
    if plot is not None and found.cells:
        written(lambda path: _draw(found, path), plot, "--plot")


def _draw(found: Benchmark, path: Path) -> None:
    """A row of two panels for each quantity."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = len(found.quantities)
    figure, axes = pyplot.subplots(
        rows, 2, figsize=(10, 3.5 * rows), squeeze=False, layout="constrained"
    )
    for pair, quantity in zip(axes, found.quantities, strict=True):
        found.plot(quantity, pair)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _print(found: Benchmark, game: DynamicGame, seconds: float, files: Sequence[Path]) -> None:
    out = output.console()
    where = "1 point" if found.profiles == 1 else f"{found.profiles} points"
    output.heading(
        out,
        f"{show.title(game)}: estimates of {found.horizon} rounds, {found.repeats} repeats at {where}",
    )
    output.table(out, found.headers, found.rows(), align="ll" + "r" * 8)
    out.print()
    output.prose(
        out,
        "Bias: the length of the mean error, in brackets that of noise alone; deviation: of single estimates; both "
        "over the length of the exact value, of play that does not end. Times are of compiled calls.",
        indent=2,
    )
    out.print()
    for line in found.costs():
        output.prose(out, line, indent=2)
    out.print()
    out.print(output.dim(f"  {seconds:.1f} s, compiling included."), soft_wrap=True)
    for path in files:
        out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)
