"""Sampled estimators of derivatives, and how far they are from the truth: the only place that samples."""

from resolvent.numeric.estimators.actor_critic import ActorCritic as ActorCritic
from resolvent.numeric.estimators.alignment_bias import AlignmentLimit as AlignmentLimit
from resolvent.numeric.estimators.alignment_bias import alignment_limit as alignment_limit
from resolvent.numeric.estimators.benchmark import benchmark as benchmark
from resolvent.numeric.estimators.benchmark_cells import BenchmarkCell as BenchmarkCell
from resolvent.numeric.estimators.benchmark_cells import BreakEven as BreakEven
from resolvent.numeric.estimators.benchmark_cells import ExactCost as ExactCost
from resolvent.numeric.estimators.benchmark_record import Benchmark as Benchmark
from resolvent.numeric.estimators.catalogue import ESTIMATORS as ESTIMATORS
from resolvent.numeric.estimators.critics import AbstractCritic as AbstractCritic
from resolvent.numeric.estimators.critics import ExactCritic as ExactCritic
from resolvent.numeric.estimators.critics import GivenCritic as GivenCritic
from resolvent.numeric.estimators.critics import NoCritic as NoCritic
from resolvent.numeric.estimators.custom import CustomEstimator as CustomEstimator
from resolvent.numeric.estimators.dice import DiCE as DiCE
from resolvent.numeric.estimators.downstream import Downstream as Downstream
from resolvent.numeric.estimators.downstream import downstream as downstream
from resolvent.numeric.estimators.estimated import Estimated as Estimated
from resolvent.numeric.estimators.estimator import AbstractEstimator as AbstractEstimator
from resolvent.numeric.estimators.estimator import Experience as Experience
from resolvent.numeric.estimators.estimator import SurrogateEstimator as SurrogateEstimator
from resolvent.numeric.estimators.evolution_strategies import (
    EvolutionStrategies as EvolutionStrategies,
)
from resolvent.numeric.estimators.finite_differences import FiniteDifferences as FiniteDifferences
from resolvent.numeric.estimators.hessian_limits import HessianLimit as HessianLimit
from resolvent.numeric.estimators.hessian_limits import hessian_limit as hessian_limit
from resolvent.numeric.estimators.learned_critic import learned_critic as learned_critic
from resolvent.numeric.estimators.loaded_dice import LoadedDiCE as LoadedDiCE
from resolvent.numeric.estimators.lola_dice import LOLADiCE as LOLADiCE
from resolvent.numeric.estimators.lola_dice import lookahead_gradient as lookahead_gradient
from resolvent.numeric.estimators.lola_pg import LOLAPolicyGradient as LOLAPolicyGradient
from resolvent.numeric.estimators.lola_pg import SampledLOLA as SampledLOLA
from resolvent.numeric.estimators.moments import GradientMoments as GradientMoments
from resolvent.numeric.estimators.moments import gradient_covariance as gradient_covariance
from resolvent.numeric.estimators.moments import gradient_moments as gradient_moments
from resolvent.numeric.estimators.optimal_baseline import OptimalBaseline as OptimalBaseline
from resolvent.numeric.estimators.optimal_baseline import optimal_baseline as optimal_baseline
from resolvent.numeric.estimators.reinforce import Reinforce as Reinforce
from resolvent.numeric.estimators.rollouts import Trajectories as Trajectories
from resolvent.numeric.estimators.rollouts import sample as sample
from resolvent.numeric.estimators.sampled_alignment import SampledAlignment as SampledAlignment
from resolvent.numeric.estimators.sampled_loqa import SampledLOQA as SampledLOQA
from resolvent.numeric.estimators.sampled_update import (
    AbstractSampledUpdate as AbstractSampledUpdate,
)
from resolvent.numeric.estimators.sampled_values import SampledValues as SampledValues
