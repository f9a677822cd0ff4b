"""Best responses and leaders, against every deterministic policy, value iteration, differences and closed forms."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import NormalForm, own_view, prisoners_dilemma, public_goods
from resolvent.numeric import (
    BRS,
    Adam,
    Naive,
    learn,
    optimal_replies,
    reply_pieces,
    soft_best_response,
    stackelberg,
)
from resolvent.numeric.learners.best_response_shaping import mirror_of

G = 24 / 25
DILEMMA = np.array([[[-1.0, -3.0], [0.0, -2.0]], [[-1.0, 0.0], [-3.0, -2.0]]])
LEADERS = {
    "ALLC": [1, 1, 1, 1, 1],
    "ALLD": [0, 0, 0, 0, 0],
    "TFT": [1, 1, 0, 1, 0],
    "GRIM": [1, 1, 0, 0, 0],
    "GTFT": [1, 1, 1 / 3, 1, 1 / 3],
    "WSLS": [1, 1, 0, 0, 1],
}
# Per round, to the follower and to the leader.
PAYOFFS = {
    "ALLC": (0, -3),
    "ALLD": (-2, -2),
    "TFT": (-1, -1),
    "GRIM": (-1, -1),
    "GTFT": (-1, -1),
    # The follower exploits in turns: 0 and -2 for it, -3 and -2 for the leader.
    "WSLS": (-2 * G / (1 + G), (-3 - 2 * G) / (1 + G)),
}


def states_and_moves(actions):
    """Memory one: the start, then the joint actions; where each leads."""
    return 1 + int(np.prod(actions)), 1 + np.arange(int(np.prod(actions)))


def dense(payoffs, discounts, policies):
    """Discounted sums of all players from each state, `(n, ..., S)`; policies `(..., S, A_i)`."""
    actions = payoffs.shape[1:]
    size, after = states_and_moves(actions)
    joint = policies[0]
    for own in policies[1:]:
        joint = (joint[..., :, None] * own[..., None, :]).reshape(
            *np.broadcast_shapes(joint.shape[:-1], own.shape[:-1]), -1
        )
    moves = np.zeros((*joint.shape[:-1], size), joint.dtype)
    moves[..., after] = joint
    found = []
    for own, g in zip(payoffs, discounts, strict=True):
        now = joint @ own.ravel()
        found.append(np.linalg.solve(np.eye(size) - g * moves, now[..., None])[..., 0])
    return np.stack(found)


def all_replies(states, actions):
    """Every deterministic policy, `(actions ** states, S, B)`."""
    choices = np.array(list(itertools.product(range(actions), repeat=states)))
    return np.eye(actions)[choices]


def two_columns(first):
    return np.stack([first, 1 - first], axis=-1)


def policies_of(logits):
    return two_columns(1 / (1 + np.exp(-np.asarray(logits)[..., 0])))


# Hard best responses ---------------------------------------------------------------------------------

SUMS = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile(parameters="policies")
OFF = np.full((5, 1), 0.5)


@jax.jit
@jax.vmap
def replies(own):
    return optimal_replies(SUMS, (own, OFF), 1)


@pytest.fixture(scope="module")
def leaders():
    """300 at random, then those with names, then one against which all is equally good."""
    rng = np.random.default_rng(0)
    named = np.array(list(LEADERS.values()), float)
    tied = 25 / 48 * np.array([LEADERS["TFT"]])
    return np.concatenate([rng.uniform(size=(300, 5)), named, tied])


@pytest.fixture(scope="module")
def hard(leaders):
    return jax.tree.map(np.asarray, replies(leaders[..., None]))


@pytest.fixture(scope="module")
def brute(leaders):
    """Values of both players for each leader and each of the 32 replies, `(2, leaders, 32, S)`."""
    own = two_columns(leaders)[:, None]
    return dense(DILEMMA, (G, G), (own, all_replies(5, 2)))


def test_policy_iteration_against_all_deterministic_policies(hard, brute):
    first, second = brute
    best = second.max(axis=1)
    np.testing.assert_allclose(hard.value, best[:, 0], rtol=1e-12, atol=1e-12)
    optimal = (second >= best[:, None] - 1e-8).all(axis=-1)
    assert (optimal.sum(axis=1) == hard.optimal.sum(axis=-1).prod(axis=-1)).all()
    np.testing.assert_allclose(hard.best, np.where(optimal, first[..., 0], -np.inf).max(1))
    np.testing.assert_allclose(hard.worst, np.where(optimal, first[..., 0], np.inf).min(1))
    assert hard.gap.max() < 1e-12
    assert hard.iterations.max() <= 4


def test_best_responses_to_strategies_with_names(hard):
    got = np.stack([hard.value, hard.best, hard.worst], axis=-1)[300:306] * (1 - G)
    wanted = [(v2, v1, v1) for v2, v1 in PAYOFFS.values()]
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_all_replies_at_a_tie(hard):
    tie = jax.tree.map(lambda own: own[-1], hard)
    assert tie.count == 32
    assert len({own.tobytes() for own in tie.policies()}) == 32
    assert tie.margin == np.inf
    # Of the leader: cooperation always met, or never.
    alpha = 25 / 48
    np.testing.assert_allclose(tie.best * (1 - G), -alpha)
    np.testing.assert_allclose(tie.worst * (1 - G), -2 - alpha * (1 - G))
    assert "32 optimal replies" in str(tie)
    assert "307" in str(hard)


@pytest.mark.parametrize(
    ("actions", "follower", "leader"),
    [
        pytest.param((2, 3), 1, None, id="2 x 3"),
        pytest.param((2, 2, 2), 2, 0, id="three players", marks=pytest.mark.slow),
    ],
)
def test_other_numbers_of_actions_and_players(actions, follower, leader):
    """The others keep to their policies; discounts differ."""
    rng = np.random.default_rng(1)
    players = len(actions)
    payoffs = rng.integers(-5, 6, size=(players, *actions))
    discounts = (0.5, 0.9, 0.75)[:players]
    game = NormalForm(payoffs.tolist()).iterated(tuple(map(str, discounts)))
    values = closed_form(game).compile(parameters="policies")
    policies = [rng.dirichlet(np.ones(n), size=1 + int(np.prod(actions))) for n in actions]
    found = optimal_replies(values, tuple(own[:, :-1] for own in policies), follower, leader)
    policies[follower] = all_replies(len(policies[0]), actions[follower])
    brute = dense(payoffs.astype(float), discounts, policies)
    best = brute[follower].max(axis=0)
    np.testing.assert_allclose(found.value, best[0] * (1 - discounts[follower]), rtol=1e-12)
    optimal = (brute[follower] >= best - 1e-9).all(axis=-1)
    assert optimal.sum() == found.count == 1
    index = 0 if leader is None else leader
    np.testing.assert_allclose(
        found.best, brute[index][optimal][0, 0] * (1 - discounts[index]), rtol=1e-12
    )


# Soft best responses ---------------------------------------------------------------------------------

LOGITS = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile(backend="tensor")


def entropic(own, temperature, order=1):
    found = soft_best_response(LOGITS, (own, jnp.zeros((5, 1))), 1, temperature, order=order)
    return found.values[0], found


@jax.jit
def softly(own, temperature):
    """The leader's value, its gradient, the derivative of V, and the reply, of many leaders."""

    def one(single):
        (value, found), gradient = jax.value_and_grad(entropic, has_aux=True)(single, temperature)
        return value, gradient, found

    return jax.vmap(one)(own)


