"""What the states, branches, readings and trembles of a game say about play, against play itself:
everything that can happen in the first rounds, enumerated from the rules. All in Fractions, all
equal."""

import random
from fractions import Fraction
from itertools import product

import pytest

from resolvent.games import (
    Controller,
    NormalForm,
    Signals,
    StochasticGame,
    check_policies,
    with_controllers,
)

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)


def random_stage(*num_actions):
    own = random.Random(str(num_actions))

    def nest(shape):
        if not shape:
            return own.randint(-9, 9)
        return [nest(shape[1:]) for _ in range(shape[0])]

    return NormalForm([nest(num_actions) for _ in num_actions])


TWO = random_stage(2, 2)
UNEQUAL = random_stage(2, 3)
THREE = random_stage(2, 2, 2)


def flip(row, noise):
    """Noise that moves to one of the others, uniformly."""
    others = len(row) - 1
    return [(1 - noise) * p + noise * (sum(row) - p) / others if others else p for p in row]


def as_played(reference, game, see, *, rounds=3, misread=None, tremble=None, first=None):
    """Play of an iterated game by enumeration: `see(i, past)` is the label of what player `i`
    remembers of the past, a tuple of joint actions by index; `misread[i][j]` is the chance that
    player `i` takes `j`'s last action for another; `tremble[i]` that its hand slips."""
    by_label, policies = reference.random_policies(random.Random(1), game)
    assert check_policies(game, policies) == tuple(policies)
    numbers = game.num_actions

    def perceived(i, past):
        if not misread or not past:
            return {past: Fraction(1)}
        result = {}
        for seen in product(*(range(n) for n in numbers)):
            p = Fraction(1)
            for j, (real, taken) in enumerate(zip(past[-1], seen, strict=True)):
                e = misread[i][j]
                p *= 1 - e if real == taken else e / (numbers[j] - 1)
            if p:
                result[(*past[:-1], seen)] = p
        return result

    def behave(i, past):
        row = [Fraction(0)] * numbers[i]
        for seen, p in perceived(i, past).items():
            row = [a + p * b for a, b in zip(row, by_label[i][see(i, seen)], strict=True)]
        return flip(row, tremble[i]) if tremble else row

    expected = reference.played_out(
        game.num_players,
        first or {(): Fraction(1)},
        behave,
        lambda past, joint: {(*past, joint): Fraction(1)},
        lambda past, joint: game.stage.payoff(joint),
        rounds,
    )
    assert reference.round_payoffs(game, policies, rounds) == expected
    stochastic = game.as_stochastic()
    assert stochastic.observations == game.observations
    assert stochastic.trembles == (None,) * game.num_players
    assert reference.round_payoffs(stochastic, policies, rounds) == expected
    if game.num_states <= 25:
        assert reference.values(stochastic, policies) == reference.values(game, policies)


def name(game, past, players=None):
    seen = range(game.num_players) if players is None else players
    rounds = ["".join(game.actions[i][joint[i]] for i in seen) for joint in past]
    return ".".join(rounds) or "start"


def last(past, memory):
    return past[len(past) - min(memory, len(past)) :]


@pytest.mark.parametrize("stage", [TWO, UNEQUAL, THREE])
@pytest.mark.parametrize("memory", [1, 2])
def test_full_observation(reference, stage, memory):
    game = stage.iterated("1/2", memory)
    as_played(reference, game, lambda i, past: name(game, last(past, memory)))


@pytest.mark.parametrize("memories", [(2, 1), (1, 2), (0, 1), (2, 0)])
def test_memory_per_player(reference, memories):
    game = UNEQUAL.iterated(["1/2", "1/3"], memories)
    assert game.memory == max(memories)
    assert game.memories == memories

    def see(i, past):
        return name(game, last(past, memories[i])) if memories[i] else "always"

    as_played(reference, game, see)
    assert [len(own) for own in game.observations] == [
        {0: 1, 1: 7, 2: 43}[memory] for memory in memories
    ]


@pytest.mark.parametrize(("preset", "shows"), [("reactive", False), ("own", True)])
@pytest.mark.parametrize("stage", [UNEQUAL, THREE])
@pytest.mark.parametrize("memory", [1, 2])
def test_presets(reference, stage, memory, preset, shows):
    game = stage.iterated("1/2", memory, preset)

    def see(i, past):
        players = [j for j in range(game.num_players) if (j == i) == shows]
        return name(game, last(past, memory), players)

    as_played(reference, game, see)
    if stage is UNEQUAL and memory == 1:
        reactive, own = (("start", "a", "b", "c"), ("start", "a", "b"))
        assert game.observations == ((own, reactive) if shows else (reactive, own))


