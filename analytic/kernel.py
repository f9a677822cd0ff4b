"""What the two kernels (`program_kernel`, `tensor_kernel`) have in common.

A kernel offers `prepare`, `values` and `gradient` of the same meaning; the program kernel on tuples
of scalars, the tensor kernel on arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.flatten_util import ravel_pytree
from jax.interpreters import ad, batching, mlir

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


def _tie_tangents(tree: Tree) -> Tree:
    """`tree`; only its tangents are tied, since a tie in a loop hides equal numbers from XLA."""
    leaves, structure = jax.tree.flatten(tree)
    return jax.tree.unflatten(structure, _tied.bind(*leaves))


# A primitive and not `jax.custom_jvp`: a batch has to reach all parts, as a tangent does. A part that the batch does
# not reach while its tangent is tied to parts that it does reach is what JAX 0.10 cannot differentiate.
_tied = Primitive("tie_tangents")
_tied.multiple_results = True
_tied.def_impl(lambda *parts: list(parts))
_tied.def_abstract_eval(lambda *parts: list(parts))
mlir.register_lowering(_tied, lambda _, *parts: parts)


def _tied_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    parts = _tied.bind(*primals)
    if all(isinstance(own, ad.Zero) for own in tangents):
        return parts, tangents
    return parts, _tie([ad.instantiate_zeros(own) for own in tangents])


def _tied_batch(parts: Sequence[Any], axes: Sequence[Any]) -> tuple[Any, Any]:
    size = next(x.shape[axis] for x, axis in zip(parts, axes, strict=True) if axis is not None)
    batched = [
        jnp.broadcast_to(x, (size, *jnp.shape(x))) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(parts, axes, strict=True)
    ]
    return _tied.bind(*batched), [0] * len(batched)


ad.primitive_jvps[_tied] = _tied_jvp
batching.primitive_batchers[_tied] = _tied_batch
