r"""What a point is: fixed, stable, a saddle, an equilibrium, by the definitions of the literature.

With w the simultaneous gradient of values and J its Jacobian (of losses, $\xi = -w$ and $H = -J$; the first column is
what the papers say), at a fixed point, $w = 0$:

| name | in losses | here, in values | source |
| --- | --- | --- | --- |
| `attracting` | all eigenvalues of H have positive real part | of J negative: gradient flow $\dot z = w$ converges | |
| `stable` | $H \succeq 0$ and H invertible | $S \preceq 0$, J invertible | Letcher et al. 2019a, def. 1 |
| `unstable` | $H \prec 0$ | $S \succ 0$ | the same |
| `strict_saddle` | an eigenvalue of H has negative real part | of J positive | the same |
| `differential_nash` | own blocks $H_{ii} \succ 0$ | $\nabla^2_{ii} V_i \prec 0$ for all i | Ratliff et al. 2016 |
| `strict_local_nash` | each is a strict local minimum of its player's | a strict local maximum | |
| `local_nash` | each is a local minimum | a local maximum: no player gains by a small move | |

Unstable points are strict saddles. Differential Nash implies strict local Nash implies local Nash; stable does not
imply Nash, nor the reverse. `nonsingular` is whether J is invertible, so that the fixed point is isolated.

Sources: Letcher et al. 2019a, arXiv:1811.08469; Letcher et al. 2019b (JMLR), arXiv:1905.04926; Ratliff, Burden and
Sastry 2016, IEEE Trans. Automatic Control 61, 2050.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction
from resolvent.numeric.stability.jacobian import GameJacobian, game_jacobian, point_of, split
from resolvent.numeric.stability.spectrum import (
    ROUNDING,
    VERDICT,
    Spectrum,
    Verdict,
    positive,
    spectrum,
)
from resolvent.numeric.stability.zeros import SINGULAR

Tree = Any

DEFINITIONS = (
    "attracting",
    "stable",
    "unstable",
    "strict_saddle",
    "differential_nash",
    "strict_local_nash",
    "local_nash",
)
"""The definitions that points are judged by; see the module's table."""

# The step of differences along flat directions, and what they are taken to be 0 below.
_NEAR = 1e-3
_MOVES = (0.1, 1.0)
_FLAT = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class FixedPoint:
    """A point, and which definitions it meets.

    **Fields:**

    - `params`: the parameters, one array per player.
    - `jacobian`: [`resolvent.numeric.GameJacobian`][] there.
    - `residual`: the largest entry of the simultaneous gradient, in units of values per parameter.
    - `spectrum`: the eigenvalues of J and their rounding errors, by falling real part.
    - `verdicts`: a [`resolvent.numeric.Verdict`][] for `fixed`, `nonsingular` and each of `DEFINITIONS`.
    - `dimension`: of the continuum of fixed points that it was found to be part of; 0 if isolated, or if it
        was not looked for.
    - `starts`: how many starts of a search led to it; 0 if it was not found by one.
    """

    params: tuple[Array, ...]
    jacobian: GameJacobian
    residual: float
    spectrum: Spectrum
    verdicts: Mapping[str, Verdict]
    dimension: int = 0
    starts: int = 0
    name: str = field(default="", kw_only=True)

    @property
    def eigenvalues(self) -> NDArray[np.complexfloating]:
        """Of J, by falling real part; the literature's are those of H = -J."""
        return self.spectrum.eigenvalues

    @property
    def z(self) -> NDArray[np.floating]:
        """All parameters in order, `(d,)`."""
        return np.concatenate([np.zeros(0), *(np.asarray(own).ravel() for own in self.params)])

    def __getitem__(self, definition: str) -> Verdict:
        if definition not in self.verdicts:
            raise KeyError(f"expected one of {', '.join(self.verdicts)}; got {definition!r}")
        return self.verdicts[definition]

    @property
    def kind(self) -> str:
        """What it is, in a word or two."""
        if not self["fixed"]:
            return "no fixed point"
        where = {0: "", 1: ", on a curve"}.get(self.dimension, f", on a {self.dimension}-continuum")
        zero = np.abs(self.eigenvalues) <= self.spectrum.errors
        if (
            self.dimension
            and zero.sum() == self.dimension
            and (self.eigenvalues.real[~zero] < 0).all()
        ):
            return "attracting" + where
        for name in ("stable", "unstable", "strict_saddle", "attracting"):
            if self[name]:
                return name.replace("_", " ") + where
        return ("degenerate" if not self["nonsingular"] else "marginal") + where

    @property
    def nash(self) -> str:
        """The strongest notion of equilibrium that it is known to meet: differential, strict, local, no or ?."""
        for name, word in (
            ("differential_nash", "differential"),
            ("strict_local_nash", "strict"),
            ("local_nash", "local"),
        ):
            if self[name]:
                return word
        return "no" if self["local_nash"].fails else "?"

    def __repr__(self) -> str:
        return f"FixedPoint({_numbers(self.z)}, {self.kind}, Nash: {self.nash})"

    def __str__(self) -> str:
        lines = [
            f"{_numbers(self.z)}: {self.kind}; Nash: {self.nash}",
            f"  eigenvalues of J: {_numbers(self.eigenvalues)}",
            f"  residual {self.residual:.1e}",
            *(f"  {name}: {verdict}" for name, verdict in self.verdicts.items()),
        ]
        return "\n".join(lines)


