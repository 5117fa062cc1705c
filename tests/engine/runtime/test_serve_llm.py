"""The local model server over a model that does as it is told: both APIs, the line, deadline and arguments."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from tests.fakes_llm import FakeLocalModel
from trading_engine.adapters.local_llm import MAX_TOKENS, MODEL_SHA256, check_sha256, load
from trading_engine.errors import ConfigError, ModelInvalid
from trading_engine.runtime import serve_llm
from trading_engine.runtime.serve_llm import LINE, Desk, application

SCHEMA = {"type": "object", "properties": {"decision": {"enum": ["approve", "reject"]}}}
MESSAGES = [{"role": "system", "content": "Review."}, {"role": "user", "content": "?"}]
OLLAMA = ("/api/chat", {"model": "tiny", "messages": MESSAGES, "stream": False})
OPENAI = ("/v1/chat/completions", {"model": "tiny", "messages": MESSAGES})
APIS = pytest.mark.parametrize(("path", "body"), [OLLAMA, OPENAI], ids=["ollama", "openai"])


class Client:
    """One server over one fake model."""

    def __init__(self, model: FakeLocalModel, desk: Desk, session: ClientSession) -> None:
        self.model, self.desk, self.session = model, desk, session

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self.session.post(path, json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> dict[str, Any]:
        async with self.session.get(path) as response:
            assert response.status == 200
            return await response.json()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    model = FakeLocalModel()
    desk = Desk(model, deadline_seconds=0.5)  # type: ignore[arg-type]  # stands in for LocalModel
    async with (
        TestServer(application(desk), host="127.0.0.1", handler_cancellation=True) as server,
        ClientSession(f"http://127.0.0.1:{server.port}") as session,
    ):
        yield Client(model, desk, session)
    assert await desk.close()


async def test_replies_as_ollama_does(client: Client) -> None:
    """`format` becomes the schema of the answer."""
    status, reply = await client.post(
        OLLAMA[0], {**OLLAMA[1], "format": SCHEMA, "options": {"seed": 3, "num_predict": 9}}
    )
    assert status == 200
    assert reply["message"] == {"role": "assistant", "content": '{"decision":"reject"}'}
    assert (reply["model"], reply["done"], reply["done_reason"], reply["eval_count"]) == ("tiny", True, "stop", 3)
    ask = client.model.asks[0]
    assert (ask.schema, ask.seed, ask.max_tokens, ask.temperature) == (SCHEMA, 3, 9, 0)


async def test_replies_as_openai_does(client: Client) -> None:
    """`response_format` becomes the schema of the answer."""
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": SCHEMA}}
    status, reply = await client.post(OPENAI[0], {**OPENAI[1], "response_format": form})
    assert status == 200
    assert reply["choices"][0]["message"] == {"role": "assistant", "content": '{"decision":"reject"}'}
    assert (reply["model"], reply["usage"]["total_tokens"]) == ("tiny", 10)
    ask = client.model.asks[0]
    assert (ask.schema, ask.max_tokens) == (SCHEMA, MAX_TOKENS)


@APIS
@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "llama3.2"}, 404, "has only 'tiny'"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.role"),
        ({"stream": True}, 400, "stream"),
        ({"messages": [{"role": "user", "content": "too long"}]}, 400, "context size"),
    ],
)
async def test_refuses_in_the_api_s_own_words_when_the_request_is_wrong(
    client: Client, path: str, body: dict[str, Any], change: dict[str, Any], status: int, words: str
) -> None:
    """Each refusal names what is wrong, where that API's clients look for it."""
    got, reply = await client.post(path, {**body, **change})
    error = reply["error"]
    assert got == status
    assert words in (error["message"] if path == OPENAI[0] else error)


@APIS
async def test_says_504_when_the_deadline_passes(client: Client, path: str, body: dict[str, Any]) -> None:
    """The answer is given up, so the next request does not wait for it."""
    client.model.go.clear()
    assert (await client.post(path, body))[0] == 504
    assert await asyncio.to_thread(client.model.gave_up.wait, 1)
    client.model.go.set()
    assert (await client.post(path, body))[0] == 200


async def test_says_503_when_the_line_is_full(client: Client) -> None:
    """A bounded line: the one too many is told at once, the others get their answers."""
    client.model.go.clear()
    calls = [asyncio.create_task(client.post(*OLLAMA)) for _ in range(LINE + 1)]
    (refused,), waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    client.model.go.set()
    assert await refused == (503, {"error": f"busy: {LINE} requests are waiting, try again later"})
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * LINE


async def test_stops_writing_when_the_caller_hangs_up(client: Client) -> None:
    """Nobody computes for a closed connection."""
    client.model.go.clear()
    call = asyncio.create_task(client.post(*OPENAI))
    assert await asyncio.to_thread(client.model.asked.wait, 1)
    call.cancel()
    assert await asyncio.to_thread(client.model.gave_up.wait, 0.25)  # sooner than the deadline


async def test_names_its_model_wherever_clients_ask(client: Client) -> None:
    """Health, Ollama's tags and OpenAI's models tell the same name."""
    assert await client.get("/healthz") == {"status": "ok", "model": "tiny"}
    assert [model["name"] for model in (await client.get("/api/tags"))["models"]] == ["tiny"]
    assert [model["id"] for model in (await client.get("/v1/models"))["data"]] == ["tiny"]
    assert "version" in await client.get("/api/version")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "--port is 65536"),
        (["--threads", "0"], "--threads is 0"),
        (["--deadline", "0"], "--deadline is 0"),
        (["--deadline", "nan"], "--deadline is nan"),
        (["--model-file", "no/such.gguf"], "--model-file is no/such.gguf"),
    ],
)
def test_refuses_to_start_when_an_argument_is_out_of_range(arguments: list[str], words: str) -> None:
    """Option, value and what is allowed are named before anything is loaded."""
    parser = argparse.ArgumentParser()
    serve_llm.add_arguments(parser)
    with pytest.raises(ConfigError, match=words):
        serve_llm.run(parser.parse_args(arguments))


def test_refuses_a_packaged_model_other_than_the_pinned_one() -> None:
    """The package is a re-upload by somebody: what we tested with is what we serve."""
    check_sha256(MODEL_SHA256)
    with pytest.raises(ModelInvalid, match="sha256 is 0000"):
        check_sha256("0" * 64)


def test_refuses_a_model_file_that_is_none(tmp_path: Any) -> None:
    """A text file is named as what it is: not a model."""
    path = tmp_path / "model.gguf"
    path.write_text("not a model")
    with pytest.raises(ModelInvalid, match=r"model\.gguf: llama\.cpp cannot load it"):
        load(path, "x", 1)
