"""Engines and their receivers -> Alertmanager's configuration and the files that it names. Pure.

`desired.alerts` calls it. An engine's receivers hear of that engine alone: its route matches the two labels that its
rules set. Credentials are in Secrets of the engine's namespace, named in its spec. Exactly the keys named are copied
into the one Secret that Alertmanager mounts, beside its configuration, and read from there as files: no credential is
in the configuration. A receiver whose Secret is not there is left out, and the engine's status says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import yaml

from trading_dashboards.alert_names import AlertName, Severity
from trading_dashboards.inhibitions import INHIBITIONS, Inhibition
from trading_dashboards.rules import ENGINE, ENGINE_NAMESPACE
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.base import SecretRef
from trading_operator.api.v1alpha1.observability import EmailReceiver, ReceiverSpec, SlackReceiver, WebhookReceiver
from trading_operator.desired.labels import digest_of

#: (namespace, name) of a Secret -> its keys and plain values.
Secrets = Mapping[tuple[str, str], Mapping[str, str]]
Config = dict[str, Any]

CONFIG_FILE: Final = "alertmanager.yml"
#: Where Alertmanager's pod mounts the Secret.
FOLDER: Final = "/etc/alertmanager/config"

_NOBODY: Final = "nobody"
_REVISION: Final = "revision-"
_URL, _TOKEN, _PASSWORD = "url", "token", "password"
_TITLE: Final = (
    "[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }}"
    " {{ .CommonLabels.engine_namespace }}/{{ .CommonLabels.engine }}"
)
_TEXT: Final = (
    "{{ range .Alerts }}*{{ .Annotations.summary }}* ({{ .Labels.severity }})\n{{ .Annotations.description }}\n"
    "{{ .Annotations.runbook_url }}\n{{ end }}"
)


def receiver_secrets(engine: TradingEngine) -> dict[str, tuple[str, ...]]:
    """Secrets of the engine's namespace that its receivers need -> the keys that each must have."""
    wanted: dict[str, tuple[str, ...]] = {}
    for receiver in engine.spec.observability.receivers:
        for key, reference in _references(receiver):
            wanted[reference.name] = tuple(dict.fromkeys((*wanted.get(reference.name, ()), key)))
    return wanted


def missing_secrets(engine: TradingEngine, secrets: Secrets) -> tuple[str, ...]:
    """Receivers of an engine that are left out, and what their Secrets lack, in words."""
    found = []
    for receiver in engine.spec.observability.receivers:
        lacking = [f"Secret {ref.name} has no key {key}" for key, ref in _lacking(engine, receiver, secrets)]
        found += [f"receiver {receiver.name}: {', '.join(lacking)}"] if lacking else []
    return tuple(found)


def alertmanager_files(engines: Iterable[TradingEngine], secrets: Secrets) -> dict[str, str]:
    """File name -> content: the configuration, and every credential that it names."""
    ordered = sorted(engines, key=lambda each: (each.namespace, each.name))
    files = {CONFIG_FILE: configuration_text(ordered, secrets)}
    for engine in ordered:
        for receiver in _usable(engine, secrets):
            for key, reference in _references(receiver):
                value = secrets[engine.namespace, reference.name][key]
                files[_file(engine, receiver, key)] = value.strip()
    return files


def configuration_text(engines: Iterable[TradingEngine], secrets: Secrets) -> str:
    """The configuration as its file holds it, with its revision."""
    found = configuration(engines, secrets)
    # Alertmanager gives back what it has loaded without comments: a receiver that no route names says which it is.
    found["receivers"].append({"name": f"{_REVISION}{digest_of(found)}"})
    return yaml.dump(found, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000)


def revision_of(text: str) -> str:
    """The revision of a configuration (ours, or what Alertmanager says it has loaded); "" for another's."""
    found = re.search(rf"^\s*- name: {_REVISION}([0-9a-f]{{16}})\s*$", text, re.MULTILINE)
    return found.group(1) if found else ""


