"""Alertmanager's configuration: accepted by amtool, every alert to the right receivers, no credential in it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observer_programs import program
from tests.operator.engines import SETTINGS, engine
from trading_dashboards.alert_names import AlertName, Severity
from trading_dashboards.alerts import ALERTS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.desired.alerts import ALERTMANAGER_SECRET, alert_objects
from trading_operator.desired.receivers import (
    CONFIG_FILE,
    FOLDER,
    Secrets,
    alertmanager_files,
    configuration,
    configuration_text,
    missing_secrets,
    receiver_secrets,
    revision_of,
)

PAGER = {"name": "pager", "minimumSeverity": "Critical", "webhook": {"url": "http://pager.ops.svc:8080/alerts"}}
SLACK = {"name": "slack", "slack": {"urlSecretRef": {"name": "chat"}, "channel": "#trading"}}
MAIL = {
    "name": "mail",
    "minimumSeverity": "Info",
    "email": {
        "to": "people@example.com",
        "from": "engine@example.com",
        "server": "mail.example.com:587",
        "username": "engine",
        "passwordSecretRef": {"name": "mail"},
    },
}
SWITCH = {
    "name": "switch",
    "watchdog": True,
    "webhook": {"urlSecretRef": {"name": "switch"}, "tokenSecretRef": {"name": "switch"}},
}
ONE = engine("one", observability={"receivers": [PAGER, SLACK, MAIL, SWITCH]})
OTHER = engine("other", "elsewhere", observability={"receivers": [PAGER]})
SECRETS: Secrets = {
    ("crypto-trading", "chat"): {"url": "https://chat.example.com/hook/made-up-path\n"},
    ("crypto-trading", "mail"): {"password": "made-up-password"},
    ("crypto-trading", "switch"): {"url": "https://switch.example.com/made-up-id", "token": "made-up-token"},
}
ALL = ["crypto-trading/one/pager", "crypto-trading/one/slack", "crypto-trading/one/mail"]


def amtool(folder: Path, files: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Amtool over a configuration."""
    path = folder / CONFIG_FILE
    path.write_text(files[CONFIG_FILE])
    command = [program("amtool"), *(each.format(config=path) for each in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def receivers_of(folder: Path, engines: list[TradingEngine], **labels: str) -> list[str]:
    """Who hears of an alert, in amtool's words."""
    files = alertmanager_files(engines, SECRETS)
    words = [f"{name}={value}" for name, value in labels.items()]
    done = amtool(folder, files, "config", "routes", "test", "--config.file={config}", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split(",")


def test_amtool_accepts_it_when_every_kind_of_receiver_is_used(tmp_path: Path) -> None:
    """Webhook, Slack, mail, dead man's switch, and two engines."""
    done = amtool(tmp_path, alertmanager_files([ONE, OTHER], SECRETS), "check-config", "{config}")

    assert done.returncode == 0, done.stderr
    assert "7 receivers" in done.stdout


def test_amtool_accepts_it_when_nobody_wants_to_know(tmp_path: Path) -> None:
    """An engine without receivers, and no engine at all."""
    for engines in ([engine()], []):
        assert amtool(tmp_path, alertmanager_files(engines, {}), "check-config", "{config}").returncode == 0


@pytest.mark.parametrize(
    "alert", [each for each in ALERTS if each.name is not AlertName.WATCHDOG], ids=lambda a: a.name
)
def test_alert_reaches_whom_its_severity_concerns_when_routed(alert: Any, tmp_path: Path) -> None:
    """Each receiver from its severity upwards, all of them and not only the first."""
    expected = {Severity.CRITICAL: ALL, Severity.WARNING: ALL[1:], Severity.INFO: ALL[2:]}[alert.severity]
    found = receivers_of(
        tmp_path,
        [ONE, OTHER],
        alertname=alert.name.value,
        severity=alert.severity.label,
        engine="one",
        engine_namespace="crypto-trading",
        service="one-trade-executor",
    )

    assert found == expected


def test_watchdog_reaches_only_the_dead_mans_switch_when_routed(tmp_path: Path) -> None:
    """A person who gets it every minute mutes everything."""
    labels = {"alertname": "Watchdog", "severity": "info", "engine": "one", "engine_namespace": "crypto-trading"}

    assert receivers_of(tmp_path, [ONE, OTHER], **labels) == ["crypto-trading/one/switch"]


@pytest.mark.parametrize(
    "labels",
    [
        {"engine": "one", "engine_namespace": "elsewhere"},
        {"engine": "other", "engine_namespace": "crypto-trading"},
        {"engine": "onelse", "engine_namespace": "crypto-trading"},
        {},
    ],
)
def test_nobody_hears_of_it_when_the_engine_is_nobodys(labels: dict[str, str], tmp_path: Path) -> None:
    """Both labels must match, wholly."""
    assert receivers_of(tmp_path, [ONE, OTHER], alertname="WorkerDown", severity="critical", **labels) == ["nobody"]


def test_no_credential_is_in_the_configuration_when_secrets_are_used() -> None:
    """They are files beside it, named in it, without the newline that a Secret often ends with."""
    files = alertmanager_files([ONE, OTHER], SECRETS)
    named = yaml.safe_load(files[CONFIG_FILE])["receivers"]

    assert "made-up" not in files[CONFIG_FILE]
    assert {name: text for name, text in files.items() if name != CONFIG_FILE} == {
        "crypto-trading.one.slack.url": "https://chat.example.com/hook/made-up-path",
        "crypto-trading.one.mail.password": "made-up-password",
        "crypto-trading.one.switch.url": "https://switch.example.com/made-up-id",
        "crypto-trading.one.switch.token": "made-up-token",
    }
    for name in files.keys() - {CONFIG_FILE}:
        assert f"'{FOLDER}/{name}'" in str(named)


def test_only_keys_that_are_named_are_asked_for_when_receivers_have_secrets() -> None:
    """A Secret that two receivers share is asked for once, with both keys."""
    assert receiver_secrets(ONE) == {"chat": ("url",), "mail": ("password",), "switch": ("url", "token")}
    assert receiver_secrets(OTHER) == {}


@pytest.mark.parametrize(
    "there", [{}, {"url": "https://switch.example.com"}, {"url": "https://x.example", "token": " "}]
)
def test_receiver_is_left_out_when_its_secret_lacks_something(there: dict[str, str], tmp_path: Path) -> None:
    """The others still hear; Alertmanager would fail on a file that is not there."""
    secrets = dict(SECRETS) | {("crypto-trading", "switch"): there}
    files = alertmanager_files([ONE], secrets)

    assert amtool(tmp_path, files, "check-config", "{config}").returncode == 0
    names = [each["name"] for each in yaml.safe_load(files[CONFIG_FILE])["receivers"]]
    assert names[:-1] == ["nobody", *ALL]
    assert not any("switch" in name for name in files)
    (words,) = missing_secrets(ONE, secrets)
    assert words.startswith("receiver switch: Secret switch has no key ")
    assert missing_secrets(ONE, SECRETS) == ()


def test_secret_of_another_namespace_is_out_of_reach_when_it_has_the_same_name() -> None:
    """A reference is to the engine's own namespace, whatever others have there."""
    elsewhere = engine("one", "elsewhere", observability={"receivers": [SLACK]})

    assert [each["name"] for each in configuration([elsewhere], SECRETS)["receivers"]] == ["nobody"]


def test_secret_holds_all_files_when_made() -> None:
    """One object, so configuration and credentials change together."""
    _, secret = alert_objects([ONE], SETTINGS, SECRETS)

    assert (secret["kind"], secret["metadata"]["name"]) == ("Secret", ALERTMANAGER_SECRET)
    assert secret["data"].keys() == alertmanager_files([ONE], SECRETS).keys()


def test_configuration_of_an_engine_is_the_same_when_another_comes() -> None:
    """Two engines share the file and nothing in it."""
    alone, both = configuration([ONE], SECRETS), configuration([ONE, OTHER], SECRETS)

    assert alone["route"]["routes"][0] == both["route"]["routes"][0]
    assert [each for each in both["receivers"] if "/other/" not in each["name"]] == alone["receivers"]


def test_revision_changes_with_the_configuration_and_is_read_back_when_loaded() -> None:
    """Alertmanager gives back what it has loaded, keys in another order and comments gone."""
    text = configuration_text([ONE], SECRETS)
    again = yaml.safe_dump(yaml.safe_load(text))

    assert revision_of(text) == revision_of(again) != ""
    assert revision_of(configuration_text([ONE, OTHER], SECRETS)) != revision_of(text)
    assert revision_of("receivers:\n- name: nobody\n") == ""
