r"""Consistent updates as neural networks trained on the consistency loss: the method of the COLA paper.

$$ \min_\phi \; \mathbb{E}_{\theta \sim U(\Theta)} \sum_i \Big\| u_i^\phi(\theta) -
   \frac{\mathrm{d}}{\mathrm{d}\theta_i}
   V_i\big(\theta_i, (\theta_k + \eta_k u_k^\phi(\theta))_{k \ne i}\big) \Big\|^2 $$

with gradients through both sides, by Adam on points drawn afresh for each step. Values are exact.
Willi et al. (2022), arXiv:2203.04098, equations 9 and 10 of the draft; settings as in the authors' notebook.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.numeric.consistency.consistent_update import (
    ConsistentUpdate,
    check_lookahead,
    ravel,
    split,
)
from resolvent.numeric.consistency.region import check_region
from resolvent.numeric.consistency.residual import residual_at
from resolvent.numeric.learners.learner import as_number
from resolvent.numeric.meter import AbstractMeter, meter_of

Tree = Any
Preset = Literal["polynomial", "general"]
Activation = Literal["relu", "tanh"]

_ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}
_SECONDS_PER_CALL = 0.5


@dataclasses.dataclass(frozen=True)
class Training:
    """How networks are built and trained.

    **Fields:** `width` and `depth` of the hidden layers; `linear_last`: whether the last hidden layer has no
    activation; `activation`; the `rate` of Adam, multiplied by `decay` every `decay_every` steps; `batch` points a
    step; `steps`; `deviation` of the initial weights (biases are 0).
    """

    width: int
    depth: int
    linear_last: bool
    activation: Activation
    rate: float
    decay: float
    decay_every: int
    batch: int
    steps: int
    deviation: float = 0.1


PRESETS: dict[Preset, Training] = {
    "polynomial": Training(8, 2, True, "relu", 0.1, 0.8, 750, 8, 120_000),
    "general": Training(16, 3, False, "tanh", 1e-3, 1.0, 1, 64, 80_000),
}


class _Network(eqx.Module):
    """From all parameters to one player's directions."""

    layers: tuple[tuple[Array, Array], ...]
    activation: Activation = eqx.field(static=True)
    linear_last: bool = eqx.field(static=True)

    def __call__(self, z: Array) -> Array:
        last = len(self.layers) - 1
        for index, (weights, bias) in enumerate(self.layers):
            z = weights @ z + bias
            if index < last - self.linear_last:
                z = _ACTIVATIONS[self.activation](z)
        return z


