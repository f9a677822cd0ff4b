"""Imperfect monitoring: players who do not see what was played, but signals of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from resolvent.games import display
from resolvent.games.chances import (
    ONE,
    Distribution,
    multiply,
    read_discounts,
    read_initial,
    read_matrix,
)
from resolvent.games.histories import (
    History,
    Round,
    all_histories,
    history_name,
    in_names,
    joiner,
    read_memory,
    successor_rows,
)
from resolvent.games.names import check_names, require_list
from resolvent.games.normal_form import NormalForm
from resolvent.games.observation import noisy_readings, read_misreadings
from resolvent.games.rational import Exact, entries, leaves, shorten, symbols_in
from resolvent.games.record import Record
from resolvent.games.stochastic import StochasticGame, assemble

if TYPE_CHECKING:
    import sympy


_ZERO = Fraction(0)

# Signals of misread joint actions are a table with this many columns at most.
_MOST_PROFILES = 10**5


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Signals(Record):
    """What players see of what was played: after each round every player gets a signal of its own,
    drawn jointly given the joint action (Abreu, Pearce and Stacchetti, Econometrica 1990, for
    public signals).

    A player's signal is all that it remembers of a round. If it is to remember its own action, its
    signal must contain it.

    **Attributes:**

    - `names`: the names of each player's signals.
    - `probabilities`: one row for each joint action (row-major), with one probability for each
        profile of signals (row-major in `names`, the last player's signal varying fastest).
    """

    names: tuple[tuple[str, ...], ...]
    probabilities: tuple[tuple[Exact, ...], ...]

    def __init__(self, names: Sequence[Sequence[str]], probabilities: object) -> None:
        """**Arguments:**

        - `names`: one sequence of names per player.
        - `probabilities`: a row-stochastic matrix, one row per joint action and one column per
            profile of signals; exact numbers, or symbols.
        """
        require_list(names, "names")
        if not names:
            raise ValueError("names must hold one sequence of names per player; got none")
        for player, own in enumerate(names):
            require_list(own, f"names[{player}]")
            check_names(own, f"names[{player}]", max(1, len(own)), "at least one name")
        rows = entries(probabilities)
        if not rows:
            raise ValueError(
                f"probabilities must hold one row per joint action; got {shorten(probabilities)}"
            )
        columns = prod(len(own) for own in names)
        matrix = read_matrix(rows, len(rows), columns, "probabilities")
        symbols_in(leaves(matrix), "probabilities")
        object.__setattr__(self, "names", tuple(tuple(own) for own in names))
        object.__setattr__(self, "probabilities", matrix)

    @classmethod
    def public(cls, names: Sequence[str], probabilities: object, num_players: int = 2) -> Signals:
        """Signals that everybody sees alike.

        **Arguments:**

        - `names`: the names of the public signals.
        - `probabilities`: one row per joint action, one column per public signal.
        - `num_players`: how many players see them.
        """
        if isinstance(num_players, bool) or not isinstance(num_players, int) or num_players < 1:
            raise ValueError(f"num_players must be a positive integer; got {shorten(num_players)}")
        require_list(names, "names")
        check_names(names, "names", max(1, len(names)), "at least one name")
        rows = entries(probabilities) or ()
        matrix = read_matrix(probabilities, len(rows), len(names), "probabilities")
        # Only the profiles on the diagonal, in which all players get the same signal, can happen.
        step = sum(len(names) ** player for player in range(num_players))
        wide: list[list[Exact]] = []
        for row in matrix:
            wide.append([_ZERO] * len(names) ** num_players)
            for k, p in enumerate(row):
                wide[-1][k * step] = p
        return cls([names] * num_players, wide)

    @classmethod
    def misread(cls, stage: NormalForm, observation_noise: object) -> Signals:
        """Everybody sees the joint action, but each player misreads the others' actions as with the
        `observation_noise` of [`resolvent.games.IteratedGame`][]. Unlike there, a misperception is
        remembered for as long as the player's memory is.

        **Arguments:**

        - `stage`: the game of each round, whose joint actions the signals are named by.
        - `observation_noise`: a number, or a sequence with one entry per player.
        """
        if not isinstance(stage, NormalForm):
            raise TypeError(f"stage must be a NormalForm; got {shorten(stage)}")
        number = stage.num_players
        if len(stage.joint_actions) ** number > _MOST_PROFILES:
            raise ValueError(
                f"stage must have at most {_MOST_PROFILES} profiles of perceived joint actions; "
                f"got {len(stage.joint_actions)} to the power {number}"
            )
        misreadings = read_misreadings(observation_noise, stage.num_actions, (1,) * number)
        histories = tuple((joint,) for joint in stage.joint_actions)
        order = range(len(histories))
        exactly = (None,) * number
        seen = [
            noisy_readings(order, histories, exactly if own is None else own, stage.num_actions)
            for own in misreadings
        ]
        rows: list[list[Exact]] = []
        for k in order:
            row: list[Exact] = [ONE]
            for own in seen:
                chances = dict(own[k])
                row = [
                    multiply(p, chances[j]) if j in chances else _ZERO for p in row for j in order
                ]
            rows.append(row)
        between = joiner(stage.actions)
        names = [history_name(in_names(own, stage.actions), between) for own in histories]
        return cls([names] * number, rows)

    @property
    def num_players(self) -> int:
        """The number of players who get signals."""
        return len(self.names)

    @cached_property
    def profiles(self) -> tuple[tuple[int, ...], ...]:
        """The profiles of signals, row-major, that can happen after some joint action."""
        every = product(*(range(len(own)) for own in self.names))
        columns = zip(*self.probabilities, strict=True)
        return tuple(
            profile
            for profile, column in zip(every, columns, strict=True)
            if any(p != 0 for p in column)
        )

    @cached_property
    def chances(self) -> tuple[Distribution, ...]:
        """For each joint action the pairs (index in `profiles`, probability), none of them 0."""
        possible = [
            column
            for column in zip(*self.probabilities, strict=True)
            if any(p != 0 for p in column)
        ]
        return tuple(
            tuple((k, p) for k, p in enumerate(row) if p != 0)
            for row in zip(*possible, strict=True)
        )

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols in the probabilities, sorted by name."""
        return symbols_in(leaves(self.probabilities), "probabilities")

    def __repr__(self) -> str:
        rows = display.literal(self.probabilities)
        shown = rows if len(rows) <= 400 else f"<{len(self.probabilities)} rows>"
        return f"Signals({self.names}, {shown})"


def monitored_game(
    stage: NormalForm, discount: object, signals: Signals, memory: int, initial: object
) -> StochasticGame:
    """See [`resolvent.games.NormalForm.monitored`][]."""
    number = stage.num_players
    discounts = read_discounts(discount, number)
    if not isinstance(signals, Signals):
        raise TypeError(f"signals must be Signals; got {shorten(signals)}")
    if signals.num_players != number:
        raise ValueError(f"signals must be for {number} players; got {signals.num_players}")
    if len(signals.probabilities) != len(stage.joint_actions):
        raise ValueError(
            f"signals must have one row of probabilities per joint action ({len(stage.joint_actions)}); "
            f"got {len(signals.probabilities)}"
        )
    rounds_kept = read_memory(memory, "memory")
    if initial is not None and rounds_kept == 0:
        raise ValueError("initial needs a memory of at least one round; got 0")
    histories = all_histories(signals.profiles, rounds_kept, initial is None)
    states = _distinct([_state_name(history, signals.names) for history in histories])
    first = {states[0]: 1} if initial is None else initial
    observed = [_own_histories(signals, player, histories, rounds_kept) for player in range(number)]
    rows = (tuple(leaves(payoffs)) for payoffs in stage.payoffs)
    game = assemble(
        name=stage.name,
        players=stage.players,
        actions=stage.actions,
        states=states,
        discounts=discounts,
        initial=read_initial(first, states),
        rewards=tuple((row,) * len(states) for row in rows),
        branches=_branches(signals, histories, rounds_kept),
        observations=tuple(labels for labels, _ in observed),
        readings=tuple(readings for _, readings in observed),
    )
    _ = game.symbols  # two symbols of one name are an error of the arguments
    return game


def _branches(
    signals: Signals, histories: Sequence[History], memory: int
) -> tuple[tuple[Distribution, ...], ...]:
    if memory == 0:
        return ((((0, ONE),),) * len(signals.probabilities),)
    successors = successor_rows(histories, signals.profiles, memory)
    rows: dict[int, tuple[Distribution, ...]] = {}
    for own in successors:
        if id(own) not in rows:
            rows[id(own)] = tuple(
                tuple((own[profile], p) for profile, p in chances) for chances in signals.chances
            )
    return tuple(rows[id(own)] for own in successors)


def _own_histories(
    signals: Signals, player: int, histories: Sequence[History], memory: int
) -> tuple[tuple[str, ...], tuple[Distribution, ...]]:
    """What a player observes: the histories of its own signals, in the order of their names."""
    possible: list[Round] = [(own,) for own in sorted({p[player] for p in signals.profiles})]
    own_histories = all_histories(possible, memory, len(histories[0]) == 0)
    names = [signals.names[player]]
    labels = _distinct([history_name(in_names(own, names), "") for own in own_histories])
    index = {own: k for k, own in enumerate(own_histories)}
    readings = (index[tuple((profile[player],) for profile in history)] for history in histories)
    return labels, tuple(((k, ONE),) for k in readings)


def _state_name(history: History, names: Sequence[Sequence[str]]) -> str:
    """A signal that all players share is named once."""
    rounds = in_names(history, names)
    return history_name([own[:1] if len(set(own)) == 1 else own for own in rounds], between="/")


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("signals must have names that tell the states apart, without / and .")
    return tuple(names)
