"""Sampled estimators against sums over all trajectories, and against exact values by one statistical test.

**Enumeration.** Over T rounds there are finitely many trajectories. The mean of an estimate over all of them, with
their probabilities for weights, is compared with derivatives of the truncated value, which is such a sum itself,
written here from the game and softmax alone. That is exact, to rounding. Derivatives of higher order are taken along
one random direction, along which an error of a symmetric tensor is 0 only by chance.

**Statistics.** `agrees` is Hotelling's test: of R independent estimates with mean m and covariance S, in d
components, $R (R - d) / (d (R - 1)) \\; (m - \\mu)^\\top S^{-1} (m - \\mu)$ has Fisher's distribution with d and R - d
degrees of freedom if their mean is $\\mu$; an estimate of a batch is close to normal. Each test is at level 1e-6 / 60,
and there are fewer than 60 of them here, slow ones included: a false alarm in this file has probability 1e-6.
Keys are fixed.
"""

# NumPy arrays stand for JAX ones; and what is refused is of wrong types.
# pyright: reportArgumentType=false

import functools
import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import f as fisher

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import NormalForm, StochasticGame, prisoners_dilemma
from resolvent.numeric import (
    LOLA,
    LOQA,
    ActorCritic,
    AdvantageAlignment,
    DiCE,
    EvolutionStrategies,
    Experience,
    FiniteDifferences,
    LoadedDiCE,
    LOLADiCE,
    LOLAPolicyGradient,
    Reinforce,
    SampledAlignment,
    SampledLOLA,
    SampledLOQA,
    Trajectories,
    learned_critic,
    lookahead_gradient,
    sample,
)
from resolvent.numeric.estimators.estimator import experience_of
from resolvent.numeric.estimators.intended import check_sampled, intended_play
from resolvent.numeric.estimators.learned_critic import fitted
from resolvent.numeric.estimators.lola_pg import ScoreProducts
from resolvent.numeric.estimators.rollouts import log_probabilities
from resolvent.numeric.play import arrays_of

LEVEL = 1e-6 / 60

# Games, and all of their trajectories ---------------------------------------------------------------


def random_walk(certain=False):
    """Two states, chance, 2 and 3 actions and a discount for each player; or the same without chance."""
    payoffs = [
        [[[1, 0, 3], [2, 1, 0]], [[0, 2, 1], [1, 3, 2]]],
        [[[2, 1, 0], [1, 0, 2]], [[1, 3, 0], [2, 1, 4]]],
    ]
    chances = [[["1/2", "1/3", "1/4"], [1, "1/5", "2/3"]], [["3/4", "1/5", 0], ["2/3", 1, "1/2"]]]
    if certain:
        chances = [[[1, 0, 1], [0, 1, 0]], [[0, 1, 1], [1, 0, 0]]]
    moves = [[[[Fraction(p), 1 - Fraction(p)] for p in row] for row in table] for table in chances]
    return StochasticGame(payoffs, moves, ["9/10", "4/5"], ["1/3", "2/3"])


@functools.cache
def case(name):
    """A game, its compiled values and parameters of all players."""
    game = {
        "dilemma": lambda: prisoners_dilemma().iterated("24/25"),
        "walk": random_walk,
        "certain": lambda: random_walk(certain=True),
    }[name]()
    values = closed_form(game, "sum").compile(backend="tensor")
    rng = np.random.default_rng(7)
    return game, values, tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


def arrays_from(game):
    """Payoffs `(n, S, J)` and transitions `(S, J, S)` of a game, from its exact data."""
    payoffs = np.array(game.rewards, dtype=object).astype(float)
    states, joint = payoffs.shape[1:]
    moves = np.zeros((states, joint, states))
    for s, u in itertools.product(range(states), range(joint)):
        for after, chance in game.branches[s][u]:
            moves[s, u, after] += float(chance)
    initial = np.array(game.initial_distribution, dtype=object).astype(float)
    return payoffs, moves, initial


def enumerated(arrays, sizes, discounts, horizon):
    """All trajectories, and the part of their probabilities that is chance."""
    payoffs, moves, initial = arrays
    count = payoffs.shape[2]
    states = np.flatnonzero(initial)[:, None]
    actions = np.zeros((len(states), 0), int)
    chance = initial[states[:, 0]]
    for _ in range(horizon):
        rows, joint, after = (
            axis.ravel()
            for axis in np.meshgrid(
                np.arange(len(states)), np.arange(count), np.arange(len(moves)), indexing="ij"
            )
        )
        chance = chance[rows] * moves[states[rows, -1], joint, after]
        kept = chance > 0
        chance = chance[kept]
        states = np.c_[states[rows[kept]], after[kept]]
        actions = np.c_[actions[rows[kept]], joint[kept]]
    rewards = np.moveaxis(payoffs[:, states[:, :-1], actions], 0, -1)
    each = np.stack(np.unravel_index(actions, sizes), axis=-1)
    return Trajectories(states, each, rewards, np.asarray(discounts)), chance


