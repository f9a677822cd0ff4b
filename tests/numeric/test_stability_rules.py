"""Learning rules as maps: Jacobians against closed forms, differences and runs; the table of which rule keeps which
fixed point; and the theorems."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.analytic import closed_form
from resolvent.games import DIFFERENTIABLE_CATALOGUE
from resolvent.numeric import (
    CHECK,
    RULE,
    THEOREMS,
    stability_table,
    update_jacobian,
)
from resolvent.numeric.learners import (
    LOLA,
    SGA,
    SOS,
    Adam,
    ConsensusOptimization,
    ExtraGradient,
    LookAhead,
    Naive,
    OptimisticGradient,
)
from resolvent.numeric.learners.learner import AbstractLearner
from resolvent.numeric.learning import learn
from resolvent.numeric.stability.theorems import (
    Case,
    Checked,
    Theorem,
    quadratic_values,
    random_stable,
)

TANDEM = closed_form(DIFFERENTIABLE_CATALOGUE["tandem"]()).compile()
ORIGIN = (np.zeros(1), np.zeros(1))
SIZES = (2, 1)
ZERO = (np.zeros(2), np.zeros(1))


def random_game(seed=0, scale=0.05):
    return scale * random_stable(seed, SIZES)


def cross(H):
    O = H.copy()
    O[:2, :2] = O[2:, 2:] = 0
    return O


def by_modulus(numbers):
    return np.sort_complex(np.round(numbers, 10))


@pytest.mark.parametrize(
    "name",
    [
        "sos",
        *(
            pytest.param(own, marks=pytest.mark.slow)
            for own in ("naive", "look_ahead", "extra_gradient", "consensus", "sga")
        ),
    ],
)
def test_jacobians_by_their_equations(name):
    """With losses' Jacobian H and rate 1: LookAhead I - (I - H_o) H, and SOS at a fixed point; extragradient
    I - H + H^2, consensus of weight g I - H - g H'H, SGA of weight l I - H - l A'H."""
    H = random_game()
    O, eye = cross(H), np.eye(3)
    A = (H - H.T) / 2
    learner, matrix = {
        "naive": (Naive(1.0), eye - H),
        "look_ahead": (LookAhead(1.0), eye - (eye - O) @ H),
        "sos": (SOS(1.0), eye - (eye - O) @ H),
        "extra_gradient": (ExtraGradient(1.0), eye - H + H @ H),
        "consensus": (ConsensusOptimization(1.0, 0.3), eye - H - 0.3 * H.T @ H),
        "sga": (SGA(1.0, 0.3, align=False), eye - H - 0.3 * A.T @ H),
    }[name]
    found = update_jacobian(quadratic_values(H, SIZES), learner, ZERO)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-13)
    multipliers = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(by_modulus(found.multipliers), by_modulus(multipliers), atol=1e-9)
    assert found.spectral_radius == pytest.approx(np.abs(multipliers).max())
    assert found.kink < 1e-8


def test_memories_count():
    """The optimistic gradient on H: multipliers are the roots of m^2 - (1 - 2h) m - h for eigenvalues h of rate H,
    and the memory at rest is the gradient, 0, wherever it began."""
    H = random_game(1, 0.1)
    values = quadratic_values(H, SIZES)
    roots = np.concatenate([np.roots([1, -(1 - 2 * h), -h]) for h in np.linalg.eigvals(H)])
    found = update_jacobian(values, OptimisticGradient(1.0), ZERO)
    assert found.matrix.shape == (6, 6)
    np.testing.assert_allclose(found.memory, 0, atol=1e-12)
    np.testing.assert_allclose(by_modulus(found.multipliers), by_modulus(roots), atol=1e-9)
    given = update_jacobian(values, OptimisticGradient(1.0), ZERO, memory=np.ones(3))
    assert given.displacement == pytest.approx(1)
    with pytest.raises(ValueError, match="memory: expected 3 numbers"):
        update_jacobian(values, OptimisticGradient(1.0), ZERO, memory=[1.0])


@pytest.mark.slow
def test_differences_agree_with_differentiation():
    values = closed_form(DIFFERENTIABLE_CATALOGUE["ultimatum"]()).compile()
    at = (np.array([0.4]), np.array([-1.0]))
    found = update_jacobian(values, LOLA(0.5), at)
    again = update_jacobian(values, LOLA(0.5), at, method="differences")
    np.testing.assert_allclose(again.matrix, found.matrix, atol=1e-8)
    assert not np.allclose(found.matrix, np.eye(2), atol=1e-2)
    assert bool(found.status == again.status == RULE.not_fixed)


@pytest.mark.slow
def test_the_rate_and_the_rotation_of_a_run():
    """What a run does near a fixed point, over many steps."""
    values = quadratic_values([[0.1, 1.0], [-1.0, 0.1]])
    found = update_jacobian(values, LookAhead(0.3), ORIGIN)
    start = (np.array([1e-3]), np.array([0.0]))
    run = learn(values, LookAhead(0.3), start, 60, record="params", every=1)
    x, y = (np.asarray(own)[:, 0] for own in run.history["params"])
    distance, angle = np.hypot(x, y), np.unwrap(np.arctan2(y, x))
    assert (distance[-1] / distance[0]) ** (1 / 60) == pytest.approx(found.spectral_radius)
    assert abs(angle[-1] - angle[0]) / (2 * math.pi) / 60 == pytest.approx(found.rotation)
    assert found.spectral_radius**found.steps_per_digit == pytest.approx(0.1)
    assert "turns per step" in str(found)
    assert update_jacobian(values, Naive(1.0), ORIGIN).steps_per_digit == math.inf


class Jagged(AbstractLearner):
    """Moves by the absolute value of its parameters."""

    def init(self, values, params, player):
        return None

    def update(self, values, params, player, state):
        return -0.1 * jnp.abs(params[player]), None, {}


class Counting(AbstractLearner):
    """Remembers a whole number."""

    def init(self, values, params, player):
        return jnp.zeros((), int)

    def update(self, values, params, player, state):
        return 0 * params[player], state + 1, {}


def test_what_is_not_decided():
    values = quadratic_values([[0, 1], [-1, 0]])
    kink = update_jacobian(values, Jagged(), ORIGIN)
    assert bool(kink.status == RULE.undecided)
    assert "kink" in kink.reason
    edge = update_jacobian(values, OptimisticGradient(1 / math.sqrt(3)), ORIGIN)
    assert bool(edge.status == RULE.undecided)
    with pytest.raises(ValueError, match="memories of floats"):
        update_jacobian(values, Counting(), ORIGIN)
    with pytest.raises(ValueError, match="one for each of 2 players"):
        update_jacobian(values, [Naive(1.0)] * 3, ORIGIN)
    with pytest.raises(TypeError, match="expected learners"):
        update_jacobian(values, ["naive", "naive"], ORIGIN)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="method: expected"):
        update_jacobian(values, Naive(1.0), ORIGIN, method="guess")  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_rules_of_the_library_that_are_not_decided():
    values = quadratic_values([[0, 1], [-1, 0]])
    # Without epsilon the sign of lambda is a matter of which way one looks.
    twisted = quadratic_values([[1.0, 2.0], [-1.0, -0.5]])
    assert "kink" in update_jacobian(twisted, SGA(0.1, epsilon=0.0), ORIGIN).reason
    counts = update_jacobian(values, Adam(0.1, Naive(1.0)), ORIGIN)
    assert bool(counts.status == RULE.undecided)


@pytest.mark.slow
def test_players_of_different_rules():
    """Naive against LookAhead: rows of either's own matrix."""
    H = random_game(2)
    found = update_jacobian(quadratic_values(H, SIZES), [Naive(1.0), LookAhead(1.0)], ZERO)
    ahead = np.eye(3) - (np.eye(3) - cross(H)) @ H
    np.testing.assert_allclose(found.matrix, [*(np.eye(3) - H)[:2], ahead[2]], atol=1e-13)


