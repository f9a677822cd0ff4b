r"""Who would move where: the graph of best or better replies over pure profiles, and where it ends.

An arrow $a \to (b_i, a_{-i})$ says that player $i$ strictly gains by the move; of the best-reply graph, only
moves to one of its best replies are arrows. A **sink** is a strongly connected component that no arrow
leaves: players who take turns to improve end in one, and stay. A sink of one profile is a pure equilibrium,
a larger one a cycle of replies (sink equilibria: Goemans, Mirrokni and Vetta 2005, FOCS). Payoffs are
rationals, since ties decide which arrows there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from resolvent.games import IteratedGame, NormalForm
from resolvent.numeric.equilibrium.arrays import Game, require_stationary
from resolvent.numeric.equilibrium.pure import LIMIT, choices, joined, policy_table
from resolvent.numeric.equilibrium.verification import as_dynamic

Profile: TypeAlias = tuple[int, ...]
"""The number of each player's action, or pure policy (the action in the last state varying fastest)."""


@dataclass(frozen=True, eq=False, repr=False)
class BestReplyGraph:
    """The best- or better-reply graph of a game.

    **Fields:**

    - `game`: what is played.
    - `kind`: `"best"` or `"better"`.
    - `over`: `"actions"` of a matrix game, or pure stationary `"policies"`.
    - `graph`: a `networkx.DiGraph`. Nodes are profiles, tuples of one number per player, with the
        attributes `name` and `values` (`Fraction`s, per round from where play begins). Each arrow has the
        attribute `player`, who moves, and `gain`.
    """

    game: Game
    kind: Literal["best", "better"]
    over: Literal["actions", "policies"]
    graph: nx.DiGraph[Any]

    @property
    def sinks(self) -> tuple[frozenset[Profile], ...]:
        """The sink components, small ones first."""
        condensed: nx.DiGraph[Any] = nx.condensation(self.graph)
        ends = [node for node, degree in condensed.out_degree() if degree == 0]
        found: list[frozenset[Profile]] = [
            frozenset(condensed.nodes[node]["members"]) for node in ends
        ]
        return tuple(sorted(found, key=lambda own: (len(own), min(own))))

    @property
    def equilibria(self) -> tuple[Profile, ...]:
        """Profiles that nobody would leave: the pure Nash equilibria (from where play begins)."""
        return tuple(node for node, degree in self.graph.out_degree() if degree == 0)

    @property
    def cyclic_components(self) -> tuple[frozenset[Profile], ...]:
        """Strongly connected components of more than one profile, sinks or not; each holds cycles of
        replies."""
        found = (frozenset(own) for own in nx.strongly_connected_components(self.graph))
        return tuple(
            sorted((own for own in found if len(own) > 1), key=lambda own: (len(own), min(own)))
        )

    def cycles(self, length_bound: int | None = None) -> Iterator[list[Profile]]:
        """Cycles of replies that visit no profile twice, one after the other; there may be very many.

        **Arguments:** `length_bound`: the longest to look for.
        """
        return nx.simple_cycles(self.graph, length_bound)

    def name(self, profile: Profile) -> str:
        """What is played in a profile, player by player: `C|D`, `CDDD|DDDD`."""
        return self.graph.nodes[profile]["name"]

    def __str__(self) -> str:
        sinks = self.sinks
        sizes = Counter(len(own) for own in sinks)
        lines = [
            f"{self.kind}-reply graph over pure {self.over} of {self.game.name or 'a game'}: "
            f"{self.graph.number_of_nodes():,} profiles, {self.graph.number_of_edges():,} moves",
            f"  {len(self.equilibria)} pure equilibria; sinks: "
            + ", ".join(f"{count} of size {size}" for size, count in sorted(sizes.items())),
        ]
        for own in sinks[:20]:
            shown = [self.name(profile) for profile in sorted(own)[:12]]
            lines.append(f"    {', '.join(shown)}{', ...' if len(own) > 12 else ''}")
        if len(sinks) > 20:
            lines.append(f"    ... and {len(sinks) - 20:,} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        sizes = [len(own) for own in self.sinks]
        return f"BestReplyGraph({self.game.name}, {self.kind}, {self.over}, sinks={sizes})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the graph, the sinks in colour; profiles of two players in a grid (rows: player 1).

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        if self.game.num_players == 2:
            place = {node: (node[1], -node[0]) for node in self.graph}
        else:
            place = nx.circular_layout(self.graph)
        colours = dict.fromkeys(self.graph, "lightgrey")
        for k, own in enumerate(self.sinks):
            colours |= dict.fromkeys(own, f"C{k % 10}")
        few = len(self.graph) <= 64
        nx.draw_networkx(
            self.graph,
            place,
            ax=ax,
            labels=dict(self.graph.nodes(data="name")) if few else {},
            node_color=[colours[node] for node in self.graph],
            node_size=600 if few else 20,
            font_size=7,
            width=1.0 if few else 0.2,
            arrowsize=10 if few else 3,
            connectionstyle="arc3,rad=0.15",
        )
        ax.set_title(f"{self.kind} replies, {self.game.name or self.over}")
        return ax


def best_reply_graph(
    game: Game,
    kind: Literal["best", "better"] = "best",
    over: Literal["actions", "policies"] | None = None,
    limit: int = LIMIT,
) -> BestReplyGraph:
    """The graph of replies over the pure profiles of a game.

    **Arguments:**

    - `game`: a matrix game, or an iterated or stochastic one in which the players see the state.
    - `kind`: `"best"`: each move is to a best reply; `"better"`: to any better one.
    - `over`: `"actions"`, of a matrix game or of the stage game of an iterated one; or `"policies"`, all
        pure stationary ones, valued from where play begins. By default actions of a matrix game, and
        policies otherwise.
    - `limit`: how many profiles there may be.

    **Returns:** a `BestReplyGraph`.
    """
    if kind not in ("best", "better"):
        raise ValueError(f'kind: expected "best" or "better", got {kind!r}')
    if over is None:
        over = "actions" if isinstance(game, NormalForm) else "policies"
    if over not in ("actions", "policies"):
        raise ValueError(f'over: expected "actions" or "policies", got {over!r}')
    require_stationary(game)
    if over == "policies":
        played = as_dynamic(game)
        table = policy_table(played, limit)
        names = [
            [joined([actions[a] for a in own]) for own in choices(played, player)]
            for player, actions in enumerate(played.actions)
        ]
    else:
        stage = game.stage if isinstance(game, IteratedGame) else game
        if not isinstance(stage, NormalForm):
            raise ValueError(
                'over: expected "policies" for a stochastic game, whose actions pay by state, got '
                '"actions"'
            )
        table, names = np.array(stage.payoffs, dtype=object), [list(own) for own in stage.actions]
    return BestReplyGraph(game, kind, over, _graph(table, names, kind))


def _graph(table: NDArray[Any], names: list[list[str]], kind: str) -> nx.DiGraph[Any]:
    graph: nx.DiGraph[Any] = nx.DiGraph()
    for node in np.ndindex(*table.shape[1:]):
        name = "|".join(own[k] for own, k in zip(names, node, strict=True))
        graph.add_node(node, name=name, values=tuple(table[(slice(None), *node)]))
    for player, payoffs in enumerate(table):
        best = payoffs.max(axis=player)
        for node in np.ndindex(*payoffs.shape):
            rest = (*node[:player], *node[player + 1 :])
            for reply in range(payoffs.shape[player]):
                after = (*node[:player], reply, *node[player + 1 :])
                gain = payoffs[after] - payoffs[node]
                if gain > 0 and (kind == "better" or payoffs[after] == best[rest]):
                    graph.add_edge(node, after, player=player, gain=gain)
    return graph
