"""Values and gradients of a batch against `jnp.linalg.solve`, and the two backends by size."""

import jax
import numpy as np
import pytest

from benchmarks.peers import solve_values
from resolvent.analytic import closed_form
from resolvent.games import NormalForm

SIZES = {4: ((2, 2), 1), 6: ((2, 3), 1), 8: ((2, 2, 2), 1), 9: ((3, 3), 1), 16: ((4, 4), 1)}


@pytest.mark.parametrize("what", ["value", "gradient"])
@pytest.mark.parametrize("method", ["resolvent", "solve"])
def test_against_solve(timed, benchmark, ipd, starts, what, method):
    """The prisoner's dilemma at 8,192 policies; gradient means the whole Jacobian."""
    benchmark.group = f"{what} of 8,192 policies"

    def values(theta):
        return ipd((theta[0][:, None], theta[1][:, None]))

    function = values if method == "resolvent" else solve_values
    chosen = function if what == "value" else jax.jacrev(function)
    if what == "gradient" and method == "resolvent":

        def chosen(theta):
            blocks = ipd.jacobian((theta[0][:, None], theta[1][:, None]))
            return jax.numpy.stack([jax.numpy.stack(row) for row in blocks])[..., 0]

    compiled = jax.jit(jax.vmap(chosen))
    result = timed(lambda: compiled(starts))
    reference = jax.vmap(solve_values if what == "value" else jax.jacrev(solve_values))(starts)
    np.testing.assert_allclose(result, reference, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("states", SIZES)
@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_backends(timed, benchmark, states, backend):
    """All gradients of 1,024 joint policies, by number of later states. Compare with the compile time
    that `test_compile` shows: the crossover is where both are considered."""
    benchmark.group = f"gradients of 1,024 policies, {states} states"
    actions, memory = SIZES[states]
    rng = np.random.default_rng(1)
    stage = NormalForm(rng.integers(-5, 6, size=(len(actions), *actions)).tolist())
    form = closed_form(stage.iterated("24/25", memory=memory))
    values = form.compile(backend=backend)
    params = tuple(rng.normal(size=(1024, *shape)) for shape in values.shapes)
    compiled = jax.jit(jax.vmap(values.jacobian))
    timed(lambda: compiled(params), rounds=3)
