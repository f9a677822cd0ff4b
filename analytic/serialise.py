r"""Closed forms in files: game, program and polynomials as one JSON document.

A document is data: reading it checks every field and runs nothing, and `check` compares what was read
with the game that stands beside it. The fields:

- `format`: `"resolvent closed form"`; `version`: 1.
- `game`: the text of [`resolvent.games.to_text`][].
- `normalise`: `"average"` or `"sum"`.
- `program`: null, or `inputs` (a count: all policy entries by player, row and action, then the game's symbols
  by name), `constants` (`"p/q"`), `instructions` (`[operation, left, right]`; inputs, constants and
  instructions are numbered on in this order) and `outputs` (one number per player).
- `polynomials`: null, or for each discount that occurs `generators` (names), `numerators` and
  `denominator`; a polynomial is a list of terms `[coefficient, [exponents]]` with the coefficient as a
  decimal string.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any, Literal

import flint

from resolvent.analytic import polynomial
from resolvent.analytic.expanded import Polynomials
from resolvent.analytic.graph import Program
from resolvent.analytic.rational_function import carry_out
from resolvent.analytic.structure import figures_of
from resolvent.games import DynamicGame, Exact, from_text, to_text
from resolvent.games.rational import shorten

FORMAT = "resolvent closed form"
VERSION = 1

MAX_BYTES = 2**30
MAX_NUMBERS = 20_000_000
"""Most inputs, instructions or terms in a file."""
MAX_DIGITS = 100_000
MAX_EXPONENT = 2**16

_FIELDS = ("format", "version", "game", "normalise", "program", "polynomials")
_OPERATIONS = ("+", "-", "*", "/")
_ROUNDS = 2


@dataclass(frozen=True)
class Loaded:
    """What a document holds. It is what the file says; `check` says whether it is true."""

    game: DynamicGame
    normalise: Literal["average", "sum"]
    program: Program | None
    polynomials: Polynomials | None


def write_document(
    path: str | Path,
    game: DynamicGame,
    normalise: str,
    program: Program | None,
    polynomials: Sequence[tuple[Sequence[Any], Any]] | None,
) -> None:
    """Write a document to a file; an existing file is replaced. Arguments as of `document`."""
    fields = document(game, normalise, program, polynomials)
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


def read_document(path: str | Path) -> Loaded:
    """Read what `write_document` wrote.

    **Raises:** `ValueError`, with the file and the field, for anything that is not such a document.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")
        return parse(_from_json(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def document(
    game: DynamicGame,
    normalise: str,
    program: Program | None,
    polynomials: Sequence[tuple[Sequence[Any], Any]] | None,
) -> dict[str, Any]:
    """The document of a closed form, ready for JSON.

    **Arguments:**

    - `game`, `normalise`: as of the closed form.
    - `program`: from policy entries (and the game's symbols) to one value per player, or None.
    - `polynomials`: for each discount that occurs, numerators and denominator in one ring, or None.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "game": to_text(game),
        "normalise": normalise,
        "program": None if program is None else program_to_data(program),
        "polynomials": None if polynomials is None else polynomials_to_data(polynomials),
    }


def parse(document: object) -> Loaded:
    """Read a document, every field checked.

    **Raises:** `ValueError` that names the field, such as `program.instructions[12][1]`.
    """
    fields = _object(document, "the document", None)
    if fields.get("format") != FORMAT:
        raise ValueError(f"format: expected {FORMAT!r}, got {shorten(fields.get('format'))}")
    version = fields.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ValueError(
            f"version: {shorten(version)} is newer than what this release of Resolvent reads ({VERSION}); "
            "update Resolvent, or save the closed form again with an older one"
        )
    if isinstance(version, bool) or version != VERSION:
        raise ValueError(f"version: expected {VERSION}, got {shorten(version)}")
    _object(fields, "the document", _FIELDS)
    normalise = fields["normalise"]
    if normalise not in ("average", "sum"):
        raise ValueError(f'normalise: expected "average" or "sum", got {shorten(normalise)}')
    game = _game(fields["game"])
    program, polynomials = fields["program"], fields["polynomials"]
    return Loaded(
        game,
        normalise,
        None if program is None else program_from_data(program),
        None if polynomials is None else polynomials_from_data(polynomials),
    )


def program_to_data(program: Program) -> dict[str, Any]:
    """A program as JSON's lists, numbers and strings."""
    return {
        "inputs": program.inputs,
        "constants": [_rational_text(constant) for constant in program.constants],
        "instructions": [list(instruction) for instruction in program.instructions],
        "outputs": list(program.outputs),
    }


def program_from_data(data: object, field: str = "program") -> Program:
    """The program that `program_to_data` wrote. **Raises:** `ValueError`, naming the field."""
    names = ("inputs", "constants", "instructions", "outputs")
    fields = _object(data, field, names)
    inputs = _integer(fields["inputs"], f"{field}.inputs", MAX_NUMBERS)
    constants = tuple(
        _rational(constant, f"{field}.constants[{k}]")
        for k, constant in enumerate(_list(fields["constants"], f"{field}.constants"))
    )
    known = inputs + len(constants)
    instructions: list[tuple[str, int, int]] = []
    for k, entry in enumerate(_list(fields["instructions"], f"{field}.instructions")):
        where = f"{field}.instructions[{k}]"
        if not isinstance(entry, list) or len(entry) != 3:
            raise ValueError(f"{where}: expected [operation, left, right], got {shorten(entry)}")
        operation, left, right = entry
        if not isinstance(operation, str) or operation not in _OPERATIONS:
            raise ValueError(f"{where}[0]: expected one of + - * /, got {shorten(operation)}")
        operands = (
            _integer(left, f"{where}[1]", known + k - 1),
            _integer(right, f"{where}[2]", known + k - 1),
        )
        instructions.append((operation, *operands))
    last = known + len(instructions) - 1
    outputs = _list(fields["outputs"], f"{field}.outputs")
    numbers = (_integer(number, f"{field}.outputs[{k}]", last) for k, number in enumerate(outputs))
    return Program(inputs, constants, tuple(instructions), tuple(numbers))


def polynomials_to_data(groups: Sequence[tuple[Sequence[Any], Any]]) -> list[dict[str, Any]]:
    """Numerators and denominators as JSON's lists, numbers and strings."""
    return [
        {
            "generators": list(denominator.context().names()),
            "numerators": [_terms(numerator) for numerator in numerators],
            "denominator": _terms(denominator),
        }
        for numerators, denominator in groups
    ]


def polynomials_from_data(data: object, field: str = "polynomials") -> Polynomials:
    """The polynomials that `polynomials_to_data` wrote, in rings of the same generators in
    lexicographic order. **Raises:** `ValueError`, naming the field."""
    groups: list[tuple[tuple[Any, ...], Any]] = []
    for k, entry in enumerate(_list(data, field)):
        where = f"{field}[{k}]"
        fields = _object(entry, where, ("generators", "numerators", "denominator"))
        names: list[str] = []
        for j, name in enumerate(_list(fields["generators"], f"{where}.generators")):
            at = f"{where}.generators[{j}]"
            if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,63}", name):
                raise ValueError(f"{at}: expected a name such as 'x_0_1_0', got {shorten(name)}")
            names.append(name)
        if len(set(names)) < len(names):
            raise ValueError(f"{where}.generators: expected different names")
        context = flint.fmpz_mpoly_ctx.get(names, flint.Ordering.lex)
        numerators = tuple(
            _polynomial(terms, context, f"{where}.numerators[{j}]")
            for j, terms in enumerate(_list(fields["numerators"], f"{where}.numerators"))
        )
        denominator = _polynomial(fields["denominator"], context, f"{where}.denominator")
        if denominator == 0:
            raise ValueError(f"{where}.denominator: expected a polynomial other than 0")
        groups.append((numerators, denominator))
    return tuple(groups)


def check(loaded: Loaded) -> None:
    """Compare program and polynomials with the game, at any size.

    All are carried out modulo primes of 62 bits at points drawn from a hash of their contents, and
    the game's value is solved for there from its definition. Two rational functions that differ agree
    at such a point with a probability below their degree times 1e-18 (Schwartz and Zippel).

    **Raises:** `ValueError`, naming the field that does not belong to the game.
    """
    game, program = loaded.game, loaded.program
    entries = sum(rows * actions for rows, actions in game.policy_shapes)
    if program is not None:
        expected = entries + len(game.symbols)
        if program.inputs != expected:
            raise ValueError(
                f"program.inputs: expected {expected}, one per policy entry and symbol of the game, "
                f"got {program.inputs}"
            )
        if len(program.outputs) != game.num_players:
            raise ValueError(
                f"program.outputs: expected {game.num_players}, one per player, got {len(program.outputs)}"
            )
    _check_shapes(loaded)
    content = document(game, loaded.normalise, program, loaded.polynomials)
    draw = random.Random(sha256(json.dumps(content).encode()).digest())
    rounds = 0
    for _ in range(3 * _ROUNDS):  # a denominator that vanishes at one point will not at the next
        try:
            _check_at(loaded, draw)
        except ZeroDivisionError:
            continue
        rounds += 1
        if rounds == _ROUNDS:
            return
    raise ValueError("program or polynomials: expected those of the game, got divisions by zero")


def _check_shapes(loaded: Loaded) -> None:
    if loaded.polynomials is None:
        return
    figures = figures_of(loaded.game)
    if len(loaded.polynomials) != len(figures.discounts):
        raise ValueError(
            f"polynomials: expected {len(figures.discounts)}, one per discount, got {len(loaded.polynomials)}"
        )
    for group, (numerators, denominator) in enumerate(loaded.polynomials):
        free = sum(rows * (actions - 1) for rows, actions in loaded.game.policy_shapes)
        expected = free + len(_atoms(figures, group))
        if denominator.context().nvars() != expected:
            raise ValueError(
                f"polynomials[{group}].generators: expected {expected} (free policy entries, then symbols), "
                f"got {denominator.context().nvars()}"
            )
        tops = len(_weights(loaded.game, figures, group)[0])
        if len(numerators) != tops:
            raise ValueError(
                f"polynomials[{group}].numerators: expected {tops}, got {len(numerators)}"
            )


def _check_at(loaded: Loaded, draw: random.Random) -> None:
    prime = draw.randrange(2**61, 2**62)
    while not flint.fmpz(prime).is_prime():
        prime += 1

    def number(value: Fraction | int) -> Any:
        bottom = flint.nmod(value.denominator % prime, prime)
        return flint.nmod(value.numerator % prime, prime) / bottom

    game, figures = loaded.game, figures_of(loaded.game)
    at: dict[Any, Any] = {symbol: number(draw.randrange(prime)) for symbol in game.symbols}
    policies = []
    for rows, actions in game.policy_shapes:
        own = []
        for _ in range(rows):
            row = [number(draw.randrange(prime)) for _ in range(actions - 1)]
            own.append([*row, number(1) - sum(row, number(0))])
        policies.append(own)
    known: dict[Exact, Any] = {}

    def modular(value: Exact) -> Any:
        if value not in known:
            known[value] = (
                number(value) if isinstance(value, Fraction) else carry_out(value, at.get, number)
            )
        return known[value]

    expected = _values(game, policies, modular, prime)
    if loaded.program is not None:
        inputs = [entry for own in policies for row in own for entry in row]
        results = loaded.program.run([*inputs, *at.values()], constant=number)
        for i, (value, result) in enumerate(zip(expected, results, strict=True)):
            scale = 1 - modular(game.discounts[i]) if loaded.normalise == "sum" else number(1)
            if result * scale != value:
                raise ValueError(f"program.outputs[{i}]: not the value of player {i} of the game")
    for group, (numerators, denominator) in enumerate(loaded.polynomials or ()):
        point = [entry for own in policies for row in own for entry in row[:-1]]
        point += [modular(atom) for atom in _atoms(figures, group)]
        tops = [_at_point(top, point, number) for top in numerators]
        bottom = _at_point(denominator, point, number)
        members = [i for i, own in enumerate(game.discounts) if own == figures.discounts[group]]
        for i, weights in zip(members, _weights(game, figures, group), strict=True):
            terms = (modular(w) * top for w, top in zip(weights, tops, strict=True))
            if sum(terms, number(0)) / bottom != expected[i]:
                raise ValueError(
                    f"polynomials[{group}].numerators: not the value of player {i} of the game"
                )


def _atoms(figures: Any, group: int) -> tuple[Any, ...]:
    settings = polynomial.settings(figures, group)
    return polynomial.atoms_of(polynomial.symbolic_numbers(settings))


def _weights(game: DynamicGame, figures: Any, group: int) -> list[tuple[Exact, ...]]:
    """How the numerators of a group make up the value of each of its players: they are theirs, or with
    symbolic payoffs those of the payoffs' frequencies."""
    members = [i for i, own in enumerate(game.discounts) if own == figures.discounts[group]]
    if all(isinstance(pay, Fraction) for own in figures.payoffs for pay in own):
        return [tuple(Fraction(i == j) for j in members) for i in members]
    return [figures.payoffs[i] for i in members]


def _values(
    game: DynamicGame, policies: Sequence[Any], modular: Callable[[Exact], Any], prime: int
) -> list[Any]:
    """(1 - g) p0' (I - gP)^-1 r of every player, from the definition."""
    states, zero = game.num_states, modular(Fraction(0))
    chain = [[zero] * states for _ in range(states)]
    rewards = [[zero] * states for _ in game.players]
    for s in range(states):
        acting = [_behaviour(game, policies, i, s, modular) for i in range(game.num_players)]
        for k, joint in enumerate(product(*acting)):
            chance = modular(Fraction(1))
            for probability in joint:
                chance *= probability
            for target, probability in game.branches[s][k]:
                chain[s][target] += chance * modular(probability)
            for i, own in enumerate(rewards):
                own[s] += chance * modular(game.rewards[i][s][k])
    start = [[int(modular(chance))] for chance in game.initial_distribution]
    shares: dict[Exact, list[Any]] = {}
    for discount in dict.fromkeys(game.discounts):
        g = modular(discount)
        # The transpose: one solution gives the discounted time in each state, for all players.
        entries = [
            int((1 if s == t else 0) - g * chain[s][t])
            for t in range(states)
            for s in range(states)
        ]
        matrix = flint.nmod_mat(states, states, entries, prime)
        solution = matrix.solve(flint.nmod_mat(states, 1, [entry for (entry,) in start], prime))
        shares[discount] = [(1 - g) * solution[s, 0] for s in range(states)]
    return [
        sum((a * b for a, b in zip(shares[g], own, strict=True)), zero)
        for g, own in zip(game.discounts, rewards, strict=True)
    ]


def _behaviour(
    game: DynamicGame,
    policies: Sequence[Any],
    player: int,
    state: int,
    modular: Callable[[Exact], Any],
) -> list[Any]:
    """Probabilities of the realised actions of one player in one state."""
    zero = modular(Fraction(0))
    actions = range(game.num_actions[player])
    intended = [zero] * len(actions)
    for row, chance in game.readings[player][state]:
        for a in actions:
            intended[a] += modular(chance) * policies[player][row][a]
    tremble = game.trembles[player]
    if tremble is None:
        return intended
    return [sum((intended[a] * modular(tremble[a][b]) for a in actions), zero) for b in actions]


def _at_point(poly: Any, point: Sequence[Any], number: Callable[[int], Any]) -> Any:
    powers = [[number(1)] for _ in point]
    for own, x, degree in zip(powers, point, poly.degrees(), strict=True):
        for _ in range(int(degree)):
            own.append(own[-1] * x)
    total = number(0)
    for exponents, coefficient in poly.to_dict().items():
        term = number(int(coefficient))
        for own, exponent in zip(powers, exponents, strict=True):
            if exponent:
                term *= own[int(exponent)]
        total += term
    return total


# Fields.


def _from_json(content: bytes) -> object:
    def refuse(text: str) -> None:
        raise ValueError(f"expected JSON without {text}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise ValueError(f"expected every field once, got {[key for key, _ in pairs]}")
        return fields

    try:
        text = content.decode("utf-8")
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON document, which it is not: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"expected a JSON document in UTF-8: {error}") from None
    except RecursionError:
        raise ValueError("expected a JSON document, got one that is nested too deeply") from None


def _game(text: object) -> DynamicGame:
    if not isinstance(text, str):
        raise ValueError(f"game: expected the text of a game, got {shorten(text)}")
    try:
        game = from_text(text)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"game: {error}") from None
    if not isinstance(game, DynamicGame):
        raise ValueError(
            f"game: expected an iterated or stochastic game, got a {type(game).__name__}"
        )
    return game


