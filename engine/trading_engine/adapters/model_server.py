"""What both language-model adapters read from `llm` in the configuration, and how they say what failed.

No message made here holds the API key, also not where a server repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from trading_engine.contract.config import LlmConfig
from trading_engine.errors import ConfigError, WorkerUnavailable

#: Longest part of a server's own words in an error.
_QUOTED: Final = 200


def base_url(config: LlmConfig) -> str:
    """The server's URL without a trailing slash.

    Raises:
        ConfigError: it is missing, or not http(s)://host without user, query and fragment.
    """
    if not config.url:
        raise ConfigError(f"llm.url is missing: provider {config.provider} needs the server's http(s) URL")
    parts = urlsplit(config.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        shown = config.url.rpartition("@")[2]  # what stands before the @ could be a password
        raise ConfigError(f"llm.url is {shown!r}: allowed is http(s)://host[:port][/path], credentials never in it")
    return config.url.rstrip("/")


def authorization(config: LlmConfig) -> dict[str, str]:
    """The bearer header from `llm.api_key_file`; empty without one.

    Raises:
        ConfigError: the file cannot be read, or holds something else than one word of ASCII.
    """
    if config.api_key_file is None:
        return {}
    try:
        key = config.api_key_file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"llm.api_key_file {config.api_key_file}: {error.strerror}") from error
    if not key or not all(33 <= byte <= 126 for byte in key):
        raise ConfigError(f"llm.api_key_file {config.api_key_file}: must hold the key alone, printable and not empty")
    return {"Authorization": f"Bearer {key.decode()}"}


def timed_out(url: str, seconds: float) -> WorkerUnavailable:
    """No answer in time."""
    return WorkerUnavailable(f"language model at {url}: no answer within {seconds:.3g} s")


def unreachable(url: str, error: Exception) -> WorkerUnavailable:
    """The server could not be reached, or hung up."""
    return WorkerUnavailable(f"language model at {url}: not reachable ({type(error).__name__})")


def refused(url: str, status: int, text: str, headers: Mapping[str, str]) -> WorkerUnavailable:
    """The server answered with an error."""
    words = " ".join(text.split())
    for value in headers.values():
        words = words.replace(value.removeprefix("Bearer "), "***")
    return WorkerUnavailable(f"language model at {url}: HTTP {status} {words[:_QUOTED]}")
