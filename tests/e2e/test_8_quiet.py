"""At rest the operator writes nothing but its Lease, nor after a restart; and it is quiet, not deaf."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime

from tests.cluster.provider import from_environment
from tests.e2e.conftest import NAMESPACES
from tests.e2e.engine import Engine
from tests.e2e.log_collector import containers
from tools.kubectl import until
from tools.stack import OPERATOR_NAMESPACE

OPERATOR = f"system:serviceaccount:{OPERATOR_NAMESPACE}:trading-operator"
MUTATING = {"create", "update", "patch", "delete", "deletecollection"}
REST_SECONDS = 300
#: How often a target says anew when its evidence is from, where nothing else changes.
EVIDENCE_SECONDS = 300


def requests(since: float) -> Counter[str]:
    """The operator's mutating requests by verb and object since then."""
    found: Counter[str] = Counter()
    for line in from_environment().audit_log.read_text().splitlines():
        event = json.loads(line)
        seen = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
        if event["user"]["username"] == OPERATOR and event["verb"] in MUTATING and seen >= since:
            target = event.get("objectRef", {})
            found[f"{event['verb']} {target.get('resource', '')} {target.get('name', '')}"] += 1
    return found


def writes(since: float) -> Counter[str]:
    """The same without Lease renewals, of which there must be some: otherwise the log does not show us the operator."""
    found = requests(since)
    leases = {key: count for key, count in found.items() if key.split()[1] == "leases"}
    print(f"Lease renewals in the audit log: {sum(leases.values())}")
    assert sum(leases.values()) > 0
    return found - Counter(leases)


def unexplained(found: Counter[str], seconds: float) -> list[str]:
    """What is more than each target's evidence, said anew every five minutes."""
    allowed = seconds // EVIDENCE_SECONDS + 1
    return [key for key, count in found.items() if not key.startswith("patch monitoringtargets ") or count > allowed]


def test_operator_writes_nothing_when_at_rest(paper: Engine, rest_began: float) -> None:
    """Five minutes of an engine that trades and is observed: Lease renewals, and each target's evidence once."""
    time.sleep(max(0.0, rest_began + REST_SECONDS - time.time()))
    found = writes(rest_began)

    print(f"mutating requests of the operator since {time.time() - rest_began:.0f} s, leases left out: {dict(found)}")
    assert not unexplained(found, time.time() - rest_began)


def test_operator_writes_nothing_when_restarted(paper: Engine) -> None:
    """A new leader reads, compares and finds nothing to do."""
    since = time.time()
    deployment = ["deployment/trading-operator", "-n", OPERATOR_NAMESPACE]
    paper.kubectl("rollout", "restart", *deployment)
    paper.kubectl("rollout", "status", *deployment, "--timeout=120s", seconds=130)
    time.sleep(45)
    found = writes(since)

    print(f"mutating requests after a restart, leases left out: {dict(found)}")
    assert not unexplained(found, time.time() - since)


def test_child_is_repaired_when_operator_was_quiet(paper: Engine) -> None:
    """Quiet, not deaf."""
    paper.kubectl("delete", "service", "paper-signal-generator", "-n", paper.namespace)
    started = time.monotonic()
    until(
        "it is back", lambda: paper.kubectl.get("service", "paper-signal-generator", paper.namespace), 30, interval=0.1
    )

    print(f"repaired after the silence in {time.monotonic() - started:.2f} s")


def test_no_container_restarted_when_nobody_killed_it(paper: Engine) -> None:
    """Probes and limits fit a small node: what the tests kill comes back as a new pod, never as a restart."""
    restarts = {
        f"{namespace}/{pod['metadata']['name']}/{status['name']}": status["restartCount"]
        for namespace in NAMESPACES
        for pod in paper.kubectl.list("pods", namespace)
        for status in containers(pod)
        if status["restartCount"]
    }

    assert restarts == {}
