"""Every mistake in an argument or a file it names: status 2 and one line with field, value and what is allowed."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from trading_engine.__main__ import main
from trading_engine.contract.messages import TradingStateChange
from trading_engine.runtime.arguments import LONGEST_REASON

REPLAY = ("replay", "--candles", "none.csv", "--symbol", "BTC/USD", "--timeframe", "1m")
SIMULATE = ("simulate-exchange", "--synthetic", "BTC/USD")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    structlog.reset_defaults()  # replay sent the lines of this process to a stderr that ends with the test


@pytest.fixture
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield str(server.getsockname()[1])


def status_of(*arguments: str) -> int:
    """As the shell sees it; argparse ends the process itself."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(str(ended.code))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recommendations", "--limit", "0"), "--limit: must be 1 to 100000, got '0'"),
        (("recommendations", "--limit", "-3"), "--limit: must be 1 to 100000, got '-3'"),
        (("recommendations", "--limit", "few"), "--limit: must be a whole number, got 'few'"),
        (("halt", "--why", "x" * 501), "--why: must have 1 to 500 characters, got 501"),
        (("resume", "--why", " "), "--why: must have 1 to 500 characters, got 0"),
        (("halt", "--why", "no engine here"), "trading-engine.token: not in this folder"),
        (REPLAY, "none.csv: cannot be read"),
        ((*SIMULATE, "--fee-rate", "nan"), "--fee-rate: must be at least 0 and below 1, got nan"),
        ((*SIMULATE, "--balance", "USD=nan"), "--balance: must not be below 0, as USD=10000, got 'USD=nan'"),
        ((*SIMULATE, "--balance", "USD=-5"), "--balance: must not be below 0, as USD=10000, got 'USD=-5'"),
        ((*SIMULATE, "--port", "65536"), "--port: must be 0 to 65535, got '65536'"),
        ((*SIMULATE, "--port", "-1"), "--port: must be 0 to 65535, got '-1'"),
        ((*SIMULATE, "--state", "none/state"), "--state none/state: cannot be written: No such file or directory"),
        (("simulate-exchange", "--synthetic", "btc-usd"), "needs symbols like BTC/USD, got ['btc-usd']"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_status_2_and_what_is_allowed_when_an_argument_is_wrong(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Argparse shows the usage first; the last line is the mistake."""
    assert status_of(*arguments) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"mode":"Real"}', "mode: Input should be 'Paper' or 'Live', got 'Real'"),
        (
            '{"mode":"Real","risk":{"max_orders_per_minute":0}}',
            "risk.max_orders_per_minute: Input should be greater than or equal to 1, got 0",
        ),
        ('{"symbols":[]}', "symbols: Tuple should have at least 1 item after validation, not 0, got []"),
        ('{"symbols":["BTC/USD","BTC/USD"]}', "symbols: Value error, each symbol only once"),
        ('{"engine":""}', "engine: String should have at least 1 character, got ''"),
        ('{"exchange":{"url":"nonsense"}}', "exchange.url: String should match pattern"),
        ('{"exchange":{"url":"http://me:hush@host"}}', "exchange.url: String should match pattern"),
        ('{"calls":{"urls":{"trade_executor":"foo"}}}', "calls.urls.trade_executor: String should match pattern"),
        (
            '{"risk":{"max_order_notional":"NaN"}}',
            "risk.max_order_notional: Input should be a finite number, got 'NaN'",
        ),
    ],
)
def test_status_2_and_the_field_when_the_configuration_is_wrong(
    config: str, says: str, in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; nothing was started and no database was made."""
    (in_a_folder / "c.json").write_text(config)

    assert main(["run", "--config", "c.json"]) == 2
    told = capsys.readouterr().err

    assert says in told
    assert told.count("\n") == 1
    assert [path.name for path in in_a_folder.iterdir()] == ["c.json"]


def test_status_2_when_the_database_would_be_in_no_folder(
    in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody makes that folder while we wait."""
    (in_a_folder / "c.json").write_text('{"database":{"url":"sqlite:///none/engine.db"}}')

    assert main(["recommendations", "--config", "c.json"]) == 2
    assert "database.url: folder none does not exist" in capsys.readouterr().err


def test_ends_at_once_when_asked_to_before_it_serves(in_a_folder: Path) -> None:
    """SIGTERM has a handler from the start: the first process of a container would not hear it else."""
    (in_a_folder / "c.json").write_text('{"database":{"url":"postgresql://nobody@127.0.0.1:1/none"}}')
    command = [sys.executable, "-m", "trading_engine", "migrate", "--config", "c.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        waiting = process.stdout.readline()
        process.terminate()

    assert b"waiting for the database" in waiting
    assert process.returncode == 143


def test_status_2_when_the_model_to_replay_has_another_card(
    in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card's first mistake in one line, not a report of many."""
    (in_a_folder / "candles.csv").write_text("timestamp_ms,open,high,low,close,volume\n60000,1,2,0.5,1,1\n")
    (in_a_folder / "model.txt").write_text("tree")
    (in_a_folder / "card.json").write_text("{}")

    status = main([*REPLAY[:2], "candles.csv", *REPLAY[3:], "--model", "model.txt"])

    told = capsys.readouterr().err
    assert status == 2
    assert "--model model.txt: the card cannot be read: model_sha256: Field required" in told
    assert told.count("\n") == 1


def test_status_2_when_the_port_of_the_simulated_exchange_is_taken(
    taken_port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else is already there."""
    assert main([*SIMULATE, "--port", taken_port]) == 2
    assert f"--port {taken_port}: cannot listen there" in capsys.readouterr().err.splitlines()[-1]


def test_status_1_and_where_it_was_looked_for_when_the_executor_is_not_configured(
    in_a_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker without a URL of its own is on this machine, at its own port."""
    (in_a_folder / "token").write_text("made-up")
    urls = '{"trade_orchestrator":"http://127.0.0.1:1"}'
    (in_a_folder / "c.json").write_text(f'{{"calls":{{"urls":{urls},"token_file":"token"}}}}')

    assert main(["halt", "--config", "c.json", "--why", "a test"]) == 1
    assert "trade_executor: PUT /v1/trading-state: ClientConnectorError" in capsys.readouterr().err


def test_reasons_are_as_long_as_the_message_allows() -> None:
    """One limit, said in two places."""
    (limit,) = (each.max_length for each in TradingStateChange.model_fields["why"].metadata)
    assert limit == LONGEST_REASON
