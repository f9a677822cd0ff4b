"""One explicit call for the XLA switch that makes small compiled loops several times faster."""

from __future__ import annotations

import os

import jax

_SWITCH = "xla_cpu_small_while_loop_byte_threshold"
_FLAG = f"--xla_backend_extra_options={_SWITCH}=1000000000"


def tune() -> bool:
    """Let XLA compile whole CPU loops over small arrays into one kernel.

    A loop of learning steps on a few dozen numbers otherwise spends most of its time between
    kernels. The switch is process-wide and undocumented, so the library never sets it on import: the
    command line does, and this call does.

    **Returns:** True where the switch is set (now or before). It can only be set before JAX's first
    computation.

    **Raises:** `RuntimeError` where the CPU backend is already running without it.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _SWITCH in flags:
        return True
    if _backend_is_up():
        raise RuntimeError(
            "tune(): too late, JAX has already started its backend in this process. Call "
            "resolvent.tune() before the first JAX computation, or set the environment variable "
            f"XLA_FLAGS={_FLAG}"
        )
    os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}".strip()
    return True


def _backend_is_up() -> bool:
    from jax._src import xla_bridge  # JAX offers no public question for this

    return xla_bridge.backends_are_initialized()


def tuned(function: jax.stages.Compiled) -> bool:
    """Whether a compiled function shows the effect of `tune`: its loop is one small call."""
    return "xla_cpu_small_call" in (function.as_text() or "")
