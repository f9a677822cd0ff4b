"""From 4 to 1,364 states: `python -m benchmarks.scaling [--plot FILE] [--markdown] [--limit SECONDS]`.

Each case is a new interpreter without JAX's persistent cache, so that nothing is compiled already. Measured,
after the imports and a first use of JAX, in process CPU time and in wall time:

- `game`: stating it; `derive`: its structure, the choice of backend, and for the program its operations;
- `values`, `gradients`: compiling and a first call of all players' values, and of all their gradients by
    everybody's logits; `run values`, `run gradients`: later calls, the median of several;
- `exact`: one `.evaluate`, the rational values of policies in hundredths.

States are counted as the elimination meets them, without the start. Each game is compiled to tensors, and
up to `PROGRAM_LIMIT` states to a program too; the row that `compile()` chooses by itself is marked.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

ROOT = Path(__file__).parents[1]

Backend = Literal["program", "tensor"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True)
class Case:
    """A game of random integer payoffs: `actions` per player, and the rounds that they remember."""

    actions: tuple[int, ...]
    memory: int = 1

    @property
    def states(self) -> int:
        joint = 1
        for own in self.actions:
            joint *= own
        return sum(joint**rounds for rounds in range(1, self.memory + 1))

    @property
    def label(self) -> str:
        own = " and ".join(str(count) for count in sorted(set(self.actions)))
        memory = f", memory {self.memory}" if self.memory > 1 else ""
        return f"{len(self.actions)} players, {own} actions{memory}"


CASES = (
    Case((2, 2)),
    Case((2, 3)),
    Case((2, 2, 2)),
    Case((3, 3)),
    Case((4, 4)),
    Case((2, 2), 2),
    Case((6, 6)),
    Case((8, 8)),
    Case((2, 2), 3),
    Case((16, 16)),
    Case((4, 4, 4, 4)),
    Case((2, 2), 4),
    Case((32, 32)),
    Case((2, 2), 5),
)
PROGRAM_LIMIT = 20
STAGES = ("game", "derive", "values", "run values", "gradients", "run gradients", "exact")
FIRST = ("derive", "values", "gradients")


# One case, in its own process.


def timed(stage: str, work: Callable[[], Any]) -> Any:
    """Do the work and print `{stage: [CPU seconds, wall seconds]}`, at once: what comes later may take
    longer than the caller waits."""
    result, *seconds = _clocked(work)
    print(json.dumps({stage: seconds}), flush=True)
    return result


def repeated(stage: str, work: Callable[[], Any]) -> None:
    """The same with the medians of up to 50 calls, or of those that fit into a second."""
    calls = []
    until = time.perf_counter() + 1
    while not calls or (len(calls) < 50 and time.perf_counter() < until):
        calls.append(_clocked(work)[1:])
    medians = [statistics.median(seconds) for seconds in zip(*calls, strict=True)]
    print(json.dumps({stage: medians}), flush=True)


def _clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    began = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - began[0], time.perf_counter() - began[1]


def compiled(case: Case, backend: Backend) -> None:
    """What deriving and compiling to a backend, and running it, take."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import numpy as np

    from resolvent.analytic import closed_form, value_function
    from resolvent.analytic.elimination import programs

    assert value_function  # `compile` imports it when it is first needed
    jax.block_until_ready(jax.jit(lambda x: x + 1)(np.ones(1)))
    game = timed("game", lambda: _game(case))
    form = closed_form(game)

    def derive() -> str:
        if backend == "program":
            programs(form.structure)
        return form.program.backend

    print(json.dumps({"chosen": timed("derive", derive) == backend}), flush=True)
    rng = np.random.default_rng(1)
    params = tuple(rng.normal(size=(rows, own - 1)) for rows, own in game.policy_shapes)

    def first() -> tuple[Any, Any]:
        function = form.compile(backend=backend)
        return function, jax.block_until_ready(function(params))

    def check(result: Any) -> None:
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)):
            raise ArithmeticError(f"{case.label}, {backend}: got numbers that are not finite")

    function, values = timed("values", first)
    check(values)
    repeated("run values", lambda: jax.block_until_ready(function(params)))

    def gradients() -> Any:
        return jax.block_until_ready(function.jacobian(params))

    check(timed("gradients", gradients))
    repeated("run gradients", gradients)


def exact(case: Case) -> None:
    """What the exact values of one joint policy take."""
    from fractions import Fraction

    import numpy as np

    from resolvent.analytic import closed_form

    game = _game(case)
    rng = np.random.default_rng(1)

    def row(count: int) -> list[Fraction]:
        cuts = [0, *sorted(int(c) for c in rng.integers(1, 100, size=count - 1)), 100]
        return [Fraction(b - a, 100) for a, b in zip(cuts, cuts[1:], strict=False)]

    policies = [[row(count) for _ in range(rows)] for rows, count in game.policy_shapes]
    form = closed_form(game)
    timed("exact", lambda: form.evaluate(policies))


def _game(case: Case) -> Any:
    import numpy as np

    from resolvent.games import NormalForm

    payoffs = np.random.default_rng(0).integers(-5, 6, size=(len(case.actions), *case.actions))
    return NormalForm(payoffs.tolist()).iterated("24/25", memory=case.memory)


# All cases.


@dataclass(frozen=True)
class Row:
    """The measurements of a case on a backend, `{stage: (CPU seconds, wall seconds)}`: of those stages that
    were finished within the limit."""

    case: Case
    backend: str
    chosen: bool
    seconds: dict[str, list[float]]

    def cpu(self, *stages: str) -> float | None:
        return self._sum(stages, 0)

    def wall(self, *stages: str) -> float | None:
        return self._sum(stages, 1)

    def _sum(self, stages: Sequence[str], clock: int) -> float | None:
        if any(stage not in self.seconds for stage in stages):
            return None
        return sum(self.seconds[stage][clock] for stage in stages)


