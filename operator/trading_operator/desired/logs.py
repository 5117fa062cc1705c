"""Engines -> what the log agents on the nodes read and send: ConfigMap `trading-log-agent`. Pure.

`desired.stack` calls it. One model of the pipeline, two renderers: OpenTelemetry Collector and Promtail give the same
lines the same labels. Neither needs a right in the API: namespace, pod and container are in the path of a log file, the
service is what the pod's name begins with, and the rest is looked for in the line. An agent leaves out the pods of an
engine that has chosen the other one, or none; so both may run at once and no engine's line is sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from trading_engine.contract.workers import COLLECTORS, WORKERS
from trading_operator.api.v1alpha1 import TradingEngine
from trading_operator.api.v1alpha1.observability import LogAgent
from trading_operator.desired import names
from trading_operator.desired.labels import CONFIG_HASH, Object, digest_of, home_name
from trading_operator.settings import Settings

Config = dict[str, Any]

CONFIG_MAP: Final = "trading-log-agent"
DAEMON_SET: Final = "log-agent"
OTELCOL_FILE: Final = "otelcol.yaml"
PROMTAIL_FILE: Final = "promtail.yaml"
#: Where an agent's pod keeps how far it has read.
CHECKPOINTS: Final = "/var/lib/log-agent"
OTELCOL_PORT: Final = 8888
PROMTAIL_PORT: Final = 9080

#: What each agent exports of the lines that it has sent.
LINES_SENT: Final = {
    LogAgent.OPEN_TELEMETRY_COLLECTOR: "otelcol_exporter_sent_log_records_total",
    LogAgent.PROMTAIL: "promtail_sent_entries_total",
}
#: What Loki indexes, and what it keeps beside a line: values without bound must never be labels.
LABELS: Final = ("namespace", "service", "container", "level")
METADATA: Final = ("pod", "recommendation_id", "client_order_id")
#: The level of a line that names none.
NO_LEVEL: Final = "unknown"
#: Other words for a level -> ours.
ALIASES: Final = {"warn": "warning", "fatal": "critical"}

_ROOT: Final = "/var/log/pods"
_LOKI: Final = "http://loki:3100"
#: Kubernetes makes the random end of a pod's name of these.
_RANDOM: Final = "[bcdfghjklmnpqrstvwxz2456789]"
#: What follows the name of a Deployment (hash and end; run together where that would be too long), of a DaemonSet or
#: Job (end), of a StatefulSet (ordinal). A name of 58 characters or more is cut: then the pod is its service.
_SUFFIX: Final = f"-{_RANDOM}{{6,10}}-{_RANDOM}{{5}}|-{_RANDOM}{{5,15}}|-[0-9]{{1,4}}"
_PATH: Final = (
    rf"^{_ROOT}/(?P<namespace>[^_/]+)_(?P<pod>(?P<service>[^_/]+?)(?:{_SUFFIX})?)_[^_/]+/(?P<container>[^/]+)/"
)
_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Pipeline:
    """What is read, and what is looked for: regular expressions, in Go's words and Python's, whose groups are named.

    `files` are globs; `path` is matched against a file's path, `level` and each of `ids` against a line, anywhere.
    """

    files: tuple[str, ...]
    left_out: tuple[str, ...]
    path: str = _PATH
    level: str = r'(?:"level": ?"|\blevel=)(?P<level>debug|info|warning|warn|error|critical|fatal)\b'
    ids: tuple[str, ...] = (
        f'"recommendation_id": ?"(?P<recommendation_id>{_UUID})"',
        f'"client_order_id": ?"(?P<client_order_id>{_UUID})"',
    )


def log_objects(engines: Iterable[TradingEngine], settings: Settings) -> list[Object]:
    """The ConfigMap with both agents' configurations, without labels of ownership."""
    known = sorted(engines, key=lambda each: (each.namespace, each.name))
    data = {
        OTELCOL_FILE: text_of(otelcol(pipeline(LogAgent.OPEN_TELEMETRY_COLLECTOR, known, settings))),
        PROMTAIL_FILE: text_of(promtail(pipeline(LogAgent.PROMTAIL, known, settings))),
    }
    metadata = {"name": CONFIG_MAP, "namespace": settings.monitoring_namespace}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}]


def agent_revision(daemon_set: Mapping[str, Any], shared: Mapping[str, str], settings: Settings) -> str:
    """What the annotation of the agent's pods shall change to; "" where the file that they read is the same.

    An agent reads its configuration only when it starts. `shared` is the data of the ConfigMap, empty without one;
    pods without the annotation were started with the manifests' own file, which is ours without any engine.
    """
    template = daemon_set["spec"]["template"]
    arguments = " ".join(arg for each in template["spec"]["containers"] for arg in each.get("args", ()))
    base = log_objects((), settings)[0]["data"]
    file = next((each for each in base if arguments.endswith(each)), OTELCOL_FILE)
    started = (template.get("metadata", {}).get("annotations") or {}).get(CONFIG_HASH) or digest_of(base[file])
    wanted = digest_of(shared.get(file, base[file]))
    return "" if started == wanted else wanted


