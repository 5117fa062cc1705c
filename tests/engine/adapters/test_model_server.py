"""The language-model adapters against servers that misbehave, and what they refuse in their configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trading_engine.adapters.ollama_model import OllamaModel
from trading_engine.adapters.openai_model import OpenAiModel
from trading_engine.contract.config import LlmConfig
from trading_engine.domain.validation import VERDICT_SCHEMA
from trading_engine.errors import ConfigError, WorkerUnavailable

KEY = "sk-made-up-0123456789"
MESSAGES = [{"role": "user", "content": "?"}]
ADAPTERS = pytest.mark.parametrize("adapter", [OllamaModel, OpenAiModel])
Adapter = type[OllamaModel] | type[OpenAiModel]


class Server:
    """Answers every request with `status` and `body`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, "", {}
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, request.headers.get("Authorization"), await request.json()))
        return web.Response(status=self.status, text=self.body, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    told = Server()
    app = web.Application()
    app.router.add_post("/{path:.*}", told.handle)
    async with TestServer(app, host="127.0.0.1") as running:
        yield told, f"http://127.0.0.1:{running.port}"


async def chat(adapter: Adapter, url: str, key_file: Path | None = None) -> str:
    model = adapter(LlmConfig(url=url, model="m", api_key_file=key_file))
    try:
        return await model.chat(MESSAGES, VERDICT_SCHEMA, 5)
    finally:
        await model.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "apiKey"
    path.write_text(f"{KEY}\n")
    return path


@ADAPTERS
async def test_hides_the_key_when_the_server_repeats_it(
    adapter: Adapter, server: tuple[Server, str], key_file: Path
) -> None:
    """The key is sent, and is in no error that comes of it."""
    told, url = server
    told.status, told.body = 401, f"bad key {KEY}, go away"
    with pytest.raises(WorkerUnavailable, match=r"HTTP 401 bad key \*\*\*, go away") as caught:
        await chat(adapter, url, key_file)
    assert told.requests[0][1] == f"Bearer {KEY}"
    seen: BaseException | None = caught.value
    while seen is not None:
        assert KEY not in repr(seen)
        seen = seen.__cause__


@ADAPTERS
@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", '{"choices": []}', '{"message": 5}'])
async def test_is_unavailable_when_the_reply_is_of_another_shape(
    adapter: Adapter, server: tuple[Server, str], body: str
) -> None:
    """A proxy's page with status 200 is not an answer."""
    told, url = server
    told.body = body
    with pytest.raises(WorkerUnavailable, match="the reply is not"):
        await chat(adapter, url)


@ADAPTERS
async def test_is_unavailable_when_redirected(adapter: Adapter, server: tuple[Server, str], key_file: Path) -> None:
    """The key does not follow a redirect."""
    told, url = server
    told.status, told.headers = 307, {"Location": f"{url}/elsewhere"}
    with pytest.raises(WorkerUnavailable, match="HTTP 307"):
        await chat(adapter, url, key_file)
    assert len(told.requests) == 1


@pytest.mark.parametrize(
    ("adapter", "body"),
    [
        (OllamaModel, '{"model": "m", "message": {"role": "assistant"}}'),
        (OpenAiModel, '{"choices": [{"message": {"content": null, "refusal": "no"}}]}'),
    ],
)
async def test_answers_nothing_when_the_model_gave_no_text(
    adapter: Adapter, server: tuple[Server, str], body: str
) -> None:
    """An empty answer is for the caller to refuse, never None."""
    told, url = server
    told.body = body
    assert await chat(adapter, url) == ""


async def test_asks_ollama_as_its_api_says(server: tuple[Server, str]) -> None:
    """The schema is in `format`, the options make it repeatable, nothing is streamed."""
    told, url = server
    told.body = '{"model": "m", "message": {"role": "assistant", "content": "ok"}}'
    assert await chat(OllamaModel, url) == "ok"
    path, key, sent = told.requests[0]
    assert (path, key) == ("/api/chat", None)
    assert (sent["format"], sent["stream"], sent["messages"]) == (VERDICT_SCHEMA, False, MESSAGES)
    assert sent["options"] == {"temperature": 0, "seed": 0}


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_asks_openai_as_its_api_says(server: tuple[Server, str], suffix: str) -> None:
    """With and without `/v1` in the URL; only fields that every compatible server knows."""
    told, url = server
    told.body = '{"choices": [{"message": {"content": "ok"}}]}'
    assert await chat(OpenAiModel, url + suffix) == "ok"
    path, _, sent = told.requests[0]
    assert path == "/v1/chat/completions"
    assert sent == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": VERDICT_SCHEMA}},
    }


@ADAPTERS
@pytest.mark.parametrize(
    "url", [None, "", "ollama:11434", "ftp://host", "http://", "http://u:hunter2@host", "http://h?q"]
)
def test_refuses_a_url_that_is_none(adapter: Adapter, url: str | None) -> None:
    """The field, the value and what is allowed are named; a password in it is not."""
    with pytest.raises(ConfigError, match=r"llm\.url") as caught:
        adapter(LlmConfig(url=url))
    assert "hunter2" not in str(caught.value)


@ADAPTERS
@pytest.mark.parametrize("content", [None, "", " \n", f"{KEY}\nX-Other: 1", "schlüssel"])
def test_refuses_a_key_file_that_holds_no_key(adapter: Adapter, content: str | None, tmp_path: Path) -> None:
    """A missing, empty or many-lined file is a mistake found at start, without a word of its content."""
    path = tmp_path / "apiKey"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"llm\.api_key_file .*apiKey") as caught:
        adapter(LlmConfig(url="http://host", api_key_file=path))
    assert KEY not in str(caught.value)
