"""Every gradient-based rule against dense derivations in losses, what theory fixes, and trajectories in 60 digits.

The library is in payoffs and ascends; what is compared with is in losses and descends, as the papers
have it: from full Hessians, with NumPy, without any second-order product."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import NormalForm, prisoners_dilemma
from resolvent.numeric import RESULTS, CompiledValue, ValueFunction, tree
from resolvent.numeric.learners import (
    COALA,
    LEARNERS,
    LILI,
    LOLA,
    SGA,
    SOS,
    AbstractLearner,
    CompetitiveGradient,
    ConsensusOptimization,
    ExtraGradient,
    HigherOrderLOLA,
    InfiniteOrderLOLA,
    LocalSymplecticSurgery,
    LookAhead,
    Naive,
    OptimisticGradient,
)
from resolvent.numeric.learning import learn
from resolvent.numeric.loop import joint_update

REFERENCES = Path(__file__).parents[1] / "references"
REFERENCE = json.loads((REFERENCES / "gradient_learners_reference.json").read_text())["games"]
OLDER = json.loads((REFERENCES / "shaping_reference.json").read_text())["games"]


# Games: a value function, and the same values as a function of one flat vector -----------------


def polynomial(sizes, seed=0):
    """Random polynomials of degree 4 in all parameters: powers of random linear forms, mixed."""
    rng = np.random.default_rng(seed)
    n, dim = len(sizes), sum(sizes)
    forms = rng.normal(size=(2 * dim, dim)) / np.sqrt(dim)
    mix = rng.normal(size=(n, 4, 2 * dim)) / np.sqrt(2 * dim)

    def flat(x):
        y = forms @ x
        return mix[:, 0] @ y + mix[:, 1] @ y**2 + mix[:, 2] @ y**3 + mix[:, 3] @ y**4

    def function(params):
        return flat(jnp.concatenate(params))

    return ValueFunction.wrap(function, [(size,) for size in sizes]), flat


def compiled(num_actions, normalise, backend):
    """A compiled iterated game, and its values by a dense linear solve."""
    if num_actions == (2, 2):
        game = prisoners_dilemma().iterated("24/25")
    else:
        rng = np.random.default_rng(0)
        game = NormalForm(rng.integers(-4, 5, (len(num_actions), *num_actions)).tolist()).iterated(
            "9/10"
        )
    payoffs = np.array(game.stage.payoffs, float).reshape(len(num_actions), -1)
    g = float(game.discounts[0])
    shapes = [(game.num_states, actions - 1) for actions in num_actions]
    cuts = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def flat(x):
        joint = jnp.ones((game.num_states, 1))
        for own, shape in zip(jnp.split(x, cuts), shapes, strict=True):
            logits = jnp.concatenate([own.reshape(shape), jnp.zeros((shape[0], 1))], axis=1)
            policy = jax.nn.softmax(logits, axis=1)
            joint = (joint[:, :, None] * policy[:, None, :]).reshape(game.num_states, -1)
        start, moves = joint[0], joint[1:]
        total = payoffs @ jnp.linalg.solve((jnp.eye(len(moves)) - g * moves).T, start)
        return total * (1 - g) if normalise == "average" else total

    return closed_form(game, normalise).compile(backend=backend), flat


def sizes_of(values):
    return [int(np.prod(shape)) for shape in values.shapes]


def params_of(values, x):
    parts = np.split(np.asarray(x), np.cumsum(sizes_of(values))[:-1])
    return tuple(
        jnp.asarray(own.reshape(shape)) for own, shape in zip(parts, values.shapes, strict=True)
    )


def flatten(params):
    return np.concatenate([np.ravel(own) for own in params])


# What is compared with: shaping.md, section 2, in losses ---------------------------------------


class Dense:
    """Everything that the rules are made of, from full derivatives of the losses L = -V."""

    def __init__(self, flat, sizes):
        self.sizes = sizes
        self.cuts = np.cumsum([0, *sizes])
        self.part = [slice(*self.cuts[i : i + 2]) for i in range(len(sizes))]
        self.owner = np.repeat(np.arange(len(sizes)), sizes)
        self.losses = lambda x: -flat(x)
        self.gradients = jax.jit(jax.jacfwd(self.losses))
        self.hessians = jax.jit(jax.hessian(self.losses))

    def xi(self, x):
        return np.asarray(self.gradients(x))[self.owner, np.arange(len(self.owner))]

    def at(self, x):
        """xi, H, H_o, and the matrix of which chi = diag-blocks(H_o' grad L) is made."""
        G, full = np.asarray(self.gradients(x)), np.asarray(self.hessians(x))
        H = full[self.owner, np.arange(len(self.owner))]
        off = np.where(self.owner[:, None] == self.owner[None, :], 0, H)
        return G, self.xi(x), H, off

    def ahead_and_shaping(self, x, eta):
        """H_o (eta xi) and chi: chi_i = sum_j eta_j H_ji' dL_i/dtheta_j."""
        G, xi, _, off = self.at(x)
        chi = np.zeros_like(xi)
        for i, own in enumerate(self.part):
            for j, other in enumerate(self.part):
                if i != j:
                    chi[own] += eta[j] * off[other, own].T @ G[i, other]
        return off @ (eta[self.owner] * xi), chi

    def direction(self, rule, x, rate, eta):
        """G of the whole vector, as a player that believes in `eta` sees it; theta <- theta - rate G."""
        _, xi, H, off = self.at(x)
        eye = np.eye(len(xi))
        each = eta[self.owner]
        antisymmetric = (H - H.T) / 2
        if rule == "sos":
            return self.sos(x, eta, 0.5, 0.1)[0]
        if rule == "sos_near":  # b above the norm of xi
            return self.sos(x, eta, 0.3, 1e3)[0]
        if rule == "sga":
            return xi + self.sga_lambda(x, 0.1) * antisymmetric.T @ xi
        if rule == "sga_fixed":
            return xi + 0.3 * antisymmetric.T @ xi
        if rule == "consensus":
            return xi + 0.7 * H.T @ xi
        if rule == "extra":
            return self.xi(x - each * xi)
        if rule == "competitive":
            return np.linalg.solve(eye + off * each[None, :], xi)
        if rule == "surgery":
            return (xi + H.T @ np.linalg.solve(H, xi)) / 2
        if rule == "surgery_damped":
            return (xi + H.T @ np.linalg.solve(H.T @ H + 0.1 * eye, H.T @ xi)) / 2
        order = int(rule.removeprefix("hola"))
        return np.concatenate([self.hola(x, i, order, eta) for i in range(len(self.sizes))])

    def sos(self, x, eta, a, b):
        _, xi, _, _ = self.at(x)
        ahead, chi = self.ahead_and_shaping(x, eta)
        xi_0 = xi - ahead
        along = -chi @ xi_0
        p1 = 1 if along >= 0 else min(1, -a * (xi_0 @ xi_0) / along)
        p2 = xi @ xi if np.linalg.norm(xi) < b else 1
        return xi_0 - min(p1, p2) * chi, p1, p2

    def sga_lambda(self, x, epsilon):
        _, xi, H, _ = self.at(x)
        pull, adjustment = H.T @ xi, (H - H.T).T @ xi / 2
        return np.sign((xi @ pull) * (adjustment @ pull) / len(xi) + epsilon)

    def hola(self, x, player, order, eta):
        """By automatic differentiation of the definition."""

        def step(x, i, order):
            if order == 0:
                return jax.grad(lambda y: self.losses(y)[i])(x)[self.part[i]]

            def expected(own):
                y = x.at[self.part[i]].set(own)
                moved = y
                for j, other in enumerate(self.part):
                    if j != i:
                        moved = moved.at[other].add(-eta[j] * step(y, j, order - 1))
                return self.losses(moved)[i]

            return jax.grad(expected)(x[self.part[i]])

        return np.asarray(step(jnp.asarray(x), player, order))


def build(rule, rate, eta):
    return {
        "sos": lambda: SOS(rate, lookahead=eta),
        "sos_near": lambda: SOS(rate, 0.3, 1e3, eta),
        "sga": lambda: SGA(rate),
        "sga_fixed": lambda: SGA(rate, 0.3, align=False),
        "consensus": lambda: ConsensusOptimization(rate, 0.7),
        "extra": lambda: ExtraGradient(rate, eta),
        "competitive": lambda: CompetitiveGradient(rate, eta),
        "surgery": lambda: LocalSymplecticSurgery(rate),
        "surgery_damped": lambda: LocalSymplecticSurgery(rate, 0.1),
        "hola0": lambda: HigherOrderLOLA(rate, 0, eta),
        "hola1": lambda: HigherOrderLOLA(rate, 1, eta),
        "hola2": lambda: HigherOrderLOLA(rate, 2, eta),
        "hola3": lambda: HigherOrderLOLA(rate, 3, eta),
    }[rule]()


RULES = (
    "sos sos_near sga sga_fixed consensus extra competitive surgery surgery_damped hola0 hola1 hola2"
).split()


def check_dense(values, flat, rules, x, rates, etas):
    dense = Dense(flat, sizes_of(values))
    n = len(rates)
    learners = {
        rule: [build(rule, rate, eta) for rate, eta in zip(rates, etas, strict=True)]
        for rule in rules
    }

    # All rules in one function: what they share is compiled once. To compile a wrapped function's
    # many small derivatives takes longer than to run them one by one.
    def updates(params):
        return {
            rule: joint_update(values, own, params, (None,) * n)[0]
            for rule, own in learners.items()
        }

    condition = np.linalg.cond(dense.at(x)[2])
    if isinstance(values, CompiledValue):
        updates = jax.jit(updates)
    for rule, ours in updates(params_of(values, x)).items():
        for i, got in enumerate(ours):
            want = -rates[i] * dense.direction(rule, x, rates[i], etas[i])[dense.part[i]]
            # An inverse multiplies rounding, on both sides, by the condition of its matrix.
            digits = max(1e-11, 1e-15 * condition) if rule == "surgery" else 1e-11
            np.testing.assert_allclose(
                np.ravel(got), want, rtol=0, atol=digits * np.abs(want).max(), err_msg=rule
            )


FEW = "sos sga consensus extra competitive surgery".split()


@pytest.mark.parametrize(
    ("sizes", "rules"),
    [
        ((2, 3), FEW),
        ((1, 2, 3), ["sos", "sga", "competitive"]),
        ((2, 1, 1, 2), ["consensus", "competitive"]),
        pytest.param((1, 1), [*RULES, "hola3"], marks=pytest.mark.slow),
        pytest.param((2, 3), [*RULES, "hola3"], marks=pytest.mark.slow),
        pytest.param((1, 2, 3), RULES, marks=pytest.mark.slow),
        pytest.param((2, 1, 1, 2), RULES, marks=pytest.mark.slow),
    ],
    ids=lambda own: "x".join(map(str, own)) if isinstance(own, tuple) else str(len(own)),
)
def test_updates_equal_dense_derivations_on_polynomials(sizes, rules):
    values, flat = polynomial(sizes)
    rng = np.random.default_rng(1)
    n = len(sizes)
    x, rates, etas = (
        rng.normal(size=sum(sizes)),
        rng.uniform(0.1, 1, n),
        rng.uniform(0.1, 1, (n, n)),
    )
    check_dense(values, flat, rules, x, rates, etas)


@pytest.mark.parametrize("seed", range(4))
def test_both_branches_of_sos_and_both_signs_of_sga(seed):
    """Over a few points, the conflict branch, the harmless one, and both signs do occur."""
    values, flat = polynomial((2, 3), seed)
    dense = Dense(flat, (2, 3))
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 5))
    eta = np.array([0.6, 0.4])
    found = jax.jit(
        jax.vmap(
            lambda x: (
                SOS(1.0, 0.2, 0.1, eta).update(values, (x[:2], x[2:]), 0, None)[2],
                SGA(1.0, epsilon=0.01).update(values, (x[:2], x[2:]), 0, None)[2],
            )
        )
    )(points)
    shares = np.array([dense.sos(x, eta, 0.2, 0.1)[1:] for x in points])
    signs = np.array([dense.sga_lambda(x, 0.01) for x in points])
    np.testing.assert_allclose(found[0]["p1"], shares[:, 0], rtol=1e-10)
    np.testing.assert_allclose(found[0]["p2"], shares[:, 1], rtol=1e-10)
    np.testing.assert_array_equal(found[0]["p"], np.minimum(found[0]["p1"], found[0]["p2"]))
    np.testing.assert_array_equal(found[1]["lambda"], signs)
    assert 0 < (shares[:, 0] < 1).sum() < len(points)
    assert set(signs) == {1, -1}