def test_the_table_of_the_tandem_game():
    """Letcher et al. (2019), section 3: LookAhead and SOS keep the line x + y = 1, LOLA leaves all of it, for
    x + y = (1 - 2a) / (1 - 4a) = 4/3."""
    rules = {"lola": LOLA(0.1), "sos": SOS(0.1)}
    table = stability_table(TANDEM, rules, (-3, 3), starts=16)
    (line,) = table.game_points
    assert line.dimension == 1
    assert line.z.sum() == pytest.approx(1)
    assert table.keeps("sos") == table.converges("sos") == (0,)
    assert table.adds("sos") == ()
    assert table.at["sos"][0].across == pytest.approx(
        0.68
    )  # 1 - 4a + 8a^2: (1 - aH_o)H along (1, 1)
    assert table.loses("lola") == (0,)
    assert table.keeps("lola") == ()
    (added,) = table.adds("lola")
    assert float(sum(own[0] for own in added.params)) == pytest.approx(4 / 3)
    assert bool(added.status == RULE.stable_across)
    assert added.across == pytest.approx(0.76)  # 1 - 4a (1 - 4a)
    assert table.gradients["lola"][0] == pytest.approx(2 / 3)  # 2 (x + y) - 2

    assert "none: added by lola" in str(table)
    assert table.markdown().splitlines()[0] == "| fixed point | of the game | Nash | lola | sos |"
    assert [line.count("|") for line in table.markdown().splitlines()] == [6] * 4
    with pytest.raises(KeyError, match="expected one of lola, sos"):
        table.keeps("naive")


def test_what_a_table_refuses():
    with pytest.raises(ValueError, match="at least one"):
        stability_table(TANDEM, {}, (-1, 1))
    with pytest.raises(ValueError, match="lookahead: expected"):
        stability_table(TANDEM, [LOLA(1.0, [1.0, 1.0, 1.0])], (-1, 1), starts=4)


# The others take seconds each to compile; test_theorems.py has most of them by other means.
QUICK = (
    "naive_rotates",
    "optimistic_gradient",
    "look_ahead_keeps",
    "lola_quarter",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(own, marks=() if own in QUICK else pytest.mark.slow) for own in THEOREMS],
)
def test_theorems(name):
    found = THEOREMS[name].check()
    assert found, str(found)


def test_a_theorem_can_fail():
    def cases():
        yield Case("2 < 1", "no", False)

    found = Theorem("false", "2 < 1", "nobody", cases).check()
    assert not found
    assert bool(found.status == CHECK.refuted)
    assert "CONTRADICTS" in str(found)
    assert bool(Checked("none", ()).status == CHECK.undecided)
