"""Exact moments of sampled estimators against the enumeration of all paths, with surrogates differentiated path by
path, and against limits and perturbations."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, StochasticGame, prisoners_dilemma, public_goods
from resolvent.numeric import (
    GradientMoments,
    ValueFunction,
    alignment_limit,
    gradient_covariance,
    gradient_moments,
    hessian_limit,
    optimal_baseline,
    score_covariance,
)

UNEVEN = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])
LABELS = (["left", "right"], [["1/3", "2/3"], ["3/4", "1/4"]])
BLURRED = StochasticGame(
    [
        [[[3, 0, 1], [5, 1, 2]], [[0, 2, 4], [1, 1, 3]]],
        [[[1, 4, 0], [2, 1, 6]], [[3, 1, 0], [0, 5, 2]]],
    ],
    [
        [[["1/2", "1/2"], [1, 0], ["1/4", "3/4"]], [[0, 1], ["1/3", "2/3"], [1, 0]]],
        [[["1/5", "4/5"], [0, 1], ["1/2", "1/2"]], [["2/3", "1/3"], [1, 0], [0, 1]]],
    ],
    ("3/4", "2/3"),
    ("1/4", "3/4"),
    observe=[LABELS, None],
)
GAMES: dict[str, Any] = {
    "dilemma": (prisoners_dilemma().iterated("4/5"), 3),
    "2 x 3 actions, chance, blurred": (BLURRED, 3),
    "2 x 3 actions": (UNEVEN.iterated(("1/2", "3/4")), 3),
    "three players": (public_goods(3).iterated(("1/2", "2/3", "4/5")), 2),
}
DEFAULT = ("2 x 3 actions, chance, blurred",)
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in GAMES if name not in DEFAULT]
EVERY = pytest.mark.parametrize("name", [*DEFAULT, *SLOW], ids=str)


# All paths of a game, in NumPy, and their estimates ------------------------------------------------


class Paths:
    """Every way in which T rounds may go, with its probability, and what log probabilities they have as
    functions of the parameters."""

    def __init__(self, name):
        game, self.rounds = GAMES[name]
        self.values = closed_form(game, "sum").compile(backend="tensor")
        rng = np.random.default_rng(len(name))
        self.params = tuple(jnp.asarray(rng.normal(size=shape)) for shape in self.values.shapes)
        self.game, self.players = game, range(game.num_players)
        self.g = np.array([float(own) for own in game.discounts])
        self.rewards = np.array(game.rewards, dtype=float)
        self.joint_actions = list(itertools.product(*map(range, game.num_actions)))
        self.readings = []
        for player, (rows, _) in enumerate(game.policy_shapes):
            table = np.zeros((game.num_states, rows))
            for state, reading in enumerate(game.readings[player]):
                for seen, chance in reading:
                    table[state, seen] += float(chance)
            self.readings.append(table)
        policies = [np.asarray(own) for own in self.policies(self.params)]
        self.joint = np.array(
            [
                [
                    np.prod([own[s, a] for own, a in zip(policies, u, strict=True)])
                    for u in self.joint_actions
                ]
                for s in range(game.num_states)
            ]
        )
        self.next = np.zeros((game.num_states, len(self.joint_actions), game.num_states))
        for s, u in itertools.product(range(game.num_states), range(len(self.joint_actions))):
            for after, chance in game.branches[s][u]:
                self.next[s, u, after] += float(chance)
        self.enumerate()

    def policies(self, params):
        found = []
        for own, table in zip(params, self.readings, strict=True):
            weights = jnp.exp(jnp.concatenate([own, jnp.zeros((len(own), 1))], axis=1))
            found.append(table @ (weights / weights.sum(axis=1, keepdims=True)))
        return found

    def enumerate(self):
        paths = [
            ((s,), (), float(p)) for s, p in enumerate(self.game.initial_distribution) if p > 0
        ]
        for _ in range(self.rounds):
            paths = [
                ((*states, after), (*played, u), p * self.joint[states[-1], u] * chance)
                for states, played, p in paths
                for u in range(len(self.joint_actions))
                for after, chance in enumerate(self.next[states[-1], u])
                if chance > 0
            ]
        self.states = np.array([states for states, _, _ in paths])
        self.played = np.array([played for _, played, _ in paths])
        self.chance = np.array([p for _, _, p in paths])
        assert abs(self.chance.sum() - 1) < 1e-14

    def paid(self, player):
        return self.rewards[player][self.states[:, :-1], self.played]

    def derivatives(self, player):
        """Of log probabilities along each path by the player's logits, `(N, T, d)` and `(N, T, d, d)`."""
        own = np.concatenate([self.params[player], np.zeros((len(self.params[player]), 1))], axis=1)
        chosen = np.exp(own) / np.exp(own).sum(axis=1, keepdims=True)
        rows, actions = chosen.shape
        unit, free = np.eye(actions)[:, : actions - 1], chosen[:, : actions - 1]
        gap = unit - free[:, None]  # (rows, A, A - 1)
        spread = (
            np.einsum("oc,cd->ocd", free, np.eye(actions - 1)) - free[:, :, None] * free[:, None]
        )
        first = chosen[:, :, None] * gap
        second = chosen[:, :, None, None] * (gap[..., None] * gap[..., None, :] - spread[:, None])
        table, size = self.readings[player], self.params[player].size
        slope = np.einsum("so,oac,op->sapc", table, first, np.eye(rows))
        bend = np.einsum("so,oacd,op,oq->sapcqd", table, second, np.eye(rows), np.eye(rows))
        states, num = len(table), (table @ chosen)[..., None]
        slope = slope.reshape(states, actions, size) / num
        bend = bend.reshape(states, actions, size, size) / num[..., None]
        bend = bend - slope[..., None] * slope[..., None, :]
        played = np.array(self.joint_actions)[self.played][..., player]
        seen = self.states[:, :-1]
        return slope[seen, played], bend[seen, played]

    def endless(self, player):
        moves = np.einsum("su,sut->st", self.joint, self.next)
        expected = (self.joint * self.rewards[player]).sum(axis=1)
        return np.linalg.solve(np.eye(len(moves)) - self.g[player] * moves, expected)

    def remaining(self, player):
        """V of the rounds that remain, `(T + 1, S)`."""
        moves = np.einsum("su,sut->st", self.joint, self.next)
        expected = (self.joint * self.rewards[player]).sum(axis=1)
        rows = [np.zeros(len(moves))]
        for _ in range(self.rounds):
            rows.insert(0, expected + self.g[player] * moves @ rows[0])
        return np.array(rows)

    def along(self, table):
        """A table by round and state, along each path."""
        return np.stack([table[t][self.states[:, t]] for t in range(len(table))], axis=1)

    def gae(self, player, tau, critic):
        """By its definition as a double sum; `critic` `(T + 1, S)`."""
        worth, paid, g = self.along(critic), self.paid(player), self.g[player]
        delta = paid + g * worth[:, 1:] - worth[:, :-1]
        powers = [
            [(g * tau) ** (k - t) if k >= t else 0.0 for k in range(self.rounds)]
            for t in range(self.rounds)
        ]
        return delta @ np.array(powers).T

    def slopes(self, surrogates, wrt):
        """The gradient on each path of each `surrogate(ell) -> (N,)`, where ell are all players' log
        probabilities together, `(N, T)`."""
        ell = jnp.zeros(self.played.shape)

        def slope(at, own):
            return jax.grad(lambda x: own(x).sum())(at)

        found = jax.jit(lambda at: [slope(at, own) for own in surrogates])(ell)
        first, _ = self.derivatives(wrt)
        return [np.einsum("nt,nti->ni", own, first) for own in found]

    def second(self, surrogates, pairs):
        """The mean second derivatives of each, per pair of players."""
        ell = jnp.zeros(self.played.shape)

        def both(at):
            def slope(x, own):
                return jax.grad(lambda y: own(y).sum())(x)

            units = jnp.eye(self.rounds)[:, None] * jnp.ones((1, *ell.shape))
            return [
                (
                    slope(at, own),
                    jax.vmap(lambda u, own=own: jax.jvp(lambda x: slope(x, own), (at,), (u,))[1])(
                        units
                    ),
                )
                for own in surrogates
            ]

        found = jax.jit(both)(ell)
        result = []
        for once, twice in found:
            blocks = []
            for j, k in pairs:
                (left, bend), (right, _) = self.derivatives(j), self.derivatives(k)
                block = np.einsum("n,qnt,nti,nqj->ij", self.chance, twice, left, right)
                if j == k:
                    block += np.einsum("n,nt,ntij->ij", self.chance, once, bend)
                blocks.append(block)
            result.append(blocks)
        return result