@pytest.mark.parametrize(
    ("backend", "rules"),
    [
        ("program", ["sos", "competitive"]),
        pytest.param("program", RULES, marks=pytest.mark.slow),
        pytest.param("tensor", FEW, marks=pytest.mark.slow),
    ],
    ids=["program", "program-all", "tensor"],
)
def test_updates_equal_dense_derivations_on_the_prisoners_dilemma(backend, rules):
    values, flat = compiled((2, 2), "sum", backend)
    rng = np.random.default_rng(1)
    x, rates, etas = rng.normal(size=10), rng.uniform(0.1, 1, 2), rng.uniform(0.1, 1, (2, 2))
    check_dense(values, flat, rules, x, rates, etas)


@pytest.mark.slow
@pytest.mark.parametrize("num_actions", [(2, 3), (3, 2)], ids=str)
def test_updates_equal_dense_derivations_on_iterated_games(num_actions):
    values, flat = compiled(num_actions, "average", "tensor")
    rng = np.random.default_rng(1)
    n = len(num_actions)
    x = rng.normal(size=sum(sizes_of(values)))
    check_dense(values, flat, RULES, x, rng.uniform(0.1, 1, n), rng.uniform(0.1, 1, (n, n)))


# What theory says ------------------------------------------------------------------------------


