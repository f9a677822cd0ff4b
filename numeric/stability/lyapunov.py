r"""Lyapunov exponents of learning: whether what learners do can be foretold.

Along a trajectory $y_{t+1} = F(y_t)$ with Jacobians $F'(y_t) Q_t = Q_{t+1} R_{t+1}$ (QR),

$$ \lambda_k = \lim_{T \to \infty} \frac1T \sum_{t \le T} \log |R_t|_{kk}, $$

per step, the largest first. A positive largest exponent of a bounded trajectory is chaos: neighbouring starts part by
the factor $e^{\lambda_1}$ per step. At a stable fixed point they are the logarithms of the sizes of the eigenvalues.

Source: Benettin, Galgani, Giorgilli and Strelcyn 1980, Meccanica 15, 9; Kaplan and Yorke 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learning import check_start
from resolvent.numeric.stability.maps import Learners, joint_map, rules_of


class EXPONENTS(eqx.Enumeration):
    """How far exponents are to be believed; each member is its message, `EXPONENTS[status]`."""

    settled = "the two halves of the trajectory agree on the exponents"
    unsettled = "the two halves of the trajectory differ: more steps are needed"
    nonfinite = "the trajectory left the finite numbers: there are no exponents"


@dataclass(frozen=True, repr=False)
class LyapunovExponents:
    """Lyapunov exponents along a trajectory of learning.

    **Fields:**

    - `exponents`: per step, falling, `(k,)` for k coordinates of parameters and memory.
    - `error`: the largest difference between the exponents of the two halves of the trajectory.
    - `status`: one of [`resolvent.numeric.EXPONENTS`][]: settled where `error` is within the tolerance.
    - `end`: where the trajectory ended, `(k,)`; the parameters come first.
    - `steps`: over how many steps, the transient not counted.
    """

    exponents: NDArray[np.floating]
    error: float
    status: EXPONENTS
    end: NDArray[np.floating]
    steps: int

    @property
    def successful(self) -> bool:
        return bool(self.status == EXPONENTS.settled)

    @property
    def chaotic(self) -> bool:
        """Whether the largest exponent is above 0 by more than its error."""
        return self.successful and bool(self.exponents[0] > self.error)

    @property
    def dimension(self) -> float:
        """The dimension of the attractor as Kaplan and Yorke conjecture it."""
        sums = np.cumsum(self.exponents)
        if not np.isfinite(sums).all():
            return float("nan")
        count = int((sums >= 0).cumprod().sum())
        if count == len(sums):
            return float(count)
        if count == 0:
            return 0.0
        return count + float(sums[count - 1] / -self.exponents[count])

    def __str__(self) -> str:
        shown = ", ".join(f"{own:.5g}" for own in self.exponents[:6])
        more = ", ..." if len(self.exponents) > 6 else ""
        return (
            f"Lyapunov exponents per step over {self.steps:,} steps: {shown}{more} "
            f"(+- {self.error:.1g}); {EXPONENTS[self.status]}"
        )

    def __repr__(self) -> str:
        return f"LyapunovExponents({self.exponents.tolist()})"


def lyapunov_exponents(
    values: ValueFunction,
    learners: Learners,
    start: Any,
    steps: int,
    *,
    transient: int = 100,
    tolerance: float = 1e-2,
) -> LyapunovExponents:
    """The Lyapunov exponents of learning from a start.

    **Arguments:**

    - `values`, `learners`: as of [`resolvent.numeric.learn`][].
    - `start`: one array of parameters per player, or a JAX key.
    - `steps`: over how many steps to average, at least 2.
    - `transient`: how many steps to make before.
    - `tolerance`: the difference between the two halves that counts as settled, per step.

    **Returns:** a [`resolvent.numeric.LyapunovExponents`][].

    **Raises:** `ValueError` or `TypeError`, naming the argument, for anything else.
    """
    require_x64()
    rules = rules_of(values, learners)
    steps = check_count(steps, "steps", least=2)
    transient = check_count(transient, "transient", least=0)
    params, batched = check_start(start, values, None, 1.0)
    if batched:
        raise ValueError("start: expected a single start, without an axis of runs")
    half = steps // 2
    sums, end = _exponents(values, rules, params, jnp.asarray([transient, half, steps - half]))
    first, last = np.asarray(sums)
    both = (first + last) / steps
    order = np.argsort(-both)
    finite = bool(np.isfinite(both).all() and np.isfinite(np.asarray(end)).all())
    error = float(np.abs(first / half - last / (steps - half)).max()) if finite else np.inf
    status = EXPONENTS.settled if error <= tolerance else EXPONENTS.unsettled
    status = status if finite else EXPONENTS.nonfinite
    return LyapunovExponents(both[order], error, status, np.asarray(end), steps)


@eqx.filter_jit
def _exponents(
    values: ValueFunction,
    rules: tuple[AbstractLearner, ...],
    params: tuple[Array, ...],
    lengths: Array,
) -> tuple[Array, Array]:
    """The sums of logarithms in each half, `(2, k)`, and the end."""
    begin, step = joint_map(values, rules, params)
    size = begin.size

    def turn(_: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        y, frame, total = now
        after, push = jax.linearize(step, y)
        moved = jax.vmap(push, in_axes=1, out_axes=1)(frame)
        frame, triangle = jnp.linalg.qr(moved)
        return after, frame, total + jnp.log(jnp.abs(jnp.diagonal(triangle)))

    zero = jnp.zeros(size)
    y, frame, _ = lax.fori_loop(0, lengths[0], turn, (begin, jnp.eye(size), zero))
    y, frame, first = lax.fori_loop(0, lengths[1], turn, (y, frame, zero))
    y, _, last = lax.fori_loop(0, lengths[2], turn, (y, frame, zero))
    return jnp.stack([first, last]), y
