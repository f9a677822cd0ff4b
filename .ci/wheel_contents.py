"""Fail unless a wheel holds exactly the package's files that git knows, each once.

Usage: python .ci/wheel_contents.py dist/resolvent-*.whl

The wheel is assembled from four folders (`[tool.hatch.build.targets.wheel]` in pyproject.toml). A file that git has
and the wheel lacks is a broken install; one that the wheel has and git lacks is somebody's scratch file.
"""

import subprocess
import sys
import zipfile
from collections import Counter

FOLDERS = {
    "src/resolvent/": "resolvent/",
    "analytic/": "resolvent/analytic/",
    "numeric/": "resolvent/numeric/",
    "games/": "resolvent/games/",
}
LINKS = {"src/resolvent/analytic", "src/resolvent/numeric", "src/resolvent/games"}


def expected() -> Counter[str]:
    """The paths inside the wheel of all files that git tracks or would add."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *FOLDERS],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = [path for path in listing.split("\0") if path and path not in LINKS]
    names = []
    for path in paths:
        folder = next(folder for folder in FOLDERS if path.startswith(folder))
        names.append(FOLDERS[folder] + path.removeprefix(folder))
    return Counter(names)


def found(wheel: str) -> Counter[str]:
    """The paths of all package files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    return Counter(name for name in names if ".dist-info/" not in name)


def main() -> None:
    (wheel,) = sys.argv[1:]
    want, have = expected(), found(wheel)
    for title, names in [("missing from", want - have), ("only in", have - want)]:
        for name in sorted(names.elements()):
            print(f"{title} the wheel: {name}", file=sys.stderr)
    if want != have:
        sys.exit(f"{wheel} does not hold what git does")
    print(f"{wheel.rsplit('/', 1)[-1]}: {have.total()} files, the same as in git")


if __name__ == "__main__":
    main()