def updates_of(learner, values, params):
    states = [learner.init(values, params, player) for player in range(len(params))]
    return joint_update(values, [learner] * len(params), params, states)[0]


def close(a, b, rtol=1e-12):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14), a, b)


def minus(a, b):
    return jax.tree.map(jnp.subtract, a, b)


@pytest.fixture(
    scope="module", params=[(2, 3), pytest.param((1, 2, 3), marks=pytest.mark.slow)], ids=str
)
def smooth(request):
    values, _ = polynomial(request.param, 2)
    return values, params_of(values, np.random.default_rng(3).normal(size=sum(request.param)))


def test_sos_between_lookahead_and_lola(smooth):
    """At p = 0 it is LookAhead, at p = 1 LOLA, and in between as far as p says."""
    values, params = smooth
    ahead, taylor = (
        updates_of(LookAhead(0.4), values, params),
        updates_of(LOLA(0.4), values, params),
    )
    along = tree.inner(minus(taylor, ahead), ahead)
    assert along != 0
    if along < 0:
        close(updates_of(SOS(0.4, a=0.0), values, params), ahead)
    close(updates_of(SOS(0.4, a=1e9, b=0.0), values, params), taylor)
    sos = SOS(0.4, a=0.01, b=0.0)
    p = sos.update(values, params, 0, None)[2]["p"]
    want = jax.tree.map(lambda x, y: x + p * (y - x), ahead, taylor)
    close(updates_of(sos, values, params), want, 1e-11)


def test_sos_keeps_its_promise():
    """<xi_p, xi_0> >= (1 - a) |xi_0|^2, with equality where the bound binds; over random points."""
    values, _ = polynomial((2, 3), 4)
    points = np.random.default_rng(0).normal(size=(200, 5))

    def angle(x):
        params = (x[:2], x[2:])
        ours, ahead = (
            joint_update(values, [rule] * 2, params, [None] * 2)[0]
            for rule in (SOS(1.0, a=0.3), LookAhead(1.0))
        )
        return tree.inner(ours, ahead) / tree.inner(ahead, ahead)

    ratios = jax.jit(jax.vmap(angle))(points)
    assert ratios.min() > 0.7 - 1e-12
    assert np.isclose(ratios, 0.7).any()


