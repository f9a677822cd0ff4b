r"""Theorems of the literature on which rules converge where, each with a check that runs.

Every check runs the library's own learners on games and looks at the Jacobians of their updates. What is said of
*all* games or rates is checked on examples: a check that passes does not prove the theorem, one that fails refutes it.
What is said of one game is compared with its closed form.

Signs: the statements are in losses, as in the papers, with $\xi$ the simultaneous gradient of losses and H its
Jacobian; the checks are in values, $w = -\xi$, $J = -H$. $\alpha$ is the rate and the look-ahead of all players.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float
from numpy.typing import NDArray

from resolvent.analytic import closed_form
from resolvent.analytic.value_function import ValueFunction, require_x64
from resolvent.games import (
    DifferentiableGame,
    consensus_trap,
    hamiltonian,
    impossibility,
    lola_trap,
    lookahead_not_definite,
    nash_not_stable,
    sga_trap,
    stable_not_nash,
    tandem,
)
from resolvent.numeric.consistency import consistent_quadratic
from resolvent.numeric.learners import (
    COLA,
    LOLA,
    SGA,
    SOS,
    AbstractLearner,
    CompetitiveGradient,
    ConsensusOptimization,
    ExtraGradient,
    LookAhead,
    Naive,
    OptimisticGradient,
)
from resolvent.numeric.learners.lola import Variant
from resolvent.numeric.learning import learn
from resolvent.numeric.stability.classification import classify
from resolvent.numeric.stability.rules import RULE, UpdateJacobian, rests, update_jacobian

LETCHER = "Letcher et al. (2019), Stable opponent shaping in differentiable games, arXiv:1811.08469"
MECHANICS = "Letcher et al. (2019), Differentiable game mechanics, arXiv:1905.04926"
IMPOSSIBILITY = "Letcher (2021), The impossibility of global convergence in multi-loss optimization, arXiv:2005.12649"
CGD = "Schäfer and Anandkumar (2019), Competitive gradient descent, arXiv:1905.12103"
WILLI = "Willi et al. (2022), COLA: Consistent learning with opponent-learning awareness, arXiv:2203.04098"
HERE = "derived for this library, shared specification of the rules"


class CHECK(eqx.Enumeration):
    """How the check of a statement went; each member is its message, `CHECK[status]`."""

    confirmed = "confirmed: every case agrees with the statement"
    refuted = "refuted: a case contradicts the statement"
    undecided = "undecided: a case is within rounding of the boundary"


@dataclass(frozen=True)
class Case:
    """One thing that a statement says, what was found, and whether they agree (`None`: within rounding)."""

    says: str
    found: str
    agrees: bool | None


@dataclass(frozen=True)
class Checked:
    """The check of a statement: a [`resolvent.numeric.CHECK`][] and the cases."""

    name: str
    cases: tuple[Case, ...]

    @property
    def status(self) -> CHECK:
        found = [case.agrees for case in self.cases]
        if False in found:
            return CHECK.refuted
        return CHECK.undecided if None in found or not found else CHECK.confirmed

    def __bool__(self) -> bool:
        return bool(self.status == CHECK.confirmed)

    def __str__(self) -> str:
        marks = {True: "agrees", False: "CONTRADICTS", None: "undecided"}
        lines = [f"  {marks[case.agrees]}: {case.says}: {case.found}" for case in self.cases]
        return "\n".join([f"{self.name}: {CHECK[self.status]}", *lines])


@dataclass(frozen=True, repr=False)
class Theorem:
    """A statement of the literature, where it is from, and its check.

    **Fields:** `name`; `statement`, in losses; `source`; `cases`: runs it, and yields what was found.
    """

    name: str
    statement: str
    source: str
    cases: Callable[[], Iterator[Case]]

    def check(self) -> Checked:
        """Run it: some seconds, most of them for compilation."""
        require_x64()
        return Checked(self.name, tuple(self.cases()))

    def __repr__(self) -> str:
        return f"Theorem({self.name!r})"


# Games and cases -----------------------------------------------------------------------------


class _Quadratic(eqx.Module):
    """Values of a quadratic game whose losses have the Jacobian H; H is a leaf, so that games of one shape share
    what is compiled."""

    H: Float[Array, "all all"]
    sizes: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, params: Any) -> Array:
        z = jnp.concatenate(params)
        rows = self.H @ z
        values, first = [], 0
        for own, size in zip(params, self.sizes, strict=True):
            part = slice(first, first + size)
            values.append(own @ self.H[part, part] @ own / 2 - own @ rows[part])
            first += size
        return jnp.stack(values)


def quadratic_values(H: Any, sizes: Sequence[int] = (1, 1)) -> ValueFunction:
    """The quadratic game whose *losses* have the Jacobian H of their simultaneous gradient, so that 0 is a fixed
    point.

    **Arguments:** `H`: `(d, d)`, with symmetric blocks for each player's own parameters; `sizes`: their
    numbers.
    """
    function = _Quadratic(jnp.asarray(H, float), tuple(sizes))
    return ValueFunction.wrap(function, [(size,) for size in sizes], "a quadratic game")


def random_stable(seed: int, sizes: Sequence[int], floor: float = 0.05) -> NDArray[np.floating]:
    """A random H with S positive semidefinite of deficient rank, invertible, and symmetric own blocks: of a stable
    fixed point in the sense of Letcher et al., with a strong rotation."""
    rng = np.random.default_rng(seed)
    d = sum(sizes)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    apart = owner[:, None] != owner[None, :]
    while True:
        root, turn = rng.normal(size=(d, d - 1)), rng.normal(size=(d, d))
        H = root @ root.T + 3 * (turn - turn.T) * apart
        # Nearly singular ones converge too, but too slowly to tell.
        if np.abs(np.linalg.eigvals(H)).min() > floor:
            return H


def random_saddle(seed: int, sizes: Sequence[int]) -> NDArray[np.floating]:
    """A random H with symmetric own blocks and an eigenvalue of negative real part: of a strict saddle."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    own = owner[:, None] == owner[None, :]
    while True:
        H = rng.normal(size=(len(owner), len(owner)))
        H = np.where(own, (H + H.T) / 2, H)
        if np.linalg.eigvals(H).real.min() < -0.1:
            return H


