"""`resolvent stability`: which rule keeps, adds or loses which fixed point of a game; and theorems, run."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli import differentiable, inputs, output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError
from resolvent.games import DifferentiableGame

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.games import DynamicGame
    from resolvent.numeric import StabilityTable, ValueFunction
    from resolvent.numeric.learners import AbstractLearner
    from resolvent.numeric.stability import Checked, FixedPoint, UpdateJacobian


@dataclass(frozen=True)
class Wanted:
    """What is asked about the game, as typed.

    **Attributes:** `learners`: names, side by side; `rate`, `lookahead`: one for all players or one each;
    `region`: `LOW,HIGH`; `starts`: of Newton's method; `at`: a point in place of a region.
    """

    learners: str
    rate: str
    lookahead: str | None
    region: str
    starts: int
    at: str | None
    normalise: str


def stability(
    asked: inputs.Asked, wanted: Wanted, markdown: Path | None, plot: Path | None, as_json: bool
) -> None:
    """Find the fixed points of a game, and print what each rule makes of them."""
    game = inputs.playable(asked)
    inputs.require_numbers(game, "stability")
    low, high = _bounds(wanted.region)
    players = len(game.players)
    rates = inputs.numbers(wanted.rate, players, "--rate", positive=True)
    ahead: list[Fraction | None] = [None] * players
    if wanted.lookahead is not None:
        ahead = [*inputs.numbers(wanted.lookahead, players, "--lookahead")]
    inputs.check_file(markdown, "--markdown", (".md",))
    inputs.check_file(plot, "--plot", (".png", ".pdf", ".svg"))
    if plot is not None:
        from resolvent.cli.learn import require_matplotlib

        require_matplotlib()
    prepare()

    values = _values(game, wanted.normalise)
    field: dict[str, tuple[AbstractLearner, ...]] = {}
    for spec in map(str.strip, wanted.learners.split(",")):
        if not spec:
            raise BadInputError(f"--learner: an entry is empty; got {wanted.learners!r}")
        field[spec] = inputs.learners(spec, rates, ahead, "--learner", values)
    if wanted.at is not None:
        _at(game, values, field, wanted.at, as_json)
        return

    from resolvent.numeric import stability_table

    with inputs.refused("stability"):
        table = stability_table(values, field, (low, high), starts=wanted.starts)
    if markdown is not None:
        from resolvent.cli.learn import written

        text = table.markdown() + "\n"
        written(lambda path: path.write_text(text, encoding="utf-8"), markdown, "--markdown")
    if plot is not None:
        from resolvent.cli.learn import written

        written(table.plot().figure.savefig, plot, "--plot")
    if as_json:
        output.print_json({"game": _game_record(game), **_record(table, (low, high))})
    else:
        out = output.console()
        _print(out, game, table, (low, high))
        for path in filter(None, (markdown, plot)):
            out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)
    if not len(table.game_points):
        raise FailedError(
            f"no fixed point was found with parameters from {low} to {high}; try another --region or more --starts"
        )


def theorems(name: str | None, as_json: bool) -> None:
    """Run the checks of all theorems, or of one."""
    prepare()
    from resolvent.numeric import THEOREMS

    if name is not None and name not in THEOREMS:
        raise BadInputError(f"--theorem: none is called {name!r}; known are {', '.join(THEOREMS)}")
    chosen = list(THEOREMS.values()) if name is None else [THEOREMS[name]]
    out = output.console()
    records, failed = [], []
    for own in chosen:
        found = own.check()
        if not found:
            failed.append(own.name)
        if as_json:
            records.append(_checked_record(found, own.statement, own.source))
        else:
            _print_checked(out, found, own.statement, own.source, each=name is not None)
    if as_json:
        output.print_json({"theorems": records})
    if failed:
        raise FailedError(f"not confirmed: {', '.join(failed)}")


def _bounds(text: str) -> tuple[float, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise BadInputError(f"--region: expected LOW,HIGH such as -3,3; got {text!r}")
    low, high = (float(inputs.number(part, "--region")) for part in parts)
    if not low < high:
        raise BadInputError(f"--region: expected the lower bound first; got {text!r}")
    return low, high


def _values(game: DynamicGame | DifferentiableGame, normalise: str) -> ValueFunction:
    from resolvent.analytic import closed_form

    with inputs.refused("GAME"):
        if isinstance(game, DifferentiableGame):
            return closed_form(game).compile()
        return closed_form(game, normalise="sum" if normalise == "sum" else "average").compile()


def _game_record(game: DynamicGame | DifferentiableGame) -> dict[str, Any]:
    if isinstance(game, DifferentiableGame):
        return differentiable.record(game)
    return show.game_record(game)


def _title(game: DynamicGame | DifferentiableGame) -> str:
    return game.name or "a game" if isinstance(game, DifferentiableGame) else show.title(game)


# A region ------------------------------------------------------------------------------------


def _print(
    out: Console,
    game: DynamicGame | DifferentiableGame,
    table: StabilityTable,
    bounds: tuple[float, float],
) -> None:
    low, high = bounds
    counts = table.game_points.counts
    output.heading(out, f"{_title(game)}: fixed points with parameters from {low:g} to {high:g}")
    if len(table.game_points):
        headers, rows = table.rows()
        _print_turned(out, headers, rows)
    out.print()
    output.prose(
        out,
        "A number is the largest modulus of a multiplier of the rule's update there: below 1 it converges, from "
        "nearby. "
        f"Newton's method led from {counts['inside']} of {sum(counts.values())} starts to a fixed point of the "
        f"game in the region, from {counts['outside']} out of it, from {counts['lost']} nowhere. That no other "
        "was found proves nothing.",
        indent=2,
    )
    out.print()


def _print_turned(out: Console, headers: list[str], rows: list[list[str]]) -> None:
    """A row per rule, since there are more of them than fixed points."""
    turned = [list(own) for own in zip(headers, *rows, strict=True)]
    output.table(out, turned[0], turned[1:])


def _record(table: StabilityTable, bounds: tuple[float, float]) -> dict[str, Any]:
    points = table.game_points
    return {
        "region": bounds,
        "starts": points.counts,
        "fixed_points": [
            {
                **_point_record(own),
                "rules": {rule: _rule_record(table.at[rule][k]) for rule in table.rules},
            }
            for k, own in enumerate(points)
        ],
        "added": {
            rule: [
                {"params": own.params, **_rule_record(own), "gradient": size}
                for own, size in zip(table.spurious[rule], table.gradients[rule], strict=True)
            ]
            for rule in table.rules
        },
    }


def _point_record(own: FixedPoint) -> dict[str, Any]:
    return {
        "params": own.params,
        "kind": own.kind,
        "nash": own.nash,
        "dimension": own.dimension,
        "residual": own.residual,
        "eigenvalues": _complex(own.eigenvalues),
        "definitions": {
            name: {"holds": verdict.word, "reason": verdict.reason}
            for name, verdict in own.verdicts.items()
        },
    }


def _rule_record(own: UpdateJacobian) -> dict[str, Any]:
    from resolvent.numeric import RULE

    names = ("stable", "stable_across", "unstable", "undecided", "not_fixed")
    status = next(name for name in names if own.status == getattr(RULE, name))
    return {
        "learners": [learner.describe() for learner in own.learners],
        "status": status,
        "reason": own.reason,
        "displacement": own.displacement,
        "spectral_radius": own.spectral_radius,
        "multipliers": _complex(own.multipliers),
        "steps_per_digit": own.steps_per_digit,
        "turns_per_step": own.rotation,
    }


def _complex(numbers: Any) -> list[list[float]]:
    """Complex numbers as pairs of real and imaginary part."""
    return [[float(own.real), float(own.imag)] for own in numbers]


# A point -------------------------------------------------------------------------------------


def _at(
    game: DynamicGame | DifferentiableGame,
    values: ValueFunction,
    field: dict[str, tuple[AbstractLearner, ...]],
    text: str,
    as_json: bool,
) -> None:
    """Classify one point, and print what each rule does there."""
    from resolvent.numeric import classify, update_jacobian

    if isinstance(game, DifferentiableGame):
        exact = inputs.parameters(text, game.parameters)
        params = tuple([float(entry) for entry in own] for own in exact)
    else:
        params = inputs.logits(text, values.shapes)
    own = classify(values, params)
    rules = {name: update_jacobian(values, learners, params) for name, learners in field.items()}
    if as_json:
        found = {name: _rule_record(rule) for name, rule in rules.items()}
        output.print_json(
            {"game": _game_record(game), "point": {**_point_record(own), "rules": found}}
        )
        return
    from resolvent.numeric.stability import number, point

    out = output.console()
    output.heading(out, f"{_title(game)} at {point(own.z)}: {own.kind}")
    eigenvalues = ", ".join(map(number, own.eigenvalues))
    output.prose(out, f"Eigenvalues of the game Jacobian, of values: {eigenvalues}", indent=2)
    out.print()
    definitions = [
        [name.replace("_", " "), verdict.word, verdict.reason]
        for name, verdict in own.verdicts.items()
    ]
    output.table(out, ["definition", "", "because"], definitions, wrap_last=True)
    out.print()
    rows = [
        [name, rule.reason, output.decimal(rule.steps_per_digit, 4), f"{rule.rotation:.4f}"]
        for name, rule in rules.items()
    ]
    headers = ["rule", "what it does there", "steps per digit", "turns per step"]
    output.table(out, headers, rows, align="llrr")
    out.print()


# Theorems ------------------------------------------------------------------------------------


def _print_checked(out: Console, found: Checked, statement: str, source: str, each: bool) -> None:
    from resolvent.numeric import CHECK

    word = "confirmed" if found else "REFUTED" if found.status == CHECK.refuted else "undecided"
    output.heading(out, f"{found.name}: {word}, {len(found.cases)} cases")
    output.prose(out, statement, indent=2)
    output.prose(out, output.dim(source + "."), indent=2)
    shown = [case for case in found.cases if each or not case.agrees]
    if shown:
        out.print()
        marks = {True: "yes", False: "NO", None: "?"}
        rows = [[marks[case.agrees], case.says, case.found] for case in shown]
        output.table(out, ["", "case", "found"], rows, wrap_last=True)
    out.file.flush()


def _checked_record(found: Checked, statement: str, source: str) -> dict[str, Any]:
    from resolvent.numeric import CHECK

    word = "confirmed" if found else "refuted" if found.status == CHECK.refuted else "undecided"
    return {
        "name": found.name,
        "status": word,
        "statement": statement,
        "source": source,
        "cases": [
            {"says": case.says, "found": case.found, "agrees": case.agrees} for case in found.cases
        ],
    }
