"""`resolvent derive`: the closed form of an iterated game."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import output, show
from resolvent.cli.errors import BadInputError
from resolvent.cli.inputs import iterated_game, joint_policy, require_numbers

if TYPE_CHECKING:
    from resolvent.analytic import ClosedForm


def derive(
    game: str,
    discount: str | None,
    memory: int | None,
    settings: Sequence[str],
    normalise: Literal["average", "sum"],
    policies: str | None,
    expanded: bool,
    as_latex: bool,
    as_json: bool,
) -> None:
    """Print the derivation of a game's value."""
    played = iterated_game(game, discount, memory, settings)
    if played.memory == 0:
        raise BadInputError("--memory: expected at least 1; for one-shot play use --discount 0")
    if policies is not None:
        require_numbers(played, "evaluating --policies")
    at = None if policies is None else joint_policy(policies, played)

    from resolvent.analytic import TooLargeToExpandError, closed_form

    form = closed_form(played, normalise)
    if expanded:
        try:
            form.values  # noqa: B018 -- asked for by name, so it must not be left out in silence
        except TooLargeToExpandError as error:
            raise BadInputError(f"--expanded: {str(error).partition('. ')[0]}") from None
    if as_json:
        output.print_json(_record(form, expanded, at))
        return
    if as_latex:
        print(form.latex(expanded=expanded))
        return

    out = output.console()
    output.heading(out, f"{played.name or game}, iterated with discount {played.discount}")
    show.payoff_table(out, played.stage)
    out.print()
    show.derivation(out, form)
    out.print(f"  V_i is the {show.scale_name(normalise)}.\n", soft_wrap=True)
    show.size_lines(out, form)
    if expanded:
        _print_expanded(out, form)
    if at is not None:
        sums, means = _values(form, at)
        output.heading(out, f"Exact values of {policies}")
        rows = [
            [f"player {i + 1}", str(mean), output.decimal(mean), str(total)]
            for i, (mean, total) in enumerate(zip(means, sums, strict=True))
        ]
        output.table(out, ["", "per round", "", "discounted sum"], rows, align="lrrr")


def _values(form: ClosedForm, policies: Any) -> tuple[list[Any], list[Any]]:
    values = form.evaluate(policies)
    return show.discounted_sum(form, values), show.per_round(form, values)


def _print_expanded(out: Any, form: ClosedForm) -> None:
    plain = show.Plain(form)
    for player in range(form.game.num_players):
        output.heading(out, f"Numerator of V_{player + 1}")
        output.prose(out, show.algebra(plain(form.numerator(player))), indent=2)
    output.heading(out, "Denominator of every V_i")
    output.prose(out, show.algebra(plain(form.denominator)), indent=2)


def _record(form: ClosedForm, expanded: bool, at: Any) -> dict[str, Any]:
    plain = show.Plain(form)
    start, *later = plain.transitions
    players = range(form.game.num_players)
    record: dict[str, Any] = {
        "game": show.game_record(form.game),
        "normalise": form.normalise,
        "policy_symbols": plain.policies,
        "start": start,
        "transitions": dict(zip(form.game.states[1:], later, strict=True)),
        "formula": show.formula(form),
        "expanded": show.sizes(form),
        "program": show.program_record(form),
    }
    if expanded:
        record["numerators"] = [str(plain(form.numerator(i))) for i in players]
        record["denominator"] = str(plain(form.denominator))
    if at is not None:
        sums, means = _values(form, at)
        record["policies"] = show.policy_record(at)
        record["values"] = {"per_round": means, "discounted_sum": sums}
    return record
