"""What is wrong with a PromQL expression, as far as its syntax tree and the known series can tell.

Called by `lint` over every query of a board and by tests over every alert rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import promql_parser as ast

from trading_dashboards.labels import labels_of
from trading_dashboards.promql import SHOWN, WINDOW, BadQuery
from trading_dashboards.series import KNOWN, Series

#: What may be asked of a counter: how much it grew, and whether it is there.
_OF_COUNTERS: Final = frozenset({"rate", "increase", "resets", "absent", "absent_over_time", "present_over_time"})
_GROWTH: Final = frozenset({"rate", "increase", "irate", "resets"})
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_WINDOW: Final = re.compile(r"\[([^\]]*)\]")
_DURATION_VARIABLE: Final = re.compile(r"\$\{?__\w+\}?")
_VARIABLE: Final = re.compile(r"\$(?:\{([a-zA-Z_]\w*)(?::\w+)?\}|([a-zA-Z_]\w*))")


def checked(expression: str) -> str:
    """The expression itself.

    Raises:
        BadQuery: with everything that is wrong with it.
    """
    if found := problems(expression):
        raise BadQuery(f"{expression}: {'; '.join(found)}")
    return expression


def variables_in(text: str) -> set[str]:
    """Names of the template variables in a query, Grafana's own ($__...) left out."""
    return {a or b for a, b in _VARIABLE.findall(text) if not (a or b).startswith("__")}


def parsed(expression: str) -> ast.Expr:
    """The syntax tree, with stand-ins for Grafana's variables.

    Raises:
        BadQuery: it is no PromQL.
    """
    plain = _VARIABLE.sub("x", _DURATION_VARIABLE.sub("5m", expression))
    try:
        tree: ast.Expr = ast.parse(plain)
    except ValueError as error:
        raise BadQuery(f"no PromQL: {error}") from error
    return tree


def result_labels(expression: str) -> frozenset[str]:
    """Labels that the series of the answer carry.

    Raises:
        BadQuery: it is no PromQL, or groups or matches by labels that are not there.
    """
    return _labels(parsed(expression))


def _labels(tree: ast.Expr) -> frozenset[str]:
    try:
        return labels_of(tree)
    except ValueError as error:
        raise BadQuery(str(error)) from error


def problems(expression: str) -> list[str]:
    """What is wrong with an expression, in words; nothing where it may be drawn or alerted on."""
    try:
        tree = parsed(expression)
    except BadQuery as error:
        return [str(error)]
    found = [problem for selector, above in selectors(tree) for problem in _selector_problems(selector, above)]
    if any(isinstance(node, ast.Call) and node.func.name == "vector" for node in _nodes(tree)):
        found.append("vector() draws a figure where there is none: an absent series is a finding, not a zero")
    if found:
        return found
    try:
        _labels(tree)
    except BadQuery as error:
        return [str(error)]
    return []


def window_problems(expression: str) -> list[str]:
    """Windows that a board must not have: anything but what Grafana fits to the scrape interval or the time shown."""
    windows = _WINDOW.findall(_QUOTED.sub('""', expression))
    return [f"window [{each}]: must be {WINDOW} or {SHOWN}" for each in windows if each not in (WINDOW, SHOWN)]


def selectors(tree: ast.Expr) -> Iterator[tuple[ast.VectorSelector, tuple[ast.Expr, ...]]]:
    """Every selector, and the expressions around it from the outside in."""
    yield from _selectors(tree, ())


def _selectors(
    node: ast.Expr, above: tuple[ast.Expr, ...]
) -> Iterator[tuple[ast.VectorSelector, tuple[ast.Expr, ...]]]:
    if isinstance(node, ast.VectorSelector):
        yield node, above
    for child in _children(node):
        yield from _selectors(child, (*above, node))


def _nodes(node: ast.Expr) -> Iterator[ast.Expr]:
    yield node
    for child in _children(node):
        yield from _nodes(child)


def _children(node: ast.Expr) -> tuple[ast.Expr, ...]:
    match node:
        case ast.BinaryExpr():
            return (node.lhs, node.rhs)
        case ast.Call():
            return tuple(node.args)
        case ast.MatrixSelector():
            return (node.vector_selector,)
        case ast.AggregateExpr() | ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return (node.expr,)
    return ()


def _selector_problems(selector: ast.VectorSelector, above: tuple[ast.Expr, ...]) -> Iterator[str]:
    series = KNOWN.get(selector.name or "")
    if series is None:
        yield f"{selector.name or selector}: nobody exports it"
        return
    yield from _matcher_problems(series, {each.name: each for each in selector.matchers.matchers})
    functions = [node.func.name for node in above if isinstance(node, ast.Call)]
    if series.is_counted and not _OF_COUNTERS & set(functions):
        yield f"{series.name} only ever grows: ask for its rate or increase"
    if not series.is_counted and _GROWTH & set(functions[-1:]):
        yield f"{series.name} is no counter: {functions[-1]} of it means nothing"
    if "le" in series.labels:
        yield from _bucket_problems(series, selector, above)


def _matcher_problems(series: Series, matchers: dict[str, ast.Matcher]) -> Iterator[str]:
    for label in matchers.keys() - series.labels:
        yield f"{series.name} has no label {label}: it has {sorted(series.labels)}"
    job = matchers.get("job")
    if series.jobs and not _jobs(job) <= series.jobs:
        yield f"{series.name} must be selected with a job that exports it: {sorted(series.jobs)}"


def _jobs(matcher: ast.Matcher | None) -> set[str]:
    """Jobs that a matcher names; a nameless one where it does not name them."""
    if matcher is None or matcher.op not in (ast.MatchOp.Equal, ast.MatchOp.Re):
        return {""}
    return set(matcher.value.split("|"))


def _bucket_problems(series: Series, selector: ast.VectorSelector, above: tuple[ast.Expr, ...]) -> Iterator[str]:
    """Buckets mean something only one by one (`le` matched or kept)."""
    if any(matcher.name == "le" for matcher in selector.matchers.matchers):
        return
    for node in above:
        if isinstance(node, ast.AggregateExpr) and not _keeps(node, "le"):
            yield f"{series.name} is summed over le: keep le, or match it"


def _keeps(node: ast.AggregateExpr, label: str) -> bool:
    if node.modifier is None:
        return False
    named = label in node.modifier.labels
    return named if node.modifier.type == ast.AggModifierType.By else not named
