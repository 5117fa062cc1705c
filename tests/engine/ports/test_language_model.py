"""One suite for port LanguageModel: the fake, and both adapters against a real `serve-llm` process.

The small model's verdicts mean nothing, so only the shape of its answers is looked at.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.builders import a_recommendation
from tests.fakes_llm import SILENCE, ScriptedModel
from trading_engine.adapters.local_llm import MODEL_NAME
from trading_engine.adapters.ollama_model import OllamaModel
from trading_engine.adapters.openai_model import OpenAiModel
from trading_engine.contract.config import LlmConfig
from trading_engine.contract.messages import ValidationRequest
from trading_engine.domain.validation import VERDICT_SCHEMA, Verdict, parse_verdict, prompt
from trading_engine.errors import WorkerUnavailable
from trading_engine.ports import LanguageModel

pytestmark = pytest.mark.slow  # a real model is loaded

MESSAGES = prompt(ValidationRequest(recommendation=a_recommendation()))
ADAPTERS = {"ollama": OllamaModel, "openai": OpenAiModel}


@dataclass(frozen=True)
class Subject:
    """The same port, once able to answer and once without anybody at the other end."""

    answering: LanguageModel
    silent: LanguageModel
    unreachable: LanguageModel


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on the packaged model; at the end it has to stop as asked, leaving no file behind."""
    url = f"http://127.0.0.1:{free_port()}"
    scratch = tmp_path_factory.mktemp("tmpdir")
    log = scratch.parent / "serve-llm.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "trading_engine", "serve-llm", "--port", url.rpartition(":")[2]],
            env={"TMPDIR": str(scratch), "HOME": "/nonexistent", "PATH": ""},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"{url}/healthz", process, log.read_text)
        yield url
    finally:
        process.terminate()
        ended = process.wait(timeout=10)
    assert ended == 0, log.read_text()
    assert "plumbing check" in log.read_text()
    assert not list(scratch.iterdir())


def wait_for(url: str, process: subprocess.Popen[bytes], log: object) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"serve-llm ended: {log()}"  # type: ignore[operator]
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"serve-llm did not start: {log()}")  # type: ignore[operator]


@pytest.fixture(params=["fake", *ADAPTERS])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "fake":
        verdict = '{"decision":"reject","confidence":0.5,"reason":"x"}'
        yield Subject(ScriptedModel(verdict), ScriptedModel(SILENCE), ScriptedModel(WorkerUnavailable("refused")))
        return
    adapter, url = ADAPTERS[request.param], request.getfixturevalue("server_url")
    real = adapter(LlmConfig(url=url, model=MODEL_NAME))
    nobody = adapter(LlmConfig(url=f"http://127.0.0.1:{free_port()}", model=MODEL_NAME))
    yield Subject(real, real, nobody)
    await real.close()
    await nobody.close()


async def test_answers_within_the_schema_when_asked_for_a_verdict(subject: Subject) -> None:
    """The text is a verdict as the schema describes it; which one is nobody's business here."""
    text = await subject.answering.chat(MESSAGES, VERDICT_SCHEMA, 60)
    assert isinstance(parse_verdict(text), Verdict), text
    assert list(json.loads(text)) == ["decision", "confidence", "reason"]


async def test_is_unavailable_when_no_answer_comes_in_time(subject: Subject) -> None:
    """The deadline is the caller's, and it is kept."""
    started = time.monotonic()
    with pytest.raises(WorkerUnavailable, match=r"no answer within 0\.05 s"):
        await subject.silent.chat(MESSAGES, VERDICT_SCHEMA, 0.05)
    assert time.monotonic() - started < 1


async def test_is_unavailable_when_nobody_listens(subject: Subject) -> None:
    """A refused connection is said to be one, at once."""
    with pytest.raises(WorkerUnavailable, match=r"not reachable|refused"):
        await subject.unreachable.chat(MESSAGES, VERDICT_SCHEMA, 5)


def test_has_a_name(subject: Subject) -> None:
    """Rows and logs say which model spoke."""
    assert subject.answering.name in ("scripted", MODEL_NAME)


@pytest.mark.parametrize("adapter", ADAPTERS.values())
async def test_is_unavailable_when_the_server_has_another_model(
    adapter: type[OllamaModel | OpenAiModel], server_url: str
) -> None:
    """A wrong `llm.model` is named, not answered by whatever model is there."""
    model = adapter(LlmConfig(url=server_url, model="llama3.2"))
    with pytest.raises(WorkerUnavailable, match=f"HTTP 404 .*llama3.2.*{MODEL_NAME}"):
        await model.chat(MESSAGES, VERDICT_SCHEMA, 5)
    await model.close()
