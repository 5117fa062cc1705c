"""Keeps the log of every container of ours, also of those that are gone when the tests end."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from tools.kubectl import Kubectl, KubectlFailed, Object


class LogCollector:
    """Follows every container in some namespaces from its start; one file each in `folder`."""

    def __init__(self, kubectl: Kubectl, namespaces: tuple[str, ...], folder: Path) -> None:
        self.kubectl, self.namespaces, self.folder = kubectl, namespaces, folder
        self._followers: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Look for new containers every second."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """End the followers we started."""
        self._stop.set()
        self._thread.join()
        for follower in self._followers.values():
            follower.terminate()
            follower.wait()

    def lines(self) -> dict[str, list[str]]:
        """`namespace_pod_container_restart` -> its lines so far."""
        return {path.stem: path.read_text(errors="replace").splitlines() for path in self.folder.glob("*.log")}

    def _run(self) -> None:
        while not self._stop.wait(1.0):
            for namespace in self.namespaces:
                try:
                    pods = self.kubectl.list("pods", namespace)
                except (KubectlFailed, subprocess.TimeoutExpired):
                    continue  # the tests stop the API server's clients too; the next second asks again
                for pod in pods:
                    self._follow(pod)

    def _follow(self, pod: Object) -> None:
        for status in containers(pod):
            if not ({"running", "terminated"} & status.get("state", {}).keys()):
                continue
            namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
            key = f"{namespace}_{name}_{status['name']}_{status['restartCount']}"
            if key not in self._followers:
                self._followers[key] = self._spawn(key, namespace, name, status["name"])

    def _spawn(self, key: str, namespace: str, pod: str, container: str) -> subprocess.Popen[bytes]:
        command = [*self.kubectl.command, "logs", "-f", "-n", namespace, pod, "-c", container]
        with (self.folder / f"{key}.log").open("wb") as file:
            return subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)


def containers(pod: Object) -> list[Object]:
    """Statuses of a pod's containers, init containers included."""
    status = pod.get("status", {})
    found: list[Object] = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return found
