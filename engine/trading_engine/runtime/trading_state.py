"""`trading-engine halt|reduce|resume --why TEXT`: press or release the red button through the executor's API."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import socket

from trading_engine.contract.config import EngineConfig, TradingState
from trading_engine.contract.messages import TRADING_STATE_PATH, TradingStateChange, TradingStateReport
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime.arguments import reason
from trading_engine.runtime.calls import HttpCalls
from trading_engine.runtime.config_file import add_config_argument, read_config
from trading_engine.runtime.token import running_token

_STATES = {"halt": TradingState.HALTED, "reduce": TradingState.REDUCING, "resume": TradingState.ACTIVE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `halt`, `reduce` and `resume`."""
    add_config_argument(parser)
    parser.add_argument(
        "--why", required=True, type=reason, metavar="TEXT", help="kept with the state, for whoever finds it later"
    )
    parser.set_defaults(state=_STATES[parser.prog.split()[-1]])


def run(args: argparse.Namespace) -> int:
    """Set the state; 0 once the executor has acknowledged it.

    Raises:
        ConfigError: no token here.
        WorkerUnavailable: the executor did not acknowledge it.
    """
    change = TradingStateChange(state=args.state, who=_who(), why=args.why)
    report = asyncio.run(_put(read_config(args.config), change))
    print(f"{report.state} since {report.since_ms} by {report.who}: {report.why or '-'}")
    return 0


async def _put(config: EngineConfig, change: TradingStateChange) -> TradingStateReport:
    calls = HttpCalls(config.calls.urls, running_token(config), config.calls.timeout_seconds)
    try:
        body = change.model_dump_json().encode()
        answer = await calls.call(WorkerName.TRADE_EXECUTOR, "PUT", TRADING_STATE_PATH, body)
    finally:
        await calls.close()
    return TradingStateReport.model_validate_json(answer)


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user has no name
        return socket.gethostname()