def classify(
    values: ValueFunction, params: Tree, tolerance: float = 1e-8, scale: float | None = None
) -> FixedPoint:
    """Which definitions a point meets: fixed, stable, unstable, a strict saddle, and what kind of equilibrium.

    Judged in floating point, by margins beyond rounding; what is 0 within rounding counts as 0 where a definition
    is about semidefiniteness, and is `undecided` otherwise. Where second
    derivatives vanish in a direction of a player's own, local Nash is judged by derivatives of up to
    order four along it.

    **Arguments:**

    - `values`: any [`resolvent.numeric.ValueFunction`][].
    - `params`: the point, one array per player.
    - `tolerance`: how large an entry of the simultaneous gradient may be at a fixed point, in units of
        values per parameter.
    - `scale`: the size of J by which singular values are judged; default: its own norm.

    **Returns:** a [`resolvent.numeric.FixedPoint`][].

    **Raises:** `ValueError` for parameters of other shapes, or not finite.
    """
    z = point_of(values, params)
    if not np.isfinite(z).all():
        raise ValueError(f"params: expected finite numbers, got {params!r}")
    jacobian = jax.device_get(game_jacobian(values, params))
    J, w = np.asarray(jacobian.matrix), np.asarray(jacobian.gradient)
    residual = float(np.abs(w).max(initial=0.0))
    size = float(np.linalg.norm(J, 2)) if len(J) else 0.0
    singular = SINGULAR * (size if scale is None else max(scale, 0.0))
    smallest = float(np.linalg.svd(J, compute_uv=False).min(initial=np.inf)) if len(J) else np.inf
    invertible = bool(smallest > singular)
    found = spectrum(J, 0.0 if invertible else singular)
    verdicts = {
        "fixed": Verdict(
            VERDICT.holds if residual <= tolerance else VERDICT.fails,
            f"the largest entry of the simultaneous gradient is {residual:.2g}",
        ),
        "nonsingular": Verdict(
            VERDICT.holds if invertible else VERDICT.fails,
            f"the smallest singular value of J is {smallest:.3g}",
        ),
    }
    if verdicts["fixed"]:
        floor = ROUNDING * size if invertible else singular
        verdicts |= _flow(jacobian, found, verdicts["nonsingular"], floor)
        verdicts |= _nash(values, z, jacobian, singular)
    else:
        no = Verdict(VERDICT.fails, "it is no fixed point")
        verdicts |= dict.fromkeys(DEFINITIONS, no)
    arrays = split(values.shapes, jnp.asarray(z))
    return FixedPoint(
        arrays, jacobian, residual, found, MappingProxyType(verdicts), name=values.name
    )


def _flow(
    jacobian: GameJacobian, found: Spectrum, nonsingular: Verdict, floor: float
) -> dict[str, Verdict]:
    """The definitions by the spectra of J and S."""
    real, errors = found.eigenvalues.real, found.errors
    top = float(real.max(initial=-np.inf))
    repelled = bool((real - errors > 0).any())
    attracted = bool((real + errors < 0).all())
    largest = f"the largest real part of an eigenvalue of J is {top:.6g}"
    undecided = VERDICT.undecided
    definite, somewhere, least, most = positive(np.asarray(jacobian.symmetric), floor)
    back = bool(somewhere == VERDICT.fails)
    if back and not nonsingular:
        stable, why = VERDICT.fails, f"S has no positive eigenvalue, but {nonsingular.reason}"
    else:
        stable = VERDICT.holds if back else VERDICT.fails
        why = f"the largest eigenvalue of S is {most:.6g}"
    return {
        "attracting": Verdict(
            VERDICT.holds if attracted else VERDICT.fails if repelled else undecided, largest
        ),
        "stable": Verdict(stable, why),
        "unstable": Verdict(definite, f"the smallest eigenvalue of S is {least:.6g}"),
        "strict_saddle": Verdict(
            # No real part is above the largest eigenvalue of S.
            VERDICT.holds if repelled else VERDICT.fails if attracted or back else undecided,
            largest,
        ),
    }


