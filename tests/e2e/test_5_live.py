"""An engine in mode Live with made-up keys trades against the simulated exchange: the production path on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.conftest import PAPER
from tests.e2e.engine import Engine
from tools.images import ROOT
from tools.kubectl import Kubectl, until
from tools.stack import EXCHANGE_NAMESPACE

NAMESPACE = "crypto-second"
SAMPLE: Path = ROOT / "manifests" / "samples" / "live.yaml"


def made_up_key() -> str:
    """A PEM key of the kind that Coinbase hands out, good for nothing."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def live(kubectl: Kubectl) -> Iterator[Engine]:
    """The live sample, pointed at the simulated exchange, with the demo's symbols and model."""
    manifest: dict[str, Any] = next(
        each for each in yaml.safe_load_all(SAMPLE.read_text()) if each["kind"] == "TradingEngine"
    )
    manifest["metadata"]["namespace"] = NAMESPACE
    spec = manifest["spec"]
    spec["exchange"]["url"] = PAPER["spec"]["exchange"]["url"]
    spec["symbols"], spec["model"] = PAPER["spec"]["symbols"], {"promotion": "First", "minimumConfidence": "0"}
    spec["timeframe"] = PAPER["spec"].get("timeframe", "1m")
    spec["llm"] = {"provider": "Disabled"}
    spec["tradingState"] = "Active"  # the sample starts halted: its first order is a person's decision
    spec.pop("database", None)
    engine = Engine(kubectl, manifest["metadata"]["name"], NAMESPACE)
    kubectl.apply(manifest)
    yield engine
    kubectl("delete", "tradingengine", engine.name, "-n", NAMESPACE, "--timeout=120s", seconds=150)


def test_missing_secret_has_its_own_reason_when_credentials_are_absent(live: Engine) -> None:
    """The status names the Secret that is not there; then it is made and the engine becomes Ready."""
    live.wait_for("Ready", "False", 120, reason="SecretMissing")
    reference = live.object()["spec"]["exchange"]["credentialsSecretRef"]["name"]
    message = live.condition("Ready")["message"]
    print(message)
    live.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": reference, "namespace": NAMESPACE},
            "stringData": {"apiKey": "organizations/made-up/apiKeys/made-up", "secret": made_up_key()},
        }
    )

    assert reference in message
    live.wait_for("Ready", "True", 240)


def test_order_reaches_exchange_once_when_live(live: Engine) -> None:
    """A filled row; the exchange saw one POST with its client order id; the verdict is skipped without a model."""
    live.plant(2)
    rows = until(
        "a filled live order", lambda: [r for r in live.recommendations() if r["status"] == "filled"], 120, interval=3
    )
    proxy = f"/api/v1/namespaces/{EXCHANGE_NAMESPACE}/services/exchange-simulator:8080/proxy/simulator/orders"
    received = json.loads(live.kubectl.raw(proxy))
    print(json.dumps(rows[0], indent=1))

    assert rows[0]["validation"]["decision"] == "skipped"
    assert received["posts"][rows[0]["execution"]["client_order_id"]] == 1
    assert all(count == 1 for count in received["posts"].values())


def test_secret_is_nowhere_but_in_files_when_live(live: Engine) -> None:
    """No key in status, events, logs or environment of the executor."""
    deployment = f"deployment/{live.name}-trade-executor"
    texts = (
        live.kubectl("get", "tradingengine", live.name, "-n", NAMESPACE, "-o", "yaml"),
        live.kubectl("get", "events", "-n", NAMESPACE, "-o", "yaml"),
        live.kubectl("logs", "-n", NAMESPACE, deployment),
        live.kubectl("get", deployment, "-n", NAMESPACE, "-o", "yaml"),
    )

    assert not any("PRIVATE KEY" in text or "apiKeys/made-up" in text for text in texts)
