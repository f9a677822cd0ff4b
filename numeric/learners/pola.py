r"""POLA: proximal LOLA, steps of policies in place of steps of parameters.

$$ \theta_j'(\theta_i) = \arg\max_{\theta_j} \; V_j(\theta_i, \theta_j, \theta^{\text{old}}_{-ij})
   - \beta_{\text{in}} D(\pi^{\text{old}}_j \| \pi_j), \qquad
   \theta_i^{\text{new}} = \arg\max_{\theta_i} \; V_i\big(\theta_i, \theta_{-i}'(\theta_i)\big)
   - \beta_{\text{out}} D(\pi^{\text{old}}_i \| \pi_i). $$

Outer POLA replaces the inner maximum by one step, $\theta_j'(\theta_i) = \theta^{\text{old}}_j + \eta_{ij}
\nabla_j V_j(\theta_i, \theta^{\text{old}}_{-i})$. With $G_j$ the gradient of the inner objective, the gradient of the
outer one is, for both,

$$ \nabla_i V_i(\theta') + \sum_{j \ne i} \nabla_i \big\langle \nabla_j V_j, \bot w_j \big\rangle
   - \beta_{\text{out}} \nabla D, \qquad
   w_j = \eta_{ij} \nabla_j V_i(\theta') \quad\text{or}\quad
   w_j = -\Big(\frac{\partial G_j}{\partial \theta_j}\Big)^{-1} \nabla_j V_i(\theta'). $$
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from resolvent.analytic import tensor_kernel
from resolvent.analytic.value_function import CompiledValue, ValueFunction
from resolvent.numeric import tree
from resolvent.numeric.learners.learner import (
    AbstractLearner,
    Info,
    as_nonnegative,
    as_number,
    as_optional_number,
    lookahead_rates,
)
from resolvent.numeric.learners.stacked import by_tensors, like_entry
from resolvent.numeric.markov import occupancy

Tree = Any
Inner = Literal["step", "proximal"]
Solver = Literal["ascent", "newton"]
Weights = Literal["states", "occupancy"]
Divergence = Callable[[Array, Array], Array]
"""How far one player's new parameters are from the old: `(old, new) -> scalar`, 0 where they agree."""

# Newton's method ends when the gradient is this much smaller than 1 plus what it was at the start.
_PRECISION = 1e-11
_NEWTON_STEPS = 200
_HALVINGS = 40