class NetworkUpdate(ConsistentUpdate):
    """An update by one network per player; see [`resolvent.numeric.consistent_networks`][].

    **Attributes:**

    - `networks`: one per player, from all parameters to its directions.
    - `lookahead`, `shapes`: as of every [`resolvent.numeric.ConsistentUpdate`][].
    - `losses`: the consistency loss on the points of each step, `(steps done,)`.
    - `steps`: how many steps were asked for; fewer are done after Ctrl-C, or where the loss was not finite.
    - `training`: how it was trained.
    """

    networks: tuple[_Network, ...]
    lookahead: Float[Array, " players"]
    losses: Float[Array, " steps"]
    shapes: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    training: Training = eqx.field(static=True)

    def __call__(self, params: Tree) -> tuple[Array, ...]:
        return _directions(self.networks, self.shapes, params)

    @property
    def succeeded(self) -> bool:
        """Whether all steps were done, and the loss stayed finite."""
        return len(self.losses) == self.steps and bool(jnp.isfinite(self.losses).all())

    def summary(self) -> str:
        """To read."""
        done = len(self.losses)
        state = "" if self.succeeded else " (ENDED EARLY: interrupted, or the loss was not finite)"
        last = np.asarray(self.losses[-1000:])
        tail = f"{last.mean():.4g}" if done else "unknown"
        return (
            f"consistent update by networks, {done:,} of {self.steps:,} steps{state}\n"
            f"  mean training loss of the last {len(last)} steps: {tail}; `consistency_loss` has it exactly"
        )

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"NetworkUpdate({len(self.losses)} of {self.steps} steps)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the training loss over the steps.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        ax.semilogy(np.arange(1, len(self.losses) + 1), np.asarray(self.losses), linewidth=0.5)
        ax.set(xlabel="step", ylabel="consistency loss", title="training of consistent networks")
        return ax

    def save(self, path: str | Path) -> None:
        """Write the weights and the losses to a file: NumPy's `.npz`.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"{path}: the name must end in .npz; got {path.suffix!r}")
        arrays: dict[str, NDArray[Any]] = {
            "lookahead": np.asarray(self.lookahead),
            "losses": np.asarray(self.losses),
        }
        for player, network in enumerate(self.networks):
            for layer, (weights, bias) in enumerate(network.layers):
                arrays[f"weights/{player}/{layer}"] = np.asarray(weights)
                arrays[f"biases/{player}/{layer}"] = np.asarray(bias)
        with path.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def consistent_networks(
    values: ValueFunction,
    lookahead: Any,
    region: Any,
    *,
    key: Array,
    preset: Preset = "general",
    width: int | None = None,
    depth: int | None = None,
    activation: Activation | None = None,
    rate: float | None = None,
    batch: int | None = None,
    steps: int | None = None,
    progress: bool | AbstractMeter = False,
) -> NetworkUpdate:
    """Train one network per player on the consistency loss: COLA as published, with exact values.

    **Arguments:**

    - `values`: what the players maximise.
    - `lookahead`: the steps eta that the players expect of each other, a number or one per player.
    - `region`: `(low, high)`, numbers for all parameters or one for each, from which training points are drawn. The
        paper has (-1, 1) for polynomial games and (-7, 7) for others.
    - `key`: a JAX key, for initial weights and training points.
    - `preset`: the paper's settings. `"polynomial"`: a ReLU layer and a linear one of 8, Adam 0.1, times 0.8 every
        750 steps, 8 points, 120,000 steps. `"general"`: three tanh layers of 16, Adam 0.001, 64 points, 80,000 steps.
    - `width`, `depth`, `activation`, `rate`, `batch`, `steps`: in place of the preset's.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.NetworkUpdate`][]. Ctrl-C ends training early and returns what is done.

    Needs optax, `pip install 'resolvent[networks]'`.
    """
    require_x64()
    try:
        import optax
    except ImportError as error:
        raise ImportError(
            "consistent_networks needs optax: pip install 'resolvent[networks]'"
        ) from error
    eta = check_lookahead(lookahead, values.num_players)
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    box = check_region(region, sum(sizes))
    changes = {
        "width": width, "depth": depth, "activation": activation,
        "rate": rate, "batch": batch, "steps": steps,
    }  # fmt: skip
    how = _training(preset, changes)
    key_weights, key_points = jax.random.split(key)
    networks = tuple(
        _build(own, sum(sizes), size, how)
        for own, size in zip(jax.random.split(key_weights, len(sizes)), sizes, strict=True)
    )
    schedule = optax.exponential_decay(how.rate, how.decay_every, how.decay, staircase=True)
    adam = optax.adam(schedule)
    low, high = jnp.asarray(box.low), jnp.asarray(box.high)

    def loss(networks: Any, points: Array) -> Array:
        def one(z: Array) -> Array:
            parts = residual_at(
                values,
                lambda params: _directions(networks, values.shapes, params),
                split(z, values.shapes),
                eta,
            )
            return jnp.sum(ravel(parts) ** 2)

        return jax.vmap(one)(points).mean()

    def step(carry: Tree, index: Array) -> tuple[Tree, Array]:
        networks, state = carry
        draw = jax.random.uniform(
            jax.random.fold_in(key_points, index), (how.batch, len(low)), minval=low, maxval=high
        )
        cost, slope = jax.value_and_grad(loss)(networks, draw)
        moves, state = adam.update(slope, state, networks)
        return (optax.apply_updates(networks, moves), state), cost

    @jax.jit
    def many(carry: Tree, indices: Array) -> tuple[Tree, Array]:
        return lax.scan(step, carry, indices)

    weights: Any = networks
    carry, costs = _drive(many, (weights, adam.init(weights)), how.steps, progress)
    return NetworkUpdate(
        networks=carry[0],
        lookahead=eta,
        losses=jnp.asarray(costs),
        shapes=values.shapes,
        steps=how.steps,
        training=how,
    )


def _drive(
    many: Any, carry: Tree, steps: int, progress: bool | AbstractMeter
) -> tuple[Tree, NDArray[np.floating]]:
    """Call `many` until all steps are done, or Ctrl-C, or the loss is not finite."""
    meter = meter_of(progress)
    meter.open(steps, "consistent networks")
    # One length, so that one program is compiled; the rest takes a second one.
    length = min(steps, 100)
    costs: list[NDArray[np.floating]] = []
    done, slow = 0, False
    try:
        while done < steps:
            count = min(length, steps - done)
            began = time.perf_counter()
            after, cost = many(carry, jnp.arange(done, done + count))
            cost = np.asarray(cost)
            # Replaced together, so that an interrupt finds them of the same step.
            carry, done = after, done + count
            costs.append(cost)
            meter.show(done)
            if not np.isfinite(cost).all():
                break
            quick = time.perf_counter() - began < _SECONDS_PER_CALL / 10
            if quick and not slow:
                length, slow = length * 10, True
    except KeyboardInterrupt:
        pass
    finally:
        meter.close()
    return carry, np.concatenate(costs) if costs else np.zeros(0)


def _training(preset: Preset, changes: dict[str, Any]) -> Training:
    if preset not in get_args(Preset):
        raise ValueError(f"preset: expected one of {get_args(Preset)}, got {preset!r}")
    given = {name: own for name, own in changes.items() if own is not None}
    for name in ("width", "depth", "batch", "steps"):
        own = given.get(name, 1)
        if isinstance(own, bool) or not isinstance(own, (int, np.integer)) or own < 1:
            raise ValueError(f"{name}: expected a whole number from 1, got {own!r}")
    if given.get("activation", "tanh") not in _ACTIVATIONS:
        raise ValueError(
            f"activation: expected one of {tuple(_ACTIVATIONS)}, got {given['activation']!r}"
        )
    if "rate" in given and not float(as_number(given["rate"])) > 0:
        raise ValueError(f"rate: expected a number above 0, got {given['rate']!r}")
    how = dataclasses.replace(PRESETS[preset], **given)
    # A linear layer of a network with no other layer would leave a linear function.
    return how if how.depth > 1 else dataclasses.replace(how, linear_last=False)


def _build(key: Array, inputs: int, outputs: int, how: Training) -> _Network:
    widths = [inputs, *[how.width] * how.depth, outputs]
    keys = jax.random.split(key, len(widths) - 1)
    layers = tuple(
        (how.deviation * jax.random.normal(own, (after, before), float), jnp.zeros(after))
        for own, before, after in zip(keys, widths[:-1], widths[1:], strict=True)
    )
    return _Network(layers, how.activation, how.linear_last)


def _directions(
    networks: tuple[_Network, ...], shapes: tuple[tuple[int, ...], ...], params: Tree
) -> tuple[Array, ...]:
    z = ravel(params)
    return tuple(network(z).reshape(shape) for network, shape in zip(networks, shapes, strict=True))