def test_observation_by_function_mapping_and_labels(reference):
    stage = TWO

    def count(history):
        return str(sum(names.count("a") for names in history))

    by_function = stage.iterated("1/2", 2, count)
    as_played(reference, by_function, lambda i, past: str(sum(j.count(0) for j in last(past, 2))))
    labels = [str(state.count("a")) for state in by_function.states[1:]]
    labels = ["0", *labels]  # the name "start" has an a too
    assert by_function.labels == (tuple(labels),) * 2
    assert by_function == stage.iterated("1/2", 2, [labels, labels])
    mapping = dict(zip(by_function.states, labels, strict=True))
    assert by_function == stage.iterated("1/2", 2, mapping)
    # Whatever way it is said, observing everything is the plain game.
    assert stage.iterated("1/2", 2, ["all", by_function.states]) == stage.iterated("1/2", 2)
    mixed = stage.iterated("1/2", 1, ["own", lambda history: "blind"])
    as_played(
        reference,
        mixed,
        lambda i, past: "blind" if i else name(mixed, last(past, 1), [0]),
    )


def test_no_start_state(reference):
    game = TWO.iterated("1/2", 2, initial={"ab.ba": "1/4", "bb.bb": "3/4"})
    assert game.num_states == 16
    assert "start" not in game.states
    first = {((0, 1), (1, 0)): Fraction(1, 4), ((1, 1), (1, 1)): Fraction(3, 4)}
    as_played(reference, game, lambda i, past: name(game, last(past, 2)), first=first)
    uniform = TWO.iterated("1/2", initial="uniform", observe="reactive")
    assert uniform == TWO.iterated("1/2", initial=["1/4"] * 4, observe="reactive")
    assert uniform.observations == (("a", "b"), ("a", "b"))
    first = {(joint,): Fraction(1, 4) for joint in TWO.joint_actions}
    as_played(
        reference, uniform, lambda i, past: name(uniform, last(past, 1), [1 - i]), first=first
    )


def test_implementation_noise(reference):
    game = UNEQUAL.iterated("1/2", 2, implementation_noise=["1/10", "1/4"])
    tremble = [Fraction(1, 10), Fraction(1, 4)]
    as_played(reference, game, lambda i, past: name(game, last(past, 2)), tremble=tremble)
    e = "1/8"
    matrix = [["3/4", e, e], [e, "3/4", e], [e, e, "3/4"]]
    assert game == UNEQUAL.iterated("1/2", 2, implementation_noise=[0.1, matrix])
    assert UNEQUAL.iterated(0, implementation_noise=0) == UNEQUAL.iterated(0)
    three = THREE.iterated("1/2", implementation_noise=THIRD)
    as_played(reference, three, lambda i, past: name(three, last(past, 1)), tremble=[THIRD] * 3)


def test_a_lone_action_cannot_be_missed():
    game = random_stage(1, 2).iterated(0, implementation_noise="1/2", observation_noise="1/2")
    assert game.trembles == (None, ((HALF, HALF), (HALF, HALF)))
    assert game.misreadings == ((None, ((HALF, HALF), (HALF, HALF))), None)


@pytest.mark.parametrize("stage", [UNEQUAL, THREE])
@pytest.mark.parametrize("observe", [None, "reactive", "own"])
def test_observation_noise(reference, stage, observe):
    noises = [Fraction(1, 10), Fraction(1, 4), Fraction(1, 3)][: stage.num_players]
    game = stage.iterated("1/2", 1, observe, observation_noise=noises)
    players = range(stage.num_players)

    def see(i, past):
        shown = {None: players, "own": [i], "reactive": [j for j in players if j != i]}[observe]
        return name(game, last(past, 1), shown)

    misread = [[e if i != j else Fraction(0) for j in players] for i, e in enumerate(noises)]
    as_played(reference, game, see, misread=misread)


def test_one_sided_noise_and_memory(reference):
    """Player 1 remembers two rounds exactly, player 2 one round badly, with a shaky hand."""
    game = TWO.iterated(
        ["1/2", "2/3"], [2, 1], observation_noise=[0, "1/5"], implementation_noise=[0, "1/7"]
    )
    as_played(
        reference,
        game,
        lambda i, past: name(game, last(past, 2 - i)),
        misread=[[0, 0], [Fraction(1, 5), 0]],
        tremble=[Fraction(0), Fraction(1, 7)],
    )


