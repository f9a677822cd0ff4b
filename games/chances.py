"""Exact probabilities and discounts: the checks that every one of them passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from resolvent.games.rational import Exact, entries, exact, shorten

ONE = Fraction(1)

Distribution = tuple[tuple[int, Exact], ...]
"""Pairs of an index and its probability, which is not 0."""

Matrix = tuple[tuple[Exact, ...], ...]


def read_discounts(discount: object, num_players: int) -> tuple[Exact, ...]:
    """One discount in [0, 1) per player, from one for all or a sequence."""
    given = entries(discount)
    if given is None:
        return (_discount(discount, "discount"),) * num_players
    if len(given) != num_players:
        raise ValueError(
            f"discount must be one number or one per player ({num_players}); got {len(given)}"
        )
    return tuple(_discount(value, f"discount[{i}]") for i, value in enumerate(given))


def read_probability(value: object, name: str) -> Exact:
    """A number in [0, 1], or a symbolic expression (whose sign nobody can check)."""
    number = exact(value, name)
    if isinstance(number, Fraction) and not 0 <= number <= 1:
        raise ValueError(f"{name} must be a probability in [0, 1]; got {number}")
    return number


def read_distribution(values: object, size: int, name: str) -> tuple[Exact, ...]:
    """Probabilities that sum to one, in the order given."""
    given = entries(values)
    if given is None or len(given) != size:
        got = shorten(values) if given is None else str(len(given))
        raise ValueError(f"{name} must hold {size} probabilities; got {got}")
    numbers = tuple(read_probability(value, f"{name}[{k}]") for k, value in enumerate(given))
    check_total(numbers, name)
    return numbers


def read_matrix(values: object, rows: int, columns: int, name: str) -> Matrix:
    """A row-stochastic matrix."""
    given = entries(values)
    if given is None or len(given) != rows:
        got = shorten(values) if given is None else f"{len(given)} rows"
        raise ValueError(f"{name} must be a matrix of {rows} x {columns} probabilities; got {got}")
    return tuple(read_distribution(row, columns, f"{name}[{k}]") for k, row in enumerate(given))


def read_initial(initial: Any, states: Sequence[str]) -> tuple[Exact, ...]:
    """Where play begins: `"uniform"`, a mapping from names of states (those left out have
    probability 0), or one probability per state."""
    if isinstance(initial, str):
        if initial != "uniform":
            raise ValueError(
                f'initial must be "uniform", a mapping or one probability per state; got {initial!r}'
            )
        return (Fraction(1, len(states)),) * len(states)
    if isinstance(initial, Mapping):
        return dense(read_named(initial, states, "initial"), len(states))
    return read_distribution(initial, len(states), "initial")


def read_named(given: Mapping[Any, object], names: Sequence[str], name: str) -> Distribution:
    """A distribution given as a mapping from names to probabilities."""
    index = {own: k for k, own in enumerate(names)}
    found: dict[int, Exact] = {}
    for key, value in given.items():
        if key not in index:
            raise ValueError(f"{name} may have {some_of(names)}; got {shorten(key)}")
        found[index[key]] = read_probability(value, f"{name}[{key!r}]")
    check_total(found.values(), name)
    return sparse(found)


def some_of(names: Sequence[str]) -> str:
    """Names to list in an error message, the first of them if there are many."""
    return ", ".join(names) if len(names) <= 8 else ", ".join([*names[:6], f"... ({len(names)})"])


def check_total(values: Iterable[Exact], name: str) -> None:
    """Raise unless the probabilities sum to exactly one, whatever the symbols stand for."""
    numbers = Fraction(0)
    symbolic: list[Any] = []
    for value in values:
        if isinstance(value, Fraction):
            numbers += value
        else:
            symbolic.append(value)
    total: Exact = numbers
    if symbolic:
        import sympy

        total = exact(sympy.cancel(sympy.Add(*symbolic, sympy.Rational(numbers))), name)
    if total != 1:
        raise ValueError(f"{name} must sum to exactly 1; got the sum {total}")


def add(first: Exact, second: Exact) -> Exact:
    """The sum, a `Fraction` if it is a number."""
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first + second
    return exact(first + second)


def multiply(first: Exact, second: Exact) -> Exact:
    """The product, a `Fraction` if it is a number."""
    if first is ONE:
        return second
    if second is ONE:
        return first
    if isinstance(first, Fraction) and isinstance(second, Fraction):
        return first * second
    return exact(first * second)


def sparse(probabilities: Mapping[int, Exact]) -> Distribution:
    """The entries that are not 0, by index."""
    return tuple((k, probabilities[k]) for k in sorted(probabilities) if probabilities[k] != 0)


def dense(distribution: Distribution, size: int) -> tuple[Exact, ...]:
    """All entries, 0 included."""
    given = dict(distribution)
    return tuple(given.get(k, Fraction(0)) for k in range(size))


def is_identity(matrix: Matrix) -> bool:
    """Whether a matrix changes nothing."""
    return all(entry == (k == j) for k, row in enumerate(matrix) for j, entry in enumerate(row))


def _discount(value: object, name: str) -> Exact:
    number = exact(value, name)
    if isinstance(number, Fraction) and not 0 <= number < 1:
        raise ValueError(f"{name} must be in [0, 1); got {number}")
    return number
