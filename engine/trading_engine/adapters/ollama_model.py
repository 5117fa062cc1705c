"""Ollama's `/api/chat` as a LanguageModel, through Ollama's own client. Made by `runtime.wiring`.

`format` holds the answer to a schema, but not on every model and version (ollama/ollama issues 8063,
14645, 15260): the caller checks what comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import ollama

from trading_engine.adapters.model_server import authorization, base_url, refused, timed_out, unreachable
from trading_engine.contract.config import LlmConfig
from trading_engine.errors import WorkerUnavailable

#: Same answer to the same question, as far as a server can.
_OPTIONS = {"temperature": 0, "seed": 0}


class OllamaModel:
    """One model on one Ollama server."""

    def __init__(self, config: LlmConfig) -> None:
        """Connects on the first call.

        Raises:
            ConfigError: `llm.url` or `llm.api_key_file` is missing or malformed.
        """
        self._model = config.model
        self._url = base_url(config)
        self._headers = authorization(config)
        self._client = ollama.AsyncClient(self._url, follow_redirects=False, headers=self._headers)

    @property
    def name(self) -> str:
        """Model name for rows and logs."""
        return self._model

    async def chat(self, messages: Sequence[dict[str, str]], schema: dict[str, object], timeout_seconds: float) -> str:
        """The raw text of the answer; empty when the model gave none.

        Raises:
            WorkerUnavailable: no answer in time, an HTTP error, or a reply that is not Ollama's.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                reply = await self._client.chat(self._model, messages, format=dict(schema), options=_OPTIONS)
        except TimeoutError:
            raise timed_out(self._url, timeout_seconds) from None
        except ollama.ResponseError as error:
            raise refused(self._url, error.status_code, error.error, self._headers) from None
        except (ConnectionError, httpx.TransportError) as error:
            raise unreachable(self._url, error) from error
        except (ValueError, TypeError) as error:  # a body that is no JSON, or not of Ollama's shape
            raise WorkerUnavailable(f"language model at {self._url}: the reply is not Ollama's") from error
        return reply.message.content or ""

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()  # type: ignore[no-untyped-call]  # published without a return type
