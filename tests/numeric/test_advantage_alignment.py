"""Advantage alignment against enumerated paths, explicit double sums, and derivatives of dense values."""

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import (
    NormalForm,
    always,
    grim,
    prisoners_dilemma,
    public_goods,
    tit_for_tat,
)
from resolvent.numeric import LOQA, AdvantageAlignment, Naive, learn
from resolvent.numeric.double_sums import Rounds, carried, visited
from resolvent.numeric.equilibrium.arrays import GameArrays
from resolvent.numeric.play import Play, play_of

UNEVEN = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])
GAMES = {
    "dilemma": prisoners_dilemma().iterated("4/5"),
    "2 x 3 actions, two discounts": UNEVEN.iterated(("1/2", "4/5")),
    "three players": public_goods(3, "2").iterated("2/3"),
}


def compiled(name, normalise: Any = "sum", **options: Any):
    return closed_form(GAMES[name], normalise).compile(backend="tensor", **options)


def profile(values, seed=3):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


@eqx.filter_jit
def updates_of(values, cases, params):
    """What is added by each of some rules without a state, `[(rule, player), ...]`, and what they say; in one program,
    which is compiled much faster than one for each."""
    steps = [rule.update(values, params, player, None) for rule, player in cases]
    return [own[0] for own in steps], [own[2] for own in steps]


# Dense play by a direct solve, for any number of players and actions ---------------------------


class Dense:
    """Values in discounted sums; states are the start, then joint actions in order."""

    def __init__(self, game):
        self.payoffs = jnp.asarray(np.array(game.stage.payoffs, dtype=float))
        self.discounts = [float(g) for g in game.discounts]
        self.actions = self.payoffs.shape[1:]

    def policies(self, params):
        return [jax.nn.softmax(jnp.pad(own, ((0, 0), (0, 1))), axis=-1) for own in params]

    def joint(self, policies):
        table = policies[0]
        for own in policies[1:]:
            table = (table[:, :, None] * own[:, None, :]).reshape(len(table), -1)
        return table

    def chain(self, policies):
        joint = self.joint(policies)
        return jnp.concatenate([jnp.zeros((len(joint), 1)), joint], axis=1)

    def values(self, policies, i):
        """`(S,)`."""
        matrix = jnp.eye(1 + np.prod(self.actions)) - self.discounts[i] * self.chain(policies)
        return jnp.linalg.solve(matrix, self.joint(policies) @ self.payoffs[i].ravel())

    def q(self, policies, i):
        """Of joint actions, `(A_1, ..., A_n)`: the state does not matter."""
        after = self.values(policies, i)[1:].reshape(self.actions)
        return self.payoffs[i] + self.discounts[i] * after

    def own_q(self, policies, i):
        """Of own actions, the others as they are, `(S, A_i)`."""
        table = jnp.broadcast_to(self.q(policies, i), (len(policies[0]), *self.actions))
        for j in reversed(range(len(policies))):
            if j != i:
                table = jnp.einsum("s...a,sa->s...", jnp.moveaxis(table, j + 1, -1), policies[j])
        return table

    def advantages(self, policies, i):
        """Of joint actions, `(S, J)`."""
        return self.q(policies, i).ravel()[None] - self.values(policies, i)[:, None]

    def visits(self, policies, i):
        matrix = jnp.eye(1 + np.prod(self.actions)) - self.discounts[i] * self.chain(policies)
        return jnp.linalg.inv(matrix)[0]


# Identities -----------------------------------------------------------------------------------------


def softmax_response(dense, params, i, betas):
    """The gradient of V_i where pi_j' ~ pi_j exp(beta_j (Q_j(theta_i') - Q_j(theta_i))), through the partition
    function."""
    policies = dense.policies(params)

    def value(own):
        moved = dense.policies((*params[:i], own, *params[i + 1 :]))
        answers = list(policies)
        for j in range(len(params)):
            if j != i:
                change = dense.own_q(moved, j) - dense.own_q(policies, j)
                answers[j] = jax.nn.softmax(jnp.log(policies[j]) + betas[j] * change, axis=-1)
        return dense.values(answers, i)[0]

    return jax.jit(jax.grad(value))(params[i])