def test_sos_near_a_fixed_point_moves_as_lookahead():
    """Theorem 4: there p = |xi|^2, and the Jacobians of the two maps agree."""
    values = ValueFunction.wrap(
        lambda p: -jnp.stack([p[0] ** 2 + 3 * p[0] * p[1], p[1] ** 2 - 2 * p[0] * p[1]]), [(), ()]
    )
    at = (jnp.zeros(()), jnp.zeros(()))
    sos, ahead = (
        jax.jacobian(lambda p, rule=rule: updates_of(rule, values, p))(at)
        for rule in (SOS(0.1), LookAhead(0.1))
    )
    close(sos, ahead)


def test_without_looking_ahead_all_are_naive(smooth):
    values, params = smooth
    naive = updates_of(Naive(0.3), values, params)
    for rule in (
        SOS(0.3, lookahead=0.0),
        ExtraGradient(0.3, 0.0),
        CompetitiveGradient(0.3, 0.0),
        HigherOrderLOLA(0.3, 2, 0.0),
        SGA(0.3, 0.0),
        ConsensusOptimization(0.3, 0.0),
        HigherOrderLOLA(0.3, 0),
        OptimisticGradient(0.3),  # at its first step
    ):
        close(updates_of(rule, values, params), naive)


def test_looking_ahead_defaults_to_the_rate(smooth):
    values, params = smooth
    for default, given in (
        (SOS(0.3), SOS(0.3, lookahead=0.3)),
        (ExtraGradient(0.3), ExtraGradient(0.3, 0.3)),
        (CompetitiveGradient(0.3), CompetitiveGradient(0.3, [0.3] * len(params))),
        (HigherOrderLOLA(0.3), HigherOrderLOLA(0.3, 2, 0.3)),
    ):
        close(updates_of(default, values, params), updates_of(given, values, params))


def test_first_order_is_exact_lola(smooth):
    values, params = smooth
    close(
        updates_of(HigherOrderLOLA(0.3, 1), values, params),
        updates_of(LOLA(0.3, variant="exact"), values, params),
    )


def test_competitive_gradient_is_lookahead_to_first_order(smooth):
    """The derivative in the look-ahead at 0 is LookAhead's term."""
    values, params = smooth

    def update(learner):
        return lambda eta: updates_of(learner(0.3, eta), values, params)

    slope = jax.jvp(update(CompetitiveGradient), (0.0,), (1.0,))[1]
    ahead = minus(
        updates_of(LookAhead(0.3, 1.0), values, params), updates_of(Naive(0.3), values, params)
    )
    close(slope, ahead, 1e-10)


def test_competitive_gradient_with_several_rates_is_the_equilibrium_of_steps():
    """Each step is the best against the others', where a step costs its square over twice the rate."""
    values, flat = polynomial((2, 1, 3), 5)
    x = np.random.default_rng(5).normal(size=6)
    rates = [0.3, 0.7, 0.2]
    learners = [CompetitiveGradient(rate, rates) for rate in rates]
    step = flatten(joint_update(values, learners, params_of(values, x), [None] * 3)[0])
    dense = Dense(flat, (2, 1, 3))
    _, xi, _, off = dense.at(x)
    marginal_loss = xi + off @ step + step / np.array(rates)[dense.owner]
    np.testing.assert_allclose(marginal_loss, 0, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_zero_sum_bilinear_games(seed):
    """LookAhead = original LOLA = competitive gradient to first order = SGA at matching weight;
    extragradient is LookAhead, and exact LOLA of any kind the Taylor one."""
    rng = np.random.default_rng(seed)
    A, b, c = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=3)

    def function(params):
        own = params[0] @ A @ params[1] + b @ params[0] + c @ params[1]
        return jnp.stack([own, -own])

    values = ValueFunction.wrap(function, [(2,), (3,)])
    params = params_of(values, rng.normal(size=5))
    ahead = updates_of(LookAhead(0.3), values, params)
    for rule in (
        LOLA(0.3, variant="original"),
        SGA(0.3, 0.3, align=False),
        ExtraGradient(0.3),
    ):
        close(updates_of(rule, values, params), ahead)
    close(
        updates_of(HigherOrderLOLA(0.3, 1), values, params), updates_of(LOLA(0.3), values, params)
    )
    naive, slope = jax.jvp(
        lambda eta: updates_of(CompetitiveGradient(0.3, eta), values, params), (0.0,), (0.3,)
    )
    close(tree.add(naive, slope), ahead)


def test_games_with_a_potential():
    """There SGA is naive, and consensus optimisation is naive less Hessian times gradient."""

    def potential(x):
        return jnp.sin(x[0] * x[2]) - x[1] ** 2 * x[2] + x[0] * x[1]

    values = ValueFunction.wrap(
        lambda p: jnp.stack([potential(jnp.concatenate(p))] * 2), [(2,), (1,)]
    )
    x = np.array([0.3, -0.7, 0.5])
    params = params_of(values, x)
    close(updates_of(SGA(0.3), values, params), updates_of(Naive(0.3), values, params))
    gradient, hessian = jax.grad(potential)(x), jax.hessian(potential)(x)
    consensus = updates_of(ConsensusOptimization(0.3, 0.7), values, params)
    np.testing.assert_allclose(
        flatten(consensus), 0.3 * (gradient - 0.7 * hessian @ gradient), rtol=1e-12
    )