@functools.cache
def tree(name, horizon):
    game, _, _ = case(name)
    return enumerated(arrays_from(game), game.num_actions, np.array(game.discounts, float), horizon)


def likelihood(params, trajectories, chance):
    """The probability of each trajectory, by softmax with the last logit at 0."""
    total = chance
    for own, actions in zip(params, np.moveaxis(trajectories.actions, -1, 0), strict=True):
        policy = jax.nn.softmax(jnp.pad(own, ((0, 0), (0, 1))), axis=-1)
        total = total * policy[trajectories.states[:, :-1], actions].prod(axis=1)
    return total


@functools.cache
def weights_of(name, horizon):
    """The probability of each trajectory under the parameters of a case."""
    return jax.jit(lambda: likelihood(case(name)[2], *tree(name, horizon)))()


def received(trajectories, player, closing=None):
    """The return of each trajectory, with the worth of the last state if it is closed."""
    g = trajectories.discounts[player]
    rewards = trajectories.rewards[..., player]
    total = rewards @ g ** np.arange(rewards.shape[1])
    if closing is not None:
        total += g ** rewards.shape[1] * closing[player][trajectories.states[:, -1]]
    return total


def softmax(own):
    """Policies, `(S, A)`, in NumPy."""
    odds = np.exp(np.pad(own, ((0, 0), (0, 1))))
    return odds / odds.sum(axis=1, keepdims=True)


def exact_worth(name):
    """True values of all states, by iteration from the game and softmax alone."""
    game, _, params = case(name)
    payoffs, moves, _ = arrays_from(game)
    joint = np.einsum("sa,sb->sab", *map(softmax, params)).reshape(len(moves), -1)
    chain = np.einsum("sj,sjt->st", joint, moves)
    return np.array(
        [
            np.linalg.solve(np.eye(len(chain)) - float(g) * chain, (joint * own).sum(axis=1))
            for g, own in zip(game.discounts, payoffs, strict=True)
        ]
    )


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@functools.cache
def table(name):
    """Some critic or other, `(n, S)`."""
    game, _, _ = case(name)
    return jnp.asarray(np.random.default_rng(3).normal(size=(game.num_players, game.num_states)))


def direction(name):
    """A random direction of all parameters."""
    _, _, params = case(name)
    rng = np.random.default_rng(8)
    return tuple(jnp.asarray(rng.normal(size=own.shape)) for own in params)


def policies(params):
    return [jax.nn.softmax(jnp.pad(own, ((0, 0), (0, 1))), axis=-1) for own in params]


def experience(params, trajectories, worth):
    """What surrogates are made of, by softmax and indexing alone."""
    states = trajectories.states
    logs = [
        jnp.log(own)[states[:, :-1], trajectories.actions[..., i]]
        for i, own in enumerate(policies(params))
    ]
    critic = jnp.moveaxis(worth[:, states], 0, -1)
    return Experience(
        jnp.stack(logs, axis=-1),
        jnp.asarray(trajectories.rewards),
        critic,
        jnp.asarray(trajectories.discounts),
    )


def orders_along(function, params, way, orders):
    """Derivatives of s -> function(params + s way) at 0, from the first on."""

    def along(s):
        return [function(tuple(p + s * d for p, d in zip(params, way, strict=True)))]

    def and_next(before):
        def both(s):
            so_far, slopes = jax.jvp(before, (s,), (jnp.ones_like(s),))
            return [*so_far, slopes[-1]]

        return both

    for _ in range(orders):
        along = and_next(along)
    return jax.jit(along)(jnp.zeros(()))[1:]


# Orders of unbiasedness, by enumeration -------------------------------------------------------------

ROUNDS = 3

