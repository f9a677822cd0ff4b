"""Each choice in the design against its plain alternative, side by side.

Run again with RESOLVENT_UNTUNED=1 to see what `resolvent.tune()` is worth.
"""

import jax
import numpy as np
import pytest
from jax import lax

from benchmarks.peers import as_params
from resolvent.analytic.elimination import value_program
from resolvent.analytic.parameters import policy_row
from resolvent.numeric import LOLA
from resolvent.numeric.loop import joint_update

STEPS = 50
PAIRS = 1024


def loop(values, carried="unstacked", group=64):
    """STEPS LOLA steps of a batch, with the carry as scalars or as arrays, in groups or whole."""
    learners = (LOLA(rate=1.0),) * 2

    def step(params):
        updates, _, _ = joint_update(values, learners, params, (None, None))
        return jax.tree.map(lambda own, update: own + update, params, updates)

    def one(params):
        if carried == "stacked":
            return lax.fori_loop(0, STEPS, lambda _, own: step(own), params)
        rows = values.unstack(params)
        return values.stack(lax.fori_loop(0, STEPS, lambda _, own: step(own), rows))

    def batch(params):
        grouped = jax.tree.map(lambda own: own.reshape(-1, group, *own.shape[1:]), params)
        done = lax.map(jax.vmap(one), grouped)
        return jax.tree.map(lambda own: own.reshape(-1, *own.shape[2:]), done)

    return jax.jit(batch)


@pytest.mark.parametrize("carried", ["unstacked", "stacked"])
def test_scalars_not_slices(timed, benchmark, ipd, starts, carried):
    """Carrying each number separately through a loop against slicing and stacking arrays."""
    benchmark.group = f"layout of the carry: {STEPS} LOLA steps of {PAIRS} pairs"
    params = as_params(starts[:PAIRS])
    compiled = loop(ipd, carried=carried).lower(params).compile()
    timed(lambda: compiled(params))


@pytest.mark.parametrize("group", [16, 64, 256, PAIRS])
def test_groups_of_runs(timed, benchmark, ipd, starts, group):
    """A batch in groups, one after the other, against the whole batch at once."""
    benchmark.group = f"runs per group: {STEPS} LOLA steps of {PAIRS} pairs"
    params = as_params(starts[:PAIRS])
    compiled = loop(ipd, group=group).lower(params).compile()
    timed(lambda: compiled(params))


def differentiated_program(ipd):
    """Values by running the whole straight-line program on JAX scalars, for JAX to differentiate."""
    structure = ipd.structure
    numbers = ipd.numbers

    def values(theta):
        policies = [[policy_row((logit,), "logits") for logit in own] for own in theta]
        entries = [entry for rows in policies for row in rows for entry in row]
        inputs = [*entries, *numbers.g, *numbers.delta, *numbers.payoffs.reshape(-1)]
        return jax.numpy.stack(value_program(structure).run(inputs)) / numbers.delta

    return values


@pytest.mark.parametrize("method", ["identities", "automatic"])
@pytest.mark.parametrize("order", ["gradients", "second order"])
def test_identities_not_autodiff(timed, benchmark, ipd, starts, method, order):
    """Gradients and second-order products by left and right solves, against automatic differentiation
    of the elimination; scalars in, scalars out for both.

    For one product the two are equally fast. The identities are there for their digits: without the
    value baseline a gradient loses log10(1 / (1 - g)) of them (`python -m benchmarks.accuracy`)."""
    benchmark.group = f"{order} of {PAIRS} pairs"
    program = differentiated_program(ipd)
    theta = starts[:PAIRS]
    params = as_params(theta)

    if method == "identities":

        def blocks(own):
            rows = ipd.unstack(own)
            first = ipd.jacobian(rows)
            return first if order == "gradients" else (first, ipd.cross(rows, 0, 1, 0, first[1][0]))

        compiled = jax.jit(jax.vmap(blocks)).lower(params).compile()
        timed(lambda: compiled(params))
        return

    def automatic(own):
        rows = tuple(tuple(own[player]) for player in range(2))
        first = jax.jacrev(program)(rows)
        if order == "gradients":
            return first
        along = tuple(first[0][s][1] for s in range(5))
        turn = jax.grad(lambda r, j: program((rows[0], j) if r is None else (r, j))[0], argnums=1)
        return first, jax.jvp(lambda r: turn(r, rows[1]), (rows[0],), (along,))[1]

    compiled = jax.jit(jax.vmap(automatic)).lower(theta).compile()
    result = timed(lambda: compiled(theta))
    if order == "gradients":
        reference = jax.vmap(ipd.jacobian)(params)
        np.testing.assert_allclose(
            np.stack(result[0])[:, :, 0].T, reference[0][0][..., 0], rtol=1e-9, atol=1e-12
        )
