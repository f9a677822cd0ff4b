"""Runs: compiled values, what they say about a game, learners, and equilibria. Nothing is sampled."""

from resolvent.analytic.value_function import CompiledValue as CompiledValue
from resolvent.analytic.value_function import ValueFunction as ValueFunction
from resolvent.analytic.value_function import require_x64 as require_x64
from resolvent.numeric.learners import LEARNERS as LEARNERS
from resolvent.numeric.learners import LOLA as LOLA
from resolvent.numeric.learners import AbstractLearner as AbstractLearner
from resolvent.numeric.learners import LookAhead as LookAhead
from resolvent.numeric.learners import Naive as Naive
from resolvent.numeric.learning import learn as learn
from resolvent.numeric.loop import joint_update as joint_update
from resolvent.numeric.markov import BestResponse as BestResponse
from resolvent.numeric.markov import advantages as advantages
from resolvent.numeric.markov import best_response as best_response
from resolvent.numeric.markov import occupancy as occupancy
from resolvent.numeric.markov import outcomes as outcomes
from resolvent.numeric.markov import q_values as q_values
from resolvent.numeric.meter import AbstractMeter as AbstractMeter
from resolvent.numeric.results import RESULTS as RESULTS
from resolvent.numeric.run import Run as Run
from resolvent.numeric.tuning import tune as tune
