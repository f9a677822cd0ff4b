r"""Which rule keeps, adds or loses which fixed point of a game.

A rule **keeps** a fixed point of the game if it stays there, $\Delta(z) = 0$ where $w(z) = 0$; it **loses** those that
it moves away from; and it **adds** the points where it rests though the game's simultaneous gradient is not zero, such
as those that LOLA's shaping term makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.stability.classification import number
from resolvent.numeric.stability.fixed_points import FixedPoints, axes, fixed_points
from resolvent.numeric.stability.jacobian import game_jacobian
from resolvent.numeric.stability.rules import (
    RULE,
    Learners,
    UpdateJacobian,
    rests,
    rule_map,
    update_jacobian,
)

# A point where the gradient is above this share of its typical size is no fixed point of the game.
_SPURIOUS = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class StabilityTable:
    """Rules side by side at the fixed points of a game.

    **Fields:**

    - `game_points`: the fixed points of the game, [`resolvent.numeric.FixedPoints`][], each classified.
    - `at`: by the name of each rule, an [`resolvent.numeric.UpdateJacobian`][] per fixed point of the game.
    - `spurious`: by the name of each rule, an [`resolvent.numeric.UpdateJacobian`][] per point that it adds.
    - `gradients`: by the name of each rule, the largest entry of the game's simultaneous gradient at each of
        these.
    """

    game_points: FixedPoints
    at: Mapping[str, tuple[UpdateJacobian, ...]]
    spurious: Mapping[str, tuple[UpdateJacobian, ...]]
    gradients: Mapping[str, tuple[float, ...]]

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules."""
        return tuple(self.at)

    def keeps(self, rule: str) -> tuple[int, ...]:
        """The fixed points of the game, by index, where the rule stays."""
        return tuple(k for k, own in enumerate(self._of(rule)) if own.fixed)

    def loses(self, rule: str) -> tuple[int, ...]:
        """The fixed points of the game, by index, that the rule leaves even from there."""
        return tuple(k for k, own in enumerate(self._of(rule)) if not own.fixed)

    def converges(self, rule: str) -> tuple[int, ...]:
        """The fixed points of the game, by index, to which the rule converges from nearby."""
        return tuple(k for k, own in enumerate(self._of(rule)) if own.stable)

    def adds(self, rule: str) -> tuple[UpdateJacobian, ...]:
        """Where the rule rests, though it is no fixed point of the game."""
        self._of(rule)
        return self.spurious[rule]

    def _of(self, rule: str) -> tuple[UpdateJacobian, ...]:
        if rule not in self.at:
            raise KeyError(f"rule: expected one of {', '.join(self.at)}; got {rule!r}")
        return self.at[rule]

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """The table as text: headers, and a row per fixed point and per point that is added."""
        headers = ["fixed point", "of the game", "Nash", *self.rules]
        rows = [
            [point(own.z), own.kind, own.nash, *(cell(self.at[rule][k]) for rule in self.rules)]
            for k, own in enumerate(self.game_points)
        ]
        for rule in self.rules:
            for own in self.spurious[rule]:
                where = np.concatenate([np.ravel(np.asarray(one)) for one in own.params])
                cells = [cell(own) if name == rule else "" for name in self.rules]
                rows.append([point(where), f"none: added by {rule}", "", *cells])
        return headers, rows

    def __repr__(self) -> str:
        return f"StabilityTable({self.game_points.name}: {', '.join(self.rules)})"

    def __str__(self) -> str:
        headers, rows = self.rows()
        widths = [max(len(row[k]) for row in (headers, *rows)) for k in range(len(headers))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in (headers, ["-" * width for width in widths], *rows)
        ]
        return "\n".join([f"{self.game_points.name}:", *lines])

    def markdown(self) -> str:
        """The table in Markdown."""
        headers, rows = self.rows()
        lines = [headers, ["---"] * len(headers), *rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines)

    def plot(self, ax: Any = None) -> Any:
        """Draw the multipliers of all rules at the first fixed point of the game, and the unit circle.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        angles = np.linspace(0, 2 * np.pi, 200)
        ax.plot(np.cos(angles), np.sin(angles), color="grey", linewidth=0.8)
        for rule in self.rules:
            for own in self.at[rule][:1]:
                found = own.spectrum.eigenvalues
                ax.scatter(found.real, found.imag, label=rule)
        ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
        ax.set_title(f"{self.game_points.name}: multipliers")
        ax.legend(fontsize="small")
        return ax


def point(z: NDArray[np.floating], most: int = 4) -> str:
    """A point in a cell."""
    return f"({', '.join(map(number, z[:most]))}{', ...' if len(z) > most else ''})"


def cell(own: UpdateJacobian) -> str:
    """What a rule does at a point, in a cell: the factor per step, and what it means."""
    if own.status == RULE.not_fixed:
        return f"lost: moves {own.displacement:.2g}"
    if own.status == RULE.stable_across:
        return f"stable across {own.across:.4g}"
    if not np.isfinite(own.spectral_radius):
        return "undecided: not finite"
    word = "stable" if own.stable else "unstable" if own.unstable else "undecided"
    return f"{word} {own.spectral_radius:.6g}"


def stability_table(
    values: ValueFunction,
    learners: Mapping[str, Learners] | Sequence[AbstractLearner],
    region: Any,
    *,
    starts: int = 256,
    iterations: int = 80,
) -> StabilityTable:
    """Which of a game's fixed points each rule keeps, adds or loses, and to which it converges.

    **Arguments:**

    - `values`: any [`resolvent.numeric.ValueFunction`][].
    - `learners`: rules by name, each one learner for all players or a sequence of one each; or a sequence of
        learners, each for all players, which are named by their class (and numbered where they share it).
    - `region`, `starts`, `iterations`: where fixed points are looked for, as for
        [`resolvent.numeric.fixed_points`][]; those of rules are looked for in the same way.

    **Returns:** [`resolvent.numeric.StabilityTable`][].

    **Raises:** `ValueError` for a region that is none, no learners, or learners that cannot play these values.
    """
    named = _named(learners)
    for own in named.values():
        rule_map(values, own)  # refused before anything is computed
    found = fixed_points(values, region, starts=starts, iterations=iterations)
    at: dict[str, tuple[UpdateJacobian, ...]] = {}
    spurious: dict[str, tuple[UpdateJacobian, ...]] = {}
    gradients: dict[str, tuple[float, ...]] = {}
    for name, own in named.items():
        at[name] = tuple(
            update_jacobian(values, own, p.params, continuum=p.dimension) for p in found
        )
        pairs = []
        for rest in rests(values, own, region, starts=starts, iterations=iterations):
            there = game_jacobian(values, rest.params)
            size = float(np.abs(np.asarray(there.gradient)).max(initial=0.0))
            slope = float(np.abs(np.asarray(there.matrix)).max(initial=0.0))
            if size > _SPURIOUS * max(slope, 1e-3):
                pairs.append((rest, size))
        spurious[name] = tuple(rest for rest, _ in pairs)
        gradients[name] = tuple(size for _, size in pairs)
    return StabilityTable(found, at, spurious, gradients)


def _named(
    learners: Mapping[str, Learners] | Sequence[AbstractLearner],
) -> dict[str, Learners]:
    if isinstance(learners, Mapping):
        named: dict[str, Learners] = dict(learners)
    elif isinstance(learners, AbstractLearner):
        named = {type(learners).__name__: learners}
    else:
        names = [type(own).__name__ for own in learners]
        named = {
            name if names.count(name) == 1 else f"{name} {names[: k + 1].count(name)}": own
            for k, (name, own) in enumerate(zip(names, learners, strict=True))
        }
    if not named:
        raise ValueError("learners: expected at least one, got none")
    return named
