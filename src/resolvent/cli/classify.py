"""`resolvent classify`: what kind of policy a policy is, and at which discounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resolvent.cli import inputs, output, show
from resolvent.cli.errors import BadInputError
from resolvent.games import ExactPolicy, IteratedGame

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.analytic import PolicyClass, Trait


def classify(asked: inputs.Asked, policy: str, player: int, as_json: bool) -> None:
    """Print what a policy is by every definition, and where each holds."""
    game = inputs.playable(asked)
    if not isinstance(game, IteratedGame):
        raise BadInputError("GAME: classify expects an iterated game of actions")
    if not 1 <= player <= game.num_players:
        raise BadInputError(f"--player: expected 1 to {game.num_players}; got {player}")
    strategy = read_policy(policy, game, player - 1)

    from resolvent.analytic import classify_policy

    with inputs.refused("GAME"):
        found = classify_policy(game, strategy, player - 1)
    if as_json:
        output.print_json({"game": show.game_record(game), **record(found)})
    else:
        _print(output.console(), found, policy)


def read_policy(text: str, game: IteratedGame, player: int) -> ExactPolicy:
    """A strategy by name, or its chances of cooperating: `1,1,0,1,0`, the first round's first; or four, the
    first round as after mutual cooperation."""
    pieces = [own.strip() for own in text.split(",")]
    if len(pieces) == 1:
        return inputs.policy(pieces[0], game, player, "POLICY")
    if len(pieces) not in (4, 5):
        raise BadInputError(
            "POLICY: expected a name, or 5 chances START,CC,CD,DC,DD (or 4, without START, which is then CC's); "
            f"got {len(pieces)} numbers"
        )
    chances = pieces if len(pieces) == 5 else [pieces[0], *pieces]
    return inputs.policy(":".join(("memory_one", *chances)), game, player, "POLICY")


def _print(out: Console, found: PolicyClass, policy: str) -> None:
    who = f", player {found.player + 1}" if found.player else ""
    output.heading(out, f"{show.title(found.game)}: {policy}{who}")
    defined = [own for own in found.traits if own.undefined is None]
    rows: list[Any] = []
    for own in defined:
        mark = output.strong(own.word) if own else own.word
        rows.append([own.title, mark, own.where if own.discounted else "", own.definition])
    headers = ["", "", "at which discounts", "definition"]
    output.table(out, headers, rows, wrap_last=True)
    out.print()
    left_out: dict[str, list[str]] = {}
    for own in found.traits:
        if own.undefined is not None:
            left_out.setdefault(own.undefined, []).append(own.title)
    for why, names in left_out.items():
        output.prose(out, f"Not defined here: {', '.join(names)} ({why}).", indent=2)
    at = "" if found.discount is None else f" at discount {found.discount}"
    for line, kind in found.lines:
        output.prose(out, f"Whatever the others do{at}: {line} ({kind}).", indent=2)
    if found.self_play is not None:
        values = ", ".join(map(str, found.self_play))
        output.prose(out, f"With copies of itself{at}: {values} per round.", indent=2)
    out.print()


def record(found: PolicyClass) -> dict[str, Any]:
    """A classification for JSON."""
    return {
        "player": found.player + 1,
        "policy": found.policy,
        "chances": found.chances,
        "discount": found.discount,
        "traits": {own.name: _trait_record(own) for own in found.traits},
        "lines": [
            {
                "relation": str(line),
                "weights": line.weights,
                "constant": line.constant,
                "kind": kind,
            }
            for line, kind in found.lines
        ],
        "with_copies": found.self_play,
    }


def _trait_record(own: Trait) -> dict[str, Any]:
    known = {"definition": own.definition, "source": own.source}
    if own.discounts is None:
        return {**known, "defined": False, "why": own.undefined}
    return {
        **known,
        "defined": True,
        "holds": own.holds,
        "discounts": [
            {
                "low": str(part.low),
                "low_closed": part.low_closed,
                "high": str(part.high),
                "high_closed": part.high_closed,
            }
            for part in own.discounts.intervals
        ],
        "average": own.average,
    }
