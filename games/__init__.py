"""What is played: exact, immutable games. Nothing here needs JAX or a solver."""

from resolvent.games.axelrod import axelrod_strategy as axelrod_strategy
from resolvent.games.axelrod import from_axelrod as from_axelrod
from resolvent.games.axelrod import to_axelrod as to_axelrod
from resolvent.games.axelrod_catalogue import AXELROD_STRATEGIES as AXELROD_STRATEGIES
from resolvent.games.axelrod_catalogue import STEWART_PLOTKIN as STEWART_PLOTKIN
from resolvent.games.axelrod_catalogue import AxelrodStrategy as AxelrodStrategy
from resolvent.games.catalogue import CATALOGUE as CATALOGUE
from resolvent.games.catalogue import awkward as awkward
from resolvent.games.catalogue import battle_of_the_sexes as battle_of_the_sexes
from resolvent.games.catalogue import chicken as chicken
from resolvent.games.catalogue import coordination as coordination
from resolvent.games.catalogue import matching_pennies as matching_pennies
from resolvent.games.catalogue import n_player_prisoners_dilemma as n_player_prisoners_dilemma
from resolvent.games.catalogue import prisoners_dilemma as prisoners_dilemma
from resolvent.games.catalogue import public_goods as public_goods
from resolvent.games.catalogue import rock_paper_scissors as rock_paper_scissors
from resolvent.games.catalogue import stag_hunt as stag_hunt
from resolvent.games.controllers import Controller as Controller
from resolvent.games.controllers import with_controllers as with_controllers
from resolvent.games.differentiable import DifferentiableGame as DifferentiableGame
from resolvent.games.differentiable_catalogue import (
    DIFFERENTIABLE_CATALOGUE as DIFFERENTIABLE_CATALOGUE,
)
from resolvent.games.differentiable_catalogue import balduzzi as balduzzi
from resolvent.games.differentiable_catalogue import bilinear as bilinear
from resolvent.games.differentiable_catalogue import consensus_trap as consensus_trap
from resolvent.games.differentiable_catalogue import four_player as four_player
from resolvent.games.differentiable_catalogue import hamiltonian as hamiltonian
from resolvent.games.differentiable_catalogue import (
    hamiltonian_not_zero_sum as hamiltonian_not_zero_sum,
)
from resolvent.games.differentiable_catalogue import impossibility as impossibility
from resolvent.games.differentiable_catalogue import logistic as logistic
from resolvent.games.differentiable_catalogue import lola_trap as lola_trap
from resolvent.games.differentiable_catalogue import (
    lookahead_not_definite as lookahead_not_definite,
)
from resolvent.games.differentiable_catalogue import market as market
from resolvent.games.differentiable_catalogue import nash_not_stable as nash_not_stable
from resolvent.games.differentiable_catalogue import one_shot as one_shot
from resolvent.games.differentiable_catalogue import one_shot_chicken as one_shot_chicken
from resolvent.games.differentiable_catalogue import (
    one_shot_matching_pennies as one_shot_matching_pennies,
)
from resolvent.games.differentiable_catalogue import quadratic as quadratic
from resolvent.games.differentiable_catalogue import sga_trap as sga_trap
from resolvent.games.differentiable_catalogue import stable_not_nash as stable_not_nash
from resolvent.games.differentiable_catalogue import tandem as tandem
from resolvent.games.differentiable_catalogue import ultimatum as ultimatum
from resolvent.games.differentiable_catalogue import (
    zero_sum_not_hamiltonian as zero_sum_not_hamiltonian,
)
from resolvent.games.expressions import sigmoid as sigmoid
from resolvent.games.expressions import softmax as softmax
from resolvent.games.files import from_text as from_text
from resolvent.games.files import read as read
from resolvent.games.files import to_text as to_text
from resolvent.games.files import write as write
from resolvent.games.iterated import IteratedGame as IteratedGame
from resolvent.games.monitoring import Signals as Signals
from resolvent.games.normal_form import NormalForm as NormalForm
from resolvent.games.policies import DynamicGame as DynamicGame
from resolvent.games.policies import ExactPolicy as ExactPolicy
from resolvent.games.policies import absolute_view as absolute_view
from resolvent.games.policies import check_policies as check_policies
from resolvent.games.policies import own_view as own_view
from resolvent.games.rational import Exact as Exact
from resolvent.games.rational import exact as exact
from resolvent.games.stochastic import StochasticGame as StochasticGame
from resolvent.games.strategies import always as always
from resolvent.games.strategies import grim as grim
from resolvent.games.strategies import memory_one as memory_one
from resolvent.games.strategies import tit_for_tat as tit_for_tat
from resolvent.games.strategies import uniform as uniform
from resolvent.games.strategies import win_stay_lose_shift as win_stay_lose_shift
