"""Stochastic games: finitely many states, each with payoffs and chances of what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from resolvent.games import display
from resolvent.games.chances import (
    ONE,
    Distribution,
    Matrix,
    add,
    multiply,
    read_discounts,
    read_distribution,
    read_initial,
    read_named,
    some_of,
    sparse,
)
from resolvent.games.names import (
    action_names,
    check_labels,
    check_names,
    player_names,
    state_names,
)
from resolvent.games.normal_form import JointAction
from resolvent.games.observation import labels_by_state
from resolvent.games.rational import (
    Exact,
    entries,
    exact_array,
    leaves,
    resolve_mapping,
    shorten,
    substitute,
    substitute_all,
    symbols_in,
)
from resolvent.games.record import Record

if TYPE_CHECKING:
    import sympy

    from resolvent.games.iterated import IteratedGame

Readings = tuple[Distribution, ...]
Row = tuple[Distribution, ...]

# Beyond this many payoffs a repr is a summary, and the printed form leaves out the table.
_LARGEST_TABLE = 64


@dataclass(frozen=True, init=False, repr=False, eq=False)
class StochasticGame(Record):
    """A finite stochastic game with exact payoffs and transitions (Shapley, PNAS 1953), among
    players who condition on what they observe of the state. Every player maximises its payoff.

    In each round play is in one of `S` states; the joint action decides what everyone gets and the
    chances of the next state. Every player has the same actions in every state.

    Instances are immutable, hashable, and equal if all of their content is.

    **Attributes:**

    - `name`: what the game is called, or None.
    - `players`, `actions`, `states`: names.
    - `discounts`: one discount factor per player, each a `Fraction` in [0, 1) or a SymPy
        expression.
    - `initial`: the probability of each state to be the first.
    - `rewards`: `rewards[i][s][k]` is what player `i` gets when the `k`-th joint action (row-major)
        is played in state `s`.
    - `branches`: `branches[s][k]` holds the pairs (next state, probability) after it; no
        probability is 0.
    - `observations`: what each player can observe, the rows of its policy: the names of the states
        if it sees them.
    - `readings`: `readings[i][s]` holds the pairs (observation of player `i`, probability) in state
        `s`.
    """

    name: str | None
    players: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    states: tuple[str, ...]
    discounts: tuple[Exact, ...]
    initial: tuple[Exact, ...]
    rewards: tuple[tuple[tuple[Exact, ...], ...], ...]
    branches: tuple[Row, ...]
    observations: tuple[tuple[str, ...], ...]
    readings: tuple[Readings, ...]

    def __init__(
        self,
        payoffs: object,
        transitions: object,
        discount: object,
        initial: object = None,
        *,
        states: Sequence[str] | None = None,
        actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        players: Sequence[str] | None = None,
        observe: object = None,
        name: str | None = None,
    ) -> None:
        """**Arguments:**

        - `payoffs`: nested sequences or an array of shape `(n, S, A_1, ..., A_n)`, exact numbers as
            [`resolvent.games.exact`][] reads them, or symbols.
        - `transitions`: an array of shape `(S, A_1, ..., A_n, S)`: the probabilities of the next
            state. [`resolvent.games.StochasticGame.from_branches`][] takes only those that are not
            0.
        - `discount`: the discount factor in [0, 1), or a sequence with one per player.
        - `initial`: where play begins: a sequence with one probability per state, a mapping from
            names of states to probabilities, or `"uniform"`. By default play begins in the first
            state.
        - `states`: the names of the states; by default s1, s2, ...
        - `actions`, `players`, `name`: as in [`resolvent.games.NormalForm`][].
        - `observe`: None if everybody sees the state; otherwise a sequence with one entry per
            player. Each entry is None or `"all"`, or one label per state (states of one label look alike to
            the player): a sequence, or a mapping from names of states. Or, for noisy observations,
            a pair `(labels, rows)`: the labels that the player can see, and one row per state, each
            a sequence with one probability per label, a mapping from labels to probabilities, or a
            single label.

        Raises `TypeError` or `ValueError`, naming the argument.
        """
        number = len(entries(payoffs) or ())
        rewards, shape = _read_payoffs(payoffs)
        size = len(rewards[0])
        cells: Any = exact_array(transitions, "transitions", depth=number + 2)
        _check_shape("transitions", _shape(cells), (size, *shape, size))

        def read(cell: Any, field: str) -> Distribution:
            row = read_distribution(cell, size, field)
            return sparse(dict(enumerate(row)))

        branches = tuple(
            _row(cells[state], f"transitions[{state}]", shape, read) for state in range(size)
        )
        self._set(
            rewards, branches, shape, discount, initial, states, actions, players, observe, name
        )

    @classmethod
    def from_branches(
        cls,
        payoffs: object,
        branches: Sequence[Any],
        discount: object,
        initial: object = None,
        *,
        states: Sequence[str] | None = None,
        actions: Sequence[str] | Sequence[Sequence[str]] | None = None,
        players: Sequence[str] | None = None,
        observe: object = None,
        name: str | None = None,
    ) -> StochasticGame:
        """A stochastic game of which only the transitions that can happen are given.

        **Arguments:** those of [`resolvent.games.StochasticGame`][], but for

        - `branches`: nested sequences of shape `(S, A_1, ..., A_n)`, each entry the name of the
            state that follows, or a mapping from names of states to probabilities.
        - `states`: the names of the states, which `branches` uses; by default s1, s2, ...
        """
        rewards, shape = _read_payoffs(payoffs)
        size = len(rewards[0])
        names = state_names(states, size)
        index = {own: state for state, own in enumerate(names)}
        given = entries(branches)
        if given is None or len(given) != size:
            got = shorten(branches) if given is None else str(len(given))
            raise ValueError(f"branches must hold one entry per state ({size}); got {got}")

        def read(cell: Any, field: str) -> Distribution:
            if isinstance(cell, Mapping):
                return read_named(cell, names, field)
            if not isinstance(cell, str) or cell not in index:
                raise ValueError(
                    f"{field} must be one of the states {some_of(names)}, or a mapping from states to "
                    f"probabilities; got {shorten(cell)}"
                )
            return ((index[cell], ONE),)

        game = cls.__new__(cls)
        rows = tuple(_row(cell, f"branches[{s}]", shape, read) for s, cell in enumerate(given))
        game._set(rewards, rows, shape, discount, initial, names, actions, players, observe, name)
        return game

    def _set(
        self,
        rewards: tuple[tuple[tuple[Exact, ...], ...], ...],
        branches: tuple[Row, ...],
        shape: tuple[int, ...],
        discount: object,
        initial: object,
        states: Sequence[str] | None,
        actions: Sequence[str] | Sequence[Sequence[str]] | None,
        players: Sequence[str] | None,
        observe: object,
        name: str | None,
    ) -> None:
        names = state_names(states, len(branches))
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string or None; got {shorten(name)}")
        observed = _read_observe(observe, len(shape), names)
        first = {names[0]: 1} if initial is None else initial
        _fill(
            self,
            name=name,
            players=player_names(players, len(shape)),
            actions=action_names(actions, shape),
            states=names,
            discounts=read_discounts(discount, len(shape)),
            initial=read_initial(first, names),
            rewards=rewards,
            branches=branches,
            observations=tuple(labels for labels, _ in observed),
            readings=tuple(readings for _, readings in observed),
        )
        _ = self.symbols  # two symbols of one name are an error of the arguments

    @property
    def num_players(self) -> int:
        """The number of players."""
        return len(self.actions)

    @property
    def num_actions(self) -> tuple[int, ...]:
        """The number of actions of each player."""
        return tuple(len(names) for names in self.actions)

    @cached_property
    def joint_actions(self) -> tuple[JointAction, ...]:
        """All joint actions, as tuples of action indices, row-major."""
        return tuple(product(*map(range, self.num_actions)))

    @property
    def num_states(self) -> int:
        """The number of states."""
        return len(self.states)

    @property
    def discount(self) -> Exact | tuple[Exact, ...]:
        """The discount factor that all players share; a tuple with one per player if they
        differ."""
        shared = all(own == self.discounts[0] for own in self.discounts)
        return self.discounts[0] if shared else self.discounts

    @property
    def trembles(self) -> tuple[Matrix | None, ...]:
        """None for every player: what is played is realised. Noise is part of the transitions."""
        return (None,) * self.num_players

    @property
    def initial_distribution(self) -> tuple[Exact, ...]:
        """The probability of each state to be the first: `initial`."""
        return self.initial

    @property
    def policy_shapes(self) -> tuple[tuple[int, int], ...]:
        """The shape of each player's policy: observations by actions."""
        rows = (len(labels) for labels in self.observations)
        return tuple(zip(rows, self.num_actions, strict=True))

    @cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols in payoffs, transitions, discounts, initial probabilities and
        observations, sorted by name; `()` if all are numbers."""
        rows = {id(row): row for rows in self.rewards for row in rows}
        chances = {id(row): row for row in self.branches} | {id(row): row for row in self.readings}
        cells = {id(cell): cell for row in chances.values() for cell in row}
        probabilities = tuple(p for cell in cells.values() for _, p in cell)
        numbers = (*rows.values(), probabilities, self.discounts, self.initial)
        return symbols_in(leaves(numbers), "payoffs, transitions, discount, initial and observe")

    def substitute(self, mapping: Mapping[Any, object]) -> StochasticGame:
        """The game with symbols replaced, all at once, wherever they are.

        **Arguments:**

        - `mapping`: SymPy symbols, or their names, to numbers or expressions. Symbols that are not
            named stay.

        Raises `ValueError` for a symbol the game does not have, a division by zero, or a discount
        outside [0, 1) or a probability outside [0, 1].
        """
        resolved = resolve_mapping(mapping, self.symbols, "the game")

        def fill(cell: Distribution, name: str) -> Distribution:
            if all(isinstance(p, Fraction) for _, p in cell):
                return cell
            new = {k: substitute(p, resolved, name) for k, p in cell}
            size = max(new) + 1
            read_distribution([new.get(k, 0) for k in range(size)], size, name)
            return sparse(new)

        def rows(given: tuple[Any, ...], name: str, new_row: Callable[[Any, str], Any]) -> Any:
            """Every row anew, rows that are one object staying one."""
            new: dict[int, Any] = {}
            for s, row in enumerate(given):
                if id(row) not in new:
                    new[id(row)] = new_row(row, f"{name}[{s}]")
            return tuple(new[id(row)] for row in given)

        def cells(row: Row, name: str) -> Row:
            return tuple(fill(cell, name) for cell in row)

        def numbers(row: tuple[Exact, ...], name: str) -> Any:
            return substitute_all(row, resolved, name)

        game = StochasticGame.__new__(StochasticGame)
        _fill(
            game,
            name=self.name,
            players=self.players,
            actions=self.actions,
            states=self.states,
            discounts=read_discounts(numbers(self.discounts, "discount"), self.num_players),
            initial=read_initial(numbers(self.initial, "initial"), self.states),
            rewards=tuple(
                rows(own, f"payoffs[{i}]", numbers) for i, own in enumerate(self.rewards)
            ),
            branches=rows(self.branches, "transitions", cells),
            observations=self.observations,
            readings=rows(self.readings, "observe", cells),
        )
        return game

    def __str__(self) -> str:
        shape = " x ".join(map(str, self.num_actions))
        discount = self.discount
        shown = discount if isinstance(discount, tuple) else (discount,)
        parts = [f"discount {' and '.join(map(str, shown))}", f"{self.num_states} states"]
        if any(names != self.states for names in self.observations):
            counts = " and ".join(str(len(names)) for names in self.observations)
            parts.append(f"{counts} observations")
        title = f"{self.name or 'stochastic game'} ({self.num_players} players, {shape} actions; payoffs)"
        table = [display.transitions(self)] if self._size <= _LARGEST_TABLE else []
        return "\n".join([title, *table, ", ".join(parts)])

    def __repr__(self) -> str:
        if self._size > _LARGEST_TABLE:
            shape = " x ".join(map(str, self.num_actions))
            return (
                f"<StochasticGame {self.name!r}: {self.num_players} players, {self.num_states} states, "
                f"{shape} actions, discount {display.literal(self.discount)}>"
            )
        parts = [
            display.nested(nested_rewards(self)),
            repr(nested_branches(self, display.literal_number)),
            f"discount={display.literal(self.discount)}",
            f"initial={display.literal(self.initial)}",
            f"states={self.states}",
            f"actions={self.actions}",
            f"players={self.players}",
        ]
        observed = described_observations(self, display.literal_number)
        if any(own is not None for own in observed):
            parts.append(f"observe={observed}")
        parts.append(f"name={self.name!r}")
        return f"StochasticGame.from_branches({', '.join(parts)})"

    @property
    def _size(self) -> int:
        return self.num_states * prod(self.num_actions) * self.num_players


def assemble(**content: Any) -> StochasticGame:
    """A stochastic game of parts that are known to be sound: all attributes of the class."""
    game = StochasticGame.__new__(StochasticGame)
    _fill(game, **content)
    return game


def from_iterated(game: IteratedGame) -> StochasticGame:
    """See [`resolvent.games.IteratedGame.as_stochastic`][]."""
    branches, rewards = game.branches, game.rewards
    if any(tremble is not None for tremble in game.trembles):
        realised = _realised(game.trembles, game.num_actions)
        new_branches: dict[int, Row] = {}
        for row in branches:
            if id(row) not in new_branches:
                new_branches[id(row)] = tuple(_mixed(row, chances) for chances in realised)
        branches = tuple(new_branches[id(row)] for row in branches)
        # In an iterated game payoffs are the same in every state.
        means = (_mean(own[0], game.trembles, game.num_actions) for own in rewards)
        rewards = tuple((row,) * game.num_states for row in means)
    return assemble(
        name=game.name,
        players=game.players,
        actions=game.actions,
        states=game.states,
        discounts=game.discounts,
        initial=game.initial_distribution,
        rewards=rewards,
        branches=branches,
        observations=game.observations,
        readings=game.readings,
    )


def nested_rewards(game: StochasticGame) -> tuple[Any, ...]:
    """Payoffs of shape `(n, S, A_1, ..., A_n)`, as nested tuples."""
    return tuple(tuple(_nested(row, game.num_actions) for row in own) for own in game.rewards)


def nested_branches(game: StochasticGame, number: Callable[[Exact], Any]) -> list[Any]:
    """Transitions as [`resolvent.games.StochasticGame.from_branches`][] reads them."""
    return [
        _nested([_described(cell, game.states, number) for cell in row], game.num_actions, list)
        for row in game.branches
    ]


def described_observations(game: StochasticGame, number: Callable[[Exact], Any]) -> list[Any]:
    """The observations as [`resolvent.games.StochasticGame`][] reads them."""
    result: list[Any] = []
    for labels, readings in zip(game.observations, game.readings, strict=True):
        if labels == game.states and readings == _full(game.num_states):
            result.append(None)
        else:
            result.append(([*labels], [_described(own, labels, number) for own in readings]))
    return result


def _described(cell: Distribution, names: Sequence[str], number: Callable[[Exact], Any]) -> Any:
    if len(cell) == 1:
        return names[cell[0][0]]
    return {names[k]: number(p) for k, p in cell}


def _fill(game: StochasticGame, **content: Any) -> None:
    for field, value in content.items():
        object.__setattr__(game, field, value)


def _full(size: int) -> Readings:
    return tuple(((state, ONE),) for state in range(size))


def _read_payoffs(
    payoffs: object,
) -> tuple[tuple[tuple[tuple[Exact, ...], ...], ...], tuple[int, ...]]:
    """The payoffs by player, state and joint action, and the numbers of actions."""
    number = len(entries(payoffs) or ())
    if number == 0:
        raise ValueError(
            "payoffs must have shape (n, S, A_1, ..., A_n), one array per player; "
            f"got {shorten(payoffs)}"
        )
    nest: Any = exact_array(payoffs, "payoffs", depth=number + 2)
    rewards = tuple(tuple(tuple(leaves(cell)) for cell in own) for own in nest)
    return rewards, _shape(nest)[2:]


def _row(
    nest: object,
    name: str,
    shape: tuple[int, ...],
    read: Callable[[Any, str], Distribution],
) -> Row:
    """What follows each joint action in one state, from nested sequences of shape `shape`."""
    cells: list[Distribution] = []

    def level(node: object, field: str, depth: int) -> None:
        if depth == len(shape):
            cells.append(read(node, field))
            return
        children = entries(node)
        if children is None or len(children) != shape[depth]:
            got = shorten(node) if children is None else str(len(children))
            raise ValueError(
                f"{field} must hold one entry per action of player {depth + 1} ({shape[depth]}); got {got}"
            )
        for k, child in enumerate(children):
            level(child, f"{field}[{k}]", depth + 1)

    level(nest, name, 0)
    return tuple(cells)


def _read_observe(
    observe: object, num_players: int, states: tuple[str, ...]
) -> list[tuple[tuple[str, ...], Readings]]:
    if observe is None:
        return [(states, _full(len(states)))] * num_players
    given = entries(observe)
    if given is None or len(given) != num_players:
        got = shorten(observe) if given is None else str(len(given))
        raise ValueError(
            f"observe must be None or hold one entry per player ({num_players}); got {got}"
        )
    return [_read_player(own, f"observe[{i}]", states) for i, own in enumerate(given)]


def _read_player(
    observe: Any, name: str, states: tuple[str, ...]
) -> tuple[tuple[str, ...], Readings]:
    if observe is None or observe == "all":
        return states, _full(len(states))
    if isinstance(observe, Mapping):
        observe = labels_by_state(observe, states, name)
    given = entries(observe)
    if given is None:
        raise TypeError(
            f'{name} must be None, "all", one label per state, a mapping or a pair (labels, rows); '
            f"got {shorten(observe)}"
        )
    if len(given) == 2 and all(entries(part) is not None for part in given):
        return _read_pair(given[0], given[1], name, states)
    if len(given) != len(states):
        raise ValueError(f"{name} must hold one label per state ({len(states)}); got {len(given)}")
    check_labels(given, name)
    labels = tuple(dict.fromkeys(str(label) for label in given))
    index = {label: k for k, label in enumerate(labels)}
    return labels, tuple(((index[label], ONE),) for label in given)


def _read_pair(
    labels: Sequence[str], rows: Any, name: str, states: tuple[str, ...]
) -> tuple[tuple[str, ...], Readings]:
    check_names(labels, f"{name}[0]", len(labels), "labels")
    given = entries(rows) or ()
    if len(given) != len(states):
        raise ValueError(f"{name}[1] must hold one row per state ({len(states)}); got {len(given)}")
    readings: list[Distribution] = []
    for s, row in enumerate(given):
        field = f"{name}[1][{s}]"
        if isinstance(row, str):
            if row not in labels:
                raise ValueError(f"{field} must be one of {some_of(labels)}; got {row!r}")
            readings.append(((list(labels).index(row), ONE),))
        elif isinstance(row, Mapping):
            readings.append(read_named(row, labels, field))
        else:
            readings.append(sparse(dict(enumerate(read_distribution(row, len(labels), field)))))
    return tuple(str(label) for label in labels), tuple(readings)


def _realised(trembles: Sequence[Matrix | None], num_actions: Sequence[int]) -> list[Distribution]:
    """For each intended joint action the joint actions (by number) that may be realised."""
    rows: list[Distribution] = [((0, ONE),)]
    for tremble, size in zip(trembles, num_actions, strict=True):
        options = [
            ((action, ONE),) if tremble is None else sparse(dict(enumerate(tremble[action])))
            for action in range(size)
        ]
        rows = [
            tuple((k * size + a, multiply(chance, p)) for k, chance in row for a, p in own)
            for row in rows
            for own in options
        ]
    return rows


def _mixed(row: Row, chances: Distribution) -> Distribution:
    """Where play goes when the joint action is drawn from `chances`."""
    found: dict[int, Exact] = {}
    for k, chance in chances:
        for state, p in row[k]:
            weight = multiply(chance, p)
            found[state] = add(found[state], weight) if state in found else weight
    return sparse(found)


def _mean(
    payoffs: tuple[Exact, ...], trembles: Sequence[Matrix | None], num_actions: Sequence[int]
) -> tuple[Exact, ...]:
    """Expected payoffs by intended joint action: one player's noise after the other, which takes
    many fewer products than one sum over all realised joint actions."""
    step = len(payoffs)
    for tremble, size in zip(trembles, num_actions, strict=True):
        step //= size  # how far apart the player's neighbouring actions are
        if tremble is None:
            continue
        mixed: list[Exact] = []
        for k in range(len(payoffs)):
            action = k // step % size
            total: Exact = Fraction(0)
            for other, p in enumerate(tremble[action]):
                if p != 0:
                    total = add(total, multiply(p, payoffs[k + (other - action) * step]))
            mixed.append(total)
        payoffs = tuple(mixed)
    return payoffs


def _nested(cells: Sequence[Any], shape: Sequence[int], kind: Callable[[Any], Any] = tuple) -> Any:
    """A row-major row of cells as nested sequences of the given shape."""
    if len(shape) <= 1:
        return kind(cells)
    step = len(cells) // shape[0]
    return kind(_nested(cells[k * step : (k + 1) * step], shape[1:], kind) for k in range(shape[0]))


def _shape(nest: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(nest, tuple):
        shape.append(len(nest))
        nest = nest[0]
    return tuple(shape)


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ValueError(f"{name} must have shape (S, A_1, ..., A_n, S) = {expected}; got {found}")
