"""The path of a logarithmic tracing procedure: what it goes through, drawn and verified."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import Game, GameArrays, Policies, game_arrays
from resolvent.numeric.equilibrium.continuation import PATHS, Path, status_of
from resolvent.numeric.equilibrium.logarithmic_plan import largest_regret
from resolvent.numeric.equilibrium.verification import state_names

_SERIES = ("points", "arclength", "condition", "logarithm")
_COUNTS = ("rejected", "iterations", "reversals")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LogarithmicPath:
    """The path of a logarithmic tracing procedure.

    **Fields:**

    - `path`: what was followed, see [`resolvent.numeric.Path`][]; the unknowns are log-policies and values.
    - `policies`: per player `(k, S, A_i)`, at each record.
    - `eta`: the weight of the barrier at t = 0, as a share of the payoff range.
    - `symmetric`: whether it was followed among symmetric profiles.
    - `game`, `arrays`: what is played; the game is `None` where there are only arrays.
    """

    path: Path
    policies: tuple[NDArray[np.floating], ...]
    eta: float
    symmetric: bool
    arrays: GameArrays
    game: Game | None = None

    @property
    def t(self) -> NDArray[np.floating]:
        """The weight of what players expect of each other, against the prior, `(k,)`."""
        return self.path.t

    @property
    def arclength(self) -> NDArray[np.floating]:
        """How far along the path, in log-policies, `(k,)`."""
        return self.path.arclength

    @property
    def condition(self) -> NDArray[np.floating]:
        """An estimate of the condition of the linear systems, `(k,)`."""
        return self.path.condition

    @property
    def turning_points(self) -> NDArray[np.integer]:
        """The records at which t turns back or forth."""
        return self.path.turning_points

    @property
    def reversals(self) -> int:
        """How often the determinant changed its sign: bifurcations that were passed."""
        return self.path.reversals

    @cached_property
    def regret(self) -> NDArray[np.floating]:
        """The largest one-shot regret in any state, as a share of the payoff range, `(k,)`."""
        number = len(self.t)
        size = -(-number // 256) * 256  # one program for all paths
        padded = tuple(jnp.asarray(np.resize(own, (size, *own.shape[1:]))) for own in self.policies)
        return np.asarray(_regrets(self.arrays, padded))[:number]

    def summary(self) -> str:
        """What came of it, to read."""
        lines = [f"logarithmic tracing, barrier weight {self.eta:g} of the payoff range"]
        if self.symmetric:
            lines[0] += ", among symmetric profiles"
        if self.reversals:
            lines.append(
                f"  {self.reversals} bifurcations were passed: the branch taken is one of several"
            )
        return "\n".join([*lines, f"  {self.path}"])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"LogarithmicPath(eta={self.eta:g}, {self.path!r})"

    def plot(self, ax: Any = None, along: Literal["t", "arclength"] = "t") -> Any:
        """Draw the probability of each action in each state along the path; those that never change by more
        than 1e-3 are left out where there are many.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones. `along`: what to draw over.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        over = {"t": self.t, "arclength": self.arclength}[along]
        lines: list[tuple[NDArray[Any], str, str]] = []
        styles = ("-", "--", ":", "-.")
        for player, own in enumerate(self.policies):
            # With two actions the second says nothing new.
            shown = own.shape[2] if own.shape[2] > 2 else 1
            for state in range(own.shape[1]):
                for action in range(shown):
                    label = self._label(player, state, action)
                    lines.append((own[:, state, action], label, styles[player % len(styles)]))
        many = len(lines) > 16
        for values, label, style in lines:
            if many and np.ptp(values) < 1e-3:
                continue
            ax.plot(over, values, style, label=label)
        ax.set(xlabel=along, ylabel="probability", ylim=(-0.02, 1.02))
        ax.set_title(f"logarithmic tracing, weight {self.eta:g}")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize="small")
        return ax

    def to_fields(self) -> dict[str, Any]:
        """The path as plain arrays by name."""
        own = self.path
        return {
            "policies": self.policies,
            "eta": np.asarray(self.eta),
            "symmetric": np.asarray(self.symmetric),
            "status": np.ravel(jax.tree.leaves(own.status)[0])[0],
            **{name: np.asarray(getattr(own, name)) for name in (*_SERIES, *_COUNTS)},
        }

    @staticmethod
    def from_fields(game: Game, fields: Any) -> LogarithmicPath:
        """What `to_fields` gave.

        **Raises:** `ValueError`, naming the field, for anything else.
        """
        names = ("policies", "eta", "symmetric", "status", *_SERIES, *_COUNTS)
        if not isinstance(fields, dict) or set(fields) != set(names):
            raise ValueError(f"path: expected the fields {', '.join(names)}")
        arrays = game_arrays(game)
        number = len(np.atleast_1d(fields["arclength"]))
        policies = fields["policies"]
        wanted = [(number, arrays.num_states, own) for own in arrays.num_actions]
        if not isinstance(policies, tuple) or [own.shape for own in policies] != wanted:
            raise ValueError(f"path.policies: expected arrays of shapes {wanted}")
        for name in _SERIES:
            if fields[name].shape[:1] != (number,) or fields[name].ndim != 1 + (name == "points"):
                raise ValueError(f"path.{name}: expected {number} entries")
        for name in ("eta", "symmetric", "status", *_COUNTS):
            if fields[name].shape != ():
                raise ValueError(f"path.{name}: expected one number")
        if not 0 <= int(fields["status"]) < len(PATHS):
            raise ValueError(f"path.status: expected a code below {len(PATHS)}")
        path = Path(
            points=fields["points"],
            arclength=fields["arclength"],
            condition=fields["condition"],
            logarithm=fields["logarithm"],
            status=status_of(int(fields["status"])),
            rejected=int(fields["rejected"]),
            iterations=int(fields["iterations"]),
            reversals=int(fields["reversals"]),
        )
        eta, symmetric = float(fields["eta"]), bool(fields["symmetric"])
        return LogarithmicPath(path, policies, eta, symmetric, arrays, game)

    def _label(self, player: int, state: int, action: int) -> str:
        if self.game is None:
            return f"player {player + 1}, state {state}, action {action}"
        label = f"{self.game.players[player]}: {self.game.actions[player][action]}"
        names = state_names(self.game)
        return label if len(names) == 1 else f"{label} after {names[state]}"


@jax.jit
def _regrets(arrays: GameArrays, policies: Policies) -> Array:
    return jax.lax.map(lambda own: largest_regret(arrays, own), policies)


def axes(ax: Any) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
    return pyplot.subplots()[1] if ax is None else ax
