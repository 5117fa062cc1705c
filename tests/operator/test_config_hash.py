"""Which workers a change of the spec restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from trading_engine.contract.workers import WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.config import config_hash, engine_config

SAMPLE = Path(__file__).resolve().parents[2] / "manifests" / "samples" / "paper.yaml"


def hashes(timeout_seconds: int) -> dict[str, str]:
    manifest = yaml.safe_load(SAMPLE.read_text())
    manifest["metadata"]["uid"] = "made-up"
    manifest["spec"]["llm"]["timeoutSeconds"] = timeout_seconds
    config = engine_config(TradingEngine.parse(manifest))
    return {worker.name.value: config_hash(config, worker) for worker in WORKERS}


@pytest.mark.parametrize(
    ("before", "after", "restarted"),
    [
        (10, 15, {"llm_validation"}),
        (20, 60, {"llm_validation", "trade_orchestrator", "signal_generator"}),
    ],
)
def test_restarts_the_callers_when_they_have_to_wait_longer(before: int, after: int, restarted: set[str]) -> None:
    """A deadline within the common wait concerns the validation worker alone; a longer one its callers too."""
    old, new = hashes(before), hashes(after)
    assert {name for name in old if old[name] != new[name]} == restarted