@pytest.mark.parametrize(
    ("name", "player"), [("2 x 3 actions, two discounts", 1), ("three players", 1)]
)
def test_the_exact_form_is_the_gradient_against_softmax_opponents(name, player):
    values, dense = compiled(name), Dense(GAMES[name])
    params = profile(values)
    betas = [0.7, 1.3, 0.4][: len(params)]
    cases: list[Any] = [(AdvantageAlignment(1.0, betas), player)]
    if len(params) == 2:
        cases.append((LOQA(1.0, betas, "on_policy"), player))
    got, _ = updates_of(values, cases, params)
    expected = values.jacobian(params)[player][player]
    expected += softmax_response(dense, params, player, betas)
    for own in got:
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-10)


def test_the_partition_function_does_not_matter():
    """Its gradient depends on the state alone, and the mean advantage over the other's actions is 0 in each."""
    name = "2 x 3 actions, two discounts"
    dense, params = Dense(GAMES[name]), profile(compiled(name))

    @jax.jit
    def weighted(params):
        policies = dense.policies(params)
        gains = dense.advantages(policies, 0).reshape(-1, 2, 3)
        mean = jnp.einsum("sab,sa->sb", gains, policies[0])
        weights = dense.visits(policies, 0)[:, None] * policies[1] * mean

        def log_likelihoods(own):
            logits = jnp.log(policies[1]) + dense.own_q(dense.policies((own, params[1])), 1)
            normalised = jax.nn.log_softmax(logits, axis=-1)
            return jnp.stack([(weights * logits).sum(), (weights * normalised).sum()])

        return policies[1] * mean, jax.jacobian(log_likelihoods)(params[0])

    shares, (without, with_it) = weighted(params)
    np.testing.assert_allclose(shares.sum(axis=1), 0, atol=1e-14)
    assert np.abs(shares).max() > 0.1
    np.testing.assert_allclose(with_it, without, rtol=1e-10, atol=1e-11)
    assert np.abs(with_it).max() > 0.01


