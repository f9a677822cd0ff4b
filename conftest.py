"""What every test, doctest and benchmark of this repository runs under."""

from pathlib import Path

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
# A rank that has to be guessed is a shape error which happens to run.
jax.config.update("jax_numpy_rank_promotion", "raise")

# Same inputs, same result: examples are derived from the test itself. The first example of a test may compile for
# seconds, so there is no deadline for a single one.
settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("deterministic")

# Each program that XLA compiles keeps a few memory mappings, of which Linux allows a process 65,530; beyond, the
# compiler crashes. Long sessions forget what they have compiled before they come near.
MAPPINGS = Path("/proc/self/maps")
MOST_MAPPINGS = 25_000


# Those that take longest begin, so that nobody waits for them in the end.
LONGEST = ("test_docs.py", "test_reproductions.py", "test_gradient_learners.py", "test_cli.py")


def pytest_collection_modifyitems(items):
    items.sort(
        key=lambda item: (
            LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)
        )
    )


def make_room():
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture(autouse=True, scope="module")
def room_for_compiled_code():
    yield
    make_room()


@pytest.fixture
def room_after():
    """For modules whose single tests compile a lot."""
    yield
    make_room()
