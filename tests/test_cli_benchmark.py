"""`resolvent benchmark`, in process: what it prints and writes, what it refuses, and how it ends."""

import json

import pytest

from resolvent.cli import environment
from resolvent.cli.app import run
from resolvent.numeric import ESTIMATORS, AbstractEstimator, Benchmark


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Tests leave nothing in the user's cache folder."""
    monkeypatch.setenv(environment.CACHE_VARIABLE, "off")


@pytest.fixture
def call(capsys):
    """Run a command; return its status, what it printed and what it complained of."""

    def anyhow(*arguments):
        status = run(["benchmark", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return anyhow


SMALL = ("matching_pennies", "-e", "actor_critic", "--batches", "4,16", "--horizon", "5")
SMALL += ("--repeats", "2", "--quantities", "gradient", "--discount", "1/2")


def test_the_table_and_the_files_are_the_same(call, tmp_path):
    file = tmp_path / "result.csv"
    status, out, _ = call(*SMALL, "--output", str(file), "--markdown", str(tmp_path / "t.md"))
    assert status == 0
    assert "matching pennies" in out.lower()
    assert "an estimate costs as much at a batch of: actor_critic" in " ".join(out.split())
    found = Benchmark.load(file)
    assert [own.batch for own in found.cells] == [4, 16]
    assert (tmp_path / "t.md").read_text().strip() == found.markdown()
    for own in found.rows():
        assert own[3] in out


@pytest.mark.slow
def test_json(call):
    status, out, _ = call(*SMALL[:-4], "--quantities", "gradient", "--json")
    assert status == 0
    record = json.loads(out)
    assert record["horizon"] == 5
    assert record["cells"][0]["known_variance"] > 0
    assert record["break_even"][0]["estimator"] == "actor_critic"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("-e", "magic"), "expected some of reinforce"),
        (("--quantities", "curl"), "expected some of gradient"),
        (("--batches", "0"), "at least 1"),
        (("--batches", "x"), "whole number"),
        (("--player", "3"), "from 1 to 2"),
        (("--output", "result.txt"), ".json or .csv"),
    ],
    ids=["estimator", "quantity", "batch", "text", "player", "file"],
)
def test_wrong_input(call, arguments, complaint):
    status, _, err = call("prisoners_dilemma", *arguments)
    assert status == 2
    assert complaint in err


def test_every_named_estimator_can_be_made():
    assert all(isinstance(make(), AbstractEstimator) for make in ESTIMATORS.values())