@pytest.fixture(scope="module")
def every_path():
    made = {}

    def of(name):
        if name not in made:
            made[name] = Paths(name)
        return made[name]

    return of


def box(x):
    return jnp.exp(x - jax.lax.stop_gradient(x))


def surrogates(paths: Paths, player: int) -> dict[str, Any]:
    """Each estimator as its paper has it, with the arguments that ask for it."""
    T, g = paths.rounds, paths.g[player]
    times = g ** np.arange(T)
    paid = paths.paid(player)
    to_go = np.array([[g ** (k - t) if k >= t else 0.0 for k in range(T)] for t in range(T)])
    later = paid @ to_go.T
    rng = np.random.default_rng(7)
    num_states = paths.game.num_states
    given, base = rng.normal(size=(2, num_states))
    closed = np.tile(given, (T + 1, 1))
    opened = np.concatenate([closed[:T], np.zeros((1, num_states))])
    exact, endless = paths.remaining(player), np.tile(paths.endless(player), (T + 1, 1))
    expected = [paths.rewards[player] + g * paths.next @ endless[0] - endless[0][:, None]] * T
    exactly = np.stack(
        [expected[t][paths.states[:, t], paths.played[:, t]] for t in range(T)], axis=1
    )

    def weighted(gains):
        return lambda ell: (ell * gains) @ times

    def dice(ell):
        baseline = (1 - box(ell)) * paths.along(exact[:T])
        return (box(jnp.cumsum(ell, axis=1)) * paid + baseline) @ times

    def whole(ell):
        total = ell.sum(axis=1)
        end = closed[-1][paths.states[:, -1]] * g**T
        return total * (paid @ times + end - base[paths.states[:, 0]])

    def loaded(lam, gains):
        def surrogate(ell):
            kept, total = 0.0, 0.0
            for t in range(T):
                kept = lam * kept + ell[:, t]
                total += times[t] * (box(kept) - box(kept - ell[:, t])) * gains[:, t]
            return total

        return surrogate

    by_round = rng.normal(size=(T, num_states))
    return {
        "reinforce": (
            whole,
            {"estimator": "reinforce", "baseline": base, "critic": given, "close": "critic"},
        ),
        "reward to go": (weighted(later), {"estimator": "reward_to_go"}),
        "reward to go less numbers": (
            weighted(later - paths.along(by_round)),
            {"estimator": "reward_to_go", "baseline": by_round},
        ),
        "dice with a baseline": (dice, {"estimator": "dice", "baseline": "exact"}),
        "actor-critic": (
            weighted(paths.gae(player, 0.0, endless)),
            {"estimator": "gae", "tau": 0.0, "close": "critic"},
        ),
        "gae": (
            weighted(paths.gae(player, 0.6, closed)),
            {"estimator": "gae", "tau": 0.6, "critic": given, "close": "critic"},
        ),
        "gae, exact for what remains": (
            weighted(paths.gae(player, 0.6, exact)),
            {"estimator": "gae", "tau": 0.6},
        ),
        "loaded dice": (
            loaded(0.3, paths.gae(player, 0.6, opened)),
            {"estimator": "loaded_dice", "tau": 0.6, "critic": given},
        ),
        "lvc": (
            loaded(0.0, paths.gae(player, 0.6, opened)),
            {"estimator": "lvc", "tau": 0.6, "critic": given},
        ),
        "exact advantages": (
            weighted(exactly),
            {"estimator": "exact_advantage", "close": "critic"},
        ),
    }


