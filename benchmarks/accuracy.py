"""Digits kept, against 100-digit arithmetic: `python -m benchmarks.accuracy [samples] [--markdown]`.

The iterated prisoner's dilemma in logits, per round. Relative errors, median/worst over random policies, of

- `value`: V_1;
- `gradient`: of V_1 by both players' logits, in norm; `each`: its worst component;
- `mixed`, `own`: blocks of the Hessian of V_1, by the logits of both players, and by player 1's twice;
- `look-ahead`, `shaping`: player 1's terms of Letcher et al. (ICLR 2019), see
  `resolvent.analytic.shaping_terms`.

All forms go through one code path, the `jacobian` and `cross` of a `ValueFunction`: the library's two
backends have their own, its peers get theirs by automatic differentiation. Peers come with JAX's sigmoid
and with the library's pair (p, 1 - p), whose derivative is exact, so that what they lose otherwise shows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

import equinox as eqx  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import mpmath  # noqa: E402
import numpy as np  # noqa: E402
import sympy  # noqa: E402
from jax import Array  # noqa: E402

from resolvent.analytic import ClosedForm, closed_form  # noqa: E402
from resolvent.analytic.parameters import policy_row  # noqa: E402
from resolvent.analytic.value_function import ValueFunction  # noqa: E402
from resolvent.games import prisoners_dilemma  # noqa: E402

PAYOFFS = [[-1, -3, 0, -2], [-1, 0, -3, -2]]
DIGITS = 100
NEARLY_PURE = 27.6  # the logit of 1 - 1e-12

DELTAS = {
    "1/25": Fraction(1, 25),
    "1e-6": Fraction(1, 10**6),
    "1e-9": Fraction(1, 10**9),
    "1e-12": Fraction(1, 10**12),
}
COLUMNS = ("value", "gradient", "each", "mixed", "own", "look-ahead", "shaping")


@dataclass(frozen=True)
class Quantities:
    """Of one joint policy: `value`, `(10,)` `gradient`, `(5, 5)` blocks of the Hessian, `(5,)` terms; nested
    lists of mpmath numbers, or arrays with one more axis in front for the policies."""

    value: Any
    gradient: Any
    mixed: Any
    own: Any
    look_ahead: Any
    shaping: Any


# The truth.


def chain(theta: Any, gamma: Any) -> tuple[Any, Any]:
    """Probabilities `[player][state][action]` and (I - gP)^-1 over start and the four outcomes."""
    policies = [
        [[1 / (1 + mpmath.exp(-t)), 1 / (1 + mpmath.exp(t))] for t in map(mpmath.mpf, own)]
        for own in theta
    ]
    moves = mpmath.matrix(5, 5)
    for s in range(5):
        for a in range(2):
            for b in range(2):
                moves[s, 1 + 2 * a + b] = policies[0][s][a] * policies[1][s][b]
    return policies, mpmath.inverse(mpmath.eye(5) - gamma * moves)


def truth(theta: Any, g: Fraction) -> Quantities:
    """All quantities from the dense inverse and its derivatives N dP N, in many digits.

    With the start in the chain, paying nothing, V = (1 - g)/g (N r)_start.
    """
    with mpmath.workdps(DIGITS):
        gamma = mpmath.mpf(g.numerator) / g.denominator
        policies, inverse = chain(theta, gamma)
        scale = (1 - gamma) / gamma
        worth = [inverse * mpmath.matrix([0, *own]) for own in PAYOFFS]
        # A policy's row and its first two derivatives by its logit.
        rows = [[[p, q] for p, q in own] for own in policies]
        slopes = [[[p * q, -p * q] for p, q in own] for own in policies]
        bends = [[[p * q * (q - p), p * q * (p - q)] for p, q in own] for own in policies]

        def outcomes(first: Any, second: Any) -> list[Any]:
            return [a * b for a in first for b in second]

        moved = [
            [outcomes(slopes[0][s], rows[1][s]) for s in range(5)],
            [outcomes(rows[0][s], slopes[1][s]) for s in range(5)],
        ]
        twice = {
            (0, 0): [outcomes(bends[0][s], rows[1][s]) for s in range(5)],
            (0, 1): [outcomes(slopes[0][s], slopes[1][s]) for s in range(5)],
        }

        def dot(row: Any, column: Any) -> Any:
            return mpmath.fdot((row[k], column[1 + k]) for k in range(4))

        def gradient(i: int, j: int) -> list[Any]:
            return [scale * gamma * inverse[0, s] * dot(moved[j][s], worth[i]) for s in range(5)]

        def second(i: int, j: int, k: int) -> list[list[Any]]:
            block = [[mpmath.mpf(0)] * 5 for _ in range(5)]
            for s in range(5):
                for t in range(5):
                    there = dot(moved[j][s], inverse[:, t]) * dot(moved[k][t], worth[i])
                    back = dot(moved[k][t], inverse[:, s]) * dot(moved[j][s], worth[i])
                    block[s][t] = gamma * (inverse[0, s] * there + inverse[0, t] * back)
                    if s == t:
                        block[s][t] += inverse[0, s] * dot(twice[j, k][s], worth[i])
                    block[s][t] *= scale * gamma
            return block

        def times(block: list[list[Any]], along: list[Any]) -> list[Any]:
            return [mpmath.fdot(row, along) for row in block]

        mixed = second(0, 0, 1)
        return Quantities(
            value=scale * worth[0][0],
            gradient=gradient(0, 0) + gradient(0, 1),
            mixed=mixed,
            own=second(0, 0, 0),
            look_ahead=times(mixed, gradient(1, 1)),
            shaping=times(second(1, 0, 1), gradient(0, 1)),
        )


# The forms.


def measured(values: ValueFunction, theta: Array) -> tuple[Array, ...]:
    """The quantities of one joint policy `(2, 5)`, in the order of `Quantities`."""
    params = (theta[0][:, None], theta[1][:, None])
    first = values.jacobian(params)
    units = jnp.eye(5)[:, :, None]

    def block(k: int) -> Array:
        """Rows for player 1's logits, columns for those of player k."""
        columns = jax.vmap(lambda u: values.cross(params, 0, 0, k, u))(units)
        return columns[..., 0].T

    return (
        values(params)[0],
        jnp.concatenate(first[0])[:, 0],
        block(1),
        block(0),
        values.cross(params, 0, 0, 1, first[1][1])[:, 0],
        values.cross(params, 1, 0, 1, first[0][1])[:, 0],
    )


