"""Digits kept, against 60-digit arithmetic: `python -m benchmarks.accuracy [samples]`.

Relative errors, median / worst over random policies: of the value, and of the gradient in norm and
component by component, for this library and for `jnp.linalg.solve` with JAX's own sigmoid.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import mpmath  # noqa: E402
import numpy as np  # noqa: E402

from resolvent.analytic import closed_form  # noqa: E402
from resolvent.games import prisoners_dilemma  # noqa: E402

PAYOFFS = [[-1, -3, 0, -2], [-1, 0, -3, -2]]


def exact(theta, g):
    """Value and gradient of player 1 from dense linear algebra in 60 digits."""
    with mpmath.workdps(60):
        p = [[1 / (1 + mpmath.exp(-mpmath.mpf(float(t)))) for t in own] for own in theta]
        gamma = mpmath.mpf(g.numerator) / g.denominator

        def pair(player, s):
            return [p[player][s], 1 - p[player][s]]

        def outer(x, y):
            return [a * b for a in x for b in y]

        rows = [outer(pair(0, s), pair(1, s)) for s in range(5)]
        chain = mpmath.eye(4) - gamma * mpmath.matrix(rows[1:])
        worth = mpmath.lu_solve(chain, mpmath.matrix(PAYOFFS[0]))
        visits = mpmath.lu_solve(chain.T, mpmath.matrix(rows[0]))
        delta = 1 - gamma
        value = delta * sum(rows[0][k] * worth[k] for k in range(4))
        weight = [mpmath.mpf(1), *(gamma * visits[k] for k in range(4))]
        gradient = []
        for player in range(2):
            for s in range(5):
                slope = p[player][s] * (1 - p[player][s])
                turn = [slope, -slope]
                row = outer(turn, pair(1, s)) if player == 0 else outer(pair(0, s), turn)
                gradient.append(delta * weight[s] * sum(row[k] * worth[k] for k in range(4)))
        return value, gradient


def plain(g):
    """`jnp.linalg.solve` with 1 - p formed afterwards."""
    gamma = float(g)

    def value(theta):
        p = jax.nn.sigmoid(theta)
        both = jnp.stack([p, 1 - p], axis=-1)
        rows = (both[0][:, :, None] * both[1][:, None, :]).reshape(5, 4)
        worth = jnp.linalg.solve(jnp.eye(4) - gamma * rows[1:], jnp.array(PAYOFFS[0], float))
        return (1 - gamma) * rows[0] @ worth

    return jax.jit(jax.vmap(lambda theta: (value(theta), jax.grad(value)(theta).reshape(-1))))


def ours(g):
    values = closed_form(prisoners_dilemma().iterated(g)).compile()

    def both(theta):
        params = (theta[0][:, None], theta[1][:, None])
        return values(params)[0], jnp.concatenate([own[:, 0] for own in values.jacobian(params)[0]])

    return jax.jit(jax.vmap(both))


def errors(computed, truth):
    value, gradient = computed
    v, d = truth
    gaps = [abs(mpmath.mpf(float(c)) - t) for c, t in zip(gradient, d, strict=True)]
    norm = mpmath.sqrt(sum(gap**2 for gap in gaps)) / mpmath.sqrt(sum(t**2 for t in d))
    return (
        float(abs(mpmath.mpf(float(value)) - v) / abs(v)),
        float(norm),
        float(max(gap / abs(t) for gap, t in zip(gaps, d, strict=True))),
    )


def main(samples: int = 20) -> None:
    rng = np.random.default_rng(0)
    regimes = {
        "mild": rng.normal(size=(samples, 2, 5)),
        "saturated": 27.6 * rng.choice([-1.0, 1.0], size=(samples, 2, 5)),
        "mixed": np.where(
            rng.random((samples, 2, 5)) < 0.5,
            rng.normal(size=(samples, 2, 5)),
            27.6 * rng.choice([-1.0, 1.0], size=(samples, 2, 5)),
        ),
    }
    print(
        f"{'regime':10} {'1 - g':>6} {'form':10} {'value':>17} {'grad (norm)':>17} {'grad (comp.)':>17}"
    )
    for regime, thetas in regimes.items():
        for delta in (Fraction(1, 25), Fraction(1, 10**6), Fraction(1, 10**9), Fraction(1, 10**12)):
            truths = [exact(theta, 1 - delta) for theta in thetas]
            for form, function in (("resolvent", ours(1 - delta)), ("solve", plain(1 - delta))):
                values, gradients = function(thetas)
                table = np.array(
                    [
                        errors(pair, t)
                        for pair, t in zip(zip(values, gradients, strict=True), truths, strict=True)
                    ]
                )
                cells = [f"{np.median(c):.0e} / {c.max():.0e}" for c in table.T]
                print(
                    f"{regime:10} {float(delta):6.0e} {form:10} "
                    + " ".join(f"{c:>17}" for c in cells)
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
