"""Equilibria: verified, enumerated, traced and certified. Nothing is sampled."""

from resolvent.numeric.equilibrium.basins import Basins as Basins
from resolvent.numeric.equilibrium.basins import basins as basins
from resolvent.numeric.equilibrium.best_replies import BestReplyGraph as BestReplyGraph
from resolvent.numeric.equilibrium.best_replies import best_reply_graph as best_reply_graph
from resolvent.numeric.equilibrium.bimatrix import extreme_equilibria as extreme_equilibria
from resolvent.numeric.equilibrium.bimatrix import lemke_howson as lemke_howson
from resolvent.numeric.equilibrium.bimatrix import lemke_howson_all as lemke_howson_all
from resolvent.numeric.equilibrium.bimatrix import support_enumeration as support_enumeration
from resolvent.numeric.equilibrium.certificate import CERTIFICATE as CERTIFICATE
from resolvent.numeric.equilibrium.certificate import Certificate as Certificate
from resolvent.numeric.equilibrium.certificate import certify as certify
from resolvent.numeric.equilibrium.continuation import PATHS as PATHS
from resolvent.numeric.equilibrium.continuation import Path as Path
from resolvent.numeric.equilibrium.continuation import Settings as Settings
from resolvent.numeric.equilibrium.continuation import follow as follow
from resolvent.numeric.equilibrium.continuation import follow_many as follow_many
from resolvent.numeric.equilibrium.equilibria import Equilibria as Equilibria
from resolvent.numeric.equilibrium.equilibria import NashSubset as NashSubset
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM as EQUILIBRIUM
from resolvent.numeric.equilibrium.equilibrium import Equilibrium as Equilibrium
from resolvent.numeric.equilibrium.equilibrium import polished as polished
from resolvent.numeric.equilibrium.equilibrium import verify as verify
from resolvent.numeric.equilibrium.linear import linear_trace as linear_trace
from resolvent.numeric.equilibrium.logarithmic import trace as trace
from resolvent.numeric.equilibrium.logarithmic_batch import TracedBatch as TracedBatch
from resolvent.numeric.equilibrium.logarithmic_batch import trace_batch as trace_batch
from resolvent.numeric.equilibrium.logarithmic_path import LogarithmicPath as LogarithmicPath
from resolvent.numeric.equilibrium.logit import LogitBranch as LogitBranch
from resolvent.numeric.equilibrium.logit import logit_branch as logit_branch
from resolvent.numeric.equilibrium.logit import logit_trace as logit_trace
from resolvent.numeric.equilibrium.priors import PRIORS as PRIORS
from resolvent.numeric.equilibrium.priors import mixed_with_uniform as mixed_with_uniform
from resolvent.numeric.equilibrium.priors import random_priors as random_priors
from resolvent.numeric.equilibrium.pure import PureEquilibria as PureEquilibria
from resolvent.numeric.equilibrium.pure import pure_equilibria as pure_equilibria
from resolvent.numeric.equilibrium.pure_payoffs import (
    PureEquilibriumPayoffs as PureEquilibriumPayoffs,
)
from resolvent.numeric.equilibrium.pure_payoffs import PureFamily as PureFamily
from resolvent.numeric.equilibrium.pure_payoffs import (
    pure_equilibrium_payoffs as pure_equilibrium_payoffs,
)
from resolvent.numeric.equilibrium.quantal_response import QuantalResponse as QuantalResponse
from resolvent.numeric.equilibrium.quantal_response import logit_equilibrium as logit_equilibrium
from resolvent.numeric.equilibrium.rationality import RATIONALITY as RATIONALITY
from resolvent.numeric.equilibrium.rationality import RationalityEstimate as RationalityEstimate
from resolvent.numeric.equilibrium.rationality import estimate_rationality as estimate_rationality
from resolvent.numeric.equilibrium.schedule import Schedule as Schedule
from resolvent.numeric.equilibrium.schedule import opponent_schedule as opponent_schedule
from resolvent.numeric.equilibrium.selection import Dominance as Dominance
from resolvent.numeric.equilibrium.selection import bicentric_prior as bicentric_prior
from resolvent.numeric.equilibrium.selection import is_p_dominant as is_p_dominant
from resolvent.numeric.equilibrium.selection import payoff_dominance as payoff_dominance
from resolvent.numeric.equilibrium.selection import risk_dominance as risk_dominance
from resolvent.numeric.equilibrium.solve import nash as nash
from resolvent.numeric.equilibrium.solve import traced_equilibria as traced_equilibria
from resolvent.numeric.equilibrium.tracing_path import TracingPath as TracingPath
from resolvent.numeric.equilibrium.tracing_path import TracingPoint as TracingPoint
from resolvent.numeric.equilibrium.verification import Regret as Regret
from resolvent.numeric.equilibrium.verification import is_nash as is_nash
from resolvent.numeric.equilibrium.verification import regret as regret
