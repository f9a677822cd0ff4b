r"""Rules of learning, each written once: over formulas, or over dual numbers at a point.

With values V (maximised), $w = (\partial V_i / \partial \theta_i)_i$ the simultaneous gradient, J its Jacobian with
blocks $J_{ij} = \partial^2 V_i / \partial \theta_i \partial \theta_j$, $J_o$ that without the blocks $J_{ii}$,
$A = (J - J')/2$, $g_{ij} = \partial V_i / \partial \theta_j$ and
$H^k_{ij} = \partial^2 V_k / \partial \theta_i \partial \theta_j$, and sums over $j \ne i$:

| rule | $\Delta_i / \alpha_i$ |
| --- | --- |
| naive | $w_i$ |
| look_ahead | $w_i + \sum_j \eta_{ij} J_{ij} w_j$ |
| lola, taylor | $w_i + \sum_j \eta_{ij} (J_{ij} w_j + H^j_{ij} g_{ij})$ |
| lola, original | $w_i + \sum_j \eta_{ij} H^j_{ij} g_{ij}$ |
| lola, exact | $w_i(\theta') + \sum_j \eta_{ij} H^j_{ij} g_{ij}(\theta')$, $\theta'_j = \theta_j + \eta_{ij} w_j$ |
| higher_order_lola | $u^n_i$, from $u^0 = w$ |
| sos | $w_i + \sum_j \eta_{ij} (J_{ij} w_j + \lVert w \rVert^2 H^j_{ij} g_{ij})$, near fixed points of the game |
| sga | $(w + \lambda A w)_i$ |
| consensus_optimization | $(w - \gamma J' w)_i$ |
| extra_gradient | $w_i$ at $\theta_j + \eta_{ij} w_j$ for all j |
| optimistic_gradient | $2 w_i - m_i$, and then $m_i \leftarrow w_i$: a map of parameters and memory |
| competitive_gradient | $x_i$ of $x = w + J_o \, \mathrm{diag}(\eta_i) \, x$ |
| local_symplectic_surgery | $(w + J' J^{-1} w)_i / 2$ |

where $u^{m+1}_j$ is the total derivative of $V_j(\theta_j, \theta_k + \eta_{ik} u^m_k)$ in $\theta_j$.
In losses, whose gradient and Jacobian have the opposite signs, terms with one second derivative change sign against w.

SOS near a fixed point of the game, w = 0: there its share p is at most $p_2 = \lVert w \rVert^2$, so that $p$ times the
shaping term vanishes to second order, whatever $p_1$ is: its Jacobian is LookAhead's. What is differentiated here has
$p = p_2$.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy

from resolvent.analytic.consistent_series import higher_order_lola
from resolvent.analytic.jets import (
    ZERO,
    Dual,
    Payoffs,
    PayoffsAt,
    Vector,
    product,
    settled,
    solve,
)
from resolvent.games.expressions import smooth

Steps = list[sympy.Expr]
Direction = Callable[[Payoffs, int, "Rule", Steps], Vector]


@dataclass(frozen=True)
class Rule:
    """A player's rule of learning, with exact or symbolic step sizes.

    **Arguments:**

    - `name`: as on the command line: naive, look_ahead, lola, higher_order_lola, sos, sga,
        consensus_optimization, extra_gradient, optimistic_gradient, competitive_gradient,
        local_symplectic_surgery.
    - `rate`: the step size alpha: a number, a symbol, or text that is read as either.
    - `lookahead`: the step size eta that the player believes in, one for all or one per player; the
        default is `rate`. Only for rules that look ahead.
    - `weight`: lambda of sga (whose sign is given, not aligned) and gamma of consensus_optimization; the
        default is 1.
    - `variant`: of lola, `"taylor"` (the default), `"original"` or `"exact"`.
    - `order`: of higher_order_lola; the default is 2.

    The conventions are those of the learners in `resolvent.numeric`: payoffs are maximised, steps are in
    units of the values differentiated (per round or discounted sum).
    """

    name: str
    rate: Any = "alpha"
    lookahead: Any = None
    weight: Any = None
    variant: str | None = None
    order: int | None = None

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise ValueError(f"name: expected one of {', '.join(RULES)}, got {self.name!r}")
        defaults = _OPTIONS.get(self.name, {})
        for option in ("lookahead", "weight", "variant", "order"):
            if option not in defaults and getattr(self, option) is not None:
                raise ValueError(f"{option}: {self.name} has none, got {getattr(self, option)!r}")
            if getattr(self, option) is None:
                object.__setattr__(self, option, defaults.get(option))
        if self.name == "lola" and self.variant not in ("taylor", "original", "exact"):
            raise ValueError(
                f'variant: expected "taylor", "original" or "exact", got {self.variant!r}'
            )
        order = 0 if self.order is None else self.order
        if isinstance(order, bool) or not isinstance(order, int) or order < 0:
            raise ValueError(f"order: expected a whole number from 0, got {self.order!r}")
        object.__setattr__(self, "rate", smooth(self.rate, "rate"))
        if self.weight is not None:
            object.__setattr__(self, "weight", smooth(self.weight, "weight"))
        if isinstance(self.lookahead, (list, tuple)):
            rates = tuple(smooth(own, f"lookahead[{k}]") for k, own in enumerate(self.lookahead))
            object.__setattr__(self, "lookahead", rates)
        elif self.lookahead is not None:
            object.__setattr__(self, "lookahead", smooth(self.lookahead, "lookahead"))

    def steps(self, players: int) -> Steps:
        """eta_ij for each player j."""
        if isinstance(self.lookahead, tuple):
            if len(self.lookahead) != players:
                raise ValueError(
                    f"lookahead: expected one number for each of {players} players, "
                    f"got {len(self.lookahead)}"
                )
            return list(self.lookahead)
        return [self.rate if self.lookahead is None else self.lookahead] * players

    @property
    def has_memory(self) -> bool:
        """Whether the map is of the player's previous gradient too."""
        return self.name == "optimistic_gradient"

    @property
    def moves_payoffs(self) -> bool:
        """Whether it takes derivatives at another point than the players are at."""
        if self.name == "higher_order_lola":
            return self.order != 0
        return self.name == "extra_gradient" or self.variant == "exact"

    @property
    def symbols(self) -> set[sympy.Symbol]:
        """Its step sizes and weights that are symbols."""
        looks = self.lookahead if isinstance(self.lookahead, tuple) else (self.lookahead,)
        known = [own for own in (self.rate, self.weight, *looks) if own is not None]
        return set().union(*(own.free_symbols for own in known))


