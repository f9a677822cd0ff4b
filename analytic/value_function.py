r"""Values of all players as a function of their parameters, with exact derivatives.

Learners, tracing and estimators see a `ValueFunction` and nothing else. `CompiledValue` comes from a
closed form; `ValueFunction.wrap` makes one of any JAX function, with derivatives by automatic
differentiation.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import ModuleType
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from resolvent.analytic import program_kernel, tensor_kernel
from resolvent.analytic.kernel import Kernel, Numbers
from resolvent.analytic.parameters import Parameterisation, logits_of
from resolvent.analytic.report import Backend
from resolvent.analytic.structure import Structure, anatomy, complements
from resolvent.games import DynamicGame

Normalise = Literal["average", "sum"]
Tree = Any
"""A pytree of arrays."""


def require_x64() -> None:
    """Raise where JAX would compute in single precision without saying so."""
    if not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise RuntimeError(
            "resolvent computes in double precision, and JAX's 64-bit mode is off. Add this line "
            'before the first use of JAX: jax.config.update("jax_enable_x64", True)'
        )


class ValueFunction(eqx.Module):
    """Parameters of all players -> `(n,)` values, one per player; payoffs are maximised.

    `params` is a tuple with one entry per player: arrays of the shapes in `shapes`, or what
    `unstack` made of them. Blocks of derivatives look like the entry they differentiate by.
    """

    @property
    def num_players(self) -> int:
        return len(self.shapes)

    @property
    @abc.abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of each player's parameters."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What is played, for printing."""

    @abc.abstractmethod
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        """Values, `(n,)`."""

    @abc.abstractmethod
    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        """`blocks[i][j]` = dV_i / dtheta_j, shaped like `params[j]`."""

    @abc.abstractmethod
    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        """d/dtheta_j < dV_i/dtheta_k , u >, shaped like `params[j]`; `u`, shaped like `params[k]`,
        is held constant."""

    def unstack(self, params: Tree) -> Tree:
        """The form in which a compiled loop should carry `params`."""
        return params

    def stack(self, params: Tree) -> Tree:
        """The inverse of `unstack`."""
        return params

    def for_loops(self, many: bool = False) -> ValueFunction:
        """The same function, in the form that a compiled loop should close over.

        **Arguments:** `many`: whether the loop is over many runs at once.
        """
        return self

    @staticmethod
    def wrap(
        function: Callable[[Tree], Array],
        shapes: Sequence[Sequence[int]],
        name: str = "user function",
    ) -> ValueFunction:
        """A value function from any JAX function `params -> (n,)`, with one shape per player.

        **Raises:** `ValueError` where `function` does not return one value per shape.
        """
        return WrappedValue(function, tuple(tuple(shape) for shape in shapes), name)


def check_parameters(params: Any, shapes: tuple[tuple[int, ...], ...]) -> tuple[Array, ...]:
    """`params` as arrays of floating point, or one error that says what was expected."""
    require_x64()
    if not isinstance(params, (tuple, list)) or len(params) != len(shapes):
        got = (
            f"{len(params)} entries" if isinstance(params, (tuple, list)) else type(params).__name__
        )
        raise ValueError(
            f"params: expected a tuple of {len(shapes)} arrays, one per player, got {got}"
        )
    checked = []
    for player, (own, shape) in enumerate(zip(params, shapes, strict=True)):
        array = jnp.asarray(own)
        if array.shape != shape:
            raise ValueError(
                f"params[{player}]: expected shape {shape}, got {array.shape} "
                "(for a batch of runs use jax.vmap or learn)"
            )
        checked.append(array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float))
    return tuple(checked)


class WrappedValue(ValueFunction):
    """A user's own function; see `ValueFunction.wrap`."""

    function: Callable[[Tree], Array]
    _shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    _name: str = eqx.field(static=True)

    def __check_init__(self) -> None:
        require_x64()
        example = tuple(jax.ShapeDtypeStruct(shape, jnp.float64) for shape in self._shapes)
        values = jax.eval_shape(self.function, example)
        if getattr(values, "shape", None) != (self.num_players,):
            raise ValueError(
                f"function: expected values of shape ({self.num_players},), one per entry of "
                f"`shapes`, got {values}"
            )

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self._shapes

    @property
    def name(self) -> str:
        return self._name

    def __call__(self, params: Tree) -> Float[Array, " players"]:
        return self.function(check_parameters(params, self.shapes))

    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        params = check_parameters(params, self.shapes)
        values, pull = jax.vjp(self.function, params)
        (gradients,) = jax.vmap(pull)(jnp.eye(self.num_players, dtype=values.dtype))
        return tuple(tuple(own[i] for own in gradients) for i in range(self.num_players))

    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        params = check_parameters(params, self.shapes)

        def gradient(moved: Tree) -> Tree:
            joint = (*params[:k], moved, *params[k + 1 :])
            return jax.grad(lambda own: self.function((*joint[:j], own, *joint[j + 1 :]))[i])(
                joint[j]
            )

        # d/dtheta_j <dV_i/dtheta_k, u>: mixed derivatives commute, so differentiate along u last.
        return jax.jvp(gradient, (params[k],), (jnp.asarray(u),))[1]


