"""A closed form as source code that stands alone: one Python module, or one C99 function.

Both are the straight-line program written out, operation by operation and in its order, so that in
double precision they return what `Program.run` does on floats, bit for bit. Identifiers are
generated; text from a game (names of players, states and actions) appears in comments only, and
there with nothing that could end the comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from textwrap import dedent

from resolvent.analytic.graph import Program

MAX_FUNCTION = 1_000
"""Most operations in one C function: where many numbers live long, GCC takes more than linear time in
its length (100,000 operations of that kind compile in half a minute)."""

_PYTHON_HEAD = dedent(
    '''
    """The value of every player, from all policies, as straight-line code. Needs the standard library only."""

    from fractions import Fraction
    from functools import lru_cache

    '''
).lstrip()

_PYTHON_BODY = dedent(
    '''

    @lru_cache
    def _constants(number):
        return [number(constant) for constant in _CONSTANTS]


    def _length(value):
        try:
            return len(value)
        except TypeError:
            return None


    def _entries(policies, number):
        if _length(policies) != len(SHAPES):
            raise ValueError(f"policies: expected a sequence of {len(SHAPES)} arrays, one per player")
        entries = []
        for player, (policy, (rows, actions)) in enumerate(zip(policies, SHAPES)):
            if _length(policy) != rows or any(_length(row) != actions for row in policy):
                raise ValueError(f"policies[{player}]: expected {rows} rows of {actions} probabilities")
            entries.extend(number(entry) for row in policy for entry in row)
        return entries


    def values(policies, number=float):
        """One value per player, as a tuple.

        policies: one sequence of rows per player, shaped as in SHAPES; each row holds the probabilities
            of all actions, the last one included, and should sum to one (this is not checked).
        number: float, or fractions.Fraction for exact values of exact policies.
        """
        p = _entries(policies, number)
        c = _constants(number)
    '''
)


def python_source(
    program: Program,
    *,
    name: str,
    input_names: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    header: str = "",
) -> str:
    """A Python module, standard library only, with one function `values(policies, number=float)`.

    `values` takes one (rows, actions) array per player as nested sequences, refuses other shapes
    and returns a tuple of one value per player. `number` makes the numbers that it works in:
    `float`, or `fractions.Fraction` for exact values of exact policies.

    **Arguments:**

    - `program`: reads all policy entries (player, row, action; row-major) and nothing else.
    - `name`: what the values are of; a comment.
    - `input_names`: one name for each entry, such as `"p_{CC}"`; comments.
    - `shapes`: (rows, actions) of each player's policy.
    - `header`: where this comes from (game, discount, version); comments, line by line.

    **Raises:** `ValueError` where these do not fit the program.
    """
    _check(program, input_names, shapes)
    about = [f"# {line}".rstrip() for text in (name, header) for line in _printable(text)]
    lines = [*about, _PYTHON_HEAD, f"SHAPES = {_tuple(f'({r}, {a})' for r, a in shapes)}"]
    lines.append("_CONSTANTS = (")
    for constant in program.constants:
        pair = f"{_integer(constant.numerator)}, {_integer(constant.denominator)}"
        lines.append(f"    Fraction({pair}),")
    lines += [")", _PYTHON_BODY.rstrip()]

    numbers = [*(f"x{k}" for k in range(program.inputs))]
    for label, text in zip(numbers, input_names, strict=True):
        lines.append(f"    {label} = p[{label[1:]}]  # {' '.join(_printable(text))}".rstrip())
    numbers += [f"c[{k}]" for k in range(len(program.constants))]
    for operation, left, right in program.instructions:
        numbers.append(f"t{len(numbers)}")
        lines.append(f"    {numbers[-1]} = {numbers[left]} {operation} {numbers[right]}")
    lines.append(f"    return {_tuple(numbers[k] for k in program.outputs)}")
    return "\n".join(lines) + "\n"


def c_source(
    program: Program,
    *,
    name: str,
    input_names: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    header: str = "",
) -> str:
    """A C99 file without dependencies that defines

    `void NAME_values(const double *policies, double *values)`.

    `policies` are all entries in a row (player, row, action; row-major), `values` receives one number
    per player. Constants are the nearest doubles, in hexadecimal. What would be a division by zero
    gives an infinity or a NaN, as IEEE 754 has it.

    **Arguments:** as of [`resolvent.analytic.export.python_source`][], except

    - `name`: the NAME, a C identifier (see `c_identifier`).

    **Raises:** `ValueError` for another name, and for a constant that no double can hold.
    """
    _check(program, input_names, shapes)
    if c_identifier(name) != name:
        raise ValueError(
            f"name: expected a C identifier such as {c_identifier(name)!r} (ASCII letters, digits and "
            f"underscores, a letter first, at most 48 of them), got {name!r}"
        )
    program = _without_dead_code(program)
    prototype = f"void {name}_values(const double *policies, double *values)"
    lines = [_c_comment(prototype, program, input_names, shapes, header), "", f"{prototype};"]
    parts = _parts(program)
    if len(parts) == 1:
        numbers = _c_leaves(program)
        body = _c_operations(program, parts[0], numbers)
    else:
        for at, part in enumerate(parts):
            lines += ["", *_c_part(program, part, f"{name}_part_{at}")]
        numbers = _c_leaves(program) | {k: f"w[{slot}]" for k, slot in parts[-1].slots.items()}
        size = 1 + max(slot for part in parts for slot in part.slots.values())
        body = [f"    double w[{size}];", ""]
        body += [f"    {name}_part_{at}(policies, w);" for at in range(len(parts))]
    body += [f"    values[{i}] = {numbers[k]};" for i, k in enumerate(program.outputs)]
    if not any("policies" in line for line in body):
        body.insert(0, "    (void)policies;")
    return "\n".join([*lines, "", prototype, "{", *body, "}"]) + "\n"


def c_identifier(text: str) -> str:
    """A C identifier as close to `text` as that can be: `"Prisoner's dilemma"` -> `prisoner_s_dilemma`."""
    if re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,47}", text, re.ASCII):
        return text
    words = "_".join(re.findall("[a-z0-9]+", text.lower()))[:40].strip("_")
    return words if words[:1].isalpha() else f"game_{words}".rstrip("_")


@dataclass(frozen=True)
class _Part:
    """Consecutive instructions that become one C function. The numbers that live on between parts
    are in a workspace: `slots` says where, at the end of the part (number -> slot); those in `loads`
    are read from it first, `stores` written last."""

    numbers: range
    loads: tuple[tuple[int, int], ...]
    stores: tuple[tuple[int, int], ...]
    slots: dict[int, int]


def _parts(program: Program) -> list[_Part]:
    first = program.inputs + len(program.constants)
    end = first + len(program.instructions)
    ranges = [range(k, min(k + MAX_FUNCTION, end)) for k in range(first, end, MAX_FUNCTION)]
    ranges = ranges or [range(first, first)]
    last_use = dict.fromkeys(program.outputs, len(ranges))
    for k, (_, *pair) in reversed(list(enumerate(program.instructions))):
        for number in pair:
            last_use.setdefault(number, k // MAX_FUNCTION)
    parts: list[_Part] = []
    slots: dict[int, int] = {}
    free: list[int] = []
    for at, numbers in enumerate(ranges):
        used = {k for n in numbers for k in program.instructions[n - first][1:]}
        loads = tuple((k, slots[k]) for k in sorted(used & slots.keys()))
        # All loads precede all stores, so what is read here for the last time makes room at once.
        for k in [k for k in slots if last_use[k] == at]:
            free.append(slots.pop(k))
        stores = []
        for k in numbers:
            if last_use[k] > at:
                slots[k] = free.pop() if free else len(slots)
                stores.append((k, slots[k]))
        parts.append(_Part(numbers, loads, tuple(stores), dict(slots)))
    return parts


def _c_part(program: Program, part: _Part, function: str) -> list[str]:
    numbers = _c_leaves(program)
    numbers.update((k, f"t{k}") for k, _ in part.loads)
    body = [f"    const double t{k} = w[{slot}];" for k, slot in part.loads]
    body += _c_operations(program, part, numbers)
    body += [f"    w[{slot}] = t{k};" for k, slot in part.stores]
    if not any("policies[" in line for line in body):
        body.insert(0, "    (void)policies;")
    return [f"static void {function}(const double *policies, double *w)", "{", *body, "}"]


def _c_leaves(program: Program) -> dict[int, str]:
    leaves = {k: f"policies[{k}]" for k in range(program.inputs)}
    for k, constant in enumerate(program.constants):
        leaves[program.inputs + k] = _c_literal(constant, k)
    return leaves


def _c_operations(program: Program, part: _Part, numbers: dict[int, str]) -> list[str]:
    """One line per instruction of the part; their names are added to `numbers`."""
    first = program.inputs + len(program.constants)
    lines = []
    for k in part.numbers:
        operation, left, right = program.instructions[k - first]
        numbers[k] = f"t{k}"
        lines.append(f"    const double t{k} = {numbers[left]} {operation} {numbers[right]};")
    return lines


def _c_literal(constant: Fraction, k: int) -> str:
    try:
        text = float(constant).hex()
    except OverflowError:
        raise ValueError(f"program: constant number {k} is too large for a double") from None
    return f"({text})" if text.startswith("-") else text


def _c_comment(
    prototype: str,
    program: Program,
    input_names: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    header: str,
) -> str:
    sizes = ", ".join(f"{rows} x {actions}" for rows, actions in shapes)
    lines = [*_printable(header), ""] if header else []
    lines += [
        f"{prototype};",
        "",
        f"policies: {program.inputs} probabilities, one row-major array per player ({sizes}):",
        *(f"  [{k}] {' '.join(_printable(text))}" for k, text in enumerate(input_names)),
        f"values: receives {len(program.outputs)} numbers, one per player. Must not overlap policies.",
        "",
        "C99, no dependencies, thread-safe. For the same digits everywhere compile with",
        "-ffp-contract=off and without -ffast-math.",
    ]
    return "\n".join(["/*", *(f" * {_inside_c_comment(line)}".rstrip() for line in lines), " */"])


def _inside_c_comment(text: str) -> str:
    """ASCII without what ends a comment, splices lines or is a trigraph."""
    text = re.sub(r"[^ -\[\]-~]", lambda found: f"<U+{ord(found[0]):04X}>", text)
    return re.sub(r"(?<=\*)(?=/)|(?<=/)(?=\*)|(?<=\?)(?=\?)", " ", text)


def _printable(text: str) -> Iterator[str]:
    """The lines of a text, without control, format and surrogate characters."""
    for line in text.splitlines():
        yield "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in line)


def _integer(value: int) -> str:
    # Python neither prints nor parses decimals of more than 4,300 digits.
    return str(value) if value.bit_length() < 10_000 else hex(value)


def _tuple(entries: Iterable[str]) -> str:
    return "(" + "".join(f"{entry}, " for entry in entries).rstrip() + ")"


def _without_dead_code(program: Program) -> Program:
    first = program.inputs + len(program.constants)
    live = set(program.outputs)
    for k in range(len(program.instructions) - 1, -1, -1):
        if first + k in live:
            live.update(program.instructions[k][1:])
    kept = [k for k in range(len(program.instructions)) if first + k in live]
    number = {k: k for k in range(first)} | {first + k: first + at for at, k in enumerate(kept)}
    instructions = (program.instructions[k] for k in kept)
    return Program(
        program.inputs,
        program.constants,
        tuple((operation, number[a], number[b]) for operation, a, b in instructions),
        tuple(number[k] for k in program.outputs),
    )


def _check(program: Program, input_names: Sequence[str], shapes: Sequence[tuple[int, int]]) -> None:
    entries = sum(rows * actions for rows, actions in shapes)
    if program.inputs != entries:
        raise ValueError(
            f"shapes: expected {program.inputs} policy entries, as the program reads, got {entries}"
        )
    if len(input_names) != program.inputs:
        raise ValueError(
            f"input_names: expected {program.inputs}, one per policy entry, got {len(input_names)}"
        )
    if len(program.outputs) != len(shapes):
        raise ValueError(
            f"program: expected one output per player ({len(shapes)}), got {len(program.outputs)}"
        )
