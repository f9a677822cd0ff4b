"""Iterated games: a normal form played round after round, and the histories that players condition
on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from resolvent.games import display
from resolvent.games.chances import ONE, Distribution, Matrix, read_discounts, read_initial
from resolvent.games.histories import History, all_histories, read_memories, successor_rows
from resolvent.games.normal_form import JointAction, NormalForm
from resolvent.games.observation import (
    Labels,
    Misreading,
    Observe,
    default_labels,
    noisy_readings,
    read_misreadings,
    read_observe,
    read_trembles,
)
from resolvent.games.rational import (
    Exact,
    ExactNest,
    leaves,
    resolve_mapping,
    shorten,
    substitute_all,
    symbols_in,
)
from resolvent.games.record import Record

if TYPE_CHECKING:
    import sympy

    from resolvent.games.stochastic import StochasticGame

# Beyond this many entries a repr leaves out labels and probabilities.
_LONGEST_REPR = 64


@dataclass(frozen=True, init=False, repr=False, eq=False)
class IteratedGame(Record):
    """A stage game repeated for ever, with discounted payoffs, among players who remember the last
    rounds.

    The state is what happened: nothing yet (`start`), then the joint actions of the last `memory`
    rounds, oldest first. States are ordered shorter histories first, and row-major among histories
    of a length, so that with two actions and memory one they are start, CC, CD, DC, DD. The order
    is the same for every player (the absolute view; see [`resolvent.games.own_view`][]).

    A player conditions on what it **observes** of the state: all of it unless the game says
    otherwise. Its policy has one row per observation.

    Instances are immutable, hashable, and equal if all of their content is.

    **Attributes:**

    - `stage`: the [`resolvent.games.NormalForm`][] played in each round.
    - `discounts`: one discount factor per player, each a `Fraction` in [0, 1) or a SymPy
        expression.
    - `memories`: how many past rounds each player remembers.
    - `labels`: for each player None if it observes everything that it remembers, otherwise one
        label per state: states of one label look alike to the player.
    - `initial`: None if play begins in `start`; otherwise there is no start, the states are the
        histories of full length, and these are the probabilities of each to be what was seen before
        the first round.
    - `trembles`: for each player None, or the row-stochastic matrix from the intended action (row)
        to the realised one (column).
    - `misreadings`: for each player None, or one entry per player: None, or the row-stochastic
        matrix from that player's last action (row) to the action seen (column).
    """

    stage: NormalForm
    discounts: tuple[Exact, ...]
    memories: tuple[int, ...]
    labels: tuple[Labels | None, ...]
    initial: tuple[Exact, ...] | None
    trembles: tuple[Matrix | None, ...]
    misreadings: tuple[Misreading | None, ...]

    def __init__(
        self,
        stage: NormalForm,
        discount: object,
        memory: int | Sequence[int] = 1,
        observe: Observe | Sequence[Observe] = None,
        *,
        initial: object = None,
        implementation_noise: object = None,
        observation_noise: object = None,
    ) -> None:
        """**Arguments:**

        - `stage`: the game of each round.
        - `discount`: the discount factor in [0, 1), exact as in [`resolvent.games.exact`][]
            (`"24/25"`, or a `float` at its shortest decimal form), or a SymPy expression; or a
            sequence with one per player. The limit of 1 is not a discount: it is asked for
            separately, where the values are.
        - `memory`: how many past rounds the players remember, an integer from 0 up, or one per
            player. The states are the histories of the longest memory; a player with a shorter one
            sees the end of the history only, and a player with memory 0 among others who remember
            has the single observation `always`. If nobody remembers anything the game is the
            one-shot game, with the single state `start`.
        - `observe`: what the players observe of what they remember. None or `"all"`: everything.
            `"reactive"`: the actions of the others only. `"own"`: their own actions only. A mapping
            from the name of each state to a label; a function from a history (a tuple of rounds,
            each a tuple of the names of the actions) to a label. Or a sequence with one entry per
            player, each one of these or a sequence with one label per state. States of one label
            are one observation. Labels are kept, functions are not: a game is data.
        - `initial`: None if play begins with nothing to remember, in the state `start`. Otherwise
            the states are the histories of full length only, and play begins as if one of them had
            just been seen (its payoffs are not counted): a mapping from names of states to
            probabilities, a sequence with one probability per state, or `"uniform"`.
        - `implementation_noise`: the probability with which a player's hand trembles: one of its
            *other* actions, each with the same probability, is realised instead of the intended
            one. A number, or a sequence with one entry per player, a number or a row-stochastic
            matrix from intended to realised actions. States and payoffs are those of the realised
            actions.
        - `observation_noise`: the probability with which a player misreads the last action of
            another player, independently for each: it sees one of the actions that were not taken,
            uniformly. A number, or a sequence with one entry per player: a number, or a sequence
            with one entry per observed player, a number or a row-stochastic matrix from the action
            taken to the action seen (0 for the player itself). Only where the memory is at most one
            round: a misperception that is remembered persists, and needs
            [`resolvent.games.NormalForm.monitored`][].

        Raises `TypeError` or `ValueError`, naming the argument.
        """
        if not isinstance(stage, NormalForm):
            raise TypeError(f"stage must be a NormalForm; got {shorten(stage)}")
        discounts = read_discounts(discount, stage.num_players)
        memories = read_memories(memory, stage.num_players)
        longest = max(memories)
        if initial is not None and longest == 0:
            raise ValueError("initial needs a memory of at least one round; got 0")
        histories = all_histories(stage.joint_actions, longest, initial is None)
        labels = read_observe(observe, stage.actions, histories, memories)
        if initial is not None:
            states = default_labels(stage.actions, histories, longest, longest)
            initial = read_initial(initial, states)
        trembles = read_trembles(implementation_noise, stage.num_actions)
        misreadings = read_misreadings(observation_noise, stage.num_actions, memories)
        object.__setattr__(self, "stage", stage)
        object.__setattr__(self, "discounts", discounts)
        object.__setattr__(self, "memories", memories)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "initial", initial)
        object.__setattr__(self, "trembles", trembles)
        object.__setattr__(self, "misreadings", misreadings)
        _ = self.symbols  # two symbols of one name are an error of the arguments

    @property
    def name(self) -> str | None:
        """The name of the stage game."""
        return self.stage.name

    @property
    def players(self) -> tuple[str, ...]:
        """The names of the players."""
        return self.stage.players

    @property
    def actions(self) -> tuple[tuple[str, ...], ...]:
        """The names of each player's actions."""
        return self.stage.actions

    @property
    def num_players(self) -> int:
        """The number of players."""
        return self.stage.num_players

    @property
    def num_actions(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return self.stage.num_actions

    @property
    def joint_actions(self) -> tuple[JointAction, ...]:
        """All joint actions, as tuples of action indices, row-major."""
        return self.stage.joint_actions

    @property
    def discount(self) -> Exact | tuple[Exact, ...]:
        """The discount factor that all players share; a tuple with one per player if they
        differ."""
        shared = all(own == self.discounts[0] for own in self.discounts)
        return self.discounts[0] if shared else self.discounts

    @property
    def memory(self) -> int:
        """How many past rounds a state holds: the longest memory among the players. 0 is the
        one-shot game: the only state is start."""
        return max(self.memories)

    @property
    def num_states(self) -> int:
        """The number of states, start included if there is one."""
        return len(self.histories)

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols in payoffs, discounts, initial probabilities and noise, sorted by name;
        `()` if all are numbers."""
        numbers = (self.stage.payoffs, self.discounts, self.initial or (), *_present(self.trembles))
        misread = (matrix for own in _present(self.misreadings) for matrix in _present(own))
        return symbols_in(leaves((*numbers, *misread)), "payoffs, discount, initial and noise")

    @cached_property
    def histories(self) -> tuple[History, ...]:
        """What happened before each state: tuples of joint actions (tuples of action indices),
        oldest round first."""
        return all_histories(self.joint_actions, self.memory, self.initial is None)

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The names of the states: `start`, then `CC`, `CD`, ...

        Action names of one character are joined directly, longer ones with commas; successive
        rounds are joined with full stops.
        """
        return default_labels(self.actions, self.histories, self.memory, self.memory)

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """`successors[s][k]` is the index of the state that follows state `s` when the `k`-th joint
        action is realised.

        Joint actions are in the order of [`resolvent.games.NormalForm.joint_actions`][].
        """
        return successor_rows(self.histories, self.joint_actions, self.memory)

    @cached_property
    def branches(self) -> tuple[tuple[Distribution, ...], ...]:
        """`branches[s][k]` holds the pairs (next state, probability) that follow state `s` when the
        `k`-th joint action is realised: a single one, with probability 1."""
        cells = tuple(((state, ONE),) for state in range(self.num_states))
        rows: dict[int, tuple[Distribution, ...]] = {}
        for row in self.successors:
            if id(row) not in rows:
                rows[id(row)] = tuple(cells[state] for state in row)
        return tuple(rows[id(row)] for row in self.successors)

    @cached_property
    def rewards(self) -> tuple[tuple[tuple[Exact, ...], ...], ...]:
        """`rewards[i][s][k]` is what player `i` gets when the `k`-th joint action is realised in
        state `s`: the payoff of the stage game, whatever the state."""
        rows = (tuple(leaves(payoffs)) for payoffs in self.stage.payoffs)
        return tuple((row,) * self.num_states for row in rows)

    @cached_property
    def initial_distribution(self) -> tuple[Exact, ...]:
        """The probability of each state to be the one that play begins in."""
        if self.initial is not None:
            return self.initial
        return (ONE, *(Fraction(0),) * (self.num_states - 1))

    @cached_property
    def seen_as(self) -> tuple[Labels, ...]:
        """`seen_as[i][s]` is what player `i` observes in state `s` if it does not misread it."""
        return tuple(
            default_labels(self.actions, self.histories, memory, self.memory)
            if labels is None
            else labels
            for labels, memory in zip(self.labels, self.memories, strict=True)
        )

    @cached_property
    def observations(self) -> tuple[Labels, ...]:
        """What each player can observe, the rows of its policy, in the order in which the states
        show it first. The names of the states, for a player who observes them."""
        return tuple(tuple(dict.fromkeys(labels)) for labels in self.seen_as)

    @property
    def policy_shapes(self) -> tuple[tuple[int, int], ...]:
        """The shape of each player's policy: observations by actions."""
        rows = (len(labels) for labels in self.observations)
        return tuple(zip(rows, self.num_actions, strict=True))

    @cached_property
    def readings(self) -> tuple[tuple[Distribution, ...], ...]:
        """`readings[i][s]` holds the pairs (observation of player `i`, probability) in state `s`."""
        result: list[tuple[Distribution, ...]] = []
        for labels, names, misreading in zip(
            self.seen_as, self.observations, self.misreadings, strict=True
        ):
            index = {name: k for k, name in enumerate(names)}
            seen = [index[label] for label in labels]
            if misreading is None:
                result.append(tuple(((k, ONE),) for k in seen))
            else:
                result.append(noisy_readings(seen, self.histories, misreading, self.num_actions))
        return tuple(result)

    def as_stochastic(self) -> StochasticGame:
        """This game as a stochastic game, with the same states, observations and values.

        Implementation noise becomes part of transitions and payoffs: what follows an action, and
        what it pays, is then the average over the actions that may be realised.
        """
        from resolvent.games.stochastic import from_iterated

        return from_iterated(self)

    def substitute(self, mapping: Mapping[Any, object]) -> IteratedGame:
        """The game with symbols replaced, all at once, wherever they are.

        **Arguments:**

        - `mapping`: SymPy symbols, or their names, to numbers or expressions. Symbols that are not
            named stay.

        Raises `ValueError` for a symbol the game does not have, a division by zero, or a discount
        outside [0, 1) or a probability outside [0, 1].
        """
        resolved = resolve_mapping(mapping, self.symbols, "the game")
        in_stage = {
            symbol: value for symbol, value in resolved.items() if symbol in self.stage.symbols
        }

        def fill(nest: ExactNest, name: str) -> ExactNest:
            return substitute_all(nest, resolved, name)

        return IteratedGame(
            self.stage.substitute(in_stage),
            _shared(tuple(fill(own, "discount") for own in self.discounts)),
            self.memories,
            self.labels,
            initial=None if self.initial is None else fill(self.initial, "initial"),
            implementation_noise=[
                None if own is None else fill(own, f"implementation_noise[{i}]")
                for i, own in enumerate(self.trembles)
            ],
            observation_noise=[
                None
                if own is None
                else [
                    None if each is None else fill(each, f"observation_noise[{i}]") for each in own
                ]
                for i, own in enumerate(self.misreadings)
            ],
        )

    def __repr__(self) -> str:
        discount = self.discount
        parts = [
            repr(self.stage),
            f"discount={display.literal(discount)}",
            f"memory={_shared(self.memories)!r}",
        ]
        if any(own is not None for own in self.labels):
            large = self.num_states > _LONGEST_REPR
            parts.append(
                f"observe=<labels of {self.num_states} states>"
                if large
                else f"observe={self.labels}"
            )
        for name, value in (
            ("initial", self.initial),
            ("implementation_noise", self.trembles),
            ("observation_noise", self.misreadings),
        ):
            if value is None or all(own is None for own in value):
                continue
            size = sum(1 for _ in leaves(_without_none(value)))
            parts.append(
                f"{name}=<{size} numbers>"
                if size > _LONGEST_REPR
                else f"{name}={display.literal(value)}"
            )
        return f"IteratedGame({', '.join(parts)})"

    def __str__(self) -> str:
        rounds = [
            "one round" if memory == 1 else f"{memory} rounds"
            for memory in ([self.memory] if len(set(self.memories)) == 1 else self.memories)
        ]
        discount = self.discount
        discounts = discount if isinstance(discount, tuple) else (discount,)
        parts = [
            f"discount {' and '.join(map(str, discounts))}",
            f"memory of {' and '.join(rounds)}",
            f"{self.num_states} states",
        ]
        if any(names != self.states for names in self.observations):
            parts.append(
                f"{' and '.join(str(len(names)) for names in self.observations)} observations"
            )
        if self.initial is not None:
            parts.append("no start state")
        if any(_present(self.trembles)):
            parts.append("implementation noise")
        if any(_present(self.misreadings)):
            parts.append("observation noise")
        return f"iterated {self.stage}\n{', '.join(parts)}"


def _shared(values: tuple[Any, ...]) -> Any:
    """One value if all players have the same, otherwise all of them."""
    return values[0] if all(own == values[0] for own in values) else values


def _present(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _without_none(nest: Any) -> Any:
    if isinstance(nest, tuple):
        return tuple(_without_none(child) for child in nest if child is not None)
    return nest