def close_to(found, expected, scale=1.0):
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12 * max(scale, np.abs(expected).max())
    )


@EVERY
def test_mean_and_covariance_are_those_of_all_paths(every_path, name):
    paths = every_path(name)
    player, wrt = (0, 1) if len(paths.players) == 2 else (1, 2)
    cases = surrogates(paths, player)
    slopes = paths.slopes([own for own, _ in cases.values()], wrt)
    for (_, asked), own in zip(cases.values(), slopes, strict=True):
        found = gradient_moments(
            paths.values, paths.params, player=player, wrt=wrt, horizon=paths.rounds, **asked
        )
        mean = paths.chance @ own
        covariance = np.einsum("n,ni,nj->ij", paths.chance, own, own) - np.outer(mean, mean)
        scale = np.abs(covariance).max()
        np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-12 * scale**0.5)
        np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=1e-12 * scale)
        assert scale > 1e-3


@EVERY
def test_unbiased_estimates_have_no_bias_and_dice_is_reward_to_go(every_path, name):
    paths = every_path(name)
    asked: dict[str, Any] = {"player": 0, "wrt": 1, "horizon": paths.rounds}

    def of(estimator, **more):
        return gradient_moments(paths.values, paths.params, estimator, **asked, **more)

    within, endless = of("reward_to_go", target="horizon"), of("reward_to_go")
    exact = np.asarray(paths.values.jacobian(paths.params)[0][1]).ravel()
    close_to(endless.exact, exact)
    close_to(within.bias, 0 * exact)
    close_to(endless.bias, endless.truncation)
    assert np.abs(endless.truncation).max() > 1e-3
    close_to(of("gae", tau=0.4, target="horizon").bias, 0 * exact)
    assert np.abs(of("gae", tau=0.4, critic=0.0, target="horizon").bias).max() > 1e-3
    close_to(of("gae", tau=1.0, critic=0.0).covariance, endless.covariance)
    close_to(of("dice").covariance, endless.covariance)
    close_to(of("lvc", tau=0.4).covariance, of("gae", tau=0.4).covariance)


