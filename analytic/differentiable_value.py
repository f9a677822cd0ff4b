r"""Payoff expressions of differentiable games as JAX functions.

$$ \sigma'(x) = \sigma(x)\, \sigma(-x), \qquad
   \partial_t \, \mathrm{softmax}(x)_i = s_i \sum_k s_k (t_i - t_k) $$

Derivatives in this form keep their relative accuracy however far out a logit is; 1 - s would not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import reduce
from operator import mul
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import sympy
from jax import Array

from resolvent.analytic.value_function import Tree, WrappedValue, require_x64
from resolvent.games import DifferentiableGame
from resolvent.games._functions import sigmoid, softmax

# Larger integers are not exact in float64.
_EXACT = 2**53


class DifferentiableValue(WrappedValue):
    """The payoffs of a differentiable game as a value function."""

    game: DifferentiableGame = eqx.field(static=True)

    def __repr__(self) -> str:
        names = " | ".join(", ".join(own) for own in self.game.parameters)
        return f"ValueFunction({self.name}, parameters {names})"


def compile_game(game: DifferentiableGame) -> DifferentiableValue:
    """See `DifferentiableForm.compile`. Every constant is rounded once, from its exact value."""
    require_x64()
    function: Callable[[Tree], Array]
    if game.function is not None:
        function = game.function
    else:
        assert game.payoffs is not None
        function = _Lowered(game.payoffs, game.parameters)
        function.check()
    return DifferentiableValue(
        function, game.shapes, game.name or "a differentiable game", game=game
    )


@dataclasses.dataclass(frozen=True)
class _Lowered:
    """Expressions as a JAX function. Equal games share what is compiled of it."""

    payoffs: tuple[sympy.Expr, ...]
    parameters: tuple[tuple[str, ...], ...]

    def __call__(self, params: Tree) -> Array:
        # Equal subexpressions are computed once.
        known: dict[Any, Any] = {
            sympy.Symbol(name): own[k]
            for names, own in zip(self.parameters, params, strict=True)
            for k, name in enumerate(names)
        }
        dtype = jnp.result_type(*params)
        return jnp.stack([jnp.asarray(_lower(own, known), dtype) for own in self.payoffs])

    def check(self) -> None:
        """Raise for constants that are no floats, before anything is traced."""
        for player, own in enumerate(self.payoffs):
            for node in sympy.preorder_traversal(own):
                if node.is_number and not math.isfinite(_number(node)):
                    raise ValueError(
                        f"payoffs[{player}]: expected numbers within float64, got {node}"
                    )


def _number(node: Any) -> float:
    """A constant, rounded once."""
    try:
        if node.is_Rational:
            return int(node.p) / int(node.q)
        return float(node.evalf(30))
    except (OverflowError, TypeError):  # TypeError: what is not real
        return math.inf


def _lower(node: Any, known: dict[Any, Any]) -> Any:
    if node not in known:
        known[node] = _operation(node, known)
    return known[node]


def _operation(node: Any, known: dict[Any, Any]) -> Any:
    def lower(own: Any) -> Any:
        return _lower(own, known)

    if node.is_number:
        return _number(node)
    if node.is_Add:
        return reduce(lambda left, right: left + right, map(lower, node.args))
    if node.is_Mul:
        return _product(node, lower)
    if node.is_Pow:
        return _power(lower(node.base), node.exp, lower)
    if isinstance(node, sympy.log):
        return _logarithm(node.args[0], lower)
    if isinstance(node, softmax):
        return _chances(jnp.stack([jnp.asarray(lower(own)) for own in node.args]))[0]
    return _FUNCTIONS[node.func](lower(node.args[0]))


def _product(node: Any, lower: Callable[[Any], Any]) -> Any:
    """A product as one quotient: x/3 is rounded once."""
    above: list[Any] = []
    below: list[Any] = []
    for own in node.args:
        if own.is_Rational and max(abs(int(own.p)), int(own.q)) <= _EXACT:
            above += [] if own.p == 1 else [float(int(own.p))]
            below += [] if own.q == 1 else [float(int(own.q))]
        elif own.is_Pow and own.exp.is_Rational and own.exp < 0:
            below.append(lower(own.base**-own.exp))
        else:
            above.append(lower(own))
    top = reduce(mul, above) if above else 1.0
    return top / reduce(mul, below) if below else top


def _power(base: Any, exponent: Any, lower: Callable[[Any], Any]) -> Any:
    if exponent.is_Integer:
        return base ** int(exponent)
    if exponent == sympy.Rational(1, 2):
        return jnp.sqrt(base)
    return jnp.power(base, lower(exponent))


def _logarithm(argument: Any, lower: Callable[[Any], Any]) -> Any:
    """Logarithms of probabilities, without taking a logarithm of one that has become 0."""
    if isinstance(argument, sigmoid):
        return jax.nn.log_sigmoid(lower(argument.args[0]))
    if isinstance(argument, softmax):
        return jax.nn.log_softmax(jnp.stack([jnp.asarray(lower(own)) for own in argument.args]))[0]
    return jnp.log(lower(argument))


@jax.custom_jvp
def _chance(x: Array) -> Array:
    return jax.nn.sigmoid(x)


@_chance.defjvp
def _chance_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    s = _chance(x)
    return s, s * _chance(-x) * t


@jax.custom_jvp
def _chances(x: Array) -> Array:
    return jax.nn.softmax(x)


@_chances.defjvp
def _chances_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    s = _chances(x)
    return s, s * ((t[:, None] - t[None, :]) @ s)


_FUNCTIONS: dict[Any, Callable[[Any], Any]] = {
    sympy.exp: jnp.exp,
    sympy.sin: jnp.sin,
    sympy.cos: jnp.cos,
    sympy.tanh: jnp.tanh,
    sigmoid: _chance,
}
