"""Finite-state controllers: players with an inner state of a few nodes, as memory-one play of a
larger game.

A controller with `K` nodes plays by the node that it is in and moves to another by what it sees.
The game in which everybody has one is an iterated game of memory one whose actions are pairs
(action, node in which it is played): who remembers its own last pair knows its node, and nobody
sees the nodes of the others. So everything that holds for memory-one policies holds for
controllers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from resolvent.games import display
from resolvent.games.chances import Matrix, multiply, read_distribution, read_matrix
from resolvent.games.iterated import IteratedGame
from resolvent.games.normal_form import NormalForm
from resolvent.games.policies import require_player
from resolvent.games.rational import Exact, entries, leaves, shorten, symbols_in
from resolvent.games.record import Record

_ZERO = Fraction(0)


def with_controllers(game: IteratedGame, nodes: int | Sequence[int]) -> IteratedGame:
    """The game in which every player has a finite-state controller.

    **Arguments:**

    - `game`: an iterated game of memory one that begins in `start`, with any observations, discounts
        and noise; all of these are kept. Trembles change the action, not the node.
    - `nodes`: the number of nodes of every player's controller, from 1 up, or one per player.

    **Returns:**

    An iterated game of memory one. The action `C2` is: play C in node 2. A player observes `start`,
    or its own node and what it observes in `game`: `2,CD` is that it was in node 2 when CD was
    played. A policy of this game is a controller that may move and act in a correlated way;
    [`resolvent.games.Controller`][] makes those of Moore's form.

    With `K` nodes and `A` actions there are `K A` actions per player, and the number of states
    grows with their product over the players.
    """
    if not isinstance(game, IteratedGame):
        raise TypeError(f"game must be an IteratedGame; got {shorten(game)}")
    if game.memory != 1:
        raise ValueError(f"game must have a memory of one round; got {game.memory}")
    if game.initial is not None:
        raise ValueError(
            "game must begin in start (initial=None): controllers choose their first node there"
        )
    counts = _read_nodes(nodes, game.num_players)
    stage = game.stage
    actions = tuple(_names(own, count) for own, count in zip(stage.actions, counts, strict=True))
    composite = NormalForm(
        tuple(_repeated(own, counts) for own in stage.payoffs),
        actions,
        stage.players,
        stage.name,
        stated_as=stage.stated_as,
    )
    state_of = {history: state for state, history in enumerate(game.histories)}
    labels: list[list[str]] = [["start"] for _ in counts]
    for joint in composite.joint_actions:
        played = tuple(pair // count for pair, count in zip(joint, counts, strict=True))
        state = state_of[(played,)]
        for player, (pair, count) in enumerate(zip(joint, counts, strict=True)):
            labels[player].append(f"{pair % count + 1},{game.seen_as[player][state]}")
    return IteratedGame(
        composite,
        game.discounts,
        1,
        labels,
        implementation_noise=[
            _beside_nodes(own, count) for own, count in zip(game.trembles, counts, strict=True)
        ],
        observation_noise=[
            0
            if own is None
            else [_beside_nodes(each, count) for each, count in zip(own, counts, strict=True)]
            for own in game.misreadings
        ],
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class Controller(Record):
    """A finite-state controller: a Moore machine that may randomise.

    In node `k` it plays an action drawn from `act[k]`; it then sees observation `o` and goes to a
    node drawn from `move[k][o]`.

    **Attributes:**

    - `start`: shape `(K,)`, the probability of each node to be the first.
    - `act`: shape `(K, A)`.
    - `move`: shape `(K, O, K)`: from node, by observation, to node.
    """

    start: tuple[Exact, ...]
    act: Matrix
    move: tuple[Matrix, ...]

    def __init__(self, start: object, act: object, move: object) -> None:
        """**Arguments:**

        - `start`: one probability per node.
        - `act`: a row per node, one probability per action.
        - `move`: for each node a row per observation, one probability per node. The observations
            are those that the player has in the base game after the start, in their order: CC, CD,
            DC, DD.

        Numbers are exact, as in [`resolvent.games.exact`][], or symbols.
        """
        size = len(entries(start) or ())
        if size == 0:
            raise ValueError(f"start must hold one probability per node; got {shorten(start)}")
        num_actions = _second_length(act)
        if num_actions == 0:
            raise ValueError(f"act must have shape (nodes, actions); got {shorten(act)}")
        moves = entries(move) or ()
        num_observations = _second_length(move)
        if len(moves) != size or num_observations == 0:
            raise ValueError(
                f"move must have shape (nodes, observations, nodes) with {size} nodes; got {shorten(move)}"
            )
        content = {
            "start": read_distribution(start, size, "start"),
            "act": read_matrix(act, size, num_actions, "act"),
            "move": tuple(
                read_matrix(own, num_observations, size, f"move[{k}]")
                for k, own in enumerate(moves)
            ),
        }
        symbols_in(leaves(tuple(content.values())), "start, act and move")
        for field, value in content.items():
            object.__setattr__(self, field, value)

    @property
    def num_nodes(self) -> int:
        """The number of nodes."""
        return len(self.start)

    def policy(self, game: IteratedGame, player: int) -> Matrix:
        """This controller as a policy of a game made by [`resolvent.games.with_controllers`][].

        **Arguments:**

        - `game`: the game with controllers, in which the player has as many nodes, actions and
            observations as this controller.
        - `player`: whose policy it is, from 0.

        **Returns:**

        Rows in the order of `game.observations[player]`: after node `k` and observation `o`, the
        pair of action `a` and node `j` has probability `move[k][o][j] * act[j][a]`.
        """
        own = require_player(game, player)
        shape = self.num_nodes, len(self.act[0]), len(self.move[0])
        seen = [label.partition(",") for label in game.observations[own] if label != "start"]
        order = list(dict.fromkeys(observation for _, _, observation in seen))
        expected = {(str(k + 1), ",", o) for k in range(shape[0]) for o in order}
        fits = len(order) == shape[2] and game.num_actions[own] == shape[0] * shape[1]
        if not fits or set(seen) != expected or len(seen) != len(expected):
            raise ValueError(
                f"game must be made by with_controllers, with {shape[0]} nodes, {shape[1]} actions and {shape[2]} "
                f"observations for player {own}; it has {game.num_actions[own]} pairs of action and node, and "
                f"{len(seen)} observations"
            )
        after = {
            f"{k + 1},{o}": self._row(self.move[k][order.index(o)])
            for k in range(shape[0])
            for o in order
        }
        after["start"] = self._row(self.start)
        return tuple(after[label] for label in game.observations[own])

    def _row(self, nodes: Sequence[Exact]) -> tuple[Exact, ...]:
        """Probabilities of pairs (action, node), the node drawn first."""
        return tuple(
            multiply(chance, self.act[node][action])
            for action in range(len(self.act[0]))
            for node, chance in enumerate(nodes)
        )

    def __repr__(self) -> str:
        return f"Controller({', '.join(map(display.literal, (self.start, self.act, self.move)))})"


def _second_length(nest: object) -> int:
    """The length of the first entry of a nest, 0 if there is none."""
    outer = entries(nest)
    return len(entries(outer[0]) or ()) if outer else 0


def _read_nodes(nodes: object, num_players: int) -> tuple[int, ...]:
    per_player = entries(nodes)
    given: list[Any] = [nodes] * num_players if per_player is None else [*per_player]
    if len(given) != num_players:
        raise ValueError(
            f"nodes must be one integer or one per player ({num_players}); got {len(given)}"
        )
    for count in given:
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"nodes must be an integer, or one per player; got {shorten(count)}")
        if count < 1:
            raise ValueError(f"nodes must be at least 1; got {count}")
    return tuple(given)


def _names(actions: Sequence[str], nodes: int) -> tuple[str, ...]:
    # A digit at the end of an action's name must not run into the node's.
    between = ":" if any(name[-1].isdigit() for name in actions) else ""
    return tuple(f"{name}{between}{node + 1}" for name in actions for node in range(nodes))


def _repeated(nest: Any, counts: Sequence[int]) -> Any:
    """Payoffs of pairs (action, node): those of the actions."""
    if not counts:
        return nest
    children = (_repeated(child, counts[1:]) for child in nest)
    return tuple(child for child in children for _ in range(counts[0]))


def _beside_nodes(matrix: Matrix | None, nodes: int) -> Matrix | None:
    """Noise in the action of a pair (action, node) that leaves the node as it is."""
    if matrix is None:
        return None
    return tuple(
        tuple(p if node == other else _ZERO for p in row for other in range(nodes))
        for row in matrix
        for node in range(nodes)
    )
