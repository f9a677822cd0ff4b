"""What a derivation needs to know of a game: its shape, without its payoffs.

Games of one shape (the same numbers of actions and the same memory) share one derivation and one
compiled program; payoffs and discount are numbers fed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

from resolvent.games import IteratedGame


@dataclass(frozen=True)
class Structure:
    """The transition structure of an iterated game.

    **Attributes:**

    - `num_actions`: actions of each player.
    - `successors`: `successors[s][a]` is the state that follows state `s` (0 is the start) under the
      joint action number `a` (row-major).
    """

    num_actions: tuple[int, ...]
    successors: tuple[tuple[int, ...], ...]

    @property
    def num_players(self) -> int:
        return len(self.num_actions)

    @property
    def num_states(self) -> int:
        """States, the start included."""
        return len(self.successors)

    @cached_property
    def joint_actions(self) -> tuple[tuple[int, ...], ...]:
        return tuple(product(*map(range, self.num_actions)))

    @cached_property
    def outcomes(self) -> tuple[int, ...]:
        """The joint action by which each state but the start is entered."""
        entered = {t: a for row in self.successors for a, t in enumerate(row)}
        return tuple(entered[state] for state in range(1, self.num_states))

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Pairs (state, next state) that some joint action connects, sorted."""
        return tuple(sorted({(s, t) for s, row in enumerate(self.successors) for t in row}))

    @property
    def parameter_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape of each player's parameters: a row per state, a column per action but the last."""
        return tuple((self.num_states, count - 1) for count in self.num_actions)


@lru_cache
def structure_of(game: IteratedGame) -> Structure:
    return Structure(game.num_actions, game.successors)
