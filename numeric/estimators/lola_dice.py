r"""LOLA-DiCE: one's value where the others' sampled steps lead, differentiated through them.

$$ \theta_j^{(m + 1)} = \theta_j^{(m)} + \eta_{ij} \, \widehat{\nabla_j V_j}
   \big(\theta_i, \theta_{-i}^{(m)}\big) \quad (j \ne i, \; m < K), \qquad
   \Delta\theta_i = \frac{\mathrm d}{\mathrm d \theta_i} \hat V_i\big(\theta_i, \theta_{-i}^{(K)}(\theta_i)\big) $$

Each step has a sample of its own, dealt by the players as they are then, and the last one that of the outer
derivative. The steps depend on $\theta_i$ through the surrogate. The mean is not the exact
derivative, which is not linear in the steps: the bias is of order 1 / N in the number of inner trajectories.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
from jax import Array

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric.checks import check_count, check_player
from resolvent.numeric.estimators.dice import DiCE
from resolvent.numeric.estimators.estimator import (
    Params,
    SurrogateEstimator,
    replaced,
)
from resolvent.numeric.estimators.rollouts import rollout
from resolvent.numeric.estimators.sampled_update import AbstractSampledUpdate
from resolvent.numeric.learners.learner import as_number, lookahead_rates


class LOLADiCE(AbstractSampledUpdate):
    """Foerster et al. (2018), *DiCE*, arXiv:1802.05098, Algorithm 1.

    **Arguments:**

    - `lookahead`: the step size that the others are believed to use; a scalar, or one number per player.
    - `lookaheads`: K, how many steps they take.
    - `surrogate`: of all derivatives: `DiCE()`, or `LoadedDiCE(...)`, which is far less noisy.
    - `inner_batch`: how many trajectories each of their steps has; `None` for as many as one's own.
    """

    lookahead: Array = eqx.field(converter=as_number)
    lookaheads: int = eqx.field(static=True, default=1)
    surrogate: SurrogateEstimator = eqx.field(default=DiCE())
    inner_batch: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        check_count(self.lookaheads, "lookaheads")
        if self.inner_batch is not None:
            check_count(self.inner_batch, "inner_batch")

    def update(
        self,
        values: CompiledValue,
        params: Params,
        key: Array,
        player: int,
        batch: int,
        horizon: int,
    ) -> Array:
        check_player(player, values)
        keys = jax.random.split(key, self.lookaheads + 1)
        steps = lookahead_rates(self.lookahead, None, len(params))

        def objective(own: Array) -> Array:
            joint = replaced(params, {player: own})
            for inner in keys[:-1]:
                joint = self._after_step(values, joint, inner, player, steps, batch, horizon)
            outer = rollout(values, joint, keys[-1], batch, horizon)
            return self.surrogate.objective(values, joint, outer, player)

        return jax.grad(objective)(params[player])

    def rounds(self, num_players: int, batch: int, horizon: int) -> int:
        return horizon * (batch + self.lookaheads * (self.inner_batch or batch))

    def _after_step(
        self,
        values: CompiledValue,
        joint: Params,
        key: Array,
        player: int,
        steps: list[Array],
        batch: int,
        horizon: int,
    ) -> Params:
        """All players' parameters after the others' step, of one sample for all of them."""
        sampled = rollout(values, joint, key, self.inner_batch or batch, horizon)

        def ascent(j: int) -> Array:
            return jax.grad(
                lambda own: self.surrogate.objective(values, replaced(joint, {j: own}), sampled, j)
            )(joint[j])

        return replaced(
            joint, {j: joint[j] + steps[j] * ascent(j) for j in range(len(joint)) if j != player}
        )


def lookahead_gradient(
    values: ValueFunction, params: Params, player: int, lookahead: Any, lookaheads: int = 1
) -> Array:
    """What LOLA-DiCE estimates, exactly: the gradient of one's value where the others have taken exact naive steps,
    through these steps. With one look-ahead it is `LOLA(variant="exact")` at rate 1.

    **Arguments:** `values`: any value function; `params`: arrays; `player`: whose gradient; `lookahead`, `lookaheads`:
    as of [`resolvent.numeric.LOLADiCE`][].

    **Returns:** an array like `params[player]`.
    """
    check_count(lookaheads, "lookaheads")
    steps = lookahead_rates(as_number(lookahead), None, len(params))

    def objective(own: Array) -> Array:
        joint = replaced(params, {player: own})
        for _ in range(lookaheads):
            blocks = values.jacobian(joint)
            joint = replaced(
                joint,
                {j: joint[j] + steps[j] * blocks[j][j] for j in range(len(joint)) if j != player},
            )
        return values(joint)[player]

    return jax.grad(objective)(params[player])
