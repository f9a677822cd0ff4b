r"""The path of constant meta-policies from naive opponents to self-play.

$$ \lambda \, \nabla_i J_i(\vartheta_i; \text{naive others}) +
   (1 - \lambda) \, \nabla_i V_i(\vartheta_1, \dots, \vartheta_n) +
   \rho \, \nabla_i B_i(\vartheta_i) = 0 \quad \text{for all } i, \qquad
   B_i = \sum_s \frac{1}{A_i} \sum_a \log \pi_i(a \mid s). $$

In self-play constant meta-policies do not move, so that what they earn is the value of the game itself. With
$t = 1 - \lambda$ this is the tracing idea of Harsanyi and Selten, with the prior "the others are naive"; followed by
pseudo-arclength from the solution at $\lambda = 1$.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_count
from resolvent.numeric.equilibrium.continuation import (
    PATHS,
    Linearisation,
    Path,
    Settings,
    follow,
    solve_bordered,
)
from resolvent.numeric.metagame.coala import solved
from resolvent.numeric.metagame.meta_game import MetaGame, mean_over_starts
from resolvent.numeric.metagame.meta_policy import ConstantPolicy
from resolvent.numeric.metagame.self_play import check_learners, naive_worth
from resolvent.numeric.metagame.training import check_positive
from resolvent.numeric.run import scale_name

Tree = Any


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MetaTrace:
    """A path of constant meta-policies.

    **Fields:**

    - `policies`: those at the end, one per player.
    - `weight`: $\\lambda$ at each computed point, `(k,)`.
    - `params`: the constants there, one `(k, *shape)` array per player.
    - `payoffs`: what they earn in self-play there, `(k, n)`, in units of the values.
    - `path`: how it was followed; its parameter is $1 - \\lambda$.
    - `barrier`: $\\rho$.
    - `game`: what was played.
    """

    policies: tuple[ConstantPolicy, ...]
    weight: NDArray[np.floating]
    params: tuple[NDArray[np.floating], ...]
    payoffs: NDArray[np.floating]
    path: Path
    barrier: float
    game: MetaGame

    @property
    def status(self) -> PATHS:
        return self.path.status

    @property
    def successful(self) -> bool:
        """Whether the path reached self-play."""
        return self.path.successful

    def summary(self) -> str:
        """To read."""
        text = (
            f"path of constant meta-policies, {self.game.values.name}, barrier {self.barrier:.3g}"
        )
        if len(self.weight):
            scale = scale_name(getattr(self.game.values, "normalise", None))
            payoffs = ", ".join(f"{own:.6g}" for own in self.payoffs[-1])
            text += (
                f"\n  lambda from {self.weight[0]:.6g} to {self.weight[-1]:.6g} in {self.path.steps} steps, "
                f"{len(self.path.turning_points)} turning points\n  payoffs at the end ({scale}): {payoffs}"
            )
        return f"{text}\n  {PATHS[self.status]}"

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"MetaTrace({max(self.path.steps, 0)} steps, {PATHS[self.status]!r})"

    def plot(self, ax: Any = None) -> Any:
        """Draw what the constants earn in self-play over lambda, along the path.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        for player, own in enumerate(self.payoffs.T, 1):
            ax.plot(self.weight, own, label=f"player {player}")
        ax.set(xlabel="share of naive opponents", ylabel="value in self-play", xlim=(1, 0))
        ax.set_title(self.game.values.name)
        ax.legend()
        return ax


class _Problem(eqx.Module):
    game: MetaGame
    barrier: Array
    logits: bool = eqx.field(static=True)


def _split(flat: Array, game: MetaGame) -> tuple[Array, ...]:
    shapes = game.values.shapes
    cuts = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return tuple(
        own.reshape(shape) for own, shape in zip(jnp.split(flat, cuts), shapes, strict=True)
    )


def _barrier(logits: Array) -> Array:
    full = jnp.concatenate([logits, jnp.zeros((*logits.shape[:-1], 1))], axis=-1)
    return jax.nn.log_softmax(full, axis=-1).mean(axis=-1).sum()


def _inside(own: Array, problem: _Problem) -> Array:
    """The barrier; of parameters that need not be logits it is none."""
    return problem.barrier * _barrier(own) if problem.logits else jnp.zeros(())


def _among_naive(own: Array, player: int, problem: _Problem) -> Array:
    """J among the learners, with the barrier."""

    def objective(start: tuple[Array, ...]) -> Array:
        return naive_worth(problem.game, ConstantPolicy(own), player, start)

    return mean_over_starts(objective, problem.game.starts) + _inside(own, problem)


def _naive_slope(own: Array, player: int, problem: _Problem) -> Array:
    # Forwards: there are few parameters, and XLA takes several times as long for derivatives of a backward pass.
    return jax.jacfwd(lambda at: _among_naive(at, player, problem))(own)


