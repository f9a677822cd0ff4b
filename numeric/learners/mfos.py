r"""M-FOS: move to where a meta-policy says, that was trained on how the others learn.

$$ \Delta\theta_i = \mu_\vartheta(\theta) - \theta_i $$
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import AbstractLearner, Info
from resolvent.numeric.learners.stacked import like_entry
from resolvent.numeric.metagame.meta_policy import AbstractMetaPolicy

Tree = Any


def _as_policies(
    policy: AbstractMetaPolicy | Sequence[AbstractMetaPolicy],
) -> AbstractMetaPolicy | tuple[AbstractMetaPolicy, ...]:
    alone = isinstance(policy, AbstractMetaPolicy)
    if not alone and not isinstance(policy, Sequence):
        raise TypeError(_expected(policy))
    for own in (policy,) if alone else policy:
        if not isinstance(own, AbstractMetaPolicy):
            raise TypeError(_expected(own))
    return policy if alone else tuple(policy)


def _expected(found: Any) -> str:
    return (
        "policy: expected a meta-policy, such as train(game, network_policy(values, key=key), steps).policy, "
        f"or one for each player, got {found!r}"
    )


class MFOS(AbstractLearner):
    """M-FOS: play a meta-policy, here among learners of any kind.

    Lu et al. (2022), *Model-free opponent shaping*, arXiv:2205.01447, without noise. The meta-policy is made and
    trained beforehand: `train(meta_game(...), network_policy(...), steps)`. There is no rate: the meta-policy says
    where to go, not how far. It was trained on one game, its scale of values, and the others' rates; with other ones it
    is another player's.

    **Arguments:** `policy`: from the joint parameters to the player's next ones; or one for each player, of which each
    plays its own: for a learner that sits in every seat, as in a tournament.

    Information: `step`, the norm of the update.
    """

    policy: AbstractMetaPolicy | tuple[AbstractMetaPolicy, ...] = eqx.field(converter=_as_policies)

    def _fields(self) -> list[tuple[str, Any]]:
        if isinstance(self.policy, AbstractMetaPolicy):
            return [("policy", type(self.policy).__name__)]
        return [("policy", ", ".join(type(own).__name__ for own in self.policy))]

    def check(self, values: ValueFunction, player: int) -> None:
        if isinstance(self.policy, tuple) and len(self.policy) != values.num_players:
            raise ValueError(
                f"policy: expected a meta-policy for each of {values.num_players} players, got {len(self.policy)}"
            )
        self._of(player).check(values, player)

    def _of(self, player: int) -> AbstractMetaPolicy:
        return self.policy[player] if isinstance(self.policy, tuple) else self.policy

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        arrays = values.stack(params)
        change = like_entry(values, params, player, self._of(player)(arrays) - arrays[player])
        return change, None, {"step": tree.norm(change)}
