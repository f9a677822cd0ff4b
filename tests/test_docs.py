"""Every example in README.md, CONTRIBUTING.md and docs/ runs, in order, as a reader would run it.

Python blocks are executed, with their `>>>` outputs compared where they have any; a page is one session. In console
blocks, lines `$ resolvent ...` are executed and must succeed, and output written under one must match (`...` stands
for anything): those of the README in a process of their own, the others in this one, since a new interpreter takes
longer than most commands. Other commands, such as `make test`, are left to `.ci/run`.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from resolvent.cli import environment
from resolvent.cli.app import run

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
)
TERMINAL = {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb", environment.CACHE_VARIABLE: "off"}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_console(example: Example) -> str | None:
    """Run a console block; the text returned, if any, is the failure."""
    for block in re.split(r"^(?=\$ )", str(example.parsed), flags=re.MULTILINE):
        command, _, expected = block.removeprefix("$ ").partition("\n")
        if not command.startswith("resolvent"):
            continue
        arguments = shlex.split(command)
        apart = Path(example.path).name == "README.md"
        status, out, err = (in_a_process if apart else in_this_process)(arguments)
        if status != 0:
            return f"$ {command}\nexit status {status}\n{out}{err}"
        if expected.strip() and not doctest.OutputChecker().check_output(
            expected.rstrip() + "\n", out.rstrip() + "\n", OPTIONS
        ):
            return f"$ {command}\nexpected:\n{expected}\ngot:\n{out}"
    return None


def in_a_process(arguments: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        env=os.environ | TERMINAL,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def in_this_process(arguments: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name, value in TERMINAL.items():
            patch.setenv(name, value)
        status = run(arguments[1:])
    return status, out.getvalue(), err.getvalue()


EXAMPLES = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=OPTIONS),
        CodeBlockParser(language="console", evaluator=run_console),
        SkipParser(),
    ],
    path=str(ROOT),
)


def run_page(path: Path) -> int:
    """Run the examples of one page; return how many there were."""
    document: Document = EXAMPLES.parse(path)
    count = 0
    for example in document.examples():
        example.evaluate()
        count += 1
    return count


@pytest.mark.usefixtures("room_after")
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / page)


def test_readme_has_an_example_that_runs(tmp_path, monkeypatch):
    """The tests above pass on a page without examples; the README is one that must have some."""
    monkeypatch.chdir(tmp_path)
    assert len(list(EXAMPLES.parse(ROOT / "README.md").examples())) >= 2


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 == 2\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```console\n$ resolvent no-such-command\n```\n",
    ],
)
def test_a_wrong_example_is_noticed(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(Exception):  # noqa: B017 -- sybil's own failure, or the example's assertion
        run_page(page)
