"""`resolvent derive --export`: the closed form as LaTeX, Python, C, or the library's own format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resolvent.cli.errors import FailedError
from resolvent.cli.inputs import refused

if TYPE_CHECKING:
    from resolvent.analytic import ClosedForm

ENDINGS = (".tex", ".py", ".c", ".json")


def export(form: ClosedForm, path: Path) -> None:
    """Write a closed form to a file, in the format that the file's name ends in."""
    with refused("--export"):
        try:
            if path.suffix == ".json":
                form.save(path)
            else:
                path.write_text(_text(form, path), encoding="utf-8")
        except OSError as error:
            raise FailedError(f"--export: {path}: {error.strerror or error}") from None


def _text(form: ClosedForm, path: Path) -> str:
    if path.suffix == ".py":
        return form.python()
    if path.suffix == ".c":
        from resolvent.analytic.export import c_identifier

        # Functions of different files can be linked together.
        return form.c(c_identifier(path.stem))
    from resolvent.analytic import TooLargeToExpandError

    try:
        return form.latex(expanded=True) + "\n"
    except TooLargeToExpandError:
        return form.latex() + "\n"
