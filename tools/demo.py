"""`make demo`: from nothing to the first filled paper order on a real cluster, and what to look at next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tools import monitoring, stack
from tools.images import ROOT
from tools.kubectl import Kubectl, KubectlFailed, until

ENGINE, NAMESPACE = "paper", "crypto-trading"
SAMPLE = ROOT / "manifests" / "samples" / "paper.yaml"
SYMBOLS = ("BTC-USD", "ETH-USD", "LTC-USD", "BTC-EUR")
#: Far below Coinbase's 0.6 to 1.2 %: at honest fees a model of one-minute candles rightly does nothing.
FEE_RATE = "0.0001"
READY_SECONDS = 300
FILL_SECONDS = 900
OBSERVED_SECONDS = 180


def say(text: str) -> None:
    """One line of progress, with the time since the start."""
    print(f"[{time.monotonic() - START:5.0f} s] {text}", flush=True)


START = time.monotonic()


def tape() -> stack.Tape:
    """Candles to play: CANDLES=FILES, else Coinbase's public ones, else a seeded generator."""
    named = tuple(Path(name) for name in os.environ.get("CANDLES", "").split())
    missing = [str(path) for path in named if not path.is_file()]
    if missing:
        raise ClusterError(f"CANDLES names files that are not there: {', '.join(missing)}")
    if named:
        return stack.Tape(named, FEE_RATE)
    fetched = _fetched()
    return stack.Tape(fetched, FEE_RATE) if fetched else stack.Tape((), FEE_RATE, synthetic=SYMBOLS)


def _fetched() -> tuple[Path, ...]:
    """Coinbase's public candles of the last day, one file a symbol; nothing where the internet does not answer."""
    folder = ROOT / "out" / "candles"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tools.public_candles", str(folder), *SYMBOLS]
    try:
        done = subprocess.run(command, capture_output=True, timeout=180, check=False)  # noqa: S603  # our own module
    except subprocess.TimeoutExpired:
        say("no public candles: no answer within 180 s")
        return ()
    if done.returncode != 0:
        say(f"no public candles: {(done.stderr.decode().strip().splitlines() or ['no reason given'])[-1]}")
        return ()
    return tuple(Path(line) for line in done.stdout.decode().split())


def up() -> int:
    """Everything, step by step; 0 once an order is filled."""
    say("cluster")
    kubectl = stack.cluster()
    say("images")
    references = stack.references()
    stack.load(references)
    played = tape()
    say(f"operator, simulated exchange and local language model; {played.label}; fee rate {played.fee_rate}")
    stack.install(kubectl, references, played)
    observed = monitoring.install(kubectl, say)
    say(f"TradingEngine {NAMESPACE}/{ENGINE}: paper; promotion First: any first model trades, whatever it is worth")
    kubectl.apply(SAMPLE.read_text())
    wait = ["wait", "--for=condition=Ready", f"tradingengine/{ENGINE}", "-n", NAMESPACE]
    try:
        kubectl(*wait, f"--timeout={READY_SECONDS}s", seconds=READY_SECONDS + 20)
    except KubectlFailed as error:
        print(f"\nNot Ready within {READY_SECONDS} s: {error}\n")
        _show(kubectl, "describe", "tradingengine", ENGINE, "-n", NAMESPACE)
        _show(kubectl, "get", "pods", "-n", NAMESPACE)
        return 1
    say("Ready; collecting candles, training the first model, waiting for the first filled order")
    try:
        until("a filled order", lambda: filled(kubectl), FILL_SECONDS, interval=5)
    except TimeoutError:
        print_stopped(kubectl)
        return 1
    say("the first order is filled")
    print_result(kubectl, played)
    try:
        until("what observes it is Ready", lambda: not unobserved(kubectl), OBSERVED_SECONDS)
    except TimeoutError:
        print(f"Not Ready after {OBSERVED_SECONDS} s: {', '.join(unobserved(kubectl))}")
        print_observers(kubectl, observed)
        return 1
    print_observers(kubectl, observed)
    return 0


def unobserved(kubectl: Kubectl) -> list[str]:
    """MonitoringTargets that are not Ready; one name for all where there is none."""
    targets = kubectl.list("monitoringtargets", NAMESPACE)
    ready = {"type": "Ready", "status": "True"}.items()
    unready = [
        each["metadata"]["name"]
        for each in targets
        if not any(ready <= found.items() for found in each.get("status", {}).get("conditions", ()))
    ]
    return unready if targets else ["no MonitoringTarget yet"]


