"""The metric catalogue as live instruments on a registry of their own (port `Metrics`).

Called by workers through the port; `exposition` is called by the server for each scrape. Every label
combination that the catalogue and the configuration imply exists from the start where 0 is true then,
so the first increment of a counter is seen as an increase.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from trading_engine.contract.metrics import SYMBOL, Kind, Metric, of_worker
from trading_engine.contract.workers import WorkerName

Instrument = Counter | Gauge | Histogram
Key = tuple[str | tuple[str, str], ...]


class Instruments:
    """Instruments of one worker.

    An unknown name, label or label value is a KeyError. Symbols are open: an order of a symbol that
    has left the configuration is still counted.
    """

    def __init__(self, worker: WorkerName, symbols: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # published without types
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = {metric.name: metric for metric in of_worker(worker)}
        self._parents = {name: self._register(metric) for name, metric in self._metrics.items()}
        self._children: dict[Key, Instrument] = {}
        known = tuple(symbols)
        for metric in filter(lambda each: each.starts_at_zero, self._metrics.values()):
            for labels in _combinations(metric, known):
                self._child(metric.name, labels)

    def inc(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._child(name, labels).inc(amount)  # type: ignore[union-attr]  # the catalogue says it is a counter

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._child(name, labels).set(value)  # type: ignore[union-attr]  # the catalogue says it is a gauge

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add to a histogram."""
        self._child(name, labels).observe(value)  # type: ignore[union-attr]  # the catalogue says it is a histogram

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Body and Content-Type for a scraper's Accept header: OpenMetrics where asked for, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _register(self, metric: Metric) -> Instrument:
        if metric.kind is Kind.HISTOGRAM:
            return Histogram(
                metric.name, metric.help, metric.label_names, buckets=metric.buckets, registry=self._registry
            )
        kind = Counter if metric.kind is Kind.COUNTER else Gauge
        return kind(metric.name, metric.help, metric.label_names, registry=self._registry)

    def _child(self, name: str, labels: dict[str, str]) -> Instrument:
        key: Key = (name, *labels.items())
        return self._children.get(key) or self._new_child(name, labels, key)

    def _new_child(self, name: str, labels: dict[str, str], key: Key) -> Instrument:
        metric = self._metrics[name]
        allowed = dict(metric.labels)
        if labels.keys() != allowed.keys():
            raise KeyError(f"{name}: labels must be {sorted(allowed)}, got {sorted(labels)}")
        for label, value in labels.items():
            if label != SYMBOL and value not in allowed[label]:
                raise KeyError(f"{name}: {label} must be one of {allowed[label]}, got {value!r}")
        child = self._parents[name].labels(**labels) if labels else self._parents[name]
        self._children[key] = child
        return child


def _combinations(metric: Metric, symbols: tuple[str, ...]) -> Iterable[dict[str, str]]:
    values = [symbols if name == SYMBOL else allowed for name, allowed in metric.labels]
    return (dict(zip(metric.label_names, words, strict=True)) for words in itertools.product(*values))
