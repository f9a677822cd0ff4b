"""Learners: the rules by which players change their policies. One file each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from resolvent.numeric.learners.learner import AbstractLearner as AbstractLearner
from resolvent.numeric.learners.lola import LOLA as LOLA
from resolvent.numeric.learners.lookahead import LookAhead as LookAhead
from resolvent.numeric.learners.naive import Naive as Naive

LEARNERS: Mapping[str, Callable[..., AbstractLearner]] = MappingProxyType(
    {"naive": Naive, "look_ahead": LookAhead, "lola": LOLA}
)
"""Learners by the name that the command line and files use."""