@EVERY
def test_limits_of_second_derivatives_are_those_of_all_paths(every_path, name):
    paths = every_path(name)
    T, num_states = paths.rounds, paths.game.num_states
    given = np.random.default_rng(3).normal(size=num_states)
    closed = np.tile(given, (T + 1, 1))
    times = paths.g[0] ** np.arange(T)
    gains = paths.gae(0, 0.6, closed)

    def loaded(lam):
        def surrogate(ell):
            kept, total = 0.0, 0.0
            for t in range(T):
                kept = lam * kept + ell[:, t]
                total += times[t] * (box(kept) - box(kept - ell[:, t])) * gains[:, t]
            return total

        return surrogate

    def dice(ell):
        return (box(jnp.cumsum(ell, axis=1)) * paths.paid(0)) @ times

    def twice(ell):
        return (ell * gains) @ times

    common: dict[str, Any] = {"critic": given, "close": "critic"}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (loaded(0.3), {"estimator": "loaded_dice", "lam": 0.3, "tau": 0.6, **common}),
        (loaded(0.0), {"estimator": "lvc", "tau": 0.6, **common}),
        (twice, {"estimator": "surrogate", "tau": 0.6, **common}),
        (dice, {"estimator": "dice"}),
    ]
    players = list(paths.players)
    pairs = list(itertools.product(players, players))
    every = paths.second([own for own, _ in cases], pairs)
    for blocks, (_, asked) in zip(every, cases, strict=True):
        found = hessian_limit(paths.values, paths.params, player=0, horizon=T, **asked)
        rows = [np.hstack(blocks[len(players) * j :][: len(players)]) for j in players]
        close_to(found.limit, np.vstack(rows))


@pytest.mark.slow
def test_exact_second_derivatives_are_those_of_automatic_differentiation(every_path):
    paths = every_path(DEFAULT[0])
    sizes = [own.size for own in paths.params]
    flat = jnp.concatenate([own.ravel() for own in paths.params])

    def value(joint):
        parts = jnp.split(joint, np.cumsum(sizes)[:-1])
        return paths.values(
            tuple(part.reshape(own.shape) for part, own in zip(parts, paths.params, strict=True))
        )[0]

    close_to(hessian_limit(paths.values, paths.params).exact, jax.hessian(value)(flat))
    # Scores of all earlier rounds and any critic: no bias; those of this round only: some.
    given = np.arange(2.0)
    assert hessian_limit(paths.values, paths.params, critic=given).relative_bias < 1e-12
    assert hessian_limit(paths.values, paths.params, "lvc", critic=given).relative_bias > 0.01


# Limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "tau"), [("gae", 0.6), pytest.param("reward_to_go", 1.0, marks=pytest.mark.slow)]
)
def test_endless_play_is_the_limit_of_long_play(every_path, estimator, tau):
    paths = every_path(DEFAULT[0])
    given, base = np.random.default_rng(5).normal(size=(2, paths.game.num_states))

    def of(horizon):
        asked = {"tau": tau, "critic": given, "baseline": base, "horizon": horizon}
        return gradient_covariance(paths.values, paths.params, estimator, [(0, 1)], **asked)

    close_to(of(None), of(100))


