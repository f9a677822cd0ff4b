"""Games in normal form: who plays, what each can do, and what everyone gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from resolvent.games import display
from resolvent.games.names import action_names, player_names
from resolvent.games.rational import (
    Exact,
    ExactNest,
    entries,
    exact_array,
    leaves,
    resolve_mapping,
    shorten,
    substitute_all,
    symbols_in,
)
from resolvent.games.record import Record

if TYPE_CHECKING:
    import sympy

    from resolvent.games.iterated import IteratedGame
    from resolvent.games.monitoring import Signals
    from resolvent.games.observation import Observe
    from resolvent.games.stochastic import StochasticGame

JointAction = tuple[int, ...]

# Beyond this many numbers a repr shows the shape of the payoffs instead of the payoffs.
_LONGEST_REPR = 64


@dataclass(frozen=True, init=False, repr=False, eq=False)
class NormalForm(Record):
    """A finite game in normal form, with exact payoffs. Every player maximises its payoff.

    Instances are immutable, hashable, and equal if all of their content is (names included;
    symbolic payoffs compare as SymPy does, by structure).

    **Attributes:**

    - `payoffs`: nested tuples of shape `(n, A_1, ..., A_n)`; `payoffs[i][a_1]...[a_n]` is what
        player `i` gets.
    - `actions`: the names of each player's actions.
    - `players`: the names of the players.
    - `name`: what the game is called, or None.
    - `stated_as`: `"payoffs"`, or `"losses"` if the game is printed (and was stated) by losses;
        `payoffs` holds payoffs either way.
    """

    payoffs: tuple[Any, ...]
    actions: tuple[tuple[str, ...], ...]
    players: tuple[str, ...]
    name: str | None
    stated_as: Literal["payoffs", "losses"]

    def __init__(
        self,
        payoffs: object,
        actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        players: Sequence[str] | None = None,
        name: str | None = None,
        *,
        stated_as: Literal["payoffs", "losses"] = "payoffs",
    ) -> None:
        """**Arguments:**

        - `payoffs`: nested sequences or an array of shape `(n, A_1, ..., A_n)` whose entries
            [`resolvent.games.exact`][] can read: one matrix per player, each in the same order of
            actions.
        - `actions`: a sequence of names per player, or one sequence of names that all players
            share. The default is a, b, c, ... for everyone.
        - `players`: one name per player. The default is 1, 2, ...
        - `name`: what the game is called.
        - `stated_as`: how the game prints; `payoffs` are payoffs in either case (see
            [`resolvent.games.NormalForm.from_losses`][]).

        Raises `ValueError` or `TypeError`, naming the argument, for ragged or misshapen payoffs,
        entries that are not finite numbers, and names that are empty, repeated or of the wrong
        number.
        """
        outer = entries(payoffs)
        if not outer:
            raise ValueError(
                f"payoffs must have shape (n, A_1, ..., A_n), one array per player; got {shorten(payoffs)}"
            )
        numbers = exact_array(payoffs, "payoffs", depth=len(outer) + 1)
        assert isinstance(numbers, tuple)
        shape = _shape(numbers[0])
        if stated_as not in ("payoffs", "losses"):
            raise ValueError(f'stated_as must be "payoffs" or "losses"; got {shorten(stated_as)}')
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None; got {shorten(name)}")
        symbols_in(leaves(numbers), "payoffs")
        object.__setattr__(self, "payoffs", numbers)
        object.__setattr__(self, "actions", action_names(actions, shape))
        object.__setattr__(self, "players", player_names(players, len(shape)))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "stated_as", stated_as)

    @classmethod
    def from_losses(
        cls,
        losses: object,
        actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        players: Sequence[str] | None = None,
        name: str | None = None,
    ) -> NormalForm:
        """A game stated by losses, which every player minimises. They are negated, and printed as
        losses again.

        **Arguments:** those of [`resolvent.games.NormalForm`][], `losses` of shape `(n, A_1, ...,
        A_n)`.
        """
        depth = len(entries(losses) or ()) + 1
        payoffs = _negated(exact_array(losses, "losses", depth))
        return cls(payoffs, actions, players, name, stated_as="losses")

    @classmethod
    def symmetric(
        cls,
        payoffs: object,
        actions: Sequence[str] | None = None,
        players: Sequence[str] | None = None,
        name: str | None = None,
    ) -> NormalForm:
        """The two-player game in which the players may swap places: player 2's matrix is player
        1's, transposed.

        **Arguments:**

        - `payoffs`: player 1's square matrix, rows for its own action and columns for player 2's.
        - `actions`: the names both players share.
        - `players`, `name`: as in [`resolvent.games.NormalForm`][].
        """
        matrix = _matrix(payoffs)
        if len(matrix) != len(matrix[0]):
            raise ValueError(
                f"payoffs of a symmetric game must be square; got {len(matrix)} x {len(matrix[0])}"
            )
        return cls((matrix, tuple(zip(*matrix, strict=True))), actions, players, name)

    @classmethod
    def zero_sum(
        cls,
        payoffs: object,
        actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        players: Sequence[str] | None = None,
        name: str | None = None,
    ) -> NormalForm:
        """The two-player game in which player 2 loses what player 1 gets.

        **Arguments:**

        - `payoffs`: player 1's matrix, rows for its own action and columns for player 2's.
        - `actions`, `players`, `name`: as in [`resolvent.games.NormalForm`][].
        """
        matrix = _matrix(payoffs)
        return cls((matrix, _negated(matrix)), actions, players, name)

    @property
    def num_players(self) -> int:
        """The number of players."""
        return len(self.actions)

    @property
    def num_actions(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return tuple(len(names) for names in self.actions)

    @cached_property
    def joint_actions(self) -> tuple[JointAction, ...]:
        """All joint actions, as tuples of action indices, row-major: CC, CD, DC, DD. The last
        player varies fastest."""
        return tuple(product(*(range(number) for number in self.num_actions)))

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols in the payoffs, sorted by name; `()` if all payoffs are numbers."""
        return symbols_in(leaves(self.payoffs), "payoffs")

    def payoff(self, joint: Sequence[int]) -> tuple[Exact, ...]:
        """What each player gets when the joint action `joint`, one action index per player, is
        played."""
        if len(joint) != self.num_players:
            raise ValueError(
                f"joint must hold one action index per player ({self.num_players}); got {shorten(joint)}"
            )
        for player, (action, number) in enumerate(zip(joint, self.num_actions, strict=True)):
            if not 0 <= action < number:
                raise ValueError(
                    f"joint[{player}] must be an action index from 0 to {number - 1}; got {action}"
                )
        result: list[Exact] = []
        for cell in self.payoffs:
            for action in joint:
                cell = cell[action]
            result.append(cell)
        return tuple(result)

    def substitute(self, mapping: Mapping[Any, object]) -> NormalForm:
        """The game with symbols replaced, all at once.

        **Arguments:**

        - `mapping`: SymPy symbols, or their names, to numbers or expressions. Symbols that are not
            named stay.

        Raises `ValueError` for a symbol the game does not have and for a division by zero.
        """
        resolved = resolve_mapping(mapping, self.symbols, "the game")

        return NormalForm(
            substitute_all(self.payoffs, resolved, "payoffs"),
            self.actions,
            self.players,
            self.name,
            stated_as=self.stated_as,
        )

    def iterated(
        self,
        discount: object,
        memory: int | Sequence[int] = 1,
        observe: Observe | Sequence[Observe] = None,
        *,
        initial: object = None,
        implementation_noise: object = None,
        observation_noise: object = None,
    ) -> IteratedGame:
        """This game, played round after round.

        **Arguments:** those of [`resolvent.games.IteratedGame`][]; the first two are

        - `discount`: the discount factor in [0, 1), exact as in [`resolvent.games.exact`][], or a
            symbol; or one per player.
        - `memory`: how many past rounds the players condition on, or one number per player.
        """
        from resolvent.games.iterated import IteratedGame

        return IteratedGame(
            self,
            discount,
            memory,
            observe,
            initial=initial,
            implementation_noise=implementation_noise,
            observation_noise=observation_noise,
        )

    def monitored(
        self, discount: object, signals: Signals, memory: int = 1, initial: object = None
    ) -> StochasticGame:
        """This game, played round after round by players who see signals of what was played.

        States are `start`, then the histories of the profiles of signals of the last `memory`
        rounds; each player observes its own signals only. Payoffs are those of the joint action.

        **Arguments:**

        - `discount`: the discount factor in [0, 1), or a sequence with one per player.
        - `signals`: the [`resolvent.games.Signals`][] that follow each joint action.
        - `memory`: how many past signals the players condition on.
        - `initial`: None if play begins in `start`; otherwise as in
            [`resolvent.games.IteratedGame`][], over the histories of full length.
        """
        from resolvent.games.monitoring import monitored_game

        return monitored_game(self, discount, signals, memory, initial)

    def table(self) -> str:
        """The payoffs as text: a bimatrix for two players, otherwise one line per joint action."""
        return display.text(self)

    def latex(self) -> str:
        """The payoffs as a LaTeX `array`, laid out as [`resolvent.games.NormalForm.table`][]
        does."""
        return display.latex(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __str__(self) -> str:
        shape = " x ".join(str(number) for number in self.num_actions)
        title = (
            f"{self.name or 'game'} ({self.num_players} players, {shape} actions; {self.stated_as})"
        )
        return f"{title}\n{self.table()}"

    def __repr__(self) -> str:
        small = self.num_players * prod(self.num_actions) <= _LONGEST_REPR
        payoffs = display.nested(self.payoffs) if small else f"<payoffs of shape {self._shape}>"
        parts = [
            payoffs,
            f"actions={self.actions}",
            f"players={self.players}",
            f"name={self.name!r}",
        ]
        if self.stated_as != "payoffs":
            parts.append(f"stated_as={self.stated_as!r}")
        return f"NormalForm({', '.join(parts)})"

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self.num_players, *self.num_actions)


def _shape(nest: ExactNest) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(nest, tuple):
        shape.append(len(nest))
        nest = nest[0]
    return tuple(shape)


def _negated(nest: ExactNest) -> ExactNest:
    return tuple(_negated(child) for child in nest) if isinstance(nest, tuple) else -nest


def _matrix(payoffs: object) -> tuple[tuple[Exact, ...], ...]:
    matrix: Any = exact_array(payoffs, "payoffs", depth=2)
    return matrix
