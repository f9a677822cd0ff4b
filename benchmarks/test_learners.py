"""What one step of each learner costs, against a naive step, on the iterated prisoner's dilemma.

Steps are made inside the compiled loop of `learn`, so that the cost of a call is spread over many. The
first row of each group is the naive one: divide by it. `python -m benchmarks.test_learners` prints the
table of docs/learners.md instead, with naive steps measured again beside each learner.
"""

import time

import jax
import numpy as np
import pytest

from benchmarks.peers import as_params
from resolvent.numeric import LEARNERS, learn, tune

# Rules at which the prisoner's dilemma stays finite for thousands of steps.
RULES = {
    "naive": {},
    "look_ahead": {},
    "lola": {},
    "sos": {},
    "sga": {},
    "consensus_optimization": {},
    "extra_gradient": {},
    "optimistic_gradient": {},
    "competitive_gradient": {},
    "higher_order_lola": {"order": 1},
    "local_symplectic_surgery": {"damping": 0.1},
}
# Steps enough for the cost of a call not to matter.
STEPS = {1: 20_000, 8192: 100}


def rule_of(name):
    return LEARNERS[name](rate=0.1, **RULES[name])


@pytest.mark.parametrize("pairs", [1, 8192])
@pytest.mark.parametrize("name", list(RULES))
def test_one_step(timed, benchmark, ipd, starts, name, pairs):
    """The same number of steps by each learner."""
    benchmark.group = f"{STEPS[pairs]} steps, {pairs} pairs"
    params = as_params(starts[:pairs] if pairs > 1 else starts[0])
    run = timed(lambda: learn(ipd, rule_of(name), params, STEPS[pairs]).params, rounds=3)
    assert np.isfinite(run[0]).all()


@pytest.mark.parametrize("name", ["naive", "lola", "sos"])
def test_full_experiment(timed, benchmark, ipd, starts, name):
    """8,192 pairs x 1,000 steps at rate 1."""
    benchmark.group = "8,192 pairs x 1,000 steps"
    params = as_params(starts)
    timed(lambda: learn(ipd, LEARNERS[name](rate=1.0), params, 1000).params, rounds=1)


@pytest.mark.parametrize("name", ["naive", "lola", "sos"])
def test_first_step(benchmark, ipd, starts, name):
    """From a compiled game to the first step of one pair, nothing of it in JAX's caches: mostly XLA."""
    benchmark.group = "first step, one pair, cold"
    benchmark._timer = time.process_time
    params = as_params(starts[0])
    benchmark.pedantic(
        lambda: learn(ipd, LEARNERS[name](rate=0.1), params, 1),
        setup=jax.clear_caches,
        rounds=2,
    )


def main() -> None:
    """Print the table of docs/learners.md."""
    tune()
    jax.config.update("jax_enable_x64", True)
    from resolvent.analytic import closed_form
    from resolvent.games import prisoners_dilemma

    values = closed_form(prisoners_dilemma().iterated("24/25"), normalise="sum").compile()
    starts = np.random.default_rng(0).normal(size=(8192, 2, 5))

    def seconds(name: str, pairs: int) -> float:
        params = as_params(starts[:pairs] if pairs > 1 else starts[0])
        began = time.process_time()
        learn(values, rule_of(name), params, STEPS[pairs])
        return time.process_time() - began

    def ratio(name: str, pairs: int) -> tuple[float, float]:
        for own in (name, "naive"):  # compile
            seconds(own, pairs)
        pairs_of_times = [(seconds(name, pairs), seconds("naive", pairs)) for _ in range(7)]
        own, naive = np.min(pairs_of_times, axis=0)
        return own / naive, 1e6 * own / STEPS[pairs] / pairs

    print("| learner | one pair | 8,192 pairs | time of a step of one pair among 8,192 |")
    print("| --- | ---: | ---: | ---: |")
    for name in RULES:
        (alone, _), (among, cost) = ratio(name, 1), ratio(name, 8192)
        label = type(rule_of(name)).__name__
        print(f"| `{label}` | {alone:.1f} | {among:.1f} | {cost:.2f} µs |", flush=True)


if __name__ == "__main__":
    main()
