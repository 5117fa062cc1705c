"""One TradingEngine under test: what a person with kubectl would ask it, and what its pods say."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tools.kubectl import Kubectl, Object, until
from tools.stack import OPERATOR_NAMESPACE
from trading_engine.contract.workers import BY_NAME, WorkerName

COLLECTORS = "crypto-collectors"
CONFIG = "/etc/trading-engine/config.json"


@dataclass(frozen=True)
class Engine:
    """An engine by name and namespace on one cluster."""

    kubectl: Kubectl
    name: str
    namespace: str

    @property
    def selector(self) -> str:
        """Labels of everything the operator made for it, in any namespace."""
        return f"tradingengine.io/engine={self.name},tradingengine.io/engine-namespace={self.namespace}"

    def object(self) -> Object:
        """The resource itself."""
        found = self.kubectl.get("tradingengine", self.name, self.namespace)
        assert found is not None, f"TradingEngine {self.namespace}/{self.name} is gone"
        return found

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Edit the spec as a person would."""
        self.kubectl(
            "patch", "tradingengine", self.name, "-n", self.namespace, "--type=merge", "-p", json.dumps({"spec": spec})
        )

    def condition(self, kind: str) -> Object:
        """One condition; status Unknown, reason Absent where there is none."""
        conditions = self.object().get("status", {}).get("conditions", [])
        absent = {"type": kind, "status": "Unknown", "reason": "Absent", "message": ""}
        return next((each for each in conditions if each["type"] == kind), absent)

    def wait_for(self, kind: str, status: str, seconds: float, reason: str | None = None) -> float:
        """Seconds until a condition of the current generation has that status (and reason)."""
        started = time.monotonic()
        until(f"{kind}={status} {reason or ''}", lambda: self._has(kind, status, reason), seconds, interval=0.25)
        return time.monotonic() - started

    def _has(self, kind: str, status: str, reason: str | None) -> bool:
        found, generation = self.condition(kind), self.object()["metadata"]["generation"]
        right = found["status"] == status and (reason is None or found["reason"] == reason)
        return right and found.get("observedGeneration") == generation

    def deployment(self, worker: WorkerName) -> Object:
        """Deployment of a worker."""
        found = self.kubectl.get("deployment", f"{self.name}-{BY_NAME[worker].service}", self.namespace)
        assert found is not None, f"{worker} has no Deployment"
        return found

    def pod(self, worker: WorkerName) -> Object | None:
        """The pod of a worker that is not being deleted."""
        component = f"app.kubernetes.io/component={BY_NAME[worker].service}"
        pods = self.kubectl.list("pods", self.namespace, f"{self.selector},{component}")
        alive = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return alive[0] if alive else None

    def kill(self, worker: WorkerName) -> None:
        """SIGKILL: no grace, no finished step."""
        pod = self.pod(worker)
        assert pod is not None, f"{worker} has no pod to kill"
        name = pod["metadata"]["name"]
        self.kubectl("delete", "pod", name, "-n", self.namespace, "--grace-period=0", "--force", "--wait=false")

    def metrics(self, worker: WorkerName) -> dict[str, list[tuple[dict[str, str], float]]]:
        """Samples of a worker's /metrics by sample name: (labels, value)."""
        known = BY_NAME[worker]
        service = f"{self.name}-{known.service}:{known.port}"
        text = self.kubectl.raw(f"/api/v1/namespaces/{self.namespace}/services/{service}/proxy/metrics")
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def total(self, worker: WorkerName, name: str, **labels: str) -> float:
        """Sum of a worker's samples with these labels."""
        samples = self.metrics(worker).get(name, [])
        return sum(value for found, value in samples if labels.items() <= found.items())

    def recommendations(self, limit: int = 200) -> list[dict[str, Any]]:
        """The newest, as the engine's own command prints them."""
        deployment = f"deployment/{self.name}-trade-orchestrator"
        command = ["trading-engine", "recommendations", "--config", CONFIG, "--limit", str(limit), "--json"]
        answer = self.kubectl("exec", "-n", self.namespace, deployment, "--", *command)
        found: list[dict[str, Any]] = json.loads(answer)
        return found

    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query in the engine's own PostgreSQL, as text."""
        pod = f"{self.name}-postgresql-0"
        psql = ["psql", "-U", "trading", "-d", "trading", "-h", "/var/run/postgresql", "-At", "-F", "\t", "-c", query]
        answer = self.kubectl("exec", "-n", self.namespace, pod, "--", *psql)
        return [line.split("\t") for line in answer.splitlines()]

    def plant(self, count: int, notional: str = "5") -> list[str]:
        """Pending buys put into the store as the signal generator would; their ids. They expire in two minutes.

        Signals come when the market likes; a test that needs work at a stage now brings its own.
        """
        symbols = self.object()["spec"]["symbols"]
        rows = self.sql(f"""
            insert into recommendations (id, engine, symbol, timeframe, candle_open_ms, side, price, confidence,
                                         notional, model_id, created_ms, expires_ms, status, updated_ms)
            select gen_random_uuid(), '{self.namespace}/{self.name}', (array{symbols!r})[1 + n % {len(symbols)}], '1m',
                   now.ms - 90001 - n, 'buy', '1', '0.9', '{notional}', 'planted', now.ms, now.ms + 120000,
                   'pending', now.ms
            from generate_series(1, {count}) as n,
                 (select (extract(epoch from clock_timestamp()) * 1000)::bigint as ms) as now
            returning id""")
        return [row[0] for row in rows if len(row[0]) == 36]

    def statuses(self, ids: list[str]) -> dict[str, str]:
        """Where each of these recommendations stands."""
        wanted = ",".join(f"'{each}'" for each in ids)
        rows = self.sql(f"select id, status from recommendations where id in ({wanted})")
        return {row[0]: row[1] for row in rows}

    def watch_for(self, ids: list[str], statuses: tuple[str, ...], seconds: int) -> bool:
        """Whether one of these reaches one of the statuses in time; looked at every 10 ms, inside the database."""
        wanted, words = (",".join(f"'{each}'" for each in of) for of in (ids, statuses))
        self.sql(f"""do $$ begin
            for i in 1 .. {seconds * 100} loop
              exit when exists (select from recommendations where id in ({wanted}) and status in ({words}));
              perform pg_sleep(0.01);
            end loop; end $$""")
        return bool(set(self.statuses(ids).values()) & set(statuses))

    def children(self) -> list[Object]:
        """Everything the operator made for it, in every namespace."""
        kinds = (
            "deployments,statefulsets,services,configmaps,secrets,serviceaccounts,networkpolicies,jobs,"
            "persistentvolumeclaims,pods"
        )
        return self.kubectl.list(kinds, selector=self.selector)


def scale_operator(kubectl: Kubectl, replicas: int) -> None:
    """Set the operator's replicas and wait for it."""
    kubectl("scale", "deployment/trading-operator", "-n", OPERATOR_NAMESPACE, f"--replicas={replicas}")
    kubectl("rollout", "status", "deployment/trading-operator", "-n", OPERATOR_NAMESPACE, "--timeout=120s", seconds=130)
    if replicas == 0:
        until("no operator", lambda: not kubectl.list("pods", OPERATOR_NAMESPACE), 60)
