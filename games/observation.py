"""What a player of an iterated game sees of the history, and how it is misread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, TypeAlias

from resolvent.games.chances import (
    ONE,
    Distribution,
    Matrix,
    add,
    is_identity,
    multiply,
    read_matrix,
    read_probability,
    sparse,
)
from resolvent.games.histories import History, history_name, in_names, joiner, remembered
from resolvent.games.names import check_labels
from resolvent.games.rational import Exact, entries, shorten

Observe: TypeAlias = (
    str | Mapping[str, str] | Sequence[str] | Callable[[tuple[tuple[str, ...], ...]], str] | None
)
"""What one player observes: None or `"all"`, `"reactive"`, `"own"`, a label per state (a sequence,
or a mapping from names of states), or a function of the history that returns a label."""

Labels = tuple[str, ...]
Misreading = tuple[Matrix | None, ...]

_WANTED = 'None, "all", "reactive", "own", one label per state, a mapping or a function'


def default_labels(
    actions: Sequence[Sequence[str]], histories: Sequence[History], memory: int, longest: int
) -> Labels:
    """What a player sees that observes everybody's actions in the last `memory` rounds."""
    return _named(actions, histories, memory, longest, range(len(actions)))


def read_observe(
    observe: Any,
    actions: Sequence[Sequence[str]],
    histories: Sequence[History],
    memories: Sequence[int],
) -> tuple[Labels | None, ...]:
    """The label that each player gives each state; None for all that the player remembers."""
    number = len(actions)
    if observe is None or isinstance(observe, (str, Mapping)) or callable(observe):
        given: Sequence[Any] = (observe,) * number
    else:
        found = entries(observe)
        if found is None:
            raise TypeError(
                f"observe must be {_WANTED}, or one of these per player; got {shorten(observe)}"
            )
        if len(found) != number:
            raise ValueError(f"observe must hold one entry per player ({number}); got {len(found)}")
        given = found
    if all(own is None for own in given):
        return (None,) * number
    return tuple(
        _read_labels(own, player, f"observe[{player}]", actions, histories, memories)
        for player, own in enumerate(given)
    )


def _read_labels(
    observe: Any,
    player: int,
    name: str,
    actions: Sequence[Sequence[str]],
    histories: Sequence[History],
    memories: Sequence[int],
) -> Labels | None:
    if observe is None or observe == "all":
        return None
    memory, longest = memories[player], max(memories)
    everything = default_labels(actions, histories, memory, longest)
    if isinstance(observe, str):
        others = [other for other in range(len(actions)) if other != player]
        seen = {"reactive": others, "own": [player]}.get(observe)
        if seen is None:
            raise ValueError(f"{name} must be {_WANTED}; got {observe!r}")
        if not seen:
            raise ValueError(f'{name} must not be "reactive" in a game of one player')
        labels = _named(actions, histories, memory, longest, seen)
    else:
        labels = _given_labels(observe, name, actions, histories, memory, longest)
    if len(labels) != len(histories):
        raise ValueError(
            f"{name} must hold one label per state ({len(histories)}); got {len(labels)}"
        )
    check_labels(labels, name)
    labels = tuple(str(label) for label in labels)  # NumPy's strings are strings too
    alike: dict[History, str] = {}
    for history, label in zip(histories, labels, strict=True):
        first = alike.setdefault(remembered(history, memory), label)
        if first != label:
            raise ValueError(
                f"{name} must give one label to states that the player, with its memory of {memory}, cannot tell "
                f"apart; got {first!r} and {label!r}"
            )
    return None if labels == everything else labels


def _given_labels(
    observe: Any,
    name: str,
    actions: Sequence[Sequence[str]],
    histories: Sequence[History],
    memory: int,
    longest: int,
) -> Labels:
    if isinstance(observe, Mapping):
        return labels_by_state(observe, default_labels(actions, histories, longest, longest), name)
    if callable(observe):
        kept = (remembered(history, memory) for history in histories)
        labels: list[Any] = [observe(in_names(history, actions)) for history in kept]
        return tuple(labels)
    found = entries(observe)
    if found is None:
        raise TypeError(f"{name} must be {_WANTED}; got {shorten(observe)}")
    return tuple(found)


def labels_by_state(observe: Mapping[Any, Any], states: Sequence[str], name: str) -> Labels:
    """The labels of all states, given by the names of the states."""
    known = set(states)
    for key in observe:
        if key not in known:
            raise ValueError(f"{name} must have names of states as keys; got {shorten(key)}")
    for state in states:
        if state not in observe:
            raise ValueError(f"{name} must have a label for every state; {state} has none")
    return tuple(observe[state] for state in states)