# What the critic is and whether it closes the horizon; estimators, and how many orders are unbiased.
UNBIASED = {
    ("wrong", "open"): {
        "to_go": (Reinforce(), 1),
        "whole": (Reinforce(False), 1),
        "actor_critic": (ActorCritic(1.0, closed=False), 1),
        "loaded": (LoadedDiCE(0.3, closed=False), 1),
        "dice": (DiCE(), 3),
        "mao": (LoadedDiCE.mao(closed=False), 3),
    },
    ("wrong", "closed"): {
        "whole_closed": (Reinforce(False, closed=True), 1),
        "dice_closed": (DiCE(closed=True), 1),
    },
    ("exact", "closed"): {
        "generalised": (ActorCritic(0.7), 1),
        "lvc": (LoadedDiCE.low_variance_curvature(0.4), 1),
        "fading": (LoadedDiCE(0.5, 0.4), 1),
        "any_tau": (LoadedDiCE(1.0, 0.6), 3),
    },
}
BIASED = {
    ("wrong", "closed"): {"generalised_wrong": (ActorCritic(0.5), 0)},
    ("exact", "closed"): {"undiscounted": (ActorCritic(0.7, discounted_weights=False), 0)},
}
CASES = {
    name: (kind, estimator, orders)
    for groups in (UNBIASED, BIASED)
    for kind, group in groups.items()
    for name, (estimator, orders) in group.items()
}
ORDERS = {  # which are differentiated, how often
    3: ["dice", "mao", "any_tau"],
    2: ["generalised", "lvc", "fading"],
    1: [
        *("to_go", "whole", "actor_critic", "loaded", "whole_closed", "dice_closed"),
        *("generalised_wrong", "undiscounted"),
    ],
}


@functools.cache
def derivatives(orders):
    """Along one direction: of mean surrogates by name, and of truncated values by kind."""
    _, _, params = case("walk")
    trajectories, chance = tree("walk", ROUNDS)
    weights = weights_of("walk", ROUNDS)
    critics = {"wrong": table("walk"), "exact": jnp.asarray(exact_worth("walk"))}
    names = ORDERS[orders]
    gains = {
        kind: received(trajectories, 0, critics[kind[0]] if kind[1] == "closed" else None)
        for kind in dict.fromkeys(CASES[name][0] for name in names)
    }

    def along(moved):
        judged = {worth: experience(moved, trajectories, own) for worth, own in critics.items()}
        means = {
            name: weights @ CASES[name][1].surrogate(judged[CASES[name][0][0]], 0) for name in names
        }
        moving = likelihood(moved, trajectories, chance)
        return means, {"-".join(kind): moving @ own for kind, own in gains.items()}

    return orders_along(along, params, direction("walk"), orders)


def found_and_true(name):
    """All orders of `ORDERS`, each."""
    (orders,) = [own for own, names in ORDERS.items() if name in names]
    both = derivatives(orders)
    kind = "-".join(CASES[name][0])
    return [float(means[name]) for means, _ in both], [float(truth[kind]) for _, truth in both]


@pytest.mark.parametrize("name", [name for name, own in CASES.items() if own[2]])
def test_unbiased_orders(name):
    orders = CASES[name][2]
    found, truth = found_and_true(name)
    assert min(map(abs, truth)) > 1e-3
    close(found[:orders], truth[:orders])
    if len(found) > orders:
        assert abs(found[orders] - truth[orders]) > 0.01  # and no more than these


@pytest.mark.parametrize("name", ["generalised_wrong", "undiscounted"])
def test_biased_first_derivatives(name):
    """Generalised advantages of a wrong critic; and rounds that all count alike, as most code has it."""
    found, truth = found_and_true(name)
    assert abs(found[0] - truth[0]) > 0.01


def test_the_surrogate_differentiated_twice_keeps_nothing_of_the_hessian():
    """With an exact critic its mean is zero: the second derivative of log softmax is the same for all actions."""
    found, truth = found_and_true("generalised")
    close(found[1], 0)
    assert abs(truth[1]) > 0.05


@functools.cache
def scores(name, horizon):
    """Of all players in all trajectories `(N, T, d)`, and second derivatives along one direction `(N, T)`, in NumPy."""
    _, _, params = case(name)
    trajectories, _ = tree(name, horizon)
    states, actions = np.asarray(trajectories.states)[:, :-1], np.asarray(trajectories.actions)
    found, curved = [], 0
    for i, (own, way) in enumerate(zip(params, direction(name), strict=True)):
        policy, free = softmax(own), way.shape[1]
        taken = (np.arange(free) == actions[..., i, None]) - policy[states, :free]
        by_row = np.zeros((*actions.shape[:2], *way.shape))
        np.put_along_axis(by_row, states[..., None, None], taken[..., None, :], axis=2)
        found.append(by_row.reshape(*actions.shape[:2], -1))
        along, chances = np.asarray(way)[states], policy[states, :free]
        curved = curved + (chances * along).sum(-1) ** 2 - (chances * along**2).sum(-1)
    return np.concatenate(found, axis=-1), curved


