r"""The decision process that the others face together when the policies of some players are fixed.

In state $s$ they choose a joint (intended) action $k$; the fixed policies, what those players read and all
trembling hands are averaged over:

$$ \bar u_j(s, k) = \mathbb{E}[u_j \mid s, k], \qquad P(t \mid s, k). $$

Whatever they do, coordinated or not, with any memory, is a way of controlling this process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import flint
import networkx as nx

from resolvent.analytic.chain import (
    Converter,
    Row,
    behaviours,
    is_zero,
    rational,
    require_numbers,
    successors,
)
from resolvent.games import DynamicGame, check_policies, uniform
from resolvent.games.policies import require_player

_ONE = Fraction(1)

Pair = tuple[int, int]
"""A state, and the number of a joint action of the others."""


@dataclass(frozen=True)
class OthersProcess:
    """The process, on the states that can be reached under some play of the others.

    **Attributes:**

    - `states`: those states, sorted.
    - `initial`: the probability of each state of the game to be the first, `(S,)`.
    - `payoffs`: per pair (state, joint action of the others) the expected payoff of each player.
    - `moves`: per pair a mapping next state -> probability, zeros dropped.
    """

    states: tuple[int, ...]
    initial: tuple[Any, ...]
    payoffs: dict[Pair, tuple[Any, ...]]
    moves: dict[Pair, Row]

    def recurrent_pairs(self) -> list[Pair]:
        """The pairs that can recur: those of the maximal end components, the sets of states in which
        the others can keep play for ever while going everywhere in them.

        Source: de Alfaro (1997), Formal Verification of Probabilistic Systems, section 3.3.
        """
        kept = dict(self.moves)
        while True:
            graph = nx.DiGraph((s, t) for (s, _), row in kept.items() for t in row)
            where = {
                s: c for c, own in enumerate(nx.strongly_connected_components(graph)) for s in own
            }
            acting = {s for s, _ in kept}
            staying = {
                (s, k): row
                for (s, k), row in kept.items()
                if all(t in acting and where[t] == where[s] for t in row)
            }
            if len(staying) == len(kept):
                return sorted(staying)
            kept = staying


def others_process(game: DynamicGame, fixed: Mapping[int, Any]) -> OthersProcess:
    """The decision process of all players but those with fixed policies.

    **Arguments:** the `game`, without symbols; exact policies, `(O, A)`, by player.

    **Raises:** as [`resolvent.games.check_policies`][], of these policies.
    """
    for player in fixed:
        require_player(game, player)
    require_numbers(game)
    given = [fixed[j] if j in fixed else uniform(game, j) for j in range(game.num_players)]
    checked = check_policies(game, given, True)
    convert = Converter(rational)
    own = {player: behaviours(game, checked[player], player, convert) for player in fixed}
    chances = _joint_chances(game, sorted(fixed), convert)
    payoffs: dict[Pair, tuple[Any, ...]] = {}
    moves: dict[Pair, Row] = {}
    initial = tuple(convert.row(game.initial_distribution))
    found = {s for s, mass in enumerate(initial) if not is_zero(mass)}
    waiting = sorted(found)
    while waiting:
        s = waiting.pop()
        pays = [convert.row(rows[s]) for rows in game.rewards]
        for k, joints in enumerate(chances):
            joint = []
            for u, actions, p in joints:
                for player, a in actions:
                    p = p * own[player][s][a]
                if not is_zero(p):
                    joint.append((u, p))
            payoffs[s, k] = tuple(
                sum((p * row[u] for u, p in joint), flint.fmpq(0)) for row in pays
            )
            row = moves[s, k] = successors(game.branches[s], joint, convert)
            new = row.keys() - found
            found |= new
            waiting.extend(new)
    return OthersProcess(tuple(sorted(found)), initial, payoffs, moves)


def _joint_chances(
    game: DynamicGame, fixed: Sequence[int], convert: Converter
) -> list[list[tuple[int, tuple[tuple[int, int], ...], Any]]]:
    """Per joint action that the others intend: what can be realised, as (number of the joint action,
    pairs of a fixed player and its action in it, probability given those)."""
    others = [j for j in range(game.num_players) if j not in fixed]
    result: list[list[tuple[int, tuple[tuple[int, int], ...], Any]]] = []
    for meant in product(*(range(game.num_actions[j]) for j in others)):
        cell: list[tuple[int, tuple[tuple[int, int], ...], Any]] = []
        for u, joint in enumerate(product(*map(range, game.num_actions))):
            chance = convert(_ONE)
            for j, intended in zip(others, meant, strict=True):
                tremble = game.trembles[j]
                if tremble is None:
                    chance *= int(joint[j] == intended)
                else:
                    chance *= convert(tremble[intended][joint[j]])
            if not is_zero(chance):
                cell.append((u, tuple((j, joint[j]) for j in fixed), chance))
        result.append(cell)
    return result


def solutions(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """A basis of {x : M x = 0}, in `fmpq`, for M by rows of length `width`."""
    matrix = flint.fmpq_mat([list(row) for row in rows]) if rows else flint.fmpq_mat(0, width)
    reduced, rank = matrix.rref()
    pivots: list[int] = []
    for r in range(rank):
        pivots.append(next(c for c in range(width) if reduced[r, c] != 0))
    basis = []
    for free in (c for c in range(width) if c not in pivots):
        vector = [flint.fmpq(int(c == free)) for c in range(width)]
        for r, c in enumerate(pivots):
            vector[c] = -reduced[r, free]
        basis.append(vector)
    return basis
