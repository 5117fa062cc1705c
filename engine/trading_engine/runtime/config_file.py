"""From the configuration file to an EngineConfig, every mistake named. Called by subcommands with `--config`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from trading_engine.contract.config import EngineConfig
from trading_engine.errors import ConfigError
from trading_engine.runtime.calls import explain


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """`--config`, optional: without it the defaults hold."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="JSON file (default: paper, SQLite in the current folder)"
    )


def read_config(path: Path | None) -> EngineConfig:
    """The configuration, or the defaults where no file is given.

    Raises:
        ConfigError: the file cannot be read or is not a valid configuration; names field, value and what is allowed.
    """
    if path is None:
        return EngineConfig()
    try:
        return EngineConfig.model_validate_json(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}") from error
