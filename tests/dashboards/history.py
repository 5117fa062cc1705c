"""Minutes of an engine's life in a real Prometheus: what the workers' own instruments export, written as blocks.

`Prometheus` serves them. Nothing is scraped and nobody waits: the times lie in the past.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.observer_programs import program
from trading_dashboards.series import SERVICES
from trading_engine.contract.metrics import SYMBOL, Kind, Metric, of_worker
from trading_engine.contract.workers import BY_NAME, COLLECTORS, Worker
from trading_engine.runtime.instruments import Instruments

SYMBOLS = ("BTC/USD", "ETH/USD")
STEP = 20
#: Seconds of history, and how long before its end a stopped worker falls silent: longer than any window asked for.
LENGTH, SILENCE = 1000, 500
#: What gauges are set to, where 1 would be no sane value.
GAUGES = {"trading_position_average_cost": 90.0, "trading_last_close_price": 100.0, "trading_realized_pnl": -3.0}

Labels = Mapping[str, str]


def service_of(worker: Worker, engine: str) -> str:
    """Name of a worker's Service, as the operator gives it."""
    if worker in COLLECTORS:
        return f"crypto-trading-{engine}-{worker.service}-0123abcd"
    return f"{engine}-{worker.service}"


def write_blocks(folder: Path, end: int, engines: Mapping[str, str]) -> None:
    """Histories of engines, by the name of each the worker that falls silent ("": none does)."""
    text = folder / "history.txt"
    with text.open("w") as file:
        for worker in BY_NAME.values():
            for at, samples in _history(worker, end):
                for engine, stopped in engines.items():
                    if worker.service != stopped or at < end - SILENCE:
                        file.writelines(_line(worker, engine, sample, at) for sample in samples)
        file.write("# EOF\n")
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q", str(text), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _history(worker: Worker, end: int) -> Iterator[tuple[int, list[tuple[str, Labels, float]]]]:
    """At each step all samples of a worker that is busy with everything it can do."""
    instruments, chance = Instruments(worker.name, SYMBOLS), random.Random(1)
    for at in range(end - LENGTH, end + 1, STEP):
        for metric in of_worker(worker.name):
            _live(instruments, metric, chance, at)
        body, _ = instruments.exposition("")
        families = text_string_to_metric_families(body.decode())
        samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]
        yield at, [*samples, ("up", {}, 1.0)]


def _live(instruments: Instruments, metric: Metric, chance: random.Random, at: int) -> None:
    names = metric.label_names
    for values in product(*(SYMBOLS if name == SYMBOL else allowed for name, allowed in metric.labels)):
        labels = dict(zip(names, values, strict=True))
        match metric.kind:
            case Kind.COUNTER:
                instruments.inc(metric.name, 0.01 if "fees" in metric.name else chance.randint(1, 3), **labels)
            case Kind.HISTOGRAM:
                instruments.observe(metric.name, chance.choice(metric.buckets[:-2]), **labels)
            case Kind.GAUGE:
                instruments.set(metric.name, _value(metric, labels, at), **labels)


def _value(metric: Metric, labels: Labels, at: int) -> float:
    if metric.name.endswith("_timestamp_seconds"):
        return at - 30
    if metric.name == "trading_state":
        return labels["state"] == "Active"
    return GAUGES.get(metric.name, 1.0)


def _line(worker: Worker, engine: str, sample: tuple[str, Labels, float], at: int) -> str:
    name, labels, value = sample
    service = service_of(worker, engine)
    placed = {
        "job": SERVICES,
        "instance": f"{service}:{worker.port}",
        "namespace": "crypto-collectors" if worker in COLLECTORS else "crypto-trading",
        "service": service,
        "pod": f"{service}-0",
        "node": "node-1",
        **labels,
    }
    written = ",".join(f'{key}="{text}"' for key, text in placed.items())
    return f"{name}{{{written}}} {value} {at}\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Prometheus:
    """A real one over blocks on a port of its own; ends with `stop`."""

    def __init__(self, folder: Path) -> None:
        (folder / "prometheus.yml").write_text("{}")
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [program("prometheus"), f"--config.file={folder}/prometheus.yml"]
        command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"]
        with (folder / "prometheus.log").open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait(folder / "prometheus.log")

    def _wait(self, log: Path) -> None:
        for _ in range(600):
            assert self._process.poll() is None, log.read_text()
            try:
                with urlopen(f"{self.url}/-/ready", timeout=2):
                    return
            except (URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(log.read_text())

    def ask(self, expr: str, at: int) -> Sequence[Mapping[str, Any]]:
        """The series of an instant query; an error is raised with Prometheus's own words."""
        try:
            with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': expr, 'time': at})}", timeout=30) as answer:
                found: Sequence[Mapping[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except HTTPError as error:
            raise AssertionError(f"{expr}: {error.read().decode()}") from error

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
