"""A griffe extension: fence the doctests of Markdown docstrings.

In a docstring, `>>> f(x)` is what Python's doctest reads and what a reader of the source expects; in Markdown the
same characters open a block quote. The text in the source stays as doctest wants it, the page shows a code block.
"""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^(?P<indent>[ ]*)>>> .*(?:\n(?!\s*(?:\n|$|```)).*)*", re.MULTILINE)


def fence(text: str) -> str:
    """Put each run of `>>>` lines with its output, up to a blank line, between fences unless it has them."""
    pieces = re.split(r"(^[ ]*```.*?^[ ]*```[ ]*$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(
        piece
        if index % 2
        else EXAMPLE.sub(lambda m: f"{m['indent']}```pycon\n{m[0]}\n{m['indent']}```", piece)
        for index, piece in enumerate(pieces)
    )


class FenceDoctests(griffe.Extension):
    """Apply `fence` to every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fence(obj.docstring.value)
