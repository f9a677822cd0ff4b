"""Several equilibria of one game: what was found, and whether that is all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, overload

from resolvent.numeric.equilibrium.arrays import Game
from resolvent.numeric.equilibrium.equilibrium import Equilibrium

Mixed = tuple[Fraction, ...]


class NashSubset(NamedTuple):
    """Strategies that may be exchanged: every mixture of `first` against every mixture of `second` is an
    equilibrium, and no vertex of either polytope can be added."""

    first: tuple[Mixed, ...]
    second: tuple[Mixed, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Equilibria(Sequence[Equilibrium]):
    """The equilibria that a method found, as a sequence.

    **Fields:**

    - `game`: what is played.
    - `equilibria`: the distinct ones, each verified.
    - `method`: how they were found.
    - `complete`: whether it is certain that there are no others, but those that `components` spans.
    - `note`: what is certain, in words.
    - `components`: of a game of two players, where all extreme equilibria are known: the connected
        components of the set of all equilibria, each a tuple of maximal Nash subsets that overlap. A component
        of one pair is an isolated equilibrium. `None` elsewhere.
    - `indices`: of each equilibrium, 1 or -1 if it is regular, `None` where it is not or not known.
    - `lost`: how many starts of a search arrived at no equilibrium.
    """

    game: Game
    equilibria: tuple[Equilibrium, ...]
    method: str
    complete: bool
    note: str
    components: tuple[tuple[NashSubset, ...], ...] | None = None
    indices: tuple[int | None, ...] | None = None
    lost: int = 0

    def __len__(self) -> int:
        return len(self.equilibria)

    def __iter__(self) -> Iterator[Equilibrium]:
        return iter(self.equilibria)

    @overload
    def __getitem__(self, index: int) -> Equilibrium: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Equilibrium, ...]: ...

    def __getitem__(self, index: int | slice) -> Equilibrium | tuple[Equilibrium, ...]:
        return self.equilibria[index]

    def summary(self) -> str:
        """What was found, to read: one line per equilibrium."""
        count = len(self.equilibria)
        title = (
            f"{self.game.name or 'a game'}: {count} {'equilibrium' if count == 1 else 'equilibria'}"
        )
        title += f" by {self.method}; {self.note}"
        if self.lost:
            title += f"; {self.lost} {'start' if self.lost == 1 else 'starts'} arrived at none"
        lines = [title]
        for k, own in enumerate(self.equilibria):
            policies = "   ".join(_policy(policy) for policy in own.policies)
            sign = None if self.indices is None else self.indices[k]
            index = "" if sign is None else f"   index {sign:+d}"
            lines.append(f"  {policies}{index}   regret {_number(own.regret.nash)}")
        if self.components is not None:
            isolated = sum(_size(own) == 1 for own in self.components)
            lines.append(
                f"  {len(self.components)} components, {isolated} of them single equilibria"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Equilibria({self.game.name}, {len(self.equilibria)} by {self.method})"


def _size(component: tuple[NashSubset, ...]) -> int:
    return sum(len(own.first) * len(own.second) for own in component)


def _policy(policy: Any) -> str:
    return " ".join("(" + ", ".join(_number(p) for p in row) + ")" for row in policy)


def _number(value: Any) -> str:
    return str(value) if isinstance(value, (Fraction, int)) else f"{float(value):.4g}"
