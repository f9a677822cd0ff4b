"""The record of a run of `learn`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from resolvent import __version__
from resolvent.analytic.differentiable_value import DifferentiableValue
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.games import DifferentiableGame, DynamicGame, NormalForm
from resolvent.games.files import from_text, to_text
from resolvent.numeric import archive, results
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.results import RESULTS

# The second has no norms of what failed; they follow from the parameters.
_FORMATS = ("resolvent.run/3", "resolvent.run/2")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What came of letting players learn.

    Arrays have a leading axis of runs where the starts had one.

    **Fields:**

    - `params`: final parameters, one array per player.
    - `policies`: final action probabilities, one `(runs, O_i, A_i)` array per player; `None` where the
        value function is a wrapped one.
    - `values`: final values, `(runs, n)`, on the scale of the value function (`normalise`).
    - `history`: what was recorded, by name, with a leading axis of records; `"step"` says after how
        many steps. Empty if nothing was recorded.
    - `status`: how each run ended, see [`resolvent.numeric.RESULTS`][].
    - `failed_step`, `failed_player`: which step, from 1, of which player, from 0, was the first that
        was not finite, or led beyond the `limit`; -1 where none was. Such a run holds the last
        parameters before it.
    - `failed_norm`: the norm of that player's last parameters, those that the run holds: large where it
        had been running away, moderate where a single step failed. NaN where none did.
    - `steps`, `steps_done`: asked for, and done; they differ after an interrupt.
    - `values_function`, `learners`: what was run; `None` for a run loaded from a file.
    - `provenance`: the same as plain data, with the versions of the software.
    """

    params: tuple[NDArray[Any], ...]
    policies: tuple[NDArray[Any], ...] | None
    values: NDArray[Any]
    history: Mapping[str, Any]
    status: RESULTS
    failed_step: NDArray[np.integer]
    failed_player: NDArray[np.integer]
    failed_norm: NDArray[np.floating]
    steps: int
    steps_done: int
    values_function: ValueFunction | None
    learners: tuple[AbstractLearner, ...] | None
    provenance: Mapping[str, Any]

    @property
    def num_players(self) -> int:
        return len(self.params)

    @property
    def num_runs(self) -> int:
        """1 for a run without a leading axis."""
        return self.values.size // self.num_players

    @property
    def normalise(self) -> str | None:
        """Scale of the values, `"average"` or `"sum"`; `None` where a wrapped function decides."""
        return self.provenance["normalise"]

    @property
    def game(self) -> DynamicGame | DifferentiableGame | None:
        """What was played; `None` where the value function is a wrapped one, or of a game that is given
        by a JAX function."""
        own = self.provenance["game"]
        return None if own is None else game_of(own)

    @property
    def discounts(self) -> tuple[Fraction, ...] | None:
        """One per player; `None` where the value function is not of an iterated or stochastic game, or
        of the limit 1."""
        game = self.game
        if game is None or isinstance(game, DifferentiableGame) or self.provenance["patient"]:
            return None
        return tuple(Fraction(str(g)) for g in game.discounts)

    def summary(self) -> str:
        """What was run and what came of it, to read."""
        about = self.provenance
        title = (
            f"{self.num_runs:,} {'run' if self.num_runs == 1 else 'runs'} of {self.steps:,} steps"
        )
        if self.steps_done < self.steps:
            title += f" ({self.steps_done:,} done)"
        lines = [f"{title}: {about['name']}"]
        if self.discounts is not None:
            lines[0] += ", discount " + ", ".join(str(g) for g in dict.fromkeys(self.discounts))
        elif about["patient"]:
            lines[0] += ", limit of discount 1"
        lines += [
            f"  player {player}: {signature(own)}"
            for player, own in enumerate(about["learners"], 1)
        ]
        failed = np.flatnonzero(np.ravel(self.failed_player) >= 0)
        if failed.size < self.num_runs:
            those = " of the runs that did not fail" if failed.size else ""
            lines.append(f"  final values{those} ({scale_name(self.normalise)}):")
            finals = np.delete(self.values.reshape(-1, self.num_players), failed, axis=0)
            lines += [f"    {line}" for line in self._value_lines(finals)]
        codes = np.ravel(jax.tree.leaves(self.status)[0])
        for status, count in sorted(Counter(codes.tolist()).items()):
            message = RESULTS[results.from_codes(np.asarray(status))]
            lines.append(f"  {count:,} of {self.num_runs:,}: {message}")
        if failed.size:
            step = np.ravel(self.failed_step)[failed[0]]
            player = np.ravel(self.failed_player)[failed[0]]
            norm = np.ravel(self.failed_norm)[failed[0]]
            lines.append(
                f"    first: run {failed[0]}, step {step}, player {player + 1}, whose parameters had "
                f"norm {norm:.3g}"
            )
        return "\n".join(lines)

    def _value_lines(self, finals: NDArray[Any]) -> Iterator[str]:
        discounts = self.discounts
        for player, own in enumerate(finals.T, 1):
            per_round = 1.0
            if self.normalise == "sum" and discounts is not None:
                per_round = float(1 - discounts[player - 1])
            line = f"player {player}: mean {own.mean():.6g}"
            if own.size > 1:
                line += f", standard deviation {own.std():.3g}"
            if per_round != 1.0:
                line += f"; per round {own.mean() * per_round:.6g}"
                if own.size > 1:
                    line += f", {own.std() * per_round:.3g}"
            yield line

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Run({self.num_runs} x {self.steps_done} steps, {self.provenance['name']})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the values: over the steps (mean over runs, and the middle 90 %) if they were
        recorded, otherwise how the final ones are distributed.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        label = f"value ({scale_name(self.normalise)})"
        if "values" in self.history:
            steps = self.history["step"]
            recorded = self.history["values"].reshape(len(steps), -1, self.num_players)
            for player in range(self.num_players):
                own = recorded[..., player]
                (line,) = ax.plot(steps, own.mean(1), label=f"player {player + 1}")
                low, high = np.quantile(own, [0.05, 0.95], axis=1)
                ax.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
            ax.set(xlabel="step", ylabel=label)
        else:
            names = [f"player {player + 1}" for player in range(self.num_players)]
            finals = self.values.reshape(-1, self.num_players)
            ax.hist(finals[np.isfinite(finals).all(1)], bins=30, label=names)
            ax.set(xlabel=label, ylabel="runs")
        ax.set_title(self.provenance["name"])
        ax.legend()
        return ax

    def save(self, path: str | Path) -> None:
        """Write everything but the code to a file: NumPy's `.npz`, with a JSON text `metadata` in it.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        metadata = {
            "format": _FORMATS[0],
            "steps": self.steps,
            "steps_done": self.steps_done,
            "provenance": dict(self.provenance),
        }
        arrays = {
            "params": self.params,
            "values": self.values,
            "history": self.history,
            "status": jax.tree.leaves(self.status)[0],
            "failed_step": self.failed_step,
            "failed_player": self.failed_player,
            "failed_norm": self.failed_norm,
        }
        if self.policies is not None:
            arrays["policies"] = self.policies
        archive.write_archive(path, metadata, arrays)

    @staticmethod
    def load(path: str | Path) -> Run:
        """Read what `save` has written.

        **Raises:** `ValueError`, naming the file and the field, for anything else.
        """
        fields = archive.read_archive(path)
        try:
            return _parse(fields)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def norms_of_failed(
    params: tuple[NDArray[Any], ...], failed_player: NDArray[np.integer]
) -> NDArray[np.floating]:
    """The norm of the parameters of the player who failed, per run; NaN where none did."""
    players = np.asarray(failed_player)

    def norm(own: NDArray[Any]) -> NDArray[np.floating]:
        flat = np.asarray(own).reshape(*players.shape, -1)
        # Of parameters close to what a float can hold not even the squares need be finite.
        size = np.abs(flat).max(axis=-1, initial=0, keepdims=True)
        scaled = flat / np.where(size > 0, size, 1)
        with np.errstate(over="ignore"):
            return size[..., 0] * np.sqrt((scaled**2).sum(axis=-1))

    norms = np.stack([norm(own) for own in params])
    chosen = np.take_along_axis(norms, np.maximum(players, 0)[None], axis=0)[0]
    return np.where(players >= 0, chosen, np.nan)


def provenance_of(values: ValueFunction, learners: tuple[AbstractLearner, ...]) -> dict[str, Any]:
    """What is run, as plain data that JSON can hold."""
    about: dict[str, Any] = {
        "name": values.name,
        "game": None,
        "patient": False,
        "normalise": None,
        "parameters": None,
        "backend": None,
        "learners": [own.describe() for own in learners],
        "versions": {"resolvent": __version__, "jax": jax.__version__},
    }
    if isinstance(values, CompiledValue):
        about |= {
            "game": to_text(values.game),
            "patient": values.patient,
            "normalise": values.normalise,
            "parameters": values.kernel.parameterisation,
            "backend": values.backend,
        }
    if isinstance(values, DifferentiableValue):
        # A JAX function cannot be written down.
        about |= {"game": None if values.game.payoffs is None else to_text(values.game)}
    return about


@lru_cache(maxsize=16)
def game_of(text: str) -> DynamicGame | DifferentiableGame:
    """The game that provenance holds as text."""
    game = from_text(text)
    if isinstance(game, NormalForm):
        raise ValueError(
            "metadata.provenance.game: expected a game with a discount, or with parameters"
        )
    return game


def scale_name(normalise: str | None) -> str:
    """What values are measured in, to read."""
    names = {"average": "average per round", "sum": "discounted sum"}
    return names.get(normalise or "", "as the function returns them")


def signature(learner: Mapping[str, Any]) -> str:
    """A learner's description as Python has it."""
    fields = (f"{name}={own!r}" for name, own in learner.items() if name != "learner")
    return f"{learner['learner']}({', '.join(fields)})"


