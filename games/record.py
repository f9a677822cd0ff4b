"""What the frozen records of this room share."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property
from typing import Any


class Record:
    """A frozen dataclass (declared with `eq=False`) that is equal by content.

    A game can hold a million numbers and is the key of many caches, so that its hash is computed
    once. What is computed from the fields is not pickled: the hash of a string differs from one
    process to the next.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Record) or type(self) is not type(other):
            return NotImplemented
        return self._content == other._content

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # pyright: ignore[reportArgumentType]

    @cached_property
    def _content(self) -> tuple[Any, ...]:
        return tuple(self.__getstate__().values())

    @cached_property
    def _hash(self) -> int:
        return hash((type(self).__name__, _hash_of(self._content, {})))


def _hash_of(node: object, known: dict[int, int]) -> int:
    """The hash of nested tuples, each tuple object looked at once however often it occurs: the rows
    of a game are mostly the same object, and `tuple.__hash__` keeps nothing."""
    if not isinstance(node, tuple):
        return hash(node)
    found = known.get(id(node))
    if found is None:
        found = known[id(node)] = hash(tuple([_hash_of(child, known) for child in node]))
    return found
