r"""Learning as maps $F(z) = z + \Delta(z)$ of all players' parameters, in symbols, and their Jacobians.

The rules are in `resolvent.analytic.update_rules`. At a fixed point the Jacobian comes from derivatives of the payoffs
at that point alone, exactly; F need not be written down for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from resolvent.analytic.derivation import ClosedForm
from resolvent.analytic.differentiable import DifferentiableForm
from resolvent.analytic.expansion import Parameters, expansion
from resolvent.analytic.jets import (
    ZERO,
    Payoffs,
    PayoffsAt,
    SymbolicPayoffs,
    Vector,
    payoffs_at,
    settled,
)
from resolvent.analytic.number_field import field_of
from resolvent.analytic.schur_cohn import characteristic
from resolvent.analytic.update_rules import RULES, Rule, joint_gradient
from resolvent.games import DifferentiableGame
from resolvent.games.expressions import smooth


@dataclass(frozen=True)
class UpdateMap:
    """One step of all players, as a map of their joint parameters (and memory).

    **Attributes:**

    - `form`: the payoffs. Of an iterated game, its Taylor polynomial at the point, in displacements.
    - `rules`: one per player.
    - `local`: whether `form` is good at 0 only.
    """

    form: DifferentiableForm
    rules: tuple[Rule, ...]
    local: bool = False

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """What the map is of: all parameters in the order of players, then the memory of those whose
        rule has one, the parameters' names with `previous_` in front."""
        own = [x for each in self.form.parameter_symbols for x in each]
        memory = [
            sympy.Symbol(f"previous_{x.name}")
            for rule, each in zip(self.rules, self.form.parameter_symbols, strict=True)
            if rule.has_memory
            for x in each
        ]
        return (*own, *memory)

    @property
    def step_symbols(self) -> tuple[sympy.Symbol, ...]:
        """Step sizes and weights that are symbols, by name."""
        return tuple(_sorted(set().union(*(own.symbols for own in self.rules))))

    @cached_property
    def expressions(self) -> sympy.ImmutableMatrix:
        """F in symbols, a column.

        **Raises:** `ValueError` where the form is good at one point only.
        """
        if self.local:
            raise ValueError(
                "expected a differentiable game; of an iterated game there is the Jacobian at the point"
            )
        q = SymbolicPayoffs(self.form, {})
        moved, memory = [], []
        previous = iter(self.symbols[sum(q.sizes) :])
        for i, rule in enumerate(self.rules):
            direction = self._direction(q, i)
            if rule.has_memory:
                memory += list(direction)
                direction = np.array([2 * w - next(previous) for w in direction], dtype=object)
            own = self.form.parameter_symbols[i]
            moved += [x + rule.rate * step for x, step in zip(own, direction, strict=True)]
        return sympy.ImmutableMatrix([*moved, *memory])

    def jacobian(
        self, at: Sequence[Any] | None = None, check: bool = True
    ) -> sympy.ImmutableMatrix:
        """dF at an exact point, a matrix of rational functions of the step sizes.

        **Arguments:**

        - `at`: one sequence of d_i exact numbers per player: what [`resolvent.games.exact`][] reads,
            SymPy numbers such as `sqrt(2)` or `log(3)`, or formulas in the step sizes (LOLA's fixed points
            move with them). Left out for an iterated game, where it is the point of `policies`.
        - `check`: whether a point that F does not keep is an error.

        **Returns:** `(d, d)`, with rows and columns for memory behind; a memory is at its fixed point.

        **Raises:** `ValueError` where the point is no fixed point of F at all step sizes; for SOS, no
            fixed point of the game.
        """
        point = self._point(at)
        q = payoffs_at(self.form, point)
        total = len(point)
        rows: list[Vector] = []
        memory: list[Vector] = []
        columns = total + sum(
            size for size, rule in zip(q.sizes, self.rules, strict=True) if rule.has_memory
        )
        place, row = total, 0
        for i, rule in enumerate(self.rules):
            for own in self._direction(q, i):
                if check and not is_zero(own.value):
                    raise ValueError(
                        f"at: expected a fixed point of the map, but {self.symbols[row]} moves there "
                        f"by ({rule.rate}) * ({own.value})"
                    )
                extended = np.full(columns, ZERO, dtype=object)
                extended[:total] = own.slope * rule.rate
                if rule.has_memory:
                    extended = extended * 2
                    extended[place] = -rule.rate
                    remembered = np.full(columns, ZERO, dtype=object)
                    remembered[:total] = own.slope
                    memory.append(remembered)
                    place += 1
                extended[row] = extended[row] + 1
                rows.append(extended)
                row += 1
        entries = [[settled(entry) for entry in own] for own in (*rows, *memory)]
        return sympy.ImmutableMatrix(entries)

    def _direction(self, q: Payoffs, i: int) -> Vector:
        rule = self.rules[i]
        if isinstance(q, PayoffsAt) and rule.name == "sos":
            if not all(is_zero(x.value) for x in joint_gradient(q)):
                raise ValueError("at: sos is smooth, and known, at fixed points of the game only")
        if isinstance(q, PayoffsAt) and self.local:
            if rule.order is not None and rule.order > 1:
                raise ValueError(
                    "rules: higher_order_lola of order 2 and up moves payoffs to another point, for which "
                    "an expansion at one is no use; take order 1, or a differentiable game"
                )
            if rule.moves_payoffs and not all(is_zero(x.value) for x in joint_gradient(q)):
                raise ValueError(
                    f"policies: {rule.name} looks at another point unless the gradients are 0, and "
                    "an expansion is good at one; expected a fixed point of the game"
                )
        return RULES[rule.name](q, i, rule, rule.steps(len(self.rules)))

    def _point(self, at: Sequence[Any] | None) -> list[sympy.Expr]:
        sizes = [len(own) for own in self.form.parameter_symbols]
        if self.local or at is None:
            if not self.local:
                raise ValueError("at: expected one sequence of numbers per player, got none")
            if at is not None:
                raise ValueError("at: leave it out; the point of an iterated game is `policies`")
            return [ZERO] * sum(sizes)
        return exact_point(at, self.form)

    def __str__(self) -> str:
        names = ", ".join(dict.fromkeys(rule.name for rule in self.rules))
        where = " near a point" if self.local else ""
        return f"update map of {names} in {self.form.game.name or 'a game'}{where}: {self.symbols}"