def _named(
    actions: Sequence[Sequence[str]],
    histories: Sequence[History],
    memory: int,
    longest: int,
    seen: Sequence[int],
) -> Labels:
    """The names of what a player sees that observes the actions of the players `seen`."""
    if memory == 0 < longest:
        return ("always",) * len(histories)
    between = joiner(actions)
    names: dict[History, str] = {}
    labels: list[str] = []
    for history in histories:
        kept = tuple(tuple(joint[i] for i in seen) for joint in remembered(history, memory))
        if kept not in names:
            names[kept] = history_name(in_names(kept, [actions[i] for i in seen]), between)
        labels.append(names[kept])
    if len(set(names.values())) < len(names):
        raise ValueError("actions must have names that tell the states apart, without , and .")
    return tuple(labels)


def read_trembles(noise: Any, num_actions: Sequence[int]) -> tuple[Matrix | None, ...]:
    """Per player the matrix from intended to realised actions; None where they are the same."""
    number = len(num_actions)
    given = _per_player(noise, number, "implementation_noise", "number or matrix")
    return tuple(
        _noise_matrix(own, size, name) for (own, name), size in zip(given, num_actions, strict=True)
    )


def read_misreadings(
    noise: Any, num_actions: Sequence[int], memories: Sequence[int]
) -> tuple[Misreading | None, ...]:
    """Per player, and per other player, the matrix from the action taken to the action seen."""
    number = len(num_actions)
    result: list[Misreading | None] = []
    for player, (own, name) in enumerate(
        _per_player(noise, number, "observation_noise", "number or sequence")
    ):
        per_player = entries(own)
        if per_player is None:
            per_player = [None if j == player else own for j in range(number)]
        if len(per_player) != number:
            raise ValueError(
                f"{name} must be a number, or hold one number or matrix per player ({number}); got {len(per_player)}"
            )
        matrices = tuple(
            _noise_matrix(each, size, f"{name}[{j}]" if entries(own) is not None else name)
            for j, (each, size) in enumerate(zip(per_player, num_actions, strict=True))
        )
        if matrices[player] is not None:
            raise ValueError(f"{name}[{player}] must be 0: players know their own actions")
        noisy = any(matrix is not None for matrix in matrices)
        if noisy and memories[player] > 1:
            raise ValueError(
                f"{name} needs a memory of at most one round; got {memories[player]}. A misperception that is "
                "remembered persists: state the signals, and use NormalForm.monitored"
            )
        result.append(matrices if noisy else None)
    return tuple(result)


def noisy_readings(
    player_labels: Sequence[int],
    histories: Sequence[History],
    misreading: Misreading,
    num_actions: Sequence[int],
) -> tuple[Distribution, ...]:
    """The distribution over the player's observations in each state, where `player_labels` says
    what each history would be seen as."""
    seen_as = dict(zip(histories, player_labels, strict=True))
    perceived = [
        [
            [(action, ONE)]
            if matrix is None
            else [(other, p) for other, p in enumerate(matrix[action]) if p != 0]
            for action in range(size)
        ]
        for matrix, size in zip(misreading, num_actions, strict=True)
    ]
    result: list[Distribution] = []
    for history in histories:
        if not history:
            result.append(((seen_as[history], ONE),))
            continue
        found: dict[int, Exact] = {}
        options = [perceived[j][action] for j, action in enumerate(history[-1])]
        for combination in product(*options):
            chance: Exact = ONE
            for _, p in combination:
                chance = multiply(chance, p)
            label = seen_as[(*history[:-1], tuple(action for action, _ in combination))]
            found[label] = add(found[label], chance) if label in found else chance
        result.append(sparse(found))
    return tuple(result)


def noise_matrix(chance: Exact, size: int) -> Matrix:
    """With probability `chance`, one of the other actions, uniformly."""
    stays = exact_complement(chance)
    goes = multiply(chance, Fraction(1, size - 1))
    return tuple(tuple(stays if k == j else goes for j in range(size)) for k in range(size))


def exact_complement(chance: Exact) -> Exact:
    """One minus a probability."""
    return add(ONE, multiply(Fraction(-1), chance))


def _noise_matrix(noise: Any, size: int, name: str) -> Matrix | None:
    if noise is None:
        return None
    if entries(noise) is not None:
        matrix = read_matrix(noise, size, size, name)
        return None if is_identity(matrix) else matrix
    chance = read_probability(noise, name)
    # Whoever has a single action cannot take another.
    return None if chance == 0 or size == 1 else noise_matrix(chance, size)


def _per_player(noise: Any, number: int, name: str, wanted: str) -> list[tuple[Any, str]]:
    given = entries(noise)
    if given is None:
        return [(noise, name)] * number
    if len(given) != number:
        raise ValueError(
            f"{name} must be a number, or hold one {wanted} per player ({number}); got {len(given)}"
        )
    return [(own, f"{name}[{player}]") for player, own in enumerate(given)]
