"""Shared helpers. Test modules cannot import each other in pytest's importlib mode, so the plain
module beside this file reaches them as a fixture."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """Play by enumeration, and a small exact solver: see reference.py."""
    spec = importlib.util.spec_from_file_location(
        "resolvent_tests_games_reference", Path(__file__).with_name("reference.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
