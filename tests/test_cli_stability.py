"""`resolvent stability`, in process: what it prints, what it refuses, and how it ends."""

import json

import pytest

from resolvent.cli import environment
from resolvent.cli.app import run


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Tests leave nothing in the user's cache folder."""
    monkeypatch.setenv(environment.CACHE_VARIABLE, "off")


@pytest.fixture
def call(capsys):
    """Run a command; return its status, what it printed and what it complained of."""

    def anyhow(*arguments):
        status = run(["stability", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return anyhow


@pytest.mark.slow
def test_lola_loses_the_line_of_the_tandem_game(call, tmp_path):
    """It rests at x + y = (1 - 2a) / (1 - 4a) = 4/3; SOS keeps x + y = 1."""
    file = tmp_path / "tandem.md"
    status, out, _ = call(
        "tandem", "-l", "lola,sos", "--starts", "16", "--markdown", str(file), "--json"
    )
    assert status == 0
    record = json.loads(out)
    (line,) = record["fixed_points"]
    assert line["dimension"] == 1
    assert sum(own[0] for own in line["params"]) == pytest.approx(1)
    assert line["rules"]["sos"]["status"] == "stable_across"
    assert line["rules"]["lola"]["status"] == "not_fixed"
    (added,) = record["added"]["lola"]
    assert sum(own[0] for own in added["params"]) == pytest.approx(4 / 3)
    assert record["added"]["sos"] == []
    assert file.read_text().startswith("| fixed point | of the game | Nash | lola | sos |")


def test_one_point(call):
    """Balduzzi's game: J = [[-1, -10], [10, -1]], so that naive learning at 1/10 has modulus |0.9 + i|."""
    status, out, _ = call("balduzzi", "--at", "0;0", "--learner", "naive")
    assert status == 0
    assert "balduzzi at (0, 0): stable" in out
    assert "spectral radius 1.34536" in out
    status, out, _ = call("balduzzi", "--at", "0;0", "--learner", "naive", "--json")
    point = json.loads(out)["point"]
    assert sorted(own[1] for own in point["eigenvalues"]) == pytest.approx([-10, 10])
    assert [own[0] for own in point["eigenvalues"]] == pytest.approx([-1, -1])
    assert point["rules"]["naive"]["spectral_radius"] == pytest.approx(1.81**0.5)
    assert point["definitions"]["strict_saddle"]["holds"] == "no"


def test_a_theorem(call):
    status, out, _ = call("--theorem", "look_ahead_keeps")
    assert status == 0
    assert "look_ahead_keeps: confirmed, 4 cases" in out
    record = json.loads(call("--theorem", "look_ahead_keeps", "--json")[1])
    assert [own["status"] for own in record["theorems"]] == ["confirmed"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "expected a game, or --theorems"),
        (("tandem", "--theorems"), "leave out 'tandem'"),
        (("--theorem", "fermat"), "none is called 'fermat'"),
        (("tandem", "--region", "1"), "expected LOW,HIGH"),
        (("tandem", "--region", "2,1"), "the lower bound first"),
        (("tandem", "--rate", "0"), "a number above 0"),
        (("tandem", "--learner", "lola,,sos"), "an entry is empty"),
        (("tandem", "--learner", "lolo"), "did you mean 'lola'"),
        (("tandem", "--discount", "1/2"), "differentiable game"),
        (("tandem", "--at", "1"), "expected numbers for 2 players"),
        (("tandem", "--markdown", "table.txt"), "must end in .md"),
    ],
    ids=lambda own: own.split()[0] if isinstance(own, str) else None,
)
def test_wrong_input(call, arguments, complaint):
    status, out, err = call(*arguments)
    assert status == 2
    assert not out
    assert complaint in err
    assert err.count("\n") == 1


def test_none_is_a_failure(call):
    """Losses (x + y)^2 - 2x: x + y = 1 is nowhere near (2, 3)^2."""
    status, _, err = call("tandem", "--region", "2,3", "--starts", "8", "-l", "naive")
    assert status == 1
    assert "no fixed point was found" in err
