"""No learner converges in one zero-sum game and none diverges: Letcher (2020), arXiv:2005.12649.

Loss xy - x^2/2 + y^2/2 + x^4/4 - y^4/4 of player 1, the opposite of player 2. The one critical point, the origin, is
unstable (eigenvalues -1 +- i), and all is repelled from infinity as well: whatever avoids unstable points cannot
converge. As in the notebook `aletcher/impossibility-global-convergence`: alpha = 0.01, 3000 updates, SOS with
a = b = 0.5, consensus optimisation with weight 0.01, SGA aligned without epsilon. From (0.5, -0.3). Nothing is random.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from resolvent.numeric import (
    LOLA,
    SGA,
    SOS,
    AbstractLearner,
    AbstractMeter,
    CompetitiveGradient,
    ConsensusOptimization,
    ExtraGradient,
    LookAhead,
    Naive,
    OptimisticGradient,
    ValueFunction,
    learn,
)
from resolvent.reproductions import measure
from resolvent.reproductions.record import Curve, Reproduction, Row
from resolvent.reproductions.toys import no_convergence

ALPHA = 0.01
STEPS = 3000
START = (0.5, -0.3)
SOURCE = "notebook, run"
# The least and the greatest radius over steps 2001 to 3000, over all rules of the notebook but SGA; SGA's.
RADII = (1.06, 1.25)
SGA_RADII = (0.84, 1.23)


def rules() -> dict[str, AbstractLearner]:
    """The notebook's learners, with its hyper-parameters."""
    return {
        "Naive": Naive(ALPHA),
        "LookAhead": LookAhead(ALPHA),
        "LOLA": LOLA(ALPHA),
        "SOS": SOS(ALPHA, 0.5, 0.5),
        "ConsensusOptimization": ConsensusOptimization(ALPHA, 0.01),
        "ExtraGradient": ExtraGradient(ALPHA),
        "OptimisticGradient": OptimisticGradient(ALPHA),
        "CompetitiveGradient": CompetitiveGradient(ALPHA),
        "SGA": SGA(ALPHA, epsilon=0.0),
    }


def _radius(values: ValueFunction, params: tuple[Array, ...]) -> dict[str, Array]:
    return {"radius": jnp.hypot(*params)}


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: Naive, SOS and SGA, which are the extreme ones."""
    values = no_convergence()
    least, greatest = {}, {}
    curves: list[Curve] = []
    for name, rule in rules().items():
        if quick and name not in ("Naive", "SOS", "SGA"):
            continue
        played = learn(values, rule, START, STEPS, record=_radius, progress=progress)
        if played.steps_done < STEPS:
            raise KeyboardInterrupt
        radius = played.history["radius"]
        late = radius[2001:]
        least[name], greatest[name] = float(late.min()), float(late.max())
        curves.append(Curve(name, played.history["step"].astype(float), radius))
    others = [name for name in least if name != "SGA"]
    extremes = (
        ("least radius of all but SGA", RADII[0], min(least[name] for name in others)),
        ("greatest radius of all but SGA", RADII[1], max(greatest[name] for name in others)),
        ("least radius of SGA", SGA_RADII[0], least["SGA"]),
        ("greatest radius of SGA", SGA_RADII[1], greatest["SGA"]),
    )
    rows = [
        Row(what, published, number, rounding=0.005, source=SOURCE)
        for what, published, number in extremes
    ]
    for name in others:
        rows.append(Row(f"{name}, least radius", None, least[name], rounding=0.005))
        rows.append(Row(f"{name}, greatest radius", None, greatest[name], rounding=0.005))
    return Reproduction(
        name="impossibility",
        title="A zero-sum game in which nothing converges",
        paper="Letcher 2020, arXiv:2005.12649",
        protocol=(
            "zero-sum loss xy - x^2/2 + y^2/2 + x^4/4 - y^4/4, from (0.5, -0.3); nothing is random",
            "alpha 0.01, 3000 updates; SOS with a = b = 0.5, consensus with weight 0.01, SGA without epsilon",
            "measured: the least and the greatest distance from the origin over steps 2001 to 3000; "
            "published are the bounds of all rules but SGA at once, and those of SGA",
        ),
        rows=tuple(rows),
        remarks=(
            "A radius that stays between two positive bounds has neither converged nor diverged: every rule goes "
            "round for ever.",
            "The notebook's alternating gradient descent is not a rule of simultaneous updates and is left out.",
        ),
        quick=quick,
        seed=seed,
        curves=tuple(curves),
        axes=("step", "distance from the origin"),
        versions=measure.versions(),
    )