class _Aside(NamedTuple):
    """Carries the game along without making it part of what compilation is keyed by: games of one
    structure share one compiled program."""

    game: DynamicGame

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Aside)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_Aside)


_KERNELS: dict[Backend, ModuleType] = {"program": program_kernel, "tensor": tensor_kernel}


class CompiledValue(ValueFunction):
    """The compiled closed form of a game.

    Its numbers (payoffs, discounts, probabilities) are leaves: one may `vmap` over them or differentiate
    by them, and games of the same shape share one compiled program.
    """

    numbers: Numbers
    kernel: Kernel = eqx.field(static=True)
    backend: Backend = eqx.field(static=True)
    normalise: Normalise = eqx.field(static=True)
    _aside: _Aside = eqx.field(static=True)
    _checked: bool = eqx.field(static=True, default=True)

    @property
    def game(self) -> DynamicGame:
        """The game this was compiled from (not to be read inside compiled code)."""
        return self._aside.game

    @property
    def structure(self) -> Structure:
        return self.kernel.structure

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.structure.parameter_shapes

    @property
    def name(self) -> str:
        return self.game.name or "an iterated game"

    def __repr__(self) -> str:
        scale = "per-round average" if self.normalise == "average" else "discounted sum"
        each = ", ".join(map(str, dict.fromkeys(self.game.discounts)))
        discount = "limit of discount 1" if self.patient else f"discount {each}"
        return (
            f"ValueFunction({self.name}, {discount}, {scale}, "
            f"{self.kernel.parameterisation} of shapes {self.shapes}, {self.backend} backend)"
        )

    @property
    def patient(self) -> bool:
        """Whether these are the average payoffs of the limit g -> 1."""
        return self.kernel.patient

    def unstack(self, params: Tree) -> Tree:
        """Arrays -> the program kernel's tuples of scalars (the tensor kernel keeps arrays)."""
        arrays = check_parameters(params, self.shapes)
        return tuple(self._unstack_one(own, player) for player, own in enumerate(arrays))

    def _unstack_one(self, own: Array, player: int) -> Tree:
        if self.backend == "tensor":
            return own
        states, columns = self.shapes[player]
        return tuple(tuple(own[s, a] for a in range(columns)) for s in range(states))

    def stack(self, params: Tree) -> Tree:
        return tuple(self._stack_one(own) for own in params)

    def _stack_one(self, own: Tree) -> Array:
        if not isinstance(own, tuple):
            return own
        if not own[0]:  # a player with a single action
            return jnp.zeros((len(own), 0))
        return jnp.stack([jnp.stack(row) for row in own])

    def for_loops(self, many: bool = False) -> CompiledValue:
        """The same function with scaled payoffs, for the program kernel as separate scalars.

        **Arguments:** `many`: whether the loop is over many runs at once.

        XLA moves what does not change out of a loop before it merges duplicates: several uses of one
        slice would come back into the loop as different numbers, and all that is computed from them
        would be computed as often. What is not finite is not an error here: loops report it run by run.
        """
        numbers = self._units(self.numbers)
        if self.backend == "program":
            numbers = numbers._replace(payoffs=tuple(map(tuple, numbers.payoffs)))
        kernel = self.kernel._replace(quotients=many)
        return dataclasses.replace(
            self, numbers=numbers, kernel=kernel, normalise="average", _checked=False
        )

    def _units(self, numbers: Numbers) -> Numbers:
        """Values are linear in payoffs: those of discounted sums come from scaled ones."""
        if self.normalise == "average":
            return numbers
        delta = numbers.delta[np.array(self.structure.groups)]
        return numbers._replace(payoffs=numbers.payoffs / delta[:, None])

    def _open(self, params: Tree) -> tuple[ModuleType, Tree, Numbers, Callable[[Tree], Tree]]:
        """The kernel, its form of the parameters, the numbers in their precision and the units of
        `normalise`, and how to return a block in the form of `params`."""
        unstacked = isinstance(params, tuple) and isinstance(params[0], tuple)
        rows = params if unstacked else self.unstack(params)
        leaves = jax.tree.leaves(rows)
        dtype = leaves[0].dtype if leaves else float
        numbers = self._units(jax.tree.map(lambda leaf: leaf.astype(dtype), self.numbers))
        back = (lambda block: block) if unstacked else self._stack_one
        return _KERNELS[self.backend], rows, numbers, back

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        kernel, rows, numbers, _ = self._open(params)
        factors = kernel.prepare(self.kernel, rows, numbers)
        return self._settled(jnp.stack(kernel.values(self.kernel, rows, factors, numbers)))

    def _settled(self, result: Tree) -> Tree:
        """`result`, or in the limit of discount 1 an error where there is none: where a policy never
        leads from one set of states to another, a pivot is zero."""
        if not (self.patient and self._checked):
            return result
        leaves = jax.tree.leaves(result)
        undefined = jnp.stack([~jnp.isfinite(leaf).all() for leaf in leaves]).any()
        return eqx.error_if(
            result,
            undefined,
            "average payoffs: under these policies play may end up in several separate sets of states, "
            "so that the limit of discount 1 depends on where it begins and has no derivative; use "
            "ClosedForm.average(policies) for its value",
        )

    @eqx.filter_jit
    def jacobian(self, params: Tree) -> tuple[tuple[Tree, ...], ...]:
        kernel, rows, numbers, back = self._open(params)
        factors = kernel.prepare(self.kernel, rows, numbers)

        def block(i: int, j: int) -> Tree:
            return back(kernel.gradient(self.kernel, rows, factors, numbers, i, j))

        players = range(self.num_players)
        return self._settled(tuple(tuple(block(i, j) for j in players) for i in players))

    def cross(self, params: Tree, i: int, j: int, k: int, u: Tree) -> Tree:
        kernel, rows, numbers, back = self._open(params)
        direction = u if isinstance(u, tuple) else self._unstack_one(jnp.asarray(u), k)
        factors = kernel.prepare(self.kernel, rows, numbers)
        return back(kernel.cross(self.kernel, rows, factors, numbers, i, j, k, direction))

    def policies(self, params: Tree) -> tuple[Array, ...]:
        """Action probabilities, `(O_i, A_i)` per player, rows in the order of
        `game.observations[i]` (`game.states`, where a player sees everything)."""
        arrays = self.stack(params) if isinstance(params[0], tuple) else params
        arrays = check_parameters(arrays, self.shapes)
        return tensor_kernel.policies_of(self.kernel, arrays)

    def parameters(self, policies: Sequence[Any]) -> tuple[Array, ...]:
        """The parameters of given policies (exact ones are rounded), one `(O_i, A_i)` array per player: the inverse of
        `policies`. Logits of deterministic rows are infinite."""
        full = tuple((rows, columns + 1) for rows, columns in self.shapes)
        arrays = check_parameters(tuple(map(_as_floats, policies)), full)
        if self.kernel.parameterisation == "policies":
            return tuple(own[:, :-1] for own in arrays)
        return tuple(logits_of(own) for own in arrays)


