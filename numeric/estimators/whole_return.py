r"""REINFORCE as it was first written: the sum of all scores times the return of the whole trajectory.

With $L = \ell + L'$ and $R = r + g R'$, where the next round's are primed,

$$ \hat g = L_0 \, (R_0 - b(s_0)), \qquad \mathbb{E}\big[L_1 L_2^\top R_1 R_2\big]
   = \mathbb{E}\big[(\ell_1 + L_1') (\ell_2 + L_2')^\top (r_1 + g_1 R_1') (r_2 + g_2 R_2')\big], $$

multiplied out, and so for products of fewer of the four. The sum of scores is not discounted: over T rounds its
variance grows in proportion to T, and so does that of the estimate. Where play does not end it has no limit.
"""

from __future__ import annotations

from itertools import product

import jax.numpy as jnp
from jax import Array, lax

from resolvent.numeric.estimators.course import Course
from resolvent.numeric.estimators.score_sums import Moments, ScoreSum

_POWERS: tuple[tuple[int, ...], ...] = tuple(product((0, 1), repeat=4))
"""Of L_1, L_2, R_1 and R_2."""


def whole_return_moments(course: Course, one: ScoreSum, other: ScoreSum) -> Moments:
    """Means and second moments of two such estimates from the same trajectory of finite length.

    **Arguments:** `one`, `other`: as for rewards to go: their first baseline is the b of the module, and their last
    `awaited` is g times what closes the last round.
    """
    assert course.horizon is not None  # see `gradient_moments`
    arrays, weights = course.play.arrays, course.weights[:, :, None, None]
    now = (
        one.ell[0][:, :, :, None],
        other.ell[0][:, :, None, :],
        one.paid[0][:, :, None, None],
        other.paid[0][:, :, None, None],
    )
    kept = (1.0, 1.0, one.discount, other.discount)

    def step(
        later: dict[tuple[int, ...], Array], _: None
    ) -> tuple[dict[tuple[int, ...], Array], None]:
        terms = {powers: course.ahead(own[None])[0] for powers, own in later.items()}
        for which, (drawn, share) in enumerate(zip(now, kept, strict=True)):
            for powers in (own for own in _POWERS if own[which]):  # multiply out one factor
                fewer = (*powers[:which], 0, *powers[which + 1 :])
                terms[powers] = drawn * terms[fewer] + share * terms[powers]
        return {powers: (weights * terms[powers]).sum(axis=1) for powers in _POWERS}, None

    states, sizes = arrays.num_states, (one.ell.shape[-1], other.ell.shape[-1])
    closing = [own.awaited[-1][:, None, None] / own.discount for own in (one, other)]

    def at_the_end(powers: tuple[int, ...]) -> Array:
        shape = (
            states,
            *(size if power else 1 for power, size in zip(powers[:2], sizes, strict=True)),
        )
        if any(powers[:2]):
            return jnp.zeros(shape)
        return jnp.ones(shape) * closing[0] ** powers[2] * closing[1] ** powers[3]

    start = {powers: at_the_end(powers) for powers in _POWERS}
    found, _ = lax.scan(step, start, None, length=course.horizon)
    first, second = (own.baseline[0][:, None, None] for own in (one, other))
    mean_one = found[1, 0, 1, 0] - first * found[1, 0, 0, 0]
    mean_other = found[0, 1, 0, 1] - second * found[0, 1, 0, 0]
    both = found[1, 1, 1, 1] - first * found[1, 1, 0, 1] - second * found[1, 1, 1, 0]
    both = both + first * second * found[1, 1, 0, 0]
    initial = arrays.initial
    return Moments(
        initial @ mean_one[:, :, 0],
        initial @ mean_other[:, 0, :],
        jnp.tensordot(initial, both, axes=1),
    )