@pytest.mark.slow
def test_two_players_with_two_discounts_learn_from_the_same_paths(every_path):
    paths = every_path("2 x 3 actions")
    T = paths.rounds
    pairs = [(0, 0), (0, 1), (1, 1)]
    sums = []
    for i, j in pairs:
        gains, times = paths.gae(i, 0.6, paths.remaining(i)), paths.g[i] ** np.arange(T)
        sums += paths.slopes([lambda ell, gains=gains, times=times: (ell * gains) @ times], j)
    both = np.hstack(sums)
    mean = paths.chance @ both
    expected = np.einsum("n,ni,nj->ij", paths.chance, both, both) - np.outer(mean, mean)
    found = gradient_covariance(paths.values, paths.params, "gae", pairs, tau=0.6, horizon=T)
    close_to(found, expected)
    endless = gradient_covariance(paths.values, paths.params, "exact_advantage", [(0, 0), (1, 1)])
    close_to(endless, score_covariance(paths.values, paths.params, [0, 1]))
    # What follows is certain: a step of the exact critic is the exact advantage.
    close_to(
        endless, gradient_covariance(paths.values, paths.params, "gae", [(0, 0), (1, 1)], tau=0.0)
    )


# Baselines ------------------------------------------------------------------------------------------


def least_squares(paths, gains, wrt, discount):
    """The baselines by round and state, by state and in all that minimise the mean square over all paths."""
    first, _ = paths.derivatives(wrt)
    T, num_states = paths.rounds, paths.game.num_states
    times = discount ** np.arange(T)
    estimate = np.einsum("nti,nt,t->ni", first, gains, times)
    here = np.eye(num_states)[paths.states[:, :-1]]
    features = np.einsum("nti,nts,t->nits", first, here, times)
    weight = np.sqrt(paths.chance)[:, None]

    def best(columns):
        wide = (columns * weight[..., None]).reshape(-1, columns.shape[-1])
        return np.linalg.lstsq(wide, (estimate * weight).ravel(), rcond=None)[0]

    by_round = best(features.reshape(*features.shape[:2], -1)).reshape(T, num_states)
    return by_round, best(features.sum(axis=2)), best(features.sum(axis=(2, 3))[..., None])[0]


@EVERY
def test_the_best_baselines_are_those_of_least_squares_over_all_paths(every_path, name):
    paths = every_path(name)
    asked: dict[str, Any] = {"tau": 0.6, "critic": np.ones(paths.game.num_states)}
    found = optimal_baseline(
        paths.values, paths.params, 0, 1, paths.rounds, estimator="gae", **asked
    )
    closed = np.ones((paths.rounds + 1, paths.game.num_states))
    closed[-1] = 0
    gains = paths.gae(0, 0.6, closed)
    by_round, by_state, constant = least_squares(paths, gains, 1, paths.g[0])
    np.testing.assert_allclose(found.by_round, by_round, atol=1e-10)
    np.testing.assert_allclose(found.baseline, by_state, atol=1e-10)
    np.testing.assert_allclose(found.constant, constant, atol=1e-10)

    def variance(baseline):
        own = gradient_moments(
            paths.values,
            paths.params,
            "gae",
            wrt=1,
            horizon=paths.rounds,
            baseline=baseline,
            **asked,
        )
        return float(own.variance)

    for baseline, said in (
        (found.by_round, found.variance_by_round),
        (found.baseline, found.variance),
        (found.constant, found.variance_constant),
        (None, found.variance_without),
        ("exact", found.variance_exact),
    ):
        np.testing.assert_allclose(variance(baseline), said, rtol=1e-10)
    # The first two are the same in two rounds of a game whose start is never seen again.
    assert found.variance_by_round < found.variance * (1 + 1e-12)
    assert found.variance < found.variance_constant < found.variance_without


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GAMES), ids=str)
def test_no_change_of_the_best_baseline_of_endless_play_helps(every_path, name):
    paths = every_path(name)
    found = optimal_baseline(paths.values, paths.params, 1)
    rng = np.random.default_rng(2)

    def variance(baseline):
        return float(
            gradient_moments(paths.values, paths.params, player=1, baseline=baseline).variance
        )

    least = variance(found.baseline)
    np.testing.assert_allclose(least, found.variance, rtol=1e-10)
    for _ in range(5):
        move = rng.normal(size=found.baseline.shape)
        up, down = (variance(found.baseline + sign * move) for sign in (1, -1))
        assert min(up, down) > least
        np.testing.assert_allclose(up, down, rtol=1e-10)


