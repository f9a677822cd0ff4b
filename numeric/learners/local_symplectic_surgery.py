r"""Local symplectic surgery: takes rotation out of the joint gradient, near its zeros.

With $\xi = (\nabla_j V_j)_j$ and its Jacobian $K_{ij} = \nabla^2_{ij} V_i$, diagonal blocks included,

$$ \Delta\theta_i = \frac{\alpha_i}{2} \, \big(\xi + K^\top K^{-1} \xi\big)_i, \qquad
   \text{and with damping } \delta \qquad \frac{\alpha_i}{2} \,
   \big(\xi + K^\top (K^\top K + \delta I)^{-1} K^\top \xi\big)_i. $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.joint import joint_gradient, matrix
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number, as_optional_number

Tree = Any


class LocalSymplecticSurgery(AbstractLearner):
    """Local symplectic surgery: zeros of the joint gradient attract only if they are local equilibria.

    Mazumdar, Jordan and Sastry (2019), *On finding local Nash equilibria (and only local Nash
    equilibria) in zero-sum games*, arXiv:1901.00838; without damping the rule in the code to Letcher et
    al. (2019), *Stable opponent shaping in differentiable games*, arXiv:1811.08469 (which damps by 0.1
    where the determinant is zero to the last bit, and nowhere else: rounding decides).

    The Jacobian, one row per parameter of all players, is filled by second-order products and
    eliminated. Where it is close to singular, as where a player's choice does not matter, the rule
    without damping is large and sensitive to rounding; where it is singular, a run ends with the status
    that says so.

    **Arguments:**

    - `rate`: the step size.
    - `damping`: delta, in units of squared second derivatives. Default: none.

    Information: `gradient` and `surgery`, the norms of the player's gradient and of the second term.
    """

    rate: Array = eqx.field(converter=as_number)
    damping: Array | None = eqx.field(converter=as_optional_number, default=None)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = joint_gradient(values, params)
        flat, back = ravel_pytree(gradient)
        jacobian = matrix(values, params, diagonal=True)
        if self.damping is None:
            newton = jnp.linalg.solve(jacobian, flat)
        else:
            damping = self.damping.astype(flat.dtype) * jnp.eye(flat.size, dtype=flat.dtype)
            newton = jnp.linalg.solve(jacobian.T @ jacobian + damping, jacobian.T @ flat)
        surgery = back(jacobian.T @ newton)[player]
        own = gradient[player]
        info = {"gradient": tree.norm(own), "surgery": tree.norm(surgery)}
        return tree.scale(self.rate, tree.scale(0.5, tree.add(own, surgery))), None, info
