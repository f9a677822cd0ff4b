"""The games room is cheap to enter: no heavy library before it is needed."""

import subprocess
import sys


def test_games_import_nothing_heavy():
    code = """
import sys
from resolvent.games import prisoners_dilemma, check_policies, tit_for_tat
game = prisoners_dilemma().iterated("24/25")
check_policies(game, (tit_for_tat(game, 0), tit_for_tat(game, 1)))
str(game), game.stage.latex(), hash(game)
heavy = {"jax", "numpy", "scipy", "sympy", "flint", "equinox"} & set(sys.modules)
assert not heavy, heavy
assert not {"games", "analytic", "numeric"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
