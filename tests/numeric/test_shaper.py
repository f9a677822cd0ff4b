"""Memory over episodes, against enumerations of all paths, chains summed in NumPy, and finite differences."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import (
    Controller,
    NormalForm,
    prisoners_dilemma,
    public_goods,
    with_controllers,
)
from resolvent.numeric import (
    LOLA,
    POLA,
    TRIAL,
    BeliefMemory,
    ControllerMemory,
    CountsMemory,
    CountsPolicy,
    Naive,
    PlayShaper,
    Shaper,
    ValueFunction,
    controller_game,
    expected_log_odds,
    joint_update,
    learn,
    policies_from_counts,
    shaper_trial,
    train_shaper,
    transition_counts,
)

PAYOFFS = np.array([[-1.0, -3.0, 0.0, -2.0], [-1.0, 0.0, -3.0, -2.0]])
G = 0.9


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def softmax(free):
    full = np.exp(np.concatenate([free, np.zeros((*free.shape[:-1], 1))], axis=-1))
    return full / full.sum(axis=-1, keepdims=True)


@eqx.filter_jit
def episode(game, params):
    return game.episode(tuple(map(jnp.asarray, params)))


@eqx.filter_jit
def counted(values, params, horizon=None):
    """Counts, and the policies read off them."""
    counts = transition_counts(values, params, horizon=horizon)
    return counts, policies_from_counts(counts)


@pytest.fixture(scope="module")
def values():
    return closed_form(prisoners_dilemma().iterated("9/10"), "sum").compile(backend="tensor")


def draw(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


# Plain NumPy: states 0 (start), 1 + joint action; nodes -------------------------------------------


def pairs(act, move, other):
    """Transitions of (node, state) pairs and payoffs of both, by loops. `other`: `(S, B)`."""
    nodes, states, actions = act.shape
    chain = np.zeros((nodes, states, nodes, states))
    for k, s, a, b in itertools.product(
        range(nodes), range(states), range(actions), range(other.shape[1])
    ):
        after = 1 + a * other.shape[1] + b
        for m in range(nodes):
            chain[k, s, m, after] += act[k, s, a] * other[s, b] * move[k, after, m]
    return chain.reshape(nodes * states, -1)


def paid(payoffs, act, other):
    """Expected payoff of both in each (node, state), `(2, K S)`."""
    joint = act[..., None] * other[None, :, None, :]
    return np.einsum("iab,ksab->iks", payoffs, joint).reshape(2, -1)


def rounds(payoffs, act, move, other, marginal, weights):
    """Sum over rounds of weight times payoff, and the node marginal after the last."""
    chain, reward = pairs(act, move, other), paid(payoffs, act, other)
    here = np.zeros(act.shape[:2])
    here[:, 0] = marginal
    here, total = here.ravel(), np.zeros(2)
    for weight in weights:
        total += weight * reward @ here
        here = here @ chain
    return total, here.reshape(act.shape[:2]).sum(axis=1)


def enumerated(act, move, other, marginal, horizon, discount, frozen=False):
    """As `rounds`, path by path over joint actions and nodes; if frozen, it acts as in its first node."""
    nodes = act.shape[0]
    total, end = np.zeros(2), np.zeros(nodes)
    choices = list(itertools.product(range(2), range(2), range(nodes)))
    for first in range(nodes):
        for path in itertools.product(choices, repeat=horizon):
            chance, node, state, gain = marginal[first], first, 0, np.zeros(2)
            for t, (a, b, after) in enumerate(path):
                row = act[first, 0] if frozen else act[node, state]
                chance *= row[a] * other[state, b]
                gain += discount**t * PAYOFFS[:, 2 * a + b]
                state = 1 + 2 * a + b
                chance *= move[node, state, after]
                node = after
            total += chance * gain
            end[node] += chance
    return total, end


def halves(logits):
    """Actions and moves of a controller with two actions."""
    return softmax(logits[..., :1]), softmax(logits[..., 1:])


def row(theta):
    """A two-action policy from its logits `(S, 1)`."""
    return np.concatenate([sigmoid(theta), 1 - sigmoid(theta)], axis=1)


# Counts and beliefs ------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [None, 6])
def test_counts_recover_policies(values, horizon):
    for params in draw((10, 2, 5, 1), 1):
        counts, found = counted(values, tuple(params), horizon)
        np.testing.assert_allclose(counts.sum(), horizon or 1 / (1 - G), rtol=1e-12)
        for own, theta in zip(found, params, strict=True):
            np.testing.assert_allclose(own[..., :1], sigmoid(theta), atol=2e-15)


def test_counts_say_nothing_where_play_has_not_been():
    counts = np.zeros((3, 2, 3))
    counts[0] = [[1, 1, 0], [0, 0, 2]]
    own, other = policies_from_counts(counts)
    np.testing.assert_allclose(own, [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(other, [[0.25, 0.25, 0.5], [1 / 3] * 3, [1 / 3] * 3])


def test_expected_log_odds_against_all_paths(values):
    """4^6 paths of six rounds."""
    params = tuple(draw((5, 1), seed) for seed in (1, 2))
    rows, rival = [row(own) for own in params], row(draw((5, 1), 3))
    expected = 0.0
    for path in itertools.product(range(4), repeat=6):
        states = [0, *[1 + u for u in path[:-1]]]
        chance = np.prod(
            [rows[0][s, u // 2] * rows[1][s, u % 2] for s, u in zip(states, path, strict=True)]
        )
        odds = [
            np.log(rows[1][s, u % 2] / rival[s, u % 2]) for s, u in zip(states, path, strict=True)
        ]
        expected += chance * sum(odds)
    counts = np.asarray(counted(values, params, 6)[0])
    np.testing.assert_allclose(
        expected_log_odds(counts, [rows[1]], [rival], [1]), expected, rtol=1e-12
    )
    assert expected > 0


# Controllers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_controllers_against_a_truncated_sum(nodes):
    """Two against three actions, player 2's payoffs and discount too, from any node marginal."""
    payoffs = np.array([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]], float)
    stage = NormalForm(payoffs.astype(int).tolist())
    values = closed_form(stage.iterated(("9/10", "4/5")), "sum").compile(backend="tensor")
    marginal = np.arange(1, nodes + 1) / sum(range(nodes + 1))
    logits, theta = draw((nodes, 7, nodes), 4), draw((7, 2), 5)
    act, move, other = softmax(logits[..., :1]), softmax(logits[..., 1:]), softmax(theta)
    found = episode(controller_game(values, marginal), (logits, theta))
    first, _ = rounds(payoffs, act, move, other, marginal, 0.9 ** np.arange(400))
    second, _ = rounds(payoffs, act, move, other, marginal, 0.8 ** np.arange(400))
    np.testing.assert_allclose(found.values, [first[0], second[1]], rtol=1e-12)
    # It goes on with probability 0.9: the node after the last round.
    end = np.zeros(nodes)
    chain = pairs(act, move, other)
    here = np.zeros((nodes, 7))
    here[:, 0] = marginal
    here = here.ravel()
    for t in range(400):
        here = here @ chain
        end += 0.1 * 0.9**t * here.reshape(nodes, 7).sum(axis=1)
    np.testing.assert_allclose(found.nodes, end, rtol=1e-11)