def test_discounts_are_each_players_own(reference):
    game = TWO.iterated(["1/2", "2/3"])
    assert game.discount == (HALF, Fraction(2, 3))
    assert TWO.iterated([HALF, "0.5"]) == TWO.iterated("1/2")
    _, policies = reference.random_policies(random.Random(8), game)
    first = reference.values(TWO.iterated("1/2"), policies)[0]
    second = reference.values(TWO.iterated("2/3"), policies)[1]
    assert reference.values(game, policies) == (first, second)


# Imperfect monitoring


def monitored_play(reference, game, signals, stage, memory, rounds=3):
    by_label, policies = reference.random_policies(random.Random(2), game)
    number = stage.num_players

    def behave(i, past):
        own = [signals.names[i][profile[i]] for profile in last(past, memory)]
        return by_label[i][".".join(own) or "start"]

    every = list(product(*(range(len(own)) for own in signals.names)))

    def follow(past, joint):
        row = signals.probabilities[stage.joint_actions.index(joint)]
        return {(*past, profile): p for profile, p in zip(every, row, strict=True) if p}

    expected = reference.played_out(
        number, {(): Fraction(1)}, behave, follow, lambda past, joint: stage.payoff(joint), rounds
    )
    assert reference.round_payoffs(game, policies, rounds) == expected
    assert game.num_players == number


@pytest.mark.parametrize("memory", [1, 2])
def test_public_signals(reference, memory):
    signals = Signals.public(
        ["good", "bad"], [["9/10", "1/10"], [HALF, HALF], [HALF, HALF], [0, 1]]
    )
    game = TWO.monitored("1/2", signals, memory)
    assert game.states[:3] == ("start", "good", "bad")
    assert game.num_states == 1 + 2 + (4 if memory == 2 else 0)
    assert game.observations == (game.states, game.states)
    monitored_play(reference, game, signals, TWO, memory)


@pytest.mark.parametrize("memory", [0, 1, 2])
def test_private_signals(reference, memory):
    own = random.Random(5)
    rows = [reference.random_row(own, 6) for _ in TWO.joint_actions]
    rows = [(*row[:5], 0, *row[5:], 0)[:6] for row in rows]  # the sixth profile never happens
    rows = [tuple(p / sum(row) for p in row) for row in rows]
    signals = Signals([["x", "y"], ["1", "2", "3"]], rows)
    assert len(signals.profiles) == 5
    game = TWO.monitored("1/2", signals, memory)
    assert game.num_states == sum(5**length for length in range(memory + 1))
    if memory == 1:
        assert game.states == ("start", "x/1", "x/2", "x/3", "y/1", "y/2")
        assert game.observations == (("start", "x", "y"), ("start", "1", "2", "3"))
        monitored_play(reference, game, signals, TWO, 1)
    if memory == 2:
        monitored_play(reference, game, signals, TWO, 2)


@pytest.mark.parametrize("stage", [TWO, UNEQUAL, THREE])
@pytest.mark.parametrize("memory", [1, 2])
def test_perfect_monitoring_is_the_iterated_game(stage, memory):
    names = ["".join(own) for own in product(*stage.actions)]
    size = len(names)
    identity = [[int(k == j) for j in range(size)] for k in range(size)]
    signals = Signals.public(names, identity, stage.num_players)
    assert stage.monitored("1/2", signals, memory) == stage.iterated("1/2", memory).as_stochastic()
    assert signals == Signals.misread(stage, 0)


def test_private_misperception_is_observation_noise_at_memory_one(reference):
    for stage, noise in [(TWO, "1/5"), (UNEQUAL, ["1/5", "1/3"])]:
        noisy = stage.iterated("1/2", observation_noise=noise)
        game = stage.monitored("1/2", Signals.misread(stage, noise))
        assert game.observations == noisy.observations
        _, policies = reference.random_policies(random.Random(3), noisy)
        assert reference.values(game, policies) == reference.values(noisy, policies)
    # At memory two it is another game: what was misperceived is not corrected later.
    signals = Signals.misread(TWO, "1/5")
    monitored_play(reference, TWO.monitored("1/2", signals, 2), signals, TWO, 2)


def test_monitored_without_a_start(reference):
    names = ["aa", "ab", "ba", "bb"]
    signals = Signals.misread(TWO, 0)
    game = TWO.monitored("1/2", signals, initial={"ab": 1})
    assert game.states == tuple(names)
    assert game == TWO.iterated("1/2", initial={"ab": 1}).as_stochastic()


# Stochastic games


