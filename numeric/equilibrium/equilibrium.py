"""What an equilibrium method returns, and its verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np
from numpy.typing import NDArray

from resolvent.games import DifferentiableGame
from resolvent.games.files import from_text, to_text
from resolvent.numeric import archive, results
from resolvent.numeric.equilibrium.arrays import (
    Game,
    check_profile,
)
from resolvent.numeric.equilibrium.logarithmic_path import LogarithmicPath
from resolvent.numeric.equilibrium.polishing import POLISHED, polish
from resolvent.numeric.equilibrium.verification import (
    FLOAT_TOLERANCE,
    Regret,
    as_rows,
    check_exact,
    is_exact,
    regret,
    scaled_arrays,
    state_names,
)

if TYPE_CHECKING:
    from resolvent.numeric.equilibrium.certificate import Certificate

_FORMAT = "resolvent.equilibrium/1"


class EQUILIBRIUM(eqx.Enumeration):
    """What policies were found to be; each member is its message, `EQUILIBRIUM[status]`."""

    subgame_perfect = "an equilibrium in every state (subgame perfect)"
    nash = "a Nash equilibrium from where play begins, not in every state"
    refused = "not an equilibrium: a player gains more than the tolerance, see `regret`"
    stalled = "not followed to its end: the path stopped early, see `path`"


@dataclass(frozen=True, eq=False, repr=False)
class Equilibrium:
    """Stationary policies that a method found, and how good an equilibrium they are.

    **Fields:**

    - `game`: what is played.
    - `policies`: one per player, `(S, A_i)`: nested tuples of `Fraction`s where the method is exact,
        float64 arrays otherwise. A matrix game has one state.
    - `values`: `(n, S)`, what each player gets per round from each state on.
    - `regret`: what players could gain by deviating, see [`resolvent.numeric.Regret`][].
    - `support`: per player `(S, A_i)`, which actions are played.
    - `status`: see [`resolvent.numeric.EQUILIBRIUM`][].
    - `tolerance`: the regret that was overlooked, as a share of the payoff range.
    - `method`: how it was found.
    - `path`: the path that led there, or `None`.
    """

    game: Game
    policies: tuple[Any, ...]
    values: NDArray[Any]
    regret: Regret
    support: tuple[NDArray[np.bool_], ...]
    status: EQUILIBRIUM
    tolerance: float
    method: str
    path: Any = None

    @property
    def exact(self) -> bool:
        """Whether policies, values and regret are rationals."""
        return self.regret.exact

    @property
    def found(self) -> bool:
        """Whether this is an equilibrium at all."""
        return bool(self.status == EQUILIBRIUM.subgame_perfect) or bool(
            self.status == EQUILIBRIUM.nash
        )

    @property
    def pure(self) -> bool:
        """Whether one action is played in each state."""
        return all(bool((own.sum(axis=1) == 1).all()) for own in self.support)

    def certify(self, radius: float = 1e-6) -> Certificate:
        """Prove that there is an exact equilibrium at, or close to, these policies; see
        [`resolvent.numeric.certify`][]."""
        from resolvent.numeric.equilibrium.certificate import certify

        return certify(self, radius=radius)

    def summary(self) -> str:
        """What was found, to read."""
        name = self.game.name or "a game"
        lines = [f"{name}, by {self.method}: {EQUILIBRIUM[self.status]}"]
        states = state_names(self.game)
        for player, own in enumerate(self.policies):
            lines.append(f"  player {self.game.players[player]}")
            for state, row in zip(states, own, strict=True):
                mix = ", ".join(
                    action if p == 1 else f"{action} {_number(p)}"
                    for action, p in zip(self.game.actions[player], row, strict=True)
                    if p > 0
                )
                label = f"{state}: " if len(states) > 1 else ""
                k = states.index(state)
                lines.append(f"    {label}{mix} (value {_number(self.values[player][k])})")
        return "\n".join([*lines, str(self.regret)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Equilibrium({self.game.name}, {self.method}, regret={float(self.regret.nash):.3g})"

    def save(self, path: str | Path) -> None:
        """Write game, policies, status, tolerance and method to a file: NumPy's `.npz`, with a JSON text
        `metadata` in it. Rationals stay rationals; the path of a logarithmic tracing is kept, others are not.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        metadata = {
            "format": _FORMAT,
            "game": to_text(self.game),
            "method": self.method,
            "status": results.code(self.status),  # pyright: ignore[reportArgumentType]
            "tolerance": str(self.tolerance),
        }
        own = self.policies
        if self.exact:
            own = tuple([[str(p) for p in row] for row in rows] for rows in own)
        fields: dict[str, Any] = {"policies": own}
        if hasattr(self.path, "to_fields"):
            fields["path"] = self.path.to_fields()
        archive.write_archive(path, metadata, fields)

    @staticmethod
    def load(path: str | Path) -> Equilibrium:
        """Read what `save` has written; values and regret are computed anew.

        **Raises:** `ValueError`, naming the file and the field, for anything else.
        """
        fields = archive.read_archive(path)
        kinds = {"game": str, "method": str, "status": int, "tolerance": str}
        try:
            about = archive.parse_metadata(fields.pop("metadata", None), (_FORMAT,), kinds)
            entries = archive.unflatten(fields)
            policies = entries.get("policies")
            if not isinstance(policies, tuple):
                raise ValueError("policies: expected one array per player")
            game = from_text(about["game"])
            if isinstance(game, DifferentiableGame):
                raise ValueError("metadata.game: expected a game of actions")
            if not 0 <= about["status"] < len(EQUILIBRIUM):
                raise ValueError(f"metadata.status: expected a code below {len(EQUILIBRIUM)}")
            status = [
                EQUILIBRIUM.subgame_perfect,
                EQUILIBRIUM.nash,
                EQUILIBRIUM.refused,
                EQUILIBRIUM.stalled,
            ][about["status"]]
            kept = None
            if "path" in entries:
                kept = LogarithmicPath.from_fields(game, entries["path"])
            text = policies[0].dtype.kind == "U"
            return verify(
                game,
                [own.tolist() for own in policies] if text else policies,
                about["method"],
                tolerance=float(about["tolerance"]),
                status=status,
                path=kept,
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def plot(self, ax: Any = None) -> Any:
        """Draw the path that led there, if one was kept, and otherwise the policies: the probability of
        each action in each state.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        if self.path is not None and hasattr(self.path, "plot"):
            return self.path.plot(ax)
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        states = state_names(self.game)
        shares = [np.array(own, dtype=float) for own in self.policies]
        image = np.concatenate(shares, axis=1).T
        labels = [
            f"{name}: {action}"
            for name, actions in zip(self.game.players, self.game.actions, strict=True)
            for action in actions
        ]
        ax.imshow(image, vmin=0, vmax=1, cmap="Greys", aspect="auto")
        ax.set_xticks(range(len(states)), states)
        ax.set_yticks(range(len(labels)), labels)
        ax.set(xlabel="state", title=f"{self.game.name or 'policies'}, by {self.method}")
        return ax


def verify(
    game: Game,
    policies: Sequence[Any],
    method: str = "given",
    *,
    tolerance: float | None = None,
    status: EQUILIBRIUM | None = None,
    path: Any = None,
) -> Equilibrium:
    """A record of policies, verified.

    **Arguments:**

    - `game`, `policies`: those of [`resolvent.numeric.regret`][].
    - `method`: what to call the way they were found.
    - `tolerance`: of the regret, as a share of the payoff range; by default 0 for exact policies and
        1e-9 for floats.
    - `status`: how the method ended, where it knows better than the regret (a path that stalled).
    - `path`: what to keep of the way there.
    """
    policies = as_rows(game, policies)
    checked: tuple[Any, ...]
    if is_exact(policies):
        checked = check_exact(game, policies)
    else:
        checked = tuple(np.asarray(own) for own in check_profile(game, policies))
    found = regret(game, checked)
    if tolerance is None:
        tolerance = 0.0 if found.exact else FLOAT_TOLERANCE
    if status is None:
        status = EQUILIBRIUM.refused
        if found.subgame_perfect <= tolerance:
            status = EQUILIBRIUM.subgame_perfect
        elif found.nash <= tolerance:
            status = EQUILIBRIUM.nash
    support = tuple(np.array(own, dtype=float) > 0 for own in checked)
    return Equilibrium(game, checked, found.values, found, support, status, tolerance, method, path)


def polished(
    game: Game,
    policies: Sequence[Any],
    method: str = "given",
    *,
    tolerance: float = POLISHED,
    path: Any = None,
    status: EQUILIBRIUM | None = None,
) -> Equilibrium:
    """A record of policies close to an equilibrium, after polishing; the policies themselves where
    polishing finds none.

    **Arguments:** those of `polish` and [`resolvent.numeric.verify`][].
    """
    arrays, _, _ = scaled_arrays(game)
    profile = check_profile(arrays, policies)
    found = polish(arrays, profile, tolerance)
    return verify(
        game,
        tuple(np.asarray(own) for own in found.policies),
        method,
        path=path,
        status=None if bool(found.accepted) else status,
    )


def _number(value: Any) -> str:
    text = str(value)
    return text if not isinstance(value, float) and len(text) <= 16 else f"{float(value):.6g}"
