r"""Competitive gradient descent: the equilibrium of steps, each the best against the others'.

With $\xi = (\nabla_j V_j)_j$ and the mixed blocks $K_{jk} = \nabla^2_{jk} V_j$ of its Jacobian, $j \ne k$,
player i solves

$$ x_j = \nabla_j V_j + \sum_{k \ne j} \eta_{ik} K_{jk} \, x_k \quad \text{for all } j, \text{ that is} \quad
   x = (I - K_o \, \mathrm{diag}(\eta_i))^{-1} \xi, \qquad \text{and} \qquad \Delta\theta_i = \alpha_i \, x_i. $$

To first order in $\eta$ this is LookAhead.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.joint import joint_gradient, matrix
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_number,
    as_optional_number,
    lookahead_rates,
)

Tree = Any


class CompetitiveGradient(AbstractLearner):
    """Competitive gradient descent: LookAhead at everybody's true step in place of the naive one.

    Schäfer and Anandkumar (2019), *Competitive gradient descent*, arXiv:1905.12103, for any number of
    players. The steps of all players are the Nash equilibrium of the game's second-order expansion
    without the terms in which a player's own parameters meet, each step costing its square over
    twice the rate.

    The equations are solved exactly, by elimination on a matrix with one row per parameter of all
    players, which is filled by second-order products. So no tolerance decides where a run goes, and
    the step is right for large rates too, where the series of the inverse diverges. It is meant for
    up to about a thousand parameters in all: memory grows with their square, time with their cube.

    **Arguments:**

    - `rate`: the step size.
    - `lookahead`: the rates that enter the equations; a scalar, or one number per player, itself
        included. Default: `rate`, which for one rate for all is the paper's method; for several it
        wants `lookahead` to list them.

    Information: `gradient` and `lookahead`, the norms of the player's gradient and of what the
    others' steps add to it.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = joint_gradient(values, params)
        flat, back = ravel_pytree(gradient)
        steps = lookahead_rates(self.rate, self.lookahead, len(gradient))
        expected, _ = ravel_pytree(
            tuple(
                jax.tree.map(lambda leaf, step=step: jnp.full_like(leaf, step), own)
                for step, own in zip(steps, gradient, strict=True)
            )
        )
        reactions = matrix(values, params, diagonal=False) * expected[None, :]
        own = back(jnp.linalg.solve(jnp.eye(flat.size, dtype=flat.dtype) - reactions, flat))[player]
        info = {
            "gradient": tree.norm(gradient[player]),
            "lookahead": tree.norm(tree.axpy(-1.0, gradient[player], own)),
        }
        return tree.scale(self.rate, own), None, info