def _object(value: object, field: str, names: Sequence[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{field}: expected an object, got {shorten(value)}")
    if names is not None:
        prefix = "" if field == "the document" else f"{field}."
        for name in names:
            if name not in value:
                raise ValueError(f"{prefix}{name}: missing")
        for name in value:
            if name not in names:
                raise ValueError(
                    f"{field}: expected the fields {', '.join(names)}, got {shorten(name)}"
                )
    return value


def _list(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{field}: expected a list, got {shorten(value)}")
    if len(value) > MAX_NUMBERS:
        raise ValueError(f"{field}: expected at most {MAX_NUMBERS} entries, got {len(value)}")
    return value


def _integer(value: object, field: str, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise ValueError(f"{field}: expected an integer from 0 to {largest}, got {shorten(value)}")
    return value


def _rational(value: object, field: str) -> Fraction:
    if isinstance(value, str) and len(value) <= 2 * MAX_DIGITS:
        found = re.fullmatch(r"(-?[0-9]+)(?:/([0-9]+))?", value)
        if found is not None:
            # FLINT reads integers of any length; Python stops at 4,300 digits.
            top, bottom = int(flint.fmpz(found[1])), int(flint.fmpz(found[2] or "1"))
            if bottom:
                return Fraction(top, bottom)
    raise ValueError(f'{field}: expected a rational as text such as "24/25", got {shorten(value)}')


def _rational_text(value: Fraction) -> str:
    return f"{flint.fmpz(value.numerator)}/{flint.fmpz(value.denominator)}"


def _terms(poly: Any) -> list[Any]:
    return [[str(c), [int(e) for e in powers]] for powers, c in poly.to_dict().items()]


def _polynomial(data: object, context: Any, field: str) -> Any:
    return context.from_dict(dict(_read_terms(_list(data, field), context.nvars(), field)))


def _read_terms(terms: list[Any], size: int, field: str) -> Iterator[tuple[tuple[int, ...], Any]]:
    seen: set[tuple[int, ...]] = set()
    for k, term in enumerate(terms):
        where = f"{field}[{k}]"
        if not isinstance(term, list) or len(term) != 2:
            raise ValueError(f"{where}: expected [coefficient, exponents], got {shorten(term)}")
        text, exponents = term
        digits = isinstance(text, str) and len(text) <= MAX_DIGITS
        if not digits or not re.fullmatch("-?[1-9][0-9]*", text):
            raise ValueError(
                f'{where}[0]: expected an integer other than 0 as text such as "-12", got {shorten(text)}'
            )
        if not isinstance(exponents, list) or len(exponents) != size:
            raise ValueError(f"{where}[1]: expected {size} exponents, got {shorten(exponents)}")
        powers = tuple(
            _integer(power, f"{where}[1][{j}]", MAX_EXPONENT) for j, power in enumerate(exponents)
        )
        if powers in seen:
            raise ValueError(f"{where}[1]: expected every monomial once, got {shorten(exponents)}")
        seen.add(powers)
        yield powers, flint.fmpz(text)