# Advantage alignment --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GAMES), ids=str)
@pytest.mark.parametrize(
    ("form", "discounted"),
    [("original", True), ("readme", True), ("original", False), ("readme", False)],
)
def test_sampled_alignment_tends_to_the_sum_over_all_paths(every_path, name, form, discounted):
    paths = every_path(name)
    T, (i, j) = paths.rounds, (0, 1)
    critics = np.random.default_rng(4).normal(size=(2, paths.game.num_states))
    mine, theirs = (
        paths.gae(own, 0.6, np.tile(critic, (T + 1, 1)))
        for own, critic in zip((i, j), critics, strict=True)
    )
    first, _ = paths.derivatives(i)
    a, b = (paths.g[i], paths.g[j]) if discounted else (1.0, 1.0)
    total = 0.0
    for k in range(T):
        for t in range(k):
            weight = (
                a**t * b ** (k - t) * (1.0 if form == "original" else paths.g[i] ** (k - t + 1))
            )
            total += weight * (paths.chance * mine[:, t] * theirs[:, k]) @ first[:, k]
    common: dict[str, Any] = {"form": form, "horizon": T, "discounted": discounted}
    found = alignment_limit(
        paths.values,
        paths.params,
        i,
        j,
        tau=0.6,
        critic=critics[0],
        other_critic=critics[1],
        **common,
    )
    close_to(found.limit, total)
    assert found.relative_bias > 1e-3
    # One step of exact critics is the exact advantage where what follows is certain; where it is not, it is
    # correlated with all that comes later.
    one_step = alignment_limit(paths.values, paths.params, i, j, tau=0.0, **common)
    assert (one_step.relative_bias < 1e-12) == (name != DEFAULT[0])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["original", "readme"])
def test_endless_alignment_is_the_limit_of_long_alignment(every_path, form):
    paths = every_path(DEFAULT[0])
    endless, long = (
        alignment_limit(paths.values, paths.params, form=form, tau=0.8, horizon=own)
        for own in (None, 150)
    )
    close_to(endless.limit, long.limit)
    close_to(endless.intended, long.intended)
    close_to(endless.exact, long.exact)


# Records and refusals -------------------------------------------------------------------------------


def record(mean, covariance, exact):
    found, noise, truth = (jnp.asarray(own, float) for own in (mean, covariance, exact))
    return GradientMoments(found, noise, truth, jnp.zeros(2), "gae", 0, 0, None)


def test_numbers_of_trajectories():
    unbiased = record([3, 4], np.diag([50, 50]), [3, 4])
    assert unbiased.samples_for(0.1) == 400  # 100 / (0.01 * 25)
    np.testing.assert_allclose(unbiased.relative_error(400), 0.1)
    np.testing.assert_allclose(unbiased.signal_to_noise(4), 1)
    np.testing.assert_allclose(unbiased.cosine(4), 0.5**0.5)
    biased = record([3, 3], np.diag([50, 50]), [3, 4])
    assert biased.samples_for(0.19) == float("inf")
    assert biased.relative_bias == 0.2
    needed = biased.samples_for(0.3)
    assert biased.relative_error(needed) <= 0.3 < biased.relative_error(needed - 1)
    assert "relative bias 0.2" in str(biased)
    assert "10% never" in str(biased)
    assert "10% never" in repr(biased)


def test_what_is_wrong_is_said(every_path):
    paths = every_path(DEFAULT[0])
    ask: Any = gradient_moments
    for changed, message in (
        ({"estimator": "reinforce"}, "horizon: expected a number of rounds"),
        ({"estimator": "ppo"}, "estimator: expected one of"),
        ({"player": 2}, "player, wrt: expected whole numbers from 0 to 1"),
        ({"horizon": 0}, "horizon: expected None or a whole number"),
        ({"tau": 2.0}, "tau: expected a number in"),
        ({"critic": None}, "critic: expected 'exact'"),
        ({"critic": np.ones(7)}, r"critic: expected .* shape \(7,\)"),
        ({"baseline": "best"}, "baseline: expected"),
        ({"close": "none"}, "close: expected one of"),
        ({"target": "all"}, "target: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            ask(paths.values, paths.params, **changed)
    own = ValueFunction.wrap(
        lambda params: jnp.stack([params[0].sum(), params[1].sum()]), [(1,), (1,)]
    )
    with pytest.raises(ValueError, match="values: expected the compiled values of a game"):
        ask(own, paths.params)
    with pytest.raises(ValueError, match="lam: expected"):
        hessian_limit(paths.values, paths.params, lam=2.0)
    with pytest.raises(ValueError, match="other: expected another player"):
        alignment_limit(paths.values, paths.params, 1, 1)
