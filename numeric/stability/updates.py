r"""The updates of learners on a tape, written from their equations.

With $g_{ij} = \partial V_i / \partial \theta_j$, $\eta$ the steps that player i expects, and a dot for what is held
constant,

| rule | update of player i, over its rate |
| --- | --- |
| `Naive` | $g_{ii}$ |
| `LookAhead` | $g_{ii} + L_i$, $L_i = \sum_{j \ne i} \eta_j \nabla_i \langle g_{ij}, \dot g_{jj} \rangle$ |
| `LOLA` | $g_{ii} + L_i + S_i$, $S_i = \sum_{j \ne i} \eta_j \nabla_i \langle g_{jj}, \dot g_{ij} \rangle$ |
| `LOLA`, original | $g_{ii} + S_i$ |
| `LOLA`, exact | $g_{ii}(\theta') + S_i$ with $g_{ij}(\theta')$, $\theta'_j = \theta_j + \eta_j g_{jj}$ |
| `SOS` | $g_{ii} + L_i + \lVert w \rVert^2 S_i$, where it is so, see `guards` |
| `SGA` | $(w + \lambda (J w - J^\top w) / 2)_i$ |
| `ConsensusOptimization` | $(w - \gamma J^\top w)_i$ |
| `ExtraGradient` | $g_{ii}(\theta + \eta w)$ |
| `OptimisticGradient` | $2 g_{ii} - m_i$, where $m_i$ is the last $g_{ii}$ |
| `CompetitiveGradient` | $((1 - J_o\, \mathrm{diag}\, \eta)^{-1} w)_i$ |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from resolvent.numeric.learners.competitive_gradient import CompetitiveGradient
from resolvent.numeric.learners.consensus_optimization import ConsensusOptimization
from resolvent.numeric.learners.extra_gradient import ExtraGradient
from resolvent.numeric.learners.lola import LOLA
from resolvent.numeric.learners.lookahead import LookAhead
from resolvent.numeric.learners.naive import Naive
from resolvent.numeric.learners.optimistic_gradient import OptimisticGradient
from resolvent.numeric.learners.sga import SGA
from resolvent.numeric.learners.sos import SOS
from resolvent.numeric.stability.stage import Stage, single
from resolvent.numeric.stability.tape import Node


def _add(*vectors: Sequence[Node]) -> list[Node]:
    first, *rest = vectors
    total = [*first]
    for own in rest:
        total = [x + y for x, y in zip(total, own, strict=True)]
    return total


def _naive(stage: Stage, rule: Any, i: int) -> list[Node]:
    return stage.blocks[i][i]


def _look_ahead(stage: Stage, rule: Any, i: int) -> list[Node]:
    return _add(stage.blocks[i][i], stage.lookahead(i, stage.steps(rule)))


def _lola(stage: Stage, rule: Any, i: int) -> list[Node]:
    steps = stage.steps(rule)
    if rule.variant != "exact":
        terms = [stage.blocks[i][i], stage.shaping(i, steps, stage.blocks[i])]
        if rule.variant == "taylor":
            terms.append(stage.lookahead(i, steps))
        return _add(*terms)
    moved = [*stage.inputs]
    for j, part in enumerate(stage.parts):
        if j != i:
            moved[part] = [
                x + steps[j] * g
                for x, g in zip(stage.inputs[part], stage.blocks[j][j], strict=True)
            ]
    there = stage.at([x for row in stage.blocks[i] for x in row], moved)
    ahead = [there[part] for part in stage.parts]
    return _add(ahead[i], stage.shaping(i, steps, ahead))


def _sos(stage: Stage, rule: Any, i: int) -> list[Node]:
    r"""p = |w|^2 where |w| < b and p_1 >= p. The latter holds where
    $|S| |w| \le a (1 - f)$, f the Frobenius norm of $J_o \mathrm{diag}\, \eta$, since $|\xi_0| \ge (1 - f) |w|$;
    and 1 - f > (1 - f^2) / 2."""
    tape, steps = stage.tape, stage.steps(rule)
    shaping = [stage.shaping(j, steps, stage.blocks[j]) for j in range(len(stage.parts))]
    squared = tape.inner(stage.own, stage.own)
    a, b = (stage.number(single(rule, name)) for name in ("a", "b"))
    if not 0 < single(rule, "b") <= 1:
        raise ValueError("learners: proofs know SOS with b in (0, 1]")
    weights = stage.per_parameter(steps)
    cross = [
        weights[column] * x
        for j, part in enumerate(stage.parts)
        for row in stage.blocks[j][j]
        for column, x in enumerate(tape.gradient(row, stage.inputs))
        if not part.start <= column < part.stop
    ]
    rest = tape.constant(1) - tape.inner(cross, cross)
    flat = [x for own in shaping for x in own]
    room = tape.constant(Fraction(1, 4)) * a * a * rest * rest
    stage.positive += [b * b - squared, rest, room - tape.inner(flat, flat) * squared]
    ahead = _add(stage.blocks[i][i], stage.lookahead(i, steps))
    return _add(ahead, [squared * x for x in shaping[i]])


def _sga(stage: Stage, rule: Any, i: int) -> list[Node]:
    tape = stage.tape
    forth, back = stage.along(stage.own, stage.own), stage.back()
    half = tape.constant(Fraction(1, 2))
    turn = [half * (x - y) for x, y in zip(forth, back, strict=True)]
    if rule.align:
        size = tape.constant(Fraction(1, len(stage.inputs)))
        agreement = size * tape.inner(stage.own, back) * tape.inner(turn, back)
        stage.positive.append(agreement + stage.number(single(rule, "epsilon")))
    weight = stage.number(single(rule, "weight"))
    part = stage.parts[i]
    return _add(stage.own[part], [weight * x for x in turn[part]])


def _consensus(stage: Stage, rule: Any, i: int) -> list[Node]:
    weight, part = stage.number(-single(rule, "weight")), stage.parts[i]
    return _add(stage.own[part], [weight * x for x in stage.back()[part]])


def _extra(stage: Stage, rule: Any, i: int) -> list[Node]:
    weights = stage.per_parameter(stage.steps(rule))
    moved = [x + step * g for x, step, g in zip(stage.inputs, weights, stage.own, strict=True)]
    return stage.at(stage.blocks[i][i], moved)


def _optimistic(stage: Stage, rule: Any, i: int) -> list[Node]:
    gradient = stage.blocks[i][i]
    memory = stage.tape.inputs(len(gradient))
    stage.memory += memory
    stage.remembered += [g - m for g, m in zip(gradient, memory, strict=True)]
    two = stage.tape.constant(2)
    return [two * g - m for g, m in zip(gradient, memory, strict=True)]


def _competitive(stage: Stage, rule: Any, i: int) -> list[Node]:
    """Elimination in the order of the parameters: close to the unit matrix no exchange is needed."""
    tape = stage.tape
    weights = stage.per_parameter(stage.steps(rule))
    zero, one = tape.constant(0), tape.constant(1)
    matrix: list[list[Node]] = []
    for part in stage.parts:
        for row in range(part.start, part.stop):
            slopes = tape.gradient(stage.own[row], stage.inputs)
            matrix.append(
                [
                    (one if k == row else zero)
                    - (zero if part.start <= k < part.stop else x * weights[k])
                    for k, x in enumerate(slopes)
                ]
            )
    right = [*stage.own]
    size = len(right)
    for k in range(size):
        for m in range(k + 1, size):
            factor = matrix[m][k] / matrix[k][k]
            matrix[m] = [x - factor * y for x, y in zip(matrix[m], matrix[k], strict=True)]
            right[m] = right[m] - factor * right[k]
    for k in reversed(range(size)):
        rest = tape.inner(matrix[k][k + 1 :], right[k + 1 :])
        right[k] = (right[k] - rest) / matrix[k][k]
    return right[stage.parts[i]]


RULES: dict[type, Callable[[Stage, Any, int], list[Node]]] = {
    Naive: _naive,
    LookAhead: _look_ahead,
    LOLA: _lola,
    SOS: _sos,
    SGA: _sga,
    ConsensusOptimization: _consensus,
    ExtraGradient: _extra,
    OptimisticGradient: _optimistic,
    CompetitiveGradient: _competitive,
}
"""What proofs know: from a game, a learner and its player to its update over its rate."""
