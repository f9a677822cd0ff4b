"""The command line: `resolvent`, or `python -m resolvent`."""

import os
import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the command line on `sys.argv`; return its exit status."""
    try:
        from resolvent.cli.app import run

        status = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        # Only the extra's own packages: anything else that is missing is a broken installation.
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich"):
            raise
        print(
            f"resolvent: the command line needs {error.name}, which is not installed; "
            "run: pip install 'resolvent[cli]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        status = _INTERRUPTED
    if status == _INTERRUPTED:
        # JAX may still be computing in threads of its own, which an orderly end of Python does not survive.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
