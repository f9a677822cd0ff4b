"""Games and closed forms as text and as JSON; what several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resolvent.cli import output
from resolvent.games import ExactPolicy, IteratedGame, NormalForm

if TYPE_CHECKING:
    import sympy

    from resolvent.analytic import ClosedForm

_KINDS = {"+": "additions", "*": "multiplications", "/": "divisions"}
# A transition matrix is written out up to this many columns; further ones are alike.
_WIDEST_MATRIX = 4
_MOST_ROWS = 12


def payoff_table(out: Console, game: NormalForm) -> None:
    """The payoff table, indented."""
    for line in game.table().splitlines():
        out.print("  " + line, soft_wrap=True)


def scale_name(normalise: str) -> str:
    """What values are measured in."""
    return "payoff per round" if normalise == "average" else "discounted sum of payoffs"


def game_record(game: IteratedGame) -> dict[str, Any]:
    """An iterated game for JSON."""
    return {
        "name": game.name,
        "players": game.stage.players,
        "actions": game.stage.actions,
        "payoffs": game.stage.payoffs,
        "discount": game.discount,
        "memory": game.memory,
        "states": game.states,
        "symbols": [str(symbol) for symbol in game.symbols],
    }


class Plain:
    """Closed forms in symbols that are plain names: p_CC for p_{CC}, p_CC_S for p_{CC}^{S}."""

    def __init__(self, form: ClosedForm) -> None:
        import sympy

        self.form = form
        self._names = {
            symbol: sympy.Symbol(_plain_name(str(symbol)))
            for policy in form.policy_symbols
            for row in policy
            for entry in row[:-1]
            for symbol in entry.free_symbols
        }

    def __call__(self, expression: Any) -> Any:
        """The same formula in plain symbols."""
        import sympy

        return sympy.sympify(expression).xreplace(self._names)

    @property
    def policies(self) -> list[list[list[str]]]:
        """The symbols of every player, per state and action."""
        return [
            [[str(self(entry)) for entry in row] for row in policy]
            for policy in self.form.policy_symbols
        ]

    @property
    def transitions(self) -> list[dict[str, sympy.Expr]]:
        """For each state, the start first, the probabilities of the states that may follow."""
        from resolvent.analytic.elimination import transition_row

        form = self.form
        states = form.game.states
        rows = [
            transition_row(form.structure, form.policy_symbols, state)
            for state in range(form.structure.num_states)
        ]
        return [{states[t]: self(entry) for t, entry in sorted(row.items())} for row in rows]


def _plain_name(symbol: str) -> str:
    kept = symbol.replace("}^{", "_").replace("^", "_")
    return "".join(c if c.isalnum() or c == "_" else "" if c in "{}()" else "_" for c in kept)


def algebra(expression: Any) -> str:
    """A formula as one writes it by hand: `p_0 (1 - q_0)`."""
    return str(expression).replace("**", "^").replace("*", " ")


def formula(form: ClosedForm) -> str:
    """The value in terms of the chain."""
    g = form.game.discount
    times = f"(1 - {g}) " if form.normalise == "average" else ""
    return f"V_i = {times}p0' (I - {_bracketed(g)} P)^-1 r_i"


def _bracketed(number: object) -> str:
    text = str(number)
    return text if text.replace("/", "").isalnum() else f"({text})"


def derivation(out: Console, form: ClosedForm) -> None:
    """States, transition matrix and formula."""
    game = form.game
    plain = Plain(form)
    letters = [own[0][0] for own in plain.policies if len(own[0]) > 1]
    out.print(f"  states    {_shortened(game.states)}", soft_wrap=True)
    for player, own in enumerate(plain.policies):
        if len(own[0]) < 2:
            continue
        actions = game.stage.actions[player]
        example = own[min(1, len(own) - 1)][0]
        out.print(
            f"  player {player + 1}  plays {actions[0]} with probability {own[0][0]} at the start, "
            f"{example} after {game.states[min(1, len(own) - 1)]}, ...",
            soft_wrap=True,
        )
    out.print()
    rows = plain.transitions
    columns = game.states[1:]
    if len(columns) <= _WIDEST_MATRIX:
        output.table(
            out,
            ["from \\ to", *columns],
            [
                [state, *(algebra(row.get(target, 0)) for target in columns)]
                for state, row in zip(game.states, rows, strict=True)
            ],
        )
        out.print()
        out.print("  The row of the start is p0, the others are P.")
    elif letters:
        entries = list(rows[0].items())
        output.table(
            out,
            ["from", "to", "probability"],
            [[game.states[0], state, algebra(entry)] for state, entry in entries[:_MOST_ROWS]],
        )
        more = len(entries) - _MOST_ROWS
        out.print()
        further = f"{more} more from the start, and " if more > 0 else ""
        output.prose(
            out,
            f"{further}{len(rows) - 1} more rows alike, with the state in place of 0: --json has them all.",
            indent=2,
        )
    out.print(f"  r_i holds the payoffs of player i in {_shortened(columns)}.", soft_wrap=True)
    out.print()
    out.print("  " + formula(form), style="bold", soft_wrap=True)


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= 2 * _MOST_ROWS:
        return ", ".join(names)
    return ", ".join(names[:_MOST_ROWS]) + f", ... ({len(names)} in all)"


def sizes(form: ClosedForm) -> dict[str, Any] | None:
    """Terms of the expanded numerators and of their denominator; None where it is too large."""
    from resolvent.analytic import TooLargeToExpandError

    players = form.game.num_players
    try:
        return {
            "numerator_terms": [_terms(form, form.numerator(i)) for i in range(players)],
            "denominator_terms": _terms(form, form.denominator),
        }
    except TooLargeToExpandError:
        return None


def _terms(form: ClosedForm, expression: sympy.Expr) -> int:
    import sympy

    # Without symbols in the game numerators and denominators are expanded already.
    expanded = sympy.expand(expression) if form.game.symbols else expression
    return len(sympy.Add.make_args(expanded))


def rule_name(rule: Mapping[str, Any]) -> str:
    """A learner as one says it: `LOLA (taylor), rate 1`."""
    name = rule["learner"] + (f" ({rule['variant']})" if "variant" in rule else "")
    settings = [
        f"{key.replace('lookahead', 'look-ahead')} {value:g}"
        for key, value in rule.items()
        if isinstance(value, float)
    ]
    return ", ".join([name, *settings])


def program_record(form: ClosedForm) -> dict[str, Any]:
    """The straight-line program, for JSON."""
    program = form.program
    return {
        "operations": len(program),
        "counts": dict(program.counts),
        "step_operations": program.step_operations,
        "backend": program.backend,
    }


def size_lines(out: Console, form: ClosedForm) -> None:
    """How large the two exact forms of the value are."""
    measured = sizes(form)
    if measured is None:
        quotient = "too large to expand; the program below is exact too"
    else:
        tops = measured["numerator_terms"]
        same = str(tops[0]) if len(set(tops)) == 1 else ", ".join(map(str, tops))
        quotient = f"numerators of {same} terms over a common denominator of {measured['denominator_terms']}"
    program = form.program
    counts = ", ".join(
        f"{count} {_KINDS.get(kind, kind)}" for kind, count in program.counts.items() if count
    )
    out.print(f"  expanded  {quotient}", soft_wrap=True)
    out.print(f"  program   {len(program)} operations for the values ({counts})", soft_wrap=True)
    out.print(
        f"            about {program.step_operations} for a shaping step of all players, "
        f"so it is compiled by the {program.backend} backend",
        soft_wrap=True,
    )


def per_round(form: ClosedForm, values: Sequence[Fraction]) -> list[Fraction]:
    """Exact values per round."""
    factor = 1 if form.normalise == "average" else 1 - Fraction(str(form.game.discount))
    return [factor * value for value in values]


def discounted_sum(form: ClosedForm, values: Sequence[Fraction]) -> list[Fraction]:
    """Exact values as discounted sums."""
    factor = 1 if form.normalise == "sum" else 1 / (1 - Fraction(str(form.game.discount)))
    return [factor * value for value in values]


def policy_record(policies: Sequence[ExactPolicy]) -> list[list[list[str]]]:
    """Exact policies for JSON: strings by player, state and action."""
    return [[[str(p) for p in row] for row in policy] for policy in policies]
