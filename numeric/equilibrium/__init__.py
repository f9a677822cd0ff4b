"""Equilibria: verified, enumerated, traced and certified. Nothing is sampled."""

from resolvent.numeric.equilibrium.best_replies import BestReplyGraph as BestReplyGraph
from resolvent.numeric.equilibrium.best_replies import best_reply_graph as best_reply_graph
from resolvent.numeric.equilibrium.certificate import CERTIFICATE as CERTIFICATE
from resolvent.numeric.equilibrium.certificate import Certificate as Certificate
from resolvent.numeric.equilibrium.certificate import certify as certify
from resolvent.numeric.equilibrium.equilibrium import EQUILIBRIUM as EQUILIBRIUM
from resolvent.numeric.equilibrium.equilibrium import Equilibrium as Equilibrium
from resolvent.numeric.equilibrium.equilibrium import verify as verify
from resolvent.numeric.equilibrium.equilibrium import polished as polished
from resolvent.numeric.equilibrium.pure import PureEquilibria as PureEquilibria
from resolvent.numeric.equilibrium.pure import pure_equilibria as pure_equilibria
from resolvent.numeric.equilibrium.verification import Regret as Regret
from resolvent.numeric.equilibrium.verification import is_nash as is_nash
from resolvent.numeric.equilibrium.verification import regret as regret
