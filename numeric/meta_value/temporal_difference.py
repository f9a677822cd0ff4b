r"""The self-consistent meta-value by networks, learned from temporal differences with exact values inside.

$$ V_i = (1 - \gamma_i) f_i + \gamma_i U_i, \qquad U_i(x) = V_i(x') = (1 - \gamma_i) f_i(x') + \gamma_i U_i(x'). $$

Networks learn U. From points on the way of exploring players, players follow V for some steps $x_0, ..., x_T$; with the
target network $\bar U$, a slow copy, the targets for $U(x_t)$ are $\lambda$-returns,

$$ Y_t = (1 - \gamma) f(x_{t+1}) + \gamma \big( (1 - \lambda) \bar U(x_{t+1}) + \lambda Y_{t+1} \big), \qquad
   Y_T = \bar U(x_T). $$

Neither actions are sampled nor an action-value is learned: the rule by which players move is known. Cooijmans et al.
(2023), *Meta-value learning*, arXiv:2307.08863, and their notebook.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import ValueFunction, check_parameters
from resolvent.numeric import archive, results
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
from resolvent.numeric.meta_value.network import MetaNetwork, meta_network
from resolvent.numeric.meter import AbstractMeter, meter_of
from resolvent.numeric.results import RESULTS

Tree = Any

_FORMAT = "resolvent.meta_value/1"


@dataclasses.dataclass(frozen=True)
class MetaValueSettings:
    """How networks learn meta-values; the defaults are those of the paper's notebook on matrix games.

    **Fields:**

    - `width`, `blocks`: units per layer, and residual blocks in each of the two halves.
    - `quantiles`: how many quantiles of U are learned, by the quantile Huber loss; `None`: one number, by half
        the squared error.
    - `batch`: learning players at a time.
    - `inner_steps`, `stride`: how long they explore before they start anew, and after how many steps the networks
        are updated.
    - `learning_rate`, `second_moment`, `weight_decay`: of Adam, with decoupled weight decay.
    - `target_decay`: of the target network: how much of it stays at each update.
    - `trace`: lambda.
    - `flip`: the chance that an exploring player's network has a unit of its last hidden layer turned round.
    - `scale`: the standard deviation of starts.
    - `fixed_discount`: whether to train at the evaluation discount only, in place of Beta(1/2, 1/2) ones.
    """

    width: int = 128
    blocks: int = 1
    quantiles: int | None = 64
    batch: int = 128
    inner_steps: int = 100
    stride: int = 10
    learning_rate: float = 1e-3
    second_moment: float = 0.99
    weight_decay: float = 0.01
    target_decay: float = 0.99
    trace: float = 0.9
    flip: float = 1 / 16
    scale: float = 1.0
    fixed_discount: bool = False

    def __post_init__(self) -> None:
        counts = ("width", "blocks", "batch", "inner_steps", "stride")
        for name in counts if self.quantiles is None else (*counts, "quantiles"):
            own = getattr(self, name)
            if isinstance(own, bool) or not isinstance(own, int) or own < (name != "blocks"):
                raise ValueError(f"{name}: expected a whole number above 0, got {own!r}")
        if self.inner_steps % self.stride:
            raise ValueError(
                f"stride: expected a divisor of inner_steps = {self.inner_steps}, got {self.stride}"
            )
        for name in ("second_moment", "target_decay", "trace", "flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name}: expected a number in [0, 1], got {getattr(self, name)!r}"
                )
        for name in ("learning_rate", "weight_decay", "scale"):
            own = getattr(self, name)
            if not (np.isfinite(own) and own >= 0):
                raise ValueError(f"{name}: expected a finite number from 0, got {own!r}")

    @staticmethod
    def paper() -> MetaValueSettings:
        """As in the notebook on matrix games, where 1001 outer steps are made."""
        return MetaValueSettings()

    @staticmethod
    def small() -> MetaValueSettings:
        """For games of a few parameters: a small network, trained on squares."""
        return MetaValueSettings(
            width=24, quantiles=None, batch=32, inner_steps=20, stride=5, learning_rate=3e-3
        )


class NetworkMetaValue(MetaValue):
    """A meta-value by a network; see [`resolvent.numeric.meta_value_networks`][].

    **Attributes:**

    - `values`: of the game.
    - `discount`: at which it is evaluated, `(n,)`; `.at(discount)` is the same network at another.
    - `network`: which knows U.
    - `rate`: with which players are believed to follow it, `(n,)`.
    - `losses`: the mean loss of each outer step.
    - `errors`: of each outer step the root of the mean squared Bellman residual of U along the way, in units of the
        values.
    - `status`: how training ended, see [`resolvent.numeric.RESULTS`][].
    - `steps`, `settings`, `symmetric`, `views`: as asked for.
    """

    network: MetaNetwork
    rate: Float[Array, " players"]
    losses: Float[np.ndarray[Any, Any], " outer"]
    errors: Float[np.ndarray[Any, Any], " outer"]
    status: RESULTS
    steps: int = eqx.field(static=True)
    settings: MetaValueSettings = eqx.field(static=True)
    symmetric: bool = eqx.field(static=True)
    views: tuple[tuple[int, ...], ...] | None = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, params: Tree) -> Float[Array, " players"]:
        params = check_parameters(params, self.shapes)
        expected = _seen(self.network, params, self.discount, self.views).mean(axis=1)
        return (1 - self.discount) * self.values(params) + self.discount * expected

    @property
    def steps_done(self) -> int:
        """Outer steps that were done; fewer than `steps` after an interrupt, or where the loss was not finite."""
        return len(self.losses)

    def at(self, discount: Any) -> NetworkMetaValue:
        """The meta-value of another discount, a number in [0, 1) or one per player."""
        return dataclasses.replace(self, discount=check_discount(discount, self.num_players))

    def summary(self) -> str:
        """To read."""
        done = f"{self.steps_done:,} of {self.steps:,} outer steps"
        lines = [
            f"meta-value of {self.values.name} by networks, {done}",
            f"  rate {np.asarray(self.rate).tolist()}, evaluated at discount "
            f"{np.asarray(self.discount).tolist()}",
        ]
        if self.steps_done:
            tenth = max(1, self.steps_done // 10)
            ends = [
                own[part].mean()
                for own in (self.losses, self.errors)
                for part in (slice(tenth), slice(-tenth, None))
            ]
            lines.append(
                f"  loss {ends[0]:.4g} in the first tenth, {ends[1]:.4g} in the last; "
                f"Bellman residual {ends[2]:.3g}, {ends[3]:.3g}"
            )
        return "\n".join([*lines, f"  {RESULTS[self.status]}"])

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"NetworkMetaValue({self.values.name}, {self.steps_done} outer steps)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the loss and the Bellman residual over the outer steps.

        **Arguments:** `ax`: matplotlib axes to draw on; default: new ones.

        **Returns:** the axes. Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        ax.semilogy(self.losses, label="loss")
        ax.semilogy(self.errors, label="Bellman residual")
        ax.set(xlabel="outer step", title=self.name)
        ax.legend()
        return ax

    def save(self, path: str | Path) -> None:
        """Write weights, settings and history to a file; the game is not among them.

        **Arguments:** `path`: its name must end in `.npz`; an existing file is replaced.
        """
        about = {
            "format": _FORMAT,
            "name": self.values.name,
            "steps": self.steps,
            "settings": dataclasses.asdict(self.settings),
            "symmetric": self.symmetric,
            "views": self.views,
            "shapes": self.shapes,
        }
        arrays = {
            "weights": tuple(map(np.asarray, jax.tree.leaves(self.network))),
            "discount": np.asarray(self.discount),
            "rate": np.asarray(self.rate),
            "losses": self.losses,
            "errors": self.errors,
            "status": np.asarray(results.code(self.status)),
        }
        archive.write_archive(path, about, arrays)

    @staticmethod
    def load(path: str | Path, values: ValueFunction) -> NetworkMetaValue:
        """Read what `save` has written.

        **Arguments:** `values`: of the game that it was made for.

        **Raises:** `ValueError`, naming the file, for anything else.
        """
        check_values(values)
        fields = archive.read_archive(path)
        expected = {"steps": int, "settings": dict, "symmetric": bool, "shapes": list}
        try:
            about = archive.parse_metadata(fields.pop("metadata", None), (_FORMAT,), expected)
            return _parse(about, archive.unflatten(fields), values)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}: {error}") from None


def _parse(about: dict[str, Any], nest: dict[str, Any], values: ValueFunction) -> NetworkMetaValue:
    if json.loads(json.dumps(values.shapes)) != about["shapes"]:
        raise ValueError(f"shapes: expected {values.shapes}, got {about['shapes']}")
    settings = MetaValueSettings(**about["settings"])
    views = about["views"]
    empty = eqx.filter_eval_shape(_fresh, jax.random.key(0), values, settings, about["symmetric"])
    shapes, structure = jax.tree.flatten(empty)
    weights = nest["weights"]
    if [own.shape for own in weights] != [own.shape for own in shapes]:
        raise ValueError("weights: not those of a network with these settings")
    return NetworkMetaValue(
        values=values,
        discount=check_discount(nest["discount"], values.num_players),
        network=jax.tree.unflatten(structure, list(map(jnp.asarray, weights))),
        rate=check_rate(nest["rate"], values.num_players),
        losses=nest["losses"],
        errors=nest["errors"],
        status=results.from_codes(nest["status"]),
        steps=about["steps"],
        settings=settings,
        symmetric=about["symmetric"],
        views=None if views is None else tuple(map(tuple, views)),
    )


def meta_value_networks(
    values: ValueFunction,
    rate: Any,
    key: Array,
    steps: int,
    discount: Any = 0.95,
    opponents: Opponents = None,
    *,
    settings: MetaValueSettings | None = None,
    symmetric: bool = False,
    views: Sequence[Sequence[int]] | None = None,
    progress: bool | AbstractMeter = False,
) -> NetworkMetaValue:
    """The self-consistent meta-value of any game, by networks: the method of the paper, with exact values.

    **Arguments:**

    - `values`: what the players maximise. The paper's are averages per round.
    - `rate`: with which players follow their meta-value, a number or one per player. The paper's is 1 / (1 - g) on the
        iterated prisoner's dilemma and matching pennies, 1 on chicken.
    - `key`: a JAX key, for weights, starts, discounts and exploration. Nothing that is played is sampled.
    - `steps`: how many outer steps: times that players start anew. The paper makes 1001.
    - `discount`: at which the result is evaluated; networks learn all discounts at once unless
        `settings.fixed_discount`.
    - `opponents`: who does not follow its meta-value, see [`resolvent.numeric.bellman_residual`][].
    - `settings`: [`resolvent.numeric.MetaValueSettings`][]; default: the paper's.
    - `symmetric`: whether the network need not tell players apart: the game looks the same to all, once parameters
        are arranged by `views`.
    - `views`: for each player an order of its parameters, as indices into them, in which the network sees them. In
        the absolute view of this library, two players of an iterated game see the same if one of them has the states
        after CD and DC exchanged.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.NetworkMetaValue`][]. Ctrl-C ends training early and returns what is done. How
    good it is, [`resolvent.numeric.bellman_residual`][] says.

    Where the notebook leaves a choice that does not carry over: with three or more players a player's part of the
    network sees the mean of the others' parts. Needs optax, `pip install 'resolvent[networks]'`.

    **Raises:** `ValueError` or `TypeError`, naming the argument, before any training.
    """
    check_values(values)
    players = values.num_players
    if players < 2:
        raise ValueError("values: expected at least two players")
    settings = MetaValueSettings() if settings is None else settings
    if not isinstance(settings, MetaValueSettings):
        raise TypeError(f"settings: expected MetaValueSettings, got {settings!r}")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps: expected a whole number from 0, got {steps!r}")
    alpha, gamma = check_rate(rate, players), check_discount(discount, players)
    beliefs = beliefs_of(opponents, values)
    order = _check_views(views, values)
    if symmetric and len(set(values.shapes)) > 1:
        raise ValueError(f"symmetric: parameters have different shapes, {values.shapes}")
    meter = meter_of(progress)
    optimiser = _optimiser(settings)

    first, second, key = jax.random.split(key, 3)
    network = _fresh(first, values, settings, symmetric)
    state = _State(
        network, _fresh(second, values, settings, symmetric), optimiser.init(network), key
    )
    problem = _Problem(values, alpha, gamma, _paths(beliefs), settings, order)

    losses: list[float] = []
    errors: list[float] = []
    status = RESULTS.successful
    meter.open(int(steps), f"meta-value of {values.name}")
    try:
        for done in range(int(steps)):
            after, (loss, error) = _outer(problem, state)
            numbers = float(loss), float(error)
            if not np.isfinite(numbers).all():
                status = RESULTS.nonfinite
                break
            state = after
            losses.append(numbers[0])
            errors.append(numbers[1])
            meter.show(done + 1)
    except KeyboardInterrupt:
        status = RESULTS.interrupted
    finally:
        meter.close()
    count = min(len(losses), len(errors))
    return NetworkMetaValue(
        values=values,
        discount=gamma,
        network=state.network,
        rate=alpha,
        losses=np.array(losses[:count]),
        errors=np.array(errors[:count]),
        status=status,
        steps=int(steps),
        settings=settings,
        symmetric=symmetric,
        views=order,
    )


class _Problem(NamedTuple):
    values: ValueFunction
    rate: Array
    discount: Array
    paths: tuple[tuple[Belief, NDArray[Any]], ...]
    settings: MetaValueSettings
    views: tuple[tuple[int, ...], ...] | None


class _State(NamedTuple):
    """Replaced as a whole, so that an interrupt finds it consistent."""

    network: MetaNetwork
    target: MetaNetwork
    moments: Any
    key: Array


def _optimiser(settings: MetaValueSettings) -> Any:
    try:
        import optax
    except ImportError as error:
        raise ImportError("networks need optax: pip install 'resolvent[networks]'") from error
    return optax.adamw(
        settings.learning_rate,
        b1=0.9,
        b2=settings.second_moment,
        eps=1e-8,
        weight_decay=settings.weight_decay,
    )


def _fresh(
    key: Array, values: ValueFunction, settings: MetaValueSettings, symmetric: bool
) -> MetaNetwork:
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    outputs = 1 if settings.quantiles is None else settings.quantiles
    return meta_network(key, sizes, settings.width, settings.blocks, outputs, symmetric)


def _check_views(views: Any, values: ValueFunction) -> tuple[tuple[int, ...], ...] | None:
    if views is None:
        return None
    order = tuple(tuple(int(k) for k in np.ravel(own)) for own in views)
    sizes = [int(np.prod(shape)) for shape in values.shapes]
    if [sorted(own) for own in order] != [list(range(size)) for size in sizes]:
        raise ValueError(
            f"views: expected for each player an order of its parameters, of {sizes}, got {views!r}"
        )
    return order


def _paths(beliefs: tuple[Belief, ...]) -> tuple[tuple[Belief, NDArray[Any]], ...]:
    """The different ways on which players believe everybody to be, and for whom each counts."""
    if all(belief is beliefs[0] for belief in beliefs):
        return ((beliefs[0], np.ones(len(beliefs))),)
    return tuple((belief, unit) for belief, unit in zip(beliefs, np.eye(len(beliefs)), strict=True))


def _seen(
    network: MetaNetwork,
    params: tuple[Array, ...],
    discount: Array,
    views: tuple[tuple[int, ...], ...] | None,
    signs: Array | None = None,
) -> Array:
    """Quantiles of U, `(n, Q)`."""
    if views is not None:
        params = tuple(
            jnp.ravel(own)[np.array(order)] for own, order in zip(params, views, strict=True)
        )
    return network(params, discount, signs)


def _step(
    problem: _Problem,
    belief: Belief,
    network: MetaNetwork,
    params: tuple[Array, ...],
    discount: Array,
    signs: Array | None,
) -> tuple[Array, ...]:
    """One step of everybody. With `signs`, explorers follow U alone, as in the notebook."""
    values = problem.values

    def move(j: int, rule: Any) -> Array:
        if rule is not None:
            return learner_step(values, rule, params, j)

        def expected(own: Array) -> Array:
            joint = (*params[:j], own, *params[j + 1 :])
            return _seen(network, joint, discount, problem.views, signs)[j].mean()

        gradient = jax.grad(expected)(params[j])
        if signs is None:
            own = values.jacobian(params)[j][j]
            gradient = (1 - discount[j]) * own + discount[j] * gradient
        return problem.rate[j] * gradient

    return tuple(
        own + move(j, rule) for j, (own, rule) in enumerate(zip(params, belief, strict=True))
    )


def _walk(
    problem: _Problem,
    belief: Belief,
    network: MetaNetwork,
    start: tuple[Array, ...],
    discount: Array,
    signs: Array | None,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """`stride` steps: the end, and all points with the start, `(stride + 1, ...)` each."""

    def step(params: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return _step(problem, belief, network, params, discount, signs), params

    end, points = lax.scan(step, start, None, problem.settings.stride)
    return end, jax.tree.map(
        lambda before, last: jnp.concatenate([before, last[None]]), points, end
    )


def lambda_returns(
    payoffs: Float[Array, "steps players"],
    expected: Float[Array, "points players quantiles"],
    discount: Float[Array, " players"],
    trace: float,
) -> Float[Array, "steps players quantiles"]:
    """Targets $Y_t$ of the module's equation.

    **Arguments:** `payoffs`: f at $x_1, ..., x_T$; `expected`: the target network at $x_0, ..., x_T$.
    """
    g = discount[:, None]

    def back(after: Array, at: tuple[Array, Array]) -> tuple[Array, Array]:
        payoff, bootstrap = at
        now = (1 - g) * payoff[:, None] + g * ((1 - trace) * bootstrap + trace * after)
        return now, now

    return lax.scan(back, expected[-1], (payoffs, expected[1:]), reverse=True)[1]


def quantile_loss(
    predicted: Float[Array, " quantiles"], target: Float[Array, " targets"]
) -> Float[Array, ""]:
    r"""The quantile Huber loss, $\frac{1}{N} \sum_{q, k} |\tau_q - 1[y_k < u_q]| \, h(y_k - u_q)$ at the midpoints
    $\tau_q$, with Huber's $h$ of threshold 1."""
    levels = (jnp.arange(predicted.size) + 0.5) / predicted.size
    gap = target[None, :] - predicted[:, None]
    size = jnp.abs(gap)
    huber = jnp.where(size <= 1, 0.5 * size**2, size - 0.5)
    return (jnp.abs(levels[:, None] - (gap < 0)) * huber).sum() / target.size


def _loss(
    network: MetaNetwork,
    target: MetaNetwork,
    problem: _Problem,
    points: tuple[Array, ...],
    discount: Array,
    counts: NDArray[Any],
) -> tuple[Array, Array]:
    """Of one walk: the loss, summed over the players for whom it counts, and their squared residuals."""
    payoffs = jax.vmap(problem.values)(points)
    frozen = jax.vmap(lambda own: _seen(target, own, discount, problem.views))(points)
    goals = lax.stop_gradient(lambda_returns(payoffs[1:], frozen, discount, problem.settings.trace))
    predicted = jax.vmap(lambda own: _seen(network, own, discount, problem.views))(points)
    if problem.settings.quantiles is None:
        each = 0.5 * ((predicted[:-1] - goals) ** 2).mean(axis=2)
    else:
        each = jax.vmap(jax.vmap(quantile_loss))(predicted[:-1], goals)
    means = predicted.mean(axis=2)
    g = discount[None]
    residual = means[:-1] - (1 - g) * payoffs[1:] - g * means[1:]
    weights = jnp.asarray(counts)[None]
    return (weights * each).sum(axis=1).mean(), (weights * residual**2).sum(axis=1).mean()


@eqx.filter_jit
def _outer(problem: _Problem, state: _State) -> tuple[_State, tuple[Array, Array]]:
    """Players start anew, explore, and the networks are updated after every stride."""
    settings, values = problem.settings, problem.values
    optimiser = _optimiser(settings)
    players, batch = values.num_players, settings.batch
    key, starts, explore, flips, train = jax.random.split(state.key, 5)

    def draw(key: Array) -> Array:
        if settings.fixed_discount:
            return jnp.tile(problem.discount[None], (batch, 1))
        return jax.random.beta(key, 0.5, 0.5, (batch, players), float)

    start = tuple(
        settings.scale * jax.random.normal(own, (batch, *shape), float)
        for own, shape in zip(jax.random.split(starts, players), values.shapes, strict=True)
    )
    exploring = draw(explore)
    turned = jax.random.bernoulli(flips, settings.flip, (batch, players, settings.width))
    signs = jnp.where(turned, -1.0, 1.0)
    total = sum(counts.sum() for _, counts in problem.paths)

    def stride(carry: Any, key: Array) -> tuple[Any, tuple[Array, Array]]:
        network, target, moments, places = carry
        discounts = draw(key)
        places = tuple(
            jax.vmap(lambda x, g, s, belief=belief: _walk(problem, belief, network, x, g, s)[0])(
                place, exploring, signs
            )
            for place, (belief, _) in zip(places, problem.paths, strict=True)
        )
        walks = tuple(
            jax.vmap(lambda x, g, belief=belief: _walk(problem, belief, network, x, g, None)[1])(
                place, discounts
            )
            for place, (belief, _) in zip(places, problem.paths, strict=True)
        )

        def loss(network: MetaNetwork) -> tuple[Array, Array]:
            found = [
                jax.vmap(lambda x, g, counts=counts: _loss(network, target, problem, x, g, counts))(
                    walk, discounts
                )
                for walk, (_, counts) in zip(walks, problem.paths, strict=True)
            ]
            losses, squares = (
                sum(own.mean() for own in each) / total for each in zip(*found, strict=True)
            )
            return jnp.asarray(losses), jnp.asarray(squares)

        (size, square), gradient = jax.value_and_grad(loss, has_aux=True)(network)
        updates, moments = optimiser.update(gradient, moments, network)
        network = jax.tree.map(jnp.add, network, updates)
        keep = settings.target_decay
        target = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, target, network)
        return (network, target, moments, places), (size, jnp.sqrt(square))

    carry = (state.network, state.target, state.moments, (start,) * len(problem.paths))
    keys = jax.random.split(train, settings.inner_steps // settings.stride)
    (network, target, moments, _), (sizes, errors) = lax.scan(stride, carry, keys)
    return _State(network, target, moments, key), (sizes.mean(), errors.mean())