_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "look_ahead": {"lookahead": None},
        "lola": {"lookahead": None, "variant": "taylor"},
        "higher_order_lola": {"lookahead": None, "order": 2},
        "sos": {"lookahead": None},
        "sga": {"weight": 1},
        "consensus_optimization": {"weight": 1},
        "extra_gradient": {"lookahead": None},
        "competitive_gradient": {"lookahead": None},
    }
)
"""What a rule takes besides its rate, with the defaults."""


# The rules, as in the table -----------------------------------------------------------------------


def _own(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    return q.gradient(i, i)


def _others(q: Payoffs, i: int) -> list[int]:
    return [j for j in range(len(q.sizes)) if j != i]


def _look_ahead(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    total = q.gradient(i, i)
    for j in _others(q, i):
        total = total + product(q.second(i, i, j), q.gradient(j, j)) * eta[j]
    return total


def _shaping(q: Payoffs, ahead: Payoffs, i: int, eta: Steps) -> Vector:
    """Of the others' steps here, weighted by the interest in them at the point ahead."""
    total = q.gradient(i, i) * ZERO
    for j in _others(q, i):
        total = total + product(q.second(j, i, j), ahead.gradient(i, j)) * eta[j]
    return total


def _lola(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    if rule.variant == "taylor":
        return _look_ahead(q, i, rule, eta) + _shaping(q, q, i, eta)
    if rule.variant == "original":
        return q.gradient(i, i) + _shaping(q, q, i, eta)
    players = range(len(q.sizes))
    ahead = q.moved([None if j == i else q.gradient(j, j) * eta[j] for j in players])
    return ahead.gradient(i, i) + _shaping(q, ahead, i, eta)


def _sos(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    squares = [x * x for j in range(len(q.sizes)) for x in q.gradient(j, j)]
    share = sum(squares[1:], squares[0])
    return _look_ahead(q, i, rule, eta) + _shaping(q, q, i, eta) * share


def _sga(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    total = q.gradient(i, i)
    for j in _others(q, i):  # the blocks of A on the diagonal are 0
        block = q.second(i, i, j) - q.second(j, i, j)
        total = total + product(block, q.gradient(j, j)) * (rule.weight / 2)
    return total


def _consensus(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    total = q.gradient(i, i)
    for j in range(len(q.sizes)):
        total = total - product(q.second(j, i, j), q.gradient(j, j)) * rule.weight
    return total


def _extra_gradient(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    ahead = q.moved([q.gradient(j, j) * step for j, step in enumerate(eta)])
    return ahead.gradient(i, i)


def _competitive(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    def block(j: int, k: int) -> Vector:
        known = q.second(j, j, k)
        one = np.eye(len(known), dtype=int) if j == k else None
        return known * ZERO + one if one is not None else known * -eta[k]

    return solve(_blocks(q, block), joint_gradient(q))[_slice(q, i)]


def _surgery(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    whole = _blocks(q, lambda j, k: q.second(j, j, k))
    turned = product(whole.T, solve(whole, joint_gradient(q)))
    return (q.gradient(i, i) + turned[_slice(q, i)]) * sympy.Rational(1, 2)


def _higher_order(q: Payoffs, i: int, rule: Rule, eta: Steps) -> Vector:
    if rule.order == 0:
        return q.gradient(i, i)
    if rule.order == 1:
        return _lola(q, i, Rule("lola", rule.rate, rule.lookahead, variant="exact"), eta)
    assert rule.order is not None
    common, directions = higher_order_lola(q.form, rule.order, eta)
    found = np.empty(len(directions[i]), dtype=object)
    for k, formula in enumerate(directions[i]):
        own: Any = formula.xreplace({common: sympy.Integer(1)})
        found[k] = _dual(own, q) if isinstance(q, PayoffsAt) else own
    return found


def _dual(formula: sympy.Expr, q: PayoffsAt) -> Dual:
    at = dict(zip(q.derivatives.symbols, q.point, strict=True))
    slope = [settled(formula.diff(x).xreplace(at)) for x in q.derivatives.symbols]
    return Dual(settled(formula.xreplace(at)), np.array(slope, dtype=object))


def joint_gradient(q: Payoffs) -> Vector:
    """w."""
    return np.concatenate([q.gradient(j, j) for j in range(len(q.sizes))])


def _blocks(q: Payoffs, block: Callable[[int, int], Vector]) -> Vector:
    players = range(len(q.sizes))
    return np.block([[block(j, k) for k in players] for j in players])


def _slice(q: Payoffs, i: int) -> slice:
    first = sum(q.sizes[:i])
    return slice(first, first + q.sizes[i])


RULES: dict[str, Direction] = {
    "naive": _own,
    "look_ahead": _look_ahead,
    "lola": _lola,
    "higher_order_lola": _higher_order,
    "sos": _sos,
    "sga": _sga,
    "consensus_optimization": _consensus,
    "extra_gradient": _extra_gradient,
    "optimistic_gradient": _own,
    "competitive_gradient": _competitive,
    "local_symplectic_surgery": _surgery,
}
"""The direction of each rule by name; the optimistic one's memory is added by the map."""
