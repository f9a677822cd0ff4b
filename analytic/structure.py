"""What a derivation needs to know of a game: its shape, without its numbers.

Games of one shape (who can do what, what leads where, who sees what) share one derivation and one
compiled program; payoffs, discounts and probabilities are numbers fed to it.

There are two forms. Where the state says what was played, as in a plain iterated game, payoffs are
received on *entering* a state, and the start is left at once and never seen again: payoffs are then
constants of the chain. In general they are received for *acting* in a state, and depend on the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import product
from typing import Any, TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from resolvent.games import DynamicGame, Exact, IteratedGame

Indices: TypeAlias = NDArray[np.int32]

CERTAIN, NEVER = -1, -2
"""In the place of the index of a probability: it is one; it is zero (padding)."""


@dataclass(frozen=True, eq=False)
class Structure:
    """The structure of a game; equal and hashed by content.

    **Attributes:**

    - `num_actions`: actions of each player.
    - `num_rows`: rows of each player's policy, one per observation.
    - `targets`, `chances`: `(S, J, B)`; joint action `a` in state `s` leads to `targets[s, a, b]` with
        the probability number `chances[s, a, b]` of the game's, or `CERTAIN`, or `NEVER`.
    - `rows`, `readings`: per player `(S, C)`; in state `s` the player reads row `rows[s, c]` of its
        policy with the probability number `readings[s, c]`, or `CERTAIN`, or `NEVER`.
    - `trembling`: whether each player's hand trembles.
    - `outcomes`: where payoffs are received on entering, the joint action by which each state but the
        first, the start, is entered; None where they are received for acting.
    - `groups`: players of one number have the same discount.
    """

    num_actions: tuple[int, ...]
    num_rows: tuple[int, ...]
    targets: Indices
    chances: Indices
    rows: tuple[Indices, ...]
    readings: tuple[Indices, ...]
    trembling: tuple[bool, ...]
    outcomes: tuple[int, ...] | None
    groups: tuple[int, ...]

    @cached_property
    def _digest(self) -> bytes:
        head = (self.num_actions, self.num_rows, self.trembling, self.outcomes, self.groups)
        digest = sha256(repr(head).encode())
        for array in (self.targets, self.chances, *self.rows, *self.readings):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
        return digest.digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Structure) and self._digest == other._digest)

    @property
    def num_players(self) -> int:
        return len(self.num_actions)

    @property
    def num_states(self) -> int:
        """States in which somebody acts, the start included."""
        return len(self.targets)

    @property
    def first(self) -> int:
        """The first state of the chain: 1 where the start is not part of it (payoffs on entering)."""
        return 0 if self.outcomes is None else 1

    @property
    def size(self) -> int:
        """States of the chain."""
        return self.num_states - self.first

    @cached_property
    def joint_actions(self) -> tuple[tuple[int, ...], ...]:
        return tuple(product(*map(range, self.num_actions)))

    @cached_property
    def certain(self) -> bool:
        """Whether every joint action leads to one state."""
        return self.targets.shape[2] == 1 and bool((self.chances == CERTAIN).all())

    @cached_property
    def seen(self) -> tuple[bool, ...]:
        """Whether each player sees the state: reads a row of its own in each."""
        states = np.arange(self.num_states)[:, None]
        return tuple(
            rows.shape == states.shape
            and bool((rows == states).all() and (chances == CERTAIN).all())
            for rows, chances in zip(self.rows, self.readings, strict=True)
        )

    @cached_property
    def plainly_read(self) -> tuple[bool, ...]:
        """Whether each player sees the state, and its hand is steady: behaviour is the policy."""
        return tuple(
            sees and not trembles for sees, trembles in zip(self.seen, self.trembling, strict=True)
        )

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs (state, next state) that some joint action connects, sorted."""
        state, joint, branch = np.nonzero(self.chances != NEVER)
        pairs = state * self.num_states + self.targets[state, joint, branch]
        return tuple(
            (int(p) // self.num_states, int(p) % self.num_states) for p in np.unique(pairs)
        )

    @cached_property
    def inner_edges(self) -> tuple[tuple[int, int], ...]:
        """Edges between states of the chain."""
        return tuple((s, t) for s, t in self.edges if s >= self.first)

    @cached_property
    def components(self) -> tuple[tuple[int, ...], ...]:
        """Strongly connected components of the chain, each after all that lead to it; the states
        that nothing leads out of come last."""
        graph = nx.DiGraph(self.inner_edges)
        graph.add_nodes_from(range(self.first, self.num_states))
        condensed = nx.condensation(graph)
        # Among orders that respect the edges, the one that keeps closed components to the end.
        order = nx.lexicographical_topological_sort(
            condensed,
            key=lambda c: (condensed.out_degree(c) == 0, min(condensed.nodes[c]["members"])),
        )
        return tuple(tuple(sorted(condensed.nodes[c]["members"])) for c in order)

    @cached_property
    def closed_components(self) -> int:
        """How many components nothing leads out of: more than one, and the limit of patience depends
        on where play begins, whatever the policies."""
        home = {state: c for c, states in enumerate(self.components) for state in states}
        left = {home[s] for s, t in self.inner_edges if home[s] != home[t]}
        return len(self.components) - len(left)

    @property
    def parameter_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of each player's parameters: a row per observation, a column per action but the
        last."""
        return tuple(
            (rows, count - 1) for rows, count in zip(self.num_rows, self.num_actions, strict=True)
        )


class _Gathered:
    """Probabilities in the order in which they were met, without the number one."""

    def __init__(self) -> None:
        self.numbers: list[Exact] = []

    def index(self, probability: Exact) -> int:
        if probability == 1:
            return CERTAIN
        self.numbers.append(probability)
        return len(self.numbers) - 1

    def table(self, rows: Sequence[Sequence[tuple[int, Exact]]]) -> tuple[Indices, Indices]:
        """Where each row leads and with which probabilities, padded to one width."""
        width = max(map(len, rows))
        targets = np.zeros((len(rows), width), np.int32)
        chances = np.full((len(rows), width), NEVER, np.int32)
        for k, row in enumerate(rows):
            for b, (target, probability) in enumerate(row):
                targets[k, b] = target
                chances[k, b] = self.index(probability)
        return targets, chances


@dataclass(frozen=True)
class Figures:
    """The numbers of a game that its structure leaves open: exact ones, or of another kind (`convert`).

    **Attributes:**

    - `payoffs`: per player, one number per joint action (received on entering), or per state and joint
        action, row-major (received for acting).
    - `discounts`: one per group of players.
    - `transitions`, `readings` (per player): the probabilities that the structure numbers.
    - `initial`: probability of beginning in each state, where payoffs are received for acting.
    - `trembles`: per player, realised actions of intended ones, row-major; empty for a steady hand.
    """

    payoffs: tuple[tuple[Any, ...], ...]
    discounts: tuple[Any, ...]
    transitions: tuple[Any, ...]
    initial: tuple[Any, ...]
    readings: tuple[tuple[Any, ...], ...]
    trembles: tuple[tuple[Any, ...], ...]


@lru_cache(maxsize=64)
def anatomy(game: DynamicGame) -> tuple[Structure, Figures]:
    """A game's structure and the numbers to feed to it."""
    entering = isinstance(game, IteratedGame) and game.initial is None and game.memory > 0
    moves = _Gathered()
    if isinstance(game, IteratedGame):
        targets = np.array(game.successors, np.int32)[:, :, None]
        chances = np.full_like(targets, CERTAIN)
    else:
        flat = [branches for by_state in game.branches for branches in by_state]
        targets, chances = moves.table(flat)
        shape = (game.num_states, len(game.joint_actions), -1)
        targets, chances = targets.reshape(shape), chances.reshape(shape)

    outcomes = None
    if entering:
        entered = np.zeros(game.num_states, np.int32)
        entered[targets[:, :, 0]] = np.arange(len(game.joint_actions))
        outcomes = tuple(map(int, entered[1:]))
        payoffs = tuple(rows[0] for rows in game.rewards)
    else:
        payoffs = tuple(tuple(pay for row in rows for pay in row) for rows in game.rewards)

    read = [_Gathered() for _ in game.players]
    tables = [own.table(rows) for own, rows in zip(read, game.readings, strict=True)]
    discounts = tuple(dict.fromkeys(game.discounts))
    structure = Structure(
        game.num_actions,
        tuple(map(len, game.observations)),
        targets,
        chances,
        tuple(rows for rows, _ in tables),
        tuple(chance for _, chance in tables),
        tuple(own is not None for own in game.trembles),
        outcomes,
        tuple(discounts.index(own) for own in game.discounts),
    )
    figures = Figures(
        payoffs,
        discounts,
        tuple(moves.numbers),
        () if entering else tuple(game.initial_distribution),
        tuple(tuple(own.numbers) for own in read),
        tuple(
            () if own is None else tuple(entry for row in own for entry in row)
            for own in game.trembles
        ),
    )
    return structure, figures


def structure_of(game: DynamicGame) -> Structure:
    return anatomy(game)[0]


def figures_of(game: DynamicGame) -> Figures:
    return anatomy(game)[1]


def convert(figures: Figures, number: Callable[[Exact], Any]) -> Figures:
    """The same figures as numbers of another kind."""

    def own(row: tuple[Exact, ...]) -> tuple[Any, ...]:
        return tuple(map(number, row))

    return Figures(
        tuple(map(own, figures.payoffs)),
        own(figures.discounts),
        own(figures.transitions),
        own(figures.initial),
        tuple(map(own, figures.readings)),
        tuple(map(own, figures.trembles)),
    )


def complements(figures: Figures) -> tuple[Exact, ...]:
    """1 - g, one per group of players."""
    return tuple(Fraction(1) - g if isinstance(g, Fraction) else 1 - g for g in figures.discounts)
