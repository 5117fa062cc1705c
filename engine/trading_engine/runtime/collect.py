"""`trading-engine collect SUBJECT --config FILE`: one data collector as a process of its own."""

from __future__ import annotations

import argparse
from typing import Final

from trading_engine.contract.config import EngineConfig
from trading_engine.contract.workers import WorkerName
from trading_engine.runtime import logs
from trading_engine.runtime.config_file import add_config_argument, read_config
from trading_engine.runtime.process import run_until_signalled, serve
from trading_engine.runtime.token import NoToken
from trading_engine.runtime.wiring import Workshop

SUBJECTS: Final = {"exchange": WorkerName.EXCHANGE_DATA}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `collect`."""
    parser.add_argument("subject", choices=sorted(SUBJECTS), help="what to collect")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Collect until SIGTERM or SIGINT; 0.

    Raises:
        ConfigError: the configuration does not allow it.
    """
    config = read_config(args.config)
    logs.configure(config.engine, config.log_levels)
    run_until_signalled(_collect(config, SUBJECTS[args.subject]))
    return 0


async def _collect(config: EngineConfig, worker: WorkerName) -> None:
    with logs.speaking(worker):
        token = NoToken()
        shop = Workshop(config, token, one_process=False)
        await serve([shop.face(worker)], token, None, shop.close)
