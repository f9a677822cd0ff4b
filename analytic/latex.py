"""Closed forms in LaTeX, as a paper would set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy

from resolvent.analytic.elimination import transition_row
from resolvent.analytic.symbols import as_sympy

if TYPE_CHECKING:
    from resolvent.analytic.derivation import ClosedForm


def closed_form_latex(form: ClosedForm, expanded: bool) -> str:
    """The formula with p0, P and the payoffs written out; see `ClosedForm.latex`."""
    structure, symbols = form.structure, form.policy_symbols
    later = range(1, structure.num_states)
    rows = [transition_row(structure, symbols, s) for s in range(structure.num_states)]
    start = sympy.Matrix([[rows[0].get(t, sympy.Integer(0)) for t in later]])
    moves = sympy.Matrix([[rows[s].get(t, sympy.Integer(0)) for t in later] for s in later])
    g = sympy.latex(as_sympy(form.game.discount), fold_short_frac=True)
    scale = rf"\left(1 - {g}\right) " if form.normalise == "average" else ""
    lines = [
        rf"V_i &= {scale}p_0^\top \left(I - {g}\, P\right)^{{-1}} r_i \\",
        rf"p_0^\top &= {sympy.latex(start)} \\",
        rf"P &= {sympy.latex(moves)} \\",
    ]
    for player in range(structure.num_players):
        payoffs = [
            form.game.stage.payoff(structure.joint_actions[o])[player] for o in structure.outcomes
        ]
        row = sympy.latex(sympy.Matrix([payoffs]), fold_short_frac=True)
        lines.append(rf"r_{{{player + 1}}}^\top &= {row} \\")
    if expanded:
        for player in range(structure.num_players):
            quotient = rf"\frac{{{sympy.latex(form.numerator(player))}}}{{{sympy.latex(form.denominator)}}}"
            lines.append(rf"V_{{{player + 1}}} &= {quotient} \\")
    body = "\n".join(lines).removesuffix(r" \\")
    return "\\begin{aligned}\n" + body + "\n\\end{aligned}"
