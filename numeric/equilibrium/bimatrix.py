r"""All equilibria of a game of two players, exactly.

With payoffs $A, B > 0$ (a positive scaling and a constant change no equilibrium) the best replies of both
players are the polytopes

$$ P = \{x \ge 0 : B^T x \le 1\}, \qquad Q = \{y \ge 0 : A y \le 1\} . $$

A point has the *labels* of its tight constraints: the actions of player 1 that $x$ does not use or that are
best replies to $y$, and likewise those of player 2. A pair $(x, y) \ne 0$, scaled to probabilities, is an
equilibrium exactly if it has all labels. The extreme equilibria are the pairs of vertices with that property,
and every equilibrium is a convex combination of the pairs in one maximal Nash subset: a maximal set $U \times V$
of vertices that are all paired (Winkels 1979; Avis, Rosenberg, Savani and von Stengel 2010, Economic Theory 42).

Everything is done in integers. A library is not used here on purpose: those in Python compare floats, for
exact equality or to a tolerance, and lose equilibria of degenerate games and of large ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm
from typing import Any

import flint
import networkx
import numpy as np

from resolvent.games import NormalForm
from resolvent.games.rational import shorten
from resolvent.numeric.equilibrium.equilibria import Equilibria, Mixed, NashSubset
from resolvent.numeric.equilibrium.equilibrium import Equilibrium, verify
from resolvent.numeric.equilibrium.pivoting import Tableau, leaving_row, pivot

Profile = tuple[Mixed, Mixed]
Matrix = tuple[tuple[Fraction, ...], ...]
Integers = list[list[int]]


_MOST_VERTICES = 1_000_000


def extreme_equilibria(game: NormalForm, limit: int = _MOST_VERTICES) -> Equilibria:
    """All equilibria of a game of two players, degenerate or not, exactly: the extreme ones, and the
    components that they span.

    **Arguments:**

    - `game`: a matrix game of two players.
    - `limit`: how many vertices of each best-reply polytope to visit at most. There are some thousands with
        8 actions each, some ten thousands with 10, and millions with 15.

    **Raises:** `ValueError` where there are more.
    """
    matrices(game)
    pairs = _vertex_pairs(game, limit)
    return Equilibria(
        game,
        _verified(game, pairs, "vertex enumeration, exact"),
        "vertex enumeration, exact",
        complete=True,
        note="all extreme ones; every other is a mixture within a component",
        components=_components(pairs),
        indices=tuple(_index(game, pair) for pair in pairs),
    )


def support_enumeration(game: NormalForm) -> Equilibria:
    """The equilibria of a game of two players in which both use the same number of actions, exactly.

    Those are all of them if the game is not degenerate: if no strategy has more pure best replies than it
    uses actions. [`resolvent.numeric.extreme_equilibria`][] finds all in any case, and is faster.
    """
    pairs = list(_on_supports(game))
    return Equilibria(
        game,
        _verified(game, pairs, "support enumeration, exact"),
        "support enumeration, exact",
        complete=False,
        note="all if the game is not degenerate",
        indices=tuple(_index(game, pair) for pair in pairs),
    )


def lemke_howson(game: NormalForm, label: int = 0) -> Equilibrium:
    """One equilibrium of a game of two players, exactly (Lemke and Howson 1964, J. SIAM 12, 413).

    **Arguments:**

    - `game`: a matrix game of two players.
    - `label`: the action that is dropped first, counted through player 1's and on through player 2's;
        different ones may lead to different equilibria.
    """
    start = _polytopes(game)
    count = sum(game.num_actions)
    if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < count:
        raise ValueError(f"label: expected an integer from 0 to {count - 1}, got {shorten(label)}")
    end, pivots = _complementary_path(start, (start[0].basic, start[1].basic), label)
    method = f"Lemke-Howson, label {label}, {pivots} pivots, exact"
    return verify(game, _profile_of(end), method)


def lemke_howson_all(game: NormalForm) -> Equilibria:
    """The equilibria that paths of Lemke and Howson lead to, from the artificial one by every label and from
    all that are found so again. There may be others."""
    pairs = _reachable(game)
    return Equilibria(
        game,
        _verified(game, pairs, "Lemke-Howson, exact"),
        "Lemke-Howson, exact",
        complete=False,
        note="those that its paths reach; there may be others",
        indices=tuple(_index(game, pair) for pair in pairs),
    )


def _verified(game: NormalForm, pairs: Sequence[Profile], method: str) -> tuple[Equilibrium, ...]:
    return tuple(verify(game, pair, method) for pair in pairs)


def matrices(game: NormalForm) -> tuple[Matrix, Matrix]:
    """The payoffs of both players, rows for the actions of player 1.

    **Raises:** `TypeError` for what is not a matrix game, `ValueError` for another number of players and
    for payoffs with symbols.
    """
    if not isinstance(game, NormalForm):
        raise TypeError(f"game: expected a NormalForm, got {shorten(game)}; use nash for others")
    if game.num_players != 2:
        raise ValueError(
            f"game: expected two players, got {game.num_players}; use nash, or linear_trace, for more"
        )
    if game.symbols:
        names = ", ".join(map(str, game.symbols))
        raise ValueError(f"game: expected numbers, but {names} are symbols; use game.substitute")
    first, second = game.payoffs
    return first, second


def positive(matrix: Sequence[Sequence[Fraction]]) -> Integers:
    """A matrix with a positive factor and a constant applied: positive integers, the smallest is 1."""
    scale = lcm(*(entry.denominator for row in matrix for entry in row))
    whole = [[int(entry * scale) for entry in row] for row in matrix]
    least = min(map(min, whole))
    divisor = gcd(*(entry - least for row in whole for entry in row)) or 1
    return [[(entry - least) // divisor + 1 for entry in row] for row in whole]


# Extreme equilibria: vertices of both polytopes, paired.


def _vertex_pairs(game: NormalForm, limit: int) -> list[Profile]:
    """The extreme equilibria, ordered so that pure equilibria in the first actions come first."""
    m, n = game.num_actions
    full = (1 << (m + n)) - 1
    own, other = (_vertices(start, limit) for start in _polytopes(game))
    pairs: list[Profile] = []
    if m + n < 64:
        masks = np.array(list(other), dtype=np.uint64)
        places = list(other.values())
        for labels, x in own.items():
            for k in np.flatnonzero((masks | np.uint64(labels)) == np.uint64(full)):
                pairs.append((_strategy(x, range(m)), _strategy(places[k], range(m, m + n))))
    else:
        for labels, x in own.items():
            for rest, y in other.items():
                if labels | rest == full:
                    pairs.append((_strategy(x, range(m)), _strategy(y, range(m, m + n))))
    return sorted(pairs, reverse=True)


def _polytope(matrix: Integers, free: Sequence[int], slacks: Sequence[int]) -> Tableau:
    """{z >= 0 : matrix z <= 1} at z = 0."""
    return Tableau([[1, *row] for row in matrix], 1, tuple(slacks), tuple(free))


def _vertices(start: Tableau, limit: int) -> dict[int, dict[int, Fraction]]:
    """All vertices but 0 of a polytope: its basic variables that are not zero, by the bits of its labels.

    The graph of the perturbed polytope, which is simple and has a vertex near each of the given one, is
    searched depth first.
    """
    first_basis = start.basic
    found: dict[int, dict[int, Fraction]] = {}
    key = sum(1 << variable for variable in start.basic)
    seen, stack = {key}, [(key, start)]
    while stack:
        key, tableau = stack.pop()
        values = {v: row[0] for v, row in zip(tableau.basic, tableau.rows, strict=True) if row[0]}
        labels = sum(1 << v for v in (*tableau.basic, *tableau.free) if v not in values)
        if labels not in found:
            found[labels] = {v: Fraction(value, tableau.scale) for v, value in values.items()}
        for column, entering in enumerate(tableau.free):
            row = leaving_row(tableau, column, first_basis)
            assert row is not None  # a polytope has no rays
            after = key ^ (1 << entering) ^ (1 << tableau.basic[row])
            if after in seen:
                continue
            if len(seen) >= limit:
                raise ValueError(
                    f"limit: the best-reply polytopes have more than {limit} vertices; raise the limit, or "
                    "ask for some equilibria instead of all: lemke_howson_all, linear_trace"
                )
            seen.add(after)
            stack.append((after, pivot(tableau, row, column)))
    del found[sum(1 << variable for variable in start.free)]
    return found


def _strategy(values: dict[int, Fraction], labels: Sequence[int]) -> Mixed:
    weights = [values.get(label, Fraction(0)) for label in labels]
    total = sum(weights)
    return tuple(weight / total for weight in weights)


# Maximal Nash subsets and the components they join to.


def _components(pairs: Sequence[Profile]) -> tuple[tuple[NashSubset, ...], ...]:
    """The maximal sets U x V of exchangeable extreme equilibria, grouped by connected component."""
    graph: networkx.Graph[Any] = networkx.Graph()
    graph.add_edges_from(((0, x), (1, y)) for x, y in pairs)
    components = []
    for nodes in networkx.connected_components(graph):
        sides = [sorted((s for k, s in nodes if k == side), reverse=True) for side in (0, 1)]
        joined = graph.subgraph(nodes).copy()
        for side, strategies in enumerate(sides):
            joined.add_edges_from(combinations([(side, own) for own in strategies], 2))
        subsets = [
            NashSubset(
                *(
                    tuple(sorted((s for k, s in clique if k == side), reverse=True))
                    for side in (0, 1)
                )
            )
            for clique in networkx.find_cliques(joined)
        ]
        components.append(tuple(sorted((own for own in subsets if all(own)), reverse=True)))
    return tuple(sorted(components, reverse=True))


# Lemke and Howson.


def _complementary_path(
    tableaux: tuple[Tableau, Tableau],
    bases: tuple[tuple[int, ...], tuple[int, ...]],
    dropped: int,
) -> tuple[tuple[Tableau, Tableau], int]:
    """From one completely labelled pair to the other end of the path that drops a label.

    **Returns:** the tableaux there, and the number of pivots.
    """
    current = list(tableaux)
    side = 0 if dropped in current[0].free else 1
    entering, pivots = dropped, 0
    while True:
        tableau = current[side]
        column = tableau.free.index(entering)
        row = leaving_row(tableau, column, bases[side])
        assert row is not None  # a polytope has no rays
        leaving = tableau.basic[row]
        current[side] = pivot(tableau, row, column)
        pivots += 1
        if leaving == dropped:
            return (current[0], current[1]), pivots
        entering, side = leaving, 1 - side


def _polytopes(game: NormalForm) -> tuple[Tableau, Tableau]:
    """Both best-reply polytopes at 0, the artificial equilibrium, which has all labels."""
    first, second = matrices(game)
    m, n = len(first), len(first[0])
    return (
        _polytope(transposed(positive(second)), range(m), range(m, m + n)),
        _polytope(positive(first), range(m, m + n), range(m)),
    )


def _profile_of(tableaux: tuple[Tableau, Tableau]) -> Profile:
    """The strategies that a completely labelled pair other than 0 stands for."""
    sizes = [len(tableau.free) for tableau in tableaux]
    ranges = (range(sizes[0]), range(sizes[0], sum(sizes)))
    x, y = (
        _strategy({v: t.value(row) for row, v in enumerate(t.basic)}, labels)
        for t, labels in zip(tableaux, ranges, strict=True)
    )
    return x, y


def _reachable(game: NormalForm) -> list[Profile]:
    """Every equilibrium that Lemke-Howson paths reach from the artificial one, by any label, and from
    those again."""
    start = _polytopes(game)
    bases = (start[0].basic, start[1].basic)
    artificial = _key(start)
    waiting, found, seen = [start], {}, {artificial}
    while waiting:
        here = waiting.pop()
        for label in range(len(bases[0]) + len(bases[1])):
            there, _ = _complementary_path(here, bases, label)
            key = _key(there)
            if key not in seen:
                seen.add(key)
                found[_profile_of(there)] = None
                waiting.append(there)
    return sorted(found, reverse=True)


def _key(tableaux: tuple[Tableau, Tableau]) -> tuple[frozenset[int], frozenset[int]]:
    return frozenset(tableaux[0].basic), frozenset(tableaux[1].basic)


# Supports.


def _on_supports(game: NormalForm) -> Iterator[Profile]:
    """Equilibria with supports of equal size, smallest first: all of them if the game is not degenerate.

    Supports whose equations are singular are passed over.
    """
    first, second = matrices(game)
    rows, columns = positive(first), transposed(positive(second))
    m, n = len(rows), len(columns)
    for size in range(1, min(m, n) + 1):
        for own in combinations(range(m), size):
            for other in combinations(range(n), size):
                y = _equalising(rows, own, other)
                if y is None:
                    continue
                x = _equalising(columns, other, own)
                if x is not None:
                    yield x, y


def _equalising(matrix: Integers, rows: Sequence[int], columns: Sequence[int]) -> Mixed | None:
    """The strategy on exactly `columns` against which exactly the best replies contain all of `rows`.

    `None` where there is none, or more than one.
    """
    square = flint.fmpz_mat([[matrix[i][j] for j in columns] for i in rows])
    ones = flint.fmpz_mat([[1] for _ in rows])
    try:
        solution = square.solve(ones)
    except ZeroDivisionError:
        return None
    weights = [Fraction(int(w.p), int(w.q)) for w in solution.entries()]
    if min(weights) <= 0:
        return None
    if max(dot([row[j] for j in columns], weights) for row in matrix) > 1:
        return None
    total = sum(weights)
    strategy = dict(zip(columns, weights, strict=True))
    return tuple(strategy.get(j, Fraction(0)) / total for j in range(len(matrix[0])))


def _index(game: NormalForm, profile: Profile) -> int | None:
    r"""The index of an equilibrium, 1 or -1 (Shapley 1974); `None` where it is not regular.

    With supports $I, J$ of $k$ actions and payoffs positive, $(-1)^{k+1} \operatorname{sign} \det A_{IJ}
    \det B_{IJ}$. The indices of all equilibria of a non-degenerate game sum to one, and pure strict
    ones have index 1.
    """
    first, second = (positive(own) for own in matrices(game))
    x, y = profile
    own, other = ([k for k, p in enumerate(part) if p] for part in profile)
    row_values = [dot(row, y) for row in first]
    column_values = [dot(column, x) for column in zip(*second, strict=True)]
    best = [
        [k for k, value in enumerate(values) if value == max(values)]
        for values in (row_values, column_values)
    ]
    if best != [own, other] or len(own) != len(other):
        return None
    sign = -1 if len(own) % 2 == 0 else 1
    for matrix in (first, second):
        determinant = flint.fmpz_mat([[matrix[i][j] for j in other] for i in own]).det()
        if determinant == 0:
            return None
        sign *= 1 if determinant > 0 else -1
    return sign


def dot(left: Sequence[Any], right: Sequence[Any]) -> Fraction:
    return sum((a * b for a, b in zip(left, right, strict=True) if a and b), Fraction(0))


def transposed(matrix: Integers) -> Integers:
    return [list(column) for column in zip(*matrix, strict=True)]