def test_a_stochastic_game_by_hand(reference):
    """One player, two states: stay in the good state with probability 1 - a/2, get 1 there."""
    game = StochasticGame(
        [[[1, 3], [0, 0]]],
        [[[1, 0], [HALF, HALF]], [[0, 1], [0, 1]]],
        "1/2",
        states=["good", "bad"],
        actions=["save", "spend"],
    )
    save, spend = (1, 0), (0, 1)
    # v = (1/2) 1 + (1/2) v gives 1; spending gives v = 3/2 + v / 4, hence 2.
    assert reference.values(game, [(save, save)]) == (1,)
    assert reference.values(game, [(spend, save)]) == (2,)
    assert game.initial == (1, 0)
    assert game.branches[0][1] == ((0, HALF), (1, HALF))


def random_stochastic(own, size, *num_actions, **arguments):
    def row(number):
        parts = [own.randint(0, 2) for _ in range(number - 1)] + [1]
        own.shuffle(parts)
        return [Fraction(part, sum(parts)) for part in parts]

    def nest(shape, leaf):
        return leaf() if not shape else [nest(shape[1:], leaf) for _ in range(shape[0])]

    payoffs = nest((len(num_actions), size, *num_actions), lambda: own.randint(-5, 5))
    transitions = nest((size, *num_actions), lambda: row(size))
    return payoffs, transitions, StochasticGame(payoffs, transitions, "1/2", row(size), **arguments)


@pytest.mark.parametrize(
    ("size", "num_actions"), [(1, (2, 2)), (3, (2, 3)), (2, (2, 2, 2)), (4, (3,))]
)
def test_random_stochastic_games(reference, size, num_actions):
    own = random.Random(size)
    noisy = (["low", "high"], [reference.random_row(own, 2) for _ in range(size)])
    labels = [str(state % 2) for state in range(size)]
    observe = [noisy, labels, None][: len(num_actions)]
    payoffs, transitions, game = random_stochastic(own, size, *num_actions, observe=observe)
    by_label, policies = reference.random_policies(own, game)

    def look_up(nest, index):
        for k in index:
            nest = nest[k]
        return nest

    def behave(i, state):
        if i == 0:
            rows = [by_label[0][label] for label in ["low", "high"]]
            return [
                sum(p * row[a] for p, row in zip(noisy[1][state], rows, strict=True))
                for a in range(num_actions[0])
            ]
        return by_label[i][[labels[state], f"s{state + 1}"][i - 1]]

    expected = reference.played_out(
        len(num_actions),
        dict(enumerate(game.initial)),
        behave,
        lambda state, joint: dict(enumerate(look_up(transitions, (state, *joint)))),
        lambda state, joint: [look_up(own, (state, *joint)) for own in payoffs],
        4,
    )
    assert reference.round_payoffs(game, policies, 4) == expected


def test_two_ways_to_say_a_stochastic_game():
    dense = StochasticGame(
        [[[1, 3], [0, 0]]], [[[1, 0], ["1/2", "1/2"]], [[0, 1], [0, 1]]], "1/2", {"s2": 1}
    )
    branches = [["s1", {"s1": "1/2", "s2": "1/2"}], ["s2", {"s1": 0, "s2": 1}]]
    sparse = StochasticGame.from_branches([[[1, 3], [0, 0]]], branches, "1/2", [0, 1])
    assert sparse == dense
    assert hash(sparse) == hash(dense)
    by_labels = StochasticGame([[[1], [0]]], [[[1, 0]], [[0, 1]]], 0, observe=[["x", "x"]])
    by_mapping = StochasticGame(
        [[[1], [0]]], [[[1, 0]], [[0, 1]]], 0, observe=[{"s1": "x", "s2": "x"}]
    )
    by_pair = StochasticGame(
        [[[1], [0]]], [[[1, 0]], [[0, 1]]], 0, observe=[(["x"], [{"x": 1}, "x"])]
    )
    assert by_labels == by_mapping == by_pair
    assert by_labels != StochasticGame([[[1], [0]]], [[[1, 0]], [[0, 1]]], 0)


# Controllers