def pipeline(agent: LogAgent, engines: Iterable[TradingEngine], settings: Settings) -> Pipeline:
    """What one agent does: everything on its node, but not what engines have chosen otherwise for."""
    others = (each for each in engines if each.spec.observability.logs.agent is not agent)
    # Its own lines would feed on themselves while Loki is away.
    own = _files(settings.monitoring_namespace, DAEMON_SET)
    return Pipeline(
        files=(f"{_ROOT}/*/*/*.log",), left_out=(own, *(glob for each in others for glob in _pods(each, settings)))
    )


def _pods(engine: TradingEngine, settings: Settings) -> tuple[str, ...]:
    """Files of an engine's pods. One engine's name may begin with another's, so each workload is named."""
    workloads = (*(names.deployment(engine, each) for each in WORKERS), names.database(engine))
    training = home_name(engine, names.TRAINING)
    away = (names.deployment(engine, each) for each in COLLECTORS)
    return (
        *(_files(engine.namespace, each) for each in (*workloads, training)),
        *(_files(settings.collectors_namespace, each) for each in away),
    )


def _files(namespace: str, workload: str) -> str:
    return f"{_ROOT}/{namespace}_{workload}-*/*/*.log"


def text_of(config: Config) -> str:
    """As the file holds it."""
    return yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000)


def otelcol(wanted: Pipeline) -> Config:
    """Configuration of the OpenTelemetry Collector: `file_log` to Loki's OTLP endpoint.

    There is neither a queue nor a batch between file and Loki: while Loki is away nothing is read, so nothing is lost.
    Loki makes labels of the resource's attributes and structured metadata of the line's.
    """
    source = {
        "include": list(wanted.files),
        "exclude": list(wanted.left_out),
        "start_at": "beginning",
        "include_file_name": False,
        "include_file_path": True,
        "storage": "file_storage",
        "retry_on_failure": {"enabled": True, "max_elapsed_time": 0},
        "operators": _operators(wanted),
    }
    exporter = {
        "endpoint": f"{_LOKI}/otlp",
        "sending_queue": {"enabled": False},
        "retry_on_failure": {"enabled": True, "max_elapsed_time": 0},
    }
    metrics = {"readers": [{"pull": {"exporter": {"prometheus": {"host": "0.0.0.0", "port": OTELCOL_PORT}}}}]}  # noqa: S104  a pod's own
    return {
        "extensions": {"file_storage": {"directory": CHECKPOINTS}},
        "receivers": {"file_log": source},
        "exporters": {"otlp_http": exporter},
        "service": {
            "extensions": ["file_storage"],
            "telemetry": {"logs": {"level": "warn"}, "metrics": metrics},
            "pipelines": {"logs": {"receivers": ["file_log"], "exporters": ["otlp_http"]}},
        },
    }


def _operators(wanted: Pipeline) -> list[Config]:
    return [
        {"type": "container", "add_metadata_from_filepath": False},
        _parsed('attributes["log.file.path"]', "resource", wanted.path),
        {"type": "move", "from": "resource.pod", "to": "attributes.pod"},
        {"type": "add", "field": "resource.level", "value": NO_LEVEL},
        _parsed("body", "resource", wanted.level),
        *(
            {"type": "add", "field": "resource.level", "value": ours, "if": f'resource.level == "{word}"'}
            for word, ours in ALIASES.items()
        ),
        *(_parsed("body", "attributes", each) for each in wanted.ids),
        {
            "type": "retain",
            "fields": [*(f"resource.{each}" for each in LABELS), *(f"attributes.{each}" for each in METADATA)],
        },
    ]


def _parsed(source: str, target: str, regex: str) -> Config:
    """What does not match goes on as it is, and nothing is said about it."""
    return {
        "type": "regex_parser",
        "parse_from": source,
        "parse_to": target,
        "regex": regex,
        "on_error": "send_quiet",
    }


def promtail(wanted: Pipeline) -> Config:
    """Configuration of Promtail: the same files, labels and structured metadata."""
    static = {
        "targets": ["localhost"],
        "labels": {
            "__path__": _one_glob(wanted.files),
            "__path_exclude__": _one_glob(wanted.left_out),
            "level": NO_LEVEL,
        },
    }
    return {
        "server": {"http_listen_port": PROMTAIL_PORT, "grpc_listen_port": 0, "log_level": "warn"},
        "positions": {"filename": f"{CHECKPOINTS}/promtail-positions.yaml"},
        "clients": [
            {"url": f"{_LOKI}/loki/api/v1/push", "backoff_config": {"max_retries": 0, "max_period": "1m"}},
        ],
        "scrape_configs": [{"job_name": "pods", "static_configs": [static], "pipeline_stages": _stages(wanted)}],
    }


def _stages(wanted: Pipeline) -> list[Config]:
    return [
        {"cri": {}},
        {"regex": {"source": "filename", "expression": wanted.path}},
        *({"regex": {"expression": each}} for each in (wanted.level, *wanted.ids)),
        {"labels": dict.fromkeys(LABELS)},
        *(
            {"match": {"selector": f'{{level="{word}"}}', "stages": [{"static_labels": {"level": ours}}]}}
            for word, ours in ALIASES.items()
        ),
        {"structured_metadata": dict.fromkeys(METADATA)},
        {"labeldrop": ["filename", "stream"]},
    ]


def _one_glob(globs: Iterable[str]) -> str:
    """Promtail takes one glob, which may name alternatives."""
    found = tuple(globs)
    return found[0] if len(found) == 1 else f"{{{','.join(found)}}}"
