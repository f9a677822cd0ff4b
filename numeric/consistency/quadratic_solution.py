r"""All affine consistent updates of a linear-quadratic game: consistent updates are not unique.

The equations of `affine.py` are polynomial in F, and linear in f given F. Where two players have one
parameter each, two numbers determine F: with $Q$ and $R$ the matrices of the two values,
$p = \eta_2 F_{21}$ and $r = \eta_1 F_{12}$,

$$ p = \eta_2 (R_{12} + r R_{11}) \big(1 + \eta_1 (Q_{11} + 2 p Q_{12} + p^2 Q_{22})\big), \qquad
   r = \eta_1 (Q_{12} + p Q_{22}) \big(1 + \eta_2 (R_{22} + 2 r R_{12} + r^2 R_{11})\big), $$

and all solutions, at most five if finitely many, come from the roots of a resultant, isolated by FLINT. Otherwise
Newton's method from many starts finds solutions, and nothing says that it found all.

One branch is $F_j = \nabla_j \nabla V_j$, naive learning, at step size 0: it is continued from there.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from functools import partial
from typing import Any

import equinox as eqx
import flint
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.consistency.affine import AffineUpdate, respond
from resolvent.numeric.consistency.consistent_update import check_lookahead
from resolvent.numeric.quadratic import QuadraticForm, quadratic_form

_DIGITS = 1e-9  # solutions nearer to each other than this, relative, are one
_NEAR = 1e-5  # and where their equations are singular, this
_PRECISION = 400  # bits
# An SVD, which also converges to solutions that are not isolated, up to this many unknowns.
_PSEUDO_INVERSE = 64
_ITERATIONS = 60


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ConsistentBranches:
    """The affine consistent updates of a linear-quadratic game.

    **Fields:**

    - `branches`: the solutions, as [`resolvent.numeric.AffineUpdate`][]: the analytic one first, then real ones,
        then complex ones.
    - `complete`: whether these are proved to be all.
    - `continuum`: where F itself belongs to a family of solutions, what is known of it; otherwise `None`.
    - `unmatched`: how many further solutions for F there are that no f goes with.
    - `fold`: `None`, or the share of `lookahead` at which the branch that starts at step size 0 could not be
        continued, since it turns back, or meets another one, or goes to infinity.
    - `lookahead`: the steps that the players expect of each other, `(n,)`.
    - `name`: of the game.
    """

    branches: tuple[AffineUpdate, ...]
    complete: bool
    continuum: str | None
    unmatched: int
    fold: float | None
    lookahead: NDArray[np.floating]
    name: str

    @property
    def analytic(self) -> AffineUpdate:
        """The branch that is analytic at step size 0.

        **Raises:** `ValueError` where there is none up to these steps.
        """
        if self.fold is not None:
            raise ValueError(
                "the branch that starts at step size 0 could not be continued beyond "
                f"{self.fold:.6g} times lookahead {self.lookahead.tolist()}; choose among `branches`"
            )
        return self.branches[0]

    @property
    def real(self) -> tuple[AffineUpdate, ...]:
        """The branches that learners can follow."""
        return tuple(own for own in self.branches if own.is_real)

    def summary(self) -> str:
        """To read."""
        known = "all of them" if self.complete else "perhaps not all"
        lines = [
            f"{len(self.branches)} affine consistent updates ({known}): {self.name}, "
            f"lookahead {self.lookahead.tolist()}"
        ]
        for own in self.branches:
            sizes = ", ".join(f"{abs(m):.6g}" for m in own.multipliers)
            lines.append(f"  {own}\n    multipliers of a joint step, in size: {sizes}")
        if self.continuum is not None:
            lines.append(f"  a continuum of solutions: {self.continuum}")
        if self.unmatched:
            lines.append(f"  {self.unmatched} further F without any offset that goes with it")
        if self.fold is not None:
            lines.append(f"  the branch from step size 0 ends at {self.fold:.6g} of the lookahead")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"ConsistentBranches({len(self.branches)}, complete={self.complete}, {self.name})"

    def plot(self, ax: Any = None) -> Any:
        """Draw the multipliers of a joint step of each branch, with the unit circle within which
        learning converges.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        around = np.exp(2j * np.pi * np.linspace(0, 1, 200))
        ax.plot(np.real(around), np.imag(around), color="grey", linewidth=1)
        for index, own in enumerate(self.branches, 1):
            kind = "analytic" if own.analytic else "real" if own.is_real else "complex"
            m = own.multipliers
            ax.plot(np.real(m), np.imag(m), "o", label=f"{index} ({kind})")
        ax.set(xlabel="real part", ylabel="imaginary part", title=f"multipliers, {self.name}")
        ax.set_aspect("equal")
        ax.legend()
        return ax


