r"""The last steps to an equilibrium: polishing on the support.

Where the support $I$ of an equilibrium is known, the rest is a square system, in units of one round,

$$ Q_i(s, a) - V_i(s) = 0 \;(a \in I_i(s)), \qquad \sigma_i(s, a) = 0 \;(a \notin I_i(s)), \qquad
   \sum_a \sigma_i(s, a) = 1, $$

which Newton's method solves to rounding. A path ends near an equilibrium, not at it, so that the support is
guessed, in several ways, and a guess is accepted only if what comes out is an equilibrium: probabilities
positive on the support, no action off it better than the value, regret within the tolerance.

On a continuum of equilibria (a pair of equalizers, say) the Jacobian is singular. The step is then that of
Levenberg and Marquardt with a weight that vanishes with the residual, which converges to a point of the
continuum that is close by (Yamashita and Fukushima 2001, Computing Suppl. 15, 239).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from resolvent.numeric.equilibrium.arrays import (
    GameArrays,
    Policies,
    action_values,
    values_of,
)
from resolvent.numeric.equilibrium.verification import (
    normalised,
    one_shot_regret,
)

POLISHED = 1e-12
"""Of the payoff range: the largest one-shot regret that polishing accepts."""

_SUPPORTS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 0.0)
_STEPS = 16
# A step that moves a probability or a value (of a range of 1) farther than this is none to trust.
_LONGEST = 0.5
# An equilibrium farther away than this is another one, and not what the policies were close to.
_FARTHEST = 0.1
# Another support is not looked for when an equilibrium is as close as this.
_CLOSE = 1e-3
# The Newton steps end at this residual, of payoffs from 0 to 1.
_SMALLEST = 1e-16


class Polished(NamedTuple):
    """What came of polishing, in arrays.

    - `policies`: polished, with exact zeros off the support; those given, where nothing was accepted.
    - `values`: `(n, S)`, per round, in the payoffs of the game.
    - `regret`: the largest one-shot regret, as a share of the payoff range.
    - `support`: per player `(S, A_i)`.
    - `accepted`: whether this is an equilibrium to the tolerance.
    - `moved`: how far the farthest probability is from the one given.
    """

    policies: Policies
    values: Float[Array, "players states"]
    regret: Float[Array, ""]
    support: tuple[Bool[Array, "states actions"], ...]
    accepted: Bool[Array, ""]
    moved: Float[Array, ""]


class _Attempt(NamedTuple):
    """What came of one support."""

    policies: Policies
    regret: Float[Array, ""]
    accepted: Bool[Array, ""]
    moved: Float[Array, ""]


@jax.jit
def polish(arrays: GameArrays, policies: Policies, tolerance: float | Array = POLISHED) -> Polished:
    """Take policies that are close to an equilibrium to one, to rounding; may be mapped over all arguments.

    **Arguments:**

    - `arrays`: the game.
    - `policies`: per player `(S, A_i)`, close to an equilibrium (1e-2 or better, as a rule).
    - `tolerance`: of the one-shot regret in every state, as a share of the payoff range.

    **Returns:** a `Polished`. Of several supports that lead to equilibria, the closest one, or one within 1e-3.
    """
    game = normalised(arrays)
    policies = tuple(jnp.clip(own, 0) for own in policies)
    policies = tuple(own / own.sum(axis=1, keepdims=True) for own in policies)
    values = values_of(game, policies)
    slack = [
        v[:, None] - q for v, q in zip(values, action_values(game, policies, values), strict=True)
    ]

    def by_share(least: Array) -> tuple[Array, ...]:
        return tuple(own > least for own in policies)

    # On the support probabilities are large and slacks small, off it the other way round.
    guesses = [tuple(own > gap for own, gap in zip(policies, slack, strict=True))]
    guesses += [by_share(least) for least in jnp.array(_SUPPORTS)]
    # With the best reply among them where the policies are off by more than the probabilities are.
    guesses += [tuple((own > 1e-3) | (gap <= 0) for own, gap in zip(policies, slack, strict=True))]
    most = tuple(jax.nn.one_hot(own.argmax(1), own.shape[1], dtype=bool) for own in policies)
    supports = tuple(
        jnp.stack([guess[i] for guess in guesses]) | own[None] for i, own in enumerate(most)
    )

    def attempt(support: tuple[Array, ...]) -> _Attempt:
        sigma = _solve_on(game, policies, values, support)
        inside = [
            jnp.where(on, own > 0, True).all() for own, on in zip(sigma, support, strict=True)
        ]
        final = tuple(
            jnp.where(on, jnp.clip(own, 0), 0) for own, on in zip(sigma, support, strict=True)
        )
        totals = [own.sum(axis=1, keepdims=True) for own in final]
        final = tuple(own / total for own, total in zip(final, totals, strict=True))
        left = one_shot_regret(game, final).max()
        moved = jnp.stack(
            [abs(own - old).max() for own, old in zip(final, policies, strict=True)]
        ).max()
        accepted = jnp.stack(inside).all() & (left <= tolerance) & (moved <= _FARTHEST)
        return _Attempt(final, left, accepted, moved)

    def next_support(best: _Attempt, support: tuple[Array, ...]) -> tuple[_Attempt, None]:
        def attempt_it() -> _Attempt:
            new = attempt(support)
            better = new.accepted & (new.moved < best.moved)
            return jax.tree.map(lambda own, old: jnp.where(better, own, old), new, best)

        close = best.accepted & (best.moved <= _CLOSE)
        return lax.cond(close, lambda: best, attempt_it), None

    none = _Attempt(policies, jnp.asarray(jnp.inf), jnp.asarray(False), jnp.asarray(jnp.inf))
    best, _ = lax.scan(next_support, none, supports)
    found, kept = best.accepted, best.policies
    before = jnp.stack([-gap.min() for gap in slack]).max()
    return Polished(
        kept,
        values_of(arrays, kept),
        jnp.where(found, best.regret, before),
        tuple(own > 0 for own in kept),
        found,
        jnp.where(found, best.moved, 0.0),
    )


def _solve_on(
    game: GameArrays, policies: Policies, values: Array, support: tuple[Array, ...]
) -> Policies:
    """The policies that solve the square system on a support, as far as the steps lead."""
    start = tuple(jnp.where(on, own, 0) for own, on in zip(policies, support, strict=True))
    start = tuple(own / own.sum(axis=1, keepdims=True) for own in start)
    y, unravel = ravel_pytree((start, values))

    def residual(y: Array) -> Array:
        sigma, values = unravel(y)
        worth = action_values(game, sigma, values)
        rows = [
            jnp.where(on, q - v[:, None], own)
            for q, v, own, on in zip(worth, values, sigma, support, strict=True)
        ]
        sums = jnp.stack([own.sum(axis=1) - 1 for own in sigma])
        return ravel_pytree((rows, sums))[0]

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        y, now, count = state
        size = jnp.linalg.norm(now)
        # Behind a barrier the compiler does not spend its time on products with a constant.
        basis = lax.optimization_barrier(jnp.eye(y.size))
        jacobian = jax.vmap(lambda u: jax.jvp(residual, (y,), (u,))[1], out_axes=1)(basis)
        direct = -jnp.linalg.solve(jacobian, now)
        after = residual(y + direct)
        smaller = jnp.linalg.norm(after) <= jnp.maximum(size / 2, 1e-15)
        trusted = jnp.isfinite(direct).all() & (abs(direct).max() <= _LONGEST) & smaller

        def damped() -> tuple[Array, Array]:
            weight = jnp.maximum(size**2, 1e-14)
            normal = jacobian.T @ jacobian + weight * jnp.eye(y.size)
            own = y - jnp.linalg.solve(normal, jacobian.T @ now)
            return own, residual(own)

        new, left = lax.cond(trusted, lambda: (y + direct, after), damped)
        better = jnp.linalg.norm(left) < size  # also false for NaN
        # A step that is no better is the last.
        count = jnp.where(better, count + 1, _STEPS)
        return jnp.where(better, new, y), jnp.where(better, left, now), count

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        return (state[2] < _STEPS) & (abs(state[1]).max() > _SMALLEST)

    y, _, _ = lax.while_loop(unfinished, step, (y, residual(y), jnp.asarray(0)))
    return unravel(y)[0]