def configuration(engines: Iterable[TradingEngine], secrets: Secrets) -> Config:
    """Alertmanager's configuration as data: a route and receivers for each engine, and who keeps whom quiet."""
    served = [(engine, list(_usable(engine, secrets))) for engine in engines]
    return {
        "route": {
            "receiver": _NOBODY,
            "group_by": [ENGINE_NAMESPACE, ENGINE, "alertname"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [_engine_route(engine, receivers) for engine, receivers in served if receivers],
        },
        "inhibit_rules": [_inhibit_rule(each) for each in INHIBITIONS],
        "receivers": [
            {"name": _NOBODY},
            *(_receiver(engine, each) for engine, receivers in served for each in receivers),
        ],
    }


def receiver_name(engine: TradingEngine, receiver: ReceiverSpec) -> str:
    """Name of a receiver among those of all engines."""
    return f"{engine.namespace}/{engine.name}/{receiver.name}"


def _usable(engine: TradingEngine, secrets: Secrets) -> Iterator[ReceiverSpec]:
    return (each for each in engine.spec.observability.receivers if not _lacking(engine, each, secrets))


def _lacking(engine: TradingEngine, receiver: ReceiverSpec, secrets: Secrets) -> list[tuple[str, SecretRef]]:
    return [
        (key, reference)
        for key, reference in _references(receiver)
        if not secrets.get((engine.namespace, reference.name), {}).get(key, "").strip()
    ]


def _references(receiver: ReceiverSpec) -> tuple[tuple[str, SecretRef], ...]:
    """Key and Secret of each credential of a receiver."""
    named: list[tuple[str, SecretRef | None]] = []
    if receiver.webhook:
        named += [(_URL, receiver.webhook.url_secret_ref), (_TOKEN, receiver.webhook.token_secret_ref)]
    if receiver.slack:
        named.append((_URL, receiver.slack.url_secret_ref))
    if receiver.email:
        named.append((_PASSWORD, receiver.email.password_secret_ref))
    return tuple((key, reference) for key, reference in named if reference)


def _file(engine: TradingEngine, receiver: ReceiverSpec, key: str) -> str:
    """None of the names has a dot in it, so no two credentials share a file."""
    return f"{engine.namespace}.{engine.name}.{receiver.name}.{key}"


def _engine_route(engine: TradingEngine, receivers: Iterable[ReceiverSpec]) -> Config:
    return {
        "matchers": [_equals(ENGINE_NAMESPACE, engine.namespace), _equals(ENGINE, engine.name)],
        "routes": [_route(engine, each) for each in receivers],
    }


def _route(engine: TradingEngine, receiver: ReceiverSpec) -> Config:
    """`continue`, so that each receiver of an engine hears of an alert, not only the first."""
    found: Config = {"receiver": receiver_name(engine, receiver), "continue": True}
    if receiver.watchdog:
        return found | {
            "matchers": [_equals("alertname", AlertName.WATCHDOG)],
            "group_wait": "0s",
            "group_interval": "30s",
            "repeat_interval": "1m",
        }
    least = list(Severity).index(receiver.minimum_severity)
    severities = [each.label for each in list(Severity)[: least + 1]]
    return found | {"matchers": [f'alertname!="{AlertName.WATCHDOG}"', _one_of("severity", severities)]}


def _inhibit_rule(inhibition: Inhibition) -> Config:
    # An alert without an engine has the same empty labels as any other one without: it must never be a cause.
    ours = f'{ENGINE}!=""'
    return {
        "source_matchers": [_one_of("alertname", inhibition.causes), ours],
        "target_matchers": [_one_of("alertname", inhibition.symptoms), ours],
        "equal": list(inhibition.equal),
    }


def _equals(label: str, value: str) -> str:
    return f'{label}="{value}"'


def _one_of(label: str, values: Iterable[str]) -> str:
    return f'{label}=~"{"|".join(values)}"'


def _receiver(engine: TradingEngine, receiver: ReceiverSpec) -> Config:
    def path(key: str) -> str:
        return f"{FOLDER}/{_file(engine, receiver, key)}"

    found: Config = {"name": receiver_name(engine, receiver)}
    told = {"send_resolved": not receiver.watchdog}
    if receiver.webhook:
        found["webhook_configs"] = [told | _webhook(receiver.webhook, path(_URL), path(_TOKEN))]
    if receiver.slack:
        found["slack_configs"] = [told | _slack(receiver.slack, path(_URL))]
    if receiver.email:
        found["email_configs"] = [told | _email(receiver.email, path(_PASSWORD))]
    return found


def _webhook(webhook: WebhookReceiver, url_file: str, token_file: str) -> Config:
    where: Config = {"url": webhook.url} if webhook.url else {"url_file": url_file}
    if webhook.token_secret_ref is None:
        return where
    return where | {"http_config": {"authorization": {"credentials_file": token_file}}}


def _slack(slack: SlackReceiver, url_file: str) -> Config:
    channel = {"channel": slack.channel} if slack.channel else {}
    return {"api_url_file": url_file, **channel, "title": _TITLE, "text": _TEXT}


def _email(email: EmailReceiver, password_file: str) -> Config:
    found: Config = {"to": email.to, "from": email.from_, "smarthost": email.server}
    if email.username:
        found["auth_username"] = email.username
    if email.password_secret_ref:
        found["auth_password_file"] = password_file
    return found
