"""Iterated games: a normal form played round after round, and the histories that players condition
on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from resolvent.games.normal_form import JointAction, NormalForm
from resolvent.games.rational import (
    Exact,
    exact,
    leaves,
    resolve_mapping,
    shorten,
    substitute,
    symbols_in,
)

if TYPE_CHECKING:
    import sympy

History = tuple[JointAction, ...]


@dataclass(frozen=True, init=False, repr=False)
class IteratedGame:
    """A stage game repeated for ever, with discounted payoffs, among players who remember the last
    rounds.

    The state is what the players remember: nothing yet (`start`), then the joint actions of the
    last `memory` rounds, oldest first. States are ordered shorter histories first, and row-major
    among histories of a length, so that with two actions and memory one they are start, CC, CD, DC,
    DD. The order is the same for every player (the absolute view; see
    [`resolvent.games.own_view`][]).

    Instances are immutable, hashable, and equal if all of their content is.

    **Attributes:**

    - `stage`: the [`resolvent.games.NormalForm`][] played in each round.
    - `discount`: the discount factor, a `Fraction` in [0, 1) or a SymPy expression.
    - `memory`: how many past rounds a policy conditions on. 0 is the one-shot game: the only state
        is start.
    """

    stage: NormalForm
    discount: Exact
    memory: int

    def __init__(self, stage: NormalForm, discount: object, memory: int = 1) -> None:
        """**Arguments:**

        - `stage`: the game of each round.
        - `discount`: the discount factor in [0, 1), exact as in [`resolvent.games.exact`][]
            (`"24/25"`, or a `float` at its shortest decimal form), or a SymPy expression. The limit
            of 1 is not a discount: it is asked for separately, where the values are.
        - `memory`: how many past rounds the players remember, an integer from 0 up.

        Raises `TypeError` or `ValueError`, naming the argument.
        """
        if not isinstance(stage, NormalForm):
            raise TypeError(f"stage must be a NormalForm; got {shorten(stage)}")
        number = exact(discount, "discount")
        if isinstance(number, Fraction) and not 0 <= number < 1:
            raise ValueError(f"discount must be in [0, 1); got {number}")
        if isinstance(memory, bool) or not isinstance(memory, int):
            raise TypeError(f"memory must be an integer; got {shorten(memory)}")
        if memory < 0:
            raise ValueError(f"memory must not be negative; got {memory}")
        symbols_in((*leaves(stage.payoffs), number), "payoffs and discount")
        object.__setattr__(self, "stage", stage)
        object.__setattr__(self, "discount", number)
        object.__setattr__(self, "memory", memory)

    @property
    def name(self) -> str | None:
        """The name of the stage game."""
        return self.stage.name

    @property
    def num_players(self) -> int:
        """The number of players."""
        return self.stage.num_players

    @property
    def num_actions(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return self.stage.num_actions

    @property
    def num_states(self) -> int:
        """The number of states, start included: the number of rows of every player's policy."""
        return len(self.histories)

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols in payoffs and discount, sorted by name; `()` if all are numbers."""
        return symbols_in((*leaves(self.stage.payoffs), self.discount), "payoffs and discount")

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """What is remembered in each state: tuples of joint actions (tuples of action indices),
        oldest round first."""
        joint_actions = self.stage.joint_actions
        return tuple(
            history
            for length in range(self.memory + 1)
            for history in product(joint_actions, repeat=length)
        )

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The names of the states: `start`, then `CC`, `CD`, ...

        Action names of one character are joined directly, longer ones with commas; successive
        rounds are joined with full stops.
        """
        actions = self.stage.actions
        joiner = "" if all(len(name) == 1 for names in actions for name in names) else ","

        def describe(joint: JointAction) -> str:
            return joiner.join(names[action] for names, action in zip(actions, joint, strict=True))

        names = tuple(
            ".".join(describe(joint) for joint in history) if history else "start"
            for history in self.histories
        )
        if len(set(names)) < len(names):
            raise ValueError("actions must have names that tell the states apart, without , and .")
        return names

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """`successors[s][k]` is the index of the state that follows state `s` when the `k`-th joint
        action is played.

        Joint actions are in the order of [`resolvent.games.NormalForm.joint_actions`][].
        """
        index = {history: state for state, history in enumerate(self.histories)}
        # history[-0:] would be all of it, hence the explicit count of the rounds to drop.
        return tuple(
            tuple(
                index[(*history, joint)[max(0, len(history) + 1 - self.memory) :]]
                for joint in self.stage.joint_actions
            )
            for history in self.histories
        )

    def substitute(self, mapping: Mapping[Any, object]) -> IteratedGame:
        """The game with symbols replaced, all at once, in payoffs and discount.

        **Arguments:**

        - `mapping`: SymPy symbols, or their names, to numbers or expressions. Symbols that are not
            named stay.

        Raises `ValueError` for a symbol the game does not have, a division by zero, or a discount
        outside [0, 1).
        """
        resolved = resolve_mapping(mapping, self.symbols, "the game")
        in_stage = {
            symbol: value for symbol, value in resolved.items() if symbol in self.stage.symbols
        }
        discount = substitute(self.discount, resolved, "discount")
        return IteratedGame(self.stage.substitute(in_stage), discount, self.memory)

    def __repr__(self) -> str:
        discount = (
            repr(str(self.discount)) if isinstance(self.discount, Fraction) else str(self.discount)
        )
        return f"IteratedGame({self.stage!r}, discount={discount}, memory={self.memory})"

    def __str__(self) -> str:
        rounds = "one round" if self.memory == 1 else f"{self.memory} rounds"
        return f"iterated {self.stage}\ndiscount {self.discount}, memory of {rounds}, {self.num_states} states"
