r"""Co-players' learning fitted to exact trajectories: what a model of it gets wrong, judged by the true rule.

With x the probabilities of all co-players' policies in a vector, p those of the player, and C the first k principal
components of x along trajectories of learning,

$$ z = C (x - \bar x), \qquad z_{m+1} = f(z_m, p), \qquad \hat x = \bar x + C' z, $$

where f is a quadratic polynomial (least squares) or a small network. Data have no noise: exact trajectories of the rule
from random starts. So all error is that of the model: of k dimensions, and of f.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic.value_function import CompiledValue
from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import as_nonnegative
from resolvent.numeric.metagame.influence import Influence
from resolvent.numeric.play import Play, arrays_of

Tree = Any
Model = Literal["quadratic", "network"]


class QuadraticDynamics(eqx.Module):
    """All monomials of z and p up to degree two, times `coefficients`, `(monomials, k)`."""

    coefficients: Float[Array, "monomials k"]

    def __call__(self, inputs: Float[Array, " inputs"]) -> Float[Array, " k"]:
        """The change of z."""
        return monomials(inputs) @ self.coefficients


def monomials(inputs: Float[Array, " inputs"]) -> Float[Array, " monomials"]:
    """1, all entries, and all products of two."""
    rows, columns = np.triu_indices(inputs.shape[0])
    return jnp.concatenate([jnp.ones(1), inputs, inputs[rows] * inputs[columns]])


class LatentDynamics(eqx.Module):
    """A fitted model of co-players' learning; see [`resolvent.numeric.fit_latent`][]. Call it with the player's
    parameters for the payoff that it claims.

    **Attributes:**

    - `truth`: the exact objective, with the true rule.
    - `mean`, `components`: $\\bar x$ `(d,)` and C `(k, d)`.
    - `model`: f less z, a [`resolvent.numeric.QuadraticDynamics`][] or an `equinox.nn.MLP`.
    - `explained`: the share of the variance of x along trajectories in k components.
    - `fitted`, `held_out`: $R^2$ of one step of x, on the trajectories of the fit and on others; `persistence`: that of
        predicting no change, on the others.
    """

    truth: Influence
    mean: Float[Array, " d"]
    components: Float[Array, "k d"]
    model: Any
    explained: float = eqx.field(static=True)
    fitted: float = eqx.field(static=True)
    held_out: float = eqx.field(static=True)
    persistence: float = eqx.field(static=True)

    @eqx.filter_jit
    def __call__(self, own: Float[Array, "states choices"]) -> Float[Array, ""]:
        """The payoff by the model, as `truth` would have it by the true rule."""
        return self.truth.weighed(self.payoffs(own))

    @eqx.filter_jit
    def payoffs(self, own: Float[Array, "states choices"]) -> Float[Array, "starts interactions"]:
        """What the player gets in each interaction by the model."""
        truth = self.truth
        arrays, player = arrays_of(truth.values), truth.player

        def one(start: tuple[Array, ...]) -> Array:
            policies = truth.values.policies(truth.joint(own, start))
            mine = policies[player]

            def step(z: Array, _: None) -> tuple[Array, Array]:
                others = unflatten(self.decode(z), truth.values, player)
                play = Play(arrays, (*others[:player], mine, *others[player:]))
                return self.step(z, mine), play.values[player] @ arrays.initial

            first = self.encode(flatten(policies, player))
            return lax.scan(step, first, None, length=truth.interactions)[1]

        return jax.vmap(one)(truth.starts)

    def step(self, z: Float[Array, " k"], policy: Float[Array, "states actions"]) -> Array:
        """The next z; brought back to where policies are probabilities."""
        moved = z + self.model(jnp.concatenate([z, policy[:, :-1].ravel()]))
        x = self.mean + moved @ self.components
        return moved + self.encode(jnp.clip(x, 0, 1)) - self.encode(x)

    def encode(self, x: Float[Array, " d"]) -> Float[Array, " k"]:
        """z of the co-players' probabilities."""
        return self.components @ (x - self.mean)

    def decode(self, z: Float[Array, " k"]) -> Float[Array, " d"]:
        """The co-players' probabilities, from 0 to 1."""
        return jnp.clip(self.mean + z @ self.components, 0, 1)

    def __repr__(self) -> str:
        kind = "quadratic" if isinstance(self.model, QuadraticDynamics) else "network"
        return (
            f"LatentDynamics({kind} in {self.components.shape[0]} of {self.components.shape[1]} dimensions, which hold "
            f"{self.explained:.3f} of the variance; R^2 of a step {self.fitted:.4f}, held out {self.held_out:.4f}, of "
            f"no change {self.persistence:.4f})"
        )


