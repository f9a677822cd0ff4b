"""Results as files: NumPy's `.npz` of plain arrays, with a JSON text `metadata` in it. Nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_path(path: str | Path) -> Path:
    """**Raises:** `ValueError` where the name does not end in `.npz`."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: the name must end in .npz; got {path.suffix!r}")
    return path


def write_archive(path: str | Path, metadata: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write nested tuples and mappings of arrays; an existing file is replaced."""
    fields: dict[str, Any] = {"metadata": json.dumps(metadata), **dict(flatten(arrays))}
    with check_path(path).open("wb") as file:
        np.savez(file, **fields)


def read_archive(path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name, `metadata` among them.

    **Raises:** `ValueError`, naming the file, where it is not such a file.
    """
    path = check_path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a readable .npz file: {error}") from error


def parse_metadata(
    text: NDArray[Any] | None, formats: tuple[str, ...], expected: Mapping[str, type]
) -> dict[str, Any]:
    """The metadata of a file of one of `formats`, the current one first, with fields of the `expected`
    types."""
    if text is None:
        raise ValueError("metadata: missing")
    try:
        metadata = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"metadata: not JSON: {error}") from None
    if not isinstance(metadata, dict) or metadata.get("format") not in formats:
        got = metadata.get("format") if isinstance(metadata, dict) else metadata
        raise ValueError(f"metadata: expected format {formats[0]!r}, got {got!r}")
    for name, kind in expected.items():
        if not isinstance(metadata.get(name), kind):
            raise ValueError(f"metadata.{name}: expected {kind.__name__}")
    return metadata


def check_provenance(provenance: Mapping[str, Any]) -> None:
    for name in ("name", "game", "patient", "normalise", "learners", "versions"):
        if name not in provenance:
            raise ValueError(f"metadata.provenance.{name}: missing")


def flatten(nest: Any, name: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Nested tuples and mappings of arrays -> arrays by name, `history/params/0`."""
    if isinstance(nest, (tuple, Mapping)):
        items = nest.items() if isinstance(nest, Mapping) else enumerate(nest)
        for key, own in items:
            yield from flatten(own, f"{name}/{key}" if name else str(key))
    else:
        yield name, np.asarray(nest)


def unflatten(fields: Mapping[str, Any]) -> Any:
    """The inverse of `flatten`."""
    nest: dict[str, Any] = {}
    for name, own in fields.items():
        *parents, last = name.split("/")
        inner = nest
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{name}: {parent} is an array already")
        inner[last] = own

    def tuples(own: Any) -> Any:
        if not isinstance(own, dict):
            return own
        if own and all(key.isdecimal() for key in own):
            if set(own) != {str(k) for k in range(len(own))}:
                raise ValueError(f"entries {sorted(own)}: expected 0, 1, ... without gaps")
            return tuple(tuples(own[str(k)]) for k in range(len(own)))
        return {key: tuples(inner) for key, inner in own.items()}

    return tuples(nest)
