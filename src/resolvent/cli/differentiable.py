"""Differentiable games on the command line: parameters in the place of policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Any

from resolvent.cli import output, show
from resolvent.cli.errors import FailedError
from resolvent.games import DifferentiableGame
from resolvent.games.expressions import format_smooth

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.analytic import DifferentiableForm
    from resolvent.numeric.learners import AbstractLearner
    from resolvent.numeric.run import Run

# Rounding in float64.
_TOLERANCE = 1e-6
# A run is shown with the mean of this many parameters of every player.
_MOST_ROWS = 9


def record(game: DifferentiableGame) -> dict[str, Any]:
    """A differentiable game for JSON: expressions as text, as it was stated."""
    return {
        "name": game.name,
        "kind": "differentiable",
        "players": game.players,
        "parameters": game.parameters,
        game.stated_as: [format_smooth(own) for own in game.stated or ()],
        "stated_as": game.stated_as,
        "symbols": [str(symbol) for symbol in game.symbols],
    }


def table(out: Console, game: DifferentiableGame) -> None:
    """What everybody chooses and gets, indented."""
    for line in game.table().splitlines():
        out.print("  " + line, soft_wrap=True)


# Formulas ------------------------------------------------------------------------------------


def print_form(out: Console, form: DifferentiableForm) -> None:
    """The formulas, and their derivatives by one's own and by everybody's parameters."""
    output.heading(out, str(form.game).splitlines()[0])
    table(out, form.game)
    out.print()
    names = [name for own in form.game.parameters for name in own]
    gradient: Any = form.joint_gradient()
    jacobian: Any = form.jacobian()
    sign, what = (1, "V") if form.game.stated_as == "payoffs" else (-1, "L")
    rows = [
        [name, *(format_smooth(sign * entry) for entry in [gradient[k], *jacobian.row(k)])]
        for k, name in enumerate(names)
    ]
    headers = ["by", f"d{what}_i", *(f"d{what}_i by {name}" for name in names)]
    output.prose(
        out,
        f"The derivative of each player's own {'payoff' if sign == 1 else 'loss'} {what}_i by its own "
        "parameters, and the derivatives of that by all (a row of the Jacobian of the joint gradient):",
        indent=2,
    )
    out.print()
    output.table(out, headers, rows)


def latex(form: DifferentiableForm) -> str:
    """The game as it was stated."""
    return form.game.latex()


def form_record(form: DifferentiableForm) -> dict[str, Any]:
    """The payoffs and their derivatives, for JSON. Derivatives are those of payoffs."""
    gradient: Any = form.joint_gradient()
    jacobian: Any = form.jacobian().tolist()
    return {
        "game": record(form.game),
        "values": [format_smooth(own) for own in form.values],
        "joint_gradient": [format_smooth(own) for own in gradient],
        "jacobian": [[format_smooth(own) for own in row] for row in jacobian],
    }


# One update ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Update:
    """One player's update: in float64, and in exact terms where its rule is a sum of them."""

    rule: dict[str, Any]
    compiled: list[float]
    info: dict[str, float]
    terms: dict[str, list[Any]] | None
    exact: list[Any] | None

    @property
    def difference(self) -> float | None:
        """The largest difference of the two, relative to the largest entry."""
        if self.exact is None:
            return None
        slow = [float(entry) for entry in self.exact]
        largest = max(map(abs, slow), default=0.0) or 1.0
        return (
            max((abs(x - y) for x, y in zip(self.compiled, slow, strict=True)), default=0.0)
            / largest
        )


def updates(
    form: DifferentiableForm,
    rules: Sequence[AbstractLearner],
    rates: Sequence[Fraction],
    steps: Sequence[Fraction],
    point: Sequence[Sequence[Fraction]],
) -> list[Update]:
    """What every rule does at a point. Needs JAX to be set up."""
    import equinox as eqx
    import numpy as np

    from resolvent.cli.gradient import terms_of
    from resolvent.numeric.loop import joint_update

    values = form.compile()
    params = tuple(np.array([float(entry) for entry in own], dtype=float) for own in point)

    @eqx.filter_jit
    def step(values: Any, rules: Any, params: Any) -> Any:
        states = [rule.init(values, params, player) for player, rule in enumerate(rules)]
        changes, _, infos = joint_update(values, rules, params, states)
        return changes, infos

    changes, infos = step(values, tuple(rules), params)
    found: list[Update] = []
    for player, rule in enumerate(rules):
        described = rule.describe()
        names = terms_of(described)
        terms = exact = None
        if names is not None:
            every = _terms(form, player, steps[player], point)
            terms = {name: every[name] for name in names}
            exact = [
                _rational(rates[player]) * sum(own) for own in zip(*terms.values(), strict=True)
            ]
        info = {name: float(entry) for name, entry in infos[player].items()}
        found.append(Update(described, np.asarray(changes[player]).tolist(), info, terms, exact))
    return found


def _terms(
    form: DifferentiableForm, i: int, step: Fraction, point: Sequence[Sequence[Fraction]]
) -> dict[str, list[Any]]:
    """The exact terms of player i's update: its gradient; and, summed over the others, how its gradient
    changes with their naive step, and what their step changes when it moves."""
    import sympy

    at = {
        x: _rational(entry)
        for own, entries in zip(form.parameter_symbols, point, strict=True)
        for x, entry in zip(own, entries, strict=True)
    }
    ahead = shaping = sympy.zeros(len(point[i]), 1)
    for j in range(form.game.num_players):
        if j != i:
            ahead += form.hessian(i, (i, j)) * form.gradient(j, j)
            shaping += form.hessian(j, (i, j)) * form.gradient(i, j)
    blocks = {
        "naive": form.gradient(i, i),
        "look_ahead": _rational(step) * ahead,
        "shaping": _rational(step) * shaping,
    }
    return {name: list(block.xreplace(at)) for name, block in blocks.items()}


