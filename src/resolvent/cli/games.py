"""`resolvent games`: the catalogue, or one game of it."""

from __future__ import annotations

import inspect
import re
from typing import Any

from resolvent.cli import differentiable, output, show
from resolvent.cli.inputs import FACTORIES, any_game, catalogue_options
from resolvent.games import (
    CATALOGUE,
    DIFFERENTIABLE_CATALOGUE,
    DifferentiableGame,
    IteratedGame,
    NormalForm,
)


def games(game: str | None, as_json: bool) -> None:
    """List the catalogue, or show one game."""
    if game is None:
        _print_catalogue(as_json)
    else:
        _print_game(game, as_json)


def _print_catalogue(as_json: bool) -> None:
    records = [_record(name) for name in CATALOGUE]
    if as_json:
        smooth = [_differentiable_record(name) for name in DIFFERENTIABLE_CATALOGUE]
        output.print_json({"games": records, "differentiable": smooth})
        return
    out = output.console()
    output.table(
        out,
        ["game", "players", "actions", "what it is"],
        [
            [
                entry["name"],
                str(len(entry["players"])),
                _actions(entry["actions"]),
                entry["summary"],
            ]
            for entry in records
        ],
        align="lcll",
        indent=0,
        wrap_last=True,
    )
    out.print()
    # The names only: to build these games takes SymPy, and its import a second.
    output.table(
        out,
        ["differentiable game", "what it is"],
        [[name, _documentation(name)[0]] for name in DIFFERENTIABLE_CATALOGUE],
        indent=0,
        wrap_last=True,
    )
    out.print()
    output.prose(
        out,
        "`resolvent games NAME` shows a game's payoffs, options and source. `one_shot:NAME` is any matrix "
        "game played once, by logits. A file in TOML or Gambit's .nfg is a game too: docs/games.md describes "
        "the formats.",
    )


def _print_game(text: str, as_json: bool) -> None:
    game = any_game(text)
    key = text.partition(":")[0].strip().lower().replace("-", "_")
    known = key if key in FACTORIES else None
    if as_json:
        if isinstance(game, DifferentiableGame):
            record = differentiable.record(game)
        elif isinstance(game, NormalForm):
            record = _stage_record(game)
        else:
            stated_as = game.stage.stated_as if isinstance(game, IteratedGame) else "payoffs"
            record = show.game_record(game) | {"stated_as": stated_as}
        output.print_json(record | ({"options": _options(known)} if known else {}))
        return
    out = output.console()
    output.heading(out, str(game).splitlines()[0])
    if isinstance(game, DifferentiableGame):
        differentiable.table(out, game)
    else:
        show.payoff_table(out, game)
    if not isinstance(game, (NormalForm, DifferentiableGame)):
        out.print("\n  " + str(game).splitlines()[-1], soft_wrap=True)
    if known:
        out.print()
        for paragraph in _documentation(known):
            output.prose(out, paragraph, indent=2)
            out.print()
        options = _options(known)
        if options:
            typed = ",".join(f"{name}={value}" for name, value in options.items())
            output.prose(out, f"On the command line, with its defaults: {known}:{typed}", indent=2)


def _record(name: str) -> dict[str, Any]:
    record = _stage_record(CATALOGUE[name]())
    summary = _documentation(name)[0]
    return record | {"name": name, "summary": summary, "options": _options(name)}


def _differentiable_record(name: str) -> dict[str, Any]:
    record = differentiable.record(DIFFERENTIABLE_CATALOGUE[name]())
    summary = _documentation(name)[0]
    return record | {"name": name, "summary": summary, "options": _options(name)}


def _stage_record(stage: NormalForm) -> dict[str, Any]:
    return {
        "name": stage.name,
        "players": stage.players,
        "actions": stage.actions,
        "payoffs": stage.payoffs,
        "stated_as": stage.stated_as,
    }


def _options(name: str) -> dict[str, str]:
    return {key: str(own.default) for key, own in catalogue_options(name).items()}


def _actions(actions: tuple[tuple[str, ...], ...]) -> str:
    distinct = list(dict.fromkeys(" ".join(own) for own in actions))
    return " | ".join(distinct)


def _documentation(name: str) -> list[str]:
    """The docstring of a game, paragraph by paragraph, without its markup."""
    text = inspect.getdoc(FACTORIES[name]) or name
    text = re.sub(r"\[`resolvent\.games\.(\w+)`\]\[\]", r"\1", text)
    text = text.replace("**Arguments:**", "Options:").replace("**", "").replace("`", "")
    return [_unwrapped(paragraph) for paragraph in text.split("\n\n")]


def _unwrapped(paragraph: str) -> str:
    """One line per paragraph and per item of a list; items keep their indentation."""
    lines: list[str] = []
    for line in paragraph.splitlines():
        if not lines or line.lstrip().startswith("- "):
            lines.append(line.rstrip())
        else:
            lines[-1] += " " + line.strip()
    return "\n".join(lines)