def controller_values(reference, base, controllers, seen, tremble=(0, 0), misread=(0, 0)):
    """Values of a game of two on the chain of node profiles: everyone acts by its node, sees, and
    moves. `tremble[i]` is the chance that `i`'s hand slips, `misread[i]` that it takes the other's
    action for another."""
    first, second = controllers
    profiles = list(product(range(len(first.start)), range(len(second.start))))

    def moves_on(i, node, joint):
        row = [Fraction(0)] * len(controllers[i].start)
        number = base.num_actions[1 - i]
        for taken in range(number):
            p = 1 - misread[i] if taken == joint[1 - i] else Fraction(misread[i], number - 1)
            perceived = (joint[0], taken) if i == 0 else (taken, joint[1])
            after = controllers[i].move[node][seen(i, perceived)]
            row = [x + p * y for x, y in zip(row, after, strict=True)]
        return row

    rewards = [[Fraction(0)] * len(profiles) for _ in controllers]
    moves = [[Fraction(0)] * len(profiles) for _ in profiles]
    for n, (k, j) in enumerate(profiles):
        acts = flip(first.act[k], tremble[0]), flip(second.act[j], tremble[1])
        for joint in base.joint_actions:
            p = acts[0][joint[0]] * acts[1][joint[1]]
            for i, u in enumerate(base.stage.payoff(joint)):
                rewards[i][n] += p * u
            rows = moves_on(0, k, joint), moves_on(1, j, joint)
            for m, (later, other) in enumerate(profiles):
                moves[n][m] += p * rows[0][later] * rows[1][other]
    starts = [first.start[k] * second.start[j] for k, j in profiles]
    result = []
    for g, own in zip(base.discounts, rewards, strict=True):
        system = [
            [Fraction(s == t) - g * p for t, p in enumerate(row)] for s, row in enumerate(moves)
        ]
        v = reference.solve(system, own)
        result.append((1 - g) * sum(p * x for p, x in zip(starts, v, strict=True)))
    return tuple(result)


def random_controller(reference, own, nodes, actions, observations):
    return Controller(
        reference.random_row(own, nodes),
        [reference.random_row(own, actions) for _ in range(nodes)],
        [[reference.random_row(own, nodes) for _ in range(observations)] for _ in range(nodes)],
    )


@pytest.mark.parametrize("observe", [None, "reactive", "own"])
@pytest.mark.parametrize("nodes", [1, 2, (2, 1), (1, 3)])
@pytest.mark.parametrize("noisy", [False, True])
def test_controllers(reference, observe, nodes, noisy):
    tremble, misread = (
        ((Fraction(1, 10), THIRD), (HALF, Fraction(1, 5))) if noisy else ((0, 0),) * 2
    )
    base = UNEQUAL.iterated(
        ["1/2", "3/5"], 1, observe, implementation_noise=tremble, observation_noise=misread
    )
    game = with_controllers(base, nodes)
    counts = (nodes, nodes) if isinstance(nodes, int) else nodes
    assert game.num_actions == (2 * counts[0], 3 * counts[1])
    own = random.Random(7)
    observations = [len(labels) - 1 for labels in base.observations]
    controllers = [
        random_controller(reference, own, counts[i], (2, 3)[i], observations[i]) for i in range(2)
    ]

    def seen(i, joint):
        return {None: 3 * joint[0] + joint[1], "own": joint[i], "reactive": joint[1 - i]}[observe]

    policies = [own.policy(game, i) for i, own in enumerate(controllers)]
    check_policies(game, policies, exact=True)
    expected = controller_values(reference, base, controllers, seen, tremble, misread)
    assert reference.values(game, policies) == expected


def test_a_controller_can_be_memory_one(reference):
    """A controller whose node says only what it saw last is a memory-one policy: noise included."""
    base = UNEQUAL.iterated(
        "1/2", observation_noise=["1/5", "1/3"], implementation_noise=["1/10", "1/4"]
    )
    game = with_controllers(base, (7, 1))
    _, policies = reference.random_policies(random.Random(4), base)
    first = policies[0]
    # Seven nodes: the start, and one for each of the six outcomes.
    to_outcome = [[int(j == 1 + o) for j in range(7)] for o in range(6)]
    automaton = Controller([1, 0, 0, 0, 0, 0, 0], first, [to_outcome] * 7)
    second = reference.random_row(random.Random(6), 3)
    memoryless = Controller([1], [second], [[[1]] * 6])
    expected = reference.values(base, [first, (second,) * 7])
    composite = [automaton.policy(game, 0), memoryless.policy(game, 1)]
    assert reference.values(game, composite) == expected


def test_nobody_sees_the_nodes_of_the_others():
    game = with_controllers(TWO.iterated("1/2"), 2)
    assert game.actions == (("a1", "a2", "b1", "b2"),) * 2
    assert set(game.observations[0]) == {"start"} | {
        f"{node},{state}" for node in "12" for state in ("aa", "ab", "ba", "bb")
    }
    numbered = NormalForm([[1, 2]], [["1", "12"]]).iterated(0)
    assert with_controllers(numbered, 2).actions == (("1:1", "1:2", "12:1", "12:2"),)
