"""Meta-values: what one would maximise who looks beyond the next step of learning."""

from resolvent.numeric.meta_value.collocation import META_VALUE as META_VALUE
from resolvent.numeric.meta_value.collocation import CollocationMetaValue as CollocationMetaValue
from resolvent.numeric.meta_value.collocation import (
    meta_value_collocation as meta_value_collocation,
)
from resolvent.numeric.meta_value.meta_value import MetaValue as MetaValue
from resolvent.numeric.meta_value.meta_value import bellman_residual as bellman_residual
from resolvent.numeric.meta_value.quadratic import QuadraticMetaValue as QuadraticMetaValue
from resolvent.numeric.meta_value.quadratic import quadratic_meta_value as quadratic_meta_value
from resolvent.numeric.meta_value.temporal_difference import (
    MetaValueSettings as MetaValueSettings,
)
from resolvent.numeric.meta_value.temporal_difference import NetworkMetaValue as NetworkMetaValue
from resolvent.numeric.meta_value.temporal_difference import (
    meta_value_networks as meta_value_networks,
)
from resolvent.numeric.meta_value.unrolled import Tail as Tail
from resolvent.numeric.meta_value.unrolled import UnrolledMetaValue as UnrolledMetaValue
from resolvent.numeric.meta_value.unrolled import horizon_for as horizon_for
from resolvent.numeric.meta_value.unrolled import unrolled_meta_value as unrolled_meta_value
