r"""Every pure stationary equilibrium of a game, by exact enumeration.

Under a pure profile in a game whose every joint action leads to one state, each state has one successor:
play runs into a cycle $c_0 \to c_1 \to \dots \to c_{L-1} \to c_0$, and values need no linear system,

$$ V(c_0) = (1 - g) \frac{\sum_{k<L} g^k u(c_k)}{1 - g^L}, \qquad V(s) = (1 - g)\, u(s) + g V(s'), $$

in rationals. Two searches:

- **subgame perfect** (in every state): the others' profiles are run through, and against each the player
    with the most policies answers by actions that are optimal in each state: there is one such action in
    most, which takes the largest factor off the number of profiles. Floats throw out an action, or a
    profile, only if the Bellman residual proves that exact numbers would; what is left is decided in
    rationals.
- **Nash** (from where play begins): what happens off the path of play is free, so that there are many,
    and the table of all profiles is searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resolvent.games import DynamicGame, ExactPolicy
from resolvent.numeric.equilibrium.arrays import Game, GameArrays, require_stationary
from resolvent.numeric.equilibrium.equilibrium import Equilibrium, verify
from resolvent.numeric.equilibrium.verification import (
    as_dynamic,
    regret,
    scaled_arrays,
    state_names,
)

Choice = tuple[int, ...]
"""A pure policy: the action in each state."""

LIMIT = 300_000
"""The most profiles (or decision problems) that are run through unless told otherwise."""

_CHUNK = 4096  # decision problems solved at once
_ROUNDING = 1e-12  # of payoffs from 0 to 1, added to proven bounds


@dataclass(frozen=True, eq=False, repr=False)
class PureEquilibria:
    """All pure stationary equilibria of a game.

    **Fields:**

    - `game`: what is played.
    - `subgame_perfect`: whether in every state, or only from where play begins.
    - `profiles`: per equilibrium and player the action, by number, in each state (absolute view).
    - `searched`: of how many pure profiles these are all equilibria.
    - `decided`: how many of them had to be decided in rationals; the others were ruled out before.
    """

    game: Game
    subgame_perfect: bool
    profiles: tuple[tuple[Choice, ...], ...]
    searched: int
    decided: int

    def __len__(self) -> int:
        return len(self.profiles)

    def __getitem__(self, index: int) -> Equilibrium:
        """The record of an equilibrium, in rationals."""
        policies = pure_policies(self.game, self.profiles[index])
        return verify(self.game, policies, "enumeration of pure policies")

    def __iter__(self) -> Iterator[Equilibrium]:
        return (self[k] for k in range(len(self)))

    def names(self, index: int) -> tuple[str, ...]:
        """What each player does, an action per state in the order of the states: `("CDDD", "CDDD")`."""
        return tuple(
            joined([actions[a] for a in own])
            for actions, own in zip(self.game.actions, self.profiles[index], strict=True)
        )

    def __str__(self) -> str:
        kind = "subgame-perfect equilibria" if self.subgame_perfect else "Nash equilibria"
        states = " ".join(state_names(self.game))
        lines = [
            f"{len(self)} pure stationary {kind} of {self.game.name or 'a game'}, all among "
            f"{self.searched:,} profiles"
        ]
        if len(self) and len(state_names(self.game)) > 1:
            lines.append(f"  actions in {states}")
        lines += [f"  {' | '.join(self.names(k))}" for k in range(min(len(self), 50))]
        if len(self) > 50:
            lines.append(f"  ... and {len(self) - 50:,} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"PureEquilibria({self.game.name}, {len(self)} of {self.searched:,} profiles)"


def pure_equilibria(game: Game, subgame_perfect: bool = True, limit: int = LIMIT) -> PureEquilibria:
    """Every pure stationary equilibrium, by enumeration; decided in rationals.

    **Arguments:**

    - `game`: a matrix game, or an iterated or stochastic one in which the players see the state.
    - `subgame_perfect`: whether to ask for an equilibrium in every state, or only from where play
        begins. Of a matrix game both are the pure Nash equilibria.
    - `limit`: how many profiles (decision problems, where subgame perfect) to run through at most.

    **Returns:** a `PureEquilibria`.

    **Raises:** `ValueError` where more would have to be run through, with their number.
    """
    require_stationary(game)
    played = as_dynamic(game)
    counts = policy_counts(played)
    if subgame_perfect:
        profiles, decided = _subgame_perfect(played, counts, limit)
    else:
        table = policy_table(played, limit)
        profiles, decided = _nash(played, table), prod(counts)
    return PureEquilibria(game, subgame_perfect, tuple(profiles), prod(counts), decided)


def pure_policies(game: Game, profile: Sequence[Choice]) -> tuple[ExactPolicy, ...]:
    """A pure profile as exact policies."""
    return tuple(
        tuple(tuple(Fraction(a == action) for a in range(count)) for action in own)
        for own, count in zip(profile, game.num_actions, strict=True)
    )


def policy_counts(game: DynamicGame) -> tuple[int, ...]:
    """How many pure policies each player has."""
    return tuple(count**game.num_states for count in game.num_actions)


def choices(game: DynamicGame, player: int) -> Iterator[Choice]:
    """All pure policies of a player, the action in the last state varying fastest."""
    return product(range(game.num_actions[player]), repeat=game.num_states)


def evaluate(game: DynamicGame, profile: Sequence[Choice]) -> list[list[Fraction]]:
    """What a pure profile is worth per round, `[player][state]`, in rationals.

    **Arguments:** `game`: without trembles and symbols; `profile`: the action in each state per player.
    """
    joint = _joint(game, profile)
    if any(len(game.branches[s][k]) > 1 for s, k in enumerate(joint)):
        return [list(own) for own in regret(game, pure_policies(game, profile)).values]
    after = [game.branches[s][k][0][0] for s, k in enumerate(joint)]
    return [
        _on_graph(after, [own[s][k] for s, k in enumerate(joint)], discount)
        for own, discount in zip(game.rewards, game.discounts, strict=True)
    ]


def _joint(game: DynamicGame, profile: Sequence[Choice]) -> list[int]:
    """The number of the joint action in each state."""
    joint = [0] * game.num_states
    for own, count in zip(profile, game.num_actions, strict=True):
        joint = [k * count + action for k, action in zip(joint, own, strict=True)]
    return joint


def _on_graph(after: list[int], pays: Sequence[Any], discount: Any) -> list[Fraction]:
    """Values where every state has one successor: cycles first, then what leads to them."""
    values: list[Fraction | None] = [None] * len(after)
    for first in range(len(after)):
        path: list[int] = []
        position: dict[int, int] = {}
        state = first
        while values[state] is None and state not in position:
            position[state] = len(path)
            path.append(state)
            state = after[state]
        if values[state] is None:  # a cycle that is new
            total, weight = Fraction(0), Fraction(1)
            for inner in path[position[state] :]:
                total += weight * pays[inner]
                weight *= discount
            values[state] = (1 - discount) * total / (1 - weight)
        ahead = values[state]
        for inner in reversed(path):
            if values[inner] is None:
                values[inner] = (1 - discount) * pays[inner] + discount * ahead
            ahead = values[inner]
    return [value for value in values if value is not None]


# Nash, from where play begins ----------------------------------------------------------------


def policy_table(game: DynamicGame, limit: int = LIMIT) -> NDArray[Any]:
    """What every pure profile is worth to each player from where play begins, `(n, N_1, ..., N_n)`, as
    `Fraction`s: the matrix game whose actions are the pure policies, in the order of `choices`."""
    counts = policy_counts(game)
    _require(prod(counts), limit, "profiles")
    table = np.empty((game.num_players, *counts), dtype=object)
    start = [(s, p) for s, p in enumerate(game.initial_distribution) if p != 0]
    own = [list(choices(game, player)) for player in range(game.num_players)]
    for index in np.ndindex(*counts):
        profile = [policies[k] for policies, k in zip(own, index, strict=True)]
        for player, values in enumerate(evaluate(game, profile)):
            table[(player, *index)] = sum((p * values[s] for s, p in start), Fraction(0))
    return table


def _nash(game: DynamicGame, table: NDArray[Any]) -> list[tuple[Choice, ...]]:
    stays = np.ones(table.shape[1:], dtype=bool)
    for player, own in enumerate(table):
        stays &= own == own.max(axis=player, keepdims=True)
    policies = [list(choices(game, player)) for player in range(game.num_players)]
    return [
        tuple(own[k] for own, k in zip(policies, index, strict=True))
        for index in np.argwhere(stays)
    ]


# Subgame perfect -----------------------------------------------------------------------------


def _subgame_perfect(
    game: DynamicGame, counts: tuple[int, ...], limit: int
) -> tuple[list[tuple[Choice, ...]], int]:
    replier = int(np.argmax(np.array(counts, dtype=float)))
    others = [player for player in range(game.num_players) if player != replier]
    problems = prod(counts[player] for player in others)
    _require(problems, limit, "decision problems of one player")
    arrays, _, _ = scaled_arrays(game)
    found, decided = [], 0
    opposing = product(*(choices(game, player) for player in others))
    while chunk := list(islice(opposing, _CHUNK)):
        profiles = _answered(game, arrays, replier, others, chunk, limit - decided)
        for profile in _not_ruled_out(arrays, profiles):
            decided += 1
            if _is_subgame_perfect(game, profile):
                found.append(profile)
    return sorted(found), decided


def _answered(
    game: DynamicGame,
    arrays: GameArrays,
    replier: int,
    others: list[int],
    chunk: list[tuple[Choice, ...]],
    limit: int,
) -> list[tuple[Choice, ...]]:
    """The profiles in which the replier plays actions that may be optimal in each state."""
    fixed = np.array(chunk).reshape(len(chunk), len(others), game.num_states)
    profile = np.zeros((len(chunk), game.num_players, game.num_states), dtype=int)
    profile[:, others] = fixed
    pays, moves = _problem(arrays, profile, replier)
    optimal = _may_be_optimal(pays, moves, float(arrays.discounts[replier]))
    left = int(optimal.sum(axis=2).prod(axis=1, dtype=float).sum())
    if left > limit:
        raise ValueError(
            f"game: expected at most {limit:,} profiles left after pruning (see `limit`), but "
            f"{left:,} are left of the first {len(chunk):,} problems: so many actions are tied that "
            "equilibria come in large families"
        )
    profiles = []
    for own, allowed in zip(chunk, optimal, strict=True):
        for reply in product(*(np.flatnonzero(row).tolist() for row in allowed)):
            parts = dict(zip(others, own, strict=True)) | {replier: reply}
            profiles.append(tuple(parts[player] for player in range(game.num_players)))
    return profiles


def _problem(
    arrays: GameArrays, profiles: NDArray[np.integer], player: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """What each action of a player pays, `(B, S, A_i)`, and where it leads, `(B, S, A_i, S)`, against
    pure profiles `(B, n, S)`."""
    size, count = arrays.num_states, arrays.num_actions[player]
    index: list[Any] = [np.arange(size)[None, :, None]]
    for other in range(arrays.num_players):
        index.append(np.arange(count) if other == player else profiles[:, other, :, None])
    pays = np.asarray(arrays.payoffs[player])[tuple(index)]
    if arrays.transitions is not None:
        return pays, np.asarray(arrays.transitions)[tuple(index)]
    return pays, np.eye(size)[np.asarray(arrays.successors)[tuple(index)]]


def _may_be_optimal(
    pays: NDArray[np.floating], moves: NDArray[np.floating], discount: float
) -> NDArray[np.bool_]:
    """Actions that exact numbers may find optimal: all but those proven to be worse."""
    batch, size, _ = pays.shape
    rows, states = np.arange(batch)[:, None], np.arange(size)[None]
    choice = pays.argmax(axis=2)
    while True:
        values = _worth(pays[rows, states, choice], moves[rows, states, choice], discount)
        table = (1 - discount) * pays + discount * (moves @ values[:, None, :, None])[..., 0]
        best = table.max(axis=2)
        # Each round adds this much to some value, and rounding less, so that there is an end.
        better = best - table[rows, states, choice] > _ROUNDING / (1 - discount)
        if not better.any():
            break
        choice = np.where(better, table.argmax(axis=2), choice)
    # |V - V*| is at most the Bellman residual over 1 - g, and so are the errors of best and table.
    residual = abs(best - values).max(axis=1)
    error = (residual + _ROUNDING) / (1 - discount)
    return table >= (best - 2 * error[:, None])[..., None]


def _worth(
    now: NDArray[np.floating], chain: NDArray[np.floating], discount: float
) -> NDArray[np.floating]:
    matrix = np.eye(now.shape[-1]) - discount * chain
    return np.linalg.solve(matrix, (1 - discount) * now[..., None])[..., 0]


def _not_ruled_out(
    arrays: GameArrays, profiles: list[tuple[Choice, ...]]
) -> Iterator[tuple[Choice, ...]]:
    """Profiles in which no player is proven to gain by one deviating action."""
    if not profiles:
        return
    index = np.array(profiles)
    rows, states = np.arange(len(profiles))[:, None], np.arange(arrays.num_states)[None]
    stays = np.ones(len(profiles), dtype=bool)
    for player in range(arrays.num_players):
        discount = float(arrays.discounts[player])
        pays, moves = _problem(arrays, index, player)
        own = index[:, player]
        values = _worth(pays[rows, states, own], moves[rows, states, own], discount)
        table = (1 - discount) * pays + discount * (moves @ values[:, None, :, None])[..., 0]
        residual = abs(table[rows, states, own] - values).max(axis=1)
        error = (residual + _ROUNDING) / (1 - discount)
        stays &= (table.max(axis=2) - values).max(axis=1) <= 2 * error
    yield from (profile for profile, stay in zip(profiles, stays, strict=True) if stay)


def _is_subgame_perfect(game: DynamicGame, profile: Sequence[Choice]) -> bool:
    """Whether no player gains by one deviating action in any state, in rationals."""
    values = evaluate(game, profile)
    joint = _joint(game, profile)
    stride = 1
    for player in reversed(range(game.num_players)):
        own, discount, worth = profile[player], game.discounts[player], values[player]
        for state, k in enumerate(joint):
            for action in range(game.num_actions[player]):
                other = k + (action - own[state]) * stride
                ahead = sum((p * worth[t] for t, p in game.branches[state][other]), Fraction(0))
                pay = (1 - discount) * game.rewards[player][state][other]
                if pay + discount * ahead > worth[state]:
                    return False
        stride *= game.num_actions[player]
    return True


def _require(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise ValueError(
            f"game: expected at most {limit:,} {what} (see `limit`), got {number:,}, which would take "
            f"about {number * 1e-4:,.0f} s; ask for subgame-perfect equilibria, which are pruned, or "
            "follow paths to some equilibria instead"
        )


def joined(actions: Sequence[str]) -> str:
    """The names of the actions in each state, side by side."""
    return ("" if all(len(action) == 1 for action in actions) else " ").join(actions)
