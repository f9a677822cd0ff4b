"""`resolvent gradient`: one exact update, term by term."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

from resolvent.analytic.shaping_terms import Block, exact_terms
from resolvent.cli import differentiable, inputs, output, show
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError
from resolvent.games import DifferentiableGame, IteratedGame

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.analytic import ClosedForm
    from resolvent.games import ExactPolicy
    from resolvent.numeric.learners import AbstractLearner

# Rounding in float64, amplified by a discount close to one and policies close to 0 and 1.
_TOLERANCE = 1e-6
# Operations on rational power series, each of some microseconds.
_MOST_EXACT_WORK = 2_000_000

TERMS = ("naive", "look_ahead", "shaping")
HEADERS = {"naive": "naive gradient", "look_ahead": "look-ahead", "shaping": "shaping"}


@dataclass(frozen=True)
class Exact:
    """One player's update in rationals: its terms by name, and rate times their sum."""

    terms: dict[str, Block]
    update: Block

    @property
    def readable(self) -> bool:
        """Whether all of the fractions are short."""
        blocks = (self.update, *self.terms.values())
        return output.short(entry for block in blocks for row in block for entry in row)


@dataclass(frozen=True)
class Compiled:
    """One player's update in float64, a row per observation, and what the rule says about it."""

    update: list[list[float]]
    info: dict[str, float]


def gradient(
    asked: inputs.Asked,
    learner: str,
    rate: str,
    lookahead: str | None,
    policies: str | None,
    logits: str | None,
    parameters: Literal["logits", "policies"],
    normalise: Literal["average", "sum"],
    as_json: bool,
) -> None:
    """Print the updates of all players at one point."""
    played = inputs.playable(asked)
    inputs.require_numbers(played, "an update")
    if logits is not None and (policies is not None or parameters == "policies"):
        raise BadInputError("--logits: give either logits or policies")
    players = played.num_players
    rates = inputs.numbers(rate, players, "--rate", positive=True)
    steps = rates if lookahead is None else inputs.numbers(lookahead, players, "--lookahead")
    if isinstance(played, DifferentiableGame):
        unused = {
            "--policies": policies,
            "--parameters": parameters if parameters == "policies" else None,
        }
        inputs.refuse_for_parameters(asked, unused)
        _gradient_differentiable(played, learner, rates, steps, logits, as_json)
        return
    at = None
    if logits is None:
        at = inputs.joint_policy(policies or "uniform", played)
        if parameters == "logits" and any(0 in row for policy in at for row in policy):
            raise BadInputError(
                "--policies: logits of probabilities 0 and 1 are infinite; "
                "add --parameters policies to differentiate by probabilities"
            )

    from resolvent.analytic import closed_form

    form = closed_form(played, normalise)
    shapes = form.structure.parameter_shapes
    point = None if logits is None else inputs.logits(logits, shapes)
    prepare()
    rules = inputs.learners(learner, rates, steps, "--learner", form.compile(parameters))
    learned = [rule.describe() for rule in rules]
    exact: list[Exact | None] = [None] * players
    if at is not None:
        exact = _exact_updates(form, learned, rates, steps, at, parameters)

    out = output.console()
    early = not as_json and all(exact)
    if not as_json:
        where = f"policies {policies or 'uniform'}" if logits is None else f"logits {logits}"
        _print_title(out, form, parameters, where)
    if early:  # rather than after the compiler
        _print_tables(out, form, learned, exact, None)
    compiled = _compiled_updates(form, rules, at, point, parameters)
    differences = [_difference(*pair) for pair in zip(compiled, exact, strict=True)]
    if as_json:
        output.print_json(
            _record(form, parameters, at, point, learned, exact, compiled, differences)
        )
    else:
        if not early:
            _print_tables(out, form, learned, exact, compiled)
        _print_differences(out, exact, differences)
    if not all(isfinite(entry) for own in compiled for row in own.update for entry in row):
        raise FailedError("an update is not finite")
    largest = max((own for own in differences if own is not None), default=0.0)
    if largest > _TOLERANCE:
        raise FailedError(f"the compiled update is off the exact one by {largest:.1e}, relative")


