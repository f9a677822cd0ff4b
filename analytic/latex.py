"""Closed forms in LaTeX, as a paper would set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy

from resolvent.analytic.elimination import behaviours, reward_vector, transition_row
from resolvent.analytic.structure import convert, figures_of
from resolvent.analytic.symbols import as_sympy

if TYPE_CHECKING:
    from resolvent.analytic.derivation import ClosedForm


def closed_form_latex(form: ClosedForm, expanded: bool) -> str:
    """The formula with p0, P and the payoffs written out; see `ClosedForm.latex`."""
    structure = form.structure
    figures = convert(figures_of(form.game), as_sympy)
    acting = behaviours(structure, form.policy_symbols, figures)
    states = range(structure.first, structure.num_states)
    zero = sympy.Integer(0)
    rows = [
        transition_row(structure, acting, s, figures.transitions)
        for s in range(structure.num_states)
    ]
    first = [rows[0].get(t, zero) for t in states] if structure.first else list(figures.initial)
    moves = sympy.Matrix([[rows[s].get(t, zero) for t in states] for s in states])
    groups = len(figures.discounts)
    lines = []
    for group, discount in enumerate(figures.discounts):
        members = ", ".join(str(i + 1) for i, own in enumerate(structure.groups) if own == group)
        player = "i" if groups == 1 else f"{{{members}}}"
        g = sympy.latex(discount, fold_short_frac=True)
        scale = rf"\left(1 - {g}\right) " if form.normalise == "average" else ""
        lines.append(
            rf"V_{player} &= {scale}p_0^\top \left(I - {g}\, P\right)^{{-1}} r_{player} \\"
        )
    lines.append(rf"p_0^\top &= {sympy.latex(sympy.Matrix([first]))} \\")
    lines.append(rf"P &= {sympy.latex(moves)} \\")
    for player in range(structure.num_players):
        rewards = reward_vector(structure, acting, figures.payoffs[player])
        row = sympy.latex(sympy.Matrix([rewards]), fold_short_frac=True)
        lines.append(rf"r_{{{player + 1}}}^\top &= {row} \\")
    if expanded:
        for player in range(structure.num_players):
            quotient = rf"\frac{{{sympy.latex(form.numerator(player))}}}{{{sympy.latex(form.denominator)}}}"
            lines.append(rf"V_{{{player + 1}}} &= {quotient} \\")
    body = "\n".join(lines).removesuffix(r" \\")
    return "\\begin{aligned}\n" + body + "\n\\end{aligned}"
