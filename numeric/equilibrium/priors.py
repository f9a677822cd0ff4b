"""Priors: what players expect of each other before they think it through.

From a prior that is the same in every state, the tracing path of an iterated game provably stays the same in
every state, and ends in an equilibrium of the stage game played for ever. Priors that depend on the state, like
the strategies below or learned policies, lead elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from resolvent.games import IteratedGame, strategies
from resolvent.games.policies import ExactPolicy
from resolvent.games.rational import shorten
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    check_profile,
    game_arrays,
)
from resolvent.numeric.equilibrium.equilibrium import Equilibrium
from resolvent.numeric.run import Run

Prior = str | Sequence[Any] | Run | Equilibrium


def generous_tit_for_tat(game: IteratedGame, player: int) -> ExactPolicy:
    """Cooperate after cooperation, and after defection with the largest probability that leaves no room for
    exploitation in the undiscounted game: the lesser of 1 - (T - R)/(R - S) and (R - P)/(T - P) (Nowak and
    Sigmund, 1992).

    **Arguments:** `game` and `player` as in [`resolvent.games.memory_one`][]; the stage game must be a
    prisoners' dilemma with 2R > T + S.
    """
    reward, sucker, temptation, punishment = _dilemma(game, player, "generous_tit_for_tat")
    share = min(
        1 - (temptation - reward) / (reward - sucker),
        (reward - punishment) / (temptation - punishment),
    )
    if share <= 0:
        raise ValueError("prior: generous_tit_for_tat needs a stage game with 2R > T + S")
    return strategies.memory_one(game, player, start=1, cc=1, cd=share, dc=1, dd=share)


def equalizer(game: IteratedGame, player: int) -> ExactPolicy:
    """Hold the other player's discounted payoff at (R + P)/2, whatever it does (Press and Dyson, PNAS 2012;
    with discounting: Hilbe, Traulsen and Sigmund, GEB 2015).

    **Arguments:** as of `generous_tit_for_tat`.
    """
    reward, _, _, punishment = _dilemma(game, player, "equalizer")
    level = (reward + punishment) / 2
    return _zero_determinant(game, player, "equalizer", Fraction(0), level, Fraction(1, 2))


def extortion(game: IteratedGame, player: int, factor: int | Fraction = 2) -> ExactPolicy:
    """Get `factor` times as much above P as the other player does (Press and Dyson, PNAS 2012).

    **Arguments:** as of `generous_tit_for_tat`, and `factor`: above 1.
    """
    punishment = _dilemma(game, player, "extortion")[3]
    if not factor > 1:
        raise ValueError(f"factor: expected a number above 1, got {factor}")
    share = 1 / Fraction(factor)
    return _zero_determinant(game, player, "extortion", share, punishment, Fraction(0))


PRIORS: dict[str, Callable[[Any, int], ExactPolicy]] = {
    "uniform": strategies.uniform,
    "grim": strategies.grim,
    "win_stay_lose_shift": strategies.win_stay_lose_shift,
    "tit_for_tat": strategies.tit_for_tat,
    "generous_tit_for_tat": generous_tit_for_tat,
    "equalizer": equalizer,
    "extortion": extortion,
}
"""Priors by name: a strategy of an iterated game for each player."""


def read_prior(game: Game, prior: Prior, arrays: GameArrays | None = None) -> Policies:
    """A prior as arrays, one `(S, A_i)` per player.

    **Arguments:**

    - `game`: what is played.
    - `prior`: one of the names in `PRIORS`, for all players; or a sequence with one name or array of
        probabilities for each player; or what was learned or found before: a [`resolvent.numeric.Run`][] of one
        run, or a [`resolvent.numeric.Equilibrium`][].

    **Raises:** `ValueError` for names that are none, strategies that the game does not allow, and arrays that
    are no distributions.
    """
    arrays = game_arrays(game) if arrays is None else arrays
    if isinstance(prior, Run):
        if prior.policies is None:
            raise ValueError(
                "prior: this run has no policies, since its value function is a wrapped one"
            )
        if prior.policies[0].ndim > 2:
            raise ValueError(
                f"prior: expected one run, got {prior.num_runs}; pass [own[k] for own in run.policies], or all of "
                "them to trace_batch"
            )
        prior = prior.policies
    if isinstance(prior, Equilibrium):
        prior = prior.policies
    number = arrays.num_players
    entries: Sequence[Any] = [prior] * number if isinstance(prior, str) else prior
    if not isinstance(entries, Sequence) or len(entries) != number:
        raise ValueError(
            f"prior: expected a name, or one entry for each of {number} players, got {shorten(prior)}"
        )
    return check_profile(
        arrays, [_named(game, arrays, own, i) for i, own in enumerate(entries)], "prior"
    )


def _named(game: Game, arrays: GameArrays, own: Any, player: int) -> Any:
    if not isinstance(own, str):
        return own
    if own not in PRIORS:
        raise ValueError(
            f"prior: expected one of {', '.join(PRIORS)}, or probabilities; got {own!r}"
        )
    if own == "uniform":
        actions = arrays.num_actions[player]
        return jnp.full((arrays.num_states, actions), 1 / actions)
    if not isinstance(game, IteratedGame):
        raise ValueError(
            f"prior: {own} is a strategy of iterated games; give probabilities, `(states, actions)`, for "
            f"{game.name or 'this game'}"
        )
    try:
        return PRIORS[own](game, player)
    except (TypeError, ValueError) as error:
        raise ValueError(f"prior: {own} cannot be played here: {error}") from None


def mixed_with_uniform(game: Game, prior: Prior, share: float) -> Policies:
    """A prior that trembles: with probability `share` players take any action.

    **Arguments:** `game` and `prior` as of `read_prior`; `share` in [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: expected a probability, got {share}")
    return tuple((1 - share) * own + share / own.shape[1] for own in read_prior(game, prior))


def random_priors(game: Game, key: Array, number: int | None = None) -> Policies:
    """Priors drawn uniformly from all distributions, independently in each state.

    **Arguments:** `number`: how many, a leading axis; by default one prior without that axis.
    """
    arrays = game_arrays(game)
    shape = () if number is None else (number,)
    keys = jax.random.split(key, arrays.num_players)
    drawn = [
        jax.random.exponential(own, (*shape, arrays.num_states, actions))
        for own, actions in zip(keys, arrays.num_actions, strict=True)
    ]
    return tuple(own / own.sum(axis=-1, keepdims=True) for own in drawn)


def _dilemma(
    game: IteratedGame, player: int, name: str
) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """R, S, T and P of a player."""
    if not isinstance(game, IteratedGame) or game.num_actions != (2, 2):
        raise ValueError(
            f"prior: {name} needs an iterated game of two players with two actions each"
        )
    table: Any = game.stage.payoffs[player]
    own = table if player == 0 else tuple(zip(*table, strict=True))
    (reward, sucker), (temptation, punishment) = own
    if not temptation > reward > punishment > sucker:
        raise ValueError(
            f"prior: {name} needs a prisoners' dilemma, T > R > P > S; got {temptation}, {reward}, {punishment}, "
            f"{sucker}"
        )
    return reward, sucker, temptation, punishment


def _zero_determinant(
    game: IteratedGame, player: int, name: str, slope: Fraction, level: Fraction, start: Fraction
) -> ExactPolicy:
    """Enforce other - level = slope (own - level): with phi > 0,

    g p = (1, 1, 0, 0) - (1 - g) start + phi (slope (S_own - level) - (S_other - level)).
    """
    reward, sucker, temptation, punishment = _dilemma(game, player, name)
    discount: Any = game.discounts[player]
    own = (reward, sucker, temptation, punishment)
    other = (reward, temptation, sucker, punishment)
    repeat = (1, 1, 0, 0)
    base = [same - (1 - discount) * start for same in repeat]
    lean = [slope * (x - level) - (y - level) for x, y in zip(own, other, strict=True)]
    low, high = Fraction(0), None
    for constant, factor in zip(base, lean, strict=True):
        # 0 <= constant + phi factor <= discount
        if factor == 0:
            if not 0 <= constant <= discount:
                high = Fraction(-1)
            continue
        bounds = sorted((-constant / factor, (discount - constant) / factor))
        low = max(low, bounds[0])
        high = bounds[1] if high is None else min(high, bounds[1])
    if high is None or high < low or high <= 0:
        raise ValueError(f"prior: no {name} exists at discount {discount}: it needs a larger one")
    phi = (low + high) / 2
    chances = [
        (constant + phi * factor) / discount for constant, factor in zip(base, lean, strict=True)
    ]
    cc, cd, dc, dd = chances
    return strategies.memory_one(game, player, start=start, cc=cc, cd=cd, dc=dc, dd=dd)
