"""Meta-gradients through 100 naive steps: time against the forward run, and memory at batch 1,024.

The first row of the group is the forward run: divide by it. Memory is what XLA plans for temporaries of the compiled
gradient, with the batch as one group and as the library groups it.
"""

import equinox as eqx
import jax
import pytest

from resolvent.numeric import Naive, constant_policy, meta_game
from resolvent.numeric.metagame.conditioning import Slope

BATCH, STEPS = 1024, 100


def game_of(ipd, memory):
    return meta_game(ipd, Naive(1.0), jax.random.key(0), STEPS, batch=BATCH, memory=memory)


@eqx.filter_jit
def gradient(game, policy):
    return Slope(game)(*eqx.partition(policy, eqx.is_inexact_array), game.starts)


@pytest.mark.parametrize("kind", ["forward", "all", "steps", "blocks"])
def test_meta_gradient(timed, benchmark, ipd, kind):
    """The objective, and the objective with its gradient by what a backward pass keeps."""
    benchmark.group = f"{STEPS} naive steps from {BATCH} starts"
    game = game_of(ipd, "steps" if kind == "forward" else kind)
    policy = constant_policy(ipd, start=0.3)
    if kind == "forward":
        timed(lambda: game.payoffs(policy), rounds=3)
        return
    timed(lambda: gradient(game, policy)[1].parameters, rounds=3)
    plan = gradient.lower(game, policy).compile().compiled.memory_analysis()
    bytes_needed = plan.temp_size_in_bytes + plan.output_size_in_bytes + plan.argument_size_in_bytes
    benchmark.extra_info["MB"] = bytes_needed / 1e6
    print(f"\n{kind}: {bytes_needed / 1e6:.1f} MB")
    assert bytes_needed < 4e9
