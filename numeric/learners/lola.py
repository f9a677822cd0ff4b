r"""LOLA: learning with opponent-learning awareness, in the three forms that go by this name.

With $\bot$ marking what is not differentiated, and

$$ L_i = \sum_{j \ne i} \eta_{ij} \, \nabla_i \big\langle \nabla_j V_i, \bot \nabla_j V_j \big\rangle, \qquad
   S_i = \sum_{j \ne i} \eta_{ij} \, \nabla_i \big\langle \nabla_j V_j, \bot \nabla_j V_i \big\rangle, $$

the look-ahead and the shaping term,

- `taylor`: $\Delta\theta_i = \alpha_i (\nabla_i V_i + L_i + S_i)$, the gradient of $V_i$ after the others' step,
  $V_i(\theta_i, \theta_j + \eta_{ij} \nabla_j V_j(\theta))$, to first order in $\eta$;
- `original`: $\Delta\theta_i = \alpha_i (\nabla_i V_i + S_i)$;
- `exact`: $\Delta\theta_i = \alpha_i \, \mathrm{d} V_i(\theta') / \mathrm{d}\theta_i$ at
  $\theta' = (\theta_i, \theta_j + \eta_{ij} \nabla_j V_j(\theta))$, through the others' step:
  $\alpha_i \big( \nabla_i V_i(\theta') + \sum_{j \ne i} \eta_{ij} \nabla_i \langle \nabla_j V_j(\theta),
  \bot \nabla_j V_i(\theta') \rangle \big)$.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
from jax import Array

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.learners.lookahead import lookahead_term

Tree = Any
Variant = Literal["taylor", "original", "exact"]


class LOLA(AbstractLearner):
    """LOLA: ascend one's value where the others' naive step would lead, and shape that step.

    **Arguments:**

    - `rate`: the step size.
    - `lookahead`: the step size that the others are believed to use; a scalar, or one number per
        player (its own is not used). Default: `rate`.
    - `variant`: which of the three rules of this name.
        `"taylor"`, the full first-order expansion, is used by Letcher et al. (2019), *Stable
        opponent shaping in differentiable games*, arXiv:1811.08469, and Lu et al. (2022),
        *Model-free opponent shaping*, arXiv:2205.01447.
        `"original"`, without the look-ahead term, is the rule of Foerster et al. (2018), *Learning
        with opponent-learning awareness*, arXiv:1709.04326, as published in their code.
        `"exact"` differentiates through the others' step: Foerster et al. (2018), *DiCE*,
        arXiv:1802.05098, with one look-ahead, and the first order of Willi et al. (2022), *COLA*,
        arXiv:2203.04098.

    Information: the norms of the terms, `gradient` (at the point looked ahead to if `"exact"`),
    `lookahead` (`"taylor"` only) and `shaping`, look-ahead rates included.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)
    variant: Variant = eqx.field(static=True, default="taylor")

    def __check_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise ValueError(f"variant: expected one of {get_args(Variant)}, got {self.variant!r}")

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        blocks = values.jacobian(params)
        steps = lookahead_rates(self.rate, self.lookahead, len(blocks))
        target = blocks
        if self.variant == "exact":
            target = values.jacobian(
                tuple(
                    own if j == player else tree.axpy(steps[j], blocks[j][j], own)
                    for j, own in enumerate(params)
                )
            )
        terms = {
            "gradient": target[player][player],
            "shaping": shaping_term(values, params, player, target[player], steps),
        }
        if self.variant == "taylor":
            terms["lookahead"] = lookahead_term(values, params, player, blocks, steps)
        info = {name: tree.norm(term) for name, term in terms.items()}
        return tree.scale(self.rate, tree.add(*terms.values())), None, info


def shaping_term(
    values: ValueFunction, params: Tree, player: int, interest: Tree, steps: list[Array]
) -> Tree:
    r"""$\sum_{j \ne i} \eta_{ij} \nabla_i \langle \nabla_j V_j, \bot u_j \rangle$: how the player
    moves the others' steps, weighted by its interest in them.

    **Arguments:** `interest`: $u_j$, the gradient of the player's own value in $\theta_j$;
    `steps`: $\eta_{ij}$ for each j.
    """
    others = [j for j in range(len(params)) if j != player]
    terms = [tree.scale(steps[j], values.cross(params, j, player, j, interest[j])) for j in others]
    return tree.total(terms, like=params[player])
