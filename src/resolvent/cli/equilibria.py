"""What the commands on equilibria share: games, profiles, tables and records."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli import inputs, output, show
from resolvent.cli.errors import BadInputError
from resolvent.cli.learn import plural, written
from resolvent.games import DifferentiableGame, IteratedGame, NormalForm

if TYPE_CHECKING:
    from rich.console import Console

    from resolvent.games import DynamicGame
    from resolvent.numeric.equilibrium import Certificate, Equilibrium

    Game = NormalForm | DynamicGame

FIGURES = (".png", ".pdf", ".svg")


def game_of(asked: inputs.Asked, once: bool) -> Game:
    """The game that was asked for: iterated as elsewhere, or its matrix, `once`. A file of a matrix game is played
    once unless a discount is given."""
    game = inputs.any_game(asked.game)
    if isinstance(game, DifferentiableGame):
        raise BadInputError(
            f"GAME: {asked.game} is a differentiable game; expected a matrix game, an iterated or a stochastic one"
        )
    file = Path(asked.game).suffix in (".toml", ".nfg")
    if not once and not (file and isinstance(game, NormalForm) and not asked.rules):
        found: Game = inputs.dynamic_game(asked)
    else:
        found = _matrix(asked, game)
    inputs.require_numbers(found, "finding equilibria")
    return found


def _matrix(asked: inputs.Asked, game: Game) -> NormalForm:
    if asked.rules:
        option = "--" + next(iter(asked.rules)).replace("_", "-")
        raise BadInputError(f"{option}: a game that is played --once has no such rule")
    if not isinstance(game, (NormalForm, IteratedGame)):
        raise BadInputError(f"--once: {asked.game} is a stochastic game")
    stage = game.stage if isinstance(game, IteratedGame) else game
    if not asked.settings:
        return stage
    with inputs.refused("--set"):
        return stage.substitute(inputs.settings(asked))


def profile(text: str, game: Game, option: str) -> Sequence[Any]:
    """Policies as typed: those of `derive`, `mixed:2/3:1/3` for the same odds in every state, or a file `.npz` of
    an equilibrium or of a run; `run.npz:7` is its run 7, from 0."""
    name, _, index = text.partition(".npz")
    if _:
        return _loaded(Path(name + ".npz"), index, game, option)
    played = game.iterated(0, memory=0) if isinstance(game, NormalForm) else game
    return inputs.joint_policy(text, played, option)


def _loaded(path: Path, index: str, game: Game, option: str) -> Sequence[Any]:
    from resolvent.numeric import Equilibrium, Run

    try:
        try:
            found: Any = Run.load(path)
        except ValueError as error:
            try:
                found = Equilibrium.load(path)
            except ValueError:
                raise BadInputError(f"{option}: {error}") from None
    except OSError as error:
        raise BadInputError(f"{option}: {path}: {error.strerror or error}") from None
    if found.policies is None:
        raise BadInputError(f"{option}: {path}: this run has no policies")
    if isinstance(found, Equilibrium) or found.values.ndim == 1:
        if index:
            raise BadInputError(f"{option}: {path} holds one profile; leave out {index!r}")
        return found.policies
    which = inputs.integer(index.removeprefix(":"), option) if index else None
    if which is None or not 0 <= which < found.num_runs:
        raise BadInputError(
            f"{option}: {path} holds {found.num_runs} runs; say which from 0, as in {path}:0"
        )
    return tuple(own[which] for own in found.policies)


def title(game: Game) -> str:
    """What is played, in a line."""
    if isinstance(game, NormalForm):
        return f"{game.name or 'matrix game'}, played once"
    return show.title(game)


def print_equilibrium(out: Console, found: Equilibrium) -> None:
    """Policies, values, and what players could gain."""
    from resolvent.numeric import EQUILIBRIUM
    from resolvent.numeric.equilibrium.verification import state_names

    states = state_names(found.game)
    rows: list[list[output.Cell]] = []
    for player, own in enumerate(found.policies):
        for k, row in enumerate(own):
            rows.append(
                [
                    found.game.players[player] if k == 0 else "",
                    *([] if len(states) == 1 else [states[k]]),
                    mix(row, found.game.actions[player]),
                    number(found.values[player][k]),
                ]
            )
    headers = ["player", *([] if len(states) == 1 else ["after"]), "plays"]
    headers.append("value per round" if len(states) > 1 else "payoff")
    output.table(out, headers, rows, align="l" * (len(headers) - 1) + "r")
    out.print()
    message = EQUILIBRIUM[found.status]
    if found.found and len(states) == 1:  # which is every state
        message = "an equilibrium"
    line = f"  {message[0].upper()}{message[1:]}."
    out.print(output.strong(line) if found.found else line, soft_wrap=True)
    gain = f"  Largest gain by deviating, of the payoff range: {number(found.regret.nash)}"
    if len(states) > 1:
        gain += f" from the start, {number(found.regret.subgame_perfect)} from any state"
    out.print(gain + (" (exact)" if found.exact else ""), soft_wrap=True)


def print_certificate(out: Console, certificate: Certificate) -> None:
    """What was proved."""
    out.print(f"  Certificate: {certificate}", soft_wrap=True)


def mix(row: Sequence[Any], actions: Sequence[str]) -> str:
    """What is played in a state: `C`, or `C 2/3, D 1/3`."""
    played = [(action, p) for action, p in zip(actions, row, strict=True) if p > 0]
    if len(played) == 1:
        return played[0][0]
    return ", ".join(f"{action} {number(p)}" for action, p in played)


def number(value: Any) -> str:
    """A rational as it is where it is short, and otherwise six digits."""
    if isinstance(value, Fraction):
        return str(value) if output.short([value]) else output.decimal(value)
    return output.decimal(float(value))


def game_record(game: Game) -> dict[str, Any]:
    """A game for JSON."""
    if not isinstance(game, NormalForm):
        return show.game_record(game)
    return {
        "name": game.name,
        "players": game.players,
        "actions": game.actions,
        "payoffs": game.payoffs,
        "kind": "matrix",
    }


def record(found: Equilibrium) -> dict[str, Any]:
    """An equilibrium for JSON."""
    from resolvent.numeric import EQUILIBRIUM
    from resolvent.numeric.equilibrium.verification import state_names

    return {
        "states": state_names(found.game),
        "policies": found.policies,
        "values": found.values,
        "equilibrium": found.found,
        "subgame_perfect": bool(found.status == EQUILIBRIUM.subgame_perfect),
        "status": EQUILIBRIUM[found.status],
        "method": found.method,
        "exact": found.exact,
        "regret": {
            "nash": found.regret.nash,
            "subgame_perfect": found.regret.subgame_perfect,
            "one_shot": found.regret.largest_one_shot,
        },
    }


def certificate_record(certificate: Certificate) -> dict[str, Any]:
    """A certificate for JSON."""
    return {
        "proved": certificate.proved,
        "reason": certificate.reason,
        "radius": certificate.radius,
        "unique": certificate.unique,
    }


def draw(found: Equilibrium, path: Path) -> None:
    """The path that led to an equilibrium, or its policies, as a file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    def save(where: Path) -> None:
        figure, ax = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        found.plot(ax)
        figure.savefig(where, dpi=150)
        pyplot.close(figure)

    written(save, path, "--plot")


def files_written(out: Console, files: Sequence[Path | None]) -> None:
    """Say which files there are."""
    for path in files:
        if path is not None:
            out.print(output.dim(f"  Wrote {path}"), soft_wrap=True)


def steps_of(path: Any) -> str:
    """How a path was followed, in a line; nothing where there is none."""
    if path is None:
        return ""
    inner = getattr(path, "path", path)
    turns = len(path.turning_points)
    return f"{plural(int(inner.steps), 'step')}, {plural(turns, 'turning point')}"
