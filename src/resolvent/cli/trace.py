"""`resolvent trace`: the equilibrium to which a prior leads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolvent.cli import equilibria, inputs, output
from resolvent.cli.environment import prepare
from resolvent.cli.errors import FailedError
from resolvent.cli.learn import require_matplotlib, written

if TYPE_CHECKING:
    from resolvent.games import DynamicGame, NormalForm
    from resolvent.numeric.equilibrium import Equilibrium


def trace(
    asked: inputs.Asked,
    once: bool,
    prior: str,
    mixed: str,
    method: str,
    certify: bool,
    save: Path | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Follow a path from a prior, print where it ends, and save it."""
    game = equilibria.game_of(asked, once)
    share = float(inputs.number(mixed, "--mixed"))
    inputs.check_file(save, "--save", (".npz",))
    inputs.check_file(plot, "--plot", equilibria.FIGURES)
    if plot is not None:
        require_matplotlib()
    prepare()
    found = _traced(game, prior, share, method)
    certificate = found.certify() if certify else None
    if save is not None:
        written(found.save, save, "--save")
    if plot is not None:
        equilibria.draw(found, plot)
    if as_json:
        record: dict[str, Any] = {
            "game": equilibria.game_record(game),
            "prior": prior,
            "mixed": share,
            **equilibria.record(found),
            "path": equilibria.steps_of(found.path),
        }
        if certificate is not None:
            record["certificate"] = equilibria.certificate_record(certificate)
        output.print_json(record)
    else:
        out = output.console()
        output.heading(out, f"{equilibria.title(game)}: traced from {prior}")
        equilibria.print_equilibrium(out, found)
        if certificate is not None:
            equilibria.print_certificate(out, certificate)
        steps = equilibria.steps_of(found.path)
        out.print(output.dim(f"  By {found.method}: {steps}."), soft_wrap=True)
        equilibria.files_written(out, (save, plot))
        out.print()
    if not found.found:
        raise FailedError(f"the path from {prior} led to no equilibrium")


def _traced(game: NormalForm | DynamicGame, text: str, share: float, method: str) -> Equilibrium:
    from resolvent.numeric.equilibrium.linear import linear_trace
    from resolvent.numeric.equilibrium.logarithmic import trace as logarithmic_trace
    from resolvent.numeric.equilibrium.logit import logit_trace
    from resolvent.numeric.equilibrium.priors import PRIORS, mixed_with_uniform, read_prior

    names = [part.strip().replace("-", "_") for part in text.split(",")]
    beliefs: Any
    if all(name in PRIORS for name in names):
        beliefs = names[0] if len(names) == 1 else names
    else:
        beliefs = equilibria.profile(text, game, "--prior")
    with inputs.refused("trace"):
        if share:
            beliefs = mixed_with_uniform(game, beliefs, share)
        if method == "logarithmic":
            return logarithmic_trace(game, beliefs)
        if isinstance(beliefs, list) or (isinstance(beliefs, str) and beliefs != "uniform"):
            beliefs = read_prior(game, beliefs)
        if method == "linear":
            return linear_trace(game, beliefs)
        return logit_trace(game, prior=None if isinstance(beliefs, str) else beliefs)
