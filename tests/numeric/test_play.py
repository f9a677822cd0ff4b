"""Play as arrays: against exact values, derivatives and an enumeration of paths."""

import itertools
from functools import partial
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction
from resolvent.games import NormalForm, prisoners_dilemma, public_goods
from resolvent.numeric import occupancy, q_values
from resolvent.numeric.play import check_play, play_of
from resolvent.numeric.scan import scan


def _games():
    uneven = NormalForm([[[3, 0, 1], [5, 1, 2]], [[1, 4, 0], [2, 1, 6]]])
    trembling = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
    return {
        "dilemma": prisoners_dilemma().iterated("9/10"),
        "uneven": uneven.iterated("4/5"),
        "three players": public_goods(3).iterated("2/3"),
        "two discounts": uneven.iterated(("1/2", "9/10")),
        "trembling": trembling.iterated("4/5", implementation_noise="1/10"),
    }


def _compiled(name: str, normalise: Literal["average", "sum"] = "average"):
    values = closed_form(_games()[name], normalise).compile()
    keys = jax.random.split(jax.random.key(3), values.num_players)
    params = tuple(jax.random.normal(k, s) for k, s in zip(keys, values.shapes, strict=True))
    return values, params


@eqx.filter_jit
def _both(values, params):
    """What play says, and what the closed form says, of values, occupancy and action values."""
    play = play_of(values, params)
    players = range(values.num_players)
    ours, theirs = [play.values @ play.arrays.initial], [values(params)]
    for player in players:
        ours.append((1 - play.arrays.discounts[player]) * play.visits(player))
        theirs.append(occupancy(values, params, player))
        table = play.joint_values(player)
        for j in reversed(players):
            if j != player:
                table = jnp.moveaxis(table, j + 1, -1)
                weight = play.policies[j].reshape(len(table), *(1,) * (table.ndim - 2), -1)
                table = (table * weight).sum(axis=-1)
        ours.append(table)
        theirs.append(q_values(values, params, player))
    return ours, theirs


@pytest.mark.parametrize(
    ("name", "normalise"), [("dilemma", "average"), *((name, "sum") for name in sorted(_games()))]
)
def test_values_actions_and_visits_are_those_of_the_closed_form(name, normalise):
    for own, expected in zip(*_both(*_compiled(name, normalise)), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["uneven", "trembling"])
def test_policy_gradient_theorem(name):
    """Values' own derivatives against visits, advantages and scores."""
    values, params = _compiled(name, "sum")

    @jax.jit
    def theorem(params):
        def log_policies(own, player):
            joint = (*params[:player], own, *params[player + 1 :])
            return jnp.log(play_of(values, joint).policies[player])

        play = play_of(values, params)
        scores = [jax.jacobian(log_policies)(params[k], k) for k in range(2)]
        blocks = []
        for i, k in itertools.product(range(2), repeat=2):
            weight = play.visits(i)[:, None, None] * play.joint * play.joint_advantages(i)
            blocks.append(jnp.tensordot(weight.sum(axis=2 - k), scores[k], axes=2))
        return blocks, jax.tree.leaves(values.jacobian(params))

    for own, expected in zip(*theorem(params), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-12)


def test_resolvent_is_the_sum_of_powers():
    values, params = _compiled("uneven")
    play = play_of(values, params)
    column = jnp.arange(play.arrays.num_states, dtype=float)
    moves = np.asarray(play.transitions)
    power, right, left = np.eye(len(column)), 0.0, 0.0
    for t in range(400):
        right, left = right + 0.9**t * power @ column, left + 0.9**t * column @ power
        power = power @ moves
    np.testing.assert_allclose(play.resolvent(0.9, column), right, rtol=1e-12)
    np.testing.assert_allclose(play.resolvent_left(0.9, column), left, rtol=1e-12)


def test_the_form_that_loops_carry_says_the_same_and_is_differentiable():
    values, params = _compiled("dilemma", "sum")

    @jax.jit
    def first(params):
        play = play_of(values.for_loops(), params)
        return play.arrays.initial @ play.values[0]

    gradient = jax.jit(jax.grad(first))(params)
    np.testing.assert_allclose(first(values.unstack(params)), values(params)[0], rtol=1e-12)
    np.testing.assert_allclose(gradient[1], values.jacobian(params)[0][1], rtol=1e-9, atol=1e-11)


def test_numbers_of_the_game_may_be_mapped_over():
    values, params = _compiled("dilemma")
    payoffs = jnp.stack([values.numbers.payoffs, 2 * values.numbers.payoffs])

    def first(payoffs):
        own = eqx.tree_at(lambda v: v.numbers.payoffs, values, payoffs)
        return play_of(own, params).values

    once, twice = jax.jit(jax.vmap(first))(payoffs)
    np.testing.assert_allclose(2 * once, twice, rtol=1e-12)


def test_what_has_no_states_is_refused():
    wrapped = ValueFunction.wrap(lambda p: jnp.stack([p[0][0], p[1][0]]), [(1,), (1,)])
    with pytest.raises(ValueError, match="LOQA needs the states.*use Naive"):
        check_play(wrapped, "LOQA", "Naive")
    patient = closed_form(_games()["dilemma"]).compile(average=True)
    with pytest.raises(ValueError, match="discount below 1"):
        check_play(patient, "LOQA", "Naive")


@pytest.mark.parametrize("memory", ["all", "steps", "blocks"])
def test_scan_differentiates_through_all_steps_or_a_window(memory):
    """x -> a x + b: derivatives by a after 7 steps, in full and through the last 1 (7 = 2 * 3 + 1)."""

    @partial(jax.jit, static_argnums=1)
    def end(a, truncate):
        def step(x, _):
            return a * x + 1.0, x

        return scan(step, jnp.asarray(2.0), 7, memory, truncate)

    a = 0.9
    x = [2.0]
    for _ in range(7):
        x.append(a * x[-1] + 1)
    full = [0.0]
    for t in range(7):
        full.append(x[t] + a * full[-1])
    last, path = end(a, None)
    np.testing.assert_allclose(last, x[7])
    np.testing.assert_allclose(path, x[:7])
    np.testing.assert_allclose(jax.grad(lambda a: end(a, None)[0])(a), full[7])
    np.testing.assert_allclose(jax.grad(lambda a: end(a, 3)[0])(a), x[6])
