r"""The equations of logit quantal responses, and Newton's step along a branch of them.

With $\rho$ the prior and advantages in units of one round,

$$ \log \frac{\sigma_i(s,a)}{\rho_i(s,a)} - \sum_b \sigma_i(s,b) \log \frac{\sigma_i(s,b)}{\rho_i(s,b)}
   = \lambda \, \big( Q_i(s, a) - V_i(s) \big), \qquad \sum_a \sigma_i(s,a) = 1 . $$

Policies are followed as $z = \operatorname{arsinh} \log \sigma$ over $\operatorname{arsinh} \lambda$: what goes to
infinity, $\log \sigma$ of actions that are given up, and $\lambda$, then goes there on straight lines of slope 1,
and what stays, stays. Values are those of the policies, one linear solve; Newton's step has them as unknowns, so
that it is one by blocks of states.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.numeric.equilibrium.arrays import (
    GameArrays,
    Policies,
    action_values,
    expected,
    expected_pair,
    follows,
    moves_of,
    values_of,
)
from resolvent.numeric.equilibrium.blocks import Blocks, solve_by_states
from resolvent.numeric.equilibrium.continuation import DenseNewton, Linearisation, Newton


class LogitProblem(eqx.Module):
    """What a branch depends on.

    **Attributes:**

    - `arrays`: the game, payoffs in the unit of the branch and from 0 up.
    - `prior`: log-probabilities per player, `(S, A_i)`.
    - `ranges`: the payoff range of each player in that unit, `(n,)`.
    - `tolerance`: of the one-shot regret, as a share of the payoff range, at which the branch ends.
    """

    arrays: GameArrays
    prior: Policies
    ranges: Float[Array, " players"]
    tolerance: Float[Array, ""]

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The shapes `(S, A_i)` of policies."""
        return tuple((own.shape[0], own.shape[1]) for own in self.prior)

    @property
    def newton(self) -> Newton:
        """Newton's step: by states where there are several."""
        return BlockLogit() if self.arrays.num_states > 1 else DenseNewton(logit_residual)


def logit_start(problem: LogitProblem) -> Float[Array, " unknowns+1"]:
    """The point of the branch at lambda = 0, which is the prior."""
    free = [np.arcsinh(np.asarray(own)).ravel() for own in problem.prior]
    return jnp.asarray(np.concatenate([*free, np.zeros(1)]))


def _split(y: Array, shapes: tuple[tuple[int, int], ...]) -> tuple[Array, ...]:
    ends = np.cumsum([states * actions for states, actions in shapes])
    parts = jnp.split(y[:-1], ends[:-1])
    return tuple(own.reshape(shape) for own, shape in zip(parts, shapes, strict=True))


def worth_of(arrays: GameArrays, policies: Policies) -> tuple[Array, tuple[Array, ...]]:
    """Values `(n, S)` and action values of a profile."""
    if arrays.num_states > 1:
        values = values_of(arrays, policies)
    else:  # what follows is what is
        values = jnp.stack([expected(own, policies, None) for own in arrays.payoffs])
    return values, action_values(arrays, policies, values)


def logit_residual(y: Float[Array, " unknowns+1"], problem: LogitProblem) -> Array:
    """The equations of a branch, one per state, player and action.

    Of each A equations, weighted by the policy, advantages cancel and the sum of probabilities is left.
    """
    free = _split(y, problem.shapes)
    logs = [jax.nn.log_softmax(jnp.sinh(own), axis=1) for own in free]
    values, worth = worth_of(problem.arrays, tuple(jnp.exp(own) for own in logs))
    rows = []
    for z, log, prior, value, q in zip(free, logs, problem.prior, values, worth, strict=True):
        odds = log - prior
        mean = (jnp.exp(log) * odds).sum(axis=1, keepdims=True)
        excess = jax.nn.logsumexp(jnp.sinh(z), axis=1, keepdims=True)
        row = odds - mean - jnp.sinh(y[-1]) * (q - value[:, None]) + excess
        # In units of z: a scale of rows, that Newton's method is not to differentiate.
        rows.append((row / lax.stop_gradient(jnp.cosh(z))).ravel())
    return jnp.concatenate(rows)


