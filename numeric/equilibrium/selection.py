r"""Which of two equilibria? Risk dominance, payoff dominance, and p-dominance, exactly.

Risk dominance (Harsanyi and Selten 1988, chapter 5) asks where players end who do not know which of two
equilibria $U$, $V$ will be played. Each believes that with probability $z$ the others play $U$ and otherwise $V$,
$z$ uniform on $[0, 1]$, and best-replies: its *bicentric prior* is how often each action is best. The
equilibrium to which the linear tracing procedure leads from these priors dominates. In a game of two actions each,
with losses $u_i > 0$ of deviating alone from $U$ and $v_i > 0$ from $V$, that is

$$ U \;\text{ iff }\; u_1 u_2 > v_1 v_2 , $$

and the linear tracing procedure selects the same from the *uniform* prior in every generic game of this kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise, product
from typing import Any, Literal

import numpy as np

from resolvent.games import NormalForm
from resolvent.games.rational import entries, exact, shorten
from resolvent.numeric.equilibrium.equilibria import Mixed
from resolvent.numeric.equilibrium.equilibrium import Equilibrium
from resolvent.numeric.equilibrium.linear import linear_trace, prior_of
from resolvent.numeric.equilibrium.tracing_path import against

_HALF = Fraction(1, 2)


@dataclass(frozen=True, eq=False, repr=False)
class Dominance:
    """Which of two equilibria dominates the other.

    **Fields:**

    - `game`: the matrix game.
    - `first`, `second`: the two, one vector of `Fraction`s per player.
    - `winner`: `"first"`, `"second"`, or `None` where neither dominates.
    - `rule`: by which rule.
    - `measures`: what was compared: products of losses, or payoffs per player; `None` for tracing.
    - `outcome`: where the tracing procedure ended, with its path; `None` for other rules.
    - `prior`: the bicentric prior; `None` for other rules.
    """

    game: NormalForm
    first: tuple[Mixed, ...]
    second: tuple[Mixed, ...]
    winner: Literal["first", "second"] | None
    rule: str
    measures: tuple[Any, Any] | None = None
    outcome: Equilibrium | None = None
    prior: tuple[Mixed, ...] | None = None

    def summary(self) -> str:
        """What dominates, and why."""
        names = {"first": self.first, "second": self.second}
        line = f"{self.game.name or 'a game'}, {self.rule}: "
        if self.winner is None:
            line += "neither dominates"
        else:
            line += f"{_show(names[self.winner])} dominates"
        if self.measures is not None:
            line += " (" + " against ".join(_measure(own) for own in self.measures) + ")"
        if self.prior is not None:
            line += f"; bicentric prior {_show(self.prior)}"
        return line

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"Dominance({self.winner}, {self.rule})"


def risk_dominance(
    game: NormalForm,
    first: Any,
    second: Any,
    method: Literal["tracing", "product"] = "tracing",
) -> Dominance:
    """Which of two equilibria of a matrix game risk-dominates the other.

    **Arguments:**

    - `game`: a matrix game; exact for two players.
    - `first`, `second`: the equilibria: records, joint actions such as `(0, 0)`, or one vector of
        probabilities per player.
    - `method`: `"tracing"`: the linear tracing procedure from the bicentric prior, in the whole game;
        neither dominates if it ends elsewhere. Or `"product"`: the product of the losses from deviating, for
        pure equilibria of two players in which both do something else; other actions play no part.

    **Raises:** `ValueError` for what is no equilibrium, for twice the same, and for the product rule where
    it does not apply.
    """
    one, other = _two_equilibria(game, first, second)
    if method == "product":
        return _by_product(game, one, other)
    if method != "tracing":
        raise ValueError(f'method: expected "tracing" or "product", got {shorten(method)}')
    prior = bicentric_prior(game, one, other)
    outcome = linear_trace(game, prior)
    winner: Literal["first", "second"] | None = None
    if outcome.found and _same(outcome, one):
        winner = "first"
    elif outcome.found and _same(outcome, other):
        winner = "second"
    return Dominance(
        game,
        one,
        other,
        winner,
        "risk dominance by the bicentric prior and tracing",
        outcome=outcome,
        prior=prior,
    )


def bicentric_prior(game: NormalForm, first: Any, second: Any) -> tuple[Mixed, ...]:
    """How often each action is a best reply to the others playing `first` with probability z and `second`
    otherwise, z uniform on [0, 1]; exactly, and in equal shares where several are.

    **Arguments:** those of [`resolvent.numeric.risk_dominance`][].
    """
    one, other = (_profile(game, own, name) for own, name in ((first, "first"), (second, "second")))
    return tuple(
        _best_shares(
            against(np.array(payoffs, dtype=object), one, player).tolist(),
            against(np.array(payoffs, dtype=object), other, player).tolist(),
        )
        for player, payoffs in enumerate(game.payoffs)
    )


def _best_shares(at_first: list[Fraction], at_second: list[Fraction]) -> Mixed:
    """On how much of [0, 1] each line z at_first + (1 - z) at_second is the highest."""
    cuts = {Fraction(0), Fraction(1)}
    for a, c in zip(at_first, at_second, strict=True):
        for b, d in zip(at_first, at_second, strict=True):
            slope = a - c - b + d
            if slope != 0 and 0 < (d - c) / slope < 1:
                cuts.add((d - c) / slope)
    shares = [Fraction(0)] * len(at_first)
    for low, high in pairwise(sorted(cuts)):
        z = (low + high) / 2
        worth = [z * a + (1 - z) * c for a, c in zip(at_first, at_second, strict=True)]
        best = [k for k, value in enumerate(worth) if value == max(worth)]
        for k in best:
            shares[k] += (high - low) / len(best)
    return tuple(shares)


def payoff_dominance(game: NormalForm, first: Any, second: Any) -> Dominance:
    """Which of two equilibria payoff-dominates the other: pays every player more.

    **Arguments:** those of [`resolvent.numeric.risk_dominance`][].
    """
    one, other = _two_equilibria(game, first, second)
    payoffs = tuple(
        tuple(
            Fraction(
                (against(np.array(own, dtype=object), profile, i) * np.array(profile[i])).sum()
            )
            for i, own in enumerate(game.payoffs)
        )
        for profile in (one, other)
    )
    differences = [a - b for a, b in zip(*payoffs, strict=True)]
    winner: Literal["first", "second"] | None = None
    if min(differences) > 0:
        winner = "first"
    elif max(differences) < 0:
        winner = "second"
    return Dominance(
        game, one, other, winner, "payoff dominance", measures=(payoffs[0], payoffs[1])
    )


def is_p_dominant(game: NormalForm, joint: Sequence[int], p: Any = _HALF) -> bool:
    """Whether each player's action in `joint` is its only best reply as long as it believes with probability
    p or more that all others play theirs, whatever else it believes (Morris, Rob and Shin 1995, Econometrica
    63, 145). For p = 1/2 such an equilibrium is robust to incomplete information, and unique.

    **Arguments:**

    - `game`: a matrix game.
    - `joint`: one action index per player.
    - `p`: from 0 to 1, exact; 1 asks for a strict equilibrium.
    """
    game.payoff(joint)
    _numbers(game)
    share = exact(p, "p")
    if not isinstance(share, Fraction) or not 0 <= share <= 1:
        raise ValueError(f"p: expected a probability, got {shorten(p)}")
    for player, payoffs in enumerate(game.payoffs):
        table = np.moveaxis(np.array(payoffs, dtype=object), player, 0)
        rest = tuple(a for j, a in enumerate(joint) if j != player)
        own = joint[player]
        for others in product(*(range(size) for size in table.shape[1:])):
            worth = (
                share * table[(slice(None), *rest)] + (1 - share) * table[(slice(None), *others)]
            )
            if any(worth[k] >= worth[own] for k in range(len(worth)) if k != own):
                return False
    return True


def _by_product(game: NormalForm, one: tuple[Mixed, ...], other: tuple[Mixed, ...]) -> Dominance:
    applies = "the product rule compares pure equilibria of two players in which both act otherwise"
    if game.num_players != 2 or any(max(own) < 1 for own in (*one, *other)):
        raise ValueError(f'method: {applies}; use method="tracing"')
    (a, b), (c, d) = ([own.index(1) for own in profile] for profile in (one, other))
    if a == c or b == d:
        raise ValueError(f'method: {applies}; use method="tracing"')
    first, second = game.payoffs
    losses = (first[a][b] - first[c][b]) * (second[a][b] - second[a][d])
    others = (first[c][d] - first[a][d]) * (second[c][d] - second[c][b])
    winner: Literal["first", "second"] | None = None
    if losses != others:
        winner = "first" if losses > others else "second"
    return Dominance(
        game, one, other, winner, "risk dominance by products of losses", measures=(losses, others)
    )


def _two_equilibria(
    game: NormalForm, first: Any, second: Any
) -> tuple[tuple[Mixed, ...], tuple[Mixed, ...]]:
    _numbers(game)
    one, other = _profile(game, first, "first"), _profile(game, second, "second")
    if one == other:
        raise ValueError("second: expected another equilibrium than first")
    for name, profile, given in (("first", one, first), ("second", other, second)):
        worst = max(
            (worth.max() - (worth * np.array(profile[i])).sum()) / (worth.max() - worth.min() or 1)
            for i, own in enumerate(game.payoffs)
            for worth in [against(np.array(own, dtype=object), profile, i)]
        )
        exactly = not (isinstance(given, Equilibrium) and not given.exact)
        if worst > (0 if exactly else 1e-9):
            raise ValueError(f"{name}: expected an equilibrium, but a player gains by deviating")
    return one, other


def _profile(game: NormalForm, own: Any, name: str) -> tuple[Mixed, ...]:
    """An equilibrium record, a joint action or vectors, as vectors of `Fraction`s."""
    if isinstance(own, Equilibrium):
        own = own.policies
    parts = entries(own)
    if (
        parts is not None
        and len(parts) == game.num_players
        and all(isinstance(part, (int, np.integer)) for part in parts)
    ):
        game.payoff(parts)
        return tuple(
            tuple(Fraction(k == part) for k in range(count))
            for part, count in zip(parts, game.num_actions, strict=True)
        )
    return prior_of(game, game, own, name)


def _numbers(game: NormalForm) -> None:
    if not isinstance(game, NormalForm):
        raise TypeError(f"game: expected a NormalForm, got {shorten(game)}")
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise ValueError(f"game: expected numbers, but {names} are symbols; use game.substitute")


def _same(found: Equilibrium, profile: tuple[Mixed, ...]) -> bool:
    if found.exact:
        return all(tuple(own[0]) == want for own, want in zip(found.policies, profile, strict=True))
    return all(
        np.allclose(own[0], np.array(want, dtype=float), atol=1e-6)
        for own, want in zip(found.policies, profile, strict=True)
    )


def _show(profile: tuple[Mixed, ...]) -> str:
    return " ".join("(" + ", ".join(map(str, own)) + ")" for own in profile)


def _measure(own: Any) -> str:
    return "(" + ", ".join(map(str, own)) + ")" if isinstance(own, tuple) else str(own)
