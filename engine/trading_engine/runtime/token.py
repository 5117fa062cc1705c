"""The bearer token of worker-to-worker calls: from the configured file, or one made for this folder.

In one process workers need no token among themselves, but their ports listen, and whoever can reach
the executor's can trade: so a token is made there too, readable by its owner only.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from trading_engine.contract.config import EngineConfig
from trading_engine.errors import ConfigError
from trading_engine.runtime.calls import TokenFile

LOCAL_FILE: Final = Path("trading-engine.token")


class NoToken:
    """Of a process without routes to protect: admits nobody."""

    def read(self) -> str:
        """Empty."""
        return ""


def configured_token(config: EngineConfig) -> TokenFile:
    """The token that the configuration names.

    Raises:
        ConfigError: none is named, or its file holds none.
    """
    if config.calls.token_file is None:
        raise ConfigError("calls.token_file: must name a file with the bearer token when workers run as processes")
    return TokenFile(config.calls.token_file)


def running_token(config: EngineConfig) -> TokenFile:
    """The token of an engine that is running: the configured one, else that of the current folder.

    Raises:
        ConfigError: there is none here; a new one would open nothing.
    """
    if config.calls.token_file is None and not LOCAL_FILE.exists():
        raise ConfigError(
            f"{LOCAL_FILE}: not in this folder; allowed is the folder in which the engine runs, "
            "or --config with its calls.token_file"
        )
    return local_token(config)


def local_token(config: EngineConfig) -> TokenFile:
    """The configured token, else that of the current folder, made if it is not there yet."""
    if config.calls.token_file is not None:
        return TokenFile(config.calls.token_file)
    with suppress(FileExistsError):
        descriptor = os.open(LOCAL_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    return TokenFile(LOCAL_FILE)
