"""Games and policies at which the library is compared with the references."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np

from resolvent.games import IteratedGame, NormalForm

SHAPES = {
    "2x2": ((2, 2), 1),
    "2x3": ((2, 3), 1),
    "3 players": ((2, 2, 2), 1),
    "2x4": ((2, 4), 1),
    "2x2 memory 2": ((2, 2), 2),
}
"""Numbers of actions, and memory."""

DISCOUNTS = (
    Fraction(0),
    Fraction(1, 2),
    Fraction(24, 25),
    1 - Fraction(1, 10**6),
    1 - Fraction(1, 10**9),
)

EPS = Fraction(1, 10**12)
SATURATED = 27.6
"""The logit of 1 - 1e-12, nearly."""


def game(shape: str, discount, seed: int = 0) -> IteratedGame:
    """A game with payoffs that are all different: ties would hide a wrong index."""
    num_actions, memory = SHAPES[shape]
    rng = np.random.default_rng(seed)
    count = len(num_actions) * prod(num_actions)
    payoffs = [Fraction(int(x), 7) for x in rng.permutation(4 * count)[:count] - 2 * count]
    table = np.array(payoffs, dtype=object).reshape(len(num_actions), *num_actions)
    return NormalForm(table).iterated(discount, memory)


def _exact_row(kind: str, count: int, rng) -> tuple[Fraction, ...]:
    if kind == "mixed":
        kind = str(rng.choice(["interior", "near", "deterministic"]))
    if kind == "interior":
        weights = [int(w) for w in rng.integers(1, 20, size=count)]
        return tuple(Fraction(w, sum(weights)) for w in weights)
    chosen = int(rng.integers(count))
    small = EPS if kind == "near" else Fraction(0)
    return tuple(1 - (count - 1) * small if a == chosen else small for a in range(count))


def exact_policies(game: IteratedGame, kind: str, rng) -> tuple:
    """Rows that are interior, near (1 - 1e-12 on one action), deterministic, or mixed."""
    return tuple(
        tuple(_exact_row(kind, count, rng) for _ in range(game.num_states))
        for count in game.num_actions
    )


def exact_direction(game: IteratedGame, rng) -> tuple:
    """A joint policy's tangent: rows that sum to zero."""

    def row(count: int) -> tuple[Fraction, ...]:
        free = [Fraction(int(x), 3) for x in rng.integers(-5, 6, size=count - 1)]
        return (*free, -sum(free, Fraction(0)))

    return tuple(tuple(row(count) for _ in range(game.num_states)) for count in game.num_actions)


def parameters(game: IteratedGame, kind: str, parameterisation: str, rng) -> tuple:
    """The library's parameters, `(S, A_i - 1)` floats per player, of policies of a kind."""

    def logits(count: int) -> np.ndarray:
        own = str(rng.choice(["interior", "near"])) if kind == "mixed" else kind
        if own == "interior":
            return rng.normal(size=count - 1)
        size = SATURATED if own == "near" else np.inf
        chosen = int(rng.integers(count))
        # One action has nearly all the probability; the others' logits differ a little, so that no
        # two of them tie.
        row = np.where(np.arange(count - 1) == chosen, size, 0.0)
        if chosen == count - 1:
            row = row - size
        if own == "near":
            row = row + rng.uniform(-0.5, 0.5, size=count - 1)
        return row

    def probabilities(count: int) -> np.ndarray:
        if kind == "interior":
            return rng.dirichlet(np.ones(count))[:-1]
        return np.array([float(p) for p in _exact_row(kind, count, rng)])[:-1]

    row = logits if parameterisation == "logits" else probabilities
    return tuple(
        np.stack([row(count) for _ in range(game.num_states)]) for count in game.num_actions
    )


def direction(game: IteratedGame, rng) -> tuple:
    """A dense direction in the library's parameters."""
    return tuple(rng.normal(size=(game.num_states, count - 1)) for count in game.num_actions)
