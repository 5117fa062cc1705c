"""Which targets an event concerns."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.targets import NAMESPACE as HOME
from tests.operator.targets import a_service, a_slice, a_target
from trading_operator.cache import Ref
from trading_operator.desired.selection import Selection
from trading_operator.kinds import ENDPOINT_SLICE, MONITORING_TARGET, NAMESPACE, SERVICE, Kind
from trading_operator.target_index import TargetIndex

REF = Ref(MONITORING_TARGET, HOME, "exporter")
SELECTED = Selection(services=(f"{HOME}/exporter", "crypto-collectors/was"))


@pytest.fixture
def index() -> TargetIndex:
    made = TargetIndex()
    made.put(REF, a_target(namespaces=[HOME, "crypto-collectors"]), SELECTED)
    return made


@pytest.mark.parametrize(
    ("kind", "found", "concerned"),
    [
        (SERVICE, a_service("new"), True),
        (SERVICE, a_service("new", namespace="elsewhere"), False),
        (SERVICE, {"metadata": {"name": "other", "namespace": HOME}}, False),
        (SERVICE, {"metadata": {"name": "was", "namespace": "crypto-collectors"}}, True),
        (ENDPOINT_SLICE, a_slice(), True),
        (ENDPOINT_SLICE, a_slice(service="other"), False),
        (ENDPOINT_SLICE, {"metadata": {"name": "handmade", "namespace": HOME}}, False),
        (NAMESPACE, {"metadata": {"name": "crypto-collectors"}}, True),
        (NAMESPACE, {"metadata": {"name": "elsewhere"}}, False),
    ],
)
def test_target_is_concerned(index: TargetIndex, kind: Kind, found: dict[str, Any], concerned: bool) -> None:
    """By what it would select, what it selected so far, the slices of that, and the namespaces it names."""
    assert index.concerned(kind, found) == ({REF} if concerned else set())


def test_import_is_concerned_by_every_service_of_its_namespaces(index: TargetIndex) -> None:
    """Any of them may have got its annotation."""
    index.put(REF, a_target(selector=None, endpoints=None, annotations="Import"), Selection())
    assert index.concerned(SERVICE, {"metadata": {"name": "any", "namespace": HOME}}) == {REF}
    assert index.concerned(SERVICE, {"metadata": {"name": "any", "namespace": "crypto-collectors"}}) == set()


def test_nothing_is_left_of_a_target_that_is_gone(index: TargetIndex) -> None:
    """Nobody is woken for it."""
    index.forget(REF)
    assert index.concerned(SERVICE, a_service()) == set()
    assert not index._refs
