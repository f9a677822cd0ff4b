"""Differentiable games of the literature, each with its source.

Every function returns a [`resolvent.games.DifferentiableGame`][]. Most are stated by losses, as in the
papers. `DIFFERENTIABLE_CATALOGUE` maps names to the functions that can be called without arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from resolvent.games.catalogue import chicken, matching_pennies
from resolvent.games.differentiable import DifferentiableGame
from resolvent.games.expressions import smooth
from resolvent.games.normal_form import NormalForm
from resolvent.games.rational import entries, exact_array, shorten

Nest = Any
"""Numbers or expressions in nested sequences."""


def tandem() -> DifferentiableGame:
    """Tandem: losses (x + y)^2 - 2x and (x + y)^2 - 2y; each wants to go on, and neither both.

    Letcher et al., "Stable Opponent Shaping in Differentiable Games" (ICLR 2019), arXiv 1811.08469.
    Every point with x + y = 1 is a stable fixed point of the gradient, with losses that add up to 0.
    LOLA pushes on and ends with x + y > 1, where both lose; SOS does not.
    """
    return DifferentiableGame(losses=["(x + y)**2 - 2*x", "(x + y)**2 - 2*y"], name="tandem")


def hamiltonian() -> DifferentiableGame:
    """Losses xy and -xy: the smallest zero-sum game whose gradient goes round and round.

    Balduzzi et al., "The Mechanics of n-Player Differentiable Games" (ICML 2018), arXiv 1802.05642.
    Simultaneous gradient steps diverge from the equilibrium 0 at every rate.
    """
    return DifferentiableGame(losses=["x*y", "-x*y"], name="hamiltonian")


def bilinear(matrix: object = 1) -> DifferentiableGame:
    """Zero-sum: player 1 loses x'Ay, which player 2 gets.

    **Arguments:**

    - `matrix`: A, with a row per parameter of player 1 and a column per parameter of player 2; or one
        number for a parameter each.

    Schäfer and Anandkumar, "Competitive Gradient Descent" (NeurIPS 2019), arXiv 1905.12103, play
    matrix = 1, 3 and 6 from (1/2, 1/2) at rate 0.2. With matrix = 1 it is the game `hamiltonian`.
    """
    rows: Any = exact_array(matrix if entries(matrix) else [[matrix]], "matrix", depth=2)
    names = _names((len(rows), len(rows[0])))
    first, second = ([smooth(name, "name") for name in own] for own in names)
    loss = sum(
        (
            smooth(entry, "matrix") * x * y
            for x, row in zip(first, rows, strict=True)
            for y, entry in zip(second, row, strict=True)
        ),
        start=smooth(0, "matrix"),
    )
    return DifferentiableGame(losses=[loss, -loss], parameters=names, name="bilinear")


def balduzzi(coupling: object = 10) -> DifferentiableGame:
    """A weak attractor in a strong rotation: losses x^2/2 + 10xy and y^2/2 - 10xy.

    **Arguments:**

    - `coupling`: the 10.

    Balduzzi et al., "The Mechanics of n-Player Differentiable Games" (ICML 2018), arXiv 1802.05642.
    The equilibrium 0 attracts the gradient flow, but gradient steps only at rates below 2/101.
    """
    c = smooth(coupling, "coupling")
    losses = [smooth("x**2/2", "loss") + c * smooth("x*y", "loss")]
    losses.append(smooth("y**2/2", "loss") - c * smooth("x*y", "loss"))
    return DifferentiableGame(losses=losses, name="balduzzi")


def ultimatum() -> DifferentiableGame:
    """One-shot ultimatum: player 1 offers 5 of 10 (fair) with probability sigmoid(x), else 2; player 2
    accepts a fair offer always, an unfair one with probability sigmoid(y).

    As coded for COLA, Willi et al. (ICML 2022), arXiv 2203.04098. Losses -(5f + 8(1 - f)a) and
    -(5f + 2(1 - f)a), with f = sigmoid(x), a = sigmoid(y).
    """
    return DifferentiableGame(
        losses=[
            "-(5*sigmoid(x) + 8*sigmoid(-x)*sigmoid(y))",
            "-(5*sigmoid(x) + 2*sigmoid(-x)*sigmoid(y))",
        ],
        name="ultimatum",
    )


def one_shot(
    game: NormalForm, parameters: Sequence[str | Sequence[str]] | None = None
) -> DifferentiableGame:
    """A matrix game played once with mixed actions: parameters are logits, payoffs are expected ones.

    **Arguments:**

    - `game`: any [`resolvent.games.NormalForm`][], with any number of players and actions.
    - `parameters`: the names of the logits, one per action but the last for every player; the last
        action's logit is fixed at 0. The default is x and y for two players, x1, x2, ... for more, with
        a number for each action behind where there are more than two.

    Raises `ValueError` where a name of a logit is also a symbol in the payoffs.
    """
    if not isinstance(game, NormalForm):
        raise TypeError(f"game must be a NormalForm; got {shorten(game)}")
    names: Any = _names([n - 1 for n in game.num_actions]) if parameters is None else parameters
    names = DifferentiableGame([0] * game.num_players, names).parameters
    taken = {symbol.name for symbol in game.symbols} & {name for own in names for name in own}
    if taken:
        raise ValueError(
            f"parameters must not be named as symbols in the payoffs; got {', '.join(sorted(taken))}"
        )
    for player, (own, number) in enumerate(zip(names, game.num_actions, strict=True)):
        if len(own) != number - 1:
            raise ValueError(
                f"parameters[{player}] must name a logit per action but the last ({number - 1}); "
                f"got {len(own)}"
            )
    chances = [_chances(own) for own in names]
    payoffs: list[Any] = [0] * game.num_players
    for joint in game.joint_actions:
        likely = 1
        for own, action in zip(chances, joint, strict=True):
            likely = likely * own[action]
        for player, payoff in enumerate(game.payoff(joint)):
            payoffs[player] += likely * smooth(payoff, "payoffs")
    stated = {game.stated_as: [-own for own in payoffs] if game.stated_as == "losses" else payoffs}
    name = f"one-shot {game.name}" if game.name else None
    return DifferentiableGame(**stated, parameters=names, players=game.players, name=name)


def one_shot_matching_pennies() -> DifferentiableGame:
    """Matching pennies played once: player 1 *loses* on a match.

    Player 1's loss is (2p - 1)(2q - 1) with p = sigmoid(x), q = sigmoid(y), the chances of heads, and
    player 2's the negative: as in the published code of SOS (arXiv 1811.08469), M-FOS and COLA (arXiv
    2203.04098), and the other way round than in LOLA and MeVa. At the equilibrium 0 the gradient
    rotates.
    """
    return one_shot(matching_pennies(matcher=1))


def one_shot_chicken(
    payoffs: Literal["steep", "mild", "aumann"] = "steep",
) -> DifferentiableGame:
    """Chicken played once, as in M-FOS and COLA (arXiv 2203.04098).

    **Arguments:**

    - `payoffs`: as in [`resolvent.games.chicken`][].

    The parameters are the logits of swerving (C).
    """
    return one_shot(chicken(payoffs))


def quadratic(
    jacobian: Nest = ((1, 1), (-1, 1)),
    sizes: Sequence[int] | None = None,
    linear: Nest | None = None,
    stated_as: Literal["losses", "payoffs"] = "losses",
) -> DifferentiableGame:
    r"""The quadratic game whose joint gradient has the given Jacobian.

    With losses, the simultaneous gradient $\xi_i = \partial L_i / \partial \theta_i$ is $\xi = H\theta +
    b$ with H = `jacobian` and b = `linear`: $L_i = \theta_i' H_{ii} \theta_i / 2 + \sum_{j \ne i}
    \theta_i' H_{ij} \theta_j + b_i' \theta_i$. With payoffs, the same for what players maximise.

    **Arguments:**

    - `jacobian`: a square matrix of numbers or symbols; block row i is of player i's own gradient, and
        the diagonal blocks, which are second derivatives of one function, must be symmetric.
    - `sizes`: the number of parameters of each player; the default is one each.
    - `linear`: b, one number per parameter; or one such row for every player, with the gradients of its
        loss at 0 by the parameters of all (a player's loss may depend on others alone, which matters
        to shaping and not to $\xi$). The default is 0.
    - `stated_as`: whether these are derivatives of losses or of payoffs.
    """
    if stated_as not in ("losses", "payoffs"):
        raise ValueError(f'stated_as must be "losses" or "payoffs"; got {shorten(stated_as)}')
    H: Any = exact_array(jacobian, "jacobian", depth=2)
    total = len(H)
    if len(H[0]) != total:
        raise ValueError(f"jacobian must be square; got {total} x {len(H[0])}")
    sizes = (1,) * total if sizes is None else tuple(sizes)
    for k, size in enumerate(sizes):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"sizes[{k}] must be an integer of at least 1; got {shorten(size)}")
    if sum(sizes) != total:
        raise ValueError(
            f"sizes must add up to the size of jacobian ({total}); got {shorten(sizes)}"
        )
    names = _names(sizes)
    z = [smooth(name, "name") for own in names for name in own]
    b = _linear(linear, len(sizes), sizes)
    expressions: list[Any] = []
    first = 0
    for player, size in enumerate(sizes):
        own = range(first, first + size)
        value: Any = sum((smooth(b[player][k], "linear") * z[k] for k in range(total)), start=0)
        for r in own:
            for c in range(total):
                if c in own and H[r][c] != H[c][r]:
                    raise ValueError(
                        f"jacobian must have symmetric blocks on its diagonal; got {H[r][c]} at "
                        f"({r}, {c}) and {H[c][r]} at ({c}, {r}), both of player {player}"
                    )
                half = 2 if c in own else 1
                value += smooth(H[r][c], "jacobian") * z[r] * z[c] / half
        expressions.append(value)
        first += size
    return DifferentiableGame(**{stated_as: expressions}, parameters=names, name="quadratic")


def logistic() -> DifferentiableGame:
    """The logistic game: a landscape with cliffs in which looking a step ahead is not enough.

    Payoffs -(4 s(x) (1 - 2 s(y)) + r) and -(4 s(y) (1 - 2 s(x)) + r), with s the sigmoid and
    r = ((xy)^2 + (x^2 - y^2)^2) / 10^4 to keep parameters from running away. Cooijmans et al.,
    "Meta-Value Learning: a General Framework for Learning with Learning Awareness" (2023), arXiv
    2307.08863, from the published notebook: rate 1, starts uniform on [-8, 8]^2, 200 steps.
    """
    keep = "((x*y)**2 + (x**2 - y**2)**2)/10**4"
    return DifferentiableGame(
        [
            f"-(4*sigmoid(x)*(1 - 2*sigmoid(y)) + {keep})",
            f"-(4*sigmoid(y)*(1 - 2*sigmoid(x)) + {keep})",
        ],
        name="logistic",
    )


def hamiltonian_not_zero_sum(a: object = 1, b: object = 1) -> DifferentiableGame:
    """Losses x(y - b) and -(x - a)y: the gradient rotates about (a, b), though the losses do not add
    up to zero.

    **Arguments:**

    - `a`, `b`: the fixed point.

    Letcher et al., "Differentiable Game Mechanics" (JMLR 2019), arXiv 1905.04926.
    """
    x, y = smooth("x", "x"), smooth("y", "y")
    losses = [x * (y - smooth(b, "b")), -(x - smooth(a, "a")) * y]
    return DifferentiableGame(losses=losses, name="hamiltonian, not zero-sum")


def zero_sum_not_hamiltonian() -> DifferentiableGame:
    """Losses x^2 + y^2 and -(x^2 + y^2): zero-sum, and yet a potential game, of potential x^2 - y^2.

    Letcher et al., "Differentiable Game Mechanics" (JMLR 2019), arXiv 1905.04926. The gradient does
    not rotate, and the only fixed point is a strict saddle.
    """
    losses = ["x**2 + y**2", "-(x**2 + y**2)"]
    return DifferentiableGame(losses=losses, name="zero-sum, not hamiltonian")


def four_player(epsilon: object = "1/100") -> DifferentiableGame:
    """Four players in a rotation: the gradient of the losses is (epsilon I + A) w, where A is
    antisymmetric with 1 above the diagonal.

    **Arguments:**

    - `epsilon`: the pull towards 0; 1/100 or 0.

    Letcher et al., "Differentiable Game Mechanics" (JMLR 2019), arXiv 1905.04926. That A has this
    form is a recollection of the paper's four-player example, not read again.
    """
    e = smooth(epsilon, "epsilon")
    rows = [[e if i == j else 1 if i < j else -1 for j in range(4)] for i in range(4)]
    return _renamed(quadratic(rows), "four player")


def impossibility() -> DifferentiableGame:
    """A zero-sum game that no reasonable learner ends: player 1's loss is xy - x^2/2 + y^2/2 + x^4/4 -
    y^4/4.

    Letcher, "On the Impossibility of Global Convergence in Multi-Loss Optimization" (ICLR 2021), arXiv
    2005.12649. The only critical point, 0, is unstable, and the gradient stays bounded: it goes round
    for ever.
    """
    loss = smooth("x*y - x**2/2 + y**2/2 + x**4/4 - y**4/4", "loss")
    return DifferentiableGame(losses=[loss, -loss], name="impossibility")


def market() -> DifferentiableGame:
    """A market in which the critical point is unstable and learners go round it.

    Losses xy - x^2/2 + x^6/6 + g/4 and -xy - y^2/2 + y^6/6 - g/4 with g = y^4/(1 + x^2) - x^4/(1 +
    y^2). From the notebook of Letcher, "On the Impossibility of Global Convergence in Multi-Loss
    Optimization" (ICLR 2021), arXiv 2005.12649: rate 0.01, 3000 steps, SOS with a = b = 1/2, consensus
    optimisation with 0.01.
    """
    g = "(y**4/(1 + x**2) - x**4/(1 + y**2))/4"
    losses = [f"x*y - x**2/2 + x**6/6 + {g}", f"-x*y - y**2/2 + y**6/6 - {g}"]
    return DifferentiableGame(losses=losses, name="market")


def stable_not_nash() -> DifferentiableGame:
    """Losses x^3 + xy and -xy: the fixed point 0 is stable (its Jacobian is positive semidefinite and
    invertible), and no equilibrium, since player 1 can gain.

    The vocabulary, and this example, of Letcher et al., "Stable Opponent Shaping in Differentiable
    Games" (ICLR 2019), arXiv 1811.08469.
    """
    return DifferentiableGame(losses=["x**3 + x*y", "-x*y"], name="stable, not Nash")


def nash_not_stable() -> DifferentiableGame:
    """Losses xy and xy: 0 is an equilibrium, since neither can gain alone, and not stable: it is a
    strict saddle of the common loss.

    Letcher et al., "Stable Opponent Shaping in Differentiable Games" (ICLR 2019), arXiv 1811.08469.
    """
    return DifferentiableGame(losses=["x*y", "x*y"], name="Nash, not stable")


def consensus_trap(kappa: object = 1) -> DifferentiableGame:
    """Losses -kappa/2 (x^2 + y^2) for both: at 0 both lose most, and consensus optimisation goes there.

    **Arguments:**

    - `kappa`: the curvature. Consensus optimisation with weight lambda follows kappa (lambda kappa - 1)
        (x, y), so that it converges to the worst point for lambda > 1/kappa.

    Letcher et al., "Differentiable Game Mechanics" (JMLR 2019), arXiv 1905.04926, Example 8.
    """
    loss = -smooth(kappa, "kappa") * smooth("(x**2 + y**2)/2", "loss")
    return DifferentiableGame(losses=[loss, loss], name="consensus trap")


def sga_trap(epsilon: object = "1/10") -> DifferentiableGame:
    """An unstable point in a unit rotation: the gradient of the losses is (-epsilon I + A)(x, y), with
    A(x, y) = (-y, x).

    **Arguments:**

    - `epsilon`: how strongly 0 repels. Symplectic gradient adjustment follows (lambda - epsilon)(x, y) +
        (1 + lambda epsilon)(-y, x): it converges to the unstable point for lambda > epsilon.

    Letcher et al., "Differentiable Game Mechanics" (JMLR 2019), arXiv 1905.04926, Example 9.
    """
    e = smooth(epsilon, "epsilon")
    return _renamed(quadratic([[-e, -1], [1, -e]]), "SGA trap")


def lola_trap() -> DifferentiableGame:
    """Losses x^2/2 + y and y^2/2 + xy: an isolated stable fixed point, 0, that LOLA leaves.

    Constructed for this library. The gradient is (x, x + y), so that 0 is the only fixed point, with
    Jacobian [[1, 0], [1, 1]], whose symmetric part is positive definite. Player 1 would like a smaller y,
    and its shaping term is 1 everywhere: with rate and look-ahead alpha, LOLA (original, Taylor or
    exact) follows x - alpha for player 1, and comes to rest at x = alpha. LookAhead and SOS stay at 0.
    """
    return DifferentiableGame(losses=["x**2/2 + y", "y**2/2 + x*y"], name="LOLA trap")


def lookahead_not_definite() -> DifferentiableGame:
    """The quadratic game with Jacobian [[4, 3], [1, 1]]: a stable fixed point at which LookAhead's
    Jacobian (I - alpha H_o) H is not positive definite at any rate alpha > 0.

    Against Remark D.5 of Letcher et al., "Stable Opponent Shaping in Differentiable Games" (ICLR 2019),
    arXiv 1811.08469, which says that it would be, for two parameters. (LookAhead converges all the
    same: the eigenvalues have positive real parts.)
    """
    return _renamed(quadratic([[4, 3], [1, 1]]), "LookAhead not definite")


DIFFERENTIABLE_CATALOGUE: Mapping[str, Callable[[], DifferentiableGame]] = MappingProxyType(
    {
        factory.__name__: factory
        for factory in (
            tandem,
            hamiltonian,
            bilinear,
            balduzzi,
            ultimatum,
            one_shot_matching_pennies,
            one_shot_chicken,
            quadratic,
            logistic,
            hamiltonian_not_zero_sum,
            zero_sum_not_hamiltonian,
            four_player,
            impossibility,
            market,
            stable_not_nash,
            nash_not_stable,
            consensus_trap,
            sga_trap,
            lola_trap,
            lookahead_not_definite,
        )
    }
)
"""The differentiable games by name. The functions may be called without arguments."""


def _names(sizes: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """x and y for two players, x1, x2, ... for more; with _1, _2, ... behind where there are several."""
    stems = ("x", "y") if len(sizes) == 2 else tuple(f"x{k + 1}" for k in range(len(sizes)))
    return tuple(
        (stem,) if size == 1 else tuple(f"{stem}_{k + 1}" for k in range(size))
        for stem, size in zip(stems, sizes, strict=True)
    )


def _chances(names: Sequence[str]) -> list[Any]:
    """The probability of each action, from the logits of all but the last."""
    from resolvent.games._functions import softmax

    logits = [*(smooth(name, "name") for name in names), smooth(0, "logit")]
    return [
        softmax(own, *(other for m, other in enumerate(logits) if m != k))
        for k, own in enumerate(logits)
    ]


def _linear(linear: Nest | None, players: int, sizes: Sequence[int]) -> list[list[Any]]:
    """One row of all parameters per player, from one number per parameter (each of its own player) or
    from such rows."""
    total = sum(sizes)
    if linear is None:
        return [[0] * total for _ in range(players)]
    outer = entries(linear)
    if not outer:
        raise ValueError(f"linear must be a row of numbers per parameter; got {shorten(linear)}")
    nested = entries(outer[0]) is not None
    rows: Any = exact_array(linear, "linear", depth=2 if nested else 1)
    shape = (players, total) if nested else (total,)
    got = (len(rows), len(rows[0])) if nested else (len(rows),)
    if got != shape:
        raise ValueError(f"linear must have shape ({total},) or ({players}, {total}); got {got}")
    if nested:
        return [list(row) for row in rows]
    owners = [player for player, size in enumerate(sizes) for _ in range(size)]
    return [
        [entry if owner == player else 0 for entry, owner in zip(rows, owners, strict=True)]
        for player in range(players)
    ]


def _renamed(game: DifferentiableGame, name: str) -> DifferentiableGame:
    return DifferentiableGame(losses=game.stated, parameters=game.parameters, name=name)
