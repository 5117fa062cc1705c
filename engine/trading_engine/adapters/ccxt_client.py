"""One connection to Coinbase through ccxt: signing, rate limit, timeouts; JSON objects out, our errors raised.

Called by `ccxt_market_data` and `ccxt_exchange`. It uses ccxt's implicit endpoints (one method per URL), not the
unified ones: those need all markets loaded, turn text into floats, drop the client order id and round amounts.
What goes in is what is on the wire; what comes out is the venue's own text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trading_engine.adapters.ccxt_errors import Answered, read_error, write_error
from trading_engine.errors import ConfigError, ExchangeUnavailable, OutcomeUnknown

TIMEOUT_MS: Final = 10_000
EXCHANGE: Final = "coinbase"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A Coinbase API key: its name and its EC private key in PEM. Never shown."""

    api_key: str
    secret: str


def read_credentials(folder: Path) -> Credentials:
    """The files `apiKey` and `secret` of a folder; a newline written as backslash and n is made real.

    Raises:
        ConfigError: a file is missing, or what it holds is of another kind. The message never shows content.
    """
    api_key, secret = (_content(folder / name) for name in ("apiKey", "secret"))
    if api_key.startswith("-----BEGIN"):
        raise ConfigError(
            f"{folder / 'apiKey'}: holds a PEM key; allowed is the key's name, organizations/.../apiKeys/..."
        )
    if not secret.startswith("-----BEGIN"):
        raise ConfigError(
            f"{folder / 'secret'}: is not a PEM private key; allowed is an ECDSA key (not Ed25519, no HMAC secret)"
        )
    return Credentials(api_key, secret + "\n")


def _content(path: Path) -> str:
    try:
        text = path.read_text().strip().replace("\\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not text:
        raise ConfigError(f"{path}: is empty")
    return text


class CcxtClient:
    """ccxt's `coinbase`, opened at the first call. `url` replaces the exchange's own base URL."""

    def __init__(self, exchange_id: str = EXCHANGE, url: str | None = None, keys: Credentials | None = None) -> None:
        if exchange_id != EXCHANGE:
            raise ConfigError(f"exchange.id {exchange_id!r}: allowed is {EXCHANGE!r}")
        # Imported here: ccxt costs a second and 70 MiB, and not every worker talks to an exchange.
        from ccxt.async_support.coinbase import coinbase
        from ccxt.base.errors import BaseError

        self._transport_errors = (BaseError, OSError, TimeoutError)
        self._ccxt: Any = coinbase({"enableRateLimit": True, "timeout": TIMEOUT_MS})
        self._ccxt.handle_errors = _judge  # before ccxt's own classes, which mislead
        if url is not None:
            self._ccxt.urls["api"]["rest"] = url.rstrip("/")
        if keys is not None:
            self._sign_in(keys)

    async def read(self, endpoint: str, **params: object) -> dict[str, Any]:
        """Call a GET endpoint by ccxt's name for it.

        Raises:
            ExchangeUnavailable: no usable answer; it may be asked again.
            ExchangeRefused: an answer that asking again does not change.
        """
        try:
            answer: dict[str, Any] = await getattr(self._ccxt, endpoint)(params)
        except Answered as answered:
            raise read_error(endpoint, answered) from answered
        except self._transport_errors as error:
            raise ExchangeUnavailable(f"{endpoint}: {type(error).__name__}: {error}") from error
        return answer

    async def write(self, endpoint: str, body: dict[str, object]) -> dict[str, Any]:
        """Call a POST endpoint once; never repeated.

        Raises:
            ExchangeRefused: the venue said no.
            OutcomeUnknown: anything else but a JSON object with status 200.
        """
        try:
            answer: dict[str, Any] = await getattr(self._ccxt, endpoint)(body)
        except Answered as answered:
            raise write_error(endpoint, answered) from answered
        except Exception as error:
            raise OutcomeUnknown(f"{endpoint}: {type(error).__name__}: {error}") from error
        return answer

    async def close(self) -> None:
        """Release connections."""
        await self._ccxt.close()

    def _sign_in(self, keys: Credentials) -> None:
        self._ccxt.apiKey, self._ccxt.secret = keys.api_key, keys.secret
        try:
            self._ccxt.create_auth_token(0, "GET", "https://example.invalid/")
        except Exception:
            message = "exchange credentials: `secret` cannot sign; allowed is an unencrypted ECDSA P-256 key in PEM"
            raise ConfigError(message) from None  # the cause may show parts of the key


def _judge(status: int, reason: str, url: str, method: str, *rest: Any) -> None:  # noqa: ARG001  # ccxt's hook
    """Stands in for ccxt's `handle_errors`: whatever is not a JSON object with status 2xx is raised as it came."""
    _headers, text, parsed, *_ = rest
    if status >= 300 or not isinstance(parsed, dict):
        raise Answered(status, str(text), parsed)