@pytest.mark.slow
def test_it_is_the_game_with_controllers():
    """Moore's machines of two nodes that do not look at the state."""
    game = prisoners_dilemma().iterated("9/10")
    rng = np.random.default_rng(0)
    start, act = rng.dirichlet([1, 1]), rng.dirichlet([1, 1], size=2)
    move, theta = rng.dirichlet([1, 1], size=(2, 4)), draw((5, 1), 1)
    big = with_controllers(game, (2, 1))
    machine = Controller(*(own.round(3).tolist() for own in _exact(start, act, move)))
    start, act, move = _exact(start, act, move)
    large = closed_form(big).compile(parameters="policies", backend="tensor")
    rival = {label.partition(",")[2]: label for label in big.observations[1]}
    order = [rival.get(s, s) for s in ("", "CC", "CD", "DC", "DD")]
    policy = dict(zip(order, row(theta), strict=True))
    policy["start"] = row(theta)[0]
    mine = [[float(p) for p in own] for own in machine.policy(big, 0)]
    params = large.parameters((mine, [policy[label] for label in big.observations[1]]))
    logits = np.zeros((2, 5, 2))
    logits[..., 0] = np.log(act[:, :1] / act[:, 1:])
    logits[:, 1:, 1] = np.log(move[..., 0] / move[..., 1])
    small = closed_form(game).compile(backend="tensor")
    found = episode(controller_game(small, start), (logits, theta)).values
    np.testing.assert_allclose(found, large(params), rtol=1e-11)


def _exact(*arrays):
    """Rounded to three digits, with rows that sum to one."""
    for own in arrays:
        first = own[..., :1].clip(0.05, 0.95).round(3)
        yield np.concatenate([first, (1 - first).round(3)], axis=-1)