_SIZES = ((1, 1), (2, 1))
_SEEDS = range(3)
_VARIANTS: tuple[Variant, ...] = ("taylor", "original", "exact")


def _compiled(game: DifferentiableGame) -> ValueFunction:
    return closed_form(game).compile()


def _origin(values: ValueFunction) -> tuple[Array, ...]:
    return tuple(jnp.zeros(shape) for shape in values.shapes)


def _at_origin(values: ValueFunction, learner: AbstractLearner) -> UpdateJacobian:
    return update_jacobian(values, learner, _origin(values))


def _equal(says: str, found: float, wanted: float, tolerance: float = 1e-9) -> Case:
    agrees = bool(abs(found - wanted) <= tolerance * max(1.0, abs(wanted)))
    return Case(says, f"{found:.12g}, expected {wanted:.12g}", agrees)


def _stability(says: str, found: UpdateJacobian, wanted: bool) -> Case:
    """Whether a rule converges, or leaves, as it should."""
    decided = found.stable or found.unstable or bool(found.status == RULE.not_fixed)
    return Case(says, found.reason, found.stable == wanted if decided else None)


# Checks --------------------------------------------------------------------------------------


def _naive_rotates() -> Iterator[Case]:
    values = _compiled(hamiltonian())
    for rate in (1.0, 0.1, 0.01):
        found = _at_origin(values, Naive(rate))
        yield _equal(f"|1 + i a| at a = {rate}", found.spectral_radius, math.hypot(1, rate))
        yield _equal(
            f"turns per step at a = {rate}", found.rotation, math.atan(rate) / (2 * math.pi)
        )
        yield _stability(f"diverges at a = {rate}", found, False)