@pytest.mark.parametrize(("name", "lam"), [("lvc", 0.0), ("fading", 0.5)])
def test_what_second_derivatives_of_a_fading_memory_are(name, lam):
    """In the mean sum g^t A_t (d2l_t + l_t l_t' + v_t l_t' + l_t v_t'), with v_t the fading sum of earlier
    scores: at 0 all terms of two rounds are missing."""
    tau = 0.4
    game, _, _ = case("walk")
    trajectories, _ = tree("walk", ROUNDS)
    weights = np.asarray(weights_of("walk", ROUNDS))
    each, curved = map(np.asarray, scores("walk", ROUNDS))
    ell = each @ np.concatenate([np.ravel(own) for own in direction("walk")])
    states, rewards = np.asarray(trajectories.states), np.asarray(trajectories.rewards)[..., 0]
    worth, g = exact_worth("walk")[0], float(game.discounts[0])
    gaps = rewards + g * worth[states[:, 1:]] - worth[states[:, :-1]]
    total = 0
    for t in range(ROUNDS):
        gains = np.sum([(g * tau) ** (k - t) * gaps[:, k] for k in range(t, ROUNDS)], axis=0)
        before = np.asarray(sum(lam ** (t - m) * ell[:, m] for m in range(t)))
        total += g**t * weights @ (gains * (curved[:, t] + ell[:, t] ** 2 + 2 * before * ell[:, t]))
    close(found_and_true(name)[0][1], total)


def test_centring_a_batch_of_two_halves_the_gradient():
    _, _, params = case("dilemma")
    trajectories, chance = tree("dilemma", 2)
    weights = weights_of("dilemma", 2)
    pairs = jnp.array(list(itertools.product(range(len(weights)), repeat=2)))
    estimators = (Reinforce(centred=True), DiCE(centred=True))

    def along(moved):
        whole = experience(moved, trajectories, jnp.zeros((2, 5)))

        def of_pair(pair):
            arrays = whole.log_probabilities[pair], whole.rewards[pair], whole.critic[pair]
            one = Experience(*arrays, whole.discounts)
            return jnp.stack([own.surrogate(one, 0).mean() for own in estimators])

        means = weights[pairs].prod(axis=1) @ jax.vmap(of_pair)(pairs)
        return means, likelihood(moved, trajectories, chance) @ received(trajectories, 0)

    ((means, truth),) = orders_along(along, params, direction("dilemma"), 1)
    close(means, truth / 2)
    assert abs(truth) > 0.05


def test_products_of_scores_are_mixed_second_derivatives_of_two_players_only():
    _, _, params = case("walk")
    trajectories, chance = tree("walk", 2)
    weights = weights_of("walk", 2)
    gains = received(trajectories, 1)
    one, other = direction("walk")

    def along(x, y):
        moved = (params[0] + x * one, params[1] + y * other)
        judged = experience(moved, trajectories, jnp.zeros((2, 2)))
        mean = weights @ ScoreProducts(False).surrogate(judged, 1)
        return jnp.stack([mean, likelihood(moved, trajectories, chance) @ gains])

    def mixed(x, y):
        return jax.jvp(lambda x: along(x, y), (x,), (jnp.ones(()),))[1]

    zero, unit = jnp.zeros(()), jnp.ones(())
    found, truth = jax.jit(lambda: jax.jvp(lambda y: mixed(zero, y), (zero,), (unit,))[1])()
    close(found, truth)
    assert abs(truth) > 1e-3
    with pytest.raises(
        NotImplementedError, match="wrt: LOLAPolicyGradient expects two different players"
    ):
        LOLAPolicyGradient().hessian(*case("walk")[1:], jax.random.key(0), 0, (1, 1), 2, 2)


def test_trembling_and_misreading_are_averaged_over():
    """Of all trajectories of intended actions, against exact values; what comes after three rounds is of
    relative weight 1/8000."""
    game = prisoners_dilemma().iterated(
        "1/20", implementation_noise="1/10", observation_noise=["1/5", "1/8"]
    )
    values = closed_form(game, "sum").compile(backend="tensor")
    rng = np.random.default_rng(2)
    params = tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)
    arrays = jax.jit(lambda: arrays_of(values))()
    shape = (2, arrays.num_states, 4)
    taken = (
        np.asarray((1 - arrays.discounts)[:, None, None] * arrays.payoffs.reshape(shape)),
        np.asarray(arrays.transitions).reshape(shape[1], 4, shape[1]),
        np.asarray(arrays.initial),
    )
    trajectories, chance = enumerated(taken, (2, 2), np.asarray(arrays.discounts), 3)
    logs = jax.jit(lambda: log_probabilities(values, params, trajectories))()
    weights = chance * jnp.exp(logs.sum(axis=(1, 2)))
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-12)
    np.testing.assert_allclose(weights @ received(trajectories, 1), values(params)[1], atol=5e-4)


