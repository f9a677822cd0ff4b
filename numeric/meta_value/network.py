r"""The network of meta-value learning: parameters and discounts of all players -> quantiles of $U_i$.

Each player's part sees its own parameters, through a sigmoid, and its own discount; the parts then see one another.
The same weights serve all players, up to a scale and a shift that tell players apart. After the notebook of Cooijmans
et al. (2023), arXiv:2307.08863, for two players; with more, a part sees the mean of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float


class Dense(eqx.Module):
    """Rows of a matrix, `(players, size)`, by weights that all rows share; normalised, or with a bias."""

    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]
    scale: Float[Array, " outputs"] | None

    def __call__(self, x: Float[Array, "players inputs"]) -> Float[Array, "players outputs"]:
        z = x @ self.weight
        if self.scale is None:
            return z + self.bias[None]
        centred = z - z.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / jnp.sqrt(variance + 1e-6) * self.scale[None] + self.bias[None]


def _plain(key: Array, inputs: int, outputs: int) -> Dense:
    weight = jax.nn.initializers.lecun_normal()(key, (inputs, outputs), float)
    return Dense(weight, jnp.zeros(outputs), None)


def _normalised(key: Array, inputs: int, outputs: int) -> Dense:
    weight = jax.nn.initializers.orthogonal()(key, (inputs, outputs), float)
    return Dense(weight, jnp.zeros(outputs), jnp.ones(outputs))


class Gated(eqx.Module):
    """A residual block: a learned mixture of its input and of two layers."""

    first: Dense
    second: Dense
    gate: Float[Array, " size"]

    def __call__(self, x: Float[Array, "players size"]) -> Float[Array, "players size"]:
        share = jax.nn.sigmoid(self.gate)[None]
        return share * x + (1 - share) * self.second(jax.nn.gelu(self.first(x)))


class MetaNetwork(eqx.Module):
    """Quantiles of the meta-value after the next step; see [`resolvent.numeric.meta_value_networks`][].

    **Attributes:** `embed`: one layer per player where numbers of parameters differ, otherwise one for all.
    """

    embed: tuple[Dense, ...]
    policy: Dense
    discount: Dense
    marks: tuple[Array, Array] | None
    mix_own: Dense
    own_blocks: tuple[Gated, ...]
    mix_others: Dense
    blocks: tuple[Gated, ...]
    last: Dense
    output: Dense

    def __call__(
        self,
        params: tuple[Array, ...],
        discount: Float[Array, " players"],
        signs: Float[Array, "players width"] | None = None,
    ) -> Float[Array, "players quantiles"]:
        """**Arguments:** `signs`: +1 or -1 for the units of the last hidden layer, to explore."""
        policies = [jax.nn.sigmoid(jnp.ravel(own))[None] for own in params]
        embeds = self.embed * len(params) if len(self.embed) == 1 else self.embed
        rows = [layer(own) for layer, own in zip(embeds, policies, strict=True)]
        z = jax.nn.gelu(jnp.concatenate(rows))
        z = jax.nn.gelu(self.policy(z))
        z = jnp.concatenate([z, jax.nn.gelu(self.discount(discount[:, None]))], axis=1)
        if self.marks is not None:
            z = z * self.marks[0] + self.marks[1]
        z = jax.nn.gelu(self.mix_own(z))
        for block in self.own_blocks:
            z = block(z)
        others = (z.sum(axis=0, keepdims=True) - z) / (len(params) - 1)
        z = jax.nn.gelu(self.mix_others(jnp.concatenate([z, others], axis=1)))
        for block in self.blocks:
            z = block(z)
        z = jnp.tanh(self.last(z))
        return self.output(z if signs is None else signs * z)


def meta_network(
    key: Array, sizes: Sequence[int], width: int, blocks: int, quantiles: int, symmetric: bool
) -> MetaNetwork:
    """A network with random weights.

    **Arguments:** `sizes`: numbers of parameters of the players; `symmetric`: whether players are not to be told
    apart.
    """
    keys = iter(jax.random.split(key, 7 + 4 * blocks + len(sizes)))
    inputs = sizes[:1] if len(set(sizes)) == 1 else sizes

    def gated() -> tuple[Gated, ...]:
        return tuple(
            Gated(
                _normalised(next(keys), width, width),
                _plain(next(keys), width, width),
                jnp.zeros(width),
            )
            for _ in range(blocks)
        )

    shape = (len(sizes), 2 * width)
    return MetaNetwork(
        embed=tuple(_plain(next(keys), size, width) for size in inputs),
        policy=_normalised(next(keys), width, width),
        discount=_plain(next(keys), 1, width),
        marks=None if symmetric else (jnp.ones(shape), jnp.zeros(shape)),
        mix_own=_normalised(next(keys), 2 * width, width),
        own_blocks=gated(),
        mix_others=_normalised(next(keys), 2 * width, width),
        blocks=gated(),
        last=_normalised(next(keys), width, width),
        output=_plain(next(keys), width, quantiles),
    )
