"""Whose an observed object is."""

from typing import Any

import pytest

from trading_operator.ownership import is_ours, owner_of

LABELS = {
    "app.kubernetes.io/managed-by": "trading-operator",
    "tradingengine.io/engine": "paper",
    "tradingengine.io/engine-namespace": "crypto-trading",
}


def labeled(kind: str, **others: str) -> dict[str, Any]:
    """An object with an engine's marks."""
    return {"kind": kind, "metadata": {"name": "paper-x", "namespace": "crypto-trading", "labels": LABELS | others}}


@pytest.mark.parametrize("kind", ["Service", "Deployment", "MonitoringTarget"])
def test_object_is_ours_when_it_carries_label_and_mark(kind: str) -> None:
    """What we make carries both."""
    assert owner_of(labeled(kind)) == ("crypto-trading", "paper")
    assert is_ours(labeled(kind))


def test_endpoint_slice_is_nobodys_when_it_carries_the_labels_of_its_service() -> None:
    """Kubernetes copies them; a slice that we took for ours would be deleted as nothing we want."""
    copied = labeled("EndpointSlice", **{"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"})

    assert owner_of(copied) is None
    assert not is_ours(copied)