def test_experience_is_of_the_game_and_of_its_policies():
    _, values, params = case("walk")
    trajectories, _ = tree("walk", 2)
    found = jax.jit(
        lambda: experience_of(values, params, trajectories, DiCE(critic="exact").critic)
    )()
    expected = experience(params, trajectories, jnp.asarray(exact_worth("walk")))
    close(found.log_probabilities, expected.log_probabilities)
    close(found.critic, expected.critic)


# Updates of shaping learners, by enumeration --------------------------------------------------------

UPDATES = {  # name: (game, sampled, learner)
    "exact": (
        "walk",
        SampledAlignment(0.3, "exact", gae=None),
        AdvantageAlignment(1.0, 0.3, "exact", horizon=3),
    ),
    "timed": (
        "walk",
        SampledAlignment(0.3, "exact", "1/(1+k)", gae=None),
        AdvantageAlignment(1.0, 0.3, "exact", "1/(1+k)", 3),
    ),
    "readme": (
        "walk",
        SampledAlignment(0.3, "readme", gae=None),
        AdvantageAlignment(1.0, 0.3, "readme", horizon=3),
    ),
    "integrated": (
        "certain",
        SampledAlignment(0.3, "original", "1/k", False, gae=0.0),
        AdvantageAlignment(1.0, 0.3, "original", "1/k", 3, discounted=False),
    ),
    "original": (
        "certain",
        SampledAlignment(0.3, gae=0.0),
        AdvantageAlignment(1.0, 0.3, "original", horizon=3),
    ),
    "loqa": ("certain", SampledLOQA(0.3), LOQA(1.0, 0.3, "as_coded", horizon=3)),
    "loqa_chance": (
        "walk",
        SampledLOQA(0.3, 0.5, discounted=False, own_gae=None),
        LOQA(1.0, 0.3, "as_coded", 0.5, horizon=3, discounted=False),
    ),
}
OTHERS = {  # with other limits than the learner of this name
    "generalised_5": ("certain", SampledAlignment(0.3, gae=0.5), "original"),
    "generalised_10": ("certain", SampledAlignment(0.3, gae=1.0), "original"),
    "inside": ("certain", SampledLOQA(0.3, inside="return"), "loqa"),
    "noisy": ("walk", SampledAlignment(0.3, "readme", gae=0.0), "readme"),
}


SLOW = {"timed", "readme", "noisy"} | {
    key for key, own in {**UPDATES, **OTHERS}.items() if own[0] == "certain"
}


def with_marks(names):
    return [pytest.param(own, marks=[pytest.mark.slow] * (own in SLOW)) for own in names]


@functools.cache
def mean_updates(name, slow):
    """Of player 0 in one game, by the name of the update: the sum of its scores with what each of them counts."""
    _, values, params = case(name)
    trajectories, _ = tree(name, ROUNDS)
    weights = weights_of(name, ROUNDS)

    @jax.jit
    def counts():
        play = intended_play(values, params)
        return {
            key: own[1].score_weights(play, trajectories, 0)
            for key, own in {**UPDATES, **OTHERS}.items()
            if own[0] == name and (key in SLOW) == slow
        }

    each = scores(name, ROUNDS)[0][..., : params[0].size]
    return {
        key: np.einsum("n,nt,nta->a", weights, own, each).reshape(params[0].shape)
        for key, own in counts().items()
    }


@functools.cache
def steps(name, slow):
    """What the exact learners do, in one program."""
    _, values, params = case(name)
    rules = {
        key: own[2] for key, own in UPDATES.items() if own[0] == name and (key in SLOW) == slow
    }
    return jax.jit(
        lambda: {key: rule.update(values, params, 0, None)[0] for key, rule in rules.items()}
    )()


@pytest.mark.parametrize("name", with_marks(UPDATES))
def test_limits_of_alignment_and_loqa_are_the_learners(name):
    game, slow = UPDATES[name][0], name in SLOW
    close(mean_updates(game, slow)[name], steps(game, slow)[name])


@pytest.mark.parametrize("name", with_marks(OTHERS))
def test_limits_that_are_others(name):
    """Generalised advantages of any weight but 0 bias alignment even with an exact critic; where the next state is
    chance, weight 0 does too, since its noise is known to what follows; and a sampled return inside the softmax moves
    the limit of LOQA."""
    game, _, learner = OTHERS[name]
    truth = steps(game, learner in SLOW)[learner]
    assert np.abs(mean_updates(game, name in SLOW)[name] - truth).max() > 1e-4


# Samples --------------------------------------------------------------------------------------------


