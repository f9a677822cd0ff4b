"""Import the installed wheel in an otherwise empty environment and take one game down the whole road."""

import sys
from fractions import Fraction
from pathlib import Path

import resolvent

home = Path(resolvent.__file__).resolve()
assert home.is_relative_to(Path(sys.prefix).resolve()), f"not the installed wheel: {home}"
assert (home.parent / "py.typed").is_file(), "py.typed is missing"

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

from resolvent.analytic import closed_form  # noqa: E402
from resolvent.games import prisoners_dilemma, tit_for_tat  # noqa: E402

game = prisoners_dilemma().iterated(discount="24/25")
form = closed_form(game)
values = form.evaluate((tit_for_tat(game, 0), tit_for_tat(game, 1)))
assert tuple(values) == (Fraction(-1), Fraction(-1)), values

start = (jax.numpy.zeros((5, 1)), jax.numpy.zeros((5, 1)))
uniform = form.compile()(start)
assert abs(float(uniform[0]) + 1.5) < 1e-12, uniform
python = sys.version.split()[0]
print(f"resolvent {resolvent.__version__}, Python {python}, jax {jax.__version__}: {home.parent}")