def _bilinear() -> Iterator[Case]:
    """Squared moduli as functions of the rate."""
    values = _compiled(hamiltonian())

    def cola(rate: float) -> AbstractLearner:
        return COLA(rate, consistent_quadratic(values, rate).analytic)

    table: dict[str, tuple[Callable[[float], AbstractLearner], Callable[[float], float]]] = {
        "naive": (Naive, lambda a: 1 + a**2),
        "look_ahead": (LookAhead, lambda a: 1 - a**2 + a**4),
        "extra_gradient": (ExtraGradient, lambda a: 1 - a**2 + a**4),
        "lola:original": (
            lambda a: LOLA(a, variant="original"),
            lambda a: 1 - a**2 + a**4,
        ),
        "lola": (LOLA, lambda a: 1 - 3 * a**2 + 4 * a**4),
        "competitive_gradient": (CompetitiveGradient, lambda a: 1 / (1 + a**2)),
        "sga, weight 1": (
            lambda a: SGA(a, align=False),
            lambda a: 1 - 2 * a + 2 * a**2,
        ),
        "consensus_optimization, weight 1": (
            ConsensusOptimization,
            lambda a: 1 - 2 * a + 2 * a**2,
        ),
        "cola": (cola, lambda a: (1 + a**2) / (1 + 2 * a**2) ** 2),
    }
    for name, (rule, squared) in table.items():
        for rate in (0.3, 0.9):
            found = _at_origin(values, rule(rate)).spectral_radius ** 2
            yield _equal(f"{name} at a = {rate}", found, squared(rate))


def _optimistic() -> Iterator[Case]:
    values, edge = _compiled(hamiltonian()), 1 / math.sqrt(3)
    for rate in (0.1, edge - 1e-4, edge + 1e-4, 0.7):
        found = _at_origin(values, OptimisticGradient(rate))
        yield _stability(f"at a = {rate:.6g}", found, rate < edge)


def _cgd_every_rate() -> Iterator[Case]:
    for coupling in (1.0, 3.0, 6.0):
        values = quadratic_values([[0, coupling], [-coupling, 0]])
        for rate in (0.2, 5.0):
            found = _at_origin(values, CompetitiveGradient(rate))
            wanted = 1 / math.sqrt(1 + (rate * coupling) ** 2)
            yield _equal(
                f"modulus at coupling {coupling}, rate {rate}", found.spectral_radius, wanted
            )
            yield _stability("converges there", found, True)


def _small_rate(
    values: ValueFunction, rule: Callable[[float], AbstractLearner]
) -> UpdateJacobian | None:
    """The update's Jacobian at the largest of some rates at which 0 is stable."""
    for rate in (1e-2, 1e-3, 1e-4, 1e-5):
        found = _at_origin(values, rule(rate))
        if found.stable:
            return found
    return None


def _converges(name: str, rule: Callable[[float], AbstractLearner]) -> Iterator[Case]:
    for sizes in _SIZES:
        for seed in _SEEDS:
            values = quadratic_values(random_stable(seed, sizes), sizes)
            says = f"{name}, game {seed} of sizes {sizes}"
            kind = classify(values, _origin(values))["stable"]
            yield Case(f"{says}: 0 is a stable fixed point", kind.reason, bool(kind))
            found = _small_rate(values, rule)
            yield Case(
                f"{says}: converges at a small rate",
                "at none that was tried" if found is None else found.reason,
                found is not None,
            )


def _look_ahead_converges() -> Iterator[Case]:
    yield from _converges("look_ahead", LookAhead)


