"""`trading-operator run | render -f engine.yaml | crds`: the command line, and the only place that exits."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from trading_operator import logs
from trading_operator.errors import InvalidResource, OperatorError
from trading_operator.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0, 1 where it failed, 2 where the input is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options, Settings()))
    except InvalidResource as error:
        print(f"trading-operator: {error}", file=sys.stderr)
        return 2
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        print(f"trading-operator: the environment is wrong: {problems}".replace("\n", " "), file=sys.stderr)
        return 2
    except OperatorError as error:
        print(f"trading-operator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trading-operator", description="Runs trading engines on Kubernetes.")
    commands = parser.add_subparsers(title="commands", required=True)
    run = commands.add_parser("run", help="watch the cluster and make every TradingEngine so")
    run.set_defaults(command=_run)
    render = commands.add_parser("render", help="print the objects that would be applied for a TradingEngine")
    render.add_argument("-f", "--file", type=Path, required=True, help="YAML or JSON file; - reads standard input")
    render.set_defaults(command=_render)
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions")
    crds.set_defaults(command=_crds)
    return parser


def _run(_: argparse.Namespace, settings: Settings) -> int:
    # Imported here: `render` and `crds` need neither kopf nor a cluster.
    from trading_operator.run import run

    logs.configure(settings.log_level)
    try:
        asyncio.run(run(settings))
    except OperatorError as error:
        logs.fatal(error)
        return 1
    return 0


def _render(options: argparse.Namespace, settings: Settings) -> int:
    from trading_operator.render import rendered

    source = sys.stdin.read() if str(options.file) == "-" else _read(options.file)
    sys.stdout.write(rendered(source, settings))
    return 0


def _crds(_: argparse.Namespace, __: Settings) -> int:
    from trading_operator.render import rendered_crds

    sys.stdout.write(rendered_crds())
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidResource(f"{path} cannot be read: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