@pytest.fixture(scope="module")
def starts():
    return np.random.default_rng(2).normal(size=(50, 5, 1))


def soft_iteration(own, temperature, sweeps=1500):
    """Value iteration, from a policy of the leader; of complex numbers too."""
    paid, after = DILEMMA[1], np.arange(1, 5).reshape(2, 2)
    worth, weights = np.zeros(5, own.dtype), np.zeros((5, 2), own.dtype)
    for _ in range(sweeps):
        table = own @ (paid + G * worth[after])
        top = table.real.max(axis=1)
        weights = np.exp((table - top[:, None]) / temperature)
        worth = top + temperature * np.log(weights.sum(axis=1))
    return worth, weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [3.0, 0.3])
def test_soft_best_response_is_the_limit_of_value_iteration(starts, temperature):
    value, gradient, found = softly(starts, temperature)
    assert np.asarray(found.converged).all()
    assert found.residual.max() < 1e-14
    assert found.iterations.max() < 20
    for k in range(3):
        own = policies_of(starts[k])
        worth, policy = soft_iteration(own, temperature)
        np.testing.assert_allclose(found.worth[k], worth, rtol=1e-12)
        np.testing.assert_allclose(found.policy[k], policy, atol=1e-11)
        first, second = dense(DILEMMA, (G, G), (own, policy))[:, 0]
        np.testing.assert_allclose(value[k], first, rtol=1e-11)
        np.testing.assert_allclose(found.values[k, 1], second, rtol=1e-11)

        # A complex step has no cancellation: dV1 / dtheta to all digits.
        for s in range(5):
            moved = starts[k].astype(complex)
            moved[s] += 1e-30j
            policies = policies_of(moved), soft_iteration(policies_of(moved), temperature)[1]
            step = dense(DILEMMA, (G, G), policies)[0, 0].imag / 1e-30
            np.testing.assert_allclose(gradient[k, s, 0], step, rtol=1e-9, atol=1e-10)


