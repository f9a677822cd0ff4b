"""First-call latency: cold, and from JAX's persistent cache. Each round is a new interpreter; what is
measured inside it is process CPU time from after the imports to the first result."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, time
import jax
jax.config.update("jax_enable_x64", True)
cache = os.environ.get("CACHE")
if cache:
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from resolvent.analytic import closed_form
from resolvent.games import NormalForm, prisoners_dilemma
from resolvent.numeric import LOLA, learn, tune
tune()
began = time.process_time()
{work}
print(time.process_time() - began)
"""

LEARN = """
values = closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
learn(values, LOLA(rate=1.0), jax.random.key(0), 10{batch})
"""
GRADIENT = """
zeros = {nest}
values = closed_form(NormalForm(zeros).iterated("24/25")).compile(backend="{backend}")
jax.block_until_ready(values.jacobian([jax.numpy.zeros(shape) for shape in values.shapes]))
"""


def seconds(work, **environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(work=work)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def report(benchmark, rounds, work, **environment):
    """Put the figures that the child processes measured into the benchmark's table."""
    elapsed = [seconds(work, **environment) for _ in range(rounds)]
    times = iter([instant for each in elapsed for instant in (0.0, each)])
    benchmark._timer = lambda: next(times)
    benchmark.pedantic(lambda: None, rounds=rounds)


@pytest.mark.parametrize("batch", ["", ", batch=256"], ids=["one pair", "256 pairs"])
@pytest.mark.parametrize("cached", [False, True], ids=["cold", "cached"])
def test_first_lola_run(benchmark, tmp_path, cached, batch):
    benchmark.group = "first LOLA run" + batch
    work = LEARN.format(batch=batch)
    environment = {}
    if cached:
        environment = {"CACHE": str(tmp_path)}
        seconds(work, **environment)
    report(benchmark, 3, work, **environment)


@pytest.mark.parametrize("actions", [(2, 2), (2, 3), (2, 2, 2), (3, 3)], ids=str)
@pytest.mark.parametrize("backend", ["program", "tensor"])
def test_first_gradient(benchmark, actions, backend):
    benchmark.group = f"first gradient, actions {actions}"
    nest = "0"
    for count in reversed(actions):
        nest = f"[{nest}] * {count}"
    report(benchmark, 1, GRADIENT.format(nest=f"[{nest}] * {len(actions)}", backend=backend))