def bilinear(scale=1.0):
    return ValueFunction.wrap(
        lambda p: jnp.stack([-scale * p[0] * p[1], scale * p[0] * p[1]]), [(), ()], "bilinear"
    )


@pytest.mark.parametrize(
    ("rule", "modulus"),
    [
        (ExtraGradient(0.4), lambda a: 1 - a**2 + a**4),
        (CompetitiveGradient(0.4), lambda a: 1 / (1 + a**2)),
        (SGA(0.4), lambda a: 1 - 2 * a + 2 * a**2),
        (ConsensusOptimization(0.4), lambda a: 1 - 2 * a + 2 * a**2),
        (SOS(0.4), lambda a: 1 - 3 * a**2 + 4 * a**4),  # p = 1: shaping does no harm
        (HigherOrderLOLA(0.4, 1), lambda a: 1 - 3 * a**2 + 4 * a**4),
        (LocalSymplecticSurgery(0.4), lambda a: 1),  # K' K^-1 = -1 takes out all that there is
    ],
    ids=lambda own: type(own).__name__,
)
def test_bilinear_multipliers(rule, modulus):
    """On losses (xy, -xy) one step turns and scales; by how much is known (shaping.md, section 3)."""
    run = learn(bilinear(), rule, (0.6, 0.8), 10)
    squared = run.params[0] ** 2 + run.params[1] ** 2
    np.testing.assert_allclose(squared, modulus(0.4) ** 10, rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 3.0, 6.0])
def test_competitive_gradient_converges_on_bilinear_games_at_any_rate(scale):
    run = learn(bilinear(scale), CompetitiveGradient(0.2), (0.5, 0.5), 50)
    squared = run.params[0] ** 2 + run.params[1] ** 2
    np.testing.assert_allclose(squared, 0.5 / (1 + 0.04 * scale**2) ** 50, rtol=1e-11)


@pytest.mark.parametrize(("rate", "converges"), [(0.57, True), (0.58, False)])
def test_optimistic_gradient_converges_below_the_root_of_a_third(rate, converges):
    run = learn(bilinear(), OptimisticGradient(rate), (0.6, 0.8), 2000)
    assert (np.hypot(*run.params) < 1e-2) == converges
    assert (np.hypot(*run.params) > 1e2) != converges


def test_optimistic_gradient_by_hand():
    """Losses x^2 / 2 each: x_1 = x_0 - a x_0 (or twice that), then x - 2 a x + a x_previous."""
    values = ValueFunction.wrap(lambda p: -jnp.stack([p[0] ** 2, p[1] ** 2]) / 2, [(), ()])
    run = learn(
        values,
        [OptimisticGradient(0.1), OptimisticGradient(0.1, "double")],
        (1.0, 1.0),
        3,
        record="params",
    )
    np.testing.assert_allclose(run.history["params"][0], [1, 0.9, 0.82, 0.746], rtol=1e-14)
    np.testing.assert_allclose(run.history["params"][1], [1, 0.8, 0.74, 0.672], rtol=1e-14)


# The tandem game, losses (x + y)^2 - 2x and (x + y)^2 - 2y --------------------------------------


def tandem():
    return ValueFunction.wrap(
        lambda p: -jnp.stack([(p[0] + p[1]) ** 2 - 2 * p[0], (p[0] + p[1]) ** 2 - 2 * p[1]]),
        [(), ()],
        "tandem",
    )


def tandem_hola(order, a):
    """HOLA is h = b (x + y) + c with b' = -2a (1 + b)^2, c' = 2a - 2a (1 + b) c (shaping.md, 2.1)."""
    b, c = -2 * a, 2 * a
    for _ in range(order):
        b, c = -2 * a * (1 + b) ** 2, 2 * a - 2 * a * (1 + b) * c
    return b, c


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_tandem_limits_of_higher_order_lola(order, rate):
    b, c = tandem_hola(order, rate)
    run = learn(tandem(), HigherOrderLOLA(rate, order), (0.3, -0.2), 2000)
    s = run.params[0] + run.params[1]
    np.testing.assert_allclose(s, -c / b, rtol=1e-12)
    np.testing.assert_allclose(-run.values.mean(), s**2 - s, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(run.params[0] - run.params[1], 0.5, rtol=1e-11)


def test_orders_approach_consistency_one_power_of_the_step_at_a_time():
    """HOLA of order n agrees with the consistent update through rate^(n + 1): its slope b_n is off by
    (-1)^(n+1) 8 4^n rate^(n+2) to leading order."""
    a = 1e-4
    consistent = (-(4 * a + 1) + np.sqrt(8 * a + 1)) / (4 * a)
    for order in range(3):
        update = [
            updates_of(HigherOrderLOLA(a, order), tandem(), (jnp.array(x), jnp.array(0.0)))[0]
            for x in (0.0, 1.0)
        ]
        off = (update[1] - update[0]) - consistent
        expected = (-1) ** (order + 1) * 8 * 4**order * a ** (order + 2)
        # the closed form of b above is exact to about 1e-13 only
        assert off == pytest.approx(expected, rel=1e-2, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "multiplier"),
    [
        (ExtraGradient(0.1), 1 - 0.4 * (1 - 0.4)),
        (CompetitiveGradient(0.1), 1 - 0.4 / 1.2),
        (SGA(0.1), 1 - 0.4),  # a symmetric Jacobian
        (ConsensusOptimization(0.1), -1),
        (ConsensusOptimization(0.1, 0.1), 1 - 0.4 * 1.4),
    ],
    ids=repr,
)
def test_tandem_multipliers(rule, multiplier):
    """x + y - 1 is multiplied by a known number at every step."""
    run = learn(tandem(), rule, (0.3, -0.2), 7)
    s = run.params[0] + run.params[1]
    np.testing.assert_allclose(s - 1, -0.9 * multiplier**7, rtol=1e-12)


