"""What every test, doctest and benchmark of this repository runs under."""

import jax
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
# A rank that has to be guessed is a shape error which happens to run.
jax.config.update("jax_numpy_rank_promotion", "raise")

# Same inputs, same result: examples are derived from the test itself. The first example of a test may compile for
# seconds, so there is no deadline for a single one.
settings.register_profile("deterministic", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("deterministic")
