r"""The gradient flow of a game, $\frac{dz}{dt} = w(z)$, by adaptive Runge-Kutta steps (diffrax).

What learning with an infinitesimal rate does: time t corresponds to t / rate naive steps. Values are maximised; in
losses the flow is $dz/dt = -\xi$.

Source: Tsitouras 2011, Computers Math. Appl. 62, 770 (the steps); Kidger 2021, arXiv:2202.02435 (diffrax).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.checks import check_count
from resolvent.numeric.learning import check_start
from resolvent.numeric.stability.drawing import axes
from resolvent.numeric.stability.maps import coordinate_names, gradient


class FLOWS(eqx.Enumeration):
    """How a flow ended; each member is its message, `FLOWS[status]`."""

    settled = "the flow came to rest"
    moving = "the flow was still moving at the end"
    failed = (
        "the flow was not followed to the end: it left the finite numbers, or took too many steps"
    )


@dataclass(frozen=True, repr=False)
class Flow:
    """Trajectories of the gradient flow.

    **Fields:**

    - `times`: `(m,)`.
    - `points`: z at these times, `(m, d)`, or `(m, runs, d)`; NaN from where a run failed.
    - `speed`: the norm of w at the end, per run.
    - `codes`: 0, 1, 2 for settled, moving, failed, per run.
    - `steps`: steps of the solver, per run.
    """

    times: NDArray[np.floating]
    points: NDArray[np.floating]
    speed: NDArray[np.floating]
    codes: NDArray[np.integer]
    steps: NDArray[np.integer]
    names: tuple[str, ...]
    name: str

    @property
    def status(self) -> FLOWS:
        """One of [`resolvent.numeric.FLOWS`][] per run; compare it like a single one."""
        return jax.tree.unflatten(jax.tree.structure(FLOWS.settled), [self.codes])

    @property
    def successful(self) -> NDArray[np.bool_]:
        """Which runs were followed to the end."""
        return np.asarray(self.codes < 2)

    @property
    def end(self) -> NDArray[np.floating]:
        """z at the end, `(d,)` or `(runs, d)`."""
        return self.points[-1]

    def __str__(self) -> str:
        counts = np.bincount(np.atleast_1d(self.codes), minlength=3)
        return (
            f"gradient flow of {self.name} to time {self.times[-1]:g}: {counts[0]} settled, {counts[1]} moving, "
            f"{counts[2]} failed; largest speed at the end {np.nanmax(self.speed):.2g}"
        )

    def __repr__(self) -> str:
        return f"Flow({self.name}, {np.size(self.codes)} runs)"

    def plot(self, ax: Any = None, pair: tuple[int, int] = (0, 1)) -> Any:
        """Draw the trajectories in two coordinates.

        **Arguments:** `ax`: matplotlib axes to draw on, default: new ones; `pair`: which coordinates.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        ax = axes(ax)
        first, second = pair
        runs = self.points.reshape(len(self.times), -1, self.points.shape[-1])
        ax.plot(runs[..., first], runs[..., second], linewidth=0.8)
        ax.plot(runs[-1, :, first], runs[-1, :, second], "k.")
        ax.set(xlabel=self.names[first], ylabel=self.names[second])
        return ax


def gradient_flow(
    values: ValueFunction,
    start: Any,
    time: float,
    *,
    batch: int | None = None,
    scale: float = 1.0,
    saves: int = 101,
    tolerance: float = 1e-8,
    rest: float = 1e-6,
    max_steps: int = 100_000,
) -> Flow:
    """Follow the gradient flow of a game.

    **Arguments:**

    - `values`, `start`, `batch`, `scale`: as of [`resolvent.numeric.learn`][].
    - `time`: how long, in units of parameters per gradient: t / rate naive steps.
    - `saves`: at how many times, from 0 to `time`, to keep z.
    - `tolerance`: of the solver, relative and absolute, per step.
    - `rest`: the norm of w below which a run has come to rest.
    - `max_steps`: of the solver.

    **Returns:** a [`resolvent.numeric.Flow`][].

    **Raises:** `ImportError` without diffrax, `pip install 'resolvent[flow]'`; `ValueError` or `TypeError`, naming
    the argument, for anything that is wrong.
    """
    require_x64()
    _require_diffrax()
    for name, value in (("time", time), ("tolerance", tolerance), ("rest", rest)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name}: expected a positive number, got {value!r}")
    saves = check_count(saves, "saves", least=2)
    max_steps = check_count(max_steps, "max_steps", least=1)
    params, batched = check_start(start, values, batch, scale)
    runs = params[0].shape[0] if batched else 1
    z = jnp.concatenate([jnp.reshape(own, (runs, -1)) for own in params], axis=1)
    times = np.linspace(0.0, time, saves)
    points, fine, steps, speed = _solve(
        values, z, jnp.asarray(times), jnp.asarray(tolerance), max_steps
    )
    points, speed = np.moveaxis(np.array(points), 0, 1), np.asarray(speed)
    points[~np.isfinite(points)] = np.nan  # the solver fills with infinities
    followed = np.asarray(fine) & np.isfinite(points[-1]).all(axis=1)
    codes = np.where(followed, np.where(speed <= rest, 0, 1), 2)
    speed = np.where(followed, speed, np.nan)
    found = (points, speed, codes, np.asarray(steps))
    if not batched:
        found = (points[:, 0], speed[0], codes[0], np.asarray(steps)[0])
    return Flow(times, *found, names=coordinate_names(values), name=values.name)


def _require_diffrax() -> None:
    if find_spec("diffrax") is None:
        raise ImportError("gradient flow needs diffrax: pip install 'resolvent[flow]'")


@eqx.filter_jit
def _solve(
    values: ValueFunction, starts: Array, times: Array, tolerance: Array, max_steps: int
) -> tuple[Array, Array, Array, Array]:
    import diffrax

    def one(z: Array) -> tuple[Array, Array, Array, Array]:
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: gradient(values, y)),
            diffrax.Tsit5(),
            times[0],
            times[-1],
            None,
            z,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance),
            max_steps=max_steps,
            throw=False,
        )
        fine = found.result == diffrax.RESULTS.successful
        along = jnp.asarray(found.ys)
        speed = jnp.linalg.norm(gradient(values, along[-1]))
        return along, fine, found.stats["num_steps"], speed

    return jax.vmap(one)(starts)
