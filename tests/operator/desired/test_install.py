"""The operator's own installation: rights by use, two confined replicas."""

from __future__ import annotations

from typing import Any

from tests.operator.engines import SETTINGS
from trading_operator.desired.install import cluster_rules, installation
from trading_operator.desired.scrape import prometheus_rules


def verbs(resource: str) -> set[str]:
    """What may be done to every object of a resource."""
    rules = (rule for rule in cluster_rules() if rule.get("resources") == [resource] and "resourceNames" not in rule)
    return {verb for rule in rules for verb in rule["verbs"]}


def one(kind: str, namespace: str = "") -> dict[str, Any]:
    """The one object of a kind (in a namespace)."""
    (found,) = (
        each
        for each in installation(SETTINGS)
        if each["kind"] == kind and namespace in ("", each["metadata"].get("namespace"))
    )
    return found


def test_no_right_is_wild_when_generated() -> None:
    """No asterisk, no right to grant what is not held, no way into pods; one resource per rule."""
    text = str(cluster_rules())
    for word in ("*", "escalate", "'bind'", "impersonate", "pods/exec"):
        assert word not in text, word
    assert all(len(rule.get("resources", rule.get("nonResourceURLs"))) == 1 for rule in cluster_rules())


def test_only_one_cluster_role_is_written_when_generated() -> None:
    """Prometheus's, by name; it grants what the operator holds itself."""
    rules = [rule for rule in cluster_rules() if rule.get("resources") in (["clusterroles"], ["clusterrolebindings"])]
    written = [rule for rule in rules if set(rule["verbs"]) - {"list", "watch"}]

    assert len(written) == 2
    assert all(rule["resourceNames"] == ["trading-operator-prometheus"] for rule in written)
    assert all(rule in cluster_rules() for rule in prometheus_rules())


def test_pods_are_touched_only_where_prometheus_runs_when_generated() -> None:
    """No right to change a pod of an engine, nor any DaemonSet but the log agent's."""
    pods, agent = one("Role", SETTINGS.monitoring_namespace)["rules"]

    assert (pods["resources"], pods["verbs"]) == (["pods"], ["patch"])
    assert (agent["resources"], agent["resourceNames"]) == (["daemonsets"], ["log-agent"])


def test_rights_are_those_used_when_generated() -> None:
    """Own kinds are read and only their status is written; a claim is never deleted; pods are only watched."""
    assert verbs("tradingengines") == {"get", "list", "watch"}
    assert verbs("tradingengines/status") == {"patch"}
    assert verbs("monitoringtargets") == {"get", "list", "watch", "create", "patch", "delete"}
    assert verbs("deployments") == {"get", "list", "watch", "create", "patch", "delete"}
    assert verbs("secrets") == {"get", "list", "watch", "create", "patch", "delete"}
    assert "delete" not in verbs("persistentvolumeclaims")
    assert verbs("pods") == {"get", "list", "watch"}
    assert verbs("namespaces") == {"list", "watch"}
    assert verbs("clusterroles") == {"list", "watch"}
    assert verbs("events") == {"create"}


def test_lease_is_the_only_one_when_generated() -> None:
    """In its own namespace, by name, but for making it."""
    first, second = one("Role", SETTINGS.pod_namespace)["rules"]

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
