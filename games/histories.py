"""Histories: what can be remembered of the last rounds, how it is named, and what follows it.

A round is a tuple with one index per player: the joint action, or the profile of signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import log

from resolvent.games.rational import entries, shorten

Round = tuple[int, ...]
History = tuple[Round, ...]

MAX_HISTORIES = 2_000_000


def all_histories(rounds: Sequence[Round], memory: int, with_start: bool) -> tuple[History, ...]:
    """Histories of up to `memory` rounds, shorter ones first; only those of full length if play has
    no start. Raises `ValueError` for more than a machine can hold."""
    if memory * log(max(2, len(rounds))) > log(MAX_HISTORIES):
        raise ValueError(
            f"memory must leave at most {MAX_HISTORIES:,} histories; got {memory} with {len(rounds)} "
            "joint actions"
        )
    shortest = 0 if with_start else memory
    return tuple(
        history
        for length in range(shortest, memory + 1)
        for history in product(rounds, repeat=length)
    )


def successor_rows(
    histories: Sequence[History], rounds: Sequence[Round], memory: int
) -> tuple[tuple[int, ...], ...]:
    """`rows[s][k]` is the history that follows history `s` when round `k` is played.

    What leaves memory plays no part, so that many histories share one row (one tuple).
    """
    if memory == 0:
        return ((0,) * len(rounds),)
    index = {history: state for state, history in enumerate(histories)}
    rows: dict[History, tuple[int, ...]] = {}
    result: list[tuple[int, ...]] = []
    for history in histories:
        kept = history[max(0, len(history) + 1 - memory) :]
        if kept not in rows:
            rows[kept] = tuple(index[(*kept, joint)] for joint in rounds)
        result.append(rows[kept])
    return tuple(result)


def remembered(history: History, memory: int) -> History:
    """The last `memory` rounds."""
    return history[max(0, len(history) - memory) :]


def joiner(actions: Sequence[Sequence[str]]) -> str:
    """What stands between the names of one round: nothing if all have one character."""
    return "" if all(len(name) == 1 for names in actions for name in names) else ","


def history_name(history: Sequence[Sequence[str]], between: str) -> str:
    """The name of a history given by names, such as `CC.CD`; `start` if nothing was played."""
    return ".".join(between.join(names) for names in history) if history else "start"


def in_names(history: History, actions: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """A history with names in place of indices."""
    return tuple(
        tuple(names[action] for names, action in zip(actions, joint, strict=True))
        for joint in history
    )


def read_memories(memory: object, num_players: int) -> tuple[int, ...]:
    """How many rounds each player remembers, from one integer for all or a sequence."""
    given = entries(memory)
    if given is None:
        return (read_memory(memory, "memory"),) * num_players
    if len(given) != num_players:
        raise ValueError(
            f"memory must be one integer or one per player ({num_players}); got {len(given)}"
        )
    return tuple(read_memory(own, f"memory[{i}]") for i, own in enumerate(given))


def read_memory(memory: object, name: str) -> int:
    """A number of rounds, from 0 up."""
    if isinstance(memory, bool) or not isinstance(memory, int):
        raise TypeError(f"{name} must be an integer; got {shorten(memory)}")
    if memory < 0:
        raise ValueError(f"{name} must not be negative; got {memory}")
    return memory
