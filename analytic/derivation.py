r"""The closed form of an iterated game: derived, shown, evaluated exactly, compiled.

$$ V_i = (1-g)\, p_0' (I - gP)^{-1} r_i $$

is a rational function of the policies. `ClosedForm` holds it in two exact forms that must agree: the
expanded quotient of two polynomials (for display and calculus, where it is small enough) and the
straight-line program of the subtraction-free elimination (evaluated and compiled, at any size).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import sympy

from resolvent.analytic import exact, polynomial
from resolvent.analytic.elimination import programs
from resolvent.analytic.latex import closed_form_latex
from resolvent.analytic.report import BACKENDS, ProgramReport, report
from resolvent.analytic.structure import Structure, structure_of
from resolvent.analytic.symbols import PolicySymbols, as_sympy, free_symbols, policy_symbols
from resolvent.games import IteratedGame, check_policies

if TYPE_CHECKING:
    from resolvent.analytic.value_function import CompiledValue

Normalise = Literal["average", "sum"]

_NOTHING = sympy.Integer(0)


def closed_form(game: IteratedGame, normalise: Normalise = "average") -> ClosedForm:
    """The exact value of every player of an iterated game, as a function of the policies.

    **Arguments:**

    - `game`: an [`resolvent.games.IteratedGame`][]; payoffs and discount may be symbols.
    - `normalise`: `"average"` for payoff per round, (1 - g) times the discounted sum; `"sum"` for the
        discounted sum itself, in which most shaping papers state their learning rates.

    Payoffs are maximised. Nothing is derived until it is asked for.

    **Raises:** `TypeError` for anything but an iterated game, `ValueError` for another `normalise` or a
    game without memory.
    """
    if not isinstance(game, IteratedGame):
        hint = "; call .iterated(discount) on it" if hasattr(game, "iterated") else ""
        raise TypeError(f"game: expected an IteratedGame, got {type(game).__name__}{hint}")
    if normalise not in ("average", "sum"):
        raise ValueError(f'normalise: expected "average" or "sum", got {normalise!r}')
    if game.memory == 0:
        raise ValueError("game: expected memory of at least 1; for one-shot play use discount=0")
    return ClosedForm(game, normalise)


@dataclass(frozen=True)
class ClosedForm:
    """See [`resolvent.analytic.closed_form`][]. Indices are 0-based: `i`, `j`, `k` are players."""

    game: IteratedGame
    normalise: Normalise = "average"
    max_terms: int = polynomial.MAX_TERMS

    @property
    def structure(self) -> Structure:
        return structure_of(self.game)

    # What is displayed: the expanded rational function.

    @property
    def policy_symbols(self) -> PolicySymbols:
        """`policy_symbols[i][s][a]`: probability that player i plays a in state s; the last action's
        is one minus the others."""
        return policy_symbols(self.game)

    def expand(self, max_terms: int) -> ClosedForm:
        """The same closed form with another limit on the size of what may be expanded."""
        return ClosedForm(self.game, self.normalise, max_terms)

    @cached_property
    def values(self) -> tuple[sympy.Expr, ...]:
        """One expanded quotient per player.

        **Raises:** `TooLargeToExpandError` where it would be too large; it names what to use instead.
        """
        return tuple(self.numerator(i) / self.denominator for i in range(self.game.num_players))

    @cached_property
    def unexpanded(self) -> tuple[sympy.Expr, ...]:
        """One expression per player as the straight-line program computes it, at any size.

        Common subexpressions are shared in memory but written out in print, so it is for
        substitution and further algebra, not for reading.
        """
        policies = [entry for own in self.policy_symbols for row in own for entry in row]
        columns = [self.game.stage.payoff(joint) for joint in self.game.stage.joint_actions]
        payoffs = [as_sympy(entry) for own in zip(*columns, strict=True) for entry in own]
        inputs = [*policies, self._discount, 1 - self._discount, *payoffs]
        scale = 1 if self.normalise == "average" else 1 / (1 - self._discount)
        results = programs(self.structure).values.run(inputs, constant=as_sympy)
        return tuple(result * scale for result in results)

    def numerator(self, i: int) -> sympy.Expr:
        """Numerator of player `i`'s value, over the common `denominator`."""
        return self._numerators[self._player(i)]

    @cached_property
    def denominator(self) -> sympy.Expr:
        """The denominator of every player's value."""
        bottom = polynomial.to_sympy(self._polynomials[1], self._generators)
        return bottom if self.normalise == "average" else bottom * (1 - self._discount)

    @cached_property
    def _numerators(self) -> tuple[sympy.Expr, ...]:
        tops = [polynomial.to_sympy(top, self._generators) for top in self._polynomials[0]]
        if not self.game.stage.symbols:
            return tuple(tops)
        # Symbolic payoffs: `tops` are the numerators of the joint actions' frequencies.
        columns = [self.game.stage.payoff(joint) for joint in self.game.stage.joint_actions]
        return tuple(
            sum((as_sympy(pay) * top for pay, top in zip(own, tops, strict=True)), _NOTHING)
            for own in zip(*columns, strict=True)
        )

    @cached_property
    def _polynomials(self) -> tuple[list[Any], Any]:
        symbolic = not isinstance(self.game.discount, Fraction)
        polynomial.check_expandable(self.structure, symbolic, self.max_terms)
        discount = self.game.discount if isinstance(self.game.discount, Fraction) else None
        expanded = polynomial.cofactors(self.structure, discount)
        if not self.game.stage.symbols:
            return polynomial.combine(expanded, exact.payoff_rows(self.game))
        outcomes = range(len(self.structure.joint_actions))
        unit = tuple(tuple(Fraction(a == b) for b in outcomes) for a in outcomes)
        return polynomial.combine(expanded, unit)

    @cached_property
    def _generators(self) -> tuple[sympy.Expr, ...]:
        free = tuple(x for own in self.policy_symbols for x in free_symbols(own))
        return free if isinstance(self.game.discount, Fraction) else (*free, self._discount)

    @property
    def _discount(self) -> sympy.Expr:
        return as_sympy(self.game.discount)

    def gradient(self, i: int, wrt: int) -> sympy.Matrix:
        """The derivatives of player `i`'s value in player `wrt`'s free probabilities.

        **Returns:** a column of length S (A_wrt - 1), in the order of the parameters: states, then
        actions but the last.
        """
        top, bottom = self.numerator(i), self.denominator
        return sympy.Matrix(
            [
                (top.diff(x) * bottom - top * bottom.diff(x)) / bottom**2
                for x in free_symbols(self.policy_symbols[self._player(wrt, "wrt")])
            ]
        )

    def hessian(self, i: int, wrt: tuple[int, int]) -> sympy.Matrix:
        """The mixed second derivatives of player `i`'s value: rows for the free probabilities of
        player `wrt[0]`, columns for those of player `wrt[1]`."""
        top, bottom = self.numerator(i), self.denominator
        first, second = (free_symbols(self.policy_symbols[self._player(j, "wrt")]) for j in wrt)

        def entry(x: sympy.Expr, y: sympy.Expr) -> sympy.Expr:
            mixed = top.diff(x) * bottom.diff(y) + top.diff(y) * bottom.diff(x)
            curved = mixed + top * bottom.diff(x, y)
            twisted = 2 * top * bottom.diff(x) * bottom.diff(y)
            return top.diff(x, y) / bottom - curved / bottom**2 + twisted / bottom**3

        return sympy.Matrix([[entry(x, y) for y in second] for x in first])

    def latex(self, expanded: bool = False) -> str:
        """The derivation in LaTeX: p0, P, r and the formula; with `expanded` the quotient too."""
        return closed_form_latex(self, expanded)

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    # What is evaluated exactly: the straight-line program on rationals.

    def evaluate(
        self, policies: Sequence[Any], symbols: Mapping[Any, object] | None = None
    ) -> tuple[Fraction, ...]:
        """Exact values of exact policies.

        **Arguments:**

        - `policies`: one `(S, A_i)` policy per player, rows of rationals that sum to exactly one.
        - `symbols`: numbers for the symbols of the game, where it has any.

        **Returns:** one `Fraction` per player, in the units of `normalise`.
        """
        game = self._numeric(symbols)
        averages = exact.values(game, check_policies(game, policies, exact=True))
        return self._scaled(game, averages)

    def taylor(
        self,
        policies: Sequence[Any],
        direction: Sequence[Any],
        order: int,
        symbols: Mapping[Any, object] | None = None,
    ) -> tuple[tuple[Fraction, ...], ...]:
        """Exact Taylor coefficients of each value along a line of policies.

        **Arguments:**

        - `policies`: as in `evaluate`.
        - `direction`: shaped like `policies`, rows of rationals that sum to zero.
        - `order`: the highest power of t.

        **Returns:** for each player the coefficients of t^0, ..., t^order of its value at
        policies + t direction; k! times the k-th is the k-th directional derivative.
        """
        game = self._numeric(symbols)
        checked = check_policies(game, policies, exact=True)
        moves = _check_direction(game, direction)
        if not isinstance(order, int) or order < 0:
            raise ValueError(f"order: expected an integer from 0 up, got {order!r}")
        rows = exact.taylor(game, checked, moves, order)
        return tuple(self._scaled(game, row) for row in rows)

    def occupancy(
        self, policies: Sequence[Any], symbols: Mapping[Any, object] | None = None
    ) -> tuple[Fraction, ...]:
        """Exact discounted share of rounds played from each state; sums to one."""
        game = self._numeric(symbols)
        return exact.occupancy(game, check_policies(game, policies, exact=True))

    def q_values(
        self,
        policies: Sequence[Any],
        player: int,
        symbols: Mapping[Any, object] | None = None,
    ) -> tuple[tuple[Fraction, ...], ...]:
        """Exact value, for `player`, of each own action in each state when everyone plays
        `policies` afterwards: `(S, A_player)`, in the units of `normalise`."""
        game = self._numeric(symbols)
        checked = check_policies(game, policies, exact=True)
        rows = exact.q_values(game, checked, self._player(player, "player"))
        return tuple(self._scaled(game, row) for row in rows)

    def _scaled(self, game: IteratedGame, averages: Sequence[Fraction]) -> tuple[Fraction, ...]:
        scale = 1 if self.normalise == "average" else 1 / exact.discount_pair(game)[1]
        return tuple(average * scale for average in averages)

    def _numeric(self, symbols: Mapping[Any, object] | None) -> IteratedGame:
        game = self.game.substitute(symbols) if symbols else self.game
        if game.symbols:
            names = ", ".join(map(str, game.symbols))
            raise ValueError(
                f"symbols: the game still has the symbols {names}; give each a number, "
                "or substitute them first with game.substitute({...})"
            )
        return game

    def _player(self, i: int, argument: str = "i") -> int:
        if not isinstance(i, int) or not 0 <= i < self.game.num_players:
            raise ValueError(
                f"{argument}: expected a player from 0 to {self.game.num_players - 1}, got {i!r}"
            )
        return i

    # What is compiled.

    @property
    def program(self) -> ProgramReport:
        """The straight-line program: its operation counts, and which backend `compile` will use."""
        return report(self.structure)

    def compile(
        self,
        parameters: Literal["logits", "policies"] = "logits",
        backend: Literal["auto", "program", "tensor"] = "auto",
    ) -> CompiledValue:
        """Values as a JAX function with exact derivatives of any order.

        **Arguments:**

        - `parameters`: `"logits"`, unconstrained, softmax with the last action's logit at 0; or
            `"policies"`, the probabilities of all actions but the last. Either way one
            `(S, A_i - 1)` array per player.
        - `backend`: `"program"` runs the elimination on separate scalars (fast, long to compile for
            large games), `"tensor"` on arrays; `"auto"` takes the program up to about 2,000
            predicted operations (see `.program`).

        **Raises:** `ValueError` where the game has symbols left, `RuntimeError` where JAX's 64-bit mode
        is off.
        """
        from resolvent.analytic.value_function import compile_values

        for argument, value, known in (
            ("parameters", parameters, ("logits", "policies")),
            ("backend", backend, ("auto", *BACKENDS)),
        ):
            if value not in known:
                raise ValueError(f"{argument}: expected one of {known}, got {value!r}")
        game = self._numeric(None)
        chosen = self.program.backend if backend == "auto" else backend
        return compile_values(game, parameters, chosen, self.normalise)

    def __str__(self) -> str:
        scale = "per round" if self.normalise == "average" else "discounted sum"
        return (
            f"closed form of {self.game.name or 'an iterated game'}: {self.game.num_players} players, "
            f"{self.game.num_states} states, discount {self.game.discount}, {scale}; {self.program}"
        )


def _check_direction(game: IteratedGame, direction: Sequence[Any]) -> list[list[list[Fraction]]]:
    if len(direction) != game.num_players:
        raise ValueError(
            f"direction: expected one array per player ({game.num_players}), got {len(direction)}"
        )
    checked = []
    for player, own in enumerate(direction):
        rows = [[Fraction(entry) for entry in row] for row in own]
        shape = (game.num_states, game.num_actions[player])
        if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
            raise ValueError(f"direction[{player}]: expected shape {shape}")
        for state, row in zip(game.states, rows, strict=True):
            if sum(row) != 0:
                raise ValueError(
                    f"direction[{player}], state {state}: expected a row that sums to zero, got {row}"
                )
        checked.append(rows)
    return checked