def recommendations(kubectl: Kubectl, limit: int = 20) -> list[dict[str, Any]]:
    """The newest recommendations with verdict, risk and execution, as the engine's own command prints them."""
    where = ["exec", "-n", NAMESPACE, f"deployment/{ENGINE}-trade-orchestrator", "--"]
    command = ["trading-engine", "recommendations", "--config", "/etc/trading-engine/config.json"]
    try:
        answer = kubectl(*where, *command, "--limit", str(limit), "--json")
    except KubectlFailed as error:
        say(f"cannot read recommendations yet: {str(error)[-160:]}")
        return []
    found: list[dict[str, Any]] = json.loads(answer)
    return found


def filled(kubectl: Kubectl) -> bool:
    """Whether an order is filled; says where the newest recommendations are."""
    found = recommendations(kubectl)
    counts: dict[str, int] = {}
    for row in found:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    say("recommendations: " + (", ".join(f"{count} {status}" for status, count in counts.items()) or "none yet"))
    return "filled" in counts


def print_stopped(kubectl: Kubectl) -> None:
    """Where each recommendation stopped and why, and the engine's own account."""
    print(f"\nNo order was filled within {FILL_SECONDS} s. Where each recommendation stopped, and why:\n")
    _show(kubectl, "exec", "-n", NAMESPACE, f"deployment/{ENGINE}-trade-orchestrator", "--", "trading-engine",
          "recommendations", "--config", "/etc/trading-engine/config.json")  # fmt: skip
    _show(kubectl, "describe", "tradingengine", ENGINE, "-n", NAMESPACE)
    _show(kubectl, "logs", "-n", NAMESPACE, f"deployment/{ENGINE}-signal-generator", "--tail=20")


def print_result(kubectl: Kubectl, played: stack.Tape) -> None:
    """What there is to see, where to look next, how to remove it."""
    print()
    _show(kubectl, "get", "tradingengines", "-A")
    _show(kubectl, "get", "pods", "-n", NAMESPACE)
    _show(kubectl, "exec", "-n", NAMESPACE, f"deployment/{ENGINE}-trade-orchestrator", "--", "trading-engine",
          "recommendations", "--config", "/etc/trading-engine/config.json", "--limit", "5")  # fmt: skip
    print(f"""
Prices: {played.label}. Verdicts of the local language model are a check of the plumbing, not an opinion.

Look around:
  export KUBECONFIG={kubectl.kubeconfig}
  {kubectl.program} describe tradingengine {ENGINE} -n {NAMESPACE}
  {kubectl.program} logs -n {NAMESPACE} deployment/{ENGINE}-trade-executor
  {kubectl.program} get --raw /api/v1/namespaces/{NAMESPACE}/services/{ENGINE}-trade-executor:8024/proxy/metrics
The red button:
  {kubectl.program} patch tradingengine {ENGINE} -n {NAMESPACE} --type=merge -p '{{"spec":{{"tradingState":"Halted"}}}}'
Remove:
  make demo-down       the engine, the operator and the exchange
  make cluster-down    the whole cluster
""")


def print_observers(kubectl: Kubectl, observed: monitoring.Parts) -> None:
    """What Prometheus really sees, and how to look at it oneself."""
    _show(kubectl, "get", "monitoringtargets", "-A")
    where = f"-n {monitoring.NAMESPACE}"
    print(f"""What observes it (each until Ctrl-C):
  {kubectl.program} port-forward {where} service/prometheus 9090     queries, targets, alerts
  {kubectl.program} port-forward {where} service/alertmanager 9093   who would be told
  {kubectl.program} port-forward {where} service/loki 3100           logs""")
    if observed.grafana:
        password = f"{kubectl.program} get secret grafana-admin {where} -o jsonpath='{{.data.password}}' | base64 -d"
        print(
            f"  {kubectl.program} port-forward {where} service/grafana 3000        boards, as admin with:\n  {password}"
        )


def _show(kubectl: Kubectl, *arguments: str) -> None:
    print(f"$ kubectl {' '.join(arguments)}", flush=True)
    try:
        print(kubectl(*arguments))
    except KubectlFailed as error:
        print(error)


def down() -> int:
    """Remove what `up` applied: first the engine, so that the operator cleans up after it."""
    kubectl = stack.existing()
    if kubectl is None:
        print("nothing to remove: no cluster is up")
        return 0
    stack.remove(kubectl, [(NAMESPACE, ENGINE)])
    return 0


def main() -> int:
    """`up` or `down`."""
    try:
        return {"up": up, "down": down}[sys.argv[1] if len(sys.argv) > 1 else "up"]()
    except (ClusterError, KubectlFailed, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
