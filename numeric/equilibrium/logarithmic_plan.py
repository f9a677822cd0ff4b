"""How paths of logarithmic tracing are followed, and what is done where they end: the barrier is taken away on the
support, and what is left is verified."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from resolvent.numeric.equilibrium.arrays import GameArrays, Policies
from resolvent.numeric.equilibrium.continuation import Newton, Settings, follow
from resolvent.numeric.equilibrium.logarithmic_system import (
    BlockTracing,
    DenseTracing,
    Problem,
    TwinTracing,
    policies_on_path,
    problem_of,
    restricted,
    start_of,
)
from resolvent.numeric.equilibrium.polishing import POLISHED, polish
from resolvent.numeric.equilibrium.verification import normalised, one_shot_regret

ETA = 1e-6
"""The weight of the barrier, as a share of the payoff range, that stands for the limit of 0."""

LONG = 4_000
"""The most steps at a weight that is not asked for; then the next of `COARSER` is tried."""

COARSER = (0.1, 1.0)
"""Weights for games whose path at the small one is too long: it has a corner for every change of a support, and turns
back, more often than not, in proportion to their number. A large weight rounds most of them off."""

SUPPORTS = (1.0, 1e-2, 1e2, 1e1)
"""Thresholds of probabilities on the support, in units of the square root of the weight."""

SETTINGS = Settings(
    tolerance=1e-3,
    end_tolerance=1e-9,
    angle=0.7,
    largest_angle=1.2,
    corner=0.1,
    distance=0.3,
    steps=50_000,
)
CAREFUL = Settings(
    tolerance=1e-5,
    end_tolerance=1e-9,
    angle=0.15,
    largest_angle=0.4,
    corner=0.1,
    steps=100_000,
)
"""For paths that were lost with `SETTINGS`."""

_LAST = 1e-6  # the weight at t = 1, where it is taken away on the support
_BLOCKS = 60  # beyond this many unknowns, states are eliminated one by one
_POLISHED_DENSELY = (
    300  # unknowns, up to which the dense polishing of all supports is tried as well
)
_FINER = 6  # how often the weight is divided by 10, at most


class Plan:
    """How paths of one shape are followed."""

    def __init__(self, arrays: GameArrays, mirror: tuple[int, ...] | None) -> None:
        self.num_actions: tuple[int, ...] = arrays.payoffs.shape[-(arrays.discounts.shape[-1]) :]
        states = arrays.initial.shape[-1]
        self.unknowns: int = states * (sum(self.num_actions) + len(self.num_actions))
        self.newton: Newton = DenseTracing()
        if mirror is not None:
            self.newton = TwinTracing(mirror)
        elif states > 1 and self.unknowns > _BLOCKS:
            self.newton = BlockTracing()

    @property
    def polishing(self) -> tuple[Newton, ...]:
        """Newton's steps to polish with, in the order in which they are tried."""
        return (
            (self.newton, DenseTracing())
            if isinstance(self.newton, BlockTracing)
            else (self.newton,)
        )

    def shrink(self, y: Array) -> Array:
        return self.newton.reduce(y) if isinstance(self.newton, TwinTracing) else y

    def grow_all(self, points: Array) -> Array:
        newton = self.newton
        return jax.vmap(newton.expand)(points) if isinstance(newton, TwinTracing) else points

    def grow(self, y: Array) -> Array:
        return self.newton.expand(y) if isinstance(self.newton, TwinTracing) else y


def last_weight(eta: float) -> float:
    return min(eta, _LAST)


def polish_one(
    plan: Plan, arrays: GameArrays, problem: Problem, end: Any, last: Policies
) -> tuple[Policies, float, bool]:
    """Take the barrier away on the support, as several thresholds guess it.

    Rare actions that are played, and actions that are hardly worse than those, look the same to a barrier of some
    weight, but not to one of a smaller weight: as long as no guess is right, it is divided by 10.

    Without a barrier the block of a state is singular where the players' supports there differ in size, which
    they may as long as they do not in all states together: then all states are solved at once.
    """
    y = jnp.asarray(end)
    for _ in range(_FINER):
        policies = tuple(
            jnp.asarray(own[0]) for own in policies_on_path(plan.grow(y)[None], problem)
        )
        for factor in SUPPORTS:
            support = support_of(problem, policies, factor)
            bare = without_barrier(problem, support)
            for newton in plan.polishing[: 2 if factor == 1 else 1]:
                found = follow(None, y, bare, target=1.0, newton=newton, settings=SETTINGS)
                if not found.successful:
                    continue
                pure = _restricted(plan.grow(jnp.asarray(found.end)), bare)
                regret = float(largest_regret(arrays, pure))
                if regret <= POLISHED:
                    return pure, regret, True
        weight = problem.eta[1]
        problem = dataclasses.replace(
            problem, hold=jnp.ones(()), eta=jnp.stack([weight, weight / 10])
        )
        for newton in plan.polishing:
            finer = follow(
                None, y.at[-1].set(0.0), problem, target=1.0, newton=newton, settings=SETTINGS
            )
            if finer.successful:
                y = jnp.asarray(finer.end)
                break
        else:
            break
    if plan.unknowns <= _POLISHED_DENSELY:
        dense = polish(arrays, last)
        return dense.policies, float(dense.regret), bool(dense.accepted)
    return last, float(largest_regret(arrays, last)), False


@jax.jit
def support_of(problem: Problem, policies: Policies, factor: float) -> Policies:
    """Which actions have more probability than their slack, the weight of the barrier over it."""
    return tuple(
        (own >= factor * jnp.sqrt(problem.eta[1] * nu)) | (own == own.max(axis=1, keepdims=True))
        for own, nu in zip(policies, problem.weights, strict=True)
    )


def without_barrier(problem: Problem, support: Policies) -> Problem:
    return dataclasses.replace(problem, support=support, eta=jnp.zeros_like(problem.eta))


_restricted = jax.jit(restricted)


@jax.jit
def prepare(
    arrays: GameArrays, prior: Policies, eta: Array, weights: Policies
) -> tuple[Problem, Array]:
    problem = problem_of(arrays, prior, eta, weights)
    return problem, start_of(problem)


@jax.jit
def largest_regret(arrays: GameArrays, policies: Policies) -> Array:
    return one_shot_regret(normalised(arrays), policies).max()


def check_eta(eta: float | None) -> None:
    if eta is None:
        return
    if isinstance(eta, bool) or not isinstance(eta, (int, float)) or not 1e-10 <= eta <= 1e6:
        raise ValueError(f"eta: expected a number from 1e-10 to 1e6, got {eta!r}")


def check_weights(arrays: GameArrays, weights: Sequence[Any] | None) -> Policies:
    shapes = [(arrays.num_states, number) for number in arrays.num_actions]
    if weights is None:
        return tuple(jnp.ones(shape) for shape in shapes)
    checked = tuple(jnp.asarray(own, float) for own in weights)
    if [own.shape for own in checked] != shapes:
        raise ValueError(
            f"weights: expected arrays of shapes {shapes}, got {[own.shape for own in checked]}"
        )
    if not all(bool((own > 0).all()) and bool(jnp.isfinite(own).all()) for own in checked):
        raise ValueError("weights: expected finite positive numbers")
    return checked
