"""Findings: what is wrong, seen in objects and pods, each as a value with a reason and words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trading_operator.checks.reasons import Reason

Manifest = Mapping[str, Any]

_ORDER: Final = list(Reason)
_IMAGE_REASONS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
#: A container that fell, this often, and is not ready is looping, also while it happens to run.
_LOOPING_RESTARTS: Final = 3
_MAX_WORDS: Final = 600


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with `subject` (a worker, the database, a Secret)."""

    reason: Reason
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}" if self.subject else self.message


def worst(findings: Iterable[Finding]) -> list[Finding]:
    """The findings whose reason takes precedence; empty where there are none."""
    found = list(findings)
    first = min((_ORDER.index(each.reason) for each in found), default=0)
    return [each for each in found if _ORDER.index(each.reason) == first]


def pod_finding(subject: str, pod: Manifest) -> Finding | None:
    """What keeps a pod from being ready, the earliest cause first; None for a ready one."""
    status = pod.get("status", {})
    if _condition(status, "Ready").get("status") == "True":
        return None
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Finding(Reason.UNSCHEDULABLE, subject, shortened(scheduled.get("message", "")))
    images = _images(pod)
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        found = _container_finding(subject, container, images.get(container["name"], ""))
        if found:
            return found
    return Finding(Reason.PROGRESSING, subject, f"pod {pod['metadata']['name']} is not ready yet")


def _container_finding(subject: str, container: Manifest, image: str) -> Finding | None:
    waiting = container.get("state", {}).get("waiting", {})
    reason, words = waiting.get("reason", ""), shortened(waiting.get("message", ""))
    if reason in _IMAGE_REASONS:
        return Finding(Reason.IMAGE_PULL_FAILED, subject, f"image {image}: {words or reason}")
    if reason in _CONFIG_REASONS:
        missing = "secret" in words and "not found" in words
        return Finding(Reason.SECRET_MISSING if missing else Reason.CONTAINER_INVALID, subject, words or reason)
    if container.get("ready"):
        return None
    fell = container.get("lastState", {}).get("terminated", {}).get("exitCode", 0) != 0
    looping = reason == "CrashLoopBackOff" or (fell and container.get("restartCount", 0) >= _LOOPING_RESTARTS)
    return Finding(Reason.CRASH_LOOPING, subject, last_words(container)) if looping else None


def last_words(container: Manifest) -> str:
    """How a container last ended: exit status, reason and the end of its log."""
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated") or {}
    how = f"container {container['name']} ended with status {ended.get('exitCode', 'unknown')}"
    if ended.get("reason") not in (None, "Error", "Completed"):
        how += f" ({ended['reason']})"
    words = shortened(ended.get("message", ""))
    return f"{how}: {words}" if words else how


def refused_pods(subject: str, workload: Manifest) -> Finding | None:
    """Why a workload cannot even make its pods."""
    failure = _condition(workload.get("status", {}), "ReplicaFailure")
    if failure.get("status") != "True":
        return None
    return Finding(Reason.PODS_REFUSED, subject, shortened(failure.get("message", "")))


def shortened(text: str) -> str:
    """One line; of a long text the end, where an error says what it is."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_WORDS else "..." + line[-_MAX_WORDS:]


def _images(pod: Manifest) -> dict[str, str]:
    spec = pod.get("spec", {})
    return {each["name"]: each["image"] for each in (*spec.get("initContainers", ()), *spec.get("containers", ()))}


def _condition(status: Manifest, type_: str) -> Manifest:
    found: Manifest = next((each for each in status.get("conditions", ()) if each["type"] == type_), {})
    return found
