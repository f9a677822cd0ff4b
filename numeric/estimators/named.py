r"""Estimators of gradients by their names, with exact or given critics, as sums of scores times advantages.

With $r_t$ the payoff of round t in the units of the values and C a critic,

| name | $A_t$ | |
|---|---|---|
| `"reinforce"` | $\sum_{k \ge 0} g^k r_k$, for all scores of the trajectory | ends |
| `"reward_to_go"` | $\sum_{k \ge t} g^{k-t} r_k - b(s_t)$ | |
| `"dice"` | the same: its derivative of first order, $b$ its baseline of first order | |
| `"gae"` | $\sum_{k \ge t} (g \tau)^{k-t} \big(r_k + g C(s_{k+1}) - C(s_k)\big)$ | actor-critic at $\tau = 0$ |
| `"loaded_dice"`, `"lvc"` | the same, whatever the decay of scores: it enters at second order | |
| `"exact_advantage"` | $\mathbb{E}[r_t + g C(s_{t+1}) \mid s_t, u_t] - C(s_t)$ | |
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.analytic.value_function import CompiledValue
from resolvent.games.rational import shorten
from resolvent.numeric.estimators.course import Course
from resolvent.numeric.estimators.intended import check_sampled, intended_play, scores
from resolvent.numeric.estimators.score_sums import ScoreSum
from resolvent.numeric.play import Play

Estimator = Literal[
    "reinforce", "reward_to_go", "dice", "gae", "loaded_dice", "lvc", "exact_advantage"
]
Closing = Literal["zero", "critic"]
"""What follows the last round of a finite horizon: nothing, or what the critic says of the last state."""
Exactly = Literal["exact", "endless"]
"""The exact critic of the rounds that remain, and that of play that does not end."""

WITHOUT_CRITIC = ("reinforce", "reward_to_go", "dice")
"""Estimators that read a critic only to close the last round."""


class Ingredients(eqx.Module):
    """What all estimates of one gradient are made of: trajectories of a policy, and the truth about them.

    **Attributes:**

    - `course`: the trajectories.
    - `discount`: of the player whose value it is.
    - `ell`: scores of the player by whose parameters it is, `(1, S, J, d)`.
    - `reward`: of one round, in the units of the values, `(1, S, J)`.
    - `endless`: V, `(1, S)`.
    - `remaining`: V of the rounds that remain, `(T + 1, S)`; where play does not end V, `(1, S)`.
    """

    course: Course
    discount: Float[Array, ""]
    ell: Float[Array, "one states joint size"]
    reward: Float[Array, "one states joint"]
    endless: Float[Array, "one states"]
    remaining: Float[Array, "rows states"]

    @property
    def rounds(self) -> int:
        """The length of the first axis of arrays by round."""
        return 1 if self.course.horizon is None else self.course.horizon


@eqx.filter_jit
def ingredients(
    values: CompiledValue, params: Any, player: int, wrt: int, horizon: int | None
) -> Ingredients:
    """Of the gradient of V_player by the parameters of `wrt`; arguments checked by `check_estimate`."""
    play = intended_play(values, params)
    course = Course(play, horizon)
    discount = play.arrays.discounts[player]
    paid = (1 - discount) * play.arrays.payoffs[player].reshape(1, play.arrays.num_states, -1)
    endless = play.values[player][None]
    remaining = endless
    if horizon is not None:
        rows = course.adding_up(discount, course.mean(paid))
        remaining = jnp.concatenate([rows, jnp.zeros_like(rows[:1])])
    ell = spread(play, scores(values, params, wrt), wrt)
    return Ingredients(course, discount, ell[None], paid, endless, remaining)


def spread(play: Play, table: Float[Array, "states actions ..."], player: int) -> Array:
    """A table of a player's own actions for each joint action, `(S, J, ...)`."""
    states, *actions = play.joint.shape
    along = [1] * len(actions)
    along[player] = actions[player]
    rest = table.shape[2:]
    wide = jnp.broadcast_to(table.reshape(states, *along, *rest), (states, *actions, *rest))
    return wide.reshape(states, -1, *rest)


