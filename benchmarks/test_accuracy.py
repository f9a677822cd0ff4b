"""The table of `benchmarks.accuracy`: its references are right, and the library keeps most digits."""

from fractions import Fraction

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy

from benchmarks import accuracy
from benchmarks.accuracy import COLUMNS, DELTAS, PAYOFFS, Forms, chain, expanded, regimes, truth


def value(theta, g, player):
    """From the inverse alone, in the digits of the context."""
    gamma = mpmath.mpf(g.numerator) / g.denominator
    _, inverse = chain(theta, gamma)
    return (
        (1 - gamma) / gamma * mpmath.fdot((inverse[0, 1 + k], PAYOFFS[player][k]) for k in range(4))
    )


@pytest.mark.parametrize("regime", ["mild", "mixed"])
def test_truth_against_differences(regime):
    """Derivatives by central differences of the value, in three times the digits."""
    theta = regimes(1)[regime][0]
    g = 1 - DELTAS["1e-6"]
    exact = truth(theta, g)
    with mpmath.workdps(3 * accuracy.DIGITS):
        step = mpmath.mpf(10) ** -60
        moved = mpmath.matrix(theta.tolist())

        def along(*moves, player=0):
            """The derivative along one or two logits, each named by player and state."""
            if not moves:
                return value([list(moved[k, :]) for k in range(2)], g, player)
            sides = []
            for sign in (1, -1):
                moved[moves[0]] += sign * step
                sides.append(along(*moves[1:], player=player))
                moved[moves[0]] -= sign * step
            return (sides[0] - sides[1]) / (2 * step)

        def close(found, right):
            return abs(found - right) <= abs(right) * mpmath.mpf(10) ** -40

        assert close(along(), exact.value)
        for k, right in enumerate(exact.gradient):
            assert close(along(divmod(k, 5)), right)
        for s, t in [(0, 0), (0, 3), (2, 2), (4, 1)]:
            assert close(along((0, s), (1, t)), exact.mixed[s][t])
            assert close(along((0, s), (0, t)), exact.own[s][t])
        first, second = [[along((1, t), player=i) for t in range(5)] for i in (0, 1)]
        for s in (0, 2):
            terms = [along((0, s), (1, t)) * second[t] for t in range(5)]
            assert close(mpmath.fsum(terms), exact.look_ahead[s])
            terms = [along((0, s), (1, t), player=1) * first[t] for t in range(5)]
            assert close(mpmath.fsum(terms), exact.shaping[s])


def test_the_expanded_form_is_sympys():
    form = Forms.closed(Fraction(1, 25))
    function, coefficients = expanded(form)
    free = [row[0] for own in form.policy_symbols for row in own]
    plain = sympy.lambdify(free, form.values)
    p = np.random.default_rng(1).random((2, 5))
    policies = np.stack([p, 1 - p], axis=-1)
    np.testing.assert_allclose(
        function(jnp.asarray(policies), coefficients), plain(*p.ravel()), rtol=1e-12
    )


def test_most_digits_of_all():
    """Mild policies, 1 - g = 1e-6: smaller errors in every column, by far against linear solves."""
    found = accuracy.table(Forms(), regimes(40)["mild"], DELTAS["1e-6"])
    ours = {form for form in found if form.startswith("resolvent")}
    assert len(ours) == 2
    for form in ours:
        for peer in set(found) - ours:
            margin = 1 if peer.startswith("expanded") else 1e4
            for column, own, other in zip(COLUMNS, found[form].T, found[peer].T, strict=True):
                assert margin * own.max() < other.max(), (form, peer, column)
