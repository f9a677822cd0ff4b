"""`resolvent derive`: the closed form of a game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import average, differentiable, output, show
from resolvent.cli.errors import BadInputError
from resolvent.cli.export import ENDINGS, export
from resolvent.cli.inputs import (
    Asked,
    check_file,
    joint_policy,
    playable,
    refuse_for_parameters,
    refused,
    require_numbers,
)
from resolvent.games import DifferentiableGame

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.analytic import ClosedForm
    from resolvent.games import ExactPolicy


@dataclass(frozen=True)
class Wanted:
    """What is to be derived, and how it is given back; as the options of the same names."""

    normalise: Literal["average", "sum"]
    policies: str | None = None
    expanded: bool = False
    average: bool = False
    trembling: str | None = None
    order: Literal["discount_first", "noise_first"] | None = None
    enclose: int | None = None
    symmetric: bool = False
    export: Path | None = None
    as_latex: bool = False
    as_json: bool = False


def derive(asked: Asked, wanted: Wanted) -> None:
    """Print the derivation of a game's value."""
    _check(wanted)
    played = playable(asked)
    if isinstance(played, DifferentiableGame):
        _derive_differentiable(asked, wanted, played)
        return
    if wanted.policies is not None:
        require_numbers(played, "evaluating --policies")
    if wanted.export is not None and wanted.export.suffix in (".py", ".c"):
        require_numbers(played, f"--export {wanted.export}")
    at = None if wanted.policies is None else joint_policy(wanted.policies, played)

    from resolvent.analytic import closed_form

    form = closed_form(played, wanted.normalise)
    found = _found(form, wanted, at)
    if wanted.export is not None:
        export(form, wanted.export)
    if wanted.as_json:
        output.print_json(_record(form, wanted, found))
    elif wanted.as_latex:
        print(_latex(form, wanted, found))
    else:
        _print(output.console(), form, wanted, found)


def _derive_differentiable(asked: Asked, wanted: Wanted, game: DifferentiableGame) -> None:
    """Print payoffs that are formulas already, and their derivatives."""
    from resolvent.analytic import closed_form

    options = {
        "--normalise": "sum" if wanted.normalise == "sum" else None,
        "--policies": wanted.policies,
        "--expanded": wanted.expanded,
        "--symmetric": wanted.symmetric,
        "--average": wanted.average,
        "--export": wanted.export,
    }
    refuse_for_parameters(asked, options)
    form = closed_form(game)
    if wanted.as_json:
        output.print_json(differentiable.form_record(form))
    elif wanted.as_latex:
        print(differentiable.latex(form))
    else:
        differentiable.print_form(output.console(), form)


def _check(wanted: Wanted) -> None:
    """Refuse options that do not go together."""
    evaluated, noisy = wanted.policies is not None, wanted.trembling is not None
    enclosed = wanted.enclose is not None
    for wrong, message in (
        (wanted.as_latex and wanted.as_json, "--latex: give either --latex or --json"),
        (wanted.as_latex and evaluated, "--latex: shows formulas; leave out --policies"),
        (wanted.as_latex and wanted.symmetric, "--latex: not with --symmetric"),
        (
            wanted.as_latex and wanted.average and not wanted.expanded,
            "--latex: with --average, add --expanded",
        ),
        (noisy and not wanted.average, "--trembling: only with --average"),
        (noisy and not evaluated, "--trembling: needs --policies"),
        (wanted.order is not None and not noisy, "--order: only with --trembling uniform"),
        (enclosed and not evaluated, "--enclose: needs --policies"),
        (enclosed and wanted.average, "--enclose: not with --average"),
        (wanted.symmetric and wanted.average, "--symmetric: not with --average"),
        (
            wanted.average and wanted.normalise == "sum",
            "--average: is per round; leave out --normalise sum",
        ),
    ):
        if wrong:
            raise BadInputError(message)
    check_file(wanted.export, "--export", ENDINGS)


@dataclass(frozen=True)
class _Found:
    """What was asked for beyond the derivation itself; None where it was not.

    **Attributes:**

    - `quotients`: numerators, one per player, and their common denominator (of the average payoffs,
        with `--average`).
    - `symmetric`: values where everybody plays player 1's policy, one per player.
    - `policies`: where the rest is evaluated.
    - `sums`, `means`: exact values there.
    - `balls`: enclosures of the values, in the units of the closed form.
    - `limit`: average payoffs.
    """

    quotients: tuple[list[Any], list[Any]] | None = None
    symmetric: list[Any] | None = None
    policies: Sequence[ExactPolicy] | None = None
    sums: list[Any] | None = None
    means: list[Any] | None = None
    balls: list[str] | None = None
    limit: average.Limit | None = None


def _found(form: ClosedForm, wanted: Wanted, at: Sequence[ExactPolicy] | None) -> _Found:
    quotients = symmetric = sums = means = balls = limit = None
    if wanted.expanded:
        quotients = _quotients(form, wanted)
    if wanted.symmetric:
        symmetric = _symmetric(form)
    if at is not None:
        if wanted.average:
            limit = average.limit(form, at, wanted.trembling, wanted.order)
        elif wanted.enclose is not None:
            balls = _balls(form, at, wanted.enclose)
        else:
            values = form.evaluate(at)
            sums, means = show.discounted_sum(form, values), show.per_round(form, values)
    return _Found(quotients, symmetric, at, sums, means, balls, limit)