def _nash(
    values: ValueFunction, z: NDArray[np.floating], jacobian: GameJacobian, floor: float
) -> dict[str, Verdict]:
    """The second-order conditions of every player, and higher ones where they do not decide."""
    each = [_own(values, z, jacobian, player, floor) for player in range(jacobian.num_players)]
    names = ("differential_nash", "strict_local_nash", "local_nash")
    return {name: _all([own[k] for own in each]) for k, name in enumerate(names)}


def _all(each: list[Verdict]) -> Verdict:
    """The verdict on all players, with the reason of the player that decides."""
    for status in (VERDICT.fails, VERDICT.undecided):
        for player, own in enumerate(each):
            if own.status == status:
                return Verdict(status, f"player {player + 1}: {own.reason}")
    return Verdict(
        VERDICT.holds, "; ".join(f"player {k + 1}: {v.reason}" for k, v in enumerate(each))
    )


def _own(
    values: ValueFunction,
    z: NDArray[np.floating],
    jacobian: GameJacobian,
    player: int,
    floor: float,
) -> tuple[Verdict, Verdict, Verdict]:
    """Of one player: whether its point is a non-degenerate, a strict, a local maximum of its value."""
    block = np.asarray(jacobian.block(player, player))
    if not len(block):
        nothing = Verdict(VERDICT.holds, "it has no parameters")
        return nothing, nothing, nothing
    curvatures, directions = np.linalg.eigh((block + block.T) / 2)
    top = float(curvatures[-1])
    reason = f"its own largest curvature is {top:.6g}"
    if top < -floor:
        yes = Verdict(VERDICT.holds, reason)
        return yes, yes, yes
    no = Verdict(VERDICT.fails, reason)
    if top > floor:
        return no, no, no
    flat = directions[:, curvatures >= -floor]
    strict, local = _along(values, z, jacobian.parts[player], player, flat)
    return no, strict, local


def _along(
    values: ValueFunction, z: NDArray[np.floating], part: slice, player: int, flat: NDArray[Any]
) -> tuple[Verdict, Verdict]:
    """Where second derivatives vanish: what the value does along those directions.

    Derivatives of order three and four are differences of the exact curvature along the direction."""
    leading: list[tuple[int, float]] = []
    for u in flat.T:
        along = np.zeros_like(z)
        along[part] = u

        def curvature(t: float, along: NDArray[Any] = along, u: NDArray[Any] = u) -> float:
            params = split(values.shapes, jnp.asarray(z + t * along))
            return float(u @ np.asarray(game_jacobian(values, params).block(player, player)) @ u)

        def value(t: float, along: NDArray[Any] = along) -> float:
            return float(values(split(values.shapes, jnp.asarray(z + t * along)))[player])

        behind, here, ahead = curvature(-_NEAR), curvature(0.0), curvature(_NEAR)
        third, fourth = (ahead - behind) / (2 * _NEAR), (ahead - 2 * here + behind) / _NEAR**2
        if abs(third) > _FLAT:
            leading.append((3, third))
        elif abs(fourth) > _FLAT:
            leading.append((4, fourth))
        else:
            start = value(0.0)
            changes = [abs(value(sign * t) - start) for t in _MOVES for sign in (-1, 1)]
            leading.append((0, max(changes) / (1 + abs(start))))
    for order, slope in leading:
        if order == 3 or (order == 4 and slope > 0):
            no = Verdict(VERDICT.fails, f"it gains along a flat direction, to order {order}")
            return no, no
    whole = flat.shape[0] == 1
    if whole and leading[0][0]:
        yes = Verdict(VERDICT.holds, f"its value falls off to order {leading[0][0]}")
        return yes, yes
    if all(not order and change <= 1e-12 for order, change in leading) and flat.shape[0] == len(
        leading
    ):
        reason = "its value does not depend on its own parameters here"
        return Verdict(VERDICT.fails, reason), Verdict(VERDICT.holds, reason)
    unclear = Verdict(VERDICT.undecided, f"flat in {len(leading)} of its directions to order two")
    return unclear, unclear


def _numbers(array: NDArray[Any], most: int = 8) -> str:
    """`(0.5, -1)`, shortened where there are many."""
    shown = [number(own) for own in array[:most]]
    return f"({', '.join(shown)}{', ...' if len(array) > most else ''})"


def number(value: Any) -> str:
    """A real or complex number by five significant digits."""
    value = complex(value)
    real = 0.0 if abs(value.real) < 1e-9 else value.real
    imag = 0.0 if abs(value.imag) < 1e-9 else value.imag
    if not imag:
        return f"{real:.5g}"
    return f"{real:.5g}{imag:+.5g}i" if real else f"{imag:.5g}i"