def test_the_exact_form_is_lolas_shaping_term_with_a_natural_gradient():
    """The other's step is F^-1 dV_2, with the Fisher information of its softmax policy; also of discounts."""
    name = "2 x 3 actions, two discounts"
    values, dense = compiled(name), Dense(GAMES[name])
    params = profile(values)
    beta, shape = 0.8, params[1].shape

    def natural_step(own):
        def value(other):
            return dense.values(dense.policies((own, other)), 1)[0]

        policies = dense.policies((own, params[1]))
        scores = jax.jacobian(lambda other: jnp.log(dense.policies((own, other))[1]))(params[1])
        scores = scores.reshape(*policies[1].shape, -1)
        weights = dense.visits(policies, 1)[:, None] * policies[1]
        fisher = jnp.einsum("sb,sbk,sbl->kl", weights, scores, scores)
        return beta * jnp.linalg.solve(fisher, jax.grad(value)(params[1]).ravel()).reshape(shape)

    interest = values.jacobian(params)[0][1]
    shaping = jax.grad(lambda own: (interest * natural_step(own)).sum())
    cases = [(AdvantageAlignment(1.0, own), 0) for own in (beta, 0.0)]
    (update, plain), _ = updates_of(values, cases, params)
    np.testing.assert_allclose(update - plain, jax.jit(shaping)(params[0]), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(plain, values.jacobian(params)[0][0], rtol=1e-10, atol=1e-12)


# Double sums ----------------------------------------------------------------------------------------

T = 6
TIME_WEIGHTS: dict[Any, Any] = {
    None: lambda k: 1.0,
    "1/k": lambda k: 1 / max(k, 1),
    "1/(1+k)": lambda k: 1 / (1 + k),
}


class Paths:
    """All 4^6 paths of six rounds of a dilemma, and what happens along them."""

    def __init__(self, policies):
        joint = np.asarray(Dense(GAMES["dilemma"]).joint(policies))
        self.actions = np.array(list(itertools.product(range(4), repeat=T)))
        self.states = np.concatenate(
            [np.zeros((len(self.actions), 1), int), 1 + self.actions[:, :-1]], axis=1
        )
        self.chances = joint[self.states, self.actions].prod(axis=1)
        self.own = np.asarray(policies[0])

    def gradient(self, coefficients):
        """Expected sum of coefficients (paths, rounds) times scores of the first player, by its logits `(5,)`."""
        score = (self.actions < 2) - self.own[self.states, 0]
        gradient = np.zeros(5)
        np.add.at(gradient, self.states, self.chances[:, None] * coefficients * score)
        return gradient


FORMS: list[tuple[Any, Any, bool]] = [
    ("exact", None, True),
    ("exact", "1/(1+k)", False),
    ("original", None, False),
    ("original", "1/k", True),
    ("readme", None, True),
    ("readme", "1/k", False),
    ("as_coded", None, True),
    ("as_coded", None, False),
]


def test_finite_forms_are_sums_over_all_paths():
    values, dense = compiled("dilemma"), Dense(GAMES["dilemma"])
    params = profile(values)
    policies = dense.policies(params)
    paths = Paths(policies)
    g, beta, dependency = 0.8, 0.7, 0.6
    rules = [
        LOQA(1.0, beta, form, dependency, T, discounted)
        if form == "as_coded"
        else AdvantageAlignment(1.0, beta, form, time_weight, T, discounted)
        for form, time_weight, discounted in FORMS
    ]
    got, _ = updates_of(values, [(rule, 0) for rule in rules], params)

    gains, deserts = (
        np.asarray(dense.advantages(policies, i))[paths.states, paths.actions] for i in (0, 1)
    )
    by_other = np.asarray(dense.advantages(policies, 0)).reshape(5, 2, 2)
    mean = np.einsum("sab,sa->sb", by_other, policies[0])[paths.states, paths.actions % 2]
    believed = np.asarray(jax.nn.softmax(beta * dense.own_q(policies, 1), axis=-1))
    weights = {
        "exact": mean,
        "original": gains,
        "readme": gains,
        "as_coded": gains * (1 - believed[paths.states, paths.actions % 2]),
    }
    for (form, time_weight, discounted), update in zip(FORMS, got, strict=True):
        since = g if discounted else 1.0
        coefficients = np.zeros_like(gains)
        for k in range(T):
            for t in range(k + 1 if form == "exact" else k):
                share = since**k * TIME_WEIGHTS[time_weight](k)
                if form == "readme":
                    share *= g ** (k - t + 1)
                if form == "as_coded":
                    share = since**t * g ** (k - t) * dependency ** (k - t - 1)
                coefficients[:, k] += share * weights[form][:, t]
        coefficients *= beta * deserts
        coefficients += since ** np.arange(T) * gains
        np.testing.assert_allclose(
            update[:, 0], paths.gradient(coefficients), rtol=1e-10, atol=1e-12
        )


def explicit(play, weighted, a, b, share, rounds):
    """Sum over pairs of rounds, one by one in lag."""
    moves = np.asarray(play.transitions)
    weights = np.asarray(weighted).reshape(len(moves), -1)
    onward = (
        weights @ np.eye(len(moves))[np.asarray(play.arrays.successors).reshape(len(moves), -1)][0]
    )
    here = np.asarray(play.arrays.initial)
    received, visits = [], np.zeros(len(moves))
    for k in range(rounds):
        received.append(a**k * here @ onward)
        visits += a**k * share(k) * here
        here = here @ moves
    received, sums, t = np.array(received), np.zeros(len(moves)), np.arange(rounds)
    shares = np.array([share(k) for k in range(2 * rounds + 2)])
    for lag in range(rounds):
        sums += b**lag * shares[t + lag + 1] @ received
        received = received @ moves
    return visits, sums


@jax.jit
def by_products(play, weighted, a, b):
    """For each of `TIME_WEIGHTS`; visits for all but 1/k."""
    sums = [carried(play, weighted, a, b, Rounds(name)) for name in TIME_WEIGHTS]
    return sums, [visited(play, a), visited(play, a, Rounds("1/(1+k)"))]


def test_resolvent_products_are_sums_over_pairs_of_rounds():
    """In a game of 2 x 3 actions, where every joint action is a state."""
    values = compiled("2 x 3 actions, two discounts")
    play = play_of(values, profile(values))
    weighted = play.joint * jnp.asarray(np.random.default_rng(0).normal(size=play.joint.shape))
    sums, visits = by_products(play, weighted, 0.8, 0.9)
    expected = [explicit(play, weighted, 0.8, 0.9, share, 350) for share in TIME_WEIGHTS.values()]
    np.testing.assert_allclose(sums, [own[1] for own in expected], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(visits, [expected[0][0], expected[2][0]], rtol=1e-12)


def test_time_weights_up_to_discounts_near_one():
    """Two states that alternate for certain: eigenvalues 1 and -1, and series in closed form."""
    one = jnp.ones((2, 1))
    for g in (0.0, 0.5, 0.96, 1 - 1e-6):
        arrays = GameArrays(
            jnp.zeros((1, 2, 1)), None, jnp.array([[1], [0]]), jnp.array([g]), jnp.array([1.0, 0.0])
        )
        sums, visits = by_products(Play(arrays, (one,)), one, g, g)
        # Sums over even and over odd k of g^k / (1 + k).
        even = np.arctanh(g) / g if g else 1.0
        odd = -np.log1p(-(g**2)) / (2 * g) if g else 0.0
        np.testing.assert_allclose(visits[1], [even, odd], rtol=1e-9, atol=1e-14)
        # With w = 1 there are k pairs of rounds: sums over k of g^(k - 1).
        odd_powers = [g / (1 - g**2), 1 / (1 - g**2)]
        np.testing.assert_allclose(sums[1], odd_powers, rtol=1e-9, atol=1e-14)


def test_endless_forms_are_the_limits_of_finite_ones_and_differ():
    values = compiled("2 x 3 actions, two discounts")
    params = profile(values)
    forms: list[tuple[Any, Any]] = [("exact", "1/(1+k)"), ("original", "1/k"), ("readme", None)]
    cases = [
        (AdvantageAlignment(1.0, 0.7, form, time_weight, horizon), 1)
        for horizon in (None, 200)
        for form, time_weight in forms
    ]
    got, _ = updates_of(values, cases, params)
    for endless, finite in zip(got[:3], got[3:], strict=True):
        np.testing.assert_allclose(endless, finite, rtol=1e-11, atol=1e-12)
    for x, y in itertools.combinations(got[:3], 2):
        assert np.abs(x - y).max() > 0.01 * np.abs(x).max()


# As learners ----------------------------------------------------------------------------------------


def test_no_shaping_at_deterministic_play():
    """By probabilities: the derivative by a logit would vanish there anyway."""
    values = compiled("dilemma", parameters="policies")
    game = GAMES["dilemma"]
    forms: tuple[Any, ...] = ("exact", "original")
    cases: list[Any] = [(AdvantageAlignment(1.0, 1.0, form), 0) for form in forms]
    cases.append((LOQA(1.0, 1.0, "as_coded"), 0))
    defectors = [always(game, i, 1) for i in (0, 1)]
    reciprocal = [[strategy(game, i) for i in (0, 1)] for strategy in (tit_for_tat, grim)]
    for policies in (defectors, *reciprocal):
        params = values.parameters(policies)
        assert max(info["shaping"] for info in updates_of(values, cases, params)[1]) < 1e-12
    inside = (jnp.full((5, 1), 0.3), jnp.asarray([[0.3], [0.9], [0.2], [0.7], [0.1]]))
    assert min(info["shaping"] for info in updates_of(values, cases, inside)[1]) > 1e-3


def test_beta_and_rate_scale_with_the_unit_of_values():
    """On averages beta is 1 / (1 - g) larger for the other's discount, the rate for one's own."""
    name = "2 x 3 actions, two discounts"
    on_sums, on_averages = compiled(name, "sum"), compiled(name, "average")
    params = profile(on_sums)
    want, _ = updates_of(on_sums, [(LOQA(0.3, [0.0, 0.7]), 0)], params)
    scaled = LOQA(0.3 / (1 - 0.5), [0.0, 0.7 / (1 - 0.8)])
    got, _ = updates_of(on_averages, [(scaled, 0)], params)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-10, atol=1e-12)


def test_the_form_that_loops_carry_says_the_same():
    """Tuples of scalars, and payoffs that are already scaled, as in `learn`."""
    values = closed_form(GAMES["dilemma"], "sum").compile()
    params = profile(values)
    case = [(LOQA(0.3, 0.7), 0)]
    (carried_form,), _ = updates_of(values.for_loops(many=True), case, values.unstack(params))
    (arrays,), _ = updates_of(compiled("dilemma"), case, params)
    np.testing.assert_allclose([own[0] for own in carried_form], arrays[:, 0], rtol=1e-10)
    # Inverse temperatures at which exponentials overflow: the softmax is a best response.
    (cold,), _ = updates_of(compiled("dilemma"), [(LOQA(0.3, 1e4), 0)], params)
    assert np.isfinite(cold).all()


def test_presets():
    rule = AdvantageAlignment.published(0.1, 50)
    assert (rule.form, rule.time_weight, rule.horizon, rule.discounted) == (
        "original",
        "1/k",
        50,
        False,
    )
    assert float(rule.beta) == 1.0


def test_refusals():
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0][0], p[1][0]]), [(1,), (1,)])
    with pytest.raises(ValueError, match="AdvantageAlignment needs the states.*use LOLA"):
        learn(wrapped, AdvantageAlignment(0.1), (np.zeros(1), np.zeros(1)), 1)
    patient = closed_form(GAMES["dilemma"]).compile(average=True)
    with pytest.raises(ValueError, match="discount below 1.*use LOLA"):
        learn(patient, [AdvantageAlignment(0.1), Naive(0.1)], jax.random.key(0), 1)
    with pytest.raises(ValueError, match="form: expected one of .*'readme'.*got 'taylor'"):
        AdvantageAlignment(0.1, form="taylor")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="time_weight: expected None or one of.*got '1/t'"):
        AdvantageAlignment(0.1, time_weight="1/t")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"use '1/\(1\+k\)'"):
        AdvantageAlignment(0.1, time_weight="1/k")
    with pytest.raises(ValueError, match="horizon: expected a number of rounds"):
        AdvantageAlignment(0.1, discounted=False)
    with pytest.raises(ValueError, match="horizon: expected None or a whole number from 1, got 0"):
        AdvantageAlignment(0.1, horizon=0)
    with pytest.raises(ValueError, match="no number below 0"):
        AdvantageAlignment(0.1, -1.0)
    with pytest.raises(ValueError, match=r"beta: expected a scalar or one number for each of 2"):
        learn(compiled("dilemma"), AdvantageAlignment(0.1, [1.0, 1.0, 1.0]), jax.random.key(0), 1)
    values = compiled("dilemma")
    with pytest.raises(ValueError, match="time_weight: expected None"):
        visited(play_of(values, profile(values)), 0.5, Rounds("1/k"))
