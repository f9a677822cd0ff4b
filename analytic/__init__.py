"""Formulas: derive the value of an iterated game, show it, evaluate it exactly, compile it."""

from resolvent.analytic.consistent_series import Agreement as Agreement
from resolvent.analytic.consistent_series import ConsistentSeries as ConsistentSeries
from resolvent.analytic.consistent_series import consistent_series as consistent_series
from resolvent.analytic.consistent_series import higher_order_lola as higher_order_lola
from resolvent.analytic.derivation import ClosedForm as ClosedForm
from resolvent.analytic.derivation import closed_form as closed_form
from resolvent.analytic.differentiable import DifferentiableForm as DifferentiableForm
from resolvent.analytic.differentiable import ExactQuadratic as ExactQuadratic
from resolvent.analytic.graph import Graph as Graph
from resolvent.analytic.graph import Program as Program
from resolvent.analytic.long_run import LongRun as LongRun
from resolvent.analytic.polynomial import TooLargeToExpandError as TooLargeToExpandError
from resolvent.analytic.rational_function import PoleError as PoleError
from resolvent.analytic.rational_function import RationalFunction as RationalFunction
from resolvent.analytic.report import ProgramReport as ProgramReport
from resolvent.analytic.report import TooLargeToDeriveError as TooLargeToDeriveError
from resolvent.analytic.shaping_terms import Terms as Terms
from resolvent.analytic.shaping_terms import exact_terms as exact_terms