def measure(case: Case, what: str, limit: float) -> dict[str, Any]:
    """What one process printed within the limit."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    arguments = [",".join(map(str, case.actions)), str(case.memory), what]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scaling", "--case", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, complaint = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        else:
            if process.returncode:
                raise RuntimeError(f"{case.label}, {what}: {complaint}")
    found: dict[str, Any] = {}
    for line in output.splitlines():
        found.update(json.loads(line))
    return found


def rows_of(case: Case, limit: float) -> list[Row]:
    """The case on each of its backends; the exact values are put into the row that is chosen."""
    rows = []
    for backend in BACKENDS if case.states <= PROGRAM_LIMIT else ("tensor",):
        seconds = measure(case, backend, limit)
        chosen = seconds.pop("chosen", False)
        if chosen:
            seconds |= measure(case, "exact", limit)
        rows.append(Row(case, backend, chosen, seconds))
    return rows


HEADS = ("states", "game", "backend", *STAGES[1:], "until the first gradient")


def shown(seconds: float | None) -> str:
    """Two significant digits with a unit."""
    if seconds is None:
        return ""
    for factor, unit in ((1e6, "µs"), (1e3, "ms")):
        if seconds * factor < 995:
            return f"{float(f'{seconds * factor:.2g}'):g} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def cells(row: Row, limit: float) -> list[str]:
    """CPU seconds of each stage, and the wall seconds of the whole."""
    name = f"**{row.backend}**" if row.chosen else row.backend
    whole = row.wall(*FIRST)
    last = f"> {limit:.0f} s" if whole is None else shown(whole)
    stages = (shown(row.cpu(stage)) for stage in STAGES[1:])
    return [str(row.case.states), row.case.label, name, *stages, last]


def markdown(rows: Sequence[Row], limit: float) -> str:
    lines = [HEADS, ["---"] * len(HEADS), *(cells(row, limit) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def aligned(rows: Sequence[Row], limit: float) -> str:
    """Each stage as CPU time, then wall time in parentheses."""

    def both(row: Row) -> list[str]:
        texts = cells(row, limit)
        texts[3:-1] = [
            f"{shown(row.cpu(stage))} ({shown(row.wall(stage))})" if stage in row.seconds else ""
            for stage in STAGES[1:]
        ]
        return [text.replace("**", "*") for text in texts]

    lines = [HEADS, *map(both, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(HEADS))]
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def plot(rows: Sequence[Row], path: Path) -> None:
    """One log-log figure: short memory with more actions on the left, longer memory on the right."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"
    import matplotlib.pyplot as plt

    stages = {
        "derive": (("derive",), "C0"),
        "compile": (("values", "gradients"), "C1"),
        "run": (("run gradients",), "C2"),
    }
    styles = {"program": ("--", "s"), "tensor": ("-", "o")}
    figure, axes = plt.subplots(1, 2, figsize=(10, 5.2), sharey=True, layout="constrained")
    two = [row for row in rows if len(row.case.actions) == 2]
    panels = {
        "two players, memory 1, 2 to 32 actions": [r for r in two if r.case.memory == 1],
        "two players, 2 actions, memory 1 to 5": [r for r in two if r.case.actions == (2, 2)],
    }
    for ax, (title, shared) in zip(axes, panels.items(), strict=True):
        for name, (parts, colour) in stages.items():
            for backend, (line, marker) in styles.items():
                points = [
                    (row.case.states, seconds)
                    for row in shared
                    if row.backend == backend and (seconds := row.cpu(*parts)) is not None
                ]
                if points:
                    ax.plot(
                        *zip(*points, strict=True),
                        line,
                        marker=marker,
                        markersize=4,
                        color=colour,
                        label=f"{name}, {backend}",
                    )
        points = [(r.case.states, s) for r in shared if (s := r.cpu("exact")) is not None]
        if points:
            ax.plot(*zip(*points, strict=True), ":", marker="^", color="0.4", label="exact value")
        ax.set(xscale="log", yscale="log", title=title, xlabel="states")
        ax.grid(alpha=0.3)
    more = [row for row in rows if len(row.case.actions) > 2]
    for parts, colour in stages.values():
        for row in more:
            seconds = row.cpu(*parts)
            if row.backend == "tensor" and seconds is not None:
                axes[0].plot(row.case.states, seconds, "*", markersize=9, color=colour)
    axes[0].plot([], [], "*", color="0.4", label="more players (tensor)")
    axes[0].set_ylabel("CPU seconds; run: all gradients once")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize="small", loc="outside lower center", ncols=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No date, so that the same measurements give the same file.
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.scaling")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figure, .svg or .png")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/scaling.md"
    )
    parser.add_argument("--limit", type=float, default=120, help="seconds for one case [120]")
    parser.add_argument(
        "--states", type=int, default=10**6, help="no game of more states than this"
    )
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.case:
        actions, memory, what = given.case
        case = Case(tuple(int(own) for own in actions.split(",")), int(memory))
        if what == "exact":
            exact(case)
        for backend in BACKENDS:
            if backend == what:
                compiled(case, backend)
        return
    rows = []
    for case in CASES:
        if case.states <= given.states:
            print(f"{case.states} states: {case.label}", file=sys.stderr)
            rows += rows_of(case, given.limit)
    print((markdown if given.markdown else aligned)(rows, given.limit))
    if given.plot:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
