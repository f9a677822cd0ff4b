"""JAX as the command line wants it: double precision, fast small loops, compiled code kept between calls."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

CACHE_VARIABLE = "RESOLVENT_CACHE_DIR"
_OFF = ("", "0", "off", "none", "no", "false")


def prepare() -> None:
    """Import JAX and set it up. To be called once, before the first computation.

    Compiled code is kept in the user's cache folder, so that a command starts faster the second time.
    The environment variable `RESOLVENT_CACHE_DIR` names another folder, or `off`; JAX's own
    `JAX_COMPILATION_CACHE_DIR` is left alone. A folder that cannot be written is not used.
    """
    # XLA reports harmless facts about the machine on standard error; errors still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import jax

    from resolvent.numeric import tune

    jax.config.update("jax_enable_x64", True)
    # A program that calls the command line may have started JAX already: slower loops, the same results.
    with suppress(RuntimeError):
        tune()
    folder = cache_folder()
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_folder() -> Path | None:
    """The folder for compiled code, made if need be; None where there is none."""
    asked = os.environ.get(CACHE_VARIABLE)
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return None
    if asked is not None and asked.strip().lower() in _OFF:
        return None
    try:
        folder = Path(asked).expanduser() if asked else _user_cache() / "resolvent" / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # not writable, or no home folder
        return None
    return folder if os.access(folder, os.W_OK) else None


def _user_cache() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    named = os.environ.get("XDG_CACHE_HOME")
    return Path(named) if named and Path(named).is_absolute() else Path.home() / ".cache"
