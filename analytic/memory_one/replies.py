r"""The replies to fixed policies: one decision problem, solved exactly in any direction of payoffs.

Where some players keep to their policies and all others act together, seeing the state, the others face
a finite Markov decision problem with one reward per player. For weights $w$ a deterministic stationary
reply maximises $w \cdot V$ among **all** strategies (Blackwell 1962; Puterman 1994, chapters 6
and 9), and Howard's policy iteration finds one: from the values of a reply to

$$ b(s) \in \arg\max_b \; w \cdot \big( (1-g)\, r(s, b) + g \sum_t p(t \mid s, b)\, V(t) \big). $$

**The limit g -> 1.** Near it the discounted sum is $G/(1-g) + h + O(1-g)$ with the average payoff $G$ and
the bias $h$ of the reply, and what is compared is the pair $(P G, r + P h)$, the first entry first. An
action is changed only for a larger pair, so that each round improves the discounted value for all g near
enough to one: no reply comes back, and there is an end. There $G$ and $h$ solve the nested optimality
equations of the average payoff (Puterman 1994, section 9.1), whatever the number of recurrent classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import flint

from resolvent.analytic.chain import (
    Converter,
    Row,
    behaviours,
    fraction,
    is_zero,
    rational,
    require_numbers,
    successors,
)
from resolvent.analytic.exact import difference, solve
from resolvent.analytic.long_run import long_run
from resolvent.games import DynamicGame, ExactPolicy, check_policies, uniform
from resolvent.games.rational import shorten

Choice = tuple[int, ...]
"""The number of the free players' joint action in each state."""


@dataclass(frozen=True)
class Reply:
    """A deterministic stationary reply, and what it comes to.

    **Attributes:**

    - `policies`: one exact policy per free player, in their order, `(S, A_i)`.
    - `actions`: what they do, an action per state and free player, joined: `"C CDDC"`.
    - `values`: what every player gets from where play begins, per round.
    """

    policies: tuple[ExactPolicy, ...]
    actions: tuple[str, ...]
    values: tuple[Fraction, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.actions)} gives {', '.join(map(str, self.values))}"


