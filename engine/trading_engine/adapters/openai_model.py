"""An OpenAI-compatible `/v1/chat/completions` as a LanguageModel, over aiohttp. Made by `runtime.wiring`.

Only what every such server knows is sent: model, messages, temperature and `response_format`. `strict` is
left out: with it, servers refuse schemas that bound a length, and the caller checks the answer anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
import orjson
from pydantic import BaseModel, Field, ValidationError

from trading_engine.adapters.model_server import authorization, base_url, refused, timed_out, unreachable
from trading_engine.contract.config import LlmConfig
from trading_engine.errors import WorkerUnavailable


class OpenAiModel:
    """One model on one OpenAI-compatible server."""

    def __init__(self, config: LlmConfig) -> None:
        """Connects on the first call. `llm.url` is given with or without its trailing `/v1`.

        Raises:
            ConfigError: `llm.url` or `llm.api_key_file` is missing or malformed.
        """
        self._model = config.model
        self._url = base_url(config)
        self._headers = authorization(config)
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """Model name for rows and logs."""
        return self._model

    async def chat(self, messages: Sequence[dict[str, str]], schema: dict[str, object], timeout_seconds: float) -> str:
        """The raw text of the answer; empty when the model gave none (a refusal, for one).

        Raises:
            WorkerUnavailable: no answer in time, an HTTP error, or a reply that is not OpenAI's.
        """
        body = {
            "model": self._model,
            "messages": list(messages),
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        }
        try:
            async with asyncio.timeout(timeout_seconds):
                return _content(await self._post(orjson.dumps(body)), self._url)
        except TimeoutError:
            raise timed_out(self._url, timeout_seconds) from None
        except aiohttp.ClientError as error:
            raise unreachable(self._url, error) from error

    async def close(self) -> None:
        """Release connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:  # it belongs to the running loop, which construction does not have
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        url = f"{self._url.removesuffix('/v1')}/v1/chat/completions"
        headers = {"Content-Type": "application/json", **self._headers}
        # A redirect would carry the key to an address nobody configured.
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            text = await response.read()
            if response.status != 200:
                raise refused(self._url, response.status, text.decode(errors="replace"), self._headers)
            return text


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message


class _Reply(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


def _content(body: bytes, url: str) -> str:
    try:
        return _Reply.model_validate_json(body).choices[0].message.content or ""
    except ValidationError as error:
        raise WorkerUnavailable(f"language model at {url}: the reply is not OpenAI's") from error