class POLA(AbstractLearner):
    """Proximal LOLA: the best policy near one's own, where the others respond to it.

    Zhao et al. (2022), *Proximal learning with opponent-learning awareness*, arXiv:2210.10125. Where
    the maxima are unique, the policies that it leads to do not depend on how they are parameterised:
    LOLA's do. All players start from the same parameters and move at the same time.

    The divergence D is the sum, over what the player observes, of the Kullback-Leibler divergences of
    the new action probabilities from the old (the *sum* over the five states of a game of memory one,
    as in the published code: with a mean, the same betas mean five times less).

    **Arguments:**

    - `rate`: the step size of the gradient ascent that solves the outer problem; it changes how, and not
        what is found. Not used by Newton's method.
    - `lookahead`: the step size that the others are believed to use, with `inner="step"`; a scalar, or
        one number per player (its own is not used). Default: `rate`.
    - `beta_out`, `beta_in`: how much is paid for divergence, by the player and (with
        `inner="proximal"`) by each of the others. In units of values: on per-round averages in place
        of discounted sums, the same betas hold the policies back 1 / (1 - g) times as much.
    - `inner`: how the others respond.
        `"step"`, one gradient step from where they are, is *outer POLA*, the rule of the published
        experiments.
        `"proximal"`, to the maximum of their own proximal objective, is the ideal rule; it is
        solved by Newton's method, and differentiated by the implicit function theorem.
    - `solver`: of the outer problem. `"ascent"`, as published, or `"newton"`: with the exact Hessian, its
        eigenvalues made negative, and halved steps. Where the objective has several maxima they may
        find different ones.
    - `weights`: `"states"`, of one each; or `"occupancy"`, the discounted shares of rounds in which
        the player observes each, under the policies at the start of the step.
    - `divergence`: `"policies"`, the above; `"parameters"`, half the squared distance of the parameters,
        for value functions without policies (which gives up the invariance); or a function `(old,
        new) -> scalar` of one player's parameters.
    - `tolerance`: ascent ends when neither divergence between successive iterates exceeds it.
    - `max_steps`: of the ascent.

    Information: `iterations` of the outer solver, whether it `converged`, the `residual` norm of the
    gradient that is left, the `divergence` of the new policy, and `inner_residual`, that of the others
    (0 with `inner="step"`).
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array | None = eqx.field(converter=as_optional_number, default=None)
    beta_out: Array = eqx.field(converter=as_nonnegative, default=0.1)
    beta_in: Array = eqx.field(converter=as_nonnegative, default=0.1)
    inner: Inner = eqx.field(static=True, default="step")
    solver: Solver = eqx.field(static=True, default="ascent")
    weights: Weights = eqx.field(static=True, default="states")
    divergence: Literal["policies", "parameters"] | Divergence = eqx.field(
        static=True, default="policies"
    )
    tolerance: Array = eqx.field(converter=as_nonnegative, default=1e-8)
    max_steps: int = eqx.field(static=True, default=5000)

    def __check_init__(self) -> None:
        choices = {"inner": Inner, "solver": Solver, "weights": Weights}
        for name, choice in choices.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(
                    f"{name}: expected one of {get_args(choice)}, got {getattr(self, name)!r}"
                )
        if not callable(self.divergence) and self.divergence not in ("policies", "parameters"):
            raise ValueError(
                "divergence: expected 'policies', 'parameters' or a function (old, new) -> scalar, "
                f"got {self.divergence!r}"
            )
        if self.weights == "occupancy" and self.divergence != "policies":
            raise ValueError("weights: 'occupancy' goes with divergence='policies' only")
        if (
            isinstance(self.max_steps, bool)
            or not isinstance(self.max_steps, int)
            or self.max_steps < 1
        ):
            raise ValueError(f"max_steps: expected a whole number from 1, got {self.max_steps!r}")

    def check(self, values: ValueFunction, player: int) -> None:
        if self.divergence == "policies" and not isinstance(values, CompiledValue):
            raise ValueError(
                "values: POLA compares policies, and a user's own function has none; use "
                "POLA(..., divergence='parameters'), a divergence of your own, or "
                "LOLA(variant='exact')"
            )
        lookahead_rates(self.rate, self.lookahead, values.num_players)

    def init(self, values: ValueFunction, params: Tree, player: int) -> None:
        return None

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: None
    ) -> tuple[Tree, None, Info]:
        self.check(values, player)
        arrays = values.stack(params)
        old = arrays[player]
        inside: ValueFunction = values
        if isinstance(values, CompiledValue) and (self.inner, self.solver) != ("step", "ascent"):
            # Derivatives of third order, of which the program kernel would be slow to compile.
            inside = by_tensors(values)
        if old.size == 0:  # a player with a single action
            nothing = jnp.zeros(())
            names = ("iterations", "converged", "residual", "divergence", "inner_residual")
            return tree.scale(0.0, params[player]), None, dict.fromkeys(names, nothing)

        problem = self._problem(inside, arrays, player)
        if self.solver == "newton":
            found = maximise(problem.objective, problem.gradient, old)
        else:
            found = self._ascend(problem, old)
        info = {
            "iterations": found.iterations,
            "converged": found.converged,
            "residual": norm(found.slope),
            "divergence": problem.divergence(old, found.point),
            "inner_residual": found.aside,
        }
        return like_entry(values, params, player, found.point - old), None, info

    # The outer problem ----------------------------------------------------------------------

    def _problem(self, values: ValueFunction, arrays: tuple[Array, ...], player: int) -> _Problem:
        divergences = [self._divergence(values, arrays, j) for j in range(len(arrays))]
        old = arrays[player]
        steps = lookahead_rates(self.rate, self.lookahead, len(arrays))

        def respond(own: Array) -> _Response:
            joint = (*arrays[:player], own, *arrays[player + 1 :])
            if self.inner == "step":
                return _step(values, joint, player, steps)
            return _proximal(values, joint, player, self.beta_in, divergences)

        def price(new: Array) -> Array:
            return _price(self.beta_out, divergences[player], old, new)

        def objective(own: Array) -> Array:
            return values(respond(own).params)[player] - price(own)

        def gradient(own: Array) -> tuple[Array, Array]:
            response = respond(own)
            there = values.jacobian(response.params)[player]
            slope = there[player] + response.shaping(there) - jax.grad(price)(own)
            return slope, response.residual

        return _Problem(objective, gradient, divergences[player])

    def _divergence(
        self, values: ValueFunction, arrays: tuple[Array, ...], player: int
    ) -> Divergence:
        if callable(self.divergence):
            return self.divergence
        if self.divergence == "parameters":
            return lambda old, new: jnp.sum((new - old) ** 2) / 2
        assert isinstance(values, CompiledValue)  # check
        weights = jnp.ones(values.shapes[player][0], arrays[player].dtype)
        if self.weights == "occupancy":
            weights = _observed(values, arrays, player)
        return lambda old, new: jnp.sum(weights * _relative_entropies(values, old, new))

    def _ascend(self, problem: _Problem, start: Array) -> _Found:
        """Gradient ascent, until a step changes the policy no more."""
        rate, tolerance = (own.astype(start.dtype) for own in (self.rate, self.tolerance))

        def step(now: _Found) -> _Found:
            slope, aside = problem.gradient(now.point)
            after = now.point + rate * slope
            far = jnp.maximum(
                problem.divergence(now.point, after), problem.divergence(after, now.point)
            )
            return _Found(after, now.iterations + 1, far < tolerance, slope, aside)

        def going(now: _Found) -> Array:
            unfinished = ~now.converged & (now.iterations < self.max_steps)
            return unfinished & jnp.isfinite(now.point).all()

        return lax.while_loop(going, step, _Found.at(start))


class _Response(NamedTuple):
    """What the others do: all parameters then, how the player shapes them given its interest in
    them, and how far they are from their maxima."""

    params: tuple[Array, ...]
    shaping: Callable[[tuple[Array, ...]], Array]
    residual: Array


class _Problem(NamedTuple):
    """What the player maximises."""

    objective: Callable[[Array], Array]
    gradient: Callable[[Array], tuple[Array, Array]]
    divergence: Divergence


def _step(
    values: ValueFunction, joint: tuple[Array, ...], player: int, steps: list[Array]
) -> _Response:
    """The others make one gradient step."""
    others = [j for j in range(len(joint)) if j != player]
    blocks = values.jacobian(joint)
    moved = list(joint)
    for j in others:
        moved[j] = tree.axpy(steps[j], blocks[j][j], joint[j])

    def shaping(interest: tuple[Array, ...]) -> Array:
        terms = [
            values.cross(joint, j, player, j, tree.scale(steps[j], interest[j])) for j in others
        ]
        return tree.total(terms, like=joint[player])

    return _Response(tuple(moved), shaping, jnp.zeros((), joint[player].dtype))


class _Nearby(NamedTuple):
    """What player j maximises in answer to `joint`, in which it is where it was."""

    values: ValueFunction
    joint: tuple[Array, ...]
    j: int
    beta: Array
    divergence: Divergence

    def at(self, own: Array) -> tuple[Array, ...]:
        return (*self.joint[: self.j], own, *self.joint[self.j + 1 :])

    def price(self, own: Array) -> Array:
        return _price(self.beta, self.divergence, self.joint[self.j], own)

    def objective(self, own: Array) -> Array:
        return self.values(self.at(own))[self.j] - self.price(own)

    def gradient(self, own: Array) -> Array:
        return self.values.jacobian(self.at(own))[self.j][self.j] - jax.grad(self.price)(own)

    def hessian(self, own: Array) -> Array:
        """`(d, d)`, for d parameters."""
        joint, j = self.at(own), self.j
        units = jnp.eye(own.size, dtype=own.dtype).reshape(own.size, *own.shape)
        columns = jax.vmap(lambda unit: self.values.cross(joint, j, j, j, unit))(units)
        return (columns - jax.hessian(self.price)(own).reshape(columns.shape)).reshape(
            own.size, own.size
        )


def _proximal(
    values: ValueFunction,
    joint: tuple[Array, ...],
    player: int,
    beta: Array,
    divergences: list[Divergence],
) -> _Response:
    """Each of the others goes to the maximum of its own proximal objective."""
    others = [j for j in range(len(joint)) if j != player and joint[j].size]
    moved = list(joint)
    alone: dict[int, tuple[Array, ...]] = {}
    bends: dict[int, Array] = {}
    residual = jnp.zeros((), joint[player].dtype)
    for j in others:
        problem = _Nearby(values, joint, j, beta, divergences[j])
        still = problem._replace(joint=lax.stop_gradient(joint))
        found = maximise(
            still.objective, lambda own, still=still: (still.gradient(own), 0.0), still.joint[j]
        )
        point = lax.stop_gradient(found.point)
        # One more step of Newton's method moves nothing, but has the derivative of the maximum.
        left = problem.gradient(point)
        moved[j] = point - _solve(lax.stop_gradient(problem.hessian(point)), left)
        alone[j], bends[j] = problem.at(moved[j]), problem.hessian(moved[j])
        residual = jnp.maximum(residual, norm(left))

    def shaping(interest: tuple[Array, ...]) -> Array:
        terms = [
            values.cross(alone[j], j, player, j, -_solve(bends[j], interest[j])) for j in others
        ]
        return tree.total(terms, like=joint[player])

    return _Response(tuple(moved), shaping, residual)


def _solve(matrix: Array, right: Array) -> Array:
    return jnp.linalg.solve(matrix, right.ravel()).reshape(right.shape)


def _price(beta: Array, divergence: Divergence, old: Array, new: Array) -> Array:
    """beta D; nothing where beta is 0, however far the policies are from each other."""
    beta = beta.astype(new.dtype)
    return beta * divergence(old, jnp.where(beta == 0, old, new))


def _observed(values: CompiledValue, arrays: tuple[Array, ...], player: int) -> Array:
    """The discounted share of rounds in which the player observes each row of its policy, `(O_i,)`."""
    shares = occupancy(values, arrays, player)
    actions = values.structure.num_actions[player]
    policy = jnp.zeros((values.shapes[player][0], actions), shares.dtype)
    # What it means to do in each state is linear in its policy; the shares go the same way back.
    numbers = jax.tree.map(lambda leaf: leaf.astype(shares.dtype), values.numbers)
    back = jax.linear_transpose(
        lambda own: tensor_kernel.meant(values.structure, own, numbers, player), policy
    )
    (weights,) = back(jnp.repeat(shares[:, None], actions, axis=1))
    return weights[:, 0]


def _relative_entropies(values: CompiledValue, old: Array, new: Array) -> Array:
    """The Kullback-Leibler divergence of each row of the new policy from the old, from logits where
    these are the parameters: probabilities that round to 0 or 1 make neither infinity nor NaN."""
    before, after = (_log_probabilities(values, own) for own in (old, new))
    played = before > -jnp.inf
    gaps = jnp.where(played, before, 0) - jnp.where(played, after, 0)
    return jnp.sum(jnp.exp(before) * gaps, axis=-1)


def _log_probabilities(values: CompiledValue, own: Array) -> Array:
    if values.kernel.parameterisation == "logits":
        return jax.nn.log_softmax(jnp.pad(own, ((0, 0), (0, 1))), axis=-1)
    (policy,) = tensor_kernel.policies_of(values.kernel, (own,))
    positive = policy != 0
    return jnp.where(positive, jnp.log(jnp.where(positive, policy, 1)), -jnp.inf)


# Maxima --------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """Where a solver is: the gradient `slope`, and what else came with it, are those at the last point
    where they were needed."""

    point: Array
    iterations: Array
    converged: Array
    slope: Array
    aside: Array

    @staticmethod
    def at(start: Array) -> _Found:
        none = jnp.zeros((), start.dtype)
        never = jnp.asarray(False)
        return _Found(start, jnp.asarray(0), never, jnp.full_like(start, jnp.inf), none)


def norm(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x**2))


def maximise(
    objective: Callable[[Array], Array],
    gradient: Callable[[Array], tuple[Array, ArrayLike]],
    start: Array,
) -> _Found:
    """A local maximum uphill from `start`, by Newton's method.

    The eigenvalues of the Hessian are replaced by minus their absolute values, so that every step leads
    uphill, and a step is halved until it gains a share of what its slope promises. Code is compiled
    as often as it is written here, so everything is written once.

    **Arguments:** `gradient`, which also returns a number to keep; its derivative is the Hessian.
    """

    def slope_and_bends(x: Array) -> tuple[Array, Array, Array]:
        def twice(x: Array) -> tuple[Array, tuple[Array, Array]]:
            slope, aside = gradient(x)
            return slope, (slope, jnp.asarray(aside, x.dtype))

        bends, (slope, aside) = jax.jacfwd(twice, has_aux=True)(x)
        return slope, bends.reshape(x.size, x.size), aside

    def uphill(slope: Array, matrix: Array) -> Array:
        bends, axes = jnp.linalg.eigh((matrix + matrix.T) / 2)
        bends = jnp.abs(bends)
        bends = jnp.maximum(bends, 1e-10 * bends.max() + jnp.finfo(slope.dtype).tiny)
        return (axes @ ((axes.T @ slope.ravel()) / bends)).reshape(slope.shape)

    def step(now: _Climb) -> _Climb:
        x, here = now.found.point, now.here
        slope, matrix, aside = slope_and_bends(x)
        steep = norm(slope)
        goal = jnp.where(jnp.isfinite(now.goal), now.goal, _PRECISION * (1 + steep))
        arrived = steep <= goal
        move = jnp.where(arrived, 0, uphill(slope, matrix))
        promised = 1e-4 * jnp.sum(slope * move)
        rounding = 1e-13 * (1 + jnp.abs(here))

        def falls_short(trial: _Trial) -> Array:
            enough = trial.reached - here >= trial.share * promised - rounding
            return ~enough & (trial.halvings < _HALVINGS)

        def halve(trial: _Trial) -> _Trial:
            share = trial.share / 2
            return _Trial(share, objective(x + share * move), trial.halvings + 1)

        # The first trial is of twice the step, and never good enough.
        nowhere = jnp.full((), -jnp.inf, x.dtype)
        trial = _Trial(jnp.full((), 2, x.dtype), nowhere, jnp.asarray(-1))
        trial = lax.while_loop(falls_short, halve, trial)
        stuck = trial.halvings >= _HALVINGS
        share = jnp.where(stuck, 0, trial.share)
        found = _Found(x + share * move, now.found.iterations + 1, arrived, slope, aside)
        return _Climb(found, trial.reached, goal, stuck)

    def going(now: _Climb) -> Array:
        return ~now.found.converged & ~now.stuck & (now.found.iterations < _NEWTON_STEPS)

    unknown = jnp.full((), jnp.inf, start.dtype)
    first = _Climb(_Found.at(start), objective(start), unknown, jnp.asarray(False))
    return lax.while_loop(going, step, first).found


class _Climb(NamedTuple):
    found: _Found
    here: Array
    goal: Array
    stuck: Array


class _Trial(NamedTuple):
    share: Array
    reached: Array
    halvings: Array
