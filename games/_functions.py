r"""Functions for the payoffs of differentiable games that SymPy lacks.

$$ \sigma(x) = \frac{1}{1 + e^{-x}}, \qquad \mathrm{softmax}(x_1, \dots, x_m) = \frac{e^{x_1}}{\sum_k e^{x_k}}. $$

Written by exponentials they would overflow far out, and `1 - sigmoid(x)` would lose its digits. As
functions of their own they have derivatives in terms of themselves without a difference, and are
compiled to JAX's stable ones. This module needs SymPy, whose untyped metaclass keeps it private: type checkers of
users need not see it.
"""

from __future__ import annotations

from typing import Any

import sympy


class sigmoid(sympy.Function):  # SymPy's functions are classes in lower case
    """`sigmoid(x)` = 1 / (1 + exp(-x)): the probability of the first of two actions with logit x."""

    nargs: Any = 1

    @classmethod
    def eval(cls, *args: Any) -> Any:
        odds = _rational_power(args[0])
        return None if odds is None else odds / (1 + odds)

    def fdiff(self, argindex: int = 1) -> Any:
        x: Any = self.args[0]
        chance: Any = sigmoid(-x)
        return self * chance

    def _eval_rewrite_as_exp(self, x: Any, **hints: Any) -> Any:
        return 1 / (1 + sympy.exp(-x))

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.exp)._eval_evalf(prec)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = "" if exp is None else f"^{{{exp}}}"
        return rf"\sigma{power}\left({printer._print(self.args[0])}\right)"


class softmax(sympy.Function):
    """`softmax(x, y, ...)` = exp(x) / (exp(x) + exp(y) + ...): the probability of the action whose
    logit is the *first* argument. The order of the others does not matter."""

    @classmethod
    def eval(cls, *args: Any) -> Any:
        if not args:
            raise TypeError("softmax needs at least one logit")
        first, *others = args
        if not others:
            return sympy.Integer(1)
        if len(others) == 1:
            return sigmoid(first - others[0])
        ordered = sorted(others, key=sympy.default_sort_key)
        if ordered != others:
            return cls(first, *ordered)
        odds = [_rational_power(other - first) for other in others]
        if any(own is None for own in odds):
            return None
        return 1 / (1 + sympy.Add(*odds))

    def fdiff(self, argindex: int = 1) -> Any:
        first, *others = self.args

        def chance(k: int) -> Any:
            return softmax(others[k], first, *others[:k], *others[k + 1 :])

        if argindex == 1:
            return self * sympy.Add(*(chance(k) for k in range(len(others))))
        return -self * chance(argindex - 2)

    def _eval_rewrite_as_exp(self, first: Any, *others: Any, **hints: Any) -> Any:
        return 1 / (1 + sympy.Add(*(sympy.exp(own - first) for own in others)))

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.exp)._eval_evalf(prec)


def _rational_power(x: Any) -> Any:
    """exp(x), where that is a rational number (x = 0, or the logarithm of one); None elsewhere."""
    if not x.is_number:
        return None
    power = sympy.exp(x)
    return power if power.is_Rational else None