def update_map(
    form: DifferentiableForm | DifferentiableGame | ClosedForm,
    rules: str | Rule | Sequence[Rule],
    *,
    policies: Sequence[Any] | None = None,
    parameters: Parameters = "logits",
    **options: Any,
) -> UpdateMap:
    """One step of learners as a map, in symbols.

    **Arguments:**

    - `form`: the closed form of a game; for an iterated or stochastic one `policies` are needed.
    - `rules`: a [`resolvent.analytic.Rule`][] for all players, or one per player; or the name of one,
        with its arguments as `options` (`rate="alpha"`, ...).
    - `policies`, `parameters`: for an iterated game, the exact joint policy near which the map is
        wanted, and what the parameters are; see [`resolvent.analytic.expansion`][].

    **Returns:** an [`resolvent.analytic.UpdateMap`][]. Any number of players and of parameters each.

    **Raises:** `ValueError` for names of step sizes that are also parameters' names, a number of rules
        that is not that of players, and a game without formulas.
    """
    if isinstance(form, ClosedForm):
        if policies is None:
            raise ValueError(
                "policies: expected the joint policy at which to expand the iterated game"
            )
        own: DifferentiableForm = expansion(form, policies, 3, parameters)
    else:
        if policies is not None:
            raise ValueError("policies: expected none for a differentiable game; use jacobian(at)")
        own = DifferentiableForm(form) if isinstance(form, DifferentiableGame) else form
    if not isinstance(own, DifferentiableForm):
        raise TypeError(f"form: expected a closed form of a game, got {type(form).__name__}")
    players = len(own.values)  # raises for a game without formulas
    if isinstance(rules, str):
        rules = Rule(rules, **options)
    elif options:
        raise ValueError(f"{', '.join(options)}: expected in the Rule, where rules are given")
    known = (rules,) * players if isinstance(rules, Rule) else tuple(rules)
    if len(known) != players or not all(isinstance(rule, Rule) for rule in known):
        raise ValueError(f"rules: expected one Rule, or one for each of {players} players")
    names = {x.name for each in own.parameter_symbols for x in each}
    for rule in known:
        rule.steps(players)
        if clash := sorted(x.name for x in rule.symbols if x.name in names):
            raise ValueError(
                f"rules: expected names of step sizes that are no parameters, got {', '.join(clash)}"
            )
    return UpdateMap(own, known, local=isinstance(form, ClosedForm))


def exact_point(at: Sequence[Any], form: DifferentiableForm) -> list[sympy.Expr]:
    """A joint parameter vector, flat, of exact numbers or formulas without parameters."""
    names = form.parameter_symbols
    if isinstance(at, str) or len(at) != len(names):
        raise ValueError(f"at: expected one sequence for each of {len(names)} players, got {at!r}")
    taken = {x for own in names for x in own}
    point: list[sympy.Expr] = []
    for player, (given, own) in enumerate(zip(at, names, strict=True)):
        if isinstance(given, str) or not hasattr(given, "__len__") or len(given) != len(own):
            wanted = ", ".join(map(str, own))
            raise ValueError(f"at[{player}]: expected {len(own)} numbers ({wanted}), got {given!r}")
        for k, entry in enumerate(given):
            read = (
                entry if isinstance(entry, sympy.CRootOf) else smooth(entry, f"at[{player}][{k}]")
            )
            if read.free_symbols & taken:
                raise ValueError(f"at[{player}][{k}]: expected no parameter in it, got {entry}")
            point.append(settled(read))
    return point


def _sorted(symbols: Any) -> list[Any]:
    return sorted(symbols, key=str)


def is_zero(expression: sympy.Expr) -> bool:
    """Whether an exact number or a function of step sizes is 0; exact where it is algebraic."""
    number = sympy.sympify(expression)
    if number.is_Rational:
        return number == 0
    try:
        field_of([number])
    except ValueError:
        return bool(sympy.simplify(number) == 0)
    own = characteristic(sympy.Matrix([[number]]), _sorted(number.free_symbols))
    return own.factors[0].coefficients[0] == 0
