"""`resolvent classify`, in process: what it prints, what it refuses, and how it ends."""

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
    """Run the command; return its status, what it printed and what it complained of."""

    def anyhow(*arguments):
        status = run(["classify", *arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return anyhow


def test_a_name(call):
    status, out, err = call("prisoners_dilemma:T=5,R=3,P=1,S=0", "grim", "--discount", "9/10")
    assert (status, err) == (0, "")
    assert "prisoner's dilemma, iterated with discount 9/10: grim" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["Nash"][1:6] == ["yes", "1/2", "<=", "g", "<"]
    assert rows["rival"][1] == "no"
    assert "With copies of itself at discount 9/10: 3, 3 per round." in out


def test_numbers(call):
    """The equalizer of the known answers; four chances begin as after mutual cooperation."""
    game = "prisoners_dilemma:T=5,R=3,P=1,S=0"
    numbers = "8/9,8/9,4/9,4/9,2/9"
    status, out, _ = call(game, numbers, "--discount", "9/10", "--json")
    assert status == 0
    record = json.loads(out)
    assert record["chances"] == numbers.split(",")
    # 9/10 p - (1, 1, 0, 0) = -1/5 (R, T, S, P) + 2/5, so V_2 = 2 + p_0 / 2.
    assert record["lines"][0]["relation"] == "V_2 = 22/9"
    assert record["lines"][0]["kind"] == "equalizer"
    equalizer = record["traits"]["equalizer"]
    assert equalizer["holds"]
    assert equalizer["discounts"] == [
        {"low": "9/10", "low_closed": True, "high": "9/10", "high_closed": True}
    ]
    four = json.loads(call(game, numbers.partition(",")[2], "--discount", "9/10", "--json")[1])
    assert four["traits"] == record["traits"]
    other = json.loads(call(game, numbers, "--discount", "9/10", "--player", "2", "--json")[1])
    assert other["traits"] == record["traits"]
    assert other["lines"][0]["relation"] == "V_1 = 22/9"


def test_what_is_not_defined(call):
    status, out, _ = call("public_goods", "always:D")
    assert status == 0
    assert "Not defined here: partner, good (for two players)." in " ".join(out.split())
    record = json.loads(call("public_goods", "always:D", "--json")[1])
    assert record["traits"]["partner"]["defined"] is False


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("prisoners_dilemma", "grimm"), "did you mean 'grim'"),
        (("prisoners_dilemma", "1,2,3"), "expected a name, or 5 chances"),
        (("prisoners_dilemma", "1,1,1,1,2"), "dd must be a probability"),
        (("prisoners_dilemma", "grim", "--player", "3"), "expected 1 to 2; got 3"),
        (("prisoners_dilemma:T=b", "grim"), "got the symbols b"),
        (("prisoners_dilemma", "grim", "--discount", "1/2,1/3"), "players of one discount"),
        (("tandem", "grim"), "classify expects an iterated game"),
        (("public_goods", "1,1,0,1,0"), "two players with two actions"),
    ],
    ids=["name", "three", "chance", "player", "symbol", "discounts", "tandem", "players"],
)
def test_wrong_input(call, arguments, complaint):
    status, out, err = call(*arguments)
    assert status == 2
    assert not out
    assert complaint in err
    assert err.count("\n") == 1
