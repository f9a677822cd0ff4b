"""What the two kernels (`program_kernel`, `tensor_kernel`) have in common.

A kernel offers `prepare`, `values` and `gradient` of the same meaning; the program kernel on tuples
of scalars, the tensor kernel on arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from resolvent.analytic.parameters import Parameterisation
from resolvent.analytic.structure import Structure


class Kernel(NamedTuple):
    """What a compiled function is determined by: everything else is a number fed to it.

    `patient` is the limit g -> 1.

    `quotients`: whether solves of the program kernel divide by pivots in place of multiplying by their
    inverses. XLA computes a quotient once, and a product again in every loop that uses it: on many runs
    at once a learning step takes two thirds of the time. On a single run, whose loop is one piece of
    code, quotients only take longer.
    """

    structure: Structure
    parameterisation: Parameterisation
    patient: bool = False
    quotients: bool = False


class Numbers(NamedTuple):
    """The numbers of a game, see [`resolvent.analytic.structure.Figures`][]: arrays or (payoffs, for
    the program kernel) tuples of scalars.

    - `payoffs`: `(players, joint actions)` received on entering, or `(players, states * joint actions)`
        received for acting.
    - `g`, `delta`: `(groups,)`, discounts and 1 - g: a number of its own, since 1 - g in floating point
        has lost the digits that matter as the discount approaches one.
    - `transitions`, `initial`: the probabilities of branches, and of beginning in each state.
    - `readings`, `trembles`: per player.
    """

    payoffs: Any
    g: Array
    delta: Array
    transitions: Array
    initial: Array
    readings: tuple[Array, ...]
    trembles: tuple[Array, ...]


Tree = Any


def solve_exactly(
    matvec: Callable[[Tree], Tree],
    b: Tree,
    solve: Callable[[Tree], Tree],
    transpose_solve: Callable[[Tree], Tree],
) -> Tree:
    """The z with `matvec(z) == b`, by `solve`, with derivatives of any order by more of the same.

    This is `lax.custom_linear_solve`, which reverse mode can pass only where *all* parts of a
    right-hand side are tangents. A part that happens not to depend on the parameters would be a
    constant zero and break derivatives of second order; so all parts are tied together, on both
    sides of `matvec` because a transposition turns it around. (Only derivatives evaluate `matvec`.)
    """
    return lax.custom_linear_solve(
        lambda z: _tie(matvec(_tie(z))),
        _tie_tangents(b),
        lambda _, right: solve(right),
        lambda _, left: transpose_solve(left),
    )


def _tie(tree: Tree) -> Tree:
    """`tree` by way of one array: if one part of it is a tangent, all are."""
    flat, back = ravel_pytree(tree)
    return back(flat)


@jax.custom_jvp
def _tie_tangents(tree: Tree) -> Tree:
    """`tree`; only its tangents are tied, since a tie in a loop hides equal numbers from XLA."""
    return tree


@_tie_tangents.defjvp
def _tie_tangents_jvp(primals: tuple[Tree], tangents: tuple[Tree]) -> tuple[Tree, Tree]:
    return primals[0], _tie(tangents[0])
