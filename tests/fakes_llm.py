"""Language models for tests: one that says what it is told to, and one that stands in for llama.cpp."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event

from trading_engine.adapters.local_llm import Answer, Ask, PromptRefused, Stopped
from trading_engine.errors import WorkerUnavailable

#: In a script: the model says nothing until its caller's patience ends.
SILENCE = object()


class ScriptedModel:
    """Port LanguageModel: gives its answers in order, raises those that are errors, and keeps what it was asked."""

    name = "scripted"

    def __init__(self, *script: object) -> None:
        self._script = list(script)
        self.asked: list[list[dict[str, str]]] = []
        self.talking = 0
        self.most_talking = 0

    async def chat(self, messages: Sequence[dict[str, str]], schema: dict[str, object], timeout_seconds: float) -> str:
        assert schema["type"] == "object"
        self.asked.append(list(messages))
        self.talking += 1
        self.most_talking = max(self.talking, self.most_talking)
        try:
            return await self._next(timeout_seconds)
        finally:
            self.talking -= 1

    async def close(self) -> None:
        pass

    async def _next(self, timeout_seconds: float) -> str:
        answer = self._script.pop(0)
        await asyncio.sleep(timeout_seconds if answer is SILENCE else 0)
        if answer is SILENCE:
            raise WorkerUnavailable(f"no answer within {timeout_seconds} s")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)


class FakeLocalModel:
    """In place of `LocalModel`: answers `text` once `go` is set, and gives up when told to stop."""

    name = "tiny"

    def __init__(self, text: str = '{"decision":"reject"}') -> None:
        self.go = Event()
        self.go.set()
        self.asks: list[Ask] = []
        self.asked, self.gave_up = Event(), Event()
        self._text = text

    def answer(self, ask: Ask, stopped: Event) -> Answer:
        self.asks.append(ask)
        self.asked.set()
        if ask.messages[-1]["content"] == "too long":
            raise PromptRefused("request (5000 tokens) exceeds the available context size (2048 tokens)")
        while not self.go.wait(0.01):
            if stopped.is_set():
                self.gave_up.set()
                raise Stopped
        return Answer(self._text, "stop", prompt_tokens=7, tokens=3)