# The file format -----------------------------------------------------------------------------


def _parse(fields: dict[str, NDArray[Any]]) -> Run:
    metadata = archive.parse_metadata(
        fields.pop("metadata", None),
        _FORMATS,
        {"steps": int, "steps_done": int, "provenance": dict},
    )
    archive.check_provenance(metadata["provenance"])
    nest = archive.unflatten(fields)
    for name in ("params", "values", "status", "failed_step", "failed_player"):
        if name not in nest:
            raise ValueError(f"{name}: missing")
    params, policies, history = nest["params"], nest.get("policies"), nest.get("history", {})
    values, status = nest["values"], nest["status"]
    if not isinstance(params, tuple):
        raise ValueError("params: expected one array per player")
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2):
        raise ValueError("values: expected an array of shape (runs, players)")
    if values.shape[-1] != len(params):
        raise ValueError(
            f"values: expected {len(params)} players as in params, got shape {values.shape}"
        )
    runs = values.shape[:-1]
    for name in ("params", "policies"):
        for player, own in enumerate(nest.get(name, ())):
            if own.shape[: len(runs)] != runs or own.dtype.kind != "f":
                raise ValueError(
                    f"{name}/{player}: expected floats with leading axis {runs}, "
                    f"got {own.dtype} of shape {own.shape}"
                )
    for name in ("status", "failed_step", "failed_player"):
        if nest[name].shape != runs or nest[name].dtype.kind != "i":
            raise ValueError(f"{name}: expected integers of shape {runs}")
    if not ((status >= 0) & (status < len(RESULTS))).all():
        raise ValueError(f"status: expected codes below {len(RESULTS)}")
    norms = nest.get("failed_norm")
    if metadata["format"] != _FORMATS[0]:
        norms = norms_of_failed(params, nest["failed_player"])
    elif norms is None or norms.shape != runs or norms.dtype.kind != "f":
        raise ValueError(f"failed_norm: expected floats of shape {runs}")
    if history:
        if "step" not in history:
            raise ValueError("history/step: missing")
        for name, own in archive.flatten(history, "history"):
            if own.shape[:1] != history["step"].shape:
                raise ValueError(f"{name}: expected as many records as history/step")
    return Run(
        params=params,
        policies=policies,
        values=values,
        history=history,
        status=results.from_codes(status),
        failed_step=nest["failed_step"],
        failed_player=nest["failed_player"],
        failed_norm=norms,
        steps=metadata["steps"],
        steps_done=metadata["steps_done"],
        values_function=None,
        learners=None,
        provenance=metadata["provenance"],
    )
