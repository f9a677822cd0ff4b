r"""Best Response Shaping: a leader who knows that the other will respond.

$$ \Delta\theta_i = \alpha_i \, \frac{\mathrm{d}}{\mathrm{d}\theta_i} \Big[ V_i\big(\theta_i, \rho(\theta_i)\big)
   + w \, V_i(\theta_i, \bar\theta_i) \Big], $$

with $\rho(\theta_i)$ the reply of the follower, and $\bar\theta_i$ the same policy in the other seat. In a symmetric
game the second gradient is that of rewards shared with a copy of oneself,

$$ \frac{\mathrm{d}}{\mathrm{d}\theta_i} V_i(\theta_i, \bar\theta_i) =
   \nabla_i \big( V_i + V_j \big)(\theta_i, \bot \bar\theta_i). $$
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from resolvent.analytic import tensor_kernel
from resolvent.analytic.structure import CERTAIN, Structure
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.decision import index_of, replaced, replies_to, worths
from resolvent.numeric.learners.learner import AbstractLearner, Info, as_nonnegative, as_number
from resolvent.numeric.learners.stacked import by_tensors, like_entry
from resolvent.numeric.play import arrays_of, check_play
from resolvent.numeric.soft_best_response import as_temperature, soft_reply

Tree = Any
Reply = Literal["soft", "hard", "logit", "one_shot"]
Ties = Literal["favourable", "adverse"]


class BRS(AbstractLearner):
    """Best Response Shaping: ascend one's value where the other's best response would lead.

    Aghajohari et al. (2024), *Best Response Shaping*, arXiv:2404.06519. Their detective, a network that is trained on
    a buffer of perturbed agents and shown how the agent answers questions, stands in for a best response that cannot
    be computed. Here it is computed, so that none of it makes sense: no questions, no buffer, no noise, no policy
    gradients through the detective. What is left is the objective, with the exact reply to the leader's policy.

    The co-player's parameters do not matter (but to `reply="one_shot"`): the leader learns against what the other
    *would* play. In games of more than two players the replies of one `follower` count, and all others
    keep to their policies. For compiled games with a discount below 1 in which all players see the state.

    **Arguments:**

    - `rate`: the step size.
    - `temperature`: of soft replies, in the units of the values: on per-round averages the same number is
        1 / (1 - g) times as hot as on discounted sums. Not used by `"hard"`.
    - `self_play`: w, the weight of one's value against oneself; for symmetric games of two players. Published with
        a weight of 1; without it the leader extorts.
    - `reply`: how the follower responds, see [`resolvent.numeric.soft_best_response`][].
        `"soft"`, the best policy with entropies, unique and smooth.
        `"hard"`, the best one. The objective has jumps, where the follower is indifferent, and no gradient knows
        of them: the update is exact inside a piece, and says nothing at its border. `stackelberg` finds them.
        `"logit"` and `"one_shot"`, the two other softmax replies.
    - `ties`: which hard reply where several are optimal: the `"favourable"` or the `"adverse"` one, to the leader.
    - `follower`: who responds; of two players, the other one.

    For Adam's steps: `Adam(0.05, BRS(1.0))`.

    Information: the leader's `value` against the reply, the `follower`'s value, the leader's value in `self_play` (0
    with weight 0), the norm of the `gradient`, the `residual` of soft replies, and `margin`, how much the follower
    would lose by its next best action (`"hard"`; 0 is a tie).
    """

    rate: Array = eqx.field(converter=as_number)
    temperature: Array = eqx.field(converter=as_temperature, default=1.0)
    self_play: Array = eqx.field(converter=as_nonnegative, default=0.0)
    reply: Reply = eqx.field(static=True, default="soft")
    ties: Ties = eqx.field(static=True, default="favourable")
    follower: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        for name, choice in {"reply": Reply, "ties": Ties}.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(
                    f"{name}: expected one of {get_args(choice)}, got {getattr(self, name)!r}"
                )

    def check(self, values: ValueFunction, player: int) -> None:
        game = check_play(values, type(self).__name__, "a rule of gradients, such as LOLA")
        self._follower(game, player)
        if self._mirrors:
            check_symmetric(game)

    @property
    def _mirrors(self) -> bool:
        """Whether there is self-play; a weight that is traced may be anything."""
        return isinstance(self.self_play, Tracer) or bool((np.asarray(self.self_play) > 0).any())

    def _follower(self, values: ValueFunction, player: int) -> int:
        if self.follower is None:
            if values.num_players != 2:
                raise ValueError(
                    f"follower: expected one of {values.num_players} players, all of whose co-players keep to "
                    "their policies, got None"
                )
            return 1 - player
        follower = index_of(self.follower, "follower", values.num_players)
        if follower == player:
            raise ValueError(f"follower: expected another player than the leader, got {player}")
        return follower

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        game = by_tensors(check_play(values, type(self).__name__, "a rule of gradients"))
        arrays = values.stack(params)
        gradient, info = self.gradient(game, arrays, player)
        entry = like_entry(values, params, player, gradient)
        info["gradient"] = tree.norm(entry)
        return tree.scale(self.rate, entry), None, info

    def gradient(
        self, values: CompiledValue, arrays: tuple[Array, ...], player: int
    ) -> tuple[Array, Info]:
        """The derivative of the objective by the player's parameters, `(S, A - 1)`, and what there is to say.

        **Arguments:** `arrays`: everyone's parameters, in arrays.
        """
        game, follower = arrays_of(values), self._follower(values, player)
        mirror = mirror_of(values.structure) if self._mirrors else None

        def objective(own: Array) -> tuple[Array, Info]:
            moved = (*arrays[:player], own, *arrays[player + 1 :])
            policies = tensor_kernel.policies_of(values.kernel, moved)
            none = jnp.zeros(())
            info = {"self_play": none, "residual": none, "margin": none}
            if self.reply == "hard":
                found = replies_to(game, policies, follower, player, values.normalise)
                favourable = self.ties == "favourable"
                worth, other = (found.best if favourable else found.worst), found.value
                info["margin"] = jnp.where(found.favourable == found.adverse, found.margin, 0).min()
            else:
                kind = "entropy" if self.reply == "soft" else self.reply
                soft = soft_reply(
                    game, policies, follower, self.temperature, kind, 1, values.normalise
                )
                worth, other = soft.values[player], soft.values[follower]
                info["residual"] = soft.residual
            total, info = worth, {**info, "value": worth, "follower": other}
            if mirror is not None:
                copy = lax.stop_gradient(policies[player])[mirror]
                pair = replaced(policies, 1 - player, copy)
                both = worths(game, pair) @ game.initial
                total = total + self.self_play * both.sum()
                info["self_play"] = both[player]
            return total, info

        (_, info), gradient = jax.value_and_grad(objective, has_aux=True)(arrays[player])
        return gradient, info


def mirror_of(structure: Structure) -> Any:
    """The state that each state is from the other seat, `(S,)`: for CD, DC.

    **Raises:** `ValueError` where exchanging the players does not take states to states.
    """
    actions = structure.num_actions
    targets = structure.targets[:, :, 0]
    known = {0: 0}
    todo = [0]
    fits = len(actions) == 2 and actions[0] == actions[1]
    fits = fits and structure.targets.shape[2] == 1 and bool((structure.chances == CERTAIN).all())
    while fits and todo:
        state = todo.pop()
        for joint, after in enumerate(targets[state]):
            a, b = divmod(joint, actions[1])
            image = int(targets[known[state], b * actions[1] + a])
            if int(after) not in known:
                known[int(after)] = image
                todo.append(int(after))
            fits = fits and known[int(after)] == image
    if not fits or len(known) != len(targets):
        raise ValueError(
            "self_play: expected a symmetric game of two players whose next state is certain, so that a player can "
            "meet itself; use self_play=0"
        )
    return np.array([known[state] for state in range(len(targets))])


def check_symmetric(values: CompiledValue) -> None:
    """Refuse self-play where the seats are not alike.

    **Raises:** `ValueError`, saying so.
    """
    mirror = mirror_of(values.structure)
    game = arrays_of(values)
    first, second = (np.asarray(own) for own in game.payoffs)
    alike = np.array_equal(first, np.swapaxes(second, 1, 2)[mirror])
    alike = alike and game.discounts[0] == game.discounts[1]
    alike = alike and values.structure.trembling[0] == values.structure.trembling[1]
    if not (alike and np.asarray(game.initial)[0] == 1):
        raise ValueError(
            "self_play: expected a game with the same payoffs and discount in both seats, so that a player can meet "
            "itself; use self_play=0"
        )
