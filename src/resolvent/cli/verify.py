"""`resolvent verify`: whether policies are an equilibrium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from resolvent.cli import equilibria, inputs, output
from resolvent.cli.environment import prepare
from resolvent.cli.errors import FailedError
from resolvent.cli.learn import written


def verify(
    asked: inputs.Asked,
    once: bool,
    policies: str,
    subgame_perfect: bool,
    tolerance: str | None,
    certify: bool,
    save: Path | None,
    as_json: bool,
) -> None:
    """Print what players could gain by deviating; policies that are no equilibrium fail."""
    game = equilibria.game_of(asked, once)
    overlooked = None if tolerance is None else inputs.number(tolerance, "--tolerance")
    if overlooked is not None and overlooked < 0:
        inputs.number(tolerance or "", "--tolerance", positive=True)
    inputs.check_file(save, "--save", (".npz",))
    prepare()

    from resolvent.numeric import EQUILIBRIUM
    from resolvent.numeric import verify as judge

    joint = equilibria.profile(policies, game, "POLICIES")
    with inputs.refused("POLICIES"):
        found = judge(game, joint, tolerance=None if overlooked is None else float(overlooked))
    certificate = found.certify() if certify else None
    if save is not None:
        written(found.save, save, "--save")
    if as_json:
        record: dict[str, Any] = {"game": equilibria.game_record(game), **equilibria.record(found)}
        if certificate is not None:
            record["certificate"] = equilibria.certificate_record(certificate)
        output.print_json(record)
    else:
        out = output.console()
        output.heading(out, f"{equilibria.title(game)}: {policies}")
        equilibria.print_equilibrium(out, found)
        _print_deviations(out, found)
        if certificate is not None:
            equilibria.print_certificate(out, certificate)
        equilibria.files_written(out, (save,))
        out.print()
    perfect = bool(found.status == EQUILIBRIUM.subgame_perfect)
    if not (perfect if subgame_perfect else found.found):
        wanted = "a subgame-perfect equilibrium" if subgame_perfect else "an equilibrium"
        gain = found.regret.subgame_perfect if subgame_perfect else found.regret.nash
        raise FailedError(
            f"{policies} is not {wanted}: a player gains {equilibria.number(gain)} of its payoff range"
        )


def _print_deviations(out: Any, found: Any) -> None:
    """What each player would do instead, where that is better."""
    from resolvent.numeric.equilibrium.verification import state_names

    regret, states = found.regret, state_names(found.game)
    for player, name in enumerate(found.game.players):
        gains = regret.gains[player]
        if max(gains) <= found.tolerance * regret.ranges[player]:
            continue
        actions = [found.game.actions[player][a] for a in regret.best_replies[player]]
        worst = max(range(len(states)), key=lambda k, own=gains: own[k])
        where = "" if len(states) == 1 else f", from {states[worst]}"
        out.print(
            f"  Player {name} gains {equilibria.number(gains[worst])} per round{where}, by playing "
            f"{' '.join(actions)}",
            soft_wrap=True,
        )