def consistent_quadratic(
    values: ValueFunction, lookahead: Any, *, starts: int = 200, seed: int = 0
) -> ConsistentBranches:
    """The exact consistent updates of a linear-quadratic game, as far as they are affine.

    **Arguments:**

    - `values`: quadratic in the parameters of all players; any number of players and parameters.
    - `lookahead`: the steps eta that the players expect of each other, a number or one per player.
    - `starts`, `seed`: how many starts Newton's method gets, and what they are drawn from, where there are
        more than two parameters in all.

    **Returns:** a [`resolvent.numeric.ConsistentBranches`][], with the residual of each branch; `.complete` says
    whether these are all, which is proved for two players with one parameter each.

    **Raises:** `ValueError` where the values are not quadratic.
    """
    require_x64()
    form = quadratic_form(values)
    eta = check_lookahead(lookahead, form.num_players)
    solver = _Solver(form, eta, np.random.default_rng(seed))
    naive, fold = solver.follow()
    small = [int(np.prod(shape)) for shape in form.shapes] == [1, 1]
    continuum: str | None = None
    if small:
        found, continuum = _two_numbers(form, np.asarray(eta))
        found = solver.distinct(found)
    else:
        found = []
    if not small or continuum is not None:
        ahead = [] if naive is None else [naive]
        found = solver.distinct(found + solver.polish(ahead + solver.search(starts)))
    index = None if naive is None else _nearest(found, naive)

    branches: list[AffineUpdate] = []
    for k, matrix in enumerate(found):
        branches += solver.finish(matrix, analytic=k == index)
    first = [own for own in branches if own.analytic]
    rest = sorted(
        (own for own in branches if not own.analytic),
        key=lambda own: (not own.is_real, float(jnp.linalg.norm(own.matrix))),
    )
    if not small and any(not own.isolated for own in branches):
        continuum = "some solutions are not isolated, or multiple"
    if fold is None and not first:
        fold = 1.0  # F reaches the full steps, where no f goes with it
    return ConsistentBranches(
        branches=(*first, *rest),
        complete=small and continuum is None,
        continuum=continuum,
        unmatched=len(found) - len(branches),
        fold=fold,
        lookahead=np.asarray(eta),
        name=values.name,
    )


# Newton's method -----------------------------------------------------------------------------


def _equations(form: QuadraticForm, eta: Array, flat: Array) -> Array:
    """F - R(F), of F in one row."""
    size = form.vectors.shape[1]
    matrix = flat.reshape(size, size)
    return (matrix - respond(form, eta, matrix, jnp.zeros(size, flat.dtype))[0]).ravel()


def _slope(form: QuadraticForm, eta: Array, flat: Array) -> Array:
    return jax.jacfwd(partial(_equations, form, eta), holomorphic=jnp.iscomplexobj(flat))(flat)


def _correction(form: QuadraticForm, eta: Array, flat: Array) -> Array:
    slope, gap = _slope(form, eta, flat), _equations(form, eta, flat)
    if flat.size <= _PSEUDO_INVERSE:
        return jnp.linalg.pinv(slope, rtol=1e-13) @ gap
    return jnp.linalg.solve(slope, gap)