def _sos_converges() -> Iterator[Case]:
    yield from _converges("sos", SOS)
    for sizes in _SIZES:
        values = quadratic_values(random_stable(0, sizes), sizes)
        ours, theirs = _at_origin(values, SOS(0.1)), _at_origin(values, LookAhead(0.1))
        gap = float(np.abs(ours.matrix - theirs.matrix).max())
        yield _equal(f"its Jacobian is LookAhead's, sizes {sizes}", gap, 0.0, 1e-12)


def _saddles() -> Iterator[Case]:
    for sizes in _SIZES:
        for seed in _SEEDS:
            values = quadratic_values(random_saddle(seed, sizes), sizes)
            kind = classify(values, _origin(values))["strict_saddle"]
            yield Case(
                f"game {seed} of sizes {sizes}: 0 is a strict saddle", kind.reason, bool(kind)
            )
            rules = {"look_ahead": LookAhead, "sos": SOS}
            for name, rule in rules.items():
                yield _stability(f"{name} leaves it", _at_origin(values, rule(1e-3)), False)
            # With its weight as small as the rate; at fixed points epsilon alone chooses its sign.
            sga = _at_origin(values, SGA(1e-3, 1e-3))
            yield _stability("sga leaves it", sga, False)


def _not_definite() -> Iterator[Case]:
    values = _compiled(lookahead_not_definite())
    kind = classify(values, _origin(values))
    yield Case("0 is a stable fixed point", kind["stable"].reason, bool(kind["stable"]))
    for rate in (0.1, 0.01):
        found = _at_origin(values, LookAhead(rate))
        G = (np.eye(2) - found.matrix) / rate
        definite = float(np.linalg.det((G + G.T) / 2))
        yield _equal(f"det of the symmetric part at a = {rate}", definite, -rate - 13 * rate**2 / 4)
        yield Case("so it is not positive definite", f"{definite:.6g} < 0", definite < 0)
        yield _stability("LookAhead converges all the same", found, True)


def _look_ahead_keeps() -> Iterator[Case]:
    H = [[1.0, 2.0], [2.0, 1.0]]  # H_o has the eigenvalues 2 and -2
    values = quadratic_values(H)
    for rate in (0.1, 0.4, 0.6, 0.5):
        rest = update_jacobian(values, LookAhead(rate), (jnp.ones(1), jnp.ones(1)))
        wanted = rate == 0.5
        yield Case(
            f"rests at (1, 1), no fixed point of the game, at a = {rate}: {wanted}",
            rest.reason,
            rest.fixed == wanted,
        )


def _lola_loses() -> Iterator[Case]:
    values, rate = _compiled(tandem()), 0.1
    for x in (-1.0, 0.5):
        point = (jnp.array([x]), jnp.array([1 - x]))
        for variant in _VARIANTS:
            found = update_jacobian(values, LOLA(rate, variant=variant), point)
            says = f"lola:{variant} moves from ({x}, {1 - x}) by 4 a^2"
            yield _equal(says, found.displacement, 4 * rate**2)
        for name, rule in (("sos", SOS(rate)), ("look_ahead", LookAhead(rate))):
            found = update_jacobian(values, rule, point, continuum=1)
            yield _stability(f"{name} stays, and converges to the line", found, True)


def _lola_limits() -> Iterator[Case]:
    values, a = _compiled(tandem()), 0.1
    limits: dict[Variant, float] = {
        "taylor": (1 - 2 * a) / (1 - 4 * a),
        "original": 1 / (1 - 2 * a),
        "exact": (1 - 2 * a + 4 * a**2) / (1 - 2 * a) ** 2,
    }
    for variant, wanted in limits.items():
        run = learn(values, LOLA(a, variant=variant), (jnp.zeros(1), jnp.zeros(1)), 400)
        s = float(sum(own[0] for own in run.params))
        yield _equal(f"lola:{variant} ends at x + y", s, wanted)
        yield _equal(
            f"lola:{variant}: mean loss s^2 - s", -float(run.values.mean()), wanted**2 - wanted
        )
        (rest,) = rests(values, LOLA(a, variant=variant), (-3, 3), starts=16)
        found = float(sum(own[0] for own in rest.params))
        yield _equal(f"lola:{variant}: the line where it rests", found, wanted)