def test_sos_keeps_the_fixed_points_of_the_tandem_game():
    """Mean loss 0, where LOLA has 4/9 (Letcher et al. 2019); over random starts."""
    starts = np.random.default_rng(0).normal(size=(2, 32))
    run = learn(tandem(), SOS(0.1), tuple(starts), 1000)
    np.testing.assert_allclose(run.params[0] + run.params[1], 1, atol=1e-12)
    np.testing.assert_allclose(run.values.mean(axis=1), 0, atol=1e-12)


# Where rules go wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(("gamma", "converges"), [(0.4, False), (0.6, True)])
def test_consensus_finds_the_worst_point(gamma, converges):
    """Losses -k/2 (x^2 + y^2), k = 2, are worst at 0; with gamma above 1/k the rule goes there."""
    values = ValueFunction.wrap(lambda p: jnp.stack([p[0] ** 2 + p[1] ** 2] * 2), [(), ()])
    run = learn(values, ConsensusOptimization(0.1, gamma), (0.6, 0.8), 300)
    np.testing.assert_allclose(
        run.params, np.array([0.6, 0.8]) * (1 - 0.2 * (2 * gamma - 1)) ** 300, rtol=1e-11
    )
    assert (np.hypot(*run.params) < 1) == converges


def test_sga_without_alignment_finds_an_unstable_point():
    """Losses -e x^2 / 2 + xy and -e y^2 / 2 - xy: with lambda > e it converges to 0."""
    e, weight, rate = 0.1, 0.3, 0.2
    values = ValueFunction.wrap(
        lambda p: jnp.stack([e * p[0] ** 2 / 2 - p[0] * p[1], e * p[1] ** 2 / 2 + p[0] * p[1]]),
        [(), ()],
    )
    run = learn(values, SGA(rate, weight, align=False), (0.6, 0.8), 100)
    # xi_lambda = (lambda - e) z + (1 + lambda e) (rotation by a right angle) z
    multiplier = abs(1 - rate * ((weight - e) + 1j * (1 + weight * e)))
    np.testing.assert_allclose(np.hypot(*run.params), multiplier**100, rtol=1e-11)


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        (SOS(0.01, 0.5, 0.5), 1.06, 1.25),
        (SGA(0.01, epsilon=0.0), 0.84, 1.23),
        (ConsensusOptimization(0.01, 0.01), 1.06, 1.25),
        (ExtraGradient(0.01), 1.06, 1.25),
        (OptimisticGradient(0.01), 1.06, 1.25),
        (CompetitiveGradient(0.01), 1.06, 1.25),
        (HigherOrderLOLA(0.01), 1.06, 1.25),
    ],
    ids=repr,
)
def test_a_game_that_no_rule_solves(rule, low, high):
    """Letcher (2020), arXiv:2005.12649: one critical point, unstable, and iterates bounded. The bands
    are measurements with the paper's code (shaping.md, IMP1)."""

    def function(params):
        x, y = params
        loss = x * y - x**2 / 2 + y**2 / 2 + x**4 / 4 - y**4 / 4
        return jnp.stack([-loss, loss])

    values = ValueFunction.wrap(function, [(), ()])
    run = learn(values, rule, (0.5, -0.3), 3000, record="params")
    radius = np.hypot(*run.history["params"])[2001:]
    assert low - 0.01 < radius.min() < radius.max() < high + 0.01


# Trajectories in 60 digits ----------------------------------------------------------------------

BUILD = {
    "sos": SOS,
    "sga": SGA,
    "co": ConsensusOptimization,
    "eg": ExtraGradient,
    "cgd": CompetitiveGradient,
    "lss": LocalSymplecticSurgery,
    "hola1": lambda rate: HigherOrderLOLA(rate, 1),
}


def games_of_reference(game):
    if game == "ipd_sos":
        return closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    return {"tandem": tandem, "hamiltonian": bilinear}[game]()


QUICK = ("generic", "eg")


def cases():
    for game, about in REFERENCE.items():
        for start, own in about["init"].items():
            for rule in (*own["algos"], "hola1"):
                # the prisoner's dilemma takes long to compile
                marks = [pytest.mark.slow] * (game == "ipd_sos" and (start, rule) != QUICK)
                yield pytest.param(game, start, rule, id=f"{game}-{start}-{rule}", marks=marks)


