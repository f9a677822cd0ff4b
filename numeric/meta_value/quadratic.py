r"""The self-consistent meta-value of a linear-quadratic game, as matrices.

With $f_i(z) = c_i + q_i^\top z + z^\top Q_i z / 2$ the meta-value is quadratic too, $V_i(z) = d_i + b_i^\top z +
z^\top P_i z / 2$, and the step is affine, $z' = M z + m$ with $M = I + A K(P)$, $m = A k(b)$: row block j of K is that
of $P_j$, and A holds the rates. Hence

$$ P_i = (1 - \gamma_i) Q_i + \gamma_i M^\top P_i M, \qquad
   b_i = (1 - \gamma_i) q_i + \gamma_i M^\top (P_i m + b_i), $$

a cubic equation in P and, given P, a linear one in b. At rate 0 its solution is P = Q; from there it is followed to
the given rates. Rows of players that use a given learner are that learner's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Complex, Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, check_parameters
from resolvent.numeric.meta_value.meta_value import (
    Belief,
    MetaValue,
    Opponents,
    beliefs_of,
    check_discount,
    check_rate,
    check_values,
    learner_step,
)
from resolvent.numeric.quadratic import QuadraticForm, quadratic_form

Tree = Any

_MOST_UNKNOWNS = 2000
_NEWTON_STEPS = 12
_SEARCH_STEPS = 80
_SINGULAR = 1e9
_SHORTEST = 2.0**-20


class QuadraticMetaValue(MetaValue):
    """The exact self-consistent meta-value of a linear-quadratic game; see
    [`resolvent.numeric.quadratic_meta_value`][].

    **Attributes:**

    - `values`, `discount`: of every [`resolvent.numeric.MetaValue`][].
    - `form`: its matrices P, vectors b and constants d.
    - `rate`: with which players are believed to follow it, `(n,)`.
    - `steps`, `shifts`: M and m of the joint step $z' = M z + m$, as each player believes it to be, `(n, d, d)`
        and `(n, d)`: all the same unless `opponents` is a single learner.
    - `residual`: the largest entry by which the equations fail, over the largest coefficient.
    - `analytic`: whether this is the solution that is the game itself at rate 0.
    - `others`: further real solutions, where they were looked for and found.
    """

    form: QuadraticForm
    rate: Float[Array, " players"]
    steps: Float[Array, "players all all"]
    shifts: Float[Array, "players all"]
    residual: Float[Array, ""]
    others: tuple[QuadraticMetaValue, ...]
    analytic: bool = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        return self.form(self.form.ravel(check_parameters(params, self.shapes)))

    @property
    def multipliers(self) -> Complex[np.ndarray[Any, Any], "players all"]:
        """Eigenvalues of M, as each player believes it to be, `(n, d)`: play converges along an eigenvector
        if they are less than 1 in modulus."""
        return np.linalg.eigvals(np.asarray(self.steps)).astype(complex)

    @property
    def contraction(self) -> Float[np.ndarray[Any, Any], " players"]:
        r"""$\sqrt{\gamma_i} \rho(M)$, `(n,)`, with the spectral radius $\rho$. Where it is below 1, the discounted
        sum of the values along the way converges, and the meta-value is that sum. Elsewhere it solves the
        equation and is nothing else."""
        return np.sqrt(np.asarray(self.discount)) * np.abs(self.multipliers).max(axis=1)

    @property
    def is_sum(self) -> bool:
        """Whether the meta-value is the discounted sum that it stands for, for every player."""
        return bool((self.contraction < 1).all())

    def rest(self, player: int = 0) -> tuple[Array, ...] | None:
        """A point that the step leaves where it is, as `player` believes it to be, the closest to 0 of all;
        `None` where there is none."""
        step, shift = np.asarray(self.steps[player]), np.asarray(self.shifts[player])
        gap = np.eye(len(shift)) - step
        z = np.linalg.lstsq(gap, shift, rcond=1e-10)[0]
        if np.abs(gap @ z - shift).max() > 1e-9 * (1 + np.abs(shift).max()):
            return None
        return self.form.split(jnp.asarray(z))

    def summary(self) -> str:
        """To read."""
        kind = "the solution that begins at rate 0" if self.analytic else "another real solution"
        means = "the discounted sum" if self.is_sum else "NOT the discounted sum, which diverges"
        return (
            f"exact meta-value of {self.values.name}: {kind}\n"
            f"  rate {np.asarray(self.rate).tolist()}, discount {np.asarray(self.discount).tolist()}\n"
            f"  residual {float(self.residual):.3g}, contraction "
            f"{', '.join(f'{own:.6g}' for own in self.contraction)}: {means}"
            + (f"\n  {len(self.others)} other real solutions in `.others`" if self.others else "")
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"QuadraticMetaValue({self.values.name}, residual={float(self.residual):.1e})"


def quadratic_meta_value(
    values: ValueFunction,
    rate: Any,
    discount: Any,
    opponents: Opponents = None,
    *,
    starts: int = 0,
) -> QuadraticMetaValue:
    """The self-consistent meta-value of a linear-quadratic game, exactly.

    **Arguments:**

    - `values`: quadratic in the parameters of all players.
    - `rate`: with which players follow their meta-value, a number or one per player.
    - `discount`: gamma, in [0, 1), a number or one per player.
    - `opponents`: who does not follow its meta-value, see [`resolvent.numeric.bellman_residual`][]. Their updates must
        be affine in the parameters, as those of all gradient rules with fixed weights are in quadratic games.
    - `starts`: from how many other starts to look for further real solutions.

    **Returns:** a [`resolvent.numeric.QuadraticMetaValue`][]: the solution that is the game itself at rate 0.
    Look at its `residual`, and whether it `is_sum`.

    **Raises:** `ValueError` where values are not quadratic or updates not affine (then use
    `meta_value_collocation` or `meta_value_networks`), or where the solution that begins at rate 0 ends before
    the given rate; it names how far it came.
    """
    check_values(values)
    players = values.num_players
    alpha, gamma = check_rate(rate, players), check_discount(discount, players)
    beliefs = beliefs_of(opponents, values)
    if isinstance(starts, bool) or not isinstance(starts, int) or starts < 0:
        raise ValueError(f"starts: expected a whole number from 0, got {starts!r}")
    game = quadratic_form(values)
    size = game.vectors.shape[1]
    if players * size * (size + 1) // 2 > _MOST_UNKNOWNS:
        raise ValueError(
            f"values: {size} parameters of {players} players make more than {_MOST_UNKNOWNS} unknowns; "
            "use meta_value_networks"
        )
    system = _System(values, game, alpha, gamma, beliefs)
    flat, reached = _follow(system)
    if flat is None:
        raise ValueError(
            f"rate: the meta-value that is the game itself at rate 0 was lost at {reached:.6g} times the "
            f"given rates {np.asarray(alpha).tolist()}, where it has no real continuation; lower them, or "
            "the discount"
        )
    further = [system.solution(own, (), False) for own in _search(system, flat, starts)]
    solution = system.solution(flat, tuple(own for own in further if own is not None), True)
    if solution is None:
        raise ValueError(
            "discount: the linear part of the meta-value is not determined at these rates and discounts; "
            "change them a little"
        )
    return solution


class _System:
    """The equation in P, as a function of its distinct entries."""

    def __init__(
        self,
        values: ValueFunction,
        game: QuadraticForm,
        rate: Array,
        discount: Array,
        beliefs: tuple[Belief, ...],
    ) -> None:
        self.values, self.game, self.rate, self.discount = values, game, rate, discount
        players, size = game.vectors.shape
        self.gamma, self.quadratic = np.asarray(discount), np.asarray(game.matrices)
        self.rows, self.columns = np.triu_indices(size)
        self.start = self._distinct(self.quadratic)
        # Rates of those who follow a meta-value, 0 for the others, and the others' affine updates.
        self.follow = np.zeros((players, size))
        self.given = np.zeros((players, size, size))
        self.offset = np.zeros((players, size))
        updates = {
            (j, id(rule)): _affine(values, game, rule, j)
            for belief in beliefs
            for j, rule in enumerate(belief)
            if rule is not None
        }
        for i, belief in enumerate(beliefs):
            for j, (rule, part) in enumerate(zip(belief, game.parts, strict=True)):
                if rule is None:
                    self.follow[i, part] = rate[j]
                else:
                    self.given[i, part], self.offset[i, part] = updates[j, id(rule)]

    def matrices(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Distinct entries -> P; leading axes stay."""
        players, size = self.game.vectors.shape
        upper = flat.reshape(*flat.shape[:-1], players, -1)
        full = np.zeros((*upper.shape[:-1], size, size))
        full[..., self.rows, self.columns] = upper
        full[..., self.columns, self.rows] = upper
        return full

    def _distinct(self, matrices: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `matrices`."""
        upper = matrices[..., self.rows, self.columns]
        return upper.reshape(*upper.shape[:-2], -1)

    def _joint(self, blocks: Any) -> Any:
        """Row block j of entry j, `(n, d, ...)` -> `(d, ...)`."""
        return np.concatenate([blocks[j, part] for j, part in enumerate(self.game.parts)])

    def _own(self, matrices: NDArray[Any]) -> NDArray[Any]:
        """A K(P), as each player believes it to be."""
        return self.follow[:, :, None] * self._joint(matrices)[None]

    def steps(self, matrices: NDArray[Any], share: float = 1.0) -> NDArray[Any]:
        """M, at `share` of all rates."""
        return np.eye(matrices.shape[1])[None] + share * (self._own(matrices) + self.given)

    def shifts(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """m."""
        return self.follow * self._joint(vectors)[None] + self.offset

    def gap(self, flat: NDArray[Any], share: float) -> NDArray[Any]:
        """P - (1 - gamma) Q - gamma M' P M, distinct entries."""
        matrices = self.matrices(flat)
        steps = self.steps(matrices, share)
        ahead = _transposed(steps) @ matrices @ steps
        g = self.gamma[:, None, None]
        return self._distinct(matrices - (1 - g) * self.quadratic - g * ahead)

    def slope(self, flat: NDArray[Any], share: float) -> NDArray[Any]:
        """Its derivative: dP - gamma (dM' P M + M' dP M + M' P dM), a column for each distinct entry."""
        matrices = self.matrices(flat)
        steps = self.steps(matrices, share)
        columns = []
        for unit in self.matrices(np.eye(flat.size)):
            mixed = _transposed(share * self._own(unit)) @ matrices @ steps
            ahead = mixed + _transposed(mixed) + _transposed(steps) @ unit @ steps
            columns.append(self._distinct(unit - self.gamma[:, None, None] * ahead))
        return np.stack(columns, axis=1)

    def by_share(self, flat: NDArray[Any], share: float) -> NDArray[Any]:
        """The derivative of `gap` in the share of the rates."""
        matrices = self.matrices(flat)
        mixed = _transposed(self._own(matrices) + self.given) @ matrices
        mixed = mixed @ self.steps(matrices, share)
        return self._distinct(-self.gamma[:, None, None] * (mixed + _transposed(mixed)))

    def newton(
        self, flat: NDArray[Any], share: float, iterations: int = _NEWTON_STEPS
    ) -> NDArray[Any] | None:
        """The solution near `flat`, or `None` where Newton's method does not find one."""
        last = np.inf
        for _ in range(iterations):
            gap = self.gap(flat, share)
            size = float(np.abs(gap).max())
            scale = 1 + float(np.abs(flat).max())
            # To the floor of rounding: as long as the gap still shrinks.
            if size <= 1e-12 * scale and size >= 0.5 * last:
                return flat
            if not np.isfinite(size):
                return None
            last = size
            try:
                flat = flat - np.linalg.solve(self.slope(flat, share), gap)
            except np.linalg.LinAlgError:
                return None
        return flat if last <= 1e-12 * (1 + float(np.abs(flat).max())) else None

    def predicted(self, flat: NDArray[Any], share: float, stride: float) -> NDArray[Any]:
        """A step along the tangent."""
        return flat - stride * np.linalg.solve(self.slope(flat, share), self.by_share(flat, share))

    def solution(
        self, flat: NDArray[Any], others: tuple[QuadraticMetaValue, ...], analytic: bool
    ) -> QuadraticMetaValue | None:
        """P completed by b and d; `None` where P leaves b undetermined."""
        matrices = self.matrices(flat)
        steps = self.steps(matrices)
        game, g = self.game, self.gamma[:, None]
        linear = np.asarray(game.vectors)

        def gap(vectors: NDArray[Any]) -> NDArray[Any]:
            """b - (1 - gamma) q - gamma M' (P m + b)."""
            pushed = np.einsum("iab,ib->ia", matrices, self.shifts(vectors)) + vectors
            return vectors - (1 - g) * linear - g * np.einsum("iba,ib->ia", steps, pushed)

        zero = gap(np.zeros_like(linear))
        units = np.eye(zero.size).reshape(-1, *zero.shape)
        slope = np.stack([(gap(unit) - zero).ravel() for unit in units], axis=1)
        if not np.linalg.cond(slope) < _SINGULAR:
            return None
        vectors = np.linalg.solve(slope, -zero.ravel()).reshape(zero.shape)
        shifts = self.shifts(vectors)
        moved = np.einsum("ia,ia->i", vectors, shifts)
        moved += 0.5 * np.einsum("ia,iab,ib->i", shifts, matrices, shifts)
        constants = np.asarray(game.constants) + self.gamma / (1 - self.gamma) * moved
        largest = max(float(np.abs(own).max()) for own in (matrices, vectors, self.quadratic))
        gaps = (self.gap(flat, 1.0), gap(vectors))
        worst = max(float(np.abs(own).max()) for own in gaps)
        matrices, vectors, constants, steps, shifts = map(
            jnp.asarray, (matrices, vectors, constants, steps, shifts)
        )
        return QuadraticMetaValue(
            values=self.values,
            discount=self.discount,
            form=QuadraticForm(matrices, vectors, constants, game.shapes),
            rate=self.rate,
            steps=steps,
            shifts=shifts,
            residual=jnp.asarray(worst / largest if largest else worst),
            others=others,
            analytic=analytic,
        )


def _transposed(matrices: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrices, -1, -2)


def _affine(
    values: ValueFunction, game: QuadraticForm, rule: Any, player: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """A learner's update as $U z + u$, `(d_i, d)` and `(d_i,)`."""

    @jax.jit
    def update(z: Array) -> Array:
        return jnp.ravel(learner_step(values, rule, game.split(z), player))

    size = game.vectors.shape[1]
    zero = jnp.zeros(size)
    constant, slope = np.asarray(update(zero)), np.asarray(jax.jacfwd(update)(zero))
    # Rules that adapt, such as SOS, do so where all gradients are small: look there too.
    matrix, vector = map(np.asarray, game.joint_gradient())
    still = np.linalg.lstsq(matrix, -vector, rcond=None)[0]
    direction = np.cos(np.arange(1, size + 1) ** 2) + 0.1
    for z in [
        centre + r * direction for centre in (0 * still, still) for r in (1e-2, 0.1, 1.0, -7.0)
    ]:
        gap = np.abs(np.asarray(update(jnp.asarray(z))) - constant - slope @ z)
        scale = 1 + np.abs(slope).max() * np.abs(z).max() + np.abs(constant).max()
        if not (gap <= 1e-9 * scale).all():
            raise ValueError(
                f"opponents: the update of {type(rule).__name__} for player {player} is not affine in the "
                "parameters; use meta_value_collocation or meta_value_networks"
            )
    return slope, constant


class _Place(NamedTuple):
    flat: NDArray[Any] | None
    share: float


def _follow(system: _System) -> _Place:
    """From rate 0 to the given rates; without a solution where it is lost on the way."""
    flat, share, stride = system.start, 0.0, 1.0
    while share < 1:
        there = min(1.0, share + stride)
        guess = system.predicted(flat, share, there - share)
        found = system.newton(guess, there)
        # Newton's method must correct the tangent, not find another solution.
        near = found is not None and np.abs(found - guess).max() <= 0.1 * (
            np.abs(found - flat).max() + 1e-6 * (1 + np.abs(flat).max())
        )
        if found is not None and near:
            flat, share, stride = found, there, 2 * stride
        else:
            stride = (there - share) / 2
            if stride < _SHORTEST:
                return _Place(None, share)
    return _Place(flat, 1.0)


def _search(system: _System, known: NDArray[Any], starts: int) -> list[NDArray[Any]]:
    """Other real solutions, from starts of many sizes."""
    generator = np.random.default_rng(0)
    found = [known]
    steepest = float(np.abs(np.asarray(system.rate)).max())
    far = max(1.0, np.abs(known).max(), 1 / max(steepest, 1e-6))
    for _ in range(starts):
        guess = generator.normal(size=known.size) * far * 10 ** generator.uniform(-1, 0.5)
        own = system.newton(guess, 1.0, _SEARCH_STEPS)
        if own is not None and all(
            np.abs(own - other).max() > 1e-6 * (1 + np.abs(other).max()) for other in found
        ):
            found.append(own)
    return found[1:]
