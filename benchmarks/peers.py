"""What the library is measured against: the same numbers by other means, in a few lines each.

All of them: iterated prisoner's dilemma, discounted sums, logits `(2, 5)` per pair of players in the
order start, CC, CD, DC, DD, and the LOLA-Taylor step with rate and look-ahead 1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

G = 0.96
PAYOFFS = np.array([[-1.0, -3.0, 0.0, -2.0], [-1.0, 0.0, -3.0, -2.0]])


def solve_values(theta):
    """Both values by `jnp.linalg.solve`, as the notebooks have it; differentiate it as you like."""
    p = jax.nn.sigmoid(theta)
    mine, theirs = jnp.stack([p[0], 1 - p[0]]), jnp.stack([p[1], 1 - p[1]])
    rows = (mine[:, None, :] * theirs[None, :, :]).reshape(4, 5).T
    return rows[0] @ jnp.linalg.solve(jnp.eye(4) - G * rows[1:], PAYOFFS.T)


def autodiff_lola(theta):
    """One step by differentiating through the solve: gradients, then products of second order."""

    def value(player):
        return lambda mine, theirs: solve_values(jnp.stack([mine, theirs]))[player]

    def step(player):
        mine, theirs = theta[player], theta[1 - player]

        def own(x, y):
            return value(player)(x, y) if player == 0 else value(player)(y, x)

        def other(x, y):
            return value(1 - player)(x, y) if player == 0 else value(1 - player)(y, x)

        def looked_ahead(x):
            return jnp.vdot(jax.grad(own, 1)(x, theirs), jax.grad(other, 1)(x, theirs))

        return jax.grad(own)(mine, theirs) + jax.grad(looked_ahead)(mine)

    return jnp.stack([theta[0] + step(0), theta[1] + step(1)])


def numpy_lola(theta):
    """One step of a batch `(B, 2, 5)` from hand-derived Hessian blocks: inverse and einsum.

    The start is state 0 of a chain of 5, so that V_i = (N r_i)_0 / g with N = (I - gP)^-1.
    """
    p = 1 / (1 + np.exp(-theta))
    slope = p * (1 - p)
    both = np.stack([p, 1 - p], axis=-1)
    zero = np.zeros((*p.shape[::2], 1))

    def rows(first, second):
        product = first[..., :, None] * second[..., None, :]
        return np.concatenate([zero, product.reshape(*product.shape[:2], 4)], axis=-1)

    change = np.array([1.0, -1.0]) * slope[..., None]
    chain = rows(both[:, 0], both[:, 1])
    moved = [rows(change[:, 0], both[:, 1]), rows(both[:, 0], change[:, 1])]
    mixed = rows(change[:, 0], change[:, 1])
    inverse = np.linalg.inv(np.eye(5) - G * chain)
    worth = inverse @ np.concatenate([np.zeros((2, 1)), PAYOFFS], axis=1).T  # (B, 5, 2)
    visits = inverse[:, 0, :]
    gains = [move @ worth for move in moved]  # (B, s, i): what moving player k's row s is worth
    first = [visits[:, :, None] * gain for gain in gains]  # first[k][b, s, i] = dV_i/dtheta_k(s)
    reach = [G * (move @ inverse) for move in moved]
    cross = np.einsum("bs,bst,bti->bsti", visits, reach[0], gains[1])
    cross += np.einsum("bt,bts,bsi->bsti", visits, reach[1], gains[0])
    index = np.arange(5)
    cross[:, index, index] += visits[:, :, None] * (mixed @ worth)
    # cross[b, s, t, i] = d2 V_i / dtheta_1(s) dtheta_2(t)
    one = first[0][..., 0]
    one = one + np.einsum("bst,bt->bs", cross[..., 0], first[1][..., 1])
    one = one + np.einsum("bst,bt->bs", cross[..., 1], first[1][..., 0])
    two = first[1][..., 1]
    two = two + np.einsum("bst,bs->bt", cross[..., 1], first[0][..., 0])
    two = two + np.einsum("bst,bs->bt", cross[..., 0], first[0][..., 1])
    return theta + np.stack([one, two], axis=1)


def as_params(theta):
    """`(..., 2, 5)` logits as the library's parameters."""
    return tuple(np.asarray(theta)[..., player, :, None] for player in range(2))