@pytest.mark.parametrize(("game", "start", "rule"), list(cases()))
def test_reference_trajectory(game, start, rule):
    about = OLDER[game] if rule == "hola1" else REFERENCE[game]
    own = about["init"][start]
    values = games_of_reference(game)
    record = ("params", "values", "info") if rule in ("sos", "sga") else ("params", "values")
    learner = BUILD[rule](float(about["alpha"]))
    run = learn(values, learner, params_of(values, own["theta0"]), 100, record=record)
    compared = 0
    for steps, expected in own["algos"][rule].items():
        if isinstance(expected, list):
            names = {"p1_p2_p_first10": ("p1", "p2", "p"), "lambda_first10": ("lambda",)}[steps]
            found = [[run.history["info"][0][name][t] for name in names] for t in range(10)]
            np.testing.assert_allclose(
                found, np.reshape(expected, (10, len(names))), rtol=1e-9, atol=0
            )
        elif expected["reliable_1e-10"]:
            theta = np.concatenate([np.ravel(one[int(steps)]) for one in run.history["params"]])
            scale = np.maximum(1, np.abs(expected["theta"]))
            np.testing.assert_allclose(theta / scale, expected["theta"] / scale, rtol=0, atol=1e-10)
            np.testing.assert_allclose(
                run.history["values"][int(steps)], -np.array(expected["L"]), rtol=1e-10, atol=1e-10
            )
            compared += 1
    assert compared >= 2


def test_the_reference_is_complete():
    """The loop above would pass on an empty file."""
    found = [case.id for case in cases()]
    assert len(found) == 4 * 6 + 1  # local symplectic surgery at one start only


# A battery over all rules -----------------------------------------------------------------------

# Those that compare policies, or need a game's states, have tests of their own; a user's function has none.
OF_POLICIES = (
    "pola",
    "shaper",
    "brs",
    "loqa",
    "advantage_alignment",
    "best_response_dynamics",
    "fictitious_play",
)

EVERY: dict[str, AbstractLearner] = {
    **{name: make(0.01) for name, make in list(LEARNERS.items())[3:] if name not in OF_POLICIES},
    # As short as they can be, to be quick to compile.
    "coala": COALA(0.01, 2),
    "lili": LILI(0.01, interactions=2),
    "infinite_order_lola": InfiniteOrderLOLA(0.01, order=1),
    "unaligned": SGA(0.01, 0.1, align=False),
    "damped": LocalSymplecticSurgery(0.01, 0.1),
    "double": OptimisticGradient(0.01, "double"),
}


# What these do along the way of others is tested with them; here they take as long as all others together.
LONG = ("coala", "lili")
SHORT = {name: rule for name, rule in EVERY.items() if name not in LONG}


@pytest.fixture(
    params=[pytest.param(k, marks=pytest.mark.slow) if k in LONG else k for k in EVERY],
    scope="module",
)
def learner(request):
    return EVERY[request.param]


@pytest.fixture(scope="module")
def game():
    """Smooth, and quick to compile."""

    def function(params):
        x, y = params[0], params[1]
        first = jnp.sin(x[0] * y[0]) + x[1] ** 2 * y[2] - x[0] ** 2
        second = jnp.cos(x[1] * y[1]) - x[0] * y[2] - y[0] ** 2 * y[1]
        return jnp.stack([first, second])

    values = ValueFunction.wrap(function, [(2,), (3,)])
    return values, params_of(values, np.random.default_rng(5).normal(size=5) / 2)


PAIRS = [list(SHORT.values())[k : k + 2] for k in range(0, len(SHORT) - 1, 2)]


@pytest.mark.parametrize("pair", PAIRS, ids=repr)
def test_learn_is_the_loop(pair, game):
    """In a batch, with another rule in each seat."""
    values, params = game
    starts = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.9 * leaf]), params)
    run = learn(values, pair, starts, 3)
    for k in range(2):
        params = jax.tree.map(lambda leaf, k=k: leaf[k], starts)
        states = [rule.init(values, params, player) for player, rule in enumerate(pair)]
        for _ in range(3):
            updates, states, _ = joint_update(values, pair, params, states)
            params = jax.tree.map(jnp.add, params, updates)
        close(jax.tree.map(lambda leaf, k=k: leaf[k], run.params), params, 1e-11)


def test_rates_can_be_mapped_over(learner, game):
    values, params = game
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), learner)
    mapped = eqx.filter_vmap(lambda own: updates_of(own, values, params))(many)
    want = updates_of(jax.tree.map(lambda leaf: 2 * leaf, learner), values, params)
    close(jax.tree.map(lambda leaf: leaf[1], mapped), want, 1e-11)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtype_and_structure_are_kept(learner, game, dtype):
    values, params = game
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
    run = jax.eval_shape(
        lambda p: joint_update(
            values, [learner] * 2, p, [learner.init(values, p, i) for i in range(2)]
        ),
        params,
    )
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), run[0]) == shapes
    assert {leaf.dtype for leaf in jax.tree.leaves(run)} == {jnp.dtype(dtype)}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_unstacked_parameters_give_unstacked_updates(learner, backend, dtype):
    values = closed_form(prisoners_dilemma().iterated("9/10")).compile(backend=backend)
    rows = values.unstack(tuple(jnp.full((5, 1), 0.1, dtype) for _ in range(2)))
    state = jax.eval_shape(lambda p: learner.init(values, p, 1), rows)
    update, after, info = jax.eval_shape(lambda p, s: learner.update(values, p, 1, s), rows, state)
    assert jax.tree.structure(update) == jax.tree.structure(rows[1])
    assert {leaf.dtype for leaf in jax.tree.leaves((update, info))} == {jnp.dtype(dtype)}
    assert all(leaf.shape == () for leaf in jax.tree.leaves(info))
    assert jax.tree.structure(after) == jax.tree.structure(state)