@eqx.filter_jit
def measured_ours(values: ValueFunction, thetas: Array) -> tuple[Array, ...]:
    return jax.vmap(lambda theta: measured(values, theta))(thetas)


Peer = Callable[[Array, Any], Array]
"""`(2, 5, 2)` probabilities and the numbers of a game -> both values."""


def _rows(policies: Array) -> Array:
    return (policies[0][:, :, None] * policies[1][:, None, :]).reshape(5, 4)


def by_solve(policies: Array, numbers: Any) -> Array:
    gamma, rows = numbers, _rows(policies)
    worth = jnp.linalg.solve(jnp.eye(4) - gamma * rows[1:], jnp.array(PAYOFFS, float).T)
    return (1 - gamma) * rows[0] @ worth


def by_inverse(policies: Array, numbers: Any) -> Array:
    gamma, rows = numbers, _rows(policies)
    inverse = jnp.linalg.inv(jnp.eye(4) - gamma * rows[1:])
    return (1 - gamma) * rows[0] @ inverse @ jnp.array(PAYOFFS, float).T


def expanded(form: ClosedForm) -> tuple[Peer, tuple[Array, ...]]:
    """The expanded quotient, term by term, and its coefficients, each rounded once. They are arguments, so that
    one compilation serves every discount. (SymPy's `lambdify` writes the same terms out, which takes XLA 45 s to
    differentiate twice.)"""
    free = [row[0] for own in form.policy_symbols for row in own]
    parts = [form.numerator(0), form.numerator(1), form.denominator]
    polynomials = [sympy.Poly(part, *free) for part in parts]
    coefficients = tuple(jnp.array([float(c) for c in own.coeffs()]) for own in polynomials)
    # No probability comes with a power: each is read in one state, and a row of P is linear in it.
    factors = [np.array(own.monoms(), dtype=bool) for own in polynomials]

    def both(policies: Array, numbers: Any) -> Array:
        p = policies[:, :, 0].reshape(1, -1)
        first, second, bottom = (
            own @ jnp.prod(jnp.where(mask, p, 1), axis=1)
            for own, mask in zip(numbers, factors, strict=True)
        )
        return jnp.stack([first, second]) / bottom

    return both, coefficients


def peer(values: Peer, exact_pair: bool) -> Callable[[Any, Array], tuple[Array, ...]]:
    """A peer in logits, compiled for a batch of policies, by automatic differentiation."""

    def policies(own: Array) -> Array:
        if exact_pair:
            return jnp.stack(policy_row((own[:, 0],), "logits"), axis=-1)
        p = jax.nn.sigmoid(own[:, 0])
        return jnp.stack([p, 1 - p], axis=-1)

    def one(numbers: Any, theta: Array) -> tuple[Array, ...]:
        wrapped = ValueFunction.wrap(
            lambda params: values(jnp.stack([policies(own) for own in params]), numbers),
            [(5, 1), (5, 1)],
        )
        return measured(wrapped, theta)

    return jax.jit(jax.vmap(one, in_axes=(None, 0)))


