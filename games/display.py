"""Payoffs as text and LaTeX. What is printed is what the game was stated by: losses are shown as
losses."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from resolvent.games.rational import Exact, ExactNest

if TYPE_CHECKING:
    from resolvent.games.normal_form import NormalForm
    from resolvent.games.stochastic import StochasticGame


def text(game: NormalForm) -> str:
    """The payoff table of a game as aligned columns of text."""
    return aligned(_layout(game, str, str))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Cells in columns of equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def latex(game: NormalForm) -> str:
    """The payoff table of a game as a LaTeX `array`."""
    rows = _layout(game, latex_name, latex_number)
    lines = [" & ".join(row) for row in rows]
    columns = "c|" + "c" * (len(rows[0]) - 1)
    body = " \\\\\n".join([lines[0] + " \\\\ \\hline\n" + lines[1], *lines[2:]])
    return f"\\begin{{array}}{{{columns}}}\n{body}\n\\end{{array}}"


def latex_name(name: str) -> str:
    """A player's or an action's name as upright LaTeX text, for math mode."""
    return "\\text{" + "".join(_LATEX_SPECIAL.get(character, character) for character in name) + "}"


def latex_number(value: Exact) -> str:
    """An exact number in LaTeX."""
    if not isinstance(value, Fraction):
        import sympy

        return str(sympy.latex(value))
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def nested(nest: ExactNest) -> str:
    """Nested tuples of exact numbers as Python would write them: `1/2` is the string `'1/2'`, a
    symbol its name."""
    if isinstance(nest, tuple):
        return "[" + ", ".join(nested(child) for child in nest) + "]"
    if isinstance(nest, Fraction) and nest.denominator != 1:
        return repr(str(nest))
    return str(nest)


def transitions(game: StochasticGame) -> str:
    """What everyone gets and what comes next: one line per state and joint action."""
    rows = [["state", ", ".join(game.players), "payoffs", "next"]]
    for s, row in enumerate(game.branches):
        for k, (joint, cell) in enumerate(zip(game.joint_actions, row, strict=True)):
            names = (own[action] for own, action in zip(game.actions, joint, strict=True))
            chances = (game.states[t] + ("" if p == 1 else f" {p}") for t, p in cell)
            payoffs = (str(own[s][k]) for own in game.rewards)
            rows.append([game.states[s], ", ".join(names), ", ".join(payoffs), ", ".join(chances)])
    return aligned(rows)


def literal_number(value: Exact) -> Any:
    """An exact number as an object whose `repr` reads back: a string, or the expression."""
    return str(value) if isinstance(value, Fraction) else value


def literal(value: Any) -> str:
    """Exact numbers in nested tuples as Python would write them, `None` among them allowed."""
    if isinstance(value, tuple):
        return "[" + ", ".join(literal(child) for child in value) + "]"
    return repr(str(value)) if isinstance(value, Fraction) else str(value)


def _layout(game: NormalForm, name: Any, number: Any) -> list[list[str]]:
    """Rows of cells, the first row and the first column being headers."""

    def cell(joint: tuple[int, ...]) -> str:
        payoffs = game.payoff(joint)
        shown = [-value for value in payoffs] if game.stated_as == "losses" else payoffs
        return ", ".join(number(value) for value in shown)

    if game.num_players == 2:
        rows, columns = game.actions
        header = ["", *(name(column) for column in columns)]
        return [header] + [
            [name(row), *(cell((a, b)) for b in range(len(columns)))] for a, row in enumerate(rows)
        ]
    header = [", ".join(name(player) for player in game.players), game.stated_as]
    if name is latex_name:
        header[1] = latex_name(header[1])
    return [header] + [
        [", ".join(name(game.actions[i][a]) for i, a in enumerate(joint)), cell(joint)]
        for joint in game.joint_actions
    ]


_LATEX_SPECIAL = {character: "\\" + character for character in "#$%&_{}"} | {
    "\\": "\\textbackslash{}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
}
