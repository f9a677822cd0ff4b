r"""Random quadratic games with a stable fixed point: who converges to it.

After Letcher et al. (2019), SOS, arXiv:1811.08469, Theorems 2 and 4. The theorems
say that LookAhead and SOS converge locally to stable fixed points for small steps, and LOLA does not keep
fixed points at all. There is no published table of random games; this is our protocol for the claim, and the theory is
the reference.

- Games: two players with two parameters each; losses $L_i(z) = z^\top M_i z / 2 + b_i^\top z$ with normal $M_i$
  symmetric and $b_i$ zero in the player's own part, so that 0 is a fixed point. The Hessian H of the game (row block i
  of $M_i$) is shifted by a multiple of the identity until its symmetric part is at least 1/2: 0 is stable, and the only
  fixed point.
- Step and look-ahead 0.05, 4000 updates from standard normal starts. For SOS a = 0.5, b = 0.1.
- The expected limit of LOLA solves the linear equation that its update is zero; where the update's multiplier has
  modulus 1 or more there is none. Computed from $M_i$ and $b_i$ by NumPy, apart from the learners.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.numeric import (
    LOLA,
    SOS,
    AbstractLearner,
    AbstractMeter,
    LookAhead,
    Naive,
    ValueFunction,
    joint_update,
    tree,
)
from resolvent.reproductions import measure
from resolvent.reproductions.record import Reproduction, Row

ALPHA = 0.05
SIZE = 2
CLOSE = 1e-6
THEORY = "theory"


class Quadratic(eqx.Module):
    """Losses z' M_i z / 2 + b_i' z, as values."""

    matrices: Array
    vectors: Array

    def __call__(self, params: Any) -> Array:
        z = jnp.concatenate(params)
        return -(0.5 * jnp.einsum("iab,a,b", self.matrices, z, z) + self.vectors @ z)


def draw(key: Any, games: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """(M, b) of random games: `(games, 2, 4, 4)` and `(games, 2, 4)`."""
    first, second = jax.random.split(key)
    square = np.array(jax.random.normal(first, (games, 2, 2 * SIZE, 2 * SIZE), float))
    matrices = (square + np.swapaxes(square, -1, -2)) / 2
    vectors = np.array(jax.random.normal(second, (games, 2, 2 * SIZE), float))
    own = [slice(0, SIZE), slice(SIZE, 2 * SIZE)]
    for player, part in enumerate(own):
        vectors[:, player, part] = 0
    hessian = hessian_of(matrices)
    lowest = np.linalg.eigvalsh((hessian + np.swapaxes(hessian, -1, -2)) / 2)[:, 0]
    shift = np.maximum(0.5 - lowest, 0)[:, None, None] * np.eye(SIZE)
    for player, part in enumerate(own):
        matrices[:, player, part, part] += shift
    return matrices, vectors


def hessian_of(matrices: NDArray[np.floating]) -> NDArray[np.floating]:
    """H: the rows of each player's parameters in its own M_i."""
    return np.concatenate([matrices[:, 0, :SIZE], matrices[:, 1, SIZE:]], axis=1)


