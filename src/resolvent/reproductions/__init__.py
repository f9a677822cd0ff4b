"""Published tables and figures of opponent shaping, run again: published number, ours, difference.

One module per experiment, with its protocol and its published numbers. `REPRODUCTIONS` maps names to experiments,
which are called: `REPRODUCTIONS["lola_ipd"](quick=True)`. JAX is imported when an experiment first runs.
"""

from resolvent.reproductions.experiments import REPRODUCTIONS as REPRODUCTIONS
from resolvent.reproductions.experiments import Experiment as Experiment
from resolvent.reproductions.record import Curve as Curve
from resolvent.reproductions.record import Reproduction as Reproduction
from resolvent.reproductions.record import Row as Row