def _lola_quarter() -> Iterator[Case]:
    values = _compiled(tandem())
    for a in (0.1, 0.2, 0.249, 0.251, 0.4):
        s = (1 - 2 * a) / (1 - 4 * a)
        point = (jnp.array([s / 2]), jnp.array([s / 2]))
        found = update_jacobian(values, LOLA(a), point, continuum=1)
        wanted = abs(1 - 4 * a * (1 - 4 * a))
        yield _equal(f"multiplier across the line at a = {a}", found.across, wanted)
        yield _stability(f"at a = {a}", found, a < 0.25)


def _lola_isolated() -> Iterator[Case]:
    values = _compiled(lola_trap())
    kind = classify(values, _origin(values))
    yield Case("0 is stable and isolated", kind["stable"].reason, bool(kind["stable"]))
    for variant in _VARIANTS:
        rule = LOLA(0.1, variant=variant)
        found = _at_origin(values, rule)
        yield Case(f"lola:{variant} loses it", found.reason, not found.fixed)
        (rest,) = rests(values, rule, (-1, 1), starts=16)
        yield _equal(f"lola:{variant} rests at x", float(rest.params[0][0]), 0.1)
        yield _stability(f"lola:{variant} converges there", rest, True)


def _sga_weights() -> Iterator[Case]:
    for sizes in _SIZES:
        for seed in _SEEDS:
            H = random_stable(seed, sizes)
            spread = np.ptp(np.linalg.eigvalsh((H + H.T) / 2))
            for share in (0.05, 0.99):
                weight = share * 4 / spread
                found = _at_origin(quadratic_values(H, sizes), SGA(1.0, weight, align=False))
                least = float(np.linalg.eigvals(np.eye(len(H)) - found.matrix).real.min())
                says = (
                    f"game {seed} of sizes {sizes}, {share} of 4 / kappa: least real part above 0"
                )
                yield Case(says, f"{least:.4g}", least > 0)


def _sga_draws() -> Iterator[Case]:
    epsilon = 0.1
    values = _compiled(sga_trap(epsilon))
    kind = classify(values, _origin(values))["unstable"]
    yield Case("0 is unstable", kind.reason, bool(kind))
    for weight in (0.05, 0.2):
        found = _at_origin(values, SGA(0.1, weight, align=False))
        yield _stability(
            f"converges to it without alignment, weight {weight}", found, weight > epsilon
        )
        G = (np.eye(2) - found.matrix) / 0.1
        wanted = [
            [weight - epsilon, -1 - weight * epsilon],
            [1 + weight * epsilon, weight - epsilon],
        ]
        yield _equal("its direction", float(np.abs(G - wanted).max()), 0.0, 1e-12)


def _consensus_draws() -> Iterator[Case]:
    for kappa in (1, 2):
        values = _compiled(consensus_trap(kappa))
        kind = classify(values, _origin(values))["unstable"]
        yield Case(f"kappa = {kappa}: 0 is unstable", kind.reason, bool(kind))
        for weight in (0.9 / kappa, 1.1 / kappa):
            found = _at_origin(values, ConsensusOptimization(0.1, weight))
            yield _stability(f"converges to it at weight {weight}", found, weight * kappa > 1)


def _cola_tandem() -> Iterator[Case]:
    values = _compiled(tandem())
    for a in (0.1, 0.3, 1.0):
        rule = COLA(a, consistent_quadratic(values, a).analytic)
        s = (1 + math.sqrt(1 + 8 * a)) / 2
        found = update_jacobian(values, rule, (jnp.array([s / 2]), jnp.array([s / 2])), continuum=1)
        b = (-(4 * a + 1) + math.sqrt(8 * a + 1)) / (4 * a)
        yield _stability(f"rests, stable, at x + y = {s:.6g} for a = {a}", found, True)
        yield _equal("its multiplier across the line", found.across, abs(1 + 2 * b))
        yield _equal("mean loss 2 a", s**2 - s, 2 * a)
        there = classify(values, found.params)["fixed"]
        yield Case("which is no fixed point of the game", there.reason, there.fails)