@eqx.filter_jit
def _newton(form: QuadraticForm, eta: Array, starts: Array, iterations: int) -> Array:
    def one(flat: Array) -> Array:
        return lax.fori_loop(0, iterations, lambda _, own: own - _correction(form, eta, own), flat)

    return lax.map(one, starts, batch_size=32)


@eqx.filter_jit
def _tangent(form: QuadraticForm, eta: Array, share: Array, flat: Array) -> Array:
    """dF / ds where eta is s times what it is."""
    change = jax.jvp(lambda s: _equations(form, s * eta, flat), (share,), (jnp.ones(()),))[1]
    return -jnp.linalg.solve(_slope(form, share * eta, flat), change)


@eqx.filter_jit
def _examine(form: QuadraticForm, eta: Array, flat: Array) -> tuple[Array, Array]:
    """The equations, and the singular values of their Jacobian."""
    slope = _slope(form, eta, flat)
    return _equations(form, eta, flat), jnp.linalg.svd(slope, compute_uv=False)


@eqx.filter_jit
def _offsets(form: QuadraticForm, eta: Array, matrix: Array) -> tuple[Array, Array]:
    """(M, m) of the right-hand side M f + m."""
    zero = jnp.zeros(len(matrix), matrix.dtype)

    def right(f: Array) -> Array:
        return respond(form, eta, matrix, f)[1]

    return jax.jacfwd(right, holomorphic=jnp.iscomplexobj(matrix))(zero), right(zero)


