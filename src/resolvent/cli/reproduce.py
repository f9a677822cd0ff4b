"""`resolvent reproduce`: published tables, run again."""

from __future__ import annotations

import difflib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resolvent.cli import inputs, output
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError
from resolvent.cli.learn import require_matplotlib, written
from resolvent.reproductions import REPRODUCTIONS, Experiment
from resolvent.reproductions.record import HEADERS, LIMIT

if TYPE_CHECKING:
    from resolvent.reproductions import Reproduction


def reproduce(
    name: str | None,
    quick: bool,
    seed: int,
    markdown: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """List the experiments, or run one and print published numbers, ours and the difference."""
    if name is None:
        if quick or markdown is not None or plot is not None:
            raise BadInputError("NAME: say which experiment; `resolvent reproduce` lists them")
        _print_list(as_json)
        return
    experiment = _experiment(name)
    inputs.check_file(markdown, "--markdown", (".md",))
    inputs.check_file(plot, "--plot", (".png", ".pdf", ".svg"))
    if plot is not None:
        require_matplotlib()
    prepare()
    began = time.perf_counter()
    found = experiment(quick=quick, seed=seed, progress=sys.stderr.isatty())
    seconds = time.perf_counter() - began
    if markdown is not None:
        text = found.markdown()
        written(lambda path: path.write_text(text, encoding="utf-8"), markdown, "--markdown")
    if plot is not None:
        written(lambda path: _draw(found, path), plot, "--plot")
    if as_json:
        output.print_json({**found.as_dict(), "seconds": seconds})
    else:
        _print(found, seconds, [path for path in (markdown, plot) if path is not None])


def _experiment(name: str) -> Experiment:
    key = name.strip().lower().replace("-", "_")
    if key not in REPRODUCTIONS:
        close = difflib.get_close_matches(key, REPRODUCTIONS, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise BadInputError(
            f"NAME: there is no experiment {name!r}{hint} (`resolvent reproduce` lists them)"
        )
    return REPRODUCTIONS[key]


def _print_list(as_json: bool) -> None:
    experiments = list(REPRODUCTIONS.values())
    if as_json:
        records = [
            {"name": own.name, "paper": own.paper, "summary": own.summary} for own in experiments
        ]
        output.print_json({"experiments": records})
        return
    out = output.console()
    output.table(
        out,
        ["experiment", "paper", "what it is"],
        [[own.name, own.paper, own.summary] for own in experiments],
        indent=0,
        wrap_last=True,
    )
    out.print()
    output.prose(
        out,
        "`resolvent reproduce NAME` runs one, some for minutes; with --quick a short version of it.",
    )


def _draw(found: Reproduction, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    found.plot(axes)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _print(found: Reproduction, seconds: float, files: list[Path]) -> None:
    out = output.console()
    output.heading(out, found.title + (" (quick version)" if found.quick else ""))
    output.prose(out, f"{found.paper}.", indent=2)
    for line in found.protocol:
        output.prose(out, f"- {line}", indent=2)
    out.print()
    rows: list[list[output.Cell]] = []
    for own in found.rows:
        cells: list[output.Cell] = list(own.cells())
        if own.verdict == "agrees":
            cells[-1] = output.strong(own.verdict)
        rows.append(cells)
    output.table(out, list(HEADERS), rows, align="lrrrrl")
    out.print()
    for line in found.remarks:
        output.prose(out, f"- {line}", indent=2)
    for own in found.rows:
        if own.remark:
            output.prose(out, f"- {own.what}: {own.remark}", indent=2)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.items())
    out.print()
    output.prose(
        out,
        f"{counts}. A number differs if it does so by more than {LIMIT:g} standard errors beyond rounding.",
        indent=2,
    )
    out.print(
        output.dim(f"  Seed {found.seed}. {seconds:.1f} s, compiling included."), soft_wrap=True
    )
    for path in files:
        out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)
