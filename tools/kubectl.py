"""kubectl, as the demo and the end-to-end tests use it: always with an explicit kubeconfig."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]


class KubectlFailed(Exception):
    """kubectl said no; the message is its stderr."""


@dataclass(frozen=True)
class Kubectl:
    """One cluster, reached through one kubeconfig that is not the user's."""

    program: Path
    kubeconfig: Path
    context: str | None = None

    def __call__(self, *arguments: str, stdin: str | bytes | None = None, seconds: float = 120) -> str:
        """Standard output of `kubectl ARGUMENTS`.

        Raises:
            KubectlFailed: kubectl ended with a status other than 0, or not within `seconds`.
        """
        content = stdin.encode() if isinstance(stdin, str) else stdin
        try:
            done = subprocess.run(  # noqa: S603  # our own kubectl, arguments from tests and demo
                [*self.command, *arguments], input=content, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: no answer within {seconds:.0f} s") from error
        if done.returncode != 0:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    @property
    def command(self) -> list[str]:
        """The program with kubeconfig and context."""
        context = [f"--context={self.context}"] if self.context else []
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", *context]

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """One object; None where there is none."""
        text = self("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """Objects of a kind, in one namespace or all."""
        where = ["-n", namespace] if namespace else ["-A"]
        text = self("get", kind, *where, "-l", selector, "-o", "json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def apply(self, manifest: str | Object) -> str:
        """Server-side apply of YAML text or of one object."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def raw(self, path: str) -> str:
        """Body of a GET on the API server, services' proxies included."""
        return self("get", "--raw", path)


def until(what: str, probe: Callable[[], Any], seconds: float, interval: float = 1.0) -> Any:
    """The first truthy answer of `probe`.

    Raises:
        TimeoutError: none within `seconds`; the message says what was awaited and the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s; last answer {answer!r}")
        time.sleep(interval)
