"""`trading-engine run [WORKER]`: one worker as a process of its own, or all of them and the collector in this one."""

from __future__ import annotations

import argparse

import structlog

from trading_engine.contract.config import EngineConfig
from trading_engine.contract.workers import EXCHANGE_DATA, WORKERS, WorkerName
from trading_engine.runtime import logs
from trading_engine.runtime.config_file import add_config_argument, read_config
from trading_engine.runtime.migrate import migrate_when_reachable
from trading_engine.runtime.process import run_until_signalled, serve
from trading_engine.runtime.token import configured_token, local_token
from trading_engine.runtime.wiring import Workshop

log = structlog.get_logger()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    names = [worker.name.value for worker in WORKERS]
    parser.add_argument(
        "worker", nargs="?", choices=names, metavar="WORKER",
        help=f"one of {', '.join(names)}; without it all of them and the collector run in one process",
    )  # fmt: skip
    add_config_argument(parser)
    parser.add_argument("--migrate", action="store_true", help="bring the database's schema up to date first")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; 0.

    Raises:
        ConfigError: the configuration does not allow it.
    """
    config = read_config(args.config)
    logs.configure(config.engine, config.log_levels)
    run_until_signalled(_one(config, WorkerName(args.worker), args.migrate) if args.worker else _all(config))
    return 0


async def _one(config: EngineConfig, worker: WorkerName, migrate: bool) -> None:
    with logs.speaking(worker):
        token = configured_token(config)
        if migrate:
            await migrate_when_reachable(config.database)
        shop = Workshop(config, token, one_process=False)
        await serve([shop.face(worker)], token, None, shop.close)


async def _all(config: EngineConfig) -> None:
    token = local_token(config)
    await migrate_when_reachable(config.database)
    shop = Workshop(config, token, one_process=True)
    faces = [shop.face(worker.name) for worker in (*WORKERS, EXCHANGE_DATA)]
    log.info("all workers in one process", mode=config.mode.value, symbols=list(config.symbols))
    await serve(faces, token, "127.0.0.1", shop.close)