def fit_latent(
    truth: Influence,
    k: int,
    key: Array,
    *,
    model: Model = "quadratic",
    trajectories: int = 256,
    scale: float = 1.0,
    width: int = 64,
    depth: int = 2,
    steps: int = 2000,
    rate: float = 3e-3,
) -> LatentDynamics:
    """Fit the co-players' learning to exact trajectories, in k latent dimensions.

    A study of modelling error: the counterpart of the encoder and decoder of LILI, Xie et al. (2020), arXiv:2011.06619,
    which exist because there the rule and the trajectories' distribution are unknown. Judge what is optimised through
    it by the true rule: [`resolvent.numeric.influence`][] does.

    **Arguments:**

    - `truth`: the exact objective, from [`resolvent.numeric.known_rule`][], of rules without memory.
    - `k`: latent dimensions, from 1 to the number of the co-players' free probabilities.
    - `key`: for the starts of trajectories, normal parameters of everybody with standard deviation `scale`, and for a
        network's weights. The player's own policy is fixed along a trajectory.
    - `model`: `"quadratic"`, by least squares; or `"network"`, `depth` hidden layers of `width` with tanh, by `steps`
        of Adam with the `rate` on all data (optax, `pip install 'resolvent[networks]'`).
    - `trajectories`: for the fit, each of as many interactions as `truth` has; as many again are held out.

    **Raises:** `ValueError`, naming the argument.
    """
    if not isinstance(truth, Influence):
        raise TypeError(f"truth: expected what known_rule returns, got {truth!r}")
    if model not in get_args(Model):
        raise ValueError(f"model: expected one of {get_args(Model)}, got {model!r}")
    count = check_count(trajectories, "trajectories", least=1)
    size = sum(
        int(np.prod(shape)) for j, shape in enumerate(truth.values.shapes) if j != truth.player
    )
    if check_count(k, "k", least=1) > size:
        raise ValueError(f"k: expected at most {size}, the co-players' free probabilities, got {k}")
    if truth.interactions < 2:
        raise ValueError("truth: expected at least 2 interactions, to see a step")
    begin, weights = jax.random.split(key)
    scale = float(as_nonnegative(scale))
    own, x = map(np.asarray, _trajectories(truth, begin, 2 * count, scale))
    mean = x[:count].reshape(-1, size).mean(axis=0)
    _, sizes, axes = np.linalg.svd(x[:count].reshape(-1, size) - mean, full_matrices=False)
    components = axes[:k]
    explained = float((sizes[:k] ** 2).sum() / (sizes**2).sum())

    z = (x - mean) @ components.T
    repeated = np.broadcast_to(own[:, None], (*x.shape[:2], own.shape[-1]))
    inputs = np.concatenate([z, repeated], axis=-1)[:, :-1]
    changes = z[:, 1:] - z[:, :-1]
    seen = inputs[:count].reshape(-1, inputs.shape[-1]), changes[:count].reshape(-1, k)
    if model == "quadratic":
        table = np.asarray(jax.jit(jax.vmap(monomials))(seen[0]))
        fitted: Any = QuadraticDynamics(jnp.asarray(np.linalg.lstsq(table, seen[1])[0]))
    else:
        given, wanted = jnp.asarray(seen[0]), jnp.asarray(seen[1])
        fitted = _network(weights, given, wanted, width, depth, steps, rate)

    predicted = z[:, :-1] + np.asarray(_applied(fitted, jnp.asarray(inputs)))
    guess, after = mean + predicted @ components, x[:, 1:]
    return LatentDynamics(
        truth,
        jnp.asarray(mean),
        jnp.asarray(components),
        fitted,
        explained,
        _determined(guess[:count], after[:count]),
        _determined(guess[count:], after[count:]),
        _determined(x[count:, :-1], after[count:]),
    )


