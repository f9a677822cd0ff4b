"""The catalogue, against payoffs and equilibria written out by hand."""

from fractions import Fraction
from itertools import product

import pytest
import sympy

from resolvent import games
from resolvent.games import CATALOGUE, NormalForm


def cells(game):
    """Every joint action by its names, such as "CD", with what each player gets."""
    return {
        "".join(game.actions[i][a] for i, a in enumerate(joint)): game.payoff(joint)
        for joint in game.joint_actions
    }


def pure_equilibria(game):
    """By trying every deviation of every player."""
    found = []
    for joint in game.joint_actions:
        gains = [
            game.payoff((*joint[:i], b, *joint[i + 1 :]))[i] - game.payoff(joint)[i]
            for i in range(game.num_players)
            for b in range(game.num_actions[i])
        ]
        if max(gains) <= 0:
            found.append("".join(game.actions[i][a] for i, a in enumerate(joint)))
    return found


def test_every_game_can_be_made_without_arguments():
    for name, factory in CATALOGUE.items():
        assert isinstance(factory(), NormalForm)
        assert getattr(games, name) is factory
        assert factory().name


@pytest.mark.parametrize(
    ("game", "expected", "equilibria"),
    [
        (
            games.prisoners_dilemma(),
            {"CC": (-1, -1), "CD": (-3, 0), "DC": (0, -3), "DD": (-2, -2)},
            ["DD"],
        ),
        (
            games.matching_pennies(),
            {"HH": (1, -1), "HT": (-1, 1), "TH": (-1, 1), "TT": (1, -1)},
            [],
        ),
        (
            games.matching_pennies(matcher=1),
            {"HH": (-1, 1), "HT": (1, -1), "TH": (1, -1), "TT": (-1, 1)},
            [],
        ),
        (
            games.chicken(),
            {"CC": (0, 0), "CD": (-1, 1), "DC": (1, -1), "DD": (-100, -100)},
            ["CD", "DC"],
        ),
        (
            games.chicken("mild"),
            {"CC": (0, 0), "CD": (-1, 1), "DC": (1, -1), "DD": (-3, -3)},
            ["CD", "DC"],
        ),
        (
            games.chicken("aumann"),
            {"CC": (6, 6), "CD": (2, 7), "DC": (7, 2), "DD": (0, 0)},
            ["CD", "DC"],
        ),
        (
            games.stag_hunt(),
            {"SS": (10, 10), "SH": (1, 8), "HS": (8, 1), "HH": (5, 5)},
            ["SS", "HH"],
        ),
        (
            games.battle_of_the_sexes(),
            {"BB": (2, 1), "BS": (0, 0), "SB": (0, 0), "SS": (1, 2)},
            ["BB", "SS"],
        ),
        (games.awkward(), {"aa": (3, 1), "ab": (1, 3), "ba": (2, 5), "bb": (4, 2)}, []),
        (
            games.coordination(),
            {"AA": (2, 2), "AB": (0, 0), "BA": (0, 0), "BB": (1, 1)},
            ["AA", "BB"],
        ),
        (
            games.rock_paper_scissors(ties=("1/2", "-1/2")),
            {
                "RR": (Fraction(1, 2), Fraction(-1, 2)), "RP": (-1, 1), "RS": (1, -1),
                "PR": (1, -1), "PP": (Fraction(1, 2), Fraction(-1, 2)), "PS": (-1, 1),
                "SR": (-1, 1), "SP": (1, -1), "SS": (Fraction(1, 2), Fraction(-1, 2)),
            },
            [],
        ),
    ],
)  # fmt: skip
def test_matrix_games(game, expected, equilibria):
    assert cells(game) == expected
    assert pure_equilibria(game) == equilibria


def test_the_awkward_game_has_the_mixed_equilibrium_it_says():
    game = games.awkward()
    p, q = Fraction(3, 5), Fraction(3, 4)  # of the first action, for players 1 and 2
    pays = {joint: game.payoff(joint) for joint in game.joint_actions}
    assert (
        q * pays[0, 0][0] + (1 - q) * pays[0, 1][0] == q * pays[1, 0][0] + (1 - q) * pays[1, 1][0]
    )
    assert (
        p * pays[0, 0][1] + (1 - p) * pays[1, 0][1] == p * pays[0, 1][1] + (1 - p) * pays[1, 1][1]
    )


def test_symbolic_dilemma():
    T, R, P, S = sympy.symbols("T R P S")
    game = games.prisoners_dilemma(symbolic=True)
    assert cells(game) == {"CC": (R, R), "CD": (S, T), "DC": (T, S), "DD": (P, P)}
    assert game.substitute({"T": 0, "R": -1, "P": -2, "S": -3}) == games.prisoners_dilemma()


@pytest.mark.parametrize("n", [2, 3, 4])
def test_public_goods(n):
    factor = Fraction(8, 5)
    game = games.public_goods(n, "8/5")
    for profile in product("CD", repeat=n):
        pot = sum(factor for choice in profile if choice == "C")
        expected = tuple(pot / n - (choice == "C") for choice in profile)
        assert cells(game)["".join(profile)] == expected
    assert pure_equilibria(game) == ["D" * n]


def test_two_player_public_goods_is_the_contribution_game_of_pola():
    f = sympy.Symbol("f")
    assert cells(games.public_goods(2, f)) == {
        "CC": (f - 1, f - 1),
        "CD": (f / 2 - 1, f / 2),
        "DC": (f / 2, f / 2 - 1),
        "DD": (0, 0),
    }


@pytest.mark.parametrize("n", [2, 3, 4])
def test_n_player_dilemma_is_the_mean_over_pairs(n):
    pair = cells(games.prisoners_dilemma(5, 3, 1, 0))
    game = games.n_player_prisoners_dilemma(n, 5, 3, 1, 0)
    for profile, payoffs in cells(game).items():
        for i in range(n):
            others = [pair[profile[i] + profile[j]][0] for j in range(n) if j != i]
            assert payoffs[i] == sum(others) / (n - 1)
    assert pure_equilibria(game) == ["D" * n]


def test_refuses():
    with pytest.raises(ValueError, match='payoffs must be one of "steep", "mild", "aumann"; got'):
        games.chicken("fierce")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="matcher must be 0 or 1; got 2"):
        games.matching_pennies(2)
    with pytest.raises(ValueError, match="n must be at least 2; got 1"):
        games.public_goods(1)
    with pytest.raises(TypeError, match="n must be an integer; got 2.5"):
        games.n_player_prisoners_dilemma(2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="factor must be a number"):
        games.public_goods(3, "much")
    with pytest.raises(ValueError, match="ties must hold one payoff per player"):
        games.rock_paper_scissors((0, 0, 0))  # pyright: ignore[reportArgumentType]
