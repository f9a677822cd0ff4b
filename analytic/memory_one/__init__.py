"""Memory-one theory: what a policy enforces, deters and concedes against every opponent, exactly."""

from resolvent.analytic.memory_one.alliances import Alliance as Alliance
from resolvent.analytic.memory_one.alliances import AllianceSet as AllianceSet
from resolvent.analytic.memory_one.alliances import alliance as alliance
from resolvent.analytic.memory_one.classification import classify_policy as classify_policy
from resolvent.analytic.memory_one.condition_record import Conditions as Conditions
from resolvent.analytic.memory_one.discount_set import DiscountInterval as DiscountInterval
from resolvent.analytic.memory_one.discount_set import DiscountSet as DiscountSet
from resolvent.analytic.memory_one.enforceable import EnforceableSet as EnforceableSet
from resolvent.analytic.memory_one.enforceable import enforceable as enforceable
from resolvent.analytic.memory_one.enforcing import enforce as enforce
from resolvent.analytic.memory_one.enforcing import smallest_discount as smallest_discount
from resolvent.analytic.memory_one.equilibrium_discounts import nash_discounts as nash_discounts
from resolvent.analytic.memory_one.equilibrium_discounts import nash_of_averages as nash_of_averages
from resolvent.analytic.memory_one.equilibrium_discounts import (
    subgame_perfect_discounts as subgame_perfect_discounts,
)
from resolvent.analytic.memory_one.exact_lp import Farkas as Farkas
from resolvent.analytic.memory_one.feasible import FeasiblePayoffs as FeasiblePayoffs
from resolvent.analytic.memory_one.feasible import Minmax as Minmax
from resolvent.analytic.memory_one.feasible import feasible_payoffs as feasible_payoffs
from resolvent.analytic.memory_one.linear_relation import LinearRelation as LinearRelation
from resolvent.analytic.memory_one.match_record import MatchTable as MatchTable
from resolvent.analytic.memory_one.match_table import match_moments as match_moments
from resolvent.analytic.memory_one.match_table import match_table as match_table
from resolvent.analytic.memory_one.payoff_region import PayoffRegion as PayoffRegion
from resolvent.analytic.memory_one.payoff_region import payoff_region as payoff_region
from resolvent.analytic.memory_one.policy_class import PolicyClass as PolicyClass
from resolvent.analytic.memory_one.policy_class import Trait as Trait
from resolvent.analytic.memory_one.polygon import Polygon as Polygon
from resolvent.analytic.memory_one.relations import Enforced as Enforced
from resolvent.analytic.memory_one.relations import enforced as enforced
from resolvent.analytic.memory_one.relations import enforced_together as enforced_together
from resolvent.analytic.memory_one.replies import Reply as Reply
from resolvent.analytic.memory_one.theorems import MEMORY_ONE_THEOREMS as MEMORY_ONE_THEOREMS
from resolvent.analytic.memory_one.theorems import MemoryOneTheorem as MemoryOneTheorem
from resolvent.analytic.memory_one.theorems import TheoremCheck as TheoremCheck
from resolvent.analytic.memory_one.zero_determinant import SmallestDiscount as SmallestDiscount
from resolvent.analytic.memory_one.zero_determinant import ZeroDeterminant as ZeroDeterminant
