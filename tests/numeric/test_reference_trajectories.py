"""Learning agrees with trajectories computed in 60 digits by an independent implementation."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import ValueFunction
from resolvent.numeric.learners import LOLA, LookAhead, Naive
from resolvent.numeric.learning import learn

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "references" / "shaping_reference.json").read_text()
)["games"]

RULES = {
    "nl": Naive,
    "la": LookAhead,
    "lola": LOLA,
    "lola_orig": lambda rate: LOLA(rate, variant="original"),
    "hola1": lambda rate: LOLA(rate, variant="exact"),
}


def values_of(game):
    if game == "ipd_sos":
        return closed_form(prisoners_dilemma().iterated("24/25"), "sum").compile()
    losses = {
        "tandem": lambda x, y: ((x + y) ** 2 - 2 * x, (x + y) ** 2 - 2 * y),
        "hamiltonian": lambda x, y: (x * y, -x * y),
    }[game]
    return ValueFunction.wrap(lambda params: -jnp.stack(losses(*params)), [(), ()], game)


def cases():
    for game, about in REFERENCE.items():
        for start in about["init"]:
            for rule in RULES:
                yield pytest.param(game, start, rule, id=f"{game}-{start}-{rule}")


@pytest.mark.parametrize(("game", "start", "rule"), list(cases()))
def test_trajectory(game, start, rule):
    about = REFERENCE[game]
    values = values_of(game)
    theta0 = np.array(about["init"][start]["theta0"])
    params = tuple(
        own.reshape(shape) for own, shape in zip(np.split(theta0, 2), values.shapes, strict=True)
    )
    run = learn(
        values,
        RULES[rule](float(about["alpha"])),
        params,
        100,
        record=("params", "values"),
        every=1,
    )
    compared = 0
    for steps, expected in about["init"][start]["algos"][rule].items():
        if not expected["reliable_1e-10"]:
            continue
        theta = np.concatenate([np.ravel(own[int(steps)]) for own in run.history["params"]])
        scale = np.maximum(1, np.abs(expected["theta"]))
        np.testing.assert_allclose(theta / scale, expected["theta"] / scale, rtol=0, atol=1e-10)
        np.testing.assert_allclose(
            run.history["values"][int(steps)], -np.array(expected["L"]), rtol=1e-10, atol=1e-10
        )
        compared += 1
    assert compared >= 2


def test_the_reference_is_complete():
    """The loop above would pass on an empty file."""
    assert sorted(REFERENCE) == ["hamiltonian", "ipd_sos", "tandem"]
    flags = [
        record["reliable_1e-10"]
        for about in REFERENCE.values()
        for start in about["init"].values()
        for rule in RULES
        for record in start["algos"][rule].values()
    ]
    assert len(flags) == 4 * 5 * 3
    assert flags.count(False) == 1
