r"""Newton's step for the stationary play of many states: by states, or by one dense decomposition.

Policies of a state meet in that state alone, and states are coupled by values alone. With $x_s$ the unknowns of
state s, the last of which are its values, $V_s = E x_s$, with $D_s$ their own block and $C_s$ the derivatives by
the values that follow, Newton's step $D_s \, dx_s + \sum_t C_{st} E \, dx_t + b_s \, dt = -H_s$ is one small solve
per state and one system in the values:

$$ dV_s + E D_s^{-1} \Big( \sum_t C_{st} \, dV_t + b_s \, dt \Big) = - E D_s^{-1} H_s . $$
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from resolvent.numeric.equilibrium.continuation import Linearisation, eliminate, solve_bordered


class Blocks(eqx.Module):
    """Equations and their derivatives, with m unknowns and as many equations in each of S states.

    **Attributes:**

    - `off`: the equations, `(S, m)`.
    - `by_t`: their derivatives by the parameter, `(S, m)`.
    - `local`: by the unknowns of the same state, `(S, m, m)`; the last n of these are the values of the players.
    - `moves`: per player by its values that follow, `(S, k_i, S)`: of its k_i equations, which are the first ones,
        player by player; others do not depend on values that follow.
    """

    off: Float[Array, "states unknowns"]
    by_t: Float[Array, "states unknowns"]
    local: Float[Array, "states unknowns unknowns"]
    moves: tuple[Float[Array, "states equations states"], ...]

    @property
    def spans(self) -> list[slice]:
        """The equations of each player that depend on values that follow."""
        ends = [0]
        for own in self.moves:
            ends.append(ends[-1] + own.shape[1])
        return [slice(first, last) for first, last in zip(ends[:-1], ends[1:], strict=True)]


def dense(blocks: Blocks) -> tuple[Float[Array, " n"], Float[Array, "n n+1"]]:
    """The equations and their Jacobian, with the parameter last."""
    states, width = blocks.off.shape
    matrix = jnp.eye(states)[:, None, :, None] * blocks.local[:, :, None, :]
    base = width - len(blocks.moves)
    for i, (span, moves) in enumerate(zip(blocks.spans, blocks.moves, strict=True)):
        matrix = matrix.at[:, span, :, base + i].add(moves)
    size = states * width
    matrix = matrix.reshape(size, size)
    return blocks.off.ravel(), jnp.concatenate([matrix, blocks.by_t.reshape(-1, 1)], axis=1)


def solve_densely(blocks: Blocks, row: Float[Array, " n+1"]) -> Linearisation:
    """Newton's step by one dense decomposition: for few unknowns, and where blocks of states are singular.

    **Arguments:** `row`: what borders the Jacobian.
    """
    off, jacobian = dense(blocks)
    return solve_bordered(jacobian, row, off)


def solve_by_states(blocks: Blocks, row: Float[Array, " n+1"]) -> Linearisation:
    """Newton's step by one small inverse for each state, and one system in the values of all.

    **Arguments:** `row`: what borders the Jacobian.
    """
    states, width = blocks.off.shape
    number = len(blocks.moves)
    base = width - number
    identity = jnp.broadcast_to(jnp.eye(width), (states, width, width))
    inverse, signs, logarithms, conditions = jax.vmap(eliminate)(blocks.local, identity)
    border = row[:-1].reshape(states, width)

    def coupled(left: Array) -> Array:
        """Of rows (S, k, m) times C: (S, k, S, n)."""
        terms = [
            jnp.einsum("ska,sat->skt", left[:, :, at], moves)
            for at, moves in zip(blocks.spans, blocks.moves, strict=True)
        ]
        return jnp.stack(terms, axis=3)

    size = states * number
    reading = inverse[:, base:]
    schur = jnp.eye(size) + coupled(reading).reshape(size, size)
    across = jnp.einsum("sm,smk->sk", border, inverse)
    along = coupled(across[:, None])[:, 0].sum(axis=0).ravel()
    column = jnp.einsum("skm,sm->sk", reading, blocks.by_t).ravel()
    corner = row[-1] - (across * blocks.by_t).sum()
    matrix = jnp.block([[schur, column[:, None]], [-along[None], corner[None, None]]])

    def right(off: Array, bordered: Array) -> Array:
        """Right-hand sides of the system in the values, from those of all equations."""
        top = jnp.einsum("skm,sm->sk", reading, off).ravel()
        return jnp.append(top, bordered - (across * off).sum())

    none = jnp.zeros_like(blocks.off)
    columns = jnp.stack([right(-blocks.off, jnp.zeros(())), right(none, jnp.ones(()))], axis=1)
    found, sign, logarithm, condition = eliminate(matrix, columns)
    rest = none[:, blocks.spans[-1].stop :]

    def back(off: Array, solution: Array) -> Array:
        after, dt = solution[:-1].reshape(states, number), solution[-1]
        terms = [moves @ after[:, i] for i, moves in enumerate(blocks.moves)]
        coupling = jnp.concatenate([*terms, rest], axis=1)
        own = jnp.einsum("smk,sk->sm", inverse, off - coupling - blocks.by_t * dt)
        return jnp.append(own.ravel(), dt)

    return Linearisation(
        back(-blocks.off, found[:, 0]),
        back(none, found[:, 1]),
        sign * signs.prod(),
        logarithm + logarithms.sum(),
        jnp.maximum(condition, conditions.max()),
    )