def test_one_node_is_memory_one_play_of_any_number_of_players():
    values = closed_form(public_goods(3).iterated("2/3")).compile(backend="tensor")
    params = tuple(draw(shape, seed) for seed, shape in enumerate(values.shapes))
    game = controller_game(values, [1.0], player=1)
    found = episode(game, (params[0], params[1][None], params[2]))
    np.testing.assert_allclose(found.values, jax.jit(lambda p: values(p))(params), rtol=1e-12)


@pytest.mark.parametrize(
    ("history", "discounted"),
    [
        (True, True),
        pytest.param(True, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
        pytest.param(False, False, marks=pytest.mark.slow),
    ],
)
def test_finite_episodes_against_all_paths(values, history, discounted):
    logits, theta, marginal = draw((2, 5, 2), 4), draw((5, 1), 5), np.array([0.3, 0.7])
    act, move = halves(logits)
    game = controller_game(values, marginal, horizon=3, discounted=discounted, history=history)
    found = episode(game, (logits, theta))
    total, end = enumerated(
        act, move, row(theta), marginal, 3, G if discounted else 1.0, frozen=not history
    )
    np.testing.assert_allclose(found.values, total, rtol=1e-13)
    np.testing.assert_allclose(found.nodes, end, rtol=1e-13)


# Trials ------------------------------------------------------------------------------------------

RATE = 0.7
THETA = np.stack([draw((5, 1), 5), draw((5, 1), 6)])


def trial_of(values, rule, memory, episodes=2, **options):
    return shaper_trial(values, rule, (None, THETA), episodes, memory=memory, horizon=3, **options)


def by_hand(logits, theta, fixed=None):
    """Two episodes of three rounds: payoffs, node marginals, and the co-player's parameters in the second."""
    act, move = halves(logits)
    weights, marginal = G ** np.arange(3), np.array([1.0, 0.0])

    def worth(x, marginal):
        return rounds(PAYOFFS.reshape(2, 2, 2), act, move, row(x), marginal, weights)

    first, after = worth(theta, marginal)
    moved = np.array(theta)
    for s in range(5):
        unit = np.zeros((5, 1))
        unit[s] = 1e-4
        up, down = (worth(theta + sign * unit, marginal)[0][1] for sign in (1, -1))
        moved[s] += RATE * (up - down) / 2e-4
    moved = moved if fixed is None else fixed
    second, _ = worth(moved, after)
    return np.stack([first, second]), after, moved


@pytest.fixture(scope="module")
def controllers(values):
    return trial_of(values, Naive(RATE), ControllerMemory(2))


@pytest.mark.slow
def test_two_episodes_with_the_node_carried_over(controllers):
    logits = draw((2, 5, 2), 4)
    found = controllers.play(logits)
    for k, theta in enumerate(THETA):
        payoffs, marginal, moved = by_hand(logits, theta)
        np.testing.assert_allclose(found.params[1][k, 1], moved, atol=1e-7)
        np.testing.assert_allclose(found.memories[k], [[1, 0], marginal], atol=1e-13)
        np.testing.assert_allclose(found.payoffs[k], payoffs, atol=1e-7)
    np.testing.assert_allclose(found.payoff, found.payoffs[:, :, 0].mean(), rtol=1e-13)
    assert "player 1, who remembers" in str(found)


def test_the_derivative_and_its_parts(controllers):
    """Along a direction: in all, and with the co-player's parameters held where they were."""
    logits, direction = draw((2, 5, 2), 4), draw((2, 5, 2), 7)
    found = controllers.gradient(logits)
    assert found.status == TRIAL.successful
    payoffs = [by_hand(logits, theta)[0] for theta in THETA]
    np.testing.assert_allclose(found.payoff, np.mean(payoffs, axis=(0, 1))[0], rtol=1e-7)
    h = 1e-4
    for part, held in (("gradient", False), ("own", True)):
        ends = []
        for sign in (1, -1):
            payoffs = [
                by_hand(
                    logits + sign * h * direction,
                    theta,
                    by_hand(logits, theta)[2] if held else None,
                )[0]
                for theta in THETA
            ]
            ends.append(np.mean(payoffs, axis=(0, 1))[0])
        slope = np.sum(np.asarray(getattr(found, part)) * direction)
        np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * h), rtol=1e-5)
    np.testing.assert_allclose(found.own + found.shaping, found.gradient, atol=1e-15)
    assert np.abs(found.shaping).max() > 1e-3