class Forms:
    """Every form, compiled once: call with 1 - g and `(samples, 2, 5)` logits."""

    def __init__(self) -> None:
        peers: dict[str, Peer] = {"solve": by_solve, "inv": by_inverse}
        peers["expanded"], _ = expanded(self.closed(DELTAS["1/25"]))
        self.peers = {
            (name, pair): peer(values, pair == "exact pair")
            for name, values in peers.items()
            for pair in ("sigmoid", "exact pair")
        }

    @staticmethod
    def closed(delta: Fraction) -> ClosedForm:
        return closed_form(prisoners_dilemma().iterated(1 - delta))

    def __call__(self, delta: Fraction, thetas: Any) -> dict[str, Quantities]:
        form, batch = self.closed(delta), jnp.asarray(thetas)
        results = {
            f"resolvent, {backend}": measured_ours(form.compile(backend=backend), batch)
            for backend in ("program", "tensor")
        }
        coefficients = expanded(form)[1]
        for (name, pair), function in self.peers.items():
            # 1 - float(g) and not delta for the peers: with the g that they have it errs least.
            numbers = coefficients if name == "expanded" else float(1 - delta)
            results[f"{name}, {pair}"] = function(numbers, batch)
        return {name: Quantities(*map(np.asarray, arrays)) for name, arrays in results.items()}


# The table.


def regimes(samples: int) -> dict[str, Any]:
    """Logits `(samples, 2, 5)`: standard normal; nearly pure; each of them one or the other."""
    rng = np.random.default_rng(0)
    shape = (samples, 2, 5)

    def pure() -> Any:
        return NEARLY_PURE * rng.choice([-1.0, 1.0], size=shape)

    return {
        "mild": rng.normal(size=shape),
        "saturated": pure(),
        "mixed": np.where(rng.random(shape) < 0.5, rng.normal(size=shape), pure()),
    }


def _flat(nested: Any) -> list[Any]:
    if isinstance(nested, (list, np.ndarray)):
        return [number for entry in nested for number in _flat(entry)]
    return [mpmath.mpf(nested)]


def errors(computed: Quantities, k: int, exact: Quantities) -> list[float]:
    """Relative errors of policy number `k`, in the order of `COLUMNS`; infinite for what is no number."""
    with mpmath.workdps(DIGITS):

        def gaps(name: str) -> tuple[list[Any], list[Any]]:
            right = _flat(getattr(exact, name))
            numbers = _flat(getattr(computed, name)[k].tolist())
            return [abs(c - t) for c, t in zip(numbers, right, strict=True)], right

        def norm(name: str) -> Any:
            gap, right = gaps(name)
            return mpmath.norm(gap) / mpmath.norm(right)

        each = max(gap / abs(t) for gap, t in zip(*gaps("gradient"), strict=True))
        found = [norm("value"), norm("gradient"), each]
        found += [norm(name) for name in ("mixed", "own", "look_ahead", "shaping")]
        return [float(e) if mpmath.isfinite(e) else float("inf") for e in found]


def table(
    forms: Forms, thetas: Any, delta: Fraction, exact: Sequence[Quantities] | None = None
) -> dict[str, Any]:
    """`(samples, 7)` relative errors of each form."""
    known = exact or [truth(theta, 1 - delta) for theta in thetas]
    return {
        name: np.array([errors(computed, k, right) for k, right in enumerate(known)])
        for name, computed in forms(delta, thetas).items()
    }


def _cell(column: Any) -> str:
    def shown(error: float) -> str:
        return f"{error:.0e}" if np.isfinite(error) else "nan"

    return f"{shown(np.median(column))}/{shown(column.max())}"


def main(samples: int = 20, markdown: bool = False) -> None:
    forms = Forms()
    print("Relative errors, median/worst" + ("" if markdown else f" over {samples} policies"))
    for regime, thetas in regimes(samples).items():
        print(f"\n**{regime}**\n" if markdown else f"\n{regime}")
        heads = ["1 - g", "form", *COLUMNS]
        if markdown:
            print("| " + " | ".join(heads) + " |")
            print("| --- " * len(heads) + "|")
        else:
            print(f"{heads[0]:6} {heads[1]:21}" + " ".join(f"{head:>11}" for head in heads[2:]))
        for label, delta in DELTAS.items():
            for form, found in table(forms, thetas, delta).items():
                cells = [_cell(column) for column in found.T]
                if markdown:
                    print("| " + " | ".join([label, form, *cells]) + " |")
                else:
                    print(f"{label:6} {form:21}" + " ".join(f"{cell:>11}" for cell in cells))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy")
    parser.add_argument("samples", nargs="?", type=int, default=20, help="policies per regime")
    parser.add_argument("--markdown", action="store_true", help="print tables to paste")
    given = parser.parse_args()
    main(given.samples, given.markdown)
