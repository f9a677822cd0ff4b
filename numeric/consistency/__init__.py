"""Consistent learning: updates that are right if everybody uses them."""

from resolvent.numeric.consistency.affine import AffineUpdate as AffineUpdate
from resolvent.numeric.consistency.collocation import COLLOCATION as COLLOCATION
from resolvent.numeric.consistency.collocation import PolynomialUpdate as PolynomialUpdate
from resolvent.numeric.consistency.collocation import (
    consistent_collocation as consistent_collocation,
)
from resolvent.numeric.consistency.consistent_update import ConsistentUpdate as ConsistentUpdate
from resolvent.numeric.consistency.networks import NetworkUpdate as NetworkUpdate
from resolvent.numeric.consistency.networks import Training as Training
from resolvent.numeric.consistency.networks import consistent_networks as consistent_networks
from resolvent.numeric.consistency.quadratic_solution import (
    ConsistentBranches as ConsistentBranches,
)
from resolvent.numeric.consistency.quadratic_solution import (
    consistent_quadratic as consistent_quadratic,
)
from resolvent.numeric.consistency.residual import ConsistencyLoss as ConsistencyLoss
from resolvent.numeric.consistency.residual import consistency_loss as consistency_loss
from resolvent.numeric.consistency.residual import consistency_residual as consistency_residual
from resolvent.numeric.consistency.residual import update_similarity as update_similarity
from resolvent.numeric.consistency.series import SeriesUpdate as SeriesUpdate
from resolvent.numeric.consistency.series import series_update as series_update