def _field(y: Array, problem: _Problem) -> Array:
    """The left-hand sides at y = (constants, 1 - lambda)."""
    params, t = _split(y[:-1], problem.game), y[-1]
    blocks = problem.game.values.jacobian(params)
    rows = []
    for i, own in enumerate(params):
        together = blocks[i][i] + jax.grad(_inside)(own, problem)
        rows.append(jnp.ravel((1 - t) * _naive_slope(own, i, problem) + t * together))
    return jnp.concatenate(rows)


@dataclasses.dataclass(frozen=True)
class _Newton:
    """Newton's step for the field; `rest` is what of the problem is no array."""

    rest: Any

    def __call__(self, y: Array, arrays: Any, row: Array) -> Linearisation:
        problem = eqx.combine(arrays, self.rest)

        def twice(at: Array) -> tuple[Array, Array]:
            off = _field(at, problem)
            return off, off

        jacobian, off = jax.jacfwd(twice, has_aux=True)(y)
        return solve_bordered(jacobian, row, off)


def meta_trace(
    game: MetaGame,
    start: tuple[Any, ...] | None = None,
    *,
    barrier: float = 0.01,
    largest_steps: int = 500,
) -> MetaTrace:
    """Follow constant meta-policies from their best among naive learners to self-play.

    Each step needs second derivatives through whole ways of learning, in as many directions as there are parameters:
    this is for small games, and takes tens of seconds to compile for an iterated one.

    **Arguments:**

    - `game`: its learners, one for every player, are the opponents at $\\lambda = 1$.
    - `start`: constants from which the solution at $\\lambda = 1$ is sought, one array per player; a local maximum near
        them is found for each player by itself. Default: zeros.
    - `barrier`: $\\rho$, in units of the values: what a player would give for policies that are not pure. The path ends
        at a solution of the first-order conditions of self-play with this barrier: of the game itself, and among
        constant policies. 0 for none, which values of other parameters than logits need.
    - `largest_steps`: the most steps of the path.

    **Returns:** a [`resolvent.numeric.MetaTrace`][], whose status says where the path ended.
    """
    weight = check_positive(barrier, "barrier") if barrier else 0.0
    values = game.values
    logits = isinstance(values, CompiledValue) and values.kernel.parameterisation == "logits"
    if weight and not logits:
        raise ValueError(
            f"barrier: it is one of policies, and the parameters of {values.name} are no logits; use barrier=0"
        )
    check_learners(game)
    count = check_count(largest_steps, "largest_steps", least=1)
    shapes = values.shapes
    first = tuple(np.zeros(shape) for shape in shapes) if start is None else tuple(start)
    if len(first) != len(shapes):
        raise ValueError(
            f"start: expected one array for each of {len(shapes)} players, got {len(first)}"
        )
    for player, (own, shape) in enumerate(zip(first, shapes, strict=True)):
        if np.shape(own) != shape or not np.isfinite(np.asarray(own)).all():
            raise ValueError(
                f"start[{player}]: expected finite numbers of shape {shape}, got shape {np.shape(own)}"
            )
    # Scalar programs would take XLA minutes to compile.
    dense = dataclasses.replace(game, values=solved(values), memory="all", truncate=None)
    problem = _Problem(dense, jnp.asarray(weight), weight > 0)
    best = [_maximum(own, player, problem) for player, own in enumerate(first)]
    arrays, rest = eqx.partition(problem, eqx.is_array)
    path = follow(
        None,
        jnp.append(jnp.concatenate([jnp.ravel(own) for own in best]), 0.0),
        arrays,
        target=1.0,
        newton=_Newton(rest),
        settings=Settings(first_step=0.02, largest_step=2.0, steps=count),
    )
    points = jnp.asarray(path.points)
    params, payoffs = _along(points, problem)
    last = tuple(own[-1] for own in params) if len(points) else tuple(map(jnp.asarray, best))
    return MetaTrace(
        policies=tuple(ConstantPolicy(jnp.asarray(own)) for own in last),
        weight=1 - path.t,
        params=tuple(np.asarray(own) for own in params),
        payoffs=np.asarray(payoffs),
        path=path,
        barrier=weight,
        game=game,
    )


@eqx.filter_jit
def _along(points: Array, problem: _Problem) -> tuple[tuple[Array, ...], Array]:
    params = jax.vmap(lambda y: _split(y[:-1], problem.game))(points)
    return params, jax.vmap(problem.game.values)(params)


@eqx.filter_jit
def _value_and_slope(own: Array, player: int, problem: _Problem) -> tuple[Array, Array]:
    return _among_naive(own, player, problem), _naive_slope(own, player, problem)


def _maximum(start: Any, player: int, problem: _Problem) -> NDArray[np.floating]:
    """A local maximum among the learners, near enough for Newton's method."""
    from scipy.optimize import minimize  # a third of a second to import

    shape = np.shape(start)

    def down(x: NDArray[np.floating]) -> tuple[float, NDArray[np.floating]]:
        value, slope = _value_and_slope(jnp.asarray(x.reshape(shape)), player, problem)
        return -float(value), -np.ravel(np.asarray(slope))

    found = minimize(down, np.ravel(np.asarray(start, float)), jac=True, method="BFGS",
                     options={"gtol": 1e-7, "maxiter": 500})  # fmt: skip
    return found.x.reshape(shape)