def _gradient_differentiable(
    game: DifferentiableGame,
    learner: str,
    rates: Sequence[Fraction],
    steps: Sequence[Fraction],
    at: str | None,
    as_json: bool,
) -> None:
    """The updates of all players of a differentiable game."""
    from resolvent.analytic import closed_form

    form = closed_form(game)
    point = inputs.parameters(at, game.parameters)
    prepare()
    rules = inputs.learners(learner, rates, steps, "--learner", form.compile())
    found = differentiable.updates(form, rules, rates, steps, point)
    if as_json:
        output.print_json(differentiable.update_record(form, point, found))
    else:
        differentiable.print_updates(output.console(), game, point, found)
    differentiable.check_updates(found)


def _exact_updates(
    form: ClosedForm,
    learned: Sequence[dict[str, Any]],
    rates: Sequence[Fraction],
    steps: Sequence[Fraction],
    policies: Sequence[ExactPolicy],
    parameters: Literal["logits", "policies"],
) -> list[Exact | None]:
    """The updates of the rules that are sums of exact terms; None for the others."""
    used = [terms_of(rule) for rule in learned]
    count = sum(len(policy) * (len(policy[0]) - 1) for policy in policies)
    operations = show.operations(form.program)
    if not any(used) or operations is None or operations * count > _MOST_EXACT_WORK:
        return [None] * len(learned)
    every = exact_terms(form, policies, steps, parameters)
    updates: list[Exact | None] = []
    for names, terms, rate in zip(used, every, rates, strict=True):
        if names is None:
            updates.append(None)
            continue
        blocks: dict[str, Block] = {name: getattr(terms, name) for name in names}
        updates.append(Exact(blocks, scaled_sum(rate, list(blocks.values()))))
    return updates


def _compiled_updates(
    form: ClosedForm,
    rules: Sequence[AbstractLearner],
    policies: Sequence[ExactPolicy] | None,
    point: Sequence[Any] | None,
    parameters: Literal["logits", "policies"],
) -> list[Compiled]:
    """What the rules themselves return, at policies or at logits."""
    import equinox as eqx
    import numpy as np

    from resolvent.numeric.loop import joint_update

    values = form.compile(parameters)
    if point is None:
        assert policies is not None
        point = values.parameters([np.array(policy, dtype=float) for policy in policies])
    params = tuple(np.asarray(own) for own in point)

    @eqx.filter_jit
    def step(values: Any, rules: Any, params: Any) -> Any:
        states = [rule.init(values, params, player) for player, rule in enumerate(rules)]
        changes, _, infos = joint_update(values, rules, params, states)
        return changes, infos

    changes, infos = step(values, tuple(rules), params)
    return [
        Compiled(np.asarray(change).tolist(), {name: float(entry) for name, entry in info.items()})
        for change, info in zip(changes, infos, strict=True)
    ]


def terms_of(rule: dict[str, Any]) -> tuple[str, ...] | None:
    """Of which exact terms a rule is the sum; None where it is not."""
    by_rule: dict[tuple[str, str | None], tuple[str, ...]] = {
        ("Naive", None): ("naive",),
        ("LookAhead", None): ("naive", "look_ahead"),
        ("LOLA", "taylor"): TERMS,
        ("LOLA", "original"): ("naive", "shaping"),
    }
    return by_rule.get((rule["learner"], rule.get("variant")))


def scaled_sum(rate: Fraction, blocks: Sequence[Block]) -> Block:
    """rate (x + y + ...), exactly."""
    return tuple(
        tuple(rate * sum(entries) for entries in zip(*rows, strict=True))
        for rows in zip(*blocks, strict=True)
    )


def _difference(compiled: Compiled, exact: Exact | None) -> float | None:
    """The largest difference of the compiled update from the exact one, relative to its largest
    entry."""
    if exact is None:
        return None
    fast = [entry for row in compiled.update for entry in row]
    slow = [entry for row in exact.update for entry in row]
    if not all(map(isfinite, fast)):
        return inf
    largest = max(map(abs, slow), default=Fraction(0)) or Fraction(1)
    off = (abs(Fraction(x) - y) for x, y in zip(fast, slow, strict=True))
    return float(max(off, default=Fraction(0)) / largest)


