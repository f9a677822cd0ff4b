"""Matrix games of the literature, each with its source.

Every function returns a [`resolvent.games.NormalForm`][]; player 1 chooses the row. The first
action is the one the literature calls cooperation wherever there is one. `CATALOGUE` maps names to
these functions, all of which can be called without arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any, Literal

from resolvent.games.normal_form import NormalForm
from resolvent.games.rational import exact, shorten


def prisoners_dilemma(
    T: object = 0, R: object = -1, P: object = -2, S: object = -3, *, symbolic: bool = False
) -> NormalForm:
    """The prisoner's dilemma: each player cooperates (C) or defects (D).

    **Arguments:**

    - `T`, `R`, `P`, `S`: the payoffs of temptation (defecting on a cooperator), reward (both
        cooperate), punishment (both defect) and sucker (cooperating with a defector). Numbers or
        SymPy expressions. A dilemma has T > R > P > S; most authors add 2R > T + S. Neither is
        enforced.
    - `symbolic`: make all four payoffs the SymPy symbols T, R, P, S; the other arguments then play
        no part.

    The default payoffs -1, -3, 0, -2 are those of Foerster et al., "Learning with Opponent-Learning
    Awareness" (AAMAS 2018), Table 1, and of SOS, M-FOS, COLA and MeVa after it. The letters are
    those of Rapoport and Chammah, "Prisoner's Dilemma" (1965). Axelrod (1984) plays T, R, P, S = 5,
    3, 1, 0.
    """
    if symbolic:
        import sympy

        T, R, P, S = sympy.symbols("T R P S")
    return NormalForm.symmetric([[R, S], [T, P]], ("C", "D"), name="prisoner's dilemma")


def matching_pennies(matcher: int = 0) -> NormalForm:
    """Matching pennies: one player wins if the pennies match, the other if they do not. Zero-sum.

    **Arguments:**

    - `matcher`: the player (0 or 1) who wins when heads (H) meets heads or tails (T) meets tails.

    Foerster et al., "Learning with Opponent-Learning Awareness" (AAMAS 2018), Table 2: player 1
    wins on a match, as here and in MeVa. The published code of SOS, M-FOS and COLA has player 1
    *lose* on a match: that is `matching_pennies(matcher=1)`. The mixed equilibrium is (1/2, 1/2)
    either way.
    """
    if matcher not in (0, 1):
        raise ValueError(f"matcher must be 0 or 1; got {shorten(matcher)}")
    win = 1 if matcher == 0 else -1
    return NormalForm.zero_sum([[win, -win], [-win, win]], ("H", "T"), name="matching pennies")


def chicken(payoffs: Literal["steep", "mild", "aumann"] = "steep") -> NormalForm:
    """Chicken: whoever swerves (C) loses face to one who does not (D), but if neither does both
    crash.

    **Arguments:**

    - `payoffs`: which scaling of the literature to use; rows C, D of player 1's matrix:
        - `"steep"`: [[0, -1], [1, -100]]. One-shot in M-FOS (Lu et al., ICML 2022) and COLA (Willi
            et al., ICML 2022), iterated at discount 0.96 in MeVa (Cooijmans et al., 2023).
        - `"mild"`: [[0, -1], [1, -3]]. "Baby Chicken" in the published code of Levi et al. (2024),
            arXiv 2402.01088 (`welfare_equilibria_public`, `src/games.py`), beside the steep one.
        - `"aumann"`: [[6, 2], [7, 0]]. Aumann, "Subjectivity and correlation in randomized
            strategies" (Journal of Mathematical Economics 1, 1974), the usual example of a
            correlated equilibrium.
    """
    try:
        matrix = _CHICKEN[payoffs]
    except (KeyError, TypeError):
        known = ", ".join(f'"{scaling}"' for scaling in _CHICKEN)
        raise ValueError(f"payoffs must be one of {known}; got {shorten(payoffs)}") from None
    return NormalForm.symmetric(matrix, ("C", "D"), name="chicken")


_CHICKEN: Mapping[str, Sequence[Sequence[int]]] = {
    "steep": [[0, -1], [1, -100]],
    "mild": [[0, -1], [1, -3]],
    "aumann": [[6, 2], [7, 0]],
}


def stag_hunt() -> NormalForm:
    """The stag hunt: a stag (S) needs both hunters, a hare (H) feeds its hunter whatever the other
    does.

    Both SS and HH are equilibria; SS pays more, HH is safer. Payoffs [[10, 1], [8, 5]] are those of
    the published code of Levi et al., "The Danger of Arrogance" (2024), arXiv 2402.01088
    (`welfare_equilibria_public`, `src/games.py`). The story is Rousseau's, the modern treatment
    Skyrms, "The Stag Hunt and the Evolution of Social Structure" (2004).
    """
    return NormalForm.symmetric([[10, 1], [8, 5]], ("S", "H"), name="stag hunt")


def battle_of_the_sexes() -> NormalForm:
    """Battle of the sexes, or Bach (B) or Stravinsky (S): together is better, but they disagree
    where.

    Payoffs 2, 1 and 1, 2 together and 0, 0 apart: Osborne and Rubinstein, "A Course in Game Theory"
    (1994), Example 15.3. The game goes back to Luce and Raiffa, "Games and Decisions" (1957).
    """
    first = [[2, 0], [0, 1]]
    second = [[1, 0], [0, 2]]
    return NormalForm((first, second), ("B", "S"), name="battle of the sexes")


def awkward() -> NormalForm:
    """The awkward game: best replies run in a circle, and the only equilibrium is mixed.

    Payoffs [[3, 1], [2, 4]] for player 1 and [[1, 3], [5, 2]] for player 2 are read from the
    published code of Levi, Lu, Willi, Schroeder de Witt and Foerster, "The Danger of Arrogance:
    Welfare Equilibria as a Solution to Stackelberg Self-Play in Non-Coincidental Games" (2024),
    arXiv 2402.01088 (`jakelevi1996/welfare_equilibria_public`, `src/games.py`, class
    `AwkwardGame`). In equilibrium player 1 plays its first action with probability 3/5, player 2
    with 3/4.
    """
    return NormalForm(([[3, 1], [2, 4]], [[1, 3], [5, 2]]), name="awkward game")


def rock_paper_scissors(ties: tuple[object, object] = (0, 0)) -> NormalForm:
    """Rock (R), paper (P), scissors (S): a win pays 1, a loss -1.

    **Arguments:**

    - `ties`: what each player gets when both do the same.

    The parametrisation by ties is that of Sato, Akiyama and Farmer, "Chaos in learning a simple
    two-person game" (PNAS 99, 2002): zero-sum if the ties add up to zero. Theirs lie in (-1, 1);
    this is not enforced.
    """
    if len(ties) != 2:
        raise ValueError(f"ties must hold one payoff per player (2); got {len(ties)}")
    wins = (
        (0, -1, 1),
        (1, 0, -1),
        (-1, 1, 0),
    )  # what the row gets; the columns' payoff is the negative

    def matrix(player: int) -> list[list[object]]:
        sign = (1, -1)[player]
        return [[ties[player] if a == b else sign * wins[a][b] for b in range(3)] for a in range(3)]

    return NormalForm((matrix(0), matrix(1)), ("R", "P", "S"), name="rock paper scissors")


def coordination() -> NormalForm:
    """A coordination game with a better (A) and a worse (B) way to agree.

    Payoffs 2, 2 on A, 1, 1 on B and 0, 0 otherwise: Osborne and Rubinstein, "A Course in Game
    Theory" (1994), Example 16.2 (Mozart or Mahler).
    """
    return NormalForm.symmetric([[2, 0], [0, 1]], ("A", "B"), name="coordination")


def public_goods(n: int = 3, factor: object = "3/2") -> NormalForm:
    """The linear public goods game: each of `n` players contributes one unit (C) or nothing (D).

    With k contributors everyone gets `factor * k / n`, and a contributor pays 1 for it.

    **Arguments:**

    - `n`: the number of players, at least 2.
    - `factor`: what the contributions are multiplied by, a number or a SymPy expression. It is a
        dilemma for 1 < factor < n; this is not enforced.

    Ledyard, "Public goods: a survey of experimental research" (Handbook of Experimental Economics,
    1995). With two players it is the contribution game of POLA (Zhao et al., NeurIPS 2022), whose
    published code uses factors from 1.1 to 1.6.
    """
    share = exact(factor, "factor") / _at_least_two(n)

    def payoff(player: int, contributions: Sequence[int]) -> object:
        return share * sum(contributions) - contributions[player]

    return _by_cooperation(n, payoff, "public goods")


def n_player_prisoners_dilemma(
    n: int = 3, T: object = 0, R: object = -1, P: object = -2, S: object = -3
) -> NormalForm:
    """Everyone plays the prisoner's dilemma with each of the others, with one action (C or D) for
    all.

    **Arguments:**

    - `n`: the number of players, at least 2.
    - `T`, `R`, `P`, `S`: the payoffs of the two-player game, as in
        [`resolvent.games.prisoners_dilemma`][]. A player gets the *average* over its `n - 1`
        opponents, so that payoffs keep their scale as `n` grows and `n = 2` is the two-player game.

    Hamburger, "N-person prisoner's dilemma" (Journal of Mathematical Sociology 3, 1973) calls such
    a game compound.
    """
    _at_least_two(n)
    pair = exact(R, "R"), exact(S, "S"), exact(T, "T"), exact(P, "P")

    def payoff(player: int, cooperates: Sequence[int]) -> object:
        friends = sum(cooperates) - cooperates[player]
        with_friend, with_defector = pair[:2] if cooperates[player] else pair[2:]
        return (with_friend * friends + with_defector * (n - 1 - friends)) / (n - 1)

    return _by_cooperation(n, payoff, f"{n}-player prisoner's dilemma")


CATALOGUE: Mapping[str, Callable[[], NormalForm]] = MappingProxyType(
    {
        factory.__name__: factory
        for factory in (
            prisoners_dilemma,
            matching_pennies,
            chicken,
            stag_hunt,
            battle_of_the_sexes,
            awkward,
            rock_paper_scissors,
            coordination,
            public_goods,
            n_player_prisoners_dilemma,
        )
    }
)
"""The games by name. The functions may be called without arguments."""


def _at_least_two(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"n must be an integer; got {shorten(n)}")
    if n < 2:
        raise ValueError(f"n must be at least 2; got {n}")
    return n


def _by_cooperation(
    n: int, payoff: Callable[[int, Sequence[int]], object], name: str
) -> NormalForm:
    """The game of C and D whose payoffs depend on who cooperates (a 1 per cooperator, else 0)."""

    def nest(values: list[object]) -> Any:
        # Fold the row-major list of 2^n values into n levels of pairs.
        level: list[Any] = values
        while len(level) > 1:
            level = [(level[k], level[k + 1]) for k in range(0, len(level), 2)]
        return level[0]

    profiles = list(product((1, 0), repeat=n))  # C, the first action, cooperates
    payoffs = [nest([payoff(i, profile) for profile in profiles]) for i in range(n)]
    return NormalForm(payoffs, ("C", "D"), name=name)
