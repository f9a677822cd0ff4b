"""Learners: the rules by which players change their policies. One file each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from resolvent.numeric.learners.adam import Adam as Adam
from resolvent.numeric.learners.advantage_alignment import (
    AdvantageAlignment as AdvantageAlignment,
)
from resolvent.numeric.learners.best_response_dynamics import (
    BestResponseDynamics as BestResponseDynamics,
)
from resolvent.numeric.learners.best_response_shaping import BRS as BRS
from resolvent.numeric.learners.coala import COALA as COALA
from resolvent.numeric.learners.cola import COLA as COLA
from resolvent.numeric.learners.competitive_gradient import (
    CompetitiveGradient as CompetitiveGradient,
)
from resolvent.numeric.learners.consensus_optimization import (
    ConsensusOptimization as ConsensusOptimization,
)
from resolvent.numeric.learners.extra_gradient import ExtraGradient as ExtraGradient
from resolvent.numeric.learners.fictitious_play import FictitiousPlay as FictitiousPlay
from resolvent.numeric.learners.higher_order_lola import HigherOrderLOLA as HigherOrderLOLA
from resolvent.numeric.learners.infinite_order_lola import (
    InfiniteOrderLOLA as InfiniteOrderLOLA,
)
from resolvent.numeric.learners.learner import AbstractLearner as AbstractLearner
from resolvent.numeric.learners.lili import LILI as LILI
from resolvent.numeric.learners.local_symplectic_surgery import (
    LocalSymplecticSurgery as LocalSymplecticSurgery,
)
from resolvent.numeric.learners.lola import LOLA as LOLA
from resolvent.numeric.learners.lookahead import LookAhead as LookAhead
from resolvent.numeric.learners.loqa import LOQA as LOQA
from resolvent.numeric.learners.meva import MeVa as MeVa
from resolvent.numeric.learners.mfos import MFOS as MFOS
from resolvent.numeric.learners.naive import Naive as Naive
from resolvent.numeric.learners.optimistic_gradient import OptimisticGradient as OptimisticGradient
from resolvent.numeric.learners.pola import POLA as POLA
from resolvent.numeric.learners.sga import SGA as SGA
from resolvent.numeric.learners.shaper import PlayShaper as PlayShaper
from resolvent.numeric.learners.shaper import Shaper as Shaper
from resolvent.numeric.learners.sos import SOS as SOS

LEARNERS: Mapping[str, Callable[..., AbstractLearner]] = MappingProxyType(
    {
        "naive": Naive,
        "look_ahead": LookAhead,
        "lola": LOLA,
        "sos": SOS,
        "sga": SGA,
        "consensus_optimization": ConsensusOptimization,
        "extra_gradient": ExtraGradient,
        "optimistic_gradient": OptimisticGradient,
        "competitive_gradient": CompetitiveGradient,
        "higher_order_lola": HigherOrderLOLA,
        "local_symplectic_surgery": LocalSymplecticSurgery,
        "infinite_order_lola": InfiniteOrderLOLA,
        "pola": POLA,
        "coala": COALA,
        "lili": LILI,
        "shaper": Shaper,
        "brs": BRS,
        "loqa": LOQA,
        "advantage_alignment": AdvantageAlignment,
        "best_response_dynamics": BestResponseDynamics,
        "fictitious_play": FictitiousPlay,
    }
)
"""Learners by the name that the command line and files use."""
