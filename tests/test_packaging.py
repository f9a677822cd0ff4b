"""How the library is put together: what an import loads, what the links point at, what the documentation lists."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("games", "analytic", "numeric")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def modules_after(statement: str) -> set[str]:
    """The names in `sys.modules` after `statement` in a new interpreter that starts at the repository's root.

    Started there because that is where a bare `import games` would find something.
    """
    code = f"import sys\nsys.path.insert(0, '')\n{statement}\nimport json\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def public_names(room: str) -> list[str]:
    """What `__init__.py` exports: the names it imports as themselves (`from ... import X as X`)."""
    tree = ast.parse((ROOT / room / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    aliases = [alias for node in imports for alias in node.names]
    return sorted({alias.name for alias in aliases if alias.asname == alias.name})


def test_importing_everything_loads_no_second_copy():
    """From the root, Python could also `import games`: other classes by the same names, never equal to ours."""
    loaded = modules_after("import resolvent.games, resolvent.analytic, resolvent.numeric")
    assert {f"resolvent.{room}" for room in ROOMS} <= loaded
    assert not {name for name in loaded if name.partition(".")[0] in ROOMS}


def test_a_bare_import_would_be_noticed():
    assert "games" in modules_after("import games")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import resolvent", {"jax", "sympy", "numpy", "equinox", "flint"}),
        ("import resolvent.games", {"jax", "sympy", "equinox", "scipy"}),
    ],
)
def test_import_is_cheap(statement, absent):
    assert not modules_after(statement) & absent


def test_rooms_are_reached_from_the_front_door():
    loaded = modules_after(
        "import resolvent\nresolvent.games\nresolvent.analytic\nresolvent.numeric"
    )
    assert {f"resolvent.{room}" for room in ROOMS} <= loaded
    assert "tune" in importlib.import_module("resolvent").__all__
    assert callable(importlib.import_module("resolvent").tune)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = importlib.import_module("resolvent").nonsense


def test_version_is_the_projects():
    version = PROJECT["version"]
    assert importlib.import_module("resolvent").__version__ == version
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize("room", ROOMS)
def test_links_are_relative_and_reach_the_room(room):
    link = ROOT / "src" / "resolvent" / room
    assert link.is_symlink(), "checked out without symlinks: see CONTRIBUTING.md"
    assert link.readlink() == Path("..") / ".." / room
    assert link.resolve() == ROOT / room


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room):
    names = public_names(room)
    assert names, f"resolvent.{room} exports nothing"
    page = (ROOT / "docs" / "reference" / f"{room}.md").read_text()
    listed = re.findall(rf"^::: resolvent\.{room}\.(\w+)$", page, flags=re.MULTILINE)
    assert sorted(listed) == names, f"`::: resolvent.{room}.NAME` in docs/reference/{room}.md"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_docstring(room):
    module = importlib.import_module(f"resolvent.{room}")
    objects = {name: getattr(module, name) for name in public_names(room)}
    assert not [name for name, thing in objects.items() if callable(thing) and not thing.__doc__]


def requirements() -> dict[str, list[str]]:
    """Extra ("" for none) -> names of the packages it asks for, without Resolvent's own extras."""
    groups = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    names = {
        extra: [re.split(r"[\[<>=!~; ]", line)[0] for line in lines]
        for extra, lines in groups.items()
    }
    return {
        extra: [name for name in lines if name != "resolvent"] for extra, lines in names.items()
    }


def test_every_dependency_is_explained():
    page = (ROOT / "docs" / "dependencies.md").read_text()
    core = re.findall(r"^\| `([\w-]+)` \| \S", page.partition("## Extras")[0], flags=re.MULTILINE)
    extra = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| \S", page, flags=re.MULTILINE)
    wanted = requirements()
    assert sorted(core) == sorted(wanted.pop(""))
    assert sorted(extra) == sorted(
        (group, name) for group, names in wanted.items() for name in names
    )


def test_every_dependency_is_pinned_to_a_plain_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    form = re.compile(r"([a-z0-9-]+)==[0-9][0-9a-z.]*( ; python_full_version (<|>=) '[0-9.]+')?")
    assert not [line for line in pins if not form.fullmatch(line)]
    pinned = {line.partition("==")[0] for line in pins}
    assert {name.lower() for names in requirements().values() for name in names} <= pinned
