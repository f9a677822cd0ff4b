r"""From parameters to policies, with derivatives that keep their digits.

Logits fix the last action's logit at 0, so that two actions give $p = \sigma(\theta)$, $1 - p = \sigma(-\theta)$.
Both are returned: 1 - p formed afterwards has lost the digits that a nearly deterministic policy
needs. JAX's own rule for the derivative, p (1 - p), loses them too; here it is

$$ \dot\pi_a = \pi_a \sum_b \pi_b (\dot\theta_a - \dot\theta_b), $$

products of exact probabilities and a difference of tangents.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

Parameterisation = Literal["logits", "policies"]
Row = tuple[Array, ...]


@jax.custom_jvp
def softmax_row(logits: Row) -> Row:
    """Probabilities of all actions from the logits of all but the last; scalars in, scalars out."""
    if len(logits) == 1:
        return jax.nn.sigmoid(logits[0]), jax.nn.sigmoid(-logits[0])
    shift = jnp.zeros_like(logits[0])
    for logit in logits:
        shift = jnp.maximum(shift, logit)
    # An infinite logit, of a deterministic row, is its own distance 0 from the largest.
    gaps = [jnp.where(logit == shift, 0, logit - shift) for logit in logits]
    weights = [*map(jnp.exp, gaps), jnp.exp(-shift)]
    norm = sum(weights[1:], weights[0])
    return tuple(weight / norm for weight in weights)


@softmax_row.defjvp
def _softmax_row_jvp(primals: tuple[Row], tangents: tuple[Row]) -> tuple[Row, Row]:
    row = softmax_row(*primals)
    return row, _row_tangent(row, tangents[0])


def _row_tangent(row: Row, moves: Row) -> Row:
    if len(moves) == 1:
        change = row[0] * row[1] * moves[0]
        return change, -change
    change = []
    for a in range(len(moves)):
        spread = row[-1] * moves[a]
        for b in range(len(moves)):
            if b != a:
                spread = spread + row[b] * (moves[a] - moves[b])
        change.append(row[a] * spread)
    # Not minus the sum of the others: that would cancel where the last action is rare.
    mean = row[0] * moves[0]
    for a in range(1, len(moves)):
        mean = mean + row[a] * moves[a]
    return *change, -row[-1] * mean


@jax.custom_jvp
def complement(free: Row) -> Array:
    """One minus the probabilities of all actions but the last, rounded once.

    `1 - (a + b)` would round a + b first, and a last action of probability 1e-12 would keep four
    digits: enough to change the value when the discount is near one. So the roundings are carried
    along (Knuth's two-sum, The Art of Computer Programming, vol. 2, section 4.2.2).
    """
    if len(free) == 1:
        return 1.0 - free[0]
    rest, lost = _two_sum(jnp.ones_like(free[0]), -free[0])
    for entry in free[1:]:
        rest, more = _two_sum(rest, -entry)
        lost = lost + more
    return rest + lost


@complement.defjvp
def _complement_jvp(primals: tuple[Row], tangents: tuple[Row]) -> tuple[Array, Array]:
    (moves,) = tangents
    return complement(*primals), -sum(moves[1:], moves[0])


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b as rounded, and what rounding lost. XLA would cancel (a + b) - a, hence the barriers."""
    rounded = lax.optimization_barrier(a + b)
    from_b = lax.optimization_barrier(rounded - a)
    return rounded, (a - lax.optimization_barrier(rounded - from_b)) + (b - from_b)


def policy_row(parameters: Row, parameterisation: Parameterisation) -> Row:
    """One state's action probabilities from its parameters."""
    if not parameters:  # a single action: nothing to choose (of no precision of its own)
        return (jnp.asarray(1.0),)
    if parameterisation == "logits":
        return softmax_row(parameters)
    return *parameters, complement(parameters)


def row_gradient(row: Row, weight: Array, gains: Row, parameterisation: Parameterisation) -> Row:
    """The chain rule from probabilities to parameters.

    **Arguments:**

    - `row`: the action probabilities.
    - `weight`: a factor of the whole row.
    - `gains`: for each action but the last, the derivative of the value along moving probability
        from the last action to it.
    """
    if parameterisation == "policies" or not gains:
        return tuple(weight * gain for gain in gains)
    if len(gains) == 1:  # the factors that all values share first
        return (weight * (row[0] * row[1]) * gains[0],)
    return tuple(weight * change for change in _row_tangent(row, gains)[:-1])


def logits_of(policy: Array) -> Array:
    """The logits of a policy: inverse of the above, infinite where a probability is 0.

    **Arguments:** `policy`, `(..., A)` row-stochastic. **Returns:** `(..., A - 1)`.
    """
    gaps = jnp.log(policy[..., :-1]) - jnp.log(policy[..., -1:])
    return jnp.where(policy[..., :-1] == 0, -jnp.inf, gaps)