def flatten(policies: tuple[Array, ...], player: int) -> Float[Array, " d"]:
    """The co-players' probabilities of all but the last action, in a vector."""
    return jnp.concatenate([own[:, :-1].ravel() for j, own in enumerate(policies) if j != player])


def unflatten(x: Float[Array, " d"], values: CompiledValue, player: int) -> tuple[Array, ...]:
    """The inverse, one `(S, A_j)` per co-player; where an entry left a distribution, rows are scaled back."""
    found, begin = [], 0
    for j, shape in enumerate(values.shapes):
        if j == player:
            continue
        size = int(np.prod(shape))
        free = x[begin : begin + size].reshape(shape)
        begin += size
        rest = jnp.maximum(1 - free.sum(axis=1, keepdims=True), 0)
        rows = jnp.concatenate([free, rest], axis=1)
        found.append(rows / rows.sum(axis=1, keepdims=True))
    return tuple(found)


@eqx.filter_jit
def _trajectories(truth: Influence, key: Array, count: int, scale: float) -> tuple[Array, Array]:
    """The player's free probabilities `(count, p)`, and the co-players' along the way `(count, M, d)`."""
    keys = jax.random.split(key, truth.values.num_players)

    def one(*start: Array) -> tuple[Array, Array]:
        def step(carry: Tree, _: None) -> tuple[Tree, Array]:
            joint, states = carry
            return truth.step(joint, states), flatten(truth.values.policies(joint), truth.player)

        carry = (start, truth.init(start))
        _, x = lax.scan(step, carry, None, length=truth.interactions)
        return truth.values.policies(start)[truth.player][:, :-1].ravel(), x

    starts = [
        scale * jax.random.normal(own, (count, *shape), float)
        for own, shape in zip(keys, truth.values.shapes, strict=True)
    ]
    return jax.vmap(one)(*starts)


@eqx.filter_jit
def _applied(model: Any, inputs: Array) -> Array:
    return jax.vmap(jax.vmap(model))(inputs)


def _determined(guess: NDArray[np.floating], x: NDArray[np.floating]) -> float:
    """R^2: the share of the variance that the guess explains."""
    off = np.sum((guess - x) ** 2)
    return float(1 - off / np.sum((x - x.mean(axis=(0, 1))) ** 2))


def _network(
    key: Array, inputs: Array, changes: Array, width: int, depth: int, steps: int, rate: float
) -> eqx.nn.MLP:
    try:
        import optax
    except ImportError as error:
        raise ImportError(
            "model='network' needs optax: pip install 'resolvent[networks]'"
        ) from error
    network = eqx.nn.MLP(
        inputs.shape[1],
        changes.shape[1],
        check_count(width, "width", least=1),
        check_count(depth, "depth", least=1),
        jnp.tanh,
        key=key,
        dtype=jnp.float64,
    )
    arrays, rest = eqx.partition(network, eqx.is_array)
    adam = optax.adam(optax.cosine_decay_schedule(float(as_nonnegative(rate)), steps))

    def loss(arrays: Tree) -> Array:
        found = jax.vmap(eqx.combine(arrays, rest))(inputs)
        return jnp.mean(jnp.sum((found - changes) ** 2, axis=1))

    def step(carry: Tree, _: None) -> tuple[Tree, None]:
        arrays, state = carry
        moves, state = adam.update(jax.grad(loss)(arrays), state, arrays)
        return (optax.apply_updates(arrays, moves), state), None

    length = check_count(steps, "steps", least=1)
    climb = jax.jit(lambda carry: lax.scan(step, carry, None, length=length)[0])
    return eqx.combine(climb((arrays, adam.init(arrays)))[0], rest)
