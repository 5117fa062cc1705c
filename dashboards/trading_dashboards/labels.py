"""Which labels the answer of a PromQL expression carries, from its syntax tree and the known series.

Called by `promql`. A `by`, `on` or `group_left` over a label that is not there is valid PromQL and silently groups
everything together or matches nothing: here it is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import promql_parser as ast

from trading_dashboards.series import KNOWN

NONE: Final[frozenset[str]] = frozenset()
_SET_OPERATORS: Final = ("and", "unless", "or")
_KEEP_ALL: Final = ("topk", "bottomk", "limitk")


def labels_of(node: ast.Expr) -> frozenset[str]:
    """Labels of the answer's series; none for a scalar.

    Raises:
        ValueError: it groups or matches by a label that is not there.
        KeyError: it selects a series that is not known.
    """
    match node:
        case ast.VectorSelector():
            return KNOWN[node.name or ""].labels
        case ast.MatrixSelector():
            return labels_of(node.vector_selector)
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return labels_of(node.expr)
        case ast.AggregateExpr():
            return _of_aggregation(node)
        case ast.BinaryExpr():
            return _of_operation(node)
        case ast.Call():
            return _of_call(node)
    return NONE


def _of_aggregation(node: ast.AggregateExpr) -> frozenset[str]:
    inner = labels_of(node.expr)
    if str(node.op) in _KEEP_ALL:
        return inner
    if node.modifier is None:
        return NONE
    _there(node.modifier.labels, inner, str(node.op))
    named = frozenset(node.modifier.labels)
    return named if node.modifier.type == ast.AggModifierType.By else inner - named


def _of_call(node: ast.Call) -> frozenset[str]:
    inner = NONE.union(*(labels_of(each) for each in node.args))
    match node.func.name:
        case "histogram_quantile":
            _there(("le",), inner, "histogram_quantile")
            return inner - {"le"}
        case "label_replace" | "label_join":
            return inner | {node.args[1].val}
        case "scalar" | "vector":
            return NONE
    return inner


def _of_operation(node: ast.BinaryExpr) -> frozenset[str]:
    left, right = labels_of(node.lhs), labels_of(node.rhs)
    if _is_scalar(node.lhs) or _is_scalar(node.rhs):
        return left | right
    matching = node.modifier.matching if node.modifier else None
    if matching is not None:
        _there(matching.labels, left & right, str(node.op))
    if str(node.op) in _SET_OPERATORS:
        return left & right if str(node.op) == "or" else left
    return _of_match(node, left, right)


def _of_match(node: ast.BinaryExpr, left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
    modifier = node.modifier
    if modifier is None or modifier.card == ast.VectorMatchCardinality.OneToOne:
        if modifier is None or modifier.matching is None:
            if left != right:
                raise ValueError(f"{node.op}: {sorted(left)} never match {sorted(right)}: say on which labels")
            return left
        named = frozenset(modifier.matching.labels)
        return named if modifier.matching.type == ast.LabelModifierType.Include else left - named
    added = frozenset(modifier.group_labels or ())
    if modifier.card == ast.VectorMatchCardinality.ManyToOne:
        _there(added, right, "group_left")
        return left | added
    _there(added, left, "group_right")
    return right | added


def _is_scalar(node: ast.Expr) -> bool:
    match node:
        case ast.NumberLiteral():
            return True
        case ast.Call():
            return node.func.name in ("scalar", "time", "pi")
        case ast.ParenExpr() | ast.UnaryExpr():
            return _is_scalar(node.expr)
        case ast.BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return False


def _there(wanted: Iterable[str], there: frozenset[str], what: str) -> None:
    if missing := sorted(set(wanted) - there):
        raise ValueError(f"{what}: no label {', '.join(missing)} among {sorted(there)}")