class Replies:
    """The decision problem of all players without a fixed policy, who act together.

    **Attributes:**

    - `game`: what is played.
    - `fixed`: the policies that are kept, by player.
    - `free`: the other players.
    - `average`: whether values are the limit g -> 1.
    - `actions`: the joint actions of the free players, by number, row-major.
    """

    game: DynamicGame
    fixed: dict[int, ExactPolicy]
    free: tuple[int, ...]
    average: bool
    actions: list[tuple[int, ...]]

    def __init__(self, game: DynamicGame, fixed: Mapping[int, Any], average: bool) -> None:
        """**Raises:** `ValueError` for policies that do not fit, symbols left in the game, or a free
        player who does not see the state."""
        require_numbers(game)
        for player in fixed:
            if isinstance(player, bool) or player not in range(game.num_players):
                raise ValueError(
                    f"player: expected an index from 0 to {game.num_players - 1}, got {shorten(player)}"
                )
        free = tuple(i for i in range(game.num_players) if i not in fixed)
        if not free or not fixed:
            raise ValueError(
                f"policy: expected some, but not all, of {game.num_players} players' policies; "
                f"got {len(fixed)}"
            )
        for i in free:
            seen = [[o for o, _ in reading] for reading in game.readings[i]]
            if seen != [[s] for s in range(game.num_states)]:
                raise ValueError(
                    f"game: expected a player {i} who sees the state, as replies depend on it; "
                    "got one who observes less, or misreads it"
                )
        joint = [fixed[i] if i in fixed else uniform(game, i) for i in range(game.num_players)]
        checked = check_policies(game, joint, exact=True)
        self.game, self.free, self.average = game, free, average
        self.fixed = {i: checked[i] for i in fixed}
        self.actions = list(product(*(range(game.num_actions[i]) for i in free)))
        self._pays, self._moves = self._problem()
        convert = Converter(rational)
        self._discounts = convert.row(game.discounts)
        self._start = convert.row(game.initial_distribution)
        self._known: dict[Choice, list[list[list[Any]]]] = {}

    def best(self, weights: Sequence[Fraction]) -> Choice:
        """A reply that maximises the weighted sum of all players' values, from every state.

        **Arguments:** `weights`: one per player. Those with a weight other than 0 share one discount,
        unless `average`.
        """
        scale = [rational(w) for w in weights]
        own = [i for i, w in enumerate(scale) if w != 0]
        pays = [[_dot(scale, cell) for cell in row] for row in self._pays]
        choice = tuple(max(range(len(row)), key=row.__getitem__) for row in pays)
        discount = self._discounts[own[0]] if own and not self.average else None
        while True:
            worth = [[_dot(scale, row) for row in part] for part in self._evaluated(choice)]
            better = []
            for s, now in enumerate(choice):
                row = [
                    self._ahead(pays[s][b], self._moves[s][b], worth, discount)
                    for b in range(len(self.actions))
                ]
                best = max(range(len(row)), key=row.__getitem__)
                better.append(best if row[best] > row[now] else now)
            if tuple(better) == choice:
                return choice
            choice = tuple(better)

    def values(self, choice: Choice) -> tuple[Fraction, ...]:
        """What every player gets from where play begins, per round."""
        rows = self._evaluated(choice)[0]
        columns = zip(*rows, strict=True)
        return tuple(fraction(_dot(self._start, column)) for column in columns)

    def reply(self, choice: Choice) -> Reply:
        """The record of a reply."""
        names = []
        for place, i in enumerate(self.free):
            own = [self.game.actions[i][self.actions[k][place]] for k in choice]
            joint = "" if all(len(name) == 1 for name in own) else " "
            start = self.game.states[0] == "start"
            names.append(f"{own[0]} {joint.join(own[1:])}" if start else joint.join(own))
        return Reply(self._policies(choice), tuple(names), self.values(choice))

    def _policies(self, choice: Choice) -> tuple[ExactPolicy, ...]:
        return tuple(
            tuple(
                tuple(
                    Fraction(a == self.actions[k][place]) for a in range(self.game.num_actions[i])
                )
                for k in choice
            )
            for place, i in enumerate(self.free)
        )

    def _ahead(
        self, pay: Any, moves: Row, worth: list[list[Any]], discount: Any
    ) -> tuple[Any, ...]:
        """What an action is worth, as a tuple of which the first entry counts most."""
        later = [sum((p * own[t] for t, p in moves.items()), flint.fmpq(0)) for own in worth]
        if discount is None:
            return later[0], pay + later[1]
        return ((1 - discount) * pay + discount * later[0],)

    def _evaluated(self, choice: Choice) -> list[list[list[Any]]]:
        """Values per state and player: discounted, or average and bias."""
        if choice not in self._known:
            evaluate = self._long_run if self.average else self._discounted
            self._known[choice] = evaluate(choice)
        return self._known[choice]

    def _discounted(self, choice: Choice) -> list[list[list[Any]]]:
        moves = [row[k] for row, k in zip(self._moves, choice, strict=True)]
        pays = [row[k] for row, k in zip(self._pays, choice, strict=True)]
        right = flint.fmpq_mat(pays)
        discounts, sums = self._discounts, {}
        for g in set(discounts):
            dying = difference([{t: g * p for t, p in row.items()} for row in moves])
            sums[g] = solve(dying, right)
        return [
            [[(1 - g) * sums[g][s, i] for i, g in enumerate(discounts)] for s in range(len(choice))]
        ]

    def _long_run(self, choice: Choice) -> list[list[list[Any]]]:
        replies = dict(zip(self.free, self._policies(choice), strict=True))
        joint = {**self.fixed, **replies}
        found = long_run(self.game, [joint[i] for i in range(self.game.num_players)])
        return [
            [[rational(Fraction(x)) for x in row] for row in zip(*table, strict=True)]
            for table in (found.state_averages, found.bias)
        ]

    def _problem(self) -> tuple[list[list[list[Any]]], list[list[Row]]]:
        """What each joint action of the free players pays every player in each state, and where it
        leads."""
        game, convert = self.game, Converter(rational)
        one = convert(Fraction(1))
        acting = {i: behaviours(game, own, i, convert) for i, own in self.fixed.items()}
        pays: list[list[list[Any]]] = []
        moves: list[list[Row]] = []
        for state in range(game.num_states):
            table = [convert.row(own[state]) for own in game.rewards]
            pays.append([])
            moves.append([])
            for action in self.actions:
                meant = dict(zip(self.free, action, strict=True))
                joint: list[tuple[int, Any]] = [(0, one)]
                for i, count in enumerate(game.num_actions):
                    hand = game.trembles[i]
                    if i in acting:
                        row = acting[i][state]
                    elif hand is None:
                        row = [convert(Fraction(a == meant[i])) for a in range(count)]
                    else:
                        row = convert.row(hand[meant[i]])
                    joint = [
                        (k * count + a, p * q)
                        for k, p in joint
                        for a, q in enumerate(row)
                        if not is_zero(q)
                    ]
                pays[-1].append(
                    [_dot([p for _, p in joint], [own[k] for k, _ in joint]) for own in table]
                )
                moves[-1].append(successors(game.branches[state], joint, convert))
        return pays, moves


def _dot(weights: Sequence[Any], numbers: Sequence[Any]) -> Any:
    return sum((w * x for w, x in zip(weights, numbers, strict=True)), flint.fmpq(0))
