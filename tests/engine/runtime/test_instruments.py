"""Every series that the catalogue implies exists from the start, under its own name, and no other does."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from trading_engine.contract.metrics import CATALOGUE, Kind, of_worker
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime.instruments import Instruments

SYMBOLS = ("BTC/USD", "ETH/USD")


@pytest.mark.parametrize("worker", list(WorkerName))
def test_all_combinations_there_when_nothing_has_happened(worker: WorkerName) -> None:
    """The first increment of a counter must be seen as an increase."""
    body, _ = Instruments(worker, SYMBOLS).exposition("")
    samples = {sample.name for family in text_string_to_metric_families(body.decode()) for sample in family.samples}

    for metric in of_worker(worker):
        if not metric.starts_at_zero:
            assert metric.name not in samples
            continue
        assert (metric.name + "_bucket" if metric.kind is Kind.HISTOGRAM else metric.name) in samples
    assert not any(name.endswith("_created") for name in samples)


def test_gauge_by_label_absent_until_it_is_known() -> None:
    """A position that has not been read yet is not 0, and a trading state not Active; a time of 0 is never."""
    executor = Instruments(WorkerName.TRADE_EXECUTOR, SYMBOLS)
    collector = Instruments(WorkerName.EXCHANGE_DATA, SYMBOLS)

    assert b"trading_position_amount{" not in executor.exposition("")[0]
    assert b"trading_last_close_price{" not in collector.exposition("")[0]
    assert b'trading_last_candle_close_timestamp_seconds{symbol="BTC/USD"} 0.0' in collector.exposition("")[0]
    executor.set("trading_position_amount", 2, symbol="BTC/USD")
    assert b'trading_position_amount{symbol="BTC/USD"} 2.0' in executor.exposition("")[0]


def test_value_under_its_labels_when_labels_come_in_any_order() -> None:
    """Keyword order is no difference."""
    instruments = Instruments(WorkerName.TRADE_EXECUTOR, SYMBOLS)
    instruments.inc("trade_executions_total", status="filled", symbol="BTC/USD")
    instruments.inc("trade_executions_total", symbol="BTC/USD", status="filled")

    body, _ = instruments.exposition("")

    assert b'trade_executions_total{status="filled",symbol="BTC/USD"} 2.0' in body


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("no_such_metric", {}),
        ("signals_generated_total", {"symbol": "BTC/USD", "signal_type": "buy"}),
        ("trade_executions_total", {"status": "filled"}),
        ("trade_executions_total", {"status": "lost", "symbol": "BTC/USD"}),
        ("pending_recommendations", {"symbol": "BTC/USD"}),
    ],
)
def test_key_error_when_the_catalogue_does_not_say_so(name: str, labels: dict[str, str]) -> None:
    """A name, label or value that is not in this worker's catalogue is a bug."""
    with pytest.raises(KeyError):
        Instruments(WorkerName.TRADE_EXECUTOR, SYMBOLS).inc(name, **labels)


def test_counted_when_a_symbol_has_left_the_configuration() -> None:
    """An order outlives its symbol's configuration."""
    instruments = Instruments(WorkerName.TRADE_EXECUTOR, ["BTC/USD"])
    instruments.inc("trade_executions_total", status="filled", symbol="SOL/USD")

    assert b'trade_executions_total{status="filled",symbol="SOL/USD"} 1.0' in instruments.exposition("")[0]


def test_every_metric_of_the_catalogue_is_exported_by_its_worker() -> None:
    """Nothing in the catalogue is left out."""
    exported = {metric.name for worker in WorkerName for metric in of_worker(worker)}

    assert exported == {metric.name for metric in CATALOGUE}
