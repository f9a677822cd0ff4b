r"""The joint update of learners as one map of one vector, $y \mapsto F(y)$: parameters, and what learners remember."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.loop import joint_update

Tree = Any
Map = Callable[[Float[Array, " k"]], Float[Array, " k"]]
Learners = AbstractLearner | Sequence[AbstractLearner]


def rules_of(values: ValueFunction, learners: Learners) -> tuple[AbstractLearner, ...]:
    """One learner per player, checked.

    **Raises:** `ValueError` or `TypeError` for another number of them, or what is no learner.
    """
    number = values.num_players
    rules = (learners,) * number if isinstance(learners, AbstractLearner) else tuple(learners)
    if len(rules) != number:
        raise ValueError(
            f"learners: expected one for all or one for each of {number} players, got {len(rules)}"
        )
    for player, rule in enumerate(rules):
        if not isinstance(rule, AbstractLearner):
            raise TypeError(
                f"learners[{player}]: expected a learner, such as LOLA(rate=1.0), got {rule!r}"
            )
    return rules


def joint_map(
    values: ValueFunction, rules: Sequence[AbstractLearner], params: tuple[Array, ...]
) -> tuple[Float[Array, " k"], Map]:
    """Where learning begins as a vector, and the map that is one step of it. The parameters come first."""
    states = tuple(rule.init(values, params, i) for i, rule in enumerate(rules))
    begin, back = ravel_pytree((params, states))

    def step(y: Array) -> Array:
        now, memory = back(y)
        updates, after, _ = joint_update(values, rules, now, memory)
        return ravel_pytree((tuple(map(tree.add, now, updates)), after))[0]

    return begin, step


def split(values: ValueFunction, z: Float[Array, " d"]) -> tuple[Array, ...]:
    """Joint parameters z as one array per player."""
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    parts = jax.numpy.split(z, np.cumsum(sizes)[:-1].tolist())
    return tuple(own.reshape(shape) for own, shape in zip(parts, values.shapes, strict=True))


def dimension(values: ValueFunction) -> int:
    """The number of parameters of all players."""
    return sum(int(np.prod(shape)) for shape in values.shapes)


def gradient(values: ValueFunction, z: Float[Array, " d"]) -> Float[Array, " d"]:
    """w: each player's gradient of its own value, in one vector. Values are maximised: in losses it is -w."""
    blocks = values.jacobian(split(values, z))
    return jax.numpy.concatenate([own[i].ravel() for i, own in enumerate(blocks)])


def coordinate_names(values: ValueFunction) -> tuple[str, ...]:
    """Names of the parameters, in the order of z."""
    game = getattr(values, "game", None)
    parameters = getattr(game, "parameters", None)
    if isinstance(parameters, tuple):
        return tuple(name for own in parameters for name in own)
    return tuple(
        f"player {i + 1}, parameter {k + 1}"
        for i, shape in enumerate(values.shapes)
        for k in range(int(np.prod(shape)))
    )
