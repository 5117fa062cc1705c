"""The two chat APIs that `serve-llm` speaks, as pure functions: body -> Ask, Answer -> reply. No I/O.

Ollama's `/api/chat` (https://docs.ollama.com/api/chat) and OpenAI's `/v1/chat/completions`, as far as
a client needs them that asks for one answer held to a JSON schema. What is not spoken is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from trading_engine.adapters.local_llm import MAX_TOKENS, Answer, Ask


class Refusal(Exception):
    """A request that is not answered, with its HTTP status; the message is for the caller."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class ChatApi:
    """One API: `ask(body, served model)`, `reply(answer, model, now, seconds)`, `error(why)`."""

    ask: Callable[[bytes, str], Ask]
    reply: Callable[[Answer, str, datetime, float], dict[str, Any]]
    error: Callable[[str], dict[str, Any]]


class _Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class _Chat(BaseModel):
    model: str
    messages: list[_Message] = Field(min_length=1, max_length=32)


class _OllamaOptions(BaseModel):
    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int = 0
    num_predict: int = Field(default=MAX_TOKENS, ge=1)


class _OllamaChat(_Chat):
    format: dict[str, Any] | Literal["json", ""] | None = None
    options: _OllamaOptions = _OllamaOptions()
    stream: bool = True  # Ollama's own default


class _JsonSchema(BaseModel):
    schema_: dict[str, Any] = Field(alias="schema")


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _OpenAiChat(_Chat):
    response_format: _ResponseFormat | None = None
    temperature: float = Field(default=0.0, ge=0, le=2)
    seed: int | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stream: bool = False


_C = TypeVar("_C", _OllamaChat, _OpenAiChat)
_ANY_OBJECT: dict[str, object] = {"type": "object"}


def _ollama_ask(body: bytes, served: str) -> Ask:
    chat = _parsed(_OllamaChat, body, served)
    return Ask(
        messages=[message.model_dump() for message in chat.messages],
        schema=_ANY_OBJECT if chat.format == "json" else chat.format or None,
        max_tokens=chat.options.num_predict,
        temperature=chat.options.temperature,
        seed=chat.options.seed,
    )


def _openai_ask(body: bytes, served: str) -> Ask:
    chat = _parsed(_OpenAiChat, body, served)
    return Ask(
        messages=[message.model_dump() for message in chat.messages],
        schema=_openai_schema(chat.response_format),
        max_tokens=chat.max_completion_tokens or chat.max_tokens or MAX_TOKENS,
        temperature=chat.temperature,
        seed=chat.seed or 0,
    )


def _openai_schema(form: _ResponseFormat | None) -> dict[str, object] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return _ANY_OBJECT
    if form.json_schema is None:
        raise Refusal(400, "response_format.json_schema is missing")
    return form.json_schema.schema_


def _parsed(shape: type[_C], body: bytes, served: str) -> _C:
    try:
        chat = shape.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Refusal(400, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
    if chat.model.removesuffix(":latest") != served:
        raise Refusal(404, f"model '{chat.model[:100]}' not found: this server has only '{served}'")
    if chat.stream:
        raise Refusal(400, "stream: only false is served")
    return chat


def _ollama_reply(answer: Answer, model: str, now: datetime, seconds: float) -> dict[str, Any]:
    return {
        "model": model,
        "created_at": now.isoformat(),
        "message": {"role": "assistant", "content": answer.text},
        "done": True,
        "done_reason": answer.finish,
        "total_duration": round(seconds * 1e9),
        "prompt_eval_count": answer.prompt_tokens,
        "eval_count": answer.tokens,
    }


def _openai_reply(answer: Answer, model: str, now: datetime, _seconds: float) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": answer.finish,
        "message": {"role": "assistant", "content": answer.text},
    }
    return {
        "id": f"chatcmpl-{int(now.timestamp() * 1e6):x}",
        "object": "chat.completion",
        "created": int(now.timestamp()),
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.tokens,
            "total_tokens": answer.prompt_tokens + answer.tokens,
        },
    }


OLLAMA = ChatApi(_ollama_ask, _ollama_reply, lambda why: {"error": why})
OPENAI = ChatApi(_openai_ask, _openai_reply, lambda why: {"error": {"message": why, "type": "invalid_request_error"}})
