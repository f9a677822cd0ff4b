r"""The linear tracing procedure of Harsanyi and Selten, exactly, for two players.

For the prior $p$, with $x = t \sigma_1$, $y = t \sigma_2$, $z_0 = 1 - t$ and costs $C = c - A > 0$,
$D = d - B > 0$, the equilibria of all $\Gamma^t$ are the solutions of one linear complementarity problem
with a covering vector,

$$ \begin{aligned}
w_u &= -1 + 1^\top x + z_0, & w_x &= -u 1 + C y + C p_2 z_0, \\
w_v &= -1 + 1^\top y + z_0, & w_y &= -v 1 + D^\top x + D^\top p_1 z_0,
\end{aligned} \qquad w \ge 0, \quad w \perp (u, v, x, y) \ge 0, $$

and Lemke's path from $z_0 = 1$ to $z_0 = 0$ is the path of the tracing procedure: its vertices are the break
points, t turns back where $z_0$ grows (van den Elzen and Talman 1991, Math. Oper. Res. 16; von Stengel, van den
Elzen and Talman 2002, Econometrica 70). All numbers are rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from resolvent.games import IteratedGame, NormalForm
from resolvent.games.rational import entries, exact_array, shorten
from resolvent.numeric.equilibrium.arrays import Game
from resolvent.numeric.equilibrium.bimatrix import Profile, dot, matrices, positive
from resolvent.numeric.equilibrium.continuation import PATHS
from resolvent.numeric.equilibrium.differentiable_homotopy import homotopy_trace
from resolvent.numeric.equilibrium.equilibria import Mixed
from resolvent.numeric.equilibrium.equilibrium import Equilibrium, verify
from resolvent.numeric.equilibrium.pivoting import Tableau, first_ties, leaving_row, pivot
from resolvent.numeric.equilibrium.tracing_path import TracingPath, TracingPoint, against

METHOD = "linear (Harsanyi-Selten), exact"

_CLOSE = 1e-9


def linear_trace(game: Game, prior: Any = "uniform") -> Equilibrium:
    r"""The equilibrium that the linear tracing procedure selects.

    - Two players: exact. Where the path is not unique (tied best replies to the prior, say) ties are resolved
        as if each action's costs were higher by an infinitesimal, the less the later the action, those of
        player 1 by more: to the last of the tied actions. Harsanyi and Selten would take the logarithmic
        procedure there. `path.resolved` says that it happened.
    - More players: by the differentiable homotopy of Herings and Peeters (2001, Economic Theory 18, 159), in
        floats, polished; see [`resolvent.numeric.TracingPath`][] for its status.
    - Iterated games: from a prior that is the same in all states. The path is then that of the stage game,
        since continuation values do not depend on what is played, and the equilibrium is one of the stage
        game, repeated. For priors that depend on the state use `trace` with `method="logarithmic"`.

    **Arguments:**

    - `game`: a matrix game, or an iterated one without noise.
    - `prior`: `"uniform"`, or one vector of probabilities per player: what the others believe of it before
        they know better. In an iterated game also policies with equal rows.

    **Returns:** an equilibrium whose `path` is a [`resolvent.numeric.TracingPath`][] of the matrix game.

    **Raises:** `ValueError` for a prior that is no distribution, for games with symbols, and for those it
    cannot play.
    """
    stage = _stage(game)
    beliefs = prior_of(game, stage, prior)
    if stage.num_players == 2:
        path = _exact_path(stage, (beliefs[0], beliefs[1]))
        found = verify(stage, path.end.profile, METHOD, path=path)
    else:
        found = homotopy_trace(stage, beliefs)
    if stage is game:
        return found
    assert isinstance(game, IteratedGame)  # only they have a stage
    policies = [(tuple(own[0]),) * game.num_states for own in found.policies]
    return verify(
        game,
        policies,
        f"{found.method}, of the stage game",
        path=found.path,
        status=None if found.found else found.status,
    )


def prior_of(game: Game, stage: NormalForm, prior: Any, name: str = "prior") -> tuple[Mixed, ...]:
    """A prior over the actions of a matrix game, or of the stage of an iterated one, as `Fraction`s."""
    if isinstance(prior, str):
        if prior != "uniform":
            raise ValueError(f'{name}: expected "uniform" or one vector per player, got {prior!r}')
        return tuple((Fraction(1, count),) * count for count in stage.num_actions)
    players = entries(prior)
    if players is None or len(players) != stage.num_players:
        raise ValueError(
            f'{name}: expected "uniform" or one vector for each of {stage.num_players} players, got '
            f"{shorten(prior)}"
        )
    return tuple(
        _distribution(_row(game, own, f"{name}[{i}]"), count, f"{name}[{i}]")
        for i, (own, count) in enumerate(zip(players, stage.num_actions, strict=True))
    )


def _row(game: Game, own: Any, name: str) -> Any:
    """The row that all states share, of a policy."""
    rows = entries(own)
    if rows is None or not rows or entries(rows[0]) is None:
        return own
    table = exact_array(own, name, depth=2)
    assert isinstance(table, tuple)
    if any(row != table[0] for row in table):
        raise ValueError(
            f"{name}: expected one row, or equal rows, as the linear procedure takes one belief for all states; "
            "use the logarithmic one for a prior that depends on the state"
        )
    states = 1 if isinstance(game, NormalForm) else game.num_states
    if len(table) != states:
        raise ValueError(f"{name}: expected {states} rows (states), got {len(table)}")
    return table[0]


def _distribution(own: Any, count: int, name: str) -> Mixed:
    row: Any = exact_array(own, name, depth=1)
    if len(row) != count or not all(isinstance(p, Fraction) for p in row):
        raise ValueError(f"{name}: expected {count} probabilities, got {shorten(own)}")
    if min(row) < 0 or abs(sum(row) - 1) > _CLOSE:
        raise ValueError(
            f"{name}: expected probabilities that sum to one, got {shorten(own)} (sum {float(sum(row)):.12g})"
        )
    total = sum(row)
    return tuple(p / total for p in row)


def _stage(game: Game) -> NormalForm:
    if isinstance(game, NormalForm):
        return game
    if not isinstance(game, IteratedGame):
        raise ValueError(
            f"game: expected a matrix game or an iterated one, got {shorten(game)}; for stochastic games use "
            'trace(game, prior, method="logarithmic")'
        )
    if any(tremble is not None for tremble in game.trembles):
        raise ValueError(
            "game: hands tremble, so that intended actions are not those of the stage game; use "
            'trace(game, prior, method="logarithmic")'
        )
    return game.stage


def _exact_path(game: NormalForm, prior: Profile) -> TracingPath:
    m, n = game.num_actions
    size = m + n + 2
    cover = 2 * size  # z_0; w_k is variable k, its complement is size + k
    tableau = pivot(_covering_problem(game, prior), 1, size)
    first_basis = tuple(range(size))
    points: list[TracingPoint] = []
    entering, pivots, resolved = size + 1, 1, _tied_at_start(game, prior)
    while tableau.basic.count(cover):
        column = tableau.free.index(entering)
        row = leaving_row(tableau, column, first_basis)
        assert row is not None  # costs are positive: Lemke's path has no second ray
        ties = first_ties(tableau, column)
        ends = [k for k in ties if tableau.basic[k] == cover]
        row = ends[0] if ends else row
        moved = tableau.rows[row][0] != 0
        leaving = tableau.basic[row]
        tableau = pivot(tableau, row, column)
        pivots += 1
        entering = leaving + size if leaving < size else leaving - size
        values = {v: tableau.value(k) for k, v in enumerate(tableau.basic)}
        t = 1 - values.get(cover, Fraction(0))
        resolved |= moved and len(ties) > 1 and not ends and t > 0
        _add(points, t, values, range(size + 2, size + 2 + m), range(size + 2 + m, 2 * size))
    return TracingPath(
        game=game,
        prior=prior,
        points=tuple(points),
        exact=True,
        steps=pivots,
        resolved=resolved,
        perturbation=0.0,
        status=PATHS.successful,
        method=METHOD,
    )


def _covering_problem(game: NormalForm, prior: Profile) -> Tableau:
    """w - M z - d z_0 = q, each row scaled to integers by a positive factor."""
    first, second = matrices(game)
    own_costs = positive([[-pay for pay in row] for row in first])
    other_costs = positive([[-pay for pay in column] for column in zip(*second, strict=True)])
    m, n = game.num_actions
    rows = [[-1, 0, 0, *[-1] * m, *[0] * n, -1], [-1, 0, 0, *[0] * m, *[-1] * n, -1]]
    for costs, belief, value in ((own_costs, prior[1], 0), (other_costs, prior[0], 1)):
        for row in costs:
            covered = dot(row, belief)
            scale = covered.denominator
            inner = [-scale * entry for entry in row]
            strategies = [*[0] * m, *inner] if value == 0 else [*inner, *[0] * n]
            rows.append(
                [0, *(scale * (k == value) for k in (0, 1)), *strategies, -int(covered * scale)]
            )
    size = m + n + 2
    return Tableau(rows, 1, tuple(range(size)), tuple(range(size, 2 * size + 1)))


def _add(
    points: list[TracingPoint],
    t: Fraction,
    values: dict[int, Fraction],
    own: Sequence[int],
    other: Sequence[int],
) -> None:
    """Add a vertex to the break points, unless the path only changed its basis there."""
    if t > 0:
        profile = tuple(
            tuple(values.get(v, Fraction(0)) / t for v in labels) for labels in (own, other)
        )
        point = TracingPoint(t, profile)
        if points and points[-1].t == 0:
            points.append(TracingPoint(Fraction(0), profile))
    elif points:
        point = TracingPoint(t, points[-1].profile)
    else:
        return  # before the path sets out
    if not points or point != points[-1]:
        points.append(point)


def _tied_at_start(game: NormalForm, prior: Profile) -> bool:
    for player, payoffs in enumerate(game.payoffs):
        worth = list(against(np.array(payoffs, dtype=object), prior, player))
        if worth.count(max(worth)) > 1:
            return True
    return False
