"""Exact numbers: the one door through which a payoff, a discount or a probability enters a game.

Inside the library a number is a `fractions.Fraction`, or a SymPy expression where symbols are in
play. SymPy is never imported here: whoever passes a symbol has imported it already.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from numbers import Rational
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import sympy

Exact: TypeAlias = "Fraction | sympy.Expr"

ExactNest: TypeAlias = "Fraction | sympy.Expr | tuple[ExactNest, ...]"
"""Exact numbers in nested tuples of equal lengths."""


_LONGEST_EXPONENT = 4


def exact(value: object, name: str = "value") -> Exact:
    """Read a number exactly.

    **Arguments:**

    - `value`: an `int`, `Fraction`, `Decimal`, NumPy scalar, a string such as `"24/25"` or
        `"0.96"`, a `float` (read at its shortest decimal form: `0.1` is 1/10), or a SymPy
        expression. Expressions may use `+ - * /`, integer powers and symbols with rational
        coefficients: the rational functions, the class that values of games stay in.
    - `name`: what the value is called in an error message, such as `"discount"`.

    **Returns:**

    A `Fraction`, or the SymPy expression (with automatic simplification applied) if it contains
    symbols.

    Raises `TypeError` for what is not a number (`bool` and `complex` included) and `ValueError` for
    NaN, infinities, text that is not a number and expressions that are not rational.
    """
    number: Any = (
        value  # narrowed by hand below: the classes of NumPy and SymPy are not imported here
    )
    if isinstance(number, bool):
        raise TypeError(f"{name} must be a number; got the bool {number}")
    if isinstance(number, (int, Fraction)):
        return Fraction(number)
    if isinstance(number, str):
        return _from_text(number, name)
    if isinstance(number, float):
        # float(...) because the repr of the subclass numpy.float64 is not a bare number.
        return _from_real(math.isfinite(number), repr(float(number)), name)
    if isinstance(number, Decimal):
        return _from_real(number.is_finite(), str(number), name)
    if _is_instance(number, "sympy", "Basic"):
        return _from_sympy(number, name)
    if _is_instance(number, "numpy", "integer"):
        return Fraction(int(number))
    if _is_instance(number, "numpy", "floating"):
        # str gives the shortest decimal form for the scalar's own width: float32(0.1) is 1/10 too.
        return _from_real(math.isfinite(number), str(number), name)
    if isinstance(number, Rational):
        return Fraction(int(number.numerator), int(number.denominator))
    raise TypeError(
        f"{name} must be an int, float, Fraction, Decimal, numeric string or SymPy expression; "
        f"got {type(number).__name__} {shorten(number)}"
    )


def exact_array(values: object, name: str, depth: int) -> ExactNest:
    """Read nested sequences or an array of numbers, `depth` levels deep and of equal lengths at
    each level.

    **Arguments:**

    - `values`: lists, tuples or anything with `__array__` (NumPy, JAX and SymPy matrices), nested
        as you like.
    - `name`: what the array is called in an error message; entries are then called `name[0][1]` and
        so on.
    - `depth`: the number of levels, that is of axes.

    **Returns:**

    The same numbers as nested tuples of exact numbers. Raises `ValueError` if the array is ragged,
    empty along some axis, too shallow or too deep, and what [`resolvent.games.exact`][] raises for
    an entry.
    """
    lengths: list[int | None] = [None] * depth

    def read(node: object, path: str, level: int) -> ExactNest:
        children = entries(node)
        if level == depth:
            if children is not None:
                raise ValueError(
                    f"{name} must have {depth} axes; {path} is a sequence, not a number"
                )
            return exact(node, path)
        if children is None:
            raise ValueError(
                f"{name} must have {depth} axes; {path} is {shorten(node)}, not a sequence"
            )
        expected = lengths[level]
        if expected is None:
            if not children:
                raise ValueError(f"{path} must not be empty")
            lengths[level] = len(children)
        elif len(children) != expected:
            raise ValueError(
                f"{name} must not be ragged; {path} has length {len(children)} where the first of its level has "
                f"{expected}"
            )
        return tuple(read(child, f"{path}[{k}]", level + 1) for k, child in enumerate(children))

    return read(values, name, 0)


def entries(node: object) -> list[Any] | tuple[Any, ...] | None:
    """The entries along the first axis of a list, tuple or array; None for anything else, such as a
    number."""
    if isinstance(node, (list, tuple)):
        return node
    if hasattr(node, "__array__") and not _is_instance(node, "numpy", "generic"):
        import numpy

        array = numpy.asarray(node)
        if array.ndim:
            return list(array)
    return None


def leaves(nest: ExactNest) -> Iterator[Exact]:
    """The numbers of nested tuples, in row-major order."""
    if isinstance(nest, tuple):
        for child in nest:
            yield from leaves(child)
    else:
        yield nest


def symbols_in(values: Iterable[Exact], name: str) -> tuple[sympy.Symbol, ...]:
    """The SymPy symbols in `values`, sorted by name; `()` if all are numbers.

    Raises `ValueError` if two different symbols share a name (`Symbol("x")` and `Symbol("x",
    positive=True)` do).
    """
    found: set[Any] = set()
    for value in values:
        if not isinstance(value, Fraction):
            found |= value.free_symbols
    symbols = sorted(found, key=lambda symbol: symbol.name)
    for first, second in pairwise(symbols):
        if first.name == second.name:
            raise ValueError(
                f"{name} must not use two different symbols of one name; got {first.name} with different assumptions"
            )
    return tuple(symbols)


def resolve_mapping(
    mapping: Mapping[Any, object], symbols: tuple[sympy.Symbol, ...], owner: str
) -> dict[sympy.Symbol, Exact]:
    """Check a substitution (symbols or their names to numbers or expressions) against the symbols
    there are."""
    by_name = {symbol.name: symbol for symbol in symbols}
    by_key = {**by_name, **{symbol: symbol for symbol in symbols}}
    resolved: dict[sympy.Symbol, Exact] = {}
    for key, value in mapping.items():
        symbol = by_key.get(key)
        if symbol is None:
            raise ValueError(
                f"{owner} has the symbols {', '.join(by_name) or '(none)'}; got {key} to substitute"
            )
        resolved[symbol] = exact(value, f"the value of {key}")
    return resolved


def substitute(value: Exact, mapping: Mapping[sympy.Symbol, Exact], name: str) -> Exact:
    """Replace symbols, all at once. Raises `ValueError` where the result is not a number (a
    division by zero)."""
    if isinstance(value, Fraction) or not mapping:
        return value
    replacements = {
        symbol: _sympy_rational(new) if isinstance(new, Fraction) else new
        for symbol, new in mapping.items()
    }
    return exact(value.xreplace(replacements), name)


def substitute_all(nest: ExactNest, mapping: Mapping[sympy.Symbol, Exact], name: str) -> ExactNest:
    """Replace symbols in nested tuples; errors name the entry as `name[0][1]`."""
    if isinstance(nest, tuple):
        return tuple(substitute_all(each, mapping, f"{name}[{k}]") for k, each in enumerate(nest))
    return substitute(nest, mapping, name)


def shorten(value: object) -> str:
    """The `repr` of what a user passed, cut to fit in an error message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _from_text(text: str, name: str) -> Fraction:
    _check_exponent(text, name)
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f'{name} must be a number such as "24/25" or "0.96"; got {shorten(text)}'
        ) from None


