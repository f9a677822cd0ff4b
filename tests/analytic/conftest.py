"""Shared helpers. Test modules cannot import each other in pytest's importlib mode, so the plain
modules beside this file reach them as fixtures."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    full = f"resolvent_tests_analytic_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def brute_force() -> ModuleType:
    """Independent references: see brute_force.py."""
    return _load("brute_force")


@pytest.fixture(scope="session")
def sampling() -> ModuleType:
    """Games and policies to test at: see sampling.py."""
    return _load("sampling")


@pytest.fixture(scope="session")
def random_games() -> ModuleType:
    """Random games of every kind, and their values in Fractions: see random_games.py."""
    return _load("random_games")


@pytest.fixture(scope="session")
def every_game() -> ModuleType:
    """Random games of every kind and their values from the definition: see every_game.py."""
    return _load("every_game")
