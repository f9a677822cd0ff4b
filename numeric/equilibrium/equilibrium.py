r"""What an equilibrium method returns, and the last steps to it: polishing on the support.

Where the support $I$ of an equilibrium is known, the rest is a square system, in units of one round,

$$ Q_i(s, a) - V_i(s) = 0 \;(a \in I_i(s)), \qquad \sigma_i(s, a) = 0 \;(a \notin I_i(s)), \qquad
   \sum_a \sigma_i(s, a) = 1, $$

which Newton's method solves to rounding. A path ends near an equilibrium, not at it, so that the support is
guessed, in several ways, and a guess is accepted only if what comes out is an equilibrium: probabilities
positive on the support, no action off it better than the value, regret within the tolerance.

On a continuum of equilibria (a pair of equalizers, say) the Jacobian is singular. The step is then that of
Levenberg and Marquardt with a weight that vanishes with the residual, which converges to a point of the
continuum that is close by (Yamashita and Fukushima 2001, Computing Suppl. 15, 239).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from resolvent.games import DifferentiableGame
from resolvent.games.files import from_text, to_text
from resolvent.numeric import archive, results
from resolvent.numeric.equilibrium.arrays import (
    Game,
    GameArrays,
    Policies,
    action_values,
    check_profile,
    values_of,
)
from resolvent.numeric.equilibrium.verification import (
    FLOAT_TOLERANCE,
    Regret,
    as_rows,
    check_exact,
    is_exact,
    normalised,
    one_shot_regret,
    regret,
    scaled_arrays,
    state_names,
)

if TYPE_CHECKING:
    from resolvent.numeric.equilibrium.certificate import Certificate

POLISHED = 1e-12
"""Of the payoff range: the largest one-shot regret that polishing accepts."""

_FORMAT = "resolvent.equilibrium/1"
_SUPPORTS = (1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 0.0)
_STEPS = 16
# A step that moves a probability or a value (of a range of 1) farther than this is none to trust.
_LONGEST = 0.5
# An equilibrium farther away than this is another one, and not what the policies were close to.
_FARTHEST = 0.1
# Another support is not looked for when an equilibrium is as close as this.
_CLOSE = 1e-3
# The Newton steps end at this residual, of payoffs from 0 to 1.
_SMALLEST = 1e-16


class EQUILIBRIUM(eqx.Enumeration):
    """What policies were found to be; each member is its message, `EQUILIBRIUM[status]`."""

    subgame_perfect = "an equilibrium in every state (subgame perfect)"
    nash = "a Nash equilibrium from where play begins, not in every state"
    refused = "not an equilibrium: a player gains more than the tolerance, see `regret`"
    stalled = "not followed to its end: the path stopped early, see `path`"


@dataclass(frozen=True, eq=False, repr=False)
class Equilibrium:
    """Stationary policies that a method found, and how good an equilibrium they are.

    **Fields:**

    - `game`: what is played.
    - `policies`: one per player, `(S, A_i)`: nested tuples of `Fraction`s where the method is exact,
        float64 arrays otherwise. A matrix game has one state.
    - `values`: `(n, S)`, what each player gets per round from each state on.
    - `regret`: what players could gain by deviating, see [`resolvent.numeric.Regret`][].
    - `support`: per player `(S, A_i)`, which actions are played.
    - `status`: see [`resolvent.numeric.EQUILIBRIUM`][].
    - `tolerance`: the regret that was overlooked, as a share of the payoff range.
    - `method`: how it was found.
    - `path`: the path that led there, or `None`.
    """

    game: Game
    policies: tuple[Any, ...]
    values: NDArray[Any]
    regret: Regret
    support: tuple[NDArray[np.bool_], ...]
    status: EQUILIBRIUM
    tolerance: float
    method: str
    path: Any = None

    @property
    def exact(self) -> bool:
        """Whether policies, values and regret are rationals."""
        return self.regret.exact

    @property
    def found(self) -> bool:
        """Whether this is an equilibrium at all."""
        return bool(self.status == EQUILIBRIUM.subgame_perfect) or bool(
            self.status == EQUILIBRIUM.nash
        )

    @property
    def pure(self) -> bool:
        """Whether one action is played in each state."""
        return all(bool((own.sum(axis=1) == 1).all()) for own in self.support)

    def certify(self, radius: float = 1e-6) -> Certificate:
        """Prove that there is an exact equilibrium at, or close to, these policies; see
        [`resolvent.numeric.certify`][]."""
        from resolvent.numeric.equilibrium.certificate import certify

        return certify(self, radius=radius)

    def summary(self) -> str:
        """What was found, to read."""
        name = self.game.name or "a game"
        lines = [f"{name}, by {self.method}: {EQUILIBRIUM[self.status]}"]
        states = state_names(self.game)
        for player, own in enumerate(self.policies):
            lines.append(f"  player {self.game.players[player]}")
            for state, row in zip(states, own, strict=True):
                mix = ", ".join(
                    action if p == 1 else f"{action} {_number(p)}"
                    for action, p in zip(self.game.actions[player], row, strict=True)
                    if p > 0
                )
                label = f"{state}: " if len(states) > 1 else ""
                k = states.index(state)
                lines.append(f"    {label}{mix} (value {_number(self.values[player][k])})")
        return "\n".join([*lines, str(self.regret)])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Equilibrium({self.game.name}, {self.method}, regret={float(self.regret.nash):.3g})"

    def save(self, path: str | Path) -> None:
        """Write game, policies, status, tolerance and method to a file: NumPy's `.npz`, with a JSON text
        `metadata` in it. Rationals stay rationals; the path is not kept.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        metadata = {
            "format": _FORMAT,
            "game": to_text(self.game),
            "method": self.method,
            "status": results.code(self.status),  # pyright: ignore[reportArgumentType]
            "tolerance": str(self.tolerance),
        }
        own = self.policies
        if self.exact:
            own = tuple([[str(p) for p in row] for row in rows] for rows in own)
        archive.write_archive(path, metadata, {"policies": own})

    @staticmethod
    def load(path: str | Path) -> Equilibrium:
        """Read what `save` has written; values and regret are computed anew.

        **Raises:** `ValueError`, naming the file and the field, for anything else.
        """
        fields = archive.read_archive(path)
        kinds = {"game": str, "method": str, "status": int, "tolerance": str}
        try:
            about = archive.parse_metadata(fields.pop("metadata", None), (_FORMAT,), kinds)
            policies = archive.unflatten(fields).get("policies")
            if not isinstance(policies, tuple):
                raise ValueError("policies: expected one array per player")
            game = from_text(about["game"])
            if isinstance(game, DifferentiableGame):
                raise ValueError("metadata.game: expected a game of actions")
            if not 0 <= about["status"] < len(EQUILIBRIUM):
                raise ValueError(f"metadata.status: expected a code below {len(EQUILIBRIUM)}")
            status = [
                EQUILIBRIUM.subgame_perfect,
                EQUILIBRIUM.nash,
                EQUILIBRIUM.refused,
                EQUILIBRIUM.stalled,
            ][about["status"]]
            text = policies[0].dtype.kind == "U"
            return verify(
                game,
                [own.tolist() for own in policies] if text else policies,
                about["method"],
                tolerance=float(about["tolerance"]),
                status=status,
            )
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def plot(self, ax: Any = None) -> Any:
        """Draw the path that led there, if one was kept, and otherwise the policies: the probability of
        each action in each state.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        if self.path is not None and hasattr(self.path, "plot"):
            return self.path.plot(ax)
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        states = state_names(self.game)
        shares = [np.array(own, dtype=float) for own in self.policies]
        image = np.concatenate(shares, axis=1).T
        labels = [
            f"{name}: {action}"
            for name, actions in zip(self.game.players, self.game.actions, strict=True)
            for action in actions
        ]
        ax.imshow(image, vmin=0, vmax=1, cmap="Greys", aspect="auto")
        ax.set_xticks(range(len(states)), states)
        ax.set_yticks(range(len(labels)), labels)
        ax.set(xlabel="state", title=f"{self.game.name or 'policies'}, by {self.method}")
        return ax


def verify(
    game: Game,
    policies: Sequence[Any],
    method: str = "given",
    *,
    tolerance: float | None = None,
    status: EQUILIBRIUM | None = None,
    path: Any = None,
) -> Equilibrium:
    """A record of policies, verified.

    **Arguments:**

    - `game`, `policies`: those of [`resolvent.numeric.regret`][].
    - `method`: what to call the way they were found.
    - `tolerance`: of the regret, as a share of the payoff range; by default 0 for exact policies and
        1e-9 for floats.
    - `status`: how the method ended, where it knows better than the regret (a path that stalled).
    - `path`: what to keep of the way there.
    """
    policies = as_rows(game, policies)
    checked: tuple[Any, ...]
    if is_exact(policies):
        checked = check_exact(game, policies)
    else:
        checked = tuple(np.asarray(own) for own in check_profile(game, policies))
    found = regret(game, checked)
    if tolerance is None:
        tolerance = 0.0 if found.exact else FLOAT_TOLERANCE
    if status is None:
        status = EQUILIBRIUM.refused
        if found.subgame_perfect <= tolerance:
            status = EQUILIBRIUM.subgame_perfect
        elif found.nash <= tolerance:
            status = EQUILIBRIUM.nash
    support = tuple(np.array(own, dtype=float) > 0 for own in checked)
    return Equilibrium(game, checked, found.values, found, support, status, tolerance, method, path)


class Polished(NamedTuple):
    """What came of polishing, in arrays.

    - `policies`: polished, with exact zeros off the support; those given, where nothing was accepted.
    - `values`: `(n, S)`, per round, in the payoffs of the game.
    - `regret`: the largest one-shot regret, as a share of the payoff range.
    - `support`: per player `(S, A_i)`.
    - `accepted`: whether this is an equilibrium to the tolerance.
    - `moved`: how far the farthest probability is from the one given.
    """

    policies: Policies
    values: Float[Array, "players states"]
    regret: Float[Array, ""]
    support: tuple[Bool[Array, "states actions"], ...]
    accepted: Bool[Array, ""]
    moved: Float[Array, ""]


class _Attempt(NamedTuple):
    """What came of one support."""

    policies: Policies
    regret: Float[Array, ""]
    accepted: Bool[Array, ""]
    moved: Float[Array, ""]


@jax.jit
def polish(arrays: GameArrays, policies: Policies, tolerance: float | Array = POLISHED) -> Polished:
    """Take policies that are close to an equilibrium to one, to rounding; may be mapped over all arguments.

    **Arguments:**

    - `arrays`: the game.
    - `policies`: per player `(S, A_i)`, close to an equilibrium (1e-2 or better, as a rule).
    - `tolerance`: of the one-shot regret in every state, as a share of the payoff range.

    **Returns:** a `Polished`. Of several supports that lead to equilibria, the closest one, or one within 1e-3.
    """
    game = normalised(arrays)
    policies = tuple(jnp.clip(own, 0) for own in policies)
    policies = tuple(own / own.sum(axis=1, keepdims=True) for own in policies)
    values = values_of(game, policies)
    slack = [
        v[:, None] - q for v, q in zip(values, action_values(game, policies, values), strict=True)
    ]

    def by_share(least: Array) -> tuple[Array, ...]:
        return tuple(own > least for own in policies)

    # On the support probabilities are large and slacks small, off it the other way round.
    guesses = [tuple(own > gap for own, gap in zip(policies, slack, strict=True))]
    guesses += [by_share(least) for least in jnp.array(_SUPPORTS)]
    # With the best reply among them where the policies are off by more than the probabilities are.
    guesses += [tuple((own > 1e-3) | (gap <= 0) for own, gap in zip(policies, slack, strict=True))]
    most = tuple(jax.nn.one_hot(own.argmax(1), own.shape[1], dtype=bool) for own in policies)
    supports = tuple(
        jnp.stack([guess[i] for guess in guesses]) | own[None] for i, own in enumerate(most)
    )

    def attempt(support: tuple[Array, ...]) -> _Attempt:
        sigma = _solve_on(game, policies, values, support)
        inside = [
            jnp.where(on, own > 0, True).all() for own, on in zip(sigma, support, strict=True)
        ]
        final = tuple(
            jnp.where(on, jnp.clip(own, 0), 0) for own, on in zip(sigma, support, strict=True)
        )
        totals = [own.sum(axis=1, keepdims=True) for own in final]
        final = tuple(own / total for own, total in zip(final, totals, strict=True))
        left = one_shot_regret(game, final).max()
        moved = jnp.stack(
            [abs(own - old).max() for own, old in zip(final, policies, strict=True)]
        ).max()
        accepted = jnp.stack(inside).all() & (left <= tolerance) & (moved <= _FARTHEST)
        return _Attempt(final, left, accepted, moved)

    def next_support(best: _Attempt, support: tuple[Array, ...]) -> tuple[_Attempt, None]:
        def attempt_it() -> _Attempt:
            new = attempt(support)
            better = new.accepted & (new.moved < best.moved)
            return jax.tree.map(lambda own, old: jnp.where(better, own, old), new, best)

        close = best.accepted & (best.moved <= _CLOSE)
        return lax.cond(close, lambda: best, attempt_it), None

    none = _Attempt(policies, jnp.asarray(jnp.inf), jnp.asarray(False), jnp.asarray(jnp.inf))
    best, _ = lax.scan(next_support, none, supports)
    found, kept = best.accepted, best.policies
    before = jnp.stack([-gap.min() for gap in slack]).max()
    return Polished(
        kept,
        values_of(arrays, kept),
        jnp.where(found, best.regret, before),
        tuple(own > 0 for own in kept),
        found,
        jnp.where(found, best.moved, 0.0),
    )


def _solve_on(
    game: GameArrays, policies: Policies, values: Array, support: tuple[Array, ...]
) -> Policies:
    """The policies that solve the square system on a support, as far as the steps lead."""
    start = tuple(jnp.where(on, own, 0) for own, on in zip(policies, support, strict=True))
    start = tuple(own / own.sum(axis=1, keepdims=True) for own in start)
    y, unravel = ravel_pytree((start, values))

    def residual(y: Array) -> Array:
        sigma, values = unravel(y)
        worth = action_values(game, sigma, values)
        rows = [
            jnp.where(on, q - v[:, None], own)
            for q, v, own, on in zip(worth, values, sigma, support, strict=True)
        ]
        sums = jnp.stack([own.sum(axis=1) - 1 for own in sigma])
        return ravel_pytree((rows, sums))[0]

    def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        y, now, count = state
        size = jnp.linalg.norm(now)
        # Behind a barrier the compiler does not spend its time on products with a constant.
        basis = lax.optimization_barrier(jnp.eye(y.size))
        jacobian = jax.vmap(lambda u: jax.jvp(residual, (y,), (u,))[1], out_axes=1)(basis)
        direct = -jnp.linalg.solve(jacobian, now)
        after = residual(y + direct)
        smaller = jnp.linalg.norm(after) <= jnp.maximum(size / 2, 1e-15)
        trusted = jnp.isfinite(direct).all() & (abs(direct).max() <= _LONGEST) & smaller

        def damped() -> tuple[Array, Array]:
            weight = jnp.maximum(size**2, 1e-14)
            normal = jacobian.T @ jacobian + weight * jnp.eye(y.size)
            own = y - jnp.linalg.solve(normal, jacobian.T @ now)
            return own, residual(own)

        new, left = lax.cond(trusted, lambda: (y + direct, after), damped)
        better = jnp.linalg.norm(left) < size  # also false for NaN
        # A step that is no better is the last.
        count = jnp.where(better, count + 1, _STEPS)
        return jnp.where(better, new, y), jnp.where(better, left, now), count

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        return (state[2] < _STEPS) & (abs(state[1]).max() > _SMALLEST)

    y, _, _ = lax.while_loop(unfinished, step, (y, residual(y), jnp.asarray(0)))
    return unravel(y)[0]


def polished(
    game: Game,
    policies: Sequence[Any],
    method: str = "given",
    *,
    tolerance: float = POLISHED,
    path: Any = None,
    status: EQUILIBRIUM | None = None,
) -> Equilibrium:
    """A record of policies close to an equilibrium, after polishing; the policies themselves where
    polishing finds none.

    **Arguments:** those of `polish` and [`resolvent.numeric.verify`][].
    """
    arrays, _, _ = scaled_arrays(game)
    profile = check_profile(arrays, policies)
    found = polish(arrays, profile, tolerance)
    return verify(
        game,
        tuple(np.asarray(own) for own in found.policies),
        method,
        path=path,
        status=None if bool(found.accepted) else status,
    )


def _number(value: Any) -> str:
    text = str(value)
    return text if not isinstance(value, float) and len(text) <= 16 else f"{float(value):.6g}"