def test_every_rule_in_the_same_game(game):
    """One rule per seat: each moves as it says, whatever the others are."""
    values, params = game
    rules = list(SHORT.values())
    for seats in zip(rules, rules[1:] + rules[:1], strict=True):
        states = [rule.init(values, params, player) for player, rule in enumerate(seats)]
        mixed = joint_update(values, seats, params, states)[0]
        for player, rule in enumerate(seats):
            close(mixed[player], updates_of(rule, values, params)[player])


def test_mixed_rules_on_the_prisoners_dilemma():
    values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    run = learn(values, [SOS(1.0), OptimisticGradient(1.0)], jax.random.key(0), 20, batch=3)
    assert (run.status == RESULTS.successful).all()


def test_a_single_player_has_nobody_to_look_at():
    values = ValueFunction.wrap(lambda p: -jnp.sum(p[0] ** 2, keepdims=True), [(3,)])
    params = (jnp.array([1.0, 2.0, 3.0]),)
    for rule in (SOS(0.1, b=0.0), SGA(0.1), CompetitiveGradient(0.1), HigherOrderLOLA(0.1, 3)):
        close(updates_of(rule, values, params), (-0.2 * params[0],))
    # These look at the player itself: gradient -2x, Jacobian -2.
    close(updates_of(ExtraGradient(0.1), values, params), (-0.2 * 0.8 * params[0],))
    close(updates_of(ConsensusOptimization(0.1), values, params), (-0.2 * 3 * params[0],))
    close(updates_of(LocalSymplecticSurgery(0.1), values, params), (-0.2 * params[0],))


@pytest.mark.parametrize("backend", ["program", pytest.param("tensor", marks=pytest.mark.slow)])
def test_a_player_without_a_choice(backend):
    """It has no parameters; the others learn all the same."""
    game = NormalForm([[[1], [2]], [[0], [3]]]).iterated("1/2")
    values = closed_form(game).compile(backend=backend)
    params = tuple(jnp.full(shape, 0.1) for shape in values.shapes)
    params = values.unstack(params)
    rules = {
        name: rule for name, rule in SHORT.items() if not isinstance(rule, LocalSymplecticSurgery)
    }
    found = jax.jit(
        lambda p: {name: updates_of(rule, values, p)[0] for name, rule in rules.items()}
    )(params)
    assert jax.tree.structure(found["sos"]) == jax.tree.structure(params[0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


def test_singular_surgery_is_reported():
    """The tandem game's Jacobian is singular everywhere: the run says so; damped, it goes on."""
    run = learn(tandem(), LocalSymplecticSurgery(0.1), (0.3, -0.2), 5)
    assert run.status == RESULTS.nonfinite
    run = learn(tandem(), LocalSymplecticSurgery(0.1, 0.1), (0.3, -0.2), 500)
    np.testing.assert_allclose(run.params[0] + run.params[1], 1, atol=1e-12)


# How they are stated ----------------------------------------------------------------------------


def test_names():
    assert list(LEARNERS) == [
        "naive",
        "look_ahead",
        "lola",
        "sos",
        "sga",
        "consensus_optimization",
        "extra_gradient",
        "optimistic_gradient",
        "competitive_gradient",
        "higher_order_lola",
        "local_symplectic_surgery",
        "infinite_order_lola",
        "pola",
        "coala",
        "lili",
        *OF_POLICIES[1:],
    ]


def test_descriptions():
    assert repr(SOS(1)) == "SOS(rate=1.0, a=0.5, b=0.1, lookahead=None)"
    assert repr(SGA(1)) == "SGA(rate=1.0, weight=1.0, align=True, epsilon=0.1)"
    assert repr(HigherOrderLOLA(1, 3, [1, 2])) == (
        "HigherOrderLOLA(rate=1.0, order=3, lookahead=[1.0, 2.0])"
    )
    assert OptimisticGradient(1).describe() == {
        "learner": "OptimisticGradient",
        "rate": 1.0,
        "variant": "single",
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SOS(1.0, a=-0.1), "expected no number below 0, got -0.1"),
        (lambda: SOS(1.0, b=float("nan")), "expected finite numbers, got nan"),
        (lambda: HigherOrderLOLA(1.0, -1), "order: expected a whole number from 0, got -1"),
        (lambda: HigherOrderLOLA(1.0, True), "order: expected a whole number"),
        (lambda: HigherOrderLOLA(1.0, 1.5), "order: expected a whole number"),  # pyright: ignore[reportArgumentType]
        (lambda: OptimisticGradient(1.0, "triple"), "variant: expected one of"),  # pyright: ignore[reportArgumentType]
        (lambda: SGA(1.0, align="yes"), "align: expected True or False, got 'yes'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda eta: SOS(0.1, lookahead=eta),
        lambda eta: ExtraGradient(0.1, eta),
        lambda eta: CompetitiveGradient(0.1, eta),
        lambda eta: HigherOrderLOLA(0.1, 2, eta),
    ],
)
def test_bad_lookahead_shape(make):
    with pytest.raises(ValueError, match="one number for each of 2 players, got shape"):
        learn(tandem(), make([0.1, 0.2, 0.3]), (0.0, 0.0), 1)
