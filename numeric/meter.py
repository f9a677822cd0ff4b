"""Progress of a long computation."""

from __future__ import annotations

import abc
import sys
from typing import Any

from tqdm import tqdm


class AbstractMeter(abc.ABC):
    """Is told how far a computation has come. Raising `KeyboardInterrupt` ends the computation
    early, as Ctrl-C does."""

    @abc.abstractmethod
    def open(self, total: int, label: str) -> None:
        """`total` steps begin."""

    @abc.abstractmethod
    def show(self, done: int) -> None:
        """`done` of them are done."""

    @abc.abstractmethod
    def close(self) -> None:
        """No more will be done; called in any case."""


class NoMeter(AbstractMeter):
    """Shows nothing."""

    def open(self, total: int, label: str) -> None:
        pass

    def show(self, done: int) -> None:
        pass

    def close(self) -> None:
        pass


class BarMeter(AbstractMeter):
    """A bar on standard error."""

    _bar: Any

    def open(self, total: int, label: str) -> None:
        self._bar = tqdm(total=total, desc=label, unit="step", unit_scale=True, file=sys.stderr)

    def show(self, done: int) -> None:
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def meter_of(progress: bool | AbstractMeter) -> AbstractMeter:
    """A meter from the `progress` argument of a solver: whether to show a bar, or a meter."""
    if isinstance(progress, AbstractMeter):
        return progress
    if isinstance(progress, bool):
        return BarMeter() if progress else NoMeter()
    raise TypeError(f"progress: expected a bool or an AbstractMeter, got {progress!r}")
