"""Training a shaper: gradient ascent on the exact payoff of a trial, from one or several policies at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from numpy.typing import NDArray

from resolvent.numeric.checks import check_count
from resolvent.numeric.learners.learner import as_nonnegative
from resolvent.numeric.metagame.shaper import ShaperTrial
from resolvent.numeric.metagame.trial_records import CHAOTIC, TRIAL
from resolvent.numeric.meter import AbstractMeter, meter_of

Tree = Any

# Steps of one compiled call: Ctrl-C and the meter are served in between.
_CHUNK = 25


@dataclasses.dataclass(frozen=True, repr=False)
class TrainedShaper:
    """A policy that was trained on a trial.

    **Fields:**

    - `policy`: the best that was found: of the restart with the highest payoff at the end.
    - `payoff`: the trial's, with it.
    - `payoffs`: `(steps, restarts)`, before each step.
    - `policies`: of all restarts at the end, with a leading axis.
    - `gradient`: the norm of the derivative there, for the best: how far from a stationary point it is.
    - `sensitivity`: of the co-players' learning there, see [`resolvent.numeric.TrialGradient`][].
    - `status`: of [`resolvent.numeric.TRIAL`][]; where it is not successful, the derivatives that were followed meant
        nothing in the end, and `policy` is no more than a policy with that payoff.
    """

    policy: Tree
    payoff: float
    payoffs: NDArray[np.floating]
    policies: Tree
    gradient: float
    sensitivity: float
    status: TRIAL
    trial: ShaperTrial

    def __repr__(self) -> str:
        steps, restarts = self.payoffs.shape
        return "\n".join(
            [
                f"Trained on {self.trial!r}",
                f"  payoff {self.payoff:.6g}, best of {restarts} restarts after {steps} steps",
                f"  norm of the derivative {self.gradient:.3g}, sensitivity {self.sensitivity:.3g}",
                f"  {TRIAL[self.status]}",
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw payoffs over steps, a line per restart. **Returns:** the axes.

        Needs matplotlib, `pip install 'resolvent[plot]'`.
        """
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'resolvent[plot]'") from error
        ax = pyplot.subplots()[1] if ax is None else ax
        ax.plot(self.payoffs)
        ax.set(xlabel="step", ylabel="payoff of the trial")
        return ax


def train_shaper(
    trial: ShaperTrial,
    start: Any,
    steps: int,
    *,
    rate: float = 0.02,
    restarts: int | None = None,
    scale: float = 1.0,
    progress: bool | AbstractMeter = False,
) -> TrainedShaper:
    """Train a shaper by Adam on exact derivatives of its trial.

    A local search: derivatives of a trial are exact, its maxima many. Restarts go in one compiled call.

    **Arguments:**

    - `trial`: what to maximise.
    - `start`: a policy, as `trial.zeros`; or a JAX key, for `restarts` policies of normal numbers of standard deviation
        `scale`.
    - `steps`, `rate`: of Adam. The rate is in logits per step, whatever the scale of the values.
    - `progress`: whether to show a bar on standard error, or a meter.

    **Returns:** a [`resolvent.numeric.TrainedShaper`][]. Ctrl-C ends training early and returns what is done; so does a
    payoff that is not finite.

    **Raises:** `ValueError`, naming the argument. Needs optax, `pip install 'resolvent[networks]'`.
    """
    try:
        import optax
    except ImportError as error:
        raise ImportError("train_shaper needs optax: pip install 'resolvent[networks]'") from error
    steps = check_count(steps, "steps", least=1)
    pace = as_nonnegative(rate)
    policies = _policies(trial, start, restarts, scale)
    adam = optax.adam(float(pace))

    def step(carry: Tree, _: None) -> tuple[Tree, Array]:
        policies, state = carry
        payoffs, slopes = jax.vmap(jax.value_and_grad(trial))(policies)
        moves, state = adam.update(jax.tree.map(jnp.negative, slopes), state, policies)
        return (optax.apply_updates(policies, moves), state), payoffs

    @eqx.filter_jit
    def ends(policies: Tree) -> tuple[Array, Tree]:
        return jax.vmap(jax.value_and_grad(trial))(policies)

    many = eqx.filter_jit(lambda carry, count: lax.scan(step, carry, None, length=count))
    meter = meter_of(progress)
    meter.open(steps, "training")
    carry: Tree = (policies, adam.init(policies))
    history: list[NDArray[np.floating]] = []
    done = 0
    try:
        while done < steps:
            count = min(_CHUNK, steps - done)
            after, payoffs = many(carry, count)
            payoffs = np.asarray(payoffs)
            carry, done = after, done + count
            history.append(payoffs)
            meter.show(done)
            if not np.isfinite(payoffs).all():
                break
    except KeyboardInterrupt:
        pass
    finally:
        meter.close()
    policies = carry[0]
    final, slopes = ends(policies)
    best = int(np.nanargmax(np.where(np.isfinite(final), final, -np.inf)))
    policy, slope = (jax.tree.map(lambda leaf: leaf[best], own) for own in (policies, slopes))
    norm = float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(slope))))
    sensitivity = float(trial.sensitivity(policy))
    status = TRIAL.successful
    if not np.isfinite(float(final[best])) or not np.isfinite(norm):
        status = TRIAL.nonfinite
    elif not sensitivity <= CHAOTIC:
        status = TRIAL.chaotic
    return TrainedShaper(
        policy,
        float(final[best]),
        np.concatenate(history) if history else np.zeros((0, len(final))),
        policies,
        norm,
        sensitivity,
        status,
        trial,
    )


def _policies(trial: ShaperTrial, start: Any, restarts: int | None, scale: float) -> Tree:
    """Policies to start from, with a leading axis."""
    is_key = isinstance(start, Array) and jnp.issubdtype(start.dtype, jax.dtypes.prng_key)
    if not is_key:
        if restarts is not None:
            raise ValueError("restarts: goes with a key as start")
        return jax.tree.map(lambda leaf: leaf[None], trial.check(start))
    count = 1 if restarts is None else check_count(restarts, "restarts", least=1)
    return jax.vmap(lambda key: trial.random(key, scale))(jax.random.split(start, count))