def _no_convergence() -> Iterator[Case]:
    values, a = _compiled(impossibility()), 0.01
    kind = classify(values, _origin(values))
    eigenvalues = sorted(kind.eigenvalues, key=lambda own: own.imag)
    gap = float(np.abs(np.array(eigenvalues) - [1 - 1j, 1 + 1j]).max())
    yield _equal("eigenvalues of J at 0 are 1 +- i", gap, 0.0, 1e-12)
    yield Case("0 is unstable", kind["unstable"].reason, bool(kind["unstable"]))
    rules: dict[str, AbstractLearner] = {
        "naive": Naive(a),
        "optimistic_gradient": OptimisticGradient(a),
        "consensus_optimization": ConsensusOptimization(a, 0.01),
        "look_ahead": LookAhead(a),
        "sos": SOS(a, 0.5, 0.5),
    }
    for name, rule in rules.items():
        start = (jnp.array([0.5]), jnp.array([-0.3]))
        run = learn(values, rule, start, 3000, record="params", every=10)
        radii = np.hypot(*(np.asarray(own)[201:, 0] for own in run.history["params"]))
        yield Case(
            f"{name}: the distance from 0 stays between 1 and 1.3 over steps 2000 to 3000",
            f"from {radii.min():.4g} to {radii.max():.4g}",
            bool(1 < radii.min() and radii.max() < 1.3),
        )


def _neither_implies() -> Iterator[Case]:
    values = _compiled(stable_not_nash())
    kind = classify(values, _origin(values))
    yield Case("(x^3 + xy, -xy): 0 is stable", kind["stable"].reason, bool(kind["stable"]))
    yield Case("and no local Nash", kind["local_nash"].reason, kind["local_nash"].fails)
    values = _compiled(nash_not_stable())
    kind = classify(values, _origin(values))
    yield Case("(xy, xy): 0 is a local Nash", kind["local_nash"].reason, bool(kind["local_nash"]))
    yield Case("and not stable", kind["stable"].reason, kind["stable"].fails)
    yield Case("a strict saddle", kind["strict_saddle"].reason, bool(kind["strict_saddle"]))


