r"""COALA: ascend what a policy earns while naive co-players learn from it.

With $\bar J_i$ the sum of the player's values over M episodes, between which its co-players learn
(`resolvent.numeric.metagame.coala`), $w$ the weight of shaping and $p$ the share of co-players who learn naively,

$$ \Delta\theta_i = \alpha \, \big( p \, (G_{\text{cur}} + w \, G_{\text{shape}})
   + (1 - p) \, M \, \nabla_i V_i(\theta) \big). $$

The last term is the gradient of the same sum against co-players who stay as they are between episodes: other
learning-aware players, of whom only the partial derivative is taken.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_nonnegative,
    as_number,
    as_optional_number,
)
from resolvent.numeric.learners.stacked import like_entry
from resolvent.numeric.metagame.coala import parts, sensitivity
from resolvent.numeric.metagame.coala_coplayers import (
    Coplayers,
    Objective,
    check_batch,
    coplayers_of,
)
from resolvent.numeric.scan import Memory

Tree = Any


def _as_batch(batch: Any) -> Array | None:
    return None if batch is None else check_batch(batch)


def _as_share(share: Any) -> Array:
    number = as_number(share)
    if not isinstance(number, Tracer) and not bool(jnp.all((number >= 0) & (number <= 1))):
        raise ValueError(f"naive_share: expected a number from 0 to 1, got {share!r}")
    return number


def _as_starts(starts: Any) -> tuple[Array, ...] | None:
    return None if starts is None else tuple(map(as_number, starts))


class COALA(AbstractLearner):
    """COALA-PG: ascend the sum of one's values over episodes in which the others learn naively from one's policy.

    Meulemans et al. (2024), *Multi-agent cooperation through learning-aware policy gradients*, arXiv:2410.18636,
    Theorem 3.1 and Eq. 17, without sampling: what its estimator is on average. Any number of players and actions; all
    co-players learn at the same time, and in this player's imagination only: what they really do is up to the learners
    that they are given in `learn`. With `episodes=2` and `objective="final"` it is `LOLA(variant="exact")`.

    What the paper says of variance, of critics and of sequence models is about estimators and has no counterpart here.
    That M-FOS's estimator weighs the shaping part less has one: its expectation has the direction of
    `shaping_weight=1/B`.

    **Arguments:**

    - `rate`: the step size, on the sum over episodes, in units of the values.
    - `episodes`: M, how many are counted; naive co-players make M - 1 steps in them. The sum in Eq. 17 of the paper
        begins at 0 and has one more than its M.
    - `inner_rate`: the step of naive co-players, a number or one per player (its own is not used). On per-round
        averages this is the effective step, on discounted sums the effective step is `inner_rate / (1 - g)`. Default:
        `rate`.
    - `shaping_weight`: 1 for COALA; 1/B for estimators that take no notice of the batch, M-FOS's among them (whose
        expectation is B times as long: multiply `rate` by B as well).
    - `batch`: B, for the correction of what batches of B trajectories change, to **first order** in 1/B and with
        exact advantages; it says nothing at large steps. Default: `None`, the limit. Only for naive co-players in
        games with states.
    - `naive_share`: p, the probability that the co-players are naive. With 1 - p they are like this player, and stay
        as they are between episodes.
    - `naive_starts`: where naive co-players start, one array `(starts, *shape)` per player (its own is not used): the
        mean over the starts is taken. Default: where the co-players are.
    - `opponents`: whom to shape in place of naive learners; one learner, or one per player.
    - `objective`: `"all"` episodes, or the `"final"` one only: the look-ahead methods of Eq. 4, with M - 1
        look-aheads.
    - `memory`: what the backward pass through the episodes keeps, as of `unrolled_meta_value`.
    - `truncate`: derivatives go through windows of this many episodes; `None` for all.

    Information: the norms of the parts `current` and `shaping` (of the mean over starts), the `value` of the sum, its
    `correction` by the batch, and `sensitivity`, how much the co-players' end moves with their start: from about
    1e8 on (LOLA learners reach 1e34 in 100 steps) the digits of the shaping part mean nothing.
    """

    rate: Array = eqx.field(converter=as_number)
    episodes: int = eqx.field(static=True, default=10)
    inner_rate: Array | None = eqx.field(converter=as_optional_number, default=None)
    shaping_weight: Array = eqx.field(converter=as_nonnegative, default=1.0)
    batch: Array | None = eqx.field(converter=_as_batch, default=None)
    naive_share: Array = eqx.field(converter=_as_share, default=1.0)
    naive_starts: tuple[Array, ...] | None = eqx.field(converter=_as_starts, default=None)
    opponents: AbstractLearner | tuple[AbstractLearner, ...] | None = None
    objective: Objective = eqx.field(static=True, default="all")
    memory: Memory = eqx.field(static=True, default="steps")
    truncate: int | None = eqx.field(static=True, default=None)

    @classmethod
    def preset(
        cls,
        values: CompiledValue,
        effective_step: float = 5.0,
        rate: float = 0.005,
        **settings: Any,
    ) -> COALA:
        """The analytic iterated prisoner's dilemma of the paper, appendix to its Eq. 17: payoffs 1, -1, 2, 0, discount
        19/20, naive step 5 (10 for one look-ahead), rate 0.005 (of AdamW, which this learner is without).

        The paper does not print whether its values are per round. Its findings hold if the *effective* step, on
        per-round averages, is 5, and not if it is 5 on discounted sums, which would be 100: so `inner_rate` is set
        to `effective_step` on averages and to `(1 - g) * effective_step` on sums.

        **Arguments:** `settings`: further ones of this learner; 20 episodes if they do not say.
        """
        if not isinstance(values, CompiledValue):
            raise TypeError(
                "values: expected those of a compiled game, whose discount is known, got "
                f"{type(values).__name__}"
            )
        inner = jnp.full(values.num_players, as_number(effective_step))
        if values.normalise == "sum":
            inner = inner * values.numbers.delta[np.array(values.structure.groups)]
        settings.setdefault("episodes", 20)
        return cls(rate, inner_rate=inner, **settings)

    def __check_init__(self) -> None:
        # Of one player all but the number of players can be checked already.
        several = isinstance(self.opponents, tuple)
        if self.opponents is not None and not (
            isinstance(self.opponents, AbstractLearner)
            or (several and all(isinstance(own, AbstractLearner) for own in self.opponents))
        ):
            raise TypeError(
                f"opponents: expected a learner, or a tuple of one per player, got {self.opponents!r}"
            )

    def _fields(self) -> list[tuple[str, Any]]:
        fields = dict(super()._fields())
        if self.naive_starts is not None:
            fields["naive_starts"] = [own.shape for own in self.naive_starts]
        if self.opponents is not None:
            fields["opponents"] = repr(self.opponents)
        return list(fields.items())

    def check(self, values: ValueFunction, player: int) -> None:
        self._coplayers(values, player)
        if self.naive_starts is None:
            return
        shapes = [own.shape for own in self.naive_starts]
        wanted = [
            (shapes[0][0] if shapes and shapes[0] else "starts", *own) for own in values.shapes
        ]
        if shapes != wanted:
            raise ValueError(
                f"naive_starts: expected one array per player, of shapes {wanted}, got {shapes}"
            )

    def _coplayers(self, values: ValueFunction, player: int) -> Coplayers:
        inner = self.rate if self.inner_rate is None else self.inner_rate
        return coplayers_of(
            values,
            player,
            self.episodes,
            inner,
            self.opponents,
            self.batch,
            self.objective,
            self.memory,
            self.truncate,
        )

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        coplayers = self._coplayers(values, player)
        arrays = values.stack(params)

        def against(joint: tuple[Array, ...]) -> tuple[Any, Array]:
            return parts(values, joint, player, coplayers), sensitivity(
                values, joint, player, coplayers
            )

        if self.naive_starts is None:
            (value, correction, (current, shaping)), steepness = against(arrays)
        else:

            def start(others: tuple[Array, ...]) -> tuple[Any, Array]:
                return against((*others[:player], arrays[player], *others[player + 1 :]))

            found, steep = jax.vmap(start)(self.naive_starts)
            value, correction, (current, shaping) = jax.tree.map(
                lambda own: own.mean(axis=0), found
            )
            steepness = steep.max()
        counted = 1 if self.objective == "final" else self.episodes
        alike = tree.scale(
            (1 - self.naive_share) * counted, values.jacobian(params)[player][player]
        )
        shaped = tree.scale(self.naive_share, tree.axpy(self.shaping_weight, shaping, current))
        direction = tree.add(like_entry(values, params, player, shaped), alike)
        info = {
            "current": tree.norm(current),
            "shaping": tree.norm(shaping),
            "value": value,
            "correction": correction,
            "sensitivity": steepness,
        }
        own = arrays[player].dtype
        info = {name: number.astype(own) for name, number in info.items()}
        return tree.scale(self.rate, direction), None, info