def _rational(number: Fraction) -> Any:
    import sympy

    return sympy.Rational(number.numerator, number.denominator)


def print_updates(
    out: Console,
    game: DifferentiableGame,
    point: Sequence[Sequence[Fraction]],
    found: Sequence[Update],
) -> None:
    """A table per player: the terms where they are known, and the update."""
    from resolvent.cli.gradient import HEADERS

    output.heading(out, str(game).splitlines()[0])
    table(out, game)
    names = [name for own in game.parameters for name in own]
    flat = [entry for own in point for entry in own]
    where = ", ".join(f"{name} = {entry}" for name, entry in zip(names, flat, strict=True))
    out.print(f"\n  At {where}. An update is added to the parameters.", soft_wrap=True)
    for player, own in enumerate(found):
        output.heading(out, f"Player {game.players[player]}: {show.rule_name(own.rule)}")
        terms = own.terms if own.terms is not None and len(own.terms) > 1 else {}
        rows: list[list[output.Cell]] = [
            [
                name,
                *(_written(term[k]) for term in terms.values()),
                output.strong(
                    output.decimal(own.compiled[k]) if own.exact is None else _written(own.exact[k])
                ),
            ]
            for k, name in enumerate(game.parameters[player])
        ]
        headers = ["", *(HEADERS[name] for name in terms), "update"]
        output.table(out, headers, rows, align="l" + "r" * len(terms) + "r")
        if own.terms is None and own.info:
            norms = ", ".join(f"{name} {output.decimal(norm)}" for name, norm in own.info.items())
            out.print(f"\n  Norms of the terms: {norms}", soft_wrap=True)
    known = [own.difference for own in found if own.difference is not None]
    if known:
        out.print()
        output.prose(
            out, f"Exact. The compiled rule differs by {max(known):.1e}, relative.", indent=2
        )


def _written(entry: Any) -> str:
    """A short exact number as it is, others in decimals."""
    text = str(entry)
    return text if entry.is_Rational and len(text) <= 13 else output.decimal(float(entry))


def update_record(
    form: DifferentiableForm, point: Sequence[Sequence[Fraction]], found: Sequence[Update]
) -> dict[str, Any]:
    """The updates for JSON."""
    return {
        "game": record(form.game),
        "parameters": [list(own) for own in point],
        "players": [
            {
                "learner": own.rule,
                "update": own.compiled,
                "exact_update": own.exact,
                "exact_terms": own.terms,
                "relative_difference": own.difference,
                "info": own.info,
            }
            for own in found
        ],
    }


def check_updates(found: Sequence[Update]) -> None:
    """Fail where an update is not finite, or off the exact one."""
    if not all(isfinite(entry) for own in found for entry in own.compiled):
        raise FailedError("an update is not finite")
    largest = max((own.difference or 0.0 for own in found), default=0.0)
    if largest > _TOLERANCE:
        raise FailedError(f"the compiled update is off the exact one by {largest:.1e}, relative")


# Runs ----------------------------------------------------------------------------------------


def _finished(run: Run) -> Any:
    """Which runs came to no step that was not finite; all of them, if none did not."""
    import numpy as np

    fine = np.ravel(run.failed_player) < 0
    return fine if fine.any() else np.ones_like(fine)


def print_run(out: Console, run: Run, game: DifferentiableGame) -> None:
    """What everybody has in the end: payoffs, or losses where the game is stated by them, and
    parameters."""
    assert run.learners is not None
    fine = _finished(run)
    sign, what = (1, "payoff") if game.stated_as == "payoffs" else (-1, "loss")
    rows: list[list[output.Cell]] = []
    for player, rule in enumerate(run.learners):
        own = sign * run.values[fine, player]
        figures = [own.mean(), own.std(), own.min(), own.max()]
        mean, *others = (output.decimal(float(figure)) for figure in figures)
        rows.append(
            [
                game.players[player],
                show.rule_name(rule.describe()),
                output.strong(mean),
                *others,
            ]
        )
    output.table(out, ["player", "learner", what, "std", "lowest", "highest"], rows, align="llrrrr")
    out.print()
    rows = [
        [
            name,
            game.players[player],
            *(output.decimal(float(f)) for f in (own.mean(), own.std(), own.min(), own.max())),
        ]
        for player, names in enumerate(game.parameters)
        for name, own in list(zip(names, run.params[player][fine].T, strict=True))[:_MOST_ROWS]
    ]
    output.table(
        out, ["parameter", "player", "mean", "std", "lowest", "highest"], rows, align="llrrrr"
    )
    out.print()


def run_record(run: Run, game: DifferentiableGame) -> dict[str, Any]:
    """What everybody has in the end, for JSON: payoffs, and parameters by name."""
    fine = _finished(run)

    def figures(own: Any) -> dict[str, Any]:
        return {"mean": own.mean(), "std": own.std(), "min": own.min(), "max": own.max()}

    return {
        "game": record(game),
        "payoff": [figures(own) for own in run.values[fine].T],
        "parameters": {
            name: figures(own)
            for names, params in zip(game.parameters, run.params, strict=True)
            for name, own in zip(names, params[fine].T, strict=True)
        },
    }