def _print_title(out: Console, form: ClosedForm, parameters: str, where: str) -> None:
    output.heading(
        out, f"{show.title(form.game)}; values are the {show.scale_name(form.normalise)}"
    )
    changed = "logits" if parameters == "logits" else "probabilities"
    out.print(f"  At {where}. An update is added to the {changed}.", soft_wrap=True)


def _print_tables(
    out: Console,
    form: ClosedForm,
    learned: Sequence[dict[str, Any]],
    exact: Sequence[Exact | None],
    compiled: Sequence[Compiled] | None,
) -> None:
    for player, (rule, own) in enumerate(zip(learned, exact, strict=True)):
        output.heading(out, f"Player {player + 1}: {show.rule_name(rule)}")
        if own is not None:
            _print_exact(out, form, player, own)
        elif compiled is not None:
            _print_compiled(out, form, player, compiled[player])


def _print_exact(out: Console, form: ClosedForm, player: int, own: Exact) -> None:
    """A row per parameter: the terms, and the update."""
    names = list(own.terms) if len(own.terms) > 1 else []
    headers, labels = _labels(form, player)

    def written(entry: Fraction) -> str:
        return str(entry) if own.readable else output.decimal(entry)

    rows: list[list[output.Cell]] = []
    for (seen, action), label in labels.items():
        entry = own.update[seen][action]
        row = [*label, *(written(own.terms[name][seen][action]) for name in names)]
        row.append(output.strong(written(entry)))
        rows.append([*row, output.dim(output.decimal(entry))] if own.readable else row)
    columns = [*headers, *(HEADERS[name] for name in names), "update"]
    columns += [""] if own.readable else []
    output.table(out, columns, rows, align="l" * len(headers) + "r" * len(columns))


def _print_compiled(out: Console, form: ClosedForm, player: int, own: Compiled) -> None:
    """A row per parameter, in decimals."""
    headers, labels = _labels(form, player)
    rows = [
        [*label, output.strong(output.decimal(own.update[seen][action]))]
        for (seen, action), label in labels.items()
    ]
    output.table(out, [*headers, "update"], rows, align="l" * len(headers) + "r")
    norms = ", ".join(f"{name} {output.decimal(norm)}" for name, norm in own.info.items())
    out.print(f"\n  Norms of the terms: {norms}", soft_wrap=True)


def _labels(
    form: ClosedForm, player: int
) -> tuple[list[str], dict[tuple[int, int], list[output.Cell]]]:
    """What the rows of a player's parameters are called: what it observes, and the action where there
    is more than one to tell."""
    game = form.game
    actions = game.actions[player][:-1]
    several = len(actions) > 1
    labels: dict[tuple[int, int], list[output.Cell]] = {
        (o, a): [observation, action] if several else [observation]
        for o, observation in enumerate(game.observations[player])
        for a, action in enumerate(actions)
    }
    first = "after" if isinstance(game, IteratedGame) else "in"
    return [first, "action"] if several else [first], labels


def _print_differences(
    out: Console, exact: Sequence[Exact | None], differences: Sequence[float | None]
) -> None:
    known = [own for own in differences if own is not None]
    if not known:
        return
    short = all(own.readable for own in exact if own is not None)
    rounded = "" if short else ", shown rounded (--json has them in full)"
    out.print()
    output.prose(
        out,
        f"Exact rationals{rounded}. The compiled rule differs by {max(known):.1e}, relative.",
        indent=2,
    )


def _record(
    form: ClosedForm,
    parameters: str,
    policies: Sequence[ExactPolicy] | None,
    point: Sequence[Any] | None,
    learned: Sequence[dict[str, Any]],
    exact: Sequence[Exact | None],
    compiled: Sequence[Compiled],
    differences: Sequence[float | None],
) -> dict[str, Any]:
    return {
        "game": show.game_record(form.game),
        "normalise": form.normalise,
        "parameters": parameters,
        "policies": None if policies is None else show.policy_record(policies),
        "logits": None if point is None else list(point),
        "players": [
            {
                "learner": rule,
                "update": fast.update,
                "exact_update": None if slow is None else slow.update,
                "exact_terms": None if slow is None else slow.terms,
                "relative_difference": difference,
                "info": fast.info,
            }
            for rule, slow, fast, difference in zip(
                learned, exact, compiled, differences, strict=True
            )
        ],
    }
