"""Differentiable games: what every player gets is a smooth function of the parameters of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from resolvent.games import display
from resolvent.games.expressions import RESERVED, format_smooth, is_symbol_name, smooth
from resolvent.games.names import player_names, require_list
from resolvent.games.rational import entries, shorten
from resolvent.games.record import Record

if TYPE_CHECKING:
    import sympy

Payoffs = Any
"""A sequence of expressions, one per player, or a JAX function `params -> (n,)`."""


@dataclass(frozen=True, init=False, repr=False, eq=False)
class DifferentiableGame(Record):
    """Players choose real parameters, and each gets a smooth function of them all, once.

    Instances are immutable, hashable, and equal if all of their content is (names included;
    expressions compare as SymPy does, by structure, functions by identity).

    **Attributes:**

    - `payoffs`: one SymPy expression per player, which it maximises; None where the game is given by a
        function.
    - `function`: the JAX function `params -> (n,)` of payoffs, where the game is given by one; else
        None.
    - `parameters`: the names of each player's parameters. Player i's parameters are an array of shape
        `(d_i,)` in this order.
    - `players`: the names of the players.
    - `name`: what the game is called, or None.
    - `stated_as`: `"payoffs"`, or `"losses"` if the game is printed (and was stated) by losses;
        `payoffs` and `function` are payoffs either way.
    """

    payoffs: tuple[sympy.Expr, ...] | None
    function: Callable[[Any], Any] | None
    parameters: tuple[tuple[str, ...], ...]
    players: tuple[str, ...]
    name: str | None
    stated_as: Literal["payoffs", "losses"]

    def __init__(
        self,
        payoffs: Payoffs | None = None,
        parameters: Sequence[str | Sequence[str]] = (("x",), ("y",)),
        *,
        losses: Payoffs | None = None,
        players: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        """**Arguments:**

        - `payoffs`: what every player maximises, one entry per player: a SymPy expression, a number, or
            text such as `"2*x - (x + y)**2"` with `+ - * / **`, `pi` and the functions exp, log, sqrt,
            sin, cos, tanh, sigmoid, softmax (whose first argument is the logit of the action that is
            played). Or one JAX function from a tuple with an array of shape `(d_i,)` per player to an
            array of shape `(n,)`; it is not called here.
        - `parameters`: the names of each player's parameters, a sequence per player; a bare string is
            one name. Symbols in the expressions that are not named here are constants.
        - `losses`: what every player minimises, in the place of `payoffs`.
        - `players`: one name per player. The default is 1, 2, ...
        - `name`: what the game is called.

        Raises `ValueError` or `TypeError`, naming the argument, for names that are no identifiers,
        repeated or reserved, a number of expressions that is not the number of players, and
        expressions that are not finite, not real or not in the language.
        """
        if (payoffs is None) == (losses is None):
            raise ValueError("payoffs, losses: expected exactly one of the two")
        stated_as = "payoffs" if losses is None else "losses"
        given = payoffs if losses is None else losses
        names = _parameter_names(parameters)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None; got {shorten(name)}")
        expressions = function = None
        if callable(given):
            function = given if losses is None else _Negated(given)
        else:
            expressions = _expressions(given, stated_as, names)
            if losses is not None:
                expressions = tuple(-own for own in expressions)
        object.__setattr__(self, "payoffs", expressions)
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "parameters", names)
        object.__setattr__(self, "players", player_names(players, len(names)))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "stated_as", stated_as)

    @property
    def num_players(self) -> int:
        """The number of players."""
        return len(self.parameters)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape `(d_i,)` of each player's parameters."""
        return tuple((len(names),) for names in self.parameters)

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The constants that are still symbols, sorted by name; `()` if there are none."""
        if self.payoffs is None:
            return ()
        known = {name for own in self.parameters for name in own}
        found: set[Any] = set().union(*(own.free_symbols for own in self.payoffs))
        return tuple(
            sorted((own for own in found if own.name not in known), key=lambda own: own.name)
        )

    def substitute(self, mapping: Mapping[Any, object]) -> DifferentiableGame:
        """The same game with constants replaced, all at once.

        **Arguments:**

        - `mapping`: SymPy symbols, or their names, to numbers, expressions or text. Symbols that are
            not named stay.

        Raises `ValueError` for a symbol the game does not have (its parameters are none), for a
        division by zero, and for a game given by a function, which has no symbols.
        """
        by_name = {symbol.name: symbol for symbol in self.symbols}
        replacements: dict[Any, Any] = {}
        for key, value in mapping.items():
            name = getattr(key, "name", key)
            if name not in by_name:
                raise ValueError(
                    f"the game has the symbols {', '.join(by_name) or '(none)'}; got {key} to substitute"
                )
            replacements[by_name[name]] = smooth(value, f"the value of {name}")
        if self.payoffs is None:
            return self
        replaced: list[Any] = [own.xreplace(replacements) for own in self.payoffs]
        return self._with(replaced)

    def _with(self, payoffs: Sequence[sympy.Expr]) -> DifferentiableGame:
        """The same game with other payoffs, stated as it was."""
        stated = [-own for own in payoffs] if self.stated_as == "losses" else payoffs
        return DifferentiableGame(
            **{self.stated_as: stated},
            parameters=self.parameters,
            players=self.players,
            name=self.name,
        )

    @property
    def stated(self) -> tuple[sympy.Expr, ...] | None:
        """The expressions as the game was stated: losses where `stated_as` says so."""
        if self.payoffs is None or self.stated_as == "payoffs":
            return self.payoffs
        return tuple(-own for own in self.payoffs)

    def table(self) -> str:
        """One line per player: its name, its parameters, and its payoff or loss."""
        shown = self.stated
        rows = [["player", "chooses", "payoff" if self.stated_as == "payoffs" else "loss"]]
        for player, names in enumerate(self.parameters):
            text = self._function_name if shown is None else format_smooth(shown[player])
            rows.append([self.players[player], ", ".join(names) or "nothing", text])
        return display.aligned(rows)

    def latex(self) -> str:
        """The payoffs or losses as a LaTeX `aligned`, one line per player.

        **Raises:** `ValueError` for a game given by a function.
        """
        shown = self.stated
        if shown is None:
            raise ValueError("a game given by a JAX function has no formula to print")
        letter = "V" if self.stated_as == "payoffs" else "L"
        return formulas(letter, self.parameters, shown)

    def _repr_latex_(self) -> str | None:
        return None if self.payoffs is None else f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        sizes = " + ".join(str(len(names)) for names in self.parameters)
        title = f"{self.name or 'game'} ({self.num_players} players, {sizes} parameters; {self.stated_as})"
        return f"{title}\n{self.table()}"

    def __repr__(self) -> str:
        shown = self.stated
        content = self._function_name if shown is None else [format_smooth(own) for own in shown]
        parts = [
            f"{self.stated_as}={content}",
            f"parameters={self.parameters}",
            f"players={self.players}",
            f"name={self.name!r}",
        ]
        return f"DifferentiableGame({', '.join(parts)})"

    @property
    def _function_name(self) -> str:
        own = self.function
        own = own.function if isinstance(own, _Negated) else own
        return f"<function {getattr(own, '__name__', type(own).__name__)}>"


def formulas(
    letter: str, parameters: Sequence[Sequence[str]], expressions: Sequence[sympy.Expr]
) -> str:
    """`V_1(x, y) = ...` as a LaTeX `aligned`, one line per player."""
    import sympy

    names = ", ".join(sympy.latex(sympy.Symbol(name)) for own in parameters for name in own)
    lines = [
        f"{letter}_{{{player}}}({names}) &= {sympy.latex(own)}"
        for player, own in enumerate(expressions, 1)
    ]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


@dataclass(frozen=True)
class _Negated:
    """The payoffs of a game that is stated by a function of losses."""

    function: Callable[[Any], Any]

    def __call__(self, params: Any) -> Any:
        return -self.function(params)


def _parameter_names(parameters: object) -> tuple[tuple[str, ...], ...]:
    require_list(parameters, "parameters")
    players: Any = parameters
    if not players:
        raise ValueError("parameters must hold one sequence of names per player; got none")
    seen: set[str] = set()
    result: list[tuple[str, ...]] = []
    for player, own in enumerate(players):
        names = (own,) if isinstance(own, str) else own
        require_list(names, f"parameters[{player}]")
        for k, name in enumerate(names):
            where = f"parameters[{player}][{k}]"
            if not is_symbol_name(name):
                raise ValueError(
                    f"{where} must be a name of letters, digits and underscores, and no Python keyword; "
                    f"got {shorten(name)}"
                )
            if name in RESERVED:
                raise ValueError(f"{where} must not be a name of the language; got {name!r}")
            if name in seen:
                raise ValueError(f"parameters must not repeat a name; got {name!r} twice")
            seen.add(name)
        result.append(tuple(names))
    if not seen:
        raise ValueError("parameters must name at least one parameter; got none")
    return tuple(result)


def _expressions(
    given: object, field: str, parameters: tuple[tuple[str, ...], ...]
) -> tuple[sympy.Expr, ...]:
    listed = entries(given)
    if listed is None:
        raise TypeError(
            f"{field} must be one expression per player, or a JAX function; got {shorten(given)}"
        )
    if len(listed) != len(parameters):
        raise ValueError(
            f"{field} must hold one expression per player ({len(parameters)}, as in parameters); "
            f"got {len(listed)}"
        )
    symbols: dict[str, Any] = {}
    for k, own in enumerate(listed):
        for symbol in getattr(own, "free_symbols", ()):
            if symbols.setdefault(symbol.name, symbol) != symbol:
                raise ValueError(
                    f"{field}[{k}] must not use two different symbols of one name; "
                    f"got {symbol.name} with different assumptions"
                )
            if symbol.name in RESERVED:
                raise ValueError(
                    f"{field}[{k}] must not use a name of the language as a symbol; got {symbol.name}"
                )
    return tuple(smooth(own, f"{field}[{k}]") for k, own in enumerate(listed))
