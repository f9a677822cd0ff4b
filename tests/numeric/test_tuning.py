"""The XLA switch is process-wide, so each test asks a new interpreter."""

import os
import subprocess
import sys

import jax
import pytest

LOOP = """
import jax, jax.numpy as jnp
from jax import lax
from resolvent.numeric import tune
from resolvent.numeric.tuning import tuned
{before}
def loop(x):
    return lax.fori_loop(0, 100, lambda _, y: jnp.sin(y) + jnp.cos(y[::-1]), x)
print(tuned(jax.jit(loop).lower(jnp.zeros(200_000)).compile()))
{after}
"""


def run(before="", after=""):
    environment = {name: own for name, own in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.run(
        [sys.executable, "-c", LOOP.format(before=before, after=after)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_loops_become_one_kernel():
    """If this fails, XLA has dropped or renamed the option: see resolvent/numeric/tuning.py."""
    assert run(before="assert tune() and tune()").stdout.split() == ["True"]


@pytest.mark.skipif(jax.__version_info__ >= (0, 11), reason="newer XLA does so by itself")
def test_the_switch_is_what_does_it():
    assert run().stdout.split() == ["False"]


def test_too_late_is_said():
    done = run(after="tune()")
    assert done.returncode != 0
    assert "RuntimeError: tune(): too late" in done.stderr


def test_importing_sets_nothing():
    done = run(before="import os; print(os.environ.get('XLA_FLAGS'))")
    assert done.stdout.split()[0] == "None"
