"""The command line: what it prints, how it fails, and the exit status of each."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from trading_operator.__main__ import main

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"


@pytest.mark.parametrize("sample", ["minimal", "paper", "live"])
def test_objects_are_printed_when_a_sample_is_rendered(sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every object that would be applied, as YAML that reads back, twice the same."""
    arguments = ["render", "-f", str(SAMPLES / f"{sample}.yaml")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    found = [each["kind"] for each in yaml.safe_load_all(printed)]
    assert found.count("Deployment") == 6
    assert main(arguments) == 0
    assert capsys.readouterr().out == printed


def test_both_kinds_are_printed_when_crds_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """As `kubectl apply` takes them."""
    assert main(["crds"]) == 0
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(capsys.readouterr().out)]
    assert names == ["tradingengines.tradingengine.io", "monitoringtargets.tradingengine.io"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Service", "no TradingEngine"),
        ("a: [", "not YAML"),
        ("kind: TradingEngine\nmetadata: {name: x}\nspec: {symbols: [nonsense]}", "nonsense"),
        ("kind: TradingEngine\nmetadata: {name: x}\nspec: {}", "spec.symbols"),
    ],
    ids=["no engine", "no YAML", "wrong value", "missing field"],
)
def test_status_is_2_and_the_mistake_is_named_when_the_file_is_wrong(
    text: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's mistake is said on stderr, never a traceback."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["render", "-f", "-"]) == 2
    caught = capsys.readouterr()
    assert said in caught.err
    assert "Traceback" not in caught.err
    assert caught.out == ""


def test_status_is_2_when_the_file_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With its name."""
    assert main(["render", "-f", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_status_is_2_when_the_environment_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naming the variable and what is allowed."""
    monkeypatch.setenv("WORKERS", "0")
    assert main(["crds"]) == 2
    assert "workers: Input should be greater than or equal to 1" in capsys.readouterr().err


def test_status_is_1_when_there_is_no_cluster(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a pod and without KUBECONFIG it says what to do."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("trading_operator.logs.configure", lambda level: None)
    assert main(["run"]) == 1
    assert "set KUBECONFIG" in caplog.text