def agrees(estimates, truth):
    """Hotelling's test of the module, at its level."""
    estimates, truth = np.asarray(estimates).reshape(len(estimates), -1), np.ravel(truth)
    repeats, d = estimates.shape
    off = estimates.mean(axis=0) - truth
    distance = off @ np.linalg.solve(np.cov(estimates.T).reshape(d, d), off)
    scaled = repeats * (repeats - d) / (d * (repeats - 1)) * distance
    return fisher.sf(scaled, d, repeats - d) > LEVEL


@functools.cache
def short():
    """A dilemma in which what comes after 12 rounds has weight 2e-7."""
    values = closed_form(prisoners_dilemma().iterated("1/4"), "sum").compile(backend="tensor")
    rng = np.random.default_rng(11)
    return values, tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


def repeated(estimate, repeats, seed=0):
    return jax.jit(jax.vmap(estimate))(jax.random.split(jax.random.key(seed), repeats))


def sampled_and_true(estimator, batch, repeats, second=True):
    """Gradients of V_1 by the other's parameters, and of how it moves with one's own along a direction."""
    values, params = short()
    u = jnp.linspace(-1.0, 1.0, params[1].size).reshape(params[1].shape)

    def both(key):
        gradient = estimator.gradient(values, params, key, 0, 1, batch, 12)
        if not second:
            return (gradient,)
        return gradient, estimator.cross(values, params, key, 0, (0, 1), u, batch, 12)

    def by_the_other(own):
        return jax.grad(lambda other: dense(own, other))(params[1])

    def moves(own):
        return jnp.vdot(by_the_other(own), u)

    truth = [jax.jit(lambda: by_the_other(params[0]))()]
    if second:
        truth.append(jax.jit(lambda: jax.grad(moves)(params[0]))())
    return zip(repeated(both, repeats, seed=batch), truth, strict=False)


def dense(own, other):
    """V_1 of `short` by one dense solve: states are the start and CC, CD, DC, DD."""
    p, q = jax.nn.sigmoid(own[:, 0]), jax.nn.sigmoid(other[:, 0])
    joint = jnp.stack([p * q, p * (1 - q), (1 - p) * q, (1 - p) * (1 - q)], axis=1)
    payoffs = np.array(prisoners_dilemma().payoffs[0], dtype=object).astype(float).ravel()
    return joint[0] @ jnp.linalg.solve(jnp.eye(4) - joint[1:] / 4, jnp.asarray(payoffs))


def test_samples_agree_with_the_truth():
    for found, truth in sampled_and_true(DiCE(), 32, 500, second=False):
        assert agrees(found, truth)
        assert not agrees(found, -truth)  # the test can tell


@pytest.mark.slow
@pytest.mark.parametrize("batch", [4, 64, 512])
@pytest.mark.parametrize(
    ("estimator", "second"),
    [
        (Reinforce(), False),
        (Reinforce(critic="exact"), False),
        (ActorCritic(0.9), False),
        (DiCE(), True),
        (DiCE(critic="exact"), True),
        (LoadedDiCE.mao(), True),
        (LoadedDiCE.low_variance_curvature(0.0), False),
        (LOLAPolicyGradient(), True),
    ],
    ids=["reinforce", "baseline", "actor_critic", "dice", "dice_baseline", "mao", "lvc", "lola_pg"],
)
def test_samples_of_all_estimators_agree_with_the_truth(estimator, second, batch):
    for found, truth in sampled_and_true(estimator, batch, 1000, second):
        assert agrees(found, truth)


@pytest.mark.slow
def test_cross_is_the_hessian_times_a_vector():
    _, values, params = case("walk")
    key, u = jax.random.key(4), jnp.arange(1.0, 1 + params[1].size).reshape(params[1].shape)
    block, found = jax.jit(
        lambda: (
            DiCE().hessian(values, params, key, 1, (0, 1), 8, 3),
            DiCE().cross(values, params, key, 1, (0, 1), u, 8, 3),
        )
    )()
    assert block.shape == (params[0].size, params[1].size)
    close(found.ravel(), block @ u.ravel())


def test_rollouts_are_of_the_game_and_of_their_key():
    """States follow actions, rewards are those of actions, chances those of policies."""
    game, values, params = case("walk")
    found = sample(values, params, jax.random.key(1), 4000, 3)
    states, actions, rewards = map(np.asarray, (found.states, found.actions, found.rewards))
    payoffs, moves, initial = arrays_from(game)
    joint = actions[..., 0] * 3 + actions[..., 1]
    close(rewards, np.moveaxis(payoffs[:, states[:, :-1], joint], 0, -1))
    assert agrees(states[:, 0], initial[1])
    at = (states[:, 1] == 1) & (joint[:, 1] == 3)
    assert moves[1, 3, 1] == pytest.approx(1 / 3)
    assert agrees(states[at, 2], 1 / 3)
    second = actions[states[:, 2] == 0, 2, 1]
    chances = softmax(params[1])
    assert agrees(np.stack([second == a for a in range(2)], axis=1), chances[0, :2])
    np.testing.assert_allclose(found.returns[:, 0], received(found, 0))
    again, other = (sample(values, params, jax.random.key(k), 4000, 3) for k in (1, 2))
    assert (again.actions == found.actions).all()
    assert not (other.actions == found.actions).all()


