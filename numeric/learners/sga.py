r"""SGA: the joint gradient, turned by the antisymmetric part of its Jacobian.

With $\xi = (\nabla_j V_j)_j$, its Jacobian $K_{ij} = \nabla^2_{ij} V_i$, and $A = (K - K^\top) / 2$,

$$ \Delta\theta_i = \alpha_i \, (\xi + \lambda A \xi)_i
   = \alpha_i \Big( \nabla_i V_i + \frac{\lambda}{2} \sum_{j \ne i} \nabla_i
     \big\langle \nabla_j V_i - \nabla_j V_j, \bot \nabla_j V_j \big\rangle \Big), $$

and with alignment, for d parameters in all,

$$ \lambda = \lambda_0 \, \mathrm{sign}\Big( \varepsilon
   + \frac{1}{d} \, \langle \xi, K^\top \xi \rangle \, \langle A \xi, K^\top \xi \rangle \Big). $$

In losses, whose joint gradient and Jacobian have the opposite signs, these are $\xi + \lambda A^\top \xi$ and its
$\lambda$ of the same sign.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.joint import joint_gradient, product, size, transposed
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_number

Tree = Any


class SGA(AbstractLearner):
    """Symplectic gradient adjustment: turns into the rotation of the game.

    Balduzzi et al. (2018), *The mechanics of n-player differentiable games*, arXiv:1802.05642;
    alignment as in Letcher et al. (2019), *Differentiable game mechanics*, JMLR 20(84), and in the
    code to *Stable opponent shaping*, arXiv:1811.08469: the inner products are divided by the number
    of parameters (DeepMind's code divides by the number of arrays).

    In two-player zero-sum games without alignment and with weight eta this is LookAhead and original
    LOLA of look-ahead eta; in games with a potential it is naive learning.

    **Arguments:**

    - `rate`: the step size.
    - `weight`: the size of lambda. It multiplies a product of second derivatives with gradients, as
        a look-ahead does.
    - `align`: whether to choose the sign of lambda, so that the update is drawn to stable fixed
        points and away from unstable ones; otherwise it is positive.
    - `epsilon`: draws the sign to positive; 0 lets lambda be 0 at fixed points.

    Information: `gradient` and `adjustment`, the norms of the player's terms, the second without
    lambda, and `lambda`.
    """

    rate: Array = eqx.field(converter=as_number)
    weight: Array = eqx.field(converter=as_number, default=1.0)
    align: bool = eqx.field(static=True, default=True)
    epsilon: Array = eqx.field(converter=as_number, default=0.1)

    def __check_init__(self) -> None:
        if not isinstance(self.align, bool):
            raise ValueError(f"align: expected True or False, got {self.align!r}")

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        gradient = joint_gradient(values, params)
        players = range(len(gradient)) if self.align else (player,)
        adjustment = {j: _adjustment(values, params, j, gradient) for j in players}
        sign: Any = 1
        if self.align:
            pull = tuple(transposed(values, params, j, gradient) for j in players)
            agreement = tree.inner(gradient, pull)
            agreement *= tree.inner(tuple(adjustment.values()), pull) / size(params)
            sign = jnp.sign(agreement + self.epsilon.astype(agreement.dtype))
        norm = tree.norm(gradient[player])
        strength = sign * self.weight.astype(norm.dtype)
        info = {
            "gradient": norm,
            "adjustment": tree.norm(adjustment[player]),
            "lambda": strength,
        }
        direction = tree.axpy(strength, adjustment[player], gradient[player])
        return tree.scale(self.rate, direction), None, info


def _adjustment(values: ValueFunction, params: Tree, player: int, gradient: Tree) -> Tree:
    r"""$(A \xi)_i$; diagonal blocks are symmetric and cancel."""
    along = product(values, params, player, gradient, own=False)
    back = transposed(values, params, player, gradient, own=False)
    return tree.scale(0.5, tree.axpy(-1.0, back, along))
