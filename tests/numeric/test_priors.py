"""Priors against the identities that define the strategies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from resolvent.games import NormalForm, matching_pennies, prisoners_dilemma
from resolvent.numeric.equilibrium.arrays import game_arrays, values_of
from resolvent.numeric.equilibrium.priors import (
    PRIORS,
    equalizer,
    extortion,
    mixed_with_uniform,
    random_priors,
    read_prior,
)

jax.config.update("jax_enable_x64", True)

PD = NormalForm([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
GAME = PD.iterated("9/10")


def against_anyone(policies: list[np.ndarray], player: int) -> np.ndarray:
    """Payoffs from the start against a random opponent, `(2,)`."""
    arrays = game_arrays(GAME)
    return np.asarray(values_of(arrays, tuple(map(jnp.asarray, policies))))[:, 0]


@pytest.mark.parametrize("player", [0, 1])
def test_zero_determinant_relations_hold_against_anyone(player: int) -> None:
    rng = np.random.default_rng(player)
    for name, relation in (
        (equalizer, lambda own, other: other - 2),
        (extortion, lambda own, other: own - 1 - 2 * (other - 1)),
    ):
        fixed = np.array(name(GAME, player), dtype=float)
        for _ in range(5):
            cooperates = rng.uniform(size=5)
            other = np.stack([cooperates, 1 - cooperates], axis=1)
            policies = [fixed, other] if player == 0 else [other, fixed]
            values = against_anyone(policies, player)
            assert abs(relation(values[player], values[1 - player])) < 1e-12


def test_the_catalogue_is_readable_for_both_players() -> None:
    for name in PRIORS:
        prior = read_prior(GAME, name)
        assert [own.shape for own in prior] == [(5, 2), (5, 2)]
        # States are start, CC, CD, DC, DD for both: player 2 sees CD as DC.
        np.testing.assert_allclose(prior[1], prior[0][jnp.array([0, 1, 3, 2, 4])])
    generous = read_prior(GAME, "generous_tit_for_tat")[0][:, 0]
    # min(1 - 2/3, 2/4) = 1/3
    np.testing.assert_allclose(generous, [1, 1, 1 / 3, 1, 1 / 3])


def test_mixtures_and_random_priors_are_distributions() -> None:
    mixed = mixed_with_uniform(GAME, "grim", 0.3)
    np.testing.assert_allclose(mixed[0][:, 0], [0.85, 0.85, 0.15, 0.15, 0.15])
    drawn = random_priors(GAME, jax.random.key(0), 7)
    assert [own.shape for own in drawn] == [(7, 5, 2), (7, 5, 2)]
    np.testing.assert_allclose(drawn[0].sum(axis=2), 1)
    assert random_priors(GAME, jax.random.key(0))[0].shape == (5, 2)


def test_bad_priors_are_refused() -> None:
    with pytest.raises(ValueError, match="prior: expected one of uniform, grim"):
        read_prior(GAME, "grimm")
    with pytest.raises(ValueError, match=r"prior\[1\]: expected rows that sum to one"):
        read_prior(PD, [[0.5, 0.5], [0.5, 0.6]])
    with pytest.raises(ValueError, match="prior: expected a name, or one entry for each of 2"):
        read_prior(PD, [[0.5, 0.5]])
    with pytest.raises(ValueError, match="grim is a strategy of iterated games"):
        read_prior(PD, "grim")
    with pytest.raises(ValueError, match="equalizer needs a prisoners' dilemma"):
        read_prior(matching_pennies().iterated("1/2"), "equalizer")
    with pytest.raises(ValueError, match="no equalizer exists at discount 1/10"):
        read_prior(prisoners_dilemma().iterated("1/10"), "equalizer")
    with pytest.raises(ValueError, match="share: expected a probability"):
        mixed_with_uniform(GAME, "grim", 2)