def test_a_learned_critic_is_the_value_of_what_was_seen():
    """Of all trajectories at even odds, each once, it is the truth."""
    game = NormalForm([[[1, 0], [3, 2]], [[0, 1], [2, 5]]]).iterated("1/2")
    trajectories, _ = enumerated(arrays_from(game), (2, 2), [0.5, 0.5], 2)
    means = np.array([[1, 0, 3, 2], [0, 1, 2, 5]]).mean(axis=1)
    found = jax.jit(lambda: fitted(trajectories, 5))()
    close(found, np.broadcast_to(means[:, None] / 0.5, (2, 5)))


@pytest.mark.slow
def test_a_learned_critic_approaches_the_truth():
    _, values, params = case("walk")
    found = learned_critic(values, params, jax.random.key(0), 2000, 100).table
    np.testing.assert_allclose(found, exact_worth("walk"), rtol=0.02)


# Values only ----------------------------------------------------------------------------------------


@functools.cache
def once():
    """At discount 0, by probabilities: bilinear, so that neither differences nor noise bias anything."""
    game = NormalForm([[[2, -1], [0, 1]], [[0, 1], [1, 0]]]).iterated(0)
    values = closed_form(game, "sum").compile(parameters="policies", backend="tensor")
    return values, tuple(jnp.full(shape, 0.5) for shape in values.shapes)


@pytest.mark.slow
@pytest.mark.parametrize("common", [True, False])
def test_finite_differences_of_a_value_that_is_known(common):
    values, params = once()
    estimator = FiniteDifferences(0.2, common)

    def entries(key):
        gradient = estimator.gradient(values, params, key, 0, 0, 50, 1)
        return gradient[:1]

    assert agrees(repeated(entries, 200), values.jacobian(params)[0][0][0])


@pytest.mark.slow
def test_second_differences_of_a_value_that_is_known():
    """V_1 = (2, -1; 0, 1): its mixed derivative is 2 + 1 - 0 + 1."""
    values, params = once()

    def entry(key):
        return FiniteDifferences(0.2).hessian(values, params, key, 0, (0, 1), 50, 1)[0, 0]

    assert agrees(repeated(entry, 200), 4.0)


@pytest.mark.slow
@pytest.mark.parametrize("antithetic", [True, False])
def test_evolution_strategies_differentiate_the_smoothed_value(antithetic):
    """By Gauss and Hermite, over five logits."""
    values, params = short()
    nodes, odds = np.polynomial.hermite_e.hermegauss(5)
    grid = jnp.asarray(list(itertools.product(nodes, repeat=5)))[..., None]
    chances = np.prod(list(itertools.product(odds / odds.sum(), repeat=5)), axis=1)

    def smoothed(own):
        moved = own[None] + 0.5 * grid
        return jnp.asarray(chances) @ jax.vmap(lambda one: dense(one, params[1]))(moved)

    gradient, hessian = jax.jit(lambda x: (jax.grad(smoothed)(x), jax.hessian(smoothed)(x)))(
        params[0]
    )
    plain = jax.grad(lambda own: dense(own, params[1]))(params[0])
    assert np.abs(gradient - plain).max() > 0.005  # smoothing is seen
    estimator, corner = EvolutionStrategies(0.5, antithetic), np.triu_indices(5)

    def both(key):
        second = estimator.hessian(values, params, key, 0, (0, 0), 256, 12)
        return estimator.gradient(values, params, key, 0, 0, 256, 12), second[corner]

    gradients, hessians = repeated(both, 200)
    assert agrees(gradients, gradient)
    assert agrees(hessians, hessian.reshape(5, 5)[corner])


# LOLA -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lookaheads", [1, 2])
def test_the_target_of_lola_dice_by_hand(lookaheads):
    """V_1 = x y^2, V_2 = x y - y^2 / 2: each step takes y to (1 - a) y + a x."""
    values = ValueFunction.wrap(
        lambda p: jnp.stack([(p[0] * p[1] ** 2)[0], (p[0] * p[1] - p[1] ** 2 / 2)[0]]), [(1,), (1,)]
    )
    x, y, a = 1.5, -0.4, 0.25
    found = jax.jit(
        lambda: lookahead_gradient(values, (jnp.array([x]), jnp.array([y])), 0, a, lookaheads)
    )()
    share = 1 - (1 - a) ** lookaheads
    after = (1 - share) * y + share * x
    close(found, [after**2 + 2 * x * after * share])