class _Solver:
    """Solutions for F of one game: followed from step size 0, searched for, and completed."""

    def __init__(self, form: QuadraticForm, eta: Array, draws: np.random.Generator) -> None:
        self.form, self.eta, self.draws = form, eta, draws
        self.size = form.vectors.shape[1]
        self.naive = np.asarray(form.joint_gradient()[0]).ravel()

    def follow(self) -> tuple[NDArray[Any] | None, float | None]:
        """Follow the branch that is naive learning at step size 0 to the full steps.

        **Returns:** F and `None`; or `None` and the share of the steps at which it ends.
        """
        flat, share, stride = jnp.asarray(self.naive), 0.0, 0.1
        slope = _tangent(self.form, self.eta, jnp.asarray(share), flat)
        while share < 1:
            stride = min(stride, 1 - share)
            if stride < 1e-9:
                return None, share
            here = jnp.asarray(share + stride)
            ahead = flat + stride * slope
            better = _newton(self.form, here * self.eta, ahead[None], 12)[0]
            gap, singular = map(np.asarray, _examine(self.form, here * self.eta, better))
            size = 1 + float(jnp.abs(better).max())
            # The prediction must be near what it is corrected to, lest it be another branch.
            near = float(jnp.abs(better - ahead).max()) <= 1e-2 * size
            # A step must not end where branches meet, unless the last.
            regular = singular[-1] > 1e-9 * singular[0]
            simple = regular or share + stride == 1
            solved = np.abs(gap).max() <= 1e-11 * size**2 and simple
            onwards = _tangent(self.form, self.eta, here, better)
            # Nor may it turn: where branches cross, another one is near and goes another way.
            turn, length = (float(jnp.abs(x).max()) for x in (onwards - slope, slope))
            straight = not regular or turn <= 0.5 * length + 1e-6 * size
            if near and solved and straight:
                flat, slope, share, stride = better, onwards, share + stride, stride * 2
            else:
                stride /= 2
        return np.asarray(flat), None

    def search(self, starts: int) -> list[NDArray[Any]]:
        """Newton's method from random starts, real and complex, near and far."""
        shape = (starts, self.size**2)
        far = 10 ** self.draws.uniform(-1, 1.5, (starts, 1)) * (1 + np.abs(self.naive).max())
        real = self.draws.normal(size=shape)
        turned = np.where(np.arange(starts)[:, None] % 2, 1j * self.draws.normal(size=shape), 0)
        begin = jnp.asarray(self.naive + far * (real + turned))
        ends = np.asarray(_newton(self.form, self.eta, begin, _ITERATIONS))
        return list(ends[np.isfinite(ends).all(1)])

    def polish(self, candidates: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Candidates after three more steps of Newton's method."""
        if not candidates:
            return []
        rows = np.array([np.asarray(own, complex).ravel() for own in candidates])
        return list(np.asarray(_newton(self.form, self.eta, jnp.asarray(rows), 3)))

    def distinct(self, candidates: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Those that solve the equations, each once, with their conjugates."""
        found: list[NDArray[Any]] = []
        for candidate in candidates:
            for own in _real_or_pair(candidate.ravel()):
                size = 1 + np.abs(own).max()
                gap, slopes = map(np.asarray, _examine(self.form, self.eta, jnp.asarray(own)))
                # To a multiple root Newton's method comes with half of the digits.
                radius = (_DIGITS if slopes[-1] > 1e-6 * slopes[0] else _NEAR) * size
                known = any(np.abs(own - other).max() <= radius for other in found)
                if np.abs(gap).max() <= 1e-10 * size**2 and not known:
                    found.append(own)
        return found

    def finish(self, flat: NDArray[Any], analytic: bool) -> list[AffineUpdate]:
        """F with its f; nothing where none goes with it."""
        matrix = jnp.asarray(flat.reshape(self.size, self.size))
        linear, rest = map(np.asarray, _offsets(self.form, self.eta, matrix))
        left, singular, right = np.linalg.svd(np.eye(self.size) - linear)
        rank = int((singular > 1e-9 * max(1.0, singular[0])).sum())
        offset = right[:rank].conj().T @ ((left[:, :rank].conj().T @ rest) / singular[:rank])
        missed = np.abs(offset - linear @ offset - rest).max()
        gap, slopes = map(np.asarray, _examine(self.form, self.eta, matrix.ravel()))
        scale = 1 + np.abs(rest).max() + np.abs(linear).max() * np.abs(offset).max()
        if missed > 1e-9 * scale:
            return []
        size = 1 + np.abs(flat).max()
        return [
            AffineUpdate(
                matrix=matrix,
                offset=jnp.asarray(offset),
                lookahead=self.eta,
                residual=jnp.asarray(max(np.abs(gap).max() / size**2, missed / scale)),
                offsets=jnp.asarray(right[rank:].conj().T),
                shapes=self.form.shapes,
                isolated=bool(slopes[-1] > 1e-9 * slopes[0]),
                analytic=analytic,
            )
        ]


def _real_or_pair(own: NDArray[Any]) -> list[NDArray[Any]]:
    """A solution, real if it is; or it and its conjugate, which is a solution too."""
    if not np.isfinite(own).all():
        return []
    if np.abs(np.imag(own)).max() <= _DIGITS * (1 + np.abs(own).max()):
        return [np.real(own)]
    return [own, own.conj()]


def _nearest(found: list[NDArray[Any]], naive: NDArray[Any]) -> int | None:
    """Which real solution is the one that a branch was followed to."""
    gaps = [np.inf if np.iscomplexobj(own) else np.abs(own - naive).max() for own in found]
    index = int(np.argmin(gaps)) if gaps else 0
    return index if gaps and gaps[index] <= _NEAR * (1 + np.abs(naive).max()) else None


# Two players with one parameter each ---------------------------------------------------------


def _rational(number: float) -> Any:
    """A float at its shortest decimal form."""
    exact = Fraction(repr(float(number)))
    return sympy.Rational(exact.numerator, exact.denominator)


def _two_numbers(
    form: QuadraticForm, eta: NDArray[np.floating]
) -> tuple[list[NDArray[Any]], str | None]:
    """All isolated F, to many digits before they are rounded; and what curves of F there are."""
    p, r = sympy.symbols("p r")
    Q, R = (sympy.Matrix(2, 2, [_rational(x) for x in np.ravel(own)]) for own in form.matrices)
    first, second = map(_rational, eta)
    own_1 = Q[0, 0] + 2 * p * Q[0, 1] + p**2 * Q[1, 1]
    own_2 = R[1, 1] + 2 * r * R[0, 1] + r**2 * R[0, 0]
    cross_1 = (Q[0, 1] + p * Q[1, 1]) * (1 + second * own_2)
    cross_2 = (R[0, 1] + r * R[0, 0]) * (1 + first * own_1)
    f = sympy.Poly(p - second * cross_2, p, r, domain="QQ")
    g = sympy.Poly(r - first * cross_1, p, r, domain="QQ")
    shared: Any = sympy.gcd(f, g)
    continuum = None
    if shared.total_degree() > 0:
        continuum = (
            f"{sympy.factor(shared.as_expr())} = 0, with p = {second} F_21 and r = {first} F_12"
        )
        f, g = sympy.quo(f, shared), sympy.quo(g, shared)
    read = sympy.lambdify((p, r), [[own_1, cross_1], [cross_2, own_2]], "mpmath")
    return [np.array(read(*pair), complex) for pair in _common_roots(f, g)], continuum


def _common_roots(f: sympy.Poly, g: sympy.Poly) -> list[tuple[Any, Any]]:
    """All (p, r) where two polynomials without a common factor are both zero, as complex numbers."""
    p, r = f.gens
    eliminant = sympy.Poly(sympy.resultant(f.as_expr(), g.as_expr(), r), p, domain="QQ")
    pairs: list[tuple[Any, Any]] = []
    with flint.ctx.workprec(_PRECISION):
        for x in _roots(_coefficients(eliminant)):
            # Coefficients in r, of the one of the two that says more about it at this p.
            rows = [[_at(c, x) for c in _in_second(own)] for own in (f, g)]
            trimmed = [own for own in map(_trim, rows) if len(own) > 1]
            for y in _low_roots(min(trimmed, key=len)) if trimmed else []:
                if all(_small(row, y) for row in rows):
                    pairs.append((complex(x), complex(y)))
    return pairs


def _coefficients(poly: sympy.Poly) -> list[Any]:
    """From the lowest."""
    return [flint.fmpq(int(c.p), int(c.q)) for c in reversed(poly.all_coeffs())]


def _in_second(poly: sympy.Poly) -> list[list[Any]]:
    """A polynomial in (p, r) as one in r, whose coefficients are polynomials in p."""
    p, r = poly.gens
    in_r = sympy.Poly(poly.as_expr(), r)
    return [_coefficients(sympy.Poly(c, p, domain="QQ")) for c in reversed(in_r.all_coeffs())]


def _roots(coefficients: list[Any]) -> list[Any]:
    """The distinct complex roots, certified, of a polynomial with rational coefficients."""
    poly = flint.fmpq_poly(coefficients)
    if poly.degree() < 1:
        return []
    found: Any = poly.numer().complex_roots()
    return [_middle(root) for root, _ in found]


def _at(coefficients: list[Any], x: Any) -> Any:
    value = flint.acb(0)
    for c in reversed(coefficients):
        value = value * x + c
    return value


# Of _PRECISION bits, 120 digits; a double root costs half of them.
_ZERO = 1e-40


def _trim(row: list[Any]) -> list[Any]:
    """Without leading coefficients that are zero."""
    scale = max([1.0, *(abs(complex(c)) for c in row)])
    while row and abs(complex(row[-1])) <= _ZERO * scale:
        row = row[:-1]
    return row


def _low_roots(row: list[Any]) -> list[Any]:
    """The roots of a polynomial of degree 1 or 2."""
    if len(row) == 2:
        return [_middle(-row[0] / row[1])]
    c, b, a = row
    square = b * b - 4 * a * c
    root = flint.acb(0) if abs(complex(square)) <= _ZERO else _middle(square).sqrt()
    return [_middle((-b + sign * root) / (2 * a)) for sign in (1, -1)]


def _middle(x: Any) -> Any:
    return flint.acb(x.real.mid(), x.imag.mid())


def _small(row: list[Any], y: Any) -> bool:
    size = sum(abs(complex(c * y**k)) for k, c in enumerate(row))
    return abs(complex(_at(row, y))) <= 1e-20 * (1 + size)
