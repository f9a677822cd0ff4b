r"""SOS: as much of LOLA's shaping term as is compatible with the way that LookAhead goes.

With $L_i$, $S_i$ the look-ahead and the shaping term of [`resolvent.numeric.LOLA`][], and over all players
$\xi = (\nabla_j V_j)_j$, $\xi_0 = (\nabla_j V_j + L_j)_j$, $S = (S_j)_j$,

$$ \Delta\theta_i = \alpha_i \, (\nabla_i V_i + L_i + p \, S_i), \qquad p = \min(p_1, p_2), $$

$$ p_1 = \begin{cases} 1 & \langle S, \xi_0 \rangle \ge 0 \\
   \min\!\big(1, \; a \, \|\xi_0\|^2 \, / \, {-\langle S, \xi_0 \rangle}\big) & \text{otherwise,} \end{cases} \qquad
   p_2 = \begin{cases} \|\xi\|^2 & \|\xi\| < b \\ 1 & \text{otherwise.} \end{cases} $$
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_nonnegative,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.learners.lola import shaping_term
from resolvent.numeric.learners.lookahead import lookahead_term

Tree = Any


class SOS(AbstractLearner):
    """Stable opponent shaping: LookAhead, and of LOLA's shaping the share that does no harm.

    Letcher et al. (2019), *Stable opponent shaping in differentiable games*, arXiv:1811.08469,
    Algorithm 1. Keeps LookAhead's fixed points, at which p is 0, and goes at an acute angle to it:
    the inner product of the two directions is at least 1 - a of LookAhead's squared norm.

    One p is for all players, so a player works out the terms of all. It believes that everybody
    expects of everybody the steps that it expects itself: with one look-ahead for all learners,
    they agree on p, which is then the paper's.

    **Arguments:**

    - `rate`: the step size.
    - `a`: how far shaping may turn the update away from LookAhead's, between 0 (not at all) and 1.
    - `b`: the norm of the joint gradient below which shaping fades out, at least 0. In units of
        values per parameter: on per-round averages in place of discounted sums it means a
        gradient that is larger by 1 / (1 - g).
    - `lookahead`: the step size that the players are believed to use; a scalar, or one number per
        player (its own is what the others are believed to expect of it). Default: `rate`.

    Information: the norms of the player's terms, `gradient`, `lookahead` and `shaping` (look-ahead
    rates included, p not), and the share `p` with the two it is the lesser of, `p1` and `p2`.
    """

    rate: Array = eqx.field(converter=as_number)
    a: Array = eqx.field(converter=as_nonnegative, default=0.5)
    b: Array = eqx.field(converter=as_nonnegative, default=0.1)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        blocks = values.jacobian(params)
        players = range(len(blocks))
        steps = lookahead_rates(self.rate, self.lookahead, len(blocks))
        gradient = [blocks[j][j] for j in players]
        ahead = [lookahead_term(values, params, j, blocks, steps) for j in players]
        shaping = [shaping_term(values, params, j, blocks[j], steps) for j in players]
        anticipating = [tree.add(*pair) for pair in zip(gradient, ahead, strict=True)]

        # Both shares over one denominator, so that p is a quotient: XLA computes a quotient once, and
        # would work out anything else again for every parameter that it multiplies.
        along = tree.inner(shaping, anticipating)
        allowed = self.a.astype(along.dtype) * tree.inner(anticipating, anticipating)
        against = jnp.where(along < 0, -along, 1)
        at_most = jnp.where(along < 0, jnp.minimum(allowed, -along), 1)
        squared = tree.inner(gradient, gradient)
        p2 = jnp.where(squared < self.b.astype(squared.dtype) ** 2, squared, 1)
        p = jnp.minimum(at_most, p2 * against) / against
        info = {
            "gradient": tree.norm(gradient[player]),
            "lookahead": tree.norm(ahead[player]),
            "shaping": tree.norm(shaping[player]),
            "p": p,
            "p1": at_most / against,
            "p2": p2,
        }
        direction = tree.axpy(p, shaping[player], anticipating[player])
        return tree.scale(self.rate, direction), None, info
