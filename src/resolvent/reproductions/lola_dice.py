r"""The exact iterated prisoner's dilemma of LOLA-DiCE, with 0 to 3 look-aheads.

Foerster et al. (2018), arXiv:1802.05098. As in `alexis-jacq/LOLA_DiCE`, with
values in place of estimates: each player imagines k naive steps of the other, each
taken against its own parameters as they are, and differentiates its value through all of them,

$$ \theta_j^{m+1} = \theta_j^m + \eta \nabla_j V_j(\theta_i, \theta_j^m), \qquad
   G_i = \frac{\mathrm{d}}{\mathrm{d}\theta_i} V_i(\theta_i, \theta_j^k), $$

and moves by Adam on $G_i$, which keeps its moments from step to step.

- Game: payoffs -1, -3, 0, -2, discount 24/25, discounted sums. The code's states are start, DD, DC, CD, CC in each
  player's own view, and its parameters are the logits of D. Ours are the logits of C in the joint view: a permutation
  and a change of sign, under which gradients turn as parameters do and Adam's step, which is odd in the gradient and
  taken entry by entry, turns as well. So from zero logits, where all of them are the same, so are the values.
- Adam (0.9, 0.999, 1e-8) with step 0.2; inner step 0.3; 50 updates from zero. Nothing is random.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from resolvent.analytic import closed_form
from resolvent.games import prisoners_dilemma
from resolvent.numeric import AbstractLearner, AbstractMeter, ValueFunction, learn, tree
from resolvent.numeric.learners.learner import Info, as_number
from resolvent.reproductions import measure
from resolvent.reproductions.record import Curve, Reproduction, Row

Tree = Any

STEPS = 50
RERUN = "published code, run in PyTorch"
# Loss per round of both players after 50 updates, by the number of look-aheads.
FINAL_LOSSES = (1.996874512, 1.005487829, 1.013070188, 1.021978918)


class LookAheads(AbstractLearner):
    """Ascend one's value after k naive steps of the others, differentiated through, by Adam.

    **Arguments:** `rate`: Adam's step size; `lookahead`: the others' step size; `depth`: k.
    """

    rate: Array = eqx.field(converter=as_number)
    lookahead: Array = eqx.field(converter=as_number)
    depth: int = eqx.field(static=True, default=1)

    def init(self, values: ValueFunction, params: Tree, player: int) -> Tree:
        zero = tree.scale(0.0, params[player])
        return jnp.zeros(()), zero, zero

    def update(
        self, values: ValueFunction, params: Tree, player: int, state: Tree
    ) -> tuple[Tree, Tree, Info]:
        gradient = jax.grad(lambda own: self.anticipated(values, params, player, own))(
            params[player]
        )
        count, mean, square = state
        count = count + 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
        square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)

        def step(m: Array, s: Array) -> Array:
            size = jnp.sqrt(s / (1 - 0.999**count)) + 1e-8
            return self.rate * (m / (1 - 0.9**count)) / size

        info = {"gradient": tree.norm(gradient)}
        return jax.tree.map(step, mean, square), (count, mean, square), info

    def anticipated(self, values: ValueFunction, params: Tree, player: int, own: Tree) -> Array:
        """The player's value at `own` after the steps that it imagines."""
        joint = (*params[:player], own, *params[player + 1 :])
        for _ in range(self.depth):
            blocks = values.jacobian(joint)
            joint = tuple(
                own if j == player else tree.axpy(self.lookahead, blocks[j][j], theirs)
                for j, theirs in enumerate(joint)
            )
        return values(joint)[player]


def run(quick: bool = False, seed: int = 0, progress: bool | AbstractMeter = False) -> Reproduction:
    """See the module. Quick: at most one look-ahead."""
    # Derivatives of derivatives of the program of scalars would take several times longer to compile.
    game = prisoners_dilemma().iterated("24/25")
    values = closed_form(game, normalise="sum").compile(backend="tensor")
    start = tuple(jnp.zeros(shape) for shape in values.shapes)
    rows, curves = [], []
    for depth, published in enumerate(FINAL_LOSSES[:2] if quick else FINAL_LOSSES):
        rule = LookAheads(0.2, 0.3, depth)
        played = learn(values, rule, start, STEPS, record="values", progress=progress)
        if played.steps_done < STEPS:
            raise KeyboardInterrupt
        losses = -played.history["values"] * measure.scale_of(played)
        label = f"{depth} look-ahead" + ("s" if depth != 1 else "")
        rows += [
            Row(
                f"{label}, player {player + 1}",
                published,
                float(losses[-1, player]),
                rounding=5e-10,
                source=RERUN,
            )
            for player in (0, 1)
        ]
        curves.append(Curve(label, played.history["step"].astype(float), losses.mean(1)))
    return Reproduction(
        name="lola_dice",
        title="The exact game of LOLA-DiCE, with look-aheads",
        paper="Foerster et al. 2018, arXiv:1802.05098; code alexis-jacq/LOLA_DiCE",
        protocol=(
            "prisoner's dilemma (-1, -3, 0, -2), memory one, discount 24/25; discounted sums",
            "Adam with step 0.2 on the gradient through k imagined naive steps of 0.3 of the other player",
            f"{STEPS} updates from zero logits: nothing is random; measured: final loss per round",
        ),
        rows=tuple(rows),
        remarks=(
            "One imagined step suffices to cooperate. More of them cost a little after as many updates.",
            "The code has each player's own view and logits of D; from zero, Adam's updates are the same in ours.",
        ),
        quick=quick,
        seed=seed,
        curves=tuple(curves),
        axes=("step", "loss per round"),
        versions=measure.versions(),
    )
