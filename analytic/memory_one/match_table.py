r"""Tables of matches, exactly: what every strategy of a list scores against every other.

With $p_0$ the first state's distribution, $P$ and $r$ the chain and the payoffs of a pair of policies, a match of $N$
rounds, one that ends after each round with probability $e$, and one that does not end have the scores per round

$$ \frac1N \sum_{t<N} p_0' P^t r, \qquad e\, p_0' (I - (1-e) P)^{-1} r, \qquad
   \lim_{N \to \infty} \frac1N \sum_{t<N} p_0' P^t r. $$

The sum is read off a power, and so are the moments of the score that simulation scatters by:

$$ \begin{pmatrix} P & r \\ 0 & 1 \end{pmatrix}^N = \begin{pmatrix} P^N & \sum_{t<N} P^t r \\ 0 & 1 \end{pmatrix},
   \qquad \mathrm{E} \Big( \sum_t r_t \Big)^2 = 2\, p_0' \left[ \begin{pmatrix} P & P_1 & P_2 / 2 \\ 0 & P & P_1 \\
   0 & 0 & P \end{pmatrix}^N \right]_{13} 1, $$

where $P_k$ weighs each transition by the $k$-th power of what it pays: the truncated powers of $\sum_k P_k x^k / k!$.
Integers over one denominator, by FLINT; nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import flint

from resolvent.analytic.chain import (
    Chain,
    Converter,
    chain_of,
    fraction,
    joint_rows,
    rational,
    require_numbers,
)
from resolvent.analytic.exact import values
from resolvent.analytic.limits import average as long_run_average
from resolvent.analytic.memory_one.match_record import MatchTable
from resolvent.games import ExactPolicy, IteratedGame, axelrod_strategy, check_policies
from resolvent.games.chances import read_probability
from resolvent.games.rational import entries, shorten

Strategy: TypeAlias = "str | Callable[[IteratedGame, int], ExactPolicy] | Sequence[Any]"
"""A name of the Axelrod library, a function from game and player to a policy, or one policy per player."""


def match_table(
    game: IteratedGame,
    strategies: Mapping[str, Strategy] | Sequence[str],
    turns: int | None = None,
    prob_end: object = None,
    average: bool = False,
    noise: object = 0,
) -> MatchTable:
    """The expected scores of all pairs of some strategies, exactly.

    **Arguments:**

    - `game`: any iterated game of two players, with any numbers of actions, without symbols. Where the two players'
        payoffs differ each pair is played in both orders.
    - `strategies`: names of [`resolvent.games.axelrod_strategy`][]; or a mapping from names to strategies: each such
        a name, a function from game and player to an exact policy (like [`resolvent.games.tit_for_tat`][]), or a pair
        of policies, one per player.
    - `turns`: the number of rounds of a match.
    - `prob_end`: or else the probability in (0, 1] with which a match ends after each of its rounds: the number of
        rounds is random, and scores are the expected total over its mean, 1 / `prob_end`.
    - `average`: or else whether matches do not end. With none of the three the game's own discount is used: a
        discount g is `prob_end` 1 - g.
    - `noise`: the probability with which a player's action is turned into another one, as in the Axelrod library, for
        a game that has no implementation noise of its own.

    **Returns:** the table, in payoff per round.

    **Raises:** `ValueError` or `TypeError`, naming the argument.
    """
    game = _match_game(game, prob_end, noise)
    _require_one_length(turns, prob_end, average)
    chosen = _read_strategies(game, strategies)
    scores = tuple(
        tuple(_score(game, (first[0], second[1]), turns, average) for second in chosen.values())
        for first in chosen.values()
    )
    return MatchTable(game, tuple(chosen), scores, turns, average)


def match_moments(
    game: IteratedGame, policies: Sequence[Any], turns: int, player: int = 0
) -> tuple[Fraction, Fraction]:
    """Mean and variance of a player's score per round in a match, exactly.

    **Arguments:**

    - `game`: any iterated game without symbols.
    - `policies`: exact ones, one per player.
    - `turns`: the number of rounds.
    - `player`: whose score it is.

    **Returns:** the mean and the variance of the sum of the payoffs over `turns`. The mean over n simulated matches
    has the standard error sqrt(variance / n).
    """
    _require_turns(turns)
    checked = check_policies(game, policies, exact=True)
    moves, weighted, squared, initial = _weighted_moves(game, checked, player)
    size = len(initial)
    scale = lcm(*(int(x.q) for matrix in (moves, weighted, squared) for x in matrix.values()))
    step = flint.fmpz_mat(3 * size, 3 * size)
    for (s, t), x in moves.items():
        for block in range(3):
            step[block * size + s, block * size + t] = _integer(x, scale)
    for (s, t), x in weighted.items():
        step[s, size + t] = step[size + s, 2 * size + t] = _integer(x, scale)
    for (s, t), x in squared.items():
        step[s, 2 * size + t] = _integer(x, scale)
    power = _power(step, turns, initial)
    first = sum(power[size : 2 * size], flint.fmpq(0)) / scale**turns
    second = 2 * sum(power[2 * size :], flint.fmpq(0)) / scale**turns
    mean, square = fraction(first) / turns, fraction(second) / turns**2
    return mean, square - mean**2


def _score(
    game: IteratedGame, policies: tuple[Any, Any], turns: int | None, average: bool
) -> tuple[Fraction, Fraction]:
    if average:
        first, second = long_run_average(game, policies)
    elif turns is None:
        first, second = values(game, policies)
    else:
        first, second = _finite(chain_of(game, policies), turns)
    return first, second


def _finite(chain: Chain, turns: int) -> list[Fraction]:
    """The mean payoff of each player over the first rounds."""
    chain = chain.restricted(chain.reachable())
    size, players = chain.num_states, chain.num_players
    numbers = [x for row in chain.moves for x in row.values()]
    numbers += [x for own in chain.rewards for x in own]
    scale = lcm(*(int(x.q) for x in numbers))
    step = flint.fmpz_mat(size + players, size + players)
    for s, row in enumerate(chain.moves):
        for t, x in row.items():
            step[s, t] = _integer(x, scale)
    for i, own in enumerate(chain.rewards):
        step[size + i, size + i] = scale
        for s, x in enumerate(own):
            step[s, size + i] = _integer(x, scale)
    sums = _power(step, turns, chain.initial)[size:]
    return [fraction(x / scale**turns) / turns for x in sums]


def _power(step: Any, turns: int, initial: Sequence[Any]) -> list[Any]:
    """The first rows of `step**turns`, weighed by the initial distribution."""
    power = step**turns
    return [
        sum((p * power[s, t] for s, p in enumerate(initial) if p != 0), flint.fmpq(0))
        for t in range(step.ncols())
    ]


def _weighted_moves(
    game: IteratedGame, policies: Sequence[Any], player: int
) -> tuple[dict[tuple[int, int], Any], dict[tuple[int, int], Any], dict[tuple[int, int], Any], Any]:
    """P, P_1 and P_2 / 2 as sparse matrices on the states that play can be in, and the initial distribution."""
    convert = Converter(rational)
    chain = chain_of(game, policies)
    position = {s: k for k, s in enumerate(chain.reachable())}
    found: tuple[dict[tuple[int, int], Any], ...] = ({}, {}, {})
    for s, joint in enumerate(joint_rows(game, policies, convert)):
        if s not in position:
            continue
        pays = convert.row(game.rewards[player][s])
        for k, p in joint:
            for t, chance in game.branches[s][k]:
                move, share = (position[s], position[t]), p * convert(chance)
                for matrix, x in zip(found, (1, pays[k], pays[k] ** 2 / 2), strict=True):
                    matrix[move] = matrix.get(move, flint.fmpq(0)) + share * x
    return (*found, [chain.initial[s] for s in position])


def _integer(x: Any, scale: int) -> int:
    return int(x.p) * (scale // int(x.q))


def _match_game(game: IteratedGame, prob_end: object, noise: object) -> IteratedGame:
    """The game with the noise and the discount of the match."""
    if not isinstance(game, IteratedGame):
        raise TypeError(f"game must be an IteratedGame; got {shorten(game)}")
    if game.num_players != 2:
        raise ValueError(f"game must have two players; got {game.num_players}")
    require_numbers(game)
    chance = read_probability(noise, "noise")
    trembles: Any = game.trembles
    if chance != 0:
        if any(own is not None for own in trembles):
            raise ValueError(f"noise must be 0 for a game with its own; got {chance}")
        trembles = chance
    discount: Any = game.discounts
    if prob_end is not None:
        ends = read_probability(prob_end, "prob_end")
        if ends == 0:
            raise ValueError(
                "prob_end must be in (0, 1]; got 0 (average=True is for matches without end)"
            )
        discount = 1 - ends
    return IteratedGame(
        game.stage,
        discount,
        game.memories,
        game.labels,
        initial=game.initial,
        implementation_noise=trembles,
        observation_noise=game.misreadings,
    )


def _require_one_length(turns: int | None, prob_end: object, average: bool) -> None:
    if turns is not None:
        _require_turns(turns)
    if (turns is not None) + (prob_end is not None) + bool(average) > 1:
        raise ValueError(
            f"only one of turns, prob_end and average can be given; got turns {turns}, prob_end {prob_end}, average "
            f"{average}"
        )


def _require_turns(turns: object) -> None:
    if isinstance(turns, bool) or not isinstance(turns, int):
        raise TypeError(f"turns must be an integer; got {shorten(turns)}")
    if turns < 1:
        raise ValueError(f"turns must be at least 1; got {turns}")


def _read_strategies(
    game: IteratedGame, strategies: Mapping[str, Strategy] | Sequence[str]
) -> dict[str, tuple[ExactPolicy, ...]]:
    """Each strategy's policy in the first seat and in the second."""
    if isinstance(strategies, str) or not isinstance(strategies, (Mapping, Sequence)):
        raise TypeError(
            f"strategies must be a mapping or a sequence of names; got {shorten(strategies)}"
        )
    named = dict(
        strategies if isinstance(strategies, Mapping) else {name: name for name in strategies}
    )
    if len(named) < len(strategies):
        raise ValueError("strategies must have different names")
    if not named:
        raise ValueError("strategies must not be empty")
    found = {}
    for name, strategy in named.items():
        try:
            found[name] = check_policies(game, _seated(game, strategy), exact=True)
        except (TypeError, ValueError) as error:
            raise type(error)(f"strategies[{name!r}]: {error}") from None
    return found


def _seated(game: IteratedGame, strategy: Any) -> Sequence[Any]:
    if isinstance(strategy, str):
        return [axelrod_strategy(game, player, strategy) for player in range(2)]
    if callable(strategy):
        return [strategy(game, player) for player in range(2)]
    pair = entries(strategy)
    if pair is None:
        raise TypeError(
            "expected a name, a function from game and player to a policy, or one policy per player; got "
            f"{shorten(strategy)}"
        )
    return pair
