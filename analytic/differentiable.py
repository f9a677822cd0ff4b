r"""The payoffs of a differentiable game as formulas: differentiated, evaluated exactly, compiled.

$$ \nabla_{ij} = \frac{\partial V_i}{\partial \theta_j}, \qquad
   \xi = (\nabla_{11}, \dots, \nabla_{nn}), \qquad J = \frac{\partial \xi}{\partial \theta} $$

V are payoffs, which are maximised. For a game stated by losses L = -V the simultaneous gradient of the
literature is $-\xi$ and its Jacobian, there called H, is $-J$.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy

from resolvent.games import DifferentiableGame, Exact
from resolvent.games.differentiable import formulas
from resolvent.games.expressions import smooth

if TYPE_CHECKING:
    from resolvent.analytic.differentiable_value import DifferentiableValue

Symbols = Mapping[Any, object] | None


@dataclass(frozen=True)
class ExactQuadratic:
    r"""Exact coefficients of $V_i(z) = c_i + b_i^\top z + z^\top Q_i z / 2$, where z is the parameters of
    all players in order.

    **Attributes:**

    - `matrices`: $Q_i$, one symmetric `(d, d)` matrix per player.
    - `vectors`: $b_i$, one `(d, 1)` column per player.
    - `constants`: $c_i$, one number or expression per player.
    """

    matrices: tuple[sympy.ImmutableMatrix, ...]
    vectors: tuple[sympy.ImmutableMatrix, ...]
    constants: tuple[sympy.Expr, ...]


@dataclass(frozen=True)
class DifferentiableForm:
    """The formulas of a differentiable game; see [`resolvent.analytic.closed_form`][].

    Indices are 0-based: `i`, `j`, `k` are players. A game given by a JAX function has no formulas:
    `compile` works, and everything else raises `ValueError`. Constants that are still symbols stay in
    the formulas; methods that give numbers take theirs as `symbols`.
    """

    game: DifferentiableGame

    @property
    def values(self) -> tuple[sympy.Expr, ...]:
        """One payoff per player, in the symbols of `parameter_symbols`."""
        if self.game.payoffs is None:
            raise ValueError(
                f"game: expected one with formulas, but {self.game.name or 'this game'} is given by a "
                "JAX function; use compile(), whose derivatives are exact too"
            )
        return self.game.payoffs

    @property
    def parameter_symbols(self) -> tuple[tuple[sympy.Symbol, ...], ...]:
        """`parameter_symbols[i][k]`: the k-th parameter of player i."""
        return tuple(tuple(map(sympy.Symbol, names)) for names in self.game.parameters)

    def gradient(self, i: int, wrt: int) -> sympy.Matrix:
        """The derivatives of player `i`'s payoff in player `wrt`'s parameters, a column."""
        value = self.values[self._player(i)]
        own = self.parameter_symbols[self._player(wrt, "wrt")]
        return sympy.Matrix(len(own), 1, [value.diff(x) for x in own])

    def hessian(self, i: int, wrt: tuple[int, int]) -> sympy.Matrix:
        """The mixed second derivatives of player `i`'s payoff: rows for the parameters of player
        `wrt[0]`, columns for those of player `wrt[1]`."""
        columns = self.parameter_symbols[self._player(wrt[1], "wrt")]
        return self.gradient(i, wrt[0]).jacobian(columns)

    def joint_gradient(self) -> sympy.Matrix:
        r"""$\xi$: the derivatives of every player's payoff in its own parameters, one column of all
        parameters in order. Losses: its negative is the simultaneous gradient."""
        return sympy.Matrix.vstack(*(self.gradient(i, i) for i in range(self.game.num_players)))

    def jacobian(self) -> sympy.Matrix:
        r"""$J = \partial \xi / \partial \theta$, `(d, d)` for d parameters in all; block row i belongs to
        player i's own payoff. Losses: the literature's H is its negative."""
        return self.joint_gradient().jacobian(self._all)

    def quadratic(self) -> ExactQuadratic:
        """The exact coefficients of payoffs that are quadratic in the parameters of all.

        **Raises:** `ValueError` where second derivatives depend on parameters.
        """
        z = self._all
        zero = dict.fromkeys(z, sympy.Integer(0))
        matrices: list[sympy.ImmutableMatrix] = []
        vectors: list[sympy.ImmutableMatrix] = []
        for player, value in enumerate(self.values):
            gradient = [value.diff(x) for x in z]
            second = [[sympy.expand(own.diff(x)) for x in z] for own in gradient]
            depends = {x for row in second for own in row for x in own.free_symbols} & set(z)
            if depends:
                names = ", ".join(sorted(map(str, depends)))
                raise ValueError(
                    f"game: expected quadratic payoffs, but the second derivatives of player "
                    f"{player + 1}'s depend on {names}; compile() works for any payoffs"
                )
            matrices.append(sympy.ImmutableMatrix(second))
            vectors.append(sympy.ImmutableMatrix([own.xreplace(zero) for own in gradient]))
        constants: tuple[Any, ...] = tuple(value.xreplace(zero) for value in self.values)
        return ExactQuadratic(tuple(matrices), tuple(vectors), constants)

    def evaluate(self, params: Sequence[Any], symbols: Symbols = None) -> tuple[Exact, ...]:
        """Exact payoffs at exact parameters.

        **Arguments:**

        - `params`: one sequence of d_i numbers per player, read as in [`resolvent.games.exact`][], or
            exact SymPy numbers such as `log(3)`.
        - `symbols`: numbers for the constants that are still symbols.

        **Returns:** one `Fraction` per player where the payoff is rational, and an exact SymPy number
        where it is not.

        **Raises:** `ValueError` for parameters of the wrong number, symbols left, and a payoff that is
        not finite or not real there.
        """
        game = self._numeric(symbols)
        if len(params) != game.num_players:
            raise ValueError(
                f"params: expected one sequence per player ({game.num_players}), got {len(params)}"
            )
        point: dict[Any, Any] = {}
        for player, (own, names) in enumerate(zip(params, game.parameters, strict=True)):
            if isinstance(own, str) or not hasattr(own, "__len__") or len(own) != len(names):
                raise ValueError(
                    f"params[{player}]: expected {len(names)} numbers ({', '.join(names)}), got {own!r}"
                )
            for k, name in enumerate(names):
                number = smooth(own[k], f"params[{player}][{k}]")
                if not number.is_number:
                    raise ValueError(f"params[{player}][{k}]: expected a number, got {number}")
                point[sympy.Symbol(name)] = number
        return tuple(
            _settled(value, point, player)
            for player, value in enumerate(DifferentiableForm(game).values)
        )

    def latex(self) -> str:
        """The payoffs in LaTeX, one line per player."""
        return formulas("V", self.game.parameters, self.values)

    def _repr_latex_(self) -> str | None:
        return None if self.game.payoffs is None else f"$$\n{self.latex()}\n$$"

    def compile(self) -> DifferentiableValue:
        """The payoffs as a value function in JAX, with exact derivatives of any order.

        **Raises:** `ValueError` where constants are still symbols or not within float64, and where a
        JAX function does not return one payoff per player; `RuntimeError` where JAX's 64-bit mode is
        off.
        """
        from resolvent.analytic.differentiable_value import compile_game

        return compile_game(self._numeric(None))

    def __str__(self) -> str:
        return f"closed form of {self.game}"

    @cached_property
    def _all(self) -> list[sympy.Symbol]:
        return [x for own in self.parameter_symbols for x in own]

    def _numeric(self, symbols: Symbols) -> DifferentiableGame:
        game = self.game.substitute(symbols) if symbols else self.game
        if game.symbols:
            names = ", ".join(map(str, game.symbols))
            raise ValueError(
                f"symbols: the game still has the symbols {names}; give each a number with "
                "game.substitute({...})"
            )
        return game

    def _player(self, i: int, argument: str = "i") -> int:
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < self.game.num_players:
            raise ValueError(
                f"{argument}: expected a player from 0 to {self.game.num_players - 1}, got {i!r}"
            )
        return i


def _settled(formula: sympy.Expr, point: Mapping[Any, Any], player: int) -> Exact:
    """A value at a point: a `Fraction` where it is rational."""
    value: Any = formula.xreplace(point)
    if not value.is_Rational:
        value = sympy.simplify(value)
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    if value.has(sympy.zoo, sympy.nan, sympy.oo) or value.is_real is False:
        raise ValueError(
            f"params: player {player + 1}'s payoff is {value} there, not a finite number"
        )
    return value
