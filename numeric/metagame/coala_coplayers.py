"""What a shaper takes its co-players to do, checked against the game."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner, as_nonnegative, lookahead_rates
from resolvent.numeric.learners.naive import Naive
from resolvent.numeric.play import check_play
from resolvent.numeric.scan import Memory, check_memory

Objective = Literal["all", "final"]
"""Which episodes count: all of them, or the last only, as in look-ahead methods."""

INSTEAD = "batch=None, the limit of large batches, which needs values only"


class Coplayers(NamedTuple):
    """What a shaper takes its co-players to do.

    **Fields:** `rules`: one learner per player, the shaper's own not used; `rates`: the steps of naive ones, where all
    are naive (what the 1/B correction needs); `batch`: B, or `None` for the limit; `episodes`, `objective`, `memory`,
    `truncate`: as of [`resolvent.numeric.coala_gradient`][].
    """

    rules: tuple[AbstractLearner, ...]
    rates: list[Array]
    batch: Array | None
    episodes: int
    objective: Objective
    memory: Memory
    truncate: int | None


def coplayers_of(
    values: ValueFunction,
    player: int,
    episodes: Any,
    inner_rate: Array | None,
    opponents: AbstractLearner | tuple[AbstractLearner, ...] | None,
    batch: Array | None,
    objective: Any = "all",
    memory: Any = "steps",
    truncate: int | None = None,
) -> Coplayers:
    """The co-players, checked against the game.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    check_count(episodes, "episodes")
    if truncate is not None:
        check_count(truncate, "truncate")
    if objective not in ("all", "final"):
        raise ValueError(f"objective: expected 'all' or 'final', got {objective!r}")
    players = values.num_players
    rates: list[Array] = []
    if opponents is None:
        if inner_rate is None:
            raise ValueError("inner_rate: expected the step of the naive co-players, got None")
        if jnp.ndim(inner_rate) > 0 and jnp.shape(inner_rate) != (players,):
            raise ValueError(
                f"inner_rate: expected a number, or one for each of {players} players, got shape "
                f"{jnp.shape(inner_rate)}"
            )
        rates = lookahead_rates(inner_rate, None, players)
        rules: tuple[AbstractLearner, ...] = tuple(map(Naive, rates))
    else:
        rules = check_opponents(opponents, players)
        for j, rule in enumerate(rules):
            if j != player:
                rule.check(values, j)
    if batch is not None:
        if opponents is not None:
            raise ValueError(
                "batch: the correction is that of naive co-players, whose noise is known; leave out "
                "`opponents`, or `batch`"
            )
        check_play(values, "the 1/B correction of COALA", INSTEAD)
    return Coplayers(rules, rates, batch, episodes, objective, check_memory(memory), truncate)


def check_batch(batch: Any) -> Array:
    """The size of a batch as a number, of at least 1 unless traced.

    **Raises:** `ValueError` for a smaller one.
    """
    number = as_nonnegative(batch)
    if not isinstance(number, Tracer) and not bool(jnp.all(number >= 1)):
        raise ValueError(f"batch: expected at least 1 trajectory, got {batch!r}")
    return number


def check_opponents(opponents: Any, players: int) -> tuple[AbstractLearner, ...]:
    """One learner per player.

    **Raises:** `TypeError` for what is no learner, `ValueError` for another number of them.
    """
    rules = (opponents,) * players if isinstance(opponents, AbstractLearner) else opponents
    if not isinstance(rules, tuple) or not all(isinstance(own, AbstractLearner) for own in rules):
        raise TypeError(f"opponents: expected a learner, or one per player, got {opponents!r}")
    if len(rules) != players:
        raise ValueError(
            f"opponents: expected a learner, or one for each of {players} players, got {len(rules)}"
        )
    return rules
