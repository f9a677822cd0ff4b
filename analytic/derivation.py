r"""The closed form of a game: derived, shown, evaluated exactly, compiled.

$$ V_i = (1-g)\, p_0' (I - gP)^{-1} r_i $$

is a rational function of the policies. `ClosedForm` holds it in two exact forms that must agree: the
expanded quotient of two polynomials (for display and calculus, where it is small enough) and the
straight-line program of the subtraction-free elimination (evaluated and compiled).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import flint
import sympy

from resolvent.analytic import (
    enclosure,
    exact,
    export,
    limits,
    long_run,
    polynomial,
    serialise,
)
from resolvent.analytic.chain import rational
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.elimination import symbolic_values
from resolvent.analytic.expanded import Expanded
from resolvent.analytic.graph import Program
from resolvent.analytic.latex import closed_form_latex
from resolvent.analytic.long_run import LongRun
from resolvent.analytic.quotient import quotient_derivatives
from resolvent.analytic.rational_function import RationalFunction
from resolvent.analytic.report import BACKENDS, ProgramReport, TooLargeToDeriveError, report
from resolvent.analytic.specialise import own_program
from resolvent.analytic.structure import Structure, convert, figures_of, structure_of
from resolvent.analytic.symbols import PolicySymbols, as_sympy, free_symbols, policy_symbols
from resolvent.analytic.symmetry import symmetric_rows
from resolvent.games import (
    DifferentiableGame,
    DynamicGame,
    IteratedGame,
    StochasticGame,
    check_policies,
)

if TYPE_CHECKING:
    from resolvent.analytic.value_function import CompiledValue

Normalise = Literal["average", "sum"]
Symbols = Mapping[Any, object] | None


@overload
def closed_form(game: DynamicGame, normalise: Normalise = "average") -> ClosedForm: ...


@overload
def closed_form(
    game: DifferentiableGame, normalise: Literal["average"] = "average"
) -> DifferentiableForm: ...


def closed_form(
    game: DynamicGame | DifferentiableGame, normalise: Normalise = "average"
) -> ClosedForm | DifferentiableForm:
    """The exact value of every player of a game, as a function of the policies or parameters.

    **Arguments:**

    - `game`: an [`resolvent.games.IteratedGame`][] or a [`resolvent.games.StochasticGame`][]; its
        numbers may be symbols. Or a [`resolvent.games.DifferentiableGame`][].
    - `normalise`: `"average"` for payoff per round, (1 - g) times the discounted sum; `"sum"` for the
        discounted sum itself, in which most shaping papers state their learning rates. A
        differentiable game is played once, and has no sum.

    **Returns:** a [`resolvent.analytic.ClosedForm`][], or of a differentiable game a
    [`resolvent.analytic.DifferentiableForm`][].

    Payoffs are maximised. Nothing is derived until it is asked for.

    **Raises:** `TypeError` for anything but such a game, `ValueError` for another `normalise`.
    """
    if isinstance(game, DifferentiableGame):
        if normalise != "average":
            raise ValueError(
                "normalise: leave it out for a differentiable game, which is played once"
            )
        return DifferentiableForm(game)
    if not isinstance(game, (IteratedGame, StochasticGame)):
        hint = "; call .iterated(discount) on it" if hasattr(game, "iterated") else ""
        raise TypeError(
            "game: expected an IteratedGame, a StochasticGame or a DifferentiableGame, "
            f"got {type(game).__name__}{hint}"
        )
    if normalise not in ("average", "sum"):
        raise ValueError(f'normalise: expected "average" or "sum", got {normalise!r}')
    return ClosedForm(game, normalise)


@dataclass(frozen=True)
class ClosedForm:
    """See [`resolvent.analytic.closed_form`][]. Indices are 0-based: `i`, `j`, `k` are players.

    Policies have one row per observation of their player, `(O_i, A_i)`: per state, where a player sees
    everything. Where the game has symbols left, methods that give numbers take theirs as `symbols`.
    """

    game: DynamicGame
    normalise: Normalise = "average"
    max_terms: int = polynomial.MAX_TERMS
    _saved: serialise.Loaded | None = field(default=None, repr=False, compare=False)

    @property
    def structure(self) -> Structure:
        return structure_of(self.game)

    # What is displayed: the expanded rational function.

    @property
    def policy_symbols(self) -> PolicySymbols:
        """`policy_symbols[i][o][a]`: probability that player i plays a when it observes o; the last
        action's is one minus the others."""
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
        figures = convert(figures_of(self.game), as_sympy)
        deltas = [1 - g for g in figures.discounts]
        policies = self.policy_symbols
        values = symbolic_values(self.structure, policies, figures, deltas, sympy.Integer)
        if self.normalise == "average":
            return tuple(values)
        groups = self.structure.groups
        return tuple(v / deltas[group] for v, group in zip(values, groups, strict=True))

    def numerator(self, i: int) -> sympy.Expr:
        """Numerator of player `i`'s value, over the common `denominator`."""
        return self._expanded.numerator(self._player(i))

    @property
    def denominator(self) -> sympy.Expr:
        """The denominator of every player's value. (Where discounts differ between players, the product
        of their denominators.)"""
        return self._expanded.denominator

    @cached_property
    def _expanded(self) -> Expanded:
        known = None if self._saved is None else self._saved.polynomials
        return Expanded(self.game, self.normalise, self.max_terms, known)

    # Calculus on it.

    def rational(self, i: int) -> RationalFunction:
        """Player `i`'s value as an exact rational function, on which calculus is quick: derivatives,
        series, limits, substitution, factors; see [`resolvent.analytic.RationalFunction`][].

        **Raises:** `TooLargeToExpandError` as `values`.
        """
        return self._expanded.rational(self._player(i))

    def gradient(self, i: int, wrt: int) -> sympy.Matrix:
        """The derivatives of player `i`'s value in player `wrt`'s free probabilities.

        **Returns:** a column of length O (A_wrt - 1), in the order of the parameters: observations, then
        actions but the last. Quotients are not multiplied out; see `rational` for that.
        """
        derive = self._derivatives(i)
        return sympy.Matrix([derive(x) for x in self._free(wrt)])

    def hessian(self, i: int, wrt: tuple[int, int]) -> sympy.Matrix:
        """The mixed second derivatives of player `i`'s value: rows for the free probabilities of
        player `wrt[0]`, columns for those of player `wrt[1]`."""
        derive = self._derivatives(i)
        first, second = (self._free(j) for j in wrt)
        return sympy.Matrix([[derive(x, y) for y in second] for x in first])

    def third(self, i: int, wrt: tuple[int, int, int]) -> sympy.ImmutableDenseNDimArray:
        """The mixed third derivatives of player `i`'s value, one axis for the free probabilities of each
        player of `wrt`: what differentiating through another's shaping step needs."""
        derive = self._derivatives(i)
        first, second, last = (self._free(j) for j in wrt)
        return sympy.ImmutableDenseNDimArray(
            [[[derive(x, y, z) for z in last] for y in second] for x in first]
        )

    def _derivatives(self, i: int) -> Callable[..., sympy.Expr]:
        return quotient_derivatives(self.numerator(i), self.denominator)

    def _free(self, j: int) -> tuple[sympy.Expr, ...]:
        return free_symbols(self.policy_symbols[self._player(j, "wrt")])

    def series(self, i: int, symbol: Any, at: object, order: int) -> tuple[sympy.Expr, ...]:
        """Exact coefficients of player `i`'s value in powers of `symbol` - `at`, from 0 to `order`:
        the `symbol` is one of the policies', or of the game's, or its name."""
        return tuple(own.expr for own in self.rational(i).series(symbol, at, order))

    def limit(self, i: int, symbol: Any, to: object) -> sympy.Expr:
        """The exact limit of player `i`'s value as `symbol` goes to a number (or to `sympy.oo`)."""
        return self.rational(i).limit(symbol, to).expr

    def substitute(self, i: int, mapping: Mapping[Any, object]) -> sympy.Expr:
        """Player `i`'s value with symbols replaced, all at once, in lowest terms."""
        return self.rational(i).substitute(mapping).cancel().expr

    def symmetric(self, i: int = 0) -> sympy.Expr:
        """Player `i`'s value when everybody plays player 1's policy, each from its own view, in lowest
        terms.

        **Raises:** `ValueError` where players do not have the same actions, or do not see everything.
        """
        rows = symmetric_rows(self.game)
        first = self.policy_symbols[0]
        mapping = {
            x: first[row][action]
            for own, order in zip(self.policy_symbols[1:], rows[1:], strict=True)
            for symbols, row in zip(own, order, strict=True)
            for action, x in enumerate(symbols[:-1])
        }
        return self.substitute(i, mapping)

    def factor(self, i: int) -> sympy.Expr:
        """Player `i`'s value with numerator and denominator in irreducible factors."""
        return self.rational(i).factor()

    def latex(self, expanded: bool = False) -> str:
        """The derivation in LaTeX: p0, P, r and the formula; with `expanded` the quotient too."""
        return closed_form_latex(self, expanded)

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    # What is evaluated exactly.

    def evaluate(self, policies: Sequence[Any], symbols: Symbols = None) -> tuple[Fraction, ...]:
        """Exact values of exact policies.

        **Arguments:**

        - `policies`: one `(O_i, A_i)` policy per player, rows of rationals that sum to exactly one.
        - `symbols`: numbers for the symbols of the game, where it has any.

        **Returns:** one `Fraction` per player, in the units of `normalise`.
        """
        game = self._numeric(symbols)
        averages = exact.values(game, check_policies(game, policies, exact=True))
        return tuple(self._scaled(game, average, player) for player, average in enumerate(averages))

    def enclose(
        self, policies: Sequence[Any], bits: int = 53, symbols: Symbols = None
    ) -> tuple[Any, ...]:
        """Rigorous enclosures of the values: one `flint.arb` ball per player that contains it.

        **Arguments:**

        - `policies`: as in `evaluate`, or floats (taken as the binary numbers that they are, the last
            action's probability as one minus the others'), or `flint.arb` balls.
        - `bits`: the relative accuracy wanted, for policies that are not themselves balls.
        """
        game = self._numeric(symbols)
        balls = enclosure.enclose(game, policies, bits)
        if self.normalise == "average":
            return balls
        with flint.ctx.workprec(bits + 64):  # FLINT would round to the precision of its context
            return tuple(
                ball / rational(1 - Fraction(str(g)))
                for ball, g in zip(balls, game.discounts, strict=True)
            )

    def taylor(
        self,
        policies: Sequence[Any],
        direction: Sequence[Any],
        order: int,
        symbols: Symbols = None,
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
        return tuple(
            tuple(self._scaled(game, own, player) for own in row) for player, row in enumerate(rows)
        )

    def occupancy(
        self, policies: Sequence[Any], symbols: Symbols = None, player: int = 0
    ) -> tuple[Fraction, ...]:
        """Exact discounted share of rounds played from each state; sums to one. The discount is that of
        `player`, where they differ."""
        game = self._numeric(symbols)
        checked = check_policies(game, policies, exact=True)
        return exact.occupancy(game, checked, self._player(player, "player"))

    def q_values(
        self, policies: Sequence[Any], player: int, symbols: Symbols = None
    ) -> tuple[tuple[Fraction, ...], ...]:
        """Exact value, for `player`, of meaning to play each own action in each state when everyone
        plays `policies` afterwards: `(S, A_player)`, in the units of `normalise`."""
        game = self._numeric(symbols)
        checked = check_policies(game, policies, exact=True)
        rows = exact.q_values(game, checked, self._player(player, "player"))
        return tuple(tuple(self._scaled(game, own, player) for own in row) for row in rows)

    def _scaled(self, game: DynamicGame, average: Fraction, player: int) -> Fraction:
        if self.normalise == "average":
            return average
        return average / (1 - Fraction(str(game.discounts[player])))

    # The limit of patience.

    def average(
        self,
        policies: Sequence[Any] | None = None,
        *,
        trembling: object = None,
        order: Literal["discount_first", "noise_first"] | None = None,
        symbols: Symbols = None,
    ) -> tuple[Any, ...]:
        """Average payoffs: the limit g -> 1 of the per-round values (whatever `normalise`).

        **Arguments:**

        - `policies`: as in `evaluate`. The limit is right also for deterministic policies and where play
            ends up in one of several sets of states, which then depends on where it begins. Floats give
            floats. None gives expressions in the policies, valid wherever play ends up in one set of
            states (for interior policies at least).
        - `trembling`: noise in the policies, each row becoming (1 - e) row + e tau. A number in (0, 1)
            is e, with tau uniform; `"uniform"`, or a joint policy tau, is the limit e -> 0.
        - `order`: which limit is taken first where the noise vanishes: they do not commute.
            `"discount_first"` (the default) lets g -> 1 at a fixed noise, then e -> 0; `"noise_first"` is
            the limit without noise.

        **Returns:** one number or expression per player.

        **Raises:** `ValueError` for noise without policies, for expressions where play may end up in
        several sets of states even with interior policies, and as `evaluate`.
        """
        if policies is None:
            if trembling is not None or order is not None:
                raise ValueError("trembling, order: expected policies with them, got none")
            return self._expanded.averages
        game = self._numeric(symbols)
        checked = check_policies(game, policies)
        if not isinstance(checked[0], tuple):
            if trembling is not None or order is not None:
                raise ValueError(
                    "policies: expected exact numbers where the hand trembles, got floats"
                )
            return long_run.long_run(game, policies).averages
        return limits.average(game, policies, trembling, order)

    def long_run(self, policies: Sequence[Any], symbols: Symbols = None) -> LongRun:
        """Where play ends up: recurrent classes of states, how likely each is, their stationary
        distributions and averages, the deviation matrix; exact for exact policies."""
        return long_run.long_run(self._numeric(symbols), policies)

    def laurent(
        self, policies: Sequence[Any], order: int, symbols: Symbols = None
    ) -> tuple[tuple[Fraction, ...], ...]:
        """Exact coefficients of the per-round value of each player in powers of 1 - g, from 0 (the
        average payoff) to `order`; of 1 - g to the first power, the bias of where play begins."""
        return long_run.laurent(self._numeric(symbols), policies, order)

    def _numeric(self, symbols: Symbols) -> DynamicGame:
        game = self.game.substitute(symbols) if symbols else self.game
        if game.symbols:
            names = ", ".join(map(str, game.symbols))
            raise ValueError(
                f"symbols: the game still has the symbols {names}; give each a number, "
                "or substitute them first with game.substitute({...})"
            )
        return game

    def _player(self, i: int, argument: str = "i") -> int:
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < self.game.num_players:
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
        average: bool = False,
    ) -> CompiledValue:
        """Values as a JAX function with exact derivatives of any order.

        **Arguments:**

        - `parameters`: `"logits"`, unconstrained, softmax with the last action's logit at 0; or
            `"policies"`, the probabilities of all actions but the last. Either way one
            `(O_i, A_i - 1)` array per player.
        - `backend`: `"program"` runs the elimination on separate scalars (fast, long to compile for
            large games), `"tensor"` on arrays; `"auto"` takes the program up to about 2,000
            predicted operations (see `.program`).
        - `average`: the average payoffs of the limit g -> 1 in the place of discounted values. Policies
            under which play may end up in several sets of states raise an error when they are met.

        **Raises:** `ValueError` where the game has symbols left, or for `average` where even interior
        policies leave several sets of states to end up in; `RuntimeError` where JAX's 64-bit mode is off.
        """
        from resolvent.analytic.value_function import compile_values

        for argument, value, known in (
            ("parameters", parameters, ("logits", "policies")),
            ("backend", backend, ("auto", *BACKENDS)),
        ):
            if value not in known:
                raise ValueError(f"{argument}: expected one of {known}, got {value!r}")
        if average and self.structure.closed_components > 1:
            raise ValueError(
                "average: expected a game in which play ends up in one set of states, got "
                f"{self.structure.closed_components} sets; use .average(policies)"
            )
        if average and self.normalise == "sum":
            raise ValueError('average: expected normalise="average", since sums grow without bound')
        game = self._numeric(None)
        chosen = self.program.backend if backend == "auto" else backend
        return compile_values(game, parameters, chosen, self.normalise, average)

    # What is saved.

    @property
    def value_program(self) -> Program:
        """The straight-line program from policies (player, observation, action; row-major), then the
        game's symbols, to values in the units of `normalise`; its numbers are in it as constants.

        **Raises:** `TooLargeToDeriveError`.
        """
        if self._saved is not None and self._saved.program is not None:
            return self._saved.program
        return own_program(self.game, self.normalise, self.program.values)

    def python(self) -> str:
        """The values as Python source: one function that needs the standard library only, and works
        in floats or exactly.

        **Raises:** `ValueError` where the game has symbols left, `TooLargeToDeriveError`.
        """
        self._numeric(None)
        name = self.game.name or "a game"
        return export.python_source(self.value_program, name=name, **self._exported)

    def c(self, name: str = "resolvent") -> str:
        """The values as C source (C99, no dependencies): `NAME_values(policies, values)`, flat arrays,
        row-major.

        **Raises:** as `python`; `ValueError` for a `name` that is no C identifier.
        """
        self._numeric(None)
        return export.c_source(self.value_program, name=name, **self._exported)

    @property
    def _exported(self) -> dict[str, Any]:
        names = [str(x) for own in self.policy_symbols for row in own for x in row]
        return {"input_names": names, "shapes": self.game.policy_shapes, "header": str(self)}

    def save(self, path: str | Path) -> None:
        """Write the game, and what could be derived of program and polynomials, to a JSON file; see
        the guide for the format. Reading it back (`load`) executes nothing."""
        program = polynomials = None
        with suppress(TooLargeToDeriveError):
            program = self.value_program
        with suppress(polynomial.TooLargeToExpandError):
            polynomials = self._expanded.polynomials
        serialise.write_document(path, self.game, self.normalise, program, polynomials)

    @classmethod
    def load(cls, path: str | Path) -> ClosedForm:
        """Read what `save` wrote.

        **Raises:** `ValueError`, with the name of the field, for anything else, and for a program or
        polynomials that do not belong to the game.
        """
        loaded = serialise.read_document(path)
        serialise.check(loaded)
        return cls(loaded.game, loaded.normalise, _saved=loaded)

    def __str__(self) -> str:
        scale = "per round" if self.normalise == "average" else "discounted sum"
        discount = ", ".join(map(str, figures_of(self.game).discounts))
        return (
            f"closed form of {self.game.name or 'a game'}: {self.game.num_players} players, "
            f"{self.game.num_states} states, discount {discount}, {scale}; {self.program}"
        )


def _check_direction(game: DynamicGame, direction: Sequence[Any]) -> list[list[list[Fraction]]]:
    if len(direction) != game.num_players:
        raise ValueError(
            f"direction: expected one array per player ({game.num_players}), got {len(direction)}"
        )
    checked = []
    for player, own in enumerate(direction):
        rows = [[Fraction(entry) for entry in row] for row in own]
        shape = game.policy_shapes[player]
        if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
            raise ValueError(f"direction[{player}]: expected shape {shape}")
        for label, row in zip(game.observations[player], rows, strict=True):
            if sum(row) != 0:
                raise ValueError(
                    f"direction[{player}], state {label}: expected a row that sums to zero, got {row}"
                )
        checked.append(rows)
    return checked