@pytest.mark.slow
def test_the_target_of_lola_dice_with_one_lookahead_is_exact_lola():
    _, values, params = case("walk")
    step = LOLA(1.0, 0.3, "exact").update(values, params, 0, None)[0]
    close(lookahead_gradient(values, params, 0, 0.3), step)


@pytest.mark.slow
@pytest.mark.parametrize("lookaheads", [1, 2])
def test_lola_dice_approaches_its_target(lookaheads):
    values, params = short()
    target = np.ravel(lookahead_gradient(values, params, 0, 5.0, lookaheads))
    update = LOLADiCE(5.0, lookaheads, LoadedDiCE(1.0, 0.0))
    found = jax.jit(lambda key: update.update(values, params, key, 0, 20000, 12))(jax.random.key(0))
    shaping = np.linalg.norm(target - np.ravel(values.jacobian(params)[0][0]))
    assert np.linalg.norm(np.ravel(found) - target) < 0.25 * shaping


def test_sampled_updates_look_like_parameters_and_count_their_rounds():
    values, params = short()
    for update, rounds in (
        (LOLADiCE(0.5, 2, inner_batch=7), 12 * (5 + 2 * 7)),
        (SampledLOLA(), 3 * 5 * 12),
        (SampledLOLA.published(), 5 * 12),
        (SampledAlignment(), 5 * 12),
    ):
        step = jax.eval_shape(
            lambda key, u=update: u.update(values, params, key, 1, 5, 12), jax.random.key(0)
        )
        assert step.shape == params[1].shape
        assert update.rounds(2, 5, 12) == rounds
    assert FiniteDifferences().rounds(5, 4, 12) == 2 * 5 * 4 * 12
    assert EvolutionStrategies().rounds(5, 4, 12) == 2 * 4 * 12
    assert DiCE().rounds(5, 4, 12) == 4 * 12


@pytest.mark.slow
def test_independent_factors_leave_the_shaping_term_unbiased_and_one_batch_does_not():
    values, params = short()
    truth = LOLA(1.0, 2.0, "original").update(values, params, 0, None)[0]
    for independent in (True, False):
        update = SampledLOLA(LoadedDiCE(1.0, 0.0), 2.0, independent)
        found = repeated(lambda key, u=update: u.update(values, params, key, 0, 2, 12), 20000)
        assert agrees(found, truth) == independent


# What is refused ------------------------------------------------------------------------------------


def test_what_cannot_be_sampled_is_refused():
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0][0], p[1][0]]), [(1,), (1,)])
    with pytest.raises(ValueError, match="values: expected the compiled values of a game, since a"):
        check_sampled(wrapped)
    patient = closed_form(case("dilemma")[0]).compile(average=True)
    with pytest.raises(ValueError, match="values: expected a discount below 1, got the limit"):
        check_sampled(patient)
    _, values, params = case("dilemma")

    def ask(player=0, batch=4, horizon=5, critic=None):
        key = jax.random.key(0)
        jax.eval_shape(
            lambda: DiCE(critic=critic).gradient(values, params, key, player, 0, batch, horizon)
        )

    with pytest.raises(ValueError, match="batch: expected at least 1, got 0"):
        ask(batch=0)
    with pytest.raises(TypeError, match="horizon: expected a whole number, got 2.5"):
        ask(horizon=2.5)
    with pytest.raises(ValueError, match="player: expected an index from 0 to 1, got 2"):
        ask(player=2)
    with pytest.raises(
        ValueError, match=r"critic: expected one value per player and state, \(2, 5\)"
    ):
        ask(critic=np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiCE(critic="learned"), 'critic: expected None, "exact" or a table'),
        (lambda: DiCE(critic=[[1, float("nan")]]), "critic: expected a table of finite numbers"),
        (lambda: SampledAlignment(form="other"), "form: expected one of"),
        (lambda: SampledAlignment(form="exact"), "form: 'exact' averages over actions"),
        (lambda: SampledAlignment(time_weight="k"), "time_weight: expected None or one of"),
        (lambda: SampledLOQA(inside="sampled"), "inside: expected one of"),
        (lambda: FiniteDifferences(0), "expected a number above 0"),
        (lambda: LOLADiCE(0.1, 0), "lookaheads: expected at least 1"),
    ],
    ids=["critic", "nan", "form", "gae", "time", "inside", "step", "lookaheads"],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
