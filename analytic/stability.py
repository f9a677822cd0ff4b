r"""The game Jacobian in symbols, and its parts.

$$ w = \Big(\frac{\partial V_i}{\partial \theta_i}\Big)_i, \qquad J = \frac{\partial w}{\partial z}, \qquad
   S = \tfrac12 (J + J'), \quad A = \tfrac12 (J - J'), \quad J = J_d + J_o, $$

for the joint parameters z of all players; $J_d$ has the blocks of players' own second derivatives on its diagonal, and
$J_o$ the cross blocks. Payoffs are maximised: the literature's $\xi$ and H, of losses, are -w and -J, and a *stable*
fixed point, $H \succeq 0$ there or eigenvalues with positive real parts, is one where J's are negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from resolvent.analytic.derivation import ClosedForm
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.expansion import Parameters, expansion
from resolvent.analytic.jets import payoffs_at, settled
from resolvent.analytic.schur_cohn import characteristic
from resolvent.analytic.update_maps import exact_point, is_zero
from resolvent.games import DifferentiableGame


@dataclass(frozen=True)
class GameJacobian:
    """The simultaneous gradient of a game, its Jacobian, and the parts of that; in symbols, or numbers.

    Payoffs are maximised: in losses w and all matrices have the opposite sign.

    **Attributes:**

    - `parameters`: the symbols, per player.
    - `gradient`: w, a column of d entries.
    - `matrix`: J, `(d, d)`; block row i is of player i's own payoff.
    """

    parameters: tuple[tuple[sympy.Symbol, ...], ...]
    gradient: sympy.ImmutableMatrix
    matrix: sympy.ImmutableMatrix

    @property
    def symmetric(self) -> sympy.ImmutableMatrix:
        """S = (J + J') / 2."""
        return (self.matrix + self.matrix.T) / 2

    @property
    def antisymmetric(self) -> sympy.ImmutableMatrix:
        """A = (J - J') / 2; 0 in potential games."""
        return (self.matrix - self.matrix.T) / 2

    @property
    def own(self) -> sympy.ImmutableMatrix:
        """J_d: the blocks on the diagonal alone."""
        return self.matrix - self.cross

    @property
    def cross(self) -> sympy.ImmutableMatrix:
        """J_o: all other blocks."""
        owner = [i for i, each in enumerate(self.parameters) for _ in each]
        return sympy.ImmutableMatrix(
            *self.matrix.shape,
            lambda r, c: 0 if owner[r] == owner[c] else self.matrix[r, c],
        )

    def block(self, i: int, j: int) -> sympy.ImmutableMatrix:
        """The second derivatives of player i's payoff in its own and player j's parameters."""
        rows = self.matrix.tolist()[self._range(i)]
        return sympy.ImmutableMatrix([row[self._range(j)] for row in rows])

    def at(self, params: Sequence[Any]) -> GameJacobian:
        """The same at an exact point.

        **Arguments:** `params`: one sequence of d_i exact numbers per player.
        """
        names = tuple(x.name for own in self.parameters for x in own)
        shape = tuple(tuple(x.name for x in own) for own in self.parameters)
        blank = DifferentiableForm(DifferentiableGame([0] * len(shape), shape))
        point = exact_point(params, blank)
        mapping = dict(zip(map(sympy.Symbol, names), point, strict=True))
        return GameJacobian(
            self.parameters,
            self.gradient.xreplace(mapping).applyfunc(settled),
            self.matrix.xreplace(mapping).applyfunc(settled),
        )

    def eigenvalues(self) -> dict[sympy.Expr, int]:
        """Of J, with multiplicities, as SymPy finds them."""
        return dict(self.matrix.eigenvals())

    @property
    def is_fixed_point(self) -> bool:
        """Whether w is 0, exactly."""
        return all(is_zero(entry) for (entry,) in self.gradient.tolist())

    @property
    def stable(self) -> bool:
        """Whether all eigenvalues of J have negative real parts, exactly: the gradient flow dz/dt = w
        then comes back to the fixed point. Numbers must be algebraic."""
        return _in_left_half(self.matrix)

    @property
    def unstable(self) -> bool:
        """Whether all eigenvalues of J have positive real parts, exactly."""
        return _in_left_half(-self.matrix)

    @property
    def differential_nash(self) -> bool:
        """Whether w is 0 and every player's own second derivatives are negative definite, exactly: a
        strict local equilibrium."""
        players = range(len(self.parameters))
        return self.is_fixed_point and all(
            _in_left_half(self.block(i, i)) for i in players if self.parameters[i]
        )

    def _range(self, i: int) -> slice:
        first = sum(len(own) for own in self.parameters[:i])
        return slice(first, first + len(self.parameters[i]))

    def __str__(self) -> str:
        lines = [f"game Jacobian in {', '.join(str(x) for own in self.parameters for x in own)}"]
        for name, own in (("w", self.gradient.T), ("J", self.matrix)):
            lines += [f"{name} = {own.tolist()}"]
        return "\n".join(lines)


def game_jacobian(
    form: DifferentiableForm | DifferentiableGame | ClosedForm,
    *,
    policies: Sequence[Any] | None = None,
    parameters: Parameters = "logits",
) -> GameJacobian:
    """The simultaneous gradient of a game and its Jacobian, exact.

    **Arguments:**

    - `form`: the closed form of a game. Of a differentiable one the result is in symbols.
    - `policies`: for an iterated or stochastic game, the exact joint policy at which to take it. Left
        out, the result is in the policies' symbols; it can be large.
    - `parameters`: for such a game, what derivatives are by: `"logits"` (with `policies` only) or
        `"policies"`, the probabilities of all actions but the last.

    **Returns:** a [`resolvent.analytic.GameJacobian`][].

    **Raises:** `ValueError` for a game without formulas.
    """
    if isinstance(form, ClosedForm):
        if policies is not None:
            return _at_point(expansion(form, policies, 2, parameters))
        if parameters != "policies":
            raise ValueError(
                'parameters: expected "policies" where no point is given in `policies`'
            )
        return _of_policies(form)
    if policies is not None:
        raise ValueError("policies: expected none for a differentiable game; use .at(params)")
    own = DifferentiableForm(form) if isinstance(form, DifferentiableGame) else form
    gradient = own.joint_gradient()
    return GameJacobian(
        own.parameter_symbols,
        sympy.ImmutableMatrix(gradient),
        sympy.ImmutableMatrix(own.jacobian()),
    )


def _at_point(form: DifferentiableForm) -> GameJacobian:
    names = form.parameter_symbols
    q = payoffs_at(form, [sympy.Integer(0)] * sum(map(len, names)))
    entries = [entry for i in range(len(names)) for entry in q.gradient(i, i)]
    return GameJacobian(
        names,
        sympy.ImmutableMatrix([own.value for own in entries]),
        sympy.ImmutableMatrix([list(own.slope) for own in entries]),
    )


def _of_policies(form: ClosedForm) -> GameJacobian:
    players = range(form.game.num_players)
    gradient = sympy.Matrix.vstack(*(form.gradient(i, i) for i in players))
    matrix = sympy.Matrix.vstack(
        *(sympy.Matrix.hstack(*(form.hessian(i, (i, j)) for j in players)) for i in players)
    )
    symbols: Any = tuple(tuple(x for row in own for x in row[:-1]) for own in form.policy_symbols)
    return GameJacobian(symbols, sympy.ImmutableMatrix(gradient), sympy.ImmutableMatrix(matrix))


def _in_left_half(matrix: sympy.ImmutableMatrix) -> bool:
    r"""Whether all eigenvalues have negative real parts: those of $(I - M)^{-1} (I + M)$, which are
    $(1 + \lambda) / (1 - \lambda)$, are then inside the unit circle."""
    one = sympy.eye(matrix.rows)
    if matrix.free_symbols:
        raise ValueError(
            f"expected numbers, got the symbols {sorted(map(str, matrix.free_symbols))}"
        )
    spectrum = characteristic(one - matrix, [])
    if any(own.numbers([])[0] % own.field.modulus == 0 for own in spectrum.factors):
        return False  # 1 is an eigenvalue
    return characteristic((one - matrix).inv() * (one + matrix), []).stable([])
