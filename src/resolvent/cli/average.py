"""`resolvent derive --average`: average payoffs, the limit of discount 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from resolvent.cli import output
from resolvent.cli.errors import BadInputError
from resolvent.cli.inputs import number, refused

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.analytic import ClosedForm
    from resolvent.analytic.long_run import LongRun
    from resolvent.games import ExactPolicy

Order = Literal["discount_first", "noise_first"]

_VANISHING = "uniform"


@dataclass(frozen=True)
class Limit:
    """Average payoffs of a joint policy.

    **Attributes:**

    - `payoffs`: one per player, with the noise if there is one.
    - `trembling`: None, the probability of the noise, or `"uniform"` for one that vanishes.
    - `order`: which limit is taken first, where the noise vanishes.
    - `long_run`: where play ends up without noise.
    """

    payoffs: tuple[Fraction, ...]
    trembling: Fraction | str | None
    order: Order | None
    long_run: LongRun


def limit(
    form: ClosedForm, policies: Sequence[ExactPolicy], trembling: str | None, order: Order | None
) -> Limit:
    """Average payoffs of exact policies, with what `--trembling` and `--order` say of noise."""
    noise: Fraction | str | None = trembling
    if trembling is not None and trembling != _VANISHING:
        noise = number(trembling, "--trembling")
        if order is not None:
            raise BadInputError(
                f"--order: only for noise that vanishes, --trembling {_VANISHING}; got --trembling {trembling}"
            )
    vanishes = noise == _VANISHING
    if vanishes and order is None:
        order = "discount_first"
    with refused("--trembling" if trembling is not None else "--average"):
        payoffs = form.average(policies, trembling=noise, order=order)
        return Limit(payoffs, noise, order, form.long_run(policies))


def quotients(form: ClosedForm) -> tuple[list[Any], list[Any]]:
    """Average payoffs as numerators, one per player, and denominators: one, where it is common."""
    import sympy

    sets = form.structure.closed_components
    if sets > 1:
        raise BadInputError(
            f"--average: play may end up in {sets} separate sets of states, and the limit depends on which; "
            "give --policies in place of --expanded"
        )
    parts = [sympy.fraction(value) for value in form.average()]
    bottoms = [sympy.expand(bottom) for _, bottom in parts]
    common = len(set(bottoms)) == 1
    return [sympy.expand(top) for top, _ in parts], bottoms[:1] if common else bottoms


def latex(tops: Sequence[Any], bottoms: Sequence[Any]) -> str:
    """The quotients in LaTeX."""
    import sympy

    below = list(bottoms) * (len(tops) if len(bottoms) == 1 else 1)
    lines = [
        rf"\lim_{{g \to 1}} V_{{{player}}} &= \frac{{{sympy.latex(top)}}}{{{sympy.latex(bottom)}}}"
        for player, (top, bottom) in enumerate(zip(tops, below, strict=True), start=1)
    ]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def print_formula(out: Console, form: ClosedForm) -> None:
    """What the values go to as the discount goes to 1."""
    output.heading(out, "As the discount goes to 1")
    sets = form.structure.closed_components
    if sets == 1:
        out.print(
            "  V_i -> pi' r_i  with  pi' = pi' P  and  sum(pi) = 1", style="bold", soft_wrap=True
        )
        output.prose(
            out,
            "while play ends up in one set of states, as it does where every action has a chance. Other policies "
            "may leave several: then the limit depends on where play begins, and is taken at --policies.",
            indent=2,
        )
    else:
        output.prose(
            out,
            f"Play may end up in {sets} separate sets of states, whatever the policies. The limit depends on "
            "which, and is taken at --policies.",
            indent=2,
        )


def print_limit(out: Console, found: Limit, policies: str) -> None:
    """Where play ends up, and what it pays."""
    output.heading(out, f"Average payoffs of {policies}")
    lines = str(found.long_run).splitlines()
    # The last line has the averages, which the table below has too.
    for line in lines[:-1]:
        out.print("  " + line, soft_wrap=True)
    out.print()
    if found.trembling is not None:
        output.prose(out, _noise(found), indent=2)
        out.print()
    rows = [
        [f"player {i + 1}", output.strong(str(payoff)), output.decimal(payoff)]
        for i, payoff in enumerate(found.payoffs)
    ]
    output.table(out, ["", "average", ""], rows, align="lrr")


def _noise(found: Limit) -> str:
    if found.trembling != _VANISHING:
        return (
            f"That is without noise. With it, every player picks an action at random with probability "
            f"{found.trembling}:"
        )
    if found.order == "noise_first":
        return (
            "Every player picks an action at random with a probability that goes to 0, before the discount goes "
            "to 1 (noise_first): the limit without noise."
        )
    return (
        "That is without noise. Here every player picks an action at random with a probability that goes to 0, "
        "after the discount has gone to 1 (discount_first):"
    )


def record(found: Limit) -> dict[str, Any]:
    """The limit for JSON. Shares of rounds are given for the states that have any."""
    run = found.long_run
    return {
        "payoffs": found.payoffs,
        "trembling": found.trembling,
        "order": found.order,
        "without_noise": {
            "payoffs": run.averages,
            "classes": [
                {
                    "states": names,
                    "period": period,
                    "probability": reached,
                    "shares": {run.states[s]: shares[s] for s in members},
                    "payoffs": payoffs,
                }
                for names, members, period, reached, shares, payoffs in zip(
                    run.class_names,
                    run.classes,
                    run.periods,
                    run.reached,
                    run.stationary,
                    run.class_averages,
                    strict=True,
                )
            ],
            "transient": [run.states[s] for s in run.transient],
        },
    }
