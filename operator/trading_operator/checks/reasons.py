"""Every reason that a condition may carry, each with what it means: `docs/reference/reasons.md` is made from here.

The order is that of precedence: where several things are wrong, Ready names the first of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """`value` is the word in the condition, `meaning` the sentence in the documentation."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """A member with its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # what a person has to mend
    INVALID_SPEC = (
        "InvalidSpec",
        "The object does not fit its kind; the message names field, value and what is allowed.",
    )
    APPLY_REFUSED = (
        "ApplyRefused",
        "An object of the engine was refused, by the API server or because somebody else made one of that name;"
        " the message says which. Nothing that comes after it is written.",
    )
    SECRET_MISSING = "SecretMissing", "A Secret that the spec names is not there, or lacks a key."
    IMAGE_PULL_FAILED = "ImagePullFailed", "The kubelet cannot get a container's image."
    UNSCHEDULABLE = "Unschedulable", "The scheduler finds no node for a pod."
    PODS_REFUSED = "PodsRefused", "The API server refuses the pods of a workload: a quota, or pod security."
    CONTAINER_INVALID = "ContainerInvalid", "The kubelet cannot make a container from its description."
    DATABASE_NOT_READY = "DatabaseNotReady", "The database that the operator runs does not accept connections yet."
    CRASH_LOOPING = "CrashLooping", "A container ends again and again; the message has its last words."
    # what time mends
    SUSPENDED = (
        "Suspended",
        "spec.suspend is true: nothing is changed. On Ready: and what runs is not what the spec asks for.",
    )
    PROGRESSING = "Progressing", "Workloads are being made or rolled to what the spec asks for."
    # a MonitoringTarget's chain: the first link that does not hold is the reason of Ready
    NO_CONSENT = (
        "NoConsent",
        "A namespace that the target names does not let itself be observed: it lacks the label"
        ' tradingengine.io/scrape: "true", and the operator\'s settings do not name it.',
    )
    NO_SERVICES = "NoServices", "No Service of these namespaces is selected: a typo in the selector, or none is there."
    NO_ENDPOINTS = (
        "NoEndpoints",
        "A selected Service has no ready endpoint at a port of the target; the message says why.",
    )
    QUARANTINED = (
        "Quarantined",
        "What it adds to the shared configuration is refused or lacks a Secret and is left out; the others go on.",
    )
    NOT_DISCOVERED = (
        "NotDiscovered",
        "Prometheus does not list an endpoint among its targets: it may not read that namespace, it cannot reach the"
        " operator, or it runs another configuration.",
    )
    CONNECTION_REFUSED = "ConnectionRefused", "Nothing listens at an endpoint's port."
    TIMEOUT = "Timeout", "An endpoint does not answer within the scrape timeout, or a NetworkPolicy drops the packets."
    HTTP_STATUS = "HttpStatus", "An endpoint answers with an HTTP status other than 200; the message has it."
    BAD_EXPOSITION = "BadExposition", "An endpoint answers with something else than metrics: another path?"
    SAMPLE_LIMIT = "SampleLimit", "An endpoint serves more samples or labels than a limit of Prometheus allows."
    SCRAPE_FAILED = "ScrapeFailed", "A scrape failed in another way; the message has Prometheus's words."
    MISSING_SERIES = "MissingSeries", "No endpoint serves a metric that is expected; the message names it."
    STALE = "Stale", "An endpoint answers, but its newest work is older than `freshness` allows."
    PROMETHEUS_UNREACHABLE = "PrometheusUnreachable", "Prometheus does not answer: nothing is known of the scrapes."
    AWAITING_EVIDENCE = "AwaitingEvidence", "Prometheus has not been asked about this yet."
    AWAITING_DISCOVERY = "AwaitingDiscovery", "An endpoint is new; Prometheus will list it with its next look."
    AWAITING_SCRAPE = "AwaitingScrape", "An endpoint has not been scraped yet."
    EARLIER_LINK = "EarlierLink", "An earlier link of the chain does not hold, so this one cannot be judged."
    # what is well
    ALL_WORKERS_READY = "AllWorkersReady", "Every worker runs the wanted configuration and is ready."
    SETTLED = "Settled", "Nothing is being rolled."
    NOTHING_TO_MEND = "NothingToMend", "Nothing waits for a person."
    NOT_SUSPENDED = "NotSuspended", "spec.suspend is false."
    ALL_UP = "AllUp", "Every endpoint of the target is scraped and says what it shall."
    HOLDS = "Holds", "This link of the chain holds."
    NOT_ASKED_FOR = "NotAskedFor", "The spec asks for nothing here."
    # the red button
    ACKNOWLEDGED = "Acknowledged", "The executor acknowledged that it is halted: it sends nothing."
    AWAITING_ACKNOWLEDGEMENT = (
        "AwaitingAcknowledgement",
        "Halted is asked for; the executor has not acknowledged it yet.",
    )
    EXECUTOR_UNREACHABLE = "ExecutorUnreachable", "The executor could not be asked; what it last obeyed holds there."
    NOT_HALTED = "NotHalted", "The executor acknowledged another state than Halted."
    # the model
    MODELS_PROMOTED = "ModelsPromoted", "Every symbol has a promoted model."
    NO_MODEL = "NoModel", "A symbol has no promoted model: its signals are hold. The message says why."
    TRAINING = "Training", "The training Job has not ended yet."
    TRAINING_FAILED = "TrainingFailed", "The training Job gave up; the message has its last words."
    NOT_REPORTED = "NotReported", "Nobody has said yet which models are promoted."
    # what observes it
    OBSERVED = "Observed", "Prometheus says that it has loaded the configuration that scrapes the engine."
    SCRAPE_DISABLED = "ScrapeDisabled", "spec.observability.scrape is Disabled: nothing of the engine is scraped."
    NOT_LOOKED_AT = "NotLookedAt", "The shared configuration of Prometheus was not looked at yet."
    PROMTOOL_MISSING = (
        "PromtoolMissing",
        "A program that checks configurations (promtool, amtool) cannot be run; nothing unchecked is written.",
    )
    CONFIGURATION_INVALID = (
        "ConfigurationInvalid",
        "promtool, amtool or Prometheus itself refuses the configuration; the last good one stays.",
    )
    ALERTING = "Alerting", "Prometheus and Alertmanager have loaded the rules and whom to tell of the engine's alerts."
    ALERTMANAGER_UNREACHABLE = (
        "AlertmanagerUnreachable",
        "Alertmanager does not answer or refuses: nobody may be told of an alert.",
    )
    LOG_AGENT_END_OF_LIFE = (
        "LogAgentEndOfLife",
        "Promtail has had no support since 2026-03-02: choose OpenTelemetryCollector in observability.logs.agent.",
    )
    SHARED_OBJECT_REFUSED = "SharedObjectRefused", "The API server refused an object that the engines share."
    PROMETHEUS_OPERATOR_MISSING = (
        "PrometheusOperatorMissing",
        "spec.observability.scrape is ServiceMonitor, and the cluster does not know the kinds of prometheus-operator.",
    )
    LEFT_TO_PROMETHEUS_OPERATOR = (
        "LeftToPrometheusOperator",
        "ServiceMonitor and PrometheusRule are written; whether a Prometheus selects them is not for us to see.",
    )
    RELOAD_PENDING = (
        "ReloadPending",
        "The configuration is written, but Prometheus has not said within 15 s that it has loaded it.",
    )
    SERVICE_NOT_SCRAPED = (
        "ServiceNotScraped",
        "A Service of the engine's namespace asks to be scraped and its annotation prometheus.io/port names no port"
        " of its endpoints.",
    )


#: Those that wait for a person: `Stalled` is True with them.
NEEDS_A_PERSON = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.APPLY_REFUSED,
        Reason.SECRET_MISSING,
        Reason.IMAGE_PULL_FAILED,
        Reason.UNSCHEDULABLE,
        Reason.PODS_REFUSED,
        Reason.CONTAINER_INVALID,
        Reason.CRASH_LOOPING,
    }
)


def reference() -> str:
    """The page of all reasons, as Markdown."""
    rows = "".join(f"| `{reason}` | {reason.meaning} |\n" for reason in Reason)
    return (
        "# Reasons of conditions\n\nGenerated from `trading_operator/checks/reasons.py` by `make generate`."
        " Where several things are wrong, Ready names the one that stands first here.\n\n"
        f"| reason | meaning |\n| --- | --- |\n{rows}"
    )