def test_chaos_is_refused(values, controllers):
    """A step so large that its Jacobian is: the program is compiled already, rates are data."""
    wild = trial_of(values, Naive(1e14), ControllerMemory(2))
    found = wild.gradient(draw((2, 5, 2), 4))
    assert found.status == TRIAL.chaotic
    assert found.gradient is None
    assert "truncate" in str(found)


@pytest.mark.slow
def test_ablations_and_a_hard_stop(values):
    logits = draw((2, 5, 2), 4)
    forgetful = trial_of(values, Naive(RATE), ControllerMemory(2, context=False), learning=1)
    found = forgetful.play(logits)
    np.testing.assert_array_equal(found.memories, np.tile([1.0, 0.0], (2, 2, 1)))
    np.testing.assert_allclose(found.params[1][0, 1], by_hand(logits, THETA[0])[2], atol=1e-7)
    np.testing.assert_array_equal(found.params[1][:, 1], found.params[1][:, 2])


@pytest.mark.slow
def test_counts_as_context(values):
    trial = trial_of(values, Naive(RATE), CountsMemory(), discounted=False)
    policy = trial.random(jax.random.key(2))
    found = trial.play(policy)
    base, weights = np.asarray(policy.base), np.asarray(policy.weights)
    for k, theta in enumerate(THETA):
        act, other = row(base)[None], row(theta)
        chain = pairs(act, np.ones((1, 5, 1)), other)
        here, visits = np.eye(5)[0], np.zeros(5)
        for _ in range(3):
            visits, here = visits + here, here @ chain
        shares = visits[:, None, None] * row(base)[:, :, None] * other[:, None, :] / 3
        np.testing.assert_allclose(found.memories[k, 1], shares, atol=1e-14)
        np.testing.assert_allclose(found.params[0][k, 0, 0], base, atol=1e-14)
        second = base + np.tensordot(weights, shares, axes=3)
        np.testing.assert_allclose(found.params[0][k, 1, 0], second, atol=1e-13)


def test_at_play_a_policy_moves_as_in_a_trial(values):
    """From values in which episodes have no end but the discount's."""
    base, weights = draw((5, 1), 1), draw((5, 1, 5, 2, 2), 2)
    rule = PlayShaper(CountsPolicy(jnp.asarray(base), jnp.asarray(weights)))
    params = (base, THETA[0])
    update, _, _ = jax.jit(lambda p: rule.update(values, p, 0, None))(params)
    endless = np.asarray(counted(values, params)[0])
    want = np.tensordot(weights, endless / endless.sum(), axes=3)
    np.testing.assert_allclose(update, want, atol=1e-13)
    rule.check(values, 0)
    other = PlayShaper(CountsPolicy(jnp.zeros((9, 1)), jnp.zeros((9, 1, 9, 2, 2))))
    with pytest.raises(ValueError, match="another game"):
        other.check(values, 0)