@pytest.mark.slow
def test_envelope(starts):
    """dV / dtheta(s') = (I - g P)^-1 at s', p'(s') and the difference of the follower's values there."""
    jacobian = jax.jit(jax.jacfwd(lambda own: entropic(own, 1.0)[1].worth))
    for own in starts[:3]:
        policy = policies_of(own)
        worth, reply = soft_iteration(policy, 1.0)
        table = DILEMMA[1] + G * worth[np.arange(1, 5).reshape(2, 2)]
        joint = (policy[:, :, None] * reply[:, None, :]).reshape(5, 4)
        resolvent = np.linalg.inv(np.eye(5) - G * np.pad(joint, ((0, 0), (1, 0))))
        push = policy.prod(axis=1) * (reply @ (table[0] - table[1]))
        np.testing.assert_allclose(jacobian(own)[..., 0], resolvent * push, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_derivatives_of_higher_order():
    """k Newton steps: order 2^k - 1. Against a Taylor polynomial through complex value iteration, on a circle."""
    rng = np.random.default_rng(3)
    point, direction = rng.normal(size=(2, 5, 1))
    circle = 0.05 * np.exp(2j * np.pi * np.arange(32) / 32)
    heights = []
    for t in circle:
        own = policies_of(point + t * direction)
        reply = soft_iteration(own, 1.0)[1]
        heights.append(dense(DILEMMA, (G, G), (own, reply))[0, 0])
    taylor = [np.mean(np.array(heights) / circle**n).real for n in range(4)]

    def derivatives(order):
        def along(t):
            return entropic(point + t * direction, 1.0, order)[0]

        second = jax.grad(jax.grad(along))
        return jax.jit(lambda t: (jax.grad(along)(t), second(t), jax.jacfwd(second)(t)))(0.0)

    first, second, third = derivatives(3)
    np.testing.assert_allclose((first, second / 2, third / 6), taylor[1:], rtol=1e-8)
    single = derivatives(1)
    np.testing.assert_allclose(single[0], taylor[1], rtol=1e-8)
    assert abs(single[1] / 2 - taylor[2]) > 1e-3 * abs(taylor[2])


def test_low_temperatures_are_hard_best_responses(starts):
    # Padded to as many as are compiled already.
    padded = np.resize(policies_of(starts)[..., :1], (307, 5, 1))
    hard = jax.tree.map(lambda own: np.asarray(own)[: len(starts)], replies(padded))
    gaps = [
        float(np.abs(softly(starts, tau)[0] - hard.best).mean() * (1 - G))
        for tau in (3.0, 1.0, 0.3, 0.1, 0.03)
    ]
    assert all(later < earlier for earlier, later in itertools.pairwise(gaps))
    assert gaps[0] > 0.3
    assert gaps[-1] < 1e-2
    # What the follower loses by softness is bounded by the entropy.
    lost = hard.value - softly(starts, 1.0)[2].values[:, 1]
    assert (lost > 0).all()
    assert (lost <= np.log(2) / (1 - G)).all()


@jax.jit
def logitly(own, temperature):
    """The leader's value against self-consistent replies, its gradient, and the reply."""

    def one(single):
        found = soft_best_response(LOGITS, (single, jnp.zeros((5, 1))), 1, temperature, "logit")
        return found.values[0], found

    return jax.value_and_grad(one, has_aux=True)(own)


def test_other_softmaxes(starts):
    """Self-consistent and one-shot, by the follower's action values from a dense solve; and the derivative."""
    leader, follower = map(policies_of, starts[:2])

    def softmax_of(policy, temperature):
        worth = dense(DILEMMA, (G, G), (leader, policy))[1]
        table = leader @ (DILEMMA[1] + G * worth[np.arange(1, 5).reshape(2, 2)])
        weights = np.exp((table - table.max(axis=1, keepdims=True)) / temperature)
        return weights / weights.sum(axis=1, keepdims=True)

    once = soft_best_response(LOGITS, tuple(starts[:2]), 1, 2.0, "one_shot")
    np.testing.assert_allclose(once.policy, softmax_of(follower, 2.0), atol=1e-12)
    assert "converged" in str(once)
    for temperature in (1 / 0.3, 1 / 3):
        found = soft_best_response(LOGITS, tuple(starts[:2]), 1, temperature, "logit")
        assert found.converged
        np.testing.assert_allclose(found.policy, softmax_of(found.policy, temperature), atol=1e-10)
        entropic_policy = softly(starts, temperature)[2].policy[0]
        assert np.abs(entropic_policy - found.policy).max() > 1e-4  # another reply


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [1 / 0.3, 1 / 3])
def test_derivatives_of_self_consistent_replies(starts, temperature):
    gradient = logitly(starts[0], temperature)[1]
    h = 1e-5
    for s in range(5):
        step = h * np.eye(5)[:, s : s + 1]
        ends = [logitly(starts[0] + sign * step, temperature)[0][0] for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(gradient[s, 0], difference, rtol=1e-5, atol=1e-6)


# The learner -----------------------------------------------------------------------------------------


def self_play(logits):
    """The discounted sum of a leader against itself."""
    own = policies_of(logits)
    return dense(DILEMMA, (G, G), (own, own[[0, 1, 3, 2, 4]]))[0, 0]


def test_soft_updates(starts):
    """The gradient of the tests above; with self-play, the total derivative of the value against oneself."""
    params = (starts[0], starts[1])

    @jax.jit
    def update(weight):
        return BRS(1.0, 1.0, weight).update(LOGITS, params, 0, None)

    alone, _, info = update(0.0)
    both = update(2.0)[0]
    value, gradient, found = softly(starts, 1.0)
    np.testing.assert_allclose(alone, gradient[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(info["value"], value[0], rtol=1e-12)
    np.testing.assert_allclose(info["follower"], found.values[0, 1], rtol=1e-12)
    np.testing.assert_allclose(info["self_play"], self_play(starts[0]), rtol=1e-12)
    for s in range(5):
        moved = starts[0].astype(complex)
        moved[s] += 1e-30j
        total = 2 * self_play(moved).imag / 1e-30
        np.testing.assert_allclose((both - alone)[s, 0], total, rtol=1e-8, atol=1e-11)


@pytest.mark.slow
def test_hard_updates(starts, hard_update):
    """Inside a piece, the gradient at a fixed reply."""
    update, info = hard_update(starts[0])
    found = jax.tree.map(lambda own: np.asarray(own)[0], replies(policies_of(starts)[..., :1]))
    np.testing.assert_allclose(info["margin"], found.margin, rtol=1e-9)
    np.testing.assert_allclose(info["value"], found.best, rtol=1e-12)
    for s in range(5):
        moved = starts[0].astype(complex)
        moved[s] += 1e-30j
        piece = dense(DILEMMA, (G, G), (policies_of(moved), found.favourable))[0, 0].imag / 1e-30
        np.testing.assert_allclose(update[s, 0], piece, rtol=1e-9, atol=1e-11)


@pytest.fixture
def hard_update():
    rule = BRS(1.0, reply="hard")

    @jax.jit
    def one(own):
        update, _, info = rule.update(LOGITS, (own, jnp.zeros((5, 1))), 0, None)
        return update, info

    return one


def test_the_other_seat():
    game = prisoners_dilemma().iterated("1/2", memory=2)
    structure = closed_form(game).compile(backend="tensor").structure
    order = own_view(game, np.arange(game.num_states), 1)
    assert mirror_of(structure).tolist() == order.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("reply", ["soft", "hard", "logit", "one_shot"])
def test_it_learns(reply):
    """In a loop that carries numbers; a step of Adam is its rate at first."""
    values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    rules = [Adam(0.05, BRS(1.0, self_play=1.0, reply=reply)), Naive(0.1)]
    run = learn(values, rules, jax.random.key(0), 30, batch=3, record=("values", "info", "params"))
    first = run.history["params"][0]
    np.testing.assert_allclose(np.abs(first[1] - first[0]), 0.05, rtol=1e-5)
    assert run.history["info"][0]["residual"].max() < 1e-9
    total = run.history["info"][0]["value"] + run.history["info"][0]["self_play"]
    assert np.isfinite(total).all()
    if reply == "soft":  # the others' objectives have jumps, or move with the follower
        assert (total[-1] > total[0]).all()


# Pieces ----------------------------------------------------------------------------------------------


def column(row):
    return np.array(row, float)[:, None]


@pytest.fixture(scope="module")
def towards_tit_for_tat():
    return reply_pieces(SUMS, (column(LEADERS["ALLD"]), OFF), (column(LEADERS["TFT"]), OFF), 1)


def test_the_jump_from_defection_to_tit_for_tat(towards_tit_for_tat):
    """Cooperation costs 1 and makes the leader cooperate with probability alpha more, worth 2 g alpha."""
    found = towards_tit_for_tat
    (switch,) = found.switches
    alpha = 25 / 48
    assert abs(switch.at - alpha) < 1e-14
    got = np.array([switch.before, switch.after, switch.worst, switch.best]) * (1 - G)
    lost = -2 - alpha * (1 - G)
    np.testing.assert_allclose(got, [lost, -alpha, lost, -alpha], rtol=1e-12)
    assert switch.count == 32
    assert [own.reply.tolist() for own in found.pieces] == [[1] * 5, [0] * 5]
    np.testing.assert_allclose(found.supremum * (1 - G), -alpha)
    assert (found.attained, found.side, found.complete) == (False, "after", True)
    assert "not attained" in str(found)


def judge(found, brute_policies, points):
    """Values at many points are those of the best of all replies, the leader's among optimal ones."""
    own = brute_policies(points)
    first, second = dense(DILEMMA, (G, G), (own[:, None], all_replies(5, 2)))
    best = (second >= second.max(axis=1, keepdims=True) - 1e-9).all(axis=-1)
    wanted = np.where(best, first[..., 0], -np.inf).max(axis=1)
    near = np.min([np.abs(points - own.at) for own in found.switches] + [np.ones(len(points))], 0)
    np.testing.assert_allclose(found.value(points)[near > 1e-9], wanted[near > 1e-9], rtol=1e-10)
    assert found.supremum >= wanted.max() - 1e-9
    return found.supremum - wanted.max()


@pytest.mark.parametrize(
    "ends", [("GRIM", "GTFT"), ("WSLS", "TFT"), ("ALLC", "ALLD"), "random"], ids=str
)
def test_every_switch_between_policies_is_found(ends, towards_tit_for_tat):
    if ends == "random":
        start, end = np.random.default_rng(6).beta(0.3, 0.3, size=(2, 5))
    else:
        start, end = (np.array(LEADERS[name], float) for name in ends)
    found = reply_pieces(SUMS, (start[:, None], OFF), (end[:, None], OFF), 1)
    assert found.complete
    points = np.linspace(0, 1, 1001)
    judge(found, lambda t: two_columns(start + t[:, None] * (end - start)), points)
    assert found.pieces[0].start == 0
    assert found.pieces[-1].end == 1


@pytest.mark.slow
def test_every_switch_between_logits_is_found():
    rng = np.random.default_rng(7)
    switches = 0
    for _ in range(20):
        start, end = 2 * rng.normal(size=(2, 5, 1))
        off = np.zeros((5, 1))
        found = reply_pieces(LOGITS, (start, off), (end, off), 1, space="logits")
        assert found.complete
        path = lambda t, a=start, b=end: policies_of(a + t[:, None, None] * (b - a))  # noqa: E731
        judge(found, path, np.linspace(0, 1, 501))
        switches += len(found.switches)
    assert switches > 5


def test_a_follower_who_is_always_indifferent():
    """No switch, and the reply that the leader would like."""
    game = NormalForm([[[-1, -3], [0, -2]], [[1, 1], [1, 1]]]).iterated("24/25")
    values = closed_form(game, "sum").compile(parameters="policies")
    found = reply_pieces(values, (column(LEADERS["ALLD"]), OFF), (column(LEADERS["TFT"]), OFF), 1)
    (piece,) = found.pieces
    assert piece.optimal.all()
    assert piece.reply.tolist() == [0] * 5
    np.testing.assert_allclose(found.supremum, 0, atol=1e-12)  # always met with cooperation
    assert found.at == 0


def test_pieces_are_drawn(towards_tit_for_tat):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    lines = towards_tit_for_tat.plot().lines
    assert len(lines) == 4
    pyplot.close("all")


# Leaders ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_best_commitment_in_the_dilemma():
    """The follower gets at least -2 by defecting; what is feasible then gives the leader at most -1/2."""
    values = closed_form(prisoners_dilemma().iterated("24/25")).compile()
    found = stackelberg(values, jax.random.key(0), batch=4)
    assert found.converged.all()
    assert (found.supremum < -0.5 + 1e-7).all()
    best = int(found.supremum.argmax())
    np.testing.assert_allclose(found.supremum[best], -0.5, atol=1e-7)
    np.testing.assert_allclose(found.follower_value[best], -2, atol=1e-7)
    assert not found.attained[best]
    # At the border the follower may as well defect.
    brute = dense(DILEMMA, (G, G), (found.policy[best], all_replies(5, 2)))[:, :, 0] * (1 - G)
    np.testing.assert_allclose(brute[1].max(), -2, atol=1e-6)
    assert brute[0][brute[1] > -2 - 1e-6].min() == pytest.approx(found.worst[best], abs=1e-5)
    # Jumps on the way: their limits are values of the ascent's own pieces.
    jumps = [own for run in found.switches for _, own in run]
    assert jumps
    assert all(0 <= own.at <= 1 for own in jumps)
    assert any(abs(own.jump) > 0.01 for own in jumps)
    assert "not attained" in str(found)
    # With a margin it is attained, and costs little.
    kept = stackelberg(values, jax.random.key(0), batch=4, margin=1e-4)
    best = int(kept.supremum.argmax())
    assert kept.attained[best]
    assert -0.51 < kept.supremum[best] < -0.5


# What is refused -------------------------------------------------------------------------------------


def test_what_is_refused():
    params = (OFF, OFF)
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0] * p[1], p[0] - p[1]]), [(), ()])
    with pytest.raises(ValueError, match=r"soft_best_response needs .* use"):
        soft_best_response(wrapped, (0.1, 0.2), 1, 1.0)  # pyright: ignore[reportArgumentType]
    for bad in (0.0, -1.0, np.nan, "hot"):
        with pytest.raises(ValueError, match="temperature: expected a finite number above 0"):
            soft_best_response(SUMS, params, 1, bad)
    with pytest.raises(ValueError, match="reply: expected one of"):
        soft_best_response(SUMS, params, 1, 1.0, "hard")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="order: expected at least 1"):
        soft_best_response(SUMS, params, 1, 1.0, order=0)
    with pytest.raises(ValueError, match="player: expected an index from 0 to 1, got 2"):
        soft_best_response(SUMS, params, 2, 1.0)
    with pytest.raises(ValueError, match="leader: expected another player"):
        optimal_replies(SUMS, params, 1, 1)
    with pytest.raises(ValueError, match="space: expected 'policies'"):
        reply_pieces(SUMS, params, params, 1, space="logits")
    infinite = (np.full((5, 1), np.inf), OFF)
    with pytest.raises(ValueError, match="start: expected finite logits"):
        reply_pieces(LOGITS, infinite, params, 1, space="logits")
    with pytest.raises(ValueError, match="stackelberg ascends in logits"):
        stackelberg(SUMS, params)
    with pytest.raises(ValueError, match="margin: expected a number from 0"):
        stackelberg(LOGITS, params, margin=-1.0)


def test_learners_that_are_refused():
    with pytest.raises(ValueError, match="reply: expected one of"):
        BRS(0.1, reply="firm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="temperature"):
        BRS(0.1, 0.0)
    three = closed_form(public_goods(3).iterated("1/2")).compile(backend="tensor")
    with pytest.raises(ValueError, match="follower: expected one of 3 players"):
        BRS(0.1).check(three, 0)
    BRS(0.1, follower=2).check(three, 0)
    with pytest.raises(ValueError, match="follower: expected another player"):
        BRS(0.1, follower=0).check(three, 0)
    with pytest.raises(ValueError, match=r"self_play: expected a symmetric game.* use self_play=0"):
        BRS(0.1, self_play=1.0, follower=2).check(three, 0)
    uneven = NormalForm([[[1, 2], [3, 4]], [[5, 0], [1, 2]]]).iterated("1/2")
    values = closed_form(uneven).compile(backend="tensor")
    with pytest.raises(ValueError, match="self_play: expected a game with the same payoffs"):
        BRS(0.1, self_play=1.0).check(values, 0)
    BRS(0.1).check(values, 0)
    BRS(0.1, self_play=1.0).check(LOGITS, 1)