def _from_real(finite: bool, text: str, name: str) -> Fraction:
    if not finite:
        raise ValueError(f"{name} must be finite; got {text}")
    _check_exponent(text, name)
    return Fraction(text)


def _check_exponent(text: str, name: str) -> None:
    """Refuse what a few characters in a file could stand for: a number of a billion digits."""
    exponent = re.search(r"[eE][+-]?_*([0-9_]+)\s*$", text)
    if exponent is not None and len(exponent[1]) > _LONGEST_EXPONENT:
        raise ValueError(
            f"{name} must have an exponent of at most {_LONGEST_EXPONENT} digits; got {shorten(text)}"
        )


def _from_sympy(value: Any, name: str) -> Exact:
    result = _rebuild(value, name)
    if result.is_Rational:
        return Fraction(int(result.p), int(result.q))
    return result


def _rebuild(node: Any, name: str) -> Any:
    """Check that `node` is a rational function and build it afresh, so that equal constructions
    compare equal.

    SymPy's `factor` and `evaluate=False` leave forms such as `2*(x + 1)` that the constructors
    would not.
    """
    if node.is_Float:
        if not node.is_finite:
            raise ValueError(f"{name} must be finite; got {node}")
        return _sympy_rational(Fraction(str(node)))
    if node.is_Rational:
        return node
    if node.is_Symbol and node.is_commutative:
        return node
    if node.is_Add or node.is_Mul or (node.is_Pow and node.exp.is_Integer):
        result = node.func(*(_rebuild(argument, name) for argument in node.args))
        if result.is_finite is False:
            raise ValueError(f"{name} must be finite; got {result}")
        return result
    if node.is_number:
        raise ValueError(f"{name} must be finite and rational; got {node}")
    raise ValueError(f"{name} must be a rational function of its symbols; got {node}")


def _sympy_rational(number: Fraction) -> Any:
    # Only called with a SymPy expression in hand, so this import costs nothing.
    import sympy

    return sympy.Rational(number.numerator, number.denominator)


def _is_instance(value: object, module: str, cls: str) -> bool:
    """`isinstance` against a class of a module that is consulted only if somebody has imported
    it."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, cls, ()))
