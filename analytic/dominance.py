"""Which of two policies is better against whatever the others do: value differences, decided over boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from resolvent.analytic.decisions import BoxSign, sign_on_box
from resolvent.analytic.derivation import closed_form
from resolvent.analytic.rational_function import RationalFunction
from resolvent.games import DynamicGame, check_policies, uniform


def value_difference(
    game: DynamicGame, policy: Any, other: Any, player: int = 0
) -> RationalFunction:
    """What a player gains, per round, by one policy over another, as a function of all others' policies.

    **Arguments:** as [`resolvent.analytic.dominates`][]; the numbers of the game may be symbols.

    **Returns:** V_player(policy, .) - V_player(other, .), in the symbols of the others' policies.
    """
    form = closed_form(game)
    if isinstance(player, bool) or player not in range(game.num_players):
        raise ValueError(
            f"player: expected an index from 0 to {game.num_players - 1}, got {player!r}"
        )
    value, own = form.rational(player), form.policy_symbols[player]

    def against(rows: Any) -> RationalFunction:
        joint = [rows if i == player else uniform(game, i) for i in range(game.num_players)]
        checked = check_policies(game, joint, exact=True)[player]
        numbers: dict[Any, Any] = {
            x: p
            for symbols, row in zip(own, checked, strict=True)
            for x, p in zip(symbols[:-1], row[:-1], strict=True)
        }
        return value.substitute(numbers)

    return against(policy) - against(other)


def dominates(
    game: DynamicGame,
    policy: Any,
    other: Any,
    player: int = 0,
    *,
    over: Mapping[Any, Sequence[object]] | None = None,
    max_boxes: int = 1000,
) -> BoxSign:
    """Whether a policy gets a player at least as much as another, against all policies of the others.

    The others play policies of the game, of its memory, independently of each other: dominance over those does
    not say what happens against opponents who remember more.

    **Arguments:**

    - `game`: an iterated or stochastic game without symbols, small enough to be expanded.
    - `policy`, `other`: exact policies of the player, `(O, A)`.
    - `player`: whose they are, from 0.
    - `over`: the box of the others' policies: symbols of `closed_form(game).policy_symbols`, or their
        names, to intervals. Default: everything. Not for players with more than two actions, whose
        policies are always all looked at, through $x_1 = y_1$, $x_2 = (1 - y_1)\\, y_2$, ..., which maps the
        cube onto the simplex.
    - `max_boxes`: as in [`resolvent.analytic.sign_on_box`][].

    **Returns:** a [`resolvent.analytic.BoxSign`][] of the difference of the values. `nonnegative` says
    whether the policy weakly dominates, `positive` whether it does so strictly.

    **Raises:** as [`resolvent.analytic.sign_on_box`][]; `ValueError` for policies that do not fit, and
    `TooLargeToExpandError`.
    """
    difference = value_difference(game, policy, other, player)
    broken: dict[Any, Any] = {}
    for i, rows in enumerate(closed_form(game).policy_symbols):
        if i == player or game.num_actions[i] == 2:
            continue
        for row in rows:
            left: sympy.Expr = sympy.Integer(1)
            for x in row[:-1]:
                broken[x] = left * x
                left = left * (1 - x)
    if broken and over and any(str(x) in {str(own) for own in over} for x in broken):
        raise ValueError(
            "over: expected intervals for players with two actions only; the others' policies are "
            "simplices, and all of them are looked at"
        )
    return sign_on_box(
        difference.substitute(broken) if broken else difference, over, max_boxes=max_boxes
    )
