"""LOQA against derivatives of its stated objective, and what is known of its other forms.

Sums over all paths, and the identities that it shares with advantage alignment, are in `test_advantage_alignment.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import NormalForm, prisoners_dilemma, public_goods
from resolvent.numeric import LOQA, AdvantageAlignment, learn

UNEVEN = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])


def compiled(game):
    return closed_form(game, "sum").compile(backend="tensor")


def profile(values, seed=4):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.normal(size=shape)) for shape in values.shapes)


def softmax(logits):
    return jax.nn.softmax(jnp.pad(logits, ((0, 0), (0, 1))), axis=-1)


def dense_values(policies, payoffs, g):
    """Discounted sums from all states, `(S,)`; the start, then joint actions in order."""
    joint = policies[0]
    for own in policies[1:]:
        joint = (joint[:, :, None] * own[:, None, :]).reshape(len(joint), -1)
    moves = jnp.pad(joint, ((0, 0), (1, 0)))
    return jnp.linalg.solve(jnp.eye(len(joint)) - g * moves, joint @ payoffs.ravel())


def modelled(params, i, betas, payoffs, discounts):
    """The player's value where all others play softmax policies of their action values, each worked out from what
    deviating for one round is worth: by the definition of an action value, with the action made certain."""
    policies = [softmax(own) for own in params]
    answers = list(policies)
    for j in range(len(params)):
        if j == i:
            continue
        after = dense_values(policies, payoffs[j], discounts[j])[1:]
        joint_worth = payoffs[j].ravel() + discounts[j] * after
        worths = []
        for b in range(policies[j].shape[1]):
            sure = jnp.zeros_like(policies[j]).at[:, b].set(1.0)
            table = jnp.ones((len(sure), 1))
            for k in range(len(params)):
                own = sure if k == j else policies[k]
                table = (table[:, :, None] * own[:, None, :]).reshape(len(sure), -1)
            worths.append(table @ joint_worth)
        answers[j] = jax.nn.softmax(betas[j] * jnp.stack(worths, axis=1), axis=-1)
    return dense_values(answers, payoffs[i], discounts[i])[0]


@pytest.mark.parametrize(
    "game",
    [UNEVEN.iterated(("1/2", "4/5")), public_goods(3, "2").iterated("2/3")],
    ids=["2 x 3 actions, two discounts", "three players"],
)
def test_model_is_the_gradient_of_its_objective(game):
    values = compiled(game)
    params = profile(values)
    payoffs = jnp.asarray(np.array(game.stage.payoffs, dtype=float))
    discounts = [float(g) for g in game.discounts]
    betas = [0.5, 0.8, 0.3][: len(params)]
    i = len(params) - 1

    @jax.jit
    @jax.grad
    def gradient(own):
        return modelled((*params[:i], own), i, betas, payoffs, discounts)

    update, _, info = jax.jit(lambda own: LOQA(0.7, betas).update(values, own, i, None))(params)
    np.testing.assert_allclose(update, 0.7 * gradient(params[i]), rtol=1e-9, atol=1e-11)
    assert info["shaping"] > 1e-3


def test_as_coded_is_half_of_advantage_alignment_where_the_other_is_indifferent():
    """One's own policy ignores the past and the other's payoff its own action: its softmax is uniform."""
    game = NormalForm([[[3, 0], [5, 1]], [[2, 2], [-1, -1]]]).iterated("9/10")
    values = compiled(game)
    params = (jnp.full((5, 1), 0.4), profile(values)[1])
    rules = (
        LOQA(1.0, 0.6, "as_coded", dependency=1.0),
        AdvantageAlignment(1.0, 0.6, "original"),
        AdvantageAlignment(1.0, 0.0),
    )

    @jax.jit
    def updates(params):
        return [rule.update(values, params, 0, None)[0] for rule in rules]

    half, whole, naive = updates(params)
    np.testing.assert_allclose(2 * (half - naive), whole - naive, rtol=1e-11, atol=1e-12)
    assert np.abs(whole - naive).max() > 0.1


def test_preset():
    rule = LOQA.published(0.1)
    assert (rule.form, rule.horizon, rule.discounted) == ("as_coded", 50, False)
    assert float(rule.beta) == 1.0
    assert float(rule.dependency) == 0.9


def test_refusals():
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0][0], p[1][0]]), [(1,), (1,)])
    with pytest.raises(ValueError, match="LOQA needs the states.*use LOLA"):
        learn(wrapped, LOQA(0.1), (np.zeros(1), np.zeros(1)), 1)
    with pytest.raises(ValueError, match="form: expected one of .*'as_coded'.*got 'exact'"):
        LOQA(0.1, form="exact")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="horizon: expected None with form='model'"):
        LOQA(0.1, horizon=50)
    with pytest.raises(ValueError, match="horizon: expected a number of rounds"):
        LOQA(0.1, form="as_coded", discounted=False)
    with pytest.raises(ValueError, match="no number above 1"):
        LOQA(0.1, form="as_coded", dependency=1.5)
    with pytest.raises(ValueError, match="beta: expected a scalar or one number for each of 2"):
        learn(
            compiled(prisoners_dilemma().iterated("1/2")),
            LOQA(0.1, [1.0] * 3),
            jax.random.key(0),
            1,
        )
