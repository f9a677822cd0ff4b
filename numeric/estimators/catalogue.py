"""Estimators by the names that the command line uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from resolvent.numeric.estimators.actor_critic import ActorCritic
from resolvent.numeric.estimators.dice import DiCE
from resolvent.numeric.estimators.estimator import AbstractEstimator
from resolvent.numeric.estimators.evolution_strategies import EvolutionStrategies
from resolvent.numeric.estimators.finite_differences import FiniteDifferences
from resolvent.numeric.estimators.loaded_dice import LoadedDiCE
from resolvent.numeric.estimators.lola_pg import LOLAPolicyGradient
from resolvent.numeric.estimators.reinforce import Reinforce

ESTIMATORS: Mapping[str, Callable[[], AbstractEstimator]] = MappingProxyType(
    {
        "reinforce": Reinforce,
        "reinforce_whole_return": lambda: Reinforce(reward_to_go=False),
        "reinforce_baseline": lambda: Reinforce(critic="exact"),
        "actor_critic": ActorCritic,
        "dice": DiCE,
        "dice_baseline": lambda: DiCE(critic="exact"),
        "mao": LoadedDiCE.mao,
        "loaded_dice": lambda: LoadedDiCE(1.0, 0.0),
        "lvc": lambda: LoadedDiCE.low_variance_curvature(0.0),
        "lola_pg": LOLAPolicyGradient,
        "finite_differences": FiniteDifferences,
        "evolution_strategies": EvolutionStrategies,
    }
)
"""Estimators by name, each without arguments: with exact critics where they have any but `reinforce` and `dice`, which
have none; `loaded_dice` and `lvc` with all of the advantage from the critic."""
