r"""Meta-policies: from the joint parameters of all learners to a player's next ones.

$$ \theta_i' = \mu_\vartheta(\theta_1, \dots, \theta_n), \qquad
   \mu_\vartheta = \vartheta \text{ (constant)}, \quad b + W x(\theta) \text{ (affine)}, \quad
   \text{or a network of } x(\theta), $$

where $x(\theta)$ is what the player sees: the policies of all players, or their parameters. A constant one is a
"good shepherd", who teaches by never moving (Balaguer et al. 2022, arXiv:2202.10135); M-FOS (Lu et al. 2022,
arXiv:2205.01447) has a network that sees policies, with noise; here nothing is random but the first weights.
"""

from __future__ import annotations

import abc
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue, ValueFunction, require_x64
from resolvent.numeric.checks import check_player

Sees = Literal["policies", "parameters"]
"""What a meta-policy is a function of: the probabilities that logits stand for, or the parameters themselves."""


class AbstractMetaPolicy(eqx.Module):
    """A map from the parameters of all players to the next ones of one of them.

    Its arrays of floating point are what `train` improves; whatever else it holds is fixed.
    """

    @abc.abstractmethod
    def __call__(self, params: tuple[Array, ...]) -> Array:
        """The player's next parameters.

        **Arguments:** `params`: of all players, one array each.
        """

    def check(self, values: ValueFunction, player: int) -> None:
        """**Raises:** `ValueError` where this is no meta-policy of `player` in the game of `values`."""
        example = tuple(jax.ShapeDtypeStruct(shape, jnp.float64) for shape in values.shapes)
        try:
            found = eqx.filter_eval_shape(self, example).shape
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"policy: {type(self).__name__} does not take parameters of shapes {values.shapes}, those of "
                f"{values.name}; make it for this game: {error}"
            ) from None
        if found != values.shapes[player]:
            raise ValueError(
                f"policy: expected the next parameters of player {player}, of shape {values.shapes[player]}, "
                f"got shape {found}; make it for this player"
            )


class ConstantPolicy(AbstractMetaPolicy):
    """Parameters that never move, chosen for where they lead the others.

    **Attributes:** `parameters`: of the player's shape.
    """

    parameters: Array

    def __call__(self, params: tuple[Array, ...]) -> Array:
        return self.parameters


class _SeeingPolicy(AbstractMetaPolicy):
    """What meta-policies that look at others share."""

    sees: eqx.AbstractVar[Sees]

    def check(self, values: ValueFunction, player: int) -> None:
        check_sees(self.sees, values)
        super().check(values, player)


class AffinePolicy(_SeeingPolicy):
    """Next parameters as an affine function of what is seen.

    **Attributes:** `weight`: `(parameters, seen)`; `bias`: of the player's shape; `sees`.
    """

    weight: Float[Array, "parameters seen"]
    bias: Array
    sees: Sees = eqx.field(static=True)

    def __call__(self, params: tuple[Array, ...]) -> Array:
        return self.bias + (self.weight @ seen(params, self.sees)).reshape(self.bias.shape)


class NetworkPolicy(_SeeingPolicy):
    """Next parameters by a network, `network(seen)`.

    **Attributes:** `network`: an equinox module from a vector to a vector; `shape`: of the player's parameters; `sees`.
    """

    network: Any
    shape: tuple[int, ...] = eqx.field(static=True)
    sees: Sees = eqx.field(static=True)

    def __call__(self, params: tuple[Array, ...]) -> Array:
        return self.network(seen(params, self.sees)).reshape(self.shape)


def seen(params: tuple[Array, ...], sees: Sees) -> Float[Array, " seen"]:
    """All that a meta-policy is a function of, as a vector: of all players in order, row by row."""
    if sees == "policies":
        params = tuple(map(_probabilities, params))
    return jnp.concatenate([jnp.ravel(own) for own in params])


def _probabilities(logits: Float[Array, "states columns"]) -> Float[Array, "states columns"]:
    """Of all actions but the last, whose logit is 0."""
    if logits.shape[-1] == 1:
        return jax.nn.sigmoid(logits)
    last = jnp.zeros((*logits.shape[:-1], 1), logits.dtype)
    return jax.nn.softmax(jnp.concatenate([logits, last], axis=-1), axis=-1)[..., :-1]


def check_sees(sees: Any, values: ValueFunction) -> Sees:
    """**Raises:** `ValueError` for what cannot be seen of parameters that are not logits."""
    if sees not in get_args(Sees):
        raise ValueError(f"sees: expected one of {get_args(Sees)}, got {sees!r}")
    logits = isinstance(values, CompiledValue) and values.kernel.parameterisation == "logits"
    if sees == "policies" and not logits:
        raise ValueError(
            f"sees: policies are known of logits, and the parameters of {values.name} are not; "
            "use sees='parameters'"
        )
    return sees


def constant_policy(values: ValueFunction, player: int = 0, start: Any = 0.0) -> ConstantPolicy:
    """A meta-policy that never moves.

    **Arguments:** `start`: its parameters, a number for all or an array of the player's shape.

    **Raises:** `ValueError` for another shape, or numbers that are not finite.
    """
    shape = _shape_of(values, player)
    array = np.asarray(start, float)
    if array.shape not in ((), shape) or not np.isfinite(array).all():
        raise ValueError(f"start: expected finite numbers of shape {shape}, got {start!r}")
    return ConstantPolicy(jnp.array(np.broadcast_to(array, shape)))


def affine_policy(
    values: ValueFunction,
    player: int = 0,
    start: Any = 0.0,
    *,
    sees: Sees = "policies",
    key: Array | None = None,
    scale: float = 0.1,
) -> AffinePolicy:
    """A meta-policy that is affine in what it sees.

    **Arguments:**

    - `start`: the bias, as of [`resolvent.numeric.constant_policy`][].
    - `sees`: `"policies"`, of all players, or `"parameters"`.
    - `key`: weights are normal with standard deviation `scale`; `None` for zeros, a constant to begin with.
    """
    bias = constant_policy(values, player, start).parameters
    shape = (bias.size, _size_of(values))
    weight = jnp.zeros(shape) if key is None else scale * jax.random.normal(key, shape, float)
    return AffinePolicy(weight=weight, bias=bias, sees=check_sees(sees, values))


def network_policy(
    values: ValueFunction,
    player: int = 0,
    *,
    key: Array,
    width: int = 256,
    depth: int = 1,
    sees: Sees = "policies",
) -> NetworkPolicy:
    """A meta-policy by a small network of tanh units. The actor of M-FOS is one layer of 256 that sees policies: the
    default.

    **Arguments:** `key`: of the first weights; `width` and `depth`: of the hidden layers; `sees`: as of
    [`resolvent.numeric.affine_policy`][].
    """
    shape = _shape_of(values, player)
    for name, count in (("width", width), ("depth", depth)):
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name}: expected a whole number from 1, got {count!r}")
    network = eqx.nn.MLP(
        _size_of(values), int(np.prod(shape)), int(width), int(depth), activation=jnp.tanh, key=key
    )
    return NetworkPolicy(network=network, shape=shape, sees=check_sees(sees, values))


def _shape_of(values: Any, player: Any) -> tuple[int, ...]:
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(f"values: expected a ValueFunction, got {type(values).__name__}")
    return values.shapes[check_player(player, values)]


def _size_of(values: ValueFunction) -> int:
    return sum(int(np.prod(shape)) for shape in values.shapes)
