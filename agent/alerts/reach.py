"""Whether a condition can ever hold, from what its figures can be: a rule that never fires is a mistake, not a rule."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Range = tuple[float, float]  # of a condition: 0 for false, 1 for true

_ANY: tuple[float, float] = (-math.inf, math.inf)
_EITHER: tuple[float, float] = (0.0, 1.0)


def can_hold(text: str, figures: Mapping[str, Range]) -> bool:
    """False only where no values of the figures make it true; figures that depend on each other are not considered."""
    return _range(ast.parse(text, mode="eval").body, figures)[1] > 0.0


def _range(node: ast.AST, figures: Mapping[str, Range]) -> Range:
    match node:
        case ast.Name(id=name):
            return figures.get(name, _ANY)
        case ast.Constant(value=int() | float() as value):
            return float(value), float(value)
        case ast.UnaryOp(op=op, operand=inner):
            low, high = _range(inner, figures)
            return (1.0 - high, 1.0 - low) if isinstance(op, ast.Not) else (-high, -low)
        case ast.BoolOp(op=op, values=nodes):
            parts = [_range(inner, figures) for inner in nodes]
            choose = min if isinstance(op, ast.And) else max
            return choose(low for low, _ in parts), choose(high for _, high in parts)
        case ast.Compare(left=left, ops=[op], comparators=[right]) | ast.BinOp(left=left, op=op, right=right):
            pair = _range(left, figures), _range(right, figures)
            return _compared(op, *pair) if isinstance(op, ast.cmpop) else _combined(op, *pair)
    return _ANY


def _compared(op: ast.cmpop, left: Range, right: Range) -> Range:
    (a, b), (c, d) = left, right
    possible, certain = {
        ast.Lt: (a < d, b < c),
        ast.LtE: (a <= d, b <= c),
        ast.Gt: (b > c, a > d),
        ast.GtE: (b >= c, a >= d),
        ast.Eq: (a <= d and c <= b, a == b == c == d),
        ast.NotEq: (not a == b == c == d, b < c or d < a),
    }.get(type(op), _EITHER[::-1])
    return float(certain), float(possible)


def _combined(op: ast.operator, left: Range, right: Range) -> Range:
    (a, b), (c, d) = left, right
    ends = {
        ast.Add: [a + c, b + d],
        ast.Sub: [a - d, b - c],
        ast.Mult: [a * c, a * d, b * c, b * d],
        ast.Div: [a / c, a / d, b / c, b / d] if c > 0.0 or d < 0.0 else [],
    }.get(type(op), [])
    return (min(ends), max(ends)) if ends and not any(map(math.isnan, ends)) else _ANY