@pytest.mark.slow
def test_beliefs_over_types_that_learn(values):
    trial = trial_of(values, Naive(RATE), BeliefMemory(4.0))
    policy = trial.random(jax.random.key(2))
    found = trial.play(policy)
    even = np.asarray(policy).mean(axis=0)
    np.testing.assert_allclose(found.params[0][:, 0, 0], [even, even], atol=1e-14)
    for k in range(2):
        joint = tuple(map(jnp.asarray, (even, THETA[k])))
        counts = transition_counts(values, joint, horizon=3)
        rows = [row(THETA[j]) for j in (k, 1 - k)]
        odds = 4 * float(expected_log_odds(counts, rows[:1], rows[1:], [1]))
        sure = 1 / (1 + np.exp(-odds))
        np.testing.assert_allclose(np.exp(found.memories.log[k, 1, k]), sure, rtol=1e-12)
        # Both types learn along, whoever is there; the true one as the co-player does.
        learned = found.memories.types[1][k, 1, k]
        np.testing.assert_allclose(learned, found.params[1][k, 1], atol=1e-13)
        mixed = sure * policy[k] + (1 - sure) * policy[1 - k]
        np.testing.assert_allclose(found.params[0][k, 1, 0], mixed, atol=1e-12)
    direction = trial.random(jax.random.key(3))
    slope = jnp.sum(jax.jit(jax.grad(trial))(policy) * direction)
    ends = [trial(policy + sign * 1e-5 * direction) for sign in (1, -1)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("context", [True, False])
def test_nodes_that_are_alike_are_one(values, context):
    """What a stationary policy gains, any number of nodes can: wherever they move."""
    acts, moves = draw((1, 5, 1), 1), draw((2, 5, 1), 2)
    alone = trial_of(values, Naive(RATE), ControllerMemory(1)).play(acts)
    both = np.concatenate([np.repeat(acts, 2, axis=0), moves], axis=2)
    found = trial_of(values, Naive(RATE), ControllerMemory(2, context=context)).play(both)
    np.testing.assert_allclose(found.payoffs, alone.payoffs, rtol=1e-12)


@pytest.mark.slow
def test_without_history_cooperation_falls_in_every_episode():
    """What a co-player does changes nothing that it meets, and cooperating costs 1: from any start, whatever the
    nodes."""
    values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    trial = shaper_trial(
        values,
        Naive(1.0),
        (None, draw((4, 5, 1), 8)),
        20,
        memory=ControllerMemory(2, history=False),
    )
    for seed in range(5):
        chances = trial.play(draw((2, 5, 2), seed)).params[1]
        assert (np.diff(chances, axis=1) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_context_pays_against_a_naive_learner(seed):
    """Weights of 0 are a stationary policy, so that counts cannot be worth less; and every restart gains more."""
    values = closed_form(prisoners_dilemma().iterated("24/25")).compile()
    starts = (None, draw((4, 5, 1), seed))

    def restarts(context):
        trial = shaper_trial(values, Naive(25.0), starts, 20, memory=CountsMemory(context=context))
        return train_shaper(trial, jax.random.key(seed), 100, rate=0.1, restarts=4).payoffs[-1]

    assert restarts(True).min() > restarts(False).max() + 0.1


@pytest.mark.slow
def test_training_climbs(controllers):
    found = train_shaper(controllers, jax.random.key(0), 3, rate=0.1, restarts=2)
    assert found.payoffs.shape == (3, 2)
    assert (found.payoffs[-1] > found.payoffs[0]).all()
    np.testing.assert_allclose(found.payoff, controllers(found.policy), rtol=1e-12)
    assert found.status == TRIAL.successful
    assert "best of 2 restarts" in str(found)


# The learner -------------------------------------------------------------------------------------


def dense(theta):
    """Discounted sums of memory-one players, and the shares of rounds `(S, A_1, A_2)`."""
    rows = [row(own) for own in theta]
    joint = (rows[0][:, :, None] * rows[1][:, None, :]).reshape(5, 4)
    chain = np.concatenate([np.zeros((5, 1)), joint], axis=1)
    visits = np.linalg.solve((np.eye(5) - G * chain).T, np.eye(5)[0])
    return PAYOFFS @ (visits @ joint), ((1 - G) * visits[:, None] * joint).reshape(5, 2, 2)


def naive(theta, eta):
    moved = np.array(theta[1])
    for s in range(5):
        unit = np.zeros((5, 1))
        unit[s] = 1e-4
        up, down = (dense((theta[0], theta[1] + sign * unit))[0][1] for sign in (1, -1))
        moved[s] += eta * (up - down) / 2e-4
    return moved


@pytest.mark.slow
def test_without_context_it_averages_look_aheads(values):
    """Over two episodes: half of naive learning and half of exact LOLA, each from its own code."""
    params = tuple(jnp.asarray(draw((5, 1), seed)) for seed in (1, 2))

    @jax.jit
    def updates(params):
        rules = (Shaper(1.0, 0.5, episodes=2, context=False), Naive(1.0))
        plain = (Naive(1.0), Naive(1.0))
        exact = (LOLA(1.0, 0.5, "exact"), Naive(1.0))
        none = (None, None)
        return [joint_update(values, own, params, none)[0][0] for own in (rules, plain, exact)]

    mine, gradient, lola = updates(params)
    np.testing.assert_allclose(mine, (gradient + lola) / 2, atol=1e-12)


def test_it_learns_to_react_and_reacts(values):
    """Three episodes: W moves along the derivative of J, which NumPy knows; then the policy moves by W."""
    theta = [draw((5, 1), seed) for seed in (1, 2)]
    direction = draw((5, 1, 5, 2, 2), 3)
    eta = 0.5

    def trial(weights, start=theta[0]):
        others, own, gained = theta[1], start, []
        first = dense((start, others))[1]
        for _ in range(3):
            worth, shares = dense((own, others))
            gained.append(worth[0])
            others = naive((own, others), eta)
            own = start + np.tensordot(weights, shares - first, axes=3)
        return np.mean(gained)

    rule = Shaper(0.3, eta, context_rate=2.0, episodes=3)
    params = tuple(map(jnp.asarray, theta))
    step = jax.jit(lambda params, state: rule.update(values, params, 0, state))
    state = jax.jit(lambda p: rule.init(values, p, 0))(params)
    update, state, info = step(params, state)
    assert float(info["reaction"]) < 1e-15
    np.testing.assert_allclose(info["payoff"], trial(np.zeros_like(direction)), rtol=1e-7)
    h = 1e-3
    slope = (trial(h * direction) - trial(-h * direction)) / (2 * h)
    np.testing.assert_allclose(2.0 * slope, np.sum(state.weights * direction), rtol=1e-4)
    aside, none = draw((5, 1), 4), 0 * direction
    slope = (trial(none, theta[0] + h * aside) - trial(none, theta[0] - h * aside)) / (2 * h)
    np.testing.assert_allclose(0.3 * slope, np.sum(update * aside), rtol=1e-4)
    moved = (params[0] + update, params[1] + 1.0)
    _, after, info = step(moved, state)
    told = dense([np.asarray(own) for own in moved])[1] - dense(theta)[1]
    want = np.tensordot(np.asarray(after.weights), told, axes=3)
    np.testing.assert_allclose(info["reaction"], np.linalg.norm(want), rtol=1e-10)
    np.testing.assert_allclose(after.counts, told + dense(theta)[1], atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_it_plays_in_learn_in_a_batch(backend):
    game = prisoners_dilemma().iterated("9/10")
    values = closed_form(game, "sum").compile(backend=backend)
    start = tuple(jnp.asarray(draw((3, 5, 1), seed)) for seed in (1, 2))
    rule = Shaper(1.0, episodes=2)
    run = learn(values, [rule, Naive(1.0)], start, 2)
    assert (np.ravel(run.failed_player) == -1).all()
    params = tuple(own[1] for own in start)
    states = [rule.init(values, params, 0), None]
    step = jax.jit(lambda params, states: joint_update(values, [rule, Naive(1.0)], params, states))
    for _ in range(2):
        updates, states, _ = step(params, states)
        params = jax.tree.map(jnp.add, params, updates)
    np.testing.assert_allclose(run.params[0][1], params[0], rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_three_players_type_check():
    values = closed_form(public_goods(3).iterated("2/3")).compile()
    params = tuple(jnp.zeros(shape) for shape in values.shapes)
    rule = Shaper(1.0)
    state = jax.eval_shape(lambda p: rule.init(values, p, 2), params)
    update, after, _ = jax.eval_shape(lambda p, s: rule.update(values, p, 2, s), params, state)
    assert update.shape == values.shapes[2]
    assert after.weights.shape == (*values.shapes[2], 9, 2, 2, 2)


# What is refused ---------------------------------------------------------------------------------


def test_what_is_refused(values):
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0][0], p[1][0]]), [(1,), (1,)])
    with pytest.raises(ValueError, match="use LILI"):
        Shaper(1.0).check(wrapped, 0)
    with pytest.raises(ValueError, match="episodes: expected at least 1"):
        Shaper(1.0, episodes=0)
    with pytest.raises(ValueError, match="starts\\[1\\]: expected shape"):
        shaper_trial(values, Naive(1.0), (None, np.zeros((5, 1))), 2)
    with pytest.raises(TypeError, match="learners\\[1\\]"):
        shaper_trial(values, [None, "naive"], (None, THETA), 2)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="POLA|policies"):
        shaper_trial(values, POLA(1.0), (None, THETA), 2)
    with pytest.raises(ValueError, match="horizon"):
        shaper_trial(values, Naive(1.0), (None, THETA), 2, horizon=0)
    with pytest.raises(ValueError, match="discounted"):
        shaper_trial(values, Naive(1.0), (None, THETA), 2, discounted=False)
    with pytest.raises(ValueError, match="nodes: expected the probability"):
        controller_game(values, [0.5, 0.6])
    with pytest.raises(ValueError, match="policy: expected shape"):
        trial_of(values, Naive(1.0), ControllerMemory(2)).play(np.zeros((3, 5, 2)))
    with pytest.raises(TypeError, match="CountsPolicy"):
        PlayShaper(np.zeros(3))  # pyright: ignore[reportArgumentType]
    assert repr(PlayShaper(CountsPolicy(jnp.zeros((5, 1)), jnp.zeros((5, 1, 5, 2, 2)))))