def _blocks(y: Array, problem: LogitProblem) -> Blocks:
    """The equations and those of the values, `V - sum_a sigma Q = 0`, player by player, with their derivatives by
    z, by the values and by arsinh lambda."""
    arrays = problem.arrays
    players = range(arrays.num_players)
    free = _split(y, problem.shapes)
    logs = [jax.nn.log_softmax(jnp.sinh(own), axis=1) for own in free]
    sigma = tuple(jnp.exp(own) for own in logs)
    scales = [jnp.cosh(own) for own in free]
    values, worth = worth_of(arrays, sigma)
    strength, growth = jnp.sinh(y[-1]), jnp.cosh(y[-1])
    off, by_t, local, moves = [], [], [], []
    for i in players:
        q, value, share = worth[i], values[i][:, None], sigma[i]
        discount = arrays.discounts[i]
        odds = logs[i] - problem.prior[i]
        odds -= (share * odds).sum(axis=1, keepdims=True)
        excess = jax.nn.logsumexp(jnp.sinh(free[i]), axis=1, keepdims=True)
        acting = (1 - discount) * arrays.payoffs[i] + discount * follows(arrays, values[i])
        columns = []
        for j in players:
            if i == j:
                own = jnp.eye(q.shape[1])[None] - (share * odds)[:, None, :]
                change = share * (q - value)
            else:
                pair = expected_pair(acting, sigma, i, j)
                gain = sigma[j][:, None, :] * (pair - q[:, :, None])
                own = -strength * gain
                change = (share[:, :, None] * gain).sum(axis=1)
            rows = jnp.concatenate([own / scales[i][:, :, None], -change[:, None, :]], axis=1)
            columns.append(rows * scales[j][:, None, :])
        by_value = jnp.concatenate([strength / scales[i], jnp.ones_like(value)], axis=1)
        columns.append(by_value[:, :, None] * (jnp.arange(arrays.num_players) == i)[None, None])
        local.append(jnp.concatenate(columns, axis=2))
        row = odds - strength * (q - value) + excess
        off.append(jnp.concatenate([row / scales[i], jnp.zeros_like(value)], axis=1))
        by_t.append(
            jnp.concatenate([-growth * (q - value) / scales[i], jnp.zeros_like(value)], axis=1)
        )
        after = discount * moves_of(arrays, sigma, i)
        mean = jnp.einsum("sa,sat->st", share, after)
        later = -strength * after / scales[i][:, :, None]
        moves.append(jnp.concatenate([later, -mean[:, None]], axis=1))
    return Blocks(
        jnp.concatenate(off, axis=1),
        jnp.concatenate(by_t, axis=1),
        jnp.concatenate(local, axis=1),
        tuple(moves),
    )


@dataclasses.dataclass(frozen=True)
class BlockLogit:
    """Newton's step by states: one small inverse for each, and one system in the values of all."""

    def __call__(self, y: Array, problem: LogitProblem, row: Array) -> Linearisation:
        number = problem.arrays.num_players
        free = jnp.concatenate(_split(row, problem.shapes), axis=1)
        border = jnp.concatenate([free, jnp.zeros((free.shape[0], number))], axis=1)
        found = solve_by_states(_blocks(y, problem), jnp.append(border.ravel(), row[-1]))
        ends = np.cumsum([actions for _, actions in problem.shapes])

        def of_policies(step: Array) -> Array:
            table = step[:-1].reshape(free.shape[0], -1)
            parts = jnp.split(table, ends, axis=1)[:-1]
            return jnp.concatenate([*(own.ravel() for own in parts), step[-1:]])

        return found._replace(
            correction=of_policies(found.correction), direction=of_policies(found.direction)
        )


def regret_on_branch(y: Float[Array, " unknowns+1"], problem: LogitProblem) -> Float[Array, ""]:
    """The largest gain of one deviation, as a share of the payoff range."""
    free = _split(y, problem.shapes)
    values, worth = worth_of(
        problem.arrays, tuple(jax.nn.softmax(jnp.sinh(own), axis=1) for own in free)
    )
    best = jnp.stack([own.max(axis=1) for own in worth])
    return ((best - values) / problem.ranges[:, None]).max()


def rational_enough(y: Float[Array, " unknowns+1"], problem: LogitProblem) -> Array:
    """Whether no player gains more than the tolerance by one deviation: where a branch ends."""
    return regret_on_branch(y, problem) <= problem.tolerance


def policies_on_branch(
    points: NDArray[np.floating], shapes: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.floating], ...]:
    """The policies at one or several points, in NumPy, which compiles nothing for their number."""
    ends = np.cumsum([states * actions for states, actions in shapes])
    parts = np.split(points[..., :-1], ends[:-1], axis=-1)
    policies = []
    for own, shape in zip(parts, shapes, strict=True):
        logs = np.sinh(own.reshape(*own.shape[:-1], *shape))
        chances = np.exp(logs - logs.max(axis=-1, keepdims=True))
        policies.append(chances / chances.sum(axis=-1, keepdims=True))
    return tuple(policies)
