"""M-FOS as a learner: its updates lead where the meta-policy says."""

import jax
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import (
    MFOS,
    Naive,
    affine_policy,
    constant_policy,
    learn,
    network_policy,
    tree,
)


@pytest.fixture(scope="module")
def values():
    return closed_form(prisoners_dilemma().iterated("24/25")).compile()


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_each_seat_goes_where_its_policy_says(values, many):
    policy = network_policy(values, key=jax.random.key(1), width=4)
    pair = MFOS([policy, constant_policy(values, 1, start=-1.5)])
    now = tuple(jax.random.normal(key, (5, 1)) for key in jax.random.split(jax.random.key(2)))
    loop, params = values.for_loops(many=many), values.unstack(now)
    updates = [pair.update(loop, params, player, None)[0] for player in range(2)]
    arrived = loop.stack(tree.add(params, tuple(updates)))
    np.testing.assert_allclose(arrived[1], -1.5, rtol=1e-15)
    sigmoids = np.concatenate([1 / (1 + np.exp(-own[:, 0])) for own in now])
    first, second = policy.network.layers
    hidden = np.tanh(first.weight @ sigmoids + first.bias)
    want = second.weight @ hidden + second.bias
    np.testing.assert_allclose(arrived[0][:, 0], want, atol=1e-12)
    assert repr(pair) == "MFOS(policy='NetworkPolicy, ConstantPolicy')"
    assert repr(MFOS(policy)) == "MFOS(policy='NetworkPolicy')"


def test_refusals(values):
    for wrong in (Naive(1.0), [constant_policy(values), Naive(1.0)], 3.0):
        with pytest.raises(TypeError, match="policy: expected a meta-policy"):
            MFOS(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="a meta-policy for each of 2 players, got 3"):
        learn(values, MFOS([constant_policy(values)] * 3), jax.random.key(0), 1)
    small = closed_form(prisoners_dilemma().iterated("24/25", memory=2)).compile(backend="tensor")
    for policy in (constant_policy(small), affine_policy(small)):
        with pytest.raises(ValueError, match="make it for this"):
            learn(values, MFOS(policy), jax.random.key(0), 1)
