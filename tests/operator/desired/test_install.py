"""The operator's own installation: rights by use, two confined replicas."""

from __future__ import annotations

from typing import Any

from tests.operator.engines import SETTINGS
from trading_operator.desired.install import cluster_rules, installation


def verbs() -> dict[str, set[str]]:
    """Resource -> verbs."""
    return {rule["resources"][0]: set(rule["verbs"]) for rule in cluster_rules()}


def one(kind: str) -> dict[str, Any]:
    """The one object of a kind."""
    (found,) = (each for each in installation(SETTINGS) if each["kind"] == kind)
    return found


def test_no_right_is_wild_when_generated() -> None:
    """No asterisk, nothing that makes rights, no way into pods."""
    text = str(cluster_rules())
    for word in ("*", "escalate", "bind", "impersonate", "pods/exec", "roles", "nonResourceURLs"):
        assert word not in text, word
    assert all(len(rule["resources"]) == 1 for rule in cluster_rules())


def test_rights_are_those_used_when_generated() -> None:
    """Own kinds are read and only their status is written; a claim is never deleted; pods are only watched."""
    found = verbs()

    assert found["tradingengines"] == {"get", "list", "watch"}
    assert found["tradingengines/status"] == {"patch"}
    assert found["monitoringtargets"] == {"list", "watch"}
    assert found["deployments"] == {"get", "list", "watch", "create", "patch", "delete"}
    assert found["secrets"] == {"get", "list", "watch", "create", "patch", "delete"}
    assert "delete" not in found["persistentvolumeclaims"]
    assert found["pods"] == {"list", "watch"}
    assert found["events"] == {"create"}


def test_lease_is_the_only_one_when_generated() -> None:
    """In its own namespace, by name, but for making it."""
    first, second = one("Role")["rules"]

    assert (first["verbs"], second["verbs"]) == (["create"], ["get", "update"])
    assert second["resourceNames"] == ["trading-operator"]


def test_operator_is_confined_when_generated() -> None:
    """Two replicas, not root, nothing writable but scratch."""
    spec = one("Deployment")["spec"]
    container = spec["template"]["spec"]["containers"][0]

    assert spec["replicas"] == 2
    assert spec["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
