r"""The terms of a shaping update as exact rationals.

With payoffs maximised, the first-order rules are sums of three terms for player i,

$$ \nabla_i V_i, \qquad
   \eta \sum_j \nabla_i \langle \nabla_j V_i, \bot \nabla_j V_j \rangle, \qquad
   \eta \sum_j \nabla_i \langle \nabla_j V_j, \bot \nabla_j V_i \rangle, $$

the naive gradient, the look-ahead and the shaping term, where $\bot$ marks what is held constant
(Letcher et al., "Stable opponent shaping", ICLR 2019, section 3). The derivative of a softmax probability by a
logit is a polynomial in the probabilities, so at rational policies every term is rational, for logits too.
Nothing here shares code with the compiled learners, which makes each the other's check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

from resolvent.analytic.derivation import ClosedForm
from resolvent.games import ExactPolicy

Parameters = Literal["logits", "policies"]
Block = tuple[tuple[Fraction, ...], ...]
"""One number per parameter of a player: a row per state, a column per action but the last."""


@dataclass(frozen=True)
class Terms:
    """The terms of one player's update, before its rate: `naive`, `look_ahead` and `shaping`."""

    naive: Block
    look_ahead: Block
    shaping: Block


def exact_terms(
    form: ClosedForm,
    policies: Sequence[ExactPolicy],
    steps: Sequence[Fraction],
    parameters: Parameters = "logits",
) -> tuple[Terms, ...]:
    """The terms of every player.

    **Arguments:**

    - `form`: the closed form of a game without symbols.
    - `policies`: one exact policy per player.
    - `steps`: for each player, the size of the naive step that it believes the others to take.
    - `parameters`: what the learners change.
    """
    calculus = _Calculus(form, policies, parameters)
    return tuple(calculus.terms(player, step) for player, step in enumerate(steps))


class _Calculus:
    """Exact derivatives at one joint policy, from Taylor coefficients along lines."""

    def __init__(
        self, form: ClosedForm, policies: Sequence[ExactPolicy], parameters: Parameters
    ) -> None:
        self.form, self.policies = form, policies
        self.players = range(form.game.num_players)
        self.slopes = [_slopes(policy, parameters) for policy in policies]
        # lines[j][k]: coefficients of t and t^2, for every player's value, along parameter k of player j.
        self.lines = [[self._line({j: move}) for move in self.slopes[j]] for j in self.players]

    def _line(self, moves: dict[int, ExactPolicy]) -> list[tuple[Fraction, Fraction]]:
        direction = [moves.get(j, _zero(policy)) for j, policy in enumerate(self.policies)]
        rows = self.form.taylor(self.policies, direction, 2)
        return [(row[1], row[2]) for row in rows]

    def gradient(self, i: int, j: int) -> list[Fraction]:
        return [line[i][0] for line in self.lines[j]]

    def cross(self, i: int, own: int, other: int, u: Sequence[Fraction]) -> list[Fraction]:
        """d/dtheta_own < dV_i/dtheta_other , u >, by polarisation: players' parameters enter the
        policies separately, so along a + b the t^2 coefficient is those of a and b plus the mixed term."""
        along = _combine(u, self.slopes[other])
        alone = self._line({other: along})[i][1]
        return [
            self._line({own: move, other: along})[i][1] - line[i][1] - alone
            for move, line in zip(self.slopes[own], self.lines[own], strict=True)
        ]

    def terms(self, i: int, step: Fraction) -> Terms:
        others = [j for j in self.players if j != i]

        def total(term: Callable[[int], list[Fraction]]) -> list[Fraction]:
            columns = [[step * entry for entry in term(j)] for j in others]
            return [sum(entries, Fraction(0)) for entries in zip(*columns, strict=True)]

        return Terms(
            self._block(i, self.gradient(i, i)),
            self._block(i, total(lambda j: self.cross(i, i, j, self.gradient(j, j)))),
            self._block(i, total(lambda j: self.cross(j, i, j, self.gradient(i, j)))),
        )

    def _block(self, i: int, flat: Sequence[Fraction]) -> Block:
        columns = self.form.game.num_actions[i] - 1
        rows = range(0, len(flat), columns) if columns else ()
        return tuple(tuple(flat[k : k + columns]) for k in rows)


def _slopes(policy: ExactPolicy, parameters: Parameters) -> list[ExactPolicy]:
    """How a policy moves with each of its parameters, in their order."""
    slopes: list[ExactPolicy] = []
    for state, row in enumerate(policy):
        for action in range(len(row) - 1):
            if parameters == "logits":
                moved = [row[action] * (Fraction(a == action) - p) for a, p in enumerate(row)]
            else:
                moved = [
                    Fraction(a == action) - Fraction(a == len(row) - 1) for a in range(len(row))
                ]
            slope = list(_zero(policy))
            slope[state] = tuple(moved)
            slopes.append(tuple(slope))
    return slopes


def _combine(weights: Sequence[Fraction], moves: Sequence[ExactPolicy]) -> ExactPolicy:
    return tuple(
        tuple(
            sum((w * entry for w, entry in zip(weights, entries, strict=True)), Fraction(0))
            for entries in zip(*rows, strict=True)
        )
        for rows in zip(*moves, strict=True)
    )


def _zero(policy: ExactPolicy) -> ExactPolicy:
    return cast(ExactPolicy, tuple((Fraction(0),) * len(row) for row in policy))
