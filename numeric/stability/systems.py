r"""Games and learning rules as systems that can be evaluated in balls.

A `System` is a vector field $\Delta(y)$ with its exact Jacobian, as two straight-line programs. It is either

- the simultaneous gradient of a game (`gradient_system`),
  $\Delta = w(z) = (\partial V_i / \partial \theta_i)_i$, of the gradient flow $dz/dt = w(z)$; or
- the update of learners (`update_system`), of the map $F(y) = y + \Delta(y)$, where y is z and, after it, what
  learners remember.

Values are **maximised**: in the literature's losses the simultaneous gradient is $-w$ and its Jacobian H is $-J$.
The formulas of the rules are in `updates`. Rates are the binary numbers that learners hold; the numbers of the game
are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.stability.stage import Game, Stage, single
from resolvent.numeric.stability.tape import BALLS, FLOATS, Node, Steps
from resolvent.numeric.stability.updates import RULES

Balls = Sequence[Any]
"""One `flint.arb` per coordinate."""

_LARGEST = 400_000


@dataclass(frozen=True, eq=False)
class System:
    """A vector field with its Jacobian, in balls and in floats; see the module's docstring.

    **Attributes:**

    - `name`: what it is, to print.
    - `names`: of the coordinates y.
    - `parameters`: how many of the coordinates, the first, are parameters of the game.
    - `discrete`: whether it is the update of a map, and not the field of a flow.
    - `field`: the program of the field, `(k,)`.
    - `slope`: the program of its Jacobian, `(k, k)` row by row.
    - `guards`: the program of numbers that must be positive for the field to be that of the learners: elsewhere
        a rule with cases is another function. None where there are no cases.
    """

    name: str
    names: tuple[str, ...]
    parameters: int
    discrete: bool
    field: Steps
    slope: Steps
    guards: Steps | None

    @property
    def size(self) -> int:
        """The number of coordinates k."""
        return len(self.names)

    def __call__(self, y: Balls) -> list[Any]:
        """The field in balls."""
        return self.field.run(y, BALLS)

    def jacobian(self, y: Balls) -> Any:
        """The Jacobian of the field in balls, a `flint.arb_mat`."""
        return flint.arb_mat(self.size, self.size, self.slope.run(y, BALLS))

    def guarded(self, y: Balls) -> bool:
        """Whether all guards are positive on a box, so that the field is the learners'."""
        return self.guards is None or all(bool(own > 0) for own in self.guards.run(y, BALLS))

    def floats(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """The field in floats, `(..., k)` to `(..., k)`."""
        return _stacked(self.field, points)

    def float_jacobian(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """The Jacobian of the field in floats, `(..., k)` to `(..., k, k)`."""
        return _stacked(self.slope, points).reshape(*points.shape, self.size)

    def extend(self, z: Sequence[float] | NDArray[np.floating]) -> NDArray[np.floating]:
        """Parameters z, or all coordinates, as all coordinates: memories of the gradient are 0 at a fixed point.

        **Raises:** `ValueError` for another number of coordinates, or numbers that are not finite.
        """
        point = np.asarray(z, float).ravel()
        if point.size not in (self.parameters, self.size) or not np.isfinite(point).all():
            raise ValueError(
                f"point: expected {self.parameters} finite numbers ({', '.join(self.names)}), got {z!r}"
            )
        return np.concatenate([point, np.zeros(self.size - point.size)])

    def __repr__(self) -> str:
        return f"System({self.name}, {', '.join(self.names)})"


def _stacked(program: Steps, points: NDArray[np.floating]) -> NDArray[np.floating]:
    columns = [points[..., k] for k in range(points.shape[-1])]
    with np.errstate(all="ignore"):
        found = program.run(columns, FLOATS)
    return np.stack([np.broadcast_to(own, points.shape[:-1]) for own in found], axis=-1)


def gradient_system(values: Game) -> System:
    """The simultaneous gradient of a game, whose zeros are the game's fixed points.

    **Arguments:**

    - `values`: compiled values, as [`resolvent.numeric.learn`][] takes them: of a differentiable game with
        formulas, or of an iterated or stochastic game by policies or logits. Or a differentiable game, or a closed
        form (of which the parameters are then logits).

    **Raises:** `ValueError` for values without formulas (JAX functions), symbols left, and in the limit of
    discount 1.
    """
    stage = Stage.of(values)
    return _system(stage, f"the gradient of {stage.name}", stage.own, False)


def update_system(values: Game, learners: AbstractLearner | Sequence[AbstractLearner]) -> System:
    """The joint update of learners; the table of the module's docstring says which, and by which formulas.

    **Arguments:**

    - `values`: as of [`resolvent.numeric.gradient_system`][].
    - `learners`: one for all players, or one per player.

    **Raises:** `ValueError` for a learner that is not among them, and as `gradient_system`.
    """
    stage = Stage.of(values)
    players = range(len(stage.parts))
    given = [learners] * len(players) if isinstance(learners, AbstractLearner) else [*learners]
    if len(given) != len(players):
        raise ValueError(
            f"learners: expected one for all or one for each of {len(players)} players, got {len(given)}"
        )
    update: list[Node] = []
    for player, rule in enumerate(given):
        move = RULES.get(type(rule))
        if move is None:
            known = ", ".join(own.__name__ for own in RULES)
            raise ValueError(
                f"learners[{player}]: proofs know the updates of {known}; got {type(rule).__name__}, for which "
                "fixed_points, update_jacobian and the pictures work, without a proof"
            )
        direction = move(stage, rule, player)
        update += [stage.number(single(rule, "rate")) * own for own in direction]
    names = ", ".join(
        type(own).__name__ for own in (given if given[1:] != given[:-1] else given[:1])
    )
    return _system(stage, f"{names} on {stage.name}", update + stage.remembered, True)


def _system(stage: Stage, name: str, field: Sequence[Node], discrete: bool) -> System:
    inputs = stage.inputs + stage.memory
    rows = [stage.tape.gradient(own, inputs) for own in field]
    slope = stage.tape.program([x for row in rows for x in row])
    if len(slope) > _LARGEST:
        raise ValueError(
            f"values: the Jacobian of {name} takes {len(slope):,} operations in balls, more than {_LARGEST:,}; "
            "use update_jacobian, which is not a proof"
        )
    guards = stage.tape.program(stage.positive) if stage.positive else None
    names = [*stage.names, *(f"memory {k + 1}" for k in range(len(stage.memory)))]
    program = stage.tape.program(field)
    return System(name, tuple(names), len(stage.inputs), discrete, program, slope, guards)