def compile_values(
    game: DynamicGame,
    parameterisation: Parameterisation,
    backend: Backend,
    normalise: Normalise,
    patient: bool = False,
) -> CompiledValue:
    """See `ClosedForm.compile`. Every number is rounded once, from its exact value."""
    require_x64()
    structure, figures = anatomy(game)
    discounts, deltas = figures.discounts, complements(figures)
    if patient:
        structure = dataclasses.replace(structure, groups=(0,) * structure.num_players)
        discounts, deltas = (1,), (0,)
    numbers = Numbers(
        _rounded(figures.payoffs),
        _rounded(discounts),
        _rounded(deltas),
        _rounded(figures.transitions),
        _rounded(figures.initial),
        tuple(map(_rounded, figures.readings)),
        tuple(map(_rounded, figures.trembles)),
    )
    kernel = Kernel(structure, parameterisation, patient)
    return CompiledValue(numbers, kernel, backend, normalise, _Aside(game))


def _as_floats(policy: Any) -> Any:
    """Nested sequences of exact numbers as an array; arrays as they are, and whatever else there is for
    the check that follows to refuse."""
    if not isinstance(policy, (tuple, list)):
        return policy
    try:
        return np.array(
            [[float(Fraction(p) if isinstance(p, str) else p) for p in row] for row in policy]
        )
    except (TypeError, ValueError):
        return policy


def _rounded(exact: Any) -> Array:
    return jax.device_put(np.array(exact, dtype=np.float64))