THEOREMS: Mapping[str, Theorem] = MappingProxyType(
    {
        own.name: own
        for own in (
            Theorem(
                "naive_rotates",
                "In the bilinear game (xy, -xy) simultaneous gradient steps have the multipliers 1 +- i a, of modulus "
                "|1 + i a| > 1: they spiral out at every rate.",
                f"{LETCHER}, section 1; {MECHANICS}",
                _naive_rotates,
            ),
            Theorem(
                "bilinear_table",
                "Squared moduli on (xy, -xy): naive 1 + a^2; LookAhead, extragradient and original LOLA 1 - a^2 + a^4; "
                "Taylor LOLA 1 - 3a^2 + 4a^4; competitive gradient 1 / (1 + a^2); SGA and consensus of weight 1 "
                "1 - 2a + 2a^2; COLA (1 + a^2) / (1 + 2a^2)^2.",
                HERE,
                _bilinear,
            ),
            Theorem(
                "optimistic_gradient",
                "On (xy, -xy) the optimistic gradient converges exactly for a < 1 / sqrt 3.",
                HERE,
                _optimistic,
            ),
            Theorem(
                "competitive_gradient",
                "In zero-sum games c xy competitive gradient descent converges at every rate, with modulus "
                "1 / sqrt(1 + a^2 c^2).",
                CGD,
                _cgd_every_rate,
            ),
            Theorem(
                "look_ahead_converges",
                "LookAhead converges locally to stable fixed points (H positive semidefinite and invertible) at small "
                "rates.",
                f"{LETCHER}, theorem 2",
                _look_ahead_converges,
            ),
            Theorem(
                "sos_converges",
                "SOS converges locally to stable fixed points at small rates: there p = |xi|^2, so that its Jacobian "
                "is LookAhead's.",
                f"{LETCHER}, theorem 4",
                _sos_converges,
            ),
            Theorem(
                "strict_saddles",
                "LookAhead, SOS and SGA avoid strict saddles (H has eigenvalues of negative real part) at small rates.",
                f"{LETCHER}, theorem 6; {MECHANICS}, theorem 17",
                _saddles,
            ),
            Theorem(
                "look_ahead_not_definite",
                "Against remark D.5 of the paper: (I - a H_o) H need not be positive definite even for two parameters. "
                "With H = [[4, 3], [1, 1]] its symmetric part has determinant -a - 13 a^2 / 4.",
                f"{LETCHER}, remark D.5, corrected here",
                _not_definite,
            ),
            Theorem(
                "look_ahead_keeps",
                "LookAhead has exactly the fixed points of the game unless 1 / a is an eigenvalue of H_o.",
                f"{LETCHER}, section 4",
                _look_ahead_keeps,
            ),
            Theorem(
                "lola_loses",
                "LOLA does not preserve fixed points: in the tandem game it moves away from every one of them; "
                "LookAhead and SOS keep them.",
                f"{LETCHER}, section 3",
                _lola_loses,
            ),
            Theorem(
                "lola_limits",
                "In the tandem game LOLA ends at x + y = (1 - 2a) / (1 - 4a) (Taylor), 1 / (1 - 2a) (original), "
                "(1 - 2a + 4a^2) / (1 - 2a)^2 (exact).",
                f"{LETCHER}, section 3; {HERE}",
                _lola_limits,
            ),
            Theorem(
                "lola_quarter",
                "In the tandem game Taylor LOLA converges exactly for a < 1/4: its multiplier is 1 - 4a (1 - 4a).",
                HERE,
                _lola_quarter,
            ),
            Theorem(
                "lola_trap",
                "LOLA leaves a stable fixed point even if it is isolated: losses x^2/2 + y and y^2/2 + xy.",
                HERE,
                _lola_isolated,
            ),
            Theorem(
                "sga_weights",
                "SGA converges locally to stable fixed points for weights in (0, 4 / kappa), kappa the spread of the "
                "spectrum of S.",
                f"{MECHANICS}, theorem 10",
                _sga_weights,
            ),
            Theorem(
                "sga_draws",
                "Without alignment SGA can be drawn to an unstable point: for S = -epsilon I in a unit rotation, at "
                "weights above epsilon.",
                f"{MECHANICS}, example 9",
                _sga_draws,
            ),
            Theorem(
                "consensus_draws",
                "Consensus optimisation can be drawn to unstable points: losses -kappa/2 (x^2 + y^2), at weights above "
                "1 / kappa.",
                f"{MECHANICS}, example 8",
                _consensus_draws,
            ),
            Theorem(
                "cola_tandem",
                "Consistency does not preserve stable fixed points: in the tandem game the consistent update ends at "
                "x + y = (1 + sqrt(1 + 8a)) / 2, with mean loss 2a, at every rate.",
                f"{WILLI}; {HERE}",
                _cola_tandem,
            ),
            Theorem(
                "no_global_convergence",
                "A zero-sum game with one critical point, unstable, where learners stay bounded: none converges.",
                IMPOSSIBILITY,
                _no_convergence,
            ),
            Theorem(
                "stable_and_nash",
                "A stable fixed point need not be a local Nash equilibrium, (x^3 + xy, -xy), or vice versa, (xy, xy).",
                f"{LETCHER}, section 2",
                _neither_implies,
            ),
        )
    }
)
"""Theorems by name; `THEOREMS[name].check()` runs one."""
