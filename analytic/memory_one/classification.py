r"""What kind of policy a policy is: nice, partner, rival, equalizer, Nash; and at which discounts.

Every property is decided by its definition, against everything that the others can do, and not by a
theorem: exact policy iteration whose decisions are signs of polynomials in the discount. So each comes with
the exact set of discounts at which it holds (`discount_set`), and for averages, the limit of discount 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint

from resolvent.analytic.chain import rational
from resolvent.analytic.memory_one.discount_problem import DiscountProblem, Values, played, problem
from resolvent.analytic.memory_one.discount_set import (
    DiscountSet,
    Sign,
    discounts_where,
    everywhere,
    limit_sign,
    sign_at,
    sign_near_one,
)
from resolvent.analytic.memory_one.equilibrium_discounts import (
    check_game,
    nash_discounts,
    nash_of_averages,
    subgame_perfect_discounts,
)
from resolvent.analytic.memory_one.linear_discounts import (
    relation_discounts,
    trivial_relations,
    zero_determinant,
)
from resolvent.analytic.memory_one.payoff_region import payoff_region
from resolvent.analytic.memory_one.policy_class import (
    DEFINITIONS,
    PolicyClass,
    Trait,
    corner,
    symmetric,
)
from resolvent.analytic.memory_one.relations import Enforced, enforced
from resolvent.analytic.number_field import rational_root
from resolvent.games import (
    ExactPolicy,
    IteratedGame,
    absolute_view,
    check_policies,
    exact,
    own_view,
    uniform,
)
from resolvent.games.policies import require_player
from resolvent.games.rational import shorten


def classify_policy(
    game: IteratedGame, policy: Any, player: int = 0, *, discount: object = None
) -> PolicyClass:
    """What kind of policy a policy is, and at which discounts.

    **Arguments:**

    - `game`: an iterated game whose players see the states; payoffs are numbers, the discount may be a
        symbol. Any number of players and actions, any memory, trembling hands: what has no definition
        there says so.
    - `policy`: exact, `(S, A)`; see [`resolvent.games.memory_one`][] for vectors of the literature.
    - `player`: whose it is, from 0.
    - `discount`: in [0, 1), what `holds`, lines and self-play are about; default: the game's.

    **Returns:** a [`resolvent.analytic.PolicyClass`][]: exact, decided by definitions.

    **Raises:** `TypeError` or `ValueError`, naming the argument, for games of other kinds, players who differ in
        their discounts, and policies that do not fit.
    """
    check_game(game)
    require_player(game, player)
    at = _read_discount(game, discount)
    others = [policy if j == player else uniform(game, j) for j in range(game.num_players)]
    checked = check_policies(game, others, exact=True)
    return _Classifier(game, checked[player], player, at).all()


@dataclass(frozen=True)
class _Classifier:
    """The traits of one policy, each decided by its definition."""

    game: IteratedGame
    policy: ExactPolicy
    player: int
    at: Fraction | None

    def all(self) -> PolicyClass:
        game, player = self.game, self.player
        chances, trembles = self._chances(), any(own is not None for own in game.trembles)
        shaky = "hands tremble: nobody is sure to cooperate" if trembles else None
        small = None if chances is not None else "for two players with two actions, memory one"
        alike = None if len(set(game.actions)) == 1 else "players have different actions"
        fair = "the game is not symmetric" if alike is None and not symmetric(game) else alike
        two = None if game.num_players == 2 else "for two players"
        _, cc, cd, dc, dd = chances or (Fraction(0),) * 5
        nice = self._nice()
        facing = self._facing()
        copies = self._copies() if alike is None else None
        trivial = trivial_relations(game)
        columns, mean = self._columns()
        numbered = self._with_discount(self.at or Fraction(1, 2))
        averages = enforced(numbered, player, self.policy, discount="average")

        def fixed(name: str, holds: bool, undefined: str | None) -> Trait:
            return self._trait(name, lambda: everywhere(holds), lambda: holds, undefined)

        return PolicyClass(
            game,
            self.policy,
            player,
            self.at,
            chances,
            nice=fixed("nice", nice, shaky),
            retaliating=fixed("retaliating", cd < cc, small),
            forgiving=fixed("forgiving", max(cd, dc, dd) > 0, small),
            self_cooperator=fixed("self_cooperator", cc == 1, small or shaky),
            self_defector=fixed("self_defector", dd == 0, small or shaky),
            self_alternator=fixed("self_alternator", cd == 0 and dc == 1, small or shaky),
            nash=self._trait(
                "nash",
                lambda: nash_discounts(game, copies or ()),
                lambda: nash_of_averages(game, copies or ()),
                alike,
            ),
            subgame_perfect=self._trait(
                "subgame_perfect",
                lambda: subgame_perfect_discounts(game, copies or ()),
                None,
                alike,
            ),
            partner=self._trait(
                "partner",
                lambda: discounts_where(lambda sign: nice and self._concedes_reward(facing, sign)),
                lambda: nice and self._concedes_reward_in_average(facing),
                shaky or two or fair,
            ),
            good=self._trait(
                "good",
                lambda: discounts_where(lambda sign: nice and self._good(facing, sign)),
                lambda: nice and self._good_in_average(numbered),
                shaky or two or fair,
            ),
            rival=self._trait(
                "rival",
                lambda: discounts_where(lambda sign: self._never_outscored(facing, sign)),
                lambda: self._never_outscored_in_average(facing),
                fair,
            ),
            equalizer=self._trait(
                "equalizer",
                lambda: relation_discounts(facing, [mean], 0),
                lambda: _within(averages, mean),
                None,
            ),
            zero_determinant=self._trait(
                "zero_determinant",
                lambda: discounts_where(
                    lambda sign: zero_determinant(game, self.policy, player, trivial, sign)
                ),
                lambda: zero_determinant(
                    game, self.policy, player, trivial, sign_at(rational_root(Fraction(1)))
                ),
                shaky or (None if game.memory == 1 else "for memory one"),
            ),
            linear=self._trait(
                "linear",
                lambda: relation_discounts(facing, columns, trivial),
                lambda: bool(averages),
                None,
            ),
            relations=None
            if self.at is None
            else enforced(numbered, player, self.policy, discount=self.at),
            average_relations=averages,
            self_play=None if copies is None or self.at is None else self._values(copies, self.at),
        )

    def _trait(
        self,
        name: str,
        discounts: Callable[[], DiscountSet],
        average: Callable[[], bool] | None,
        undefined: str | None,
    ) -> Trait:
        if undefined is not None:
            return Trait(name, *DEFINITIONS[name], None, None, self.at, undefined)
        limit = None if average is None else average()
        return Trait(name, *DEFINITIONS[name], discounts(), limit, self.at)

    # What the policy is -------------------------------------------------------------------

    def _chances(self) -> tuple[Fraction, ...] | None:
        """(p_0, p_CC, p_CD, p_DC, p_DD), own action first."""
        game = self.game
        if game.num_actions != (2, 2) or game.memory != 1:
            return None
        rows = [row[0] for row in self.policy]
        initial: Any = game.initial_distribution
        first = sum((p * x for p, x in zip(initial, rows, strict=True)), Fraction(0))
        own = own_view(game, tuple(rows), self.player)
        return (first, *own[-4:])

    def _nice(self) -> bool:
        """Whether it cooperates for sure where play begins and after all have cooperated only."""
        return all(
            self.policy[s][0] == 1
            for s, history in enumerate(self.game.histories)
            if self.game.initial_distribution[s] != 0 or not any(map(any, history))
        )

    def _copies(self) -> tuple[ExactPolicy, ...]:
        """Everybody plays the policy, each in its own view."""
        own = own_view(self.game, self.policy, self.player)
        return tuple(absolute_view(self.game, own, j) for j in range(self.game.num_players))

    def _facing(self) -> DiscountProblem:
        """What all others face, who act together."""
        joint = [self.policy if j == self.player else () for j in range(self.game.num_players)]
        return problem(
            self.game, joint, [j for j in range(self.game.num_players) if j != self.player]
        )

    def _columns(self) -> tuple[list[list[Any]], list[Any]]:
        """The unit weights of the players, and those of the others' mean."""
        count = self.game.num_players
        units = [[flint.fmpq(int(i == j)) for j in range(count)] for i in range(count)]
        return units, [flint.fmpq(int(j != self.player), count - 1) for j in range(count)]

    # What the others can do against it ----------------------------------------------------

    def _reward(self) -> tuple[Any, Any]:
        """What the policy's owner and the other get if both cooperate."""
        own, other = (corner(self.game.stage.payoffs[j], 0) for j in (self.player, 1 - self.player))
        return rational(own), rational(other)

    def _concedes_reward(self, facing: DiscountProblem, sign: Sign) -> bool:
        return sign(self._over_reward(facing, sign)[0]) <= 0

    def _concedes_reward_in_average(self, facing: DiscountProblem) -> bool:
        return limit_sign(*self._over_reward(facing, sign_near_one)) <= 0

    def _over_reward(self, facing: DiscountProblem, sign: Sign) -> tuple[Any, Any]:
        """The most that the other gets, less R."""
        _, best = facing.best(facing.payoffs[1 - self.player], sign)
        level = self._reward()[1] * best.denominator
        return best.start(facing.initial) - level, best.denominator

    def _good(self, facing: DiscountProblem, sign: Sign) -> bool:
        """The best replies get R, and the best and the worst of them for the owner leave it R."""
        others, own = facing.payoffs[1 - self.player], facing.payoffs[self.player]
        _, best = facing.best(others, sign)
        reward, level = self._reward()
        if sign(best.start(facing.initial) - level * best.denominator) != 0:
            return False
        ties = facing.ties(best, others, sign)
        turned = [[-pay for pay in row] for row in own]
        for pays, wanted in ((own, reward), (turned, -reward)):
            _, found = facing.best(pays, sign, ties)
            if sign(found.start(facing.initial) - wanted * found.denominator) != 0:
                return False
        return True

    def _good_in_average(self, numbered: IteratedGame) -> bool:
        region = payoff_region(numbered, self.policy, self.player, average=True)
        reward, level = (
            corner(self.game.stage.payoffs[j], 0) for j in (self.player, 1 - self.player)
        )
        pairs = ((own[self.player], own[1 - self.player]) for own in region.vertices)
        return all(other < level or (own, other) == (reward, level) for own, other in pairs)

    def _never_outscored(self, facing: DiscountProblem, sign: Sign) -> bool:
        return all(sign(best.start(facing.initial)) <= 0 for best in self._leads(facing, sign))

    def _never_outscored_in_average(self, facing: DiscountProblem) -> bool:
        return all(
            limit_sign(best.start(facing.initial), best.denominator) <= 0
            for best in self._leads(facing, sign_near_one)
        )

    def _leads(self, facing: DiscountProblem, sign: Sign) -> list[Values]:
        """For each other player, the most by which it can outscore the policy, all others helping."""
        count = self.game.num_players
        weights = [
            [flint.fmpq((j == other) - (j == self.player)) for j in range(count)]
            for other in range(count)
            if other != self.player
        ]
        return [facing.best(facing.mixed_payoffs(own), sign)[1] for own in weights]

    def _with_discount(self, discount: Fraction) -> IteratedGame:
        game = self.game
        noise = [own if own is not None else 0 for own in game.trembles]
        return IteratedGame(
            game.stage, discount, game.memories, initial=game.initial, implementation_noise=noise
        )

    def _values(self, copies: tuple[ExactPolicy, ...], at: Fraction) -> tuple[Fraction, ...]:
        initial = [rational(p) for p in self.game.initial_distribution]  # pyright: ignore[reportArgumentType]
        values = []
        for own in played(self.game, copies):
            value = own.start(initial)(rational(at)) / own.denominator(rational(at))
            values.append(Fraction(int(value.p), int(value.q)))
        return tuple(values)


def _read_discount(game: IteratedGame, discount: object) -> Fraction | None:
    if discount is None:
        if isinstance(game.discount, tuple):
            raise ValueError(
                f"game: expected players of one discount, got {', '.join(map(str, game.discount))}; "
                "name one with discount="
            )
        return game.discount if isinstance(game.discount, Fraction) else None
    number = exact(discount, "discount")
    if not isinstance(number, Fraction) or not 0 <= number < 1:
        raise ValueError(f"discount: expected a number in [0, 1); got {shorten(discount)}")
    return number


def _within(found: Enforced, weights: list[Any]) -> bool:
    """Whether some relation with these weights is enforced."""
    known = [[rational(w) for w in own.weights] for own in (*found.relations, *found.trivial)]
    if not known:
        return False
    return flint.fmpq_mat([*known, weights]).rank() == flint.fmpq_mat(known).rank()