def score_sum(
    of: Ingredients,
    estimator: str,
    tau: Any = 1.0,
    critic: Any = "exact",
    baseline: Any = None,
    close: str = "zero",
) -> ScoreSum:
    """An estimate by its name, as `score_sums` reads it.

    **Arguments:** see `resolvent.numeric.gradient_moments`; checked by `check_estimate`.
    """
    course = of.course
    rows = critic_rows(of, critic, close)
    if estimator in WITHOUT_CRITIC:
        rows, tau = rows.at[: of.rounds].set(0.0), 1.0
    now, later = (rows, rows) if course.horizon is None else (rows[:-1], rows[1:])
    paid, awaited = of.reward - now[:, :, None], of.discount * later
    if estimator == "exact_advantage":
        paid, awaited, tau = paid + course.ahead(awaited), jnp.zeros_like(awaited), 0.0
    subtracted = baseline_rows(of, baseline, close)
    return ScoreSum(of.discount, of.discount * tau, of.ell, paid, awaited, subtracted)


def critic_rows(of: Ingredients, critic: Any, close: str) -> Float[Array, "rows states"]:
    """What a critic says in each round, `(1, S)` or `(T + 1, S)`: the last row is what closes the last round."""
    if isinstance(critic, str):
        given = of.endless if critic == "endless" or close == "critic" else of.remaining
    else:
        given = _by_round(of, critic)
    if of.course.horizon is None:
        return given
    rows = jnp.broadcast_to(given, of.remaining.shape)
    return rows if close == "critic" else rows.at[-1].set(0.0)


def baseline_rows(of: Ingredients, baseline: Any, close: str) -> Float[Array, "rounds states"]:
    """What is subtracted in each round, `(T, S)`."""
    if isinstance(baseline, str):
        return critic_rows(of, baseline, close)[: of.rounds]
    given = _by_round(of, 0.0 if baseline is None else baseline)
    return jnp.broadcast_to(given, (of.rounds, given.shape[1]))


def _by_round(of: Ingredients, numbers: Any) -> Array:
    """A number, one per state, or one per round and state, as `(1 or T, S)`."""
    array = jnp.asarray(numbers, float)
    return array if array.ndim == 2 else jnp.broadcast_to(array, of.endless.shape[1:])[None]


# What is asked for ----------------------------------------------------------------------------


def check_estimate(
    values: Any,
    *,
    players: tuple[int, ...],
    estimator: str = "gae",
    known: tuple[str, ...] = get_args(Estimator),
    horizon: Any = None,
    tau: Any = 1.0,
    critic: Any = "exact",
    baseline: Any = None,
    close: str = "zero",
) -> CompiledValue:
    """`values`, if moments of such an estimate can be computed.

    **Raises:** `ValueError` otherwise, naming the argument.
    """
    checked = check_sampled(values)
    for player in players:
        if isinstance(player, bool) or player not in range(checked.num_players):
            raise ValueError(
                f"player, wrt: expected whole numbers from 0 to {checked.num_players - 1}, got {shorten(player)}"
            )
    if estimator not in known:
        raise ValueError(f"estimator: expected one of {known}, got {shorten(estimator)}")
    if horizon is not None and (
        isinstance(horizon, bool) or not isinstance(horizon, int) or horizon < 1
    ):
        raise ValueError(f"horizon: expected None or a whole number from 1, got {shorten(horizon)}")
    if close not in get_args(Closing):
        raise ValueError(f"close: expected one of {get_args(Closing)}, got {shorten(close)}")
    if isinstance(tau, (int, float)) and not 0 <= tau <= 1:
        raise ValueError(f"tau: expected a number in [0, 1], got {tau}")
    if critic is None:
        raise ValueError("critic: expected 'exact', 'endless' or numbers, got None")
    states = checked.structure.num_states
    for name, given, more in (("critic", critic, 1), ("baseline", baseline, 0)):
        _check_numbers(name, given, states, horizon, more)
    return checked


def _check_numbers(name: str, given: Any, states: int, horizon: int | None, more: int) -> None:
    if given is None or (isinstance(given, str) and given in get_args(Exactly)):
        return
    shapes = [(), (states,)] + ([] if horizon is None else [(horizon + more, states)])
    if isinstance(given, str) or jnp.shape(given) not in shapes:
        got = shorten(given) if isinstance(given, str) else f"shape {jnp.shape(given)}"
        raise ValueError(
            f"{name}: expected one of {get_args(Exactly)} or numbers of one of the shapes {shapes}, got {got}"
        )
