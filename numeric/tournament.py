"""Every learner against every other, in every seat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric import results
from resolvent.numeric.checks import check_count
from resolvent.numeric.cross_table import Tournament
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learning import check_limit, check_start
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.results import RESULTS
from resolvent.numeric.run import norms_of_failed, provenance_of
from resolvent.numeric.seatings import advance_all, seat, settle, values_at

_MOST_SEATINGS = 4096


def tournament(
    values: ValueFunction,
    learners: Mapping[str, AbstractLearner] | Sequence[AbstractLearner],
    start: Sequence[Any] | Array,
    steps: int,
    *,
    batch: int | None = None,
    scale: float = 1.0,
    limit: float | None = None,
    progress: bool | AbstractMeter = False,
) -> Tournament:
    """Let every learner meet every learner, in every seat, from the same starts.

    With k learners and n players there are k^n seatings, each the same as a batch of `learn`, up to rounding:
    all of them advance together, so that only one update per learner and seat is compiled. Both
    (a, b) and (b, a) are played, also where the game is symmetric: what player 1 gets in one is then what
    player 2 gets in the other, up to the random starts.

    **Arguments:**

    - `values`: what the players maximise. The scale matters for rates, as in `learn`.
    - `learners`: by name; or a sequence, named by their classes and what they differ in.
    - `start`, `batch`, `scale`, `limit`: as in [`resolvent.numeric.learn`][]. With a key, the
        starts are drawn once, and are those that `learn` draws from the same key.
    - `steps`: how many steps each run makes.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.Tournament`][]. Runs that diverge are counted and shown, and no
    part of the means. Ctrl-C ends all runs early and returns what is done, as `interrupted`.

    Raises `ValueError` or `TypeError`, naming the argument, for anything that is wrong before the first
    step.
    """
    require_x64()
    if not isinstance(values, ValueFunction):
        raise TypeError(
            f"values: expected a ValueFunction, got {type(values).__name__} "
            "(ValueFunction.wrap makes one of a function)"
        )
    field = _named(learners)
    players, size = values.num_players, len(field)
    if size**players > _MOST_SEATINGS:
        raise ValueError(
            f"learners: {size} of them in {players} seats are {size**players:,} seatings; expected "
            f"at most {_MOST_SEATINGS:,}"
        )
    steps = check_count(steps, "steps", least=0)
    arrays, batched = check_start(start, values, batch, scale)
    for name, rule in field.items():
        _check_playable(values, name, rule, tuple(own[0] if batched else own for own in arrays))
    bound = check_limit(limit, arrays, batched)
    starts = tuple(own if batched else own[None] for own in arrays)
    runs = len(starts[0])
    shape = (*(size,) * players, runs)
    rules = tuple(field.values())

    now = seat(values, rules, starts)
    meter = meter_of(progress)
    meter.open(steps, f"tournament, {values.name}")
    done = 0
    try:
        while done < steps:
            now, done = advance_all(values, rules, now, runs, bound), done + 1
            meter.show(done)
    except KeyboardInterrupt:
        pass
    finally:
        meter.close()
    ended = settle(now.runs, bound)
    finals = np.asarray(values_at(values, ended.last))
    failed_player, beyond = np.asarray(ended.failed_player), np.asarray(ended.beyond)
    # A value may overflow where no parameter does.
    lost = (failed_player < 0) & ~np.isfinite(finals).all(axis=-1)
    codes = np.select(
        [failed_player >= 0, lost],
        [
            np.where(beyond, results.code(RESULTS.diverged), results.code(RESULTS.nonfinite)),
            np.full(len(lost), results.code(RESULTS.nonfinite)),
        ],
        results.code(RESULTS.successful if done == steps else RESULTS.interrupted),
    )
    final = tuple(map(np.asarray, ended.last))
    return Tournament(
        names=tuple(field),
        values=finals.reshape(*shape, players),
        status=results.from_codes(codes.reshape(shape)),
        failed_step=np.asarray(ended.failed_step).reshape(shape),
        failed_player=failed_player.reshape(shape),
        failed_norm=norms_of_failed(final, failed_player).reshape(shape),
        start=tuple(map(np.asarray, starts)),
        steps=steps,
        steps_done=done,
        values_function=values,
        learners=rules,
        provenance=provenance_of(values, rules),
    )


def _named(
    learners: Mapping[str, AbstractLearner] | Sequence[AbstractLearner],
) -> dict[str, AbstractLearner]:
    if not isinstance(learners, (Mapping, Sequence)) or isinstance(learners, str):
        raise TypeError(
            f"learners: expected a mapping of names to learners or a sequence, got {learners!r}"
        )
    own = learners.values() if isinstance(learners, Mapping) else learners
    for rule in own:
        if not isinstance(rule, AbstractLearner):
            raise TypeError(f"learners: expected learners, such as LOLA(rate=1.0), got {rule!r}")
    if not len(learners):
        raise ValueError("learners: expected at least one, got none")
    if isinstance(learners, Mapping):
        for name in learners:
            if not isinstance(name, str) or not name:
                raise ValueError(f"learners: expected names to be text, got {name!r}")
        return dict(learners)
    names = _names(learners)
    if len(set(names)) < len(names):
        raise ValueError(f"learners: expected different ones, got {list(learners)!r}")
    return dict(zip(names, learners, strict=True))


def _names(learners: Sequence[AbstractLearner]) -> list[str]:
    """Their classes, with the fields in which those of one class differ."""
    described = [own.describe() for own in learners]

    def name(own: dict[str, Any]) -> str:
        alike = [other for other in described if other["learner"] == own["learner"]]
        differing = [key for key in own if any(other[key] != own[key] for other in alike)]
        fields = ", ".join(f"{key}={own[key]!r}" for key in differing)
        return f"{own['learner']}({fields})" if fields else own["learner"]

    return [name(own) for own in described]


def _check_playable(
    values: ValueFunction, name: str, rule: AbstractLearner, params: tuple[Array, ...]
) -> None:
    """Let the learner refuse what it cannot play before another has begun."""
    for player in range(values.num_players):
        try:
            rule.check(values, player)
            jax.eval_shape(lambda own, player=player: rule.init(values, own, player), params)
        except (TypeError, ValueError) as error:
            raise type(error)(f"learners[{name!r}]: {error}") from None
