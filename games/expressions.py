"""Symbolic payoffs as text: a small language of rational functions, read without evaluating any
code."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from resolvent.games.rational import Exact, exact, shorten

if TYPE_CHECKING:
    import sympy

# A file must not be able to make the reader compute numbers of astronomical size.
_LARGEST_EXPONENT = 100
_LARGEST_BITS = 100_000


def parse_symbols(names: object) -> dict[str, sympy.Symbol]:
    """Declare symbols. SymPy is imported only if there are any.

    **Arguments:**

    - `names`: a list of names; each a Python identifier, and not a Python keyword.
    """
    if not isinstance(names, list):
        raise ValueError(f"symbols must be a list of names; got {shorten(names)}")
    for k, name in enumerate(names):
        if not _is_symbol_name(name):
            raise ValueError(
                f"symbols[{k}] must be a name of letters, digits and underscores, and no Python keyword; "
                f"got {shorten(name)}"
            )
        if name in names[:k]:
            raise ValueError(f"symbols must not repeat a name; got {name!r} twice")
    if not names:
        return {}
    import sympy

    return {name: sympy.Symbol(name) for name in names}


def parse_expression(text: str, symbols: Mapping[str, Any], field: str) -> Exact:
    """Read a number (`"24/25"`, `"0.96"`) or a rational function of declared symbols (`"(T +
    S)/2"`).

    **Arguments:**

    - `text`: numbers and symbols, joined by `+ - * /`, parentheses and `**` with an integer
        exponent.
    - `symbols`: the declared symbols by name.
    - `field`: what the text is called in an error message.

    Nothing is evaluated as code: the text is parsed into a syntax tree, and only these operations
    are carried out, in exact arithmetic.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _evaluate(tree.body, text.strip(), symbols, field)
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError(
            f"{field} must be a number or an expression; got {shorten(text)}"
        ) from None
    except ZeroDivisionError:
        raise ValueError(f"{field} divides by zero; got {shorten(text)}") from None
    return exact(value, field)


def format_expression(value: sympy.Expr) -> str:
    """Write an expression so that [`resolvent.games.expressions.parse_expression`][] reads it
    back."""
    for symbol in value.free_symbols:
        name = symbol.name  # pyright: ignore[reportAttributeAccessIssue]
        if not _is_symbol_name(name):
            raise ValueError(
                "symbols must be named by letters, digits and underscores to be written to a file; "
                f"got {name!r}"
            )
    return str(value)


def _is_symbol_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def _evaluate(node: ast.expr, text: str, symbols: Mapping[str, Any], field: str) -> Any:
    def operand(child: ast.expr) -> Any:
        return _evaluate(child, text, symbols, field)

    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            # The literal's own digits, not those of the float that Python makes of it.
            return exact(ast.get_source_segment(text, node), field)
        case ast.Name(id=name):
            if name not in symbols:
                declared = ", ".join(symbols) or "none"
                raise ValueError(
                    f"{field} uses the undeclared symbol {name} (declared: {declared})"
                )
            return symbols[name]
        case ast.UnaryOp(op=ast.UAdd()):
            return operand(node.operand)
        case ast.UnaryOp(op=ast.USub()):
            return -operand(node.operand)
        case ast.BinOp(op=ast.Add()):
            return operand(node.left) + operand(node.right)
        case ast.BinOp(op=ast.Sub()):
            return operand(node.left) - operand(node.right)
        case ast.BinOp(op=ast.Mult()):
            return operand(node.left) * operand(node.right)
        case ast.BinOp(op=ast.Div()):
            return _divide(operand(node.left), operand(node.right))
        case ast.BinOp(op=ast.Pow()):
            return _power(operand(node.left), operand(node.right), field)
        case _:
            source = ast.get_source_segment(text, node) or text
            raise ValueError(
                f"{field} may use numbers, symbols, + - * / ** ( ); got {shorten(source)}"
            )


def _divide(left: Any, right: Any) -> Any:
    if right == 0:
        raise ZeroDivisionError
    return left / right


def _power(base: Any, exponent: Any, field: str) -> Any:
    if not isinstance(exponent, Fraction) or exponent.denominator != 1:
        raise ValueError(f"{field} may use integer powers only; got the exponent {exponent}")
    if abs(exponent) > _LARGEST_EXPONENT:
        raise ValueError(f"{field} may use powers up to {_LARGEST_EXPONENT}; got {exponent}")
    if isinstance(base, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > _LARGEST_BITS:
            raise ValueError(f"{field} has a power that is too large to compute")
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    return base ** int(exponent)