def lola_limits(
    matrices: NDArray[np.floating], vectors: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Zeros of LOLA's update, `(games, 4)`, and whether it contracts to them, in Taylor's form.

    In losses the direction is (I - alpha H_o) H z - alpha chi(z), chi_i = H_ji' (M_i z + b_i)_j: affine in z.
    """
    hessian = hessian_of(matrices)
    off = hessian.copy()
    off[:, :SIZE, :SIZE] = 0
    off[:, SIZE:, SIZE:] = 0
    slope = hessian - ALPHA * off @ hessian
    constant = np.zeros(vectors.shape[::2])
    for player, part, other in (
        (0, slice(0, SIZE), slice(SIZE, None)),
        (1, slice(SIZE, None), slice(0, SIZE)),
    ):
        # d^2 L_j / d theta_j d theta_i, transposed: from the other's own loss.
        pull = matrices[:, 1 - player, part, other]
        slope[:, part] -= ALPHA * pull @ matrices[:, player, other]
        constant[:, part] -= ALPHA * np.einsum("gab,gb->ga", pull, vectors[:, player, other])
    limits = -np.linalg.solve(slope, constant[..., None])[..., 0]
    multipliers = np.abs(np.linalg.eigvals(np.eye(2 * SIZE) - ALPHA * slope)).max(1)
    return limits, multipliers < 0.99


@eqx.filter_jit
def _play(
    rule: AbstractLearner, matrices: Array, vectors: Array, starts: Array, steps: Array
) -> Array:
    def one(own: Quadratic, start: Array) -> Array:
        values = ValueFunction.wrap(own, [(SIZE,), (SIZE,)])

        def step(_: Array, params: tuple[Array, ...]) -> tuple[Array, ...]:
            updates = joint_update(values, (rule, rule), params, (None, None))[0]
            return tuple(map(tree.add, params, updates))

        return jnp.concatenate(lax.fori_loop(0, steps, step, (start[:SIZE], start[SIZE:])))

    return jax.vmap(one)(Quadratic(matrices, vectors), starts)


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: fewer games. No bar is shown."""
    games, steps = (16, 2000) if quick else (2048, 4000)
    about, begin = jax.random.split(jax.random.key(seed))
    matrices, vectors = draw(about, games)
    starts = jax.random.normal(begin, (games, 2 * SIZE), float)
    rows: list[Row] = []
    rules = {"Naive": Naive(ALPHA), "LookAhead": LookAhead(ALPHA), "SOS": SOS(ALPHA, 0.5, 0.1)}
    for name, rule in rules.items():
        ends = np.asarray(
            _play(rule, jnp.asarray(matrices), jnp.asarray(vectors), starts, jnp.asarray(steps))
        )
        at_point = np.linalg.norm(ends, axis=1) < CLOSE
        rows.append(
            Row(
                f"{name}: % of games at the stable fixed point",
                100.0,
                100 * float(at_point.mean()),
                source=THEORY,
                remark="for small enough steps",
            )
        )
    limits, contracts = lola_limits(matrices, vectors)
    ends = np.asarray(
        _play(LOLA(ALPHA), jnp.asarray(matrices), jnp.asarray(vectors), starts, jnp.asarray(steps))
    )
    at_point = np.linalg.norm(ends, axis=1) < CLOSE
    gaps = np.linalg.norm(ends - limits, axis=1)[contracts]
    rows += [
        Row(
            "LOLA: % of games at the stable fixed point",
            0.0,
            100 * float(at_point.mean()),
            source=THEORY,
        ),
        Row(
            "LOLA: largest distance from its own limit",
            0.0,
            float(gaps.max()),
            rounding=1e-6,
            source=THEORY,
            remark=f"{int(contracts.sum()):,} of {games:,} games in which it contracts",
        ),
        Row(
            "LOLA: median distance of that limit from the stable fixed point",
            None,
            float(np.median(np.linalg.norm(limits[contracts], axis=1))),
        ),
    ]
    return Reproduction(
        name="sos_random",
        title="Random games with one stable fixed point",
        paper="after Letcher et al. 2019 (SOS), arXiv:1811.08469, Theorems 2 and 4",
        protocol=(
            f"{games:,} random quadratic games, two players with {SIZE} parameters each; the one fixed point is stable",
            f"step and look-ahead {ALPHA}, SOS with a = 0.5, b = 0.1; {steps:,} updates from standard normal starts",
            f"measured: the share of games that end within {CLOSE:g} of the fixed point",
        ),
        rows=tuple(rows),
        remarks=(
            "The paper has no table of random games: the protocol is ours, for its theorems. They are local and for "
            "small steps; in quadratic games without SOS's switches local is global.",
        ),
        quick=quick,
        seed=seed,
        versions=measure.versions(),
    )
