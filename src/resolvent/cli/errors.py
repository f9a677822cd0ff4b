"""What ends a command early."""

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: done; the computation failed; the input is wrong; Ctrl-C."""


class BadInputError(ValueError):
    """Something the user typed is wrong; the message is one line that says what."""


class FailedError(RuntimeError):
    """The computation could not be done; the message is one line that says why."""
