"""Symbolic payoffs as text: a small language of rational functions, read without evaluating any
code. Payoffs of differentiable games may use the smooth functions of `FUNCTIONS` besides."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from resolvent.games.rational import Exact, exact, shorten

if TYPE_CHECKING:
    import sympy

FUNCTIONS: tuple[str, ...] = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "softmax")
"""What payoffs of differentiable games may call."""

RESERVED: tuple[str, ...] = (*FUNCTIONS, "pi")
"""Names that cannot be parameters or symbols of a differentiable game."""

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
        if not is_symbol_name(name):
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


def smooth(value: object, field: str, symbols: Mapping[str, Any] | None = None) -> sympy.Expr:
    """Read an expression of a differentiable game: numbers, symbols, `+ - * / **`, and `FUNCTIONS`.

    **Arguments:**

    - `value`: what [`resolvent.games.exact`][] reads; a SymPy expression; or text, in which `pi` is the
        number, powers may be of any kind, and functions may be called.
    - `field`: what it is called in an error message.
    - `symbols`: in text, the declared symbols by name; None where any name is a symbol.

    **Returns:** an expression built afresh, so that equal constructions compare equal; its symbols are
    plain `sympy.Symbol(name)`. Raises `ValueError` or `TypeError`, naming the field, for anything else.
    """
    import sympy

    try:
        if isinstance(value, str):
            tree = ast.parse(value.strip(), mode="eval")
            value = _evaluate_smooth(tree.body, value.strip(), symbols, field)
        if not isinstance(value, sympy.Basic):
            value = exact(value, field)
            assert isinstance(value, Fraction)
            return _sympy(value)
        return _rebuilt(value, field)
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError(
            f"{field} must be a number or an expression; got {shorten(value)}"
        ) from None
    except ZeroDivisionError:
        raise ValueError(f"{field} divides by zero; got {shorten(value)}") from None


def format_smooth(value: sympy.Expr) -> str:
    """Write an expression so that [`resolvent.games.expressions.smooth`][] reads it back."""
    import sympy

    # Its own symbol prints as E.
    return str(value.xreplace({sympy.E: sympy.Symbol("exp(1)")}))


def format_expression(value: sympy.Expr) -> str:
    """Write an expression so that [`resolvent.games.expressions.parse_expression`][] reads it
    back."""
    for symbol in value.free_symbols:
        name = symbol.name  # pyright: ignore[reportAttributeAccessIssue]
        if not is_symbol_name(name):
            raise ValueError(
                "symbols must be named by letters, digits and underscores to be written to a file; "
                f"got {name!r}"
            )
    return str(value)


def is_symbol_name(name: object) -> bool:
    """Whether this is a Python identifier and no keyword."""
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


def _evaluate_smooth(
    node: ast.expr, text: str, symbols: Mapping[str, Any] | None, field: str
) -> Any:
    import sympy

    def operand(child: ast.expr) -> Any:
        return _evaluate_smooth(child, text, symbols, field)

    def factors(child: ast.expr) -> list[Any]:
        # All at once: SymPy multiplies a number and a sum out, but not where there are more factors.
        match child:
            case ast.BinOp(op=ast.Mult()):
                return factors(child.left) + factors(child.right)
            case ast.BinOp(op=ast.Div()):
                below = factors(child.right)
                return factors(child.left) + [_divide(sympy.Integer(1), own) for own in below]
            case ast.UnaryOp(op=ast.USub()):
                return [sympy.Integer(-1), *factors(child.operand)]
            case _:
                return [operand(child)]

    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            number = exact(ast.get_source_segment(text, node), field)
            assert isinstance(number, Fraction)
            return _sympy(number)
        case ast.Name(id="pi"):
            return sympy.pi
        case ast.Name(id=name) if name not in FUNCTIONS:
            if symbols is not None and name not in symbols:
                declared = ", ".join(symbols) or "none"
                raise ValueError(
                    f"{field} uses the undeclared symbol {name} (declared: {declared})"
                )
            return sympy.Symbol(name)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            arguments = [operand(child) for child in node.args]
            if not arguments or (len(arguments) > 1 and name != "softmax"):
                wanted = "logits" if name == "softmax" else "one argument"
                raise ValueError(f"{field}: {name} takes {wanted}; got {len(arguments)}")
            return _smooth_functions()[name](*arguments)
        case ast.UnaryOp(op=ast.UAdd()):
            return operand(node.operand)
        case ast.UnaryOp(op=ast.USub()) | ast.BinOp(op=ast.Mult() | ast.Div()):
            return sympy.Mul(*factors(node))
        case ast.BinOp(op=ast.Add()):
            return operand(node.left) + operand(node.right)
        case ast.BinOp(op=ast.Sub()):
            return operand(node.left) - operand(node.right)
        case ast.BinOp(op=ast.Pow()):
            return _smooth_power(operand(node.left), operand(node.right), field)
        case _:
            source = ast.get_source_segment(text, node) or text
            raise ValueError(
                f"{field} may use numbers, symbols, pi, + - * / ** ( ) and "
                f"{', '.join(FUNCTIONS)}; got {shorten(source)}"
            )


def _smooth_power(base: Any, exponent: Any, field: str) -> Any:
    if exponent.is_Rational:
        if base.is_Rational and exponent.is_Integer:
            return _sympy(_power(Fraction(base.p, base.q), Fraction(int(exponent)), field))
        if abs(exponent) > _LARGEST_EXPONENT:
            raise ValueError(f"{field} may use powers up to {_LARGEST_EXPONENT}; got {exponent}")
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
    return base**exponent


def sigmoid(x: Any) -> Any:
    """The SymPy expression 1 / (1 + exp(-x)): the probability of the first of two actions with logit x.
    Compiled, neither it nor its derivatives overflow or lose digits, however far out x is."""
    from resolvent.games import _functions as functions

    return functions.sigmoid(x)


def softmax(*logits: Any) -> Any:
    """The SymPy expression of the probability of the action whose logit is the *first* argument; the order
    of the others does not matter. Compiled as `sigmoid` is."""
    from resolvent.games import _functions as functions

    return functions.softmax(*logits)


def _smooth_functions() -> dict[str, Any]:
    import sympy

    from resolvent.games import _functions as functions

    names = (name for name in FUNCTIONS if name not in ("sigmoid", "softmax"))
    own = {"sigmoid": functions.sigmoid, "softmax": functions.softmax}
    return {name: getattr(sympy, name) for name in names} | own


def _rebuilt(node: Any, field: str) -> Any:
    """Check that `node` is in the language and build it afresh from plain symbols."""
    import sympy

    functions = tuple(own for own in _smooth_functions().values() if isinstance(own, type))
    infinite = (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)

    def rebuild(own: Any) -> Any:
        if own in infinite or (own.is_Float and not own.is_finite):
            raise ValueError(f"{field} must be finite; got {node}")
        if own.is_Float:
            return _sympy(Fraction(str(own)))
        if own.is_Rational or own in (sympy.pi, sympy.E):
            return own
        if own.is_Symbol and own.is_commutative:
            return sympy.Symbol(own.name)
        if own.is_Add or own.is_Mul or own.is_Pow or isinstance(own, functions):
            result = own.func(*map(rebuild, own.args))
            if result in infinite:
                raise ValueError(f"{field} must be finite; got {node}")
            if result.is_Pow and result.is_number and result.is_real is False:
                raise ValueError(f"{field} must be real; got {node}")
            return result
        if own is sympy.I:
            raise ValueError(f"{field} must be real; got {node}")
        raise ValueError(
            f"{field} may use numbers, symbols, + - * / ** and {', '.join(FUNCTIONS)}; got {own} "
            "(a game with other functions can be given as a JAX function)"
        )

    return rebuild(node)


def _sympy(number: Fraction) -> Any:
    import sympy

    return sympy.Rational(number.numerator, number.denominator)
