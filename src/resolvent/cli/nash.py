"""`resolvent nash`: one equilibrium of a game, or all that can be found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli import equilibria, inputs, output
from resolvent.cli.environment import prepare
from resolvent.cli.errors import BadInputError, FailedError
from resolvent.cli.learn import plural, require_matplotlib, written

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.numeric.equilibrium import Equilibrium
    from resolvent.numeric.equilibrium.equilibria import Equilibria

_MOST_ROWS = 50


def nash(
    asked: inputs.Asked,
    once: bool,
    every: bool,
    method: str,
    certify: bool,
    save: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Find equilibria, print them, and save the one that was asked for."""
    game = equilibria.game_of(asked, once)
    if every:
        for option, given in (("--save", save), ("--plot", plot)):
            if given is not None:
                raise BadInputError(f"{option}: is for one equilibrium; leave out --all")
    inputs.check_file(save, "--save", (".npz",))
    inputs.check_file(plot, "--plot", equilibria.FIGURES)
    if plot is not None:
        require_matplotlib()
    prepare()

    from resolvent.numeric.equilibrium.solve import nash as find

    if every:
        with inputs.refused("nash"):
            several = find(game, method, all=True)
        if as_json:
            output.print_json(_record(several, certify))
        else:
            _print_all(output.console(), several, certify)
        if not len(several) and several.lost:
            raise FailedError("no path led to an equilibrium")
        return
    with inputs.refused("nash"):
        found = find(game, method)
    if save is not None:
        written(found.save, save, "--save")
    if plot is not None:
        equilibria.draw(found, plot)
    certificate = found.certify() if certify else None
    if as_json:
        record: dict[str, Any] = {"game": equilibria.game_record(game), **equilibria.record(found)}
        if certificate is not None:
            record["certificate"] = equilibria.certificate_record(certificate)
        output.print_json(record)
    else:
        out = output.console()
        output.heading(out, f"{equilibria.title(game)}: an equilibrium")
        equilibria.print_equilibrium(out, found)
        if certificate is not None:
            equilibria.print_certificate(out, certificate)
        out.print(output.dim(f"  By {found.method}."), soft_wrap=True)
        equilibria.files_written(out, (save, plot))
        out.print()
    if not found.found:
        raise FailedError("no equilibrium was found")


def _print_all(out: Console, several: Equilibria, certify: bool) -> None:
    count = len(several)
    noun = "equilibrium" if count == 1 else "equilibria"
    output.heading(out, f"{equilibria.title(several.game)}: {count:,} {noun}")
    players = several.game.players
    rows: list[list[output.Cell]] = []
    for k, found in enumerate(several[:_MOST_ROWS], 1):
        rows.append(
            [
                str(k),
                *(_short(found, player) for player in range(len(players))),
                ", ".join(equilibria.number(own[0]) for own in found.values),
                equilibria.number(found.regret.nash),
                *(["proved" if found.certify() else "not proved"] if certify else []),
            ]
        )
    headers = [
        "",
        *(f"player {name}" for name in players),
        "values per round",
        "regret",
        *(["certificate"] if certify else []),
    ]
    if rows:
        output.table(out, headers, rows, align="r" + "l" * (len(headers) - 1))
        out.print()
    if count > _MOST_ROWS:
        out.print(output.dim(f"  ... and {count - _MOST_ROWS:,} more; --json has them all."))
    states = getattr(several.game, "states", ())
    if len(states) > 1:
        out.print(f"  Actions after {' '.join(states)}; values from {states[0]}.", soft_wrap=True)
    if several.components is not None:
        out.print(f"  {plural(len(several.components), 'connected component')}.", soft_wrap=True)
    if several.lost:
        out.print(f"  {plural(several.lost, 'start')} led to none.", soft_wrap=True)
    out.print(output.dim(f"  By {several.method}: {several.note}."), soft_wrap=True)
    out.print()


def _short(found: Equilibrium, player: int) -> str:
    """A policy in a cell: what is played in each state."""
    actions = found.game.actions[player]
    mixes = [equilibria.mix(row, actions) for row in found.policies[player]]
    if len(mixes) == 1:
        return mixes[0]
    return " ".join(f"({own})" if " " in own else own for own in mixes)


def _record(several: Equilibria, certify: bool) -> dict[str, Any]:
    found = []
    for own in several:
        entry = equilibria.record(own)
        if certify:
            entry["certificate"] = equilibria.certificate_record(own.certify())
        found.append(entry)
    return {
        "game": equilibria.game_record(several.game),
        "method": several.method,
        "complete": several.complete,
        "note": several.note,
        "lost": several.lost,
        "components": several.components,
        "indices": several.indices,
        "equilibria": found,
    }
