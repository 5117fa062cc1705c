"""The command line of the engine: finds the subcommand's module and gives it the arguments.

Each module has `add_arguments(parser)` and `run(args) -> exit status`. Only the one that is asked for is
imported, so help is quick and a worker carries no library of another. A mistake of the user is one
line on standard error and status 2.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from trading_engine.errors import ConfigError, EngineError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("trading_engine.runtime.run", "run one worker, or all of them in one process"),
    "collect": ("trading_engine.runtime.collect", "run one data collector"),
    "migrate": ("trading_engine.runtime.migrate", "bring the database's schema up to date"),
    "recommendations": ("trading_engine.runtime.recommendations", "show the newest with verdict, risk and fill"),
    "halt": ("trading_engine.runtime.trading_state", "stop sending orders"),
    "reduce": ("trading_engine.runtime.trading_state", "send only orders that lower exposure"),
    "resume": ("trading_engine.runtime.trading_state", "send orders again"),
    "train": ("trading_engine.runtime.train", "train a model"),
    "replay": ("trading_engine.runtime.replay", "trade recorded candles on a simulated clock"),
    "serve-llm": ("trading_engine.runtime.serve_llm", "serve the small local language model, for demo and tests"),
    "simulate-exchange": ("trading_engine.simulator.command", "serve a simulated exchange"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand; its exit status, 2 for a mistake of the user, 1 for what else went wrong."""
    if argv is None:
        signal.signal(signal.SIGTERM, _end)
    args = _parser().parse_args(argv)
    module = import_module(COMMANDS[args.command][0])
    parser = argparse.ArgumentParser(prog=f"trading-engine {args.command}", description=COMMANDS[args.command][1])
    module.add_arguments(parser)
    try:
        return int(module.run(parser.parse_args(args.rest)))
    except ConfigError as error:
        return _told(error, 2)
    except EngineError as error:
        return _told(error, 1)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:18} {text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="trading-engine",
        description="A crypto trading engine: five workers, a collector, training and replay.",
        epilog=f"commands:\n{listing}\n\n`trading-engine COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its arguments")
    return parser


def _end(number: int, _: object) -> None:
    """Without a handler, the first process of a container is deaf to SIGTERM; `serve` puts a gentler one in place."""
    sys.exit(128 + number)


def _told(error: EngineError, status: int) -> int:
    print(f"trading-engine: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
