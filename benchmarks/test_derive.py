"""Deriving: from a game's structure to its straight-line programs, and to the expanded quotient."""

import pytest

from resolvent.analytic import closed_form
from resolvent.analytic.elimination import value_program
from resolvent.analytic.polynomial import cofactors, settings
from resolvent.analytic.structure import anatomy, structure_of
from resolvent.games import NormalForm

GAMES = {
    "4 states": ((2, 2), 1),
    "8 states": ((2, 2, 2), 1),
    "9 states": ((3, 3), 1),
    "16 states": ((4, 4), 1),
    "20 states (memory 2)": ((2, 2), 2),
    "84 states (memory 3)": ((2, 2), 3),
}


def zeros(actions):
    payoffs = 0
    for count in reversed(actions):
        payoffs = [payoffs] * count
    return NormalForm([payoffs] * len(actions))


@pytest.mark.parametrize("size", GAMES)
def test_program(timed, benchmark, size):
    benchmark.group = "derive the program"
    actions, memory = GAMES[size]
    structure = structure_of(zeros(actions).iterated("1/2", memory=memory))
    derived = timed(lambda: value_program.__wrapped__(structure))
    benchmark.extra_info["operations"] = len(derived)
    assert derived.counts["-"] == 0


@pytest.mark.parametrize("actions", [(2, 2), (2, 3)], ids=str)
def test_expanded(timed, benchmark, actions):
    benchmark.group = "expand the quotient"
    game = zeros(actions).iterated("24/25")
    structure, figures = anatomy(game)
    given = settings(figures, 0)
    expanded = timed(lambda: cofactors.__wrapped__(structure, given))
    assert len(expanded.columns) == len(closed_form(game).structure.joint_actions)
