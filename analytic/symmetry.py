"""Symmetries of a game: what is derived for one player and holds for another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from resolvent.games import DynamicGame, Exact, IteratedGame, absolute_view

Sign = Literal[1, -1]


def payoff_relations(
    payoffs: Sequence[Sequence[Exact]], groups: Sequence[int]
) -> tuple[tuple[int, Sign], ...]:
    """For each player the first one of the same discount whose payoffs are its own, or their negatives
    (partners and adversaries), and the sign: then so are the values."""
    relations: list[tuple[int, Sign]] = []
    for i, (own, group) in enumerate(zip(payoffs, groups, strict=True)):
        same: tuple[int, Sign] = (i, 1)
        for j in range(i):
            if groups[j] == group:
                if list(payoffs[j]) == list(own):
                    same = (j, 1)
                    break
                if all(a == -b for a, b in zip(payoffs[j], own, strict=True)):
                    same = (j, -1)
                    break
        relations.append(same)
    return tuple(relations)


def symmetric_rows(game: DynamicGame) -> tuple[tuple[int, ...], ...]:
    """For each player and each row of its policy, the row of player 1's policy that it is when
    everybody plays that policy, each from its own view.

    Players who see everything see their own action first; otherwise rows of one label correspond.

    **Raises:** `ValueError` where players' actions or labels differ.
    """
    if len(set(game.actions)) > 1:
        raise ValueError("symmetric: expected players with the same actions, got different ones")
    everything = all(labels == game.states for labels in game.observations)
    if everything and isinstance(game, IteratedGame):
        rows = tuple(range(game.num_states))
        return tuple(absolute_view(game, rows, player) for player in range(game.num_players))
    if everything or len(set(game.observations)) > 1:
        raise ValueError(
            "symmetric: expected an iterated game in which players see everything, or players who "
            "observe the same labels; substitute rows yourself with .substitute"
        )
    return tuple(tuple(range(len(labels))) for labels in game.observations)