def _quotients(form: ClosedForm, wanted: Wanted) -> tuple[list[Any], list[Any]]:
    from resolvent.analytic import TooLargeToExpandError

    try:
        return (average if wanted.average else show).quotients(form)
    except TooLargeToExpandError as error:
        raise _too_large("--expanded", error) from None


def _symmetric(form: ClosedForm) -> list[Any]:
    from resolvent.analytic import TooLargeToExpandError

    try:
        return [form.symmetric(i) for i in range(form.game.num_players)]
    except TooLargeToExpandError as error:
        raise _too_large("--symmetric", error) from None
    except ValueError as error:
        raise BadInputError(f"--{error}") from None  # begins with the word "symmetric"


def _too_large(option: str, error: ValueError) -> BadInputError:
    """What is asked for by name must not be left out in silence."""
    return BadInputError(f"{option}: {str(error).partition('. ')[0]}")


def _balls(form: ClosedForm, policies: Sequence[ExactPolicy], bits: int) -> list[str]:
    with refused("--enclose"):
        balls = form.enclose(policies, bits)
    # Digits that hold the bits asked for: log10(2) = 0.301...
    return [str(ball.str(2 + bits * 302 // 1000)) for ball in balls]


def _print(out: Console, form: ClosedForm, wanted: Wanted, found: _Found) -> None:
    game = form.game
    output.heading(out, show.title(game))
    show.payoff_table(out, game)
    out.print()
    show.derivation(out, form)
    out.print(f"  V_i is the {show.scale_name(form.normalise)}.\n", soft_wrap=True)
    show.size_lines(out, form)
    if wanted.average:
        average.print_formula(out, form)
    if found.quotients is not None:
        _print_quotients(out, form, found.quotients, ", discount 1" if wanted.average else "")
    if found.symmetric is not None:
        _print_symmetric(out, form, found.symmetric)
    if found.limit is not None:
        average.print_limit(out, found.limit, wanted.policies or "")
    if found.means is not None and found.sums is not None:
        output.heading(out, f"Exact values of {wanted.policies}")
        rows = [
            [f"player {i + 1}", str(mean), output.decimal(mean), str(total)]
            for i, (mean, total) in enumerate(zip(found.means, found.sums, strict=True))
        ]
        output.table(out, ["", "per round", "", "discounted sum"], rows, align="lrrr")
    if found.balls is not None:
        output.heading(out, f"Values of {wanted.policies}, enclosed to {wanted.enclose} bits")
        rows = [[f"player {i + 1}", ball] for i, ball in enumerate(found.balls)]
        output.table(out, ["", show.scale_name(form.normalise)], rows)
    if wanted.export is not None:
        out.print(output.dim(f"\n  Wrote {wanted.export}"), soft_wrap=True)


def _print_quotients(
    out: Console, form: ClosedForm, quotients: tuple[Sequence[Any], Sequence[Any]], when: str
) -> None:
    plain = show.Plain(form)
    for part, expressions in zip(("Numerator", "Denominator"), quotients, strict=True):
        common = len(expressions) == 1 < form.game.num_players
        for player, expression in enumerate(expressions, start=1):
            name = "every V_i" if common else f"V_{player}"
            output.heading(out, f"{part} of {name}{when}")
            output.prose(out, show.algebra(plain(expression)), indent=2)


def _print_symmetric(out: Console, form: ClosedForm, values: Sequence[Any]) -> None:
    import sympy

    # In a symmetric game all values are one.
    alike = len(set(values)) == 1
    tops, bottoms = zip(*map(sympy.fraction, values[:1] if alike else values), strict=True)
    _print_quotients(out, form, (tops, bottoms), ", where all play player 1's policy")


def _latex(form: ClosedForm, wanted: Wanted, found: _Found) -> str:
    if wanted.average and found.quotients is not None:
        return average.latex(*found.quotients)
    return form.latex(expanded=wanted.expanded)


def _record(form: ClosedForm, wanted: Wanted, found: _Found) -> dict[str, Any]:
    plain, game, first = show.Plain(form), form.game, form.structure.first
    rows = plain.transitions
    start: dict[str, Any] = {
        state: p for state, p in zip(game.states, game.initial_distribution, strict=True) if p != 0
    }
    record: dict[str, Any] = {
        "game": show.game_record(game),
        "normalise": form.normalise,
        "policy_symbols": plain.policies,
        "start": rows[0] if first else start,
        "transitions": dict(zip(game.states[first:], rows[first:], strict=True)),
        "rewards": [dict(zip(game.states[first:], own, strict=True)) for own in plain.rewards],
        "rewards_for": "entering" if first else "acting",
        "formula": show.formula(form),
        "expanded": show.sizes(form),
        "program": show.program_record(form),
    }
    if found.quotients is not None:
        tops, bottoms = ([str(plain(own)) for own in part] for part in found.quotients)
        quotient = {
            "numerators": tops,
            "denominator": bottoms[0] if len(bottoms) == 1 else bottoms,
        }
        record |= {"average": quotient} if wanted.average else quotient
    if found.symmetric is not None:
        record["symmetric"] = [str(plain(value)) for value in found.symmetric]
    if found.policies is not None:
        record["policies"] = show.policy_record(found.policies)
    if found.limit is not None:
        record["average"] = record.get("average", {}) | average.record(found.limit)
    if found.means is not None:
        record["values"] = {"per_round": found.means, "discounted_sum": found.sums}
    if found.balls is not None:
        unit = "per_round" if form.normalise == "average" else "discounted_sum"
        record["enclosures"] = {"bits": wanted.enclose, unit: found.balls}
    return record
